//! One try with one mechanism: rsasl, and around it the guard that keeps its panics here.
//!
//! rsasl slices what it reads without looking how long it is. [`super::server`] holds every message to its grammar before
//! it comes here; should one still be found that breaks something, unwinding ends at this file and the try has failed.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rsasl::callback::{Context, SessionCallback, SessionData};
use rsasl::mechanisms::external::EXTERNAL;
use rsasl::prelude::{Mechname, Registry, SASLConfig, SASLServer, Session, Validation};
use rsasl::property::AuthzId;
use rsasl::validate::{Validate, ValidationError};

use super::Mechanism;

/// Whom a mechanism has proven, in its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Proof {
    /// As whom they want to act; empty: as themselves.
    pub(super) authzid: String,
}

/// What comes of a message.
pub(super) enum Step {
    /// This is to be answered.
    Challenge(Vec<u8>),
    /// It is done; the data, if any, go with the success.
    Done(Option<Vec<u8>>, Proof),
    /// The try has failed. Why is nobody's business.
    Failed,
}

/// A try, from its first message on.
pub(super) struct Exchange {
    session: Session<Proven>,
}

struct Proven;

impl Validation for Proven {
    type Value = Proof;
}

struct Facts;

static MECHANISMS: [rsasl::prelude::Mechanism; 1] = [EXTERNAL];

impl Exchange {
    /// `None`: rsasl does not know the mechanism.
    pub(super) fn new(mechanism: Mechanism) -> Option<Self> {
        let registry = Registry::with_mechanisms(&MECHANISMS);
        let config = SASLConfig::builder().with_registry(registry).with_callback(Facts).ok()?;
        let name = Mechname::parse(mechanism.name().as_bytes()).ok()?;
        let session = SASLServer::<Proven>::new(config).start_suggested(name).ok()?;
        Some(Self { session })
    }

    /// Takes a message of the client. After anything but a challenge the exchange is over.
    pub(super) fn step(&mut self, message: &[u8]) -> Step {
        let mut output = Vec::new();
        let session = &mut self.session;
        // A session that panicked is not asked again: its owner drops it on `Failed`.
        let state = catch_unwind(AssertUnwindSafe(|| session.step(Some(message), &mut output)));
        let Ok(Ok(state)) = state else { return Step::Failed };
        if state.is_running() {
            return Step::Challenge(output);
        }
        match self.session.validation() {
            Some(proof) => Step::Done(state.has_sent_message().then_some(output), proof),
            None => Step::Failed,
        }
    }
}

impl SessionCallback for Facts {
    fn validate(&self, _: &SessionData, context: &Context, validate: &mut Validate<'_>) -> Result<(), ValidationError> {
        let authzid = context.get_ref::<AuthzId>().unwrap_or_default().to_owned();
        validate.finalize::<Proven>(Proof { authzid });
        Ok(())
    }
}
