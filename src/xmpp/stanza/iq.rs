//! `<iq/>` (RFC 6120 section 8.2.3).

use super::{Attributes, Head, Problem, StanzaError, StanzaProblem};
use crate::xml::{Element, ns};
use crate::xmpp::jid::Jid;

/// A question or an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Iq {
    /// Who sent it.
    pub from: Option<Jid>,
    /// Whom it is for.
    pub to: Option<Jid>,
    /// What pairs question and answer. Empty only in an error about a question that had none; it is not written then.
    pub id: String,
    /// `xml:lang`: the language of what has none of its own.
    pub lang: Option<String>,
    /// Question or answer, with its content.
    pub kind: IqKind,
}

/// The `type` of an IQ and what must come with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IqKind {
    /// Asks for something.
    Get(Element),
    /// Asks for something to be done.
    Set(Element),
    /// It was done, or here it is.
    Result(Option<Element>),
    /// It was not done.
    Error(StanzaError),
}

impl Iq {
    /// A question.
    #[must_use]
    pub fn get(from: Jid, to: Jid, id: impl Into<String>, payload: Element) -> Self {
        Self { from: Some(from), to: Some(to), id: id.into(), lang: None, kind: IqKind::Get(payload) }
    }

    /// An XEP-0199 ping.
    #[must_use]
    pub fn ping(from: Jid, to: Jid, id: impl Into<String>) -> Self {
        Self::get(from, to, id, Element::new(ns::PING, "ping"))
    }

    pub(super) fn from_head(mut head: Head) -> Result<Self, Box<StanzaProblem>> {
        let kind = match head.kind.as_deref() {
            Some("get" | "set") if head.payload.len() != 1 => Err(Problem::ChildCount),
            Some("result") if head.payload.len() > 1 => Err(Problem::ChildCount),
            Some("get") => head.payload.pop().map(IqKind::Get).ok_or(Problem::ChildCount),
            Some("set") => head.payload.pop().map(IqKind::Set).ok_or(Problem::ChildCount),
            Some("result") => Ok(IqKind::Result(head.payload.pop())),
            Some("error") => Ok(IqKind::Error(StanzaError::find(&head.payload))),
            _ => Err(Problem::UnknownType),
        };
        match (kind, head.id.is_some()) {
            (Err(what), _) => Err(head.problem("iq", what)),
            (_, false) => Err(head.problem("iq", Problem::MissingId)),
            (Ok(kind), true) => {
                let Head { from, to, id, lang, .. } = head;
                Ok(Self { from, to, id: id.unwrap_or_default(), lang, kind })
            }
        }
    }

    /// As an element in `jabber:client`.
    #[must_use]
    pub fn to_element(&self) -> Element {
        let mut element = self.attributes().to_element("iq");
        match &self.kind {
            IqKind::Get(child) | IqKind::Set(child) | IqKind::Result(Some(child)) => element.push_child(child.clone()),
            IqKind::Result(None) => {}
            IqKind::Error(error) => element.push_child(error.to_element()),
        }
        element
    }

    /// Appends its text to `out`, for a stream whose content namespace is `stream_ns`.
    pub fn write(&self, stream_ns: &str, out: &mut Vec<u8>) {
        let attributes = self.attributes();
        match &self.kind {
            IqKind::Get(child) | IqKind::Set(child) | IqKind::Result(Some(child)) => {
                attributes.write("iq", std::iter::once(child), stream_ns, out);
            }
            IqKind::Result(None) => attributes.write("iq", std::iter::empty(), stream_ns, out),
            IqKind::Error(error) => attributes.write("iq", std::iter::once(&error.to_element()), stream_ns, out),
        }
    }

    fn attributes(&self) -> Attributes<'_> {
        let kind = match self.kind {
            IqKind::Get(_) => "get",
            IqKind::Set(_) => "set",
            IqKind::Result(_) => "result",
            IqKind::Error(_) => "error",
        };
        Attributes {
            from: self.from.as_ref(),
            to: self.to.as_ref(),
            id: (!self.id.is_empty()).then_some(&self.id),
            kind: Some(kind),
            lang: self.lang.as_deref(),
        }
    }

    /// What is asked, if this is a question.
    #[must_use]
    pub fn request(&self) -> Option<&Element> {
        match &self.kind {
            IqKind::Get(child) | IqKind::Set(child) => Some(child),
            IqKind::Result(_) | IqKind::Error(_) => None,
        }
    }

    /// The answer to this question; `None` if this is an answer itself or nobody sent it.
    #[must_use]
    pub fn result(&self, payload: Option<Element>) -> Option<Iq> {
        self.reply(IqKind::Result(payload))
    }

    /// The refusal of this question; `None` if this is an answer itself or nobody sent it.
    #[must_use]
    pub fn error_reply(&self, error: StanzaError) -> Option<Iq> {
        self.reply(IqKind::Error(error))
    }

    fn reply(&self, kind: IqKind) -> Option<Iq> {
        self.request()?;
        Some(Iq { from: self.to.clone(), to: Some(self.from.clone()?), id: self.id.clone(), lang: None, kind })
    }

    /// Whether the question is `name` in namespace `ns`, asked with `get`.
    #[must_use]
    pub fn asks(&self, ns: &str, name: &str) -> bool {
        matches!(&self.kind, IqKind::Get(child) if child.is(ns, name))
    }
}
