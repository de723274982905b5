//! How the subscriptions between two people stand, in words for an operator.

use super::super::Gateway;
use crate::time::Now;
use crate::xmpp::jid::Jid;

impl Gateway {
    /// Lines about the subscriptions between two bare JIDs, both ways, one of them a SIP user's as XMPP sees it.
    pub fn explain_pair(&self, one: &str, other: &str, now: Now) -> Vec<String> {
        let (Ok(one), Ok(other)) = (Jid::parse_peer(one), Jid::parse_peer(other)) else {
            return vec!["one of the two is no JID".to_owned()];
        };
        let (xmpp, sip) = match (self.is_at_home_in_sip(one.domain()), self.is_at_home_in_sip(other.domain())) {
            (false, true) => (one, other),
            (true, false) => (other, one),
            (true, true) => return vec!["both are SIP users, and stox stands between SIP and XMPP".to_owned()],
            (false, false) => return vec!["neither is a SIP user of a [[domain]]".to_owned()],
        };
        let mut lines = self.explain_watch(xmpp.bare(), sip.bare(), now);
        lines.extend(self.explain_served(sip.bare(), xmpp.bare(), now));
        lines
    }
}
