//! After a restart: what is refreshed, probed for or asked for anew gets its turn, so that no server feels a storm.

use std::time::Duration;

use super::super::limits::{RESTORE_RATE, RESTORE_SPREAD};

/// Turns, given one after the other: at equal distances over [`RESTORE_SPREAD`], or at [`RESTORE_RATE`] where that takes
/// longer.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// Between two of them.
    step: Duration,
    given: u32,
}

impl Turns {
    /// For about so many. If there are more, they take longer.
    pub(super) fn of(many: usize) -> Self {
        let many = u32::try_from(many).unwrap_or(u32::MAX).max(1);
        Self { step: (RESTORE_SPREAD / many).max(Duration::from_secs(1) / RESTORE_RATE), given: 0 }
    }

    /// How long it takes until everybody has had a turn.
    pub(super) fn all(&self) -> Duration {
        self.step.saturating_mul(self.given).max(RESTORE_SPREAD)
    }

    /// How long the next waits: its place, and by `chance`, from 0 to 1, where in it, for other gateways may have started in
    /// the same moment.
    pub(super) fn next(&mut self, chance: f64) -> Duration {
        let wait = self.step.mul_f64(f64::from(self.given) + chance);
        self.given = self.given.saturating_add(1);
        wait
    }
}

/// The turn of what ends after `left`: in time in any case, and those that all end soon not all in one moment.
pub(super) fn in_time(turn: Duration, left: Duration, chance: f64) -> Duration {
    let latest = left * 2 / 3;
    if turn <= latest { turn } else { latest.mul_f64(chance) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn turns(many: u32) -> (Vec<Duration>, Duration) {
        let mut turns = Turns::of(usize::try_from(many).unwrap());
        let each = (0..many).map(|number| turns.next(f64::from(number % 7) / 7.0)).collect();
        (each, turns.all())
    }

    #[test]
    fn few_take_five_minutes_and_many_take_as_long_as_the_rate_allows() {
        for many in [1, 3, 600, 100_000, 1_000_000] {
            let (turns, all) = turns(many);
            let last = turns.iter().max().copied().unwrap();
            let whole = RESTORE_SPREAD.max(Duration::from_secs(u64::from(many / RESTORE_RATE)));
            assert!(last <= whole, "{many}: {last:?}");
            assert!(all <= whole && last <= all, "{many}: {all:?}");
            let mut of_second = std::collections::HashMap::<u64, u32>::new();
            turns.iter().for_each(|turn| *of_second.entry(turn.as_secs()).or_default() += 1);
            assert!(of_second.values().all(|count| *count <= RESTORE_RATE + 1), "{many}");
            assert!(many < 600 || of_second.len() >= 299, "{many}: {} seconds", of_second.len());
        }
    }

    #[test]
    fn more_than_were_expected_are_no_faster() {
        let mut turns = Turns::of(300);
        let all: Vec<_> = (0..900).map(|_| turns.next(0.5)).collect();
        assert!(all[899] > 2 * RESTORE_SPREAD);
        assert_eq!(Turns::of(0).next(0.0), Duration::ZERO);
    }

    #[test]
    fn what_ends_sooner_than_its_turn_is_refreshed_in_time_and_not_all_at_once() {
        let (turn, left) = (Duration::from_secs(1_500), Duration::from_secs(60));
        assert_eq!(in_time(turn, left, 0.5), Duration::from_secs(20));
        assert!(in_time(turn, left, 0.999) < Duration::from_secs(40));
        assert_eq!(in_time(turn, Duration::from_secs(3_600), 0.5), turn);
        assert_eq!(in_time(turn, Duration::ZERO, 0.9), Duration::ZERO);
    }
}
