//! What is known of a target through one watch.

use std::borrow::Cow;

use super::super::super::record::Package;
use super::super::document::Document;
use super::super::usage::Fork;
use crate::mapping::phone::{Phone, PhoneRules, Teller};
use crate::model::event::WantsFull;
use crate::model::presence::Presence;

/// What is known.
#[derive(Debug, Default)]
pub(super) struct View(Phone);

impl View {
    pub(super) fn begin(&mut self, package: Package, fork: Fork) {
        if let Some(teller) = teller(package) {
            self.0.begin(teller, fork);
        }
    }

    /// Takes a document.
    ///
    /// # Errors
    /// It was taken, and one before it is missing.
    pub(super) fn take(&mut self, fork: Fork, document: Document) -> Result<(), WantsFull> {
        match document {
            Document::Presence(document) => {
                self.0.take_presence(fork, document);
                Ok(())
            }
            Document::Calls(document) => self.0.take_calls(fork, document),
            Document::Registrations(document) => self.0.take_registration(fork, &document),
            // Nobody watches somebody else's watchers.
            Document::Watchers(_) => Ok(()),
            // Nobody has one of his own.
            Document::List(_) => Ok(()),
        }
    }

    /// Nothing is taken for some time. `room` is memory that may be used on the way.
    pub(super) fn rest(&mut self, room: &mut Vec<u8>) {
        self.0.rest(room);
    }

    pub(super) fn forget(&mut self, package: Package, fork: Fork) {
        if let Some(teller) = teller(package) {
            self.0.forget(teller, fork);
        }
    }

    /// Nothing of one package is known any more.
    pub(super) fn forget_package(&mut self, package: Package) {
        if let Some(teller) = teller(package) {
            self.0.forget_all(teller);
        }
    }

    pub(super) fn forget_all(&mut self) {
        *self = Self::default();
    }

    pub(super) fn state(&self, rules: &PhoneRules, user: &str) -> Option<Cow<'_, Presence>> {
        self.0.state(rules, user)
    }
}

fn teller(package: Package) -> Option<Teller> {
    match package {
        Package::Presence => Some(Teller::Presence),
        Package::Dialog => Some(Teller::Calls),
        Package::Reg => Some(Teller::Registration),
        Package::MessageSummary | Package::PresenceWinfo => None,
    }
}
