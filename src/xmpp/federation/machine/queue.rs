//! Stanzas that wait for their pair to be proven.

use std::collections::VecDeque;
use std::time::Duration;

use super::super::StreamId;
use super::stream::Failed;
use super::{Settings, limits};
use crate::xml::ns;
use crate::xmpp::stanza::Stanza;

/// Where the stanzas of a pair go.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) on: On,
    /// Stanzas given to the stream since it proved the pair.
    pub(super) given: usize,
    /// When the last one was.
    pub(super) used: Duration,
    /// Counts the tries to prove the pair, so that an old deadline does not end a new try.
    pub(super) attempt: u32,
    pub(super) queue: VecDeque<Waiting>,
    /// Whether a timer runs for the queue.
    pub(super) timed: bool,
}

/// The state of a route.
#[derive(Debug)]
pub(super) enum On {
    /// It is to be proven on this stream.
    Asking(StreamId),
    /// It is proven.
    Proven(StreamId),
    /// It was; the stream has been told to end, and only when it is over does the next take what came since, so that
    /// nothing overtakes.
    Ending(StreamId),
    /// The other server does not want it.
    Refused(Failed),
    /// Between two of these.
    Nowhere,
}

/// A stanza that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) stanza: Stanza,
    pub(super) bytes: usize,
    pub(super) since: Duration,
}

/// What waits in all queues together.
#[derive(Debug, Default)]
pub(super) struct Room {
    pub(super) stanzas: usize,
    pub(super) bytes: usize,
    /// A stanza is written here to know its size.
    text: Vec<u8>,
}

impl Route {
    pub(super) fn new() -> Self {
        Self { on: On::Nowhere, given: 0, used: Duration::ZERO, attempt: 0, queue: VecDeque::new(), timed: false }
    }

    pub(super) fn is_on(&self, stream: StreamId) -> bool {
        match self.on {
            On::Asking(id) | On::Proven(id) | On::Ending(id) => id == stream,
            On::Refused(_) | On::Nowhere => false,
        }
    }
}

impl Room {
    /// What `stanza` takes while it waits, or `None` if there is no room for it behind `waiting` others of its pair.
    pub(super) fn for_one(&mut self, stanza: &Stanza, waiting: usize, settings: &Settings) -> Option<usize> {
        if waiting >= settings.queue_per_pair || self.stanzas >= settings.queued {
            return None;
        }
        self.text.clear();
        stanza.write(ns::SERVER, &mut self.text);
        let bytes = self.text.len() + limits::STANZA_OVERHEAD;
        (self.bytes + bytes <= settings.queued_bytes).then_some(bytes)
    }

    pub(super) fn take(&mut self, bytes: usize) {
        self.stanzas += 1;
        self.bytes += bytes;
    }

    pub(super) fn free(&mut self, bytes: usize) {
        self.stanzas -= 1;
        self.bytes -= bytes;
        if self.stanzas == 0 {
            self.text = Vec::new();
        }
    }
}
