//! All transactions of one shard over all its transports: what RFC 3261 sections 17 and 18 do, without a socket.
//!
//! ```text
//!   net -- Inbound --> receive --> Event --> gateway
//!   net <- Transmit -- poll_transmit     <-- request, respond
//!   net -- Origin ---> undeliverable --> Event
//! ```
//!
//! **Requests of ours** ([`Endpoint::request`]) are tried at one [`Target`] after the other
//! (RFC 3263 section 4.3), each time with a new branch. What lets a request go on to the next target:
//!
//! | ended by | goes on |
//! |---|---|
//! | the transport could not send it | yes, unless a provisional response had come |
//! | after the first retransmission over UDP its host says that nobody listens ([`Undelivered::Absent`]) | yes, as above |
//! | 503 | yes: the server says that it did nothing |
//! | its connection closed after it was written ([`Endpoint::flow_closed`]), before any response | only what may be done twice |
//! | Timer F or B without any response | only what may be done twice |
//! | either of them after a provisional response, any other final response | no |
//!
//! OPTIONS, SUBSCRIBE, NOTIFY, REGISTER and PUBLISH may be done twice, and so may an INVITE that nobody has said 100 to.
//! RFC 3263 lets every request go on after a timeout. We do not for MESSAGE: the request or the 200 may have been what
//! was lost, so the first server may have delivered it, and a person would read it twice. A connection that closes after
//! a provisional response ends nothing: the server may open another for its answer (RFC 3261 section 18.2.2).
//! What the host says after half a second is not proof of that half second: a server that took a MESSAGE and ended before
//! it answered may have passed it on, and then it arrives twice. That is rare, and without it every message of that half
//! second would fail while another server waits.
//!
//! What each attempt says about its target is told by [`Endpoint::poll_report`], so that one that fails can be rested.
//!
//! **INVITEs of ours** are acknowledged here when they are refused (RFC 3261 section 17.1.1.3), taken back with
//! [`Endpoint::cancel`] (section 9.1), and when they are accepted every 2xx is told until Timer M (RFC 6026); the ACK for
//! it is the user's, by [`Endpoint::send_once`]. Nothing here bounds how long a phone may ring; a proxy has Timer C.
//!
//! **Requests of peers** become one [`Event::Request`] however often they come; the answer given with
//! [`Endpoint::respond`] is repeated for Timer J. An answer without headers of its own is not kept but made again from
//! the retransmitted request, because its To tag follows from the transaction's key: 40 bytes a request instead of
//! 500. The endpoint itself answers CANCEL (section 9.2), merged requests (482, section 8.2.2.2), what exceeds
//! [`Limits::server`] (503, stateless as in section 8.2.7), and, with 100, what its user leaves without an answer for
//! 3.5 s (RFC 4320); it absorbs the ACKs of refusals and tells the others. To what is no INVITE it never sends 408, no
//! provisional response but 100, and nothing after 64 * T1.

mod attempt;
mod calling;
mod client;
mod head;
mod reply;
mod server;
mod types;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

pub use types::{
    Cause, ClientId, EndpointConfig, Event, Flow, Inbound, Large, Limits, MAX_UDP, NotStarted, Origin, Outcome, Report,
    Sending, SentBy, ServerId, Stats, TlsFailure, Transmit, Undelivered,
};

pub use super::locate::{Target, Transport};
use super::message::Message;
use super::transaction::key::{Key, Keys, MergeKey};
use super::transaction::linger::{HashedMap, Lingering};
use super::transaction::timers::Timing;
use crate::ids::Ids;
use crate::time::{Now, Timers};

/// Memory of what has expired may be given back this much later, so that an idle endpoint wakes once a second and not
/// once for each message of a burst.
const SWEEP: Duration = Duration::from_secs(1);

/// Reports that nobody has asked for yet; a step makes a few.
const MOST_REPORTS: usize = 1024;

/// The transactions of one shard.
#[derive(Debug)]
pub struct Endpoint {
    config: EndpointConfig,
    ids: Ids,
    keys: Keys,
    alarms: Alarms,
    /// In boxes, as the servers below: a table is up to half empty, and empty places should be small.
    clients: HashedMap<ClientId, Box<client::Client>>,
    client_keys: HashedMap<Key, ClientId>,
    client_count: u64,
    /// Targets with connections, and how many attempts wait there.
    connections: HashMap<Target, usize>,
    /// Client transactions in Completed: Timer K.
    absorbing: Lingering<Key, ()>,
    /// INVITEs in Completed: Timer D.
    acknowledged: Lingering<Key, calling::Acknowledged>,
    reports: VecDeque<Report>,
    servers: HashedMap<Key, Box<server::Server>>,
    server_count: u64,
    /// Non-INVITE server transactions in Completed: Timer J.
    completed: Lingering<Key, reply::Answer>,
    kept_bytes: usize,
    /// Requests that would be merged with another of the same key, from their arrival on for as long as both could live.
    merging: Lingering<MergeKey, ()>,
    transmits: VecDeque<Transmit>,
    /// Where messages are printed before it is known how long they are.
    scratch: Vec<u8>,
    stats: Stats,
}

impl Endpoint {
    /// An endpoint that draws its branches, tags and secret from `ids`.
    #[must_use]
    pub fn new(config: EndpointConfig, mut ids: Ids) -> Self {
        let timing = config.timing;
        let completed = config.limits.completed;
        Self {
            keys: Keys::new(&mut ids),
            ids,
            alarms: Alarms::new(timing),
            clients: HashedMap::default(),
            client_keys: HashedMap::default(),
            client_count: 0,
            connections: HashMap::new(),
            absorbing: Lingering::new(timing.k(false), completed),
            acknowledged: Lingering::new(timing.d(false), config.limits.client),
            reports: VecDeque::new(),
            servers: HashedMap::default(),
            server_count: 0,
            completed: Lingering::new(timing.j(false), completed),
            kept_bytes: 0,
            merging: Lingering::new(timing.patience(), completed),
            transmits: VecDeque::new(),
            scratch: Vec::new(),
            stats: Stats::default(),
            config,
        }
    }

