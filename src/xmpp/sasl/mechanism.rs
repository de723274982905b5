//! The mechanisms that are understood.

use super::Hash;

/// A mechanism of SASL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// The certificate of the TLS connection says it (RFC 4422 appendix A, XEP-0178).
    External,
    /// RFC 7677, bound to the TLS connection.
    ScramSha256Plus,
    /// RFC 5802, bound to the TLS connection.
    ScramSha1Plus,
    /// RFC 7677.
    ScramSha256,
    /// RFC 5802.
    ScramSha1,
    /// RFC 4616: the password itself.
    Plain,
}

impl Mechanism {
    /// All of them, the one to be preferred first (RFC 6120 sections 6.3.3 and 13.8.3): binding to the connection is worth
    /// more than a longer hash, and PLAIN is worth least.
    pub const ALL: [Mechanism; 6] =
        [Self::External, Self::ScramSha256Plus, Self::ScramSha1Plus, Self::ScramSha256, Self::ScramSha1, Self::Plain];

    /// As IANA has registered it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::External => "EXTERNAL",
            Self::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
            Self::ScramSha1Plus => "SCRAM-SHA-1-PLUS",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha1 => "SCRAM-SHA-1",
            Self::Plain => "PLAIN",
        }
    }

    /// The one of this name; names are upper case (RFC 4422 section 3.1).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name() == name)
    }

    /// Which hash function its keys are made with, if it is of the SCRAM family.
    #[must_use]
    pub fn hash(self) -> Option<Hash> {
        match self {
            Self::ScramSha256Plus | Self::ScramSha256 => Some(Hash::Sha256),
            Self::ScramSha1Plus | Self::ScramSha1 => Some(Hash::Sha1),
            Self::External | Self::Plain => None,
        }
    }

    /// Whether it binds to the TLS connection (RFC 5802 section 6).
    #[must_use]
    pub fn is_plus(self) -> bool {
        matches!(self, Self::ScramSha256Plus | Self::ScramSha1Plus)
    }
}
