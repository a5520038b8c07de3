//! The graph: the words made into typed nodes, their links, and the streams that outputs share.

pub mod conflict;
pub mod describe;
mod feeds;
pub mod link;
pub mod look;
mod plumbing;
pub mod program;
pub mod run;
mod streams;

use std::fmt;

use crate::encode::EncoderKind;
use crate::error::SpecError;
use crate::filter::FilterKind;
use crate::media::Kind;
use crate::node::Node;
use crate::sink::SinkKind;
use crate::source::{Produces, SourceKind};

pub use program::ProgramOptions;

/// What a node is, with the record of its kind.
#[derive(Clone, Copy)]
pub enum Role {
    /// Where media comes from.
    Source(&'static SourceKind),
    /// A function on packets.
    Filter(&'static FilterKind),
    /// Raw media in, packets out.
    Encoder(&'static EncoderKind),
    /// Where media goes.
    Sink(&'static SinkKind),
}

impl Role {
    /// The name of the kind, as in the registries.
    pub fn kind(&self) -> &'static str {
        match self {
            Role::Source(kind) => kind.name,
            Role::Filter(kind) => kind.name,
            Role::Encoder(kind) => kind.name,
            Role::Sink(kind) => kind.name,
        }
    }

    /// True for a sink.
    pub fn is_sink(&self) -> bool {
        matches!(self, Role::Sink(_))
    }

    /// True for a source.
    pub fn is_source(&self) -> bool {
        matches!(self, Role::Source(_))
    }
}

impl fmt::Debug for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sort = match self {
            Role::Source(_) => "source",
            Role::Filter(_) => "filter",
            Role::Encoder(_) => "encoder",
            Role::Sink(_) => "sink",
        };
        write!(f, "{sort} {}", self.kind())
    }
}

/// The place of a node in [`Graph::nodes`]; every id in a [`Graph`] is valid there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub usize);

/// One word of the graph.
#[derive(Debug, Clone)]
pub struct GraphNode {
    /// Its URL, name and options.
    pub node: Node,
    /// What it is.
    pub role: Role,
    /// The session it belongs to: the place in [`Graph::sessions`].
    pub session: usize,
}

/// One track on its way: its media, and whether it is still raw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Track {
    /// Video, audio or data.
    pub kind: Kind,
    /// True for pictures and samples, false for packets.
    pub raw: bool,
}

/// One track from one node to another, as the words say it (filters that only pass media through included).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// The node that gives it.
    pub from: NodeId,
    /// The node that takes it; always later in [`Graph::nodes`], unless it is a sink.
    pub to: NodeId,
    /// The track.
    pub track: Track,
}

/// How fast a session runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pace {
    /// In real time.
    #[default]
    RealTime,
    /// As fast as the slowest of its sinks, all files or null (`reframer:rt=off`).
    Free,
}

/// Sources with the outputs that they feed. A new source after a sink opens a new session.
#[derive(Debug, Clone, Default)]
pub struct Session {
    /// How fast it runs.
    pub pace: Pace,
    /// Its sources.
    pub sources: Vec<NodeId>,
    /// Its sinks.
    pub sinks: Vec<NodeId>,
    /// True if one of its sinks is a network output.
    pub live: bool,
}

/// Packets of one kind from one node: a source, an encoder, or a filter that looks at packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Producer {
    /// The node.
    pub node: NodeId,
    /// What it gives.
    pub kind: Kind,
}

/// Sinks of one session that take exactly the same tracks of the same nodes, and so share one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// The session.
    pub session: usize,
    /// What feeds it, sorted; one producer for each kind at most.
    pub inputs: Vec<Producer>,
    /// The sinks that share it.
    pub sinks: Vec<NodeId>,
}

/// Where a producer's packets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// Into a filter, which is a producer again (or ends the chain).
    Filter(NodeId),
    /// Into a stream: the place in [`Graph::streams`].
    Stream(usize),
}

/// A whole command line, checked: ready to run.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    /// Every word, in order.
    pub nodes: Vec<GraphNode>,
    /// Every link as the words say it: for [`Graph::describe`] and tests.
    pub links: Vec<Link>,
    /// The sessions, in order.
    pub sessions: Vec<Session>,
    /// Which encoder takes the raw media of which source: (source, encoder).
    pub raw_routes: Vec<(NodeId, NodeId)>,
    /// Where packets go, filters that only set the pace left out.
    pub routes: Vec<(Producer, Target)>,
    /// The streams: each is one hub.
    pub streams: Vec<Stream>,
    /// What a person should know, and no warning.
    pub notes: Vec<String>,
}

impl Graph {
    /// The node of an id of this graph.
    pub fn get(&self, id: NodeId) -> &GraphNode {
        &self.nodes[id.0]
    }

    /// Every id, in order.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.nodes.len()).map(NodeId)
    }

    /// Where the packets of a node go, with their kind.
    pub fn targets(&self, from: NodeId) -> impl Iterator<Item = (Kind, Target)> + '_ {
        self.routes.iter().filter(move |(producer, _)| producer.node == from).map(|(producer, to)| (producer.kind, *to))
    }

    /// The encoders that take the raw media of a source.
    pub fn encoders_of(&self, source: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        self.raw_routes.iter().filter(move |(from, _)| *from == source).map(|(_, encoder)| *encoder)
    }

    /// The stream that a sink takes from: the place in [`Graph::streams`].
    pub fn stream_of(&self, sink: NodeId) -> Option<usize> {
        self.streams.iter().position(|stream| stream.sinks.contains(&sink))
    }

    /// Asks every source, filter, encoder and sink whether its word is right; opens nothing.
    pub fn validate(&self) -> Vec<SpecError> {
        let checked = self.nodes.iter().filter_map(|entry| {
            let node = &entry.node;
            let answer = match entry.role {
                Role::Source(kind) => (kind.open)(node).map(drop),
                Role::Encoder(kind) => (kind.open)(node, None).map(drop),
                Role::Sink(kind) => (kind.open)(node).map(drop),
                Role::Filter(kind) => (kind.check)(node),
            };
            answer.err().map(|error| error.at(node.index, node.word.clone()))
        });
        checked.collect()
    }
}

/// True for the one filter that only sets its session's pace: raw media passes it too.
fn passes_everything(role: &Role) -> bool {
    matches!(role, Role::Filter(kind) if kind.name == crate::filter::reframer::KIND.name)
}

/// True for a filter that may stand at the end of a chain, as a sink does.
fn may_end(role: &Role) -> bool {
    matches!(role, Role::Filter(kind) if kind.name == "inspect")
}

/// The tracks that a source gives. `type=a|v` of a generator leaves one out.
fn source_tracks(kind: &SourceKind, node: &Node) -> Vec<Track> {
    let track = |kind, raw| Track { kind, raw };
    match kind.produces {
        Produces::Encoded => {
            vec![track(Kind::Video, false), track(Kind::Audio, false), track(Kind::Data, false)]
        }
        Produces::Raw => {
            let wanted = node.options.text("type").unwrap_or_default();
            let mut tracks = vec![];
            if wanted != "a" {
                tracks.push(track(Kind::Video, true));
            }
            if wanted != "v" {
                tracks.push(track(Kind::Audio, true));
            }
            tracks
        }
    }
}
