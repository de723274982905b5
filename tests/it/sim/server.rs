//! An XMPP server as its components see it: it routes in order, answers pings, and bounces what is for nobody.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use stox::time::Now;
use stox::xml::ns;
use stox::xmpp::jid::{BareJid, Jid};
use stox::xmpp::stanza::{Condition, ErrorType, Stanza, StanzaError};
use stox::xmpp::stream::{AcceptConfig, Event, Stream, StreamConfig};

use super::gateway::SECRET;
use super::{Effect, PipeId};

/// One server of the world.
pub(crate) struct XmppServer {
    /// Its own domains, and those it reaches by federation.
    domains: BTreeSet<String>,
    components: Vec<(BareJid, String)>,
    users: BTreeMap<String, VecDeque<Stanza>>,
    streams: BTreeMap<PipeId, Stream>,
    /// What was read and not yet routed, with the time until which it waits.
    read: VecDeque<(Duration, Stanza)>,
    mood: Mood,
    /// What came while it was [`Mood::Stuck`].
    unread: Vec<(PipeId, Vec<u8>)>,
    /// What a message to a user that does not exist is answered with.
    pub(crate) unknown: Condition,
    up: bool,
    connections: u64,
    /// Errors that came for nobody the server knows, which have to end here.
    pub(crate) dropped: u64,
}

/// How a server behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// It does everything at once.
    Prompt,
    /// Everything takes it so long, in order.
    Slow(Duration),
    /// It routes, but answers no ping.
    Mute,
    /// It reads nothing, as if it hung.
    Stuck,
}

impl XmppServer {
    /// A server of these domains, with these components.
    pub(crate) fn new(domains: &[&str], components: &[&str]) -> Self {
        let component = |name: &&str| {
            let name = BareJid::parse(name).expect("the component domain of a test is a domain");
            (name, SECRET.to_owned())
        };
        Self {
            domains: domains.iter().map(|domain| (*domain).to_owned()).collect(),
            components: components.iter().map(component).collect(),
            users: BTreeMap::new(),
            streams: BTreeMap::new(),
            read: VecDeque::new(),
            mood: Mood::Prompt,
            unread: Vec::new(),
            unknown: Condition::ServiceUnavailable,
            up: true,
            connections: 0,
            dropped: 0,
        }
    }

    pub(crate) fn add_domain(&mut self, domain: &str) {
        self.domains.insert(domain.to_owned());
    }

    /// Gives `user` (a bare JID) an account.
    pub(crate) fn add_user(&mut self, user: &str) {
        self.users.entry(user.to_owned()).or_default();
    }

    /// What came for `user` and was not looked at yet.
    pub(crate) fn inbox(&mut self, user: &str) -> &mut VecDeque<Stanza> {
        self.users.get_mut(user).expect("the user was added before")
    }

    pub(crate) fn inboxes(&mut self) -> impl Iterator<Item = (&String, &mut VecDeque<Stanza>)> {
        self.users.iter_mut()
    }

    pub(crate) fn is_up(&self) -> bool {
        self.up
    }

    pub(crate) fn start(&mut self) {
        self.up = true;
    }

    /// Takes no connections any more, and forgets what it has read: gives that back. What is open is the world's to cut.
    pub(crate) fn stop(&mut self) -> Vec<Stanza> {
        self.up = false;
        self.read.drain(..).map(|(_, stanza)| stanza).collect()
    }

    pub(crate) fn set_mood(&mut self, mood: Mood, now: Now, effects: &mut Vec<Effect>) {
        self.mood = mood;
        for (pipe, bytes) in std::mem::take(&mut self.unread) {
            self.on_bytes(pipe, &bytes, now, effects);
        }
    }

    pub(crate) fn on_connected(&mut self, pipe: PipeId, now: Now) {
        self.connections += 1;
        let id = format!("stream-{}", self.connections);
        // The component looks after the connection; with both pinging the log would be twice as long.
        let stream = StreamConfig { ping_every: Duration::from_secs(1_000_000), ..StreamConfig::default() };
        let config = AcceptConfig { components: self.components.clone(), id, stream };
        self.streams.insert(pipe, Stream::accepting(config, now));
    }

    pub(crate) fn on_closed(&mut self, pipe: PipeId) {
        self.streams.remove(&pipe);
        self.unread.retain(|(other, _)| *other != pipe);
    }

