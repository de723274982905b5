//! Presence stanzas <-> [`Presence`](crate::model::presence::Presence) of one user (RFC 8048 section 6, RFC 3922 section 5).
//!
//! | XMPP | here | how |
//! |---|---|---|
//! | from, resource | entity, tuple id, contact | `ID-` and the resource, made an `xs:ID`; the contact has it as `gr` |
//! | type | basic | |
//! | show | show, else RPID activities, else the status of RFC 3922 | A-PRES-07; several activities: dnd, xa, away |
//! | status, with languages | notes of the tuple, else of the person, else of all | A-PRES-15 |
//! | priority | priority of the contact | a negative one has none; unique and reversible |
//! | idle (XEP-0319) | user-input | idle without a time is `away`, since `<idle/>` needs one |
//! | delay (XEP-0203) | timestamp | only to SIP: RFC 3922 section 5.2.14 keeps timestamps from XMPP, and phones make a new one for each document, which would make a stanza of each refresh |
//! | activity, mood (XEP-0108, XEP-0107) | RPID's of the person, and of the tuple where a phone puts them there | events of the account to XMPP, since both XEPs do not want them in presence; read from either |
//! | id | – | RFC 8048 table 1 note 3 |
//!
//! To SIP a document is full state, one tuple for each available resource (A-PRES-05). What is left out: nick, capabilities,
//! avatar hashes, signatures, payloads of rooms, since PIDF has no place for them (RFC 3922 section 5.1.8); places, privacy,
//! icons and service classes, since XMPP has none in presence. Contacts of SIP users are not passed on (RFC 3922 section
//! 5.2.12).
//!
//! Somebody else's tuple (RFC 4480 section 3.9) is not shown, nor one that leads to mail or a web page.

mod from_xmpp;
mod resource;
mod rich;
mod table;
mod to_xmpp;

pub use from_xmpp::language;
pub use rich::Doing;
pub(super) use table::{BUILT_IN, PresenceTable};

use std::borrow::Cow;

/// The longest text of a status or note, bytes; a longer one is cut. Clients show one line of it, and the stanzas that a
/// server must take have 10,000 bytes (RFC 6120 section 13.12).
pub const MAX_TEXT: usize = 1024;
/// The texts of one stanza or tuple in all languages together, bytes as they are written; beyond it languages are left out. One
/// of nothing but quotation marks has room.
pub const MAX_TEXTS: usize = 6 * MAX_TEXT;
/// The document about one user, bytes, roughly; beyond it first texts are left out, then resources. Smaller than the
/// documents that we take ourselves.
pub const MAX_DOCUMENT: usize = 48 << 10;

/// The thousandths of a contact's priority for one of XMPP, if that is not negative: 0 is 0, 127 is 1000, and no two are the
/// same (RFC 8048 section 6.2 note 6).
#[must_use]
pub fn priority_to_sip(priority: i8) -> Option<u16> {
    let priority = u32::try_from(priority).ok()?;
    u16::try_from(priority * 1000 / 127).ok()
}

/// XMPP's priority for thousandths, of which more than 1000 count as 1000: what [`priority_to_sip`] makes comes back, and
/// nothing becomes negative (RFC 3922 section 5.2.13).
#[must_use]
pub fn priority_to_xmpp(thousandths: u16) -> i8 {
    match thousandths {
        0 => 0,
        1000.. => 127,
        between => i8::try_from((u32::from(between) * 126).div_ceil(999)).unwrap_or(126),
    }
}

/// At most [`MAX_TEXT`] bytes of `text`, whole characters of it.
fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_TEXT)).unwrap_or(text)
}

/// `text` as it may stand in a stanza or document.
fn fit(text: &str) -> Cow<'_, str> {
    match super::message::clean(cut(text.trim())) {
        Cow::Borrowed(text) => text.into(),
        Cow::Owned(text) => cut(&text).to_owned().into(),
    }
}

/// How many bytes `text` takes in XML.
fn written(text: &str) -> usize {
    text.bytes().map(|byte| if matches!(byte, b'&' | b'<' | b'>' | b'"' | b'\'') { 6 } else { 1 }).sum()
}

#[cfg(test)]
mod tests;
