//! The client: credentials for requests of ours (RFC 3261 sections 22.2 and 22.3, RFC 7616 section 3.4, RFC 8760).
//!
//! [`Client::challenged`] answers a 401 or 407, and remembers its nonce; [`Client::authorize`] then puts credentials
//! into every request before anybody asks, so that each costs one round trip and not two. Both work for several realms
//! at once, because every proxy on the way may have its own (RFC 3261 section 22.3).
//!
//! Of several challenges for one realm the topmost that we can answer is taken (RFC 8760 section 2.4). An answer that
//! was made for this very challenge and is refused means that the password is wrong; one that was made with a nonce from
//! before may only have been too old, whatever `stale` says, and is made once more.

use std::time::Duration;

use super::algorithm::{Algorithm, Qop, Subject, Use, response};
use super::credentials::Used;
use super::{AuthenticationInfo, Challenge, Credentials, Door, Key};
use crate::ids::Ids;
use crate::sip::message::{Name, Request, Response};
use crate::time::Now;

/// Challenges answered for one request: one for each of a few proxies, and one for a nonce that went stale meanwhile.
pub const MAX_CHALLENGES: u8 = 3;

/// Realms remembered by one client; a chain with more is not met, and what is forgotten is asked for again.
pub const MAX_REALMS: usize = 8;

/// Header lines of one response that are read.
pub const MAX_LINES: usize = 16;

/// How long credentials that were refused are not tried again: a wrong password repeated with every message gets us
/// banned where failures are counted.
pub const REFUSED: Duration = Duration::from_secs(60);

/// Credentials from the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The realm they are for; `None`: any.
    pub realm: Option<String>,
    /// The user.
    pub username: String,
    /// The proof.
    pub key: Key,
}

/// The credentials of one next hop, or of one user there, and the nonces that are in use.
#[derive(Debug)]
pub struct Client {
    accounts: Vec<Account>,
    sessions: Vec<Session>,
    /// Realms where our credentials were refused, and until when that is believed.
    refused: Vec<(Door, String, Duration)>,
    ids: Ids,
}

/// A nonce in use.
#[derive(Debug)]
struct Session {
    door: Door,
    challenge: Challenge,
    algorithm: Algorithm,
    qop: Option<Qop>,
    username: String,
    /// H(A1).
    key: Key1,
    cnonce: String,
    count: u32,
}

/// H(A1), not for the log.
struct Key1(String);

impl std::fmt::Debug for Key1 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// What was tried for one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    challenges: u8,
    answered: Vec<(Door, String, String)>,
}

/// What to do with a request that was challenged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Send it again: it has credentials now. CSeq and branch are the sender's business (RFC 3261 section 8.1.3.5).
    Again,
    /// The response stands.
    GiveUp(Refusal),
}

/// Why a challenge is not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There are no credentials for this realm.
    #[error("there are no credentials for realm \"{0}\"")]
    NoCredentials(String),
    /// The server does not take the credentials we have.
    #[error("the credentials for realm \"{realm}\" were refused")]
    Refused {
        /// The realm.
        realm: String,
        /// Whether this is news: then it belongs in the log.
        first: bool,
    },
    /// Every challenge asks for an algorithm or protection that we do not have, or for which no hash is configured.
    #[error("realm \"{0}\" asks for an algorithm that cannot be served")]
    Unsupported(String),
    /// [`MAX_CHALLENGES`] answers, and still another challenge.
    #[error("too many challenges for one request")]
    TooMany,
    /// A 401 or 407 without a Digest challenge that can be read.
    #[error("the server asks for authentication and does not say how")]
    NoChallenge,
}

impl Client {
    /// A client with these credentials; the first whose realm fits is taken.
    #[must_use]
    pub fn new(accounts: Vec<Account>, ids: Ids) -> Self {
        Self { accounts, sessions: Vec::new(), refused: Vec::new(), ids }
    }

    /// Puts in credentials for every realm whose nonce we have.
    pub fn authorize(&mut self, request: &mut Request) {
        for session in &mut self.sessions {
            session.authorize(request);
        }
        self.sessions.retain(|session| session.count < u32::MAX);
    }

    /// What `response`, a 401 or 407, means for `request`.
    pub fn challenged(
        &mut self,
        response: &Response,
        request: &mut Request,
        attempts: &mut Attempts,
        now: Now,
    ) -> Answer {
        if attempts.challenges >= MAX_CHALLENGES {
            return Answer::GiveUp(Refusal::TooMany);
        }
        attempts.challenges += 1;
        let mut why = Refusal::NoChallenge;
        let mut answered = 0;
        for (door, realm, challenges) in by_realm(response) {
            match self.answer(door, &realm, challenges, request, attempts, now) {
                Ok(session) => {
                    attempts.answered.push((door, realm, session.challenge.nonce.clone()));
                    self.remember(session);
                    answered += 1;
                }
                // Of several realms those are answered that can be (RFC 3261 section 22.3); a refused password ends it.
                Err(refused @ Refusal::Refused { .. }) => return Answer::GiveUp(refused),
                Err(other) => why = other,
            }
        }
        if answered == 0 {
            return Answer::GiveUp(why);
        }
        request.headers.remove(Name::AUTHORIZATION);
        request.headers.remove(Name::PROXY_AUTHORIZATION);
        self.authorize(request);
        Answer::Again
    }

