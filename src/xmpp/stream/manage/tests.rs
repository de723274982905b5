#![allow(clippy::unwrap_used)]
use super::*;
use crate::xml::splitter::{Piece, Splitter};
use crate::xml::{Limits, reader};
use crate::xmpp::jid::Jid;
use crate::xmpp::stanza::{Iq, Message, MessageKind};

const CONFIG: ManageConfig = ManageConfig {
    max_stanzas: 10,
    max_bytes: 4000,
    request_every: 3,
    request_after: Duration::from_secs(1),
    resume_within: Duration::from_secs(60),
};

fn at(seconds: u64) -> Now {
    Now::at(Duration::from_secs(seconds))
}

fn pair() -> Pair {
    Pair::new("here.example", "there.example")
}

fn stanza(body: &str) -> Stanza {
    of("there.example", body)
}

fn of(remote: &str, body: &str) -> Stanza {
    let (from, to) = (Jid::parse("romeo@here.example").unwrap(), Jid::parse(&format!("juliet@{remote}")).unwrap());
    Stanza::Message(Message::new(from, to, MessageKind::Chat).with_body(None, body))
}

fn bodies(stanzas: &[Stanza]) -> Vec<String> {
    let body = |stanza: &Stanza| match stanza {
        Stanza::Message(message) => message.body().unwrap().into_owned(),
        Stanza::Presence(_) | Stanza::Iq(_) => "?".to_owned(),
    };
    stanzas.iter().map(body).collect()
}

fn element(text: &str) -> Element {
    let end = text.find([' ', '/', '>']).unwrap();
    let text = format!("{} xmlns='urn:xmpp:sm:3'{}", &text[..end], &text[end..]);
    reader::parse(text.as_bytes(), &Limits::document()).unwrap()
}

/// The elements of what was written, stanzas by their bodies.
fn said(out: &mut Vec<u8>) -> Vec<String> {
    let mut splitter = Splitter::new(Limits::default());
    splitter.push(b"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>");
    splitter.push(out);
    out.clear();
    let mut all = Vec::new();
    while let Some(piece) = splitter.next().unwrap() {
        match piece {
            Piece::Child(element) if element.ns() == ns::SM => {
                all.push(format!("{element:?}").replace(" xmlns='urn:xmpp:sm:3'", ""));
            }
            Piece::Child(element) => {
                let late = element.child(ns::DELAY, "delay").map_or("", |_| " late");
                all.push(format!("{}{late}", element.child(ns::CLIENT, "body").unwrap().text()));
            }
            Piece::Open(_) | Piece::Close | Piece::Refused { .. } => {}
        }
    }
    all
}

/// An opener whose peer has agreed, and that has sent `count` stanzas, named by their numbers from 1 on.
fn running(count: u32) -> (Manager, Vec<u8>) {
    let mut out = Vec::new();
    let mut manager = Manager::opener(CONFIG, pair(), None, at(0), &mut out);
    hear(&mut manager, "<enabled id='x' resume='1'/>", &mut out);
    (1..=count).for_each(|number| manager.send(stanza(&number.to_string()), at(0), &mut out));
    out.clear();
    (manager, out)
}

fn hear(manager: &mut Manager, text: &str, out: &mut Vec<u8>) {
    manager.receive(&element(text), at(0), out).unwrap();
}

fn error_of(manager: &mut Manager, text: &str) -> StreamError {
    manager.receive(&element(text), at(0), &mut Vec::new()).unwrap_err()
}

/// What the end of its connection leaves.
fn cut(manager: Manager) -> Box<Session> {
    let Rest { session, doubtful, unsent } = manager.finish(false);
    assert_eq!((doubtful, unsent), (vec![], vec![]));
    session.unwrap()
}

#[test]
fn the_opener_asks_and_counts_from_the_question_on() {
    let mut out = Vec::new();
    let mut manager = Manager::opener(CONFIG, pair(), None, at(0), &mut out);
    manager.send(stanza("1"), at(0), &mut out);
    assert_eq!(said(&mut out), ["<enable resume='true' max='60'/>", "1"]);
    let heard = manager.receive(&element("<enabled id='x' resume='true' max='30'/>"), at(0), &mut out);
    assert_eq!(heard, Ok(()));
    hear(&mut manager, "<a h='1'/>", &mut out);
    let session = cut(manager);
    assert_eq!((session.id(), session.within(), session.len()), (Some("x"), Duration::from_secs(30), 0));
}

