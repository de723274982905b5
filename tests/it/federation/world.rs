//! Servers, each a [`Federation`] with its streams, and wires between them that are slow, break, and swallow, in virtual
//! time. TLS is played: both ends are told that it is there, and what certificates prove is known by name.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use stox::ids::Ids;
use stox::time::Now;
use stox::xmpp::federation::dialback::Keys;
use stox::xmpp::federation::{
    Association, Command, Dial, Federation, Judgement, Output, Partners, Report, Settings, StreamId, Unreachable,
};
use stox::xmpp::stanza::Stanza;
use stox::xmpp::stream::manage::ManageConfig;
use stox::xmpp::stream::{Secured, ServerConfig, ServerEvent, ServerStream, StreamConfig};

use crate::sim::Chance;

/// Bytes that a wire holds in each direction before its writer has to wait.
const WINDOW: usize = 4_000;

/// How a server is.
#[derive(Clone)]
pub(crate) struct Plan {
    /// The domains that it says are its own.
    pub(crate) domains: Vec<String>,
    /// Those that its certificate proves.
    pub(crate) certified: BTreeSet<String>,
    pub(crate) partners: Arc<Partners>,
    pub(crate) tls: bool,
    pub(crate) bidi: bool,
    pub(crate) manage: Option<ManageConfig>,
    pub(crate) settings: Settings,
}

pub(crate) struct Server {
    pub(crate) plan: Plan,
    pub(crate) federation: Federation,
    config: Arc<ServerConfig>,
    ids: Ids,
    streams: BTreeMap<StreamId, Carried>,
    /// Until then it reads nothing.
    pub(crate) silent_until: Duration,
    /// Until then nobody reaches it.
    pub(crate) dead_until: Duration,
}

struct Carried {
    stream: ServerStream,
    wire: u64,
    end: usize,
    /// What waits for a silent server.
    unread: VecDeque<Vec<u8>>,
}

struct Wire {
    ends: [(usize, StreamId); 2],
    under_way: [usize; 2],
    /// When the last bytes of each end arrive.
    arrives: [Duration; 2],
}

enum Event {
    Dialed(usize, Dial),
    Bytes { wire: u64, to: usize, bytes: Vec<u8> },
    Hangup { wire: u64, to: usize },
    Judged { server: usize, stream: StreamId, domain: String },
    Send(usize, Stanza),
    Wake,
}

/// What happened to a stanza, or to a pair.
#[derive(Debug, Clone)]
pub(crate) enum Seen {
    Delivered { at: Duration, server: usize, from_server: usize, stanza: Stanza },
    Bounced { server: usize, stanza: Stanza },
    Down { at: Duration, server: usize, local: String, remote: String },
}

pub(crate) struct World {
    pub(crate) now: Duration,
    pub(crate) chance: Chance,
    pub(crate) servers: Vec<Server>,
    /// Where the servers of a domain are, as DNS says.
    pub(crate) names: BTreeMap<String, usize>,
    pub(crate) seen: Vec<Seen>,
    /// The longest time that bytes take.
    pub(crate) slowness: Duration,
    wires: BTreeMap<u64, Wire>,
    queue: BTreeMap<(Duration, u64), Event>,
    count: u64,
}

impl World {
    pub(crate) fn new(seed: u64, plans: Vec<Plan>, names: BTreeMap<String, usize>) -> Self {
        let servers = plans.into_iter().enumerate().map(|(index, plan)| Server::new(plan, index, seed)).collect();
        Self {
            now: Duration::from_secs(1),
            chance: Chance::new(seed),
            servers,
            names,
            seen: Vec::new(),
            slowness: Duration::from_millis(40),
            wires: BTreeMap::new(),
            queue: BTreeMap::new(),
            count: 0,
        }
    }

    fn at(&mut self, at: Duration, event: Event) {
        self.count += 1;
        self.queue.insert((at.max(self.now), self.count), event);
    }

    pub(crate) fn send_at(&mut self, at: Duration, server: usize, stanza: Stanza) {
        self.at(at, Event::Send(server, stanza));
    }

