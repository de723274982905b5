//! SIP users watch XMPP users: what each side hears, in virtual time.

use std::time::Duration;

use super::bench::Bench;
use crate::gateway::Input;
use crate::sip::endpoint::{Flow, Inbound};
use crate::sip::locate::Transport;
use crate::sip::message::header::SubscriptionState;
use crate::sip::message::{Message, Name, Request, Response, wire};
use crate::xmpp::stanza::Stanza;

pub(super) const SECOND: Duration = Duration::from_secs(1);

/// A phone of romeo@sip.example that watches somebody at xmpp.example.
pub(super) struct Phone {
    call: String,
    pub(super) cseq: u32,
    pub(super) from: &'static str,
    pub(super) target: String,
    /// The To of what it sends in the dialog, once there is one.
    to: Option<String>,
    more: String,
    sent: u32,
}

impl Phone {
    pub(super) fn new(call: &str) -> Self {
        Self {
            call: call.to_owned(),
            cseq: 0,
            from: "<sip:romeo@sip.example>",
            target: "juliet@xmpp.example".to_owned(),
            to: None,
            more: String::new(),
            sent: 0,
        }
    }

    pub(super) fn watching(call: &str, target: &str) -> Self {
        Self { target: target.to_owned(), ..Self::new(call) }
    }

    pub(super) fn with(call: &str, more: &str) -> Self {
        Self { more: more.to_owned(), ..Self::new(call) }
    }

    pub(super) fn request(&mut self, headers: &str) -> Input {
        self.cseq += 1;
        self.sent += 1;
        let (call, cseq, sent, from, target) = (&self.call, self.cseq, self.sent, self.from, &self.target);
        let to = self.to.clone().unwrap_or_else(|| format!("<sip:{target}>"));
        let more = &self.more;
        let text = format!(
            "SUBSCRIBE sip:{target} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-{call}-{sent};rport\r\n\
             Max-Forwards: 70\r\nFrom: {from};tag=xfg9\r\nTo: {to}\r\nCall-ID: {call}\r\nCSeq: {cseq} SUBSCRIBE\r\n\
             Contact: <sip:romeo@192.0.2.10:5060;gr=dr4hcr0st3lup4c>\r\n{}{more}{headers}Content-Length: 0\r\n\r\n",
            if headers.contains("Event") || more.contains("Event") { "" } else { "Event: presence\r\n" },
        );
        let message = wire::parse(text.as_bytes()).unwrap();
        let flow = Flow {
            transport: Transport::Udp,
            local: "10.0.0.1:5060".parse().unwrap(),
            remote: "192.0.2.10:5060".parse().unwrap(),
            id: 0,
        };
        Input::Sip(Inbound { message, flow })
    }

    /// Sends a SUBSCRIBE with these headers and takes the answer.
    pub(super) fn subscribe(&mut self, bench: &mut Bench, headers: &str) -> Heard {
        let input = self.request(headers);
        bench.input(input);
        let heard = Heard::of(bench);
        let to = heard.responses.first().and_then(|response| response.headers.text(Name::TO).map(|to| to.into_owned()));
        if heard.status() == Some(200) {
            self.to = to;
        }
        heard
    }
}

/// What came out on the SIP side, repetitions aside.
pub(super) struct Heard {
    responses: Vec<Response>,
    pub(super) notifies: Vec<Request>,
}

impl Heard {
    pub(super) fn of(bench: &mut Bench) -> Self {
        let (mut responses, mut notifies) = (Vec::new(), Vec::new());
        for transmit in bench.transmits().into_iter().filter(|transmit| !transmit.again) {
            match wire::parse(&transmit.bytes).unwrap() {
                Message::Request(request) => notifies.push(request),
                Message::Response(response) => responses.push(response),
            }
        }
        Self { responses, notifies }
    }

    pub(super) fn status(&self) -> Option<u16> {
        self.responses.first().map(|response| response.status.code())
    }

    pub(super) fn header(&self, name: Name<'static>) -> Option<String> {
        self.responses.first()?.headers.text(name).map(|text| text.into_owned())
    }

    /// The states that were told.
    pub(super) fn states(&self) -> Vec<String> {
        self.notifies.iter().map(state).collect()
    }
}

