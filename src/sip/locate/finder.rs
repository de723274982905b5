//! The searches of one shard: what is known is given at once, what is not is asked for once, and whoever wants to know
//! meanwhile waits for the same answer.
//!
//! ```text
//!  find -> Found | Resting | NotFound                              from the plan of the place, while it holds
//!       -> Wait, and poll_question -> (DNS) -> on_answer -> the places that are known now: find again
//! ```
//! A destination is numbered once ([`Finder::place`]), so a message to a known place costs no look at any name.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::search::{Step, search};
use super::{Answer, Cache, Destination, Dice, Outcome, Plan, Query, Reason, Rest, Target, Transports, limits, plan};

/// A destination by its number.
pub type PlaceId = usize;

/// A question by its number.
pub type QuestionId = u64;

/// What is known of a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Find {
    /// Try these, in this order. Never empty.
    Found(Vec<Target>),
    /// There are targets, but all of them have asked to be left alone for so long at least.
    Resting(Duration),
    /// There is no such place.
    NotFound(Reason),
    /// It is being looked for; [`Finder::on_answer`] says when it is known.
    Wait,
}

/// Finds targets.
#[derive(Debug)]
pub struct Finder {
    have: Transports,
    dice: Dice,
    places: Vec<Place>,
    cache: Cache,
    rest: Rest,
    /// Questions that are out, and which places want to know.
    asked: HashMap<QuestionId, Query>,
    wanted: HashMap<Query, Vec<PlaceId>>,
    question_count: QuestionId,
    /// Questions to put.
    questions: VecDeque<(QuestionId, Query)>,
    /// Places that peers have named.
    passing: HashMap<Destination, PlaceId>,
    /// The same by age: whose turn it is to be forgotten.
    oldest: VecDeque<PlaceId>,
}

#[derive(Debug)]
struct Place {
    destination: Destination,
    known: Option<Known>,
    search: Option<Search>,
}

/// What the last search found.
#[derive(Debug)]
struct Known {
    found: Result<Plan, Reason>,
    /// It is not looked for again before then.
    until: Duration,
    /// When the answers ended that it was made of: earlier than `until` while DNS is silent.
    fresh_until: Duration,
}

/// A search under way.
#[derive(Debug, Clone, Copy)]
struct Search {
    since: Duration,
    rounds: u32,
    /// Questions whose answers are awaited.
    open: usize,
}

impl Finder {
    /// A finder that knows nothing yet, for the transports that we `have`; `seed` decides how equals are shared out.
    #[must_use]
    pub fn new(have: Transports, seed: u64) -> Self {
        Self {
            have,
            dice: Dice::new(seed),
            places: Vec::new(),
            cache: Cache::default(),
            rest: Rest::default(),
            asked: HashMap::new(),
            wanted: HashMap::new(),
            question_count: 0,
            questions: VecDeque::new(),
            passing: HashMap::new(),
            oldest: VecDeque::new(),
        }
    }

    /// The number of `destination`: the next one, from 0, for one that is new. Destinations are those of the
    /// configuration and are never forgotten.
    pub fn place(&mut self, destination: &Destination) -> PlaceId {
        let known = self.places.iter().position(|place| place.destination == *destination);
        known.unwrap_or_else(|| {
            self.places.push(Place { destination: destination.clone(), known: None, search: None });
            self.places.len() - 1
        })
    }

    /// The number of a destination that a peer has named, as Contact or Record-Route. Such places come and go: the number is
    /// good until the next call, and while its search runs. `None`: searches run for as many as there may be.
    pub fn passing(&mut self, destination: &Destination) -> Option<PlaceId> {
        if let Some(known) = self.passing.get(destination) {
            return Some(*known);
        }
        let place = Place { destination: destination.clone(), known: None, search: None };
        let id = if self.passing.len() < limits::PASSING {
            self.places.push(place);
            self.places.len() - 1
        } else {
            let places = &mut self.places;
            let idle = |id: &PlaceId| places.get(*id).is_some_and(|place| place.search.is_none());
            let id = self.oldest.iter().position(idle).and_then(|at| self.oldest.remove(at))?;
            let old = std::mem::replace(places.get_mut(id)?, place);
            self.passing.remove(&old.destination);
            id
        };
        self.passing.insert(destination.clone(), id);
        self.oldest.push_back(id);
        Some(id)
    }

    /// Where a request goes to a destination that is an address ([`Destination::is_address`]): no DNS is asked.
    #[must_use]
    pub fn find_address(&mut self, destination: &Destination, now: Duration) -> Find {
        match search(destination, self.have, |_| None) {
            Step::Found(plan, _) => {
                let mut targets = plan.order(&mut self.dice);
                match self.rest.order(&mut targets, now) {
                    Ok(()) => Find::Found(targets),
                    Err(wait) => Find::Resting(wait),
                }
            }
            Step::NotFound(reason, _) => Find::NotFound(reason),
            Step::Ask(_) => Find::NotFound(Reason::NoAddress),
        }
    }

