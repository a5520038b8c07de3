//! Clocks that jump: alone, together, by as much as is just allowed, again and again. Whatever they do, audio and video
//! stay together, or come together again.

use super::*;

/// A publisher in real time, a video frame each 40 ms and an audio frame each 20 ms, whose two clocks can be set.
struct Live {
    source: Source,
    /// Real milliseconds.
    now: i64,
    /// What the source's clocks add to that: video, audio.
    clocks: [i64; 2],
    /// How late audio comes behind video of the same time.
    audio_late: i64,
    out: [Vec<(i64, i64)>; 2],
}

impl Live {
    fn new() -> Self {
        Self { source: Source::new(), now: 0, clocks: [20_000_000; 2], audio_late: 3, out: Default::default() }
    }

    fn sends(&mut self, kind: Kind, due: i64, at: i64) {
        let clock = self.clocks[usize::from(kind == Audio)];
        for (kind, time) in self.source.push(kind, due + clock, at.unsigned_abs()) {
            self.out[usize::from(kind == Audio)].push((due, time));
        }
    }

    /// So many milliseconds of both, or of one kind.
    fn run(&mut self, millis: i64, kinds: &[Kind]) {
        let end = self.now + millis;
        while self.now < end {
            if self.now % 40 == 0 && kinds.contains(&Video) {
                self.sends(Video, self.now, self.now);
            }
            if kinds.contains(&Audio) {
                self.sends(Audio, self.now, self.now + self.audio_late);
            }
            self.now += 20;
        }
    }

    fn both(&mut self, millis: i64) {
        self.run(millis, &[Video, Audio]);
    }

    fn last(&self) -> [i64; 2] {
        [0, 1].map(|kind| self.out[kind].last().unwrap().1)
    }

    /// How much later than it was due audio is, compared with video: 0 is as it was sent.
    fn apart(&self) -> i64 {
        let moved = |kind: usize| self.out[kind].last().map(|(due, time)| time - due).unwrap();
        moved(1) - moved(0)
    }

    /// Checks steps so far: always ahead, never by more than `longest`.
    fn steps(&self, longest: i64) {
        for track in &self.out {
            for pair in track.windows(2) {
                let step = pair[1].1 - pair[0].1;
                assert!((1..=longest).contains(&step), "a step of {step} ms from {:?} to {:?}", pair[0], pair[1]);
            }
        }
    }
}

#[test]
fn a_track_that_jumps_alone_again_and_again_leaves_the_other_alone() {
    for jump in [3_600_000, -3_600_000] {
        for track in [0, 1] {
            let mut live = Live::new();
            live.both(1_000);
            for _ in 0..3 {
                live.clocks[track] += jump;
                live.both(1_000);
            }
            live.steps(40);
            assert!(live.apart().abs() <= 3, "{} ms", live.apart());
            live.clocks[track] -= 3 * jump;
            live.both(1_000);
            live.steps(40);
            assert_eq!(live.apart(), 0, "exactly as before");
        }
    }
}

#[test]
fn tracks_stay_together_in_jumps_about_as_large_as_is_just_allowed() {
    for around in [-BACK, AHEAD] {
        for near in -60..=60 {
            for audio_late in [-5, 0, 7, 15] {
                let mut live = Live::new();
                live.both(2_000);
                live.audio_late = audio_late;
                live.clocks = live.clocks.map(|clock| clock + around + near);
                live.both(4_000);
                live.steps(AHEAD + 100);
                assert!(live.apart().abs() <= 3, "{around}{near:+}, audio {audio_late}: {} ms apart", live.apart());
            }
        }
    }
}

#[test]
fn small_steps_of_both_clocks_keep_them_together() {
    for jump in [250, -250, -900, 3_000, 9_000] {
        let mut live = Live::new();
        live.both(2_000);
        live.clocks = live.clocks.map(|clock| clock + jump);
        live.both(4_000);
        live.steps(jump.max(0) + 81);
        assert_eq!(live.apart(), 0, "{jump}");
    }
}

#[test]
fn a_clock_that_goes_round_within_a_second_goes_on() {
    let mut live = Live::new();
    for _ in 0..12 {
        live.both(920);
        live.clocks = live.clocks.map(|clock| clock - 920);
    }
    let last = live.last();
    assert!(last[0] > 10_500 && last[1] > 10_500, "after 11 s time is {last:?}");
    live.steps(100);
    assert!(live.apart().abs() <= 3, "{} ms", live.apart());
}

#[test]
fn one_frame_back_each_second_keeps_both_together() {
    let mut live = Live::new();
    live.both(1_000);
    for _ in 0..5 {
        live.clocks = live.clocks.map(|clock| clock - 40);
        live.both(1_000);
    }
    live.steps(81);
    assert_eq!(live.apart(), 0);
    // Each frame takes 40 ms: audio goes back by 20 ms, video stands still.
    assert!((5..=15).contains(&live.source.timeline.jumps()), "{}", live.source.timeline.jumps());
}