#[test]
fn the_other_end_answers_as_it_was_asked() {
    let mut out = Vec::new();
    let mut answer = |enable: &str| {
        let manager = Manager::enabled(CONFIG, pair(), &element(enable), "unguessable".to_owned(), &mut out);
        (said(&mut out).remove(0), manager.id().map(str::to_owned))
    };
    assert_eq!(answer("<enable/>"), ("<enabled/>".to_owned(), None));
    let (text, id) = answer("<enable resume='1' max='5'/>");
    assert_eq!(text, "<enabled id='unguessable' resume='true' max='5'/>");
    assert_eq!(id.as_deref(), Some("unguessable"));
    assert_eq!(answer("<enable resume='true' max='9999'/>").0, "<enabled id='unguessable' resume='true' max='60'/>");
    assert_eq!(answer("<enable resume='true' max='0'/>").0, "<enabled id='unguessable' resume='true' max='60'/>");
    assert_eq!(answer("<enable resume='false'/>").0, "<enabled/>");
}

#[test]
fn a_session_that_nobody_may_resume_leaves_what_was_not_acknowledged_in_doubt() {
    for enabled in ["<enabled/>", "<enabled id='x'/>", "<enabled resume='true'/>", "<enabled id='' resume='true'/>"] {
        let mut out = Vec::new();
        let mut manager = Manager::opener(CONFIG, pair(), None, at(0), &mut out);
        hear(&mut manager, enabled, &mut out);
        for body in ["1", "2", "3"] {
            manager.send(stanza(body), at(0), &mut out);
        }
        hear(&mut manager, "<a h='1'/>", &mut out);
        let Rest { session, doubtful, unsent } = manager.finish(false);
        assert_eq!(unsent, []);
        assert_eq!((session, bodies(&doubtful)), (None, vec!["2".to_owned(), "3".to_owned()]), "{enabled}");
    }
}

#[test]
fn an_orderly_end_leaves_no_session_and_in_doubt_what_was_not_acknowledged() {
    let (mut manager, mut out) = running(3);
    hear(&mut manager, "<a h='2'/>", &mut out);
    let Rest { session, doubtful, .. } = manager.finish(true);
    assert_eq!((session, bodies(&doubtful)), (None, vec!["3".to_owned()]));
}

#[test]
fn a_refusal_leaves_a_stream_without_acknowledgements() {
    let mut out = Vec::new();
    let mut manager = Manager::opener(CONFIG, pair(), None, at(0), &mut out);
    manager.send(stanza("1"), at(0), &mut out);
    let failed = "<failed><unexpected-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>";
    hear(&mut manager, failed, &mut out);
    assert!(!manager.acknowledges());
    out.clear();
    (2..20).for_each(|number| manager.send(stanza(&number.to_string()), at(0), &mut out));
    assert_eq!(said(&mut out).len(), 18);
    assert_eq!((manager.next_timeout(), manager.has_room()), (None, true));
    assert_eq!(manager.finish(false), Rest::default());
}

#[test]
fn only_stanzas_count_and_each_question_is_answered_at_once() {
    let mut out = Vec::new();
    let mut manager = Manager::enabled(CONFIG, pair(), &element("<enable/>"), String::new(), &mut out);
    out.clear();
    hear(&mut manager, "<r/>", &mut out);
    assert_eq!(said(&mut out), ["<a h='0'/>"]);
    manager.handled();
    manager.handled();
    hear(&mut manager, "<a h='0'/>", &mut out);
    hear(&mut manager, "<r/>", &mut out);
    assert_eq!(said(&mut out), ["<a h='2'/>"]);
}

#[test]
fn many_questions_before_one_read_are_one_answer() {
    let mut out = Vec::new();
    let mut manager = Manager::enabled(CONFIG, pair(), &element("<enable/>"), String::new(), &mut out);
    out.clear();
    (0..1000).for_each(|_| hear(&mut manager, "<r/>", &mut out));
    manager.handled();
    hear(&mut manager, "<r/>", &mut out);
    assert_eq!(said(&mut out), ["<a h='0'/>", "<a h='1'/>"]);
}

