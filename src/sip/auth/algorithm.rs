//! The hash functions, and the response made with them (RFC 7616 section 3.4).

use md5::Md5;
use sha2::{Digest, Sha256, Sha512_256};

/// A hash function of the registry that RFC 7616 section 6.1 set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hash {
    /// MD5: what everybody has, and broken for most other uses.
    Md5,
    /// SHA-256.
    Sha256,
    /// SHA-512/256 (FIPS 180-4): not SHA-512 cut in half, although the example of RFC 7616 section 3.9.2 is computed so
    /// (RFC errata 4897).
    Sha512_256,
}

/// A hash function, and whether a session key is made of the first answer to a nonce (`-sess`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Algorithm {
    /// The hash function.
    pub hash: Hash,
    /// `-sess`.
    pub session: bool,
}

/// What a response protects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Qop {
    /// Method and Request-URI.
    Auth,
    /// The body too.
    AuthInt,
}

impl Hash {
    /// All of them.
    pub const ALL: [Hash; 3] = [Self::Md5, Self::Sha256, Self::Sha512_256];

    /// Without `-sess`.
    #[must_use]
    pub fn plain(self) -> Algorithm {
        Algorithm { hash: self, session: false }
    }

    /// How many hexadecimal digits a hash has.
    #[must_use]
    pub fn digits(self) -> usize {
        match self {
            Self::Md5 => 32,
            Self::Sha256 | Self::Sha512_256 => 64,
        }
    }

    /// The name in `algorithm`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
            Self::Sha512_256 => "SHA-512-256",
        }
    }

    /// The hash of `parts` with a colon between each two, in lower-case hexadecimal digits.
    #[must_use]
    pub fn of(self, parts: &[&[u8]]) -> String {
        match self {
            Self::Md5 => digest::<Md5>(parts),
            Self::Sha256 => digest::<Sha256>(parts),
            Self::Sha512_256 => digest::<Sha512_256>(parts),
        }
    }

    /// H(A1) without the session part: what stands for a password in a realm.
    #[must_use]
    pub fn ha1(self, username: &str, realm: &str, password: &str) -> String {
        self.of(&[username.as_bytes(), realm.as_bytes(), password.as_bytes()])
    }
}

fn digest<D: Digest>(parts: &[&[u8]]) -> String {
    let mut hash = D::new();
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            hash.update(b":");
        }
        hash.update(part);
    }
    hex(&hash.finalize())
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

impl Algorithm {
    /// The algorithm called so, in any case; `None` for one we do not have.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let (base, session) = match name.len().checked_sub(5).and_then(|at| name.split_at_checked(at)) {
            Some((base, end)) if end.eq_ignore_ascii_case("-sess") => (base, true),
            _ => (name, false),
        };
        let hash = Hash::ALL.into_iter().find(|hash| hash.name().eq_ignore_ascii_case(base))?;
        Some(Self { hash, session })
    }

    /// H(A1): for `-sess` with the nonce and the cnonce in it.
    #[must_use]
    pub fn key(self, ha1: &str, nonce: &str, cnonce: &str) -> String {
        if self.session { self.hash.of(&[ha1.as_bytes(), nonce.as_bytes(), cnonce.as_bytes()]) } else { ha1.to_owned() }
    }
}

impl Qop {
    /// As in the header.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::AuthInt => "auth-int",
        }
    }

    /// The one called so, in any case.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Auth, Self::AuthInt].into_iter().find(|qop| qop.name().eq_ignore_ascii_case(name))
    }
}

/// What a request is, to a digest.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Its method.
    pub method: &'a str,
    /// The value of `uri`.
    pub uri: &'a str,
    /// Its body; only `auth-int` looks at it.
    pub body: &'a [u8],
}

/// How often a nonce was used, by whose words; `None` in its place is RFC 2069, without `qop`.
#[derive(Clone, Copy, Debug)]
pub struct Use<'a> {
    /// What is protected.
    pub qop: Qop,
    /// The value of `nc`.
    pub count: u32,
    /// The value of `cnonce`.
    pub cnonce: &'a str,
}

