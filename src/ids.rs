//! Identifiers that nobody can guess: tags, branches, Call-IDs, stanza ids, stream ids.
//!
//! RFC 3261 section 19.3 wants at least 32 random bits in a tag, section 8.1.1.4 a globally unique Call-ID, RFC 6120
//! section 4.7.3 an unpredictable stream id. Each identifier here carries 120 bits of SHA-1 over a secret seed and a
//! counter, so with the same seed a run repeats itself exactly. Every identifier starts with the shard that made it,
//! so an answer finds its way back without a table.

use sha1::{Digest, Sha1};

/// RFC 3261 section 8.1.1.7: a branch that starts so was made by an RFC 3261 element.
pub const MAGIC_COOKIE: &str = "z9hG4bK";

const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// A source of identifiers for one shard.
#[derive(Clone)]
pub struct Ids {
    seed: [u8; 32],
    shard: u8,
    count: u64,
}

impl Ids {
    /// A source for `shard` that draws from `seed`, which must come from the operating system outside tests.
    #[must_use]
    pub fn new(seed: [u8; 32], shard: u8) -> Self {
        Self { seed, shard, count: 0 }
    }

    /// Another source for the same shard, whose identifiers this one will never give.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        self.count += 1;
        let half = |which: u8| {
            let parts = Sha1::new().chain_update(b"fork").chain_update([which]).chain_update(self.seed);
            parts.chain_update(self.count.to_le_bytes()).finalize()
        };
        let mut seed = [0; 32];
        seed[..16].copy_from_slice(&half(0)[..16]);
        seed[16..].copy_from_slice(&half(1)[..16]);
        Self { seed, shard: self.shard, count: 0 }
    }

    /// 26 characters of `a-z2-9`: two for the shard, 24 (120 bits) nobody can guess.
    pub fn token(&mut self) -> String {
        let mut text = String::with_capacity(26);
        self.append_token(&mut text);
        text
    }

    /// A Via branch (RFC 3261 section 8.1.1.7).
    pub fn branch(&mut self) -> String {
        let mut text = String::with_capacity(MAGIC_COOKIE.len() + 26);
        text.push_str(MAGIC_COOKIE);
        self.append_token(&mut text);
        text
    }

    /// A From or To tag (RFC 3261 section 19.3).
    pub fn tag(&mut self) -> String {
        self.token()
    }

    /// A Call-ID without a host part, which would tell strangers where we are (RFC 3261 section 8.1.1.4).
    pub fn call_id(&mut self) -> String {
        self.token()
    }

    /// The value of a stanza's `id` attribute (RFC 6120 section 8.1.3).
    pub fn stanza_id(&mut self) -> String {
        self.token()
    }

    /// A number that nobody can guess.
    pub fn number(&mut self) -> u64 {
        self.count += 1;
        let digest = Sha1::new().chain_update(self.seed).chain_update(self.count.to_le_bytes()).finalize();
        digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// A number from 0 to below 1 that nobody can guess: for spreading what would otherwise happen everywhere at once.
    pub fn chance(&mut self) -> f64 {
        let number = (self.number() >> 32) as u32;
        f64::from(number) / (f64::from(u32::MAX) + 1.0)
    }

    fn append_token(&mut self, text: &mut String) {
        self.count += 1;
        text.push(char::from(ALPHABET[usize::from(self.shard >> 5)]));
        text.push(char::from(ALPHABET[usize::from(self.shard & 31)]));
        let digest = Sha1::new().chain_update(self.seed).chain_update(self.count.to_le_bytes()).finalize();
        for five_bytes in digest[..15].chunks_exact(5) {
            let bits = five_bytes.iter().fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
            for group in 0..8 {
                text.push(char::from(ALPHABET[(bits >> (5 * group) & 31) as usize]));
            }
        }
    }
}

/// The shard that made `token`, or `None` if no shard of ours did.
#[must_use]
pub fn shard_of(token: &str) -> Option<u8> {
    let token = token.strip_prefix(MAGIC_COOKIE).unwrap_or(token);
    // A proxy's branch has a second part (RFC 5393 section 4.2.1).
    let token = token.split_once('.').map_or(token, |(first, _)| first).as_bytes();
    let digit = |index: usize| {
        let byte = token.get(index)?;
        ALPHABET.iter().position(|letter| letter == byte)
    };
    if token.len() != 26 {
        return None;
    }
    u8::try_from(digit(0)? << 5 | digit(1)?).ok()
}

impl std::fmt::Debug for Ids {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ids").field("shard", &self.shard).field("count", &self.count).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_thousand_tokens_differ_and_name_their_shard() {
        let mut ids = Ids::new([7; 32], 63);
        let tokens: HashSet<String> = (0..1000).map(|_| ids.token()).collect();
        assert_eq!(tokens.len(), 1000);
        assert!(tokens.iter().all(|token| token.len() == 26 && shard_of(token) == Some(63)));
    }

    #[test]
    fn a_branch_carries_the_cookie_and_the_shard() {
        let branch = Ids::new([1; 32], 5).branch();
        assert!(branch.starts_with(MAGIC_COOKIE));
        assert_eq!(shard_of(&branch), Some(5));
    }

    #[test]
    fn the_same_seed_gives_the_same_run() {
        assert_eq!(Ids::new([9; 32], 0).token(), Ids::new([9; 32], 0).token());
        assert_ne!(Ids::new([9; 32], 0).token(), Ids::new([8; 32], 0).token());
    }

    #[test]
    fn a_fork_gives_identifiers_of_its_own() {
        let mut ids = Ids::new([9; 32], 3);
        let (mut one, mut two) = (ids.fork(), ids.fork());
        let tokens: HashSet<String> = [ids.token(), one.token(), two.token()].into();
        assert_eq!(tokens.len(), 3);
        assert_eq!(shard_of(&one.token()), Some(3));
    }

    #[test]
    fn chances_are_spread_between_0_and_1() {
        let mut ids = Ids::new([1; 32], 0);
        let chances: Vec<f64> = (0..1000).map(|_| ids.chance()).collect();
        assert!(chances.iter().all(|chance| (0.0..1.0).contains(chance)));
        let low = chances.iter().filter(|chance| **chance < 0.5).count();
        assert!((400..600).contains(&low), "{low}");
    }

    #[test]
    fn the_secret_is_not_shown() {
        assert!(!format!("{:?}", Ids::new([42; 32], 0)).contains("42"));
    }
}
