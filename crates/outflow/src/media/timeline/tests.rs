//! What happens to time when sources wrap, jump, go back, leave and return.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::media::Flags;

struct Source {
    begin: Instant,
    timeline: Timeline,
}

impl Source {
    fn new() -> Self {
        let mut timeline = Timeline::default();
        timeline.start(Some(true), Some(true), true);
        Self { begin: Instant::now(), timeline }
    }

    /// Pushes one packet `at` milliseconds after the beginning; the times that came out.
    fn push(&mut self, kind: Kind, dts: i64, at: u64) -> Vec<(Kind, i64)> {
        self.push_flagged(kind, dts, at, Flags::default())
    }

    fn push_flagged(&mut self, kind: Kind, dts: i64, at: u64, flags: Flags) -> Vec<(Kind, i64)> {
        let arrival = self.begin + Duration::from_millis(at);
        let packet = Packet { kind, track: 0, dts, cts: 0, flags, body: Bytes::new(), arrival };
        let mut out = Vec::new();
        self.timeline.push(packet, &mut out);
        out.into_iter().map(|packet| (packet.kind, packet.dts)).collect()
    }
}

use Kind::{Audio, Data, Video};

#[test]
fn a_source_begins_at_zero_with_one_offset_for_both_tracks() {
    let mut source = Source::new();
    let header = Flags { header: true, ..Flags::default() };
    assert!(source.push_flagged(Video, 0, 0, header).is_empty());
    assert!(source.push(Video, 20_000_023, 0).is_empty(), "held until audio is seen");
    assert_eq!(source.push(Audio, 20_000_000, 1), [(Video, 0), (Video, 23), (Audio, 0)]);
    assert_eq!(source.push(Video, 20_000_063, 40), [(Video, 63)]);
}

#[test]
fn a_source_without_audio_is_not_held_for_long() {
    let mut source = Source::new();
    assert!(source.push(Video, 500, 0).is_empty());
    assert_eq!(source.push(Video, 800, 300), [(Video, 0), (Video, 300)]);
}

#[test]
fn a_returning_source_goes_on_where_the_last_one_ended() {
    let mut source = Source::new();
    source.push(Video, 0, 0);
    source.push(Audio, 0, 0);
    source.push(Video, 40, 40);
    source.push(Audio, 21, 40);
    source.timeline.start(Some(true), Some(true), true);
    source.push(Audio, 9_000_010, 5_000);
    assert_eq!(source.push(Video, 9_000_000, 5_000), [(Audio, 90), (Video, 80)]);
}

#[test]
fn one_packet_out_of_order_is_pushed_on_and_counted() {
    let mut source = Source::new();
    source.push(Video, 0, 0);
    source.push(Audio, 0, 0);
    assert_eq!(source.push(Audio, 50, 50), [(Audio, 50)]);
    assert_eq!(source.push(Audio, 30, 60), [(Audio, 51)]);
    assert_eq!(source.push(Audio, 70, 80), [(Audio, 70)], "later steps are untouched");
    assert_eq!(source.timeline.jumps(), 1);
}

#[test]
fn a_jump_moves_both_tracks_by_one_offset() {
    for jump in [3_600_000, -3_000] {
        let mut source = Source::new();
        source.push(Video, 10_000, 0);
        source.push(Audio, 10_000, 0);
        source.push(Video, 10_040, 40);
        source.push(Audio, 10_020, 40);
        assert_eq!(source.push(Video, 10_080 + jump, 80), [(Video, 80)]);
        // Audio that was sent before the jump still counts by the old offset ...
        assert_eq!(source.push(Audio, 10_040, 81), [(Audio, 40)]);
        // ... and jumps with the same new one.
        assert_eq!(source.push(Audio, 10_080 + jump, 90), [(Audio, 80)]);
        assert_eq!(source.push(Video, 10_120 + jump, 120), [(Video, 120)]);
    }
}

#[test]
fn a_real_pause_is_no_jump() {
    let mut source = Source::new();
    source.push(Video, 0, 0);
    source.push(Audio, 0, 0);
    assert_eq!(source.push(Video, 30_000, 30_000), [(Video, 30_000)]);
    assert_eq!(source.timeline.jumps(), 0);
}

