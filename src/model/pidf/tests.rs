#![allow(clippy::unwrap_used)]
use super::*;
use crate::model::presence::UserInput;
use crate::model::presence::{
    Activity, Basic, Contact, Device, Mood, Note, Person, Presence, PresenceTuple, Rich, Show, Span,
};
use crate::time::Timestamp;
use crate::xml::{Element, ErrorKind, Limit};

fn taken(document: &str) -> Presence {
    read(document.as_bytes(), &Limits::default()).unwrap()
}

fn document(inside: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><presence xmlns='urn:ietf:params:xml:ns:pidf' \
         xmlns:dm='urn:ietf:params:xml:ns:pidf:data-model' xmlns:r='urn:ietf:params:xml:ns:pidf:rpid' \
         xmlns:x='urn:x' entity='pres:romeo@montague.example'>{inside}</presence>"
    )
}

fn tuple_of(inside: &str) -> PresenceTuple {
    let mut presence = taken(&document(&format!("<tuple id='a'>{inside}</tuple>")));
    presence.tuples.remove(0)
}

fn error(document: &[u8]) -> Error {
    read(document, &Limits::default()).unwrap_err()
}

fn note(lang: Option<&str>, text: &str) -> Note {
    Note { lang: lang.map(str::to_owned), text: text.to_owned() }
}

fn full() -> Presence {
    let at = Some(Timestamp(1_130_431_769_000));
    let span = Span { from: at, until: Some(Timestamp(1_130_435_369_500)) };
    let activity = |name: &str, text: Option<&str>, notes: Vec<Note>, span| Activity {
        name: name.to_owned(),
        text: text.map(str::to_owned),
        notes,
        span,
    };
    let person = Person {
        id: "p1".to_owned(),
        rich: Rich {
            activities: vec![
                activity(
                    "on-the-phone",
                    None,
                    vec![note(Some("en"), "with Juliet"), note(None, "<&>")],
                    Span::default(),
                ),
                activity("other", Some("sword play"), vec![], Span::default()),
                activity("meeting", None, vec![], span),
            ],
            moods: vec![Mood { name: "in_love".to_owned(), ..Mood::default() }],
            user_input: Some(UserInput { idle: false, since: None, threshold: None }),
        },
        notes: vec![note(Some("de-CH"), "Grüezi")],
        timestamp: at,
        extensions: vec![Element::new("urn:x", "y").with_attr("z", "1").with_text("w")],
    };
    let tuple = PresenceTuple {
        id: "ID-orchard".to_owned(),
        basic: Some(Basic::Open),
        show: Some(Show::Dnd),
        status: vec![Element::new("urn:x", "inner")],
        relationship: Some("self".to_owned()),
        device_id: Some("urn:uuid:698137d0-b395-11e0-aff2-0800200c9a66".to_owned()),
        contact: Some(Contact { uri: "sip:romeo@montague.example;gr=orchard".to_owned(), priority: Some(725) }),
        notes: vec![note(Some("en"), "Gone"), note(None, "Weg")],
        timestamp: at,
        rich: Rich { user_input: Some(UserInput { idle: true, since: at, threshold: Some(600) }), ..Rich::default() },
        extensions: vec![Element::new("urn:x", "outer").with_child(Element::new("urn:z", "deep"))],
    };
    let closed = PresenceTuple { id: "b".to_owned(), basic: Some(Basic::Closed), ..PresenceTuple::default() };
    let device = Device {
        id: "d1".to_owned(),
        device_id: "urn:uuid:698137d0-b395-11e0-aff2-0800200c9a66".to_owned(),
        notes: vec![note(None, "PC")],
        timestamp: at,
        ..Device::default()
    };
    Presence {
        entity: "pres:romeo@montague.example".to_owned(),
        tuples: vec![tuple, closed],
        person: Some(Box::new(person)),
        devices: vec![device],
        notes: vec![note(Some("it"), "Ciao")],
        extensions: vec![Element::new("urn:x", "end")],
    }
}

#[test]
fn what_is_written_is_read_back() {
    let full = full();
    assert_eq!(read(&write(&full), &Limits::default()).unwrap(), full);
}

