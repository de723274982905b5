#![allow(clippy::unwrap_used)]
use super::*;
use crate::mapping::{DomainMapping, Home, Mapping, Outgoing, Typing};
use crate::model::{Address, Composing, Content, Failure, InstantMessage, Reason, Text};
use crate::sip::message::{Message as SipMessage, Name, Request, wire};
use crate::time::Timestamp;
use crate::xml::{Limits, reader};
use crate::xmpp::{Message, MessageKind, Stanza};

const NOW: Timestamp = Timestamp(1_289_690_940_000 + 60_000); // Sat, 13 Nov 2010 23:30:00 GMT
const OUTGOING: Outgoing<'static> = Outgoing { from_tag: "tag1", call_id: "fresh", cseq: 7, language: None };

fn mapping_with(change: impl FnOnce(&mut DomainMapping)) -> Mapping {
    let mut sip = DomainMapping::new(Home::Sip, "sip.example", "pbx.example", None);
    change(&mut sip);
    Mapping::new(vec![DomainMapping::new(Home::Xmpp, "xmpp.example", "xmpp.example", None), sip]).unwrap()
}

fn mapping() -> Mapping {
    mapping_with(|_| {})
}

fn stanza(attributes: &str, inside: &str) -> Message {
    let text = format!(
        "<message xmlns='jabber:client' from='juliet@xmpp.example/balcony' to='romeo@sip.example' {attributes}>{inside}</message>"
    );
    match Stanza::from_element(reader::parse(text.as_bytes(), &Limits::document()).unwrap()).unwrap() {
        Stanza::Message(message) => message,
        Stanza::Presence(_) | Stanza::Iq(_) => panic!("not a message"),
    }
}

fn request(headers: &str, body: &[u8]) -> Request {
    request_to("sip:juliet@xmpp.example", "<sip:romeo@pbx.example>;tag=a", headers, body)
}

