//! Tests of single pulls from servers that play, refuse, fall silent or go away; nothing is retried here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use outflow_testkit::flv::Tag;
use outflow_testkit::ingest::{Behaviour, Ingest, Refusing, Setup, Stage as At};
use outflow_testkit::media::made_up;
use outflow_testkit::tls::Authority;
use outflow_testkit::wait::Watched;

use super::*;
use crate::env::Env;
use crate::limits::Limits;
use crate::media::{Intake, Packet, StreamInfo};
use crate::monitor::InputStats;
use crate::net::dial::SystemResolver;
use crate::node::MediaUrl;
use crate::options::{self, Options, value};
use crate::stop::{Stopper, stopper};

#[path = "moving_tests.rs"]
mod moving;

/// What came out of a pull: bodies and times, and the ends that it told.
#[derive(Debug, Default)]
struct Fed {
    starts: usize,
    packets: Vec<(Vec<u8>, i64)>,
    ends: Vec<bool>,
}

struct Collector(Watched<Fed>);

impl Intake for Collector {
    fn start(&self, _: StreamInfo) {
        self.0.update(|fed| fed.starts += 1);
    }

    fn push(&self, packet: Packet) {
        self.0.update(|fed| fed.packets.push((packet.body.to_vec(), packet.dts)));
    }

    fn end(&self, clean: bool) {
        self.0.update(|fed| fed.ends.push(clean));
    }
}

/// A running pull.
struct Running {
    fed: Watched<Fed>,
    notes: Watched<Vec<String>>,
    stopper: Stopper,
    task: tokio::task::JoinHandle<Ended>,
}

impl Running {
    async fn packets(&self, count: usize) {
        self.fed.wait_for("packets", |fed| (fed.packets.len() >= count).then_some(())).await;
    }

    async fn ended(self) -> Ended {
        tokio::time::timeout(outflow_testkit::wait::DEADLINE, self.task).await.expect("it ends").unwrap()
    }
}

/// Long enough for a slow machine to answer pings in time.
fn calm() -> Limits {
    let seconds = Duration::from_secs;
    Limits { handshake: seconds(20), answer: seconds(20), pull_idle: seconds(60), ..Limits::default() }
}

fn pull(url: &str, typed: &[(&str, &str)], limits: Limits) -> Running {
    let mut set = Options::with_defaults(options::defaults(rtmp::PULL));
    for (name, text) in typed {
        let spec = options::find(rtmp::PULL, name).unwrap();
        set.set(spec.name, value::parse(spec.ty, text).unwrap());
    }
    let node = Node {
        index: 1,
        word: "-i".into(),
        kind: KIND.name,
        name: "in".into(),
        url: Some(MediaUrl::new(url)),
        options: set,
    };
    let client = Arc::new(Mutex::new(Client::new(client::settings::read(&node, Role::Play).unwrap())));
    let connect = node.options.duration("timeout").unwrap();
    let mut source = RtmpPull { client, connect };
    let (fed, notes) = (Watched::new(Fed::default()), Watched::new(Vec::new()));
    let (stopper, stop) = stopper();
    let told = notes.clone();
    let events: crate::monitor::Sink = Arc::new(move |event| {
        if let Event::Note { text, .. } = event {
            told.update(|notes| notes.push(text));
        }
    });
    let job = SourceJob {
        feed: Arc::new(Collector(fed.clone())),
        raw: Default::default(),
        realtime: true,
        stop,
        stats: Arc::new(InputStats::default()),
        events: events.clone(),
        name: "in".into(),
        env: Env::within(limits, Arc::new(SystemResolver), events),
    };
    let task = tokio::spawn(async move { source.run(job).await });
    Running { fed, notes, stopper, task }
}

/// Sends made-up media to whoever plays; what was sent.
fn send(server: &Ingest, frames: u32) -> Vec<Tag> {
    let tags = made_up(frames, 10, 3000);
    tags.iter().for_each(|tag| server.send_tag(tag));
    tags
}

fn sent(tags: &[Tag]) -> Vec<(Vec<u8>, i64)> {
    tags.iter().map(|tag| (tag.body.to_vec(), i64::from(tag.time))).collect()
}

#[tokio::test]
async fn every_packet_comes_as_it_was_sent_until_the_broadcast_ends() {
    let server = Ingest::start(Behaviour::Good).await;
    let running = pull(&server.url("live/name"), &[], calm());
    server.wait_for_players(1).await;
    let tags = send(&server, 40);
    running.packets(tags.len()).await;
    server.send_status("status", "NetStream.Play.UnpublishNotify");
    let fed = running.fed.clone();
    let ended = running.ended().await;
    assert_eq!((ended.reason, ended.retry), (Reason::InputEnded, Retry::Backoff), "too short a run to return at once");
    fed.look(|fed| {
        assert_eq!(fed.packets, sent(&tags));
        assert_eq!((fed.starts, fed.ends.as_slice()), (1, [true].as_slice()));
    });
    server.wait_for("the good-bye", |state| state.sessions[0].unpublished && state.open == 0).await;
    let session = server.session(0);
    assert_eq!(session.played.as_deref(), Some("name"));
    // SetBufferLength (Adobe RTMP 1.0 §6.2): stream 1, 3000 ms.
    assert_eq!(session.user_controls(3), [[0, 0, 0, 1, 0, 0, 11, 184]]);
}

