//! XMPP to SIP: a message stanza becomes a MESSAGE, and its final response an outcome.
//!
//! ```text
//!  on_message -> enter the pair's line -> start -> locate -> request ... on_response, on_timed_out, on_failed
//!                      |                                                       |
//!                      +-- waits <------------------- whose turn is it? <------+
//! ```
//! 2xx: the sender hears nothing (RFC 3428 section 7: it says no more than that the next hop has it). Everything else
//! is one error stanza with the sender's own `id` (RFC 7247 section 7.2).

use std::time::Duration;

use super::lines::{Entered, Pair};
use super::recent::Print;
use super::stats::ToSip;
use super::{Gateway, Link, LookupId, Output, Size, limits};
use crate::mapping::message::Outgoing;
use crate::model::{Content, Failure, InstantMessage, Reason};
use crate::sip::endpoint::{Cause, ClientId, Large, NotStarted};
use crate::sip::locate::{self, Answer, Locator, Query, Step, Target, Transport};
use crate::sip::message::{Request, Response, Status};
use crate::time::Now;
use crate::xmpp::jid::Jid;
use crate::xmpp::stanza::{Message, Stanza};

/// Whom to tell, and about what: all of the stanza that an error needs.
#[derive(Debug)]
pub(super) struct Sender {
    /// What the log calls this message.
    number: u64,
    link: Link,
    from: Jid,
    to: Jid,
    id: Option<String>,
    /// A typing state: nobody wants to hear that it did not arrive.
    quiet: bool,
    /// What a repetition would be known by.
    print: Option<Print>,
}

/// A message in a line.
#[derive(Debug)]
pub(super) struct Letter {
    message: InstantMessage,
    sender: Sender,
    since: Duration,
}

/// A message whose MESSAGE is out.
#[derive(Debug)]
pub(super) struct Pending {
    pair: Pair,
    sender: Sender,
    /// Whether it went over TCP only because of its size.
    large: bool,
}

/// A message that waits for DNS.
#[derive(Debug)]
pub(super) struct Lookup {
    pair: Pair,
    letter: Letter,
    locator: Locator,
}

impl Gateway {
    pub(super) fn on_message(&mut self, link: Link, message: Message, now: Now) {
        if message.error().is_some() {
            self.on_error_message(&message, now);
            return;
        }
        let (Some(from), Some(to)) = (message.from.clone(), message.to.clone()) else {
            self.stats.stanzas_ignored += 1;
            return;
        };
        if self.is_at_home_in_sip(from.domain()) {
            // No server lets a user have an address of its component, so nobody is there to be told.
            tracing::debug!(link, "ignored: a stanza in the name of a SIP user");
            self.stats.stanzas_ignored += 1;
            return;
        }
        self.letter_count += 1;
        let mut sender =
            Sender { number: self.letter_count, link, from, to, id: message.id.clone(), quiet: false, print: None };
        if self.draining {
            self.refuse(&sender, &Failure::because(Reason::Overloaded, "the gateway is being stopped"), ToSip::Full);
            return;
        }
        let translated = self.mapping.xmpp_to_message(&message);
        let print = print(&message);
        match translated {
            Err(failure) => self.refuse(&sender, &failure, ToSip::Rejected),
            Ok(None) => self.stats.to_sip(ToSip::Nothing),
            Ok(Some(_)) if print.is_some_and(|print| self.recent.seen(print, now)) => {
                tracing::debug!(message = %sender, "a repeated stanza is not sent again");
                self.stats.to_sip(ToSip::Repeated);
            }
            Ok(Some(message)) => {
                sender.quiet = matches!(message.content, Content::Composing(_));
                if sender.quiet && self.no_typing.knows(Print::of(&sender.to.bare()), now) {
                    self.stats.to_sip(ToSip::Nothing);
                    return;
                }
                sender.print = print;
                self.enter(Letter { message, sender, since: now.mono }, now);
            }
        }
    }

    fn enter(&mut self, letter: Letter, now: Now) {
        let pair = Pair::new(letter.sender.from.bare(), letter.sender.to.bare());
        let bytes = limits::MESSAGE_OVERHEAD + texts(&letter.message);
        match self.lines.enter(&pair, letter, bytes) {
            Entered::Waits => {}
            Entered::Turn(letter) => {
                if !self.start(&pair, letter, now) {
                    self.take_turns(&pair, now);
                }
            }
            Entered::Full(letter) => {
                let failure = Failure::because(Reason::Overloaded, "too many messages wait to be delivered");
                self.refuse(&letter.sender, &failure, ToSip::Full);
            }
        }
    }

