//! Each part of an address in its canonical form (RFC 7622 sections 3.2 to 3.4).

use std::borrow::Cow;
use std::net::Ipv6Addr;

use precis_core::profile::PrecisFastInvocation;
use precis_core::{IdentifierClass, StringClass};
use precis_profiles::{OpaqueString, UsernameCaseMapped};

use super::{JidError, MAX_PART};

pub(super) type Prepare = fn(&str) -> Result<Cow<'_, str>, JidError>;

/// Where the domainpart of `text` starts and ends, if it is ASCII, within the limits and canonical as it stands: nearly always.
/// `None` says nothing.
pub(super) fn is_prepared(text: &str) -> Option<(u16, u16)> {
    let bytes = text.as_bytes();
    let end = memchr::memchr(b'/', bytes).unwrap_or(bytes.len());
    let (bare, resource) = bytes.split_at(end);
    let start = memchr::memchr(b'@', bare).map_or(0, |at| at + 1);
    let (local, domain) = bare.split_at(start);
    let local = local.strip_suffix(b"@");
    let good = local.is_none_or(is_plain_local)
        && is_plain_domain(domain)
        && resource.len() != 1
        && resource.len() <= MAX_PART
        && resource.iter().all(|byte| matches!(byte, b' '..=b'~'));
    if !good {
        return None;
    }
    Some((u16::try_from(start).ok()?, u16::try_from(end).ok()?))
}

fn is_plain_local(local: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_graphic() && !byte.is_ascii_uppercase() && !excluded(char::from(*byte));
    !local.is_empty() && local.len() <= MAX_PART && local.iter().all(plain)
}

/// As [`is_host`] sees it, in one pass. Two hyphens in a row, which A-labels have, are left to the long way.
fn is_plain_domain(domain: &[u8]) -> bool {
    let mut length = 0;
    let mut before = b'.';
    for byte in domain {
        match byte {
            b'.' | b'-' if length == 0 => return false,
            b'.' if before == b'-' => return false,
            b'-' if before == b'-' => return false,
            b'.' => length = 0,
            b'a'..=b'z' | b'0'..=b'9' | b'-' if length < 63 => length += 1,
            _ => return false,
        }
        before = *byte;
    }
    domain.len() <= 253 && length > 0 && before != b'-'
}

/// RFC 7622 section 3.3.1: excluded although PRECIS allows them.
pub(super) fn excluded(char: char) -> bool {
    matches!(char, '"' | '&' | '\'' | '/' | ':' | '<' | '>' | '@')
}

pub(super) fn strict_local(text: &str) -> Result<Cow<'_, str>, JidError> {
    if text.is_empty() {
        return Err(JidError::EmptyLocal);
    }
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        if text.contains(excluded) {
            return Err(JidError::Local);
        }
        return Ok(lower_case(text));
    }
    let local = settle(text, |text| UsernameCaseMapped::enforce(text).ok()).ok_or(JidError::Local)?;
    // The width mapping makes ASCII of full-width letters, so this comes after.
    if local.contains(excluded) { Err(JidError::Local) } else { Ok(Cow::Owned(local)) }
}

pub(super) fn strict_resource(text: &str) -> Result<Cow<'_, str>, JidError> {
    if text.is_empty() {
        return Err(JidError::EmptyResource);
    }
    if text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        return Ok(Cow::Borrowed(text));
    }
    settle(text, |text| OpaqueString::enforce(text).ok()).map(Cow::Owned).ok_or(JidError::Resource)
}

