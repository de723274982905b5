//! What a server and a PBX see of stox: the requirements of RFC 6120, 6121 and XEP-0114 on a component link, and of RFC 3261
//! on a user agent that serves MESSAGE and OPTIONS.

mod bench;

use std::time::Duration;

use bench::{Bench, end_of, streams};
use proptest::prelude::*;
use stox::sip::message::{Message, Name, Status};
use stox::time::Now;
use stox::xmpp::stream::{Cause, Event, StreamError, StreamErrorKind};

const NOW: Now = Now { mono: Duration::ZERO, wall: stox::time::Timestamp(0) };

/// A server's header with this in it, and its word that the handshake was right.
fn opened(attributes: &str) -> String {
    format!(
        "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' \
         xmlns:stream='http://etherx.jabber.org/streams' from='sip.example' id='1' {attributes}><handshake/>"
    )
}

fn iq(kind: &str, to: &str, payload: &str) -> String {
    format!("<iq type='{kind}' id='q' from='juliet@xmpp.example/b' to='{to}'>{payload}</iq>")
}

#[test]
fn our_header_is_declared_once_without_standalone_and_names_no_version() {
    let (mut component, _) = streams();
    let mut bytes = Vec::new();
    component.poll_output(&mut bytes);
    let header = String::from_utf8(bytes).expect("streams are UTF-8");
    assert!(header.starts_with("<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' "), "{header}");
    assert_eq!((header.matches("<?xml").count(), header.contains("standalone")), (1, false));
    assert!(!header["<?xml version='1.0'?>".len()..].contains("version"), "{header}");
}

#[test]
fn the_version_that_a_server_names_does_not_matter() {
    for version in ["", "version='1.0'", "version='1.10'", "version='2.0'", "version='0.9'"] {
        let (mut component, _) = streams();
        component.receive(opened(version).as_bytes(), NOW);
        assert_eq!(component.poll_event(), Some(Event::Ready), "{version}");
    }
}

#[test]
fn features_on_a_component_stream_are_passed_over() {
    let (mut component, _) = streams();
    let features = "<stream:features><x xmlns='u'><required/></x></stream:features><handshake/>";
    component.receive(opened("").replace("<handshake/>", features).as_bytes(), NOW);
    assert_eq!(component.poll_event(), Some(Event::Ready));
}

#[test]
fn prefixes_of_the_stream_header_stay_behind() {
    let (mut component, _) = streams();
    let stanza = "<message from='juliet@xmpp.example' to='romeo@sip.example'><x:foo x:a='1'/></message>";
    component.receive(format!("{}{stanza}", opened("xmlns:x='u'")).as_bytes(), NOW);
    assert_eq!(component.poll_event(), Some(Event::Ready));
    let Some(Event::Stanza(stanza)) = component.poll_event() else { panic!("a stanza") };
    let mut bytes = Vec::new();
    stanza.write("jabber:component:accept", &mut bytes);
    let text = String::from_utf8(bytes).expect("streams are UTF-8");
    assert!(text.contains("<foo xmlns='u'"), "{text}");
    // It can be read where nothing was declared outside of it.
    let limits = stox::xml::Limits::default();
    let alone = text.replacen("<message", "<message xmlns='jabber:client'", 1);
    assert!(stox::xml::reader::parse(alone.as_bytes(), &limits).is_ok(), "{alone}");
}

#[test]
fn attributes_that_nobody_knows_are_passed_over() {
    let mut bench = Bench::new();
    let seen = bench.xml(
        "<message from='juliet@xmpp.example' to='romeo@sip.example' foo='1' xmlns:y='v' y:bar='2'><body>x</body></message>",
    );
    assert_eq!(seen.request().body(), b"x");
    assert!(
        bench.xml(&iq("get", "sip.example", "<ping xmlns='urn:xmpp:ping' foo='1'/>")).xml.contains("type='result'")
    );
}

#[test]
fn a_byte_order_mark_inside_text_is_a_character() {
    let mut bench = Bench::new();
    let seen = bench.message("<body>a\u{feff}b</body>");
    assert_eq!(seen.request().body(), "a\u{feff}b".as_bytes());
    let seen = bench.sip("MESSAGE", "Content-Type: text/plain\n", "a\u{feff}b".as_bytes());
    assert!(seen.xml.contains("<body>a\u{feff}b</body>"), "{}", seen.xml);
}

