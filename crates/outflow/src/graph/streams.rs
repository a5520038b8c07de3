//! From links to what runs: which producers feed which stream, and which sinks share one.

use std::collections::{BTreeMap, BTreeSet};

use super::{Graph, NodeId, Producer, Role, Stream, Target, Track, passes_everything};

/// From links to what runs: filters that only pass media are left out, and sinks with the same inputs share a stream.
pub(super) fn make_streams(graph: &mut Graph) {
    let mut routes: BTreeSet<(Producer, Target)> = BTreeSet::new();
    let mut raw_routes: BTreeSet<(NodeId, NodeId)> = BTreeSet::new();
    let mut inputs: BTreeMap<NodeId, BTreeSet<Producer>> = BTreeMap::new();
    for link in &graph.links {
        let role = graph.get(link.to).role;
        if passes_everything(&role) {
            continue;
        }
        for node in origins(graph, link.from, link.track) {
            let producer = Producer { node, kind: link.track.kind };
            match role {
                Role::Encoder(_) => {
                    raw_routes.insert((node, link.to));
                }
                Role::Filter(_) => {
                    routes.insert((producer, Target::Filter(link.to)));
                }
                Role::Sink(_) => {
                    inputs.entry(link.to).or_default().insert(producer);
                }
                Role::Source(_) => {}
            }
        }
    }
    for (sink, producers) in inputs {
        let session = graph.get(sink).session;
        let producers: Vec<Producer> = producers.into_iter().collect();
        match graph.streams.iter_mut().find(|stream| stream.session == session && stream.inputs == producers) {
            Some(stream) => stream.sinks.push(sink),
            None => graph.streams.push(Stream { session, inputs: producers, sinks: vec![sink] }),
        }
    }
    for (number, stream) in graph.streams.iter().enumerate() {
        routes.extend(stream.inputs.iter().map(|producer| (*producer, Target::Stream(number))));
    }
    graph.raw_routes = raw_routes.into_iter().collect();
    graph.routes = routes.into_iter().collect();
}

/// The nodes that make this track, seen through filters that only pass media.
fn origins(graph: &Graph, from: NodeId, track: Track) -> Vec<NodeId> {
    let mut found = vec![];
    let mut open = vec![from];
    while let Some(node) = open.pop() {
        if passes_everything(&graph.get(node).role) {
            let before = graph.links.iter().filter(|link| link.to == node && link.track == track);
            open.extend(before.map(|link| link.from));
        } else if !found.contains(&node) {
            found.push(node);
        }
    }
    found
}
