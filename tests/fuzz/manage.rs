//! Two servers that acknowledge stanzas (XEP-0198), between a network that breaks and memories that fail.
//!
//! The bytes are a list of acts, each a number and its measure; when they run out, both give back what they still keep.
//! What must hold:
//! * each stanza arrives or is given back to who sent it, or is said to be in doubt, whatever was lost;
//! * none arrives twice, and none that was never written is said to be in doubt;
//! * as long as nobody forgets a session, each arrives once and in order;
//! * what is kept stays within its limits, and no hostile count makes anything disappear.

use std::time::Duration;

use stox::time::Now;
use stox::xml::splitter::{Piece, Splitter};
use stox::xml::{Element, Limits, ns};
use stox::xmpp::federation::Pair;
use stox::xmpp::jid::Jid;
use stox::xmpp::stanza::{Message, MessageKind, Stanza};
use stox::xmpp::stream::manage::{ManageConfig, Manager, Rest, Session};

const CONFIG: ManageConfig = ManageConfig {
    max_stanzas: 8,
    max_bytes: 2_000,
    request_every: 3,
    request_after: Duration::from_secs(1),
    resume_within: Duration::from_secs(60),
};
const DOMAINS: [&str; 2] = ["opener.example", "other.example"];
/// More stanzas tell nothing new.
const MOST: u32 = 200;

/// Runs the acts that `data` spells.
pub(crate) fn manage(data: &[u8]) {
    let mut world = World::new();
    for act in data.chunks_exact(2) {
        world.act(act[0] % 10, act[1]);
        world.check();
    }
    world.cut();
    for end in &mut world.ends {
        end.forget();
    }
    let [one, two] = &world.ends;
    one.all_accounted_for(two);
    two.all_accounted_for(one);
}

struct World {
    ends: [End; 2],
    connected: bool,
    forgotten: bool,
    now: Duration,
    names: u32,
}

#[derive(Default)]
struct End {
    manager: Option<Manager>,
    session: Option<Box<Session>>,
    output: Vec<u8>,
    /// What is on its way here.
    wire: Vec<u8>,
    splitter: Option<Splitter>,
    sent: u32,
    received: Vec<u32>,
    given_back: Vec<u32>,
}

impl World {
    fn new() -> Self {
        let ends = Default::default();
        let mut world = Self { ends, connected: false, forgotten: false, now: Duration::ZERO, names: 0 };
        world.connect();
        world
    }

    fn now(&self) -> Now {
        Now::at(self.now)
    }

    fn act(&mut self, act: u8, measure: u8) {
        let now = self.now();
        match act {
            0 | 1 => self.ends[usize::from(act)].send(usize::from(act), measure, now),
            2 | 3 => self.deliver(usize::from(act - 2), usize::from(measure)),
            4 => self.cut(),
            5 => self.connect(),
            6 if !self.connected => {
                self.forgotten |= self.ends[usize::from(measure & 1)].session.is_some();
                self.ends[usize::from(measure & 1)].forget();
            }
            7 => {
                self.now += Duration::from_millis(u64::from(measure) * 20);
                let now = self.now();
                for end in &mut self.ends {
                    if let Some(manager) = &mut end.manager {
                        manager.handle_timeout(now, &mut end.output);
                        assert!(manager.next_timeout().is_none_or(|at| at > now.mono), "it is due for ever");
                    }
                }
            }
            8 => self.lie(measure),
            _ => {
                for end in &mut self.ends {
                    if let Some(manager) = &mut end.manager {
                        manager.request(now, &mut end.output);
                    }
                }
            }
        }
    }

    /// Somebody claims a count. Either it is possible, or the stream ends.
    fn lie(&mut self, measure: u8) {
        let h = u32::from(measure & 0x7f).wrapping_sub(if measure & 0x80 == 0 { 0 } else { 64 });
        let element = Element::new(ns::SM, "a").with_attr("h", h.to_string());
        let now = self.now();
        let end = &mut self.ends[usize::from(measure & 1)];
        let kept = end.manager.as_ref().map_or(0, Manager::unacknowledged);
        let Some(manager) = &mut end.manager else { return };
        match manager.receive(&element, now, &mut end.output) {
            // It was believed: what it acknowledged is nobody's any more.
            Ok(_) if manager.unacknowledged() < kept => {
                let lost = kept - manager.unacknowledged();
                let oldest = end.oldest(kept);
                end.given_back.extend(oldest.take(lost));
                self.forgotten = true;
            }
            Ok(_) => {}
            Err(_) => {
                assert_eq!(manager.unacknowledged(), kept);
                self.cut();
            }
        }
    }

    fn connect(&mut self) {
        if self.connected {
            return;
        }
        self.connected = true;
        for end in &mut self.ends {
            let mut splitter = Splitter::new(Limits::default());
            splitter.push(b"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>");
            end.splitter = Some(splitter);
            end.wire.clear();
            end.output.clear();
        }
        let now = self.now();
        let opener = &mut self.ends[0];
        opener.manager = Some(Manager::opener(CONFIG, pair(0), opener.session.take(), now, &mut opener.output));
    }

