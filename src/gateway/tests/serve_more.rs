//! SIP users watch XMPP users: who may, how much, and what of it survives.

use std::collections::BTreeMap;
use std::time::Duration;

use super::bench::Bench;
use super::serve::{Heard, PROBE, Phone, SECOND, SUBSCRIBE, allowed, answer_all, body, juliet, said};
use crate::gateway::record::{Kind, Package, Record, RecordId, Write};
use crate::gateway::{Input, Settings, limits};
use crate::sip::message::Name;

fn with_presence(change: impl FnOnce(&mut crate::gateway::PresenceLimits)) -> Bench {
    Bench::with(|settings: &mut Settings| change(&mut settings.presence))
}

/// Serves `dialog` as well; who wants not to be disturbed is busy.
fn with_lamps(settings: &mut Settings) {
    for (_, route) in &mut settings.routes {
        route.presence.serve = vec![Package::Presence, Package::Dialog];
        route.presence.dnd_is_busy = true;
    }
}

#[test]
fn ten_changes_in_a_second_are_two_notifications_and_the_last_state_wins() {
    let mut bench = Bench::new();
    allowed(&mut bench, "c1");
    let mut texts = Vec::new();
    for number in 0..10 {
        juliet(&mut bench, "/yn0cl4bnw0yr3vym", "", &format!("<status>state {number}</status>"));
        let heard = Heard::of(&mut bench);
        answer_all(&mut bench, &heard, 200);
        texts.extend(heard.notifies.iter().map(body));
        bench.pass(Duration::from_millis(100));
    }
    bench.pass(10 * SECOND);
    let heard = Heard::of(&mut bench);
    texts.extend(heard.notifies.iter().map(body));
    assert_eq!(texts.len(), 2);
    assert!(texts[0].contains("state 0") && texts[1].contains("state 9"), "{texts:?}");
}

#[test]
fn a_notification_waits_for_the_answer_to_the_one_before() {
    let mut bench = Bench::new();
    allowed(&mut bench, "c1");
    juliet(&mut bench, "/yn0cl4bnw0yr3vym", "", "<status>first</status>");
    let first = Heard::of(&mut bench);
    juliet(&mut bench, "/yn0cl4bnw0yr3vym", "", "<status>second</status>");
    juliet(&mut bench, "", "type='unsubscribed'", "");
    bench.pass(20 * SECOND);
    assert!(Heard::of(&mut bench).notifies.is_empty());
    answer_all(&mut bench, &first, 200);
    let last = Heard::of(&mut bench);
    assert_eq!(last.states(), ["terminated;reason=rejected"]);
    assert!(last.notifies[0].body().is_empty());
}

#[test]
fn a_phone_that_is_gone_is_told_nothing_more() {
    for status in [Some(481), Some(404), None] {
        let mut bench = Bench::new();
        let mut phone = allowed(&mut bench, "c1");
        juliet(&mut bench, "/yn0cl4bnw0yr3vym", "", "");
        let heard = Heard::of(&mut bench);
        match status {
            Some(status) => answer_all(&mut bench, &heard, status),
            None => bench.pass(33 * SECOND),
        }
        bench.transmits();
        juliet(&mut bench, "/yn0cl4bnw0yr3vym", "", "<show>xa</show>");
        bench.pass(60 * SECOND);
        assert!(Heard::of(&mut bench).notifies.is_empty(), "{status:?}");
        assert_eq!(phone.subscribe(&mut bench, "").status(), Some(481));
        assert!(said(&mut bench).is_empty(), "what she allowed stays");
    }
}

#[test]
fn a_phone_that_is_busy_is_told_later() {
    let mut bench = Bench::new();
    allowed(&mut bench, "c1");
    juliet(&mut bench, "/yn0cl4bnw0yr3vym", "", "");
    let heard = Heard::of(&mut bench);
    answer_all(&mut bench, &heard, 500);
    juliet(&mut bench, "/yn0cl4bnw0yr3vym", "", "<show>xa</show>");
    bench.pass(29 * SECOND);
    assert!(Heard::of(&mut bench).notifies.is_empty());
    bench.pass(2 * SECOND);
    let heard = Heard::of(&mut bench);
    assert_eq!(heard.notifies.len(), 1);
    assert!(body(&heard.notifies[0]).contains(">xa<"));
}

