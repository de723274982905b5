#![allow(clippy::unwrap_used)]
use super::table::{FILE, PresenceTable, TABLE};
use super::*;
use crate::mapping::{DomainMapping, Home, Mapping};
use crate::model::presence::{
    Activity, Basic, Contact, Mood, Note, Person, Presence, PresenceTuple, Show, Span, UserInput,
};
use crate::time::Timestamp;
use crate::xml::{Element, Limits, ns, reader};
use crate::xmpp::jid::{BareJid, Jid};
use crate::xmpp::stanza::{self, Stanza};
use crate::xmpp::xep::{activity, mood};

const NOW: Timestamp = Timestamp(1_790_000_000_000);

fn mapping() -> Mapping {
    mapping_with(|_| {})
}

fn mapping_with(change: impl Fn(&mut DomainMapping)) -> Mapping {
    let mut domains = vec![
        DomainMapping::new(Home::Sip, "example.net", "example.net", None),
        DomainMapping::new(Home::Xmpp, "example.com", "example.com", None),
    ];
    domains.iter_mut().for_each(change);
    Mapping::new(domains).unwrap()
}

fn romeo() -> BareJid {
    BareJid::parse("romeo@example.net").unwrap()
}

fn juliet() -> BareJid {
    BareJid::parse("juliet@example.com").unwrap()
}

fn open(id: &str) -> PresenceTuple {
    PresenceTuple { id: id.to_owned(), basic: Some(Basic::Open), ..PresenceTuple::default() }
}

fn state(tuples: Vec<PresenceTuple>) -> Presence {
    Presence { entity: "pres:romeo@example.net".to_owned(), tuples, ..Presence::default() }
}

fn activity(name: &str) -> Activity {
    Activity { name: name.to_owned(), ..Activity::default() }
}

fn note(lang: Option<&str>, text: &str) -> Note {
    Note { lang: lang.map(str::to_owned), text: text.to_owned() }
}

fn told(state: &Presence) -> Vec<String> {
    let watcher = Jid::from(juliet());
    let stanzas = mapping().presence_to_xmpp(state, &romeo(), &watcher, NOW);
    stanzas.iter().map(text_of).collect()
}

fn text_of(stanza: &stanza::Presence) -> String {
    let mut out = Vec::new();
    stanza.write(ns::CLIENT, &mut out);
    String::from_utf8(out).unwrap()
}

fn presence(inside: &str) -> stanza::Presence {
    presence_of("", inside)
}

fn presence_of(attributes: &str, inside: &str) -> stanza::Presence {
    let text = format!(
        "<presence xmlns='jabber:client' from='juliet@example.com/x' to='r@n' {attributes}>{inside}</presence>"
    );
    let element = reader::parse(text.as_bytes(), &Limits::document()).unwrap();
    let Ok(Stanza::Presence(presence)) = Stanza::from_element(element) else { panic!("presence") };
    presence
}

fn seen(resources: &[(&str, &stanza::Presence)]) -> Presence {
    mapping().presence_from_xmpp(&juliet(), resources).unwrap()
}

#[test]
fn a_tuple_is_a_stanza_with_all_it_says() {
    let mut tuple = open("ID-phone");
    tuple.show = Some(Show::Away);
    tuple.notes = vec![note(Some("en"), "out <soon> back"), note(Some("de"), "weg")];
    tuple.contact = Some(Contact { uri: "sip:romeo@example.net".into(), priority: Some(800) });
    tuple.rich.user_input = Some(UserInput { idle: true, since: Some(Timestamp(0)), threshold: None });
    assert_eq!(
        told(&state(vec![tuple])),
        ["<presence from='romeo@example.net/phone' to='juliet@example.com'><show>away</show>\
          <status xml:lang='en'>out &lt;soon&gt; back</status><status xml:lang='de'>weg</status><priority>101</priority>\
          <idle xmlns='urn:xmpp:idle:1' since='1970-01-01T00:00:00Z'/></presence>"]
    );
}

