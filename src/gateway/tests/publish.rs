//! Presence published to a presence server.

use std::time::Duration;

use super::bench::{Bench, user};
use crate::gateway::record::{PublicationRecord, Record, RecordId, Write};
use crate::gateway::{Input, Settings};
use crate::model::pidf;
use crate::model::presence::Basic;
use crate::sip::message::{Message, Method, Name, Request, Status};
use crate::time::Timestamp;
use crate::xmpp::stanza::Stanza;

const SECOND: Duration = Duration::from_secs(1);

fn on(settings: &mut Settings) {
    let route = &mut settings.routes[0].1;
    route.presence.publish = true;
    route.presence.serve.clear();
}

fn with_account(settings: &mut Settings) {
    on(settings);
    settings.routes[0].1.users = vec![user("sip:101@pbx.example")];
}

fn bench() -> Bench {
    Bench::with(on)
}

/// Presence of juliet to `to`.
fn says(bench: &mut Bench, resource: &str, to: &str, kind: &str, inside: &str) {
    let kind = if kind.is_empty() { String::new() } else { format!(" type='{kind}'") };
    bench.stanza(&format!("<presence from='juliet@xmpp.example{resource}' to='{to}'{kind}>{inside}</presence>"));
}

fn available(bench: &mut Bench, inside: &str) {
    says(bench, "/balcony", "sip.example", "", inside);
}

fn publishes(bench: &mut Bench) -> Vec<Request> {
    let mut sent: Vec<_> = bench.requests().into_iter().filter(|sent| sent.method == Method::Publish).collect();
    // What is sent again for want of an answer has the same branch.
    sent.dedup_by_key(|sent| text(sent, Name::VIA));
    sent
}

fn only(bench: &mut Bench) -> Request {
    let mut sent = publishes(bench);
    assert_eq!(sent.len(), 1, "{sent:?}");
    sent.remove(0)
}

fn text(request: &Request, name: Name<'static>) -> String {
    request.headers.text(name).unwrap_or_default().into_owned()
}

fn take(bench: &mut Bench, request: &Request, etag: &str) {
    let mut response = request.response(Status::OK);
    response.headers.push(Name::SIP_ETAG, etag);
    response.headers.push(Name::EXPIRES, "600");
    bench.hear(Message::Response(response));
}

fn writes(bench: &mut Bench) -> Vec<Write> {
    let mut writes = Vec::new();
    bench.gateway.take_writes(&mut writes);
    writes
}

fn kept(bench: &mut Bench) -> PublicationRecord {
    let writes = writes(bench);
    let [Write::Put(record)] = writes.as_slice() else { panic!("{writes:?}") };
    let Record::Publication(record) = &**record else { panic!("{record:?}") };
    record.clone()
}

fn told(bench: &mut Bench) -> String {
    let told = bench.told().into_iter().filter_map(|stanza| match stanza {
        Stanza::Presence(presence) => presence.kind.as_str(),
        Stanza::Message(_) | Stanza::Iq(_) => None,
    });
    told.collect::<Vec<_>>().join(" ")
}

#[test]
fn who_lets_the_gateway_see_her_is_published_as_the_domain_sees_her() {
    let mut bench = bench();
    says(&mut bench, "", "sip.example", "subscribe", "");
    assert_eq!(told(&mut bench), "subscribe subscribed");
    says(&mut bench, "", "sip.example", "subscribed", "");
    assert_eq!(told(&mut bench), "probe");
    available(&mut bench, "<show>dnd</show>");
    let publish = only(&mut bench);
    assert_eq!(publish.uri.as_str(), "sip:juliet@xmpp.example");
    assert_eq!((text(&publish, Name::EVENT), text(&publish, Name::EXPIRES)), ("presence".into(), "3600".into()));
    assert_eq!(text(&publish, Name::CONTENT_TYPE), "application/pidf+xml");
    assert!(!publish.headers.has(Name::SIP_IF_MATCH) && !publish.headers.has(Name::CONTACT));
    let state = pidf::read(publish.body(), &pidf::Limits::default()).unwrap();
    assert_eq!((state.entity.as_str(), state.tuples.len()), ("pres:juliet@xmpp.example", 1));
    assert_eq!(state.tuples[0].basic, Some(Basic::Open));
    take(&mut bench, &publish, "a1");
    let record = kept(&mut bench);
    assert_eq!(
        (record.user.as_str(), record.domain.as_str(), record.etag.as_str()),
        ("juliet@xmpp.example", "sip.example", "a1")
    );
    assert_eq!(bench.gateway.published(), 1);
}

