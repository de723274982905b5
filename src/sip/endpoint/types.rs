//! What goes into an [`Endpoint`](super::Endpoint) and what comes out.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::sip::locate::{Target, Transport};
use crate::sip::message::{Message, Request, Response};
use crate::sip::transaction::key::Key;
use crate::sip::transaction::timers::Timing;

/// The way on which a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Flow {
    /// The protocol.
    pub transport: Transport,
    /// Our address: the socket that a response over UDP leaves from (RFC 3581 section 4).
    pub local: SocketAddr,
    /// The peer's address.
    pub remote: SocketAddr,
    /// Which connection, by the rim's count; 0 for UDP.
    pub id: u64,
}

/// A message and the way on which it came.
#[derive(Debug, Clone)]
pub struct Inbound {
    /// The message as it was read.
    pub message: Message,
    /// Its way.
    pub flow: Flow,
}

/// Bytes for the rim to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// The protocol.
    pub transport: Transport,
    /// The address of ours to send from, where it matters: responses over UDP.
    pub local: Option<SocketAddr>,
    /// Where to. With a `flow` that is closed: where to open a connection instead (RFC 3261 section 18.2.2).
    pub remote: SocketAddr,
    /// The connection to use while it is open. `None` for UDP, and for requests that may take any to `remote`.
    pub flow: Option<u64>,
    /// The SIP domain that the peer's certificate must name, as it was before DNS (RFC 5922 section 4). For requests over
    /// TLS; a connection serves one domain.
    pub domain: Option<Arc<str>>,
    /// One whole message.
    pub bytes: Vec<u8>,
    /// Whose it is: goes back with [`Endpoint::undeliverable`](super::Endpoint::undeliverable) when it cannot be sent.
    pub origin: Origin,
    /// Whether it has been sent before and nothing came back: perhaps nobody is there.
    pub again: bool,
}

/// Whose message a [`Transmit`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The request of a client transaction, on its attempt of this number.
    Client(ClientId, u32),
    /// The response of a server transaction.
    Server(ServerId),
    /// A response of no transaction.
    Stateless,
}

/// Why a message could not be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Undelivered {
    /// The connection was refused, or ICMP said that nobody listens.
    #[error("refused")]
    Refused,
    /// A datagram was sent, and now ICMP says that nobody listens there (RFC 3263 section 4.3).
    #[error("nobody listens there")]
    Absent,
    /// The host or network cannot be reached, or the connection could not be made in time.
    #[error("unreachable")]
    Unreachable,
    /// The connection closed before the message was written.
    #[error("connection closed")]
    Closed,
    /// The queue of the socket or connection is full.
    #[error("queue full")]
    QueueFull,
    /// TLS was not agreed upon.
    #[error("TLS failed: {0}")]
    Tls(TlsFailure),
}

/// Why TLS was not agreed upon with a peer that we called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TlsFailure {
    /// Its certificate is out of its time: expired, or not valid yet.
    #[error("its certificate has expired or is not valid yet")]
    Expired,
    /// Its certificate does not name the SIP domain (RFC 5922 section 7.3).
    #[error("its certificate names another domain")]
    WrongName,
    /// Its certificate is signed by nobody we trust.
    #[error("its certificate is signed by nobody we trust")]
    Untrusted,
    /// Its certificate cannot be used for another reason.
    #[error("its certificate is not good")]
    BadCertificate,
    /// It refused us, most likely for our certificate or because we have none.
    #[error("it refused our certificate or our offer")]
    Refused,
    /// It does not speak TLS, or no version of it that we accept.
    #[error("it does not speak TLS as we do")]
    Protocol,
    /// The handshake was not done in time.
    #[error("the handshake took too long")]
    Timeout,
    /// Our own trust anchors or certificate cannot be used.
    #[error("our own certificates cannot be used")]
    Unset,
}

/// One request of ours, over all its attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(pub(super) u64);

/// One request of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerId {
    pub(super) key: Key,
    pub(super) serial: u64,
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{}", self.0)
    }
}

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}", self.serial)
    }
}

