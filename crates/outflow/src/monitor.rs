//! Everything that can be observed, declared once as data: the only source of logs, `-json`, status lines and metrics.

pub mod alerts;
pub mod board;
pub mod delay;
pub mod input;
pub mod json;
pub mod log;
pub mod session;
pub mod stability;
pub mod worst;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::error::Ended;
pub use worst::{Teller, Worst};

/// The state of an output, as shown to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Not started.
    Idle,
    /// Waits for its input's first key frame.
    WaitingInput,
    /// Looks up the destination's name.
    Resolving,
    /// TCP and TLS connect.
    Connecting,
    /// RTMP handshake and `connect`.
    Handshaking,
    /// `publish` was sent; its answer is awaited, or after it the key frame to begin with.
    Publishing,
    /// Accepted, and bytes are leaving. For a listening output: bound, and serving whoever plays.
    Live,
    /// Accepted, but no byte could be written for a while.
    Stalled,
    /// Accepted, but sends nothing: it leaves the uplink to an output of higher priority.
    Yielding,
    /// Waits for its next attempt.
    Backoff,
    /// Told to stop; the rest is being sent.
    Draining,
    /// Stopped on request or at the input's clean end.
    Stopped,
    /// Ended for good by an error.
    Failed,
}

impl State {
    /// True where it is connected, and has figures of its connection.
    pub fn sends(self) -> bool {
        matches!(self, State::Live | State::Stalled | State::Yielding | State::Draining)
    }

    /// The stable name, as in `-json`.
    pub fn name(self) -> &'static str {
        match self {
            State::Idle => "idle",
            State::WaitingInput => "waiting_input",
            State::Resolving => "resolving",
            State::Connecting => "connecting",
            State::Handshaking => "handshaking",
            State::Publishing => "publishing",
            State::Live => "live",
            State::Stalled => "stalled",
            State::Yielding => "yielding",
            State::Backoff => "backoff",
            State::Draining => "draining",
            State::Stopped => "stopped",
            State::Failed => "failed",
        }
    }
}

/// What happened. Names are those of words (`name=`), never a stream key.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A listener is bound and accepts.
    Listening {
        /// The address as bound.
        address: std::net::SocketAddr,
        /// What it serves, URLs masked.
        serves: String,
    },
    /// An output changed its state.
    Output {
        /// The output's name.
        output: String,
        /// Its new state.
        state: State,
        /// Why, where something went wrong.
        reason: Option<Ended>,
        /// Attempts so far.
        attempt: u32,
        /// How long until the next attempt, in backoff.
        retry_in: Option<Duration>,
    },
    /// A player joined a listening output.
    PlayerJoined {
        /// The output it plays from.
        output: String,
        /// Its address.
        peer: std::net::SocketAddr,
    },
    /// A player left or was let go.
    PlayerLeft {
        /// The output it played from.
        output: String,
        /// Its address.
        peer: std::net::SocketAddr,
        /// Why.
        reason: String,
    },
    /// An output or player was too far behind, or had yielded to another, and went on at a later key frame.
    Skipped {
        /// The output.
        output: String,
        /// The player's address, for a listening output.
        peer: Option<std::net::SocketAddr>,
        /// Packets left out.
        packets: u64,
        /// Media time left out, in milliseconds.
        millis: u64,
        /// Why, where it was not too slow.
        why: Option<String>,
    },
    /// An input has a source: a publisher came, a pull started, a file was opened.
    InputStarted {
        /// The input's name.
        input: String,
        /// What it is.
        what: String,
    },
    /// An input's source ended.
    InputEnded {
        /// The input's name.
        input: String,
        /// Why.
        reason: Ended,
        /// How long until it is tried again, where it is.
        retry_in: Option<Duration>,
    },
    /// Something has failed for good; the program's exit code will say so too.
    Failure {
        /// Whom it concerns.
        who: String,
        /// Why.
        reason: Ended,
    },
    /// An alert was raised, or cleared.
    Alert(alerts::Change),
    /// Something to know that is no failure.
    Note {
        /// Whom it concerns.
        who: String,
        /// One sentence.
        text: String,
    },
    /// Something that works but probably not as meant.
    Warning {
        /// Whom it concerns.
        who: String,
        /// One sentence.
        text: String,
    },
}

/// Where events go. Shared by everything that runs; never blocks.
pub type Sink = std::sync::Arc<dyn Fn(Event) + Send + Sync>;