#[test]
fn changes_come_no_closer_than_allowed_and_the_last_one_wins() {
    let mut bench = bench();
    available(&mut bench, "");
    let first = only(&mut bench);
    available(&mut bench, "<show>away</show>");
    available(&mut bench, "<show>dnd</show>");
    assert!(publishes(&mut bench).is_empty(), "one is out (PUB-05)");
    take(&mut bench, &first, "a1");
    assert!(publishes(&mut bench).is_empty());
    bench.pass(6 * SECOND);
    let second = only(&mut bench);
    assert_eq!(text(&second, Name::SIP_IF_MATCH), "a1");
    let state = |request: &Request| pidf::read(request.body(), &pidf::Limits::default()).unwrap();
    assert_eq!(state(&second).tuples[0].show, Some(crate::model::presence::Show::Dnd));
    assert_eq!(state(&second).tuples[0].id, state(&first).tuples[0].id, "PUB-06");
    take(&mut bench, &second, "a2");
    available(&mut bench, "<show>dnd</show>");
    bench.pass(6 * SECOND);
    assert!(publishes(&mut bench).is_empty(), "nothing has changed");
    bench.pass(540 * SECOND);
    let refresh = only(&mut bench);
    assert_eq!((text(&refresh, Name::SIP_IF_MATCH), refresh.body().len()), ("a2".to_owned(), 0));
}

#[test]
fn a_tag_that_is_not_known_is_forgotten_and_the_state_published_anew() {
    let mut bench = bench();
    available(&mut bench, "");
    let first = only(&mut bench);
    take(&mut bench, &first, "a1");
    bench.pass(545 * SECOND);
    let refresh = only(&mut bench);
    bench.answer(&refresh, 412);
    bench.pass(SECOND);
    let again = only(&mut bench);
    assert!(!again.headers.has(Name::SIP_IF_MATCH) && !again.body().is_empty(), "PUB-04");
}

#[test]
fn with_the_last_resource_the_publication_is_removed_and_forgotten() {
    let mut bench = bench();
    available(&mut bench, "");
    says(&mut bench, "/garden", "sip.example", "", "");
    let first = only(&mut bench);
    take(&mut bench, &first, "a1");
    bench.pass(6 * SECOND);
    let both = only(&mut bench);
    assert_eq!(pidf::read(both.body(), &pidf::Limits::default()).unwrap().tuples.len(), 2);
    take(&mut bench, &both, "a2");
    says(&mut bench, "/balcony", "sip.example", "unavailable", "");
    says(&mut bench, "/garden", "sip.example", "unavailable", "");
    bench.pass(6 * SECOND);
    let remove = only(&mut bench);
    assert_eq!((text(&remove, Name::SIP_IF_MATCH), text(&remove, Name::EXPIRES)), ("a2".to_owned(), "0".to_owned()));
    assert!(remove.body().is_empty());
    writes(&mut bench);
    bench.answer(&remove, 200);
    assert!(matches!(writes(&mut bench).as_slice(), [Write::Drop(..)]));
    assert_eq!(bench.gateway.published(), 0);
    bench.pass(4000 * SECOND);
    assert!(publishes(&mut bench).is_empty());
}

#[test]
fn who_takes_the_gateway_off_her_roster_is_not_published_any_more() {
    let mut bench = bench();
    available(&mut bench, "");
    let first = only(&mut bench);
    take(&mut bench, &first, "a1");
    says(&mut bench, "", "sip.example", "unsubscribed", "");
    assert_eq!(text(&only(&mut bench), Name::EXPIRES), "0");
}

