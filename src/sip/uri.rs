//! URIs that name SIP resources, instant inboxes, presentities and telephones.
//!
//! `sip` and `sips` are RFC 3261 section 19.1, `tel` RFC 3966, `im` RFC 3860 and `pres` RFC 3859; everything else is
//! carried as opaque text, because a URI of an unknown scheme in From, To or Contact is legal (RFC 4475 section
//! 3.3.4). The text that was read is kept, so that what is printed is what was received, byte for byte; the accessors
//! without `decoded` give it raw, with its escapes.
//!
//! ```text
//! sip:user:password@host:port;parameters?headers        sips, im and pres likewise
//! tel:user;parameters                                   no host
//! anything:opaque                                       neither
//! ```
//!
//! More liberal than the grammar in three points that real peers need and that cannot be misread: `#` and raw UTF-8 in
//! a user, `_` in a host name, empty parameters (`;;`). Stricter in one: port 0 and a zone in an IPv6 reference mean
//! nothing to anybody but their sender and are refused.

use std::borrow::Cow;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

mod chars;
mod compare;
mod host;
#[cfg(test)]
mod tests;

pub use host::Host;
pub(crate) use host::{parse_port, parse_v6};

use chars::{HEADER, OPAQUE, PARAMETER, PASSWORD, USER, check_escaped};
pub use chars::{escape_parameter, escape_user};

/// Longest URI read, in bytes: longer than any name a person or a PBX has, short enough to be compared often.
pub const MAX_URI: usize = 8 * 1024;

/// Most parameters and header components of one URI; comparison looks at each pair.
pub const MAX_URI_PARTS: usize = 64;

/// The scheme of a [`Uri`], case-insensitive on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `sip`, RFC 3261 section 19.1.
    Sip,
    /// `sips`, which demands TLS on every hop (RFC 3261 section 26.2.2).
    Sips,
    /// `tel`, RFC 3966.
    Tel,
    /// `im`, an instant inbox whatever its protocol (RFC 3860).
    Im,
    /// `pres`, a presentity whatever its protocol (RFC 3859).
    Pres,
    /// Any other; see [`Uri::scheme_text`].
    Other,
}

/// Why a text is not a URI we can use. The answer to a request that has one is 400 (RFC 4475 section 3.1.2.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// No `scheme:` in front.
    #[error("URI without a scheme")]
    Scheme,
    /// A character that needs escaping where it stands, or is not UTF-8.
    #[error("character not allowed in a URI")]
    Character,
    /// `%` without two hexadecimal digits, or escapes that do not decode to UTF-8.
    #[error("malformed escape in a URI")]
    Escape,
    /// No host, or neither a name nor an address.
    #[error("malformed host in a URI")]
    Host,
    /// Not a number from 1 to 65535.
    #[error("malformed port in a URI")]
    Port,
    /// `user@` with an empty user, or an empty number.
    #[error("empty user in a URI")]
    User,
    /// Beyond [`MAX_URI`] or [`MAX_URI_PARTS`].
    #[error("URI too long")]
    TooLong,
}

#[derive(Clone, Copy, Default)]
struct Span {
    start: u16,
    end: u16,
}

