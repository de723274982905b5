//! Certificates are replaced while stox runs: their files are looked at every minute, and at once on SIGHUP.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tracing::{error, info, warn};

use crate::admin;
use crate::tls::audit::SOON;
use crate::tls::files::{Validity, date};
use crate::tls::{Store, xmpp};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(60);

/// How often somebody is told that a certificate ends soon.
const WARN_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

const DAY: i64 = 24 * 60 * 60;

/// The certificates of both sides.
#[derive(Clone)]
pub(super) struct Certificates {
    /// Of `[sip.tls]`.
    pub(super) sip: Arc<Store>,
    /// Of `[xmpp.server]`, if there is one.
    pub(super) xmpp: Option<Arc<xmpp::Store>>,
}

impl Certificates {
    /// Looks at the files for ever.
    pub(super) async fn watch(self) {
        let mut warned = None;
        loop {
            let now = tokio::time::Instant::now();
            if warned.is_none_or(|at| now >= at + WARN_EVERY) {
                self.warn_of_the_end();
                warned = Some(now);
            }
            tokio::time::sleep(LOOK).await;
            if let Some(result) = self.sip.look() {
                tell(SIP, result);
            }
            if let Some(result) = self.xmpp.as_ref().and_then(|store| store.look()) {
                tell(XMPP, result);
            }
        }
    }

    /// Reads the files now.
    pub(super) fn reload(&self) {
        tell(SIP, self.sip.reload());
        if let Some(store) = &self.xmpp {
            tell(XMPP, store.reload());
        }
    }

    /// Each certificate that is shown, with its side.
    fn all(&self) -> Vec<(&'static str, Validity)> {
        let of_sip = self.sip.validity().into_iter().map(|each| ("sip", each));
        let of_xmpp = self.xmpp.iter().flat_map(|store| store.validity()).map(|each| ("xmpp", each));
        of_sip.chain(of_xmpp).collect()
    }

    fn warn_of_the_end(&self) {
        let now = seconds_now();
        for (_, Validity { file, not_after }) in self.all() {
            let (file, date) = (file.display(), date(not_after));
            if not_after < now {
                error!("TLS: the certificate {file} expired on {date}");
            } else if not_after - now < SOON {
                warn!("TLS: the certificate {file} expires on {date}");
            }
        }
    }

    /// How it stands with the certificate of `[sip.tls]`, in words for `/ready`; `None`: there is none.
    pub(super) fn detail(&self) -> Option<String> {
        Some(state(self.sip.not_after()?, self.sip.trouble().as_deref()))
    }

    /// For `/metrics`.
    pub(super) fn samples(&self) -> Vec<admin::Sample> {
        let now = seconds_now();
        let sample = |name, help, labels, value: i64| {
            #[expect(clippy::cast_precision_loss, reason = "dates are smaller than 2^53")]
            let value = value as f64;
            admin::Sample { name, help, kind: admin::Kind::Gauge, labels, value }
        };
        let days = |(side, validity): (&'static str, Validity)| {
            let labels = vec![("side", side.to_owned()), ("file", validity.file.display().to_string())];
            let left = (validity.not_after - now).div_euclid(DAY);
            sample("stox_certificate_days_left", "Days until the certificate expires; below 0: it has.", labels, left)
        };
        let mut samples: Vec<admin::Sample> = self.all().into_iter().map(days).collect();
        let end = self.sip.not_after().map(|end| {
            let help = "When the certificate expires, in seconds since 1970.";
            sample("stox_tls_certificate_end_seconds", help, Vec::new(), end)
        });
        samples.extend(end);
        samples
    }
}

const SIP: &str = "[sip.tls]";
const XMPP: &str = "[xmpp.server]";

fn tell<E: std::fmt::Display>(section: &str, result: Result<(), E>) {
    match result {
        Ok(()) => info!("TLS: the files of {section} were read anew"),
        Err(error) => error!("TLS: the new files are not taken, those of before stay in use: {error}"),
    }
}

/// How it stands with a certificate that ends then; `trouble`: what is wrong with the files that are there now.
pub(super) fn state(end: i64, trouble: Option<&str>) -> String {
    let verb = if end < seconds_now() { "expired on" } else { "valid until" };
    let state = format!("{verb} {}", date(end));
    match trouble {
        Some(trouble) => format!("{state}; the new files are not taken: {trouble}"),
        None => state,
    }
}

fn seconds_now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}
