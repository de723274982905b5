//! What was seen a moment ago, so that a repetition is known for one.
//!
//! SIP knows retransmissions by their transaction. XMPP has no such thing, but a server or a client that lost its
//! connection may send a stanza again (XEP-0198 section 5); it then has the same sender, recipient, `id` and content.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use crate::time::Now;

/// How long a repetition is recognised: as long as a resumption usually takes to be offered.
pub(super) const REMEMBER: Duration = Duration::from_secs(120);

/// Fingerprints kept at most: 16 bytes each in two places, 4 MiB. Beyond it the oldest are forgotten early.
const MOST: usize = 65_536;

/// Fingerprints of what was seen within [`REMEMBER`].
#[derive(Debug, Default)]
pub(super) struct Recent {
    known: HashSet<u64>,
    order: VecDeque<(Duration, u64)>,
}

impl Recent {
    /// Whether `thing` was seen within [`REMEMBER`]; from now on it was.
    pub(super) fn seen(&mut self, thing: &impl Hash, now: Now) -> bool {
        let mut hasher = DefaultHasher::new();
        thing.hash(&mut hasher);
        let print = hasher.finish();
        while self.order.len() >= MOST || self.order.front().is_some_and(|(at, _)| *at + REMEMBER <= now.mono) {
            let Some((_, old)) = self.order.pop_front() else { break };
            self.known.remove(&old);
        }
        let new = self.known.insert(print);
        if new {
            self.order.push_back((now.mono, print));
        }
        !new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repetition_is_known_until_it_is_old() {
        let mut recent = Recent::default();
        let at = |secs| Now::at(Duration::from_secs(secs));
        assert!(!recent.seen(&"a", at(0)));
        assert!(recent.seen(&"a", at(119)));
        assert!(!recent.seen(&"b", at(119)));
        assert!(!recent.seen(&"a", at(120)));
    }

    #[test]
    fn a_flood_forgets_the_oldest_and_stays_bounded() {
        let mut recent = Recent::default();
        for n in 0..2 * MOST {
            assert!(!recent.seen(&n, Now::at(Duration::ZERO)));
        }
        assert_eq!((recent.known.len(), recent.order.len()), (MOST, MOST));
    }
}
