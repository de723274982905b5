//! Hours of hardship in virtual time: random traffic both ways between many people over two gateways, on networks that lose,
//! double and reorder datagrams, with XMPP links that break, servers that hang, and SIP systems that restart. After each
//! instant a ledger checks what must be true of every message; at the end, that nothing is left open.
//!
//! A failure names its seed: `WORLD_SEED=7 cargo test --test it world` plays that one alone.

mod ledger;

use std::net::SocketAddr;
use std::time::Duration;

use stox::gateway::trust::{Network, Peer, Stranger, Trust};
use stox::gateway::{Route, Settings};
use stox::mapping::{DomainMapping, Home};
use stox::sip::locate::{Destination, Transport};
use stox::sip::message::{Method, Request};
use stox::sip::uri::Uri;
use stox::xmpp::jid::Jid;
use stox::xmpp::stanza::{Message, MessageKind, Stanza};

use crate::sim::gateway::GatewaySetup;
use crate::sim::phone::{By, Does, Habit};
use crate::sim::server::Mood;
use crate::sim::{Chance, GatewayHost, SipSide, Weather, World, XmppServer};
use ledger::{Ledger, Letter};

const GATEWAYS: usize = 2;
const XMPP_USERS: [&str; 6] = ["ann", "bob", "cat", "dan", "eve", "fay"];
/// Nobody has this account.
const GHOST: &str = "ghost";
const SIP_USERS: [(&str, &[Does]); 7] = [
    ("quick", &[Does::Answers(200, Duration::from_millis(20))]),
    ("usual", &[Does::Answers(200, Duration::from_millis(300)), Does::Answers(202, Duration::from_millis(300))]),
    ("slow", &[Does::Answers(200, Duration::from_secs(9))]),
    ("busy", &[Does::Answers(486, Duration::from_secs(1)), Does::Answers(480, Duration::from_secs(1))]),
    ("moody", &[Does::Answers(200, Duration::from_secs(1)), Does::Answers(503, Duration::from_secs(1)), Does::Nothing]),
    ("mute", &[Does::Nothing]),
    ("late", &[Does::Answers(200, Duration::from_secs(31))]),
];
const QUEUE_PER_PAIR: usize = 10;
const IN_ALL: usize = 150;

fn seeds() -> Vec<u64> {
    match std::env::var("WORLD_SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => vec![seed],
        None => (1..=4).collect(),
    }
}

#[test]
fn every_message_has_exactly_one_outcome_in_hours_of_hardship() {
    for seed in seeds() {
        println!("seed {seed}");
        let mut life = Life::new(seed);
        life.live(Duration::from_secs(3_600));
        life.come_to_rest();
        life.ledger.close(seed);
    }
}

struct Life {
    seed: u64,
    world: World,
    ledger: Ledger,
    chance: Chance,
    hardship_at: Duration,
    ends: Vec<(Duration, Relief)>,
    letters: u32,
}

/// The end of a hardship.
#[derive(Debug, Clone, Copy)]
enum Relief {
    ServerStarts(usize),
    ServerIsPrompt(usize),
    SipStarts(usize),
    Weather,
}

impl Life {
    fn new(seed: u64) -> Self {
        let mut world = World::new(seed);
        world.watch = true;
        for index in 0..GATEWAYS {
            add_gateway(&mut world, index);
        }
        let hardship_at = world.now + Duration::from_secs(60);
        let chance = Chance::new(seed ^ 0xABCD);
        Self { seed, world, ledger: Ledger::new(), chance, hardship_at, ends: Vec::new(), letters: 0 }
    }

    fn live(&mut self, time: Duration) {
        let until = self.world.now + time;
        self.run_to(self.world.now + Duration::from_secs(2));
        while self.world.now < until {
            let wait = self.chance.up_to(Duration::from_millis(3_600));
            self.run_to(self.world.now + wait);
            self.relieve();
            if self.world.now >= self.hardship_at {
                self.hardship();
                self.hardship_at =
                    self.world.now + Duration::from_secs(10) + self.chance.up_to(Duration::from_secs(120));
            }
            // Now and then many at once.
            let burst = if self.chance.per_mille(20) { 30 } else { 1 };
            for _ in 0..burst {
                self.write_a_letter();
            }
        }
    }