#[test]
fn characters_that_xml_forbids_never_reach_the_stream() {
    let mut bench = Bench::new();
    for forbidden in ["\u{1}", "\u{b}", "\u{1f}", "\u{fffe}", "\u{ffff}"] {
        let seen = bench.sip("MESSAGE", "Content-Type: text/plain\n", format!("a{forbidden}b").as_bytes());
        assert!(!seen.xml.contains(forbidden) && seen.xml.contains("<body>a"), "{}", seen.xml);
    }
}

#[test]
fn lines_end_with_lf_there_and_crlf_here() {
    let mut bench = Bench::new();
    assert_eq!(bench.message("<body>a\nb</body>").request().body(), b"a\r\nb");
    let seen = bench.sip("MESSAGE", "Content-Type: text/plain\n", b"a\r\nb");
    assert!(seen.xml.contains("<body>a\nb</body>"), "{}", seen.xml);
}

#[test]
fn a_stream_that_another_replaces_waits_long_before_it_comes_back() {
    use stox::xmpp::stream::backoff::Backoff;
    let (mut component, _) = streams();
    let error = "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>";
    component.receive(format!("{}{error}", opened("")).as_bytes(), NOW);
    let cause = end_of(&mut component);
    assert_eq!(cause, Some(Cause::PeerError(StreamError::from(StreamErrorKind::Conflict))));
    assert!(Backoff::new().after(cause.as_ref(), Duration::ZERO, 0) >= Duration::from_secs(15));
}

#[test]
fn a_header_of_another_namespace_ends_the_stream_with_invalid_namespace() {
    for header in [
        opened("").replace("jabber:component:accept", "jabber:client"),
        opened("").replace("http://etherx.jabber.org/streams", "foo"),
    ] {
        let (mut component, _) = streams();
        component.receive(header.as_bytes(), NOW);
        let Some(Cause::OurError(error)) = end_of(&mut component) else { panic!("{header}") };
        assert_eq!(error.kind, StreamErrorKind::InvalidNamespace);
    }
}

#[test]
fn every_query_gets_an_answer() {
    let mut bench = Bench::new();
    let info = "<query xmlns='http://jabber.org/protocol/disco#info'/>";
    let items = "<query xmlns='http://jabber.org/protocol/disco#items'/>";
    let node = "<query xmlns='http://jabber.org/protocol/disco#items' node='n'/>";
    let hash = stox::gateway::surface::capabilities(&[]).attr("ver").unwrap_or_default().to_owned();
    let of = |hash: &str| format!("<query xmlns='http://jabber.org/protocol/disco#info' node='urn:stox#{hash}'/>");
    let (caps, other_caps) = (&*of(&hash), &*of("bm9uZQ=="));
    let last = "<query xmlns='jabber:iq:last'/>";
    let (ping, vcard) = ("<ping xmlns='urn:xmpp:ping'/>", "<vCard xmlns='vcard-temp'/>");
    let (version, time) = ("<query xmlns='jabber:iq:version'/>", "<time xmlns='urn:xmpp:time'/>");
    let unknown = "<query xmlns='jabber:iq:private'><x xmlns='u'/></query>";
    for (kind, to, payload, parts) in [
        ("get", "sip.example", info, &["<identity category='gateway' type='sip'", "var='jid\\20escaping'"][..]),
        ("get", "sip.example", caps, &[" node='urn:stox#", "<identity category='gateway' type='sip'"]),
        ("get", "sip.example", other_caps, &["<item-not-found "]),
        ("get", "romeo@sip.example", caps, &["<item-not-found "]),
        ("get", "sip.example", last, &["<query xmlns='jabber:iq:last' seconds='0'/>"]),
        ("get", "romeo@sip.example", last, &["<service-unavailable "]),
        ("get", "romeo@sip.example", info, &["<identity category='account' type='registered'"]),
        ("get", "romeo@sip.example/phone", info, &["<identity category='client' type='phone'"]),
        ("get", "sip.example", items, &["disco#items'/></iq>"]),
        ("get", "romeo@sip.example", items, &["disco#items'/></iq>"]),
        ("get", "sip.example", node, &["<item-not-found "]),
        ("get", "sip.example", ping, &["type='result'/>"]),
        ("get", "romeo@sip.example", ping, &["type='result'/>"]),
        ("get", "romeo@sip.example/phone", ping, &["type='result'/>"]),
        ("get", "sip.example", version, &["<name>stox</name>"]),
        ("get", "sip.example", time, &["<utc>1970-01-01T00:00:00Z</utc>"]),
        ("get", "romeo@sip.example", vcard, &["sip:romeo@pbx.example"]),
        ("get", "romeo@sip.example", version, &["<service-unavailable "]),
        ("get", "sip.example", unknown, &["type='error'", "<service-unavailable "]),
        ("set", "romeo@sip.example", unknown, &["type='error'", "<service-unavailable "]),
        ("set", "romeo@sip.example/phone", ping, &["type='error'", "<service-unavailable "]),
    ] {
        let seen = bench.xml(&iq(kind, to, payload));
        assert!(seen.xml.starts_with(&format!("<iq from='{to}' to='juliet@xmpp.example/b' id='q'")), "{}", seen.xml);
        assert!(parts.iter().all(|part| seen.xml.contains(part)), "{to} {payload}: {}", seen.xml);
        assert_eq!((seen.xml.matches("<iq ").count(), seen.sip.len()), (1, 0));
    }
}

