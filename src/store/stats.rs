//! How a store is doing, in numbers and words.

use crate::gateway::record::Kind;

/// Records by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Of authorizations.
    pub authorizations: u64,
    /// Of dialogs.
    pub dialogs: u64,
    /// Of publications.
    pub publications: u64,
}

impl Counts {
    pub(super) fn add(&mut self, kind: Kind, count: u64) {
        *self.of(kind) += count;
    }

    /// These, some more, and some less.
    pub(super) fn after(self, added: Self, removed: Self) -> Self {
        let then = |is: u64, added: u64, removed: u64| (is + added).saturating_sub(removed);
        Self {
            authorizations: then(self.authorizations, added.authorizations, removed.authorizations),
            dialogs: then(self.dialogs, added.dialogs, removed.dialogs),
            publications: then(self.publications, added.publications, removed.publications),
        }
    }

    fn of(&mut self, kind: Kind) -> &mut u64 {
        match kind {
            Kind::Authorization => &mut self.authorizations,
            Kind::Dialog => &mut self.dialogs,
            Kind::Publication => &mut self.publications,
        }
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.authorizations + self.dialogs + self.publications
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} authorizations, {} dialogs, {} publications",
            self.authorizations, self.dialogs, self.publications
        )
    }
}

/// A store as it is now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// Where it is, without secrets.
    pub place: String,
    /// What is wrong with it; empty: nothing.
    pub trouble: String,
    /// What it holds.
    pub counts: Counts,
    /// Commits made since the start: transactions, each with the writes of one or more steps.
    pub commits: u64,
    /// Changes of records in them.
    pub changes: u64,
    /// Microseconds that the commits took, all together.
    pub micros: u64,
    /// Of the slowest.
    pub slowest_micros: u64,
    /// Commits that failed and were tried again.
    pub failed: u64,
    /// Steps whose writes are not committed yet.
    pub pending: u64,
    /// For how long the commit that is going on has, in milliseconds; 0: none is.
    pub waiting_millis: u64,
}