    /// Lets time pass up to `until`.
    pub(crate) fn run(&mut self, until: Duration) {
        self.at(until, Event::Wake);
        while self.now < until {
            let timers = self.servers.iter().filter_map(Server::next_timeout).min();
            let first = self.queue.keys().next().map(|(at, _)| *at);
            let Some(next) = timers.into_iter().chain(first).min() else { break };
            self.now = self.now.max(next.min(until));
            let mut happened = 0;
            while let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let event = entry.remove();
                self.happen(event);
                self.settle();
                happened += 1;
                assert!(happened < 200_000, "time stands still");
            }
            for server in 0..self.servers.len() {
                self.let_time_pass(server);
            }
            self.settle();
        }
    }

    /// A wire breaks: what is under way on it is lost.
    pub(crate) fn cut_one(&mut self) {
        let wires: Vec<u64> = self.wires.keys().copied().collect();
        if !wires.is_empty() {
            let wire = *self.chance.one_of(&wires);
            self.cut(wire);
        }
    }

    fn cut(&mut self, wire: u64) {
        let Some(cut) = self.wires.remove(&wire) else { return };
        // One end may have heard more than the other, but nothing comes after the cut.
        for (server, stream) in cut.ends {
            if let Some(carried) = self.servers[server].streams.get_mut(&stream) {
                carried.stream.disconnected();
            }
        }
        self.settle();
    }

    pub(crate) fn streams(&self) -> usize {
        self.servers.iter().map(|server| server.streams.len()).sum()
    }

    fn happen(&mut self, event: Event) {
        let now = Now::at(self.now);
        match event {
            Event::Wake => {}
            Event::Send(server, stanza) => self.servers[server].federation.send(stanza, now),
            Event::Dialed(server, dial) => self.connect(server, &dial),
            Event::Judged { server, stream, domain } => self.judge(server, stream, &domain),
            Event::Hangup { wire, to } => {
                let Some(found) = self.wires.remove(&wire) else { return };
                let (server, stream) = found.ends[to];
                if let Some(carried) = self.servers[server].streams.get_mut(&stream) {
                    carried.stream.disconnected();
                }
            }
            Event::Bytes { wire, to, bytes } => {
                let Some(found) = self.wires.get_mut(&wire) else { return };
                found.under_way[1 - to] -= bytes.len();
                let (server, stream) = found.ends[to];
                let server = &mut self.servers[server];
                let is_silent = server.silent_until > self.now;
                let Some(carried) = server.streams.get_mut(&stream) else { return };
                carried.unread.push_back(bytes);
                if is_silent {
                    let until = server.silent_until;
                    self.at(until, Event::Bytes { wire, to, bytes: Vec::new() });
                    return;
                }
                for bytes in std::mem::take(&mut carried.unread) {
                    carried.stream.receive(&bytes, now);
                }
            }
        }
    }

    fn connect(&mut self, server: usize, dial: &Dial) {
        let now = Now::at(self.now);
        let unreachable = match self.names.get(&*dial.pair.remote).copied() {
            None => Unreachable::NotFound("no such domain".to_owned()),
            Some(peer) if self.servers[peer].dead_until > self.now => Unreachable::NoAnswer("refused".to_owned()),
            Some(peer) => match self.servers[peer].federation.accept(now) {
                None => Unreachable::NoAnswer("refused".to_owned()),
                Some(accepted) => {
                    self.count += 1;
                    let wire = self.count;
                    let ends = [(server, dial.stream), (peer, accepted)];
                    self.wires.insert(wire, Wire { ends, under_way: [0; 2], arrives: [self.now; 2] });
                    let config = Arc::clone(&self.servers[server].config);
                    self.servers[server].carry(dial.stream, ServerStream::initiating(config, dial, None, now), wire, 0);
                    let (config, ids) = (Arc::clone(&self.servers[peer].config), self.servers[peer].ids.fork());
                    self.servers[peer].carry(accepted, ServerStream::accepting(config, ids, None, now), wire, 1);
                    return;
                }
            },
        };
        self.servers[server].federation.report(dial.stream, Report::Unreachable(unreachable), now);
    }

    /// Whether the certificate of the peer on this stream proves the domain.
    fn judge(&mut self, server: usize, stream: StreamId, domain: &str) {
        let Some(peer) = self.peer(server, stream) else { return };
        let judgement = match self.servers[peer].plan.certified.contains(domain) {
            true => Judgement::Proven(Association::Pkix),
            false => Judgement::Unproven("its certificate is of somebody else".to_owned()),
        };
        if let Some(carried) = self.servers[server].streams.get_mut(&stream) {
            carried.stream.judged(judgement, Now::at(self.now));
        }
    }

    fn peer(&self, server: usize, stream: StreamId) -> Option<usize> {
        let carried = self.servers[server].streams.get(&stream)?;
        Some(self.wires.get(&carried.wire)?.ends[1 - carried.end].0)
    }

    fn let_time_pass(&mut self, server: usize) {
        let now = Now::at(self.now);
        let server = &mut self.servers[server];
        if server.federation.next_timeout().is_some_and(|at| at <= self.now) {
            server.federation.handle_timeout(now);
        }
        for carried in server.streams.values_mut() {
            while carried.stream.next_timeout().is_some_and(|at| at <= now.mono) {
                carried.stream.handle_timeout(now);
            }
        }
    }

    /// Does what everybody wants, until nobody wants anything more.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            let mut is_settled = true;
            for server in 0..self.servers.len() {
                is_settled &= !self.do_orders(server) & !self.hear_streams(server);
            }
            if is_settled {
                return;
            }
        }
        panic!("it never settles");
    }

    fn do_orders(&mut self, index: usize) -> bool {
        let now = Now::at(self.now);
        let mut outputs = Vec::new();
        self.servers[index].federation.take_outputs(&mut outputs);
        let is_busy = !outputs.is_empty();
        for output in outputs {
            let server = &mut self.servers[index];
            match output {
                Output::Open(dial) => {
                    let delay = self.chance.up_to(self.slowness);
                    self.at(self.now + delay, Event::Dialed(index, dial));
                }
                Output::Order(id, command) => {
                    let undone = match server.streams.get_mut(&id) {
                        Some(carried) => carried.stream.order(command, now).err().map(|undone| undone.command),
                        None => Some(command),
                    };
                    match undone {
                        // A stream that is only being dialed is told when it is there.
                        Some(Command::Close(_)) if !server.streams.contains_key(&id) => {
                            self.queue.retain(
                                |_, event| !matches!(event, Event::Dialed(s, d) if *s == index && d.stream == id),
                            );
                            let never = Unreachable::NoAnswer("given up".to_owned());
                            server.federation.report(id, Report::Unreachable(never), now);
                        }
                        Some(command) => server.federation.report(id, Report::Undone(Box::new(command)), now),
                        None => {}
                    }
                }
                Output::Bounce(stanza) => self.seen.push(Seen::Bounced { server: index, stanza }),
                // What follows from it is the gateway's.
                Output::DomainUp { .. } => {}
                Output::DomainDown { local, remote } => {
                    let (local, remote) = (local.to_string(), remote.to_string());
                    self.seen.push(Seen::Down { at: self.now, server: index, local, remote });
                }
            }
        }
        is_busy
    }

    fn hear_streams(&mut self, index: usize) -> bool {
        let mut is_busy = false;
        for id in self.servers[index].streams.keys().copied().collect::<Vec<_>>() {
            is_busy |= self.flush(index, id);
            is_busy |= self.hear(index, id);
        }
        is_busy
    }

    fn hear(&mut self, index: usize, id: StreamId) -> bool {
        let now = Now::at(self.now);
        let mut is_busy = false;
        while let Some(event) = self.servers[index].streams.get_mut(&id).and_then(|carried| carried.stream.poll_event())
        {
            is_busy = true;
            match event {
                ServerEvent::StartTls => {
                    self.flush(index, id);
                    let secured = Secured { version: "TLS 1.3", resumed: false, certificate: true, exporter: None };
                    if let Some(carried) = self.servers[index].streams.get_mut(&id) {
                        carried.stream.secured(secured, now);
                    }
                }
                ServerEvent::Judge(domain) => {
                    let delay = self.chance.up_to(self.slowness);
                    self.at(self.now + delay, Event::Judged { server: index, stream: id, domain });
                }
                // Streams ask whether their peers live.
                ServerEvent::Stanza(Stanza::Iq(iq)) => {
                    if let Some(answer) = iq.result(None) {
                        self.servers[index].federation.send(Stanza::Iq(answer), now);
                    }
                }
                ServerEvent::Stanza(stanza) => {
                    let from_server = self.peer(index, id).unwrap_or(usize::MAX);
                    self.seen.push(Seen::Delivered { at: self.now, server: index, from_server, stanza });
                }
                ServerEvent::Unusable { problem, .. } => panic!("{problem:?}"),
                ServerEvent::Report(report) => {
                    let is_end = matches!(report, Report::Closed { .. } | Report::Unreachable(_));
                    if is_end {
                        self.flush(index, id);
                        self.hang_up(index, id);
                    }
                    self.servers[index].federation.report(id, report, now);
                    if is_end {
                        return true;
                    }
                }
            }
        }
        is_busy
    }

    /// One end closes the connection; the other hears of it after everything that was written before.
    fn hang_up(&mut self, index: usize, id: StreamId) {
        let Some(carried) = self.servers[index].streams.remove(&id) else { return };
        if let Some(wire) = self.wires.get(&carried.wire) {
            let at = wire.arrives[carried.end];
            self.at(at, Event::Hangup { wire: carried.wire, to: 1 - carried.end });
        }
    }

    /// Puts what a stream wants to write on its wire, as far as that takes it.
    fn flush(&mut self, index: usize, id: StreamId) -> bool {
        let delay = self.chance.up_to(self.slowness);
        let Some(carried) = self.servers[index].streams.get_mut(&id) else { return false };
        let Some(wire) = self.wires.get_mut(&carried.wire) else { return false };
        let mut bytes = Vec::new();
        let peer_reads = wire.under_way[carried.end] < WINDOW;
        if !peer_reads || !carried.stream.poll_output(&mut bytes) || bytes.is_empty() {
            return false;
        }
        wire.under_way[carried.end] += bytes.len();
        let at = (self.now + delay).max(wire.arrives[carried.end]);
        wire.arrives[carried.end] = at;
        let (wire, to) = (carried.wire, 1 - carried.end);
        self.at(at, Event::Bytes { wire, to, bytes });
        true
    }
}

