//! TLS handshakes of streams between servers, in both roles. Every certificate is taken; whom it proves is asked later.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use super::Shared;
use crate::net::carrier::Carrier;
use crate::tls::xmpp::{Start, facts, server_name};
use crate::xmpp::stream::Secured;

/// Counts of handshakes.
#[derive(Debug, Default)]
pub(super) struct Handshakes {
    pub(super) done: AtomicU64,
    pub(super) resumed: AtomicU64,
    pub(super) old: AtomicU64,
    pub(super) failed: AtomicU64,
}

/// A connection inside TLS.
pub(super) struct Agreed {
    pub(super) carrier: Carrier,
    pub(super) secured: Secured,
}

impl Shared {
    /// The client's part, in the name of `local`, with the server of `remote`.
    ///
    /// # Errors
    /// Why there is no TLS, as a clause about the peer.
    pub(super) async fn call(
        &self,
        socket: TcpStream,
        (local, remote): (&str, &str),
        start: Start,
        within: Duration,
    ) -> Result<Agreed, String> {
        let name = server_name(remote).ok_or("its domain can be no name in TLS")?;
        let connecting = TlsConnector::from(self.tls.client(local, start)).connect(name, socket);
        let agreed = tokio::time::timeout(within, Box::pin(connecting)).await;
        self.agreed(agreed.map(|agreed| agreed.map(TlsStream::Client)))
    }

    /// The server's part. `local`: the domain that the stream is for, where that is known.
    ///
    /// # Errors
    /// The same.
    pub(super) async fn answer(
        &self,
        socket: TcpStream,
        local: Option<&str>,
        start: Start,
        within: Duration,
    ) -> Result<Agreed, String> {
        let config = self.tls.server(local, start).ok_or("we have no certificate")?;
        let accepting = TlsAcceptor::from(config).accept(socket);
        let agreed = tokio::time::timeout(within, Box::pin(accepting)).await;
        self.agreed(agreed.map(|agreed| agreed.map(TlsStream::Server)))
    }

    fn agreed(
        &self,
        result: Result<io::Result<TlsStream<TcpStream>>, tokio::time::error::Elapsed>,
    ) -> Result<Agreed, String> {
        let count = |counter: &AtomicU64| counter.fetch_add(1, Ordering::Relaxed);
        let stream = match result {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                count(&self.handshakes.failed);
                return Err(why(&error));
            }
            Err(_) => {
                count(&self.handshakes.failed);
                return Err("the TLS handshake took too long".to_owned());
            }
        };
        let facts = match &stream {
            TlsStream::Client(stream) => facts(stream.get_ref().1),
            TlsStream::Server(stream) => facts(stream.get_ref().1),
        };
        count(&self.handshakes.done);
        if facts.resumed {
            count(&self.handshakes.resumed);
        }
        if facts.version != "TLSv1.3" {
            count(&self.handshakes.old);
        }
        let secured = Secured {
            version: facts.version,
            resumed: facts.resumed,
            certificate: !facts.chain.is_empty(),
            exporter: facts.exporter,
        };
        Ok(Agreed { carrier: Carrier::Tls(Box::new(stream)), secured })
    }
}

/// What the peer has shown; nothing without TLS.
pub(super) fn chain(carrier: &Carrier) -> Vec<CertificateDer<'static>> {
    match carrier {
        Carrier::Plain(_) => Vec::new(),
        Carrier::Tls(stream) => stream.get_ref().1.peer_certificates().unwrap_or_default().to_vec(),
    }
}

fn why(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(inner) => format!("TLS failed: {}", crate::tls::verify::explain(inner)),
        None => format!("it ended the connection during the TLS handshake ({error})"),
    }
}
