//! Where an element ends: quotes, tags and CDATA are told apart, nothing else is judged.

use super::super::chars::is_space;
use super::super::{Error, Limit};

/// The bytes held, and how far into them the scanner has seen.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    bytes: Vec<u8>,
    /// Everything before was given away.
    start: usize,
    /// Everything before was looked at.
    seen: usize,
    /// Bytes of the current element that were forgotten while skipping it.
    forgotten: usize,
    /// Where the markup that `place` is in started.
    markup: usize,
    /// The end of the first tag of the element, if it was seen.
    head_end: Option<usize>,
    head: Option<Vec<u8>>,
    depth: usize,
    place: Place,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    Text,
    /// After `<`.
    Markup,
    /// After `<!`.
    Bang,
    CData,
    StartTag,
    Quoted(u8),
    EndTag,
}

/// What [`Scanner::find_end`] saw.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// More bytes are needed.
    Nothing,
    /// The element is whole.
    Element,
    /// Not an element, but the end of what is around it.
    EndTag,
    TooLong,
    TooDeep,
}

impl Scanner {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        // What was given away is dropped when it is the larger part, so each byte moves at most once on average.
        if self.start > self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.seen -= self.start;
            self.markup = self.markup.saturating_sub(self.start);
            self.head_end = self.head_end.map(|end| end.saturating_sub(self.start));
            self.start = 0;
            if self.bytes.is_empty() {
                self.bytes.shrink_to(64 * 1024);
            }
        }
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn pending(&self) -> usize {
        self.bytes.len() - self.start
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn held(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub(super) fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.bytes.len());
        self.seen = self.start;
    }

    /// Drops white space; the byte that follows it, which stays.
    pub(super) fn skip_space(&mut self) -> Option<u8> {
        let space = self.held().iter().take_while(|byte| is_space(**byte)).count();
        self.consume(space);
        self.bytes.get(self.start).copied()
    }

    /// The element starts at the `<` that is next.
    pub(super) fn begin(&mut self) {
        self.seen = self.start + 1;
        self.markup = self.start;
        self.depth = 0;
        self.forgotten = 0;
        self.head_end = None;
        self.head = None;
        self.place = Place::Markup;
    }

    /// The bytes of the element that [`Self::find_end`] found.
    pub(super) fn element(&self) -> &[u8] {
        &self.bytes[self.start..self.seen]
    }

    /// The element was used.
    pub(super) fn end(&mut self) {
        self.start = self.seen;
    }

    /// What stands between `<` and `>` or `/>` of the first tag, if that tag was seen whole.
    pub(super) fn take_head(&mut self) -> Option<Vec<u8>> {
        self.keep_head();
        self.head.take()
    }

    /// Puts the first tag aside, or nothing if its end was not seen yet: then it never will be.
    pub(super) fn keep_head(&mut self) {
        if self.head.is_none() {
            let tag = self.head_end.and_then(|end| self.bytes.get(self.start + 1..end)).unwrap_or_default();
            self.head = Some(tag.strip_suffix(b"/").unwrap_or(tag).to_vec());
        }
    }

    /// Drops what was looked at, but for the few bytes that what comes next is compared with.
    pub(super) fn forget_scanned(&mut self) {
        let keep_from = match self.place {
            Place::Markup | Place::Bang => self.markup,
            Place::CData => self.seen.saturating_sub(2).max(self.markup),
            Place::Text | Place::StartTag | Place::Quoted(_) | Place::EndTag => {
                self.seen.saturating_sub(1).max(self.markup)
            }
        };
        let keep_from = keep_from.max(self.start);
        self.forgotten += keep_from - self.start;
        self.start = keep_from;
    }

    /// Goes on looking for the end of the element, which may have `longest` bytes and `deepest` levels.
    pub(super) fn find_end(&mut self, longest: usize, deepest: usize) -> Result<Found, Error> {
        let room = longest.saturating_sub(self.forgotten);
        let end = self.bytes.len().min(self.start.saturating_add(room));
        while self.seen < end {
            let rest = &self.bytes[self.seen..end];
            match self.place {
                Place::Text => match memchr::memchr(b'<', rest) {
                    Some(at) => {
                        self.markup = self.seen + at;
                        self.seen += at + 1;
                        self.place = Place::Markup;
                    }
                    None => self.seen = end,
                },
                Place::Markup => self.enter(rest[0])?,
                Place::Bang => self.check_cdata(end)?,
                Place::CData => match memchr::memchr(b'>', rest) {
                    Some(at) => {
                        self.seen += at + 1;
                        let content = &self.bytes[self.cdata_start()..self.seen];
                        if content.ends_with(b"]]>") {
                            self.place = Place::Text;
                        }
                    }
                    None => self.seen = end,
                },
                Place::Quoted(quote) => match memchr::memchr(quote, rest) {
                    Some(at) => {
                        self.seen += at + 1;
                        self.place = Place::StartTag;
                    }
                    None => self.seen = end,
                },
                Place::StartTag => match memchr::memchr3(b'>', b'\'', b'"', rest) {
                    Some(at) if rest[at] == b'>' => {
                        self.seen += at + 1;
                        if let Some(found) = self.leave_start_tag(deepest) {
                            return Ok(found);
                        }
                    }
                    Some(at) => {
                        self.place = Place::Quoted(rest[at]);
                        self.seen += at + 1;
                    }
                    None => self.seen = end,
                },
                Place::EndTag => match memchr::memchr(b'>', rest) {
                    Some(at) => {
                        self.seen += at + 1;
                        self.place = Place::Text;
                        if self.depth == 0 {
                            return Ok(Found::EndTag);
                        }
                        self.depth -= 1;
                        if self.depth == 0 {
                            return Ok(Found::Element);
                        }
                    }
                    None => self.seen = end,
                },
            }
        }
        Ok(if self.seen - self.start >= room { Found::TooLong } else { Found::Nothing })
    }

    /// What stands between `<` and `>` or `/>` of the stream header, and whether it was `/>`.
    pub(super) fn find_start_tag(&mut self, longest: usize) -> Result<Option<(&[u8], bool)>, Error> {
        if self.seen == self.start {
            self.begin();
        }
        match self.find_end(longest, 0)? {
            Found::Nothing => Ok(None),
            Found::TooLong => Err(Error::too_much(Limit::Header)),
            Found::EndTag => Err(Error::malformed("an end tag that ends nothing")),
            found @ (Found::Element | Found::TooDeep) => {
                let empty = found == Found::Element;
                let tail = if empty { 2 } else { 1 };
                Ok(Some((&self.bytes[self.start + 1..self.seen - tail], empty)))
            }
        }
    }

    fn enter(&mut self, byte: u8) -> Result<(), Error> {
        self.place = match byte {
            b'/' => Place::EndTag,
            b'!' => Place::Bang,
            b'?' => return Err(Error::restricted("a processing instruction (RFC 6120 section 11.1)")),
            b'>' | b'<' | b'\'' | b'"' | b'=' | b'&' => return Err(Error::malformed("a tag without a name")),
            _ if is_space(byte) => return Err(Error::malformed("a tag without a name")),
            _ => Place::StartTag,
        };
        self.seen += 1;
        Ok(())
    }

    /// Of `<!…` only CDATA is allowed (RFC 6120 section 11.1), and that inside an element only.
    fn check_cdata(&mut self, end: usize) -> Result<(), Error> {
        const START: &[u8] = b"<![CDATA[";
        let seen = &self.bytes[self.markup..=self.seen];
        if !START.starts_with(seen) {
            return Err(match seen.last() {
                Some(b'-') if seen.len() == 3 => Error::restricted("a comment (RFC 6120 section 11.1)"),
                Some(byte) if byte.is_ascii_uppercase() && seen.len() == 3 => {
                    Error::restricted("a document type (RFC 6120 section 11.1)")
                }
                _ => Error::malformed("markup of no kind"),
            });
        }
        if self.depth == 0 {
            return Err(Error::new(super::ErrorKind::Format, "text between stanzas"));
        }
        self.seen += 1;
        debug_assert!(self.seen <= end, "the loop of find_end stops at end");
        if seen.len() == START.len() {
            self.place = Place::CData;
            // From here on `markup` is where the content starts, so that `<![CDATA[]]>` ends and `<![CDATA[>` does not.
            self.markup = self.seen;
        }
        Ok(())
    }

    fn cdata_start(&self) -> usize {
        self.markup.max(self.start)
    }

    fn leave_start_tag(&mut self, deepest: usize) -> Option<Found> {
        self.place = Place::Text;
        self.head_end.get_or_insert(self.seen - 1);
        // The name is at least one byte, so the byte before `>` belongs to this tag.
        if self.bytes[self.seen - 2] == b'/' {
            return (self.depth == 0).then_some(Found::Element);
        }
        self.depth += 1;
        (self.depth > deepest).then_some(Found::TooDeep)
    }
}
