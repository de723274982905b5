//! Message stanza <-> [`InstantMessage`](crate::model::InstantMessage) <-> MESSAGE request (RFC 7572), and
//! message/cpim (RFC 3922 section 4).
//!
//! | XMPP | here | SIP |
//! |---|---|---|
//! | from, resource | `from` | From, `gr` |
//! | to | `to` | Request-URI (not To: routing delivered the former, A-IM-10) |
//! | id | `id` | digest of Call-ID, CSeq and From tag, so a retransmission or a fork gives the same (A-IM-04) |
//! | thread | `thread` | Call-ID, see [`thread`] (A-IM-02) |
//! | subject, body, xml:lang | `subjects`, `content` | Subject, body, Content-Language |
//! | type | `chat` | – |
//! | SHIM `Max-Forwards` (XEP-0131) | `hops` | Max-Forwards |
//! | delay (XEP-0203) | `sent` | Date |
//! | nick (XEP-0172) | `nick` | display name |
//!
//! Each crossing takes one hop, so a message between two gateways that point at each other dies (RFC 7332 section 5).

mod body;
pub mod cpim;
mod sip;
mod table;
pub mod thread;
mod xmpp;

pub(crate) use sip::language;
pub use sip::{Form, Outgoing};
pub(super) use table::{BUILT_IN, ContentTable};

use std::borrow::Cow;

/// Hops of a message that nobody has counted yet (RFC 3261 section 8.1.1.6).
pub const MAX_HOPS: u8 = 70;
/// Messages older than this many milliseconds say when they were sent; younger ones are simply now (A-CPIM-04).
pub const STALE_MS: i64 = 60_000;
/// `text` as XML can hold it: lines ended by LF, characters XML forbids replaced (XML 1.0 sections 2.2 and 2.11).
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    let odd = |byte: u8| byte < b' ' && byte != b'\n' && byte != b'\t';
    let noncharacter = |text: &str| text.contains(['\u{FFFE}', '\u{FFFF}']);
    if !text.bytes().any(odd) && (text.is_ascii() || !noncharacter(text)) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\r' => {
                if letters.peek() == Some(&'\n') {
                    letters.next();
                }
                out.push('\n');
            }
            '\n' | '\t' => out.push(letter),
            '\0'..' ' | '\u{FFFE}' | '\u{FFFF}' => out.push(char::REPLACEMENT_CHARACTER),
            _ => out.push(letter),
        }
    }
    out.into()
}

/// `text` on one line.
fn single_line(text: &str) -> String {
    let cleaned = clean(text);
    let words: Vec<&str> = cleaned.split(['\n', '\t']).map(str::trim).filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// Whether `tag` has the form of a language tag (RFC 5646 section 2.1), so that it can stand in a header.
pub(super) fn is_language(tag: &str) -> bool {
    tag.len() <= 64
        && tag
            .split('-')
            .all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests;
