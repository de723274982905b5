//! Searches that share, hold, end, and outlive a silent DNS.

#![allow(clippy::unwrap_used)]

use super::super::{Cache, Find, Finder, Outcome, PlaceId, QuestionId, limits};
use super::*;

const ZONE: &str = "
    _sip._udp.d.example SRV 0 0 5060 a.example
    _sip._udp.d.example SRV 1 0 5060 b.example
    a.example A 192.0.2.1
    b.example A 192.0.2.2";

/// A finder and the DNS that it asks.
struct Bench {
    finder: Finder,
    zone: Zone,
    asked: Vec<Query>,
}

impl Bench {
    fn new(zone: &str) -> Self {
        Self { finder: Finder::new(all(), 1), zone: Zone::new(zone), asked: Vec::new() }
    }

    fn questions(&mut self) -> Vec<(QuestionId, Query)> {
        std::iter::from_fn(|| self.finder.poll_question()).collect()
    }

    /// Answers everything that is asked, until nothing more is; the places that became known.
    fn serve(&mut self, now: Duration) -> Vec<PlaceId> {
        let mut done = Vec::new();
        loop {
            let questions = self.questions();
            if questions.is_empty() {
                return done;
            }
            for (id, query) in questions {
                let (answer, ttl) = self.zone.answer(&query);
                self.asked.push(query);
                done.extend(self.finder.on_answer(id, answer, ttl, now));
            }
        }
    }
}

#[test]
fn a_place_is_looked_for_once_and_then_known() {
    let mut bench = Bench::new(ZONE);
    let place = bench.finder.place(&to("sip:d.example"));
    assert_eq!(bench.finder.find(place, s(0)), Find::Wait);
    assert_eq!(bench.finder.find(place, s(0)), Find::Wait, "the second sender waits for the same answer");
    assert_eq!(bench.serve(s(0)), [place]);
    let both = targets(&["udp 192.0.2.1:5060", "udp 192.0.2.2:5060"]);
    assert_eq!(bench.finder.find(place, s(0)), Find::Found(both.clone()));
    let count = bench.asked.len();
    assert_eq!(count, 5, "NAPTR, two SRV, two names");
    assert_eq!(bench.finder.find(place, s(59)), Find::Found(both));
    assert!(bench.serve(s(59)).is_empty());
    assert_eq!(bench.finder.find(place, s(60)), Find::Wait, "its time is over");
    assert_eq!(bench.serve(s(60)), [place]);
    assert_eq!(bench.asked.len(), 2 * count);
    assert_eq!(bench.finder.open(), 0);
}

#[test]
fn an_address_is_known_at_once_and_for_ever() {
    let mut bench = Bench::new("");
    let place = bench.finder.place(&to("sip:192.0.2.1:5070"));
    for now in [s(0), s(1 << 40)] {
        assert_eq!(bench.finder.find(place, now), Find::Found(targets(&["udp 192.0.2.1:5070"])));
    }
    assert!(bench.questions().is_empty());
}

#[test]
fn two_places_share_the_questions_that_they_have_in_common() {
    let mut bench = Bench::new("h.example A 192.0.2.1");
    let one = bench.finder.place(&to("sip:h.example:5060"));
    let other = bench.finder.place(&to("sip:h.example:5080;transport=tcp"));
    assert_ne!(one, other);
    assert_eq!(bench.finder.place(&to("sip:h.example:5060")), one, "the same destination has the same number");
    assert_eq!(bench.finder.find(one, s(0)), Find::Wait);
    assert_eq!(bench.finder.find(other, s(0)), Find::Wait);
    assert_eq!(bench.finder.open(), 1);
    assert_eq!(bench.serve(s(0)), [one, other]);
    assert_eq!(bench.finder.find(other, s(0)), Find::Found(targets(&["tcp 192.0.2.1:5080"])));
}

#[test]
fn absence_is_remembered_as_the_zone_says_and_silence_for_a_moment() {
    let mut bench = Bench::new("silent.example A silent");
    let nowhere = bench.finder.place(&to("sip:nowhere.example:5060"));
    let silent = bench.finder.place(&to("sip:silent.example:5060"));
    bench.finder.find(nowhere, s(0));
    bench.finder.find(silent, s(0));
    bench.serve(s(0));
    assert_eq!(bench.finder.find(nowhere, s(59)), Find::NotFound(Reason::NoAddress));
    assert_eq!(bench.finder.find(nowhere, s(60)), Find::Wait);
    assert_eq!(bench.finder.find(silent, s(4)), Find::NotFound(Reason::Unavailable));
    assert_eq!(bench.finder.find(silent, s(5)), Find::Wait);
}

