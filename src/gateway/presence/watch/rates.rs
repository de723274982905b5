//! How often XMPP users may have SIP users asked.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use super::super::super::limits;
use super::super::super::rate::{Limiters, TooMuch};
use crate::xmpp::jid::Jid;

/// By user and by domain, each by a keyed hash: two that meet share what they may.
#[derive(Debug)]
pub(super) struct Rates {
    hasher: RandomState,
    users: Limiters<u64>,
    servers: Limiters<u64>,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            users: Limiters::new(limits::ASKS_OF_A_USER, limits::LIMITED_USERS),
            servers: Limiters::new(limits::ASKS_OF_A_SERVER, limits::LIMITED_USERS),
        }
    }
}

impl Rates {
    /// One more SIP user is asked on behalf of `watcher`.
    pub(super) fn take(&mut self, watcher: &Jid, now: Duration) -> Result<(), TooMuch> {
        self.users.take(&self.hasher.hash_one(watcher.bare()), now)?;
        self.servers.take(&self.hasher.hash_one(watcher.domain()), now)
    }
}
