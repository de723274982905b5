//! Acknowledgements and resumption (XEP-0198), for either end of a stream between servers.
//!
//! ```text
//!  opener:   Asking --<enabled/>--> On                 Asking --<failed/>--> Off
//!            Resuming --<resumed/>--> On               Resuming --<failed/>--> Asking, or Over if any is in doubt
//!  other:    Off --<enable/>--> On                     Off --<resume/>, and the session is there--> On
//! ```
//! A [`Manager`] belongs to a stream, which asks it before it sends (is there room?), gives it each stanza to write and to
//! keep, tells it of each stanza that came, and hands it the elements of `urn:xmpp:sm:3`. What it keeps, and the counters,
//! are a [`Session`], which outlives the stream: the next one goes on with it, or it is over. Then what was written and not
//! acknowledged is in doubt for good, and never written again: a peer that acknowledges late, or has forgotten what it had,
//! would take it twice. What was never written is given back.
//!
//! Acknowledgement is asked for after [`ManageConfig::request_every`] stanzas or, when fewer come, once the first of them
//! has waited [`ManageConfig::request_after`], so that it costs nothing to speak of at any rate. Stanzas are moved in and
//! out, never copied.

mod element;
mod session;
mod sessions;

use std::time::Duration;

pub use session::{Rest, Session};
pub use sessions::{Closed, Found, Limits as SessionLimits, Sessions};

use element::Said;

use super::{StreamError, StreamErrorKind};
use crate::time::Now;
use crate::xml::{Element, ns};
use crate::xmpp::federation::Pair;
use crate::xmpp::stanza::{Condition, Stanza};

/// How much is kept, and when an acknowledgement is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ManageConfig {
    /// Stanzas that may wait to be acknowledged. A second of full load through a slow peer.
    pub max_stanzas: usize,
    /// Bytes of them.
    pub max_bytes: usize,
    /// Stanzas after which an acknowledgement is asked for.
    pub request_every: u32,
    /// How long a stanza waits for others before that is done.
    pub request_after: Duration,
    /// For how long a session outlives its stream; zero: not at all, only acknowledgements are wanted.
    pub resume_within: Duration,
}

impl Default for ManageConfig {
    fn default() -> Self {
        Self {
            max_stanzas: 16 * 1024,
            max_bytes: 8 * 1024 * 1024,
            request_every: 64,
            request_after: Duration::from_secs(1),
            resume_within: Duration::from_secs(60),
        }
    }
}

/// Acknowledgements on one stream.
pub struct Manager {
    config: ManageConfig,
    state: State,
    session: Session,
    /// Stanzas written since an acknowledgement was last asked for.
    unrequested: u32,
    /// When the first of them was.
    first: Duration,
    /// When the first question was written that nothing has answered.
    asked: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Asking,
    Resuming,
    On,
    Off,
    /// The peer has forgotten the session and may have had what it did not acknowledge: the stream is to end, so that
    /// nothing of the pair follows before its owner knows.
    Over,
}

impl Manager {
    /// The opener's: asks for a session of `pair`, or to go on with an earlier one, whose stanzas then go first.
    #[must_use]
    pub fn opener(
        config: ManageConfig,
        pair: Pair,
        earlier: Option<Box<Session>>,
        now: Now,
        out: &mut Vec<u8>,
    ) -> Self {
        let (state, session) = match earlier.filter(|session| session.id.is_some()) {
            Some(session) => {
                let id = session.id.as_deref().unwrap_or_default();
                element::write_resume("resume", id, session.handled, out);
                (State::Resuming, *session)
            }
            None => {
                element::write_enable(config.resume_within, out);
                (State::Asking, Session::new(pair, false))
            }
        };
        Self { config, state, session, unrequested: 0, first: Duration::ZERO, asked: Some(now.mono) }
    }