#[test]
fn what_a_person_does_is_said_of_the_person() {
    let rich =
        Rich { activities: vec![Activity { name: "busy".to_owned(), ..Activity::default() }], ..Rich::default() };
    let tuple = |relationship: Option<&str>| {
        let relationship = relationship.map(str::to_owned);
        PresenceTuple { id: "a".to_owned(), relationship, rich: rich.clone(), ..PresenceTuple::default() }
    };
    let written = |tuples: Vec<PresenceTuple>| write(&Presence { tuples, ..Presence::default() });
    let presence = read(&written(vec![tuple(None)]), &Limits::default()).unwrap();
    assert_eq!((presence.person.unwrap().rich, &presence.tuples[0].rich), (rich.clone(), &Rich::default()));
    let presence = read(&written(vec![tuple(Some("assistant"))]), &Limits::default()).unwrap();
    assert_eq!(presence.person, None);
}

#[test]
fn one_closed_tuple_is_written_so() {
    let tuple = PresenceTuple { id: "a".to_owned(), basic: Some(Basic::Closed), ..PresenceTuple::default() };
    let presence = Presence { entity: "pres:a@b.example".to_owned(), tuples: vec![tuple], ..Presence::default() };
    assert_eq!(
        String::from_utf8(write(&presence)).unwrap(),
        "<?xml version='1.0' encoding='UTF-8'?>\n<presence xmlns='urn:ietf:params:xml:ns:pidf' \
         entity='pres:a@b.example'><tuple id='a'><status><basic>closed</basic></status></tuple></presence>"
    );
}

#[test]
fn a_show_counts_in_the_status_and_beside_it() {
    for inside in [
        "<status><basic>open</basic><show xmlns='jabber:client'>xa</show></status>",
        "<status><basic>open</basic></status><show xmlns='jabber:client'> xa\n</show>",
    ] {
        assert_eq!((tuple_of(inside).basic, tuple_of(inside).show), (Some(Basic::Open), Some(Show::Xa)), "{inside}");
    }
    assert_eq!(tuple_of("<status><show xmlns='jabber:client'>XA</show></status>").show, None);
}

#[test]
fn a_basic_that_is_neither_is_unknown() {
    for inside in ["<status><basic>OPEN</basic></status>", "<status/>", "", "<status><x:basic>open</x:basic></status>"]
    {
        assert_eq!(tuple_of(inside).basic, None, "{inside}");
    }
    assert_eq!(tuple_of("<status><basic> open </basic></status>").basic, Some(Basic::Open));
}

#[test]
fn priorities_are_exact_thousandths_and_others_are_none() {
    let priority = |text: &str| {
        let tuple = tuple_of(&format!("<contact priority='{text}'>im:a@b.example</contact>"));
        tuple.contact.unwrap().priority
    };
    for (text, thousandths) in
        [("0", 0), ("0.", 0), ("0.5", 500), ("0.021", 21), ("0.725", 725), ("1", 1000), ("1.", 1000), ("1.00", 1000)]
    {
        assert_eq!(priority(text), Some(thousandths), "{text}");
    }
    for text in ["", ".5", "1.001", "0.1234", "-0.1", "09", "1.0000", "0,5", "2", "0.5x", "+0.5", "0.5.0"] {
        assert_eq!(priority(text), None, "{text}");
    }
    assert_eq!(tuple_of("<contact> </contact>").contact, None);
}

#[test]
fn every_priority_is_written_as_it_is_read() {
    for thousandths in 0..=1000 {
        let mut presence = full();
        presence.tuples[0].contact.as_mut().unwrap().priority = Some(thousandths);
        assert_eq!(read(&write(&presence), &Limits::default()).unwrap(), presence, "{thousandths}");
    }
}

#[test]
fn notes_have_the_language_of_what_they_stand_in() {
    let text = "<presence xmlns='urn:ietf:params:xml:ns:pidf' xml:lang='en'><tuple xml:lang='fr'><note>a</note>\
                <note xml:lang='de'> b </note><note/></tuple><note>c</note></presence>";
    let presence = taken(text);
    assert_eq!(presence.tuples[0].notes, [note(Some("fr"), "a"), note(Some("de"), "b")]);
    assert_eq!(presence.notes, [note(Some("en"), "c")]);
    assert_eq!((&*presence.entity, &*presence.tuples[0].id), ("", ""));
}

#[test]
fn unknown_content_is_kept_and_written_again() {
    let text = document(
        "<tuple id='a'><status><basic>open</basic><x:s/></status><x:t u='v'>w</x:t><timed xmlns='urn:t'><basic \
         xmlns='urn:ietf:params:xml:ns:pidf'>closed</basic></timed></tuple><x:p/>",
    );
    let presence = taken(&text);
    assert_eq!((presence.tuples[0].status.len(), presence.tuples[0].extensions.len()), (1, 2));
    assert_eq!((presence.tuples[0].basic, presence.extensions.len()), (Some(Basic::Open), 1));
    assert_eq!(read(&write(&presence), &Limits::default()).unwrap(), presence);
}

