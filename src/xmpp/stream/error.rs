//! Stream errors (RFC 6120 section 4.9): each ends the stream.

use crate::xml::{self, Element, ErrorKind, ns, writer};

/// Why a stream ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamError {
    /// The defined condition.
    pub kind: StreamErrorKind,
    /// In words, for people and logs; never interpreted (RFC 6120 section 4.9.2).
    pub text: Option<String>,
    /// With [`StreamErrorKind::SeeOtherHost`]: where to go instead (section 4.9.3.19).
    pub host: Option<String>,
    /// The application's own condition beside the defined one (section 4.9.4).
    pub detail: Option<Box<Element>>,
}

/// The 25 defined conditions (RFC 6120 section 4.9.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StreamErrorKind {
    /// 4.9.3.1: XML that cannot be processed, where nothing says it better.
    BadFormat,
    /// 4.9.3.2
    BadNamespacePrefix,
    /// 4.9.3.3: another stream of the same name takes over, or holds on.
    Conflict,
    /// 4.9.3.4: no answer to what was sent.
    ConnectionTimeout,
    /// 4.9.3.5
    HostGone,
    /// 4.9.3.6
    HostUnknown,
    /// 4.9.3.7
    ImproperAddressing,
    /// 4.9.3.8
    InternalServerError,
    /// 4.9.3.9
    InvalidFrom,
    /// 4.9.3.10
    InvalidNamespace,
    /// 4.9.3.11
    InvalidXml,
    /// 4.9.3.12
    NotAuthorized,
    /// 4.9.3.13
    NotWellFormed,
    /// 4.9.3.14
    PolicyViolation,
    /// 4.9.3.15
    RemoteConnectionFailed,
    /// 4.9.3.16
    Reset,
    /// 4.9.3.17
    ResourceConstraint,
    /// 4.9.3.18
    RestrictedXml,
    /// 4.9.3.19
    SeeOtherHost,
    /// 4.9.3.20
    SystemShutdown,
    /// 4.9.3.21, also for every name that the RFC does not list.
    UndefinedCondition,
    /// 4.9.3.22
    UnsupportedEncoding,
    /// 4.9.3.23
    UnsupportedFeature,
    /// 4.9.3.24
    UnsupportedStanzaType,
    /// 4.9.3.25
    UnsupportedVersion,
}

impl StreamErrorKind {
    /// All of them, in the order of the RFC.
    pub const ALL: [StreamErrorKind; 25] = [
        Self::BadFormat,
        Self::BadNamespacePrefix,
        Self::Conflict,
        Self::ConnectionTimeout,
        Self::HostGone,
        Self::HostUnknown,
        Self::ImproperAddressing,
        Self::InternalServerError,
        Self::InvalidFrom,
        Self::InvalidNamespace,
        Self::InvalidXml,
        Self::NotAuthorized,
        Self::NotWellFormed,
        Self::PolicyViolation,
        Self::RemoteConnectionFailed,
        Self::Reset,
        Self::ResourceConstraint,
        Self::RestrictedXml,
        Self::SeeOtherHost,
        Self::SystemShutdown,
        Self::UndefinedCondition,
        Self::UnsupportedEncoding,
        Self::UnsupportedFeature,
        Self::UnsupportedStanzaType,
        Self::UnsupportedVersion,
    ];

