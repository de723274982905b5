//! stox between a server and a PBX, all in memory: the gateway, its component stream, and the server's end of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use stox::gateway::trust::{Network, Peer, Stranger, Trust};
use stox::gateway::{Gateway, Input, Output, Route, Settings};
use stox::ids::Ids;
use stox::mapping::{DomainMapping, Home, Mapping};
use stox::sip::endpoint::{EndpointConfig, Flow, Inbound, Origin, SentBy, Undelivered};
use stox::sip::locate::{Destination, Transport};
use stox::sip::message::{Message, Request, Status, wire};
use stox::time::Now;
use stox::xmpp::jid::BareJid;
use stox::xmpp::stream::{AcceptConfig, Cause, ComponentConfig, Event, Stream, StreamConfig};

/// `sip.example` is the PBX `pbx.example` at 192.0.2.1; `xmpp.example` is the server.
pub(super) struct Bench {
    gateway: Gateway,
    component: Stream,
    server: Stream,
    now: Now,
    branches: u32,
}

/// What left stox.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Towards the server, as it was written.
    pub(super) xml: String,
    /// Towards the PBX.
    pub(super) sip: Vec<Message>,
    origins: Vec<Origin>,
}

impl Seen {
    /// The only request to the PBX.
    pub(super) fn request(&self) -> &Request {
        match &self.sip[..] {
            [Message::Request(request)] => request,
            _ => panic!("not one request: {self:?}"),
        }
    }

    /// Status and Allow or Accept of the only response to the PBX.
    pub(super) fn response(&self) -> &stox::sip::message::Response {
        match &self.sip[..] {
            [Message::Response(response)] => response,
            _ => panic!("not one response: {self:?}"),
        }
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.xml.is_empty() && self.sip.is_empty()
    }
}

pub(super) fn bare(text: &str) -> BareJid {
    BareJid::parse(text).expect("an address")
}

fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

pub(super) fn streams() -> (Stream, Stream) {
    let (domain, secret, stream) = (bare("sip.example"), "s3cret".to_owned(), StreamConfig::default());
    let now = Now::at(Duration::ZERO);
    let components = vec![(domain.clone(), secret.clone())];
    let server = AcceptConfig { components, id: "4d83".to_owned(), stream: stream.clone() };
    (Stream::component(ComponentConfig { domain, secret, server: None, stream }, now), Stream::accepting(server, now))
}

fn settings() -> Settings {
    let pbx = Network { first: addr("192.0.2.1:0").ip(), bits: 24 };
    let peer = Peer::new("pbx", vec![pbx], vec!["pbx.example".to_owned()]);
    let next_hop =
        Destination { host: "192.0.2.1".to_owned(), port: None, transport: Some(Transport::Udp), secure: false };
    Settings {
        links: vec!["sip.example".to_owned()],
        routes: vec![("sip.example".to_owned(), Route::to(next_hop))],
        trust: Trust::new(vec![peer], Stranger::Refuse),
        confirm_within: Duration::from_secs(1),
        queue_per_pair: 2_000,
        messages_to_sip: 10_000,
        messages_to_xmpp: 10_000,
        ..Settings::default()
    }
}

impl Bench {
    /// The link is up.
    pub(super) fn new() -> Self {
        let pbx = DomainMapping::new(Home::Sip, "sip.example", "pbx.example", None);
        let xmpp = DomainMapping::new(Home::Xmpp, "xmpp.example", "xmpp.example", None);
        let mapping = Arc::new(Mapping::new(vec![pbx, xmpp]).expect("these do not conflict"));
        let sip = EndpointConfig::new(SentBy { host: "192.0.2.9".to_owned(), port: None });
        let gateway = Gateway::new(mapping, settings(), sip, Ids::new([7; 32], 0));
        let (component, server) = streams();
        let mut bench = Self { gateway, component, server, now: Now::at(Duration::ZERO), branches: 0 };
        bench.negotiate();
        bench
    }

    fn negotiate(&mut self) {
        for _ in 0..3 {
            let mut bytes = Vec::new();
            self.component.poll_output(&mut bytes);
            self.server.receive(&bytes, self.now);
            bytes.clear();
            self.server.poll_output(&mut bytes);
            self.component.receive(&bytes, self.now);
        }
        assert_eq!(self.server.poll_event(), Some(Event::Ready));
        assert!(self.settle().is_nothing());
    }

    /// The server sends this.
    pub(super) fn xml(&mut self, text: &str) -> Seen {
        self.component.receive(text.as_bytes(), self.now);
        self.settle()
    }