#[test]
fn an_extension_with_something_that_must_be_understood_is_as_if_it_were_not_there() {
    let must = "xmlns:p='urn:ietf:params:xml:ns:pidf' p:mustUnderstand";
    let tuple = tuple_of(&format!(
        "<status><basic>open</basic><x:a {must}='true'/><x:b {must}='0'/></status>\
         <x:c><x:d {must}='1'>v</x:d><x:e/></x:c><r:activities><r:away/><x:f {must}='1'/></r:activities>"
    ));
    assert_eq!(tuple.basic, Some(Basic::Open));
    assert_eq!(tuple.status.iter().map(Element::name).collect::<Vec<_>>(), ["b"]);
    assert!(tuple.extensions.is_empty() && tuple.rich.activities.is_empty());
    let known = tuple_of(&format!("<r:activities {must}='1'><r:away {must}='1'/></r:activities>"));
    assert_eq!(known.rich.activities[0].name, "away");
}

#[test]
fn activities_moods_and_input_are_read_with_their_times() {
    let presence = taken(&document(
        "<dm:person id='p'><r:activities from='2005-05-30T12:00:00+05:00' until='2005-05-30T17:00:00+05:00'>\
         <r:note>Far</r:note><r:away/><x:unheard/><r:other>fishing</r:other></r:activities>\
         <r:mood><r:note xml:lang='en'>so</r:note></r:mood>\
         <r:user-input idle-threshold='600' last-input='2004-10-21T13:20:00.000-05:00'>idle</r:user-input>\
         <r:sphere><r:work/></r:sphere><dm:note>n</dm:note><dm:timestamp>2005-05-30T16:09:44+05:00</dm:timestamp>\
         </dm:person>",
    ));
    let person = presence.person.unwrap();
    let span = Span { from: Some(Timestamp(1_117_436_400_000)), until: Some(Timestamp(1_117_454_400_000)) };
    assert_eq!(person.rich.activities.iter().map(|a| &*a.name).collect::<Vec<_>>(), ["away", "other"]);
    assert_eq!((person.rich.activities[0].span, person.rich.activities[1].span), (span, span));
    assert_eq!(person.rich.activities[0].notes, [note(None, "Far")]);
    assert_eq!(person.rich.activities[1].text.as_deref(), Some("fishing"));
    assert_eq!((&*person.rich.moods[0].name, person.rich.moods[0].notes.len()), ("unknown", 1));
    let since = Some(Timestamp(1_098_382_800_000));
    assert_eq!(person.rich.user_input, Some(UserInput { idle: true, since, threshold: Some(600) }));
    assert_eq!((person.extensions.len(), person.notes.len(), person.timestamp.is_some()), (1, 1, true));
    assert!(span.holds(Timestamp(1_117_436_400_000)) && !span.holds(Timestamp(1_117_454_400_000)));
}

#[test]
fn several_occurrences_of_the_person_all_hold() {
    let presence = taken(&document(
        "<dm:person id='p'><r:activities/><r:user-input>idle</r:user-input></dm:person><dm:person id='q'>\
         <r:activities><r:on-the-phone/></r:activities><r:user-input>active</r:user-input></dm:person>",
    ));
    let person = presence.person.unwrap();
    assert_eq!((&*person.id, &*person.rich.activities[0].name), ("p", "on-the-phone"));
    assert!(!person.rich.user_input.unwrap().idle);
}

#[test]
fn the_input_at_a_tuple_is_that_of_its_device() {
    let presence = taken(&document(
        "<tuple id='a'><dm:deviceID>urn:d:1</dm:deviceID></tuple><tuple id='b'/><dm:device id='d'>\
         <r:user-input>idle</r:user-input><dm:deviceID>urn:d:1</dm:deviceID></dm:device><dm:person id='p'>\
         <r:user-input>active</r:user-input></dm:person>",
    ));
    let idle = |at: usize| presence.user_input(&presence.tuples[at]).unwrap().idle;
    assert_eq!((idle(0), idle(1)), (true, false));
}

