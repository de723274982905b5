//! The machine in virtual time.

#![allow(clippy::unwrap_used)]

mod dialogs;

use super::*;
use crate::sip::message::{Header, Message, wire};
use crate::time::Now;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

const RULES: Rules = Rules {
    expires: 3_600,
    once: false,
    forks: 1,
    starts_per_hour: 12,
    least_refresh: Duration::from_secs(30),
    spread: 0,
};

struct Bench {
    machine: Subscriber,
    now: Duration,
}

impl Bench {
    fn new(rules: Rules) -> Self {
        Self { machine: Subscriber::new(rules), now: 10 * SECOND }
    }

    /// Opened, and its first SUBSCRIBE is out.
    fn open(rules: Rules) -> Self {
        let mut bench = Self::new(rules);
        let expires = if rules.once { 0 } else { rules.expires };
        assert_eq!(bench.give(Input::Open), [Effect::Subscribe(1, expires)]);
        bench
    }

    /// With a dialog of number 2, accepted for an hour.
    fn active(rules: Rules) -> Self {
        let mut bench = Self::open(rules);
        bench.answer(1, accepted(3_600));
        assert_eq!(bench.notify_new(notified(Stand::Active, None)), [Effect::Tell(Report::Active(0))]);
        bench
    }

    fn give(&mut self, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.machine.handle(input, Now::at(self.now), &mut effects);
        effects
    }

    fn answer(&mut self, number: Serial, answer: Answer) -> Vec<Effect> {
        self.give(Input::Answer(number, answer))
    }

    fn notify(&mut self, dialog: Serial, notified: Notified) -> Vec<Effect> {
        self.give(Input::Notify(dialog, notified))
    }

    fn notify_new(&mut self, notified: Notified) -> Vec<Effect> {
        let serial = self.machine.admit(Now::at(self.now)).unwrap();
        self.notify(serial, notified)
    }

    /// To the next deadline, which is after so long.
    fn wait(&mut self) -> (Duration, Vec<Effect>) {
        let due = self.machine.due().unwrap();
        let waited = due.saturating_sub(self.now);
        self.now = self.now.max(due);
        (waited, self.give(Input::Time))
    }
}

fn notified(stand: Stand, expires: Option<u32>) -> Notified {
    Notified { stand, expires, retry_after: None }
}

fn over(reason: Reason) -> Notified {
    notified(Stand::Terminated(reason), None)
}

fn accepted(expires: u32) -> Answer {
    Answer::Accepted { expires: Some(expires), notifies: true }
}

fn refused(status: u16) -> Answer {
    Answer::Refused { status, min_expires: None, retry_after: None }
}

fn too_brief(least: u32) -> Answer {
    Answer::Refused { status: 423, min_expires: Some(least), retry_after: None }
}

const SILENCE: Answer = Answer::Failed { retry_after: None };

#[test]
fn nothing_is_told_before_a_notify_and_pending_is_not_yes() {
    let mut bench = Bench::open(RULES);
    assert_eq!(bench.answer(1, accepted(3_600)), []);
    assert_eq!(bench.machine.state(), State::Asking);
    assert_eq!(bench.notify_new(notified(Stand::Pending, Some(3_600))), [Effect::Tell(Report::Pending)]);
    assert_eq!(bench.machine.state(), State::Pending);
    assert_eq!(bench.notify(2, notified(Stand::Pending, None)), [], "once");
    assert_eq!(bench.notify(2, notified(Stand::Active, None)), [Effect::Tell(Report::Active(0))]);
    assert_eq!(bench.machine.state(), State::Active);
    assert_eq!(bench.notify(2, notified(Stand::Active, None)), [], "once");
}

#[test]
fn a_pending_subscription_is_refreshed_like_an_active_one() {
    let mut bench = Bench::open(RULES);
    bench.answer(1, accepted(3_600));
    bench.notify_new(notified(Stand::Pending, None));
    assert_eq!(bench.wait(), (3_240 * SECOND, vec![Effect::Resubscribe(2, 3_600)]));
}

