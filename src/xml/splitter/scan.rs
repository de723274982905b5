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
    /// Where the names of the open elements stand, from `start`; not kept for an element that is skipped.
    names: Vec<(usize, usize)>,
    skipped: bool,
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

    /// What is held starts something new.
    pub(super) fn begin_anew(&mut self) {
        let rest = self.held().to_vec();
        *self = Self { bytes: rest, ..Self::default() };
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
        self.names.clear();
        self.skipped = false;
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

    /// From now on the element is only skipped. Its first tag is put aside, unless its end was not seen yet: then it never
    /// will be.
    pub(super) fn skip(&mut self) {
        self.skipped = true;
        self.names.clear();
        self.keep_head();
    }

    fn keep_head(&mut self) {
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
            match self.place {
                Place::Text => {
                    if self.pass(b'<', end) {
                        self.markup = self.seen - 1;
                        self.place = Place::Markup;
                    }
                }
                Place::Markup => self.enter(self.bytes[self.seen])?,
                Place::Bang => self.check_cdata(end)?,
                Place::CData => {
                    if self.pass(b'>', end) && self.bytes[self.cdata_start()..self.seen].ends_with(b"]]>") {
                        self.place = Place::Text;
                    }
                }
                Place::Quoted(quote) => {
                    if self.pass(quote, end) {
                        self.place = Place::StartTag;
                    }
                }
                Place::StartTag => {
                    if self.pass_tag(end)
                        && let Some(found) = self.leave_start_tag(deepest)
                    {
                        return Ok(found);
                    }
                }
                Place::EndTag => {
                    if self.pass(b'>', end)
                        && let Some(found) = self.leave_end_tag()?
                    {
                        return Ok(found);
                    }
                }
            }
        }
        Ok(if self.seen - self.start >= room { Found::TooLong } else { Found::Nothing })
    }

    /// Goes on behind the next `byte`, or to `end` if there is none.
    fn pass(&mut self, byte: u8, end: usize) -> bool {
        let at = memchr::memchr(byte, &self.bytes[self.seen..end]);
        self.seen = at.map_or(end, |at| self.seen + at + 1);
        at.is_some()
    }

    /// Goes on behind the `>` of a start tag, or behind a quote or to `end`, whichever comes first; whether it was `>`.
    fn pass_tag(&mut self, end: usize) -> bool {
        let rest = &self.bytes[self.seen..end];
        let Some(at) = memchr::memchr3(b'>', b'\'', b'"', rest) else {
            self.seen = end;
            return false;
        };
        let found = rest[at];
        self.seen += at + 1;
        if found != b'>' {
            self.place = Place::Quoted(found);
        }
        found == b'>'
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

    fn leave_end_tag(&mut self) -> Result<Option<Found>, Error> {
        self.place = Place::Text;
        if self.depth == 0 {
            return Ok(Some(Found::EndTag));
        }
        self.check_name()?;
        self.depth -= 1;
        Ok((self.depth == 0).then_some(Found::Element))
    }

    /// An element must end with the name it started with: what follows would be waited for in vain.
    fn check_name(&mut self) -> Result<(), Error> {
        let Some((from, to)) = self.names.pop() else { return Ok(()) };
        let name = &self.bytes[self.start + from..self.start + to];
        let rest = self.bytes[self.markup + 2..self.seen - 1].strip_prefix(name);
        match rest {
            Some(rest) if rest.iter().all(|byte| is_space(*byte)) => Ok(()),
            _ => Err(Error::malformed("an end tag that ends nothing")),
        }
    }

    fn leave_start_tag(&mut self, deepest: usize) -> Option<Found> {
        self.place = Place::Text;
        self.head_end.get_or_insert(self.seen - 1);
        // The name is at least one byte, so the byte before `>` belongs to this tag.
        if self.bytes[self.seen - 2] == b'/' {
            return (self.depth == 0).then_some(Found::Element);
        }
        if !self.skipped {
            let from = self.markup + 1 - self.start;
            let tag = &self.bytes[self.markup + 1..self.seen - 1];
            let length = tag.iter().position(|byte| is_space(*byte)).unwrap_or(tag.len());
            self.names.push((from, from + length));
        }
        self.depth += 1;
        (self.depth > deepest).then_some(Found::TooDeep)
    }
}
