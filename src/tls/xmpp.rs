//! Certificates for server-to-server streams (RFC 6120 section 13.7, RFC 7590).
//!
//! Every certificate is taken during the handshake, where only its key is proven. Whom it is to name, the stream knows
//! later; then [`Store::judge`] is asked, and a stream whose peer cannot be believed may still prove itself by dialback.
//! Sessions are resumed in both roles: the certificates of a session come back with it, and are judged again.

pub(super) mod judge;
mod late;
mod settings;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::ClientSessionMemoryCache;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ConnectionCommon, HandshakeKind, ProtocolVersion, RootCertStore, ServerConfig};

use super::dane;
use super::files::{self, Anchors, FileError, Own, Validity};
use super::identity::Identities;
use super::posh;
use super::watched::{Watched, stamps};
use crate::time::Timestamp;
use crate::xmpp::federation::{Association, Judgement};

/// A certificate of ours and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The certificate, then those that lead to its authority.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// The files that an administrator names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// Ours. The first one is shown where none names the domain that is asked for.
    pub certificates: Vec<Pair>,
    /// Whose signatures count; all of them together.
    pub trust: Vec<Anchors>,
}

impl Default for Files {
    fn default() -> Self {
        Self { certificates: Vec::new(), trust: vec![Anchors::System] }
    }
}

impl Files {
    fn paths(&self) -> impl Iterator<Item = &Path> {
        let own = self.certificates.iter().flat_map(|pair| [pair.certificate.as_path(), pair.key.as_path()]);
        own.chain(files::named(&self.trust))
    }
}

/// When TLS begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// In the stream (RFC 6120 section 5).
    Starttls,
    /// With the first byte; the protocol is named by ALPN (XEP-0368).
    Direct,
}

/// Why TLS cannot be used: every file that is wrong.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Trouble {
    /// Files.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Files(Vec<FileError>),
    /// The library.
    #[error("TLS cannot be set up: {0}")]
    Library(#[from] rustls::Error),
}

/// What is known of a connection once it is inside TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// Whether it goes on with keys of an earlier one.
    pub resumed: bool,
    /// What the peer has shown, its own certificate first; empty: nothing.
    pub chain: Vec<CertificateDer<'static>>,
    /// For the channel binding `tls-exporter` (RFC 9266), where TLS 1.3 makes it unique.
    pub exporter: Option<[u8; 32]>,
}

/// Judges by fingerprints that the domain publishes over HTTPS: whatever it names, the certificate is to be in time (RFC
/// 7711 section 6).
#[must_use]
pub fn judge_by_posh(fingerprints: &posh::Fingerprints, chain: &[CertificateDer<'_>], now: Timestamp) -> Judgement {
    let judged = match chain.first() {
        None => Err("it shows no certificate".to_owned()),
        Some(leaf) if fingerprints.have(leaf) => judge::in_time(leaf, now),
        Some(_) => Err("its certificate is not one that its domain publishes".to_owned()),
    };
    judge::judgement(judged, Association::Posh)
}

/// Reads them from a connection whose handshake is done, in either role.
#[must_use]
pub fn facts<Data>(connection: &ConnectionCommon<Data>) -> Facts {
    let new = connection.protocol_version() == Some(ProtocolVersion::TLSv1_3);
    // TLS 1.2 would have to be known to have used the extended master secret (RFC 9266 section 4.2).
    let exporter = new.then(|| connection.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b"")).ok());
    Facts {
        version: if new { "TLSv1.3" } else { "TLSv1.2" },
        resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
        chain: connection.peer_certificates().unwrap_or_default().to_vec(),
        exporter: exporter.flatten(),
    }
}

/// Until when a certificate is valid; `None`: it cannot be read.
#[must_use]
pub fn end_of(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    judge::dates(certificate).map(|(_, until)| Timestamp(until.saturating_add(1).saturating_mul(1_000)))
}

/// What the Server Name Indication says for the domain of a stream (XEP-0368); `None`: it can be no name in TLS.
#[must_use]
pub fn server_name(domain: &str) -> Option<ServerName<'static>> {
    ServerName::try_from(super::names::ascii(domain)).ok()
}

/// Our certificates, the anchors, and the settings made of them; new ones while streams go on with the old.
#[derive(Debug)]
pub struct Store {
    files: Files,
    provider: Arc<CryptoProvider>,
    watched: Watched<Current>,
}

#[derive(Debug)]
struct Current {
    /// In the order of the files.
    identities: Vec<Arc<Identity>>,
    /// For those who have not said yet which domain they want, but may by SNI.
    any: Option<ServerConfigs>,
    /// For domains that no certificate is for, where there is none at all.
    nobody: Client,
    /// For HTTPS.
    web: Arc<ClientConfig>,
    roots: Arc<RootCertStore>,
}

/// One of our certificates, with the settings that show it.
#[derive(Debug)]
struct Identity {
    own: Own,
    names: Identities,
    server: ServerConfigs,
    client: Client,
}

#[derive(Debug)]
struct ServerConfigs {
    starttls: Arc<ServerConfig>,
    direct: Arc<ServerConfig>,
}

