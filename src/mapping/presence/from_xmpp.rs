//! Stanzas -> [`Presence`] (RFC 8048 section 6.2, RFC 3922 section 5.1).

use super::super::address::{AddressError, host_text, push_user};
use super::super::message::is_language;
use super::super::{Mapping, UriForm};
use super::{MAX_DOCUMENT, MAX_TEXTS, fit, priority_to_sip, resource, written};
use crate::model::Address;
use crate::model::presence::{Activity, Basic, Contact, Note, Person, Presence, PresenceTuple, Rich, Show, UserInput};
use crate::sip::uri::Uri;
use crate::xml::ns;
use crate::xmpp::jid::BareJid;
use crate::xmpp::stanza::{self, PresenceKind};
use crate::xmpp::xep::{activity, delay, idle, mood};

/// What a tuple takes in a document besides its texts, id and contact, bytes.
const TUPLE: usize = 400;
/// What the document takes besides its tuples, bytes: the namespaces and the person.
const FRAME: usize = 2_000;
/// The id of the person; no id of a tuple is like it.
const PERSON: &str = "person";

impl Mapping {
    /// What a SIP user sees of an XMPP user whose resources, by name, have said this last; presence that neither is available
    /// nor unavailable does not count (RFC 8048 section 6.2 note 1), nor does a second one of a resource. One tuple for each
    /// that is available, in their order; if none is, one closed tuple, with the words of the first that has left.
    ///
    /// Where the domain's resources do not cross (`gruu`), ids do not show them (A-ADDR-10).
    ///
    /// # Errors
    /// An address that has no SIP URI.
    pub fn presence_from_xmpp(
        &self,
        target: &BareJid,
        resources: &[(&str, &stanza::Presence)],
    ) -> Result<Presence, AddressError> {
        let mut address = self.jid_to_address(target.as_jid());
        let uri = self.address_to_uri(&address)?;
        let shown = self.domain_of_xmpp(target.domain()).is_none_or(|domain| domain.gruu);
        let mut state = Presence { entity: entity(&uri), ..Presence::default() };
        let mut room = MAX_DOCUMENT - FRAME;
        let of_kind = |kind| resources.iter().filter(move |(_, presence)| presence.kind == kind);
        let mut person = Rich::default();
        for (resource, presence) in of_kind(PresenceKind::Available) {
            let uri = self.contact(&uri, &mut address, resource);
            let tuple = tuple(id(target, resource, shown), Some(uri), presence);
            if state.tuples.iter().any(|other| other.id == tuple.id) {
                continue;
            }
            let Some(tuple) = fitting(tuple, &mut room) else { break };
            state.tuples.push(tuple);
            self.push_rich(presence, &mut person);
        }
        if state.tuples.is_empty() {
            let left = of_kind(PresenceKind::Unavailable).next();
            let tuple = left.map(|(resource, left)| tuple(id(target, resource, shown), None, left));
            let closed = || PresenceTuple { id: resource::to_id(""), ..PresenceTuple::default() };
            let mut tuple = tuple.and_then(|tuple| fitting(tuple, &mut room)).unwrap_or_else(closed);
            tuple.basic = Some(Basic::Closed);
            state.tuples.push(tuple);
        }
        let nearest = of_kind(PresenceKind::Available).map(|(_, presence)| show(presence)).max_by_key(nearness);
        self.push_shown(nearest.flatten(), &mut person);
        if person != Rich::default() {
            state.person = Some(Box::new(Person { id: PERSON.to_owned(), rich: person, ..Person::default() }));
        }
        Ok(state)
    }

    /// The URI of a resource, the user's own where it has none.
    fn contact(&self, of_user: &Uri, address: &mut Address, resource: &str) -> String {
        if resource.is_empty() {
            return of_user.as_str().to_owned();
        }
        address.instance = Some(resource.to_owned());
        match self.address_to_uri(address) {
            Ok(uri) => uri.as_str().to_owned(),
            Err(_) => of_user.as_str().to_owned(),
        }
    }

    /// What a stanza says of the person. Clients say it by events of the account, but nothing keeps them from this.
    fn push_rich(&self, presence: &stanza::Presence, person: &mut Rich) {
        for child in &presence.payload {
            if let Some(doing) = activity::read(child) {
                push_new(self.activity_to_rpid(&doing), &mut person.activities);
            } else if let Some(feeling) = mood::read(child) {
                push_new(self.mood_to_rpid(&feeling), &mut person.moods);
            }
        }
    }

