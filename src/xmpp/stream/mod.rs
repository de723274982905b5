//! One XML stream (RFC 6120 section 4) between a component and its server (XEP-0114), either end of it.
//!
//! ```text
//!  component:  Opening --header--> Handshaking --<handshake/>--> Ready --close--> Closing --</stream:stream>--> Closed
//!  server:     Opening --header--> Handshaking --right digest--> Ready      (and so on)
//! ```
//! A stream error, the end of the connection or a deadline leads from any state to Closed. Deadlines: negotiation,
//! closing, and in Ready silence, which is broken by a ping (XEP-0199). Bytes, stanzas and time go in; bytes and
//! [`Event`]s come out. No stanza leaves before Ready.
//!
//! Streams between servers are in [`server`], those of clients in [`client`]; what all streams share is in `core`.

pub mod backoff;
pub mod client;
mod component;
mod config;
mod core;
mod error;
mod event;
pub mod manage;
mod secured;
pub mod server;

use std::collections::VecDeque;
use std::time::Duration;

pub use client::{ClientConfig, ClientEvent, ClientStream};
pub use config::{AcceptConfig, ComponentConfig, StreamConfig};
pub use error::{StreamError, StreamErrorKind};
pub use event::{Cause, Event, NotSent};
pub use secured::Secured;
pub use server::{ServerConfig, ServerEvent, ServerStream, Undone};

use component::{digest, same, wrong_namespace};
use core::{Core, Life};

use super::jid::{BareJid, Jid};
use super::stanza::{Iq, IqKind, Problem, Stanza, StanzaProblem};
use crate::time::Now;
use crate::xml::splitter::{Piece, StreamHeader};
use crate::xml::{Element, ns};

/// One end of a stream.
pub struct Stream {
    role: Role,
    core: Core,
    /// The component's name; on the accepting side known from the header on.
    domain: Option<Jid>,
    state: State,
    events: VecDeque<Event>,
}

enum Role {
    Component { secret: String, server: Jid },
    Server { components: Vec<(BareJid, String)>, id: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Opening,
    Handshaking,
    Ready,
}

impl Stream {
    /// The component's end: its header is ready to be sent.
    #[must_use]
    pub fn component(config: ComponentConfig, now: Now) -> Self {
        let domain = Jid::from(config.domain);
        let server = config.server.map_or_else(|| domain.clone(), Jid::from);
        let mut stream = Self::new(Role::Component { secret: config.secret, server }, config.stream, now);
        stream.core.open(&[], &[("to", domain.as_str())]);
        stream.domain = Some(domain);
        stream
    }

    /// The server's end: it waits for a header.
    #[must_use]
    pub fn accepting(config: AcceptConfig, now: Now) -> Self {
        Self::new(Role::Server { components: config.components, id: config.id }, config.stream, now)
    }

    fn new(role: Role, config: StreamConfig, now: Now) -> Self {
        Self {
            role,
            core: Core::new(config, ns::COMPONENT_ACCEPT, now),
            domain: None,
            state: State::Opening,
            events: VecDeque::new(),
        }
    }

    /// Takes bytes of the connection in.
    pub fn receive(&mut self, bytes: &[u8], now: Now) {
        if self.is_closed() {
            return;
        }
        self.core.push(bytes, now);
        while !self.is_closed() {
            match self.core.next_piece() {
                Ok(Some(piece)) => self.on_piece(piece),
                Ok(None) => return,
                Err(error) => return self.fail(error),
            }
        }
    }

    /// Puts a stanza into the output.
    pub fn send(&mut self, stanza: &Stanza) -> Result<(), NotSent> {
        if !self.is_ready() {
            return Err(NotSent::NotReady);
        }
        if self.core.output.len() >= self.core.config.max_queued {
            return Err(NotSent::Full);
        }
        let ours = match self.role {
            Role::Component { .. } => stanza.from(),
            Role::Server { .. } => stanza.to(),
        };
        if !self.is_ours(ours) || stanza.from().is_none() || stanza.to().is_none() {
            return Err(NotSent::Address);
        }
        stanza.write(ns::COMPONENT_ACCEPT, &mut self.core.output);
        Ok(())
    }

    /// Moves what is to be sent to the end of `into`; whether that was anything.
    pub fn poll_output(&mut self, into: &mut Vec<u8>) -> bool {
        self.core.poll_output(into)
    }

    /// Bytes that wait for [`Self::poll_output`].
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.core.output.len()
    }

