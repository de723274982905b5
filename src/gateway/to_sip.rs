//! XMPP to SIP: a message stanza becomes a MESSAGE, and its final response an outcome.
//!
//! ```text
//!  on_message -> enter the pair's line -> start -> send_out (errand) ... on_letter_end
//!                      |                                                       |
//!                      +-- waits <------------------- whose turn is it? <------+
//! ```
//! 2xx: the sender hears nothing (RFC 3428 section 7: it says no more than that the next hop has it). Everything else
//! is one error stanza with the sender's own `id` (RFC 7247 section 7.2).

use std::time::Duration;

use super::errand::{End, Purpose, RouteId};
use super::lines::{Entered, Pair};
use super::people::UserId;
use super::recent::Print;
use super::stats::ToSip;
use super::{Gateway, Link, limits};
use crate::mapping::message::{Form, Outgoing};
use crate::model::{Content, Failure, InstantMessage, Reason};
use crate::sip::locate;
use crate::sip::message::Response;
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

/// A message whose MESSAGE is on its way.
#[derive(Debug)]
pub(super) struct Pending {
    pair: Pair,
    sender: Sender,
    /// Kept for the case that it has to be said in another form.
    message: InstantMessage,
    form: Form,
    /// It has been said in two forms.
    again: bool,
    /// The sender's own account on the SIP server, if there is one.
    user: Option<UserId>,
}

