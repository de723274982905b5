//! A SIP system: a proxy's address and the people behind it. Requests and responses go through our own reader and
//! printer as bytes; the transactions are its own, with the timers of RFC 3261 section 17.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use stox::sip::framing::{Frame, Framing, Limits};
use stox::sip::message::header::CSeq;
use stox::sip::message::{Message, Method, Name, Request, Response, Status, wire};
use stox::time::Now;

use super::{Chance, Effect, PipeId};

const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
const TIMER_F: Duration = Duration::from_secs(32);

/// One SIP system of the world.
pub(crate) struct SipSide {
    /// Where it listens, its usual address first.
    pub(crate) addrs: Vec<SocketAddr>,
    /// Its outbound proxy: our gateway.
    pub(crate) gateway: SocketAddr,
    people: BTreeMap<String, Person>,
    /// Whether it takes TCP connections.
    pub(crate) tcp: bool,
    up: bool,
    index: usize,
    served: BTreeMap<String, Served>,
    /// Without a final response.
    asked: BTreeMap<String, Asked>,
    /// With one.
    settled: BTreeMap<String, Asked>,
    flows: BTreeMap<PipeId, FlowEnd>,
    answers: BTreeMap<(Duration, u64), (String, Response)>,
    count: u64,
}

/// Somebody behind the proxy.
#[derive(Debug, Default)]
pub(crate) struct Person {
    pub(crate) inbox: VecDeque<Got>,
    pub(crate) habit: Habit,
}

/// What somebody does with a request.
#[derive(Debug, Clone, Default)]
pub(crate) enum Habit {
    /// Waits to be told.
    #[default]
    Waits,
    /// One of these, drawn for each.
    Draws(Vec<Does>),
}

/// What is done with one request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Does {
    /// Answers so, after at most so long.
    Answers(u16, Duration),
    Nothing,
}

/// What somebody got.
#[derive(Debug, Clone)]
pub(crate) enum Got {
    /// A request, for the first time.
    Request { branch: String, request: Request, tcp: bool },
    /// The first final response to a request of theirs.
    Response { response: Response },
    /// No final response in 32 s.
    TimedOut { branch: String },
}

/// How a request is sent.
#[derive(Debug, Clone)]
pub(crate) struct By {
    /// Names the transaction.
    pub(crate) branch: String,
    /// Where it comes from.
    pub(crate) local: SocketAddr,
    pub(crate) tcp: bool,
}

#[derive(Debug, Clone, Copy)]
enum Way {
    Udp { local: SocketAddr, remote: SocketAddr },
    Tcp(PipeId),
}

/// A request of somebody else's, and what it was answered with.
struct Served {
    request: Request,
    way: Way,
    answer: Option<Vec<u8>>,
    copies: u32,
}

/// A request of ours.
struct Asked {
    who: String,
    way: Option<Way>,
    bytes: Vec<u8>,
    request: Request,
    again_at: Option<Duration>,
    interval: Duration,
    ends_at: Duration,
    /// The status of the final response; 0 before it.
    answer: u16,
    /// Final responses that came after the first.
    repeated: u32,
}

struct FlowEnd {
    framing: Framing,
    side: usize,
}

impl SipSide {
    /// The system number `index` of its world.
    pub(crate) fn new(index: usize, addr: SocketAddr, gateway: SocketAddr) -> Self {
        Self {
            addrs: vec![addr],
            gateway,
            people: BTreeMap::new(),
            tcp: true,
            up: true,
            index,
            served: BTreeMap::new(),
            asked: BTreeMap::new(),
            settled: BTreeMap::new(),
            flows: BTreeMap::new(),
            answers: BTreeMap::new(),
            count: 0,
        }
    }

    /// Gives `uri` somebody who answers there.
    pub(crate) fn add_person(&mut self, uri: &str, habit: Habit) {
        self.people.insert(uri.to_owned(), Person { inbox: VecDeque::new(), habit });
    }

    pub(crate) fn person(&mut self, uri: &str) -> &mut Person {
        self.people.get_mut(uri).expect("the person was added before")
    }

    pub(crate) fn people(&mut self) -> impl Iterator<Item = (&String, &mut Person)> {
        self.people.iter_mut()
    }

    pub(crate) fn takes_tcp(&self) -> bool {
        self.tcp && self.up
    }

    /// Stops, forgetting everything, or starts. Connections are the world's to cut.
    pub(crate) fn set_up(&mut self, up: bool) {
        self.up = up;
        if !up {
            self.served.clear();
            self.answers.clear();
        }
    }

    /// How often the request came.
    pub(crate) fn copies(&self, branch: &str) -> u32 {
        self.served.get(branch).map_or(0, |served| served.copies)
    }

    /// Final responses to our request `branch` beyond the first.
    pub(crate) fn repeated(&self, branch: &str) -> u32 {
        self.settled.get(branch).map_or(0, |asked| asked.repeated)
    }

