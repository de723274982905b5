//! The end of the process, in two steps.

use super::*;

impl World {
    /// A stream that a peer has opened and on which it sends.
    fn accepted(&mut self, pair: &Pair) -> StreamId {
        let stream = self.federation.accept(self.now).unwrap();
        self.report(stream, Report::Proven(pair.clone(), Way::In, Association::Pkix));
        stream
    }
}

#[test]
fn first_streams_end_on_which_only_peers_send_and_then_those_by_which_they_are_answered() {
    let mut world = World::new(Settings::default());
    let out = world.dialed(&ab(), true);
    let one_way = world.accepted(&ab());
    let both_ways = world.accepted(&pair("a.example", "c.example"));
    world.prove(both_ways, &pair("a.example", "c.example"));
    let asking = world.federation.accept(world.now).unwrap();
    world.told();
    assert!(!world.federation.is_drained());
    world.federation.drain();
    world.federation.drain();
    assert_eq!(world.told(), [format!("{one_way} drain")]);
    assert!(!world.federation.is_drained());
    world.send(&ab(), "refused");
    assert_eq!(world.told(), [format!("{out} send refused")]);
    world.close(one_way, &[], false);
    assert!(world.federation.is_drained() && !world.federation.is_over());
    world.federation.stop();
    assert_eq!(world.told(), [out, both_ways, asking].map(|stream| format!("{stream} close")));
}

#[test]
fn a_stream_whose_peer_hears_what_was_taken_stays_until_the_end() {
    let mut world = World::new(Settings::default());
    let stream = world.accepted(&ab());
    world.federation.drain();
    assert_eq!(world.told(), [format!("{stream} drain")]);
    world.report(stream, Report::Undone(Box::new(Command::Drain)));
    assert!(world.federation.is_drained());
    world.federation.stop();
    assert_eq!(world.told(), [format!("{stream} close")]);
}

#[test]
fn who_comes_in_between_is_taken_at_its_word_and_no_further() {
    let mut world = World::new(Settings::default());
    world.federation.drain();
    assert!(world.federation.is_drained());
    let stream = world.accepted(&ab());
    assert_eq!(world.told(), [format!("{stream} drain")]);
    assert!(!world.federation.is_drained());
    world.close(stream, &[], false);
    let by_key = world.federation.accept(world.now).unwrap();
    let shown = super::super::super::Verification { pair: ab(), id: "id".to_owned(), key: "key".to_owned() };
    world.report(by_key, Report::Key(shown));
    assert_eq!(world.told(), [format!("{by_key} answer b.example resource-constraint")]);
    assert!(world.federation.is_drained());
}

#[test]
fn answers_may_need_a_stream_at_first_and_get_none_at_the_last() {
    let mut world = World::new(Settings::default());
    world.federation.drain();
    world.send(&ab(), "1");
    assert_eq!(world.told(), ["1 open a.example b.example"]);
    assert!(!world.federation.is_drained());
    world.prove(1, &ab());
    assert_eq!(world.told(), ["1 send 1"]);
    assert!(world.federation.is_drained());
    world.federation.stop();
    world.send(&pair("a.example", "c.example"), "2");
    assert_eq!(world.told(), ["1 close", "bounce 2 bert@c.example remote-server-timeout"]);
}
