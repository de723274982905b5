//! Outcomes that wait for their link: a sender must hear of a failure even if its server is away just now.

use std::collections::VecDeque;
use std::time::Duration;

use super::limits::HELD_ERRORS;
use super::{Gateway, Link, Output, Timer, limits};
use crate::time::Now;
use crate::xmpp::stanza::Stanza;

/// An outcome, and how often it was told in vain to a server that could not be reached.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) stanza: Stanza,
    pub(super) tries: u8,
}

/// Error stanzas for one link, oldest first.
#[derive(Debug, Default)]
pub(super) struct Held {
    stanzas: VecDeque<Outcome>,
}

impl Held {
    /// Keeps `outcome`; gives back the oldest if there are too many.
    pub(super) fn keep(&mut self, outcome: Outcome) -> Option<Outcome> {
        self.stanzas.push_back(outcome);
        if self.stanzas.len() > HELD_ERRORS { self.stanzas.pop_front() } else { None }
    }

    /// The link is back: everything that waited.
    pub(super) fn release(&mut self) -> VecDeque<Outcome> {
        std::mem::take(&mut self.stanzas)
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.stanzas.len()
    }
}

impl Gateway {
    pub(super) fn offer_held(&mut self, link: Link) {
        let Some(state) = self.links.get_mut(link) else { return };
        state.offering = false;
        if !state.up {
            return;
        }
        for outcome in state.held.release() {
            self.tell_outcome(link, outcome);
        }
    }

    /// Puts an outcome on its link, or keeps it until the link is back. An outcome counts as told when its server has
    /// taken it, like a message; until then it is remembered.
    pub(super) fn tell(&mut self, link: Link, stanza: Stanza) {
        self.tell_outcome(link, Outcome { stanza, tries: 0 });
    }

    fn tell_outcome(&mut self, link: Link, outcome: Outcome) {
        if !self.link_is_up(link) {
            self.hold(link, outcome);
            return;
        }
        let stanza = outcome.stanza.clone();
        if let Some(to) = stanza.to()
            && self.outcomes.len() < limits::HELD_ERRORS
        {
            self.relay_count += 1;
            self.confirmations.sent(link, to.domain(), self.relay_count);
            self.outcomes.insert(self.relay_count, outcome);
        }
        self.outputs.push(Output::Stanza(link, stanza));
    }

    /// An outcome was told to a server that has not heard it. On a link of a component that is the link's own server, which
    /// comes back; others are tried again some times.
    pub(super) fn tell_again(&mut self, link: Link, outcome: Outcome, now: Now) {
        if link < self.settings.components {
            self.hold(link, outcome);
        } else if outcome.tries >= limits::TELLINGS {
            self.stats.errors_lost += 1;
            tracing::debug!(link, "an error stanza could not be told, its server is away");
        } else {
            self.hold(link, Outcome { tries: outcome.tries + 1, ..outcome });
            self.offer_after(link, limits::TELL_AGAIN, now);
        }
    }

    fn offer_after(&mut self, link: Link, delay: Duration, now: Now) {
        let Some(state) = self.links.get_mut(link) else { return };
        if !std::mem::replace(&mut state.offering, true) {
            self.timers.set(now, delay, Timer::Offer(link));
        }
    }

    /// An outcome did not get onto its link. What was on it when it broke is held already.
    pub(super) fn on_outcome_unsent(&mut self, link: Link, stanza: Stanza, now: Now) {
        if !self.link_is_up(link) {
            return;
        }
        // They come back in the order they went, so the first is most likely the one.
        let number = self.outcomes.iter().find(|(_, outcome)| outcome.stanza == stanza).map(|(number, _)| *number);
        let told = number.and_then(|number| self.outcomes.remove(&number));
        let outcome = told.unwrap_or(Outcome { stanza, tries: 0 });
        if link < self.settings.components {
            self.hold(link, outcome);
            self.offer_after(link, limits::OFFER_AGAIN, now);
        } else {
            self.tell_again(link, outcome, now);
        }
    }

    pub(super) fn hold(&mut self, link: Link, outcome: Outcome) {
        let Some(state) = self.links.get_mut(link) else { return };
        if state.held.keep(outcome).is_some() {
            self.stats.errors_lost += 1;
            tracing::debug!(link, "an error stanza could not be kept until the link is back");
        }
    }
}
