//! The gateway and its store, and how it dies: between two steps, with what was committed and nothing else.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use stox::gateway::record::{Kind, Record, RecordId, Write};
use stox::gateway::trust::{Network, Peer, Stranger, Trust};
use stox::gateway::{Gateway, Input, Output, Route, Settings};
use stox::ids::Ids;
use stox::mapping::{DomainMapping, Home, Mapping};
use stox::sip::endpoint::{EndpointConfig, Flow, Inbound, SentBy};
use stox::sip::locate::{Destination, Transport};
use stox::sip::message::wire;
use stox::xmpp::stanza::Stanza;

use super::{Event, SIP, XMPP, Years};

const OWN: &str = "10.0.0.1:5060";
/// Where all of the SIP side is.
pub(super) const PEER: &str = "192.0.2.10:5060";

/// How the gateway dies in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doom {
    /// Before the writes are committed: the step has not been.
    BeforeCommit,
    /// After, and before anything was sent.
    BeforeOutputs,
    /// With some of it sent.
    Amid,
    /// With all of it sent.
    After,
}

#[derive(Default)]
pub(super) struct Host {
    gateway: Option<Gateway>,
    /// What was committed.
    pub(super) store: BTreeMap<(Kind, RecordId), Record>,
    /// How it will die, after so many more steps that write anything.
    pub(super) doom: Option<(Doom, u64)>,
    /// The life of the link as the server sees it; even: there is none.
    pub(super) life: u64,
    /// Whether the gateway believes that its link is up.
    pub(super) is_linked: bool,
    /// When the last stanza of each direction arrives: they do so in order.
    last: [Duration; 2],
}

impl Host {
    pub(super) fn next_timeout(&self) -> Option<Duration> {
        self.gateway.as_ref().and_then(Gateway::next_timeout)
    }

    pub(super) fn is_up(&self) -> bool {
        self.gateway.is_some()
    }

    pub(super) fn is_connected(&self) -> bool {
        self.life % 2 == 1
    }

    pub(super) fn sample(&self, name: &str, label: &str) -> u64 {
        let samples = self.gateway.as_ref().map(Gateway::samples).unwrap_or_default();
        let its = |labels: &[(&str, String)]| label.is_empty() || labels.iter().any(|(_, value)| value == label);
        samples.iter().filter(|sample| sample.name == name && its(&sample.labels)).map(|sample| sample.value).sum()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.gateway.as_ref().is_some_and(Gateway::is_idle)
    }
}

pub(super) fn addr(text: &str) -> SocketAddr {
    text.parse().expect("the addresses of the world are addresses")
}

fn settings(expires: u32) -> Settings {
    let at = addr(PEER);
    let next_hop =
        Destination { host: at.ip().to_string(), port: Some(5060), transport: Some(Transport::Udp), secure: false };
    let peer = Peer::new("pbx", vec![Network { first: at.ip(), bits: 32 }], vec![SIP.to_owned()]);
    let mut route = Route::to(next_hop);
    route.presence.expires = expires;
    Settings {
        links: vec![SIP.to_owned()],
        routes: vec![(SIP.to_owned(), route)],
        trust: Trust::new(vec![peer], Stranger::Refuse),
        ..Settings::default()
    }
}

fn stanza_of(input: &Input) -> Option<Stanza> {
    if let Input::Stanza(_, stanza) = input { Some(stanza.clone()) } else { None }
}

impl Years {
    /// The gateway starts, with what the store has.
    pub(super) fn birth(&mut self) {
        if self.host.is_up() {
            return;
        }
        let domains =
            vec![DomainMapping::new(Home::Sip, SIP, SIP, None), DomainMapping::new(Home::Xmpp, XMPP, XMPP, None)];
        let mapping = Arc::new(Mapping::new(domains).expect("the domains of the world do not conflict"));
        let sip = EndpointConfig::new(SentBy { host: addr(OWN).ip().to_string(), port: Some(5060) });
        let mut seed = [0; 32];
        seed.iter_mut().for_each(|byte| *byte = self.chance.draw().to_le_bytes()[0]);
        let mut gateway = Gateway::new(mapping, settings(self.pace.ours), sip, Ids::new(seed, 0));
        let records = self.host.store.values().cloned().collect();
        gateway.restore(records, self.clock());
        self.counts.births += 1;
        self.host.gateway = Some(gateway);
        self.step(Vec::new());
        let wait = self.chance.up_to(Duration::from_secs(3));
        self.after(wait, Event::Connect);
    }

    /// The gateway is gone, and its connections with it.
    fn die(&mut self, doom: Doom) {
        self.host.gateway = None;
        self.host.doom = None;
        self.host.is_linked = false;
        self.counts.crashes[doom as usize] += 1;
        if self.host.is_connected() {
            self.host.life += 1;
        }
        let wait = if self.chance.per_mille(100) { super::HOUR } else { Duration::from_secs(90) };
        let wait = self.chance.up_to(wait);
        self.after(wait, Event::Birth);
    }

