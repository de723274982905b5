//! Which SIP domains a certificate proves (RFC 5922 section 7.1), and whether one of them is the wanted one (section
//! 7.2).

use std::net::IpAddr;

use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

/// Names taken from one certificate. No server has more, and a list is searched for each request.
const MAX_NAMES: usize = 100;

/// The SIP domains of a certificate, lower case: the hosts of its `sip:` URIs without user; where it has none, its DNS
/// names; where it has no subjectAltName at all, its common names that are host names. IP addresses stand as such. A
/// certificate that cannot be read proves nothing.
#[must_use]
pub fn identities(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return Vec::new() };
    let names = match certificate.subject_alternative_name() {
        Ok(Some(names)) => of_alternatives(&names.value.general_names),
        Ok(None) => common_names(&certificate),
        Err(_) => Vec::new(),
    };
    let mut names: Vec<String> = names.into_iter().take(MAX_NAMES).map(|name| name.to_ascii_lowercase()).collect();
    names.dedup();
    names
}

fn of_alternatives(names: &[GeneralName<'_>]) -> Vec<String> {
    let (mut uris, mut hosts) = (Vec::new(), Vec::new());
    for name in names {
        #[expect(clippy::wildcard_enum_match_arm, reason = "RFC 5922: the only types acceptable")]
        match name {
            GeneralName::URI(uri) => uris.extend(sip_domain(uri)),
            GeneralName::DNSName(host) => hosts.push((*host).to_owned()),
            // A domain in SIP may be an address; then a certificate names it as RFC 5280 has it.
            GeneralName::IPAddress(bytes) => hosts.extend(address(bytes).map(|address| address.to_string())),
            _ => {}
        }
    }
    if uris.is_empty() { hosts } else { uris }
}

/// The host of a `sip:` URI without user part.
fn sip_domain(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once(':')?;
    if !scheme.eq_ignore_ascii_case("sip") || rest.contains('@') {
        return None;
    }
    let host = rest.split([';', '?']).next().unwrap_or_default();
    let host = match host.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    (!host.is_empty()).then(|| host.to_owned())
}

/// The address of an iPAddress name (RFC 5280 section 4.2.1.6).
pub(super) fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = || <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from);
    let six = || <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from);
    four().or_else(six)
}

fn common_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let names = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
    names.filter(|name| is_host_name(name)).map(str::to_owned).collect()
}

fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// Whether `names`, made by [`identities`], have `domain`: as a whole, without regard to case, and wildcards match
/// nothing (RFC 5922 section 7.2). A domain of another script is compared by its A-labels (RFC 5280 section 7.2).
#[must_use]
pub fn has(names: &[String], domain: &str) -> bool {
    let domain = ascii(domain);
    names.iter().any(|name| name.eq_ignore_ascii_case(&domain) && !name.contains('*'))
}

/// A domain as certificates spell it: A-labels, no dot at the end, an IPv6 address without brackets.
#[must_use]
pub fn ascii(domain: &str) -> String {
    let domain = domain.trim_matches(['[', ']']);
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    if domain.is_ascii() {
        return domain.to_ascii_lowercase();
    }
    idna::domain_to_ascii(domain).unwrap_or_else(|_| domain.to_owned())
}
