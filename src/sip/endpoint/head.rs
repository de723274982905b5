//! What the endpoint reads from the head of a message, and what it writes there.

use std::net::{IpAddr, SocketAddr};

use crate::ids::MAGIC_COOKIE;
use crate::sip::locate::numeric;
use crate::sip::message::header::{CSeq, Rport, Via};
use crate::sip::message::{Headers, Message, Method, Name, Request, Response, Status, lex, wire};
use crate::sip::uri::Host;

/// The topmost Via.
#[derive(Debug)]
pub(super) struct TopVia {
    pub(super) via: Via,
    /// Whether the sender wants the answer at the port it sent from (RFC 3581).
    pub(super) rport: bool,
    /// Where the sender wants the answer instead, if that is an address.
    pub(super) maddr: Option<IpAddr>,
    /// The Via as it came, where its branch is none of RFC 3261 and all of it has to match.
    pub(super) raw: Vec<u8>,
}

impl TopVia {
    /// The branch, if it was made as RFC 3261 section 8.1.1.7 says.
    pub(super) fn branch(&self) -> Option<&str> {
        let cookie = MAGIC_COOKIE.as_bytes();
        let starts =
            |branch: &&str| branch.as_bytes().get(..cookie.len()).is_some_and(|s| s.eq_ignore_ascii_case(cookie));
        self.via.branch().filter(starts)
    }
}

/// The topmost Via, if it is well-formed.
pub(super) fn top_via(headers: &Headers) -> Option<TopVia> {
    let via = headers.via().ok()?;
    let mut top = TopVia {
        rport: via.rport() != Rport::Absent,
        maddr: via.params.get("maddr").and_then(numeric),
        raw: Vec::new(),
        via,
    };
    if top.branch().is_none() {
        let line = headers.get(Name::VIA).unwrap_or_default();
        top.raw = lex::elements(line).next().unwrap_or_default().to_vec();
    }
    Some(top)
}

/// The topmost Via of a response, and whether it is the only one.
pub(super) fn first_via(headers: &Headers) -> Option<(Via, bool)> {
    let mut vias = headers.each::<Via>();
    let via = vias.next()?.ok()?;
    Some((via, vias.next().is_none()))
}

/// The ACK for a refusal of the INVITE that was sent as `invite` (RFC 3261 section 17.1.1.3).
pub(super) fn ack(invite: &[u8], refusal: &Response) -> Option<Vec<u8>> {
    let invite = sent(invite)?;
    let mut ack = follow_up(&invite, Method::Ack)?;
    // A refusal without To is malformed, and would come again and again without its ACK.
    if let Some(to) = refusal.headers.get(Name::TO) {
        ack.headers.replace(Name::TO, to);
    }
    Some(print_request(&ack))
}

/// The CANCEL for the INVITE that was sent as `invite`, and its branch (section 9.1).
pub(super) fn cancel(invite: &[u8]) -> Option<(String, Vec<u8>)> {
    let invite = sent(invite)?;
    let branch = invite.headers.via().ok()?.branch()?.to_owned();
    let cancel = follow_up(&invite, Method::Cancel)?;
    Some((branch, print_request(&cancel)))
}

fn sent(bytes: &[u8]) -> Option<Request> {
    match wire::parse(bytes).ok()? {
        Message::Request(request) => Some(request),
        Message::Response(_) => None,
    }
}

/// What ACK and CANCEL share: Request-URI, our Via alone, Route, From, To, Call-ID and the number of CSeq.
fn follow_up(invite: &Request, method: Method) -> Option<Request> {
    let number = cseq(&invite.headers)?.number;
    let mut request = Request::new(method, invite.uri.clone());
    // Ours has a line of its own, before all others.
    request.headers.push(Name::VIA, invite.headers.get(Name::VIA)?);
    for name in [Name::ROUTE, Name::MAX_FORWARDS, Name::FROM, Name::TO, Name::CALL_ID] {
        request.headers.copy(&invite.headers, name);
    }
    request.headers.push(Name::CSEQ, format!("{number} {}", request.method));
    Some(request)
}

/// Writes `received` and `rport` into the topmost Via (RFC 3261 section 18.2.1, RFC 3581 section 4). A value the sender
/// wrote there itself is overwritten.
pub(super) fn mark_via(headers: &mut Headers, top: &TopVia, source: SocketAddr) {
    let address = source.ip().to_canonical();
    let same = match top.via.host() {
        Host::Name(_) => false,
        Host::V4(host) => IpAddr::V4(host) == address,
        Host::V6(host) => IpAddr::V6(host).to_canonical() == address,
    };
    if same && !top.rport && top.via.received().is_none() {
        return;
    }
    let mut via = top.via.clone();
    via.set_received(address);
    if top.rport {
        via.set_rport(source.port());
    }
    headers.set_first(&via);
}

