//! SIP messages that are wrong: each gets what its RFC says, and the next good one still crosses.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;

use super::rig::*;
use crate::torture;

/// Everything on loopback may ask, in the name of one domain.
const KNOWN: &str = "[[sip.peer]]\nname = \"loopback\"\nsource = [\"127.0.0.0/8\"]\ndomains = [\"pbx.example\"]\n";

#[derive(Deserialize)]
struct Table {
    message: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    file: String,
    expect: String,
    status: Option<u16>,
    by: Option<String>,
}

/// The port of the topmost Via, where the answer goes without `rport` (RFC 3261 section 18.2.2).
fn via_port(message: &str) -> Option<u16> {
    let line = message.lines().find(|line| {
        let name = line.split(':').next().unwrap_or_default().trim();
        name.eq_ignore_ascii_case("via") || name.eq_ignore_ascii_case("v")
    })?;
    let sent_by = line.split([';', ',']).next()?;
    sent_by.rsplit_once(':').and_then(|(_, port)| port.trim().parse().ok())
}

#[test]
fn every_torture_message_to_be_refused_is_refused_on_the_wire() {
    let mut world = World::with(&Setup { more: KNOWN, ..Setup::default() });
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/torture/torture.toml")).unwrap();
    let table: Table = toml::from_str(&text).unwrap();
    let mut sent = 0;
    for row in table.message.iter().filter(|row| row.expect == "reject") {
        let bytes = torture::bytes(&row.file);
        let message = String::from_utf8_lossy(&bytes).into_owned();
        // An address for each, so that no answer is taken for another's.
        sent += 1;
        let ip = world.stox.sip.ip().to_string().parse::<std::net::Ipv4Addr>().unwrap();
        let ip = std::net::Ipv4Addr::new(127, 251, ip.octets()[3], sent);
        let port = via_port(&message).filter(|_| !message.contains("rport")).unwrap_or(5060);
        let peer = Phone::on(SocketAddr::new(ip.into(), port));
        peer.send_bytes(world.stox.sip, &bytes);
        if let Some(status) = row.status {
            let answer = peer.receive(PATIENCE).unwrap_or_else(|| panic!("{}: no answer to\n{message}", row.file));
            let stranger = row.by.as_deref() == Some("check") && answer.starts_with("SIP/2.0 403 ");
            assert!(stranger || answer.starts_with(&format!("SIP/2.0 {status} ")), "{}: {answer}", row.file);
            assert!(answer.len() <= bytes.len() + 300, "{}: {} bytes for {}", row.file, answer.len(), bytes.len());
        }
        world.assert_sip_to_xmpp_works();
        if row.status.is_none() {
            assert_eq!(peer.receive(Duration::from_millis(1)), None, "{}: an answer to what gets none", row.file);
        }
    }
    assert!(sent > 30, "only {sent} rows");
    world.assert_it_works();
}

#[test]
fn two_call_ids_are_a_bad_request() {
    let mut world = World::new();
    let text = message("romeo", "juliet", "x").replacen("CSeq:", "Call-ID: another\r\nCSeq:", 1);
    world.phone.send(world.stox.sip, &text);
    assert!(world.phone.read_response().starts_with("SIP/2.0 400 "));
    world.assert_it_works();
}

#[test]
fn a_content_length_that_lies_is_a_bad_request_and_the_end_of_its_connection() {
    let mut world = World::new();
    for (lie, what) in
        [("-1", "400"), ("3, 4", "400"), ("4294967296", "413"), ("99999999999999999999999", "413"), ("1e3", "400")]
    {
        let text = message("romeo", "juliet", "abc").replace("Content-Length: 3", &format!("Content-Length: {lie}"));
        let mut line = Line::to(&world.stox);
        line.send(&text);
        let answer = line.read_to_end(PATIENCE);
        assert!(answer.starts_with(&format!("SIP/2.0 {what} ")), "{lie}: {answer}");
    }
    let two = message("romeo", "juliet", "abc").replace("Content-Length: 3", "Content-Length: 3\r\nl: 4");
    let mut line = Line::to(&world.stox);
    line.send(&two);
    assert!(line.read_to_end(PATIENCE).starts_with("SIP/2.0 400 "));
    let none = message("romeo", "juliet", "abc").replace("Content-Length: 3\r\n", "");
    let mut line = Line::to(&world.stox);
    line.send(&none);
    assert!(line.read_to_end(PATIENCE).starts_with("SIP/2.0 400 "));
    assert!(world.stox.metric("stox_sip_malformed") >= 0.0);
    world.assert_it_works();
}

