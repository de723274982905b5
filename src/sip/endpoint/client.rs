//! The client side: requests of ours, one target after the other. What is special about INVITE is in `calling`.

use std::sync::Arc;
use std::time::Duration;

use super::attempt::{narrow, transmit, usable, with_line};
use super::calling::Calling;
use super::{
    Alarm, Cause, ClientId, Endpoint, Event, Flow, Large, NotStarted, Origin, Outcome, Sending, Target, Transmit,
    Transport, Undelivered, head,
};
use crate::sip::message::header::RetryAfter;
use crate::sip::message::{Method, Request, Response, Status};
use crate::sip::transaction::calling;
use crate::sip::transaction::client::{Effect, Input, NonInvite};
use crate::sip::transaction::key::Key;
use crate::sip::transaction::timers::Timing;
use crate::time::Now;

/// One request of ours and the attempt that runs. There may be a million, so what few of them need is in [`More`].
#[derive(Debug)]
pub(super) struct Client {
    pub(super) machine: Machine,
    pub(super) method: Method,
    pub(super) key: Key,
    pub(super) target: Target,
    /// Whether the target is a UDP one that is tried over TCP because of the request's size.
    pub(super) switched: bool,
    /// Whether it is a peer's request that we pass on: the answer then has a Via besides ours.
    pub(super) relayed: bool,
    /// Whether nobody wants to hear how it ends: a CANCEL.
    pub(super) quiet: bool,
    /// Counts the attempts, so that a failure reported late is not taken for one of the next attempt.
    pub(super) attempt: u32,
    /// Counts the alarms set.
    pub(super) alarm: u32,
    /// Where our Via line is in the bytes.
    pub(super) via: (u32, u32),
    /// The request as it is sent. Empty once nothing more can be sent.
    pub(super) bytes: Box<[u8]>,
    pub(super) domain: Option<Arc<str>>,
    pub(super) more: Option<Box<More>>,
}

#[derive(Debug)]
pub(super) enum Machine {
    NonInvite(NonInvite),
    Invite(Box<Calling>),
}

/// What a request to one target that says yes or no does not need.
#[derive(Debug, Default)]
pub(super) struct More {
    pub(super) rest: std::vec::IntoIter<(Target, bool)>,
    /// The 503 of an earlier target.
    refusal: Option<Response>,
    /// The second part of the branch (RFC 5393 section 4.2.1).
    pub(super) mark: Option<u64>,
    /// The connection that the first attempt goes by.
    pub(super) flow: Option<u64>,
}

/// What the clock did to a transaction.
enum Due {
    Nothing,
    Retransmit,
    TimedOut { heard: bool },
    Forget,
}

