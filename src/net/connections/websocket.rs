//! WebSocket as a server (RFC 6455, RFC 7118): its handshake, then one SIP message in each of its messages. No socket
//! is in it: bytes go in and come out.

use std::io::{self, Read, Write};

use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::header::HeaderValue;
use tokio_tungstenite::tungstenite::http::{HeaderMap, StatusCode};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self as ws, Error, Message, accept_hdr_with_config};

use super::codec::Piece;
use crate::sip::framing::{Frame, Framing, Limits};

/// The longest HTTP request: that of a browser with its cookies.
const MAX_REQUEST: usize = 16 * 1024;

/// What a quiet connection holds; it grows with what comes.
const READ_BUFFER: usize = 2 * 1024;

const PROTOCOL_HEADER: &str = "Sec-WebSocket-Protocol";

/// The only subprotocol there is here (RFC 7118 section 4.1).
const SUBPROTOCOL: &str = "sip";

/// The answer to what is no WebSocket handshake.
const BAD_REQUEST: &[u8] = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// One connection.
pub(super) struct WebSocket {
    state: State,
    /// The largest message, bytes.
    largest: usize,
    /// Whether bytes came that have not become a message yet.
    unfinished: bool,
}

enum State {
    /// The HTTP request so far.
    Request(Vec<u8>),
    Open(Box<ws::WebSocket<Pipe>>),
    Over,
}

/// The two directions, in memory.
#[derive(Debug, Default)]
struct Pipe {
    input: Vec<u8>,
    taken: usize,
    output: Vec<u8>,
}

impl Read for Pipe {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = self.input.get(self.taken..).unwrap_or_default();
        if left.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let length = left.len().min(into.len());
        into[..length].copy_from_slice(&left[..length]);
        self.taken += length;
        if self.taken == self.input.len() {
            self.input.clear();
            self.taken = 0;
        }
        Ok(length)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl WebSocket {
    /// For one connection that was just taken.
    pub(super) fn new(largest: usize) -> Self {
        Self { state: State::Request(Vec::new()), largest, unfinished: false }
    }

    /// Whether the handshake is done and the connection not over.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    pub(super) fn is_partial(&self) -> bool {
        self.unfinished
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Request(request) => request.extend_from_slice(bytes),
            State::Open(socket) => socket.get_mut().input.extend_from_slice(bytes),
            State::Over => return,
        }
        self.unfinished = true;
    }

    pub(super) fn next(&mut self, output: &mut Vec<u8>) -> Option<Piece> {
        if let State::Request(request) = &mut self.state {
            let whole = memchr::memmem::find(request, b"\r\n\r\n").is_some();
            if !whole && request.len() <= MAX_REQUEST {
                return None;
            }
            let request = std::mem::take(request);
            self.state = match shake_hands(request, self.largest, output) {
                Ok(socket) => State::Open(Box::new(socket)),
                Err(why) => {
                    self.state = State::Over;
                    return Some(Piece::Unreadable(None, why));
                }
            };
            self.unfinished = false;
        }
        let State::Open(socket) = &mut self.state else { return None };
        let (piece, over) = read(socket);
        output.append(&mut socket.get_mut().output);
        if over {
            self.state = State::Over;
        }
        if piece.is_some() {
            self.unfinished = false;
        }
        piece
    }

    pub(super) fn encode(&mut self, message: &[u8], output: &mut Vec<u8>) {
        let State::Open(socket) = &mut self.state else { return };
        // RFC 7118 section 4.2: what is not UTF-8 goes in a binary message.
        let message = match std::str::from_utf8(message) {
            Ok(text) => Message::text(text),
            Err(_) => Message::binary(message.to_vec()),
        };
        // Writing into memory cannot fail; a connection in the middle of its closing takes nothing more.
        let _ = socket.send(message);
        output.append(&mut socket.get_mut().output);
    }
}

