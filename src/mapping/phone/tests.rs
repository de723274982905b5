#![allow(clippy::unwrap_used)]
use super::*;
use crate::mapping::preset;
use crate::model::pidf;
use crate::model::presence::Basic;

use proptest::prelude::*;

/// The document of one tuple.
fn pidf(basic: &str, tuple: &str, rest: &str) -> Presence {
    let text = format!(
        "<presence xmlns='urn:ietf:params:xml:ns:pidf' xmlns:dm='urn:ietf:params:xml:ns:pidf:data-model' \
         xmlns:rpid='urn:ietf:params:xml:ns:pidf:rpid' entity='pres:romeo@sip.example'>\
         <tuple id='t1'><status><basic>{basic}</basic></status>{tuple}</tuple>{rest}</presence>"
    );
    pidf::read(text.as_bytes(), &pidf::Limits::default()).unwrap()
}

fn calls(version: u32, inside: &str) -> dialog_info::Document {
    let ns = dialog_info::NAMESPACE;
    let text = format!(
        "<dialog-info xmlns='{ns}' version='{version}' state='full' entity='sip:romeo@b'>{inside}</dialog-info>"
    );
    dialog_info::read(text.as_bytes()).unwrap()
}

const TALKS: &str = "<dialog id='1'><state>confirmed</state><remote><identity>sip:2001@b</identity></remote></dialog>";
const RINGS: &str = "<dialog id='1' direction='recipient'><state>early</state></dialog>";
const HOLDS: &str = "<dialog id='1'><state>confirmed</state><local><target uri='sip:a'>\
                     <param pname='+sip.rendering' pvalue='no'/></target></local></dialog>";

fn registration(version: u32, state: &str) -> reg_info::Document {
    let ns = reg_info::NAMESPACE;
    let contact = format!("<contact id='1' state='{state}'><uri>sip:a@192.0.2.1</uri></contact>");
    let inside = format!("<registration aor='sip:a@b' id='1' state='{state}'>{contact}</registration>");
    reg_info::read(format!("<reginfo xmlns='{ns}' version='{version}' state='full'>{inside}</reginfo>").as_bytes())
        .unwrap()
}

fn of_peer(name: &str) -> PhoneRules {
    PhoneRules { notes: &preset::find(name).unwrap().notes, ..PhoneRules::default() }
}

/// Each open tuple's show and first words, and whether the person is on the phone.
type Seen = (Vec<(Option<Show>, Option<String>)>, bool);

fn seen(phone: &Phone, rules: &PhoneRules) -> Seen {
    let state = phone.state(rules, "romeo").unwrap().into_owned();
    let words = |notes: &[crate::model::presence::Note]| notes.first().map(|note| note.text.clone());
    let common = words(&state.notes).or(state.person.as_ref().and_then(|person| words(&person.notes)));
    let open = state.tuples.iter().filter(|tuple| tuple.basic == Some(Basic::Open));
    let tuples = open.map(|tuple| (tuple.show, words(&tuple.notes).or_else(|| common.clone()))).collect();
    let activities = state.person.iter().flat_map(|person| &person.rich.activities);
    (tuples, activities.filter(|activity| activity.name == "on-the-phone").count() == 1)
}

fn one(show: Option<Show>, words: Option<&str>, on_the_phone: bool) -> Seen {
    (vec![(show, words.map(str::to_owned))], on_the_phone)
}

#[test]
fn nothing_is_shown_before_anything_is_known() {
    let mut phone = Phone::default();
    assert_eq!(phone.state(&PhoneRules::default(), "romeo"), None);
    phone.begin(Teller::Presence, 0);
    phone.begin(Teller::Registration, 0);
    assert_eq!(phone.state(&PhoneRules::default(), "romeo"), None);
}

#[test]
fn a_document_alone_is_shown_as_it_is() {
    let mut phone = Phone::default();
    let document = pidf("open", "<note>Hello</note>", "");
    phone.take_presence(0, document.clone());
    let rules = PhoneRules::default();
    let state = phone.state(&rules, "romeo").unwrap();
    assert!(matches!(state, std::borrow::Cow::Borrowed(_)), "and nothing is copied for it");
    assert_eq!(*state, document);
    phone.forget(Teller::Presence, 0);
    assert!(phone.is_unknown());
}

#[test]
fn without_a_document_the_phone_is_there_while_calls_are_told() {
    let (mut phone, rules) = (Phone::default(), PhoneRules::default());
    phone.begin(Teller::Calls, 0);
    assert_eq!(seen(&phone, &rules), one(None, None, false));
    phone.take_calls(0, calls(0, TALKS)).unwrap();
    assert_eq!(seen(&phone, &rules), one(Some(Show::Dnd), Some("On the phone"), true));
    phone.take_calls(0, calls(1, "")).unwrap();
    assert_eq!(seen(&phone, &rules), one(None, None, false));
    phone.forget(Teller::Calls, 0);
    assert!(phone.state(&rules, "romeo").is_none());
}

