//! How much a publisher sends, held against `limits.ingest_bitrate`: over ten seconds, so that a key frame or what an encoder
//! has saved up during a pause is no offence.

use std::time::{Duration, Instant};

/// What may come at once is what may come in this time.
const OVER: Duration = Duration::from_secs(10);

/// A bucket that leaks at the limit.
pub(super) struct Bitrate {
    /// Bytes per second; 0 is no limit.
    limit: f64,
    level: f64,
    at: Instant,
}

impl Bitrate {
    /// So many bits per second; 0 is no limit.
    #[allow(clippy::cast_precision_loss)] // a limit, not a count
    pub(super) fn new(bits: u64, now: Instant) -> Self {
        Self { limit: bits as f64 / 8.0, level: 0.0, at: now }
    }

    /// Counts bytes; true if they are too many.
    #[allow(clippy::cast_precision_loss)] // bytes of one read
    pub(super) fn is_over(&mut self, bytes: usize, now: Instant) -> bool {
        if self.limit == 0.0 {
            return false;
        }
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        self.level = (self.level - passed * self.limit).max(0.0) + bytes as f64;
        self.level > self.limit * OVER.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends so many bytes in each tenth of a second; after how many of them it is over.
    fn over(bits: u64, first: usize, bytes: usize) -> Option<usize> {
        let begin = Instant::now();
        let mut rate = Bitrate::new(bits, begin);
        (0..6000).find(|step| {
            let bytes = if *step == 0 { first } else { bytes };
            rate.is_over(bytes, begin + Duration::from_millis(100) * u32::try_from(*step).unwrap_or(0))
        })
    }

    #[test]
    fn bursts_are_no_offence_and_lasting_excess_is() {
        // 8 Mb/s are 100 kB in a tenth of a second.
        assert_eq!(over(8_000_000, 100_000, 100_000), None, "the limit itself, for ten minutes");
        assert_eq!(over(8_000_000, 5_000_000, 99_000), None, "five seconds at once, then less than the limit");
        assert_eq!(over(8_000_000, 10_000_001, 0), Some(0), "more than ten seconds at once");
        let twice = over(8_000_000, 200_000, 200_000);
        assert!(twice.is_some_and(|step| (98..103).contains(&step)), "twice the limit lasts ten seconds: {twice:?}");
        let little = over(8_000_000, 110_000, 110_000);
        assert!(little.is_some_and(|step| (980..1030).contains(&step)), "a tenth more lasts a hundred: {little:?}");
        assert_eq!(over(0, usize::MAX, usize::MAX), None, "no limit");
    }
}
