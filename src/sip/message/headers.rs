//! The headers of a message, in order and as spelled; typed only where somebody asks.

use super::header::{self, BadHeader, Header};
use super::name::NameSet;
use super::{Name, lex};
use std::borrow::Cow;
use std::fmt;

/// All header lines of a message in one buffer, with the places of their names and values.
///
/// Printing gives back what was read: order, case, compact names, folds, spaces and bytes that are not UTF-8. Whatever
/// is added has line breaks and NUL replaced by spaces, so no value can forge a header.
#[derive(Clone, Default)]
pub struct Headers {
    /// Every line ends in CRLF, lines that were removed stay as unused bytes.
    text: Vec<u8>,
    lines: Vec<Line>,
}

/// Offsets into the buffer: `start name_end … value value_end end`, `end` before the final CRLF.
#[derive(Clone, Copy)]
struct Line {
    known: Option<super::name::Known>,
    start: u32,
    name_end: u32,
    value: u32,
    value_end: u32,
    end: u32,
}

impl Headers {
    /// No headers, with room for `lines` of `bytes` in all.
    #[must_use]
    pub fn with_capacity(lines: usize, bytes: usize) -> Self {
        Self { text: Vec::with_capacity(bytes), lines: Vec::with_capacity(lines) }
    }

    /// How many lines there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// How many bytes they take.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.text.len() + self.lines.len() * size_of::<Line>()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Each line's name as spelled and its value, without the white space around it but with the folds in it.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.lines.iter().map(|line| (self.spelled(line), self.value(line)))
    }

    /// The value of the first line called `name`.
    #[must_use]
    pub fn get<'n>(&self, name: impl Into<Name<'n>>) -> Option<&[u8]> {
        self.all(name).next()
    }

    /// The values of all lines called `name`.
    pub fn all<'n>(&self, name: impl Into<Name<'n>>) -> impl Iterator<Item = &[u8]> {
        let name = name.into();
        self.lines.iter().filter(move |line| self.is_called(line, name)).map(|line| self.value(line))
    }

    /// How many lines are called `name`.
    #[must_use]
    pub fn count<'n>(&self, name: impl Into<Name<'n>>) -> usize {
        self.all(name).count()
    }

    /// The first name of `single` that a second line is called, too.
    pub(super) fn twice(&self, single: NameSet) -> Option<Name<'static>> {
        let mut left = single;
        let known = self.lines.iter().filter_map(|line| line.known).filter(|known| single.has(*known));
        known.into_iter().find(|known| !left.take(*known)).map(Name::Known)
    }

    /// Whether there is a line called `name`.
    #[must_use]
    pub fn has<'n>(&self, name: impl Into<Name<'n>>) -> bool {
        self.get(name).is_some()
    }

    /// The value of the first line called `name` for people: unfolded, bytes that are not UTF-8 replaced by U+FFFD.
    #[must_use]
    pub fn text<'n>(&self, name: impl Into<Name<'n>>) -> Option<Cow<'_, str>> {
        Some(match lex::unfold(self.get(name)?) {
            Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        })
    }

    /// The tokens of a comma list (Allow, Supported, Require, Unsupported, Allow-Events …) over all lines called
    /// `name`; what is not ASCII is skipped.
    pub fn tokens<'n>(&self, name: impl Into<Name<'n>>) -> impl Iterator<Item = &str> {
        let elements = self.all(name).flat_map(lex::elements);
        elements.filter_map(|element| std::str::from_utf8(element).ok()).filter(|token| !token.is_empty())
    }

    /// The first header of type `H`, if there is one.
    pub fn find<H: Header>(&self) -> Result<Option<H>, BadHeader> {
        self.get(H::NAME).map(first_element::<H>).transpose()
    }

    /// The first header of type `H`; that there is none counts as malformed.
    pub fn require<H: Header>(&self) -> Result<H, BadHeader> {
        self.find()?.ok_or(BadHeader(H::NAME))
    }

    /// Every header of type `H`: over all lines, and over the comma lists in them where `H` allows lists.
    pub fn each<H: Header>(&self) -> impl Iterator<Item = Result<H, BadHeader>> {
        self.all(H::NAME).flat_map(|value| {
            let (list, single) = if H::LIST { (Some(lex::elements(value)), None) } else { (None, Some(value)) };
            list.into_iter().flatten().chain(single).map(H::parse)
        })
    }

    /// The topmost Via (RFC 3261 section 20.42).
    pub fn via(&self) -> Result<header::Via, BadHeader> {
        self.require()
    }

    /// From.
    pub fn from(&self) -> Result<header::From, BadHeader> {
        self.require()
    }

    /// To.
    pub fn to(&self) -> Result<header::To, BadHeader> {
        self.require()
    }

    /// CSeq.
    pub fn cseq(&self) -> Result<header::CSeq, BadHeader> {
        self.require()
    }

    /// Call-ID, if it is there and is one word of visible ASCII (RFC 3261 section 20.8).
    #[must_use]
    pub fn call_id(&self) -> Option<&str> {
        let value = self.get(Name::CALL_ID)?;
        let is_word = !value.is_empty() && value.iter().all(u8::is_ascii_graphic);
        is_word.then_some(value).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Adds a line at the end. A name that is not a token adds nothing.
    pub fn push<'n>(&mut self, name: impl Into<Name<'n>>, value: impl AsRef<[u8]>) {
        let line = self.write(name.into(), value.as_ref());
        self.lines.extend(line);
    }

    /// Adds a line before all others.
    pub fn insert_first<'n>(&mut self, name: impl Into<Name<'n>>, value: impl AsRef<[u8]>) {
        if let Some(line) = self.write(name.into(), value.as_ref()) {
            self.lines.insert(0, line);
        }
    }

    /// Puts `value` in the place of the first line called `name` and removes the others; adds it if there is none.
    pub fn replace<'n>(&mut self, name: impl Into<Name<'n>>, value: impl AsRef<[u8]>) {
        let name = name.into();
        let Some(line) = self.write(name, value.as_ref()) else { return };
        let at = self.lines.iter().position(|line| self.is_called(line, name));
        self.remove(name);
        self.lines.insert(at.unwrap_or(self.lines.len()), line);
    }

    /// Removes every line called `name`.
    pub fn remove<'n>(&mut self, name: impl Into<Name<'n>>) {
        let name = name.into();
        let text = &self.text;
        self.lines.retain(|line| !is_called(text, line, name));
    }

    /// Removes the first value called `name`: of the first line, what stands before its first comma.
    pub fn drop_first<'n>(&mut self, name: impl Into<Name<'n>>) {
        let name = name.into();
        let Some(at) = self.lines.iter().position(|line| self.is_called(line, name)) else { return };
        let value = self.value(&self.lines[at]);
        let rest = lex::find_outside(value, b',', true).map(|comma| value[comma + 1..].to_vec());
        let line = rest.and_then(|rest| self.write(name, &lex::unfold(&rest)));
        match line {
            Some(line) => self.lines[at] = line,
            None => drop(self.lines.remove(at)),
        }
    }

    /// Adds a typed header at the end.
    pub fn add<H: Header>(&mut self, header: &H) {
        self.push(H::NAME, printed(header));
    }

    /// Adds a typed header before all others.
    pub fn add_first<H: Header>(&mut self, header: &H) {
        self.insert_first(H::NAME, printed(header));
    }

    /// Puts a typed header in the place of all of its name.
    pub fn set<H: Header>(&mut self, header: &H) {
        self.replace(H::NAME, printed(header));
    }

    /// Puts a typed header in the place of the first of its name, keeping those that follow in the same comma list and
    /// in other lines; adds it if there is none. This is how a server writes `received` into the topmost Via.
    pub fn set_first<H: Header>(&mut self, header: &H) {
        let Some(at) = self.lines.iter().position(|line| self.is_called(line, H::NAME)) else {
            return self.add_first(header);
        };
        let mut value = printed(header);
        let old = self.value(&self.lines[at]);
        if H::LIST
            && let Some(comma) = lex::find_outside(old, b',', true)
        {
            value.extend_from_slice(b", ");
            value.extend_from_slice(lex::trim(&lex::unfold(&old[comma + 1..])));
        }
        if let Some(line) = self.write(H::NAME, &value) {
            self.lines[at] = line;
        }
    }

    /// Adds every line of `other` called `name`, byte for byte.
    pub fn copy<'n>(&mut self, other: &Headers, name: impl Into<Name<'n>>) {
        let name = name.into();
        for line in other.lines.iter().filter(|line| other.is_called(line, name)) {
            self.copy_line(other, line);
        }
    }

    /// Appends all lines, each with its CRLF.
    pub fn print(&self, out: &mut Vec<u8>) {
        let mut run = 0..0;
        for line in &self.lines {
            let (start, end) = (line.start as usize, line.end as usize + 2);
            if run.end != start {
                out.extend_from_slice(&self.text[run]);
                run = start..start;
            }
            run.end = end;
        }
        out.extend_from_slice(&self.text[run]);
    }

    /// What RFC 3261 section 8.2.6.2 makes a response repeat, in the order of the request.
    pub(super) fn copy_response_headers(&mut self, request: &Headers) {
        self.text.reserve(request.text.len());
        self.lines.reserve(request.lines.len());
        for line in request.repeated() {
            self.copy_line(request, line);
        }
    }

    /// Appends the lines that a response repeats, each with its CRLF.
    pub(crate) fn print_repeated(&self, out: &mut Vec<u8>) {
        for line in self.repeated() {
            out.extend_from_slice(&self.text[line.start as usize..line.end as usize + 2]);
        }
    }

    fn repeated(&self) -> impl Iterator<Item = &Line> {
        const REPEATED: [Name<'static>; 5] = [Name::VIA, Name::FROM, Name::TO, Name::CALL_ID, Name::CSEQ];
        self.lines.iter().filter(|line| REPEATED.iter().any(|name| self.is_called(line, *name)))
    }

    pub(super) fn describe_body(&mut self, content_type: &str, length: usize) {
        self.replace(Name::CONTENT_TYPE, content_type);
        let mut digits = Vec::with_capacity(5);
        lex::push_number(length as u64, &mut digits);
        self.replace(Name::CONTENT_LENGTH, digits);
    }

    /// Of a section no longer than `bytes` that the reader is about to describe with [`Headers::note`].
    pub(super) fn reading(bytes: usize) -> Self {
        Self { text: Vec::new(), lines: Vec::with_capacity(bytes.min(1024) / 48 + 4) }
    }

    /// Notes a header of a section: it begins at `start` and ends with `section`, its name `length` bytes long and its
    /// colon `colon` bytes behind the start.
    pub(super) fn note(&mut self, section: &[u8], start: usize, name: Name<'_>, length: usize, colon: usize) {
        let end = section.len();
        let raw = section.get(start + colon + 1..).unwrap_or_default();
        let value = lex::trim_start(raw);
        let from = end - value.len();
        let value_end = from + lex::trim_end(value).len();
        let known = match name {
            Name::Known(known) => Some(known),
            Name::Other(_) => None,
        };
        let [start, name_end, value, value_end, end] = [start, start + length, from, value_end, end].map(narrow);
        self.lines.push(Line { known, start, name_end, value, value_end, end });
    }

    /// Takes over the section of which every header was noted, each line with its CRLF.
    pub(super) fn take_section(&mut self, section: &[u8]) {
        self.text = section.to_vec();
    }

    fn write(&mut self, name: Name<'_>, value: &[u8]) -> Option<Line> {
        let name = Name::parse(name.as_str().as_bytes())?;
        let start = self.text.len();
        self.text.extend_from_slice(name.as_str().as_bytes());
        let name_end = self.text.len();
        self.text.extend_from_slice(b": ");
        let from = self.text.len();
        lex::push_safe(lex::trim(value), &mut self.text);
        let end = self.text.len();
        self.text.extend_from_slice(b"\r\n");
        let known = match name {
            Name::Known(known) => Some(known),
            Name::Other(_) => None,
        };
        let [start, name_end, value, end] = [start, name_end, from, end].map(narrow);
        Some(Line { known, start, name_end, value, value_end: end, end })
    }

    fn copy_line(&mut self, other: &Headers, line: &Line) {
        let start = narrow(self.text.len());
        self.text.extend_from_slice(&other.text[line.start as usize..line.end as usize + 2]);
        let moved = |offset: u32| start + (offset - line.start);
        self.lines.push(Line {
            known: line.known,
            start,
            name_end: moved(line.name_end),
            value: moved(line.value),
            value_end: moved(line.value_end),
            end: moved(line.end),
        });
    }

    fn spelled(&self, line: &Line) -> &str {
        std::str::from_utf8(spelled(&self.text, line)).unwrap_or_default()
    }

    fn value(&self, line: &Line) -> &[u8] {
        &self.text[line.value as usize..line.value_end as usize]
    }

    fn is_called(&self, line: &Line, name: Name<'_>) -> bool {
        is_called(&self.text, line, name)
    }
}

