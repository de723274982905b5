//! A gateway and, in miniature and without sockets, the rim around it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use stox::gateway::{Gateway, Input, Link, LookupId, Output, Settings};
use stox::ids::Ids;
use stox::mapping::{DomainMapping, Mapping};
use stox::sip::endpoint::{EndpointConfig, Flow, Inbound, Origin, SentBy, Transmit, Undelivered};
use stox::sip::framing::{Frame, Framing, Limits};
use stox::sip::locate::{Answer, Transport};
use stox::sip::message::wire;
use stox::time::Now;
use stox::xmpp::jid::BareJid;
use stox::xmpp::stanza::Stanza;
use stox::xmpp::stream::backoff::Backoff;
use stox::xmpp::stream::{Cause, ComponentConfig, Event, Stream, StreamConfig};

use super::{Effect, PipeId};

/// One gateway of the world.
pub(crate) struct GatewayHost {
    pub(crate) gateway: Gateway,
    pub(crate) addr: SocketAddr,
    pub(crate) links: Vec<LinkEnd>,
    index: usize,
    flows: BTreeMap<PipeId, FlowEnd>,
    inputs: Vec<Input>,
    /// Something came, so there is a step to be done now.
    woken: bool,
}

/// The gateway's end of a component link.
pub(crate) struct LinkEnd {
    pub(crate) server: usize,
    domain: BareJid,
    stream: Option<(PipeId, Stream)>,
    /// When to dial; `None` while connected.
    retry_at: Option<Duration>,
    ready_at: Option<Duration>,
    backoff: Backoff,
}

struct FlowEnd {
    remote: SocketAddr,
    framing: Framing,
    side: usize,
}

/// How a gateway is set up.
pub(crate) struct GatewaySetup {
    pub(crate) addr: SocketAddr,
    /// The XMPP server of each link, by number.
    pub(crate) servers: Vec<usize>,
    pub(crate) domains: Vec<DomainMapping>,
    pub(crate) settings: Settings,
    pub(crate) seed: u8,
}

/// What every component of this world shares with its server.
pub(crate) const SECRET: &str = "s3cret";

impl GatewayHost {
    /// The gateway number `index` of its world. Its links are dialled in its first step.
    pub(crate) fn new(index: usize, setup: GatewaySetup, now: Now) -> Self {
        let mapping = Mapping::new(setup.domains).expect("the domains of a test do not conflict");
        let sent_by = SentBy { host: setup.addr.ip().to_string(), port: Some(setup.addr.port()) };
        let sip = EndpointConfig::new(sent_by);
        let link = |(domain, server): (&String, &usize)| LinkEnd {
            server: *server,
            domain: BareJid::parse(domain).expect("the component domain of a test is a domain"),
            stream: None,
            retry_at: Some(now.mono),
            ready_at: None,
            backoff: Backoff::new(),
        };
        let links = setup.settings.links.iter().zip(&setup.servers).map(link).collect();
        let ids = Ids::new([setup.seed; 32], setup.seed);
        Self {
            gateway: Gateway::new(Arc::new(mapping), setup.settings, sip, ids),
            addr: setup.addr,
            links,
            index,
            flows: BTreeMap::new(),
            inputs: Vec::new(),
            woken: true,
        }
    }

    pub(crate) fn next_timeout(&self) -> Option<Duration> {
        if self.woken || !self.inputs.is_empty() {
            return Some(Duration::ZERO);
        }
        let stream = |link: &LinkEnd| link.stream.as_ref().and_then(|(_, stream)| stream.next_timeout());
        let links = self.links.iter().filter_map(|link| stream(link).or(link.retry_at));
        links.chain(self.gateway.next_timeout()).min()
    }

    /// The gateway's own next deadline, links aside.
    pub(crate) fn next_own_timeout(&self) -> Option<Duration> {
        self.gateway.next_timeout()
    }

    /// Whether every link carries stanzas.
    pub(crate) fn is_ready(&self) -> bool {
        self.links.iter().all(|link| link.ready_at.is_some())
    }

    /// The value of a sample of [`Gateway::samples`], of the label value `label` if it is not empty.
    pub(crate) fn sample(&self, name: &str, label: &str) -> Option<u64> {
        let labelled = |labels: &[(&str, String)]| label.is_empty() || labels.iter().any(|(_, value)| value == label);
        let samples = self.gateway.samples();
        samples.iter().find(|sample| sample.name == name && labelled(&sample.labels)).map(|sample| sample.value)
    }