#[test]
fn a_call_has_the_operators_show_and_words_and_the_persons_words_stay_readable() {
    let rules = PhoneRules { busy: Show::Away, busy_text: "Im Gespräch".to_owned(), ..PhoneRules::default() };
    let mut phone = Phone::default();
    phone.take_presence(0, pidf("open", "<note xml:lang='de'>Zu Tisch</note>", ""));
    phone.take_calls(0, calls(0, TALKS)).unwrap();
    assert_eq!(seen(&phone, &rules), one(Some(Show::Away), Some("Im Gespräch (Zu Tisch)"), true));
    let state = phone.state(&rules, "romeo").unwrap().into_owned();
    assert_eq!(state.tuples[0].notes[0].lang.as_deref(), Some("de"));
    assert_eq!(state.entity, "pres:romeo@sip.example");
    phone.take_presence(0, pidf("open", "", "<note>Back soon</note>"));
    assert_eq!(seen(&phone, &rules), one(Some(Show::Away), Some("Im Gespräch (Back soon)"), true));
}

#[test]
fn a_persons_own_dnd_and_xa_are_not_overridden_and_idleness_is() {
    let rules = PhoneRules { busy: Show::Away, ..PhoneRules::default() };
    let mut phone = Phone::default();
    phone.take_calls(0, calls(0, TALKS)).unwrap();
    for (show, then) in [("dnd", Show::Dnd), ("xa", Show::Xa), ("away", Show::Away), ("chat", Show::Away)] {
        let mut document = pidf("open", "", "");
        document.tuples[0].show = match show {
            "dnd" => Some(Show::Dnd),
            "xa" => Some(Show::Xa),
            "away" => Some(Show::Away),
            _ => Some(Show::Chat),
        };
        phone.take_presence(0, document);
        assert_eq!(seen(&phone, &rules).0[0].0, Some(then), "{show}");
    }
    for (activity, then) in [("busy", Show::Dnd), ("vacation", Show::Xa), ("meal", Show::Away)] {
        let person = format!("<dm:person id='p'><rpid:activities><rpid:{activity}/></rpid:activities></dm:person>");
        phone.take_presence(0, pidf("open", "", &person));
        assert_eq!(seen(&phone, &rules), one(Some(then), Some("On the phone"), true), "{activity}");
    }
}

#[test]
fn ringing_and_holding_are_shown_where_there_are_words_for_them() {
    let mut phone = Phone::default();
    phone.take_presence(0, pidf("open", "<note>Hi</note>", ""));
    let plain = PhoneRules::default();
    let (ringing, held) = (Some("Ringing".to_owned()), Some("On hold".to_owned()));
    let with = PhoneRules { ringing, held, ..PhoneRules::default() };
    phone.take_calls(0, calls(0, RINGS)).unwrap();
    assert_eq!(seen(&phone, &plain), one(None, Some("Hi"), false));
    assert_eq!(seen(&phone, &with), one(None, Some("Ringing (Hi)"), false));
    phone.take_calls(0, calls(1, HOLDS)).unwrap();
    assert_eq!(seen(&phone, &plain), one(Some(Show::Dnd), Some("On the phone (Hi)"), true));
    assert_eq!(seen(&phone, &with), one(Some(Show::Dnd), Some("On hold (Hi)"), true));
}

#[test]
fn the_other_end_is_named_only_with_users_of_whom_that_is_wanted() {
    let rules = PhoneRules { caller_of: vec!["romeo".to_owned()], ..PhoneRules::default() };
    let mut phone = Phone::default();
    phone.take_calls(0, calls(0, TALKS)).unwrap();
    assert_eq!(seen(&phone, &rules).0[0].1.as_deref(), Some("On the phone: 2001"));
    let of_another = phone.state(&rules, "juliet").unwrap().into_owned();
    assert!(!format!("{of_another:?}").contains("2001"));
    for (uri, told) in [
        ("tel:+49301234;ext=1", "On the phone: +49301234"),
        ("sip:anonymous@anonymous.invalid", "On the phone"),
        ("sip:b", "On the phone"),
        ("&lt;&gt;", "On the phone"),
    ] {
        phone.take_calls(0, calls(1, &TALKS.replace("sip:2001@b", uri))).unwrap();
        assert_eq!(seen(&phone, &rules).0[0].1.as_deref(), Some(told));
    }
}