#[test]
fn a_notify_may_be_faster_than_the_2xx_and_202_is_200() {
    for expires in [None, Some(600)] {
        let mut bench = Bench::open(RULES);
        bench.notify_new(notified(Stand::Active, expires));
        let response = "SIP/2.0 202 Accepted\r\nExpires: 1200\r\nContent-Length: 0\r\n\r\n";
        let Message::Response(response) = wire::parse(response.as_bytes()).unwrap() else { panic!("a response") };
        assert_eq!(bench.answer(1, Answer::read(&response)), []);
        // What the NOTIFY says counts; where it says nothing, the 2xx does.
        let granted = expires.unwrap_or(1_200);
        assert_eq!(bench.machine.ends(2), Some(bench.now + granted * SECOND));
        let (waited, effects) = bench.wait();
        assert_eq!((waited, effects), (granted * SECOND * 9 / 10, vec![Effect::Resubscribe(2, 3_600)]));
    }
}

#[test]
fn the_notifier_says_for_how_long_and_never_longer_than_was_asked() {
    let mut bench = Bench::open(RULES);
    bench.answer(1, accepted(1_800));
    bench.notify_new(notified(Stand::Active, None));
    assert_eq!(bench.machine.ends(2), Some(bench.now + 1_800 * SECOND));
    for (said, counts) in [(600, 600), (7_200, 3_600), (u32::MAX, 3_600), (60, 60)] {
        bench.notify(2, notified(Stand::Active, Some(said)));
        assert_eq!(bench.machine.ends(2), Some(bench.now + counts * SECOND), "{said}");
    }
    // Time for a refresh to fail and be repeated.
    assert_eq!(bench.wait(), (26 * SECOND, vec![Effect::Resubscribe(2, 3_600)]));
}

#[test]
fn refreshes_come_between_85_and_90_per_cent_of_the_time() {
    for (spread, after) in [(0, 3_240), (255, 3_060)] {
        let mut bench = Bench::active(Rules { spread, ..RULES });
        assert_eq!(bench.wait(), (after * SECOND, vec![Effect::Resubscribe(2, 3_600)]));
    }
}

#[test]
fn without_a_notify_within_timer_n_the_attempt_has_failed() {
    let mut bench = Bench::open(RULES);
    assert_eq!(bench.machine.due(), None, "what is not answered ends by Timer F");
    bench.answer(1, accepted(3_600));
    assert_eq!(bench.wait(), (TIMER_N, vec![Effect::Tell(Report::Lost)]));
    assert!(bench.machine.admit(Now::at(bench.now)).is_none(), "what comes later is refused with 481");
    assert_eq!(bench.wait(), (30 * SECOND, vec![Effect::Subscribe(2, 3_600)]));

    // Answered late: a NOTIFY may still follow.
    bench.now += 31 * SECOND;
    bench.answer(2, accepted(3_600));
    assert_eq!(bench.machine.due(), Some(bench.now + LATE_NOTIFY));
}

#[test]
fn a_refresh_without_a_notify_ends_the_dialog_unless_none_is_to_come() {
    let mut bench = Bench::active(RULES);
    bench.wait();
    bench.answer(2, accepted(3_600));
    assert_eq!(bench.wait(), (TIMER_N, vec![Effect::End(2), Effect::Subscribe(3, 3_600)]));

    let mut bench = Bench::active(RULES);
    bench.wait();
    // RFC 5839: 204 says that there is nothing new.
    bench.answer(2, Answer::Accepted { expires: None, notifies: false });
    assert_eq!(bench.wait(), (3_240 * SECOND, vec![Effect::Resubscribe(2, 3_600)]));
}

