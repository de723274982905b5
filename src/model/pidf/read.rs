//! Text to [`Presence`].

use super::vocabulary::{Family, family};
use super::{Error, Limits, rich, text};
use crate::model::date;
use crate::model::presence::{Basic, Contact, Device, Note, Person, Presence, PresenceTuple, Show};
use crate::time::Timestamp;
use crate::xml::Element;

/// The root of partial documents (RFC 5262 section 4), `pidf-full` and `pidf-diff`, has this namespace.
const PARTIAL: &str = "urn:ietf:params:xml:ns:pidf-diff";

/// Reads a document.
///
/// # Errors
/// [`Error`] says what makes the document useless.
pub fn read(document: &[u8], limits: &Limits) -> Result<Presence, Error> {
    let root = text::parse(document, limits)?;
    if !(family(root.ns()) == Family::Pidf && root.name() == "presence") {
        return Err(if root.ns() == PARTIAL { Error::Partial } else { Error::NotPresence });
    }
    let is_tuple = |child: &&Element| child.name() == "tuple" && family(child.ns()) == Family::Pidf;
    let tuples = root.children().filter(is_tuple).count();
    if tuples > limits.tuples {
        return Err(Error::TooManyTuples(tuples));
    }
    let entity = root.attr("entity").unwrap_or_default().trim().to_owned();
    let mut presence = Presence { entity, tuples: Vec::with_capacity(tuples), ..Presence::default() };
    let lang = root.lang().map(str::to_owned);
    for child in root.into_children() {
        take(child, &mut presence, lang.as_deref(), limits);
    }
    forget_ids_said_twice(&mut presence.tuples);
    Ok(presence)
}

fn take(child: Element, presence: &mut Presence, lang: Option<&str>, limits: &Limits) {
    match (family(child.ns()), child.name()) {
        (Family::Pidf, "tuple") => presence.tuples.push(tuple(child, lang, limits)),
        (Family::Pidf | Family::Model, "note") => note(&child, lang, &mut presence.notes, limits),
        (Family::Pidf | Family::Model, "person") => {
            let occurrence = person(child, lang, limits);
            match &mut presence.person {
                Some(known) => merge(known, occurrence, limits),
                None => presence.person = Some(Box::new(occurrence)),
            }
        }
        (Family::Pidf | Family::Model, "device") if presence.devices.len() < limits.tuples => {
            presence.devices.push(device(child, lang, limits));
        }
        (Family::Pidf | Family::Model, _) => {}
        (Family::Rpid, _) if rich::is_rich(&child) => {
            rich::take(&child, lang, &mut presence.person.get_or_insert_default().rich, limits);
        }
        (Family::Rpid | Family::Jabber | Family::Other, _) => keep(child, &mut presence.extensions),
    }
}

fn tuple(element: Element, lang: Option<&str>, limits: &Limits) -> PresenceTuple {
    let id = element.attr("id").unwrap_or_default().to_owned();
    let own = element.lang().map(str::to_owned);
    let lang = own.as_deref().or(lang);
    let mut tuple = PresenceTuple { id, ..PresenceTuple::default() };
    for child in element.into_children() {
        if family(child.ns()) == Family::Pidf && child.name() == "status" {
            for value in child.into_children() {
                take_of_tuple(value, true, &mut tuple, lang, limits);
            }
        } else {
            take_of_tuple(child, false, &mut tuple, lang, limits);
        }
    }
    tuple
}

/// What stands in a tuple, or in its status: the same elements are found in either (A `show` in the status is
/// RFC 8048's, in the tuple what RFC 4479 section 3.7 wants).
fn take_of_tuple(child: Element, in_status: bool, tuple: &mut PresenceTuple, lang: Option<&str>, limits: &Limits) {
    match (family(child.ns()), child.name()) {
        (Family::Pidf, "basic") if tuple.basic.is_none() => tuple.basic = basic(&child),
        (Family::Pidf, "contact") if tuple.contact.is_none() => tuple.contact = contact(&child),
        (Family::Pidf | Family::Model, "note") => note(&child, lang, &mut tuple.notes, limits),
        (Family::Pidf | Family::Model, "timestamp") => tuple.timestamp = timestamp(&child).or(tuple.timestamp),
        (Family::Model, "deviceID") => tuple.device_id = filled(&child).or(tuple.device_id.take()),
        (Family::Pidf | Family::Model, _) => {}
        (Family::Jabber, "show") if tuple.show.is_none() => tuple.show = show(&child),
        (Family::Rpid, "relationship") if !not_understood(&child) => tuple.relationship = relationship(&child),
        (Family::Rpid, _) if rich::is_rich(&child) => rich::take(&child, lang, &mut tuple.rich, limits),
        (Family::Rpid | Family::Jabber | Family::Other, _) if in_status => keep(child, &mut tuple.status),
        (Family::Rpid | Family::Jabber | Family::Other, _) => keep(child, &mut tuple.extensions),
    }
}

fn person(element: Element, lang: Option<&str>, limits: &Limits) -> Person {
    let device = device(element, lang, limits);
    let Device { id, device_id: _, rich, notes, timestamp, extensions } = device;
    Person { id, rich, notes, timestamp, extensions }
}

