//! Clocks that stand still while pictures are sent before others that are shown earlier, on machines that are busy: packets
//! come late, and then many at once.

use super::pictures::Pictures;
use super::*;

/// In what order pictures are sent, again and again: by how many frames later than it is sent each is shown.
const GROUPS: [&[i32]; 3] = [
    // I P B B, P B B, ...
    &[2, 4, 1, 1, 4, 1, 1, 4, 1, 1, 4, 1, 1, 4, 1, 1, 4, 1, 1, 4, 1, 1, 4, 1, 1],
    // I P B, P B, ..., and a P at the end.
    &[1, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 1],
    // Three between, of which others need the one in the middle.
    &[2, 5, 2, 0, 1, 5, 2, 0, 1, 5, 2, 0, 1],
];

/// A machine that now and then does nothing for a while: then all comes at once.
struct Busy {
    random: u64,
    /// How late packets are at most.
    longest: u64,
    at: i64,
}

impl Busy {
    fn below(&mut self, limit: u64) -> i64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.random >> 33) % limit).cast_signed()
    }

    /// When a packet comes that is due then: not before the one before it.
    fn comes(&mut self, due: i64) -> u64 {
        let longest = if self.below(12) == 0 { self.longest } else { self.longest.min(8) };
        self.at = self.at.max(due + self.below(longest));
        self.at.unsigned_abs()
    }
}

/// A publisher of 16 s whose clock stands still.
#[derive(Debug, Clone, Copy)]
struct Stood {
    group: &'static [i32],
    rate: i64,
    /// From when on its clock stands.
    from: i64,
    /// Before which picture it pauses, for how long.
    pause: (i64, i64),
}

#[derive(Debug, Clone, Copy)]
struct Picture {
    due: i64,
    /// Its turn to be shown.
    turn: i64,
    cts: i32,
    sent: i64,
    shown: i64,
}

impl Stood {
    fn picture(&self, n: i64) -> Picture {
        let at = |n: i64| n * 1000 / self.rate;
        let turn = n + i64::from(self.group[usize::try_from(n).unwrap() % self.group.len()]);
        let due = at(n) + if n >= self.pause.0 { self.pause.1 } else { 0 };
        Picture { due, turn, cts: i32::try_from(at(turn) - at(n)).unwrap(), sent: 0, shown: 0 }
    }

    /// Checks that its pictures are sent one after the other and shown in their order; when they are.
    fn run(&self, mut busy: Busy) -> Vec<Picture> {
        let name = format!("{self:?}, up to {} ms late from {}", busy.longest, busy.random);
        let mut source = Source::new();
        let mut pictures: Vec<_> = (0..self.rate * 16).map(|n| self.picture(n)).collect();
        let (mut sound, mut out) = (0, Vec::new());
        for picture in &pictures {
            let (due, dts) = (picture.due, picture.due.min(self.from));
            let arrival = source.begin + Duration::from_millis(busy.comes(due));
            let (flags, body) = (Flags::default(), Bytes::new());
            source
                .timeline
                .push(Packet { kind: Video, track: 0, dts, cts: picture.cts, flags, body, arrival }, &mut out);
            while sound <= due {
                let (dts, body) = (sound.min(self.from), Bytes::new());
                let arrival = source.begin + Duration::from_millis(busy.comes(due));
                source.timeline.push(Packet { kind: Audio, track: 0, dts, cts: 0, flags, body, arrival }, &mut out);
                sound += 23;
            }
        }
        let sent = out.iter().filter(|packet| packet.kind == Video);
        for (picture, packet) in pictures.iter_mut().zip(sent) {
            (picture.sent, picture.shown) = (packet.dts, packet.dts + i64::from(packet.cts));
        }
        for pair in pictures.windows(2) {
            assert!(pair[0].sent < pair[1].sent, "{name}: {:?} is sent after {:?}", pair[1], pair[0]);
        }
        let mut shown = pictures.clone();
        shown.sort_by_key(|picture| picture.turn);
        for pair in shown.windows(2) {
            assert!(pair[0].shown < pair[1].shown, "{name}: {:?} is shown after {:?}", pair[0], pair[1]);
        }
        pictures
    }
}

