//! Unique and stable stanza ids (XEP-0359).

use crate::xml::{Element, ns};

/// The id that the sender's program gave, which survives rooms and archives.
#[must_use]
pub fn origin(payload: &[Element]) -> Option<&str> {
    payload.iter().find(|child| child.is(ns::SID, "origin-id"))?.attr("id").filter(|id| !id.is_empty())
}

/// `<origin-id/>`.
#[must_use]
pub fn origin_element(id: &str) -> Element {
    Element::new(ns::SID, "origin-id").with_attr("id", id)
}

/// The id that `by` gave, which counts only if `by` is known to have been on the way (section 6).
#[must_use]
pub fn given_by<'a>(payload: &'a [Element], by: &str) -> Option<&'a str> {
    payload.iter().find(|child| child.is(ns::SID, "stanza-id") && child.attr("by") == Some(by))?.attr("id")
}

/// Takes away every id that claims to be given by `by`: only `by` itself may say so (section 6).
pub fn forget_given_by(payload: &mut Vec<Element>, by: &str) {
    payload.retain(|child| !(child.is(ns::SID, "stanza-id") && child.attr("by") == Some(by)));
}
