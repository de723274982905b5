#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;

fn document(version: u32, state: &str, inside: &str) -> Document {
    let text = format!(
        "<dialog-info xmlns='{NAMESPACE}' version='{version}' state='{state}' entity='sip:a@b'>{inside}</dialog-info>"
    );
    read(text.as_bytes()).unwrap()
}

fn call(id: &str, state: &str, more: &str) -> String {
    format!("<dialog id='{id}' {more}><state>{state}</state></dialog>")
}

fn held(id: &str, value: &str) -> String {
    let param = format!("<param pname='+sip.rendering' pval='{value}'/>");
    let local = format!("<local><target uri='sip:a@pc'>{param}</target></local>");
    format!("<dialog id='{id}'><state>confirmed</state>{local}</dialog>")
}

#[test]
fn what_a_document_says_is_read_in_old_spellings_too() {
    let text = format!(
        "<?xml version='1.0'?><dialog-info xmlns='{NAMESPACE}' version=' 00007 ' notify-state='partial' entity='sip:a@b'>
           <dialog id='x' direction='receiver'><state reason='replaced'> Early </state>
             <remote><identity display-name='Bob'> sip:bob@c </identity><target uri='sip:bob@d'/></remote></dialog>
           <dialog id='y'><state>dreaming</state></dialog><!-- -->
           <other xmlns='urn:x'/></dialog-info>"
    );
    let document = read(text.as_bytes()).unwrap();
    assert_eq!((document.version, document.full, document.entity.as_str()), (7, false, "sip:a@b"));
    let [dialog] = document.dialogs.as_slice() else { panic!("{document:?}") };
    assert_eq!((dialog.state, dialog.direction), (State::Early, Some(Direction::Recipient)));
    assert_eq!(dialog.remote.identity.as_deref(), Some("sip:bob@c"));
    assert_eq!(dialog.remote.display.as_deref(), Some("Bob"));
    assert_eq!(dialog.remote.target.as_deref(), Some("sip:bob@d"));
}

#[test]
fn what_is_no_such_document_is_refused_with_the_reason() {
    let wrong = |attributes: &str, inside: &str| {
        read(format!("<dialog-info xmlns='{NAMESPACE}' {attributes}>{inside}</dialog-info>").as_bytes()).unwrap_err()
    };
    assert_eq!(wrong("state='full'", ""), Error::Attribute("version"));
    assert_eq!(wrong("version='-1' state='full'", ""), Error::Attribute("version"));
    assert_eq!(wrong("version='4294967296' state='full'", ""), Error::Attribute("version"));
    assert_eq!(wrong("version='1' state='half'", ""), Error::Attribute("state"));
    assert_eq!(wrong("version='1'", "<dialog><state>early</state></dialog>"), Error::Attribute("id"));
    let many = call("1", "confirmed", "").repeat(MAX_DIALOGS + 1);
    assert_eq!(wrong("version='1'", &many), Error::TooMany("dialogs", MAX_DIALOGS));
    assert_eq!(read(b"<dialog-info version='1'/>"), Err(Error::Root("dialog-info")));
    assert!(matches!(read(b"<!DOCTYPE x [<!ENTITY a 'a'>]><x>&a;</x>"), Err(Error::Xml(_))));
    assert!(matches!(read(&vec![b'<'; 1 << 20]), Err(Error::Xml(_))));
}

#[test]
fn partial_documents_change_what_was_known_and_a_full_one_replaces_it() {
    let mut calls = Calls::default();
    assert_eq!(calls.usage(), Use::Idle);
    assert_eq!(calls.take(document(0, "full", &call("1", "early", "direction='recipient'"))), Ok(()));
    assert_eq!(calls.usage(), Use::Ringing);
    assert_eq!(calls.take(document(1, "partial", &call("2", "confirmed", ""))), Ok(()));
    assert_eq!(calls.usage(), Use::Talking);
    assert_eq!(calls.take(document(2, "partial", &call("2", "terminated", ""))), Ok(()));
    assert_eq!(calls.usage(), Use::Ringing, "what a partial document does not name goes on");
    assert_eq!(calls.take(document(3, "full", "")), Ok(()));
    assert_eq!(calls, Calls { versions: calls.versions, lines: Vec::new() });
}

#[test]
fn a_gap_is_told_and_what_is_older_changes_nothing() {
    let mut calls = Calls::default();
    assert_eq!(
        calls.take(document(3, "partial", &call("1", "confirmed", ""))),
        Err(WantsFull),
        "the first must be full"
    );
    assert_eq!(calls.usage(), Use::Talking, "but what it says is taken");
    assert_eq!(calls.take(document(6, "partial", &call("1", "terminated", ""))), Err(WantsFull));
    assert_eq!(calls.usage(), Use::Idle);
    assert_eq!(calls.take(document(5, "partial", &call("1", "confirmed", ""))), Err(WantsFull));
    assert_eq!(calls.usage(), Use::Idle);
    assert_eq!(calls.take(document(9, "full", &call("1", "confirmed", ""))), Ok(()));
    assert_eq!(calls.usage(), Use::Talking);
}

