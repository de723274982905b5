//! Streams that do not come about, or break.

use super::*;
use crate::xmpp::federation::Unreachable;
use crate::xmpp::stanza::{Iq, Presence, PresenceKind};
use crate::xmpp::stream::{StreamError, StreamErrorKind};

fn gone(kind: StreamErrorKind, host: Option<&str>) -> Report {
    let error = StreamError { host: host.map(str::to_owned), ..kind.into() };
    Report::Closed {
        cause: Cause::PeerError(error),
        unsent: Vec::new(),
        doubtful: Vec::new(),
        session: None,
        in_doubt: false,
    }
}

#[test]
fn what_waits_comes_back_with_the_cause_and_so_does_what_follows_until_the_rest_is_over() {
    for (cause, condition) in [
        (Unreachable::NotFound("no".to_owned()), "remote-server-not-found"),
        (Unreachable::NoAnswer("no".to_owned()), "remote-server-timeout"),
        (Unreachable::NotTrusted("no".to_owned()), "remote-server-timeout"),
    ] {
        let mut world = World::new(Settings::default());
        world.send(&ab(), "1");
        world.send(&pair("c.example", "b.example"), "2");
        world.told();
        world.report(1, Report::Unreachable(cause));
        world.send(&ab(), "3");
        let bounces: Vec<_> = ["1", "2", "3"].map(|id| format!("bounce {id} bert@b.example {condition}")).into();
        assert_eq!(world.told(), bounces);
        world.pass(60.0);
        world.send(&ab(), "4");
        assert_eq!(world.told(), ["2 open a.example b.example"]);
    }
}

#[test]
fn the_rest_of_a_dead_domain_doubles_by_chance_up_to_a_quarter_of_an_hour_and_ends_with_a_success() {
    let mut world = World::new(Settings::default());
    let rests: Vec<f64> = (0..20)
        .map(|_| {
            let (start, mut tried) = (world.now.mono, None);
            while tried.is_none() {
                world.send(&ab(), "x");
                let outputs = world.outputs();
                tried = outputs.iter().find_map(|o| if let Output::Open(dial) = o { Some(dial.stream) } else { None });
                if tried.is_none() {
                    world.pass(0.5);
                }
            }
            world.report(tried.unwrap(), Report::Unreachable(Unreachable::NoAnswer(String::new())));
            (world.now.mono - start).as_secs_f64()
        })
        .collect();
    for (failures, rest) in rests.iter().enumerate().skip(1) {
        let most = f64::from(1 << (failures - 1).min(10)).min(900.0);
        assert!((most / 2.0..=most + 0.5).contains(rest), "{rests:?}");
    }
    world.pass(900.0);
    world.outputs();
    world.dialed(&ab(), true);
    assert_eq!(world.federation.remotes["b.example"].failures, 0);
}

#[test]
fn a_failure_is_forgotten_and_nothing_remains_of_it() {
    let mut world = World::new(Settings::default());
    world.send(&ab(), "1");
    world.report(1, Report::Unreachable(Unreachable::NotFound(String::new())));
    world.pass(121.0);
    assert!(world.federation.remotes.is_empty() && world.federation.routes.is_empty());
}

#[test]
fn whoever_proves_to_be_there_is_tried_at_once() {
    let mut world = World::new(Settings::default());
    world.send(&ab(), "1");
    world.report(1, Report::Unreachable(Unreachable::NoAnswer(String::new())));
    world.outputs();
    let accepted = world.federation.accept(world.now).unwrap();
    world.report(accepted, Report::Proven(ab(), Way::In, Association::Pkix));
    world.send(&ab(), "2");
    assert_eq!(world.told(), ["3 open a.example b.example"]);
}