#[test]
fn counts_go_around_at_two_to_the_thirty_second() {
    let (mut manager, mut out) = running(0);
    manager.session.count_from(u32::MAX - 1);
    for body in ["1", "2", "3"] {
        manager.send(stanza(body), at(0), &mut out);
        manager.handled();
    }
    assert_eq!(said(&mut out), ["1", "2", "3", "<r/>"]);
    hear(&mut manager, "<r/>", &mut out);
    assert_eq!(said(&mut out), ["<a h='1'/>"]);
    hear(&mut manager, "<a h='4294967295'/>", &mut out);
    assert_eq!(manager.session.len(), 2);
    hear(&mut manager, "<a h='0'/>", &mut out);
    assert_eq!(manager.session.len(), 1);
    assert_eq!(error_of(&mut manager, "<a h='2'/>").kind, StreamErrorKind::UndefinedCondition);
    hear(&mut manager, "<a h='1'/>", &mut out);
    assert!(manager.session.is_empty() && manager.session.bytes() == 0);
}

#[test]
fn more_acknowledged_than_sent_ends_the_stream_with_the_condition_of_the_xep() {
    let (mut manager, _) = running(8);
    let error = error_of(&mut manager, "<a h='10'/>");
    assert_eq!(error.kind, StreamErrorKind::UndefinedCondition);
    let mut text = Vec::new();
    error.write(&mut text);
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("<handled-count-too-high xmlns='urn:xmpp:sm:3' h='10' send-count='8'/>"), "{text}");
    // Nothing was believed.
    assert_eq!(manager.finish(false).session.unwrap().len(), 8);
}

#[test]
fn a_count_that_was_passed_before_changes_nothing() {
    let (mut manager, mut out) = running(4);
    hear(&mut manager, "<a h='3'/>", &mut out);
    hear(&mut manager, "<a h='1'/>", &mut out);
    assert_eq!(manager.session.len(), 1);
}

#[test]
fn acknowledgement_is_asked_for_after_some_stanzas_or_some_time() {
    let (mut manager, mut out) = running(0);
    assert_eq!(manager.next_timeout(), None);
    manager.send(stanza("1"), at(5), &mut out);
    manager.send(stanza("2"), at(5), &mut out);
    assert_eq!((said(&mut out), manager.next_timeout()), (vec!["1".to_owned(), "2".to_owned()], Some(at(6).mono)));
    manager.handle_timeout(at(5), &mut out);
    assert!(out.is_empty());
    manager.handle_timeout(at(6), &mut out);
    assert_eq!(
        (said(&mut out), manager.next_timeout(), manager.asked()),
        (vec!["<r/>".to_owned()], None, Some(at(6).mono))
    );
    hear(&mut manager, "<a h='2'/>", &mut out);
    assert_eq!(manager.asked(), None);
    (3..=5).for_each(|number| manager.send(stanza(&number.to_string()), at(7), &mut out));
    assert_eq!(said(&mut out), ["3", "4", "5", "<r/>"]);
    assert_eq!((manager.next_timeout(), manager.asked()), (None, Some(at(7).mono)));
}

#[test]
fn what_is_not_acknowledged_is_bounded() {
    let (mut manager, mut out) = running(9);
    assert!(manager.has_room());
    manager.send(stanza("10"), at(0), &mut out);
    assert!(!manager.has_room());
    hear(&mut manager, "<a h='1'/>", &mut out);
    assert!(manager.has_room());
    manager.send(stanza(&"x".repeat(4000)), at(0), &mut out);
    hear(&mut manager, "<a h='10'/>", &mut out);
    assert!(!manager.has_room());
    hear(&mut manager, "<a h='11'/>", &mut out);
    assert!(manager.has_room());
}

#[test]
fn a_session_goes_on_where_it_was_and_what_is_missing_goes_first() {
    let (mut manager, mut out) = running(5);
    hear(&mut manager, "<a h='1'/>", &mut out);
    manager.handled();
    let session = cut(manager);

    let mut manager = Manager::opener(CONFIG, pair(), Some(session), at(0), &mut out);
    manager.send(stanza("new"), at(9), &mut out);
    assert_eq!(said(&mut out), ["<resume previd='x' h='1'/>"]);
    assert_eq!(manager.receive(&element("<resumed previd='x' h='3'/>"), at(9), &mut out), Ok(()));
    assert_eq!(said(&mut out), ["4", "5", "new", "<r/>"]);
    hear(&mut manager, "<a h='6'/>", &mut out);
    assert!(manager.session.is_empty());
    assert_eq!(error_of(&mut manager, "<a h='7'/>").kind, StreamErrorKind::UndefinedCondition);
}

