//! Our subscriptions on the SIP side: what goes out, what NOTIFYs get, what is kept and comes back.

mod doubt;
mod restart;
mod winfo;

use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::bench::Bench;
use crate::gateway::record::{DialogRecord, Package, Record, Write};
use crate::gateway::{Input, Settings};
use crate::sip::message::{Message, Name, Request, Response, Status, wire};
use crate::time::Timestamp;
use crate::xmpp::stanza::{PresenceKind, Stanza};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);
const PIDF: &str = "<?xml version='1.0'?><presence xmlns='urn:ietf:params:xml:ns:pidf' entity='pres:romeo@sip.example'>\
    <tuple id='ID-orchard'><status><basic>open</basic></status></tuple></presence>";

/// What came out on the SIP side since it was last looked at, repetitions aside.
struct Out {
    requests: Vec<Request>,
}

fn out(bench: &mut Bench) -> Out {
    let (mut requests, mut seen) = (Vec::new(), HashSet::new());
    for transmit in bench.transmits() {
        match wire::parse(&transmit.bytes).unwrap() {
            Message::Request(request) if seen.insert(text(&request, Name::VIA)) => requests.push(request),
            Message::Request(_) | Message::Response(_) => {}
        }
    }
    Out { requests }
}

fn text(request: &Request, name: Name<'static>) -> String {
    request.headers.text(name).unwrap_or_default().into_owned()
}

fn subscribe(bench: &mut Bench) -> Request {
    let mut requests = out(bench).requests;
    requests.retain(|request| request.method.as_str() == "SUBSCRIBE");
    assert_eq!(requests.len(), 1, "{requests:?}");
    requests.remove(0)
}

/// The SUBSCRIBE that comes next, at most so long from now.
fn next_subscribe(bench: &mut Bench, within: Duration) -> Request {
    let until = bench.now().mono + within;
    while bench.now().mono < until {
        bench.pass(SECOND);
        let request = out(bench).requests.into_iter().find(|request| request.method.as_str() == "SUBSCRIBE");
        if let Some(request) = request {
            return request;
        }
    }
    panic!("no SUBSCRIBE");
}

/// Juliet wants to see romeo, and her SUBSCRIBE.
fn asked(change: impl FnOnce(&mut Settings)) -> (Bench, Request) {
    let mut bench = Bench::with(change);
    bench.stanza("<presence from='juliet@xmpp.example' to='romeo@sip.example' type='subscribe' id='s'/>");
    let request = subscribe(&mut bench);
    (bench, request)
}

fn accept(bench: &mut Bench, request: &Request, expires: u32) {
    let mut response = request.response(Status::OK);
    response.ensure_to_tag("2xx");
    response.headers.push(Name::EXPIRES, expires.to_string());
    bench.hear(Message::Response(response));
}

/// No two requests have the same.
static BRANCHES: AtomicU32 = AtomicU32::new(1);

/// A NOTIFY in answer to this SUBSCRIBE, from the phone of this tag.
struct Notify<'a> {
    to: &'a Request,
    tag: &'a str,
    cseq: u32,
    headers: &'a [&'a str],
    body: &'a str,
}

