//! What can be said about our own certificates without a peer: every fault of the files at once, for `stox check`.

use std::path::{Path, PathBuf};

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::{CertificateError, Error, RootCertStore};

use super::files::{self, Anchors, FileError, Role};
use super::identity::Identities;
use super::names;
use super::verify::{self, Purpose};
use super::xmpp::judge;
use crate::time::Timestamp;

/// How long before its end a certificate is worth a warning, seconds: three weeks, time enough to have one signed by hand,
/// and long after a renewal that works by itself.
pub const SOON: i64 = 21 * 24 * 60 * 60;

/// How much a fault matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// The files cannot be used.
    Unusable,
    /// They can, but peers will refuse what they hold.
    Refused,
    /// Somebody should look.
    Doubtful,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which file it is about.
    pub role: Role,
    /// How much it matters.
    pub weight: Weight,
    /// What: a clause that begins with the file.
    pub what: String,
    /// What to do about it.
    pub todo: String,
}

/// A certificate of ours that could be read.
#[derive(Clone, Debug)]
pub struct Examined {
    file: PathBuf,
    chain: Vec<CertificateDer<'static>>,
    not_before: i64,
    not_after: i64,
}

/// Looks at a certificate and its key: whether they can be read and belong together, and what `now` is for the dates. All
/// faults, those of the key too where the certificate has some.
#[must_use]
pub fn pair(certificate: &Path, key: &Path, now: Timestamp) -> (Option<Examined>, Vec<Fault>) {
    let mut faults = Vec::new();
    let chain = files::chain(certificate).map_err(|error| faults.push(unusable(&error))).ok();
    let secret = files::secret(key).map_err(|error| faults.push(unusable(&error))).ok();
    if let (Some(chain), Some(secret)) = (&chain, secret)
        && let Err(error) =
            files::together((certificate, chain.0.clone()), (key, secret), &aws_lc_rs::default_provider())
    {
        faults.push(unusable(&error));
    }
    let examined = chain.map(|(chain, (not_before, not_after))| {
        let file = certificate.to_owned();
        Examined { file, chain, not_before, not_after }
    });
    faults.extend(examined.as_ref().and_then(|examined| examined.dates(now.0.div_euclid(1_000))));
    (examined, faults)
}

/// Looks at files with trust anchors.
#[must_use]
pub fn trust(trust: &[Anchors]) -> Vec<Fault> {
    let named = trust.iter().filter(|anchors| **anchors != Anchors::System);
    named
        .filter_map(|anchors| files::anchors(std::slice::from_ref(anchors)).err())
        .map(|error| unusable(&error))
        .collect()
}

fn unusable(error: &FileError) -> Fault {
    let todo = match error.role {
        Role::Certificate => "write the path of a PEM file: stox's certificate, then those that signed it",
        Role::Key if error.why.starts_with("does not belong") => "name the key that this certificate was made for",
        Role::Key => "write the path of its private key, a PEM file that the user stox runs as can read",
        Role::Trust => "write \"system\", or the paths of PEM files with the certificates of authorities",
    };
    Fault { role: error.role, weight: Weight::Unusable, what: error.to_string(), todo: todo.to_owned() }
}

impl Examined {
    fn fault(&self, weight: Weight, what: &str, todo: impl Into<String>) -> Fault {
        let what = format!("{} {what}", self.file.display());
        Fault { role: Role::Certificate, weight, what, todo: todo.into() }
    }

    fn dates(&self, now: i64) -> Option<Fault> {
        let (weight, what) = if now > self.not_after {
            (Weight::Refused, format!("expired on {}", files::date(self.not_after)))
        } else if now < self.not_before {
            (Weight::Refused, format!("is not valid before {}", files::date(self.not_before)))
        } else if self.not_after - now < SOON {
            (Weight::Doubtful, format!("expires on {}", files::date(self.not_after)))
        } else {
            return None;
        };
        Some(self.fault(weight, &what, "put a new one there; it is read without a restart"))
    }

    /// Whether it leads to a trust anchor: of the system, which is what others have, or among `trust`. Dates are another
    /// matter.
    #[must_use]
    pub fn path(&self, trust: &[Anchors]) -> Option<Fault> {
        let (leaf, others) = self.chain.split_first().filter(|_| self.not_before <= self.not_after)?;
        let both: Vec<Anchors> = trust.iter().cloned().chain([Anchors::System]).collect();
        let roots = files::anchors(&both).unwrap_or_else(|_| RootCertStore::empty());
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        // A minute before its end the rest of the chain has hardly expired.
        let at = judge::unix(Timestamp(self.not_after.saturating_sub(60).max(self.not_before).saturating_mul(1_000)));
        let why = verify::path((leaf, others), &roots, algorithms, at, Purpose(verify::XMPP)).err()?;
        if self.chain.len() == 1 && matches!(why, Error::InvalidCertificate(CertificateError::UnknownIssuer)) {
            let todo =
                "put the certificates between it and its authority behind it in the file (certbot: fullchain.pem)";
            return Some(self.fault(
                Weight::Doubtful,
                "does not lead to a trust anchor, so others may refuse it",
                todo,
            ));
        }
        let why = verify::explain(&why).replace("its certificate", "one of the chain");
        let what = format!("does not lead to a trust anchor ({why}), so others may refuse it");
        Some(self.fault(
            Weight::Doubtful,
            &what,
            "put the certificates that lead to its authority behind it in the file",
        ))
    }
}

/// Looks for each of `domains` that XMPP servers will look for in one of these certificates.
#[must_use]
pub fn xmpp_names(certificates: &[Examined], domains: &[String]) -> Vec<Fault> {
    let named: Vec<Identities> =
        certificates.iter().filter_map(|each| each.chain.first().map(Identities::of)).collect();
    let unnamed = domains.iter().filter(|domain| !named.iter().any(|names| names.has(domain)));
    let fault = |domain: &String| {
        let has: Vec<String> = certificates
            .iter()
            .zip(&named)
            .map(|(each, names)| format!("{} names {names}", each.file.display()))
            .collect();
        Fault {
            role: Role::Certificate,
            weight: Weight::Doubtful,
            what: format!("{}, none of them \"{domain}\": other servers will not believe it", has.join("; ")),
            todo: format!("have one made that names {domain} (certbot: -d {domain})"),
        }
    };
    if named.is_empty() { Vec::new() } else { unnamed.map(fault).collect() }
}

/// Looks for each of `domains`, the SIP names of XMPP users, that SIP peers will look for in this certificate (RFC 5922).
#[must_use]
pub fn sip_names(certificate: &Examined, domains: &[String]) -> Vec<Fault> {
    let Some(leaf) = certificate.chain.first() else { return Vec::new() };
    let named = names::identities(leaf);
    let shown = if named.is_empty() { "no SIP domain".to_owned() } else { named.join(", ") };
    let unnamed = domains.iter().filter(|domain| !names::has(&named, domain));
    let fault = |domain: &String| {
        let what = format!("names {shown}, not \"{domain}\": SIP peers that look for it there will refuse stox");
        certificate.fault(Weight::Doubtful, &what, format!("have one made that names {domain}, too"))
    };
    unnamed.map(fault).collect()
}
