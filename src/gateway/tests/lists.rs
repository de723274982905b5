//! Lists of contacts on the SIP side (RFC 4662): one dialog for many, and what becomes of those it does not tell of.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::time::Duration;

use super::bench::Bench;
use crate::gateway::Settings;
use crate::gateway::limits;
use crate::gateway::record::{Kind, Package, Record, Write};
use crate::sip::message::{Name, Request, wire};
use crate::xmpp::stanza::{Presence, PresenceKind, Stanza};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Juliet, whose server has a list of hers.
struct Play {
    bench: Bench,
    records: Vec<Record>,
    cseq: u32,
    /// Of the list server.
    tag: &'static str,
    /// The requests that came out, that repetitions are told.
    seen: HashSet<String>,
}

/// What a list says of one contact: the user, the state of its instance if there is one, and its reason, or whether it is closed.
type Row<'a> = (&'a str, &'a str, &'a str);

impl Play {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: fn(&mut Settings)) -> Self {
        let bench = Bench::with(|settings| {
            settings.routes[0].1.presence.list = Some("{user}-list".to_owned());
            settings.presence.per_watcher = 1_000;
            change(settings);
        });
        Self { bench, records: Vec::new(), cseq: 0, tag: "rls", seen: HashSet::new() }
    }

    fn juliet(&mut self, kind: &str, user: &str) {
        self.bench.stanza(&format!("<presence from='juliet@xmpp.example' to='{user}@sip.example' type='{kind}'/>"));
    }

    /// Where SUBSCRIBEs went, and how long they are to last.
    fn asked(&mut self) -> Vec<(Request, String)> {
        let requests = self.bench.requests().into_iter().filter(|one| one.method.as_str() == "SUBSCRIBE");
        let new = requests.filter(|one| self.seen.insert(text(one, Name::VIA)));
        new.map(|one| (one.clone(), format!("{} {}", of(&one), text(&one, Name::EXPIRES)))).collect()
    }

    fn whom(&mut self) -> Vec<String> {
        self.asked().into_iter().map(|(_, whom)| whom).collect()
    }

    /// She asks to see these, and the SUBSCRIBE to her list is taken.
    fn listing(users: &[&str]) -> (Self, Request) {
        Self::new().list(users)
    }

    fn list(mut self, users: &[&str]) -> (Self, Request) {
        users.iter().for_each(|user| self.juliet("subscribe", user));
        let mut asked = self.asked();
        assert_eq!(asked.len(), 1, "{asked:?}");
        let (request, whom) = asked.remove(0);
        assert_eq!(whom, "juliet-list 3600");
        self.bench.answer(&request, 200);
        (self, request)
    }

    fn notify(&mut self, to: &Request, state: &str, media_type: &str, body: &str) {
        self.cseq += 1;
        let contact = text(to, Name::CONTACT);
        let kind = if body.is_empty() { String::new() } else { format!("Content-Type: {media_type}\r\n") };
        let notify = format!(
            "NOTIFY {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-l{cseq};rport\r\nMax-Forwards: 70\r\n\
             From: {from};tag={tag}\r\nTo: {to}\r\nCall-ID: {call}\r\nCSeq: {cseq} NOTIFY\r\nContact: <sip:192.0.2.10>\r\n\
             Event: presence\r\nRequire: eventlist\r\nSubscription-State: {state}\r\n{kind}Content-Length: {length}\r\n\r\n{body}",
            uri = contact.trim_matches(['<', '>']),
            cseq = self.cseq,
            tag = self.tag,
            from = text(to, Name::TO).split(";tag").next().unwrap(),
            to = text(to, Name::FROM),
            call = text(to, Name::CALL_ID),
            length = body.len(),
        );
        self.bench.hear(wire::parse(notify.as_bytes()).unwrap());
    }

    fn tell(&mut self, to: &Request, version: u32, full: bool, rows: &[Row<'_>]) {
        let (media_type, body) = document(version, full, rows);
        self.notify(to, "active;expires=3600", &media_type, &body);
    }

    /// What she is told: who, and how.
    fn told(&mut self) -> Vec<String> {
        let mut writes = Vec::new();
        self.bench.gateway.take_writes(&mut writes);
        for write in writes {
            match write {
                Write::Put(record) => {
                    self.records.retain(|old| name(old) != name(&record));
                    self.records.push(*record);
                }
                Write::Drop(kind, id) => self.records.retain(|old| name(old) != (kind, id.0)),
            }
        }
        let presence = |stanza| match stanza {
            Stanza::Presence(presence) => Some(presence),
            Stanza::Message(_) | Stanza::Iq(_) => None,
        };
        let told = self.bench.told().into_iter().filter_map(presence);
        told.map(|presence| words(&presence)).collect()
    }

    fn restarted(&self) -> Self {
        let mut play = Self { cseq: self.cseq, ..Self::new() };
        let now = play.bench.now();
        play.bench.gateway.restore(self.records.clone(), now);
        play
    }

    fn dialogs(&self) -> Vec<&str> {
        let dialogs = self.records.iter().filter_map(|record| match record {
            Record::Dialog(dialog) => Some(dialog.target.as_str()),
            Record::Authorization(_) | Record::Publication(_) => None,
        });
        dialogs.collect()
    }
}

