//! Selections of a stream: what is shared, what joiners get of them, whenever the selection was asked for first.
#![allow(clippy::unwrap_used)]
use bytes::Bytes;

use super::*;
use crate::hub::{Cursor, Start};
use crate::media::{Kind, classify};

struct Bench {
    writer: Writer,
    stream: Arc<Stream>,
}

fn select(names: &[&str], silence: bool) -> Selection {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    Selection { tracks: Tracks::parse(&names).unwrap(), silence }
}

/// Two videos and two sounds, the further ones as FFmpeg sends them; key frames of the two at other times.
const TRACKS: [&str; 2] = ["video:1", "audio:1"];

impl Bench {
    fn new() -> Self {
        let (writer, stream) = Stream::new("s", StreamConfig::default(), Arc::default());
        Self { writer, stream }
    }

    fn begin(&self) {
        self.writer.start(StreamInfo { video: Some(true), audio: Some(true), realtime: false });
        for (kind, body) in [
            (Kind::Video, &b"\x17\0\0\0\0one"[..]),
            (Kind::Video, b"\x96\x00avc1\x01two"),
            (Kind::Audio, b"\xaf\0\x12\x10"),
            (Kind::Audio, b"\x95\x00mp4a\x01\x11\x90"),
        ] {
            self.push(kind, 0, body);
        }
    }

    fn push(&self, kind: Kind, dts: i64, body: &[u8]) {
        self.push_at(kind, dts, body, Instant::now());
    }

    fn push_at(&self, kind: Kind, dts: i64, body: &[u8], arrival: Instant) {
        self.writer.push(classify::packet(kind, dts, Bytes::copy_from_slice(body), arrival));
    }

    /// Frames from one time to another, one each 40 ms; a key frame of the first video each 400 ms, of the second 200 ms
    /// after it.
    fn media(&self, from: i64, to: i64) {
        self.media_at(from, to, Instant::now());
    }

    fn media_at(&self, from: i64, to: i64, at: Instant) {
        for dts in (from..to).step_by(40) {
            let (first, second) = (dts % 400 == 0, dts % 400 == 200);
            self.push_at(Kind::Video, dts, if first { b"\x17\x01\0\0\0K" } else { b"\x27\x01\0\0\0i" }, at);
            self.push_at(
                Kind::Video,
                dts,
                if second { b"\x96\x01avc1\x01\0\0\0k" } else { b"\xa6\x01avc1\x01\0\0\0j" },
                at,
            );
            self.push_at(Kind::Audio, dts, b"\xaf\x01a", at);
            self.push_at(Kind::Audio, dts, b"\x95\x01mp4a\x01b", at);
        }
    }
}

/// Headers, and the packets with their times, of a reader of this stream.
fn read(stream: &Arc<Stream>, start: Start) -> (Vec<Vec<u8>>, Vec<(i64, Vec<u8>)>) {
    let mut cursor = Cursor::new(start, Duration::from_secs(60), Duration::ZERO);
    let mut out = Vec::new();
    let read = stream.hub().read(&mut cursor, Instant::now(), 10_000, usize::MAX, &mut out);
    let headers = read.restart.iter().flat_map(|headers| headers.iter()).map(|it| it.packet.body.to_vec()).collect();
    (headers, out.iter().map(|it| (it.packet.dts, it.packet.body.to_vec())).collect())
}

#[test]
fn one_selection_is_one_stream_for_all_and_everything_is_the_stream_itself() {
    let bench = Bench::new();
    assert!(Arc::ptr_eq(&bench.stream.select(&Selection::default()), &bench.stream));
    let one = bench.stream.select(&select(&["audio", "video"], false));
    let two = bench.stream.select(&select(&["video", "audio"], false));
    assert!(Arc::ptr_eq(&one, &two) && !Arc::ptr_eq(&one, &bench.stream));
    assert!(Arc::ptr_eq(&one.select(&Selection::default()), &bench.stream), "a selection leads back to the whole");
    bench.begin();
    bench.media(0, 400);
    assert!(one.state().borrow().ready);
    assert_eq!((one.mark(), one.hops()), (bench.stream.mark(), bench.stream.hops()));
    // Bytes that were not changed are the same memory.
    let body = |stream: &Arc<Stream>| {
        let mut out = Vec::new();
        let mut cursor = Cursor::new(Start::Group, Duration::from_secs(60), Duration::ZERO);
        stream.hub().read(&mut cursor, Instant::now(), 1, usize::MAX, &mut out);
        out[0].packet.body.as_ptr()
    };
    assert_eq!(body(&one), body(&bench.stream));
    let weak = Arc::downgrade(&one);
    drop((one, two));
    assert!(weak.upgrade().is_none(), "nobody has it any more");
    bench.media(400, 440);
}

