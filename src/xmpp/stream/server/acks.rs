//! Acknowledgements on a stream between servers, and what becomes of what has none (XEP-0198).
//!
//! The end that has opened the stream asks for them once its first pair is proven; the other offers them. Whether a session
//! of an earlier stream is there to go on with is the federation's to know ([`Report::Continue`]); while it is asked, which
//! takes a moment, stanzas wait.

use std::time::Duration;

use super::{Role, ServerStream};
use crate::time::Now;
use crate::xml::{Element, ns};
use crate::xmpp::federation::{Command, Pair, Report, Way};
use crate::xmpp::stanza::Stanza;
use crate::xmpp::stream::core::{Core, Life};
use crate::xmpp::stream::manage::{Manager, Rest, Session};
use crate::xmpp::stream::{Cause, StreamError, StreamErrorKind};

/// How far acknowledgements are agreed upon.
#[derive(Default)]
pub(super) enum Acks {
    /// Not at all.
    #[default]
    Off,
    /// By the peer of a stream that we opened; nothing is proven yet.
    Offered,
    /// The federation was asked for a session.
    Asked(Box<Asked>),
    /// We have asked the peer, or agreed.
    On(Box<Manager>),
}

/// What is needed once it answers.
pub(super) struct Asked {
    pair: Pair,
    /// How many of our stanzas the peer has, if it has asked.
    h: Option<u32>,
    held: Vec<Stanza>,
}

/// Stanzas that may wait for the answer, which comes at once unless another stream has to be closed for it.
const MAX_HELD: usize = 1000;

impl Acks {
    pub(super) fn has_room(&self) -> bool {
        match self {
            Self::Off | Self::Offered => true,
            Self::Asked(asked) => asked.held.len() < MAX_HELD,
            Self::On(manager) => manager.has_room(),
        }
    }

    /// Writes the stanza, or keeps it for later; whether its fate will be known.
    pub(super) fn send(&mut self, stanza: Stanza, now: Now, out: &mut Vec<u8>) -> bool {
        match self {
            Self::Off | Self::Offered => {
                stanza.write(ns::SERVER, out);
                false
            }
            Self::Asked(asked) => {
                asked.held.push(stanza);
                true
            }
            Self::On(manager) => {
                manager.send(stanza, now, out);
                manager.acknowledges()
            }
        }
    }

    /// A stanza came.
    pub(super) fn handled(&mut self) {
        if let Self::On(manager) = self {
            manager.handled();
        }
    }

    pub(super) fn is_on(&self) -> bool {
        matches!(self, Self::On(manager) if manager.acknowledges())
    }

    /// Asks whether the peer lives, if it would answer.
    pub(super) fn request(&mut self, now: Now, out: &mut Vec<u8>) -> bool {
        match self {
            Self::On(manager) if manager.acknowledges() => {
                manager.request(now, out);
                true
            }
            Self::Off | Self::Offered | Self::Asked(_) | Self::On(_) => false,
        }
    }

    pub(super) fn asked(&self) -> Option<Duration> {
        self.manager().and_then(Manager::asked)
    }

    pub(super) fn next_timeout(&self) -> Option<Duration> {
        self.manager().and_then(Manager::next_timeout)
    }

    pub(super) fn handle_timeout(&mut self, now: Now, out: &mut Vec<u8>) {
        if let Self::On(manager) = self {
            manager.handle_timeout(now, out);
        }
    }

    /// We are about to close our side.
    pub(super) fn close(&mut self, now: Now, core: &mut Core) {
        if let Self::On(manager) = self {
            manager.close(now, &mut core.output);
        }
    }

    /// The peer has closed its side: what it can still use is our last count.
    pub(super) fn last_word(&mut self, core: &mut Core) {
        if let (Self::On(manager), Life::Open) = (self, core.life) {
            manager.last_word(&mut core.output);
        }
    }

    /// The stream is over: the session that the next stream may go on with, what is in doubt, and what is unsent.
    pub(super) fn finish(&mut self, cause: &Cause) -> Rest {
        match std::mem::take(self) {
            Self::Off | Self::Offered => Rest::default(),
            Self::Asked(asked) => Rest { unsent: asked.held, ..Rest::default() },
            Self::On(manager) => manager.finish(is_orderly(cause)),
        }
    }

    fn manager(&self) -> Option<&Manager> {
        match self {
            Self::On(manager) => Some(manager),
            Self::Off | Self::Offered | Self::Asked(_) => None,
        }
    }
}

/// Whether the peer, too, holds the session to be over (section 7): both have closed the stream, or one has refused to go
/// on. Not so where one only believes that the other is gone, or holds an old connection of the same session.
fn is_orderly(cause: &Cause) -> bool {
    match cause {
        Cause::Closed | Cause::PeerClosed => true,
        Cause::OurError(error) | Cause::PeerError(error) => {
            !matches!(error.kind, StreamErrorKind::ConnectionTimeout | StreamErrorKind::Conflict)
        }
        Cause::Disconnected => false,
    }
}

