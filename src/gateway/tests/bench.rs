//! A gateway with one link and one SIP proxy, and what comes out of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::gateway::people::User;
use crate::gateway::trust::{Network, Peer, Stranger, Trust};
use crate::gateway::{Gateway, Input, LookupId, Output, Route, Settings};
use crate::ids::Ids;
use crate::mapping::{DomainMapping, Home, Mapping, Typing};
use crate::sip::auth::{Account, Key};
use crate::sip::endpoint::{EndpointConfig, Flow, Inbound, SentBy, Transmit};
use crate::sip::locate::{Destination, Query, Transport};
use crate::sip::message::{self, Request, Status, wire};
use crate::sip::uri::Uri;
use crate::time::Now;
use crate::xml::{Limits, ns, reader};
use crate::xmpp::stanza::{Iq, Stanza};

pub(super) struct Bench {
    pub(super) gateway: Gateway,
    now: Duration,
    outputs: Vec<Output>,
    calls: u32,
}

impl Bench {
    /// The link is up.
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let phones = DomainMapping::new(Home::Sip, "sip.example", "sip.example", None);
        let domains = vec![
            DomainMapping { typing: Typing::Always, ..phones },
            DomainMapping::new(Home::Sip, "second.example", "second.example", None),
            DomainMapping::new(Home::Xmpp, "*", "gw.example", None),
            DomainMapping::new(Home::Xmpp, "xmpp.example", "xmpp.example", None),
        ];
        let mut settings = settings();
        change(&mut settings);
        let sip = EndpointConfig::new(SentBy { host: "10.0.0.1".to_owned(), port: Some(5060) });
        let mapping = Arc::new(Mapping::new(domains).unwrap());
        let gateway = Gateway::new(mapping, settings, sip, Ids::new([3; 32], 0));
        let mut bench = Self { gateway, now: Duration::from_secs(10), outputs: Vec::new(), calls: 0 };
        bench.input(Input::LinkUp(0));
        bench
    }

    pub(super) fn now(&self) -> Now {
        Now::at(self.now)
    }

    pub(super) fn input(&mut self, input: Input) {
        self.inputs(vec![input]);
    }

    /// All in one step.
    pub(super) fn inputs(&mut self, inputs: Vec<Input>) {
        let now = self.now();
        inputs.into_iter().for_each(|input| self.gateway.handle(input, now));
        self.gateway.finish_step(now);
        self.gateway.take_outputs(&mut self.outputs);
    }

    /// Every deadline on the way is kept.
    pub(super) fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.gateway.next_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            let now = self.now();
            self.gateway.handle_timeout(now);
            self.gateway.finish_step(now);
            self.gateway.take_outputs(&mut self.outputs);
        }
        self.now = until;
    }

    /// The stanzas that came out, oldest first.
    pub(super) fn stanzas(&mut self) -> Vec<Stanza> {
        let mut stanzas = Vec::new();
        self.outputs.retain(|output| match output {
            Output::Stanza(_, stanza) => {
                stanzas.push(stanza.clone());
                false
            }
            Output::Transmit(_) | Output::Locate(..) => true,
        });
        stanzas
    }

    /// The stanzas that came out, pings aside.
    pub(super) fn told(&mut self) -> Vec<Stanza> {
        self.stanzas().into_iter().filter(|stanza| !matches!(stanza, Stanza::Iq(_))).collect()
    }

    /// The pings that came out.
    pub(super) fn pings(&mut self) -> Vec<Iq> {
        let pings = self.stanzas().into_iter().filter_map(|stanza| match stanza {
            Stanza::Iq(iq) => Some(iq),
            Stanza::Message(_) | Stanza::Presence(_) => None,
        });
        pings.collect()
    }

    pub(super) fn transmits(&mut self) -> Vec<Transmit> {
        let mut transmits = Vec::new();
        self.outputs.retain(|output| match output {
            Output::Transmit(transmit) => {
                transmits.push(transmit.clone());
                false
            }
            Output::Stanza(..) | Output::Locate(..) => true,
        });
        transmits
    }

    /// The questions to DNS that came out.
    pub(super) fn questions(&mut self) -> Vec<(LookupId, Query)> {
        let mut questions = Vec::new();
        self.outputs.retain(|output| match output {
            Output::Locate(lookup, query) => {
                questions.push((*lookup, query.clone()));
                false
            }
            Output::Stanza(..) | Output::Transmit(_) => true,
        });
        questions
    }

    pub(super) fn requests(&mut self) -> Vec<Request> {
        let read = |transmit: Transmit| match wire::parse(&transmit.bytes).unwrap() {
            message::Message::Request(request) => Some(request),
            message::Message::Response(_) => None,
        };
        self.transmits().into_iter().filter_map(read).collect()
    }

    pub(super) fn statuses(&mut self) -> Vec<u16> {
        let read = |transmit: Transmit| match wire::parse(&transmit.bytes).unwrap() {
            message::Message::Request(_) => None,
            message::Message::Response(response) => Some(response.status.code()),
        };
        self.transmits().into_iter().filter_map(read).collect()
    }

    /// A message from juliet@xmpp.example.
    pub(super) fn write(&mut self, to: &str, id: &str, body: &str) {
        let text = format!(
            "<message from='juliet@xmpp.example/b' to='{to}@sip.example' id='{id}' type='chat'><body>{body}</body></message>"
        );
        self.stanza(&text);
    }

    pub(super) fn stanza(&mut self, text: &str) {
        self.input(Input::Stanza(0, stanza(text)));
    }

    pub(super) fn answer(&mut self, request: &Request, status: u16) {
        let response = request.response(Status::new(status).unwrap());
        self.hear(message::Message::Response(response));
    }

    pub(super) fn hear(&mut self, message: message::Message) {
        self.hear_from("192.0.2.10:5060", message);
    }

    /// The same from another address.
    pub(super) fn hear_from(&mut self, remote: &str, message: message::Message) {
        let Input::Sip(mut inbound) = sip(message) else { return };
        inbound.flow.remote = remote.parse().unwrap();
        self.input(Input::Sip(inbound));
    }

    /// A MESSAGE from sip:romeo@sip.example to `user`, and its Call-ID.
    pub(super) fn ask(&mut self, user: &str) -> String {
        let (call, input) = self.asking(user);
        self.input(input);
        call
    }

    pub(super) fn asking(&mut self, user: &str) -> (String, Input) {
        self.calls += 1;
        let call = format!("call-{}", self.calls);
        let text = format!(
            "MESSAGE sip:{user} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-{call};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:romeo@sip.example>;tag=1\r\nTo: <sip:{user}>\r\nCall-ID: {call}\r\nCSeq: 1 MESSAGE\r\n\
             Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nHi"
        );
        (call, sip(wire::parse(text.as_bytes()).unwrap()))
    }

    /// The answer to a ping.
    pub(super) fn pong(&mut self, ping: &Iq) {
        self.input(Input::Stanza(0, Stanza::Iq(ping.result(None).unwrap())));
    }
}

