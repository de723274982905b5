//! What an input does to a dialog.

use std::time::Duration;

use super::step::{doubled, seconds};
use super::{
    Answer, BACK_OFF, Branch, DAY, Effect, LATE_NOTIFY, LEAST_REFRESH, MARGIN, Phase, REFRESH_AGAIN, Report, Rules,
    Serial, Stand, Subscriber, TIMER_N,
};

/// Whether a refusal of a refresh ends its dialog: the list of RFC 6665 section 4.1.2.2, and what RFC 8048 section 5.2.2
/// takes for the end of everything.
fn ends_dialog(status: u16) -> bool {
    matches!(status, 403 | 404 | 405 | 410 | 416 | 480..=485 | 489 | 501 | 603 | 604)
}

impl Subscriber {
    /// A NOTIFY has made a dialog.
    pub(super) fn begin(&mut self, serial: Serial, now: Duration) {
        if let Phase::Asking { until, .. } = self.phase {
            self.forks_until = until.into();
            self.phase = Phase::Held;
        }
        let ends = (now + seconds(self.granted)).into();
        let fork = self.free_place();
        let (out, said, notify_by) = (false, false, None);
        let (due, asked) = (ends, now.into());
        self.add(Branch { serial, fork, stand: None, out, said, notify_by, ends, due, asked, failures: 0 });
    }

    /// A dialog is there, for so long.
    pub(super) fn confirm(
        &mut self,
        dialog: Serial,
        stand: Stand,
        expires: Option<u32>,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        let (rules, most, closing) = (self.rules, self.granted.max(self.wanted), self.is_closing());
        let Some(branch) = self.branches.iter_mut().find(|branch| branch.serial == dialog) else { return };
        branch.notify_by = None;
        if let Some(expires) = expires {
            branch.said = true;
            branch.ends = (now + seconds(expires.min(most))).into();
        }
        let (planned, forgotten) = (branch.due, branch.stand.is_none() && branch.asked.is_zero());
        branch.plan(now, rules);
        if branch.failures > 0 {
            // Nobody answers where its Contact leads, and a NOTIFY is no answer: it may name a host that never asked.
            branch.due = branch.due.max(planned);
        }
        if forgotten {
            // Taken back, and what was told before is not known: it is still asked for.
            branch.due = branch.due.min(planned);
        }
        if closing {
            return;
        }
        let before = branch.stand.replace(stand);
        let fork = branch.fork;
        (self.failures, self.told) = (0, None);
        if before != Some(stand) {
            let active = stand == Stand::Active;
            effects.push(Effect::Tell(if active { Report::Active(fork) } else { Report::Pending }));
        }
    }

    /// A dialog is over; whether that leaves the subscription without one.
    pub(super) fn remove(&mut self, dialog: Serial, effects: &mut Vec<Effect>) -> bool {
        let Some(at) = self.branches.iter().position(|branch| branch.serial == dialog) else { return false };
        let branch = self.branches.remove(at);
        effects.push(Effect::End(dialog));
        match (self.branches.is_empty(), self.phase) {
            (false, Phase::Closing { .. }) => false,
            (false, _) => {
                effects.push(Effect::Tell(Report::ForkOver(branch.fork)));
                false
            }
            (true, Phase::Closing { .. }) => {
                self.finish(Report::Over, effects);
                false
            }
            (true, _) => {
                self.vacant = branch.fork;
                true
            }
        }
    }

    pub(super) fn on_refreshed(&mut self, dialog: Serial, answer: Answer, now: Duration, effects: &mut Vec<Effect>) {
        let closing = self.is_closing();
        match answer {
            Answer::Accepted { expires, notifies } if !closing => self.renew(dialog, expires, notifies, now),
            Answer::Accepted { .. } => self.tell_closed(effects),
            Answer::Refused { .. } | Answer::Failed { .. } if closing => {
                self.remove(dialog, effects);
            }
            Answer::Refused { status: 423, min_expires, .. } if self.raise_once(dialog, min_expires) => {
                self.refresh(dialog, now, effects);
            }
            Answer::Refused { status, retry_after, .. } if ends_dialog(status) => {
                if self.remove(dialog, effects) {
                    match status {
                        481 => self.start(now, effects),
                        _ => self.on_refused(status, retry_after, now, effects),
                    }
                }
            }
            Answer::Refused { retry_after, .. } | Answer::Failed { retry_after } => self.keep(dialog, retry_after, now),
        }
    }

