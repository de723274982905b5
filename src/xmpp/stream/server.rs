//! One XML stream between two servers (RFC 6120, XEP-0220, XEP-0288), either end of it.
//!
//! ```text
//!  initiating:  Header --features--> [TlsAsked --proceed--> Handshake --secured--> Header --features--> Judging]
//!               --> [Sasl --success--> Header --features-->] Open
//!  accepting:   Header --> [TlsOffered --starttls--> Handshake --secured--> Header --> Judging] --> Open
//!               Open --auth--> success --> Header --> Open
//! ```
//! A stream that is open proves pairs of domains, one after the other, and carries stanzas of those that it has proven:
//! the first by the certificate (SASL EXTERNAL) or by a dialback key, more by dialback keys. What a partner must do to be
//! believed is [`Partners`]' to say.
//!
//! # What the owner does
//!
//! Bytes, commands, judgements and time go in; bytes and [`ServerEvent`]s come out. On an initiating stream,
//! [`Report::Proven`] of a pair that the certificate proved comes before [`Report::Open`]; if after Open the pair is not
//! proven, [`Command::Prove`] tries dialback. The last report is [`Report::Unreachable`] if *we* do not trust the peer, else
//! [`Report::Closed`].
//!
//! | file | what |
//! |---|---|
//! | `config` | what it is told, and limits |
//! | `event` | what it tells |
//! | `header` | stream headers, read and judged |
//! | `features` | stream features, read and written |
//! | `initiating` | negotiation by the end that has opened the stream |
//! | `accepting` | negotiation by the other |
//! | `dialback` | keys, asked about and answered |
//! | `judging` | questions about the certificate of the peer |
//! | `pairs` | what is proven |
//! | `role` | which end this is, and how far it is |
//! | `acks` | acknowledgements, and what becomes of what has none (XEP-0198) |
//! | `stanzas` | what is carried, and for whom |
//! | `clock` | deadlines, signs of life, idleness |
//! | `ending` | its end, and what is said then |

mod accepting;
mod acks;
mod clock;
mod config;
mod dialback;
mod ending;
mod event;
mod features;
mod header;
mod initiating;
mod judging;
mod pairs;
mod role;
mod stanzas;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

pub use config::ServerConfig;
pub use event::{ServerEvent, Undone};

use super::core::{Core, Life};
use super::{Cause, NotSent, Secured, StreamError, StreamErrorKind};
use crate::ids::Ids;
use crate::time::Now;
use crate::xml::splitter::Piece;
use crate::xml::{Element, Limits, ns};
use crate::xmpp::federation::{Association, Command, Dial, Judgement, Pair, Partner, Report, Way};
use crate::xmpp::stanza::Stanza;
use acks::Acks;
use dialback::Dialback;
pub(super) use header::Version;
use judging::Question;
use pairs::Pairs;
use role::{Accepting, Initiating, Role, Step};

#[cfg(doc)]
use crate::xmpp::federation::Partners;

/// One end of a stream between servers.
pub struct ServerStream {
    config: Arc<ServerConfig>,
    core: Core,
    role: Role,
    step: Step,
    /// Our domain: of the header that we sent, or that of the peer's header.
    local: Option<Arc<str>>,
    /// The peer's.
    remote: Option<Arc<str>>,
    /// The id that the accepting end gave to the stream (RFC 6120 section 4.7.3).
    id: String,
    tls: Option<Secured>,
    /// Whether the certificate of the peer proves `remote`; `None` until that was asked and answered.
    judgement: Option<Judgement>,
    questions: VecDeque<Question>,
    /// Whether SASL has succeeded, for whom and by what.
    authenticated: Option<(Arc<str>, Association)>,
    /// Stanzas go both ways (XEP-0288).
    bidi: bool,
    pairs: Pairs,
    dialback: Dialback,
    events: VecDeque<ServerEvent>,
    /// When a stanza last came or went.
    busy: Duration,
    /// When something last went.
    said: Duration,
    acks: Acks,
    /// Whether stanzas went of which the peer will not say that it took them.
    in_doubt: bool,
    /// Stanzas that came when the stream was about to end.
    unsent: Vec<Stanza>,
}

impl ServerStream {
    /// The end that has opened the connection: its header is ready to be sent. `secured`: TLS is there from the first byte
    /// (XEP-0368).
    #[must_use]
    pub fn initiating(config: Arc<ServerConfig>, dial: &Dial, secured: Option<Secured>, now: Now) -> Self {
        let role = Role::Initiating(Box::new(Initiating::new(dial.to_verify)));
        let mut stream = Self::new(config, role, now);
        stream.local = Some(dial.pair.local.clone());
        stream.remote = Some(dial.pair.remote.clone());
        stream.write_first_header();
        if let Some(secured) = secured {
            stream.tls = Some(secured);
            stream.ask_about_peer();
        }
        stream
    }

