//! An endpoint in the hands of a peer, a network and a clock that mean it no good.
//!
//! The bytes are a list of acts, each a number and what belongs to it; when they run out, time passes until everything
//! must have ended. What must hold:
//! * of each request of ours exactly one end is told, and after it only further 2xx of an INVITE;
//! * a server transaction has one final status on the wire, however often it is repeated;
//! * no message calls forth more than a few, and those are not much longer than it;
//! * nothing stays open for ever, and never more than the limits allow.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::time::Duration;

use stox::ids::Ids;
use stox::sip::endpoint::{
    ClientId, Endpoint, EndpointConfig, Event, Flow, Inbound, Large, Limits, Origin, SentBy, ServerId, Target,
    Transmit, Undelivered,
};
use stox::sip::locate::Transport;
use stox::sip::message::{Message, Method, Name, Request, Response, Status, wire};
use stox::time::Now;

const METHODS: [&str; 9] = ["MESSAGE", "INVITE", "ACK", "CANCEL", "SUBSCRIBE", "OPTIONS", "BYE", "REGISTER", "CUDDLE"];
const BRANCHES: [&str; 5] = ["z9hG4bKone", "z9hG4bKtwo", "z9hG4bKthree", "old", ""];
const STATUSES: [u16; 10] = [100, 180, 200, 202, 302, 404, 408, 486, 503, 600];
const STEPS: [u64; 8] = [0, 1, 200, 500, 4_000, 5_000, 32_000, 70_000];
const FAILURES: [Undelivered; 4] =
    [Undelivered::Refused, Undelivered::Unreachable, Undelivered::Closed, Undelivered::QueueFull];

/// Open at once, on each side.
const OPEN: usize = 6;

/// Longer than any request of ours can take: four targets, 64 * T1 each, and Timer K.
const LONG: Duration = Duration::from_secs(5 * 32 + 10);

/// Runs the acts that `data` spells.
pub(crate) fn transaction(data: &[u8]) {
    let mut world = World::new();
    let mut acts = Acts { rest: data };
    while let Some(act) = acts.byte() {
        world.act(act, &mut acts);
        world.check_sizes();
    }
    world.end_all();
    let stats = world.us.stats();
    assert_eq!((stats.client_open, stats.server_open), (0, 0), "something never ends");
    assert!(world.ours.values().all(|ended| *ended), "a request of ours without an end");
}

struct Acts<'d> {
    rest: &'d [u8],
}

impl<'d> Acts<'d> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// One of a list.
    fn pick(&mut self, of: usize) -> usize {
        usize::from(self.byte().unwrap_or_default()) % of.max(1)
    }

    fn bytes(&mut self, length: usize) -> &'d [u8] {
        let (taken, rest) = self.rest.split_at(length.min(self.rest.len()));
        self.rest = rest;
        taken
    }
}

struct World {
    us: Endpoint,
    now: Duration,
    /// Each request of ours, and whether its end was told.
    ours: BTreeMap<ClientId, bool>,
    /// What peers asked and we may still answer.
    asked: Vec<(ServerId, Request)>,
    /// Which of them are INVITEs.
    invites: HashSet<ServerId>,
    /// The final status that a server transaction has shown.
    shown: HashMap<ServerId, u16>,
    /// What we sent last.
    sent: Vec<Transmit>,
}

impl World {
    fn new() -> Self {
        let sent_by = SentBy { host: "192.0.2.1".to_owned(), port: None };
        let mut config = EndpointConfig::new(sent_by);
        config.limits = Limits { server: OPEN, client: OPEN, completed: 8, kept_bytes: 2_000, ..Limits::default() };
        let us = Endpoint::new(config, Ids::new([7; 32], 0));
        Self {
            us,
            now: Duration::from_secs(1),
            ours: BTreeMap::new(),
            asked: Vec::new(),
            invites: HashSet::new(),
            shown: HashMap::new(),
            sent: Vec::new(),
        }
    }

    fn act(&mut self, act: u8, acts: &mut Acts<'_>) {
        match act % 11 {
            0 => self.hear_template(acts),
            1 => self.answer(acts),
            2 => self.ask(acts),
            3 => self.hear_answer(acts),
            4 => self.fail(acts),
            5 => self.pass(Duration::from_millis(STEPS[acts.pick(STEPS.len())])),
            6 => {
                let length = acts.pick(256) * 4;
                self.hear(acts.bytes(length), acts.pick(3));
            }
            7 => self.hear_own_words(acts),
            8 => self.take_back(acts),
            9 => self.send_on(acts),
            _ => self.close(acts),
        }
    }

