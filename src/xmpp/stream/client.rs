//! One XML stream of a client (RFC 6120), the server's end of it.
//!
//! ```text
//!  Header --> TlsOffered --starttls--> Handshake --secured--> Header --> Sasl --success--> Header --> Binding --> Bound
//! ```
//! STARTTLS is required; a connection that has TLS from the first byte (XEP-0368) begins behind it. A stream error, the end
//! of the connection or a deadline leads from any state to the end. Deadlines: each part of the negotiation, closing, and
//! once bound silence, which is broken by a ping (XEP-0199).
//!
//! This is the stream alone: bytes, stanzas and time go in; bytes and [`ClientEvent`]s come out. Who has an account and
//! which resources are connected is asked of the owner ([`ClientConfig`]); rosters, presence and routing are built on top.
//!
//! | file | what |
//! |---|---|
//! | `config` | what it is told, and limits |
//! | `event` | what it tells |
//! | `negotiation` | headers, features, TLS, SASL, resource binding |
//! | `stanzas` | what is carried, and from whom |

mod config;
mod event;
mod negotiation;
mod stanzas;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

pub use config::{ClientConfig, ClientTls, Conflict, Vacancy};
pub use event::ClientEvent;

use super::core::{Core, Life};
use super::{Cause, StreamError, StreamErrorKind};
use crate::ids::Ids;
use crate::time::Now;
use crate::xml::splitter::Piece;
use crate::xml::{Element, Limits, ns};
use crate::xmpp::jid::{BareJid, Jid};
use crate::xmpp::sasl;

/// The server's end of a client's stream.
pub struct ClientStream {
    config: Arc<ClientConfig>,
    core: Core,
    ids: Ids,
    step: Step,
    /// The domain that the client wants, one of ours.
    domain: Option<BareJid>,
    tls: Option<ClientTls>,
    sasl: Option<sasl::Server>,
    /// Who the client is, from SASL on.
    user: Option<BareJid>,
    /// Which of its resources, from binding on.
    jid: Option<Jid>,
    /// Failed attempts to bind.
    binds: usize,
    events: VecDeque<ClientEvent>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The client's header is to come.
    Header,
    /// Nothing but `<starttls/>`.
    TlsOffered,
    /// TLS is being negotiated; no bytes of ours pass.
    Handshake,
    Sasl,
    Binding,
    Bound,
}

impl ClientStream {
    /// Waits for a header. `ids` gives the stream its ids and, where wanted, its resource. `tls`: it is there from the first
    /// byte.
    #[must_use]
    pub fn accepting(config: Arc<ClientConfig>, ids: Ids, tls: Option<ClientTls>, now: Now) -> Self {
        let mut stream = config.stream.clone();
        stream.limits = Limits { stanza: config::UNBOUND, skip: 0, ..stream.limits };
        Self {
            core: Core::new(stream, ns::CLIENT, now),
            config,
            ids,
            step: Step::Header,
            domain: None,
            tls,
            sasl: None,
            user: None,
            jid: None,
            binds: 0,
            events: VecDeque::new(),
        }
    }

    /// Takes bytes of the connection in, decrypted if there is TLS.
    pub fn receive(&mut self, bytes: &[u8], now: Now) {
        if self.is_closed() || bytes.is_empty() {
            return;
        }
        if self.step == Step::Handshake {
            return self.on_injection();
        }
        self.core.push(bytes, now);
        while !self.is_closed() && self.step != Step::Handshake {
            match self.core.next_piece() {
                Ok(Some(piece)) => self.on_piece(piece, now),
                Ok(None) => return,
                Err(error) => return self.fail(error),
            }
        }
    }

    /// The TLS handshake that [`ClientEvent::StartTls`] called for is done. All that was learnt before it is forgotten
    /// (RFC 6120 section 5.4.3.3).
    pub fn secured(&mut self, tls: ClientTls, now: Now) {
        if self.is_closed() || self.step != Step::Handshake {
            return;
        }
        self.core.restart();
        self.core.since = now.mono;
        self.step = Step::Header;
        self.tls = Some(tls);
        self.domain = None;
        self.sasl = None;
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
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    /// The connected resource, once there is one.
    #[must_use]
    pub fn jid(&self) -> Option<&Jid> {
        self.jid.as_ref()
    }

    /// Whether the stream is over.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.core.life == Life::Closed
    }

