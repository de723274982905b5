//! One subscription of ours: RFC 6665 section 4.1 as a machine that is told what came and says what is to be done.
//!
//! ```text
//!  Open --> Asking --NOTIFY--> Held --Close--> Closing --last NOTIFY, refusal, Timer N--> Over
//!             |  ^              |                                                          ^
//!             |  +-- new dialog: 481, deactivated, timeout, lapsed, Timer N                |
//!             v  |              |                                                          |
//!           Waiting <-- back-off, Retry-After, probation, giveup      rejected, invariant, 403, 489, 603
//! ```
//! A subscription is the wish to know; it has no dialog while it asks or waits, and several where its SUBSCRIBE was forked
//! (section 4.4.1). Each dialog is refreshed by itself. The subscription looks for a new one only when the last has ended.
//!
//! # Where the texts leave it open
//! * Timer N bounds the wait for a NOTIFY (section 4.1.2.4), but a SUBSCRIBE that is not answered fails by its own Timer F,
//!   which may begin later (DNS, a challenge). So N ends nothing before the answer, and what was answered late may still
//!   notify for [`LATE_NOTIFY`].
//! * A refresh that is refused for a reason outside of the list of section 4.1.2.2 leaves the dialog as it is; N does not
//!   run for it. It is tried again until the dialog lapses, and a NOTIFY brings that no further forward: whoever sends it may
//!   have named a Contact of somebody else (section 6.3), who is sent a few SUBSCRIBEs an hour and not one in each
//!   [`LEAST_REFRESH`].
//! * One that answers with 2xx is refreshed as often as its notifier has it, each [`LEAST_REFRESH`] at most. That needs no
//!   bound by the hour: a host that was named as Contact and never made the dialog answers 481 (RFC 3261 section 12.2.2),
//!   which ends it, and new dialogs are bounded.
//! * `expires` of Subscription-State counts over that of the response (section 4.1.3), but never for longer than was asked:
//!   to refresh early costs nothing.
//! * Of several dialogs one that ends is not sought until the last has ended. Section 4.1.3 has a new subscription for it, but
//!   a SUBSCRIBE outside of dialogs forks to all of them again, and those that go on would have two each. What it told is
//!   over until then.
//! * A new dialog is looked for no oftener than [`Rules::starts_per_hour`], whatever the notifier says.

use std::time::Duration;

use crate::sip::message::Response;
use crate::sip::message::header::{Expires, MinExpires, RetryAfter, SubscriptionState};
use crate::time::Mono;

mod dialogs;
mod step;

#[cfg(test)]
mod tests;

/// Timer N: 64 * T1 (RFC 6665 section 4.1.2.4).
pub const TIMER_N: Duration = Duration::from_secs(32);

/// A NOTIFY may follow its 2xx by this much, even if Timer N is over: what remains of it may be less than one
/// retransmission (T4 of RFC 3261).
pub const LATE_NOTIFY: Duration = Duration::from_secs(5);

/// The first wait after a failure and what it doubles up to.
pub const BACK_OFF: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(3_600));

/// The same where the answer is not likely to be another one soon: refusals for good, and users who do not say yes
/// (RFC 6121 section 3.1.2 asks them again when they come back, so once a day is about as often).
pub const LONG_BACK_OFF: (Duration, Duration) = (Duration::from_secs(3_600), DAY);

/// A user who does not exist is asked for once a day.
pub const DAY: Duration = Duration::from_secs(86_400);

/// The wait after `probation` without `retry-after`.
pub const PROBATION: Duration = Duration::from_secs(3_600);

/// A refresh that failed is repeated after so long, and then after twice as long.
pub const REFRESH_AGAIN: Duration = Duration::from_secs(60);

/// No dialog is refreshed sooner after its last refresh than this, however short its notifier has it.
pub const LEAST_REFRESH: Duration = Duration::from_secs(5);

/// The longest that we ask for where a notifier wants more (423): a day, as nobody notices a dead subscription before.
pub const MAX_EXPIRES: u32 = 86_400;

/// A refresh needs this long to fail (Timer F) and to be repeated once.
const MARGIN: Duration = Duration::from_secs(34);

