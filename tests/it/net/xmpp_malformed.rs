//! XML that is wrong, from the server or routed by it: RFC 6120 sections 4.9 and 11 on a real link.

use std::time::Duration;

use super::rig::*;

/// What ends the stream, and as what (RFC 6120 section 4.9.3). Each is sent where a stanza could be.
const ENDS: &[(&str, &str, &str)] = &[
    ("a comment", "<!-- hello -->", "restricted-xml"),
    ("a DTD", "<!DOCTYPE x [<!ENTITY a 'b'>]>", "restricted-xml"),
    ("a processing instruction", "<?php echo 1 ?>", "restricted-xml"),
    ("an entity", "<message><body>&nbsp;</body></message>", "restricted-xml"),
    ("a comment in a stanza", "<message><!-- x --><body/></message>", "restricted-xml"),
    ("CDATA between stanzas", "<![CDATA[x]]>", ""),
    ("an end tag of nothing", "</message>", "not-well-formed"),
    ("tags that cross", "<message><body></message></body>", "not-well-formed"),
    ("two attributes of one name", "<message a='1' a='2'/>", "not-well-formed"),
    ("a control character", "<message><body>\u{1}</body></message>", "not-well-formed"),
    ("a reference to one", "<message><body>&#1;</body></message>", "not-well-formed"),
    ("an unbound prefix", "<message><x:y/></message>", ""),
    ("no angle", "<message from=juliet/>", "not-well-formed"),
    ("text between stanzas", "hello", ""),
    ("a second declaration", "<?xml version='1.0'?>", ""),
];

#[test]
fn what_no_server_may_send_ends_the_stream_with_its_name_and_the_link_comes_back() {
    std::thread::scope(|scope| {
        for (what, text, error) in ENDS {
            scope.spawn(move || {
                let mut world = World::new();
                world.server.send(text);
                let last = world.server.read_to_end();
                assert!(last.contains("<stream:error>") && last.contains(error), "{what}: {last}");
                assert!(last.ends_with("</stream:stream>"), "{what}: {last}");
                let sent = message("romeo", "juliet", "while it is down");
                world.phone.send(world.stox.sip, &sent);
                assert!(world.phone.read_response_to(call_id(&sent)).starts_with("SIP/2.0 503 "), "{what}");
                world.stox.assert_alive();
            });
        }
    });
}

#[test]
fn bytes_that_are_no_utf8_end_the_stream() {
    for (bytes, error) in [
        (&b"<message><body>\xff\xfe</body></message>"[..], "not-well-formed"),
        (b"<message><body>\xc0\x80</body></message>", "not-well-formed"),
        (b"<message><body>\xed\xa0\x80</body></message>", "not-well-formed"),
        (b"<message><body>\xf4\x90\x80\x80</body></message>", "not-well-formed"),
        (b"<message><body>\xe2\x82</body></message>", "not-well-formed"),
    ] {
        let mut world = World::new();
        world.server.send_bytes(bytes);
        let last = world.server.read_to_end();
        assert!(last.contains(error) || last.contains("bad-format") || last.contains("unsupported-encoding"), "{last}");
        world.stox.assert_alive();
    }
}

#[test]
fn half_a_character_at_the_end_of_a_read_is_no_mistake() {
    let mut world = World::new();
    let text =
        "<message from='juliet@xmpp.example/b' to='romeo@sip.example' id='half'><body>né 漢字 🦊 half</body></message>";
    for byte in text.as_bytes() {
        world.server.send_bytes(std::slice::from_ref(byte));
        if !byte.is_ascii() {
            // It has been read for sure before the rest of the character comes.
            world.phone.send(world.stox.sip, "\r\n\r\n");
        }
    }
    let request = world.phone.read_message("half");
    assert!(request.ends_with("né 漢字 🦊 half"), "{request}");
    world.phone.answer(&request, world.stox.sip, 200, "OK");
    world.assert_it_works();
}

