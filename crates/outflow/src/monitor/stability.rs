//! Stability: the share of the time that an output was wanted on in which it was sending without a skip.

use std::collections::VecDeque;

/// Looks are a second apart; so many are kept, and so many sums of 60 of them.
const MINUTE: usize = 60;
const HOUR: usize = 60;

/// What was seen of one output.
#[derive(Debug, Default)]
pub struct Stability {
    seconds: VecDeque<Look>,
    minutes: VecDeque<Sum>,
    /// Looks in the newest of the minutes.
    filled: usize,
    /// Skips at the last look.
    skips: u64,
}

#[derive(Debug, Clone, Copy)]
struct Look {
    wanted: bool,
    good: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    wanted: u64,
    good: u64,
}

/// Shares from 0 to 1; `None` where it was not wanted on in that time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shares {
    /// Of the last minute.
    pub minute: Option<f64>,
    /// Of the last hour.
    pub hour: Option<f64>,
    /// Seconds of the last hour in which it was wanted on: what the shares are shares of.
    pub watched: u64,
}

impl Stability {
    /// One second: whether it was to send, whether it did, and its skips so far.
    pub fn look(&mut self, wanted: bool, sends: bool, skips: u64) {
        let good = sends && std::mem::replace(&mut self.skips, skips) == skips;
        if self.seconds.len() == MINUTE {
            self.seconds.pop_front();
        }
        self.seconds.push_back(Look { wanted, good });
        if self.minutes.is_empty() || self.filled == MINUTE {
            if self.minutes.len() == HOUR {
                self.minutes.pop_front();
            }
            self.minutes.push_back(Sum::default());
            self.filled = 0;
        }
        self.filled += 1;
        if let Some(sum) = self.minutes.back_mut() {
            sum.wanted += u64::from(wanted);
            sum.good += u64::from(wanted && good);
        }
    }

    /// The shares.
    pub fn shares(&self) -> Shares {
        let wanted = self.seconds.iter().filter(|look| look.wanted);
        let good = wanted.clone().filter(|look| look.good).count();
        let hour = self
            .minutes
            .iter()
            .fold(Sum::default(), |all, sum| Sum { wanted: all.wanted + sum.wanted, good: all.good + sum.good });
        Shares {
            minute: share(good as u64, wanted.count() as u64),
            hour: share(hour.good, hour.wanted),
            watched: hour.wanted,
        }
    }
}

/// To a ten-thousandth, never rounded up to all.
#[allow(clippy::cast_precision_loss)] // thousands at most
fn share(good: u64, wanted: u64) -> Option<f64> {
    (good * 10_000).checked_div(wanted).map(|share| share as f64 / 10_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_time_it_was_wanted_counts() {
        let mut seen = Stability::default();
        assert_eq!(seen.shares(), Shares { minute: None, hour: None, watched: 0 });
        seen.look(false, false, 0);
        assert_eq!(seen.shares().minute, None);
        (0..30).for_each(|_| seen.look(true, true, 0));
        (0..5).for_each(|_| seen.look(true, false, 0));
        (1..=5).for_each(|skips| seen.look(true, true, skips));
        assert_eq!(seen.shares(), Shares { minute: Some(0.75), hour: Some(0.75), watched: 40 });
        (0..60).for_each(|_| seen.look(true, true, 5));
        assert_eq!(seen.shares(), Shares { minute: Some(1.0), hour: Some(0.9), watched: 100 });
        (0..2 * 3600).for_each(|_| seen.look(false, false, 5));
        assert_eq!(seen.shares(), Shares { minute: None, hour: None, watched: 0 });
        assert!(seen.minutes.len() <= HOUR && seen.seconds.len() <= MINUTE);
    }
}
