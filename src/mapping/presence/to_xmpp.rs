//! [`Presence`] -> stanzas (RFC 8048 section 6.3, RFC 3922 section 5.2).

use super::super::Mapping;
use super::super::message::is_language;
use super::{MAX_TEXTS, fit, priority_to_xmpp, resource, written};
use crate::model::presence::{Activity, Basic, Note, Presence, PresenceTuple, Show};
use crate::time::Timestamp;
use crate::xml::{Element, Word, ns};
use crate::xmpp::jid::{BareJid, Jid};
use crate::xmpp::stanza::{self, PresenceKind};
use crate::xmpp::xep::idle;
use std::borrow::Cow;

/// The status that RFC 3922 section 5.2.10 expected to be defined, which never was.
const STATUS_OF_RFC_3922: &str = "urn:ietf:params:xml:ns:pidf:im";
/// How contacts start that lead to no phone and no chat.
const ELSEWHERE: [&str; 3] = ["mailto", "http", "https"];

impl Mapping {
    /// What an XMPP user sees of a SIP user: a stanza for each tuple, from the resource that its id names, else from the bare
    /// JID. A closed one is unavailable, with its words. No two are from the same JID: of such tuples the open one counts,
    /// else the first.
    ///
    /// A document without a tuple that counts is unavailable presence from the bare JID; one with nothing but words is
    /// nothing (A-CPIM-03). A tuple that does not say whether it is open, neither plainly nor by a `show`, is nothing: what
    /// was known of it stays (PIDF-05), so who compares this with what it told before asks [`Mapping::is_told_of`].
    /// Activities count while they hold at `now` (RFC 4480 section 3.1).
    #[must_use]
    pub fn presence_to_xmpp(
        &self,
        state: &Presence,
        target: &BareJid,
        watcher: &Jid,
        now: Timestamp,
    ) -> Vec<stanza::Presence> {
        let mut told: Vec<stanza::Presence> = Vec::with_capacity(state.tuples.len().max(1));
        let mut any = false;
        for tuple in state.tuples.iter().filter(|tuple| is_shown(tuple)) {
            any = true;
            let show = self.show(state, tuple, now);
            let kind = match (tuple.basic, tuple.show) {
                (Some(Basic::Open), _) | (None, Some(_)) => PresenceKind::Available,
                (Some(Basic::Closed), _) => PresenceKind::Unavailable,
                (None, None) => continue,
            };
            let from = jid_of(tuple, target);
            let twin = told.iter_mut().find(|other| other.from.as_ref() == Some(&from));
            if twin.as_ref().is_some_and(|twin| twin.kind == PresenceKind::Available || kind != PresenceKind::Available)
            {
                continue;
            }
            let mut stanza = stanza::Presence::new(from, watcher.clone(), kind);
            stanza.payload.reserve(4);
            fill(&mut stanza, state, tuple, show, now);
            match twin {
                Some(twin) => *twin = stanza,
                None => told.push(stanza),
            }
        }
        let only_words = state.tuples.is_empty() && !state.notes.is_empty();
        if !any && !only_words {
            told.push(stanza::Presence::new(target.clone().into(), watcher.clone(), PresenceKind::Unavailable));
        }
        told
    }

    /// Whether `state` has something about `from`, a JID of its presentity, even if only that nothing is known: what it had
    /// told of that JID still holds if [`Mapping::presence_to_xmpp`] says nothing of it.
    #[must_use]
    pub fn is_told_of(&self, state: &Presence, target: &BareJid, from: &Jid) -> bool {
        state.tuples.iter().any(|tuple| is_shown(tuple) && jid_of(tuple, target) == *from)
    }

    /// A-PRES-07: `show` itself, else what activities mean, those of the tuple and of the person, the least disturbable first.
    fn show(&self, state: &Presence, tuple: &PresenceTuple, now: Timestamp) -> Option<Show> {
        if let Some(show) = tuple.show {
            return Some(show);
        }
        let person = state.person.iter().flat_map(|person| &person.rich.activities);
        let means = |activity: &Activity| {
            let meaning = self.presences.activity(&activity.name).filter(|_| activity.span.holds(now));
            meaning.and_then(|meaning| meaning.show)
        };
        let rank = |show: &Show| match show {
            Show::Dnd => 3,
            Show::Xa => 2,
            Show::Away => 1,
            Show::Chat => 0,
        };
        tuple.rich.activities.iter().chain(person).filter_map(means).max_by_key(rank).or_else(|| old_status(tuple))
    }
}

