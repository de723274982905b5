//! Values as the types of XML Schema want them.

use std::borrow::Cow;
use std::fmt::Write;

use crate::model::date;
use crate::time::Timestamp;

/// An `xs:dateTime` with capital `T` and `Z` (RFC 3863 section 4.1.7); none outside the years 1 to 9999.
pub(super) fn date(at: Timestamp) -> Option<String> {
    const FIRST: i64 = -62_135_596_800_000;
    const LAST: i64 = 253_402_300_799_999;
    (FIRST..=LAST).contains(&at.0).then(|| date::print_rfc3339(at))
}

/// Thousandths as a decimal number of at most three digits behind the point (RFC 3863 section 4.1.5).
pub(super) fn priority(thousandths: u16) -> Cow<'static, str> {
    match thousandths {
        0 => Cow::Borrowed("0"),
        1..1000 => Cow::Owned(format!("0.{thousandths:03}").trim_end_matches('0').to_owned()),
        1000.. => Cow::Borrowed("1"),
    }
}

/// Whether it is an `xs:language`, which `xml:lang` has to be.
pub(super) fn is_language(text: &str) -> bool {
    let mut parts = text.split('-');
    let sized = |part: &str| (1..=8).contains(&part.len());
    parts.next().is_some_and(|part| sized(part) && part.bytes().all(|byte| byte.is_ascii_alphabetic()))
        && parts.all(|part| sized(part) && part.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// `text` as a URI: what RFC 3986 section 2 has no place for is percent-encoded, a `%` that encodes nothing included. An
/// address literal stays, although RFC 3986 has none without `//` in front: in a SIP URI it is one.
pub(super) fn uri(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let encodes = |at: usize| bytes.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
    let (scheme, literal, fragment) = (has_scheme(text), literal(text), text.find('#'));
    let segment = text.find(['/', '?', '#']).unwrap_or(text.len());
    let stays = |at: usize, byte: u8| match byte {
        b'%' => encodes(at),
        b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' => false,
        b'[' | b']' => literal.contains(&at),
        b'#' => fragment == Some(at),
        b':' => scheme || at > segment,
        _ => byte.is_ascii_graphic(),
    };
    if bytes.iter().enumerate().all(|(at, byte)| stays(at, *byte)) {
        return Cow::Borrowed(text);
    }
    let mut uri = String::with_capacity(text.len() + 16);
    for (at, byte) in bytes.iter().enumerate() {
        if stays(at, *byte) {
            uri.push(char::from(*byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    Cow::Owned(uri)
}

fn has_scheme(uri: &str) -> bool {
    uri.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|char: char| char.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
    })
}

/// Where the first `[2001:db8::1]` is, brackets included.
fn literal(uri: &str) -> std::ops::Range<usize> {
    let found = uri.find('[').and_then(|start| {
        let inside = uri.get(start + 1..)?.split_once(']')?.0;
        let is_address = inside.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'));
        (is_address && inside.contains(':')).then_some(start..start + inside.len() + 2)
    });
    found.unwrap_or_default()
}
