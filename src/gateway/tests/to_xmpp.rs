//! SIP to XMPP.

use std::time::Duration;

use super::bench::{Bench, stanza, trust};
use crate::gateway::stats::ToXmpp;
use crate::gateway::{Input, limits};
use crate::xmpp::stanza::{Iq, Stanza};

const SECOND: Duration = Duration::from_secs(1);

fn messages(stanzas: &[Stanza]) -> Vec<String> {
    let id = |stanza: &Stanza| match stanza {
        Stanza::Message(message) => message.id.clone(),
        Stanza::Presence(_) | Stanza::Iq(_) => None,
    };
    stanzas.iter().filter_map(id).collect()
}

fn pings(stanzas: &[Stanza]) -> Vec<Iq> {
    let iq = |stanza: &Stanza| match stanza {
        Stanza::Iq(iq) => Some(iq.clone()),
        Stanza::Message(_) | Stanza::Presence(_) => None,
    };
    stanzas.iter().filter_map(iq).collect()
}

#[test]
fn all_messages_of_a_step_share_one_ping_behind_them() {
    let mut bench = Bench::new();
    let asking: Vec<Input> = (0..9).map(|_| bench.asking("juliet@xmpp.example").1).collect();
    bench.inputs(asking);
    let stanzas = bench.stanzas();
    assert_eq!((messages(&stanzas).len(), pings(&stanzas).len()), (9, 1));
    assert!(matches!(stanzas.last(), Some(Stanza::Iq(_))), "the ping is not the last");
    assert!(bench.statuses().is_empty());
    bench.pong(&pings(&stanzas)[0]);
    assert_eq!(bench.statuses(), [200; 9]);
}

#[test]
fn an_error_about_a_ping_confirms_as_well() {
    let mut bench = Bench::new();
    bench.ask("juliet@xmpp.example");
    let ping = bench.pings().remove(0);
    let refusal = crate::xmpp::stanza::StanzaError::new(crate::xmpp::stanza::Condition::ServiceUnavailable);
    bench.input(Input::Stanza(0, Stanza::Iq(ping.error_reply(refusal).unwrap())));
    assert_eq!(bench.statuses(), [200]);
}

#[test]
fn each_server_confirms_its_own() {
    let mut bench = Bench::new();
    bench.ask("juliet@xmpp.example");
    bench.ask("nurse*far.example@gw.example");
    let pings = bench.pings();
    let to = |iq: &Iq| iq.to.as_ref().unwrap().as_str().to_owned();
    assert_eq!((to(&pings[0]), to(&pings[1])), ("xmpp.example".to_owned(), "far.example".to_owned()));
    // Somebody at the one server who guessed the id of the ping to the other.
    let forged = format!("<iq from='evil@xmpp.example/x' to='sip.example' type='result' id='{}'/>", pings[1].id);
    bench.stanza(&forged);
    assert!(bench.statuses().is_empty());
    bench.pong(&pings[1]);
    assert_eq!(bench.statuses(), [200]);
}

#[test]
fn only_the_recipient_or_its_server_can_refuse_a_message() {
    let mut bench = Bench::new();
    bench.ask("juliet@xmpp.example");
    let stanzas = bench.stanzas();
    let id = messages(&stanzas).remove(0);
    let error = |from: &str| {
        format!(
            "<message from='{from}' to='romeo@sip.example' id='{id}' type='error'><error type='cancel'>\
             <item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
        )
    };
    bench.stanza(&error("evil@other.example"));
    assert!(bench.statuses().is_empty());
    assert_eq!(bench.gateway.stats().late_errors, 1);
    bench.stanza(&error("juliet@xmpp.example/balcony"));
    assert_eq!(bench.statuses(), [404]);
    // What the ping then confirms has had its outcome.
    bench.pong(&pings(&stanzas)[0]);
    assert!(bench.statuses().is_empty());
}

#[test]
fn an_error_is_found_though_its_server_spells_the_user_by_older_rules() {
    let mut bench = Bench::new();
    bench.ask("fu%C3%9Fball@xmpp.example");
    let id = messages(&bench.stanzas()).remove(0);
    bench.stanza(&format!(
        "<message from='fussball@xmpp.example' to='romeo@sip.example' id='{id}' type='error'><error type='cancel'>\
         <item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
    ));
    assert_eq!(bench.statuses(), [604]);
}

#[test]
fn a_timeout_behind_the_server_is_504_and_never_408() {
    let mut bench = Bench::new();
    bench.ask("juliet@xmpp.example");
    let id = messages(&bench.stanzas()).remove(0);
    bench.stanza(&format!(
        "<message from='juliet@xmpp.example' to='romeo@sip.example' id='{id}' type='error'><error type='wait'>\
         <remote-server-timeout xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
    ));
    assert_eq!(bench.statuses(), [504]);
}

