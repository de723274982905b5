//! Header parameters: `;name=value;name`.

use crate::sip::message::lex;
use std::borrow::Cow;

/// Parameters of one header that are compared with each other: several times what any specification adds up to.
const MOST: usize = 32;

/// The parameters behind a header's value (`generic-param`, RFC 3261 section 25.1), in order and as spelled. Empty
/// ones (`;;`) are passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params {
    /// Empty, or from the first `;` on.
    text: String,
}

impl Params {
    /// Reads everything from the first `;` on; `None` if a name is not a token, a value is neither a word nor a quoted
    /// string, or the text is not UTF-8.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let text = lex::trim(text);
        if text.is_empty() {
            return Some(Self::default());
        }
        let text = std::str::from_utf8(text).ok()?;
        let mut rest = text.as_bytes().strip_prefix(b";")?;
        loop {
            let end = lex::find_outside(rest, b';', false).unwrap_or(rest.len());
            if !is_param(lex::trim(&rest[..end])) {
                return None;
            }
            let Some(next) = rest.get(end + 1..) else { break };
            rest = next;
        }
        Some(Self { text: text.to_owned() })
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Name and raw value of each, quotes kept.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        Parts { rest: self.text.strip_prefix(';') }.filter(|part| !part.is_empty()).map(|part| {
            match part.split_once('=') {
                Some((name, value)) => (name.trim_end(), Some(value.trim_start())),
                None => (part, None),
            }
        })
    }

    /// Whether no name is there twice. More than 32 are not looked through: nobody has so many for a good reason.
    #[must_use]
    pub fn are_unique(&self) -> bool {
        let mut seen: [&str; MOST] = [""; MOST];
        for (count, (name, _)) in self.iter().enumerate() {
            let Some((free, before)) = seen.get_mut(..=count).and_then(<[&str]>::split_last_mut) else { return false };
            if before.iter().any(|other| other.eq_ignore_ascii_case(name)) {
                return false;
            }
            *free = name;
        }
        true
    }

    /// Whether there is one called `name`.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.iter().any(|(other, _)| other.eq_ignore_ascii_case(name))
    }

    /// The raw value of the first one called `name` that has a value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).and_then(|(_, value)| value)
    }

    /// The value of the first one called `name`, without quotes and backslashes.
    #[must_use]
    pub fn unquoted(&self, name: &str) -> Option<Cow<'_, str>> {
        let value = self.get(name)?;
        Some(match lex::unquote(value.as_bytes()) {
            Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        })
    }

    /// Adds one, or gives the one called `name` another value. A value that is not a word is quoted; a name that is not
    /// a token adds nothing.
    pub fn set(&mut self, name: &str, value: Option<&str>) {
        if !lex::is_token(name.as_bytes()) {
            return;
        }
        let mut text = String::with_capacity(self.text.len() + name.len() + value.map_or(1, |value| value.len() + 4));
        let mut done = false;
        for (other, old) in self.iter() {
            if !other.eq_ignore_ascii_case(name) {
                push_raw(&mut text, other, old);
            } else if !done {
                push_param(&mut text, name, value);
                done = true;
            }
        }
        if !done {
            push_param(&mut text, name, value);
        }
        self.text = text;
    }

    /// Removes every one called `name`.
    pub fn remove(&mut self, name: &str) {
        let mut text = String::with_capacity(self.text.len());
        for (other, value) in self.iter().filter(|(other, _)| !other.eq_ignore_ascii_case(name)) {
            push_raw(&mut text, other, value);
        }
        self.text = text;
    }

    /// Appends them, each with its `;`.
    pub(super) fn print(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.text.as_bytes());
    }
}

/// What stands between the `;`, trimmed.
struct Parts<'t> {
    rest: Option<&'t str>,
}

impl<'t> Iterator for Parts<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        let rest = self.rest?;
        let (part, next) = match lex::find_outside(rest.as_bytes(), b';', false) {
            Some(at) => (&rest[..at], Some(&rest[at + 1..])),
            None => (rest, None),
        };
        self.rest = next;
        Some(part.trim_matches([' ', '\t', '\r', '\n']))
    }
}

fn is_param(part: &[u8]) -> bool {
    let Some(equals) = memchr::memchr(b'=', part) else { return part.is_empty() || lex::is_token(part) };
    let value = lex::trim_start(&part[equals + 1..]);
    lex::is_token(lex::trim_end(&part[..equals])) && (is_word(value) || lex::quoted_len(value) == Some(value.len()))
}

/// `token / host`, and what peers write without quotes though the grammar wants them.
fn is_word(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().all(|byte| *byte > b' ' && *byte != 0x7f && !b"\"<>;,\\".contains(byte))
}

fn push_raw(text: &mut String, name: &str, value: Option<&str>) {
    text.push(';');
    text.push_str(name);
    if let Some(value) = value {
        text.push('=');
        text.push_str(value);
    }
}

fn push_param(text: &mut String, name: &str, value: Option<&str>) {
    match value {
        Some(value) if !is_word(value.as_bytes()) => {
            let mut quoted = Vec::with_capacity(value.len() + 4);
            lex::push_quoted(value.as_bytes(), &mut quoted);
            push_raw(text, name, Some(&String::from_utf8_lossy(&quoted)));
        }
        value => push_raw(text, name, value),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn spaces_folds_quotes_and_empty_ones_are_read() {
        let params = Params::parse(b"; tag\r\n = 98asjd8 ;;lr; x=\"a;\\\"b\" ; q =0.3;").unwrap();
        let found: Vec<_> = params.iter().collect();
        assert_eq!(found, [("tag", Some("98asjd8")), ("lr", None), ("x", Some("\"a;\\\"b\"")), ("q", Some("0.3"))]);
        assert_eq!(params.unquoted("X").unwrap(), "a;\"b");
        assert!(params.has("LR") && params.get("lr").is_none());
    }

    #[test]
    fn malformed_ones_are_refused() {
        for text in [&b";a b"[..], b"a", b";=x", b";a=", b";a=\"x", b";a=\"x\"y", b";a=b c", b";a=<x>", b";a=\xff"] {
            assert_eq!(Params::parse(text), None, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn setting_replaces_quotes_and_cannot_forge() {
        let mut params = Params::parse(b";branch=z9hG4bK1;rport;x=1").unwrap();
        params.set("rport", Some("5060"));
        params.set("received", Some("[2001:db8::1]"));
        params.set("note", Some("a\r\nEvil: \"b"));
        params.set("a;b", Some("c"));
        params.remove("X");
        let mut out = Vec::new();
        params.print(&mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            ";branch=z9hG4bK1;rport=5060;received=[2001:db8::1];note=\"a  Evil: \\\"b\""
        );
    }
}