    /// The other end's, as `<enable/>` asks for; `id`: unpredictable, never used again.
    #[must_use]
    pub fn enabled(config: ManageConfig, pair: Pair, enable: &Element, id: String, out: &mut Vec<u8>) -> Self {
        let mut session = Session::new(pair, true);
        session.within = element::max(enable).map_or(config.resume_within, |max| max.min(config.resume_within));
        session.id = (element::resumable(enable) && session.within.as_secs() > 0).then_some(id);
        element::write_enabled(session.id.as_deref().map(|id| (id, session.within)), out);
        Self { config, state: State::On, session, unrequested: 0, first: Duration::ZERO, asked: None }
    }

    /// The other end's, as `<resume/>` asks for, which has found its session: [`Self::resume`] comes next.
    #[must_use]
    pub fn with(config: ManageConfig, session: Session) -> Self {
        Self { config, state: State::Resuming, session, unrequested: 0, first: Duration::ZERO, asked: None }
    }

    /// Tells the peer, which has `h` of our stanzas, that its session goes on, and sends it the others.
    pub fn resume(&mut self, h: u32, now: Now, out: &mut Vec<u8>) -> Result<(), StreamError> {
        let id = self.session.id.as_deref().unwrap_or_default();
        element::write_resume("resumed", id, self.session.handled, out);
        self.go_on(h, now, out)
    }

    /// What `<resume/>` asks for: the name of the session and how many stanzas the peer has of it.
    #[must_use]
    pub fn wanted(resume: &Element) -> Option<(&str, u32)> {
        element::resume(resume)
    }

    /// Answers `<resume/>` of a session that is not there.
    pub fn refuse_resume(out: &mut Vec<u8>) {
        element::write_failed(&Condition::ItemNotFound, out);
    }

    /// Answers `<enable/>` or `<resume/>` before it is time (section 3).
    pub fn refuse_early(out: &mut Vec<u8>) {
        element::write_failed(&Condition::UnexpectedRequest, out);
    }

    /// For which pair the session is.
    #[must_use]
    pub fn pair(&self) -> &Pair {
        self.session.pair()
    }

