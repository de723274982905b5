//! Stanzas wait for their pair, and pairs share streams.

use super::*;

#[test]
fn stanzas_wait_until_their_pair_is_proven_and_go_in_order_while_others_flow_on() {
    let mut world = World::new(Settings::default());
    world.send(&ab(), "1");
    world.send(&ab(), "2");
    assert_eq!(world.told(), ["1 open a.example b.example"]);
    let ac = pair("a.example", "c.example");
    let other = world.dialed(&ac, true);
    world.send(&ac, "c1");
    assert_eq!(world.told(), [format!("{other} send c1")]);
    world.report(1, Report::Open { multiplex: true });
    world.send(&ab(), "3");
    assert_eq!(world.told(), ["1 prove a.example b.example"], "the certificate did not do it");
    world.prove(1, &ab());
    world.send(&ab(), "4");
    assert_eq!(world.told(), ["1 send 1", "1 send 2", "1 send 3", "1 send 4"]);
    assert_eq!(world.federation.stats().queued_bytes, 0);
}

#[test]
fn another_domain_of_ours_is_proven_on_the_stream_there_is() {
    let mut world = World::new(Settings::default());
    let stream = world.dialed(&ab(), true);
    let more = pair("more.example", "b.example");
    world.send(&more, "1");
    assert_eq!(world.told(), [format!("{stream} prove more.example b.example")]);
    world.prove(stream, &more);
    assert_eq!(world.told(), [format!("{stream} send 1")]);
    let stats = world.federation.stats();
    assert_eq!((stats.streams_out, stats.pairs_out, stats.pairs_on_one_stream), (1, 2, 2));
}

#[test]
fn pairs_wait_for_a_stream_that_is_being_opened_and_part_if_it_takes_one_only() {
    for (multiplex, expected) in [(true, "1 prove m.example b.example"), (false, "2 open m.example b.example")] {
        let mut world = World::new(Settings::default());
        world.send(&ab(), "1");
        world.send(&pair("m.example", "b.example"), "2");
        assert_eq!(world.told(), ["1 open a.example b.example"]);
        world.report(1, Report::Open { multiplex });
        let told = world.told();
        assert!(told.len() == 2 && told.iter().any(|line| line == expected), "{told:?}");
        assert!(told.contains(&"1 prove a.example b.example".to_owned()), "{told:?}");
    }
}

#[test]
fn another_remote_domain_shares_a_stream_only_where_configuration_gives_both_one_host_and_dialback_will_do() {
    for (names, authentication, is_shared) in [
        (["b.example", "c.example"].as_slice(), Authentication::Dialback, true),
        (&["b.example", "c.example"], Authentication::DialbackTls, true),
        (&["b.example", "c.example"], Authentication::Certificate, false),
        (&["c.example"], Authentication::Dialback, false),
        (&[], Authentication::Dialback, false),
    ] {
        let mut world = World::new(hosted(names, authentication));
        world.dialed(&ab(), true);
        world.send(&pair("a.example", "c.example"), "1");
        let expected = if is_shared { "1 prove a.example c.example" } else { "2 open a.example c.example" };
        assert_eq!(world.told(), [expected], "{names:?} {authentication:?}");
    }
}

#[test]
fn a_stream_that_the_peer_opened_both_ways_is_used_even_while_one_is_being_opened() {
    let mut world = World::new(Settings::default());
    world.send(&ab(), "1");
    world.told();
    let accepted = world.federation.accept(world.now).unwrap();
    world.report(accepted, Report::Proven(ab(), Way::In, Association::Pkix));
    assert_eq!(world.told(), [""; 0]);
    world.prove(accepted, &ab());
    world.send(&ab(), "2");
    assert_eq!(world.told(), [format!("{accepted} send 1"), format!("{accepted} send 2")]);
    // The other proves the pair too, later: the order is not put at risk for it.
    world.prove(1, &ab());
    world.report(1, Report::Open { multiplex: true });
    world.send(&ab(), "3");
    assert_eq!(world.told(), [format!("{accepted} send 3")]);
    world.close(accepted, &[], false);
    world.send(&ab(), "4");
    assert_eq!(world.told(), ["1 send 4"]);
}

#[test]
fn nothing_goes_to_a_peer_that_opened_a_stream_one_way() {
    let mut world = World::new(Settings::default());
    let accepted = world.federation.accept(world.now).unwrap();
    world.report(accepted, Report::Open { multiplex: true });
    world.report(accepted, Report::Proven(ab(), Way::In, Association::Dialback));
    world.send(&ab(), "1");
    assert_eq!(world.told(), ["2 open a.example b.example"]);
}

#[test]
fn what_waits_is_bounded_per_pair_in_all_and_in_bytes() {
    for (settings, most) in [
        (Settings { queue_per_pair: 2, ..Settings::default() }, 2),
        (Settings { queued: 3, ..Settings::default() }, 3),
        (Settings { queued_bytes: 1_500, ..Settings::default() }, 2),
    ] {
        let mut world = World::new(settings);
        for id in 0..5 {
            world.send(&ab(), &id.to_string());
        }
        let told = world.told();
        assert_eq!(told.len(), 1 + 5 - most, "{told:?}");
        assert_eq!(told[1], format!("bounce {most} bert@b.example resource-constraint"));
        assert_eq!(world.federation.stats().queued, most);
    }
}