    /// The pending message of `pair` is done: the next that can be started is.
    fn take_turns(&mut self, pair: &Pair, now: Now) {
        while let Some(letter) = self.lines.next(pair) {
            if now.mono.saturating_sub(letter.since) > limits::LONGEST_WAIT {
                let failure = Failure::because(Reason::ServerTimeout, "messages before this one took too long");
                self.refuse(&letter.sender, &failure, ToSip::TimedOut);
            } else if self.start(pair, letter, now) {
                return;
            }
        }
    }

    /// Sends a message whose turn it is. `false`: it has already had its outcome.
    fn start(&mut self, pair: &Pair, letter: Letter, now: Now) -> bool {
        let Some(route) = self.settings.route(&letter.message.to.domain) else {
            self.refuse(&letter.sender, &Failure::new(Reason::ServerNotFound), ToSip::Unreachable);
            return false;
        };
        let (locator, step) = locate::locate(&route.next_hop);
        self.go_on(pair, letter, locator, step, now)
    }

    fn go_on(&mut self, pair: &Pair, letter: Letter, locator: Locator, step: Step, now: Now) -> bool {
        match step {
            Step::Found(targets) => self.send(pair, letter, targets, now),
            Step::Ask(query) => self.ask(pair, letter, locator, query),
            Step::NotFound(reason) => {
                self.refuse(&letter.sender, &not_located(reason), ToSip::Unreachable);
                false
            }
        }
    }

    fn ask(&mut self, pair: &Pair, letter: Letter, locator: Locator, query: Query) -> bool {
        if self.lookups.len() >= limits::LOOKUPS {
            let failure = Failure::because(Reason::Overloaded, "too many DNS questions are open");
            self.refuse(&letter.sender, &failure, ToSip::Full);
            return false;
        }
        self.lookup_count += 1;
        self.lookups.insert(self.lookup_count, Lookup { pair: pair.clone(), letter, locator });
        self.outputs.push(Output::Locate(self.lookup_count, query));
        true
    }

    pub(super) fn on_located(&mut self, id: LookupId, answer: Answer, now: Now) {
        let Some(Lookup { pair, letter, mut locator }) = self.lookups.remove(&id) else { return };
        let step = locator.answer(answer);
        if !self.go_on(&pair, letter, locator, step, now) {
            self.take_turns(&pair, now);
        }
    }

    fn send(&mut self, pair: &Pair, letter: Letter, mut targets: Vec<Target>, now: Now) -> bool {
        let Letter { message, sender, .. } = letter;
        self.cseq = self.cseq % limits::LAST_CSEQ + 1;
        let (from_tag, call_id) = (self.ids.tag(), self.ids.call_id());
        let outgoing = Outgoing { from_tag: &from_tag, call_id: &call_id, cseq: self.cseq, language: None };
        let request = match self.mapping.message_to_sip(&message, &outgoing) {
            Ok(request) => request,
            Err(failure) => {
                self.refuse(&sender, &failure, ToSip::Rejected);
                return false;
            }
        };
        let large = self.is_too_large(&request, &message.to.domain, &targets);
        if large == Some(Size::Refuse) {
            self.refuse(&sender, &too_large(), ToSip::TooLarge);
            return false;
        }
        if large == Some(Size::Tcp) {
            for target in &mut targets {
                target.transport = Transport::Tcp;
            }
        }
        match self.endpoint.request(&request, targets, Large::UseUdp, now) {
            Ok(transaction) => {
                let call_id = request.headers.call_id();
                tracing::debug!(message = %sender, id = sender.id, call_id, %transaction, "message from XMPP sent to SIP");
                let pending = Pending { pair: pair.clone(), sender, large: large.is_some() };
                self.pending.insert(transaction, pending);
                true
            }
            Err(NotStarted::Overload) => {
                let failure = Failure::because(Reason::Overloaded, "too many requests wait for answers");
                self.refuse(&sender, &failure, ToSip::Full);
                false
            }
            Err(NotStarted::NoTarget) => {
                let failure = Failure::because(Reason::Unreachable, "no transport leads to the SIP server");
                self.refuse(&sender, &failure, ToSip::Unreachable);
                false
            }
        }
    }

    /// What the route says about a request that is too large for the UDP target it would go to first.
    fn is_too_large(&self, request: &Request, domain: &str, targets: &[Target]) -> Option<Size> {
        let route = self.settings.route(domain)?;
        let udp = targets.first().is_some_and(|target| target.transport == Transport::Udp);
        let size = || self.endpoint.size_with_via(request, Transport::Udp);
        (udp && size() > route.max_message).then_some(route.large)
    }

