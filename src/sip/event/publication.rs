//! One publication of ours: RFC 3903 sections 4 and 5 as a user agent, without a socket or a clock.
//!
//! ```text
//!            due                       2xx: SIP-ETag and Expires are kept; refreshed at 0.85 .. 0.9 of that
//!  waiting ------> one request out ->  412: the entity tag is forgotten, published anew
//!     ^                                423: at once, for longer          else: back-off, or a long wait where it is refused
//!     +-- changed, withdrawn: the last word wins; while one is out the next waits (section 4)
//! ```
//! | wanted | entity tag | goes out |
//! |---|---|---|
//! | a new state | no | Initial, with body |
//! | a new state | yes | Modify, with body |
//! | the state as it is | yes | Refresh, without |
//! | nothing | yes | Remove, Expires 0 |
//! | nobody knows yet, after a restart | yes | nothing: a state that nobody vouches for lapses |
//!
//! The body is no business of this: whoever sends makes it when it is asked for, so it is always the last one.

use std::time::Duration;

use crate::time::Now;

/// The longest that we publish for when a server wants more (423).
pub const MAX_EXPIRES: u32 = 86_400;

/// The first wait after a failure, and what it doubles up to.
pub const BACK_OFF: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));

/// The wait after a refusal: somebody has to do something about it first.
pub const REFUSED_AGAIN: Duration = Duration::from_secs(900);

/// The longest Retry-After that is kept to.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(3_600);

/// A server that grants less is asked this often and no oftener.
pub const LEAST_REFRESH: Duration = Duration::from_secs(5);

/// The longest entity tag that is kept, bytes; servers make them of a few dozen. With a longer one each refresh is new.
pub const MAX_ETAG: usize = 256;

/// What a request is to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// SIP-If-Match.
    pub etag: Option<Box<str>>,
    /// Whether the state goes with it.
    pub with_body: bool,
    /// Expires.
    pub expires: u32,
}

/// What a final response says.
#[derive(Debug, Clone, Copy, Default)]
pub struct Answer<'a> {
    /// The status code.
    pub status: u16,
    /// SIP-ETag.
    pub etag: Option<&'a str>,
    /// Expires.
    pub expires: Option<u32>,
    /// Min-Expires.
    pub min_expires: Option<u32>,
    /// Retry-After, seconds.
    pub retry_after: Option<u32>,
}

/// What came of it for whoever keeps the publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The server has it for so many seconds, under the tag that [`Publication::etag`] gives.
    Kept(u32),
    /// The server does not have it any more, or does not count as having it.
    Gone,
    /// Nothing that would have to be kept.
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Unknown,
    State,
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Out {
    Nothing,
    WithBody,
    Refresh,
    Remove,
}

/// One publication.
#[derive(Debug)]
pub struct Publication {
    wanted: Wanted,
    /// Whether the server has not been told the last state.
    fresh: bool,
    out: Out,
    etag: Option<Box<str>>,
    /// Until when the server has it.
    until: Option<Duration>,
    refresh_at: Duration,
    /// Not before.
    rest_until: Duration,
    sent_at: Option<Duration>,
    expires: u32,
    raised: bool,
    failures: u32,
}

impl Publication {
    /// Of nothing yet; asks for `expires` seconds.
    #[must_use]
    pub fn new(expires: u32) -> Self {
        Self {
            wanted: Wanted::Unknown,
            fresh: false,
            out: Out::Nothing,
            etag: None,
            until: None,
            refresh_at: Duration::ZERO,
            rest_until: Duration::ZERO,
            sent_at: None,
            expires,
            raised: false,
            failures: 0,
        }
    }

    /// One that the server has until `until` under `etag`.
    #[must_use]
    pub fn restored(expires: u32, etag: &str, until: Duration) -> Self {
        Self { etag: Some(etag.into()), until: Some(until), ..Self::new(expires) }
    }

    /// There is a new state.
    pub fn changed(&mut self) {
        self.wanted = Wanted::State;
        self.fresh = true;
    }

    /// There is no state any more.
    pub fn withdrawn(&mut self) {
        self.wanted = Wanted::Nothing;
        self.fresh = false;
    }

