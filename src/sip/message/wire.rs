//! The bytes of one message: reading and printing (RFC 3261 sections 7, 18.3 and 25).
//!
//! Strict where leniency would let one peer see two headers where another sees one, or see a message end elsewhere: a
//! NUL that no quoted string escapes, a CR or LF that does not end a line, a missing blank line, Content-Lengths that
//! are two, folded, no number or promise more than came. Lenient where nothing can be misread: blank lines in front of a
//! message, `sip/2.0`, a reason phrase that is missing or not UTF-8, and a message that ends
//! *all* its lines in LF.
//!
//! What cannot be read gives a [`ParseError`], which knows the status that the RFCs want for it and brings the answer
//! along, if the bytes hold enough to make one.

use super::{Headers, Message, Method, Name, Request, Response, Status, lex};
use crate::sip::uri::{Uri, UriError};
use std::borrow::Cow;

/// Longest message read, in bytes: what a UDP datagram can carry.
pub const MAX_MESSAGE: usize = 65_535;

/// Longest header section, in bytes: ten times what forty Vias and Routes need.
pub const MAX_HEADER_SECTION: usize = 32 * 1024;

/// Longest header with its folds, in bytes; a certificate's worth.
pub const MAX_HEADER: usize = 8 * 1024;

/// Most header lines of a message.
pub const MAX_HEADERS: usize = 256;

/// What is wrong with the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Nothing but line ends: a keep-alive.
    #[error("Empty Message")]
    Empty,
    /// No blank line ends the header section.
    #[error("Header Section Without End")]
    NoEnd,
    /// A CR or LF that does not end a line, or a NUL that is not escaped in a quoted string.
    #[error("Stray Control Character")]
    Control,
    /// Neither a Request-Line nor a Status-Line.
    #[error("Malformed Start Line")]
    StartLine,
    /// Not `SIP/2.0`.
    #[error("Version Not Supported")]
    Version,
    /// The Request-URI is malformed.
    #[error("Malformed Request-URI")]
    Uri(UriError),
    /// A line that is not `name: value`.
    #[error("Malformed Header")]
    HeaderLine,
    /// Not a number, or several that differ.
    #[error("Malformed Content-Length")]
    ContentLength,
    /// None in a message that came by a stream (RFC 3261 section 18.3).
    #[error("Missing Content-Length")]
    NoContentLength,
    /// Content-Length promises more than there is (RFC 3261 section 18.3).
    #[error("Body Shorter Than Content-Length")]
    ShortBody,
    /// Beyond [`MAX_HEADER_SECTION`], [`MAX_HEADER`] or [`MAX_HEADERS`].
    #[error("Message Too Large")]
    TooLarge,
    /// The body is beyond the limit of its connection.
    #[error("Request Entity Too Large")]
    BodyTooLarge,
}

/// Why bytes are not a message, and what to tell their sender.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{problem}")]
pub struct ParseError {
    /// What is wrong.
    pub problem: Problem,
    answer: Option<Box<Response>>,
}

impl Problem {
    /// The status of the answer.
    #[must_use]
    pub fn status(self) -> Status {
        match self {
            Problem::Version => Status::VERSION_NOT_SUPPORTED,
            Problem::TooLarge => Status::MESSAGE_TOO_LARGE,
            Problem::BodyTooLarge => Status::REQUEST_ENTITY_TOO_LARGE,
            Problem::Empty
            | Problem::NoEnd
            | Problem::Control
            | Problem::StartLine
            | Problem::Uri(_)
            | Problem::HeaderLine
            | Problem::ContentLength
            | Problem::NoContentLength
            | Problem::ShortBody => Status::BAD_REQUEST,
        }
    }
}

impl ParseError {
    pub(crate) fn new(problem: Problem, input: &[u8]) -> Self {
        Self { problem, answer: answer(problem, input).map(Box::new) }
    }

    /// The answer, without a To tag. `None` if nothing can or may be answered: a response, an ACK, no Via to send it
    /// along. Then the bytes are dropped.
    #[must_use]
    pub fn response(&self) -> Option<Response> {
        self.answer.as_deref().cloned()
    }
}

