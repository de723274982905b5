//! Bytes from a SIP peer become an input, an answer at once, or nothing.
//!
//! What cannot be read is answered here as its RFC says (RFC 4475) and goes no further; what comes from a stranger, where
//! strangers get silence, is not even read.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use tracing::debug;

use crate::gateway::Input;
use crate::gateway::trust::{Stranger, Trust};
use crate::sip::endpoint::{Flow, Inbound};
use crate::sip::message::{ParseError, wire};

/// What all SIP sockets share.
pub struct Intake {
    trust: RwLock<Trust>,
    stranger: Stranger,
    /// What was not let in.
    pub refused: Refused,
}

/// Counts of what was not let in.
#[derive(Debug, Default)]
pub struct Refused {
    /// Messages that could not be read and were answered.
    pub answered: AtomicU64,
    /// Messages that could not be read, nor answered.
    pub unreadable: AtomicU64,
    /// Messages from unknown sources, not read.
    pub strangers: AtomicU64,
    /// Connections refused because there are too many.
    pub connections: AtomicU64,
}

/// What became of some bytes.
#[expect(clippy::large_enum_variant, reason = "nearly all are the large one")]
pub(super) enum Taken {
    /// For the shard.
    Input(Input),
    /// To be sent back the way the bytes came.
    Answer(Vec<u8>),
    /// Nothing is to be done.
    Nothing,
}

impl Intake {
    /// Lets in what `trust` says.
    #[must_use]
    pub fn new(trust: Trust, stranger: Stranger) -> Self {
        Self { trust: RwLock::new(trust), stranger, refused: Refused::default() }
    }

    /// The peers' addresses were looked up anew.
    pub fn trust(&self, trust: Trust) {
        *self.trust.write().unwrap_or_else(PoisonError::into_inner) = trust;
    }

    /// Whether anything from `source` is looked at.
    pub(super) fn admits(&self, source: IpAddr) -> bool {
        let known = || self.trust.read().unwrap_or_else(PoisonError::into_inner).knows(source);
        let admitted = self.stranger == Stranger::Refuse || known();
        if !admitted {
            self.refused.strangers.fetch_add(1, Ordering::Relaxed);
        }
        admitted
    }

    /// Reads one message.
    pub(super) fn take(&self, bytes: &[u8], flow: Flow) -> Taken {
        match wire::parse(bytes) {
            Ok(message) => Taken::Input(Input::Sip(Inbound { message, flow })),
            Err(error) => {
                debug!(source = %flow.remote, %error, "a SIP message could not be read");
                self.refuse(&error)
            }
        }
    }

    /// The answer to something that could not be read, if there may be one.
    pub(super) fn refuse(&self, error: &ParseError) -> Taken {
        let Some(mut response) = error.response() else {
            self.refused.unreadable.fetch_add(1, Ordering::Relaxed);
            return Taken::Nothing;
        };
        self.refused.answered.fetch_add(1, Ordering::Relaxed);
        response.ensure_to_tag("unreadable");
        let mut bytes = Vec::with_capacity(512);
        response.print(&mut bytes);
        Taken::Answer(bytes)
    }
}