#[test]
fn a_call_is_held_while_none_is_listened_to() {
    let mut calls = Calls::default();
    calls.take(document(0, "full", &held("1", "no"))).unwrap();
    assert_eq!(calls.usage(), Use::Held);
    calls.take(document(1, "partial", &call("1", "confirmed", ""))).unwrap();
    assert_eq!(calls.usage(), Use::Held, "no target: as before (section 4.1.6.2)");
    calls.take(document(2, "partial", &call("2", "confirmed", ""))).unwrap();
    assert_eq!(calls.usage(), Use::Talking);
    calls.take(document(3, "partial", &held("2", "no"))).unwrap();
    assert_eq!(calls.usage(), Use::Held);
    calls.take(document(4, "full", &held("1", "yes"))).unwrap();
    assert_eq!(calls.usage(), Use::Talking);
    calls.take(document(5, "full", &held("1", "no").replace("pval=", "pvalue="))).unwrap();
    assert_eq!(calls.usage(), Use::Held, "as Asterisk and FreeSWITCH spell it");
    calls.take(document(6, "full", &call("2", "confirmed", ""))).unwrap();
    let unnamed = held("2", "no").replace(" uri='sip:a@pc'", "");
    calls.take(document(7, "partial", &unnamed)).unwrap();
    assert_eq!(calls.usage(), Use::Held, "a target without its uri says so in a partial document as in a full one");
}

#[test]
fn the_other_end_is_remembered_while_the_call_lasts() {
    let mut calls = Calls::default();
    let remote = "<remote><identity>sip:bob@c</identity></remote>";
    let early = format!("<dialog id='1' direction='recipient'><state>early</state>{remote}</dialog>");
    calls.take(document(0, "full", &early)).unwrap();
    calls.take(document(1, "full", &call("1", "confirmed", ""))).unwrap();
    assert_eq!((calls.usage(), calls.remote()), (Use::Talking, Some("sip:bob@c")));
    calls.take(document(2, "full", "")).unwrap();
    assert_eq!(calls.remote(), None);
}

#[test]
fn calls_take_no_more_than_their_limit() {
    let mut calls = Calls::default();
    for version in 0..5 {
        let many: String = (0..MAX_DIALOGS).map(|n| call(&format!("{version}-{n}"), "confirmed", "")).collect();
        calls.take(document(version, if version == 0 { "full" } else { "partial" }, &many)).unwrap();
    }
    assert_eq!(calls.lines.len(), MAX_DIALOGS);
}

#[test]
fn a_lamp_says_busy_and_nothing_else() {
    let text = String::from_utf8(lamp("sip:juliet@example.com", 3, Lamp::On)).unwrap();
    assert_eq!(
        text,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<dialog-info xmlns='urn:ietf:params:xml:ns:dialog-info' version='3' \
         state='full' entity='sip:juliet@example.com'><dialog id='1' direction='initiator'><state>confirmed</state></dialog>\
         </dialog-info>"
    );
    let mut calls = Calls::default();
    calls.take(read(&lamp("sip:j@e", 0, Lamp::On)).unwrap()).unwrap();
    assert_eq!(calls.usage(), Use::Talking);
    calls.take(read(&lamp("sip:j@e", 1, Lamp::Off)).unwrap()).unwrap();
    assert_eq!(calls.usage(), Use::Idle);
}

fn words() -> impl Strategy<Value = Option<String>> {
    proptest::option::of(
        "[a-z<>&'\" é]{1,12}".prop_map(|text| text.trim().to_owned()).prop_filter("not empty", |text| !text.is_empty()),
    )
}

fn participant() -> impl Strategy<Value = Participant> {
    let rendering =
        proptest::sample::select(vec![None, Some(Rendering::Yes), Some(Rendering::No), Some(Rendering::Unknown)]);
    (words(), words(), words(), rendering).prop_map(|(identity, display, target, rendering)| Participant {
        display,
        identity,
        rendering: rendering.filter(|_| target.is_some()),
        target,
    })
}

fn dialog() -> impl Strategy<Value = Dialog> {
    let state = proptest::sample::select(State::NAMES.map(|(state, _)| state).to_vec());
    let direction = proptest::sample::select(vec![None, Some(Direction::Initiator), Some(Direction::Recipient)]);
    ("[a-e]", state, direction, participant(), participant()).prop_map(|(id, state, direction, local, remote)| Dialog {
        id,
        state,
        direction,
        local,
        remote,
    })
}

fn any_document() -> impl Strategy<Value = Document> {
    (0..20_u32, any::<bool>(), proptest::collection::vec(dialog(), 0..5))
        .prop_map(|(version, full, dialogs)| Document { version, full, entity: "sip:a@b".to_owned(), dialogs })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(document in any_document()) {
        prop_assert_eq!(read(&write(&document)).unwrap(), document);
    }

    #[test]
    fn no_bytes_and_no_order_of_documents_does_harm(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        documents in proptest::collection::vec(any_document(), 0..20),
    ) {
        let _ = read(&bytes);
        let mut calls = Calls::default();
        for document in documents {
            let ends = document.full && document.dialogs.iter().all(|dialog| dialog.state == State::Terminated);
            if calls.take(document) == Ok(()) && ends {
                prop_assert_eq!(calls.usage(), Use::Idle);
            }
            prop_assert!(calls.lines.iter().all(|line| line.state != State::Terminated));
        }
    }
}

#[test]
fn what_is_kept_of_calls_does_not_grow_with_how_they_are_called() {
    let (mut calls, long) = (Calls::default(), "x".repeat(60_000));
    for version in 0..256 {
        let remote = format!("<remote><identity>sip:{long}@b</identity></remote>");
        let short = format!("<dialog id='{version}'><state>confirmed</state>{remote}</dialog>");
        let state = if version == 0 { "full" } else { "partial" };
        assert_eq!(
            calls.take(document(version, state, &(short + &call(&format!("{long}{version}"), "early", "")))),
            Ok(())
        );
    }
    let texts = |line: &Line| line.id.len() + line.remote.as_deref().map_or(0, str::len);
    let kept: usize = calls.lines.iter().map(texts).sum();
    assert!(kept < MAX_DIALOGS * 1_024, "{kept}");
    assert_eq!((calls.usage(), calls.lines.len()), (Use::Talking, 256));
}
