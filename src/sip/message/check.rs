//! What is looked at before anybody acts on a message (RFC 3261 section 8.2; RFC 4475 says what for).

use super::header::{CSeq, Contact, From, MaxForwards, Params, RecordRoute, Route, To, Via};
use super::name::NameSet;
use super::{BadHeader, Header, Headers, Method, Name, Request, Response, Status};
use crate::sip::uri::Scheme;
use std::borrow::Cow;

/// The headers that every message must have, read once.
#[derive(Clone, Debug, PartialEq)]
pub struct Essentials {
    /// The topmost Via.
    pub via: Via,
    /// Who asks.
    pub from: From,
    /// Who is asked.
    pub to: To,
    /// Number and method.
    pub cseq: CSeq,
}

/// Why a request is not served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status of the answer.
    pub status: Status,
    /// Its reason phrase.
    pub reason: Cow<'static, str>,
    /// What the status wants told besides.
    pub headers: Vec<(Name<'static>, String)>,
}

/// Headers that are no lists (RFC 3261 section 20): a second one makes two readers see two messages.
const SINGLE: NameSet = NameSet::of(&[
    Name::CALL_ID,
    Name::CSEQ,
    Name::FROM,
    Name::TO,
    Name::MAX_FORWARDS,
    Name::MAX_BREADTH,
    Name::CONTENT_TYPE,
    Name::CONTENT_LENGTH,
    Name::CONTENT_DISPOSITION,
    Name::EXPIRES,
    Name::MIN_EXPIRES,
    Name::DATE,
    Name::SUBJECT,
    Name::PRIORITY,
    Name::ORGANIZATION,
    Name::MIME_VERSION,
    Name::TIMESTAMP,
    Name::USER_AGENT,
    Name::REPLY_TO,
    Name::REFER_TO,
    Name::REFERRED_BY,
    Name::REPLACES,
    Name::EVENT,
    Name::SUBSCRIPTION_STATE,
    Name::SIP_ETAG,
    Name::SIP_IF_MATCH,
    Name::SESSION_EXPIRES,
    Name::MIN_SE,
]);

/// Whether `request` can be served at all; if so, its essential headers.
///
/// In this order: headers that must be single are (RFC 4475 section 3.3.8); Via, From, To, Call-ID and CSeq are there
/// and well-formed, without a parameter that is there twice, and CSeq repeats the method (3.1.2.17); Max-Forwards, Contact, Route and Record-Route are well-formed if
/// there are any; the Request-URI has a scheme we know (416) and carries no headers (3.1.2.11).
pub fn check(request: &Request) -> Result<Essentials, Refusal> {
    let essentials = essentials(&request.headers).map_err(Refusal::malformed)?;
    if essentials.cseq.method != request.method {
        // RFC 4475 section 3.1.2.18: that we do not know the method is the better answer.
        let is_unknown = matches!(request.method, Method::Other(_));
        return Err(if is_unknown {
            Refusal::new(Status::NOT_IMPLEMENTED)
        } else {
            Refusal::bad("CSeq Method Differs")
        });
    }
    let headers = &request.headers;
    headers.find::<MaxForwards>().map_err(Refusal::malformed)?;
    check_all::<Contact>(headers)?;
    check_all::<Route>(headers)?;
    check_all::<RecordRoute>(headers)?;
    match request.uri.scheme() {
        Scheme::Other => Err(Refusal::new(Status::UNSUPPORTED_URI_SCHEME)),
        Scheme::Sip | Scheme::Sips | Scheme::Tel | Scheme::Im | Scheme::Pres => {
            if request.uri.headers().next().is_some() {
                return Err(Refusal::bad("Headers in Request-URI"));
            }
            Ok(essentials)
        }
    }
}

/// Whether `response` can be matched to a request; if not, it is dropped (RFC 3261 section 8.1.3).
pub fn check_response(response: &Response) -> Result<Essentials, BadHeader> {
    essentials(&response.headers)
}

/// A 420 with what is not understood, if `request` requires an extension that is not in `supported` (RFC 3261 section
/// 8.2.2.3). ACK and CANCEL are never refused so.
#[must_use]
pub fn check_required(request: &Request, supported: &[&str]) -> Option<Refusal> {
    if matches!(request.method, Method::Ack | Method::Cancel) {
        return None;
    }
    let mut unsupported = String::new();
    let required = request.headers.tokens(Name::REQUIRE);
    for tag in required.filter(|tag| !supported.iter().any(|known| known.eq_ignore_ascii_case(tag))) {
        if !unsupported.is_empty() {
            unsupported.push_str(", ");
        }
        unsupported.push_str(tag);
    }
    if unsupported.is_empty() {
        return None;
    }
    let mut refusal = Refusal::new(Status::BAD_EXTENSION);
    refusal.headers.push((Name::UNSUPPORTED, unsupported));
    Some(refusal)
}

impl Refusal {
    /// With the usual reason phrase.
    #[must_use]
    pub fn new(status: Status) -> Self {
        Self { status, reason: Cow::Borrowed(status.reason()), headers: Vec::new() }
    }

    /// The answer, without a To tag. `None` if there may be none: to an ACK, or without a Via to send it along.
    #[must_use]
    pub fn response(&self, request: &Request) -> Option<Response> {
        if request.method == Method::Ack || request.headers.via().is_err() {
            return None;
        }
        let mut response = request.response(self.status).with_reason(&self.reason);
        for (name, value) in &self.headers {
            response.headers.push(*name, value);
        }
        Some(response)
    }

    fn bad(reason: &'static str) -> Self {
        Self { reason: Cow::Borrowed(reason), ..Self::new(Status::BAD_REQUEST) }
    }

    fn malformed(bad: BadHeader) -> Self {
        Self { reason: Cow::Owned(bad.to_string()), ..Self::new(Status::BAD_REQUEST) }
    }
}

fn essentials(headers: &Headers) -> Result<Essentials, BadHeader> {
    if let Some(name) = headers.twice(SINGLE) {
        return Err(BadHeader(name));
    }
    let mut vias = headers.each::<Via>().map(|via| via.and_then(|via| unambiguous(via, |via| &via.params)));
    let via = vias.next().ok_or(BadHeader(Name::VIA))??;
    for other in vias {
        other?;
    }
    headers.call_id().ok_or(BadHeader(Name::CALL_ID))?;
    let from = unambiguous(headers.from()?, |from| &from.0.params)?;
    let to = unambiguous(headers.to()?, |to| &to.0.params)?;
    Ok(Essentials { via, from, to, cseq: headers.cseq()? })
}

/// RFC 3261 section 7.3.1: no parameter is there twice. Of two tags or branches one reader takes the first and another
/// the last, and they see two dialogs or transactions.
fn unambiguous<H: Header>(header: H, params: impl Fn(&H) -> &Params) -> Result<H, BadHeader> {
    if params(&header).are_unique() { Ok(header) } else { Err(BadHeader(H::NAME)) }
}

fn check_all<H: Header>(headers: &Headers) -> Result<(), Refusal> {
    headers.each::<H>().try_for_each(|header| header.map(drop)).map_err(Refusal::malformed)
}

#[cfg(test)]
mod tests;
