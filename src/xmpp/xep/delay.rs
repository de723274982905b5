//! When a stanza was really sent (XEP-0203).

use super::datetime;
use crate::time::Timestamp;
use crate::xml::{Element, ns};

/// The earliest stamp among the children of a stanza: that of whoever held it first.
#[must_use]
pub fn find(payload: &[Element]) -> Option<Timestamp> {
    let delays = payload.iter().filter(|child| child.is(ns::DELAY, "delay"));
    delays.filter_map(|delay| datetime::parse(delay.attr("stamp")?)).min()
}

/// `<delay/>` by which `from` says when the stanza was sent.
#[must_use]
pub fn element(from: &str, sent: Timestamp) -> Element {
    Element::new(ns::DELAY, "delay").with_attr("from", from).with_attr("stamp", datetime::format(sent))
}
