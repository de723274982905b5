//! Where subscriptions are kept, and what was kept there.

use std::path::Path;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use crate::config::Config;
use crate::gateway::Gateway;
use crate::net::Clock;
use crate::store::{Error, Place, Store, Trouble};

/// How soon a database that cannot be reached at the start is tried again: twice as long each time, up to the second.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// The file in the directory that systemd gives (`StateDirectory=`).
const FILE: &str = "stox.db";

/// Where records are kept: where `[store]` says, else in the directory that systemd gives, else nowhere.
#[must_use]
pub fn place(config: &Config) -> Place {
    if let Some(place) = &config.store {
        return place.clone();
    }
    // Several are separated by colons (systemd.exec(5)).
    let given = std::env::var("STATE_DIRECTORY").unwrap_or_default();
    match given.split(':').next().filter(|directory| !directory.is_empty()) {
        Some(directory) => Place::Sqlite(Path::new(directory).join(FILE)),
        None => Place::Memory,
    }
}

/// Opens the store. A database that cannot be reached is waited for: it may be starting, as this machine is, and
/// without it nothing could be promised to anybody.
pub(super) async fn open(config: &Config) -> Result<Store, Error> {
    let place = &place(config);
    let mut pause = RETRY.0;
    let store = loop {
        match Store::open(place).await {
            Ok(store) => break store,
            Err(error) if error.trouble == Trouble::Away && matches!(place, Place::Postgres(_)) => warn!("{error}"),
            Err(error) => return Err(error),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RETRY.1);
    };
    if matches!(place, Place::Memory) && config.store.is_none() {
        warn!("there is no [store]: subscriptions are forgotten when stox ends");
    }
    Ok(store)
}

/// Lets the gateway, which is new, take back what the store has kept, as it is read.
pub(super) async fn restore(store: &Store, gateway: &mut Gateway, clock: Clock) -> Result<(), Error> {
    let (began, view) = (Instant::now(), store.view());
    let dialogs = view.counts.dialogs.max(view.counts.authorizations);
    gateway.begin_restore(usize::try_from(dialogs).unwrap_or(usize::MAX));
    let (mut reading, mut count) = (store.read(), 0);
    while let Some(records) = reading.next().await? {
        count += records.len();
        gateway.restore_some(records, clock.now());
    }
    gateway.end_restore(clock.now());
    if count > 0 {
        info!(store = view.place, records = count, millis = began.elapsed().as_millis(), "subscriptions are back");
    }
    Ok(())
}