#[test]
fn a_slow_or_silent_server_delays_nobody_else_and_is_given_up() {
    let mut world = World::new(Settings::default());
    world.send(&ab(), "1");
    world.told();
    world.dialed(&pair("a.example", "quick.example"), true);
    world.pass(30.0);
    assert_eq!(world.told(), ["bounce 1 bert@b.example remote-server-timeout"]);
    world.pass(30.0);
    assert_eq!(world.told(), ["1 close"]);
    world.report(1, Report::Unreachable(Unreachable::NoAnswer(String::new())));
    assert_eq!(world.federation.stats().failed, 1, "and counted once");
}

#[test]
fn a_server_that_never_says_whether_it_believes_us_is_given_up_too() {
    let mut world = World::new(Settings::default());
    world.send(&ab(), "1");
    world.report(1, Report::Open { multiplex: true });
    world.pass(60.0);
    world.told();
    world.send(&ab(), "2");
    assert_eq!(world.told(), ["bounce 2 bert@b.example remote-server-timeout"]);
    world.pass(10.0);
    assert!(world.told().contains(&"1 close".to_owned()));
}

#[test]
fn what_a_stream_did_not_take_goes_on_the_next_before_what_came_later() {
    let mut world = World::new(Settings::default());
    let stream = world.dialed(&ab(), true);
    world.send(&ab(), "1");
    world.send(&ab(), "2");
    world.told();
    world.close(stream, &["1", "2"], false);
    world.send(&ab(), "3");
    assert_eq!(world.told(), ["2 open a.example b.example"]);
    world.prove(2, &ab());
    world.report(2, Report::Open { multiplex: true });
    assert_eq!(world.told(), ["2 send 1", "2 send 2", "2 send 3"]);
    assert_eq!(world.federation.stats().sent_again, 2);
}

#[test]
fn streams_that_end_young_one_after_the_other_are_not_fed_for_ever() {
    let mut world = World::new(Settings::default());
    let mut stream = world.dialed(&ab(), true);
    for _ in 0..3 {
        world.close(stream, &["first"], false);
        stream += 1;
        world.prove(stream, &ab());
        world.report(stream, Report::Open { multiplex: true });
        assert_eq!(world.told(), [format!("{stream} open a.example b.example"), format!("{stream} send first")]);
    }
    world.close(stream, &["first"], false);
    assert_eq!(world.told(), ["bounce first bert@b.example remote-server-timeout"]);
}

#[test]
fn where_some_are_in_doubt_the_domain_is_down_and_the_rest_comes_back_first() {
    let mut world = World::new(Settings::default());
    let stream = world.dialed(&ab(), true);
    let quiet = pair("quiet.example", "b.example");
    world.send(&quiet, "q");
    world.prove(stream, &quiet);
    world.send(&ab(), "1");
    world.told();
    let unsent = vec![message(&quiet, "q"), message(&ab(), "1")];
    world.report(
        stream,
        Report::Closed { cause: Cause::Disconnected, unsent, doubtful: Vec::new(), session: None, in_doubt: true },
    );
    assert_eq!(
        world.told(),
        ["bounce 1 bert@b.example remote-server-timeout", "down a.example b.example", "2 open quiet.example b.example",]
    );
}

#[test]
fn answers_and_presence_go_on_although_others_are_in_doubt() {
    let mut world = World::new(Settings::default());
    let stream = world.dialed(&ab(), true);
    let (from, to) = (jid("a.example"), jid("b.example"));
    let answer = Iq::ping(to.clone(), from.clone(), "p".to_owned()).result(None).unwrap();
    let mut presence = Presence::new(from, to, PresenceKind::Available);
    presence.id = Some("here".to_owned());
    let unsent = vec![Stanza::Iq(answer), Stanza::Presence(presence)];
    for stanza in &unsent {
        world.federation.send(stanza.clone(), world.now);
    }
    world.told();
    world.report(
        stream,
        Report::Closed { cause: Cause::Disconnected, unsent, doubtful: Vec::new(), session: None, in_doubt: true },
    );
    assert_eq!(world.told(), ["down a.example b.example", "2 open a.example b.example"]);
    world.prove(2, &ab());
    world.report(2, Report::Open { multiplex: true });
    assert_eq!(world.told(), ["2 send p", "2 send here", "up a.example b.example"], "what came before is not known");
}

