//! T1, T2, T4 and the timers A to M by name, with the values of RFC 3261 table 4 (appendix A) and RFC 6026.

use std::time::Duration;

/// The three values from which every timer of the transaction layer follows.
///
/// Functions that take `reliable` give the value for TCP and TLS when it is true and for UDP when it is false.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Estimate of the round trip time.
    pub t1: Duration,
    /// The longest interval between two retransmissions of a non-INVITE request or of an INVITE's response.
    pub t2: Duration,
    /// How long a message may wander in the network.
    pub t4: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self { t1: Duration::from_millis(500), t2: Duration::from_secs(4), t4: Duration::from_secs(5) }
    }
}

impl Timing {
    /// How long the client of a transaction waits at all: 64 * T1.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.t1 * 64
    }

    /// Timer A: the first interval after which an INVITE is sent again; each further one is twice as long.
    #[must_use]
    pub fn a(&self, reliable: bool) -> Option<Duration> {
        (!reliable).then_some(self.t1)
    }

    /// Timer B: the end of an INVITE client transaction that nobody answers.
    #[must_use]
    pub fn b(&self) -> Duration {
        self.patience()
    }

    /// Timer C (section 16.6 step 11): how long a proxy lets a phone ring after each provisional response. Longer than 3
    /// minutes.
    #[must_use]
    pub fn c(&self) -> Duration {
        Duration::from_secs(190)
    }

    /// Timer D: how long an INVITE client transaction absorbs responses sent again.
    #[must_use]
    pub fn d(&self, reliable: bool) -> Duration {
        if reliable { Duration::ZERO } else { self.patience().max(Duration::from_secs(32)) }
    }

    /// Timer E: the first interval after which a non-INVITE request is sent again.
    #[must_use]
    pub fn e(&self, reliable: bool) -> Option<Duration> {
        (!reliable).then_some(self.t1)
    }

    /// The interval of Timer E or G that follows `interval`: twice as long, at most T2.
    #[must_use]
    pub fn after(&self, interval: Duration) -> Duration {
        (interval * 2).min(self.t2)
    }

    /// Timer F: the end of a non-INVITE client transaction that nobody answers.
    #[must_use]
    pub fn f(&self) -> Duration {
        self.patience()
    }

    /// Timer G: the first interval after which the final response to an INVITE is sent again.
    #[must_use]
    pub fn g(&self, reliable: bool) -> Option<Duration> {
        (!reliable).then_some(self.t1)
    }

    /// Timer H: how long the server of an INVITE waits for the ACK.
    #[must_use]
    pub fn h(&self) -> Duration {
        self.patience()
    }

    /// Timer I: how long the server of an INVITE absorbs further ACKs.
    #[must_use]
    pub fn i(&self, reliable: bool) -> Duration {
        if reliable { Duration::ZERO } else { self.t4 }
    }

    /// Timer J: how long the server of a non-INVITE request answers it again.
    #[must_use]
    pub fn j(&self, reliable: bool) -> Duration {
        if reliable { Duration::ZERO } else { self.patience() }
    }

    /// Timer K: how long the client of a non-INVITE request absorbs responses sent again.
    #[must_use]
    pub fn k(&self, reliable: bool) -> Duration {
        if reliable { Duration::ZERO } else { self.t4 }
    }

    /// Timer L (RFC 6026 section 7.1): how long the server of an accepted INVITE absorbs it.
    #[must_use]
    pub fn l(&self) -> Duration {
        self.patience()
    }

    /// Timer M (RFC 6026 section 7.2): how long the client of an accepted INVITE hands up further 2xx.
    #[must_use]
    pub fn m(&self) -> Duration {
        self.patience()
    }

    /// When a non-INVITE request without an answer gets its 100 (RFC 4320 section 4.1): once the client's Timer E has
    /// been reset to T2, which is 3.5 s with the default values.
    #[must_use]
    pub fn trying_after(&self) -> Duration {
        let mut interval = self.t1;
        let mut total = interval;
        while interval < self.t2 && total < self.patience() {
            interval = self.after(interval);
            if interval < self.t2 {
                total += interval;
            }
        }
        total
    }

    /// When an INVITE without an answer gets its 100 (RFC 3261 section 17.2.1).
    #[must_use]
    pub fn invite_trying_after(&self) -> Duration {
        Duration::from_millis(200)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn the_values_are_those_of_table_4() {
        let t = Timing::default();
        assert_eq!((t.t1, t.t2, t.t4), (ms(500), ms(4000), ms(5000)));
        let (udp, tcp) = (false, true);
        assert_eq!((t.a(udp), t.a(tcp)), (Some(ms(500)), None));
        assert_eq!(t.b(), ms(32_000));
        assert_eq!((t.d(udp), t.d(tcp)), (ms(32_000), ms(0)));
        assert_eq!((t.e(udp), t.e(tcp)), (Some(ms(500)), None));
        assert_eq!(t.f(), ms(32_000));
        assert_eq!((t.g(udp), t.g(tcp)), (Some(ms(500)), None));
        assert_eq!(t.h(), ms(32_000));
        assert_eq!((t.i(udp), t.i(tcp)), (ms(5000), ms(0)));
        assert_eq!((t.j(udp), t.j(tcp)), (ms(32_000), ms(0)));
        assert_eq!((t.k(udp), t.k(tcp)), (ms(5000), ms(0)));
        assert_eq!((t.l(), t.m()), (ms(32_000), ms(32_000)));
    }

    #[test]
    fn intervals_double_up_to_t2() {
        let t = Timing::default();
        let intervals: Vec<_> =
            std::iter::successors(Some(t.t1), |last| Some(t.after(*last))).take(6).map(|d| d.as_millis()).collect();
        assert_eq!(intervals, [500, 1000, 2000, 4000, 4000, 4000]);
    }

    #[test]
    fn a_100_is_due_when_timer_e_has_reached_t2() {
        assert_eq!(Timing::default().trying_after(), ms(3500));
        let slow = Timing { t1: ms(5000), ..Timing::default() };
        assert_eq!(slow.trying_after(), ms(5000));
        let degenerate = Timing { t1: Duration::ZERO, ..Timing::default() };
        assert_eq!(degenerate.trying_after(), Duration::ZERO);
    }
}
