//! [`Presence`] to text that validates against the schemas of RFC 3863, 4479 and 4480.
//!
//! Prefixes are the ones everybody writes, since some phones look for `dm:person` rather than for a name in a
//! namespace.

use std::borrow::Cow;

use super::vocabulary::{ACTIVITIES, MOODS, RELATIONSHIPS};
use super::{ids::Ids, lexical};
use crate::model::presence::{
    Basic, Contact, Device, Note, Person, Presence, PresenceTuple, Rich, Show, Span, UserInput,
};
use crate::time::Timestamp;
use crate::xml::{Element, ns, writer};

/// Writes a document, with its XML declaration. A tuple of which nothing is known is written as closed, since a status
/// must have a value (RFC 3863 section 4.1.3); ids that are no `xs:ID`, or stand twice, are changed; what the person does
/// and feels is said of the person, whatever it stands in (RFC 4480 table 1).
#[must_use]
pub fn write(presence: &Presence) -> Vec<u8> {
    let person = of_the_person(presence);
    let mut out = Vec::with_capacity(1024);
    out.extend_from_slice(b"<?xml version='1.0' encoding='UTF-8'?>\n<presence");
    writer::attribute("xmlns", ns::PIDF, &mut out);
    if person.is_some() || !presence.devices.is_empty() || presence.tuples.iter().any(|t| t.device_id.is_some()) {
        writer::attribute("xmlns:dm", ns::PIDF_DATA_MODEL, &mut out);
    }
    if uses_rpid(presence, person.as_deref()) {
        writer::attribute("xmlns:rpid", ns::RPID, &mut out);
    }
    writer::attribute("entity", &lexical::uri(&presence.entity), &mut out);
    out.push(b'>');
    let mut ids = Ids::default();
    for each in &presence.tuples {
        tuple(each, &mut ids, &mut out);
    }
    notes("note", &presence.notes, &mut out);
    if let Some(each) = &person {
        write_person(each, &mut ids, &mut out);
    }
    for each in presence.devices.iter().filter(|device| !device.device_id.is_empty()) {
        device(each, &mut ids, &mut out);
    }
    extensions(&presence.extensions, ns::PIDF, &mut out);
    out.extend_from_slice(b"</presence>");
    out
}

/// The person with what tuples and devices say of it, which only drafts of RPID let them do.
fn of_the_person(presence: &Presence) -> Option<Cow<'_, Person>> {
    let tuples = presence.tuples.iter().filter(|tuple| !tuple.is_of_another()).map(|tuple| &tuple.rich);
    let elsewhere = tuples.chain(presence.devices.iter().map(|device| &device.rich)).filter(|rich| says_lists(rich));
    let mut person = presence.person.as_deref().map(Cow::Borrowed);
    for rich in elsewhere {
        let person = person.get_or_insert_with(|| Cow::Owned(Person::default())).to_mut();
        person.rich.activities.extend_from_slice(&rich.activities);
        person.rich.moods.extend_from_slice(&rich.moods);
    }
    person
}

fn says_lists(rich: &Rich) -> bool {
    !rich.activities.is_empty() || !rich.moods.is_empty()
}

fn uses_rpid(presence: &Presence, person: Option<&Person>) -> bool {
    presence.tuples.iter().any(|tuple| tuple.relationship.is_some() || tuple.rich.user_input.is_some())
        || person.is_some_and(|person| says_lists(&person.rich) || person.rich.user_input.is_some())
        || presence.devices.iter().any(|device| device.rich.user_input.is_some())
}

fn tuple(tuple: &PresenceTuple, ids: &mut Ids, out: &mut Vec<u8>) {
    out.extend_from_slice(b"<tuple");
    writer::attribute("id", &ids.take(&tuple.id, "t"), out);
    out.extend_from_slice(b"><status>");
    match tuple.basic {
        Some(Basic::Open) => out.extend_from_slice(b"<basic>open</basic>"),
        Some(Basic::Closed) => out.extend_from_slice(b"<basic>closed</basic>"),
        None if tuple.show.is_some() || !tuple.status.is_empty() => {}
        None => out.extend_from_slice(b"<basic>closed</basic>"),
    }
    if let Some(show) = tuple.show {
        let word = match show {
            Show::Away => "away",
            Show::Chat => "chat",
            Show::Dnd => "dnd",
            Show::Xa => "xa",
        };
        out.extend_from_slice(b"<show xmlns='jabber:client'>");
        leaf_end("show", word, out);
    }
    extensions(&tuple.status, ns::PIDF, out);
    out.extend_from_slice(b"</status>");
    if let Some(urn) = &tuple.device_id {
        leaf("dm:deviceID", &lexical::uri(urn), out);
    }
    if let Some(relationship) = &tuple.relationship {
        out.extend_from_slice(b"<rpid:relationship>");
        named(relationship, None, RELATIONSHIPS, out);
        out.extend_from_slice(b"</rpid:relationship>");
    }
    user_input(tuple.rich.user_input, out);
    extensions(&tuple.extensions, ns::PIDF, out);
    if let Some(each) = tuple.contact.as_ref().filter(|contact| !contact.uri.is_empty()) {
        contact(each, out);
    }
    notes("note", &tuple.notes, out);
    timestamp("timestamp", tuple.timestamp, out);
    out.extend_from_slice(b"</tuple>");
}

fn write_person(person: &Person, ids: &mut Ids, out: &mut Vec<u8>) {
    out.extend_from_slice(b"<dm:person");
    writer::attribute("id", &ids.take(&person.id, "p"), out);
    out.push(b'>');
    rich(&person.rich, out);
    extensions(&person.extensions, ns::PIDF_DATA_MODEL, out);
    notes("dm:note", &person.notes, out);
    timestamp("dm:timestamp", person.timestamp, out);
    out.extend_from_slice(b"</dm:person>");
}