/// Reads one datagram or one framed message. Bytes beyond Content-Length are passed over (RFC 3261 section 18.3); a
/// message without Content-Length has all the rest as its body.
pub fn parse(input: &[u8]) -> Result<Message, ParseError> {
    let bytes = skip_blank(input);
    let read = if is_all_lf(bytes) { read(&with_crlf(bytes)) } else { read(bytes) };
    read.map_err(|problem| ParseError::new(problem, bytes))
}

fn read(input: &[u8]) -> Result<Message, Problem> {
    if input.is_empty() {
        return Err(Problem::Empty);
    }
    let first_end = line_end(input, 0)?;
    let start = &input[..first_end];
    let (headers, section_end) = read_headers(input, first_end + 2)?;
    let rest = &input[section_end + 2..];
    let body = match content_length(headers.all(Name::CONTENT_LENGTH))? {
        None => rest,
        Some(length) => rest.get(..length).ok_or(Problem::ShortBody)?,
    };
    let body = body.to_vec();
    if is_status_line(start) {
        let (status, reason) = read_status_line(start)?;
        return Ok(Message::Response(Response { status, reason, headers, body }));
    }
    let (method, uri) = read_request_line(start)?;
    Ok(Message::Request(Request { method, uri, headers, body }))
}

/// The CR of the line that starts at `from`; everything before it is free of CR, LF and NUL, but for a NUL escaped in a
/// quoted string, which `quoted-pair` allows (RFC 4475 section 3.1.1.2).
fn line_end(input: &[u8], from: usize) -> Result<usize, Problem> {
    let (mut seen, mut quote) = (from, None);
    loop {
        let at = seen + memchr::memchr3(b'\r', b'\n', 0, &input[seen..]).ok_or(Problem::NoEnd)?;
        match (input[at], input.get(at + 1)) {
            (b'\r', Some(b'\n')) => return Ok(at),
            (b'\r', None) => return Err(Problem::NoEnd),
            (0, Some(_)) if input[from..at].ends_with(b"\\") => {
                // Looked for once: a line may consist of such pairs.
                let quoted = quote.get_or_insert_with(|| memchr::memchr(b'"', &input[from..at]).is_some());
                if !*quoted {
                    return Err(Problem::Control);
                }
                seen = at + 1;
            }
            (_, _) => return Err(Problem::Control),
        }
    }
}

/// The headers from `from` on, and where the blank line behind them starts. What is wrong with the section as a whole
/// counts before what is wrong with one of its lines.
fn read_headers(input: &[u8], from: usize) -> Result<(Headers, usize), Problem> {
    let mut headers = Headers::reading(input.len() - from);
    let mut wrong = None;
    let mut start = from;
    let mut end = line_end(input, start)?;
    while end != start {
        // RFC 3261 section 7.3.1: lines that begin with white space belong to the header before them.
        while matches!(input.get(end + 2), Some(b' ' | b'\t')) {
            end = line_end(input, end + 2)?;
        }
        if end - from > MAX_HEADER_SECTION {
            return Err(Problem::TooLarge);
        }
        if wrong.is_none()
            && let Err(problem) = read_header(&mut headers, &input[from..end], start - from)
        {
            wrong = Some(problem);
        }
        start = end + 2;
        end = line_end(input, start)?;
    }
    if let Some(problem) = wrong {
        return Err(problem);
    }
    headers.take_section(&input[from..start]);
    Ok((headers, start))
}