#[test]
fn both_ends_go_on_with_what_the_other_has_not() {
    let mut out = Vec::new();
    let mut accepting =
        Manager::enabled(CONFIG, pair(), &element("<enable resume='true'/>"), "id".to_owned(), &mut out);
    accepting.handled();
    accepting.send(stanza("back"), at(0), &mut out);
    accepting.send(stanza("again"), at(0), &mut out);
    let session = cut(accepting);
    assert!(session.is_theirs());
    out.clear();

    let resume = element("<resume previd='id' h='1'/>");
    assert_eq!(Manager::wanted(&resume), Some(("id", 1)));
    let mut accepting = Manager::with(CONFIG, *session);
    accepting.resume(1, at(1), &mut out).unwrap();
    assert_eq!(said(&mut out), ["<resumed previd='id' h='1'/>", "again"]);
    assert_eq!(accepting.id(), Some("id"));
}

#[test]
fn a_resumption_that_claims_too_much_ends_the_stream_and_loses_nothing() {
    let mut out = Vec::new();
    let mut accepting =
        Manager::enabled(CONFIG, pair(), &element("<enable resume='true'/>"), "id".to_owned(), &mut out);
    accepting.send(stanza("1"), at(0), &mut out);
    let mut accepting = Manager::with(CONFIG, *cut(accepting));
    assert_eq!(accepting.resume(2, at(1), &mut out).unwrap_err().kind, StreamErrorKind::UndefinedCondition);
    assert_eq!(cut(accepting).len(), 1);
}

#[test]
fn a_session_that_the_peer_has_forgotten_is_over_and_nothing_more_is_written() {
    let (manager, mut out) = running(3);
    let mut manager = Manager::opener(CONFIG, pair(), Some(cut(manager)), at(0), &mut out);
    manager.send(stanza("new"), at(9), &mut out);
    out.clear();
    let failed = "<failed><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>";
    assert_eq!(manager.receive(&element(failed), at(9), &mut out), Ok(()));
    assert_eq!(said(&mut out), [""; 0]);
    assert!(manager.is_over() && !manager.acknowledges() && manager.asked().is_none());
    let Rest { session, doubtful, unsent } = manager.finish(false);
    assert_eq!((session, bodies(&doubtful).join(" "), bodies(&unsent).join(" ")), (None, "1 2 3".into(), "new".into()));
}

#[test]
fn what_a_forgotten_session_had_taken_is_not_sent_again() {
    let (manager, mut out) = running(3);
    let mut manager = Manager::opener(CONFIG, pair(), Some(cut(manager)), at(0), &mut out);
    manager.send(stanza("new"), at(9), &mut out);
    hear(&mut manager, "<failed h='3'/>", &mut out);
    assert_eq!(said(&mut out), ["<resume previd='x' h='0'/>", "<enable resume='true' max='60'/>", "new"]);
    hear(&mut manager, "<enabled/>", &mut out);
    hear(&mut manager, "<a h='1'/>", &mut out);
    assert!(manager.session.is_empty());
    let (manager, mut out) = running(3);
    let mut manager = Manager::opener(CONFIG, pair(), Some(cut(manager)), at(0), &mut out);
    hear(&mut manager, "<failed h='2'/>", &mut out);
    assert_eq!(bodies(&manager.finish(false).doubtful), ["3"]);
    // A count that cannot be helps nobody.
    let (manager, mut out) = running(1);
    let mut manager = Manager::opener(CONFIG, pair(), Some(cut(manager)), at(0), &mut out);
    out.clear();
    hear(&mut manager, "<failed h='9'/>", &mut out);
    assert_eq!((manager.is_over(), manager.unacknowledged()), (true, 1));
}

