//! What a domain says in DNS about the certificates of its server (RFC 6698, RFC 7671, for XMPP RFC 7673): TLSA records,
//! and whether one of them means a certificate. Only answers that DNSSEC proves may come here.

use rustls::RootCertStore;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256, Sha512};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::xmpp::judge;
use crate::time::Timestamp;

/// A TLSA record (RFC 6698 section 2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// 1: of a server, by PKIX, too; 2: of an authority; 3: of a server. 0, of an authority by PKIX, means nothing here
    /// (RFC 7671 section 4 lets clients leave it).
    pub usage: u8,
    /// What of the certificate: 0 the whole, 1 its key.
    pub selector: u8,
    /// How it is written: 0 as it is, 1 by SHA-256, 2 by SHA-512.
    pub matching: u8,
    /// The certificate, the key, or the hash.
    pub data: Vec<u8>,
}

impl Record {
    /// Whether it can be used at all (RFC 6698 section 4.1).
    #[must_use]
    pub fn is_usable(&self) -> bool {
        let length = match self.matching {
            0 => !self.data.is_empty(),
            1 => self.data.len() == 32,
            2 => self.data.len() == 64,
            _ => false,
        };
        (1..=3).contains(&self.usage) && self.selector <= 1 && length
    }

    fn means(&self, certificate: &CertificateDer<'_>) -> bool {
        let Ok((_, read)) = X509Certificate::from_der(certificate) else { return false };
        let chosen: &[u8] = if self.selector == 0 { certificate } else { read.public_key().raw };
        match self.matching {
            0 => self.data == chosen,
            1 => Sha256::digest(chosen).as_slice() == self.data,
            2 => Sha512::digest(chosen).as_slice() == self.data,
            _ => false,
        }
    }
}

/// What there is to judge by, beside the records.
pub(super) struct Context<'a> {
    pub(super) roots: &'a RootCertStore,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
    pub(super) now: Timestamp,
    /// Names that a certificate may have: the domain, and the host that DNS, proven too, names for it (RFC 7673 section 6).
    pub(super) names: [&'a str; 2],
}

/// Whether one of `records` means the certificate that was shown, the leaf of `chain` first; else why not.
pub(super) fn judge(records: &[Record], chain: &[CertificateDer<'_>], context: &Context<'_>) -> Result<(), String> {
    let Some((leaf, others)) = chain.split_first() else { return Err("it shows no certificate".to_owned()) };
    let mut why = "its certificate is not the one that DNS has for it".to_owned();
    for record in records.iter().filter(|record| record.is_usable()) {
        let judged = match record.usage {
            // Neither names nor dates count (RFC 7671 section 5.1): DNS says both.
            3 if record.means(leaf) => Ok(()),
            2 => by_authority(record, (leaf, others), context),
            1 if record.means(leaf) => by_path((leaf, others), context.roots, context),
            _ => continue,
        };
        match judged {
            Ok(()) => return Ok(()),
            Err(told) => why = told,
        }
    }
    Err(why)
}

/// Under an authority that the server shows or the record holds (RFC 7671 section 5.2).
fn by_authority(
    record: &Record,
    (leaf, others): (&CertificateDer<'_>, &[CertificateDer<'_>]),
    context: &Context<'_>,
) -> Result<(), String> {
    let held = CertificateDer::from(record.data.as_slice());
    let whole = record.selector == 0 && record.matching == 0;
    let shown = others.iter().take(judge::OTHERS).find(|certificate| record.means(certificate));
    let authority = if whole { Some(&held) } else { shown };
    let none = || "its certificate is not signed by the authority that DNS has for it".to_owned();
    let mut roots = RootCertStore::empty();
    roots.add(authority.ok_or_else(none)?.clone().into_owned()).map_err(|_| none())?;
    by_path((leaf, others), &roots, context)
}

