//! Pings of other servers behind messages of theirs: when they are answered, and after what.

use std::time::Duration;

use super::bench::{Bench, stanza};
use crate::gateway::{Input, limits};
use crate::xmpp::stanza::{IqKind, Stanza};

const MOMENT: Duration = Duration::from_millis(1);

/// The only domain is one that stox serves itself.
fn served() -> Bench {
    Bench::with(|settings| settings.components = 0)
}

fn ping(from: &str, id: &str) -> Input {
    let text = format!("<iq type='get' from='{from}' to='sip.example' id='{id}'><ping xmlns='urn:xmpp:ping'/></iq>");
    Input::Stanza(0, stanza(&text))
}

/// What the other servers hear, in order: errors and answers to pings; pings of ours aside.
fn heard(bench: &mut Bench) -> Vec<String> {
    let told = |stanza: Stanza| match stanza {
        Stanza::Message(message) => Some(format!("error {}", message.id.unwrap())),
        Stanza::Iq(iq) => matches!(iq.kind, IqKind::Result(_)).then(|| format!("pong {}", iq.id)),
        Stanza::Presence(_) => None,
    };
    bench.stanzas().into_iter().filter_map(told).collect()
}

#[test]
fn a_ping_with_nothing_open_before_it_is_answered_at_once() {
    let mut bench = served();
    bench.input(ping("xmpp.example", "p"));
    assert_eq!(heard(&mut bench), ["pong p"]);
    bench.write("romeo", "a", "Hello");
    let requests = bench.requests();
    bench.answer(&requests[0], 200);
    bench.input(ping("xmpp.example", "q"));
    assert_eq!(heard(&mut bench), ["pong q"]);
}

#[test]
fn a_ping_behind_a_message_is_answered_when_the_phone_has() {
    let mut bench = served();
    bench.write("romeo", "a", "Hello");
    bench.input(ping("xmpp.example", "p"));
    let requests = bench.requests();
    bench.pass(limits::HOLD_PING - MOMENT);
    assert!(heard(&mut bench).is_empty());
    bench.answer(&requests[0], 200);
    assert_eq!(heard(&mut bench), ["pong p"]);
    bench.pass(10 * limits::HOLD_PING);
    assert!(heard(&mut bench).is_empty(), "answered twice");
}

#[test]
fn the_error_of_a_message_goes_out_before_the_answer_to_the_ping_behind_it() {
    let mut bench = served();
    bench.write("romeo", "a", "Hello");
    bench.write("mercutio", "b", "Hello");
    bench.input(ping("xmpp.example", "p"));
    let requests = bench.requests();
    bench.answer(&requests[1], 486);
    assert_eq!(heard(&mut bench), ["error b"]);
    bench.answer(&requests[0], 404);
    assert_eq!(heard(&mut bench), ["error a", "pong p"]);
}

#[test]
fn a_message_in_line_holds_the_ping_behind_it_too() {
    let mut bench = served();
    bench.write("romeo", "a", "Hello");
    bench.write("romeo", "b", "Are you there?");
    bench.input(ping("xmpp.example", "p"));
    let first = bench.requests();
    bench.answer(&first[0], 200);
    assert!(heard(&mut bench).is_empty());
    let second = bench.requests();
    bench.answer(&second[0], 404);
    assert_eq!(heard(&mut bench), ["error b", "pong p"]);
}

#[test]
fn a_message_that_comes_after_a_ping_does_not_hold_it() {
    let mut bench = served();
    bench.write("romeo", "a", "Hello");
    bench.input(ping("xmpp.example", "p"));
    bench.write("mercutio", "b", "Hello");
    bench.input(ping("xmpp.example", "q"));
    let requests = bench.requests();
    bench.answer(&requests[0], 200);
    assert_eq!(heard(&mut bench), ["pong p"]);
    bench.answer(&requests[1], 200);
    assert_eq!(heard(&mut bench), ["pong q"]);
}

#[test]
fn a_ping_behind_a_silent_phone_is_answered_at_the_limit() {
    let mut bench = served();
    bench.write("romeo", "a", "Hello");
    bench.input(ping("xmpp.example", "p"));
    bench.pass(limits::HOLD_PING - MOMENT);
    assert!(heard(&mut bench).is_empty());
    bench.input(ping("xmpp.example", "q"));
    bench.pass(MOMENT);
    assert_eq!(heard(&mut bench), ["pong p"]);
    bench.pass(limits::HOLD_PING);
    assert_eq!(heard(&mut bench), ["pong q"]);
}