#[test]
fn a_connection_lost_while_resuming_keeps_old_and_new_in_order() {
    let (manager, mut out) = running(2);
    let mut manager = Manager::opener(CONFIG, pair(), Some(cut(manager)), at(0), &mut out);
    manager.send(stanza("3"), at(1), &mut out);
    let mut manager = Manager::opener(CONFIG, pair(), Some(cut(manager)), at(0), &mut out);
    manager.send(stanza("4"), at(2), &mut out);
    out.clear();
    hear(&mut manager, "<resumed previd='x' h='1'/>", &mut out);
    assert_eq!(said(&mut out), ["2", "3", "4", "<r/>"]);
    hear(&mut manager, "<a h='4'/>", &mut out);
    assert!(manager.session.is_empty());
}

#[test]
fn stanzas_of_other_pairs_do_not_wait_for_the_session_and_its_counts_still_hold() {
    let (mut manager, mut out) = running(1);
    manager.send(of("other.example", "2"), at(0), &mut out);
    manager.send(stanza("3"), at(0), &mut out);
    let Rest { session, doubtful, unsent } = manager.finish(false);
    assert_eq!((bodies(&doubtful), unsent), (vec!["2".to_owned()], vec![]));
    let mut manager = Manager::opener(CONFIG, pair(), session, at(0), &mut out);
    out.clear();
    hear(&mut manager, "<resumed previd='x' h='2'/>", &mut out);
    assert_eq!(said(&mut out), ["3"]);
    hear(&mut manager, "<a h='3'/>", &mut out);
    assert!(manager.session.is_empty());
}

#[test]
fn what_comes_at_the_wrong_time_or_says_nothing_ends_the_stream() {
    let policy = |text: &str| {
        let (mut manager, _) = running(1);
        error_of(&mut manager, text).kind
    };
    for text in ["<enable/>", "<enabled/>", "<resume previd='x' h='0'/>", "<resumed previd='x' h='0'/>", "<failed/>"] {
        assert_eq!(policy(text), StreamErrorKind::PolicyViolation, "{text}");
    }
    for text in ["<a/>", "<a h='x'/>", "<a h='-1'/>", "<a h='4294967296'/>", "<sm/>", "<resumed h='1'/>"] {
        assert_eq!(policy(text), StreamErrorKind::BadFormat, "{text}");
    }
    let mut manager = Manager::opener(CONFIG, pair(), None, at(0), &mut Vec::new());
    assert_eq!(error_of(&mut manager, "<r/>").kind, StreamErrorKind::PolicyViolation);
    let (manager, mut out) = running(1);
    let mut manager = Manager::opener(CONFIG, pair(), Some(cut(manager)), at(0), &mut out);
    assert_eq!(error_of(&mut manager, "<resumed previd='y' h='0'/>").kind, StreamErrorKind::PolicyViolation);
}

#[test]
fn an_iq_is_sent_again_as_it_was() {
    let mut out = Vec::new();
    let (mut manager, _) = running(0);
    let ping = Iq::ping(Jid::parse("here.example").unwrap(), Jid::parse("there.example").unwrap(), "1");
    manager.send(Stanza::Iq(ping.clone()), at(0), &mut out);
    let mut manager = Manager::opener(CONFIG, pair(), Some(cut(manager)), at(0), &mut out);
    out.clear();
    hear(&mut manager, "<resumed previd='x' h='0'/>", &mut out);
    assert!(std::str::from_utf8(&out).unwrap().contains("<ping "));
    assert_eq!(manager.finish(true).doubtful, [Stanza::Iq(ping)]);
}

#[test]
fn before_an_orderly_end_both_learn_what_arrived() {
    let (mut manager, mut out) = running(1);
    manager.handled();
    manager.close(at(1), &mut out);
    assert_eq!(said(&mut out), ["<a h='1'/>", "<r/>"]);
    hear(&mut manager, "<a h='1'/>", &mut out);
    assert_eq!(manager.finish(true), Rest::default());
}

#[test]
fn a_burst_is_not_paid_for_ever_after() {
    let config = ManageConfig { max_stanzas: 10_000, max_bytes: 10_000_000, ..CONFIG };
    let mut out = Vec::new();
    let mut manager = Manager::opener(config, pair(), None, at(0), &mut out);
    hear(&mut manager, "<enabled/>", &mut out);
    (0..10_000).for_each(|_| manager.send(stanza("x"), at(0), &mut out));
    hear(&mut manager, "<a h='10000'/>", &mut out);
    assert!(manager.session.capacity() <= 64);
}