/// Notes the header that begins at `start` and ends, with its folds, where `section` does.
fn read_header(headers: &mut Headers, section: &[u8], start: usize) -> Result<(), Problem> {
    let line = &section[start..];
    let colon = memchr::memchr(b':', line).ok_or(Problem::HeaderLine)?;
    let mut name_end = colon;
    while name_end > 0 && matches!(line[name_end - 1], b' ' | b'\t') {
        name_end -= 1;
    }
    let name = Name::parse(&line[..name_end]).ok_or(Problem::HeaderLine)?;
    // A length that stands in the next line is one that some readers miss.
    if name == Name::CONTENT_LENGTH && memchr::memchr(b'\r', line).is_some() {
        return Err(Problem::ContentLength);
    }
    if line.len() > MAX_HEADER || headers.len() == MAX_HEADERS {
        return Err(Problem::TooLarge);
    }
    headers.note(section, start, name, name_end, colon);
    Ok(())
}

/// The length that the one Content-Length gives. A second is refused even if it is equal: who has two has a message that
/// somebody else has put together.
pub(crate) fn content_length<'v>(values: impl Iterator<Item = &'v [u8]>) -> Result<Option<usize>, Problem> {
    let mut found = None;
    for value in values {
        let length =
            lex::number(value).and_then(|length| usize::try_from(length).ok()).ok_or(Problem::ContentLength)?;
        if found.is_some() {
            return Err(Problem::ContentLength);
        }
        found = Some(length);
    }
    Ok(found)
}

fn is_status_line(line: &[u8]) -> bool {
    line.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/"))
}

fn is_version(text: &[u8]) -> bool {
    text.eq_ignore_ascii_case(b"SIP/2.0")
}

/// `Method SP Request-URI SP SIP-Version`, single spaces and nothing more (RFC 3261 section 7.1).
fn read_request_line(line: &[u8]) -> Result<(Method, Uri), Problem> {
    let space = memchr::memchr(b' ', line).ok_or(Problem::StartLine)?;
    let last = memchr::memrchr(b' ', line).filter(|last| *last > space).ok_or(Problem::StartLine)?;
    let method = Method::parse(&line[..space]).ok_or(Problem::StartLine)?;
    let version = &line[last + 1..];
    if !is_version(version) {
        let looks_like_one = version.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/"));
        return Err(if looks_like_one { Problem::Version } else { Problem::StartLine });
    }
    Ok((method, Uri::parse_bytes(&line[space + 1..last]).map_err(Problem::Uri)?))
}

/// `SIP-Version SP Status-Code SP Reason-Phrase`; the second space may be missing with the phrase.
fn read_status_line(line: &[u8]) -> Result<(Status, Cow<'static, [u8]>), Problem> {
    let space = memchr::memchr(b' ', line).ok_or(Problem::StartLine)?;
    if !is_version(&line[..space]) {
        return Err(Problem::Version);
    }
    let rest = &line[space + 1..];
    let (code, reason) = match memchr::memchr(b' ', rest) {
        Some(space) => (&rest[..space], &rest[space + 1..]),
        None => (rest, &[][..]),
    };
    let code = lex::number(code).filter(|_| code.len() == 3).and_then(|code| u16::try_from(code).ok());
    let status = code.and_then(Status::new).ok_or(Problem::StartLine)?;
    let usual = status.reason().as_bytes();
    let reason = if reason == usual { Cow::Borrowed(usual) } else { Cow::Owned(reason.to_vec()) };
    Ok((status, reason))
}

/// RFC 3261 section 7.5: line ends in front of a message are no part of it.
fn skip_blank(mut input: &[u8]) -> &[u8] {
    while let Some(rest) = input.strip_prefix(b"\r\n") {
        input = rest;
    }
    input
}

/// Whether the first line ends in a bare LF and no CR stands in the whole header section: no reader can take such
/// lines for anything else.
fn is_all_lf(input: &[u8]) -> bool {
    match memchr::memchr2(b'\r', b'\n', input) {
        Some(at) if input[at] == b'\n' => {
            let end = memchr::memmem::find(input, b"\n\n").unwrap_or(input.len());
            memchr::memchr(b'\r', &input[..end]).is_none()
        }
        Some(_) | None => false,
    }
}

