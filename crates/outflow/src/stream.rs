//! One stream of the graph: takes packets from its source on one side, keeps them in a hub with all that a joiner
//! needs, and lets any number of outputs read on the other.

mod flv;
mod headers;
mod mark;
mod pace;
mod reader;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::hub::{Budget, Hub, Keep, Publisher, hub};
use crate::media::timeline::Timeline;
use crate::media::{Intake, Kind, Packet, StreamInfo};
use crate::monitor::InputStats;
use crate::wire::{Message, Shared};
pub use flv::Flv;
use headers::Headers;
pub use mark::GoesTo;
use mark::Way;
use pace::Pace;
pub use reader::Reader;

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

/// The readers' side: cheap to share.
pub struct Stream {
    /// Its name for logs, which no other stream of the program has.
    pub name: String,
    mark: String,
    /// How its source came here, and where its players take it.
    way: Mutex<Way>,
    hub: Arc<Hub<Shared>>,
    input: watch::Sender<InputState>,
    pace: Option<Arc<Pace>>,
    begin: Instant,
    /// When the last packet came, in milliseconds since `begin`.
    heard: AtomicU64,
    /// Set while the source is there but sends nothing.
    silent: AtomicBool,
}

/// The writers' side: takes one source after another.
pub struct Writer {
    stream: Arc<Stream>,
    stats: Arc<InputStats>,
    inner: Mutex<Inner>,
}

struct Inner {
    publisher: Publisher<Shared>,
    timeline: Timeline,
    headers: Headers,
    /// Time of the last message of each chunk stream.
    last: HashMap<u32, i64>,
    /// The lowest video track seen: its key frames are the entry points.
    main_video: Option<u8>,
    /// Video of a source that has just come is dropped up to its first key frame.
    wants_key: bool,
    info: StreamInfo,
    /// Time and number of the source's first packet of sound.
    first_audio: Option<(i64, u64)>,
    ready: Vec<Packet>,
}

/// How long audio alone must have come, from a source that can't say whether there will be video, before it counts
/// as a stream without video.
const AUDIO_ONLY_AFTER: i64 = 1_000;

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
        let stream = Arc::new(Stream {
            mark: mark::mark(&name),
            way: Mutex::default(),
            name,
            hub,
            input: watch::Sender::new(InputState::default()),
            pace,
            begin: Instant::now(),
            heard: AtomicU64::new(0),
            silent: AtomicBool::new(false),
        });
        let inner = Inner {
            publisher,
            timeline: Timeline::default(),
            headers: Headers::default(),
            last: HashMap::new(),
            main_video: None,
            wants_key: true,
            info: StreamInfo::default(),
            first_audio: None,
            ready: Vec::new(),
        };
        (Writer { stream: stream.clone(), stats, inner: Mutex::new(inner) }, stream)
    }

    /// The packets, for connections that read on their own.
    pub fn hub(&self) -> &Arc<Hub<Shared>> {
        &self.hub
    }

    /// Tells it apart from every other stream, in whatever program.
    pub fn mark(&self) -> &str {
        &self.mark
    }

    /// The way of what leaves here: the marks of the streams that it came through, this one last.
    pub fn hops(&self) -> Vec<String> {
        self.way.lock().up_to(&self.mark)
    }

    /// A player takes the stream to those with these marks, for as long as the answer lives.
    pub fn goes_to(self: &Arc<Self>, marks: &[String]) -> Option<GoesTo> {
        GoesTo::new(self, marks)
    }

    /// What the input is doing, and every change of it.
    pub fn state(&self) -> watch::Receiver<InputState> {
        self.input.subscribe()
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
        inner.info = info;
        inner.wants_key = info.video != Some(false);
        inner.main_video = None;
        inner.first_audio = None;
        inner.headers.clear();
        inner.publisher.reopen();
        inner.publisher.close_entries(Instant::now());
        self.stream.way.lock().forget_source();
        self.stream.input.send_modify(|state| {
            *state = InputState { gone_since: state.gone_since, ..InputState::default() };
        });
    }

    fn push(&self, packet: Packet) {
        if let Some(pace) = &self.stream.pace {
            let published = pace.wait_for_room(self.stream.hub.head());
            self.inner.lock().publisher.forget_before(published);
        }
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        inner.timeline.push(packet, &mut inner.ready);
        let mut ready = std::mem::take(&mut inner.ready);
        for packet in ready.drain(..) {
            inner.publish(packet, &self.stream, &self.stats);
        }
        inner.ready = ready;
        self.stats.kept.store(self.stream.hub.bytes() as u64, Ordering::Relaxed);
    }

    fn end(&self, clean: bool) {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        let mut rest = Vec::new();
        inner.timeline.flush(&mut rest);
        for packet in rest {
            inner.publish(packet, &self.stream, &self.stats);
        }
        inner.publisher.close_entries(Instant::now());
        if clean {
            inner.publisher.finish();
        }
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
}

impl Inner {
    fn publish(&mut self, packet: Packet, stream: &Stream, stats: &InputStats) {
        InputStats::count(stats, &packet);
        stream.heard();
        if packet.kind == Kind::Video && packet.body.is_empty() {
            return;
        }
        if packet.kind == Kind::Video && !packet.flags.header {
            self.main_video = Some(self.main_video.map_or(packet.track, |track| track.min(packet.track)));
            if self.wants_key && !packet.flags.keyframe {
                return;
            }
            self.wants_key = false;
        }
        let (dts, arrival) = (packet.dts, packet.arrival);
        let is_entry = self.is_entry(&packet);
        let is_header = packet.flags.header;
        let previous = self.last.insert(crate::wire::chunk_stream(&packet), dts);
        let message = Message::new(packet, previous);
        if is_header {
            self.headers.keep(&message);
        }
        let entry = is_entry.then(|| self.headers.snapshot());
        self.publisher.publish(message, arrival, entry);
        if is_entry && !stream.input.borrow().ready {
            stream.input.send_modify(|state| {
                *state = InputState { ready: true, ..InputState::default() };
            });
        }
    }

    /// A key frame of the main video track; in a stream without video every packet of audio.
    fn is_entry(&mut self, packet: &Packet) -> bool {
        match packet.kind {
            Kind::Video => packet.flags.keyframe && self.main_video == Some(packet.track),
            Kind::Audio if packet.flags.header || self.main_video.is_some() => false,
            Kind::Audio => {
                let (first, seq) = *self.first_audio.get_or_insert((packet.dts, self.publisher.head()));
                match self.info.video {
                    Some(video) => !video,
                    None if self.headers.have_video() || packet.dts - first < AUDIO_ONLY_AFTER => false,
                    None => {
                        // What came while this was not clear can be joined too.
                        self.publisher.enter_at(seq, self.headers.snapshot());
                        true
                    }
                }
            }
            Kind::Data => false,
        }
    }
}

#[cfg(test)]
mod tests;
