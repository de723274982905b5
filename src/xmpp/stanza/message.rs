//! `<message/>` (RFC 6121 section 5).

use super::{Attributes, Head, StanzaError, StanzaProblem};
use crate::xml::{Element, ns};
use crate::xmpp::jid::Jid;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    /// Who sent it.
    pub from: Option<Jid>,
    /// Whom it is for.
    pub to: Option<Jid>,
    /// By which the sender will recognise an error.
    pub id: Option<String>,
    /// What sort of conversation it belongs to.
    pub kind: MessageKind,
    /// `xml:lang`: the language of what has none of its own.
    pub lang: Option<String>,
    /// The children, in order.
    pub payload: Vec<Element>,
}

/// The `type` of a message (RFC 6121 section 5.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MessageKind {
    /// A single message. Also what has no type, or one that nobody knows.
    #[default]
    Normal,
    /// Part of a conversation between two.
    Chat,
    /// Part of a conversation in a room.
    Groupchat,
    /// An alert to which no answer is expected.
    Headline,
    /// Something went wrong with a message sent before.
    Error,
}

impl MessageKind {
    /// The value of the attribute.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Chat => "chat",
            Self::Groupchat => "groupchat",
            Self::Headline => "headline",
            Self::Error => "error",
        }
    }
}

impl Message {
    /// A message to `to` without content.
    #[must_use]
    pub fn new(from: Jid, to: Jid, kind: MessageKind) -> Self {
        Self { from: Some(from), to: Some(to), kind, ..Self::default() }
    }

    /// The same with a `<body/>`, in `lang` if that is not the message's own.
    #[must_use]
    pub fn with_body(mut self, lang: Option<&str>, text: &str) -> Self {
        self.payload.push(Element::new(ns::CLIENT, "body").with_lang(lang).with_text(text));
        self
    }

    /// The same with one more child.
    #[must_use]
    pub fn with(mut self, child: Element) -> Self {
        self.payload.push(child);
        self
    }

    pub(super) fn from_head(head: Head) -> Result<Self, Box<StanzaProblem>> {
        let kind = match head.kind.as_deref() {
            Some("chat") => MessageKind::Chat,
            Some("groupchat") => MessageKind::Groupchat,
            Some("headline") => MessageKind::Headline,
            Some("error") => MessageKind::Error,
            _ => MessageKind::Normal,
        };
        let Head { from, to, id, lang, payload, .. } = head;
        Ok(Self { from, to, id, kind, lang, payload })
    }

    /// As an element in `jabber:client`.
    #[must_use]
    pub fn to_element(&self) -> Element {
        let element = self.attributes().to_element("message");
        self.payload.iter().fold(element, |element, child| element.with_child(child.clone()))
    }

    /// Appends its text to `out`, for a stream whose content namespace is `stream_ns`.
    pub fn write(&self, stream_ns: &str, out: &mut Vec<u8>) {
        self.attributes().write("message", self.payload.iter(), stream_ns, out);
    }

    fn attributes(&self) -> Attributes<'_> {
        Attributes {
            from: self.from.as_ref(),
            to: self.to.as_ref(),
            id: self.id.as_deref(),
            kind: (self.kind != MessageKind::Normal).then(|| self.kind.as_str()),
            lang: self.lang.as_deref(),
        }
    }

    /// The first child `name` in namespace `ns`.
    #[must_use]
    pub fn child(&self, ns: &str, name: &str) -> Option<&Element> {
        self.payload.iter().find(|child| child.is(ns, name))
    }

    /// All bodies with their languages, the message's own where a body has none.
    pub fn bodies(&self) -> impl Iterator<Item = (Option<&str>, std::borrow::Cow<'_, str>)> {
        self.texts("body")
    }

    /// All subjects with their languages, the message's own where a subject has none.
    pub fn subjects(&self) -> impl Iterator<Item = (Option<&str>, std::borrow::Cow<'_, str>)> {
        self.texts("subject")
    }

    /// The first body.
    #[must_use]
    pub fn body(&self) -> Option<std::borrow::Cow<'_, str>> {
        self.bodies().next().map(|(_, text)| text)
    }

    /// The first subject.
    #[must_use]
    pub fn subject(&self) -> Option<std::borrow::Cow<'_, str>> {
        self.subjects().next().map(|(_, text)| text)
    }

    /// The thread (RFC 6121 section 5.2.5): opaque; empty is none.
    #[must_use]
    pub fn thread(&self) -> Option<std::borrow::Cow<'_, str>> {
        self.child(ns::CLIENT, "thread").map(Element::text).filter(|thread| !thread.is_empty())
    }

    fn texts(&self, name: &'static str) -> impl Iterator<Item = (Option<&str>, std::borrow::Cow<'_, str>)> {
        let found = self.payload.iter().filter(move |child| child.is(ns::CLIENT, name));
        found.map(|child| (child.lang().or(self.lang.as_deref()), child.text()))
    }

    /// What went wrong, if this is an error.
    #[must_use]
    pub fn error(&self) -> Option<StanzaError> {
        (self.kind == MessageKind::Error).then(|| StanzaError::find(&self.payload))
    }

    /// The message that says `error` about this one, to who sent it. `None` if this is an error itself or nobody sent it
    /// (RFC 6120 section 8.3.1). What this one contained is not sent back.
    #[must_use]
    pub fn error_reply(&self, error: StanzaError) -> Option<Message> {
        if self.kind == MessageKind::Error {
            return None;
        }
        Some(Message {
            from: self.to.clone(),
            to: Some(self.from.clone()?),
            id: self.id.clone(),
            kind: MessageKind::Error,
            lang: None,
            payload: vec![error.to_element()],
        })
    }
}
