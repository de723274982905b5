//! The non-INVITE client transaction, RFC 3261 section 17.1.2.
//!
//! ```text
//!            1xx: Provisional          Final: Complete(Timer K)
//!   Trying ------------------> Proceeding ----------------------> (lingers)
//!     | Timer E: Retransmit      | Timer E every T2: Retransmit
//!     | Timer F: TimedOut        | Timer F: TimedOut
//!     | not sent: Failed         | not sent: Failed
//! ```

use std::time::Duration;

use super::timers::Timing;
use crate::time::{Now, nanos};

/// What happens to a client transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// A response 100 to 199.
    Provisional,
    /// A response 200 to 699.
    Final,
    /// The transport could not send the request (section 17.1.4).
    NotSent,
    /// The deadline of [`NonInvite::next_timeout`] may have come.
    Due,
}

/// What a client transaction wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    Nothing,
    /// Send the request once more.
    Retransmit,
    /// Hand the provisional response up.
    Provisional,
    /// Hand the final response up; for this long (Timer K) the same response is only a retransmission.
    Complete(Duration),
    /// Timer F: it is over, no final response came. `heard` when a provisional one did.
    TimedOut {
        /// Whether any response came, so that the server is known to be there.
        heard: bool,
    },
    /// It is over, the request could not be sent.
    Failed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Trying,
    Proceeding,
    Over,
}

/// One request other than INVITE and ACK that waits for its final response. There may be a million of them, so times
/// are nanoseconds.
#[derive(Debug, Clone)]
pub struct NonInvite {
    state: State,
    /// The interval of Timer E that runs.
    interval: u64,
    /// When it ends; [`NEVER`] on reliable transports.
    again: u64,
    /// Timer F.
    give_up: u64,
}

const NEVER: u64 = u64::MAX;

impl NonInvite {
    /// Starts when the request is sent for the first time.
    #[must_use]
    pub fn start(timing: &Timing, reliable: bool, now: Now) -> Self {
        let interval = timing.e(reliable);
        Self {
            state: State::Trying,
            interval: interval.map_or(0, nanos),
            again: interval.map_or(NEVER, |interval| nanos(now.mono + interval)),
            give_up: nanos(now.mono + timing.f()),
        }
    }

    /// Whether a provisional response has come.
    #[must_use]
    pub fn heard(&self) -> bool {
        self.state == State::Proceeding
    }

    /// The machine itself.
    pub fn on(&mut self, input: Input, timing: &Timing, reliable: bool, now: Now) -> Effect {
        match (self.state, input) {
            (State::Trying | State::Proceeding, Input::Provisional) => {
                self.state = State::Proceeding;
                Effect::Provisional
            }
            (State::Trying | State::Proceeding, Input::Final) => {
                self.state = State::Over;
                Effect::Complete(timing.k(reliable))
            }
            (State::Trying | State::Proceeding, Input::NotSent) => {
                self.state = State::Over;
                Effect::Failed
            }
            (State::Trying | State::Proceeding, Input::Due) => self.due(timing, now),
            (State::Over, _) => Effect::Nothing,
        }
    }

    fn due(&mut self, timing: &Timing, now: Now) -> Effect {
        if nanos(now.mono) >= self.give_up {
            let heard = self.heard();
            self.state = State::Over;
            return Effect::TimedOut { heard };
        }
        if nanos(now.mono) < self.again {
            return Effect::Nothing;
        }
        let next = if self.heard() { timing.t2 } else { timing.after(Duration::from_nanos(self.interval)) };
        self.interval = nanos(next);
        self.again = nanos(now.mono + next);
        Effect::Retransmit
    }

    /// When [`Input::Due`] is wanted next.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Duration> {
        if self.state == State::Over {
            return None;
        }
        Some(Duration::from_nanos(self.again.min(self.give_up)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const UDP: bool = false;
    const TCP: bool = true;

    fn at(ms: u64) -> Now {
        Now::at(Duration::from_millis(ms))
    }

    /// Runs the clock from deadline to deadline and notes what happened when.
    fn run(machine: &mut NonInvite, reliable: bool) -> Vec<(u128, Effect)> {
        let timing = Timing::default();
        let mut log = Vec::new();
        while let Some(next) = machine.next_timeout() {
            log.push((next.as_millis(), machine.on(Input::Due, &timing, reliable, Now::at(next))));
        }
        log
    }

    #[test]
    fn over_udp_it_sends_again_at_e_and_gives_up_at_f() {
        let mut machine = NonInvite::start(&Timing::default(), UDP, at(0));
        let log = run(&mut machine, UDP);
        let sent: Vec<_> = log.iter().filter(|(_, e)| *e == Effect::Retransmit).map(|(at, _)| *at).collect();
        assert_eq!(sent, [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
        assert_eq!(*log.last().unwrap(), (32_000, Effect::TimedOut { heard: false }));
    }

    #[test]
    fn over_tcp_it_sends_once_and_gives_up_at_f() {
        let mut machine = NonInvite::start(&Timing::default(), TCP, at(0));
        assert_eq!(run(&mut machine, TCP), [(32_000, Effect::TimedOut { heard: false })]);
    }

    #[test]
    fn after_a_provisional_response_it_sends_again_every_t2() {
        let timing = Timing::default();
        let mut machine = NonInvite::start(&timing, UDP, at(0));
        assert_eq!(machine.on(Input::Provisional, &timing, UDP, at(100)), Effect::Provisional);
        let log = run(&mut machine, UDP);
        let sent: Vec<_> = log.iter().filter(|(_, e)| *e == Effect::Retransmit).map(|(at, _)| *at).collect();
        assert_eq!(sent, [500, 4500, 8500, 12_500, 16_500, 20_500, 24_500, 28_500]);
        assert_eq!(*log.last().unwrap(), (32_000, Effect::TimedOut { heard: true }));
    }

    #[test]
    fn a_final_response_ends_it_once_and_lingers_for_k() {
        let timing = Timing::default();
        for (reliable, k) in [(UDP, Duration::from_secs(5)), (TCP, Duration::ZERO)] {
            let mut machine = NonInvite::start(&timing, reliable, at(0));
            assert_eq!(machine.on(Input::Final, &timing, reliable, at(10)), Effect::Complete(k));
            assert_eq!(machine.on(Input::Final, &timing, reliable, at(20)), Effect::Nothing);
            assert_eq!(machine.on(Input::NotSent, &timing, reliable, at(20)), Effect::Nothing);
            assert_eq!(machine.next_timeout(), None);
        }
    }

    #[test]
    fn a_request_that_could_not_be_sent_fails_once() {
        let timing = Timing::default();
        let mut machine = NonInvite::start(&timing, TCP, at(0));
        assert_eq!(machine.on(Input::NotSent, &timing, TCP, at(1)), Effect::Failed);
        assert_eq!(machine.on(Input::NotSent, &timing, TCP, at(1)), Effect::Nothing);
    }

    #[test]
    fn a_deadline_that_has_not_come_does_nothing() {
        let timing = Timing::default();
        let mut machine = NonInvite::start(&timing, UDP, at(0));
        assert_eq!(machine.on(Input::Due, &timing, UDP, at(499)), Effect::Nothing);
        assert_eq!(machine.next_timeout(), Some(Duration::from_millis(500)));
    }
}
