//! The source of a running output is switched: one connection, new headers, a key frame first, time that only goes forward,
//! and every packet of each source from there on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use outflow::env::Env;
use outflow::error::Reason;
use outflow::media::{Intake, Kind, Packet, StreamInfo, classify};
use outflow::monitor::{Event, State};
use outflow::net::dial::SystemResolver;
use outflow::node::{MediaUrl, Node};
use outflow::options::{self, Options};
use outflow::output::policy::Policy;
use outflow::output::{self, OutputHandle, OutputSpec};
use outflow::sink::{self, SinkKind};
use outflow::stream::{Stream, StreamConfig, Writer};
use outflow_testkit::compare::{compare, monotonic};
use outflow_testkit::flv::{self, Tag};
use outflow_testkit::ingest::{Behaviour, Ingest};
use outflow_testkit::media::{Clip, made_up};
use outflow_testkit::peers::{self, Peer};
use outflow_testkit::wait::Watched;

/// How long outputs stay connected without media.
const GRACE: Duration = Duration::from_secs(3);

/// A stream, and what its source sends.
struct Source {
    writer: Arc<Writer>,
    stream: Arc<Stream>,
    tags: Vec<Tag>,
}

impl Source {
    fn new(name: &str, tags: Vec<Tag>) -> Self {
        let (writer, stream) = Stream::new(name, StreamConfig::default(), Arc::default());
        Self { writer: Arc::new(writer), stream, tags }
    }

    /// Sends all of it at so many times its own speed, its time moved by so much.
    fn run(&self, speed: u32, moved: i64) -> tokio::task::JoinHandle<()> {
        let (writer, tags) = (self.writer.clone(), self.tags.clone());
        tokio::spawn(async move {
            writer.start(StreamInfo { video: Some(true), audio: Some(true), realtime: false });
            let begin = tokio::time::Instant::now();
            for tag in &tags {
                tokio::time::sleep_until(begin + Duration::from_millis(u64::from(tag.time)) / speed).await;
                writer.push(packet(tag, moved));
            }
        })
    }
}

fn packet(tag: &Tag, moved: i64) -> Packet {
    let kind = match tag.kind {
        8 => Kind::Audio,
        9 => Kind::Video,
        _ => Kind::Data,
    };
    classify::packet(kind, i64::from(tag.time) + moved, tag.body.clone(), Instant::now())
}

/// A running output, and the states that it has been in.
struct Running {
    handle: OutputHandle,
    seen: Watched<Vec<(State, Option<Reason>)>>,
}

impl Running {
    async fn until(&self, state: State, times: usize) -> Option<Reason> {
        let pick = |seen: &Vec<(State, Option<Reason>)>| {
            seen.iter().filter(|(reached, _)| *reached == state).nth(times - 1).map(|(_, reason)| *reason)
        };
        self.seen.wait_for(state.name(), pick).await
    }
}

fn start(kind: &'static SinkKind, url: &str, source: &Source) -> Running {
    let options = Options::with_defaults(options::defaults(kind.options));
    let url = Some(MediaUrl::new(url));
    let node = Node { index: 1, word: "-o".into(), kind: kind.name, name: "out".into(), url, options };
    let sink = (kind.open)(&node).unwrap();
    let (retry, grace) = (Duration::from_millis(20), Some(GRACE));
    let policy = Policy { retry, grace, ..output::policy(sink.role(), &node.options) };
    let seen = Watched::new(Vec::new());
    let states = seen.clone();
    let handle = output::spawn(OutputSpec {
        name: "out".into(),
        sink,
        policy,
        stream: source.stream.clone(),
        stats: Arc::default(),
        events: Arc::new(move |event| {
            if let Event::Output { state, reason, .. } = event {
                states.update(|seen| seen.push((state, reason.map(|ended| ended.reason))));
            }
        }),
        env: Env::new(Arc::new(SystemResolver), Arc::new(|_| {})),
    });
    Running { handle, seen }
}

