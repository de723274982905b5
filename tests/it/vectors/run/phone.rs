//! What a phone and its mailbox tell: dialog-info, message summaries, watcher information.

use super::NOW;
use super::parts::mapping_of;
use crate::vectors::{Vector, ours};
use std::fmt::Write as _;
use stox::mapping::phone::{Phone, PhoneRules};
use stox::mapping::{UriForm, voicemail};
use stox::model::message_summary::{self, Class};
use stox::model::watcher_info::{self, Watchers};
use stox::model::{dialog_info, event};
use stox::sip::uri::Uri;
use stox::xml::{Limits, ns, reader};
use stox::xmpp::jid::{BareJid, Jid};
use stox::xmpp::stanza::{Presence, PresenceKind, Stanza};
use stox::xmpp::xep::nick;

fn presence_of(text: &str) -> Result<Presence, String> {
    let text = text.replacen("<presence", &format!("<presence xmlns='{}'", ns::CLIENT), 1);
    let element = reader::parse(text.trim().as_bytes(), &Limits::document()).map_err(|error| error.to_string())?;
    match Stanza::from_element(element) {
        Ok(Stanza::Presence(presence)) => Ok(presence),
        Ok(_) => Err("not presence".to_owned()),
        Err(problem) => Err(format!("{problem:?}")),
    }
}

fn bare(jid: &Option<Jid>) -> Result<BareJid, String> {
    jid.as_ref().map(Jid::to_bare).ok_or_else(|| "no address".to_owned())
}

/// What a chat client sees after this document and those before it in its section, which are of one subscription.
pub(super) fn calls_to_presence(vector: &Vector) -> Result<(), String> {
    let (mut phone, mut missed) = (Phone::default(), None);
    for each in ours().iter().filter(|each| each.direction == vector.direction && each.section == vector.section) {
        let document = dialog_info::read(each.input.trim().as_bytes()).map_err(|error| error.to_string())?;
        let gap = missed.is_none_or(|last| document.version != last + 1) && !document.full;
        missed = Some(document.version);
        if phone.take_calls(0, document) != if gap { Err(event::WantsFull) } else { Ok(()) } {
            return Err(format!("{}: a gap is not noticed, or seen where there is none", each.id));
        }
        if each.id == vector.id {
            break;
        }
    }
    let expected = presence_of(&vector.output)?;
    let (target, watcher) = (bare(&expected.from)?, bare(&expected.to)?);
    let rules = PhoneRules::default();
    let state = phone.state(&rules, target.local().unwrap_or_default()).ok_or("nothing is known")?;
    let mapping = mapping_of([target.domain().to_owned()], UriForm::Sip);
    let stanzas = mapping.presence_to_xmpp(&state, &target, watcher.as_jid(), NOW);
    let [stanza] = stanzas.as_slice() else { return Err(format!("{} stanzas", stanzas.len())) };
    let said = |stanza: &Presence| {
        let status = stanza.statuses().map(|(_, text)| text.into_owned()).collect::<Vec<_>>();
        (stanza.kind, stanza.show().map(|show| show.into_owned()), status)
    };
    if bare(&stanza.from)? != target || stanza.to != expected.to {
        return Err(format!("{:?} to {:?}", stanza.from, stanza.to));
    }
    if said(stanza) == said(&expected) { Ok(()) } else { Err(format!("{:?}", said(stanza))) }
}

/// The words of the headline; how it is sent is a matter of the gateway's tests.
pub(super) fn summary_to_headline(vector: &Vector) -> Result<(), String> {
    let summary = message_summary::read(vector.input.trim().as_bytes()).map_err(|error| error.to_string())?;
    let words = voicemail::words(&summary);
    let account = summary.account.as_deref().and_then(|account| Uri::parse(account).ok()).ok_or("no account")?;
    let from = format!("from='{}'", super::parts::host(&account));
    if vector.output.contains(&format!("<body>{words}</body>")) && vector.output.contains(&from) {
        Ok(())
    } else {
        Err(format!("{from} {words}"))
    }
}

/// What stands in a body, in the words of the vectors.
pub(super) fn parse_summary(vector: &Vector) -> Result<(), String> {
    let summary = message_summary::read(vector.input.trim().as_bytes()).map_err(|error| error.to_string())?;
    let mut told = String::new();
    for (class, counts) in &summary.counts {
        let name = match class {
            Class::Voice => "voice",
            Class::Fax => "fax",
            Class::Pager | Class::Multimedia | Class::Text | Class::Other => "other",
        };
        let comma = if told.is_empty() { "" } else { ", " };
        write!(told, "{comma}{name} {}/{}", counts.new, counts.old).expect("a string takes everything");
    }
    if told.is_empty() {
        told = if summary.waiting { "messages waiting, counts unknown" } else { "no messages" }.to_owned();
    }
    if vector.output.trim() == told { Ok(()) } else { Err(told) }
}

/// Who asks is a request for a subscription; who may already is nothing.
pub(super) fn watchers_to_presence(vector: &Vector) -> Result<(), String> {
    let document = watcher_info::read(vector.input.trim().as_bytes()).map_err(|error| error.to_string())?;
    let expected = presence_of(&vector.output)?;
    let (owner, mut watchers) = (document.lists.first().map(|list| list.resource.clone()), Watchers::default());
    watchers.take(document).map_err(|error| error.to_string())?;
    let domains = [bare(&expected.from)?.domain().to_owned(), bare(&expected.to)?.domain().to_owned()];
    let mapping = mapping_of(domains, UriForm::Sip);
    let jid = |uri: &str| {
        let uri = Uri::parse(uri).map_err(|error| error.to_string())?;
        let address = mapping.uri_to_address(&uri).map_err(|error| error.to_string())?;
        mapping.address_to_jid(&address).map_err(|error| error.to_string())
    };
    let asking: Vec<_> = watchers.asking().collect();
    let [watcher] = asking.as_slice() else { return Err(format!("{asking:?}")) };
    let mut stanza = Presence::new(jid(&watcher.uri)?, jid(&owner.unwrap_or_default())?, PresenceKind::Subscribe);
    stanza.payload.extend(watcher.display.as_deref().map(nick::element));
    if stanza == expected { Ok(()) } else { Err(format!("{stanza:?}")) }
}
