//! XMPP addresses (RFC 7622): localpart, domainpart, resourcepart, each in its one canonical form.
//!
//! A localpart is PRECIS UsernameCaseMapped (RFC 8265) less eight characters, a resourcepart PRECIS OpaqueString, a
//! domainpart a list of U-labels, or an IP literal. ASCII, which is nearly all there is, takes a short way.
//!
//! # Characters that look alike
//! `jul\u{456}et` with a Cyrillic letter is another user than `juliet` (RFC 7622 section 7.3.2): nothing here makes one of two
//! because they look alike, and nothing refuses one, since in its own script it is somebody's name. What is invisible or a
//! variant of form (full width, ligatures, soft hyphens) does not survive. People who have to tell twins apart see them
//! spelled out: SIP URIs have octets escaped and domains as A-labels, and `stox explain` names each character.

mod prepare;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use prepare::{Prepare, peer_domain, peer_local, peer_resource, strict_domain, strict_local, strict_resource};

/// RFC 7622 sections 3.2 to 3.4: the most octets a part may have.
pub const MAX_PART: usize = 1023;

/// An address, bare or full. Copies share their text; two are equal if their text is.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Jid {
    text: Arc<str>,
    /// Where the domainpart starts: 0, or one after the `@`.
    domain: u16,
    /// Where the domainpart ends: the length, or where the `/` stands.
    end: u16,
}

/// An address without a resourcepart.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BareJid(Jid);

/// Why a text is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JidError {
    /// Nothing before `@`.
    #[error("the localpart is empty (RFC 7622 section 3.3)")]
    EmptyLocal,
    /// A character that no localpart may have, or mixed directions of writing.
    #[error("the localpart is no PRECIS username, or has one of \" & ' / : < > @ (RFC 7622 section 3.3)")]
    Local,
    /// No host name and no IP literal.
    #[error("the domainpart is no host name and no IP address (RFC 7622 section 3.2)")]
    Domain,
    /// Nothing after `/`.
    #[error("the resourcepart is empty (RFC 7622 section 3.4)")]
    EmptyResource,
    /// A control character, or another that PRECIS does not allow.
    #[error("the resourcepart is no PRECIS opaque string (RFC 7622 section 3.4)")]
    Resource,
    /// More than [`MAX_PART`] octets.
    #[error("a part has more than 1023 octets (RFC 7622 section 3)")]
    TooLong,
}

impl Jid {
    /// Reads an address and brings it into canonical form.
    pub fn parse(text: &str) -> Result<Self, JidError> {
        Self::parse_with(text, strict_local, strict_domain, strict_resource)
    }

    /// Reads an address that a server has already accepted. What PRECIS refuses but older rules (stringprep, IDNA2003) or
    /// newer tables of Unicode allow is kept in the form that those give it, so that such users can be answered; what would
    /// break the syntax is still refused.
    pub fn parse_peer(text: &str) -> Result<Self, JidError> {
        Self::parse_with(text, peer_local, peer_domain, peer_resource)
    }

    /// From parts, each brought into canonical form.
    pub fn new(local: Option<&str>, domain: &str, resource: Option<&str>) -> Result<Self, JidError> {
        let local = local.map(strict_local).transpose()?;
        let resource = resource.map(strict_resource).transpose()?;
        Self::assemble(local, strict_domain(domain)?, resource)
    }

    /// From parts of an address that [`Self::parse_peer`] has read, or might have: so that who wrote can be answered.
    pub fn new_peer(local: Option<&str>, domain: &str, resource: Option<&str>) -> Result<Self, JidError> {
        let local = local.map(peer_local).transpose()?;
        let resource = resource.map(peer_resource).transpose()?;
        Self::assemble(local, peer_domain(domain)?, resource)
    }

    fn parse_with(text: &str, local: Prepare, domain: Prepare, resource: Prepare) -> Result<Self, JidError> {
        if let Some((start, end)) = prepare::is_prepared(text) {
            return Ok(Self { text: text.into(), domain: start, end });
        }
        let bytes = text.as_bytes();
        let slash = memchr::memchr(b'/', bytes);
        let (bare, resourcepart) = match slash {
            Some(slash) => (&text[..slash], Some(&text[slash + 1..])),
            None => (text, None),
        };
        let (localpart, domainpart) = match memchr::memchr(b'@', bare.as_bytes()) {
            Some(at) => (Some(&bare[..at]), &bare[at + 1..]),
            None => (None, bare),
        };
        let localpart = localpart.map(local).transpose()?;
        let domainpart = domain(domainpart)?;
        let resourcepart = resourcepart.map(resource).transpose()?;
        Self::assemble(localpart, domainpart, resourcepart)
    }