fn device(device: &Device, ids: &mut Ids, out: &mut Vec<u8>) {
    out.extend_from_slice(b"<dm:device");
    writer::attribute("id", &ids.take(&device.id, "d"), out);
    out.push(b'>');
    user_input(device.rich.user_input, out);
    extensions(&device.extensions, ns::PIDF_DATA_MODEL, out);
    leaf("dm:deviceID", &lexical::uri(&device.device_id), out);
    notes("dm:note", &device.notes, out);
    timestamp("dm:timestamp", device.timestamp, out);
    out.extend_from_slice(b"</dm:device>");
}

/// One thing said in a list of RPID, with what is said beside it.
struct Said<'a> {
    name: &'a str,
    text: Option<&'a str>,
    notes: &'a [Note],
    span: Span,
}

fn rich(rich: &Rich, out: &mut Vec<u8>) {
    let activities = rich.activities.iter().map(|activity| Said {
        name: &activity.name,
        text: activity.text.as_deref(),
        notes: &activity.notes,
        span: activity.span,
    });
    lists("activities", activities, ACTIVITIES, out);
    let moods = rich.moods.iter().map(|mood| Said {
        name: &mood.name,
        text: mood.text.as_deref(),
        notes: &mood.notes,
        span: mood.span,
    });
    lists("mood", moods, MOODS, out);
    user_input(rich.user_input, out);
}

/// Writes one element for each span of time: two for the same would overlap (RFC 4480 sections 3.1 and 5).
fn lists<'a>(list: &str, said: impl Iterator<Item = Said<'a>> + Clone, known: &[&str], out: &mut Vec<u8>) {
    let mut spans: Vec<Span> = Vec::new();
    for span in said.clone().map(|each| each.span) {
        if spans.contains(&span) {
            continue;
        }
        spans.push(span);
        let together = said.clone().filter(|each| each.span == span);
        out.extend_from_slice(b"<rpid:");
        out.extend_from_slice(list.as_bytes());
        for (name, at) in [("from", span.from), ("until", span.until)] {
            if let Some(date) = at.and_then(lexical::date) {
                writer::attribute(name, &date, out);
            }
        }
        out.push(b'>');
        together.clone().for_each(|each| notes("rpid:note", each.notes, out));
        // `unknown` stands alone.
        let names_something = together.clone().any(|each| each.name != "unknown");
        let mut unknown_said = false;
        for each in together {
            if each.name != "unknown" {
                named(each.name, each.text, known, out);
            } else if !names_something && !unknown_said {
                out.extend_from_slice(b"<rpid:unknown/>");
                unknown_said = true;
            }
        }
        out.extend_from_slice(b"</rpid:");
        out.extend_from_slice(list.as_bytes());
        out.push(b'>');
    }
}

/// Writes `<name/>`, or `<other/>` with words for what RPID has no name for.
fn named(name: &str, text: Option<&str>, known: &[&str], out: &mut Vec<u8>) {
    if known.contains(&name) {
        out.extend_from_slice(b"<rpid:");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"/>");
    } else {
        let words = if name == "other" { text.unwrap_or_default() } else { text.unwrap_or(name) };
        leaf("rpid:other", words, out);
    }
}

fn user_input(input: Option<UserInput>, out: &mut Vec<u8>) {
    let Some(input) = input else { return };
    out.extend_from_slice(b"<rpid:user-input");
    if let Some(seconds) = input.threshold.filter(|seconds| *seconds > 0) {
        writer::attribute("idle-threshold", &seconds.to_string(), out);
    }
    if let Some(date) = input.since.and_then(lexical::date) {
        writer::attribute("last-input", &date, out);
    }
    out.push(b'>');
    leaf_end("rpid:user-input", if input.idle { "idle" } else { "active" }, out);
}

fn contact(contact: &Contact, out: &mut Vec<u8>) {
    out.extend_from_slice(b"<contact");
    if let Some(priority) = contact.priority {
        writer::attribute("priority", &lexical::priority(priority), out);
    }
    out.push(b'>');
    leaf_end("contact", &lexical::uri(&contact.uri), out);
}

fn notes(name: &str, notes: &[Note], out: &mut Vec<u8>) {
    for note in notes.iter().filter(|note| !note.text.is_empty()) {
        out.push(b'<');
        out.extend_from_slice(name.as_bytes());
        if let Some(lang) = note.lang.as_deref().filter(|lang| lexical::is_language(lang)) {
            writer::attribute("xml:lang", lang, out);
        }
        out.push(b'>');
        leaf_end(name, &note.text, out);
    }
}

fn timestamp(name: &str, at: Option<Timestamp>, out: &mut Vec<u8>) {
    if let Some(date) = at.and_then(lexical::date) {
        leaf(name, &date, out);
    }
}

/// Writes what was kept, but nothing that the schema of a parent in namespace `parent` has no place for: its own
/// elements out of order, and elements without a namespace.
fn extensions(extensions: &[Element], parent: &str, out: &mut Vec<u8>) {
    for extension in extensions.iter().filter(|extension| extension.ns() != parent && !extension.ns().is_empty()) {
        writer::write(extension, ns::PIDF, out);
    }
}

fn leaf(name: &str, text: &str, out: &mut Vec<u8>) {
    out.push(b'<');
    out.extend_from_slice(name.as_bytes());
    out.push(b'>');
    leaf_end(name, text, out);
}

fn leaf_end(name: &str, text: &str, out: &mut Vec<u8>) {
    writer::text(text, out);
    out.extend_from_slice(b"</");
    out.extend_from_slice(name.as_bytes());
    out.push(b'>');
}
