//! Texts of the vectors as the types they mean, and the mappings that name every domain in them alike on both sides.

use stox::mapping::{DomainMapping, Home, Mapping, UriForm};
use stox::sip::message::{Message as SipMessage, Request, Response, wire as sip_wire};
use stox::sip::uri::{Host, Uri};
use stox::xml::{Element, Limits, ns, reader};
use stox::xmpp::{Jid, Message, Stanza};

/// Every domain is itself on the other side.
pub(super) fn mapping_of(domains: impl IntoIterator<Item = String>, form: UriForm) -> Mapping {
    Mapping::new(distinct(domains, form)).expect("distinct domains do not conflict")
}

fn distinct(domains: impl IntoIterator<Item = String>, form: UriForm) -> Vec<DomainMapping> {
    let mut distinct: Vec<DomainMapping> = Vec::new();
    for name in domains {
        let domain = DomainMapping { form, ..DomainMapping::new(Home::Sip, &name, &name, None) };
        if !distinct.iter().any(|known| known.xmpp == domain.xmpp) {
            distinct.push(domain);
        }
    }
    distinct
}

pub(super) fn mapping_of_message(message: &Message) -> Mapping {
    let jids = message.from.iter().chain(&message.to);
    mapping_of(jids.map(|jid| jid.domain().to_owned()), UriForm::Sip)
}

pub(super) fn domains_of_request(request: &Request) -> Result<Vec<DomainMapping>, String> {
    let from = request.headers.from().map_err(|error| error.to_string())?;
    Ok(distinct([host(&request.uri), host(&from.uri)], UriForm::Sip))
}

pub(super) fn host(uri: &Uri) -> String {
    match uri.host() {
        Some(Host::Name(name)) => name.to_owned(),
        Some(Host::V4(address)) => address.to_string(),
        Some(Host::V6(address)) => format!("[{address}]"),
        None => String::new(),
    }
}

/// LF stands for CRLF in the vectors.
pub(super) fn wire(text: &str) -> String {
    text.replace('\n', "\r\n")
}

/// A SIP text; one without body lacks the empty line after its headers.
fn sip_of(text: &str) -> Result<SipMessage, String> {
    let mut text = wire(text);
    if !text.contains("\r\n\r\n") {
        text.push_str("\r\n\r\n");
    }
    sip_wire::parse(text.as_bytes()).map_err(|error| format!("{error:?}"))
}

pub(super) fn request_of(text: &str) -> Result<Request, String> {
    match sip_of(text)? {
        SipMessage::Request(request) => Ok(request),
        SipMessage::Response(_) => Err("not a request".to_owned()),
    }
}

/// A bare status line is a response whose headers do not matter.
pub(super) fn response_of(text: &str) -> Result<Response, String> {
    if !text.contains('\n') {
        let code = text.split(' ').nth(1).and_then(|code| code.parse().ok());
        return code.and_then(stox::sip::message::Status::new).map(Response::new).ok_or_else(|| "no status".to_owned());
    }
    match sip_of(text)? {
        SipMessage::Response(response) => Ok(response),
        SipMessage::Request(_) => Err("not a response".to_owned()),
    }
}

pub(super) fn element_of(text: &str) -> Result<Element, String> {
    let text = text.replacen("<message", &format!("<message xmlns='{}'", ns::CLIENT), 1);
    reader::parse(text.trim().as_bytes(), &Limits::document()).map_err(|error| error.to_string())
}

pub(super) fn message_of(text: &str) -> Result<Message, String> {
    match Stanza::from_element(element_of(text)?) {
        Ok(Stanza::Message(message)) => Ok(message),
        Ok(_) => Err("not a message".to_owned()),
        Err(problem) => Err(format!("{problem:?}")),
    }
}

/// A message with what a fragment of one lacks.
pub(super) fn message_around(fragment: &str) -> Result<Message, String> {
    let whole =
        if fragment.contains("<message") { fragment.to_owned() } else { format!("<message>{fragment}</message>") };
    let mut message = message_of(&whole)?;
    message.from = message.from.or_else(|| Jid::parse("juliet@example.com/balcony").ok());
    message.to = message.to.or_else(|| Jid::parse("romeo@example.net").ok());
    if message.body().is_none() {
        message = message.with_body(None, "x");
    }
    Ok(message)
}

/// An object with what a fragment of one lacks. A Content- header belongs to the MIME part.
pub(super) fn cpim_around(fragment: &str) -> String {
    let mut object = String::new();
    for (name, line) in [("From:", "From: <im:romeo@example.net>\r\n"), ("To:", "To: <im:juliet@example.com>\r\n")] {
        if !fragment.starts_with(name) {
            object.push_str(line);
        }
    }
    let in_part = fragment.to_ascii_lowercase().starts_with("content-");
    if !in_part {
        object.push_str(fragment);
        object.push_str("\r\n");
    }
    object.push_str("\r\nContent-type: text/plain; charset=utf-8\r\n");
    if in_part {
        object.push_str(fragment);
        if fragment.contains("\r\n\r\n") {
            return object;
        }
        object.push_str("\r\n");
    }
    object.push_str("\r\nx");
    object
}