    /// The other end: it waits for a header. `ids` gives the stream its ids.
    #[must_use]
    pub fn accepting(config: Arc<ServerConfig>, ids: Ids, secured: Option<Secured>, now: Now) -> Self {
        let mut stream = Self::new(config, Role::Accepting(Box::new(Accepting { ids, sasl: None })), now);
        stream.tls = secured;
        stream
    }

    fn new(config: Arc<ServerConfig>, role: Role, now: Now) -> Self {
        let mut stream = config.stream.clone();
        stream.limits = Limits { stanza: config::UNPROVEN, skip: 0, ..stream.limits };
        Self {
            core: Core::new(stream, ns::SERVER, now),
            config,
            role,
            step: Step::Header,
            local: None,
            remote: None,
            id: String::new(),
            tls: None,
            judgement: None,
            questions: VecDeque::new(),
            authenticated: None,
            bidi: false,
            pairs: Pairs::default(),
            dialback: Dialback::default(),
            events: VecDeque::new(),
            busy: now.mono,
            said: now.mono,
            acks: Acks::default(),
            in_doubt: false,
            unsent: Vec::new(),
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

    /// The TLS handshake that [`ServerEvent::StartTls`] called for is done. All that was learnt before it is forgotten
    /// (RFC 6120 section 5.4.3.3).
    pub fn secured(&mut self, secured: Secured, now: Now) {
        if self.is_closed() || self.step != Step::Handshake {
            return;
        }
        self.core.restart();
        self.core.since = now.mono;
        self.step = Step::Header;
        self.tls = Some(secured);
        self.id.clear();
        self.bidi = false;
        self.dialback = Dialback::default();
        match &mut self.role {
            Role::Initiating(side) => {
                (side.features, side.errors, side.version) = (None, false, Version::Old);
                side.declares_dialback = false;
                self.write_first_header();
                self.ask_about_peer();
            }
            Role::Accepting(side) => {
                side.sasl = None;
                (self.local, self.remote) = (None, None);
            }
        }
    }

    /// Answers the [`ServerEvent::Judge`] that came last.
    pub fn judged(&mut self, judgement: Judgement, now: Now) {
        if self.core.life == Life::Open {
            self.on_judgement(judgement, now);
        }
    }

    /// Does what the federation wants. A stanza is taken only for a pair that is proven out; one that is not taken comes
    /// back in a report. Only when the stream is over nothing is taken and all is given back.
    pub fn order(&mut self, command: Command, now: Now) -> Result<(), Box<Undone>> {
        if self.is_closed() {
            return Err(Box::new(Undone { why: NotSent::NotReady, command }));
        }
        let done = match command {
            Command::Send(stanza) => {
                self.send(stanza, now);
                return Ok(());
            }
            Command::Continue(session) => {
                self.on_continue(session, now);
                return Ok(());
            }
            Command::Close(error) => {
                self.close(error, now);
                return Ok(());
            }
            Command::Drain if self.acks.is_on() => NOT_READY,
            Command::Drain => {
                self.close(None, now);
                return Ok(());
            }
            // Nothing may follow our `</stream:stream>`.
            Command::Prove(_) | Command::Verify(_) | Command::Answer(..) if self.core.life != Life::Open => NOT_READY,
            Command::Prove(ref pair) => self.on_prove(pair, now),
            Command::Verify(ref verification) => self.on_verify(verification, now),
            Command::Answer(ref pair, ref verdict) => self.on_answer(pair, verdict, now),
        };
        done.map_err(|why| Box::new(Undone { why, command }))
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

    /// Bytes that came and are held until what they belong to is whole; never more than the limits allow and one push.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.core.held()
    }

    /// What happened next.
    pub fn poll_event(&mut self) -> Option<ServerEvent> {
        self.events.pop_front()
    }

    /// Whether the stream is over.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.core.life == Life::Closed
    }

    /// Ends the stream: with an error at once, else when the peer has ended its side too (RFC 6120 section 4.4). What
    /// arrives until then still comes as events.
    pub fn close(&mut self, error: Option<StreamError>, now: Now) {
        match (self.core.life, error) {
            (Life::Closed, _) | (Life::Closing, None) => {}
            (_, Some(error)) => self.fail(error),
            (Life::Open, None) if self.core.is_unopened() || self.step == Step::Handshake => {
                self.core.drop_dead();
                self.finish(Cause::Closed);
            }
            (Life::Open, None) => {
                self.acks.close(now, &mut self.core);
                self.core.close(now);
            }
        }
    }

    /// The connection has ended, by the peer or by a failure.
    pub fn disconnected(&mut self) {
        if !self.is_closed() {
            let cause = self.core.cause_of_disconnection();
            self.finish(cause);
        }
    }

    /// Our domain and the peer's, as far as they are known.
    #[must_use]
    pub fn domains(&self) -> (Option<&str>, Option<&str>) {
        (self.local.as_deref(), self.remote.as_deref())
    }

    /// The id of the stream; empty until the accepting end has given it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The TLS under it.
    #[must_use]
    pub fn tls(&self) -> Option<&Secured> {
        self.tls.as_ref()
    }

    /// Whether stanzas go both ways (XEP-0288).
    #[must_use]
    pub fn is_bidi(&self) -> bool {
        self.bidi
    }

    /// Whether the peer acknowledges and is told what was taken of what it sends (XEP-0198).
    #[must_use]
    pub fn is_acknowledged(&self) -> bool {
        self.acks.is_on()
    }

    /// How many pairs of domains it has proven.
    #[must_use]
    pub fn pairs(&self) -> usize {
        self.pairs.len()
    }

    fn on_piece(&mut self, piece: Piece, now: Now) {
        let closing = self.core.life == Life::Closing;
        match piece {
            Piece::Close if closing => {
                self.in_doubt = false;
                self.finish(Cause::Closed);
            }
            Piece::Close => self.end(Cause::PeerClosed),
            // We closed before the peer's header came: nothing more is expected of it.
            Piece::Open(_) if closing => {}
            Piece::Open(header) => match self.role {
                Role::Initiating(_) => self.on_response_header(&header, now),
                Role::Accepting(_) => self.on_initial_header(&header, now),
            },
            Piece::Child(element) => self.on_child(element, closing, now),
            Piece::Refused { head, limit } => self.on_refused(head.as_ref(), limit),
        }
    }

    fn on_child(&mut self, element: Element, closing: bool, now: Now) {
        let initiating = matches!(self.role, Role::Initiating(_));
        match (element.ns(), element.name()) {
            (ns::CLIENT, _) => self.on_stanza(element, now),
            (ns::STREAM, "error") => self.end(Cause::PeerError(StreamError::from_element(&element))),
            (ns::SM, _) => self.on_acks(&element, now),
            _ if closing => {}
            (ns::DIALBACK, _) => self.on_dialback(&element, now),
            (ns::STREAM, "features") if initiating => self.on_features(&element, now),
            (ns::TLS, _) if initiating => self.on_tls_answer(&element),
            (ns::TLS, "starttls") => self.on_starttls(),
            (ns::SASL, _) if initiating => self.on_sasl_answer(&element, now),
            (ns::SASL, _) => self.on_sasl(&element, now),
            (ns::BIDI, "bidi") if !initiating => self.on_bidi(),
            (ns::STREAM, _) => self.fail(StreamErrorKind::BadFormat.into()),
            _ => self.fail(StreamErrorKind::UnsupportedStanzaType.into()),
        }
    }

    /// A pair is proven; says so if that is news.
    fn prove(&mut self, pair: &Pair, way: Way, by: Association, now: Now) {
        if self.pairs.prove(pair, way, by) != Ok(true) {
            return;
        }
        self.busy = now.mono;
        if way == Way::In {
            let size = self.partner(&pair.remote).limits.stanza_size;
            let mut limits = Limits { skip: self.config.stream.limits.skip, ..self.core.config.limits };
            if size > limits.stanza || self.pairs.len() == 1 {
                limits = limits.with_stanza(size);
            }
            self.core.limit(limits);
        }
        // What an earlier stream left comes before what waits for this news.
        self.ask_for_session(pair, way);
        self.report(Report::Proven(pair.clone(), way, by));
    }

    fn partner(&self, domain: &str) -> &Partner {
        self.config.partners.of(domain)
    }

    fn report(&mut self, report: Report) {
        self.events.push_back(ServerEvent::Report(report));
    }
}

impl std::fmt::Debug for ServerStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerStream")
            .field("local", &self.local)
            .field("remote", &self.remote)
            .field("step", &self.step)
            .field("life", &self.core.life)
            .field("pairs", &self.pairs.len())
            .field("queued", &self.core.output.len())
            .finish_non_exhaustive()
    }
}

/// Why nothing was done: too early, or too late.
const NOT_READY: Result<(), NotSent> = Err(NotSent::NotReady);

#[cfg(test)]
mod tests;
