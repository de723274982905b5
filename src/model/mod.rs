//! The abstract services both sides mean: one instant message, the people it goes between, and why it could not.
//!
//! The words are those of RFC 3860 (instant messages) and RFC 3862 (message/cpim). Nothing here knows a stanza or a
//! SIP request; [`crate::mapping`] turns both into these types and back. Beside the types stand the readers and
//! writers of the formats that belong to neither side: [`cpim`], [`iscomposing`], [`html`], [`mime`], [`pidf`] and
//! [`charset`], and the documents of event packages: [`dialog_info`] and its like.

pub mod address;
pub mod charset;
pub mod cpim;
pub mod date;
pub mod dialog_info;
pub mod event;
pub mod failure;
pub mod html;
pub mod iscomposing;
pub mod message;
pub mod message_summary;
pub mod mime;
pub mod pidf;
pub mod presence;
pub mod reg_info;
pub mod resource_list;
pub mod watcher_info;

pub use address::Address;
pub use failure::{Failure, NewAddress, Reason};
pub use message::{Composing, Content, InstantMessage, Text};
