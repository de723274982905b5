//! How subscriptions end, in the words of the other side (RFC 8048 section 5, A-PRES-08). What a subscriber of SIP does about
//! it is its own machine's; here is what people and the watchers of SIP are told.

use super::Mapping;
use crate::model::Failure;
use crate::sip::message::Response;
use crate::xmpp::StanzaError;

impl Mapping {
    /// Why a subscription to a SIP user failed, for the XMPP user who wanted it: the failure that the response is, in words
    /// where we have some. `None` for 1xx and 2xx.
    #[must_use]
    pub fn subscribe_failure(&self, response: &Response) -> Option<Failure> {
        let mut failure = self.status_to_failure(response)?;
        if let Some(text) = self.presences.refusal(response.status.code()) {
            failure.text = Some(text.to_owned());
        }
        Some(failure)
    }

    /// The `reason` of `terminated` (RFC 6665 section 4.1.3) with which a SIP watcher's subscription ends when XMPP answered
    /// `subscribe` with this error: `rejected`, `noresource` or `probation`.
    #[must_use]
    pub fn end_reason(&self, error: &StanzaError) -> &'static str {
        self.presences.end(&error.condition)
    }
}
