//! Sessions that outlive their streams.

use super::*;
use crate::xml::{Element, ns};
use crate::xmpp::federation::Unreachable;
use crate::xmpp::stream::manage::{ManageConfig, Manager, Session};

/// What is left of a stream of this pair that has sent these and heard nothing.
fn left(pair: &Pair, theirs: bool, ids: &[&str]) -> Option<Box<Session>> {
    let (config, mut out, now) = (ManageConfig::default(), Vec::new(), Now::at(Duration::ZERO));
    let said = |name: &str| Element::new(ns::SM, name).with_attr("resume", "true");
    let mut manager = match theirs {
        true => Manager::enabled(config, pair.clone(), &said("enable"), "name".to_owned(), &mut out),
        false => {
            let mut manager = Manager::opener(config, pair.clone(), None, now, &mut out);
            let enabled = said("enabled").with_attr("id", "name").with_attr("max", "60");
            manager.receive(&enabled, now, &mut out).unwrap();
            manager
        }
    };
    for id in ids {
        manager.send(message(pair, id), now, &mut out);
    }
    manager.finish(false).session
}

impl World {
    fn break_off(&mut self, stream: StreamId, session: Option<Box<Session>>) {
        let cause = Cause::Disconnected;
        self.report(
            stream,
            Report::Closed { cause, unsent: Vec::new(), doubtful: Vec::new(), session, in_doubt: false },
        );
    }
}

#[test]
fn what_a_session_of_ours_holds_is_worth_a_new_stream_on_which_it_goes_before_the_rest() {
    let mut world = World::new(Settings::default());
    let stream = world.dialed(&ab(), true);
    world.break_off(stream, left(&ab(), false, &["first"]));
    world.send(&ab(), "2");
    assert_eq!(world.told(), ["2 open a.example b.example"]);
    world.report(2, Report::Continue(ab(), None));
    world.prove(2, &ab());
    assert_eq!(world.told(), ["2 continue true", "2 send 2"]);
    assert!(world.federation.kept.is_empty() && world.federation.sessions.is_empty());
}

#[test]
fn a_session_that_holds_nothing_waits_for_the_next_stanza() {
    let mut world = World::new(Settings::default());
    let stream = world.dialed(&ab(), true);
    world.break_off(stream, left(&ab(), false, &[]));
    assert_eq!(world.told(), [""; 0]);
    world.send(&ab(), "2");
    world.report(2, Report::Continue(ab(), None));
    assert_eq!(world.told(), ["2 open a.example b.example", "2 continue true"]);
}

#[test]
fn what_a_session_of_ours_holds_is_lost_only_when_its_time_is_over() {
    let mut world = World::new(Settings::default());
    let stream = world.dialed(&ab(), true);
    world.break_off(stream, left(&ab(), false, &["1"]));
    world.send(&ab(), "2");
    world.told();
    world.report(2, Report::Unreachable(Unreachable::NoAnswer(String::new())));
    assert_eq!(world.told(), ["bounce 2 bert@b.example remote-server-timeout"]);
    world.pass(1.0);
    assert_eq!(world.told(), ["3 open a.example b.example"], "nobody else wants it");
    world.send(&ab(), "3");
    world.pass(20.0);
    world.report(3, Report::Unreachable(Unreachable::NoAnswer(String::new())));
    world.told();
    world.pass(38.0);
    world.told();
    world.pass(1.0);
    assert_eq!(world.told().last().map(String::as_str), Some("down a.example b.example"));
    assert!(world.federation.kept.is_empty() && world.federation.sessions.is_empty());
}

#[test]
fn what_a_session_of_the_peer_holds_waits_for_the_peer_and_what_follows_waits_behind_it() {
    let mut world = World::new(Settings::default());
    let first = world.federation.accept(world.now).unwrap();
    world.prove(first, &ab());
    world.report(first, Report::Resumable(ab(), "name".to_owned()));
    world.send(&ab(), "1");
    world.told();
    world.break_off(first, left(&ab(), true, &["1"]));
    world.send(&ab(), "2");
    assert_eq!(world.told(), [""; 0]);
    let second = world.federation.accept(world.now).unwrap();
    world.report(second, Report::Continue(ab(), Some("name".to_owned())));
    world.prove(second, &ab());
    assert_eq!(world.told(), [format!("{second} continue true"), format!("{second} send 2")]);
}

