//! message/cpim, the message format between messaging systems (RFC 3862).
//!
//! Read leniently: the empty line before the MIME headers may be missing (errata report 3013 of RFC 5438 and the
//! printed examples of RFC 4975, 5438 and 7701), a space after the colon too. Header names are case-sensitive and
//! live in namespaces (section 3.4); a prefix is whatever the NS headers before it say.

use super::Text;
use super::date;
use super::mime;
use crate::time::Timestamp;
use std::fmt::Write;

/// The namespace of the headers of RFC 3862 itself (section 3.4).
pub const CORE_NAMESPACE: &str = "urn:ietf:params:cpim-headers:";
/// Headers of one object; a message with more is not one anybody wrote.
pub const MAX_HEADERS: usize = 128;

/// An address with the name of whom it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NamedUri {
    /// The Formal-name, unquoted and unescaped; empty if there is none.
    pub name: String,
    /// What stands in the angle brackets.
    pub uri: String,
}

/// A header this reader gives no meaning to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// The namespace its prefix stands for; `None` if the prefix was never declared.
    pub namespace: Option<String>,
    /// The name without its prefix.
    pub name: String,
    /// The value, unescaped.
    pub value: String,
}

/// One message/cpim object. The content is borrowed from the text it was read from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cpim<'a> {
    /// Who sends it.
    pub from: Option<NamedUri>,
    /// Whom it is for; several headers, several recipients (section 4.2).
    pub to: Vec<NamedUri>,
    /// Who gets a copy.
    pub cc: Vec<NamedUri>,
    /// When it was sent.
    pub sent: Option<Timestamp>,
    /// Subjects by language; control characters as they were escaped.
    pub subjects: Vec<Text>,
    /// What must be understood (section 4.7), as names with their namespace in front, and the namespaces known.
    pub require: Vec<Extension>,
    /// Everything else.
    pub extensions: Vec<Extension>,
    /// The encapsulated MIME object.
    pub content: mime::Entity<'a>,
}

/// Why a text is no message/cpim object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CpimError {
    /// A header that is not UTF-8.
    #[error("message/cpim header is not UTF-8 (RFC 3862 section 2.2)")]
    NotUtf8,
    /// A line that is no header.
    #[error("message/cpim header line without a colon (RFC 3862 section 2.2)")]
    NoColon,
    /// More headers than [`MAX_HEADERS`].
    #[error("message/cpim object with more than {MAX_HEADERS} headers")]
    TooManyHeaders,
    /// The object ends before its content.
    #[error("message/cpim object without content (RFC 3862 section 2)")]
    NoContent,
}

/// Reads one object.
///
/// # Errors
/// [`CpimError`] says which rule the text breaks.
pub fn parse(text: &[u8]) -> Result<Cpim<'_>, CpimError> {
    let mut cpim = Cpim::default();
    let mut scope = Scope { default: CORE_NAMESPACE.to_owned(), prefixes: Vec::new() };
    let mut rest = text;
    for count in 0.. {
        let (line, after) = mime::split_line(rest);
        if line.is_empty() {
            if after.is_empty() && rest.is_empty() {
                return Err(CpimError::NoContent);
            }
            cpim.content = content(after);
            return Ok(cpim);
        }
        if starts_content(line) {
            cpim.content = mime::Entity::parse(rest);
            return Ok(cpim);
        }
        if count >= MAX_HEADERS {
            return Err(CpimError::TooManyHeaders);
        }
        let line = std::str::from_utf8(line).map_err(|_| CpimError::NotUtf8)?;
        let (name, value) = line.split_once(':').ok_or(CpimError::NoColon)?;
        take_header(&mut cpim, &mut scope, name.trim(), value);
        rest = after;
    }
    Err(CpimError::NoContent)
}

struct Scope {
    default: String,
    prefixes: Vec<(String, String)>,
}

