//! Rates from counters that are looked at once a second.

use std::collections::VecDeque;
use std::time::Instant;

/// Looks that are kept: rates are those of the last three seconds.
const LOOKS: usize = 4;

/// The last looks at a pair of counters.
#[derive(Debug, Default)]
pub(super) struct Rates(VecDeque<(Instant, u64, u64)>);

impl Rates {
    /// Looks at the counters now.
    pub(super) fn look(&mut self, now: Instant, bytes: u64, frames: u64) {
        if self.0.len() == LOOKS {
            self.0.pop_front();
        }
        self.0.push_back((now, bytes, frames));
    }

    fn per_second(&self, of: impl Fn(&(Instant, u64, u64)) -> u64) -> f64 {
        let (Some(first), Some(last)) = (self.0.front(), self.0.back()) else { return 0.0 };
        let seconds = last.0.saturating_duration_since(first.0).as_secs_f64();
        // Counters only grow, and by less than what a float holds.
        #[allow(clippy::cast_precision_loss)]
        let grown = of(last).saturating_sub(of(first)) as f64;
        if seconds > 0.0 { grown / seconds } else { 0.0 }
    }

    /// Bits per second.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // never negative, and far below 2^64
    pub(super) fn bits(&self) -> u64 {
        (self.per_second(|look| look.1) * 8.0).round() as u64
    }

    /// Frames per second, to a hundredth.
    pub(super) fn frames(&self) -> f64 {
        (self.per_second(|look| look.2) * 100.0).round() / 100.0
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn rates_are_those_of_the_last_seconds() {
        let begin = Instant::now();
        let mut rates = Rates::default();
        assert_eq!((rates.bits(), rates.frames()), (0, 0.0));
        for second in 0..10u64 {
            // Nothing for five seconds, then 1000 bytes and 25 frames a second.
            let running = second.saturating_sub(5);
            rates.look(begin + Duration::from_secs(second), running * 1000, running * 25);
        }
        assert_eq!((rates.bits(), rates.frames()), (8000, 25.0));
    }
}
