//! Forks, polls and the end.

use super::*;

#[test]
fn where_the_package_allows_it_each_phone_behind_a_fork_has_its_dialog() {
    let mut bench = Bench::open(Rules { forks: 3, ..RULES });
    bench.answer(1, accepted(3_600));
    for fork in 0..3 {
        assert_eq!(bench.notify_new(notified(Stand::Active, Some(600))), [Effect::Tell(Report::Active(fork))]);
    }
    assert!(bench.machine.admit(Now::at(bench.now)).is_none(), "more than the bound");
    // Each is refreshed by itself; one that ends leaves the others.
    assert_eq!(bench.notify(3, over(Reason::Deactivated)), [Effect::End(3), Effect::Tell(Report::ForkOver(1))]);
    assert_eq!(bench.wait().1, [Effect::Resubscribe(2, 3_600), Effect::Resubscribe(4, 3_600)]);
    assert_eq!(bench.answer(2, refused(481)), [Effect::End(2), Effect::Tell(Report::ForkOver(0))]);
    // The last one is followed, in its place.
    assert_eq!(bench.answer(4, refused(481)), [Effect::End(4), Effect::Subscribe(5, 3_600)]);
    assert_eq!(bench.notify_new(notified(Stand::Active, None)), [Effect::Tell(Report::Active(2))]);
    bench.now += TIMER_N;
    assert!(bench.machine.admit(Now::at(bench.now)).is_none(), "after Timer N nobody comes in");
}

#[test]
fn a_package_of_one_dialog_has_that_of_the_first_notify() {
    let mut bench = Bench::active(RULES);
    assert!(bench.machine.admit(Now::at(bench.now)).is_none());
}

#[test]
fn a_poll_is_over_with_its_notify_and_cancels_nothing() {
    let poll = Rules { once: true, ..RULES };
    for stand in [
        Stand::Terminated(Reason::Timeout),
        Stand::Terminated(Reason::Other),
        Stand::Terminated(Reason::NoResource),
        Stand::Active,
    ] {
        let mut bench = Bench::open(poll);
        bench.answer(1, accepted(0));
        assert_eq!(bench.notify_new(notified(stand, None)), [Effect::Tell(Report::Over)], "{stand:?}");
        assert!(bench.machine.is_over());
    }
    for (answer, report) in [(refused(404), Report::NoResource), (SILENCE, Report::Lost), (too_brief(60), Report::Lost)]
    {
        let mut bench = Bench::open(poll);
        assert_eq!(bench.answer(1, answer), [Effect::Tell(report), Effect::Tell(Report::Over)]);
    }
    let mut bench = Bench::open(poll);
    assert_eq!(bench.answer(1, refused(403)), [Effect::Tell(Report::Forbidden)]);
}

#[test]
fn a_poll_that_is_pending_says_so_and_no_more() {
    for expires in [None, Some(0), Some(60)] {
        let mut bench = Bench::open(Rules { once: true, ..RULES });
        bench.answer(1, accepted(0));
        let heard = bench.notify_new(notified(Stand::Pending, expires));
        assert_eq!(heard, [Effect::Tell(Report::Pending), Effect::Tell(Report::Over)]);
        assert!(bench.machine.is_over());
    }
    let mut bench = Bench::open(Rules { once: true, ..RULES });
    assert_eq!(bench.notify_new(notified(Stand::Active, Some(0))), [Effect::Tell(Report::Over)]);
}

#[test]
fn ending_it_is_told_at_the_2xx_and_the_last_notify_is_awaited() {
    let mut bench = Bench::active(RULES);
    assert_eq!(bench.give(Input::Close), [Effect::Resubscribe(2, 0)]);
    assert_eq!(bench.answer(2, accepted(0)), [Effect::Tell(Report::Over)]);
    assert_eq!(bench.notify(2, notified(Stand::Active, Some(100))), [], "an older one on its way");
    assert_eq!(bench.notify(2, over(Reason::Timeout)), [Effect::End(2)]);
    assert!(bench.machine.is_over());

    // The NOTIFY is first; or the notifier never sends it; or it knows nothing of it.
    let closing = || {
        let mut bench = Bench::active(RULES);
        bench.give(Input::Close);
        bench
    };
    let ended = [Effect::End(2), Effect::Tell(Report::Over)];
    assert_eq!(closing().notify(2, over(Reason::Timeout)), ended);
    assert_eq!(closing().notify(2, notified(Stand::Active, Some(0))), ended);
    assert_eq!(closing().answer(2, refused(481)), ended);
    assert_eq!(closing().answer(2, SILENCE), ended);
    let mut bench = closing();
    bench.answer(2, accepted(0));
    assert_eq!(bench.wait(), (TIMER_N + LATE_NOTIFY, vec![Effect::End(2)]));

    // Without a dialog there is nothing to say.
    assert_eq!(Bench::open(RULES).give(Input::Close), [Effect::Tell(Report::Over)]);
}

#[test]
fn a_contact_where_nobody_answers_is_asked_less_and_less_whatever_its_notifier_says() {
    let mut bench = Bench::active(RULES);
    let (mut sent, until) = (0, bench.now + HOUR);
    while bench.now < until {
        // Wherever the NOTIFYs lead, nobody answers there; and each has it that the time is nearly over.
        bench.notify(2, notified(Stand::Active, Some(20)));
        bench.now += 7 * SECOND;
        if bench.machine.due().is_some_and(|due| due <= bench.now) {
            assert_eq!(bench.give(Input::Time), [Effect::Resubscribe(2, 3_600)]);
            sent += 1;
            bench.now += TIMER_N;
            bench.notify(2, notified(Stand::Active, Some(20)));
            bench.answer(2, SILENCE);
        }
    }
    assert_eq!(sent, 6);
}

#[test]
fn a_notifier_that_wants_a_second_more_each_time_is_not_followed_step_by_step() {
    let mut bench = Bench::active(RULES);
    bench.wait();
    let mut least = 3_601;
    while bench.answer(2, too_brief(least)) == [Effect::Resubscribe(2, least)] {
        least += 1;
    }
    assert!(least < 3_605, "{least}");
    let (waited, effects) = bench.wait();
    assert_eq!(effects.len(), 1, "it is tried again later: {effects:?}");
    assert!(waited >= MINUTE, "{waited:?}");
    bench.answer(2, accepted(3_602));
    bench.notify(2, notified(Stand::Active, None));
    bench.wait();
    assert_eq!(bench.answer(2, too_brief(7_200)), [Effect::Resubscribe(2, 7_200)], "who was content may ask again");
}