fn with_crlf(input: &[u8]) -> Vec<u8> {
    let end = memchr::memmem::find(input, b"\n\n").map_or(input.len(), |at| at + 2);
    let (head, body) = input.split_at(end);
    let mut bytes = Vec::with_capacity(input.len() + 64);
    for byte in head {
        if *byte == b'\n' {
            bytes.push(b'\r');
        }
        bytes.push(*byte);
    }
    bytes.extend_from_slice(body);
    bytes
}

/// The answer to bytes that are no message: as much of Via, From, To, Call-ID and CSeq as can be picked out.
fn answer(problem: Problem, input: &[u8]) -> Option<Response> {
    let input = &input[..input.len().min(MAX_HEADER_SECTION)];
    let mut lines = Lines { rest: Some(input) };
    let start = lines.next()?;
    if is_status_line(start) || start.starts_with(b"ACK ") || memchr::memchr(b' ', start).is_none() {
        return None;
    }
    let mut response = Response::new(problem.status()).with_reason(&problem.to_string());
    for line in lines.take_while(|line| !line.is_empty()).take(MAX_HEADERS) {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let value = lex::unfold(lex::trim(&line[colon + 1..]));
        let Some(name) = Name::parse(lex::trim_end(&line[..colon])) else { continue };
        let is_wanted = name == Name::VIA
            || [Name::FROM, Name::TO, Name::CALL_ID, Name::CSEQ].contains(&name) && !response.headers.has(name);
        if is_wanted && line.len() <= MAX_HEADER {
            response.headers.push(Name::from(name.as_str()), &value);
        }
    }
    response.headers.via().is_ok().then(|| {
        response.headers.push(Name::CONTENT_LENGTH, "0");
        response
    })
}

/// Header lines without their ends and with their folds, whatever they end in. Lines with a NUL or a stray CR are given
/// as one that is no header.
struct Lines<'i> {
    rest: Option<&'i [u8]>,
}

impl<'i> Iterator for Lines<'i> {
    type Item = &'i [u8];

    fn next(&mut self) -> Option<&'i [u8]> {
        let rest = self.rest?;
        let mut end = 0;
        loop {
            match memchr::memchr(b'\n', &rest[end..]) {
                None => {
                    end = rest.len();
                    self.rest = None;
                    break;
                }
                Some(at) => {
                    end += at + 1;
                    if end == 1 || rest[..end].ends_with(b"\n\r\n") || !matches!(rest.get(end), Some(b' ' | b'\t')) {
                        self.rest = Some(&rest[end..]);
                        break;
                    }
                }
            }
        }
        let line = lex::trim_end(&rest[..end]);
        let stray = memchr::memchr(0, line).is_some()
            || memchr::memchr_iter(b'\r', line).any(|at| line.get(at + 1) != Some(&b'\n'));
        Some(if stray { b"?" } else { line })
    }
}

impl Request {
    /// Appends the request as it goes over the wire, with a Content-Length if it has none yet.
    pub fn print(&self, out: &mut Vec<u8>) {
        out.reserve(256 + self.body.len());
        out.extend_from_slice(self.method.as_str().as_bytes());
        out.push(b' ');
        out.extend_from_slice(self.uri.as_str().as_bytes());
        out.extend_from_slice(b" SIP/2.0\r\n");
        print_rest(&self.headers, &self.body, out);
    }
}

impl Response {
    /// Appends the response as it goes over the wire, with a Content-Length if it has none yet.
    pub fn print(&self, out: &mut Vec<u8>) {
        out.reserve(256 + self.body.len());
        out.extend_from_slice(b"SIP/2.0 ");
        lex::push_number(u64::from(self.status.code()), out);
        out.push(b' ');
        out.extend_from_slice(&self.reason);
        out.extend_from_slice(b"\r\n");
        print_rest(&self.headers, &self.body, out);
    }
}

fn print_rest(headers: &Headers, body: &[u8], out: &mut Vec<u8>) {
    headers.print(out);
    if !headers.has(Name::CONTENT_LENGTH) {
        out.extend_from_slice(b"Content-Length: ");
        lex::push_number(body.len() as u64, out);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
}

#[cfg(test)]
mod tests;
