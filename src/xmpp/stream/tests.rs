#![allow(clippy::unwrap_used)]
use super::*;
use crate::xmpp::stanza::{Condition, Message, MessageKind};

const ID: &str = "3BF96D32&'";
const OPEN: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' \
                    xmlns:stream='http://etherx.jabber.org/streams' from='gw.example' id='1' xml:lang='en'>";

fn jid(text: &str) -> Jid {
    Jid::parse(text).unwrap()
}

fn at(seconds: u64) -> Now {
    Now::at(Duration::from_secs(seconds))
}

fn component(secret: &str) -> Stream {
    let domain = BareJid::parse("gw.example").unwrap();
    let stream = StreamConfig::default();
    Stream::component(ComponentConfig { domain, secret: secret.to_owned(), server: None, stream }, at(0))
}

fn server() -> Stream {
    let components = vec![(BareJid::parse("gw.example").unwrap(), "secret".to_owned())];
    Stream::accepting(AcceptConfig { components, id: ID.to_owned(), stream: StreamConfig::default() }, at(0))
}

fn output(stream: &mut Stream) -> String {
    let mut bytes = Vec::new();
    stream.poll_output(&mut bytes);
    String::from_utf8(bytes).unwrap()
}

fn events(stream: &mut Stream) -> Vec<Event> {
    std::iter::from_fn(|| stream.poll_event()).collect()
}

/// Lets both talk, `chunk` bytes at a time, until neither has anything to say.
fn talk(one: &mut Stream, two: &mut Stream, chunk: usize) {
    loop {
        let (from_one, from_two) = (output(one), output(two));
        if from_one.is_empty() && from_two.is_empty() {
            return;
        }
        from_one.as_bytes().chunks(chunk).for_each(|bytes| two.receive(bytes, at(1)));
        from_two.as_bytes().chunks(chunk).for_each(|bytes| one.receive(bytes, at(1)));
    }
}

fn pair() -> (Stream, Stream) {
    let (mut component, mut server) = (component("secret"), server());
    talk(&mut component, &mut server, usize::MAX);
    assert_eq!((events(&mut component), events(&mut server)), (vec![Event::Ready], vec![Event::Ready]));
    (component, server)
}

/// A component whose server does as told.
fn ready() -> Stream {
    let mut stream = component("secret");
    stream.receive(format!("{OPEN}<handshake/>").as_bytes(), at(0));
    assert_eq!(events(&mut stream), [Event::Ready]);
    output(&mut stream);
    stream
}

fn message(from: &str, to: &str, body: &str) -> Stanza {
    let message = Message::new(jid(from), jid(to), MessageKind::Chat);
    Stanza::Message(message.with_body(None, body))
}

fn closed_by(stream: &mut Stream) -> Option<StreamErrorKind> {
    events(stream).into_iter().find_map(|event| match event {
        Event::Closed(Cause::OurError(error) | Cause::PeerError(error)) => Some(error.kind),
        Event::Ready | Event::Stanza(_) | Event::Unusable { .. } | Event::Closed(_) => None,
    })
}

#[test]
fn a_header_without_id_says_nothing_until_the_error_behind_it() {
    let header = OPEN.replace(" id='1'", "");
    let mut stream = component("secret");
    output(&mut stream);
    stream.receive(header.as_bytes(), at(0));
    assert_eq!((output(&mut stream), events(&mut stream)), (String::new(), vec![]));
    let error = "<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>";
    stream.receive(error.as_bytes(), at(0));
    assert_eq!(closed_by(&mut stream), Some(StreamErrorKind::HostUnknown));

    let mut stream = component("secret");
    stream.receive(format!("{header}<handshake/>").as_bytes(), at(0));
    assert_eq!(closed_by(&mut stream), Some(StreamErrorKind::BadFormat));
}

#[test]
fn the_handshake_is_that_of_the_xep() {
    let mut stream = component("test");
    assert_eq!(
        output(&mut stream),
        "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' \
         xmlns:stream='http://etherx.jabber.org/streams' to='gw.example'>"
    );
    stream.receive(OPEN.replace("id='1'", "id='&lt;3BF96D32'").as_bytes(), at(0));
    // sha1 of "<3BF96D32test"
    assert_eq!(output(&mut stream), format!("<handshake>{}</handshake>", digest("<3BF96D32", "test")));
    assert_eq!(digest("3BF96D32", "secret").len(), 40);
    assert_eq!(digest("ab", "c"), "a9993e364706816aba3e25717850c26c9cd0d89d");
}

