//! `<presence/>` (RFC 6121 sections 3 and 4).

use super::{Attributes, Head, Problem, StanzaError, StanzaProblem};
use crate::xml::{Element, ns};
use crate::xmpp::jid::Jid;

/// One presence stanza.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Presence {
    /// Who sent it.
    pub from: Option<Jid>,
    /// Whom it is for.
    pub to: Option<Jid>,
    /// By which the sender will recognise an error.
    pub id: Option<String>,
    /// What it says or asks.
    pub kind: PresenceKind,
    /// `xml:lang`: the language of what has none of its own.
    pub lang: Option<String>,
    /// The children, in order.
    pub payload: Vec<Element>,
}

/// The `type` of presence (RFC 6121 section 4.7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PresenceKind {
    /// There; has no attribute.
    #[default]
    Available,
    /// Not there any more.
    Unavailable,
    /// Asks for a subscription.
    Subscribe,
    /// Grants one.
    Subscribed,
    /// Gives one up.
    Unsubscribe,
    /// Refuses or cancels one.
    Unsubscribed,
    /// Asks for the current presence.
    Probe,
    /// Something went wrong with presence sent before.
    Error,
}

impl PresenceKind {
    const ALL: [PresenceKind; 7] = [
        Self::Unavailable,
        Self::Subscribe,
        Self::Subscribed,
        Self::Unsubscribe,
        Self::Unsubscribed,
        Self::Probe,
        Self::Error,
    ];

    /// The value of the attribute; none for available presence.
    #[must_use]
    pub fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Available => None,
            Self::Unavailable => Some("unavailable"),
            Self::Subscribe => Some("subscribe"),
            Self::Subscribed => Some("subscribed"),
            Self::Unsubscribe => Some("unsubscribe"),
            Self::Unsubscribed => Some("unsubscribed"),
            Self::Probe => Some("probe"),
            Self::Error => Some("error"),
        }
    }
}

impl Presence {
    /// Presence to `to` without content.
    #[must_use]
    pub fn new(from: Jid, to: Jid, kind: PresenceKind) -> Self {
        Self { from: Some(from), to: Some(to), kind, ..Self::default() }
    }

    /// Whether it says how somebody is, and not a word about subscriptions: if it is lost, the next makes up for it.
    #[must_use]
    pub fn is_state(&self) -> bool {
        matches!(self.kind, PresenceKind::Available | PresenceKind::Unavailable | PresenceKind::Probe)
    }

    /// The same with one more child.
    #[must_use]
    pub fn with(mut self, child: Element) -> Self {
        self.payload.push(child);
        self
    }

    pub(super) fn from_head(head: Head) -> Result<Self, Box<StanzaProblem>> {
        let kind = match &head.kind {
            None => Some(PresenceKind::Available),
            Some(name) => PresenceKind::ALL.into_iter().find(|kind| kind.as_str() == Some(name)),
        };
        let Some(kind) = kind else { return Err(head.problem("presence", Problem::UnknownType)) };
        let Head { from, to, id, lang, payload, .. } = head;
        Ok(Self { from, to, id, kind, lang, payload })
    }

    /// As an element in `jabber:client`.
    #[must_use]
    pub fn to_element(&self) -> Element {
        let element = self.attributes().to_element("presence");
        self.payload.iter().fold(element, |element, child| element.with_child(child.clone()))
    }

    /// Appends its text to `out`, for a stream whose content namespace is `stream_ns`.
    pub fn write(&self, stream_ns: &str, out: &mut Vec<u8>) {
        self.attributes().write("presence", self.payload.iter(), stream_ns, out);
    }

    fn attributes(&self) -> Attributes<'_> {
        Attributes {
            from: self.from.as_ref(),
            to: self.to.as_ref(),
            id: self.id.as_deref(),
            kind: self.kind.as_str(),
            lang: self.lang.as_deref(),
        }
    }

    /// The first child `name` in namespace `ns`.
    #[must_use]
    pub fn child(&self, ns: &str, name: &str) -> Option<&Element> {
        self.payload.iter().find(|child| child.is(ns, name))
    }

    /// `<show/>`, if present.
    #[must_use]
    pub fn show(&self) -> Option<std::borrow::Cow<'_, str>> {
        self.child(ns::CLIENT, "show").map(Element::text)
    }

    /// All `<status/>` with their languages, the stanza's own where one has none.
    pub fn statuses(&self) -> impl Iterator<Item = (Option<&str>, std::borrow::Cow<'_, str>)> {
        let found = self.payload.iter().filter(|child| child.is(ns::CLIENT, "status"));
        found.map(|child| (child.lang().or(self.lang.as_deref()), child.text()))
    }

    /// `<priority/>`, 0 if absent or unreadable (RFC 6121 section 4.7.2.3).
    #[must_use]
    pub fn priority(&self) -> i8 {
        self.child(ns::CLIENT, "priority").and_then(|priority| priority.text().trim().parse().ok()).unwrap_or(0)
    }

    /// What went wrong, if this is an error.
    #[must_use]
    pub fn error(&self) -> Option<StanzaError> {
        (self.kind == PresenceKind::Error).then(|| StanzaError::find(&self.payload))
    }

    /// The presence that says `error` about this one, to who sent it. `None` if this is an error itself or nobody sent it,
    /// and for all but requests: an error about what was only told would tell who listens.
    #[must_use]
    pub fn error_reply(&self, error: StanzaError) -> Option<Presence> {
        if !matches!(self.kind, PresenceKind::Subscribe | PresenceKind::Probe) {
            return None;
        }
        Some(Presence {
            from: self.to.clone(),
            to: Some(self.from.clone()?),
            id: self.id.clone(),
            kind: PresenceKind::Error,
            lang: None,
            payload: vec![error.to_element()],
        })
    }
}
