//! The three kinds of stanza (RFC 6120 section 8, RFC 6121) as types, read from and written to elements.
//!
//! Inside this program a stanza and what belongs to it (`<body/>`, `<error/>`, …) are in `jabber:client`, whatever the
//! stream they came by; the stream puts them into its own namespace when it writes them.

mod error;
mod iq;
mod message;
mod presence;
mod problem;

pub use error::{Condition, ErrorType, StanzaError};
pub use iq::{Iq, IqKind};
pub use message::{Message, MessageKind};
pub use presence::{Presence, PresenceKind};
pub use problem::{Problem, StanzaProblem};

use super::jid::Jid;
use crate::xml::{Element, ns, writer};

/// A stanza.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stanza {
    /// Something to tell.
    Message(Message),
    /// Being there, or a subscription to knowing it.
    Presence(Presence),
    /// A question or an answer.
    Iq(Iq),
}

impl Stanza {
    /// Reads a first-level element. On failure the problem knows whether, and how, it may be answered.
    pub fn from_element(element: Element) -> Result<Self, Box<StanzaProblem>> {
        let kind = if element.ns() == ns::CLIENT { element.name() } else { "" };
        match kind {
            "message" => Head::take(element).and_then(Message::from_head).map(Stanza::Message),
            "presence" => Head::take(element).and_then(Presence::from_head).map(Stanza::Presence),
            "iq" => Head::take(element).and_then(Iq::from_head).map(Stanza::Iq),
            _ => Err(Box::new(StanzaProblem::new(Problem::NotAStanza))),
        }
    }

    /// As an element in `jabber:client`.
    #[must_use]
    pub fn to_element(&self) -> Element {
        match self {
            Stanza::Message(message) => message.to_element(),
            Stanza::Presence(presence) => presence.to_element(),
            Stanza::Iq(iq) => iq.to_element(),
        }
    }

    /// Appends its text to `out`, for a stream whose content namespace is `stream_ns`.
    pub fn write(&self, stream_ns: &str, out: &mut Vec<u8>) {
        match self {
            Stanza::Message(message) => message.write(stream_ns, out),
            Stanza::Presence(presence) => presence.write(stream_ns, out),
            Stanza::Iq(iq) => iq.write(stream_ns, out),
        }
    }

    /// Who sent it.
    #[must_use]
    pub fn from(&self) -> Option<&Jid> {
        match self {
            Stanza::Message(message) => message.from.as_ref(),
            Stanza::Presence(presence) => presence.from.as_ref(),
            Stanza::Iq(iq) => iq.from.as_ref(),
        }
    }

    /// Whom it is for.
    #[must_use]
    pub fn to(&self) -> Option<&Jid> {
        match self {
            Stanza::Message(message) => message.to.as_ref(),
            Stanza::Presence(presence) => presence.to.as_ref(),
            Stanza::Iq(iq) => iq.to.as_ref(),
        }
    }

    /// Its `id`.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        match self {
            Stanza::Message(message) => message.id.as_deref(),
            Stanza::Presence(presence) => presence.id.as_deref(),
            Stanza::Iq(iq) => Some(&iq.id),
        }
    }

    /// Its own `xml:lang`.
    #[must_use]
    pub fn lang(&self) -> Option<&str> {
        match self {
            Stanza::Message(message) => message.lang.as_deref(),
            Stanza::Presence(presence) => presence.lang.as_deref(),
            Stanza::Iq(iq) => iq.lang.as_deref(),
        }
    }

    /// Sets `xml:lang` if it has none (RFC 6120 section 4.7.4: the default of the stream counts then).
    pub fn default_lang(&mut self, lang: &str) {
        let own = match self {
            Stanza::Message(message) => &mut message.lang,
            Stanza::Presence(presence) => &mut presence.lang,
            Stanza::Iq(iq) => &mut iq.lang,
        };
        own.get_or_insert_with(|| lang.to_owned());
    }

    /// The answer that says `error`, or `None` where RFC 6120 section 8.3.1 forbids one: to an error, to a result, and
    /// here also to presence that is not a request.
    #[must_use]
    pub fn error_reply(&self, error: StanzaError) -> Option<Stanza> {
        match self {
            Stanza::Message(message) => message.error_reply(error).map(Stanza::Message),
            Stanza::Presence(presence) => presence.error_reply(error).map(Stanza::Presence),
            Stanza::Iq(iq) => iq.error_reply(error).map(Stanza::Iq),
        }
    }
}

/// What every stanza has, taken out of its element.
struct Head {
    from: Option<Jid>,
    to: Option<Jid>,
    id: Option<String>,
    kind: Option<String>,
    lang: Option<String>,
    payload: Vec<Element>,
}

impl Head {
    fn take(mut element: Element) -> Result<Self, Box<StanzaProblem>> {
        let from = element.take_attr("", "from").map(|from| Jid::parse_peer(&from));
        let to = element.take_attr("", "to").map(|to| Jid::parse_peer(&to));
        let id = element.take_attr("", "id");
        let kind = element.take_attr("", "type");
        let lang = element.take_attr(ns::XML, "lang");
        let problem = match (&from, &to) {
            (Some(Err(why)), _) => Some(Problem::From(*why)),
            (_, Some(Err(why))) => Some(Problem::To(*why)),
            _ => None,
        };
        if let Some(what) = problem {
            let (from, to) = (from.and_then(Result::ok), to.and_then(Result::ok));
            return Err(Box::new(StanzaProblem { what, name: element.name().to_owned(), from, to, id, kind }));
        }
        let (from, to) = (from.and_then(Result::ok), to.and_then(Result::ok));
        let payload = element.into_children().collect();
        Ok(Self { from, to, id, kind, lang, payload })
    }

    fn problem(self, name: &str, what: Problem) -> Box<StanzaProblem> {
        let Self { from, to, id, kind, .. } = self;
        Box::new(StanzaProblem { what, name: name.to_owned(), from, to, id, kind })
    }
}

/// The attributes of a stanza that is to be written.
struct Attributes<'a> {
    from: Option<&'a Jid>,
    to: Option<&'a Jid>,
    id: Option<&'a str>,
    kind: Option<&'a str>,
    lang: Option<&'a str>,
}

impl Attributes<'_> {
    fn each(&self, mut tell: impl FnMut(&str, &str)) {
        let all = [
            ("from", self.from.map(Jid::as_str)),
            ("to", self.to.map(Jid::as_str)),
            ("id", self.id),
            ("type", self.kind),
            ("xml:lang", self.lang),
        ];
        for (name, value) in all {
            if let Some(value) = value {
                tell(name, value);
            }
        }
    }

    fn to_element(&self, name: &str) -> Element {
        let mut element = Element::new(ns::CLIENT, name);
        self.each(|name, value| match name {
            "xml:lang" => element.set_lang(value),
            _ => element.set_attr(name, value),
        });
        element
    }

    fn write<'e>(&self, name: &str, payload: impl Iterator<Item = &'e Element>, stream_ns: &str, out: &mut Vec<u8>) {
        out.push(b'<');
        out.extend_from_slice(name.as_bytes());
        self.each(|name, value| writer::attribute(name, value, out));
        let mut empty = true;
        for child in payload {
            if empty {
                out.push(b'>');
                empty = false;
            }
            writer::write_stanza(child, stream_ns, out);
        }
        if empty {
            out.extend_from_slice(b"/>");
            return;
        }
        out.extend_from_slice(b"</");
        out.extend_from_slice(name.as_bytes());
        out.push(b'>');
    }
}

#[cfg(test)]
mod tests;
