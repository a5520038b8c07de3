//! The time of one connection or recording: zero at its first entry point, and never back, whichever stream it is that
//! goes on there.

use super::{Kind, Packet};

/// A step from one stream to the next where none is known, in milliseconds.
const USUAL: i64 = 40;
/// The longest step between two streams ...
const LONGEST: i64 = 100;
/// ... and the longest where pictures of the old one are shown long after they are sent.
const LONGEST_SHOWN: i64 = 500;

/// Gives each packet of a stream its time for one reader, and keeps that time going over a change of the stream.
#[derive(Debug, Default)]
pub struct Continuity {
    /// The stream's time that is zero for the reader.
    base: Option<i64>,
    /// The latest time given.
    last: i64,
    /// When the latest picture is shown: a picture may be sent before others that are shown earlier.
    shown: i64,
    /// The time of the latest picture, and the step that led to it.
    video: Step,
    audio: Step,
    /// A bit for each track of video that has had no key frame since the last entry point.
    waiting: [u64; 4],
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

    /// From here on each track of video waits for a key frame of its own: an entry point is one of the main track, and the
    /// others may have theirs at other times.
    pub fn await_key_frames(&mut self) {
        self.waiting = [u64::MAX; 4];
    }

    /// True if [`Continuity::time`] has one for it: not before the first entry point, nor for a picture that can't be
    /// decoded, as its track has had no key frame yet.
    pub fn takes(&self, packet: &Packet) -> bool {
        let is_picture = packet.kind == Kind::Video && !packet.flags.header;
        let waiting = self.waiting.get(usize::from(packet.track >> 6)).copied().unwrap_or_default();
        let waits = is_picture && !packet.flags.keyframe && waiting & (1 << (packet.track & 63)) != 0;
        self.base.is_some() && !waits
    }

    /// True if all pictures of the main track are taken: it has had its key frame.
    pub fn shows_main(&self) -> bool {
        self.base.is_some() && self.waiting.first().is_some_and(|tracks| tracks & 1 == 0)
    }

    /// Was asked for the same packets as this other one since it was asked last, or told so: those of the main track, sound and data.
    pub fn go_along(&mut self, other: &Self) {
        let (Some(base), Some(theirs)) = (self.base, other.base) else { return };
        let shift = theirs - base;
        self.last = self.last.max(other.last + shift);
        self.shown = self.shown.max(other.shown + shift);
        for (step, other) in [(&mut self.video, &other.video), (&mut self.audio, &other.audio)] {
            // Where the other has seen no step yet it has seen one packet at most.
            other.last.into_iter().for_each(|last| step.to(last + shift));
            step.step = other.step.or(step.step);
        }
    }

    /// Another stream goes on at this entry point: one frame after the latest time that was given, or so much later that it
    /// is shown after the old one's last picture. All its tracks move alike.
    pub fn take_over(&mut self, entry: &Packet) {
        if self.base.is_none() {
            return;
        }
        let step = self.video.step.or(self.audio.step).unwrap_or(USUAL).clamp(1, LONGEST);
        let shown = self.shown + step - i64::from(entry.cts);
        let begin = shown.min(self.last + LONGEST_SHOWN).max(self.last + step);
        self.base = Some(entry.dts - begin);
        // What lies between the streams is no frame's length.
        (self.video.last, self.audio.last) = (None, None);
    }

