//! What is counted of presence, for the metrics page.

use super::bench::Bench;
use super::serve::{Heard, Phone, SECOND, allowed, answer_all, juliet};

/// The sum of the samples with that name, of those with one of these labels if any are given.
fn sample(bench: &Bench, name: &str, label: Option<&str>) -> u64 {
    let samples = bench.gateway.samples().into_iter().filter(|sample| sample.name == name);
    let fits = |sample: &crate::gateway::stats::Sample| {
        label.is_none_or(|label| sample.labels.iter().any(|(_, value)| value == label))
    };
    samples.filter(fits).map(|sample| sample.value).sum()
}

fn levels(bench: &Bench) -> [u64; 2] {
    ["active", "pending"].map(|state| sample(bench, "stox_watch_dialogs", Some(state)))
}

#[test]
fn dialogs_of_watchers_are_counted_by_how_they_stand() {
    let mut bench = Bench::new();
    let mut phone = Phone::new("c1");
    let heard = phone.subscribe(&mut bench, "");
    answer_all(&mut bench, &heard, 200);
    assert_eq!(levels(&bench), [0, 1]);
    juliet(&mut bench, "", "type='subscribed'", "");
    let heard = Heard::of(&mut bench);
    answer_all(&mut bench, &heard, 200);
    assert_eq!(levels(&bench), [1, 0]);
    let heard = phone.subscribe(&mut bench, "");
    answer_all(&mut bench, &heard, 200);
    assert_eq!((levels(&bench), sample(&bench, "stox_watch_refreshed", None)), ([1, 0], 1));
    let heard = phone.subscribe(&mut bench, "Expires: 0\r\n");
    answer_all(&mut bench, &heard, 200);
    assert_eq!((levels(&bench), sample(&bench, "stox_watched", None)), ([0, 0], 1), "what she has said stays");
}

#[test]
fn refusals_are_counted_by_their_reason() {
    let mut bench = Bench::new();
    let heard = Phone::with("c1", "Event: conference\r\n").subscribe(&mut bench, "");
    assert_eq!(heard.status(), Some(489));
    let heard = Phone::new("c2").subscribe(&mut bench, "Expires: 1\r\n");
    assert_eq!(heard.status(), Some(423));
    for status in ["489", "423"] {
        assert_eq!(sample(&bench, "stox_watch_refused", Some(status)), 1, "{status}");
    }
    assert_eq!(sample(&bench, "stox_watch_refused", None), 2);
}

#[test]
fn a_request_to_watch_that_goes_no_further_is_counted_by_its_error() {
    let mut bench = Bench::with(|settings| {
        settings.routes.iter_mut().for_each(|(_, route)| route.presence.watch.clear());
    });
    juliet(&mut bench, "", "type='subscribe'", "");
    assert_eq!(sample(&bench, "stox_watching_refused", Some("feature-not-implemented")), 1);
    assert_eq!(sample(&bench, "stox_watching", None), 0);
    let mut bench = Bench::new();
    juliet(&mut bench, "", "type='subscribe'", "");
    assert_eq!(sample(&bench, "stox_watching", None), 1);
}

#[test]
fn how_long_a_phone_waits_for_news_is_counted() {
    let mut bench = Bench::new();
    allowed(&mut bench, "c1");
    let before = ["stox_notify_latency_ms", "stox_notify_latency_count"].map(|name| sample(&bench, name, None));
    juliet(&mut bench, "/yn0cl4bnw0yr3vym", "", "<show>dnd</show>");
    let heard = Heard::of(&mut bench);
    bench.pass(SECOND);
    answer_all(&mut bench, &heard, 200);
    let after = ["stox_notify_latency_ms", "stox_notify_latency_count"].map(|name| sample(&bench, name, None));
    assert_eq!([after[0] - before[0], after[1] - before[1]], [1_000, 1]);
}

#[test]
fn explain_tells_how_a_user_looks_and_not_what_she_wrote() {
    let mut bench = Bench::new();
    allowed(&mut bench, "c1");
    juliet(&mut bench, "/yn0cl4bnw0yr3vym", "", "<show>dnd</show><status>in the orchard</status>");
    let lines = bench.gateway.explain_pair("juliet@xmpp.example", "romeo@sip.example", bench.now()).join("\n");
    assert!(lines.contains("known: yn0cl4bnw0yr3vym available (dnd)") && !lines.contains("orchard"), "{lines}");
}