#[test]
fn a_clock_that_stands_still_is_taken_from_ours() {
    for catches_up in [0, 3_000] {
        let mut live = Live::new();
        live.both(1_000);
        for _ in 0..150 {
            live.clocks = live.clocks.map(|clock| clock - 20);
            live.both(20);
        }
        live.steps(81);
        live.clocks = live.clocks.map(|clock| clock + catches_up);
        live.both(1_000);
        live.steps(81);
        let last = live.last();
        assert!(last.iter().all(|last| (last - 4_980).abs() <= 80), "after 5 s time is {last:?}");
        assert_eq!(live.apart(), 0);
        assert!((1..=3).contains(&live.source.timeline.jumps()), "{}", live.source.timeline.jumps());
    }
}

#[test]
fn a_clock_that_never_runs_is_taken_from_ours() {
    let mut live = Live::new();
    for _ in 0..3_000 {
        live.both(20);
        live.clocks = live.clocks.map(|clock| clock - 20);
    }
    let last = live.last();
    assert!(last.iter().all(|last| (last - 59_980).abs() <= 80), "after a minute time is {last:?}");
    live.steps(81);
}

#[test]
fn a_track_whose_clock_alone_stands_still_is_taken_from_ours() {
    for track in [0, 1] {
        for catches_up in [true, false] {
            let mut live = Live::new();
            live.both(1_000);
            for _ in 0..750 {
                live.clocks[track] -= 20;
                live.both(20);
                assert!(live.apart().abs() <= 80, "{track}: {} ms apart", live.apart());
            }
            live.clocks[track] += if catches_up { 15_000 } else { 0 };
            live.both(1_000);
            live.steps(81);
            let last = live.last();
            assert!(last.iter().all(|last| (last - 16_980).abs() <= 60), "{track}: after 17 s time is {last:?}");
            assert!(live.apart().abs() <= if catches_up { 0 } else { 40 }, "{track}: {} ms apart", live.apart());
        }
    }
}

#[test]
fn a_clock_that_runs_in_leaps_is_filled_up_with_ours() {
    for leap in [100, 200, 500, 1_000, 2_000, 12_000] {
        for both in [true, false] {
            let mut live = Live::new();
            let begin = live.clocks[0];
            for _ in 0..1_200 {
                let clock = begin - live.now % leap;
                live.clocks = [clock, if both { clock } else { begin }];
                live.both(20);
                assert!(live.apart().abs() <= 80, "{leap}: {} ms apart", live.apart());
            }
            live.clocks = [begin; 2];
            live.both(1_000);
            live.steps(121);
            assert_eq!(live.last(), [24_960, 24_980], "{leap}");
        }
    }
}

#[test]
fn a_picture_that_is_cut_short_by_a_clock_that_stops_is_no_measure_for_those_after_it() {
    let mut live = Live::new();
    let begin = live.clocks[0];
    live.both(1_000);
    for _ in 0..150 {
        live.clocks[0] = begin + (977 - live.now);
        live.both(20);
        assert!(live.apart().abs() <= 40, "{} ms apart", live.apart());
    }
    live.clocks[0] = begin;
    live.both(1_000);
    assert_eq!(live.last(), [4_960, 4_980]);
    live.steps(81);
}

#[test]
fn packets_that_come_late_do_not_make_a_clock_that_runs_in_leaps_drift() {
    for leap in [100, 200, 1_000, 3_000] {
        let mut live = Live::new();
        let begin = live.clocks[0];
        let mut at = 0;
        for n in 0..3_000 {
            live.clocks = [begin - live.now % leap; 2];
            at = at.max(live.now + n * 7_919 % 61);
            if live.now % 40 == 0 {
                live.sends(Video, live.now, at);
            }
            live.sends(Audio, live.now, at);
            live.now += 20;
        }
        let last = live.last();
        assert!(last.iter().all(|last| (last - 59_980).abs() <= 150), "{leap}: after a minute time is {last:?}");
        assert!(live.apart().abs() <= 80, "{leap}: {} ms apart", live.apart());
        live.steps(200);
    }
}

#[test]
fn a_clock_that_stood_still_and_skips_leaves_what_it_skips() {
    let mut live = Live::new();
    live.both(1_000);
    for _ in 0..150 {
        live.clocks = live.clocks.map(|clock| clock - 20);
        live.both(20);
    }
    live.clocks = live.clocks.map(|clock| clock + 8_000);
    live.both(1_000);
    assert_eq!(live.last(), [9_960, 9_980]);
    live.steps(5_081);
}

