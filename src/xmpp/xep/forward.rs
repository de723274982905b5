//! Copies of other messages (XEP-0280, XEP-0297): never to be taken for messages to us.

use crate::xml::ns;
use crate::xmpp::stanza::Message;

/// Whether `message` only wraps another: a carbon copy, an archived or forwarded message.
#[must_use]
pub fn is_copy(message: &Message) -> bool {
    message.payload.iter().any(|child| {
        child.is(ns::FORWARD, "forwarded")
            || (child.ns() == ns::CARBONS && matches!(child.name(), "sent" | "received"))
            || child.child(ns::FORWARD, "forwarded").is_some()
    })
}