#[test]
fn a_domain_that_presence_was_lost_to_is_told_once_when_it_is_there_again() {
    let mut world = World::new(Settings::default());
    let (from, to) = (jid("romeo@a.example"), jid("juliet@b.example"));
    world.federation.send(Stanza::Presence(Presence::new(from, to, PresenceKind::Available)), world.now);
    assert_eq!(world.told(), ["1 open a.example b.example"]);
    world.report(1, Report::Unreachable(Unreachable::NoAnswer("down".to_owned())));
    assert_eq!(world.told(), [""; 0], "nobody is told of presence that is lost");
    world.pass(600.0);
    world.send(&ab(), "1");
    assert_eq!(world.told(), ["2 open a.example b.example"]);
    world.prove(2, &ab());
    assert_eq!(world.told(), ["2 send 1", "up a.example b.example"]);
    world.close(2, &[], false);
    world.send(&ab(), "2");
    world.told();
    world.prove(3, &ab());
    assert_eq!(world.told(), ["3 send 2"]);
}

#[test]
fn no_error_is_made_of_an_error() {
    let mut world = World::new(Settings::default());
    let Stanza::Message(message) = message(&ab(), "1") else { panic!() };
    let error = message.error_reply(StanzaError::new(Condition::ItemNotFound)).unwrap();
    let error = Message { from: message.from.clone(), to: message.to.clone(), ..error };
    world.federation.send(Stanza::Message(error), world.now);
    assert_eq!(world.told(), ["1 open a.example b.example"]);
    world.report(1, Report::Unreachable(Unreachable::NoAnswer(String::new())));
    assert_eq!(world.told(), [""; 0]);
    assert_eq!(world.federation.stats().dropped, 1);
}

#[test]
fn a_pair_that_the_other_server_refuses_comes_back_as_it_says_and_rests() {
    for (verdict, condition) in [
        (super::super::super::Verdict::Invalid, "internal-server-error"),
        (error(Condition::ItemNotFound), "remote-server-timeout"),
        (error(Condition::Forbidden), "remote-server-timeout"),
    ] {
        let mut world = World::new(Settings::default());
        world.send(&ab(), "1");
        world.report(1, Report::Open { multiplex: true });
        world.told();
        world.report(1, Report::Refused(ab(), verdict));
        world.send(&ab(), "2");
        assert_eq!(world.told(), ["1", "2"].map(|id| format!("bounce {id} bert@b.example {condition}")));
        world.pass(10.0);
        assert_eq!(world.told(), ["1 close"]);
        world.close(1, &[], false);
        world.pass(50.0);
        world.send(&ab(), "3");
        assert_eq!(world.told(), ["2 open a.example b.example"]);
    }
}

#[test]
fn a_pair_for_which_a_shared_stream_has_no_room_gets_its_own_once() {
    let mut world = World::new(Settings::default());
    let stream = world.dialed(&ab(), true);
    let more = pair("more.example", "b.example");
    world.send(&more, "1");
    world.told();
    world.report(stream, Report::Refused(more.clone(), error(Condition::ResourceConstraint)));
    assert_eq!(world.told(), ["2 open more.example b.example"]);
    world.report(2, Report::Open { multiplex: true });
    world.told();
    world.report(2, Report::Refused(more, error(Condition::ResourceConstraint)));
    assert_eq!(world.told(), ["bounce 1 bert@b.example remote-server-timeout"]);
}

