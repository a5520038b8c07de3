//! Sends the media of the test, and takes what the far side says of it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::judge::{Path, Sent};
use super::media::{Maker, Shape};
use super::tally::Tally;
use super::{APP, Bandwidth, RESULTS, Sending};
use crate::env::Env;
use crate::error::Ended;
use crate::media::{Intake, Kind, Packet, StreamInfo, classify};
use crate::monitor::OutputStats;
use crate::node::{MediaUrl, Node};
use crate::options::{self, OptionSpec, Options, Value};
use crate::output::{self, OutputHandle, OutputSpec, policy};
use crate::secret::Secret;
use crate::sink::{Role, rtmp_push};
use crate::source::{SourceJob, rtmp_pull};
use crate::stop::{Stop, stopper};
use crate::stream::{Stream, StreamConfig, Writer};

/// How long the far side may take to let the test in.
const LET_IN: Duration = Duration::from_secs(10);
/// What comes before this is not counted: connections are made and find their pace.
const WARM: Duration = Duration::from_secs(2);
/// How often lags are looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How long outputs and the far side are given to end.
const STOP: Duration = Duration::from_secs(2);
/// A far side tells four times a second. One that tells more often is not believed for ever.
const MOST_SAMPLES: usize = 5_000;
/// What an output keeps of its word: how it sends. Where it would send, and its keys, stay here.
const KEPT: [&str; 5] = ["max_lag", "latency", "chunk_size", "tcp_nodelay", "bind"];

/// Takes the far side's tallies, each with what had been published by then.
struct Results {
    published: Vec<Arc<AtomicU64>>,
    samples: Mutex<Vec<Sample>>,
    came: Notify,
}

#[derive(Clone)]
struct Sample {
    came: Instant,
    tally: Tally,
    published: Vec<u64>,
}

impl Intake for Results {
    fn start(&self, _info: StreamInfo) {}

    fn push(&self, packet: Packet) {
        let Some(tally) = Tally::read(&packet.body) else { return };
        let published = self.published.iter().map(|bytes| bytes.load(Ordering::Relaxed)).collect();
        let mut samples = self.samples.lock();
        if samples.len() < MOST_SAMPLES && tally.paths.len() == self.published.len() {
            samples.push(Sample { came: packet.arrival, tally, published });
            self.came.notify_one();
        }
    }

    fn end(&self, _clean: bool) {}
}

/// One output as it runs.
struct Running {
    handle: OutputHandle,
    stats: Arc<OutputStats>,
    worst_lag: u64,
}

/// One stream that outputs share.
struct Shared {
    stream: Arc<Stream>,
    making: JoinHandle<()>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.making.abort();
    }
}