#[test]
fn both_ends_get_ready_and_talk_however_the_bytes_are_split() {
    for chunk in [1, 2, 3, 7, 64, 4096] {
        let (mut component, mut server) = (component("secret"), server());
        talk(&mut component, &mut server, chunk);
        let (out, back) =
            (message("a@gw.example", "b@example.org", "1"), message("b@example.org/x", "a@gw.example", "2"));
        component.send(&out).unwrap();
        server.send(&back).unwrap();
        talk(&mut component, &mut server, chunk);
        component.close(None, at(2));
        talk(&mut component, &mut server, chunk);
        assert_eq!(events(&mut component), [Event::Ready, Event::Stanza(back), Event::Closed(Cause::Closed)]);
        assert_eq!(events(&mut server), [Event::Ready, Event::Stanza(out), Event::Closed(Cause::PeerClosed)]);
    }
}

#[test]
fn every_place_to_split_gives_the_same() {
    let text = format!(
        "{OPEN} <handshake/>\n<message from='a@b' to='c@gw.example'><body>ü&amp;<![CDATA[<]]></body></message>\
         <iq type='get' id='1' from='a@b' to='gw.example'><ping xmlns='urn:xmpp:ping'/></iq> </stream:stream>"
    );
    let run = |chunks: &[&[u8]]| {
        let mut stream = component("secret");
        chunks.iter().for_each(|chunk| stream.receive(chunk, at(1)));
        (events(&mut stream), output(&mut stream))
    };
    let whole = run(&[text.as_bytes()]);
    assert_eq!(whole.0.len(), 4);
    for at in 0..text.len() {
        let (one, two) = text.as_bytes().split_at(at);
        assert_eq!(run(&[one, two]), whole, "split at {at}");
    }
}

#[test]
fn a_wrong_secret_is_not_authorized() {
    let (mut component, mut server) = (component("wrong"), server());
    talk(&mut component, &mut server, usize::MAX);
    let error = || StreamError::from(StreamErrorKind::NotAuthorized);
    assert_eq!(events(&mut component), [Event::Closed(Cause::PeerError(error()))]);
    assert_eq!(events(&mut server), [Event::Closed(Cause::OurError(error()))]);
}

#[test]
fn nothing_is_sent_before_the_stream_is_ready() {
    let mut stream = component("secret");
    assert_eq!(stream.send(&message("a@gw.example", "b", "x")), Err(NotSent::NotReady));
    stream.receive(OPEN.as_bytes(), at(0));
    assert_eq!(stream.send(&message("a@gw.example", "b", "x")), Err(NotSent::NotReady));
    // RFC 6120 section 4.3.5, and the other way round.
    stream.receive(b"<message from='a' to='gw.example'><body/></message>", at(0));
    assert_eq!(closed_by(&mut stream), Some(StreamErrorKind::NotAuthorized));
}

#[test]
fn a_stanza_before_the_handshake_is_refused_by_the_server() {
    let mut stream = server();
    stream.receive(OPEN.replace("from=", "to=").as_bytes(), at(0));
    stream.receive(b"<message from='a@gw.example' to='b'/>", at(0));
    assert_eq!(closed_by(&mut stream), Some(StreamErrorKind::NotAuthorized));
}

#[test]
fn all_25_stream_errors_are_sent_and_understood() {
    for kind in StreamErrorKind::ALL {
        let (mut component, mut server) = pair();
        let mut error = StreamError::new(kind, "why <not>");
        error.host = (kind == StreamErrorKind::SeeOtherHost).then(|| "[::1]:5269".to_owned());
        server.close(Some(error.clone()), at(2));
        talk(&mut component, &mut server, 5);
        assert_eq!(events(&mut component), [Event::Closed(Cause::PeerError(error.clone()))]);
        assert_eq!(events(&mut server), [Event::Closed(Cause::OurError(error))]);
    }
}

