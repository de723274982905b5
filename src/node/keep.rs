//! Where subscriptions are kept, and what was kept there.

use std::path::Path;
use std::time::Duration;

use tracing::{info, warn};

use crate::config::Config;
use crate::gateway::record::Record;
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

/// Opens the store and reads it. A database that cannot be reached is waited for: it may be starting, as this machine is, and
/// without it nothing could be promised to anybody.
pub(super) async fn open(config: &Config) -> Result<(Store, Vec<Record>), Error> {
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
    if matches!(place, Place::Memory) {
        if config.store.is_none() {
            warn!("there is no [store]: subscriptions are forgotten when stox ends");
        }
        return Ok((store, Vec::new()));
    }
    let began = std::time::Instant::now();
    let records = store.load().await?;
    info!(store = %place, records = records.len(), millis = began.elapsed().as_millis(), "subscriptions are read");
    Ok((store, records))
}
