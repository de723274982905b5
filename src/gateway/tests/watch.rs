//! XMPP users watch SIP users: the decision table of RFC 8048 section 5.2 with its later clarifications.

mod seen;

use std::time::Duration;

use super::bench::Bench;
use crate::gateway::record::{Authorization, Kind, Package, Record, Write};
use crate::gateway::{Input, Settings};
use crate::sip::message::{Message, Request, wire};
use crate::xmpp::stanza::{Condition, Presence, PresenceKind, Stanza};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// Juliet at the gateway, and Romeo's presence agent.
pub(super) struct Play {
    pub(super) bench: Bench,
    pub(super) writes: Vec<Write>,
    pub(super) cseq: u32,
    /// Where Romeo says that he is.
    pub(super) contact: &'static str,
    /// Where his NOTIFYs come from.
    pub(super) from: &'static str,
}

impl Play {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with(change: fn(&mut Settings)) -> Self {
        Self {
            bench: Bench::with(change),
            writes: Vec::new(),
            cseq: 0,
            contact: "sip:192.0.2.10",
            from: "192.0.2.10:5060",
        }
    }

    pub(super) fn juliet(&mut self, kind: &str) {
        self.bench.stanza(&format!("<presence from='juliet@xmpp.example' to='romeo@sip.example' type='{kind}'/>"));
    }

    /// She has asked, and this SUBSCRIBE went out.
    pub(super) fn asked(&mut self) -> Request {
        self.juliet("subscribe");
        self.subscribe()
    }

    /// The one SUBSCRIBE that went out.
    pub(super) fn subscribe(&mut self) -> Request {
        let mut requests = self.bench.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests.remove(0)
    }

    /// The next SUBSCRIBE, within `most`.
    pub(super) fn next_subscribe(&mut self, most: Duration) -> Request {
        for _ in 0..most.as_secs() {
            self.bench.pass(SECOND);
            if let Some(request) = self.bench.requests().pop() {
                return request;
            }
        }
        panic!("nothing came in {most:?}");
    }

    /// She has asked, and Romeo has said yes.
    pub(super) fn granted() -> (Self, Request) {
        let mut play = Self::new();
        let request = play.asked();
        play.bench.answer(&request, 200);
        play.notify(&request, "active;expires=3600", Some(&open("r1", "")));
        play.told();
        (play, request)
    }

    /// Her server has probed, that poll was refused, and this SUBSCRIBE went out instead.
    fn sought(refused: u16) -> (Self, Request) {
        let mut play = Self::new();
        play.juliet("probe");
        let poll = play.subscribe();
        play.bench.answer(&poll, refused);
        let request = play.next_subscribe(60 * SECOND);
        assert!(text(&request).contains("\r\nExpires: 3600\r\n"), "{}", text(&request));
        (play, request)
    }

    pub(super) fn notify(&mut self, subscribe: &Request, state: &str, body: Option<&str>) {
        self.notify_of(subscribe, state, "presence", "application/pidf+xml", body);
    }

    fn notify_of(&mut self, subscribe: &Request, state: &str, package: &str, media_type: &str, body: Option<&str>) {
        self.cseq += 1;
        let header = |name: &str| {
            let text = text(subscribe);
            let line = text.lines().find(|line| line.starts_with(&format!("{name}: "))).map(str::to_owned);
            line.map(|line| line[name.len() + 2..].to_owned()).unwrap_or_default()
        };
        let contact = header("Contact");
        let uri = contact.trim_start_matches('<').split('>').next().unwrap_or_default();
        let to = header("To").split(";tag=").next().unwrap_or_default().to_owned();
        let body = body.unwrap_or_default();
        let kind = if body.is_empty() { String::new() } else { format!("Content-Type: {media_type}\r\n") };
        let notify = format!(
            "NOTIFY {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-n{cseq};rport\r\nMax-Forwards: 70\r\n\
             From: {to};tag=agent\r\nTo: {from}\r\nCall-ID: {call}\r\nCSeq: {cseq} NOTIFY\r\nContact: <{contact}>\r\n\
             Event: {package}\r\nSubscription-State: {state}\r\n{kind}Content-Length: {length}\r\n\r\n{body}",
            cseq = self.cseq,
            contact = self.contact,
            from = header("From"),
            call = header("Call-ID"),
            length = body.len(),
        );
        let Message::Request(request) = wire::parse(notify.as_bytes()).unwrap() else { panic!("a request") };
        self.bench.hear_from(self.from, Message::Request(request));
    }

