//! "Romeo is typing": application/im-iscomposing+xml (RFC 3994).

use super::message::Composing;
use crate::xml::{Element, Error, Limits, reader, writer};

/// The namespace of the document (RFC 3994 section 8; the `im-composing` of its examples does not exist).
pub const NAMESPACE: &str = "urn:ietf:params:xml:ns:im-iscomposing";
/// The media type of the document.
pub const MEDIA_TYPE: &str = "application/im-iscomposing+xml";
/// Seconds a composing state lasts when its sender names no other (section 3.3).
pub const DEFAULT_REFRESH: u32 = 120;
/// The shortest refresh a sender should ask for (section 3.2), and the least we believe.
pub const SHORTEST_REFRESH: u32 = 60;

/// Reads a document. A state it does not know is idle (section 3.5), as is a document without one.
///
/// # Errors
/// What the text breaks of XML; a root that is not `isComposing` is idle as well, since nothing else was said.
pub fn parse(document: &[u8]) -> Result<Composing, Error> {
    let root = reader::parse(document, &Limits::document())?;
    let text = |name: &str| root.child(NAMESPACE, name).map(|child| child.text().trim().to_owned());
    if !root.is(NAMESPACE, "isComposing") || text("state").as_deref() != Some("active") {
        return Ok(Composing::Idle);
    }
    let refresh = text("refresh").and_then(|seconds| seconds.parse().ok()).unwrap_or(DEFAULT_REFRESH);
    Ok(Composing::Active { refresh })
}

/// Writes a document about text/plain.
#[must_use]
pub fn print(state: Composing) -> Vec<u8> {
    let child = |name: &str, text: &str| Element::new(NAMESPACE, name).with_text(text);
    let mut root = Element::new(NAMESPACE, "isComposing");
    match state {
        Composing::Active { refresh } => {
            root.push_child(child("state", "active"));
            root.push_child(child("contenttype", "text/plain"));
            root.push_child(child("refresh", &refresh.max(SHORTEST_REFRESH).to_string()));
        }
        Composing::Idle => {
            root.push_child(child("state", "idle"));
            root.push_child(child("contenttype", "text/plain"));
        }
    }
    let mut out = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_vec();
    writer::write(&root, "", &mut out);
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn document(inside: &str) -> Vec<u8> {
        format!("<isComposing xmlns='{NAMESPACE}'>{inside}</isComposing>").into_bytes()
    }

    #[test]
    fn active_lasts_as_long_as_it_says_else_two_minutes() {
        assert_eq!(
            parse(&document("<state>active</state><refresh>90</refresh>")).unwrap(),
            Composing::Active { refresh: 90 }
        );
        assert_eq!(parse(&document("<state> active </state>")).unwrap(), Composing::Active { refresh: 120 });
        assert_eq!(
            parse(&document("<state>active</state><refresh>soon</refresh>")).unwrap(),
            Composing::Active { refresh: 120 }
        );
    }

    #[test]
    fn an_unknown_state_is_idle() {
        for inside in ["<state>idle</state>", "<state>dreaming</state>", "", "<state xmlns='urn:other'>active</state>"]
        {
            assert_eq!(parse(&document(inside)).unwrap(), Composing::Idle, "{inside}");
        }
        assert!(parse(b"<isComposing>").is_err());
    }

    #[test]
    fn what_is_written_is_read_back() {
        for state in [Composing::Idle, Composing::Active { refresh: 75 }] {
            assert_eq!(parse(&print(state)).unwrap(), state);
        }
        assert_eq!(parse(&print(Composing::Active { refresh: 5 })).unwrap(), Composing::Active { refresh: 60 });
    }
}
