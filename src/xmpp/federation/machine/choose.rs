//! A stream for a pair.

use std::time::Duration;

use super::super::{Authentication, Command, Dial, Pair, StreamId};
use super::queue::{On, Route};
use super::sessions::Kept;
use super::stream::{Asked, Dialed, Failed, Phase, Remote, Stream};
use super::{Federation, Output, Timer, Why, limits};
use crate::time::Now;

impl Federation {
    /// Leads a route to a stream: at once, or when it is proven. With `anew`, what is there will not do unless the pair is
    /// proven on it; nor where a session of ours waits, which goes on only on a stream of its own.
    pub(super) fn seek(&mut self, pair: &Pair, anew: bool, now: Now) -> Result<(), Why> {
        if !self.settings.partners.of(&pair.remote).allowed {
            return Err(Why::Blocked);
        }
        let goes_on = self.kept.get(pair) == Some(&Kept::Ours);
        if let Some(stream) = self.proven_on(pair).filter(|_| !goes_on) {
            let route = self.route(pair);
            route.on = On::Proven(stream);
            route.given = 0;
            self.flush(pair, stream, now);
            return Ok(());
        }
        let shared = if anew || goes_on { None } else { self.shareable(pair).or_else(|| self.neighbour(pair)) };
        if let Some(stream) = shared {
            self.ask(pair, stream, now);
            return Ok(());
        }
        if let Some(failed) = self.remotes.get(&pair.remote).and_then(|remote| remote.resting(now.mono)) {
            return Err(failed.why.clone());
        }
        if !self.may_dial(pair) {
            return Err(Why::Full);
        }
        let stream = self.dial(Dialed { pair: pair.clone(), to_verify: false, host: None, hops: 0 }, now);
        self.ask(pair, stream, now);
        Ok(())
    }

    /// A stream on which the pair is proven.
    fn proven_on(&self, pair: &Pair) -> Option<StreamId> {
        let remote = self.remotes.get(&pair.remote)?;
        remote.proven.iter().chain(&remote.dialed).copied().find(|id| {
            self.streams.get(id).is_some_and(|stream| stream.phase != Phase::Closing && stream.out.contains(pair))
        })
    }

    /// A stream to the same domain on which one more pair may be proven. On those that the peer opened, only where it has
    /// agreed to hear from us.
    fn shareable(&self, pair: &Pair) -> Option<StreamId> {
        let remote = self.remotes.get(&pair.remote)?;
        let is_heard = |stream: &Stream| stream.out.iter().any(|other| other.remote == pair.remote);
        let proven = remote.proven.iter().filter(|id| self.streams.get(id).is_some_and(is_heard));
        remote.dialed.iter().chain(proven).copied().find(|id| self.has_room(*id))
    }

    /// A stream to another domain that by configuration has the same host and is trusted for the same.
    fn neighbour(&self, pair: &Pair) -> Option<StreamId> {
        let partner = self.settings.partners.of(&pair.remote);
        let host = partner.host.as_ref()?;
        if partner.authentication == Authentication::Certificate {
            return None;
        }
        let beside = self.remotes.iter().filter(|(domain, _)| {
            let other = self.settings.partners.of(domain);
            other.host.as_ref() == Some(host) && other.authentication == partner.authentication
        });
        let open = |id: &StreamId| {
            let phase = self.streams.get(id).map(|stream| stream.phase);
            phase == Some(Phase::Open { multiplex: true }) && self.has_room(*id)
        };
        beside.flat_map(|(_, remote)| &remote.dialed).copied().find(open)
    }

    fn has_room(&self, id: StreamId) -> bool {
        self.streams.get(&id).is_some_and(|stream| stream.takes_pairs(self.settings.pairs_per_stream))
    }

    /// Whether one more stream to the domain of this pair is within the limits.
    pub(super) fn may_dial(&self, pair: &Pair) -> bool {
        let most = self.settings.partners.of(&pair.remote).limits.connections;
        let has = self.remotes.get(&pair.remote).map_or(0, |remote| remote.dialed.len());
        !self.stopped && self.streams.len() < self.settings.streams && has < most
    }

    /// Opens a stream.
    pub(super) fn dial(&mut self, dialed: Dialed, now: Now) -> StreamId {
        let Dialed { pair, to_verify, host, .. } = dialed.clone();
        let id = self.add(Stream::new(Some(dialed)));
        self.remotes.entry(pair.remote.clone()).or_default().dialed.push(id);
        self.timers.set(now, self.settings.prove_within, Timer::Opened(id));
        self.outputs.push(Output::Open(Dial { stream: id, pair, to_verify, host }));
        id
    }

    /// Has a pair proven on this stream, as soon as that is open.
    pub(super) fn ask(&mut self, pair: &Pair, id: StreamId, now: Now) {
        let route = self.route(pair);
        route.on = On::Asking(id);
        route.attempt = route.attempt.wrapping_add(1);
        let attempt = route.attempt;
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if !stream.is_asked(pair) {
            stream.asked.push(Asked { pair: pair.clone(), put: false });
        }
        self.put_proofs(id);
        self.timers.set(now, self.settings.prove_within, Timer::Proof(pair.clone(), attempt));
    }

