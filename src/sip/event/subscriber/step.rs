//! What each input does.

use std::time::Duration;

use super::{
    Answer, BACK_OFF, Branch, DAY, Effect, Fork, Input, LATE_NOTIFY, LONG_BACK_OFF, MAX_EXPIRES, Notified, PROBATION,
    Phase, Reason, Report, Rules, Serial, Stand, State, Subscriber, TIMER_N,
};
use crate::time::{Mono, Now};

/// What will never change is not asked for again.
const NEVER: Duration = Duration::MAX;

const HOUR: Duration = Duration::from_secs(3_600);

/// What a refusal means for the subscription, apart from the dialog.
enum Meaning {
    Forbidden,
    NoResource,
    /// Nothing is likely to change soon.
    Later,
    Soon,
}

fn meaning(status: u16) -> Meaning {
    match status {
        403 | 489 | 603 => Meaning::Forbidden,
        404 | 410 | 604 => Meaning::NoResource,
        // What a person or a server says of this moment, and what is the matter with us: a password, an overload.
        401 | 407 | 408 | 480 | 481 | 486 | 487 | 491 | 494 | 500 | 502..=504 | 580 | 600 => Meaning::Soon,
        _ => Meaning::Later,
    }
}

pub(super) fn seconds(count: u32) -> Duration {
    Duration::from_secs(u64::from(count))
}

