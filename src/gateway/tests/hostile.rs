//! Presence among people who mean no good: what they may have, and what it costs.

use super::bench::{Bench, trust};
use super::serve::{Phone, SECOND, allowed, juliet, said};
use super::watch::{Play, open};
use crate::gateway::record::{Authorization, AuthorizationRecord, Direction, Kind, Record, RecordId, Write, shard_of};
use crate::gateway::trust::{Network, Peer, Stranger, Trust};
use crate::gateway::{Input, Settings};
use crate::sip::auth::{Account, Key};
use crate::sip::message::header::{Contact, NameAddr};
use crate::sip::message::{Message, Method, Name, Request, Status};
use crate::time::Timestamp;

const DAY: u32 = 86_400;

fn publishing(settings: &mut Settings) {
    settings.routes[0].1.presence.publish = true;
}

fn dropped(bench: &mut Bench) -> usize {
    let mut writes = Vec::new();
    bench.gateway.take_writes(&mut writes);
    writes.iter().filter(|write| matches!(write, Write::Drop(Kind::Authorization, _))).count()
}

#[test]
fn a_thousand_changes_leave_one_timer_of_a_publication() {
    let mut bench = Bench::with(publishing);
    let before = bench.gateway.timers.len();
    for change in 0..1_000 {
        let text =
            format!("<presence from='juliet@xmpp.example/b' to='sip.example'><status>{change}</status></presence>");
        bench.stanza(&text);
    }
    assert!(bench.gateway.timers.len() < before + 20, "{before}, then {}", bench.gateway.timers.len());
}

#[test]
fn a_server_that_sends_errors_all_the_time_leaves_one_timer() {
    let mut bench = Bench::new();
    allowed(&mut bench, "c1");
    let before = bench.gateway.timers.len();
    let away = "<error type='wait'><remote-server-timeout xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
    for _ in 0..1_000 {
        juliet(&mut bench, "", "type='error'", away);
    }
    assert!(bench.gateway.timers.len() < before + 20, "{before}, then {}", bench.gateway.timers.len());
}

#[test]
fn of_what_a_user_says_that_is_told_to_nobody_nothing_is_kept_to_publish_it() {
    let mut bench = Bench::with(publishing);
    let long = "x".repeat(100_000);
    for resource in 0..32 {
        bench.stanza(&format!(
            "<presence from='juliet@xmpp.example/{resource}' to='sip.example'><show>dnd</show><status>{long}</status>\
             <x xmlns='vcard-temp:x:update'><photo>{long}</photo></x></presence>"
        ));
    }
    let bytes = bench.gateway.published_bytes();
    assert!(bytes < 32 * 4_096, "{bytes}");
}

#[test]
fn the_name_of_a_language_does_not_take_what_a_resource_may() {
    let mut bench = Bench::new();
    allowed(&mut bench, "c1");
    let long = "x".repeat(100_000);
    for resource in 0..16 {
        juliet(&mut bench, &format!("/{resource}"), &format!("xml:lang='{long}'"), "<show>dnd</show>");
    }
    let bytes = bench.gateway.served_bytes();
    assert!(bytes < 16 * 4_096, "{bytes}");
}

#[test]
fn two_gateways_do_not_ask_each_other_back_for_ever() {
    let mut bench = Bench::with(publishing);
    bench.stanza("<presence from='other.example' to='sip.example' type='subscribe'/>");
    let said = said(&mut bench);
    assert!(said.iter().all(|line| !line.starts_with("subscribe ")), "{said:?}");
    assert!(said.iter().any(|line| line.starts_with("subscribed ")), "{said:?}");
}

#[test]
fn who_is_refused_while_he_does_not_watch_is_forgotten_in_time() {
    let mut bench = Bench::new();
    let mut phone = Phone::new("c");
    phone.subscribe(&mut bench, "");
    juliet(&mut bench, "", "type='subscribed'", "");
    phone.subscribe(&mut bench, "Expires: 0\r\n");
    bench.pass(SECOND * 40);
    juliet(&mut bench, "", "type='unsubscribed'", "");
    assert_eq!(dropped(&mut bench), 0);
    bench.pass(SECOND * DAY * 15);
    assert_eq!(dropped(&mut bench), 1);
}

