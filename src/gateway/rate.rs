//! How much of something is let through: GCRA by `governor`, driven by the time that its caller gives.
//!
//! The crate reads its time from a clock of ours that shows what it was last told, so nothing here looks at a
//! real one and hours of limits are tested in no time.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::{Clock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::state::{InMemoryState, NotKeyed};
use governor::{NotUntil, Quota, RateLimiter};

/// So many a second, and so many at once after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// A second; 0 counts as 1.
    pub per_second: u32,
    /// At once; 0 counts as 1.
    pub burst: u32,
}

impl Rate {
    fn quota(self) -> Quota {
        let at_least_one = |number: u32| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        Quota::per_second(at_least_one(self.per_second)).allow_burst(at_least_one(self.burst))
    }
}

/// A clock that shows what it was told: nanoseconds of monotonic time.
#[derive(Clone, Debug, Default)]
struct Told(Arc<AtomicU64>);

impl Told {
    fn tell(&self, now: Duration) {
        self.0.store(u64::try_from(now.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Clock for Told {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

/// Too much: when it would be let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMuch {
    /// From now.
    pub wait: Duration,
}

impl TooMuch {
    fn new(until: &NotUntil<Duration>, now: Duration) -> Self {
        Self { wait: until.wait_time_from(now) }
    }
}

/// One thing, limited.
#[derive(Debug)]
pub struct Limiter {
    clock: Told,
    bucket: RateLimiter<NotKeyed, InMemoryState, Told, NoOpMiddleware<Duration>>,
}

impl Limiter {
    /// As much as `rate` says.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        let clock = Told::default();
        Self { bucket: RateLimiter::new(rate.quota(), InMemoryState::default(), clock.clone()), clock }
    }

    /// One more, now in monotonic time.
    ///
    /// # Errors
    /// How long to wait.
    pub fn take(&self, now: Duration) -> Result<(), TooMuch> {
        self.clock.tell(now);
        self.bucket.check().map_err(|until| TooMuch::new(&until, now))
    }
}

/// How often a table that is full is looked through for keys that mean nothing any more.
const SWEEP: Duration = Duration::from_secs(1);

/// Many things of one kind, each limited alike.
///
/// So many keys are remembered at once. A new one that finds no room is let through: what bounds all keys together is
/// another limiter's task, and an attacker with many keys must not shut out those who have theirs.
#[derive(Debug)]
pub struct Limiters<K: Hash + Eq + Clone> {
    clock: Told,
    buckets: RateLimiter<K, HashMapStateStore<K>, Told, NoOpMiddleware<Duration>>,
    most: usize,
    swept: Duration,
    full: bool,
}

impl<K: Hash + Eq + Clone> Limiters<K> {
    /// As much of each as `rate` says, at most `most` of them remembered.
    #[must_use]
    pub fn new(rate: Rate, most: usize) -> Self {
        let clock = Told::default();
        let buckets = RateLimiter::hashmap_with_clock(rate.quota(), clock.clone());
        Self { clock, buckets, most, swept: Duration::ZERO, full: false }
    }

    /// One more of `key`, now in monotonic time.
    ///
    /// # Errors
    /// How long to wait.
    pub fn take(&mut self, key: &K, now: Duration) -> Result<(), TooMuch> {
        self.clock.tell(now);
        if !self.has_room(now) {
            return Ok(());
        }
        self.buckets.check_key(key).map_err(|until| TooMuch::new(&until, now))
    }

    /// How many keys are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buckets.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn has_room(&mut self, now: Duration) -> bool {
        if self.buckets.len() < self.most {
            return true;
        }
        if Reference::duration_since(&now, self.swept) < SWEEP.into() && self.full {
            return false;
        }
        self.swept = now;
        self.buckets.retain_recent();
        self.full = self.buckets.len() >= self.most;
        !self.full
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { per_second: 10, burst: 5 };

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_burst_passes_and_then_so_many_a_second() {
        let limiter = Limiter::new(RATE);
        let passed = (0..20).filter(|_| limiter.take(at(1_000)).is_ok()).count();
        assert_eq!(passed, 5);
        let passed = (0..1_000).filter(|step| limiter.take(at(1_000 + step)).is_ok()).count();
        assert!((9..=11).contains(&passed), "{passed}");
        let passed = (0..20).filter(|_| limiter.take(at(60_000)).is_ok()).count();
        assert_eq!(passed, 5, "a pause gives the burst back and no more");
    }

    #[test]
    fn who_has_had_enough_is_told_how_long_to_wait() {
        let limiter = Limiter::new(Rate { per_second: 2, burst: 1 });
        assert_eq!(limiter.take(at(1_000)), Ok(()));
        assert_eq!(limiter.take(at(1_000)), Err(TooMuch { wait: at(500) }));
        assert_eq!(limiter.take(at(1_400)), Err(TooMuch { wait: at(100) }));
        assert_eq!(limiter.take(at(1_500)), Ok(()));
    }

    #[test]
    fn each_key_has_its_own() {
        let mut limiters = Limiters::new(Rate { per_second: 1, burst: 1 }, 10);
        assert!(limiters.take(&"a", at(0)).is_ok());
        assert!(limiters.take(&"b", at(0)).is_ok());
        assert!(limiters.take(&"a", at(10)).is_err());
        assert!(limiters.take(&"a", at(1_000)).is_ok());
    }

    #[test]
    fn a_million_keys_take_no_more_room_than_allowed_and_hurt_nobody_who_has_one() {
        let mut limiters = Limiters::new(Rate { per_second: 1, burst: 1 }, 100);
        assert!(limiters.take(&0, at(0)).is_ok());
        for key in 1..1_000_000_u32 {
            limiters.take(&key, at(0)).ok();
        }
        assert!(limiters.len() <= 100, "{}", limiters.len());
        for key in 0..1_000_000_u32 {
            limiters.take(&key, at(5_000 + u64::from(key))).ok();
        }
        assert!(limiters.len() <= 100, "{}", limiters.len());
    }

    #[test]
    fn nothing_a_second_counts_as_one() {
        let limiter = Limiter::new(Rate { per_second: 0, burst: 0 });
        assert!(limiter.take(at(0)).is_ok());
        assert!(limiter.take(at(999)).is_err());
        assert!(limiter.take(at(1_000)).is_ok());
    }
}
