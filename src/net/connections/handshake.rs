//! TLS handshakes, in both roles, and why they fail.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustls::CertificateError;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};
use tracing::{debug, info, warn};

use super::Shared;
use crate::gateway::refused::Reason;
use crate::sip::endpoint::{Flow, TlsFailure};
use crate::tls::{names, verify};

/// A connection inside TLS, and the SIP domains that its peer has proven.
type Agreed = (Box<TlsStream<TcpStream>>, Arc<[String]>);

/// The server's part.
pub(super) async fn accept(shared: &Shared, socket: TcpStream, flow: &Flow) -> Result<Agreed, TlsFailure> {
    let Some(config) = shared.tls.server() else {
        warn!(remote = %flow.remote, "TLS refused: there is no certificate to show");
        return Err(TlsFailure::Unset);
    };
    let handshake = Box::pin(TlsAcceptor::from(config).accept(socket));
    match tokio::time::timeout(shared.limits.handshake_within, handshake).await {
        Ok(Ok(stream)) => {
            let proven = proven(stream.get_ref().1.peer_certificates());
            Ok((Box::new(TlsStream::Server(stream)), proven))
        }
        Ok(Err(error)) => {
            let (failure, told) = why(&error);
            refuse(shared, flow, failure, &told);
            Err(failure)
        }
        Err(_) => {
            refuse(shared, flow, TlsFailure::Timeout, "the handshake took too long");
            Err(TlsFailure::Timeout)
        }
    }
}

/// Tells of a peer that is not let in.
fn refuse(shared: &Shared, flow: &Flow, failure: TlsFailure, told: &str) {
    shared.failed_handshakes.fetch_add(1, Ordering::Relaxed);
    let remote = flow.remote;
    if !shared.intake.is_peer(flow, &[]) {
        shared.intake.note(remote.ip(), Reason::Tls, None);
    }
    // Whoever knocks without speaking TLS, or hangs up, is no news.
    let news = !matches!(failure, TlsFailure::Protocol | TlsFailure::Timeout);
    if news && shared.may_tell() {
        info!(%remote, "TLS refused: {told}");
    } else {
        debug!(%remote, "TLS refused: {told}");
    }
}

/// The client's part: the peer must prove `domain` (RFC 5922 section 7.3).
pub(super) async fn connect(
    shared: &Shared,
    socket: TcpStream,
    remote: SocketAddr,
    domain: &str,
) -> Result<Agreed, TlsFailure> {
    let failed = |failure: TlsFailure, told: String| {
        shared.failed_handshakes.fetch_add(1, Ordering::Relaxed);
        if shared.may_tell() {
            warn!(%remote, domain, "no TLS with the next hop: {told}");
        } else {
            debug!(%remote, domain, "no TLS with the next hop: {told}");
        }
        failure
    };
    let config = shared.tls.client().map_err(|error| failed(TlsFailure::Unset, error.to_string()))?;
    let name = ServerName::try_from(names::ascii(domain));
    let name = name.map_err(|_| failed(TlsFailure::WrongName, "no certificate can name it".to_owned()))?;
    let handshake = Box::pin(TlsConnector::from(config).connect(name, socket));
    match tokio::time::timeout(shared.limits.handshake_within, handshake).await {
        Ok(Ok(stream)) => {
            let proven = proven(stream.get_ref().1.peer_certificates());
            Ok((Box::new(TlsStream::Client(stream)), proven))
        }
        Ok(Err(error)) => {
            let (failure, told) = why(&error);
            Err(failed(failure, told))
        }
        Err(_) => Err(failed(TlsFailure::Timeout, "the handshake took too long".to_owned())),
    }
}

fn proven(chain: Option<&[CertificateDer<'_>]>) -> Arc<[String]> {
    let leaf = chain.and_then(<[_]>::first);
    leaf.map(names::identities).unwrap_or_default().into()
}

/// What kept the two from agreeing, and in words about the peer.
pub(super) fn why(error: &io::Error) -> (TlsFailure, String) {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(inner) => (kind(inner), verify::explain(inner)),
        None => (TlsFailure::Protocol, format!("it ended the connection ({error})")),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "what is neither a certificate nor an alert is the protocol")]
fn kind(error: &rustls::Error) -> TlsFailure {
    match error {
        rustls::Error::NoCertificatesPresented => TlsFailure::BadCertificate,
        rustls::Error::AlertReceived(_) => TlsFailure::Refused,
        rustls::Error::InvalidCertificate(why) => match why {
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => TlsFailure::Expired,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                TlsFailure::WrongName
            }
            CertificateError::UnknownIssuer => TlsFailure::Untrusted,
            _ => TlsFailure::BadCertificate,
        },
        _ => TlsFailure::Protocol,
    }
}
