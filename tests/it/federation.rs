//! Servers that federate over bad networks: each stanza arrives once and in order, comes back, or its sender is told that
//! nobody knows. Nobody speaks for a domain that is not its own.

#![allow(clippy::unwrap_used)]

mod world;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::sim::Chance;
use stox::xmpp::federation::{Authentication, Partner, PartnerLimits, Partners, Settings};
use stox::xmpp::jid::Jid;
use stox::xmpp::stanza::{Message, MessageKind, Stanza};
use stox::xmpp::stream::manage::ManageConfig;
use world::{Plan, Seen, World};

const SECOND: Duration = Duration::from_secs(1);

/// What is known of one message.
#[derive(Debug, Default, Clone)]
struct Fate {
    delivered: Vec<Duration>,
    bounced: usize,
    down: Option<Duration>,
}

struct Sent {
    pair: (String, String),
    server: usize,
    at: Duration,
}

fn message(id: usize, local: &str, remote: &str, size: usize) -> Stanza {
    let from = Jid::parse(&format!("anna@{local}")).unwrap();
    let to = Jid::parse(&format!("bert@{remote}")).unwrap();
    let body = stox::xml::Element::new(stox::xml::ns::CLIENT, "body").with_text(&"x".repeat(size));
    let (from, to, id) = (Some(from), Some(to), Some(id.to_string()));
    Stanza::Message(Message { from, to, id, kind: MessageKind::Chat, lang: None, payload: vec![body] })
}

/// How a world is, by its seed.
struct Climate {
    authentication: Authentication,
    manage: Option<ManageConfig>,
    bidi: bool,
    cuts: u64,
    silences: bool,
}

impl Climate {
    fn of(seed: u64) -> Self {
        let authentication = match seed % 3 {
            0 => Authentication::Certificate,
            1 => Authentication::DialbackTls,
            _ => Authentication::Dialback,
        };
        Self {
            authentication,
            manage: (seed / 3 % 2 == 1).then(ManageConfig::default),
            bidi: seed / 6 % 2 == 1,
            cuts: 40 * (seed / 12 % 2) + 10,
            silences: (seed / 24).is_multiple_of(2),
        }
    }
}

const DOMAINS: [&[&str]; 4] = [
    &["a.example"],
    &["b.example", "rooms.b.example"],
    &["hoster.example", "one.example", "two.example", "three.example"],
    &["d.example"],
];

/// Four honest servers, and one that says it is d.example, which DNS denies.
fn world(seed: u64, climate: &Climate) -> World {
    let mut chance = Chance::new(seed ^ 0xABCD);
    let limits = PartnerLimits { connections: 6, ..PartnerLimits::default() };
    let partner = Partner { authentication: climate.authentication, limits, ..Partner::default() };
    let partners = Arc::new(Partners::new(HashMap::new(), partner));
    let settings =
        Settings { queue_per_pair: 20, queued: 60, queued_bytes: 60_000, idle: 120 * SECOND, ..Settings::default() };
    let needs_certificates = climate.authentication == Authentication::Certificate;
    let mut plans: Vec<Plan> = DOMAINS
        .iter()
        .map(|domains| {
            let domains: Vec<String> = domains.iter().map(|domain| (*domain).to_owned()).collect();
            let has_certificate = needs_certificates || chance.per_mille(500);
            let certified = domains.iter().filter(|_| has_certificate).cloned().collect();
            let tls = climate.authentication != Authentication::Dialback || chance.per_mille(500);
            let (partners, settings) = (Arc::clone(&partners), settings.clone());
            Plan { domains, certified, partners, tls, bidi: climate.bidi, manage: climate.manage, settings }
        })
        .collect();
    let liar = Plan { domains: vec!["d.example".to_owned()], certified: BTreeSet::new(), ..plans[3].clone() };
    plans.push(liar);
    let names: BTreeMap<String, usize> = DOMAINS
        .iter()
        .enumerate()
        .flat_map(|(server, domains)| domains.iter().map(move |domain| ((*domain).to_owned(), server)))
        .collect();
    World::new(seed, plans, names)
}

const LIAR: usize = 4;

/// How long the bad times are: long enough for sessions, back-off and silences to meet.
const MINUTES: u32 = 5;

