//! Who is served under which path of a listener: players of an output, a publisher of an input. And the gate in front
//! of it, which says yes or no to every peer.

mod roster;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use outflow_rtmp::session::ConnectRequest;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::hub::Start;
use crate::media::Feed;
use crate::monitor::{self, InputStats, OutputStats};
use crate::net::BoxFuture;
use crate::options::share::Share;
use crate::secret::Secret;
use crate::stop::{Stop, Stopper};
use crate::stream::Stream;
pub use roster::{Player, Roster, Taken, next_id};

/// What a peer wants, in its own words. App and name may hold keys: never show them.
pub struct Ask {
    /// Where it comes from.
    pub peer: SocketAddr,
    /// Whether through TLS.
    pub tls: bool,
    /// How it introduced itself.
    pub connect: Box<ConnectRequest>,
    /// The stream name as sent, with its query.
    pub name: Secret,
    /// The user that it has logged in as.
    pub user: Option<String>,
}

impl Ask {
    /// The app as sent, with its query.
    pub fn app(&self) -> &str {
        &self.connect.app
    }

    /// The path that app and name make.
    pub fn path(&self) -> Path {
        Path::new(self.app(), self.name.expose())
    }
}

/// A no, as the peer is told it: short, ASCII, without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The status code: `NetStream.Publish.Denied` ...
    pub code: &'static str,
    /// One sentence.
    pub text: String,
}

impl Refusal {
    /// A no with this code.
    pub fn new(code: &'static str, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }
}

/// A no at connect: to log in first, or that the login was wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turned {
    /// What the peer is told, in the form that its login wants.
    pub description: String,
    /// How long it waits for that.
    pub pause: Duration,
}

/// Decides who may publish and play, before the peer is told anything. May take its time (hooks): only the peer that
/// asks waits for it.
pub trait Gate: Send + Sync {
    /// Whether a peer may go on from its connect; `Ok` is the user that it has proved to be, if it was asked.
    fn connect(&self, peer: SocketAddr, connect: &ConnectRequest) -> Result<Option<String>, Turned> {
        let _ = (peer, connect);
        Ok(None)
    }

    /// Who takes this publisher.
    fn publish<'a>(&'a self, ask: &'a Ask) -> BoxFuture<'a, Result<Admitted<PublishSlot>, Refusal>>;

    /// What this player gets.
    fn play<'a>(&'a self, ask: &'a Ask) -> BoxFuture<'a, Result<Admitted<PlayOffer>, Refusal>>;
}

/// A yes.
pub struct Admitted<T> {
    /// To what.
    pub to: Arc<T>,
    /// Something that wants to know how long the peer stays.
    pub ticket: Option<Box<dyn Ticket>>,
}

impl<T> From<Arc<T>> for Admitted<T> {
    fn from(to: Arc<T>) -> Self {
        Self { to, ticket: None }
    }
}

/// Wants to know how long a peer stays.
pub trait Ticket: Send {
    /// The peer was told yes. What is given back is dropped when it has left.
    fn begun(self: Box<Self>) -> Box<dyn Send>;
}

/// A path below a listener: `live`, `live/name`, `app/instance/name`. Without query, without slashes at the ends.
#[derive(Clone, PartialEq, Eq)]
pub struct Path(String);

impl Path {
    /// The path of an app and a stream name as a peer sent them: queries are left out, so that the same stream has one
    /// path however its URL is divided.
    pub fn new(app: &str, name: &str) -> Self {
        let parts = [app, name].map(|part| part.split('?').next().unwrap_or_default());
        let words = parts.iter().flat_map(|part| part.split('/')).filter(|word| !word.is_empty());
        Self(words.collect::<Vec<_>>().join("/"))
    }

    /// True if `other` is this path or lies below it.
    pub fn covers(&self, other: &Path) -> bool {
        match other.0.strip_prefix(&self.0) {
            Some(rest) => self.0.is_empty() || rest.is_empty() || rest.starts_with('/'),
            None => false,
        }
    }

    fn depth(&self) -> usize {
        if self.0.is_empty() { 0 } else { 1 + self.0.matches('/').count() }
    }
}