    /// Everything is well again, and nobody writes: what is open ends.
    fn come_to_rest(&mut self) {
        self.world.weather = Weather::CALM;
        for index in 0..GATEWAYS {
            self.world.servers[index].start();
            self.world.set_mood(index, Mood::Prompt);
            self.world.sips[index].set_up(true);
        }
        self.run_to(self.world.now + Duration::from_secs(1_800));
        for (index, gateway) in self.world.gateways.iter().enumerate() {
            let whose = format!("seed {}: gateway {index}", self.seed);
            for level in [
                "stox_to_sip_pending",
                "stox_to_sip_waiting",
                "stox_to_xmpp_pending",
                "stox_errors_held",
                "stox_sip_client_transactions",
                "stox_sip_server_transactions",
                "stox_sip_completed_transactions",
            ] {
                assert_eq!(gateway.sample(level, ""), Some(0), "{whose}: {level} after half an hour of quiet");
            }
            assert!(gateway.gateway.is_idle(), "{whose} is not idle");
            assert_eq!(gateway.next_own_timeout(), None, "{whose} has a deadline left");
            assert!(gateway.is_ready(), "{whose} has not connected again");
        }
    }

    fn run_to(&mut self, until: Duration) {
        let mut steps = 0u32;
        while self.world.step(until) {
            self.ledger.look(&mut self.world, self.seed);
            steps += 1;
            if steps.is_multiple_of(16) {
                self.check_limits();
            }
        }
        self.check_limits();
    }

    fn check_limits(&self) {
        for gateway in &self.world.gateways {
            let level = |name| gateway.sample(name, "").unwrap_or(0);
            let to_sip = level("stox_to_sip_pending") + level("stox_to_sip_waiting");
            assert!(to_sip <= IN_ALL as u64, "seed {}: {to_sip} messages to SIP", self.seed);
            let to_xmpp = level("stox_to_xmpp_pending");
            assert!(to_xmpp <= IN_ALL as u64, "seed {}: {to_xmpp} messages to XMPP", self.seed);
        }
    }

    fn hardship(&mut self) {
        let which = usize::try_from(self.chance.below(GATEWAYS as u64)).unwrap_or(0);
        let (relief, longest) = match self.chance.below(7) {
            0 => {
                self.write_many();
                self.world.cut_server(which);
                return;
            }
            1 => {
                self.write_many();
                self.world.stop_server(which);
                (Relief::ServerStarts(which), 120)
            }
            2 => {
                let by = self.chance.up_to(Duration::from_secs(3));
                self.world.set_mood(which, Mood::Slow(by));
                (Relief::ServerIsPrompt(which), 120)
            }
            3 => {
                self.world.set_mood(which, Mood::Mute);
                (Relief::ServerIsPrompt(which), 60)
            }
            4 => {
                self.world.set_mood(which, Mood::Stuck);
                (Relief::ServerIsPrompt(which), 120)
            }
            5 => {
                self.world.stop_sip(which);
                (Relief::SipStarts(which), 50)
            }
            _ => {
                self.world.weather = Weather {
                    delay: Duration::from_millis(5),
                    jitter: Duration::from_millis(1 + self.chance.below(400)),
                    loss: self.chance.below(350),
                    doubled: self.chance.below(100),
                };
                (Relief::Weather, 200)
            }
        };
        match relief {
            Relief::ServerIsPrompt(server) => self.ledger.falls_ill(server),
            Relief::Weather => (0..GATEWAYS).for_each(|gateway| self.ledger.falls_ill(gateway)),
            Relief::ServerStarts(_) | Relief::SipStarts(_) => {}
        }
        let end = self.world.now + self.chance.up_to(Duration::from_secs(longest));
        self.ends.push((end, relief));
    }

    /// So many that some are on every part of their way.
    fn write_many(&mut self) {
        for _ in 0..30 {
            self.write_a_letter();
            let wait = self.chance.up_to(Duration::from_millis(3));
            self.run_to(self.world.now + wait);
        }
    }

