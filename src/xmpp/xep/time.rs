//! What time is it? (XEP-0202)

use super::datetime;
use crate::time::Timestamp;
use crate::xml::{Element, ns};
use crate::xmpp::stanza::Iq;

/// Whether `iq` asks for the time.
#[must_use]
pub fn is_query(iq: &Iq) -> bool {
    iq.asks(ns::TIME, "time")
}

/// The answer, in UTC: where the gateway stands is nobody's business.
#[must_use]
pub fn result(wall: Timestamp) -> Element {
    let child = |name: &str, text: &str| Element::new(ns::TIME, name).with_text(text);
    let whole_seconds = Timestamp(wall.0.div_euclid(1000) * 1000);
    Element::new(ns::TIME, "time")
        .with_child(child("tzo", "+00:00"))
        .with_child(child("utc", &datetime::format(whole_seconds)))
}