impl Subscriber {
    /// A subscription that has not begun.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            phase: Phase::Idle,
            branches: Vec::new(),
            serial: 0,
            wanted: rules.expires,
            granted: rules.expires,
            forks_until: Mono::default(),
            vacant: 0,
            failures: 0,
            told: None,
            starts: (0, Mono::default()),
            started: Mono::default(),
        }
    }

    /// One that has no dialog and looks for one at `at`.
    #[must_use]
    pub fn waiting(rules: Rules, at: Duration) -> Self {
        Self { phase: Phase::Waiting { until: at, firm: false }, ..Self::new(rules) }
    }

    /// Takes back a dialog of which only this is known: it ends at `ends`, and is refreshed at `due`. Its number.
    pub fn take_back(&mut self, ends: Duration, due: Duration) -> Serial {
        let serial = self.next_serial();
        let fork = self.free_place();
        let (ends, due, asked) = (ends.into(), due.into(), Mono::default());
        let branch = Branch {
            serial,
            fork,
            stand: None,
            out: false,
            said: false,
            notify_by: None,
            ends,
            due,
            asked,
            failures: 0,
        };
        self.add(branch);
        self.phase = Phase::Held;
        serial
    }

    /// How it stands.
    #[must_use]
    pub fn state(&self) -> State {
        match self.phase {
            Phase::Idle | Phase::Asking { .. } => State::Asking,
            Phase::Held if self.branches.iter().any(|branch| branch.stand == Some(Stand::Active)) => State::Active,
            Phase::Held => State::Pending,
            Phase::Waiting { .. } => State::Waiting,
            Phase::Closing { .. } | Phase::Over => State::Closing,
        }
    }

    /// Whether it has dialogs from before a restart, and nothing was heard in any of them since.
    #[must_use]
    pub fn is_taken_back(&self) -> bool {
        self.phase == Phase::Held && self.branches.iter().all(|branch| branch.stand.is_none())
    }

    /// Whether there is nothing left of it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Whether it is being closed: what its last NOTIFYs carry is for nobody.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        matches!(self.phase, Phase::Closing { .. } | Phase::Over)
    }

    /// When this dialog lapses unless it is refreshed.
    #[must_use]
    pub fn ends(&self, dialog: Serial) -> Option<Duration> {
        self.branches.iter().find(|branch| branch.serial == dialog).map(|branch| branch.ends.get())
    }

    /// The place of this dialog in what is told.
    #[must_use]
    pub fn place(&self, dialog: Serial) -> Fork {
        self.branches.iter().find(|branch| branch.serial == dialog).map_or(self.vacant, |branch| branch.fork)
    }

    /// A number for the dialog of a NOTIFY that answers our SUBSCRIBE and belongs to no dialog yet; `None`: it is to be
    /// refused with 481 (section 4.1.2.4).
    pub fn admit(&mut self, now: Now) -> Option<Serial> {
        let admits = match self.phase {
            Phase::Asking { .. } => true,
            Phase::Held => now.mono < self.forks_until.get() && self.branches.len() < usize::from(self.rules.forks),
            Phase::Idle | Phase::Waiting { .. } | Phase::Closing { .. } | Phase::Over => false,
        };
        admits.then(|| self.next_serial())
    }

    /// When [`Input::Time`] is due.
    #[must_use]
    pub fn due(&self) -> Option<Duration> {
        match self.phase {
            Phase::Idle | Phase::Over => None,
            // What is not answered has an end of its own.
            Phase::Asking { answered, until, .. } => answered.then_some(until),
            Phase::Waiting { until, .. } | Phase::Closing { until, .. } => (until != NEVER).then_some(until),
            Phase::Held => self.branches.iter().filter_map(Branch::next).min(),
        }
    }

    /// Takes an input; what follows from it is appended to `effects`, in order.
    pub fn handle(&mut self, input: Input, now: Now, effects: &mut Vec<Effect>) {
        let now = now.mono;
        match input {
            Input::Open if self.phase == Phase::Idle => self.start(now, effects),
            Input::Open => {}
            Input::Refresh => self.want_now(now, effects),
            Input::Close => self.close(now, effects),
            Input::Notify(dialog, notified) => self.on_notify(dialog, notified, now, effects),
            Input::Answer(number, answer) => self.on_answer(number, answer, now, effects),
            Input::Time => self.on_time(now, effects),
        }
    }

    fn next_serial(&mut self) -> Serial {
        self.serial = self.serial.wrapping_add(1);
        self.serial
    }

    pub(super) fn free_place(&self) -> Fork {
        let taken = |place| self.branches.iter().any(|branch| branch.fork == place);
        if self.branches.is_empty() { self.vacant } else { (0..).find(|place| !taken(*place)).unwrap_or(0) }
    }

    pub(super) fn add(&mut self, branch: Branch) {
        // Nearly all have one, for as long as they live.
        self.branches.reserve_exact(1);
        self.branches.push(branch);
    }

    /// Looks for a dialog, unless that has been done too often.
    pub(super) fn start(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let (count, since) = (self.starts.0, self.starts.1.get());
        if now >= since + HOUR || count == 0 {
            self.starts = (0, now.into());
        } else if count >= self.rules.starts_per_hour {
            return self.pause(since + HOUR, true, Report::Lost, effects);
        }
        self.starts.0 += 1;
        self.started = now.into();
        self.granted = self.wanted;
        let number = self.next_serial();
        self.phase = Phase::Asking { number, answered: false, until: now + TIMER_N };
        effects.push(Effect::Subscribe(number, if self.rules.once { 0 } else { self.wanted }));
    }

    /// No dialog until then, and that is told once.
    fn pause(&mut self, until: Duration, firm: bool, report: Report, effects: &mut Vec<Effect>) {
        if self.told.replace(report) != Some(report) {
            effects.push(Effect::Tell(report));
        }
        if self.rules.once {
            return self.finish(Report::Over, effects);
        }
        self.phase = Phase::Waiting { until, firm };
    }

    /// Waits longer each time, and at least as long as was asked for.
    fn back_off(
        &mut self,
        (first, longest): (Duration, Duration),
        retry_after: Option<u32>,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        let wait = doubled(first, self.failures, longest);
        self.failures = self.failures.saturating_add(1);
        let wait = wait - wait / 4 * u32::from(self.rules.spread) / 255;
        let asked = retry_after.map(seconds).unwrap_or_default().min(DAY);
        self.pause(now + wait.max(asked), retry_after.is_some(), Report::Lost, effects);
    }

    pub(super) fn finish(&mut self, report: Report, effects: &mut Vec<Effect>) {
        let told = matches!(self.phase, Phase::Closing { told: true, .. });
        effects.extend(self.branches.drain(..).map(|branch| Effect::End(branch.serial)));
        self.phase = Phase::Over;
        if !told {
            effects.push(Effect::Tell(report));
        }
    }

    fn on_notify(&mut self, dialog: Serial, notified: Notified, now: Duration, effects: &mut Vec<Effect>) {
        // A notifier that has it active for no time has ended it.
        let stand = match notified.stand {
            Stand::Active | Stand::Pending if notified.expires == Some(0) => Stand::Terminated(Reason::Timeout),
            Stand::Active | Stand::Pending | Stand::Terminated(_) => notified.stand,
        };
        let known = self.branches.iter().any(|branch| branch.serial == dialog);
        match stand {
            // What a poll hears of somebody who has not decided is neutral (RFC 3856 section 6.6.2), and no yes. Some say it
            // as a subscription that is pending for no time.
            Stand::Active | Stand::Pending | Stand::Terminated(Reason::Timeout)
                if self.rules.once && notified.stand == Stand::Pending =>
            {
                effects.push(Effect::Tell(Report::Pending));
                self.finish(Report::Over, effects);
            }
            // A poll has its answer, however that says that it is over.
            Stand::Active | Stand::Pending if self.rules.once => self.finish(Report::Over, effects),
            Stand::Terminated(reason) if self.rules.once && reason != Reason::Rejected => {
                self.finish(Report::Over, effects);
            }
            Stand::Terminated(reason) if known => {
                if self.remove(dialog, effects) {
                    self.on_terminated(reason, notified.retry_after, now, effects);
                }
            }
            Stand::Terminated(reason) if matches!(self.phase, Phase::Asking { .. }) => {
                self.on_terminated(reason, notified.retry_after, now, effects);
            }
            Stand::Terminated(_) => {}
            Stand::Active | Stand::Pending => {
                if !known {
                    self.begin(dialog, now);
                }
                self.confirm(dialog, stand, notified.expires, now, effects);
            }
        }
    }

    fn on_terminated(&mut self, reason: Reason, retry_after: Option<u32>, now: Duration, effects: &mut Vec<Effect>) {
        match reason {
            Reason::Rejected => self.finish(Report::Forbidden, effects),
            Reason::Deactivated | Reason::Timeout => self.start(now, effects),
            Reason::NoResource => self.pause(now + DAY, false, Report::NoResource, effects),
            Reason::Invariant => self.pause(NEVER, true, Report::Invariant, effects),
            Reason::Probation => {
                let wait = retry_after.map_or(PROBATION, seconds).min(DAY);
                self.pause(now + wait, true, Report::Lost, effects);
            }
            Reason::Giveup => self.back_off(LONG_BACK_OFF, retry_after, now, effects),
            Reason::Other => self.back_off(BACK_OFF, retry_after, now, effects),
        }
    }

    fn on_answer(&mut self, number: Serial, answer: Answer, now: Duration, effects: &mut Vec<Effect>) {
        if self.branches.iter().any(|branch| branch.serial == number) {
            return self.on_refreshed(number, answer, now, effects);
        }
        match self.phase {
            Phase::Asking { number: asked, .. } if asked == number => {
                self.on_first_answer(number, answer, now, effects)
            }
            Phase::Held => self.on_answer_after_notify(answer, now),
            Phase::Asking { .. } | Phase::Idle | Phase::Waiting { .. } | Phase::Closing { .. } | Phase::Over => {}
        }
    }

    fn on_first_answer(&mut self, number: Serial, answer: Answer, now: Duration, effects: &mut Vec<Effect>) {
        match answer {
            Answer::Accepted { expires, .. } => {
                self.granted = expires.unwrap_or(self.wanted).min(self.wanted);
                let until = (self.started.get() + TIMER_N).max(now + LATE_NOTIFY);
                self.phase = Phase::Asking { number, answered: true, until };
            }
            Answer::Refused { status: 423, min_expires, .. } if self.raise(min_expires) => self.start(now, effects),
            Answer::Refused { status, retry_after, .. } => self.on_refused(status, retry_after, now, effects),
            Answer::Failed { retry_after } => self.back_off(BACK_OFF, retry_after, now, effects),
        }
    }

    /// The answer to the SUBSCRIBE whose NOTIFY was faster. Only what it says of time is news, where that did not.
    fn on_answer_after_notify(&mut self, answer: Answer, now: Duration) {
        let Answer::Accepted { expires, .. } = answer else { return };
        self.granted = expires.unwrap_or(self.wanted).min(self.wanted);
        let (granted, rules) = (seconds(self.granted), self.rules);
        for branch in self.branches.iter_mut().filter(|branch| !branch.said && !branch.out) {
            branch.ends = (now + granted).into();
            branch.plan(now, rules);
        }
    }

    /// What a refusal means once there is no dialog.
    pub(super) fn on_refused(
        &mut self,
        status: u16,
        retry_after: Option<u32>,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        match meaning(status) {
            Meaning::Forbidden => self.finish(Report::Forbidden, effects),
            Meaning::NoResource => self.pause(now + DAY, false, Report::NoResource, effects),
            Meaning::Soon => self.back_off(BACK_OFF, retry_after, now, effects),
            Meaning::Later => self.back_off(LONG_BACK_OFF, retry_after, now, effects),
        }
    }

    /// 423 (section 4.2.1.1): asks for longer. `false` where that leads nowhere.
    pub(super) fn raise(&mut self, least: Option<u32>) -> bool {
        let least = least.filter(|least| *least > self.wanted && *least <= MAX_EXPIRES && !self.rules.once);
        self.wanted = least.unwrap_or(self.wanted);
        least.is_some()
    }

    fn want_now(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let least = self.rules.least_refresh;
        match self.phase {
            Phase::Held => {
                for at in 0..self.branches.len() {
                    let Some(branch) = self.branches.get(at) else { break };
                    let rested = branch.asked.is_zero() || now >= branch.asked.get() + least;
                    if !branch.out && branch.notify_by.is_none() && rested {
                        self.refresh(branch.serial, now, effects);
                    }
                }
            }
            Phase::Waiting { firm: false, .. } if now >= self.started.get() + least || self.started.is_zero() => {
                self.start(now, effects);
            }
            Phase::Waiting { until, firm: false } => {
                self.phase = Phase::Waiting { until: until.min(self.started.get() + least), firm: false };
            }
            Phase::Waiting { firm: true, .. }
            | Phase::Idle
            | Phase::Asking { .. }
            | Phase::Closing { .. }
            | Phase::Over => {}
        }
    }

    fn close(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        match self.phase {
            Phase::Closing { .. } | Phase::Over => {}
            // A NOTIFY that still comes finds nothing, and its 481 ends what the notifier has.
            Phase::Idle | Phase::Asking { .. } | Phase::Waiting { .. } => self.finish(Report::Over, effects),
            Phase::Held => {
                self.phase = Phase::Closing { until: now + TIMER_N + LATE_NOTIFY, told: false };
                for at in 0..self.branches.len() {
                    let Some(branch) = self.branches.get(at) else { break };
                    self.refresh(branch.serial, now, effects);
                }
            }
        }
    }

    /// The notifier has heard that it is over: whoever wanted it need not wait for the last NOTIFY.
    pub(super) fn tell_closed(&mut self, effects: &mut Vec<Effect>) {
        if let Phase::Closing { told, .. } = &mut self.phase
            && !std::mem::replace(told, true)
        {
            effects.push(Effect::Tell(Report::Over));
        }
    }

    fn on_time(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        match self.phase {
            Phase::Asking { answered: true, until, .. } if until <= now => {
                self.back_off(BACK_OFF, None, now, effects);
            }
            Phase::Waiting { until, .. } if until <= now => self.start(now, effects),
            Phase::Closing { until, .. } if until <= now => self.finish(Report::Over, effects),
            Phase::Held => self.look_at_dialogs(now, effects),
            Phase::Asking { .. } | Phase::Waiting { .. } | Phase::Closing { .. } | Phase::Idle | Phase::Over => {}
        }
    }
}

pub(super) fn doubled(first: Duration, times: u8, longest: Duration) -> Duration {
    first.saturating_mul(1 << times.min(16)).min(longest)
}
