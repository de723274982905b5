//! Bytes of a stream to its header, its first-level elements and its end.
//!
//! A small scanner finds where an element ends without looking at any byte twice, however the bytes come; the whole
//! element is then read by [`super::reader`]. States: before the header, between elements, inside one, after the end.

mod scan;

use super::tag::{self, Outer, Scope};
use super::{Element, Error, ErrorKind, Limit, Limits, Word, chars, reader};
use scan::{Found, Scanner};

/// What a stream consists of.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    /// The start tag of the stream.
    Open(StreamHeader),
    /// A whole first-level element. What is in the content namespace of the stream has been put into `jabber:client`.
    Child(Element),
    /// A first-level element past a limit, skipped ([`Limits::skip`]).
    Refused {
        /// Its name and attributes, where they could be read: enough to answer.
        head: Option<Element>,
        /// The limit it passed.
        limit: Limit,
    },
    /// The end tag of the stream. Nothing but white space may follow.
    Close,
}

/// The start tag of a stream (RFC 6120 section 4.7).
#[derive(Debug, Clone, PartialEq)]
pub struct StreamHeader {
    /// Name, namespace and attributes, without content.
    pub root: Element,
    /// The namespaces it declares. Support of dialback is told so (XEP-0220 section 2.4.1).
    pub declared: Vec<Word>,
    /// The default namespace it declares: that of the stanzas (RFC 6120 section 4.8.2).
    pub content_ns: Word,
}

/// Cuts one stream. After an error it only repeats that error.
#[derive(Debug)]
pub struct Splitter {
    limits: Limits,
    scanner: Scanner,
    outer: Outer,
    root_name: String,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing read yet, but for white space that is passed over.
    Restarted,
    /// Nothing read yet; an XML declaration may come.
    Start,
    /// The declaration was read, or can no longer come.
    Prolog,
    Between,
    Inside,
    /// Skipping an element that passed a limit; its head is in `refused`.
    Skipping(Limit),
    /// The stream element was empty: its end is still to be told.
    Closing,
    Closed,
    Failed(Error),
}

