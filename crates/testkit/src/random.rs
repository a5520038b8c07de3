//! Numbers that look random and repeat with their seed (SplitMix64), so that a failed run can be run again.

use std::ops::Range;
use std::time::Duration;

/// The generator.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Equal seeds give equal numbers.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The seed in the environment variable, to repeat a run; another one each time where it is not set.
    pub fn seed_from(variable: &str) -> u64 {
        match std::env::var(variable) {
            Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable} is not a number")),
            Err(_) => {
                let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
                u64::from(now.subsec_nanos()) ^ now.as_secs()
            }
        }
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.number() % limit
    }

    /// True in this fraction of all cases.
    pub fn chance(&mut self, fraction: f64) -> bool {
        ((self.number() >> 11) as f64) < fraction * (1u64 << 53) as f64
    }

    /// A time within the range.
    pub fn time(&mut self, range: Range<Duration>) -> Duration {
        let span = u64::try_from((range.end - range.start).as_micros()).expect("a short time");
        range.start + Duration::from_micros(self.below(span.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_repeat_with_the_seed_and_fill_their_range() {
        let (mut a, mut b) = (Random::new(7), Random::new(7));
        assert!((0..100).all(|_| a.number() == b.number()));
        let hits = (0..10_000).filter(|_| a.chance(0.05)).count();
        assert!((400..600).contains(&hits), "{hits} of 10000 at 5 %");
        let second = Duration::from_secs(1);
        assert!((0..100).all(|_| (second..second * 2).contains(&a.time(second..second * 2))));
        assert!((0..100).all(|_| a.below(3) < 3));
    }
}