#[test]
fn unknown_stream_errors_are_undefined_conditions() {
    for (name, kind) in [
        ("x-foo", StreamErrorKind::UndefinedCondition),
        ("xml-not-well-formed", StreamErrorKind::NotWellFormed),
        ("text", StreamErrorKind::UndefinedCondition),
    ] {
        let mut stream = ready();
        let text = format!("<stream:error><{name} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>");
        stream.receive(text.as_bytes(), at(1));
        assert_eq!(closed_by(&mut stream), Some(kind), "{name}");
        assert_eq!(output(&mut stream), "</stream:stream>");
    }
}

#[test]
fn bad_xml_is_named_and_ends_the_stream() {
    for (text, kind) in [
        ("<!-- -->", StreamErrorKind::RestrictedXml),
        ("<a><b></a>", StreamErrorKind::NotWellFormed),
        ("text", StreamErrorKind::BadFormat),
        ("<a>\u{1}</a>", StreamErrorKind::NotWellFormed),
    ] {
        let mut stream = ready();
        stream.receive(text.as_bytes(), at(1));
        assert_eq!(closed_by(&mut stream), Some(kind), "{text}");
        let out = output(&mut stream);
        assert!(out.starts_with("<stream:error><") && out.ends_with("</stream:error></stream:stream>"), "{out}");
        assert!(out.contains(kind.name()));
    }
    let mut stream = ready();
    stream.receive(b"<a>\xff</a>", at(1));
    assert_eq!(closed_by(&mut stream), Some(StreamErrorKind::UnsupportedEncoding));
}

#[test]
fn wrong_headers_are_answered_with_a_header_and_an_error() {
    let component = "xmlns='jabber:component:accept'";
    let streams = "xmlns:stream='http://etherx.jabber.org/streams'";
    for (header, kind) in [
        (format!("<stream:stream {component} {streams} to='other.example'>"), StreamErrorKind::HostUnknown),
        (format!("<stream:stream {component} {streams}>"), StreamErrorKind::HostUnknown),
        (format!("<stream:stream xmlns='jabber:client' {streams} to='gw.example'>"), StreamErrorKind::InvalidNamespace),
        (format!("<stream:stream {component} xmlns:stream='foo' to='gw.example'>"), StreamErrorKind::InvalidNamespace),
        (format!("<foo:stream {component} {streams} to='gw.example'>"), StreamErrorKind::BadNamespacePrefix),
        ("<stream xmlns='http://etherx.jabber.org/streams'>".to_owned(), StreamErrorKind::BadNamespacePrefix),
        (format!("<stream:strom {component} {streams} to='gw.example'>"), StreamErrorKind::BadFormat),
        ("<?xml version='1.0' encoding='UTF-16'?><a>".to_owned(), StreamErrorKind::UnsupportedEncoding),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), StreamErrorKind::NotWellFormed),
    ] {
        let mut stream = server();
        stream.receive(header.as_bytes(), at(0));
        assert_eq!(closed_by(&mut stream), Some(kind), "{header}");
        let out = output(&mut stream);
        assert!(out.starts_with("<?xml version='1.0'?><stream:stream "), "{out}");
        assert!(out.ends_with("</stream:error></stream:stream>"), "{out}");
    }
}

#[test]
fn another_prefix_for_the_stream_is_accepted() {
    let mut stream = server();
    let header = OPEN.replace("stream:stream", "x:stream").replace("xmlns:stream", "xmlns:x").replace("from=", "to=");
    stream.receive(header.as_bytes(), at(0));
    assert!(events(&mut stream).is_empty());
    assert_eq!(stream.domain(), Some(&jid("gw.example")));
}

#[test]
fn a_server_holds_its_component_to_its_own_addresses() {
    for (text, kind) in [
        ("<message from='a@other.example' to='b'/>", StreamErrorKind::InvalidFrom),
        ("<message from='@gw.example' to='b'/>", StreamErrorKind::InvalidFrom),
        ("<message to='b'/>", StreamErrorKind::ImproperAddressing),
        ("<message from='a@gw.example'/>", StreamErrorKind::ImproperAddressing),
        ("<message from='a@gw.example' to='@'/>", StreamErrorKind::ImproperAddressing),
        ("<foo xmlns='x'/>", StreamErrorKind::UnsupportedStanzaType),
        ("<message xmlns='jabber:server' from='a@gw.example' to='b'/>", StreamErrorKind::UnsupportedStanzaType),
    ] {
        let (_, mut server) = pair();
        server.receive(text.as_bytes(), at(1));
        assert_eq!(closed_by(&mut server), Some(kind), "{text}");
    }
}

