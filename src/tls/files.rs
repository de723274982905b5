//! Certificates, keys and trust anchors in PEM files.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use crate::model::date::print_rfc3339;
use crate::time::Timestamp;

/// Where the trust anchors are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Anchors {
    /// Those of the operating system.
    System,
    /// Those of a PEM file.
    File(PathBuf),
}

/// The files that an administrator names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// Our certificate, then those that lead to its authority. `None`: we have none, and take no TLS connection.
    pub certificate: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
    /// Whose signatures count; all of them together.
    pub trust: Vec<Anchors>,
}

impl Default for Files {
    fn default() -> Self {
        Self { certificate: None, key: None, trust: vec![Anchors::System] }
    }
}

impl Files {
    /// Every file that is named.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        let own = self.certificate.iter().chain(&self.key);
        own.map(PathBuf::as_path).chain(named(&self.trust))
    }
}

/// The files among `trust`.
pub(super) fn named(trust: &[Anchors]) -> impl Iterator<Item = &Path> {
    trust.iter().filter_map(|anchors| match anchors {
        Anchors::File(file) => Some(file.as_path()),
        Anchors::System => None,
    })
}

/// Until when one of our certificates is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Its file.
    pub file: PathBuf,
    /// The last second at which it is, since 1970.
    pub not_after: i64,
}

/// Which file, and what is wrong with it: "FILE WHY".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} {why}", file.display())]
pub struct FileError {
    /// What it was to be.
    pub role: Role,
    /// The file.
    pub file: PathBuf,
    /// What is wrong, in words that follow its name.
    pub why: String,
}

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Our certificate and those that signed it.
    Certificate,
    /// Its key.
    Key,
    /// Trust anchors.
    Trust,
}

/// Our certificate and what is told about it.
#[derive(Clone, Debug)]
pub struct Own {
    /// Chain and key, which belong together.
    pub key: Arc<CertifiedKey>,
    /// The last second at which it is valid, since 1970.
    pub not_after: i64,
    /// The first one.
    pub not_before: i64,
    /// The SIP domains it proves.
    pub names: Vec<String>,
}

/// Reads our certificate and its key.
///
/// # Errors
/// The file that is missing or holds something else, or a key that belongs to another certificate.
pub fn own(certificate: &Path, key: &Path, provider: &CryptoProvider) -> Result<Own, FileError> {
    let (chain, (not_before, not_after)) = self::chain(certificate)?;
    let names = chain.first().map(super::names::identities).unwrap_or_default();
    let key = together((certificate, chain), (key, secret(key)?), provider)?;
    Ok(Own { key: Arc::new(key), not_after, not_before, names })
}

/// A chain, and the first and last second at which its leaf is valid.
type Chain = (Vec<CertificateDer<'static>>, (i64, i64));

/// Reads our certificate with those that signed it.
pub(super) fn chain(file: &Path) -> Result<Chain, FileError> {
    let chain = certificates(Role::Certificate, file)?;
    let wrong = |why: &str| FileError { role: Role::Certificate, file: file.to_owned(), why: why.to_owned() };
    let Some(leaf) = chain.first() else { return Err(wrong("has no certificate")) };
    let Ok((_, parsed)) = X509Certificate::from_der(leaf) else {
        return Err(wrong("has a certificate that cannot be read"));
    };
    let validity = parsed.validity();
    let dates = (validity.not_before.timestamp(), validity.not_after.timestamp());
    Ok((chain, dates))
}

/// Reads our key.
pub(super) fn secret(file: &Path) -> Result<PrivateKeyDer<'static>, FileError> {
    PrivateKeyDer::from_pem_file(file).map_err(|error| {
        let none = matches!(error, pem::Error::NoItemsFound);
        let why = if none { "has no private key".to_owned() } else { because(&error) };
        FileError { role: Role::Key, file: file.to_owned(), why }
    })
}

/// Whether the two, read from these files, belong together.
pub(super) fn together(
    (certificate, chain): (&Path, Vec<CertificateDer<'static>>),
    (key, secret): (&Path, PrivateKeyDer<'static>),
    provider: &CryptoProvider,
) -> Result<CertifiedKey, FileError> {
    CertifiedKey::from_der(chain, secret, provider).map_err(|error| {
        let other = matches!(error, rustls::Error::InconsistentKeys(_));
        let why = if other {
            format!("does not belong to {}", certificate.display())
        } else {
            "has a key of a kind that is not supported".to_owned()
        };
        FileError { role: Role::Key, file: key.to_owned(), why }
    })
}

/// Reads the trust anchors. An anchor of the system that cannot be used is left out, as every program does.
///
/// # Errors
/// A named file that is missing or has no certificate that could be an anchor.
pub fn anchors(trust: &[Anchors]) -> Result<RootCertStore, FileError> {
    let mut roots = RootCertStore::empty();
    for anchors in trust {
        match anchors {
            Anchors::System => {
                let found = rustls_native_certs::load_native_certs();
                roots.add_parsable_certificates(found.certs);
            }
            Anchors::File(file) => {
                let (used, _) = roots.add_parsable_certificates(certificates(Role::Trust, file)?);
                if used == 0 {
                    let why = "has no usable trust anchor".to_owned();
                    return Err(FileError { role: Role::Trust, file: file.clone(), why });
                }
            }
        }
    }
    Ok(roots)
}

fn certificates(role: Role, file: &Path) -> Result<Vec<CertificateDer<'static>>, FileError> {
    let wrong = |why: String| FileError { role, file: file.to_owned(), why };
    let read = CertificateDer::pem_file_iter(file).map_err(|error| wrong(because(&error)))?;
    let read: Vec<_> = read.collect::<Result<_, _>>().map_err(|error| wrong(because(&error)))?;
    if read.is_empty() { Err(wrong("has no certificate".to_owned())) } else { Ok(read) }
}

fn because(error: &pem::Error) -> String {
    if let pem::Error::Io(error) = error {
        let missing = error.kind() == io::ErrorKind::NotFound;
        return if missing { "is missing".to_owned() } else { format!("cannot be read ({error})") };
    }
    format!("is no PEM file ({error})")
}

/// The day of a second since 1970, as 2026-11-21.
#[must_use]
pub fn date(seconds: i64) -> String {
    let mut text = print_rfc3339(Timestamp(seconds.saturating_mul(1_000)));
    text.truncate("2026-11-21".len());
    text
}
