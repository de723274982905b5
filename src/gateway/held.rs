//! Outcomes that wait for their link: a sender must hear of a failure even if its server is away just now.

use std::collections::VecDeque;

use super::limits::HELD_ERRORS;
use crate::xmpp::stanza::Stanza;

/// Error stanzas for one link, oldest first.
#[derive(Debug, Default)]
pub(super) struct Held {
    stanzas: VecDeque<Stanza>,
}

impl Held {
    /// Keeps `stanza`; gives back the oldest if there are too many.
    pub(super) fn keep(&mut self, stanza: Stanza) -> Option<Stanza> {
        self.stanzas.push_back(stanza);
        if self.stanzas.len() > HELD_ERRORS { self.stanzas.pop_front() } else { None }
    }

    /// The link is back: everything that waited.
    pub(super) fn release(&mut self) -> VecDeque<Stanza> {
        std::mem::take(&mut self.stanzas)
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.stanzas.len()
    }
}
