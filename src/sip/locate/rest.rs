//! Targets that failed rest for a while: others are tried before them (RFC 3263 section 4.3, RFC 3261 section 21.5.4).
//!
//! ```text
//!  healthy --failed--> resting, 30 s --over--> on trial: one request --works--> healthy
//!     ^                    ^  60, 120, 240, 300 s     |
//!     |                    `--------- failed ---------'
//!     `-- nothing said on a trial for 35 s: the next request is one
//! ```
//! Resting only changes the order: where every target rests, the one whose rest ends first is tried all the same. It is
//! different with `Retry-After`: then the server has asked to be left alone, and nothing goes there until it is over.

use std::collections::HashMap;
use std::time::Duration;

use super::{Target, limits};

/// How an attempt at a target ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It answered, whatever the answer was, with anything but 503.
    Works,
    /// Nothing could be sent to it: a connection refused, lost or timed out, an ICMP error, a certificate that will not
    /// do.
    Broken,
    /// It never said anything (Timer B or F).
    Silent,
    /// It answered 503, perhaps with Retry-After.
    Refused(Option<Duration>),
}

/// The targets that have failed.
#[derive(Debug, Default)]
pub struct Rest {
    failed: HashMap<Target, Failed>,
}

#[derive(Debug, Clone, Copy)]
struct Failed {
    /// Rests until then.
    until: Duration,
    /// Failures in a row, rests apart; 0 while only one silence speaks against it.
    times: u32,
    /// Whether the server itself has asked for the rest.
    asked: bool,
    /// Since when one request tries whether it works again.
    trial: Option<Duration>,
}

impl Rest {
    /// Notes how an attempt ended; `now` is monotonic time.
    pub fn note(&mut self, target: Target, outcome: Outcome, now: Duration) {
        match outcome {
            Outcome::Works => self.works(target, now),
            Outcome::Broken => self.failed(target, now, None),
            Outcome::Refused(retry_after) => self.failed(target, now, retry_after),
            // RFC 4320 section 4.2 forbids proxies to say that a phone behind them is silent, so one silence may be a
            // phone's. Two, with no answer between them, are the server's.
            Outcome::Silent if self.failed.contains_key(&target) => self.failed(target, now, None),
            Outcome::Silent => {
                self.make_room(now);
                self.failed.insert(target, Failed { until: now, times: 0, asked: false, trial: None });
            }
        }
    }

    /// `target` answered: it need not rest any more, unless it asked to.
    pub fn works(&mut self, target: Target, now: Duration) {
        if self.failed.is_empty() {
            return;
        }
        if self.failed.get(&target).is_some_and(|failed| !(failed.asked && now < failed.until)) {
            self.failed.remove(&target);
            tracing::debug!(%target.addr, %target.transport, "a SIP target works again");
        }
    }

    /// `target` failed at `now`; with `retry_after` it has asked not to be tried for so long.
    pub fn failed(&mut self, target: Target, now: Duration, retry_after: Option<Duration>) {
        let asked_until = retry_after.map(|time| now + time.min(limits::LONGEST_RETRY_AFTER));
        let known = self.failed.get(&target).copied();
        let failed = match known {
            // What was under way when it began to rest fails as well; that is the same failure.
            Some(known) if now < known.until => Failed {
                until: asked_until.map_or(known.until, |until| until.max(known.until)),
                asked: known.asked || asked_until.is_some(),
                ..known
            },
            Some(known) => rest(known.times, now, asked_until),
            None => {
                self.make_room(now);
                rest(0, now, asked_until)
            }
        };
        let seconds = failed.until.saturating_sub(now).as_secs();
        tracing::debug!(%target.addr, %target.transport, seconds, asked = failed.asked, "a SIP target rests");
        self.failed.insert(target, failed);
    }

    /// Puts those that rest behind those that do not, and leaves out those that asked for it.
    ///
    /// # Errors
    /// All have asked to be left alone; the first time when one may be asked again is so far away.
    pub fn order(&mut self, targets: &mut Vec<Target>, now: Duration) -> Result<(), Duration> {
        if self.failed.is_empty() || !targets.iter().any(|target| self.failed.contains_key(target)) {
            return Ok(());
        }
        let (mut healthy, mut resting, mut forbidden) = (Vec::with_capacity(targets.len()), Vec::new(), Duration::MAX);
        for target in targets.drain(..) {
            match self.failed.get(&target) {
                None => healthy.push(target),
                Some(failed) if failed.asked && now < failed.until => forbidden = forbidden.min(failed.until - now),
                Some(failed) if failed.may_try(now) => healthy.push(target),
                Some(failed) => resting.push((failed.until, target)),
            }
        }
        if let Some(failed) = healthy.first().and_then(|first| self.failed.get_mut(first)) {
            failed.trial = (failed.times > 0).then_some(now);
        }
        resting.sort_by_key(|(until, _)| *until);
        healthy.extend(resting.into_iter().map(|(_, target)| target));
        *targets = healthy;
        if targets.is_empty() { Err(forbidden) } else { Ok(()) }
    }

    /// Targets that failed and have not worked since.
    #[must_use]
    pub fn failing(&self) -> usize {
        self.failed.values().filter(|failed| failed.times > 0).count()
    }

    /// Drops what is forgotten, and if that is not enough the quarter that ends first.
    fn make_room(&mut self, now: Duration) {
        if self.failed.len() < limits::RESTING {
            return;
        }
        self.failed.retain(|_, failed| now < failed.until + limits::FORGET);
        if self.failed.len() >= limits::RESTING {
            let mut ends: Vec<_> = self.failed.values().map(|failed| failed.until).collect();
            let (_, last, _) = ends.select_nth_unstable(limits::RESTING / 4);
            let last = *last;
            self.failed.retain(|_, failed| failed.until > last);
        }
    }
}

impl Failed {
    /// Whether a request may go there first.
    fn may_try(&self, now: Duration) -> bool {
        now >= self.until && self.trial.is_none_or(|since| now >= since + limits::TRIAL)
    }
}

/// The rest after one more failure in a row.
fn rest(times: u32, now: Duration, asked_until: Option<Duration>) -> Failed {
    let longer = limits::REST.saturating_mul(1 << times.min(8)).min(limits::LONGEST_REST);
    Failed { until: asked_until.unwrap_or(now + longer), times: times + 1, asked: asked_until.is_some(), trial: None }
}
