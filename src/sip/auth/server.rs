//! The server: challenges, and who answered them (RFC 3261 section 22, RFC 7616 section 3.3, RFC 8760 section 2.3).
//!
//! * **Nothing is kept of a challenge.** A nonce carries its time and a code that only we can make, so a flood of requests
//!   without credentials costs no memory. Only a nonce whose user proved the password has an entry, in a bounded table.
//! * **A count is taken once** (`nc`). Requests over UDP overtake each other, so a window behind the highest is kept. A
//!   count that was there, a nonce that is too old or that was pushed out of the table gets `stale=true`: whoever knows
//!   the password goes on with the next nonce, whoever repeats what he overheard does not.
//! * **An unknown user costs what a known one does**: the same hashes with a key that nobody knows, the same comparison,
//!   the same answer.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::algorithm::{Hash, Subject, Use, hex, response};
use super::{Challenge, Credentials, Door, Key, Qop};
use crate::ids::Ids;
use crate::sip::message::Request;
use crate::sip::uri::Uri;
use crate::time::Now;
use sha2::{Digest, Sha256};

/// Nonces whose counts are kept: users that authenticate within the life of a nonce. About 150 bytes each.
pub const NONCES: usize = 10_000;

/// Header lines with credentials that are looked at: one for each server on the way, and there are few.
pub const MAX_LINES: usize = 8;

/// Characters of a user's name that are passed on for the log.
pub const MAX_NAME: usize = 64;

/// How a [`Server`] is set up.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Whose users are asked for; also part of every stored hash.
    pub realm: String,
    /// What is offered, in the order of preference; not empty.
    pub algorithms: Vec<Hash>,
    /// How long a nonce is good.
    pub life: Duration,
    /// User name and proof; each proof has all of `algorithms`.
    pub accounts: Vec<(String, Key)>,
}

/// What the credentials of a request prove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthOutcome {
    /// This user sent it.
    Account(Arc<str>),
    /// It has no credentials for our realm: challenge it.
    Absent,
    /// Right, but with a nonce that is used up: challenge it with `stale=true`.
    Stale,
    /// Wrong. The name is as the request has it, cut and without what could disturb a log line: challenge it, and count
    /// it against its source.
    Failed(String),
}

/// Challenges, and who answered them.
#[derive(Debug)]
pub struct Server {
    realm: String,
    algorithms: Vec<Hash>,
    life: Duration,
    users: HashMap<Arc<str>, [Option<Ha1>; 3]>,
    nobody: [Option<Ha1>; 3],
    nonces: Nonces,
    ids: Ids,
}

#[derive(Clone)]
struct Ha1(String);

impl std::fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Server {
    /// A server whose nonces are made with a secret drawn from `ids`.
    #[must_use]
    pub fn new(config: ServerConfig, mut ids: Ids) -> Self {
        let hashes = |name: &str, key: &Key| Hash::ALL.map(|hash| key.ha1(hash, name, &config.realm).map(Ha1));
        let users = config.accounts.iter().map(|(name, key)| (Arc::from(name.as_str()), hashes(name, key))).collect();
        let nobody = hashes("", &Key::password(ids.token()));
        let secret = [ids.token(), ids.token()].concat();
        Self {
            users,
            nobody,
            realm: config.realm,
            algorithms: config.algorithms,
            life: config.life,
            nonces: Nonces { secret: Secret(secret.into_bytes()), used: BTreeMap::new(), forgotten: None },
            ids,
        }
    }

    /// The values for [`Door::challenge`], most preferred first, one for each algorithm.
    pub fn challenges(&mut self, stale: bool, now: Now) -> Vec<String> {
        let nonce = self.nonces.make(&mut self.ids, now);
        let one = |hash: &Hash| Challenge {
            realm: self.realm.clone(),
            nonce: nonce.clone(),
            opaque: None,
            stale,
            algorithm: Some(hash.name().to_owned()),
            qop: Some(vec![Qop::Auth]),
        };
        self.algorithms.iter().map(|hash| one(hash).print()).collect()
    }