    /// By which name the session may be resumed.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.session.id()
    }

    /// Whether one more stanza may be sent.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.session.len() < self.config.max_stanzas && self.session.bytes() < self.config.max_bytes
    }

    /// Stanzas that are kept.
    #[must_use]
    pub fn unacknowledged(&self) -> usize {
        self.session.len()
    }

    /// Whether the peer acknowledges what it takes, as far as is known.
    #[must_use]
    pub fn acknowledges(&self) -> bool {
        !matches!(self.state, State::Off | State::Over)
    }

    /// Whether the stream is to end, because the peer does not know any more how much of the session it had.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// Writes a stanza, and keeps it until it is acknowledged. While it is not known whether a session goes on, it waits
    /// behind those of the session.
    pub fn send(&mut self, stanza: Stanza, now: Now, out: &mut Vec<u8>) {
        let start = out.len();
        stanza.write(ns::SERVER, out);
        let bytes = out.len() - start;
        match self.state {
            State::Off => {}
            State::Resuming | State::Over => {
                out.truncate(start);
                self.session.push(stanza, bytes, false);
            }
            State::Asking | State::On => {
                self.session.push(stanza, bytes, true);
                self.count(1, now, out);
            }
        }
    }

    /// A stanza came, useful or not, and is now our responsibility.
    pub fn handled(&mut self) {
        if self.state == State::On {
            self.session.handled = self.session.handled.wrapping_add(1);
        }
    }

    /// An element of `urn:xmpp:sm:3` came.
    pub fn receive(&mut self, element: &Element, now: Now, out: &mut Vec<u8>) -> Result<(), StreamError> {
        let Some(said) = element::read(element) else {
            return Err(StreamError::new(
                StreamErrorKind::BadFormat,
                "not an element of XEP-0198, or without its count",
            ));
        };
        match (self.state, said) {
            (State::On, Said::Request) => element::write_ack(self.session.handled, out),
            (State::On, Said::Ack(h)) => {
                self.session.acknowledge(h)?;
                self.asked = None;
            }
            (State::Asking, Said::Enabled { id, max }) => {
                let within = self.config.resume_within;
                self.session.within = max.map_or(within, |max| max.min(within));
                self.session.id = id.filter(|_| !self.session.within.is_zero()).map(str::to_owned);
                self.state = State::On;
                self.asked = None;
                self.count(0, now, out);
            }
            (State::Asking, Said::Failed(_)) => {
                self.state = State::Off;
                self.session.forget();
                (self.unrequested, self.asked) = (0, None);
            }
            (State::Resuming, Said::Resumed(id, h)) if self.session.id.as_deref() == Some(id) => {
                self.go_on(h, now, out)?;
            }
            (State::Resuming, Said::Failed(h)) if self.session.is_forgotten(h) => {
                self.state = State::Over;
                self.asked = None;
            }
            (State::Resuming, Said::Failed(_)) => {
                element::write_enable(self.config.resume_within, out);
                self.state = State::Asking;
                self.session.start_over(out);
                self.count(self.session.len(), now, out);
            }
            (State::Asking | State::Resuming | State::On | State::Off | State::Over, _) => {
                return Err(StreamError::new(StreamErrorKind::PolicyViolation, "not now (XEP-0198)"));
            }
        }
        Ok(())
    }

    fn go_on(&mut self, h: u32, now: Now, out: &mut Vec<u8>) -> Result<(), StreamError> {
        self.session.resume(h, out)?;
        self.state = State::On;
        self.asked = None;
        self.count(self.session.len(), now, out);
        Ok(())
    }

    /// So many more were written.
    fn count(&mut self, more: usize, now: Now, out: &mut Vec<u8>) {
        if self.unrequested == 0 {
            self.first = now.mono;
        }
        self.unrequested = self.unrequested.saturating_add(u32::try_from(more).unwrap_or(u32::MAX));
        if self.state == State::On && self.unrequested >= self.config.request_every {
            self.request(now, out);
        }
    }

    /// Asks for an acknowledgement, or whether the peer lives.
    pub fn request(&mut self, now: Now, out: &mut Vec<u8>) {
        if self.state != State::On {
            return;
        }
        element::write_request(out);
        self.unrequested = 0;
        self.asked.get_or_insert(now.mono);
    }

    /// When something was asked that the peer has not answered: for acknowledgements at all, or for one.
    #[must_use]
    pub fn asked(&self) -> Option<Duration> {
        self.asked
    }

    /// When [`Self::handle_timeout`] has something to do.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Duration> {
        let waits = self.state == State::On && self.unrequested > 0;
        waits.then(|| self.first + self.config.request_after)
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Now, out: &mut Vec<u8>) {
        if self.next_timeout().is_some_and(|at| at <= now.mono) {
            self.request(now, out);
        }
    }

    /// We are about to end the stream in good order: tells the peer what we have, and asks what it has (section 4).
    pub fn close(&mut self, now: Now, out: &mut Vec<u8>) {
        if self.state == State::On {
            element::write_ack(self.session.handled, out);
            if !self.session.is_empty() {
                self.request(now, out);
            }
        }
    }

    /// The peer has ended its side: tells it what we have.
    pub fn last_word(&self, out: &mut Vec<u8>) {
        if self.state == State::On {
            element::write_ack(self.session.handled, out);
        }
    }

    /// The stream is over. If its end was not an orderly one (section 7) and the session may be resumed, the session goes on
    /// with what it has of its own pair.
    #[must_use]
    pub fn finish(self, orderly: bool) -> Rest {
        let mut session = self.session;
        if orderly || session.id.is_none() || matches!(self.state, State::Off | State::Over) {
            return session.into_rest();
        }
        let others = session.take_others();
        Rest { session: Some(Box::new(session)), ..others }
    }
}

impl std::fmt::Debug for Manager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Manager").field("state", &self.state).field("kept", &self.session.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