#[test]
fn a_stanza_a_thousand_deep_costs_itself_and_its_sender_is_told() {
    let mut world = World::new();
    let before = world.stox.memory();
    for n in 0..20 {
        let (open, close) = ("<a>".repeat(1_000), "</a>".repeat(1_000));
        world.server.send(&format!(
            "<message from='juliet@xmpp.example/b' to='romeo@sip.example' id='deep-{n}'><body>x</body>{open}{close}</message>"
        ));
        let answer = world.server.read_until("</message>");
        assert!(answer.contains(&format!("deep-{n}")) && answer.contains("error"), "{answer}");
    }
    let grown = world.stox.memory().saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} bytes more");
    world.stox.wait_for_metric("stox_link_unusable", 20.0);
    world.assert_it_works();
}

#[test]
fn a_stanza_of_ten_megabytes_costs_itself_and_no_memory() {
    let mut world = World::new();
    let before = world.stox.memory();
    let body = "x".repeat(10 << 20);
    for n in 0..3 {
        world.server.send(&format!(
            "<message from='juliet@xmpp.example/b' to='romeo@sip.example' id='big-{n}'><body>{body}</body></message>"
        ));
        let answer = world.server.read_until("</message>");
        assert!(answer.contains(&format!("big-{n}")) && answer.contains("error"), "{answer}");
    }
    let grown = world.stox.memory().saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} bytes more");
    world.assert_it_works();
}

#[test]
fn a_stanza_that_never_ends_ends_the_stream() {
    let mut world = World::new();
    let before = world.stox.memory();
    world.server.send("<message from='juliet@xmpp.example/b' to='romeo@sip.example' id='endless'><body>");
    let piece = "x".repeat(1 << 20);
    let mut sent = 0;
    while sent < 64 && world.server.try_send(piece.as_bytes()) {
        sent += 1;
    }
    assert!((10..64).contains(&sent), "{sent} MiB were taken");
    let grown = world.stox.memory().saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} bytes more");
    world.server.accept_again(PATIENCE * 3);
    world.server.negotiate();
    world.server.settle();
    world.assert_it_works();
}

#[test]
fn a_tag_of_a_thousand_attributes_costs_itself() {
    let mut world = World::new();
    let attributes: String = (0..1_000).map(|n| format!(" a{n}='x'")).collect();
    let namespaces: String = (0..1_000).map(|n| format!(" xmlns:n{n}='u{n}'")).collect();
    for more in [&attributes, &namespaces] {
        world.server.send(&format!(
            "<message from='juliet@xmpp.example/b' to='romeo@sip.example' id='wide'><body>x</body><x{more}/></message>"
        ));
        let answer = world.server.read_until("</message>");
        assert!(answer.contains("wide") && answer.contains("error"), "{answer}");
        world.server.send(&format!("<message from='juliet@xmpp.example/b' to='romeo@sip.example' id='wide'{more}/>"));
    }
    world.server.settle();
    world.assert_it_works();
}

#[test]
fn addresses_and_ids_as_long_as_they_come_are_answered_or_carried() {
    let mut world = World::new();
    let long = "a".repeat(1_023);
    for (from, id) in [
        (format!("{long}@xmpp.example/{long}"), "1".to_owned()),
        (format!("{long}a@xmpp.example"), "2".to_owned()),
        (format!("juliet@{}example", "xmpp.".repeat(300)), "3".to_owned()),
        ("juliet@xmpp.example/b".to_owned(), "4".repeat(200_000)),
    ] {
        world.server.send(&format!(
            "<iq type='get' from='{from}' to='sip.example' id='{id}'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
        ));
        world
            .server
            .send(&format!("<message from='{from}' to='romeo@sip.example' id='{id}'><body>long</body></message>"));
    }
    world.server.settle();
    world.stox.assert_alive();
    let mut world = World::new();
    world.assert_it_works();
}

