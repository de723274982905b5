//! Answers against what a vector shows.

use super::super::Vector;
use super::parts::{element_of, message_of};
use stox::mapping::Answer;
use stox::sip::message::{Method, Name, Request, Status};
use stox::sip::uri::Uri;
use stox::xml::{Element, ns};
use stox::xmpp::{Condition, Message, MessageKind, StanzaError};

pub(super) fn text(vector: &Vector, got: impl AsRef<str>) -> Result<(), String> {
    let got = got.as_ref();
    if got == vector.output || vector.accept.iter().any(|right| right == got) {
        return Ok(());
    }
    Err(format!("{got:?}, not {:?}", vector.output))
}

pub(super) fn uri(vector: &Vector, got: &str) -> Result<(), String> {
    let is_same = |right: &str| {
        let both = Uri::parse(right).ok().zip(Uri::parse(got).ok());
        right == got || both.is_some_and(|(right, got)| right.same(&got))
    };
    if std::iter::once(&vector.output).chain(&vector.accept).any(|right| is_same(right)) {
        return Ok(());
    }
    Err(format!("{got}, not {}", vector.output))
}

/// What RFC 7247 table 2 and RFC 3261 want beside the status.
pub(super) fn needed_headers(error: &StanzaError, answer: &Answer) -> Result<(), String> {
    let value = |name: &str| answer.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
    if answer.status == Status::METHOD_NOT_ALLOWED && value("Allow").is_none() {
        return Err("405 without Allow".to_owned());
    }
    let (Condition::Gone(address) | Condition::Redirect(address)) = &error.condition else { return Ok(()) };
    let address = address.as_deref();
    let wanted = address.map(|address| address.replacen("xmpp:", "<sip:", 1) + ">");
    if value("Contact") == wanted.as_deref() {
        Ok(())
    } else {
        Err(format!("Contact {:?}, not {wanted:?}", value("Contact")))
    }
}

pub(super) fn error(vector: &Vector, got: &Message, expected: &Message) -> Result<(), String> {
    let (got_error, right) = (got.error().ok_or("no error")?, expected.error().ok_or("no error expected")?);
    let accepted = vector.accept.iter().any(|name| name == got_error.condition.name());
    if got_error.condition != right.condition && !accepted {
        return Err(format!("{:?}, not {:?}", got_error.condition, right.condition));
    }
    same("type", got_error.kind, right.kind)?;
    if right.text.is_some() {
        same("text", &got_error.text, &right.text)?;
    }
    same("from", &got.from, &expected.from)?;
    same("to", &got.to, &expected.to)?;
    same("id", &got.id, &expected.id)
}

pub(super) fn request(vector: &Vector, got: &Request, expected: &Request) -> Result<(), String> {
    let header_uri = |request: &Request, name: Name<'_>| -> Result<String, String> {
        let address = if name == Name::TO {
            request.headers.to().map(|to| to.0)
        } else {
            request.headers.from().map(|from| from.0)
        };
        address.map(|address| address.uri.as_str().to_owned()).map_err(|error| error.to_string())
    };
    same("method", &got.method, &Method::Message)?;
    same("Request-URI", got.uri.as_str(), expected.uri.as_str())?;
    for name in [Name::TO, Name::FROM] {
        same(name.as_str(), header_uri(got, name)?, header_uri(expected, name)?)?;
    }
    if got.headers.from().ok().and_then(|from| from.tag().map(|tag| tag.into_owned())).is_none() {
        return Err("From without tag (RFC 3261 section 8.1.1.3)".to_owned());
    }
    let cseq = got.headers.cseq().map_err(|error| error.to_string())?;
    same("CSeq method", &cseq.method, &Method::Message)?;
    for name in [Name::SUBJECT, Name::CONTENT_LANGUAGE] {
        same(name.as_str(), got.headers.text(name), expected.headers.text(name))?;
    }
    if !vector.may_differ("call-id (unless") {
        same("Call-ID", got.headers.call_id(), expected.headers.call_id())?;
    }
    for name in [Name::CONTACT, Name::VIA] {
        if got.headers.has(name) {
            return Err(format!("has {}", name.as_str()));
        }
    }
    let essence = |request: &Request| {
        request.headers.text(Name::CONTENT_TYPE).and_then(|media| media.split(';').next().map(str::to_owned))
    };
    same("Content-Type", essence(got), essence(expected))?;
    same("body", got.body(), expected.body())
}

pub(super) fn message(vector: &Vector, got: &Message, expected: &Message) -> Result<(), String> {
    same("from", &got.from, &expected.from)?;
    if vector.may_differ("resource") {
        same("to", got.to.as_ref().map(|jid| jid.bare()), expected.to.as_ref().map(|jid| jid.bare()))?;
    } else {
        same("to", &got.to, &expected.to)?;
    }
    let is_alone = matches!((got.kind, expected.kind), (MessageKind::Normal, MessageKind::Normal));
    if !is_alone && !vector.may_differ("type") {
        same("type", got.kind, expected.kind)?;
    }
    if !vector.may_differ("id") && expected.id.is_some() {
        same("id", &got.id, &expected.id)?;
    }
    same("children", children(vector, got), children(vector, expected))
}

