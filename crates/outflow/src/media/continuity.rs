//! The time of one connection or recording: zero at its first entry point, and never back, whichever stream it is that
//! goes on there.

use super::Kind;

/// A step from one stream to the next where none is known, in milliseconds.
const USUAL: i64 = 40;
/// The longest step between two streams.
const LONGEST: i64 = 100;

/// Gives each packet of a stream its time for one reader, and keeps that time going over a change of the stream.
#[derive(Debug, Default)]
pub struct Continuity {
    /// The stream's time that is zero for the reader.
    base: Option<i64>,
    /// The latest time given.
    last: i64,
    /// The time of the latest picture, and the step that led to it.
    video: Step,
    audio: Step,
}

#[derive(Debug, Default)]
struct Step {
    last: Option<i64>,
    step: Option<i64>,
}

impl Step {
    fn to(&mut self, time: i64) {
        if let Some(last) = self.last.replace(time)
            && time > last
        {
            self.step = Some(time - last);
        }
    }
}

impl Continuity {
    /// True once there was an entry point.
    pub fn has_begun(&self) -> bool {
        self.base.is_some()
    }

    /// The time of an entry point; zero for the first.
    pub fn enter(&mut self, dts: i64) -> i64 {
        dts - *self.base.get_or_insert(dts)
    }

    /// Another stream goes on at its entry point with this time: one frame after the latest that was given, for all its
    /// tracks.
    pub fn take_over(&mut self, dts: i64) {
        if self.base.is_none() {
            return;
        }
        let step = self.video.step.or(self.audio.step).unwrap_or(USUAL).clamp(1, LONGEST);
        self.base = Some(dts - (self.last + step));
        // What lies between the streams is no frame's length.
        (self.video.last, self.audio.last) = (None, None);
    }

    /// The time of a packet, `None` before the first entry point. To be asked once for each packet that goes out.
    pub fn time(&mut self, kind: Kind, dts: i64) -> Option<i64> {
        let time = dts - self.base?;
        match kind {
            Kind::Video => self.video.to(time),
            Kind::Audio => self.audio.to(time),
            Kind::Data => {}
        }
        self.last = self.last.max(time);
        Some(time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_stream_goes_on_one_frame_after_all_that_went_out() {
        let mut time = Continuity::default();
        assert_eq!((time.time(Kind::Audio, 5), time.has_begun()), (None, false));
        time.take_over(7_000);
        assert_eq!(time.enter(1000), 0, "the first stream begins at zero");
        for (kind, dts, out) in [(Kind::Video, 1000, 0), (Kind::Audio, 1010, 10), (Kind::Video, 1033, 33)] {
            assert_eq!(time.time(kind, dts), Some(out));
        }
        assert_eq!(time.time(Kind::Audio, 1040), Some(40));
        // Far ahead, and then far behind.
        for (first, out) in [(1 << 40, 73), (-5_000_000, 73 + 33 + 33)] {
            time.take_over(first);
            assert_eq!(time.enter(first), out);
            assert_eq!(time.time(Kind::Video, first), Some(out));
            assert_eq!(time.time(Kind::Audio, first + 1), Some(out + 1), "one offset for both");
            assert_eq!(time.time(Kind::Video, first + 33), Some(out + 33));
        }
        assert_eq!(time.enter(-5_000_000 + 900), 73 + 66 + 900, "a skip keeps the base");
    }

    #[test]
    fn the_step_between_two_streams_is_bounded() {
        let mut time = Continuity::default();
        time.enter(0);
        time.take_over(500);
        assert_eq!(time.enter(500), USUAL, "nothing is known of the first");
        let _ = (time.time(Kind::Video, 500), time.time(Kind::Video, 500 + 4000));
        time.take_over(0);
        assert_eq!(time.enter(0), USUAL + 4000 + LONGEST, "one picture every four seconds");
        let _ = (time.time(Kind::Data, 0), time.time(Kind::Data, 0));
        time.take_over(0);
        assert_eq!(time.enter(0), USUAL + 4000 + 2 * LONGEST);
        let mut sound = Continuity::default();
        sound.enter(0);
        let _ = (sound.time(Kind::Audio, 0), sound.time(Kind::Audio, 23));
        sound.take_over(9);
        assert_eq!(sound.enter(9), 46);
    }
}
