//! Which characters may stand where in a URI (RFC 3261 section 25.1), and how the others are escaped.

use super::UriError;
use std::borrow::Cow;

/// `user` and `telephone-subscriber`; with `#`, which keypads have.
pub(super) const USER: u8 = 1;
pub(super) const PASSWORD: u8 = 2;
/// `uri-parameters` with their separators.
pub(super) const PARAMETER: u8 = 4;
/// `headers` with their separators.
pub(super) const HEADER: u8 = 8;
/// What a URI of any other scheme may have (RFC 3986 section 2).
pub(super) const OPAQUE: u8 = 16;

const CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let class = byte as u8;
        if class.is_ascii_alphanumeric() {
            table[byte] = USER | PASSWORD | PARAMETER | HEADER | OPAQUE;
        }
        // Raw UTF-8 where it can only be part of a name.
        if class >= 0x80 {
            table[byte] = USER | OPAQUE;
        }
        byte += 1;
    }
    mark(
        mark(
            mark(
                mark(mark(mark(table, b"-_.!~*'()", 31), b"&=+$,;?/#", USER), b"&=+$,", PASSWORD),
                b"[]/:&+$;=,@",
                PARAMETER,
            ),
            b"[]/?:+$&=;,@",
            HEADER,
        ),
        b":/?#[]@!$&'()*+,;=",
        OPAQUE,
    )
}

const fn mark(mut table: [u8; 256], bytes: &[u8], class: u8) -> [u8; 256] {
    let mut at = 0;
    while at < bytes.len() {
        table[bytes[at] as usize] |= class;
        at += 1;
    }
    table
}

/// Whether every character of `text` is of `class` or part of a well-formed escape.
pub(super) fn check_escaped(text: &str, class: u8) -> Result<(), UriError> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if *byte == b'%' {
            escaped(bytes, at).ok_or(UriError::Escape)?;
            at += 3;
        } else if CLASSES[usize::from(*byte)] & class == 0 {
            return Err(UriError::Character);
        } else {
            at += 1;
        }
    }
    Ok(())
}

/// The byte that the escape at `at` spells.
pub(super) fn escaped(bytes: &[u8], at: usize) -> Option<u8> {
    let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
    u8::try_from(digit(at + 1)? << 4 | digit(at + 2)?).ok()
}

pub(super) fn decode(text: &str) -> Result<Cow<'_, str>, UriError> {
    let bytes = text.as_bytes();
    let Some(first) = memchr::memchr(b'%', bytes) else { return Ok(Cow::Borrowed(text)) };
    let mut decoded = Vec::with_capacity(text.len());
    decoded.extend_from_slice(&bytes[..first]);
    let mut at = first;
    while let Some(byte) = bytes.get(at) {
        if *byte == b'%' {
            decoded.push(escaped(bytes, at).ok_or(UriError::Escape)?);
            at += 3;
        } else {
            decoded.push(*byte);
            at += 1;
        }
    }
    String::from_utf8(decoded).map(Cow::Owned).map_err(|_| UriError::Escape)
}

/// `text` as the user part of a `sip` URI: everything that RFC 3261's `user` does not allow becomes `%HH` of its UTF-8.
#[must_use]
pub fn escape_user(text: &str) -> Cow<'_, str> {
    escape(text, |byte| byte < 0x80 && byte != b'#' && CLASSES[usize::from(byte)] & USER != 0)
}

/// `text` as the value of a URI parameter, `gr` for one.
#[must_use]
pub fn escape_parameter(text: &str) -> Cow<'_, str> {
    escape(text, |byte| CLASSES[usize::from(byte)] & PARAMETER != 0 && !matches!(byte, b';' | b'=' | b',' | b'@'))
}

fn escape(text: &str, allowed: impl Fn(u8) -> bool) -> Cow<'_, str> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    if text.bytes().all(&allowed) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        if allowed(byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push('%');
            escaped.push(char::from(DIGITS[usize::from(byte >> 4)]));
            escaped.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
    Cow::Owned(escaped)
}