    /// The presence that Juliet's server was told since.
    pub(super) fn told(&mut self) -> Vec<Presence> {
        self.bench.gateway.take_writes(&mut self.writes);
        let presence = |stanza| match stanza {
            Stanza::Presence(presence) => Some(presence),
            // What somebody does comes beside his presence (XEP-0108).
            Stanza::Message(_) | Stanza::Iq(_) => None,
        };
        self.bench.told().into_iter().filter_map(presence).collect()
    }

    pub(super) fn kinds(&mut self) -> Vec<PresenceKind> {
        self.told().iter().map(|presence| presence.kind).collect()
    }

    /// The authorization as the store has it, if it is none that was refused.
    fn kept(&mut self) -> Option<Authorization> {
        self.bench.gateway.take_writes(&mut self.writes);
        let mut kept = None;
        for write in &self.writes {
            match write {
                Write::Put(record) => {
                    if let Record::Authorization(record) = record.as_ref() {
                        kept = Some(record.state).filter(|state| *state != Authorization::Refused);
                    }
                }
                Write::Drop(Kind::Authorization, _) => kept = None,
                Write::Drop(Kind::Dialog | Kind::Publication, _) => {}
            }
        }
        kept
    }
}

fn text(request: &Request) -> String {
    let mut bytes = Vec::new();
    request.print(&mut bytes);
    String::from_utf8(bytes).unwrap()
}

/// A document in which Romeo is there.
pub(super) fn open(id: &str, note: &str) -> String {
    let note = if note.is_empty() { String::new() } else { format!("<note>{note}</note>") };
    format!(
        "<presence xmlns='urn:ietf:params:xml:ns:pidf' entity='pres:romeo@sip.example'>\
         <tuple id='ID-{id}'><status><basic>open</basic></status>{note}</tuple></presence>"
    )
}

fn closed() -> &'static str {
    "<presence xmlns='urn:ietf:params:xml:ns:pidf' entity='pres:romeo@sip.example'>\
     <tuple id='ID-r1'><status><basic>closed</basic></status></tuple></presence>"
}

#[test]
fn who_asks_hears_nothing_before_the_sip_user_has_agreed() {
    let mut play = Play::new();
    let request = play.asked();
    assert_eq!(request.method.as_str(), "SUBSCRIBE");
    assert_eq!(play.kept(), Some(Authorization::Asked));
    play.bench.answer(&request, 200);
    play.notify(&request, "pending;expires=3600", None);
    play.notify(&request, "pending;expires=3600", Some(&open("r1", "too early")));
    assert_eq!(play.kinds(), []);
    play.notify(&request, "active;expires=3600", Some(&open("r1", "Here")));
    let told = play.told();
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!((told[0].kind, told[1].kind), (PresenceKind::Subscribed, PresenceKind::Available));
    assert_eq!(told[1].from.as_ref().unwrap().as_str(), "romeo@sip.example/r1");
    assert_eq!(play.kept(), Some(Authorization::Granted));
}

#[test]
fn an_empty_first_notification_is_an_absent_user_and_a_later_one_is_nothing() {
    let mut play = Play::new();
    let request = play.asked();
    play.notify(&request, "active;expires=3600", None);
    play.bench.answer(&request, 200);
    assert_eq!(play.kinds(), [PresenceKind::Subscribed, PresenceKind::Unavailable]);
    play.notify(&request, "active;expires=3600", Some(&open("r1", "")));
    assert_eq!(play.kinds(), [PresenceKind::Available]);
    play.notify(&request, "active;expires=3600", None);
    play.notify(&request, "active;expires=3600", Some(&open("r1", "")));
    assert_eq!(play.kinds(), [], "nothing has changed");
}