/// What a listening output serves to its players.
pub struct PlayOffer {
    /// The stream, or what is selected of it.
    pub stream: Arc<Stream>,
    /// Where a player begins.
    pub start: Start,
    /// How far a player may fall behind.
    pub max_lag: Duration,
    /// How long bytes may be gathered.
    pub latency: Duration,
    /// How fast each may catch up, and who goes first on their line.
    pub share: Share,
    /// How much the players are held back.
    pub delay: Duration,
    /// The chunk size to announce.
    pub chunk_size: u32,
    /// What a player must present.
    pub key: Option<Secret>,
    /// The output's counters.
    pub stats: Arc<OutputStats>,
    /// The output's name.
    pub output: String,
    /// Where events go.
    pub events: monitor::Sink,
    /// Told at each player that joins.
    pub joined: Notify,
    /// Told at each player that leaves.
    pub left: Notify,
    /// The players of now.
    pub players: Arc<Roster>,
    /// Lets the players of now go: the output stops, or there has been no media for its `grace`.
    pub closing: Mutex<Stop>,
    /// Whether small segments are sent at once (`tcp_nodelay`).
    pub nodelay: bool,
    /// Set when the server is ending, and not the stream: players that can are told to connect anew.
    pub over: Arc<AtomicBool>,
}

/// What a listening input takes from its publisher: one at a time.
pub struct PublishSlot {
    /// Where packets go.
    pub feed: Feed,
    /// What a publisher must present.
    pub key: Option<Secret>,
    /// The input's name.
    pub input: String,
    /// Where events go.
    pub events: monitor::Sink,
    /// The publisher of the moment.
    pub current: Mutex<Option<Current>>,
    /// Told at each publisher that comes.
    pub joined: Notify,
    /// The input's counters.
    pub stats: Arc<InputStats>,
    /// Whether small segments are sent at once (`tcp_nodelay`).
    pub nodelay: bool,
    /// Whether a publisher takes the place of one that has been silent for a second; else it has to be silent for three.
    pub takeover: AtomicBool,
    /// Set when the stream is over for good: a publisher that is let go then is told to come back later, or elsewhere.
    pub over: AtomicBool,
}

/// The publisher of the moment.
pub struct Current {
    /// Its number.
    pub id: u64,
    /// Where it comes from.
    pub peer: SocketAddr,
    /// Since when.
    pub since: Instant,
    /// Its way into the feed: closed when another takes its place.
    pub feed: Arc<Taken>,
    /// Lets it go.
    pub stopper: Stopper,
    /// When its last byte came.
    pub heard: Arc<Mutex<std::time::Instant>>,
    /// Closed when it is through.
    pub left: tokio::sync::oneshot::Receiver<()>,
}

/// What a path leads to.
#[derive(Clone)]
pub enum Target {
    /// Players.
    Play(Arc<PlayOffer>),
    /// A publisher.
    Publish(Arc<PublishSlot>),
}

/// The paths of one listener.
#[derive(Default)]
pub struct Registry {
    routes: Mutex<Vec<(u64, Path, Target)>>,
}

impl Gate for Registry {
    fn publish<'a>(&'a self, ask: &'a Ask) -> BoxFuture<'a, Result<Admitted<PublishSlot>, Refusal>> {
        Box::pin(std::future::ready(match self.publisher(&ask.path()) {
            None => Err(Refusal::new("NetStream.Publish.Denied", "nothing takes a publisher under this name")),
            Some(slot) if slot.key.as_ref().is_some_and(|key| !presents(key, ask.app(), ask.name.expose())) => {
                (slot.events)(monitor::Event::Warning {
                    who: slot.input.clone(),
                    text: format!("a publisher from {} was refused: its key is missing or wrong", ask.peer.ip()),
                });
                Err(Refusal::new("NetStream.Publish.Denied", "the key is missing or wrong"))
            }
            Some(slot) => Ok(slot.into()),
        }))
    }

    fn play<'a>(&'a self, ask: &'a Ask) -> BoxFuture<'a, Result<Admitted<PlayOffer>, Refusal>> {
        Box::pin(std::future::ready(match self.player(&ask.path()) {
            None => Err(Refusal::new("NetStream.Play.StreamNotFound", "nothing plays under this name")),
            Some(offer) if offer.key.as_ref().is_some_and(|key| !presents(key, ask.app(), ask.name.expose())) => {
                Err(Refusal::new("NetStream.Play.Failed", "the key is missing or wrong"))
            }
            Some(offer) => Ok(offer.into()),
        }))
    }
}

impl Registry {
    /// Serves `target` under `path` until [`Registry::remove`].
    pub fn add(&self, id: u64, path: Path, target: Target) {
        self.routes.lock().push((id, path, target));
    }

    /// Serves it no longer.
    pub fn remove(&self, id: u64) {
        self.routes.lock().retain(|(known, ..)| *known != id);
    }

    /// What plays under this path: the longest path that covers it.
    pub fn player(&self, path: &Path) -> Option<Arc<PlayOffer>> {
        self.find(path, |target| match target {
            Target::Play(offer) => Some(offer.clone()),
            Target::Publish(_) => None,
        })
    }

