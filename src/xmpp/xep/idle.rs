//! Since when nobody has touched the device (XEP-0319).

use super::datetime;
use crate::time::Timestamp;
use crate::xml::{Element, ns};

/// When the last interaction was, if the children of a presence stanza say that there is none now.
#[must_use]
pub fn find(payload: &[Element]) -> Option<Timestamp> {
    let idle = payload.iter().find(|child| child.is(ns::IDLE, "idle"))?;
    datetime::parse(idle.attr("since")?)
}

/// `<idle/>`.
#[must_use]
pub fn element(since: Timestamp) -> Element {
    Element::new(ns::IDLE, "idle").with_attr("since", datetime::format(since))
}