impl Splitter {
    /// For a new stream.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            scanner: Scanner::default(),
            outer: Outer::default(),
            root_name: String::new(),
            state: State::Start,
        }
    }

    /// Takes bytes in; [`Self::next`] gives what they complete. At most one element past the limits is held, if the
    /// caller takes all pieces after each push.
    pub fn push(&mut self, bytes: &[u8]) {
        self.scanner.push(bytes);
    }

    /// Other limits, for what has not been looked at yet.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// From here on it is another stream (RFC 6120 section 4.3.3). Bytes held that belong to no piece given yet are its
    /// first; white space before them is passed over, since some peers still end a line of the old stream.
    pub fn restart(&mut self) {
        self.scanner.begin_anew();
        self.outer = Outer::default();
        self.root_name.clear();
        self.state = State::Restarted;
    }

    /// Bytes held that belong to no piece given yet.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.scanner.pending()
    }

    /// The next piece, or `None` if more bytes are needed.
    #[expect(clippy::should_implement_trait, reason = "after an error there is nothing more to iterate over")]
    pub fn next(&mut self) -> Result<Option<Piece>, Error> {
        let piece = self.step();
        if let Err(error) = piece {
            self.state = State::Failed(error);
            self.scanner.clear();
        }
        piece
    }

    fn step(&mut self) -> Result<Option<Piece>, Error> {
        loop {
            match self.state {
                State::Failed(error) => return Err(error),
                State::Restarted => match self.scanner.skip_space() {
                    None => return Ok(None),
                    Some(_) => self.state = State::Start,
                },
                State::Start => {
                    if !self.read_declaration()? {
                        return Ok(None);
                    }
                    self.state = State::Prolog;
                }
                State::Prolog => return self.read_header(),
                State::Between => match self.scanner.skip_space() {
                    None => return Ok(None),
                    Some(b'<') => {
                        self.scanner.begin();
                        self.state = State::Inside;
                    }
                    Some(_) => return Err(Error::new(ErrorKind::Format, "text between stanzas")),
                },
                State::Inside if self.is_second_header() => {
                    return Err(Error::new(ErrorKind::Format, "a second header without a restart"));
                }
                State::Inside => match self.scanner.find_end(self.limits.stanza, self.limits.depth)? {
                    Found::Nothing => return Ok(None),
                    Found::Element => return self.read_child(),
                    Found::EndTag => return self.read_close(),
                    Found::TooLong => self.skip(Limit::Stanza)?,
                    Found::TooDeep => self.skip(Limit::Depth)?,
                },
                State::Skipping(limit) => match self.scanner.find_end(self.limits.skip, usize::MAX)? {
                    Found::Nothing => {
                        self.scanner.forget_scanned();
                        return Ok(None);
                    }
                    Found::Element => {
                        let head = self.scanner.take_head().and_then(|tag| self.read_head(&tag));
                        self.scanner.end();
                        self.state = State::Between;
                        return Ok(Some(Piece::Refused { head, limit }));
                    }
                    Found::EndTag => return Err(Error::malformed("an end tag that ends nothing")),
                    Found::TooLong | Found::TooDeep => return Err(Error::too_much(limit)),
                },
                State::Closing => {
                    self.state = State::Closed;
                    return Ok(Some(Piece::Close));
                }
                State::Closed => {
                    return match self.scanner.skip_space() {
                        None => Ok(None),
                        Some(_) => Err(Error::malformed("something after the end of the stream")),
                    };
                }
            }
        }
    }

    /// Whether it is now clear that the declaration was read or will not come.
    fn read_declaration(&mut self) -> Result<bool, Error> {
        const START: &[u8] = b"<?xml";
        let held = self.scanner.held();
        if matches!(held, [0xFE | 0xFF, ..] | [0, ..] | [b'<', 0, ..]) {
            return Err(Error::new(ErrorKind::Encoding, "not UTF-8 (RFC 6120 section 11.6)"));
        }
        let common = held.len().min(START.len());
        if held[..common] != START[..common] {
            return Ok(true);
        }
        let end = memchr::memmem::find(&held[..held.len().min(self.limits.header)], b"?>");
        let Some(end) = end else {
            return if held.len() >= self.limits.header { Err(Error::too_much(Limit::Header)) } else { Ok(false) };
        };
        let inside = chars::text(&held[START.len()..end])?;
        if !inside.bytes().next().is_some_and(chars::is_space) {
            return Err(Error::restricted("a processing instruction (RFC 6120 section 11.1)"));
        }
        tag::declaration(inside, false)?;
        self.scanner.consume(end + 2);
        Ok(true)
    }

    fn read_header(&mut self) -> Result<Option<Piece>, Error> {
        match self.scanner.skip_space() {
            None => return Ok(None),
            Some(b'<') => {}
            Some(_) => return Err(Error::malformed("text before the stream header")),
        }
        let Some((tag, empty)) = self.scanner.find_start_tag(self.limits.header)? else { return Ok(None) };
        let tag = chars::text(tag)?;
        let empty_outer = Outer::default();
        let mut scope = Scope::new(&empty_outer);
        let name = tag::split_name(tag).0;
        let root = tag::element(tag, &mut scope, &self.limits).map_err(|error| match name.split_once(':') {
            Some((prefix, _)) if !binds(tag, prefix) && error.kind == ErrorKind::NotWellFormed => {
                Error::new(ErrorKind::Prefix, "the prefix of the stream element is not bound")
            }
            _ => error,
        })?;
        let bindings: Vec<_> = scope.into_inner().into_iter().map(|(prefix, ns)| (prefix.into(), ns)).collect();
        let declared = bindings.iter().map(|(_, ns): &(_, Word)| ns.clone()).collect();
        self.outer = Outer { bindings, content: None };
        let content_ns = self.outer.default_ns();
        self.outer.requalify(&content_ns);
        name.clone_into(&mut self.root_name);
        self.scanner.end();
        self.state = if empty { State::Closing } else { State::Between };
        Ok(Some(Piece::Open(StreamHeader { root, declared, content_ns })))
    }

    /// Whether the element that has begun bears the name of the stream itself: it would never end, and a peer that began a
    /// second stream inside the first would wait for ever.
    fn is_second_header(&self) -> bool {
        let name = self.scanner.held().get(1..).and_then(|rest| rest.strip_prefix(self.root_name.as_bytes()));
        name.and_then(<[u8]>::first).is_some_and(|byte| chars::is_space(*byte) || *byte == b'>')
    }

    fn read_child(&mut self) -> Result<Option<Piece>, Error> {
        let text = chars::text(self.scanner.element())?;
        let piece = match reader::parse_in(text, &self.outer, &self.limits) {
            Ok(element) => Piece::Child(element),
            Err(Error { kind: ErrorKind::TooMuch(limit), .. }) if self.limits.skip > 0 => {
                let head = self.scanner.take_head().and_then(|tag| self.read_head(&tag));
                Piece::Refused { head, limit }
            }
            Err(error) => return Err(error),
        };
        self.scanner.end();
        self.state = State::Between;
        Ok(Some(piece))
    }

    fn read_close(&mut self) -> Result<Option<Piece>, Error> {
        let text = chars::text(self.scanner.element())?;
        let inside = text.strip_prefix("</").and_then(|rest| rest.strip_suffix('>')).unwrap_or_default();
        let (name, rest) = tag::split_name(inside);
        if name != self.root_name || !rest.bytes().all(chars::is_space) {
            return Err(Error::malformed("an end tag that ends nothing"));
        }
        self.scanner.end();
        self.state = State::Closed;
        Ok(Some(Piece::Close))
    }

    fn skip(&mut self, limit: Limit) -> Result<(), Error> {
        if self.limits.skip <= self.limits.stanza {
            return Err(Error::too_much(limit));
        }
        self.scanner.skip();
        self.state = State::Skipping(limit);
        Ok(())
    }

    /// The element of a start tag alone, `None` if the tag itself is past the limits or no tag.
    fn read_head(&self, tag: &[u8]) -> Option<Element> {
        let text = chars::text(tag).ok()?;
        tag::element(text, &mut Scope::new(&self.outer), &self.limits).ok()
    }
}

fn binds(tag: &str, prefix: &str) -> bool {
    tag.match_indices("xmlns:").any(|(at, found)| {
        let rest = &tag[at + found.len()..];
        rest.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(['=', ' ', '\t', '\n', '\r']))
    })
}
