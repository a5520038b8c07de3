//! Streams with their writers, and the feeds that lead every producer's packets into them.

use std::collections::HashMap;
use std::sync::Arc;

use super::feeds::{Fan, Merge};
use super::{Graph, NodeId, Pace, Role, Target};
use crate::encode::EncoderKind;
use crate::env::Env;
use crate::error::SpecError;
use crate::media::{Feed, Kind};
use crate::monitor::InputStats;
use crate::node::Node;
use crate::stream::{Stream, StreamConfig};

/// Streams with their writers, and where each producer's packets go.
pub(super) struct Plumbing {
    pub(super) streams: Vec<Arc<Stream>>,
    /// What feeds each stream: a merge of lanes where several nodes do.
    mouths: Vec<Mouth>,
    pub(super) stats: HashMap<NodeId, Arc<InputStats>>,
}

enum Mouth {
    One(Feed),
    Many(Arc<Merge>, Vec<NodeId>),
}

pub(super) type Encoders = Vec<(Node, &'static EncoderKind, Feed)>;

impl Plumbing {
    pub(super) fn new(graph: &Graph, env: &Env) -> Self {
        let mut plumbing = Self { streams: Vec::new(), mouths: Vec::new(), stats: HashMap::new() };
        for id in graph.ids().filter(|id| graph.get(*id).role.is_source()) {
            plumbing.stats.insert(id, Arc::default());
        }
        for (number, stream) in graph.streams.iter().enumerate() {
            let option = |id: &NodeId, name| graph.get(*id).node.options.duration(name).unwrap_or_default();
            let keep = stream.sinks.iter().map(|id| option(id, "max_lag") + option(id, "delay")).max();
            let free = graph.sessions[stream.session].pace == Pace::Free;
            let config = StreamConfig {
                free,
                keep: keep.unwrap_or_default(),
                max_bytes: env.limits.get().stream_bytes,
                budget: Some(env.budget.clone()),
            };
            let first = stream.inputs.first().map(|input| origin(graph, input.node));
            let stats = first.and_then(|id| plumbing.stats.get(&id).cloned()).unwrap_or_default();
            let (writer, shared) = Stream::new(format!("stream {}", number + 1), config, stats);
            plumbing.streams.push(shared);
            let mut producers: Vec<NodeId> = stream.inputs.iter().map(|input| input.node).collect();
            producers.dedup();
            let next: Feed = Arc::new(writer);
            plumbing.mouths.push(match producers.as_slice() {
                [_] => Mouth::One(next),
                _ => {
                    let kinds = |node| {
                        let of_node = stream.inputs.iter().filter(|input| input.node == node);
                        of_node.map(|input| input.kind).collect::<Vec<Kind>>()
                    };
                    let lanes = producers.iter().map(|node| kinds(*node)).collect();
                    Mouth::Many(Merge::new(lanes, next), producers)
                }
            });
        }
        plumbing
    }

    /// The feed of a producer: everything that takes its packets, filters opened on the way.
    fn feed(&self, graph: &Graph, from: NodeId) -> Result<Feed, SpecError> {
        let mut targets: Vec<(Target, Vec<Kind>)> = Vec::new();
        for (kind, target) in graph.targets(from) {
            match targets.iter_mut().find(|(known, _)| *known == target) {
                Some((_, kinds)) => kinds.push(kind),
                None => targets.push((target, vec![kind])),
            }
        }
        let mut takers = Vec::new();
        for (target, kinds) in targets {
            let feed = match target {
                Target::Filter(id) => {
                    let next = self.feed(graph, id)?;
                    match graph.get(id).role {
                        Role::Filter(kind) => (kind.open)(&graph.get(id).node, next)?,
                        _ => next,
                    }
                }
                Target::Stream(number) => match &self.mouths[number] {
                    Mouth::One(feed) => feed.clone(),
                    Mouth::Many(merge, producers) => {
                        merge.lane(producers.iter().position(|producer| *producer == from).unwrap_or(0))
                    }
                },
            };
            takers.push((kinds, feed));
        }
        Ok(Fan::feed(takers))
    }

    /// The feed of a source, and its encoders with theirs.
    pub(super) fn source_feed(
        &self,
        graph: &Graph,
        source: NodeId,
        fed: &[usize],
    ) -> Result<(Feed, Encoders), SpecError> {
        let mut encoders = Encoders::new();
        for id in graph.encoders_of(source) {
            if let Role::Encoder(kind) = graph.get(id).role {
                encoders.push((graph.get(id).node.clone(), kind, self.feed(graph, id)?));
            }
        }
        if encoders.is_empty() {
            return Ok((self.feed(graph, source)?, encoders));
        }
        // Start, end and metadata of a generator belong to every stream that its encoders feed.
        let heads = fed.iter().map(|number| match &self.mouths[*number] {
            Mouth::One(feed) => feed.clone(),
            Mouth::Many(merge, _) => merge.head(),
        });
        let all = vec![Kind::Audio, Kind::Video, Kind::Data];
        Ok((Fan::feed(heads.map(|head| (all.clone(), head)).collect()), encoders))
    }

    /// The streams that a source feeds, directly, through filters or through encoders.
    pub(super) fn fed_by(&self, graph: &Graph, source: NodeId) -> Vec<usize> {
        let feeds = |stream: &super::Stream| stream.inputs.iter().any(|input| origin(graph, input.node) == source);
        graph.streams.iter().enumerate().filter(|(_, stream)| feeds(stream)).map(|(number, _)| number).collect()
    }
}

/// The source behind a producer.
pub(super) fn origin(graph: &Graph, producer: NodeId) -> NodeId {
    let mut at = producer;
    // Links only lead from earlier words to later ones, so this ends.
    while !graph.get(at).role.is_source() {
        match graph.links.iter().find(|link| link.to == at) {
            Some(link) => at = link.from,
            None => break,
        }
    }
    at
}