/// What distinguishes the dialogs and SUBSCRIBEs of one subscription: never used twice.
pub type Serial = u32;

/// A place in what is told: of the dialogs that there are at one time, each has another. A new dialog takes the place of the
/// one that it follows.
pub type Fork = u32;

/// How one subscription is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// For how long it asks, seconds.
    pub expires: u32,
    /// A poll (section 4.4.3): one NOTIFY, and over.
    pub once: bool,
    /// Dialogs at most; 1 where the package has it so (section 5.4.9).
    pub forks: u8,
    /// New dialogs in an hour, at most.
    pub starts_per_hour: u16,
    /// Between two refreshes or tries that are asked for by [`Input::Refresh`].
    pub least_refresh: Duration,
    /// Of 255, any: spreads what would otherwise happen everywhere at once.
    pub spread: u8,
}

/// What happens to a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// Begin.
    Open,
    /// The state is wanted now.
    Refresh,
    /// End it.
    Close,
    /// A NOTIFY in this dialog: a known one, or that which [`Subscriber::admit`] has given a number.
    Notify(Serial, Notified),
    /// What became of the SUBSCRIBE of this number: that of [`Effect::Subscribe`], or of the dialog it was sent in.
    Answer(Serial, Answer),
    /// Time has passed: [`Subscriber::due`].
    Time,
}

/// What a Subscription-State says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notified {
    /// How it stands.
    pub stand: Stand,
    /// For how many seconds yet.
    pub expires: Option<u32>,
    /// After how many seconds a new one may be asked for.
    pub retry_after: Option<u32>,
}

/// How a subscription stands, as the notifier has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    /// Accepted.
    Active,
    /// Not yet decided.
    Pending,
    /// Over.
    Terminated(Reason),
}

/// Why it is over (section 4.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// To be begun anew, elsewhere perhaps.
    Deactivated,
    /// To be begun anew later.
    Probation,
    /// The notifier's user does not want it.
    Rejected,
    /// It was not refreshed, or was a poll.
    Timeout,
    /// The notifier's user did not say anything.
    Giveup,
    /// There is nothing to watch.
    NoResource,
    /// It will never change.
    Invariant,
    /// None, or one that is not known.
    Other,
}

impl Reason {
    /// As in Subscription-State; `None` where there is none, or it is not known.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Deactivated => "deactivated",
            Self::Probation => "probation",
            Self::Rejected => "rejected",
            Self::Timeout => "timeout",
            Self::Giveup => "giveup",
            Self::NoResource => "noresource",
            Self::Invariant => "invariant",
            Self::Other => "no reason given",
        }
    }

    fn read(word: &str) -> Self {
        const KNOWN: [Reason; 7] = [
            Reason::Deactivated,
            Reason::Probation,
            Reason::Rejected,
            Reason::Timeout,
            Reason::Giveup,
            Reason::NoResource,
            Reason::Invariant,
        ];
        KNOWN.into_iter().find(|reason| reason.name().eq_ignore_ascii_case(word)).unwrap_or(Self::Other)
    }
}

impl Notified {
    /// Reads the header. A state that is not known says that the subscription is there and no more (section 8.2.3 lets
    /// others be defined), so it counts as pending.
    #[must_use]
    pub fn read(header: &SubscriptionState) -> Self {
        let seconds = |name| {
            let value = header.params.get(name)?;
            let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| value.parse().unwrap_or(u32::MAX))
        };
        let stand = match header.state.as_str() {
            word if word.eq_ignore_ascii_case("active") => Stand::Active,
            word if word.eq_ignore_ascii_case("terminated") => {
                Stand::Terminated(header.params.get("reason").map_or(Reason::Other, Reason::read))
            }
            _ => Stand::Pending,
        };
        Self { stand, expires: seconds("expires"), retry_after: seconds("retry-after") }
    }
}

