//! Users are asked about those who wait for their consent at their own SIP server.

use std::fmt::Write as _;
use std::time::Duration;

use super::super::bench::{Bench, user};
use super::{Notify, SECOND, accept, next_subscribe, subscribe, text, writes};
use crate::gateway::people::User;
use crate::gateway::record::{Authorization, Direction, Kind, Record, Write};
use crate::gateway::{Input, Settings};
use crate::sip::message::{Name, Request};
use crate::xmpp::stanza::{Presence, Stanza};
use crate::xmpp::xep::nick;

const HEADERS: &[&str] = &[
    "Event: presence.winfo",
    "Subscription-State: active;expires=3600",
    "Content-Type: application/watcherinfo+xml",
    // As a server does that believes everything to be a list.
    "Require: eventlist",
];
const BOB: &str = "subscribe from bob@sip.example";

fn juliet(settings: &mut Settings) {
    settings.routes[0].1.users = vec![User { watchers: true, ..user("sip:101@sip.example") }];
}

fn kind_of(presence: &Presence) -> String {
    format!("{:?}", presence.kind).to_lowercase()
}

/// Her SIP server, with the list of her watchers.
struct Server {
    bench: Bench,
    request: Request,
    cseq: u32,
    /// What it was asked because of what it told last.
    asked: Vec<Request>,
}

impl Server {
    fn new() -> Self {
        let mut bench = Bench::with(juliet);
        bench.pass(SECOND);
        let request = subscribe(&mut bench);
        accept(&mut bench, &request, 3_600);
        Self { bench, request, cseq: 0, asked: Vec::new() }
    }

    /// After a restart of the gateway with these records.
    fn again(self, records: Vec<Record>) -> Self {
        let mut bench = Bench::with(juliet);
        let now = bench.now();
        bench.gateway.restore(records, now);
        bench.pass(SECOND);
        Self { bench, ..self }
    }

    /// Tells of these watchers, by id or address, and status. The answer.
    fn tells(&mut self, version: u32, state: &str, watchers: &[(&str, &str)]) -> u16 {
        let mut list = String::new();
        for (watcher, status) in watchers {
            let (id, uri) = match watcher.split_once(':') {
                Some(_) => (watcher.replace([':', '@'], "-"), (*watcher).to_owned()),
                None => ((*watcher).to_owned(), format!("sip:{watcher}@sip.example")),
            };
            let name = "event='subscribe' display-name='Mr. B'";
            let _ = write!(list, "<watcher id='{id}' status='{status}' {name}>{uri}</watcher>");
        }
        let body = format!(
            "<watcherinfo xmlns='urn:ietf:params:xml:ns:watcherinfo' version='{version}' state='{state}'>\
             <watcher-list resource='sip:101@sip.example' package='presence'>{list}</watcher-list></watcherinfo>"
        );
        self.cseq += 1;
        let notify = Notify { body: &body, ..Notify::new(&self.request, self.cseq, HEADERS) };
        let (answer, asked) = notify.send_and_see(&mut self.bench);
        self.asked = asked;
        answer.status.code()
    }

    /// What she was asked or told since.
    fn said(&mut self) -> Vec<String> {
        let said = |stanza| match stanza {
            Stanza::Presence(presence) => {
                assert_eq!(presence.to.as_ref().unwrap().as_str(), "juliet@xmpp.example");
                Some(format!("{} from {}", kind_of(&presence), presence.from.unwrap().as_str()))
            }
            Stanza::Message(_) | Stanza::Iq(_) => None,
        };
        self.bench.told().into_iter().filter_map(said).collect()
    }

    fn answers(&mut self, kind: &str) {
        self.bench.stanza(&format!("<presence from='juliet@xmpp.example' to='bob@sip.example' type='{kind}'/>"));
    }