#[test]
fn answers_and_errors_are_never_answered() {
    let mut bench = Bench::new();
    let error =
        "<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error><body>x</body>";
    for text in [
        iq("result", "romeo@sip.example", ""),
        iq("error", "sip.example", error),
        format!("<message type='error' from='juliet@xmpp.example' to='romeo@sip.example' id='1'>{error}</message>"),
        format!("<message type='error' from='juliet@xmpp.example' to='sip.example'>{error}</message>"),
        format!("<presence type='error' from='juliet@xmpp.example' to='romeo@sip.example'>{error}</presence>"),
        "<message type='error' from='juliet@xmpp.example' to='@sip.example'/>".to_owned(),
    ] {
        let seen = bench.xml(&text);
        assert!(seen.is_nothing(), "{text}: {seen:?}");
    }
}

#[test]
fn presence_of_nobodys_business_is_met_with_silence() {
    let mut bench = Bench::new();
    for to in ["romeo@sip.example", "nobody@sip.example", "romeo@sip.example/phone"] {
        for kind in ["", " type='unavailable'", " type='subscribed'", " type='unsubscribed'"] {
            let seen = bench.xml(&format!("<presence from='juliet@xmpp.example' to='{to}'{kind}/>"));
            assert!(seen.is_nothing(), "{to}{kind}: {seen:?}");
        }
    }
}

#[test]
fn the_gateway_itself_can_be_had_in_a_roster() {
    let mut bench = Bench::new();
    let seen = bench.xml("<presence from='juliet@xmpp.example' to='sip.example' type='subscribe'/>");
    assert!(seen.xml.contains("type='subscribed'") && seen.xml.matches("<presence ").count() == 2, "{}", seen.xml);
    let seen = bench.xml("<presence from='juliet@xmpp.example' to='sip.example' type='probe'/>");
    assert_eq!(seen.xml, "<presence from='sip.example' to='juliet@xmpp.example'/>");
    assert!(bench.xml("<presence from='juliet@xmpp.example/b' to='sip.example'/>").is_nothing());
}

#[test]
fn unknown_payload_is_passed_over() {
    let mut bench = Bench::new();
    let seen = bench.message("<body>x</body><foo xmlns='u'><bar/></foo>");
    assert_eq!(seen.request().body(), b"x");
    assert!(bench.message("<foo xmlns='u'><bar/></foo>").is_nothing());
    assert!(
        bench.xml("<presence from='juliet@xmpp.example' to='romeo@sip.example'><x xmlns='u'/></presence>").is_nothing()
    );
}

#[test]
fn each_type_of_message_is_treated_as_rfc_6121_says() {
    let mut bench = Bench::new();
    for kind in ["normal", "chat", "headline", "unknown"] {
        let from = format!("{kind}@xmpp.example");
        let text = format!("<message type='{kind}' from='{from}' to='romeo@sip.example'><body>x</body></message>");
        assert_eq!(bench.xml(&text).request().body(), b"x", "{kind}");
    }
    let seen = bench.xml(
        "<message type='groupchat' from='room@xmpp.example/nick' to='romeo@sip.example' id='g'><body>x</body></message>",
    );
    assert!(seen.sip.is_empty() && seen.xml.contains("<service-unavailable "), "{seen:?}");
}

