//! Presence of RFC 8048 section 6 and RFC 3922 section 5: stanzas as documents, documents and NOTIFYs as stanzas.

use super::super::Vector;
use super::parts::{cpim_around, mapping_of, request_of, wire};
use stox::mapping::message::cpim::address_to_cpim;
use stox::mapping::presence::language;
use stox::mapping::{Mapping, UriForm};
use stox::model::pidf::{self, Limits};
use stox::model::presence::{Presence as State, PresenceTuple};
use stox::model::{cpim, date};
use stox::sip::message::{Response, Status};
use stox::sip::uri::Uri;
use stox::xml::{Element, Limits as XmlLimits, ns, reader};
use stox::xmpp::jid::{BareJid, Jid};
use stox::xmpp::stanza::{Presence, PresenceKind, Stanza};

/// Whether a vector is about presence of these documents.
pub(super) fn is_one(vector: &Vector) -> bool {
    let documents = vector.id.starts_with("8048") || vector.id.starts_with("3922");
    let text = |text: &str| text.contains("<presence") || text.contains("<contact");
    documents && (text(&vector.input) || text(&vector.output) || vector.direction == "cpp->xmpp")
}

pub(super) fn run(vector: &Vector) -> Result<(), String> {
    match vector.direction.as_str() {
        "xmpp->pidf" => to_document(vector),
        "pidf->xmpp" => to_stanzas(vector, &vector.input),
        "sip->xmpp" => {
            let request = request_of(&vector.input)?;
            to_stanzas(vector, &String::from_utf8_lossy(request.body()))
        }
        "xmpp->sip" if vector.output.contains("<presence") => to_document(vector),
        "xmpp->sip" => {
            let sent = one(&vector.input)?;
            let got = language(&[("x", &sent)]).map(|lang| format!("Content-Language: {lang}"));
            same("header", got.as_deref(), Some(vector.output.as_str()))
        }
        "xmpp->cpim" => {
            let to = one(&vector.input)?.to.ok_or("no to")?;
            let uri = address_to_cpim(&mapping().jid_to_address(&to));
            if vector.output.contains(&format!("<{uri}>")) { Ok(()) } else { Err(uri) }
        }
        "cpim->xmpp" => from_cpim(vector),
        "cpp->xmpp" => refused(vector),
        other => Err(format!("nothing runs direction {other}")),
    }
}

fn mapping() -> Mapping {
    mapping_of(["example.net".to_owned(), "example.com".to_owned()], UriForm::Sip)
}

fn elements(text: &str) -> Result<Vec<Element>, String> {
    let text = format!("<all xmlns='{}'>{text}</all>", ns::CLIENT);
    let all = reader::parse(text.as_bytes(), &XmlLimits::document()).map_err(|error| error.to_string())?;
    Ok(all.into_children().collect())
}

fn all(text: &str) -> Result<Vec<Presence>, String> {
    let read = |element| match Stanza::from_element(element) {
        Ok(Stanza::Presence(presence)) => Ok(presence),
        other => Err(format!("{other:?}")),
    };
    elements(text)?.into_iter().map(read).collect()
}

fn one(text: &str) -> Result<Presence, String> {
    all(text)?.into_iter().next().ok_or_else(|| "no stanza".to_owned())
}

/// A whole document, or what of one a vector shows. RFC 3922 leaves namespaces out here and there.
fn document(text: &str) -> Result<State, String> {
    let mut text = text.to_owned();
    if !text.contains("<presence") {
        text = format!("<presence entity='pres:romeo@example.net'><tuple id='orchard'>{text}</tuple></presence>");
    }
    if !text.contains(&format!("xmlns='{}'", ns::PIDF)) {
        text = text.replacen("<presence", &format!("<presence xmlns='{}'", ns::PIDF), 1);
    }
    // What an example leaves out (`...`) is not the status.
    if !text.contains("<status>") {
        text = text.replacen("</tuple>", "<status><basic>open</basic></status></tuple>", 1);
    }
    pidf::read(text.as_bytes(), &Limits::default()).map_err(|error| error.to_string())
}

fn to_document(vector: &Vector) -> Result<(), String> {
    let sent = one(&vector.input)?;
    let from = sent.from.clone().ok_or("no from")?;
    let seen = |resources: &[(&str, &Presence)]| {
        mapping().presence_from_xmpp(&from.to_bare(), resources).map_err(|error| error.to_string())
    };
    let state = seen(&[(from.resource().unwrap_or_default(), &sent)])?;
    if vector.output.is_empty() {
        // It is as if nothing had been said.
        return same("state", state, seen(&[])?);
    }
    let got = pidf::read(&pidf::write(&state), &Limits::default()).map_err(|error| error.to_string())?;
    let expected = document(&vector.output)?;
    same("entity", &got.entity, &expected.entity)?;
    if expected.tuples.is_empty() {
        // `...` stands for them.
        return Ok(());
    }
    same("tuples", got.tuples.len(), expected.tuples.len())?;
    got.tuples.iter().zip(&expected.tuples).try_for_each(|(got, expected)| tuple(vector, got, expected))
}