impl ServerStream {
    /// A pair was proven. If it is the first one out of a stream that we opened, and the peer acknowledges, a session of it
    /// may be there.
    pub(super) fn ask_for_session(&mut self, pair: &Pair, way: Way) {
        if way == Way::Out && matches!(self.acks, Acks::Offered) {
            self.ask_federation(pair.clone(), None, None);
        }
    }

    fn ask_federation(&mut self, pair: Pair, id: Option<String>, h: Option<u32>) {
        self.acks = Acks::Asked(Box::new(Asked { pair: pair.clone(), h, held: Vec::new() }));
        self.report(Report::Continue(pair, id));
    }

    /// The federation's answer.
    pub(super) fn on_continue(&mut self, session: Option<Box<Session>>, now: Now) {
        let (Some(config), Life::Open) = (self.config.manage, self.core.life) else {
            return self.give_back_session(session);
        };
        let Asked { pair, h, held } = match std::mem::take(&mut self.acks) {
            Acks::Asked(asked) => *asked,
            other @ (Acks::Off | Acks::Offered | Acks::On(_)) => {
                self.acks = other;
                return self.give_back_session(session);
            }
        };
        let out = &mut self.core.output;
        let (acks, resumed) = match (h, session) {
            (None, session) => (Acks::On(Box::new(Manager::opener(config, pair, session, now, out))), Ok(())),
            (Some(h), Some(session)) => {
                let mut manager = Manager::with(config, *session);
                let resumed = manager.resume(h, now, out);
                (Acks::On(Box::new(manager)), resumed)
            }
            (Some(_), None) => {
                Manager::refuse_resume(out);
                (Acks::Off, Ok(()))
            }
        };
        self.acks = acks;
        for stanza in held {
            self.in_doubt |= !self.acks.send(stanza, now, &mut self.core.output);
        }
        match resumed {
            Ok(()) => self.tell_name(),
            Err(error) => self.fail(error),
        }
    }

    fn give_back_session(&mut self, session: Option<Box<Session>>) {
        if session.is_some() {
            self.report(Report::Undone(Box::new(Command::Continue(session))));
        }
    }

    /// The peer may come back and name the session.
    fn tell_name(&mut self) {
        let Acks::On(manager) = &self.acks else { return };
        if let (Some(id), Role::Accepting(_)) = (manager.id(), &self.role) {
            let told = Report::Resumable(manager.pair().clone(), id.to_owned());
            self.report(told);
        }
    }

    pub(super) fn on_acks(&mut self, element: &Element, now: Now) {
        let closing = self.core.life == Life::Closing;
        let asks = matches!(element.name(), "enable" | "resume") && matches!(self.role, Role::Accepting(_));
        match &mut self.acks {
            // Our side is closed: only what tells how much arrived still counts.
            Acks::On(_) if closing && element.name() != "a" => {}
            Acks::On(manager) => {
                let before = (manager.unacknowledged(), manager.acknowledges());
                let heard = manager.receive(element, now, &mut self.core.output);
                let (after, is_over) = ((manager.unacknowledged(), manager.acknowledges()), manager.is_over());
                if before.1 && !after.1 && !is_over {
                    // It will not acknowledge what it was given meanwhile.
                    self.in_doubt |= before.0 > 0;
                } else if element.name() == "a" && after.0 < before.0 {
                    // A stanza of this stream arrived, and so did those before, which are not counted.
                    self.in_doubt = false;
                }
                match heard {
                    Ok(()) if is_over => self.close(None, now),
                    Ok(()) => {}
                    Err(error) => self.fail(error),
                }
            }
            Acks::Off | Acks::Offered | Acks::Asked(_) if closing => {}
            Acks::Off if asks && self.config.manage.is_some() => self.on_request_for_acks(element),
            Acks::Off | Acks::Offered | Acks::Asked(_) => self.fail(StreamErrorKind::UnsupportedStanzaType.into()),
        }
    }

    /// `<enable/>` or `<resume/>`, which counts for the pair of the header, or if that is not proven for any that is.
    fn on_request_for_acks(&mut self, element: &Element) {
        let named = self.local.clone().zip(self.remote.clone()).map(|(local, remote)| Pair { local, remote });
        let proven = named.filter(|pair| self.pairs.proven(&pair.local, &pair.remote, Way::In).is_some());
        let Some(pair) = proven.or_else(|| self.pairs.any(Way::In).cloned()) else {
            return Manager::refuse_early(&mut self.core.output);
        };
        if element.name() == "resume" {
            return match Manager::wanted(element) {
                Some((id, h)) => self.ask_federation(pair, Some(id.to_owned()), Some(h)),
                None => self.fail(StreamError::new(StreamErrorKind::BadFormat, "<resume/> without its session")),
            };
        }
        let (Some(config), Role::Accepting(side)) = (self.config.manage, &mut self.role) else { return };
        let id = side.ids.token();
        self.acks = Acks::On(Box::new(Manager::enabled(config, pair, element, id, &mut self.core.output)));
        self.tell_name();
    }
}

#[cfg(test)]
mod tests;
