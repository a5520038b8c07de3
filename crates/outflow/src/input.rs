//! Runs sources: each in a task of its own, started again as its ending asks for, with its encoders.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::encode::{Encoder, EncoderKind, RawInput, Takes};
use crate::env::Env;
use crate::error::{Ended, Retry};
use crate::media::Feed;
use crate::media::raw::RawOut;
use crate::monitor::{self, Event, InputStats};
use crate::node::Node;
use crate::output::backoff::{Backoff, Class, LEAST};
use crate::source::{Source, SourceJob};
use crate::stop::Stop;

/// Pictures or runs of samples that an encoder may be behind its generator.
const RAW_QUEUE: usize = 4;
/// A source that ran for so long starts over with the shortest wait.
const SETTLED: Duration = Duration::from_secs(10);

/// Everything that makes an input.
pub struct InputSpec {
    /// The word.
    pub node: Node,
    /// What brings the media.
    pub source: Box<dyn Source>,
    /// Its encoders, with the feed of each.
    pub encoders: Vec<(Node, &'static EncoderKind, Feed)>,
    /// Where its packets go.
    pub feed: Feed,
    /// Real time, or as fast as the sinks take it.
    pub realtime: bool,
    /// Its counters.
    pub stats: Arc<InputStats>,
    /// Where its events go.
    pub events: monitor::Sink,
    /// The shared parts of the program.
    pub env: Env,
    /// Ends it.
    pub stop: Stop,
}

/// Starts an input; the task gives the ending after which no more comes.
pub fn spawn(spec: InputSpec) -> JoinHandle<Ended> {
    tokio::spawn(run(spec))
}

async fn run(mut spec: InputSpec) -> Ended {
    let options = &spec.node.options;
    let first = options.duration("retry").unwrap_or(Duration::from_secs(1)).max(LEAST);
    let most = options.duration("retry_max").unwrap_or(Duration::from_secs(10));
    let retries = options.count("retries").unwrap_or(0);
    let mut backoff = Backoff::new(first, most, spec.node.index as u64);
    let mut failures = 0;
    loop {
        let begin = Instant::now();
        let ended = run_once(&mut spec).await;
        if spec.stop.is_stopped() {
            return Ended::stopped();
        }
        if begin.elapsed() >= SETTLED {
            backoff.reset();
            failures = 0;
        }
        let wait = match ended.retry {
            Retry::Never => None,
            Retry::Now => Some(Duration::ZERO),
            Retry::Backoff => Some(backoff.next(Class::Network)),
            Retry::Slow => Some(backoff.next(Class::Refused)),
        };
        failures += u64::from(ended.retry != Retry::Now);
        let wait = wait.filter(|_| retries == 0 || failures < retries);
        let (input, reason) = (spec.node.name.clone(), ended.clone());
        (spec.events)(Event::InputEnded { input, reason, retry_in: wait });
        let Some(wait) = wait else { return ended };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = spec.stop.stopped() => return Ended::stopped(),
        }
    }
}

async fn run_once(spec: &mut InputSpec) -> Ended {
    let mut raw = RawOut::default();
    let mut encoders = Vec::new();
    for (node, kind, feed) in &spec.encoders {
        let rate = spec.node.options.rates("rates").and_then(|rates| rates.first().copied());
        let encoder = match (kind.open)(node, rate) {
            Ok(encoder) => encoder,
            Err(error) => return Ended::internal(error.to_string()),
        };
        let input = match kind.takes {
            Takes::Video => {
                let (sender, receiver) = sync_channel(RAW_QUEUE);
                raw.video.push(sender);
                RawInput::Video(receiver)
            }
            Takes::Audio => {
                let (sender, receiver) = sync_channel(RAW_QUEUE);
                raw.audio.push(sender);
                RawInput::Audio(receiver)
            }
        };
        encoders.push(start_encoder(encoder, kind.name, input, feed.clone(), spec.stop.clone()));
    }
    let job = SourceJob {
        feed: spec.feed.clone(),
        raw,
        realtime: spec.realtime,
        stop: spec.stop.clone(),
        stats: spec.stats.clone(),
        events: spec.events.clone(),
        name: spec.node.name.clone(),
        env: spec.env.clone(),
    };
    let mut ended = spec.source.run(job).await;
    if !encoders.is_empty() {
        for encoder in encoders {
            let done = encoder.await.unwrap_or_else(|_| Ended::internal("an encoder's thread ended in a fault"));
            if !done.is_clean() {
                ended = done;
            }
        }
        spec.feed.end(ended.is_clean());
    }
    ended
}

/// Runs an encoder on a thread of its own.
fn start_encoder(
    encoder: Box<dyn Encoder>,
    name: &str,
    input: RawInput,
    feed: Feed,
    stop: Stop,
) -> oneshot::Receiver<Ended> {
    let (done, ended) = oneshot::channel();
    // Where no thread can be had the receiver sees the sender dropped, and the generator its channel closed.
    let _ = std::thread::Builder::new().name(format!("encode-{name}")).spawn(move || {
        let _ = done.send(encoder.run(input, feed, stop));
    });
    ended
}
