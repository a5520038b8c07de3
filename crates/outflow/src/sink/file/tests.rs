//! Recordings: what is in them, over skips of the source, and every way in which writing can fail.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use outflow_rtmp::Limits;
use outflow_rtmp::flv::{Tag, TagKind, TagReader};

use super::*;
use crate::media::{Intake, Kind, StreamInfo, classify};
use crate::net::dial::SystemResolver;
use crate::options;
use crate::stop::{Stopper, stopper};
use crate::stream::{Stream, StreamConfig};

const DEADLINE: Duration = Duration::from_secs(30);
const KNOWN: StreamInfo = StreamInfo { video: Some(true), audio: Some(true), realtime: true };

fn node(path: &str) -> Node {
    let options = Options::with_defaults(options::defaults(KIND.options));
    let word = format!("-o {path}");
    Node { index: 1, word, kind: "file", name: "out".into(), url: Some(MediaUrl::new(path)), options }
}

struct Bench {
    writer: crate::stream::Writer,
    stream: Arc<Stream>,
    stats: Arc<crate::monitor::OutputStats>,
}

impl Bench {
    fn new(free: bool) -> Self {
        let config = StreamConfig { free, ..StreamConfig::default() };
        let (writer, stream) = Stream::new("s", config, Arc::default());
        Self { writer, stream, stats: Arc::default() }
    }

    fn job(&self) -> (SinkJob, Stopper) {
        let (stopper, stop) = stopper();
        let events: crate::monitor::Sink = Arc::new(|_| {});
        let job = SinkJob {
            switches: Default::default(),
            stream: self.stream.clone(),
            progress: Default::default(),
            stats: self.stats.clone(),
            stop,
            events: events.clone(),
            name: "out".into(),
            env: Env::new(Arc::new(SystemResolver), events),
        };
        (job, stopper)
    }

    fn push(&self, kind: Kind, dts: i64, body: &'static [u8]) {
        self.writer.push(classify::packet(kind, dts, Bytes::from_static(body), Instant::now()));
    }

    /// Headers and three pictures with sound from `at` on; the sound begins a little before the picture.
    fn source(&self, at: i64, config: &'static [u8]) {
        self.writer.start(KNOWN);
        self.push(Kind::Data, at, b"\x02\0\x0aonMetaData\x08\0\0\0\0\0\0\x09");
        self.push(Kind::Video, at, config);
        self.push(Kind::Audio, at, b"\xaf\0\x12\x10");
        self.push(Kind::Audio, at - 10, b"\xaf\x01early");
        self.push(Kind::Video, at, b"\x17\x01\0\0\0key");
        for step in 1..3 {
            self.push(Kind::Audio, at + 40 * step - 20, b"\xaf\x01a");
            self.push(Kind::Video, at + 40 * step, b"\x27\x01\0\0\0next");
        }
    }

