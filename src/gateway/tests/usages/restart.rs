//! What comes back from the store.

use std::collections::HashSet;

use super::super::bench::Bench;
use super::{ACTIVE, HOUR, Notify, PIDF, SECOND, accept, dialogs, next_subscribe, out, text, watching, writes};
use crate::gateway::record::{Record, Write};
use crate::sip::message::{Name, Request};
use crate::time::{Now, Timestamp};
use crate::xmpp::stanza::{PresenceKind, Stanza};

/// The records of a gateway with a dialog, and what it said last.
fn left_behind() -> (Vec<Record>, Request, u32) {
    let (mut bench, request) = watching(|_| {});
    let records: Vec<_> = writes(&mut bench)
        .into_iter()
        .filter_map(|write| match write {
            Write::Put(record) => Some(*record),
            Write::Drop(..) => None,
        })
        .collect();
    let reserved = records.iter().find_map(|record| match record {
        Record::Dialog(record) => Some(record.cseq_reserved),
        Record::Authorization(_) | Record::Publication(_) => None,
    });
    // The authorization as it was in the end, then the dialog: the order of the store.
    let (mut last, dialogs): (Vec<_>, Vec<_>) =
        records.into_iter().partition(|record| matches!(record, Record::Authorization(_)));
    last.drain(..last.len() - 1);
    last.extend(dialogs);
    (last, request, reserved.unwrap())
}

#[test]
fn after_a_restart_the_dialog_goes_on_and_nobody_is_asked_again() {
    let (records, request, reserved) = left_behind();
    let mut bench = Bench::new();
    let now = bench.now();
    bench.gateway.restore(records, now);
    // A NOTIFY of before is known.
    assert_eq!(Notify { body: PIDF, ..Notify::new(&request, 2, ACTIVE) }.send(&mut bench).status.code(), 200);
    assert_eq!(Notify::new(&request, 1, ACTIVE).send(&mut bench).status.code(), 500);
    let refresh = next_subscribe(&mut bench, 301 * SECOND);
    assert_eq!(text(&refresh, Name::CALL_ID), text(&request, Name::CALL_ID));
    assert!(refresh.headers.cseq().unwrap().number > reserved);
    let told = bench.told();
    let asks = |kind| matches!(kind, PresenceKind::Subscribed | PresenceKind::Unsubscribed | PresenceKind::Subscribe);
    assert!(told.iter().all(|one| !matches!(one, Stanza::Presence(one) if asks(one.kind))), "{told:?}");
}

#[test]
fn after_a_restart_a_dialog_that_has_lapsed_is_followed_by_another() {
    for wall in [HOUR + 11 * SECOND, 400 * 24 * HOUR] {
        let (records, request, _) = left_behind();
        let mut bench = Bench::new();
        let now = Now { wall: Timestamp(i64::try_from(wall.as_millis()).unwrap()), ..bench.now() };
        bench.gateway.restore(records, now);
        assert_eq!(dialogs(&mut bench).1, 1, "its record is of no use");
        assert_eq!(Notify::new(&request, 2, ACTIVE).send(&mut bench).status.code(), 481);
        let anew = next_subscribe(&mut bench, 301 * SECOND);
        assert_eq!(
            (anew.uri.as_str(), text(&anew, Name::TO).as_str()),
            ("sip:romeo@sip.example", "<sip:romeo@sip.example>")
        );
    }
}

#[test]
fn a_clock_that_was_set_back_makes_no_dialog_live_longer_than_a_day() {
    let (records, request, _) = left_behind();
    let mut bench = Bench::new();
    let now = Now { wall: Timestamp(-400 * 86_400_000), ..bench.now() };
    bench.gateway.restore(records, now);
    let refresh = next_subscribe(&mut bench, 301 * SECOND);
    assert_eq!(text(&refresh, Name::CALL_ID), text(&request, Name::CALL_ID));
    accept(&mut bench, &refresh, 3_600);
    Notify::new(&request, 2, ACTIVE).send(&mut bench);
    let record = dialogs(&mut bench).0.pop().unwrap();
    assert!(record.expires_at < Timestamp(86_400_000));
}

#[test]
fn a_restart_is_no_storm() {
    let (records, ..) = left_behind();
    let mut bench = Bench::new();
    let mut many = Vec::new();
    for record in &records {
        for number in 0..600 {
            let watcher = format!("juliet{number}@xmpp.example");
            many.push(match record.clone() {
                Record::Authorization(mut one) => {
                    (one.id.0, one.watcher) = (number, watcher);
                    Record::Authorization(one)
                }
                Record::Dialog(mut one) => {
                    (one.id.0, one.watcher, one.call_id) = (number, watcher, format!("call-{number}"));
                    // Half of them have lapsed meanwhile.
                    one.expires_at = Timestamp(if number % 2 == 0 { 0 } else { one.expires_at.0 });
                    Record::Dialog(one)
                }
                other @ Record::Publication(_) => other,
            });
        }
    }
    let now = bench.now();
    bench.gateway.restore(many, now);
    let (mut calls, mut most) = (HashSet::new(), 0);
    for _ in 0..31 {
        bench.pass(10 * SECOND);
        let requests = out(&mut bench).requests;
        requests.iter().for_each(|request| bench.answer(request, 404));
        most = most.max(requests.len());
        calls.extend(requests.into_iter().map(|request| text(&request, Name::CALL_ID)));
    }
    assert_eq!(calls.len(), 600);
    assert!(most < 60, "{most} in ten seconds");
}