fn is_called(text: &[u8], line: &Line, name: Name<'_>) -> bool {
    match (line.known, name) {
        (Some(one), Name::Known(two)) => one == two,
        (None, Name::Other(other)) => spelled(text, line).eq_ignore_ascii_case(other.as_bytes()),
        (_, _) => false,
    }
}

fn spelled<'t>(text: &'t [u8], line: &Line) -> &'t [u8] {
    &text[line.start as usize..line.name_end as usize]
}

fn first_element<H: Header>(value: &[u8]) -> Result<H, BadHeader> {
    if H::LIST
        && let Some(comma) = lex::find_outside(value, b',', true)
    {
        return H::parse(lex::trim(&value[..comma]));
    }
    H::parse(value)
}

fn printed<H: Header>(header: &H) -> Vec<u8> {
    let mut value = Vec::with_capacity(96);
    header.print(&mut value);
    value
}

/// Offsets fit: a message is no longer than the limits of [`super::wire`] and what we add to it.
fn narrow(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

/// Same lines in the same order, whatever was removed before.
impl PartialEq for Headers {
    fn eq(&self, other: &Self) -> bool {
        let raw = |headers: &Self| {
            let mut text = Vec::new();
            headers.print(&mut text);
            text
        };
        raw(self) == raw(other)
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(name, value)| (name, String::from_utf8_lossy(value)))).finish()
    }
}
