//! The phone's state: what `dialog` (RFC 4235), `reg` (RFC 3680) and `presence` say of one SIP user, merged to what a chat
//! client shows.
//!
//! [`Phone`] keeps what was said last, [`Phone::state`] merges it by the rows of `mappings/phone.toml`. What servers write
//! by themselves into the notes of presence documents is known from `mappings/peers.toml` ([`Notice`]) and taken for what
//! it means; it is never passed on, for some of it names the number of the other party.

mod merge;
mod rules;

use std::borrow::Cow;

use serde::Deserialize;

use crate::model::dialog_info::{self, Calls};
use crate::model::event::WantsFull;
use crate::model::presence::{Packed, Presence, Show};
use crate::model::reg_info::{self, Registered};

/// How a phone that is used looks in a chat client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneRules {
    /// In a call: how it shows.
    pub busy: Show,
    /// In a call: the words of its status.
    pub busy_text: String,
    /// Whether it shows that a phone rings, and in which words.
    pub ringing: Option<String>,
    /// Whether it shows that a call is on hold, and in which words; else it looks as in a call.
    pub held: Option<String>,
    /// SIP users, by their XMPP localpart, with whose state the caller's number is told.
    pub caller_of: Vec<String>,
    /// What the SIP server writes into notes by itself: [`Preset::notes`](super::preset::Preset::notes) of the domain's
    /// `peer`.
    pub notes: &'static [Notice],
}

impl Default for PhoneRules {
    /// The configuration's defaults.
    fn default() -> Self {
        Self {
            busy: Show::Dnd,
            busy_text: "On the phone".to_owned(),
            ringing: None,
            held: None,
            caller_of: Vec::new(),
            notes: &[],
        }
    }
}

/// A note that a SIP server writes by itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notice {
    /// The whole note, whatever its case. A `*` at its end stands for one word, such as a number.
    pub note: String,
    /// What it means.
    pub means: Meaning,
    /// Where that is said.
    pub source: String,
}

/// What a [`Notice`] means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Meaning {
    /// There, and not in a call.
    Free,
    /// Being called.
    Ringing,
    /// In a call.
    Talking,
    /// In a call that is on hold.
    Held,
    /// Not registered.
    Gone,
}

impl Notice {
    /// Whether `text` is this note.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        let text = text.trim();
        match self.note.strip_suffix('*') {
            Some(start) => text.split_at_checked(start.len()).is_some_and(|(head, word)| {
                head.eq_ignore_ascii_case(start) && !word.is_empty() && !word.contains(char::is_whitespace)
            }),
            None => text.eq_ignore_ascii_case(&self.note),
        }
    }
}

/// One of the dialogs of a subscription (RFC 6665 section 4.1.4); the first is 0.
pub type Fork = u32;

/// Who tells something of a phone: one of the three event packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Teller {
    /// `presence`.
    Presence,
    /// `dialog`.
    Calls,
    /// `reg`.
    Registration,
}

/// What is known of one SIP user: of each dialog that tells something, what it told last.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Phone {
    documents: Vec<(Fork, Kept)>,
    /// Few phones are told of by these.
    others: Option<Box<Others>>,
}

/// A document that was told.
#[derive(Clone, Debug, PartialEq)]
enum Kept {
    /// It is being looked at.
    AsRead(Box<Presence>),
    /// It is at rest.
    Packed(Packed),
}

impl Default for Kept {
    fn default() -> Self {
        Self::AsRead(Box::default())
    }
}

impl Kept {
    fn presence(&self) -> Cow<'_, Presence> {
        match self {
            Self::AsRead(presence) => Cow::Borrowed(presence),
            Self::Packed(packed) => Cow::Owned(packed.presence()),
        }
    }
}

/// What is known besides documents.
#[derive(Clone, Debug, Default, PartialEq)]
struct Others {
    calls: Vec<(Fork, Calls)>,
    registrations: Vec<(Fork, Registered)>,
}

impl Phone {
    /// A dialog is active. Its first notification may have no body, as Kamailio's has where there are no calls: then there
    /// are none. Of presence and registration nothing is known before they say it.
    pub fn begin(&mut self, teller: Teller, fork: Fork) {
        if teller == Teller::Calls {
            of(&mut self.others.get_or_insert_default().calls, fork);
        }
    }

    /// Takes a presence document.
    pub fn take_presence(&mut self, fork: Fork, document: impl Into<Box<Presence>>) {
        *of(&mut self.documents, fork) = Kept::AsRead(document.into());
    }

    /// Nobody looks at it for some time: from now on it takes as little memory as it can. `room` is memory that may be used on
    /// the way.
    pub fn rest(&mut self, room: &mut Vec<u8>) {
        for (_, kept) in &mut self.documents {
            if let Kept::AsRead(presence) = kept {
                *kept = Kept::Packed(Packed::of(presence, room));
            }
        }
    }

    /// Takes a document about calls.
    ///
    /// # Errors
    /// [`WantsFull`] if one before it was missed: the subscription is to be refreshed. It has been taken nevertheless.
    pub fn take_calls(&mut self, fork: Fork, document: dialog_info::Document) -> Result<(), WantsFull> {
        of(&mut self.others.get_or_insert_default().calls, fork).take(document)
    }

    /// Takes a document about registrations.
    ///
    /// # Errors
    /// As [`take_calls`](Self::take_calls).
    pub fn take_registration(&mut self, fork: Fork, document: &reg_info::Document) -> Result<(), WantsFull> {
        of(&mut self.others.get_or_insert_default().registrations, fork).take(document)
    }

    /// A dialog has ended: what it told is not known any more.
    pub fn forget(&mut self, teller: Teller, fork: Fork) {
        match (teller, &mut self.others) {
            (Teller::Presence, _) => drop_fork(&mut self.documents, fork),
            (Teller::Calls, Some(others)) => drop_fork(&mut others.calls, fork),
            (Teller::Registration, Some(others)) => drop_fork(&mut others.registrations, fork),
            (Teller::Calls | Teller::Registration, None) => {}
        }
        self.tidy();
    }

    /// All dialogs of one package have ended.
    pub fn forget_all(&mut self, teller: Teller) {
        match (teller, &mut self.others) {
            (Teller::Presence, _) => self.documents = Vec::new(),
            (Teller::Calls, Some(others)) => others.calls = Vec::new(),
            (Teller::Registration, Some(others)) => others.registrations = Vec::new(),
            (Teller::Calls | Teller::Registration, None) => {}
        }
        self.tidy();
    }

    fn tidy(&mut self) {
        self.others.take_if(|others| **others == Others::default());
    }

    fn calls(&self) -> &[(Fork, Calls)] {
        self.others.as_ref().map_or(&[], |others| &others.calls)
    }

    fn registrations(&self) -> &[(Fork, Registered)] {
        self.others.as_ref().map_or(&[], |others| &others.registrations)
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.documents.is_empty() && self.calls().is_empty() && self.registrations().is_empty()
    }
}

/// What is kept of a fork. Most have one for ever, so no room is made for more.
fn of<T: Default>(kept: &mut Vec<(Fork, T)>, fork: Fork) -> &mut T {
    let at = kept.iter().position(|(known, _)| *known == fork);
    let at = at.unwrap_or_else(|| {
        kept.reserve_exact(1);
        kept.push((fork, T::default()));
        kept.len() - 1
    });
    &mut kept[at].1
}

fn drop_fork<T>(kept: &mut Vec<(Fork, T)>, fork: Fork) {
    kept.retain(|(known, _)| *known != fork);
    kept.shrink_to_fit();
}

#[cfg(test)]
mod tests;
