//! A watcher after a crash of the gateway: what was committed is all there is.

use std::time::Duration;

use super::bench::Bench;
use super::watch::{Play, open};
use crate::gateway::record::{Kind, Record, Write};
use crate::xmpp::stanza::PresenceKind;

const SECOND: Duration = Duration::from_secs(1);

/// What the store would have after `play`, given to a new gateway.
fn after_a_crash(mut play: Play) -> Play {
    play.bench.gateway.take_writes(&mut play.writes);
    let mut kept: Vec<(Kind, u64, Record)> = Vec::new();
    for write in &play.writes {
        let (kind, id) = match write {
            Write::Put(record) => match record.as_ref() {
                Record::Authorization(one) => (Kind::Authorization, one.id.0),
                Record::Dialog(one) => (Kind::Dialog, one.id.0),
                Record::Publication(one) => (Kind::Publication, one.id.0),
            },
            Write::Drop(kind, id) => (*kind, id.0),
        };
        kept.retain(|(known, name, _)| (*known, *name) != (kind, id));
        if let Write::Put(record) = write {
            kept.push((kind, id, Record::clone(record)));
        }
    }
    kept.sort_by_key(|(kind, ..)| *kind);
    let mut next =
        Play { bench: Bench::new(), writes: play.writes, cseq: play.cseq, contact: play.contact, from: play.from };
    let now = next.bench.now();
    next.bench.gateway.restore(kept.into_iter().map(|(.., record)| record).collect(), now);
    next.bench.inputs(Vec::new());
    next
}

#[test]
fn after_a_crash_the_dialog_goes_on_and_nobody_is_asked_again() {
    let (play, request) = Play::granted();
    let before = request.headers.cseq().unwrap().number;
    let mut play = after_a_crash(play);
    assert!(play.bench.requests().is_empty(), "not all at once");
    let refresh = play.next_subscribe(301 * SECOND);
    assert_eq!(refresh.headers.call_id(), request.headers.call_id());
    assert!(refresh.headers.cseq().unwrap().number > before);
    play.bench.answer(&refresh, 200);
    play.notify(&refresh, "active;expires=3600", Some(&open("r1", "")));
    assert_eq!(play.kinds(), [PresenceKind::Available]);
    play.juliet("unsubscribe");
    assert_eq!(play.kinds(), [PresenceKind::Unavailable]);
}

#[test]
fn an_authorization_without_a_dialog_begins_a_new_one_after_a_crash() {
    let (mut play, request) = Play::granted();
    play.notify(&request, "terminated;reason=probation;retry-after=600", None);
    let mut play = after_a_crash(play);
    let anew = play.next_subscribe(301 * SECOND);
    assert!(anew.headers.to().unwrap().tag().is_none(), "outside of any dialog");
    play.bench.answer(&anew, 200);
    play.notify(&anew, "active;expires=3600", Some(&open("r1", "")));
    assert_eq!(play.kinds(), [PresenceKind::Available], "and no word about the roster");
}

#[test]
fn a_request_that_was_pending_is_still_pending_after_a_crash() {
    let mut play = Play::new();
    let request = play.asked();
    play.bench.answer(&request, 200);
    play.notify(&request, "pending;expires=3600", None);
    let mut play = after_a_crash(play);
    let refresh = play.next_subscribe(301 * SECOND);
    play.bench.answer(&refresh, 200);
    play.notify(&refresh, "active;expires=3600", Some(&open("r1", "")));
    assert_eq!(play.kinds(), [PresenceKind::Subscribed, PresenceKind::Available]);
}

#[test]
fn a_watcher_who_comes_after_a_crash_does_not_wait_for_her_turn() {
    let (play, request) = Play::granted();
    let mut play = after_a_crash(play);
    play.juliet("probe");
    let refresh = play.subscribe();
    assert_eq!(refresh.headers.call_id(), request.headers.call_id());
    play.juliet("probe");
    assert!(play.bench.requests().is_empty(), "once is enough");
}