/// The number of CSeq and its method.
pub(super) fn cseq(headers: &Headers) -> Option<CSeq> {
    headers.cseq().ok()
}

/// Call-ID byte by byte; empty if there is none.
pub(super) fn call_id(headers: &Headers) -> &[u8] {
    headers.get(Name::CALL_ID).unwrap_or_default()
}

/// The From tag as it is written.
pub(super) fn from_tag(headers: &Headers) -> Option<&[u8]> {
    headers.get(Name::FROM).and_then(tag)
}

/// The To tag as it is written.
pub(super) fn to_tag(headers: &Headers) -> Option<&[u8]> {
    headers.get(Name::TO).and_then(tag)
}

/// The tag of a From or To. Reads no more of the value than it must: whether the rest is well-formed is for
/// `message::check` to say.
fn tag(value: &[u8]) -> Option<&[u8]> {
    let rest = value.get(lex::quoted_len(value).unwrap_or(0)..)?;
    let params = match memchr::memchr(b'<', rest) {
        Some(open) => rest.get(open + memchr::memchr(b'>', rest.get(open..)?)? + 1..)?,
        None => rest,
    };
    let mut params = params.get(memchr::memchr(b';', params)?..)?;
    while let Some(text) = params.strip_prefix(b";") {
        let end = lex::find_outside(text, b';', false).unwrap_or(text.len());
        let (param, next) = text.split_at(end);
        if let Some(equals) = memchr::memchr(b'=', param) {
            let (name, value) = param.split_at(equals);
            if lex::trim(name).eq_ignore_ascii_case(b"tag") {
                return value.get(1..).map(lex::trim);
            }
        }
        params = next;
    }
    None
}

/// Adds a To tag where there is none (RFC 3261 section 8.2.6.2).
pub(super) fn ensure_to_tag(response: &mut Response, tag: &str) {
    let Some(value) = response.headers.get(Name::TO) else { return };
    if self::tag(value).is_some() {
        return;
    }
    let mut tagged = Vec::with_capacity(value.len() + 5 + tag.len());
    tagged.extend_from_slice(value);
    tagged.extend_from_slice(b";tag=");
    tagged.extend_from_slice(tag.as_bytes());
    response.headers.replace(Name::TO, &tagged);
}

/// The response that a request and a status make by themselves.
pub(super) fn plain(request: &Request, status: Status, tag: &str) -> Response {
    let mut response = request.response(status);
    if status != Status::TRYING {
        ensure_to_tag(&mut response, tag);
    }
    response
}

/// Whether [`plain`] makes `response` again. `tag` is the one it would add, `None` where the request had one.
pub(super) fn is_plain(response: &Response, tag: Option<&str>) -> bool {
    const REPEATED: [Name<'static>; 5] = [Name::VIA, Name::FROM, Name::TO, Name::CALL_ID, Name::CSEQ];
    response.body().is_empty()
        && response.reason() == response.status.reason()
        && tag.is_none_or(|tag| to_tag(&response.headers) == Some(tag.as_bytes()))
        && response.headers.iter().all(|(name, _)| REPEATED.contains(&Name::from(name)))
}

/// The 100 of a request as it goes over the wire, in no more bytes than it has: most are kept and never sent.
pub(super) fn trying(request: &Request, scratch: &mut Vec<u8>) -> Box<[u8]> {
    scratch.clear();
    scratch.extend_from_slice(b"SIP/2.0 100 Trying\r\n");
    request.headers.print_repeated(scratch);
    scratch.extend_from_slice(b"Content-Length: 0\r\n\r\n");
    Box::from(scratch.as_slice())
}

/// The request as it goes over the wire.
pub(super) fn print_request(request: &Request) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1024);
    request.print(&mut bytes);
    bytes
}

/// The response as it goes over the wire.
pub(super) fn print_response(response: &Response) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512);
    response.print(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_found_behind_the_address_only() {
        for (value, expected) in [
            ("<sip:a@b>;tag=x1", Some("x1")),
            ("sip:a@b;tag=x1", Some("x1")),
            ("\"<;tag=no>\" <sip:a@b;tag=no> ; x=\";tag=no\" ; TAG = x1 ;lr", Some("x1")),
            ("A <sip:a@b;tag=no>", None),
            ("sip:a@b", None),
            ("<sip:a@b", None),
            ("<sip:a@b>;tag", None),
            ("<sip:a@b>;tag=", Some("")),
            ("\"open <sip:a@b>;tag=x", Some("x")),
            ("", None),
        ] {
            let found = tag(value.as_bytes()).map(String::from_utf8_lossy);
            assert_eq!(found.as_deref(), expected, "{value}");
        }
    }
}
