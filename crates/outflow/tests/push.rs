//! Supervised pushes against servers of every kind: each on its own, none in another's way, all coming back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use outflow::env::Env;
use outflow::error::Reason;
use outflow::media::{Intake, Kind, Packet, StreamInfo, classify};
use outflow::monitor::{Event, OutputStats, State};
use outflow::net::BoxFuture;
use outflow::net::dial::{Resolver, SystemResolver};
use outflow::node::{MediaUrl, Node};
use outflow::options::{self, Options};
use outflow::output::policy::Policy;
use outflow::output::{self, OutputHandle, OutputSpec};
use outflow::sink::rtmp_push::KIND;
use outflow::stream::{Stream, StreamConfig, Writer};
use outflow_testkit::compare::{holes_end_at_key_frames, monotonic};
use outflow_testkit::flv::Tag;
use outflow_testkit::ingest::{self, Behaviour, Ingest, Refusing, Setup, Stage};
use outflow_testkit::media::made_up;
use outflow_testkit::wait::Watched;

/// Knows the names that end in `.slow` only after ever.
struct SlowResolver;

impl Resolver for SlowResolver {
    fn resolve(&self, host: &str, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        if host.ends_with(".slow") { Box::pin(pending()) } else { SystemResolver.resolve(host, port) }
    }
}

/// Knows one name, whose addresses change, and counts how often it was asked.
#[derive(Clone, Default)]
struct ChangingResolver(Arc<Mutex<(Vec<SocketAddr>, usize)>>);

impl ChangingResolver {
    fn set(&self, addresses: &[SocketAddr]) {
        self.0.lock().unwrap().0 = addresses.to_vec();
    }

    fn asked(&self) -> usize {
        self.0.lock().unwrap().1
    }
}

impl Resolver for ChangingResolver {
    fn resolve(&self, host: &str, _: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        assert_eq!(host, "moving.example");
        let mut known = self.0.lock().unwrap();
        known.1 += 1;
        let addresses = known.0.clone();
        Box::pin(async move { Ok(addresses) })
    }
}

/// A stream and its outputs.
struct Rig {
    writer: Arc<Writer>,
    stream: Arc<Stream>,
    env: Env,
}

/// A running push, and the states that it has been in.
struct Push {
    handle: OutputHandle,
    stats: Arc<OutputStats>,
    seen: Watched<Vec<(State, Option<Reason>)>>,
}

impl Push {
    async fn until(&self, what: &str, reached: impl Fn(&[(State, Option<Reason>)]) -> bool) {
        self.seen.wait_for(what, |seen| reached(seen).then_some(())).await;
    }

    async fn until_state(&self, state: State) {
        self.until(state.name(), |seen| seen.iter().any(|(reached, _)| *reached == state)).await;
    }
}

impl Rig {
    fn new() -> Self {
        Self::resolving(SlowResolver)
    }

    fn resolving(resolver: impl Resolver + 'static) -> Self {
        let (writer, stream) = Stream::new("test", StreamConfig::default(), Arc::default());
        let env = Env::new(Arc::new(resolver), Arc::new(|_| {}));
        Self { writer: Arc::new(writer), stream, env }
    }

    /// Starts a push to a bad server, with short deadlines.
    fn impatient(&self, url: &str) -> Push {
        let limit = Duration::from_millis(300);
        let stall = Some(Duration::from_secs(1));
        self.start(url, Policy { resolve: limit, handshake: limit, publish: limit, stall, ..Policy::default() })
    }

    /// Starts a push to a good server.
    fn push(&self, url: &str) -> Push {
        self.start(url, Policy::default())
    }

