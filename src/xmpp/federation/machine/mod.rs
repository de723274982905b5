//! Which stanza goes on which stream, and which streams there are.

mod settings;

pub use settings::{Bounced, Output, Settings, Stats};

use std::time::Duration;

use super::{Report, StreamId};
use crate::ids::Ids;
use crate::time::Now;
use crate::xmpp::stanza::Stanza;

/// All pairs of domains that exchange stanzas, and all streams. Sans-IO.
pub struct Federation {
    settings: Settings,
    ids: Ids,
    outputs: Vec<Output>,
    stats: Stats,
}

impl Federation {
    /// Without any stream. `ids` gives the chance in delays.
    #[must_use]
    pub fn new(settings: Settings, ids: Ids) -> Self {
        Self { settings, ids, outputs: Vec::new(), stats: Stats::default() }
    }

    /// Sends `stanza` from its `from` to its `to`, whose domains are the pair. It goes on a stream that has proven the pair,
    /// waits for one, or comes back as [`Output::Bounce`].
    pub fn send(&mut self, stanza: Stanza, now: Now) {
        let _ = (stanza, now);
    }

    /// A peer has connected to us. `None`: there are too many streams, and this connection is to be closed.
    pub fn accept(&mut self, now: Now) -> Option<StreamId> {
        let _ = now;
        None
    }

    /// A stream tells what happened to it.
    pub fn report(&mut self, stream: StreamId, report: Report, now: Now) {
        let _ = (stream, report, now);
    }

    /// Lets time pass: everything whose deadline is not after `now` happens.
    pub fn handle_timeout(&mut self, now: Now) {
        let _ = (now, &self.ids, &self.settings);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due, in monotonic time.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Duration> {
        None
    }

    /// The process ends: everything that waits bounces, and so does what comes after; every stream is closed. The streams are
    /// over when [`is_over`](Self::is_over) says so.
    pub fn stop(&mut self, now: Now) {
        let _ = now;
    }

    /// Whether no stream is left.
    #[must_use]
    pub fn is_over(&self) -> bool {
        true
    }

    /// What is to be done, in order.
    pub fn take_outputs(&mut self, into: &mut Vec<Output>) {
        into.append(&mut self.outputs);
    }

    /// The counters, with what is now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats.clone()
    }
}
