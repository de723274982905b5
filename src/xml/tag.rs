//! Start tags: names, attributes, references, and which namespace a prefix means here.

use std::borrow::Cow;

use super::chars::{is_allowed, is_ncname, is_space};
use super::{Attribute, Element, Error, ErrorKind, Limit, Limits, Word, ns};

/// Prefixes bound outside the text that is read, by the stream header.
#[derive(Debug, Clone, Default)]
pub(super) struct Outer {
    pub(super) bindings: Vec<(Box<str>, Word)>,
    /// The content namespace of the stream; whatever is in it is read as `jabber:client`.
    pub(super) content: Option<Word>,
}

impl Outer {
    /// The default namespace; empty if none.
    pub(super) fn default_ns(&self) -> Word {
        self.find("").cloned().unwrap_or(Word::EMPTY)
    }

    /// From now on `content` is the content namespace.
    pub(super) fn requalify(&mut self, content: &Word) {
        self.content = (!content.is_empty()).then(|| content.clone());
        for (_, ns) in self.bindings.iter_mut().filter(|(_, ns)| ns == content) {
            *ns = Word::constant(ns::CLIENT);
        }
    }

    fn find(&self, prefix: &str) -> Option<&Word> {
        self.bindings.iter().rev().find(|(bound, _)| **bound == *prefix).map(|(_, ns)| ns)
    }

    fn bind(&self, uri: &str) -> Word {
        match &self.content {
            Some(content) if content.as_str() == uri => Word::constant(ns::CLIENT),
            _ => Word::from(uri),
        }
    }
}

/// Prefixes bound at one place of the text.
#[derive(Debug)]
pub(super) struct Scope<'a> {
    pub(super) outer: &'a Outer,
    inner: Vec<(&'a str, Word)>,
}

impl<'a> Scope<'a> {
    pub(super) fn new(outer: &'a Outer) -> Self {
        Self { outer, inner: Vec::new() }
    }

    /// A mark to come back to when the element that starts now ends.
    pub(super) fn mark(&self) -> usize {
        self.inner.len()
    }

    pub(super) fn forget(&mut self, mark: usize) {
        self.inner.truncate(mark);
    }

    /// What was bound here, for the stream header, whose bindings outlive its text.
    pub(super) fn into_inner(self) -> Vec<(&'a str, Word)> {
        self.inner
    }

    fn find(&self, prefix: &str) -> Option<Word> {
        let inner = self.inner.iter().rev().find(|(bound, _)| *bound == prefix).map(|(_, ns)| ns);
        inner.or_else(|| self.outer.find(prefix)).cloned()
    }

    fn declare(&mut self, prefix: &'a str, uri: &str, limits: &Limits) -> Result<(), Error> {
        match (prefix, uri) {
            ("xml", ns::XML) => return Ok(()),
            ("xmlns", _) | ("xml", _) | (_, ns::XML | ns::XMLNS) => {
                return Err(Error::malformed("a reserved prefix or namespace is declared"));
            }
            ("", _) => {}
            (_, "") => return Err(Error::malformed("a prefix is undeclared")),
            _ if !is_ncname(prefix) => return Err(Error::malformed("a prefix is no name")),
            _ => {}
        }
        if self.inner.len() + self.outer.bindings.len() >= limits.namespaces {
            return Err(Error::too_much(Limit::Namespaces));
        }
        let ns = self.outer.bind(uri);
        self.inner.push((prefix, ns));
        Ok(())
    }
}

/// Reads what stands between `<` and `>` or `/>` of a start tag. Bindings made by it are added to `scope`.
pub(super) fn element<'a>(tag: &'a str, scope: &mut Scope<'a>, limits: &Limits) -> Result<Element, Error> {
    let (name, rest) = split_name(tag);
    let mut raw = Vec::new();
    let mut count = 0;
    for attribute in Attributes(rest) {
        let (name, value) = attribute?;
        count += 1;
        if count > limits.attributes {
            return Err(Error::too_much(Limit::Attributes));
        }
        if name == "xmlns" {
            declare_once(scope, "", &value, &raw, limits)?;
        } else if let Some(prefix) = name.strip_prefix("xmlns:") {
            if prefix.is_empty() {
                return Err(Error::malformed("not a name"));
            }
            declare_once(scope, prefix, &value, &raw, limits)?;
        }
        raw.push((name, value));
    }
    let (prefix, local) = qname(name)?;
    let ns = match scope.find(prefix) {
        Some(ns) => ns,
        None if prefix.is_empty() => Word::EMPTY,
        None if prefix == "xml" => Word::constant(ns::XML),
        None => return Err(Error::malformed("the prefix of an element is not bound")),
    };
    let mut attributes: Vec<Attribute> = Vec::with_capacity(raw.len());
    for (name, value) in raw {
        if name == "xmlns" || name.starts_with("xmlns:") {
            continue;
        }
        let (prefix, local) = qname(name)?;
        let ns = match prefix {
            "" => Word::EMPTY,
            "xml" => Word::constant(ns::XML),
            _ => scope.find(prefix).ok_or(Error::malformed("the prefix of an attribute is not bound"))?,
        };
        if attributes.iter().any(|known| known.name.as_str() == local && known.ns == ns) {
            return Err(Error::malformed("an attribute stands twice"));
        }
        attributes.push(Attribute { ns, name: Word::from(local), value: value.into_owned() });
    }
    Ok(Element::from_words(ns, Word::from(local), attributes))
}

