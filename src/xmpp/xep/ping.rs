//! Are you there? (XEP-0199)

use crate::xml::ns;
use crate::xmpp::stanza::Iq;

/// Whether `iq` is a ping; the answer is [`Iq::result`] without content.
#[must_use]
pub fn is_ping(iq: &Iq) -> bool {
    iq.asks(ns::PING, "ping")
}
