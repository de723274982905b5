//! Waiting for the order to stop.

use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

/// Waits for SIGTERM or SIGINT; `hung_up` is called for each SIGHUP.
pub(super) async fn wait(hung_up: impl Fn()) {
    let heard = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()), signal(SignalKind::hangup()));
    let (Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)) = heard else {
        warn!("signals cannot be heard; the process ends only when it is killed");
        return std::future::pending().await;
    };
    loop {
        tokio::select! {
            _ = terminate.recv() => return,
            _ = interrupt.recv() => return,
            _ = hangup.recv() => {
                info!("SIGHUP: certificates are read anew; the configuration is only read at the start");
                hung_up();
            }
        }
    }
}