/// Counters of one output: relaxed atomics, written on the hot path, sampled once a second.
#[derive(Debug, Default)]
pub struct OutputStats {
    /// Bytes handed to the kernel, protocol included, all connections together.
    pub bytes: AtomicU64,
    /// Media packets fully sent.
    pub packets: AtomicU64,
    /// Video packets fully sent.
    pub frames: AtomicU64,
    /// Times a reader skipped forward to a key frame.
    pub skips: AtomicU64,
    /// Packets left out by skips.
    pub skipped_packets: AtomicU64,
    /// Video frames among them.
    pub skipped_frames: AtomicU64,
    /// Groups of pictures that lack something because of skips.
    pub skipped_groups: AtomicU64,
    /// Times that it left the uplink to an output of higher priority.
    pub yields: AtomicU64,
    /// To which one it does now.
    pub yields_to: Mutex<Option<std::sync::Arc<str>>>,
    /// Connections right now (players of a listening output; 0 or 1 for a push).
    pub connections: AtomicU64,
    /// Age of the oldest packet not yet sent, in milliseconds, of the worst connection at its last step.
    pub lag_millis: Worst,
    /// Attempts to connect so far.
    pub attempts: AtomicU64,
    /// Attempts that came so far that media left.
    pub connects: AtomicU64,
    /// When the last byte left this machine, by [`millis`]; 0 if none did. Where the system does not tell: when it was handed to
    /// the kernel.
    pub last_byte: AtomicU64,
    /// Bytes that the kernel has and has not sent yet, all connections together.
    pub unsent: AtomicU64,
    /// Bytes that were sent and are not acknowledged.
    pub unacked: AtomicU64,
    /// Bytes beyond what the RTMP peer says it received, and one, of the connection that was looked at last; 0 where it says
    /// nothing.
    pub unacknowledged: AtomicU64,
    /// The round-trip time in microseconds, of the connection that was looked at last; 0 where it is not known.
    pub rtt_micros: AtomicU64,
    /// Segments that TCP sent again.
    pub retransmits: AtomicU64,
    /// Connections whose other host takes nothing more: its program does not read.
    pub windows_closed: AtomicU64,
    /// For how long the acknowledgement of a frame is waited for, in milliseconds.
    pub waiting_millis: Worst,
    /// From a frame's arrival to its acknowledgement by the destination's host, without the output's `delay`.
    pub delays: Mutex<delay::Delays>,
    /// The share of the time in which it was sending without a skip.
    pub stability: Mutex<stability::Stability>,
    /// For how long it has been sending without a break.
    pub session: Mutex<session::Session>,
}

/// Figures of one connection, brought up to date once a second: a player's, which shares its output's counters with others.
#[derive(Debug, Default)]
pub struct PeerStats {
    /// Bytes written, protocol included.
    pub bytes: AtomicU64,
    /// Age of the oldest packet not yet sent, in milliseconds.
    pub lag_millis: AtomicU64,
    /// Times that it skipped forward to a key frame.
    pub skips: AtomicU64,
    /// Bytes that the kernel has and has not sent yet.
    pub unsent: AtomicU64,
    /// Bytes that were sent and are not acknowledged.
    pub unacked: AtomicU64,
    /// Bytes beyond what the RTMP peer says it received, and one; 0 where it says nothing.
    pub unacknowledged: AtomicU64,
    /// The round-trip time in microseconds; 0 where it is not known.
    pub rtt_micros: AtomicU64,
    /// 1 while its host takes nothing more, since its program does not read.
    pub window_closed: AtomicU64,
}

impl PeerStats {
    /// Bytes that were sent and that the RTMP peer has not said it received; `None` where it says nothing of that.
    pub fn rtmp_unacknowledged(&self) -> Option<u64> {
        OutputStats::get(&self.unacknowledged).checked_sub(1)
    }
}

/// Milliseconds from the first call in this program to `now`, and one: for instants in counters, where 0 is never.
pub fn millis(now: Instant) -> u64 {
    static BEGIN: OnceLock<Instant> = OnceLock::new();
    let begin = *BEGIN.get_or_init(|| now);
    u64::try_from(now.saturating_duration_since(begin).as_millis()).unwrap_or(u64::MAX).saturating_add(1)
}

/// When the oldest frame has waited for so long, in milliseconds, half of a minute's frames wait.
const HALF_WAITS: u64 = 30_000;
/// The same of a twentieth of them.
const TWENTIETH_WAITS: u64 = 3_000;