    /// Tells an open stream which pairs to prove, so many at a time.
    pub(super) fn put_proofs(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if !matches!(stream.phase, Phase::Open { .. }) {
            return;
        }
        let put = stream.asked.iter().filter(|asked| asked.put).count();
        let next = stream.asked.iter_mut().filter(|asked| !asked.put);
        for asked in next.take(limits::PROOFS.saturating_sub(put)) {
            asked.put = true;
            self.outputs.push(Output::Order(id, Command::Prove(asked.pair.clone())));
        }
    }

    pub(super) fn route(&mut self, pair: &Pair) -> &mut Route {
        self.routes.entry(pair.clone()).or_insert_with(Route::new)
    }

    /// Gives everything that waits to the stream that has proven the pair.
    pub(super) fn flush(&mut self, pair: &Pair, id: StreamId, now: Now) {
        let Some(route) = self.routes.get_mut(pair) else { return };
        route.used = now.mono;
        for waiting in std::mem::take(&mut route.queue) {
            self.room.free(waiting.bytes);
            route.given += 1;
            self.stats.sent += 1;
            self.outputs.push(Output::Order(id, Command::Send(waiting.stanza)));
        }
    }

    /// Nothing can be done for this pair now: what waits comes back. What a session of ours holds is not lost yet: it is
    /// tried again as soon as its domain has rested, until its time is over.
    pub(super) fn fail(&mut self, pair: &Pair, why: &Why, now: Now) {
        self.empty(pair, why);
        self.routes.remove(pair);
        if self.kept.get(pair) == Some(&Kept::Ours) {
            let resting = self.remotes.get(&pair.remote).and_then(|remote| remote.resting(now.mono));
            let until = resting.map_or(now.mono + limits::FIRST_DELAY, |failed| failed.until);
            self.timers.set_at(until, Timer::Again(pair.clone()));
        }
    }

    /// The other server does not want this pair, and will not for a while.
    pub(super) fn refuse(&mut self, pair: &Pair, why: Why, now: Now) {
        self.empty(pair, &why);
        if self.routes.len() > limits::FAILURES {
            self.routes.remove(pair);
            return;
        }
        let until = now.mono + self.part_of(limits::REFUSED);
        self.route(pair).on = On::Refused(Failed { at: now.mono, until, why });
        self.timers.set_at(until, Timer::Pardon(pair.clone()));
    }

    pub(super) fn pardon(&mut self, pair: &Pair, now: Now) {
        if self.routes.get(pair).is_some_and(|route| matches!(&route.on, On::Refused(f) if f.until <= now.mono)) {
            self.routes.remove(pair);
        }
    }

    /// No stream to this domain came about: it rests.
    pub(super) fn rest(&mut self, domain: &std::sync::Arc<str>, why: Why, now: Now) {
        self.stats.failed += 1;
        let failures = self.remotes.get(domain).map_or(0, |remote| remote.failures);
        let until = now.mono + self.delay(failures);
        if self.remotes.len() > limits::FAILURES {
            return;
        }
        let remote = self.remotes.entry(domain.clone()).or_default();
        remote.failures = failures.saturating_add(1);
        remote.failed = Some(Failed { at: now.mono, until, why });
        self.timers.set_at(forgotten_at(now.mono, until), Timer::Forget(domain.clone()));
    }

    /// How long to wait after so many failures (RFC 6120 section 3.3): a random part of a time that doubles.
    fn delay(&mut self, failures: u32) -> Duration {
        self.part_of(limits::FIRST_DELAY.saturating_mul(1 << failures.min(16)).min(limits::LONGEST_DELAY))
    }

    /// Between half of it and all of it: chance spreads what failed together, and cannot give zero, by which everybody who
    /// writes to a dead server would cost a connection.
    fn part_of(&mut self, most: Duration) -> Duration {
        most.mul_f64(0.5 + self.ids.chance() / 2.0)
    }

    /// A domain has been reached: it rests no more.
    pub(super) fn reached(&mut self, domain: &str) {
        if let Some(remote) = self.remotes.get_mut(domain) {
            remote.failures = 0;
            remote.failed = None;
        }
    }

    pub(super) fn forget(&mut self, domain: &str, now: Now) {
        let Some(remote) = self.remotes.get_mut(domain) else { return };
        if remote.failed.as_ref().is_some_and(|failed| forgotten_at(failed.at, failed.until) <= now.mono) {
            remote.failed = None;
            remote.failures = 0;
        }
        self.tidy(domain);
    }

    /// Nothing is kept about a domain of which there is nothing to know.
    pub(super) fn tidy(&mut self, domain: &str) {
        if self.remotes.get(domain).is_some_and(Remote::is_forgettable) {
            self.remotes.remove(domain);
        }
    }
}

/// A domain that did not fail again for as long as it had to rest, and for some time, starts anew.
fn forgotten_at(at: Duration, until: Duration) -> Duration {
    until + (until - at).max(limits::REMEMBERED)
}