#[test]
fn packets_that_share_their_time_are_a_millisecond_apart() {
    let mut source = Source::new();
    source.push(Video, 0, 0);
    source.push(Audio, 0, 0);
    for group in 1..50 {
        let at = 60 * group;
        let came: Vec<_> = (0..3).map(|_| source.push(Audio, at, at.unsigned_abs())[0].1).collect();
        assert_eq!(came, [at, at + 1, at + 2]);
    }
    assert_eq!(source.timeline.jumps(), 0);
}

#[test]
fn tracks_with_clocks_of_their_own_begin_together() {
    for clocks in [[0, 20_000_000], [20_000_000, 0], [0, 3_000_000_000], [1 << 40, 0]] {
        for audio_late in [-5, 5] {
            let mut live = Live::new();
            (live.clocks, live.audio_late, live.now) = (clocks, audio_late, 40);
            live.both(2_000);
            live.steps(40);
            assert!(live.out.iter().all(|track| track[0].1 <= 5), "they begin at {:?}", live.out.map(|track| track[0]));
            assert!(live.apart().abs() <= 20);
        }
    }
}

#[test]
fn a_track_with_a_clock_of_its_own_that_comes_later_begins_where_the_other_is() {
    let mut live = Live::new();
    live.clocks = [0, 20_000_000];
    live.run(60_000, &[Video]);
    live.both(2_000);
    let first = live.out[1][0].1;
    assert!((first - 60_000).abs() <= 40, "audio begins at {first}");
    assert!(live.apart().abs() <= 40);
    live.steps(40);
}

#[test]
fn a_track_that_was_silent_while_the_clock_jumped_returns_where_the_other_is() {
    for jumps in [vec![3_600_000], vec![-3_000], vec![3_600_000, 3_600_000], vec![-3_600_000, 7_200_000]] {
        let mut live = Live::new();
        live.both(2_000);
        for jump in &jumps {
            live.run(30_000, &[Video]);
            live.clocks = live.clocks.map(|clock| clock + jump);
            live.run(20_000, &[Video]);
        }
        live.both(2_000);
        assert!(live.apart().abs() <= 40, "{jumps:?}: {} ms", live.apart());
    }
}

#[test]
fn a_header_after_a_pause_is_no_jump() {
    let mut live = Live::new();
    live.both(2_000);
    live.now += 30_000;
    let header = Flags { header: true, ..Flags::default() };
    let at = live.now.unsigned_abs();
    live.source.push_flagged(Video, live.now + live.clocks[0], at, header);
    live.both(2_000);
    assert_eq!(live.source.timeline.jumps(), 0);
    assert_eq!(live.apart(), 0);
    live.steps(30_100);
}

#[test]
fn a_header_stamped_zero_does_not_move_the_frame_after_it() {
    let mut live = Live::new();
    live.both(2_000);
    // Audio is ahead of video, as in many muxers.
    live.run(400, &[Audio]);
    live.now -= 400;
    let header = Flags { header: true, ..Flags::default() };
    live.source.push_flagged(Video, 0, 2_000, header);
    live.run(400, &[Video]);
    assert_eq!(live.apart(), 0);
    assert_eq!(live.out[0].iter().map(|(due, time)| time - due).max(), Some(0));
}

#[test]
fn a_track_that_returns_a_little_behind_goes_back_to_the_others_all_the_same() {
    let mut live = Live::new();
    live.both(1_000);
    live.clocks = [live.clocks[0] - 40, live.clocks[1] - 40 + 3_600_000];
    live.both(1_000);
    live.clocks = [live.clocks[0] - 40, live.clocks[1] - 40 - 3_600_000];
    live.both(1_000);
    assert_eq!(live.apart(), 0);
    live.steps(81);
}

#[test]
fn pictures_that_are_shown_before_others_stay_before_them() {
    let faults: [fn(i64) -> i64; 4] =
        [|_| 0, |n| (n - 50).clamp(0, 75) * -40, |n| (n / 25) * -40, |n| if n >= 51 { -250 } else { 0 }];
    for (fault, clock) in faults.into_iter().enumerate() {
        let mut live = Live::new();
        let begin = live.clocks;
        for n in 0..200 {
            live.clocks = begin.map(|begin| begin + clock(n));
            live.both(40);
        }
        // Sent as P B P B: each B is shown at its own time, and the P before it two frames later than it is sent.
        let sent: Vec<_> = live.out[0].iter().map(|(_, time)| *time).collect();
        let shown: Vec<_> = sent.chunks_exact(2).flat_map(|pair| [pair[1], pair[0] + 80]).collect();
        for pair in shown.windows(2) {
            assert!(pair[0] < pair[1], "{fault}: a picture at {} is shown after one at {}", pair[1], pair[0]);
        }
        assert!(live.apart().abs() <= 3, "{fault}: {} ms apart", live.apart());
    }
}
