#![allow(clippy::unwrap_used)]

use super::*;
use crate::sip::message::{Message, wire};

const GOOD: &str = "MESSAGE sip:romeo@example.net SIP/2.0\r\n\
    Via: SIP/2.0/UDP a.example.com;branch=z9hG4bKna998sk\r\n\
    Max-Forwards: 70\r\n\
    From: <sip:juliet@example.com>;tag=49583\r\n\
    To: <sip:romeo@example.net>\r\n\
    Call-ID: asd88asd77a\r\n\
    CSeq: 1 MESSAGE\r\n\
    Content-Length: 0\r\n\r\n";

fn request(text: &str) -> Request {
    match wire::parse(text.as_bytes()).unwrap() {
        Message::Request(request) => request,
        Message::Response(response) => panic!("{response:?}"),
    }
}

fn refused(text: &str) -> (u16, String) {
    let refusal = check(&request(text)).unwrap_err();
    (refusal.status.code(), refusal.reason.into_owned())
}

#[test]
fn a_good_request_gives_its_essentials() {
    let essentials = check(&request(GOOD)).unwrap();
    assert_eq!(essentials.via.branch(), Some("z9hG4bKna998sk"));
    assert_eq!(essentials.from.tag().as_deref(), Some("49583"));
    assert_eq!((essentials.cseq.number, essentials.to.tag()), (1, None));
}

#[test]
fn headers_that_identify_must_be_there() {
    for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
        let missing = GOOD.replace(&format!("{name}:"), "X:");
        assert_eq!(refused(&missing), (400, format!("Malformed or Missing {name}")));
    }
    // RFC 2543 has no Max-Forwards (RFC 4475 section 3.4.1).
    assert!(check(&request(&GOOD.replace("Max-Forwards:", "X:"))).is_ok());
}

#[test]
fn headers_that_identify_must_be_single_even_if_equal() {
    for line in ["i: other", "t: <sip:other@example.net>", "f: <sip:a@b>;tag=1", "CSeq: 1 MESSAGE", "Max-Forwards: 70"]
    {
        let twice = GOOD.replace("Content-Length", &format!("{line}\r\nContent-Length"));
        assert_eq!(refused(&twice).0, 400, "{line}");
    }
}

#[test]
fn a_second_line_of_what_is_no_list_is_refused_in_any_spelling() {
    for (one, two) in [
        ("Content-Type: text/plain", "c: text/html"),
        ("Subject: a", "s: a"),
        ("Date: Sat, 13 Nov 2010 23:29:00 GMT", "date: Sat, 13 Nov 2010 23:29:00 GMT"),
        ("Expires: 1", "EXPIRES: 2"),
        ("Event: presence", "o: message-summary"),
        ("Refer-To: <sip:a@b>", "r: <sip:c@d>"),
        ("Max-Breadth: 60", "Max-Breadth: 1"),
        ("User-Agent: a", "User-Agent: b"),
        ("Content-Disposition: render", "Content-Disposition: session"),
    ] {
        let twice = GOOD.replace("Content-Length", &format!("{one}\r\n{two}\r\nContent-Length"));
        assert_eq!(refused(&twice).0, 400, "{one} / {two}");
        assert!(check(&request(&twice.replace(&format!("{two}\r\n"), ""))).is_ok(), "{one}");
    }
    let lists = "Accept: a/b\r\nAccept: c/d\r\nRoute: <sip:a;lr>\r\nRoute: <sip:b;lr>\r\nX-Any: 1\r\nX-Any: 2\r\nVia: SIP/2.0/UDP b\r\n";
    assert!(check(&request(&GOOD.replace("Content-Length", &format!("{lists}Content-Length")))).is_ok());
}

#[test]
fn a_parameter_that_is_there_twice_is_refused() {
    for (good, bad) in [
        ("tag=49583", "tag=49583;tag=2"),
        ("tag=49583", "tag=49583;TAG=49583"),
        ("<sip:romeo@example.net>\r\nC", "<sip:romeo@example.net>;tag=1;tag=2\r\nC"),
        ("branch=z9hG4bKna998sk", "branch=z9hG4bKna998sk;branch=z9hG4bKother"),
        ("branch=z9hG4bKna998sk", "branch=z9hG4bKna998sk;received=192.0.2.1;received=192.0.2.2"),
        ("branch=z9hG4bKna998sk", "branch=z9hG4bKna998sk, SIP/2.0/UDP b;branch=x;branch=y"),
        ("tag=49583", "tag=49583, <sip:nurse@example.com>;tag=2"),
    ] {
        assert_eq!(refused(&GOOD.replace(good, bad)).0, 400, "{bad}");
    }
    let many: String = (0..40).map(|number| format!(";p{number}")).collect();
    assert_eq!(refused(&GOOD.replace("tag=49583", &format!("tag=49583{many}"))).0, 400);
    assert!(check(&request(&GOOD.replace("tag=49583", "tag=49583;a;b;c=tag"))).is_ok());
}

