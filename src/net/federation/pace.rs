//! How fast a stream is read.

use std::time::Duration;

use crate::xmpp::federation::PartnerLimits;

/// What may come at once after a pause: this many seconds' worth. A step of ours must not look like too much.
const BURST: f64 = 2.0;

/// The partner's rates. What has been read is paid for afterwards: reading goes on when the debt is paid, so nothing is
/// dropped, and the peer feels the wait by TCP (RFC 6120 section 13.12 and XEP-0205 call it throttling).
#[derive(Debug, Default)]
pub(super) struct Pace {
    stanzas: Option<Bucket>,
    bytes: Option<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    per_second: f64,
    /// Below zero: debt.
    level: f64,
    filled: Duration,
}

impl Pace {
    /// What `limits` allow from `now` on.
    pub(super) fn new(limits: &PartnerLimits, now: Duration) -> Self {
        let bucket = |rate: Option<u32>| {
            let per_second = f64::from(rate?.max(1));
            Some(Bucket { per_second, level: per_second * BURST, filled: now })
        };
        Self { stanzas: bucket(limits.stanzas_per_second), bytes: bucket(limits.bytes_per_second) }
    }

    /// So much was read. `Some`: nothing more is to be read before that time.
    pub(super) fn read(&mut self, stanzas: usize, bytes: usize, now: Duration) -> Option<Duration> {
        let of_stanzas = self.stanzas.as_mut().and_then(|bucket| bucket.take(stanzas, now));
        let of_bytes = self.bytes.as_mut().and_then(|bucket| bucket.take(bytes, now));
        of_stanzas.max(of_bytes)
    }
}

impl Bucket {
    fn take(&mut self, count: usize, now: Duration) -> Option<Duration> {
        let passed = now.saturating_sub(self.filled).as_secs_f64();
        self.filled = now;
        let count = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        self.level = (self.level + passed * self.per_second).min(self.per_second * BURST) - count;
        (self.level < 0.0).then(|| now + Duration::from_secs_f64(-self.level / self.per_second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(stanzas: Option<u32>, bytes: Option<u32>) -> Pace {
        let limits = PartnerLimits { stanzas_per_second: stanzas, bytes_per_second: bytes, ..PartnerLimits::default() };
        Pace::new(&limits, Duration::ZERO)
    }

    /// How many stanzas are read until that second by somebody who always has one.
    fn play(pace: &mut Pace, until: u64) -> usize {
        let (mut now, mut count) = (Duration::ZERO, 0);
        while now < Duration::from_secs(until) {
            count += 1;
            if let Some(pause) = pace.read(1, 100, now) {
                assert!(pause > now);
                now = pause;
            }
        }
        count
    }

    #[test]
    fn no_limit_is_no_pause() {
        let mut pace = pace(None, None);
        assert_eq!(pace.read(1_000_000, 1_000_000_000, Duration::ZERO), None);
    }

    #[test]
    fn so_many_stanzas_and_bytes_a_second_are_read_in_the_long_run() {
        let count = play(&mut pace(Some(50), None), 100);
        assert!((5_000..5_150).contains(&count), "{count}");
        let count = play(&mut pace(Some(50), Some(1_000)), 100);
        assert!((1_000..1_050).contains(&count), "{count}");
    }

    #[test]
    fn a_large_read_is_paid_for_and_a_pause_gives_no_more_than_a_burst() {
        let mut pace = pace(None, Some(1_000));
        assert_eq!(pace.read(1, 12_000, Duration::from_secs(5)), Some(Duration::from_secs(15)));
        assert_eq!(pace.read(1, 2_000, Duration::from_secs(1_000)), None);
        assert_eq!(pace.read(1, 1_000, Duration::from_secs(1_000)), Some(Duration::from_secs(1_001)));
    }
}
