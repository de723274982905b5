//! What a stream between servers tells its owner.

use crate::xmpp::federation::{Command, Report};
use crate::xmpp::stanza::{Stanza, StanzaProblem};
use crate::xmpp::stream::NotSent;

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum ServerEvent {
    /// Both agreed on TLS. What [`poll_output`](super::ServerStream::poll_output) gives is to be sent, then the handshake
    /// made, then [`secured`](super::ServerStream::secured) called; bytes read meanwhile belong to TLS.
    StartTls,
    /// Whether the certificate of the peer proves this domain; [`judged`](super::ServerStream::judged) answers. The next
    /// such question comes only after that.
    Judge(String),
    /// For the federation. [`Report::Closed`] or [`Report::Unreachable`] is the last of them: what `poll_output` still
    /// gives is to be sent, then the connection is to be closed.
    Report(Report),
    /// A stanza of a pair that this stream has proven.
    Stanza(Stanza),
    /// A stanza of such a pair that is no use.
    Unusable {
        /// What was wrong, and with whose.
        problem: Box<StanzaProblem>,
        /// The error that its sender is to get, by whatever way stanzas go to it; `None` where RFC 6120 section 8.3.1
        /// forbids one.
        reply: Option<Stanza>,
    },
}

/// A command that could not be carried out; it is given back whole, since it may hold a stanza.
#[derive(Debug, Clone, PartialEq)]
pub struct Undone {
    /// Why.
    pub why: NotSent,
    /// What was to be done.
    pub command: Command,
}
