//! Messages in the bytes of a connection: one after the other, or each in a WebSocket message.

use super::websocket::WebSocket;
use crate::sip::framing::{Frame, Framing, Limits};
use crate::sip::locate::Transport;
use crate::sip::message::ParseError;

/// What came.
pub(super) enum Piece {
    /// The bytes of one message.
    Message(Vec<u8>),
    /// The peer asks whether we are there; what it must hear is in the output.
    Ping,
    /// The peer is there.
    Pong,
    /// Nothing can follow. What may be answered to it, if it was SIP.
    Unreadable(Option<ParseError>, String),
    /// The peer has said that nothing follows.
    End,
}

pub(super) enum Codec {
    Stream(Framing),
    WebSocket(Box<WebSocket>),
}

impl Codec {
    pub(super) fn new(transport: Transport, body: usize) -> Self {
        let limits = Limits { body, ..Limits::default() };
        match transport {
            Transport::Ws | Transport::Wss => Self::WebSocket(Box::new(WebSocket::new(limits.head + limits.body))),
            Transport::Udp | Transport::Tcp | Transport::Tls => Self::Stream(Framing::new(limits)),
        }
    }

    /// Whether messages can be sent.
    pub(super) fn is_open(&self) -> bool {
        match self {
            Self::Stream(_) => true,
            Self::WebSocket(socket) => socket.is_open(),
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        match self {
            Self::Stream(framing) => framing.push(bytes),
            Self::WebSocket(socket) => socket.push(bytes),
        }
    }

    /// The next piece of what was pushed. What the protocol itself answers is written to `output`.
    pub(super) fn next(&mut self, output: &mut Vec<u8>) -> Option<Piece> {
        match self {
            Self::Stream(framing) => framing.next().map(|frame| match frame {
                Ok(Frame::Message(bytes)) => Piece::Message(bytes),
                Ok(Frame::Ping) => {
                    output.extend_from_slice(b"\r\n");
                    Piece::Ping
                }
                Ok(Frame::Pong) => Piece::Pong,
                Err(error) => {
                    let told = error.to_string();
                    Piece::Unreadable(Some(error), told)
                }
            }),
            Self::WebSocket(socket) => socket.next(output),
        }
    }

    /// Whether a message has begun and not ended.
    pub(super) fn is_partial(&self) -> bool {
        match self {
            Self::Stream(framing) => framing.is_partial(),
            Self::WebSocket(socket) => socket.is_partial(),
        }
    }

    /// Adds a message to the output.
    pub(super) fn encode(&mut self, message: &[u8], output: &mut Vec<u8>) {
        match self {
            Self::Stream(_) => output.extend_from_slice(message),
            Self::WebSocket(socket) => socket.encode(message, output),
        }
    }
}
