//! How long it took until the destination had what came in: a distribution over the last minute, in little memory.

use std::time::{Duration, Instant};

/// Delays up to here are kept to the millisecond, longer ones to 3 %.
const FINE: u64 = 64;
/// Steps in each doubling beyond.
const STEPS: u64 = 32;
/// Doublings beyond `FINE`: up to two minutes.
const DOUBLINGS: u64 = 11;
const BUCKETS: usize = (FINE + STEPS * DOUBLINGS) as usize;
/// The minute is kept in so many parts, and the one that is being filled.
const PARTS: u64 = 6;
const PART: Duration = Duration::from_secs(10);

/// The delays of one output.
#[derive(Debug)]
pub struct Delays {
    begin: Instant,
    parts: Vec<Part>,
    /// Of all since the start, for those who keep a history themselves.
    count: u64,
    sum: Duration,
}

#[derive(Debug)]
struct Part {
    number: u64,
    buckets: Box<[u32; BUCKETS]>,
    /// How many there are in it, and the last bucket that has any.
    count: u64,
    last: usize,
}

/// Quantiles of the last minute, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantiles {
    /// Half of them were shorter.
    pub p50: u64,
    /// 95 of 100 were.
    pub p95: u64,
    /// 99 of 100 were.
    pub p99: u64,
}

impl Default for Delays {
    fn default() -> Self {
        Self { begin: Instant::now(), parts: Vec::new(), count: 0, sum: Duration::ZERO }
    }
}

impl Delays {
    /// Adds one.
    pub fn record(&mut self, now: Instant, delay: Duration) {
        self.count += 1;
        self.sum += delay;
        let number = self.number(now);
        if self.parts.last().is_none_or(|part| part.number < number) {
            let mut buckets = Box::new([0; BUCKETS]);
            if self.parts.first().is_some_and(|part| part.number + PARTS < number) {
                buckets = self.parts.remove(0).buckets;
                buckets.fill(0);
            }
            self.parts.push(Part { number, buckets, count: 0, last: 0 });
        }
        let bucket = bucket(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
        if let Some(part) = self.parts.last_mut()
            && let Some(count) = part.buckets.get_mut(bucket)
        {
            *count += 1;
            part.count += 1;
            part.last = part.last.max(bucket);
        }
    }

    /// The last minute's; `None` where there were none.
    pub fn quantiles(&self, now: Instant) -> Option<Quantiles> {
        let number = self.number(now);
        let recent = || self.parts.iter().filter(|part| part.number + PARTS >= number);
        let sum = |bucket: usize| -> u64 {
            recent().map(|part| u64::from(part.buckets.get(bucket).copied().unwrap_or(0))).sum()
        };
        let all: u64 = (0..BUCKETS).map(sum).sum();
        let of = |percent: u64| {
            let wanted = (all * percent).div_ceil(100).max(1);
            let mut seen = 0;
            let found = (0..BUCKETS).find(|bucket| {
                seen += sum(*bucket);
                seen >= wanted
            });
            found.map_or(0, middle)
        };
        (all > 0).then(|| Quantiles { p50: of(50), p95: of(95), p99: of(99) })
    }

    /// Within which time 95 of 100 of the last minute's were, in milliseconds: the same as of [`Delays::quantiles`], for those
    /// who ask for nothing else each second. It looks at the slowest only.
    pub fn p95(&self, now: Instant) -> Option<u64> {
        let number = self.number(now);
        let recent = || self.parts.iter().filter(|part| part.number + PARTS >= number);
        let all: u64 = recent().map(|part| part.count).sum();
        let last = recent().map(|part| part.last).max()?;
        // So many may be slower.
        let slower = all - (all * 95).div_ceil(100).max(1).min(all);
        let mut seen = 0;
        let found = (0..=last).rev().find(|bucket| {
            seen += recent().map(|part| u64::from(part.buckets.get(*bucket).copied().unwrap_or(0))).sum::<u64>();
            seen > slower
        });
        found.filter(|_| all > 0).map(middle)
    }

    /// How many there have been since the start, and what they add up to.
    pub fn total(&self) -> (u64, Duration) {
        (self.count, self.sum)
    }

    fn number(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.begin).as_secs() / PART.as_secs()
    }
}

#[allow(clippy::cast_possible_truncation)] // bounded by BUCKETS
fn bucket(millis: u64) -> usize {
    if millis < FINE {
        return millis as usize;
    }
    let doubling = u64::from(millis.ilog2() - FINE.ilog2());
    let step = (millis >> (doubling + 1)) - STEPS;
    ((FINE + doubling * STEPS + step) as usize).min(BUCKETS - 1)
}

/// The milliseconds in the middle of a bucket.
fn middle(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    match bucket.checked_sub(FINE) {
        None => bucket,
        Some(beyond) => {
            let (doubling, step) = (beyond / STEPS, beyond % STEPS);
            ((STEPS + step) << (doubling + 1)) + (1 << doubling)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn buckets_are_fine_enough_and_in_order() {
        for millis in (0..2000).chain([5_000, 12_345, 60_000, 130_000]) {
            let near = middle(bucket(millis));
            assert!(near.abs_diff(millis) * 32 <= millis.max(31), "{millis} is shown as {near}");
            assert!(bucket(millis) <= bucket(millis + 1), "{millis}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn the_slowest_alone_tell_the_same_as_all() {
        for count in 1..200u64 {
            let mut delays = Delays::default();
            let now = delays.begin;
            for number in 0..count {
                delays.record(now, Duration::from_millis(number * number * 7 % 5000));
            }
            assert_eq!(delays.p95(now), delays.quantiles(now).map(|found| found.p95), "{count}");
        }
    }

    #[test]
    fn the_last_minute_counts() {
        let begin = Instant::now();
        let at = |seconds: u64| begin + Duration::from_secs(seconds);
        let mut delays = Delays { begin, ..Delays::default() };
        assert_eq!((delays.quantiles(at(0)), delays.p95(at(0))), (None, None));
        for number in 1..=100 {
            delays.record(at(1), Duration::from_millis(number));
        }
        let found = delays.quantiles(at(2)).unwrap();
        assert_eq!(found.p50, 50);
        assert!(found.p95.abs_diff(95) <= 2 && found.p99.abs_diff(99) <= 2, "{found:?}");
        assert_eq!(delays.p95(at(2)), Some(found.p95));
        for second in 20..100 {
            delays.record(at(second), Duration::from_millis(7));
        }
        assert_eq!(delays.quantiles(at(99)).unwrap(), Quantiles { p50: 7, p95: 7, p99: 7 });
        assert!(delays.parts.len() <= 8, "{}", delays.parts.len());
        assert_eq!((delays.quantiles(at(300)), delays.p95(at(300))), (None, None));
        assert_eq!(delays.total(), (180, Duration::from_millis(5050 + 80 * 7)));
    }
}
