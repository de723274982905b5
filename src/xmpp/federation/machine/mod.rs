//! Which stanza goes on which stream, and which streams there are.
//!
//! Every pair of domains has one *route*. Its stanzas go on one stream at a time, so that they keep their order (RFC 6120
//! section 10.1); while there is none that has proven the pair, they wait, within limits and for so long. A stream for a
//! pair is, in this order:
//! 1. one on which the pair is proven already, such as one that the peer opened and that goes both ways (XEP-0288);
//! 2. one to the same domain on which it can be proven too (XEP-0220 section 2.6.1), also if it is only being opened;
//! 3. one to another domain of which the configuration says that it has the same host and must prove the same (section
//!    2.6.2): DNS is not asked whether two names end at one address, since an address is no proof, and a domain that
//!    must show a certificate gets a stream of its own, on which it does;
//! 4. a new one.
//!
//! A stanza is only written to one stream, unless that goes on over another connection (XEP-0198). When a stream ends, what
//! it did not write goes on the next, unless others of the pair are in doubt: then the owner is told that the domain is down, and whatever it fails on that must not arrive after all, so
//! what can bounce bounces.
//!
//! | file | what |
//! |---|---|
//! | `queue` | routes, and stanzas that wait |
//! | `choose` | a stream for a pair |
//! | `progress` | a stream gets on: open, proven, refused, idle |
//! | `end` | a stream is over, or never was |
//! | `drain` | the process ends, in two steps |
//! | `verify` | keys that peers show |
//! | `sessions` | what goes on where a stream broke |
//! | `stream` | what is known of a stream and of a remote domain |
//! | `why` | causes, and how they are said |
//! | `ends` | finding a route without making a pair |

mod choose;
mod drain;
mod end;
mod ends;
mod limits;
mod progress;
mod queue;
mod sessions;
mod settings;
mod stream;
mod verify;
mod why;

#[cfg(test)]
mod tests;

pub use settings::{Bounced, Output, Settings, Stats};

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::{Command, Pair, Report, StreamId, Way};
use crate::ids::Ids;
use crate::time::{Now, Timers};
use crate::xmpp::stanza::Stanza;
use crate::xmpp::stream::manage::{Rest, Sessions};
use ends::{Ends, ends_of};
use queue::{On, Room, Route, Waiting};
use sessions::Kept;
use stream::{QuestionId, Remote, Stream};
use verify::Question;
use why::Why;

/// All pairs of domains that exchange stanzas, and all streams. Sans-IO.
pub struct Federation {
    settings: Settings,
    ids: Ids,
    routes: HashMap<Pair, Route>,
    streams: BTreeMap<StreamId, Stream>,
    remotes: BTreeMap<Arc<str>, Remote>,
    questions: BTreeMap<QuestionId, Question>,
    /// What is kept of streams that broke.
    sessions: Sessions,
    /// Those of them that hold stanzas, by pair.
    kept: HashMap<Pair, Kept>,
    room: Room,
    /// Those to which presence was lost, or may have been, and that were not proven since.
    missed: HashSet<Pair>,
    last_stream: StreamId,
    last_question: QuestionId,
    /// Of `streams`, those that peers opened.
    accepted: usize,
    /// Nothing new is taken.
    draining: bool,
    stopped: bool,
    timers: Timers<Timer>,
    outputs: Vec<Output>,
    stats: Stats,
}

#[derive(Debug)]
enum Timer {
    /// The first stanza of this pair has waited as long as it may.
    Waited(Pair),
    /// This try to prove a pair has taken too long.
    Proof(Pair, u32),
    /// This stream should be open by now.
    Opened(StreamId),
    /// This stream may be of no use any more.
    Useless(StreamId),
    /// A key should have been answered.
    Question(QuestionId),
    /// The failure of this domain is old.
    Forget(Arc<str>),
    /// The peer should have named its session of this pair.
    Resume(Pair),
    /// A pair that was refused may be tried again.
    Pardon(Pair),
    /// A session of this pair may go on, now that its domain has rested.
    Again(Pair),
}