#[test]
fn what_two_readers_would_read_differently_is_refused() {
    for (good, bad) in [
        ("CSeq: 1 MESSAGE", "CSeq: 1 OPTIONS"),
        ("CSeq: 1 MESSAGE", "CSeq: 1 MESSAGE OPTIONS"),
        ("CSeq: 1 MESSAGE", "CSeq: 1\r\n OPTIONS"),
        ("SIP/2.0/UDP a.example.com", "SIP/2.0/UDP a.exam\u{1}ple.com"),
        ("SIP/2.0/UDP a.example.com", "SIP/2.0/UDP a.example.com\u{7f}"),
        ("SIP/2.0/UDP a.example.com", "SIP/2.0/UDP a.example.com b.example.com"),
        ("<sip:juliet@example.com>;tag", "<sip:juliet@example.com> <sip:nurse@example.com>;tag"),
        ("<sip:juliet@example.com>;tag", "<sip:jul\u{b}iet@example.com>;tag"),
        ("Call-ID: asd88asd77a", "Call-ID: asd88asd77a, other"),
    ] {
        assert_eq!(refused(&GOOD.replace(good, bad)).0, 400, "{bad:?}");
    }
}

#[test]
fn malformed_values_are_named() {
    for (good, bad, name) in [
        ("z9hG4bKna998sk", "z9hG4bKna998sk, ;;", "Via"),
        ("<sip:romeo@example.net>\r\nC", "\"open <sip:romeo@example.net>\r\nC", "To"),
        ("1 MESSAGE", "2147483648 MESSAGE", "CSeq"),
        ("asd88asd77a", "asd 77a", "Call-ID"),
        (": 70", ": 300", "Max-Forwards"),
        ("Content-L", "Route: <sip:a;lr>, b\r\nContent-L", "Route"),
        ("Content-L", "Record-Route: x\r\nContent-L", "Record-Route"),
        ("Content-L", "Contact: sip:a@b?c=d\r\nContent-L", "Contact"),
    ] {
        assert_eq!(refused(&GOOD.replace(good, bad)), (400, format!("Malformed or Missing {name}")));
    }
}

#[test]
fn the_method_must_be_repeated() {
    assert_eq!(refused(&GOOD.replace("1 MESSAGE", "1 message")).0, 400);
    assert_eq!(refused(&GOOD.replace("MESSAGE sip", "message sip")).0, 501);
}

#[test]
fn schemes_nobody_here_knows_are_416() {
    assert_eq!(refused(&GOOD.replace("MESSAGE sip:romeo@example.net", "MESSAGE urn:service:sos")).0, 416);
    for scheme in ["sips", "im", "pres"] {
        assert!(check(&request(&GOOD.replace("MESSAGE sip", &format!("MESSAGE {scheme}")))).is_ok());
    }
    assert_eq!(refused(&GOOD.replace("net SIP", "net?Route=x SIP")).1, "Headers in Request-URI");
}

#[test]
fn unknown_extensions_are_named_in_the_420() {
    let required = request(&GOOD.replace("Content-L", "Require: 100rel, nothing-new\r\nRequire: gruu\r\nContent-L"));
    assert_eq!(check_required(&required, &["gruu", "100REL", "nothing-new"]), None);
    let refusal = check_required(&required, &["gruu"]).unwrap();
    let response = refusal.response(&required).unwrap();
    assert_eq!(
        (response.status, response.headers.get("Unsupported")),
        (Status::BAD_EXTENSION, Some(&b"100rel, nothing-new"[..]))
    );
    let ack = request(&GOOD.replace("MESSAGE", "ACK").replace("Content-L", "Require: x\r\nContent-L"));
    assert_eq!(check_required(&ack, &[]), None);
}

#[test]
fn an_ack_is_never_answered_nor_is_a_request_without_via() {
    let ack = request(&GOOD.replace("MESSAGE", "ACK"));
    assert_eq!(Refusal::new(Status::BAD_REQUEST).response(&ack), None);
    let lost = request(&GOOD.replace("Via:", "X:"));
    assert_eq!(check(&lost).unwrap_err().response(&lost), None);
}