#[test]
fn a_silent_dns_does_not_cut_off_a_server_that_is_not_silent() {
    let mut bench = Bench::new(ZONE);
    let place = bench.finder.place(&to("sip:d.example"));
    bench.finder.find(place, s(0));
    bench.serve(s(0));
    bench.zone = Zone::new("d.example NAPTR silent\n_sip._udp.d.example SRV silent\n_sip._tcp.d.example SRV silent");
    let mut now = s(60);
    while now < limits::STALE {
        assert_eq!(bench.finder.find(place, now), Find::Wait);
        bench.serve(now);
        assert!(matches!(bench.finder.find(place, now), Find::Found(_)), "{now:?}");
        now += s(60);
    }
    now = limits::STALE + s(60);
    bench.finder.find(place, now);
    bench.serve(now);
    assert_eq!(bench.finder.find(place, now), Find::NotFound(Reason::Unavailable), "some day it has to be believed");
}

#[test]
fn a_ttl_of_nothing_serves_those_who_wait() {
    let mut bench = Bench::new("");
    let place = bench.finder.place(&to("sip:d.example"));
    assert_eq!(bench.finder.find(place, s(0)), Find::Wait);
    // Each answer takes longer than it holds.
    let mut now = s(0);
    let zone = Zone::new(ZONE);
    let mut asked = 0;
    while let Some((id, query)) = bench.finder.poll_question() {
        now += s(10);
        asked += 1;
        bench.finder.on_answer(id, zone.answer(&query).0, Duration::ZERO, now);
    }
    assert_eq!(asked, 5);
    assert!(matches!(bench.finder.find(place, now), Find::Found(_)));
    assert_eq!(bench.finder.find(place, now + s(1)), Find::Wait);
}

#[test]
fn an_answer_to_nothing_is_ignored() {
    let mut bench = Bench::new(ZONE);
    let place = bench.finder.place(&to("sip:d.example"));
    assert!(bench.finder.on_answer(77, Answer::NoSuchName, s(1), s(0)).is_empty());
    bench.finder.find(place, s(0));
    let (id, query) = bench.finder.poll_question().unwrap();
    assert!(bench.finder.on_answer(id, bench.zone.answer(&query).0, s(60), s(0)).is_empty());
    assert!(bench.finder.on_answer(id, Answer::NoSuchName, s(60), s(0)).is_empty(), "an answer counts once");
    assert_eq!(bench.serve(s(0)), [place]);
}

#[test]
fn an_answer_of_the_wrong_kind_is_none() {
    let mut bench = Bench::new("");
    let place = bench.finder.place(&to("sip:d.example:5060"));
    bench.finder.find(place, s(0));
    let (id, _) = bench.finder.poll_question().unwrap();
    bench.finder.on_answer(id, Answer::Srv(Vec::new()), s(60), s(0));
    assert_eq!(bench.finder.find(place, s(0)), Find::NotFound(Reason::NoAddress));
}

#[test]
fn a_target_that_failed_is_tried_after_the_others_and_a_refusal_is_kept() {
    let mut bench = Bench::new(ZONE);
    let place = bench.finder.place(&to("sip:d.example"));
    bench.finder.find(place, s(0));
    bench.serve(s(0));
    bench.finder.note(target("udp 192.0.2.1:5060"), Outcome::Broken, s(1));
    let Find::Found(found) = bench.finder.find(place, s(1)) else { panic!("it is known") };
    assert_eq!(found, targets(&["udp 192.0.2.2:5060", "udp 192.0.2.1:5060"]));
    for address in ["udp 192.0.2.1:5060", "udp 192.0.2.2:5060"] {
        bench.finder.note(target(address), Outcome::Refused(Some(s(30))), s(2));
    }
    assert_eq!(bench.finder.find(place, s(12)), Find::Resting(s(20)));
    assert_eq!(bench.finder.failing(), 2);
}

#[test]
fn one_request_tries_only_so_many_targets() {
    let addresses: String = (0..8).map(|n| format!("a.example A 192.0.2.{n}\nb.example A 192.0.3.{n}\n")).collect();
    let srv = "_sip._udp.d.example SRV 0 0 5060 a.example\n_sip._udp.d.example SRV 1 0 5060 b.example\n";
    let mut bench = Bench::new(&format!("{srv}{addresses}"));
    let place = bench.finder.place(&to("sip:d.example"));
    bench.finder.find(place, s(0));
    bench.serve(s(0));
    let Find::Found(found) = bench.finder.find(place, s(0)) else { panic!("it is known") };
    assert_eq!(found.len(), limits::TARGETS);
    for dead in found {
        bench.finder.note(dead, Outcome::Broken, s(0));
    }
    let Find::Found(found) = bench.finder.find(place, s(0)) else { panic!("it is known") };
    assert!(found.iter().all(|target| target.addr.ip().to_string().starts_with("192.0.3.")), "the others' turn");
}