#[test]
fn a_closed_tuple_is_unavailable_with_its_words() {
    let mut tuple = open("ID-phone");
    tuple.basic = Some(Basic::Closed);
    tuple.show = Some(Show::Dnd);
    tuple.notes = vec![note(None, "gone home")];
    assert_eq!(
        told(&state(vec![tuple])),
        ["<presence from='romeo@example.net/phone' to='juliet@example.com' type='unavailable'>\
          <status>gone home</status></presence>"]
    );
}

#[test]
fn a_show_is_taken_from_where_it_is_said_most_plainly() {
    let show_of = |state: &Presence| {
        let stanza = mapping().presence_to_xmpp(state, &romeo(), &juliet().into(), NOW).remove(0);
        stanza.show().map(|show| show.into_owned())
    };
    let person = |names: &[&str]| {
        let mut state = state(vec![open("a")]);
        let mut person = Person::default();
        person.rich.activities = names.iter().map(|name| activity(name)).collect();
        state.person = Some(Box::new(person));
        state
    };
    for (names, show) in [
        (&["away"][..], Some("away")),
        (&["busy"], Some("dnd")),
        (&["away", "on-the-phone"], Some("dnd")),
        (&["permanent-absence", "away"], Some("xa")),
        (&["meeting"], Some("dnd")),
        (&["vacation", "nothing-we-know"], None),
        (&[], None),
    ] {
        assert_eq!(show_of(&person(names)).as_deref(), show, "{names:?}");
    }
    let mut said = person(&["busy"]);
    said.tuples[0].show = Some(Show::Xa);
    assert_eq!(show_of(&said).as_deref(), Some("xa"));
    let mut old = person(&[]);
    old.tuples[0].status = vec![Element::new("urn:ietf:params:xml:ns:pidf:im", "im").with_text(" busy ")];
    assert_eq!(show_of(&old).as_deref(), Some("dnd"));
    let mut phone = person(&["away"]);
    phone.tuples[0].rich.activities = vec![activity("on-the-phone")];
    assert_eq!(show_of(&phone).as_deref(), Some("dnd"), "of the tuple as of the person");
    let mut over = person(&["busy"]);
    over.person.as_mut().unwrap().rich.activities[0].span = Span { from: None, until: Some(NOW) };
    assert_eq!(show_of(&over), None, "until now (RFC 4480 section 3.1)");
    let mut idle = person(&[]);
    idle.person.as_mut().unwrap().rich.user_input = Some(UserInput { idle: true, since: None, threshold: None });
    assert_eq!(show_of(&idle).as_deref(), Some("away"), "idle, but nobody knows since when");
}

#[test]
fn words_come_from_the_tuple_the_person_or_the_document() {
    let mut state = state(vec![open("a")]);
    let words = |state: &Presence| {
        let stanza = mapping().presence_to_xmpp(state, &romeo(), &juliet().into(), NOW).remove(0);
        stanza.statuses().map(|(lang, text)| (lang.map(str::to_owned), text.into_owned())).collect::<Vec<_>>()
    };
    assert_eq!(words(&state), []);
    let mut person = Person::default();
    person.rich.activities = vec![Activity { notes: vec![note(None, "at lunch")], ..activity("lunch") }];
    state.person = Some(Box::new(person));
    assert_eq!(words(&state), [(None, "at lunch".to_owned())]);
    state.notes = vec![note(Some("it"), "ciao")];
    assert_eq!(words(&state), [(Some("it".to_owned()), "ciao".to_owned())]);
    state.person.as_mut().unwrap().notes = vec![note(None, "of the person")];
    assert_eq!(words(&state), [(None, "of the person".to_owned())]);
    state.tuples[0].notes = vec![note(None, " "), note(None, "one"), note(None, "two"), note(Some("no good"), "three")];
    assert_eq!(words(&state), [(None, "one".to_owned())], "one for each language (RFC 6121 section 4.7.2.2)");
}

#[test]
fn one_language_is_that_of_the_stanza() {
    let mut tuple = open("a");
    tuple.notes = vec![note(Some("it"), "ciao")];
    assert_eq!(
        told(&state(vec![tuple])),
        ["<presence from='romeo@example.net/a' to='juliet@example.com' xml:lang='it'><status>ciao</status></presence>"]
    );
}

