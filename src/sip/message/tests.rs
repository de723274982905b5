#![allow(clippy::unwrap_used)]

use super::header::{Contact, ContentType, From, NameAddr, RetryAfter, Route, SentTransport, To, Via};
use super::*;

fn uri(text: &str) -> Uri {
    Uri::parse(text).unwrap()
}

fn printed(message: impl Into<Message>) -> String {
    let mut out = Vec::new();
    message.into().print(&mut out);
    String::from_utf8(out).unwrap()
}

fn request() -> Request {
    let mut request = Request::new(Method::Message, uri("sip:romeo@example.net"));
    request.headers.add(&Via::new(SentTransport::Udp, "gw.example.com", Some(5060), "z9hG4bKa").unwrap());
    request.headers.push(Name::MAX_FORWARDS, "70");
    request.headers.add(&From(NameAddr::new(uri("sip:juliet@example.com")).with_tag("1")));
    request.headers.add(&To(NameAddr::new(uri("sip:romeo@example.net"))));
    request.headers.push(Name::CALL_ID, "abc");
    request.headers.push(Name::CSEQ, "1 MESSAGE");
    request.set_body("text/plain;charset=utf-8", "Wherefore?".into());
    request
}

#[test]
fn a_built_request_prints_as_the_wire_wants_it() {
    assert_eq!(
        printed(request()),
        "MESSAGE sip:romeo@example.net SIP/2.0\r\n\
         Via: SIP/2.0/UDP gw.example.com:5060;branch=z9hG4bKa\r\n\
         Max-Forwards: 70\r\n\
         From: <sip:juliet@example.com>;tag=1\r\n\
         To: <sip:romeo@example.net>\r\n\
         Call-ID: abc\r\n\
         CSeq: 1 MESSAGE\r\n\
         Content-Type: text/plain;charset=utf-8\r\n\
         Content-Length: 10\r\n\
         \r\n\
         Wherefore?"
    );
    assert!(check::check(&request()).is_ok());
}

#[test]
fn a_message_without_content_length_gets_one_when_printed() {
    let request = Request::new(Method::Options, uri("sip:example.net"));
    assert_eq!(printed(request), "OPTIONS sip:example.net SIP/2.0\r\nContent-Length: 0\r\n\r\n");
}

#[test]
fn nothing_we_add_can_forge_a_header_or_a_start_line() {
    let mut headers = Headers::default();
    headers.push(Name::SUBJECT, "a\r\nEvil: b\0c\n\n");
    headers.push("X\r\nEvil", "b");
    headers.push("X:Y", "b");
    headers.replace(Name::CALL_ID, "x\ry");
    let mut out = Vec::new();
    headers.print(&mut out);
    assert_eq!(String::from_utf8(out).unwrap(), "Subject: a  Evil: b c\r\nCall-ID: x y\r\n");
    let response = Response::new(Status::OK).with_reason("fine\r\nEvil: b");
    assert!(printed(response).starts_with("SIP/2.0 200 fine  Evil: b\r\nContent-Length"));
    assert_eq!(Method::parse(b"A\r\nB"), None);
}

#[test]
fn a_response_repeats_what_the_rfc_says_and_gets_one_tag() {
    let mut request = request();
    request.headers.push("v", "SIP/2.0/TCP\r\n other;branch=z9hG4bKb");
    let mut response = request.response(Status::NOT_FOUND);
    response.ensure_to_tag("99");
    response.ensure_to_tag("100");
    assert_eq!(
        printed(response),
        "SIP/2.0 404 Not Found\r\n\
         Via: SIP/2.0/UDP gw.example.com:5060;branch=z9hG4bKa\r\n\
         From: <sip:juliet@example.com>;tag=1\r\n\
         To: <sip:romeo@example.net>;tag=99\r\n\
         Call-ID: abc\r\n\
         CSeq: 1 MESSAGE\r\n\
         Via: SIP/2.0/TCP   other;branch=z9hG4bKb\r\n\
         Content-Length: 0\r\n\r\n"
    );
}

#[test]
fn the_topmost_via_is_replaced_within_its_list() {
    let mut headers = Headers::default();
    headers.push(Name::VIA, "SIP/2.0/UDP a;branch=z9hG4bK1;rport, SIP/2.0/TCP b;branch=z9hG4bK2");
    headers.push(Name::VIA, "SIP/2.0/UDP c;branch=z9hG4bK3");
    let mut via = headers.via().unwrap();
    via.set_rport(4000);
    headers.set_first(&via);
    let all: Vec<_> = headers.all("v").map(|value| String::from_utf8_lossy(value).into_owned()).collect();
    assert_eq!(
        all,
        ["SIP/2.0/UDP a;branch=z9hG4bK1;rport=4000, SIP/2.0/TCP b;branch=z9hG4bK2", "SIP/2.0/UDP c;branch=z9hG4bK3"]
    );
    assert_eq!(headers.each::<Via>().filter_map(Result::ok).count(), 3);
}

#[test]
fn lines_are_added_replaced_and_removed_in_place() {
    let mut headers = Headers::default();
    headers.push(Name::ROUTE, "<sip:b;lr>, <sip:c;lr>");
    headers.push("X-Thing", "1");
    headers.insert_first(Name::ROUTE, "<sip:a;lr>");
    headers.push("x-thing", "2");
    headers.replace("X-THING", "3");
    let lines: Vec<_> =
        headers.iter().map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value))).collect();
    assert_eq!(lines, ["Route=<sip:a;lr>", "Route=<sip:b;lr>, <sip:c;lr>", "X-THING=3"]);
    let routes: Vec<_> = headers.each::<Route>().map(|route| route.unwrap().uri.to_string()).collect();
    assert_eq!(routes, ["sip:a;lr", "sip:b;lr", "sip:c;lr"]);
    headers.remove(Name::ROUTE);
    assert_eq!((headers.len(), headers.count(Name::ROUTE), headers.has(Name::ROUTE)), (1, 0, false));
}

#[test]
fn typed_headers_are_found_lists_and_all() {
    let mut headers = Headers::default();
    headers.push("m", "\"A, B\" <sip:a@b;x=1,2>;q=0.5 , sip:c@d;expires=5");
    headers.push(Name::ALLOW, "MESSAGE, OPTIONS,,");
    headers.push(Name::ALLOW, "INVITE");
    headers.push(Name::RETRY_AFTER, "60 (busy)");
    let contacts: Vec<_> = headers.each::<Contact>().map(Result::unwrap).collect();
    assert_eq!(contacts.len(), 2);
    assert_eq!(contacts[0].address().unwrap().display().unwrap(), "A, B");
    assert_eq!(contacts[1].address().unwrap().params.get("expires"), Some("5"));
    assert_eq!(headers.tokens(Name::ALLOW).collect::<Vec<_>>(), ["MESSAGE", "OPTIONS", "INVITE"]);
    assert_eq!(headers.find::<RetryAfter>().unwrap().unwrap().seconds, 60);
    assert_eq!(headers.find::<ContentType>(), Ok(None));
    assert_eq!(headers.require::<ContentType>(), Err(BadHeader(Name::CONTENT_TYPE)));
}