#[test]
fn a_poll_asks_her_server_and_waits_for_what_it_says() {
    let mut bench = Bench::new();
    let heard = Phone::new("c1").subscribe(&mut bench, "Expires: 0\r\n");
    assert_eq!((heard.status(), heard.header(Name::EXPIRES).as_deref()), (Some(200), Some("0")));
    assert!(heard.notifies.is_empty());
    assert_eq!(said(&mut bench), [PROBE]);
    juliet(&mut bench, "/a", "", "");
    juliet(&mut bench, "/b", "", "");
    bench.pass(SECOND);
    let heard = Heard::of(&mut bench);
    assert_eq!(heard.states(), ["terminated;reason=timeout"]);
    let text = body(&heard.notifies[0]);
    assert!(text.contains("ID-a") && text.contains("ID-b"), "{text}");
    answer_all(&mut bench, &heard, 200);
    // Whether she does not exist or has not allowed it: the same, and after the same time.
    for answer in ["unsubscribed", "error"] {
        assert!(Phone::new(answer).subscribe(&mut bench, "Expires: 0\r\n").notifies.is_empty());
        juliet(&mut bench, "", &format!("type='{answer}'"), "");
        bench.pass(Duration::from_millis(1_900));
        assert!(Heard::of(&mut bench).notifies.is_empty());
        bench.pass(Duration::from_millis(200));
        let heard = Heard::of(&mut bench);
        assert_eq!(heard.states(), ["terminated;reason=timeout"]);
        assert!(heard.notifies[0].body().is_empty());
        answer_all(&mut bench, &heard, 200);
    }
}

#[test]
fn the_question_is_not_lost_with_a_link_nor_asked_with_every_refresh() {
    let mut bench = Bench::new();
    bench.input(Input::LinkDown(0));
    let mut phone = Phone::new("c1");
    for _ in 0..3 {
        let heard = phone.subscribe(&mut bench, "");
        assert_eq!(heard.states(), ["pending;expires=3600"]);
        answer_all(&mut bench, &heard, 200);
    }
    assert!(said(&mut bench).is_empty());
    bench.input(Input::LinkUp(0));
    assert_eq!(said(&mut bench), [SUBSCRIBE]);
}

#[test]
fn who_speaks_for_others_watches_nobody() {
    let mut bench = Bench::new();
    let answers: Vec<_> =
        ["<sip:romeo@other.example>", "<sip:192.0.2.10>", "\"Anonymous\" <sip:anonymous@anonymous.invalid>"]
            .into_iter()
            .enumerate()
            .map(|(number, from)| {
                let mut phone = Phone::new(&format!("c{number}"));
                phone.from = from;
                phone.subscribe(&mut bench, "").status()
            })
            .collect();
    assert_eq!(answers, [Some(403); 3]);
    let privately = Phone::with("p", "Privacy: user\r\n").subscribe(&mut bench, "").status();
    assert_eq!(privately, Some(433), "who hides cannot be allowed to watch");
    assert!(said(&mut bench).is_empty());
}

#[test]
fn what_cannot_be_watched_is_refused_and_all_else_is_pending() {
    let mut bench = Bench::with(with_lamps);
    for (target, headers, status) in [
        ("nobody@xmpp.example", "", 200),
        ("juliet@xmpp.example", "", 200),
        ("nurse*nowhere.example@gw.example", "", 200),
        ("mercutio@sip.example", "", 404),
        ("juliet@xmpp.example", "Event: conference\r\n", 489),
        ("juliet@xmpp.example", "Expires: 5\r\n", 423),
        ("juliet@xmpp.example", "Accept: application/cpim-pidf+xml\r\n", 406),
        ("juliet@xmpp.example", "Event: dialog\r\nAccept: application/pidf+xml\r\n", 406),
    ] {
        let heard = Phone::watching(&format!("{target}{}", headers.len()).replace('*', "-"), target)
            .subscribe(&mut bench, headers);
        assert_eq!(heard.status(), Some(status), "{target} {headers}");
        if status == 489 {
            assert_eq!(heard.header(Name::ALLOW_EVENTS).as_deref(), Some("presence, dialog"));
        }
        answer_all(&mut bench, &heard, 200);
    }
    assert_eq!(said(&mut bench).len(), 3);
}