fn device(element: Element, lang: Option<&str>, limits: &Limits) -> Device {
    let id = element.attr("id").unwrap_or_default().to_owned();
    let own = element.lang().map(str::to_owned);
    let lang = own.as_deref().or(lang);
    let mut device = Device { id, ..Device::default() };
    for child in element.into_children() {
        // Asterisk puts the activities of its person into a status.
        if child.name() == "status" && family(child.ns()) != Family::Other {
            child.into_children().for_each(|value| take_of_device(value, &mut device, lang, limits));
        } else {
            take_of_device(child, &mut device, lang, limits);
        }
    }
    device
}

fn take_of_device(child: Element, device: &mut Device, lang: Option<&str>, limits: &Limits) {
    match (family(child.ns()), child.name()) {
        (Family::Pidf | Family::Model, "note") => note(&child, lang, &mut device.notes, limits),
        (Family::Pidf | Family::Model, "timestamp") => device.timestamp = timestamp(&child).or(device.timestamp),
        (Family::Model, "deviceID") => device.device_id = filled(&child).unwrap_or_default(),
        (Family::Pidf | Family::Model, _) => {}
        (Family::Rpid, _) if rich::is_rich(&child) => rich::take(&child, lang, &mut device.rich, limits),
        (Family::Rpid | Family::Jabber | Family::Other, _) => keep(child, &mut device.extensions),
    }
}

/// Several occurrences of the person (RFC 4479 section 3.5), one from each of several publishers: a compositor that left
/// them apart could not decide between them, and one that is on the phone is so whatever the others say. So all hold.
fn merge(person: &mut Person, other: Person, limits: &Limits) {
    if person.id.is_empty() {
        person.id = other.id;
    }
    rich::merge(&mut person.rich, other.rich, limits);
    let room = limits.words.saturating_sub(person.notes.len());
    person.notes.extend(other.notes.into_iter().take(room));
    person.timestamp = person.timestamp.max(other.timestamp);
    person.extensions.extend(other.extensions);
}

/// An id that two tuples have tells neither of them apart, and the first was told to the watchers before.
fn forget_ids_said_twice(tuples: &mut [PresenceTuple]) {
    for at in 1..tuples.len() {
        let (before, rest) = tuples.split_at_mut(at);
        if let Some(tuple) = rest.first_mut().filter(|tuple| before.iter().any(|known| known.id == tuple.id)) {
            tuple.id.clear();
        }
    }
}

fn basic(element: &Element) -> Option<Basic> {
    match element.text().trim() {
        "open" => Some(Basic::Open),
        "closed" => Some(Basic::Closed),
        _ => None,
    }
}

fn show(element: &Element) -> Option<Show> {
    Show::parse(element.text().trim())
}

fn contact(element: &Element) -> Option<Contact> {
    let priority = element.attr("priority").and_then(priority);
    filled(element).map(|uri| Contact { uri, priority })
}

/// Thousandths of `0(\.[0-9]{0,3})?` or `1(\.0{0,3})?` (RFC 3863 section 4.4 with erratum 1606); what is neither is as if
/// it were not there (section 4.1.5).
fn priority(text: &str) -> Option<u16> {
    let (whole, digits) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let plain = digits.len() <= 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let thousandths = digits.bytes().zip([100, 10, 1]).map(|(digit, worth)| u16::from(digit - b'0') * worth);
    match whole {
        "0" if plain => Some(thousandths.sum()),
        "1" if plain && digits.bytes().all(|byte| byte == b'0') => Some(1000),
        _ => None,
    }
}

fn relationship(element: &Element) -> Option<String> {
    element.children().map(Element::name).find(|name| *name != "note").map(str::to_owned)
}

fn timestamp(element: &Element) -> Option<Timestamp> {
    date::parse_rfc3339(&element.text())
}

/// The text of `element` without the space around it, if there is any.
fn filled(element: &Element) -> Option<String> {
    let text = element.text();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Takes a note, with its language or that of what it stands in (RFC 3863 section 4.1.6).
pub(super) fn note(element: &Element, lang: Option<&str>, notes: &mut Vec<Note>, limits: &Limits) {
    if notes.len() < limits.words
        && let Some(text) = filled(element)
    {
        let lang = element.lang().or(lang).filter(|lang| !lang.is_empty());
        notes.push(Note { lang: lang.map(str::to_owned), text });
    }
}

/// Keeps what we give no meaning to, unless it has no namespace, which no schema allows here, or something in it has
/// to be understood.
fn keep(element: Element, extensions: &mut Vec<Element>) {
    if !element.ns().is_empty() && !not_understood(&element) {
        extensions.push(element);
    }
}

/// Whether something in it, or it itself, has to be understood and is not (RFC 3863 section 4.2.3). The depth of
/// `element` is bounded by [`Limits::depth`].
pub(super) fn not_understood(element: &Element) -> bool {
    let is_mandatory = |name: &crate::xml::Attribute| {
        name.name == "mustUnderstand"
            && (name.ns.is_empty() || family(&name.ns) == Family::Pidf)
            && matches!(name.value.trim(), "true" | "1")
    };
    (family(element.ns()) == Family::Other && element.attributes().any(is_mandatory))
        || element.children().any(not_understood)
}
