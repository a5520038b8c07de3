//! Media as it travels through the program: packets of FLV/E-RTMP bodies, raw pictures and samples.

pub mod classify;
pub mod continuity;
mod few;
pub mod metadata;
pub mod meter;
pub mod pace;
pub mod raw;
pub mod timeline;

use std::time::Instant;

use bytes::Bytes;

pub use few::Few;

/// What a packet carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Audio: an FLV audio tag body.
    Audio,
    /// Video: an FLV video tag body.
    Video,
    /// AMF0 data (`onMetaData`, `onTextData`, ...), without an `@setDataFrame` wrapper.
    Data,
}

/// What the program has to know of a body without understanding its codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags {
    /// A coded key frame: decoding can begin here. Never set on sequence headers.
    pub keyframe: bool,
    /// A header that a decoder needs before its first frame (sequence start, channel or colour configuration),
    /// or `onMetaData`: cached, and sent to every joiner.
    pub header: bool,
    /// A frame that no other frame needs.
    pub disposable: bool,
}

/// One message of a stream: the body exactly as it came.
#[derive(Debug, Clone)]
pub struct Packet {
    /// Audio, video or data.
    pub kind: Kind,
    /// The E-RTMP track id; 0 where the body names none.
    pub track: u8,
    /// Decoding time in milliseconds. Within a source: as the source counts it, unwrapped to 64 bits.
    /// In a hub: on the stream's own continuous time, never going back within a (kind, track).
    pub dts: i64,
    /// Composition time offset in milliseconds (PTS − DTS); informative, the body carries it too.
    pub cts: i32,
    /// What to know of the body.
    pub flags: Flags,
    /// The FLV/E-RTMP tag body, byte for byte.
    pub body: Bytes,
    /// When it reached this program: lag and delay are measured from here, never from the stream's own time.
    pub arrival: Instant,
}

/// What a source knows of itself before its first packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StreamInfo {
    /// Whether there will be video; `None` where the source can't know (a publisher).
    pub video: Option<bool>,
    /// Whether there will be audio.
    pub audio: Option<bool>,
    /// Whether the source's timestamps run in real time, so that a jump against the clock is a fault to mend.
    pub realtime: bool,
}

/// Takes a source's packets towards the hub. One source at a time: `start`, any number of `push`, `end`.
pub trait Intake: Send + Sync {
    /// A source begins (or returns): its time base is new, and its first video packet must be a key frame.
    fn start(&self, info: StreamInfo);

    /// One packet, with the source's own time. Never waits, but in a graph that runs free (`rt=off`, only file and
    /// null sinks): there it blocks until the slowest sink has room, so sources that may run free push from a
    /// thread of their own.
    fn push(&self, packet: Packet);

    /// The source ended: `clean` = the broadcast is over (outputs close), else it may return (outputs wait).
    fn end(&self, clean: bool);

    /// The marks of the streams that packets get into from here, in this and in other programs: see [`Intake::came_by`].
    fn marks(&self) -> Vec<String> {
        Vec::new()
    }

    /// The source that has begun came by this way: the marks of the streams, in this and in other programs, that it came
    /// through. Forgotten at its end.
    fn came_by(&self, hops: &[String]) {
        let _ = hops;
    }

    /// The source that has begun runs on the thread with this number: who is sent what it brings is best served there too.
    fn runs_on(&self, thread: usize) {
        let _ = thread;
    }
}

/// A shared [`Intake`].
pub type Feed = std::sync::Arc<dyn Intake>;