    /// What happened next.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Whether stanzas may be sent.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.state == State::Ready && self.core.life == Life::Open
    }

    /// Whether the stream is over.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.core.life == Life::Closed
    }

    /// The component's name, on the server's end once the component has told it.
    #[must_use]
    pub fn domain(&self) -> Option<&Jid> {
        self.domain.as_ref()
    }

    /// Ends the stream: with an error at once, else when the peer has ended its side too (RFC 6120 section 4.4). What
    /// arrives until then still comes as events.
    pub fn close(&mut self, error: Option<StreamError>, now: Now) {
        match (self.core.life, error) {
            (Life::Closed, _) | (Life::Closing, None) => {}
            (_, Some(error)) => self.fail(error),
            (Life::Open, None) if self.core.is_unopened() => self.finish(Cause::Closed),
            (Life::Open, None) => self.core.close(now),
        }
    }

    /// The connection has ended, by the peer or by a failure.
    pub fn disconnected(&mut self) {
        if !self.is_closed() {
            self.finish(self.core.cause_of_disconnection());
        }
    }

    /// When [`Self::handle_timeout`] has something to do.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Duration> {
        let config = &self.core.config;
        match (self.core.life, self.state) {
            (Life::Open, State::Opening | State::Handshaking) => Some(self.core.since + config.negotiate_within),
            (Life::Open, State::Ready) => Some(self.core.silence_ends()),
            (Life::Closing, _) => Some(self.core.since + config.close_within),
            (Life::Closed, _) => None,
        }
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Now) {
        if self.next_timeout().is_none_or(|at| at > now.mono) {
            return;
        }
        let late = |what| StreamError::new(StreamErrorKind::ConnectionTimeout, what);
        match (self.core.life, self.state) {
            (Life::Open, State::Opening | State::Handshaking) => self.fail(late("the handshake took too long")),
            (Life::Open, State::Ready) if self.core.pinged.is_some() => self.fail(late("no answer to a ping")),
            (Life::Open, State::Ready) => self.send_ping(now),
            (Life::Closing, _) => self.finish(Cause::Closed),
            (Life::Closed, _) => {}
        }
    }

    fn on_piece(&mut self, piece: Piece) {
        let closing = self.core.life == Life::Closing;
        match (self.state, piece) {
            (_, Piece::Close) if closing => self.finish(Cause::Closed),
            (_, Piece::Close) => self.end_with(Cause::PeerClosed),
            // We closed before the peer's header came: nothing more is expected of it.
            (_, Piece::Open(_)) if closing => {}
            (State::Opening, Piece::Open(header)) => self.on_header(&header),
            (_, Piece::Child(element)) if element.is(ns::STREAM, "error") => {
                self.end_with(Cause::PeerError(StreamError::from_element(&element)));
            }
            (_, Piece::Child(element)) if element.is(ns::STREAM, "features") => {}
            (State::Handshaking, Piece::Child(element)) if !closing => self.on_handshake(&element),
            (State::Opening, Piece::Child(_)) if !closing => self.fail(StreamErrorKind::BadFormat.into()),
            (_, Piece::Child(element)) => self.on_element(element),
            (State::Opening | State::Handshaking, Piece::Refused { .. }) if !closing => {
                self.fail(StreamErrorKind::NotAuthorized.into());
            }
            (_, Piece::Refused { head, limit }) => {
                let what = Problem::TooMuch(limit);
                let problem = match head {
                    Some(head) => StanzaProblem::of_head(&head, what),
                    None => StanzaProblem::new(what),
                };
                self.on_problem(Box::new(problem));
            }
            (_, Piece::Open(_)) => self.fail(StreamErrorKind::BadFormat.into()),
        }
    }

    fn on_header(&mut self, header: &StreamHeader) {
        self.core.lang = header.root.lang().map(str::to_owned);
        let wrong = wrong_namespace(header, ns::COMPONENT_ACCEPT);
        let id = header.root.attr("id").unwrap_or_default();
        let to = header.root.attr("to");
        let found = match (&self.role, wrong) {
            (Role::Component { .. }, Some(kind)) => return self.fail(kind.into()),
            // Some servers open a stream only to say what is wrong (RFC 6120 section 4.9.1.2), and give it no id. Their
            // error follows; anything else is refused by `on_piece`.
            (Role::Component { .. }, None) if id.is_empty() => return,
            (Role::Component { secret, .. }, None) => Ok(digest(id, secret)),
            (Role::Server { components, id }, wrong) => {
                let to = to.and_then(|to| BareJid::parse(to).ok());
                let known = to.filter(|to| components.iter().any(|(name, _)| name == to));
                Err((known, wrong, id.clone()))
            }
        };
        match found {
            Ok(digest) => self.core.write(&format!("<handshake>{digest}</handshake>")),
            // RFC 6120 section 4.9.1.2: our own header goes first, even if the other was wrong.
            Err((known, wrong, id)) => {
                let from = known.as_ref().map_or("", BareJid::as_str).to_owned();
                self.core.open(&[], &[("from", &from), ("id", &id)]);
                self.domain = known.map(Jid::from);
                if let Some(kind) = wrong.or(self.domain.is_none().then_some(StreamErrorKind::HostUnknown)) {
                    return self.fail(kind.into());
                }
            }
        }
        self.state = State::Handshaking;
    }

    fn on_handshake(&mut self, element: &Element) {
        let right = element.is(ns::CLIENT, "handshake")
            && match &self.role {
                Role::Component { .. } => true,
                Role::Server { components, id } => components
                    .iter()
                    .find(|(name, _)| Some(name.as_jid()) == self.domain.as_ref())
                    .is_some_and(|(_, secret)| same(element.text().trim(), &digest(id, secret))),
            };
        if !right {
            return self.fail(StreamErrorKind::NotAuthorized.into());
        }
        if matches!(self.role, Role::Server { .. }) {
            self.core.write("<handshake/>");
        }
        self.state = State::Ready;
        self.events.push_back(Event::Ready);
    }

    fn on_element(&mut self, element: Element) {
        match Stanza::from_element(element) {
            Ok(stanza) if self.is_answer_to_ping(&stanza) => {}
            Ok(mut stanza) => match self.misplaced(&stanza) {
                Some(what) => self.on_problem(Box::new(StanzaProblem::of(&stanza, what))),
                None => {
                    if let Some(lang) = &self.core.lang {
                        stanza.default_lang(lang);
                    }
                    self.events.push_back(Event::Stanza(stanza));
                }
            },
            Err(problem) => self.on_problem(problem),
        }
    }

    /// A server holds its components to RFC 6120 section 8.1; a component does not end the stream of all its users
    /// because of one stanza that its server let through.
    fn on_problem(&mut self, problem: Box<StanzaProblem>) {
        if let (Role::Server { .. }, Some(kind)) = (&self.role, stream_error(problem.what)) {
            return self.fail(kind.into());
        }
        let reply = self.domain.as_ref().and_then(|domain| match self.role {
            Role::Component { .. } => problem.reply(domain),
            Role::Server { .. } => problem.reply_from_server(),
        });
        let answered = reply.is_some_and(|reply| self.send(&reply).is_ok());
        self.events.push_back(Event::Unusable { problem, answered });
    }

    fn misplaced(&self, stanza: &Stanza) -> Option<Problem> {
        let component = matches!(self.role, Role::Component { .. });
        match (stanza.from(), stanza.to()) {
            (None, _) => Some(Problem::MissingFrom),
            (_, None) => Some(Problem::MissingTo),
            (_, to) if component && !self.is_ours(to) => Some(Problem::ForeignTo),
            (from, _) if !component && !self.is_ours(from) => Some(Problem::ForeignFrom),
            _ => None,
        }
    }

    fn is_ours(&self, address: Option<&Jid>) -> bool {
        match (address, &self.domain) {
            (Some(address), Some(domain)) => address.domain() == domain.domain(),
            _ => false,
        }
    }

    fn send_ping(&mut self, now: Now) {
        self.core.pings += 1;
        let Some(domain) = self.domain.clone() else { return };
        let (from, to, id) = match &self.role {
            Role::Component { server, .. } => (domain, server.clone(), "alive"),
            Role::Server { .. } => (domain.clone(), domain, "there"),
        };
        let ping = Stanza::Iq(Iq::ping(from, to, format!("{id}-{}", self.core.pings)));
        ping.write(ns::COMPONENT_ACCEPT, &mut self.core.output);
        self.core.pinged = Some(now.mono);
    }

    /// Also the ping itself, come back from a server that routes us what we send to ourselves. Nobody else can send it: the
    /// server vouches for `from`.
    fn is_answer_to_ping(&self, stanza: &Stanza) -> bool {
        let (Stanza::Iq(iq), Role::Component { server, .. }) = (stanza, &self.role) else { return false };
        let ours = iq.id.strip_prefix("alive-").and_then(|count| count.parse().ok());
        let from_whom = iq.from.as_ref() == Some(server) && iq.to == self.domain;
        let looped = self.domain.as_ref() == Some(server) && iq.asks(ns::PING, "ping");
        let answer = matches!(iq.kind, IqKind::Result(_) | IqKind::Error(_));
        from_whom && (answer || looped) && ours.is_some_and(|count: u64| (1..=self.core.pings).contains(&count))
    }

    fn fail(&mut self, error: StreamError) {
        if let (true, Role::Server { id, .. }) = (self.core.is_unopened(), &self.role) {
            self.core.open(&[], &[("from", ""), ("id", id)]);
        }
        self.core.fail(&error);
        self.finish(Cause::OurError(error));
    }

    fn end_with(&mut self, cause: Cause) {
        self.core.end();
        self.finish(cause);
    }

    fn finish(&mut self, cause: Cause) {
        self.core.drop_dead();
        self.events.push_back(Event::Closed(cause));
    }
}

/// What RFC 6120 section 4.9.3 calls it when a component does it to its server.
fn stream_error(what: Problem) -> Option<StreamErrorKind> {
    match what {
        Problem::NotAStanza => Some(StreamErrorKind::UnsupportedStanzaType),
        Problem::From(_) | Problem::ForeignFrom => Some(StreamErrorKind::InvalidFrom),
        Problem::MissingFrom | Problem::MissingTo | Problem::To(_) => Some(StreamErrorKind::ImproperAddressing),
        Problem::ForeignTo => Some(StreamErrorKind::HostUnknown),
        Problem::UnknownType | Problem::MissingId | Problem::ChildCount | Problem::TooMuch(_) => None,
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let queued = self.queued_bytes();
        f.debug_struct("Stream")
            .field("domain", &self.domain)
            .field("state", &self.state)
            .field("queued", &queued)
            .finish()
    }
}

#[cfg(test)]
mod tests;
