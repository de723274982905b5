//! Whether a certificate is that of a domain's server (RFC 7712): by PKIX, and where that fails, by asking the domain.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;

use crate::net::Clock;
use crate::tls::xmpp::Store;
use crate::xmpp::federation::Judgement;

/// Judges certificates. One for the process; clones share what was found.
#[derive(Clone)]
pub struct Associations {
    store: Arc<Store>,
    clock: Clock,
}

impl Associations {
    /// By the trust anchors of `store`.
    #[must_use]
    pub fn new(store: Arc<Store>, clock: Clock) -> Self {
        Self { store, clock }
    }

    /// Whether the server that showed `chain`, its own certificate first, may speak for `domain`. To be asked anew for each
    /// stream and domain, also where a TLS session was resumed: what was good once may have expired.
    #[expect(clippy::unused_async, reason = "asking the domain takes time")]
    pub async fn judge(&self, chain: &[CertificateDer<'static>], domain: &str) -> Judgement {
        self.store.judge(chain, domain, self.clock.now().wall)
    }
}
