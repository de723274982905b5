//! A gateway is stopped while other servers write to it: whatever they wrote has its outcome.

use std::time::{Duration, Instant};

use super::rig::*;
use crate::net::rig::*;

/// From the order to stop to the end.
const AT_MOST: Duration = Duration::from_secs(5);

/// A gateway, and a server by hand that believes it.
fn rig() -> (Gate, Believer) {
    let one = Believer::new("one.example");
    let partner = partner(one.domain, one.addr(), "dialback", "");
    (Plan::new("a.example").start("", &partner, &["one.example"], ""), one)
}

fn message(id: &str) -> String {
    format!("<message from='juliet@one.example/x' to='romeo@a.example' id='{id}'><body>{id}</body></message>")
}

/// The stream on which the gateway sends, by a message that is confirmed on `hand`.
fn stream_of(gate: &Gate, one: &Believer, hand: &mut Hand) -> Hand {
    let call_id = gate.write("one.example", "hello");
    let mut out = one.accept("a.example");
    let asked = out.read_until("urn:xmpp:ping");
    let ping = &asked[asked.rfind("<iq").unwrap()..];
    let (from, to, id) = (attribute(ping, "from"), attribute(ping, "to"), attribute(ping, "id"));
    hand.send(&format!("<iq type='result' from='{to}' to='{from}' id='{id}'/>"));
    assert!(gate.answer(&call_id).starts_with("SIP/2.0 200 "));
    out
}

#[test]
fn everything_that_a_server_writes_until_it_sees_the_end_has_its_outcome() {
    let (mut gate, one) = rig();
    let mut hand = one.call(&gate);
    let mut out = stream_of(&gate, &one, &mut hand);
    hand.send(&message("before"));
    gate.hears("before");
    let ids: Vec<String> = (0..60).map(|number| format!("late-{number};")).collect();
    let (in_between, on_its_way) = ids.split_at(30);
    gate.stox.terminate();
    // Nobody knows on which side of the order to stop these come: what the phone gets it does not answer.
    in_between.iter().for_each(|id| hand.send(&message(id)));
    hand.read_until("</stream:stream>");
    // The server has written these before it read that.
    on_its_way.iter().for_each(|id| hand.send(&message(id)));
    hand.send("</stream:stream>");
    let told = out.read_until("</stream:stream>");
    for id in &ids {
        assert_eq!(told.matches(&format!("id='{id}'")).count(), 1, "{id}: {told}");
    }
    assert_eq!(told.matches("type='error'").count(), ids.len(), "{told}");
    out.send("</stream:stream>");
    assert_eq!(gate.stox.wait(AT_MOST).code(), Some(0));
    assert!(!gate.stox.log().contains("their senders are not told"), "{}", gate.stox.log());
}

#[test]
fn a_server_that_closes_at_once_is_not_waited_for_any_longer() {
    let (mut gate, one) = rig();
    let mut hand = one.call(&gate);
    let mut out = stream_of(&gate, &one, &mut hand);
    let began = Instant::now();
    gate.stox.terminate();
    hand.read_until("</stream:stream>");
    hand.send(&message("the last"));
    hand.send("</stream:stream>");
    let told = out.read_until("</stream:stream>");
    assert!(told.contains("id='the last'"), "{told}");
    out.send("</stream:stream>");
    assert_eq!(gate.stox.wait(AT_MOST).code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    gate.stox.wait_for_line(&["every message has had its outcome"]);
}

#[test]
fn a_server_that_does_not_close_does_not_hold_up_the_end() {
    let (mut gate, one) = rig();
    let mut hand = one.call(&gate);
    gate.stox.terminate();
    hand.read_until("</stream:stream>");
    assert_eq!(gate.stox.wait(AT_MOST).code(), Some(0));
}

#[test]
fn what_comes_too_late_on_a_stream_of_both_ways_is_counted() {
    let (mut gate, one) = rig();
    let mut hand = Hand::to(gate.streams());
    hand.send(&opening("one.example", "a.example", None));
    hand.read_until("</stream:features>");
    hand.send("<bidi xmlns='urn:xmpp:bidi'/><db:result from='one.example' to='a.example'>any key</db:result>");
    let mut asked = one.opened("a.example");
    let question = asked.read_until("</db:verify>");
    let id = attribute(&question[question.rfind("<db:verify").unwrap()..], "id").to_owned();
    asked.send(&format!("<db:verify from='one.example' to='a.example' id='{id}' type='valid'/>"));
    hand.read_until("type='valid'");
    gate.stox.terminate();
    hand.read_until("</stream:stream>");
    hand.send(&message("too late"));
    hand.send("</stream:stream>");
    asked.send("</stream:stream>");
    assert_eq!(gate.stox.wait(AT_MOST).code(), Some(0));
    gate.stox.wait_for_line(&["their senders are not told", "messages=1"]);
}
