//! Keys that peers show: the server of their domain is asked about them (XEP-0220 sections 2.1.2 and 2.2.1).
//!
//! The answer counts only from the stream on which it was asked for, which we opened to where configuration or DNS says that
//! the domain is; and not on the one on which the key came (XEP-0288). So nobody can answer for somebody else, whatever it
//! sends, and a key that is used twice is asked about twice, with the id of the stream that it was shown on.

use super::super::{Command, Pair, StreamId, Verdict, Verification};
use super::stream::{Dialed, Phase, QuestionId, Stream};
use super::{Federation, Output, Timer, Why, limits};
use crate::time::Now;
use crate::xml::{Element, ns};
use crate::xmpp::stanza::{Condition, StanzaError};
use crate::xmpp::stream::{Cause, StreamErrorKind};

/// A key whose answer is awaited.
#[derive(Debug)]
pub(super) struct Question {
    verification: Verification,
    /// The stream on which it came.
    asker: StreamId,
    /// The one to the server that knows, and whether that was asked already.
    on: StreamId,
    put: bool,
    tries: u8,
}

impl Federation {
    pub(super) fn on_key(&mut self, id: StreamId, verification: Verification, now: Now) {
        let Some(stream) = self.streams.get(&id).filter(|stream| stream.phase != Phase::Closing) else { return };
        let pair = verification.pair.clone();
        if stream.inward.contains(&pair) {
            self.answer(id, pair, Verdict::Valid);
            return;
        }
        let is_asked = |key: &QuestionId| self.questions.get(key).is_some_and(|known| known.verification.pair == pair);
        if stream.keys.iter().any(is_asked) {
            // One answer follows, to the first.
            return;
        }
        if let Some(error) = self.is_unwelcome(id, stream, &pair) {
            self.answer(id, pair, Verdict::Error(error));
            return;
        }
        self.last_question += 1;
        let question = self.last_question;
        match self.authority(&pair, id, now) {
            Ok(on) => {
                self.questions.insert(question, Question { verification, asker: id, on, put: false, tries: 0 });
                if let Some(stream) = self.streams.get_mut(&id) {
                    stream.keys.push(question);
                }
                self.timers.set(now, self.settings.verify_within, Timer::Question(question));
                self.wait_for(question, on);
            }
            Err(error) => {
                self.stats.keys_unanswered += 1;
                self.answer(id, pair, Verdict::Error(*error));
            }
        }
    }

    /// Why a key is not even looked at.
    fn is_unwelcome(&self, id: StreamId, stream: &Stream, pair: &Pair) -> Option<StanzaError> {
        let partner = self.settings.partners.of(&pair.remote);
        if !partner.allowed {
            let error = StanzaError::new(Condition::PolicyViolation);
            return Some(error.with_text("This domain is not allowed here."));
        }
        let is_full = self.questions.len() >= limits::KEYS
            || stream.keys.len() >= limits::KEYS_PER_STREAM
            || stream.keys.len() + stream.inward.len() >= self.settings.pairs_per_stream
            || !self.may_count(id, stream, &pair.remote)
            || self.draining;
        is_full.then(|| StanzaError::new(Condition::ResourceConstraint))
    }

    /// A stream to the server that knows about keys of this pair, other than `asker`.
    fn authority(&mut self, pair: &Pair, asker: StreamId, now: Now) -> Result<StreamId, Box<StanzaError>> {
        let remote = self.remotes.get(&pair.remote);
        let is_usable =
            |id: &&StreamId| **id != asker && self.streams.get(id).is_some_and(|stream| stream.phase != Phase::Closing);
        if let Some(id) = remote.and_then(|remote| remote.dialed.iter().find(is_usable)) {
            return Ok(*id);
        }
        let failed = remote.and_then(|remote| remote.resting(now.mono));
        if let Some(failed) = failed.filter(|failed| now.mono < failed.at + limits::VERIFY_AGAIN) {
            return Err(Box::new(unverifiable(&failed.why)));
        }
        if !self.may_dial(pair) {
            return Err(Box::new(StanzaError::new(Condition::ResourceConstraint)));
        }
        Ok(self.dial(Dialed { pair: pair.clone(), to_verify: true, host: None, hops: 0 }, now))
    }

    /// A question goes on this stream, as soon as it is open.
    pub(super) fn wait_for(&mut self, question: QuestionId, id: StreamId) {
        let (Some(stream), Some(known)) = (self.streams.get_mut(&id), self.questions.get_mut(&question)) else {
            return;
        };
        known.on = id;
        known.put = false;
        stream.questions.push(question);
        if matches!(stream.phase, Phase::Open { .. }) {
            self.put(question, id);
        }
    }

    /// Asks.
    pub(super) fn put(&mut self, question: QuestionId, id: StreamId) {
        let Some(known) = self.questions.get_mut(&question) else { return };
        known.put = true;
        known.tries += 1;
        self.outputs.push(Output::Order(id, Command::Verify(known.verification.clone())));
    }

