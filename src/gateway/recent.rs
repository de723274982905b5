//! What was seen a moment ago, so that a repetition is known for one.
//!
//! SIP knows retransmissions by their transaction. XMPP has no such thing, but a server or a client that lost its
//! connection may send a stanza again (XEP-0198 section 5); it then has the same sender, recipient, `id` and content.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use crate::time::Now;

/// Fingerprints kept at most, about 2 MiB. Beyond it the oldest are forgotten early.
const MOST: usize = 65_536;

/// Fingerprints of what was seen within some time.
#[derive(Debug)]
pub(super) struct Recent {
    remember: Duration,
    /// When each was seen.
    known: HashMap<u64, Duration>,
    order: VecDeque<(Duration, u64)>,
}

/// What a thing is remembered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Print(u64);

impl Print {
    pub(super) fn of(thing: &impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        thing.hash(&mut hasher);
        Self(hasher.finish())
    }
}

impl Recent {
    /// Nothing seen; what will be is remembered for so long.
    pub(super) fn new(remember: Duration) -> Self {
        Self { remember, known: HashMap::new(), order: VecDeque::new() }
    }

    /// Whether something of this print was seen of late.
    pub(super) fn knows(&mut self, Print(print): Print, now: Now) -> bool {
        self.forget_old(now, MOST);
        self.known.contains_key(&print)
    }

    /// Whether something of this print was seen of late; from now on it was.
    pub(super) fn seen(&mut self, Print(print): Print, now: Now) -> bool {
        self.forget_old(now, MOST - 1);
        let new = !self.known.contains_key(&print);
        if new {
            self.known.insert(print, now.mono);
            self.order.push_back((now.mono, print));
        }
        !new
    }

    /// Nothing came of it: who sends it again wants it tried again.
    pub(super) fn forget(&mut self, Print(print): Print) {
        self.known.remove(&print);
    }

    fn forget_old(&mut self, now: Now, most: usize) {
        let old = |at: Duration| at + self.remember <= now.mono;
        while self.order.len() > most || self.order.front().is_some_and(|(at, _)| old(*at)) {
            let Some((at, print)) = self.order.pop_front() else { break };
            // It may have been forgotten, and seen again later.
            if self.known.get(&print) == Some(&at) {
                self.known.remove(&print);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Now {
        Now::at(Duration::from_secs(seconds))
    }

    #[test]
    fn a_repetition_is_known_until_it_is_old() {
        let mut recent = Recent::new(Duration::from_secs(120));
        let (one, other) = (Print::of(&"a"), Print::of(&"b"));
        assert!(!recent.seen(one, at(0)));
        assert!(recent.seen(one, at(119)));
        assert!(!recent.seen(other, at(119)));
        assert!(!recent.seen(one, at(120)));
    }

    #[test]
    fn what_came_to_nothing_may_come_again() {
        let mut recent = Recent::new(Duration::from_secs(120));
        let print = Print::of(&"a");
        assert!(!recent.seen(print, at(0)));
        recent.forget(print);
        assert!(!recent.seen(print, at(60)));
        // The second time counts from when it was.
        assert!(recent.seen(print, at(150)));
        assert!(!recent.seen(print, at(180)));
    }

    #[test]
    fn a_flood_forgets_the_oldest_and_stays_bounded() {
        let mut recent = Recent::new(Duration::from_secs(120));
        for n in 0..2 * MOST {
            assert!(!recent.seen(Print::of(&n), at(0)));
        }
        assert_eq!((recent.known.len(), recent.order.len()), (MOST, MOST));
    }
}
