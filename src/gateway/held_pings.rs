//! Pings of other servers, answered when what came before them has had its outcome.
//!
//! Another gateway asks as we do (`confirm`): a message, and behind it a ping (XEP-0199) to our domain, whose answer it
//! takes to mean that the message has been dealt with. A stream is processed in order (RFC 6120 section 10.1), but our SIP
//! side takes its time; an answer given at once would tell a phone 200 that hears of the other phone's 404 too late. So
//! the answer to a ping from a bare domain waits for the messages that its users sent before, for [`limits::HOLD_PING`]
//! at most.
//!
//! Only domains that stox serves itself do so. Behind a component link is a chat server: it asks whether we live, its users
//! have been told that their message is on its way, and nothing is kept for it here.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use super::confirm::Server;
use super::{Gateway, Link, Output, Timer, limits};
use crate::time::Now;
use crate::xmpp::jid::Jid;
use crate::xmpp::stanza::{Iq, Stanza};
use crate::xmpp::xep::ping;

/// Messages without an outcome and the pings behind them, by the server of their senders and the link they came on.
#[derive(Debug, Default)]
pub(super) struct HeldPings {
    servers: HashMap<Server, Behind>,
    /// Pings, of all servers.
    held: usize,
}

/// What is open between one server and one of our domains; never nothing at all.
#[derive(Debug, Default)]
struct Behind {
    /// The numbers of messages without an outcome, which grow; as many as may be on their way to SIP at most.
    open: BTreeSet<u64>,
    /// Oldest first.
    pings: VecDeque<Held>,
}

/// A ping that waits.
#[derive(Debug)]
struct Held {
    /// The last message before it that was open when it came.
    behind: u64,
    /// When it is answered whatever is open, in monotonic time.
    until: Duration,
    answer: Iq,
}

impl HeldPings {
    fn opened(&mut self, server: Server, message: u64) {
        self.servers.entry(server).or_default().open.insert(message);
    }

    /// A message has had its outcome: the answers that waited for nothing else.
    fn closed(&mut self, server: &Server, message: u64) -> Vec<Iq> {
        let Some(behind) = self.servers.get_mut(server) else { return Vec::new() };
        behind.open.remove(&message);
        let first = behind.open.first().copied();
        self.release(server, |ping| first.is_none_or(|first| ping.behind < first))
    }

    /// Keeps the answer to a ping; gives it back if nothing is open that it would wait for, or if there is no room.
    fn hold(&mut self, server: &Server, until: Duration, answer: Iq) -> Option<Iq> {
        if self.held >= limits::HELD_PINGS || answer.id.len() > limits::HELD_PING_ID {
            return Some(answer);
        }
        let Some(server) = self.servers.get_mut(server) else { return Some(answer) };
        match server.open.last() {
            Some(behind) if server.pings.len() < limits::HELD_PINGS_OF_ONE => {
                server.pings.push_back(Held { behind: *behind, until, answer });
                self.held += 1;
                None
            }
            Some(_) | None => Some(answer),
        }
    }

    /// The answers that have waited long enough.
    fn overdue(&mut self, server: &Server, now: Duration) -> Vec<Iq> {
        self.release(server, |ping| ping.until <= now)
    }

    fn release(&mut self, server: &Server, may_go: impl Fn(&Held) -> bool) -> Vec<Iq> {
        let Some(behind) = self.servers.get_mut(server) else { return Vec::new() };
        let mut released = Vec::new();
        while let Some(ping) = behind.pings.pop_front_if(|ping| may_go(ping)) {
            released.push(ping.answer);
        }
        self.held -= released.len();
        if behind.open.is_empty() && behind.pings.is_empty() {
            self.servers.remove(server);
        }
        released
    }
}

impl Gateway {
    /// A message of `from` is on its way to SIP; whoever asks behind it waits for [`outcome_is_told`](Self::outcome_is_told).
    pub(super) fn outcome_is_open(&mut self, link: Link, from: &Jid, message: u64) {
        if self.is_served(link) {
            self.held_pings.opened((link, from.domain().to_owned()), message);
        }
    }

    /// A message of `from` has had its outcome, which is among the outputs if it is an error; the answers to pings follow.
    pub(super) fn outcome_is_told(&mut self, link: Link, from: &Jid, message: u64) {
        if self.is_served(link) {
            let answers = self.held_pings.closed(&(link, from.domain().to_owned()), message);
            self.answer_pings(link, answers);
        }
    }

    /// Keeps `answer` if `iq` asks for what is not known yet; otherwise gives it back, and it goes out now.
    pub(super) fn hold_ping(&mut self, link: Link, iq: &Iq, answer: Iq, now: Now) -> Option<Iq> {
        let is_domain = |jid: &Jid| jid.local().is_none();
        let (Some(from), Some(to)) = (&iq.from, &iq.to) else { return Some(answer) };
        if !self.is_served(link) || !is_domain(from) || !is_domain(to) || !ping::is_ping(iq) {
            return Some(answer);
        }
        let server = (link, from.domain().to_owned());
        let back = self.held_pings.hold(&server, now.mono + limits::HOLD_PING, answer);
        if back.is_none() {
            self.timers.set(now, limits::HOLD_PING, Timer::HeldPing(Box::new(server)));
        }
        back
    }

    pub(super) fn on_held_long_enough(&mut self, server: &Server, now: Now) {
        let answers = self.held_pings.overdue(server, now.mono);
        self.answer_pings(server.0, answers);
    }

    fn answer_pings(&mut self, link: Link, answers: Vec<Iq>) {
        if self.link_is_up(link) {
            self.outputs.extend(answers.into_iter().map(|answer| Output::Stanza(link, Stanza::Iq(answer))));
        }
    }

    /// Whether stox is itself the server of the link's domain.
    fn is_served(&self, link: Link) -> bool {
        link >= self.settings.components
    }
}
