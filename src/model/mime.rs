//! MIME entities as they travel inside SIP bodies and message/cpim: headers, parts and transfer encodings.
//!
//! RFC 2045 (headers, base64, quoted-printable), RFC 2046 section 5.1 (multipart). All input is bounded by the message
//! it stands in; the number of parts and headers has a limit of its own.

use std::borrow::Cow;

/// Headers of one entity that are looked at; the rest of a longer list is passed over.
pub const MAX_HEADERS: usize = 64;
/// Parts of one multipart body that are looked at: alternatives and attachments of one message are a handful.
pub const MAX_PARTS: usize = 16;

/// Headers and body of one entity, borrowed from the text it was read from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entity<'a> {
    /// Name and unfolded value, in order.
    pub headers: Vec<(&'a str, Cow<'a, str>)>,
    /// Everything after the empty line.
    pub body: &'a [u8],
}

/// A media type and its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaType {
    /// `type/subtype` in lower case.
    pub essence: String,
    /// Parameters; names in lower case, values without their quotes.
    pub params: Vec<(String, String)>,
}

impl MediaType {
    /// Reads a Content-Type value; `None` if there is no `type/subtype` in it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (essence, mut rest) = text.split_once(';').unwrap_or((text, ""));
        let essence = essence.trim().to_ascii_lowercase();
        let (kind, subtype) = essence.split_once('/')?;
        if !is_token(kind) || !is_token(subtype) {
            return None;
        }
        let mut params = Vec::new();
        while !rest.trim().is_empty() && params.len() < MAX_HEADERS {
            let (name, after) = rest.split_once('=').unwrap_or((rest, ""));
            let (value, after) = param_value(after.trim_start());
            let name = name.trim_matches([' ', '\t', ';', '\r', '\n']).to_ascii_lowercase();
            if is_token(&name) {
                params.push((name, value));
            }
            rest = after.split_once(';').map_or("", |(_, rest)| rest);
        }
        Some(Self { essence, params })
    }

    /// The value of the parameter `name` (lower case).
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Reads a token or a quoted string; gives it and what stands after it.
fn param_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ' ', '\t', '\r', '\n']).unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return (value.to_owned(), rest);
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, letter)) = chars.next() {
        match letter {
            '"' => return (value, quoted.get(at + 1..).unwrap_or("")),
            '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
            _ => value.push(letter),
        }
    }
    (value, "")
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&byte))
}

impl<'a> Entity<'a> {
    /// Reads `headers, empty line, body`. An entity that starts with the empty line, or with what is no header,
    /// has none (RFC 2046 section 5.1: the blank line of a part may open it).
    #[must_use]
    pub fn parse(text: &'a [u8]) -> Self {
        let mut entity = Self::default();
        let mut rest = text;
        loop {
            let (line, after) = split_line(rest);
            if line.is_empty() {
                entity.body = after;
                return entity;
            }
            let Ok(line) = std::str::from_utf8(line) else { break };
            if line.starts_with([' ', '\t']) {
                let Some((_, value)) = entity.headers.last_mut() else { break };
                value.to_mut().push(' ');
                value.to_mut().push_str(line.trim());
            } else {
                let Some((name, value)) = line.split_once(':') else { break };
                if !is_token(name.trim_end()) {
                    break;
                }
                if entity.headers.len() < MAX_HEADERS {
                    entity.headers.push((name.trim_end(), Cow::Borrowed(value.trim())));
                }
            }
            rest = after;
        }
        entity.body = rest;
        entity
    }

    /// The value of the first header `name`, whatever its case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_ref())
    }
}

/// Undoes a Content-Transfer-Encoding; `None` if it is unknown or `body` is not of it.
#[must_use]
pub fn decode_transfer<'a>(encoding: &str, body: &'a [u8]) -> Option<Cow<'a, [u8]>> {
    let encoding = encoding.trim();
    if ["7bit", "8bit", "binary", ""].iter().any(|plain| encoding.eq_ignore_ascii_case(plain)) {
        return Some(Cow::Borrowed(body));
    }
    if encoding.eq_ignore_ascii_case("base64") {
        return decode_base64(body).map(Cow::Owned);
    }
    encoding.eq_ignore_ascii_case("quoted-printable").then(|| Cow::Owned(decode_quoted_printable(body)))
}

/// The parts of a multipart body, without preamble and epilogue. A missing closing line is forgiven.
#[must_use]
pub fn parts<'a>(body: &'a [u8], boundary: &str) -> Vec<&'a [u8]> {
    parts_up_to(body, boundary, MAX_PARTS)
}

/// The same, where there may be more than [`MAX_PARTS`]: `most` of them.
#[must_use]
pub fn parts_up_to<'a>(body: &'a [u8], boundary: &str, most: usize) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    let mut start = None;
    let mut at = 0;
    while at < body.len() && parts.len() < most {
        let tail = body.get(at..).unwrap_or_default();
        let (line, after) = split_line(tail);
        let next = body.len() - after.len();
        if let Some(closing) = is_boundary(line, boundary) {
            if let Some(start) = start {
                parts.push(trim_line_end(body.get(start..at).unwrap_or_default()));
            }
            start = (!closing).then_some(next);
            if closing {
                return parts;
            }
        }
        at = next;
    }
    if let Some(start) = start.filter(|_| parts.len() < most) {
        parts.push(body.get(start..).unwrap_or_default());
    }
    parts
}