    pub(crate) fn input(&mut self, input: Input) {
        self.inputs.push(input);
    }

    pub(crate) fn on_datagram(&mut self, from: SocketAddr, bytes: &[u8], effects: &mut Vec<Effect>) {
        let flow = Flow { transport: Transport::Udp, local: self.addr, remote: from, id: 0 };
        if let Some(answer) = self.take(bytes, flow) {
            effects.push(Effect::Datagram { from: self.addr, to: from, bytes: answer });
        }
    }

    /// A connection was made; `side` says which of its ends is ours.
    pub(crate) fn on_flow_connected(&mut self, pipe: PipeId, remote: SocketAddr, side: usize) {
        let framing = Framing::new(Limits::default());
        self.flows.insert(pipe, FlowEnd { remote, framing, side });
    }

    pub(crate) fn on_flow_bytes(&mut self, pipe: PipeId, bytes: &[u8], effects: &mut Vec<Effect>) {
        let Some(end) = self.flows.get_mut(&pipe) else { return };
        end.framing.push(bytes);
        let (remote, side) = (end.remote, end.side);
        let frames: Vec<_> = std::iter::from_fn(|| end.framing.next()).collect();
        let flow = Flow { transport: Transport::Tcp, local: self.addr, remote, id: pipe };
        for frame in frames {
            let answer = match frame {
                Ok(Frame::Message(bytes)) => self.take(&bytes, flow),
                Ok(Frame::Ping) => Some(b"\r\n".to_vec()),
                Ok(Frame::Pong) => None,
                Err(error) => {
                    let mut bytes = Vec::new();
                    if let Some(response) = error.response() {
                        response.print(&mut bytes);
                    }
                    effects.push(Effect::Bytes { pipe, from: side, bytes });
                    effects.push(Effect::Close { pipe });
                    return;
                }
            };
            if let Some(bytes) = answer {
                effects.push(Effect::Bytes { pipe, from: side, bytes });
            }
        }
    }

    pub(crate) fn on_flow_closed(&mut self, pipe: PipeId) {
        self.flows.remove(&pipe);
    }

    pub(crate) fn on_undelivered(&mut self, origin: Origin, why: Undelivered) {
        self.inputs.push(Input::Undelivered(origin, why));
    }

    pub(crate) fn on_located(&mut self, lookup: LookupId, answer: Answer) {
        self.inputs.push(Input::Located(lookup, answer, Duration::from_secs(60)));
    }

    pub(crate) fn on_link_connected(&mut self, link: Link, pipe: PipeId, now: Now) {
        let end = &mut self.links[link];
        let config = ComponentConfig {
            domain: end.domain.clone(),
            secret: SECRET.to_owned(),
            server: None,
            stream: StreamConfig::default(),
        };
        end.retry_at = None;
        end.stream = Some((pipe, Stream::component(config, now)));
        self.woken = true;
    }

    pub(crate) fn on_link_refused(&mut self, link: Link, chance: u64, now: Now) {
        let end = &mut self.links[link];
        end.retry_at = Some(now.mono + end.backoff.after(None, Duration::ZERO, chance));
    }

    pub(crate) fn on_link_bytes(&mut self, link: Link, bytes: &[u8], chance: u64, now: Now, effects: &mut Vec<Effect>) {
        if let Some((_, stream)) = &mut self.links[link].stream {
            stream.receive(bytes, now);
            self.woken = true;
            self.settle_link(link, chance, now, effects);
        }
    }

    pub(crate) fn on_link_closed(&mut self, link: Link, chance: u64, now: Now) {
        let end = &mut self.links[link];
        if let Some((_, stream)) = &mut end.stream {
            stream.disconnected();
            self.woken = true;
            self.settle_link(link, chance, now, &mut Vec::new());
        }
    }

    /// One step, as `shard` does it.
    pub(crate) fn step(&mut self, now: Now, chance: u64, effects: &mut Vec<Effect>) {
        if self.next_timeout().is_none_or(|at| at > now.mono) {
            return;
        }
        self.woken = false;
        for link in 0..self.links.len() {
            self.wake_link(link, now, effects);
            self.settle_link(link, chance, now, effects);
        }
        self.gateway.handle_timeout(now);
        let mut outputs = Vec::new();
        loop {
            for input in std::mem::take(&mut self.inputs) {
                self.gateway.handle(input, now);
            }
            self.gateway.finish_step(now);
            self.gateway.take_outputs(&mut outputs);
            for output in outputs.drain(..) {
                self.deliver(output, effects);
            }
            if self.inputs.is_empty() {
                break;
            }
        }
        for link in 0..self.links.len() {
            self.flush_link(link, effects);
        }
    }