#[test]
fn a_stanza_waits_for_so_long_and_comes_back() {
    let mut world = World::new(Settings::default());
    world.send(&ab(), "1");
    world.told();
    world.pass(10.0);
    world.send(&ab(), "2");
    world.pass(20.0);
    assert_eq!(world.told(), ["bounce 1 bert@b.example remote-server-timeout"]);
    world.pass(10.0);
    assert_eq!(world.told(), ["bounce 2 bert@b.example remote-server-timeout"]);
    assert_eq!((world.federation.stats().queued, world.federation.stats().queued_bytes), (0, 0));
}

#[test]
fn an_idle_stream_ends_and_what_comes_meanwhile_waits_for_its_end() {
    let mut world = World::new(Settings::default());
    let stream = world.dialed(&ab(), true);
    world.report(stream, Report::Idle);
    assert_eq!(world.told(), [""; 0], "it was used just now");
    world.pass(600.0);
    world.report(stream, Report::Idle);
    world.send(&ab(), "2");
    assert_eq!(world.told(), [format!("{stream} close")]);
    world.close(stream, &[], true);
    assert_eq!(world.told(), ["bounce 2 bert@b.example remote-server-timeout", "down a.example b.example"]);
}

#[test]
fn after_an_end_without_doubt_the_next_stanza_opens_the_next_stream() {
    let mut world = World::new(Settings::default());
    let stream = world.dialed(&ab(), true);
    world.pass(600.0);
    world.report(stream, Report::Idle);
    world.send(&ab(), "2");
    world.told();
    world.close(stream, &[], false);
    assert_eq!(world.told(), ["2 open a.example b.example"]);
    assert_eq!(world.federation.stats().streams_out, 1);
}

#[test]
fn a_stream_goes_on_while_something_waits_for_it() {
    let mut world = World::new(Settings::default());
    let stream = world.dialed(&ab(), true);
    world.pass(600.0);
    world.send(&pair("more.example", "b.example"), "1");
    world.told();
    world.report(stream, Report::Idle);
    assert_eq!(world.told(), [""; 0]);
}

#[test]
fn streams_and_pairs_are_bounded() {
    let mut world = World::new(Settings { partners: most_connections(2), ..Settings::default() });
    for local in ["a.example", "c.example"] {
        world.dialed(&pair(local, "b.example"), false);
    }
    world.send(&pair("d.example", "b.example"), "1");
    assert_eq!(world.told(), ["bounce 1 bert@b.example resource-constraint"]);

    let mut world = World::new(Settings { pairs_per_stream: 1, ..Settings::default() });
    world.dialed(&ab(), true);
    world.send(&pair("c.example", "b.example"), "1");
    assert_eq!(world.told(), ["2 open c.example b.example"]);

    let mut world = World::new(Settings { streams: 8, ..Settings::default() });
    let accepted = std::iter::from_fn(|| world.federation.accept(world.now)).count();
    assert_eq!(accepted, 6, "peers leave a quarter for reaching somebody");
    world.send(&ab(), "1");
    assert_eq!(world.told(), ["7 open a.example b.example"]);
}

#[test]
fn a_partner_has_so_many_streams_to_us() {
    let mut world = World::new(Settings { partners: most_connections(1), ..Settings::default() });
    for expected in [None, Some("2 close policy-violation")] {
        let accepted = world.federation.accept(world.now).unwrap();
        world.report(accepted, Report::Proven(ab(), Way::In, Association::Pkix));
        assert_eq!(world.told(), Vec::from_iter(expected));
    }
}

#[test]
fn a_connection_that_proves_nothing_ends() {
    let mut world = World::new(Settings::default());
    let accepted = world.federation.accept(world.now).unwrap();
    world.pass(60.0);
    assert_eq!(world.told(), [format!("{accepted} close")]);
}

#[test]
fn at_the_stop_everything_that_waits_comes_back_and_every_stream_ends() {
    let mut world = World::new(Settings::default());
    let stream = world.dialed(&pair("a.example", "c.example"), true);
    world.send(&ab(), "1");
    world.told();
    world.federation.stop();
    assert_eq!(
        world.told(),
        ["bounce 1 bert@b.example remote-server-timeout".to_owned(), format!("{stream} close"), "2 close".to_owned()]
    );
    world.send(&ab(), "2");
    assert_eq!(world.told(), ["bounce 2 bert@b.example remote-server-timeout"]);
    assert!(world.federation.accept(world.now).is_none() && !world.federation.is_over());
    world.close(stream, &[], false);
    world.close(2, &[], false);
    assert!(world.federation.is_over());
    assert_eq!(world.told(), [""; 0]);
}
