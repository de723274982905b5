//! JID <-> [`Address`] <-> SIP URI, by the algorithms of RFC 7247 sections 6.4 and 6.5.
//!
//! Where the RFC is silent or contradicts itself, the decisions are these:
//!
//! * All ten sequences of XEP-0106 are undone and made, in one pass, not the three that the algorithms name: percent
//!   decoding can give any of the ten, and without `\5c` two users would share one JID (A-ADDR-02, A-ADDR-03).
//! * `&`, `'` and `/` stand raw in a SIP URI, as section 6.5 has it; both forms are read (A-ADDR-05).
//! * `;gr=x`, not `/;gr=x` (A-ADDR-01), everything outside RFC 3261 `paramchar` escaped (A-ADDR-07); `gr` without a
//!   value is a temporary GRUU and not mapped (section 6.3).
//! * In `im:` and `pres:` a dot stays unless it is first, last or doubled (A-ADDR-06).
//! * Users fold to lower case on the way to XMPP (RFC 7622 section 3.3); a table of pairs keeps a SIP spelling that
//!   has capitals (A-ADDR-04).
//! * A part that has more than 1023 octets after escaping is refused (A-ADDR-11).

use super::Mapping;
use super::domain::{ANY, DomainMapping, Home, UriForm, WILDCARD_SEPARATOR};
use super::host::{ascii_host, host_of_address, lower_host, unicode_domain};
use super::number::{NumberError, NumberUri};
use crate::model::{Address, Failure, Reason};
use crate::sip::uri::{Host, Scheme, Uri};
use crate::xmpp::escape::{escape_local, unescape_local};
use crate::xmpp::jid::Jid;
use std::borrow::Cow;
use std::fmt::Write;

/// Why an address has no counterpart on the other side.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// `sips:` is not translated.
    #[error("sips: addresses are not translated (RFC 7247 section 8)")]
    Secure,
    /// A scheme that is none of sip, im, pres, tel.
    #[error("{0}: addresses are not mapped")]
    Scheme(String),
    /// A `tel` URI with a number that is nobody's, or that several domains have.
    #[error("the number is nobody's: no table of a [[domain]] names it, and no [domain.numbers] has it alone")]
    NobodysNumber,
    /// A number with parameters that mean somebody else.
    #[error("{0} (RFC 3966)")]
    Number(#[from] NumberError),
    /// Percent escapes that do not make UTF-8.
    #[error("the user part is not UTF-8 after decoding (RFC 7247 section 6.4 step 4)")]
    NotUtf8,
    /// No mapping for the domain.
    #[error("no [[domain]] maps {0}")]
    NoDomain(String),
    /// The user is spelt so on one side that another user owns the spelling on the other.
    #[error("the rules give `{0}` to somebody else, so an answer would go astray")]
    Shadowed(String),
    /// A SIP user of a wildcard domain that does not say which domain.
    #[error("a user of {0} is written user*domain@{0}")]
    NoInnerDomain(String),
    /// A domain inside a wildcard user that has a SIP spelling of its own.
    #[error("{0} has a [[domain]] of its own; use its own SIP domain")]
    InnerDomainMapped(String),
    /// What remains cannot be a JID.
    #[error("no JID can be made of it: {0}")]
    NoJid(String),
    /// What remains cannot be a URI.
    #[error("no SIP URI can be made of it: {0}")]
    NoUri(String),
}

impl From<AddressError> for Failure {
    fn from(error: AddressError) -> Self {
        let reason = match &error {
            AddressError::Secure => return Reason::SecureSchemeRefused.into(),
            AddressError::Scheme(_) | AddressError::NobodysNumber => Reason::SchemeUnsupported,
            AddressError::NoDomain(_) => Reason::ServerNotFound,
            AddressError::Shadowed(_) | AddressError::NoInnerDomain(_) | AddressError::InnerDomainMapped(_) => {
                Reason::AddressUnknown
            }
            AddressError::NotUtf8 | AddressError::NoJid(_) | AddressError::NoUri(_) | AddressError::Number(_) => {
                Reason::AddressUnmappable
            }
        };
        Failure::because(reason, error.to_string())
    }
}

impl Mapping {
    /// RFC 7247 section 6.5 steps 1 to 3. Every JID is an address.
    #[must_use]
    pub fn jid_to_address(&self, jid: &Jid) -> Address {
        Address {
            user: jid.local().map(unescape_local),
            domain: jid.domain().to_owned(),
            instance: jid.resource().map(str::to_owned),
        }
    }

