//! Credentials for requests of ours, and what it means when they do not suffice.
//!
//! A domain has credentials of its own (`[[domain.credentials]]`), and so may single users (`[[domain.user]]`), whose
//! requests go out in their own names and never with the domain's credentials. Where there are none nothing is looked up
//! and nothing kept, and a challenge ends the errand with words that say what is missing.

use std::collections::HashMap;
use std::time::Duration;

use super::Gateway;
use super::errand::{Purpose, RouteId};
use super::limits;
use crate::ids::Ids;
use crate::model::Failure;
use crate::sip::auth::{Account, Answer, Attempts, Challenge, Client, Door, Refusal};
use crate::sip::message::{Name, Request, Response, Status};
use crate::time::Now;

/// All credentials of ours.
#[derive(Debug)]
pub(super) struct Keyring {
    /// By route.
    domains: Vec<Option<Client>>,
    /// By the number of the user.
    users: Vec<Client>,
    /// When the log was last told of a route that wants credentials.
    told: HashMap<RouteId, Duration>,
}

impl Keyring {
    /// The credentials of each route, where it has some.
    pub(super) fn new<'a>(routes: impl Iterator<Item = &'a [Account]>, ids: &mut Ids) -> Self {
        let client = |accounts: &[Account]| (!accounts.is_empty()).then(|| Client::new(accounts.to_vec(), ids.fork()));
        Self { domains: routes.map(client).collect(), users: Vec::new(), told: HashMap::new() }
    }

    /// The credentials of the next user.
    pub(super) fn add_user(&mut self, account: Account, ids: &mut Ids) {
        self.users.push(Client::new(vec![account], ids.fork()));
    }

    fn client(&mut self, route: RouteId, purpose: &Purpose) -> Option<&mut Client> {
        match purpose.user() {
            Some(user) => self.users.get_mut(user),
            None => self.domains.get_mut(route)?.as_mut(),
        }
    }
}

impl Gateway {
    /// Puts in the credentials that are known to be wanted.
    pub(super) fn authorize(&mut self, route: RouteId, purpose: &Purpose, request: &mut Request) {
        if let Some(client) = self.keyring.client(route, purpose) {
            client.authorize(request);
        }
    }

    /// Whether a challenge could be answered.
    pub(super) fn has_credentials(&mut self, route: RouteId, purpose: &Purpose) -> bool {
        self.keyring.client(route, purpose).is_some()
    }

    /// Whether `response` is a challenge that is answered now; what has credentials after it is `request`.
    pub(super) fn answers_challenge(
        &mut self,
        route: RouteId,
        purpose: &Purpose,
        response: &Response,
        request: &mut Request,
        attempts: &mut Attempts,
        now: Now,
    ) -> Result<bool, Refusal> {
        let Some(client) = self.keyring.client(route, purpose) else { return Ok(false) };
        if !is_challenge(response) {
            client.informed(response);
            return Ok(false);
        }
        match client.challenged(response, request, attempts, now) {
            Answer::Again => Ok(true),
            Answer::GiveUp(refusal) => Err(refusal),
        }
    }

    /// A challenge stands: what it means for whoever wrote, and once in a while for the log.
    pub(super) fn unproven(
        &mut self,
        route: RouteId,
        response: &Response,
        refusal: Option<Refusal>,
        now: Now,
    ) -> Failure {
        let refusal = refusal.unwrap_or_else(|| without_credentials(response));
        let (domain, sip) =
            self.settings.routes.get(route).map_or(("", ""), |(domain, to)| (domain, &to.next_hop.host));
        let news = match &refusal {
            Refusal::Refused { first, .. } => *first,
            Refusal::NoCredentials(_) | Refusal::Unsupported(_) | Refusal::TooMany | Refusal::NoChallenge => {
                let told = self.keyring.told.get(&route).copied();
                let news = told.is_none_or(|at| now.mono >= at + limits::CHALLENGE_LOG);
                if news {
                    self.keyring.told.insert(route, now.mono);
                }
                news
            }
        };
        let status = response.status.code();
        if news {
            tracing::warn!(
                domain,
                next_hop = sip,
                status,
                "the SIP server wants proof: {refusal}; {}",
                remedy(&refusal)
            );
        } else {
            tracing::debug!(domain, next_hop = sip, status, "the SIP server wants proof: {refusal}");
        }
        let text = format!("the SIP server of {domain} wants proof of the gateway: {refusal}");
        let mapped = self.mapping.status_to_failure(response);
        let failure = mapped.unwrap_or_else(|| Failure::new(crate::model::Reason::NotAuthorized));
        Failure { text: Some(text), ..failure }
    }
}

/// 401 or 407.
pub(super) fn is_challenge(response: &Response) -> bool {
    matches!(response.status, Status::UNAUTHORIZED | Status::PROXY_AUTHENTICATION_REQUIRED)
}

fn without_credentials(response: &Response) -> Refusal {
    let lines = |name: Name<'static>| response.headers.all(name);
    let mut all = lines(Door::Server.challenge()).chain(lines(Door::Proxy.challenge()));
    all.find_map(Challenge::parse).map_or(Refusal::NoChallenge, |challenge| Refusal::NoCredentials(challenge.realm))
}

fn remedy(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::NoCredentials(_) => "add [[domain.credentials]] with the user that it knows stox by",
        Refusal::Refused { .. } => "correct username and password, here or there; they are tried again in a minute",
        Refusal::Unsupported(_) => "give the password instead of a hash, or let the server offer SHA-256 or MD5",
        Refusal::TooMany | Refusal::NoChallenge => "look into what the server sends",
    }
}