#[test]
fn a_tuple_of_somebody_else_is_known_as_such() {
    for (inside, other) in [
        ("<r:relationship><r:assistant/></r:relationship>", true),
        ("<r:relationship><r:note>n</r:note><r:self/></r:relationship>", false),
        ("<r:relationship/>", false),
        ("", false),
    ] {
        assert_eq!(tuple_of(inside).is_of_another(), other, "{inside}");
    }
}

#[test]
fn what_asterisk_sends_is_read() {
    // chan_sip.
    let text = "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" \n\
         xmlns:pp=\"urn:ietf:params:xml:ns:pidf:person\"\nxmlns:es=\"urn:ietf:params:xml:ns:pidf:rpid:status:rpid-status\"\n\
         xmlns:ep=\"urn:ietf:params:xml:ns:pidf:rpid:rpid-person\"\nentity=\"sip:1001@pbx.example\">\n\
         <pp:person><status>\n<ep:activities><ep:busy/></ep:activities>\n</status></pp:person>\n<note>On the phone é</note>\n\
         <tuple id=\"1001\">\n<contact priority=\"1\">sip:1002@pbx.example</contact>\n\
         <status><basic>open</basic></status>\n</tuple>\n</presence>\n";
    let latin: Vec<u8> = text.chars().map(|char| char as u8).collect();
    for bytes in [text.as_bytes(), &latin] {
        let presence = read(bytes, &Limits::default()).unwrap();
        assert_eq!(presence.person.unwrap().rich.activities[0].name, "busy");
        assert_eq!(presence.notes, [note(None, "On the phone é")]);
        assert_eq!((&*presence.tuples[0].id, presence.tuples[0].basic), ("1001", Some(Basic::Open)));
        assert_eq!(presence.tuples[0].contact.as_ref().unwrap().priority, Some(1000));
    }
}

#[test]
fn what_drafts_of_rpid_had_is_read() {
    let tuple = tuple_of(
        "<status><basic>open</basic><es:activities xmlns:es='urn:ietf:params:xml:ns:pidf:status:rpid'>\
         <es:activity> on-the-phone </es:activity></es:activities><es:idle \
         xmlns:es='urn:ietf:params:xml:ns:pidf:rpid-status' since='2004-10-21T13:20:00Z'/></status>",
    );
    assert_eq!(tuple.rich.activities[0].name, "on-the-phone");
    assert!(tuple.rich.user_input.unwrap().idle && tuple.rich.user_input.unwrap().since.is_some());
}

#[test]
fn documents_out_of_order_and_without_ids_are_read() {
    // Kamailio's pua_xmpp has no id; baresip puts the person first.
    let presence = taken(&document(
        "\n<dm:person id='p4159'><r:activities/></dm:person><note>n</note><tuple><timestamp>2026-01-02T03:04:05Z\
         </timestamp><note>m</note><contact>\n sip:a@b.example\n</contact><status><basic>open</basic></status></tuple>",
    ));
    let tuple = &presence.tuples[0];
    assert_eq!((&*tuple.id, tuple.basic, tuple.timestamp.is_some()), ("", Some(Basic::Open), true));
    assert_eq!(tuple.contact, Some(Contact { uri: "sip:a@b.example".to_owned(), priority: None }));
    let odd = "\r\n<presence xmlns='urn:ietf:params:xml:ns:pidf:'><tuple id='a'><basic>open</basic></tuple></presence>";
    assert_eq!(taken(odd).tuples[0].basic, Some(Basic::Open));
}

#[test]
fn an_id_said_twice_is_that_of_the_first() {
    let presence = taken(&document("<tuple id='a'/><tuple id='a'/><tuple id='b'/><tuple id='a'/>"));
    assert_eq!(presence.tuples.iter().map(|tuple| &*tuple.id).collect::<Vec<_>>(), ["a", "", "b", ""]);
}

#[test]
fn ids_that_are_none_become_some_and_stay_what_they_are() {
    let tuple = |id: &str| PresenceTuple { id: id.to_owned(), ..PresenceTuple::default() };
    let tuples = ["", "", "1 é", "1 é", "ok", "p1"].map(tuple).to_vec();
    let person = Some(Box::new(Person { id: "p1".to_owned(), ..Person::default() }));
    let written = write(&Presence { tuples, person, ..Presence::default() });
    let read = read(&written, &Limits::default()).unwrap();
    let ids: Vec<_> = read.tuples.iter().map(|tuple| &*tuple.id).collect();
    assert_eq!(ids, ["t1", "t2", "_1_x20__xE9_", "_1_x20__xE9_-2", "ok", "p1"]);
    assert_eq!(read.person.unwrap().id, "p1-2");
}

