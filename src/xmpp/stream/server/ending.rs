//! The end of a stream, and what is said then (RFC 6120 sections 4.4 and 4.9).

use super::{ServerStream, Step};
use crate::xmpp::federation::{Report, Unreachable};
use crate::xmpp::stanza::Stanza;
use crate::xmpp::stream::core::Life;
use crate::xmpp::stream::manage::Rest;
use crate::xmpp::stream::{Cause, StreamError, StreamErrorKind};

impl ServerStream {
    pub(super) fn give_back(&mut self, stanza: Stanza) {
        match self.core.life {
            Life::Open => self.report(Report::Unsent(stanza)),
            Life::Closing | Life::Closed => self.unsent.push(stanza),
        }
    }

    /// We do not trust the peer: `why` is for people.
    pub(super) fn distrust(&mut self, why: String) {
        self.core.fail(&StreamError::new(StreamErrorKind::PolicyViolation, &why));
        self.report(Report::Unreachable(Unreachable::NotTrusted(why)));
    }

    /// Something came in clear where TLS was to begin: nobody knows from whom (RFC 6120 section 5.3.3). Nothing is said,
    /// since it could be taken for TLS.
    pub(super) fn on_injection(&mut self) {
        self.core.drop_dead();
        let what = "bytes in clear where TLS was to begin";
        self.finish(Cause::OurError(StreamError::new(StreamErrorKind::PolicyViolation, what)));
    }

    pub(super) fn fail(&mut self, error: StreamError) {
        if self.core.is_unopened() {
            self.write_header_of_refusal();
        }
        if self.step == Step::Handshake {
            self.core.drop_dead();
        } else {
            self.core.fail(&error);
        }
        self.finish(Cause::OurError(error));
    }

    pub(super) fn end(&mut self, cause: Cause) {
        self.acks.last_word(&mut self.core);
        self.core.end();
        self.finish(cause);
    }

    pub(super) fn finish(&mut self, cause: Cause) {
        self.core.drop_dead();
        if let Some(why) = self.tls_was_refused(&cause) {
            return self.report(Report::Unreachable(Unreachable::NotTrusted(why)));
        }
        let Rest { session, doubtful, mut unsent } = self.acks.finish(&cause);
        unsent.append(&mut self.unsent);
        let in_doubt = self.in_doubt;
        self.report(Report::Closed { cause: self.believable(cause), unsent, doubtful, session, in_doubt });
    }

    /// RFC 6120 section 4.9.3.19: who sends us elsewhere is obeyed only under TLS. Without, anybody on the way can be it.
    fn believable(&self, cause: Cause) -> Cause {
        match (cause, &self.tls) {
            (Cause::PeerError(error), None) => Cause::PeerError(StreamError { host: None, ..error }),
            (cause, _) => cause,
        }
    }
}
