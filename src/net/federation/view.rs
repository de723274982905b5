//! How it stands with the streams between servers, for the metrics page.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Federated;
use crate::xmpp::federation::{Association, Stats, Way};

/// One reading.
#[derive(Clone, Debug, Default)]
pub struct FederationView {
    /// What the federation counts.
    pub stats: Stats,
    /// TLS handshakes that were done, of these those that resumed a session, and those with TLS 1.2.
    pub handshakes: (u64, u64, u64),
    /// TLS handshakes that failed.
    pub failed_handshakes: u64,
    /// Pairs proven so far, by what and in which direction.
    pub proofs: Vec<(Association, Way, u64)>,
    /// Connections that were not taken because there were too many.
    pub refused: u64,
    /// Stanzas that could not be used.
    pub unusable: u64,
}

const ASSOCIATIONS: [Association; 4] = [Association::Pkix, Association::Posh, Association::Dane, Association::Dialback];

/// Counts of pairs proven.
#[derive(Debug, Default)]
pub(super) struct Proofs {
    out: [AtomicU64; ASSOCIATIONS.len()],
    into: [AtomicU64; ASSOCIATIONS.len()],
}

impl Proofs {
    pub(super) fn count(&self, by: Association, way: Way) {
        let place = ASSOCIATIONS.iter().position(|association| *association == by);
        if let Some(counter) = place.and_then(|place| self.of(way).get(place)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn of(&self, way: Way) -> &[AtomicU64] {
        match way {
            Way::Out => &self.out,
            Way::In => &self.into,
        }
    }
}

impl Federated {
    /// How it stands now.
    #[must_use]
    pub fn view(&self) -> FederationView {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let shared = &self.shared;
        let each = |way| {
            let counts = ASSOCIATIONS.into_iter().zip(shared.proofs.of(way));
            counts.map(move |(by, count)| (by, way, read(count)))
        };
        FederationView {
            stats: shared.hub().federation.stats(),
            handshakes: (read(&shared.handshakes.done), read(&shared.handshakes.resumed), read(&shared.handshakes.old)),
            failed_handshakes: read(&shared.handshakes.failed),
            proofs: each(Way::Out).chain(each(Way::In)).collect(),
            refused: read(&shared.refused),
            unusable: read(&shared.unusable),
        }
    }
}
