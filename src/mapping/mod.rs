//! Where XMPP meets SIP: pure functions between the two vocabularies, and the tables they read.
//!
//! Every direction goes through [`crate::model`]: a stanza becomes an [`InstantMessage`](crate::model::InstantMessage)
//! and that becomes a request, and back; a status becomes a [`Failure`](crate::model::Failure) and that a stanza
//! error, and back. What is vocabulary stands in `mappings/*.toml`, each row with its source; what is algorithm stands
//! here. Nothing keeps state, reads a clock or opens anything.
//!
//! | file | what |
//! |---|---|
//! | [`domain`] | which domain is which on the other side, and the rules on the user part |
//! | [`address`] | JID <-> address <-> SIP URI (RFC 7247 section 6) |
//! | [`failure`] | stanza error <-> failure <-> status (RFC 7247 section 7) |
//! | [`message`] | message stanza <-> message <-> MESSAGE request (RFC 7572) |
//! | [`number`] | telephone numbers: the spellings of one subscriber (RFC 3966) |
//! | [`phone`] | calls, registration and presence of a phone, merged |
//! | [`presence`] | presence stanza <-> presence of one user (RFC 8048) |
//! | [`subscription`] | how subscriptions end, in the other side's words |
//! | [`voicemail`] | the state of a mailbox in words |
//! | [`watchers`] | who waits at a SIP server, in words |
//! | [`preset`] | what is known of SIP servers by product |
//! | [`explain`] | what an address becomes, step by step, for a person |
//! | [`table`] | `mappings/*.toml` |

pub mod address;
pub mod domain;
pub mod explain;
pub mod failure;
mod host;
pub mod message;
pub mod number;
pub mod phone;
pub mod presence;
pub mod preset;
pub mod subscription;
pub mod table;
pub mod voicemail;
pub mod watchers;

pub use address::AddressError;
pub use domain::{Conflict, DomainMapping, Home, RegexRule, Typing, UriForm, UserRule};
pub use explain::Explanation;
pub use failure::Answer;
pub use message::Outgoing;
pub use number::{NumberForm, NumberPlan, NumberUri};

use std::collections::HashMap;

/// Everything both sides call differently: the configured domains and the tables. Built once, shared, never changed.
#[derive(Debug)]
pub struct Mapping {
    domains: Vec<DomainMapping>,
    by_xmpp: HashMap<String, usize>,
    by_sip: HashMap<String, Vec<usize>>,
    wildcard: Option<usize>,
    failures: &'static failure::FailureTable,
    contents: &'static message::ContentTable,
    presences: &'static presence::PresenceTable,
}

impl Mapping {
    /// The mapping of `domains`.
    ///
    /// # Errors
    /// Everything that [`domain::check`] finds.
    pub fn new(domains: Vec<DomainMapping>) -> Result<Self, Vec<Conflict>> {
        let conflicts = domain::check(&domains);
        if !conflicts.is_empty() {
            return Err(conflicts);
        }
        let domains: Vec<_> = domains.into_iter().map(DomainMapping::settled).collect();
        let mut by_xmpp = HashMap::new();
        let mut by_sip: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, domain) in domains.iter().enumerate() {
            by_xmpp.insert(domain.xmpp.clone(), index);
            by_sip.entry(domain.sip_host.clone()).or_default().push(index);
        }
        Ok(Self {
            wildcard: by_xmpp.get(domain::ANY).copied(),
            domains,
            by_xmpp,
            by_sip,
            failures: &failure::BUILT_IN,
            contents: &message::BUILT_IN,
            presences: &presence::BUILT_IN,
        })
    }

    /// The content types a MESSAGE may have, in the form of Accept (RFC 3261 section 20.1).
    #[must_use]
    pub fn accepted_types(&self) -> &str {
        self.contents.accept()
    }

    /// The configured domains, in their order.
    #[must_use]
    pub fn domains(&self) -> &[DomainMapping] {
        &self.domains
    }

    /// The mapping that applies to an XMPP domain (in the spelling of a JID): its own, else the wildcard.
    #[must_use]
    pub fn domain_of_xmpp(&self, domain: &str) -> Option<&DomainMapping> {
        self.domain_of_xmpp_exact(domain).or_else(|| self.domains.get(self.wildcard?))
    }

    fn domain_of_xmpp_exact(&self, domain: &str) -> Option<&DomainMapping> {
        self.domains.get(*self.by_xmpp.get(domain)?)
    }

    /// The mapping that applies to a SIP host (in the spelling of [`DomainMapping::sip_host`]) and port. Where several
    /// share the host, the port decides, 5060 and no port being the same; where one has it alone, the port does not
    /// matter, because phones put in From whatever port they like.
    #[must_use]
    pub fn domain_of_sip(&self, host: &str, port: Option<u16>) -> Option<&DomainMapping> {
        let of_host = self.by_sip.get(host)?;
        if let [only] = of_host.as_slice() {
            return self.domains.get(*only);
        }
        let port = port.unwrap_or(5060);
        let mut of_host = of_host.iter().filter_map(|index| self.domains.get(*index));
        of_host.find(|domain| domain.sip_port.unwrap_or(5060) == port)
    }
}