/// Asked for before, while and after: the same packets from the same key frame of the second video on.
#[test]
fn it_does_not_matter_when_a_selection_is_asked_for() {
    let bench = Bench::new();
    let selection = select(&TRACKS, false);
    let before = bench.stream.select(&selection);
    bench.begin();
    bench.media(0, 440);
    let (headers, packets) = read(&before, Start::Oldest);
    assert_eq!(headers, [b"\x17\0\0\0\0two".to_vec(), b"\xaf\0\x11\x90".to_vec()]);
    assert_eq!(packets[0], (200, b"\x17\x01\0\0\0k".to_vec()), "an entry point of the video that is sent");
    assert_eq!(packets[1], (200, b"\xaf\x01b".to_vec()));
    assert_eq!(packets.len(), 12);
    drop(before);
    let after = bench.stream.select(&selection);
    assert_eq!(read(&after, Start::Oldest), (headers.clone(), packets.clone()));
    bench.media(440, 640);
    let (again, later) = read(&after, Start::Group);
    assert_eq!((again, later[0].0), (headers, 600));
    let all = read(&after, Start::Oldest).1;
    assert_eq!(all[..12], packets[..]);
    assert_eq!(all.len(), 22);
}

#[test]
fn a_reader_that_is_too_slow_goes_on_at_a_key_frame_of_its_own_video() {
    let bench = Bench::new();
    let selected = bench.stream.select(&select(&TRACKS, false));
    let begin = Instant::now();
    bench.begin();
    bench.media_at(0, 440, begin);
    let mut cursor = Cursor::new(Start::Group, Duration::from_secs(4), Duration::ZERO);
    let mut out = Vec::new();
    let first = selected.hub().read(&mut cursor, begin, 10_000, usize::MAX, &mut out).restart.unwrap();
    bench.media_at(440, 840, begin + Duration::from_secs(1));
    let late = begin + Duration::from_secs(10);
    bench.media_at(840, 1640, late);
    out.clear();
    let read = selected.hub().read(&mut cursor, late, 10_000, usize::MAX, &mut out);
    assert_eq!((out[0].packet.dts, &out[0].packet.body[..]), (1400, &b"\x17\x01\0\0\0k"[..]));
    let skip = read.skip.unwrap();
    assert_eq!((skip.frames, skip.groups), (24, 3), "of what it is sent: {skip:?}");
    assert!(Arc::ptr_eq(&first, &read.restart.unwrap()), "the headers are the same");
}

#[test]
fn a_selection_that_is_asked_for_before_the_first_key_frame_has_the_headers() {
    let bench = Bench::new();
    bench.begin();
    // Held until both have come.
    bench.push(Kind::Audio, 0, b"\xaf\x01a");
    bench.push(Kind::Video, 0, b"\x27\x01\0\0\0i");
    let late = bench.stream.select(&select(&["video", "audio:1"], false));
    assert_eq!(late.headers().len(), 2);
    bench.media(400, 440);
    let (headers, packets) = read(&late, Start::Group);
    assert_eq!(headers, [b"\x17\0\0\0\0one".to_vec(), b"\xaf\0\x11\x90".to_vec()]);
    assert_eq!(packets, [(400, b"\x17\x01\0\0\0K".to_vec()), (400, b"\xaf\x01b".to_vec())]);
}

#[test]
fn sound_alone_can_be_joined_at_any_packet() {
    let bench = Bench::new();
    let sound = bench.stream.select(&select(&["audio:1"], false));
    bench.begin();
    bench.media(0, 400);
    let (headers, packets) = read(&sound, Start::Group);
    assert_eq!((headers.len(), packets), (1, vec![(360, b"\xaf\x01b".to_vec())]));
    assert_eq!(read(&bench.stream.select(&select(&["audio:1"], false)), Start::Oldest).1.len(), 10);
}

#[test]
fn a_source_that_goes_and_returns_does_so_in_each_selection() {
    let bench = Bench::new();
    let selection = select(&TRACKS, false);
    bench.begin();
    bench.media(0, 400);
    let early = bench.stream.select(&selection);
    bench.writer.end(false);
    assert!(read(&early, Start::Group).1.is_empty(), "no place to join");
    let gone = bench.stream.select(&select(&["video"], false));
    assert!(read(&gone, Start::Group).1.is_empty());
    bench.begin();
    bench.media(0, 240);
    let (_, packets) = read(&early, Start::Group);
    assert_eq!((packets[0].0, packets.len()), (600, 2), "time goes on: {packets:?}");
    let (_, packets) = read(&gone, Start::Group);
    assert_eq!((packets[0].0, packets.len()), (400, 6));
    let next = bench.stream.select(&select(&["video:1"], false));
    assert_eq!(read(&next, Start::Oldest).1.len(), 1, "of the source that is there");
    let mut cursor = Cursor::new(Start::Group, Duration::from_secs(60), Duration::ZERO);
    assert!(!early.hub().read(&mut cursor, Instant::now(), 10_000, usize::MAX, &mut Vec::new()).ended);
    bench.writer.end(true);
    assert!(early.hub().read(&mut cursor, Instant::now(), 10_000, usize::MAX, &mut Vec::new()).ended);
    bench.stream.set_finished();
    let fresh = bench.stream.select(&select(&["video:2"], false));
    for stream in [early, fresh] {
        let mut cursor = Cursor::new(Start::Group, Duration::from_secs(60), Duration::ZERO);
        assert!(stream.hub().read(&mut cursor, Instant::now(), 10_000, usize::MAX, &mut Vec::new()).ended);
    }
}

