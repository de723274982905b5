//! XMPP addresses (RFC 7622): localpart, domainpart, resourcepart, each in its one canonical form.
//!
//! A localpart is PRECIS UsernameCaseMapped (RFC 8265) less eight characters, a resourcepart PRECIS OpaqueString, a
//! domainpart a list of U-labels, or an IP literal. ASCII, which is nearly all there is, takes a short way.

mod prepare;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use prepare::{Prepare, peer_local, peer_resource, strict_local, strict_resource};

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
        Self::parse_with(text, strict_local, strict_resource)
    }

    /// Reads an address that a server has already accepted. What PRECIS refuses but older rules (stringprep) or newer
    /// tables of Unicode allow is kept as it is, so that such users can be answered; what would break the syntax is
    /// still refused.
    pub fn parse_peer(text: &str) -> Result<Self, JidError> {
        Self::parse_with(text, peer_local, peer_resource)
    }

    /// From parts, each brought into canonical form.
    pub fn new(local: Option<&str>, domain: &str, resource: Option<&str>) -> Result<Self, JidError> {
        let local = local.map(strict_local).transpose()?;
        let resource = resource.map(strict_resource).transpose()?;
        Self::assemble(local, prepare::domain(domain)?, resource)
    }

    fn parse_with(text: &str, local: Prepare, resource: Prepare) -> Result<Self, JidError> {
        if let Some((domain, end)) = prepare::is_prepared(text) {
            return Ok(Self { text: text.into(), domain, end });
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
        let domainpart = prepare::domain(domainpart)?;
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

    /// Whether it has no resourcepart.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        usize::from(self.end) == self.text.len()
    }
}