impl Server {
    fn new(plan: Plan, index: usize, seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        bytes[8] = index as u8;
        let mut ids = Ids::new(bytes, index as u8);
        let domains = plan.domains.clone();
        let config = ServerConfig {
            stream: StreamConfig { max_queued: 20_000, ..StreamConfig::default() },
            hosts: Arc::new(move |domain| domains.iter().any(|own| own == domain)),
            partners: Arc::clone(&plan.partners),
            keys: Arc::new(Keys::new(&bytes)),
            tls: plan.tls,
            bidi: plan.bidi,
            manage: plan.manage,
            caps: None,
            idle_after: Some(plan.settings.idle),
        };
        let settings = Settings { partners: Arc::clone(&plan.partners), ..plan.settings.clone() };
        let federation = Federation::new(settings, ids.fork());
        Self {
            plan,
            federation,
            config: Arc::new(config),
            ids,
            streams: BTreeMap::new(),
            silent_until: Duration::ZERO,
            dead_until: Duration::ZERO,
        }
    }

    fn carry(&mut self, id: StreamId, stream: ServerStream, wire: u64, end: usize) {
        self.streams.insert(id, Carried { stream, wire, end, unread: VecDeque::new() });
    }

    fn next_timeout(&self) -> Option<Duration> {
        let streams = self.streams.values().filter_map(|carried| carried.stream.next_timeout());
        streams.chain(self.federation.next_timeout()).min()
    }
}