    pub(crate) fn on_bytes(&mut self, pipe: PipeId, bytes: &[u8], now: Now, effects: &mut Vec<Effect>) {
        if self.mood == Mood::Stuck {
            self.unread.push((pipe, bytes.to_vec()));
            return;
        }
        let Some(stream) = self.streams.get_mut(&pipe) else { return };
        stream.receive(bytes, now);
        let mut closed = false;
        while let Some(event) = stream.poll_event() {
            match event {
                Event::Ready => {}
                Event::Stanza(stanza) => {
                    effects.push(Effect::Taken { pipe, from: 0, stanza: stanza.clone() });
                    let wait = if let Mood::Slow(wait) = self.mood { wait } else { Duration::ZERO };
                    let last = self.read.back().map_or(Duration::ZERO, |(at, _)| *at);
                    self.read.push_back((last.max(now.mono + wait), stanza));
                }
                Event::Unusable { problem, .. } => panic!("a gateway sent something unusable: {problem:?}"),
                Event::Closed(_) => closed = true,
            }
        }
        self.flush(pipe, effects);
        if closed {
            effects.push(Effect::Close { pipe });
        }
    }

    pub(crate) fn next_timeout(&self) -> Option<Duration> {
        self.read.front().map(|(at, _)| *at)
    }

    pub(crate) fn handle_timeout(&mut self, now: Now, effects: &mut Vec<Effect>) {
        while self.read.front().is_some_and(|(at, _)| *at <= now.mono) {
            if let Some((_, stanza)) = self.read.pop_front() {
                self.route(stanza, now, effects);
            }
        }
    }

    /// A user's client sends a stanza; its `from` is what the server says it is.
    pub(crate) fn send_as(&mut self, user: &Jid, mut stanza: Stanza, now: Now, effects: &mut Vec<Effect>) {
        let from = match &mut stanza {
            Stanza::Message(message) => &mut message.from,
            Stanza::Presence(presence) => &mut presence.from,
            Stanza::Iq(iq) => &mut iq.from,
        };
        *from = Some(user.clone());
        self.route(stanza, now, effects);
    }

    /// Puts bytes on the stream of a component as they are, as if somebody upstream had sent them.
    pub(crate) fn inject(&mut self, component: &str, bytes: &[u8], effects: &mut Vec<Effect>) {
        if let Some(pipe) = self.pipe_of(component) {
            effects.push(Effect::Bytes { pipe, from: 1, bytes: bytes.to_vec() });
        }
    }

    fn pipe_of(&self, domain: &str) -> Option<PipeId> {
        let its = |stream: &Stream| stream.is_ready() && stream.domain().is_some_and(|own| own.domain() == domain);
        self.streams.iter().find(|(_, stream)| its(stream)).map(|(pipe, _)| *pipe)
    }

    fn route(&mut self, stanza: Stanza, now: Now, effects: &mut Vec<Effect>) {
        let Some(to) = stanza.to().cloned() else { return };
        if self.components.iter().any(|(component, _)| component.domain() == to.domain()) {
            self.route_to_component(&to, stanza, now, effects);
        } else if !self.domains.contains(to.domain()) {
            self.bounce(&stanza, StanzaError::new(Condition::RemoteServerNotFound), now, effects);
        } else if to.local().is_none() {
            self.answer(&stanza, now, effects);
        } else if let Some(inbox) = self.users.get_mut(to.bare()) {
            inbox.push_back(stanza);
        } else {
            self.bounce(&stanza, StanzaError::new(self.unknown.clone()), now, effects);
        }
    }

    fn route_to_component(&mut self, to: &Jid, stanza: Stanza, now: Now, effects: &mut Vec<Effect>) {
        let Some(pipe) = self.pipe_of(to.domain()) else {
            let away = StanzaError::new(Condition::ServiceUnavailable).with_type(ErrorType::Wait);
            return self.bounce(&stanza, away, now, effects);
        };
        let Some(stream) = self.streams.get_mut(&pipe) else { return };
        if stream.send(&stanza).is_ok() {
            effects.push(Effect::Sent { pipe, from: 1, stanza });
            self.flush(pipe, effects);
        }
    }

    /// What is for the server itself.
    fn answer(&mut self, stanza: &Stanza, now: Now, effects: &mut Vec<Effect>) {
        let Stanza::Iq(iq) = stanza else { return };
        let is_ping = iq.asks(ns::PING, "ping");
        if is_ping && self.mood == Mood::Mute {
            return;
        }
        let refusal = || iq.error_reply(StanzaError::new(Condition::ServiceUnavailable));
        let answer = if is_ping { iq.result(None) } else { refusal() };
        if let Some(answer) = answer {
            self.route(Stanza::Iq(answer), now, effects);
        }
    }

    fn bounce(&mut self, stanza: &Stanza, error: StanzaError, now: Now, effects: &mut Vec<Effect>) {
        match stanza.error_reply(error) {
            // From whom it came is not looked at twice, or two servers could play ball.
            Some(reply) => self.route(reply, now, effects),
            None => self.dropped += 1,
        }
    }

    fn flush(&mut self, pipe: PipeId, effects: &mut Vec<Effect>) {
        let Some(stream) = self.streams.get_mut(&pipe) else { return };
        let mut bytes = Vec::new();
        if stream.poll_output(&mut bytes) {
            effects.push(Effect::Bytes { pipe, from: 1, bytes });
        }
    }
}
