//! Dialback keys (XEP-0220): given, asked about and answered.
//!
//! An element without `type` asks, one with it answers. Answers count only if they answer what was asked on this very
//! stream, and in the direction in which it was asked (section 3.1).

use super::config::{MAX_KEY, MAX_PAIRS, MAX_WAITING};
use super::header::domain;
use super::judging::About;
use super::{NOT_READY, Role, ServerStream, Step};
use crate::time::Now;
use crate::xml::{Element, ns, writer};
use crate::xmpp::federation::{Association, Authentication, Judgement, Pair, Report, Verdict, Verification, Way};
use crate::xmpp::stanza::{Condition, StanzaError};
use crate::xmpp::stream::core::Life;
use crate::xmpp::stream::{NotSent, StreamError, StreamErrorKind};

/// What waits for an answer.
#[derive(Default)]
pub(super) struct Dialback {
    /// Pairs for which we have sent a key, and by what the peer may speak for them if it believes us.
    proofs: Vec<(Pair, Association)>,
    /// Keys that we have asked the peer about.
    verifications: Vec<Verification>,
    /// Keys of the peer that the federation is verifying.
    keys: Vec<Pair>,
    /// Whether we have told the peer whether a key is ours: to be asked that may be all that the stream is for.
    told: bool,
}

impl Dialback {
    pub(super) fn is_empty(&self) -> bool {
        self.proofs.is_empty() && self.keys.is_empty()
    }

    /// Whether the peer has asked about keys of ours.
    pub(super) fn was_asked(&self) -> bool {
        self.told
    }

    /// Whether the peer waits for us.
    pub(super) fn owes_answers(&self) -> bool {
        !self.keys.is_empty()
    }
}

/// What is said of a pair, by `kind` (`result` or `verify`).
struct Saying<'a> {
    kind: &'a str,
    from: &'a str,
    to: &'a str,
    id: Option<&'a str>,
}