#[test]
fn a_user_who_wants_not_to_be_disturbed_lights_the_key() {
    let mut bench = Bench::with(with_lamps);
    let mut phone = Phone::with("c1", "Event: dialog\r\nAccept: application/dialog-info+xml\r\n");
    let heard = phone.subscribe(&mut bench, "");
    assert_eq!(heard.states(), ["pending;expires=3600"]);
    answer_all(&mut bench, &heard, 200);
    juliet(&mut bench, "", "type='subscribed'", "");
    let heard = Heard::of(&mut bench);
    answer_all(&mut bench, &heard, 200);
    let mut shown = Vec::new();
    for show in ["away", "dnd", "dnd", "chat"] {
        juliet(&mut bench, "/a", "", &format!("<show>{show}</show><status>{}</status>", shown.len()));
        bench.pass(6 * SECOND);
        let heard = Heard::of(&mut bench);
        answer_all(&mut bench, &heard, 200);
        let texts: String = heard.notifies.iter().map(body).collect();
        let version = texts.split(" version=").nth(2).and_then(|rest| rest.get(1..2)).unwrap_or_default().to_owned();
        shown.push(format!("{}{version}", if texts.contains("confirmed") { "on" } else { "off" }));
    }
    assert_eq!(shown, ["off0", "on1", "off", "off2"], "the third was nothing new, so nothing was told");
}

#[test]
fn who_has_enough_is_told_so() {
    let mut bench = with_presence(|limits| limits.per_watcher = 2);
    let mut watch = |number: u32| {
        let heard =
            Phone::watching(&format!("c{number}"), &format!("user{number}@xmpp.example")).subscribe(&mut bench, "");
        answer_all(&mut bench, &heard, 200);
        (heard.status(), heard.header(Name::RETRY_AFTER).is_some())
    };
    assert_eq!([1, 2, 3].map(&mut watch), [(Some(200), false), (Some(200), false), (Some(403), false)]);
    let mut bench = with_presence(|limits| limits.per_peer = 1);
    Phone::new("c1").subscribe(&mut bench, "");
    let refused = Phone::new("c2").subscribe(&mut bench, "");
    assert_eq!((refused.status(), refused.header(Name::RETRY_AFTER).is_some()), (Some(503), true));
}

#[test]
fn a_storm_for_users_who_do_not_exist_asks_only_so_many() {
    let mut bench = Bench::new();
    let (mut asked, mut refused) = (0, 0);
    for number in 0..1_500 {
        let heard =
            Phone::watching(&format!("c{number}"), &format!("nobody{number}@xmpp.example")).subscribe(&mut bench, "");
        answer_all(&mut bench, &heard, 200);
        refused += usize::from(heard.status() == Some(503));
        asked += said(&mut bench).len();
    }
    assert_eq!((asked, refused), (1_000, 500));
}

#[test]
fn a_contact_that_never_answers_is_not_flooded() {
    let mut bench = Bench::new();
    Phone::new("c1").subscribe(&mut bench, "");
    juliet(&mut bench, "", "type='subscribed'", "");
    for number in 0..100 {
        juliet(&mut bench, "/a", "", &format!("<status>{number}</status>"));
        bench.pass(SECOND);
    }
    let sent = bench.requests().len();
    assert!(sent <= 11, "{sent}: one NOTIFY and its repetitions by Timer E");
}

/// What the store would have.
fn kept(bench: &mut Bench, store: &mut BTreeMap<(Kind, RecordId), Record>) {
    let mut writes = Vec::new();
    bench.gateway.take_writes(&mut writes);
    for write in writes {
        match write {
            Write::Drop(kind, id) => drop(store.remove(&(kind, id))),
            Write::Put(record) => {
                let key = match &*record {
                    Record::Authorization(record) => (Kind::Authorization, record.id),
                    Record::Dialog(record) => (Kind::Dialog, record.id),
                    Record::Publication(record) => (Kind::Publication, record.id),
                };
                store.insert(key, *record);
            }
        }
    }
}

#[test]
fn after_a_restart_dialogs_go_on_and_nobody_is_asked_again() {
    let mut store = BTreeMap::new();
    let mut bench = Bench::new();
    let mut phone = allowed(&mut bench, "c1");
    let before = phone.subscribe(&mut bench, "");
    let last_cseq = before.notifies[0].headers.cseq().unwrap().number;
    kept(&mut bench, &mut store);
    assert_eq!(store.len(), 2, "an authorization and a dialog");
    let mut bench = Bench::new();
    let now = bench.now();
    bench.gateway.restore(store.values().cloned().collect(), now);
    assert!(Heard::of(&mut bench).notifies.is_empty(), "no storm");
    let heard = phone.subscribe(&mut bench, "");
    assert_eq!((heard.status(), heard.states()), (Some(200), vec!["active;expires=3600".to_owned()]));
    assert!(heard.notifies[0].body().is_empty(), "what she does now is not known yet");
    assert!(heard.notifies[0].headers.cseq().unwrap().number > last_cseq);
    answer_all(&mut bench, &heard, 200);
    assert_eq!(said(&mut bench), [PROBE]);
    juliet(&mut bench, "/a", "", "");
    let heard = Heard::of(&mut bench);
    assert!(body(&heard.notifies[0]).contains("ID-a"));
}

