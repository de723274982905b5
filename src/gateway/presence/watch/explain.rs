//! One watch in words.

use super::super::super::Gateway;
use super::{Stage, Standing};
use crate::model::date;
use crate::time::Now;

impl Gateway {
    /// Whether and how an XMPP user watches a SIP user.
    pub(in super::super) fn explain_watch(&self, watcher: &str, target: &str, now: Now) -> Vec<String> {
        let watching = &self.presence.watching;
        let Some(watch) = watching.find(watcher, target).and_then(|id| watching.watches.get(&id)) else {
            return vec![format!("{watcher} does not watch {target}")];
        };
        let since = date::print_rfc3339(watch.changed_at);
        let stage = match watch.stage {
            Stage::Asked => "has asked to watch",
            Stage::Granted => "may watch",
            Stage::Closing => "has stopped watching",
        };
        let mut lines = vec![format!("{watcher} {stage} {target} since {since}")];
        if watch.presence.gone {
            lines.push(format!("  {watcher} is offline, so no subscription is kept; it begins again when she comes"));
        }
        if watch.usages.is_empty() && !watch.presence.gone {
            let all = self.presence.turns.all().as_secs();
            lines.push(format!("  no subscription yet; its turn comes within {all} s of the start"));
        }
        for one in &watch.usages {
            let standing = match one.standing {
                Standing::Open if self.usage_is_taken_back(one.usage) => "was told until the restart",
                Standing::Open => "is asked for",
                Standing::Active => "is told",
                Standing::Lost => "is lost at present, and asked for again",
                Standing::Refused => "is refused",
            };
            let through = if self.presence.lists.has(one.usage) { ", through a list" } else { "" };
            lines.push(format!("  {} {standing}{through}; {}", one.package.name(), self.explain_usage(one.usage, now)));
        }
        for shown in &watch.shown {
            lines.push(format!("  shown: {shown}"));
        }
        if watch.missed {
            lines.push("  a change waits until the XMPP link is back".to_owned());
        }
        lines
    }
}
