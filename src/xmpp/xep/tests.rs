#![allow(clippy::unwrap_used)]
use super::chatstates::ChatState;
use super::disco::{Identity, Info, Query};
use super::form::Form;
use super::*;
use crate::time::Timestamp;
use crate::xml::{Element, Limits, ns, reader};
use crate::xmpp::stanza::{Iq, Message, Stanza};

fn element(text: &str) -> Element {
    reader::parse(text.as_bytes(), &Limits::default()).unwrap()
}

fn message(inside: &str) -> Message {
    let text = format!("<message xmlns='jabber:client' from='a@a/1' to='b@b'>{inside}</message>");
    let Ok(Stanza::Message(message)) = Stanza::from_element(element(&text)) else { panic!("a message") };
    message
}

fn get(inside: &str) -> Iq {
    let text = format!("<iq xmlns='jabber:client' type='get' id='1' from='a@a/1' to='b'>{inside}</iq>");
    let Ok(Stanza::Iq(iq)) = Stanza::from_element(element(&text)) else { panic!("an iq") };
    iq
}

#[test]
fn times_are_read_and_written() {
    for (text, millis) in [
        ("1970-01-01T00:00:00Z", 0),
        ("2002-09-10T23:08:25Z", 1_031_699_305_000),
        ("2002-09-11T01:08:25+02:00", 1_031_699_305_000),
        ("2000-02-29T12:00:00.25Z", 951_825_600_250),
        ("1969-12-31T23:59:59.999Z", -1),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000),
    ] {
        assert_eq!(datetime::parse(text), Some(Timestamp(millis)), "{text}");
        assert_eq!(datetime::parse(&datetime::format(Timestamp(millis))), Some(Timestamp(millis)), "{text}");
    }
    assert_eq!(datetime::format(Timestamp(951_825_600_250)), "2000-02-29T12:00:00.250Z");
    for bad in [
        "",
        "2001-02-29T00:00:00Z",
        "2002-13-10T23:08:25Z",
        "2002-09-10T24:08:25Z",
        "2002-09-10T23:08:25",
        "2002-09-10 23:08:25Z",
        "2002-09-10T23:08:25.Z",
        "2002-09-10T23:08:25+2",
        "20020910T23:08:25",
        "é002-09-10T23:08:25Z",
        "2002-09-10T23:08:25+é:00",
    ] {
        assert_eq!(datetime::parse(bad), None, "{bad}");
    }
}

#[test]
fn every_day_of_eight_centuries_is_found_again() {
    for day in -200_000..100_000 {
        let time = Timestamp(day * 86_400_000);
        assert_eq!(datetime::parse(&datetime::format(time)), Some(time));
    }
}

#[test]
fn a_chat_state_is_found_whatever_else_is_there() {
    let states = "<body>x</body><composing xmlns='http://jabber.org/protocol/chatstates'/>";
    assert_eq!(ChatState::of(&message(states)), Some(ChatState::Composing));
    assert_eq!(ChatState::of(&message("<composing xmlns='u'/>")), None);
    assert_eq!(ChatState::Gone.to_element(), element("<gone xmlns='http://jabber.org/protocol/chatstates'/>"));
}

#[test]
fn all_ways_to_encrypt_are_seen() {
    for (inside, expected) in [
        ("<encrypted xmlns='eu.siacs.conversations.axolotl'/><body>fallback</body>", Some("OMEMO")),
        ("<encrypted xmlns='urn:xmpp:omemo:2'/>", Some("OMEMO")),
        ("<openpgp xmlns='urn:xmpp:openpgp:0'/>", Some("OpenPGP (XEP-0373)")),
        ("<x xmlns='jabber:x:encrypted'/>", Some("OpenPGP (XEP-0027)")),
        ("<e2e xmlns='urn:ietf:params:xml:ns:xmpp-e2e'/>", Some("S/MIME (RFC 3923)")),
        ("<encryption xmlns='urn:xmpp:eme:0' namespace='urn:xmpp:otr:0' name='OTR'/>", Some("OTR")),
        ("<encryption xmlns='urn:xmpp:eme:0' namespace='urn:x'/>", Some("urn:x")),
        ("<body>x</body>", None),
    ] {
        assert_eq!(encryption::method(&message(inside)).as_deref(), expected, "{inside}");
    }
}

#[test]
fn copies_are_not_messages_to_us() {
    for inside in [
        "<received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'/></received>",
        "<forwarded xmlns='urn:xmpp:forward:0'/>",
        "<result xmlns='urn:xmpp:mam:2'><forwarded xmlns='urn:xmpp:forward:0'/></result>",
    ] {
        assert!(forward::is_copy(&message(inside)), "{inside}");
    }
    assert!(!forward::is_copy(&message("<body>x</body>")));
}