#[derive(Clone, Copy)]
enum HostPart {
    None,
    Name(Span),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

/// A URI as it was received or built. Equality and hashing go by its text; [`Uri::same`] compares as RFC 3261 section
/// 19.1.4 does.
#[derive(Clone)]
pub struct Uri {
    text: String,
    scheme: Scheme,
    scheme_end: u16,
    user: Option<Span>,
    password: Option<Span>,
    host: HostPart,
    port: Option<u16>,
    parameters: Span,
    headers: Span,
}

impl Uri {
    /// Reads a URI that stands alone, without angle brackets and white space.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        if text.len() > MAX_URI {
            return Err(UriError::TooLong);
        }
        let colon = scheme_end(text).ok_or(UriError::Scheme)?;
        let scheme = scheme_of(&text[..colon]);
        let mut uri = Self {
            text: String::new(),
            scheme,
            scheme_end: narrow(colon),
            user: None,
            password: None,
            host: HostPart::None,
            port: None,
            parameters: Span::default(),
            headers: Span::default(),
        };
        match scheme {
            Scheme::Sip | Scheme::Sips | Scheme::Im | Scheme::Pres => uri.read_address(text, colon + 1)?,
            Scheme::Tel => uri.read_number(text, colon + 1)?,
            Scheme::Other => check_escaped(&text[colon + 1..], OPAQUE)?,
        }
        uri.text.push_str(text);
        Ok(uri)
    }

    /// Reads a URI from bytes of a message; they must be UTF-8.
    pub fn parse_bytes(bytes: &[u8]) -> Result<Self, UriError> {
        Self::parse(std::str::from_utf8(bytes).map_err(|_| UriError::Character)?)
    }

    /// A `sip` URI; `user` is in escaped form (see [`escape_user`]), an IPv6 `host` in brackets.
    pub fn sip(user: Option<&str>, host: &str, port: Option<u16>) -> Result<Self, UriError> {
        let mut text = String::with_capacity(16 + user.map_or(0, str::len) + host.len());
        text.push_str("sip:");
        if let Some(user) = user {
            text.push_str(user);
            text.push('@');
        }
        text.push_str(host);
        if let Some(port) = port {
            text.push(':');
            text.push_str(&port.to_string());
        }
        Self::parse(&text)
    }

    /// This URI with one more parameter; `value` is in escaped form (see [`escape_parameter`]).
    pub fn with_param(&self, name: &str, value: Option<&str>) -> Result<Self, UriError> {
        let at = usize::from(self.parameters.end);
        let mut text = String::with_capacity(self.text.len() + name.len() + value.map_or(1, |value| value.len() + 2));
        text.push_str(&self.text[..at]);
        text.push(';');
        text.push_str(name);
        if let Some(value) = value {
            text.push('=');
            text.push_str(value);
        }
        text.push_str(&self.text[at..]);
        Self::parse(&text)
    }

    /// This URI without parameters and headers: the address alone.
    #[must_use]
    pub fn without_params(&self) -> Self {
        let mut bare = self.clone();
        if self.has_parts() {
            let end = self.parameters.start;
            bare.text.truncate(usize::from(end));
            bare.parameters = Span { start: end, end };
            bare.headers = bare.parameters;
        }
        bare
    }

    /// The scheme.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The scheme as spelled, without its colon.
    #[must_use]
    pub fn scheme_text(&self) -> &str {
        &self.text[..usize::from(self.scheme_end)]
    }

    /// What follows the scheme's colon.
    #[must_use]
    pub fn opaque(&self) -> &str {
        &self.text[usize::from(self.scheme_end) + 1..]
    }

    /// The whole URI as it was read.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The user with its escapes; the number of a `tel` URI.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.map(|span| self.slice(span))
    }

    /// The user as a person would read it. Escapes that are not UTF-8 are an error; `%00` becomes U+0000, and whoever
    /// cannot carry that refuses it (RFC 4475 section 3.1.1.4).
    pub fn user_decoded(&self) -> Result<Option<Cow<'_, str>>, UriError> {
        self.user().map(decode).transpose()
    }

    /// The password with its escapes. RFC 3261 section 19.1.1 advises against having one.
    #[must_use]
    pub fn password(&self) -> Option<&str> {
        self.password.map(|span| self.slice(span))
    }

    /// The host; `None` for `tel` and opaque URIs.
    #[must_use]
    pub fn host(&self) -> Option<Host<'_>> {
        match self.host {
            HostPart::None => None,
            HostPart::Name(span) => Some(Host::Name(self.slice(span))),
            HostPart::V4(address) => Some(Host::V4(address)),
            HostPart::V6(address) => Some(Host::V6(address)),
        }
    }

    /// The port, if one is written; 5060 and no port are different things (RFC 3261 section 19.1.4).
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The parameters in order as (name, value), both raw; empty ones (`;;`) are skipped.
    pub fn params(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        pairs(self.slice(self.parameters), ';')
    }

    /// The raw value of the first parameter called `name`; `Some("")` if it stands without a value.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.unwrap_or(""))
    }

    /// The value of the first parameter called `name` with its escapes decoded.
    pub fn param_decoded(&self, name: &str) -> Result<Option<Cow<'_, str>>, UriError> {
        self.param(name).map(decode).transpose()
    }

    /// The header components (`?subject=hello&priority=urgent`) in order as (name, value), both raw.
    pub fn headers(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let text = self.slice(self.headers);
        pairs(text.strip_prefix('?').unwrap_or(text), '&')
    }

    fn slice(&self, span: Span) -> &str {
        self.text.get(usize::from(span.start)..usize::from(span.end)).unwrap_or("")
    }

    fn has_parts(&self) -> bool {
        !matches!(self.scheme, Scheme::Other)
    }

    fn read_address(&mut self, text: &str, start: usize) -> Result<(), UriError> {
        let mut host = start;
        if let Some(at) = memchr::memchr(b'@', &text.as_bytes()[start..]).map(|offset| start + offset) {
            self.read_userinfo(text, start, at)?;
            host = at + 1;
        }
        let rest = self.read_host(text, host)?;
        self.read_parts(text, rest)
    }

    fn read_userinfo(&mut self, text: &str, start: usize, end: usize) -> Result<(), UriError> {
        let mut user_end = end;
        if let Some(offset) = memchr::memchr(b':', &text.as_bytes()[start..end]) {
            user_end = start + offset;
            check_escaped(&text[user_end + 1..end], PASSWORD)?;
            self.password = Some(span(user_end + 1, end));
        }
        if user_end == start {
            return Err(UriError::User);
        }
        check_escaped(&text[start..user_end], USER)?;
        self.user = Some(span(start, user_end));
        Ok(())
    }

    /// Reads host and port, and gives the place where they end.
    fn read_host(&mut self, text: &str, start: usize) -> Result<usize, UriError> {
        let rest = &text[start..];
        let length = if rest.starts_with('[') {
            rest.find(']').map(|at| at + 1).ok_or(UriError::Host)?
        } else {
            rest.bytes().position(|byte| matches!(byte, b':' | b';' | b'?')).unwrap_or(rest.len())
        };
        self.host = match Host::parse(&rest[..length]).ok_or(UriError::Host)? {
            Host::Name(_) => HostPart::Name(span(start, start + length)),
            Host::V4(address) => HostPart::V4(address),
            Host::V6(address) => HostPart::V6(address),
        };
        let after = &rest[length..];
        let Some(digits) = after.strip_prefix(':') else { return Ok(start + length) };
        let digits = &digits[..digits.find([';', '?']).unwrap_or(digits.len())];
        self.port = Some(parse_port(digits).ok_or(UriError::Port)?);
        Ok(start + length + 1 + digits.len())
    }

    fn read_number(&mut self, text: &str, start: usize) -> Result<(), UriError> {
        let end = text[start..].find([';', '?']).map_or(text.len(), |offset| start + offset);
        if end == start {
            return Err(UriError::User);
        }
        check_escaped(&text[start..end], USER)?;
        self.user = Some(span(start, end));
        self.read_parts(text, end)
    }

    fn read_parts(&mut self, text: &str, start: usize) -> Result<(), UriError> {
        let headers = text[start..].find('?').map_or(text.len(), |offset| start + offset);
        let parameters = &text[start..headers];
        if !parameters.is_empty() && !parameters.starts_with(';') {
            return Err(UriError::Host);
        }
        check_escaped(parameters, PARAMETER)?;
        check_escaped(text[headers..].strip_prefix('?').unwrap_or(""), HEADER)?;
        self.parameters = span(start, headers);
        self.headers = span(headers, text.len());
        let parts = text.as_bytes()[start..].iter().filter(|byte| matches!(byte, b';' | b'&')).count();
        if parts > MAX_URI_PARTS { Err(UriError::TooLong) } else { Ok(()) }
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.text)
    }
}

