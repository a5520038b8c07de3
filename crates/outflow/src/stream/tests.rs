//! What joiners and outputs see of a stream while its sources come, change and go.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;

use super::*;
use crate::hub::{Cursor, Start};
use crate::media::{Flags, Kind};

struct Bench {
    writer: Writer,
    stream: Arc<Stream>,
    begin: Instant,
}

const KNOWN: StreamInfo = StreamInfo { video: Some(true), audio: Some(true), realtime: true };

impl Bench {
    fn new() -> Self {
        let (writer, stream) = Stream::new("s", StreamConfig::default(), Arc::default());
        Self { writer, stream, begin: Instant::now() }
    }

    fn push(&self, kind: Kind, dts: i64, flags: Flags, body: &'static [u8]) {
        let arrival = self.begin;
        let body = Bytes::from_static(body);
        self.writer.push(Packet { kind, track: 0, dts, cts: 0, flags, body, arrival });
    }

    fn begin_source(&self, at: i64, header: &'static [u8]) {
        self.writer.start(KNOWN);
        self.begin_again(at, header);
    }

    fn begin_again(&self, at: i64, header: &'static [u8]) {
        let is_header = Flags { header: true, ..Flags::default() };
        self.push(Kind::Video, at, is_header, header);
        self.push(Kind::Audio, at, is_header, b"\xaf\0");
        self.push(Kind::Video, at, Flags { keyframe: true, ..Flags::default() }, b"\x17\x01key");
        self.push(Kind::Audio, at, Flags::default(), b"\xaf\x01a");
    }

    fn join(&self, cursor: &mut Cursor) -> (Vec<Bytes>, Vec<(i64, Bytes)>) {
        let mut out = Vec::new();
        let read = self.stream.hub().read(cursor, self.begin + Duration::from_secs(2), 1_000, usize::MAX, &mut out);
        let headers = read.restart.map(|headers| headers.iter().map(|h| h.packet.body.clone()).collect());
        (headers.unwrap_or_default(), out.iter().map(|m| (m.packet.dts, m.packet.body.clone())).collect())
    }
}

fn cursor() -> Cursor {
    Cursor::new(Start::Group, Duration::from_secs(60), Duration::ZERO)
}

#[test]
fn a_joiner_gets_the_headers_of_its_entry_point() {
    let bench = Bench::new();
    assert!(!bench.stream.state().borrow().ready);
    bench.begin_source(500, b"\x17\0one");
    assert!(bench.stream.state().borrow().ready);
    let (headers, media) = bench.join(&mut cursor());
    assert_eq!(headers, [Bytes::from_static(b"\x17\0one"), Bytes::from_static(b"\xaf\0")]);
    assert_eq!(media[0], (0, Bytes::from_static(b"\x17\x01key")));
}

#[test]
fn a_returning_source_goes_on_in_the_same_stream_with_its_new_headers() {
    let bench = Bench::new();
    bench.begin_source(0, b"\x17\0one");
    let mut reader = cursor();
    bench.join(&mut reader);
    bench.writer.end(false);
    let state = *bench.stream.state().borrow();
    assert!(!state.ready && state.gone_since.is_some() && !state.ended);
    let mut late = cursor();
    assert!(bench.join(&mut late).1.is_empty(), "the old picture is no place to join");
    bench.begin_source(70_000, b"\x17\0two");
    let (_, media) = bench.join(&mut reader);
    let bodies: Vec<&[u8]> = media.iter().map(|(_, body)| &body[..]).collect();
    assert_eq!(bodies, [&b"\x17\0two"[..], b"\xaf\0", b"\x17\x01key", b"\xaf\x01a"]);
    assert!(media.iter().all(|(dts, _)| (0..1_000).contains(dts)), "time goes on: {media:?}");
    assert_eq!(bench.join(&mut late).0[0], Bytes::from_static(b"\x17\0two"));
}

#[test]
fn video_before_the_first_key_frame_is_left_out() {
    let bench = Bench::new();
    bench.writer.start(KNOWN);
    bench.push(Kind::Video, 0, Flags::default(), b"\x27\x01inter");
    bench.push(Kind::Audio, 0, Flags::default(), b"\xaf\x01a");
    bench.push(Kind::Video, 40, Flags { keyframe: true, ..Flags::default() }, b"\x17\x01key");
    let (_, media) = bench.join(&mut cursor());
    assert_eq!(media, [(40, Bytes::from_static(b"\x17\x01key"))]);
}

#[test]
fn in_a_stream_without_video_every_packet_is_an_entry_point() {
    let bench = Bench::new();
    bench.writer.start(StreamInfo { video: Some(false), ..KNOWN });
    for dts in [0, 23, 46] {
        bench.push(Kind::Audio, dts, Flags::default(), b"\xaf\x01a");
    }
    assert_eq!(bench.join(&mut cursor()).1.len(), 1);
}