pub(super) fn state(notify: &Request) -> String {
    let state = notify.headers.find::<SubscriptionState>().unwrap().unwrap();
    let mut text = state.state;
    for (name, value) in state.params.iter() {
        text.push_str(&format!(";{name}={}", value.unwrap_or_default()));
    }
    text
}

pub(super) fn body(notify: &Request) -> String {
    String::from_utf8(notify.body().to_vec()).unwrap()
}

/// Presence that came out: to whom and of which kind.
pub(super) fn said(bench: &mut Bench) -> Vec<String> {
    let line = |stanza: Stanza| match stanza {
        Stanza::Presence(presence) => {
            let kind = presence.kind.as_str().unwrap_or("available");
            let of = |jid: &Option<crate::xmpp::jid::Jid>| jid.as_ref().unwrap().as_str().to_owned();
            Some(format!("{kind} {} {}", of(&presence.from), of(&presence.to)))
        }
        Stanza::Message(_) | Stanza::Iq(_) => None,
    };
    bench.stanzas().into_iter().filter_map(line).collect()
}

pub(super) const SUBSCRIBE: &str = "subscribe romeo@sip.example juliet@xmpp.example";
pub(super) const PROBE: &str = "probe romeo@sip.example juliet@xmpp.example";

/// A stanza of juliet's to romeo.
pub(super) fn juliet(bench: &mut Bench, resource: &str, attributes: &str, content: &str) {
    bench.stanza(&format!(
        "<presence from='juliet@xmpp.example{resource}' to='romeo@sip.example' {attributes}>{content}</presence>"
    ));
}

pub(super) fn answer_all(bench: &mut Bench, heard: &Heard, status: u16) {
    for notify in &heard.notifies {
        bench.answer(notify, status);
    }
}

/// A phone whose user may watch juliet, who is there with one client; everything is answered.
pub(super) fn allowed(bench: &mut Bench, call: &str) -> Phone {
    let mut phone = Phone::new(call);
    let heard = phone.subscribe(bench, "");
    answer_all(bench, &heard, 200);
    juliet(bench, "", "type='subscribed'", "");
    let heard = Heard::of(bench);
    answer_all(bench, &heard, 200);
    juliet(bench, "/yn0cl4bnw0yr3vym", "", "<show>away</show>");
    let heard = Heard::of(bench);
    answer_all(bench, &heard, 200);
    for ping in bench.pings() {
        bench.pong(&ping);
    }
    bench.pass(10 * SECOND);
    said(bench);
    phone
}

#[test]
fn a_watcher_is_pending_until_the_user_says_yes_and_then_sees_her() {
    let mut bench = Bench::new();
    let heard = Phone::new("c1").subscribe(&mut bench, "");
    assert_eq!((heard.status(), heard.header(Name::EXPIRES).as_deref()), (Some(200), Some("3600")));
    assert_eq!(heard.states(), ["pending;expires=3600"]);
    assert!(heard.notifies[0].body().is_empty());
    assert_eq!(said(&mut bench), [SUBSCRIBE]);
    answer_all(&mut bench, &heard, 200);
    bench.pass(SECOND);
    juliet(&mut bench, "", "type='subscribed'", "");
    let heard = Heard::of(&mut bench);
    assert_eq!(heard.states(), ["active;expires=3599"]);
    assert!(heard.notifies[0].body().is_empty(), "nothing is known yet");
    answer_all(&mut bench, &heard, 200);
    juliet(&mut bench, "/yn0cl4bnw0yr3vym", "", "<show>away</show>");
    let heard = Heard::of(&mut bench);
    assert_eq!(heard.states(), ["active;expires=3599"]);
    let notify = &heard.notifies[0];
    assert_eq!(notify.headers.text(Name::CONTENT_TYPE).as_deref(), Some("application/pidf+xml"));
    let text = body(notify);
    assert!(text.contains("ID-yn0cl4bnw0yr3vym") && text.contains(">away<") && text.contains(">open<"), "{text}");
    assert_eq!(notify.uri.as_str(), "sip:romeo@192.0.2.10:5060;gr=dr4hcr0st3lup4c");
    assert_eq!(notify.headers.from().unwrap().uri.as_str(), "sip:juliet@xmpp.example");
    assert_eq!(notify.headers.to().unwrap().uri.as_str(), "sip:romeo@sip.example");
    assert_eq!(notify.headers.to().unwrap().tag().as_deref(), Some("xfg9"));
    assert_eq!(notify.headers.cseq().unwrap().number, 3);
}

