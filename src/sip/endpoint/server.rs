//! The server side: requests of peers, each told once and answered as often as it comes.

use std::time::Duration;

use super::reply::{Answer, Reply};
use super::{Alarm, Endpoint, Event, Flow, Origin, ServerId, head};
use crate::sip::message::{Method, Name, Request, Response, Status};
use crate::sip::transaction::key::{Key, MergeKey, Rfc2543};
use crate::sip::transaction::server::{Effect, Input, Invite, NonInvite};
use crate::sip::transaction::timers::Timing;
use crate::time::Now;

/// What a CANCEL may be for: it names no method, and the keys we look it up by contain one.
const CANCELLABLE: [&str; 12] = [
    "INVITE",
    "MESSAGE",
    "SUBSCRIBE",
    "NOTIFY",
    "PUBLISH",
    "OPTIONS",
    "REGISTER",
    "REFER",
    "INFO",
    "UPDATE",
    "PRACK",
    "BYE",
];

/// One request that we have not finished with. There may be a million of them.
#[derive(Debug)]
pub(super) struct Server {
    serial: u64,
    machine: Machine,
    /// Counts the alarms set. Begins with the serial, so that an alarm of an earlier transaction of the same key is none of
    /// this one's.
    alarm: u32,
    reply: Reply,
    /// What a retransmission gets before the final response, if it gets anything: the response sent last, at first the
    /// 100 that is seldom needed. It is printed at once, for that is half the size of what it could be made of.
    kept: Box<[u8]>,
    /// Whether the request had a To tag, so that answers copy it.
    has_tag: bool,
    merge: Option<MergeKey>,
}

#[derive(Debug)]
enum Machine {
    NonInvite(NonInvite),
    Invite(Box<Invite>),
}

/// A request on its way through the checks.
struct Arrival {
    request: Request,
    top: head::TopVia,
    key: Key,
    reply: Reply,
    flow: Flow,
}

impl Endpoint {
    pub(super) fn on_request(&mut self, mut request: Request, flow: Flow, now: Now) -> Option<Event> {
        let Some(top) = head::top_via(&request.headers) else {
            self.stats.unroutable += 1;
            return None;
        };
        if request.method == Method::Ack {
            return self.on_ack(request, &top, flow, now);
        }
        let key = self.server_key(&request, &top, request.method.as_str(), head::to_tag(&request.headers));
        let reply = Reply::new(&top, &flow);
        head::mark_via(&mut request.headers, &top, flow.remote);
        let arrival = Arrival { request, top, key, reply, flow };
        if self.on_again(&arrival, now) {
            return None;
        }
        if arrival.request.method == Method::Cancel {
            return self.on_cancel(&arrival, now);
        }
        if self.servers.len() >= self.config.limits.server {
            self.refuse(&arrival);
            return None;
        }
        self.on_new(arrival, now)
    }

    /// Answers `transaction`. A final response ends it; further ones are ignored, and so is a late one.
    ///
    /// The To tag is added where it is missing, and where the response has no header but those that
    /// [`Request::response`] gives it, nothing of it is kept.
    pub fn respond(&mut self, transaction: ServerId, mut response: Response, now: Now) {
        let timing = self.config.timing;
        let Some(server) = self.servers.get_mut(&transaction.key).filter(|s| s.serial == transaction.serial) else {
            self.stats.answers_withheld += 1;
            return;
        };
        let status = response.status;
        let tag = self.keys.tag(transaction.key);
        if status != Status::TRYING {
            head::ensure_to_tag(&mut response, &tag);
        }
        if !server.machine.allows(status) {
            self.stats.answers_withheld += 1;
            return;
        }
        let input = match status.class() {
            1 => Input::Provisional,
            2 => Input::Success,
            _ => Input::Refusal,
        };
        let effect = server.machine.on(input, &timing, server.reply.transport.is_reliable(), now);
        let bytes = head::print_response(&response);
        let origin = Origin::Server(transaction);
        match effect {
            Effect::Send => {
                server.kept = Box::from(bytes.as_slice());
                self.transmits.push_back(server.reply.transmit(bytes, origin));
            }
            Effect::SendOnce => {
                server.kept = Box::default();
                self.transmits.push_back(server.reply.transmit(bytes, origin));
            }
            Effect::Complete(linger) => {
                let tag = if server.has_tag { None } else { Some(tag.as_str()) };
                let kept = (!linger.is_zero() && !head::is_plain(&response, tag)).then(|| bytes.clone());
                self.transmits.push_back(server.reply.transmit(bytes, origin));
                self.complete(transaction.key, status, kept, !linger.is_zero(), now);
                return;
            }
            Effect::Nothing | Effect::SendTrying | Effect::Resend | Effect::Forget { .. } => {
                self.stats.answers_withheld += 1;
            }
        }
        self.set_server_alarm(transaction, now);
    }