impl Pending {
    pub(super) fn user(&self) -> Option<UserId> {
        self.user
    }
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
        if self.serve_on_event(&message, now) {
            self.stats.to_sip(ToSip::Nothing);
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
                if sender.quiet && !self.takes_typing(&sender.to, now) {
                    self.stats.to_sip(ToSip::Nothing);
                    return;
                }
                sender.print = print;
                self.enter(Letter { message, sender, since: now.mono }, now);
            }
        }
    }

    fn enter(&mut self, letter: Letter, now: Now) {
        let pair = Pair::new(letter.sender.from.bare(), &self.known_by(&letter.sender.to));
        let bytes = limits::MESSAGE_OVERHEAD + texts(&letter.message);
        if !letter.sender.quiet {
            self.outcome_is_open(letter.sender.link, &letter.sender.from, letter.sender.number);
        }
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
        let Letter { message, sender, .. } = letter;
        let Some(route) = self.settings.route_of(&message.to.domain) else {
            self.refuse(&sender, &Failure::new(Reason::ServerNotFound), ToSip::Unreachable);
            return false;
        };
        self.cseq = self.cseq % limits::LAST_CSEQ + 1;
        let (from_tag, call_id) = (self.ids.tag(), self.ids.call_id());
        let outgoing = Outgoing { from_tag: &from_tag, call_id: &call_id, cseq: self.cseq, language: None };
        let form = self.form_for(route, &sender.to, now);
        let user = self.people.find(route, &sender.from);
        let letter = Pending { pair: pair.clone(), sender, message, form, again: false, user };
        self.dispatch(route, letter, &outgoing, now)
    }

    /// Writes a message in its form and sends it. `false`: it has already had its outcome.
    fn dispatch(&mut self, route: RouteId, letter: Pending, outgoing: &Outgoing<'_>, now: Now) -> bool {
        let written = self.mapping.message_to_sip_as(&letter.message, outgoing, letter.form);
        let signed = written.and_then(|mut request| match letter.user {
            Some(user) => self.sign(user, &mut request).map(|()| request),
            None => Ok(request),
        });
        let request = match signed {
            Ok(request) => request,
            Err(failure) => {
                self.refuse(&letter.sender, &failure, ToSip::Rejected);
                return false;
            }
        };
        let most = self.settings.routes.get(route).map_or(usize::MAX, |(_, route)| route.max_body);
        if request.body().len() > most {
            self.refuse(&letter.sender, &too_long(most), ToSip::TooLarge);
            return false;
        }
        let Err(ended) = self.send_out(route, request, Purpose::Letter(letter), now) else { return true };
        let (purpose, end) = *ended;
        if let Purpose::Letter(letter) = purpose {
            self.settle(&letter, end);
        }
        false
    }

    /// The message is done, and so is the line behind it where nobody answered.
    pub(super) fn on_letter_end(&mut self, letter: Pending, end: End, now: Now) {
        if let End::Answered(response) = &end
            && let Some(form) = self.another_form(&letter, response, now)
        {
            let pair = letter.pair.clone();
            if !self.say_again(letter, form, response, now) {
                self.take_turns(&pair, now);
            }
            return;
        }
        self.settle(&letter, end);
        self.take_turns(&letter.pair, now);
    }

    /// Learns from an answer; the form to send the message in once more, if it asks for another.
    fn another_form(&mut self, letter: &Pending, response: &Response, now: Now) -> Option<Form> {
        if letter.sender.quiet {
            self.on_typing_answered(&letter.sender.to, response, now);
            return None;
        }
        let form = self.on_words_answered(&letter.sender.to, letter.form, response, now);
        form.filter(|_| !letter.again)
    }

    /// The same message in another form. The request continues the one that was answered: Call-ID and From tag stay, CSeq
    /// is the next (RFC 3261 section 8.1.3.5). `false`: it has already had its outcome.
    fn say_again(&mut self, letter: Pending, form: Form, response: &Response, now: Now) -> bool {
        let headers = &response.headers;
        let (from, cseq) = (headers.from().ok(), headers.cseq().ok());
        let tag = from.as_ref().and_then(|from| from.tag());
        let route = self.settings.route_of(&letter.message.to.domain);
        let (Some(tag), Some(cseq), Some(call_id), Some(route)) = (tag, cseq, headers.call_id(), route) else {
            self.on_answered(&letter.sender, response);
            return false;
        };
        tracing::debug!(message = %letter, ?form, "not taken in the form it had, sent in another");
        let cseq = cseq.number % limits::LAST_CSEQ + 1;
        let outgoing = Outgoing { from_tag: &tag, call_id, cseq, language: None };
        self.dispatch(route, Pending { form, again: true, ..letter }, &outgoing, now)
    }

    /// Gives a message its outcome.
    fn settle(&mut self, letter: &Pending, end: End) {
        let sender = &letter.sender;
        let unreachable = |text: String| Failure::because(Reason::Unreachable, text);
        match end {
            End::Answered(response) => self.on_answered(sender, &response),
            End::Unproven(failure) => self.refuse(sender, &failure, ToSip::Refused),
            End::TimedOut { heard } => {
                let text = if heard { "the SIP side did not finish in time" } else { "the SIP side did not answer" };
                self.end_line(letter, &Failure::because(Reason::ServerTimeout, text));
            }
            End::Broken => {
                let text = "the connection to the SIP server broke before it answered; the message may have arrived";
                self.refuse(sender, &Failure::because(Reason::ServerTimeout, text), ToSip::TimedOut);
            }
            End::NotSent(cause) => {
                let failure = unreachable(format!("the SIP server cannot be reached: {cause}"));
                self.refuse(sender, &failure, ToSip::Unreachable);
            }
            End::NotSentLarge(cause) => {
                let text = "the message is too long for UDP, and the SIP server cannot be reached over TCP";
                let failure = Failure::because(Reason::TooLarge, format!("{text}: {cause}"));
                self.refuse(sender, &failure, ToSip::TooLarge);
            }
            End::TooLarge => self.refuse(sender, &too_large(), ToSip::TooLarge),
            End::NotFound(reason) => self.refuse(sender, &not_located(reason), ToSip::Unreachable),
            End::Resting(time) => {
                let text = "the SIP server is overloaded and has asked to be left alone for a while";
                let seconds = u32::try_from(time.as_secs().max(1)).unwrap_or(u32::MAX);
                let failure = Failure::because(Reason::ResourceConstraint, text).retry_after(seconds);
                self.refuse(sender, &failure, ToSip::Unreachable);
            }
            End::Full(what) => self.refuse(sender, &Failure::because(Reason::Overloaded, what), ToSip::Full),
            End::NoWay => {
                let failure = unreachable("no transport leads to the SIP server".to_owned());
                self.refuse(sender, &failure, ToSip::Unreachable);
            }
        }
    }

    fn on_answered(&mut self, sender: &Sender, response: &Response) {
        match self.mapping.status_to_failure(response) {
            None => {
                tracing::debug!(message = %sender, status = response.status.code(), "message taken by SIP");
                self.stats.to_sip(ToSip::Delivered);
                self.outcome_is_told(sender.link, &sender.from, sender.number);
            }
            Some(failure) => self.refuse(sender, &failure, ToSip::Refused),
        }
    }

    /// The pending message of a line and everybody behind it: nobody answered for 64 * T1, so they would wait as long
    /// for nothing.
    fn end_line(&mut self, letter: &Pending, failure: &Failure) {
        self.refuse(&letter.sender, failure, ToSip::TimedOut);
        for letter in self.lines.close(&letter.pair) {
            self.refuse(&letter.sender, failure, ToSip::TimedOut);
        }
    }

    /// Everything on its way to SIP is given up: the process ends. Whether a pending one arrived is not known.
    pub(super) fn give_up_to_sip(&mut self) {
        let failure = Failure::because(Reason::ServerTimeout, "the gateway was stopped before the SIP side answered");
        for purpose in self.abandon_errands() {
            match purpose {
                Purpose::Letter(letter) => self.end_line(&letter, &failure),
                Purpose::Health(_)
                | Purpose::Forward(_)
                | Purpose::Register { .. }
                | Purpose::Subscribe(_)
                | Purpose::Notify(_)
                | Purpose::Publish { .. } => {}
            }
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
        self.outcome_is_told(sender.link, &sender.from, sender.number);
    }
}

/// As the log names the message: the same in all lines about it.
impl std::fmt::Display for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "x{}", self.number)
    }
}

impl std::fmt::Display for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.sender.fmt(f)
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

fn too_long(most: usize) -> Failure {
    let text = format!("the message is longer than the SIP server can pass on ({most} bytes)");
    Failure::because(Reason::TooLarge, text)
}

fn not_located(reason: locate::Reason) -> Failure {
    Failure::because(Reason::ServerNotFound, format!("the SIP server was not found: {reason}"))
}
