//! `[[xmpp.partner]]`.

use std::collections::HashMap;

use super::jid_domain;
use crate::config::section::Section;
use crate::config::value::HostPort;
use crate::xmpp::federation::{Authentication, Host, Partner, PartnerLimits, Partners};

/// Stanzas a second at most: more than a core serves.
const MOST_STANZAS: usize = 1_000_000;

/// Bytes a second at most, and at least: with less, the smallest stanza size that is allowed takes ten seconds.
const BYTES: std::ops::RangeInclusive<usize> = 1_000..=1 << 30;

/// One entry, with its table for lines.
pub(in crate::config) struct ReadPartner<'d> {
    /// The table.
    pub(in crate::config) section: Section<'d>,
    /// Its domain, or `*`, if that could be read.
    pub(in crate::config) domain: Option<String>,
    /// What it says; what it does not say is as in the entry for all others.
    pub(in crate::config) partner: Partner,
}

/// Every entry, in the order of the file.
pub(super) fn partners<'d>(xmpp: &Section<'d>) -> Vec<ReadPartner<'d>> {
    let sections = xmpp.sections("partner");
    // An entry of a domain inherits from the one for all others, wherever that stands.
    let is_others = |section: &&Section<'_>| section.text_of("domain") == Some("*");
    let others = sections.iter().find(is_others).map(|section| partner(section, &Partner::default()));
    let others = others.unwrap_or_default();
    let mut read: Vec<ReadPartner<'d>> = Vec::new();
    for section in sections {
        section.required("domain", "write the domain of the server, or \"*\" for all others");
        let domain = section.parsed("domain", |text| if text == "*" { Ok(text.to_owned()) } else { jid_domain(text) });
        if let Some(first) = read.iter().find(|other| domain.is_some() && other.domain == domain) {
            let name = domain.as_deref().unwrap_or_default();
            let what = format!("\"{name}\" is there twice, first on line {}", first.section.line_of("domain"));
            section.error("domain", what, "keep one of the two");
        }
        let partner = if domain.as_deref() == Some("*") { others.clone() } else { partner(&section, &others) };
        read.push(ReadPartner { section, domain, partner });
    }
    read
}

/// As streams ask it.
pub(super) fn table(read: &[ReadPartner<'_>]) -> Partners {
    let mut named = HashMap::new();
    let mut others = Partner::default();
    for entry in read {
        match entry.domain.as_deref() {
            Some("*") => others = entry.partner.clone(),
            Some(domain) => drop(named.insert(domain.to_owned(), entry.partner.clone())),
            None => {}
        }
    }
    Partners::new(named, others)
}

fn partner(section: &Section<'_>, others: &Partner) -> Partner {
    let ways = [
        ("certificate", Authentication::Certificate),
        ("tls", Authentication::DialbackTls),
        ("dialback", Authentication::Dialback),
    ];
    let allowed = section.boolean("allow", true);
    let direct_tls = section.boolean("direct_tls", false);
    let host = section.parsed("host", HostPort::read).map(|host| Host { name: host.host, port: host.port, direct_tls });
    if section.has("direct_tls") && !section.has("host") {
        let todo = "write host, or remove it: without, DNS says which servers take TLS from the first byte";
        section.error("direct_tls", "means nothing without host", todo);
    }
    if !allowed {
        for key in section.others_than(&["domain", "allow"]) {
            section.warn(key, "means nothing with allow = false", "remove one of the two");
        }
    }
    let per_second = |key, range, default: Option<u32>| match section.has(key) {
        true => u32::try_from(section.number(key, range, 1)).ok(),
        false => default,
    };
    let limits = PartnerLimits {
        connections: section.number("connections", 1..=10_000, others.limits.connections),
        stanzas_per_second: per_second("stanzas_per_second", 1..=MOST_STANZAS, others.limits.stanzas_per_second),
        bytes_per_second: per_second("bytes_per_second", BYTES, others.limits.bytes_per_second),
        stanza_size: section.number("stanza_size", 10_000..=16 << 20, others.limits.stanza_size),
    };
    let authentication = section.choice("authentication", &ways).unwrap_or(others.authentication);
    Partner { allowed, authentication, host, limits }
}
