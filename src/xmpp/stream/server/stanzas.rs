//! What a stream carries, and for whom (RFC 6120 sections 8.1 and 4.9.3).

use super::{NOT_READY, ServerEvent, ServerStream, Step};
use crate::time::Now;
use crate::xml::{Element, Limit};
use crate::xmpp::federation::Way;
use crate::xmpp::jid::{Jid, JidError};
use crate::xmpp::stanza::{IqKind, Problem, Stanza, StanzaProblem};
use crate::xmpp::stream::core::Life;
use crate::xmpp::stream::{NotSent, StreamError, StreamErrorKind};

impl ServerStream {
    /// What is not taken is given back.
    pub(super) fn send(&mut self, stanza: Stanza, now: Now) {
        if self.may_send(&stanza).is_err() {
            return self.give_back(stanza);
        }
        self.in_doubt |= !self.acks.send(stanza, now, &mut self.core.output);
        self.busy = now.mono;
        self.said = now.mono;
    }

    fn may_send(&mut self, stanza: &Stanza) -> Result<(), NotSent> {
        if self.core.life != Life::Open || self.step != Step::Open {
            return NOT_READY;
        }
        let (Some(from), Some(to)) = (stanza.from(), stanza.to()) else { return Err(NotSent::Address) };
        if self.pairs.proven(from.domain(), to.domain(), Way::Out).is_none() {
            return Err(NotSent::Address);
        }
        if self.core.output.len() >= self.core.config.max_queued || !self.acks.has_room() {
            return Err(NotSent::Full);
        }
        Ok(())
    }

    pub(super) fn on_stanza(&mut self, element: Element, now: Now) {
        if self.pairs.any(Way::In).is_none() {
            // Section 4.3.5.
            return self.fail(StreamError::new(StreamErrorKind::NotAuthorized, "nothing is proven on this stream"));
        }
        self.acks.handled();
        match Stanza::from_element(element) {
            Ok(mut stanza) => match self.misplaced(stanza.from(), stanza.to()) {
                Some(error) => self.fail(error),
                None if self.is_answer_to_ping(&stanza) => {}
                None => {
                    if let Some(lang) = &self.core.lang {
                        stanza.default_lang(lang);
                    }
                    self.busy = now.mono;
                    self.events.push_back(ServerEvent::Stanza(stanza));
                }
            },
            Err(problem) => self.on_problem(problem),
        }
    }

    /// What is wrong with these addresses on this stream. Nothing is allocated where nothing is.
    fn misplaced(&mut self, from: Option<&Jid>, to: Option<&Jid>) -> Option<StreamError> {
        use StreamErrorKind as Kind;
        let (Some(from), Some(to)) = (from, to) else {
            // Sections 8.1.1.2 and 8.1.2.2.
            return Some(StreamError::new(Kind::ImproperAddressing, "a stanza between servers has from and to"));
        };
        let (local, remote) = (to.domain(), from.domain());
        if self.pairs.proven(local, remote, Way::In).is_some() {
            return None;
        }
        Some(match (self.config.hosts)(local) {
            false => StreamError::new(Kind::HostUnknown, "the domain of to is not served here"),
            true => {
                StreamError::new(Kind::InvalidFrom, "the domain of from is not proven on this stream, for that of to")
            }
        })
    }

    /// A server answers for what its users send as far as RFC 6120 makes it: the addresses. What else is wrong with a stanza
    /// costs only that stanza, lest one user could end the stream of all.
    fn on_problem(&mut self, problem: Box<StanzaProblem>) {
        use StreamErrorKind as Kind;
        let wrong = match problem.what {
            Problem::NotAStanza => Some(Kind::UnsupportedStanzaType.into()),
            // Section 4.9.3.7. Nobody is there to be told.
            Problem::From(_) => Some(StreamError::new(Kind::ImproperAddressing, "from is no address")),
            // The domain says where a stanza goes; a user may have written the rest.
            Problem::To(JidError::Domain | JidError::TooLong) => {
                Some(StreamError::new(Kind::ImproperAddressing, "to is no address"))
            }
            Problem::To(JidError::EmptyLocal | JidError::Local | JidError::EmptyResource | JidError::Resource) => {
                match problem.from.as_ref().and_then(|from| self.pairs.with_remote(from.domain())) {
                    Some(_) => None,
                    None => Some(Kind::InvalidFrom.into()),
                }
            }
            Problem::MissingFrom
            | Problem::MissingTo
            | Problem::ForeignFrom
            | Problem::ForeignTo
            | Problem::UnknownType
            | Problem::MissingId
            | Problem::ChildCount
            | Problem::TooMuch(_) => self.misplaced(problem.from.as_ref(), problem.to.as_ref()),
        };
        match wrong {
            Some(error) => self.fail(error),
            None => {
                let reply = self.reply(&problem);
                self.events.push_back(ServerEvent::Unusable { problem, reply });
            }
        }
    }

    fn reply(&self, problem: &StanzaProblem) -> Option<Stanza> {
        let remote = problem.from.as_ref()?.domain();
        let local = self.pairs.with_remote(remote).and_then(|pair| Jid::parse_peer(&pair.local).ok());
        let local = problem.to.as_ref().map(|to| to.to_domain().into()).or(local)?;
        problem.reply(&local)
    }

    /// A stanza past the limits of this partner was passed over.
    pub(super) fn on_refused(&mut self, head: Option<&Element>, limit: Limit) {
        // An element so long is a stanza.
        self.acks.handled();
        match head.filter(|_| self.pairs.any(Way::In).is_some()) {
            Some(head) => self.on_problem(Box::new(StanzaProblem::of_head(head, Problem::TooMuch(limit)))),
            None => self.fail(StreamError::new(StreamErrorKind::PolicyViolation, "an element past the limits")),
        }
    }

    /// The answer to a ping of ours. Nobody else can have sent it: the peer vouches for `from`.
    fn is_answer_to_ping(&self, stanza: &Stanza) -> bool {
        let Stanza::Iq(iq) = stanza else { return false };
        let ours = iq.id.strip_prefix("alive-").and_then(|count| count.parse().ok());
        let bare = |jid: Option<&Jid>| jid.is_some_and(|jid| jid.as_str() == jid.domain());
        let answer = matches!(iq.kind, IqKind::Result(_) | IqKind::Error(_));
        answer
            && bare(iq.from.as_ref())
            && bare(iq.to.as_ref())
            && ours.is_some_and(|count: u64| (1..=self.core.pings).contains(&count))
    }
}