#[test]
fn long_and_illegal_words_are_made_fit() {
    let mut tuple = open("a");
    tuple.notes = vec![note(None, &format!("a\u{1}b\r\nc{}", "é".repeat(2_000)))];
    let stanza = mapping().presence_to_xmpp(&state(vec![tuple]), &romeo(), &juliet().into(), NOW).remove(0);
    let status = stanza.statuses().next().unwrap().1.into_owned();
    assert!(status.starts_with("a\u{FFFD}b\nc\u{e9}") && status.len() <= MAX_TEXT, "{}", status.len());
    let mut tuple = open("a");
    tuple.notes = (0..32).map(|n| note(Some(&format!("x-{n}")), &"&".repeat(5_000))).collect();
    let text = told(&state(vec![tuple])).remove(0);
    assert!((1_000..10_000).contains(&text.len()), "{}", text.len());
}

#[test]
fn resources_come_from_ids_that_can_be_one() {
    for (id, from) in [
        ("ID-dr4hcr0st3lup4c", "romeo@example.net/dr4hcr0st3lup4c"),
        ("orchard", "romeo@example.net/orchard"),
        ("ID-1234_20_C3_BC", "romeo@example.net/1234 ü"),
        ("ID-", "romeo@example.net"),
        ("", "romeo@example.net"),
        ("ID-_00", "romeo@example.net"),
        (&"x".repeat(1_024), "romeo@example.net"),
    ] {
        let stanzas = mapping().presence_to_xmpp(&state(vec![open(id)]), &romeo(), &juliet().into(), NOW);
        assert_eq!(stanzas[0].from.as_ref().unwrap().as_str(), from, "{id}");
    }
}

#[test]
fn two_tuples_of_one_resource_are_one_stanza() {
    let mut closed = open("ID-a");
    closed.basic = Some(Basic::Closed);
    let stanzas = told(&state(vec![closed.clone(), open("a"), closed]));
    assert_eq!(stanzas, ["<presence from='romeo@example.net/a' to='juliet@example.com'/>"]);
}

#[test]
fn documents_without_a_tuple_that_counts() {
    let gone = ["<presence from='romeo@example.net' to='juliet@example.com' type='unavailable'/>"];
    assert_eq!(told(&state(Vec::new())), gone);
    let words = Presence { notes: vec![note(None, "gone fishing")], ..state(Vec::new()) };
    assert!(told(&words).is_empty());
    let mut assistant = open("a");
    assistant.relationship = Some("assistant".to_owned());
    let mut mail = open("b");
    mail.contact = Some(Contact { uri: "MailTo:r@n".to_owned(), priority: None });
    assert_eq!(told(&state(vec![assistant, mail])), gone);
    let unknown = PresenceTuple { id: "ID-a".to_owned(), ..PresenceTuple::default() };
    let shown = PresenceTuple { show: Some(Show::Chat), ..unknown.clone() };
    assert!(told(&state(vec![unknown.clone()])).is_empty());
    assert_eq!(told(&state(vec![shown])).len(), 1);
    let jid = romeo().with_resource("a").unwrap();
    assert!(mapping().is_told_of(&state(vec![unknown]), &romeo(), &jid));
    assert!(!mapping().is_told_of(&state(Vec::new()), &romeo(), &jid));
}

#[test]
fn every_priority_comes_back_and_none_becomes_negative() {
    let mut last = None;
    for priority in 0..=127 {
        let thousandths = priority_to_sip(priority).unwrap();
        assert!(last < Some(thousandths), "unique");
        last = Some(thousandths);
        assert_eq!(priority_to_xmpp(thousandths), priority);
    }
    assert_eq!((priority_to_sip(0), priority_to_sip(127), priority_to_sip(-1)), (Some(0), Some(1000), None));
    assert!((0..=u16::MAX).all(|thousandths| priority_to_xmpp(thousandths) >= 0));
}