    pub(super) fn on_response(&mut self, transaction: ClientId, response: &Response, now: Now) {
        let Some(pending) = self.pending.remove(&transaction) else { return };
        match self.mapping.status_to_failure(response) {
            None => {
                tracing::debug!(message = %pending.sender, status = response.status.code(), "message taken by SIP");
                self.stats.to_sip(ToSip::Delivered);
            }
            Some(failure) => {
                if pending.sender.quiet && response.status == Status::UNSUPPORTED_MEDIA_TYPE {
                    self.no_typing.seen(Print::of(&pending.sender.to.bare()), now);
                }
                self.refuse(&pending.sender, &failure, ToSip::Refused);
            }
        }
        self.take_turns(&pending.pair, now);
    }

    /// Nobody answered for 64 * T1, so whoever waits in the same line would wait as long for nothing: all of them are
    /// told now.
    pub(super) fn on_timed_out(&mut self, transaction: ClientId, heard: bool, _now: Now) {
        let Some(pending) = self.pending.remove(&transaction) else { return };
        let text = if heard { "the SIP side did not finish in time" } else { "the SIP side did not answer" };
        let failure = Failure::because(Reason::ServerTimeout, text);
        self.end_line(&pending.pair, &pending.sender, &failure);
    }

    /// The pending message of a line and everybody behind it.
    fn end_line(&mut self, pair: &Pair, sender: &Sender, failure: &Failure) {
        self.refuse(sender, failure, ToSip::TimedOut);
        for letter in self.lines.close(pair) {
            self.refuse(&letter.sender, failure, ToSip::TimedOut);
        }
    }

    pub(super) fn on_failed(&mut self, transaction: ClientId, cause: Cause, now: Now) {
        let Some(pending) = self.pending.remove(&transaction) else { return };
        match cause {
            Cause::TooLarge => self.refuse(&pending.sender, &too_large(), ToSip::TooLarge),
            Cause::NotSent(why) if pending.large => {
                let text =
                    format!("the message is too long for UDP, and the SIP server cannot be reached over TCP: {why}");
                self.refuse(&pending.sender, &Failure::because(Reason::TooLarge, text), ToSip::TooLarge);
            }
            Cause::NotSent(why) => {
                let failure = Failure::because(Reason::Unreachable, format!("the SIP server cannot be reached: {why}"));
                self.refuse(&pending.sender, &failure, ToSip::Unreachable);
            }
        }
        self.take_turns(&pending.pair, now);
    }

    /// Everything on its way to SIP is given up: the process ends. Whether a pending one arrived is not known.
    pub(super) fn give_up_to_sip(&mut self) {
        let failure = Failure::because(Reason::ServerTimeout, "the gateway was stopped before the SIP side answered");
        for (_, pending) in std::mem::take(&mut self.pending) {
            self.end_line(&pending.pair, &pending.sender, &failure);
        }
        for (_, lookup) in std::mem::take(&mut self.lookups) {
            self.end_line(&lookup.pair, &lookup.letter.sender, &failure);
        }
    }

    /// The one door by which a failure leaves towards XMPP.
    fn refuse(&mut self, sender: &Sender, failure: &Failure, outcome: ToSip) {
        let outcome = if sender.quiet { ToSip::Nothing } else { outcome };
        self.stats.to_sip(outcome);
        if let Some(print) = sender.print {
            self.recent.forget(print);
        }
        tracing::debug!(message = %sender, reason = ?failure.reason, ?outcome, "message from XMPP not delivered");
        if sender.quiet {
            return;
        }
        let original = Message {
            from: Some(sender.from.clone()),
            to: Some(sender.to.clone()),
            id: sender.id.clone(),
            ..Message::default()
        };
        let error = self.mapping.failure_to_stanza_error(failure);
        if let Some(reply) = original.error_reply(error) {
            self.tell(sender.link, Stanza::Message(reply));
        }
    }
}

/// As the log names the message: the same in all lines about it.
impl std::fmt::Display for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "x{}", self.number)
    }
}

/// A message without `id` cannot be told from another with the same words.
fn print(message: &Message) -> Option<Print> {
    let id = message.id.as_ref()?;
    let bodies: Vec<_> = message.bodies().collect();
    let from = message.from.as_ref().map(Jid::as_str);
    let to = message.to.as_ref().map(Jid::as_str);
    Some(Print::of(&(from, to, id, bodies)))
}

/// Bytes of everything in a message that its sender can make long.
fn texts(message: &InstantMessage) -> usize {
    let bodies = match &message.content {
        Content::Text { bodies, .. } => bodies.as_slice(),
        Content::Composing(_) => &[],
    };
    let texts = bodies.iter().chain(&message.subjects).map(|text| text.text.len());
    let words = [&message.id, &message.thread, &message.nick].into_iter().flatten().map(String::len);
    texts.chain(words).sum()
}

fn too_large() -> Failure {
    Failure::because(Reason::TooLarge, "the message is too long for the way to its recipient")
}

fn not_located(reason: locate::Reason) -> Failure {
    Failure::because(Reason::ServerNotFound, format!("the SIP server was not found: {reason}"))
}
