//! Since when? (XEP-0012)

use crate::xml::{Element, ns};
use crate::xmpp::stanza::Iq;

/// Whether `iq` asks for it.
#[must_use]
pub fn is_query(iq: &Iq) -> bool {
    iq.asks(ns::LAST, "query")
}

/// The answer for a server: how many seconds it has been up.
#[must_use]
pub fn result(seconds: u64) -> Element {
    Element::new(ns::LAST, "query").with_attr("seconds", seconds.to_string())
}