impl<'a> Notify<'a> {
    fn new(to: &'a Request, cseq: u32, headers: &'a [&'a str]) -> Self {
        Self { to, tag: "phone", cseq, headers, body: "" }
    }

    fn send(&self, bench: &mut Bench) -> Response {
        self.send_and_see(bench).0
    }

    /// The answer, and what is asked because of it.
    fn send_and_see(&self, bench: &mut Bench) -> (Response, Vec<Request>) {
        let contact = text(self.to, Name::CONTACT);
        let uri = contact.trim_matches(['<', '>']);
        let (tag, number) = (self.tag, BRANCHES.fetch_add(1, Ordering::Relaxed));
        let mut lines = vec![
            format!("NOTIFY {uri} SIP/2.0"),
            format!("Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-{tag}-{number};rport"),
            "Max-Forwards: 70".to_owned(),
            format!("From: {};tag={tag}", text(self.to, Name::TO).split(";tag").next().unwrap()),
            format!("To: {}", text(self.to, Name::FROM)),
            format!("Call-ID: {}", text(self.to, Name::CALL_ID)),
            format!("CSeq: {} NOTIFY", self.cseq),
            format!("Contact: <sip:{tag}@192.0.2.10>"),
        ];
        lines.extend(self.headers.iter().map(|line| (*line).to_owned()));
        if !self.body.is_empty() && !self.headers.iter().any(|line| line.starts_with("Content-Type")) {
            lines.push("Content-Type: application/pidf+xml".to_owned());
        }
        lines.push(format!("Content-Length: {}\r\n\r\n{}", self.body.len(), self.body));
        let before = bench.now();
        bench.hear(wire::parse(lines.join("\r\n").as_bytes()).unwrap());
        assert_eq!(bench.now(), before, "answered at once");
        let (mut answer, mut asked) = (None, Vec::new());
        for transmit in bench.transmits() {
            match wire::parse(&transmit.bytes).unwrap() {
                Message::Response(response) => answer = Some(response),
                Message::Request(request) => asked.push(request),
            }
        }
        (answer.unwrap(), asked)
    }
}

const ACTIVE: &[&str] = &["Event: presence", "Subscription-State: active;expires=3600"];
const OVER: &[&str] = &["Event: presence", "Subscription-State: terminated;reason=timeout"];

/// Seen, with a dialog.
fn watching(change: impl FnOnce(&mut Settings)) -> (Bench, Request) {
    let (mut bench, request) = asked(change);
    accept(&mut bench, &request, 3_600);
    let notify = Notify { body: PIDF, ..Notify::new(&request, 1, ACTIVE) };
    assert_eq!(notify.send(&mut bench).status.code(), 200);
    (bench, request)
}

fn writes(bench: &mut Bench) -> Vec<Write> {
    let mut writes = Vec::new();
    bench.gateway.take_writes(&mut writes);
    writes
}

/// The dialogs that were written, and how many records of dialogs were dropped.
fn dialogs(bench: &mut Bench) -> (Vec<DialogRecord>, usize) {
    let (mut put, mut dropped) = (Vec::new(), 0);
    for write in writes(bench) {
        match write {
            Write::Put(record) => {
                if let Record::Dialog(record) = *record {
                    put.push(record);
                }
            }
            Write::Drop(kind, _) => dropped += usize::from(kind == crate::gateway::record::Kind::Dialog),
        }
    }
    (put, dropped)
}

fn sample(bench: &Bench, name: &str, label: &str) -> u64 {
    let samples = bench.gateway.samples().into_iter().filter(|sample| sample.name == name);
    let of_label = |sample: &crate::gateway::stats::Sample| sample.labels.iter().any(|(_, value)| value == label);
    samples.filter(|sample| sample.labels.is_empty() || of_label(sample)).map(|sample| sample.value).sum()
}

#[test]
fn a_subscribe_says_what_is_wanted_and_where_notifies_go() {
    let (_, request) = asked(|_| {});
    assert_eq!(request.uri.as_str(), "sip:romeo@sip.example");
    for (name, value) in [
        (Name::TO, "<sip:romeo@sip.example>"),
        (Name::EVENT, "presence"),
        (Name::ACCEPT, "application/pidf+xml"),
        (Name::EXPIRES, "3600"),
        (Name::CONTACT, "<sip:juliet@10.0.0.1:5060>"),
        (Name::CSEQ, "1 SUBSCRIBE"),
        (Name::SUPPORTED, ""),
    ] {
        assert_eq!(text(&request, name), value, "{name:?}");
    }
    assert!(text(&request, Name::FROM).starts_with("<sip:juliet@xmpp.example>;tag="));
    assert!(text(&request, Name::ALLOW).contains("NOTIFY"));
}

#[test]
fn each_package_asks_for_its_own_documents() {
    let packages = [Package::Presence, Package::Dialog, Package::Reg, Package::MessageSummary, Package::PresenceWinfo];
    let mut bench = Bench::with(|settings| settings.routes[0].1.presence.watch = packages.to_vec());
    bench.stanza("<presence from='juliet@xmpp.example' to='romeo@sip.example' type='subscribe' id='s'/>");
    let requests = out(&mut bench).requests;
    let asked: Vec<_> = requests.iter().map(|one| (text(one, Name::EVENT), text(one, Name::ACCEPT))).collect();
    let expected = [
        ("presence", "application/pidf+xml"),
        ("dialog", "application/dialog-info+xml"),
        ("reg", "application/reginfo+xml"),
        ("message-summary", "application/simple-message-summary"),
        ("presence.winfo", "application/watcherinfo+xml"),
    ];
    assert_eq!(asked, expected.map(|(event, accept)| (event.to_owned(), accept.to_owned())));
    let calls: HashSet<_> = requests.iter().map(|one| text(one, Name::CALL_ID)).collect();
    assert_eq!(calls.len(), 5, "unrelated to each other");
}

#[test]
fn a_notify_that_is_not_right_gets_its_answer_and_ends_nothing() {
    let (mut bench, request) = watching(|settings| settings.presence.document = 2_000);
    let (large, wrong) = ("x".repeat(2_001), &["Content-Type: text/plain", ACTIVE[0], ACTIVE[1]][..]);
    let answer = |bench: &mut Bench, headers, body| {
        let notify = Notify { body, ..Notify::new(&request, 5, headers) };
        notify.send(bench)
    };
    let none = &[ACTIVE[0], ACTIVE[1]];
    for (headers, body, status) in [
        (&[ACTIVE[1]][..], "", 400),
        (&["Event: ", ACTIVE[1]], "", 400),
        (&["Event: presence", "o: presence", ACTIVE[1]], "", 400),
        (&[ACTIVE[0]], "", 400),
        (&[ACTIVE[0], "Subscription-State: a b"], "", 400),
        (&["Event: dialog", ACTIVE[1]], "", 489),
        (&["Event: presence.winfo", ACTIVE[1]], "", 489),
        (&["Event: presence;id=7", ACTIVE[1]], "", 481),
        (none, large.as_str(), 413),
        (wrong, "hello", 415),
    ] {
        let answer = answer(&mut bench, headers, body);
        assert_eq!(answer.status.code(), status, "{headers:?}");
        let accept = answer.headers.text(Name::ACCEPT).map(std::borrow::Cow::into_owned);
        assert_eq!(accept.as_deref(), (status == 415).then_some("application/pidf+xml"));
    }
    let gzip = &["Content-Encoding: gzip", ACTIVE[0], ACTIVE[1]][..];
    let gzip = Notify { body: PIDF, ..Notify::new(&request, 5, gzip) }.send(&mut bench);
    assert_eq!(gzip.status.code(), 415);
    assert_eq!(gzip.headers.text(Name::ACCEPT_ENCODING).as_deref(), Some("identity"), "RFC 3261 section 8.2.3");
    assert_eq!(gzip.headers.text(Name::ACCEPT), None);
    let older = Notify::new(&request, 4, ACTIVE).send(&mut bench);
    assert_eq!(older.status.code(), 500, "RFC 3261 section 12.2.2");
    assert_eq!(Notify { body: PIDF, ..Notify::new(&request, 6, ACTIVE) }.send(&mut bench).status.code(), 200);
    assert_eq!(dialogs(&mut bench).1, 0);
    assert_eq!(sample(&bench, "stox_notifies_answered", "400"), 4);
    assert_eq!(sample(&bench, "stox_subscriptions_to_sip", "active"), 1);
}

#[test]
fn a_notify_of_no_subscription_is_481() {
    let (mut bench, request) = watching(|_| {});
    let mut strangers = vec![request.clone(), request.clone(), request.clone()];
    strangers[0].headers.replace(Name::CALL_ID, "another");
    strangers[1].headers.replace(Name::FROM, "<sip:juliet@xmpp.example>;tag=another");
    strangers[2].headers.replace(Name::FROM, "<sip:juliet@xmpp.example>");
    for stranger in &strangers {
        assert_eq!(Notify::new(stranger, 9, ACTIVE).send(&mut bench).status.code(), 481);
    }
    // RFC 3856 section 6.9: presence has one dialog, that of the first NOTIFY.
    let second = Notify { tag: "tablet", ..Notify::new(&request, 1, ACTIVE) };
    assert_eq!(second.send(&mut bench).status.code(), 481);
}

#[test]
fn a_notify_is_answered_though_the_chat_server_is_away() {
    let (mut bench, request) = watching(|_| {});
    bench.input(Input::LinkDown(0));
    assert_eq!(Notify { body: PIDF, ..Notify::new(&request, 2, ACTIVE) }.send(&mut bench).status.code(), 200);
}

#[test]
fn phones_behind_a_fork_have_a_dialog_each_where_the_package_wants_it() {
    let (mut bench, request) = asked(|settings| settings.routes[0].1.presence.watch = vec![Package::Dialog]);
    let headers = &["Event: dialog", "Subscription-State: active;expires=3600"];
    for tag in ["desk", "kitchen"] {
        assert_eq!(Notify { tag, ..Notify::new(&request, 1, headers) }.send(&mut bench).status.code(), 200);
    }
    accept(&mut bench, &request, 3_600);
    bench.pass(33 * SECOND);
    let late = Notify { tag: "late", ..Notify::new(&request, 1, headers) };
    assert_eq!(late.send(&mut bench).status.code(), 481, "after Timer N");
    bench.pass(3_210 * SECOND);
    let refreshed: HashSet<_> = out(&mut bench).requests.iter().map(|one| one.uri.as_str().to_owned()).collect();
    assert_eq!(refreshed, HashSet::from(["sip:desk@192.0.2.10".to_owned(), "sip:kitchen@192.0.2.10".to_owned()]));
    assert_eq!(dialogs(&mut bench).0.len(), 2);
}

#[test]
fn a_dialog_is_refreshed_in_time_in_order_and_by_the_way_of_its_notify() {
    let (mut bench, request) = asked(|_| {});
    accept(&mut bench, &request, 3_600);
    let headers = &[ACTIVE[0], ACTIVE[1], "Record-Route: <sip:192.0.2.10;lr>, <sip:b.sip.example;lr>"];
    let answer = Notify::new(&request, 1, headers).send(&mut bench);
    let route = answer.headers.text(Name::RECORD_ROUTE).unwrap();
    assert_eq!(route, "<sip:192.0.2.10;lr>, <sip:b.sip.example;lr>", "so it is in the answer that begins a dialog");
    let refresh = next_subscribe(&mut bench, HOUR * 9 / 10);
    assert_eq!(refresh.uri.as_str(), "sip:phone@192.0.2.10");
    assert_eq!(text(&refresh, Name::ROUTE), "<sip:192.0.2.10;lr>, <sip:b.sip.example;lr>");
    assert_eq!(text(&refresh, Name::CALL_ID), text(&request, Name::CALL_ID));
    assert_eq!(text(&refresh, Name::FROM), text(&request, Name::FROM));
    assert!(text(&refresh, Name::TO).ends_with(";tag=phone"));
    let cseq = refresh.headers.cseq().unwrap().number;
    assert!(cseq > 1);
    for name in [Name::EVENT, Name::ACCEPT, Name::EXPIRES, Name::CONTACT, Name::ALLOW] {
        assert_eq!(text(&refresh, name), text(&request, name));
    }
    accept(&mut bench, &refresh, 3_600);
    Notify::new(&request, 2, ACTIVE).send(&mut bench);
    assert_eq!(next_subscribe(&mut bench, HOUR).headers.cseq().unwrap().number, cseq + 1);
}

#[test]
fn a_refresh_that_knows_no_dialog_is_followed_by_a_new_one_with_new_names() {
    let (mut bench, request) = watching(|_| {});
    bench.told();
    let refresh = next_subscribe(&mut bench, HOUR);
    bench.answer(&refresh, 481);
    let anew = subscribe(&mut bench);
    assert_eq!(anew.uri.as_str(), "sip:romeo@sip.example");
    assert_ne!(text(&anew, Name::CALL_ID), text(&request, Name::CALL_ID));
    assert_ne!(text(&anew, Name::FROM), text(&request, Name::FROM));
    assert_eq!(Notify::new(&request, 3, ACTIVE).send(&mut bench).status.code(), 481, "the old one is over");
    accept(&mut bench, &anew, 3_600);
    assert_eq!(Notify { body: PIDF, ..Notify::new(&anew, 1, ACTIVE) }.send(&mut bench).status.code(), 200);
    assert_eq!(bench.told().len(), 0, "nobody hears of it");
}

#[test]
fn ending_a_subscription_waits_for_the_last_notify_and_tells_the_user_before() {
    let (mut bench, request) = watching(|_| {});
    bench.stanza("<presence from='juliet@xmpp.example' to='romeo@sip.example' type='unsubscribe' id='u'/>");
    let end = subscribe(&mut bench);
    assert_eq!(text(&end, Name::EXPIRES), "0");
    assert_eq!(text(&end, Name::CALL_ID), text(&request, Name::CALL_ID));
    bench.told();
    accept(&mut bench, &end, 0);
    let told = bench.told();
    let ended = |stanza: &Stanza| matches!(stanza, Stanza::Presence(one) if one.kind == PresenceKind::Unsubscribed);
    assert!(told.iter().any(ended), "{told:?}");
    assert_eq!(Notify::new(&request, 2, OVER).send(&mut bench).status.code(), 200);
    assert_eq!(Notify::new(&request, 3, OVER).send(&mut bench).status.code(), 481);
    assert!(bench.told().is_empty());
    assert_eq!(dialogs(&mut bench).1, 1);
}

#[test]
fn a_dialog_is_written_when_it_begins_and_when_its_end_moves_and_not_for_notifies() {
    let (mut bench, request) = watching(|_| {});
    let (put, _) = dialogs(&mut bench);
    let [record] = put.as_slice() else { panic!("{put:?}") };
    assert_eq!((record.watcher.as_str(), record.target.as_str()), ("juliet@xmpp.example", "romeo@sip.example"));
    assert_eq!((record.remote_tag.as_str(), record.package), ("phone", Package::Presence));
    assert_eq!(record.call_id, text(&request, Name::CALL_ID));
    let wall = bench.now().wall.0;
    assert_eq!(record.expires_at, Timestamp(wall + 3_600_000));
    assert!(record.cseq_reserved >= 64);
    for cseq in 2..100 {
        bench.pass(SECOND);
        let state = format!("Subscription-State: active;expires={}", 3_601 - cseq);
        let headers = &["Event: presence", state.as_str()];
        assert_eq!(Notify::new(&request, cseq, headers).send(&mut bench).status.code(), 200);
    }
    assert_eq!(dialogs(&mut bench), (Vec::new(), 0));
    let refresh = next_subscribe(&mut bench, HOUR);
    assert!(refresh.headers.cseq().unwrap().number <= record.cseq_reserved);
    accept(&mut bench, &refresh, 3_600);
    let (put, dropped) = dialogs(&mut bench);
    assert_eq!((put.len(), dropped), (1, 0));
    assert!(put[0].id == record.id && put[0].expires_at > record.expires_at);
}

#[test]
fn no_request_has_a_cseq_that_the_record_has_not_reserved() {
    let (mut bench, request) = watching(|settings| settings.routes[0].1.presence.expires = 60);
    let mut reserved = 0;
    for round in 2..200 {
        for record in dialogs(&mut bench).0 {
            reserved = record.cseq_reserved;
        }
        bench.pass(55 * SECOND);
        for record in dialogs(&mut bench).0 {
            reserved = record.cseq_reserved;
        }
        let refreshes = out(&mut bench).requests;
        let refresh = refreshes.last().unwrap();
        assert!(refresh.headers.cseq().unwrap().number + 4 <= reserved + 1, "{refresh:?}");
        accept(&mut bench, refresh, 60);
        let headers = &["Event: presence", "Subscription-State: active"];
        Notify::new(&request, round, headers).send(&mut bench);
    }
    assert!(reserved > 128);
}

#[test]
fn a_notifier_that_shortens_its_time_bit_by_bit_does_not_fill_the_table_of_timers() {
    let (mut bench, request) = watching(|_| {});
    let before = bench.gateway.timers.len();
    for cseq in 2..1_500 {
        let state = format!("Subscription-State: active;expires={}", 3_600 - 2 * cseq);
        let headers = &["Event: presence", state.as_str()];
        Notify::new(&request, cseq, headers).send(&mut bench);
    }
    assert!(bench.gateway.timers.len() < before + 100, "{}", bench.gateway.timers.len());
}

#[test]
fn a_user_with_an_account_watches_in_her_own_name_and_answers_for_herself() {
    use crate::sip::auth::Door;
    let (mut bench, request) = asked(|settings| {
        settings.routes[0].1.users = vec![super::bench::user("sip:101@sip.example")];
    });
    assert!(text(&request, Name::FROM).starts_with("<sip:101@sip.example>;tag="), "{request:?}");
    let challenge = |bench: &mut Bench, request: &Request, nonce: &str| {
        let mut response = request.response(Status::UNAUTHORIZED);
        let value = format!("Digest realm=\"pbx\", nonce=\"{nonce}\", qop=\"auth\", algorithm=MD5");
        response.headers.push(Door::Server.challenge(), value);
        bench.hear(Message::Response(response));
    };
    challenge(&mut bench, &request, "1");
    let proven = subscribe(&mut bench);
    assert_eq!(text(&proven, Name::CSEQ), "2 SUBSCRIBE");
    assert!(proven.headers.has(Door::Server.credentials()));
    accept(&mut bench, &proven, 3_600);
    assert_eq!(Notify { body: PIDF, ..Notify::new(&proven, 1, ACTIVE) }.send(&mut bench).status.code(), 200);
    let refresh = next_subscribe(&mut bench, HOUR);
    assert!(refresh.headers.cseq().unwrap().number > 2);
    assert!(text(&refresh, Name::FROM).starts_with("<sip:101@sip.example>;tag="), "{refresh:?}");

    // A password that is wrong is nobody's refusal: the roster stays as it is.
    bench.told();
    challenge(&mut bench, &refresh, "2");
    for nonce in ["3", "4", "5", "6"] {
        for again in out(&mut bench).requests {
            challenge(&mut bench, &again, nonce);
        }
    }
    assert!(bench.told().is_empty());
    assert_eq!(sample(&bench, "stox_subscribes_refused", "401"), 1);
    assert_eq!(next_subscribe(&mut bench, 61 * SECOND).headers.call_id(), refresh.headers.call_id());
}