    fn wake_link(&mut self, link: Link, now: Now, effects: &mut Vec<Effect>) {
        let end = &mut self.links[link];
        if let Some((_, stream)) = &mut end.stream {
            stream.handle_timeout(now);
        } else if end.retry_at.is_some_and(|at| at <= now.mono) {
            end.retry_at = None;
            effects.push(Effect::DialServer { gateway: self.index, link });
        }
    }

    fn settle_link(&mut self, link: Link, chance: u64, now: Now, effects: &mut Vec<Effect>) {
        let end = &mut self.links[link];
        let Some((pipe, stream)) = &mut end.stream else { return };
        let pipe = *pipe;
        let mut closed: Option<Cause> = None;
        while let Some(event) = stream.poll_event() {
            match event {
                Event::Ready => {
                    end.ready_at = Some(now.mono);
                    self.inputs.push(Input::LinkUp(link));
                }
                Event::Stanza(stanza) => {
                    effects.push(Effect::Taken { pipe, from: 1, stanza: stanza.clone() });
                    self.inputs.push(Input::Stanza(link, stanza));
                }
                Event::Unusable { .. } => {}
                Event::Closed(cause) => closed = Some(cause),
            }
        }
        let Some(cause) = closed else { return };
        self.flush_link(link, effects);
        let end = &mut self.links[link];
        let ready_for = end.ready_at.take().map(|at| now.mono.saturating_sub(at));
        if ready_for.is_some() {
            self.inputs.push(Input::LinkDown(link));
        }
        let delay = end.backoff.after(Some(&cause), ready_for.unwrap_or_default(), chance);
        end.stream = None;
        end.retry_at = Some(now.mono + delay);
        effects.push(Effect::Close { pipe });
    }

    fn flush_link(&mut self, link: Link, effects: &mut Vec<Effect>) {
        if let Some((pipe, stream)) = &mut self.links[link].stream {
            let mut bytes = Vec::new();
            if stream.poll_output(&mut bytes) {
                effects.push(Effect::Bytes { pipe: *pipe, from: 0, bytes });
            }
        }
    }

    fn deliver(&mut self, output: Output, effects: &mut Vec<Effect>) {
        match output {
            Output::Stanza(link, stanza) => self.deliver_stanza(link, stanza, effects),
            Output::Transmit(transmit) => self.transmit(transmit, effects),
            Output::Locate(lookup, query) => effects.push(Effect::Ask { gateway: self.index, lookup, query }),
        }
    }

    fn deliver_stanza(&mut self, link: Link, stanza: Stanza, effects: &mut Vec<Effect>) {
        if let Some((pipe, stream)) = &mut self.links[link].stream
            && stream.send(&stanza).is_ok()
        {
            effects.push(Effect::Sent { pipe: *pipe, from: 0, stanza });
            return;
        }
        self.inputs.push(Input::Unsent(link, stanza));
    }

    fn transmit(&mut self, transmit: Transmit, effects: &mut Vec<Effect>) {
        let Transmit { transport, remote, flow, bytes, origin, .. } = transmit;
        match transport {
            Transport::Udp => effects.push(Effect::Datagram { from: self.addr, to: remote, bytes }),
            Transport::Tcp => {
                let own = flow.filter(|id| self.flows.contains_key(id));
                let known = || self.flows.iter().find(|(_, end)| end.remote == remote).map(|(id, _)| *id);
                match own.or_else(known) {
                    Some(pipe) => {
                        effects.push(Effect::Bytes { pipe, from: self.flows[&pipe].side, bytes });
                    }
                    None => effects.push(Effect::DialSip { gateway: self.index, remote, bytes, origin }),
                }
            }
            Transport::Tls | Transport::Ws | Transport::Wss => {
                self.inputs.push(Input::Undelivered(origin, Undelivered::Unreachable))
            }
        }
    }

    /// As `net::intake` does it: what cannot be read is answered at once, if at all.
    fn take(&mut self, bytes: &[u8], flow: Flow) -> Option<Vec<u8>> {
        match wire::parse(bytes) {
            Ok(message) => {
                self.inputs.push(Input::Sip(Inbound { message, flow }));
                None
            }
            Err(error) => {
                let mut response = error.response()?;
                response.ensure_to_tag("unreadable");
                let mut bytes = Vec::new();
                response.print(&mut bytes);
                Some(bytes)
            }
        }
    }
}
