//! Tests of single attempts against servers that accept, refuse, fall silent or go away; no supervisor here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use outflow_rtmp::session::{ServerConfig, ServerEvent, ServerSession};
use outflow_testkit::ingest::{Behaviour, Ingest, Refusing, Setup, Stage};
use outflow_testkit::media::made_up;
use outflow_testkit::tls::Authority;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

#[path = "moving_tests.rs"]
mod moving_tests;
#[path = "options_tests.rs"]
mod options_tests;

use super::*;
use crate::env::Env;
use crate::error::Retry;
use crate::media::classify;
use crate::media::{Intake, Kind, StreamInfo};
use crate::net::dial::{Resolver, SystemResolver};
use crate::node::MediaUrl;
use crate::options::{self, Options, value};
use crate::sink::Progress;
use crate::stop::{Stopper, stopper};
use crate::stream::{Stream, StreamConfig, Writer};

/// A word as the command line makes it.
pub(super) fn node(url: &str, typed: &[(&str, &str)]) -> Node {
    let mut options = Options::with_defaults(options::defaults(rtmp::PUSH));
    for (name, text) in typed {
        let spec = options::find(rtmp::PUSH, name).unwrap();
        options.set(spec.name, value::parse(spec.ty, text).unwrap());
    }
    let url = Some(MediaUrl::new(url));
    Node { index: 1, word: "-o".into(), kind: KIND.name, name: "out".into(), url, options }
}

/// A push with everything it needs, for one attempt after another.
pub(super) struct Rig {
    pub(super) sink: Box<dyn Sink>,
    stream: Arc<Stream>,
    pub(super) writer: Writer,
    stats: Arc<OutputStats>,
    env: Env,
    progress: Progress,
}

impl Rig {
    pub(super) fn new(url: &str, options: &[(&str, &str)]) -> Self {
        Self::with_resolver(url, options, Arc::new(SystemResolver))
    }

    fn with_resolver(url: &str, options: &[(&str, &str)], resolver: Arc<dyn Resolver>) -> Self {
        let (writer, stream) = Stream::new("test", StreamConfig::default(), Arc::default());
        let sink = open(&node(url, options)).unwrap();
        let env = Env::new(resolver, Arc::new(|_| {}));
        Self { sink, stream, writer, stats: Arc::default(), env, progress: Progress::default() }
    }

    pub(super) fn job(&mut self) -> (SinkJob, Stopper) {
        let (stopper, stop) = stopper();
        self.progress = Progress::default();
        let job = SinkJob {
            switches: Default::default(),
            stream: self.stream.clone(),
            progress: self.progress.clone(),
            stats: self.stats.clone(),
            stop,
            events: Arc::new(|_| {}),
            name: "out".into(),
            env: self.env.clone(),
        };
        (job, stopper)
    }

    /// One attempt, to its end.
    async fn run(&mut self) -> Ended {
        let (job, _stopper) = self.job();
        self.sink.run(job).await
    }

    /// The states that the last attempt came to.
    fn states(&self) -> Vec<State> {
        std::iter::from_fn(|| self.progress.take()).collect()
    }
}

/// Feeds made-up media: one frame each time it is asked.
struct Feeder {
    frames: std::vec::IntoIter<outflow_testkit::flv::Tag>,
}

impl Feeder {
    fn new(writer: &Writer, count: u32) -> Self {
        writer.start(StreamInfo { video: Some(true), audio: Some(true), realtime: false });
        Self { frames: made_up(count, 5, 500).into_iter() }
    }

    fn push(&mut self, writer: &Writer) -> bool {
        let Some(tag) = self.frames.next() else { return false };
        let kind = match tag.kind {
            8 => Kind::Audio,
            9 => Kind::Video,
            _ => Kind::Data,
        };
        writer.push(classify::packet(kind, i64::from(tag.time), tag.body, Instant::now()));
        true
    }
}