/// Sends. The error says why there was no test.
pub(super) async fn run(bandwidth: &Bandwidth, outputs: &[Sending], env: &Env) -> Result<Sent, String> {
    let id = id()?;
    let shapes: Vec<Shape> = outputs.iter().map(|it| Shape::new(it.bps, it.fps, it.key_interval)).collect();
    let counters: Vec<(Shape, Arc<AtomicU64>)> = shapes.iter().fold(Vec::new(), |mut known, shape| {
        if !known.iter().any(|(other, _): &(Shape, _)| other == shape) {
            known.push((*shape, Arc::default()));
        }
        known
    });
    let counter = |shape: &Shape| {
        counters.iter().find(|(other, _)| other == shape).map(|(_, counter)| counter.clone()).unwrap_or_default()
    };
    let results = Arc::new(Results {
        published: shapes.iter().map(counter).collect(),
        samples: Mutex::default(),
        came: Notify::new(),
    });
    let (ending, stop) = stopper();
    let mut telling = tokio::spawn(results_of(bandwidth, outputs, &id, results.clone(), stop, env)?);
    let lost = |ended: Result<Ended, _>| ended.map_or_else(|_| "the test broke".to_owned(), |ended: Ended| ended.text);
    tokio::select! {
        () = results.came.notified() => {}
        ended = &mut telling => return Err(lost(ended)),
        () = tokio::time::sleep(LET_IN) => {
            telling.abort();
            return Err(format!("it has told nothing within {} s", LET_IN.as_secs()));
        }
    }
    // From here on the far side takes what comes: all begin at the same instant.
    let begin = Instant::now();
    let mut shared: HashMap<usize, Shared> = HashMap::new();
    let mut running = Vec::new();
    for (number, (output, shape)) in outputs.iter().zip(&shapes).enumerate() {
        let place = counters.iter().position(|(other, _)| other == shape).unwrap_or(0);
        let shared = shared.entry(place).or_insert_with(|| share(*shape, begin, counter(shape)));
        running.push(send(bandwidth, output, &id, number, shared, env)?);
    }
    let over = tokio::time::sleep(bandwidth.lasts);
    tokio::pin!(over);
    let mut looks = tokio::time::interval(LOOK);
    let cut = loop {
        tokio::select! {
            () = &mut over => break None,
            ended = &mut telling => break Some(lost(ended)),
            _ = looks.tick() => {
                for output in &mut running {
                    output.worst_lag = output.worst_lag.max(output.stats.lag_millis.get());
                }
            }
        }
    };
    let samples = results.samples.lock().clone();
    let sent = (cut.is_none()).then(|| told(outputs, &running, &samples, begin, bandwidth.lasts)).flatten();
    drop(shared);
    ending.stop();
    running.iter().for_each(|output| output.handle.stop());
    let ended = async {
        if cut.is_none() {
            let _ = telling.await;
        }
        for output in running {
            let _ = output.handle.wait().await;
        }
    };
    let _ = tokio::time::timeout(STOP, ended).await;
    sent.ok_or_else(|| cut.unwrap_or_else(|| "it has told too little".to_owned()))
}

/// A name that no other test has.
fn id() -> Result<String, String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| format!("the system gives no random bytes: {error}"))?;
    Ok(format!("{:016x}", u64::from_be_bytes(bytes)))
}