#[test]
fn each_reason_has_its_reaction() {
    let anew = |wait| (wait, vec![Effect::Subscribe(3, 3_600)]);
    let lost = vec![Effect::End(2), Effect::Tell(Report::Lost)];
    for (reason, retry_after, wait) in [
        (Reason::Probation, None, HOUR),
        (Reason::Probation, Some(90), 90 * SECOND),
        (Reason::Giveup, None, HOUR),
        (Reason::Giveup, Some(7_200), 2 * HOUR),
        (Reason::Other, None, 30 * SECOND),
        (Reason::Other, Some(600), 600 * SECOND),
        (Reason::Other, Some(u32::MAX), DAY),
    ] {
        let mut bench = Bench::active(RULES);
        assert_eq!(bench.notify(2, Notified { retry_after, ..over(reason) }), lost, "{reason:?}");
        assert_eq!(bench.wait(), anew(wait), "{reason:?} {retry_after:?}");
    }
    for reason in [Reason::Deactivated, Reason::Timeout] {
        let mut bench = Bench::active(RULES);
        // retry-after has no semantics for them.
        let told = bench.notify(2, Notified { retry_after: Some(500), ..over(reason) });
        assert_eq!(told, [Effect::End(2), Effect::Subscribe(3, 3_600)], "{reason:?}");
    }
    let mut bench = Bench::active(RULES);
    assert_eq!(bench.notify(2, over(Reason::Rejected)), [Effect::End(2), Effect::Tell(Report::Forbidden)]);
    assert!(bench.machine.is_over() && bench.machine.due().is_none());

    let mut bench = Bench::active(RULES);
    assert_eq!(bench.notify(2, over(Reason::NoResource)), [Effect::End(2), Effect::Tell(Report::NoResource)]);
    assert_eq!(bench.wait(), anew(DAY));

    let mut bench = Bench::active(RULES);
    let told = bench.notify(2, Notified { retry_after: Some(60), ..over(Reason::Invariant) });
    assert_eq!(told, [Effect::End(2), Effect::Tell(Report::Invariant)]);
    assert_eq!((bench.machine.due(), bench.give(Input::Refresh)), (None, Vec::new()), "never again");
    assert_eq!(bench.give(Input::Close), [Effect::Tell(Report::Over)]);
}

#[test]
fn the_first_notify_may_say_that_it_is_over() {
    let mut bench = Bench::open(RULES);
    assert_eq!(bench.notify_new(over(Reason::Deactivated)), [Effect::Subscribe(3, 3_600)]);
    // The 2xx to the first SUBSCRIBE is nothing to the second.
    assert_eq!(bench.answer(1, refused(403)), []);
    assert_eq!(bench.notify_new(over(Reason::Rejected)), [Effect::Tell(Report::Forbidden)]);
}

#[test]
fn each_refusal_of_the_first_has_its_meaning() {
    for status in [403, 489, 603] {
        let mut bench = Bench::open(RULES);
        assert_eq!(bench.answer(1, refused(status)), [Effect::Tell(Report::Forbidden)], "{status}");
        assert!(bench.machine.is_over());
    }
    for (status, report, wait) in [
        (404, Report::NoResource, DAY),
        (410, Report::NoResource, DAY),
        (604, Report::NoResource, DAY),
        (405, Report::Lost, HOUR),
        (406, Report::Lost, HOUR),
        (416, Report::Lost, HOUR),
        (501, Report::Lost, HOUR),
        (302, Report::Lost, HOUR),
        (484, Report::Lost, HOUR),
        (401, Report::Lost, 30 * SECOND),
        (408, Report::Lost, 30 * SECOND),
        (480, Report::Lost, 30 * SECOND),
        (481, Report::Lost, 30 * SECOND),
        (500, Report::Lost, 30 * SECOND),
        (503, Report::Lost, 30 * SECOND),
        (423, Report::Lost, HOUR),
    ] {
        let mut bench = Bench::open(RULES);
        assert_eq!(bench.answer(1, refused(status)), [Effect::Tell(report)], "{status}");
        assert_eq!(bench.wait(), (wait, vec![Effect::Subscribe(2, 3_600)]), "{status}");
    }
}

#[test]
fn each_refusal_of_a_refresh_ends_the_dialog_or_leaves_it() {
    let ended = |report| vec![Effect::End(2), Effect::Tell(report)];
    for (status, effects) in [
        (403, ended(Report::Forbidden)),
        (489, ended(Report::Forbidden)),
        (603, ended(Report::Forbidden)),
        (404, ended(Report::NoResource)),
        (604, ended(Report::NoResource)),
        (410, ended(Report::NoResource)),
        (405, ended(Report::Lost)),
        (416, ended(Report::Lost)),
        (480, ended(Report::Lost)),
        (482, ended(Report::Lost)),
        (485, ended(Report::Lost)),
        (501, ended(Report::Lost)),
        (481, vec![Effect::End(2), Effect::Subscribe(3, 3_600)]),
    ] {
        let mut bench = Bench::active(RULES);
        bench.wait();
        assert_eq!(bench.answer(2, refused(status)), effects, "{status}");
    }
    for answer in [refused(408), refused(500), refused(503), refused(401), refused(302), SILENCE] {
        let mut bench = Bench::active(RULES);
        bench.wait();
        assert_eq!(bench.answer(2, answer), [], "{answer:?}");
        assert_eq!(bench.machine.state(), State::Active);
        assert_eq!(bench.wait(), (MINUTE, vec![Effect::Resubscribe(2, 3_600)]), "{answer:?}");
    }
}

