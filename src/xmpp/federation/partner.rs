//! What is demanded of, and allowed to, the servers of other domains.

use std::collections::HashMap;

/// The partners by domain, and what holds for everybody else.
#[derive(Debug, Clone, Default)]
pub struct Partners {
    named: HashMap<String, Partner>,
    others: Partner,
}

/// One entry.
#[derive(Debug, Clone, PartialEq)]
pub struct Partner {
    /// Whether streams to and from it are allowed at all.
    pub allowed: bool,
    /// What it must do to be believed.
    pub authentication: Authentication,
    /// Where it is, instead of what DNS says.
    pub host: Option<Host>,
    /// What it may cost.
    pub limits: PartnerLimits,
}

/// What a partner must do to be believed. Each allows what stands above it, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Authentication {
    /// TLS, and a certificate that proves its domain (SASL EXTERNAL).
    Certificate,
    /// TLS, and dialback where the certificate does not prove its domain.
    DialbackTls,
    /// Dialback, with TLS if it can.
    Dialback,
}

/// A given host of a partner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Name or IP address.
    pub name: String,
    /// Its port; `None`: 5269.
    pub port: Option<u16>,
    /// TLS from the first byte (XEP-0368).
    pub direct_tls: bool,
}

/// What one partner may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartnerLimits {
    /// Streams that it has open to us.
    pub connections: usize,
    /// Stanzas a second on each stream; `None`: any number. What comes faster is read later, none is dropped.
    pub stanzas_per_second: Option<u32>,
    /// Bytes a second on each stream, likewise.
    pub bytes_per_second: Option<u32>,
    /// The largest stanza, bytes; at least 10,000 (RFC 6120 section 13.12).
    pub stanza_size: usize,
}

impl Default for Partner {
    /// Anybody with a valid certificate, or dialback over TLS.
    fn default() -> Self {
        Self {
            allowed: true,
            authentication: Authentication::DialbackTls,
            host: None,
            limits: PartnerLimits::default(),
        }
    }
}

impl Default for PartnerLimits {
    fn default() -> Self {
        Self { connections: 16, stanzas_per_second: None, bytes_per_second: None, stanza_size: 256 * 1024 }
    }
}

impl Partners {
    /// `named` by domain as [`Jid::domain`](crate::xmpp::jid::Jid::domain) spells it; `others` for every other domain.
    #[must_use]
    pub fn new(named: HashMap<String, Partner>, others: Partner) -> Self {
        Self { named, others }
    }

    /// What holds for the servers of `domain`.
    #[must_use]
    pub fn of(&self, domain: &str) -> &Partner {
        self.named.get(domain).unwrap_or(&self.others)
    }

    /// The domain of the entry that holds for `domain`: itself or `*`; `None`: there is no entry, and the default holds.
    #[must_use]
    pub fn entry<'d>(&self, domain: &'d str) -> Option<&'d str> {
        if self.named.contains_key(domain) { Some(domain) } else { (self.others != Partner::default()).then_some("*") }
    }

    /// What holds for those whose domain is not known yet.
    #[must_use]
    pub fn others(&self) -> &Partner {
        &self.others
    }

    /// Every entry, the one for all others first.
    pub fn all(&self) -> impl Iterator<Item = &Partner> {
        std::iter::once(&self.others).chain(self.named.values())
    }
}
