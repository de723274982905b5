//! One usage in words.

use std::time::Duration;

use super::super::super::Gateway;
use super::UsageId;
use crate::time::Now;

impl Gateway {
    /// How a subscription of ours stands on the SIP side: its state, its dialogs, and when what is due.
    pub(in super::super) fn explain_usage(&self, id: UsageId, now: Now) -> String {
        let Some(usage) = self.presence.usages.list.get(&id) else { return "there is no subscription".to_owned() };
        let is_taken_back = usage.machine.is_taken_back();
        let state = if is_taken_back { "kept over the restart" } else { usage.machine.state().name() };
        let mut words = format!("subscription {state}");
        for kept in &usage.dialogs {
            let dialog = &kept.dialog;
            words.push_str(&format!(", dialog {} with {}", dialog.call_id(), dialog.remote_target()));
            if let Some(ends) = usage.machine.ends(kept.serial) {
                words.push_str(&format!(", ends {}", in_words(ends, now)));
            }
        }
        if let Some(due) = usage.machine.due() {
            let what = if is_taken_back { "its turn comes" } else { "next step" };
            words.push_str(&format!(", {what} {}", in_words(due, now)));
        }
        words
    }
}

impl Gateway {
    /// Whether it is one of before a restart that has told nothing since.
    pub(in super::super) fn usage_is_taken_back(&self, id: UsageId) -> bool {
        self.presence.usages.list.get(&id).is_some_and(|usage| usage.machine.is_taken_back())
    }
}

/// A moment of monotonic time, seen from now.
pub(in super::super) fn in_words(at: Duration, now: Now) -> String {
    match at.checked_sub(now.mono) {
        Some(left) => format!("in {} s", left.as_secs()),
        None => "now".to_owned(),
    }
}
