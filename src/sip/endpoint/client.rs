//! The client side: requests of ours, one target after the other.

use std::ops::Range;
use std::sync::Arc;

use super::{
    Alarm, Cause, ClientId, Endpoint, EndpointConfig, Event, Large, NotStarted, Origin, Sending, SentBy, Target,
    Transmit, Transport, Undelivered, head, sent_by,
};
use crate::ids::MAGIC_COOKIE;
use crate::sip::message::header::Via;
use crate::sip::message::{Method, Request, Response, Status};
use crate::sip::transaction::client::{Effect, Input, NonInvite};
use crate::sip::transaction::key::Key;
use crate::time::Now;

/// The length of a branch of ours: the cookie and a token.
const BRANCH_LEN: usize = MAGIC_COOKIE.len() + 26;

/// One request of ours and the attempt that runs.
#[derive(Debug)]
pub(super) struct Client {
    machine: NonInvite,
    method: Method,
    /// Counts the attempts, so that a failure reported late is not taken for one of the next attempt.
    attempt: u32,
    /// Counts the alarms set.
    alarm: u32,
    key: Key,
    target: Target,
    /// Whether the target is a UDP one that is tried over TCP because of the request's size.
    switched: bool,
    rest: std::vec::IntoIter<(Target, bool)>,
    domain: Option<Arc<str>>,
    /// The request as it is sent, and where in it our Via line is. Empty once nothing more can be sent.
    bytes: Vec<u8>,
    via: Range<usize>,
    /// The 503 of an earlier target.
    refusal: Option<Response>,
}

impl Endpoint {
    /// Sends `request` to the first of `targets` that takes it. The caller has put all headers but our Via into it.
    ///
    /// The request must not be an INVITE or ACK, whose machine stox does not have.
    ///
    /// # Errors
    /// [`NotStarted`], and then nothing was sent and no event will come.
    pub fn request(
        &mut self,
        request: &Request,
        targets: Vec<Target>,
        sending: impl Into<Sending>,
        now: Now,
    ) -> Result<ClientId, NotStarted> {
        debug_assert!(!matches!(request.method, Method::Invite | Method::Ack), "stox calls nobody");
        let Sending { large, domain } = sending.into();
        if self.clients.len() >= self.config.limits.client {
            return Err(NotStarted::Overload);
        }
        let bytes = head::print_request(request);
        let is_large = bytes.len() + self.via_len(Transport::Udp) > self.config.max_udp;
        let rest = usable(&self.config, targets, is_large && large == Large::UseTcp);
        let mut rest = rest.into_iter();
        let Some((target, switched)) = rest.next() else { return Err(NotStarted::NoTarget) };
        let line_end = memchr::memchr(b'\n', &bytes).map_or(bytes.len(), |at| at + 1);
        self.client_count += 1;
        let id = ClientId(self.client_count);
        let mut client = Client {
            machine: NonInvite::start(&self.config.timing, target.transport.is_reliable(), now),
            method: request.method.clone(),
            attempt: 0,
            alarm: 0,
            key: self.keys.client(b"", b""),
            target,
            switched,
            rest,
            domain,
            bytes,
            via: line_end..line_end,
            refusal: None,
        };
        self.start_attempt(id, &mut client, now);
        self.clients.insert(id, client);
        Ok(id)
    }

    /// The bytes that `request` will have on the wire with our Via for `transport`.
    #[must_use]
    pub fn size_with_via(&self, request: &Request, transport: Transport) -> usize {
        head::print_request(request).len() + self.via_len(transport)
    }