    /// What the credentials of `request` prove.
    pub fn judge(&mut self, door: Door, request: &Request, now: Now) -> AuthOutcome {
        let lines = request.headers.all(door.credentials()).take(MAX_LINES);
        let mut ours = lines.filter_map(Credentials::parse).filter(|credentials| credentials.realm == self.realm);
        match (ours.next(), ours.next()) {
            (None, _) => AuthOutcome::Absent,
            (Some(credentials), None) => self.prove(&credentials, request, now),
            // Two for one realm could be read either way.
            (Some(credentials), Some(_)) => AuthOutcome::Failed(for_log(&credentials.username)),
        }
    }

    /// Takes out the credentials that were meant for us: nobody further on needs a proof that passwords can be guessed by.
    pub fn take_proof(&self, door: Door, request: &mut Request) {
        let is_ours = |value: &[u8]| Credentials::parse(value).is_some_and(|given| given.realm == self.realm);
        let others: Vec<Vec<u8>> =
            request.headers.all(door.credentials()).filter(|v| !is_ours(v)).map(<[u8]>::to_vec).collect();
        request.headers.remove(door.credentials());
        others.iter().for_each(|value| request.headers.push(door.credentials(), value));
    }

    fn prove(&mut self, credentials: &Credentials, request: &Request, now: Now) -> AuthOutcome {
        let failed = || AuthOutcome::Failed(for_log(&credentials.username));
        let offered = credentials.algorithm().filter(|alg| !alg.session && self.algorithms.contains(&alg.hash));
        let hash = offered.map_or(Hash::Md5, |algorithm| algorithm.hash);
        let known = self.users.get_key_value(credentials.username.as_str());
        let keys = known.map_or(&self.nobody, |(_, keys)| keys);
        let key = keys[hash as usize].as_ref().map_or("", |key| key.0.as_str());
        let used = credentials.used.as_ref();
        let subject = Subject { method: request.method.as_str(), uri: &credentials.uri, body: request.body() };
        let how = used.map(|used| Use { qop: used.qop, count: used.count, cnonce: &used.cnonce });
        let expected = response(hash, key, &credentials.nonce, how, subject);
        let right = same(expected.as_bytes(), credentials.response.to_ascii_lowercase().as_bytes());
        let told = used.is_none_or(|used| used.qop == Qop::Auth);
        let (true, true, true, Some((name, _))) = (right, told && !key.is_empty(), offered.is_some(), known) else {
            return failed();
        };
        if !means(&credentials.uri, &request.uri) {
            return failed();
        }
        let name = Arc::clone(name);
        let count = used.map_or(1, |used| used.count);
        if self.nonces.take(&credentials.nonce, count, self.life, now) {
            AuthOutcome::Account(name)
        } else {
            AuthOutcome::Stale
        }
    }
}

/// Whether credentials for `written` are good for a request to `uri`: proxies add ports and parameters, but the person
/// meant stays the same, or somebody could send what he overheard to somebody else (RFC 8760 section 2.6 bullet 6).
/// Clients that write their server's address there (SIPp does) name nobody, and the count alone protects them.
fn means(written: &str, uri: &Uri) -> bool {
    if written == uri.as_str() {
        return true;
    }
    let Ok(written) = Uri::parse(written) else { return false };
    let host = |uri: &Uri| uri.host().map(|host| host.to_string().to_ascii_lowercase());
    match written.user() {
        None => written.host().is_some(),
        user => user == uri.user() && host(&written) == host(uri),
    }
}

