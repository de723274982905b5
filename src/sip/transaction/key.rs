//! Which transaction a message belongs to: RFC 3261 sections 17.1.3, 17.2.3 and 8.2.2.2.
//!
//! What has to match is written into a keyed 128-bit hash, so a [`Key`] has 16 bytes however long a peer's branch is,
//! and nobody who does not know the secret can make two keys meet.
//!
//! Case, by RFC 3261 section 7.3.1: branches, tags and host names are tokens and match in any case; methods (section
//! 7.1) and Call-IDs (section 20.8) match byte by byte.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::ids::Ids;

/// 32 letters that are safe in a token and hard to mistake for each other.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// What RFC 3261 calls the matching of a transaction, as a hash.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key([u64; 2]);

impl Key {
    /// A number below `n` that is always the same for the same key.
    #[must_use]
    pub fn spread(self, n: u64) -> u64 {
        self.0[1] % n.max(1)
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0[0]);
    }
}

/// From tag, Call-ID and CSeq of a request without To tag, as a hash: the same request that came on another way has
/// the same (section 8.2.2.2).
pub type MergeKey = u64;

/// The parts of a request whose top Via has no RFC 3261 branch (section 17.2.3, second half).
#[derive(Debug, Clone, Copy)]
pub struct Rfc2543<'a> {
    /// The Request-URI as it was written.
    pub uri: &'a [u8],
    /// The To tag, if any.
    pub to_tag: Option<&'a [u8]>,
    /// The From tag, if any.
    pub from_tag: Option<&'a [u8]>,
    /// The Call-ID.
    pub call_id: &'a [u8],
    /// The number of CSeq.
    pub cseq: u32,
    /// The method, for an ACK that of the request it acknowledges.
    pub method: &'a [u8],
    /// The top Via as it came, before anything was added to it.
    pub via: &'a [u8],
}

/// A 64-bit hash as 13 letters of a token: the second part of a proxy's branch (RFC 5393 section 4.2.1).
#[must_use]
pub fn mark_text(mark: u64) -> String {
    (0..13).map(|group| char::from(LETTERS[(mark >> (5 * group) & 31) as usize])).collect()
}

/// Makes keys and tags from a secret.
pub struct Keys {
    first: DefaultHasher,
    second: DefaultHasher,
    tags: DefaultHasher,
    shard: [u8; 2],
    scratch: Vec<u8>,
}

impl Keys {
    /// Draws a secret from `ids`.
    #[must_use]
    pub fn new(ids: &mut Ids) -> Self {
        let mut secret = || {
            let mut hasher = DefaultHasher::new();
            hasher.write(ids.token().as_bytes());
            hasher
        };
        let (first, second, tags) = (secret(), secret(), secret());
        let mut shard = [LETTERS[0]; 2];
        for (to, from) in shard.iter_mut().zip(ids.token().bytes()) {
            *to = from;
        }
        Self { first, second, tags, shard, scratch: Vec::new() }
    }

    /// A request with an RFC 3261 branch: branch, sent-by and method.
    pub fn server(&mut self, branch: &[u8], host: &[u8], port: Option<u16>, method: &[u8]) -> Key {
        self.begin(b's');
        self.token(branch);
        self.token(host);
        self.number(port.map_or(u32::MAX, u32::from));
        self.exact(method);
        self.key()
    }

    /// A request without one.
    pub fn server_2543(&mut self, parts: &Rfc2543<'_>) -> Key {
        self.begin(b'o');
        self.exact(parts.uri);
        self.optional(parts.to_tag);
        self.optional(parts.from_tag);
        self.exact(parts.call_id);
        self.number(parts.cseq);
        self.exact(parts.method);
        self.exact(parts.via);
        self.key()
    }

    /// A request of ours: branch and the method of CSeq (section 17.1.3).
    pub fn client(&mut self, branch: &[u8], method: &[u8]) -> Key {
        self.begin(b'c');
        self.token(branch);
        self.exact(method);
        self.key()
    }

    /// The same request on any way.
    pub fn merge(&mut self, from_tag: &[u8], call_id: &[u8], cseq: u32, method: &[u8]) -> MergeKey {
        self.begin(b'm');
        self.token(from_tag);
        self.exact(call_id);
        self.number(cseq);
        self.exact(method);
        let mut hasher = self.first.clone();
        hasher.write(&self.scratch);
        hasher.finish()
    }

    /// The To tag of every answer to the transaction of `key`: the same again for the same request, and no one can
    /// tell the key from it.
    #[must_use]
    pub fn tag(&self, key: Key) -> String {
        let mut tag = [0; 26];
        tag[..2].copy_from_slice(&self.shard);
        for (half, letters) in (0u64..).zip(tag[2..].chunks_exact_mut(12)) {
            let mut hasher = self.tags.clone();
            for word in [key.0[0], key.0[1], half] {
                hasher.write_u64(word);
            }
            let bits = hasher.finish();
            for (group, letter) in letters.iter_mut().enumerate() {
                *letter = LETTERS[(bits >> (5 * group) & 31) as usize];
            }
        }
        String::from_utf8_lossy(&tag).into_owned()
    }