#[test]
fn who_is_not_registered_is_unavailable_and_not_idle() {
    let (mut phone, rules) = (Phone::default(), PhoneRules::default());
    phone.take_registration(0, &registration(0, "terminated")).unwrap();
    let state = phone.state(&rules, "romeo").unwrap().into_owned();
    assert_eq!(state.tuples.len(), 1);
    assert!(!state.is_open());
    phone.take_presence(0, pidf("open", "", ""));
    assert_eq!(seen(&phone, &rules).0, []);
    phone.take_calls(0, calls(0, TALKS)).unwrap();
    assert!(seen(&phone, &rules).1, "who talks is there");
    phone.take_calls(0, calls(1, "")).unwrap();
    phone.take_registration(0, &registration(1, "active")).unwrap();
    assert_eq!(seen(&phone, &rules), one(None, None, false));
    phone.forget_all(Teller::Presence);
    phone.forget_all(Teller::Calls);
    assert_eq!(seen(&phone, &rules), one(None, None, false), "registered is there");
}

#[test]
fn a_closed_document_is_closed_until_somebody_talks() {
    let (mut phone, rules) = (Phone::default(), PhoneRules::default());
    phone.take_presence(0, pidf("closed", "", ""));
    phone.take_calls(0, calls(0, "")).unwrap();
    assert_eq!(seen(&phone, &rules).0, []);
    phone.take_calls(0, calls(1, TALKS)).unwrap();
    assert_eq!(seen(&phone, &rules), one(Some(Show::Dnd), Some("On the phone"), true));
}

/// What Asterisk 16 sends of an extension (`res_pjsip_pidf_body_generator`, with the supplement for on-the-phone).
fn asterisk(note: &str, basic: &str, activity: &str) -> Presence {
    let person = format!("<dm:person><rpid:activities>{activity}</rpid:activities></dm:person>");
    pidf(basic, "<contact priority='1'>sip:juliet@gw.example</contact>", &format!("<note>{note}</note>{person}"))
}

#[test]
fn the_notes_of_asterisk_are_taken_for_what_they_mean() {
    let rules = PhoneRules { ringing: Some("Ringing now".to_owned()), ..of_peer("asterisk") };
    let busy = "<rpid:on-the-phone/>";
    let mut phone = Phone::default();
    for (note, basic, activity, then) in [
        ("Ready", "open", "", one(None, None, false)),
        ("On the phone", "open", busy, one(Some(Show::Dnd), Some("On the phone"), true)),
        ("On hold", "open", busy, one(Some(Show::Dnd), Some("On the phone"), true)),
        ("Ringing", "open", busy, one(None, Some("Ringing now"), false)),
        ("Unavailable", "closed", "", (Vec::new(), false)),
        ("Unavailable", "open", "", (Vec::new(), false)),
    ] {
        phone.take_presence(0, asterisk(note, basic, activity));
        assert_eq!(seen(&phone, &rules), then, "{note}");
    }
    phone.take_presence(0, asterisk("On the phone", "open", busy));
    phone.take_calls(0, calls(0, "")).unwrap();
    assert_eq!(seen(&phone, &rules), one(None, None, false), "calls are known better from the package of calls");
}

#[test]
fn no_number_in_a_note_of_freeswitch_gets_through() {
    let rules = of_peer("freeswitch");
    let mut phone = Phone::default();
    for note in ["Talk 2001", "Call 2001", "hold 2001", "Ring 2001"] {
        let person = format!(
            "<dm:person id='p'><rpid:activities><rpid:on-the-phone/></rpid:activities><dm:note>{note}</dm:note></dm:person>"
        );
        phone.take_presence(0, pidf("open", "", &person));
        let state = phone.state(&rules, "romeo").unwrap().into_owned();
        assert!(!format!("{state:?}").contains("2001"), "{note}");
    }
    phone.take_presence(0, pidf("open", "<note>Talk to me now</note>", ""));
    assert_eq!(seen(&phone, &rules), one(None, Some("Talk to me now"), false), "what a person writes is left alone");
}

#[test]
fn who_says_of_himself_that_he_is_on_the_phone_is_believed_with_the_show_that_he_chose() {
    let person = "<dm:person id='p'><rpid:activities><rpid:on-the-phone/></rpid:activities></dm:person>";
    let (mut phone, rules) = (Phone::default(), PhoneRules::default());
    phone.take_presence(0, pidf("open", "", person));
    assert_eq!(seen(&phone, &rules), one(Some(Show::Dnd), Some("On the phone"), true));
    let mut document = pidf("open", "", person);
    document.tuples[0].show = Some(Show::Chat);
    phone.take_presence(0, document);
    assert_eq!(seen(&phone, &rules).0[0].0, Some(Show::Chat));
}