    pub(crate) fn next_timeout(&self) -> Option<Duration> {
        let asked = self.asked.values().map(|asked| asked.again_at.unwrap_or(asked.ends_at).min(asked.ends_at));
        let answers = self.answers.keys().next().map(|(at, _)| *at);
        asked.chain(answers).min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Now, effects: &mut Vec<Effect>) {
        while let Some(entry) = self.answers.first_entry().filter(|entry| entry.key().0 <= now.mono) {
            let (branch, response) = entry.remove();
            self.respond(&branch, &response, effects);
        }
        let due = |asked: &Asked| asked.ends_at <= now.mono || asked.again_at.is_some_and(|at| at <= now.mono);
        let due: Vec<String> =
            self.asked.iter().filter(|(_, asked)| due(asked)).map(|(branch, _)| branch.clone()).collect();
        for branch in due {
            self.ask_again(&branch, now, effects);
        }
    }

    fn ask_again(&mut self, branch: &str, now: Now, effects: &mut Vec<Effect>) {
        let Some(asked) = self.asked.get_mut(branch) else { return };
        if asked.ends_at <= now.mono {
            let who = asked.who.clone();
            self.asked.remove(branch);
            self.person(&who).inbox.push_back(Got::TimedOut { branch: branch.to_owned() });
            return;
        }
        asked.interval = (asked.interval * 2).min(T2);
        asked.again_at = Some(now.mono + asked.interval);
        let (way, bytes) = (asked.way, asked.bytes.clone());
        self.send(way, bytes, effects);
    }

    /// `who` sends `request`, which is complete but for a Via.
    pub(crate) fn ask(&mut self, who: &str, mut request: Request, by: &By, now: Now, effects: &mut Vec<Effect>) {
        let By { branch, local, tcp } = by;
        let (local, tcp) = (*local, *tcp);
        let transport = if tcp { "TCP" } else { "UDP" };
        if !request.headers.has(Name::VIA) {
            let via = format!("SIP/2.0/{transport} {local};branch={branch};rport");
            request.headers.insert_first(Name::VIA, via);
        }
        let mut bytes = Vec::new();
        request.print(&mut bytes);
        let way = (!tcp).then_some(Way::Udp { local, remote: self.gateway });
        let asked = Asked {
            who: who.to_owned(),
            way,
            bytes: bytes.clone(),
            request,
            again_at: (!tcp).then_some(now.mono + T1),
            interval: T1,
            ends_at: now.mono + TIMER_F,
            answer: 0,
            repeated: 0,
        };
        self.asked.insert(branch.clone(), asked);
        self.send(way, bytes, effects);
    }

    /// Sends the request once more, whatever its timers say.
    pub(crate) fn repeat(&mut self, branch: &str, effects: &mut Vec<Effect>) {
        if let Some(asked) = self.asked.get(branch).or_else(|| self.settled.get(branch)) {
            let (way, bytes) = (asked.way, asked.bytes.clone());
            self.send(way, bytes, effects);
        }
    }

    /// Answers the request `branch`.
    pub(crate) fn answer(&mut self, branch: &str, mut response: Response, effects: &mut Vec<Effect>) {
        response.ensure_to_tag("phone");
        self.respond(branch, &response, effects);
    }

    /// An answer to the request `branch`, to be completed.
    pub(crate) fn response(&self, branch: &str, status: Status) -> Option<Response> {
        self.served.get(branch).map(|served| served.request.response(status))
    }

    fn respond(&mut self, branch: &str, response: &Response, effects: &mut Vec<Effect>) {
        let Some(served) = self.served.get_mut(branch) else { return };
        let mut bytes = Vec::new();
        response.print(&mut bytes);
        if response.status.is_final() {
            served.answer = Some(bytes.clone());
        }
        let way = served.way;
        self.send(Some(way), bytes, effects);
    }

    pub(crate) fn on_connected(&mut self, pipe: PipeId, _remote: SocketAddr, side: usize) {
        self.flows.insert(pipe, FlowEnd { framing: Framing::new(Limits::default()), side });
    }

    pub(crate) fn on_closed(&mut self, pipe: PipeId) {
        self.flows.remove(&pipe);
    }

    pub(crate) fn on_datagram(
        &mut self,
        from: SocketAddr,
        to: SocketAddr,
        bytes: &[u8],
        now: Now,
        chance: &mut Chance,
        effects: &mut Vec<Effect>,
    ) {
        self.on_message(Way::Udp { local: to, remote: from }, bytes, now, chance, effects);
    }

