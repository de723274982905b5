//! What the files say now, and what they said before if they are broken.

use std::sync::{Arc, OnceLock};

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::NoServerSessionStorage;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::files::{self, FileError, Files, Own, Validity};
use super::verify::Verifier;
use super::watched::{Watched, stamps};
use super::{ClientCertificates, files::Anchors};

/// Why TLS cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StoreError {
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The library.
    #[error("TLS cannot be set up: {0}")]
    Library(#[from] rustls::Error),
}

/// Our certificate, the anchors, and the settings made of them; new ones while connections go on with the old.
#[derive(Debug)]
pub struct Store {
    files: Files,
    clients: ClientCertificates,
    provider: Arc<CryptoProvider>,
    watched: Watched<Current>,
}

#[derive(Debug)]
struct Current {
    own: Option<Own>,
    server: Option<Arc<ServerConfig>>,
    /// Read when they are first needed: who never speaks TLS need not have any.
    anchors: OnceLock<Arc<RootCertStore>>,
    client: OnceLock<Arc<ClientConfig>>,
}

impl Store {
    /// Reads the files.
    ///
    /// # Errors
    /// The first file that cannot be used.
    pub fn open(files: Files, clients: ClientCertificates) -> Result<Self, StoreError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let stamps = stamps(files.paths());
        let watched = Watched::new(read(&files, clients, &provider)?, stamps);
        Ok(Self { files, clients, provider, watched })
    }

    /// For connections that peers open to us; `None`: there is no certificate to show them.
    #[must_use]
    pub fn server(&self) -> Option<Arc<ServerConfig>> {
        self.watched.get().server.clone()
    }

    /// For connections that we open. The peer's certificate must name the domain that is given as server name.
    ///
    /// # Errors
    /// The anchors cannot be read.
    pub fn client(&self) -> Result<Arc<ClientConfig>, StoreError> {
        let current = self.watched.get();
        if let Some(client) = current.client.get() {
            return Ok(Arc::clone(client));
        }
        let anchors = current.anchors(&self.files)?;
        let client = client(current.own.as_ref(), anchors, &self.provider)?;
        Ok(Arc::clone(current.client.get_or_init(|| client)))
    }

    /// Our certificate as it is shown now, if there is one.
    #[must_use]
    pub fn validity(&self) -> Option<Validity> {
        let own = &self.watched.get().own;
        own.as_ref().zip(self.files.certificate.clone()).map(|(own, file)| Validity { file, not_after: own.not_after })
    }

    /// The last second at which our certificate is valid, since 1970.
    #[must_use]
    pub fn not_after(&self) -> Option<i64> {
        self.validity().map(|validity| validity.not_after)
    }

    /// What is wrong with the files as they are now, if they were not taken.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.watched.trouble()
    }

    /// Reads the files anew if one of them has changed, or if they were broken. Gives what is new: taken, or broken for
    /// a reason not told yet.
    pub fn look(&self) -> Option<Result<(), StoreError>> {
        self.watched.look(stamps(self.files.paths()), |_| self.read())
    }

    /// Reads the files anew. What cannot be used is left; the old certificate and anchors stay.
    ///
    /// # Errors
    /// The first file that cannot be used.
    pub fn reload(&self) -> Result<(), StoreError> {
        self.watched.renew(stamps(self.files.paths()), |_| self.read())
    }

    fn read(&self) -> (Option<Current>, Result<(), StoreError>) {
        match read(&self.files, self.clients, &self.provider) {
            Ok(read) => (Some(read), Ok(())),
            Err(error) => (None, Err(error)),
        }
    }
}

impl Current {
    fn anchors(&self, files: &Files) -> Result<Arc<RootCertStore>, FileError> {
        if let Some(anchors) = self.anchors.get() {
            return Ok(Arc::clone(anchors));
        }
        let read = Arc::new(files::anchors(&files.trust)?);
        Ok(Arc::clone(self.anchors.get_or_init(|| read)))
    }
}

fn read(files: &Files, clients: ClientCertificates, provider: &Arc<CryptoProvider>) -> Result<Current, StoreError> {
    let mut current = Current { own: None, server: None, anchors: OnceLock::new(), client: OnceLock::new() };
    // A named file is read now, so that its mistakes are told now.
    if files.trust.iter().any(|anchors| matches!(anchors, Anchors::File(_))) {
        current.anchors(files)?;
    }
    if let (Some(certificate), Some(key)) = (&files.certificate, &files.key) {
        let own = files::own(certificate, key, provider)?;
        let anchors = match clients {
            ClientCertificates::None => None,
            ClientCertificates::Ask | ClientCertificates::Require => Some(current.anchors(files)?),
        };
        current.server = Some(server(&own, anchors, clients == ClientCertificates::Require, provider)?);
        current.own = Some(own);
    }
    Ok(current)
}

fn server(
    own: &Own,
    anchors: Option<Arc<RootCertStore>>,
    mandatory: bool,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(Arc::clone(provider)).with_safe_default_protocol_versions()?;
    let key = Arc::new(SingleCertAndKey::from(Arc::clone(&own.key)));
    let Some(anchors) = anchors else { return Ok(Arc::new(builder.with_no_client_auth().with_cert_resolver(key))) };
    let verifier = Verifier::new(anchors, provider.signature_verification_algorithms, mandatory);
    let mut config = builder.with_client_cert_verifier(Arc::new(verifier)).with_cert_resolver(key);
    // A resumed session would bring back a certificate that may have expired since.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

fn client(
    own: Option<&Own>,
    anchors: Arc<RootCertStore>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<ClientConfig>, rustls::Error> {
    let verifier = Verifier::new(anchors, provider.signature_verification_algorithms, false);
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match own {
        Some(own) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(&own.key)))),
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}