#[test]
fn forks_are_seen_as_one() {
    let (mut phone, rules) = (Phone::default(), PhoneRules::default());
    phone.take_presence(0, pidf("closed", "", ""));
    let mut other = pidf("open", "", "");
    phone.take_presence(1, other.clone());
    other.tuples[0].id = "t2".to_owned();
    phone.take_presence(2, other);
    assert_eq!(seen(&phone, &rules).0.len(), 2);
    phone.take_calls(0, calls(5, "")).unwrap();
    phone.take_calls(1, calls(0, TALKS)).unwrap();
    assert!(seen(&phone, &rules).1);
    phone.forget(Teller::Calls, 1);
    assert!(!seen(&phone, &rules).1);
    phone.forget(Teller::Presence, 2);
    phone.forget(Teller::Presence, 1);
    assert_eq!(seen(&phone, &rules).0, []);
}

#[test]
fn somebody_elses_tuple_is_not_changed_by_a_call() {
    let mut document = pidf("open", "", "");
    let mut assistant = document.tuples[0].clone();
    (assistant.id, assistant.relationship) = ("a".to_owned(), Some("assistant".to_owned()));
    document.tuples.push(assistant.clone());
    let (mut phone, rules) = (Phone::default(), PhoneRules::default());
    phone.take_presence(0, document);
    phone.take_calls(0, calls(0, TALKS)).unwrap();
    assert_eq!(phone.state(&rules, "romeo").unwrap().tuples[1], assistant);
}

#[test]
fn a_phone_at_rest_shows_what_it_showed_before() {
    let (mut phone, rules) = (Phone::default(), of_peer("asterisk"));
    phone.take_presence(0, asterisk("On hold", "open", "<rpid:on-the-phone/>"));
    phone.take_presence(1, pidf("open", "<note xml:lang='de'>Zu Tisch</note>", "<note>Back soon</note>"));
    phone.take_calls(0, calls(0, RINGS)).unwrap();
    let awake = phone.clone();
    phone.rest(&mut Vec::new());
    assert!(phone.documents.iter().all(|(_, kept)| matches!(kept, Kept::Packed(_))));
    assert_eq!(phone.state(&rules, "romeo"), awake.state(&rules, "romeo"));
    phone.take_presence(0, pidf("closed", "", ""));
    phone.rest(&mut Vec::new());
    assert_ne!(phone.state(&rules, "romeo"), awake.state(&rules, "romeo"));
}

#[test]
fn little_is_kept_of_a_phone_at_rest() {
    assert!(size_of::<Phone>() <= 32, "{}", size_of::<Phone>());
    assert!(size_of::<(Fork, Kept)>() <= 24, "{}", size_of::<(Fork, Kept)>());
    let mut phone = Phone::default();
    phone.take_presence(0, asterisk("Ready", "open", ""));
    phone.take_calls(0, calls(0, TALKS)).unwrap();
    phone.take_calls(0, calls(1, "")).unwrap();
    phone.take_registration(0, &registration(0, "active")).unwrap();
    let others = phone.others.as_ref().unwrap();
    let places = (phone.documents.capacity(), others.calls.capacity(), others.registrations.capacity());
    assert_eq!(places, (1, 1, 1));
}

proptest! {
    #[test]
    fn whatever_is_told_in_any_order_is_shown_by_the_table(
        steps in proptest::collection::vec((0..7_u8, 0..2_u32), 0..12),
        ringing in proptest::option::of("[a-z]{1,4}"),
    ) {
        let rules = PhoneRules { ringing, ..of_peer("asterisk") };
        let mut phone = Phone::default();
        for (version, (step, fork)) in (0_u32..).zip(steps) {
            match step {
                0 => phone.take_presence(fork, asterisk("Ready", "open", "")),
                1 => phone.take_presence(fork, asterisk("Unavailable", "closed", "")),
                2 => phone.take_calls(fork, calls(version, TALKS)).unwrap(),
                3 => phone.take_calls(fork, calls(version, "")).unwrap(),
                4 => phone.take_registration(fork, &registration(version, "terminated")).unwrap(),
                5 => phone.forget(Teller::Calls, fork),
                _ => phone.forget_all(Teller::Registration),
            }
            let Some(state) = phone.state(&rules, "romeo") else {
                prop_assert!(phone.is_unknown());
                continue;
            };
            prop_assert!(!state.tuples.is_empty());
            let talks = phone.calls().iter().any(|(_, calls)| calls.usage() == dialog_info::Use::Talking);
            prop_assert_eq!(seen(&phone, &rules).1, talks);
            prop_assert!(!talks || state.is_open());
            let gone = !phone.registrations().is_empty();
            prop_assert!(talks || !gone || !state.is_open());
        }
    }
}
