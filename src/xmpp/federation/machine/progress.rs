//! A stream gets on: it is open, pairs are proven or refused on it, it is idle.

use super::super::{Command, Pair, StreamId, Verdict};
use super::queue::On;
use super::stream::{Phase, Stream};
use super::{Federation, Output, Timer, Why, limits};
use crate::time::Now;
use crate::xmpp::stanza::{Condition, Stanza, StanzaError};
use crate::xmpp::stream::{StreamError, StreamErrorKind};

impl Federation {
    pub(super) fn on_open(&mut self, id: StreamId, multiplex: bool, now: Now) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.phase != Phase::Opening {
            return;
        }
        stream.phase = Phase::Open { multiplex };
        let first = if stream.out.is_empty() { 1 } else { 0 };
        let too_many = if multiplex { usize::MAX } else { first };
        let too_many: Vec<Pair> = stream.asked.iter().skip(too_many).map(|asked| asked.pair.clone()).collect();
        for question in stream.questions.clone() {
            self.put(question, id);
        }
        for pair in &too_many {
            self.ask_no_more(pair, id);
            self.lead_anew(pair, now);
        }
        self.put_proofs(id);
    }

    pub(super) fn on_proven_out(&mut self, id: StreamId, pair: Pair, now: Now) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.phase == Phase::Closing || stream.out.contains(&pair) {
            return;
        }
        let is_asked = stream.is_asked(&pair);
        if !is_asked && stream.out.len() >= self.settings.pairs_per_stream {
            // More than we would ask for; it can be proven again when it is wanted.
            return;
        }
        stream.out.push(pair.clone());
        stream.asked.retain(|asked| asked.pair != pair);
        stream.proven_at.get_or_insert(now.mono);
        if !self.counts_as_of(id, &pair) {
            return;
        }
        self.reached(&pair.remote);
        self.put_proofs(id);
        self.lead_on(&pair, id, now);
        if self.missed.remove(&pair) {
            let Pair { local, remote } = pair;
            self.outputs.push(Output::DomainUp { local, remote });
        }
    }

    /// What waits for this pair goes on this stream, which has proven it, unless there is reason to wait on.
    pub(super) fn lead_on(&mut self, pair: &Pair, id: StreamId, now: Now) {
        let on = match self.routes.get(pair).map(|route| &route.on) {
            None | Some(On::Proven(_)) => return,
            Some(On::Ending(other)) if self.streams.contains_key(other) => return,
            Some(On::Asking(other)) => Some(*other),
            Some(On::Ending(_) | On::Refused(_) | On::Nowhere) => None,
        };
        if self.waits_for_session(pair, id, now) {
            return;
        }
        let route = self.route(pair);
        route.on = On::Proven(id);
        route.given = 0;
        self.flush(pair, id, now);
        if let Some(other) = on.filter(|other| *other != id) {
            self.ask_no_more(pair, other);
            self.let_go(other, now);
        }
    }

    pub(super) fn on_proven_in(&mut self, id: StreamId, pair: Pair, now: Now) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.inward.contains(&pair) {
            return;
        }
        if stream.inward.len() >= self.settings.pairs_per_stream {
            self.close(id, Some(StreamErrorKind::ResourceConstraint.into()));
            return;
        }
        stream.inward.push(pair.clone());
        stream.proven_at.get_or_insert(now.mono);
        // Whoever proves a domain shows that it is there: the next stanza to it may try.
        if self.counts_as_of(id, &pair)
            && let Some(failed) = self.remotes.get_mut(&pair.remote).and_then(|remote| remote.failed.as_mut())
        {
            failed.until = failed.until.min(now.mono);
        }
        if self.draining {
            self.drain_one(id);
        }
    }

    /// Counts a stream among those of the domain that is proven on it. Too many of one partner: it ends.
    fn counts_as_of(&mut self, id: StreamId, pair: &Pair) -> bool {
        let Some(stream) = self.streams.get(&id) else { return false };
        let is_allowed = self.settings.partners.of(&pair.remote).allowed;
        if !is_allowed || !self.may_count(id, stream, &pair.remote) {
            let text = if is_allowed { "too many connections" } else { "this domain is not allowed here" };
            let error = StreamError { text: Some(text.to_owned()), ..StreamErrorKind::PolicyViolation.into() };
            self.close(id, Some(error));
            return false;
        }
        let is_home = stream.dialed.as_ref().is_some_and(|dialed| dialed.pair.remote == pair.remote);
        let remote = self.remotes.entry(pair.remote.clone()).or_default();
        if !is_home && !remote.proven.contains(&id) {
            remote.proven.push(id);
        }
        true
    }

    /// Whether this stream may be one of those on which the domain is proven.
    pub(super) fn may_count(&self, id: StreamId, stream: &Stream, domain: &str) -> bool {
        let Some(remote) = self.remotes.get(domain) else { return true };
        let most = self.settings.partners.of(domain).limits.connections;
        stream.dialed.is_some() || remote.proven.contains(&id) || remote.proven.len() < most
    }

    /// The peer does not take stanzas of this pair on this stream (XEP-0220 section 2.1.1).
    pub(super) fn on_refused(&mut self, id: StreamId, pair: &Pair, verdict: &Verdict, now: Now) {
        if !self.ask_no_more(pair, id) {
            return;
        }
        let has_others = self.streams.get(&id).is_some_and(|stream| !stream.out.is_empty());
        let is_full =
            matches!(verdict, Verdict::Error(error) if matches!(error.condition, Condition::ResourceConstraint));
        let is_guest = self.streams.get(&id).and_then(Stream::home).is_some_and(|home| *home != pair.remote);
        if is_guest || is_full && has_others {
            // Section 2.4.2: a stream of its own is tried, once.
            self.lead_anew(pair, now);
        } else {
            self.stats.failed += 1;
            self.refuse(pair, Why::of_verdict(verdict), now);
        }
        self.put_proofs(id);
        self.let_go(id, now);
    }

    pub(super) fn on_proof_late(&mut self, pair: &Pair, attempt: u32, now: Now) {
        let Some(route) = self.routes.get(pair).filter(|route| route.attempt == attempt) else { return };
        let On::Asking(id) = route.on else { return };
        self.ask_no_more(pair, id);
        self.stats.failed += 1;
        self.refuse(pair, Why::NoAnswer("The recipient's server does not say whether it believes us.".to_owned()), now);
        self.put_proofs(id);
        self.let_go(id, now);
    }

    /// Takes the pair from those that wait for this stream; whether it was.
    pub(super) fn ask_no_more(&mut self, pair: &Pair, id: StreamId) -> bool {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.asked.retain(|asked| asked.pair != *pair);
        }
        let waits = |on: &On| matches!(on, On::Asking(other) if *other == id);
        match self.routes.get_mut(pair) {
            Some(route) if waits(&route.on) => {
                route.on = On::Nowhere;
                true
            }
            _ => false,
        }
    }

    /// A stream of its own for a pair that could not share one.
    pub(super) fn lead_anew(&mut self, pair: &Pair, now: Now) {
        let is_wanted = self.routes.get(pair).is_some_and(|route| !route.queue.is_empty());
        if !is_wanted {
            self.routes.remove(pair);
        } else if let Err(why) = self.seek(pair, true, now) {
            self.fail(pair, &why, now);
        }
    }

    /// A stream has no room for what it was told.
    pub(super) fn on_undone(&mut self, id: StreamId, command: Command, now: Now) {
        match command {
            Command::Send(stanza) => self.on_unsent(id, &stanza),
            Command::Prove(pair) => {
                let full = Verdict::Error(StanzaError::new(Condition::ResourceConstraint));
                self.on_refused(id, &pair, &full, now);
            }
            Command::Verify(about) => self.on_unverified(id, &about),
            // It waits for another stream. Nobody has this number.
            Command::Continue(session) => self.keep(0, session, now),
            Command::Drain => {
                if let Some(stream) = self.streams.get_mut(&id) {
                    stream.draining = false;
                }
            }
            // The stream is over, or about to be: that is told otherwise.
            Command::Answer(..) | Command::Close(_) => {}
        }
    }

    /// The stream took no more; those before it are not affected.
    pub(super) fn on_unsent(&mut self, id: StreamId, stanza: &Stanza) {
        if let Some(ends) = super::ends_of(stanza)
            && let Some(route) = self.routes.get_mut(&ends as &dyn super::Ends)
            && route.is_on(id)
        {
            route.given = route.given.saturating_sub(1);
        }
        self.bounce(stanza, &Why::NoAnswer("The recipient's server takes nothing in.".to_owned()));
    }

    pub(super) fn on_idle(&mut self, id: StreamId, now: Now) {
        let Some(stream) = self.streams.get(&id) else { return };
        let is_used = |pair: &Pair| {
            let route = self.routes.get(pair).filter(|route| matches!(route.on, On::Proven(on) if on == id));
            route.is_some_and(|route| now.mono.saturating_sub(route.used) < self.settings.idle)
        };
        if !stream.is_waited_for() && !stream.out.iter().any(is_used) {
            self.close(id, None);
        }
    }

    /// This stream has lost a use; if it was the last, it ends soon.
    pub(super) fn let_go(&mut self, id: StreamId, now: Now) {
        let is_useless = |stream: &Stream| stream.is_useless() && stream.phase != Phase::Closing;
        if self.streams.get(&id).is_some_and(is_useless) {
            self.timers.set(now, limits::LINGER, Timer::Useless(id));
        }
    }

    pub(super) fn end_if_useless(&mut self, id: StreamId) {
        if self.streams.get(&id).is_some_and(Stream::is_useless) {
            self.close(id, None);
        }
    }

    /// Ends a stream. Its pairs wait for the end, so that what comes next does not overtake.
    pub(super) fn close(&mut self, id: StreamId, error: Option<StreamError>) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.phase == Phase::Closing {
            return;
        }
        stream.phase = Phase::Closing;
        for pair in &stream.out {
            if let Some(route) = self.routes.get_mut(pair)
                && matches!(route.on, On::Proven(on) if on == id)
            {
                route.on = On::Ending(id);
            }
        }
        self.outputs.push(Output::Order(id, Command::Close(error)));
    }
}
