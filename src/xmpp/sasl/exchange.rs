//! One try with one mechanism: rsasl, and around it the guard that keeps its panics here.
//!
//! rsasl slices what it reads without looking how long it is. [`super::server`] holds every message to its grammar before
//! it comes here; should one still be found that breaks something, unwinding ends at this file and the try has failed.
//! The nonces of SCRAM are rsasl's, drawn from the operating system: the one thing below layer 4 that two runs do
//! differently.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rsasl::callback::{Context, Request, SessionCallback, SessionData};
use rsasl::mechanisms::external::EXTERNAL;
use rsasl::mechanisms::plain::PLAIN;
use rsasl::mechanisms::scram::properties::ScramStoredPassword;
use rsasl::mechanisms::scram::{SCRAM_SHA1, SCRAM_SHA1_PLUS, SCRAM_SHA256, SCRAM_SHA256_PLUS};
use rsasl::prelude::{Mechname, Registry, SASLConfig, SASLServer, Session, SessionError, Validation};
use rsasl::property::{AuthId, AuthzId, ChannelBindingName, ChannelBindings, Password};
use rsasl::validate::{Validate, ValidationError};

use super::grammar::{self, Claim};
use super::{Binding, Keys, Mechanism};

/// What rsasl may ask for.
pub(super) struct Facts {
    /// What the first message was read as here. rsasl has to read the same.
    pub(super) claim: Claim,
    /// Whoever proves to know their password is whom `claim` names. None with EXTERNAL.
    pub(super) keys: Option<Keys>,
    /// Of the connection, where a mechanism with channel binding is offered.
    pub(super) binding: Binding,
}

/// What comes of a message.
pub(super) enum Step {
    /// This is to be answered.
    Challenge(Vec<u8>),
    /// The claim is proven; the data, if any, go with the success.
    Proven(Option<Vec<u8>>),
    /// The try has failed. Why is nobody's business.
    Failed,
}

/// A try, from its first message on.
pub(super) struct Exchange {
    session: Session<Proof>,
}

struct Proof;

impl Validation for Proof {
    type Value = ();
}

/// Whether the list has `-PLUS` tells rsasl what the flag `y` means: a downgrade, or the truth (RFC 5802 section 6).
static BOUND: [rsasl::prelude::Mechanism; 6] =
    [EXTERNAL, PLAIN, SCRAM_SHA1, SCRAM_SHA256, SCRAM_SHA1_PLUS, SCRAM_SHA256_PLUS];
static UNBOUND: [rsasl::prelude::Mechanism; 4] = [EXTERNAL, PLAIN, SCRAM_SHA1, SCRAM_SHA256];

impl Exchange {
    /// `None`: rsasl does not know the mechanism.
    pub(super) fn new(mechanism: Mechanism, facts: Facts) -> Option<Self> {
        let known: &'static [rsasl::prelude::Mechanism] = if facts.binding.is_empty() { &UNBOUND } else { &BOUND };
        let config = SASLConfig::builder().with_registry(Registry::with_mechanisms(known)).with_callback(facts).ok()?;
        let name = Mechname::parse(mechanism.name().as_bytes()).ok()?;
        let session = SASLServer::<Proof>::new(config).start_suggested(name).ok()?;
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
            Some(()) => Step::Proven(state.has_sent_message().then_some(output)),
            None => Step::Failed,
        }
    }
}

impl SessionCallback for Facts {
    fn callback(&self, _: &SessionData, context: &Context, request: &mut Request<'_>) -> Result<(), SessionError> {
        let name = context.get_ref::<ChannelBindingName>().unwrap_or_default();
        if let Some(data) = self.binding.data(name) {
            request.satisfy::<ChannelBindings>(data)?;
        }
        if let Some(keys) = &self.keys {
            let keys = ScramStoredPassword::new(keys.iterations, &keys.salt, &keys.stored, &keys.server);
            request.satisfy::<ScramStoredPassword<'static>>(&keys)?;
        }
        Ok(())
    }