fn name(record: &Record) -> (Kind, u64) {
    match record {
        Record::Authorization(record) => (Kind::Authorization, record.id.0),
        Record::Dialog(record) => (Kind::Dialog, record.id.0),
        Record::Publication(record) => (Kind::Publication, record.id.0),
    }
}

fn words(presence: &Presence) -> String {
    let kind = match presence.kind {
        PresenceKind::Available => "is here",
        PresenceKind::Unavailable => "is away",
        PresenceKind::Subscribed => "says yes",
        PresenceKind::Unsubscribed => "says no",
        PresenceKind::Subscribe | PresenceKind::Unsubscribe | PresenceKind::Probe | PresenceKind::Error => "?",
    };
    format!("{} {kind}", presence.from.as_ref().and_then(|from| from.local()).unwrap_or_default())
}

fn text(request: &Request, name: Name<'static>) -> String {
    request.headers.text(name).unwrap_or_default().into_owned()
}

/// The user part of whom a request is about.
fn of(request: &Request) -> String {
    let to = text(request, Name::TO);
    to.trim_start_matches("<sip:").split('@').next().unwrap_or_default().to_owned()
}

/// A document of a list, and its Content-Type.
fn document(version: u32, full: bool, rows: &[Row<'_>]) -> (String, String) {
    let (mut list, mut parts) = (String::new(), String::new());
    for (user, state, reason) in rows {
        let uri = format!("sip:{user}@sip.example");
        let instance = match *state {
            "" => String::new(),
            "active" => format!("<instance id='i' state='active' cid='{user}@rls'/>"),
            state => format!("<instance id='i' state='{state}' reason='{reason}'/>"),
        };
        write!(list, "<resource uri='{uri}'>{instance}</resource>").unwrap();
        if *state == "active" {
            let basic = if *reason == "closed" { "closed" } else { "open" };
            write!(
                parts,
                "\r\n--b\r\nContent-ID: <{user}@rls>\r\nContent-Type: application/pidf+xml\r\n\r\n\
                 <presence xmlns='urn:ietf:params:xml:ns:pidf' entity='pres:{user}@sip.example'>\
                 <tuple id='t'><status><basic>{basic}</basic></status></tuple></presence>"
            )
            .unwrap();
        }
    }
    let body = format!(
        "--b\r\nContent-ID: <list@rls>\r\nContent-Type: application/rlmi+xml\r\n\r\n\
         <list xmlns='urn:ietf:params:xml:ns:rlmi' uri='sip:juliet-list@sip.example' version='{version}' fullState='{full}'>\
         {list}</list>{parts}\r\n--b--\r\n"
    );
    ("multipart/related;type=\"application/rlmi+xml\";start=\"<list@rls>\";boundary=\"b\"".to_owned(), body)
}

#[test]
fn three_hundred_contacts_are_seen_through_one_dialog() {
    let users: Vec<_> = (0..300).map(|number| format!("user{number}")).collect();
    let names: Vec<_> = users.iter().map(String::as_str).collect();
    let (mut play, request) = Play::listing(&names);
    assert_eq!(text(&request, Name::SUPPORTED), "eventlist");
    assert_eq!(text(&request, Name::ACCEPT), "application/pidf+xml, application/rlmi+xml, multipart/related");
    assert_eq!(request.uri.as_str(), "sip:juliet-list@sip.example");
    let rows: Vec<_> = names.iter().map(|name| (*name, "", "")).collect();
    play.tell(&request, 0, true, &rows);
    assert_eq!(play.told(), Vec::<String>::new(), "nobody has said yes");
    for (version, names) in (1..).zip(names.chunks(100)) {
        let rows: Vec<_> = names.iter().map(|name| (*name, "active", "")).collect();
        play.tell(&request, version, false, &rows);
        let told = play.told();
        assert_eq!(told.len(), 200, "{told:?}");
        assert_eq!(told[..2], [format!("{} says yes", names[0]), format!("{} is here", names[0])]);
    }
    play.bench.pass(10 * MINUTE);
    assert_eq!(play.whom(), Vec::<String>::new());
    play.told();
    assert_eq!(play.dialogs(), ["juliet-list@sip.example"]);
}

#[test]
fn a_partial_state_changes_whom_it_names_and_one_that_was_missed_is_asked_for() {
    let (mut play, request) = Play::listing(&["romeo", "mercutio"]);
    play.tell(&request, 0, true, &[("romeo", "active", ""), ("mercutio", "active", "")]);
    assert_eq!(play.told().len(), 4);
    play.tell(&request, 1, false, &[("romeo", "active", "closed"), ("tybalt", "active", "")]);
    assert_eq!(play.told(), ["romeo is away"], "and nobody watches Tybalt");
    play.tell(&request, 1, false, &[("romeo", "active", "")]);
    assert_eq!(play.told(), Vec::<String>::new(), "of that number there was one");
    play.bench.pass(MINUTE);
    assert_eq!(play.whom(), Vec::<String>::new());
    play.tell(&request, 5, false, &[("mercutio", "active", "closed")]);
    assert_eq!(play.told(), ["mercutio is away"]);
    assert_eq!(play.whom(), ["juliet-list 3600"], "for what came between");
}

#[test]
fn who_is_not_on_the_list_has_a_subscription_of_his_own_until_he_is() {
    let (mut play, request) = Play::listing(&["romeo", "mercutio"]);
    play.tell(&request, 0, true, &[("romeo", "active", "")]);
    play.bench.pass(limits::LIST_REST);
    let asked = play.asked();
    assert_eq!((asked.len(), asked[0].1.as_str()), (1, "mercutio 3600"));
    let own = asked[0].0.clone();
    play.bench.answer(&own, 200);
    let pidf = "<presence xmlns='urn:ietf:params:xml:ns:pidf' entity='pres:m@sip.example'>\
         <tuple id='t'><status><basic>open</basic></status></tuple></presence>";
    play.notify(&own, "active;expires=3600", "application/pidf+xml", pidf);
    assert_eq!(play.told(), ["romeo says yes", "romeo is here", "mercutio says yes", "mercutio is here"]);
    // That it is pending there ends nothing here.
    play.tell(&request, 1, false, &[("mercutio", "pending", ""), ("romeo", "active", "")]);
    assert_eq!(play.whom(), Vec::<String>::new());
    play.tell(&request, 2, false, &[("mercutio", "active", "")]);
    assert_eq!(play.whom(), ["mercutio 0"]);
    assert_eq!(play.told(), Vec::<String>::new(), "she sees what she saw");
    // Taken off the list: what is shown stays while he is asked himself.
    play.tell(&request, 3, true, &[("romeo", "active", "")]);
    play.bench.pass(limits::LIST_REST);
    assert_eq!(play.whom(), ["mercutio 3600"]);
    assert_eq!(play.told(), Vec::<String>::new());
}

#[test]
fn a_full_state_in_pieces_of_which_only_the_first_says_so_is_one() {
    let (mut play, request) = Play::listing(&["romeo", "mercutio", "tybalt"]);
    for version in [0, 2] {
        play.tell(&request, version, true, &[("romeo", "active", "")]);
        play.tell(&request, version + 1, false, &[("mercutio", "active", ""), ("tybalt", "", "")]);
        play.bench.pass(MINUTE);
        assert_eq!(play.whom(), Vec::<String>::new());
    }
    assert_eq!(play.told(), ["romeo says yes", "romeo is here", "mercutio says yes", "mercutio is here"]);
}

#[test]
fn whom_the_list_knows_and_nobody_watched_yet_is_seen_at_once() {
    let (mut play, request) = Play::listing(&["romeo"]);
    play.tell(&request, 0, true, &[("romeo", "active", ""), ("mercutio", "active", "")]);
    play.tell(&request, 1, true, &[("romeo", "", ""), ("mercutio", "", "")]);
    play.told();
    play.juliet("subscribe", "mercutio");
    assert_eq!(play.told(), ["mercutio says yes", "mercutio is here"]);
    play.bench.pass(MINUTE);
    play.juliet("subscribe", "benvolio");
    assert_eq!(play.whom(), ["benvolio 3600"], "the list has told what it had");
}

#[test]
fn a_list_that_there_is_not_leaves_everybody_to_himself() {
    for status in [403, 404, 405, 420, 489, 500] {
        let mut play = Play::new();
        play.juliet("subscribe", "romeo");
        play.juliet("subscribe", "mercutio");
        let list = play.asked().remove(0).0;
        play.bench.answer(&list, status);
        let mut whom = play.whom();
        whom.sort();
        assert_eq!(whom, ["mercutio 3600", "romeo 3600"], "{status}");
        assert_eq!(play.told(), Vec::<String>::new(), "{status}: no roster hears of it");
        play.juliet("subscribe", "benvolio");
        assert_eq!(play.whom(), ["benvolio 3600"], "{status}");
    }
}

#[test]
fn an_address_that_tells_of_one_user_or_of_none_is_no_list() {
    let pidf = "<presence xmlns='urn:ietf:params:xml:ns:pidf' entity='pres:juliet-list@sip.example'/>";
    let (mut play, request) = Play::listing(&["romeo"]);
    play.notify(&request, "active;expires=3600", "application/pidf+xml", pidf);
    assert_eq!(play.whom(), ["juliet-list 0", "romeo 3600"]);
    let (mut play, request) = Play::listing(&["romeo"]);
    play.notify(&request, "active;expires=3600", "", "");
    assert_eq!(play.whom(), Vec::<String>::new());
    play.bench.pass(41 * SECOND);
    assert_eq!(play.whom(), ["romeo 3600"]);
}

#[test]
fn a_contact_who_refuses_is_out_of_the_roster_and_the_others_stay() {
    let (mut play, request) = Play::listing(&["romeo", "tybalt", "nobody"]);
    let rows = [("romeo", "active", ""), ("tybalt", "pending", ""), ("nobody", "terminated", "noresource")];
    play.tell(&request, 0, true, &rows);
    assert_eq!(play.told(), ["romeo says yes", "romeo is here", "nobody ?", "nobody says no"]);
    play.tell(&request, 1, false, &[("tybalt", "terminated", "rejected")]);
    assert_eq!(play.told(), ["tybalt says no"]);
    play.tell(&request, 2, false, &[("romeo", "active", "closed")]);
    assert_eq!(play.told(), ["romeo is away"]);
    assert_eq!(play.whom(), Vec::<String>::new());
}

#[test]
fn of_whom_the_list_has_nothing_that_can_be_read_is_asked_himself() {
    let (mut play, request) = Play::listing(&["romeo", "mercutio"]);
    let (media_type, body) = document(0, true, &[("romeo", "active", ""), ("mercutio", "active", "")]);
    play.notify(&request, "active;expires=3600", &media_type, &body.replace("cid='mercutio@rls'", "cid='?'"));
    assert_eq!(play.told(), ["romeo says yes", "romeo is here"]);
    assert_eq!(play.whom(), ["mercutio 3600"]);
    let (media_type, body) = document(1, false, &[("romeo", "active", "closed")]);
    play.notify(&request, "active;expires=3600", &media_type, &body.replace("<basic>", "<what>"));
    assert_eq!(play.told(), Vec::<String>::new(), "what was told stands");
    assert_eq!(play.whom(), Vec::<String>::new());
}

#[test]
fn one_list_says_nothing_of_the_users_of_another_domain() {
    let (mut play, request) = Play::listing(&["romeo"]);
    let (media_type, body) = document(0, true, &[("romeo", "active", "")]);
    let body = body.replace("uri='sip:romeo@sip.example'", "uri='sip:romeo@gw.example'");
    play.notify(&request, "active;expires=3600", &media_type, &body);
    assert_eq!(play.told(), Vec::<String>::new());
    play.bench.pass(limits::LIST_REST);
    assert_eq!(play.whom(), ["romeo 3600"]);
}

#[test]
fn when_a_list_is_lost_what_is_shown_stays_for_its_grace_and_then_each_is_asked_himself() {
    let (mut play, request) = Play::listing(&["romeo", "mercutio"]);
    play.tell(&request, 0, true, &[("romeo", "active", ""), ("mercutio", "pending", "")]);
    play.told();
    play.notify(&request, "terminated;reason=giveup", "", "");
    let own = play.asked().into_iter().find(|(_, whom)| whom == "mercutio 3600").expect("nothing was seen of him").0;
    play.bench.answer(&own, 200);
    play.notify(&own, "pending;expires=3600", "", "");
    play.bench.pass(119 * SECOND);
    assert_eq!(play.told(), Vec::<String>::new());
    assert!(!play.whom().contains(&"romeo 3600".to_owned()));
    play.bench.pass(2 * SECOND);
    assert_eq!(play.told(), ["romeo is away", "romeo is away"], "his resource, and he");
    assert!(play.whom().contains(&"romeo 3600".to_owned()));
}

#[test]
fn the_list_ends_with_the_last_who_needs_it() {
    let (mut play, request) = Play::listing(&["romeo", "mercutio"]);
    play.tell(&request, 0, true, &[("romeo", "active", ""), ("mercutio", "active", "")]);
    play.told();
    play.juliet("unsubscribe", "romeo");
    assert_eq!(play.told(), ["romeo is away", "romeo says no"]);
    assert_eq!(play.whom(), Vec::<String>::new());
    play.tell(&request, 1, false, &[("romeo", "active", "closed")]);
    assert_eq!(play.told(), Vec::<String>::new());
    play.juliet("unsubscribe", "mercutio");
    assert_eq!(play.whom(), ["juliet-list 0"]);
}

#[test]
fn a_list_has_one_dialog_whoever_else_answers() {
    let (mut play, request) = Play::listing(&["romeo"]);
    play.tell(&request, 0, true, &[("romeo", "active", "")]);
    assert_eq!(play.bench.statuses(), [200]);
    play.tag = "other";
    play.tell(&request, 1, false, &[("romeo", "active", "closed")]);
    assert_eq!(play.bench.statuses(), [481]);
    assert_eq!(play.told(), ["romeo says yes", "romeo is here"]);
}

#[test]
fn other_packages_are_asked_for_one_by_one() {
    let mut play = Play::with(|settings| {
        settings.routes[0].1.presence.watch = vec![Package::Presence, Package::Dialog];
    });
    play.juliet("subscribe", "romeo");
    let mut asked: Vec<_> = play.asked().into_iter().map(|(one, whom)| whom + " " + &text(&one, Name::EVENT)).collect();
    asked.sort();
    assert_eq!(asked, ["juliet-list 3600 presence", "romeo 3600 dialog"]);
}

#[test]
fn after_a_restart_the_list_goes_on_and_nobody_is_asked_himself() {
    let (mut play, request) = Play::listing(&["romeo", "mercutio"]);
    play.tell(&request, 0, true, &[("romeo", "active", ""), ("mercutio", "active", "")]);
    play.told();
    assert_eq!(play.dialogs(), ["juliet-list@sip.example"]);
    let mut play = play.restarted();
    let mut whom = Vec::new();
    for _ in 0..301 {
        play.bench.pass(SECOND);
        whom.extend(play.asked());
        if !whom.is_empty() {
            break;
        }
    }
    assert!(!whom.is_empty() && whom.iter().all(|(_, whom)| whom == "juliet-list 3600"), "{whom:?}");
    let refresh = whom.remove(0).0;
    assert_eq!(text(&refresh, Name::CALL_ID), text(&request, Name::CALL_ID));
    assert_eq!(text(&refresh, Name::SUPPORTED), "eventlist");
    play.bench.answer(&refresh, 200);
    play.cseq = 50;
    play.tell(&request, 7, true, &[("romeo", "active", ""), ("mercutio", "active", "closed")]);
    assert_eq!(play.told(), ["romeo is here", "mercutio is away"]);
    play.bench.pass(10 * MINUTE);
    assert!(play.whom().iter().all(|whom| whom.starts_with("juliet-list")), "all are covered");
}

#[test]
fn after_a_restart_without_its_dialog_the_list_begins_once_for_all() {
    let (mut play, request) = Play::listing(&["romeo", "mercutio", "benvolio"]);
    let rows = [("romeo", "active", ""), ("mercutio", "active", ""), ("benvolio", "active", "")];
    play.tell(&request, 0, true, &rows);
    play.told();
    play.records.retain(|record| matches!(record, Record::Authorization(_)));
    let mut play = play.restarted();
    for _ in 0..301 {
        play.bench.pass(SECOND);
        if let Some((anew, whom)) = play.asked().pop() {
            assert_eq!(whom, "juliet-list 3600");
            play.bench.answer(&anew, 200);
            play.tell(&anew, 0, true, &rows);
            assert_eq!(play.told(), ["romeo is here", "mercutio is here", "benvolio is here"]);
        }
    }
    play.bench.pass(10 * MINUTE);
    assert_eq!(play.whom(), Vec::<String>::new());
}

#[test]
fn a_list_that_names_nobody_time_and_again_leaves_no_timer_for_each() {
    let (mut play, request) = Play::listing(&["romeo", "mercutio"]);
    let before = play.bench.gateway.timers.len();
    (1..=1_000).for_each(|version| play.tell(&request, version, true, &[]));
    assert!(play.bench.gateway.timers.len() < before + 20, "{before}, then {}", play.bench.gateway.timers.len());
}
