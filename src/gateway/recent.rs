//! What was seen a moment ago, so that a repetition is known for one.
//!
//! SIP knows retransmissions by their transaction. XMPP has no such thing, but a server or a client that lost its
//! connection may send a stanza again (XEP-0198 section 5); it then has the same sender, recipient, `id` and content.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use crate::time::Now;

/// Fingerprints kept at most, about 2 MiB. Beyond it the oldest are forgotten early.
const MOST: usize = 65_536;

/// Fingerprints of what was seen within some time.
#[derive(Debug)]
pub(super) struct Recent {
    remember: Duration,
    known: HashSet<u64>,
    order: VecDeque<(Duration, u64)>,
}

impl Recent {
    /// Nothing seen; what will be is remembered for so long.
    pub(super) fn new(remember: Duration) -> Self {
        Self { remember, known: HashSet::new(), order: VecDeque::new() }
    }

    /// Whether `thing` was seen of late.
    pub(super) fn knows(&mut self, thing: &impl Hash, now: Now) -> bool {
        self.forget_old(now, MOST);
        self.known.contains(&fingerprint(thing))
    }

    /// Whether `thing` was seen of late; from now on it was.
    pub(super) fn seen(&mut self, thing: &impl Hash, now: Now) -> bool {
        self.forget_old(now, MOST - 1);
        let print = fingerprint(thing);
        let new = self.known.insert(print);
        if new {
            self.order.push_back((now.mono, print));
        }
        !new
    }

    fn forget_old(&mut self, now: Now, most: usize) {
        let old = |at: Duration| at + self.remember <= now.mono;
        while self.order.len() > most || self.order.front().is_some_and(|(at, _)| old(*at)) {
            let Some((_, print)) = self.order.pop_front() else { break };
            self.known.remove(&print);
        }
    }
}

fn fingerprint(thing: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    thing.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repetition_is_known_until_it_is_old() {
        let mut recent = Recent::new(Duration::from_secs(120));
        let at = |secs| Now::at(Duration::from_secs(secs));
        assert!(!recent.seen(&"a", at(0)));
        assert!(recent.seen(&"a", at(119)));
        assert!(recent.knows(&"a", at(119)));
        assert!(!recent.knows(&"b", at(119)));
        assert!(!recent.seen(&"b", at(119)));
        assert!(!recent.knows(&"a", at(120)));
        assert!(!recent.seen(&"a", at(120)));
    }

    #[test]
    fn a_flood_forgets_the_oldest_and_stays_bounded() {
        let mut recent = Recent::new(Duration::from_secs(120));
        for n in 0..2 * MOST {
            assert!(!recent.seen(&n, Now::at(Duration::ZERO)));
        }
        assert_eq!((recent.known.len(), recent.order.len()), (MOST, MOST));
    }
}