impl Endpoint {
    /// Sends `request` to the first of `targets` that takes it. The caller has put all headers but our Via into it.
    ///
    /// After the 2xx of an INVITE the caller makes the ACK ([`Endpoint::send_once`]); the others are made here.
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
        self.start(request, targets, sending.into(), None, now)
    }

    /// Sends a peer's request on to the first of `targets` that takes it, with the Vias it has. `mark` becomes the second
    /// part of its branch, by which we know it when it comes back (RFC 5393 section 4.2.1).
    ///
    /// # Errors
    /// [`NotStarted`], and then nothing was sent and no event will come.
    pub fn forward(
        &mut self,
        request: &Request,
        targets: Vec<Target>,
        sending: impl Into<Sending>,
        mark: u64,
        now: Now,
    ) -> Result<ClientId, NotStarted> {
        self.start(request, targets, sending.into(), Some(mark), now)
    }

    fn start(
        &mut self,
        request: &Request,
        targets: Vec<Target>,
        sending: Sending,
        mark: Option<u64>,
        now: Now,
    ) -> Result<ClientId, NotStarted> {
        debug_assert!(request.method != Method::Ack, "an ACK has no transaction");
        if self.clients.len() >= self.config.limits.client {
            return Err(NotStarted::Overload);
        }
        let mut printed = std::mem::take(&mut self.scratch);
        printed.clear();
        request.print(&mut printed);
        let is_large = printed.len() + self.via_len(Transport::Udp) > self.config.max_udp;
        let rest = usable(&self.config, targets, is_large && sending.large == Large::UseTcp, sending.flow.is_some());
        let mut rest = rest.into_iter();
        let Some((target, switched)) = rest.next() else {
            self.keep_scratch(printed);
            return Err(NotStarted::NoTarget);
        };
        let line_end = memchr::memchr(b'\n', &printed).map_or(printed.len(), |at| at + 1);
        let flow = sending.flow;
        let needs_more = rest.len() > 0 || mark.is_some() || flow.is_some();
        let mut client = Box::new(Client {
            machine: Machine::start(&request.method, &self.config.timing, target.transport.is_reliable(), now),
            method: request.method.clone(),
            key: Key::default(),
            target,
            switched,
            relayed: mark.is_some(),
            quiet: false,
            attempt: 0,
            alarm: 0,
            via: (narrow(line_end), narrow(line_end)),
            bytes: Box::default(),
            domain: sending.domain,
            more: needs_more.then(|| Box::new(More { rest, refusal: None, mark, flow })),
        });
        self.client_count += 1;
        let id = ClientId(self.client_count);
        self.start_attempt(id, &mut client, &printed, now);
        self.keep_scratch(printed);
        self.clients.insert(id, client);
        Ok(id)
    }

    /// The bytes that `request` will have on the wire with our Via for `transport`.
    #[must_use]
    pub fn size_with_via(&self, request: &Request, transport: Transport) -> usize {
        head::print_request(request).len() + self.via_len(transport)
    }

    /// Sends `request` to `target` once, with our Via and without a transaction: the ACK for a 2xx (RFC 3261 section
    /// 13.2.2.4, RFC 6026 section 7.2). `mark` as in [`Endpoint::forward`].
    pub fn send_once(&mut self, request: &Request, target: Target, domain: Option<Arc<str>>, mark: Option<u64>) {
        let printed = head::print_request(request);
        let line_end = memchr::memchr(b'\n', &printed).map_or(printed.len(), |at| at + 1);
        let branch = self.branch(mark);
        let line = self.via_line(target.transport, &branch);
        let bytes = with_line(&printed, (line_end, line_end), &line);
        self.transmits.push_back(transmit(target, domain, Origin::Stateless, bytes));
    }

    pub(super) fn on_response(&mut self, response: Response, now: Now) -> Option<Event> {
        let Some((top, alone)) = head::first_via(&response.headers).filter(|(top, _)| self.is_ours(top)) else {
            self.stats.stray_responses += 1;
            return None;
        };
        let cseq = head::cseq(&response.headers);
        let method = cseq.as_ref().map_or("", |cseq| cseq.method.as_str());
        let key = self.keys.client(top.branch().unwrap_or_default().as_bytes(), method.as_bytes());
        let Some(id) = self.client_keys.get(&key).copied() else {
            self.on_absorbed(key, &response);
            return None;
        };
        let client = self.clients.get_mut(&id)?;
        if alone == client.relayed {
            // RFC 3261 section 8.1.3.3: as many Vias as the request had.
            self.stats.stray_responses += 1;
            return None;
        }
        let reliable = client.target.transport.is_reliable();
        let Machine::NonInvite(machine) = &mut client.machine else {
            return self.on_invite_response(id, response, now);
        };
        let input = if response.status.is_provisional() { Input::Provisional } else { Input::Final };
        match machine.on(input, &self.config.timing, reliable, now) {
            Effect::Provisional => {
                let (target, quiet) = (client.target, client.quiet);
                self.report(target, Outcome::Worked);
                (!quiet).then_some(Event::Provisional { transaction: id, response })
            }
            Effect::Complete(linger) => {
                self.end_attempt(id);
                if !linger.is_zero() {
                    self.absorbing.insert(key, (), now);
                }
                self.on_final(id, response, now)
            }
            Effect::Nothing | Effect::Retransmit | Effect::TimedOut { .. } | Effect::Failed => None,
        }
    }

    pub(super) fn on_final(&mut self, id: ClientId, response: Response, now: Now) -> Option<Event> {
        let target = self.clients.get(&id)?.target;
        if response.status == Status::SERVICE_UNAVAILABLE {
            let after = response.headers.find::<RetryAfter>().ok().flatten();
            let retry_after = after.map(|after| Duration::from_secs(u64::from(after.seconds)));
            self.report(target, Outcome::Busy { retry_after });
            if self.go_on(id, now) {
                if let Some(client) = self.clients.get_mut(&id) {
                    client.more.get_or_insert_default().refusal = Some(response);
                }
                return None;
            }
        } else {
            self.report(target, Outcome::Worked);
        }
        let client = self.clients.remove(&id)?;
        (!client.quiet).then_some(Event::Response { transaction: id, response })
    }

    pub(super) fn on_not_sent(&mut self, id: ClientId, attempt: u32, why: Undelivered, now: Now) -> Option<Event> {
        let client = self.clients.get_mut(&id).filter(|client| client.attempt == attempt)?;
        let reliable = client.target.transport.is_reliable();
        if why == Undelivered::QueueFull && !reliable {
            // A datagram that does not fit our queue is a datagram lost: Timer E sends it again.
            return None;
        }
        let (heard, target) = (client.machine.heard(), client.target);
        if why == Undelivered::Absent && (heard || client.more.as_ref().is_none_or(|more| more.rest.len() == 0)) {
            // Where else could it go? A server that restarts gets it by Timer E when it is back.
            return None;
        }
        let too_large = client.switched && why == Undelivered::Refused;
        if !client.machine.fail(&self.config.timing, reliable, now) {
            return None;
        }
        self.end_attempt(id);
        if why != Undelivered::QueueFull {
            self.report(target, Outcome::NotSent(why));
        }
        if !heard && self.go_on(id, now) {
            return None;
        }
        let client = self.clients.remove(&id)?;
        let failed =
            Event::Failed { transaction: id, cause: if too_large { Cause::TooLarge } else { Cause::NotSent(why) } };
        let refusal = client.more.and_then(|more| more.refusal);
        let event = refusal.map_or(failed, |response| Event::Response { transaction: id, response });
        (!client.quiet).then_some(event)
    }

    /// The connection of `flow` is closed: what was written on it and has not been answered at all is over now and not at
    /// Timer F or B. It may have arrived, so only what may be done twice goes on (RFC 3261 sections 17.1.4 and 18.4).
    /// What could not be written is told with [`Endpoint::undeliverable`], and before this. Connections to one address for
    /// several domains are not told apart.
    pub fn flow_closed(&mut self, flow: &Flow, now: Now, events: &mut Vec<Event>) {
        let target = Target { transport: flow.transport, addr: flow.remote };
        if !self.connections.contains_key(&target) {
            return;
        }
        let waits = |client: &Client| client.target == target && !client.machine.heard();
        let mut broken: Vec<_> =
            self.clients.iter().filter(|(_, client)| waits(client)).map(|(id, client)| (*id, client.attempt)).collect();
        broken.sort_unstable();
        if !broken.is_empty() {
            self.report(target, Outcome::Broken);
        }
        for (id, attempt) in broken {
            events.extend(self.on_broken(id, attempt, now));
        }
    }

    fn on_broken(&mut self, id: ClientId, attempt: u32, now: Now) -> Option<Event> {
        let client = self.clients.get_mut(&id).filter(|client| client.attempt == attempt)?;
        let reliable = client.target.transport.is_reliable();
        if !client.machine.fail(&self.config.timing, reliable, now) {
            return None;
        }
        let again = may_be_done_twice(&client.method);
        self.end_attempt(id);
        if again && self.go_on(id, now) {
            return None;
        }
        let client = self.clients.remove(&id)?;
        (!client.quiet).then_some(Event::Failed { transaction: id, cause: Cause::Broken })
    }

    pub(super) fn on_client_alarm(&mut self, id: ClientId, alarm: u32, now: Now) -> Option<Event> {
        let client = self.clients.get_mut(&id).filter(|client| client.alarm == alarm)?;
        let reliable = client.target.transport.is_reliable();
        match client.machine.due(&self.config.timing, reliable, now) {
            Due::Retransmit => {
                self.stats.retransmissions_sent += 1;
                let origin = Origin::Client(id, client.attempt);
                let again = transmit(client.target, client.domain.clone(), origin, client.bytes.to_vec());
                self.transmits.push_back(Transmit { again: true, ..again });
            }
            Due::TimedOut { heard } => {
                let (target, again, quiet) = (client.target, may_be_done_twice(&client.method), client.quiet);
                self.stats.timeouts += 1;
                self.end_attempt(id);
                if !heard {
                    self.report(target, Outcome::Silent);
                    if again && self.go_on(id, now) {
                        return None;
                    }
                }
                self.clients.remove(&id);
                return (!quiet).then_some(Event::TimedOut { transaction: id, heard });
            }
            Due::Forget => {
                self.end_attempt(id);
                self.clients.remove(&id);
                return None;
            }
            Due::Nothing => {}
        }
        self.set_client_alarm(id, now);
        None
    }

    pub(super) fn set_client_alarm(&mut self, id: ClientId, now: Now) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        client.alarm = client.alarm.wrapping_add(1);
        if let Some(at) = client.machine.next_timeout() {
            self.alarms.set(Alarm::Client(id, client.alarm), at, now);
        }
    }
}

