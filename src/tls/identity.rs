//! Which XMPP domains a certificate names (RFC 6120 section 13.7.1.2, RFC 6125, RFC 9525). Not as in SIP, whose rules
//! ([`super::names`]) know no wildcards and do know common names.

use std::net::IpAddr;

use rustls::pki_types::CertificateDer;
use x509_parser::asn1_rs::{Any, Class, FromDer, Tag};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

use super::names;

/// Names taken from one certificate: a hosting server has one or two for each of some hundred domains.
const MAX_NAMES: usize = 1_000;

/// Names of a certificate that a log line shows.
const SHOWN: usize = 5;

/// id-on-xmppAddr (RFC 6120 section 13.7.1.4) and id-on-dnsSRV (RFC 4985 section 2).
const XMPP_ADDR: &str = "1.3.6.1.5.5.7.8.5";
const DNS_SRV: &str = "1.3.6.1.5.5.7.8.7";

/// The service whose SRV-IDs count between servers (RFC 6120 section 13.7.1.2.1).
const SERVICE: &str = "_xmpp-server.";

/// One name of a certificate. Domains are spelled by A-labels, lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    /// DNS-ID or the domain of an SRV-ID: its left-most label may be `*`.
    Dns(String),
    /// XmppAddr: a domain alone, without wildcards.
    Xmpp(String),
    /// IP-ID.
    Ip(IpAddr),
}

/// The XMPP domains of one certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identities(Vec<Name>);

impl Identities {
    /// Of a certificate. One that cannot be read names nothing; common names never count (RFC 9525 section 2).
    #[must_use]
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return Self::default() };
        let Ok(Some(names)) = certificate.subject_alternative_name() else { return Self::default() };
        let mut read: Vec<Name> = names.value.general_names.iter().filter_map(name).take(MAX_NAMES).collect();
        read.dedup();
        Self(read)
    }

    /// Whether `domain` is one of them: the domain of a stream header, by A- or U-labels, or an IP address.
    #[must_use]
    pub fn has(&self, domain: &str) -> bool {
        let domain = names::ascii(domain);
        if domain.is_empty() {
            return false;
        }
        if let Ok(address) = domain.parse::<IpAddr>() {
            let is_it = |name: &Name| match name {
                Name::Ip(ip) => *ip == address,
                Name::Xmpp(addr) => addr.parse() == Ok(address),
                Name::Dns(_) => false,
            };
            return self.0.iter().any(is_it);
        }
        self.0.iter().any(|name| match name {
            Name::Dns(pattern) => matches(pattern, &domain),
            Name::Xmpp(addr) => *addr == domain,
            Name::Ip(_) => false,
        })
    }

    /// Whether it names nothing that could be an XMPP domain.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Display for Identities {
    /// The first of them, each once, in words for a log line.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown: Vec<String> = Vec::new();
        let mut more = 0;
        for name in &self.0 {
            let text = match name {
                Name::Dns(domain) | Name::Xmpp(domain) => domain.clone(),
                Name::Ip(address) => address.to_string(),
            };
            if shown.contains(&text) {
                continue;
            }
            if shown.len() < SHOWN { shown.push(text) } else { more += 1 }
        }
        match (shown.is_empty(), more) {
            (true, _) => f.write_str("no XMPP domain"),
            (false, 0) => f.write_str(&shown.join(", ")),
            (false, more) => write!(f, "{} and {more} more", shown.join(", ")),
        }
    }
}

/// A wildcard stands for one whole left-most label and no more (RFC 9525 section 6.3).
fn matches(pattern: &str, domain: &str) -> bool {
    if let Some(rest) = pattern.strip_prefix("*.") {
        let below = domain.split_once('.').filter(|(label, _)| !label.is_empty());
        return !rest.is_empty() && !rest.contains('*') && below.is_some_and(|(_, above)| above == rest);
    }
    pattern == domain && !pattern.contains('*')
}

#[expect(clippy::wildcard_enum_match_arm, reason = "RFC 6120 section 13.7.1.2: the only types that name a server")]
fn name(name: &GeneralName<'_>) -> Option<Name> {
    match name {
        GeneralName::DNSName(domain) => dns(domain),
        GeneralName::IPAddress(bytes) => names::address(bytes).map(Name::Ip),
        GeneralName::OtherName(kind, value) => {
            let kind = kind.to_id_string();
            let text = text(value).filter(|_| kind == XMPP_ADDR || kind == DNS_SRV)?;
            if kind == XMPP_ADDR { xmpp(text) } else { service(text) }
        }
        _ => None,
    }
}

/// A name of DNS stands by A-labels in a certificate (RFC 5280 section 7.2); what is otherwise names nobody.
fn dns(domain: &str) -> Option<Name> {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    let usable = domain.is_ascii() && !domain.is_empty() && domain.parse::<IpAddr>().is_err();
    usable.then(|| Name::Dns(domain.to_ascii_lowercase()))
}

/// `_xmpp-server.DOMAIN`, without regard to case (RFC 4985 section 2); of other services nothing follows for this one.
fn service(text: &str) -> Option<Name> {
    let (service, domain) = text.split_at_checked(SERVICE.len())?;
    service.eq_ignore_ascii_case(SERVICE).then(|| dns(domain)).flatten()
}

/// A JID that is a domain; one with a local part is a user's.
fn xmpp(text: &str) -> Option<Name> {
    let usable = !text.is_empty() && !text.contains(['@', '/', '*']);
    usable.then(|| Name::Xmpp(names::ascii(text)))
}

/// The text in the `[0] EXPLICIT` of an otherName, a UTF8String or IA5String.
fn text(value: &[u8]) -> Option<&str> {
    let (_, outer) = Any::from_der(value).ok()?;
    if outer.class() != Class::ContextSpecific || outer.tag() != Tag(0) {
        return None;
    }
    let (_, inner) = Any::from_der(outer.data).ok()?;
    let known = inner.class() == Class::Universal && [Tag::Utf8String, Tag::Ia5String].contains(&inner.tag());
    std::str::from_utf8(inner.data).ok().filter(|_| known)
}