    /// The question that was asked on this stream about this key.
    fn question_on(&self, id: StreamId, about: &Verification) -> Option<QuestionId> {
        let is_it = |known: &&Question| known.put && known.on == id && known.verification == *about;
        let questions = &self.streams.get(&id)?.questions;
        questions.iter().copied().find(|question| self.questions.get(question).filter(is_it).is_some())
    }

    /// The stream takes no more questions.
    pub(super) fn on_unverified(&mut self, id: StreamId, about: &Verification) {
        if let Some(question) = self.question_on(id, about) {
            self.end_question(question, StanzaError::new(Condition::ResourceConstraint));
        }
    }

    pub(super) fn on_verified(&mut self, id: StreamId, about: &Verification, verdict: Verdict, now: Now) {
        let Some(question) = self.question_on(id, about) else {
            self.stats.unsolicited += 1;
            return;
        };
        self.reached(&about.pair.remote);
        let Some(known) = self.drop_question(question) else { return };
        let verdict = match verdict {
            Verdict::Valid => {
                self.stats.keys_valid += 1;
                Verdict::Valid
            }
            Verdict::Invalid => {
                self.stats.keys_invalid += 1;
                // Section 2.2.1: `invalid` ends the stream, and others may be using it.
                let has_others = self.streams.get(&known.asker).is_some_and(|stream| !stream.inward.is_empty());
                match has_others {
                    true => Verdict::Error(StanzaError::new(Condition::Forbidden)),
                    false => Verdict::Invalid,
                }
            }
            Verdict::Error(error) => {
                self.stats.keys_unanswered += 1;
                Verdict::Error(passed_on(&error))
            }
        };
        self.answer(known.asker, known.verification.pair, verdict);
        self.let_go(id, now);
    }

    pub(super) fn on_question_late(&mut self, question: QuestionId, now: Now) {
        let Some(known) = self.questions.get(&question) else { return };
        let on = known.on;
        self.end_question(question, StanzaError::new(Condition::RemoteServerTimeout));
        self.let_go(on, now);
    }

    /// The stream on which a question was asked is over.
    pub(super) fn ask_elsewhere(&mut self, question: QuestionId, cause: &Cause, now: Now) {
        let Some(known) = self.questions.get(&question) else { return };
        let (pair, asker, tries) = (known.verification.pair.clone(), known.asker, known.tries);
        if tries < limits::KEY_TRIES
            && !Why::of_end(cause).is_not_found()
            && let Ok(on) = self.authority(&pair, asker, now)
        {
            self.wait_for(question, on);
            return;
        }
        let error = match Why::of_end(cause).is_not_found() {
            true => Condition::RemoteServerNotFound,
            false => Condition::RemoteServerTimeout,
        };
        self.end_question(question, StanzaError::new(error));
    }

    /// No stream to the server that knows came about. A stream that carries nothing else has nothing to go on for: it ends
    /// with what RFC 6120 section 4.9.3.15 has for this.
    pub(super) fn fail_question(&mut self, question: QuestionId, why: &Why) {
        let Some(asker) = self.questions.get(&question).map(|known| known.asker) else { return };
        self.end_question(question, unverifiable(why));
        if self.streams.get(&asker).is_some_and(|stream| stream.dialed.is_none() && stream.is_useless()) {
            self.close(asker, Some(StreamErrorKind::RemoteConnectionFailed.into()));
        }
    }

    fn end_question(&mut self, question: QuestionId, error: StanzaError) {
        let Some(known) = self.drop_question(question) else { return };
        self.stats.keys_unanswered += 1;
        self.answer(known.asker, known.verification.pair, Verdict::Error(error));
    }

    /// Takes a question out of every table.
    pub(super) fn drop_question(&mut self, question: QuestionId) -> Option<Question> {
        let known = self.questions.remove(&question)?;
        if let Some(stream) = self.streams.get_mut(&known.on) {
            stream.questions.retain(|other| *other != question);
        }
        if let Some(stream) = self.streams.get_mut(&known.asker) {
            stream.keys.retain(|other| *other != question);
        }
        Some(known)
    }

    fn answer(&mut self, asker: StreamId, pair: Pair, verdict: Verdict) {
        self.outputs.push(Output::Order(asker, Command::Answer(pair, verdict)));
    }
}

/// XEP-0220 section 2.4.2: what the server that knows says about itself is not about the one that asks.
fn passed_on(error: &StanzaError) -> StanzaError {
    let is_not_found = matches!(error.condition, Condition::ItemNotFound);
    StanzaError::new(if is_not_found { Condition::RemoteServerNotFound } else { Condition::RemoteServerTimeout })
}

/// Section 2.4.2: `remote-server-not-found`, or that no connection could be made. For that it names a condition that only
/// streams have, so it stands beside one that stanzas have.
fn unverifiable(why: &Why) -> StanzaError {
    if why.is_not_found() {
        return StanzaError::new(Condition::RemoteServerNotFound);
    }
    let mut error = StanzaError::new(Condition::RemoteServerTimeout);
    error.application = Some(Element::new(ns::STREAMS, "remote-connection-failed"));
    error
}
