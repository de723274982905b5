//! What the federation, which knows all pairs, and the tasks that carry one stream each tell each other.

use super::pair::{Pair, Way};
use super::{Association, Host};
use crate::xmpp::stanza::{Stanza, StanzaError};
use crate::xmpp::stream::Cause;
use crate::xmpp::stream::manage::Session;

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
    /// Where the domain's own server has sent us, instead of what the partner's entry or DNS says (RFC 6120 section
    /// 4.9.3.19). What the host there must prove stays the same.
    pub host: Option<Host>,
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
    /// Send this, of a pair that is proven out. What the stream cannot take comes back: [`Report::Unsent`] while it is
    /// open, in `unsent` of [`Report::Closed`] when it is over.
    Send(Stanza),
    /// Prove a pair by dialback: that for which the stream was opened, where its certificate did not, or one more (XEP-0220
    /// section 2.6).
    Prove(Pair),
    /// Ask the server at the other end whether this key is right.
    Verify(Verification),
    /// The answer to [`Report::Key`].
    Answer(Pair, Verdict),
    /// The answer to [`Report::Continue`]: the session, if it is kept. Without one a new session begins, or the peer is
    /// told that there is none.
    Continue(Option<Box<Session>>),
    /// Take nothing new: our side is closed, and what the peer sends before it sees that is still read (RFC 6120 section
    /// 4.4). For a stream that we send nothing on. It comes back in [`Report::Undone`] where the peer acknowledges what is
    /// taken (XEP-0198): such a stream may stay open, for what it is not told of counts as not taken, and no acknowledgement
    /// could follow the close.
    Drain,
    /// End it: with an error at once, else when the peer has ended its side.
    Close(Option<crate::xmpp::stream::StreamError>),
}

impl Command {
    /// The stanzas in it, for those who cannot carry it out. A session is another matter: it goes back, by
    /// [`Report::Undone`].
    #[must_use]
    pub fn into_stanzas(self) -> Vec<Stanza> {
        match self {
            Self::Send(stanza) => vec![stanza],
            Self::Continue(_) | Self::Prove(_) | Self::Verify(_) | Self::Answer(..) | Self::Drain | Self::Close(_) => {
                Vec::new()
            }
        }
    }
}

/// What a stream tells the federation. Stanzas go their own way.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
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
    /// The peer acknowledges what it takes (XEP-0198). If a session of an earlier stream is kept that this one may go on
    /// with, it is wanted: of this pair and opened by us, or, if the peer has named it, the one with this id and pair. It is
    /// answered by [`Command::Continue`], at once.
    Continue(Pair, Option<String>),
    /// The peer may name the session of this pair and stream by this id when it comes back ([`Report::Continue`]); if that
    /// happens while this stream still seems alive, it is to be closed with `conflict`.
    Resumable(Pair, String),
    /// This command could not be carried out: too much of its kind waits already. A stanza among them that comes back because
    /// the stream is over is in `unsent` of [`Report::Closed`] instead.
    Undone(Box<Command>),
    /// The stream is open but takes no more: its peer reads more slowly than is written.
    Unsent(Stanza),
    /// No stanza has gone either way for [`Settings::idle`](super::Settings::idle). If nothing else is wanted of the stream,
    /// [`Command::Close`] follows.
    Idle,
    /// The stream goes on over another connection, and nothing was lost (XEP-0198 section 5). Only counted.
    Resumed,
    /// No stream came about: the cause. Nothing comes after it.
    Unreachable(Unreachable),
    /// The stream is over, and nothing comes after it.
    Closed {
        /// Why. A host in `see-other-host` is only named if it came under TLS: without, anybody on the way could have put
        /// it there.
        cause: Cause,
        /// Stanzas that it has not written, in the order in which they were given. Those that the session has are not among
        /// them, nor among the next.
        unsent: Vec<Stanza>,
        /// Stanzas that it has written to a peer that acknowledges what it takes (XEP-0198), and has not acknowledged them.
        /// They may have arrived, so they are never sent again.
        doubtful: Vec<Stanza>,
        /// What the next stream may go on with, for [`Session::within`]; then what it has written is as doubtful.
        session: Option<Box<Session>>,
        /// Stanzas were written to a peer that does not acknowledge, and nobody knows whether they arrived.
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
    /// It is not what it should be: no TLS, a certificate of somebody else. Also `remote-server-timeout`, since nobody
    /// knows a better word, with the reason in its text.
    NotTrusted(String),
}
