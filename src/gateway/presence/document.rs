//! The body of a NOTIFY, read before the NOTIFY is answered: whoever sends a document that is not what it says hears so.

use super::super::record::Package;
use super::lists::{self, ListDocument};
use crate::model::presence::Presence;
use crate::model::{dialog_info, event, pidf, reg_info, watcher_info};
use crate::sip::message::Status;

/// The body of a NOTIFY.
#[derive(Debug)]
pub(in super::super) struct Body {
    /// Content-Type as it was, without folds; empty where there is a `document`.
    pub(in super::super) content_type: String,
    /// The bytes; their number is below the limit. None where there is a `document`.
    pub(in super::super) bytes: Vec<u8>,
    /// What they say, where that can be read.
    pub(in super::super) document: Option<Document>,
}

/// A document.
#[derive(Debug)]
pub(in super::super) enum Document {
    /// RFC 3863.
    Presence(Box<Presence>),
    /// RFC 4235.
    Calls(dialog_info::Document),
    /// RFC 3680.
    Registrations(reg_info::Document),
    /// RFC 3858.
    Watchers(watcher_info::Document),
    /// About many users: RFC 4662.
    List(Box<ListDocument>),
}

/// A document that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum Unusable {
    /// It is no presence that can be read.
    #[error("{0}")]
    Presence(pidf::Error),
    /// It is nothing about calls, registrations, watchers or lists that can be read.
    #[error("{0}")]
    Event(event::Error),
}

impl Unusable {
    /// What its sender is answered.
    pub(in super::super) fn status(&self) -> Status {
        match self {
            Self::Presence(error) => Status::new(error.status()).unwrap_or(Status::BAD_REQUEST),
            Self::Event(_) => Status::BAD_REQUEST,
        }
    }
}

impl Body {
    /// Reads what `package` has; a body of another type is kept as it is. `lang`: the language of words that have none of
    /// their own (RFC 8048 table 2). `most`: bytes of a presence document.
    pub(in super::super) fn read(
        package: Package,
        content_type: &str,
        lang: Option<&str>,
        bytes: &[u8],
        most: usize,
    ) -> Result<Self, Unusable> {
        let named = content_type.split(';').next().unwrap_or_default().trim();
        let is = |media_type: &str| named.eq_ignore_ascii_case(media_type);
        let document = match package {
            Package::Presence if is(pidf::MEDIA_TYPE) => {
                let limits = pidf::Limits { bytes: most, ..pidf::Limits::default() };
                let mut read = pidf::read(bytes, &limits).map_err(Unusable::Presence)?;
                if let Some(lang) = lang {
                    read.speak(lang);
                }
                Some(Document::Presence(Box::new(read)))
            }
            Package::Presence if is(lists::MEDIA_TYPE) => {
                let limits = pidf::Limits { bytes: most, ..pidf::Limits::default() };
                let read = ListDocument::read(content_type, bytes, &limits).map_err(Unusable::Event)?;
                Some(Document::List(Box::new(read)))
            }
            Package::Dialog if is(dialog_info::MEDIA_TYPE) => {
                Some(Document::Calls(dialog_info::read(bytes).map_err(Unusable::Event)?))
            }
            Package::Reg if is(reg_info::MEDIA_TYPE) => {
                Some(Document::Registrations(reg_info::read(bytes).map_err(Unusable::Event)?))
            }
            Package::PresenceWinfo if is(watcher_info::MEDIA_TYPE) => {
                Some(Document::Watchers(watcher_info::read(bytes).map_err(Unusable::Event)?))
            }
            Package::Presence | Package::Dialog | Package::Reg | Package::MessageSummary | Package::PresenceWinfo => {
                None
            }
        };
        let (content_type, bytes) = if document.is_some() { ("", &[][..]) } else { (content_type, bytes) };
        Ok(Self { content_type: content_type.to_owned(), bytes: bytes.to_vec(), document })
    }
}