#[test]
fn a_refusal_that_a_wrong_clock_has_dated_years_ahead_does_not_hold_for_years() {
    let (watcher, target) = ("romeo@sip.example", "juliet@xmpp.example");
    for (ahead, status) in [(10, 403), (i64::from(DAY) * 3_650, 200)] {
        let mut bench = Bench::new();
        let now = bench.now();
        let record = AuthorizationRecord {
            id: RecordId(7),
            shard: shard_of(watcher, target),
            direction: Direction::ToXmpp,
            watcher: watcher.to_owned(),
            target: target.to_owned(),
            state: Authorization::Refused,
            changed_at: Timestamp(now.wall.0 + ahead * 1_000),
        };
        bench.gateway.restore(vec![Record::Authorization(record)], now);
        assert_eq!(Phone::new("c").subscribe(&mut bench, "").status(), Some(status), "{ahead} s ahead");
    }
}

#[test]
fn who_has_learned_the_tags_of_a_dialog_cannot_have_its_notifies_sent_to_him() {
    let networks = vec![Network { first: "192.0.2.66".parse().unwrap(), bits: 32 }];
    let evil = Peer::new("evil", networks, vec!["evil.example".to_owned()]);
    let own = trust("sip.example").peers().to_vec();
    let all = own.into_iter().chain([evil]).collect();
    let mut bench = Bench::with(|settings| settings.trust = Trust::new(all, Stranger::Refuse));
    let mut phone = Phone::new("c");
    assert_eq!(phone.subscribe(&mut bench, "").status(), Some(200));
    phone.from = "<sip:mallory@evil.example>";
    let Input::Sip(mut inbound) = phone.request("") else { panic!("from SIP") };
    inbound.flow.remote = "192.0.2.66:5060".parse().unwrap();
    bench.input(Input::Sip(inbound));
    assert_eq!(bench.statuses(), [403]);
    phone.from = "<sip:romeo@sip.example>";
    assert_eq!(phone.subscribe(&mut bench, "").status(), Some(200));
}

#[test]
fn a_peer_of_another_domain_that_knows_the_tags_of_a_subscription_cannot_answer_it() {
    let networks = vec![Network { first: "192.0.2.66".parse().unwrap(), bits: 32 }];
    let evil = Peer::new("evil", networks, vec!["evil.example".to_owned()]);
    let (mut play, request) = Play::granted();
    let all = trust("sip.example").peers().iter().cloned().chain([evil]).collect();
    play.bench.gateway.settings.trust = Trust::new(all, Stranger::Refuse);
    play.bench.statuses();
    play.from = "192.0.2.66:5060";
    for (state, body) in [("active", Some(open("r2", ""))), ("terminated;reason=rejected", None)] {
        play.notify(&request, state, body.as_deref());
        assert_eq!(play.bench.statuses(), [403], "{state}");
        assert_eq!(play.told(), [], "{state}");
    }
    play.from = "192.0.2.10:5060";
    play.notify(&request, "active", Some(&open("r2", "")));
    assert_eq!(play.bench.statuses(), [200]);
    assert_eq!(play.told().len(), 2, "r1 has gone, r2 has come");
}

/// How many polls are taken of which no NOTIFY is answered, after a phone of the same peer has one that was, and has then
/// said that it is elsewhere.
fn polls_taken() -> usize {
    let mut bench = Bench::new();
    let mut phone = Phone::new("c");
    let heard = phone.subscribe(&mut bench, "");
    bench.answer(&heard.notifies[0], 200);
    let Input::Sip(mut inbound) = phone.request("") else { panic!("from SIP") };
    let Message::Request(request) = &mut inbound.message else { panic!("a request") };
    request.headers.set(&Contact::At(NameAddr::new("sip:victim@198.51.100.7".parse().unwrap())));
    let to = heard.notifies[0].headers.text(crate::sip::message::Name::FROM).unwrap().into_owned();
    request.headers.remove(crate::sip::message::Name::TO);
    request.headers.push(crate::sip::message::Name::TO, to);
    bench.input(Input::Sip(inbound));
    assert!(bench.statuses().contains(&200));
    let poll = |number: u32| Phone::new(&format!("p{number}")).request("Expires: 0\r\n");
    (0..5_010)
        .filter(|number| {
            bench.input(poll(*number));
            bench.statuses().contains(&200)
        })
        .count()
}