    /// A request like those that peers send, which may have come before.
    fn hear_template(&mut self, acts: &mut Acts<'_>) {
        let (method, branch) = (METHODS[acts.pick(METHODS.len())], BRANCHES[acts.pick(BRANCHES.len())]);
        let flow = acts.pick(3);
        let (transport, to_tag) = (if flow == 0 { "UDP" } else { "TCP" }, ["", ";tag=t"][acts.pick(2)]);
        let text = format!(
            "{method} sip:juliet@example.com SIP/2.0\r\nVia: SIP/2.0/{transport} 192.0.2.9;branch={branch}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:romeo@example.net>;tag=r\r\nTo: <sip:juliet@example.com>{to_tag}\r\n\
             Call-ID: {branch}-{}\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n",
            acts.pick(2)
        );
        self.hear(text.as_bytes(), flow);
    }

    fn answer(&mut self, acts: &mut Acts<'_>) {
        let (which, status) = (acts.pick(self.asked.len()), STATUSES[acts.pick(STATUSES.len())]);
        let own = acts.pick(2) == 1;
        let Some((transaction, request)) = self.asked.get(which) else { return };
        let mut response = request.response(Status::new(status).expect("a status"));
        if own {
            response.headers.push(Name::ALLOW, "MESSAGE");
        }
        let transaction = *transaction;
        let now = self.now();
        self.us.respond(transaction, response, now);
        self.collect();
    }

    fn ask(&mut self, acts: &mut Acts<'_>) {
        let method = ["MESSAGE", "OPTIONS", "REGISTER", "INVITE"][acts.pick(4)];
        let mut request = request(method);
        if acts.pick(4) == 3 {
            request.set_body("text/plain", vec![b'x'; 1_400]);
        }
        let (targets, now) = (targets(acts), self.now());
        let begun = self.us.request(&request, targets, Large::UseTcp, now);
        self.begin(begun.ok());
    }

    /// A request of a peer goes on to others, as a proxy would have it.
    fn send_on(&mut self, acts: &mut Acts<'_>) {
        let which = acts.pick(self.asked.len());
        let (targets, now) = (targets(acts), self.now());
        let Some((_, request)) = self.asked.get(which) else { return };
        let begun = self.us.forward(request, targets, Large::UseTcp, 7, now);
        self.begin(begun.ok());
    }

    fn begin(&mut self, id: Option<ClientId>) {
        if let Some(id) = id {
            assert_eq!(self.ours.insert(id, false), None, "a number given twice");
        }
        self.collect();
    }

    fn take_back(&mut self, acts: &mut Acts<'_>) {
        let (which, now) = (acts.pick(self.ours.len()), self.now());
        let Some(id) = self.ours.keys().nth(which).copied() else { return };
        self.us.cancel(id, now);
        self.collect();
    }

    fn close(&mut self, acts: &mut Acts<'_>) {
        let (flow, now) = (flow(acts.pick(3)), self.now());
        let mut events = Vec::new();
        self.us.flow_closed(&flow, now, &mut events);
        events.into_iter().for_each(|event| self.note(Some(event)));
        self.collect();
    }

    /// Whatever still rings is given up, on both sides; the rest has to end by itself.
    fn end_all(&mut self) {
        self.pass(LONG);
        let now = self.now();
        for id in self.ours.keys() {
            self.us.cancel(*id, now);
        }
        for (transaction, request) in std::mem::take(&mut self.asked) {
            self.us.respond(transaction, request.response(Status::REQUEST_TERMINATED), now);
        }
        self.collect();
        self.pass(LONG);
    }

    /// An answer to one of the requests of ours that were sent last.
    fn hear_answer(&mut self, acts: &mut Acts<'_>) {
        let (which, status) = (acts.pick(self.sent.len()), STATUSES[acts.pick(STATUSES.len())]);
        let Some(transmit) = self.sent.get(which) else { return };
        let Ok(Message::Request(request)) = wire::parse(&transmit.bytes) else { return };
        let response = request.response(Status::new(status).expect("a status"));
        let mut bytes = Vec::new();
        response.print(&mut bytes);
        self.hear(&bytes, acts.pick(3));
    }

    fn fail(&mut self, acts: &mut Acts<'_>) {
        let which = acts.pick(self.sent.len());
        let why = FAILURES[acts.pick(FAILURES.len())];
        let Some(origin) = self.sent.get(which).map(|transmit| transmit.origin) else { return };
        let now = self.now();
        let event = self.us.undeliverable(origin, why, now);
        self.note(event);
        self.collect();
    }

    /// What we sent comes back, perhaps with a byte changed.
    fn hear_own_words(&mut self, acts: &mut Acts<'_>) {
        let which = acts.pick(self.sent.len());
        let Some(mut bytes) = self.sent.get(which).map(|transmit| transmit.bytes.clone()) else { return };
        let at = acts.pick(256) * 3 % bytes.len().max(1);
        if let (Some(byte), Some(changed)) = (bytes.get_mut(at), acts.byte()) {
            *byte = if changed == 0 { *byte } else { changed };
        }
        self.hear(&bytes, acts.pick(3));
    }

