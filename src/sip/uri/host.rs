//! Hosts and ports (RFC 3261 section 25.1), as URIs and Vias have them.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The host of a URI or of a Via.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host<'a> {
    /// A domain name, as spelled; names compare without regard to case.
    Name(&'a str),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 reference, without its brackets.
    V6(Ipv6Addr),
}

impl<'a> Host<'a> {
    /// Reads a name, an IPv4 address or a bracketed IPv6 reference; anything else is `None`.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        if let Some(inside) = text.strip_prefix('[') {
            return Some(Host::V6(parse_v6(inside.strip_suffix(']')?)?));
        }
        if text.as_bytes().first().is_some_and(u8::is_ascii_digit)
            && let Ok(address) = text.parse()
        {
            return Some(Host::V4(address));
        }
        is_host_name(text).then_some(Host::Name(text))
    }

    /// Whether both mean the same host; names compare without regard to case and final dot.
    #[must_use]
    pub fn same(self, other: Host<'_>) -> bool {
        match (self, other) {
            (Host::Name(one), Host::Name(two)) => {
                one.strip_suffix('.').unwrap_or(one).eq_ignore_ascii_case(two.strip_suffix('.').unwrap_or(two))
            }
            (Host::V4(one), Host::V4(two)) => one == two,
            (Host::V6(one), Host::V6(two)) => one == two,
            (Host::Name(_) | Host::V4(_) | Host::V6(_), _) => false,
        }
    }
}

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::V4(address) => address.fmt(f),
            Host::V6(address) => write!(f, "[{address}]"),
        }
    }
}

/// Longest domain name and longest label of one, in bytes (RFC 1035 section 2.3.4).
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// A port in decimal, 1 to 65535.
pub(crate) fn parse_port(digits: &str) -> Option<u16> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().filter(|port| *port != 0)
}

/// An IPv6 address without brackets. RFC 5118 section 4.10 asks to be liberal with the `:::` that RFC 3261's own
/// grammar made of `::` before an IPv4 part; it can mean nothing else.
pub(crate) fn parse_v6(text: &str) -> Option<Ipv6Addr> {
    match text.find(":::") {
        None => text.parse().ok(),
        Some(at) => format!("{}{}", &text[..at], &text[at + 1..]).parse().ok(),
    }
}

fn is_host_name(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let mut length = 0;
    let mut before = b'-';
    let mut all_digits = true;
    for byte in name.bytes() {
        match byte {
            b'.' if length == 0 || before == b'-' => return false,
            b'.' => (length, all_digits) = (0, true),
            b'-' if length == 0 => return false,
            byte if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') => {
                length += 1;
                all_digits &= byte.is_ascii_digit();
                if length > MAX_LABEL {
                    return false;
                }
            }
            _ => return false,
        }
        before = byte;
    }
    // A last label of digits would be a misspelt IPv4 address (RFC 3261 section 25.1: `toplabel` begins with a letter).
    name.len() <= MAX_NAME && length > 0 && before != b'-' && !all_digits
}
