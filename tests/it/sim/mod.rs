//! A world in virtual time: gateways, XMPP servers and SIP systems, and the network between them. Both ends of each
//! protocol are ours; what passes between them is bytes.
//!
//! ```text
//!   people -- XmppServer ==pipe== GatewayHost ==datagrams, pipes== SipSide -- people
//! ```
//! Nothing here sleeps or reads a clock: [`World::step`] goes to the next instant at which anything happens. Chance comes
//! from a seed, so a run repeats itself exactly.

pub(crate) mod gateway;
pub(crate) mod phone;
pub(crate) mod server;
mod weather;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use stox::gateway::{Link, LookupId};
use stox::sip::endpoint::{Origin, Undelivered};
use stox::sip::locate::{Answer, Query};
use stox::time::Now;
use stox::xmpp::stanza::Stanza;

pub(crate) use gateway::GatewayHost;
pub(crate) use phone::SipSide;
pub(crate) use server::XmppServer;
pub(crate) use weather::{Chance, Weather};

/// A connection, by number.
pub(crate) type PipeId = u64;

/// What a party wants done.
#[derive(Debug)]
pub(crate) enum Effect {
    Datagram {
        from: SocketAddr,
        to: SocketAddr,
        bytes: Vec<u8>,
    },
    Bytes {
        pipe: PipeId,
        from: usize,
        bytes: Vec<u8>,
    },
    Close {
        pipe: PipeId,
    },
    /// A gateway wants its link connected.
    DialServer {
        gateway: usize,
        link: Link,
    },
    /// A gateway wants a connection to `remote`, to send this first.
    DialSip {
        gateway: usize,
        remote: SocketAddr,
        bytes: Vec<u8>,
        origin: Origin,
    },
    /// A SIP system wants a connection to a gateway.
    DialGateway {
        sip: usize,
        remote: SocketAddr,
        bytes: Vec<u8>,
    },
    Ask {
        gateway: usize,
        lookup: LookupId,
        query: Query,
    },
    /// A stanza was put on a pipe: to know what was lost when the pipe breaks.
    Sent {
        pipe: PipeId,
        from: usize,
        stanza: Stanza,
    },
    /// A stanza was taken off a pipe.
    Taken {
        pipe: PipeId,
        from: usize,
        stanza: Stanza,
    },
}

/// What happens at some instant.
#[derive(Debug)]
enum Event {
    Datagram { from: SocketAddr, to: SocketAddr, bytes: Vec<u8> },
    Bytes { pipe: PipeId, to: usize, bytes: Vec<u8> },
    Undelivered { gateway: usize, origin: Origin, why: Undelivered },
    Located { gateway: usize, lookup: LookupId, answer: Answer },
}

/// Who is at an end of a pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Link(usize, Link),
    Server(usize),
    Gateway(usize),
    Sip(usize),
}

/// A connection: bytes arrive in order, or not at all once it is cut.
#[derive(Debug)]
struct Pipe {
    /// Who dialled, and who was dialled.
    ends: [End; 2],
    /// When the last bytes sent by each end arrive at the other.
    arrives: [Duration; 2],
    /// Stanzas sent by each end and not yet taken by the other.
    under_way: [Vec<Stanza>; 2],
}

/// What a world remembers of what passed between its parties, for checkers.
#[derive(Debug)]
pub(crate) enum Seen {
    /// A datagram or the bytes of a connection left a gateway for a SIP system.
    FromGateway { gateway: usize, bytes: Vec<u8> },
    /// The same arrived at a gateway.
    AtGateway { bytes: Vec<u8> },
    /// A link of a gateway broke.
    LinkBroke { gateway: usize },
    /// A stanza was lost when its pipe broke.
    Lost { to_gateway: bool, stanza: Box<Stanza> },
}

