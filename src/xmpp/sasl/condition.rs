//! Why a try failed (RFC 6120 section 6.5).

use crate::xml::{Element, ns};

/// The defined conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Condition {
    /// 6.5.1: the initiating entity wanted it to end.
    Aborted,
    /// 6.5.2
    AccountDisabled,
    /// 6.5.3
    CredentialsExpired,
    /// 6.5.4: not before TLS.
    EncryptionRequired,
    /// 6.5.5: no base64.
    IncorrectEncoding,
    /// 6.5.6: who was proven may not act as whom they want to act, or that is no address.
    InvalidAuthzid,
    /// 6.5.7: not one of those that were offered.
    InvalidMechanism,
    /// 6.5.8: the mechanism has no such message, or none at this point.
    MalformedRequest,
    /// 6.5.9
    MechanismTooWeak,
    /// 6.5.10: the proof is wrong; also for whoever does not exist, and for every name that the RFC does not list.
    NotAuthorized,
    /// 6.5.11: try again later.
    TemporaryAuthFailure,
}

impl Condition {
    /// All of them, in the order of the RFC.
    pub const ALL: [Condition; 11] = [
        Self::Aborted,
        Self::AccountDisabled,
        Self::CredentialsExpired,
        Self::EncryptionRequired,
        Self::IncorrectEncoding,
        Self::InvalidAuthzid,
        Self::InvalidMechanism,
        Self::MalformedRequest,
        Self::MechanismTooWeak,
        Self::NotAuthorized,
        Self::TemporaryAuthFailure,
    ];

    /// The name of its element.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Aborted => "aborted",
            Self::AccountDisabled => "account-disabled",
            Self::CredentialsExpired => "credentials-expired",
            Self::EncryptionRequired => "encryption-required",
            Self::IncorrectEncoding => "incorrect-encoding",
            Self::InvalidAuthzid => "invalid-authzid",
            Self::InvalidMechanism => "invalid-mechanism",
            Self::MalformedRequest => "malformed-request",
            Self::MechanismTooWeak => "mechanism-too-weak",
            Self::NotAuthorized => "not-authorized",
            Self::TemporaryAuthFailure => "temporary-auth-failure",
        }
    }

    /// The condition of this name; [`Self::NotAuthorized`] for one that the RFC does not list, since it is what a failed
    /// try comes to (section 6.5 lets more conditions be defined).
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        Self::ALL.into_iter().find(|condition| condition.name() == name).unwrap_or(Self::NotAuthorized)
    }

    /// Reads `<failure/>`.
    #[must_use]
    pub fn from_element(failure: &Element) -> Self {
        let conditions = failure.children().filter(|child| child.ns() == ns::SASL && child.name() != "text");
        conditions.map(|child| Self::from_name(child.name())).next().unwrap_or(Self::NotAuthorized)
    }

    /// `<failure/>`.
    #[must_use]
    pub fn to_element(self) -> Element {
        Element::new(ns::SASL, "failure").with_child(Element::new(ns::SASL, self.name()))
    }
}

impl std::fmt::Display for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_condition_is_written_and_read() {
        for condition in Condition::ALL {
            assert_eq!(Condition::from_element(&condition.to_element()), condition);
        }
    }

    #[test]
    fn an_unknown_condition_and_none_mean_not_authorized() {
        let failure = || Element::new(ns::SASL, "failure");
        let text = Element::new(ns::SASL, "text").with_text("Sorry");
        let new = Element::new(ns::SASL, "too-many-moons");
        let foreign = Element::new("urn:x", "aborted");
        for failure in [failure(), failure().with_child(new), failure().with_child(foreign)] {
            assert_eq!(Condition::from_element(&failure), Condition::NotAuthorized);
        }
        let explained = failure().with_child(text).with_child(Element::new(ns::SASL, "account-disabled"));
        assert_eq!(Condition::from_element(&explained), Condition::AccountDisabled);
    }
}
