//! The INVITE client transaction, RFC 3261 section 17.1.1 with RFC 6026 section 7.2.
//!
//! ```text
//!            1xx: Provisional             2xx: Accept --- 2xx: Accept again ---+
//!   Calling ------------------> Proceeding -----------> Accepted <-------------+
//!     | Timer A: Retransmit        |                       | Timer M: Forget
//!     | Timer B: TimedOut          | 300-699: Refuse(Timer D), the ACK lingers
//!     | not sent: Failed           | 64 * T1 after a CANCEL: TimedOut
//! ```
//! Nothing but the user of the transaction bounds Proceeding: a person may take long to answer. A proxy has Timer C for
//! that (section 16.8) and sends a CANCEL, and whoever is cancelled and does not say so is given up (section 9.1).

use std::time::Duration;

use super::timers::Timing;
use crate::time::Now;

/// What happens to an INVITE of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// A response 100 to 199.
    Provisional,
    /// A response 200 to 299.
    Success,
    /// A response 300 to 699.
    Refusal,
    /// The transport could not send the request (section 17.1.4).
    NotSent,
    /// A CANCEL for it was sent.
    Cancelled,
    /// The deadline of [`Invite::next_timeout`] may have come.
    Due,
}

/// What an INVITE of ours wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    Nothing,
    /// Send the request once more.
    Retransmit,
    /// Hand the provisional response up.
    Provisional,
    /// Hand the 2xx up; its ACK is for the user to make (RFC 6026 section 7.2).
    Accept {
        /// Whether it is the first: others are sent again for want of an ACK, or come from another branch of a fork.
        first: bool,
    },
    /// Acknowledge the refusal and hand it up; for this long (Timer D) the same response gets the ACK again.
    Refuse(Duration),
    /// Timer B, or nobody dealt with our CANCEL: it is over, no final response came.
    TimedOut {
        /// Whether a provisional response came.
        heard: bool,
    },
    /// It is over, the request could not be sent.
    Failed,
    /// Timer M: an accepted INVITE is over.
    Forget,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// `again` is Timer A: its interval and when it ends. `give_up` is Timer B.
    Calling {
        again: Option<(Duration, Duration)>,
        give_up: Duration,
    },
    /// With the time until which a CANCEL must have had its effect.
    Proceeding(Option<Duration>),
    /// Until Timer M.
    Accepted(Duration),
    Over,
}

/// One INVITE that waits for its final response, or has been accepted.
#[derive(Debug, Clone)]
pub struct Invite {
    state: State,
}

impl Invite {
    /// Starts when the INVITE is sent for the first time.
    #[must_use]
    pub fn start(timing: &Timing, reliable: bool, now: Now) -> Self {
        let again = timing.a(reliable).map(|interval| (interval, now.mono + interval));
        Self { state: State::Calling { again, give_up: now.mono + timing.b() } }
    }

    /// Whether a provisional response has come and no final one: only then may a CANCEL be sent (section 9.1).
    #[must_use]
    pub fn is_proceeding(&self) -> bool {
        matches!(self.state, State::Proceeding(_))
    }

    /// Whether no response has come.
    #[must_use]
    pub fn is_calling(&self) -> bool {
        matches!(self.state, State::Calling { .. })
    }

    /// The machine itself.
    pub fn on(&mut self, input: Input, timing: &Timing, reliable: bool, now: Now) -> Effect {
        use State::{Accepted, Calling, Over, Proceeding};
        match (self.state, input) {
            (Calling { .. }, Input::Provisional) => {
                self.state = Proceeding(None);
                Effect::Provisional
            }
            (Proceeding(_), Input::Provisional) => Effect::Provisional,
            (Calling { .. } | Proceeding(_), Input::Success) => {
                self.state = Accepted(now.mono + timing.m());
                Effect::Accept { first: true }
            }
            (Accepted(_), Input::Success) => Effect::Accept { first: false },
            (Calling { .. } | Proceeding(_), Input::Refusal) => {
                self.state = Over;
                Effect::Refuse(timing.d(reliable))
            }
            (Calling { .. } | Proceeding(_), Input::NotSent) => {
                self.state = Over;
                Effect::Failed
            }
            (Proceeding(None), Input::Cancelled) => {
                self.state = Proceeding(Some(now.mono + timing.patience()));
                Effect::Nothing
            }
            (_, Input::Due) => self.due(now),
            (Calling { .. } | Proceeding(_) | Accepted(_) | Over, _) => Effect::Nothing,
        }
    }

