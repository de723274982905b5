//! How fast users of one XMPP domain come to be published.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use super::super::super::limits::{LIMITED_USERS, PUBLICATION_WAIT, PUBLICATIONS_AT_ONCE, PUBLICATIONS_EVERY};

/// Turns by domain: some at once, and from then on one after the other. Whoever is published waits for her turn and is not
/// forgotten, for nobody says again what has not changed.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// By a keyed hash of the domain, when its next turn would be if it had been asked for all the time.
    next: HashMap<u64, Duration>,
    hasher: RandomState,
}

impl Pace {
    /// The turn of one more user of `domain`, in monotonic time; `None`: so many wait that she does not.
    pub(super) fn turn(&mut self, domain: &str, now: Duration) -> Option<Duration> {
        let saved = PUBLICATIONS_EVERY * PUBLICATIONS_AT_ONCE;
        let key = self.hasher.hash_one(domain);
        if self.next.len() >= LIMITED_USERS && !self.next.contains_key(&key) {
            self.next.retain(|_, next| *next + saved > now);
        }
        // Moved by what may be saved, so that it is never before zero.
        let next = self.next.entry(key).or_insert(now);
        let turn = (*next).max(now);
        let at = turn.saturating_sub(saved).max(now);
        if at > now + PUBLICATION_WAIT {
            return None;
        }
        *next = turn + PUBLICATIONS_EVERY;
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_come_at_once_the_others_one_after_the_other_and_each_domain_by_itself() {
        let (mut pace, now) = (Pace::default(), Duration::from_secs(7));
        for _ in 0..=PUBLICATIONS_AT_ONCE {
            assert_eq!(pace.turn("xmpp.example", now), Some(now));
        }
        assert_eq!(pace.turn("xmpp.example", now), Some(now + PUBLICATIONS_EVERY));
        assert_eq!(pace.turn("xmpp.example", now), Some(now + 2 * PUBLICATIONS_EVERY));
        assert_eq!(pace.turn("other.example", now), Some(now));
        let later = now + PUBLICATIONS_EVERY * (PUBLICATIONS_AT_ONCE + 3);
        assert_eq!(pace.turn("xmpp.example", later), Some(later));
    }

    #[test]
    fn those_who_would_wait_too_long_do_not() {
        let mut pace = Pace::default();
        let turns = std::iter::from_fn(|| pace.turn("xmpp.example", Duration::ZERO)).count();
        let most = PUBLICATION_WAIT.as_nanos() / PUBLICATIONS_EVERY.as_nanos() + u128::from(PUBLICATIONS_AT_ONCE) + 1;
        assert_eq!(u128::try_from(turns), Ok(most));
    }
}
