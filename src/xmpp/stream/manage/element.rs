//! The elements of `urn:xmpp:sm:3`, read and written (XEP-0198 sections 3 to 6).

use std::io::Write;
use std::time::Duration;

use crate::xml::{Element, ns, writer};
use crate::xmpp::stanza::Condition;

/// What an element says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said<'e> {
    /// `<r/>`
    Request,
    /// `<a/>`: so many were handled.
    Ack(u32),
    /// `<enable/>`
    Enable,
    /// `<resume/>`
    Resume,
    /// `<enabled/>`
    Enabled {
        /// By which name the session can be resumed, if it can.
        id: Option<&'e str>,
        /// For how long.
        max: Option<Duration>,
    },
    /// `<resumed/>`: which, and how many of ours the peer has.
    Resumed(&'e str, u32),
    /// `<failed/>`, and how many of ours the peer had of the session that was asked for.
    Failed(Option<u32>),
}

/// Reads one; `None` if it is none of them, or lacks what it must have.
pub(super) fn read(element: &Element) -> Option<Said<'_>> {
    if element.ns() != ns::SM {
        return None;
    }
    let h = element.attr("h").and_then(unsigned);
    match element.name() {
        "r" => Some(Said::Request),
        "a" => h.map(Said::Ack),
        "enable" => Some(Said::Enable),
        "resume" => Some(Said::Resume),
        "enabled" => {
            let id = element.attr("id").filter(|id| resumable(element) && is_a_name(id));
            Some(Said::Enabled { id, max: max(element) })
        }
        "resumed" => Some(Said::Resumed(element.attr("previd")?, h?)),
        "failed" => Some(Said::Failed(h)),
        _ => None,
    }
}

/// The name and the count of `<resume/>`.
pub(super) fn resume(element: &Element) -> Option<(&str, u32)> {
    let id = element.attr("previd").filter(|id| is_a_name(id))?;
    Some((id, element.attr("h").and_then(unsigned)?))
}

/// An SM-ID should not be longer than 4000 bytes (section 5); a longer one is as good as none.
fn is_a_name(id: &str) -> bool {
    (1..=4000).contains(&id.len())
}

/// `resume` is an `xs:boolean`.
pub(super) fn resumable(element: &Element) -> bool {
    matches!(element.attr("resume").map(str::trim), Some("true" | "1"))
}

/// `max`, a number of seconds above zero.
pub(super) fn max(element: &Element) -> Option<Duration> {
    element.attr("max").and_then(unsigned).filter(|max| *max > 0).map(|max| Duration::from_secs(max.into()))
}

/// An `xs:unsignedInt`.
fn unsigned(text: &str) -> Option<u32> {
    text.trim().parse().ok()
}

pub(super) fn write_request(out: &mut Vec<u8>) {
    out.extend_from_slice(b"<r xmlns='urn:xmpp:sm:3'/>");
}

/// Once, however often it was asked for since the peer last got something.
pub(super) fn write_ack(handled: u32, out: &mut Vec<u8>) {
    let start = out.len();
    let _ = write!(out, "<a xmlns='urn:xmpp:sm:3' h='{handled}'/>");
    if out[..start].ends_with(&out[start..]) {
        out.truncate(start);
    }
}

/// `<enable/>`; `within`: for how long the session may be resumed, if at all.
pub(super) fn write_enable(within: Duration, out: &mut Vec<u8>) {
    let _ = match within.as_secs() {
        0 => out.write_all(b"<enable xmlns='urn:xmpp:sm:3'/>"),
        seconds => write!(out, "<enable xmlns='urn:xmpp:sm:3' resume='true' max='{seconds}'/>"),
    };
}

/// `<enabled/>`, with the name of a session that may be resumed for some time.
pub(super) fn write_enabled(session: Option<(&str, Duration)>, out: &mut Vec<u8>) {
    let mut enabled = Element::new(ns::SM, "enabled");
    if let Some((id, within)) = session {
        enabled.set_attr("id", id);
        enabled.set_attr("resume", "true");
        enabled.set_attr("max", within.as_secs().to_string());
    }
    writer::write(&enabled, "", out);
}

/// `<resume/>` or `<resumed/>`.
pub(super) fn write_resume(name: &str, id: &str, handled: u32, out: &mut Vec<u8>) {
    let element = Element::new(ns::SM, name).with_attr("previd", id).with_attr("h", handled.to_string());
    writer::write(&element, "", out);
}

/// `<failed/>`.
pub(super) fn write_failed(condition: &Condition, out: &mut Vec<u8>) {
    let condition = Element::new(ns::STANZAS, condition.name());
    writer::write(&Element::new(ns::SM, "failed").with_child(condition), "", out);
}
