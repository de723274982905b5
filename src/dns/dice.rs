//! Chance as a value: a generator that a seed determines, for choices that nobody needs to predict or can abuse.

/// SplitMix64: a counter, mixed.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Dice that fall as `seed` says.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number from 0 to `most`, both included, each as likely as the others.
    pub fn up_to(&mut self, most: u32) -> u32 {
        let range = u64::from(most) + 1;
        // The upper 32 bits times the range: what does not divide evenly is below one in 2^16 for sums of weights.
        let number = ((self.next() >> 32) * range) >> 32;
        u32::try_from(number).unwrap_or(most)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_face_comes_up_about_equally_often() {
        let mut dice = Dice::new(7);
        let mut counts = [0_u32; 6];
        for _ in 0..60_000 {
            counts[dice.up_to(5) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (9_500..10_500).contains(count)), "{counts:?}");
    }

    #[test]
    fn the_bounds_are_kept() {
        let mut dice = Dice::new(0);
        assert_eq!(dice.up_to(0), 0);
        let _any = dice.up_to(u32::MAX);
        assert!((0..1000).all(|_| dice.up_to(1) <= 1));
    }
}