    fn start(&self, url: &str, policy: Policy) -> Push {
        let options = Options::with_defaults(options::defaults(KIND.options));
        let url = Some(MediaUrl::new(url));
        let node = Node { index: 1, word: "-o".into(), kind: KIND.name, name: "out".into(), url, options };
        let (retry, retry_max) = (Duration::from_millis(20), Duration::from_millis(100));
        let policy = Policy { retry, retry_max, ..policy };
        let seen = Watched::new(Vec::new());
        let (states, stats) = (seen.clone(), Arc::<OutputStats>::default());
        let handle = output::spawn(OutputSpec {
            name: "out".into(),
            sink: (KIND.open)(&node).unwrap(),
            policy,
            stream: self.stream.clone(),
            stats: stats.clone(),
            events: Arc::new(move |event| {
                if let Event::Output { state, reason, .. } = event {
                    states.update(|seen| seen.push((state, reason.map(|ended| ended.reason))));
                }
            }),
            env: self.env.clone(),
        });
        Push { handle, stats, seen }
    }

    /// Feeds made-up media at `rate` frames a second for as long as the test runs; what was fed.
    fn feed(&self, size: usize, group: u32, rate: u32) -> Vec<Tag> {
        let tags = made_up(20_000, group, size);
        let (writer, fed) = (self.writer.clone(), tags.clone());
        tokio::spawn(async move {
            writer.start(StreamInfo { video: Some(true), audio: Some(true), realtime: false });
            let mut frames = tokio::time::interval(Duration::from_secs(1) / rate);
            for tag in fed {
                if tag.kind == 9 {
                    frames.tick().await;
                }
                writer.push(packet(&tag));
            }
        });
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

#[tokio::test]
async fn bad_servers_are_in_nobodys_way() {
    let rig = Rig::new();
    let good = Ingest::start(Behaviour::Good).await;
    let healthy = rig.push(&good.url("live/key"));
    let refusing = Refusing::new();
    let mut bad = vec![
        (rig.impatient(&refusing.url("live/key")), Reason::Connect),
        (rig.impatient("rtmp://never.slow/live/key"), Reason::Timeout),
    ];
    let mut servers = Vec::new();
    for (behaviour, reason) in [
        (Behaviour::Mute(Stage::Accept), Reason::Timeout),
        (Behaviour::Mute(Stage::Handshake), Reason::Timeout),
        (Behaviour::Mute(Stage::Connect), Reason::Timeout),
        (Behaviour::Mute(Stage::CreateStream), Reason::Timeout),
        (Behaviour::RefusePublish("NetStream.Publish.BadName"), Reason::Busy),
        (Behaviour::RefusePublish("NetStream.Publish.Denied"), Reason::Refused),
        (Behaviour::CloseAfterPublish, Reason::ClosedAfterPublish),
        (Behaviour::Garbage(Stage::Accept), Reason::Protocol),
    ] {
        let server = Ingest::start(behaviour).await;
        bad.push((rig.impatient(&server.url("live/key")), reason));
        servers.push(server);
    }
    let fed = rig.feed(2000, 25, 200);
    for (push, reason) in &bad {
        // Twice: it has come back by itself.
        push.until(reason.code(), |seen| {
            seen.iter().filter(|step| **step == (State::Backoff, Some(*reason))).count() > 1
        })
        .await;
    }
    good.wait_for_media(0, 200).await;
    let session = good.session(0);
    monotonic(&session.tags()).unwrap();
    assert_eq!(holes_end_at_key_frames(&fed, &session.tags()).unwrap(), 0);
    assert_eq!(good.state.look(ingest::State::connections), 1);
    assert!(!healthy.seen.look(|seen| seen.iter().any(|(state, _)| *state == State::Stalled)));
    assert!(bad.iter().all(|(push, _)| !push.handle.status().ever_live));
    healthy.handle.stop();
    let outcome = healthy.handle.wait().await;
    assert!(outcome.ever_live && outcome.state == State::Stopped && outcome.last.is_none(), "{outcome:?}");
    good.wait_for("the good-bye", |state| state.sessions[0].unpublished).await;
}

#[tokio::test]
async fn a_server_that_stops_reading_is_abandoned_and_comes_back_at_a_key_frame() {
    let rig = Rig::new();
    let behaviours = [Behaviour::StopReading(400_000), Behaviour::Good];
    let stopped = Setup::new(behaviours).receive_buffer(16 << 10).start().await;
    let push = rig.impatient(&stopped.url("live/key"));
    let fed = rig.feed(20_000, 25, 200);
    push.until_state(State::Stalled).await;
    push.until("the stall's end", |seen| seen.contains(&(State::Backoff, Some(Reason::Stalled)))).await;
    let later =
        |state: &ingest::State| state.sessions.iter().skip(1).find(|session| session.media_messages >= 100).cloned();
    let tags = stopped.state.wait_for("media on a later connection", later).await.tags();
    assert!(OutputStats::get(&push.stats.attempts) >= 2);
    monotonic(&tags).unwrap();
    holes_end_at_key_frames(&fed, &tags).unwrap();
    let first = tags.iter().find(|tag| tag.kind == 9 && tag.is_frame()).unwrap();
    assert!(first.is_key_frame() && first.time == 0, "{first:?}");
}

#[tokio::test]
async fn a_server_that_goes_and_returns_is_found_again() {
    let rig = Rig::new();
    let server = Ingest::start(Behaviour::Good).await;
    let (address, url) = (server.address(), server.url("live/key"));
    let push = rig.push(&url);
    rig.feed(1000, 10, 100);
    server.wait_for_media(0, 20).await;
    drop(server);
    push.until("its loss", |seen| seen.iter().any(|(state, _)| *state == State::Backoff)).await;
    let again = Setup::new([Behaviour::Good]).at(address).start().await;
    again.wait_for_media(0, 20).await;
    assert!(again.session(0).tags().iter().any(Tag::is_sequence_header));
}

#[tokio::test]
async fn the_name_is_looked_up_for_each_attempt_and_every_address_is_tried() {
    let names = ChangingResolver::default();
    let rig = Rig::resolving(names.clone());
    let (first, second) = (Ingest::start(Behaviour::Good).await, Ingest::start(Behaviour::Good).await);
    let (refusing, refusing_too) = (Refusing::new(), Refusing::new());
    // In one attempt: the first that answers, wherever it stands in the list.
    names.set(&[refusing.address(), refusing_too.address(), first.address()]);
    let push = rig.push("rtmp://moving.example/live/key");
    rig.feed(1000, 10, 100);
    first.wait_for_media(0, 20).await;
    assert_eq!((OutputStats::get(&push.stats.attempts), names.asked()), (1, 1));
    // It moves while it is down.
    names.set(&[refusing.address()]);
    drop(first);
    push.until("attempts in vain", |seen| seen.contains(&(State::Backoff, Some(Reason::Connect)))).await;
    names.set(&[second.address(), refusing.address()]);
    second.wait_for_media(0, 20).await;
    assert_eq!(names.asked() as u64, OutputStats::get(&push.stats.attempts), "once for each attempt");
}

#[tokio::test]
async fn the_end_of_the_broadcast_reaches_the_server() {
    let rig = Rig::new();
    let server = Ingest::start(Behaviour::Good).await;
    let push = rig.push(&server.url("live/key"));
    let tags = made_up(2000, 10, 500);
    rig.writer.start(StreamInfo { video: Some(true), audio: Some(true), realtime: false });
    let mut frames = tokio::time::interval(Duration::from_millis(5));
    let (mut taken, mut rest) = (false, 40);
    let mut end = None;
    for tag in &tags {
        // Paced until the server takes it; what follows then all comes at once, and the end right behind it.
        taken = taken || server.state.look(|state| state.bytes() > 0 && state.sessions[0].media_messages > 0);
        if taken {
            rest -= 1;
        } else {
            frames.tick().await;
        }
        rig.writer.push(packet(tag));
        end = Some(tag);
        if rest == 0 {
            break;
        }
    }
    assert!(taken);
    rig.writer.end(true);
    push.until_state(State::WaitingInput).await;
    server.wait_for("the good-bye", |state| state.sessions[0].unpublished && state.open == 0).await;
    let arrived = server.session(0).tags();
    let (last, end) = (arrived.last().unwrap(), end.unwrap());
    assert_eq!(last.body, end.body, "nothing of the end is lost");
    rig.stream.set_finished();
    let outcome = push.handle.wait().await;
    assert!(outcome.ever_live && outcome.state == State::Stopped && outcome.last.is_none(), "{outcome:?}");
}