#[test]
fn a_stream_that_ends_before_it_has_proven_its_pair_says_why() {
    for (kind, condition) in [
        (StreamErrorKind::HostUnknown, "remote-server-not-found"),
        (StreamErrorKind::NotAuthorized, "remote-server-timeout"),
        (StreamErrorKind::Reset, "remote-server-timeout"),
    ] {
        for is_open in [false, true] {
            let mut world = World::new(Settings::default());
            world.send(&ab(), "1");
            if is_open {
                world.report(1, Report::Open { multiplex: true });
            }
            world.told();
            world.report(1, gone(kind, None));
            world.send(&ab(), "2");
            assert_eq!(world.told(), ["1", "2"].map(|id| format!("bounce {id} bert@b.example {condition}")));
        }
    }
}

#[test]
fn a_domain_may_send_us_to_another_host_three_times() {
    let mut world = World::new(Settings::default());
    world.send(&ab(), "1");
    world.send(&pair("more.example", "b.example"), "2");
    world.told();
    for stream in 1..=3 {
        world.report(stream, gone(StreamErrorKind::SeeOtherHost, Some("other.example:5270")));
        assert_eq!(world.told(), [format!("{} open a.example b.example at other.example", stream + 1)]);
    }
    world.report(4, gone(StreamErrorKind::SeeOtherHost, Some("other.example:5270")));
    let bounced = world.told();
    assert_eq!(bounced.len(), 2, "{bounced:?}");
    let mut world = World::new(Settings::default());
    world.send(&ab(), "1");
    world.report(1, gone(StreamErrorKind::SeeOtherHost, None));
    assert_eq!(world.told()[1..], ["bounce 1 bert@b.example remote-server-timeout"], "not under TLS");
}

#[test]
fn a_stream_that_takes_no_more_gives_single_stanzas_back() {
    let mut world = World::new(Settings::default());
    let stream = world.dialed(&ab(), true);
    world.send(&ab(), "1");
    world.told();
    world.report(stream, Report::Unsent(message(&ab(), "1")));
    world.send(&ab(), "2");
    assert_eq!(world.told(), ["bounce 1 bert@b.example remote-server-timeout".to_owned(), format!("{stream} send 2")]);
}

#[test]
fn a_blocked_partner_is_not_even_looked_up() {
    let blocked = Partner { allowed: false, ..Partner::default() };
    let mut world = World::new(Settings { partners: partners(blocked), ..Settings::default() });
    world.send(&ab(), "1");
    assert_eq!(world.told(), ["bounce 1 bert@b.example not-allowed"]);
    let accepted = world.federation.accept(world.now).unwrap();
    world.report(accepted, Report::Proven(ab(), Way::In, Association::Pkix));
    assert_eq!(world.told(), [format!("{accepted} close policy-violation")]);
}

#[test]
fn a_stream_proves_so_many_pairs_at_a_time_and_the_others_follow() {
    let mut world = World::new(Settings::default());
    let stream = world.dialed(&ab(), true);
    let pairs: Vec<_> = (0..40).map(|n| pair(&format!("{n}.example"), "b.example")).collect();
    for pair in &pairs {
        world.send(pair, "x");
    }
    assert_eq!(world.told().len(), 32);
    world.prove(stream, &pairs[0]);
    let told = world.told();
    assert!(told.contains(&format!("{stream} prove 32.example b.example")), "{told:?}");
    world.report(stream, Report::Undone(Box::new(Command::Prove(pairs[1].clone()))));
    assert_eq!(world.told()[0], "2 open 1.example b.example", "this one has room for it");
}

#[test]
fn a_pair_that_is_refused_on_the_stream_of_another_domain_gets_its_own() {
    let mut world = World::new(hosted(&["b.example", "c.example"], Authentication::DialbackTls));
    let stream = world.dialed(&ab(), true);
    let guest = pair("a.example", "c.example");
    world.send(&guest, "1");
    assert_eq!(world.told(), [format!("{stream} prove a.example c.example")]);
    world.report(stream, Report::Refused(guest, error(Condition::NotAuthorized)));
    assert_eq!(world.told(), ["2 open a.example c.example"]);
}
