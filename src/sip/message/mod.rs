//! Requests and responses (RFC 3261 section 7).
//!
//! ```text
//! Message = Request  { method, uri,     headers, body }
//!         | Response { status, reason,  headers, body }
//! ```
//! [`wire`] reads and prints them, [`Headers`] keeps header lines as they were received, [`header`] has a type for each
//! header we need to understand, and [`check`] finds what a request may not be.

pub mod check;
pub mod header;
mod headers;
pub(crate) mod lex;
mod method;
mod name;
mod status;
pub mod wire;

pub use header::{BadHeader, Header};
pub use headers::Headers;
pub use method::Method;
pub use name::Name;
pub use status::Status;
pub use wire::{ParseError, Problem};

use super::uri::Uri;
use std::borrow::Cow;
use std::fmt;

/// One SIP message.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// A question.
    Request(Request),
    /// Its answer.
    Response(Response),
}

/// A request (RFC 3261 section 7.1).
#[derive(Clone, PartialEq)]
pub struct Request {
    /// What is asked.
    pub method: Method,
    /// The Request-URI: of whom.
    pub uri: Uri,
    /// The headers in order.
    pub headers: Headers,
    body: Vec<u8>,
}

/// A response (RFC 3261 section 7.2).
#[derive(Clone, PartialEq)]
pub struct Response {
    /// What came of it.
    pub status: Status,
    reason: Cow<'static, [u8]>,
    /// The headers in order.
    pub headers: Headers,
    body: Vec<u8>,
}

impl Request {
    /// A request without headers and body.
    #[must_use]
    pub fn new(method: Method, uri: Uri) -> Self {
        Self { method, uri, headers: Headers::default(), body: Vec::new() }
    }

    /// The body's bytes.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Gives it a body and the Content-Type and Content-Length that go with it (RFC 3261 section 7.4).
    pub fn set_body(&mut self, content_type: &str, body: Vec<u8>) {
        self.headers.describe_body(content_type, body.len());
        self.body = body;
    }

    /// Lets go of the body of a request that is only kept to be answered.
    pub fn drop_body(&mut self) {
        self.body = Vec::new();
    }

    /// The answer's head: every Via, From, To, Call-ID and CSeq as they came (RFC 3261 section 8.2.6.2). A final answer
    /// still needs [`Response::ensure_to_tag`].
    #[must_use]
    pub fn response(&self, status: Status) -> Response {
        let mut response = Response::new(status);
        response.headers.copy_response_headers(&self.headers);
        response
    }
}

impl Response {
    /// A response with the usual reason phrase, no headers and no body.
    #[must_use]
    pub fn new(status: Status) -> Self {
        let reason = Cow::Borrowed(status.reason().as_bytes());
        Self { status, reason, headers: Headers::default(), body: Vec::new() }
    }

    /// This response with a reason phrase of its own; line breaks and NUL in it become spaces.
    #[must_use]
    pub fn with_reason(mut self, reason: &str) -> Self {
        let mut safe = Vec::with_capacity(reason.len());
        lex::push_safe(reason.as_bytes(), &mut safe);
        self.reason = Cow::Owned(safe);
        self
    }

    /// The reason phrase as it was received: any bytes, and for people only.
    #[must_use]
    pub fn reason(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.reason)
    }

    /// The body's bytes.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Gives it a body and the Content-Type and Content-Length that go with it (RFC 3261 section 7.4).
    pub fn set_body(&mut self, content_type: &str, body: Vec<u8>) {
        self.headers.describe_body(content_type, body.len());
        self.body = body;
    }

    /// Adds `tag` to To unless it has one or is malformed (RFC 3261 section 8.2.6.2).
    pub fn ensure_to_tag(&mut self, tag: &str) {
        let Some(value) = self.headers.get(Name::TO) else { return };
        if header::To::parse(value).is_ok_and(|to| to.tag().is_none()) {
            let mut tagged = Vec::with_capacity(value.len() + 5 + tag.len());
            tagged.extend_from_slice(value);
            tagged.extend_from_slice(b";tag=");
            tagged.extend_from_slice(tag.as_bytes());
            self.headers.replace(Name::TO, &tagged);
        }
    }
}

impl Message {
    /// The headers of either.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        match self {
            Message::Request(request) => &request.headers,
            Message::Response(response) => &response.headers,
        }
    }

    /// The headers of either, to change.
    pub fn headers_mut(&mut self) -> &mut Headers {
        match self {
            Message::Request(request) => &mut request.headers,
            Message::Response(response) => &mut response.headers,
        }
    }

    /// The body of either.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        match self {
            Message::Request(request) => &request.body,
            Message::Response(response) => &response.body,
        }
    }

    /// Appends the message as it goes over the wire.
    pub fn print(&self, out: &mut Vec<u8>) {
        match self {
            Message::Request(request) => request.print(out),
            Message::Response(response) => response.print(out),
        }
    }
}

/// Without the body, which is nobody's business.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {:?} + {} bytes", self.method, self.uri, self.headers, self.body.len())
    }
}

/// Without the body, which is nobody's business.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {:?} + {} bytes", self.status.code(), self.reason(), self.headers, self.body.len())
    }
}

impl From<Request> for Message {
    fn from(request: Request) -> Self {
        Message::Request(request)
    }
}

impl From<Response> for Message {
    fn from(response: Response) -> Self {
        Message::Response(response)
    }
}

#[cfg(test)]
mod tests;