/// Whether `line` delimits parts, and if so whether it is the last to do so.
fn is_boundary(line: &[u8], boundary: &str) -> Option<bool> {
    let rest = line.strip_prefix(b"--")?.strip_prefix(boundary.as_bytes())?;
    let (closing, rest) = rest.strip_prefix(b"--").map_or((false, rest), |rest| (true, rest));
    rest.iter().all(|byte| matches!(byte, b' ' | b'\t')).then_some(closing)
}

/// The first line without its end, and what stands after it. Lines end with CRLF or LF.
#[must_use]
pub fn split_line(text: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b'\n', text) {
        Some(at) => {
            let (line, rest) = text.split_at(at);
            (line.strip_suffix(b"\r").unwrap_or(line), rest.get(1..).unwrap_or_default())
        }
        None => (text, &[]),
    }
}

fn trim_line_end(text: &[u8]) -> &[u8] {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.strip_suffix(b"\r").unwrap_or(text)
}

fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 2);
    let (mut bits, mut count, mut padded) = (0u32, 0u8, false);
    for byte in text {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                padded = true;
                continue;
            }
            b' ' | b'\t' | b'\r' | b'\n' => continue,
            _ => return None,
        };
        if padded {
            return None;
        }
        bits = bits << 6 | u32::from(value);
        count += 1;
        if count == 4 {
            out.extend_from_slice(&bits.to_be_bytes()[1..]);
            (bits, count) = (0, 0);
        }
    }
    match count {
        0 => {}
        2 => out.push((bits >> 4).to_be_bytes()[3]),
        3 => out.extend_from_slice(&(bits >> 2).to_be_bytes()[2..]),
        _ => return None,
    }
    Some(out)
}

/// RFC 2045 section 6.7; what is no escape stays as it is, as the section advises.
fn decode_quoted_printable(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'=' {
            out.push(byte);
            continue;
        }
        let (line, after_line) = split_line(after);
        if after_line.len() < after.len() && line.iter().all(|byte| matches!(byte, b' ' | b'\t')) {
            rest = after_line;
            continue;
        }
        let digits = after.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match digits.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(value) => {
                out.push(value);
                rest = after.get(2..).unwrap_or_default();
            }
            None => out.push(byte),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_content_type_is_read_with_odd_case_and_quotes() {
        let media = MediaType::parse("Text/PLAIN ; Charset=\"utf-8\";format=flowed").unwrap();
        assert_eq!(media.essence, "text/plain");
        assert_eq!(media.param("charset"), Some("utf-8"));
        assert_eq!(media.param("format"), Some("flowed"));
        assert_eq!(
            MediaType::parse("multipart/mixed;boundary=\"a; \\\"b\"").unwrap().param("boundary"),
            Some("a; \"b")
        );
        for broken in ["", "text", "text/", "/plain", ";charset=x", "te xt/plain"] {
            assert_eq!(MediaType::parse(broken), None, "{broken}");
        }
    }

    #[test]
    fn parts_stand_between_boundaries() {
        let body =
            b"preamble\r\n--x\r\n\r\none\r\n--x\r\nContent-Type: text/html\r\n\r\ntwo\r\nlines\r\n--x--\r\nepilogue";
        let parts = parts(body, "x");
        assert_eq!(parts, [&b"\r\none"[..], b"Content-Type: text/html\r\n\r\ntwo\r\nlines"]);
        assert_eq!(Entity::parse(parts[0]).body, b"one");
        assert_eq!(Entity::parse(parts[1]).header("content-type"), Some("text/html"));
        assert_eq!(Entity::parse(parts[1]).body, b"two\r\nlines");
    }

    #[test]
    fn a_boundary_is_only_one_on_a_line_of_its_own() {
        assert_eq!(parts(b"--x\r\n\r\na --x b\r\n--xy\r\n--x--", "x"), [&b"\r\na --x b\r\n--xy"[..]]);
        assert_eq!(parts(b"--x\r\n\r\nnever closed", "x"), [&b"\r\nnever closed"[..]]);
    }

    #[test]
    fn transfer_encodings_are_undone() {
        assert_eq!(decode_transfer("Base64", b"SGVs\r\nbG8=").unwrap().as_ref(), b"Hello");
        assert_eq!(decode_transfer("base64", b"SGVsbG8h").unwrap().as_ref(), b"Hello!");
        assert_eq!(decode_transfer("base64", b"SA==").unwrap().as_ref(), b"H");
        assert_eq!(decode_transfer("base64", b"S"), None);
        assert_eq!(decode_transfer("base64", b"S*=="), None);
        assert_eq!(
            decode_transfer("quoted-printable", b"f=C3=BCr =\r\ndich=3D=zz=").unwrap().as_ref(),
            "für dich==zz=".as_bytes()
        );
        assert_eq!(decode_transfer("x-uuencode", b""), None);
    }

    #[test]
    fn more_parts_and_headers_than_anyone_needs_are_passed_over() {
        let body = "--x\r\n\r\na\r\n".repeat(1000);
        assert_eq!(parts(body.as_bytes(), "x").len(), MAX_PARTS);
        let text = "A: b\r\n".repeat(1000) + "\r\nbody";
        let entity = Entity::parse(text.as_bytes());
        assert_eq!(entity.headers.len(), MAX_HEADERS);
        assert_eq!(entity.body, b"body");
    }
}
