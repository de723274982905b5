//! Presence documents: PIDF (RFC 3863) with the data model (RFC 4479), RPID (RFC 4480) and the `<show/>` of RFC 8048.
//!
//! Reading is tolerant where the meaning is plain: the order of elements, missing ids and entities, the namespaces of
//! RPID's drafts, a `<show/>` or RPID's elements wherever somebody puts them. What has no plain meaning is unknown, and
//! unknown is never an error: RFC 3863 section 4.2.3 has it ignored, and it is kept in `extensions` so that it can be
//! written again. An unknown element in which something `mustUnderstand` is not even kept. Errors are only what makes
//! the whole document useless; [`Error::status`] says what the sender of a NOTIFY or PUBLISH is told.
//!
//! Writing is strict: what is written validates against the schemas of the RFCs, whatever stands in the
//! [`Presence`](super::presence::Presence).

mod ids;
mod lexical;
mod read;
mod rich;
#[cfg(test)]
mod tests;
mod text;
mod vocabulary;
mod write;

pub use read::read;
pub use vocabulary::ACTIVITIES;
pub use write::write;

use crate::xml;

/// The media type of the document (RFC 3863 section 3.1).
pub const MEDIA_TYPE: &str = "application/pidf+xml";

/// How much of a document is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the document; more is refused before any of it is read. A tuple has 200 to 500, a person with a mood
    /// and activities in three languages 1,000, so this is a hundred devices.
    pub bytes: usize,
    /// Elements inside one another; the deepest of the RFCs (a place in a `dm:person`) has 7, with a location 12.
    pub depth: usize,
    /// Tuples; more is refused rather than cut, since the state is full state and the devices that were cut off would
    /// be said to be gone. Each becomes a stanza to every watcher, so this bounds what one NOTIFY costs the XMPP side.
    pub tuples: usize,
    /// Notes of one element, and activities and moods likewise; what is beyond is left out. Nobody writes one note in
    /// more languages.
    pub words: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 64 * 1024, depth: 24, tuples: 64, words: 32 }
    }
}

/// Why a document is none that we can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// More bytes than [`Limits::bytes`].
    #[error("a presence document of {0} bytes is more than we take")]
    TooLong(usize),
    /// More tuples than [`Limits::tuples`].
    #[error("a presence document with {0} tuples is more than we take")]
    TooManyTuples(usize),
    /// Not XML, or XML that we do not take: a document type, an encoding that we do not know, elements too deep.
    #[error("a presence document that is not XML as we take it: {0}")]
    Xml(#[from] xml::Error),
    /// A change to an earlier document (RFC 5262), which nobody was told that we take.
    #[error("a partial presence document (RFC 5262), which we did not accept")]
    Partial,
    /// Another document.
    #[error("not a presence document: its root is not presence of RFC 3863")]
    NotPresence,
}

impl Error {
    /// The SIP status that says so to who sent the document.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::TooLong(_) | Self::TooManyTuples(_) => 413,
            Self::Xml(error) => match error.kind {
                xml::ErrorKind::TooMuch(_) => 413,
                xml::ErrorKind::NotWellFormed
                | xml::ErrorKind::Restricted
                | xml::ErrorKind::Encoding
                | xml::ErrorKind::Prefix
                | xml::ErrorKind::Format => 400,
            },
            Self::Partial => 415,
            Self::NotPresence => 400,
        }
    }
}
