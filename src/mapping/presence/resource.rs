//! Tuple id <-> resource (RFC 8048 section 6.2 note 2, A-PRES-06).
//!
//! An id is an `xs:ID`: letters, digits, `.`, `-` and `_`, no digit first. It is `ID-` and the resource, each other byte as
//! `_` and two capital hexadecimal digits; `_` itself too, so every resource comes back as it was. An id of somebody else's
//! is read the same way, with or without `ID-`, as far as it can be; `a_b` is no escape and stands for itself.

use std::borrow::Cow;

use sha1::{Digest, Sha1};

/// What RFC 8048 recommends to put first.
const PREFIX: &str = "ID-";
const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// The id for a resource; the one of no resource is [`PREFIX`] alone.
pub(super) fn to_id(resource: &str) -> String {
    let mut id = String::with_capacity(PREFIX.len() + resource.len());
    id.push_str(PREFIX);
    for byte in resource.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-') {
            id.push(char::from(byte));
        } else {
            id.push('_');
            id.push(char::from(HEX[usize::from(byte >> 4)]));
            id.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    id
}

/// An id that is always the same for a resource of this user and does not show it (A-ADDR-10).
pub(super) fn to_opaque_id(user: &str, resource: &str) -> String {
    let digest = Sha1::new().chain_update(user.as_bytes()).chain_update(b"/").chain_update(resource.as_bytes());
    let mut id = PREFIX.to_owned();
    for byte in digest.finalize().iter().take(8) {
        id.push(char::from(HEX[usize::from(byte >> 4)]));
        id.push(char::from(HEX[usize::from(byte & 15)]));
    }
    id
}

/// The resource in an id. Whether it can be one is for who makes a JID of it.
pub(super) fn of_id(id: &str) -> Cow<'_, str> {
    let text = id.strip_prefix(PREFIX).unwrap_or(id);
    if !text.contains('_') {
        return text.into();
    }
    decode(text).map_or(text.into(), Cow::Owned)
}

fn decode(text: &str) -> Option<String> {
    let digit =
        |byte: Option<&u8>| HEX.iter().position(|digit| Some(digit) == byte).and_then(|at| u8::try_from(at).ok());
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match (byte, digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) {
            (b'_', Some(high), Some(low)) => {
                out.push(high << 4 | low);
                at += 3;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_xs_id(text: &str) -> bool {
        text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
    }

    #[test]
    fn resources_that_no_xml_id_can_be_come_back() {
        for hostile in
            ["1234 ü", "a b", "\"quoted\"", "<tag>", "a_5F", "_", "🎭 balcony", "ID-x", "'&;", &"é".repeat(511)]
        {
            let id = to_id(hostile);
            assert!(is_xs_id(&id), "{id}");
            assert_eq!(of_id(&id), hostile);
            assert!(is_xs_id(&to_opaque_id("juliet@example.com", hostile)));
        }
        assert_eq!(to_id("yn0cl4bnw0yr3vym"), "ID-yn0cl4bnw0yr3vym");
    }

    #[test]
    fn ids_of_others_are_read_as_they_are() {
        for (id, resource) in
            [("balcony", "balcony"), ("ID-", ""), ("a_b", "a_b"), ("x_FF", "x_FF"), ("bs35r9", "bs35r9"), ("_", "_")]
        {
            assert_eq!(of_id(id), resource);
        }
    }

    #[test]
    fn an_opaque_id_is_stable_and_of_one_user() {
        let id = to_opaque_id("juliet@example.com", "balcony");
        assert_eq!(id, to_opaque_id("juliet@example.com", "balcony"));
        assert_ne!(id, to_opaque_id("nurse@example.com", "balcony"));
        assert!(!id.contains("balcony"));
    }

    proptest! {
        #[test]
        fn every_resource_comes_back_from_its_id(resource in "\\PC{0,64}") {
            let id = to_id(&resource);
            prop_assert!(is_xs_id(&id));
            prop_assert_eq!(of_id(&id), resource);
        }
    }
}
