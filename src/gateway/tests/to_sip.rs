//! XMPP to SIP.

use std::time::Duration;

use super::bench::Bench;
use crate::gateway::stats::ToSip;
use crate::gateway::{Input, Output, limits};
use crate::sip::endpoint::Flow;
use crate::sip::locate::{Answer, Transport};
use crate::xmpp::stanza::{Condition, Stanza};

const SECOND: Duration = Duration::from_secs(1);

fn conditions(stanzas: &[Stanza]) -> Vec<(String, Condition)> {
    let error = |stanza: &Stanza| match stanza {
        Stanza::Message(message) => Some((message.id.clone()?, message.error()?.condition)),
        Stanza::Presence(_) | Stanza::Iq(_) => None,
    };
    stanzas.iter().filter_map(error).collect()
}

fn ids(stanzas: &[Stanza]) -> Vec<String> {
    conditions(stanzas).into_iter().map(|(id, _)| id).collect()
}

#[test]
fn who_was_told_that_a_message_failed_may_send_it_again() {
    let mut bench = Bench::new();
    bench.write("romeo", "a", "Hello");
    let first = bench.requests();
    bench.answer(&first[0], 480);
    assert_eq!(ids(&bench.told()), ["a"]);
    bench.write("romeo", "a", "Hello");
    let again = bench.requests();
    assert_eq!(again.len(), 1, "the second try was taken for a repetition, and nobody heard of it");
    bench.answer(&again[0], 200);
    // That one arrived, so from now on it is.
    bench.write("romeo", "a", "Hello");
    assert!(bench.requests().is_empty());
    assert!(bench.told().is_empty());
    assert_eq!(bench.gateway.stats().count_to_sip(ToSip::Repeated), 1);
}

#[test]
fn a_repetition_while_the_first_is_pending_has_no_outcome_of_its_own() {
    let mut bench = Bench::new();
    bench.write("romeo", "a", "Hello");
    bench.write("romeo", "a", "Hello");
    let requests = bench.requests();
    assert_eq!(requests.len(), 1);
    bench.answer(&requests[0], 404);
    assert_eq!(conditions(&bench.told()), [("a".to_owned(), Condition::ItemNotFound)]);
}

#[test]
fn an_error_that_found_no_room_is_told_once_although_its_link_broke() {
    let mut bench = Bench::new();
    bench.write("romeo", "a", "Hello");
    let requests = bench.requests();
    bench.answer(&requests[0], 404);
    let error = bench.told().remove(0);
    bench.inputs(vec![Input::Unsent(0, error.clone()), Input::LinkDown(0)]);
    bench.pass(10 * SECOND);
    bench.input(Input::LinkUp(0));
    assert_eq!(ids(&bench.told()), ["a"]);
    // And the other way round, as a link that has just broken gives back what waited for it.
    bench.inputs(vec![Input::LinkDown(0), Input::Unsent(0, error)]);
    bench.input(Input::LinkUp(0));
    bench.pass(10 * SECOND);
    assert_eq!(ids(&bench.told()), ["a"]);
}

#[test]
fn errors_without_an_id_are_each_told() {
    let mut bench = Bench::new();
    bench.input(Input::LinkDown(0));
    for _ in 0..2 {
        bench.stanza("<message from='juliet@xmpp.example/b' to='romeo@nowhere.example'><body>x</body></message>");
    }
    bench.input(Input::LinkUp(0));
    assert_eq!(bench.told().len(), 2);
}

#[test]
fn an_error_is_told_again_if_its_link_broke_before_the_server_took_it() {
    let mut bench = Bench::new();
    bench.write("romeo", "a", "Hello");
    let requests = bench.requests();
    bench.answer(&requests[0], 404);
    assert_eq!(ids(&bench.told()), ["a"]);
    bench.input(Input::LinkDown(0));
    bench.input(Input::LinkUp(0));
    let stanzas = bench.stanzas();
    assert_eq!(ids(&stanzas), ["a"]);
    let Some(Stanza::Iq(ping)) = stanzas.last() else { panic!("no ping behind the error: {stanzas:?}") };
    bench.pong(ping);
    bench.input(Input::LinkDown(0));
    bench.input(Input::LinkUp(0));
    assert!(bench.told().is_empty(), "it was confirmed");
}

#[test]
fn a_server_that_answers_no_ping_is_not_asked_for_ever_about_an_error() {
    let mut bench = Bench::new();
    bench.write("romeo", "a", "Hello");
    let requests = bench.requests();
    bench.answer(&requests[0], 404);
    bench.pass(600 * SECOND);
    let asked = bench.pings().len();
    assert!((1..=121).contains(&asked), "asked {asked} times in ten minutes");
    bench.pass(600 * SECOND);
    assert_eq!(bench.pings().len(), 0);
    assert_eq!(bench.gateway.next_timeout(), None);
}

#[test]
fn errors_beyond_the_limit_are_counted_lost_and_the_newest_are_kept() {
    let mut bench = Bench::with(|settings| settings.queue_per_pair = 0);
    bench.input(Input::LinkDown(0));
    for n in 0..limits::HELD_ERRORS + 5 {
        // Nobody lives there, so each is refused at once.
        let id = format!("m{n}");
        bench.stanza(&format!(
            "<message from='j@xmpp.example/b' to='r@nowhere.example' id='{id}'><body>x</body></message>"
        ));
    }
    assert_eq!(bench.gateway.stats().errors_lost, 5);
    bench.input(Input::LinkUp(0));
    let told = ids(&bench.told());
    assert_eq!((told.len(), told[0].as_str()), (limits::HELD_ERRORS, "m5"));
}