#[test]
fn a_message_that_its_link_had_no_room_for_is_refused_at_once() {
    let mut bench = Bench::new();
    bench.ask("juliet@xmpp.example");
    let stanzas = bench.stanzas();
    bench.inputs(stanzas.into_iter().map(|stanza| Input::Unsent(0, stanza)).collect());
    assert_eq!(bench.statuses(), [503]);
    bench.input(Input::LinkDown(0));
    bench.pass(600 * SECOND);
    assert!(bench.statuses().is_empty());
    assert_eq!(bench.gateway.next_timeout(), None);
}

#[test]
fn a_server_that_never_confirms_keeps_no_room_from_the_others() {
    let mut bench = Bench::with(|settings| settings.messages_to_xmpp = 10);
    for _ in 0..10 {
        bench.ask("nurse*mute.example@gw.example");
    }
    bench.pass(2 * SECOND);
    assert_eq!(bench.statuses(), [202; 10]);
    drop(bench.stanzas());
    bench.ask("juliet@xmpp.example");
    let ping = bench.pings().into_iter().find(|ping| ping.to.as_ref().unwrap().as_str() == "xmpp.example");
    bench.pong(&ping.expect("the message went out, with a ping behind it"));
    assert_eq!(bench.statuses(), [200]);
}

#[test]
fn a_server_that_never_confirms_is_forgotten_in_the_end() {
    let mut bench = Bench::new();
    bench.ask("juliet@xmpp.example");
    bench.pass(3_600 * SECOND);
    assert_eq!(bench.statuses(), [202]);
    let pings = bench.pings().len();
    assert!((1..=121).contains(&pings), "asked {pings} times");
    assert_eq!(bench.gateway.next_timeout(), None);
}

#[test]
fn what_was_told_202_on_a_link_that_turns_out_dead_is_counted_lost() {
    let mut bench = Bench::new();
    bench.ask("juliet@xmpp.example");
    // A stream is taken for dead after a minute of silence and 20 s without an answer.
    bench.pass(82 * SECOND);
    assert_eq!(bench.statuses(), [202]);
    bench.input(Input::LinkDown(0));
    assert_eq!(bench.gateway.stats().lost_after_202, 1);
    assert!(bench.statuses().is_empty());
}

#[test]
fn other_peers_count_once_they_are_looked_up() {
    let mut bench = Bench::new();
    bench.input(Input::Trust(trust("other.example")));
    bench.ask("juliet@xmpp.example");
    assert_eq!(bench.statuses(), [403]);
    bench.input(Input::Trust(trust("sip.example")));
    bench.ask("juliet@xmpp.example");
    assert_eq!(messages(&bench.stanzas()).len(), 1);
    assert_eq!(bench.gateway.stats().count_to_xmpp(ToXmpp::Forbidden), 1);
}

#[test]
fn a_query_while_its_link_is_away_is_nobodys_any_more() {
    let mut bench = Bench::new();
    let query =
        "<iq from='juliet@xmpp.example/b' to='sip.example' type='get' id='q'><ping xmlns='urn:xmpp:ping'/></iq>";
    bench.inputs(vec![Input::LinkDown(0), Input::Stanza(0, stanza(query))]);
    bench.input(Input::LinkUp(0));
    assert!(bench.stanzas().is_empty());
}

#[test]
fn hops_that_enter_xmpp_are_few() {
    let mut bench = Bench::new();
    bench.ask("juliet@xmpp.example");
    let stanzas = bench.stanzas();
    let Some(Stanza::Message(message)) = stanzas.first() else { panic!("no message: {stanzas:?}") };
    assert_eq!(crate::xmpp::xep::shim::hops(&message.payload), Some(limits::MAX_HOPS));
}

#[test]
fn long_headers_of_messages_that_wait_are_bounded_in_bytes() {
    let mut bench = Bench::with(|settings| {
        settings.messages_to_xmpp = 1_000;
        settings.bytes_to_xmpp = 20_000;
    });
    for _ in 0..100 {
        bench.ask("juliet@xmpp.example");
    }
    let taken = messages(&bench.stanzas()).len();
    assert!((5..20).contains(&taken), "{taken} of some 1,500 bytes each");
    assert_eq!(bench.statuses(), vec![503; 100 - taken]);
    bench.pass(2 * SECOND);
    assert_eq!(bench.statuses(), vec![202; taken]);
    bench.ask("juliet@xmpp.example");
    assert_eq!(messages(&bench.stanzas()).len(), 1, "what was answered takes no room");
}