#[test]
fn a_peer_that_does_not_come_back_is_called() {
    let mut world = World::new(Settings::default());
    let first = world.federation.accept(world.now).unwrap();
    world.prove(first, &ab());
    world.send(&ab(), "1");
    world.break_off(first, left(&ab(), true, &["1"]));
    world.pass(40.0);
    world.told();
    world.send(&ab(), "2");
    world.pass(20.0);
    assert_eq!(world.told(), ["bounce 2 bert@b.example remote-server-timeout", "down a.example b.example"]);
    world.send(&ab(), "3");
    assert_eq!(world.told(), ["2 open a.example b.example"]);
    world.prove(2, &ab());
    assert_eq!(world.told(), ["2 send 3", "up a.example b.example"]);
}

#[test]
fn a_server_that_acknowledges_no_more_leaves_what_was_written_in_doubt() {
    let mut world = World::new(Settings::default());
    let stream = world.dialed(&ab(), true);
    world.break_off(stream, left(&ab(), false, &["first"]));
    world.send(&ab(), "2");
    world.told();
    world.prove(2, &ab());
    let down = ["bounce 2 bert@b.example remote-server-timeout", "down a.example b.example", "up a.example b.example"];
    assert_eq!(world.told(), down);
    world.send(&ab(), "3");
    assert_eq!(world.told(), ["2 send 3"]);
}

#[test]
fn what_was_written_and_not_acknowledged_is_in_doubt_for_its_own_pair_and_never_sent_again() {
    let mut world = World::new(Settings::default());
    let stream = world.dialed(&ab(), true);
    let other = pair("other.example", "b.example");
    world.send(&other, "o");
    world.prove(stream, &other);
    world.told();
    let (doubtful, unsent) = (vec![message(&ab(), "1")], vec![message(&ab(), "2"), message(&other, "o")]);
    let cause = Cause::Disconnected;
    world.report(stream, Report::Closed { cause, unsent, doubtful, session: None, in_doubt: false });
    assert_eq!(
        world.told(),
        ["bounce 2 bert@b.example remote-server-timeout", "down a.example b.example", "2 open other.example b.example"]
    );
    world.prove(2, &other);
    assert_eq!(world.told(), ["2 send o"]);
}

#[test]
fn a_session_that_its_stream_could_not_take_waits_for_the_next() {
    let mut world = World::new(Settings::default());
    let stream = world.dialed(&ab(), true);
    world.break_off(stream, left(&ab(), false, &["first"]));
    world.report(2, Report::Continue(ab(), None));
    let Some(Output::Order(2, command)) = world.outputs().pop() else { panic!("it is given") };
    world.report(2, Report::Undone(Box::new(command)));
    world.report(2, Report::Unreachable(Unreachable::NoAnswer(String::new())));
    world.pass(1.0);
    assert_eq!(world.told(), ["3 open a.example b.example"]);
    world.report(3, Report::Continue(ab(), None));
    assert_eq!(world.told(), ["3 continue true"]);
}

#[test]
fn a_session_whose_stream_still_seems_alive_is_taken_from_it() {
    let mut world = World::new(Settings::default());
    let first = world.federation.accept(world.now).unwrap();
    world.prove(first, &ab());
    world.report(first, Report::Resumable(ab(), "name".to_owned()));
    let second = world.federation.accept(world.now).unwrap();
    world.report(second, Report::Continue(ab(), Some("name".to_owned())));
    assert_eq!(world.told(), [format!("{first} close conflict")]);
    world.break_off(first, left(&ab(), true, &["1"]));
    assert_eq!(world.told(), [format!("{second} continue true")]);
}

#[test]
fn nobody_goes_on_with_the_session_of_another_pair() {
    let mut world = World::new(Settings::default());
    let first = world.federation.accept(world.now).unwrap();
    world.prove(first, &ab());
    world.break_off(first, left(&ab(), true, &["1"]));
    let second = world.federation.accept(world.now).unwrap();
    world.report(second, Report::Continue(pair("a.example", "c.example"), Some("name".to_owned())));
    world.report(second, Report::Continue(ab(), Some("other".to_owned())));
    assert_eq!(world.told(), [format!("{second} continue false"), format!("{second} continue false")]);
}

#[test]
fn at_the_stop_what_sessions_have_written_is_in_doubt() {
    let mut world = World::new(Settings::default());
    let first = world.federation.accept(world.now).unwrap();
    let second = world.federation.accept(world.now).unwrap();
    world.prove(first, &ab());
    world.break_off(first, left(&ab(), true, &["1"]));
    world.federation.stop();
    assert_eq!(world.told(), ["down a.example b.example".to_owned(), format!("{second} close")]);
    world.break_off(second, left(&pair("c.example", "b.example"), true, &["2"]));
    assert_eq!(world.told(), ["down c.example b.example"]);
}
