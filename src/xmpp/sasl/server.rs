//! The receiving entity's side (RFC 6120 sections 6.3 and 6.4).
//!
//! ```text
//!  Idle --<auth/>--> (Asked | Answering) --<response/>...--> success, the end, or failure, Idle again
//! ```
//! A second `<auth/>` discards what was going on (section 6.4.2); each counts as a try.

use std::sync::Arc;

use super::exchange::{Exchange, Facts, Step};
use super::grammar::{self, Claim, Flag};
use super::{Account, Accounts, Binding, Condition, Hash, Keys, MAX_MESSAGE, MAX_TRIES, Mechanism, Standing, base64};
use crate::xml::{Element, ns};
use crate::xmpp::jid::{BareJid, Jid};

/// What holds for one stream when its authentication begins.
#[derive(Debug, Clone, Default)]
pub struct Setting {
    /// Whether the connection has TLS. Without it nothing is offered and every try is refused.
    pub encrypted: bool,
    /// The addresses that the peer's certificate proves, chain and validity included; EXTERNAL is offered if there are any.
    pub proven: Vec<BareJid>,
    /// What SCRAM can be bound to; the mechanisms with `-PLUS` are offered if there is anything.
    pub binding: Binding,
    /// Who may come in by password; `None`: nobody.
    pub users: Option<Users>,
}

/// The users of a domain.
#[derive(Clone)]
pub struct Users {
    /// Whose localparts the names in SCRAM and PLAIN are (RFC 6120 section 6.3.7).
    pub domain: BareJid,
    /// Their accounts.
    pub accounts: Arc<dyn Accounts>,
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
    Answering(Box<Try>),
}

struct Try {
    mechanism: Mechanism,
    exchange: Exchange,
    claim: Claim,
    named: Named,
}

/// Whom a name means.
#[derive(Default)]
struct Named {
    /// `None`: the name cannot be a localpart.
    user: Option<BareJid>,
    /// `None`: nobody.
    account: Option<Account>,
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
        Self::new(Setting { encrypted: true, proven: vec![domain], ..Setting::default() })
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

