//! What a domain says over HTTPS about the certificates of its server (RFC 7711): the documents, and whether one of them
//! means a certificate.

use std::time::Duration;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use rustls::pki_types::CertificateDer;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256, Sha512};

/// Where the document lies in the domain (RFC 7712 section 5.2).
pub const PATH: &str = "/.well-known/posh/xmpp-server.json";

/// Fingerprints that are read; a domain has one for each server, and one more while it is renewed.
const FINGERPRINTS: usize = 100;

/// RFC 4648 section 4 with padding bits of zero; the RFC's own example leaves padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a document is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// It names certificates.
    Fingerprints(Fingerprints),
    /// It says where the one that names them is.
    Reference {
        /// An `https` URI.
        url: String,
        /// How long that holds.
        expires: Duration,
    },
}

/// Which certificates a domain's server may show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprints {
    hashes: Vec<Hash>,
    /// How long this holds.
    pub expires: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hash {
    Sha256(Vec<u8>),
    Sha512(Vec<u8>),
}

/// Why a document means nothing, in words that follow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It is no JSON object.
    #[error("is no JSON object")]
    Json,
    /// It has no time, or one that is no whole number (sections 3.1, 3.2).
    #[error("does not say how long it holds")]
    Expires,
    /// Its time is 0: it counts no more (sections 3.1, 3.2).
    #[error("holds no more")]
    Expired,
    /// It is both kinds or none, or refers to something that is not `https`.
    #[error("has neither fingerprints nor an https reference")]
    Kind,
    /// No fingerprint is of a hash function that counts.
    #[error("has no fingerprint of sha-256 or sha-512")]
    Hash,
}

/// Reads a document (sections 3.1, 3.2).
///
/// # Errors
/// Why it cannot be used.
pub fn read(text: &[u8]) -> Result<Document, Unusable> {
    let Ok(Value::Object(object)) = serde_json::from_slice(text) else { return Err(Unusable::Json) };
    let expires = match object.get("expires").and_then(Value::as_u64) {
        None => return Err(Unusable::Expires),
        Some(0) => return Err(Unusable::Expired),
        Some(seconds) => Duration::from_secs(seconds),
    };
    match (object.get("fingerprints"), object.get("url")) {
        (Some(Value::Array(list)), None) => {
            let hashes: Vec<Hash> = list.iter().take(FINGERPRINTS).filter_map(|each| hash(each.as_object()?)).collect();
            let usable = !hashes.is_empty();
            usable.then_some(Document::Fingerprints(Fingerprints { hashes, expires })).ok_or(Unusable::Hash)
        }
        (None, Some(Value::String(url))) if url.starts_with("https://") => {
            Ok(Document::Reference { url: url.clone(), expires })
        }
        _ => Err(Unusable::Kind),
    }
}

/// The fingerprint of one certificate, by the first function that it is given for and that we know.
fn hash(descriptor: &Map<String, Value>) -> Option<Hash> {
    let bytes = |name: &str, length: usize| {
        let text = descriptor.get(name)?.as_str()?;
        BASE64.decode(text).ok().filter(|bytes| bytes.len() == length)
    };
    bytes("sha-256", 32).map(Hash::Sha256).or_else(|| bytes("sha-512", 64).map(Hash::Sha512))
}

impl Fingerprints {
    /// Whether one of them is this certificate's (section 3.3).
    #[must_use]
    pub fn have(&self, certificate: &CertificateDer<'_>) -> bool {
        self.hashes.iter().any(|hash| match hash {
            Hash::Sha256(hash) => Sha256::digest(certificate).as_slice() == hash,
            Hash::Sha512(hash) => Sha512::digest(certificate).as_slice() == hash,
        })
    }

