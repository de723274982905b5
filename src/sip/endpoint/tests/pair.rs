//! Two endpoints with a network between them that loses, repeats and reorders.

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// What the network does with the oldest message under way, or the peer with the oldest request it knows.
#[derive(Debug, Clone, Copy)]
enum Act {
    Deliver,
    Lose,
    Repeat,
    Delay,
    Answer(u16),
    Wait(u64),
    Ask,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => Just(Act::Deliver),
        2 => Just(Act::Lose),
        2 => Just(Act::Repeat),
        1 => Just(Act::Delay),
        3 => prop::sample::select(vec![100u16, 200, 202, 404, 503]).prop_map(Act::Answer),
        3 => (1u64..5000).prop_map(Act::Wait),
        1 => Just(Act::Ask),
    ]
}

struct World {
    us: Endpoint,
    peer: Endpoint,
    now: u64,
    under_way: VecDeque<(bool, Vec<u8>)>,
    asked: Vec<ClientId>,
    open: VecDeque<(ServerId, Request)>,
    told: BTreeMap<ClientId, usize>,
    heard: BTreeSet<String>,
    transport: Transport,
    method: &'static str,
}

impl World {
    fn new(transport: Transport, method: &'static str) -> Self {
        Self {
            us: endpoint_at("192.0.2.1", 1),
            peer: endpoint_at("192.0.2.9", 2),
            now: 0,
            under_way: VecDeque::new(),
            asked: Vec::new(),
            open: VecDeque::new(),
            told: BTreeMap::new(),
            heard: BTreeSet::new(),
            transport,
            method,
        }
    }

    /// Only refusals of an INVITE: repeating a 2xx is for whoever sends it.
    fn status(&self, status: u16) -> Status {
        let status = if self.method == "INVITE" && status / 100 == 2 { 486 } else { status };
        Status::new(status).unwrap()
    }

    fn ask(&mut self) {
        let mut request = outgoing(self.method);
        request.headers.replace("Call-ID", format!("call{}", self.asked.len()));
        let target = Target { transport: self.transport, addr: addr("192.0.2.9:5060") };
        self.asked.push(self.us.request(&request, vec![target], Large::UseTcp, at(self.now)).unwrap());
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Ask => self.ask(),
            Act::Wait(time) => self.wait(time),
            Act::Lose if self.transport == UDP => drop(self.under_way.pop_front()),
            Act::Repeat if self.transport == UDP => self.under_way.extend(self.under_way.front().cloned()),
            Act::Delay => self.under_way.rotate_left(self.under_way.len().min(1)),
            Act::Deliver | Act::Lose | Act::Repeat => self.deliver(),
            Act::Answer(status) => {
                if let Some((id, request)) = self.open.front().cloned() {
                    self.peer.respond(id, request.response(self.status(status)), at(self.now));
                    if status >= 200 {
                        self.open.pop_front();
                    }
                }
            }
        }
        self.collect();
    }

    fn collect(&mut self) {
        self.under_way.extend(transmits(&mut self.us).into_iter().map(|t| (true, t.bytes)));
        self.under_way.extend(transmits(&mut self.peer).into_iter().map(|t| (false, t.bytes)));
    }

    fn deliver(&mut self) {
        let Some((to_peer, bytes)) = self.under_way.pop_front() else { return };
        let (from, to) = if to_peer { ("192.0.2.1:5060", &mut self.peer) } else { ("192.0.2.9:5060", &mut self.us) };
        let flow = Flow { transport: self.transport, local: addr("192.0.2.1:5060"), remote: addr(from), id: 1 };
        let message = wire::parse(&bytes).unwrap();
        let event = to.receive(Inbound { message, flow }, at(self.now));
        self.note(event);
    }

    /// Responses may come as late as they like; a request that took longer than its own transaction lives would
    /// rightly be a new one.
    fn wait(&mut self, time: u64) {
        self.now += time;
        self.under_way.retain(|(to_peer, _)| !to_peer || self.transport == TCP);
        let mut told = events(&mut self.us, at(self.now));
        told.extend(events(&mut self.peer, at(self.now)));
        for event in told {
            self.note(Some(event));
        }
    }

    fn note(&mut self, event: Option<Event>) {
        match event {
            Some(Event::Request { transaction, request, .. }) => {
                let call = request.headers.call_id().unwrap().to_owned();
                assert!(self.heard.insert(call.clone()), "{call} was told twice");
                self.open.push_back((transaction, request));
            }
            Some(Event::Response { transaction, .. } | Event::TimedOut { transaction, .. }) => {
                *self.told.entry(transaction).or_default() += 1;
            }
            Some(Event::Provisional { transaction, .. }) => {
                assert!(!self.told.contains_key(&transaction), "1xx after the end");
            }
            Some(Event::Cancelled { transaction }) => {
                let found = self.open.iter().position(|(id, _)| *id == transaction);
                let (id, request) = found.and_then(|found| self.open.remove(found)).unwrap();
                self.peer.respond(id, request.response(Status::REQUEST_TERMINATED), at(self.now));
            }
            Some(Event::Ack { .. }) if self.method == "INVITE" => {}
            Some(Event::Failed { .. } | Event::Ack { .. } | Event::Accepted { .. }) => {
                panic!("nothing failed, and nobody took a call")
            }
            None => {}
        }
    }
}

proptest! {
    #[test]
    fn each_request_ends_once_and_is_told_at_most_once(
        reliable: bool,
        acts in prop::collection::vec(act(), 0..120),
    ) {
        let mut world = World::new(if reliable { TCP } else { UDP }, "MESSAGE");
        world.ask();
        world.collect();
        for act in acts {
            world.act(act);
        }
        for _ in 0..200 {
            world.wait(500);
            world.collect();
            world.under_way.clear();
        }
        prop_assert_eq!(world.told.len(), world.asked.len());
        prop_assert!(world.told.values().all(|times| *times == 1));
        let (us, peer) = (world.us.stats(), world.peer.stats());
        prop_assert_eq!((us.client_open, peer.server_open, peer.server_completed), (0, 0, 0));
        prop_assert_eq!((world.us.next_timeout(), world.peer.next_timeout()), (None, None));
    }

    #[test]
    fn each_call_ends_once_whatever_is_lost_and_is_taken_back_if_nobody_ends_it(
        reliable: bool,
        acts in prop::collection::vec(act(), 0..120),
        heard in 0usize..20,
    ) {
        let mut world = World::new(if reliable { TCP } else { UDP }, "INVITE");
        world.ask();
        world.collect();
        for act in acts {
            world.act(act);
        }
        for id in world.asked.clone() {
            world.us.cancel(id, at(world.now));
        }
        world.collect();
        for _ in 0..heard {
            world.deliver();
            world.collect();
        }
        for (id, request) in std::mem::take(&mut world.open) {
            world.peer.respond(id, request.response(Status::BUSY_HERE), at(world.now));
        }
        for _ in 0..400 {
            world.wait(500);
            world.collect();
            world.under_way.clear();
        }
        prop_assert_eq!(world.told.len(), world.asked.len());
        prop_assert!(world.told.values().all(|times| *times == 1));
        let (us, peer) = (world.us.stats(), world.peer.stats());
        prop_assert_eq!((us.client_open, peer.server_open, peer.server_completed), (0, 0, 0));
        prop_assert_eq!((world.us.next_timeout(), world.peer.next_timeout()), (None, None));
        prop_assert!(world.us.client_keys.is_empty() && world.us.connections.is_empty());
    }
}