    /// What the store has in the end.
    fn kept(&mut self) -> Vec<Record> {
        let mut kept: Vec<((Kind, u64), Record)> = Vec::new();
        for write in writes(&mut self.bench) {
            let key = match &write {
                Write::Put(record) => match &**record {
                    Record::Authorization(record) => (Kind::Authorization, record.id.0),
                    Record::Dialog(record) => (Kind::Dialog, record.id.0),
                    Record::Publication(record) => (Kind::Publication, record.id.0),
                },
                Write::Drop(kind, id) => (*kind, id.0),
            };
            kept.retain(|(other, _)| *other != key);
            if let Write::Put(record) = write {
                kept.push((key, *record));
            }
        }
        kept.into_iter().map(|(_, record)| record).collect()
    }

    /// What the store has of her word to bob.
    fn word(&mut self) -> Option<Authorization> {
        self.kept().into_iter().find_map(|record| match record {
            Record::Authorization(record) => {
                assert_eq!(record.direction, Direction::ToXmpp);
                assert_eq!((&*record.watcher, &*record.target), ("bob@sip.example", "juliet@xmpp.example"));
                Some(record.state)
            }
            Record::Dialog(_) | Record::Publication(_) => None,
        })
    }
}

#[test]
fn whoever_waits_at_her_server_is_a_subscribe_that_says_where_her_answer_counts() {
    let mut server = Server::new();
    assert_eq!(server.request.uri.as_str(), "sip:101@sip.example");
    assert_eq!(text(&server.request, Name::EVENT), "presence.winfo");
    assert_eq!(text(&server.request, Name::ACCEPT), "application/watcherinfo+xml");
    assert!(text(&server.request, Name::FROM).starts_with("<sip:101@sip.example>;tag="));
    assert_eq!(server.tells(0, "full", &[("alice", "active"), ("Bob", "pending"), ("eve", "terminated")]), 200);
    let told = server.bench.told();
    let [Stanza::Presence(asked)] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(asked.from.as_ref().unwrap().as_str(), "bob@sip.example");
    assert_eq!(kind_of(asked), "subscribe");
    assert_eq!(nick::find(&asked.payload).as_deref(), Some("Mr. B"));
    let words: Vec<_> = asked.statuses().map(|(_, words)| words.into_owned()).collect();
    assert!(words[0].contains("sip:bob@sip.example waits at your SIP server"), "{words:?}");
    assert!(words[0].contains("sip:101@sip.example"), "{words:?}");
}

#[test]
fn she_is_asked_once_for_as_long_as_somebody_waits() {
    let mut server = Server::new();
    server.tells(0, "full", &[("bob", "pending")]);
    assert_eq!(server.said(), [BOB]);
    server.tells(1, "partial", &[("bob", "waiting")]);
    server.tells(2, "full", &[("bob", "pending")]);
    assert!(server.said().is_empty());

    server.answers("subscribed");
    assert_eq!(server.word(), Some(Authorization::Granted), "his SUBSCRIBE would be active");
    server.tells(3, "full", &[("bob", "waiting")]);
    server.tells(4, "full", &[]);
    server.tells(5, "full", &[("bob", "pending")]);
    assert!(server.said().iter().all(|said| said.starts_with("probe")), "she has answered");
}

#[test]
fn a_no_stays_a_no_whether_he_waits_on_or_comes_back() {
    let mut server = Server::new();
    server.tells(0, "full", &[("bob", "pending")]);
    server.answers("unsubscribed");
    assert_eq!(server.said(), [BOB]);
    assert_eq!(server.word(), Some(Authorization::Refused));
    server.tells(1, "full", &[("bob", "pending"), ("carl", "pending")]);
    assert_eq!(server.said(), ["subscribe from carl@sip.example"]);
    for version in 2..10 {
        server.bench.pass(100 * SECOND);
        assert_eq!(server.tells(version, "full", &[("bob", "waiting"), ("carl", "pending")]), 200);
    }
    assert!(server.said().is_empty());
    server.tells(10, "full", &[("carl", "pending")]);
    server.tells(11, "full", &[("bob", "pending"), ("carl", "pending")]);
    assert!(server.said().is_empty());
}

