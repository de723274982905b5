//! Activities and moods: RPID (RFC 4480 sections 3.2 and 3.5) <-> XEP-0108 and XEP-0107.
//!
//! RPID has several at once, XMPP one: the first that has a counterpart. What has none goes as words.

use super::super::Mapping;
use super::fit;
use crate::model::presence::{Activity, Mood, Note, Presence};
use crate::time::Timestamp;
use crate::xmpp::xep::{activity, mood};

/// What a person does and feels, as the account of an XMPP user would say it; empty ones say that it is over.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Doing {
    /// XEP-0108.
    pub activity: activity::Activity,
    /// XEP-0107.
    pub mood: mood::Mood,
}

impl Mapping {
    /// What the presentity does and feels at `now`, for events of its account
    /// ([`pep::event`](crate::xmpp::xep::pep::event)) when it differs from what was told last.
    #[must_use]
    pub fn doing(&self, state: &Presence, now: Timestamp) -> Doing {
        let riches = || {
            let person = state.person.as_deref().into_iter().map(|person| &person.rich);
            person.chain(state.tuples.iter().filter(|tuple| !tuple.is_of_another()).map(|tuple| &tuple.rich))
        };
        let activities = riches().flat_map(|rich| &rich.activities).filter(|activity| activity.span.holds(now));
        let moods = riches().flat_map(|rich| &rich.moods).filter(|mood| mood.span.holds(now));
        let mut moods = moods.peekable();
        let first = moods.peek().copied();
        let mood = moods.clone().find_map(|mood| self.mood_to_xmpp(mood)).unwrap_or_default();
        let mood = with_words_of_another(mood, first.into_iter().chain(moods));
        Doing { activity: activities.clone().find_map(|one| self.activity_to_xmpp(one)).unwrap_or_default(), mood }
    }

    fn activity_to_xmpp(&self, activity: &Activity) -> Option<activity::Activity> {
        let (general, specific) = self.presences.activity(&activity.name)?.doing.clone()?;
        let said = activity.text.as_deref().or_else(|| first_words(&activity.notes)).map(fit);
        let named = || (general == "undefined" && activity.name != "other").then(|| spaced(&activity.name));
        let text = said.map(std::borrow::Cow::into_owned).filter(|text| !text.is_empty()).or_else(named);
        if general == "undefined" && text.is_none() {
            return None;
        }
        Some(activity::Activity { general, specific, text })
    }

    fn mood_to_xmpp(&self, mood: &Mood) -> Option<mood::Mood> {
        let text = mood.text.as_deref().or_else(|| first_words(&mood.notes)).map(|text| fit(text).into_owned());
        let text = text.filter(|text| !text.is_empty());
        match (self.presences.mood_in_rpid(&mood.name), &text) {
            (Some(true), _) => Some(mood::Mood { name: mood.name.clone(), text }),
            (None, Some(_)) if mood.name == "other" => Some(mood::Mood { name: "undefined".to_owned(), text }),
            (Some(false) | None, _) => None,
        }
    }

    /// The RPID activity for one of XEP-0108; none for the end of one.
    #[must_use]
    pub fn activity_to_rpid(&self, doing: &activity::Activity) -> Option<Activity> {
        let words = doing.text.as_deref().map(|text| fit(text).into_owned()).filter(|text| !text.is_empty());
        let specific = doing.specific.as_deref().filter(|specific| *specific != "other");
        let own = specific.and_then(|specific| self.presences.doing(specific));
        let row = own.or_else(|| self.presences.doing(&doing.general))?;
        // What only the name of the specific one says would be lost with it.
        let named = || specific.filter(|_| own.is_none()).map(spaced);
        let Some(name) = row else {
            let text = words.or_else(|| specific.map(spaced));
            let text = text.or_else(|| (doing.general != "undefined").then(|| spaced(&doing.general)))?;
            return Some(Activity { name: "other".to_owned(), text: Some(text), ..Activity::default() });
        };
        let notes = words.or_else(named).map(|text| Note { lang: None, text }).into_iter().collect();
        Some(Activity { name: name.to_owned(), notes, ..Activity::default() })
    }

    /// The RPID mood for one of XEP-0107; none for the end of one, and for what that does not have.
    #[must_use]
    pub fn mood_to_rpid(&self, feeling: &mood::Mood) -> Option<Mood> {
        let words = feeling.text.as_deref().map(|text| fit(text).into_owned()).filter(|text| !text.is_empty());
        if self.presences.mood_in_rpid(&feeling.name)? {
            let notes = words.map(|text| Note { lang: None, text }).into_iter().collect();
            return Some(Mood { name: feeling.name.clone(), notes, ..Mood::default() });
        }
        let named = || (feeling.name != "undefined").then(|| spaced(&feeling.name));
        Some(Mood { name: "other".to_owned(), text: Some(words.or_else(named)?), ..Mood::default() })
    }
}

/// XEP-0107 has one mood; the words of an `<other/>` beside it are words about it.
fn with_words_of_another<'m>(mut mood: mood::Mood, mut moods: impl Iterator<Item = &'m Mood>) -> mood::Mood {
    if mood.text.is_none() && !mood.name.is_empty() {
        let words = moods.find_map(|mood| mood.text.as_deref().filter(|_| mood.name == "other"));
        mood.text = words.map(|words| fit(words).into_owned()).filter(|text| !text.is_empty());
    }
    mood
}

fn first_words(notes: &[Note]) -> Option<&str> {
    notes.iter().map(|note| note.text.as_str()).find(|text| !text.trim().is_empty())
}

/// The name of an element as words.
fn spaced(name: &str) -> String {
    name.replace(['_', '-'], " ")
}