#[test]
fn tuples_that_vanish_are_unavailable_and_the_others_stay() {
    let (mut play, request) = Play::granted();
    let both = open("r1", "").replace("</presence>", "")
        + open("r2", "")
            .split_once("<tuple")
            .map(|(_, rest)| rest)
            .map(|rest| format!("<tuple{rest}"))
            .unwrap()
            .as_str();
    play.notify(&request, "active", Some(&both));
    let told = play.told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].from.as_ref().unwrap().resource(), Some("r2"));
    play.notify(&request, "active", Some(&open("r2", "")));
    let told = play.told();
    assert_eq!((told.len(), told[0].kind), (1, PresenceKind::Unavailable));
    assert_eq!(told[0].from.as_ref().unwrap().resource(), Some("r1"));
}

#[test]
fn a_refusal_ends_the_authorization_and_the_roster_hears_it() {
    for status in [403, 489, 603] {
        let mut play = Play::new();
        let request = play.asked();
        play.bench.answer(&request, status);
        assert_eq!(play.kinds(), [PresenceKind::Unsubscribed], "{status}");
        assert_eq!(play.kept(), None);
    }
    let (mut play, request) = Play::granted();
    play.notify(&request, "terminated;reason=rejected", None);
    assert_eq!(play.kinds(), [PresenceKind::Unavailable, PresenceKind::Unsubscribed]);
    assert_eq!(play.kept(), None);
}

#[test]
fn nothing_short_of_a_refusal_touches_the_roster() {
    for reason in
        ["deactivated", "timeout", "probation;retry-after=10", "giveup", "noresource", "invariant", "whatever"]
    {
        let (mut play, request) = Play::granted();
        play.notify(&request, &format!("terminated;reason={reason}"), None);
        play.bench.pass(HOUR);
        let roster = play.kinds().into_iter().filter(|kind| *kind == PresenceKind::Unsubscribed).count();
        assert_eq!((roster, play.kept()), (0, Some(Authorization::Granted)), "{reason}");
    }
    for status in [408, 480, 481, 500, 503] {
        let (mut play, _) = Play::granted();
        let refresh = play.next_subscribe(HOUR);
        play.bench.answer(&refresh, status);
        play.bench.pass(2 * HOUR);
        let kinds = play.kinds();
        assert!(!kinds.contains(&PresenceKind::Unsubscribed), "{status}: {kinds:?}");
        assert_eq!(play.kept(), Some(Authorization::Granted), "{status}");
    }
}

#[test]
fn a_user_who_does_not_exist_is_told_once_and_leaves_the_roster() {
    let mut play = Play::new();
    let request = play.asked();
    play.bench.answer(&request, 404);
    let told = play.told();
    assert_eq!(told.len(), 2, "{told:?}");
    let error = told[0].error().unwrap();
    assert_eq!((error.condition, told[1].kind), (Condition::ItemNotFound, PresenceKind::Unsubscribed));
    assert_eq!(play.kept(), None);
}

#[test]
fn an_agent_that_is_away_is_said_once_and_asked_again() {
    let mut play = Play::new();
    let request = play.asked();
    play.bench.answer(&request, 503);
    assert_eq!(play.kinds(), [PresenceKind::Error]);
    assert_eq!(play.kept(), Some(Authorization::Asked));
    play.bench.pass(2 * HOUR);
    assert!(!play.bench.requests().is_empty(), "it is tried again");
    assert_eq!(play.kinds(), [], "and not complained about twice");
}

#[test]
fn unsubscribing_ends_the_dialog_and_is_confirmed() {
    let (mut play, request) = Play::granted();
    play.juliet("unsubscribe");
    assert_eq!(play.kinds(), [PresenceKind::Unavailable]);
    assert_eq!(play.kept(), None);
    let last = play.subscribe();
    assert!(text(&last).contains("\r\nExpires: 0\r\n"), "{}", text(&last));
    play.bench.answer(&last, 200);
    play.notify(&request, "terminated;reason=timeout", Some(closed()));
    assert_eq!(play.kinds(), [PresenceKind::Unsubscribed]);
    play.juliet("unsubscribe");
    assert_eq!(play.kinds(), [PresenceKind::Unsubscribed], "she does not watch, and hears so");
}

