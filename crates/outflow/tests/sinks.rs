//! The contract that every kind of sink keeps. It goes over the registry: a new kind needs a row in [`ROWS`].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod contract;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use contract::{ALONE, STOP, held, help_is_whole, node, resolver};
use outflow::env::Env;
use outflow::error::{Ended, Reason, Retry};
use outflow::media::{Intake, Kind, Packet, StreamInfo, classify};
use outflow::monitor::{Event, OutputStats};
use outflow::sink::{Progress, SINKS, Sink, SinkJob, SinkKind};
use outflow::stop::{Stopper, stopper};
use outflow::stream::{Stream, StreamConfig, Writer};
use outflow_testkit::compare::holes_end_at_key_frames;
use outflow_testkit::flv::Tag;
use outflow_testkit::ingest::{Behaviour, Ingest, Refusing, Setup};
use outflow_testkit::media::made_up;
use outflow_testkit::player::Player;
use outflow_testkit::wait::{Watched, until};

/// What a kind is tried with.
struct Row {
    kind: &'static str,
    /// A word that works.
    good: fn(&Place) -> String,
    /// A word whose peer never reads; only what has no peer can do without.
    stuck: Option<fn(&Place) -> String>,
    /// A word that fails, and how; only what can't fail can do without.
    fails: Option<(fn(&Place) -> String, Reason, Retry)>,
    /// Players come to it.
    listens: bool,
}

const ROWS: &[Row] = &[
    Row {
        kind: "rtmp_listen",
        good: |place| format!("rtmp://127.0.0.1:{}/live", place.port),
        stuck: Some(|place| format!("rtmp://127.0.0.1:{}/live", place.port)),
        fails: Some((|place| format!("rtmp://{}/live", place.refusing.address()), Reason::Bind, Retry::Never)),
        listens: true,
    },
    Row {
        kind: "rtmp_push",
        good: |place| place.server.url("live/key"),
        stuck: Some(|place| place.stuck.url("live/key")),
        fails: Some((|place| place.refusing.url("live/key"), Reason::Connect, Retry::Backoff)),
        listens: false,
    },
    Row { kind: "null", good: |_| "null".to_owned(), stuck: None, fails: None, listens: false },
    Row {
        kind: "file",
        good: |place| place.path("out.flv"),
        stuck: Some(|place| place.path("fifo")),
        fails: Some((|_| "/dev/full".to_owned(), Reason::File, Retry::Never)),
        listens: false,
    },
];

fn rows() -> impl Iterator<Item = (&'static SinkKind, &'static Row)> {
    SINKS.iter().map(|kind| {
        let row = ROWS.iter().find(|row| row.kind == kind.name);
        let row = row.unwrap_or_else(|| panic!("add a row for the sink `{}` to ROWS", kind.name));
        assert!(row.stuck.is_some() || !kind.live, "{}: how does its peer stop reading?", kind.name);
        assert!(row.fails.is_some() || !kind.live, "{}: how does it fail?", kind.name);
        (*kind, row)
    })
}

/// The peers that rows name, and a folder.
struct Place {
    folder: tempfile::TempDir,
    server: Ingest,
    stuck: Ingest,
    refusing: Refusing,
    port: u16,
}

impl Place {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
        let stuck = Setup::new([Behaviour::StopReading(50_000)]).receive_buffer(16 << 10).start().await;
        let server = Ingest::start(Behaviour::Good).await;
        Self { folder, server, stuck, refusing: Refusing::new(), port: outflow_testkit::free_port() }
    }

    fn path(&self, name: &str) -> String {
        let path: PathBuf = self.folder.path().join(name);
        path.to_str().unwrap().to_owned()
    }
}

fn open(kind: &'static SinkKind, row: &Row, url: &str) -> Box<dyn Sink> {
    let set: &[_] = if row.listens { &[("rtmp_listen", "1")] } else { &[] };
    let node = node(kind.name, kind.options, url, set);
    let first = SINKS.iter().find(|kind| (kind.accepts)(node.url.as_ref().unwrap(), row.listens)).unwrap();
    assert_eq!(first.name, kind.name, "{url} is for another kind");
    (kind.open)(&node).unwrap_or_else(|error| panic!("{url}: {error}"))
}

