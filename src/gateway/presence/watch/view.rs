//! What is known of a target through one watch.

use std::borrow::Cow;

use super::super::super::record::Package;
use super::super::usage::{Body, Fork};
use crate::mapping::phone::{Phone, PhoneRules, Teller};
use crate::model::event::{self, WantsFull};
use crate::model::presence::Presence;
use crate::model::{dialog_info, pidf, reg_info};
use crate::sip::message::Status;

/// What is known.
#[derive(Debug, Default)]
pub(super) struct View(Phone);

/// A document that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    /// It is of a type that the package does not have.
    #[error("a document of type {0} is none that we accept")]
    Type(String),
    /// It is no presence that can be read.
    #[error("{0}")]
    Pidf(pidf::Error),
    /// It is nothing about calls that can be read.
    #[error("{0}")]
    Calls(event::Error),
    /// It is nothing about registrations that can be read.
    #[error("{0}")]
    Registrations(event::Error),
}

impl Unusable {
    /// What its sender is answered: the media type is not ours, or the document is not what it says.
    pub(super) fn status(&self) -> Status {
        match self {
            Self::Type(_) => Status::UNSUPPORTED_MEDIA_TYPE,
            Self::Pidf(error) => Status::new(error.status()).unwrap_or(Status::BAD_REQUEST),
            Self::Calls(_) | Self::Registrations(_) => Status::BAD_REQUEST,
        }
    }
}

impl View {
    pub(super) fn begin(&mut self, package: Package, fork: Fork) {
        if let Some(teller) = teller(package) {
            self.0.begin(teller, fork);
        }
    }

    /// Takes a document; `Ok(Some(_))`: it was taken, and one before it is missing.
    pub(super) fn take(
        &mut self,
        package: Package,
        fork: Fork,
        body: &Body,
        most: usize,
    ) -> Result<Option<WantsFull>, Unusable> {
        let named = body.content_type.split(';').next().unwrap_or_default().trim();
        let is = |media_type: &str| named.eq_ignore_ascii_case(media_type);
        match package {
            Package::Presence if is(pidf::MEDIA_TYPE) => {
                let limits = pidf::Limits { bytes: most, ..pidf::Limits::default() };
                self.0.take_presence(fork, pidf::read(&body.bytes, &limits).map_err(Unusable::Pidf)?);
                Ok(None)
            }
            Package::Dialog if is(dialog_info::MEDIA_TYPE) => {
                let document = dialog_info::read(&body.bytes).map_err(Unusable::Calls)?;
                Ok(self.0.take_calls(fork, document).err())
            }
            Package::Reg if is(reg_info::MEDIA_TYPE) => {
                let document = reg_info::read(&body.bytes).map_err(Unusable::Registrations)?;
                Ok(self.0.take_registration(fork, &document).err())
            }
            Package::Presence | Package::Dialog | Package::Reg | Package::MessageSummary | Package::PresenceWinfo => {
                Err(Unusable::Type(named.to_owned()))
            }
        }
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