impl PartialEq for Uri {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Uri {}

impl std::hash::Hash for Uri {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl std::str::FromStr for Uri {
    type Err = UriError;
    fn from_str(text: &str) -> Result<Self, UriError> {
        Self::parse(text)
    }
}

/// Decodes `%HH` escapes; what they spell must be UTF-8.
pub fn decode(text: &str) -> Result<Cow<'_, str>, UriError> {
    chars::decode(text)
}

fn scheme_end(text: &str) -> Option<usize> {
    let colon = memchr::memchr(b':', text.as_bytes())?;
    let scheme = &text.as_bytes()[..colon];
    let (first, rest) = scheme.split_first()?;
    let is_scheme = first.is_ascii_alphabetic()
        && rest.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    is_scheme.then_some(colon)
}

fn scheme_of(text: &str) -> Scheme {
    const KNOWN: [(&str, Scheme); 5] = [
        ("sip", Scheme::Sip),
        ("sips", Scheme::Sips),
        ("tel", Scheme::Tel),
        ("im", Scheme::Im),
        ("pres", Scheme::Pres),
    ];
    KNOWN.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map_or(Scheme::Other, |(_, scheme)| *scheme)
}

fn pairs(text: &str, separator: char) -> impl Iterator<Item = (&str, Option<&str>)> {
    text.split(separator).filter(|part| !part.is_empty()).map(|part| match part.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (part, None),
    })
}

fn span(start: usize, end: usize) -> Span {
    Span { start: narrow(start), end: narrow(end) }
}

/// Offsets fit: no URI is longer than [`MAX_URI`].
fn narrow(offset: usize) -> u16 {
    u16::try_from(offset).unwrap_or(u16::MAX)
}