#[test]
fn a_server_that_probes_for_its_user_is_answered_from_what_is_known() {
    let (mut play, _) = Play::granted();
    play.juliet("probe");
    assert_eq!(play.kinds(), [PresenceKind::Available]);
    assert!(play.bench.requests().is_empty(), "no SUBSCRIBE is needed");
    play.juliet("subscribe");
    assert_eq!(play.kinds(), [PresenceKind::Subscribed, PresenceKind::Available]);
}

#[test]
fn a_probe_for_somebody_unknown_is_a_poll_and_its_answer_takes_the_authorization_up() {
    let mut play = Play::new();
    play.juliet("probe");
    let poll = play.subscribe();
    assert!(text(&poll).contains("\r\nExpires: 0\r\n"), "{}", text(&poll));
    play.bench.answer(&poll, 200);
    play.notify(&poll, "terminated;reason=timeout", Some(&open("r1", "")));
    assert_eq!(play.kinds(), [PresenceKind::Available]);
    assert_eq!(play.kept(), Some(Authorization::Granted));
    assert_eq!(play.bench.requests().len(), 1, "it is watched again");
}

#[test]
fn a_server_without_polls_is_asked_for_a_subscription() {
    let (mut play, request) = Play::sought(400);
    play.bench.answer(&request, 503);
    assert_eq!((play.kinds(), play.kept()), (vec![], Some(Authorization::Asked)), "nobody asked, so nobody is told");
    let request = play.next_subscribe(HOUR);
    play.bench.answer(&request, 200);
    play.notify(&request, "active;expires=3600", Some(&open("r1", "")));
    assert_eq!(play.kinds(), [PresenceKind::Subscribed, PresenceKind::Available]);
}

#[test]
fn a_poll_that_is_empty_says_nothing() {
    let mut play = Play::new();
    play.juliet("probe");
    let poll = play.subscribe();
    play.bench.answer(&poll, 200);
    play.notify(&poll, "terminated;reason=timeout", None);
    assert_eq!((play.kinds(), play.kept()), (vec![], None));
}

#[test]
fn a_roster_hears_of_a_refusal_that_was_forgotten_when_its_server_probes() {
    let (mut play, request) = Play::sought(403);
    assert_eq!(play.kinds(), [], "one refusal of a poll is no answer");
    play.bench.answer(&request, 403);
    assert_eq!((play.kinds(), play.kept()), (vec![PresenceKind::Unsubscribed], None));
}

#[test]
fn a_roster_whose_server_probes_hears_nothing_of_a_user_who_is_not_there_today() {
    for ends in [Some(404), None] {
        let (mut play, request) = Play::sought(400);
        match ends {
            Some(status) => play.bench.answer(&request, status),
            None => {
                play.bench.answer(&request, 200);
                play.notify(&request, "terminated;reason=noresource", None);
            }
        }
        assert_eq!((play.kinds(), play.kept()), (vec![], None), "she has not asked today, and nobody has refused");
        play.juliet("probe");
        assert_eq!(play.bench.requests().len(), 1, "her server may ask again");
    }
}

#[test]
fn no_dialog_is_kept_for_a_watcher_who_is_away() {
    let (mut play, request) = Play::granted();
    for kind in ["", " type='unavailable'"] {
        play.bench.stanza(&format!("<presence from='juliet@xmpp.example/b' to='romeo@sip.example'{kind}/>"));
    }
    assert!(play.bench.requests().is_empty(), "she may come back");
    let last = play.next_subscribe(301 * SECOND);
    assert!(text(&last).contains("\r\nExpires: 0\r\n"), "{}", text(&last));
    play.bench.answer(&last, 200);
    play.notify(&request, "terminated;reason=timeout", Some(closed()));
    assert_eq!((play.kinds(), play.kept()), (vec![], Some(Authorization::Granted)));
    play.bench.pass(3 * HOUR);
    assert!(play.bench.requests().is_empty(), "nobody is asked for her");
    play.juliet("probe");
    let anew = play.subscribe();
    play.bench.answer(&anew, 200);
    play.notify(&anew, "active", Some(&open("r1", "")));
    assert_eq!(play.kinds(), [PresenceKind::Available]);
}