    pub(crate) fn on_bytes(
        &mut self,
        pipe: PipeId,
        bytes: &[u8],
        now: Now,
        chance: &mut Chance,
        effects: &mut Vec<Effect>,
    ) {
        let Some(end) = self.flows.get_mut(&pipe) else { return };
        end.framing.push(bytes);
        let frames: Vec<_> = std::iter::from_fn(|| end.framing.next()).collect();
        for frame in frames {
            match frame {
                Ok(Frame::Message(bytes)) => self.on_message(Way::Tcp(pipe), &bytes, now, chance, effects),
                Ok(Frame::Ping | Frame::Pong) => {}
                Err(error) => panic!("a gateway sent what cannot be framed: {error}"),
            }
        }
    }

    fn on_message(&mut self, way: Way, bytes: &[u8], now: Now, chance: &mut Chance, effects: &mut Vec<Effect>) {
        if !self.up {
            return;
        }
        match wire::parse(bytes).expect("what a gateway sends can be read") {
            Message::Request(request) => self.on_request(way, request, now, chance, effects),
            Message::Response(response) => self.on_response(response, effects),
        }
    }

    fn on_request(&mut self, way: Way, request: Request, now: Now, chance: &mut Chance, effects: &mut Vec<Effect>) {
        let via = request.headers.via().expect("a request of a gateway has a Via");
        let branch = via.branch().expect("our Via has a branch").to_owned();
        if let Some(served) = self.served.get_mut(&branch) {
            served.copies += 1;
            if let Some(answer) = served.answer.clone() {
                self.send(Some(way), answer, effects);
            }
            return;
        }
        let who = request.uri.without_params().as_str().to_owned();
        let response = |status| request.response(status);
        let plan = match self.people.get(&who).map(|person| &person.habit) {
            None => Some((response(Status::NOT_FOUND), Duration::ZERO)),
            Some(Habit::Waits) => None,
            Some(Habit::Draws(habits)) => match *chance.one_of(habits) {
                Does::Answers(status, within) => {
                    let status = Status::new(status).expect("the status of a test is one");
                    Some((response(status), chance.up_to(within)))
                }
                Does::Nothing => None,
            },
        };
        let served = Served { request: request.clone(), way, answer: None, copies: 1 };
        self.served.insert(branch.clone(), served);
        if let Some(person) = self.people.get_mut(&who) {
            let tcp = matches!(way, Way::Tcp(_));
            person.inbox.push_back(Got::Request { branch: branch.clone(), request, tcp });
        }
        if let Some((mut response, wait)) = plan {
            response.ensure_to_tag("phone");
            self.count += 1;
            self.answers.insert((now.mono + wait, self.count), (branch, response));
        }
    }

    fn on_response(&mut self, response: Response, effects: &mut Vec<Effect>) {
        if !response.status.is_final() {
            return;
        }
        let Some(branch) = response.headers.via().ok().and_then(|via| via.branch().map(str::to_owned)) else { return };
        if let Some(asked) = self.asked.remove(&branch) {
            let who = asked.who.clone();
            self.settled.insert(branch.clone(), Asked { answer: response.status.code(), ..asked });
            let got = Got::Response { response: response.clone() };
            self.person(&who).inbox.push_back(got);
        } else if let Some(asked) = self.settled.get_mut(&branch) {
            assert_eq!(asked.answer, response.status.code(), "the final response changed between its copies");
            asked.repeated += 1;
        }
        let Some(asked) = self.settled.get(&branch) else { return };
        if asked.request.method == Method::Invite {
            let (way, mut bytes) = (asked.way, Vec::new());
            ack(&asked.request, &response).print(&mut bytes);
            self.send(way, bytes, effects);
        }
    }

    fn send(&mut self, way: Option<Way>, bytes: Vec<u8>, effects: &mut Vec<Effect>) {
        match way {
            Some(Way::Udp { local, remote }) => effects.push(Effect::Datagram { from: local, to: remote, bytes }),
            Some(Way::Tcp(pipe)) => {
                if let Some(end) = self.flows.get(&pipe) {
                    effects.push(Effect::Bytes { pipe, from: end.side, bytes });
                }
            }
            None => match self.flows.iter().next() {
                Some((pipe, end)) => effects.push(Effect::Bytes { pipe: *pipe, from: end.side, bytes }),
                None => effects.push(Effect::DialGateway { sip: self.index, remote: self.gateway, bytes }),
            },
        }
    }
}

/// RFC 3261 section 17.1.1.3: the ACK of a final response that is no 2xx.
fn ack(invite: &Request, response: &Response) -> Request {
    let mut ack = Request::new(Method::Ack, invite.uri.clone());
    for name in [Name::VIA, Name::FROM, Name::CALL_ID, Name::MAX_FORWARDS] {
        if let Some(value) = invite.headers.get(name) {
            ack.headers.push(name, value);
        }
    }
    if let Some(to) = response.headers.get(Name::TO) {
        ack.headers.push(Name::TO, to);
    }
    let number = invite.headers.cseq().map_or(1, |cseq| cseq.number);
    ack.headers.add(&CSeq { number, method: Method::Ack });
    ack.headers.push(Name::CONTENT_LENGTH, "0");
    ack
}