/// A word of this kind, for the far side, with this as its stream name.
fn word(
    bandwidth: &Bandwidth,
    kind: &'static str,
    tables: &[&'static [OptionSpec]],
    id: &str,
    name: String,
    kept: Option<&Options>,
) -> Node {
    let mut options = Options::with_defaults(options::defaults(tables));
    for name in KEPT {
        if let Some(value) = kept.filter(|options| options.is_set(name)).and_then(|options| options.get(name)) {
            options.set(name, value.clone());
        }
    }
    options.set("key", Value::Secret(Secret::new(name)));
    let url = MediaUrl::output(&format!("rtmp://{}/{APP}/{id}", bandwidth.shown()));
    Node { index: 0, word: url.shown.clone(), kind, name: "bandwidth".into(), url: Some(url), options }
}

/// Plays the results, which begins the test.
fn results_of(
    bandwidth: &Bandwidth,
    outputs: &[Sending],
    id: &str,
    results: Arc<Results>,
    stop: Stop,
    env: &Env,
) -> Result<impl Future<Output = Ended> + use<>, String> {
    let bps: u64 = outputs.iter().map(|output| output.bps).sum();
    let (token, paths, seconds) = (bandwidth.token.expose(), outputs.len(), bandwidth.lasts.as_secs_f64().ceil());
    let name = format!("{RESULTS}?token={token}&paths={paths}&seconds={seconds}&bps={bps}");
    let node = word(bandwidth, rtmp_pull::KIND.name, rtmp_pull::KIND.options, id, name, None);
    let mut source = (rtmp_pull::KIND.open)(&node).map_err(|error| error.problem)?;
    let job = SourceJob {
        feed: results,
        raw: Default::default(),
        realtime: true,
        stop,
        stats: Arc::default(),
        events: Arc::new(|_| {}),
        name: node.name,
        env: env.clone(),
    };
    Ok(async move { source.run(job).await })
}

/// A stream of this shape, made from now on.
fn share(shape: Shape, begin: Instant, published: Arc<AtomicU64>) -> Shared {
    let (writer, stream) = Stream::new("bandwidth", StreamConfig::default(), Arc::default());
    let making = tokio::spawn(make(shape, begin, writer, published));
    Shared { stream, making }
}

async fn make(shape: Shape, begin: Instant, writer: Writer, published: Arc<AtomicU64>) {
    let maker = Maker::new(shape);
    writer.start(StreamInfo { video: Some(true), audio: Some(false), realtime: true });
    for number in 0.. {
        let due = shape.due(number);
        tokio::time::sleep_until((begin + due).into()).await;
        let body = maker.frame(number);
        published.fetch_add(body.len() as u64, Ordering::Relaxed);
        let time = i64::try_from(due.as_millis()).unwrap_or(i64::MAX);
        writer.push(classify::packet(Kind::Video, time, body, Instant::now()));
    }
}

/// One output, led to its path of the far side.
fn send(
    bandwidth: &Bandwidth,
    output: &Sending,
    id: &str,
    number: usize,
    shared: &Shared,
    env: &Env,
) -> Result<Running, String> {
    let name = format!("{number}?token={}", bandwidth.token.expose());
    let node = word(bandwidth, rtmp_push::KIND.name, rtmp_push::KIND.options, id, name, Some(&output.options));
    let sink = (rtmp_push::KIND.open)(&node).map_err(|error| format!("{}: {}", output.name, error.problem))?;
    let stats = Arc::<OutputStats>::default();
    let mut policy = policy(Role::Push, &node.options);
    // What is left at the end is of no interest.
    policy.drain = Duration::from_millis(200);
    let handle = output::spawn(OutputSpec {
        name: output.name.clone(),
        sink,
        policy,
        stream: shared.stream.clone(),
        stats: stats.clone(),
        events: Arc::new(|_| {}),
        env: env.clone(),
    });
    Ok(Running { handle, stats, worst_lag: 0 })
}

/// What was sent and what arrived between the first sample that counts and the last. `None` where there are too few.
fn told(outputs: &[Sending], running: &[Running], samples: &[Sample], begin: Instant, lasts: Duration) -> Option<Sent> {
    let from = begin + WARM.min(lasts / 4);
    let first = samples.iter().find(|sample| sample.came >= from)?;
    let last = samples.last()?;
    let millis = last.tally.at_ms.checked_sub(first.tally.at_ms).filter(|millis| *millis > 0)?;
    // Whatever a far side says, sums of it are numbers.
    let rate = |bytes: u64| bytes.min(1 << 48) * 8_000 / millis;
    let path = |(number, (output, running)): (usize, (&Sending, &Running))| {
        let (before, after) = (first.tally.paths.get(number)?, last.tally.paths.get(number)?);
        let published = last.published.get(number)?.saturating_sub(*first.published.get(number)?);
        let stats = &running.stats;
        Some(Path {
            name: output.name.clone(),
            wanted: output.bps,
            published: rate(published),
            arrived: rate(after.bytes.saturating_sub(before.bytes)),
            missing: after.missing.min(1 << 48),
            skips: OutputStats::get(&stats.skips),
            skipped_frames: OutputStats::get(&stats.skipped_frames),
            connections: after.connections,
            worst_lag: Duration::from_millis(after.worst_ms.min(1 << 40).max(running.worst_lag)),
            max_lag: output.options.duration("max_lag").unwrap_or(Duration::from_secs(4)),
            rtt: stats.rtt(),
            retransmits: OutputStats::get(&stats.retransmits),
            trouble: running.handle.status().reason.map(|reason| reason.text),
        })
    };
    let paths: Option<Vec<Path>> = outputs.iter().zip(running).enumerate().map(path).collect();
    Some(Sent { paths: paths?, seconds: millis as f64 / 1000.0 })
}
