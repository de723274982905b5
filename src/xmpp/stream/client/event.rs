//! What the stream of a client tells its owner.

use crate::xmpp::jid::Jid;
use crate::xmpp::stanza::{Stanza, StanzaProblem};
use crate::xmpp::stream::Cause;

/// What happened.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "nearly all events are the large one")]
pub enum ClientEvent {
    /// Both agreed on TLS. What [`poll_output`](super::ClientStream::poll_output) gives is to be sent, then the handshake
    /// made, then [`secured`](super::ClientStream::secured) called; bytes read meanwhile belong to TLS.
    StartTls,
    /// The client has proven who it is and is now this connected resource: stanzas may be sent to it.
    Bound(Jid),
    /// A stanza of the client: `from` is its full address, or the bare one where it is about subscriptions (RFC 6120
    /// section 8.1.2.1). Without `to` it is for the client's own account (section 10.3).
    Stanza(Stanza),
    /// A stanza that is no use; it was answered with an error, or could not be.
    Unusable {
        /// What was wrong.
        problem: Box<StanzaProblem>,
        /// Whether the client is told.
        answered: bool,
    },
    /// The stream is over. Nothing comes after this. What `poll_output` still gives is to be sent, then the connection is
    /// to be closed.
    Closed(Cause),
}