    /// Takes one message from the transport. A message that only concerns the transaction layer gives no event.
    pub fn receive(&mut self, inbound: Inbound, now: Now) -> Option<Event> {
        self.sweep(now);
        match inbound.message {
            Message::Request(request) => self.on_request(request, inbound.flow, now),
            Message::Response(response) => self.on_response(response, now),
        }
    }

    /// The transport could not send the [`Transmit`] of this origin.
    pub fn undeliverable(&mut self, origin: Origin, why: Undelivered, now: Now) -> Option<Event> {
        match origin {
            Origin::Client(id, attempt) => self.on_not_sent(id, attempt, why, now),
            // RFC 6026 section 7.1: the state stays, so that a retransmission is still recognised and answered.
            Origin::Server(_) | Origin::Stateless => {
                self.stats.answers_undelivered += 1;
                None
            }
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now, events: &mut Vec<Event>) {
        self.sweep(now);
        while let Some(alarm) = self.alarms.timers.take_due(now) {
            match alarm {
                Alarm::Client(id, count) => events.extend(self.on_client_alarm(id, count, now)),
                Alarm::Server(key, count) => self.on_server_alarm(key, count, now),
            }
        }
    }

    /// When [`Endpoint::handle_timeout`] is wanted, in monotonic time.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Duration> {
        let lingering = [
            self.completed.next_timeout(),
            self.absorbing.next_timeout(),
            self.acknowledged.next_timeout(),
            self.merging.next_timeout(),
        ];
        let sweep = lingering.into_iter().flatten().min().map(|at| at + SWEEP);
        self.alarms.timers.next().into_iter().chain(sweep).min()
    }

    /// The next message to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// What was learnt about a target since the last call, oldest first.
    pub fn poll_report(&mut self) -> Option<Report> {
        self.reports.pop_front()
    }

    /// What Via calls us, by transport.
    #[must_use]
    pub fn names(&self) -> &[(Transport, SentBy)] {
        &self.config.sent_by
    }

    /// The timers.
    #[must_use]
    pub fn timing(&self) -> Timing {
        self.config.timing
    }

    /// Counts.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            client_open: self.clients.len(),
            server_open: self.servers.len(),
            server_completed: self.completed.len(),
            ..self.stats
        }
    }

    /// Under load the same target says the same again and again; once is enough.
    fn report(&mut self, target: Target, outcome: Outcome) {
        let report = Report { target, outcome };
        if self.reports.back() == Some(&report) {
            return;
        }
        if self.reports.len() >= MOST_REPORTS {
            self.reports.pop_front();
        }
        self.reports.push_back(report);
    }

    /// Takes the buffer back, unless a single message made it large.
    fn keep_scratch(&mut self, scratch: Vec<u8>) {
        if scratch.capacity() <= 64 << 10 {
            self.scratch = scratch;
        }
    }

    fn sent_by(&self, transport: Transport) -> Option<&SentBy> {
        sent_by(&self.config, transport)
    }

    /// Forgets what has expired, so that nothing is found after its time.
    fn sweep(&mut self, now: Now) {
        while let Some(answer) = self.completed.take_due(now) {
            self.kept_bytes -= answer.kept_bytes();
        }
        while self.absorbing.take_due(now).is_some() {}
        while self.acknowledged.take_due(now).is_some() {}
        while self.merging.take_due(now).is_some() {}
    }
}

/// Over WebSocket the name does not matter, since the answer comes back by the same connection (RFC 7118 section 5.3).
fn sent_by(config: &EndpointConfig, transport: Transport) -> Option<&SentBy> {
    let named = |transport| config.sent_by.iter().find(|(of, _)| *of == transport).map(|(_, sent_by)| sent_by);
    match transport {
        Transport::Udp | Transport::Tcp | Transport::Tls => named(transport),
        Transport::Ws => named(transport).or_else(|| named(Transport::Tcp)),
        Transport::Wss => named(transport).or_else(|| named(Transport::Tls)).or_else(|| named(Transport::Tcp)),
    }
}

/// Whose deadline it is. The number tells the alarm set last from those set before it, which mean nothing any more.
#[derive(Debug, Clone, Copy)]
enum Alarm {
    Client(ClientId, u32),
    Server(Key, u32),
}

/// The deadlines of open transactions.
#[derive(Debug)]
struct Alarms {
    timers: Timers<Alarm>,
    timing: Timing,
    /// The delays that occur again and again, which [`Timers`] keeps in queues.
    usual: Vec<Duration>,
}

impl Alarms {
    fn new(timing: Timing) -> Self {
        let mut usual = vec![timing.t2, timing.t4, timing.trying_after(), timing.invite_trying_after()];
        let mut interval = timing.t1;
        while interval < timing.t2 && usual.len() < 14 {
            usual.push(interval);
            interval = timing.after(interval).max(Duration::from_millis(1));
        }
        Self { timers: Timers::new(), timing, usual }
    }

    /// Wakes at `at`, or earlier: an alarm is not taken back when its transaction ends, so none is set for longer than
    /// T2 ahead, and whoever is woken early asks again.
    fn set(&mut self, alarm: Alarm, at: Duration, now: Now) {
        let delay = at.saturating_sub(now.mono).min(self.timing.t2);
        if self.usual.contains(&delay) {
            self.timers.set(now, delay, alarm);
        } else {
            self.timers.set_at(now.mono + delay, alarm);
        }
    }
}