    fn assemble(local: Option<Cow<str>>, domain: Cow<str>, resource: Option<Cow<str>>) -> Result<Self, JidError> {
        let length = |part: &Option<Cow<str>>| part.as_ref().map_or(0, |part| part.len());
        if length(&local) > MAX_PART || domain.len() > MAX_PART || length(&resource) > MAX_PART {
            return Err(JidError::TooLong);
        }
        let start = local.as_ref().map_or(0, |local| local.len() + 1);
        let end = start + domain.len();
        let mut text = String::with_capacity(end + length(&resource) + 1);
        if let Some(local) = local {
            text.push_str(&local);
            text.push('@');
        }
        text.push_str(&domain);
        if let Some(resource) = resource {
            text.push('/');
            text.push_str(&resource);
        }
        let offset = |at: usize| u16::try_from(at).map_err(|_| JidError::TooLong);
        Ok(Self { domain: offset(start)?, end: offset(end)?, text: text.into() })
    }

    /// What stands before the `@`.
    #[must_use]
    pub fn local(&self) -> Option<&str> {
        let at = usize::from(self.domain).checked_sub(1)?;
        self.text.get(..at)
    }

    /// The host name, or an IPv4 address, or an IPv6 address in brackets.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.text.get(usize::from(self.domain)..usize::from(self.end)).unwrap_or_default()
    }

    /// What stands after the `/`.
    #[must_use]
    pub fn resource(&self) -> Option<&str> {
        self.text.get(usize::from(self.end) + 1..)
    }

    /// The whole address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The address up to the `/`.
    #[must_use]
    pub fn bare(&self) -> &str {
        self.text.get(..usize::from(self.end)).unwrap_or_default()
    }

    /// The address up to the `/`, as one of its own.
    #[must_use]
    pub fn to_bare(&self) -> BareJid {
        if self.is_bare() {
            return BareJid(self.clone());
        }
        BareJid(Self { text: self.bare().into(), domain: self.domain, end: self.end })
    }

    /// The domainpart alone, as an address.
    #[must_use]
    pub fn to_domain(&self) -> BareJid {
        let text = self.domain();
        BareJid(Self { text: text.into(), domain: 0, end: self.end - self.domain })
    }

    /// Whether a server that still prepares by RFC 6122 may mean the same by both up to the `/`: it answers for `fussball`
    /// what was sent to `fußball`. Only to find what an answer belongs to; never to decide who may do what, for which
    /// addresses are equal or are not.
    #[must_use]
    pub fn resembles(&self, other: &Jid) -> bool {
        let resemble = match (self.local(), other.local()) {
            (Some(one), Some(two)) => prepare::resemble(one, two),
            (one, two) => one == two,
        };
        resemble && self.domain() == other.domain()
    }

    /// Whether it has no resourcepart.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        usize::from(self.end) == self.text.len()
    }
}

impl BareJid {
    /// Reads an address without a resourcepart; one that has a resourcepart is refused.
    pub fn parse(text: &str) -> Result<Self, JidError> {
        Self::of(Jid::parse(text)?)
    }

    /// The same of one that a server has accepted, as [`Jid::parse_peer`] has it: what was kept of such users is theirs.
    pub fn parse_peer(text: &str) -> Result<Self, JidError> {
        Self::of(Jid::parse_peer(text)?)
    }

    fn of(jid: Jid) -> Result<Self, JidError> {
        if jid.is_bare() { Ok(Self(jid)) } else { Err(JidError::Resource) }
    }

    /// What stands before the `@`.
    #[must_use]
    pub fn local(&self) -> Option<&str> {
        self.0.local()
    }

    /// The host name or IP literal.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.0.domain()
    }

    /// The whole address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The same as a [`Jid`].
    #[must_use]
    pub fn as_jid(&self) -> &Jid {
        &self.0
    }

    /// The full address with `resource`.
    pub fn with_resource(&self, resource: &str) -> Result<Jid, JidError> {
        let local = self.local().map(Cow::Borrowed);
        Jid::assemble(local, Cow::Borrowed(self.domain()), Some(strict_resource(resource)?))
    }
}

impl From<BareJid> for Jid {
    fn from(bare: BareJid) -> Self {
        bare.0
    }
}

impl std::str::FromStr for Jid {
    type Err = JidError;
    fn from_str(text: &str) -> Result<Self, JidError> {
        Self::parse(text)
    }
}

impl std::str::FromStr for BareJid {
    type Err = JidError;
    fn from_str(text: &str) -> Result<Self, JidError> {
        Self::parse(text)
    }
}

impl fmt::Display for Jid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Jid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.text, f)
    }
}

impl fmt::Display for BareJid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for BareJid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests;
