//! Running the gateway (being built).

use crate::config::Config;

/// Why a run ended that should not have.
#[derive(Debug, thiserror::Error)]
pub enum Error {}

/// Runs the gateway until it is told to stop (being built: returns at once).
pub fn run(_config: Config) -> Result<(), Error> {
    Ok(())
}