/// Name, language in force and content of every child that counts.
fn children(vector: &Vector, message: &Message) -> Vec<(String, Option<String>, Element)> {
    let free_thread = vector.may_differ("thread");
    let counts = |child: &&Element| {
        let is_hop_count = child.ns() == ns::SHIM;
        let is_free_thread = free_thread && child.is(ns::CLIENT, "thread");
        let is_free_state = vector.may_differ("<active/> may be left out") && child.is(ns::CHATSTATES, "active");
        !is_hop_count && !is_free_thread && !is_free_state
    };
    let mut all: Vec<_> = message
        .payload
        .iter()
        .filter(counts)
        .map(|child| {
            let is_text = child.is(ns::CLIENT, "body") || child.is(ns::CLIENT, "subject");
            let lang = child.lang().or(message.lang.as_deref()).filter(|_| is_text).map(str::to_owned);
            let content =
                if is_text { Element::new(ns::CLIENT, child.name()).with_text(&child.text()) } else { trimmed(child) };
            (child.name().to_owned(), lang, content)
        })
        .collect();
    // RFC 6120 section 8.4: the order of different children says nothing.
    all.sort_by(|(one, ..), (two, ..)| one.cmp(two));
    all
}

/// Without the white space between elements, which an infoset of a stanza does not mean.
pub(super) fn trimmed(element: &Element) -> Element {
    let mut copy = Element::new(element.ns().to_owned(), element.name());
    for attribute in element.attributes() {
        copy.set_attr_ns(attribute.ns.clone(), attribute.name.as_ref(), attribute.value.clone());
    }
    for node in element.nodes() {
        match node {
            stox::xml::Node::Element(child) => copy.push_child(trimmed(child)),
            stox::xml::Node::Text(text) if !text.trim().is_empty() || !text.contains('\n') => copy.push_text(text),
            stox::xml::Node::Text(_) => {}
        }
    }
    copy
}

/// What a fragment shows of a stanza: attributes of a `<message/>` that says `...`, or one child.
pub(super) fn fragment(vector: &Vector, got: &Message, whole: bool) -> Result<(), String> {
    if whole {
        return message(vector, got, &message_of(&vector.output)?);
    }
    if !vector.output.contains("<message") {
        let expected = message_of(&format!("<message>{}</message>", vector.output))?;
        let shown = |message: &Message| {
            let named = |child: &&Element| expected.payload.iter().any(|right| right.name() == child.name());
            let lang = |child: &Element| child.lang().or(message.lang.as_deref()).map(str::to_owned);
            let children = message.payload.iter().filter(named);
            children.map(|child| (child.name().to_owned(), lang(child), child.text().into_owned())).collect::<Vec<_>>()
        };
        return same("children", shown(got), shown(&expected));
    }
    let expected = element_of(&vector.output)?;
    for (name, value) in [
        ("from", got.from.as_ref().map(|jid| jid.as_str())),
        ("to", got.to.as_ref().map(|jid| jid.as_str())),
        ("id", got.id.as_deref()),
    ] {
        let Some(right) = expected.attr(name) else { continue };
        let right = if vector.may_differ("resource") { right.split('/').next() } else { Some(right) };
        same(name, value, right)?;
    }
    let body = expected.child(ns::CLIENT, "body").map(|body| body.text().into_owned());
    match body {
        Some(body) => same("body", got.body().map(|text| text.into_owned()), Some(body)),
        None => Ok(()),
    }
}

/// Every line of the vector is one of the object, its addresses without their Formal-name.
pub(super) fn cpim_lines(vector: &Vector, object: &str) -> Result<(), String> {
    let without_name = |line: &str| match line.split_once(": ") {
        Some((name @ ("From" | "To"), value)) if vector.may_differ("formal-name") => {
            format!("{name}: {}", value.get(value.find('<').unwrap_or(0)..).unwrap_or_default())
        }
        _ => line.to_owned(),
    };
    let lines: Vec<String> = object.lines().map(without_name).collect();
    let free = |line: &&str| vector.may_differ("content-id") && line.starts_with("Content-ID");
    for line in vector.output.lines().filter(|line| !free(line)).map(without_name) {
        if !lines.contains(&line) {
            return Err(format!("no line {line:?} in {object:?}"));
        }
    }
    Ok(())
}

/// Stanzas one after the other, with remarks between them.
pub(super) fn sequence(vector: &Vector, got: &[Message]) -> Result<(), String> {
    let mut expected = Vec::new();
    let mut rest = vector.output.as_str();
    while let Some((_, after)) = rest.split_once("<message") {
        let (inside, next) = after.split_once("</message>").ok_or("no end of message")?;
        expected.push(message_of(&format!("<message{inside}</message>"))?);
        rest = next;
    }
    same("stanzas", got.len(), expected.len())?;
    got.iter().zip(&expected).try_for_each(|(got, expected)| message(vector, got, expected))
}

fn same<T: PartialEq<U> + std::fmt::Debug, U: std::fmt::Debug>(what: &str, got: T, right: U) -> Result<(), String> {
    if got == right { Ok(()) } else { Err(format!("{what}: {got:?}, not {right:?}")) }
}
