//! From files to what the TLS library wants.

use std::sync::Arc;

use rustls::client::{ClientSessionMemoryCache, ClientSessionStore, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::server::{ClientHello, ResolvesServerCert, ServerSessionMemoryCache};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, Error, RootCertStore, ServerConfig};

use super::late::Late;
use super::{Client, Current, Files, Identity, Pair, ServerConfigs, Trouble, choose};
use crate::tls::files::{self, FileError};
use crate::tls::identity::Identities;

/// The name of this protocol in ALPN (XEP-0368).
const ALPN: &[u8] = b"xmpp-server";

/// Servers whose sessions we keep, for each of our certificates; the oldest goes.
const SESSIONS_OUT: usize = 512;

/// The library keeps up to this many tickets for each server, and counts tickets.
const TICKETS: usize = 8;

/// Sessions of those who connect to us, for each of our certificates. One is a few kilobytes, with its certificates.
const SESSIONS_IN: usize = 2_048;

/// Reads all files. What cannot be used is told and, where `before` is given, stays as it was.
pub(super) fn read(
    files: &Files,
    before: Option<&Current>,
    provider: &Arc<CryptoProvider>,
) -> Result<(Current, Result<(), Trouble>), Trouble> {
    let mut wrong: Vec<FileError> = Vec::new();
    let roots = match (files::anchors(&files.trust), before) {
        (Ok(roots), _) => Arc::new(roots),
        (Err(error), before) => {
            wrong.push(error);
            before.map_or_else(|| Arc::new(RootCertStore::empty()), |before| Arc::clone(&before.roots))
        }
    };
    let mut identities = Vec::new();
    for (at, pair) in files.certificates.iter().enumerate() {
        match identity(pair, provider) {
            Ok(read) => identities.push(Arc::new(read)),
            Err(Trouble::Files(errors)) => {
                wrong.extend(errors);
                identities.extend(before.and_then(|before| before.identities.get(at)).map(Arc::clone));
            }
            Err(error @ Trouble::Library(_)) => return Err(error),
        }
    }
    let any = if identities.is_empty() {
        None
    } else {
        Some(server(Arc::new(BySni(identities.iter().map(Arc::clone).collect())), provider)?)
    };
    let current = Current { any, nobody: client(None, provider)?, web: web(&roots, provider)?, identities, roots };
    Ok((current, if wrong.is_empty() { Ok(()) } else { Err(Trouble::Files(wrong)) }))
}

fn identity(pair: &Pair, provider: &Arc<CryptoProvider>) -> Result<Identity, Trouble> {
    let own = files::own(&pair.certificate, &pair.key, provider).map_err(|error| Trouble::Files(vec![error]))?;
    let names = own.key.cert.first().map(Identities::of).unwrap_or_default();
    let server = server(Arc::new(SingleCertAndKey::from(Arc::clone(&own.key))), provider)?;
    let client = client(Some(&own.key), provider)?;
    Ok(Identity { own, names, server, client })
}

fn server(key: Arc<dyn ResolvesServerCert>, provider: &Arc<CryptoProvider>) -> Result<ServerConfigs, Error> {
    let late = Arc::new(Late(provider.signature_verification_algorithms));
    let mut starttls = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(late)
        .with_cert_resolver(key);
    starttls.session_storage = ServerSessionMemoryCache::new(SESSIONS_IN);
    let mut direct = starttls.clone();
    direct.alpn_protocols = vec![ALPN.to_vec()];
    Ok(ServerConfigs { starttls: Arc::new(starttls), direct: Arc::new(direct) })
}

fn client(key: Option<&Arc<CertifiedKey>>, provider: &Arc<CryptoProvider>) -> Result<Client, Error> {
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Late(provider.signature_verification_algorithms)));
    let mut starttls = match key {
        Some(key) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(key)))),
        None => builder.with_no_client_auth(),
    };
    // A session is one of two identities: each of our certificates has its own.
    let sessions = Arc::new(ClientSessionMemoryCache::new(SESSIONS_OUT * TICKETS));
    starttls.resumption = Resumption::store(Arc::clone(&sessions) as Arc<dyn ClientSessionStore>);
    let mut direct = starttls.clone();
    direct.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Client { starttls: Arc::new(starttls), direct: Arc::new(direct), sessions })
}

fn web(roots: &Arc<RootCertStore>, provider: &Arc<CryptoProvider>) -> Result<Arc<ClientConfig>, Error> {
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider)).with_safe_default_protocol_versions()?;
    let mut config = builder.with_root_certificates(Arc::clone(roots)).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// Forgets what could be resumed with this server.
pub(super) fn forget(sessions: &ClientSessionMemoryCache, name: &ServerName<'static>) {
    sessions.remove_tls12_session(name);
    for _ in 0..TICKETS {
        if sessions.take_tls13_ticket(name).is_none() {
            break;
        }
    }
}

/// Chooses our certificate by what the client wants (RFC 6066 section 3).
#[derive(Debug)]
struct BySni(Vec<Arc<Identity>>);

impl ResolvesServerCert for BySni {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let chosen = choose(&self.0, hello.server_name().unwrap_or_default());
        chosen.map(|identity| Arc::clone(&identity.own.key))
    }
}