fn declare_once<'a>(
    scope: &mut Scope<'a>,
    prefix: &'a str,
    uri: &str,
    before: &[(&str, Cow<'_, str>)],
    limits: &Limits,
) -> Result<(), Error> {
    let same = |name: &str| name == "xmlns" && prefix.is_empty() || name.strip_prefix("xmlns:") == Some(prefix);
    if before.iter().any(|(name, _)| same(name)) {
        return Err(Error::malformed("an attribute stands twice"));
    }
    scope.declare(prefix, uri, limits)
}

/// Reads the inside of `<?xml … ?>`: version 1.0, no encoding but UTF-8 (RFC 6120 sections 11.5, 11.6, 11.8), or `any`.
pub(super) fn declaration(inside: &str, any: bool) -> Result<(), Error> {
    let mut stage = 0;
    for attribute in Attributes(inside) {
        let (name, value) = attribute?;
        stage = match (stage, name) {
            (0, "version") if value == "1.0" => 1,
            (0, "version") => return Err(Error::new(ErrorKind::Format, "not XML 1.0 (RFC 6120 section 11.8)")),
            (1, "encoding") if any || value.eq_ignore_ascii_case("utf-8") => 2,
            (1, "encoding") => return Err(Error::new(ErrorKind::Encoding, "not UTF-8 (RFC 6120 section 11.6)")),
            (1 | 2, "standalone") if matches!(&*value, "yes" | "no") => 3,
            _ => return Err(Error::malformed("an XML declaration that is none")),
        };
    }
    if stage == 0 { Err(Error::malformed("an XML declaration without a version")) } else { Ok(()) }
}

/// The name at the start of a tag, and the rest.
pub(super) fn split_name(tag: &str) -> (&str, &str) {
    let end = tag.bytes().position(is_space).unwrap_or(tag.len());
    tag.split_at(end)
}

/// Prefix (empty if none) and local name.
fn qname(name: &str) -> Result<(&str, &str), Error> {
    let (prefix, local) = match name.split_once(':') {
        Some((prefix, local)) if is_ncname(prefix) => (prefix, local),
        Some(_) => return Err(Error::malformed("not a name")),
        None => ("", name),
    };
    if !is_ncname(local) {
        return Err(Error::malformed("not a name"));
    }
    if prefix == "xmlns" {
        return Err(Error::malformed("an element has the prefix xmlns"));
    }
    Ok((prefix, local))
}

/// Names and values after the name of a tag.
struct Attributes<'a>(&'a str);

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<(&'a str, Cow<'a, str>), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.0.trim_ascii_start_xml();
        if text.is_empty() {
            return None;
        }
        if text.len() == self.0.len() {
            return Some(Err(Error::malformed("no space before an attribute")));
        }
        Some(self.read(text))
    }
}

impl<'a> Attributes<'a> {
    fn read(&mut self, text: &'a str) -> Result<(&'a str, Cow<'a, str>), Error> {
        let no_value = Error::malformed("an attribute without a quoted value");
        let equals = memchr::memchr(b'=', text.as_bytes()).ok_or(no_value)?;
        let (name, rest) = text.split_at(equals);
        let rest = rest[1..].trim_ascii_start_xml();
        let quote = match rest.bytes().next() {
            Some(quote @ (b'\'' | b'"')) => quote,
            _ => return Err(no_value),
        };
        let rest = &rest[1..];
        let end = memchr::memchr(quote, rest.as_bytes()).ok_or(no_value)?;
        self.0 = &rest[end + 1..];
        let name = name.trim_end_matches([' ', '\t', '\n', '\r']);
        Ok((name, value(&rest[..end])?))
    }
}

trait TrimXml {
    fn trim_ascii_start_xml(&self) -> &Self;
}

impl TrimXml for str {
    fn trim_ascii_start_xml(&self) -> &str {
        self.trim_start_matches([' ', '\t', '\n', '\r'])
    }
}