impl BareJid {
    /// Reads an address without a resourcepart; one that has a resourcepart is refused.
    pub fn parse(text: &str) -> Result<Self, JidError> {
        let jid = Jid::parse(text)?;
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
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use precis_core::profile::PrecisFastInvocation;
    use precis_profiles::{OpaqueString, UsernameCaseMapped};
    use prepare::excluded;
    use proptest::prelude::*;

    fn parts(text: &str) -> (Option<String>, String, Option<String>) {
        let jid = Jid::parse(text).unwrap();
        assert_eq!(Jid::parse(jid.as_str()), Ok(jid.clone()), "{text}");
        assert_eq!(Jid::new(jid.local(), jid.domain(), jid.resource()), Ok(jid.clone()), "{text}");
        (jid.local().map(str::to_owned), jid.domain().to_owned(), jid.resource().map(str::to_owned))
    }

    fn owned(local: &str, domain: &str, resource: &str) -> (Option<String>, String, Option<String>) {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        (some(local), domain.to_owned(), some(resource))
    }

    #[test]
    fn splits_at_the_first_slash_and_then_at_the_first_at() {
        assert_eq!(parts("a.example/b@example.net/c"), owned("", "a.example", "b@example.net/c"));
        assert_eq!(parts("juliet@example.com/foo@bar"), owned("juliet", "example.com", "foo@bar"));
        for bad in ["", "@", "/", "a@", "@a", "a@b@c", "a/", "/a", "a@/b", " a@b", "a@b c"] {
            assert!(Jid::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn domains_are_u_labels_in_lower_case_without_a_final_dot() {
        assert_eq!(parts("Example.COM."), owned("", "example.com", ""));
        assert_eq!(parts("xn--fuball-cta.example"), owned("", "fußball.example", ""));
        assert_eq!(parts("XN--FUBALL-CTA.example"), owned("", "fußball.example", ""));
        assert_eq!(parts("BÜCHER。example。"), owned("", "bücher.example", ""));
        assert_eq!(parts("ｅｘａｍｐｌｅ.com"), owned("", "example.com", ""));
        for bad in [
            "a..b",
            "..",
            ".",
            ".a",
            "-a.b",
            "a-.b",
            "a_b.c",
            "a b",
            "xn--\u{fc}.a",
            "xn--a.b",
            "\u{200b}.a",
            "a\u{ff20}b",
            "a\u{0}",
        ] {
            assert!(Jid::parse(bad).is_err(), "{bad}");
        }
        assert!(Jid::parse(&format!("{}.a", "x".repeat(64))).is_err());
    }

    #[test]
    fn addresses_may_stand_for_domains() {
        assert_eq!(parts("a@192.0.2.1"), owned("a", "192.0.2.1", ""));
        assert_eq!(parts("a@[2001:DB8::0:1]/b"), owned("a", "[2001:db8::1]", "b"));
        for bad in ["[::1", "[]", "[1.2.3.4]", "::1", "[::1%eth0]", "[::1]x"] {
            assert!(Jid::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn localparts_are_usernames_less_eight_characters() {
        assert_eq!(parts("Juliet@a"), owned("juliet", "a", ""));
        assert_eq!(parts("ＪＵＬＩＥＴ@a"), owned("juliet", "a", ""));
        assert_eq!(parts("Fußball@a"), owned("fußball", "a", ""));
        assert_eq!(parts("Ä@a"), owned("ä", "a", ""));
        for bad in
            ["\"", "&", "'", ":", "<", ">", " ", "\u{ff20}", "\u{ff1a}", "Ⅳ", "♚", "ſ\u{200b}", "a\u{5d0}", "\u{ad}a"]
        {
            assert_eq!(Jid::parse(&format!("{bad}@a")), Err(JidError::Local), "{bad}");
        }
    }

    #[test]
    fn resourceparts_keep_case_and_most_characters() {
        assert_eq!(parts("a/Foo Bar♚😀"), owned("", "a", "Foo Bar♚😀"));
        assert_eq!(parts("a/x\u{3000}y"), owned("", "a", "x y"));
        for bad in ["\u{0}", "\u{7f}", "a\nb"] {
            assert_eq!(Jid::parse(&format!("a/{bad}")), Err(JidError::Resource), "{bad}");
        }
    }

    #[test]
    fn each_part_has_at_most_1023_octets() {
        let longest = "x".repeat(MAX_PART);
        assert!(Jid::parse(&format!("{longest}@a/{longest}")).is_ok());
        assert_eq!(Jid::parse(&format!("{longest}x@a")), Err(JidError::TooLong));
        assert_eq!(Jid::parse(&format!("a/{longest}x")), Err(JidError::TooLong));
    }

    #[test]
    fn what_a_stringprep_server_accepted_can_be_addressed() {
        assert_eq!(Jid::parse_peer("♚@a/x").unwrap().local(), Some("♚"));
        assert_eq!(Jid::parse_peer("A@a").unwrap().local(), Some("a"));
        for bad in ["a b@a", "a:b@a", "a@a/\u{1}", "@a", "a@b_c"] {
            assert!(Jid::parse_peer(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn bare_addresses_are_made_and_compared() {
        let full = Jid::parse("a@b/c").unwrap();
        let bare = full.to_bare();
        assert_eq!((bare.as_str(), full.bare(), full.is_bare()), ("a@b", "a@b", false));
        assert_eq!(bare, BareJid::parse("A@B").unwrap());
        assert_eq!(bare.with_resource("c"), Ok(full.clone()));
        assert_eq!(full.to_domain().as_str(), "b");
        assert_eq!(full.to_domain().domain(), "b");
        assert!(BareJid::parse("a@b/c").is_err());
    }

    proptest! {
        #[test]
        fn canonical_form_is_canonical(text in "\\PC{0,12}(@\\PC{1,12})?(/\\PC{0,12})?") {
            if let Ok(jid) = Jid::parse(&text) {
                prop_assert_eq!(Jid::parse(jid.as_str()), Ok(jid.clone()));
            }
        }

        #[test]
        fn what_looks_prepared_is(text in "([a-z0-9.:@ -]{1,6}@)?[a-z0-9.xn-]{1,12}(/[ -~]{0,4})?") {
            if let Some((domain, end)) = prepare::is_prepared(&text) {
                let bare = &text[..usize::from(end)];
                let local = bare.find('@').map(|at| &bare[..at]);
                let resource = text.get(usize::from(end) + 1..);
                let slow = Jid::new(local, &bare[usize::from(domain)..], resource);
                prop_assert_eq!(slow.as_ref().map(Jid::as_str), Ok(text.as_str()));
            }
        }

        #[test]
        fn nothing_that_anybody_sends_is_too_odd(local in any::<String>(), domain in any::<String>(), resource in any::<String>()) {
            for text in [format!("{local}@{domain}/{resource}"), format!("{local}@a/{resource}"), format!("xn--{domain}.a"), local] {
                if let Ok(jid) = Jid::parse_peer(&text) {
                    prop_assert_eq!(Jid::parse_peer(jid.as_str()), Ok(jid));
                }
            }
        }

        #[test]
        fn ascii_takes_the_short_way_to_the_same_end(local in "[!-~]{1,8}", resource in "[ -~]{1,8}") {
            let long = UsernameCaseMapped::enforce(local.as_str()).unwrap();
            if let Ok(short) = strict_local(&local) {
                prop_assert_eq!(short, long);
            } else {
                prop_assert!(long.contains(excluded));
            }
            prop_assert_eq!(strict_resource(&resource).unwrap(), OpaqueString::enforce(resource.as_str()).unwrap());
        }
    }
}