    fn hear(&mut self, bytes: &[u8], from: usize) {
        let (flow, now) = (flow(from), self.now());
        match wire::parse(bytes) {
            Ok(message) => {
                let is_request = matches!(message, Message::Request(_));
                let event = self.us.receive(Inbound { message, flow }, now);
                self.note(event);
                let echo = self.collect();
                // Nobody shall aim much more at somebody else than what they send us.
                assert!(!is_request || echo <= 2 * bytes.len() + 512, "{} bytes called forth {echo}", bytes.len());
            }
            Err(error) => {
                if let Some(response) = error.response() {
                    self.us.respond_stateless(response, flow);
                }
            }
        }
        self.collect();
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        for _ in 0..100_000 {
            let Some(at) = self.us.next_timeout().filter(|at| *at <= until) else {
                self.now = until;
                return;
            };
            self.now = self.now.max(at);
            let now = self.now();
            let mut events = Vec::new();
            self.us.handle_timeout(now, &mut events);
            events.into_iter().for_each(|event| self.note(Some(event)));
            self.collect();
        }
        panic!("alarms without end");
    }

    fn note(&mut self, event: Option<Event>) {
        match event {
            Some(Event::Request { transaction, request, .. }) => {
                if request.method == Method::Invite {
                    self.invites.insert(transaction);
                }
                self.asked.insert(0, (transaction, request));
            }
            Some(Event::Accepted { transaction, response }) => {
                assert_eq!(self.ours.get(&transaction), Some(&true), "a further 2xx before the first");
                assert!(response.status.is_success());
            }
            Some(Event::Provisional { transaction, .. }) => {
                assert_eq!(self.ours.get(&transaction), Some(&false), "news after the end");
            }
            Some(Event::Response { transaction, response }) => {
                assert!(response.status.is_final());
                self.end(transaction);
            }
            Some(Event::TimedOut { transaction, .. } | Event::Failed { transaction, .. }) => self.end(transaction),
            Some(Event::Cancelled { .. } | Event::Ack { .. }) | None => {}
        }
    }

    fn end(&mut self, transaction: ClientId) {
        assert_eq!(self.ours.insert(transaction, true), Some(false), "a second end, or one of nothing");
    }

    /// Takes what is to be sent; how many bytes it is.
    fn collect(&mut self) -> usize {
        let mut bytes = 0;
        while let Some(transmit) = self.us.poll_transmit() {
            let message = wire::parse(&transmit.bytes).expect("what we send can be read");
            if let (Origin::Server(id), Message::Response(response)) = (transmit.origin, &message) {
                self.show(id, response);
            }
            bytes += transmit.bytes.len();
            self.sent.insert(0, transmit);
        }
        self.sent.truncate(32);
        while self.us.poll_report().is_some() {}
        bytes
    }

    fn show(&mut self, id: ServerId, response: &Response) {
        if response.status.is_final() {
            let status = response.status.code();
            let first = *self.shown.entry(id).or_insert(status);
            // Several phones may answer one INVITE (RFC 6026 section 7.1).
            let another_phone = self.invites.contains(&id) && first / 100 == 2 && status / 100 == 2;
            assert!(first == status || another_phone, "two final responses: {first} and {status}");
        }
    }

    fn check_sizes(&self) {
        let stats = self.us.stats();
        assert!(stats.server_open <= OPEN, "{} requests of peers open", stats.server_open);
        // Each INVITE of ours may have its CANCEL beside it, which cannot wait for room.
        assert!(stats.client_open <= 2 * OPEN, "{} requests of ours open", stats.client_open);
        assert!(stats.server_completed <= 8, "more remembered than allowed");
    }

    fn now(&self) -> Now {
        Now::at(self.now)
    }
}

fn request(method: &str) -> Request {
    let text = format!(
        "{method} sip:romeo@example.net SIP/2.0\r\nMax-Forwards: 70\r\nFrom: <sip:juliet@example.com>;tag=f\r\n\
         To: <sip:romeo@example.net>\r\nCall-ID: c\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
    );
    match wire::parse(text.as_bytes()) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn targets(acts: &mut Acts<'_>) -> Vec<Target> {
    let count = acts.pick(4);
    let target = |_| Target {
        transport: [Transport::Udp, Transport::Tcp, Transport::Tls][acts.pick(3)],
        addr: peer(acts.pick(3)),
    };
    (0..count).map(target).collect()
}

/// 0 is UDP, the others are connections.
fn flow(number: usize) -> Flow {
    let transport = if number == 0 { Transport::Udp } else { Transport::Tcp };
    Flow { transport, local: addr("192.0.2.1:5060"), remote: peer(number), id: number as u64 }
}

fn peer(number: usize) -> SocketAddr {
    addr(["192.0.2.9:5060", "192.0.2.9:40001", "192.0.2.9:40002"][number % 3])
}

fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}