/// Takes as long for texts that differ at the front as for those that differ at the end.
fn same(one: &[u8], two: &[u8]) -> bool {
    one.len() == two.len() && one.iter().zip(two).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

/// A name that strangers chose, made fit for one word of a log line.
fn for_log(name: &str) -> String {
    let fit = |letter: char| if letter.is_ascii_graphic() && !"\"'\\".contains(letter) { letter } else { '_' };
    let name: String = name.chars().take(MAX_NAME).map(fit).collect();
    if name.is_empty() { "-".to_owned() } else { name }
}

/// The nonces of one server: `time.random.code`.
#[derive(Debug)]
struct Nonces {
    secret: Secret,
    /// By the time they were made, in milliseconds, and their random part: those that were used.
    used: BTreeMap<(u64, String), Counts>,
    /// A nonce made no later than this that is not in the table may have been: it cannot be taken any more.
    forgotten: Option<u64>,
}

struct Secret(Vec<u8>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// Which counts of one nonce were there: the highest, and a bit for each of the 64 before it.
#[derive(Debug, Default)]
struct Counts {
    highest: u32,
    before: u64,
}

impl Nonces {
    fn make(&self, ids: &mut Ids, now: Now) -> String {
        let open = format!("{}.{}", millis(now), ids.token());
        let code = self.code(&open);
        format!("{open}.{code}")
    }

    fn code(&self, open: &str) -> String {
        hex(&hmac(&self.secret.0, open.as_bytes())[..16])
    }

    /// Whether this nonce is ours, young enough, and was not used with this count.
    fn take(&mut self, nonce: &str, count: u32, life: Duration, now: Now) -> bool {
        let Some((open, code)) = nonce.rsplit_once('.') else { return false };
        let parts = open.split_once('.').and_then(|(made, random)| Some((made.parse::<u64>().ok()?, random)));
        let Some((made, random)) = parts else { return false };
        if !same(self.code(open).as_bytes(), code.as_bytes()) {
            return false;
        }
        let (age, life) = (millis(now).saturating_sub(made), u64::try_from(life.as_millis()).unwrap_or(u64::MAX));
        let oldest = millis(now).saturating_sub(life);
        while self.used.first_key_value().is_some_and(|((made, _), _)| *made < oldest) {
            self.used.pop_first();
        }
        let key = (made, random.to_owned());
        if age > life || (self.forgotten.is_some_and(|last| made <= last) && !self.used.contains_key(&key)) {
            return false;
        }
        let taken = self.used.entry(key).or_default().take(count);
        if self.used.len() > NONCES
            && let Some(((made, _), _)) = self.used.pop_first()
        {
            self.forgotten = Some(made);
        }
        taken
    }
}

impl Counts {
    fn take(&mut self, count: u32) -> bool {
        if count > self.highest {
            let by = count - self.highest;
            // The old highest becomes the bit `by - 1`.
            let moved = self.before.checked_shl(by).unwrap_or(0);
            let old = if self.highest > 0 { 1u64.checked_shl(by - 1).unwrap_or(0) } else { 0 };
            (self.highest, self.before) = (count, moved | old);
            return true;
        }
        let Some(behind) = (self.highest - count).checked_sub(1) else { return false };
        let Some(bit) = 1u64.checked_shl(behind).filter(|_| count > 0) else { return false };
        let fresh = self.before & bit == 0;
        self.before |= bit;
        fresh
    }
}

fn millis(now: Now) -> u64 {
    u64::try_from(now.mono.as_millis()).unwrap_or(u64::MAX)
}

/// HMAC-SHA-256 (RFC 2104).
fn hmac(secret: &[u8], text: &[u8]) -> [u8; 32] {
    const BLOCK: usize = 64;
    let mut key = [0; BLOCK];
    if secret.len() > BLOCK {
        key[..32].copy_from_slice(&Sha256::digest(secret));
    } else {
        key[..secret.len()].copy_from_slice(secret);
    }
    let inner = Sha256::new().chain_update(key.map(|byte| byte ^ 0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(key.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().into()
}

#[cfg(test)]
mod tests;
