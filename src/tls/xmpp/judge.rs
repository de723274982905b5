//! Whether a certificate proves a domain: the path by PKIX (RFC 5280), the name by RFC 6120 section 13.7.2.

use std::time::Duration;

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::{CertificateError, Error, RootCertStore};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use crate::time::Timestamp;
use crate::tls::files;
use crate::tls::identity::Identities;
use crate::tls::verify::{self, Purpose};
use crate::xmpp::federation::{Association, Judgement};

/// Certificates of a chain that are looked at beside the leaf: real ones have one to three.
pub(in crate::tls) const OTHERS: usize = 16;

/// Whether `chain`, the leaf first, leads to one of `roots` and names `domain`; else why not, as a clause.
pub(super) fn judge(
    chain: &[CertificateDer<'_>],
    domain: &str,
    roots: &RootCertStore,
    algorithms: WebPkiSupportedAlgorithms,
    now: Timestamp,
) -> Result<(), String> {
    let Some((leaf, others)) = chain.split_first() else { return Err("it shows no certificate".to_owned()) };
    path((leaf, others), roots, algorithms, now)?;
    named(leaf, domain)
}

/// Whether a certificate leads to one of `roots`, is in time, and meant for XMPP or TLS.
pub(in crate::tls) fn path(
    (leaf, others): (&CertificateDer<'_>, &[CertificateDer<'_>]),
    roots: &RootCertStore,
    algorithms: WebPkiSupportedAlgorithms,
    now: Timestamp,
) -> Result<(), String> {
    let others = others.get(..OTHERS).unwrap_or(others);
    verify::path((leaf, others), roots, algorithms, unix(now), Purpose(verify::XMPP)).map_err(|error| why(&error))
}

/// Whether it names `domain`.
pub(in crate::tls) fn named(leaf: &CertificateDer<'_>, domain: &str) -> Result<(), String> {
    let names = Identities::of(leaf);
    if names.has(domain) { Ok(()) } else { Err(format!("its certificate names {names}, not {domain}")) }
}

/// The first and the last second at which it is valid, since 1970.
pub(super) fn dates(certificate: &CertificateDer<'_>) -> Option<(i64, i64)> {
    let (_, read) = X509Certificate::from_der(certificate).ok()?;
    Some((read.validity().not_before.timestamp(), read.validity().not_after.timestamp()))
}

/// Whether it is valid now.
pub(super) fn in_time(leaf: &CertificateDer<'_>, now: Timestamp) -> Result<(), String> {
    let Ok((_, leaf)) = X509Certificate::from_der(leaf) else {
        return Err("its certificate cannot be read".to_owned());
    };
    let (validity, now) = (leaf.validity(), now.0.div_euclid(1_000));
    let (from, until) = (validity.not_before.timestamp(), validity.not_after.timestamp());
    if now > until {
        Err(format!("its certificate expired on {}", files::date(until)))
    } else if now < from {
        Err(format!("its certificate is not valid before {}", files::date(from)))
    } else {
        Ok(())
    }
}

pub(super) fn judgement(judged: Result<(), String>, by: Association) -> Judgement {
    judged.map_or_else(Judgement::Unproven, |()| Judgement::Proven(by))
}

/// A time before 1970 is 1970: no certificate is valid then.
pub(in crate::tls) fn unix(now: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_millis(u64::try_from(now.0).unwrap_or(0)))
}

fn why(error: &Error) -> String {
    if matches!(error, Error::InvalidCertificate(CertificateError::InvalidPurpose)) {
        return "its certificate is not meant for TLS or XMPP".to_owned();
    }
    verify::explain(error)
}
