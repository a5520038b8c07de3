//! A stream that comes back to where it was is refused: into its own input, and over another program, where no word shows
//! that the destination is ours.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use outflow::client::{self, Client, Watcher};
use outflow::env::Env;
use outflow::error::Reason;
use outflow::media::Feed;
use outflow::monitor::{Event, State};
use outflow::net::dial::SystemResolver;
use outflow::node::{MediaUrl, Node};
use outflow::options::{self, Options};
use outflow::output::{self, OutputHandle, OutputSpec};
use outflow::sink::SinkKind;
use outflow::source::{SourceJob, SourceKind};
use outflow::stop::{Stopper, stopper};
use outflow::stream::{Stream, StreamConfig};
use outflow_testkit::media::made_up;
use outflow_testkit::player::Player;
use outflow_testkit::proc::{Child, Command};
use outflow_testkit::proxy::Proxy;
use outflow_testkit::publisher::Publisher;
use outflow_testkit::wait::Watched;
use outflow_testkit::{free_port, peers};

fn program(words: &str) -> Command {
    Command::new(env!("CARGO_BIN_EXE_outflow")).line(words)
}

async fn listens(port: u16, program: &mut Child) {
    let deadline = Instant::now() + outflow_testkit::wait::DEADLINE;
    while !peers::listens(port) {
        assert!(program.is_running() && Instant::now() < deadline, "nobody listens: {}", program.text());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Publishes in real time until dropped.
fn publish(url: String) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        let mut publisher = Publisher::connect(&url).await.expect("the first publisher is welcome");
        publisher.play(&made_up(3000, 10, 2000), 0).await.expect("it stays");
    })
}

async fn says(program: &Child, words: &str) {
    program.output.wait_for(words, |output| output.lines().any(|line| line.contains(words)).then_some(())).await;
}

#[tokio::test]
async fn a_push_into_its_own_input_is_refused_and_the_publisher_stays() {
    let port = free_port();
    // The proxy hides that the destination is ours: no look at the words could find it.
    let proxy = Proxy::start(([127, 0, 0, 1], port).into()).await;
    let mut program = program(&format!(
        "-i rtmp://127.0.0.1:{port}/live/a:gpac:rtmp_listen=1 -o rtmp://{}/live/a:gpac:name=back -o null",
        proxy.address()
    ))
    .start();
    listens(port, &mut program).await;
    let publishing = publish(format!("rtmp://127.0.0.1:{port}/live/a"));
    says(&program, "was refused: it brings back what this input sent out").await;
    says(&program, "back: lost: it would run in a circle").await;
    assert!(!publishing.is_finished());
    publishing.abort();
}

#[tokio::test]
async fn a_stream_from_one_program_to_another_and_back_is_refused() {
    let (one, two) = (free_port(), free_port());
    let mut a = program(&format!(
        "-i rtmp://127.0.0.1:{one}/live/a:gpac:rtmp_listen=1 -o rtmp://127.0.0.1:{two}/live/b:gpac:name=to-b \
         -o rtmp://127.0.0.1:{one}/play:gpac:rtmp_listen=1:name=players"
    ))
    .start();
    let mut b = program(&format!(
        "-i rtmp://127.0.0.1:{two}/live/b:gpac:rtmp_listen=1 -o rtmp://127.0.0.1:{one}/live/a:gpac:name=to-a"
    ))
    .start();
    listens(one, &mut a).await;
    listens(two, &mut b).await;
    let publishing = publish(format!("rtmp://127.0.0.1:{one}/live/a"));
    says(&a, "was refused: it brings back what this input sent out").await;
    says(&b, "to-a: lost: it would run in a circle").await;
    says(&a, "to-b: live").await;
    let player = Player::connect(&format!("rtmp://127.0.0.1:{one}/play/x")).await.unwrap();
    player.wait_for_media(20).await;
    assert!(!publishing.is_finished());
    publishing.abort();
}

#[tokio::test]
async fn a_pull_of_what_it_feeds_is_refused() {
    let port = free_port();
    let proxy = Proxy::start(([127, 0, 0, 1], port).into()).await;
    let mut program = program(&format!(
        "-i rtmp://{}/live/a:gpac:name=pull -o rtmp://127.0.0.1:{port}/live/a:gpac:rtmp_listen=1",
        proxy.address()
    ))
    .start();
    listens(port, &mut program).await;
    says(&program, "was refused: it would bring the stream back into itself").await;
    says(&program, "it would run in a circle").await;
}

/// A listening input and a listening output of one stream, and whoever wants to dial them.
struct Bench {
    env: Env,
    events: Watched<Vec<Event>>,
    stream: Arc<Stream>,
    feed: Feed,
    stops: Vec<Stopper>,
    outputs: Vec<OutputHandle>,
}

