//! A table whose entries all live equally long: the Completed state of transactions by the million.
//!
//! Because every entry lives for the same time, those that expire first were put in first, and a queue of 24 bytes an
//! entry replaces a timer. An entry is never found after its time, whenever the memory is given back.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::time::Duration;

use crate::time::{Now, nanos};

/// Below this size tables keep their memory.
const SMALL: usize = 1024;

/// A map from keys that are hashes, or counters of ours, already; nobody outside can choose which of them collide.
pub type HashedMap<K, V> = HashMap<K, V, BuildHasherDefault<Spread>>;

/// The hasher of [`HashedMap`]: one multiplication, so that counters fill the high bits too.
#[derive(Debug, Default, Clone)]
pub struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = (self.0.rotate_left(5) ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// Entries that are found for `life` after they were put in.
#[derive(Debug)]
pub struct Lingering<K, V> {
    life: Duration,
    limit: usize,
    entries: HashedMap<K, V>,
    /// When an entry ends, in nanoseconds of monotonic time, and which. May name entries that were taken out early.
    queue: VecDeque<(u64, K)>,
}

impl<K: Copy + Eq + Hash, V> Lingering<K, V> {
    /// An empty table. Beyond `limit` entries the oldest is forgotten early.
    #[must_use]
    pub fn new(life: Duration, limit: usize) -> Self {
        Self { life, limit, entries: HashedMap::default(), queue: VecDeque::new() }
    }

    /// Puts `key` in; it must not be in already. Gives back the value that had to leave early, if any.
    pub fn insert(&mut self, key: K, value: V, now: Now) -> Option<V> {
        if self.life.is_zero() || self.limit == 0 {
            return Some(value);
        }
        let early = if self.queue.len() >= self.limit { self.pop() } else { None };
        self.queue.push_back((nanos(now.mono + self.life), key));
        self.entries.insert(key, value);
        early
    }

    /// The value of `key`, if its time has not passed. Call [`Lingering::take_due`] until it is empty before.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key)
    }

    /// Takes `key` out before its time. Put in again, it may leave when its first time would have passed.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.entries.remove(key)
    }

    /// Takes out one entry whose time has passed.
    pub fn take_due(&mut self, now: Now) -> Option<V> {
        let now = nanos(now.mono);
        while self.queue.front().is_some_and(|(at, _)| *at <= now) {
            if let Some(value) = self.pop() {
                return Some(value);
            }
        }
        None
    }

    /// When the oldest entry's time passes.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Duration> {
        self.queue.front().map(|(at, _)| Duration::from_nanos(*at))
    }

    /// Entries that can be found.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing can be found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn pop(&mut self) -> Option<V> {
        let (_, key) = self.queue.pop_front()?;
        let value = self.entries.remove(&key);
        if self.queue.capacity() > SMALL && self.queue.len() < self.queue.capacity() / 8 {
            self.queue.shrink_to(self.queue.len() * 2);
        }
        if self.entries.capacity() > SMALL && self.entries.len() < self.entries.capacity() / 8 {
            self.entries.shrink_to(self.entries.len() * 2);
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Now {
        Now::at(Duration::from_millis(ms))
    }

    #[test]
    fn an_entry_is_found_until_its_time() {
        let mut table = Lingering::new(Duration::from_secs(1), 10);
        table.insert(1u64, "one", at(0));
        table.insert(2u64, "two", at(500));
        assert_eq!(table.take_due(at(999)), None);
        assert_eq!(table.get(&1), Some(&"one"));
        assert_eq!(table.take_due(at(1000)), Some("one"));
        assert_eq!(table.take_due(at(1000)), None);
        assert_eq!((table.get(&1), table.get(&2)), (None, Some(&"two")));
        assert_eq!(table.next_timeout(), Some(Duration::from_millis(1500)));
    }

    #[test]
    fn beyond_the_limit_the_oldest_leaves() {
        let mut table = Lingering::new(Duration::from_secs(1), 2);
        for n in 0..5u64 {
            table.insert(n, n, at(n));
        }
        assert_eq!(table.len(), 2);
        assert_eq!((table.get(&2), table.get(&3), table.get(&4)), (None, Some(&3), Some(&4)));
    }

    #[test]
    fn an_entry_taken_out_early_is_not_taken_twice() {
        let mut table = Lingering::new(Duration::from_secs(1), 10);
        table.insert(1u64, (), at(0));
        assert_eq!(table.remove(&1), Some(()));
        assert_eq!(table.take_due(at(2000)), None);
        assert!(table.is_empty() && table.next_timeout().is_none());
    }

    #[test]
    fn a_life_of_nothing_keeps_nothing() {
        let mut table = Lingering::new(Duration::ZERO, 10);
        assert_eq!(table.insert(1u64, 7, at(0)), Some(7));
        assert!(table.is_empty());
    }

    #[test]
    fn memory_is_given_back_after_a_flood() {
        let mut table = Lingering::new(Duration::from_secs(1), 1_000_000);
        for n in 0..100_000u64 {
            table.insert(n, n, at(0));
        }
        while table.take_due(at(1000)).is_some() {}
        assert!(table.entries.capacity() < 4 * SMALL && table.queue.capacity() < 4 * SMALL);
    }
}