#[test]
fn what_a_broken_link_may_have_lost_is_told_when_it_is_back() {
    let (mut play, request) = Play::granted();
    play.bench.input(Input::LinkDown(0));
    play.notify(&request, "active", Some(&open("r1", "Gone fishing")));
    assert_eq!(play.kinds(), []);
    play.bench.input(Input::LinkUp(0));
    // The word that she may watch had not been confirmed either.
    assert_eq!(play.kinds(), [PresenceKind::Subscribed, PresenceKind::Available]);
}

#[test]
fn a_full_link_gets_the_last_state_when_it_has_room() {
    let (mut play, request) = Play::granted();
    play.notify(&request, "active", Some(&open("r1", "one")));
    for presence in play.told() {
        play.bench.input(Input::Unsent(0, Stanza::Presence(presence)));
    }
    play.notify(&request, "active", Some(&open("r1", "two")));
    play.bench.pass(SECOND);
    let told = play.told();
    assert_eq!(told.len(), 1, "{told:?}");
}

#[test]
fn a_phone_with_calls_but_without_presence_is_watched_all_the_same() {
    let mut play =
        Play::with(|settings| settings.routes[0].1.presence.watch = vec![Package::Presence, Package::Dialog]);
    play.juliet("subscribe");
    let requests = play.bench.requests();
    assert_eq!(requests.len(), 2);
    play.bench.answer(&requests[0], 489);
    assert_eq!(play.kinds(), [], "calls may still be told");
    play.bench.answer(&requests[1], 200);
    let info = "<dialog-info xmlns='urn:ietf:params:xml:ns:dialog-info' version='0' state='full' entity='sip:romeo@sip.example'>\
         <dialog id='1'><state>confirmed</state></dialog></dialog-info>";
    play.notify_of(&requests[1], "active;expires=3600", "dialog", "application/dialog-info+xml", Some(info));
    let told = play.told();
    assert_eq!((told[0].kind, told[1].kind), (PresenceKind::Subscribed, PresenceKind::Available));
    let words: Vec<_> = told[1].payload.iter().map(|child| child.text().into_owned()).collect();
    assert!(words.contains(&"dnd".to_owned()) && words.contains(&"On the phone".to_owned()), "{words:?}");
}

#[test]
fn too_many_subscriptions_are_refused_in_words() {
    let mut play = Play::with(|settings| settings.presence.per_watcher = 1);
    play.asked();
    play.bench.stanza("<presence from='juliet@xmpp.example' to='mercutio@sip.example' type='subscribe' id='2'/>");
    let told = play.told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].error().unwrap().condition, Condition::ResourceConstraint);
    assert!(play.bench.requests().is_empty());
}

#[test]
fn a_pair_is_explained_with_its_dialog_its_deadlines_and_what_is_shown() {
    let (play, request) = Play::granted();
    let lines = play.bench.gateway.explain_pair("romeo@sip.example", "juliet@xmpp.example", play.bench.now());
    let call = request.headers.call_id().unwrap();
    for (line, parts) in [
        (0, &["juliet@xmpp.example may watch romeo@sip.example since "][..]),
        (
            1,
            &[
                "presence is told; subscription active, dialog ",
                call,
                " with sip:192.0.2.10, ends in 36",
                "next step in 3",
            ],
        ),
        (2, &["shown: r1 available"]),
        (3, &["romeo@sip.example does not watch juliet@xmpp.example"]),
    ] {
        assert!(parts.iter().all(|part| lines[line].contains(part)), "{lines:#?}");
    }
    let strangers = play.bench.gateway.explain_pair("a@xmpp.example", "b@xmpp.example", play.bench.now());
    assert_eq!(strangers, ["neither is a SIP user of a [[domain]]"]);
}
