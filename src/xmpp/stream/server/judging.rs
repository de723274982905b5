//! Questions about the certificate of the peer: one at a time, since the answer does not name the domain.

use std::sync::Arc;

use super::config::MAX_WAITING;
use super::{Role, ServerEvent, ServerStream, Step};
use crate::time::Now;
use crate::xmpp::federation::{Association, Judgement, Pair, Verification};

/// A question, and what depends on the answer.
pub(super) struct Question {
    domain: Arc<str>,
    about: About,
}

pub(super) enum About {
    /// The domain of the peer's header.
    Peer,
    /// Whether this pair may be tried on this stream.
    Proof(Pair),
    /// Whether this pair is to be believed without looking at its key.
    Key(Verification),
}

impl ServerStream {
    /// Asks whether the peer is who it, or our own header, says.
    pub(super) fn ask_about_peer(&mut self) {
        self.judgement = None;
        self.questions.clear();
        let Some(remote) = self.remote.clone() else { return };
        if self.tls.as_ref().is_some_and(|tls| tls.certificate) {
            self.ask(remote, About::Peer);
        } else {
            self.judgement = Some(Judgement::Unproven("it showed no certificate".to_owned()));
        }
    }

    /// Whether one more question may wait.
    pub(super) fn may_ask(&self) -> bool {
        self.questions.len() < MAX_WAITING
    }

    pub(super) fn ask(&mut self, domain: Arc<str>, about: About) {
        if self.questions.is_empty() {
            self.events.push_back(ServerEvent::Judge(domain.to_string()));
        }
        self.questions.push_back(Question { domain, about });
    }

    pub(super) fn on_judgement(&mut self, judgement: Judgement, now: Now) {
        let Some(question) = self.questions.pop_front() else { return };
        if let Some(next) = self.questions.front() {
            self.events.push_back(ServerEvent::Judge(next.domain.to_string()));
        }
        match question.about {
            About::Proof(pair) => self.on_judged_for_proof(&pair, &judgement, now),
            About::Key(key) => self.on_judged_for_key(key, &judgement, now),
            About::Peer => {
                self.judgement = Some(judgement);
                match (&self.role, self.step) {
                    (Role::Initiating(_), Step::Judging) => self.go_on(now),
                    (Role::Accepting(_), Step::Judging) => self.offer_after_tls(now),
                    _ => {}
                }
            }
        }
    }

    /// By what the peer's certificate proves the domain of its header, if it does.
    pub(super) fn proven_by(&self) -> Option<Association> {
        match self.judgement {
            Some(Judgement::Proven(by)) => Some(by),
            Some(Judgement::Unproven(_)) | None => None,
        }
    }

    /// By what the peer may speak for `domain` once dialback has succeeded: its certificate, if that proves it.
    pub(super) fn association(&self, domain: &str) -> Association {
        let same = self.remote.as_deref() == Some(domain);
        self.proven_by().filter(|_| same).unwrap_or(Association::Dialback)
    }

    /// Why the peer's certificate does not prove it.
    pub(super) fn unproven_because(&self) -> &str {
        match &self.judgement {
            Some(Judgement::Unproven(why)) => why,
            Some(Judgement::Proven(_)) | None => "nothing proves it",
        }
    }
}
