//! The server transactions: non-INVITE (RFC 3261 section 17.2.2 with erratum 1470, RFC 4320) and INVITE (section
//! 17.2.1 with RFC 6026).
//!
//! ```text
//!  non-INVITE   Trying --100--> Proceeding --final--> (lingers for Timer J)
//!                  |------------------final------------^
//!               no final response within 64*T1 --> Late --T4--> gone   (RFC 4320 section 4.2: no answer any more)
//!
//!  INVITE       Proceeding --300-699--> Completed --ACK--> Confirmed --Timer I--> gone
//!                  |                        |--Timer G: again--|   |--Timer H: gone
//!                  |-------2xx--------> Accepted --Timer L--> gone
//! ```

use std::time::Duration;

use super::timers::Timing;
use crate::time::{Now, nanos};

/// What happens to a server transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// The request came again.
    Retransmission,
    /// An ACK that belongs to the transaction came.
    Ack,
    /// The user of the transaction answers 100 to 199.
    Provisional,
    /// The user of the transaction answers 200 to 299.
    Success,
    /// The user of the transaction answers 300 to 699.
    Refusal,
    /// The deadline of `next_timeout` may have come.
    Due,
}

/// What a server transaction wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    Nothing,
    /// Send the response that came as the input, and keep it for retransmissions.
    Send,
    /// Send the response that came as the input, and do not keep it.
    SendOnce,
    /// Send a 100 (Trying) and keep it for retransmissions.
    SendTrying,
    /// Send the response kept last once more, if there is one.
    Resend,
    /// Send the final response that came as the input; for this long (Timer J) retransmissions get it again.
    Complete(Duration),
    /// The transaction is gone. `unacknowledged` when an INVITE's final response got no ACK.
    Forget {
        /// Whether Timer H fired.
        unacknowledged: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NonInviteState {
    Trying,
    Proceeding,
    /// The client has given up; its last retransmission may still be under way and must not pass for a new request.
    Late,
    Over,
}

/// One request other than INVITE and ACK that waits for our answer.
#[derive(Debug, Clone)]
pub struct NonInvite {
    state: NonInviteState,
    /// Nanoseconds: there may be a million of them.
    arrived: u64,
}

impl NonInvite {
    /// Starts when the request arrives.
    #[must_use]
    pub fn start(now: Now) -> Self {
        Self { state: NonInviteState::Trying, arrived: nanos(now.mono) }
    }

    fn arrived(&self) -> Duration {
        Duration::from_nanos(self.arrived)
    }

    /// The machine itself.
    pub fn on(&mut self, input: Input, timing: &Timing, reliable: bool, now: Now) -> Effect {
        use NonInviteState::{Late, Over, Proceeding, Trying};
        match (self.state, input) {
            // RFC 4320 section 4.1: no 100 over UDP while the client still repeats quickly.
            (Trying | Proceeding, Input::Provisional)
                if reliable || now.mono >= self.arrived() + timing.trying_after() =>
            {
                self.state = Proceeding;
                Effect::Send
            }
            (Trying | Proceeding, Input::Success | Input::Refusal) => {
                self.state = Over;
                Effect::Complete(timing.j(reliable))
            }
            (Trying | Proceeding | Late, Input::Due) if now.mono >= self.arrived() + timing.patience() + timing.t4 => {
                self.state = Over;
                Effect::Forget { unacknowledged: false }
            }
            (Trying | Proceeding, Input::Due) if now.mono >= self.arrived() + timing.patience() => {
                self.state = Late;
                Effect::Nothing
            }
            (Trying, Input::Due) if now.mono >= self.arrived() + timing.trying_after() => {
                self.state = Proceeding;
                Effect::SendTrying
            }
            (Proceeding, Input::Retransmission) => Effect::Resend,
            (Trying | Proceeding | Late | Over, _) => Effect::Nothing,
        }
    }

    /// When [`Input::Due`] is wanted next.
    #[must_use]
    pub fn next_timeout(&self, timing: &Timing) -> Option<Duration> {
        match self.state {
            NonInviteState::Trying => Some(self.arrived() + timing.trying_after().min(timing.patience())),
            NonInviteState::Proceeding => Some(self.arrived() + timing.patience()),
            NonInviteState::Late => Some(self.arrived() + timing.patience() + timing.t4),
            NonInviteState::Over => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InviteState {
    /// `trying` is when the 100 is due, unless something was sent before.
    Proceeding {
        trying: Option<Duration>,
    },
    /// `again` is Timer G: its interval and when it ends. `give_up` is Timer H.
    Completed {
        again: Option<(Duration, Duration)>,
        give_up: Duration,
    },
    /// Until Timer I.
    Confirmed(Duration),
    /// Until Timer L.
    Accepted(Duration),
    Over,
}

/// One INVITE that waits for our answer, or for the ACK of it.
#[derive(Debug, Clone)]
pub struct Invite {
    state: InviteState,
}

impl Invite {
    /// Starts when the INVITE arrives.
    #[must_use]
    pub fn start(timing: &Timing, now: Now) -> Self {
        Self { state: InviteState::Proceeding { trying: Some(now.mono + timing.invite_trying_after()) } }
    }

    /// Whether no final response has been sent.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        matches!(self.state, InviteState::Proceeding { .. })
    }

    /// Whether a 2xx has been sent.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        matches!(self.state, InviteState::Accepted(_))
    }

    /// The machine itself.
    pub fn on(&mut self, input: Input, timing: &Timing, reliable: bool, now: Now) -> Effect {
        use InviteState::{Accepted, Completed, Confirmed, Over, Proceeding};
        match (self.state, input) {
            (Proceeding { .. }, Input::Provisional) => {
                self.state = Proceeding { trying: None };
                Effect::Send
            }
            (Proceeding { .. }, Input::Success) => {
                self.state = Accepted(now.mono + timing.l());
                Effect::SendOnce
            }
            (Proceeding { .. }, Input::Refusal) => {
                let again = timing.g(reliable).map(|interval| (interval, now.mono + interval));
                self.state = Completed { again, give_up: now.mono + timing.h() };
                Effect::Send
            }
            (Proceeding { trying: Some(at) }, Input::Due) if now.mono >= at => {
                self.state = Proceeding { trying: None };
                Effect::SendTrying
            }
            (Proceeding { trying: None } | Completed { .. }, Input::Retransmission) => Effect::Resend,
            (Completed { give_up, .. }, Input::Due) if now.mono >= give_up => {
                self.state = Over;
                Effect::Forget { unacknowledged: true }
            }
            (Completed { again: Some((interval, at)), give_up }, Input::Due) if now.mono >= at => {
                let next = timing.after(interval);
                self.state = Completed { again: Some((next, now.mono + next)), give_up };
                Effect::Resend
            }
            (Completed { .. }, Input::Ack) if reliable => {
                self.state = Over;
                Effect::Forget { unacknowledged: false }
            }
            (Completed { .. }, Input::Ack) => {
                self.state = Confirmed(now.mono + timing.i(reliable));
                Effect::Nothing
            }
            (Accepted(_), Input::Success) => Effect::SendOnce,
            (Confirmed(until) | Accepted(until), Input::Due) if now.mono >= until => {
                self.state = Over;
                Effect::Forget { unacknowledged: false }
            }
            (Proceeding { .. } | Completed { .. } | Confirmed(_) | Accepted(_) | Over, _) => Effect::Nothing,
        }
    }

    /// When [`Input::Due`] is wanted next.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Duration> {
        match self.state {
            InviteState::Proceeding { trying } => trying,
            InviteState::Completed { again, give_up } => Some(again.map_or(give_up, |(_, at)| at.min(give_up))),
            InviteState::Confirmed(until) | InviteState::Accepted(until) => Some(until),
            InviteState::Over => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const UDP: bool = false;
    const TCP: bool = true;
    const T: Timing = Timing { t1: ms(500), t2: ms(4000), t4: ms(5000) };

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn at(n: u64) -> Now {
        Now::at(ms(n))
    }

    #[test]
    fn a_final_response_from_trying_completes_for_j() {
        for (reliable, j) in [(UDP, ms(32_000)), (TCP, ms(0))] {
            let mut machine = NonInvite::start(at(0));
            assert_eq!(machine.on(Input::Retransmission, &T, reliable, at(1)), Effect::Nothing);
            assert_eq!(machine.on(Input::Success, &T, reliable, at(2)), Effect::Complete(j));
            assert_eq!(machine.on(Input::Refusal, &T, reliable, at(3)), Effect::Nothing);
            assert_eq!(machine.next_timeout(&T), None);
        }
    }

    #[test]
    fn a_100_waits_for_timer_e_over_udp_and_is_repeated_for_retransmissions() {
        let mut machine = NonInvite::start(at(0));
        assert_eq!(machine.on(Input::Provisional, &T, UDP, at(3499)), Effect::Nothing);
        assert_eq!(machine.clone().on(Input::Provisional, &T, TCP, at(1)), Effect::Send);
        assert_eq!(machine.on(Input::Provisional, &T, UDP, at(4000)), Effect::Send);
        assert_eq!(machine.on(Input::Retransmission, &T, UDP, at(4100)), Effect::Resend);
        assert_eq!(machine.on(Input::Refusal, &T, UDP, at(4200)), Effect::Complete(ms(32_000)));
    }

    #[test]
    fn a_request_without_an_answer_gets_100_at_3500_ms_and_none_after_64_t1() {
        let mut machine = NonInvite::start(at(0));
        assert_eq!(machine.next_timeout(&T), Some(ms(3500)));
        assert_eq!(machine.on(Input::Due, &T, UDP, at(3499)), Effect::Nothing);
        assert_eq!(machine.on(Input::Due, &T, UDP, at(3500)), Effect::SendTrying);
        assert_eq!(machine.next_timeout(&T), Some(ms(32_000)));
        assert_eq!(machine.on(Input::Due, &T, UDP, at(32_000)), Effect::Nothing);
        assert_eq!(machine.on(Input::Success, &T, UDP, at(32_001)), Effect::Nothing);
        assert_eq!(machine.on(Input::Retransmission, &T, UDP, at(32_001)), Effect::Nothing);
        assert_eq!(machine.next_timeout(&T), Some(ms(37_000)));
        assert_eq!(machine.on(Input::Due, &T, UDP, at(37_000)), Effect::Forget { unacknowledged: false });
    }

    #[test]
    fn an_invite_is_refused_again_at_g_until_h() {
        let mut machine = Invite::start(&T, at(0));
        assert_eq!(machine.on(Input::Refusal, &T, UDP, at(0)), Effect::Send);
        let mut sent = Vec::new();
        let end = loop {
            let next = machine.next_timeout().unwrap();
            let effect = machine.on(Input::Due, &T, UDP, Now::at(next));
            if effect != Effect::Resend {
                break (next.as_millis(), effect);
            }
            sent.push(next.as_millis());
        };
        assert_eq!(sent, [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
        assert_eq!(end, (32_000, Effect::Forget { unacknowledged: true }));
    }

    #[test]
    fn an_ack_ends_the_repeats_and_is_absorbed_for_i() {
        let mut machine = Invite::start(&T, at(0));
        machine.on(Input::Refusal, &T, UDP, at(0));
        assert_eq!(machine.on(Input::Retransmission, &T, UDP, at(10)), Effect::Resend);
        assert_eq!(machine.on(Input::Ack, &T, UDP, at(100)), Effect::Nothing);
        assert_eq!(machine.on(Input::Ack, &T, UDP, at(200)), Effect::Nothing);
        assert_eq!(machine.on(Input::Retransmission, &T, UDP, at(300)), Effect::Nothing);
        assert_eq!(machine.next_timeout(), Some(ms(5100)));
        assert_eq!(machine.on(Input::Due, &T, UDP, at(5100)), Effect::Forget { unacknowledged: false });
    }

    #[test]
    fn over_tcp_an_invite_is_refused_once_and_its_ack_ends_it() {
        let mut machine = Invite::start(&T, at(0));
        machine.on(Input::Refusal, &T, TCP, at(0));
        assert_eq!(machine.next_timeout(), Some(ms(32_000)));
        assert_eq!(machine.on(Input::Ack, &T, TCP, at(1)), Effect::Forget { unacknowledged: false });
    }

    #[test]
    fn an_invite_without_an_answer_gets_100_after_200_ms() {
        let mut machine = Invite::start(&T, at(0));
        assert_eq!(machine.on(Input::Due, &T, UDP, at(200)), Effect::SendTrying);
        assert_eq!(machine.on(Input::Retransmission, &T, UDP, at(500)), Effect::Resend);
        assert_eq!(machine.next_timeout(), None);
    }

    #[test]
    fn an_accepted_invite_absorbs_itself_until_l() {
        let mut machine = Invite::start(&T, at(0));
        assert_eq!(machine.on(Input::Success, &T, UDP, at(0)), Effect::SendOnce);
        assert_eq!(machine.on(Input::Retransmission, &T, UDP, at(500)), Effect::Nothing);
        assert_eq!(machine.on(Input::Success, &T, UDP, at(500)), Effect::SendOnce);
        assert_eq!(machine.on(Input::Due, &T, UDP, at(32_000)), Effect::Forget { unacknowledged: false });
    }
}
