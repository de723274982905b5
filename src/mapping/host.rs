//! Domains in the two spellings: Unicode in JIDs (RFC 7622 section 3.2), ASCII in SIP URIs (RFC 3261 section 25.1).

use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr};

/// `domain` as a JID holds it: lower case, U-labels, no final dot; an address as it is. What IDNA refuses stays as it
/// was, since the other side, not we, decides whether it exists.
#[must_use]
pub(super) fn unicode_domain(domain: &str) -> String {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    if is_plain(domain) {
        return domain.to_owned();
    }
    match idna::domain_to_unicode(domain) {
        (unicode, Ok(())) => unicode,
        (_, Err(_)) => domain.to_lowercase(),
    }
}

/// `domain` as a SIP URI holds it: lower case, A-labels, no final dot; an IPv6 address in brackets, shortest form.
#[must_use]
pub(super) fn ascii_host(domain: &str) -> String {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    let inside = domain.strip_prefix('[').and_then(|domain| domain.strip_suffix(']')).unwrap_or(domain);
    if let Ok(address) = inside.parse::<IpAddr>() {
        return host_of_address(address);
    }
    if is_plain(domain) {
        return domain.to_owned();
    }
    idna::domain_to_ascii(domain).unwrap_or_else(|_| domain.to_ascii_lowercase())
}

/// [`ascii_host`] for a name that is ASCII already; borrows when nothing changes.
#[must_use]
pub(super) fn lower_host(name: &str) -> Cow<'_, str> {
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) { name.to_ascii_lowercase().into() } else { name.into() }
}

/// An address as the host of a URI.
#[must_use]
pub(super) fn host_of_address(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => v6(address),
    }
}

fn v6(address: Ipv6Addr) -> String {
    format!("[{address}]")
}

/// Whether a domain is the same in both spellings.
fn is_plain(domain: &str) -> bool {
    domain.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_'))
        && !domain.starts_with("xn--")
        && !domain.contains(".xn--")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_has_one_spelling_on_each_side() {
        for (unicode, ascii) in [
            ("example.com", "example.com"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("192.0.2.1", "192.0.2.1"),
            ("[2001:db8::1]", "[2001:db8::1]"),
            ("日本語.example", "xn--wgv71a119e.example"),
        ] {
            assert_eq!(ascii_host(unicode), ascii);
            assert_eq!(unicode_domain(ascii), unicode);
        }
        assert_eq!(ascii_host("BÜCHER.Example."), "xn--bcher-kva.example");
        assert_eq!(unicode_domain("Example.COM."), "example.com");
        assert_eq!(ascii_host("2001:DB8:0::1"), "[2001:db8::1]");
        assert_eq!(lower_host("PBX.example").as_ref(), "pbx.example");
    }
}
