//! Stream headers (RFC 6120 section 4.7), read, judged and written.

use std::sync::Arc;

use super::{Role, ServerStream};
use crate::xml::ns;
use crate::xml::splitter::StreamHeader;
use crate::xmpp::jid::Jid;
use crate::xmpp::stream::component::wrong_namespace;
use crate::xmpp::stream::{StreamError, StreamErrorKind};

/// What a header says of the version (RFC 6120 section 4.7.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::xmpp::stream) enum Version {
    /// Before 1.0, which is also what it means to name none: no features, no TLS, no SASL.
    Old,
    /// 1.x, of which all but the 1 is ignored.
    One,
    /// A later one, or nothing that could be read.
    Other,
}

impl Version {
    pub(in crate::xmpp::stream) fn read(text: Option<&str>) -> Self {
        let Some(text) = text else { return Self::Old };
        let number = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
            true => text.parse::<u32>().ok(),
            false => None,
        };
        match text.split_once('.').map(|(major, minor)| (number(major), number(minor))) {
            Some((Some(0), Some(_))) => Self::Old,
            Some((Some(1), Some(_))) => Self::One,
            _ => Self::Other,
        }
    }
}

/// What a header holds that counts here.
pub(super) struct Header {
    pub(super) from: Address,
    pub(super) to: Address,
    pub(super) id: String,
    pub(super) version: Version,
    pub(super) dialback: bool,
    pub(super) lang: Option<String>,
    /// It is no header of a stream between servers.
    pub(super) wrong: Option<StreamErrorKind>,
}

/// A domain that a header may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    Missing,
    Malformed,
    Domain(Arc<str>),
}

impl Address {
    pub(super) fn read(text: Option<&str>) -> Self {
        match text.map(domain) {
            None => Self::Missing,
            Some(None) => Self::Malformed,
            Some(Some(domain)) => Self::Domain(domain),
        }
    }

    pub(super) fn domain(&self) -> Option<&Arc<str>> {
        match self {
            Self::Domain(domain) => Some(domain),
            Self::Missing | Self::Malformed => None,
        }
    }
}

/// `text` as a domain and nothing else, in its one spelling.
pub(super) fn domain(text: &str) -> Option<Arc<str>> {
    let jid = Jid::parse_peer(text).ok()?;
    (jid.local().is_none() && jid.resource().is_none()).then(|| jid.domain().into())
}

impl Header {
    pub(super) fn read(header: &StreamHeader) -> Self {
        let root = &header.root;
        Self {
            from: Address::read(root.attr("from")),
            to: Address::read(root.attr("to")),
            id: root.attr("id").unwrap_or_default().to_owned(),
            version: Version::read(root.attr("version")),
            dialback: header.declared.iter().any(|ns| ns.as_str() == ns::DIALBACK),
            lang: root.lang().map(str::to_owned),
            wrong: wrong_namespace(header, ns::SERVER),
        }
    }
}

/// The default language of what we say to people.
const LANG: (&str, &str) = ("xml:lang", "en");
/// With this declared, peers know that we understand dialback (XEP-0220 section 2.4.1).
const DECLARED: [(&str, &str); 1] = [("xmlns:db", ns::DIALBACK)];

impl ServerStream {
    /// The header of the end that has opened the stream. It has no id (RFC 6120 section 4.7.3).
    pub(super) fn write_first_header(&mut self) {
        let from = self.local.as_deref().unwrap_or_default();
        let to = self.remote.as_deref().unwrap_or_default();
        self.core.open(&DECLARED, &[("from", from), ("to", to), ("version", "1.0"), LANG]);
    }

    /// The header that answers `header`, with a new id. It comes before all that may be wrong with that one
    /// (section 4.9.1.2), and names as ours only a domain that we serve (section 4.9.1.3).
    pub(super) fn write_answering_header(&mut self, header: &Header) {
        let Role::Accepting(side) = &mut self.role else { return };
        self.id = side.ids.token();
        let hosted = header.to.domain().filter(|to| (self.config.hosts)(to));
        let mut attributes = vec![("from", hosted.map_or("", |to| to)), ("id", self.id.as_str())];
        if let Some(to) = header.from.domain() {
            attributes.push(("to", to));
        }
        // Section 4.7.5: the lower of both versions, and none to a peer from before 1.0.
        if header.version != Version::Old {
            attributes.push(("version", "1.0"));
        }
        attributes.push(LANG);
        self.core.open(&DECLARED, &attributes);
    }

    /// The header that comes before an error where the peer's could not even be read.
    pub(super) fn write_header_of_refusal(&mut self) {
        let Role::Accepting(side) = &mut self.role else { return };
        self.id = side.ids.token();
        self.core.open(&DECLARED, &[("from", ""), ("id", &self.id), ("version", "1.0"), LANG]);
    }

    /// What RFC 6120 section 4.9.3 calls what is wrong with the first header of a stream.
    pub(super) fn wrong_with(&self, header: &Header) -> Option<StreamError> {
        use StreamErrorKind as Kind;
        // Before version 1.0 domains were named by dialback alone.
        let needed = header.version != Version::Old || !header.dialback;
        let error = |kind, text| Some(StreamError::new(kind, text));
        match (header.wrong, header.version, &header.to, &header.from) {
            (Some(kind), ..) => Some(kind.into()),
            (_, Version::Other, ..) => error(Kind::UnsupportedVersion, "this is XMPP 1.0"),
            (_, _, Address::Malformed, _) => error(Kind::ImproperAddressing, "to is no domain"),
            (_, _, Address::Missing, _) if needed => error(Kind::ImproperAddressing, "the header has no to"),
            (_, _, Address::Domain(to), _) if !(self.config.hosts)(to) => Some(Kind::HostUnknown.into()),
            (_, _, _, Address::Malformed) => error(Kind::ImproperAddressing, "from is no domain"),
            // Section 4.7.1: before TLS it may be left out, lest others read it.
            (_, _, _, Address::Missing) if needed && self.tls.is_some() => {
                error(Kind::ImproperAddressing, "the header has no from")
            }
            (_, _, _, Address::Domain(from)) if !self.partner(from).allowed => {
                error(Kind::PolicyViolation, "this domain is not allowed here")
            }
            (_, _, _, from) => match (&self.authenticated, from.domain()) {
                (Some((proven, _)), from) if from != Some(proven) => {
                    error(Kind::InvalidFrom, "from is not who was authenticated")
                }
                _ => None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_numbers_not_texts() {
        let read = |text| Version::read(Some(text));
        assert!(["1.0", "1.10", "01.00", "1.4294967295"].iter().all(|text| read(text) == Version::One));
        assert!(["0.9", "0.10"].iter().all(|text| read(text) == Version::Old));
        let other = ["2.0", "11.0", "10.1", "", "1", "one", "-1.0", "+1.0", "1.0.0", " 1.0", "99999999999.0"];
        assert!(other.iter().all(|text| read(text) == Version::Other));
        assert_eq!(Version::read(None), Version::Old);
    }

    #[test]
    fn only_a_domain_is_a_domain() {
        assert_eq!(domain("Example.ORG").as_deref(), Some("example.org"));
        for text in ["", "a@example.org", "example.org/r", "a b", "<"] {
            assert_eq!(domain(text), None, "{text}");
        }
    }
}