    /// Whether `request` repeats one that is open or was answered of late, so that [`Endpoint::receive`] tells nobody.
    pub fn recognises(&mut self, request: &Request) -> bool {
        let Some(top) = head::top_via(&request.headers) else { return false };
        let key = self.server_key(request, &top, request.method.as_str(), head::to_tag(&request.headers));
        self.servers.contains_key(&key) || self.completed.get(&key).is_some()
    }

    /// Answers a request of which no transaction was made, because it could not be read or came from a stranger.
    /// `response` has at least the request's Via; `flow` is how the request came. It goes to where the request came from: a
    /// `maddr` would let anybody aim our answers at anybody.
    pub fn respond_stateless(&mut self, mut response: Response, flow: Flow) {
        let Some(mut top) = head::top_via(&response.headers) else {
            self.stats.unroutable += 1;
            return;
        };
        let branch = top.via.branch().unwrap_or_default();
        let call_id = head::call_id(&response.headers);
        let key = self.keys.server(branch.as_bytes(), top.via.host_text().as_bytes(), top.via.port, call_id);
        head::ensure_to_tag(&mut response, &self.keys.tag(key));
        head::mark_via(&mut response.headers, &top, flow.remote);
        top.maddr = None;
        let bytes = head::print_response(&response);
        self.transmits.push_back(Reply::new(&top, &flow).transmit(bytes, Origin::Stateless));
    }

    pub(super) fn on_server_alarm(&mut self, key: Key, alarm: u32, now: Now) {
        let timing = self.config.timing;
        let Some(server) = self.servers.get_mut(&key).filter(|server| server.alarm == alarm) else { return };
        let id = ServerId { key, serial: server.serial };
        let effect = server.machine.on(Input::Due, &timing, server.reply.transport.is_reliable(), now);
        self.act(id, effect);
        self.set_server_alarm(id, now);
    }

    /// RFC 3261 section 17.2.3: a request that matches a transaction is a retransmission.
    fn on_again(&mut self, arrival: &Arrival, now: Now) -> bool {
        let timing = self.config.timing;
        if let Some(server) = self.servers.get_mut(&arrival.key) {
            self.stats.retransmissions_received += 1;
            let id = ServerId { key: arrival.key, serial: server.serial };
            let reliable = server.reply.transport.is_reliable();
            let effect = server.machine.on(Input::Retransmission, &timing, reliable, now);
            self.act(id, effect);
            return true;
        }
        let Some(answer) = self.completed.get(&arrival.key) else { return false };
        self.stats.retransmissions_received += 1;
        let bytes = match answer {
            Answer::Again(status) => {
                head::print_response(&head::plain(&arrival.request, *status, &self.keys.tag(arrival.key)))
            }
            Answer::Kept(bytes) => bytes.to_vec(),
        };
        self.transmits.push_back(arrival.reply.transmit(bytes, Origin::Stateless));
        true
    }

    fn on_new(&mut self, arrival: Arrival, now: Now) -> Option<Event> {
        let merge = self.merge_key(&arrival.request);
        if merge.is_some_and(|merge| self.merging.get(&merge).is_some()) {
            self.stats.merged += 1;
            let transaction = self.open(&arrival, None, now);
            self.respond(transaction, arrival.request.response(Status::LOOP_DETECTED), now);
            return None;
        }
        if let Some(merge) = merge {
            self.merging.insert(merge, (), now);
        }
        let transaction = self.open(&arrival, merge, now);
        Some(Event::Request { transaction, request: arrival.request, flow: arrival.flow })
    }

