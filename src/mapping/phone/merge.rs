//! One presence of all that is known of a phone.

use std::borrow::Cow;

use super::rules::{As, BUILT_IN, Known, Reach, Registration, Shows};
use super::{Meaning, Phone, PhoneRules};
use crate::model::dialog_info::Use;
use crate::model::presence::{Activity, Basic, Note, Person, Presence, PresenceTuple, Span};
use crate::sip::uri::Uri;

/// The id of the tuple that stands for the phone where no document has one.
const TUPLE: &str = "phone";
/// What somebody does who is on the phone (RFC 4480 section 3.2).
const ON_THE_PHONE: &str = "on-the-phone";

impl Phone {
    /// What a chat client shows; `None` as long as nothing is known. Where no document has come `entity` is empty.
    ///
    /// `user` is the XMPP localpart of the SIP user. Whoever is on the phone has the show, the words, and the activity
    /// `on-the-phone` of RPID (XEP-0108 `talking/on_the_phone`); words of his own follow in parentheses.
    #[must_use]
    pub fn state(&self, rules: &PhoneRules, user: &str) -> Option<Cow<'_, Presence>> {
        if self.is_unknown() {
            return None;
        }
        let mut state = self.document();
        let notice = take_notices(&mut state, rules);
        let calls = self.calls().iter().map(|(_, calls)| calls.usage()).max();
        // Nothing but the person's own word: then the show that came with it is part of that word.
        let own_word = calls.is_none() && notice.is_none() && does(&state, ON_THE_PHONE);
        let told = calls.or(notice.map(Meaning::usage)).unwrap_or(if own_word { Use::Talking } else { Use::Idle });
        let (shows, shown_as) = BUILT_IN.of(Known {
            calls: visible(told, rules),
            document: self.reach(&state),
            registered: self.registered(notice),
        });
        match shows {
            Shows::Document => {}
            Shows::Phone => add_phone(state.to_mut()),
            Shows::Closed => close(state.to_mut()),
        }
        let words = match shown_as {
            As::Itself => return Some(state),
            As::Ringing => rules.ringing.as_deref(),
            As::Held => rules.held.as_deref(),
            As::Talking => Some(rules.busy_text.as_str()),
        };
        let mut words = words.unwrap_or_default().to_owned();
        if let Some(number) = self.other_end(told).filter(|_| rules.caller_of.iter().any(|known| known == user)) {
            words = format!("{words}: {number}");
        }
        let is_call = matches!(shown_as, As::Held | As::Talking);
        overlay(state.to_mut(), &words, is_call.then_some(rules), own_word);
        Some(state)
    }

    /// What the documents of all forks say together.
    fn document(&self) -> Cow<'_, Presence> {
        let mut documents = self.documents.iter().map(|(_, kept)| kept.presence());
        let Some(mut all) = documents.next() else { return Cow::Owned(Presence::default()) };
        for other in documents {
            add_document(all.to_mut(), &other);
        }
        all
    }

    fn reach(&self, state: &Presence) -> Reach {
        match (self.documents.is_empty(), state.is_open()) {
            (true, _) => Reach::None,
            (false, true) => Reach::Open,
            (false, false) => Reach::Closed,
        }
    }

    fn registered(&self, notice: Option<Meaning>) -> Registration {
        match self.registrations().iter().any(|(_, known)| known.is_registered()) {
            true => Registration::Yes,
            false if !self.registrations().is_empty() || notice == Some(Meaning::Gone) => Registration::No,
            false => Registration::Unknown,
        }
    }

    /// The number, or name, of who is at the other end.
    fn other_end(&self, usage: Use) -> Option<String> {
        let mut forks = self.calls().iter().filter(|(_, calls)| usage != Use::Idle && calls.usage() == usage);
        let uri = forks.find_map(|(_, calls)| calls.remote())?;
        let user = match uri.strip_prefix("tel:") {
            Some(number) => number.split(';').next().map(str::to_owned),
            None => Uri::parse(uri).ok()?.user().map(Into::into),
        };
        user.filter(|user: &String| !user.is_empty() && !user.eq_ignore_ascii_case("anonymous"))
    }
}

impl Meaning {
    fn usage(self) -> Use {
        match self {
            Meaning::Free | Meaning::Gone => Use::Idle,
            Meaning::Ringing => Use::Ringing,
            Meaning::Held => Use::Held,
            Meaning::Talking => Use::Talking,
        }
    }
}

/// As what a call is seen where the configuration has no words for ringing and holding.
fn visible(usage: Use, rules: &PhoneRules) -> Use {
    match usage {
        Use::Ringing if rules.ringing.is_none() => Use::Idle,
        Use::Held if rules.held.is_none() => Use::Talking,
        Use::Idle | Use::Ringing | Use::Held | Use::Talking => usage,
    }
}