    /// RFC 7247 section 6.4 steps 5 to 8. A user whom an XMPP server has is spelled as that server may spell it, by older
    /// rules than RFC 7622, since it has to be answered; one of SIP's is not.
    ///
    /// # Errors
    /// [`AddressError::NoJid`] where XEP-0106 or RFC 7622 allows none.
    pub fn address_to_jid(&self, address: &Address) -> Result<Jid, AddressError> {
        let local = address.user.as_deref().map(escaped_local).transpose()?;
        let (local, domain, resource) = (local.as_deref(), address.domain.as_str(), address.instance.as_deref());
        let jid = Jid::new(local, domain, resource).or_else(|error| {
            let home = self.domain_of_xmpp(domain).map(|domain| domain.home);
            // As it stands and not folded: RFC 7622 has no user of whom that would be another spelling.
            let peer = Jid::new_peer(local, domain, resource).ok().filter(|jid| jid.local() == local);
            peer.filter(|_| home == Some(Home::Xmpp)).ok_or(error)
        });
        jid.map_err(|error| AddressError::NoJid(error.to_string()))
    }

    /// RFC 7247 section 6.4 steps 1 to 6 for a `sip`, `sips`, `im` or `pres` URI, and `tel` where the number is somebody's:
    /// a recipient's. That a *request* to a `sips` URI must not be translated (section 8) is for who reads requests.
    ///
    /// # Errors
    /// [`AddressError`] says why there is none.
    pub fn uri_to_address(&self, uri: &Uri) -> Result<Address, AddressError> {
        match uri.scheme() {
            Scheme::Sip | Scheme::Sips | Scheme::Im | Scheme::Pres => {}
            Scheme::Tel => return self.number_to_address(uri, Home::Xmpp),
            Scheme::Other => return Err(AddressError::Scheme(uri.scheme_text().to_owned())),
        }
        let host = host_text(uri);
        let Some(domain) = self.domain_of_sip(&host, uri.port()) else {
            return Err(AddressError::NoDomain(host.into_owned()));
        };
        self.resolve(domain, uri, &host)
    }

    /// The same, a domain that no mapping names being the same on both sides: for addresses that are only told, such as
    /// where somebody moved to.
    ///
    /// # Errors
    /// As [`Mapping::uri_to_address`], never [`AddressError::NoDomain`].
    pub fn uri_to_address_anywhere(&self, uri: &Uri) -> Result<Address, AddressError> {
        match self.uri_to_address(uri) {
            Err(AddressError::NoDomain(host)) => {
                let domain = DomainMapping::new(Home::Sip, &host, &host, None);
                self.resolve(&domain, uri, &host)
            }
            other => other,
        }
    }

    pub(super) fn resolve(&self, domain: &DomainMapping, uri: &Uri, host: &str) -> Result<Address, AddressError> {
        let user = uri.user_decoded().map_err(|_| AddressError::NotUtf8)?;
        let instance = match uri.param("gr") {
            None | Some("") => None,
            Some(_) => uri.param_decoded("gr").map_err(|_| AddressError::NotUtf8)?.map(Cow::into_owned),
        };
        let (user, xmpp_domain) = match user {
            _ if domain.is_wildcard() => self.split_wildcard(user.as_deref(), host)?,
            None => (None, domain.xmpp.clone()),
            Some(user) => {
                let user = domain.phone_user(uri, user)?;
                let spelt = domain.to_xmpp(&user).ok_or_else(|| AddressError::Shadowed(user.into_owned()))?;
                (Some(spelt.0), domain.xmpp.clone())
            }
        };
        self.canonical(Address { user, domain: xmpp_domain, instance })
    }

    /// `user*domain`, split at the last separator; `*domain` is the domain itself.
    fn split_wildcard(&self, user: Option<&str>, host: &str) -> Result<(Option<String>, String), AddressError> {
        let split = user.and_then(|user| user.rsplit_once(WILDCARD_SEPARATOR)).filter(|(_, domain)| !domain.is_empty());
        let Some((user, domain)) = split else { return Err(AddressError::NoInnerDomain(host.to_owned())) };
        let domain = unicode_domain(domain);
        if domain == ANY || self.domain_of_xmpp_exact(&domain).is_some() {
            return Err(AddressError::InnerDomainMapped(domain));
        }
        Ok(((!user.is_empty()).then(|| user.to_owned()), domain))
    }

