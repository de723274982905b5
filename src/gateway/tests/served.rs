//! Domains that stox serves itself: each of their peers has a server of its own, which may be away.

use std::time::Duration;

use super::bench::Bench;
use super::serve::{Heard, PROBE, allowed, answer_all, body, juliet, said};
use super::watch::Play;
use crate::gateway::{Input, limits};
use crate::xmpp::stanza::{Condition, PresenceKind, Stanza, StanzaError};

const SECOND: Duration = Duration::from_secs(1);

fn served() -> Bench {
    Bench::with(|settings| settings.components = 0)
}

/// The message errors that came out; pings are answered as somebody answers who could not reach their server.
fn told_in_vain(bench: &mut Bench) -> usize {
    let mut told = 0;
    for stanza in bench.stanzas() {
        match stanza {
            Stanza::Iq(ping) => {
                let error = ping.error_reply(StanzaError::new(Condition::RemoteServerTimeout)).unwrap();
                bench.input(Input::Stanza(0, Stanza::Iq(error)));
            }
            Stanza::Message(_) | Stanza::Presence(_) => told += 1,
        }
    }
    told
}

#[test]
fn an_outcome_whose_server_is_away_is_told_again_some_times_without_waiting_for_a_link() {
    let mut bench = served();
    bench.write("romeo", "a", "Hello");
    let requests = bench.requests();
    bench.answer(&requests[0], 404);
    assert_eq!(told_in_vain(&mut bench), 1);
    for _ in 0..limits::TELLINGS {
        bench.pass(limits::TELL_AGAIN);
        assert_eq!(told_in_vain(&mut bench), 1);
    }
    assert_eq!(bench.gateway.stats().errors_lost, 1);
    bench.pass(100 * limits::TELL_AGAIN);
    assert_eq!(told_in_vain(&mut bench), 0);
}

#[test]
fn an_outcome_on_a_way_that_broke_is_told_again() {
    let mut bench = served();
    bench.write("romeo", "a", "Hello");
    let requests = bench.requests();
    bench.answer(&requests[0], 404);
    assert_eq!(bench.told().len(), 1);
    bench.input(Input::DomainDown(0, "xmpp.example".to_owned()));
    assert_eq!(bench.told().len(), 0);
    bench.pass(limits::TELL_AGAIN);
    let again = bench.stanzas();
    let [Stanza::Message(_), Stanza::Iq(ping)] = again.as_slice() else { panic!("{again:?}") };
    bench.pong(ping);
    bench.pass(100 * limits::TELL_AGAIN);
    assert_eq!(bench.told().len(), 0);
}

#[test]
fn what_came_back_of_a_ping_confirms_nothing() {
    let mut bench = served();
    bench.ask("juliet@xmpp.example");
    told_in_vain(&mut bench);
    assert!(bench.statuses().is_empty());
    bench.pass(11 * SECOND);
    // RFC 4320 section 4.2: 100 tells in time that somebody is there.
    assert_eq!(bench.statuses(), [100, 202]);
}

#[test]
fn a_sender_waits_as_long_as_a_stream_may_take_to_come_about() {
    let mut bench = served();
    bench.ask("juliet@xmpp.example");
    bench.pass(10 * SECOND);
    assert_eq!(bench.statuses(), [100]);
    let Some(Stanza::Message(message)) = bench.told().pop() else { panic!("no message") };
    let error = message.error_reply(StanzaError::new(Condition::RemoteServerTimeout)).unwrap();
    bench.input(Input::Stanza(0, Stanza::Message(error)));
    assert_eq!(bench.statuses(), [504]);
}

#[test]
fn the_error_that_comes_back_is_the_outcome() {
    let mut bench = served();
    bench.ask("juliet@xmpp.example");
    let Some(Stanza::Message(message)) = bench.told().pop() else { panic!("no message") };
    let error = message.error_reply(StanzaError::new(Condition::RemoteServerNotFound)).unwrap();
    bench.input(Input::Stanza(0, Stanza::Message(error)));
    assert_eq!(bench.statuses(), [404]);
}

#[test]
fn at_the_end_of_the_process_no_server_is_asked_whether_it_is_done() {
    let mut bench = served();
    bench.input(Input::Drain);
    assert!(bench.pings().is_empty() && bench.gateway.is_idle());
}

/// What is known of a user of another domain after `time`, if her watcher was told anything.
fn told_after(bench: &mut Bench, time: Duration) -> Option<&'static str> {
    bench.pass(time);
    let heard = Heard::of(bench);
    answer_all(bench, &heard, 200);
    let text = body(heard.notifies.last()?);
    Some(if text.contains(">open<") { "open" } else { "closed" })
}

#[test]
fn when_the_way_to_a_domain_broke_its_users_are_asked_for_until_they_can_be_heard() {
    let mut bench = served();
    let _phone = allowed(&mut bench, "c1");
    let probes = |bench: &mut Bench| said(bench).into_iter().filter(|line| line == PROBE).count();
    bench.input(Input::DomainDown(0, "other.example".to_owned()));
    bench.pass(limits::DOMAINS_GATHERED + limits::RESTORE_SPREAD);
    assert_eq!(probes(&mut bench), 0, "that is another's");
    bench.input(Input::DomainDown(0, "xmpp.example".to_owned()));
    assert_eq!(told_after(&mut bench, limits::DOMAINS_GATHERED + limits::RESTORE_SPREAD), None);
    assert_eq!(probes(&mut bench), 1);
    let away = "<error type='wait'><remote-server-timeout xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
    juliet(&mut bench, "", "type='error'", away);
    assert_eq!(told_after(&mut bench, limits::UNREACHED_AGAIN - SECOND), None, "what she said last stands");
    assert_eq!(probes(&mut bench), 0);
    assert_eq!(told_after(&mut bench, limits::UNREACHED_AGAIN + SECOND), None);
    assert_eq!(probes(&mut bench), 1);
    juliet(&mut bench, "/yn0cl4bnw0yr3vym", "type='unavailable'", "");
    assert_eq!(told_after(&mut bench, 10 * SECOND), Some("closed"));
    assert_eq!(told_after(&mut bench, 3 * limits::UNREACHED_AGAIN / 2), None);
    assert_eq!(probes(&mut bench), 0, "she was heard");
}

#[test]
fn when_a_domain_is_there_again_its_users_are_told_again_what_may_have_been_lost() {
    let (mut play, _) = Play::granted();
    play.bench.input(Input::DomainUp(0, "other.example".to_owned()));
    play.bench.pass(limits::DOMAINS_GATHERED + SECOND);
    assert_eq!(play.kinds(), []);
    for _ in 0..1_000 {
        play.bench.input(Input::DomainUp(0, "xmpp.example".to_owned()));
    }
    assert_eq!(play.kinds(), []);
    play.bench.pass(limits::DOMAINS_GATHERED + SECOND);
    assert_eq!(play.kinds(), [PresenceKind::Available]);
    play.bench.pass(60 * SECOND);
    assert_eq!(play.kinds(), [], "once");
}
