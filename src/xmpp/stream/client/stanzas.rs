//! What the stream of a client carries (RFC 6120 section 8.1).

use super::negotiation::is_bind;
use super::{ClientEvent, ClientStream, Step};
use crate::time::Now;
use crate::xml::{Element, Limit, ns};
use crate::xmpp::jid::Jid;
use crate::xmpp::stanza::{Condition, Iq, IqKind, Presence, PresenceKind, Problem, Stanza, StanzaError, StanzaProblem};
use crate::xmpp::stream::core::Life;
use crate::xmpp::stream::{NotSent, StreamError, StreamErrorKind};

impl ClientStream {
    /// Puts a stanza for this client into the output. Only one of its own account's may be without `from` (RFC 6120
    /// section 8.1.2.1, rules 3 and 4), and without `to`.
    pub fn send(&mut self, stanza: &Stanza) -> Result<(), NotSent> {
        let Some(jid) = self.jid.as_ref().filter(|_| self.core.life == Life::Open) else {
            return Err(NotSent::NotReady);
        };
        if self.core.output.len() >= self.core.config.max_queued {
            return Err(NotSent::Full);
        }
        if stanza.to().is_some_and(|to| to.bare() != jid.bare()) {
            return Err(NotSent::Address);
        }
        stanza.write(ns::CLIENT, &mut self.core.output);
        Ok(())
    }

    pub(super) fn on_stanza(&mut self, element: Element, now: Now) {
        let (jid, own) = match (self.step, self.jid.clone()) {
            (Step::Bound, Some(jid)) => (jid.clone(), Jid::from(jid.to_bare())),
            (Step::Binding, _) => return self.on_bind(element, now),
            _ => {
                let what = "a stanza before the client is authenticated";
                return self.fail(StreamError::new(StreamErrorKind::NotAuthorized, what));
            }
        };
        match Stanza::from_element(element) {
            Ok(stanza) if !is_own(stanza.from(), &jid) => self.fail(StreamErrorKind::InvalidFrom.into()),
            Ok(stanza) if self.is_answer_to_ping(&stanza) => {}
            Ok(Stanza::Iq(iq)) if is_bind(&iq) => {
                // Section 7.3.2: one resource for each stream.
                let error = StanzaError::new(Condition::NotAllowed).with_text("a resource is already bound");
                let answer = Iq { from: None, to: None, id: iq.id, lang: None, kind: IqKind::Error(error) };
                answer.write(ns::CLIENT, &mut self.core.output);
            }
            Ok(stanza) => {
                let mut stanza = stamped(stanza, jid, own);
                if let Some(lang) = &self.core.lang {
                    stanza.default_lang(lang);
                }
                self.events.push_back(ClientEvent::Stanza(stanza));
            }
            Err(problem) => self.on_problem(problem, jid, own),
        }
    }

    /// A client answers for what it sends, but only what cannot be answered ends its stream.
    fn on_problem(&mut self, mut problem: Box<StanzaProblem>, jid: Jid, own: Jid) {
        match problem.what {
            Problem::NotAStanza => return self.fail(StreamErrorKind::UnsupportedStanzaType.into()),
            Problem::From(_) => return self.fail(StreamErrorKind::InvalidFrom.into()),
            _ if !is_own(problem.from.as_ref(), &jid) => return self.fail(StreamErrorKind::InvalidFrom.into()),
            Problem::To(_)
            | Problem::MissingFrom
            | Problem::MissingTo
            | Problem::ForeignFrom
            | Problem::ForeignTo
            | Problem::UnknownType
            | Problem::MissingId
            | Problem::ChildCount
            | Problem::TooMuch(_) => {}
        }
        problem.from = Some(jid);
        problem.to.get_or_insert(own);
        let reply = problem.reply_from_server();
        let answered = reply.is_some_and(|reply| self.send(&reply).is_ok());
        self.events.push_back(ClientEvent::Unusable { problem, answered });
    }

    /// A stanza past the limits was passed over.
    pub(super) fn on_refused(&mut self, head: Option<&Element>, limit: Limit) {
        match (head, self.jid.clone()) {
            (Some(head), Some(jid)) if self.step == Step::Bound => {
                let own = Jid::from(jid.to_bare());
                self.on_problem(Box::new(StanzaProblem::of_head(head, Problem::TooMuch(limit))), jid, own);
            }
            _ => self.fail(StreamError::new(StreamErrorKind::PolicyViolation, "an element past the limits")),
        }
    }

    pub(super) fn send_ping(&mut self, now: Now) {
        let Some((domain, jid)) = self.domain.clone().zip(self.jid.clone()) else { return };
        self.core.pings += 1;
        let ping = Stanza::Iq(Iq::ping(domain.into(), jid, format!("alive-{}", self.core.pings)));
        ping.write(ns::CLIENT, &mut self.core.output);
        self.core.pinged = Some(now.mono);
    }

    fn is_answer_to_ping(&self, stanza: &Stanza) -> bool {
        let Stanza::Iq(iq) = stanza else { return false };
        let ours = iq.id.strip_prefix("alive-").and_then(|count| count.parse().ok());
        let to_us = iq.to.as_ref().zip(self.domain.as_ref()).is_some_and(|(to, domain)| to == domain.as_jid());
        let answer = matches!(iq.kind, IqKind::Result(_) | IqKind::Error(_));
        answer && to_us && ours.is_some_and(|count: u64| (1..=self.core.pings).contains(&count))
    }
}

/// A client may say who it is, but not be somebody else (section 4.9.3.9).
fn is_own(from: Option<&Jid>, jid: &Jid) -> bool {
    from.is_none_or(|from| from == jid || from.as_str() == jid.bare())
}

/// Section 8.1.2.1 rule 1.
fn stamped(stanza: Stanza, full: Jid, bare: Jid) -> Stanza {
    match stanza {
        Stanza::Message(message) => Stanza::Message(crate::xmpp::stanza::Message { from: Some(full), ..message }),
        Stanza::Iq(iq) => Stanza::Iq(Iq { from: Some(full), ..iq }),
        Stanza::Presence(presence) => {
            let from = match presence.kind {
                PresenceKind::Subscribe
                | PresenceKind::Subscribed
                | PresenceKind::Unsubscribe
                | PresenceKind::Unsubscribed => bare,
                PresenceKind::Available | PresenceKind::Unavailable | PresenceKind::Probe | PresenceKind::Error => full,
            };
            Stanza::Presence(Presence { from: Some(from), ..presence })
        }
    }
}
