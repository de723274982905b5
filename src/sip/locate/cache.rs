//! What DNS said, for as long as it holds: answers by their TTL, denials by the zone's (RFC 2308), silence for a moment.

use std::collections::HashMap;
use std::time::Duration;

use super::{Answer, Query, limits};

/// Answers by question.
#[derive(Debug, Default)]
pub struct Cache {
    entries: HashMap<Query, Entry>,
}

#[derive(Debug)]
struct Entry {
    answer: Answer,
    /// When it came.
    since: Duration,
    until: Duration,
}

impl Cache {
    /// The answer to `query` and until when it holds, if it holds at `now` or came at `since` or later: what a search
    /// has asked for serves that search, however short its TTL.
    #[must_use]
    pub fn get(&self, query: &Query, now: Duration, since: Duration) -> Option<(&Answer, Duration)> {
        let entry = self.entries.get(query)?;
        (now < entry.until || entry.since >= since).then_some((&entry.answer, entry.until))
    }

    /// Keeps an answer that came at `now` and holds for `ttl`.
    pub fn put(&mut self, query: Query, answer: Answer, ttl: Duration, now: Duration) {
        let silent = answer == Answer::Unavailable;
        let ttl = if silent { limits::UNAVAILABLE } else { ttl.clamp(limits::SHORTEST, limits::LONGEST) };
        if self.entries.len() >= limits::ANSWERS && !self.entries.contains_key(&query) {
            self.make_room(now);
        }
        self.entries.insert(query, Entry { answer, since: now, until: now + ttl });
    }

    /// Answers kept, those included whose time is over.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Drops what is over, and if that is not enough the quarter that ends first.
    fn make_room(&mut self, now: Duration) {
        self.entries.retain(|_, entry| now < entry.until);
        if self.entries.len() >= limits::ANSWERS {
            let mut ends: Vec<_> = self.entries.values().map(|entry| entry.until).collect();
            let (_, last, _) = ends.select_nth_unstable(limits::ANSWERS / 4);
            let last = *last;
            self.entries.retain(|_, entry| entry.until > last);
        }
    }
}
