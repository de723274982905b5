//! Text to element: one whole document, or one slice that [`super::splitter`] has cut.
//!
//! quick-xml finds the tokens; what they may be and what they mean is decided here and in `tag`.

use quick_xml::events::Event;

use super::tag::{self, Outer, Scope};
use super::{Element, Error, Limit, Limits, chars};

/// Reads a whole document, such as the body of a SIP message. A byte order mark is skipped; a document type is refused,
/// and comments and processing instructions are skipped or refused as `limits` says.
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Element, Error> {
    if bytes.len() > limits.stanza {
        return Err(Error::too_much(Limit::Stanza));
    }
    let mut text = chars::text(bytes)?;
    text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    if let Some(rest) = text.strip_prefix("<?xml").filter(|rest| rest.bytes().next().is_some_and(chars::is_space)) {
        let end = rest.find("?>").ok_or(Error::malformed("an XML declaration without an end"))?;
        tag::declaration(&rest[..end], limits.encodings)?;
        text = &rest[end + 2..];
    }
    Tree::new(text, &Outer::default(), limits).read()
}

/// Reads one first-level element of a stream. `text` has passed [`chars::text`].
pub(super) fn parse_in<'a>(text: &'a str, outer: &'a Outer, limits: &'a Limits) -> Result<Element, Error> {
    Tree::new(text, outer, limits).read()
}

struct Tree<'a> {
    text: &'a str,
    scope: Scope<'a>,
    limits: &'a Limits,
    open: Vec<Open<'a>>,
    root: Option<Element>,
}

/// An element whose end tag has not come yet.
struct Open<'a> {
    element: Element,
    /// As written, with its prefix: the end tag must say the same.
    name: &'a str,
    mark: usize,
}

impl<'a> Tree<'a> {
    fn new(text: &'a str, outer: &'a Outer, limits: &'a Limits) -> Self {
        Self { text, scope: Scope::new(outer), limits, open: Vec::with_capacity(4), root: None }
    }

    fn read(mut self) -> Result<Element, Error> {
        let mut reader = quick_xml::Reader::from_str(self.text);
        let config = reader.config_mut();
        config.check_end_names = false;
        config.allow_unmatched_ends = true;
        config.trim_markup_names_in_closing_tags = false;
        loop {
            let from = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
            let event = reader.read_event().map_err(|_| Error::malformed("markup that never ends"))?;
            let to = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
            let token = self.text.get(from..to).ok_or(Error::malformed("markup that never ends"))?;
            match event {
                Event::Start(_) => self.start(inside(token, "<", ">")?)?,
                Event::Empty(_) => {
                    self.start(inside(token, "<", "/>")?)?;
                    self.close()?;
                }
                Event::End(_) => self.end(inside(token, "</", ">")?)?,
                Event::Text(_) => self.characters(token)?,
                Event::CData(_) => self.cdata(inside(token, "<![CDATA[", "]]>")?)?,
                Event::GeneralRef(_) => self.reference(inside(token, "&", ";")?)?,
                Event::Comment(_) => self.comment(token)?,
                Event::PI(_) => self.instruction(token)?,
                Event::Decl(_) => return Err(Error::malformed("an XML declaration that is not at the start")),
                Event::DocType(_) => return Err(Error::restricted("a document type (RFC 6120 section 11.1)")),
                Event::Eof => break,
            }
        }
        if !self.open.is_empty() {
            return Err(Error::malformed("an element without an end"));
        }
        self.root.ok_or(Error::malformed("no element"))
    }

    fn start(&mut self, tag: &'a str) -> Result<(), Error> {
        if self.root.is_some() {
            return Err(Error::malformed("a second element after the first has ended"));
        }
        if self.open.len() >= self.limits.depth {
            return Err(Error::too_much(Limit::Depth));
        }
        let mark = self.scope.mark();
        let element = tag::element(tag, &mut self.scope, self.limits)?;
        self.open.push(Open { element, name: tag::split_name(tag).0, mark });
        Ok(())
    }

    fn end(&mut self, tag: &str) -> Result<(), Error> {
        let (name, rest) = tag::split_name(tag);
        let matches = self.open.last().is_some_and(|open| open.name == name);
        if !matches || !rest.bytes().all(chars::is_space) {
            return Err(Error::malformed("an end tag that ends nothing"));
        }
        self.close()
    }

    fn close(&mut self) -> Result<(), Error> {
        let Some(Open { element, mark, .. }) = self.open.pop() else {
            return Err(Error::malformed("an end tag that ends nothing"));
        };
        self.scope.forget(mark);
        match self.open.last_mut() {
            Some(parent) => parent.element.push_child(element),
            None => self.root = Some(element),
        }
        Ok(())
    }

    fn characters(&mut self, text: &str) -> Result<(), Error> {
        let Some(open) = self.open.last_mut() else {
            return if text.bytes().all(chars::is_space) {
                Ok(())
            } else {
                Err(Error::malformed("text outside of the element"))
            };
        };
        if memchr::memchr(b']', text.as_bytes()).is_some() && text.contains("]]>") {
            return Err(Error::malformed("]]> in text"));
        }
        push_lines(&mut open.element, text);
        Ok(())
    }

