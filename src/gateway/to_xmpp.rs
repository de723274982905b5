//! SIP to XMPP: a MESSAGE becomes a stanza, and what the XMPP side says becomes the final response.
//!
//! | what is heard of the stanza | the sender gets |
//! |---|---|
//! | the recipient's server answered a ping sent behind it | 200 |
//! | an error stanza, before that | its status (RFC 7247 section 7.1) |
//! | nothing within `message.confirm_within`, and the time that a stream to another server may take | 202; what comes later is counted |
//! | the link broke | 503 with Retry-After |

use super::confirm::RelayId;
use super::stats::ToXmpp;
use super::{Gateway, Link, Output, Timer, limits};
use crate::model::{Content, Failure, Reason};
use crate::sip::endpoint::ServerId;
use crate::sip::message::header::NameAddr;
use crate::sip::message::{Request, Status};
use crate::time::Now;
use crate::xmpp::jid::Jid;
use crate::xmpp::stanza::{Condition, Iq, IqKind, Message, Stanza};

/// A message from SIP whose stanza is on its link.
#[derive(Debug)]
pub(super) struct Relay {
    transaction: ServerId,
    /// Without its body. `None`: 202 was said, so it is only remembered.
    request: Option<Request>,
    /// What it takes of `bytes_to_xmpp`.
    bytes: usize,
    id: String,
    to: Jid,
}

impl Gateway {
    /// A MESSAGE to be served; `asserted` is who sent it, if that is not From (RFC 3325).
    pub(super) fn on_message_request(
        &mut self,
        transaction: ServerId,
        request: Request,
        asserted: Option<&NameAddr>,
        now: Now,
    ) {
        if self.draining {
            let failure = Failure::because(Reason::Unreachable, "the gateway is being stopped");
            let failure = failure.retry_after(limits::LINK_RETRY_AFTER);
            self.deny(transaction, &request, &failure, ToXmpp::LinkDown, now);
            return;
        }
        let mut request = request;
        let readdressed = self.readdress(&mut request);
        let read = readdressed.and_then(|()| self.mapping.sip_to_message_of(&request, asserted, now.wall));
        let message = match read {
            Err(failure) => {
                self.deny(transaction, &request, &failure, ToXmpp::Rejected, now);
                return;
            }
            Ok(None) => {
                self.stats.to_xmpp(ToXmpp::Nothing);
                self.respond(transaction, request.response(Status::OK), now);
                return;
            }
            Ok(Some(mut message)) => {
                message.hops = message.hops.map(|hops| hops.min(limits::MAX_HOPS));
                message
            }
        };
        if self.is_at_home_in_sip(&message.to.domain) {
            // Through XMPP it would come back to us, and to the SIP side in our name.
            let failure = Failure::because(Reason::AddressUnknown, "the recipient is a SIP user");
            self.deny(transaction, &request, &failure, ToXmpp::Rejected, now);
            return;
        }
        let typing = matches!(message.content, Content::Composing(_));
        match self.mapping.message_to_xmpp(&message) {
            Ok(stanza) if typing => {
                if let Some(from) = &stanza.from {
                    self.on_typing_from(from, now);
                }
                self.relay(transaction, request, stanza, now);
            }
            Err(failure) => self.deny(transaction, &request, &failure, ToXmpp::Rejected, now),
            Ok(stanza) => self.relay(transaction, request, stanza, now),
        }
    }

    fn relay(&mut self, transaction: ServerId, request: Request, stanza: Message, now: Now) {
        let link = stanza.from.as_ref().and_then(|from| self.settings.link_of(from.domain()));
        let (Some(link), Some(to)) = (link, stanza.to.clone()) else {
            self.deny(transaction, &request, &Failure::new(Reason::AddressUnknown), ToXmpp::Rejected, now);
            return;
        };
        // The headers are kept here and, those that answers repeat, once more by their transaction.
        let bytes = 2 * request.headers.len_bytes() + limits::MESSAGE_OVERHEAD;
        let is_full =
            self.open >= self.settings.messages_to_xmpp || self.open_bytes + bytes > self.settings.bytes_to_xmpp;
        if !self.link_is_up(link) || is_full {
            self.deny(transaction, &request, &link_down(), ToXmpp::LinkDown, now);
            return;
        }
        self.relay_count += 1;
        let relay = self.relay_count;
        let id = stanza.id.clone().unwrap_or_default();
        tracing::debug!(message = %transaction, id, "message from SIP put on the XMPP link");
        self.confirmations.sent(link, to.domain(), relay);
        self.relay_of.insert(id.clone(), relay);
        // Only what an answer is made of: bodies would be most of the memory that waiting takes.
        let mut request = request;
        request.drop_body();
        self.relays.insert(relay, Relay { transaction, request: Some(request), bytes, id, to });
        self.open += 1;
        self.open_bytes += bytes;
        self.timers.set(now, self.settings.patience(link), Timer::Confirm(relay));
        self.outputs.push(Output::Stanza(link, Stanza::Message(stanza)));
    }

