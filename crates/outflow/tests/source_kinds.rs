//! The contract that every kind of source keeps. It goes over the registry: a new kind needs a row in [`ROWS`].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod contract;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use contract::{ALONE, STOP, held, help_is_whole, node, resolver};
use outflow::env::Env;
use outflow::error::Reason;
use outflow::media::raw::RawOut;
use outflow::media::{Intake, Packet, StreamInfo};
use outflow::monitor::Event;
use outflow::source::{SOURCES, Source, SourceJob, SourceKind, ffmpeg};
use outflow::stop::stopper;
use outflow_testkit::ingest::{Behaviour, Ingest};
use outflow_testkit::wait::{Watched, until};

/// What a kind is tried with.
struct Row {
    kind: &'static str,
    /// A word that works and has no end.
    word: fn(&Place) -> String,
    options: fn(&Place) -> Vec<(&'static str, String)>,
    /// It is at work once this holds.
    at_work: fn(&Place, &Seen) -> bool,
}

/// What a source gave.
#[derive(Default)]
struct Seen {
    events: Vec<Event>,
    packets: usize,
    pictures: usize,
}

impl Seen {
    fn started(&self) -> bool {
        self.events.iter().any(|event| matches!(event, Event::InputStarted { .. }))
    }
}

const NONE: fn(&Place) -> Vec<(&'static str, String)> = |_| Vec::new();

const ROWS: &[Row] = &[
    Row {
        kind: "rtmp_listen",
        word: |place| format!("rtmp://127.0.0.1:{}/in", place.port),
        options: |_| vec![("rtmp_listen", "1".to_owned())],
        at_work: |_, seen| seen.events.iter().any(|event| matches!(event, Event::Listening { .. })),
    },
    Row {
        kind: "rtmp_pull",
        word: |place| place.server.url("live/name"),
        options: NONE,
        at_work: |place, _| place.server.state.look(|state| state.sessions.iter().any(|s| s.played.is_some())),
    },
    // Nobody ever writes to it.
    Row { kind: "pipe", word: |place| place.path("fifo"), options: NONE, at_work: |_, seen| seen.started() },
    Row {
        kind: "file",
        word: |_| format!("{}/tests/data/tiny.flv", env!("CARGO_MANIFEST_DIR")),
        options: |_| vec![("loop", "yes".to_owned())],
        at_work: |_, seen| seen.packets > 10,
    },
    Row {
        kind: "ffmpeg",
        word: |_| "udp://127.0.0.1:9".to_owned(),
        options: |place| vec![("ffmpeg", place.path("ffmpeg"))],
        // The script says so.
        at_work: |place, _| Path::new(&place.path("running")).exists(),
    },
    Row {
        kind: "avgen",
        word: |_| String::new(),
        options: |_| vec![("sizes", "160x120".to_owned())],
        at_work: |_, seen| seen.pictures > 3,
    },
];

fn rows() -> impl Iterator<Item = (&'static SourceKind, &'static Row)> {
    SOURCES.iter().map(|kind| {
        let row = ROWS.iter().find(|row| row.kind == kind.name);
        (*kind, row.unwrap_or_else(|| panic!("add a row for the source `{}` to ROWS", kind.name)))
    })
}

/// What rows name.
struct Place {
    folder: tempfile::TempDir,
    server: Ingest,
    port: u16,
}

impl Place {
    async fn new() -> Self {
        ffmpeg::guard_with(env!("CARGO_BIN_EXE_outflow").into());
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
        let script = folder.path().join("ffmpeg");
        let running = folder.path().join("running");
        std::fs::write(&script, format!("#!/bin/sh\n: > {}\nexec sleep 600\n", running.display())).unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder, server: Ingest::start(Behaviour::Good).await, port: outflow_testkit::free_port() }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn open(&self, kind: &'static SourceKind, row: &Row) -> Box<dyn Source> {
        let options = (row.options)(self);
        let options: Vec<_> = options.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let word = (row.word)(self);
        let node = node(kind.name, kind.options, &word, &options);
        if let Some(url) = &node.url {
            let listens = node.options.bool("rtmp_listen");
            let first = SOURCES.iter().find(|kind| (kind.accepts)(url, listens)).unwrap();
            assert_eq!(first.name, kind.name, "{word} is for another kind");
        }
        (kind.open)(&node).unwrap_or_else(|error| panic!("{word}: {error}"))
    }
}

/// Counts what comes.
struct Counting(Watched<Seen>);

impl Intake for Counting {
    fn start(&self, _: StreamInfo) {}
    fn push(&self, _: Packet) {
        self.0.update(|seen| seen.packets += 1);
    }
    fn end(&self, _: bool) {}
}

#[test]
fn every_kind_has_its_help() {
    for (kind, _) in rows() {
        help_is_whole(kind.name, kind.summary, kind.options);
    }
    for row in ROWS {
        assert!(SOURCES.iter().any(|kind| kind.name == row.kind), "{} is no source any more", row.kind);
    }
}

#[tokio::test]
async fn opening_has_no_side_effect() {
    let _alone = ALONE.lock().await;
    let place = Place::new().await;
    for (kind, row) in rows() {
        let before = held(place.folder.path());
        let source = place.open(kind, row);
        let after = held(place.folder.path());
        // What is read while validating may stay open with the source: a regular file, nothing that another end sees.
        let more: Vec<_> = after.difference(&before).filter(|held| !held.contains("/tests/data/")).collect();
        assert!(more.is_empty(), "{}: open made {more:?}", kind.name);
        drop(source);
    }
    assert_eq!(place.server.state.look(|state| state.connections()), 0);
}

#[tokio::test]
async fn a_stop_ends_a_run_at_any_time() {
    let _alone = ALONE.lock().await;
    for (kind, row) in rows() {
        for at_once in [true, false] {
            let place = Place::new().await;
            let seen = Watched::<Seen>::new(Seen::default());
            let events = seen.clone();
            let events: outflow::monitor::Sink = Arc::new(move |event| events.update(|seen| seen.events.push(event)));
            let env = Env::new(resolver(), events.clone());
            let (stopper, stop) = stopper();
            let mut raw = RawOut::default();
            let (video, pictures) = std::sync::mpsc::sync_channel(4);
            raw.video.push(video);
            let counted = seen.clone();
            // It ends with the source, which holds the other end.
            std::thread::spawn(move || {
                while pictures.recv().is_ok() {
                    counted.update(|seen| seen.pictures += 1);
                }
            });
            let job = SourceJob {
                feed: Arc::new(Counting(seen.clone())),
                raw,
                realtime: true,
                stop,
                stats: Arc::default(),
                events,
                name: kind.name.into(),
                env: env.clone(),
            };
            let mut source = place.open(kind, row);
            source.prepare(&env).await.unwrap();
            let task = tokio::spawn(async move { source.run(job).await });
            if !at_once {
                until(&format!("{} is at work", kind.name), || seen.look(|seen| (row.at_work)(&place, seen))).await;
                assert!(!task.is_finished(), "{} ended by itself", kind.name);
            }
            stopper.stop();
            let ended = tokio::time::timeout(STOP, task).await;
            let ended = ended.unwrap_or_else(|_| panic!("{} runs for more than {STOP:?} after a stop", kind.name));
            assert_eq!(ended.unwrap().reason, Reason::Stopped, "{}, at once: {at_once}", kind.name);
            // Lets the thread that waits to open the pipe go.
            let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NONBLOCK;
            let _ = rustix::fs::open(place.path("fifo"), flags, rustix::fs::Mode::empty());
        }
    }
}