    fn open(&mut self, arrival: &Arrival, merge: Option<MergeKey>, now: Now) -> ServerId {
        let timing = self.config.timing;
        self.server_count += 1;
        let transaction = ServerId { key: arrival.key, serial: self.server_count };
        let machine = if arrival.request.method == Method::Invite {
            Machine::Invite(Box::new(Invite::start(&timing, now)))
        } else {
            Machine::NonInvite(NonInvite::start(now))
        };
        let server = Server {
            serial: transaction.serial,
            machine,
            alarm: transaction.serial as u32,
            reply: arrival.reply,
            kept: head::trying(&arrival.request, &mut self.scratch),
            has_tag: head::to_tag(&arrival.request.headers).is_some(),
            merge,
        };
        self.servers.insert(arrival.key, Box::new(server));
        self.set_server_alarm(transaction, now);
        transaction
    }

    /// The final response is sent: what is left of the transaction is its answer, for Timer J.
    fn complete(&mut self, key: Key, status: Status, kept: Option<Vec<u8>>, lingers: bool, now: Now) {
        let Some(server) = self.servers.remove(&key) else { return };
        // After a refusal the same request may well be tried here again on another way (RFC 3263 section 4.3).
        if let Some(merge) = server.merge
            && !(lingers && status.is_success())
        {
            self.merging.remove(&merge);
        }
        if !lingers {
            return;
        }
        let answer = match kept {
            Some(bytes) if self.kept_bytes + bytes.len() <= self.config.limits.kept_bytes => {
                Answer::Kept(bytes.into_boxed_slice())
            }
            Some(_) | None => Answer::Again(status),
        };
        self.kept_bytes += answer.kept_bytes();
        if let Some(early) = self.completed.insert(key, answer, now) {
            self.kept_bytes -= early.kept_bytes();
        }
    }

    /// RFC 3261 section 9.2.
    fn on_cancel(&mut self, cancel: &Arrival, now: Now) -> Option<Event> {
        let to_tag = head::to_tag(&cancel.request.headers);
        let mut meant = None;
        for method in CANCELLABLE {
            let key = self.server_key(&cancel.request, &cancel.top, method, to_tag);
            if self.servers.contains_key(&key) || self.completed.get(&key).is_some() {
                meant = Some(key);
                break;
            }
        }
        if meant.is_none() && self.servers.len() >= self.config.limits.server {
            // One that makes room is heard, and there is no more than one for each request.
            self.stats.overloaded += 1;
            return None;
        }
        let mut response = cancel.request.response(if meant.is_some() { Status::OK } else { Status::NO_SUCH_DIALOG });
        if let Some(key) = meant {
            // The same tag as in the response to the request that is cancelled.
            head::ensure_to_tag(&mut response, &self.keys.tag(key));
        }
        let transaction = self.open(cancel, None, now);
        self.respond(transaction, response, now);
        let key = meant?;
        let server = self.servers.get(&key)?;
        server
            .machine
            .is_pending_invite()
            .then_some(Event::Cancelled { transaction: ServerId { key, serial: server.serial } })
    }

    /// An ACK is never answered; the one for our refusal of an INVITE ends its repeats (section 17.2.1). That for a 2xx is
    /// its user's (RFC 6026 section 7.1), and has a branch of its own.
    fn on_ack(&mut self, mut ack: Request, top: &head::TopVia, flow: Flow, now: Now) -> Option<Event> {
        let timing = self.config.timing;
        let to_tag = head::to_tag(&ack.headers).map(<[u8]>::to_vec);
        // By the rules of RFC 2543 the INVITE had no To tag where it began a call, and the ACK has ours.
        for tag in [to_tag.as_deref(), None] {
            let key = self.server_key(&ack, top, Method::Invite.as_str(), tag);
            if let Some(server) = self.servers.get_mut(&key).filter(|server| !server.machine.is_accepted()) {
                let id = ServerId { key, serial: server.serial };
                let effect = server.machine.on(Input::Ack, &timing, server.reply.transport.is_reliable(), now);
                self.act(id, effect);
                self.set_server_alarm(id, now);
                return None;
            }
        }
        head::mark_via(&mut ack.headers, top, flow.remote);
        Some(Event::Ack { request: ack, flow })
    }

