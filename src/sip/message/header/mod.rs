//! One type for each header that we need to understand; the others travel as text.

mod content;
mod cseq;
mod date;
mod event;
mod name_addr;
mod numbers;
mod params;
mod via;
mod warning;

pub use content::{Accept, ContentType};
pub use cseq::CSeq;
pub use date::Date;
pub use event::{Event, SipEtag, SipIfMatch, SubscriptionState};
pub use name_addr::{
    Contact, From, NameAddr, PAssertedIdentity, PPreferredIdentity, Path, RecordRoute, ReferTo, ReferredBy, ReplyTo,
    Route, ServiceRoute, To,
};
pub use numbers::{Expires, MaxForwards, MinExpires, RetryAfter};
pub use params::Params;
pub use via::{Rport, SentTransport, Via};
pub use warning::Warning;

use super::Name;

/// A header with a type of its own.
pub trait Header: Sized {
    /// What it is called.
    const NAME: Name<'static>;
    /// Whether one line may carry several, separated by commas (RFC 3261 section 7.3.1).
    const LIST: bool = false;
    /// Reads a value, or one element of a list; it may have folds in it.
    fn parse(value: &[u8]) -> Result<Self, BadHeader>;
    /// Appends the value.
    fn print(&self, out: &mut Vec<u8>);
}

/// A header of this name is malformed, or missing where it must not be. The answer to a request is 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Malformed or Missing {0}")]
pub struct BadHeader(pub Name<'static>);