    /// The time of a packet, `None` before the first entry point, and for pictures of a track before its key frame. To be
    /// asked once for each packet that goes out.
    pub fn time(&mut self, packet: &Packet) -> Option<i64> {
        let time = packet.dts - self.base?;
        if !self.takes(packet) {
            return None;
        }
        match packet.kind {
            Kind::Video => {
                if packet.flags.keyframe
                    && !packet.flags.header
                    && let Some(waiting) = self.waiting.get_mut(usize::from(packet.track >> 6))
                {
                    *waiting &= !(1 << (packet.track & 63));
                }
                self.video.to(time);
                self.shown = self.shown.max(time + i64::from(packet.cts));
            }
            Kind::Audio => self.audio.to(time),
            Kind::Data => {}
        }
        self.last = self.last.max(time);
        Some(time)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn packet(kind: Kind, dts: i64, cts: i32) -> Packet {
        let (flags, body, arrival) = (Default::default(), Default::default(), Instant::now());
        Packet { kind, track: 0, dts, cts, flags, body, arrival }
    }

    fn video(dts: i64) -> Packet {
        packet(Kind::Video, dts, 0)
    }

    fn audio(dts: i64) -> Packet {
        packet(Kind::Audio, dts, 0)
    }

    #[test]
    fn another_stream_goes_on_one_frame_after_all_that_went_out() {
        let mut time = Continuity::default();
        assert_eq!((time.time(&audio(5)), time.has_begun()), (None, false));
        time.take_over(&video(7_000));
        assert_eq!(time.enter(1000), 0, "the first stream begins at zero");
        for (packet, out) in [(video(1000), 0), (audio(1010), 10), (video(1033), 33), (audio(1040), 40)] {
            assert_eq!(time.time(&packet), Some(out));
        }
        // Far ahead, and then far behind.
        for (first, out) in [(1 << 40, 73), (-5_000_000, 73 + 33 + 33)] {
            time.take_over(&video(first));
            assert_eq!(time.enter(first), out);
            assert_eq!(time.time(&video(first)), Some(out));
            assert_eq!(time.time(&audio(first + 1)), Some(out + 1), "one offset for both");
            assert_eq!(time.time(&video(first + 33)), Some(out + 33));
        }
        assert_eq!(time.enter(-5_000_000 + 900), 73 + 66 + 900, "a skip keeps the base");
    }

    #[test]
    fn a_second_track_of_video_waits_for_a_key_frame_of_its_own() {
        let on = |track: u8, dts: i64, keyframe: bool| {
            let mut packet = Packet { track, ..video(dts) };
            packet.flags.keyframe = keyframe;
            packet
        };
        let header = |track: u8, dts: i64| {
            let mut packet = on(track, dts, false);
            packet.flags.header = true;
            packet
        };
        let mut time = Continuity::default();
        for join in [1000, 9000] {
            time.enter(join);
            time.await_key_frames();
            let out = |time: &mut Continuity, packet: &Packet| time.time(packet).is_some();
            assert!(out(&mut time, &on(0, join, true)));
            for track in [1, 63, 64, 255] {
                assert!(out(&mut time, &header(track, join)), "headers go out");
                assert!(!out(&mut time, &on(track, join, false)), "track {track} can't be decoded yet");
                assert!(out(&mut time, &on(track, join + 40, true)) && out(&mut time, &on(track, join + 80, false)));
            }
            assert!(out(&mut time, &on(0, join + 40, false)) && out(&mut time, &audio(join + 40)));
            assert!(!out(&mut time, &on(2, join + 80, false)), "one that began later");
        }
    }

    #[test]
    fn who_went_along_goes_on_like_one_that_was_asked_each_time() {
        let begin = || {
            let mut time = Continuity::default();
            time.enter(1000);
            time.await_key_frames();
            assert!(!time.shows_main(), "a picture that nobody could decode");
            let mut first = packet(Kind::Video, 1000, 80);
            first.flags.keyframe = true;
            let _ = (time.time(&first), time.time(&audio(1003)));
            assert!(time.shows_main());
            time
        };
        let (mut asked, mut went, mut log) = (begin(), begin(), Continuity::default());
        log.enter(1026);
        for more in [vec![audio(1026)], vec![packet(Kind::Video, 1040, 200), video(1080), audio(1049)], vec![]] {
            for packet in &more {
                let _ = (asked.time(packet), log.time(packet));
            }
            went.go_along(&log);
            let all = |time: &Continuity| format!("{time:?}");
            assert_eq!(all(&asked), all(&went));
        }
        assert!(!Continuity::default().shows_main(), "not begun");
    }

    #[test]
    fn the_step_between_two_streams_is_bounded() {
        let mut time = Continuity::default();
        time.enter(0);
        time.take_over(&video(500));
        assert_eq!(time.enter(500), USUAL, "nothing is known of the first");
        let _ = (time.time(&video(500)), time.time(&video(500 + 4000)));
        time.take_over(&video(0));
        assert_eq!(time.enter(0), USUAL + 4000 + LONGEST, "one picture every four seconds");
        let _ = (time.time(&packet(Kind::Data, 0, 0)), time.time(&packet(Kind::Data, 0, 0)));
        time.take_over(&video(0));
        assert_eq!(time.enter(0), USUAL + 4000 + 2 * LONGEST);
        let mut sound = Continuity::default();
        sound.enter(0);
        let _ = (sound.time(&audio(0)), sound.time(&audio(23)));
        sound.take_over(&audio(9));
        assert_eq!(sound.enter(9), 46);
    }

    #[test]
    fn the_new_streams_first_picture_is_shown_after_the_old_ones_last() {
        let mut time = Continuity::default();
        time.enter(0);
        for (dts, cts) in [(0, 80), (40, 200), (80, 80)] {
            let _ = time.time(&packet(Kind::Video, dts, cts));
        }
        // The second is shown at 240.
        time.take_over(&packet(Kind::Video, 9_000, 80));
        assert_eq!(time.enter(9_000), 200);
        let _ = time.time(&packet(Kind::Video, 9_000, i32::MAX));
        time.take_over(&packet(Kind::Video, 0, i32::MIN));
        assert_eq!(time.enter(0), 200 + LONGEST_SHOWN, "within reason");
    }
}