#[test]
fn a_component_keeps_its_stream_whatever_stanza_comes() {
    for (text, what, condition) in [
        ("<message from='a@b'/>", Problem::MissingTo, Some(Condition::BadRequest)),
        ("<message to='a@gw.example'/>", Problem::MissingFrom, None),
        (
            "<iq type='get' id='1' from='a@b' to='c@other.example'><q xmlns='u'/></iq>",
            Problem::ForeignTo,
            Some(Condition::ServiceUnavailable),
        ),
        (
            "<iq type='get' from='a@b' to='gw.example'><q xmlns='u'/></iq>",
            Problem::MissingId,
            Some(Condition::BadRequest),
        ),
        ("<iq type='result' id='1' from='a@b' to='c@other.example'/>", Problem::ForeignTo, None),
        ("<presence from='a@b' to='c@other.example'/>", Problem::ForeignTo, None),
        ("<presence from='a@b' to='gw.example' type='odd'/>", Problem::UnknownType, None),
        ("<foo xmlns='x' from='a@b' to='gw.example'/>", Problem::NotAStanza, None),
    ] {
        let mut stream = ready();
        stream.receive(text.as_bytes(), at(1));
        let events = events(&mut stream);
        let [Event::Unusable { problem, answered }] = &events[..] else { panic!("{text}: {events:?}") };
        assert_eq!((problem.what, *answered), (what, condition.is_some()), "{text}");
        let out = output(&mut stream);
        match condition {
            Some(condition) => assert!(out.contains(condition.name()) && out.contains("to='a@b'"), "{out}"),
            None => assert_eq!(out, ""),
        }
        assert!(stream.is_ready());
    }
}

#[test]
fn a_stanza_past_the_limits_costs_only_itself() {
    let big = "x".repeat(300_000);
    let deep = format!("{}{}", "<a>".repeat(100), "</a>".repeat(100));
    for inside in [big, deep] {
        let mut stream = ready();
        let text = format!(
            "<message from='a@b/r' to='c@gw.example' id='7'><body>{inside}</body></message>\
             <message from='a@b/r' to='c@gw.example'><body>next</body></message>"
        );
        text.as_bytes().chunks(4096).for_each(|chunk| stream.receive(chunk, at(1)));
        let events = events(&mut stream);
        assert!(matches!(&events[..], [Event::Unusable { answered: true, .. }, Event::Stanza(_)]), "{events:?}");
        let out = output(&mut stream);
        assert!(out.starts_with("<message from='c@gw.example' to='a@b/r' id='7' type='error'>"), "{out}");
        assert!(out.contains("<policy-violation "), "{out}");
    }
}

#[test]
fn we_speak_only_for_our_own_domain() {
    let mut stream = ready();
    assert_eq!(stream.send(&message("a@other.example", "b", "x")), Err(NotSent::Address));
    assert_eq!(stream.send(&Stanza::Message(Message::default())), Err(NotSent::Address));
    assert_eq!(stream.send(&message("a@gw.example/r", "b", "x")), Ok(()));
}

#[test]
fn what_waits_is_bounded_and_told() {
    let mut stream = ready();
    stream.core.config.max_queued = 1000;
    let message = message("a@gw.example", "b", &"x".repeat(600));
    assert_eq!((stream.send(&message), stream.send(&message)), (Ok(()), Ok(())));
    assert_eq!(stream.send(&message), Err(NotSent::Full));
    assert!(stream.queued_bytes() > 1000);
    output(&mut stream);
    assert_eq!((stream.queued_bytes(), stream.send(&message)), (0, Ok(())));
}

