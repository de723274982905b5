//! Dialback keys (XEP-0185): what only the server of a domain can make for a stream, and it alone can recognise, without
//! keeping anything.

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

/// The maker of keys. Every process that answers for the same domains needs the same secret.
#[derive(Clone)]
pub struct Keys {
    /// Holds the secret; copied for each key.
    hmac: Hmac<Sha256>,
}

const HEX: &[u8; 16] = b"0123456789abcdef";

impl Keys {
    /// From a secret that nobody else knows: random bytes from the operating system, or a text given in the configuration of
    /// several processes. The HMAC is keyed with the hexadecimal text of its SHA-256 (XEP-0185 section 3).
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        let key = hex(&Sha256::digest(secret));
        let hmac = Hmac::new_from_slice(key.as_bytes()).expect("an HMAC takes keys of any length");
        Self { hmac }
    }

    /// The key by which `originating` shows to `receiving` that the stream `id`, which `receiving` named, is its own: 64
    /// lower-case hexadecimal digits.
    #[must_use]
    pub fn key(&self, receiving: &str, originating: &str, id: &str) -> String {
        hex(&self.over(receiving, originating, id).finalize().into_bytes())
    }

    /// Whether [`key`](Self::key) of the same texts gives `key`. It takes as long for a wrong key as for the right one, so
    /// nobody finds it digit by digit.
    #[must_use]
    pub fn is_right(&self, receiving: &str, originating: &str, id: &str, key: &str) -> bool {
        let Some(key) = unhex(key) else { return false };
        self.over(receiving, originating, id).verify_slice(&key).is_ok()
    }

    fn over(&self, receiving: &str, originating: &str, id: &str) -> Hmac<Sha256> {
        let mut hmac = self.hmac.clone();
        for part in [receiving, " ", originating, " ", id] {
            hmac.update(part.as_bytes());
        }
        hmac
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(HEX[usize::from(nibble & 15)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

/// Only the one spelling that [`hex`] gives.
fn unhex(text: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; 32];
    if text.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RIGHT: &str = "37c69b1cf07a3f67c04a5ef5902fa5114f2c76fe4a2686482ba5b89323075643";

    #[test]
    fn the_vectors_of_xep_0185_and_xep_0220_hold() {
        let keys = Keys::new(b"s3cr3tf0rd14lb4ck");
        assert_eq!(
            hex(&Sha256::digest(b"s3cr3tf0rd14lb4ck")),
            "a7136eb1f46c9ef18c5e78c36ca257067c69b3d518285f0b18a96c33beae9acc"
        );
        assert_eq!(keys.key("xmpp.example.com", "example.org", "D60000229F"), RIGHT);
        assert_eq!(
            keys.key("montague.example", "capulet.example", "D60000229F"),
            "b4835385f37fe2895af6c196b59097b16862406db80559900d96bf6fa7d23df3"
        );
        assert_eq!(
            Keys::new(b"d14lb4ck43v3r").key("capulet.example", "montague.example", "417GAF25"),
            "225cc5aa6a071133249d25fef42ae516fc7a86c523aa1c6980a7f73e784c972d"
        );
    }

    #[test]
    fn a_key_is_right_for_its_pair_and_stream_only() {
        let keys = Keys::new(b"s3cr3tf0rd14lb4ck");
        assert!(keys.is_right("xmpp.example.com", "example.org", "D60000229F", RIGHT));
        for (receiving, originating, id, key) in [
            ("example.org", "xmpp.example.com", "D60000229F", RIGHT),
            ("xmpp.example.com", "example.net", "D60000229F", RIGHT),
            ("xmpp.example.com", "example.org", "D60000229E", RIGHT),
            ("xmpp.example.com", "example.org", "D60000229F", &RIGHT[1..]),
            ("xmpp.example.com", "example.org", "D60000229F", &RIGHT.to_uppercase()),
            ("xmpp.example.com", "example.org", "D60000229F", &RIGHT.replace('3', "é")),
            ("xmpp.example.com", "example.org", "D60000229F", ""),
        ] {
            assert!(!keys.is_right(receiving, originating, id, key), "{receiving} {originating} {id} {key}");
        }
        assert!(!Keys::new(b"another").is_right("xmpp.example.com", "example.org", "D60000229F", RIGHT));
    }

    #[test]
    fn the_secret_is_not_shown() {
        assert_eq!(format!("{:?}", Keys::new(b"s3cr3t")), "Keys { .. }");
    }
}