    fn relieve(&mut self) {
        let now = self.world.now;
        let (over, rest) = self.ends.iter().partition(|(at, _)| *at <= now);
        self.ends = rest;
        for (_, relief) in over {
            match relief {
                Relief::ServerStarts(server) => self.world.servers[server].start(),
                Relief::ServerIsPrompt(server) => {
                    self.world.set_mood(server, Mood::Prompt);
                    self.ledger.gets_better(server, now);
                }
                Relief::SipStarts(sip) => self.world.sips[sip].set_up(true),
                Relief::Weather => {
                    self.world.weather = Weather::CALM;
                    (0..GATEWAYS).for_each(|gateway| self.ledger.gets_better(gateway, now));
                }
            }
        }
    }

    fn write_a_letter(&mut self) {
        self.letters += 1;
        let gateway = usize::try_from(self.chance.below(GATEWAYS as u64)).unwrap_or(0);
        let to_sip = self.chance.per_mille(500);
        let user = if !to_sip && self.chance.per_mille(100) { GHOST } else { *self.chance.one_of(&XMPP_USERS) };
        let (person, _) = *self.chance.one_of(&SIP_USERS);
        let jid = format!("{user}@xmpp{gateway}.example");
        let uri = format!("sip:{person}@sip{gateway}.example");
        let large = self.chance.per_mille(50);
        let text = if large { format!("m{} {}", self.letters, "x".repeat(1400)) } else { format!("m{}", self.letters) };
        if to_sip {
            let letter = Letter::new(self.letters, true, gateway, &jid, &uri, large, self.world.now);
            self.ledger.begin(letter);
            self.send_stanza(gateway, &jid, &format!("{person}@sip{gateway}.example"), &text);
        } else if self.ledger.may_ask(&uri, &jid) {
            let letter = Letter::new(self.letters, false, gateway, &uri, &jid, large, self.world.now);
            self.ledger.begin(letter);
            self.send_request(gateway, &uri, &format!("sip:{jid}"), text, large);
        }
    }

    fn send_stanza(&mut self, server: usize, from: &str, to: &str, text: &str) {
        let from = Jid::parse(&format!("{from}/home")).expect("a JID");
        let to = Jid::parse(to).expect("a JID");
        let mut message = Message::new(from.clone(), to, MessageKind::Chat).with_body(None, text);
        message.id = Some(format!("m{}", self.letters));
        let now = self.world.clock();
        self.world.act(|world, effects| world.servers[server].send_as(&from, Stanza::Message(message), now, effects));
        self.ledger.look(&mut self.world, self.seed);
    }

    fn send_request(&mut self, sip: usize, from: &str, to: &str, text: String, tcp: bool) {
        let n = self.letters;
        let mut request = Request::new(Method::Message, Uri::parse(to).expect("a URI"));
        request.headers.push("Max-Forwards", "70");
        request.headers.push("From", format!("<{from}>;tag=t{n}"));
        request.headers.push("To", format!("<{to}>"));
        request.headers.push("Call-ID", format!("m{n}"));
        request.headers.push("CSeq", format!("{n} MESSAGE"));
        request.set_body("text/plain", text.into_bytes());
        let by = By { branch: format!("z9hG4bK-m{n}"), local: self.world.sips[sip].addrs[0], tcp };
        let now = self.world.clock();
        self.world.act(|world, effects| world.sips[sip].ask(from, request, &by, now, effects));
        self.ledger.look(&mut self.world, self.seed);
    }
}

fn addr(text: &str) -> SocketAddr {
    text.parse().expect("the addresses of the world are addresses")
}

fn route_to(remote: SocketAddr) -> Route {
    let next_hop = Destination {
        host: remote.ip().to_string(),
        port: Some(remote.port()),
        transport: Some(Transport::Udp),
        secure: false,
    };
    Route::to(next_hop)
}

fn settings(component: &str, remote: SocketAddr, host: &str) -> Settings {
    let peer = Peer::new(host, vec![Network { first: remote.ip(), bits: 32 }], vec![host.to_owned()]);
    Settings {
        links: vec![component.to_owned()],
        routes: vec![(component.to_owned(), route_to(remote))],
        trust: Trust::new(vec![peer], Stranger::Refuse),
        confirm_within: Duration::from_secs(1),
        queue_per_pair: QUEUE_PER_PAIR,
        messages_to_sip: IN_ALL,
        messages_to_xmpp: IN_ALL,
        ..Settings::default()
    }
}

