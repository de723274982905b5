//! The common form of the four headers: `Scheme name=value, name="value"` (RFC 3261 section 25.1, `auth-param`).

use super::{MAX_PARAMS, MAX_VALUE};
use crate::sip::message::lex;

/// The parameters of a header value, in order. A value is what stands between the quotes, backslashes included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Values(Vec<(String, String)>);

/// Reads a value of scheme Digest. `None`: another scheme, malformed, or beyond the limits.
pub(super) fn digest(value: &[u8]) -> Option<Values> {
    if value.len() > MAX_VALUE {
        return None;
    }
    let flat = lex::unfold(value);
    let text = lex::trim(&flat);
    let end = text.iter().position(|byte| lex::is_space(*byte))?;
    if !text[..end].eq_ignore_ascii_case(b"Digest") {
        return None;
    }
    list(&text[end..])
}

/// Reads a value without a scheme (Authentication-Info).
pub(super) fn bare(value: &[u8]) -> Option<Values> {
    if value.len() > MAX_VALUE {
        return None;
    }
    list(&lex::unfold(value))
}

fn list(text: &[u8]) -> Option<Values> {
    let mut values = Vec::new();
    let mut rest = lex::trim(text);
    while !rest.is_empty() {
        let equals = memchr::memchr(b'=', rest)?;
        let name = lex::trim(&rest[..equals]);
        if !lex::is_token(name) || values.len() == MAX_PARAMS {
            return None;
        }
        let name = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
        let after = lex::trim_start(&rest[equals + 1..]);
        let (value, left) = one(after)?;
        // Two of a name could be read either way, by us and by whoever read it before us.
        if values.iter().any(|(other, _)| *other == name) {
            return None;
        }
        values.push((name, std::str::from_utf8(value).ok()?.to_owned()));
        rest = match lex::trim_start(left).split_first() {
            None => b"",
            Some((b',', next)) => trim_commas(next),
            Some(_) => return None,
        };
    }
    (!values.is_empty()).then_some(Values(values))
}

/// A quoted string's inside or a word, and what follows it.
fn one(text: &[u8]) -> Option<(&[u8], &[u8])> {
    if let Some(length) = lex::quoted_len(text) {
        let inside = &text[1..length - 1];
        let plain = inside.iter().all(|byte| *byte >= b' ' && *byte != 0x7f);
        return plain.then_some((inside, &text[length..]));
    }
    let end = text.iter().position(|byte| *byte == b',' || lex::is_space(*byte)).unwrap_or(text.len());
    let word = &text[..end];
    let fits = |byte: &u8| byte.is_ascii_graphic() && !b"\"\\".contains(byte);
    (!word.is_empty() && word.iter().all(fits)).then_some((word, &text[end..]))
}

/// Empty elements of a list are passed over (RFC 7230 section 7).
fn trim_commas(mut text: &[u8]) -> &[u8] {
    loop {
        text = lex::trim_start(text);
        match text.split_first() {
            Some((b',', rest)) => text = rest,
            _ => return text,
        }
    }
}

impl Values {
    /// The value of the parameter called `name` (lower case).
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(other, _)| other == name)?;
        Some(self.0.swap_remove(at).1)
    }
}

/// Writes one header value.
pub(super) struct Writer {
    text: String,
    first: bool,
}

impl Writer {
    /// One that begins with `start` (`Digest `, or nothing).
    pub(super) fn new(start: &str) -> Self {
        let mut text = String::with_capacity(256);
        text.push_str(start);
        Self { text, first: true }
    }

    /// `name="value"`; `value` is what is to stand between the quotes. What could end the quotes or the line does not
    /// get through.
    pub(super) fn quoted(&mut self, name: &str, value: &str) {
        self.name(name);
        self.text.push('"');
        let mut escaped = false;
        for letter in value.chars() {
            match letter {
                '"' if !escaped => self.text.push_str("\\\""),
                letter if letter < ' ' || letter == '\u{7f}' => self.text.push(' '),
                letter => self.text.push(letter),
            }
            escaped = letter == '\\' && !escaped;
        }
        if escaped {
            self.text.push('\\');
        }
        self.text.push('"');
    }

    /// `name=value`; `value` must be a token, and is quoted if it is not.
    pub(super) fn token(&mut self, name: &str, value: &str) {
        if !lex::is_token(value.as_bytes()) {
            return self.quoted(name, value);
        }
        self.name(name);
        self.text.push_str(value);
    }

    pub(super) fn done(self) -> String {
        self.text
    }

    fn name(&mut self, name: &str) {
        if !std::mem::take(&mut self.first) {
            self.text.push_str(", ");
        }
        self.text.push_str(name);
        self.text.push('=');
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn case_spaces_folds_and_empty_elements_do_not_matter() {
        let text = b" dIGEST \r\n\tRealm = \"a, \\\"b\\\"=c\" ,, nonce=\"\",Algorithm=MD5 , ";
        let mut values = digest(text).unwrap();
        assert_eq!(values.take("realm").unwrap(), "a, \\\"b\\\"=c");
        assert_eq!(values.take("nonce").unwrap(), "");
        assert_eq!(values.take("algorithm").unwrap(), "MD5");
        assert_eq!(values.take("algorithm"), None);
    }

    #[test]
    fn what_is_malformed_ambiguous_or_of_another_scheme_is_not_read() {
        for text in [
            &b""[..],
            b"Digest",
            b"Digest ",
            b"Basic realm=\"a\"",
            b"Digest realm",
            b"Digest realm=",
            b"Digest realm=\"a",
            b"Digest realm=\"a\" nonce=\"b\"",
            b"Digest realm=\"a\", realm=\"b\"",
            b"Digest re alm=\"a\"",
            b"Digest realm=\"\xff\"",
            b"Digest realm=\"a\x01b\"",
            b"Digest realm=\"a\", Digest realm=\"b\"",
        ] {
            assert_eq!(digest(text), None, "{}", String::from_utf8_lossy(text));
        }
        let long = format!("Digest realm=\"{}\"", "a".repeat(MAX_VALUE));
        assert_eq!(digest(long.as_bytes()), None);
        let many: Vec<_> = (0..=MAX_PARAMS).map(|n| format!("p{n}=1")).collect();
        assert_eq!(digest(format!("Digest {}", many.join(",")).as_bytes()), None);
    }

    #[test]
    fn nothing_can_leave_its_quotes() {
        for (value, written) in [
            ("a \\\"b\\\"", "x=\"a \\\"b\\\"\""),
            ("a\"b", "x=\"a\\\"b\""),
            ("a\\", "x=\"a\\\\\""),
            ("a\\\\", "x=\"a\\\\\""),
            ("a\r\nB: c", "x=\"a  B: c\""),
        ] {
            let mut writer = Writer::new("");
            writer.quoted("x", value);
            assert_eq!(writer.done(), written);
        }
    }
}