/// What PRECIS refuses is taken as a server of RFC 6122 has it, by nodeprep, or as it is where that has no form for it either.
pub(super) fn peer_local(text: &str) -> Result<Cow<'_, str>, JidError> {
    let kept = match strict_local(text) {
        Err(JidError::Local) => match settle(text, |text| stringprep::nodeprep(text).ok()) {
            Some(folded) if folded.is_empty() => return Err(JidError::Local),
            Some(folded) => Cow::Owned(strict_local(&folded).map(Cow::into_owned).unwrap_or(folded)),
            None => Cow::Borrowed(text),
        },
        other => return other,
    };
    let breaks = |char: char| excluded(char) || char.is_control() || char.is_whitespace();
    if kept.contains(breaks) { Err(JidError::Local) } else { Ok(kept) }
}

/// Whether a server that prepares by nodeprep (RFC 6122 appendix A) may know both as one user.
pub(super) fn resemble(one: &str, two: &str) -> bool {
    let folded = || Some(stringprep::nodeprep(one).ok()? == stringprep::nodeprep(two).ok()?);
    one == two || (!(one.is_ascii() && two.is_ascii()) && folded() == Some(true))
}

pub(super) fn peer_resource(text: &str) -> Result<Cow<'_, str>, JidError> {
    match strict_resource(text) {
        Err(JidError::Resource) if !text.contains(char::is_control) => Ok(Cow::Borrowed(text)),
        other => other,
    }
}

/// RFC 8264 section 7: rules may have to be applied more than once until nothing changes; thrice is enough or never.
fn settle(text: &str, enforce: impl Fn(&str) -> Option<Cow<'_, str>>) -> Option<String> {
    let mut before = text.to_owned();
    for _ in 0..3 {
        let after = enforce(&before)?.into_owned();
        if after == before {
            return Some(after);
        }
        before = after;
    }
    (enforce(&before)? == before).then_some(before)
}

fn lower_case(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

/// As [`peer_domain`], and no character that IDNA2008 does not allow in a U-label (RFC 5892). After the mappings of
/// [`unicode_domain`] those are the ones that PRECIS allows in identifiers, rules of context included.
pub(super) fn strict_domain(text: &str) -> Result<Cow<'_, str>, JidError> {
    let domain = peer_domain(text)?;
    let good = domain.is_ascii() || domain.split('.').all(|label| IdentifierClass::default().allows(label).is_ok());
    if good { Ok(domain) } else { Err(JidError::Domain) }
}

/// Section 3.2: the final dot goes first; then U-labels, or an address.
pub(super) fn peer_domain(text: &str) -> Result<Cow<'_, str>, JidError> {
    let text = text.strip_suffix('.').unwrap_or(text);
    if let Some(inside) = text.strip_prefix('[') {
        let address = inside.strip_suffix(']').and_then(|inside| inside.parse::<Ipv6Addr>().ok());
        return address.map(|address| Cow::Owned(format!("[{address}]"))).ok_or(JidError::Domain);
    }
    if text.is_ascii() && !has_a_label(text) {
        return if is_host(text) { Ok(lower_case(text)) } else { Err(JidError::Domain) };
    }
    unicode_domain(text).map(Cow::Owned).ok_or(JidError::Domain)
}

fn has_a_label(text: &str) -> bool {
    text.split('.').any(|label| label.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("xn--")))
}

/// Letters, digits and hyphens, within the lengths of RFC 1034 section 3.1.
fn is_host(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

/// UTS 46, not transitional: IDNA2008 with the mappings of RFC 5895 (width, case, ideographic dots), and the symbols that
/// IDNA2003 allowed, since names with them are registered.
fn unicode_domain(text: &str) -> Option<String> {
    use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
    let uts46 = Uts46::new();
    // Short of this, a hostile name would cost quadratic time in Punycode; 1023 octets is what may come out.
    if text.len() > 4 * MAX_PART {
        return None;
    }
    let ascii =
        uts46.to_ascii(text.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Ignore).ok()?;
    let ascii = ascii.strip_suffix('.').unwrap_or(&ascii);
    if !is_host(ascii) {
        return None;
    }
    let (unicode, valid) = uts46.to_unicode(ascii.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast);
    valid.ok().map(|()| unicode.into_owned())
}