fn by_path(
    chain: (&CertificateDer<'_>, &[CertificateDer<'_>]),
    roots: &RootCertStore,
    context: &Context<'_>,
) -> Result<(), String> {
    judge::path(chain, roots, context.algorithms, context.now)?;
    let [domain, host] = context.names;
    judge::named(chain.0, host).or_else(|_| judge::named(chain.0, domain))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rcgen::date_time_ymd;
    use rustls::crypto::aws_lc_rs;

    use super::*;
    use crate::tls::tests::{Authority, dns};

    /// 2026-11-21T00:00:00Z.
    const TODAY: Timestamp = Timestamp(1_795_219_200_000);

    fn key(certificate: &CertificateDer<'_>) -> Vec<u8> {
        X509Certificate::from_der(certificate).unwrap().1.public_key().raw.to_vec()
    }

    fn record(usage: u8, selector: u8, matching: u8, of: &CertificateDer<'_>) -> Record {
        let chosen = if selector == 0 { of.to_vec() } else { key(of) };
        let data = match matching {
            1 => Sha256::digest(&chosen).to_vec(),
            2 => Sha512::digest(&chosen).to_vec(),
            _ => chosen,
        };
        Record { usage, selector, matching, data }
    }

    fn told(records: &[Record], chain: &[CertificateDer<'_>], roots: &RootCertStore) -> String {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        let context = Context { roots, algorithms, now: TODAY, names: ["a.example", "host.example"] };
        judge(records, chain, &context).map_or_else(|why| why, |()| "good".to_owned())
    }

    #[test]
    fn a_record_means_a_certificate_by_usage_selector_and_matching_type() {
        const OTHER: &str = "its certificate is not the one that DNS has for it";
        const UNSIGNED: &str = "its certificate is not signed by the authority that DNS has for it";
        let (known, own) = (Authority::new(), Authority::new());
        let middle = own.below();
        let with = |authority: &Authority, name: &str, year| {
            authority
                .sign(|params| {
                    params.subject_alt_names = vec![dns(name)];
                    params.not_after = date_time_ymd(year, 1, 1);
                })
                .2
        };
        let (roots, none) = (known.roots(), RootCertStore::empty());
        let (old, leaf) = (with(&own, "nobody.example", 2020), with(&middle, "host.example", 2030));
        let (between, top) = (middle.0.der().clone(), own.0.der().clone());
        let chain = [leaf.clone(), between.clone(), top.clone()];
        for selector in [0, 1] {
            for matching in [0, 1, 2] {
                let of = |usage, certificate| [record(usage, selector, matching, certificate)];
                let case = format!("{selector} {matching}");
                assert_eq!(told(&of(3, &old), std::slice::from_ref(&old), &none), "good", "{case}: no name, no date");
                assert_eq!(told(&of(3, &leaf), std::slice::from_ref(&old), &none), OTHER, "{case}");
                assert_eq!(told(&of(2, &top), &chain, &none), "good", "{case}");
                assert_eq!(told(&of(2, &between), &chain, &none), "good", "{case}: an authority in the middle");
                let wrong = [with(&own, "b.example", 2030), top.clone()];
                let named = "its certificate names b.example, not a.example";
                assert_eq!(told(&of(2, &top), &wrong, &none), named, "{case}");
                let late = [with(&own, "a.example", 2020), top.clone()];
                assert_eq!(told(&of(2, &top), &late, &none), "its certificate expired on 2020-01-01", "{case}");
                let trusted = [with(&known, "host.example", 2030)];
                assert_eq!(told(&of(1, &trusted[0]), &trusted, &roots), "good", "{case}");
                let untrusted = "its certificate is signed by nobody we trust";
                assert_eq!(told(&of(1, &trusted[0]), &trusted, &none), untrusted, "{case}");
                assert_eq!(told(&of(0, known.0.der()), &trusted, &roots), OTHER, "{case}: not used");
            }
        }
        let alone = [with(&own, "a.example", 2030)];
        assert_eq!(told(&[record(2, 0, 0, &top)], &alone, &none), "good", "DNS has the authority itself");
        assert_eq!(told(&[record(2, 0, 1, &top)], &alone, &none), UNSIGNED);
        let stranger = Authority::new();
        let foreign = [record(2, 0, 0, stranger.0.der())];
        assert_eq!(told(&foreign, &alone, &none), "its certificate is signed by nobody we trust");
        let two = [record(3, 0, 1, &old), record(3, 1, 1, &leaf)];
        assert_eq!(told(&two, &chain, &none), "good", "any of them");
        assert_eq!(told(&[], &chain, &none), OTHER);
        assert_eq!(told(&two, &[], &none), "it shows no certificate");
        assert_eq!(told(&[record(2, 0, 0, &CertificateDer::from(&b"junk"[..]))], &chain, &none), UNSIGNED);
        assert_eq!(told(&two, &[CertificateDer::from(&b"junk"[..])], &none), OTHER);
    }

    #[test]
    fn records_that_cannot_be_used_are_not() {
        let usable = |usage, selector, matching, length: usize| {
            Record { usage, selector, matching, data: vec![0; length] }.is_usable()
        };
        assert!(usable(3, 1, 1, 32) && usable(2, 0, 2, 64) && usable(1, 0, 0, 1));
        for (usage, selector, matching, length) in [
            (0, 0, 1, 32),
            (4, 0, 1, 32),
            (255, 0, 1, 32),
            (3, 2, 1, 32),
            (3, 0, 3, 32),
            (3, 0, 1, 31),
            (3, 0, 2, 32),
            (3, 0, 0, 0),
        ] {
            assert!(!usable(usage, selector, matching, length), "{usage} {selector} {matching} {length}");
        }
    }
}