    fn due(&mut self, now: Now) -> Effect {
        match self.state {
            State::Calling { give_up, .. } if now.mono >= give_up => {
                self.state = State::Over;
                Effect::TimedOut { heard: false }
            }
            State::Calling { again: Some((interval, at)), give_up } if now.mono >= at => {
                // Timer A doubles without end; T2 is not for INVITE (section 17.1.1.2).
                let next = interval * 2;
                self.state = State::Calling { again: Some((next, now.mono + next)), give_up };
                Effect::Retransmit
            }
            State::Proceeding(Some(until)) if now.mono >= until => {
                self.state = State::Over;
                Effect::TimedOut { heard: true }
            }
            State::Accepted(until) if now.mono >= until => {
                self.state = State::Over;
                Effect::Forget
            }
            State::Calling { .. } | State::Proceeding(_) | State::Accepted(_) | State::Over => Effect::Nothing,
        }
    }

    /// When [`Input::Due`] is wanted next.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Duration> {
        match self.state {
            State::Calling { again, give_up } => Some(again.map_or(give_up, |(_, at)| at.min(give_up))),
            State::Proceeding(until) => until,
            State::Accepted(until) => Some(until),
            State::Over => None,
        }
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

    fn start(reliable: bool) -> Invite {
        Invite::start(&Timing::default(), reliable, at(0))
    }

    /// Runs the clock from deadline to deadline and notes what happened when.
    fn run(machine: &mut Invite, reliable: bool) -> Vec<(u128, Effect)> {
        let timing = Timing::default();
        let mut log = Vec::new();
        while let Some(next) = machine.next_timeout() {
            log.push((next.as_millis(), machine.on(Input::Due, &timing, reliable, Now::at(next))));
        }
        log
    }

    fn on(machine: &mut Invite, input: Input, ms: u64) -> Effect {
        machine.on(input, &Timing::default(), UDP, at(ms))
    }

    #[test]
    fn over_udp_it_is_sent_at_a_which_doubles_and_given_up_at_b() {
        let log = run(&mut start(UDP), UDP);
        let sent: Vec<_> = log.iter().filter(|(_, e)| *e == Effect::Retransmit).map(|(at, _)| *at).collect();
        assert_eq!(sent, [500, 1500, 3500, 7500, 15_500, 31_500]);
        assert_eq!(*log.last().unwrap(), (32_000, Effect::TimedOut { heard: false }));
        assert_eq!(run(&mut start(TCP), TCP), [(32_000, Effect::TimedOut { heard: false })]);
    }

    #[test]
    fn a_provisional_response_ends_timers_a_and_b() {
        let mut machine = start(UDP);
        assert_eq!(on(&mut machine, Input::Provisional, 100), Effect::Provisional);
        assert_eq!(machine.next_timeout(), None);
        assert_eq!(on(&mut machine, Input::Provisional, 60_000), Effect::Provisional);
        assert_eq!(on(&mut machine, Input::Success, 100_000), Effect::Accept { first: true });
    }

    #[test]
    fn an_accepted_invite_hands_every_2xx_up_until_m() {
        let mut machine = start(UDP);
        assert_eq!(on(&mut machine, Input::Success, 100), Effect::Accept { first: true });
        assert_eq!(on(&mut machine, Input::Success, 200), Effect::Accept { first: false });
        assert_eq!(on(&mut machine, Input::Refusal, 300), Effect::Nothing);
        assert_eq!(on(&mut machine, Input::Provisional, 300), Effect::Nothing);
        assert_eq!(on(&mut machine, Input::NotSent, 300), Effect::Nothing);
        assert_eq!(run(&mut machine, UDP), [(32_100, Effect::Forget)]);
    }

    #[test]
    fn a_refusal_is_acknowledged_and_lingers_for_d() {
        for (reliable, d) in [(UDP, Duration::from_secs(32)), (TCP, Duration::ZERO)] {
            let mut machine = start(reliable);
            assert_eq!(machine.on(Input::Refusal, &Timing::default(), reliable, at(10)), Effect::Refuse(d));
            assert_eq!((on(&mut machine, Input::Success, 20), machine.next_timeout()), (Effect::Nothing, None));
        }
    }

    #[test]
    fn a_cancelled_invite_that_nobody_ends_is_given_up() {
        let mut machine = start(UDP);
        assert_eq!(on(&mut machine, Input::Cancelled, 10), Effect::Nothing);
        assert!(machine.is_calling());
        on(&mut machine, Input::Provisional, 100);
        assert_eq!(on(&mut machine, Input::Cancelled, 1000), Effect::Nothing);
        assert_eq!(run(&mut machine, UDP), [(33_000, Effect::TimedOut { heard: true })]);
    }
}
