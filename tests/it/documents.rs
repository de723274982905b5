//! Every document that stox can send, in every shape, as files of `target/documents`: `interop/run schemas` holds them
//! against the schemas of `tests/schemas`, which are the RFCs' own. The same shapes are read back here.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use stox::model::dialog_info::{self, Lamp};
use stox::model::pidf::{self, Limits};
use stox::model::presence::{
    Activity, Basic, Contact, Device, Mood, Note, Person, Presence, PresenceTuple, Rich, Show, Span, UserInput,
};
use stox::time::Timestamp;
use stox::xml::Element;

/// Presence documents of any content that are written for the schemas.
const ANY: usize = 200;

/// Words as people, phones and attackers write them.
fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,8}",
        Just("Gone <to> \"Mantua\" & back ]]>".to_owned()),
        Just("\u{0}\u{1b}\u{fffe}\r\n\té\u{1f600}".to_owned()),
        Just(" ".to_owned()),
        Just(String::new()),
        any::<String>(),
    ]
}

/// An address literal is left out: as RFC 3986 and the validator have it, no SIP URI may have one.
fn uris() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("sip:romeo@montague.example;gr=orchard".to_owned()),
        Just("pres:juliet@capulet.example".to_owned()),
        Just("urn:uuid:698137d0-b395-11e0-aff2-0800200c9a66".to_owned()),
        Just("sip:192.0.2.1:5060;transport=tcp".to_owned()),
        words(),
    ]
}

fn ids() -> impl Strategy<Value = String> {
    prop_oneof![Just("ID-orchard".to_owned()), Just("a".to_owned()), Just("t1".to_owned()), words()]
}

fn dates() -> impl Strategy<Value = Option<Timestamp>> {
    let any = any::<i64>().prop_map(Timestamp);
    prop::option::of(prop_oneof![(0..2_000_000_000_000_i64).prop_map(Timestamp), any])
}

fn notes() -> impl Strategy<Value = Vec<Note>> {
    let lang = prop::option::of(prop_oneof![Just("en".to_owned()), Just("de-CH".to_owned()), words()]);
    prop::collection::vec((lang, words()).prop_map(|(lang, text)| Note { lang, text }), 0..3)
}

fn names() -> impl Strategy<Value = String> {
    const KNOWN: &[&str] = &["on-the-phone", "away", "lunch", "in_love", "happy", "other", "unknown"];
    prop_oneof![4 => prop::sample::select(KNOWN).prop_map(str::to_owned), 1 => words()]
}

fn rich() -> impl Strategy<Value = Rich> {
    let span = || prop_oneof![Just(Span::default()), (dates(), dates()).prop_map(|(from, until)| Span { from, until })];
    let said = move || (names(), prop::option::of(words()), notes(), span());
    let activity = said().prop_map(|(name, text, notes, span)| Activity { name, text, notes, span });
    let mood = said().prop_map(|(name, text, notes, span)| Mood { name, text, notes, span });
    let input = (any::<bool>(), dates(), prop::option::of(any::<u32>()));
    let input = input.prop_map(|(idle, since, threshold)| UserInput { idle, since, threshold });
    let (activities, moods) = (prop::collection::vec(activity, 0..4), prop::collection::vec(mood, 0..3));
    (activities, moods, prop::option::of(input)).prop_map(|(activities, moods, user_input)| Rich {
        activities,
        moods,
        user_input,
    })
}

fn extensions() -> impl Strategy<Value = Vec<Element>> {
    let one = (prop::sample::select(&["urn:x", "urn:y:z", ""][..]), words(), words());
    let one = one.prop_map(|(ns, value, text)| Element::new(ns, "ext").with_attr("a", value).with_text(&text));
    prop::collection::vec(one, 0..2)
}

fn tuples() -> impl Strategy<Value = PresenceTuple> {
    let basic = prop::option::of(prop::sample::select(&[Basic::Open, Basic::Closed][..]));
    let show = prop::option::of(prop::sample::select(&[Show::Away, Show::Chat, Show::Dnd, Show::Xa][..]));
    let priority = prop::option::of(any::<u16>());
    let contact = prop::option::of((uris(), priority).prop_map(|(uri, priority)| Contact { uri, priority }));
    let whose = prop::option::of(prop_oneof![Just("self".to_owned()), Just("assistant".to_owned()), words()]);
    let first = (ids(), basic, show, extensions(), whose, prop::option::of(uris()));
    (first, contact, notes(), dates(), rich(), extensions()).prop_map(
        |((id, basic, show, status, relationship, device_id), contact, notes, timestamp, rich, extensions)| {
            PresenceTuple {
                id,
                basic,
                show,
                status,
                relationship,
                device_id,
                contact,
                notes,
                timestamp,
                rich,
                extensions,
            }
        },
    )
}

