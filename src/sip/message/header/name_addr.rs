//! Headers that name somebody or some place: From, To, Contact, Route and their like (RFC 3261 section 20.10).

use super::{BadHeader, Header, Params};
use crate::sip::message::{Name, lex};
use crate::sip::uri::Uri;
use std::borrow::Cow;

/// `"display name" <uri>;params`, or a bare `uri;params`, in which the parameters belong to the header (RFC 3261
/// section 20).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameAddr {
    /// As it stood in the message.
    display: Vec<u8>,
    /// Who or where.
    pub uri: Uri,
    /// The header's parameters.
    pub params: Params,
}

impl NameAddr {
    /// An address without display name and parameters.
    #[must_use]
    pub fn new(uri: Uri) -> Self {
        Self { display: Vec::new(), uri, params: Params::default() }
    }

    /// This address with a display name, which is printed quoted.
    #[must_use]
    pub fn with_display(mut self, display: &str) -> Self {
        self.display.clear();
        lex::push_quoted(display.as_bytes(), &mut self.display);
        self
    }

    /// This address with a parameter.
    #[must_use]
    pub fn with_param(mut self, name: &str, value: Option<&str>) -> Self {
        self.params.set(name, value);
        self
    }

    /// This address with a tag.
    #[must_use]
    pub fn with_tag(self, tag: &str) -> Self {
        self.with_param("tag", Some(tag))
    }

    /// The display name for people: without quotes and folds; `None` if there is none or it is empty.
    #[must_use]
    pub fn display(&self) -> Option<Cow<'_, str>> {
        if self.display.is_empty() {
            return None;
        }
        let flat = lex::unfold(&self.display);
        let plain = lex::unquote(&flat);
        let text = String::from_utf8_lossy(&plain).trim().to_owned();
        (!text.is_empty()).then_some(Cow::Owned(text))
    }

    /// The tag of a From or To (RFC 3261 section 19.3). Some peers quote it; the quotes are no part of it.
    #[must_use]
    pub fn tag(&self) -> Option<Cow<'_, str>> {
        self.params.unquoted("tag")
    }

    fn read(value: &[u8]) -> Option<Self> {
        let (display, rest) = match lex::quoted_len(value) {
            Some(length) => value.split_at(length),
            None if value.first() == Some(&b'"') => return None,
            None => (&[][..], value),
        };
        let Some(open) = lex::find_outside(rest, b'<', false) else {
            return if display.is_empty() { Self::read_bare(value) } else { None };
        };
        let (before, rest) = rest.split_at(open);
        let display = if display.is_empty() { lex::trim(before) } else { display };
        if value.starts_with(b"\"") && !lex::trim(before).is_empty() || !is_display(display) {
            return None;
        }
        let close = memchr::memchr(b'>', rest)?;
        // White space inside the brackets is against the grammar, but there is only one thing it can mean
        // (RFC 4475 section 3.1.2.14).
        let uri = Uri::parse_bytes(lex::trim(&rest[1..close])).ok()?;
        Some(Self { display: display.to_vec(), uri, params: Params::parse(&rest[close + 1..])? })
    }

    /// RFC 3261 section 20.10: without brackets, `;` begins the header's parameters, and a URI with `?` or `,` may not
    /// stand at all.
    fn read_bare(value: &[u8]) -> Option<Self> {
        let end = memchr::memchr(b';', value).unwrap_or(value.len());
        let uri = lex::trim(&value[..end]);
        if memchr::memchr2(b'?', b',', uri).is_some() {
            return None;
        }
        Some(Self { display: Vec::new(), uri: Uri::parse_bytes(uri).ok()?, params: Params::parse(&value[end..])? })
    }

    fn write(&self, out: &mut Vec<u8>) {
        if !self.display.is_empty() {
            out.extend_from_slice(&lex::unfold(&self.display));
            out.push(b' ');
        }
        out.push(b'<');
        out.extend_from_slice(self.uri.as_str().as_bytes());
        out.push(b'>');
        self.params.print(out);
    }
}

/// A quoted string, or words. Words should be tokens, but names with dots, commas or letters beyond ASCII are common
/// and in front of `<` cannot be anything else (RFC 4475 section 3.1.2.15).
fn is_display(text: &[u8]) -> bool {
    if text.first() == Some(&b'"') {
        return true;
    }
    !text
        .iter()
        .any(|byte| matches!(byte, b'"' | b'<' | b'>' | b'\\' | 0x7f) || (*byte < b' ' && !lex::is_space(*byte)))
}