/// What the user of the endpoint hears.
///
/// Of each request of ours exactly one of `Response`, `TimedOut` and `Failed` is told, and nothing after it but
/// `Accepted`.
#[derive(Debug, Clone)]
pub enum Event {
    /// A new request, to be answered with [`Endpoint::respond`](super::Endpoint::respond). Its top Via has `received`
    /// and `rport` as they must be. Never an ACK or CANCEL.
    Request {
        /// What to answer with.
        transaction: ServerId,
        /// The request.
        request: Request,
        /// How it came.
        flow: Flow,
    },
    /// The ACK for a 2xx to an INVITE, or one that belongs to nothing we know: it needs no answer and gets none. A proxy
    /// sends it on.
    Ack {
        /// The ACK.
        request: Request,
        /// How it came.
        flow: Flow,
    },
    /// The peer takes an INVITE back that has no final answer yet: answer it with 487 (RFC 3261 section 9.2).
    Cancelled {
        /// The INVITE.
        transaction: ServerId,
    },
    /// 1xx: the peer is there and works on it.
    Provisional {
        /// The request of ours.
        transaction: ClientId,
        /// The response.
        response: Response,
    },
    /// The final response. After several targets the last one's, or an earlier 503 with its Retry-After where
    /// the targets after it could not be reached at all.
    Response {
        /// The request of ours.
        transaction: ClientId,
        /// The response.
        response: Response,
    },
    /// A further 2xx to an INVITE that has had one: the same again, because its ACK was lost, or that of another phone
    /// behind a proxy that forks (RFC 6026 section 7.2).
    Accepted {
        /// The INVITE of ours.
        transaction: ClientId,
        /// The response.
        response: Response,
    },
    /// No final response came in 64 * T1: treat it as 408 (section 8.1.3.1). The request may have been delivered.
    TimedOut {
        /// The request of ours.
        transaction: ClientId,
        /// Whether a provisional response came.
        heard: bool,
    },
    /// The request could not be sent: treat it as 503 (section 8.1.3.1), or 413 for [`Cause::TooLarge`].
    Failed {
        /// The request of ours.
        transaction: ClientId,
        /// Why.
        cause: Cause,
    },
}

/// Why a request of ours failed for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Cause {
    /// The transport could not send it, to the last target.
    #[error("not sent: {0}")]
    NotSent(Undelivered),
    /// The connection broke after the request was written and before anything was heard: it may have arrived.
    #[error("the connection broke before an answer came")]
    Broken,
    /// It is too large for UDP and the peer takes no TCP.
    #[error("too large for UDP, and the peer refused TCP")]
    TooLarge,
}

/// What was learnt about a target, for whoever decides which to try first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Where a request of ours went.
    pub target: Target,
    /// What came of it.
    pub outcome: Outcome,
}

/// How a target dealt with a request of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It answered, whatever the answer.
    Worked,
    /// It answered 503.
    Busy {
        /// The time it asked for: until then it wants no request (RFC 3261 section 21.5.4).
        retry_after: Option<Duration>,
    },
    /// The request could not be sent.
    NotSent(Undelivered),
    /// The connection broke while requests waited for their first response.
    Broken,
    /// It said nothing for 64 * T1.
    Silent,
}

/// Why a request of ours was not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NotStarted {
    /// [`Limits::client`] transactions are open.
    #[error("too many requests wait for answers")]
    Overload,
    /// No target, or none whose transport has a sent-by.
    #[error("there is nowhere to send it")]
    NoTarget,
}

/// How a request of ours is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sending {
    /// What happens if it is too large for UDP.
    pub large: Large,
    /// The SIP domain that a target's certificate must name (RFC 5922 section 4).
    pub domain: Option<Arc<str>>,
    /// The connection that the first target is: the request goes by that while it is open (RFC 5626 section 5.3 for those
    /// that the peer has opened).
    pub flow: Option<u64>,
}

impl From<Large> for Sending {
    /// Without TLS there is no name to check.
    fn from(large: Large) -> Self {
        Self { large, domain: None, flow: None }
    }
}

