//! Two people and stox between them: `juliet@example.com` has a server, `sip:romeo@example.net` a phone and a presence
//! agent, as in the examples of RFC 8048. All in memory and in virtual time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use stox::gateway::record::{Authorization, Direction, Kind, Record, Write};
use stox::gateway::trust::{Network, Peer, Stranger, Trust};
use stox::gateway::{Gateway, Input, Output, Route, Settings};
use stox::ids::Ids;
use stox::mapping::{DomainMapping, Home, Mapping};
use stox::sip::endpoint::{EndpointConfig, Flow, Inbound, SentBy};
use stox::sip::locate::{Answer, Destination, Query, Transport};
use stox::sip::message::{Message, Method, Name, Request, Response, Status, wire};
use stox::time::Now;
use stox::xml::{Limits, ns, reader};
use stox::xmpp::stanza::{IqKind, Presence, PresenceKind, Stanza};

/// What is between the two, and what has left it.
pub(super) struct World {
    gateway: Gateway,
    now: Duration,
    writes: Vec<Write>,
    /// What Juliet's server was told.
    pub(super) presence: Vec<Presence>,
    /// What went to Romeo's side; NOTIFYs among it were answered.
    pub(super) requests: Vec<Request>,
    pub(super) responses: Vec<Response>,
    /// Requests of Romeo's side.
    sent: u32,
}

const PBX: &str = "192.0.2.10:5060";

fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn settings() -> Settings {
    let host = Network { first: addr(PBX).ip(), bits: 32 };
    let peer = Peer::new("simple", vec![host], vec!["example.net".to_owned()]);
    let next_hop =
        Destination { host: "192.0.2.10".to_owned(), port: None, transport: Some(Transport::Tcp), secure: false };
    Settings {
        links: vec!["example.net".to_owned()],
        routes: vec![("example.net".to_owned(), Route::to(next_hop))],
        trust: Trust::new(vec![peer], Stranger::Refuse),
        ..Settings::default()
    }
}

impl World {
    pub(super) fn new() -> Self {
        let sip = DomainMapping::new(Home::Sip, "example.net", "example.net", None);
        let xmpp = DomainMapping::new(Home::Xmpp, "example.com", "example.com", None);
        let mapping = Arc::new(Mapping::new(vec![sip, xmpp]).expect("these do not conflict"));
        let endpoint = EndpointConfig::new(SentBy { host: "x2s.example.com".to_owned(), port: None });
        let gateway = Gateway::new(mapping, settings(), endpoint, Ids::new([8; 32], 0));
        let (presence, requests, responses) = (Vec::new(), Vec::new(), Vec::new());
        let now = Duration::from_secs(10);
        let mut world = Self { gateway, now, writes: Vec::new(), presence, requests, responses, sent: 0 };
        world.input(Input::LinkUp(0));
        world
    }

    fn input(&mut self, input: Input) {
        let mut inputs = vec![input];
        while !inputs.is_empty() {
            let now = Now::at(self.now);
            inputs.drain(..).for_each(|input| self.gateway.handle(input, now));
            inputs = self.settle();
        }
    }

    /// What left, and what comes back of it by itself: pings, names and NOTIFYs are answered.
    fn settle(&mut self) -> Vec<Input> {
        self.gateway.finish_step(Now::at(self.now));
        self.gateway.take_writes(&mut self.writes);
        let (mut outputs, mut inputs) = (Vec::new(), Vec::new());
        self.gateway.take_outputs(&mut outputs);
        for output in outputs {
            match output {
                Output::Stanza(_, Stanza::Presence(presence)) => self.presence.push(presence),
                Output::Stanza(_, Stanza::Iq(iq)) => match iq.kind {
                    IqKind::Get(_) | IqKind::Set(_) => {
                        let result = iq.result(None).expect("a question has an answer");
                        inputs.push(Input::Stanza(0, Stanza::Iq(result)));
                    }
                    IqKind::Result(_) | IqKind::Error(_) => {}
                },
                Output::Stanza(_, Stanza::Message(_)) => {}
                Output::Locate(lookup, query) => {
                    let answer = match query {
                        Query::Naptr { .. } => Answer::Naptr(Vec::new()),
                        Query::Srv { .. } => Answer::Srv(Vec::new()),
                        Query::Addresses { .. } => Answer::Addresses(vec![addr(PBX).ip()]),
                    };
                    inputs.push(Input::Located(lookup, answer, Duration::from_secs(60)));
                }
                Output::Transmit(transmit) if transmit.again => {}
                Output::Transmit(transmit) => match wire::parse(&transmit.bytes).expect("what we write can be read") {
                    Message::Request(request) => {
                        if request.method == Method::Notify {
                            inputs.push(arrives(Message::Response(request.response(Status::OK))));
                        }
                        self.requests.push(request);
                    }
                    Message::Response(response) => self.responses.push(response),
                },
            }
        }
        inputs
    }