    /// Waits until so many packets are in the file.
    async fn written(&self, packets: u64) {
        let begin = Instant::now();
        while crate::monitor::OutputStats::get(&self.stats.packets) < packets {
            assert!(begin.elapsed() < DEADLINE, "{packets} packets are never written: {:?}", self.stats);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

fn tags(path: &Path) -> Vec<Tag> {
    let mut reader = TagReader::new(&Limits::default());
    reader.feed(&std::fs::read(path).unwrap());
    let mut tags = Vec::new();
    while let Some(tag) = reader.next().unwrap() {
        tags.push(tag);
    }
    reader.finish().unwrap();
    tags
}

fn of(tags: &[Tag], kind: TagKind) -> Vec<(u32, Vec<u8>)> {
    tags.iter().filter(|tag| tag.kind == kind).map(|tag| (tag.timestamp, tag.payload.to_vec())).collect()
}

#[tokio::test]
async fn a_recording_begins_with_headers_and_a_key_frame_at_0_and_goes_on_with_the_next_source() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.flv");
    std::fs::write(&path, vec![7; 100_000]).unwrap();
    let bench = Bench::new(false);
    let mut sink = (KIND.open)(&node(path.to_str().unwrap())).unwrap();
    let (job, _stopper) = bench.job();
    let run = tokio::spawn(async move { sink.run(job).await });
    bench.source(5_000_000, b"\x17\0\0\0\0one");
    bench.written(5).await;
    bench.writer.end(false);
    let first = tags(&path);
    let kinds: Vec<_> = first.iter().take(4).map(|tag| (tag.kind, tag.timestamp)).collect();
    assert_eq!(kinds[0], (TagKind::Script, 0), "the old content is gone, and onMetaData comes first");
    assert!(kinds[1..3].contains(&(TagKind::Video, 0)) && kinds[1..3].contains(&(TagKind::Audio, 0)), "{kinds:?}");
    let video = of(&first, TagKind::Video);
    assert_eq!(video[1], (0, b"\x17\x01\0\0\0key".to_vec()));
    assert_eq!(video.iter().map(|frame| frame.0).collect::<Vec<_>>(), [0, 0, 40, 80]);
    assert!(of(&first, TagKind::Audio).iter().all(|frame| frame.1 != b"\xaf\x01early"), "sound before the picture");
    bench.source(100, b"\x17\0\0\0\0two");
    bench.written(10).await;
    bench.writer.end(true);
    bench.stream.set_finished();
    let ended = tokio::time::timeout(DEADLINE, run).await.expect("it ends with the input").unwrap();
    assert!(ended.is_clean(), "{ended:?}");
    let all = tags(&path);
    let video = of(&all, TagKind::Video);
    assert!(video.iter().any(|frame| frame.1 == b"\x17\0\0\0\0two"), "the new header is there");
    for kind in [TagKind::Video, TagKind::Audio] {
        let times: Vec<_> = of(&all, kind).iter().map(|frame| frame.0).collect();
        assert!(times.is_sorted(), "{times:?}");
    }
    assert_eq!(std::fs::read(&path).unwrap()[4], 5, "the file header tells of both");
}

#[tokio::test]
async fn of_a_first_burst_nothing_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.flv");
    let bench = Bench::new(false);
    let mut sink = (KIND.open)(&node(path.to_str().unwrap())).unwrap();
    let (job, _stopper) = bench.job();
    // Two groups of pictures are there when it first reads.
    bench.writer.start(StreamInfo { audio: Some(false), ..KNOWN });
    for (dts, body) in [
        (0, &b"\x17\0\0\0\0one"[..]),
        (0, b"\x17\x01\0\0\0first"),
        (40, b"\x27\x01\0\0\0next"),
        (80, b"\x17\x01\0\0\0second"),
    ] {
        bench.push(Kind::Video, dts, body);
    }
    let run = tokio::spawn(async move { sink.run(job).await });
    bench.written(3).await;
    bench.writer.end(true);
    bench.stream.set_finished();
    assert!(tokio::time::timeout(DEADLINE, run).await.expect("it ends with the input").unwrap().is_clean());
    let times: Vec<_> = of(&tags(&path), TagKind::Video).iter().map(|frame| frame.0).collect();
    assert_eq!(times, [0, 0, 40, 80]);
}

#[tokio::test]
async fn a_free_running_source_is_recorded_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.flv");
    let bench = Bench::new(true);
    let mut sink = (KIND.open)(&node(path.to_str().unwrap())).unwrap();
    let (job, _stopper) = bench.job();
    let run = tokio::spawn(async move { sink.run(job).await });
    // The sink joins before the source begins, as in a graph.
    tokio::task::yield_now().await;
    let stream = bench.stream.clone();
    std::thread::spawn(move || {
        bench.writer.start(StreamInfo { video: Some(false), audio: Some(true), realtime: false });
        for index in 0..5_000 {
            bench.push(Kind::Audio, index * 23, b"\xaf\x01a");
        }
        bench.writer.end(true);
        bench.stream.set_finished();
    });
    let ended = tokio::time::timeout(DEADLINE, run).await.expect("it ends with the input").unwrap();
    assert!(ended.is_clean(), "{ended:?}");
    assert!(stream.state().borrow().finished);
    assert_eq!(tags(&path).len(), 5_000);
    assert_eq!(std::fs::read(&path).unwrap()[4], 4, "the file header tells of sound alone");
}