/// What became of a SUBSCRIBE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 2xx. A 202 is no different (section 8.3.1).
    Accepted {
        /// For how many seconds.
        expires: Option<u32>,
        /// Whether a NOTIFY follows: not after 204 (RFC 5839).
        notifies: bool,
    },
    /// Any other final response.
    Refused {
        /// Its status.
        status: u16,
        /// Its Min-Expires.
        min_expires: Option<u32>,
        /// Its Retry-After.
        retry_after: Option<u32>,
    },
    /// None came, or it could not be sent.
    Failed {
        /// How long whoever should have answered wants to be left alone, seconds.
        retry_after: Option<u32>,
    },
}

impl Answer {
    /// Reads a final response. A header that cannot be read counts as none.
    #[must_use]
    pub fn read(response: &Response) -> Self {
        let headers = &response.headers;
        if response.status.is_success() {
            let expires = headers.find::<Expires>().ok().flatten().map(|header| header.0);
            return Self::Accepted { expires, notifies: response.status.code() != 204 };
        }
        Self::Refused {
            status: response.status.code(),
            min_expires: headers.find::<MinExpires>().ok().flatten().map(|header| header.0),
            retry_after: headers.find::<RetryAfter>().ok().flatten().map(|header| header.seconds),
        }
    }
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send a SUBSCRIBE outside any dialog, with a new Call-ID and tag (section 4.1.2.2), for so many seconds.
    Subscribe(Serial, u32),
    /// Send a SUBSCRIBE in this dialog, for so many seconds.
    Resubscribe(Serial, u32),
    /// This dialog is over.
    End(Serial),
    /// Tell whoever wanted it.
    Tell(Report),
}

/// What whoever wanted a subscription is told. After `Forbidden` and `Over` nothing more comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// Nobody has said yes.
    Pending,
    /// Somebody has.
    Active(Fork),
    /// This dialog is over, others are not.
    ForkOver(Fork),
    /// A refusal for good.
    Forbidden,
    /// There is nothing to watch.
    NoResource,
    /// It will never change.
    Invariant,
    /// No dialog for the time being.
    Lost,
    /// Closed.
    Over,
}

/// One subscription.
#[derive(Clone, Debug)]
pub struct Subscriber {
    rules: Rules,
    phase: Phase,
    branches: Vec<Branch>,
    serial: Serial,
    /// For how long the next SUBSCRIBE asks, seconds.
    wanted: u32,
    /// What the last 2xx to a SUBSCRIBE outside a dialog gave, seconds.
    granted: u32,
    /// Until when that SUBSCRIBE may lead to further dialogs.
    forks_until: Mono,
    /// The place of the dialog that ended last.
    vacant: Fork,
    failures: u8,
    /// The want of a dialog as it was told.
    told: Option<Report>,
    /// New dialogs looked for since then.
    starts: (u16, Mono),
    /// When a SUBSCRIBE outside a dialog went out last.
    started: Mono,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    /// A SUBSCRIBE is out, or answered, and no NOTIFY has come.
    Asking {
        number: Serial,
        answered: bool,
        until: Duration,
    },
    /// There is a dialog.
    Held,
    /// There is none. `firm`: the notifier, or our bound, has it so.
    Waiting {
        until: Duration,
        firm: bool,
    },
    Closing {
        until: Duration,
        told: bool,
    },
    Over,
}

/// One dialog.
#[derive(Clone, Copy, Debug)]
struct Branch {
    serial: Serial,
    fork: Fork,
    stand: Option<Stand>,
    /// A SUBSCRIBE is out.
    out: bool,
    /// A NOTIFY since it went out said for how long.
    said: bool,
    /// Until when the NOTIFY that follows it is awaited.
    notify_by: Option<Mono>,
    ends: Mono,
    /// When it is to be refreshed.
    due: Mono,
    /// When it was last.
    asked: Mono,
    failures: u8,
}

/// How a subscription stands, for people and numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// No NOTIFY has come yet.
    Asking,
    /// The notifier's user has not decided.
    Pending,
    /// There is a dialog.
    Active,
    /// There is none, and one is asked for later.
    Waiting,
    /// It is being closed, or is over.
    Closing,
}

impl State {
    /// All of them.
    pub const ALL: [State; 5] = [Self::Asking, Self::Pending, Self::Active, Self::Waiting, Self::Closing];

    /// As in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Asking => "asking",
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Waiting => "waiting",
            Self::Closing => "closing",
        }
    }
}