/// The value of `response` (RFC 7616 section 3.4.1; without `used` RFC 2069 section 2.1.2). `key` is
/// [`Algorithm::key`].
#[must_use]
pub fn response(hash: Hash, key: &str, nonce: &str, used: Option<Use<'_>>, subject: Subject<'_>) -> String {
    let (method, uri) = (subject.method.as_bytes(), subject.uri.as_bytes());
    let a2 = match used.map(|used| used.qop) {
        Some(Qop::AuthInt) => hash.of(&[method, uri, hash.of(&[subject.body]).as_bytes()]),
        Some(Qop::Auth) | None => hash.of(&[method, uri]),
    };
    let (key, nonce, a2) = (key.as_bytes(), nonce.as_bytes(), a2.as_bytes());
    match used {
        Some(Use { qop, count, cnonce }) => {
            let count = hex(&count.to_be_bytes());
            hash.of(&[key, nonce, count.as_bytes(), cnonce.as_bytes(), qop.name().as_bytes(), a2])
        }
        None => hash.of(&[key, nonce, a2]),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn answer(algorithm: &str, person: [&str; 3], nonce: &str, used: Option<Use<'_>>, subject: Subject<'_>) -> String {
        let algorithm = Algorithm::named(algorithm).unwrap();
        let ha1 = algorithm.hash.ha1(person[0], person[1], person[2]);
        let key = algorithm.key(&ha1, nonce, used.map_or("", |used| used.cnonce));
        response(algorithm.hash, &key, nonce, used, subject)
    }

    #[test]
    fn the_examples_of_rfc_7616_come_out() {
        let person = ["Mufasa", "http-auth@example.org", "Circle of Life"];
        let nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        let used = Some(Use { qop: Qop::Auth, count: 1, cnonce });
        let subject = Subject { method: "GET", uri: "/dir/index.html", body: b"" };
        assert_eq!(answer("MD5", person, nonce, used, subject), "8ca523f5e9506fed4657c9700eebdbec");
        assert_eq!(
            answer("sha-256", person, nonce, used, subject),
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
        );
        // Section 3.9.2 prints the digest of SHA-512 cut in half; this one is of SHA-512/256.
        let person = ["J\u{e4}s\u{f8}n Doe", "api@example.org", "Secret, or not?"];
        let nonce = "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK";
        let cnonce = "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v";
        let used = Some(Use { qop: Qop::Auth, count: 1, cnonce });
        let subject = Subject { method: "GET", uri: "/doe.json", body: b"" };
        assert_eq!(
            answer("SHA-512-256", person, nonce, used, subject),
            "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"
        );
    }

    #[test]
    fn every_algorithm_and_qop_gives_what_a_second_implementation_gave() {
        let person = ["bob", "biloxi.com", "zanzibar"];
        let nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093";
        let invite = Subject { method: "INVITE", uri: "sip:bob@biloxi.com", body: b"" };
        let message = Subject { method: "MESSAGE", uri: "sip:bob@biloxi.com", body: b"Watson, come here." };
        let used = |qop| Some(Use { qop, count: 1, cnonce: "0a4f113b" });
        for (algorithm, used, subject, expected) in [
            ("MD5", None, invite, "bf57e4e0d0bffc0fbaedce64d59add5e"),
            ("MD5", used(Qop::Auth), invite, "89eb0059246c02b2f6ee02c7961d5ea3"),
            ("MD5-sess", used(Qop::Auth), invite, "e4e4ea61d186d07a92c9e1f6919902e9"),
            (
                "SHA-256-sess",
                used(Qop::Auth),
                invite,
                "5da59c9ca40954be9d5063a15a174066c8251be2c10cf47c144c366dc7daf792",
            ),
            (
                "SHA-512-256-SESS",
                used(Qop::Auth),
                invite,
                "077d9677be83f41f162d1a4453dc163389919f81e5927391d972f477da767633",
            ),
            ("MD5", used(Qop::AuthInt), message, "19b5861b41dedb4a719a39108a199f77"),
            (
                "SHA-256",
                used(Qop::AuthInt),
                message,
                "a6c2555d31382fd616ba69739669a6b9c1d4ad1768139a39080c8d4611d41ce6",
            ),
            (
                "SHA-512-256",
                used(Qop::AuthInt),
                message,
                "2b607759992267626f6824ace0b0dd0d67d034e8dee99ca3e82e4c6931cd9936",
            ),
        ] {
            assert_eq!(answer(algorithm, person, nonce, used, subject), expected, "{algorithm}");
        }
    }

    #[test]
    fn the_hash_of_no_body_is_the_one_of_rfc_8760_section_2_6() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Hash::Sha256.of(&[b""]), empty);
    }

    #[test]
    fn a_count_above_nine_is_hexadecimal() {
        let subject = Subject { method: "MESSAGE", uri: "sip:a@b", body: b"" };
        let used = |count| Some(Use { qop: Qop::Auth, count, cnonce: "c" });
        let by_hand = Hash::Md5.of(&[b"k:n:0000001f:c:auth", Hash::Md5.of(&[b"MESSAGE:sip:a@b"]).as_bytes()]);
        assert_eq!(response(Hash::Md5, "k", "n", used(31), subject), by_hand);
    }

    #[test]
    fn algorithms_of_other_names_are_not_known() {
        for name in ["", "SHA-512", "SHA256", "MD5-", "-sess", "AKAv1-MD5", "é-sess"] {
            assert_eq!(Algorithm::named(name), None, "{name}");
        }
    }
}