impl OutputStats {
    /// Counts a skip.
    pub fn skipped(&self, packets: u64, frames: u64, groups: u64) {
        Self::add(&self.skips, 1);
        Self::add(&self.skipped_packets, packets);
        Self::add(&self.skipped_frames, frames);
        Self::add(&self.skipped_groups, groups);
    }

    /// Notes that a byte left.
    pub fn left(&self, now: Instant) {
        self.last_byte.store(millis(now), Ordering::Relaxed);
    }

    /// How long ago the last byte left; `None` if none did.
    pub fn last_byte_age(&self, now: Instant) -> Option<Duration> {
        let last = Self::get(&self.last_byte);
        (last > 0).then(|| Duration::from_millis(millis(now).saturating_sub(last)))
    }

    /// A number that changes when bytes leave: connections say when they did, other outputs only how many.
    pub fn moved(&self) -> u64 {
        match Self::get(&self.last_byte) {
            0 => Self::get(&self.bytes),
            last => last,
        }
    }

    /// Bytes that were sent and that the RTMP peer has not said it received; `None` where it says nothing of that.
    pub fn rtmp_unacknowledged(&self) -> Option<u64> {
        Self::get(&self.unacknowledged).checked_sub(1)
    }

    /// The round-trip time, where the system tells it.
    pub fn rtt(&self) -> Option<Duration> {
        let micros = Self::get(&self.rtt_micros);
        (micros > 0).then(|| Duration::from_micros(micros))
    }

    /// Times that it was connected again, after the first.
    pub fn reconnects(&self) -> u64 {
        Self::get(&self.connects).saturating_sub(1)
    }

    /// Delays to the destination over the last minute. What is still on its way counts as the longest, if it is; and frames
    /// come one after the other, so that after 3 s without any acknowledgement one in twenty of a minute's frames waits.
    pub fn delay(&self, now: Instant) -> Option<delay::Quantiles> {
        let waiting = self.waiting_millis.get();
        match self.delays.lock().quantiles(now) {
            Some(found) => Some(delay::Quantiles {
                p50: found.p50.max(waiting.saturating_sub(HALF_WAITS)),
                p95: found.p95.max(waiting.saturating_sub(TWENTIETH_WAITS)),
                p99: found.p99.max(waiting),
            }),
            None => (waiting > 0).then_some(delay::Quantiles { p50: waiting, p95: waiting, p99: waiting }),
        }
    }

    /// Within which time 95 of 100 of the last minute's frames were at the destination. What waits counts where there is
    /// nothing else.
    pub fn delay_p95(&self, now: Instant) -> Option<Duration> {
        let waiting = Some(self.waiting_millis.get()).filter(|waiting| *waiting > 0);
        let found = self.delays.lock().p95(now);
        let longer = waiting.unwrap_or_default().saturating_sub(TWENTIETH_WAITS);
        found.map(|found| found.max(longer)).or(waiting).map(Duration::from_millis)
    }

    /// Adds to a counter.
    pub fn add(counter: &AtomicU64, amount: u64) {
        counter.fetch_add(amount, Ordering::Relaxed);
    }

    /// Reads a counter.
    pub fn get(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }
}

/// Counters of one input.
#[derive(Debug, Default)]
pub struct InputStats {
    /// Media bytes received.
    pub bytes: AtomicU64,
    /// Packets received.
    pub packets: AtomicU64,
    /// Video packets received.
    pub frames: AtomicU64,
    /// Key frames received.
    pub keyframes: AtomicU64,
    /// Times the source's timestamps went back or jumped and were mended.
    pub time_jumps: AtomicU64,
    /// Times a source started.
    pub starts: AtomicU64,
    /// Bytes of media that its stream keeps for readers to come, as of its last packet.
    pub kept: AtomicU64,
    /// Codecs, sizes, and how regularly it comes.
    pub media: Mutex<input::InputMedia>,
}

impl InputStats {
    /// Counts a packet that came in.
    pub fn count(&self, packet: &crate::media::Packet) {
        self.media.lock().count(packet);
        self.bytes.fetch_add(packet.body.len() as u64, Ordering::Relaxed);
        self.packets.fetch_add(1, Ordering::Relaxed);
        if packet.kind == crate::media::Kind::Video && !packet.flags.header {
            self.frames.fetch_add(1, Ordering::Relaxed);
            self.keyframes.fetch_add(u64::from(packet.flags.keyframe), Ordering::Relaxed);
        }
    }
}
