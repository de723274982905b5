//! One watcher of an XMPP user in words.

use super::super::super::Gateway;
use super::super::super::record::Authorization;
use super::super::usage::in_words;
use super::Pair;
use crate::model::date;
use crate::time::Now;

impl Gateway {
    /// Whether and how a SIP user watches an XMPP user.
    pub(in super::super) fn explain_served(&self, watcher: &str, target: &str, now: Now) -> Vec<String> {
        let served = &self.presence.served;
        let Some(watched) = served.watched.get(&Pair::new(watcher, target)) else {
            return vec![format!("{watcher} does not watch {target}")];
        };
        let since = date::print_rfc3339(watched.changed_at);
        let stage = match watched.state {
            None => "watches, and nobody was asked yet,",
            Some(Authorization::Asked) => "has asked to watch",
            Some(Authorization::Granted) => "may watch",
            Some(Authorization::Refused) => "may not watch",
        };
        let mut lines = vec![format!("{watcher} {stage} {target} since {since}")];
        for dialog in watched.dialogs.iter().filter_map(|id| served.dialogs.get(id)) {
            let (package, calls) = (dialog.package.name(), dialog.dialog.call_id());
            let phone = dialog.dialog.remote_target();
            let ends = in_words(dialog.notifier.expires_at(), now);
            lines.push(format!("  {package}: dialog {calls} with {phone}, ends {ends}"));
        }
        match &watched.heard {
            None => lines.push(format!("  nothing is known of {target}")),
            Some(state) => lines.push(format!("  known: {state}")),
        }
        lines
    }
}
