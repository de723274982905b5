//! Stanza headers (XEP-0131), of which we use one: the hop count that two gateways share, so that they cannot send a message
//! round for ever. The registry takes `Max-Forwards` from RFC 3261 section 20.22.

use crate::xml::{Element, ns};

/// The name of the header, compared without regard to case.
pub const MAX_FORWARDS: &str = "Max-Forwards";

/// How often the message may still be passed on; `None` if it does not say, or nothing that can be read. Of several the least
/// counts.
#[must_use]
pub fn hops(payload: &[Element]) -> Option<u8> {
    let headers = payload.iter().filter(|child| child.is(ns::SHIM, "headers")).flat_map(Element::children);
    let ours = headers.filter(|header| {
        let name = header.attr("name");
        header.is(ns::SHIM, "header") && name.is_some_and(|name| name.eq_ignore_ascii_case(MAX_FORWARDS))
    });
    ours.filter_map(|header| header.text().trim().parse().ok()).min()
}

/// `<headers/>` that says how often the message may still be passed on.
#[must_use]
pub fn element(hops: u8) -> Element {
    let header = Element::new(ns::SHIM, "header").with_attr("name", MAX_FORWARDS).with_text(&hops.to_string());
    Element::new(ns::SHIM, "headers").with_child(header)
}