/// A stream, and what its sinks are given.
struct Bench {
    writer: Arc<Writer>,
    stream: Arc<Stream>,
    env: Env,
    events: Watched<Vec<Event>>,
}

/// A sink that runs.
struct Running {
    task: tokio::task::JoinHandle<Ended>,
    stats: Arc<OutputStats>,
    stopper: Stopper,
    player: Option<Player>,
}

impl Bench {
    fn new() -> Self {
        let (writer, stream) = Stream::new("test", StreamConfig::default(), Arc::default());
        let events = Watched::new(Vec::new());
        let seen = events.clone();
        let env = Env::new(resolver(), Arc::new(move |event| seen.update(|events| events.push(event))));
        Self { writer: Arc::new(writer), stream, env, events }
    }

    /// Prepares and runs it, with a player where players come to it.
    async fn run(&self, kind: &'static SinkKind, row: &Row, url: &str) -> Result<Running, Ended> {
        let mut sink = open(kind, row, url);
        sink.prepare(&self.env).await?;
        let (stopper, stop) = stopper();
        let stats = Arc::<OutputStats>::default();
        let seen = self.events.clone();
        let job = SinkJob {
            switches: Default::default(),
            stream: self.stream.clone(),
            progress: Progress::default(),
            stats: stats.clone(),
            stop,
            events: Arc::new(move |event| seen.update(|events| events.push(event))),
            name: kind.name.into(),
            env: self.env.clone(),
        };
        let task = tokio::spawn(async move { sink.run(job).await });
        let player = match row.listens {
            true => Some(Player::connect(&format!("{url}/x")).await.unwrap()),
            false => None,
        };
        Ok(Running { task, stats, stopper, player })
    }

    /// Feeds so many frames of `size` bytes, as fast as a stream of 20 Mb/s; gives what was fed.
    async fn feed(&self, frames: u32, size: usize) -> Vec<Tag> {
        let tags = made_up(frames, 25, size);
        self.writer.start(StreamInfo { video: Some(true), audio: Some(true), realtime: false });
        let mut times = tokio::time::interval(Duration::from_secs(1) * u32::try_from(size).unwrap() / 2_500_000);
        for tag in &tags {
            if tag.kind == 9 {
                times.tick().await;
            }
            self.writer.push(packet(tag));
        }
        tags
    }
}

fn packet(tag: &Tag) -> Packet {
    let kind = match tag.kind {
        8 => Kind::Audio,
        9 => Kind::Video,
        _ => Kind::Data,
    };
    classify::packet(kind, i64::from(tag.time), tag.body.clone(), Instant::now())
}

/// Stops it; it must end in time, as stopped.
async fn stops(kind: &SinkKind, running: Running, when: &str) {
    running.stopper.stop();
    let ended = tokio::time::timeout(STOP, running.task).await;
    let ended = ended.unwrap_or_else(|_| panic!("{} runs for more than {STOP:?} after a stop {when}", kind.name));
    assert_eq!(ended.unwrap().reason, Reason::Stopped, "{} {when}", kind.name);
}

#[test]
fn every_kind_has_its_help() {
    for (kind, _) in rows() {
        help_is_whole(kind.name, kind.summary, kind.options);
    }
    let unknown: Vec<_> = ROWS.iter().filter(|row| !SINKS.iter().any(|kind| kind.name == row.kind)).collect();
    assert!(unknown.is_empty(), "rows without a kind: {:?}", unknown.iter().map(|row| row.kind).collect::<Vec<_>>());
}

#[tokio::test]
async fn opening_has_no_side_effect() {
    let _alone = ALONE.lock().await;
    let place = Place::new().await;
    for (kind, row) in rows() {
        let fails = row.fails.map(|(word, ..)| word);
        for word in [Some(row.good), row.stuck, fails].into_iter().flatten() {
            let before = held(place.folder.path());
            let sink = open(kind, row, &word(&place));
            let after = held(place.folder.path());
            let more: Vec<_> = after.difference(&before).collect();
            assert!(more.is_empty(), "{}: open made {more:?}", kind.name);
            drop(sink);
        }
    }
    assert_eq!(place.server.state.look(|state| state.connections()), 0);
    assert_eq!(place.stuck.state.look(|state| state.connections()), 0);
}