    fn begin(&mut self, kind: u8) {
        self.scratch.clear();
        self.scratch.push(kind);
    }

    fn exact(&mut self, bytes: &[u8]) {
        // The length keeps neighbours apart: "ab" + "c" is not "a" + "bc".
        self.scratch.extend_from_slice(&bytes.len().to_le_bytes());
        self.scratch.extend_from_slice(bytes);
    }

    fn token(&mut self, bytes: &[u8]) {
        let start = self.scratch.len();
        self.exact(bytes);
        self.scratch[start..].make_ascii_lowercase();
    }

    fn optional(&mut self, token: Option<&[u8]>) {
        self.scratch.push(u8::from(token.is_some()));
        self.token(token.unwrap_or_default());
    }

    fn number(&mut self, n: u32) {
        self.scratch.extend_from_slice(&n.to_le_bytes());
    }

    fn key(&self) -> Key {
        let (mut first, mut second) = (self.first.clone(), self.second.clone());
        first.write(&self.scratch);
        second.write(&self.scratch);
        Key([first.finish(), second.finish()])
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::shard_of;

    fn keys() -> Keys {
        Keys::new(&mut Ids::new([1; 32], 9))
    }

    #[test]
    fn a_branch_and_a_host_match_in_any_case_and_a_method_does_not() {
        let mut keys = keys();
        let key = keys.server(b"z9hG4bKabc", b"Pc33.Example.com", Some(5060), b"MESSAGE");
        assert_eq!(key, keys.server(b"Z9HG4BKABC", b"pc33.example.com", Some(5060), b"MESSAGE"));
        assert_ne!(key, keys.server(b"z9hG4bKabc", b"pc33.example.com", Some(5060), b"Message"));
        assert_ne!(key, keys.server(b"z9hG4bKabd", b"pc33.example.com", Some(5060), b"MESSAGE"));
        assert_ne!(key, keys.server(b"z9hG4bKabc", b"pc34.example.com", Some(5060), b"MESSAGE"));
        assert_ne!(key, keys.server(b"z9hG4bKabc", b"pc33.example.com", Some(5061), b"MESSAGE"));
        assert_ne!(key, keys.server(b"z9hG4bKabc", b"pc33.example.com", None, b"MESSAGE"));
    }

    #[test]
    fn neighbouring_parts_are_kept_apart() {
        let mut keys = keys();
        assert_ne!(keys.server(b"ab", b"c", None, b"X"), keys.server(b"a", b"bc", None, b"X"));
    }

    #[test]
    fn each_part_of_an_rfc_2543_request_counts() {
        let mut keys = keys();
        let parts = Rfc2543 {
            uri: b"sip:romeo@example.net",
            to_tag: None,
            from_tag: Some(b"From"),
            call_id: b"Call@here",
            cseq: 7,
            method: b"MESSAGE",
            via: b"SIP/2.0/UDP 192.0.2.1;branch=1",
        };
        let key = keys.server_2543(&parts);
        assert_eq!(key, keys.server_2543(&Rfc2543 { from_tag: Some(b"FROM"), ..parts }));
        for other in [
            Rfc2543 { uri: b"sip:juliet@example.net", ..parts },
            Rfc2543 { to_tag: Some(b""), ..parts },
            Rfc2543 { from_tag: None, ..parts },
            Rfc2543 { call_id: b"call@here", ..parts },
            Rfc2543 { cseq: 8, ..parts },
            Rfc2543 { method: b"OPTIONS", ..parts },
            Rfc2543 { via: b"SIP/2.0/UDP 192.0.2.1;branch=2", ..parts },
        ] {
            assert_ne!(key, keys.server_2543(&other), "{other:?}");
        }
    }

    #[test]
    fn client_server_and_merge_keys_do_not_meet() {
        let mut keys = keys();
        assert_ne!(keys.client(b"z9hG4bKa", b"MESSAGE"), keys.server(b"z9hG4bKa", b"", None, b"MESSAGE"));
        assert_eq!(keys.merge(b"TAG", b"c", 1, b"MESSAGE"), keys.merge(b"tag", b"c", 1, b"MESSAGE"));
        assert_ne!(keys.merge(b"tag", b"C", 1, b"MESSAGE"), keys.merge(b"tag", b"c", 1, b"MESSAGE"));
    }

    #[test]
    fn a_tag_repeats_itself_and_names_the_shard() {
        let mut keys = keys();
        let key = keys.client(b"z9hG4bKa", b"MESSAGE");
        assert_eq!(keys.tag(key), keys.tag(key));
        assert_eq!(shard_of(&keys.tag(key)), Some(9));
        let other = keys.client(b"z9hG4bKb", b"MESSAGE");
        assert_ne!(keys.tag(key), keys.tag(other));
    }

    #[test]
    fn another_seed_makes_other_keys() {
        let mut other = Keys::new(&mut Ids::new([2; 32], 9));
        assert_ne!(keys().client(b"z9hG4bKa", b"MESSAGE"), other.client(b"z9hG4bKa", b"MESSAGE"));
    }
}
