//! Presence documents.

use super::super::Vector;
use super::compare;
use super::parts::{element_of, mapping_of};
use stox::mapping::UriForm;
use stox::model::pidf::{self, Limits};
use stox::model::presence::Presence;
use stox::time::Timestamp;
use stox::xml::{Element, ns};
use stox::xmpp::jid::{BareJid, Jid};
use stox::xmpp::xep::{activity, mood};

/// When the documents of RFC 4480 arrive, 2005-05-30T08:00:00Z: within the times that they name.
const THEN: Timestamp = Timestamp(1_117_440_000_000);

/// Lines of RFC 3863 as a reader has them, each in the smallest document around it.
pub(super) fn parse(vector: &Vector) -> Result<(), String> {
    if vector.id == "3863-ns" {
        let is_read = pidf::read(vector.input.as_bytes(), &Limits::default()).is_ok();
        return compare::text(vector, if is_read { "tolerated" } else { "not a PIDF document" });
    }
    let presence = read(&format!("<presence xmlns='{}'><tuple>{}</tuple></presence>", ns::PIDF, vector.input))?;
    let contact = presence.tuples.first().and_then(|tuple| tuple.contact.as_ref()).ok_or("no contact")?;
    let valid = contact.priority.is_some();
    if valid == (vector.output == "valid") { Ok(()) } else { Err(format!("priority {:?}", contact.priority)) }
}

/// A document as the stanzas that a watcher gets.
pub(super) fn document_to_xmpp(vector: &Vector) -> Result<(), String> {
    let got = stanzas(&read(&vector.input)?)?;
    let expected: Vec<Element> = output(vector)?.iter().map(|stanza| shown(stanza, vector)).collect();
    let got: Vec<Element> = got.iter().map(|stanza| shown(stanza, vector)).collect();
    if got == expected { Ok(()) } else { Err(format!("{got:?}, not {expected:?}")) }
}

/// An element of RPID as what the account says of it (XEP-0107, XEP-0108), or as a show.
pub(super) fn rich_to_xmpp(vector: &Vector) -> Result<(), String> {
    let presence = read(&format!(
        "<presence xmlns='{}' entity='pres:a@example.com'><tuple id='t'><status><basic>open</basic></status></tuple>\
         <person xmlns='{}' id='p'>{}</person></presence>",
        ns::PIDF,
        ns::PIDF_DATA_MODEL,
        vector.input
    ))?;
    let doing = mapping_of(["example.com".to_owned()], UriForm::Sip).doing(&presence, THEN);
    let said = match (doing.activity.general.is_empty(), doing.mood.name.is_empty()) {
        (true, true) => None,
        (false, _) => Some(activity::element(&doing.activity)),
        (true, false) => Some(mood::element(&doing.mood)),
    };
    let expected = output(vector)?.into_iter().next();
    let Some(show) = expected.as_ref().and_then(|expected| expected.child(ns::CLIENT, "show")) else {
        let expected = expected.as_ref().map(compare::trimmed);
        return if said == expected { Ok(()) } else { Err(format!("{said:?}, not {expected:?}")) };
    };
    let got = stanzas(&presence)?;
    let got = got.first().and_then(|stanza| stanza.child(ns::CLIENT, "show")).map(|show| show.text().into_owned());
    match (said, got.as_deref() == Some(&*show.text())) {
        (None, true) => Ok(()),
        (said, _) => Err(format!("show {got:?} and {said:?}, not {show:?}")),
    }
}

fn read(document: &str) -> Result<Presence, String> {
    pidf::read(document.as_bytes(), &Limits::default()).map_err(|error| error.to_string())
}

fn output(vector: &Vector) -> Result<Vec<Element>, String> {
    let all = element_of(&format!("<all xmlns='{}'>{}</all>", ns::CLIENT, vector.output))?;
    Ok(all.into_children().collect())
}

fn stanzas(presence: &Presence) -> Result<Vec<Element>, String> {
    let user = presence.entity.split_once(':').map_or(presence.entity.as_str(), |(_, user)| user);
    let target: BareJid = Jid::parse(user).map_err(|error| error.to_string())?.to_bare();
    let watcher = Jid::parse("juliet@example.com").map_err(|error| error.to_string())?;
    let mapping = mapping_of([target.domain().to_owned()], UriForm::Sip);
    let told = mapping.presence_to_xmpp(presence, &target, &watcher, THEN);
    Ok(told.iter().map(stox::xmpp::Presence::to_element).collect())
}

/// What of a stanza a vector is not free in. RFC 6120 section 8.4: the order of different children says nothing.
fn shown(stanza: &Element, vector: &Vector) -> Element {
    let mut copy = Element::new(ns::CLIENT, "presence");
    for attribute in stanza.attributes() {
        copy.set_attr_ns(attribute.ns.clone(), &attribute.name, attribute.value.clone());
    }
    let counts = |child: &&Element| {
        let known = ["show", "status", "priority"].contains(&child.name()) && child.ns() == ns::CLIENT;
        known && !(child.name() == "priority" && vector.may_differ("priority value"))
    };
    let mut children: Vec<&Element> = stanza.children().filter(counts).collect();
    children.sort_by_key(|child| child.name());
    children.into_iter().for_each(|child| copy.push_child(child.clone()));
    copy
}