    /// The activity that says the same as `show` to a phone that does not know that (A-PRES-07).
    fn push_shown(&self, show: Option<Show>, person: &mut Rich) {
        let named = show.and_then(|show| self.presences.activity_of_show(show));
        let activity = named.map(|name| Activity { name: name.to_owned(), ..Activity::default() });
        push_new(activity, &mut person.activities);
    }
}

/// The language of what these resources say, for Content-Language (RFC 8048 table 1): `xml:lang` of the available ones, if it
/// is one; where none is available, of all.
#[must_use]
pub fn language<'p>(resources: &[(&str, &'p stanza::Presence)]) -> Option<&'p str> {
    let any_available = resources.iter().any(|(_, presence)| presence.kind == PresenceKind::Available);
    let kind = if any_available { PresenceKind::Available } else { PresenceKind::Unavailable };
    let mut langs = resources.iter().filter(|(_, presence)| presence.kind == kind).map(|(_, presence)| &presence.lang);
    let first = langs.next()?.as_deref().filter(|lang| is_language(lang))?;
    langs.all(|lang| lang.as_deref() == Some(first)).then_some(first)
}

/// RFC 3863 section 4.1.1: `pres:` with user and host; a number stays as it is (A-PRES-16).
fn entity(uri: &Uri) -> String {
    let (Ok(Some(user)), Some(_)) = (uri.user_decoded(), uri.host()) else { return uri.as_str().to_owned() };
    let mut entity = "pres:".to_owned();
    push_user(&user, UriForm::Im, &mut entity);
    entity.push('@');
    entity.push_str(&host_text(uri));
    entity
}

fn id(target: &BareJid, resource: &str, shown: bool) -> String {
    if shown || resource.is_empty() {
        resource::to_id(resource)
    } else {
        resource::to_opaque_id(target.as_str(), resource)
    }
}

/// One resource. A contact is there for the open ones: PIDF-04, and nobody calls a closed one.
fn tuple(id: String, contact: Option<String>, presence: &stanza::Presence) -> PresenceTuple {
    let priority = presence.child(ns::CLIENT, "priority").and_then(|child| child.text().trim().parse().ok());
    let user_input =
        idle::find(&presence.payload).map(|since| UserInput { idle: true, since: Some(since), threshold: None });
    let open = contact.is_some();
    PresenceTuple {
        id,
        basic: Some(Basic::Open),
        show: show(presence).filter(|_| open),
        contact: contact.map(|uri| Contact { uri, priority: priority.and_then(priority_to_sip) }),
        notes: notes(presence),
        timestamp: delay::find(&presence.payload),
        rich: Rich { user_input: user_input.filter(|_| open), ..Rich::default() },
        ..PresenceTuple::default()
    }
}

fn show(presence: &stanza::Presence) -> Option<Show> {
    presence.show().and_then(|show| Show::parse(show.trim()))
}

/// A note for each status that has words, each with its language (A-PRES-15).
fn notes(presence: &stanza::Presence) -> Vec<Note> {
    let mut room = MAX_TEXTS;
    let mut notes = Vec::new();
    for (lang, text) in presence.statuses() {
        let text = fit(&text);
        let size = written(&text);
        if !text.is_empty() && size <= room {
            room -= size;
            let lang = lang.filter(|lang| is_language(lang)).map(str::to_owned);
            notes.push(Note { lang, text: text.into_owned() });
        }
    }
    notes
}

/// `tuple` as far as there is room for it: with its words, without, or not at all.
fn fitting(mut tuple: PresenceTuple, room: &mut usize) -> Option<PresenceTuple> {
    let contact = tuple.contact.as_ref().map_or(0, |contact| written(&contact.uri));
    let bare = TUPLE + tuple.id.len() + contact;
    let words: usize = tuple.notes.iter().map(|note| 100 + written(&note.text)).sum();
    if bare + words > *room {
        tuple.notes.clear();
    }
    let size = if tuple.notes.is_empty() { bare } else { bare + words };
    *room = room.checked_sub(size)?;
    Some(tuple)
}

/// What the person is: that of the resource at which others would rather find her (RFC 8048 section 6.2: the most available
/// one). Who does not want to be disturbed is nearer than who is away.
fn nearness(show: &Option<Show>) -> u8 {
    match show {
        Some(Show::Chat) => 4,
        None => 3,
        Some(Show::Dnd) => 2,
        Some(Show::Away) => 1,
        Some(Show::Xa) => 0,
    }
}

fn push_new<T: PartialEq>(new: Option<T>, known: &mut Vec<T>) {
    known.extend(new.filter(|new| !known.contains(new)));
}