/// Everything there is.
pub(crate) struct World {
    pub(crate) now: Duration,
    pub(crate) chance: Chance,
    pub(crate) weather: Weather,
    pub(crate) gateways: Vec<GatewayHost>,
    pub(crate) servers: Vec<XmppServer>,
    pub(crate) sips: Vec<SipSide>,
    /// What DNS knows.
    pub(crate) names: BTreeMap<String, Vec<std::net::IpAddr>>,
    /// Datagrams to be lost, whatever the weather: the next so many towards an address.
    pub(crate) lose_next: BTreeMap<SocketAddr, u32>,
    /// For checkers; only filled if `watch`.
    pub(crate) seen: Vec<Seen>,
    pub(crate) watch: bool,
    queue: BTreeMap<(Duration, u64), Event>,
    count: u64,
    pipes: BTreeMap<PipeId, Pipe>,
    pipe_count: PipeId,
    effects: Vec<Effect>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            now: Duration::from_secs(1_000_000),
            chance: Chance::new(seed),
            weather: Weather::CALM,
            gateways: Vec::new(),
            servers: Vec::new(),
            sips: Vec::new(),
            names: BTreeMap::new(),
            lose_next: BTreeMap::new(),
            seen: Vec::new(),
            watch: false,
            queue: BTreeMap::new(),
            count: 0,
            pipes: BTreeMap::new(),
            pipe_count: 0,
            effects: Vec::new(),
        }
    }

    pub(crate) fn clock(&self) -> Now {
        Now::at(self.now)
    }

    /// Goes to the next instant at which something happens, but not beyond `until`. `false`: nothing happens till then.
    pub(crate) fn step(&mut self, until: Duration) -> bool {
        self.settle();
        let Some(at) = self.next().filter(|at| *at <= until) else {
            self.now = self.now.max(until);
            return false;
        };
        self.now = self.now.max(at);
        while let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let event = entry.remove();
            self.happen(event);
        }
        let now = self.clock();
        let mut effects = std::mem::take(&mut self.effects);
        for server in &mut self.servers {
            server.handle_timeout(now, &mut effects);
        }
        for sip in &mut self.sips {
            sip.handle_timeout(now, &mut effects);
        }
        for gateway in &mut self.gateways {
            gateway.step(now, self.chance.draw(), &mut effects);
        }
        self.effects = effects;
        self.settle();
        true
    }

    /// Lets `time` pass.
    pub(crate) fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while self.step(until) {}
    }

    /// Something of a party's own making, outside any step.
    pub(crate) fn act<T>(&mut self, act: impl FnOnce(&mut Self, &mut Vec<Effect>) -> T) -> T {
        let mut effects = std::mem::take(&mut self.effects);
        let result = act(self, &mut effects);
        self.effects.append(&mut effects);
        self.settle();
        result
    }

    fn next(&self) -> Option<Duration> {
        let queue = self.queue.first_key_value().map(|((at, _), _)| *at);
        let gateways = self.gateways.iter().filter_map(GatewayHost::next_timeout);
        let servers = self.servers.iter().filter_map(XmppServer::next_timeout);
        let sips = self.sips.iter().filter_map(SipSide::next_timeout);
        queue.into_iter().chain(gateways).chain(servers).chain(sips).min()
    }

    fn at(&mut self, at: Duration, event: Event) {
        self.count += 1;
        self.queue.insert((at, self.count), event);
    }

    fn happen(&mut self, event: Event) {
        let now = self.clock();
        let mut effects = std::mem::take(&mut self.effects);
        match event {
            Event::Datagram { from, to, bytes } => {
                if let Some(index) = self.gateways.iter().position(|gateway| gateway.addr == to) {
                    if self.watch {
                        self.seen.push(Seen::AtGateway { bytes: bytes.clone() });
                    }
                    self.gateways[index].on_datagram(from, &bytes, &mut effects);
                } else if let Some(sip) = self.sips.iter_mut().find(|sip| sip.addrs.contains(&to)) {
                    sip.on_datagram(from, to, &bytes, now, &mut self.chance, &mut effects);
                }
            }
            Event::Bytes { pipe, to, bytes } => {
                let end = self.pipes.get(&pipe).map(|open| open.ends[to]);
                match end {
                    Some(End::Link(gateway, link)) => {
                        let chance = self.chance.draw();
                        self.gateways[gateway].on_link_bytes(link, &bytes, chance, now, &mut effects);
                    }
                    Some(End::Server(server)) => self.servers[server].on_bytes(pipe, &bytes, now, &mut effects),
                    Some(End::Gateway(gateway)) => {
                        if self.watch {
                            self.seen.push(Seen::AtGateway { bytes: bytes.clone() });
                        }
                        self.gateways[gateway].on_flow_bytes(pipe, &bytes, &mut effects);
                    }
                    Some(End::Sip(sip)) => {
                        self.sips[sip].on_bytes(pipe, &bytes, now, &mut self.chance, &mut effects);
                    }
                    None => {}
                }
            }
            Event::Undelivered { gateway, origin, why } => self.gateways[gateway].on_undelivered(origin, why),
            Event::Located { gateway, lookup, answer } => self.gateways[gateway].on_located(lookup, answer),
        }
        self.effects.append(&mut effects);
    }

    fn settle(&mut self) {
        while !self.effects.is_empty() {
            for effect in std::mem::take(&mut self.effects) {
                self.apply(effect);
            }
        }
    }

    fn apply(&mut self, effect: Effect) {
        match effect {
            Effect::Datagram { from, to, bytes } => self.send_datagram(from, to, bytes),
            Effect::Bytes { pipe, from, bytes } => self.send_bytes(pipe, from, bytes),
            Effect::Close { pipe } => self.cut(pipe),
            Effect::DialServer { gateway, link } => self.dial_server(gateway, link),
            Effect::DialSip { gateway, remote, bytes, origin } => self.dial_sip(gateway, remote, bytes, origin),
            Effect::DialGateway { sip, remote, bytes } => self.dial_gateway(sip, remote, bytes),
            Effect::Ask { gateway, lookup, query } => {
                let addresses = self.names.get(query.name()).filter(|_| matches!(query, Query::Addresses { .. }));
                let answer = addresses.cloned().map_or(Answer::NoSuchName, Answer::Addresses);
                self.at(self.now + self.weather.delay * 2, Event::Located { gateway, lookup, answer });
            }
            Effect::Sent { pipe, from, stanza } => {
                if let Some(pipe) = self.pipes.get_mut(&pipe) {
                    pipe.under_way[from].push(stanza);
                }
            }
            Effect::Taken { pipe, from, stanza } => {
                let same = |sent: &Stanza| sent.id() == stanza.id() && sent.to() == stanza.to();
                let Some(pipe) = self.pipes.get_mut(&pipe) else { return };
                if let Some(index) = pipe.under_way[from].iter().position(same) {
                    pipe.under_way[from].drain(..=index);
                }
            }
        }
    }

    fn send_datagram(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        let gateway = self.gateways.iter().position(|gateway| gateway.addr == from);
        if let (Some(gateway), true) = (gateway, self.watch) {
            self.seen.push(Seen::FromGateway { gateway, bytes: bytes.clone() });
        }
        if let Some(left) = self.lose_next.get_mut(&to).filter(|left| **left > 0) {
            *left -= 1;
            return;
        }
        let copies = 1 + u64::from(self.chance.per_mille(self.weather.doubled));
        for _ in 0..copies {
            if !self.chance.per_mille(self.weather.loss) {
                let delay = self.weather.delay + self.chance.up_to(self.weather.jitter);
                self.at(self.now + delay, Event::Datagram { from, to, bytes: bytes.clone() });
            }
        }
    }

    fn send_bytes(&mut self, id: PipeId, from: usize, bytes: Vec<u8>) {
        let delay = self.weather.delay + self.chance.up_to(self.weather.jitter);
        let Some(pipe) = self.pipes.get_mut(&id) else { return };
        let at = pipe.arrives[from].max(self.now + delay);
        pipe.arrives[from] = at;
        if let (End::Gateway(gateway), true) = (pipe.ends[from], self.watch) {
            self.seen.push(Seen::FromGateway { gateway, bytes: bytes.clone() });
        }
        self.at(at, Event::Bytes { pipe: id, to: 1 - from, bytes });
    }

    fn open(&mut self, ends: [End; 2]) -> PipeId {
        self.pipe_count += 1;
        let pipe = Pipe { ends, arrives: [Duration::ZERO; 2], under_way: [Vec::new(), Vec::new()] };
        self.pipes.insert(self.pipe_count, pipe);
        self.pipe_count
    }

    /// Breaks a connection: what is under way is lost, and both ends see it.
    pub(crate) fn cut(&mut self, id: PipeId) {
        let Some(pipe) = self.pipes.remove(&id) else { return };
        let (now, chance) = (self.clock(), self.chance.draw());
        if let End::Link(gateway, _) = pipe.ends[0] {
            self.seen.push(Seen::LinkBroke { gateway });
        }
        for (from, stanzas) in pipe.under_way.into_iter().enumerate() {
            let to_gateway = matches!(pipe.ends[1 - from], End::Link(..));
            self.seen.extend(stanzas.into_iter().map(|stanza| Seen::Lost { to_gateway, stanza: Box::new(stanza) }));
        }
        for end in pipe.ends {
            match end {
                End::Link(gateway, link) => self.gateways[gateway].on_link_closed(link, chance, now),
                End::Server(server) => self.servers[server].on_closed(id),
                End::Gateway(gateway) => self.gateways[gateway].on_flow_closed(id),
                End::Sip(sip) => self.sips[sip].on_closed(id),
            }
        }
    }

    /// Breaks all connections of a server.
    pub(crate) fn cut_server(&mut self, server: usize) {
        self.cut_all(End::Server(server));
    }

    /// A server stops: what it has not routed is gone.
    pub(crate) fn stop_server(&mut self, server: usize) {
        let forgotten = self.servers[server].stop();
        let lost = forgotten.into_iter().map(|stanza| Seen::Lost { to_gateway: false, stanza: Box::new(stanza) });
        self.seen.extend(lost);
        self.cut_server(server);
    }

    pub(crate) fn set_mood(&mut self, server: usize, mood: server::Mood) {
        let now = self.clock();
        self.act(|world, effects| world.servers[server].set_mood(mood, now, effects));
    }

    /// A SIP system stops: it forgets all transactions.
    pub(crate) fn stop_sip(&mut self, sip: usize) {
        self.sips[sip].set_up(false);
        self.cut_all(End::Sip(sip));
    }

    fn cut_all(&mut self, end: End) {
        let its = |(id, pipe): (&PipeId, &Pipe)| pipe.ends.contains(&end).then_some(*id);
        for pipe in self.pipes.iter().filter_map(its).collect::<Vec<_>>() {
            self.cut(pipe);
        }
    }

    fn dial_server(&mut self, gateway: usize, link: Link) {
        let now = self.clock();
        let server = self.gateways[gateway].links[link].server;
        if self.servers[server].is_up() {
            let pipe = self.open([End::Link(gateway, link), End::Server(server)]);
            self.servers[server].on_connected(pipe, now);
            self.gateways[gateway].on_link_connected(link, pipe, now);
        } else {
            let chance = self.chance.draw();
            self.gateways[gateway].on_link_refused(link, chance, now);
        }
    }

    fn dial_sip(&mut self, gateway: usize, remote: SocketAddr, bytes: Vec<u8>, origin: Origin) {
        if let Some(sip) = self.sips.iter().position(|sip| sip.addrs.contains(&remote) && sip.takes_tcp()) {
            let pipe = self.open([End::Gateway(gateway), End::Sip(sip)]);
            self.sips[sip].on_connected(pipe, remote, 1);
            self.gateways[gateway].on_flow_connected(pipe, remote, 0);
            self.send_bytes(pipe, 0, bytes);
        } else if let Some(other) = self.gateways.iter().position(|other| other.addr == remote) {
            let pipe = self.open([End::Gateway(gateway), End::Gateway(other)]);
            let local = self.gateways[gateway].addr;
            self.gateways[gateway].on_flow_connected(pipe, remote, 0);
            self.gateways[other].on_flow_connected(pipe, local, 1);
            self.send_bytes(pipe, 0, bytes);
        } else {
            let at = self.now + self.weather.delay * 2;
            self.at(at, Event::Undelivered { gateway, origin, why: Undelivered::Refused });
        }
    }

    fn dial_gateway(&mut self, sip: usize, remote: SocketAddr, bytes: Vec<u8>) {
        let Some(gateway) = self.gateways.iter().position(|gateway| gateway.addr == remote) else { return };
        let pipe = self.open([End::Sip(sip), End::Gateway(gateway)]);
        let from = self.sips[sip].addrs[0];
        self.sips[sip].on_connected(pipe, remote, 0);
        self.gateways[gateway].on_flow_connected(pipe, SocketAddr::new(from.ip(), 40_000), 1);
        self.send_bytes(pipe, 0, bytes);
    }
}