enum Said<'a> {
    Key(&'a str),
    Valid,
    Invalid,
    Error(&'a StanzaError),
}

/// What may be done about a pair that is to be proven on this stream.
enum May {
    Yes(Association),
    /// If the certificate proves the domain.
    Perhaps,
    No(StanzaError),
}

impl ServerStream {
    fn say(&mut self, saying: &Saying, said: &Said) {
        let out = &mut self.core.output;
        out.extend_from_slice(b"<db:");
        out.extend_from_slice(saying.kind.as_bytes());
        writer::attribute("from", saying.from, out);
        writer::attribute("to", saying.to, out);
        if let Some(id) = saying.id {
            writer::attribute("id", id, out);
        }
        match said {
            Said::Key(key) => {
                out.push(b'>');
                writer::text(key, out);
            }
            Said::Valid => out.extend_from_slice(b" type='valid'>"),
            Said::Invalid => out.extend_from_slice(b" type='invalid'>"),
            Said::Error(error) => {
                out.extend_from_slice(b" type='error'>");
                writer::write_stanza(&error.to_element(), ns::SERVER, out);
            }
        }
        out.extend_from_slice(b"</db:");
        out.extend_from_slice(saying.kind.as_bytes());
        out.push(b'>');
    }

    pub(super) fn on_dialback(&mut self, element: &Element, now: Now) {
        let asks = element.attr("type").is_none();
        match (element.name(), asks) {
            ("result", false) => self.on_result(element, now),
            ("verify", false) => self.on_verified(element),
            // A stream that goes one way is asked by the end that has opened it.
            ("result" | "verify", true) if matches!(self.role, Role::Initiating(_)) && !self.bidi => {
                let what = "this stream goes one way";
                self.fail(StreamError::new(StreamErrorKind::PolicyViolation, what));
            }
            ("result" | "verify", true) => self.on_question(element, now),
            _ => self.fail(StreamErrorKind::UnsupportedStanzaType.into()),
        }
    }

    fn on_question(&mut self, element: &Element, now: Now) {
        let address = |name| element.attr(name).and_then(domain);
        let (Some(remote), Some(local)) = (address("from"), address("to")) else {
            let what = "from and to of a dialback element are domains";
            return self.fail(StreamError::new(StreamErrorKind::ImproperAddressing, what));
        };
        if !matches!(self.step, Step::Open | Step::TlsOffered) {
            return self.fail(StreamErrorKind::NotAuthorized.into());
        }
        let pair = Pair { local, remote };
        let key = element.text();
        let key = key.trim();
        let id = element.attr("id");
        let kind = element.name();
        let answer = Saying { kind, from: &pair.local, to: &pair.remote, id: id.filter(|_| kind == "verify") };
        if let Some(error) = self.objection(&pair) {
            return self.say(&answer, &Said::Error(&error));
        }
        self.core.since = now.mono;
        if kind == "verify" {
            self.dialback.told = true;
            // Section 2.2.2. Names and id go into the key as they were sent; the domains in their one spelling.
            let right = self.config.keys.is_right(&pair.remote, &pair.local, id.unwrap_or_default(), key);
            return self.say(&answer, if right { &Said::Valid } else { &Said::Invalid });
        }
        self.on_key(pair, key, now);
    }

    /// What speaks against dealing with this pair at all (section 2.4.2); the stream goes on.
    fn objection(&self, pair: &Pair) -> Option<StanzaError> {
        let partner = self.partner(&pair.remote);
        if !(self.config.hosts)(&pair.local) {
            return Some(StanzaError::new(Condition::ItemNotFound));
        }
        if !partner.allowed {
            return Some(StanzaError::new(Condition::PolicyViolation).with_text("this domain is not allowed here"));
        }
        if self.tls.is_none() && (partner.authentication < Authentication::Dialback || self.step == Step::TlsOffered) {
            return Some(StanzaError::new(Condition::PolicyViolation).with_text("not before TLS"));
        }
        None
    }

    /// Section 2.2.1: the peer wants to be believed for one more pair.
    fn on_key(&mut self, pair: Pair, key: &str, now: Now) {
        let waiting = self.dialback.keys.contains(&pair);
        if self.pairs.proven(&pair.local, &pair.remote, Way::In).is_some() {
            return self.tell_result(&pair, &Said::Valid);
        }
        let full = self.pairs.len() >= MAX_PAIRS || self.dialback.keys.len() >= MAX_WAITING || !self.may_ask();
        if full && !waiting {
            return self.tell_result(&pair, &Said::Error(&StanzaError::new(Condition::ResourceConstraint)));
        }
        if key.is_empty() || key.len() > MAX_KEY {
            return self.tell_result(&pair, &Said::Error(&StanzaError::new(Condition::NotAcceptable)));
        }
        if waiting {
            return;
        }
        let question = Verification { pair, id: self.id.clone(), key: key.to_owned() };
        let known = self.remote.as_ref() == Some(&question.pair.remote);
        match self.judgement.clone().filter(|_| known) {
            Some(judgement) => self.on_judged_for_key(question, &judgement, now),
            None if self.tls.as_ref().is_some_and(|tls| tls.certificate) => {
                self.dialback.keys.push(question.pair.clone());
                self.ask(question.pair.remote.clone(), About::Key(question));
            }
            None => {
                let none = Judgement::Unproven("it showed no certificate".to_owned());
                self.on_judged_for_key(question, &none, now);
            }
        }
    }

    /// What the certificate proves needs no key (RFC 7712 section 4.3); what it does not, is asked of the authoritative
    /// server where that is enough.
    pub(super) fn on_judged_for_key(&mut self, question: Verification, judgement: &Judgement, now: Now) {
        let pair = question.pair.clone();
        self.dialback.keys.retain(|waiting| *waiting != pair);
        match judgement {
            Judgement::Proven(by) => {
                self.tell_result(&pair, &Said::Valid);
                self.prove_in(&pair, *by, now);
            }
            Judgement::Unproven(why) if self.partner(&pair.remote).authentication == Authentication::Certificate => {
                let error = StanzaError::new(Condition::NotAuthorized).with_text(why);
                self.tell_result(&pair, &Said::Error(&error));
            }
            Judgement::Unproven(_) => {
                self.dialback.keys.push(pair);
                self.report(Report::Key(question));
            }
        }
    }

    fn tell_result(&mut self, pair: &Pair, said: &Said) {
        self.say(&Saying { kind: "result", from: &pair.local, to: &pair.remote, id: None }, said);
    }

    pub(super) fn on_answer(&mut self, pair: &Pair, verdict: &Verdict, now: Now) -> Result<(), NotSent> {
        if self.core.life != Life::Open || self.step != Step::Open {
            return NOT_READY;
        }
        let at = self.dialback.keys.iter().position(|waiting| waiting == pair).ok_or(NotSent::Address)?;
        self.dialback.keys.swap_remove(at);
        self.core.since = now.mono;
        match verdict {
            Verdict::Valid => {
                self.tell_result(pair, &Said::Valid);
                self.prove_in(pair, Association::Dialback, now);
            }
            Verdict::Error(error) => self.tell_result(pair, &Said::Error(error)),
            // Section 2.2.1: a liar with nothing to lose is shown the door; where others share the stream, it stays.
            Verdict::Invalid if self.pairs.len() == 0 && self.dialback.keys.is_empty() => {
                self.tell_result(pair, &Said::Invalid);
                self.core.close(now);
            }
            Verdict::Invalid => self.tell_result(pair, &Said::Error(&StanzaError::new(Condition::Forbidden))),
        }
        Ok(())
    }

    pub(super) fn on_prove(&mut self, pair: &Pair, now: Now) -> Result<(), NotSent> {
        if self.core.life != Life::Open || self.step != Step::Open || self.id.is_empty() {
            return NOT_READY;
        }
        if let Some(by) = self.pairs.proven(&pair.local, &pair.remote, Way::Out) {
            self.report(Report::Proven(pair.clone(), Way::Out, by));
            return Ok(());
        }
        if self.dialback.proofs.iter().any(|(waiting, _)| waiting == pair) {
            return Ok(());
        }
        if self.dialback.proofs.len() >= MAX_WAITING || self.pairs.len() >= MAX_PAIRS || !self.may_ask() {
            return Err(NotSent::Full);
        }
        match self.may_prove(&pair.remote) {
            May::Yes(by) => self.send_key(pair, by, now),
            May::Perhaps => self.ask(pair.remote.clone(), About::Proof(pair.clone())),
            May::No(error) => self.report(Report::Refused(pair.clone(), Verdict::Error(error))),
        }
        Ok(())
    }

    /// Whether the server at the other end may be taken for that of `remote`: because we looked it up by that name, because
    /// it has proven it on this stream, or because its certificate does.
    fn may_prove(&self, remote: &str) -> May {
        let partner = self.partner(remote);
        let no = |text| May::No(StanzaError::new(Condition::PolicyViolation).with_text(text));
        let dialled = matches!(self.role, Role::Initiating(_)) && self.remote.as_deref() == Some(remote);
        let known = dialled || self.pairs.with_remote(remote).is_some();
        let demanded = partner.authentication;
        match (partner.allowed, self.tls.is_some(), known) {
            (false, ..) => no("this domain is not allowed here"),
            (true, false, _) if demanded < Authentication::Dialback => no("TLS is demanded of this domain"),
            (true, false, false) => no("nothing shows that this is its server"),
            (true, true, true) if !dialled || self.proven_by().is_some() || demanded > Authentication::Certificate => {
                May::Yes(self.association(remote))
            }
            (true, false, true) => May::Yes(Association::Dialback),
            (true, true, _) => May::Perhaps,
        }
    }

    pub(super) fn on_judged_for_proof(&mut self, pair: &Pair, judgement: &Judgement, now: Now) {
        match judgement {
            Judgement::Proven(by) => self.send_key(pair, *by, now),
            Judgement::Unproven(why) => {
                let error = StanzaError::new(Condition::NotAuthorized).with_text(why);
                self.report(Report::Refused(pair.clone(), Verdict::Error(error)));
            }
        }
    }

    fn send_key(&mut self, pair: &Pair, by: Association, now: Now) {
        let key = self.config.keys.key(&pair.remote, &pair.local, &self.id);
        self.dialback.proofs.push((pair.clone(), by));
        let saying = Saying { kind: "result", from: &pair.local, to: &pair.remote, id: None };
        self.say(&saying, &Said::Key(&key));
        self.said = now.mono;
        self.busy = now.mono;
    }

    fn on_result(&mut self, element: &Element, now: Now) {
        let address = |name| element.attr(name).and_then(domain);
        let (remote, local) = (address("from"), address("to"));
        let same = |pair: &Pair| Some(&pair.remote) == remote.as_ref() && Some(&pair.local) == local.as_ref();
        let Some(at) = self.dialback.proofs.iter().position(|(pair, _)| same(pair)) else { return };
        let (pair, by) = self.dialback.proofs.swap_remove(at);
        match verdict(element) {
            Verdict::Valid => self.prove_out(&pair, by, now),
            verdict @ (Verdict::Invalid | Verdict::Error(_)) => self.report(Report::Refused(pair, verdict)),
        }
    }

    pub(super) fn on_verify(&mut self, verification: &Verification, now: Now) -> Result<(), NotSent> {
        if self.core.life != Life::Open || self.step != Step::Open {
            return NOT_READY;
        }
        // Only whom we looked up by that name can say whose keys are right.
        let dialled =
            matches!(self.role, Role::Initiating(_)) && self.remote.as_ref() == Some(&verification.pair.remote);
        if !dialled {
            return Err(NotSent::Address);
        }
        if self.dialback.verifications.len() >= MAX_WAITING {
            return Err(NotSent::Full);
        }
        self.dialback.verifications.push(verification.clone());
        let Verification { pair, id, key } = verification;
        let saying = Saying { kind: "verify", from: &pair.local, to: &pair.remote, id: Some(id) };
        self.say(&saying, &Said::Key(key));
        self.said = now.mono;
        self.busy = now.mono;
        Ok(())
    }

    fn on_verified(&mut self, element: &Element) {
        let address = |name| element.attr(name).and_then(domain);
        let (remote, local, id) = (address("from"), address("to"), element.attr("id"));
        let same = |waiting: &Verification| {
            Some(&waiting.pair.remote) == remote.as_ref()
                && Some(&waiting.pair.local) == local.as_ref()
                && Some(waiting.id.as_str()) == id
        };
        let Some(at) = self.dialback.verifications.iter().position(same) else { return };
        let verification = self.dialback.verifications.swap_remove(at);
        self.report(Report::Verified(verification, verdict(element)));
    }
}

/// What an answer says; of a `type` that the XEP does not have, only that it is not `valid`.
fn verdict(element: &Element) -> Verdict {
    match element.attr("type") {
        Some("valid") => Verdict::Valid,
        Some("invalid") => Verdict::Invalid,
        Some("error") => {
            let error = element.child(ns::CLIENT, "error").map(StanzaError::from_element);
            Verdict::Error(error.unwrap_or_else(|| StanzaError::new(Condition::UndefinedCondition)))
        }
        _ => Verdict::Error(StanzaError::new(Condition::UndefinedCondition)),
    }
}