#[test]
fn hops_are_counted_down_from_the_least() {
    assert_eq!(shim::hops(&[shim::element(7)]), Some(7));
    let text = "<headers xmlns='http://jabber.org/protocol/shim'><header name='Urgency'>1</header>\
                <header name='max-forwards'> 9 </header><header name='Max-Forwards'>3</header></headers>";
    assert_eq!(shim::hops(&[element(text)]), Some(3));
    let text = "<headers xmlns='http://jabber.org/protocol/shim'><header name='Max-Forwards'>300</header></headers>";
    assert_eq!(shim::hops(&[element(text)]), None);
}

#[test]
fn the_first_delay_counts() {
    let (early, late) = (Timestamp(1_000), Timestamp(2_000));
    assert_eq!(delay::find(&[delay::element("b", late), delay::element("a", early)]), Some(early));
    assert_eq!(delay::find(&[element("<delay xmlns='urn:xmpp:delay' stamp='soon'/>")]), None);
}

#[test]
fn discovery_is_recognised_and_answered() {
    let iq = get("<query xmlns='http://jabber.org/protocol/disco#info' node='n'/>");
    assert_eq!(Query::of(&iq), Some(Query::Info { node: Some("n") }));
    assert_eq!(
        Query::of(&get("<query xmlns='http://jabber.org/protocol/disco#items'/>")),
        Some(Query::Items { node: None })
    );
    assert_eq!(Query::of(&get("<query xmlns='jabber:iq:version'/>")), None);
    let identity = Identity { lang: None, category: "gateway", kind: "sip", name: Some("SIP".to_owned()) };
    let expected = "<query xmlns='http://jabber.org/protocol/disco#info' node='n'>\
                    <identity category='gateway' type='sip' name='SIP'/>\
                    <feature var='http://jabber.org/protocol/disco#info'/><feature var='urn:xmpp:ping'/></query>";
    let info = Info { identities: vec![identity], features: vec![ns::PING], forms: Vec::new() };
    assert_eq!(info.to_element(Some("n")), element(expected));
    let expected =
        "<query xmlns='http://jabber.org/protocol/disco#items'><item jid='a' name='A'/><item jid='b'/></query>";
    assert_eq!(disco::items(None, &[("a", Some("A")), ("b", None)]), element(expected));
}

#[test]
fn small_questions_are_recognised_and_answered() {
    assert!(ping::is_ping(&get("<ping xmlns='urn:xmpp:ping'/>")));
    assert!(version::is_query(&get("<query xmlns='jabber:iq:version'/>")));
    assert!(time::is_query(&get("<time xmlns='urn:xmpp:time'/>")));
    assert!(vcard::is_query(&get("<vCard xmlns='vcard-temp'/>")));
    assert!(!ping::is_ping(&get("<ping xmlns='u'/>")));
    let expected = "<time xmlns='urn:xmpp:time'><tzo>+00:00</tzo><utc>2006-12-19T17:58:35Z</utc></time>";
    assert_eq!(time::result(Timestamp(1_166_551_115_123)), element(expected));
    let expected = "<query xmlns='jabber:iq:version'><name>stox</name><version>1</version></query>";
    assert_eq!(version::result("stox", "1"), element(expected));
    let expected = "<vCard xmlns='vcard-temp'><FN>Romeo</FN><URL>sip:romeo@example.net</URL></vCard>";
    assert_eq!(vcard::card(Some("Romeo"), Some("sip:romeo@example.net"), None), element(expected));
}

#[test]
fn names_hints_and_ids_are_read() {
    assert_eq!(nick::find(&[nick::element("Jules")]).as_deref(), Some("Jules"));
    assert!(hints::has(&[hints::element(hints::NO_STORE)], "no-store"));
    assert_eq!(sid::origin(&[sid::origin_element("x")]), Some("x"));
    let given = element("<stanza-id xmlns='urn:xmpp:sid:0' id='1' by='a'/>");
    let mut payload = vec![given];
    assert_eq!((sid::given_by(&payload, "a"), sid::given_by(&payload, "b")), (Some("1"), None));
    sid::forget_given_by(&mut payload, "a");
    assert!(payload.is_empty());
}