fn add_gateway(world: &mut World, index: usize) {
    let (component, own) = (format!("sip{index}.example"), format!("xmpp{index}.example"));
    let (at, proxy) = (addr(&format!("10.0.0.{}:5060", index + 1)), addr(&format!("192.0.2.{}:5060", index + 1)));
    let mut server = XmppServer::new(&[&own], &[&component]);
    for user in XMPP_USERS {
        server.add_user(&format!("{user}@{own}"));
    }
    let mut sip = SipSide::new(index, proxy, at);
    for (user, habits) in SIP_USERS {
        sip.add_person(&format!("sip:{user}@{component}"), Habit::Draws(habits.to_vec()));
    }
    let domains = vec![
        DomainMapping::new(Home::Sip, &component, &component, None),
        DomainMapping::new(Home::Xmpp, &own, &own, None),
    ];
    let settings = settings(&component, proxy, &component);
    let seed = u8::try_from(index).unwrap_or(0) + 1;
    let setup = GatewaySetup { addr: at, servers: vec![index], domains, settings, seed };
    world.servers.push(server);
    world.sips.push(sip);
    let host = GatewayHost::new(index, setup, world.clock());
    world.gateways.push(host);
}

/// Two gateways, each the other's SIP side, on one XMPP server: what one sends to SIP the other brings back to XMPP, for the
/// first again (RFC 7247 section 8, RFC 7332 section 5).
#[test]
fn a_message_between_two_gateways_that_point_at_each_other_dies_without_a_storm() {
    let mut world = World::new(1);
    world.watch = true;
    let (one, two) = (addr("10.0.0.1:5060"), addr("10.0.0.2:5060"));
    let mut server = XmppServer::new(&["xmpp.example"], &["loop.example", "back.example"]);
    server.add_user("juliet@xmpp.example");
    world.servers.push(server);
    let any = |sip: &str| DomainMapping::new(Home::Xmpp, "*", sip, None);
    // The first takes loop.example to SIP; the second takes it for a domain of XMPP, and knows the first's senders.
    let first = vec![DomainMapping::new(Home::Sip, "loop.example", "loop.example", None), any("one.example")];
    let second = vec![
        DomainMapping::new(Home::Sip, "back.example", "one.example", None),
        DomainMapping::new(Home::Xmpp, "loop.example", "loop.example", None),
    ];
    let setups = [
        GatewaySetup {
            addr: one,
            servers: vec![0],
            domains: first,
            settings: settings("loop.example", two, "loop.example"),
            seed: 1,
        },
        GatewaySetup {
            addr: two,
            servers: vec![0],
            domains: second,
            settings: settings("back.example", one, "one.example"),
            seed: 2,
        },
    ];
    for (index, setup) in setups.into_iter().enumerate() {
        let host = GatewayHost::new(index, setup, world.clock());
        world.gateways.push(host);
    }
    world.pass(Duration::from_secs(2));

    let juliet = Jid::parse("juliet@xmpp.example/balcony").expect("a JID");
    let to = Jid::parse("romeo@loop.example").expect("a JID");
    let mut message = Message::new(juliet.clone(), to, MessageKind::Chat).with_body(None, "round and round");
    message.id = Some("round".to_owned());
    let now = world.clock();
    world.act(|world, effects| world.servers[0].send_as(&juliet, Stanza::Message(message), now, effects));
    world.pass(Duration::from_secs(600));

    let circles = world.gateways[0].sample("stox_messages_to_sip", "delivered").unwrap_or(0);
    let refused = world.gateways[0].sample("stox_messages_to_sip", "refused").unwrap_or(0);
    let rejected = world.gateways[0].sample("stox_messages_to_sip", "rejected").unwrap_or(0);
    assert!(circles > 0, "nothing went round, so nothing was shown");
    assert!(circles + refused <= 16, "{circles} + {refused} circles");
    assert!(rejected + refused >= 1, "nobody said that it went too far");
    assert!(world.seen.len() < 400, "{} datagrams for one message", world.seen.len());
    assert!(world.gateways.iter().all(|gateway| gateway.gateway.is_idle()));
}