#[test]
fn a_thousand_queries_are_answered_and_a_thousand_answers_to_nothing_are_not() {
    let mut world = World::new();
    for n in 0..1_000 {
        world.server.send(&format!("<iq type='result' from='xmpp.example' to='sip.example' id='alive-{n}'/>"));
        world.server.send(&format!(
            "<message type='error' from='juliet@xmpp.example' to='romeo@sip.example' id='{n}'><error type='cancel'/></message>"
        ));
        world
            .server
            .send(&format!("<presence type='error' from='juliet@xmpp.example' to='romeo@sip.example' id='{n}'/>"));
        world.server.send(&format!(
            "<iq type='set' from='juliet@xmpp.example/b' to='romeo@sip.example' id='q{n}'><x xmlns='u'/></iq>"
        ));
    }
    let mut answers = 0;
    while answers < 1_000 {
        let answer = world.server.read_until("</iq>");
        assert!(answer.contains("service-unavailable") && answer.contains(&format!("id='q{answers}'")), "{answer}");
        answers += 1;
    }
    world.assert_it_works();
    let more = world.server.try_read_until("</message>", Duration::from_millis(1));
    assert!(more.is_err(), "an error was answered: {more:?}");
}

#[test]
fn hostile_stanzas_take_no_longer_than_harmless_ones() {
    let mut world = World::new();
    let size = 250_000;
    let texts: String = (0..size / 40).map(|n| format!("<body xml:lang='l{n}'>x</body>")).collect();
    let subjects: String = (0..size / 45).map(|n| format!("<subject xml:lang='l{n}'>x</subject>")).collect();
    for inside in [
        "<x/>".repeat(size / 4),
        "<x xmlns='u'/>".repeat(size / 14),
        texts,
        subjects,
        format!("<body>{}</body>", "&amp;".repeat(size / 5)),
        format!("<body>{}</body>", "\n".repeat(size)),
        format!("<body>{}</body>", "&#x1F98A;".repeat(size / 9)),
        format!("<thread>{}</thread><body>x</body>", "t".repeat(size)),
        format!("<body>{}{}</body>", "<a>".repeat(40), "</a>".repeat(40)).repeat(size / 300),
        format!("<nick xmlns='http://jabber.org/protocol/nick'>{}</nick><body>x</body>", "\"".repeat(size)),
    ] {
        let before = world.stox.cpu();
        world.server.send(&format!(
            "<message from='juliet@xmpp.example/b' to='romeo@sip.example' id='hostile'>{inside}</message>"
        ));
        world.server.settle();
        let spent = world.stox.cpu() - before;
        assert!(spent < Duration::from_secs(2), "{spent:?} for {}", &inside[..40]);
    }
    World::new().assert_it_works();
    world.stox.assert_alive();
}

#[test]
fn what_a_server_says_is_one_line_in_the_log() {
    let mut world = World::with(&Setup { more: "[log]\nlevel = \"trace\"\n", ..Setup::default() });
    for resource in ["b&#10;FAKE line 1", "b"] {
        world.server.send(&format!(
            "<message from='juliet@xmpp.example/{resource}' to='romeo@sip.example' id='x&#10;FAKE line 2'>\
             <body>private&#10;FAKE line 3</body></message>"
        ));
    }
    world.phone.read_message("FAKE line 3");
    world.phone.send(world.stox.sip, &message("romeo", "juliet", "hidden\r\nFAKE line 4"));
    world.server.read_until("FAKE line 4");
    world.server.send(
        "<stream:error><undefined-condition xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>\
         <text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>because&#10;FAKE line 5&#13;FAKE line 6</text></stream:error>",
    );
    world.server.read_to_end();
    wait_until("it says why", || world.stox.log().contains("because"));
    let log = world.stox.log();
    assert!(!log.split(['\n', '\r']).any(|line| line.starts_with("FAKE")), "{log}");
    assert!(!log.contains("private") && !log.contains("hidden") && !log.contains(SECRET), "{log}");
}
