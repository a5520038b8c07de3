//! A listening input with listening outputs, driven by peers that share no code with us: joins, returns, refusals.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use outflow::env::Env;
use outflow::media::Feed;
use outflow::monitor::{self, Event, InputStats, OutputStats};
use outflow::net::dial::SystemResolver;
use outflow::node::{MediaUrl, Node};
use outflow::options::{Options, Value};
use outflow::output::{self, OutputHandle, OutputSpec};
use outflow::secret::Secret;
use outflow::sink::SinkKind;
use outflow::source::{SourceJob, SourceKind};
use outflow::stop::{Stopper, stopper};
use outflow::stream::{Stream, StreamConfig};
use outflow_testkit::compare::{compare, monotonic};
use outflow_testkit::media::made_up;
use outflow_testkit::player::Player;
use outflow_testkit::publisher::Publisher;
use outflow_testkit::wait::Watched;

struct Bench {
    env: Env,
    events: monitor::Sink,
    seen: Arc<Watched<Vec<Event>>>,
    stream: Arc<Stream>,
    feed: Feed,
    _stops: Vec<Stopper>,
    outputs: Vec<OutputHandle>,
}

fn node(url: &str, kind: &'static str, options: &[(&'static str, Value)]) -> Node {
    let mut set = Options::default();
    for (name, value) in options {
        set.set(name, value.clone());
    }
    let scheme = url.split_once("://").map(|(scheme, _)| scheme.to_owned());
    let url = MediaUrl { scheme, raw: Secret::new(url), shown: url.to_owned() };
    Node { index: 1, word: "word".into(), kind, name: kind.into(), url: Some(url), options: set }
}

impl Bench {
    fn new() -> Self {
        let seen = Arc::new(Watched::new(Vec::new()));
        let collect = seen.clone();
        let events: monitor::Sink = Arc::new(move |event| collect.update(|events| events.push(event)));
        let env = Env::new(Arc::new(SystemResolver), events.clone());
        let (writer, stream) = Stream::new("s", StreamConfig::default(), Arc::default());
        Self { env, events, seen, stream, feed: Arc::new(writer), _stops: Vec::new(), outputs: Vec::new() }
    }

    async fn input(&mut self, kind: &'static SourceKind, url: &str, options: &[(&'static str, Value)]) {
        let mut source = (kind.open)(&node(url, kind.name, options)).unwrap();
        source.prepare(&self.env).await.unwrap();
        let (stopper, stop) = stopper();
        let job = SourceJob {
            feed: self.feed.clone(),
            raw: Default::default(),
            realtime: true,
            stop,
            stats: Arc::new(InputStats::default()),
            events: self.events.clone(),
            name: "input".into(),
            env: self.env.clone(),
        };
        tokio::spawn(async move { source.run(job).await });
        self._stops.push(stopper);
    }

    async fn output(
        &mut self,
        kind: &'static SinkKind,
        url: &str,
        options: &[(&'static str, Value)],
    ) -> Arc<OutputStats> {
        let node = node(url, kind.name, options);
        let mut sink = (kind.open)(&node).unwrap();
        sink.prepare(&self.env).await.unwrap();
        let stats = Arc::new(OutputStats::default());
        let policy = output::policy(sink.role(), &node.options);
        let (stream, events, env) = (self.stream.clone(), self.events.clone(), self.env.clone());
        let spec = OutputSpec { name: url.to_owned(), sink, policy, stream, stats: stats.clone(), events, env };
        self.outputs.push(output::spawn(spec));
        stats
    }

    /// The port that was bound last, once it accepts.
    async fn port(&self, number: usize) -> u16 {
        let pick = move |events: &Vec<Event>| {
            let ports = events.iter().filter_map(|event| match event {
                Event::Listening { address, .. } => Some(address.port()),
                _ => None,
            });
            ports.collect::<Vec<_>>().get(number).copied()
        };
        self.seen.wait_for("a listener to be reported", pick).await
    }
}

use outflow::sink::rtmp_listen::KIND as LISTEN_OUT;
use outflow::source::rtmp_listen::KIND as LISTEN_IN;

#[tokio::test]
async fn players_before_and_after_the_publisher_get_every_packet_from_a_key_frame_on() {
    let mut bench = Bench::new();
    bench.input(&LISTEN_IN, "rtmp://127.0.0.1:0/in/key", &[]).await;
    let input = bench.port(0).await;
    bench.output(&LISTEN_OUT, "rtmp://127.0.0.1:0/live", &[]).await;
    let live = bench.port(1).await;

    let early = Player::connect(&format!("rtmp://127.0.0.1:{live}/live/x")).await.unwrap();
    let tags = made_up(120, 30, 20_000);
    let (first, rest) = tags.split_at(tags.len() / 2);
    let mut publisher = Publisher::connect(&format!("rtmp://127.0.0.1:{input}/in/key")).await.unwrap();
    publisher.play(first, 0).await.unwrap();
    let seen = early.wait_for_media(first.len() / 2).await;
    assert!(!seen.is_empty());
    let late = Player::connect(&format!("rtmp://127.0.0.1:{live}/live/other")).await.unwrap();
    publisher.play(rest, 0).await.unwrap();
    publisher.finish().await.unwrap();
    for (who, player) in [("early", early), ("late", late)] {
        let received: Vec<_> =
            player.received.wait_for(&format!("the {who} player's end"), |r| r.end.as_ref().map(|_| r.tags())).await;
        monotonic(&received).unwrap();
        let matched = compare(&tags, &received).unwrap_or_else(|problem| panic!("{who}: {problem}"));
        assert!(matched.video > 40, "{who}: {matched:?}");
    }
}

#[tokio::test]
async fn a_second_publisher_is_refused_while_the_first_is_alive_and_a_stranger_always() {
    let mut bench = Bench::new();
    let key = ("publish_key", Value::Secret(Secret::new("k1")));
    bench.input(&LISTEN_IN, "rtmp://127.0.0.1:0/in", &[key]).await;
    let port = bench.port(0).await;
    let url = |name: &str| format!("rtmp://127.0.0.1:{port}/in/{name}");
    assert!(Publisher::connect(&url("wrong")).await.is_err());
    let first = Publisher::connect(&url("k1")).await.unwrap();
    assert!(Publisher::connect(&url("s?key=k1")).await.is_err(), "one at a time");
    first.finish().await.unwrap();
    bench
        .seen
        .wait_for("the first publisher's end", |events| {
            events.iter().any(|event| matches!(event, Event::InputEnded { .. })).then_some(())
        })
        .await;
    Publisher::connect(&url("s?key=k1")).await.unwrap();
}

#[tokio::test]
async fn a_publisher_that_we_let_go_is_not_called_silent() {
    let mut bench = Bench::new();
    bench.input(&LISTEN_IN, "rtmp://127.0.0.1:0/in", &[]).await;
    let port = bench.port(0).await;
    let publisher = Publisher::connect(&format!("rtmp://127.0.0.1:{port}/in/key")).await.unwrap();
    bench._stops.clear();
    let reason = |events: &Vec<Event>| {
        events.iter().find_map(|event| match event {
            Event::InputEnded { reason, .. } => Some(reason.reason),
            _ => None,
        })
    };
    assert_eq!(bench.seen.wait_for("the publisher's end", reason).await, outflow::error::Reason::Stopped);
    drop(publisher);
}
