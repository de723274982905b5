//! Presence: what is known of one presentity, as RFC 4479 models it and PIDF (RFC 3863) with RPID (RFC 4480) says it.
//!
//! [`Presence`] is always the full state of one presentity. A tuple is one way to reach it: on the XMPP side one
//! available resource, on the SIP side one contact or phone. What is known of the person and not of one tuple (activities,
//! mood) stands in [`Person`].

mod packed;

use crate::time::Timestamp;
use crate::xml::Element;

pub use packed::Packed;

/// All that is known of one presentity.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Presence {
    /// Whose it is: a URI, `pres:` where stox writes it (RFC 3863 section 4.1.1).
    pub entity: String,
    /// The ways to reach it, in the order of the document.
    pub tuples: Vec<PresenceTuple>,
    /// What is known of the person.
    pub person: Option<Box<Person>>,
    /// What is known of the machines that the tuples run on.
    pub devices: Vec<Device>,
    /// Words about all of it.
    pub notes: Vec<Note>,
    /// What else the document held, as it was.
    pub extensions: Vec<Element>,
}

impl Presence {
    /// Gives `lang` to all words without a language of their own: that of the message the document came in.
    pub fn speak(&mut self, lang: &str) {
        let tuples = self.tuples.iter_mut().flat_map(|tuple| &mut tuple.notes);
        let person = self.person.iter_mut().flat_map(|person| &mut person.notes);
        for note in self.notes.iter_mut().chain(tuples).chain(person) {
            note.lang.get_or_insert_with(|| lang.to_owned());
        }
    }

    /// Whether a tuple of the presentity itself is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.tuples.iter().any(|tuple| tuple.basic == Some(Basic::Open) && !tuple.is_of_another())
    }

    /// What is said of input at `tuple`: by itself, by its device (RFC 4479 section 3.4), or by the person, in this order.
    #[must_use]
    pub fn user_input(&self, tuple: &PresenceTuple) -> Option<UserInput> {
        let runs_it =
            |device: &&Device| !device.device_id.is_empty() && tuple.device_id.as_ref() == Some(&device.device_id);
        let device = self.devices.iter().find(runs_it).and_then(|device| device.rich.user_input);
        let person = || self.person.as_ref().and_then(|person| person.rich.user_input);
        tuple.rich.user_input.or(device).or_else(person)
    }
}

/// One way to reach a presentity.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PresenceTuple {
    /// What distinguishes it from the others of the document; empty where the document does not say, or says the same
    /// of two. What is written has an `xs:ID`: an id that is none, such as one with a space, is changed.
    pub id: String,
    /// Whether it can be reached; `None` where the document does not say.
    pub basic: Option<Basic>,
    /// How much it wants to be: RFC 8048 section 6.2 puts the XMPP element into the status.
    pub show: Option<Show>,
    /// What else the status held, as it was.
    pub status: Vec<Element>,
    /// Whose way it is, if that is said: `self`, or `assistant` and the like for somebody else's (RFC 4480 section 3.9).
    pub relationship: Option<String>,
    /// The URN of the machine it runs on (RFC 4479 section 3.4).
    pub device_id: Option<String>,
    /// Where it is reached.
    pub contact: Option<Contact>,
    /// Words about it.
    pub notes: Vec<Note>,
    /// Since when it has been so.
    pub timestamp: Option<Timestamp>,
    /// What RPID says of it.
    pub rich: Rich,
    /// What else the tuple held, as it was.
    pub extensions: Vec<Element>,
}

impl PresenceTuple {
    /// Whether it leads to somebody else, an assistant for one, who is not to be shown as the presentity
    /// (RFC 4480 section 3.9).
    #[must_use]
    pub fn is_of_another(&self) -> bool {
        self.relationship.as_deref().is_some_and(|relationship| relationship != "self")
    }
}

/// What is known of the person behind all tuples (RFC 4479 section 3.2).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Person {
    /// What distinguishes it in the document.
    pub id: String,
    /// What RPID says.
    pub rich: Rich,
    /// Words about it.
    pub notes: Vec<Note>,
    /// Since when it has been so.
    pub timestamp: Option<Timestamp>,
    /// What else it held, as it was.
    pub extensions: Vec<Element>,
}

/// What is known of one machine (RFC 4479 section 3.4).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Device {
    /// What distinguishes it in the document.
    pub id: String,
    /// Its URN, which tuples name. One without is not written.
    pub device_id: String,
    /// What RPID says.
    pub rich: Rich,
    /// Words about it.
    pub notes: Vec<Note>,
    /// Since when it has been so.
    pub timestamp: Option<Timestamp>,
    /// What else it held, as it was.
    pub extensions: Vec<Element>,
}

/// RPID's own elements (RFC 4480 section 3) that have a counterpart in XMPP.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rich {
    /// What the person does. Several hold at once.
    pub activities: Vec<Activity>,
    /// How the person feels.
    pub moods: Vec<Mood>,
    /// Whether something was typed or moved of late.
    pub user_input: Option<UserInput>,
}

/// The time for which something is said: `from` and `until` of RFC 4480 section 3.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Span {
    /// From when on; `None`: it always was.
    pub from: Option<Timestamp>,
    /// Until when; `None`: until something else is said.
    pub until: Option<Timestamp>,
}

impl Span {
    /// Whether what is said holds at `at`.
    #[must_use]
    pub fn holds(self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= at) && self.until.is_none_or(|until| at < until)
    }
}

/// One of `<activities/>`: an element of the RPID namespace by its name, or `<other/>` with words.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Activity {
    /// The local name, `on-the-phone` for one; `other` has `text`; `unknown` where only notes stood.
    pub name: String,
    /// The words of `<other/>`.
    pub text: Option<String>,
    /// Words beside it. RPID puts them beside all of one `<activities/>`; they are with its first.
    pub notes: Vec<Note>,
    /// When it holds.
    pub span: Span,
}

/// One of `<mood/>`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mood {
    /// The local name, `happy` for one; `other` has `text`.
    pub name: String,
    /// The words of `<other/>`.
    pub text: Option<String>,
    /// Words beside it, as with [`Activity`].
    pub notes: Vec<Note>,
    /// When it holds.
    pub span: Span,
}

/// `<user-input/>` (RFC 4480 section 3.14).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UserInput {
    /// Whether nothing came for so long that it counts as idle.
    pub idle: bool,
    /// When the last came.
    pub since: Option<Timestamp>,
    /// After how many seconds it counts as idle; not 0.
    pub threshold: Option<u32>,
}

/// `<basic/>` (RFC 3863 section 4.1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Basic {
    /// Ready.
    Open,
    /// Not.
    Closed,
}

/// The value of XMPP's `<show/>` (RFC 6121 section 4.7.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Show {
    /// Away for a while.
    Away,
    /// Eager to chat.
    Chat,
    /// Do not disturb.
    Dnd,
    /// Away for long.
    Xa,
}

impl Show {
    /// The word that RFC 6121 section 4.7.2.1 has for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Away => "away",
            Self::Chat => "chat",
            Self::Dnd => "dnd",
            Self::Xa => "xa",
        }
    }

    /// What the word says; `None`: it is none of them.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Away, Self::Chat, Self::Dnd, Self::Xa].into_iter().find(|show| show.name() == word)
    }
}

/// Where a tuple is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// A URI; it never is empty.
    pub uri: String,
    /// How much it is preferred: thousandths, 0 to 1000 (RFC 3863 section 4.1.5).
    pub priority: Option<u16>,
}

/// Words, and their language if it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// `xml:lang`.
    pub lang: Option<String>,
    /// The words.
    pub text: String,
}
