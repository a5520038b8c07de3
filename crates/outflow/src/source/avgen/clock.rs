//! Which frame shows which second, and where in the sound each beep begins: pure arithmetic, exact for any frame rate.

use std::time::{Duration, SystemTime};

/// Seconds laid over frames. Second `k` begins with the first frame at or after its exact time, and so does its beep:
/// picture and sound change together, at fractional rates up to one frame after the exact second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    num: i64,
    den: i64,
    /// The frame of second 0, before the end of the first second.
    first: i64,
    /// What second 0 is called: seconds since 1970 for UTC, 0 for media time.
    label: i64,
}

/// Where a frame stands in its second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The second, counted from second 0 of the grid; negative before it.
    pub second: i64,
    /// What the second is called.
    pub label: i64,
    /// Frames since the second's first frame.
    pub frame: i64,
    /// The part of the second gone at the frame's begin, of 65536.
    pub gone: u32,
}

impl Grid {
    /// Media seconds: second 0 begins with frame 0. The rate is `num / den` frames a second, at least 1.
    pub fn media(num: u32, den: u32) -> Self {
        Self { num: i64::from(num), den: i64::from(den), first: 0, label: 0 }
    }

    /// UTC seconds for a stream whose frame 0 is shown at `start`, to the nearest frame.
    pub fn utc(num: u32, den: u32, start: SystemTime) -> Self {
        let since = start.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let left = i64::from(1_000_000_000 - since.subsec_nanos());
        let (num, den) = (i64::from(num), i64::from(den));
        let unit = 1_000_000_000 * den;
        let first = (left * num + unit / 2) / unit;
        Self { num, den, first, label: since.as_secs().cast_signed() + 1 }
    }

    /// Where frame `n` stands.
    pub fn place(&self, n: i64) -> Place {
        let ticks = (n - self.first) * self.den;
        let (second, rest) = (ticks.div_euclid(self.num), ticks.rem_euclid(self.num));
        Place {
            second,
            label: self.label + second,
            frame: rest / self.den,
            gone: u32::try_from(rest * 65_536 / self.num).unwrap_or(0),
        }
    }

    /// The frame with which a second begins.
    pub fn frame_of(&self, second: i64) -> i64 {
        self.first - (-second * self.num).div_euclid(self.den)
    }

    /// The first sample of a second's beep: the first one within the second's first frame.
    pub fn sample_of(&self, second: i64, rate: u32) -> i64 {
        let product = i128::from(self.frame_of(second)) * i128::from(self.den) * i128::from(rate);
        i64::try_from(-(-product).div_euclid(i128::from(self.num))).unwrap_or(i64::MAX)
    }

    /// The second in which a sample lies, give or take one.
    pub fn second_near(&self, sample: i64, rate: u32) -> i64 {
        let frame = i128::from(sample) * i128::from(self.num) / (i128::from(rate.max(1)) * i128::from(self.den));
        self.place(i64::try_from(frame).unwrap_or(i64::MAX)).second
    }

    /// How many frames the clock on the wall is ahead of this grid when frame `n` is shown at `wall`.
    pub fn drift(&self, n: i64, wall: SystemTime) -> i64 {
        let since = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let grid = i128::from(self.label) * 1_000_000_000
            + i128::from(n - self.first) * i128::from(self.den) * 1_000_000_000 / i128::from(self.num);
        let ahead = i128::try_from(since.as_nanos()).unwrap_or(i128::MAX) - grid;
        i64::try_from(ahead * i128::from(self.num) / (i128::from(self.den) * 1_000_000_000)).unwrap_or(0)
    }
}

/// `HH:MM:SS` of a second since 1970.
pub fn time_text(second: i64) -> String {
    let of_day = second.rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", of_day / 3600, of_day / 60 % 60, of_day % 60)
}

/// `YYYY-MM-DD` of a second since 1970 (Howard Hinnant's "civil from days").
pub fn date_text(second: i64) -> String {
    let days = second.div_euclid(86_400) + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{:02}", day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_begins_with_one_frame_and_its_beep() {
        for (num, den) in [(25, 1), (30, 1), (30_000, 1001), (60_000, 1001), (24_000, 1001), (1, 1), (7, 3), (60, 1)] {
            for millis in [0, 1, 399, 500, 999] {
                let start = SystemTime::UNIX_EPOCH + Duration::from_millis(1_763_804_508_000 + millis);
                for grid in [Grid::media(num, den), Grid::utc(num, den, start)] {
                    let beginnings: Vec<i64> = (0..2000).filter(|n| grid.place(*n).frame == 0).collect();
                    let seconds: Vec<i64> = beginnings.iter().map(|n| grid.place(*n).second).collect();
                    assert!(seconds.windows(2).all(|pair| pair[1] == pair[0] + 1), "{num}/{den}");
                    for (frame, second) in beginnings.iter().zip(&seconds) {
                        assert_eq!(grid.frame_of(*second), *frame, "{num}/{den}");
                        let sample = grid.sample_of(*second, 44_100);
                        // Within the frame: never before it, less than a sample after its begin.
                        let exact = *frame as f64 * f64::from(den) / f64::from(num) * 44_100.0;
                        assert!((sample as f64 - exact) > -1e-6 && (sample as f64 - exact) < 1.0);
                        assert!((grid.second_near(sample, 44_100) - second).abs() <= 1);
                    }
                }
            }
        }
    }

    #[test]
    fn utc_seconds_fall_where_the_clock_says() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_millis(1_763_804_508_400);
        let grid = Grid::utc(25, 1, start);
        assert_eq!(grid.frame_of(0), 15);
        assert_eq!(grid.place(0), Place { second: -1, label: 1_763_804_508, frame: 10, gone: 26_214 });
        assert_eq!(grid.place(15).label, 1_763_804_509);
        assert_eq!(grid.sample_of(0, 44_100), 26_460);
        assert_eq!(grid.drift(0, start), 0);
        assert_eq!(grid.drift(25, start + Duration::from_millis(1000)), 0);
        assert_eq!(grid.drift(25, start + Duration::from_millis(1100)), 2);
        assert_eq!(grid.drift(25, start + Duration::from_millis(900)), -2);
    }

    #[test]
    fn no_drift_at_a_fractional_rate() {
        let grid = Grid::media(30_000, 1001);
        assert_eq!(grid.frame_of(1001), 30_000);
        assert_eq!(grid.sample_of(1001 * 1000, 48_000), 1001 * 1000 * 48_000);
    }

    #[test]
    fn dates_and_times_read_as_people_write_them() {
        assert_eq!((date_text(0).as_str(), time_text(0).as_str()), ("1970-01-01", "00:00:00"));
        assert_eq!(date_text(951_782_400), "2000-02-29");
        assert_eq!(date_text(1_763_804_508), "2025-11-22");
        assert_eq!(time_text(1_763_804_508), "09:41:48");
        assert_eq!(date_text(4_107_542_400), "2100-03-01");
    }
}
