//! The way to the place of each route, and the errands that wait until it is known.

use std::collections::HashMap;
use std::time::Duration;

use super::errand::{Errand, RouteId, Way};
use super::{LookupId, Output, Route, limits};
use crate::sip::endpoint::{self, Report};
use crate::sip::locate::{Answer, Find, Finder, Outcome, PlaceId, Reason, Transports};

/// What is known of the next hops.
#[derive(Debug)]
pub(super) struct Directions {
    finder: Finder,
    /// Of each route, by its number. Routes to one next hop share a place, so DNS is asked once for all of them.
    places: Vec<PlaceId>,
    waiting: HashMap<PlaceId, Vec<Errand>>,
    /// How many wait, in all.
    count: usize,
}

impl Directions {
    /// Nothing is known yet; `have` are the transports of ours, and `seed` decides how servers of equal standing share
    /// the work.
    pub(super) fn new(routes: &[(String, Route)], have: Transports, seed: u64) -> Self {
        let mut finder = Finder::new(have, seed);
        let places = routes.iter().map(|(_, route)| finder.place(&route.next_hop)).collect();
        Self { finder, places, waiting: HashMap::new(), count: 0 }
    }

    /// Where a request for `route` goes, by `way` if it has one of its own. Questions that are to be put to DNS first are
    /// added to `outputs`.
    pub(super) fn find(&mut self, route: RouteId, way: Option<&Way>, now: Duration, outputs: &mut Vec<Output>) -> Find {
        let place = match way.map(|way| &way.to) {
            Some(to) if to.is_address() => return self.finder.find_address(to, now),
            Some(to) => match self.finder.passing(to) {
                Some(place) => place,
                None => return Find::NotFound(Reason::Unavailable),
            },
            None => self.places.get(route).copied().unwrap_or(PlaceId::MAX),
        };
        let found = self.finder.find(place, now);
        if found == Find::Wait {
            self.ask(outputs);
        }
        found
    }

    /// Whether no more errands may wait.
    pub(super) fn is_full(&self) -> bool {
        self.count >= limits::LOOKUPS
    }

    /// Keeps `errand` until the place of its route is known.
    pub(super) fn wait(&mut self, errand: Errand) {
        let place = match errand.way() {
            Some(way) => self.finder.passing(&way.to),
            None => self.places.get(errand.route()).copied(),
        };
        if let Some(place) = place {
            self.count += 1;
            self.waiting.entry(place).or_default().push(errand);
        }
    }

    /// Takes an answer of DNS that holds for `ttl`; the errands whose place is known now, in the order in which they came.
    pub(super) fn on_answer(
        &mut self,
        lookup: LookupId,
        answer: Answer,
        ttl: Duration,
        now: Duration,
        outputs: &mut Vec<Output>,
    ) -> Vec<Errand> {
        let known = self.finder.on_answer(lookup, answer, ttl, now);
        self.ask(outputs);
        let ready: Vec<_> = known.iter().filter_map(|place| self.waiting.remove(place)).flatten().collect();
        self.count -= ready.len();
        ready
    }

    /// Notes what came of an attempt.
    pub(super) fn note(&mut self, report: Report, now: Duration) {
        let outcome = match report.outcome {
            endpoint::Outcome::Worked => Outcome::Works,
            endpoint::Outcome::Busy { retry_after } => Outcome::Refused(retry_after),
            endpoint::Outcome::NotSent(_) | endpoint::Outcome::Broken => Outcome::Broken,
            endpoint::Outcome::Silent => Outcome::Silent,
        };
        self.finder.note(report.target, outcome, now);
    }

    /// Questions that wait for their answers.
    pub(super) fn open(&self) -> usize {
        self.finder.open()
    }

    /// Targets that failed and have not worked since.
    pub(super) fn failing(&self) -> usize {
        self.finder.failing()
    }

    /// Everybody who waits, for nothing.
    pub(super) fn abandon(&mut self) -> impl Iterator<Item = Errand> {
        self.count = 0;
        std::mem::take(&mut self.waiting).into_values().flatten()
    }

    fn ask(&mut self, outputs: &mut Vec<Output>) {
        while let Some((lookup, query)) = self.finder.poll_question() {
            outputs.push(Output::Locate(lookup, query));
        }
    }
}