#[derive(Debug)]
struct Client {
    starttls: Arc<ClientConfig>,
    direct: Arc<ClientConfig>,
    /// Of both.
    sessions: Arc<ClientSessionMemoryCache>,
}

impl Store {
    /// Reads the files.
    ///
    /// # Errors
    /// Every file that cannot be used.
    pub fn open(files: Files) -> Result<Self, Trouble> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let stamps = stamps(files.paths());
        let (current, result) = settings::read(&files, None, &provider)?;
        result?;
        Ok(Self { files, provider, watched: Watched::new(current, stamps) })
    }

    /// Whether there is a certificate to show, so that TLS can be offered.
    #[must_use]
    pub fn has_certificate(&self) -> bool {
        !self.watched.get().identities.is_empty()
    }

    /// For streams that are opened to us. `domain`: the one that the stream is for (RFC 6120 section 5.4.3.1), `None` where
    /// only SNI can tell. `None`: there is no certificate.
    #[must_use]
    pub fn server(&self, domain: Option<&str>, start: Start) -> Option<Arc<ServerConfig>> {
        let current = self.watched.get();
        let configs = match domain {
            Some(domain) => current.identity(domain).map(|identity| &identity.server),
            None => current.any.as_ref(),
        };
        configs.map(|configs| match start {
            Start::Starttls => Arc::clone(&configs.starttls),
            Start::Direct => Arc::clone(&configs.direct),
        })
    }

    /// For streams that we open for `local`, with its certificate if we have any.
    #[must_use]
    pub fn client(&self, local: &str, start: Start) -> Arc<ClientConfig> {
        let current = self.watched.get();
        let client = current.identity(local).map_or(&current.nobody, |identity| &identity.client);
        match start {
            Start::Starttls => Arc::clone(&client.starttls),
            Start::Direct => Arc::clone(&client.direct),
        }
    }

    /// For requests by HTTPS: the server's certificate is checked during the handshake, by the same anchors (RFC 9110
    /// section 4.3.4).
    #[must_use]
    pub fn web(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.watched.get().web)
    }

    /// Whether the certificates that a peer has shown prove that it may speak for `domain`: signed under a trust anchor, in
    /// time, meant for a server, a client or XMPP, and naming the domain.
    #[must_use]
    pub fn judge(&self, chain: &[CertificateDer<'_>], domain: &str, now: Timestamp) -> Judgement {
        let current = self.watched.get();
        let algorithms = self.provider.signature_verification_algorithms;
        let judged = judge::judge(chain, domain, &current.roots, algorithms, now);
        if judged.is_err()
            && let Some(name) = server_name(domain)
        {
            // A session would bring the same certificate back when the peer may have a better one.
            current.forget(&name);
        }
        judge::judgement(judged, Association::Pkix)
    }

    /// The same by records of DNS that DNSSEC proves (RFC 7673). `host`: the server that DNS, proven too, names for the
    /// domain.
    #[must_use]
    pub fn judge_by_dane(
        &self,
        records: &[dane::Record],
        chain: &[CertificateDer<'_>],
        (domain, host): (&str, &str),
        now: Timestamp,
    ) -> Judgement {
        let roots = &self.watched.get().roots;
        let algorithms = self.provider.signature_verification_algorithms;
        let context = dane::Context { roots, algorithms, now, names: [domain, host] };
        judge::judgement(dane::judge(records, chain, &context), Association::Dane)
    }

    /// Our certificates as they are shown now.
    #[must_use]
    pub fn validity(&self) -> Vec<Validity> {
        let current = self.watched.get();
        let each = self.files.certificates.iter().zip(&current.identities);
        each.map(|(pair, identity)| Validity { file: pair.certificate.clone(), not_after: identity.own.not_after })
            .collect()
    }

    /// What is wrong with the files as they are now, of those that were not taken.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.watched.trouble()
    }

    /// Reads the files anew if one of them has changed, or if they were broken. Gives what is new: taken, or broken for
    /// a reason not told yet.
    pub fn look(&self) -> Option<Result<(), Trouble>> {
        self.watched.look(stamps(self.files.paths()), |now| self.read(now))
    }

    /// Reads the files anew. A pair that cannot be used keeps its old certificate; the others are taken.
    ///
    /// # Errors
    /// Every file that cannot be used.
    pub fn reload(&self) -> Result<(), Trouble> {
        self.watched.renew(stamps(self.files.paths()), |now| self.read(now))
    }

    fn read(&self, now: &Current) -> (Option<Current>, Result<(), Trouble>) {
        match settings::read(&self.files, Some(now), &self.provider) {
            Ok((current, result)) => (Some(current), result),
            Err(error) => (None, Err(error)),
        }
    }
}

impl Current {
    /// The certificate that names `domain`, else the first one.
    fn identity(&self, domain: &str) -> Option<&Arc<Identity>> {
        choose(&self.identities, domain)
    }

    fn forget(&self, name: &ServerName<'static>) {
        let clients = self.identities.iter().map(|identity| &identity.client).chain([&self.nobody]);
        clients.for_each(|client| settings::forget(&client.sessions, name));
    }
}

fn choose<'i>(identities: &'i [Arc<Identity>], domain: &str) -> Option<&'i Arc<Identity>> {
    identities.iter().find(|identity| identity.names.has(domain)).or(identities.first())
}