#[test]
fn a_document_has_a_tuple_for_each_available_resource() {
    let here = presence("<show>away</show><status>in the chamber</status><priority>5</priority>");
    let there = presence_of(
        "xml:lang='it'",
        "<status>ciao</status><idle xmlns='urn:xmpp:idle:1' since='1970-01-01T00:00:01Z'/>",
    );
    let gone = presence_of("type='unavailable'", "<status>gone</status>");
    let asks = presence_of("type='subscribe'", "");
    let state = seen(&[("balcony", &here), ("phone 2", &there), ("old", &gone), ("x", &asks)]);
    assert_eq!(state.entity, "pres:juliet@example.com");
    let [one, two] = state.tuples.as_slice() else { panic!("{:?}", state.tuples) };
    assert_eq!((one.id.as_str(), one.basic, one.show), ("ID-balcony", Some(Basic::Open), Some(Show::Away)));
    let contact = Contact { uri: "sip:juliet@example.com;gr=balcony".to_owned(), priority: Some(39) };
    assert_eq!((one.contact.as_ref(), one.notes.as_slice()), (Some(&contact), &[note(None, "in the chamber")][..]));
    assert_eq!((two.id.as_str(), two.notes.as_slice()), ("ID-phone_202", &[note(Some("it"), "ciao")][..]));
    assert_eq!(two.rich.user_input, Some(UserInput { idle: true, since: Some(Timestamp(1_000)), threshold: None }));
    assert_eq!(two.contact.as_ref().unwrap().uri, "sip:juliet@example.com;gr=phone%202");
    assert_eq!(state.person, None, "one of them is plainly there");
}

#[test]
fn when_nobody_is_there_one_closed_tuple_says_so() {
    let gone = presence_of("type='unavailable' xml:lang='en'", "<show>away</show><status>good night</status>");
    let state = seen(&[("balcony", &gone), ("phone", &gone)]);
    let [tuple] = state.tuples.as_slice() else { panic!("{:?}", state.tuples) };
    assert_eq!((tuple.id.as_str(), tuple.basic, tuple.show), ("ID-balcony", Some(Basic::Closed), None));
    assert_eq!((&tuple.contact, tuple.notes.as_slice()), (&None, &[note(Some("en"), "good night")][..]));
    let state = seen(&[]);
    assert_eq!((state.tuples.len(), state.tuples[0].id.as_str()), (1, "ID-"));
    assert_eq!(state.tuples[0].basic, Some(Basic::Closed));
}

