//! Two domains that exchange stanzas.

use std::sync::Arc;

/// A domain of ours and one of somebody else's. What a stream has proven is proven for such a pair, in one direction.
/// Both are spelled as [`Jid::domain`](crate::xmpp::jid::Jid::domain) spells them, so equal means the same domain.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pair {
    /// The domain that stox serves.
    pub local: Arc<str>,
    /// The other server's.
    pub remote: Arc<str>,
}

/// In which direction stanzas of a pair go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    /// From the local domain to the remote one.
    Out,
    /// From the remote domain to the local one.
    In,
}

impl Pair {
    /// Of two prepared domains.
    #[must_use]
    pub fn new(local: &str, remote: &str) -> Self {
        Self { local: local.into(), remote: remote.into() }
    }
}

impl std::fmt::Display for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} and {}", self.local, self.remote)
    }
}