#[test]
fn what_the_schemas_have_no_place_for_is_not_written_as_it_is() {
    let mut presence = full();
    presence.entity = "pres:a b%zz@é.example".to_owned();
    presence.notes = vec![note(Some("not a language"), "\u{1}"), note(None, "")];
    presence.tuples[0].timestamp = Some(Timestamp(i64::MIN));
    presence.tuples[0].contact = Some(Contact { uri: "sip:a@[2001:db8::1]:5060".to_owned(), priority: Some(u16::MAX) });
    presence.tuples[0].relationship = Some("neighbour".to_owned());
    presence.extensions = vec![Element::new("", "a"), Element::new(crate::xml::ns::PIDF, "tuple")];
    let person = presence.person.as_mut().unwrap();
    person.rich.moods = vec![Mood { name: "wistful".to_owned(), ..Mood::default() }, Mood::default()];
    person.rich.activities = vec![Activity { name: "unknown".to_owned(), ..Activity::default() }; 2];
    presence.devices[0].device_id.clear();
    let text = String::from_utf8(write(&presence)).unwrap();
    for part in [
        " entity='pres:a%20b%25zz@%C3%A9.example'>",
        "sip:a@[2001:db8::1]:5060</contact>",
        "</tuple><note>\u{FFFD}</note><dm:person ",
        "<rpid:relationship><rpid:other>neighbour</rpid:other></rpid:relationship>",
        "<rpid:activities><rpid:unknown/></rpid:activities><rpid:mood><rpid:other>wistful</rpid:other><rpid:other>",
        "</note></tuple>",
        "</dm:person></presence>",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn what_is_no_presence_document_is_refused_by_name() {
    let other = |text: &str| (error(text.as_bytes()), error(text.as_bytes()).status());
    assert_eq!(other("<presence xmlns='jabber:client'/>"), (Error::NotPresence, 400));
    assert_eq!(other("<presence/>"), (Error::NotPresence, 400));
    assert_eq!(other("<p:pidf-diff xmlns:p='urn:ietf:params:xml:ns:pidf-diff'/>"), (Error::Partial, 415));
    assert_eq!(error(b"").status(), 400);
    assert_eq!(error(b"<?xml version='1.0' encoding='KOI7'?><a/>").status(), 400);
    assert_eq!(error(b"<?xml version='1.0' encoding='UTF-8'?><a>\xFF</a>").status(), 400);
}

#[test]
fn bombs_and_document_types_are_refused() {
    let lol = "<!DOCTYPE lolz [<!ENTITY lol 'lol'><!ENTITY lol2 '&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;'>]>";
    let external = "<!DOCTYPE presence SYSTEM 'file:///etc/passwd'>";
    for prolog in [lol, external] {
        let text = format!("{prolog}{}", document("<note>&lol2;</note>").replace("<?xml version=\"1.0\"?>", ""));
        assert!(matches!(error(text.as_bytes()), Error::Xml(error) if error.kind == ErrorKind::Restricted));
    }
    let text = document("<note>&lol;</note>");
    assert!(matches!(error(text.as_bytes()), Error::Xml(error) if error.kind == ErrorKind::Restricted));
}

#[test]
fn too_much_is_refused_or_left_out() {
    let long = document(&format!("<note>{}</note>", "x".repeat(1_000_000)));
    assert_eq!((error(long.as_bytes()), error(long.as_bytes()).status()), (Error::TooLong(long.len()), 413));
    let limits = Limits { bytes: 1 << 20, ..Limits::default() };
    let many = document(&"<tuple id='a'><status><basic>open</basic></status></tuple>".repeat(10_000));
    assert_eq!(read(many.as_bytes(), &limits), Err(Error::TooManyTuples(10_000)));
    let deep = document(&format!("{}{}", "<x:a>".repeat(30), "</x:a>".repeat(30)));
    assert!(matches!(error(deep.as_bytes()), Error::Xml(error) if error.kind == ErrorKind::TooMuch(Limit::Depth)));
    assert_eq!(error(deep.as_bytes()).status(), 413);
    let activities = format!("<r:activities>{}</r:activities>", "<r:away/>".repeat(40)).repeat(2);
    let wordy = taken(&document(&format!("{}<dm:person>{activities}</dm:person>", "<note>n</note>".repeat(100))));
    assert_eq!((wordy.notes.len(), wordy.person.unwrap().rich.activities.len()), (32, 32));
}
