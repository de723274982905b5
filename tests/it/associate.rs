//! By what a domain can prove that a certificate is its server's (RFC 7712): real web and name servers on loopback.

#![allow(clippy::unwrap_used)]

mod dane;
mod posh;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use stox::tls::Anchors;
use stox::tls::xmpp::{Files, Store};

use crate::certs::{Authority, Signed};

/// What stox believes: one authority.
struct Trust {
    authority: Authority,
    store: Arc<Store>,
    folder: PathBuf,
}

impl Trust {
    fn new(name: &str) -> Self {
        let (folder, authority) =
            (std::env::temp_dir().join(format!("stox-{name}-{}", std::process::id())), Authority::new());
        fs::create_dir_all(&folder).unwrap();
        let ca = folder.join("ca.pem");
        fs::write(&ca, authority.pem()).unwrap();
        let store = Store::open(Files { certificates: Vec::new(), trust: vec![Anchors::File(ca)] }).unwrap();
        Self { authority, store: Arc::new(store), folder }
    }
}

impl Drop for Trust {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn der(signed: &Signed) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(signed.certificate.as_bytes()).unwrap()
}
