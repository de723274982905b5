//! What a network does to datagrams, and the chance that decides it.

use std::time::Duration;

/// How the network is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weather {
    /// One way, at least.
    pub(crate) delay: Duration,
    /// Up to so much more, drawn for each datagram, so that they overtake each other.
    pub(crate) jitter: Duration,
    /// Of 1000 datagrams, how many are lost.
    pub(crate) loss: u64,
    /// Of 1000 datagrams, how many arrive twice.
    pub(crate) doubled: u64,
}

impl Weather {
    pub(crate) const CALM: Weather =
        Weather { delay: Duration::from_millis(2), jitter: Duration::ZERO, loss: 0, doubled: 0 };
}

/// Chance from a seed (splitmix64).
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Below `n`, which is not 0.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.draw() % n
    }

    /// `of` times in a thousand.
    pub(crate) fn per_mille(&mut self, of: u64) -> bool {
        self.below(1000) < of
    }

    pub(crate) fn up_to(&mut self, longest: Duration) -> Duration {
        let millis = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(if millis == 0 { 0 } else { self.below(millis) })
    }

    pub(crate) fn one_of<'a, T>(&mut self, things: &'a [T]) -> &'a T {
        let index = self.below(things.len() as u64);
        &things[usize::try_from(index).unwrap_or(0)]
    }
}
