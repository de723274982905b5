//! What the federation, which knows all pairs, and the tasks that carry one stream each tell each other.

use super::Association;
use super::pair::{Pair, Way};
use crate::xmpp::stanza::{Stanza, StanzaError};
use crate::xmpp::stream::Cause;

/// A stream by its number, never used again.
pub type StreamId = u64;

/// A stream that is to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dial {
    /// The number that it will have.
    pub stream: StreamId,
    /// For whom: `from` and `to` of its header. The pair's remote domain is the one whose servers are looked up.
    pub pair: Pair,
    /// Opened only to verify a dialback key (XEP-0220 section 2.1.2): nothing is to be proven for it.
    pub to_verify: bool,
}

/// A question about a dialback key: whether the server of the pair's remote domain made it for the stream `id`, which was
/// opened to us.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Verification {
    /// Our domain and the one that wants to be proven.
    pub pair: Pair,
    /// The id of the stream on which the key came.
    pub id: String,
    /// The key.
    pub key: String,
}

/// The answer to a dialback key.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It is right.
    Valid,
    /// It is not.
    Invalid,
    /// Nobody could say (XEP-0220 section 2.4).
    Error(StanzaError),
}

/// What the federation wants of a stream.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Send this, of a pair that is proven out.
    Send(Stanza),
    /// Prove one more pair by dialback (XEP-0220 section 2.6).
    Prove(Pair),
    /// Ask the server at the other end whether this key is right.
    Verify(Verification),
    /// The answer to [`Report::Key`].
    Answer(Pair, Verdict),
    /// End it: with an error at once, else when the peer has ended its side.
    Close(Option<crate::xmpp::stream::StreamError>),
}

/// What a stream tells the federation. Stanzas go their own way.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// A peer has opened this stream to us.
    Accepted,
    /// Negotiation has come so far that [`Command::Verify`] and [`Command::Prove`] can be carried out. `multiplex`: the peer
    /// answers refused pairs without ending the stream, so that more of them may be tried (XEP-0220 section 2.6).
    Open {
        /// Whether more than one pair may be tried.
        multiplex: bool,
    },
    /// Stanzas of a pair may go in this direction now.
    Proven(Pair, Way, Association),
    /// The peer did not believe us for this pair.
    Refused(Pair, Verdict),
    /// The peer wants to be believed for the pair of this question; it is answered by [`Command::Answer`].
    Key(Verification),
    /// The answer to [`Command::Verify`].
    Verified(Verification, Verdict),
    /// No stream came about: the cause.
    Unreachable(Unreachable),
    /// The stream is over, and these stanzas were not taken by it or, where the peer acknowledges what it takes
    /// (XEP-0198), were not acknowledged.
    Closed {
        /// Why.
        cause: Cause,
        /// In the order in which they were given.
        unsent: Vec<Stanza>,
        /// Stanzas that were written before, of which nobody knows whether they arrived.
        in_doubt: bool,
    },
}

/// Why there is no stream to a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreachable {
    /// There is no such domain, or it has no XMPP server (RFC 6120 section 3.2.1): `remote-server-not-found`.
    NotFound(String),
    /// Its servers do not answer, or refuse: `remote-server-timeout`.
    NoAnswer(String),
    /// It is not what it should be: no TLS, a certificate of somebody else, not allowed here. Also
    /// `remote-server-timeout`, since nobody knows a better word, with the reason in its text.
    NotTrusted(String),
}