impl Scope {
    /// The namespace and the local name of a header.
    fn resolve<'n>(&self, name: &'n str) -> (Option<&str>, &'n str) {
        match name.split_once('.') {
            Some((prefix, local)) => {
                let known = self.prefixes.iter().rev().find(|(known, _)| known == prefix);
                (known.map(|(_, namespace)| namespace.as_str()), local)
            }
            None => (Some(&self.default), name),
        }
    }

    fn extension(&self, name: &str, value: &str) -> Extension {
        let (namespace, local) = self.resolve(name);
        Extension { namespace: namespace.map(str::to_owned), name: local.to_owned(), value: unescape(value) }
    }
}

/// RFC 2045 section 9: only names that start so mean anything in a MIME object, and no header of CPIM does.
fn starts_content(line: &[u8]) -> bool {
    line.get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"content-")) && line.contains(&b':')
}

/// The MIME object after the empty line. One without a Content- header has none at all.
fn content(text: &[u8]) -> mime::Entity<'_> {
    let (first, _) = mime::split_line(text);
    if first.is_empty() || starts_content(first) {
        mime::Entity::parse(text)
    } else {
        mime::Entity { headers: Vec::new(), body: text }
    }
}

fn take_header<'a>(cpim: &mut Cpim<'a>, scope: &mut Scope, name: &str, value: &str) {
    let (namespace, local) = scope.resolve(name);
    if namespace != Some(CORE_NAMESPACE) {
        cpim.extensions.push(scope.extension(name, value.trim()));
        return;
    }
    let (params, value) = split_params(value);
    match local {
        "From" => cpim.from = cpim.from.take().or_else(|| named_uri(value)),
        "To" => cpim.to.extend(named_uri(value)),
        "cc" => cpim.cc.extend(named_uri(value)),
        "DateTime" => cpim.sent = date::parse_rfc3339(value),
        "Subject" => {
            let lang = params.iter().find(|(name, _)| name.eq_ignore_ascii_case("lang"));
            cpim.subjects.push(Text { lang: lang.map(|(_, value)| (*value).to_owned()), text: unescape(value) });
        }
        "NS" => take_namespace(scope, value),
        "Require" => {
            let names = value.split(',').map(str::trim).filter(|name| !name.is_empty());
            cpim.require.extend(names.map(|name| scope.extension(name, "")));
        }
        _ => cpim.extensions.push(scope.extension(name, value)),
    }
}

/// `NS: prefix <uri>`, or without prefix for the headers that have none (section 4.6).
fn take_namespace(scope: &mut Scope, value: &str) {
    let Some(NamedUri { name, uri }) = named_uri(value) else { return };
    if name.is_empty() {
        scope.default = uri;
    } else if scope.prefixes.len() < MAX_HEADERS {
        scope.prefixes.push((name, uri));
    }
}

/// Takes the `;name=value` parameters off the front of what follows the colon (section 2.2).
fn split_params(text: &str) -> (Vec<(&str, &str)>, &str) {
    let mut params = Vec::new();
    let mut rest = text;
    while let Some(after) = rest.strip_prefix(';') {
        let end = after.find([';', ' ']).unwrap_or(after.len());
        let (param, next) = after.split_at(end);
        params.push(param.split_once('=').unwrap_or((param, "")));
        rest = next;
    }
    (params, rest.trim())
}

/// `[Formal-name] "<" URI ">"` (section 4.1). The name is tokens or one quoted string.
fn named_uri(text: &str) -> Option<NamedUri> {
    let open = match text.strip_prefix('"') {
        // A quoted name may hold a '<'.
        Some(quoted) => {
            let close = closing_quote(quoted)? + 2;
            close + text.get(close..)?.find('<')?
        }
        None => text.find('<')?,
    };
    let (name, uri) = text.split_at(open);
    let uri = uri.strip_prefix('<')?.split_once('>')?.0;
    let name = name.trim();
    let name = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name);
    Some(NamedUri { name: unescape(name), uri: uri.trim().to_owned() })
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| match byte {
        _ if escaped => {
            escaped = false;
            false
        }
        b'\\' => {
            escaped = true;
            false
        }
        _ => byte == b'"',
    })
}