#[test]
fn the_language_of_the_stream_is_that_of_stanzas_without_one() {
    let mut stream = ready();
    stream.receive(b"<message from='a' to='gw.example'/><message xml:lang='de' from='a' to='gw.example'/>", at(1));
    let langs: Vec<_> = events(&mut stream)
        .into_iter()
        .map(|event| match event {
            Event::Stanza(stanza) => stanza.lang().map(str::to_owned),
            Event::Ready | Event::Unusable { .. } | Event::Closed(_) => panic!("{event:?}"),
        })
        .collect();
    assert_eq!(langs, [Some("en".to_owned()), Some("de".to_owned())]);
}

#[test]
fn silence_is_broken_by_a_ping_and_ends_in_a_timeout() {
    let mut stream = ready();
    assert_eq!(stream.next_timeout(), Some(at(60).mono));
    stream.receive(b" ", at(30));
    assert_eq!(stream.next_timeout(), Some(at(90).mono));
    stream.handle_timeout(at(89));
    assert_eq!(output(&mut stream), "");
    stream.handle_timeout(at(90));
    assert_eq!(
        output(&mut stream),
        "<iq from='gw.example' to='gw.example' id='alive-1' type='get'><ping xmlns='urn:xmpp:ping'/></iq>"
    );
    assert_eq!(stream.next_timeout(), Some(at(110).mono));
    stream.handle_timeout(at(110));
    assert_eq!(closed_by(&mut stream), Some(StreamErrorKind::ConnectionTimeout));
    assert_eq!(stream.next_timeout(), None);
}

#[test]
fn the_answer_to_our_ping_is_nobody_elses_business() {
    let answers = [
        "<iq from='gw.example' to='gw.example' id='alive-1' type='get'><ping xmlns='urn:xmpp:ping'/></iq>",
        "<iq from='gw.example' to='gw.example' id='alive-1' type='result'/>",
        "<iq from='gw.example' to='gw.example' id='alive-1' type='error'/>",
    ];
    for answer in answers {
        let mut stream = ready();
        stream.handle_timeout(at(60));
        stream.receive(answer.as_bytes(), at(61));
        assert_eq!(events(&mut stream), []);
        assert_eq!(stream.next_timeout(), Some(at(121).mono));
    }
    let mut stream = ready();
    stream.handle_timeout(at(60));
    stream.receive(b"<iq from='a@b' to='gw.example' id='alive-1' type='result'/>", at(61));
    assert!(matches!(&events(&mut stream)[..], [Event::Stanza(_)]));
}

#[test]
fn negotiation_and_closing_have_deadlines() {
    let mut stream = component("secret");
    stream.receive(OPEN.as_bytes(), at(14));
    assert_eq!(stream.next_timeout(), Some(at(15).mono));
    stream.handle_timeout(at(15));
    assert_eq!(closed_by(&mut stream), Some(StreamErrorKind::ConnectionTimeout));

    let mut stream = ready();
    stream.close(None, at(10));
    assert_eq!(output(&mut stream), "</stream:stream>");
    stream.receive(b"<message from='a' to='gw.example'/>", at(11));
    stream.handle_timeout(at(15));
    let events = events(&mut stream);
    assert!(matches!(&events[..], [Event::Stanza(_), Event::Closed(Cause::Closed)]), "{events:?}");
    assert_eq!(output(&mut stream), "");
}

#[test]
fn the_end_of_the_connection_is_told_once() {
    let mut stream = ready();
    stream.disconnected();
    stream.disconnected();
    stream.receive(b"<message/>", at(1));
    assert_eq!(events(&mut stream), [Event::Closed(Cause::Disconnected)]);
    assert!(stream.is_closed());
    assert_eq!(stream.send(&message("a@gw.example", "b", "x")), Err(NotSent::NotReady));
}

#[test]
fn the_peers_close_is_answered() {
    let mut stream = ready();
    stream.receive(b"</stream:stream>", at(1));
    assert_eq!(events(&mut stream), [Event::Closed(Cause::PeerClosed)]);
    assert_eq!(output(&mut stream), "</stream:stream>");
}

#[test]
fn the_secret_is_not_shown() {
    let domain = BareJid::parse("gw.example").unwrap();
    let config = ComponentConfig { domain, secret: "hush".to_owned(), server: None, stream: StreamConfig::default() };
    let shown = format!("{config:?} {:?}", Stream::component(config.clone(), at(0)));
    assert!(!shown.contains("hush"), "{shown}");
}
