//! The receiving entity's side (RFC 6120 sections 6.3 and 6.4).
//!
//! ```text
//!  Idle --<auth/>--> (Asked | Answering) --<response/>...--> success, the end, or failure, Idle again
//! ```
//! A second `<auth/>` discards what was going on (section 6.4.2); each counts as a try.

use super::exchange::{Exchange, Step};
use super::{Condition, MAX_MESSAGE, MAX_TRIES, Mechanism, base64};
use crate::xml::{Element, ns};
use crate::xmpp::jid::{BareJid, Jid};

/// What holds for one stream when its authentication begins.
#[derive(Debug, Clone, Default)]
pub struct Setting {
    /// Whether the connection has TLS. Without it nothing is offered and every try is refused.
    pub encrypted: bool,
    /// The addresses that the peer's certificate proves, chain and validity included; EXTERNAL is offered if there are any.
    pub proven: Vec<BareJid>,
}

/// The receiving side of one stream. It outlives failed tries.
pub struct Server {
    setting: Setting,
    state: State,
    tries: usize,
}

enum State {
    Idle,
    /// The client has named a mechanism and said nothing yet; it was asked to.
    Asked(Mechanism),
    Answering(Mechanism, Exchange),
}

/// What is to be sent, and what it means.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// Send it; more will come.
    Challenge(Element),
    /// Send it; the stream is restarted, and its other end is this address.
    Success(Element, BareJid),
    /// Send it; where [`Server::is_exhausted`], end the stream with `policy-violation`.
    Failure(Element, Condition),
}

impl Reply {
    /// What is to be sent.
    #[must_use]
    pub fn element(&self) -> &Element {
        match self {
            Self::Challenge(element) | Self::Success(element, _) | Self::Failure(element, _) => element,
        }
    }
}

impl Server {
    /// Waits for `<auth/>`.
    #[must_use]
    pub fn new(setting: Setting) -> Self {
        Self { setting, state: State::Idle, tries: 0 }
    }

    /// For server-to-server streams over TLS: `domain` was proven by the certificate of the peer (XEP-0178 section 3).
    #[must_use]
    pub fn external(domain: BareJid) -> Self {
        Self::new(Setting { encrypted: true, proven: vec![domain] })
    }

    /// What is offered, the one to be preferred first; empty: do not offer SASL.
    #[must_use]
    pub fn mechanisms(&self) -> Vec<Mechanism> {
        Mechanism::ALL.into_iter().filter(|mechanism| self.offers(*mechanism)).collect()
    }

    /// The feature `<mechanisms/>` (RFC 6120 section 6.3.4); `None` if nothing is offered.
    #[must_use]
    pub fn feature(&self) -> Option<Element> {
        let mechanisms = self.mechanisms();
        let one = |mechanism: &Mechanism| Element::new(ns::SASL, "mechanism").with_text(mechanism.name());
        let feature = Element::new(ns::SASL, "mechanisms");
        (!mechanisms.is_empty()).then(|| mechanisms.iter().map(one).fold(feature, Element::with_child))
    }

    /// Whether no further try is allowed (section 6.4.5).
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.tries >= MAX_TRIES
    }

    /// Takes an element of [`ns::SASL`]; one that no client sends is malformed.
    pub fn receive(&mut self, element: &Element) -> Reply {
        let done = match element.name() {
            "auth" => self.on_auth(element),
            "response" => self.on_response(element),
            "abort" => match self.state {
                State::Idle => self.count().and(Err(Condition::Aborted)),
                State::Asked(_) | State::Answering(..) => Err(Condition::Aborted),
            },
            _ => self.count().and(Err(Condition::MalformedRequest)),
        };
        done.unwrap_or_else(|condition| {
            self.state = State::Idle;
            Reply::Failure(condition.to_element(), condition)
        })
    }

    fn on_auth(&mut self, auth: &Element) -> Result<Reply, Condition> {
        self.state = State::Idle;
        self.count()?;
        if !self.setting.encrypted {
            return Err(Condition::EncryptionRequired);
        }
        let mechanism = auth.attr("mechanism").and_then(Mechanism::from_name);
        let mechanism = mechanism.filter(|mechanism| self.offers(*mechanism)).ok_or(Condition::InvalidMechanism)?;
        match base64::decode(&auth.text())? {
            Some(message) => self.begin(mechanism, &message),
            // RFC 4422 section 5: a client that could have spoken first and did not is asked to by an empty challenge.
            None => {
                self.state = State::Asked(mechanism);
                Ok(Reply::Challenge(Element::new(ns::SASL, "challenge")))
            }
        }
    }

    fn on_response(&mut self, response: &Element) -> Result<Reply, Condition> {
        let state = std::mem::replace(&mut self.state, State::Idle);
        let message = base64::decode(&response.text())?.unwrap_or_default();
        match state {
            State::Idle => self.count().and(Err(Condition::MalformedRequest)),
            State::Asked(mechanism) => self.begin(mechanism, &message),
            State::Answering(mechanism, exchange) => self.go_on(mechanism, exchange, &message),
        }
    }

    fn begin(&mut self, mechanism: Mechanism, message: &[u8]) -> Result<Reply, Condition> {
        let exchange = Exchange::new(mechanism).ok_or(Condition::InvalidMechanism)?;
        self.go_on(mechanism, exchange, message)
    }

    fn go_on(&mut self, mechanism: Mechanism, mut exchange: Exchange, message: &[u8]) -> Result<Reply, Condition> {
        if message.len() > MAX_MESSAGE {
            return Err(Condition::MalformedRequest);
        }
        match mechanism {
            Mechanism::External => std::str::from_utf8(message).map_err(|_| Condition::MalformedRequest)?,
        };
        match exchange.step(message) {
            Step::Challenge(data) => {
                self.state = State::Answering(mechanism, exchange);
                Ok(Reply::Challenge(Element::new(ns::SASL, "challenge").with_text(&base64::encode(&data))))
            }
            Step::Done(data, proof) => {
                let who = self.by_certificate(&proof.authzid)?;
                let data = data.map(|data| base64::encode(&data)).unwrap_or_default();
                Ok(Reply::Success(Element::new(ns::SASL, "success").with_text(&data), who))
            }
            Step::Failed => Err(Condition::NotAuthorized),
        }
    }

    fn offers(&self, mechanism: Mechanism) -> bool {
        self.setting.encrypted
            && match mechanism {
                Mechanism::External => !self.setting.proven.is_empty(),
            }
    }

    /// XEP-0178 sections 2 and 3: one address needs no name, and of several the peer has to name one.
    fn by_certificate(&self, authzid: &str) -> Result<BareJid, Condition> {
        let proven = &self.setting.proven;
        let who = match (authzid, proven.as_slice()) {
            ("", [only]) => Some(only),
            ("", _) => None,
            (authzid, proven) => {
                let wanted = Jid::parse(authzid).map_err(|_| Condition::InvalidAuthzid)?;
                proven.iter().find(|proven| *proven.as_jid() == wanted)
            }
        };
        who.cloned().ok_or(Condition::InvalidAuthzid)
    }

    /// One more try, unless there were too many.
    fn count(&mut self) -> Result<(), Condition> {
        if self.is_exhausted() {
            return Err(Condition::NotAuthorized);
        }
        self.tries += 1;
        Ok(())
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("tries", &self.tries).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
