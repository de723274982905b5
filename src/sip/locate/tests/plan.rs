//! RFC 2782: priorities are strict, weights are shares.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use super::super::Dice;
use super::*;

/// A plan of SRV records `(priority, weight)`, each with one address that ends in its place.
fn plan(records: &[(u16, u16)]) -> Plan {
    let mut zone = String::new();
    for (place, (priority, weight)) in records.iter().enumerate() {
        zone.push_str(&format!("_sip._udp.d.example SRV {priority} {weight} 5060 h{place}.example\n"));
        zone.push_str(&format!("h{place}.example A 192.0.2.{place}\n"));
    }
    Zone::new(&zone).search("sip:d.example", all()).0.unwrap()
}

/// The places of the records, in the order in which a request tries them.
fn draw(plan: &Plan, dice: &mut Dice) -> Vec<u8> {
    let place = |target: Target| match target.addr.ip() {
        std::net::IpAddr::V4(ip) => ip.octets()[3],
        std::net::IpAddr::V6(_) => panic!("only IPv4 was written"),
    };
    plan.order(dice).into_iter().map(place).collect()
}

/// How often each record comes first in a hundred thousand requests, in thousandths.
fn firsts(records: &[(u16, u16)]) -> Vec<u32> {
    let (plan, mut dice) = (plan(records), Dice::new(2782));
    let mut counts: HashMap<u8, u32> = HashMap::new();
    for _ in 0..100_000 {
        *counts.entry(draw(&plan, &mut dice)[0]).or_default() += 1;
    }
    (0..).take(records.len()).map(|place| counts.get(&place).copied().unwrap_or(0) / 100).collect()
}

fn near(found: u32, expected: u32) -> bool {
    found.abs_diff(expected) <= 10
}

#[test]
fn a_lower_priority_always_comes_first() {
    let (plan, mut dice) = (plan(&[(10, 65_535), (5, 0), (20, 7), (5, 0)]), Dice::new(1));
    for _ in 0..1_000 {
        let order = draw(&plan, &mut dice);
        assert!(matches!(order.as_slice(), [1, 3, 0, 2] | [3, 1, 0, 2]), "{order:?}");
    }
}

#[test]
fn weights_are_shares() {
    // The example of RFC 2782: three quarters of the users for the new machine.
    let [old, new] = firsts(&[(0, 1), (0, 3)])[..] else { panic!("two records") };
    assert!(near(old, 250) && near(new, 750), "{old} {new}");
    let shares = firsts(&[(0, 1_000), (0, 2_000), (0, 7_000)]);
    assert!(near(shares[0], 100) && near(shares[1], 200) && near(shares[2], 700), "{shares:?}");
}

#[test]
fn a_weight_of_nothing_has_a_small_chance_beside_others_and_an_equal_one_among_its_like() {
    let shares = firsts(&[(0, 0), (0, 99)]);
    assert!((1..=20).contains(&shares[0]), "{shares:?}");
    let shares = firsts(&[(0, 0), (0, 0), (0, 0), (0, 0)]);
    assert!(shares.iter().all(|share| near(*share, 250)), "{shares:?}");
}

#[test]
fn the_second_choice_goes_by_weight_too() {
    let (plan, mut dice) = (plan(&[(0, 10_000), (0, 20_000), (0, 60_000)]), Dice::new(3));
    let mut second = HashMap::new();
    let mut drawn = 0_u32;
    while drawn < 60_000 {
        let order = draw(&plan, &mut dice);
        if order[0] == 2 {
            *second.entry(order[1]).or_insert(0_u32) += 1;
            drawn += 1;
        }
    }
    assert!(near(second[&1] / 60, 667), "{second:?}");
}

#[test]
fn every_order_has_every_target_once() {
    let (plan, mut dice) = (plan(&[(0, 5), (0, 0), (1, 9), (0, 5), (2, 0), (1, 1)]), Dice::new(4));
    for _ in 0..1_000 {
        let mut order = draw(&plan, &mut dice);
        order.sort_unstable();
        assert_eq!(order, [0, 1, 2, 3, 4, 5]);
    }
}

#[test]
fn the_same_seed_draws_the_same() {
    let plan = plan(&[(0, 1), (0, 2), (0, 3)]);
    let run = || {
        let mut dice = Dice::new(42);
        (0..100).map(|_| draw(&plan, &mut dice)).collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}
