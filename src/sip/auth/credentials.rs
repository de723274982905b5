//! Authorization and Proxy-Authorization (RFC 3261 sections 20.7 and 20.28, RFC 7616 section 3.4).

use super::algorithm::{Algorithm, Hash, Qop};
use super::value::{self, Writer};

/// Credentials of scheme Digest. Texts are as they stand between the quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Who.
    pub username: String,
    /// Where.
    pub realm: String,
    /// The nonce of the challenge.
    pub nonce: String,
    /// The Request-URI of the request as its sender wrote it.
    pub uri: String,
    /// The proof, in hexadecimal digits.
    pub response: String,
    /// The algorithm as it is spelled; `None`: MD5.
    pub algorithm: Option<String>,
    /// The server's own.
    pub opaque: Option<String>,
    /// How the nonce was used; `None`: an answer after RFC 2069.
    pub used: Option<Used>,
}

/// `qop`, `nc` and `cnonce`, which come together or not at all (RFC 7616 section 3.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Used {
    /// What is protected.
    pub qop: Qop,
    /// How many requests were made with this nonce, this one included.
    pub count: u32,
    /// The client's part of the randomness.
    pub cnonce: String,
}

impl Credentials {
    /// Reads a value. `None`: another scheme, malformed, or something missing that belongs to it.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let mut values = value::digest(value)?;
        let used = match values.take("qop") {
            Some(qop) => Some(Used {
                qop: Qop::named(&qop)?,
                count: count(&values.take("nc")?)?,
                cnonce: values.take("cnonce")?,
            }),
            None => None,
        };
        Some(Self {
            username: values.take("username")?,
            realm: values.take("realm")?,
            nonce: values.take("nonce")?,
            uri: values.take("uri")?,
            response: values.take("response")?,
            algorithm: values.take("algorithm"),
            opaque: values.take("opaque"),
            used,
        })
    }

    /// The algorithm, if we have it.
    #[must_use]
    pub fn algorithm(&self) -> Option<Algorithm> {
        self.algorithm.as_deref().map_or(Some(Hash::Md5.plain()), Algorithm::named)
    }

    /// The header value. `algorithm`, `qop` and `nc` are never quoted, everything else is: some servers take nothing else
    /// (RFC 7616 section 3.4).
    #[must_use]
    pub fn print(&self) -> String {
        let mut writer = Writer::new("Digest ");
        writer.quoted("username", &self.username);
        writer.quoted("realm", &self.realm);
        writer.quoted("nonce", &self.nonce);
        writer.quoted("uri", &self.uri);
        writer.quoted("response", &self.response);
        if let Some(algorithm) = &self.algorithm {
            writer.token("algorithm", algorithm);
        }
        if let Some(opaque) = &self.opaque {
            writer.quoted("opaque", opaque);
        }
        if let Some(used) = &self.used {
            writer.token("qop", used.qop.name());
            writer.token("nc", &super::algorithm::hex(&used.count.to_be_bytes()));
            writer.quoted("cnonce", &used.cnonce);
        }
        writer.done()
    }
}

/// Eight hexadecimal digits.
pub(super) fn count(text: &str) -> Option<u32> {
    let fits = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    fits.then(|| u32::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_credentials_of_rfc_3261_are_read_and_printed() {
        let text = "Digest username=\"bob\",\r\n realm=\"biloxi.com\",\r\n \
                    nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\",\r\n uri=\"sip:bob@biloxi.com\",\r\n qop=auth,\r\n \
                    nc=00000001,\r\n cnonce=\"0a4f113b\",\r\n response=\"6629fae49393a05397450978507c4ef1\",\r\n \
                    opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
        let credentials = Credentials::parse(text.as_bytes()).unwrap();
        let used = credentials.used.clone().unwrap();
        assert_eq!((used.qop, used.count, used.cnonce.as_str()), (Qop::Auth, 1, "0a4f113b"));
        assert_eq!(Credentials::parse(credentials.print().as_bytes()), Some(credentials));
    }

    #[test]
    fn the_quotes_are_where_servers_want_them() {
        let credentials = Credentials {
            username: "101".into(),
            realm: "asterisk".into(),
            nonce: "n/1=".into(),
            uri: "sip:102@pbx.example".into(),
            response: "00".into(),
            algorithm: Some("MD5".into()),
            opaque: Some(String::new()),
            used: Some(Used { qop: Qop::Auth, count: 31, cnonce: "c".into() }),
        };
        assert_eq!(
            credentials.print(),
            "Digest username=\"101\", realm=\"asterisk\", nonce=\"n/1=\", uri=\"sip:102@pbx.example\", \
             response=\"00\", algorithm=MD5, opaque=\"\", qop=auth, nc=0000001f, cnonce=\"c\""
        );
    }

    #[test]
    fn half_of_a_use_and_bad_counts_are_refused() {
        let read = |end: &str| {
            let text = format!("Digest username=\"u\", realm=\"r\", nonce=\"n\", uri=\"sip:a\", response=\"0\"{end}");
            Credentials::parse(text.as_bytes())
        };
        assert!(read("").is_some() && read(", nc=00000001, cnonce=\"c\"").unwrap().used.is_none());
        for end in [
            ", qop=auth",
            ", qop=auth, nc=00000001",
            ", qop=auth, cnonce=\"c\"",
            ", qop=auth, nc=1, cnonce=\"c\"",
            ", qop=auth, nc=+0000001, cnonce=\"c\"",
            ", qop=auth, nc=0000000g, cnonce=\"c\"",
            ", qop=mine, nc=00000001, cnonce=\"c\"",
        ] {
            assert_eq!(read(end), None, "{end}");
        }
    }
}
