//! Whether a peer's certificate is good: signed under a trust anchor, in time, meant for this, and, where we chose the
//! peer, naming its SIP domain.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore, SignatureScheme,
};
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter};

use super::names;

/// Anchors whose names are sent to clients so that they find the fitting certificate; more would fill the handshake.
const HINTS: usize = 32;

/// Checks certificates against the trust anchors it was made with.
#[derive(Debug)]
pub struct Verifier {
    roots: Arc<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
    hints: Vec<DistinguishedName>,
    mandatory: bool,
}

impl Verifier {
    /// Trusts `roots`. `mandatory`: a client must show a certificate.
    #[must_use]
    pub fn new(roots: Arc<RootCertStore>, algorithms: WebPkiSupportedAlgorithms, mandatory: bool) -> Self {
        let hints = if roots.len() <= HINTS { roots.subjects() } else { Vec::new() };
        Self { roots, algorithms, hints, mandatory }
    }

    fn chain(&self, leaf: &CertificateDer<'_>, others: &[CertificateDer<'_>], now: UnixTime) -> Result<(), Error> {
        path((leaf, others), &self.roots, self.algorithms, now, Purpose(SIP))
    }
}

/// Whether a certificate, with the `others` that came with it, leads to a trust anchor, is in time and meant for this.
pub(super) fn path(
    (leaf, others): (&CertificateDer<'_>, &[CertificateDer<'_>]),
    roots: &RootCertStore,
    algorithms: WebPkiSupportedAlgorithms,
    now: UnixTime,
    purpose: Purpose,
) -> Result<(), Error> {
    let leaf = EndEntityCert::try_from(leaf).map_err(refused)?;
    let verified = leaf.verify_for_usage(algorithms.all, &roots.roots, others, now, purpose, None, None);
    verified.map(|_| ()).map_err(refused)
}

impl ServerCertVerifier for Verifier {
    /// `name` is the SIP domain as it was before DNS (RFC 5922 section 7.3).
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.chain(leaf, others, now)?;
        let presented = names::identities(leaf);
        if !names::has(&presented, &name.to_str()) {
            return Err(CertificateError::NotValidForNameContext { expected: name.to_owned(), presented }.into());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.chain(leaf, others, now).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// What a certificate may be meant for, if it says so: a server of a federation is client and server with the same one,
/// and public authorities sign only for the server's part. These, and one of its own.
pub(super) struct Purpose(pub(super) &'static [usize]);

/// For SIP domains (RFC 5924).
pub(super) const SIP: &[usize] = &[1, 3, 6, 1, 5, 5, 7, 3, 20];

/// For XMPP addresses: the name form serves as purpose, too (RFC 6120 section 13.7.1.4).
pub(super) const XMPP: &[usize] = &[1, 3, 6, 1, 5, 5, 7, 8, 5];

impl ExtendedKeyUsageValidator for Purpose {
    fn validate(&self, purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        const SERVER_AUTH: &[usize] = &[1, 3, 6, 1, 5, 5, 7, 3, 1];
        const CLIENT_AUTH: &[usize] = &[1, 3, 6, 1, 5, 5, 7, 3, 2];
        const ANY: &[usize] = &[2, 5, 29, 37, 0];
        let mut says = false;
        for purpose in purposes {
            says = true;
            let purpose = purpose?.to_decoded_oid();
            if [SERVER_AUTH, CLIENT_AUTH, ANY, self.0].contains(&purpose.as_slice()) {
                return Ok(());
            }
        }
        if says { Err(webpki::Error::ExtensionValueInvalid) } else { Ok(()) }
    }
}

/// What TLS tells the peer, and we our log.
#[expect(clippy::wildcard_enum_match_arm, reason = "every other one is a certificate that is made wrongly")]
fn refused(error: webpki::Error) -> Error {
    use webpki::Error as E;
    let why = match error {
        E::CertExpired { time, not_after } => CertificateError::ExpiredContext { time, not_after },
        E::CertNotValidYet { time, not_before } => CertificateError::NotValidYetContext { time, not_before },
        E::InvalidCertValidity => CertificateError::Expired,
        // An anchor of that name did not sign it: many authorities call themselves what their software calls them.
        E::UnknownIssuer | E::InvalidSignatureForPublicKey => CertificateError::UnknownIssuer,
        E::ExtensionValueInvalid => CertificateError::InvalidPurpose,
        E::BadDer | E::BadDerTime | E::TrailingData(_) => CertificateError::BadEncoding,
        other => CertificateError::Other(OtherError(Arc::new(other))),
    };
    why.into()
}

/// Why a handshake failed, for a log line: a clause about the peer.
#[must_use]
#[expect(clippy::wildcard_enum_match_arm, reason = "the rest has words of its own")]
pub fn explain(error: &Error) -> String {
    match error {
        Error::NoCertificatesPresented => "it shows no certificate".to_owned(),
        Error::InvalidCertificate(why) => of_certificate(why),
        Error::AlertReceived(alert) => format!("it refused us ({alert:?})"),
        Error::InvalidMessage(_) => "it does not speak TLS".to_owned(),
        Error::PeerIncompatible(why) => format!("it offers nothing that we accept ({why:?})"),
        other => other.to_string(),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the rest has words of its own")]
fn of_certificate(why: &CertificateError) -> String {
    match why {
        CertificateError::Expired => "its certificate has expired".to_owned(),
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("its certificate expired on {}", day(not_after))
        }
        CertificateError::NotValidYet => "its certificate is not valid yet".to_owned(),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("its certificate is not valid before {}", day(not_before))
        }
        CertificateError::UnknownIssuer => "its certificate is signed by nobody we trust".to_owned(),
        CertificateError::InvalidPurpose => "its certificate is not meant for TLS or SIP".to_owned(),
        CertificateError::NotValidForNameContext { expected, presented } => {
            let presented: Vec<&str> = presented.iter().take(5).map(String::as_str).collect();
            let list = if presented.is_empty() { "no SIP domain".to_owned() } else { presented.join(", ") };
            format!("its certificate names {list}, not {}", expected.to_str())
        }
        CertificateError::BadEncoding => "its certificate cannot be read".to_owned(),
        CertificateError::Other(other) if is_authority(other) => {
            "its certificate is that of an authority, not of a server".to_owned()
        }
        CertificateError::Other(other) => format!("its certificate is refused ({other})"),
        other => format!("its certificate is refused ({other})"),
    }
}

fn is_authority(error: &OtherError) -> bool {
    matches!(error.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}

fn day(at: &UnixTime) -> String {
    super::files::date(i64::try_from(at.as_secs()).unwrap_or(i64::MAX))
}