/// Takes what arrived apart where a stream begins (with its metadata), and holds each part to its source. Gives how many
/// frames of each came.
fn parts(arrived: &[Tag], sources: &[&[Tag]]) -> Vec<usize> {
    monotonic(arrived).unwrap();
    let begins: Vec<usize> = (0..arrived.len()).filter(|&index| arrived[index].kind == 18).collect();
    assert_eq!(begins.len(), sources.len(), "streams that began");
    let ends = begins.iter().skip(1).copied().chain([arrived.len()]);
    let mut counts = Vec::new();
    for (number, (begin, end)) in begins.iter().copied().zip(ends).enumerate() {
        let part = &arrived[begin..end];
        let first = part.iter().position(Tag::is_frame).unwrap();
        assert!(part[first].is_key_frame(), "part {number} begins with {:?}", part[first]);
        for kind in [8, 9] {
            let header = part[..first].iter().any(|tag| tag.kind == kind && tag.is_sequence_header());
            assert!(header, "part {number} has no header of its own");
        }
        let matched = compare(sources[number], part).unwrap_or_else(|why| panic!("part {number}: {why}"));
        counts.push(matched.video + matched.audio);
        if let Some(last) = arrived[..begin].iter().map(|tag| tag.time).max() {
            let step = part[first].time - last;
            assert!((1..=200).contains(&step), "part {number} begins {step} ms after the last packet");
            assert!(part.iter().all(|tag| tag.time > last), "part {number} has packets from before it");
        }
    }
    counts
}

async fn decodes(file: &std::path::Path) {
    let ffmpeg = peers::find(Peer::Ffmpeg).expect("these tests need ffmpeg");
    let said = peers::decode_errors(&ffmpeg, file).await;
    assert!(said.is_empty(), "ffmpeg: {said}");
}

/// Two clips of different size, and so with other headers. Their structure is the same: FFmpeg's FLV demuxer goes on parsing
/// by the first header, and complains of any file that changes more, be it made by hand.
async fn clips() -> (Vec<Tag>, Vec<Tag>) {
    let other = Clip { size: (240, 136), ..Clip::small(8) };
    (Clip::small(8).tags().await, other.tags().await)
}