#[test]
fn the_cache_is_bounded_and_keeps_within_its_times() {
    let query = |n: usize| Query::Addresses { name: format!("h{n}.example") };
    let mut cache = Cache::default();
    for n in 0..limits::ANSWERS * 2 {
        cache.put(query(n), Answer::NoSuchName, s(60), s(n as u64));
    }
    assert!(cache.len() <= limits::ANSWERS);
    let mut cache = Cache::default();
    cache.put(query(1), Answer::NoSuchName, s(1 << 30), s(0));
    cache.put(query(2), Answer::NoSuchName, s(0), s(0));
    let end = |n| cache.get(&query(n), s(0), s(0)).map(|(_, until)| until);
    assert_eq!((end(1), end(2)), (Some(limits::LONGEST), Some(limits::SHORTEST)));
    assert_eq!(cache.get(&query(2), s(1), s(1)), None);
    assert!(cache.get(&query(2), s(1), s(0)).is_some(), "who asked for it may use it");
}

#[test]
fn places_that_peers_name_are_found_like_others_and_forgotten_for_newer_ones() {
    let mut bench = Bench::new(ZONE);
    let first = bench.finder.passing(&to("sip:d.example")).unwrap();
    assert_eq!(bench.finder.passing(&to("sip:d.example")), Some(first));
    assert_eq!(bench.finder.find(first, s(0)), Find::Wait);
    for n in 1..limits::PASSING {
        assert!(bench.finder.passing(&to(&format!("sip:{n}.example"))).is_some());
    }
    let second = bench.finder.passing(&to("sip:1.example")).unwrap();
    assert_eq!(bench.finder.passing(&to("sip:more.example")), Some(second), "the oldest for which nobody waits");
    bench.serve(s(0));
    assert!(matches!(bench.finder.find(first, s(0)), Find::Found(_)));
}

#[test]
fn no_more_places_are_taken_while_all_are_looked_for() {
    let mut bench = Bench::new(ZONE);
    for n in 0..limits::PASSING {
        let place = bench.finder.passing(&to(&format!("sip:{n}.example"))).unwrap();
        assert_eq!(bench.finder.find(place, s(0)), Find::Wait);
    }
    assert_eq!(bench.finder.passing(&to("sip:more.example")), None);
    bench.serve(s(0));
    assert!(bench.finder.passing(&to("sip:more.example")).is_some());
}

#[test]
fn an_address_is_found_without_dns_unless_it_rests() {
    let mut bench = Bench::new("");
    let found = |bench: &mut Bench, uri: &str| bench.finder.find_address(&to(uri), s(0));
    assert_eq!(found(&mut bench, "sip:192.0.2.7"), Find::Found(targets(&["udp 192.0.2.7:5060"])));
    assert_eq!(
        found(&mut bench, "sip:[2001:db8::7]:5070;transport=tls"),
        Find::Found(targets(&["tls [2001:db8::7]:5070"]))
    );
    assert_eq!(found(&mut bench, "sip:192.0.2.7;transport=ws"), Find::NotFound(Reason::NoTransport));
    bench.finder.note(target("udp 192.0.2.7:5060"), Outcome::Refused(Some(s(20))), s(0));
    assert!(matches!(found(&mut bench, "sip:192.0.2.7"), Find::Resting(_)));
    assert!(bench.questions().is_empty());
}

#[test]
fn a_uri_names_a_destination_and_a_configured_one_covers_what_says_less() {
    let of = |text: &str| Destination::of(&text.parse().unwrap());
    assert_eq!(of("sip:a@D.example;transport=tcp"), Some(to("sip:d.example;transport=tcp")));
    assert_eq!(of("sips:a@[2001:db8::1]:5070"), Some(to("sips:[2001:db8::1]:5070")));
    assert_eq!(of("sip:a@d.example;maddr=192.0.2.1"), Some(to("sip:192.0.2.1")));
    assert_eq!((of("tel:+1"), of("sip:d.example;transport=sctp")), (None, None));
    for (configured, named, covers) in [
        ("sip:192.0.2.1", "sip:192.0.2.1:5060", true),
        ("sip:192.0.2.1;transport=tcp", "sip:192.0.2.1:5060", true),
        ("sip:192.0.2.1;transport=tcp", "sip:192.0.2.1;transport=udp", false),
        ("sip:192.0.2.1;transport=tls", "sip:192.0.2.1:5060", false),
        ("sip:192.0.2.1;transport=tls", "sips:192.0.2.1", true),
        ("sip:192.0.2.1", "sips:192.0.2.1", false),
        ("sip:2001:db8::1", "sip:[2001:db8::1]", true),
        ("sip:d.example", "sip:D.example", true),
        ("sip:d.example", "sip:d.example:5060", false),
        ("sip:d.example", "sip:other.example", false),
    ] {
        assert_eq!(to(configured).covers(&to(named)), covers, "{configured} {named}");
    }
}
