//! One stream of the graph: takes packets from its source on one side, keeps them in a hub with all that a joiner
//! needs, and lets any number of outputs read on the other.

mod flv;
mod headers;
mod lane;
mod mark;
mod pace;
mod pick;
mod reader;
mod selection;
mod silence;
mod variants;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::hub::{Budget, Hub, Keep, hub};
use crate::media::timeline::Timeline;
use crate::media::{Intake, Packet, StreamInfo, classify};
use crate::monitor::InputStats;
use crate::wire::Shared;
pub use flv::Flv;
use lane::{Lane, Latest};
pub use mark::GoesTo;
use mark::Way;
use pace::Pace;
pub use reader::Reader;
pub use selection::{Selection, Tracks};
use variants::Variants;

/// What outputs have to know of their input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InputState {
    /// An entry point was published since the source came: an output can begin.
    pub ready: bool,
    /// Since when no source has been there, if it left without a clean end.
    pub gone_since: Option<Instant>,
    /// The broadcast ended cleanly; a source may come again.
    pub ended: bool,
    /// No source will come again.
    pub finished: bool,
}

/// How a stream is kept.
#[derive(Debug, Clone)]
pub struct StreamConfig {
    /// The largest `max_lag` plus the largest `delay` of its outputs.
    pub keep: Duration,
    /// Bytes of media at most; past it joiners wait for a key frame.
    pub max_bytes: usize,
    /// The source runs free: it waits for its (file and null) sinks instead of skipping.
    pub free: bool,
    /// What all streams of the program may keep together, if that is limited. One that runs free keeps what its sinks lack.
    pub budget: Option<Arc<Budget>>,
}

impl Default for StreamConfig {
    fn default() -> Self {
        Self { keep: Duration::from_secs(4), max_bytes: 192 << 20, free: false, budget: None }
    }
}

/// The readers' side: cheap to share. The stream as it is, or what an output sends of it: see [`Stream::select`].
pub struct Stream {
    /// Its name for logs, which no other stream of the program has.
    pub name: String,
    mark: String,
    /// How its source came here, and where its players take it.
    way: Mutex<Way>,
    hub: Arc<Hub<Shared>>,
    latest: Latest,
    input: watch::Sender<InputState>,
    pace: Option<Arc<Pace>>,
    variants: Variants,
    /// What this is a selection of: it has the state and the way.
    whole: Option<Arc<Stream>>,
    begin: Instant,
    /// When the last packet came, in milliseconds since `begin`.
    heard: AtomicU64,
    /// Set while the source is there but sends nothing.
    silent: AtomicBool,
    /// Where its source runs: see [`Stream::thread`].
    thread: AtomicUsize,
}

/// The writers' side: takes one source after another.
pub struct Writer {
    stream: Arc<Stream>,
    stats: Arc<InputStats>,
    inner: Mutex<Inner>,
}

struct Inner {
    lane: Lane,
    timeline: Timeline,
    ready: Vec<Packet>,
}

impl Stream {
    /// A stream with its two sides.
    pub fn new(name: impl Into<String>, config: StreamConfig, stats: Arc<InputStats>) -> (Writer, Arc<Stream>) {
        let keep = if config.free {
            Keep { age: Duration::MAX, bytes: usize::MAX }
        } else {
            Keep { age: config.keep, bytes: config.max_bytes }
        };
        let (publisher, hub) = hub(keep, config.budget.filter(|_| !config.free));
        let pace = config.free.then(|| Arc::new(Pace::default()));
        let name = name.into();
        let latest = Latest::new(Mutex::new(Arc::default()));
        let stream = Arc::new(Stream::with(name, None, hub, pace, latest.clone()));
        let inner = Inner { lane: Lane::new(publisher, latest), timeline: Timeline::default(), ready: Vec::new() };
        (Writer { stream: stream.clone(), stats, inner: Mutex::new(inner) }, stream)
    }

    /// A selection of a stream.
    fn part(whole: &Arc<Stream>, hub: Arc<Hub<Shared>>, pace: Option<Arc<Pace>>, latest: Latest) -> Self {
        Self::with(whole.name.clone(), Some(whole.clone()), hub, pace, latest)
    }

    fn with(
        name: String,
        whole: Option<Arc<Stream>>,
        hub: Arc<Hub<Shared>>,
        pace: Option<Arc<Pace>>,
        latest: Latest,
    ) -> Self {
        Self {
            mark: mark::mark(&name),
            way: Mutex::default(),
            name,
            hub,
            latest,
            input: watch::Sender::new(InputState::default()),
            pace,
            variants: Variants::default(),
            whole,
            begin: Instant::now(),
            heard: AtomicU64::new(0),
            silent: AtomicBool::new(false),
            thread: AtomicUsize::new(0),
        }
    }

    /// What an output sends of this stream: the stream itself where that is everything, else one with a hub of its own, which
    /// all have that select the same for as long as one of them has it. It begins with what is there still; its state and its
    /// way are those of the whole.
    pub fn select(self: &Arc<Self>, selection: &Selection) -> Arc<Stream> {
        if let Some(whole) = &self.whole {
            return whole.select(selection);
        }
        if selection.is_all() {
            return self.clone();
        }
        self.variants.get(self, selection)
    }

    /// The stream as it came.
    fn whole(&self) -> &Stream {
        self.whole.as_deref().unwrap_or(self)
    }

    /// The headers that are in force now.
    pub fn headers(&self) -> Arc<[Shared]> {
        self.latest.lock().clone()
    }

