//! A stream does not outlive the certificate that it relies on (RFC 6120 section 13.7.2.3).

use std::time::Duration;

use rustls::pki_types::CertificateDer;

use crate::time::{Now, Timestamp};
use crate::tls::xmpp::end_of;
use crate::xmpp::federation::{Association, Judgement};

/// When the peer's certificate ends, if anything was proven by it.
#[derive(Debug, Default)]
pub(super) struct Expiry {
    shown: Option<Timestamp>,
    at: Option<Duration>,
}

impl Expiry {
    /// It is about to be judged.
    pub(super) fn shown(&mut self, chain: &[CertificateDer<'_>]) {
        self.shown = chain.first().and_then(end_of);
    }

    /// It was. What DNS vouches for has no end of its own (RFC 7671 section 5.1), and what proves nothing may have ended
    /// long ago.
    pub(super) fn judged(&mut self, judgement: &Judgement, now: Now) {
        if let (Judgement::Proven(Association::Pkix | Association::Posh), Some(end)) = (judgement, self.shown) {
            let left = u64::try_from(end.0.saturating_sub(now.wall.0)).unwrap_or(0);
            self.at = Some(now.mono + Duration::from_millis(left));
        }
    }

    /// When the stream is to end.
    pub(super) fn at(&self) -> Option<Duration> {
        self.at
    }

    /// Whether it is to end now; said once.
    pub(super) fn is_over(&mut self, now: Duration) -> bool {
        self.at.take_if(|at| *at <= now).is_some()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    /// 2030-01-01T00:00:00Z.
    const END: i64 = 1_893_456_000_000;

    fn chain() -> [CertificateDer<'static>; 1] {
        let mut params = CertificateParams::default();
        params.not_after = date_time_ymd(2030, 1, 1);
        [params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()]
    }

    fn judged(by: Judgement, chain: &[CertificateDer<'_>]) -> Expiry {
        let mut expiry = Expiry::default();
        expiry.shown(chain);
        expiry.judged(&by, Now { mono: Duration::from_secs(7), wall: Timestamp(END - 60_000) });
        expiry
    }

    #[test]
    fn a_stream_ends_with_the_certificate_that_has_proven_its_peer() {
        for by in [Association::Pkix, Association::Posh] {
            let mut expiry = judged(Judgement::Proven(by), &chain());
            assert_eq!(expiry.at(), Some(Duration::from_secs(68)));
            assert!(!expiry.is_over(Duration::from_secs(67)));
            assert!(expiry.is_over(Duration::from_secs(68)));
            assert!(!expiry.is_over(Duration::from_secs(69)), "said once");
        }
    }

    #[test]
    fn what_does_not_rely_on_the_dates_of_a_certificate_does_not_end_with_it() {
        let none = Judgement::Unproven("its certificate is signed by nobody we trust".to_owned());
        for (by, chain) in [
            (none, chain().to_vec()),
            (Judgement::Proven(Association::Dane), chain().to_vec()),
            (Judgement::Proven(Association::Pkix), vec![CertificateDer::from(&b"junk"[..])]),
            (Judgement::Proven(Association::Pkix), Vec::new()),
        ] {
            assert_eq!(judged(by, &chain).at(), None);
        }
    }
}