    fn act(&mut self, id: ServerId, effect: Effect) {
        let Some(server) = self.servers.get_mut(&id.key) else { return };
        match effect {
            Effect::SendTrying | Effect::Resend => {
                self.stats.retransmissions_sent += u64::from(effect == Effect::Resend);
                self.transmits.push_back(server.reply.transmit(server.kept.to_vec(), Origin::Server(id)));
            }
            Effect::Forget { unacknowledged } => {
                self.stats.unacknowledged += u64::from(unacknowledged);
                if let Some(merge) = server.merge {
                    self.merging.remove(&merge);
                }
                self.servers.remove(&id.key);
            }
            Effect::Nothing | Effect::Send | Effect::SendOnce | Effect::Complete(_) => {}
        }
    }

    /// More open requests than we can bear: RFC 3261 section 21.5.4 without a transaction (section 8.2.7).
    fn refuse(&mut self, arrival: &Arrival) {
        self.stats.overloaded += 1;
        let mut response = head::plain(&arrival.request, Status::SERVICE_UNAVAILABLE, &self.keys.tag(arrival.key));
        let base = self.config.limits.retry_after.as_secs();
        let spread = arrival.key.spread(base + 1);
        response.headers.push(Name::RETRY_AFTER, (base + spread).to_string());
        self.transmits.push_back(arrival.reply.transmit(head::print_response(&response), Origin::Stateless));
    }

    fn set_server_alarm(&mut self, id: ServerId, now: Now) {
        let Some(server) = self.servers.get_mut(&id.key) else { return };
        server.alarm = server.alarm.wrapping_add(1);
        if let Some(at) = server.machine.next_timeout(&self.config.timing) {
            self.alarms.set(Alarm::Server(id.key, server.alarm), at, now);
        }
    }

    /// The key of `request` as if its method were `method` and its To tag `to_tag`.
    fn server_key(&mut self, request: &Request, top: &head::TopVia, method: &str, to_tag: Option<&[u8]>) -> Key {
        if let Some(branch) = top.branch() {
            return self.keys.server(
                branch.as_bytes(),
                top.via.host_text().as_bytes(),
                top.via.port,
                method.as_bytes(),
            );
        }
        self.keys.server_2543(&Rfc2543 {
            uri: request.uri.as_str().as_bytes(),
            to_tag,
            from_tag: head::from_tag(&request.headers),
            call_id: head::call_id(&request.headers),
            cseq: head::cseq(&request.headers).map_or(0, |cseq| cseq.number),
            method: method.as_bytes(),
            via: &top.raw,
        })
    }

    fn is_sent_on(&self, request: &Request) -> bool {
        let hosts = &self.config.sent_on;
        !hosts.is_empty()
            && request.uri.host().is_some_and(|host| hosts.contains(&host.to_string().to_ascii_lowercase()))
    }

    /// RFC 3261 section 8.2.2.2 looks at requests without To tag only.
    fn merge_key(&mut self, request: &Request) -> Option<MergeKey> {
        if head::to_tag(&request.headers).is_some() || self.is_sent_on(request) {
            return None;
        }
        let cseq = head::cseq(&request.headers)?;
        let from_tag = head::from_tag(&request.headers)?;
        let method = request.method.as_str().as_bytes();
        Some(self.keys.merge(from_tag, head::call_id(&request.headers), cseq.number, method))
    }
}

impl Machine {
    /// RFC 4320: a request other than INVITE gets no 408, and of the provisional responses only 100.
    fn allows(&self, status: Status) -> bool {
        match self {
            Machine::Invite(_) => true,
            Machine::NonInvite(_) => {
                status != Status::REQUEST_TIMEOUT && (status.is_final() || status == Status::TRYING)
            }
        }
    }

    fn on(&mut self, input: Input, timing: &Timing, reliable: bool, now: Now) -> Effect {
        match self {
            Machine::NonInvite(machine) => machine.on(input, timing, reliable, now),
            Machine::Invite(machine) => machine.on(input, timing, reliable, now),
        }
    }

    fn next_timeout(&self, timing: &Timing) -> Option<Duration> {
        match self {
            Machine::NonInvite(machine) => machine.next_timeout(timing),
            Machine::Invite(machine) => machine.next_timeout(),
        }
    }

    fn is_pending_invite(&self) -> bool {
        match self {
            Machine::NonInvite(_) => false,
            Machine::Invite(machine) => machine.is_pending(),
        }
    }

    fn is_accepted(&self) -> bool {
        match self {
            Machine::NonInvite(_) => false,
            Machine::Invite(machine) => machine.is_accepted(),
        }
    }
}