    /// The entity tag that the server gave last.
    #[must_use]
    pub fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    /// Whether nothing is left to be done about it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.wanted != Wanted::State && self.out == Out::Nothing && self.etag.is_none()
    }

    /// When [`Publication::request`] is to be called; states follow each other no closer than `every`.
    #[must_use]
    pub fn due(&self, every: Duration) -> Option<Duration> {
        if self.out != Out::Nothing {
            return None;
        }
        match self.wanted {
            Wanted::Unknown => self.until,
            Wanted::Nothing => self.etag.is_some().then_some(self.rest_until),
            Wanted::State if self.fresh => {
                let next = self.sent_at.map_or(Duration::ZERO, |at| at + every);
                Some(next.max(self.rest_until))
            }
            Wanted::State => Some(self.refresh_at.max(self.rest_until)),
        }
    }

    /// What is to be sent now, if anything is due; it is out then until it ends.
    pub fn request(&mut self, every: Duration, now: Now) -> Option<Step> {
        if self.due(every).is_none_or(|at| at > now.mono) {
            return None;
        }
        if self.until.is_none_or(|until| until <= now.mono) {
            self.forget();
        }
        self.out = match (self.wanted, &self.etag) {
            (Wanted::Unknown, _) | (Wanted::Nothing, None) => return None,
            (Wanted::Nothing, Some(_)) => Out::Remove,
            (Wanted::State, Some(_)) if !self.fresh => Out::Refresh,
            (Wanted::State, _) => Out::WithBody,
        };
        self.fresh = false;
        self.sent_at = Some(now.mono);
        let expires = if self.out == Out::Remove { 0 } else { self.expires };
        Some(Step { etag: self.etag.clone(), with_body: self.out == Out::WithBody, expires })
    }

    /// The final response came. `chance`, from 0 to 1, spreads what would otherwise happen at once everywhere.
    pub fn answered(&mut self, answer: &Answer<'_>, now: Now, chance: f64) -> Outcome {
        let out = std::mem::replace(&mut self.out, Out::Nothing);
        match answer.status {
            200..300 if out == Out::Remove => {
                self.forget();
                Outcome::Gone
            }
            200..300 => self.accepted(answer, now, chance),
            412 => {
                // Section 5: not the same again, but anew; and if that is what it was, later.
                let had = self.etag.is_some();
                self.forget();
                self.fresh = self.wanted == Wanted::State;
                if !had {
                    self.back_off(answer.retry_after, now, chance);
                }
                // The server never counted the time between.
                self.sent_at = None;
                Outcome::Gone
            }
            423 if self.raise(answer.min_expires) => {
                self.again(out);
                self.sent_at = None;
                Outcome::Nothing
            }
            status => {
                self.again(out);
                if is_refusal(status) {
                    self.failures = self.failures.saturating_add(1);
                    self.rest_until = now.mono + between(REFUSED_AGAIN, REFUSED_AGAIN * 2, chance);
                } else {
                    self.back_off(answer.retry_after, now, chance);
                }
                Outcome::Nothing
            }
        }
    }

    /// No final response came, or none that can be used. It may have been done: then the tag that we know is not the one that
    /// the server knows, and 412 says so.
    pub fn failed(&mut self, retry_after: Option<Duration>, now: Now, chance: f64) {
        let out = std::mem::replace(&mut self.out, Out::Nothing);
        self.again(out);
        let seconds = retry_after.map(|time| u32::try_from(time.as_secs()).unwrap_or(u32::MAX));
        self.back_off(seconds, now, chance);
    }

    fn accepted(&mut self, answer: &Answer<'_>, now: Now, chance: f64) -> Outcome {
        let granted = answer.expires.unwrap_or(self.expires).min(self.expires);
        (self.raised, self.failures, self.rest_until) = (false, 0, Duration::ZERO);
        self.etag = answer.etag.filter(|etag| !etag.is_empty() && etag.len() <= MAX_ETAG).map(Box::from);
        if granted == 0 || self.etag.is_none() {
            // Without a tag there is nothing to refresh: the next one is the first again.
            self.fresh |= self.wanted == Wanted::State;
            self.rest_until = now.mono + Duration::from_secs(u64::from(granted)).max(BACK_OFF.1);
            self.forget();
            return Outcome::Gone;
        }
        let time = Duration::from_secs(u64::from(granted));
        self.until = Some(now.mono + time);
        self.refresh_at = now.mono + between(time.mul_f64(0.85), time.mul_f64(0.9), chance).max(LEAST_REFRESH);
        Outcome::Kept(granted)
    }

    fn forget(&mut self) {
        self.etag = None;
        self.until = None;
    }

    /// What went out did not arrive: if it was a state, the server has not been told it.
    fn again(&mut self, out: Out) {
        self.fresh |= out == Out::WithBody && self.wanted == Wanted::State;
    }

    fn back_off(&mut self, retry_after: Option<u32>, now: Now, chance: f64) {
        self.failures = self.failures.saturating_add(1);
        let (first, longest) = BACK_OFF;
        let bound = first.saturating_mul(1 << (self.failures - 1).min(16)).min(longest);
        let asked = Duration::from_secs(u64::from(retry_after.unwrap_or_default())).min(MAX_RETRY_AFTER);
        self.rest_until = now.mono + between(bound / 2, bound, chance).max(asked);
    }

    /// 423: asks for longer, once a round. `false` where that leads nowhere.
    fn raise(&mut self, least: Option<u32>) -> bool {
        match least {
            Some(least) if least > self.expires && least <= MAX_EXPIRES && !self.raised => {
                self.expires = least;
                self.raised = true;
                true
            }
            Some(_) | None => false,
        }
    }
}

/// Whether the same again is of no use until somebody has done something.
fn is_refusal(status: u16) -> bool {
    let class = status / 100;
    matches!(status, 501 | 505) || ((class == 4 || class == 6) && !matches!(status, 408 | 423 | 480 | 482 | 487 | 491))
}

fn between(least: Duration, most: Duration, chance: f64) -> Duration {
    least + most.saturating_sub(least).mul_f64(chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests;
