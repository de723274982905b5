//! What goes into a gateway and what comes out.

use std::sync::Arc;
use std::time::Duration;

use crate::sip::endpoint::{Flow, Inbound, Origin, Transmit, Undelivered};
use crate::sip::locate::{Answer, Query};
use crate::sip::message::Response;
use crate::xmpp::stanza::Stanza;

/// An XMPP link by its number: the position of its domain in [`Settings::links`](super::Settings::links). It is the stream
/// of a component to its one server, or all streams by which a domain that stox serves itself reaches others.
pub type Link = usize;

/// Something happened.
#[derive(Debug)]
pub enum Input {
    /// A stanza came on a link; the link has checked that it is addressed to the link's domain.
    Stanza(Link, Stanza),
    /// A SIP message came.
    Sip(Inbound),
    /// A SIP request came that cannot be read; this is the answer, along the way it came.
    Unreadable(Response, Flow),
    /// A SIP connection was opened on which the peer has proven these names by its certificate (RFC 5922 section 7.1); comes
    /// before anything that came on it.
    FlowOpened(Flow, Arc<[String]>),
    /// A SIP connection is over; nothing more comes on it. Told once for each address by which requests went to it.
    FlowClosed(Flow),
    /// A link is ready for stanzas.
    LinkUp(Link),
    /// A link broke, or ended. Whatever was not confirmed on it may be lost.
    LinkDown(Link),
    /// On a link to many servers, the way to this domain broke. Whatever was not confirmed on it may be lost; the link
    /// itself is still up.
    DomainDown(Link, String),
    /// A stanza could not be put on its link: the link is down or its queue is full.
    Unsent(Link, Stanza),
    /// A SIP message could not be sent.
    Undelivered(Origin, Undelivered),
    /// DNS answered; the answer holds for so long.
    Located(LookupId, Answer, Duration),
    /// Take nothing new: the process is ending.
    Drain,
    /// Nothing more can be waited for: whatever is open fails now, and its senders are told.
    GiveUp,
    /// The peers' addresses were looked up anew.
    Trust(super::trust::Trust),
}

/// A question to DNS that waits for its answer.
pub type LookupId = u64;

/// Something is to be done.
#[derive(Debug)]
pub enum Output {
    /// Put this stanza on this link.
    Stanza(Link, Stanza),
    /// Send these bytes.
    Transmit(Transmit),
    /// Ask DNS; the answer comes back as [`Input::Located`].
    Locate(LookupId, Query),
}
