//! What proves a user: a password, or hashes made of it.

use std::fmt;

use super::algorithm::Hash;

/// A secret of one user. Its `Debug` form is `***`, and it has no other.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Form);

#[derive(Clone, PartialEq, Eq)]
enum Form {
    Password(String),
    /// In the order of [`Hash::ALL`].
    Hashes([Option<String>; 3]),
}

impl Key {
    /// A password, good for every algorithm and realm.
    #[must_use]
    pub fn password(password: impl Into<String>) -> Self {
        Self(Form::Password(password.into()))
    }

    /// H(user:realm:password) for some algorithms, in hexadecimal digits: good for the one realm that is in it.
    #[must_use]
    pub fn hashes(hashes: impl IntoIterator<Item = (Hash, String)>) -> Self {
        let mut forms = [None, None, None];
        for (hash, text) in hashes {
            forms[hash as usize] = Some(text.to_ascii_lowercase());
        }
        Self(Form::Hashes(forms))
    }

    /// H(A1) of this user in this realm; `None` where only other algorithms' hashes are known.
    #[must_use]
    pub fn ha1(&self, hash: Hash, username: &str, realm: &str) -> Option<String> {
        match &self.0 {
            Form::Password(password) => Some(hash.ha1(username, realm, password)),
            Form::Hashes(hashes) => hashes[hash as usize].clone(),
        }
    }

    /// Whether [`Key::ha1`] has an answer.
    #[must_use]
    pub fn has(&self, hash: Hash) -> bool {
        match &self.0 {
            Form::Password(_) => true,
            Form::Hashes(hashes) => hashes[hash as usize].is_some(),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_serves_every_algorithm_and_a_hash_its_own() {
        let password = Key::password("zanzibar");
        let md5 = Hash::Md5.ha1("bob", "biloxi.com", "zanzibar");
        assert_eq!(password.ha1(Hash::Md5, "bob", "biloxi.com"), Some(md5.clone()));
        let hashed = Key::hashes([(Hash::Md5, md5.to_ascii_uppercase())]);
        assert_eq!(hashed.ha1(Hash::Md5, "whoever", "wherever"), Some(md5));
        assert_eq!(hashed.ha1(Hash::Sha256, "bob", "biloxi.com"), None);
        assert!(password.has(Hash::Sha512_256) && !hashed.has(Hash::Sha512_256));
    }

    #[test]
    fn a_key_is_not_shown() {
        let shown = format!("{:?} {:?}", Key::password("zanzibar"), Key::hashes([(Hash::Md5, "abc".to_owned())]));
        assert_eq!(shown, "*** ***");
    }
}