impl Federation {
    /// Without any stream. `ids` gives the chance in delays.
    #[must_use]
    pub fn new(settings: Settings, ids: Ids) -> Self {
        Self {
            settings,
            ids,
            routes: HashMap::new(),
            streams: BTreeMap::new(),
            remotes: BTreeMap::new(),
            questions: BTreeMap::new(),
            sessions: Sessions::default(),
            kept: HashMap::new(),
            room: Room::default(),
            missed: HashSet::new(),
            last_stream: 0,
            last_question: 0,
            accepted: 0,
            draining: false,
            stopped: false,
            timers: Timers::new(),
            outputs: Vec::new(),
            stats: Stats::default(),
        }
    }

    /// Sends `stanza` from its `from` to its `to`, whose domains are the pair. It goes on a stream that has proven the pair,
    /// waits for one, or comes back as [`Output::Bounce`].
    pub fn send(&mut self, stanza: Stanza, now: Now) {
        let Some(ends) = ends_of(&stanza) else {
            self.stats.dropped += 1;
            return;
        };
        if let Some(route) = self.routes.get_mut(&ends as &dyn Ends)
            && let On::Proven(stream) = route.on
        {
            route.given += 1;
            route.used = now.mono;
            self.stats.sent += 1;
            self.outputs.push(Output::Order(stream, Command::Send(stanza)));
            return;
        }
        let pair = Pair::new(ends.0, ends.1);
        self.wait(&pair, stanza, now);
    }

    /// A peer has connected to us. `None`: there are too many streams, and this connection is to be closed.
    pub fn accept(&mut self, now: Now) -> Option<StreamId> {
        let most = limits::accepted(self.settings.streams);
        if self.stopped || self.accepted >= most || self.streams.len() >= self.settings.streams {
            return None;
        }
        self.accepted += 1;
        let id = self.add(Stream::new(None));
        self.timers.set(now, self.settings.prove_within, Timer::Useless(id));
        Some(id)
    }

    /// A stream tells what happened to it.
    pub fn report(&mut self, stream: StreamId, report: Report, now: Now) {
        match report {
            Report::Open { multiplex } => self.on_open(stream, multiplex, now),
            Report::Proven(pair, Way::Out, _) => self.on_proven_out(stream, pair, now),
            Report::Proven(pair, Way::In, _) => self.on_proven_in(stream, pair, now),
            Report::Refused(pair, verdict) => self.on_refused(stream, &pair, &verdict, now),
            Report::Key(verification) => self.on_key(stream, verification, now),
            Report::Verified(verification, verdict) => self.on_verified(stream, &verification, verdict, now),
            Report::Unsent(stanza) => self.on_unsent(stream, &stanza),
            Report::Idle => self.on_idle(stream, now),
            Report::Resumed => self.stats.resumed += 1,
            Report::Unreachable(unreachable) => self.on_unreachable(stream, unreachable, now),
            Report::Continue(pair, name) => self.on_continue(stream, &pair, name.as_deref(), now),
            Report::Resumable(pair, name) => self.on_resumable(stream, pair, name, now),
            Report::Undone(command) => self.on_undone(stream, *command, now),
            Report::Closed { cause, unsent, doubtful, session, in_doubt } => {
                let rest = Rest { session, doubtful, unsent };
                self.on_closed(stream, &cause, end::Left { rest, in_doubt }, now);
            }
        }
    }