#[test]
fn a_request_smuggled_in_the_body_of_another_is_no_request() {
    let mut world = World::new();
    let inner = message("romeo", "juliet", "smuggled");
    let outer = message("romeo", "juliet", &format!("\r\n\r\n{inner}"));
    let mut line = Line::to(&world.stox);
    line.send(&outer);
    let stanza = world.server.answer_pings();
    assert_eq!(stanza.matches("<message").count(), 1, "{stanza}");
    let head = line.read_head();
    assert!(head.starts_with("SIP/2.0 200 ") && head.contains(call_id(&outer)), "{head}");
    world.assert_it_works();
}

#[test]
fn nothing_a_chat_user_writes_becomes_a_header_line() {
    let mut world = World::new();
    let evil = "&#13;&#10;X-Evil: 1&#13;&#10;&#13;&#10;MESSAGE sip:x@y SIP/2.0&#10;&#9;X-Evil: 2&#13;X-Evil: 3";
    let line_separators = "\u{2028}X-Evil: 4\u{2029}X-Evil: 5\u{85}X-Evil: 6";
    for text in [evil, line_separators] {
        world.server.send(&format!(
            "<message from='juliet@xmpp.example/balc{text}ony' to='romeo@sip.example' id='resource{text}'>\
             <body>in the resource</body></message>"
        ));
        world.server.send(&format!(
            "<message from='juliet@xmpp.example/b' to='romeo@sip.example' id='i-{}{text}' type='chat'>\
             <subject xml:lang='en{text}'>s{text}s</subject><thread parent='{text}'>t{text}t</thread>\
             <nick xmlns='http://jabber.org/protocol/nick'>n{text}n</nick>\
             <headers xmlns='http://jabber.org/protocol/shim'><header name='Hops'>9{text}</header></headers>\
             <delay xmlns='urn:xmpp:delay' stamp='2020-01-01T00:00:00Z{text}' from='{text}'/>\
             <body xml:lang='de{text}'>everywhere {text}</body></message>",
            unique()
        ));
        let request = world.phone.read_message("everywhere");
        let head = request.split_once("\r\n\r\n").unwrap().0;
        assert!(!head.contains('\0'), "{head:?}");
        for line in head.split(['\r', '\n']).skip(1).filter(|line| !line.is_empty()) {
            assert!(!line.trim_start().starts_with("X-Evil"), "{head}");
            let known = ["Via", "Max-Forwards", "To", "From", "Call-ID", "CSeq", "Subject", "Content-Language", "Date"];
            let also = ["Content-Type", "Content-Length"];
            let name = line.split(':').next().unwrap();
            assert!(known.contains(&name) || also.contains(&name), "{name:?} in\n{head}");
        }
        assert!(!head.replace("\r\n", "").contains(['\r', '\n']), "{head:?}");
        world.phone.answer(&request, world.stox.sip, 200, "OK");
        world.server.settle();
    }
    world.assert_it_works();
}

#[test]
fn an_error_text_from_xmpp_stays_inside_the_reason_phrase() {
    let mut world = World::new();
    let sent = message("romeo", "juliet", "split me");
    world.phone.send(world.stox.sip, &sent);
    let stanza = world.server.read_until("</message>");
    let stanza = &stanza[stanza.find("<message").unwrap()..];
    let (from, to, id) = (attribute(stanza, "to"), attribute(stanza, "from"), attribute(stanza, "id"));
    world.server.send(&format!(
        "<message type='error' from='{from}' to='{to}' id='{id}'><error type='cancel'>\
         <gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>xmpp:a@b.example&#13;&#10;X-Evil: 0</gone>\
         <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>bad&#13;&#10;X-Evil: 1&#13;&#10;&#13;&#10;SIP/2.0 200 OK&#10;X-Evil: 2</text>\
         </error></message>"
    ));
    let answer = world.phone.read_response_to(call_id(&sent));
    assert!(!answer.starts_with("SIP/2.0 200"), "{answer}");
    assert!(answer.split(['\r', '\n']).all(|line| !line.starts_with("X-Evil")), "{answer}");
    assert_eq!(answer.matches("\r\n\r\n").count(), 1, "{answer}");
    world.assert_it_works();
}

