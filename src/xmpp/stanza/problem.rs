//! What is wrong with a first-level element that is no good stanza, and what may be said about it.

use super::{Condition, Iq, IqKind, Message, MessageKind, Stanza, StanzaError};
use crate::xml::{Element, Limit, ns};
use crate::xmpp::jid::{Jid, JidError};

/// An element that could not be read as a stanza. [`Self::reply`] knows whether it may be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StanzaProblem {
    /// What is wrong.
    pub what: Problem,
    /// The name of the element.
    pub(super) name: String,
    /// Who sent it, if that could be read.
    pub from: Option<Jid>,
    /// Whom it is for, if that could be read.
    pub to: Option<Jid>,
    /// Its `id`.
    pub id: Option<String>,
    /// Its `type`.
    pub(super) kind: Option<String>,
}

/// What can be wrong with a stanza.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Not `message`, `presence` or `iq`.
    #[error("not a stanza")]
    NotAStanza,
    /// `from` is no address.
    #[error("from: {0}")]
    From(JidError),
    /// `to` is no address.
    #[error("to: {0}")]
    To(JidError),
    /// There is no `from` (RFC 6120 section 8.1.2.2).
    #[error("no from")]
    MissingFrom,
    /// There is no `to` (RFC 6120 section 8.1.1.2).
    #[error("no to")]
    MissingTo,
    /// `from` is in a domain for which this stream does not speak.
    #[error("from is not for this stream to say")]
    ForeignFrom,
    /// `to` is in a domain that this stream does not serve.
    #[error("to is not in a domain of this stream")]
    ForeignTo,
    /// A `type` that the RFC does not list.
    #[error("unknown type")]
    UnknownType,
    /// An IQ without `id` (RFC 6120 section 8.2.3).
    #[error("an iq without id")]
    MissingId,
    /// Not exactly one child in a question, or more than one in a result (RFC 6120 section 8.2.3).
    #[error("an iq with the wrong number of children")]
    ChildCount,
    /// Longer, deeper or broader than we take.
    #[error("a stanza past a limit: {0:?}")]
    TooMuch(Limit),
}

impl StanzaProblem {
    pub(crate) fn new(what: Problem) -> Self {
        Self { what, name: String::new(), from: None, to: None, id: None, kind: None }
    }

    /// About a good stanza in the wrong place.
    #[must_use]
    pub fn of(stanza: &Stanza, what: Problem) -> Self {
        let (name, kind) = match stanza {
            Stanza::Message(message) => ("message", Some(message.kind.as_str())),
            Stanza::Presence(presence) => ("presence", presence.kind.as_str()),
            Stanza::Iq(iq) => match iq.kind {
                IqKind::Get(_) => ("iq", Some("get")),
                IqKind::Set(_) => ("iq", Some("set")),
                IqKind::Result(_) => ("iq", Some("result")),
                IqKind::Error(_) => ("iq", Some("error")),
            },
        };
        Self {
            what,
            name: name.to_owned(),
            from: stanza.from().cloned(),
            to: stanza.to().cloned(),
            id: stanza.id().map(str::to_owned),
            kind: kind.map(str::to_owned),
        }
    }

    /// About an element of which only the start tag is known.
    #[must_use]
    pub fn of_head(head: &Element, what: Problem) -> Self {
        let address = |name| head.attr(name).and_then(|text| Jid::parse_peer(text).ok());
        let name = if head.ns() == ns::CLIENT { head.name() } else { "" };
        Self {
            what,
            name: name.to_owned(),
            from: address("from"),
            to: address("to"),
            id: head.attr("id").map(str::to_owned),
            kind: head.attr("type").map(str::to_owned),
        }
    }

    /// The condition by which the sender learns of it.
    #[must_use]
    pub fn condition(&self) -> Condition {
        match self.what {
            Problem::From(_) | Problem::To(_) => Condition::JidMalformed,
            Problem::ForeignTo => Condition::ServiceUnavailable,
            Problem::TooMuch(_) => Condition::PolicyViolation,
            Problem::ForeignFrom => Condition::Forbidden,
            Problem::NotAStanza
            | Problem::MissingFrom
            | Problem::MissingTo
            | Problem::UnknownType
            | Problem::MissingId
            | Problem::ChildCount => Condition::BadRequest,
        }
    }

    /// The error to send, or `None`: there is nobody to send it to, or RFC 6120 section 8.3.1 forbids it because this may
    /// itself be an answer, or it is presence, about which nobody waits to hear. It comes from whom the stanza was for, and
    /// from `domain`, which is ours, if that is not known or not ours.
    #[must_use]
    pub fn reply(&self, domain: &Jid) -> Option<Stanza> {
        let to = self.from.clone()?;
        let from = self.to.clone().filter(|to| to.domain() == domain.domain()).unwrap_or_else(|| domain.clone());
        self.reply_from(from, to)
    }

    /// The same from the server's end of a stream, which may answer for everybody.
    pub(crate) fn reply_from_server(&self) -> Option<Stanza> {
        self.reply_from(self.to.clone()?, self.from.clone()?)
    }

    fn reply_from(&self, from: Jid, to: Jid) -> Option<Stanza> {
        let (from, to) = (Some(from), Some(to));
        let error = StanzaError::new(self.condition()).with_text(&self.what.to_string());
        match (self.name.as_str(), self.kind.as_deref()) {
            ("iq", Some("result" | "error")) | ("message", Some("error")) => None,
            ("iq", _) => {
                let id = self.id.clone().unwrap_or_default();
                Some(Stanza::Iq(Iq { from, to, id, lang: None, kind: IqKind::Error(error) }))
            }
            ("message", _) => Some(Stanza::Message(Message {
                from,
                to,
                id: self.id.clone(),
                kind: MessageKind::Error,
                lang: None,
                payload: vec![error.to_element()],
            })),
            _ => None,
        }
    }
}
