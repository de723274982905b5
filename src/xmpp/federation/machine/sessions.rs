//! Sessions that outlive their streams (XEP-0198 section 5).
//!
//! What a session of ours holds is worth a new stream at once, on which it goes on. What one of a peer's holds waits until
//! the peer is back, and so does all of that pair that comes after. When its time is over, it counts as unsent.

use super::super::{Command, Pair, StreamId};
use super::end::why_broken;
use super::queue::On;
use super::{Federation, Output, Timer, limits};
use crate::time::Now;
use crate::xmpp::stanza::Stanza;
use crate::xmpp::stream::StreamErrorKind;
use crate::xmpp::stream::manage::{Found, Session};

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
                let stanzas = self.take_kept(pair);
                self.wait_again(pair, stanzas, now);
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
            let stanzas = self.take_kept(pair);
            self.send_again(pair, stanzas, now);
        }
    }

    /// What the session of this pair holds; the session is over.
    pub(super) fn take_kept(&mut self, pair: &Pair) -> Vec<Stanza> {
        let name = match self.kept.remove(pair) {
            Some(Kept::Theirs(name)) => Some(name),
            Some(Kept::Ours) => None,
            None => return Vec::new(),
        };
        match self.sessions.find(0, pair, name.as_deref()) {
            Found::Session(session) => session.into_unacknowledged(),
            Found::Nothing | Found::Held(_) => Vec::new(),
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

    /// What a session holds is sent again, if nothing of its pair has gone another way since; else it comes back.
    fn give_up(&mut self, session: Session, now: Now) {
        let pair = session.pair().clone();
        if !session.is_empty() {
            self.kept.remove(&pair);
        }
        self.send_again(&pair, session.into_unacknowledged(), now);
    }

    fn send_again(&mut self, pair: &Pair, stanzas: Vec<Stanza>, now: Now) {
        if stanzas.is_empty() && !self.routes.contains_key(pair) {
            return;
        }
        let on = self.routes.get(pair).map(|route| &route.on);
        let is_settled = match on {
            Some(On::Ending(id)) => self.streams.contains_key(id),
            Some(On::Proven(_) | On::Asking(_) | On::Refused(_)) => true,
            Some(On::Nowhere) | None => false,
        };
        if is_settled {
            for stanza in stanzas {
                self.bounce(&stanza, &why_broken());
            }
            return;
        }
        self.route(pair).on = On::Nowhere;
        self.wait_again(pair, stanzas, now);
        self.lead_anew(pair, now);
    }

    /// At the stop: what sessions hold comes back.
    pub(super) fn give_up_all(&mut self) {
        self.kept.clear();
        for session in self.sessions.take_all() {
            for stanza in session.into_unacknowledged() {
                self.bounce(&stanza, &super::Why::Stopped);
            }
        }
    }
}
