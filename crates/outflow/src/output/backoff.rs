//! How long to wait before the next attempt: a policy as a value, its state, and nothing of a clock.

use std::time::Duration;

/// Why an attempt is to be repeated later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The network or the peer failed: soon, then ever later.
    Network,
    /// The peer holds our own last session for alive: soon, and not ever later, since it will notice.
    Ghost,
    /// The peer refused: late from the start.
    Refused,
}

/// Exponential backoff with jitter and a cap.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    failures: u32,
    refusals: u32,
    random: u64,
}

/// The shortest wait that a word may ask for: less would hammer the peer.
pub const LEAST: Duration = Duration::from_millis(100);

/// A refusal's cap is this many times the cap of the rest.
const REFUSED_TIMES: u32 = 6;

impl Backoff {
    /// `first` is the first wait, `most` the longest. Equal seeds give equal waits; outputs need different ones, lest
    /// all of them return to a server in the same instant.
    pub fn new(first: Duration, most: Duration, seed: u64) -> Self {
        Self { first, most: most.max(first), failures: 0, refusals: 0, random: seed }
    }

    /// The wait before the next attempt. Between 0.7 and 1 times the nominal wait, which doubles from `first` to `most`;
    /// for a refusal from `most` to six times `most`.
    pub fn next(&mut self, class: Class) -> Duration {
        let nominal = match class {
            Class::Ghost => self.first,
            Class::Network => {
                self.failures = self.failures.saturating_add(1);
                doubled(self.first, self.failures - 1, self.most)
            }
            Class::Refused => {
                self.refusals = self.refusals.saturating_add(1);
                doubled(self.most, self.refusals - 1, self.most.saturating_mul(REFUSED_TIMES))
            }
        };
        nominal.mul_f64(0.7 + 0.3 * self.fraction())
    }

    /// Media flowed for long enough: the next wait is the first again.
    pub fn reset(&mut self) {
        self.failures = 0;
        self.refusals = 0;
    }

    /// A number in 0..1 (SplitMix64: jitter needs no better).
    fn fraction(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        (mixed >> 11) as f64 / (1u64 << 53) as f64
    }
}

fn doubled(first: Duration, times: u32, most: Duration) -> Duration {
    first.saturating_mul(1u32.checked_shl(times).unwrap_or(u32::MAX)).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// True if the wait lies in the jitter of so many seconds.
    fn about(wait: Duration, seconds: f64) -> bool {
        let wait = wait.as_secs_f64();
        wait >= seconds * 0.7 - 1e-6 && wait <= seconds
    }

    #[test]
    fn waits_double_up_to_the_cap_and_begin_again() {
        let mut backoff = Backoff::new(SECOND, 10 * SECOND, 7);
        for expected in [1.0, 2.0, 4.0, 8.0, 10.0, 10.0] {
            let wait = backoff.next(Class::Network);
            assert!(about(wait, expected), "{wait:?} for {expected}");
        }
        for _ in 0..100 {
            assert!(about(backoff.next(Class::Network), 10.0));
        }
        backoff.reset();
        assert!(about(backoff.next(Class::Network), 1.0));
    }

    #[test]
    fn a_refusal_waits_long_and_a_ghost_short() {
        let mut backoff = Backoff::new(SECOND, 10 * SECOND, 7);
        for expected in [10.0, 20.0, 40.0, 60.0, 60.0] {
            assert!(about(backoff.next(Class::Refused), expected));
        }
        for _ in 0..10 {
            assert!(about(backoff.next(Class::Ghost), 1.0));
        }
        assert!(about(backoff.next(Class::Network), 1.0));
    }

    #[test]
    fn jitter_spreads_outputs_and_repeats_with_the_seed() {
        let mut waits: Vec<Duration> =
            (0..50).map(|seed| Backoff::new(SECOND, 10 * SECOND, seed).next(Class::Network)).collect();
        waits.sort();
        waits.dedup();
        assert!(waits.len() > 45, "{}", waits.len());
        let again = |seed| Backoff::new(SECOND, 10 * SECOND, seed).next(Class::Network);
        assert_eq!(again(3), again(3));
    }

    #[test]
    fn a_cap_below_the_first_wait_is_no_trap() {
        let mut backoff = Backoff::new(20 * SECOND, SECOND, 1);
        assert!(about(backoff.next(Class::Network), 20.0));
        let mut none = Backoff::new(Duration::ZERO, Duration::ZERO, 1);
        assert_eq!(none.next(Class::Network), Duration::ZERO);
    }
}