    /// The packets, for connections that read on their own.
    pub fn hub(&self) -> &Arc<Hub<Shared>> {
        &self.hub
    }

    /// Tells it apart from every other stream, in whatever program.
    pub fn mark(&self) -> &str {
        &self.mark
    }

    /// The number of the thread that its source runs on; the first, where nobody said another.
    pub fn thread(&self) -> usize {
        self.whole().thread.load(Ordering::Relaxed)
    }

    /// The way of what leaves here: the marks of the streams that it came through, this one last.
    pub fn hops(&self) -> Vec<String> {
        self.whole().way.lock().up_to(&self.mark)
    }

    /// A player takes the stream to those with these marks, for as long as the answer lives.
    pub fn goes_to(self: &Arc<Self>, marks: &[String]) -> Option<GoesTo> {
        GoesTo::new(self.whole.as_ref().unwrap_or(self), marks)
    }

    /// What the input is doing, and every change of it.
    pub fn state(&self) -> watch::Receiver<InputState> {
        self.whole().input.subscribe()
    }

    /// Sets what outputs see of the input.
    pub fn set_state(&self, state: InputState) {
        self.input.send_replace(state);
    }

    /// Tells outputs that the media has stopped though its source is still connected, if nothing came for so long. To be
    /// called now and then; the next packet takes it back.
    pub fn check_silence(&self, after: Duration) {
        let last = self.begin + Duration::from_millis(self.heard.load(Ordering::Relaxed));
        if last.elapsed() < after || self.silent.load(Ordering::Relaxed) || !self.input.borrow().ready {
            return;
        }
        self.silent.store(true, Ordering::Relaxed);
        self.input.send_modify(|state| state.gone_since = Some(last));
    }

    fn heard(&self) {
        let millis = u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.heard.store(millis, Ordering::Relaxed);
        if self.silent.swap(false, Ordering::Relaxed) {
            self.input.send_modify(|state| {
                if state.ready {
                    state.gone_since = None;
                }
            });
        }
    }

    /// No source will come again: outputs drain and stop.
    pub fn set_finished(&self) {
        self.hub.finish();
        self.variants.finish();
        self.input.send_modify(|state| {
            state.finished = true;
            state.ended = true;
        });
    }
}

impl Writer {
    /// The readers' side.
    pub fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// The source's timestamps that had to be mended so far.
    pub fn time_jumps(&self) -> u64 {
        self.inner.lock().timeline.jumps()
    }
}

impl Intake for Writer {
    fn start(&self, info: StreamInfo) {
        let mut inner = self.inner.lock();
        self.stats.media.lock().restart();
        inner.timeline.start(info.audio, info.video, info.realtime);
        inner.lane.start(info);
        self.stream.variants.start(info, inner.lane.publisher.head());
        self.stream.way.lock().forget_source();
        self.stream.input.send_modify(|state| {
            // What will get no source any more has none now.
            let (gone_since, finished) = (state.gone_since, state.finished);
            *state = InputState { gone_since, finished, ended: finished, ready: false };
        });
        self.stream.thread.store(0, Ordering::Relaxed);
    }

    fn push(&self, packet: Packet) {
        if let Some(pace) = &self.stream.pace {
            let published = pace.wait_for_room(self.stream.hub.head());
            self.inner.lock().lane.publisher.forget_before(published);
            self.stream.variants.wait_for_room();
        }
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        inner.timeline.push(packet, &mut inner.ready);
        self.stats.time_jumps.store(inner.timeline.jumps(), Ordering::Relaxed);
        let mut ready = std::mem::take(&mut inner.ready);
        for packet in ready.drain(..) {
            inner.publish(packet, &self.stream, &self.stats);
        }
        inner.ready = ready;
    }

    fn end(&self, clean: bool) {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        let mut rest = Vec::new();
        inner.timeline.flush(&mut rest);
        for packet in rest {
            inner.publish(packet, &self.stream, &self.stats);
        }
        inner.lane.end(clean);
        self.stream.variants.end(clean);
        self.stream.way.lock().forget_source();
        self.stream.input.send_modify(|state| {
            state.ready = false;
            state.ended = clean;
            state.gone_since = (!clean).then(Instant::now);
        });
    }

    fn marks(&self) -> Vec<String> {
        self.stream.way.lock().and_beyond(&self.stream.mark)
    }

    fn came_by(&self, hops: &[String]) {
        self.stream.way.lock().came_by(hops);
    }

    fn runs_on(&self, thread: usize) {
        self.stream.thread.store(thread, Ordering::Relaxed);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stream.variants.close();
    }
}

impl Inner {
    fn publish(&mut self, packet: Packet, stream: &Stream, stats: &InputStats) {
        InputStats::count(stats, &packet);
        stream.heard();
        if classify::clears_metadata(&packet) {
            // Who joins from now on gets none. It is not sent on: players know no such thing.
            self.lane.forget_metadata();
            stream.variants.forget_metadata();
            return;
        }
        let Some(published) = self.lane.publish(packet, Instant::now()) else { return };
        stats.kept.store(published.held as u64, Ordering::Relaxed);
        stream.variants.feed(&published);
        if published.is_entry && !stream.input.borrow().ready {
            stream.input.send_modify(|state| {
                *state = InputState { ready: true, ..InputState::default() };
            });
        }
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
#[path = "stream/variants_tests.rs"]
mod variants_tests;