#[test]
fn a_message_to_a_device_goes_to_the_person_if_need_be() {
    let mut bench = Bench::new();
    let text = "<message from='juliet@xmpp.example' to='romeo@sip.example/gone'><body>x</body></message>";
    let request = bench.xml(text).request().clone();
    assert!(request.uri.to_string().starts_with("sip:romeo@pbx.example"), "{}", request.uri);
}

#[test]
fn threads_are_opaque_and_bodies_may_be_several() {
    let mut bench = Bench::new();
    let seen = bench.message(
        "<thread parent='p'>t\u{e9} &lt;1&gt;</thread><body xml:lang='de'>Hallo</body><body xml:lang='en'>Hello</body>",
    );
    let request = seen.request();
    let text = |name| request.headers.text(name).unwrap_or_default();
    assert_eq!((text(Name::CONTENT_LANGUAGE).as_ref(), request.body()), ("de", &b"Hallo"[..]));
    assert_eq!(text(Name::CALL_ID), "thread%t%C3%A9%20%3C1%3E");
}

#[test]
fn messages_keep_their_order_one_pending_at_a_time() {
    let mut bench = Bench::new();
    let mut seen = bench.message("<body>0</body>");
    for n in 1..1_000 {
        let text = format!(
            "<message from='juliet@xmpp.example/{n}' to='romeo@sip.example' id='m{n}'><body>{n}</body></message>"
        );
        assert!(bench.xml(&text).is_nothing(), "{n} waits for its turn");
    }
    for n in 0..1_000 {
        let request = seen.request().clone();
        assert_eq!(request.body(), n.to_string().as_bytes());
        seen = bench.answer(&request, Status::OK);
    }
    assert!(seen.is_nothing());
}

#[test]
fn the_same_is_said_of_users_that_exist_and_of_others() {
    let mut bench = Bench::new();
    for payload in ["<query xmlns='http://jabber.org/protocol/disco#info'/>", "<ping xmlns='urn:xmpp:ping'/>"] {
        let romeo = bench.xml(&iq("get", "romeo@sip.example", payload)).xml;
        let nobody = bench.xml(&iq("get", "nosuch@sip.example", payload)).xml;
        assert_eq!(romeo.replace("romeo", "nosuch"), nobody);
    }
    let probe = |to: &str| format!("<presence type='probe' from='eve@xmpp.example' to='{to}'/>");
    for to in ["romeo@sip.example", "nosuch@sip.example", "romeo@sip.example/phone"] {
        // The SIP side is asked, and has the say; until then nothing is told.
        let seen = bench.xml(&probe(to));
        assert_eq!((seen.xml.as_str(), seen.request().method.as_str()), ("", "SUBSCRIBE"), "{to}");
    }
}

#[test]
fn a_sip_side_that_is_away_is_told_in_one_error() {
    let mut bench = Bench::new();
    let seen = bench.message("<body>x</body>");
    let told = bench.refuse_connection(&seen);
    assert!(told.xml.starts_with("<message from='romeo@sip.example' to='juliet@xmpp.example/b' id='m' type='error'>"));
    assert!(told.xml.contains("<remote-server-timeout "), "{}", told.xml);
    assert_eq!(told.xml.matches("<message").count(), 1);

    bench.message("<body>y</body>");
    let told = bench.wait(Duration::from_secs(33));
    assert!(told.xml.contains("<remote-server-timeout "), "{}", told.xml);
    assert_eq!(told.xml.matches("<message").count(), 1);
}

#[test]
fn where_a_user_is_stays_on_its_side() {
    let mut bench = Bench::new();
    let headers = "Contact: <sip:romeo@192.0.2.77:5062>\nUser-Agent: phone at 192.0.2.77\nContent-Type: text/plain\n";
    let seen = bench.sip("MESSAGE", headers, b"x");
    assert!(seen.xml.contains("<body>x</body>"), "{}", seen.xml);
    let message = seen.xml.split("<thread>").next().unwrap_or_default();
    assert!(!message.contains("192.0.2.77"), "{}", seen.xml);
}

#[test]
fn a_request_has_what_every_request_needs() {
    let mut bench = Bench::new();
    let request = bench.message("<body>x</body>").request().clone();
    for name in [Name::VIA, Name::MAX_FORWARDS, Name::TO, Name::FROM, Name::CALL_ID, Name::CSEQ, Name::CONTENT_LENGTH] {
        assert!(request.headers.get(name).is_some(), "{name:?}");
    }
    let text = |name| request.headers.text(name).unwrap_or_default().into_owned();
    assert!(text(Name::VIA).contains(";branch=z9hG4bK"));
    assert!(text(Name::FROM).contains(";tag=") && !text(Name::TO).contains(";tag="));
    assert!(request.headers.get(Name::CONTACT).is_none());
}

