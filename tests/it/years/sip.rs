//! The SIP side's datagrams and transactions: requests are repeated, answers are given again (RFC 3261 section 17).

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use stox::sip::message::{Message, Method, Request, Response, wire};

use super::host::PEER;
use super::{Event, Years};

const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
const TIMER_F: Duration = Duration::from_secs(32);

/// For whom the SIP side has asked something.
#[derive(Debug, Clone)]
pub(super) enum Asker {
    /// A NOTIFY of the agent in this dialog.
    Agent(String),
    /// A SUBSCRIBE of a phone for this pair, in this dialog.
    Phone(usize, String),
}

#[derive(Debug)]
struct Asked {
    asker: Asker,
    bytes: Vec<u8>,
    wait: Duration,
    ends: Duration,
}

#[derive(Debug, Default)]
pub(super) struct Sip {
    asked: HashMap<u64, Asked>,
    count: u64,
    /// Answers by branch, and when they were given.
    answered: HashMap<String, Vec<u8>>,
    answers: VecDeque<(Duration, String)>,
}

impl Sip {
    /// Whatever restarts forgets what it has asked.
    pub(super) fn forget(&mut self, whose: impl Fn(&Asker) -> bool) {
        self.asked.retain(|_, asked| !whose(&asked.asker));
    }

    pub(super) fn forget_answers(&mut self) {
        self.answered.clear();
        self.answers.clear();
    }

    pub(super) fn open(&self) -> usize {
        self.asked.len()
    }
}

impl Years {
    /// A datagram sets off, and may get lost or arrive twice.
    pub(super) fn datagram(&mut self, from_gateway: bool, bytes: Vec<u8>) {
        let copies = match self.chance.below(1_000) {
            n if n < self.weather.loss => 0,
            n if n < self.weather.loss + self.weather.doubled => 2,
            _ => 1,
        };
        self.counts.lost += u64::from(copies == 0);
        self.counts.doubled += u64::from(copies == 2);
        for _ in 0..copies {
            let wait = self.weather.delay + self.chance.up_to(self.weather.jitter);
            let bytes = bytes.clone();
            self.after(wait, if from_gateway { Event::AtSip(bytes) } else { Event::AtGateway(bytes) });
        }
    }

    /// Sends a request; `head`: the request line's method and URI, `rest`: all headers but Via, Max-Forwards, and the body.
    pub(super) fn ask_gateway(&mut self, asker: Asker, head: &str, rest: &str) {
        self.sip.count += 1;
        let number = self.sip.count;
        let text =
            format!("{head} SIP/2.0\r\nVia: SIP/2.0/UDP {PEER};branch=z9hG4bKw{number}\r\nMax-Forwards: 70\r\n{rest}");
        let asked = Asked { asker, bytes: text.clone().into_bytes(), wait: T1, ends: self.now + TIMER_F };
        self.sip.asked.insert(number, asked);
        self.datagram(false, text.into_bytes());
        self.after(T1, Event::Repeat(number));
    }

    pub(super) fn repeat(&mut self, number: u64) {
        let Some(asked) = self.sip.asked.get_mut(&number) else { return };
        if asked.ends <= self.now {
            let Some(asked) = self.sip.asked.remove(&number) else { return };
            return self.answer_comes(asked.asker, None);
        }
        asked.wait = (asked.wait * 2).min(T2);
        let (wait, bytes) = (asked.wait.min(asked.ends.saturating_sub(self.now)), asked.bytes.clone());
        self.datagram(false, bytes);
        self.after(wait, Event::Repeat(number));
    }

    pub(super) fn datagram_at_sip(&mut self, bytes: &[u8]) {
        match wire::parse(bytes) {
            Ok(Message::Request(request)) => self.request_at_sip(&request),
            Ok(Message::Response(response)) => self.response_at_sip(&response),
            Err(error) => self.fail(&format!("the gateway wrote something unreadable: {error:?}")),
        }
    }

    fn request_at_sip(&mut self, request: &Request) {
        let branch = request.headers.via().ok().and_then(|via| via.branch().map(str::to_owned)).unwrap_or_default();
        if let Some(bytes) = self.sip.answered.get(&branch) {
            let bytes = bytes.clone();
            return self.datagram(false, bytes);
        }
        let response = match &request.method {
            Method::Subscribe if !self.agent.is_up => return,
            Method::Notify if !self.phones.is_up => return,
            Method::Subscribe => self.subscribe_at_agent(request),
            Method::Notify => self.notify_at_phone(request),
            Method::Invite
            | Method::Ack
            | Method::Bye
            | Method::Cancel
            | Method::Register
            | Method::Options
            | Method::Message
            | Method::Publish
            | Method::Refer
            | Method::Info
            | Method::Update
            | Method::Prack
            | Method::Other(_) => self.fail(&format!("nobody asked for a {}", request.method.as_str())),
        };
        let mut bytes = Vec::new();
        response.print(&mut bytes);
        self.sip.answered.insert(branch.clone(), bytes.clone());
        self.sip.answers.push_back((self.now, branch));
        while self.sip.answers.front().is_some_and(|(at, _)| *at + TIMER_F < self.now) {
            if let Some((_, branch)) = self.sip.answers.pop_front() {
                self.sip.answered.remove(&branch);
            }
        }
        self.datagram(false, bytes);
    }

    fn response_at_sip(&mut self, response: &Response) {
        if !response.status.is_final() {
            return;
        }
        let via = response.headers.via().ok();
        let number = via.as_ref().and_then(|via| via.branch()?.strip_prefix("z9hG4bKw")?.parse().ok());
        if let Some(asked) = number.and_then(|number: u64| self.sip.asked.remove(&number)) {
            self.answer_comes(asked.asker, Some(response));
        }
    }

    fn answer_comes(&mut self, asker: Asker, response: Option<&Response>) {
        match asker {
            Asker::Agent(key) => self.agent_hears(&key, response),
            Asker::Phone(pair, call_id) => self.phone_hears(pair, &call_id, response),
        }
    }
}
