//! What a stream tells its owner.

use super::StreamError;
use crate::xmpp::stanza::{Stanza, StanzaProblem};

/// What happened.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "nearly all events are the large one")]
pub enum Event {
    /// Stanzas may be sent from now on.
    Ready,
    /// A stanza came that has `from` and `to`.
    Stanza(Stanza),
    /// Something came that is no use; it was answered with an error, or could not be.
    Unusable {
        /// What was wrong, and with whose.
        problem: Box<StanzaProblem>,
        /// Whether the sender is told.
        answered: bool,
    },
    /// The stream is over. Nothing comes after this. What [`Stream::poll_output`](super::Stream::poll_output) still
    /// gives is to be sent, then the connection is to be closed.
    Closed(Cause),
}

/// Why a stream is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// We closed it; the peer agreed, or did not answer in time.
    Closed,
    /// The peer closed it.
    PeerClosed,
    /// The peer named an error.
    PeerError(StreamError),
    /// We named an error.
    OurError(StreamError),
    /// The connection ended without a word.
    Disconnected,
}

/// Why a stanza was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// The stream is not ready yet, or no more.
    #[error("the stream is not ready")]
    NotReady,
    /// [`StreamConfig::max_queued`](super::StreamConfig::max_queued) bytes wait already.
    #[error("too much waits to be sent")]
    Full,
    /// `from` or `to` is missing, or `from` is not of the domain for which this stream speaks (XEP-0114 section 3).
    #[error("from or to is missing or foreign")]
    Address,
}