/// Some minutes of traffic, cuts, silences and deaths; then peace, in which everybody reaches everybody.
fn play(seed: u64) {
    let climate = Climate::of(seed);
    let mut world = world(seed, &climate);
    let mut sent: Vec<Sent> = Vec::new();
    let say =
        |world: &mut World, sent: &mut Vec<Sent>, at: Duration, server: usize, local: &str, remote: &str, size| {
            let id = sent.len();
            world.send_at(at, server, message(id, local, remote, size));
            sent.push(Sent { pair: (local.to_owned(), remote.to_owned()), server, at });
        };
    for second in 1..MINUTES * 60 {
        for _ in 0..world.chance.below(6) {
            let at = SECOND * second + world.chance.up_to(SECOND);
            let server = usize::try_from(world.chance.below(5)).unwrap();
            let local = (*world.chance.one_of(DOMAINS.get(server).copied().unwrap_or(&["d.example"]))).to_owned();
            let peer = usize::try_from(world.chance.below(4)).unwrap();
            let remote = match world.chance.per_mille(20) {
                true => "nowhere.example",
                false => *world.chance.one_of(DOMAINS[peer]),
            };
            if peer != server && !(server == LIAR && remote == "d.example") {
                let burst = if world.chance.per_mille(50) { 30 } else { 1 };
                let size = if world.chance.per_mille(50) { 5_000 } else { 20 };
                for _ in 0..burst {
                    say(&mut world, &mut sent, at, server, &local, remote, size);
                }
            }
        }
        world.run(SECOND * second);
        if world.chance.per_mille(climate.cuts) {
            world.cut_one();
        }
        if world.chance.per_mille(10) {
            let server = usize::try_from(world.chance.below(4)).unwrap();
            let until = world.now + world.chance.up_to(90 * SECOND);
            match climate.silences && world.chance.per_mille(500) {
                true => world.servers[server].silent_until = until,
                false => world.servers[server].dead_until = until,
            }
        }
        for server in &world.servers {
            let stats = server.federation.stats();
            assert!(stats.queued <= 60 && stats.queued_bytes <= 60_000, "seed {seed}: {stats:?}");
        }
    }
    // Back-off ends after a quarter of an hour.
    world.run(2_400 * SECOND);
    let before_peace = sent.len();
    for (server, domains) in DOMAINS.iter().enumerate() {
        for local in *domains {
            for (peer, domains) in DOMAINS.iter().enumerate().filter(|(peer, _)| *peer != server) {
                for remote in *domains {
                    let at = world.now + SECOND * u32::try_from(peer).unwrap();
                    say(&mut world, &mut sent, at, server, local, remote, 20);
                }
            }
        }
    }
    world.run(2_500 * SECOND);
    let fates = fates(seed, &world, &sent);
    for (id, fate) in fates.iter().enumerate() {
        judge(seed, id, &sent[id], fate);
    }
    for (id, fate) in fates.iter().enumerate().skip(before_peace) {
        assert_eq!(fate.delivered.len(), 1, "seed {seed}: in peace {:?} did not arrive: {fate:?}", sent[id].pair);
    }
    let delivered = fates.iter().filter(|fate| !fate.delivered.is_empty()).count();
    assert!(delivered > sent.len() / 3, "seed {seed}: {delivered} of {} arrived", sent.len());
    // Nothing is left of it: streams end when they are idle, and what waits has an end.
    world.run(6_000 * SECOND);
    assert_eq!(world.streams(), 0, "seed {seed}");
    for server in &world.servers {
        let stats = server.federation.stats();
        assert_eq!(
            (stats.streams_in, stats.streams_out, stats.queued, stats.queued_bytes),
            (0, 0, 0, 0),
            "seed {seed}"
        );
        assert!(server.federation.next_timeout().is_none(), "seed {seed}");
    }
}

/// What happened to each message; and the order in which those of a pair arrived.
fn fates(seed: u64, world: &World, sent: &[Sent]) -> Vec<Fate> {
    let mut fates = vec![Fate::default(); sent.len()];
    let mut last: HashMap<&(String, String), usize> = HashMap::new();
    let id_of = |stanza: &Stanza| -> usize { stanza.id().unwrap().parse().unwrap() };
    for seen in &world.seen {
        match seen {
            Seen::Delivered { at, server, from_server, stanza } => {
                let id = id_of(stanza);
                let Sent { pair, server: sender, .. } = &sent[id];
                assert_ne!(*sender, LIAR, "seed {seed}: the liar is believed for {pair:?}");
                assert_eq!(sender, from_server, "seed {seed}");
                assert!(world.servers[*server].plan.domains.contains(&pair.1), "seed {seed}");
                if fates[id].delivered.is_empty()
                    && let Some(before) = last.insert(pair, id)
                {
                    let order = |id: usize| (sent[id].at, id);
                    assert!(order(before) < order(id), "seed {seed}: {pair:?}: {id} after {before}");
                }
                fates[id].delivered.push(*at);
            }
            Seen::Bounced { server, stanza } => {
                let id = id_of(stanza);
                assert_eq!(*server, sent[id].server, "seed {seed}");
                fates[id].bounced += 1;
            }
            Seen::Down { at, server, local, remote } => {
                for (id, sent) in sent.iter().enumerate() {
                    let is_its = sent.server == *server && sent.pair.0 == *local && sent.pair.1 == *remote;
                    if is_its && sent.at <= *at {
                        fates[id].down.get_or_insert(*at);
                    }
                }
            }
        }
    }
    fates
}

fn judge(seed: u64, id: usize, sent: &Sent, fate: &Fate) {
    let what = format!("seed {seed}: {id} {:?} at {:?}: {fate:?}", sent.pair, sent.at);
    assert!(fate.bounced <= 1, "twice back, {what}");
    let has_outcome = !fate.delivered.is_empty() || fate.bounced == 1 || fate.down.is_some();
    assert!(has_outcome, "no outcome, {what}");
    assert!(fate.delivered.len() <= 1, "twice there, {what}");
    assert!(fate.delivered.is_empty() || fate.bounced == 0, "there and back, {what}");
    if let (Some(at), Some(down)) = (fate.delivered.first(), fate.down) {
        assert!(*at <= down, "delivered after it was given up, {what}");
    }
}

#[test]
fn every_stanza_arrives_in_order_or_comes_back_or_is_in_doubt_whatever_the_network_does() {
    let seeds: Vec<u64> = match std::env::var("FEDERATION_SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => vec![seed],
        None => (0..48).step_by(5).collect(),
    };
    for seed in seeds {
        play(seed);
    }
}