#[test]
fn a_reason_phrase_from_sip_is_text_in_the_error_stanza_and_no_markup() {
    let mut world = World::new();
    world.server.send("<message from='juliet@xmpp.example/b' to='romeo@sip.example' id='m1'><body>hi</body></message>");
    let request = world.phone.read_message("hi");
    world.phone.answer(&request, world.stox.sip, 404, "</text></error></message><message to='x'>\u{1b}[31m\u{7}");
    let stanza = world.server.read_until("</message>");
    assert!(stanza.contains("type='error'") || stanza.contains("type=\"error\""), "{stanza}");
    assert!(!stanza.contains("<message to='x'") && !stanza.contains('\u{1b}') && !stanza.contains('\u{7}'), "{stanza}");
    world.assert_it_works();
}

#[test]
fn hostile_bodies_take_no_longer_than_harmless_ones() {
    let mut world = World::new();
    let size = 60_000;
    let boundary = "multipart/mixed;boundary=b";
    let cases: [(&str, String); 9] = [
        ("text/html", "<".repeat(size)),
        ("text/html", "<b>".repeat(size / 3)),
        ("text/html", "&".repeat(size)),
        ("text/html", "<!--".repeat(size / 4)),
        (boundary, "--b\r\n\r\n".repeat(size / 7)),
        (boundary, "\r\n--b\r\nContent-Type: multipart/mixed;boundary=b\r\n".repeat(size / 52)),
        ("message/cpim", "Content-Type: message/cpim\r\n\r\n".repeat(size / 30)),
        ("message/cpim", format!("From: {}\r\n\r\nContent-Type: text/plain\r\n\r\nx", "<".repeat(size))),
        ("application/im-iscomposing+xml", "<a>".repeat(size / 3)),
    ];
    for (media_type, body) in cases {
        let before = world.stox.cpu();
        let text = message("romeo", "juliet", &body)
            .replace("text/plain\r\nContent-Length", &format!("{media_type}\r\nContent-Length"));
        let mut line = Line::to(&world.stox);
        line.send(&text);
        // Whatever becomes of it; a ping may be what it waits for.
        let mut answer = line.try_read_until("\r\n\r\n", Duration::from_millis(300));
        if answer.is_err() {
            world.server.answer_pings();
            answer = line.try_read_until("\r\n\r\n", PATIENCE);
        }
        assert!(answer.as_ref().is_ok_and(|answer| answer.starts_with("SIP/2.0 ")), "{media_type}: {answer:?}");
        let spent = world.stox.cpu() - before;
        assert!(spent < Duration::from_secs(2), "{media_type} {}: {spent:?}", &body[..20]);
    }
    world.assert_it_works();
}

#[test]
fn hostile_headers_take_no_longer_than_harmless_ones() {
    let mut world = World::with(&Setup { more: KNOWN, ..Setup::default() });
    let peer = Phone::at("127.0.0.81".parse().unwrap());
    let head = |more: &str| request("sip:romeo@other.example", "sip:juliet@xmpp.example", more, "x");
    for more in [
        format!("Subject: {}\"{}\"\r\n", "x".repeat(15_000), "\\\0".repeat(8_000)),
        format!("Subject: \"{}\r\n", "\\\"".repeat(3_500)),
        format!("Via: {}\r\n", "SIP/2.0/UDP h;branch=z9hG4bKx,".repeat(200)),
        "Via: SIP/2.0/UDP h;branch=z9hG4bKx\r\n".repeat(200),
        format!("Contact: {}\r\n", "<sip:a@b>,".repeat(700)),
        format!("Subject: {}\r\n", "\r\n ".repeat(2_500)),
        format!("Require: {}\r\n", "a,".repeat(4_000)),
        format!("X-A: {}\r\n", ";".repeat(8_000)),
    ] {
        let before = world.stox.cpu();
        for _ in 0..50 {
            peer.send(world.stox.sip, &head(&more));
            peer.receive(PATIENCE).expect("an answer");
        }
        let spent = world.stox.cpu() - before;
        assert!(spent < Duration::from_millis(500), "{spent:?} for fifty of {:?}", &more[..20]);
    }
    world.assert_it_works();
}