#[test]
fn a_user_who_says_no_is_not_asked_again_for_a_while() {
    let mut bench = Bench::new();
    let heard = Phone::new("c1").subscribe(&mut bench, "");
    answer_all(&mut bench, &heard, 200);
    said(&mut bench);
    juliet(&mut bench, "", "type='unsubscribed'", "");
    let heard = Heard::of(&mut bench);
    assert_eq!(heard.states(), ["terminated;reason=rejected"]);
    assert!(heard.notifies[0].body().is_empty());
    assert_eq!(Phone::new("c2").subscribe(&mut bench, "").status(), Some(403));
    assert!(said(&mut bench).is_empty());
    bench.pass(8 * 86_400 * SECOND);
    bench.transmits();
    assert_eq!(Phone::new("c3").subscribe(&mut bench, "").status(), Some(200));
    assert_eq!(said(&mut bench), [SUBSCRIBE]);
}

#[test]
fn two_phones_of_one_watcher_share_one_question() {
    let mut bench = Bench::new();
    let (mut one, mut two) = (Phone::new("c1"), Phone::new("c2"));
    for phone in [&mut one, &mut two] {
        let heard = phone.subscribe(&mut bench, "");
        assert_eq!(heard.states(), ["pending;expires=3600"]);
        answer_all(&mut bench, &heard, 200);
    }
    assert_eq!(said(&mut bench), [SUBSCRIBE]);
    juliet(&mut bench, "", "type='subscribed'", "");
    let heard = Heard::of(&mut bench);
    assert_eq!(heard.states().len(), 2);
    answer_all(&mut bench, &heard, 200);
    juliet(&mut bench, "/a", "", "");
    let heard = Heard::of(&mut bench);
    assert_eq!(heard.notifies.len(), 2);
    answer_all(&mut bench, &heard, 200);
    let third = Phone::new("c3").subscribe(&mut bench, "");
    assert_eq!(third.states(), ["active;expires=3600"]);
    assert!(body(&third.notifies[0]).contains("ID-a"), "what is known is told at once");
    assert!(said(&mut bench).iter().all(|stanza| stanza == PROBE), "nobody is asked again");
}

#[test]
fn a_refresh_is_answered_with_all_that_is_known() {
    let mut bench = Bench::new();
    let mut phone = allowed(&mut bench, "c1");
    let heard = phone.subscribe(&mut bench, "Expires: 100\r\n");
    assert_eq!((heard.status(), heard.header(Name::EXPIRES).as_deref()), (Some(200), Some("100")));
    assert!(heard.header(Name::CONTACT).is_some_and(|contact| contact.contains("juliet@10.0.0.1:5060")));
    assert_eq!(heard.states(), ["active;expires=100"]);
    assert!(body(&heard.notifies[0]).contains(">away<"));
    answer_all(&mut bench, &heard, 200);
    phone.cseq = 0;
    assert_eq!(phone.subscribe(&mut bench, "").status(), Some(500), "a lower CSeq (RFC 3261 section 12.2.2)");
    phone.cseq = 10;
    assert_eq!(phone.subscribe(&mut bench, "Event: presence;id=1\r\n").status(), Some(481));
    assert!(said(&mut bench).is_empty());
    bench.pass(101 * SECOND);
    let heard = Heard::of(&mut bench);
    assert_eq!(heard.states(), ["terminated;reason=timeout"]);
    assert!(heard.notifies[0].body().is_empty());
    assert_eq!(phone.subscribe(&mut bench, "").status(), Some(481));
    assert!(said(&mut bench).is_empty(), "an end by time is nobody's business (A-PRES-14)");
    let again = Phone::new("c2").subscribe(&mut bench, "");
    assert_eq!(again.states(), ["active;expires=3600"]);
    assert!(body(&again.notifies[0]).contains(">away<"), "what was cached is told at once");
    assert!(said(&mut bench).is_empty(), "nobody is asked again");
}

