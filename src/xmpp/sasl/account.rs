//! What is known of users: keys from which nobody can learn a password (RFC 5802 section 3), and whether they may come in.

use hmac::{Hmac, Mac};
use rsasl::mechanisms::scram::tools;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::xmpp::jid::BareJid;

/// The hash function of a set of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hash {
    /// SCRAM-SHA-1.
    Sha1,
    /// SCRAM-SHA-256.
    Sha256,
}

impl Hash {
    /// Octets of what it makes.
    #[must_use]
    pub fn octets(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }
}

/// Octets of a salt. All have the same length, or that of a user who does not exist would show.
pub const SALT: usize = 16;

/// What is stored instead of a password: its keys for one hash function. Passwords themselves are not stored, and the keys
/// serve PLAIN as well.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    /// The hash function.
    pub hash: Hash,
    /// Rounds of PBKDF2; at least 4,096 (RFC 7677 section 4).
    pub iterations: u32,
    /// [`SALT`] octets, random for each user.
    pub salt: Vec<u8>,
    /// StoredKey, as many octets as the hash function makes.
    pub stored: Vec<u8>,
    /// ServerKey, likewise.
    pub server: Vec<u8>,
}

impl Keys {
    /// The keys of a password; `None` for one that SASLprep (RFC 4013) does not allow. Takes milliseconds: that is its
    /// purpose.
    #[must_use]
    pub fn derive(hash: Hash, password: &str, salt: &[u8], iterations: u32) -> Option<Self> {
        let password = stringprep::saslprep(password).ok().filter(|password| !password.is_empty())?;
        let (client, server) = match hash {
            Hash::Sha1 => {
                let mut salted = Default::default();
                tools::hash_password::<Sha1>(password.as_bytes(), iterations, salt, &mut salted);
                let (client, server) = tools::derive_keys::<Sha1>(&salted);
                (Sha1::digest(client).to_vec(), server.to_vec())
            }
            Hash::Sha256 => {
                let mut salted = Default::default();
                tools::hash_password::<Sha256>(password.as_bytes(), iterations, salt, &mut salted);
                let (client, server) = tools::derive_keys::<Sha256>(&salted);
                (Sha256::digest(client).to_vec(), server.to_vec())
            }
        };
        Some(Self { hash, iterations, salt: salt.to_vec(), stored: client, server })
    }

    /// Whether this is the password; takes as long if it is not.
    #[must_use]
    pub fn open_to(&self, password: &str) -> bool {
        Self::derive(self.hash, password, &self.salt, self.iterations)
            .is_some_and(|made| same(&made.stored, &self.stored))
    }
}

/// A user's account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// At most one set for each hash function.
    pub keys: Vec<Keys>,
    /// Whether the right password is enough.
    pub standing: Standing,
}

/// Whether an account may be used. Only who proves to be its user is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It may.
    Good,
    /// It is closed for now (RFC 6120 section 6.5.2).
    Disabled,
    /// Its password is too old (section 6.5.3).
    Expired,
}

/// The accounts cannot be asked now (RFC 6120 section 6.5.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unavailable;

/// Who has the accounts.
pub trait Accounts: Send + Sync {
    /// The account of a user; `None` if there is no such user.
    fn account(&self, user: &BareJid) -> Result<Option<Account>, Unavailable>;

    /// What is shown for users who do not exist.
    fn decoy(&self) -> &Decoy;
}

/// From what the salts of users who do not exist are made, so that they look like those of users who do: the same at every
/// try, and unlike each other.
#[derive(Clone)]
pub struct Decoy {
    /// Random, and kept as long as the accounts are.
    pub secret: [u8; 32],
    /// What most accounts have.
    pub iterations: u32,
}

impl Decoy {
    /// Keys that no password fits.
    pub(super) fn keys(&self, hash: Hash, name: &str) -> Keys {
        let kind: &[u8] = match hash {
            Hash::Sha1 => b"1",
            Hash::Sha256 => b"256",
        };
        let make = |what: &[u8], octets: usize| {
            let hmac = Hmac::<Sha256>::new_from_slice(&self.secret).ok()?;
            let made = hmac.chain_update(what).chain_update(kind).chain_update(b"\0").chain_update(name).finalize();
            made.into_bytes().get(..octets).map(<[u8]>::to_vec)
        };
        Keys {
            hash,
            iterations: self.iterations,
            salt: make(b"salt", SALT).unwrap_or_default(),
            stored: make(b"stored", hash.octets()).unwrap_or_default(),
            server: make(b"server", hash.octets()).unwrap_or_default(),
        }
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("hash", &self.hash).field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

/// Takes as long whether the first or the last octet differs.
fn same(one: &[u8], two: &[u8]) -> bool {
    one.len() == two.len() && one.iter().zip(two).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn keys_open_to_their_password_alone() {
        for hash in [Hash::Sha1, Hash::Sha256] {
            let keys = Keys::derive(hash, "pencil", &[1; SALT], 4096).unwrap();
            assert!(keys.open_to("pencil") && !keys.open_to("Pencil") && !keys.open_to(""));
            assert_eq!((keys.stored.len(), keys.server.len()), (hash.octets(), hash.octets()));
            assert!(!format!("{keys:?}").contains("stored"));
        }
    }

    #[test]
    fn passwords_are_prepared_and_some_cannot_be() {
        let keys = |password| Keys::derive(Hash::Sha1, password, &[0; SALT], 1);
        assert_eq!(keys("I\u{ad}X"), keys("IX"));
        assert_eq!(keys("\u{2168}"), keys("IX"));
        assert_eq!((keys("\u{7}"), keys("\u{627}1"), keys("")), (None, None, None));
    }

    #[test]
    fn a_decoy_is_the_same_each_time_and_another_for_each_name_and_hash() {
        let decoy = Decoy { secret: [3; 32], iterations: 4096 };
        let keys = decoy.keys(Hash::Sha1, "nobody");
        assert_eq!(keys, decoy.keys(Hash::Sha1, "nobody"));
        assert_eq!((keys.salt.len(), keys.stored.len(), keys.iterations), (SALT, 20, 4096));
        for other in [decoy.keys(Hash::Sha1, "anybody"), decoy.keys(Hash::Sha256, "nobody")] {
            assert_ne!(keys.salt, other.salt);
        }
    }
}
