//! What: one instant message (the message operation of RFC 3860 section 3.1).

use super::Address;
use crate::time::Timestamp;

/// A piece of text and the language it is in, if that was said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text {
    /// A language tag (RFC 5646), as the sender wrote it.
    pub lang: Option<String>,
    /// The text, lines ended by LF alone, free of characters XML forbids.
    pub text: String,
}

impl Text {
    /// Text in no stated language.
    #[must_use]
    pub fn plain(text: impl Into<String>) -> Self {
        Self { lang: None, text: text.into() }
    }
}

/// What the sender is doing (RFC 3994 section 3, XEP-0085).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Composing {
    /// Typing; without another word it ends after `refresh` seconds (RFC 3994 section 3.3: 120 when not given).
    Active {
        /// Seconds until the state lapses.
        refresh: u32,
    },
    /// Not, or no longer, typing.
    Idle,
}

/// What a message carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// The same words in one or more languages; never empty. `html` is the sender's own markup, kept only when the
    /// mapping of the domain asks for XHTML-IM.
    Text {
        /// The words, by language.
        bodies: Vec<Text>,
        /// The text/html they were taken from.
        html: Option<String>,
    },
    /// No words, a typing state.
    Composing(Composing),
}

/// One instant message on its way, between the side it came from and the side it goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstantMessage {
    /// Who sends it, as proven by the side it came from.
    pub from: Address,
    /// Whom it is for.
    pub to: Address,
    /// What names this message on the XMPP side: the stanza's `id`, or a stable digest of the SIP transaction.
    pub id: Option<String>,
    /// The conversation: `<thread/>`, Call-ID.
    pub thread: Option<String>,
    /// Subjects by language.
    pub subjects: Vec<Text>,
    /// The words or the typing state.
    pub content: Content,
    /// The name the sender goes by: display name, XEP-0172 nickname.
    pub nick: Option<String>,
    /// How many more gateways and proxies may pass it on; `None` when nobody counted yet.
    pub hops: Option<u8>,
    /// When it was sent, if that is worth saying (a stored message).
    pub sent: Option<Timestamp>,
    /// Whether it belongs to a chat rather than standing alone (`type='chat'`, RFC 6121 section 5.2.2).
    pub chat: bool,
}

impl InstantMessage {
    /// A message with nothing but words.
    #[must_use]
    pub fn text(from: Address, to: Address, words: impl Into<String>) -> Self {
        Self {
            from,
            to,
            id: None,
            thread: None,
            subjects: Vec::new(),
            content: Content::Text { bodies: vec![Text::plain(words)], html: None },
            nick: None,
            hops: None,
            sent: None,
            chat: false,
        }
    }
}