/// What to do with a request over [`EndpointConfig::max_udp`] whose target is a UDP one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Large {
    /// Try TCP at the same address (RFC 3261 section 18.1.1). When that is refused, fail with [`Cause::TooLarge`].
    UseTcp,
    /// Send it over UDP all the same: for paths that are known to bear it (RFC 3428 section 8).
    UseUdp,
}

/// Host and port that Via names for us.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SentBy {
    /// A name, an IPv4 address, or an IPv6 address in brackets.
    pub host: String,
    /// The port, where it is not the transport's default.
    pub port: Option<u16>,
}

/// How an endpoint is set up.
#[derive(Debug, Clone)]
pub struct EndpointConfig {
    /// What Via says for each transport we send by. A transport that is not here cannot be used.
    pub sent_by: Vec<(Transport, SentBy)>,
    /// T1, T2, T4.
    pub timing: Timing,
    /// The largest request over UDP in bytes, our Via included. 1300 where nothing is known of the path (RFC 3261
    /// section 18.1.1, RFC 3428 section 8).
    pub max_udp: usize,
    /// What bounds the tables.
    pub limits: Limits,
    /// Hosts of Request-URIs that are sent on, lower case. The same request may rightly come by there twice with another
    /// Request-URI, so it counts as merged (RFC 3261 section 8.2.2.2, which is for user agents) only where it is served.
    pub sent_on: Vec<String>,
}

impl EndpointConfig {
    /// The defaults, with the same `sent_by` for UDP and TCP.
    #[must_use]
    pub fn new(sent_by: SentBy) -> Self {
        Self {
            sent_by: vec![(Transport::Udp, sent_by.clone()), (Transport::Tcp, sent_by)],
            timing: Timing::default(),
            max_udp: MAX_UDP,
            limits: Limits::default(),
            sent_on: Vec::new(),
        }
    }
}

/// RFC 3261 section 18.1.1: the largest request over UDP where the MTU of the path is not known.
pub const MAX_UDP: usize = 1300;

/// What bounds the tables of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Requests of peers without a final answer. Two seconds of full load; an XMPP side slower than that should be
    /// felt by the peers, who get 503 with Retry-After.
    pub server: usize,
    /// Requests of ours without a final answer, each with its bytes in memory, and accepted INVITEs until Timer M.
    pub client: usize,
    /// Answered requests that are recognised when they come again; beyond it the oldest are forgotten before Timer J.
    /// 36 s of full load, at about 110 bytes each; just below the count at which the table would double.
    pub completed: usize,
    /// Bytes of answers kept for such requests. Answers without headers of their own are not kept but made again;
    /// when this is full the others too are made again without their own headers.
    pub kept_bytes: usize,
    /// The least a stateless 503 asks a peer to wait; up to twice as long for some, so that they do not come back
    /// together.
    pub retry_after: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            server: 100_000,
            client: 100_000,
            completed: 1_800_000,
            kept_bytes: 64 << 20,
            retry_after: Duration::from_secs(5),
        }
    }
}

/// Counts since the start, and how much is open now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Requests of ours that wait for a final response, now.
    pub client_open: usize,
    /// Requests of peers that wait for our final response, now.
    pub server_open: usize,
    /// Answered requests that would be recognised, now.
    pub server_completed: usize,
    /// Requests and INVITE responses that we sent again.
    pub retransmissions_sent: u64,
    /// Requests and responses that peers sent again.
    pub retransmissions_received: u64,
    /// Requests of ours that ended without a final response.
    pub timeouts: u64,
    /// Requests of ours that were tried at a further target.
    pub failovers: u64,
    /// Responses to nothing we asked.
    pub stray_responses: u64,
    /// Requests refused as merged, with 482.
    pub merged: u64,
    /// Requests refused with 503 because [`Limits::server`] was reached.
    pub overloaded: u64,
    /// Answers of ours that came after the transaction had ended, or that RFC 4320 forbids, and were not sent.
    pub answers_withheld: u64,
    /// Responses of ours that the transport could not send.
    pub answers_undelivered: u64,
    /// INVITEs whose refusal nobody acknowledged.
    pub unacknowledged: u64,
    /// Messages without a readable Via, which belong to nobody.
    pub unroutable: u64,
}