/// Runs one attempt, with media whenever the connection is in the pump, until it ends or `done` says so; then asks for
/// its end.
async fn run_with_media(rig: &mut Rig, done: impl AsyncFn()) -> Ended {
    let (job, stopper) = rig.job();
    let stats = rig.stats.clone();
    let mut feeder = Feeder::new(&rig.writer, 2000);
    let mut running = rig.sink.run(job);
    let mut tick = tokio::time::interval(Duration::from_millis(2));
    let mut waiting = std::pin::pin!(done());
    let mut over = false;
    loop {
        tokio::select! {
            ended = &mut running => return ended,
            () = &mut waiting, if !over => {
                over = true;
                stopper.stop();
            }
            _ = tick.tick() => {
                if OutputStats::get(&stats.connections) > 0 {
                    feeder.push(&rig.writer);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_good_server_gets_everything_and_a_good_bye() {
    let server = Ingest::start(Behaviour::Good).await;
    let options = [("rtmp_flashver", "FMLE/9"), ("rtmp_swfurl", "http://swf"), ("rtmp_pageurl", "http://page")];
    let mut rig = Rig::new(&server.url("live/topsecretkey"), &options);
    let ended = run_with_media(&mut rig, async || server.wait_for_media(0, 40).await).await;
    assert_eq!(ended, Ended::stopped());
    assert_eq!(
        rig.states(),
        [State::Resolving, State::Connecting, State::Handshaking, State::Publishing, State::WaitingInput, State::Live]
    );
    server.wait_for("the good-bye", |state| state.sessions[0].unpublished && state.open == 0).await;
    let session = server.session(0);
    assert_eq!(session.published.as_deref(), Some("topsecretkey"));
    assert_eq!(session.connect_text("app").as_deref(), Some("live"));
    assert_eq!(session.connect_text("tcUrl").unwrap(), server.url("live"));
    assert_eq!(session.connect_text("flashVer").as_deref(), Some("FMLE/9"));
    assert_eq!(session.connect_text("swfUrl").as_deref(), Some("http://swf"));
    assert_eq!(session.connect_text("pageUrl").as_deref(), Some("http://page"));
    let first = session.tags().into_iter().find(|tag| tag.is_frame() && tag.kind == 9).unwrap();
    assert!(first.is_key_frame() && first.time == 0);
    assert_eq!(OutputStats::get(&rig.stats.connections), 0);
}

#[tokio::test]
async fn through_tls_with_an_authority_of_ones_own() {
    let authority = Authority::new();
    let server = Setup::new([Behaviour::Good]).tls(&authority.identity(&["localhost"])).start().await;
    let ca = authority.path().to_str().unwrap();
    let mut rig = Rig::new(&server.url("live/key"), &[("ca", ca)]);
    assert_eq!(run_with_media(&mut rig, async || server.wait_for_media(0, 20).await).await, Ended::stopped());

    let mut distrustful = Rig::new(&server.url("live/key"), &[]);
    let ended = distrustful.run().await;
    assert_eq!((ended.reason, ended.retry), (Reason::Tls, Retry::Slow));
    assert!(ended.text.contains("ca=FILE"), "{ended}");

    let other = Setup::new([Behaviour::Good]).tls(&authority.identity(&["elsewhere.example"])).start().await;
    let ended = Rig::new(&other.url("live/key"), &[("ca", ca)]).run().await;
    assert!(ended.text.contains("elsewhere.example, not for localhost"), "{ended}");
}

#[tokio::test]
async fn every_no_has_its_class_and_shows_no_key() {
    let denied = Behaviour::RefuseConnect("NetConnection.Connect.Rejected", "no topsecretkey here");
    let cases = [
        (Behaviour::RefusePublish("NetStream.Publish.BadName"), Reason::Busy, Retry::Backoff),
        (Behaviour::RefusePublish("NetStream.Publish.Denied"), Reason::Refused, Retry::Slow),
        (denied, Reason::Refused, Retry::Slow),
        (Behaviour::CloseAfterPublish, Reason::ClosedAfterPublish, Retry::Slow),
        (Behaviour::Garbage(Stage::Accept), Reason::Protocol, Retry::Backoff),
        (Behaviour::Garbage(Stage::Connect), Reason::Protocol, Retry::Backoff),
    ];
    for (behaviour, reason, retry) in cases {
        let shown = format!("{behaviour:?}");
        let server = Ingest::start(behaviour).await;
        let ended = Rig::new(&server.url("live/topsecretkey"), &[]).run().await;
        assert_eq!((ended.reason, ended.retry), (reason, retry), "{shown}: {ended}");
        assert!(!ended.text.contains("topsecret"), "{ended}");
    }
    let refusing = Refusing::new();
    let ended = Rig::new(&refusing.url("live/key"), &[]).run().await;
    assert_eq!((ended.reason, ended.retry), (Reason::Connect, Retry::Backoff));
}

/// Runs an attempt until it has come to a state, and drops it there: what the supervisor does at a deadline.
async fn abandon_at(rig: &mut Rig, state: State) {
    let (job, _stopper) = rig.job();
    let progress = job.progress.clone();
    let mut running = rig.sink.run(job);
    loop {
        tokio::select! {
            ended = &mut running => panic!("it ended: {ended}"),
            () = progress.changed() => while let Some(reached) = progress.take() {
                if reached == state {
                    return;
                }
            }
        }
    }
}

#[tokio::test]
async fn a_server_that_is_mute_holds_nothing_once_abandoned() {
    let stages = [
        (Stage::Accept, State::Handshaking),
        (Stage::Handshake, State::Handshaking),
        (Stage::Connect, State::Handshaking),
        (Stage::CreateStream, State::Publishing),
    ];
    for (stage, state) in stages {
        let server = Ingest::start(Behaviour::Mute(stage)).await;
        let mut rig = Rig::new(&server.url("live/key"), &[]);
        abandon_at(&mut rig, state).await;
        server.wait_for("the client to be gone", |state| state.connections() == 1 && state.open == 0).await;
    }
}

#[tokio::test]
async fn a_reset_while_live_is_the_networks_fault_once_the_key_was_proven() {
    let server = Ingest::start(Behaviour::ResetAt(20_000)).await;
    let mut rig = Rig::new(&server.url("live/key"), &[]);
    let ended = run_with_media(&mut rig, std::future::pending::<()>).await;
    assert_eq!(ended.reason, Reason::ClosedAfterPublish, "{ended}");

    let node = node(&server.url("live/key"), &[]);
    let client = Client::new(client::settings::read(&node, Role::Publish).unwrap());
    let words = client.settings.words.clone();
    let client = Arc::new(Mutex::new(client));
    rig.sink =
        Box::new(RtmpPush { client, words, settings: settings::read(&node).unwrap(), selected: None, proven: true });
    let ended = run_with_media(&mut rig, std::future::pending::<()>).await;
    assert_eq!((ended.reason, ended.retry), (Reason::Disconnected, Retry::Backoff), "{ended}");
}

#[tokio::test]
async fn a_server_that_never_answers_publish_is_live_once_it_has_taken_media() {
    let server = Ingest::start(Behaviour::SilentPublish).await;
    let mut rig = Rig::new(&server.url("live/key"), &[]);
    let began = Instant::now();
    let (job, stopper) = rig.job();
    let progress = job.progress.clone();
    let stats = rig.stats.clone();
    let mut feeder = Feeder::new(&rig.writer, 2000);
    let mut running = rig.sink.run(job);
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    let mut states = Vec::new();
    while states.last() != Some(&State::Live) {
        tokio::select! {
            ended = &mut running => panic!("it ended: {ended}"),
            () = progress.changed() => states.extend(std::iter::from_fn(|| progress.take())),
            _ = tick.tick() => if OutputStats::get(&stats.connections) > 0 {
                feeder.push(&rig.writer);
            }
        }
    }
    assert!(began.elapsed() >= SILENT_MEDIA);
    assert!(states.iter().filter(|state| **state == State::Publishing).count() > 1, "{states:?}");
    assert!(server.session(0).media_messages > 0);
    stopper.stop();
    assert_eq!(running.await, Ended::stopped());
}

/// Fails, or hangs for ever.
struct BadResolver(bool);

impl Resolver for BadResolver {
    fn resolve(&self, _: &str, _: u16) -> crate::net::BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        match self.0 {
            true => Box::pin(std::future::pending()),
            false => Box::pin(async { Err(io::Error::other("no such name")) }),
        }
    }
}

#[tokio::test]
async fn names_that_do_not_resolve_or_hang() {
    let ended = Rig::with_resolver("rtmp://none.example/live/key", &[], Arc::new(BadResolver(false))).run().await;
    assert_eq!((ended.reason, ended.retry), (Reason::Resolve, Retry::Backoff));
    assert!(ended.text.contains("none.example"), "{ended}");

    let mut hanging = Rig::with_resolver("rtmp://slow.example/live/key", &[], Arc::new(BadResolver(true)));
    abandon_at(&mut hanging, State::Resolving).await;
    // It can be stopped there too.
    let (job, stopper) = hanging.job();
    stopper.stop();
    assert_eq!(hanging.sink.run(job).await, Ended::stopped());
}

/// Sends whoever connects on to another server; to itself where none is given.
async fn redirecting(to: Option<String>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let to = to.unwrap_or_else(|| format!("rtmp://{address}/live"));
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let mut session = ServerSession::new(ServerConfig::new([7; 1528]));
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = tcp.read(&mut buffer).await {
                session.receive(&buffer[..length]).unwrap();
                while let Some(event) = session.next_event() {
                    if let ServerEvent::Connect(_) = event {
                        session.redirect_connect(&to).unwrap();
                    }
                }
                tcp.write_all(&session.take_output()).await.unwrap();
            }
        }
    });
    address
}

#[tokio::test]
async fn redirects_are_followed_and_not_for_ever() {
    let server = Ingest::start(Behaviour::Good).await;
    let first = redirecting(Some(server.url("other"))).await;
    let mut rig = Rig::new(&format!("rtmp://{first}/live/key"), &[]);
    assert_eq!(run_with_media(&mut rig, async || server.wait_for_media(0, 10).await).await, Ended::stopped());
    let session = server.session(0);
    assert_eq!(session.connect_text("app").as_deref(), Some("other"));
    assert_eq!(session.published.as_deref(), Some("key"));

    let itself = redirecting(None).await;
    let ended = Rig::new(&format!("rtmp://{itself}/live/key"), &[]).run().await;
    assert_eq!((ended.reason, ended.retry), (Reason::Refused, Retry::Slow));
    assert!(ended.text.contains("again and again"), "{ended}");
}

const NEED_AUTH: &str = "[ AccessManager.Reject ] : [ code=403 need auth; authmod=adobe ] : ";
const PROVE: &str =
    "[ AccessManager.Reject ] : [ authmod=adobe ] : ?reason=needauth&user=us@er&salt=S&challenge=C&opaque=O";
const FAILED: &str = "[ AccessManager.Reject ] : [ authmod=adobe ] : ?reason=authfailed&opaque=O";

#[tokio::test]
async fn a_server_that_asks_for_user_and_password_gets_the_proof_and_never_the_password() {
    let refuse = |text| Behaviour::RefuseConnect("NetConnection.Connect.Rejected", text);
    let server = Setup::new([refuse(NEED_AUTH), refuse(PROVE), Behaviour::Good]).start().await;
    let url = server.url("live/key").replace("rtmp://", "rtmp://us%40er:pass%2Fword@");
    let mut rig = Rig::new(&url, &[]);
    assert_eq!(run_with_media(&mut rig, async || server.wait_for_media(2, 10).await).await, Ended::stopped());
    let app = |index| server.session(index).connect_text("app").unwrap();
    assert_eq!((app(0).as_str(), app(1).as_str()), ("live", "live?authmod=adobe&user=us@er"));
    let (before, response) = app(2).split_once("&response=").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let ours = before.strip_prefix("live?authmod=adobe&user=us@er&challenge=").unwrap();
    let expected = outflow_rtmp::auth::adobe::response("us@er", &"pass/word".into(), "S", "O", ours);
    assert_eq!(response, format!("{expected}&opaque=O"));
    let tc_url = server.session(2).connect_text("tcUrl").unwrap();
    let (before, _) = tc_url.split_once('?').unwrap();
    assert_eq!(before, server.url("live"), "without user and password");
    assert!(tc_url.ends_with(&app(2)) && !tc_url.contains("pass"), "{tc_url}");
    assert_eq!(server.session(2).published.as_deref(), Some("key"));

    // A wrong password, and none: both say what to do, and are not tried again and again.
    for (user, behaviours, words) in [
        ("user:pass%2Fword@", vec![refuse(NEED_AUTH), refuse(PROVE), refuse(FAILED)], "does not take this user"),
        ("user:pass%2Fword@", vec![refuse(NEED_AUTH)], "does not take this user"),
        ("", vec![refuse(NEED_AUTH)], "rtmp://USER:PASSWORD@HOST/APP"),
    ] {
        let server = Setup::new(behaviours).start().await;
        let url = server.url("live/key").replace("rtmp://", &format!("rtmp://{user}"));
        let ended = Rig::new(&url, &[]).run().await;
        assert_eq!((ended.reason, ended.retry), (Reason::Refused, Retry::Slow));
        assert!(ended.text.contains(words) && !ended.text.contains("pass/word"), "{ended}");
    }
}