    /// Where a request for `place` goes at `now`, monotonic time.
    pub fn find(&mut self, place: PlaceId, now: Duration) -> Find {
        match self.places.get(place) {
            None => return Find::NotFound(Reason::NoAddress),
            Some(Place { search: Some(_), .. }) => return Find::Wait,
            Some(Place { known: Some(known), .. }) if now < known.until => {}
            Some(_) => {
                let search = Search { since: now, rounds: 0, open: 0 };
                if !self.go_on(place, search, now) {
                    return Find::Wait;
                }
            }
        }
        self.known(place, now)
    }

    /// A question that is to be put to DNS; its answer belongs to [`on_answer`](Self::on_answer).
    pub fn poll_question(&mut self) -> Option<(QuestionId, Query)> {
        self.questions.pop_front()
    }

    /// Takes an answer that holds for `ttl`. The places given back are known now: whoever waits for them should ask
    /// again.
    pub fn on_answer(&mut self, question: QuestionId, answer: Answer, ttl: Duration, now: Duration) -> Vec<PlaceId> {
        let Some(query) = self.asked.remove(&question) else { return Vec::new() };
        let wanted = self.wanted.remove(&query).unwrap_or_default();
        self.cache.put(query, answer, ttl, now);
        let mut done = Vec::new();
        for place in wanted {
            let Some(search) = self.places.get_mut(place).and_then(|place| place.search.as_mut()) else { continue };
            search.open = search.open.saturating_sub(1);
            let search = *search;
            if search.open == 0 && self.go_on(place, search, now) {
                done.push(place);
            }
        }
        done
    }

    /// Notes how an attempt at a target ended.
    pub fn note(&mut self, target: Target, outcome: Outcome, now: Duration) {
        self.rest.note(target, outcome, now);
    }

    /// Targets that failed and have not worked since.
    #[must_use]
    pub fn failing(&self) -> usize {
        self.rest.failing()
    }

    /// Questions that wait for their answers.
    #[must_use]
    pub fn open(&self) -> usize {
        self.asked.len()
    }

    /// Searches on with what is known now. `true`: the search is over.
    fn go_on(&mut self, id: PlaceId, mut search: Search, now: Duration) -> bool {
        let Some(place) = self.places.get_mut(id) else { return true };
        search.rounds += 1;
        let step = self::search(&place.destination, self.have, |query| self.cache.get(query, now, search.since));
        let (found, end) = match step {
            Step::Found(plan, end) => (Ok(plan), end),
            Step::NotFound(reason, end) => (Err(reason), end),
            // Answers that other searches drive out of the cache before this one can use them.
            Step::Ask(_) if search.rounds > limits::ROUNDS => (Err(Reason::Unavailable), now),
            Step::Ask(queries) => {
                search.open = queries.len();
                place.search = Some(search);
                self.put(id, queries);
                return false;
            }
        };
        place.search = None;
        place.learn(found, end, now);
        true
    }

    fn put(&mut self, place: PlaceId, queries: Vec<Query>) {
        for query in queries {
            if let Some(wanted) = self.wanted.get_mut(&query) {
                wanted.push(place);
                continue;
            }
            self.question_count += 1;
            self.asked.insert(self.question_count, query.clone());
            self.questions.push_back((self.question_count, query.clone()));
            self.wanted.insert(query, vec![place]);
        }
    }

    fn known(&mut self, place: PlaceId, now: Duration) -> Find {
        match self.places.get(place).and_then(|place| place.known.as_ref()).map(|known| &known.found) {
            Some(Ok(plan)) => {
                let mut targets = plan.order(&mut self.dice);
                if let Err(wait) = self.rest.order(&mut targets, now) {
                    return Find::Resting(wait);
                }
                plan::cut(&mut targets);
                Find::Found(targets)
            }
            Some(Err(reason)) => Find::NotFound(*reason),
            None => Find::Wait,
        }
    }
}

impl Place {
    fn learn(&mut self, found: Result<Plan, Reason>, end: Duration, now: Duration) {
        if let (Err(Reason::Unavailable), Some(known)) = (&found, &mut self.known)
            && known.found.is_ok()
            && now < known.fresh_until.saturating_add(limits::STALE)
        {
            known.until = now + limits::UNAVAILABLE;
            return;
        }
        // Answers of a short life serve at least those who wait for them.
        let until = end.max(now + limits::SHORTEST);
        self.known = Some(Known { found, until, fresh_until: until });
    }
}