#[test]
fn the_hash_of_capabilities_is_that_of_the_specification() {
    // XEP-0115 sections 5.2 and 5.3.
    let identity = |lang, name: &str| Identity { category: "client", kind: "pc", lang, name: Some(name.to_owned()) };
    let mut info = Info {
        identities: vec![identity(None, "Exodus 0.9.1")],
        features: vec![ns::MUC, ns::DISCO_ITEMS, ns::CAPS],
        forms: Vec::new(),
    };
    assert_eq!(caps::ver(&info), "QgayPKawpkPSDYmwT/WM94uAlu0=");
    info.identities = vec![identity(Some("en"), "Psi 0.11"), identity(Some("el"), "Ψ 0.11")];
    let field = |name: &str, values: &[&str]| (name.to_owned(), values.iter().map(ToString::to_string).collect());
    let fields = vec![
        field("software", &["Psi"]),
        field("os", &["Mac"]),
        field("os_version", &["10.5.1"]),
        field("ip_version", &["ipv6", "ipv4"]),
        field("software_version", &["0.11"]),
    ];
    info.forms = vec![Form { kind: "urn:xmpp:dataforms:softwareinfo", fields }];
    assert_eq!(caps::ver(&info), "q07IKJEyjvHSyhy//CH0CxmKi8w=");
}

#[test]
fn contacts_are_a_form_and_none_are_no_form() {
    let contact = |purpose: &str, addresses: &[&str]| {
        (purpose.to_owned(), addresses.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    assert_eq!(contacts::form(&[contact("abuse", &[])]), None);
    let form = contacts::form(&[contact("abuse", &["mailto:a@example", "xmpp:b@example"])]).unwrap();
    let expected = "<x xmlns='jabber:x:data' type='result'>\
                    <field var='FORM_TYPE' type='hidden'><value>http://jabber.org/network/serverinfo</value></field>\
                    <field var='abuse-addresses' type='list-multi'><value>mailto:a@example</value>\
                    <value>xmpp:b@example</value></field></x>";
    assert_eq!(form.to_element(), element(expected));
}

#[test]
fn idleness_is_read_and_written() {
    let idle = element("<idle xmlns='urn:xmpp:idle:1' since='1969-07-21T02:56:15Z'/>");
    let since = super::idle::find(std::slice::from_ref(&idle)).unwrap();
    assert_eq!(super::idle::element(since), idle);
    assert_eq!(super::idle::find(&[element("<idle xmlns='urn:xmpp:idle:1'/>")]), None);
    assert_eq!(super::idle::find(&[]), None);
}

#[test]
fn activities_are_read_and_written() {
    for (inside, general, specific, text) in [
        ("<relaxing><partying/></relaxing><text>my birthday</text>", "relaxing", Some("partying"), Some("my birthday")),
        ("<eating/>", "eating", None, None),
        ("", "", None, None),
    ] {
        let written = element(&format!("<activity xmlns='http://jabber.org/protocol/activity'>{inside}</activity>"));
        let activity = activity::Activity {
            general: general.to_owned(),
            specific: specific.map(str::to_owned),
            text: text.map(str::to_owned),
        };
        assert_eq!(activity::read(&written), Some(activity.clone()));
        assert_eq!(activity::element(&activity), written);
    }
    assert_eq!(activity::read(&element("<activity xmlns='x'/>")), None);
}

#[test]
fn moods_are_read_and_written() {
    for (inside, name, text) in [
        ("<annoyed/><text>curse my nurse!</text>", "annoyed", Some("curse my nurse!")),
        ("<happy/>", "happy", None),
        ("", "", None),
    ] {
        let written = element(&format!("<mood xmlns='http://jabber.org/protocol/mood'>{inside}</mood>"));
        let mood = mood::Mood { name: name.to_owned(), text: text.map(str::to_owned) };
        assert_eq!(mood::read(&written), Some(mood.clone()));
        assert_eq!(mood::element(&mood), written);
    }
    assert_eq!(mood::read(&element("<mood xmlns='x'/>")), None);
}

#[test]
fn what_an_account_tells_is_an_event_of_its_node() {
    let item = mood::element(&mood::Mood { name: "happy".to_owned(), text: None });
    let (from, to) = ("a@a".parse().unwrap(), "b@b".parse().unwrap());
    let event = pep::event(&from, &to, item.clone());
    let expected = "<message xmlns='jabber:client' from='a@a' to='b@b' type='headline'>\
        <event xmlns='http://jabber.org/protocol/pubsub#event'><items node='http://jabber.org/protocol/mood'>\
        <item id='current'><mood xmlns='http://jabber.org/protocol/mood'><happy/></mood></item></items></event></message>";
    assert_eq!(event.to_element(), element(expected));
    assert_eq!(pep::items(&event).collect::<Vec<_>>(), [&item]);
    assert_eq!(pep::items(&message("<body>hi</body>")).count(), 0);
}