#[test]
fn the_person_is_what_the_nearest_resource_says() {
    let with = |show: &str| presence(&format!("<show>{show}</show>"));
    let (away, dnd, xa, chat, plain) = (with("away"), with("dnd"), with("xa"), with("chat"), presence(""));
    let activities = |resources: &[(&str, &stanza::Presence)]| {
        let person = seen(resources).person.unwrap_or_default();
        person.rich.activities.iter().map(|activity| activity.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(activities(&[("a", &away)]), ["away"]);
    assert_eq!(activities(&[("a", &xa)]), ["away"]);
    assert_eq!(activities(&[("a", &xa), ("b", &dnd), ("c", &away)]), ["busy"]);
    assert!(activities(&[("a", &dnd), ("b", &plain)]).is_empty());
    assert!(activities(&[("a", &dnd), ("b", &chat)]).is_empty());
}

#[test]
fn a_domain_whose_resources_do_not_cross_shows_none() {
    let mapping = mapping_with(|domain| domain.gruu = false);
    let here = presence("");
    let state = mapping.presence_from_xmpp(&juliet(), &[("balcony", &here), ("phone", &here)]).unwrap();
    assert_eq!(state.tuples.len(), 2);
    assert!(state.tuples.iter().all(|tuple| tuple.contact.as_ref().unwrap().uri == "sip:juliet@example.com"));
    assert!(!format!("{state:?}").contains("balcony"));
}

#[test]
fn a_document_stays_within_its_size() {
    let wordy = presence(&format!("<status>{}</status>", "&lt;".repeat(900)));
    let names: Vec<String> = (0..500).map(|n| format!("{n}{}", "é".repeat(200))).collect();
    let resources: Vec<(&str, &stanza::Presence)> = names.iter().map(|name| (name.as_str(), &wordy)).collect();
    let state = seen(&resources);
    let size = crate::model::pidf::write(&state).len();
    assert!((MAX_DOCUMENT / 2..64 << 10).contains(&size), "{size}");
}

#[test]
fn what_is_said_in_one_language_is_named() {
    let (it, also, none) = (presence_of("xml:lang='it'", ""), presence_of("xml:lang='it'", ""), presence(""));
    let gone = presence_of("type='unavailable' xml:lang='cs'", "");
    assert_eq!(language(&[("a", &it), ("b", &also), ("c", &gone)]), Some("it"));
    assert_eq!(language(&[("a", &it), ("b", &none)]), None);
    assert_eq!(language(&[("c", &gone)]), Some("cs"));
    assert_eq!(language(&[]), None);
}

#[test]
fn activities_and_moods_of_the_account_cross() {
    let doing = presence(
        "<activity xmlns='http://jabber.org/protocol/activity'><talking><on_the_phone/></talking><text>mum</text></activity>\
         <mood xmlns='http://jabber.org/protocol/mood'><amorous/></mood><nick xmlns='http://jabber.org/protocol/nick'>J</nick>",
    );
    let rich = seen(&[("a", &doing), ("b", &doing)]).person.unwrap().rich;
    assert_eq!(rich.activities, [Activity { notes: vec![note(None, "mum")], ..activity("on-the-phone") }]);
    assert_eq!(rich.moods, [Mood { name: "other".into(), text: Some("amorous".into()), ..Mood::default() }]);
}

#[test]
fn every_row_of_the_activities_says_the_same_in_both_tables_or_less() {
    let mapping = mapping();
    for name in super::table::rpid_activities() {
        let mut state = state(vec![open("a")]);
        let mut person = Person::default();
        person.rich.activities = vec![Activity { text: Some("words".into()), ..activity(name) }];
        state.person = Some(Box::new(person));
        let doing = mapping.doing(&state, NOW).activity;
        let Some(back) = mapping.activity_to_rpid(&doing) else {
            assert!(doing.general.is_empty(), "{name}");
            continue;
        };
        let as_words = back.name == "other" && back.text.is_some();
        let general = ["lunch", "presentation", "spectator"].contains(&name);
        assert!(back.name == name || as_words || general, "{name} came back as {back:?}");
    }
    for (general, specifics) in activity::ACTIVITIES {
        for specific in specifics.iter().map(Some).chain([None]) {
            let doing = activity::Activity {
                general: general.to_owned(),
                specific: specific.map(|name| (*name).to_owned()),
                text: None,
            };
            let rpid = mapping.activity_to_rpid(&doing);
            assert!(rpid.is_some() || general == "undefined", "{doing:?}");
            let rpid = rpid.unwrap_or_default();
            let words = rpid.text.iter().chain(rpid.notes.iter().map(|note| &note.text)).next();
            assert!(rpid.name != "other" || words.is_some(), "{doing:?}");
        }
    }
    for name in mood::MOODS {
        let feeling = mood::Mood { name: name.to_owned(), text: None };
        let rpid = mapping.mood_to_rpid(&feeling);
        assert!(rpid.is_some_and(|mood| mood.name == name || mood.text.is_some()) || name == "undefined", "{name}");
    }
}

#[test]
fn xmpp_has_one_mood_and_the_words_of_others() {
    let mut person = Person::default();
    let other = Mood { name: "other".into(), text: Some("brooding".into()), ..Mood::default() };
    person.rich.moods = vec![Mood { name: "angry".into(), ..Mood::default() }, other.clone()];
    let mut state = Presence { person: Some(Box::new(person)), ..state(vec![open("a")]) };
    let mood = |name: &str, text: &str| mood::Mood { name: name.into(), text: Some(text.into()) };
    assert_eq!(mapping().doing(&state, NOW).mood, mood("angry", "brooding"));
    state.person.as_mut().unwrap().rich.moods = vec![other];
    assert_eq!(mapping().doing(&state, NOW).mood, mood("undefined", "brooding"));
    state.person = None;
    assert_eq!(mapping().doing(&state, NOW), Doing::default());
}

#[test]
fn a_broken_table_is_told_by_its_line() {
    PresenceTable::read(FILE, TABLE).unwrap();
    let broken =
        |from: &str, to: &str| PresenceTable::read("presence.toml", &TABLE.replacen(from, to, 1)).unwrap_err().what;
    for (from, to, what) in [
        ("show = \"chat\"", "show = \"chatty\"", "`chatty` is no value"),
        ("show = \"chat\"", "show = \"away\"", "second row"),
        ("rpid = \"holiday\"", "rpid = \"holidays\"", "`holidays` is no activity"),
        ("general = \"eating\"", "general = \"eats\"", "no such activity"),
        ("specific = \"sleeping\"", "specific = \"on_the_phone\"", "no such activity"),
        ("name = \"grooming\"", "name = \"going_out\"", "no [[doing]] row for grooming"),
        ("name = \"grooming\"", "name = \"groom\"", "`groom` is no activity"),
        (" \"afraid\",", "", "no [[moods]] row for afraid"),
        (" \"afraid\",", " \"afeared\",", "`afeared` is no mood"),
        ("status = 403", "status = 200", "200 is no final failure"),
        ("condition = \"forbidden\"", "condition = \"forbid\"", "`forbid` is no condition"),
        ("reason = \"noresource\"", "reason = \"timeout\"", "`timeout` is none of"),
        ("source = \"RFC 6121", "sauce = \"RFC 6121", "sauce"),
    ] {
        let told = broken(from, to);
        assert!(told.contains(what), "{what}: {told}");
    }
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_an_xmpp_user_says_comes_back_from_a_document(
            resource in "\\PC{1,40}",
            show in prop::option::of(prop::sample::select(vec!["away", "chat", "dnd", "xa"])),
            priority in prop::option::of(0..=127_i8),
            words in prop::option::of("[a-zA-Z<>&'\"\u{e9}\u{1F3AD} ]{1,40}"),
            lang in prop::option::of(prop::sample::select(vec!["en", "cs", "zh-Hant"])),
        ) {
            let Ok(full) = juliet().with_resource(&resource) else { return Ok(()) };
            let mut sent = stanza::Presence { from: Some(full.clone()), to: Some(romeo().into()), ..stanza::Presence::default() };
            let child = |name: &str, text: &str| Element::new(ns::CLIENT, name).with_text(text);
            sent.payload.extend(show.map(|show| child("show", show)));
            sent.payload.extend(words.as_deref().map(|words| child("status", words).with_lang(lang)));
            sent.payload.extend(priority.map(|priority| child("priority", &priority.to_string())));
            let state = seen(&[(full.resource().unwrap(), &sent)]);
            let bytes = crate::model::pidf::write(&state);
            let state = crate::model::pidf::read(&bytes, &crate::model::pidf::Limits::default()).unwrap();
            let back = mapping().presence_to_xmpp(&state, &juliet(), &romeo().into(), NOW);
            prop_assert_eq!(back.len(), 1);
            prop_assert_eq!(back[0].from.as_ref(), Some(&full));
            prop_assert_eq!(back[0].show(), sent.show());
            prop_assert_eq!(back[0].priority(), sent.priority());
            let said = sent.statuses().map(|(lang, text)| (lang, text.trim().to_owned())).find(|(_, text)| !text.is_empty());
            let heard = back[0].statuses().next().map(|(lang, text)| (lang, text.into_owned()));
            prop_assert_eq!(heard, said);
        }

        #[test]
        fn no_document_makes_stanzas_that_are_none(
            ids in prop::collection::vec("\\PC{0,20}|ID-(_[0-9A-F]{2}){1,8}", 0..6),
            text in "[\\x00-\\x7f\u{fffe}\u{e9}]{0,60}",
            basic in prop::option::of(prop::bool::ANY),
        ) {
            let tuples = ids.iter().map(|id| PresenceTuple {
                id: id.clone(),
                basic: basic.map(|open| if open { Basic::Open } else { Basic::Closed }),
                notes: vec![note(Some(text.as_str()), text.as_str())],
                contact: Some(Contact { uri: text.clone(), priority: Some(7_000) }),
                ..PresenceTuple::default()
            });
            let state = state(tuples.collect());
            for text in told(&state) {
                let text = text.replacen("<presence", "<presence xmlns='jabber:client'", 1);
                let element = reader::parse(text.as_bytes(), &Limits::document()).unwrap();
                prop_assert!(matches!(Stanza::from_element(element), Ok(Stanza::Presence(_))));
            }
        }
    }
}