#[test]
fn options_tell_what_is_served() {
    let mut bench = Bench::new();
    let seen = bench.sip("OPTIONS", "", b"");
    let response = seen.response();
    assert_eq!(response.status, Status::OK);
    let text = |name| response.headers.text(name).map(|text| text.into_owned());
    assert_eq!(text(Name::ALLOW).as_deref(), Some("MESSAGE, NOTIFY, OPTIONS, SUBSCRIBE"));
    assert!(text(Name::ACCEPT).is_some_and(|types| types.contains("text/plain") && types.contains("message/cpim")));
    assert!(text(Name::SUPPORTED).is_some() && text(Name::ACCEPT_ENCODING).is_some());
}

#[test]
fn what_is_not_served_is_refused_as_rfc_3261_says() {
    let mut bench = Bench::new();
    for (method, status) in [
        ("INVITE", 405),
        ("SUBSCRIBE", 200),
        ("REGISTER", 405),
        ("PUBLISH", 405),
        ("REFER", 405),
        ("PRACK", 405),
        ("FOO", 501),
        ("BYE", 481),
        ("NOTIFY", 481),
    ] {
        let headers = "Contact: <sip:romeo@pbx.example>\nEvent: presence\n";
        let seen = bench.sip(method, headers, b"");
        assert_eq!(seen.response().status.code(), status, "{method}");
        let allow = seen.response().headers.text(Name::ALLOW).map(|text| text.into_owned());
        assert_eq!(
            allow.as_deref(),
            matches!(status, 405 | 501).then_some("MESSAGE, NOTIFY, OPTIONS, SUBSCRIBE"),
            "{method}"
        );
    }
}

#[test]
fn extensions_and_content_that_nobody_knows_are_named_in_the_refusal() {
    let mut bench = Bench::new();
    for (headers, status, name, value) in [
        ("Require: foo\nContent-Type: text/plain\n", 420, Name::UNSUPPORTED, "foo"),
        ("Content-Type: text/plain\nContent-Encoding: x\n", 415, Name::ACCEPT_ENCODING, "identity"),
        ("Content-Type: application/foo\n", 415, Name::ACCEPT, "text/plain"),
    ] {
        let seen = bench.sip("MESSAGE", headers, b"x");
        assert_eq!((seen.response().status.code(), seen.xml.as_str()), (status, ""), "{headers}");
        let told = seen.response().headers.text(name).unwrap_or_default();
        assert!(told.contains(value), "{name:?}: {told}");
    }
}

#[test]
fn a_timeout_behind_the_server_is_not_408_here() {
    let mut bench = Bench::new();
    let seen = bench.sip("MESSAGE", "Content-Type: text/plain\n", b"x");
    let id = seen.xml.split_once("id='").and_then(|(_, rest)| rest.split('\'').next()).expect("a message with an id");
    let told = bench.xml(&format!(
        "<message type='error' from='juliet@xmpp.example' to='romeo@sip.example' id='{id}'><error type='wait'>\
         <remote-server-timeout xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
    ));
    assert_eq!(told.response().status, Status::SERVER_TIMEOUT);
}

#[test]
fn a_message_is_answered_in_time_whatever_the_server_does() {
    let mut bench = Bench::new();
    let seen = bench.sip("MESSAGE", "Content-Type: text/plain\n", b"x");
    assert!(seen.xml.contains("<message ") && seen.sip.is_empty());
    let told = bench.wait(Duration::from_secs(40));
    let [Message::Response(response)] = &told.sip[..] else { panic!("one answer: {told:?}") };
    assert_eq!(response.status, Status::ACCEPTED);
    assert!(response.body().is_empty() && response.headers.get(Name::CONTACT).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn everybody_in_the_domain_can_be_reached(user in "[a-z0-9äλ中._+-]{1,20}", resource in "[a-zA-Z0-9 ]{1,20}") {
        let resource = resource.trim();
        let mut bench = Bench::new();
        for to in [format!("{user}@sip.example"), format!("{user}@sip.example/r{resource}")] {
            prop_assert!(bench.xml(&iq("get", &to, "<ping xmlns='urn:xmpp:ping'/>")).xml.contains("type='result'"));
        }
    }
}
