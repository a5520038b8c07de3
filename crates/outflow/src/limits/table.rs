//! Every limit as data: its name, default, range and one sentence. The file of `serve`, its schema, `-limits=` and the help
//! know them from here.

use std::time::Duration;

use super::{Limits, millis, shown};

/// How a limit is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A whole number, with an optional unit `k m g`.
    Count,
    /// `250ms`, `4s`; held in milliseconds here.
    Duration,
}

/// One limit.
#[derive(Debug, Clone, Copy)]
pub struct Spec {
    /// Its name.
    pub name: &'static str,
    /// How it is written.
    pub unit: Unit,
    /// The default as it would be written.
    pub default: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// The least that makes sense.
    pub least: u64,
    /// The most.
    pub most: u64,
    /// Its value.
    pub get: fn(&Limits) -> u64,
    /// Sets it.
    pub set: fn(&mut Limits, u64),
}

impl Spec {
    /// Says what is wrong with a value, if something is, and the mend.
    pub fn check(&self, value: u64) -> Result<(), (String, String)> {
        let told = |value| match self.unit {
            Unit::Count => format!("{value}"),
            Unit::Duration => shown(Duration::from_millis(value)),
        };
        let (little, much) = match self.unit {
            Unit::Count => ("too little", "too much"),
            Unit::Duration => ("too short", "too long"),
        };
        if value < self.least {
            return Err((format!("{} is {little}", told(value)), format!("write {} or more", told(self.least))));
        }
        if value > self.most {
            return Err((format!("{} is {much}", told(value)), format!("write {} or less", told(self.most))));
        }
        Ok(())
    }
}

macro_rules! count {
    ($($field:ident).+ : $type:ty, $default:literal, $least:expr, $most:expr, $help:literal) => {
        Spec {
            name: last(stringify!($($field).+)),
            unit: Unit::Count,
            default: $default,
            help: $help,
            least: $least,
            most: $most,
            #[allow(clippy::unnecessary_cast)] // some are 64 bits wide already
            get: |limits| limits.$($field).+ as u64,
            #[allow(clippy::unnecessary_fallible_conversions, clippy::useless_conversion)] // the same
            set: |limits, value| limits.$($field).+ = <$type>::try_from(value).unwrap_or(<$type>::MAX),
        }
    };
}

macro_rules! time {
    ($field:ident, $default:literal, $help:literal) => {
        Spec {
            name: stringify!($field),
            unit: Unit::Duration,
            default: $default,
            help: $help,
            least: 100,
            most: 24 * 3_600_000,
            get: |limits| millis(limits.$field),
            set: |limits, value| limits.$field = Duration::from_millis(value),
        }
    };
}

/// `amf_depth` of `rtmp.amf_depth`, however the compiler writes it.
const fn last(path: &'static str) -> &'static str {
    let bytes = path.as_bytes();
    let mut at = bytes.len();
    while at > 0 && bytes[at - 1] != b'.' && bytes[at - 1] != b' ' {
        at -= 1;
    }
    path.split_at(at).1
}

/// The longest message that RTMP can carry.
const MESSAGE: u64 = 0xFF_FFFF;
const GIB: u64 = 1 << 30;

/// Our own: `[limits]`.
pub const OURS: [Spec; 14] = [
    count!(connections: usize, "8192", 1, 1 << 20, "connections in all"),
    count!(connections_per_address: usize, "8192", 1, 1 << 20, "connections from one address"),
    count!(half_open: usize, "4096", 1, 1 << 20,
        "connections in all that have not yet asked to publish or to play"),
    count!(half_open_per_address: usize, "4096", 1, 1 << 20, "the same from one address"),
    time!(
        handshake,
        "10s",
        "how long the handshake may take, TLS included; with servers that are dialled, connect included"
    ),
    time!(request, "10s", "how long a peer may take from the handshake to its wish to publish or to play"),
    time!(idle, "75s", "how long a publisher may send no byte, not even the answer to a ping"),
    time!(message, "60s", "how long one message may take from its first byte to its last"),
    time!(player_stall, "60s", "how long a player may take no byte of what waits for it"),
    time!(answer, "15s", "how long a server that is dialled may take to answer publish or play"),
    time!(pull_idle, "30s", "how long a server that is played from may send no byte, or no media where there was some"),
    count!(ingest_bitrate: u64, "0", 0, 1 << 40,
        "bits per second that one publisher may send, over 10 s so that a burst is no offence; 0 is no limit"),
    // Less than a megabyte holds no group of pictures.
    count!(stream_bytes: usize, "201326592", 1_000_000, 1 << 36, "bytes of media that one stream keeps at most"),
    count!(process_bytes: usize, "1073741824", 1_000_000, 1 << 40,
        "bytes of media that all streams together keep; beyond it each keeps its share"),
];

/// Those of the protocol, on every connection: `[limits.rtmp]`.
pub const RTMP: [Spec; 18] = [
    count!(rtmp.media_message: usize, "10485760", 65_536, GIB,
        "bytes of the longest audio, video or aggregate message"),
    count!(rtmp.data_message: usize, "1048576", 4096, GIB, "bytes of the longest data message"),
    count!(rtmp.command_message: usize, "65536", 4096, GIB, "bytes of the longest command or control message"),
    count!(rtmp.partial_messages: usize, "8", 1, 65_536,
        "messages begun and unfinished at the same time on one connection"),
    count!(rtmp.partial_bytes: usize, "16777216", 65_536, GIB,
        "bytes that all unfinished messages of one connection hold"),
    count!(rtmp.chunk_streams: usize, "128", 8, 65_600, "chunk streams of one connection"),
    count!(rtmp.chunk_size: u32, "16777215", 128, MESSAGE, "a larger chunk size that a peer announces is taken as this"),
    count!(rtmp.chunks_per_message: u32, "81920", 128, MESSAGE, "chunks of one message"),
    count!(rtmp.amf_depth: usize, "32", 2, 64, "levels of AMF objects within each other"),
    count!(rtmp.amf_nodes: usize, "4096", 64, 1 << 20, "AMF values in one message"),
    count!(rtmp.amf_bytes: usize, "262144", 1024, 1 << 26,
        "AMF bytes read in one message, each use of a referenced text counted"),
    count!(rtmp.name: usize, "1024", 16, 65_535, "bytes of the longest app, stream name and the like"),
    count!(rtmp.tc_url: usize, "4096", 64, 65_535, "bytes of the longest tcUrl, swfUrl or pageUrl"),
    count!(rtmp.streams: usize, "8", 1, 65_536, "message streams (createStream) of one connection"),
    count!(rtmp.aggregate_parts: u32, "10000", 1, 1 << 24, "messages taken from one aggregate"),
    count!(rtmp.held: usize, "262144", 4096, 1 << 28, "bytes kept of a client that goes on before its connect is answered"),
    count!(rtmp.unsent: usize, "65536", 4096, 1 << 28, "bytes of answers kept for a peer that asks and does not read"),
    count!(rtmp.window_ack_min: u32, "4096", 1, 1 << 30, "a smaller acknowledgement window is taken as this many bytes"),
];