#[test]
fn messages_of_another_domain_hold_no_ping() {
    let mut bench = served();
    bench.write("romeo", "a", "Hello");
    bench.input(ping("other.example", "p"));
    assert_eq!(heard(&mut bench), ["pong p"]);
}

#[test]
fn who_asks_as_a_user_is_answered_at_once() {
    let mut bench = served();
    bench.write("romeo", "a", "Hello");
    bench.input(ping("juliet@xmpp.example/b", "p"));
    assert_eq!(heard(&mut bench), ["pong p"]);
    bench.stanza("<iq type='get' from='xmpp.example' to='romeo@sip.example' id='q'><ping xmlns='urn:xmpp:ping'/></iq>");
    assert_eq!(heard(&mut bench), ["pong q"]);
}

#[test]
fn a_typing_state_holds_no_ping_since_nobody_hears_of_it() {
    let mut bench = served();
    bench.stanza(
        "<message from='juliet@xmpp.example/b' to='romeo@sip.example' type='chat'>\
         <composing xmlns='http://jabber.org/protocol/chatstates'/></message>",
    );
    assert_eq!(bench.requests().len(), 1);
    bench.input(ping("xmpp.example", "p"));
    assert_eq!(heard(&mut bench), ["pong p"]);
}

#[test]
fn a_message_refused_at_the_door_holds_no_ping() {
    let mut bench = Bench::with(|settings| (settings.components, settings.messages_to_sip) = (0, 0));
    bench.write("romeo", "a", "Hello");
    bench.input(ping("xmpp.example", "p"));
    assert_eq!(heard(&mut bench), ["error a", "pong p"]);
}

#[test]
fn the_server_behind_a_component_link_is_answered_at_once() {
    let mut bench = Bench::new();
    bench.write("romeo", "a", "Hello");
    bench.input(ping("xmpp.example", "p"));
    assert_eq!(heard(&mut bench), ["pong p"]);
}

#[test]
fn pings_beyond_the_limits_are_answered_at_once() {
    let mut bench = served();
    bench.write("romeo", "a", "Hello");
    bench.input(ping("xmpp.example", &"p".repeat(limits::HELD_PING_ID + 1)));
    assert_eq!(heard(&mut bench).len(), 1, "a long id");
    for n in 0..limits::HELD_PINGS_OF_ONE {
        bench.input(ping("xmpp.example", &n.to_string()));
        assert!(heard(&mut bench).is_empty());
    }
    bench.input(ping("xmpp.example", "one more"));
    assert_eq!(heard(&mut bench), ["pong one more"]);
    let requests = bench.requests();
    bench.answer(&requests[0], 200);
    let in_order: Vec<_> = (0..limits::HELD_PINGS_OF_ONE).map(|n| format!("pong {n}")).collect();
    assert_eq!(heard(&mut bench), in_order);
}

#[test]
fn pings_of_many_servers_have_a_limit_together() {
    let servers = limits::HELD_PINGS / limits::HELD_PINGS_OF_ONE + 1;
    let mut bench = Bench::with(|settings| (settings.components, settings.messages_to_sip) = (0, 2 * servers));
    for server in 0..servers {
        let from = format!("d{server}.example");
        bench.stanza(&format!("<message from='j@{from}/b' to='romeo@sip.example' id='m'><body>x</body></message>"));
        bench.inputs((0..limits::HELD_PINGS_OF_ONE).map(|n| ping(&from, &format!("{server}-{n}"))).collect());
    }
    assert_eq!(heard(&mut bench).len(), limits::HELD_PINGS_OF_ONE);
    bench.pass(limits::HOLD_PING);
    assert_eq!(heard(&mut bench).len(), limits::HELD_PINGS);
    // There is room again.
    bench.input(ping("d0.example", "again"));
    assert!(heard(&mut bench).is_empty());
}

#[test]
fn the_end_of_the_process_leaves_no_ping_without_an_answer() {
    let mut bench = served();
    bench.write("romeo", "a", "Hello");
    bench.write("romeo", "b", "Hello");
    bench.input(ping("xmpp.example", "p"));
    bench.input(Input::Drain);
    assert!(heard(&mut bench).is_empty() && !bench.gateway.is_idle());
    bench.input(Input::GiveUp);
    assert_eq!(heard(&mut bench), ["error a", "error b", "pong p"]);
    assert!(bench.gateway.is_idle());
}
