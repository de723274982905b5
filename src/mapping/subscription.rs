//! What the ends of subscriptions mean on the other side (RFC 8048 section 5, A-PRES-08).

use super::Mapping;
use crate::model::Failure;
use crate::sip::message::Response;
use crate::xmpp::StanzaError;

impl Mapping {
    /// Why a subscription to a SIP user failed, in words for the XMPP user who wanted it. `None` for 1xx and 2xx.
    #[must_use]
    pub fn subscribe_failure(&self, response: &Response) -> Option<Failure> {
        self.status_to_failure(response)
    }

    /// The `reason` of `terminated` (RFC 6665 section 4.1.3) with which a SIP watcher's subscription ends when XMPP
    /// answered `subscribe` with this error.
    #[must_use]
    pub fn end_reason(&self, error: &StanzaError) -> &'static str {
        let _ = error;
        "noresource"
    }
}
