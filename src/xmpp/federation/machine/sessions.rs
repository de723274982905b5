//! Sessions that outlive their streams (XEP-0198 section 5).
//!
//! What a session of ours holds is worth a new stream at once, on which it goes on. What one of a peer's holds waits until
//! the peer is back, and so does all of that pair that comes after. When a session is given up, because its time is over or
//! the peer has forgotten it, what was written of it is in doubt, as on a stream without acknowledgements: it is not sent
//! again, since the peer may have it.

use super::super::{Command, Pair, StreamId};
use super::queue::On;
use super::{Federation, Output, Timer, Why, limits};
use crate::time::Now;
use crate::xmpp::stream::StreamErrorKind;
use crate::xmpp::stream::manage::{Found, Rest, Session};

/// A session that holds stanzas and waits to go on: who opens its next stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kept {
    Ours,
    /// The peer, which knows it by this name.
    Theirs(String),
}

impl Federation {
    /// A stream wants to go on with a session.
    pub(super) fn on_continue(&mut self, id: StreamId, pair: &Pair, name: Option<&str>, now: Now) {
        let session = match self.sessions.find(id, pair, name) {
            Found::Session(session) => Some(session),
            Found::Nothing => None,
            Found::Held(other) => {
                self.close(other, Some(StreamErrorKind::Conflict.into()));
                return;
            }
        };
        self.give(id, session);
        let is_proven = self.streams.get(&id).is_some_and(|stream| stream.out.contains(pair));
        if is_proven && !self.kept.contains_key(pair) {
            self.lead_on(pair, id, now);
        }
    }

    /// Whether what this pair has to send must wait for its session, although the pair is proven on this stream.
    pub(super) fn waits_for_session(&mut self, pair: &Pair, id: StreamId, now: Now) -> bool {
        let is_dialed = self.streams.get(&id).is_some_and(|stream| stream.dialed.is_some());
        match self.kept.get(pair) {
            None => false,
            // The stream on which it goes on is on its way.
            Some(Kept::Ours) if !is_dialed => true,
            // The peer does not acknowledge any more.
            Some(Kept::Ours) => {
                let rest = self.take_kept(pair);
                match rest.doubtful.is_empty() {
                    true => self.wait_again(pair, rest.unsent, now),
                    false => self.doubt(pair, rest.unsent, now),
                }
                false
            }
            Some(Kept::Theirs(_)) => {
                self.timers.set(now, limits::RESUME, Timer::Resume(pair.clone()));
                true
            }
        }
    }

    /// The peer is back and has not named its session, or has begun another.
    pub(super) fn on_not_resumed(&mut self, pair: &Pair, now: Now) {
        if matches!(self.kept.get(pair), Some(Kept::Theirs(_))) {
            let rest = self.take_kept(pair);
            self.on_given_up(pair, rest, now);
        }
    }

    /// What the session of this pair holds; the session is over.
    pub(super) fn take_kept(&mut self, pair: &Pair) -> Rest {
        let name = match self.kept.remove(pair) {
            Some(Kept::Theirs(name)) => Some(name),
            Some(Kept::Ours) => None,
            None => return Rest::default(),
        };
        match self.sessions.find(0, pair, name.as_deref()) {
            Found::Session(session) => session.into_rest(),
            Found::Nothing | Found::Held(_) => Rest::default(),
        }
    }

    fn give(&mut self, id: StreamId, session: Option<Box<Session>>) {
        if let Some(session) = &session {
            self.kept.remove(session.pair());
        }
        self.outputs.push(Output::Order(id, Command::Continue(session)));
    }

    pub(super) fn on_resumable(&mut self, id: StreamId, pair: Pair, name: String, now: Now) {
        self.on_not_resumed(&pair, now);
        if self.streams.contains_key(&id) {
            self.sessions.resumable(id, pair, name);
        }
    }

    /// A stream is over, and this is its session.
    pub(super) fn keep(&mut self, id: StreamId, session: Option<Box<Session>>, now: Now) {
        if let Some(session) = session.as_ref().filter(|session| !session.is_empty()) {
            let name = session.id().filter(|_| session.is_theirs()).map(str::to_owned);
            let whose = name.map_or(Kept::Ours, Kept::Theirs);
            self.kept.insert(session.pair().clone(), whose);
        }
        let closed = self.sessions.closed(id, session, now);
        if let Some((waiting, session)) = closed.waiting {
            self.give(waiting, session);
        }
        for session in closed.given_up {
            self.give_up(session, now);
        }
        if self.stopped {
            self.give_up_all();
        }
    }

    pub(super) fn on_sessions_due(&mut self, now: Now) {
        while let Some(session) = self.sessions.take_expired(now) {
            self.give_up(session, now);
        }
    }

    /// A session is over, and no other stream may go on with it.
    fn give_up(&mut self, session: Session, now: Now) {
        let pair = session.pair().clone();
        if !session.is_empty() {
            self.kept.remove(&pair);
        }
        self.on_given_up(&pair, session.into_rest(), now);
    }

    /// What was written is in doubt; the rest goes again. If others of the pair have gone another way since, all comes back.
    fn on_given_up(&mut self, pair: &Pair, rest: Rest, now: Now) {
        if rest == Rest::default() && !self.routes.contains_key(pair) {
            return;
        }
        let on = self.routes.get(pair).map(|route| &route.on);
        let is_settled = match on {
            Some(On::Ending(id)) => self.streams.contains_key(id),
            Some(On::Proven(_)) => true,
            Some(On::Asking(_) | On::Refused(_) | On::Nowhere) | None => false,
        };
        if is_settled {
            return self.bounce_rest(rest);
        }
        self.route(pair);
        match rest.doubtful.is_empty() {
            true => self.wait_again(pair, rest.unsent, now),
            false => self.doubt(pair, rest.unsent, now),
        }
        match self.routes.get(pair).map(|route| &route.on) {
            Some(On::Asking(_)) => {}
            Some(On::Refused(failed)) => {
                let why = failed.why.clone();
                self.empty(pair, &why);
            }
            Some(On::Ending(_) | On::Proven(_) | On::Nowhere) | None => {
                self.route(pair).on = On::Nowhere;
                self.lead_anew(pair, now);
            }
        }
    }

    /// The domain has rested, and a session of ours may still go on.
    pub(super) fn on_again(&mut self, pair: &Pair, now: Now) {
        let is_led = self.routes.get(pair).is_some_and(|route| !matches!(route.on, On::Nowhere));
        if self.stopped || is_led || self.kept.get(pair) != Some(&Kept::Ours) {
            return;
        }
        if let Err(why) = self.seek(pair, false, now) {
            self.fail(pair, &why, now);
        }
    }

    /// At the stop: what sessions hold comes back, or is in doubt.
    pub(super) fn give_up_all(&mut self) {
        self.kept.clear();
        for session in self.sessions.take_all() {
            let pair = session.pair().clone();
            let rest = session.into_rest();
            for stanza in rest.unsent {
                self.bounce(&stanza, &Why::Stopped);
            }
            self.empty(&pair, &Why::Stopped);
            if !rest.doubtful.is_empty() {
                self.tell_down(&pair);
            }
        }
    }
}
