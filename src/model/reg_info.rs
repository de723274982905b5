//! Registrations of a SIP user: application/reginfo+xml (RFC 3680 section 5).
//!
//! All that is asked here is whether anybody is registered: [`read`] makes a [`Document`], [`Registered`] keeps what
//! documents said in their order.

use super::event::{self, Error, Versions, WantsFull};
use crate::xml::Element;

/// The namespace (section 5.1).
pub const NAMESPACE: &str = "urn:ietf:params:xml:ns:reginfo";
/// The media type.
pub const MEDIA_TYPE: &str = "application/reginfo+xml";
/// Addresses of record of one document: one, or the few of an implicit registration set.
pub const MAX_REGISTRATIONS: usize = 64;
/// Contacts of one address of record, and of one user in all: nobody has so many phones.
pub const MAX_CONTACTS: usize = 256;

/// One document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Which of the subscription it is.
    pub version: u32,
    /// Whether it has all registrations, or those that have changed.
    pub full: bool,
    /// The registrations.
    pub registrations: Vec<Registration>,
}

/// What is registered of one address of record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// What names it in this and later documents.
    pub id: String,
    /// The address of record.
    pub aor: String,
    /// Whether there is a registration: `active`, and not `init` or `terminated`.
    pub active: bool,
    /// The contacts it speaks of.
    pub contacts: Vec<Contact>,
}

/// One contact of a registration. Its address is not read: it is nobody's business here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// What names it among those of its registration.
    pub id: String,
    /// Whether it is registered, and not `terminated`.
    pub active: bool,
}

/// Reads a document.
///
/// # Errors
/// What it breaks of XML, another root, no version, a registration or contact without id, more than the limits.
pub fn read(body: &[u8]) -> Result<Document, Error> {
    let root = event::root(body, NAMESPACE, "reginfo")?;
    let registrations = event::children(&root, NAMESPACE, "registration", "registrations", MAX_REGISTRATIONS)?;
    Ok(Document {
        version: event::number(&root, "version")?,
        full: event::is_full(&root, "state")?,
        registrations: registrations.into_iter().map(read_registration).collect::<Result<_, _>>()?,
    })
}

fn read_registration(element: &Element) -> Result<Registration, Error> {
    let contacts = event::children(element, NAMESPACE, "contact", "contacts", MAX_CONTACTS)?;
    let contact = |contact: &Element| Ok(Contact { id: event::required(contact, "id")?, active: is_active(contact) });
    Ok(Registration {
        id: event::required(element, "id")?,
        aor: element.attr("aor").unwrap_or_default().trim().to_owned(),
        active: is_active(element),
        contacts: contacts.into_iter().map(contact).collect::<Result<_, Error>>()?,
    })
}

fn is_active(element: &Element) -> bool {
    element.attr("state").is_some_and(|state| state.trim().eq_ignore_ascii_case("active"))
}

/// What one dialog of the subscription has told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Registered {
    versions: Versions,
    /// The contacts that are active, each by a number made of its id and its registration's: of people with several phones
    /// a few words are kept, of all others one.
    contacts: Vec<u64>,
}

impl Registered {
    /// Takes a document, in the order in which they come.
    ///
    /// # Errors
    /// [`WantsFull`] if one before it was missed.
    pub fn take(&mut self, document: &Document) -> Result<(), WantsFull> {
        let turn = self.versions.turn(document.version, document.full);
        if turn.takes() {
            if document.full {
                self.contacts.clear();
            }
            for registration in &document.registrations {
                self.update(registration);
            }
            self.contacts.shrink_to_fit();
        }
        turn.asks()
    }

    fn update(&mut self, registration: &Registration) {
        let of_it = number(&registration.id, 0);
        if !registration.active {
            self.contacts.retain(|contact| contact >> 32 != of_it);
            return;
        }
        for contact in &registration.contacts {
            let name = of_it << 32 | number(&contact.id, 1);
            self.contacts.retain(|known| *known != name);
            if contact.active && self.contacts.len() < MAX_CONTACTS {
                self.contacts.push(name);
            }
        }
    }

    /// Whether any contact is registered.
    #[must_use]
    pub fn is_registered(&self) -> bool {
        !self.contacts.is_empty()
    }
}

