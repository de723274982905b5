//! SIP users who wait for the target's consent at her own SIP server, and have not come here yet (`winfo`).

use super::super::super::Gateway;
use super::super::super::record::Authorization;
use super::Pair;
use crate::time::Now;
use crate::xml::Element;
use crate::xmpp::stanza::{PresenceKind, Stanza};

impl Gateway {
    /// Whether the target is to be asked about this watcher: she was not, or the answer is long forgotten.
    pub(in super::super) fn wants_asking(&self, pair: &Pair) -> bool {
        self.presence.served.watched.get(pair).is_none_or(|watched| watched.state.is_none())
    }

    /// Asks her, as if he had sent SUBSCRIBE here. `false`: there is no room to keep what she says.
    pub(in super::super) fn ask_for(&mut self, pair: &Pair, words: Vec<Element>, now: Now) -> bool {
        let most = self.settings.presence.subscriptions.saturating_mul(2);
        let served = &self.presence.served;
        if served.watched.len() >= most && !served.watched.contains_key(pair) {
            return false;
        }
        self.watch(pair);
        self.ask_in_words(pair, words, now);
        true
    }

    /// He does not wait there any more. If she has not answered and he has not come here, he is taken to have withdrawn
    /// (RFC 6121 section 3.3).
    pub(in super::super) fn waits_no_more(&mut self, pair: &Pair, now: Now) {
        let Some(watched) = self.presence.served.watched.get(pair) else { return };
        if watched.state == Some(Authorization::Asked) && watched.dialogs.is_empty() {
            self.forget_authorization(pair);
            if let Some((link, stanza)) = self.to_target(pair, PresenceKind::Unsubscribe) {
                self.tell(link, Stanza::Presence(stanza));
            }
        }
        self.tidy_watched(pair, now);
    }
}