/// Whether a tuple leads to the presentity by something like a phone or a chat.
fn is_shown(tuple: &PresenceTuple) -> bool {
    let leads_elsewhere = || {
        let contact = tuple.contact.as_ref();
        let scheme = contact.and_then(|contact| contact.uri.split_once(':')).map(|(scheme, _)| scheme);
        scheme.is_some_and(|scheme| ELSEWHERE.iter().any(|elsewhere| scheme.eq_ignore_ascii_case(elsewhere)))
    };
    !tuple.is_of_another() && !leads_elsewhere()
}

/// A-PRES-06.
fn jid_of(tuple: &PresenceTuple, target: &BareJid) -> Jid {
    let resource = resource::of_id(&tuple.id);
    let full = (!resource.is_empty()).then(|| target.with_resource(&resource).ok()).flatten();
    full.unwrap_or_else(|| target.clone().into())
}

fn fill(stanza: &mut stanza::Presence, state: &Presence, tuple: &PresenceTuple, show: Option<Show>, now: Timestamp) {
    let child = |name: &str, text: &str| Element::new(Word::constant(ns::CLIENT), name).with_text(text);
    if stanza.kind != PresenceKind::Available {
        push_words(stanza, words(state, tuple, now));
        return;
    }
    let input = state.user_input(tuple).filter(|input| input.idle);
    let idle_without_time = input.is_some_and(|input| input.since.is_none());
    if let Some(show) = show.or(idle_without_time.then_some(Show::Away)) {
        stanza.payload.push(child("show", show.name()));
    }
    push_words(stanza, words(state, tuple, now));
    if let Some(priority) = tuple.contact.as_ref().and_then(|contact| contact.priority) {
        stanza.payload.push(child("priority", &priority_to_xmpp(priority).to_string()));
    }
    stanza.payload.extend(input.and_then(|input| input.since).map(idle::element));
}

/// The words about a tuple: its own, else the person's, else those about all, else those about what the person does.
fn words<'s>(state: &'s Presence, tuple: &'s PresenceTuple, now: Timestamp) -> &'s [Note] {
    let person = state.person.as_deref();
    let activities = || {
        let person = person.into_iter().flat_map(|person| &person.rich.activities);
        let mut activities = tuple.rich.activities.iter().chain(person).filter(|activity| activity.span.holds(now));
        activities.find(|activity| !activity.notes.is_empty()).map_or(&[][..], |activity| &activity.notes)
    };
    [&tuple.notes[..], person.map_or(&[], |person| &person.notes), &state.notes]
        .into_iter()
        .find(|notes| notes.iter().any(|note| !note.text.trim().is_empty()))
        .unwrap_or_else(activities)
}

/// A `<status/>` for each language. One that all have is the stanza's (RFC 8048 table 2), and two in one language would be
/// an error (RFC 6121 section 4.7.2.2), so the first counts.
fn push_words(stanza: &mut stanza::Presence, notes: &[Note]) {
    if notes.is_empty() {
        return;
    }
    let mut room = MAX_TEXTS;
    let mut texts: Vec<(Option<&str>, Cow<'_, str>)> = Vec::with_capacity(notes.len());
    for note in notes {
        let lang = note.lang.as_deref().filter(|lang| is_language(lang));
        let text = fit(&note.text);
        let size = written(&text);
        if text.is_empty() || size > room || texts.iter().any(|(other, _)| *other == lang) {
            continue;
        }
        room -= size;
        texts.push((lang, text));
    }
    let common = match texts.as_slice() {
        [(lang, _)] => *lang,
        _ => None,
    };
    stanza.lang = common.map(str::to_owned);
    stanza.payload.extend(texts.iter().map(|(lang, text)| {
        let own = lang.filter(|_| common.is_none());
        Element::new(Word::constant(ns::CLIENT), "status").with_lang(own).with_text(text)
    }));
}

/// RFC 3922 section 5.2.10: `busy` and the values of `<show/>`.
fn old_status(tuple: &PresenceTuple) -> Option<Show> {
    let status = tuple.status.iter().find(|child| child.is(STATUS_OF_RFC_3922, "im"))?.text();
    match status.trim() {
        "busy" => Some(Show::Dnd),
        other => Show::parse(other),
    }
}
