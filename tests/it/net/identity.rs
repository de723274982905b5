//! Who may say what, on the wire.

use std::time::Duration;

use super::rig::*;

#[test]
fn a_phone_server_cannot_speak_for_a_chat_user() {
    let mut world = World::new();
    let spoofed = request("sip:juliet@xmpp.example", "sip:nurse@xmpp.example", "", "it is me");
    world.phone.send(world.stox.sip, &spoofed);
    assert!(world.phone.read_response_to(call_id(&spoofed)).starts_with("SIP/2.0 403 "));
    let asserted = request(
        "sip:juliet@xmpp.example",
        "sip:nurse@xmpp.example",
        "P-Asserted-Identity: <sip:romeo@pbx.example>\r\n",
        "it is me",
    );
    world.phone.send(world.stox.sip, &asserted);
    assert!(world.phone.read_response_to(call_id(&asserted)).starts_with("SIP/2.0 403 "));
    world.server.settle();
    world.assert_it_works();
}

#[test]
fn what_p_asserted_identity_says_is_not_believed() {
    let mut world = World::new();
    let more = "P-Asserted-Identity: <sip:tybalt@pbx.example>\r\nP-Preferred-Identity: <sip:tybalt@pbx.example>\r\n\
                Remote-Party-ID: <sip:tybalt@pbx.example>\r\nReply-To: <sip:tybalt@pbx.example>\r\n";
    world.phone.send(world.stox.sip, &request("sip:romeo@pbx.example", "sip:juliet@xmpp.example", more, "hello"));
    let stanza = world.server.answer_pings();
    assert!(stanza.contains("romeo@sip.example") && !stanza.contains("tybalt"), "{stanza}");
    assert!(world.phone.read_response().starts_with("SIP/2.0 200 "));
    world.assert_it_works();
}

#[test]
fn two_froms_are_nobody() {
    let mut world = World::new();
    let text = message("romeo", "juliet", &"x".repeat(200));
    let text = text.replacen("To: ", "f: <sip:juliet@xmpp.example>;tag=2\r\nTo: ", 1);
    world.phone.send(world.stox.sip, &text);
    let answer = world.phone.read_response();
    assert!(answer.starts_with("SIP/2.0 400 ") || answer.starts_with("SIP/2.0 403 "), "{answer}");
    world.assert_it_works();
}

#[test]
fn a_stranger_is_refused_or_gets_silence_as_configured() {
    let mut world = World::new();
    let stranger = Phone::at("127.0.0.77".parse().unwrap());
    stranger.send(world.stox.sip, &message("romeo", "juliet", "let me in"));
    assert!(stranger.read_response().starts_with("SIP/2.0 403 "));
    world.assert_it_works();

    let mut world = World::with(&Setup { sip: "unknown_source = \"drop\"", ..Setup::default() });
    stranger.send(world.stox.sip, &message("romeo", "juliet", "let me in"));
    stranger.send(world.stox.sip, "garbage\r\n\r\n");
    stranger.send(world.stox.sip, &message("romeo", "juliet", &"x".repeat(200)).replace("SIP/2.0\r\n", "SIP/9.0\r\n"));
    world.stox.wait_for_metric("stox_sip_strangers", 3.0);
    assert_eq!(stranger.receive(Duration::from_millis(1)), None);
    world.assert_it_works();
}

#[test]
fn a_stranger_gets_one_answer_to_an_invite_and_at_the_address_it_came_from() {
    let mut world = World::with(&Setup { sip: "t1 = \"50ms\"", ..Setup::default() });
    let stranger = Phone::at("127.0.0.77".parse().unwrap());
    let bystander = Phone::at("127.0.0.78".parse().unwrap());
    let invite = message("romeo", "juliet", &"x".repeat(200)).replace("MESSAGE", "INVITE");
    stranger.send(world.stox.sip, &invite);
    assert!(stranger.read_response().starts_with("SIP/2.0 403 "));
    // Nobody acknowledges it: it may have been somebody else who asked in the name of this address. Five repetitions would be due.
    assert_eq!(stranger.receive(Duration::from_millis(1_000)), None);
    let redirected = message("romeo", "juliet", &"x".repeat(200)).replace(
        "phone.invalid;",
        &format!("phone.invalid:{};maddr={};", bystander.addr().port(), bystander.addr().ip()),
    );
    stranger.send(world.stox.sip, &redirected);
    let answer = stranger.read_response();
    assert!(answer.starts_with("SIP/2.0 403 "), "{answer}");
    assert_eq!(bystander.receive(Duration::from_millis(1)), None);
    world.assert_it_works();
}