#[tokio::test]
async fn a_stop_ends_a_run_at_any_time_and_bytes_are_counted() {
    let _alone = ALONE.lock().await;
    for (kind, row) in rows() {
        let place = Place::new().await;
        let bench = Bench::new();
        let url = (row.good)(&place);
        // Before any media; where it dials perhaps before it is connected.
        stops(kind, bench.run(kind, row, &url).await.unwrap(), "at once").await;
        let running = bench.run(kind, row, &url).await.unwrap();
        if row.kind == "rtmp_push" {
            place.server.wait_for("the publish", |state| state.published().is_some()).await;
        }
        let fed = bench.feed(100, 5000).await;
        let whole: u64 = fed.iter().map(|tag| tag.body.len() as u64).sum();
        let bytes = || OutputStats::get(&running.stats.bytes);
        until(&format!("{} counts its bytes: {:?}", kind.name, running.stats), || bytes() >= whole / 2).await;
        assert!(bytes() < whole * 2, "{}: {} of {whole}", kind.name, bytes());
        assert!(OutputStats::get(&running.stats.packets) > 0, "{}: {:?}", kind.name, running.stats);
        stops(kind, running, "in the middle of media").await;
    }
}

#[tokio::test]
async fn a_peer_that_never_reads_holds_up_nobody() {
    let _alone = ALONE.lock().await;
    let healthy_kind = SINKS.iter().find(|kind| kind.name == "rtmp_push").unwrap();
    let healthy_row = ROWS.iter().find(|row| row.kind == "rtmp_push").unwrap();
    for (kind, row) in rows() {
        let Some(word) = row.stuck else { continue };
        let place = Place::new().await;
        let bench = Bench::new();
        let running = bench.run(kind, row, &word(&place)).await.unwrap();
        if let Some(player) = &running.player {
            player.pause(true);
        }
        let healthy = bench.run(healthy_kind, healthy_row, &place.server.url("live/key")).await.unwrap();
        place.server.wait_for("the publish", |state| state.published().is_some()).await;
        // More than all the kernel's buffers of one connection.
        let fed = bench.feed(600, 40_000).await;
        let whole: u64 = fed.iter().map(|tag| tag.body.len() as u64).sum();
        let media = fed.iter().filter(|tag| tag.is_frame()).count();
        place.server.wait_for_media(0, media).await;
        assert_eq!(holes_end_at_key_frames(&fed, &place.server.session(0).tags()), Ok(0), "{}", kind.name);
        let sent = OutputStats::get(&running.stats.bytes);
        assert!(sent < whole / 2, "{}: its peer was to read nothing, and got {sent} of {whole} bytes", kind.name);
        // It still tries, or has told why not; either way it can be let go.
        running.task.abort();
        if let Ok(ended) = running.task.await {
            assert!(!ended.is_clean() && ended.retry != Retry::Never, "{}: {ended:?}", kind.name);
        }
        stops(healthy_kind, healthy, "beside a stuck one").await;
        // Whoever waits to open the pipe may go.
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::NONBLOCK;
        let _ = rustix::fs::open(place.path("fifo"), flags, rustix::fs::Mode::empty());
    }
}

#[tokio::test]
async fn a_failure_says_whether_to_try_again() {
    let _alone = ALONE.lock().await;
    for (kind, row) in rows() {
        let Some((word, reason, retry)) = row.fails else { continue };
        let place = Place::new().await;
        let bench = Bench::new();
        let mut sink = open(kind, row, &word(&place));
        let (_stopper, stop) = stopper();
        let job = SinkJob {
            switches: Default::default(),
            stream: bench.stream.clone(),
            progress: Progress::default(),
            stats: Arc::default(),
            stop,
            events: Arc::new(|_| {}),
            name: kind.name.into(),
            env: bench.env.clone(),
        };
        let run = async {
            match sink.prepare(&bench.env).await {
                Ok(()) => sink.run(job).await,
                Err(ended) => ended,
            }
        };
        let feed = async {
            bench.feed(50, 5000).await;
            std::future::pending().await
        };
        let ended: Ended = tokio::select! {
            ended = tokio::time::timeout(outflow_testkit::wait::DEADLINE, run) => ended.expect("it fails"),
            () = feed => unreachable!("it feeds for ever"),
        };
        assert_eq!((ended.reason, ended.retry), (reason, retry), "{}: {ended:?}", kind.name);
        assert!(!ended.text.is_empty());
    }
}
