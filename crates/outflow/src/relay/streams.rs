//! The streams of the relay: made when a publisher, player or output first needs them, forgotten when nobody does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::rates::Rates;
use crate::config::{Conflict, StreamId, StreamRule};
use crate::env::Env;
use crate::hub::Start;
use crate::monitor::{self, InputStats, OutputStats};
use crate::options::share::Share;
use crate::options::{self, Options, rtmp};
use crate::registry::{PlayOffer, PublishSlot, Roster};
use crate::stop::{Stop, Stopper, stopper};
use crate::stream::{Selection, Stream, StreamConfig};

/// A stream without anybody is forgotten after so long.
pub(super) const LINGER: Duration = Duration::from_secs(60);

/// One stream.
pub(super) struct Live {
    pub(super) stream: Arc<Stream>,
    pub(super) rule: Arc<StreamRule>,
    pub(super) slot: Arc<PublishSlot>,
    pub(super) offer: Arc<PlayOffer>,
    pub(super) stats: Arc<InputStats>,
    pub(super) rates: Rates,
    /// Ends its pull, where it has one.
    pub(super) pull: Option<Stopper>,
    /// When somebody last needed it.
    pub(super) needed: Instant,
    /// Lets its players go when the relay ends.
    closer: Stopper,
}

impl Live {
    /// A stream that nobody publishes yet.
    pub(super) fn new(id: &StreamId, rule: Arc<StreamRule>, env: &Env, events: &monitor::Sink) -> Self {
        let stats = Arc::<InputStats>::default();
        let (max_bytes, budget) = (env.limits.get().stream_bytes, Some(env.budget.clone()));
        let kept = StreamConfig { max_bytes, budget, ..StreamConfig::default() };
        let (writer, stream) = Stream::new(id.to_string(), kept, stats.clone());
        let slot = Arc::new(PublishSlot {
            feed: Arc::new(writer),
            key: None,
            input: id.to_string(),
            events: events.clone(),
            current: Mutex::new(None),
            joined: Notify::new(),
            stats: stats.clone(),
            nodelay: true,
            takeover: AtomicBool::new(rule.conflict == Conflict::Takeover),
            over: AtomicBool::new(false),
        });
        let (closer, closing) = stopper();
        let offer = offer(id, &rule, &stream, events, Shared::default(), closing);
        let (rates, needed) = (Rates::default(), Instant::now());
        Self { stream, rule, slot, offer, stats, rates, pull: None, needed, closer }
    }

    /// Puts another rule in force: for publishers and players that come from now on.
    pub(super) fn obey(&mut self, id: &StreamId, rule: Arc<StreamRule>) {
        if *rule == *self.rule {
            return;
        }
        self.slot.takeover.store(rule.conflict == Conflict::Takeover, Ordering::Relaxed);
        let shared = Shared {
            stats: self.offer.stats.clone(),
            players: self.offer.players.clone(),
            over: self.offer.over.clone(),
        };
        self.offer = offer(id, &rule, &self.stream, &self.offer.events, shared, self.closer.handle());
        self.rule = rule;
    }

    /// True while media comes.
    pub(super) fn is_live(&self) -> bool {
        let state = *self.stream.state().borrow();
        state.ready && state.gone_since.is_none()
    }

    /// True while somebody publishes, though its first frames may still be waited for; and while media comes, or may come
    /// again before its outputs give up.
    pub(super) fn is_there(&self) -> bool {
        let state = *self.stream.state().borrow();
        state.ready
            || self.slot.current.lock().is_some()
            || state.gone_since.is_some_and(|since| since.elapsed() < LINGER)
    }

    /// True while somebody publishes it, or it is pulled.
    pub(super) fn is_published(&self) -> bool {
        self.slot.current.lock().is_some() || self.pull.is_some()
    }

    /// True while somebody publishes, plays or is to come.
    pub(super) fn is_needed(&self) -> bool {
        self.is_published() || self.offer.players.count() > 0
    }

    /// It is over for everybody.
    pub(super) fn finish(&mut self) {
        self.pull = None;
        self.slot.over.store(true, Ordering::Relaxed);
        self.offer.over.store(true, Ordering::Relaxed);
        if let Some(current) = self.slot.current.lock().as_ref() {
            current.stopper.stop();
        }
        self.stream.set_finished();
    }

    /// Lets the players go that have not gone with the end.
    pub(super) fn close(&self) {
        self.closer.stop();
    }
}

/// What all offers of a stream have in common, whatever its rule said when they were made.
#[derive(Default)]
struct Shared {
    stats: Arc<OutputStats>,
    players: Arc<Roster>,
    over: Arc<AtomicBool>,
}

/// What the players of a stream get.
fn offer(
    id: &StreamId,
    rule: &StreamRule,
    stream: &Arc<Stream>,
    events: &monitor::Sink,
    shared: Shared,
    closing: Stop,
) -> Arc<PlayOffer> {
    let mut options = Options::with_defaults(options::defaults(rtmp::LISTEN_OUTPUT));
    for (name, value) in &rule.players {
        options.set(name, value.clone());
    }
    let offer = PlayOffer {
        // Checked when the file was read.
        stream: stream.select(&Selection::of(&options).unwrap_or_default()),
        start: if options.text("start").as_deref() == Some("key") { Start::Next } else { Start::Group },
        max_lag: options.duration("max_lag").unwrap_or(Duration::from_secs(4)),
        latency: options.duration("latency").unwrap_or_default(),
        share: Share::of(&options).unwrap_or_default(),
        delay: options.duration("delay").unwrap_or_default(),
        chunk_size: options
            .count("chunk_size")
            .and_then(|size| u32::try_from(size).ok())
            .unwrap_or(crate::wire::CHUNK_SIZE),
        key: None,
        stats: shared.stats,
        output: id.to_string(),
        events: events.clone(),
        joined: Notify::new(),
        left: Notify::new(),
        players: shared.players,
        closing: Mutex::new(closing),
        nodelay: true,
        over: shared.over,
    };
    offer.stream.hub().keep_at_least(offer.max_lag + offer.delay);
    Arc::new(offer)
}
