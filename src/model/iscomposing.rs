//! "Romeo is typing": application/im-iscomposing+xml (RFC 3994).

use super::message::Composing;
use crate::xml::Element;
use crate::xml::reader;

/// The namespace of the document (RFC 3994 section 8; the `im-composing` of its examples does not exist).
pub const NAMESPACE: &str = "urn:ietf:params:xml:ns:im-iscomposing";
/// The media type of the document.
pub const MEDIA_TYPE: &str = "application/im-iscomposing+xml";
/// Seconds a composing state lasts when its sender names no other (section 3.3).
pub const DEFAULT_REFRESH: u32 = 120;