#[test]
fn who_was_refused_just_before_a_crash_hears_so_after_it() {
    for refreshes in [false, true] {
        let mut store = BTreeMap::new();
        let mut bench = Bench::new();
        let mut phone = allowed(&mut bench, "c1");
        juliet(&mut bench, "/a", "", "");
        // The NOTIFY of that has no answer yet, so what follows waits.
        juliet(&mut bench, "", "type='unsubscribed'", "");
        kept(&mut bench, &mut store);
        assert_eq!(store.len(), 2, "a refusal, and a dialog that does not know of it");
        let mut bench = Bench::new();
        let now = bench.now();
        bench.gateway.restore(store.values().cloned().collect(), now);
        let heard = if refreshes {
            phone.subscribe(&mut bench, "")
        } else {
            bench.pass(limits::RESTORE_SPREAD);
            Heard::of(&mut bench)
        };
        assert_eq!(heard.states(), ["terminated;reason=rejected"], "{refreshes}");
        answer_all(&mut bench, &heard, 200);
        assert_eq!(Phone::new("c2").subscribe(&mut bench, "").status(), Some(403));
        assert!(said(&mut bench).is_empty(), "nobody is asked");
    }
}

#[test]
fn after_a_restart_her_server_is_probed_within_minutes_and_what_is_overdue_ends_in_time() {
    let mut store = BTreeMap::new();
    let mut bench = Bench::new();
    allowed(&mut bench, "c1");
    kept(&mut bench, &mut store);
    let mut bench = Bench::new();
    // The clock has been set forward by a day meanwhile: the dialog counts as overdue, and its phone gets some minutes.
    let mut now = bench.now();
    now.wall.0 += 86_400_000;
    bench.gateway.restore(store.values().cloned().collect(), now);
    bench.pass(301 * SECOND);
    let heard = Heard::of(&mut bench);
    assert_eq!(heard.states(), ["terminated;reason=timeout"]);
    assert!(said(&mut bench).len() <= 1);
    kept(&mut bench, &mut store);
    assert_eq!(store.keys().map(|(kind, _)| *kind).collect::<Vec<_>>(), [Kind::Authorization]);
}

#[test]
fn when_a_link_is_back_her_server_is_asked_what_was_missed() {
    let mut bench = Bench::new();
    allowed(&mut bench, "c1");
    bench.input(Input::LinkDown(0));
    bench.pass(60 * SECOND);
    bench.input(Input::LinkUp(0));
    assert!(said(&mut bench).is_empty());
    bench.pass(301 * SECOND);
    assert_eq!(said(&mut bench), [PROBE]);
}

#[test]
fn a_client_that_went_while_the_link_was_away_is_not_shown_for_ever() {
    let mut bench = Bench::new();
    allowed(&mut bench, "c1");
    juliet(&mut bench, "/tablet", "", "");
    bench.pass(6 * SECOND);
    let heard = Heard::of(&mut bench);
    answer_all(&mut bench, &heard, 200);
    bench.input(Input::LinkDown(0));
    bench.input(Input::LinkUp(0));
    while !said(&mut bench).contains(&PROBE.to_owned()) {
        bench.pass(SECOND);
    }
    juliet(&mut bench, "/yn0cl4bnw0yr3vym", "", "<show>away</show>");
    bench.pass(20 * SECOND);
    let heard = Heard::of(&mut bench);
    let text = body(heard.notifies.last().unwrap());
    assert!(text.contains("ID-yn0cl4bnw0yr3vym") && !text.contains("ID-tablet"), "{text}");
}

#[test]
fn who_subscribes_after_a_link_was_away_is_not_told_what_was_known_before() {
    let mut bench = Bench::new();
    let mut phone = allowed(&mut bench, "c1");
    let heard = phone.subscribe(&mut bench, "Expires: 0\r\n");
    answer_all(&mut bench, &heard, 200);
    said(&mut bench);
    bench.input(Input::LinkDown(0));
    bench.input(Input::LinkUp(0));
    bench.pass(61 * SECOND);
    let heard = Phone::new("c2").subscribe(&mut bench, "");
    assert!(heard.notifies.iter().all(|notify| notify.body().is_empty()));
    assert_eq!(said(&mut bench), [PROBE]);
}