#[test]
fn an_answer_to_a_stranger_is_no_larger_than_its_question() {
    let world = World::new();
    let stranger = Phone::at("127.0.0.77".parse().unwrap());
    let smallest = "OPTIONS sip:x SIP/2.0\r\nv:SIP/2.0/UDP h;branch=z9hG4bKx;rport\r\nf:<sip:a@b>;tag=1\r\nt:<sip:x>\r\ni:1\r\nCSeq:1 OPTIONS\r\n\r\n";
    for text in [
        smallest.to_owned(),
        smallest.replace("SIP/2.0\r\nv", "SIP/3.0\r\nv"),
        smallest.replace("CSeq:1 O", "CSeq:x O"),
    ] {
        stranger.send(world.stox.sip, &text);
        assert_eq!(stranger.receive(Duration::from_millis(100)), None, "an answer would be larger than\n{text}");
        let padded = text.replace("CSeq", &format!("X-Padding: {}\r\nCSeq", "x".repeat(200)));
        stranger.send(world.stox.sip, &padded);
        let answer = stranger.read_response();
        assert!(answer.len() <= padded.len(), "{} bytes for {}:\n{answer}", answer.len(), padded.len());
    }
}

#[test]
fn a_stanza_for_another_domain_is_not_carried() {
    let mut world = World::new();
    for to in ["romeo@other.example", "romeo@xmpp.example", "romeo@SIP.example.evil", "sip.example@evil"] {
        world.server.send(&format!(
            "<message from='juliet@xmpp.example/b' to='{to}' id='wrong'><body>not for you</body></message>"
        ));
    }
    world.server.settle();
    world.stox.wait_for_metric("stox_link_unusable", 4.0);
    world.assert_it_works();
}

#[test]
fn a_stanza_without_a_sender_or_with_a_malformed_one_is_not_carried() {
    let mut world = World::new();
    world.server.send("<message to='romeo@sip.example' id='w'><body>nobody</body></message>");
    world.server.send("<message from='' to='romeo@sip.example' id='w'><body>nobody</body></message>");
    world.server.send("<message from='@' to='romeo@sip.example' id='w'><body>nobody</body></message>");
    world.server.send("<message from='a@b@c' to='romeo@sip.example' id='w'><body>nobody</body></message>");
    world.server.send("<message from='juliet@xmpp.example' to='@sip.example' id='w'><body>nobody</body></message>");
    world.server.send("<message from='juliet@xmpp.example' id='w'><body>nobody</body></message>");
    world.server.settle();
    world.stox.wait_for_metric("stox_link_unusable", 6.0);
    world.assert_it_works();
}

#[test]
fn a_stanza_in_the_name_of_a_sip_user_is_not_carried() {
    let mut world = World::new();
    world
        .server
        .send("<message from='boss@sip.example' to='romeo@sip.example' id='forged'><body>forged</body></message>");
    world.server.settle();
    world
        .server
        .send("<message from='juliet@xmpp.example' to='romeo@sip.example' id='real'><body>real</body></message>");
    let request = world.phone.receive(PATIENCE).unwrap();
    assert!(request.contains("real"), "{request}");
    world.phone.answer(&request, world.stox.sip, 200, "OK");
    world.assert_it_works();
}

#[test]
fn a_message_between_sip_users_is_not_sent_through_xmpp() {
    let mut world = World::new();
    let sent = request("sip:romeo@pbx.example", "sip:tybalt@pbx.example", "", "around the house");
    world.phone.send(world.stox.sip, &sent);
    let answer = world.phone.read_response_to(call_id(&sent));
    assert!(answer.starts_with("SIP/2.0 4"), "{answer}");
    let seen = world.server.try_read_until("around the house", Duration::from_millis(1));
    assert!(seen.is_err(), "{seen:?}");
    world.assert_it_works();
}

#[test]
fn only_the_pinged_server_confirms_and_only_the_recipient_refuses() {
    let mut world = World::with(&Setup { more: "[message]\nconfirm_within = \"20s\"\n", ..Setup::default() });
    let sent = message("romeo", "juliet", "confirm me");
    world.phone.send(world.stox.sip, &sent);
    let text = world.server.read_until("</iq>");
    let (message, ping) = (&text[text.find("<message").unwrap()..], &text[text.rfind("<iq").unwrap()..]);
    let (id, ping) = (attribute(message, "id").to_owned(), attribute(ping, "id").to_owned());
    for from in ["mallory@xmpp.example/x", "evil.example", "sub.xmpp.example", "juliet@xmpp.example"] {
        world.server.send(&format!("<iq type='result' from='{from}' to='sip.example' id='{ping}'/>"));
        world.server.send(&format!(
            "<iq type='error' from='{from}' to='sip.example' id='{ping}'><error type='cancel'>\
             <service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
        ));
    }
    for from in ["mallory@xmpp.example", "mallory@evil.example/x", "sip.example"] {
        world.server.send(&format!(
            "<message type='error' from='{from}' to='romeo@sip.example' id='{id}'><error type='cancel'>\
             <item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
        ));
    }
    world.server.settle();
    // The endpoint may say 100; nothing final may have come.
    assert_eq!(world.phone.receive(Duration::from_millis(1)), None);
    world.server.send(&format!("<iq type='result' from='xmpp.example' to='sip.example' id='{ping}'/>"));
    assert!(world.phone.read_response_to(call_id(&sent)).starts_with("SIP/2.0 200 "));
    world.assert_it_works();
}