#[tokio::test]
async fn a_stop_leaves_a_whole_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.flv");
    let bench = Bench::new(false);
    let mut sink = (KIND.open)(&node(path.to_str().unwrap())).unwrap();
    let (job, stopper) = bench.job();
    let run = tokio::spawn(async move { sink.run(job).await });
    bench.source(0, b"\x17\0\0\0\0one");
    bench.written(3).await;
    stopper.stop();
    let ended = tokio::time::timeout(DEADLINE, run).await.expect("it stops").unwrap();
    assert_eq!(ended.reason, Reason::Stopped);
    assert!(tags(&path).len() >= 6);
}

#[tokio::test]
async fn a_full_disk_ends_this_output_for_good() {
    let bench = Bench::new(false);
    let mut sink = (KIND.open)(&node("/dev/full")).unwrap();
    let (job, _stopper) = bench.job();
    bench.source(0, b"\x17\0\0\0\0one");
    let ended = tokio::time::timeout(DEADLINE, sink.run(job)).await.expect("it fails");
    assert_eq!((ended.reason, ended.retry), (Reason::File, Retry::Never));
    assert!(ended.text.contains("/dev/full could not be written: No space left"), "{}", ended.text);
}

#[tokio::test]
async fn a_disk_that_never_takes_a_byte_holds_up_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
    let bench = Bench::new(false);
    let mut sink = (KIND.open)(&node(path.to_str().unwrap())).unwrap();
    let (job, _stopper) = bench.job();
    let mut run = tokio::spawn(async move { sink.run(job).await });
    for second in 0..200 {
        // Nothing of this waits, nor does the runtime that everything shares.
        bench.source(second * 1000, b"\x17\0\0\0\0one");
        tokio::task::yield_now().await;
    }
    assert!(tokio::time::timeout(Duration::from_millis(50), &mut run).await.is_err(), "it waits for the pipe's reader");
    run.abort();
    assert!(run.await.is_err_and(|error| error.is_cancelled()), "it can be let go at any time");
    // Lets the thread that waits to open the pipe go.
    let _ = OpenOptions::new().read(true).open(&path);
}

#[tokio::test]
async fn a_file_that_is_read_or_written_already_is_refused_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.flv");
    std::fs::write(&path, b"precious").unwrap();
    let word = node(path.to_str().unwrap());
    let bench = Bench::new(false);
    let (job, _stopper) = bench.job();
    let reader = File::open(&path).unwrap();
    flock(&reader, FlockOperation::NonBlockingLockShared).unwrap();
    let ended = (KIND.open)(&word).unwrap().prepare(&job.env).await.unwrap_err();
    assert!(ended.text.contains("is in use"), "{}", ended.text);
    drop(reader);
    let (mut one, mut two) = ((KIND.open)(&word).unwrap(), (KIND.open)(&word).unwrap());
    one.prepare(&job.env).await.unwrap();
    assert!(two.prepare(&job.env).await.is_err());
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
}

#[test]
fn words_that_cannot_be_recorded_to_are_told_with_the_mend() {
    let problem = |path: &str| (KIND.open)(&node(path)).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(problem("/nowhere/x.flv").contains("there is no folder /nowhere"));
    let folder = tempfile::tempdir().unwrap();
    assert!(problem(folder.path().to_str().unwrap()).contains("is a directory"));
    let mp4 = folder.path().join("x.mp4");
    let text = problem(mp4.to_str().unwrap());
    assert!(text.contains("only FLV is written, not .mp4") && text.contains("ffmpeg -i"), "{text}");
    assert!(!mp4.exists());
    assert_eq!(problem(folder.path().join("x.flv").to_str().unwrap()), "");
}