    /// At the end of a step: a ping behind everything the step sent.
    pub(super) fn send_pings(&mut self, now: Now) {
        let ids = &mut self.ids;
        for ping in self.confirmations.due(|| ids.stanza_id()) {
            let from = self.settings.links.get(ping.link).and_then(|domain| Jid::parse(domain).ok());
            let (Some(from), Ok(to)) = (from, Jid::parse(&ping.domain)) else { continue };
            self.timers.set(now, self.settings.patience(ping.link), Timer::Ping(ping.id.as_str().into()));
            self.outputs.push(Output::Stanza(ping.link, Stanza::Iq(Iq::ping(from, to, ping.id))));
        }
    }

    /// An answer to a query of ours: result or error, either says that the server got that far. A user of the server
    /// does not speak for it.
    pub(super) fn on_answer(&mut self, link: Link, iq: &Iq, now: Now) {
        let Some(from) = &iq.from else { return };
        if from.as_str() != from.domain() {
            return self.serve_on_answer(iq, now);
        }
        let before = self.confirmations.answered(link, from.domain(), &iq.id).unwrap_or_default();
        if link >= self.settings.components && is_from_us(iq) {
            // What was before it has come back too, or is on a stream that takes no more: nobody has confirmed it.
            for outcome in before {
                if let Some(outcome) = self.outcomes.remove(&outcome) {
                    self.tell_again(link, outcome, now);
                }
            }
            return;
        }
        for relay in before {
            self.outcomes.remove(&relay);
            let Some(Relay { transaction, request: Some(request), .. }) = self.take_relay(relay) else { continue };
            tracing::debug!(message = %transaction, "message to XMPP confirmed");
            self.stats.to_xmpp(ToXmpp::Delivered);
            self.respond(transaction, request.response(Status::OK), now);
        }
    }

    /// An error about a message: of one of ours, it is the true outcome; of anything else, it is nobody's.
    pub(super) fn on_error_message(&mut self, message: &Message, now: Now) {
        let found = message.id.as_deref().and_then(|id| self.relay_of.get(id).copied());
        let is_its_own = |relay: &Relay| message.from.as_ref().is_some_and(|from| from.resembles(&relay.to));
        let relay = found.filter(|relay| self.relays.get(relay).is_some_and(is_its_own));
        let (Some(relay), Some(error)) = (relay.and_then(|relay| self.take_relay(relay)), message.error()) else {
            self.stats.late_errors += 1;
            return;
        };
        let Some(request) = relay.request else {
            self.stats.late_errors += 1;
            tracing::info!(
                message = %relay.transaction,
                id = relay.id,
                condition = error.condition.name(),
                "a message answered 202 was refused later"
            );
            return;
        };
        let failure = self.mapping.stanza_error_to_failure(&error);
        let full = message.from.as_ref().is_some_and(|from| !from.is_bare());
        let home = message.to.as_ref().and_then(|to| self.mapping.domain_of_xmpp(to.domain()));
        let global = home.is_none_or(|domain| domain.global_failures);
        let response = self.mapping.failure_to_status(&failure, full, global).to_response(&request);
        tracing::debug!(message = %relay.transaction, status = response.status.code(), "message refused by XMPP");
        self.stats.to_xmpp(ToXmpp::Refused);
        self.respond(relay.transaction, response, now);
    }

    pub(super) fn on_unconfirmed(&mut self, id: RelayId, now: Now) {
        let Some(relay) = self.relays.get_mut(&id) else { return };
        let Some(request) = relay.request.take() else { return };
        let (transaction, held, response) = (relay.transaction, relay.bytes, request.response(Status::ACCEPTED));
        self.open -= 1;
        self.open_bytes -= held;
        self.told.push_back(id);
        tracing::debug!(message = %transaction, "message to XMPP not confirmed in time");
        self.stats.to_xmpp(ToXmpp::Unconfirmed);
        self.timers.set(now, limits::LATE, Timer::Forget(id));
        self.respond(transaction, response, now);
        // What is only remembered takes no room from what is open, and has as much of its own.
        if self.told.len() > self.settings.messages_to_xmpp
            && let Some(oldest) = self.told.front().copied()
        {
            self.forget(oldest);
        }
    }

