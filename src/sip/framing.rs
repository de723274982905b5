//! Cutting the bytes of a connection into messages (RFC 3261 section 18.3) and keep-alives (RFC 5626 section 3.5.1).
//!
//! ```text
//! Between --CRLF--> Between (Pong, then Ping for the one that makes a pair)
//!    |
//!    +--any other byte--> Head --blank line--> Body --Content-Length bytes--> Between (Message)
//! ```
//! Every byte is looked at once, however the bytes are cut up. The first error is the last thing that comes: where a
//! message ends is unknown after it, so the connection is closed, after its answer if it has one.

use super::message::wire::{MAX_HEADER_SECTION, MAX_MESSAGE, content_length};
use super::message::{Name, ParseError, Problem, lex};

/// What a connection may make us hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest start line and header section together, in bytes.
    pub head: usize,
    /// Longest body, in bytes.
    pub body: usize,
}

impl Default for Limits {
    /// The same as over UDP.
    fn default() -> Self {
        Self { head: MAX_HEADER_SECTION, body: MAX_MESSAGE }
    }
}

/// One thing that came by a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// The bytes of one message, for [`super::message::wire::parse`].
    Message(Vec<u8>),
    /// CRLF: the answer to a ping of ours, or the first half of theirs. Good news about the connection either way.
    Pong,
    /// The second CRLF of a pair: CRLF is owed.
    Ping,
}

/// The bytes of one connection that have not been given out yet.
#[derive(Debug)]
pub struct Framing {
    limits: Limits,
    buffer: Vec<u8>,
    /// What has been given out.
    start: usize,
    /// What has been looked at.
    seen: usize,
    /// The length of the message being read, once its head is complete.
    whole: Option<usize>,
    /// Whether the last frame was half a ping.
    half_ping: bool,
    failed: bool,
}

/// Given-out bytes are dropped from the buffer when there are this many, so that moving the rest stays rare.
const COMPACT_AT: usize = 16 * 1024;

/// A larger buffer is given back when nothing waits in it: most connections are at rest most of the time.
const KEPT: usize = 32 * 1024;

impl Framing {
    /// For one connection.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, buffer: Vec::new(), start: 0, seen: 0, whole: None, half_ping: false, failed: false }
    }

    /// Takes bytes from the connection. Frames must be taken out with [`Framing::next`] until there are none, or the
    /// buffer grows.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failed {
            return;
        }
        if self.start == self.buffer.len() || self.start >= COMPACT_AT {
            self.buffer.drain(..self.start);
            self.seen -= self.start;
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether part of a message waits for its rest; a connection that stays so for long is being held open in vain.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.start < self.buffer.len()
    }

    /// The next frame, or why there will be none.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Option<Result<Frame, ParseError>> {
        if self.failed {
            return None;
        }
        match self.advance() {
            Ok(frame) => frame.map(Ok),
            Err(problem) => {
                self.failed = true;
                let error = ParseError::new(problem, &self.buffer[self.start..]);
                self.buffer = Vec::new();
                (self.start, self.seen) = (0, 0);
                Some(Err(error))
            }
        }
    }

    fn advance(&mut self) -> Result<Option<Frame>, Problem> {
        if self.start == self.buffer.len() && self.buffer.capacity() > KEPT {
            self.buffer = Vec::new();
            (self.start, self.seen) = (0, 0);
        }
        let waiting = &self.buffer[self.start..];
        if self.whole.is_none() {
            match waiting {
                [] | [b'\r'] => return Ok(None),
                [b'\r', b'\n', ..] => return Ok(Some(self.take_line_end())),
                _ => self.half_ping = false,
            }
            self.whole = self.find_whole()?;
        }
        let Some(whole) = self.whole else { return Ok(None) };
        let end = self.start + whole;
        if self.buffer.len() < end {
            return Ok(None);
        }
        let message = self.buffer[self.start..end].to_vec();
        self.give_out(end);
        Ok(Some(Frame::Message(message)))
    }

    fn take_line_end(&mut self) -> Frame {
        self.give_out(self.start + 2);
        self.half_ping = !self.half_ping;
        if self.half_ping { Frame::Pong } else { Frame::Ping }
    }

    fn give_out(&mut self, end: usize) {
        (self.start, self.seen, self.whole) = (end, end, None);
    }

    /// Looks for the blank line in what is new; once it is there, the length of the whole message.
    fn find_whole(&mut self) -> Result<Option<usize>, Problem> {
        while let Some(offset) = memchr::memchr(b'\n', &self.buffer[self.seen..]) {
            let line_feed = self.seen + offset;
            let line = &self.buffer[self.start..=line_feed];
            if !line.ends_with(b"\r\n") {
                return Err(Problem::Control);
            }
            self.seen = line_feed + 1;
            if line.len() > self.limits.head {
                return Err(Problem::TooLarge);
            }
            if line.ends_with(b"\r\n\r\n") {
                let body = body_length(line)?;
                if body > self.limits.body {
                    return Err(Problem::BodyTooLarge);
                }
                return Ok(Some(line.len() + body));
            }
        }
        self.seen = self.buffer.len();
        if self.seen - self.start > self.limits.head { Err(Problem::TooLarge) } else { Ok(None) }
    }
}

/// Content-Length of a complete head. It must be there: nothing else ends a body on a stream.
fn body_length(head: &[u8]) -> Result<usize, Problem> {
    let mut values = Vec::new();
    let mut rest = head;
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let mut line = &rest[..end];
        rest = &rest[end + 1..];
        if !matches!(line.first(), Some(b'c' | b'C' | b'l' | b'L')) {
            continue;
        }
        // Folds belong to the header, and one of Content-Length has none: some readers would miss what it folds.
        let mut folded = false;
        while matches!(rest.first(), Some(b' ' | b'\t')) {
            let more = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            line = &head[head.len() - rest.len() - line.len() - 1..head.len() - rest.len() + more];
            rest = rest.get(more + 1..).unwrap_or_default();
            folded = true;
        }
        if let Some(colon) = memchr::memchr(b':', line)
            && Name::parse(lex::trim_end(&line[..colon])) == Some(Name::CONTENT_LENGTH)
        {
            if folded {
                return Err(Problem::ContentLength);
            }
            values.push(lex::trim(&line[colon + 1..]));
        }
    }
    content_length(values.into_iter())?.ok_or(Problem::NoContentLength)
}

#[cfg(test)]
mod tests;
