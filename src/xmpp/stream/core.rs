//! What every stream does, whoever opened it and whatever it carries (RFC 6120 section 4): pieces out of bytes, headers,
//! errors, the closing handshake, and the clocks.
//!
//! The machines on top ([`Stream`](super::Stream), [`ServerStream`](super::server::ServerStream)) decide what a piece
//! means; this knows how to say things and when it is over.

use std::time::Duration;

use super::{Cause, StreamConfig, StreamError};
use crate::time::Now;
use crate::xml::splitter::{Piece, Splitter};
use crate::xml::{Limits, ns, writer};

/// How far a stream is from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    Open,
    /// We have said `</stream:stream>` and wait for the peer's.
    Closing,
    Closed,
}

/// The common part of one end of a stream.
pub(crate) struct Core {
    pub(crate) config: StreamConfig,
    pub(crate) output: Vec<u8>,
    pub(crate) life: Life,
    /// When the part of the negotiation that has a deadline began, or the closing.
    pub(crate) since: Duration,
    /// When bytes last came.
    pub(crate) heard: Duration,
    /// When the question was sent that nothing has come after yet.
    pub(crate) pinged: Option<Duration>,
    pub(crate) pings: u64,
    /// `xml:lang` of the peer's header, for stanzas that have none (RFC 6120 section 4.7.4).
    pub(crate) lang: Option<String>,
    splitter: Splitter,
    /// The content namespace.
    content: &'static str,
    /// Whether our header was written.
    opened: bool,
}

const CLOSE: &[u8] = b"</stream:stream>";

impl Core {
    /// A stream whose stanzas are in `content`.
    pub(crate) fn new(config: StreamConfig, content: &'static str, now: Now) -> Self {
        Self {
            splitter: Splitter::new(config.limits),
            config,
            output: Vec::new(),
            life: Life::Open,
            since: now.mono,
            heard: now.mono,
            pinged: None,
            pings: 0,
            lang: None,
            content,
            opened: false,
        }
    }

    /// Takes bytes in; [`Self::next_piece`] is then to be asked until it has none.
    pub(crate) fn push(&mut self, bytes: &[u8], now: Now) {
        self.heard = now.mono;
        self.pinged = None;
        self.splitter.push(bytes);
    }

    pub(crate) fn next_piece(&mut self) -> Result<Option<Piece>, StreamError> {
        self.splitter.next().map_err(StreamError::from)
    }

    /// Whether bytes came that belong to no piece yet.
    pub(crate) fn has_more(&self) -> bool {
        self.held() > 0
    }

    /// Bytes that came and belong to no piece yet.
    pub(crate) fn held(&self) -> usize {
        self.splitter.pending()
    }

    /// Other limits from here on.
    pub(crate) fn limit(&mut self, limits: Limits) {
        self.config.limits = limits;
        self.splitter.set_limits(limits);
    }

    /// A new stream on the same connection (RFC 6120 section 4.3.3): both headers are still to come. What the peer has sent
    /// behind its last element counts as the start of it; before TLS the caller sees to it that there is nothing.
    pub(crate) fn restart(&mut self) {
        self.splitter.restart();
        self.opened = false;
        self.lang = None;
    }

    /// Whether our header is still to be written.
    pub(crate) fn is_unopened(&self) -> bool {
        !self.opened
    }

    /// Writes our header: the content namespace, that of streams, `declared` (prefix and name), then `attributes`.
    pub(crate) fn open(&mut self, declared: &[(&str, &str)], attributes: &[(&str, &str)]) {
        self.output.extend_from_slice(b"<?xml version='1.0'?><stream:stream");
        writer::attribute("xmlns", self.content, &mut self.output);
        writer::attribute("xmlns:stream", ns::STREAM, &mut self.output);
        for (name, value) in declared.iter().chain(attributes) {
            writer::attribute(name, value, &mut self.output);
        }
        self.output.push(b'>');
        self.opened = true;
    }

    pub(crate) fn write(&mut self, text: &str) {
        self.output.extend_from_slice(text.as_bytes());
    }

    /// Says what is wrong and ends. Our header must have been written (RFC 6120 section 4.9.1.2).
    pub(crate) fn fail(&mut self, error: &StreamError) {
        if self.life == Life::Open {
            error.write(&mut self.output);
        }
        self.end();
    }

    /// Ends; nothing is waited for any more.
    pub(crate) fn end(&mut self) {
        if self.life == Life::Open && self.opened {
            self.output.extend_from_slice(CLOSE);
        }
        self.life = Life::Closed;
    }

    /// Ends without another word, since none could be read.
    pub(crate) fn drop_dead(&mut self) {
        self.life = Life::Closed;
    }

    /// Closes our side and waits for the peer's (RFC 6120 section 4.4).
    pub(crate) fn close(&mut self, now: Now) {
        if self.life == Life::Open {
            self.output.extend_from_slice(CLOSE);
            self.life = Life::Closing;
            self.since = now.mono;
        }
    }

    /// What the end of the connection means now.
    pub(crate) fn cause_of_disconnection(&self) -> Cause {
        if self.life == Life::Closing { Cause::Closed } else { Cause::Disconnected }
    }

    /// When silence calls for something: for a question, or, after one, for the end.
    pub(crate) fn silence_ends(&self) -> Duration {
        match self.pinged {
            None => self.heard + self.config.ping_every,
            Some(sent) => sent + self.config.ping_timeout,
        }
    }

    /// Moves what is to be sent to the end of `into`; whether that was anything.
    pub(crate) fn poll_output(&mut self, into: &mut Vec<u8>) -> bool {
        let any = !self.output.is_empty();
        if into.is_empty() {
            std::mem::swap(&mut self.output, into);
        } else {
            into.append(&mut self.output);
        }
        any
    }
}