    pub(super) fn on_response(&mut self, response: Response, now: Now) -> Option<Event> {
        let Some(top) = head::only_via(&response.headers).filter(|top| self.is_ours(top)) else {
            self.stats.stray_responses += 1;
            return None;
        };
        let cseq = head::cseq(&response.headers);
        let method = cseq.as_ref().map_or("", |cseq| cseq.method.as_str());
        let key = self.keys.client(top.branch().unwrap_or_default().as_bytes(), method.as_bytes());
        let Some(id) = self.client_keys.get(&key).copied() else {
            match self.absorbing.get(&key) {
                Some(()) => self.stats.retransmissions_received += 1,
                None => self.stats.stray_responses += 1,
            }
            return None;
        };
        let client = self.clients.get_mut(&id)?;
        let reliable = client.target.transport.is_reliable();
        let input = if response.status.is_provisional() { Input::Provisional } else { Input::Final };
        match client.machine.on(input, &self.config.timing, reliable, now) {
            Effect::Provisional => Some(Event::Provisional { transaction: id, response }),
            Effect::Complete(linger) => {
                self.client_keys.remove(&key);
                if !linger.is_zero() {
                    self.absorbing.insert(key, (), now);
                }
                self.on_final(id, response, now)
            }
            Effect::Nothing | Effect::Retransmit | Effect::TimedOut { .. } | Effect::Failed => None,
        }
    }

    fn on_final(&mut self, id: ClientId, response: Response, now: Now) -> Option<Event> {
        if response.status == Status::SERVICE_UNAVAILABLE && self.go_on(id, now) {
            if let Some(client) = self.clients.get_mut(&id) {
                client.refusal = Some(response);
            }
            return None;
        }
        self.clients.remove(&id);
        Some(Event::Response { transaction: id, response })
    }

    pub(super) fn on_not_sent(&mut self, id: ClientId, attempt: u32, why: Undelivered, now: Now) -> Option<Event> {
        let client = self.clients.get_mut(&id).filter(|client| client.attempt == attempt)?;
        let reliable = client.target.transport.is_reliable();
        if why == Undelivered::QueueFull && !reliable {
            // A datagram that does not fit our queue is a datagram lost: Timer E sends it again.
            return None;
        }
        let heard = client.machine.heard();
        if client.machine.on(Input::NotSent, &self.config.timing, reliable, now) != Effect::Failed {
            return None;
        }
        self.client_keys.remove(&client.key);
        let too_large = client.switched && why == Undelivered::Refused;
        if !heard && self.go_on(id, now) {
            return None;
        }
        let client = self.clients.remove(&id)?;
        Some(match client.refusal {
            Some(response) => Event::Response { transaction: id, response },
            None if too_large => Event::Failed { transaction: id, cause: Cause::TooLarge },
            None => Event::Failed { transaction: id, cause: Cause::NotSent(why) },
        })
    }

    pub(super) fn on_client_alarm(&mut self, id: ClientId, alarm: u32, now: Now) -> Option<Event> {
        let client = self.clients.get_mut(&id).filter(|client| client.alarm == alarm)?;
        let reliable = client.target.transport.is_reliable();
        match client.machine.on(Input::Due, &self.config.timing, reliable, now) {
            Effect::Retransmit => {
                self.stats.retransmissions_sent += 1;
                self.transmits.push_back(transmit(id, client, client.bytes.clone()));
            }
            Effect::TimedOut { heard } => {
                self.stats.timeouts += 1;
                self.client_keys.remove(&client.key);
                if !heard && may_be_done_twice(&client.method) && self.go_on(id, now) {
                    return None;
                }
                self.clients.remove(&id);
                return Some(Event::TimedOut { transaction: id, heard });
            }
            Effect::Nothing | Effect::Provisional | Effect::Complete(_) | Effect::Failed => {}
        }
        client.alarm += 1;
        if let Some(at) = client.machine.next_timeout() {
            self.alarms.set(Alarm::Client(id, client.alarm), at, now);
        }
        None
    }

    /// Starts the attempt at the next target, if there is one.
    fn go_on(&mut self, id: ClientId, now: Now) -> bool {
        let Some(mut client) = self.clients.remove(&id) else { return false };
        let next = client.rest.next();
        if let Some((target, switched)) = next {
            self.stats.failovers += 1;
            client.target = target;
            client.switched = switched;
            client.attempt += 1;
            self.start_attempt(id, &mut client, now);
        }
        self.clients.insert(id, client);
        next.is_some()
    }