/// While packets come at full speed, selections come and go: none misses or repeats one.
#[test]
fn nothing_is_lost_where_a_selection_catches_up() {
    let bench = Arc::new(Bench::new());
    bench.begin();
    bench.media(0, 400);
    let writing = {
        let bench = bench.clone();
        std::thread::spawn(move || bench.media(400, 200_000))
    };
    let mut seen = 0;
    while !writing.is_finished() || seen == 0 {
        let sound = bench.stream.select(&select(&["audio:1"], false));
        let (_, packets) = read(&sound, Start::Oldest);
        let times: Vec<_> = packets.iter().map(|(dts, _)| *dts).collect();
        assert!(!times.is_empty() && times.windows(2).all(|pair| pair[1] == pair[0] + 40), "{times:?}");
        seen += 1;
    }
    writing.join().unwrap();
}

#[test]
fn silence_has_its_header_for_joiners_until_there_is_sound() {
    let bench = Bench::new();
    let silent = bench.stream.select(&select(&["video"], true));
    bench.begin();
    bench.media(0, 440);
    let (headers, packets) = read(&silent, Start::Group);
    assert_eq!(headers, [b"\x17\0\0\0\0one".to_vec(), b"\xaf\0\x12\x10".to_vec()], "the sound is not selected");
    assert_eq!(packets[0], (400, b"\x17\x01\0\0\0K".to_vec()));
    let late = bench.stream.select(&Selection { silence: true, ..Selection::default() });
    bench.media(440, 840);
    let (headers, packets) = read(&late, Start::Group);
    assert_eq!((headers.len(), packets.len()), (4, 4), "a stream with sound is as it came");
    drop((silent, late));
    bench.writer.end(false);
    bench.writer.start(StreamInfo::default());
    let silent = bench.stream.select(&Selection { silence: true, ..Selection::default() });
    bench.push(Kind::Video, 0, b"\x17\0\0\0\0one");
    for n in 0..70 {
        bench.push(Kind::Video, n * 40, if n == 65 { b"\x17\x01\0\0\0K" } else { b"\x17\x01\0\0\0k" });
    }
    assert_eq!(read(&silent, Start::Group).0[1], b"\xaf\0\x12\x10".to_vec());
    assert!(read(&silent, Start::Oldest).1.len() > 100);
    // MP3 has no header, and is no AAC.
    bench.push(Kind::Audio, 70 * 40, b"\x2fmp3");
    bench.push(Kind::Video, 70 * 40, b"\x17\x01\0\0\0k");
    let (headers, _) = read(&silent, Start::Group);
    assert_eq!(headers, [b"\x17\0\0\0\0one".to_vec()]);
}

/// A camera that sends a header for a microphone that it does not have: an output that is asked for late has silence too.
#[test]
fn a_header_of_sound_that_never_comes_does_not_end_the_silence_of_a_late_output() {
    let bench = Bench::new();
    bench.writer.start(StreamInfo::default());
    bench.push(Kind::Video, 0, b"\x17\0\0\0\0one");
    bench.push(Kind::Audio, 0, b"\xaf\0\x11\x90");
    let all = Selection { silence: true, ..Selection::default() };
    let early = bench.stream.select(&all);
    let pictures = |from: i64, to: i64| {
        for n in from..to {
            bench.push(Kind::Video, n * 40, if n % 10 == 0 { b"\x17\x01\0\0\0K" } else { b"\x27\x01\0\0\0i" });
            bench.push(Kind::Audio, n * 40, b"\xaf\x01");
        }
    };
    pictures(0, 100);
    let silence = b"\xaf\0\x12\x10".to_vec();
    assert_eq!(read(&early, Start::Group).0, [b"\x17\0\0\0\0one".to_vec(), silence.clone()]);
    drop(early);
    let late = bench.stream.select(&all);
    assert_eq!(read(&late, Start::Group).0[0], b"\x17\0\0\0\0one".to_vec());
    pictures(100, 200);
    assert_eq!(read(&late, Start::Group).0[1], silence);
    bench.push(Kind::Audio, 200 * 40, b"\xaf\x01sound");
    pictures(200, 230);
    assert_eq!(read(&late, Start::Group).0[1], b"\xaf\0\x11\x90".to_vec(), "its own header, as it comes");
}