    /// The one spelling of an address that came from SIP: what the JID of it would give back.
    fn canonical(&self, address: Address) -> Result<Address, AddressError> {
        let plain = |text: &str| {
            text.len() <= 256
                && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'+'))
        };
        if address.instance.is_none() && address.user.as_deref().is_none_or(plain) && plain(&address.domain) {
            return Ok(address);
        }
        Ok(self.jid_to_address(&self.address_to_jid(&address)?))
    }

    /// RFC 7247 section 6.5 steps 4 to 8.
    ///
    /// # Errors
    /// [`AddressError`] says why there is none.
    pub fn address_to_uri(&self, address: &Address) -> Result<Uri, AddressError> {
        let domain =
            self.domain_of_xmpp(&address.domain).ok_or_else(|| AddressError::NoDomain(address.domain.clone()))?;
        self.spell(domain, address)
    }

    /// The same, a domain that no mapping names being the same on both sides.
    ///
    /// # Errors
    /// As [`Mapping::address_to_uri`], never [`AddressError::NoDomain`].
    pub fn address_to_uri_anywhere(&self, address: &Address) -> Result<Uri, AddressError> {
        match self.domain_of_xmpp(&address.domain) {
            Some(domain) => self.spell(domain, address),
            None => self.spell(&DomainMapping::new(Home::Sip, &address.domain, &address.domain, None), address),
        }
    }

    fn spell(&self, domain: &DomainMapping, address: &Address) -> Result<Uri, AddressError> {
        let user: Option<Cow<'_, str>> = match &address.user {
            user if domain.is_wildcard() => {
                let user = user.as_deref().unwrap_or_default();
                Some(format!("{user}{WILDCARD_SEPARATOR}{}", ascii_host(&address.domain)).into())
            }
            None => None,
            Some(user) if domain.is_plain() => Some(user.into()),
            Some(user) => {
                let spelt = domain.to_sip(user).ok_or_else(|| AddressError::Shadowed(user.clone()))?;
                Some(spelt.0.into())
            }
        };
        let mut text = String::with_capacity(64);
        let number = user.as_deref().and_then(|user| domain.number_uri(user));
        if let Some((plan, NumberUri::Tel)) = number {
            return plan
                .tel(user.as_deref().unwrap_or_default())
                .map_err(|error| AddressError::NoUri(error.to_string()));
        }
        text.push_str(match domain.form {
            UriForm::Sip => "sip:",
            UriForm::Im => "im:",
        });
        if let Some(user) = user {
            push_user(&user, domain.form, &mut text);
            text.push('@');
        }
        text.push_str(&domain.sip_host);
        if let Some(port) = domain.sip_port {
            let _ = write!(text, ":{port}");
        }
        if matches!(number, Some((_, NumberUri::Phone))) {
            text.push_str(";user=phone");
        }
        let instance = address.instance.as_deref().filter(|_| domain.form == UriForm::Sip);
        if let Some(instance) = instance.filter(|_| domain.gruu || domain.home == Home::Sip) {
            text.push_str(";gr=");
            push_escaped(instance, is_paramchar, &mut text);
        }
        Uri::parse(&text).map_err(|error| AddressError::NoUri(error.to_string()))
    }
}

/// Whether `user` is what the JID made of it would give back: folded, no space at its ends, short enough.
#[must_use]
pub fn is_canonical_user(user: &str) -> bool {
    let jid = escaped_local(user).ok().and_then(|local| Jid::new(Some(&local), "example.com", None).ok());
    jid.is_some_and(|jid| jid.local().map(unescape_local).as_deref() == Some(user))
}

fn escaped_local(user: &str) -> Result<Cow<'_, str>, AddressError> {
    if user.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'+')) {
        return Ok(user.into());
    }
    let escaped = escape_local(user).map(Cow::Owned);
    escaped.ok_or_else(|| AddressError::NoJid("a space first or last (XEP-0106 section 4.1)".to_owned()))
}

/// The host of a URI as [`DomainMapping::sip_host`] has it.
pub(super) fn host_text(uri: &Uri) -> Cow<'_, str> {
    match uri.host() {
        Some(Host::Name(name)) => lower_host(name),
        Some(Host::V4(address)) => host_of_address(address.into()).into(),
        Some(Host::V6(address)) => host_of_address(address.into()).into(),
        None => "".into(),
    }
}

/// RFC 7247 section 6.5 step 5. The characters it does not list but no URI may hold are escaped as well.
pub(super) fn push_user(user: &str, form: UriForm, out: &mut String) {
    match form {
        UriForm::Sip => push_escaped(user, is_sip_user, out),
        UriForm::Im => {
            let mut previous = b'.';
            let last = user.len().saturating_sub(1);
            for (at, &byte) in user.as_bytes().iter().enumerate() {
                let inner_dot = byte == b'.' && previous != b'.' && at != last;
                push_byte(byte, inner_dot || is_im_user(byte), out);
                previous = byte;
            }
        }
    }
}

fn push_escaped(text: &str, plain: fn(u8) -> bool, out: &mut String) {
    for &byte in text.as_bytes() {
        push_byte(byte, plain(byte), out);
    }
}

/// Appends `byte`, percent-encoded unless `plain`.
pub(super) fn push_byte(byte: u8, plain: bool, out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    if plain {
        out.push(char::from(byte));
    } else {
        out.push('%');
        out.push(char::from(HEX[usize::from(byte >> 4)]));
        out.push(char::from(HEX[usize::from(byte & 15)]));
    }
}

/// RFC 3261 section 25.1: unreserved / user-unreserved.
fn is_sip_user(byte: u8) -> bool {
    is_unreserved(byte) || matches!(byte, b'&' | b'=' | b'+' | b'$' | b',' | b';' | b'?' | b'/')
}

/// The `atext` of RFC 5322 as far as RFC 3986 lets it stand in a URI; the dot is the caller's.
fn is_im_user(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'/' | b'=' | b'?' | b'_' | b'~')
}

/// RFC 3261 section 25.1: paramchar.
fn is_paramchar(byte: u8) -> bool {
    is_unreserved(byte) || matches!(byte, b'[' | b']' | b'/' | b':' | b'&' | b'+' | b'$')
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')')
}

#[cfg(test)]
mod tests;
