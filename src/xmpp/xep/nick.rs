//! What somebody likes to be called (XEP-0172).

use crate::xml::{Element, ns};

/// The nickname among the children of a stanza.
#[must_use]
pub fn find(payload: &[Element]) -> Option<String> {
    let nick = payload.iter().find(|child| child.is(ns::NICK, "nick"))?.text();
    Some(nick.trim().to_owned()).filter(|nick| !nick.is_empty())
}

/// `<nick/>`.
#[must_use]
pub fn element(nick: &str) -> Element {
    Element::new(ns::NICK, "nick").with_text(nick)
}
