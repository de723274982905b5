//! What ties an authentication to the TLS connection under it, so that nobody stands between.

use sha2::{Digest, Sha256, Sha384, Sha512};
use x509_parser::oid_registry as oid;
use x509_parser::prelude::{FromDer, X509Certificate};

/// The data of one connection, by type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Binding {
    /// `tls-exporter` (RFC 9266): not below TLS 1.3 unless the extended master secret was negotiated (section 4.2).
    pub exporter: Option<[u8; 32]>,
    /// `tls-server-end-point` (RFC 5929 section 4), by [`end_point`].
    pub end_point: Option<Vec<u8>>,
}

impl Binding {
    /// The data of the type of this name.
    #[must_use]
    pub fn data(&self, name: &str) -> Option<&[u8]> {
        match name {
            "tls-exporter" => self.exporter.as_ref().map(<[u8; 32]>::as_slice),
            "tls-server-end-point" => self.end_point.as_deref(),
            _ => None,
        }
    }

    /// The names of the types that there are data of, the better first.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        ["tls-exporter", "tls-server-end-point"].into_iter().filter(|name| self.data(name).is_some())
    }

    /// Whether there is nothing to bind to.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names().next().is_none()
    }
}

/// The data of `tls-server-end-point`: the hash of the server's certificate (DER), by the hash function of its signature,
/// or SHA-256 where that is weaker. `None` where the RFC leaves it undefined: a signature without such a function (Ed25519),
/// or whose function is a parameter (RSASSA-PSS), which implementations do not agree on.
#[must_use]
pub fn end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let signature = &parsed.signature_algorithm.algorithm;
    let is = |known: &[oid::Oid<'static>]| known.contains(signature);
    if is(&[oid::OID_PKCS1_SHA384WITHRSA, oid::OID_SIG_ECDSA_WITH_SHA384]) {
        Some(Sha384::digest(certificate).to_vec())
    } else if is(&[oid::OID_PKCS1_SHA512WITHRSA, oid::OID_SIG_ECDSA_WITH_SHA512]) {
        Some(Sha512::digest(certificate).to_vec())
    } else if is(&[
        oid::OID_PKCS1_MD5WITHRSAENC,
        oid::OID_PKCS1_SHA1WITHRSA,
        oid::OID_PKCS1_SHA256WITHRSA,
        oid::OID_SIG_ECDSA_WITH_SHA256,
    ]) {
        Some(Sha256::digest(certificate).to_vec())
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn certificate(algorithm: &'static rcgen::SignatureAlgorithm) -> Vec<u8> {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn the_end_point_is_hashed_as_its_certificate_is_signed() {
        for (algorithm, octets) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, Some(32)),
            (&rcgen::PKCS_ECDSA_P384_SHA384, Some(48)),
            (&rcgen::PKCS_ED25519, None),
        ] {
            assert_eq!(end_point(&certificate(algorithm)).map(|hash| hash.len()), octets);
        }
        let der = certificate(&rcgen::PKCS_ECDSA_P256_SHA256);
        assert_eq!(end_point(&der), Some(Sha256::digest(&der).to_vec()));
        assert_eq!(end_point(b"no certificate"), None);
    }

    #[test]
    fn types_have_their_registered_names() {
        let both = Binding { exporter: Some([7; 32]), end_point: Some(vec![1]) };
        assert_eq!(both.names().collect::<Vec<_>>(), ["tls-exporter", "tls-server-end-point"]);
        assert_eq!((both.data("tls-exporter"), both.data("tls-unique")), (Some([7; 32].as_slice()), None));
        assert!(Binding::default().is_empty());
    }
}
