//! Names and namespace names; the common ones are compared and copied without allocating.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::ns;

/// A local name or a namespace name. Words of the table below are kept as `&'static str`; others are shared.
#[derive(Clone)]
pub struct Word(Kept);

#[derive(Clone)]
enum Kept {
    Known(&'static str),
    Other(Arc<str>),
}

impl Word {
    /// No namespace.
    pub const EMPTY: Word = Word(Kept::Known(""));

    /// `text` as a word, without looking it up.
    #[must_use]
    pub const fn constant(text: &'static str) -> Self {
        Self(Kept::Known(text))
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Kept::Known(text) => text,
            Kept::Other(text) => text,
        }
    }

    /// Whether it is the empty word.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.as_str().is_empty()
    }
}

impl From<&str> for Word {
    fn from(text: &str) -> Self {
        match known(text) {
            Some(text) => Self(Kept::Known(text)),
            None => Self(Kept::Other(text.into())),
        }
    }
}

impl From<String> for Word {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl std::ops::Deref for Word {
    type Target = str;
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for Word {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Word {}

impl PartialEq<str> for Word {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Word {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl Hash for Word {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn known(text: &str) -> Option<&'static str> {
    let bytes = text.as_bytes();
    if bytes.is_empty() {
        return Some("");
    }
    let mut slot = hash(bytes);
    // A free slot always exists (the table is at most half full), so this ends.
    loop {
        let index = usize::from(INDEX[slot]);
        if index == 0 {
            return None;
        }
        let candidate = KNOWN[index - 1];
        if candidate == text {
            return Some(candidate);
        }
        slot = (slot + 1) % SLOTS;
    }
}

const SLOTS: usize = 512;

const fn hash(bytes: &[u8]) -> usize {
    let length = bytes.len();
    let (first, middle, last) = (bytes[0] as usize, bytes[length / 2] as usize, bytes[length - 1] as usize);
    let third = bytes[length / 3] as usize;
    (length.wrapping_mul(37)
        + first.wrapping_mul(5)
        + middle.wrapping_mul(131)
        + third.wrapping_mul(17)
        + last.wrapping_mul(61))
        % SLOTS
}

const INDEX: [u8; SLOTS] = {
    assert!(KNOWN.len() < 255 && KNOWN.len() * 2 <= SLOTS, "the table must keep free slots");
    let mut index = [0u8; SLOTS];
    let mut word = 0;
    while word < KNOWN.len() {
        let mut slot = hash(KNOWN[word].as_bytes());
        while index[slot] != 0 {
            slot = (slot + 1) % SLOTS;
        }
        index[slot] = word as u8 + 1;
        word += 1;
    }
    index
};

const KNOWN: &[&str] = &[
    ns::XML,
    ns::XMLNS,
    ns::STREAM,
    ns::CLIENT,
    ns::SERVER,
    ns::COMPONENT_ACCEPT,
    ns::COMPONENT_CONNECT,
    ns::STANZAS,
    ns::STREAMS,
    ns::SASL,
    ns::DISCO_INFO,
    ns::DISCO_ITEMS,
    ns::PING,
    ns::VERSION,
    ns::TIME,
    ns::VCARD,
    ns::CHATSTATES,
    ns::RECEIPTS,
    ns::DELAY,
    ns::LEGACY_DELAY,
    ns::SHIM,
    ns::NICK,
    ns::CARBONS,
    ns::FORWARD,
    ns::HINTS,
    ns::SID,
    ns::EME,
    ns::OMEMO_SIACS,
    ns::OMEMO_1,
    ns::OMEMO_2,
    ns::OPENPGP,
    ns::LEGACY_OPENPGP,
    ns::E2E,
    ns::XHTML_IM,
    ns::XHTML,
    ns::DATA,
    ns::OOB,
    ns::MARKERS,
    ns::CORRECT,
    ns::FALLBACK,
    ns::MUC,
    ns::MUC_USER,
    ns::CAPS,
    ns::IDLE,
    ns::MOOD,
    ns::ACTIVITY,
    ns::PUBSUB,
    ns::PUBSUB_EVENT,
    ns::VCARD_UPDATE,
    ns::DIALBACK,
    ns::GATEWAY,
    ns::REGISTER,
    ns::ROSTER,
    ns::PIDF,
    ns::PIDF_DATA_MODEL,
    ns::RPID,
    ns::IS_COMPOSING,
    // Names of elements and attributes that most stanzas have.
    "message",
    "presence",
    "iq",
    "stream",
    "error",
    "handshake",
    "from",
    "to",
    "id",
    "type",
    "lang",
    "version",
    "body",
    "subject",
    "thread",
    "parent",
    "show",
    "status",
    "priority",
    "text",
    "query",
    "ping",
    "feature",
    "identity",
    "item",
    "var",
    "category",
    "name",
    "node",
    "jid",
    "active",
    "composing",
    "paused",
    "inactive",
    "gone",
    "request",
    "received",
    "sent",
    "forwarded",
    "delay",
    "stamp",
    "x",
    "c",
    "ver",
    "hash",
    "nick",
    "photo",
    "origin-id",
    "stanza-id",
    "by",
    "encrypted",
    "encryption",
    "namespace",
    "headers",
    "header",
    "html",
    "markable",
    "displayed",
    "no-store",
    "no-copy",
    "store",
    "tuple",
    "basic",
    "contact",
    "note",
    "person",
    "device",
    "entity",
    "timestamp",
    "activities",
    "on-the-phone",
    "away",
    "busy",
    "unknown",
    "other",
    "mood",
    "user-input",
    "idle",
    "last-input",
    "idle-threshold",
    "relationship",
    "self",
    "deviceID",
    "until",
    "state",
    "isComposing",
    "lastactive",
    "refresh",
    "contenttype",
    "vCard",
    "service-unavailable",
    "item-not-found",
    "recipient-unavailable",
    "remote-server-not-found",
    "remote-server-timeout",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_word_is_found_and_no_other() {
        for word in KNOWN {
            assert!(matches!(Word::from(*word).0, Kept::Known(found) if found == *word), "{word}");
        }
        for word in ["bodx", "urn:xmpp:pinh", "é", "messages", "\u{10FFFF}"] {
            assert!(matches!(Word::from(word).0, Kept::Other(_)), "{word}");
        }
        assert_eq!(Word::from(""), Word::EMPTY);
    }

    #[test]
    fn probing_stays_short() {
        let longest = KNOWN.iter().map(|word| {
            let home = hash(word.as_bytes());
            (0..SLOTS).find(|step| KNOWN.get(usize::from(INDEX[(home + step) % SLOTS]).wrapping_sub(1)) == Some(word))
        });
        assert!(longest.max().flatten() < Some(12));
    }
}
