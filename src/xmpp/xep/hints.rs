//! Hints on how to treat a message on its way (XEP-0334).

use crate::xml::{Element, ns};

/// Do not keep it, not even for a recipient who is away.
pub const NO_STORE: &str = "no-store";
/// Do not copy it to other devices.
pub const NO_COPY: &str = "no-copy";
/// Do keep it.
pub const STORE: &str = "store";

/// The element of one of the hints above.
#[must_use]
pub fn element(hint: &str) -> Element {
    Element::new(ns::HINTS, hint)
}

/// Whether the children of a message have `hint`.
#[must_use]
pub fn has(payload: &[Element], hint: &str) -> bool {
    payload.iter().any(|child| child.is(ns::HINTS, hint))
}