    /// A message to `romeo@sip.example`, with this inside.
    pub(super) fn message(&mut self, inside: &str) -> Seen {
        self.xml(&format!("<message from='juliet@xmpp.example/b' to='romeo@sip.example' id='m'>{inside}</message>"))
    }

    /// The PBX sends this request to Juliet; every one is a transaction of its own.
    pub(super) fn sip(&mut self, method: &str, headers: &str, body: &[u8]) -> Seen {
        self.branches += 1;
        let n = self.branches;
        let head = format!(
            "{method} sip:juliet@xmpp.example SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.77:5062;branch=z9hG4bK{n}\n\
             Max-Forwards: 70\nTo: <sip:juliet@xmpp.example>\nFrom: <sip:romeo@pbx.example>;tag=a\n\
             Call-ID: {n}@192.0.2.77\nCSeq: {n} {method}\n{headers}Content-Length: {}\n\n",
            body.len()
        );
        let bytes = [head.replace('\n', "\r\n").as_bytes(), body].concat();
        self.sip_bytes(&bytes)
    }

    pub(super) fn sip_bytes(&mut self, bytes: &[u8]) -> Seen {
        let message = wire::parse(bytes).expect("a SIP message");
        let (local, remote) = (addr("192.0.2.9:5060"), addr("192.0.2.77:5062"));
        let flow = Flow { transport: Transport::Udp, local, remote, id: 0 };
        self.gateway.handle(Input::Sip(Inbound { message, flow }), self.now);
        self.settle()
    }

    /// The PBX answers this request.
    pub(super) fn answer(&mut self, request: &Request, status: Status) -> Seen {
        let mut response = request.response(status);
        response.ensure_to_tag("phone");
        let mut bytes = Vec::new();
        response.print(&mut bytes);
        self.sip_bytes(&bytes)
    }

    /// Nobody listens where that was sent.
    pub(super) fn refuse_connection(&mut self, seen: &Seen) -> Seen {
        for origin in &seen.origins {
            self.gateway.handle(Input::Undelivered(*origin, Undelivered::Refused), self.now);
        }
        self.settle()
    }

    pub(super) fn wait(&mut self, time: Duration) -> Seen {
        let until = self.now.mono + time;
        let mut seen = Seen::default();
        while let Some(at) = self.gateway.next_timeout().filter(|at| *at <= until) {
            self.now = Now::at(at.max(self.now.mono));
            self.gateway.handle_timeout(self.now);
            let more = self.settle();
            seen.xml.push_str(&more.xml);
            seen.sip.extend(more.sip);
        }
        self.now = Now::at(until);
        seen
    }

    /// Lets everything happen that follows from what came. The server takes what stox writes without complaint.
    fn settle(&mut self) -> Seen {
        let (mut seen, mut outputs) = (Seen::default(), Vec::new());
        while let Some(event) = self.component.poll_event() {
            match event {
                Event::Ready => self.gateway.handle(Input::LinkUp(0), self.now),
                Event::Stanza(stanza) => self.gateway.handle(Input::Stanza(0, stanza), self.now),
                Event::Unusable { .. } => {}
                Event::Closed(cause) => panic!("the stream ended: {cause:?}"),
            }
        }
        self.gateway.finish_step(self.now);
        self.gateway.take_outputs(&mut outputs);
        for output in outputs {
            match output {
                Output::Stanza(_, stanza) => self.component.send(&stanza).expect("the link is up"),
                Output::Transmit(transmit) => {
                    seen.sip.push(wire::parse(&transmit.bytes).expect("what we write can be read"));
                    seen.origins.push(transmit.origin);
                }
                // The next hop is an address; a name can only be in a peer's Contact, and nobody here knows it.
                Output::Locate(..) => {}
            }
        }
        let mut bytes = Vec::new();
        self.component.poll_output(&mut bytes);
        self.server.receive(&bytes, self.now);
        while let Some(event) = self.server.poll_event() {
            assert!(matches!(event, Event::Stanza(_)), "{event:?} for {}", String::from_utf8_lossy(&bytes));
        }
        seen.xml = String::from_utf8(bytes).expect("streams are UTF-8");
        seen
    }
}

/// Why a stream ended.
pub(super) fn end_of(stream: &mut Stream) -> Option<Cause> {
    std::iter::from_fn(|| stream.poll_event()).find_map(|event| match event {
        Event::Closed(cause) => Some(cause),
        Event::Ready | Event::Stanza(_) | Event::Unusable { .. } => None,
    })
}
