//! Which program is this? (XEP-0092)

use crate::xml::{Element, ns};
use crate::xmpp::stanza::Iq;

/// Whether `iq` asks for it.
#[must_use]
pub fn is_query(iq: &Iq) -> bool {
    iq.asks(ns::VERSION, "query")
}

/// The answer. The operating system is not told.
#[must_use]
pub fn result(name: &str, version: &str) -> Element {
    let child = |name: &str, text: &str| Element::new(ns::VERSION, name).with_text(text);
    Element::new(ns::VERSION, "query").with_child(child("name", name)).with_child(child("version", version))
}