#[test]
fn what_is_said_to_one_sip_user_is_not_told_to_a_server() {
    let mut bench = bench();
    says(&mut bench, "/balcony", "romeo@sip.example", "", "");
    assert!(publishes(&mut bench).is_empty());
    let mut off = Bench::new();
    available(&mut off, "");
    assert!(publishes(&mut off).is_empty());
}

#[test]
fn a_user_with_an_account_there_is_published_under_its_address_while_anybody_was_told_that_she_is_there() {
    let mut bench = Bench::with(with_account);
    bench.pass(SECOND);
    assert_eq!(told(&mut bench), "probe", "her server is asked as soon as it can be");
    says(&mut bench, "/balcony", "romeo@sip.example", "", "");
    says(&mut bench, "/balcony", "mercutio@sip.example", "", "");
    let publish = only(&mut bench);
    assert_eq!(publish.uri.as_str(), "sip:101@pbx.example");
    assert_eq!(publish.headers.from().unwrap().uri.as_str(), "sip:101@pbx.example");
    assert_eq!(pidf::read(publish.body(), &pidf::Limits::default()).unwrap().entity, "pres:101@pbx.example");
    let mut challenge = publish.response(Status::UNAUTHORIZED);
    challenge.headers.push("WWW-Authenticate", "Digest realm=\"pbx\", nonce=\"n\", qop=\"auth\", algorithm=MD5");
    bench.hear(Message::Response(challenge));
    let publish = only(&mut bench);
    let proof = publish.headers.text("Authorization").unwrap_or_default().into_owned();
    assert!(proof.contains("username=\"101\""), "PUB-07: {proof}");
    take(&mut bench, &publish, "a1");
    says(&mut bench, "/balcony", "romeo@sip.example", "unavailable", "");
    bench.pass(6 * SECOND);
    assert!(publishes(&mut bench).is_empty());
    says(&mut bench, "/balcony", "mercutio@sip.example", "unavailable", "");
    bench.pass(6 * SECOND);
    assert_eq!(text(&only(&mut bench), Name::EXPIRES), "0");
}

#[test]
fn after_a_restart_the_publication_goes_on_under_its_tag_once_she_is_heard_of() {
    let record = PublicationRecord {
        id: RecordId(9),
        shard: 0,
        user: "juliet@xmpp.example".to_owned(),
        domain: "sip.example".to_owned(),
        etag: "a1".to_owned(),
        expires_at: Timestamp(500_000),
    };
    let mut bench = bench();
    bench.input(Input::LinkDown(0));
    let now = bench.now();
    bench.gateway.restore(vec![Record::Publication(record.clone())], now);
    bench.input(Input::LinkUp(0));
    bench.pass(SECOND);
    assert_eq!(told(&mut bench), "probe");
    assert!(publishes(&mut bench).is_empty(), "nobody knows yet whether it is still so");
    available(&mut bench, "");
    assert_eq!(text(&only(&mut bench), Name::SIP_IF_MATCH), "a1");

    let lover = PublicationRecord { user: "i\u{2665}u@xmpp.example".to_owned(), ..record.clone() };
    let mut bench = self::bench();
    bench.gateway.restore(vec![Record::Publication(lover)], now);
    assert!(writes(&mut bench).is_empty(), "a name that only older rules allow is a name");

    let mut silent = self::bench();
    silent.gateway.restore(vec![Record::Publication(record)], now);
    silent.pass(500 * SECOND);
    assert!(publishes(&mut silent).is_empty());
    assert!(matches!(writes(&mut silent).as_slice(), [Write::Drop(_, RecordId(9))]), "it has lapsed");
}

#[test]
fn a_server_that_refuses_is_left_alone_and_nothing_is_kept() {
    let mut bench = bench();
    available(&mut bench, "");
    let first = only(&mut bench);
    bench.answer(&first, 489);
    bench.pass(899 * SECOND);
    assert!(publishes(&mut bench).is_empty() && writes(&mut bench).is_empty());
    bench.pass(901 * SECOND);
    assert!(!publishes(&mut bench).is_empty());
}