#[test]
fn a_contact_where_nobody_answers_is_notified_so_often_at_most() {
    assert_eq!(polls_taken(), 4_999);
}

#[test]
fn who_asks_everybody_and_leaves_is_remembered_no_oftener_than_he_may_watch() {
    let mut bench = Bench::with(|settings| settings.presence.per_watcher = 3);
    let statuses: Vec<_> = (0..5)
        .map(|number| {
            let mut phone = Phone::watching(&format!("c{number}"), &format!("u{number}@xmpp.example"));
            let status = phone.subscribe(&mut bench, "").status();
            phone.subscribe(&mut bench, "Expires: 0\r\n");
            bench.pass(SECOND * 40);
            status.unwrap()
        })
        .collect();
    assert_eq!(statuses, [200, 200, 200, 403, 403]);
}

#[test]
fn who_asks_and_takes_it_back_without_end_is_asked_to_wait() {
    let mut bench = Bench::new();
    let mut sent = 0;
    for _ in 0..2_100 {
        for kind in ["subscribe", "unsubscribe"] {
            bench.stanza(&format!("<presence from='juliet@xmpp.example' to='romeo@sip.example' type='{kind}'/>"));
        }
        sent += bench.requests().iter().filter(|request| request.method == Method::Subscribe).count();
    }
    assert_eq!(sent, 2_000);
    bench.stanzas();
    bench.stanza("<presence from='juliet@xmpp.example' to='romeo@sip.example' type='subscribe'/>");
    assert!(said(&mut bench).iter().any(|line| line.starts_with("error ")));
    bench.pass(SECOND * 2);
    bench.requests();
    bench.stanza("<presence from='juliet@xmpp.example' to='romeo@sip.example' type='subscribe'/>");
    assert_eq!(bench.requests().len(), 1);
}

#[test]
fn a_notifier_that_changes_a_thousand_times_a_second_is_no_flood_of_stanzas() {
    let (mut play, request) = Play::granted();
    let mut told = Vec::new();
    for change in 0..1_000 {
        let body = open("r1", &change.to_string());
        play.notify(&request, "active;expires=3600", Some(&body));
        told.extend(play.told());
    }
    assert!(told.len() < 10, "{}", told.len());
    play.bench.pass(SECOND * 2);
    let last = play.told();
    assert_eq!(last.len(), 1);
    assert!(format!("{last:?}").contains("999"), "{last:?}");
    play.notify(&request, "active;expires=3600", Some(&open("r1", "later")));
    assert_eq!(play.told().len(), 1);
}

#[test]
fn whoever_a_dialog_leads_to_gets_no_hash_of_our_password_unless_it_is_a_peer() {
    let challenge = |bench: &mut Bench, request: &Request| {
        let mut refusal = request.response(Status::UNAUTHORIZED);
        refusal.headers.push(Name::WWW_AUTHENTICATE, "Digest realm=\"r\", nonce=\"n\", algorithm=MD5, qop=\"auth\"");
        bench.hear(Message::Response(refusal));
    };
    for (contact, answered) in [("sip:203.0.113.9", false), ("sip:192.0.2.10", true)] {
        let mut play = Play::with(|settings| {
            settings.routes[0].1.credentials =
                vec![Account { realm: None, username: "stox".to_owned(), key: Key::password("secret") }];
        });
        let request = play.asked();
        play.bench.answer(&request, 200);
        play.contact = contact;
        play.notify(&request, "active;expires=3600", Some(&open("r1", "")));
        let refresh = play.next_subscribe(3_600 * SECOND);
        challenge(&mut play.bench, &refresh);
        let again = play.bench.requests();
        let proven = again.iter().any(|request| request.headers.has(Name::AUTHORIZATION));
        assert_eq!(proven, answered, "{contact}: {again:?}");
    }
}
