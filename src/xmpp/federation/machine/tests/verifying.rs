//! Keys that peers show.

use super::*;
use crate::xmpp::federation::{Unreachable, Verdict, Verification};
use crate::xmpp::stream::StreamErrorKind;

fn key(pair: &Pair, key: &str) -> Verification {
    Verification { pair: pair.clone(), id: "stream-id".to_owned(), key: key.to_owned() }
}

impl World {
    /// A peer that shows a key, and the stream on which its authority is asked.
    fn asked(&mut self, pair: &Pair) -> (StreamId, StreamId) {
        let accepted = self.federation.accept(self.now).unwrap();
        self.report(accepted, Report::Key(key(pair, "k")));
        let stream = accepted + 1;
        assert_eq!(self.told(), [format!("{stream} ask {} {}", pair.local, pair.remote)]);
        self.report(stream, Report::Open { multiplex: true });
        assert_eq!(self.told(), [format!("{stream} verify {} k", pair.remote)]);
        (accepted, stream)
    }
}

#[test]
fn a_key_is_asked_about_and_the_answer_is_passed_on() {
    for (verdict, answer) in [
        (Verdict::Valid, "valid"),
        (Verdict::Invalid, "invalid"),
        (error(Condition::ItemNotFound), "remote-server-not-found"),
        (error(Condition::InternalServerError), "remote-server-timeout"),
    ] {
        let mut world = World::new(Settings::default());
        let (peer, authority) = world.asked(&ab());
        world.report(authority, Report::Verified(key(&ab(), "k"), verdict));
        assert_eq!(world.told(), [format!("{peer} answer b.example {answer}")]);
        world.pass(10.0);
        assert_eq!(world.told(), [format!("{authority} close")], "it was for the key only");
    }
}

#[test]
fn the_stream_that_verified_a_key_also_carries_the_answer_to_a_message() {
    let mut world = World::new(Settings::default());
    let (_, authority) = world.asked(&ab());
    world.report(authority, Report::Verified(key(&ab(), "k"), Verdict::Valid));
    world.told();
    world.send(&ab(), "1");
    assert_eq!(world.told(), [format!("{authority} prove a.example b.example")]);
    world.pass(10.0);
    assert_eq!(world.told(), [""; 0]);
}

#[test]
fn a_stream_that_is_there_is_asked() {
    let mut world = World::new(Settings::default());
    let stream = world.dialed(&ab(), true);
    let accepted = world.federation.accept(world.now).unwrap();
    world.report(accepted, Report::Key(key(&ab(), "k")));
    assert_eq!(world.told(), [format!("{stream} verify b.example k")]);
}

#[test]
fn a_key_is_never_asked_about_on_the_stream_on_which_it_came() {
    let mut world = World::new(Settings::default());
    let stream = world.dialed(&ab(), true);
    world.report(stream, Report::Key(key(&ab(), "k")));
    assert_eq!(world.told(), ["2 ask a.example b.example"]);
}

#[test]
fn answers_that_nobody_asked_for_are_dropped() {
    let mut world = World::new(Settings::default());
    let (peer, authority) = world.asked(&ab());
    let elsewhere = world.dialed(&pair("a.example", "c.example"), true);
    let right = key(&ab(), "k");
    for (stream, about) in [
        (peer, right.clone()),
        (elsewhere, right.clone()),
        (99, right.clone()),
        (authority, key(&ab(), "forged")),
        (authority, key(&pair("a.example", "c.example"), "k")),
        (authority, Verification { id: "another".to_owned(), ..right.clone() }),
    ] {
        world.report(stream, Report::Verified(about, Verdict::Valid));
        assert_eq!(world.told(), [""; 0]);
    }
    world.report(authority, Report::Verified(right.clone(), Verdict::Valid));
    assert_eq!(world.told(), [format!("{peer} answer b.example valid")]);
    world.report(authority, Report::Verified(right, Verdict::Valid));
    assert_eq!(world.told(), [""; 0]);
    assert_eq!(world.federation.stats().unsolicited, 7);
}

#[test]
fn a_key_that_is_shown_twice_is_answered_once_and_on_another_stream_anew() {
    let mut world = World::new(Settings::default());
    let (peer, authority) = world.asked(&ab());
    world.report(peer, Report::Key(key(&ab(), "k")));
    assert_eq!(world.told(), [""; 0]);
    let other = world.federation.accept(world.now).unwrap();
    world.report(other, Report::Key(Verification { id: "other-id".to_owned(), ..key(&ab(), "k") }));
    assert_eq!(world.told(), [format!("{authority} verify b.example k")]);
}

