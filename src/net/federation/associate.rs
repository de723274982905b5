//! Whether a certificate is that of a domain's server (RFC 7712): by PKIX, and where that fails, by asking the domain, in
//! DNS and over HTTPS.

use std::collections::HashSet;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;

use super::posh::Posh;
use crate::net::{Clock, Dns};
use crate::tls::xmpp::{self, Store};
use crate::xmpp::federation::Judgement;

/// Servers of a domain whose records are asked for.
const SERVERS: usize = 4;

/// Judges certificates. One for the process; clones share what was found.
#[derive(Clone)]
pub struct Associations(Arc<Shared>);

struct Shared {
    store: Arc<Store>,
    clock: Clock,
    /// DNS, if its answers are proven by DNSSEC.
    dane: Option<Dns>,
    posh: Option<Posh>,
}

impl Associations {
    /// By the trust anchors of `store` alone.
    #[must_use]
    pub fn new(store: Arc<Store>, clock: Clock) -> Self {
        Self(Arc::new(Shared { store, clock, dane: None, posh: None }))
    }

    /// Also by what a domain has in DNS (RFC 7673), through a resolver that validates.
    #[must_use]
    pub fn with_dane(self, dns: Dns) -> Self {
        self.changed(|shared| shared.dane = Some(dns))
    }

    /// Also by what a domain has on its web server (RFC 7711).
    #[must_use]
    pub fn with_posh(self, posh: Posh) -> Self {
        self.changed(|shared| shared.posh = Some(posh))
    }

    fn changed(self, change: impl FnOnce(&mut Shared)) -> Self {
        let Shared { store, clock, dane, posh } = &*self.0;
        let mut shared = Shared { store: Arc::clone(store), clock: *clock, dane: dane.clone(), posh: posh.clone() };
        change(&mut shared);
        Self(Arc::new(shared))
    }

    /// Whether the server that showed `chain`, its own certificate first, may speak for `domain`. To be asked anew for each
    /// stream and domain, also where a TLS session was resumed: what was good once may have expired. What PKIX says is the
    /// reason that is told, if nothing helps.
    pub async fn judge(&self, chain: &[CertificateDer<'static>], domain: &str) -> Judgement {
        let Shared { store, clock, dane, posh } = &*self.0;
        let judged = store.judge(chain, domain, clock.now().wall);
        if chain.is_empty() || matches!(judged, Judgement::Proven(_)) {
            return judged;
        }
        if let Some(dns) = dane
            && let proven @ Judgement::Proven(_) = self.by_dane(dns, chain, domain).await
        {
            return proven;
        }
        if let Some(posh) = posh
            && let Some(fingerprints) = posh.of(domain, &store.web()).await
            && let proven @ Judgement::Proven(_) = xmpp::judge_by_posh(&fingerprints, chain, clock.now().wall)
        {
            return proven;
        }
        judged
    }

    /// By the records of every server that the domain has: it shows the same certificate in both roles.
    async fn by_dane(&self, dns: &Dns, chain: &[CertificateDer<'static>], domain: &str) -> Judgement {
        let targets = dns.find_server(domain, None).await.unwrap_or_default();
        // Of a host that nobody has proven to be the domain's, records mean nothing (RFC 7673 section 3.1).
        let hosts: HashSet<(&str, u16)> = targets
            .iter()
            .filter(|target| target.secure)
            .map(|target| (target.host.as_str(), target.addr.port()))
            .take(SERVERS)
            .collect();
        for (host, port) in hosts {
            let records = dns.tlsa(host, port).await;
            let now = self.0.clock.now().wall;
            if let proven @ Judgement::Proven(_) = self.0.store.judge_by_dane(&records, chain, (domain, host), now) {
                return proven;
            }
        }
        Judgement::Unproven("DNS does not have its certificate".to_owned())
    }
}