#[tokio::test]
async fn a_push_goes_on_with_another_source_and_back_and_ffmpeg_decodes_it_all() {
    let (one, two) = clips().await;
    let (one, two) = (Source::new("one", one), Source::new("two", two));
    let server = Ingest::start(Behaviour::Good).await;
    let push = start(&sink::rtmp_push::KIND, &server.url("live/key"), &one);
    // Time bases on both sides of what fits into 32 bits.
    let running = [one.run(4, 0), two.run(4, 5_000_000_000)];
    let begun = |count: usize| {
        let server = &server;
        async move {
            let begun = move |state: &outflow_testkit::ingest::State| {
                let session = &state.sessions.first();
                let metadata = |session: &&outflow_testkit::ingest::Session| {
                    session.tags().iter().filter(|tag| tag.kind == 18).count() >= count
                };
                session.as_ref().is_some_and(metadata)
            };
            server.wait_for("the stream's begin", begun).await;
            let media = server.session(0).media_messages;
            server.wait_for_media(0, media + 40).await;
        }
    };
    begun(1).await;
    assert!(push.handle.switch(two.stream.clone()));
    begun(2).await;
    assert!(push.handle.switch(one.stream.clone()));
    begun(3).await;
    for source in running {
        source.await.unwrap();
    }
    one.writer.end(true);
    server.wait_for("the good-bye", |state| state.sessions[0].unpublished).await;
    assert_eq!(server.state.look(outflow_testkit::ingest::State::connections), 1, "the same connection");
    let arrived = server.session(0).tags();
    let counts = parts(&arrived, &[&one.tags, &two.tags, &one.tags]);
    assert!(counts.iter().all(|count| *count >= 40), "{counts:?}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("switched.flv");
    std::fs::write(&file, flv::write(&arrived)).unwrap();
    decodes(&file).await;
    assert!(!push.seen.look(|seen| seen.iter().any(|(state, _)| matches!(state, State::Backoff | State::Stalled))));
}

#[tokio::test]
async fn a_recording_goes_on_with_another_source_and_ffmpeg_decodes_it() {
    let (one, two) = clips().await;
    let (one, two) = (Source::new("one", one), Source::new("two", two));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("switched.flv");
    let output = start(&sink::file::KIND, file.to_str().unwrap(), &one);
    let running = [one.run(4, 7_000), two.run(4, 0)];
    let begun = |count: usize| {
        let file = file.clone();
        async move {
            let deadline = Instant::now() + outflow_testkit::wait::DEADLINE;
            let tags = || std::fs::read(&file).ok().and_then(|bytes| flv::read(&bytes).ok()).unwrap_or_default();
            let frames_after = |tags: &[Tag]| {
                let begin = tags.iter().enumerate().filter(|(_, tag)| tag.kind == 18).nth(count - 1);
                begin.map_or(0, |(begin, _)| tags[begin..].iter().filter(|tag| tag.is_frame()).count())
            };
            while frames_after(&tags()) < 40 {
                assert!(Instant::now() < deadline, "no {count} streams in the file");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    };
    begun(1).await;
    assert!(output.handle.switch(two.stream.clone()));
    begun(2).await;
    output.handle.stop();
    assert_eq!(output.handle.wait().await.state, State::Stopped);
    running.iter().for_each(tokio::task::JoinHandle::abort);
    parts(&flv::read_file(&file).unwrap(), &[&one.tags, &two.tags]);
    decodes(&file).await;
}

#[tokio::test]
async fn a_hundred_switches_on_one_connection() {
    let sources = [500, 700].map(|size| Source::new(&size.to_string(), made_up(20_000, 5, size)));
    let server = Ingest::start(Behaviour::Good).await;
    let push = start(&sink::rtmp_push::KIND, &server.url("live/key"), &sources[0]);
    let running = [sources[0].run(8, 0), sources[1].run(8, -3_000_000)];
    let mut order = vec![&sources[0].tags[..]];
    for turn in 1..=100 {
        // Each part has a frame before the next is asked for.
        server
            .wait_for(&format!("part {turn}"), |state| {
                let Some(session) = state.sessions.first() else { return false };
                let tags = session.tags();
                let last = tags.iter().rposition(|tag| tag.kind == 18);
                let parts = tags.iter().filter(|tag| tag.kind == 18).count();
                parts >= turn && tags[last.unwrap_or(0)..].iter().any(Tag::is_frame)
            })
            .await;
        let next = &sources[turn % 2];
        push.handle.switch(next.stream.clone());
        order.push(&next.tags);
    }
    server
        .wait_for("the last", |state| state.sessions[0].tags().iter().filter(|tag| tag.kind == 18).count() > 100)
        .await;
    let media = server.session(0).media_messages;
    server.wait_for_media(0, media + 10).await;
    running.iter().for_each(tokio::task::JoinHandle::abort);
    assert_eq!(server.state.look(outflow_testkit::ingest::State::connections), 1);
    parts(&server.session(0).tags(), &order);
    // What is sent keeps to the clock: a switch adds a frame or so, but brings nothing back that is older.
    let arrivals = server.session(0).arrivals;
    let (first, last) = (&arrivals[0], arrivals.last().unwrap());
    let (media, real) = (last.message.time - first.message.time, last.at - first.at);
    let real = 8 * u32::try_from(real.as_millis()).unwrap();
    assert!(media < real + 100 * 60, "{media} ms of media in {real} ms");
}

#[tokio::test]
async fn a_source_that_died_is_replaced_by_one_that_is_there_or_that_comes_within_the_grace() {
    let sources = [500, 700].map(|size| Source::new(&size.to_string(), made_up(20_000, 10, size)));
    let server = Ingest::start(Behaviour::Good).await;
    let push = start(&sink::rtmp_push::KIND, &server.url("live/key"), &sources[0]);
    let first = sources[0].run(2, 0);
    server.wait_for_media(0, 40).await;
    first.abort();
    let _ = first.await;
    sources[0].writer.end(false);
    // Nobody is there yet.
    push.handle.switch(sources[1].stream.clone());
    tokio::time::sleep(GRACE / 10).await;
    let second = sources[1].run(2, 0);
    let media = server.session(0).media_messages;
    server.wait_for_media(0, media + 40).await;
    second.abort();
    let _ = second.await;
    assert_eq!(server.state.look(outflow_testkit::ingest::State::connections), 1);
    parts(&server.session(0).tags(), &[&sources[0].tags, &sources[1].tags]);
    // Now to one whose source never comes: after the grace the connection is closed, and made anew when it does.
    let third = Source::new("third", made_up(20_000, 10, 900));
    push.handle.switch(third.stream.clone());
    assert_eq!(push.until(State::Draining, 1).await, Some(Reason::InputGone));
    push.until(State::WaitingInput, 2).await;
    let third_running = third.run(2, 0);
    server.wait_for_media(1, 20).await;
    third_running.abort();
    parts(&server.session(1).tags(), &[&third.tags]);
}

#[tokio::test]
async fn players_stay_with_the_stream_that_they_chose() {
    let sources = ["one", "two"].map(|name| Source::new(name, Vec::new()));
    let output = start(&sink::rtmp_listen::KIND, "rtmp://127.0.0.1:0/live", &sources[0]);
    assert!(!output.handle.switch(sources[1].stream.clone()));
    let null = start(&sink::null::KIND, "null", &sources[0]);
    assert!(null.handle.switch(sources[1].stream.clone()));
}
