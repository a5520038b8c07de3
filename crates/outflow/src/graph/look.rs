//! Runs the inputs of a graph for a few seconds, without its outputs, and looks at what they bring.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::task::JoinSet;

use super::plumbing::{Plumbing, origin};
use super::{Graph, NodeId, Role};
use crate::env::Env;
use crate::hub::Start;
use crate::input::{self, InputSpec};
use crate::media::meter::{Facts, Meter};
use crate::monitor::{self, Event};
use crate::source::Source;
use crate::stop::stopper;
use crate::stream::{Reader, Stream};

/// How long to look.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How long the first media is waited for.
    pub first: Duration,
    /// Media that tells enough, where key frames are not too far apart.
    pub least: Duration,
    /// Media after which nobody looks on.
    pub most: Duration,
}

/// What one stream of the graph turned out to be.
#[derive(Debug, Clone)]
pub struct Looked {
    /// The name of its input; of the first, if there are several.
    pub input: String,
    /// The sinks that would send it.
    pub sinks: Vec<NodeId>,
    /// What it is, if anything came.
    pub facts: Option<Facts>,
    /// What went wrong with the input.
    pub trouble: Option<String>,
}

/// No reader is ever that far behind in the seconds that are looked at.
const LAG: Duration = Duration::from_secs(60);
/// How long inputs are given to end.
const STOP: Duration = Duration::from_secs(2);

/// Looks at every stream. Sends nothing to anybody: sinks are not opened.
pub async fn look(graph: &Graph, patience: Patience, env: &Env) -> Vec<Looked> {
    let plumbing = Plumbing::new(graph, env);
    let troubles = Arc::new(Mutex::new(HashMap::<String, String>::new()));
    let noted = troubles.clone();
    let events: monitor::Sink = Arc::new(move |event| {
        if let Event::InputEnded { input, reason, .. } = event
            && !reason.is_clean()
        {
            noted.lock().insert(input, reason.text);
        }
    });
    let mut looking = JoinSet::new();
    for (place, stream) in plumbing.streams.iter().cloned().enumerate() {
        looking.spawn(async move { (place, watch(stream, patience).await) });
    }
    // Readers stand at the hub before the first packet comes.
    tokio::task::yield_now().await;
    let (stopping, stop) = stopper();
    let mut inputs = Vec::new();
    for (id, source) in sources(graph, env, &troubles).await {
        let node = &graph.get(id).node;
        let fed = plumbing.fed_by(graph, id);
        let Ok((feed, encoders)) = plumbing.source_feed(graph, id, &fed) else { continue };
        let stats = plumbing.stats.get(&id).cloned().unwrap_or_default();
        let (events, env, stop) = (events.clone(), env.clone(), stop.clone());
        let spec = InputSpec { node: node.clone(), source, encoders, feed, realtime: true, stats, events, env, stop };
        inputs.push(input::spawn(spec));
    }
    let mut found: HashMap<usize, Option<Facts>> = looking.join_all().await.into_iter().collect();
    stopping.stop();
    let ended = async {
        for input in inputs {
            let _ = input.await;
        }
    };
    let _ = tokio::time::timeout(STOP, ended).await;
    let troubles = troubles.lock();
    let told = |(place, stream): (usize, &super::Stream)| {
        let source = stream.inputs.first().map(|input| origin(graph, input.node));
        let input = source.map(|id| graph.get(id).node.name.clone()).unwrap_or_default();
        let facts = found.remove(&place).flatten();
        Looked { trouble: troubles.get(&input).cloned(), input, sinks: stream.sinks.clone(), facts }
    };
    graph.streams.iter().enumerate().map(told).collect()
}

/// Opens every source; ports are bound. What can't be had is noted.
async fn sources(
    graph: &Graph,
    env: &Env,
    troubles: &Mutex<HashMap<String, String>>,
) -> Vec<(NodeId, Box<dyn Source>)> {
    let mut sources = Vec::new();
    for id in graph.ids() {
        let entry = graph.get(id);
        let Role::Source(kind) = entry.role else { continue };
        let trouble = |text: String| troubles.lock().insert(entry.node.name.clone(), text);
        match (kind.open)(&entry.node) {
            Ok(mut source) => match source.prepare(env).await {
                Ok(()) => sources.push((id, source)),
                Err(ended) => drop(trouble(ended.text)),
            },
            Err(error) => drop(trouble(error.problem)),
        }
    }
    sources
}

/// Reads a stream until it has told enough, ends, or has nothing to tell.
async fn watch(stream: Arc<Stream>, patience: Patience) -> Option<Facts> {
    let mut reader = Reader::new(&stream, Start::Group, LAG, Duration::ZERO);
    let mut meter = Meter::default();
    let mut packets = Vec::new();
    let begin = Instant::now();
    let mut due = begin + patience.first;
    loop {
        let Ok(read) = tokio::time::timeout_at(due.into(), reader.read(&mut packets)).await else { break };
        if meter.lasted().is_zero() && !packets.is_empty() {
            // In real time it takes as long as it lasts; some more for what comes late.
            due = Instant::now() + patience.most + Duration::from_secs(1);
        }
        let headers = read.restart.iter().flat_map(|headers| headers.iter());
        headers.for_each(|message| meter.take(&message.packet));
        packets.drain(..).for_each(|message| meter.take(&message.packet));
        if read.ended || meter.tells(patience.least) || meter.lasted() >= patience.most {
            break;
        }
    }
    meter.facts()
}
