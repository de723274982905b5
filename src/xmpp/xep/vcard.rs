//! Business cards (XEP-0054).

use crate::xml::{Element, ns};
use crate::xmpp::stanza::Iq;

/// Whether `iq` asks for a card.
#[must_use]
pub fn is_query(iq: &Iq) -> bool {
    iq.asks(ns::VCARD, "vCard")
}

/// A card with a full name, an address as a URI, and a few words, each where there is one.
#[must_use]
pub fn card(full_name: Option<&str>, uri: Option<&str>, description: Option<&str>) -> Element {
    let fields = [("FN", full_name), ("URL", uri), ("DESC", description)];
    fields.into_iter().fold(Element::new(ns::VCARD, "vCard"), |card, (name, text)| match text {
        Some(text) => card.with_child(Element::new(ns::VCARD, name).with_text(text)),
        None => card,
    })
}