    /// Ends the stream: with an error at once, else when the client has ended its side too (RFC 6120 section 4.4). What
    /// arrives until then still comes as events.
    pub fn close(&mut self, error: Option<StreamError>, now: Now) {
        match (self.core.life, error) {
            (Life::Closed, _) | (Life::Closing, None) => {}
            (_, Some(error)) => self.fail(error),
            (Life::Open, None) if self.core.is_unopened() || self.step == Step::Handshake => self.finish(Cause::Closed),
            (Life::Open, None) => self.core.close(now),
        }
    }

    /// The connection has ended, by the client or by a failure.
    pub fn disconnected(&mut self) {
        if !self.is_closed() {
            let cause = self.core.cause_of_disconnection();
            self.finish(cause);
        }
    }

    /// When [`Self::handle_timeout`] has something to do.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Duration> {
        match (self.core.life, self.step) {
            (Life::Closed, _) => None,
            (Life::Closing, _) => Some(self.core.since + self.core.config.close_within),
            (Life::Open, Step::Bound) => Some(self.core.silence_ends()),
            (Life::Open, Step::Header | Step::TlsOffered | Step::Handshake | Step::Sasl | Step::Binding) => {
                Some(self.core.since + self.core.config.negotiate_within)
            }
        }
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Now) {
        if self.next_timeout().is_none_or(|at| at > now.mono) {
            return;
        }
        let late = |what| StreamError::new(StreamErrorKind::ConnectionTimeout, what);
        match (self.core.life, self.step) {
            (Life::Closed, _) => {}
            (Life::Closing, _) => self.finish(Cause::Closed),
            (Life::Open, Step::Bound) if self.core.pinged.is_none() => self.send_ping(now),
            (Life::Open, Step::Bound) => self.fail(late("no answer to a ping")),
            (Life::Open, Step::Header | Step::TlsOffered | Step::Handshake | Step::Sasl | Step::Binding) => {
                self.fail(late("the negotiation took too long"));
            }
        }
    }

    fn on_piece(&mut self, piece: Piece, now: Now) {
        let closing = self.core.life == Life::Closing;
        match piece {
            Piece::Close if closing => self.finish(Cause::Closed),
            Piece::Close => self.end(Cause::PeerClosed),
            // We closed before the client's header came: nothing more is expected of it.
            Piece::Open(_) if closing => {}
            Piece::Open(header) => self.on_header(&header, now),
            Piece::Child(element) => self.on_child(element, closing, now),
            Piece::Refused { head, limit } => self.on_refused(head.as_ref(), limit),
        }
    }

    fn on_child(&mut self, element: Element, closing: bool, now: Now) {
        match (element.ns(), element.name()) {
            (ns::STREAM, "error") => self.end(Cause::PeerError(StreamError::from_element(&element))),
            _ if closing && self.step != Step::Bound => {}
            (ns::CLIENT, _) => self.on_stanza(element, now),
            _ if closing => {}
            (ns::TLS, "starttls") => self.on_starttls(),
            (ns::SASL, _) => self.on_sasl(&element, now),
            (ns::STREAM, _) => self.fail(StreamErrorKind::BadFormat.into()),
            _ => self.fail(StreamErrorKind::UnsupportedStanzaType.into()),
        }
    }

    /// Something came in clear where TLS was to begin: nobody knows from whom (RFC 6120 section 5.3.3). Nothing is said,
    /// since it could be taken for TLS.
    fn on_injection(&mut self) {
        let what = "bytes in clear where TLS was to begin";
        self.finish(Cause::OurError(StreamError::new(StreamErrorKind::PolicyViolation, what)));
    }

    fn fail(&mut self, error: StreamError) {
        if self.step == Step::Handshake {
            return self.finish(Cause::OurError(error));
        }
        if self.core.is_unopened() {
            self.write_header(None, None);
        }
        self.core.fail(&error);
        self.finish(Cause::OurError(error));
    }

    fn end(&mut self, cause: Cause) {
        self.core.end();
        self.finish(cause);
    }

    fn finish(&mut self, cause: Cause) {
        self.core.drop_dead();
        self.events.push_back(ClientEvent::Closed(cause));
    }
}

impl std::fmt::Debug for ClientStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientStream")
            .field("jid", &self.jid)
            .field("step", &self.step)
            .field("life", &self.core.life)
            .field("queued", &self.core.output.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