    fn cut(&mut self) {
        self.connected = false;
        for end in &mut self.ends {
            if let Some(manager) = end.manager.take() {
                let Rest { session, mut doubtful, mut unsent } = manager.finish(false);
                doubtful.append(&mut unsent);
                assert!(session.is_none() || doubtful.is_empty(), "there is one pair only");
                self.forgotten |= session.is_none();
                end.session = session.or(end.session.take());
                end.take_back(doubtful);
            }
        }
    }

    /// Some bytes, perhaps none, arrive at an end.
    fn deliver(&mut self, to: usize, bytes: usize) {
        if !self.connected {
            return;
        }
        let output = std::mem::take(&mut self.ends[1 - to].output);
        let end = &mut self.ends[to];
        end.wire.extend(output);
        let arrived: Vec<u8> = end.wire.drain(..(bytes * 8).min(end.wire.len())).collect();
        let Some(mut splitter) = end.splitter.take() else { return };
        splitter.push(&arrived);
        while let Some(piece) = splitter.next().expect("what is written can be read") {
            if let Piece::Child(element) = piece {
                self.on_element(to, element);
            }
        }
        self.ends[to].splitter = Some(splitter);
    }

    fn on_element(&mut self, to: usize, element: Element) {
        let now = self.now();
        let end = &mut self.ends[to];
        if element.ns() != ns::SM {
            let Ok(Stanza::Message(message)) = Stanza::from_element(element) else { panic!("it was a message") };
            end.received.push(number(&Stanza::Message(message)));
            if let Some(manager) = &mut end.manager {
                manager.handled();
            }
            return;
        }
        if let Some(manager) = &mut end.manager {
            manager.receive(&element, now, &mut end.output).expect("neither end lies");
            if manager.is_over() {
                self.forgotten = true;
                self.cut();
            }
            return;
        }
        match (element.name(), end.session.take()) {
            ("enable", session) => {
                // The opener has forgotten it, so nobody will come for it.
                end.session = session;
                self.forgotten |= end.session.is_some();
                end.forget();
                self.names += 1;
                let name = format!("session {}", self.names);
                end.manager = Some(Manager::enabled(CONFIG, pair(to), &element, name, &mut end.output));
            }
            ("resume", session) => {
                let (id, h) = Manager::wanted(&element).expect("an id and a count");
                match session {
                    Some(session) if session.id() == Some(id) => {
                        let mut manager = Manager::with(CONFIG, *session);
                        manager.resume(h, now, &mut end.output).expect("neither end lies");
                        end.manager = Some(manager);
                    }
                    other => {
                        self.forgotten = true;
                        end.session = other;
                        Manager::refuse_resume(&mut end.output);
                    }
                }
            }
            (name, _) => panic!("<{name}/> to nobody"),
        }
    }

    fn check(&self) {
        for (index, end) in self.ends.iter().enumerate() {
            let other = &self.ends[1 - index];
            assert!(end.received.iter().all(|number| *number <= other.sent));
            assert!(end.received.is_sorted_by(|one, two| one < two), "{:?}", end.received);
            assert!(end.manager.as_ref().is_none_or(|manager| manager.unacknowledged() <= CONFIG.max_stanzas));
            if !self.forgotten {
                assert!(end.received.iter().copied().eq(1..=end.received.len() as u32), "{:?}", end.received);
            }
        }
    }
}

impl End {
    fn send(&mut self, who: usize, measure: u8, now: Now) {
        let Some(manager) = &mut self.manager else { return };
        if !manager.has_room() || self.sent == MOST {
            return;
        }
        self.sent += 1;
        let from = Jid::parse(DOMAINS[who]).expect("a domain");
        let to = Jid::parse(DOMAINS[1 - who]).expect("a domain");
        let mut message = Message::new(from, to, MessageKind::Chat).with_body(None, &"x".repeat(measure.into()));
        message.id = Some(self.sent.to_string());
        manager.send(Stanza::Message(message), now, &mut self.output);
    }

    /// The numbers of what is kept, which are the last ones.
    fn oldest(&self, kept: usize) -> std::ops::RangeInclusive<u32> {
        self.sent + 1 - kept as u32..=self.sent
    }

    /// Its session, if it has one, has expired.
    fn forget(&mut self) {
        if let Some(session) = self.session.take() {
            let Rest { mut doubtful, mut unsent, .. } = session.into_rest();
            doubtful.append(&mut unsent);
            self.take_back(doubtful);
        }
    }

    fn take_back(&mut self, unsent: Vec<Stanza>) {
        let numbers: Vec<u32> = unsent.iter().map(number).collect();
        assert!(numbers.is_sorted_by(|one, two| one < two), "{numbers:?}");
        self.given_back.extend(numbers);
    }

    fn all_accounted_for(&self, other: &Self) {
        for number in 1..=self.sent {
            let known = other.received.contains(&number) || self.given_back.contains(&number);
            assert!(known, "{number} of {} has disappeared", self.sent);
        }
    }
}

fn number(stanza: &Stanza) -> u32 {
    stanza.id().and_then(|id| id.parse().ok()).expect("it has a number")
}

fn pair(who: usize) -> Pair {
    Pair::new(DOMAINS[who], DOMAINS[1 - who])
}