#[test]
fn what_waits_for_its_turn_after_a_crash_is_explained_as_what_was_told_before() {
    let (play, _) = Play::granted();
    let mut play = after_a_crash(play);
    let lines =
        |play: &Play| play.bench.gateway.explain_pair("romeo@sip.example", "juliet@xmpp.example", play.bench.now());
    let line = lines(&play).swap_remove(1);
    assert!(
        line.contains("presence was told until the restart; subscription kept over the restart, dialog "),
        "{line}"
    );
    assert!(line.contains(", its turn comes in "), "{line}");
    let refresh = play.next_subscribe(301 * SECOND);
    play.bench.answer(&refresh, 200);
    play.notify(&refresh, "active;expires=3600", Some(&open("r1", "")));
    let line = lines(&play).swap_remove(1);
    assert!(line.contains("presence is told; subscription active, dialog "), "{line}");
}

#[test]
fn what_has_no_dialog_after_a_crash_is_explained_with_when_it_will_at_the_latest() {
    let (mut play, request) = Play::granted();
    play.notify(&request, "terminated;reason=probation;retry-after=600", None);
    let play = after_a_crash(play);
    let lines = play.bench.gateway.explain_pair("romeo@sip.example", "juliet@xmpp.example", play.bench.now());
    assert_eq!(lines[1], "  no subscription yet; its turn comes within 300 s of the start");
}

#[test]
fn a_refusal_that_was_committed_and_never_said_is_said_after_a_crash() {
    let (mut play, request) = Play::granted();
    play.notify(&request, "terminated;reason=rejected", None);
    let mut play = after_a_crash(play);
    assert_eq!(play.kinds(), [PresenceKind::Unsubscribed]);
    play.bench.pass(400 * SECOND);
    let mut play = after_a_crash(play);
    assert_eq!(play.kinds(), [], "it has had its time, and the store has nothing of it any more");
    assert!(play.bench.requests().is_empty());
}

#[test]
fn who_asks_anew_after_a_refusal_hears_nothing_of_the_old_one_after_a_crash() {
    let (mut play, request) = Play::granted();
    play.notify(&request, "terminated;reason=rejected", None);
    play.told();
    let request = play.asked();
    play.bench.answer(&request, 200);
    play.notify(&request, "pending;expires=3600", None);
    let mut play = after_a_crash(play);
    assert_eq!(play.kinds(), []);
    play.next_subscribe(301 * SECOND);
}

/// RFC 7622 has no such name; stringprep has, so there are servers with such users.
const LOVER: &str = "i\u{2665}u@xmpp.example";

#[test]
fn a_user_whose_name_only_older_rules_allow_is_known_after_a_crash() {
    let mut play = Play::new();
    play.bench.stanza(&format!("<presence from='{LOVER}' to='romeo@sip.example' type='subscribe'/>"));
    let request = play.subscribe();
    play.bench.answer(&request, 200);
    play.notify(&request, "active;expires=3600", Some(&open("r1", "")));
    assert_eq!(play.kinds(), [PresenceKind::Subscribed, PresenceKind::Available]);
    let mut play = after_a_crash(play);
    let refresh = play.next_subscribe(301 * SECOND);
    assert_eq!(refresh.headers.call_id(), request.headers.call_id());
    play.bench.answer(&refresh, 200);
    play.notify(&refresh, "active;expires=3600", Some(&open("r1", "")));
    let told = play.told();
    assert_eq!((told.len(), told[0].to.as_ref().unwrap().as_str()), (1, LOVER));
    let lines = play.bench.gateway.explain_pair(LOVER, "romeo@sip.example", play.bench.now());
    assert!(lines[0].contains(LOVER), "{lines:?}");
    play.notify(&refresh, "terminated;reason=rejected", None);
    assert_eq!(play.kinds(), [PresenceKind::Unavailable, PresenceKind::Unsubscribed]);
    let mut play = after_a_crash(play);
    assert_eq!(play.kinds(), [PresenceKind::Unsubscribed], "the last word is said again");
}