    pub(super) fn forget(&mut self, id: RelayId) {
        while self.told.front().is_some_and(|told| *told <= id) {
            self.told.pop_front();
        }
        self.take_relay(id);
    }

    /// Nobody waits for the answer to this ping any more.
    pub(super) fn on_ping_unanswered(&mut self, id: &str, now: Now) {
        let forgotten = self.confirmations.forget_ping(id, now);
        if let Some((server, times)) = forgotten.again {
            self.timers.set_at(now.mono + self.settings.confirm_within * times, Timer::AskAgain(Box::new(server)));
        }
        for given_up in forgotten.given_up {
            self.outcomes.remove(&given_up);
        }
    }

    pub(super) fn fail_link(&mut self, link: Link, now: Now) {
        let unconfirmed = self.confirmations.link_down(link);
        self.fail_unconfirmed(link, unconfirmed, now);
    }

    pub(super) fn fail_domain(&mut self, link: Link, domain: &str, now: Now) {
        let unconfirmed = self.confirmations.server_down(link, domain);
        self.fail_unconfirmed(link, unconfirmed, now);
    }

    fn fail_unconfirmed(&mut self, link: Link, unconfirmed: Vec<RelayId>, now: Now) {
        let before = self.stats.lost_after_202;
        for id in unconfirmed {
            if let Some(relay) = self.take_relay(id) {
                self.lose(relay, now);
            } else if let Some(outcome) = self.outcomes.remove(&id) {
                self.tell_again(link, outcome, now);
            }
        }
        let lost = self.stats.lost_after_202 - before;
        if lost > 0 {
            tracing::warn!(lost, "messages answered 202 were on a link that broke; they may be lost");
        }
    }

    /// A stanza of ours did not get onto its link.
    pub(super) fn on_message_unsent(&mut self, message: &Message, now: Now) {
        let id = message.id.as_deref().and_then(|id| self.relay_of.get(id).copied());
        if let Some(relay) = id.and_then(|id| self.take_relay(id)) {
            self.lose(relay, now);
        }
    }

    /// Everything on its way to XMPP is given up: the process ends.
    pub(super) fn give_up_to_xmpp(&mut self, now: Now) {
        let failure = Failure::because(Reason::ServerTimeout, "the gateway was stopped before XMPP confirmed");
        for id in self.relays.keys().copied().collect::<Vec<_>>() {
            let Some(Relay { transaction, request: Some(request), .. }) = self.take_relay(id) else { continue };
            self.deny(transaction, &request, &failure, ToXmpp::LinkDown, now);
        }
    }

    fn lose(&mut self, relay: Relay, now: Now) {
        if let Some(request) = relay.request {
            self.deny(relay.transaction, &request, &link_down(), ToXmpp::LinkDown, now);
        } else {
            self.stats.lost_after_202 += 1;
            tracing::debug!(message = %relay.transaction, id = relay.id, "a message answered 202 was on a link that broke");
        }
    }

    fn take_relay(&mut self, id: RelayId) -> Option<Relay> {
        let relay = self.relays.remove(&id)?;
        if relay.request.is_some() {
            self.open -= 1;
            self.open_bytes -= relay.bytes;
        }
        if self.relay_of.get(&relay.id) == Some(&id) {
            self.relay_of.remove(&relay.id);
        }
        Some(relay)
    }

    /// The one door by which a failure of ours leaves towards SIP.
    fn deny(&mut self, transaction: ServerId, request: &Request, failure: &Failure, outcome: ToXmpp, now: Now) {
        self.stats.to_xmpp(outcome);
        let response = self.mapping.failure_to_status(failure, true, false).to_response(request);
        tracing::debug!(message = %transaction, reason = ?failure.reason, status = response.status.code(), "message from SIP not delivered");
        self.respond(transaction, response, now);
    }
}

/// Whether this answer was made here, because the server could not be reached: a server does not say so of itself.
fn is_from_us(iq: &Iq) -> bool {
    let IqKind::Error(error) = &iq.kind else { return false };
    matches!(
        error.condition,
        Condition::RemoteServerNotFound
            | Condition::RemoteServerTimeout
            | Condition::ResourceConstraint
            | Condition::NotAllowed
            | Condition::InternalServerError
    )
}

fn link_down() -> Failure {
    Failure::because(Reason::Unreachable, "the XMPP side is away").retry_after(limits::LINK_RETRY_AFTER)
}