    /// The name of its element.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BadFormat => "bad-format",
            Self::BadNamespacePrefix => "bad-namespace-prefix",
            Self::Conflict => "conflict",
            Self::ConnectionTimeout => "connection-timeout",
            Self::HostGone => "host-gone",
            Self::HostUnknown => "host-unknown",
            Self::ImproperAddressing => "improper-addressing",
            Self::InternalServerError => "internal-server-error",
            Self::InvalidFrom => "invalid-from",
            Self::InvalidNamespace => "invalid-namespace",
            Self::InvalidXml => "invalid-xml",
            Self::NotAuthorized => "not-authorized",
            Self::NotWellFormed => "not-well-formed",
            Self::PolicyViolation => "policy-violation",
            Self::RemoteConnectionFailed => "remote-connection-failed",
            Self::Reset => "reset",
            Self::ResourceConstraint => "resource-constraint",
            Self::RestrictedXml => "restricted-xml",
            Self::SeeOtherHost => "see-other-host",
            Self::SystemShutdown => "system-shutdown",
            Self::UndefinedCondition => "undefined-condition",
            Self::UnsupportedEncoding => "unsupported-encoding",
            Self::UnsupportedFeature => "unsupported-feature",
            Self::UnsupportedStanzaType => "unsupported-stanza-type",
            Self::UnsupportedVersion => "unsupported-version",
        }
    }

    /// The condition `name`, [`Self::UndefinedCondition`] if the RFC does not list it (section 4.9.2). Old peers write
    /// `xml-not-well-formed` (RFC 3920).
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        let name = name.strip_prefix("xml-").unwrap_or(name);
        Self::ALL.into_iter().find(|kind| kind.name() == name).unwrap_or(Self::UndefinedCondition)
    }
}

impl std::fmt::Display for StreamError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind.name())?;
        match (&self.host, &self.text) {
            (Some(host), _) => write!(f, ": {host}"),
            (None, Some(text)) => write!(f, ": {text}"),
            (None, None) => Ok(()),
        }
    }
}

impl std::error::Error for StreamError {}

impl From<StreamErrorKind> for StreamError {
    fn from(kind: StreamErrorKind) -> Self {
        Self { kind, text: None, host: None, detail: None }
    }
}

impl From<xml::Error> for StreamError {
    fn from(error: xml::Error) -> Self {
        let kind = match error.kind {
            ErrorKind::NotWellFormed => StreamErrorKind::NotWellFormed,
            ErrorKind::Restricted => StreamErrorKind::RestrictedXml,
            ErrorKind::Encoding => StreamErrorKind::UnsupportedEncoding,
            ErrorKind::Prefix => StreamErrorKind::BadNamespacePrefix,
            ErrorKind::Format => StreamErrorKind::BadFormat,
            ErrorKind::TooMuch(_) => StreamErrorKind::PolicyViolation,
        };
        Self::new(kind, error.what)
    }
}

impl StreamError {
    /// `kind`, explained in English.
    #[must_use]
    pub fn new(kind: StreamErrorKind, text: &str) -> Self {
        Self { kind, text: Some(text.to_owned()), host: None, detail: None }
    }

    /// Reads `<stream:error/>`.
    #[must_use]
    pub fn from_element(element: &Element) -> Self {
        let conditions = element.children().filter(|child| child.ns() == ns::STREAMS && child.name() != "text");
        let condition = conditions.map(|child| (StreamErrorKind::from_name(child.name()), child.text())).next();
        let (kind, content) = condition.unwrap_or((StreamErrorKind::UndefinedCondition, "".into()));
        let content = content.trim();
        Self {
            kind,
            text: element.child(ns::STREAMS, "text").map(|text| text.text().into_owned()),
            host: (kind == StreamErrorKind::SeeOtherHost && !content.is_empty()).then(|| content.to_owned()),
            detail: element.children().find(|child| child.ns() != ns::STREAMS).cloned().map(Box::new),
        }
    }

    /// Appends `<stream:error/>`, for a stream that has bound the prefix `stream`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let host = self.host.as_deref().filter(|_| self.kind == StreamErrorKind::SeeOtherHost);
        let condition = Element::new(ns::STREAMS, self.kind.name()).with_text(host.unwrap_or_default());
        out.extend_from_slice(b"<stream:error>");
        writer::write(&condition, "", out);
        if let Some(text) = &self.text {
            let text = Element::new(ns::STREAMS, "text").with_lang(Some("en")).with_text(text);
            writer::write(&text, "", out);
        }
        if let Some(detail) = &self.detail {
            writer::write(detail, "", out);
        }
        out.extend_from_slice(b"</stream:error>");
    }
}