impl Client {
    /// A CANCEL for the request of `invite`, to where that went (RFC 3261 section 9.1).
    pub(super) fn cancel(invite: &Client, key: Key, timing: &Timing, now: Now) -> Self {
        Self {
            machine: Machine::start(&Method::Cancel, timing, invite.target.transport.is_reliable(), now),
            method: Method::Cancel,
            key,
            target: invite.target,
            switched: false,
            relayed: false,
            quiet: true,
            attempt: 0,
            alarm: 0,
            via: (0, 0),
            bytes: Box::default(),
            domain: invite.domain.clone(),
            more: None,
        }
    }

    /// Nothing more is tried after the attempt that runs.
    pub(super) fn drop_rest(&mut self) {
        if let Some(more) = &mut self.more {
            more.rest = Vec::new().into_iter();
        }
    }
}

impl Machine {
    pub(super) fn start(method: &Method, timing: &Timing, reliable: bool, now: Now) -> Self {
        if *method == Method::Invite {
            return Machine::Invite(Box::new(Calling::start(timing, reliable, now)));
        }
        Machine::NonInvite(NonInvite::start(timing, reliable, now))
    }

    /// Whether any response came.
    fn heard(&self) -> bool {
        match self {
            Machine::NonInvite(machine) => machine.heard(),
            Machine::Invite(calling) => !calling.machine.is_calling(),
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Duration> {
        match self {
            Machine::NonInvite(machine) => machine.next_timeout(),
            Machine::Invite(calling) => calling.machine.next_timeout(),
        }
    }

    /// The transport failed. `false`: that changes nothing any more.
    fn fail(&mut self, timing: &Timing, reliable: bool, now: Now) -> bool {
        match self {
            Machine::NonInvite(machine) => machine.on(Input::NotSent, timing, reliable, now) == Effect::Failed,
            Machine::Invite(calling) => {
                calling.machine.on(calling::Input::NotSent, timing, reliable, now) == calling::Effect::Failed
            }
        }
    }

    fn due(&mut self, timing: &Timing, reliable: bool, now: Now) -> Due {
        match self {
            Machine::NonInvite(machine) => match machine.on(Input::Due, timing, reliable, now) {
                Effect::Retransmit => Due::Retransmit,
                Effect::TimedOut { heard } => Due::TimedOut { heard },
                Effect::Nothing | Effect::Provisional | Effect::Complete(_) | Effect::Failed => Due::Nothing,
            },
            Machine::Invite(calling) => match calling.machine.on(calling::Input::Due, timing, reliable, now) {
                calling::Effect::Retransmit => Due::Retransmit,
                calling::Effect::TimedOut { heard } => Due::TimedOut { heard },
                calling::Effect::Forget => Due::Forget,
                calling::Effect::Nothing
                | calling::Effect::Provisional
                | calling::Effect::Accept { .. }
                | calling::Effect::Refuse(_)
                | calling::Effect::Failed => Due::Nothing,
            },
        }
    }
}

/// Whether a server may get the request although another one may have done it already. An INVITE may: a server that has
/// it says 100 within 200 ms, and until then nobody's phone rings.
fn may_be_done_twice(method: &Method) -> bool {
    matches!(
        method,
        Method::Invite | Method::Options | Method::Subscribe | Method::Notify | Method::Register | Method::Publish
    )
}