    /// 423 to a refresh. Who wants more again before anything was granted is asked later, like anybody who refuses: one second
    /// more each time would be tens of thousands of requests on end.
    fn raise_once(&mut self, dialog: Serial, least: Option<u32>) -> bool {
        let raised = self.raise(least);
        let branch = self.branches.iter_mut().find(|branch| branch.serial == dialog);
        let Some(branch) = branch.filter(|branch| raised && branch.failures == 0) else { return false };
        branch.failures = 1;
        true
    }

    pub(super) fn renew(&mut self, dialog: Serial, expires: Option<u32>, notifies: bool, now: Duration) {
        let (rules, granted) = (self.rules, expires.unwrap_or(self.wanted).min(self.wanted));
        let Some(branch) = self.branches.iter_mut().find(|branch| branch.serial == dialog) else { return };
        (branch.out, branch.failures) = (false, 0);
        if !branch.said {
            branch.ends = (now + seconds(granted)).into();
        }
        branch.notify_by = match branch.notify_by {
            Some(until) if notifies => Some(until.max((now + LATE_NOTIFY).into())),
            Some(_) | None => None,
        };
        branch.plan(now, rules);
    }

    /// A refresh came to nothing, and the dialog is as it was.
    pub(super) fn keep(&mut self, dialog: Serial, retry_after: Option<u32>, now: Duration) {
        let Some(branch) = self.branches.iter_mut().find(|branch| branch.serial == dialog) else { return };
        let wait = doubled(REFRESH_AGAIN, branch.failures, BACK_OFF.1);
        branch.failures = branch.failures.saturating_add(1);
        (branch.out, branch.notify_by) = (false, None);
        branch.due = (now + wait.max(retry_after.map(seconds).unwrap_or_default().min(DAY))).into();
    }

    pub(super) fn refresh(&mut self, dialog: Serial, now: Duration, effects: &mut Vec<Effect>) {
        let (wanted, closing) = (self.wanted, self.is_closing());
        let Some(branch) = self.branches.iter_mut().find(|branch| branch.serial == dialog) else { return };
        (branch.out, branch.said, branch.asked) = (true, false, now.into());
        branch.notify_by = Some((now + TIMER_N).into());
        effects.push(Effect::Resubscribe(dialog, if closing { 0 } else { wanted }));
    }

    pub(super) fn look_at_dialogs(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let late: Vec<_> = self.branches.iter().filter(|branch| branch.next().is_some_and(|at| at <= now)).collect();
        for Branch { serial, ends, notify_by, .. } in late.into_iter().copied().collect::<Vec<_>>() {
            if ends.get() > now && notify_by.is_none() {
                self.refresh(serial, now, effects);
            } else if self.remove(serial, effects) {
                self.start(now, effects);
            }
        }
    }
}

impl Branch {
    /// When something is due. While a SUBSCRIBE is out its answer is, and that comes.
    pub(super) fn next(&self) -> Option<Duration> {
        (!self.out).then(|| self.notify_by.unwrap_or(self.due.min(self.ends)).get())
    }

    /// Plans the refresh: at 0.85 to 0.9 of the time, early enough to fail once and be repeated, not too often.
    pub(super) fn plan(&mut self, now: Duration, rules: Rules) {
        let left = self.ends.get().saturating_sub(now);
        let lead = left / 10 + left / 20 * u32::from(rules.spread) / 255;
        let lead = lead.max(MARGIN).min(left * 2 / 3);
        self.due = (self.ends.get() - lead).max(now + LEAST_REFRESH).into();
    }
}
