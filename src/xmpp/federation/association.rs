//! By what the server at the other end of a stream may speak for a domain (RFC 7712).

/// What proves a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Association {
    /// Its certificate names the domain and leads to a trust anchor (RFC 6125, RFC 9525).
    Pkix,
    /// The domain says over HTTPS that the certificate is its server's (RFC 7711).
    Posh,
    /// The domain says so in DNS, signed (RFC 7673).
    Dane,
    /// The server that DNS names for the domain knows the key (XEP-0220).
    Dialback,
}

impl Association {
    /// As metrics and logs call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pkix => "pkix",
            Self::Posh => "posh",
            Self::Dane => "dane",
            Self::Dialback => "dialback",
        }
    }
}

/// What is made of the certificate that a peer has shown, for one domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// It proves the domain.
    Proven(Association),
    /// It does not, or there is none: why, as a clause about the peer ("its certificate expired on 2026-01-01").
    Unproven(String),
}