/// Undoes the escapes of section 2.3. An unknown escape stands for the character after the backslash, a backslash at
/// the end for nothing.
#[must_use]
pub fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(letter) = chars.next() {
        if letter != '\\' {
            out.push(letter);
            continue;
        }
        match chars.next() {
            Some('b') => out.push('\u{8}'),
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('u') => match hex4(chars.as_str()) {
                Some(unit) => {
                    chars = skip(chars, 4);
                    let (letter, more) = join_surrogates(unit, chars.as_str());
                    chars = skip(chars, more);
                    out.push(letter);
                }
                None => out.push('u'),
            },
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}

fn skip(mut chars: std::str::Chars<'_>, count: usize) -> std::str::Chars<'_> {
    for _ in 0..count {
        chars.next();
    }
    chars
}

fn hex4(text: &str) -> Option<u32> {
    let digits = text.get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u32::from_str_radix(digits, 16).ok()
}

/// The character of one UTF-16 unit, or of two when `rest` starts with the escape of the second; and how many
/// characters of `rest` that took.
fn join_surrogates(unit: u32, rest: &str) -> (char, usize) {
    if let Some(letter) = char::from_u32(unit) {
        return (letter, 0);
    }
    let low = rest.strip_prefix("\\u").and_then(hex4).filter(|low| (0xDC00..0xE000).contains(low));
    let joined = low
        .filter(|_| unit < 0xDC00)
        .and_then(|low| char::from_u32(0x1_0000 + ((unit - 0xD800) << 10) + (low - 0xDC00)));
    joined.map_or((char::REPLACEMENT_CHARACTER, 0), |letter| (letter, 6))
}

/// Appends `text` with the escapes section 2.3 demands of a writer.
fn escape(text: &str, out: &mut String) {
    for letter in text.chars() {
        match letter {
            '\\' => out.push_str("\\\\"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\u{8}' => out.push_str("\\b"),
            control if control.is_control() => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            _ => out.push(letter),
        }
    }
}

/// Writes `name: ["Formal-name" ]<uri>` and its line end.
pub fn write_named_uri(header: &str, address: &NamedUri, out: &mut String) {
    out.push_str(header);
    out.push_str(": ");
    if !address.name.is_empty() {
        out.push('"');
        let mut name = String::new();
        escape(&address.name, &mut name);
        out.push_str(&name.replace('"', "\\\""));
        out.push_str("\" ");
    }
    let _ = writeln!(out, "<{}>\r", address.uri);
}

/// Writes one Subject header and its line end (section 4.5).
pub fn write_subject(subject: &Text, out: &mut String) {
    out.push_str("Subject:");
    if let Some(lang) = &subject.lang {
        let _ = write!(out, ";lang={lang}");
    }
    out.push(' ');
    escape(&subject.text, out);
    out.push_str("\r\n");
}

/// Writes an object whose content is plain text in UTF-8 (RFC 3922 section 4.1). `text` has LF line ends here and
/// gets those of the wire.
#[must_use]
pub fn write_text(from: &NamedUri, to: &NamedUri, sent: Option<Timestamp>, subjects: &[Text], text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 256);
    write_named_uri("From", from, &mut out);
    write_named_uri("To", to, &mut out);
    if let Some(sent) = sent {
        let _ = write!(out, "DateTime: {}\r\n", date::print_rfc3339(sent));
    }
    for subject in subjects {
        write_subject(subject, &mut out);
    }
    out.push_str("\r\nContent-type: text/plain; charset=utf-8\r\n\r\n");
    out.push_str(&text.replace('\n', "\r\n"));
    out
}

#[cfg(test)]
mod tests;