/// juliet@xmpp.example, who has an account at a SIP server, and asks nothing of it yet.
pub(super) fn user(aor: &str) -> User {
    User {
        jid: "juliet@xmpp.example".to_owned(),
        aor: Uri::parse(aor).unwrap(),
        account: Account { realm: None, username: "101".to_owned(), key: Key::password("zanzibar") },
        register: None,
        voicemail: false,
        watchers: false,
    }
}

pub(super) fn stanza(text: &str) -> Stanza {
    let text = format!("<in xmlns='{}'>{text}</in>", ns::CLIENT);
    let outer = reader::parse(text.as_bytes(), &Limits::default()).unwrap();
    Stanza::from_element(outer.children().next().unwrap().clone()).unwrap()
}

fn sip(message: message::Message) -> Input {
    let addr = |text: &str| text.parse::<SocketAddr>().unwrap();
    let flow = Flow { transport: Transport::Udp, local: addr("10.0.0.1:5060"), remote: addr("192.0.2.10:5060"), id: 0 };
    Input::Sip(Inbound { message, flow })
}

pub(super) fn trust(domain: &str) -> Trust {
    let networks = vec![Network { first: "192.0.2.10".parse().unwrap(), bits: 32 }];
    let peer = Peer::new("proxy", networks, vec![domain.to_owned()]);
    Trust::new(vec![peer], Stranger::Refuse)
}

fn settings() -> Settings {
    let next_hop =
        Destination { host: "192.0.2.10".to_owned(), port: Some(5060), transport: Some(Transport::Udp), secure: false };
    Settings {
        links: vec!["sip.example".to_owned()],
        routes: vec![("sip.example".to_owned(), Route::to(next_hop))],
        trust: trust("sip.example"),
        confirm_within: Duration::from_secs(1),
        queue_per_pair: 10,
        messages_to_sip: 100,
        messages_to_xmpp: 10,
        ..Settings::default()
    }
}