#[test]
fn a_no_that_comes_while_nobody_watches_is_not_remembered_for_ever() {
    let (mut bench, mut store) = (Bench::new(), BTreeMap::new());
    let mut phone = allowed(&mut bench, "c1");
    let heard = phone.subscribe(&mut bench, "Expires: 0\r\n");
    answer_all(&mut bench, &heard, 200);
    juliet(&mut bench, "", "type='unsubscribed'", "");
    kept(&mut bench, &mut store);
    assert_eq!(store.keys().map(|(kind, _)| *kind).collect::<Vec<_>>(), [Kind::Authorization]);
    bench.pass(8 * 86_400 * SECOND);
    kept(&mut bench, &mut store);
    assert!(store.is_empty());
}

#[test]
fn a_no_is_remembered_for_a_week_and_not_for_two() {
    let (mut bench, mut store) = (Bench::new(), BTreeMap::new());
    let mut phone = Phone::new("c1");
    for headers in ["", "Expires: 0\r\n"] {
        let heard = phone.subscribe(&mut bench, headers);
        answer_all(&mut bench, &heard, 200);
    }
    // That she was asked is looked after in two days; that she has said no, in a week.
    bench.pass(5 * 86_400 * SECOND);
    let heard = Phone::new("c2").subscribe(&mut bench, "");
    answer_all(&mut bench, &heard, 200);
    juliet(&mut bench, "", "type='unsubscribed'", "");
    let heard = Heard::of(&mut bench);
    answer_all(&mut bench, &heard, 200);
    bench.pass(6 * 86_400 * SECOND);
    kept(&mut bench, &mut store);
    assert_eq!(store.len(), 1);
    bench.pass(86_400 * SECOND + SECOND);
    kept(&mut bench, &mut store);
    assert!(store.is_empty(), "{store:?}");
}

#[test]
fn notifications_are_not_written_one_by_one() {
    let mut store = BTreeMap::new();
    let mut bench = Bench::new();
    allowed(&mut bench, "c1");
    kept(&mut bench, &mut store);
    let (mut notified, mut written) = (0, 0);
    for number in 0..130 {
        juliet(&mut bench, "/a", "", &format!("<status>{number}</status>"));
        bench.pass(6 * SECOND);
        let heard = Heard::of(&mut bench);
        notified += heard.notifies.len();
        answer_all(&mut bench, &heard, 200);
        let mut writes = Vec::new();
        bench.gateway.take_writes(&mut writes);
        written += writes.len();
    }
    assert_eq!(notified, 130);
    assert!((2..=4).contains(&written), "{written}");
}

#[test]
fn what_one_watcher_costs_at_rest_is_below_two_kibibytes() {
    let mut bench = Bench::new();
    allowed(&mut bench, "a84b4c76e66710-a-call-id-as-long-as-they-come@192.0.2.10");
    juliet(&mut bench, "/yn0cl4bnw0yr3vym", "", "<show>dnd</show><status>In the garden until six</status>");
    let bytes = bench.gateway.served_bytes();
    assert!(bytes <= 1_536, "{bytes}, and the timers come on top");
}

#[test]
fn a_user_whose_name_only_older_rules_allow_is_watched_like_any() {
    let mut bench = Bench::new();
    let mut phone = Phone::watching("c1", "i%E2%99%A5u@xmpp.example");
    let heard = phone.subscribe(&mut bench, "");
    assert_eq!((heard.status(), heard.states()), (Some(200), vec!["pending;expires=3600".to_owned()]));
    answer_all(&mut bench, &heard, 200);
    assert_eq!(said(&mut bench), ["subscribe romeo@sip.example i\u{2665}u@xmpp.example"]);
    for inside in [" type='subscribed'", ""] {
        bench.stanza(&format!("<presence from='i\u{2665}u@xmpp.example/a' to='romeo@sip.example'{inside}/>"));
        let heard = Heard::of(&mut bench);
        answer_all(&mut bench, &heard, 200);
        assert_eq!(heard.states(), ["active;expires=3600"]);
        assert_eq!(body(&heard.notifies[0]).contains("ID-a"), inside.is_empty());
    }
}