#[test]
fn a_dialog_that_cannot_be_refreshed_lives_until_it_lapses_and_then_a_new_one_is_looked_for() {
    let mut bench = Bench::active(RULES);
    let began = bench.now;
    let mut tries = 0;
    let last = loop {
        let (_, effects) = bench.wait();
        if effects != [Effect::Resubscribe(2, 3_600)] {
            break effects;
        }
        tries += 1;
        assert_eq!(bench.answer(2, SILENCE), []);
    };
    assert_eq!(bench.now, began + HOUR);
    assert_eq!((tries, last), (3, vec![Effect::End(2), Effect::Subscribe(3, 3_600)]));
    assert_eq!(bench.answer(3, SILENCE), [Effect::Tell(Report::Lost)]);
}

#[test]
fn too_brief_is_asked_again_for_longer_and_stays_so() {
    let mut bench = Bench::open(RULES);
    assert_eq!(bench.answer(1, too_brief(7_200)), [Effect::Subscribe(2, 7_200)]);
    bench.answer(2, accepted(7_200));
    bench.notify_new(notified(Stand::Active, Some(7_200)));
    assert_eq!(bench.wait(), (6_480 * SECOND, vec![Effect::Resubscribe(3, 7_200)]));
    assert_eq!(bench.answer(3, too_brief(10_000)), [Effect::Resubscribe(3, 10_000)]);
    // A registrar's joke, and one that never is content.
    for least in [MAX_EXPIRES + 1, 10_000, 5] {
        let mut bench = Bench::open(Rules { expires: 10_000, ..RULES });
        assert_eq!(bench.answer(1, too_brief(least)), [Effect::Tell(Report::Lost)], "{least}");
    }
}

#[test]
fn failures_wait_twice_as_long_each_time_up_to_an_hour_and_are_told_once() {
    let mut bench = Bench::open(RULES);
    let mut waits = Vec::new();
    for number in 1..=9 {
        let told = bench.answer(number, SILENCE);
        assert_eq!(told.len(), usize::from(number == 1), "{told:?}");
        let (wait, effects) = bench.wait();
        assert_eq!(effects, [Effect::Subscribe(number + 1, 3_600)]);
        waits.push(wait.as_secs());
    }
    assert_eq!(waits, [30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600]);
    // Whoever asks for more gets it.
    bench.answer(10, Answer::Failed { retry_after: Some(5_000) });
    assert_eq!(bench.give(Input::Refresh), [], "not even when somebody wants it now");
    assert_eq!(bench.wait(), (5_000 * SECOND, vec![Effect::Subscribe(11, 3_600)]));
    bench.answer(11, accepted(3_600));
    assert_eq!(bench.notify_new(notified(Stand::Active, None)), [Effect::Tell(Report::Active(0))]);
    bench.notify(12, over(Reason::Other));
    assert_eq!(bench.wait().0, 30 * SECOND, "what went well begins anew");
}

#[test]
fn a_notifier_that_deactivates_in_a_loop_gets_so_many_dialogs_in_an_hour() {
    let mut bench = Bench::open(RULES);
    let mut starts = 1;
    let began = bench.now;
    while bench.now < began + 24 * HOUR {
        let mut effects = bench.notify_new(notified(Stand::Active, None));
        let serial = bench.machine.branches.first().unwrap().serial;
        effects.extend(bench.notify(serial, over(Reason::Deactivated)));
        if !effects.iter().any(|effect| matches!(effect, Effect::Subscribe(..))) {
            assert_eq!(effects.last(), Some(&Effect::Tell(Report::Lost)));
            assert_eq!(bench.give(Input::Refresh), [], "the bound stands");
            effects = bench.wait().1;
        }
        starts += effects.iter().filter(|effect| matches!(effect, Effect::Subscribe(..))).count();
        bench.now += SECOND;
    }
    assert!((12 * 23..=12 * 25).contains(&starts), "{starts}");
}