    /// The same, for no longer than the document that referred to them (section 6).
    #[must_use]
    pub fn within(self, expires: Duration) -> Self {
        Self { expires: self.expires.min(expires), ..self }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// RFC 7711 section 3.1, without the white space that was added for readers.
    const EXAMPLE: &str = r#"{"fingerprints":[{"sha-256":"4/mggdlVx8A3pvHAWW5sD+qJyMtUHgiRuPjVC48N0XQ=",
        "sha-512":"25N+1hB2Vo42l9lSGqw+n3BKFhDHsyork8ou+D9B43TXeJ1J81mdQEDqm39oR/EHkPBDDG1y5+AG94Kec0xVqA=="}],
        "expires":604800}"#;

    /// The same section: two, the first without padding.
    const TWO: &str = r#"{"fingerprints":[{"sha-256":"4/mggdlVx8A3pvHAWW5sD+qJyMtUHgiRuPjVC48N0XQ"},
        {"sha-256":"otyLADSKjRDjVpj8X7/hmCAD5C7Qe+PedcmYV7cUncE="}],"expires":806400}"#;

    fn read_text(text: &str) -> Result<Document, Unusable> {
        read(text.as_bytes())
    }

    #[test]
    fn the_documents_of_rfc_7711_are_read() {
        for (text, count, seconds) in [(EXAMPLE, 1, 604_800), (TWO, 2, 806_400)] {
            let Ok(Document::Fingerprints(found)) = read_text(text) else { panic!("{text}") };
            assert_eq!((found.hashes.len(), found.expires.as_secs()), (count, seconds));
        }
        let url = "https://hosting.example.net/.well-known/posh/spice.json";
        let expected = Document::Reference { url: url.to_owned(), expires: Duration::from_secs(86_400) };
        assert_eq!(read_text(&format!(r#"{{"url":"{url}","expires":86400}}"#)), Ok(expected));
    }

    #[test]
    fn what_is_no_document_of_rfc_7711_is_not_used() {
        const FINE: &str = "4/mggdlVx8A3pvHAWW5sD+qJyMtUHgiRuPjVC48N0XQ=";
        let one = |name: &str, value: &str| format!(r#"{{"fingerprints":[{{"{name}":"{value}"}}],"expires":9}}"#);
        let nested = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
        for (text, why) in [
            ("", Unusable::Json),
            ("[]", Unusable::Json),
            ("{", Unusable::Json),
            (nested.as_str(), Unusable::Json),
            (r#"{"fingerprints":[]}"#, Unusable::Expires),
            (r#"{"fingerprints":[],"expires":-1}"#, Unusable::Expires),
            (r#"{"fingerprints":[],"expires":1.5}"#, Unusable::Expires),
            (r#"{"fingerprints":[],"expires":"9"}"#, Unusable::Expires),
            (r#"{"fingerprints":[],"expires":0}"#, Unusable::Expired),
            (r#"{"url":"https://a.example/","expires":0}"#, Unusable::Expired),
            (r#"{"expires":9}"#, Unusable::Kind),
            (r#"{"fingerprints":[],"url":"https://a.example/","expires":9}"#, Unusable::Kind),
            (r#"{"fingerprints":{},"expires":9}"#, Unusable::Kind),
            (r#"{"url":"http://a.example/","expires":9}"#, Unusable::Kind),
            (r#"{"url":7,"expires":9}"#, Unusable::Kind),
            (r#"{"fingerprints":[],"expires":9}"#, Unusable::Hash),
            (r#"{"fingerprints":[1,"x",{}],"expires":9}"#, Unusable::Hash),
            (&one("sha-1", "2jmj7l5rSw0yVb/vlWAYkK/YBwk="), Unusable::Hash),
            (&one("sha-256", "AAAA"), Unusable::Hash),
            (&one("sha-256", &FINE.replace('/', "_")), Unusable::Hash),
            (&one("sha-256", &FINE.replace("Q=", "R=")), Unusable::Hash),
        ] {
            assert_eq!(read_text(text), Err(why), "{}", text.get(..80).unwrap_or(text));
        }
        assert!(read_text(&one("sha-256", FINE)).is_ok());
    }

    #[test]
    fn a_fingerprint_means_one_certificate() {
        let certificate = CertificateDer::from(&b"a certificate"[..]);
        let (short, long) = (BASE64.encode(Sha256::digest(&certificate)), BASE64.encode(Sha512::digest(&certificate)));
        for text in [
            format!(r#"{{"fingerprints":[{{"sha-256":"{short}"}}],"expires":9}}"#),
            format!(r#"{{"fingerprints":[{{"sha-512":"{long}"}}],"expires":9}}"#),
            format!(r#"{{"fingerprints":[{{"sha-1":"AAAA"}},{{"sha-256":"AAAA","sha-512":"{long}"}}],"expires":9}}"#),
        ] {
            let Ok(Document::Fingerprints(found)) = read_text(&text) else { panic!("{text}") };
            assert!(found.have(&certificate), "{text}");
            assert!(!found.have(&CertificateDer::from(&b"another"[..])), "{text}");
            let hour = Duration::from_secs(3_600);
            assert_eq!(
                (found.clone().within(hour).expires.as_secs(), found.within(Duration::ZERO).expires),
                (9, Duration::ZERO)
            );
        }
    }
}