    fn cdata(&mut self, text: &str) -> Result<(), Error> {
        let open = self.open.last_mut().ok_or(Error::malformed("text outside of the element"))?;
        push_lines(&mut open.element, text);
        Ok(())
    }

    fn reference(&mut self, name: &str) -> Result<(), Error> {
        let open = self.open.last_mut().ok_or(Error::malformed("text outside of the element"))?;
        open.element.push_char(tag::reference(name)?);
        Ok(())
    }

    fn comment(&self, token: &str) -> Result<(), Error> {
        let inside = inside(token, "<!--", "-->")?;
        match self.limits.comments {
            false => Err(Error::restricted("a comment (RFC 6120 section 11.1)")),
            true if inside.contains("--") || inside.ends_with('-') => Err(Error::malformed("-- in a comment")),
            true => Ok(()),
        }
    }

    fn instruction(&self, token: &str) -> Result<(), Error> {
        let (target, _) = tag::split_name(inside(token, "<?", "?>")?);
        match self.limits.comments {
            false => Err(Error::restricted("a processing instruction (RFC 6120 section 11.1)")),
            true if !chars::is_ncname(target) || target.eq_ignore_ascii_case("xml") => {
                Err(Error::malformed("a processing instruction without a name"))
            }
            true => Ok(()),
        }
    }
}

fn inside<'a>(token: &'a str, start: &str, end: &str) -> Result<&'a str, Error> {
    let inside = token.strip_prefix(start).and_then(|rest| rest.strip_suffix(end));
    inside.ok_or(Error::malformed("markup that never ends"))
}

/// Section 2.11: CR LF and CR are line ends, which are LF.
fn push_lines(element: &mut Element, text: &str) {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\r', rest.as_bytes()) {
        element.push_text(&rest[..at]);
        element.push_text("\n");
        let after = &rest[at + 1..];
        rest = after.strip_prefix('\n').unwrap_or(after);
    }
    element.push_text(rest);
}

#[cfg(test)]
mod tests {
    use super::super::ErrorKind;
    use super::*;

    fn kind(text: &str) -> Result<Element, ErrorKind> {
        parse(text.as_bytes(), &Limits::document()).map_err(|error| error.kind)
    }

    #[test]
    fn a_document_may_have_a_prolog_and_comments() {
        let text = "\u{FEFF}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- c --><?p q?>\r\n<a><!-- d -->x<?r?></a>\n<!--e-->";
        assert_eq!(kind(text), Ok(Element::new("", "a").with_text("x")));
        assert_eq!(parse(text.as_bytes(), &Limits::default()).map_err(|e| e.kind), Err(ErrorKind::Restricted));
    }

    #[test]
    fn no_document_type_ever() {
        for text in ["<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "<a><!DOCTYPE a></a>"] {
            assert_eq!(kind(text), Err(ErrorKind::Restricted), "{text}");
        }
    }

    #[test]
    fn text_is_put_together_and_its_lines_end_with_lf() {
        let expected = Element::new("", "a").with_text("1\n2\n3\n\n4<&\r5]]>6é");
        assert_eq!(kind("<a>1\r\n2\r3\n\r4<![CDATA[<&]]>&#13;5]]&gt;6&#xe9;</a>"), Ok(expected));
    }

    #[test]
    fn what_is_no_document_is_refused() {
        let bad = [
            "",
            " ",
            "x",
            "<a>",
            "</a>",
            "<a></b>",
            "<a/><b/>",
            "<a/>x",
            "x<a/>",
            "<a></a >x",
            "<a>&amp</a>",
            "<a>&</a>",
            "<a>]]></a>",
            "<a><![CDATA[x]]</a>",
            "<a><!-- -- --></a>",
            "<a><!---></a>",
            "<a><? x?></a>",
            "<a>\u{1}</a>",
            "<a",
            "<a b='",
            "<a/ >",
            "<a></ a>",
            "<a/><![CDATA[]]>",
            "<a/>&#32;",
            "<?xml?><a/>",
            " <?xml version='1.0'?><a/>",
            "<a><?xml version='1.0'?></a>",
            "<1/>",
            "<a b='1' b='2'/>",
            "<>",
            "<a><></></a>",
        ];
        for text in bad {
            assert_eq!(kind(text), Err(ErrorKind::NotWellFormed), "{text}");
        }
    }

    #[test]
    fn depth_and_size_have_limits() {
        let deep = |depth| "<a>".repeat(depth) + &"</a>".repeat(depth);
        assert!(kind(&deep(48)).is_ok());
        assert_eq!(kind(&deep(49)), Err(ErrorKind::TooMuch(Limit::Depth)));
        assert_eq!(kind(&format!("<a>{}</a>", "x".repeat(256 * 1024))), Err(ErrorKind::TooMuch(Limit::Stanza)));
    }
}