fn tuple(vector: &Vector, got: &PresenceTuple, expected: &PresenceTuple) -> Result<(), String> {
    // RFC 8048 section 6.2 note 2 came after RFC 3922.
    let prefix = if vector.id.starts_with("3922") { "ID-" } else { "" };
    same("id", &got.id, &format!("{prefix}{}", expected.id))?;
    same("basic", got.basic, expected.basic)?;
    if vector.accept.is_empty() {
        same("show", got.show, expected.show)?;
    } else if got.show.is_none() {
        return Err("no show".to_owned());
    }
    let priority = |tuple: &PresenceTuple| tuple.contact.as_ref().and_then(|contact| contact.priority);
    same("priority", priority(got), priority(expected))?;
    same("notes", &got.notes, &expected.notes)
}

fn to_stanzas(vector: &Vector, text: &str) -> Result<(), String> {
    let state = document(text)?;
    let is_notification =
        |stanza: &Presence| matches!(stanza.kind, PresenceKind::Available | PresenceKind::Unavailable);
    let expected = if vector.output.contains("<presence") || vector.output.is_empty() {
        all(&vector.output)?.into_iter().filter(is_notification).collect()
    } else {
        all(&format!("<presence from='romeo@example.net/orchard'>{}</presence>", vector.output))?
    };
    let user = state.entity.strip_prefix("pres:").unwrap_or(&state.entity);
    let target = BareJid::parse(user).map_err(|error| error.to_string())?;
    let watcher = Jid::parse("juliet@example.com").map_err(|error| error.to_string())?;
    let now = date::parse_rfc3339("2026-01-01T00:00:00Z").ok_or("no date")?;
    let got = mapping().presence_to_xmpp(&state, &target, &watcher, now);
    same("stanzas", got.len(), expected.len())?;
    got.iter().zip(&expected).try_for_each(|(got, expected)| stanza(vector, got, expected))
}

fn stanza(vector: &Vector, got: &Presence, expected: &Presence) -> Result<(), String> {
    let from = |stanza: &Presence| {
        let with = !vector.may_differ("'from' with or without the resource");
        stanza.from.as_ref().map(|from| if with { from.as_str().to_owned() } else { from.bare().to_owned() })
    };
    same("from", from(got), from(expected))?;
    if expected.to.is_some() {
        same("to", got.to.as_ref().map(|to| to.bare()), expected.to.as_ref().map(|to| to.bare()))?;
    }
    same("type", got.kind, expected.kind)?;
    same("show", got.show(), expected.show())?;
    same("priority", got.priority(), expected.priority())?;
    same("status", got.statuses().collect::<Vec<_>>(), expected.statuses().collect::<Vec<_>>())
}

/// One header of a message/cpim object: whose JID it gives. Content-ID has no counterpart, which RFC 3922 allows.
fn from_cpim(vector: &Vector) -> Result<(), String> {
    let expected = one(&vector.output)?;
    let object = cpim_around(&wire(&vector.input));
    let object = cpim::parse(object.as_bytes()).map_err(|error| error.to_string())?;
    let jid = |named: Option<&cpim::NamedUri>| {
        let uri = Uri::parse(&named.ok_or("no address")?.uri).map_err(|error| error.to_string())?;
        let address = mapping().uri_to_address(&uri).map_err(|error| error.to_string())?;
        mapping().address_to_jid(&address).map_err(|error| error.to_string())
    };
    if let Some(from) = &expected.from {
        same("from", jid(object.from.as_ref())?.as_str(), from.as_str())?;
    }
    if let Some(to) = &expected.to {
        same("to", jid(object.to.first())?.as_str(), to.bare())?;
    }
    let optional = vector.may_differ("the whole mapping is optional");
    if expected.id.is_some() && !optional { Err("an id is not mapped".to_owned()) } else { Ok(()) }
}

/// What a presence service answers (RFC 3859 section 3.4.1) is here what a SIP server does.
fn refused(vector: &Vector) -> Result<(), String> {
    let expected = one(&vector.output)?;
    let asked =
        Presence { from: expected.to.clone(), to: expected.from.clone(), id: expected.id.clone(), ..subscribe() };
    let failure = mapping().subscribe_failure(&Response::new(Status::NOT_FOUND)).ok_or("no failure")?;
    let reply = asked.error_reply(mapping().failure_to_stanza_error(&failure)).ok_or("no reply")?;
    let (got, right) = (reply.error().ok_or("no error")?, expected.error().ok_or("no error expected")?);
    same("condition", (&got.condition, got.kind), (&right.condition, right.kind))?;
    same("from, to, id", (&reply.from, &reply.to, &reply.id), (&expected.from, &expected.to, &expected.id))
}

fn subscribe() -> Presence {
    Presence { kind: PresenceKind::Subscribe, ..Presence::default() }
}

fn same<T: PartialEq<U> + std::fmt::Debug, U: std::fmt::Debug>(what: &str, got: T, right: U) -> Result<(), String> {
    if got == right { Ok(()) } else { Err(format!("{what}: {got:?}, not {right:?}")) }
}