#[test]
fn headers_stamped_zero_do_not_pull_time_back() {
    let mut source = Source::new();
    source.push(Video, 0, 0);
    source.push(Audio, 0, 0);
    source.push(Video, 60_000, 60_000);
    let header = Flags { header: true, ..Flags::default() };
    assert_eq!(source.push_flagged(Video, 0, 60_001, header), [(Video, 60_000)]);
    assert_eq!(source.push_flagged(Audio, 0, 60_001, header), [(Audio, 60_000)]);
    assert_eq!(source.push(Audio, 60_010, 60_010), [(Audio, 60_010)]);
}

fn unwrapped(unwrapper: &mut Unwrapper, kind: Kind, header: bool, timestamp: u32) -> i64 {
    let flags = Flags { header, ..Flags::default() };
    let mut packet = Packet { kind, track: 0, dts: 0, cts: 0, flags, body: Bytes::new(), arrival: Instant::now() };
    unwrapper.unwrap(&mut packet, timestamp);
    packet.dts
}

#[test]
fn thirty_two_bits_unwrap_in_both_directions() {
    let mut unwrapper = Unwrapper::default();
    let mut unwrap = |timestamp| unwrapped(&mut unwrapper, Video, false, timestamp);
    assert_eq!(unwrap(u32::MAX - 9), i64::from(u32::MAX) - 9);
    assert_eq!(unwrap(10), i64::from(u32::MAX) + 11);
    assert_eq!(unwrap(u32::MAX), i64::from(u32::MAX));
}

#[test]
fn headers_stamped_zero_and_other_tracks_do_not_pull_an_unwrapped_clock_around() {
    let half = 1 << 31;
    let mut unwrapper = Unwrapper::default();
    assert_eq!(unwrapped(&mut unwrapper, Video, true, 0), 0);
    for step in 0..10 {
        let time: u32 = half - 200 + step * 40;
        assert_eq!(unwrapped(&mut unwrapper, Video, false, time), i64::from(time), "no turn of 2^32");
        unwrapped(&mut unwrapper, Video, true, 0);
        unwrapped(&mut unwrapper, Data, false, 0);
        let other = unwrapped(&mut unwrapper, Audio, false, time.wrapping_add(half - 1 + step % 3));
        assert!((other - i64::from(time) - i64::from(half)).abs() <= 1, "{other}");
    }
}

proptest! {
    #[test]
    fn no_track_ever_goes_back(steps in proptest::collection::vec((any::<bool>(), any::<u32>(), 0u64..5_000, any::<u8>()), 1..300)) {
        let mut source = Source::new();
        let mut last = Few::default();
        let mut at = 0;
        let mut unwrapper = Unwrapper::default();
        for (audio, timestamp, passed, event) in steps {
            at += passed;
            if event == 0 {
                source.timeline.start(None, None, true);
            }
            let kind = if audio { Audio } else { Video };
            let flags = Flags { header: event % 16 == 1, ..Flags::default() };
            for (kind, time) in source.push_flagged(kind, unwrapped(&mut unwrapper, kind, flags.header, timestamp), at, flags) {
                let before = last.insert(kind, time).unwrap_or(0);
                prop_assert!(time >= before, "{kind:?} went from {before} to {time}");
            }
        }
    }
}

proptest! {
    #[test]
    fn of_two_frames_of_a_track_one_is_later(
        steps in proptest::collection::vec((any::<bool>(), any::<u32>(), 0u64..100, any::<bool>()), 1..300)
    ) {
        let mut source = Source::new();
        let mut last = Few::default();
        let mut at = 0;
        let mut time = 0u32;
        let mut unwrapper = Unwrapper::default();
        for (audio, jump, passed, regular) in steps {
            at += passed;
            time = if regular { time.wrapping_add(jump % 64) } else { jump };
            let kind = if audio { Audio } else { Video };
            for (kind, time) in source.push(kind, unwrapped(&mut unwrapper, kind, false, time), at) {
                let before = last.insert(kind, time).unwrap_or(-1);
                prop_assert!(time > before, "{kind:?} went from {before} to {time}");
            }
        }
    }
}

mod jumps;
mod standing;