#[test]
fn who_stops_watching_sees_her_closed_and_what_she_allowed_stays() {
    let mut bench = Bench::new();
    let mut phone = allowed(&mut bench, "c1");
    let heard = phone.subscribe(&mut bench, "Expires: 0\r\n");
    assert_eq!((heard.status(), heard.header(Name::EXPIRES).as_deref()), (Some(200), Some("0")));
    assert_eq!(heard.states(), ["terminated;reason=timeout"]);
    let text = body(&heard.notifies[0]);
    assert!(text.contains("ID-yn0cl4bnw0yr3vym") && text.contains(">closed<") && !text.contains("away"), "{text}");
    assert_eq!(said(&mut bench), ["unavailable romeo@sip.example juliet@xmpp.example"]);
    // Her server goes on telling, which costs nobody anything and is there for the next.
    juliet(&mut bench, "/yn0cl4bnw0yr3vym", "", "<show>dnd</show>");
    assert!(Heard::of(&mut bench).notifies.is_empty());
    let poll = Phone::new("c2").subscribe(&mut bench, "Expires: 0\r\n");
    assert_eq!(poll.states(), ["terminated;reason=timeout"]);
    assert!(body(&poll.notifies[0]).contains(">dnd<"));
    assert!(said(&mut bench).is_empty());
}

#[test]
fn every_resource_is_a_tuple_of_one_document() {
    let mut bench = Bench::new();
    allowed(&mut bench, "c1");
    let mut tell = |resource: &str, attributes: &str| {
        juliet(&mut bench, resource, attributes, "");
        bench.pass(6 * SECOND);
        let heard = Heard::of(&mut bench);
        answer_all(&mut bench, &heard, 200);
        heard.notifies.iter().map(body).collect::<String>()
    };
    let both = tell("/tablet", "");
    assert!(both.contains("ID-tablet") && both.contains("ID-yn0cl4bnw0yr3vym"), "{both}");
    assert!(tell("/tablet", "").is_empty(), "nothing new is nothing to tell");
    let one = tell("/yn0cl4bnw0yr3vym", "type='unavailable'");
    assert!(one.contains("ID-tablet") && !one.contains("ID-yn0cl4bnw0yr3vym"), "{one}");
    let none = tell("/tablet", "type='unavailable'");
    assert!(none.contains(">closed<") && !none.contains(">open<"), "{none}");
    for kind in ["subscribed", "unsubscribe", "probe", "error"] {
        assert!(tell("/tablet", &format!("type='{kind}'")).is_empty(), "{kind}");
    }
}

#[test]
fn what_her_server_says_of_the_question_ends_it() {
    for (condition, kind, state, again) in [
        ("item-not-found", "cancel", "terminated;reason=noresource", Some(200)),
        ("remote-server-not-found", "cancel", "terminated;reason=noresource", Some(200)),
        ("forbidden", "auth", "terminated;reason=rejected", Some(403)),
        ("remote-server-timeout", "wait", "terminated;reason=probation;retry-after=300", Some(200)),
    ] {
        let mut bench = Bench::new();
        let heard = Phone::new("c1").subscribe(&mut bench, "");
        answer_all(&mut bench, &heard, 200);
        said(&mut bench);
        let error = format!("<error type='{kind}'><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>");
        juliet(&mut bench, "", "type='error'", &error);
        assert_eq!(Heard::of(&mut bench).states(), [state], "{condition}");
        assert_eq!(Phone::new("c2").subscribe(&mut bench, "").status(), again, "{condition}");
    }
}

#[test]
fn one_word_of_the_bare_address_is_of_all_devices() {
    let mut bench = Bench::new();
    allowed(&mut bench, "c1");
    let mut tell = |resource: &str, attributes: &str| {
        juliet(&mut bench, resource, attributes, "");
        bench.pass(6 * SECOND);
        let heard = Heard::of(&mut bench);
        answer_all(&mut bench, &heard, 200);
        heard.notifies.iter().map(body).collect::<String>()
    };
    tell("/tablet", "");
    let none = tell("", "type='unavailable'");
    assert!(none.contains(">closed<") && !none.contains(">open<"), "{none}");
}