    /// Lets time pass: everything whose deadline is not after `now` happens.
    pub fn handle_timeout(&mut self, now: Now) {
        self.on_sessions_due(now);
        while let Some(timer) = self.timers.take_due(now) {
            match timer {
                Timer::Waited(pair) => self.on_waited(&pair, now),
                Timer::Proof(pair, attempt) => self.on_proof_late(&pair, attempt, now),
                Timer::Opened(stream) => self.on_opening_late(stream, now),
                Timer::Useless(stream) => self.end_if_useless(stream),
                Timer::Question(question) => self.on_question_late(question, now),
                Timer::Forget(remote) => self.forget(&remote, now),
                Timer::Resume(pair) => self.on_not_resumed(&pair, now),
                Timer::Pardon(pair) => self.pardon(&pair, now),
                Timer::Again(pair) => self.on_again(&pair, now),
            }
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due, in monotonic time.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Duration> {
        self.timers.next().into_iter().chain(self.sessions.next_timeout()).min()
    }

    /// What is to be done, in order.
    pub fn take_outputs(&mut self, into: &mut Vec<Output>) {
        into.append(&mut self.outputs);
    }

    /// The counters, with what is now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = self.stats.clone();
        stats.streams_in = self.accepted;
        stats.streams_out = self.streams.len() - self.accepted;
        stats.queued = self.room.stanzas;
        stats.queued_bytes = self.room.bytes;
        for stream in self.streams.values() {
            stats.pairs_out += stream.out.len();
            stats.pairs_in += stream.inward.len();
            let pairs = stream.out.iter().filter(|pair| !stream.inward.contains(pair)).count() + stream.inward.len();
            stats.pairs_on_one_stream = stats.pairs_on_one_stream.max(pairs);
        }
        stats
    }

    fn add(&mut self, stream: Stream) -> StreamId {
        self.last_stream += 1;
        self.streams.insert(self.last_stream, stream);
        self.last_stream
    }

    /// Sees to it that what waits for this pair waits for something.
    fn lead(&mut self, pair: &Pair, now: Now) -> Result<(), Why> {
        if self.stopped {
            return Err(Why::Stopped);
        }
        match self.routes.get(pair).map(|route| &route.on) {
            Some(On::Refused(failed)) if now.mono < failed.until => Err(failed.why.clone()),
            Some(On::Asking(_) | On::Ending(_) | On::Proven(_)) => Ok(()),
            Some(On::Refused(_) | On::Nowhere) | None => self.seek(pair, false, now),
        }
    }

    /// Puts a stanza behind those that wait for its pair.
    fn wait(&mut self, pair: &Pair, stanza: Stanza, now: Now) {
        if let Err(why) = self.lead(pair, now) {
            return self.bounce(&stanza, &why);
        }
        let Some(route) = self.routes.get_mut(pair) else { return self.bounce(&stanza, &Why::Full) };
        if let On::Proven(stream) = route.on {
            route.given += 1;
            route.used = now.mono;
            self.stats.sent += 1;
            self.outputs.push(Output::Order(stream, Command::Send(stanza)));
            return;
        }
        let Some(bytes) = self.room.for_one(&stanza, route.queue.len(), &self.settings) else {
            return self.bounce(&stanza, &Why::Full);
        };
        self.room.take(bytes);
        route.queue.push_back(Waiting { stanza, bytes, since: now.mono });
        if !std::mem::replace(&mut route.timed, true) {
            self.timers.set(now, self.settings.queue_for, Timer::Waited(pair.clone()));
        }
    }

    /// Whatever has waited too long comes back.
    fn on_waited(&mut self, pair: &Pair, now: Now) {
        let Some(route) = self.routes.get_mut(pair) else { return };
        route.timed = false;
        let mut expired = Vec::new();
        while let Some(first) = route.queue.front() {
            let until = first.since + self.settings.queue_for;
            if now.mono < until {
                route.timed = true;
                self.timers.set_at(until, Timer::Waited(pair.clone()));
                break;
            }
            expired.extend(route.queue.pop_front());
        }
        for Waiting { stanza, bytes, .. } in expired {
            self.room.free(bytes);
            self.bounce(&stanza, &Why::Waited);
        }
    }

    /// Everything that waits for this pair comes back.
    fn empty(&mut self, pair: &Pair, why: &Why) {
        let Some(route) = self.routes.get_mut(pair) else { return };
        for Waiting { stanza, bytes, .. } in std::mem::take(&mut route.queue) {
            self.room.free(bytes);
            self.bounce(&stanza, why);
        }
    }

    /// The one door by which what could not be delivered comes back.
    fn bounce(&mut self, stanza: &Stanza, why: &Why) {
        match stanza.error_reply(why.error()) {
            Some(reply) => {
                *why.counter(&mut self.stats.bounced) += 1;
                self.outputs.push(Output::Bounce(reply));
            }
            None => {
                self.stats.dropped += 1;
                if let (Stanza::Presence(_), Some(ends)) = (stanza, ends_of(stanza)) {
                    self.miss(Pair::new(ends.0, ends.1));
                }
            }
        }
    }
}