#[test]
fn pictures_stay_in_order_and_in_time_where_packets_come_many_at_once() {
    for group in GROUPS {
        for (rate, from) in [10, 25, 30, 50, 60].into_iter().flat_map(|rate| [(rate, 0), (rate, 3_000)]) {
            for longest in [1, 60, 300, 700] {
                for random in 0..3 {
                    let stood = Stood { group, rate, from, pause: (0, 0) };
                    for picture in stood.run(Busy { random, longest, at: 0 }) {
                        let moved = picture.sent - picture.due;
                        assert!(moved.abs() <= longest.max(60).cast_signed(), "{stood:?}, {longest}: {picture:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn pictures_stay_in_order_where_a_source_pauses_and_are_in_time_soon() {
    for group in GROUPS {
        for (rate, at) in [25, 60].into_iter().flat_map(|rate| [100, 150, 151, 152, 153].map(|at| (rate, at))) {
            for millis in [150, 400, 900, 1_500, 5_000] {
                for longest in [1, 60, 300] {
                    let stood = Stood { group, rate, from: 0, pause: (at, millis) };
                    let pictures = stood.run(Busy { random: 1, longest, at: 0 });
                    for picture in pictures.iter().filter(|picture| picture.due > at * 1000 / rate + millis + 1_000) {
                        let moved = picture.sent - picture.due;
                        assert!(moved.abs() <= longest.max(100).cast_signed(), "{stood:?}, {longest}: {picture:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn how_long_a_frame_takes_is_told_by_when_pictures_are_shown() {
    for group in GROUPS {
        for rate in [10, 15, 24, 25, 30, 48, 50, 60, 90, 120] {
            let stood = Stood { group, rate, from: 0, pause: (0, 0) };
            let mut pictures = Pictures::default();
            for n in 0..300 {
                let cts = stood.picture(n).cts;
                // The first two may be several frames apart.
                if let Some(pace) = pictures.pace(cts).filter(|_| n > 1) {
                    let off = pace.step * rate - 1_000;
                    assert!(off.abs() <= rate, "{group:?}: at picture {n} a frame of 1000/{rate} ms takes {pace:?}");
                }
                pictures.sent(n * 1000 / rate, cts);
            }
        }
    }
    let mut pictures = Pictures::default();
    for n in 0..300 {
        assert_eq!(pictures.pace(0), None, "none is sent before another");
        pictures.sent(40 * n, 0);
    }
}

#[test]
fn the_end_of_a_sequence_has_the_time_of_its_last_picture_and_is_no_clock() {
    let mut source = Source::new();
    source.push(Video, 0, 0);
    source.push(Audio, 0, 0);
    let mut push = |dts: i64, at: u64, cts: i32, body: &'static [u8]| {
        let arrival = source.begin + Duration::from_millis(at);
        let body = Bytes::from_static(body);
        let packet = Packet { kind: Video, track: 0, dts, cts, flags: Flags::default(), body, arrival };
        let mut out = Vec::new();
        source.timeline.push(packet, &mut out);
        out.into_iter().map(|packet| packet.dts).collect::<Vec<_>>()
    };
    for frame in 1..=50 {
        assert_eq!(
            push(frame * 40, frame.unsigned_abs() * 40, 40 * (1 + (frame % 3) as i32), b"\x27\x01\0\0\x50picture"),
            [frame * 40]
        );
    }
    assert_eq!(push(2000, 2035, 0, b"\x17\x02\0\0\0"), [2000], "of AVC");
    assert_eq!(push(2000, 2070, 0, b"\x82hvc1"), [2000], "of Enhanced RTMP");
    assert_eq!(source.timeline.jumps(), 0);
}