#[tokio::test]
async fn a_stop_says_good_bye() {
    let server = Ingest::start(Behaviour::Good).await;
    let running = pull(&server.url("live/name"), &[], calm());
    server.wait_for_players(1).await;
    let tags = send(&server, 5);
    running.packets(tags.len()).await;
    running.stopper.stop();
    let fed = running.fed.clone();
    assert_eq!(running.ended().await, Ended::stopped());
    assert_eq!(fed.look(|fed| fed.ends.clone()), [false]);
    server.wait_for("the good-bye", |state| state.sessions[0].unpublished && state.open == 0).await;
}

#[tokio::test]
async fn a_close_without_a_word_may_be_followed_by_more() {
    let server = Ingest::start(Behaviour::Good).await;
    let running = pull(&server.url("live/name"), &[], calm());
    server.wait_for_players(1).await;
    let tags = send(&server, 5);
    running.packets(tags.len()).await;
    server.close_all();
    let fed = running.fed.clone();
    let ended = running.ended().await;
    assert_eq!((ended.reason, ended.retry), (Reason::Disconnected, Retry::Backoff), "{ended}");
    assert_eq!(fed.look(|fed| fed.ends.clone()), [false]);
}

#[tokio::test]
async fn every_no_has_its_class_and_shows_no_key() {
    let denied = Behaviour::RefuseConnect("NetConnection.Connect.Rejected", "no topsecretkey here");
    let cases = [
        (Behaviour::RefusePlay("NetStream.Play.StreamNotFound"), Reason::NotFound, Retry::Backoff),
        (Behaviour::RefusePlay("NetStream.Play.Failed"), Reason::Refused, Retry::Backoff),
        (denied, Reason::Refused, Retry::Slow),
        (Behaviour::Garbage(At::Accept), Reason::Protocol, Retry::Backoff),
        (Behaviour::Garbage(At::Connect), Reason::Protocol, Retry::Backoff),
    ];
    for (behaviour, reason, retry) in cases {
        let shown = format!("{behaviour:?}");
        let server = Ingest::start(behaviour).await;
        let running = pull(&server.url("live/topsecretkey"), &[], calm());
        let fed = running.fed.clone();
        let ended = running.ended().await;
        assert_eq!((ended.reason, ended.retry), (reason, retry), "{shown}: {ended}");
        assert!(!ended.text.contains("topsecret"), "{ended}");
        assert_eq!(fed.look(|fed| fed.starts), 0, "nothing has begun");
    }
    let refusing = Refusing::new();
    let ended = pull(&refusing.url("live/key"), &[], calm()).ended().await;
    assert_eq!((ended.reason, ended.retry), (Reason::Connect, Retry::Backoff));
}

#[tokio::test]
async fn a_mute_server_is_left_at_every_stage() {
    let short = || Limits { handshake: Duration::from_millis(300), answer: Duration::from_millis(300), ..calm() };
    for (stage, what) in [
        (At::Accept, "the handshake"),
        (At::Handshake, "the handshake"),
        (At::Connect, "the handshake"),
        (At::CreateStream, "the answer to play"),
    ] {
        let server = Ingest::start(Behaviour::Mute(stage)).await;
        let ended = pull(&server.url("live/name"), &[], short()).ended().await;
        assert_eq!((ended.reason, ended.retry), (Reason::Timeout, Retry::Backoff), "{stage:?}");
        assert!(ended.text.starts_with(what), "{ended}");
        server.wait_for("the client to be gone", |state| state.connections() == 1 && state.open == 0).await;
    }
}

#[tokio::test]
async fn a_server_without_media_is_waited_for_as_long_as_it_answers() {
    let short = Limits { pull_idle: Duration::from_millis(1500), ..calm() };
    let server = Ingest::start(Behaviour::Good).await;
    let running = pull(&server.url("live/name"), &[], short);
    // A PingRequest (event 6) each time, for longer than silence would be borne.
    server.wait_for("pings", |state| state.sessions.first().is_some_and(|s| s.user_controls(6).len() > 4)).await;
    assert!(!running.task.is_finished());
    let (fed, notes) = (running.fed.clone(), running.notes.clone());
    assert!(notes.look(|notes| notes.iter().any(|note| note.contains("waiting for media"))));
    assert_eq!(fed.look(|fed| fed.starts), 0, "nothing has begun");
    server.pause(true);
    let ended = running.ended().await;
    assert_eq!((ended.reason, ended.retry), (Reason::Timeout, Retry::Backoff));
    assert!(ended.text.contains("not even the answer to a ping"), "{ended}");
}

#[tokio::test]
async fn a_server_whose_media_stops_is_left_though_it_answers() {
    let short = Limits { pull_idle: Duration::from_secs(1), ..calm() };
    let server = Ingest::start(Behaviour::Good).await;
    let running = pull(&server.url("live/name"), &[], short);
    server.wait_for_players(1).await;
    send(&server, 3);
    let ended = running.ended().await;
    assert_eq!(ended.reason, Reason::Timeout);
    assert!(ended.text.contains("no media"), "{ended}");
}

#[tokio::test]
async fn through_tls_with_an_authority_of_ones_own() {
    let authority = Authority::new();
    let server = Setup::new([Behaviour::Good]).tls(&authority.identity(&["localhost"])).start().await;
    let running = pull(&server.url("live/name"), &[("ca", authority.path().to_str().unwrap())], calm());
    server.wait_for_players(1).await;
    let tags = send(&server, 10);
    running.packets(tags.len()).await;
    assert_eq!(running.fed.look(|fed| fed.packets.clone()), sent(&tags));
    let ended = pull(&server.url("live/name"), &[], calm()).ended().await;
    assert_eq!((ended.reason, ended.retry), (Reason::Tls, Retry::Slow));
}
