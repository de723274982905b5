//! WWW-Authenticate and Proxy-Authenticate (RFC 3261 sections 20.44 and 20.27, RFC 7616 section 3.3).

use super::algorithm::{Algorithm, Hash, Qop};
use super::value::{self, Writer};

/// A challenge of scheme Digest. Texts are as they stand between the quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Whose users are asked for.
    pub realm: String,
    /// What the answer is made with.
    pub nonce: String,
    /// Sent back as it is.
    pub opaque: Option<String>,
    /// The credentials were right but for the age of their nonce.
    pub stale: bool,
    /// The algorithm as it was spelled; without it MD5 is meant, and none is named in the answer.
    pub algorithm: Option<String>,
    /// What may be protected; `None`: a server before RFC 2617, which knows no `nc` and `cnonce`.
    pub qop: Option<Vec<Qop>>,
}

impl Challenge {
    /// Reads a value. `None`: another scheme, malformed, or without realm or nonce.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let mut values = value::digest(value)?;
        let qops = |list: String| list.split(',').filter_map(|word| Qop::named(word.trim())).collect();
        Some(Self {
            realm: values.take("realm")?,
            nonce: values.take("nonce")?,
            opaque: values.take("opaque"),
            stale: values.take("stale").is_some_and(|word| word.eq_ignore_ascii_case("true")),
            algorithm: values.take("algorithm"),
            qop: values.take("qop").map(qops),
        })
    }

    /// The algorithm, if we have it.
    #[must_use]
    pub fn algorithm(&self) -> Option<Algorithm> {
        self.algorithm.as_deref().map_or(Some(Hash::Md5.plain()), Algorithm::named)
    }

    /// What an answer would protect: `Err` where only things are offered that we do not know, `Ok(None)` where the server
    /// knows no `qop`.
    pub(super) fn choose_qop(&self) -> Result<Option<Qop>, ()> {
        match self.qop.as_deref() {
            None => Ok(None),
            Some(offered) => {
                offered.iter().find(|qop| **qop == Qop::Auth).or(offered.first()).map(|q| Some(*q)).ok_or(())
            }
        }
    }

    /// The header value.
    #[must_use]
    pub fn print(&self) -> String {
        let mut writer = Writer::new("Digest ");
        writer.quoted("realm", &self.realm);
        writer.quoted("nonce", &self.nonce);
        if let Some(opaque) = &self.opaque {
            writer.quoted("opaque", opaque);
        }
        if self.stale {
            writer.token("stale", "true");
        }
        if let Some(algorithm) = &self.algorithm {
            writer.token("algorithm", algorithm);
        }
        if let Some(qop) = &self.qop {
            let names: Vec<_> = qop.iter().map(|qop| qop.name()).collect();
            writer.quoted("qop", &names.join(","));
        }
        writer.done()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_challenge_of_rfc_3261_is_read_and_printed() {
        let text = "Digest realm=\"biloxi.com\", qop=\"auth,auth-int\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", \
                    opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
        let challenge = Challenge::parse(text.as_bytes()).unwrap();
        assert_eq!(challenge.realm, "biloxi.com");
        assert_eq!(challenge.qop.as_deref(), Some(&[Qop::Auth, Qop::AuthInt][..]));
        assert_eq!(challenge.algorithm(), Some(Hash::Md5.plain()));
        assert_eq!(Challenge::parse(challenge.print().as_bytes()), Some(challenge));
    }

    #[test]
    fn quoted_algorithms_and_odd_qops_are_read() {
        let text = b"Digest realm=\"\", nonce=n, algorithm=\"sha-256\", qop=\" AUTH-INT , token\", stale=\"TRUE\", x=y";
        let challenge = Challenge::parse(text).unwrap();
        assert_eq!(challenge.algorithm(), Some(Hash::Sha256.plain()));
        assert_eq!((challenge.stale, challenge.choose_qop()), (true, Ok(Some(Qop::AuthInt))));
        let unknown = Challenge::parse(b"Digest realm=a, nonce=b, qop=\"auth-conf\", algorithm=AKAv1-MD5").unwrap();
        assert_eq!((unknown.choose_qop(), unknown.algorithm()), (Err(()), None));
        assert_eq!(Challenge::parse(b"Digest realm=\"a\""), None);
    }
}
