//! The mechanisms that are understood.

/// A mechanism of SASL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// The certificate of the TLS connection says it (RFC 4422 appendix A, XEP-0178).
    External,
}

impl Mechanism {
    /// All of them, the one to be preferred first (RFC 6120 section 6.3.3).
    pub const ALL: [Mechanism; 1] = [Self::External];

    /// As IANA has registered it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::External => "EXTERNAL",
        }
    }

    /// The one of this name; names are upper case (RFC 4422 section 3.1).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name() == name)
    }
}