    /// The feature `<sasl-channel-binding/>` (XEP-0440); `None` if nothing is offered that could be bound.
    #[must_use]
    pub fn binding_feature(&self) -> Option<Element> {
        let one = |name| Element::new(ns::SASL_CB, "channel-binding").with_attr("type", name);
        let feature = Element::new(ns::SASL_CB, "sasl-channel-binding");
        let any = self.mechanisms().into_iter().any(Mechanism::is_plus);
        any.then(|| self.setting.binding.names().map(one).fold(feature, Element::with_child))
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
                State::Asked(_) | State::Answering(_) => Err(Condition::Aborted),
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
            State::Answering(answering) => {
                if let Some(hash) = answering.mechanism.hash() {
                    grammar::client_final(&message, hash)?;
                }
                self.go_on(*answering, &message)
            }
        }
    }

    fn begin(&mut self, mechanism: Mechanism, message: &[u8]) -> Result<Reply, Condition> {
        if message.len() > MAX_MESSAGE {
            return Err(Condition::MalformedRequest);
        }
        let (claim, hash) = match mechanism {
            Mechanism::External => (grammar::external(message)?, None),
            Mechanism::Plain => (grammar::plain(message)?, Some(Hash::Sha256)),
            Mechanism::ScramSha256Plus | Mechanism::ScramSha1Plus | Mechanism::ScramSha256 | Mechanism::ScramSha1 => {
                let (flag, claim) = grammar::client_first(message)?;
                self.check_binding(mechanism, flag)?;
                (claim, mechanism.hash())
            }
        };
        let (named, keys) = match (hash, &self.setting.users) {
            (Some(hash), Some(users)) => {
                let named = users.named(&claim.name)?;
                let keys = users.keys(&named, mechanism, hash, &claim.name);
                (named, Some(keys))
            }
            _ => (Named::default(), None),
        };
        let facts = Facts { claim: claim.clone(), keys, binding: self.setting.binding.clone() };
        let exchange = Exchange::new(mechanism, facts).ok_or(Condition::InvalidMechanism)?;
        self.go_on(Try { mechanism, exchange, claim, named }, message)
    }

    fn go_on(&mut self, mut answering: Try, message: &[u8]) -> Result<Reply, Condition> {
        match answering.exchange.step(message) {
            Step::Challenge(data) => {
                self.state = State::Answering(Box::new(answering));
                Ok(Reply::Challenge(Element::new(ns::SASL, "challenge").with_text(&base64::encode(&data))))
            }
            Step::Proven(data) => {
                let authzid = &answering.claim.authzid;
                let who = match answering.mechanism {
                    Mechanism::External => self.by_certificate(authzid)?,
                    Mechanism::ScramSha256Plus
                    | Mechanism::ScramSha1Plus
                    | Mechanism::ScramSha256
                    | Mechanism::ScramSha1
                    | Mechanism::Plain => answering.named.by_password(authzid)?,
                };
                let data = data.map(|data| base64::encode(&data)).unwrap_or_default();
                Ok(Reply::Success(Element::new(ns::SASL, "success").with_text(&data), who))
            }
            Step::Failed => Err(Condition::NotAuthorized),
        }
    }

    fn offers(&self, mechanism: Mechanism) -> bool {
        let setting = &self.setting;
        setting.encrypted
            && match mechanism {
                Mechanism::External => !setting.proven.is_empty(),
                Mechanism::ScramSha256Plus | Mechanism::ScramSha1Plus => {
                    setting.users.is_some() && !setting.binding.is_empty()
                }
                Mechanism::ScramSha256 | Mechanism::ScramSha1 | Mechanism::Plain => setting.users.is_some(),
            }
    }

    /// RFC 5802 section 6. Who takes `-PLUS` has to bind, to something that there is; who does not must not believe that we
    /// could not, because then somebody has taken it out of our list.
    fn check_binding(&self, mechanism: Mechanism, flag: Flag) -> Result<(), Condition> {
        let binding = &self.setting.binding;
        let good = match flag {
            Flag::Used(name) => mechanism.is_plus() && binding.data(name).is_some(),
            Flag::NotOffered => !mechanism.is_plus() && binding.is_empty(),
            Flag::Cannot => !mechanism.is_plus(),
        };
        if good { Ok(()) } else { Err(Condition::NotAuthorized) }
    }

    /// XEP-0178 sections 2 and 3: one address needs no name, and of several the peer has to name one.
    fn by_certificate(&self, authzid: &str) -> Result<BareJid, Condition> {
        let proven = &self.setting.proven;
        let who = match (authzid, proven.as_slice()) {
            ("", [only]) => Some(only),
            ("", _) => None,
            (authzid, proven) => {
                let wanted = Jid::parse_peer(authzid).map_err(|_| Condition::InvalidAuthzid)?;
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

impl Users {
    fn named(&self, name: &str) -> Result<Named, Condition> {
        let user = Jid::new(Some(name), self.domain.domain(), None).ok().map(|user| user.to_bare());
        let account = user.as_ref().map(|user| self.accounts.account(user)).transpose();
        Ok(Named { account: account.map_err(|_| Condition::TemporaryAuthFailure)?.flatten(), user })
    }

    /// The user's, or such as a user might have. PLAIN takes either set, for both open to the password.
    fn keys(&self, named: &Named, mechanism: Mechanism, hash: Hash, name: &str) -> Keys {
        let own = named.account.as_ref().and_then(|account| {
            let fits = account.keys.iter().find(|keys| keys.hash == hash);
            fits.or_else(|| account.keys.first().filter(|_| mechanism == Mechanism::Plain))
        });
        // All spellings of a name have the same salt, as if there were an account.
        let name = named.user.as_ref().map_or(name, BareJid::as_str);
        own.cloned().unwrap_or_else(|| self.accounts.decoy().keys(hash, name))
    }
}

impl Named {
    /// Nobody may act as somebody else (RFC 6120 section 6.3.8), and the standing of an account is told only to its user.
    fn by_password(self, authzid: &str) -> Result<BareJid, Condition> {
        let (Some(user), Some(account)) = (self.user, self.account) else { return Err(Condition::NotAuthorized) };
        if !authzid.is_empty() && Jid::parse_peer(authzid).as_ref() != Ok(user.as_jid()) {
            return Err(Condition::InvalidAuthzid);
        }
        match account.standing {
            Standing::Good => Ok(user),
            Standing::Disabled => Err(Condition::AccountDisabled),
            Standing::Expired => Err(Condition::CredentialsExpired),
        }
    }
}

impl std::fmt::Debug for Users {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Users").field("domain", &self.domain).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("tries", &self.tries).finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(super) mod scram;
#[cfg(test)]
mod tests;