/// Answers the request, and gives the connection or why there is none.
#[expect(clippy::result_large_err, reason = "the form that the library asks for")]
fn shake_hands(request: Vec<u8>, largest: usize, output: &mut Vec<u8>) -> Result<ws::WebSocket<Pipe>, String> {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(Some(largest))
        .max_frame_size(Some(largest));
    let mut refused = false;
    let pipe = Pipe { input: request, ..Pipe::default() };
    let accepted = accept_hdr_with_config(
        pipe,
        |request: &Request, response: Response| answer(request, response, &mut refused),
        Some(config),
    );
    match accepted.map_err(|error| error.to_string()) {
        Ok(mut socket) => {
            output.append(&mut socket.get_mut().output);
            Ok(socket)
        }
        Err(why) => {
            output.extend_from_slice(BAD_REQUEST);
            Err(if refused { "it does not offer the subprotocol sip".to_owned() } else { why })
        }
    }
}

/// The answer to a proper handshake: with the subprotocol, if it was offered.
#[expect(clippy::result_large_err, reason = "the form that the library asks for")]
fn answer(request: &Request, mut response: Response, refused: &mut bool) -> Result<Response, ErrorResponse> {
    if offers_sip(request.headers()) {
        response.headers_mut().insert(PROTOCOL_HEADER, HeaderValue::from_static(SUBPROTOCOL));
        return Ok(response);
    }
    *refused = true;
    let mut refusal = ErrorResponse::new(None);
    *refusal.status_mut() = StatusCode::BAD_REQUEST;
    Err(refusal)
}

fn offers_sip(headers: &HeaderMap) -> bool {
    let offers = headers.get_all(PROTOCOL_HEADER).into_iter().filter_map(|value| value.to_str().ok());
    offers.flat_map(|value| value.split(',')).any(|offer| offer.trim().eq_ignore_ascii_case(SUBPROTOCOL))
}

/// What comes next, and whether it is the end.
fn read(socket: &mut ws::WebSocket<Pipe>) -> (Option<Piece>, bool) {
    let piece = match socket.read() {
        Ok(Message::Text(text)) => return of_message(socket, text.as_str().as_bytes()),
        Ok(Message::Binary(bytes)) => return of_message(socket, &bytes),
        Ok(Message::Ping(_)) => {
            // Its answer waits inside until something is written.
            let _ = socket.flush();
            Piece::Ping
        }
        Ok(Message::Pong(_) | Message::Frame(_)) => Piece::Pong,
        Ok(Message::Close(_)) => {
            let _ = socket.flush();
            return (Some(Piece::End), true);
        }
        Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return (None, false),
        Err(error) => {
            let code = if matches!(error, Error::Capacity(_)) { CloseCode::Size } else { CloseCode::Protocol };
            return (Some(close(socket, code, error.to_string())), true);
        }
    };
    (Some(piece), false)
}

/// A message, or one of the keep-alives that RFC 7118 section 6 allows in its place.
fn of_message(socket: &mut ws::WebSocket<Pipe>, bytes: &[u8]) -> (Option<Piece>, bool) {
    let piece = match bytes {
        b"\r\n\r\n" => {
            let _ = socket.send(Message::text("\r\n"));
            Piece::Ping
        }
        b"\r\n" | b"" => Piece::Pong,
        _ if has_more_than_one(bytes) => {
            let why = "more than one SIP message in a WebSocket message".to_owned();
            return (Some(close(socket, CloseCode::Policy, why)), true);
        }
        _ => Piece::Message(bytes.to_vec()),
    };
    (Some(piece), false)
}

/// Whether something follows the message, by its own Content-Length; it need not have one (RFC 7118 section 5).
fn has_more_than_one(bytes: &[u8]) -> bool {
    let mut framing = Framing::new(Limits { head: bytes.len(), body: bytes.len() });
    framing.push(bytes);
    matches!(framing.next(), Some(Ok(Frame::Message(message))) if message.len() < bytes.len())
}

/// Says good-bye, and why for the log.
fn close(socket: &mut ws::WebSocket<Pipe>, code: CloseCode, why: String) -> Piece {
    let _ = socket.close(Some(CloseFrame { code, reason: ws::Utf8Bytes::default() }));
    let _ = socket.flush();
    Piece::Unreadable(None, why)
}

#[cfg(test)]
mod tests;