fn node(kind: &'static str, specs: &'static [&'static [options::OptionSpec]], url: &str) -> Node {
    let options = Options::with_defaults(options::defaults(specs));
    Node { index: 1, word: "word".into(), kind, name: kind.into(), url: Some(MediaUrl::new(url)), options }
}

struct Quiet;

impl Watcher for Quiet {
    fn enter(&self, _: State) {}
    fn note(&self, _: String) {}
}

impl Bench {
    fn new() -> Self {
        let events = Watched::new(Vec::new());
        let seen = events.clone();
        let env = Env::new(Arc::new(SystemResolver), Arc::new(move |event| seen.update(|seen| seen.push(event))));
        let (writer, stream) = Stream::new("s", StreamConfig::default(), Arc::default());
        Self { env, events, stream, feed: Arc::new(writer), stops: Vec::new(), outputs: Vec::new() }
    }

    async fn port(&self) -> u16 {
        let port =
            |event: &Event| if let Event::Listening { address, .. } = event { Some(address.port()) } else { None };
        self.events.wait_for("a listener", |events| events.iter().find_map(port)).await
    }

    async fn input(&mut self, kind: &'static SourceKind) -> u16 {
        let mut source = (kind.open)(&node(kind.name, kind.options, "rtmp://127.0.0.1:0/in/a")).unwrap();
        source.prepare(&self.env).await.unwrap();
        let (stopper, stop) = stopper();
        let job = SourceJob {
            feed: self.feed.clone(),
            raw: Default::default(),
            realtime: true,
            stop,
            stats: Arc::default(),
            events: Arc::new(|_| {}),
            name: "input".into(),
            env: self.env.clone(),
        };
        tokio::spawn(async move { source.run(job).await });
        self.stops.push(stopper);
        self.port().await
    }

    async fn output(&mut self, kind: &'static SinkKind) -> u16 {
        let node = node(kind.name, kind.options, "rtmp://127.0.0.1:0/live/a");
        let mut sink = (kind.open)(&node).unwrap();
        sink.prepare(&self.env).await.unwrap();
        let policy = output::policy(sink.role(), &node.options);
        let (stream, env) = (self.stream.clone(), self.env.clone());
        let (stats, events) = (Arc::default(), Arc::new(|_| {}));
        self.outputs.push(output::spawn(OutputSpec { name: "out".into(), sink, policy, stream, stats, events, env }));
        self.port().await
    }

    /// Asks as a relay would whose stream came by these marks; why it was refused.
    async fn dial(&self, role: outflow_rtmp::session::Role, url: &str, hops: &[String]) -> Option<Reason> {
        let node = node("dial", outflow::options::rtmp::PUSH, url);
        let mut client = Client::new(client::settings::read(&node, role).unwrap());
        client.open(&SystemResolver, &Quiet, hops).await.err().map(|ended| ended.reason)
    }
}

use outflow_rtmp::session::Role;

#[tokio::test]
async fn a_loop_takes_nobodys_place_though_the_publisher_is_silent() {
    let mut bench = Bench::new();
    let port = bench.input(&outflow::source::rtmp_listen::KIND).await;
    let url = format!("rtmp://127.0.0.1:{port}/in/a");
    let mut publisher = Publisher::connect(&url).await.unwrap();
    let came = ["elsewhere:1".to_owned(), bench.stream.mark().to_owned(), "after:2".to_owned()];
    let silent = Instant::now();
    // Longer than a silent publisher keeps its place.
    while silent.elapsed() < Duration::from_millis(3500) {
        assert_eq!(bench.dial(Role::Publish, &url, &came).await, Some(Reason::Loop));
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    publisher.play(&made_up(20, 10, 500), 0).await.unwrap();
    let mut state = bench.stream.state();
    tokio::time::timeout(outflow_testkit::wait::DEADLINE, state.wait_for(|state| state.ready)).await.unwrap().unwrap();
    assert_eq!(bench.stream.hops(), [bench.stream.mark()], "the first publisher is there, and came by no relay");
    // One that comes by other relays is only the second. Once the first is silent it takes the place.
    assert_eq!(bench.dial(Role::Publish, &url, &came[..1]).await, Some(Reason::Busy));
    let deadline = Instant::now() + outflow_testkit::wait::DEADLINE;
    while bench.stream.hops().len() == 1 {
        assert!(Instant::now() < deadline);
        let _ = bench.dial(Role::Publish, &url, &came[..1]).await;
    }
}

#[tokio::test]
async fn a_player_that_feeds_us_or_is_fed_by_us_is_refused() {
    let mut bench = Bench::new();
    let port = bench.output(&outflow::sink::rtmp_listen::KIND).await;
    let url = format!("rtmp://127.0.0.1:{port}/live/a");
    bench.feed.start(Default::default());
    bench.feed.came_by(&["from:1".into()]);
    assert_eq!(bench.dial(Role::Play, &url, &["from:1".into()]).await, Some(Reason::Loop));
    assert_eq!(bench.dial(Role::Play, &url, &[bench.stream.mark().into()]).await, Some(Reason::Loop));
    assert_eq!(bench.dial(Role::Play, &url, &["other:1".into()]).await, None);
    bench.feed.end(false);
    assert_eq!(bench.dial(Role::Play, &url, &["from:1".into()]).await, None, "that source is gone");
}
