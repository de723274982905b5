//! Who is tried first after failures, and who is left alone.

#![allow(clippy::unwrap_used)]

use super::super::{Outcome, Rest, limits};
use super::*;

const A: &str = "udp 192.0.2.1:5060";
const B: &str = "udp 192.0.2.2:5060";
const C: &str = "tcp 192.0.2.2:5060";

fn order(rest: &mut Rest, now: Duration) -> Vec<Target> {
    let mut list = targets(&[A, B, C]);
    rest.order(&mut list, now).unwrap();
    list
}

#[test]
fn a_target_that_failed_is_tried_last_for_thirty_seconds() {
    let mut rest = Rest::default();
    rest.note(target(A), Outcome::Broken, s(100));
    assert_eq!(order(&mut rest, s(100)), targets(&[B, C, A]));
    assert_eq!(order(&mut rest, s(129)), targets(&[B, C, A]));
    assert_eq!(order(&mut rest, s(130)), targets(&[A, B, C]));
}

#[test]
fn after_the_rest_one_request_tries_and_the_others_wait_for_what_it_finds() {
    let mut rest = Rest::default();
    rest.note(target(A), Outcome::Broken, s(0));
    assert_eq!(order(&mut rest, s(30)), targets(&[A, B, C]), "the trial");
    assert_eq!(order(&mut rest, s(31)), targets(&[B, C, A]));
    rest.note(target(A), Outcome::Works, s(32));
    assert_eq!(order(&mut rest, s(32)), targets(&[A, B, C]));
    assert_eq!(order(&mut rest, s(32)), targets(&[A, B, C]));
}

#[test]
fn a_trial_that_nobody_speaks_of_is_followed_by_another() {
    let mut rest = Rest::default();
    rest.note(target(A), Outcome::Broken, s(0));
    assert_eq!(order(&mut rest, s(30))[0], target(A));
    assert_eq!(order(&mut rest, s(64))[0], target(B));
    assert_eq!(order(&mut rest, s(65))[0], target(A));
}

#[test]
fn each_failed_trial_makes_the_rest_longer_up_to_five_minutes() {
    let (mut rest, mut now) = (Rest::default(), s(0));
    for seconds in [30, 60, 120, 240, 300, 300] {
        rest.note(target(A), Outcome::Broken, now);
        assert_eq!(order(&mut rest, now + s(seconds) - s(1))[0], target(B), "{seconds}");
        assert_eq!(order(&mut rest, now + s(seconds))[0], target(A), "{seconds}");
        now += s(seconds);
    }
    rest.note(target(A), Outcome::Works, now);
    rest.note(target(A), Outcome::Broken, now);
    assert_eq!(order(&mut rest, now + s(30))[0], target(A), "what worked again begins anew");
}

#[test]
fn what_was_under_way_when_it_failed_is_the_same_failure() {
    let mut rest = Rest::default();
    for millis in 0..1_000 {
        rest.note(target(A), Outcome::Broken, Duration::from_millis(millis));
    }
    assert_eq!(order(&mut rest, s(30))[0], target(A));
}

#[test]
fn one_silence_may_be_a_phones_and_two_are_the_servers() {
    let mut rest = Rest::default();
    rest.note(target(A), Outcome::Silent, s(0));
    assert_eq!(order(&mut rest, s(0))[0], target(A));
    assert_eq!(order(&mut rest, s(1))[0], target(A), "no trial either");
    rest.note(target(A), Outcome::Works, s(2));
    rest.note(target(A), Outcome::Silent, s(3));
    assert_eq!(order(&mut rest, s(3))[0], target(A));
    rest.note(target(A), Outcome::Silent, s(4));
    assert_eq!(order(&mut rest, s(4))[0], target(B));
    assert_eq!(order(&mut rest, s(34))[0], target(A));
}

#[test]
fn where_all_rest_the_one_whose_rest_ends_first_is_tried() {
    let mut rest = Rest::default();
    rest.note(target(B), Outcome::Broken, s(0));
    rest.note(target(A), Outcome::Broken, s(1));
    rest.note(target(C), Outcome::Refused(None), s(2));
    assert_eq!(order(&mut rest, s(3)), targets(&[B, A, C]));
}

#[test]
fn a_server_that_asked_to_be_left_alone_is_left_alone() {
    let mut rest = Rest::default();
    rest.note(target(A), Outcome::Refused(Some(s(120))), s(0));
    assert_eq!(order(&mut rest, s(0)), targets(&[B, C]));
    rest.note(target(A), Outcome::Works, s(5));
    assert_eq!(order(&mut rest, s(5)), targets(&[B, C]), "an answer to what was under way does not lift it");
    assert_eq!(order(&mut rest, s(120)), targets(&[A, B, C]));

    let (mut rest, mut only) = (Rest::default(), targets(&[A]));
    rest.note(target(A), Outcome::Refused(Some(s(20))), s(0));
    assert_eq!(rest.order(&mut only, s(5)), Err(s(15)));
    let mut only = targets(&[A]);
    assert_eq!(rest.order(&mut only, s(20)), Ok(()));
    assert_eq!(only, targets(&[A]));
}

#[test]
fn a_retry_after_of_days_is_ten_minutes() {
    let mut rest = Rest::default();
    rest.note(target(A), Outcome::Refused(Some(s(1 << 40))), s(0));
    assert_eq!(rest.order(&mut targets(&[A]), s(0)), Err(limits::LONGEST_RETRY_AFTER));
}

#[test]
fn a_retry_after_of_nothing_is_no_rest() {
    let mut rest = Rest::default();
    rest.note(target(A), Outcome::Refused(Some(s(0))), s(0));
    assert_eq!(order(&mut rest, s(0)).len(), 3);
}

#[test]
fn the_table_is_bounded() {
    let mut rest = Rest::default();
    let nth = |n: u32| Target { transport: Transport::Udp, addr: (std::net::Ipv4Addr::from_bits(n), 5060).into() };
    for n in 0..20_000 {
        rest.note(nth(n), Outcome::Broken, s(1));
    }
    assert!(rest.failing() <= limits::RESTING);
}