/// Takes out what the server has written by itself, and says what it means: of several, the busiest. The activity that
/// comes with it is the server's too, who puts it there for phones that merely ring.
fn take_notices(state: &mut Cow<'_, Presence>, rules: &PhoneRules) -> Option<Meaning> {
    let meaning = |note: &Note| rules.notes.iter().find(|known| known.is(&note.text)).map(|known| known.means);
    let said = notes(state).filter_map(meaning).max_by_key(|meaning| meaning.usage())?;
    let state = state.to_mut();
    let own = |note: &Note| meaning(note).is_none();
    state.notes.retain(own);
    for tuple in &mut state.tuples {
        tuple.notes.retain(own);
        tuple.rich.activities.retain(|activity| activity.name != ON_THE_PHONE);
    }
    if let Some(person) = &mut state.person {
        person.notes.retain(own);
        person.rich.activities.retain(|activity| activity.name != ON_THE_PHONE);
    }
    Some(said)
}

fn notes(state: &Presence) -> impl Iterator<Item = &Note> {
    let of_person = state.person.iter().flat_map(|person| &person.notes);
    state.notes.iter().chain(of_person).chain(state.tuples.iter().flat_map(|tuple| &tuple.notes))
}

/// Whether the presentity says of himself that he does this, for no time in particular: whether a time has come or is over
/// is seen when stanzas are made.
fn does(state: &Presence, activity: &str) -> bool {
    let own_tuples = state.tuples.iter().filter(|tuple| !tuple.is_of_another());
    let of_tuples = own_tuples.flat_map(|tuple| &tuple.rich.activities);
    let of_person = state.person.iter().flat_map(|person| &person.rich.activities);
    of_tuples.chain(of_person).any(|known| known.name == activity && known.span == Span::default())
}

/// Adds what another fork says. Of two tuples with the same name an open one counts.
fn add_document(all: &mut Presence, other: &Presence) {
    for tuple in &other.tuples {
        match all.tuples.iter_mut().find(|known| !known.id.is_empty() && known.id == tuple.id) {
            Some(known) if known.basic != Some(Basic::Open) => *known = tuple.clone(),
            Some(_) => {}
            None => all.tuples.push(tuple.clone()),
        }
    }
    for note in &other.notes {
        if !all.notes.contains(note) {
            all.notes.push(note.clone());
        }
    }
    all.devices.extend(other.devices.iter().cloned());
    if all.person.is_none() {
        all.person.clone_from(&other.person);
    }
}

fn add_phone(state: &mut Presence) {
    state.tuples.retain(|tuple| tuple.id != TUPLE);
    state.tuples.push(PresenceTuple { id: TUPLE.to_owned(), basic: Some(Basic::Open), ..PresenceTuple::default() });
}

fn close(state: &mut Presence) {
    if state.tuples.is_empty() {
        add_phone(state);
    }
    for tuple in &mut state.tuples {
        tuple.basic = Some(Basic::Closed);
        tuple.show = None;
    }
}

/// Puts `words` before what open tuples say, and, in a call, the show and the activity.
fn overlay(state: &mut Presence, words: &str, call: Option<&PhoneRules>, own_word: bool) {
    let Presence { tuples, person, notes, .. } = state;
    let of_person = person.as_ref().map(|person| (person.notes.as_slice(), person.rich.activities.as_slice()));
    let (person_notes, person_does) = of_person.unwrap_or_default();
    let common = if person_notes.is_empty() { notes.as_slice() } else { person_notes };
    for tuple in tuples.iter_mut().filter(|tuple| tuple.basic == Some(Basic::Open) && !tuple.is_of_another()) {
        if let Some(rules) = call {
            let activities = tuple.rich.activities.iter().chain(person_does).map(|activity| activity.name.as_str());
            let own = BUILT_IN.own(tuple.show, activities).or(tuple.show.filter(|_| own_word));
            tuple.show = Some(own.unwrap_or(rules.busy));
        }
        let said = if tuple.notes.is_empty() { common } else { tuple.notes.as_slice() };
        tuple.notes = combined(words, said);
    }
    if call.is_some() && !does(state, ON_THE_PHONE) {
        let of_phone = || Box::new(Person { id: TUPLE.to_owned(), ..Person::default() });
        let person = state.person.get_or_insert_with(of_phone);
        person.rich.activities.push(Activity { name: ON_THE_PHONE.to_owned(), ..Activity::default() });
    }
}

/// The words of the call, and in parentheses those of the person, in each language he has.
fn combined(words: &str, said: &[Note]) -> Vec<Note> {
    let with = |note: &Note| match note.text.trim() {
        "" => words.to_owned(),
        own if own.eq_ignore_ascii_case(words) => words.to_owned(),
        own => format!("{words} ({own})"),
    };
    if said.is_empty() {
        return vec![Note { lang: None, text: words.to_owned() }];
    }
    said.iter().map(|note| Note { lang: note.lang.clone(), text: with(note) }).collect()
}
