//! One subscription as its notifier sees it (RFC 6665 section 4.2): when a NOTIFY is due, what its Subscription-State says,
//! and when it is over.
//!
//! ```text
//!  accepted --> Pending --grant--> Active --end, lapse, failure--> the last NOTIFY --> over
//!                  |                                                     ^
//!                  +------------- end, lapse, failure -------------------+
//! ```
//! Three rules decide when one goes:
//!
//! * A SUBSCRIBE that was answered 2xx and a change of the subscription itself are told at once (sections 4.2.1.2, 4.2.2).
//! * A change of what is watched is told at once if the last one is long enough ago, else when it is; what changes
//!   meanwhile is told together, so the last state wins (RFC 3856 section 6.10).
//! * While one has no answer the next waits, so they cannot overtake one another.
//!
//! The machine knows neither documents nor dialogs: whoever has it asks [`Notifier::next`] after everything that happens,
//! and does what it says.

use std::time::Duration;

use crate::sip::message::header::{Params, SubscriptionState};
use crate::time::nanos;

/// The longest that a NOTIFY which the subscriber could not take just now waits for its next try, whatever Retry-After asks.
const LONGEST_REST: Duration = Duration::from_secs(600);

/// How long it waits where there is no Retry-After: so long the first time, twice as long each time after.
const REST: Duration = Duration::from_secs(30);

/// How many NOTIFYs in a row may fail in a way that another try may mend. Six tries take a quarter of an hour, and who
/// comes back later subscribes anew.
const FAILURES: u8 = 6;

/// For how long a subscription may hold, seconds (RFC 6665 section 4.2.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Where the subscriber does not say: the package's default.
    pub usual: u32,
    /// Less is too brief.
    pub shortest: u32,
    /// What asks for more gets this.
    pub longest: u32,
}

/// Asked for less than [`Terms::shortest`]: 423 with that as Min-Expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooBrief;

impl Terms {
    /// What is granted to who asks for so many seconds; 0 stays 0, for it asks for an end or for the state of the moment.
    ///
    /// # Errors
    /// [`TooBrief`].
    pub fn grant(&self, asked: Option<u32>) -> Result<u32, TooBrief> {
        match asked {
            None => Ok(self.usual.min(self.longest)),
            Some(0) => Ok(0),
            Some(seconds) if seconds < self.shortest => Err(TooBrief),
            Some(seconds) => Ok(seconds.min(self.longest)),
        }
    }
}

/// Why a subscription ends, and so what its subscriber may do (RFC 6665 section 4.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Nobody refreshed it, or it was taken back; a new one may come at once.
    Timeout,
    /// The target says no; not again.
    Rejected,
    /// There is no such target; not again.
    NoResource,
    /// It cannot be decided now; again after so many seconds.
    Probation(u32),
    /// It is not known any more how it stands; again at once.
    Deactivated,
}

impl Reason {
    fn word(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Rejected => "rejected",
            Self::NoResource => "noresource",
            Self::Probation(_) => "probation",
            Self::Deactivated => "deactivated",
        }
    }
}

/// How the subscription stands, as its next NOTIFY says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The target has not said yes; so many seconds are left.
    Pending(u32),
    /// It has.
    Active(u32),
    /// This is the last.
    Terminated(Reason),
}

impl State {
    /// As the header says it (RFC 6665 section 8.2.3).
    #[must_use]
    pub fn to_header(self) -> SubscriptionState {
        let mut params = Params::default();
        let state = match self {
            Self::Pending(seconds) | Self::Active(seconds) => {
                params.set("expires", Some(&seconds.to_string()));
                if matches!(self, Self::Active(_)) { "active" } else { "pending" }
            }
            Self::Terminated(reason) => {
                params.set("reason", Some(reason.word()));
                if let Reason::Probation(seconds) = reason {
                    params.set("retry-after", Some(&seconds.to_string()));
                }
                "terminated"
            }
        };
        SubscriptionState { state: state.to_owned(), params }
    }
}

/// What became of a NOTIFY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// 2xx.
    Taken,
    /// Another final response, by its status, and the time that its Retry-After asks for.
    Refused(u16, Option<Duration>),
    /// None came in 64 * T1.
    Silent,
    /// It could not be sent, or its connection broke.
    Undelivered(Option<Duration>),
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Send a NOTIFY that says this; the machine counts it as sent. After a terminated one all is over.
    Notify(State),
    /// Ask again at this time, in monotonic time, unless something happens before.
    Wait(Duration),
    /// Nothing before the NOTIFY that is out has its answer.
    Out,
    /// It is over and nobody is to be told.
    Over,
}

/// What the subscriber is owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Owed {
    Nothing,
    /// What is watched has changed.
    Change,
    /// It asked, or the subscription itself has changed.
    Word,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Pending,
    Active,
    Ending(Reason),
    Over,
}

/// One subscription. Times are monotonic.
#[derive(Debug, Clone)]
pub struct Notifier {
    /// Nanoseconds, like the others.
    expires_at: u64,
    /// When a state was told last.
    told_at: Option<u64>,
    /// Nothing goes before this.
    held_until: u64,
    standing: Standing,
    owed: Owed,
    out: bool,
    failures: u8,
}

