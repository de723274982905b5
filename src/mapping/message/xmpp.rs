//! `<message/>` <-> [`InstantMessage`].

use super::super::Mapping;
use super::super::domain::{DomainMapping, Typing};
use super::table::Fate;
use super::{clean, single_line};
use crate::model::{Composing, Content, Failure, InstantMessage, Reason, Text, html, iscomposing};
use crate::xml::{Element, ns};
use crate::xmpp::xep::chatstates::ChatState;
use crate::xmpp::xep::{delay, encryption, forward, nick, shim};
use crate::xmpp::{Message, MessageKind};

/// XEP-0071.
const XHTML_IM: &str = "http://jabber.org/protocol/xhtml-im";
/// What XHTML-IM carries.
const XHTML: &str = "http://www.w3.org/1999/xhtml";
/// How an OTR message starts (XEP-0364): ciphertext in the body itself.
const OTR: &str = "?OTR:";

impl Mapping {
    /// The message in a stanza (RFC 7572 section 4). `None`: nothing in it is for the other side.
    ///
    /// # Errors
    /// The reason to answer it with, by
    /// [`failure_to_stanza_error`](Mapping::failure_to_stanza_error) and [`Message::error_reply`].
    pub fn xmpp_to_message(&self, stanza: &Message) -> Result<Option<InstantMessage>, Failure> {
        match self.contents.fate(stanza.kind) {
            Fate::Crosses => {}
            Fate::Refused(reason) => return Err(reason.into()),
            Fate::Dropped => return Ok(None),
        }
        if forward::is_copy(stanza) || is_key_exchange(stanza) {
            return Ok(None);
        }
        refuse_encrypted(stanza)?;
        let (Some(from), Some(to)) = (&stanza.from, &stanza.to) else {
            return Err(Failure::because(Reason::BadRequest, "A message without from or to"));
        };
        let (from, to) = (self.jid_to_address(from), self.jid_to_address(to));
        let subjects = texts(stanza.subjects());
        let Some(content) = self.xmpp_content(stanza, &to.domain, &subjects) else { return Ok(None) };
        Ok(Some(InstantMessage {
            from,
            to,
            id: stanza.id.clone(),
            thread: stanza.thread().map(|thread| thread.into_owned()),
            subjects,
            content,
            nick: nick::find(&stanza.payload).map(|nick| single_line(&nick)).filter(|nick| !nick.is_empty()),
            hops: hops(stanza)?,
            sent: delay::find(&stanza.payload),
            chat: stanza.kind == MessageKind::Chat,
        }))
    }

    /// Words, else a typing state where the recipient's domain takes those. A subject alone is said as words: most
    /// phones show nothing else.
    fn xmpp_content(&self, stanza: &Message, to: &str, subjects: &[Text]) -> Option<Content> {
        let bodies = texts(stanza.bodies());
        if !bodies.is_empty() {
            return Some(Content::Text { bodies, html: None });
        }
        if !subjects.is_empty() {
            return Some(Content::Text { bodies: subjects.to_vec(), html: None });
        }
        let typing = self.domain_of_xmpp(to).is_some_and(|domain| domain.typing != Typing::Never);
        Some(Content::Composing(match ChatState::of(stanza).filter(|_| typing)? {
            ChatState::Composing => Composing::Active { refresh: iscomposing::DEFAULT_REFRESH },
            ChatState::Active | ChatState::Paused | ChatState::Inactive | ChatState::Gone => Composing::Idle,
        }))
    }