#[test]
fn who_leaves_before_she_has_answered_takes_his_question_with_him() {
    let mut server = Server::new();
    server.tells(0, "full", &[("bob", "pending"), ("carl", "pending")]);
    assert_eq!(server.said().len(), 2);
    server.tells(1, "partial", &[("bob", "active")]);
    assert_eq!(server.said(), ["unsubscribe from bob@sip.example"], "he was approved there");
    assert_eq!(
        server.bench.gateway.explain_pair("juliet@xmpp.example", "bob@sip.example", server.bench.now()).len(),
        {
            let now = server.bench.now();
            server.bench.gateway.explain_pair("juliet@xmpp.example", "nobody@sip.example", now).len()
        }
    );
    server.tells(2, "partial", &[("bob", "pending")]);
    assert_eq!(server.said(), [BOB], "he is somebody new");
}

#[test]
fn a_restart_asks_nobody_again_and_forgets_nobody() {
    let mut server = Server::new();
    server.tells(0, "full", &[("bob", "pending")]);
    assert_eq!(server.said(), [BOB]);
    let records = server.kept();
    assert_eq!(records.len(), 2, "a dialog and an authorization");
    let mut server = server.again(records);
    // A partial one says nothing about those who are not in it, and the full state is asked for.
    assert_eq!(server.tells(1, "partial", &[("carl", "pending")]), 200);
    assert_eq!(server.said(), ["subscribe from carl@sip.example"]);
    server.tells(2, "full", &[("bob", "pending"), ("carl", "pending")]);
    assert!(server.said().is_empty());
    server.answers("subscribed");
    assert!(server.kept().iter().any(|record| match record {
        Record::Authorization(record) => record.state == Authorization::Granted,
        Record::Dialog(_) | Record::Publication(_) => false,
    }));
}

#[test]
fn a_document_that_was_missed_is_asked_for_and_versions_that_go_back_do_no_harm() {
    let mut server = Server::new();
    server.tells(0, "full", &[("bob", "pending")]);
    server.tells(2, "partial", &[("carl", "pending")]);
    assert_eq!(server.said(), [BOB, "subscribe from carl@sip.example"]);
    let refresh = server.asked.pop().unwrap_or_else(|| next_subscribe(&mut server.bench, 31 * SECOND));
    assert_eq!(text(&refresh, Name::CALL_ID), text(&server.request, Name::CALL_ID));
    accept(&mut server.bench, &refresh, 3_600);
    server.tells(1, "full", &[]);
    assert!(server.said().is_empty(), "an older one is passed over, and nobody has left");
    server.tells(1, "full", &[("carl", "pending")]);
    assert_eq!(server.said(), ["unsubscribe from bob@sip.example"], "it counts anew from there");
}

#[test]
fn a_list_of_thousands_is_refused_and_of_hundreds_she_hears_bit_by_bit() {
    let mut server = Server::new();
    let names: Vec<String> = (0..10_000).map(|number| format!("w{number}")).collect();
    let many = |count: usize| names[..count].iter().map(|name| (name.as_str(), "pending")).collect::<Vec<_>>();
    let refusal = server.tells(0, "full", &many(10_000));
    assert!(matches!(refusal, 400 | 413), "{refusal}");
    assert!(server.said().is_empty());
    server.tells(0, "full", &many(50));
    assert_eq!(server.said().len(), 20);
    server.tells(1, "full", &many(50));
    assert!(server.said().is_empty());
    server.bench.pass(Duration::from_secs(3_601));
    assert_eq!(server.said().len(), 20, "the next in the next hour");
}

#[test]
fn nobody_of_another_domain_asks_by_way_of_her_server() {
    let mut server = Server::new();
    let watchers =
        ["sip:eve@elsewhere.example", "sip:admin@xmpp.example", "sip:sip.example", "sip:101@sip.example", "x:"];
    let watchers: Vec<_> = watchers.iter().map(|watcher| (*watcher, "pending")).collect();
    assert_eq!(server.tells(0, "full", &watchers), 200);
    assert!(server.said().is_empty());
}

#[test]
fn a_question_waits_for_her_server_to_be_there() {
    let mut server = Server::new();
    server.bench.input(Input::LinkDown(0));
    server.tells(0, "full", &[("bob", "pending")]);
    assert!(server.said().is_empty());
    server.bench.input(Input::LinkUp(0));
    server.bench.pass(60 * SECOND);
    assert_eq!(server.said(), [BOB]);
}
