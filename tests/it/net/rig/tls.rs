//! SIP peers inside TLS, and the files of the gateway.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    SupportedProtocolVersion,
};

use super::{PATIENCE, connect, read_until};
use crate::certs::{Authority, Signed};

/// What a TLS peer and the gateway have in common, and the gateway's files.
pub(crate) struct Files {
    pub(crate) authority: Authority,
    folder: PathBuf,
}

impl Files {
    /// An authority, and files with a certificate of the gateway that names `gw.example`.
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("stox-tls-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let files = Self { authority: Authority::new(), folder };
        files.write("ca.pem", &files.authority.pem());
        files.write_own(&files.authority.sign(&["gw.example"]));
        files
    }

    /// Another certificate for the gateway.
    pub(crate) fn write_own(&self, signed: &Signed) {
        self.write("chain.pem", &signed.certificate);
        self.write("key.pem", &signed.key);
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.join(name), text).unwrap();
    }

    /// Where such a file is.
    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// `[sip.tls]` with these files and `more` of it.
    pub(crate) fn section(&self, more: &str) -> String {
        let folder = self.folder.display();
        format!(
            "[sip.tls]\ncertificate = \"{folder}/chain.pem\"\nkey = \"{folder}/key.pem\"\n\
             trust = [\"{folder}/ca.pem\"]\n{more}\n"
        )
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn roots(authority: &Authority) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    Arc::new(roots)
}

fn pair(signed: &Signed) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let certificate = CertificateDer::from_pem_slice(signed.certificate.as_bytes()).unwrap();
    (vec![certificate], PrivateKeyDer::from_pem_slice(signed.key.as_bytes()).unwrap())
}

/// A client that trusts `authority` and shows its own certificate, if it has one.
pub(crate) fn tls_client(authority: &Authority, own: Option<&Signed>) -> Arc<ClientConfig> {
    tls_client_of(authority, own, rustls::ALL_VERSIONS)
}

/// The same, with these versions of TLS.
pub(crate) fn tls_client_of(
    authority: &Authority,
    own: Option<&Signed>,
    versions: &[&'static SupportedProtocolVersion],
) -> Arc<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    let builder = builder.with_root_certificates(roots(authority));
    Arc::new(match own.map(pair) {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).unwrap(),
        None => builder.with_no_client_auth(),
    })
}

/// A server with this certificate, to which clients must show one of `authority`.
pub(crate) fn tls_server(authority: &Authority, own: &Signed) -> Arc<ServerConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(roots(authority), Arc::clone(&provider)).build().unwrap();
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let (chain, key) = pair(own);
    Arc::new(builder.with_client_cert_verifier(verifier).with_single_cert(chain, key).unwrap())
}

/// A SIP peer over TLS, in either role.
pub(crate) struct TlsLine<S> {
    pub(crate) stream: S,
    held: Vec<u8>,
}

pub(crate) type TlsCaller = TlsLine<StreamOwned<ClientConnection, TcpStream>>;
pub(crate) type TlsCalled = TlsLine<StreamOwned<ServerConnection, TcpStream>>;

impl TlsCaller {
    /// Calls `addr`, which has to show a certificate of `gw.example`.
    pub(crate) fn to(addr: SocketAddr, config: &Arc<ClientConfig>) -> Self {
        let name = ServerName::try_from("gw.example").unwrap();
        let connection = ClientConnection::new(Arc::clone(config), name).unwrap();
        Self { stream: StreamOwned::new(connection, connect(addr)), held: Vec::new() }
    }

    /// What the gateway's certificate names it by, once it has come.
    pub(crate) fn shown(&mut self) -> Vec<u8> {
        while self.stream.conn.is_handshaking() {
            self.stream.conn.complete_io(&mut self.stream.sock).unwrap();
        }
        self.stream.conn.peer_certificates().unwrap()[0].to_vec()
    }
}

impl TlsCalled {
    /// Takes one connection.
    pub(crate) fn accept(listener: &TcpListener, config: &Arc<ServerConfig>) -> Self {
        let socket = listener.accept().unwrap().0;
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let connection = ServerConnection::new(Arc::clone(config)).unwrap();
        Self { stream: StreamOwned::new(connection, socket), held: Vec::new() }
    }
}

impl<S: Read + Write> TlsLine<S> {
    pub(crate) fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).unwrap();
        self.stream.flush().unwrap();
    }

    /// Whether the other end takes this and anything comes back, even if the handshake comes with it.
    pub(crate) fn is_answered(&mut self, text: &str) -> bool {
        self.stream.write_all(text.as_bytes()).and_then(|()| self.stream.flush()).is_ok()
            && self.try_read_until("\r\n").is_ok()
    }

    /// The head of the next message, or what came instead.
    pub(crate) fn try_read_until(&mut self, end: &str) -> Result<String, String> {
        loop {
            let whole = self.held.windows(end.len()).position(|part| part == end.as_bytes());
            if let Some(at) = whole {
                let text: Vec<u8> = self.held.drain(..at + end.len()).collect();
                return Ok(String::from_utf8(text).unwrap());
            }
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes) {
                Ok(0) => return Err("the end".to_owned()),
                Ok(length) => self.held.extend_from_slice(&bytes[..length]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    /// The next message, head and body.
    pub(crate) fn read_message(&mut self) -> String {
        let head = self.try_read_until("\r\n\r\n").unwrap_or_else(|why| panic!("no message: {why}"));
        let length = super::header(&head, "Content-Length").parse().unwrap();
        while self.held.len() < length {
            let mut bytes = [0; 4096];
            let read = self.stream.read(&mut bytes).unwrap();
            assert!(read > 0, "the end in the middle of a body");
            self.held.extend_from_slice(&bytes[..read]);
        }
        let body: Vec<u8> = self.held.drain(..length).collect();
        head + &String::from_utf8(body).unwrap()
    }
}

/// What a socket says until it closes.
pub(crate) fn read_all(socket: &mut TcpStream) -> String {
    match read_until(socket, &mut Vec::new(), "\0never\0", PATIENCE) {
        Ok(text) | Err(text) => text,
    }
}
