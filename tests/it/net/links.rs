//! Links that break, fill up or fall silent at the worst moment: the gateway alone, in virtual time.

use std::sync::Arc;
use std::time::Duration;

use stox::gateway::trust::{Network, Peer, Stranger, Trust};
use stox::gateway::{Gateway, Input, Output, Route, Settings, Size};
use stox::ids::Ids;
use stox::mapping::{DomainMapping, Home, Mapping};
use stox::sip::endpoint::{EndpointConfig, Flow, Inbound, SentBy};
use stox::sip::locate::{Destination, Transport};
use stox::sip::message::wire;
use stox::time::Now;
use stox::xml::{self, reader};
use stox::xmpp::stanza::Stanza;

struct Bench {
    gateway: Gateway,
    now: Now,
    requests: u32,
}

impl Bench {
    fn new() -> Self {
        let mappings = vec![
            DomainMapping::new(Home::Sip, "sip.example", "pbx.example", None),
            DomainMapping::new(Home::Xmpp, "*", "gw.example", None),
        ];
        let all = Network { first: "192.0.2.1".parse().unwrap(), bits: 32 };
        let peer = Peer::new("pbx", vec![all], vec!["pbx.example".to_owned()]);
        let transport = Some(Transport::Udp);
        let next_hop = Destination { host: "192.0.2.1".to_owned(), port: None, transport, secure: false };
        let settings = Settings {
            links: vec!["sip.example".to_owned()],
            routes: vec![("sip.example".to_owned(), Route { large: Size::Refuse, ..Route::to(next_hop) })],
            trust: Trust::new(vec![peer], Stranger::Refuse),
            confirm_within: Duration::from_secs(1),
            queue_per_pair: 10,
            messages_to_sip: 1_000,
            messages_to_xmpp: 1_000,
            ..Settings::default()
        };
        let sip = EndpointConfig::new(SentBy { host: "192.0.2.9".to_owned(), port: None });
        let gateway = Gateway::new(Arc::new(Mapping::new(mappings).unwrap()), settings, sip, Ids::new([1; 32], 0));
        let mut bench = Self { gateway, now: Now::at(Duration::ZERO), requests: 0 };
        assert_eq!(bench.take(Input::LinkUp(0)).len(), 0);
        bench
    }

    /// The stanzas that follow from an input.
    fn take(&mut self, input: Input) -> Vec<Stanza> {
        self.gateway.handle(input, self.now);
        self.stanzas()
    }

    fn stanzas(&mut self) -> Vec<Stanza> {
        let mut outputs = Vec::new();
        self.gateway.finish_step(self.now);
        self.gateway.take_outputs(&mut outputs);
        outputs
            .into_iter()
            .filter_map(|output| if let Output::Stanza(_, stanza) = output { Some(stanza) } else { None })
            .collect()
    }

    /// A message that is too large for its way, so that an error is told at once.
    fn fail(&mut self, id: &str) -> Vec<Stanza> {
        let body = "x".repeat(2_000);
        let text = format!(
            "<message xmlns='jabber:client' from='a@mute.example/b' to='romeo@sip.example' id='{id}'><body>{body}</body></message>"
        );
        let element = reader::parse(text.as_bytes(), &xml::Limits::default()).unwrap();
        let stanza = Stanza::from_element(element).unwrap();
        self.take(Input::Stanza(0, stanza))
    }

    /// A message from SIP to this user, in the spelling of the wildcard.
    fn sip(&mut self, to: &str) -> Vec<Stanza> {
        self.requests += 1;
        let n = self.requests;
        let text = format!(
            "MESSAGE sip:{to}@gw.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{n}\r\nMax-Forwards: 70\r\n\
             From: <sip:romeo@pbx.example>;tag=a\r\nTo: <sip:{to}@gw.example>\r\nCall-ID: {n}\r\nCSeq: 1 MESSAGE\r\n\
             Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi"
        );
        let remote = "192.0.2.1:5060".parse().unwrap();
        let flow = Flow { transport: Transport::Udp, local: "192.0.2.9:5060".parse().unwrap(), remote, id: 0 };
        self.take(Input::Sip(Inbound { message: wire::parse(text.as_bytes()).unwrap(), flow }))
    }

    /// The stanzas that this time brings.
    fn wait(&mut self, time: Duration) -> Vec<Stanza> {
        let until = self.now.mono + time;
        let mut stanzas = Vec::new();
        while let Some(at) = self.gateway.next_timeout().filter(|at| *at <= until) {
            self.now = Now::at(at.max(self.now.mono));
            self.gateway.handle_timeout(self.now);
            stanzas.extend(self.stanzas());
        }
        self.now = Now::at(until);
        stanzas
    }
}

fn errors(stanzas: &[Stanza]) -> Vec<Stanza> {
    stanzas
        .iter()
        .filter(|stanza| matches!(stanza, Stanza::Message(message) if message.error().is_some()))
        .cloned()
        .collect()
}

fn pings(stanzas: &[Stanza]) -> usize {
    stanzas.iter().filter(|stanza| matches!(stanza, Stanza::Iq(_))).count()
}

#[test]
fn an_error_on_a_link_that_breaks_is_told_once_when_the_link_is_back() {
    let mut bench = Bench::new();
    let told = errors(&bench.fail("m1"));
    assert_eq!(told.len(), 1);
    bench.take(Input::LinkDown(0));
    // The link's task gives back what still waited in its queue, after the shard has heard that the link is down.
    assert_eq!(bench.take(Input::Unsent(0, told[0].clone())).len(), 0);
    assert_eq!(errors(&bench.take(Input::LinkUp(0))), told);
    assert_eq!(errors(&bench.wait(Duration::from_secs(60))), []);
}

#[test]
fn an_error_that_found_its_link_full_is_told_once_when_there_is_room() {
    let mut bench = Bench::new();
    let told: Vec<_> = ["m1", "m2", "m3"].iter().flat_map(|id| errors(&bench.fail(id))).collect();
    for stanza in &told {
        bench.take(Input::Unsent(0, stanza.clone()));
    }
    bench.take(Input::LinkDown(0));
    assert_eq!(errors(&bench.take(Input::LinkUp(0))), told);
    assert_eq!(errors(&bench.wait(Duration::from_secs(60))), []);
}

#[test]
fn an_error_is_offered_again_while_its_link_is_full() {
    let mut bench = Bench::new();
    let told = errors(&bench.fail("m1"));
    for _ in 0..5 {
        bench.take(Input::Unsent(0, told[0].clone()));
        assert_eq!(errors(&bench.wait(Duration::from_secs(1))), told);
    }
}

#[test]
fn a_server_that_never_answers_is_not_asked_for_ever() {
    let mut bench = Bench::new();
    let mut asked = 0;
    for n in 0..50 {
        asked += pings(&bench.sip(&format!("a*mute{n}.example")));
        asked += pings(&bench.fail(&format!("m{n}")));
    }
    asked += pings(&bench.wait(Duration::from_secs(600)));
    assert!((51..=1_000).contains(&asked), "{asked} pings");
    assert_eq!(pings(&bench.wait(Duration::from_secs(3_600))), 0);
}
