//! Who: a user at a domain, and perhaps one device of that user.

use std::fmt;

/// A party of a message, in the form that belongs to neither wire.
///
/// `domain` is the name the party has on the *XMPP* side, in lower case and Unicode (RFC 7622 section 3.2), since that
/// name exists for everyone: a SIP user has one by its `[[domain]]` mapping, a federated XMPP user has only that one.
/// `user` is the localpart of the same JID with its XEP-0106 escapes undone, so it is what a person would read:
/// `o'malley`, not `o\27malley` or `o%27malley`. Two addresses of one party are therefore equal, whichever side they
/// came from, and `sip:m%26m@…` and `sip:m&m@…` are one party here (RFC 7247 section 6.4).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The user, unescaped; `None` for the domain itself.
    pub user: Option<String>,
    /// The domain as XMPP names it.
    pub domain: String,
    /// One device: the resourcepart of a JID, the `gr` value of a SIP URI (RFC 7247 section 6.3).
    pub instance: Option<String>,
}

impl Address {
    /// The address of `user` at `domain`, no particular device.
    #[must_use]
    pub fn new(user: &str, domain: &str) -> Self {
        Self { user: Some(user.to_owned()), domain: domain.to_owned(), instance: None }
    }

    /// The same party without the device.
    #[must_use]
    pub fn to_bare(&self) -> Self {
        Self { user: self.user.clone(), domain: self.domain.clone(), instance: None }
    }

    /// Whether both mean the same party, devices left aside.
    #[must_use]
    pub fn is_same_party(&self, other: &Self) -> bool {
        self.domain == other.domain && self.user == other.user
    }
}

/// For logs and messages to people: unescaped, so not for any wire.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        f.write_str(&self.domain)?;
        match &self.instance {
            Some(instance) => write!(f, "/{instance}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_still_the_same_party() {
        let bare = Address::new("juliet", "example.com");
        let full = Address { instance: Some("balcony".into()), ..bare.clone() };
        assert!(full.is_same_party(&bare));
        assert_ne!(full, bare);
        assert_eq!(full.to_bare(), bare);
        assert_eq!(full.to_string(), "juliet@example.com/balcony");
    }
}