#[test]
fn everybody_together_may_wait_no_more_than_the_limit() {
    let mut bench = Bench::with(|settings| settings.messages_to_sip = 3);
    for n in 0..5 {
        bench.write(&format!("user{n}"), &format!("m{n}"), "x");
    }
    assert_eq!(bench.requests().len(), 3);
    let full = [("m3".to_owned(), Condition::ResourceConstraint), ("m4".to_owned(), Condition::ResourceConstraint)];
    assert_eq!(conditions(&bench.told()), full);
}

#[test]
fn who_waited_too_long_behind_slow_answers_is_told() {
    let mut bench = Bench::new();
    for n in 0..5 {
        bench.write("romeo", &format!("m{n}"), "x");
    }
    for _ in 0..3 {
        let request = bench.requests().remove(0);
        bench.pass(31 * SECOND);
        drop(bench.requests());
        bench.answer(&request, 200);
    }
    // The fourth had its turn at 93 s.
    assert_eq!(ids(&bench.told()), ["m3", "m4"]);
    assert!(bench.gateway.is_idle());
}

#[test]
fn each_request_has_a_call_id_and_a_cseq_of_its_own() {
    let mut bench = Bench::new();
    bench.write("romeo", "a", "one");
    bench.write("mercutio", "b", "two");
    let requests = bench.requests();
    let of = |n: usize| (requests[n].headers.call_id().unwrap().to_owned(), requests[n].headers.cseq().unwrap().number);
    assert_ne!(of(0).0, of(1).0);
    assert_ne!(of(0).1, of(1).1);
}

#[test]
fn dns_that_answers_after_the_end_is_not_heard() {
    let mut bench = Bench::with(|settings| settings.routes[0].1.next_hop.host = "proxy.example".to_owned());
    bench.write("romeo", "a", "Hello");
    bench.write("romeo", "b", "Hello again");
    let mut outputs = Vec::new();
    bench.gateway.take_outputs(&mut outputs);
    bench.inputs(vec![Input::Drain, Input::GiveUp]);
    assert_eq!(ids(&bench.told()), ["a", "b"]);
    bench.input(Input::Located(1, Answer::Addresses(vec!["192.0.2.10".parse().unwrap()]), SECOND));
    assert!(bench.requests().is_empty());
    assert!(bench.gateway.is_idle());
}

#[test]
fn a_silent_dns_is_asked_again_after_a_moment_and_the_pair_keeps_its_order() {
    let mut bench = Bench::with(|settings| settings.routes[0].1.next_hop.host = "proxy.example".to_owned());
    bench.write("romeo", "a", "one");
    bench.write("romeo", "b", "two");
    bench.input(Input::Located(1, Answer::Unavailable, SECOND));
    let both = ["a", "b"].map(|id| (id.to_owned(), Condition::RemoteServerNotFound));
    assert_eq!(conditions(&bench.told()), both);
    bench.pass(5 * SECOND);
    bench.write("romeo", "c", "three");
    bench.write("romeo", "d", "four");
    bench.input(Input::Located(2, Answer::Addresses(vec!["192.0.2.10".parse().unwrap()]), SECOND));
    assert_eq!(bench.requests().len(), 1);
}

#[test]
fn presence_that_is_refused_is_an_outcome_too() {
    let mut bench = Bench::with(|settings| settings.routes[0].1.presence.watch.clear());
    bench.stanza("<presence from='juliet@xmpp.example' to='romeo@sip.example' type='subscribe'/>");
    let stanzas = bench.stanzas();
    assert!(matches!(&stanzas[..], [Stanza::Presence(_), Stanza::Iq(_)]), "{stanzas:?}");
    bench.inputs(stanzas.into_iter().map(|stanza| Input::Unsent(0, stanza)).collect());
    bench.pass(SECOND);
    assert!(matches!(&bench.told()[..], [Stanza::Presence(_)]));
}

#[test]
fn nothing_is_done_for_a_link_that_does_not_exist() {
    let mut bench = Bench::new();
    let message =
        super::bench::stanza("<message from='j@xmpp.example/b' to='r@nowhere.example' id='x'><body>x</body></message>");
    bench.inputs(vec![
        Input::LinkUp(7),
        Input::LinkDown(7),
        Input::Stanza(7, message.clone()),
        Input::Unsent(7, message),
    ]);
    let mut outputs: Vec<Output> = Vec::new();
    bench.gateway.take_outputs(&mut outputs);
    assert!(outputs.is_empty());
}

#[test]
fn a_message_on_a_connection_that_breaks_is_told_at_once_and_sent_nowhere_else() {
    let mut bench = Bench::with(|settings| settings.routes[0].1.next_hop.transport = Some(Transport::Tcp));
    bench.write("romeo", "a", "Hello");
    bench.write("romeo", "b", "Are you there?");
    let sent = bench.transmits();
    assert_eq!((sent.len(), sent[0].transport), (1, Transport::Tcp));
    let flow =
        Flow { transport: Transport::Tcp, local: "10.0.0.1:40000".parse().unwrap(), remote: sent[0].remote, id: 7 };
    bench.input(Input::FlowClosed(flow));
    // It may have arrived, so the sender is told and decides; whoever waited in its line goes on a new connection.
    assert_eq!(conditions(&bench.told()), [("a".to_owned(), Condition::RemoteServerTimeout)]);
    let next = bench.requests();
    assert_eq!((next.len(), next[0].body()), (1, &b"Are you there?"[..]));
    bench.answer(&next[0], 200);
    assert!(bench.told().is_empty());
    assert_eq!(bench.gateway.stats().count_to_sip(ToSip::TimedOut), 1);
}