macro_rules! name_addr_headers {
    ($($(#[$doc:meta])* $type:ident = $name:ident, list $list:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $type(pub NameAddr);

        impl std::ops::Deref for $type {
            type Target = NameAddr;
            fn deref(&self) -> &NameAddr {
                &self.0
            }
        }

        impl Header for $type {
            const NAME: Name<'static> = Name::$name;
            const LIST: bool = $list;

            fn parse(value: &[u8]) -> Result<Self, BadHeader> {
                NameAddr::read(value).map(Self).ok_or(BadHeader(Self::NAME))
            }

            fn print(&self, out: &mut Vec<u8>) {
                self.0.write(out);
            }
        }
    )*};
}

name_addr_headers! {
    /// Who asks (RFC 3261 section 20.20).
    From = FROM, list false;
    /// Who is asked, as the asker names them (RFC 3261 section 20.39).
    To = TO, list false;
    /// A place the request shall pass (RFC 3261 section 20.34).
    Route = ROUTE, list true;
    /// A place that wants to stay on the way (RFC 3261 section 20.30).
    RecordRoute = RECORD_ROUTE, list true;
    /// A place between registrar and user agent (RFC 3327).
    Path = PATH, list true;
    /// A place a registered user agent shall go through (RFC 3608).
    ServiceRoute = SERVICE_ROUTE, list true;
    /// Who asks, according to a trusted network (RFC 3325 section 9.1).
    PAssertedIdentity = P_ASSERTED_IDENTITY, list true;
    /// Who asks, as the user agent would like it asserted (RFC 3325 section 9.2).
    PPreferredIdentity = P_PREFERRED_IDENTITY, list true;
    /// Where a return shall go that is not From (RFC 3261 section 20.31).
    ReplyTo = REPLY_TO, list false;
    /// Who shall be contacted instead (RFC 3515).
    ReferTo = REFER_TO, list false;
    /// Who sent us there (RFC 3892).
    ReferredBy = REFERRED_BY, list false;
}

/// Where its sender can be reached (RFC 3261 section 20.10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contact {
    /// `*`: all of them, in a REGISTER that removes them (RFC 3261 section 10.2.2).
    All,
    /// One place.
    At(NameAddr),
}

impl Contact {
    /// The address, unless it is `*`.
    #[must_use]
    pub fn address(&self) -> Option<&NameAddr> {
        match self {
            Contact::All => None,
            Contact::At(address) => Some(address),
        }
    }
}

impl Header for Contact {
    const NAME: Name<'static> = Name::CONTACT;
    const LIST: bool = true;

    fn parse(value: &[u8]) -> Result<Self, BadHeader> {
        if value == b"*" {
            return Ok(Contact::All);
        }
        NameAddr::read(value).map(Contact::At).ok_or(BadHeader(Name::CONTACT))
    }

    fn print(&self, out: &mut Vec<u8>) {
        match self {
            Contact::All => out.push(b'*'),
            Contact::At(address) => address.write(out),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn from(text: &str) -> From {
        From::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn bare_uris_leave_their_parameters_to_the_header() {
        let from = from("sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n");
        assert_eq!(from.uri.as_str(), "sip:vivekg@chair-dnrc.example.com");
        assert_eq!(from.tag().unwrap(), "1918181833n");
        assert_eq!(from.display(), None);
    }

    #[test]
    fn quoted_names_may_hold_anything() {
        let from = from("\"J Rosenberg \\\\\\\" <;,>\"       <sip:jdrosen@example.com;lr>\r\n  ;\r\n  tag = 98asjd8");
        assert_eq!(from.display().unwrap(), "J Rosenberg \\\" <;,>");
        assert_eq!((from.uri.as_str(), from.tag().unwrap().as_ref()), ("sip:jdrosen@example.com;lr", "98asjd8"));
    }

    #[test]
    fn unquoted_names_are_taken_as_they_are() {
        for (text, name) in [
            ("caller<sip:c@e.com>", Some("caller")),
            ("Bell, A. <sip:c@e.com>", Some("Bell, A.")),
            ("Жанна <sip:c@e.com>", Some("Жанна")),
            ("\"\" <sip:c@e.com>", None),
            ("< sip:c@e.com >", None),
        ] {
            let from = from(text);
            assert_eq!(from.display().as_deref(), name, "{text}");
            assert_eq!(from.uri.as_str(), "sip:c@e.com");
        }
    }

    #[test]
    fn malformed_ones_are_refused() {
        for text in [
            "",
            "*",
            "\"Mr. J. User <sip:j.user@example.com>",
            "<sip:a@b",
            "sip:a@b>",
            "\"a\" b <sip:a@b>",
            "<sip:a@b> x",
            "sip:user@example.com?Route=%3Csip:sip.example.com%3E",
            "\"a\" sip:a@b",
            "a\"b <sip:a@b>",
        ] {
            assert_eq!(From::parse(text.as_bytes()), Err(BadHeader(Name::FROM)), "{text}");
        }
    }

    #[test]
    fn a_contact_may_be_a_star() {
        assert_eq!(Contact::parse(b"*"), Ok(Contact::All));
        assert_eq!(Contact::All.address(), None);
    }

    #[test]
    fn what_we_build_is_quoted_and_read_back() {
        let uri = Uri::parse("sip:juliet@example.com").unwrap();
        let from = From(NameAddr::new(uri).with_display("Juliet \"C\"\r\nX: y").with_tag("ab12"));
        let mut out = Vec::new();
        from.print(&mut out);
        assert_eq!(
            String::from_utf8(out.clone()).unwrap(),
            r#""Juliet \"C\"  X: y" <sip:juliet@example.com>;tag=ab12"#
        );
        assert_eq!(From::parse(&out), Ok(from));
    }
}