#[test]
fn a_publisher_that_sends_audio_alone_becomes_a_stream_without_video() {
    let bench = Bench::new();
    bench.writer.start(StreamInfo { realtime: true, ..StreamInfo::default() });
    for n in 0..120 {
        bench.push(Kind::Audio, n * 23, Flags::default(), b"\xaf\x01a");
    }
    assert!(bench.stream.state().borrow().ready);
}

#[test]
fn a_stream_that_runs_free_waits_for_its_slowest_reader_and_loses_nothing() {
    let config = StreamConfig { free: true, ..StreamConfig::default() };
    let (writer, stream) = Stream::new("s", config, Arc::default());
    let mut reader = Reader::new(&stream, Start::Group, Duration::from_secs(1), Duration::ZERO);
    let source = std::thread::spawn(move || {
        writer.start(StreamInfo { video: Some(true), audio: Some(false), realtime: false });
        for n in 0..2_000 {
            let flags = Flags { keyframe: n % 50 == 0, ..Flags::default() };
            let body = Bytes::from_static(b"\x17\x01");
            writer.push(Packet { kind: Kind::Video, track: 0, dts: n, cts: 0, flags, body, arrival: Instant::now() });
        }
        writer.end(true);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let times = runtime.block_on(async {
        let mut times = Vec::new();
        let mut out = Vec::new();
        loop {
            let read = reader.read(&mut out).await;
            times.extend(out.drain(..).map(|message| message.packet.dts));
            assert!(stream.hub().head() - (times.len() as u64) < 300 + 64, "the source ran ahead");
            if read.ended {
                return times;
            }
        }
    });
    source.join().unwrap();
    assert_eq!(times, (0..2_000).collect::<Vec<_>>());
}

#[test]
fn a_publisher_that_falls_silent_counts_as_gone_until_it_sends_again() {
    let bench = Bench::new();
    bench.begin_source(0, b"\x17\0one");
    bench.stream.check_silence(Duration::from_secs(3600));
    assert_eq!(bench.stream.state().borrow().gone_since, None);
    bench.stream.check_silence(Duration::ZERO);
    let state = *bench.stream.state().borrow();
    assert!(state.ready && state.gone_since.is_some());
    bench.push(Kind::Audio, 23, Flags::default(), b"\xaf\x01a");
    assert_eq!(bench.stream.state().borrow().gone_since, None);
}

#[test]
fn a_stream_that_turns_out_to_be_sound_alone_can_be_joined_at_its_first_sound() {
    let bench = Bench::new();
    bench.writer.start(StreamInfo { realtime: true, ..StreamInfo::default() });
    for n in 0..120 {
        bench.push(Kind::Audio, n * 23, Flags::default(), b"\xaf\x01a");
    }
    let mut cursor = Cursor::new(Start::Oldest, Duration::from_secs(60), Duration::ZERO);
    assert_eq!(bench.join(&mut cursor).1.len(), 120);
}

#[test]
fn jumps_of_the_sources_time_are_told() {
    let stats = Arc::<InputStats>::default();
    let (writer, stream) = Stream::new("s", StreamConfig::default(), stats.clone());
    let bench = Bench { writer, stream, begin: Instant::now() };
    bench.begin_source(500, b"\x17\0one");
    bench.push(Kind::Video, 540, Flags::default(), b"\x27\x01p");
    bench.push(Kind::Video, 3_600_540, Flags::default(), b"\x27\x01p");
    assert_eq!(stats.time_jumps.load(Ordering::Relaxed), 1);
}

#[test]
fn sound_alone_whose_time_stands_still_can_be_joined() {
    let (writer, stream) = Stream::new("s", StreamConfig::default(), Arc::default());
    let mut bench = Bench { writer, stream, begin: Instant::now() };
    bench.writer.start(StreamInfo { realtime: true, ..StreamInfo::default() });
    for _ in 0..50 {
        bench.push(Kind::Audio, 0, Flags::default(), b"\xaf\x01a");
        bench.begin += Duration::from_millis(100);
    }
    assert!(bench.stream.state().borrow().ready);
}

#[test]
fn a_picture_that_is_shown_before_it_is_decoded_stays_as_it_is() {
    let bench = Bench::new();
    bench.begin_source(500, b"\x17\0one");
    let mut reader = cursor();
    bench.join(&mut reader);
    // As some encoders send pictures that are shown before others: 40 ms before their own decoding time.
    let body = b"\x27\x01\xff\xff\xd8\0\0\0\x01\x41";
    let packet = crate::media::classify::packet(Kind::Video, 540, Bytes::from_static(body), bench.begin);
    assert_eq!(packet.cts, -40);
    bench.writer.push(packet);
    let (_, media) = bench.join(&mut reader);
    assert_eq!(media, [(40, Bytes::from_static(body))]);
}

/// `@clearDataFrame` takes metadata back: for those who join at an entry point from before it, too, and for selections.
#[test]
fn metadata_that_is_cleared_reaches_no_joiner() {
    const METADATA: &[u8] = b"\x02\x00\x0d@setDataFrame\x02\x00\x0aonMetaData\x08\0\0\0\0\0\0\x09";
    const CLEAR: &[u8] = b"\x02\x00\x0f@clearDataFrame\x02\x00\x0aonMetaData";
    let bench = Bench::new();
    let data = |dts, body: &'static [u8]| {
        bench.writer.push(classify::packet(Kind::Data, dts, Bytes::from_static(body), bench.begin));
    };
    let picture = |dts| bench.push(Kind::Video, dts, Flags { keyframe: true, ..Flags::default() }, b"\x17\x01key");
    let has_metadata = |headers: &[Bytes]| headers.iter().any(|body| body.starts_with(b"\x02"));
    let headers = |stream: &Arc<Stream>| {
        let read =
            stream.hub().read(&mut cursor(), bench.begin + Duration::from_secs(2), 1, usize::MAX, &mut Vec::new());
        read.restart.map(|headers| headers.iter().map(|h| h.packet.body.clone()).collect::<Vec<_>>()).unwrap()
    };
    let of = |name: &str, silence| Selection { tracks: Tracks::parse(&[name.to_owned()]).unwrap(), silence };
    let selected = bench.stream.select(&of("video", true));
    bench.writer.start(KNOWN);
    data(0, METADATA);
    bench.begin_again(0, b"\x17\0one");
    data(0, b"\x02\x00\x0f@clearDataFrame\x02\x00\x0aonTextData");
    assert!(has_metadata(&bench.join(&mut cursor()).0) && has_metadata(&headers(&selected)));
    let mut reader = cursor();
    bench.join(&mut reader);
    data(20, CLEAR);
    bench.push(Kind::Audio, 20, Flags::default(), b"\xaf\x01b");
    let (now, late) = (bench.join(&mut cursor()), bench.stream.select(&of("video:0", false)));
    assert_eq!(now.0.len(), 2, "the other headers: {now:?}");
    assert!(
        !has_metadata(&now.0)
            && !has_metadata(&bench.stream.headers().iter().map(|h| h.packet.body.clone()).collect::<Vec<_>>())
    );
    assert!(!has_metadata(&headers(&selected)) && !has_metadata(&headers(&late)));
    let (again, media) = bench.join(&mut reader);
    assert_eq!((again.len(), media.len()), (0, 1), "nothing of it is sent to those who are there: {media:?}");
    picture(40);
    assert!(!has_metadata(&bench.join(&mut cursor()).0) && !has_metadata(&headers(&selected)));
    data(60, METADATA);
    picture(80);
    assert!(has_metadata(&bench.join(&mut cursor()).0) && has_metadata(&headers(&selected)));
}

#[test]
fn who_waited_for_sound_alone_begins_at_its_first_packet_and_a_joiner_at_the_live_edge() {
    for start in [Start::Group, Start::Next] {
        let bench = Bench::new();
        let new = || Cursor::new(start, Duration::from_secs(60), Duration::ZERO);
        let (mut waiting, mut since) = (new(), Cursor::since(0, Duration::from_secs(60), Duration::ZERO));
        // One that goes over from another stream has had what came meanwhile.
        let mut other = since.elsewhere(0);
        assert!(bench.join(&mut waiting).1.is_empty() && bench.join(&mut since).1.is_empty());
        bench.writer.start(StreamInfo { realtime: true, ..StreamInfo::default() });
        for n in 0..120 {
            bench.push(Kind::Audio, n * 23, Flags::default(), b"\xaf\x01a");
        }
        let mark = bench.stream.hub().next_entry(Instant::now(), Duration::from_secs(60));
        let mut called = Cursor::since(mark, Duration::from_secs(60), Duration::ZERO);
        for reader in [&mut waiting, &mut since, &mut called] {
            assert_eq!(bench.join(reader).1.len(), 120, "{start:?}");
        }
        assert_eq!(bench.join(&mut other).1.len(), 1);
        let mut joiner = new();
        bench.join(&mut joiner);
        bench.push(Kind::Audio, 120 * 23, Flags::default(), b"\xaf\x01a");
        let joined = bench.join(&mut joiner).1;
        assert!(joined.len() == 1 && joined[0].0 == 120 * 23, "{start:?}: {joined:?}");
    }
}

#[test]
fn a_source_that_is_over_at_once_is_had_by_who_waited_and_by_nobody_else() {
    for (kind, body) in [(Kind::Video, &b"\x17\x01key"[..]), (Kind::Audio, &b"\xaf\x01a"[..])] {
        let bench = Bench::new();
        let mut waiting = cursor();
        assert!(bench.join(&mut waiting).1.is_empty());
        bench.writer.start(StreamInfo { realtime: true, ..StreamInfo::default() });
        for n in 0..8 {
            let flags = Flags { keyframe: kind == Kind::Video && n % 4 == 0, ..Flags::default() };
            bench.push(kind, n * 23, flags, body);
        }
        bench.writer.end(true);
        assert!(bench.join(&mut cursor()).1.is_empty(), "{kind:?}");
        let media = bench.join(&mut waiting).1;
        assert_eq!(media.iter().map(|(dts, _)| *dts).collect::<Vec<_>>(), (0..8).map(|n| n * 23).collect::<Vec<_>>());
    }
}
