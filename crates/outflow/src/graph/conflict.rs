//! Words that can't live together: listeners on the same path, the same destination twice, a loop through ourselves.

use super::{Graph, GraphNode, NodeId, Role};
use crate::error::SpecError;
use crate::listen::word::address;
use crate::node::url::{is_any, is_local};
use crate::registry::Path;

/// One RTMP word as far as it matters here. The path may hold a key: it is compared, never shown.
struct Place {
    id: NodeId,
    listens: bool,
    secure: bool,
    sink: bool,
    host: String,
    port: u16,
    path: String,
    /// What a listener serves it under.
    route: Option<Path>,
    key: String,
}

impl Place {
    fn of(id: NodeId, entry: &GraphNode) -> Option<Self> {
        let url = entry.node.url.as_ref().filter(|url| url.is_rtmp())?;
        let options = &entry.node.options;
        let text = |name| options.text(name);
        let secret = |name: &str| options.secret(name).map(|secret| secret.expose().to_owned());
        let path = url.trimmed_path()?.to_owned();
        let path = match text("rtmp_app") {
            // The app is given apart: of the URL's path only the stream name is left.
            Some(app) => format!("{app}/{}", path.rsplit_once('/').map_or("", |(_, name)| name)),
            None => path,
        };
        let path = match secret("rtmp_playpath") {
            Some(name) => format!("{}/{name}", path.rsplit_once('/').map_or(path.as_str(), |(app, _)| app)),
            None => path,
        };
        Some(Self {
            id,
            listens: options.bool("rtmp_listen"),
            secure: url.scheme.as_deref() == Some("rtmps"),
            sink: entry.role.is_sink(),
            host: url.host()?.to_ascii_lowercase(),
            port: url.port()?,
            path: path.trim_matches('/').to_owned(),
            route: address(&entry.node).ok().map(|(_, _, route)| route),
            key: secret("key").unwrap_or_default(),
        })
    }

    /// True if both listen where one connection could mean either.
    fn shares_address(&self, other: &Self) -> bool {
        let local = |a: &Self, b: &Self| a.host == "localhost" && is_local(&b.host);
        let same = self.host == other.host || local(self, other) || local(other, self);
        self.port == other.port && (same || is_any(&self.host) || is_any(&other.host))
    }

    /// True if a peer could reach `other` with this path: the same path, or one that serves every name below it.
    fn covers(&self, other: &Self) -> bool {
        self.path.is_empty()
            || self.path == other.path
            || (!self.path.contains('/') && other.path.starts_with(&format!("{}/", self.path)))
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.covers(other) || other.covers(self)
    }

    /// True if this word dials and `listener` would take the call.
    fn dials(&self, listener: &Self) -> bool {
        let here = is_local(&self.host) || self.host == listener.host;
        let bound = is_local(&listener.host) || listener.host == self.host;
        !self.listens
            && listener.listens
            && self.secure == listener.secure
            && self.port == listener.port
            && here
            && bound
            && self.overlaps(listener)
    }
}

/// Every pair of words that can't live together, told on the later one.
pub(super) fn find(graph: &Graph) -> Vec<SpecError> {
    let places: Vec<Place> = graph.ids().filter_map(|id| Place::of(id, graph.get(id))).collect();
    let mut errors = vec![];
    for (number, later) in places.iter().enumerate() {
        let found = places.iter().take(number).find_map(|earlier| clash(graph, earlier, later));
        errors.extend(found);
    }
    errors.extend(files(graph));
    errors
}

fn clash(graph: &Graph, earlier: &Place, later: &Place) -> Option<SpecError> {
    let node = &graph.get(later.id).node;
    let other = &graph.get(earlier.id).node;
    let other = format!("word {} `{}`", other.index, other.word);
    if earlier.listens && later.listens && earlier.shares_address(later) {
        if earlier.secure != later.secure {
            let problem = format!("port {} is RTMP and RTMPS at once, with {other}", later.port);
            return Some(node.error(problem).hint("give each its own port"));
        }
        // A path below another's is no clash: a listener serves the longest path that fits.
        if earlier.sink == later.sink && earlier.route.is_some() && earlier.route == later.route {
            let problem = format!("{other} listens on the same port and path");
            let hint = "give each its own port or its own path: /live/a and /live/b";
            return Some(node.error(problem).hint(hint));
        }
    }
    if earlier.sink && later.sink && !earlier.listens && !later.listens {
        let same = (&earlier.host, earlier.port, &earlier.path, &earlier.key)
            == (&later.host, later.port, &later.path, &later.key);
        let raw = |id: NodeId| graph.get(id).node.url.as_ref().map(|url| url.raw.clone());
        if same && earlier.secure == later.secure && query(raw(earlier.id)) == query(raw(later.id)) {
            let problem = format!("{other} sends to the same URL and key");
            return Some(node.error(problem).hint("a server takes one publisher for each key: remove one of the two"));
        }
    }
    let loops = (earlier.sink != later.sink) && (earlier.dials(later) || later.dials(earlier));
    loops.then(|| {
        let problem = format!("it would be connected to {other} of this same program");
        node.error(problem).hint("link the two with words instead: outputs take from the source in the same session")
    })
}

/// The query and fragment, which may hold the key.
fn query(raw: Option<crate::secret::Secret>) -> Option<String> {
    let raw = raw?;
    raw.expose().find(['?', '#']).and_then(|at| raw.expose().get(at..)).map(str::to_owned)
}

/// A file that two words write, or that one reads and another writes.
fn files(graph: &Graph) -> Vec<SpecError> {
    let path =
        |id: &NodeId| graph.get(*id).node.url.as_ref()?.path().map(|path| path.trim_start_matches("./").to_owned());
    let mut errors = vec![];
    for id in graph.ids().filter(|id| graph.get(*id).role.is_sink()) {
        let Some(mine) = path(&id).filter(|path| path != "null" && !path.starts_with("/dev/")) else { continue };
        let clash = graph.ids().find(|other| {
            let earlier_sink = graph.get(*other).role.is_sink() && other.0 < id.0;
            let source = matches!(graph.get(*other).role, Role::Source(_));
            (earlier_sink || source) && path(other).as_deref() == Some(mine.as_str())
        });
        if let Some(other) = clash {
            let (node, other) = (&graph.get(id).node, &graph.get(other).node);
            let problem = format!("word {} `{}` has the same file", other.index, other.word);
            errors.push(node.error(problem).hint("write to another file"));
        }
    }
    errors
}