impl Notifier {
    /// A SUBSCRIBE was answered 2xx that grants so many seconds; `allowed`: its target has said yes already. Of 0 seconds,
    /// this is a poll (RFC 6665 section 4.4.3).
    #[must_use]
    pub fn accepted(now: Duration, seconds: u32, allowed: bool) -> Self {
        let standing = match (seconds, allowed) {
            (0, _) => Standing::Ending(Reason::Timeout),
            (_, true) => Standing::Active,
            (_, false) => Standing::Pending,
        };
        Self {
            expires_at: nanos(now + Duration::from_secs(seconds.into())),
            told_at: None,
            held_until: 0,
            standing,
            owed: Owed::Word,
            out: false,
            failures: 0,
        }
    }

    /// One that has been told its state in an earlier life of the process, which has so long left.
    #[must_use]
    pub fn restored(now: Duration, left: Duration, allowed: bool) -> Self {
        Self { expires_at: nanos(now + left), owed: Owed::Nothing, ..Self::accepted(now, 1, allowed) }
    }

    /// Lets the next NOTIFY wait until then, for a state that is on its way.
    pub fn hold(&mut self, until: Duration) {
        self.held_until = nanos(until);
    }

    /// A refresh was answered 2xx (RFC 6665 section 4.2.1.4); of 0 seconds, it ends.
    pub fn refreshed(&mut self, now: Duration, seconds: u32) {
        if seconds == 0 {
            return self.end(Reason::Timeout);
        }
        self.expires_at = nanos(now + Duration::from_secs(seconds.into()));
        self.say();
    }

    /// The target says yes.
    pub fn grant(&mut self) {
        if self.standing == Standing::Pending {
            self.standing = Standing::Active;
            self.say();
        }
    }

    /// What is watched has changed. A pending subscriber is told nothing of it.
    pub fn change(&mut self) {
        if self.standing == Standing::Active {
            self.owed = self.owed.max(Owed::Change);
        }
    }

    /// It ends, and the subscriber is told why. The first reason holds.
    pub fn end(&mut self, reason: Reason) {
        if matches!(self.standing, Standing::Pending | Standing::Active) {
            self.standing = Standing::Ending(reason);
            self.say();
        }
    }

    fn say(&mut self) {
        self.owed = Owed::Word;
        self.held_until = 0;
    }

    /// The NOTIFY that was out has come to this (RFC 6665 section 4.2.2).
    pub fn answered(&mut self, now: Duration, answer: Answer) {
        if !std::mem::replace(&mut self.out, false) {
            return;
        }
        match answer {
            Answer::Taken => self.failures = 0,
            Answer::Silent => self.standing = Standing::Over,
            Answer::Refused(status, _) if ends_subscription(status) => self.standing = Standing::Over,
            Answer::Refused(_, wait) | Answer::Undelivered(wait) => self.rest(now, wait),
        }
    }

    /// It did not arrive, and may the next time.
    fn rest(&mut self, now: Duration, wait: Option<Duration>) {
        self.failures += 1;
        if self.failures >= FAILURES {
            self.standing = Standing::Over;
            return;
        }
        let wait = wait.unwrap_or(REST * (1 << (self.failures - 1)));
        // What was owed since then goes with it, as soon as this is over.
        self.owed = Owed::Word;
        self.held_until = nanos(now + wait.clamp(Duration::from_secs(1), LONGEST_REST));
    }

    /// What is to be done now. States are told `every` so long at most; `has_state`: the NOTIFY would tell one.
    pub fn next(&mut self, now: Duration, every: Duration, has_state: bool) -> Next {
        let at = nanos(now);
        if at >= self.expires_at {
            self.end(Reason::Timeout);
        }
        if self.standing == Standing::Over {
            return Next::Over;
        }
        if self.out {
            return Next::Out;
        }
        let due = match self.owed {
            Owed::Nothing => self.expires_at,
            Owed::Change => self.told_at.map_or(0, |told| told.saturating_add(nanos(every))).max(self.held_until),
            Owed::Word => self.held_until,
        };
        if due > at {
            let lapse = if matches!(self.standing, Standing::Ending(_)) { u64::MAX } else { self.expires_at };
            return Next::Wait(Duration::from_nanos(due.min(lapse)));
        }
        self.out = true;
        self.owed = Owed::Nothing;
        if has_state {
            self.told_at = Some(at);
        }
        Next::Notify(self.state(at))
    }

    fn state(&mut self, at: u64) -> State {
        let left = Duration::from_nanos(self.expires_at.saturating_sub(at)).as_secs();
        let left = u32::try_from(left).unwrap_or(u32::MAX).max(1);
        match self.standing {
            Standing::Pending => State::Pending(left),
            Standing::Active => State::Active(left),
            Standing::Ending(reason) => {
                self.standing = Standing::Over;
                State::Terminated(reason)
            }
            Standing::Over => State::Terminated(Reason::Timeout),
        }
    }

    /// Whether the target has said yes and it has not ended.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.standing == Standing::Active
    }

    /// Whether the target has not said yet.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.standing == Standing::Pending
    }

    /// When it lapses.
    #[must_use]
    pub fn expires_at(&self) -> Duration {
        Duration::from_nanos(self.expires_at)
    }
}

/// RFC 6665 section 4.2.2: what says that the subscriber has no such subscription, or cannot be reached any more; 408 is the
/// same from a proxy that waited in our stead (RFC 3261 section 12.2.1.2). 401 and 407 are here too: whoever has the machine
/// has answered the challenges that can be answered.
fn ends_subscription(status: u16) -> bool {
    matches!(status, 401 | 404 | 405 | 407 | 408 | 410 | 416 | 480..=485 | 489 | 501 | 604)
}

#[cfg(test)]
mod tests;