fn request_to(uri: &str, from: &str, headers: &str, body: &[u8]) -> Request {
    let mut text = format!(
        "MESSAGE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nTo: <sip:juliet@xmpp.example>\r\nFrom: {from}\r\n\
         Call-ID: c1\r\nCSeq: 4711 MESSAGE\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    text.extend_from_slice(body);
    match wire::parse(&text).unwrap() {
        SipMessage::Request(request) => request,
        SipMessage::Response(_) => panic!("a response"),
    }
}

fn received(headers: &str, body: &[u8]) -> Result<Option<InstantMessage>, Failure> {
    mapping().sip_to_message(&request(headers, body), NOW)
}

fn words(headers: &str, body: &[u8]) -> String {
    match received(headers, body).unwrap().unwrap().content {
        Content::Text { bodies, .. } => bodies[0].text.clone(),
        Content::Composing(state) => panic!("{state:?}"),
    }
}

fn refused(headers: &str, body: &[u8]) -> Reason {
    received(headers, body).unwrap_err().reason
}

fn sent(stanza: &Message) -> Request {
    let mapping = mapping();
    mapping.message_to_sip(&mapping.xmpp_to_message(stanza).unwrap().unwrap(), &OUTGOING).unwrap()
}

#[test]
fn a_stanza_becomes_a_complete_request_but_for_via() {
    let request = sent(&stanza("id='1' type='chat'", "<body>Grüße\n&amp; Küsse 😀</body>"));
    let header = |name| request.headers.text(name).unwrap().into_owned();
    assert_eq!(request.uri.as_str(), "sip:romeo@pbx.example");
    assert_eq!(header(Name::TO), "<sip:romeo@pbx.example>");
    assert_eq!(header(Name::FROM), "<sip:juliet@xmpp.example;gr=balcony>;tag=tag1");
    assert_eq!((header(Name::CALL_ID), header(Name::CSEQ)), ("fresh".into(), "7 MESSAGE".into()));
    assert_eq!(
        (header(Name::MAX_FORWARDS), header(Name::CONTENT_TYPE)),
        ("70".into(), "text/plain;charset=UTF-8".into())
    );
    assert_eq!(request.body(), "Grüße\r\n& Küsse 😀".as_bytes());
    assert_eq!(header(Name::CONTENT_LENGTH), request.body().len().to_string());
    assert!(!request.headers.has(Name::CONTACT) && !request.headers.has(Name::VIA));
}

#[test]
fn subject_thread_language_and_nick_have_their_headers() {
    let request = sent(&stanza(
        "xml:lang='cs'",
        "<subject>Bal\n kón\r</subject><body>x</body><thread>t 1</thread>\
         <nick xmlns='http://jabber.org/protocol/nick'>Jul \"x\" \\ &lt;a></nick>",
    ));
    let header = |name| request.headers.text(name).unwrap().into_owned();
    assert_eq!(header(Name::SUBJECT), "Bal kón");
    assert_eq!(header(Name::CONTENT_LANGUAGE), "cs");
    assert_eq!(thread::from_call_id(&header(Name::CALL_ID)), "t 1");
    let from = request.headers.from().unwrap();
    assert_eq!(from.display().as_deref(), Some("Jul \"x\" \\ <a>"));
}

#[test]
fn of_several_languages_the_preferred_is_sent() {
    let stanza = stanza(
        "xml:lang='en'",
        "<subject xml:lang='de'>Betreff</subject><subject>Subject</subject>\
         <body>Hello</body><body xml:lang='de-AT'>Servus</body><body xml:lang='not a tag'>?</body>",
    );
    let mapping = mapping();
    let message = mapping.xmpp_to_message(&stanza).unwrap().unwrap();
    for (language, body, subject) in
        [(None, "Hello", "Subject"), (Some("de"), "Servus", "Betreff"), (Some("fr"), "Hello", "Subject")]
    {
        let request = mapping.message_to_sip(&message, &Outgoing { language, ..OUTGOING }).unwrap();
        assert_eq!(request.body(), body.as_bytes(), "{language:?}");
        assert_eq!(request.headers.text(Name::SUBJECT).unwrap(), subject, "{language:?}");
    }
}

#[test]
fn what_says_nothing_crosses_quietly_not_at_all() {
    for (attributes, inside) in [
        ("type='chat'", "<composing xmlns='http://jabber.org/protocol/chatstates'/>"),
        ("", ""),
        ("", "<body/>"),
        ("type='error'", "<body>x</body><error type='cancel'/>"),
        ("", "<body>x</body><received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'/></received>"),
        ("", "<encrypted xmlns='eu.siacs.conversations.axolotl'><header/></encrypted>"),
        ("", "<received xmlns='urn:xmpp:receipts' id='1'/>"),
    ] {
        assert_eq!(mapping().xmpp_to_message(&stanza(attributes, inside)), Ok(None), "{inside}");
    }
}

#[test]
fn ciphertext_is_refused_in_words_and_its_fallback_stays_here() {
    for inside in [
        "<encrypted xmlns='eu.siacs.conversations.axolotl'><header/><payload>x</payload></encrypted>",
        "<encrypted xmlns='urn:xmpp:omemo:2'><header/><payload>x</payload></encrypted>",
        "<encryption xmlns='urn:xmpp:eme:0' namespace='urn:x' name='X'/>",
        "<openpgp xmlns='urn:xmpp:openpgp:0'>x</openpgp>",
        "<x xmlns='jabber:x:encrypted'>x</x>",
    ] {
        let stanza = stanza("type='chat'", &format!("<body>This message is encrypted</body>{inside}"));
        let failure = mapping().xmpp_to_message(&stanza).unwrap_err();
        assert_eq!(failure.reason, Reason::Encrypted, "{inside}");
        let error = mapping().failure_to_stanza_error(&failure);
        assert_eq!(error.condition.name(), "not-acceptable");
        assert!(error.text.unwrap().contains("switch"), "{inside}");
    }
    assert_eq!(mapping().xmpp_to_message(&stanza("", "<body>?OTR:AAMC</body>")).unwrap_err().reason, Reason::Encrypted);
}

#[test]
fn rooms_are_another_service() {
    let failure = mapping().xmpp_to_message(&stanza("type='groupchat'", "<body>x</body>")).unwrap_err();
    assert_eq!(mapping().failure_to_stanza_error(&failure).condition.name(), "service-unavailable");
}

#[test]
fn a_subject_alone_is_said_as_words() {
    assert_eq!(sent(&stanza("", "<subject>Fire</subject>")).body(), b"Fire");
}

#[test]
fn typing_crosses_only_where_it_is_wanted() {
    let typing = mapping_with(|domain| domain.typing = Typing::Always);
    let silent = mapping_with(|domain| domain.typing = Typing::Never);
    let composing = stanza("type='chat'", "<composing xmlns='http://jabber.org/protocol/chatstates'/>");
    assert_eq!(silent.xmpp_to_message(&composing).unwrap(), None);
    let message = typing.xmpp_to_message(&composing).unwrap().unwrap();
    let request = typing.message_to_sip(&message, &OUTGOING).unwrap();
    assert_eq!(request.headers.text(Name::CONTENT_TYPE).unwrap(), "application/im-iscomposing+xml");
    let paused = stanza("", "<paused xmlns='http://jabber.org/protocol/chatstates'/>");
    assert_eq!(typing.xmpp_to_message(&paused).unwrap().unwrap().content, Content::Composing(Composing::Idle));
}

#[test]
fn a_request_becomes_a_stanza_with_all_it_said() {
    let request = request_to(
        "sip:juliet@xmpp.example;gr=balcony",
        "\"Romeo M.\" <sip:romeo@pbx.example;gr=orchard>;tag=a",
        "Max-Forwards: 10\r\nSubject: Na\u{ef}ve\r\nContent-Language: cs, en\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Date: Sat, 13 Nov 2010 23:00:00 GMT\r\n",
        "one\r\ntwo\u{7}\rthree".as_bytes(),
    );
    let mapping = mapping();
    let stanza = mapping.message_to_xmpp(&mapping.sip_to_message(&request, NOW).unwrap().unwrap()).unwrap();
    assert_eq!(stanza.from.as_ref().unwrap().as_str(), "romeo@sip.example/orchard");
    assert_eq!(stanza.to.as_ref().unwrap().as_str(), "juliet@xmpp.example/balcony");
    assert_eq!((stanza.kind, stanza.lang.as_deref()), (MessageKind::Normal, Some("cs")));
    assert_eq!(stanza.subject().unwrap(), "Naïve");
    assert_eq!(stanza.body().unwrap(), "one\ntwo\u{FFFD}\nthree");
    assert_eq!(stanza.thread().unwrap(), "c1");
    assert_eq!(crate::xmpp::xep::nick::find(&stanza.payload).as_deref(), Some("Romeo M."));
    assert_eq!(crate::xmpp::xep::shim::hops(&stanza.payload), Some(9));
    let delay = stanza.child("urn:xmpp:delay", "delay").unwrap();
    assert_eq!(delay.attr("stamp"), Some("2010-11-13T23:00:00Z"));
    let mut text = Vec::new();
    stanza.write("jabber:client", &mut text);
    assert!(!String::from_utf8(text).unwrap().contains("4711"), "CSeq has no mapping");
}

#[test]
fn the_id_names_the_transaction_and_nothing_else() {
    let id = |from: &str, headers: &str| {
        let request = request_to("sip:juliet@xmpp.example", from, headers, b"x");
        mapping().sip_to_message(&request, NOW).unwrap().unwrap().id.unwrap()
    };
    let first = id("<sip:romeo@pbx.example>;tag=a", "");
    assert_eq!(first, id("<sip:romeo@pbx.example>;tag=a", "Max-Forwards: 3\r\n"));
    assert_ne!(first, id("<sip:romeo@pbx.example>;tag=b", ""));
    assert_eq!(first.len(), 24);
}

#[test]
fn charsets_become_unicode() {
    for (charset, body, text) in [
        ("", "grün".as_bytes(), "grün"),
        (";charset=us-ascii", b"green", "green"),
        (";charset=\"UTF-8\"", "😀 שלום é".as_bytes(), "😀 שלום é"),
        (";charset=ISO-8859-1", b"gr\xFCn", "grün"),
        (";charset=iso-8859-15", b"\xA4", "€"),
        (";charset=windows-1252", b"\x80", "€"),
    ] {
        assert_eq!(words(&format!("Content-Type: text/plain{charset}\r\n"), body), text, "{charset}");
    }
    assert_eq!(refused("Content-Type: text/plain;charset=x-klingon\r\n", b"x"), Reason::MediaTypeUnsupported);
    assert_eq!(refused("Content-Type: text/plain\r\n", b"\xFF"), Reason::BadRequest);
    assert_eq!(words("", b"no type at all"), "no type at all");
}

#[test]
fn bodies_inside_bodies_are_opened() {
    let cpim = "From: <im:evil@elsewhere.example>\r\nTo: <im:x@y>\r\nSubject:;lang=fr Salut\r\n\r\n\
                Content-Type: text/plain;charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nSGVsbG8=";
    let message = received("Content-Type: message/cpim\r\n", cpim.as_bytes()).unwrap().unwrap();
    assert_eq!(message.from, Address::new("romeo", "sip.example"), "SIP says who, not what is inside");
    assert_eq!(message.subjects, [Text { lang: Some("fr".into()), text: "Salut".into() }]);
    assert_eq!(words("Content-Type: message/cpim\r\n", cpim.as_bytes()), "Hello");
    let nested = format!("From: <im:a@b>\r\n\r\nContent-Type: message/cpim\r\n\r\n{cpim}");
    assert_eq!(words("Content-Type: message/cpim\r\n", nested.as_bytes()), "Hello");
    let alternative =
        "--b\r\nContent-Type: text/html\r\n\r\n<b>markup</b>\r\n--b\r\nContent-Type: text/plain\r\n\r\nplain\r\n--b--";
    assert_eq!(words("Content-Type: multipart/alternative;boundary=b\r\n", alternative.as_bytes()), "plain");
    let mixed =
        "--b\r\nContent-Type: image/png\r\n\r\nx\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>only <b>markup\r\n--b--";
    assert_eq!(words("Content-Type: multipart/mixed;boundary=\"b\"\r\n", mixed.as_bytes()), "only markup");
}

#[test]
fn alternatives_in_several_languages_all_cross() {
    let part = |lang: &str, text: &str| {
        format!("--b\r\nContent-Type: text/plain\r\nContent-Language: {lang}\r\n\r\n{text}\r\n")
    };
    let body = part("en", "Hello") + &part("de", "Hallo") + "--b--";
    let message = received("Content-Type: multipart/alternative;boundary=b\r\n", body.as_bytes()).unwrap().unwrap();
    let stanza = mapping().message_to_xmpp(&message).unwrap();
    let bodies: Vec<_> = stanza.bodies().map(|(lang, text)| (lang.unwrap().to_owned(), text.into_owned())).collect();
    assert_eq!(bodies, [("en".into(), "Hello".into()), ("de".into(), "Hallo".into())]);
}

#[test]
fn what_cannot_be_read_is_refused_for_what_it_is() {
    let mut deep = "x".to_owned();
    for _ in 0..20 {
        deep = format!("From: <im:a@b>\r\n\r\nContent-Type: message/cpim\r\n\r\n{deep}");
    }
    let required = "From: <im:a@b>\r\nNS: f <x:y>\r\nRequire: f.Vital\r\n\r\nContent-Type: text/plain\r\n\r\nx";
    for (headers, body, reason) in [
        ("Content-Type: image/png\r\n", "x", Reason::MediaTypeUnsupported),
        ("Content-Type: application/x-unknown\r\n", "x", Reason::MediaTypeUnsupported),
        ("Content-Type: nonsense\r\n", "x", Reason::BadRequest),
        ("Content-Encoding: gzip\r\n", "x", Reason::EncodingUnsupported),
        ("Content-Type: message/cpim\r\n", &deep, Reason::ContentRefused),
        ("Content-Type: message/cpim\r\n", required, Reason::ContentRefused),
        ("Content-Type: message/cpim\r\n", "nonsense", Reason::BadRequest),
        ("Content-Type: multipart/mixed\r\n", "x", Reason::BadRequest),
        (
            "Content-Type: multipart/mixed;boundary=b\r\n",
            "--b\r\nContent-Type: image/png\r\n\r\nx\r\n--b--",
            Reason::MediaTypeUnsupported,
        ),
        ("Content-Type: application/im-iscomposing+xml\r\n", "<isComposing", Reason::BadRequest),
    ] {
        assert_eq!(refused(headers, body.as_bytes()), reason, "{headers} {body}");
    }
}

#[test]
fn an_empty_body_is_accepted_and_nobody_is_told() {
    assert_eq!(received("", b""), Ok(None));
    assert_eq!(received("Content-Type: application/x-unknown\r\n", b""), Ok(None));
    assert_eq!(received("Content-Type: text/html\r\n", b"<p> </p>"), Ok(None));
}

#[test]
fn markup_is_reduced_to_text_and_kept_only_where_asked() {
    let markup = b"<html><body><p>Hi <b onclick='x'>Juliet</b></p><script>evil()</script></body></html>";
    let headers = "Content-Type: text/html; charset=utf-8\r\n";
    assert_eq!(words(headers, markup), "Hi Juliet");
    for (keep, expected) in [(false, false), (true, true)] {
        let mapping = mapping_with(|domain| domain.xhtml_im = keep);
        let message = mapping.sip_to_message(&request(headers, markup), NOW).unwrap().unwrap();
        let stanza = mapping.message_to_xmpp(&message).unwrap();
        assert_eq!(stanza.child("http://jabber.org/protocol/xhtml-im", "html").is_some(), expected);
        assert!(!format!("{stanza:?}").contains("evil") && !format!("{stanza:?}").contains("onclick"));
    }
}

#[test]
fn typing_from_sip_is_a_chat_state() {
    let body = crate::model::iscomposing::print(Composing::Active { refresh: 90 });
    let message = received("Content-Type: application/im-iscomposing+xml\r\n", &body).unwrap().unwrap();
    let stanza = mapping().message_to_xmpp(&message).unwrap();
    assert_eq!(stanza.kind, MessageKind::Chat);
    assert!(stanza.child("http://jabber.org/protocol/chatstates", "composing").is_some() && stanza.body().is_none());
}

#[test]
fn a_secure_request_is_not_translated() {
    let refused = |uri: &str, to: &str| {
        let mut request = request_to(uri, "<sip:romeo@pbx.example>;tag=a", "", b"x");
        request.headers.replace(Name::TO, to);
        mapping().sip_to_message(&request, NOW).unwrap_err()
    };
    for (uri, to) in [
        ("sips:juliet@xmpp.example", "<sip:juliet@xmpp.example>"),
        ("sip:juliet@xmpp.example", "<sips:juliet@xmpp.example>"),
    ] {
        let failure = refused(uri, to);
        assert_eq!(failure.reason, Reason::SecureSchemeRefused);
        assert_eq!(mapping().failure_to_status(&failure, false, true).status.code(), 480);
    }
}

#[test]
fn the_request_uri_says_whom_not_to() {
    let mut request = request("", b"x");
    request.headers.replace(Name::TO, "<sip:list@lists.example>");
    assert_eq!(mapping().sip_to_message(&request, NOW).unwrap().unwrap().to, Address::new("juliet", "xmpp.example"));
    let im = request_to("im:juliet@xmpp.example", "<sip:romeo@pbx.example>;tag=a", "", b"x");
    assert_eq!(mapping().sip_to_message(&im, NOW).unwrap().unwrap().to, Address::new("juliet", "xmpp.example"));
}

#[test]
fn the_anonymous_appear_as_configured_or_not_at_all() {
    for (from, headers) in [
        ("\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=a", ""),
        ("<sip:romeo@pbx.example>;tag=a", "Privacy: user;id\r\n"),
    ] {
        let request = request_to("sip:juliet@xmpp.example", from, headers, b"x");
        assert_eq!(mapping().sip_to_message(&request, NOW).unwrap_err().reason, Reason::AnonymityDisallowed);
        let hidden = mapping_with(|domain| domain.anonymous = Some(Address::new("nobody", "sip.example")));
        let message = hidden.sip_to_message(&request, NOW).unwrap().unwrap();
        assert_eq!((message.from, message.nick), (Address::new("nobody", "sip.example"), None));
    }
}

#[test]
fn what_expired_is_not_delivered() {
    let date = "Date: Sat, 13 Nov 2010 23:29:00 GMT\r\n"; // 60 s before NOW
    assert_eq!(refused(&format!("{date}Expires: 59\r\n"), b"x"), Reason::Expired);
    assert!(received(&format!("{date}Expires: 61\r\n"), b"x").is_ok());
    assert!(received("Expires: 1\r\n", b"x").is_ok(), "counted from now");
}

#[test]
fn hops_are_counted_down_through_both_protocols_until_none_is_left() {
    assert_eq!(refused("Max-Forwards: 0\r\n", b"x"), Reason::TooManyHops);
    assert_eq!(received("", b"x").unwrap().unwrap().hops, Some(69));
    let mapping = mapping();
    let counted = |hops: u8| {
        stanza(
            "",
            &format!(
                "<body>x</body><headers xmlns='http://jabber.org/protocol/shim'><header name='Max-Forwards'>{hops}</header></headers>"
            ),
        )
    };
    assert_eq!(mapping.xmpp_to_message(&counted(0)).unwrap_err().reason, Reason::TooManyHops);
    assert_eq!(sent(&counted(5)).headers.text(Name::MAX_FORWARDS).unwrap(), "4");
    let mut message = mapping.sip_to_message(&request("Max-Forwards: 9\r\n", b"x"), NOW).unwrap().unwrap();
    let mut crossings = 0;
    loop {
        let stanza = mapping.message_to_xmpp(&message).unwrap();
        let Ok(Some(back)) = mapping.xmpp_to_message(&stanza) else { break };
        let mut request = mapping.message_to_sip(&back, &OUTGOING).unwrap();
        request.headers.insert_first(Name::VIA, "SIP/2.0/UDP h;branch=z9hG4bKx");
        match mapping.sip_to_message(&request, NOW) {
            Ok(Some(next)) => message = next,
            _ => break,
        }
        crossings += 1;
        assert!(crossings < 10, "two gateways facing each other would never stop");
    }
}

#[test]
fn single_messages_are_chat_only_by_the_switch() {
    assert!(!received("", b"x").unwrap().unwrap().chat);
    let chat = mapping_with(|domain| domain.pager_as_chat = true);
    assert!(chat.sip_to_message(&request("", b"x"), NOW).unwrap().unwrap().chat);
}

#[test]
fn a_call_id_is_a_thread_unless_switched_off() {
    let lone = mapping_with(|domain| domain.call_id_as_thread = false);
    assert_eq!(lone.sip_to_message(&request("", b"x"), NOW).unwrap().unwrap().thread, None);
    let answer = mapping().sip_to_message(&request("", b"x"), NOW).unwrap().unwrap();
    assert_eq!(answer.thread.as_deref(), Some("c1"));
}

#[test]
fn gr_in_from_can_be_switched_off_and_a_stray_one_is_found() {
    let plain = Mapping::new(vec![
        DomainMapping { gruu: false, ..DomainMapping::new(Home::Xmpp, "xmpp.example", "xmpp.example", None) },
        DomainMapping::new(Home::Sip, "sip.example", "pbx.example", None),
    ])
    .unwrap();
    let message = plain.xmpp_to_message(&stanza("", "<body>x</body>")).unwrap().unwrap();
    let request = plain.message_to_sip(&message, &OUTGOING).unwrap();
    assert_eq!(request.headers.from().unwrap().uri.as_str(), "sip:juliet@xmpp.example");
    let stray = request_to("sip:juliet@xmpp.example", "<sip:romeo@pbx.example>;gr=x;tag=a", "", b"x");
    assert_eq!(mapping().sip_to_message(&stray, NOW).unwrap().unwrap().from.instance.as_deref(), Some("x"));
}

#[test]
fn an_address_nobody_maps_is_an_error_to_the_sender() {
    let from_elsewhere = request_to("sip:juliet@xmpp.example", "<sip:a@elsewhere.example>;tag=a", "", b"x");
    assert_eq!(mapping().sip_to_message(&from_elsewhere, NOW).unwrap_err().reason, Reason::ServerNotFound);
    let to_space = request_to("sip:%20x@xmpp.example", "<sip:romeo@pbx.example>;tag=a", "", b"x");
    let failure = mapping().sip_to_message(&to_space, NOW).unwrap_err();
    assert_eq!(mapping().failure_to_status(&failure, false, true).status.code(), 484);
}

#[test]
fn any_text_survives_the_way_there_and_back() {
    for text in ["e\u{301}", "👩‍👩‍👧", "שלום world", "<&>'\"", "a\n\nb\t", " spaces ", "\u{FEFF}x", "]]>"]
    {
        let stanza =
            Message::new("juliet@xmpp.example".parse_jid(), "romeo@sip.example".parse_jid(), MessageKind::Chat)
                .with_body(None, text);
        let mut request = sent(&stanza);
        request.headers.insert_first(Name::VIA, "SIP/2.0/UDP h;branch=z9hG4bKx");
        let back = mapping().sip_to_message(&request, NOW).unwrap().unwrap();
        let Content::Text { bodies, .. } = back.content else { panic!("no text") };
        let expected = text.strip_prefix('\u{FEFF}').unwrap_or(text);
        assert_eq!(bodies[0].text, expected);
    }
}

trait ParseJid {
    fn parse_jid(&self) -> crate::xmpp::Jid;
}

impl ParseJid for str {
    fn parse_jid(&self) -> crate::xmpp::Jid {
        crate::xmpp::Jid::parse(self).unwrap()
    }
}

#[test]
fn cpim_of_its_own_is_read_and_written_by_rfc_3922() {
    let mut message =
        InstantMessage::text(Address::new("juliet", "example.com"), Address::new("romeo", "example.net"), "one\ntwo");
    message.subjects = vec![Text { lang: Some("cs".into()), text: "Ahoj!".into() }];
    message.nick = Some("Juliet Capulet".into());
    let object = mapping().message_to_cpim(&message).unwrap();
    assert!(object.starts_with("From: \"Juliet Capulet\" <im:juliet@example.com>\r\nTo: <im:romeo@example.net>\r\n"));
    let read = crate::model::cpim::parse(object.as_bytes()).unwrap();
    let back = mapping().cpim_to_message(&read).unwrap().unwrap();
    assert_eq!(
        (back.from, back.to, back.content, back.subjects),
        (message.from, message.to, message.content, message.subjects)
    );
}
