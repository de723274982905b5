//! What is known of one stream, and of one remote domain.

use std::sync::Arc;
use std::time::Duration;

use super::super::{Host, Pair, StreamId};
use super::why::Why;

/// A question about a key, by number.
pub(super) type QuestionId = u64;

/// One stream.
#[derive(Debug)]
pub(super) struct Stream {
    /// How it was opened; `None`: by a peer.
    pub(super) dialed: Option<Dialed>,
    pub(super) phase: Phase,
    /// Pairs of which stanzas may go on it.
    pub(super) out: Vec<Pair>,
    /// Pairs of which stanzas may come on it.
    pub(super) inward: Vec<Pair>,
    /// Pairs that wait to be proven on it.
    pub(super) asked: Vec<Asked>,
    /// Questions that go, or went, to the server at its other end.
    pub(super) questions: Vec<QuestionId>,
    /// Questions that came by keys on it.
    pub(super) keys: Vec<QuestionId>,
    /// When the first pair was proven.
    pub(super) proven_at: Option<Duration>,
    /// It takes nothing new, and what is on its way is awaited.
    pub(super) draining: bool,
}

/// A pair that is to be proven on a stream.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) pair: Pair,
    /// Whether the stream was told.
    pub(super) put: bool,
}

/// How we opened a stream.
#[derive(Debug, Clone)]
pub(super) struct Dialed {
    pub(super) pair: Pair,
    pub(super) to_verify: bool,
    pub(super) host: Option<Host>,
    /// How often it was sent on.
    pub(super) hops: u8,
}

/// How far a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing can be asked on it yet.
    Opening,
    /// Pairs and keys can be asked about.
    Open {
        /// Whether several pairs may be.
        multiplex: bool,
    },
    /// It was told to end.
    Closing,
}

impl Stream {
    pub(super) fn new(dialed: Option<Dialed>) -> Self {
        Self {
            dialed,
            phase: Phase::Opening,
            out: Vec::new(),
            inward: Vec::new(),
            asked: Vec::new(),
            questions: Vec::new(),
            keys: Vec::new(),
            proven_at: None,
            draining: false,
        }
    }

    /// The remote domain whose server is surely at its other end.
    pub(super) fn home(&self) -> Option<&Arc<str>> {
        let dialed = self.dialed.as_ref().map(|dialed| &dialed.pair.remote);
        dialed.or_else(|| self.out.first().or(self.inward.first()).map(|pair| &pair.remote))
    }

    /// Whether nobody would miss it.
    pub(super) fn is_useless(&self) -> bool {
        self.out.is_empty() && self.inward.is_empty() && !self.is_waited_for()
    }

    /// Whether something is to happen on it yet.
    pub(super) fn is_waited_for(&self) -> bool {
        !self.asked.is_empty() || !self.questions.is_empty() || !self.keys.is_empty()
    }

    /// Whether one more pair may be proven on it, as soon as it is open. While it is being opened nobody knows; most servers
    /// allow it.
    pub(super) fn takes_pairs(&self, most: usize) -> bool {
        let has_room = self.out.len() + self.asked.len() < most;
        match self.phase {
            Phase::Opening => has_room && self.dialed.is_some(),
            Phase::Open { multiplex } => has_room && (multiplex || self.out.is_empty() && self.asked.is_empty()),
            Phase::Closing => false,
        }
    }

    /// Whether this pair waits to be proven on it.
    pub(super) fn is_asked(&self, pair: &Pair) -> bool {
        self.asked.iter().any(|asked| asked.pair == *pair)
    }

    /// Pairs and questions that wait for it, which it has no more afterwards.
    pub(super) fn take_waiting(&mut self) -> (Vec<Pair>, Vec<QuestionId>) {
        let asked = std::mem::take(&mut self.asked).into_iter().map(|asked| asked.pair).collect();
        (asked, std::mem::take(&mut self.questions))
    }
}

/// The servers of one remote domain.
#[derive(Debug, Default)]
pub(super) struct Remote {
    /// The streams that we opened to them.
    pub(super) dialed: Vec<StreamId>,
    /// Other streams on which a pair with the domain is proven.
    pub(super) proven: Vec<StreamId>,
    /// Times in a row that no stream came about.
    pub(super) failures: u32,
    /// Times in a row that a stream was proven and ended young.
    pub(super) losses: u8,
    /// The last failure: when it was, until when nothing is tried, and what is said meanwhile.
    pub(super) failed: Option<Failed>,
}

/// A failure that is remembered.
#[derive(Debug, Clone)]
pub(super) struct Failed {
    pub(super) at: Duration,
    pub(super) until: Duration,
    pub(super) why: Why,
}

impl Remote {
    /// Why nothing is tried just now.
    pub(super) fn resting(&self, now: Duration) -> Option<&Failed> {
        self.failed.as_ref().filter(|failed| now < failed.until)
    }

    /// Whether there is nothing to know about it.
    pub(super) fn is_forgettable(&self) -> bool {
        self.dialed.is_empty() && self.proven.is_empty() && self.failed.is_none()
    }
}
