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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::mapping::{DomainMapping, Home};
    use crate::model::Reason;
    use crate::sip::message::Status;
    use crate::xmpp::Condition;

    fn mapping() -> Mapping {
        Mapping::new(vec![DomainMapping::new(Home::Sip, "example.net", "example.net", None)]).unwrap()
    }

    #[test]
    fn a_refusal_is_told_in_words_and_by_the_condition_of_the_table() {
        for (code, reason, words) in [
            (403, Reason::Forbidden, "does not let you see"),
            (404, Reason::AddressUnknown, "knows nobody"),
            (489, Reason::PolicyViolation, "has no presence"),
            (604, Reason::AddressUnknown, "knows nobody"),
        ] {
            let failure = mapping().subscribe_failure(&Response::new(Status::new(code).unwrap())).unwrap();
            assert_eq!(failure.reason, reason, "{code}");
            assert!(failure.text.is_some_and(|text| text.contains(words)), "{code}");
        }
        let odd = Response::new(Status::new(499).unwrap()).with_reason("Tuesday");
        assert_eq!(mapping().subscribe_failure(&odd).unwrap().text.as_deref(), Some("Tuesday"));
        assert_eq!(mapping().subscribe_failure(&Response::new(Status::OK)), None);
    }

    #[test]
    fn every_error_of_xmpp_ends_a_subscription_for_a_reason() {
        for (condition, reason) in [
            (Condition::ItemNotFound, "noresource"),
            (Condition::Forbidden, "rejected"),
            (Condition::ResourceConstraint, "probation"),
            (Condition::RemoteServerTimeout, "probation"),
            (Condition::Gone(None), "noresource"),
        ] {
            assert_eq!(mapping().end_reason(&StanzaError::new(condition)), reason);
        }
        for condition in Condition::ALL {
            assert!(!mapping().end_reason(&StanzaError::new(condition)).is_empty());
        }
    }
}