/// 32 bits of FNV-1a. Two contacts of one user with the same are one in 2^32, and then a phone that left is believed to be
/// gone a little too early.
fn number(id: &str, seed: u64) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325_u64 ^ seed;
    id.bytes().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)) >> 32
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn document(version: u32, state: &str, inside: &str) -> Document {
        let text = format!("<reginfo xmlns='{NAMESPACE}' version='{version}' state='{state}'>{inside}</reginfo>");
        read(text.as_bytes()).unwrap()
    }

    fn registration(id: &str, state: &str, contacts: &[(&str, &str)]) -> String {
        let contact = |(id, state): &(&str, &str)| {
            format!("<contact id='{id}' state='{state}' event='registered'><uri>sip:a@192.0.2.1</uri></contact>")
        };
        let contacts: String = contacts.iter().map(contact).collect();
        format!("<registration aor='sip:a@b' id='{id}' state='{state}'>{contacts}</registration>")
    }

    #[test]
    fn somebody_is_registered_while_a_contact_is_active() {
        let mut known = Registered::default();
        let two = registration("a", "active", &[("1", "active"), ("2", "active")]);
        assert_eq!(known.take(&document(0, "full", &two)), Ok(()));
        assert!(known.is_registered());
        let one_left = registration("a", "active", &[("1", "terminated")]);
        assert_eq!(known.take(&document(1, "partial", &one_left)), Ok(()));
        assert!(known.is_registered(), "the other contact is still there");
        let none_left = registration("a", "active", &[("2", "terminated")]);
        assert_eq!(known.take(&document(2, "partial", &none_left)), Ok(()));
        assert!(!known.is_registered());
        assert_eq!(known.take(&document(3, "full", &two)), Ok(()));
        assert_eq!(known.take(&document(4, "partial", &registration("a", "terminated", &[]))), Ok(()));
        assert!(!known.is_registered());
        assert_eq!(known.take(&document(5, "full", &registration("a", "init", &[]))), Ok(()));
        assert!(!known.is_registered());
    }

    #[test]
    fn a_missed_document_is_noticed_and_an_older_one_changes_nothing() {
        let mut known = Registered::default();
        let here = registration("a", "active", &[("1", "active")]);
        let gone = registration("a", "terminated", &[("1", "terminated")]);
        assert_eq!(known.take(&document(4, "full", &here)), Ok(()));
        assert_eq!(known.take(&document(6, "partial", &gone)), Err(WantsFull));
        assert!(!known.is_registered());
        assert_eq!(known.take(&document(5, "partial", &here)), Err(WantsFull));
        assert!(!known.is_registered());
    }

    #[test]
    fn what_is_no_such_document_is_refused_with_the_reason() {
        let refused = |text: &str| read(text.as_bytes()).unwrap_err();
        let root = |inside: &str| format!("<reginfo xmlns='{NAMESPACE}' version='0' state='full'>{inside}</reginfo>");
        assert_eq!(refused("<reginfo version='0' state='full'/>"), Error::Root("reginfo"));
        assert_eq!(refused(&root("<registration state='active'/>")), Error::Attribute("id"));
        let many = registration("a", "active", &[]).repeat(MAX_REGISTRATIONS + 1);
        assert_eq!(refused(&root(&many)), Error::TooMany("registrations", MAX_REGISTRATIONS));
        let many = registration("a", "active", &vec![("1", "active"); MAX_CONTACTS + 1]);
        assert_eq!(refused(&root(&many)), Error::TooMany("contacts", MAX_CONTACTS));
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
        }

        #[test]
        fn what_is_known_is_what_the_documents_say_one_after_the_other(
            steps in proptest::collection::vec((any::<bool>(), 0..3_usize, 0..3_usize, any::<bool>()), 1..30),
        ) {
            let mut known = Registered::default();
            let mut table = std::collections::BTreeSet::new();
            for (version, (full, registration, contact, active)) in (0_u32..).zip(steps) {
                let full = full || version == 0;
                if full {
                    table.clear();
                }
                if active { table.insert((registration, contact)); } else { table.remove(&(registration, contact)); }
                let contacts = vec![Contact { id: contact.to_string(), active }];
                let (id, aor) = (registration.to_string(), String::new());
                let registrations = vec![Registration { id, aor, active: true, contacts }];
                prop_assert_eq!(known.take(&Document { version, full, registrations }), Ok(()));
                prop_assert_eq!(known.is_registered(), !table.is_empty());
            }
        }
    }
}
