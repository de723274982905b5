//! What can be wrong with XML, and how much of it we take.

/// Why XML was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Error {
    /// Whose name this goes by as a stream error (RFC 6120 section 4.9.3).
    pub kind: ErrorKind,
    /// What was found, for the log and for the text of the stream error.
    pub what: &'static str,
}

/// The stream errors of RFC 6120 section 4.9.3 that XML by itself can cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Not well-formed, or not so by the rules of namespaces.
    NotWellFormed,
    /// A comment, processing instruction, document type or entity reference.
    Restricted,
    /// Not UTF-8.
    Encoding,
    /// The prefix of the stream element is not bound.
    Prefix,
    /// Well-formed, but not what a stream may hold: text between stanzas, another version of XML.
    Format,
    /// More than we take.
    TooMuch(Limit),
}

/// Which limit was passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// [`Limits::header`]
    Header,
    /// [`Limits::stanza`]
    Stanza,
    /// [`Limits::depth`]
    Depth,
    /// [`Limits::attributes`]
    Attributes,
    /// [`Limits::namespaces`]
    Namespaces,
}

/// How much XML is taken from a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of everything up to the end of the stream header. Real ones have 200 to 400.
    pub header: usize,
    /// Bytes of one first-level element, or of one document. RFC 6120 section 13.12: not below 10000. Servers stop
    /// at 256 KiB (ejabberd, Prosody between components) or 512 KiB (Prosody between servers).
    pub stanza: usize,
    /// Elements inside one another, the stanza itself included. Deep legal stanzas (forwarded, archived, with
    /// XHTML inside) reach about 15.
    pub depth: usize,
    /// Attributes of one element, namespace declarations included. Looking for duplicates is quadratic in this.
    pub attributes: usize,
    /// Namespace declarations in force at one place. Looking one up is linear in this.
    pub namespaces: usize,
    /// A first-level element past `stanza`, `depth`, `attributes` or `namespaces` is skipped, not kept, up to this
    /// many bytes; beyond, or if 0, the stream ends. A stanza that a stranger routed to us through an honest server
    /// must not cost us the stream.
    pub skip: usize,
    /// Whether comments and processing instructions of a document are skipped. In streams never
    /// (RFC 6120 section 11.1).
    pub comments: bool,
    /// Whether a document whose bytes are UTF-8 may claim another encoding, as FreeSWITCH's do. In streams never
    /// (RFC 6120 section 11.6).
    pub encodings: bool,
}

impl Limits {
    /// RFC 6120 section 13.12: no smaller maximum stanza size may be enforced.
    pub const SMALLEST_STANZA: usize = 10_000;

    /// The same with another stanza size, which [`Self::SMALLEST_STANZA`] bounds from below.
    #[must_use]
    pub fn with_stanza(self, bytes: usize) -> Self {
        Self { stanza: bytes.max(Self::SMALLEST_STANZA), ..self }
    }

    /// For bodies of SIP messages: comments are skipped as any XML processor may, and what is said of the encoding is not
    /// believed.
    #[must_use]
    pub fn document() -> Self {
        Self { comments: true, encodings: true, ..Self::default() }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header: 8 * 1024,
            stanza: 256 * 1024,
            depth: 48,
            attributes: 64,
            namespaces: 64,
            skip: 0,
            comments: false,
            encodings: false,
        }
    }
}

impl Error {
    pub(crate) const fn new(kind: ErrorKind, what: &'static str) -> Self {
        Self { kind, what }
    }

    pub(crate) const fn malformed(what: &'static str) -> Self {
        Self::new(ErrorKind::NotWellFormed, what)
    }

    pub(crate) const fn restricted(what: &'static str) -> Self {
        Self::new(ErrorKind::Restricted, what)
    }

    pub(crate) const fn too_much(limit: Limit) -> Self {
        let what = match limit {
            Limit::Header => "the stream header is too long",
            Limit::Stanza => "the element is too long",
            Limit::Depth => "elements are too deep inside one another",
            Limit::Attributes => "an element has too many attributes",
            Limit::Namespaces => "too many namespaces are declared",
        };
        Self::new(ErrorKind::TooMuch(limit), what)
    }
}