/// Section 3.3.3: white space becomes spaces, references become what they mean.
fn value(raw: &str) -> Result<Cow<'_, str>, Error> {
    let special = |byte: u8| matches!(byte, b'&' | b'<' | b'\t' | b'\n' | b'\r');
    if !raw.bytes().any(special) {
        return Ok(Cow::Borrowed(raw));
    }
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.bytes().position(special) {
        let (plain, found) = rest.split_at(at);
        text.push_str(plain);
        rest = match found.as_bytes()[0] {
            b'<' => return Err(Error::malformed("a < in the value of an attribute")),
            b'&' => {
                let end = found.find(';').ok_or(Error::malformed("an & that starts no reference"))?;
                text.push(reference(&found[1..end])?);
                &found[end + 1..]
            }
            // Section 2.11 makes one line end of CR LF before section 3.3.3 makes a space of it.
            _ => {
                text.push(' ');
                found.strip_prefix("\r\n").unwrap_or(&found[1..])
            }
        };
    }
    text.push_str(rest);
    Ok(Cow::Owned(text))
}

/// What `&name;` means: a character reference or one of the five predefined entities (RFC 6120 section 11.1).
pub(super) fn reference(name: &str) -> Result<char, Error> {
    let code = match name {
        "lt" => return Ok('<'),
        "gt" => return Ok('>'),
        "amp" => return Ok('&'),
        "apos" => return Ok('\''),
        "quot" => return Ok('"'),
        _ => name.strip_prefix('#'),
    };
    let Some(code) = code else {
        return Err(if is_ncname(name) {
            Error::restricted("a reference to an entity (RFC 6120 section 11.1)")
        } else {
            Error::malformed("an & that starts no reference")
        });
    };
    let (digits, radix) = code.strip_prefix('x').map_or((code, 10), |digits| (digits, 16));
    let bad = Error::malformed("a reference to a character that XML does not allow");
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(bad);
    }
    let char = u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
    char.filter(|char| is_allowed(*char)).ok_or(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(tag: &str) -> Result<Element, Error> {
        element(tag, &mut Scope::new(&Outer::default()), &Limits::default())
    }

    #[test]
    fn space_and_quotes_are_free_where_xml_says_so() {
        let plain = Element::new("", "a").with_attr("b", "1").with_attr("c", "2");
        for tag in ["a b='1' c=\"2\"", "a\n\tb = '1'\r\n c= '2' ", "a c='2' b='1'"] {
            assert_eq!(read(tag), Ok(plain.clone()), "{tag}");
        }
        for tag in ["a b='1'c='2'", "a b=1", "a b", "a b='1", "a b=", "a ='1'", "a b='1' 'c'"] {
            assert_eq!(read(tag).map_err(|error| error.kind), Err(ErrorKind::NotWellFormed), "{tag}");
        }
    }

    #[test]
    fn a_declaration_counts_for_the_element_that_makes_it() {
        let element = read("p:a p:b='1' xmlns:p='u' b='2' xmlns='v'").ok();
        let mut expected = Element::new("u", "a").with_attr("b", "2");
        expected.set_attr_ns("u", "b", "1");
        assert_eq!(element, Some(expected));
        for tag in ["p:a", "a p:b=''", "a xmlns:p='u' xmlns:p='v'", "a xmlns='u' xmlns='u'", "xmlns:a", "a xmlns:='u'"]
        {
            assert_eq!(read(tag).map_err(|error| error.kind), Err(ErrorKind::NotWellFormed), "{tag}");
        }
    }

    #[test]
    fn values_are_normalised_once() {
        let element = read("a b='1\r\n2\r3\n4\t5&#xD;&#10;&amp;lt;&lt;'").ok();
        assert_eq!(element.as_ref().and_then(|e| e.attr("b")), Some("1 2 3 4 5\r\n&lt;<"));
    }

    #[test]
    fn references_mean_characters_or_nothing() {
        assert_eq!(reference("#x41"), Ok('A'));
        assert_eq!(reference("#65"), Ok('A'));
        assert_eq!(reference("#x10FFFF"), Ok('\u{10FFFF}'));
        for bad in ["", "#", "#x", "#+65", "#xD800", "#0", "#xFFFE", "#x110000", "#99999999999", "#X41", "a b", " amp"]
        {
            assert_eq!(reference(bad).map_err(|error| error.kind), Err(ErrorKind::NotWellFormed), "{bad}");
        }
        assert_eq!(reference("nbsp").map_err(|error| error.kind), Err(ErrorKind::Restricted));
    }

    #[test]
    fn the_declaration_says_xml_1_0_and_utf_8() {
        for good in
            [" version='1.0'", " version='1.0' encoding='utf-8'", " version=\"1.0\" encoding='UTF-8' standalone='yes' "]
        {
            assert_eq!(declaration(good, false), Ok(()), "{good}");
        }
        for bad in ["", " encoding='UTF-8'", " version='1.0' standalone='maybe'", " version='1.0' version='1.0'"] {
            assert_eq!(declaration(bad, true).map_err(|error| error.kind), Err(ErrorKind::NotWellFormed), "{bad}");
        }
    }
}