    fn validate(&self, _: &SessionData, context: &Context, validate: &mut Validate<'_>) -> Result<(), ValidationError> {
        if self.is_proven(context) {
            validate.finalize::<Proof>(());
        }
        Ok(())
    }
}

impl Facts {
    /// Called by rsasl at the end: with SCRAM after the proof was right, with PLAIN in order to compare the password.
    fn is_proven(&self, context: &Context) -> bool {
        let name = context.get_ref::<AuthId>().unwrap_or_default();
        let authzid = context.get_ref::<AuthzId>().unwrap_or_default();
        let Claim { name: claimed, authzid: wanted } = &self.claim;
        match (&self.keys, context.get_ref::<Password>()) {
            (None, _) => name.is_empty() && claimed.is_empty() && authzid == wanted,
            (Some(keys), Some(password)) => {
                let same_name = stringprep::saslprep(claimed).is_ok_and(|claimed| claimed == name);
                let right = std::str::from_utf8(password).is_ok_and(|password| keys.open_to(password));
                right && same_name && authzid == wanted
            }
            (Some(_), None) => {
                let same_authzid = if authzid.is_empty() {
                    wanted.is_empty()
                } else {
                    grammar::unescape(authzid).as_ref() == Some(wanted)
                };
                grammar::unescape(name).as_ref() == Some(claimed) && same_authzid
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xmpp::sasl::{Decoy, Hash};
    use proptest::prelude::*;

    fn scram() -> Exchange {
        let claim = Claim { name: "user".to_owned(), authzid: String::new() };
        let keys = Decoy { secret: [1; 32], iterations: 4096 }.keys(Hash::Sha1, "user");
        let facts = Facts { claim, keys: Some(keys), binding: Binding::default() };
        Exchange::new(Mechanism::ScramSha1, facts).expect("rsasl knows SCRAM-SHA-1")
    }

    #[test]
    fn a_panic_costs_one_try() {
        for message in ["n,,", "n,,n", "n,a", "n,,,,", "n,,n=u,r"] {
            assert!(matches!(scram().step(message.as_bytes()), Step::Failed), "{message}");
        }
        let mut exchange = scram();
        assert!(matches!(exchange.step(b"n,,n=user,r=x"), Step::Challenge(_)));
        assert!(matches!(exchange.step(b"c"), Step::Failed));
    }

    #[test]
    fn rsasl_has_to_read_the_name_that_was_looked_up() {
        let claim = Claim { name: "somebody".to_owned(), authzid: String::new() };
        let keys = Keys::derive(Hash::Sha1, "secret", &[0; 16], 2);
        let mut plain =
            Exchange::new(Mechanism::Plain, Facts { claim, keys, binding: Binding::default() }).expect("PLAIN");
        assert!(matches!(plain.step(b"\0user\0secret"), Step::Failed));
    }

    fn without_panic(exchange: &mut Exchange, message: &[u8]) {
        let mut output = Vec::new();
        let session = &mut exchange.session;
        let done = catch_unwind(AssertUnwindSafe(|| session.step(Some(message), &mut output).is_ok()));
        assert!(done.is_ok(), "{message:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        #[test]
        fn what_the_grammar_lets_through_does_not_break_rsasl(
            first in "[nyp]?=?[a-z]{0,2},(a=?[a-z=2C3D]{0,3})?,(n=?[a-z=2C3D]{0,4})?,?(r=?[!-~]{0,3})?(,[a-z]?=?[a-z]?)?",
            last in "(c=?[a-z=]{0,4})?,?(r=?[!-~]{0,4})?,?(p=?[A-Za-z0-9+/=]{0,28})?(,[a-z]?=?)?",
        ) {
            if grammar::client_first(first.as_bytes()).is_ok() {
                without_panic(&mut scram(), first.as_bytes());
            }
            if grammar::client_final(last.as_bytes(), Hash::Sha1).is_ok() {
                let mut exchange = scram();
                exchange.step(b"n,,n=user,r=x");
                without_panic(&mut exchange, last.as_bytes());
            }
        }
    }
}
