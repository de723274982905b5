//! Certificates are replaced while stox runs: their files are looked at every minute, and at once on SIGHUP.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tracing::{error, info, warn};

use crate::tls::files::date;
use crate::tls::{Store, StoreError};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(60);

/// How often somebody is told that the certificate ends soon, and how soon that is.
const WARN_EVERY: Duration = Duration::from_secs(24 * 60 * 60);
const SOON: i64 = 14 * 24 * 60 * 60;

/// Looks at the files for ever.
pub(super) async fn watch(store: Arc<Store>) {
    let mut warned = None;
    loop {
        let now = tokio::time::Instant::now();
        if warned.is_none_or(|at| now >= at + WARN_EVERY) {
            warn_of_the_end(&store);
            warned = Some(now);
        }
        tokio::time::sleep(LOOK).await;
        if let Some(result) = store.look() {
            tell(result);
        }
    }
}

/// Reads the files now.
pub(super) fn reload(store: &Store) {
    tell(store.reload());
}

fn tell(result: Result<(), StoreError>) {
    match result {
        Ok(()) => info!("TLS: the files of [sip.tls] were read anew"),
        Err(error) => error!("TLS: the new files are not taken, those of before stay in use: {error}"),
    }
}

fn warn_of_the_end(store: &Store) {
    let Some(end) = store.not_after() else { return };
    let now = seconds_now();
    if end < now {
        error!("TLS: the certificate expired on {}", date(end));
    } else if end - now < SOON {
        warn!("TLS: the certificate expires on {}", date(end));
    }
}

/// How it stands with the certificate, in words for `/ready`; `None`: there is none.
pub(super) fn detail(store: &Store) -> Option<String> {
    Some(state(store.not_after()?, store.trouble().as_deref()))
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
