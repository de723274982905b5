//! What is known of a target through one watch, by package and fork.

use super::super::super::record::Package;
use super::super::usage::{Body, Fork};
use crate::mapping::phone::PhoneRules;
use crate::model::pidf;
use crate::model::presence::Presence;

/// What is known.
#[derive(Debug, Default)]
pub(super) struct View {
    presence: Vec<(Fork, Box<Presence>)>,
}

/// A document that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    /// It is not of a type that the package has.
    #[error("it is {0}")]
    Type(String),
    /// It cannot be read.
    #[error("{0}")]
    Pidf(pidf::Error),
}

impl View {
    pub(super) fn take(&mut self, package: Package, fork: Fork, body: &Body, most: usize) -> Result<(), Unusable> {
        match package {
            Package::Presence => {
                let limits = pidf::Limits { bytes: most, ..pidf::Limits::default() };
                let read = pidf::read(&body.bytes, &limits).map_err(Unusable::Pidf)?;
                match self.presence.iter_mut().find(|(number, _)| *number == fork) {
                    Some((_, known)) => **known = read,
                    None => self.presence.push((fork, Box::new(read))),
                }
                Ok(())
            }
            Package::Dialog | Package::Reg | Package::MessageSummary | Package::PresenceWinfo => {
                Err(Unusable::Type(body.content_type.clone()))
            }
        }
    }

    pub(super) fn forget(&mut self, _package: Package, fork: Fork) {
        self.presence.retain(|(number, _)| *number != fork);
    }

    pub(super) fn forget_all(&mut self) {
        *self = Self::default();
    }

    pub(super) fn state(&self, _rules: &PhoneRules, _user: &str) -> Option<Presence> {
        let mut all = self.presence.iter();
        let mut state = Presence::clone(&all.next()?.1);
        for (_, more) in all {
            state.tuples.extend(more.tuples.iter().cloned());
        }
        Some(state)
    }
}