    /// The stanza for a message (RFC 7572 section 5).
    ///
    /// # Errors
    /// An address that has no JID.
    pub fn message_to_xmpp(&self, message: &InstantMessage) -> Result<Message, Failure> {
        let from = self.address_to_jid(&message.from)?;
        let to = self.address_to_jid(&message.to)?;
        let kind = if message.chat { MessageKind::Chat } else { MessageKind::Normal };
        let mut stanza = Message::new(from, to, kind);
        stanza.id.clone_from(&message.id);
        let bodies = match &message.content {
            Content::Text { bodies, .. } => bodies.as_slice(),
            Content::Composing(_) => &[],
        };
        let common = common_language(bodies.iter().chain(&message.subjects));
        stanza.lang = common.map(str::to_owned);
        let child = |name: &str, text: &Text| {
            let own = text.lang.as_deref().filter(|lang| common != Some(lang));
            Element::new(ns::CLIENT, name).with_lang(own).with_text(&text.text)
        };
        stanza.payload.extend(message.subjects.iter().map(|subject| child("subject", subject)));
        stanza.payload.extend(bodies.iter().map(|body| child("body", body)));
        if let Some(thread) = message.thread.as_deref().map(clean) {
            stanza.payload.push(Element::new(ns::CLIENT, "thread").with_text(&thread));
        }
        match &message.content {
            Content::Text { html: Some(markup), .. } => stanza.payload.extend(xhtml_im(markup)),
            Content::Text { html: None, .. } => {}
            Content::Composing(Composing::Active { .. }) => stanza.payload.push(ChatState::Composing.to_element()),
            Content::Composing(Composing::Idle) => stanza.payload.push(ChatState::Active.to_element()),
        }
        push_envelope(message, &mut stanza);
        Ok(stanza)
    }

    /// The mapping whose switches apply to what a sender at this domain writes.
    #[must_use]
    pub fn sender_domain(&self, message: &InstantMessage) -> Option<&DomainMapping> {
        self.domain_of_xmpp(&message.from.domain)
    }
}

/// What is about the message rather than in it.
fn push_envelope(message: &InstantMessage, stanza: &mut Message) {
    stanza.payload.extend(message.nick.as_deref().map(nick::element));
    stanza.payload.extend(message.sent.map(|sent| delay::element(&message.from.domain, sent)));
    stanza.payload.extend(message.hops.map(shim::element));
}

fn xhtml_im(markup: &str) -> Option<Element> {
    let body = html::to_xhtml(markup, XHTML)?;
    Some(Element::new(XHTML_IM, "html").with_child(body))
}

/// A gateway has no key, and the body beside the ciphertext is only an excuse: the sender hears so in words.
fn refuse_encrypted(stanza: &Message) -> Result<(), Failure> {
    let otr = || stanza.bodies().any(|(_, body)| body.starts_with(OTR)).then(|| "OTR".to_owned());
    let Some(method) = encryption::method(stanza).or_else(otr) else { return Ok(()) };
    let text = format!(
        "This address is outside XMPP and cannot read end-to-end encrypted messages. Please switch {method} off for \
         this conversation and send the message again."
    );
    Err(Failure::because(Reason::Encrypted, text))
}

/// An OMEMO element without payload only renews keys (XEP-0384); there is nothing in it to miss.
fn is_key_exchange(stanza: &Message) -> bool {
    let is_omemo = |ns: &str| matches!(ns, ns::OMEMO_SIACS | ns::OMEMO_1 | ns::OMEMO_2);
    let mut sent = stanza.payload.iter().filter(|child| is_omemo(child.ns()) && child.name() == "encrypted").peekable();
    sent.peek().is_some() && stanza.body().is_none() && sent.all(|sent| sent.child(sent.ns(), "payload").is_none())
}

fn texts<'m>(texts: impl Iterator<Item = (Option<&'m str>, std::borrow::Cow<'m, str>)>) -> Vec<Text> {
    texts
        .filter(|(_, text)| !text.is_empty())
        .map(|(lang, text)| Text {
            lang: lang.filter(|lang| super::is_language(lang)).map(str::to_owned),
            text: clean(&text).into_owned(),
        })
        .collect()
}

/// The language that all texts have, if they do.
fn common_language<'t>(mut texts: impl Iterator<Item = &'t Text>) -> Option<&'t str> {
    let first = texts.next()?.lang.as_deref()?;
    texts.all(|text| text.lang.as_deref() == Some(first)).then_some(first)
}

/// A hop count from another gateway; this crossing takes one. What is no number is no count.
fn hops(stanza: &Message) -> Result<Option<u8>, Failure> {
    let Some(left) = shim::hops(&stanza.payload) else { return Ok(None) };
    match left.checked_sub(1) {
        Some(left) => Ok(Some(left)),
        None => Err(Reason::TooManyHops.into()),
    }
}