    /// Takes the next nonce from the response to a request that was believed (RFC 7615 section 3).
    pub fn informed(&mut self, response: &Response) {
        if self.sessions.is_empty() {
            return;
        }
        let info = response.headers.get(Name::AUTHENTICATION_INFO).and_then(AuthenticationInfo::parse);
        let Some(nonce) = info.and_then(|info| info.next_nonce) else { return };
        let mut servers = self.sessions.iter_mut().filter(|session| session.door == Door::Server);
        // The header names no realm. A session key stays made of the first nonce, and servers disagree about that.
        if let (Some(session), None) = (servers.next(), servers.next())
            && !session.algorithm.session
        {
            session.challenge.nonce = nonce;
            session.count = 0;
        }
    }

    fn answer(
        &mut self,
        door: Door,
        realm: &str,
        challenges: Vec<Challenge>,
        request: &Request,
        attempts: &Attempts,
        now: Now,
    ) -> Result<Session, Refusal> {
        self.refused.retain(|(.., until)| *until > now.mono);
        if self.refused.iter().any(|(other, name, _)| (*other, name.as_str()) == (door, realm)) {
            return Err(Refusal::Refused { realm: realm.to_owned(), first: false });
        }
        let before = attempts.answered.iter().find(|(other, name, _)| (*other, name.as_str()) == (door, realm));
        if let Some((.., nonce)) = before
            && !challenges.iter().any(|challenge| challenge.stale && challenge.nonce != *nonce)
            && has_credentials(request, door, realm)
        {
            self.forget(door, realm, now);
            return Err(Refusal::Refused { realm: realm.to_owned(), first: true });
        }
        let plain = unescaped(realm);
        let fits = |account: &&Account| account.realm.as_ref().is_none_or(|own| *own == plain);
        let Some(account) = self.accounts.iter().find(fits) else {
            return Err(Refusal::NoCredentials(realm.to_owned()));
        };
        let session = challenges.into_iter().find_map(|challenge| session(door, challenge, account, &mut self.ids));
        session.ok_or_else(|| Refusal::Unsupported(realm.to_owned()))
    }

    fn forget(&mut self, door: Door, realm: &str, now: Now) {
        self.sessions.retain(|session| (session.door, session.challenge.realm.as_str()) != (door, realm));
        if self.refused.len() >= MAX_REALMS {
            self.refused.remove(0);
        }
        self.refused.push((door, realm.to_owned(), now.mono + REFUSED));
    }

    fn remember(&mut self, session: Session) {
        self.sessions.retain(|old| (old.door, &old.challenge.realm) != (session.door, &session.challenge.realm));
        if self.sessions.len() >= MAX_REALMS {
            self.sessions.remove(0);
        }
        self.sessions.push(session);
    }
}

/// What the configuration calls a realm that is spelled with backslashes on the wire.
fn unescaped(realm: &str) -> String {
    let mut letters = realm.chars();
    let mut plain = String::with_capacity(realm.len());
    while let Some(letter) = letters.next() {
        plain.push(if letter == '\\' { letters.next().unwrap_or(letter) } else { letter });
    }
    plain
}

/// The challenges of a response by door and realm, in their order. A forking proxy puts both kinds into one response
/// (RFC 8760 section 2.5).
fn by_realm(response: &Response) -> Vec<(Door, String, Vec<Challenge>)> {
    let mut realms: Vec<(Door, String, Vec<Challenge>)> = Vec::new();
    for door in [Door::Server, Door::Proxy] {
        for challenge in response.headers.all(door.challenge()).take(MAX_LINES).filter_map(Challenge::parse) {
            let known = realms.iter().position(|(other, realm, _)| *other == door && *realm == challenge.realm);
            match known {
                Some(at) => realms[at].2.push(challenge),
                None if realms.len() < MAX_REALMS => realms.push((door, challenge.realm.clone(), vec![challenge])),
                None => {}
            }
        }
    }
    realms
}

fn has_credentials(request: &Request, door: Door, realm: &str) -> bool {
    let mut given = request.headers.all(door.credentials()).filter_map(Credentials::parse);
    given.any(|credentials| credentials.realm == realm)
}

/// A session for `challenge`, if we have what it asks for.
fn session(door: Door, challenge: Challenge, account: &Account, ids: &mut Ids) -> Option<Session> {
    let algorithm = challenge.algorithm()?;
    let qop = challenge.choose_qop().ok()?;
    if algorithm.session && qop.is_none() {
        // There is no cnonce to make the session key of (RFC 7616 section 3.4.2).
        return None;
    }
    let ha1 = account.key.ha1(algorithm.hash, &account.username, &challenge.realm)?;
    let cnonce = ids.token();
    let key = Key1(algorithm.key(&ha1, &challenge.nonce, &cnonce));
    Some(Session { door, algorithm, qop, username: account.username.clone(), key, cnonce, count: 0, challenge })
}

impl Session {
    fn authorize(&mut self, request: &mut Request) {
        self.count = self.count.saturating_add(1);
        let subject = Subject { method: request.method.as_str(), uri: request.uri.as_str(), body: request.body() };
        let used = self.qop.map(|qop| Use { qop, count: self.count, cnonce: &self.cnonce });
        let proof = response(self.algorithm.hash, &self.key.0, &self.challenge.nonce, used, subject);
        let credentials = Credentials {
            username: self.username.clone(),
            realm: self.challenge.realm.clone(),
            nonce: self.challenge.nonce.clone(),
            uri: request.uri.as_str().to_owned(),
            response: proof,
            algorithm: self.challenge.algorithm.clone(),
            opaque: self.challenge.opaque.clone(),
            used: self.qop.map(|qop| Used { qop, count: self.count, cnonce: self.cnonce.clone() }),
        };
        request.headers.push(self.door.credentials(), credentials.print());
    }
}

#[cfg(test)]
mod tests;