#[test]
fn the_state_is_asked_for_now_but_not_all_the_time() {
    let mut bench = Bench::active(RULES);
    bench.now += 30 * SECOND;
    assert_eq!(bench.give(Input::Refresh), [Effect::Resubscribe(2, 3_600)]);
    assert_eq!(bench.give(Input::Refresh), [], "one is out");
    bench.answer(2, accepted(3_600));
    bench.notify(2, notified(Stand::Active, None));
    assert_eq!(bench.give(Input::Refresh), [], "too soon");

    let mut bench = Bench::open(RULES);
    bench.answer(1, refused(404));
    assert_eq!(bench.give(Input::Refresh), []);
    assert_eq!(bench.wait(), (30 * SECOND, vec![Effect::Subscribe(2, 3_600)]), "as soon as it may");
    bench.answer(2, refused(404));
    bench.now += MINUTE;
    assert_eq!(bench.give(Input::Refresh), [Effect::Subscribe(3, 3_600)]);
}

#[test]
fn what_is_taken_back_is_refreshed_when_it_is_due_and_tells_again() {
    let mut bench = Bench::new(RULES);
    let (ends, due) = (bench.now + HOUR, bench.now + MINUTE);
    let serial = bench.machine.take_back(ends, due);
    assert_eq!(bench.wait(), (MINUTE, vec![Effect::Resubscribe(serial, 3_600)]));
    bench.answer(serial, accepted(3_600));
    assert_eq!(bench.notify(serial, notified(Stand::Active, None)), [Effect::Tell(Report::Active(0))]);

    let mut bench = Bench::new(RULES);
    bench.machine = Subscriber::waiting(RULES, bench.now + MINUTE);
    assert_eq!(bench.wait(), (MINUTE, vec![Effect::Subscribe(1, 3_600)]));
}

#[test]
fn a_year_of_one_subscription_is_one_dialog_and_a_refresh_each_54_minutes() {
    let mut bench = Bench::active(Rules { spread: 0, ..RULES });
    let (until, mut refreshes) = (bench.now + 365 * DAY, 0);
    while bench.now < until {
        let (_, effects) = bench.wait();
        assert_eq!(effects, [Effect::Resubscribe(2, 3_600)]);
        refreshes += 1;
        // The network loses one in ten, answer or question, and the notifier repeats itself now and then.
        if refreshes % 10 == 0 {
            assert_eq!(bench.answer(2, SILENCE), []);
            continue;
        }
        bench.now += SECOND / 10;
        assert_eq!(bench.answer(2, accepted(3_600)), []);
        assert_eq!(bench.notify(2, notified(Stand::Active, Some(3_599))), []);
    }
    assert!((9_700..=10_900).contains(&refreshes), "{refreshes}");
    assert!(bench.machine.branches.len() == 1 && bench.machine.serial == 2);
}

#[test]
fn words_of_subscription_state_are_read_in_any_case_and_numbers_without_end() {
    let read = |text: &str| Notified::read(&SubscriptionState::parse(text.as_bytes()).unwrap());
    assert_eq!(read("Active;expires=00600"), notified(Stand::Active, Some(600)));
    assert_eq!(read("waiting"), notified(Stand::Pending, None));
    assert_eq!(read("TERMINATED;Reason=NoResource"), over(Reason::NoResource));
    assert_eq!(read("terminated"), over(Reason::Other));
    let odd = read("terminated;reason=tired;retry-after=99999999999999999999;expires=soon");
    assert_eq!(odd, Notified { retry_after: Some(u32::MAX), ..over(Reason::Other) });
    for reason in [Reason::Deactivated, Reason::Probation, Reason::Giveup, Reason::Invariant, Reason::Rejected] {
        assert_eq!(read(&format!("terminated;reason={}", reason.name())), over(reason));
    }
}