    /// Who takes a publisher under this path.
    pub fn publisher(&self, path: &Path) -> Option<Arc<PublishSlot>> {
        self.find(path, |target| match target {
            Target::Publish(slot) => Some(slot.clone()),
            Target::Play(_) => None,
        })
    }

    fn find<T>(&self, path: &Path, pick: impl Fn(&Target) -> Option<T>) -> Option<T> {
        let routes = self.routes.lock();
        let fitting = routes.iter().filter(|(_, route, _)| route.covers(path));
        fitting
            .filter_map(|(_, route, target)| pick(target).map(|found| (route.depth(), found)))
            .max_by_key(|(depth, _)| *depth)
            .map(|(_, found)| found)
    }
}

/// True if a peer presented this key: as `key=` or `token=` in the query of app or name, or as the stream name itself.
pub fn presents(key: &Secret, app: &str, name: &str) -> bool {
    let queries = [app, name].into_iter().filter_map(|part| part.split_once('?').map(|(_, query)| query));
    let values = queries.flat_map(|query| query.split('&')).filter_map(|pair| pair.split_once('='));
    let last = name.split('?').next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
    let mut matched = key.matches(last);
    for (field, value) in values {
        matched |= matches!(field, "key" | "token") && key.matches(value);
    }
    matched
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn path(text: &str) -> Path {
        Path::new(text, "")
    }

    #[test]
    fn one_stream_has_one_path_however_its_url_is_divided() {
        assert!(Path::new("live", "a?token=1") == Path::new("live/a", ""));
        assert!(Path::new("live/", "/a") == Path::new("live?x=y", "a"));
    }

    fn slot(name: &str) -> Target {
        let (writer, _stream) = Stream::new("s", crate::stream::StreamConfig::default(), Arc::default());
        Target::Publish(Arc::new(PublishSlot {
            feed: Arc::new(writer),
            key: None,
            input: name.into(),
            events: Arc::new(|_| {}),
            current: Mutex::default(),
            joined: Notify::new(),
            stats: Arc::default(),
            nodelay: true,
            takeover: AtomicBool::new(false),
            over: AtomicBool::new(false),
        }))
    }

    fn offer(name: &str) -> Target {
        let (_writer, stream) = Stream::new("s", crate::stream::StreamConfig::default(), Arc::default());
        Target::Play(Arc::new(PlayOffer {
            stream,
            start: Start::Group,
            max_lag: Duration::ZERO,
            latency: Duration::ZERO,
            share: Share::default(),
            delay: Duration::ZERO,
            chunk_size: 128,
            key: None,
            stats: Arc::default(),
            output: name.into(),
            events: Arc::new(|_| {}),
            joined: Notify::new(),
            left: Notify::new(),
            players: Arc::default(),
            closing: Mutex::new(crate::stop::stopper().1),
            nodelay: true,
            over: Arc::default(),
        }))
    }

    #[test]
    fn of_nested_paths_the_longest_that_fits_wins_for_players_and_for_publishers() {
        // In both orders: it is the length that counts, not who came first.
        for order in [["", "live", "live/a"], ["live/a", "live", ""]] {
            let registry = Registry::default();
            for (id, served) in order.into_iter().enumerate() {
                registry.add(id as u64, path(served), slot(served));
                registry.add(id as u64, path(served), offer(served));
            }
            for (asked, served) in
                [("live/a", "live/a"), ("live/a/b", "live/a"), ("live/b", "live"), ("live", "live"), ("lively", "")]
            {
                assert_eq!(registry.publisher(&path(asked)).unwrap().input, served, "{asked}");
                assert_eq!(registry.player(&path(asked)).unwrap().output, served, "{asked}");
            }
        }
    }

    #[test]
    fn an_app_covers_every_name_below_it_and_nothing_beside_it() {
        assert!(path("live").covers(&path("live/a")));
        assert!(path("live").covers(&path("live")));
        assert!(path("").covers(&path("anything")));
        assert!(!path("live").covers(&path("lively")));
        assert!(!path("live/a").covers(&path("live")));
    }

    #[test]
    fn a_key_counts_as_query_or_as_name_but_never_in_part() {
        let key = Secret::new("k1");
        assert!(presents(&key, "live", "k1"));
        assert!(presents(&key, "live", "stream?key=k1"));
        assert!(presents(&key, "live?token=k1", "stream"));
        assert!(!presents(&key, "live", "k12"));
        assert!(!presents(&key, "live", "stream?key="));
        assert!(!presents(&key, "live", "stream?other=k1"));
    }
}
