//! Time as a value: what now is, and which deadline comes next.
//!
//! Nothing below the rim reads a clock. [`Now`] is read once per step in `shard` and handed down; [`Timers`] keeps
//! deadlines and says which have passed.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// One reading of both clocks, taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now {
    /// Monotonic time since the node started. Deadlines are made of this.
    pub mono: Duration,
    /// Wall-clock time, for dates that a peer or a person will read.
    pub wall: Timestamp,
}

impl Now {
    /// The instant `mono` after the start, with the wall clock at the epoch plus the same: for tests and simulations.
    #[must_use]
    pub fn at(mono: Duration) -> Self {
        let millis = i64::try_from(mono.as_millis()).unwrap_or(i64::MAX);
        Self { mono, wall: Timestamp(millis) }
    }
}

/// A point in wall-clock time: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

/// Monotonic time in half the bytes of a [`Duration`], for what is kept by the million: nanoseconds, good for 584 years.
#[must_use]
pub fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The same as a type of its own; the start of the process by default.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(u64);

impl Mono {
    /// Since the start of the process.
    #[must_use]
    pub fn get(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// Whether it is the start of the process, which stands for never.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl From<Duration> for Mono {
    fn from(time: Duration) -> Self {
        Self(nanos(time))
    }
}

impl std::fmt::Debug for Mono {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.get().fmt(f)
    }
}

/// Deadlines by key, earliest first; deadlines of the same instant fire in the order in which they were set.
///
/// Most timers of a SIP stack have one of a few fixed delays (RFC 3261 table 4), so a timer set *after* such a delay
/// goes to the end of that delay's queue, which is sorted by construction: O(1) instead of O(log n), and 16 bytes
/// besides the key. Timers are not cancelled: whoever set one checks, when it fires, whether it still means anything.
#[derive(Debug)]
pub struct Timers<K> {
    lanes: Vec<Lane<K>>,
    odd: BTreeMap<(u64, u64), K>,
    count: u64,
}

#[derive(Debug)]
struct Lane<K> {
    delay: Duration,
    /// Nanoseconds of monotonic time, and the order of setting.
    queue: VecDeque<(u64, u64, K)>,
}

impl<K> Timers<K> {
    /// Distinct delays that get a queue of their own; the few of RFC 3261 and of our configuration fit.
    const MAX_LANES: usize = 16;

    /// No deadlines.
    #[must_use]
    pub fn new() -> Self {
        Self { lanes: Vec::new(), odd: BTreeMap::new(), count: 0 }
    }

    /// `key` fires at `now + delay`.
    pub fn set(&mut self, now: Now, delay: Duration, key: K) {
        let at = nanos(now.mono + delay);
        self.count += 1;
        let order = self.count;
        let known = self.lanes.iter().position(|lane| lane.delay == delay);
        let index = match known {
            Some(index) => index,
            None if self.lanes.len() < Self::MAX_LANES => {
                self.lanes.push(Lane { delay, queue: VecDeque::new() });
                self.lanes.len() - 1
            }
            None => {
                self.odd.insert((at, order), key);
                return;
            }
        };
        let queue = &mut self.lanes[index].queue;
        if queue.back().is_some_and(|(last, ..)| *last > at) {
            // Only a clock that went back can do this; keep the lane sorted all the same.
            self.odd.insert((at, order), key);
        } else {
            queue.push_back((at, order, key));
        }
    }

    /// `key` fires at `at`, whatever the delay: for deadlines that are not of a fixed length.
    pub fn set_at(&mut self, at: Duration, key: K) {
        self.count += 1;
        self.odd.insert((nanos(at), self.count), key);
    }

    /// The earliest deadline.
    #[must_use]
    pub fn next(&self) -> Option<Duration> {
        self.earliest().map(|(at, ..)| Duration::from_nanos(at))
    }

    /// Takes the earliest key whose deadline is not after `now`.
    pub fn take_due(&mut self, now: Now) -> Option<K> {
        let (at, order, lane) = self.earliest()?;
        if at > nanos(now.mono) {
            return None;
        }
        match lane {
            Some(index) => {
                let lane = &mut self.lanes[index];
                let key = lane.queue.pop_front().map(|(_, _, key)| key);
                if lane.queue.capacity() > 1024 && lane.queue.len() < lane.queue.capacity() / 8 {
                    lane.queue.shrink_to(lane.queue.len() * 2);
                }
                key
            }
            None => self.odd.remove(&(at, order)),
        }
    }

    /// Deadlines waiting, those included that will turn out to mean nothing any more.
    #[must_use]
    pub fn len(&self) -> usize {
        self.odd.len() + self.lanes.iter().map(|lane| lane.queue.len()).sum::<usize>()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn earliest(&self) -> Option<(u64, u64, Option<usize>)> {
        let lanes = self
            .lanes
            .iter()
            .enumerate()
            .filter_map(|(index, lane)| lane.queue.front().map(|(at, order, _)| (*at, *order, Some(index))));
        let odd = self.odd.keys().next().map(|(at, order)| (*at, *order, None));
        lanes.chain(odd).min_by_key(|(at, order, _)| (*at, *order))
    }
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn drain(timers: &mut Timers<u32>, now: Now) -> Vec<u32> {
        std::iter::from_fn(|| timers.take_due(now)).collect()
    }

    #[test]
    fn fires_in_order_of_deadline_and_then_of_setting() {
        let mut timers = Timers::new();
        let start = Now::at(Duration::ZERO);
        timers.set(start, 2 * SECOND, 1);
        timers.set(start, SECOND, 2);
        timers.set_at(SECOND, 3);
        assert_eq!(timers.next(), Some(SECOND));
        assert_eq!(drain(&mut timers, Now::at(SECOND)), [2, 3]);
        assert_eq!(drain(&mut timers, Now::at(2 * SECOND)), [1]);
        assert!(timers.is_empty());
    }

    #[test]
    fn nothing_fires_early() {
        let mut timers = Timers::new();
        timers.set(Now::at(Duration::ZERO), SECOND, 1);
        assert_eq!(timers.take_due(Now::at(Duration::from_millis(999))), None);
    }

    #[test]
    fn more_delays_than_lanes_still_fire_in_order() {
        let mut timers = Timers::new();
        let start = Now::at(Duration::ZERO);
        for n in (0..40).rev() {
            timers.set(start, n * SECOND, n);
        }
        assert_eq!(drain(&mut timers, Now::at(40 * SECOND)), (0..40).collect::<Vec<_>>());
    }
}
