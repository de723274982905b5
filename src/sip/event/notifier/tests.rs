#![allow(clippy::unwrap_used)]

use super::*;
use crate::sip::message::Header;

const EVERY: Duration = Duration::from_secs(5);

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn active(seconds: u32) -> Notifier {
    let mut notifier = Notifier::accepted(at(0), seconds, true);
    assert_eq!(notifier.next(at(0), EVERY, true), Next::Notify(State::Active(seconds)));
    notifier.answered(at(0), Answer::Taken);
    notifier
}

#[test]
fn what_is_asked_for_is_granted_within_the_terms() {
    let terms = Terms { usual: 3600, shortest: 30, longest: 7200 };
    let granted = [None, Some(0), Some(30), Some(29), Some(3601), Some(u32::MAX)].map(|asked| terms.grant(asked));
    assert_eq!(granted, [Ok(3600), Ok(0), Ok(30), Err(TooBrief), Ok(3601), Ok(7200)]);
}

#[test]
fn the_state_of_a_subscription_is_told_with_what_is_left_of_it() {
    let printed = |state: State| {
        let mut out = Vec::new();
        state.to_header().print(&mut out);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(printed(State::Pending(59)), "pending;expires=59");
    assert_eq!(printed(State::Active(3600)), "active;expires=3600");
    assert_eq!(printed(State::Terminated(Reason::Rejected)), "terminated;reason=rejected");
    assert_eq!(printed(State::Terminated(Reason::Probation(300))), "terminated;reason=probation;retry-after=300");
}

#[test]
fn pending_is_told_at_once_and_so_is_active() {
    let mut notifier = Notifier::accepted(at(0), 60, false);
    assert_eq!(notifier.next(at(0), EVERY, false), Next::Notify(State::Pending(60)));
    notifier.answered(at(0), Answer::Taken);
    notifier.change();
    assert_eq!(notifier.next(at(1), EVERY, false), Next::Wait(at(60)), "nothing is told before the target allows it");
    notifier.grant();
    assert_eq!(notifier.next(at(10), EVERY, false), Next::Notify(State::Active(50)));
    notifier.answered(at(10), Answer::Taken);
    notifier.change();
    assert_eq!(notifier.next(at(10), EVERY, true), Next::Notify(State::Active(50)), "the first state is immediate");
}

#[test]
fn the_next_waits_for_the_answer_and_the_last_state_wins() {
    let mut notifier = Notifier::accepted(at(0), 3600, true);
    assert_eq!(notifier.next(at(0), EVERY, true), Next::Notify(State::Active(3600)));
    for second in 1..20 {
        notifier.change();
        assert_eq!(notifier.next(at(second), EVERY, true), Next::Out);
    }
    notifier.answered(at(20), Answer::Taken);
    assert_eq!(notifier.next(at(20), EVERY, true), Next::Notify(State::Active(3580)));
    notifier.answered(at(20), Answer::Taken);
    assert_eq!(notifier.next(at(20), EVERY, true), Next::Wait(at(3600)));
}

#[test]
fn ten_changes_in_a_second_are_one_notification_after_five() {
    let mut notifier = active(3600);
    for _ in 0..10 {
        notifier.change();
        assert_eq!(notifier.next(at(1), EVERY, true), Next::Wait(at(5)));
    }
    assert_eq!(notifier.next(at(5), EVERY, true), Next::Notify(State::Active(3595)));
}

#[test]
fn a_refresh_is_answered_at_once_whatever_was_told_just_now() {
    let mut notifier = active(3600);
    notifier.refreshed(at(1), 600);
    assert_eq!(notifier.next(at(1), EVERY, true), Next::Notify(State::Active(600)));
}

#[test]
fn who_does_not_refresh_or_takes_it_back_is_told_timeout() {
    let mut notifier = active(60);
    assert_eq!(notifier.next(at(60), EVERY, true), Next::Notify(State::Terminated(Reason::Timeout)));
    assert_eq!(notifier.next(at(61), EVERY, true), Next::Over);
    let mut notifier = active(60);
    notifier.refreshed(at(3), 0);
    assert_eq!(notifier.next(at(3), EVERY, true), Next::Notify(State::Terminated(Reason::Timeout)));
}

#[test]
fn the_last_notification_waits_for_the_one_that_is_out() {
    let mut notifier = Notifier::accepted(at(0), 60, false);
    notifier.next(at(0), EVERY, false);
    notifier.end(Reason::Rejected);
    notifier.end(Reason::NoResource);
    assert_eq!(notifier.next(at(1), EVERY, false), Next::Out);
    notifier.answered(at(2), Answer::Taken);
    assert_eq!(notifier.next(at(2), EVERY, false), Next::Notify(State::Terminated(Reason::Rejected)));
}

#[test]
fn a_poll_waits_for_its_state_and_no_longer() {
    let mut poll = Notifier::accepted(at(0), 0, true);
    poll.hold(at(2));
    assert_eq!(poll.next(at(0), EVERY, false), Next::Wait(at(2)));
    let mut other = poll.clone();
    other.hold(at(1));
    assert_eq!(other.next(at(1), EVERY, true), Next::Notify(State::Terminated(Reason::Timeout)));
    assert_eq!(poll.next(at(2), EVERY, false), Next::Notify(State::Terminated(Reason::Timeout)));
}

#[test]
fn every_answer_of_a_subscriber_that_is_gone_ends_it() {
    for status in [404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604, 401, 407, 408] {
        let mut notifier = active(60);
        notifier.refreshed(at(1), 60);
        notifier.next(at(1), EVERY, true);
        notifier.answered(at(2), Answer::Refused(status, None));
        assert_eq!(notifier.next(at(2), EVERY, true), Next::Over, "{status}");
    }
    let mut notifier = active(60);
    notifier.refreshed(at(1), 60);
    notifier.next(at(1), EVERY, true);
    notifier.answered(at(33), Answer::Silent);
    assert_eq!(notifier.next(at(33), EVERY, true), Next::Over);
}

#[test]
fn a_failure_that_may_pass_is_tried_again_and_not_for_ever() {
    let mut notifier = active(7200);
    notifier.change();
    assert!(matches!(notifier.next(at(10), EVERY, true), Next::Notify(_)));
    notifier.answered(at(10), Answer::Refused(503, Some(at(7))));
    assert_eq!(notifier.next(at(10), EVERY, true), Next::Wait(at(17)));
    let mut now = at(17);
    let mut tries = 0;
    while let Next::Notify(_) = notifier.next(now, EVERY, true) {
        tries += 1;
        notifier.answered(now, Answer::Refused(500, None));
        match notifier.next(now, EVERY, true) {
            Next::Wait(until) => now = until,
            Next::Notify(_) | Next::Out | Next::Over => break,
        }
    }
    assert_eq!((tries, notifier.next(now, EVERY, true)), (5, Next::Over));
}

#[test]
fn a_refresh_does_not_wait_for_a_rest_to_end() {
    let mut notifier = active(3600);
    notifier.change();
    notifier.next(at(10), EVERY, true);
    notifier.answered(at(10), Answer::Undelivered(Some(at(100))));
    notifier.refreshed(at(11), 3600);
    assert_eq!(notifier.next(at(11), EVERY, true), Next::Notify(State::Active(3600)));
}

#[test]
fn a_restored_one_is_silent_until_something_happens() {
    let mut notifier = Notifier::restored(at(1), at(100), true);
    assert_eq!(notifier.next(at(1), EVERY, false), Next::Wait(at(101)));
    notifier.change();
    assert_eq!(notifier.next(at(2), EVERY, true), Next::Notify(State::Active(99)));
}