    /// Puts a new Via into the request and sends it. RFC 3261 section 8.1.2: each try is a new transaction.
    fn start_attempt(&mut self, id: ClientId, client: &mut Client, now: Now) {
        let transport = client.target.transport;
        let branch = self.ids.branch();
        let line = self.via_line(transport, &branch);
        let mut bytes = Vec::with_capacity(client.bytes.len() + line.len());
        bytes.extend_from_slice(&client.bytes[..client.via.start]);
        bytes.extend_from_slice(line.as_bytes());
        bytes.extend_from_slice(&client.bytes[client.via.end..]);
        client.via.end = client.via.start + line.len();
        client.key = self.keys.client(branch.as_bytes(), client.method.as_str().as_bytes());
        self.client_keys.insert(client.key, id);
        client.machine = NonInvite::start(&self.config.timing, transport.is_reliable(), now);
        client.alarm += 1;
        if let Some(at) = client.machine.next_timeout() {
            self.alarms.set(Alarm::Client(id, client.alarm), at, now);
        }
        if transport.is_reliable() && client.rest.len() == 0 {
            client.bytes = Vec::new();
            client.via = 0..0;
        } else {
            client.bytes.clone_from(&bytes);
        }
        self.transmits.push_back(transmit(id, client, bytes));
    }

    /// `rport` only means something over UDP (RFC 3581 section 3).
    fn via_line(&self, transport: Transport, branch: &str) -> String {
        let mut line = String::with_capacity(64 + BRANCH_LEN);
        line.push_str("Via: SIP/2.0/");
        line.push_str(transport.token());
        line.push(' ');
        if let Some(SentBy { host, port }) = self.sent_by(transport) {
            line.push_str(host);
            if let Some(port) = port {
                line.push(':');
                line.push_str(&port.to_string());
            }
        }
        line.push_str(";branch=");
        line.push_str(branch);
        if transport == Transport::Udp {
            line.push_str(";rport");
        }
        line.push_str("\r\n");
        line
    }

    fn via_len(&self, transport: Transport) -> usize {
        self.via_line(transport, "").len() + BRANCH_LEN
    }

    /// RFC 3261 section 18.1.2: a response whose top Via is not ours was not meant for us.
    fn is_ours(&self, top: &Via) -> bool {
        self.config.sent_by.iter().any(|(transport, sent_by)| {
            let default = transport.default_port();
            top.host_text().eq_ignore_ascii_case(&sent_by.host)
                && top.port.unwrap_or(default) == sent_by.port.unwrap_or(default)
        })
    }
}

/// The targets that can be tried and whether each was switched from UDP to TCP.
fn usable(config: &EndpointConfig, targets: Vec<Target>, to_tcp: bool) -> Vec<(Target, bool)> {
    let switch = |target: Target| match target.transport {
        Transport::Udp if to_tcp => (Target { transport: Transport::Tcp, ..target }, true),
        Transport::Udp | Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => (target, false),
    };
    let mut usable: Vec<(Target, bool)> = Vec::with_capacity(targets.len());
    for (target, switched) in targets.into_iter().map(switch) {
        let known = usable.iter().any(|(other, _)| *other == target);
        let possible = target.transport.can_be_dialled() && sent_by(config, target.transport).is_some();
        if possible && !known {
            usable.push((target, switched));
        }
    }
    usable
}

fn transmit(id: ClientId, client: &Client, bytes: Vec<u8>) -> Transmit {
    Transmit {
        transport: client.target.transport,
        local: None,
        remote: client.target.addr,
        flow: None,
        domain: client.domain.clone(),
        bytes,
        origin: Origin::Client(id, client.attempt),
    }
}

/// Whether a server may get the request although another one may have done it already.
fn may_be_done_twice(method: &Method) -> bool {
    matches!(method, Method::Options | Method::Subscribe | Method::Notify | Method::Register | Method::Publish)
}
