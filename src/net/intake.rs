//! Bytes from a SIP peer become an input, or nothing.
//!
//! What cannot be read is only answered, as its RFC says (RFC 4475); what comes from a stranger, where strangers get
//! silence, is not even read.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use tracing::debug;

use crate::gateway::Input;
use crate::gateway::trust::{Stranger, Trust};
use crate::sip::endpoint::{Flow, Inbound};
use crate::sip::message::{ParseError, Response, wire};

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

    /// Reads one message. `None`: nothing is to be done.
    pub(super) fn take(&self, bytes: &[u8], flow: Flow) -> Option<Input> {
        match wire::parse(bytes) {
            Ok(message) => Some(Input::Sip(Inbound { message, flow })),
            Err(error) => {
                debug!(source = %flow.remote, %error, "a SIP message could not be read");
                let response = self.refusal(&error)?;
                Some(Input::Unreadable(response, flow))
            }
        }
    }

    /// The answer to something that could not be read, if there may be one.
    pub(super) fn refusal(&self, error: &ParseError) -> Option<Response> {
        let response = error.response();
        let count = if response.is_some() { &self.refused.answered } else { &self.refused.unreadable };
        count.fetch_add(1, Ordering::Relaxed);
        response
    }
}