fn presences() -> impl Strategy<Value = Presence> {
    let part = || (ids(), rich(), notes(), dates(), extensions());
    let person =
        part().prop_map(|(id, rich, notes, timestamp, extensions)| Person { id, rich, notes, timestamp, extensions });
    let device = (part(), uris()).prop_map(|((id, rich, notes, timestamp, extensions), device_id)| Device {
        id,
        device_id,
        rich,
        notes,
        timestamp,
        extensions,
    });
    let (tuples, devices) = (prop::collection::vec(tuples(), 0..4), prop::collection::vec(device, 0..2));
    (uris(), tuples, prop::option::of(person), devices, notes(), extensions()).prop_map(
        |(entity, tuples, person, devices, notes, extensions)| Presence {
            entity,
            tuples,
            person: person.map(Box::new),
            devices,
            notes,
            extensions,
        },
    )
}

fn plain(tuple: PresenceTuple) -> Presence {
    Presence { entity: "pres:romeo@montague.example".to_owned(), tuples: vec![tuple], ..Presence::default() }
}

/// The shapes that stox sends on an ordinary day, by name.
fn usual() -> Vec<(&'static str, Presence)> {
    let open = PresenceTuple { id: "ID-orchard".to_owned(), basic: Some(Basic::Open), ..PresenceTuple::default() };
    let contact = Contact { uri: "sip:romeo@montague.example;gr=orchard".to_owned(), priority: Some(725) };
    let device = PresenceTuple {
        show: Some(Show::Dnd),
        contact: Some(contact),
        notes: vec![Note { lang: Some("en".to_owned()), text: "Gone".to_owned() }],
        timestamp: Some(Timestamp(1_790_000_000_123)),
        ..open.clone()
    };
    let calls = Activity { name: "on-the-phone".to_owned(), ..Activity::default() };
    let loves = Mood { name: "in_love".to_owned(), ..Mood::default() };
    let input = UserInput { idle: true, since: Some(Timestamp(1_790_000_000_000)), threshold: None };
    let rich = Rich { activities: vec![calls], moods: vec![loves], user_input: None };
    let mut two = plain(device.clone());
    two.tuples.push(PresenceTuple {
        id: "ID-balcony".to_owned(),
        rich: Rich { user_input: Some(input), ..Rich::default() },
        ..device.clone()
    });
    two.person = Some(Box::new(Person { id: "p".to_owned(), rich, ..Person::default() }));
    let closed = PresenceTuple { basic: Some(Basic::Closed), ..open.clone() };
    vec![("open", plain(open)), ("closed", plain(closed)), ("device", plain(device)), ("rich", two)]
}

/// Where the documents go.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/documents")
}

fn keep(name: &str, document: &[u8]) {
    std::fs::write(folder().join(name), document).expect("a document can be written");
}

#[test]
fn every_document_is_there_to_be_held_against_its_schema() {
    std::fs::create_dir_all(folder()).expect("the folder can be made");
    for (name, presence) in usual() {
        keep(&format!("pidf-{name}.xml"), &pidf::write(&presence));
    }
    let mut runner = TestRunner::deterministic();
    for number in 0..ANY {
        let presence = presences().new_tree(&mut runner).expect("there are such documents").current();
        keep(&format!("pidf-any-{number}.xml"), &pidf::write(&presence));
    }
    for (name, lamp) in [("off", Lamp::Off), ("on", Lamp::On)] {
        let document = dialog_info::lamp("sip:juliet@capulet.example", 7, lamp);
        assert!(dialog_info::read(&document).is_ok_and(|read| read.full && read.version == 7));
        keep(&format!("dialog-info-{name}.xml"), &document);
    }
}

/// `tests/xml` holds what no stream may carry; a document of the same may be something, but never presence.
#[test]
fn nothing_of_the_xml_corpus_is_presence() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/xml");
    for entry in std::fs::read_dir(folder).expect("the corpus is there") {
        let path = entry.expect("the folder can be read").path();
        let bytes = std::fs::read(&path).expect("a file can be read");
        let error = pidf::read(&bytes, &Limits::default()).expect_err("a stream is no presence document");
        assert!([400, 413].contains(&error.status()), "{}: {error}", path.display());
    }
}

#[test]
fn usual_documents_are_read_as_they_were() {
    for (name, presence) in usual() {
        assert_eq!(pidf::read(&pidf::write(&presence), &Limits::default()), Ok(presence), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn what_is_written_of_anything_is_read_and_means_the_same_from_then_on(presence in presences()) {
        let limits = Limits { bytes: 1 << 20, ..Limits::default() };
        let once = pidf::read(&pidf::write(&presence), &limits).expect("what is written is read");
        prop_assert_eq!(once.tuples.len(), presence.tuples.len());
        for (read, written) in once.tuples.iter().zip(&presence.tuples) {
            prop_assert_eq!(read.show, written.show);
            prop_assert!(written.basic.is_none() || read.basic == written.basic);
        }
        let twice = pidf::read(&pidf::write(&once), &limits).expect("what is written is read");
        let thrice = pidf::read(&pidf::write(&twice), &limits).expect("what is written is read");
        prop_assert_eq!(thrice, twice);
    }
}
