//! INVITEs of ours: what they need besides a target after the other (RFC 3261 sections 9.1, 13.2 and 17.1.1).

use std::sync::Arc;

use super::attempt::transmit;
use super::client::{Client, Machine};
use super::{ClientId, Endpoint, Event, Origin, Outcome, Target, head};
use crate::sip::message::{Response, Status};
use crate::sip::transaction::calling::{Effect, Input, Invite};
use crate::sip::transaction::key::Key;
use crate::sip::transaction::timers::Timing;
use crate::time::Now;

/// One INVITE and what became of the wish to take it back.
#[derive(Debug)]
pub(super) struct Calling {
    pub(super) machine: Invite,
    cancel: Cancel,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cancel {
    No,
    /// Section 9.1: a CANCEL waits until the server has said that it has the INVITE.
    Wanted,
    Sent,
}

/// The ACK of an INVITE that was refused: for Timer D the refusal gets it again.
#[derive(Debug)]
pub(super) struct Acknowledged {
    target: Target,
    domain: Option<Arc<str>>,
    ack: Box<[u8]>,
}

impl Calling {
    pub(super) fn start(timing: &Timing, reliable: bool, now: Now) -> Self {
        Self { machine: Invite::start(timing, reliable, now), cancel: Cancel::No }
    }
}

impl Endpoint {
    /// Takes an INVITE of ours back, unless it has its final response. The CANCEL is sent once a provisional response has
    /// come (RFC 3261 section 9.1). Whatever happens, the INVITE still ends with one of the usual events: as a rule
    /// with 487, and if nobody says anything after 64 * T1. Requests other than INVITE are not cancelled.
    pub fn cancel(&mut self, id: ClientId, now: Now) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let Machine::Invite(calling) = &mut client.machine else { return };
        if calling.cancel != Cancel::No {
            return;
        }
        calling.cancel = Cancel::Wanted;
        client.drop_rest();
        self.send_cancel(id, now);
    }

    pub(super) fn on_invite_response(&mut self, id: ClientId, response: Response, now: Now) -> Option<Event> {
        let client = self.clients.get_mut(&id)?;
        let (target, key) = (client.target, client.key);
        let Machine::Invite(calling) = &mut client.machine else { return None };
        let input = match response.status.class() {
            1 => Input::Provisional,
            2 => Input::Success,
            _ => Input::Refusal,
        };
        match calling.machine.on(input, &self.config.timing, target.transport.is_reliable(), now) {
            Effect::Provisional => {
                self.report(target, Outcome::Worked);
                self.send_cancel(id, now);
                Some(Event::Provisional { transaction: id, response })
            }
            Effect::Accept { first: true } => {
                client.bytes = Box::default();
                self.report(target, Outcome::Worked);
                self.set_client_alarm(id, now);
                Some(Event::Response { transaction: id, response })
            }
            Effect::Accept { first: false } => Some(Event::Accepted { transaction: id, response }),
            Effect::Refuse(linger) => {
                let ack = head::ack(&client.bytes, &response).unwrap_or_default();
                let domain = client.domain.clone();
                if !ack.is_empty() {
                    self.transmits.push_back(transmit(target, domain.clone(), Origin::Stateless, ack.clone()));
                }
                self.end_attempt(id);
                if !linger.is_zero() && !ack.is_empty() {
                    let acknowledged = Acknowledged { target, domain, ack: ack.into_boxed_slice() };
                    self.acknowledged.insert(key, acknowledged, now);
                }
                self.on_final(id, response, now)
            }
            Effect::Nothing | Effect::Retransmit | Effect::TimedOut { .. } | Effect::Failed | Effect::Forget => None,
        }
    }

    /// A response to what has ended: one sent again, or one to nothing we asked.
    pub(super) fn on_absorbed(&mut self, key: Key, response: &Response) {
        if let Some(Acknowledged { target, domain, ack }) = self.acknowledged.get(&key)
            && response.status >= Status::MULTIPLE_CHOICES
        {
            self.stats.retransmissions_received += 1;
            self.transmits.push_back(transmit(*target, domain.clone(), Origin::Stateless, ack.to_vec()));
        } else if self.absorbing.get(&key).is_some() {
            self.stats.retransmissions_received += 1;
        } else {
            self.stats.stray_responses += 1;
        }
    }

    /// Sends the CANCEL that is wanted, if it may be sent now. It is a transaction of its own on the branch of the
    /// INVITE, and nobody waits for its answer.
    fn send_cancel(&mut self, id: ClientId, now: Now) {
        let timing = self.config.timing;
        let Some(client) = self.clients.get_mut(&id) else { return };
        let Machine::Invite(calling) = &mut client.machine else { return };
        if calling.cancel != Cancel::Wanted || !calling.machine.is_proceeding() {
            return;
        }
        calling.cancel = Cancel::Sent;
        calling.machine.on(Input::Cancelled, &timing, client.target.transport.is_reliable(), now);
        if let Some((branch, bytes)) = head::cancel(&client.bytes) {
            let key = self.keys.client(branch.as_bytes(), b"CANCEL");
            let mut cancel = Box::new(Client::cancel(client, key, &timing, now));
            cancel.bytes = Box::from(bytes.as_slice());
            self.client_count += 1;
            let cancel_id = ClientId(self.client_count);
            self.open_attempt(cancel_id, &mut cancel, now);
            let origin = Origin::Client(cancel_id, 0);
            self.transmits.push_back(transmit(cancel.target, cancel.domain.clone(), origin, bytes));
            self.clients.insert(cancel_id, cancel);
        }
        self.set_client_alarm(id, now);
    }
}
