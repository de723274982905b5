//! What a search found, and the order in which one request tries it (RFC 2782, "Usage rules").

use super::{Dice, Target, limits};
use crate::dns;

/// One host: an SRV record with its addresses, or the only host there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hop {
    /// Lower first: the preference among services, then the priority of the record.
    pub(super) rank: u32,
    /// The share among hops of the same rank.
    pub(super) weight: u16,
    /// Its addresses, in the order in which to try them; never empty.
    pub(super) targets: Vec<Target>,
}

/// Where requests for one destination can go. Each request has its own order, drawn by weight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// By rank; within a rank those of weight 0 first. Never empty.
    hops: Vec<Hop>,
}

impl Plan {
    pub(super) fn new(mut hops: Vec<Hop>) -> Self {
        // RFC 2782: weight 0 at the beginning, so that such a record has a small chance beside others.
        hops.sort_by_key(|hop| (hop.rank, hop.weight != 0));
        Self { hops }
    }

    /// The targets in the order in which one request tries them, no more than a request can try. Never empty.
    pub fn order(&self, dice: &mut Dice) -> Vec<Target> {
        let mut targets = Vec::with_capacity(self.hops.iter().map(|hop| hop.targets.len()).sum());
        for group in self.hops.chunk_by(|one, other| one.rank == other.rank) {
            match group {
                [only] => targets.extend_from_slice(&only.targets),
                _ => {
                    let drawn = dns::draw(group, |hop| hop.weight, dice);
                    targets.extend(drawn.into_iter().flat_map(|hop| hop.targets.iter().copied()));
                }
            }
        }
        targets
    }

    /// Every target, in no particular order.
    pub fn all(&self) -> impl Iterator<Item = Target> {
        self.hops.iter().flat_map(|hop| hop.targets.iter().copied())
    }
}

/// Cuts a list to what one request may try.
pub(super) fn cut(targets: &mut Vec<Target>) {
    targets.truncate(limits::TARGETS);
}