    /// One step, as `shard` does it: what it writes is committed, then what it says is sent.
    pub(super) fn step(&mut self, mut inputs: Vec<Input>) {
        let now = self.clock();
        let (mut writes, mut outputs) = (Vec::new(), Vec::new());
        let doomed = self.host.doom.is_some();
        let Some(gateway) = &mut self.host.gateway else { return };
        gateway.handle_timeout(now);
        let taken: Vec<Stanza> = if doomed { inputs.iter().filter_map(stanza_of).collect() } else { Vec::new() };
        inputs.drain(..).for_each(|input| gateway.handle(input, now));
        gateway.finish_step(now);
        gateway.take_writes(&mut writes);
        gateway.take_outputs(&mut outputs);
        self.counts.steps += 1;
        let doom = self.doom(!writes.is_empty());
        if doom == Some(Doom::BeforeCommit) {
            taken.iter().for_each(|stanza| self.stanza_lost(true, stanza));
            return self.die(Doom::BeforeCommit);
        }
        writes.into_iter().for_each(|write| self.commit(write));
        match doom {
            Some(Doom::Amid) => {
                let sent = usize::try_from(self.chance.below(outputs.len() as u64 + 1)).unwrap_or(0);
                self.never_sent(outputs.split_off(sent));
            }
            Some(Doom::BeforeOutputs) => self.never_sent(std::mem::take(&mut outputs)),
            Some(Doom::BeforeCommit | Doom::After) | None => {}
        }
        let unsent: Vec<Input> = outputs.into_iter().filter_map(|output| self.deliver(output)).collect();
        match doom {
            Some(doom) => self.die(doom),
            None if !unsent.is_empty() => self.step(unsent),
            None => {}
        }
    }

    fn never_sent(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            if let Output::Stanza(_, stanza) = output {
                self.stanza_lost(false, &stanza);
            }
        }
    }

    fn doom(&mut self, writes: bool) -> Option<Doom> {
        let (doom, left) = self.host.doom.as_mut()?;
        if writes || self.chance.per_mille(20) {
            if *left == 0 {
                return Some(*doom);
            }
            *left -= 1;
        }
        None
    }

    fn commit(&mut self, write: Write) {
        match write {
            Write::Put(record) => {
                let key = match &*record {
                    Record::Authorization(record) => (Kind::Authorization, record.id),
                    Record::Dialog(record) => (Kind::Dialog, record.id),
                    Record::Publication(record) => (Kind::Publication, record.id),
                };
                self.host.store.insert(key, *record);
            }
            Write::Drop(kind, id) => {
                self.host.store.remove(&(kind, id));
            }
        }
        self.counts.peak_rows = self.counts.peak_rows.max(self.host.store.len());
    }

    fn deliver(&mut self, output: Output) -> Option<Input> {
        match output {
            Output::Stanza(_, stanza) if !self.host.is_linked => return Some(Input::Unsent(0, stanza)),
            Output::Stanza(_, stanza) => self.put_on_link(false, stanza),
            Output::Transmit(transmit) => {
                self.check_transmit(&transmit.bytes, transmit.again);
                self.trace(&transmit.bytes);
                self.datagram(true, transmit.bytes);
            }
            Output::Locate(..) => self.fail("an address needs no DNS"),
        }
        None
    }

    /// A stanza goes onto the link. The gateway may not know yet that it is broken.
    pub(super) fn put_on_link(&mut self, reach_gateway: bool, stanza: Stanza) {
        let wait = Duration::from_millis(1 + self.chance.below(8));
        let last = &mut self.host.last[usize::from(reach_gateway)];
        *last = (*last).max(self.now + wait);
        let wait = last.saturating_sub(self.now);
        let life = self.host.life;
        self.after(wait, Event::Stanza { life, reach_gateway, stanza: Box::new(stanza) });
    }

    pub(super) fn stanza_arrives(&mut self, life: u64, reach_gateway: bool, stanza: Stanza) {
        if life != self.host.life || !self.host.is_connected() {
            self.counts.lost += 1;
            return self.stanza_lost(reach_gateway, &stanza);
        }
        self.counts.stanzas += 1;
        if reach_gateway {
            self.word_arrives(&stanza);
            self.step(vec![Input::Stanza(0, stanza)]);
        } else {
            self.stanza_at_server(stanza);
        }
    }

    /// The link breaks; what is on it is lost.
    pub(super) fn break_link(&mut self) {
        if !self.host.is_connected() {
            return;
        }
        self.counts.breaks += 1;
        let life = self.host.life;
        self.host.life += 1;
        // A reset is noticed at once, a cable only by pings.
        let wait = if self.chance.per_mille(500) { Duration::ZERO } else { Duration::from_secs(80) };
        let wait = self.chance.up_to(wait);
        self.after(wait, Event::LinkLost(life));
    }

    pub(super) fn link_lost(&mut self, life: u64) {
        if !self.host.is_linked || life + 1 != self.host.life {
            return;
        }
        self.host.is_linked = false;
        self.step(vec![Input::LinkDown(0)]);
        let wait = self.chance.up_to(Duration::from_secs(20));
        self.after(wait, Event::Connect);
    }

    pub(super) fn connect(&mut self) {
        if !self.host.is_up() || self.host.is_linked {
            return;
        }
        if !self.server.is_up || self.host.is_connected() {
            let wait = self.chance.up_to(Duration::from_secs(60));
            return self.after(wait, Event::Connect);
        }
        self.host.life += 1;
        self.host.is_linked = true;
        self.step(vec![Input::LinkUp(0)]);
    }

    pub(super) fn datagram_at_gateway(&mut self, bytes: &[u8]) {
        if !self.host.is_up() {
            return;
        }
        let flow = Flow { transport: Transport::Udp, local: addr(OWN), remote: addr(PEER), id: 0 };
        match wire::parse(bytes) {
            Ok(message) => self.step(vec![Input::Sip(Inbound { message, flow })]),
            Err(error) => self.fail(&format!("the SIP side wrote something unreadable: {error:?}")),
        }
    }
}