    /// Time goes by, with every deadline on the way.
    pub(super) fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.gateway.next_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.gateway.handle_timeout(Now::at(self.now));
            let inputs = self.settle();
            inputs.into_iter().for_each(|input| self.input(input));
        }
        self.now = until;
    }

    /// Juliet's server sends this.
    pub(super) fn xml(&mut self, text: &str) -> Result<(), String> {
        for stanza in stanzas(text)? {
            self.input(Input::Stanza(0, Stanza::Presence(stanza)));
        }
        Ok(())
    }

    /// Juliet says one word.
    pub(super) fn juliet(&mut self, kind: &str) {
        let stanza = format!("<presence from='juliet@example.com' to='romeo@example.net' type='{kind}'/>");
        self.xml(&stanza).expect("a stanza");
    }

    /// Romeo's side sends this.
    pub(super) fn sip(&mut self, message: Message) {
        self.input(arrives(message));
    }

    /// Romeo's phone watches Juliet: a SUBSCRIBE of the dialog `call`, with the To tag of one that stands.
    pub(super) fn subscribe(&mut self, call: &str, to_tag: Option<&str>, expires: u32) {
        self.sent += 1;
        let tag = to_tag.map(|tag| format!(";tag={tag}")).unwrap_or_default();
        let request = format!(
            "SUBSCRIBE sip:juliet@example.com SIP/2.0\r\nVia: SIP/2.0/TCP s2x.example.net;branch=z9hG4bK-s{n}\r\n\
             From: <sip:romeo@example.net>;tag=xfg9\r\nTo: <sip:juliet@example.com>{tag}\r\nCall-ID: {call}\r\n\
             Event: presence\r\nMax-Forwards: 70\r\nCSeq: {n} SUBSCRIBE\r\nContact: <sip:romeo@192.0.2.10>\r\n\
             Accept: application/pidf+xml\r\nExpires: {expires}\r\nContent-Length: 0\r\n\r\n",
            n = self.sent,
        );
        self.sip(wire::parse(request.as_bytes()).expect("a request"));
    }

    /// Romeo's agent answers.
    pub(super) fn answer(&mut self, request: &Request, status: Status) {
        let mut response = request.response(status);
        response.ensure_to_tag("ffd2");
        self.sip(Message::Response(response));
    }

    /// Romeo's agent tells the subscription of `subscribe`.
    pub(super) fn notify(&mut self, subscribe: &Request, state: &str, body: &str) {
        self.sent += 1;
        let text = |name| subscribe.headers.text(name).unwrap_or_default().into_owned();
        let to = text(Name::TO);
        let kind = if body.is_empty() { "" } else { "Content-Type: application/pidf+xml\r\n" };
        let notify = format!(
            "NOTIFY {contact} SIP/2.0\r\nVia: SIP/2.0/TCP simple.example.net;branch=z9hG4bK-n{n}\r\n\
             From: {from};tag=ffd2\r\nTo: {to}\r\nCall-ID: {call}\r\nEvent: presence\r\nSubscription-State: {state}\r\n\
             Max-Forwards: 70\r\nCSeq: {n} NOTIFY\r\nContact: <sip:romeo@example.net>\r\n{kind}\
             Content-Length: {length}\r\n\r\n{body}",
            contact = text(Name::CONTACT).trim_start_matches('<').split('>').next().unwrap_or_default(),
            n = self.sent,
            from = to.split(";tag=").next().unwrap_or_default(),
            to = text(Name::FROM),
            call = text(Name::CALL_ID),
            length = body.len(),
        );
        self.sip(wire::parse(notify.as_bytes()).expect("a request"));
    }

    /// The last SUBSCRIBE that went to Romeo's side, taken out with all that came before it.
    pub(super) fn asked(&mut self) -> Result<Request, String> {
        let mut asked = std::mem::take(&mut self.requests);
        asked.retain(|request| request.method == Method::Subscribe);
        asked.pop().ok_or_else(|| "no SUBSCRIBE went out".to_owned())
    }

    /// The next one, within this time.
    pub(super) fn next_asked(&mut self, within: Duration) -> Result<Request, String> {
        for _ in 0..within.as_secs() {
            self.pass(Duration::from_secs(1));
            if let Ok(asked) = self.asked() {
                return Ok(asked);
            }
        }
        Err(format!("no SUBSCRIBE went out in {within:?}"))
    }

    /// What the record of a direction says.
    pub(super) fn kept(&self, direction: Direction) -> Option<Authorization> {
        let (mut id, mut state) = (None, None);
        for write in &self.writes {
            match write {
                Write::Put(record) => match record.as_ref() {
                    Record::Authorization(record) if record.direction == direction => {
                        (id, state) = (Some(record.id), Some(record.state));
                    }
                    Record::Authorization(_) | Record::Dialog(_) | Record::Publication(_) => {}
                },
                Write::Drop(Kind::Authorization, dropped) if Some(*dropped) == id => state = None,
                Write::Drop(..) => {}
            }
        }
        state
    }

    /// The kinds of presence that Juliet's server was told.
    pub(super) fn told(&self) -> Vec<PresenceKind> {
        self.presence.iter().map(|presence| presence.kind).collect()
    }

    /// What has left so far is forgotten.
    pub(super) fn forget(&mut self) {
        self.presence.clear();
        self.requests.clear();
        self.responses.clear();
    }
}

fn arrives(message: Message) -> Input {
    let flow = Flow { transport: Transport::Tcp, local: addr("192.0.2.1:5060"), remote: addr(PBX), id: 1 };
    Input::Sip(Inbound { message, flow })
}

/// The presence stanzas of a text.
pub(super) fn stanzas(text: &str) -> Result<Vec<Presence>, String> {
    let text = format!("<all xmlns='{}'>{text}</all>", ns::CLIENT);
    let all = reader::parse(text.as_bytes(), &Limits::document()).map_err(|error| error.to_string())?;
    let read = |element| match Stanza::from_element(element) {
        Ok(Stanza::Presence(presence)) => Ok(presence),
        other => Err(format!("{other:?}")),
    };
    all.into_children().map(read).collect()
}