#[test]
fn a_wrong_key_does_not_cost_the_others_on_its_stream() {
    let mut world = World::new(Settings::default());
    let (peer, authority) = world.asked(&ab());
    world.report(authority, Report::Verified(key(&ab(), "k"), Verdict::Valid));
    world.report(peer, Report::Proven(ab(), Way::In, Association::Dialback));
    let more = pair("more.example", "b.example");
    world.report(peer, Report::Key(key(&more, "k2")));
    world.told();
    world.report(authority, Report::Verified(key(&more, "k2"), Verdict::Invalid));
    assert_eq!(world.told(), [format!("{peer} answer b.example forbidden")]);
}

#[test]
fn a_dead_authority_is_named_and_a_stream_without_anything_else_ends() {
    for (cause, told) in [
        (Unreachable::NotFound(String::new()), "remote-server-not-found"),
        (Unreachable::NoAnswer(String::new()), "remote-server-timeout remote-connection-failed"),
    ] {
        let mut world = World::new(Settings::default());
        let peer = world.federation.accept(world.now).unwrap();
        world.report(peer, Report::Key(key(&ab(), "k")));
        world.told();
        world.report(2, Report::Unreachable(cause));
        assert_eq!(
            world.told(),
            [format!("{peer} answer b.example {told}"), format!("{peer} close remote-connection-failed")]
        );
    }
}

#[test]
fn a_domain_that_could_not_be_reached_is_asked_again_when_it_shows_a_key_but_not_at_once() {
    let mut world = World::new(Settings::default());
    world.send(&ab(), "1");
    world.report(1, Report::Unreachable(Unreachable::NoAnswer(String::new())));
    world.told();
    let peer = world.federation.accept(world.now).unwrap();
    world.report(peer, Report::Key(key(&ab(), "k")));
    assert_eq!(world.told(), [format!("{peer} answer b.example remote-server-timeout remote-connection-failed")]);
    world.pass(5.0);
    world.report(peer, Report::Key(key(&ab(), "k")));
    assert_eq!(world.told(), ["3 ask a.example b.example"]);
}

#[test]
fn an_authority_that_hangs_up_is_asked_once_more() {
    let mut world = World::new(Settings::default());
    let (peer, authority) = world.asked(&ab());
    world.close(authority, &[], false);
    assert_eq!(world.told(), ["3 ask a.example b.example"]);
    world.report(3, Report::Open { multiplex: false });
    world.told();
    world.close(3, &[], false);
    assert_eq!(world.told(), [format!("{peer} answer b.example remote-server-timeout")]);
    let (peer, authority) = world.asked(&pair("a.example", "c.example"));
    let cause = Cause::PeerError(StreamErrorKind::HostUnknown.into());
    world.report(
        authority,
        Report::Closed { cause, unsent: Vec::new(), doubtful: Vec::new(), session: None, in_doubt: false },
    );
    assert_eq!(world.told(), [format!("{peer} answer c.example remote-server-not-found")]);
}

#[test]
fn an_authority_that_says_nothing_is_not_waited_for_longer_than_agreed() {
    let mut world = World::new(Settings::default());
    let (peer, _) = world.asked(&ab());
    world.pass(20.0);
    assert_eq!(world.told(), [format!("{peer} answer b.example remote-server-timeout")]);
}

#[test]
fn keys_are_bounded_per_stream_and_those_of_a_stream_that_is_over_are_forgotten() {
    let mut world = World::new(Settings::default());
    let peer = world.federation.accept(world.now).unwrap();
    for n in 0..300 {
        world.report(peer, Report::Key(key(&pair("a.example", &format!("{n}.example")), "k")));
    }
    let told = world.told();
    let refused = told.iter().filter(|line| line.contains("resource-constraint")).count();
    assert_eq!((told.len(), refused), (300, 300 - 256));
    assert_eq!(world.federation.questions.len(), 256);
    world.close(peer, &[], false);
    assert!(world.federation.questions.is_empty());
    assert_eq!(world.told(), [""; 0]);
}

#[test]
fn a_domain_that_is_proven_on_its_stream_already_is_told_so() {
    let mut world = World::new(Settings::default());
    let peer = world.federation.accept(world.now).unwrap();
    world.report(peer, Report::Proven(ab(), Way::In, Association::Pkix));
    world.report(peer, Report::Key(key(&ab(), "k")));
    assert_eq!(world.told(), [format!("{peer} answer b.example valid")]);
}
