//! The sound of the test source: silence, and a beep at each second.

use std::f64::consts::TAU;

use super::clock::Grid;

/// The loudest sample of a beep: well below full scale, so that no encoder clips it.
const PEAK: f64 = 0.5;

/// What the beeps are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sound {
    /// Samples per second.
    pub rate: u32,
    /// Channels.
    pub channels: u32,
    /// Each beep in one channel only, the next one's in the next channel.
    pub alter: bool,
    /// Hertz on even seconds, twice that on every tenth.
    pub freq: u32,
    /// Hertz on odd seconds.
    pub freq2: u32,
    /// Length of a beep in samples.
    pub beep: u32,
}

impl Sound {
    /// Samples `start .. start + len`, one plane per channel.
    pub fn samples(&self, grid: &Grid, start: u64, len: usize) -> Vec<Vec<f32>> {
        let mut planes = vec![vec![0f32; len]; self.channels as usize];
        let start = start.cast_signed();
        let end = start + len as i64;
        // A beep lasts a second at most, so only those of the neighbouring seconds can reach into these samples.
        for second in grid.second_near(start, self.rate) - 2..=grid.second_near(end, self.rate) + 1 {
            let begin = grid.sample_of(second, self.rate);
            let (from, to) = (begin.max(start), (begin + i64::from(self.beep)).min(end));
            if from >= to {
                continue;
            }
            let label = grid.place(grid.frame_of(second)).label;
            for sample in from..to {
                let value = self.value(label, sample - begin);
                for (channel, plane) in (0i64..).zip(&mut planes) {
                    let sounds = !self.alter || label.rem_euclid(i64::from(self.channels)) == channel;
                    if let Some(place) = plane.get_mut((sample - start) as usize).filter(|_| sounds) {
                        *place = value;
                    }
                }
            }
        }
        planes
    }

    /// Sample `offset` of the beep of the second called `label`: a sine under a triangle.
    fn value(&self, label: i64, offset: i64) -> f32 {
        let hertz = match label {
            tenth if tenth.rem_euclid(10) == 0 => 2 * i64::from(self.freq),
            odd if odd.rem_euclid(2) == 1 => i64::from(self.freq2),
            _ => i64::from(self.freq),
        };
        let envelope = 1.0 - (2.0 * offset as f64 / f64::from(self.beep) - 1.0).abs();
        (PEAK * envelope * (TAU * hertz as f64 * offset as f64 / f64::from(self.rate)).sin()) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: Sound = Sound { rate: 44_100, channels: 1, alter: false, freq: 440, freq2: 659, beep: 2205 };

    /// First and last audible sample of each beep in the first `seconds`, made in runs of `len`.
    fn beeps(sound: &Sound, grid: &Grid, seconds: u64, len: usize) -> Vec<(u64, u64, u32)> {
        let mut found: Vec<(u64, u64, u32)> = Vec::new();
        let mut start = 0;
        let mut before = 0f32;
        while start < seconds * u64::from(sound.rate) {
            let planes = sound.samples(grid, start, len);
            for (index, value) in (start..seconds * u64::from(sound.rate)).zip(&planes[0]) {
                if value.abs() > 1e-6 {
                    match found.last_mut() {
                        Some(last) if index - last.1 < 500 => {
                            last.1 = index;
                            last.2 += u32::from(before.signum() != value.signum());
                        }
                        _ => found.push((index, index, 0)),
                    }
                    before = *value;
                }
            }
            start += len as u64;
        }
        found
    }

    #[test]
    fn a_beep_each_second_and_silence_between() {
        let grid = Grid::media(25, 1);
        let found = beeps(&SOUND, &grid, 12, 1024);
        assert_eq!(found.len(), 12);
        for (second, (first, last, _)) in (0..).zip(&found) {
            assert!(first - second * 44_100 <= 1, "{found:?}");
            assert!(last - first > 2190 && last - first <= 2205, "{found:?}");
        }
        // Zero crossings tell the pitch: 2 x 440 at seconds 0 and 10, 659 on odd seconds, 440 on even ones.
        let crossings: Vec<u32> = found.iter().map(|beep| beep.2).collect();
        for (second, crossings) in crossings.iter().enumerate() {
            let hertz = if second % 10 == 0 { 880.0 } else { [440.0, 659.0][second % 2] };
            assert!((f64::from(*crossings) - hertz * 0.1).abs() <= 2.0, "second {second}: {crossings}");
        }
    }

    #[test]
    fn the_length_of_the_runs_does_not_matter() {
        let grid = Grid::media(30_000, 1001);
        assert_eq!(beeps(&SOUND, &grid, 4, 1024), beeps(&SOUND, &grid, 4, 333));
        let whole = SOUND.samples(&grid, 0, 100_000);
        let parts: Vec<f32> = (0..100).flat_map(|part| SOUND.samples(&grid, part * 1000, 1000).remove(0)).collect();
        assert_eq!(whole[0], parts);
    }

    #[test]
    fn a_moving_beep_sounds_in_one_channel_at_a_time() {
        let sound = Sound { channels: 2, alter: true, ..SOUND };
        for second in 0..4u64 {
            let planes = sound.samples(&Grid::media(25, 1), second * 44_100, 2000);
            let loud: Vec<bool> = planes.iter().map(|plane| plane.iter().any(|value| *value != 0.0)).collect();
            assert_eq!(loud, [second % 2 == 0, second % 2 == 1]);
        }
    }
}
