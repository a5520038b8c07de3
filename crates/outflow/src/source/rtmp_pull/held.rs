//! Where one connection goes on for another: both have the same stream, each with a time of its own. What the old one sent
//! is remembered as hashes; the media of the new one is held until it has something that the old one has not.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use outflow_rtmp::message::{Message, kind};

use crate::media::{Kind, classify};

/// Messages remembered of the old connection: some 20 s, and groups of pictures are shorter.
const REMEMBERED: usize = 4096;
/// Most messages held, and most bytes.
const MOST_HELD: usize = 16_384;
const MOST_BYTES: usize = 64 << 20;
/// A new connection whose pictures are others than those of the old one takes over after this long ...
const STRANGE: Duration = Duration::from_secs(2);
/// ... or when the old one has sent nothing for this long.
const QUIET: Duration = Duration::from_secs(2);

/// What is remembered of a message.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Trace {
    kind: u8,
    time: u32,
    hash: u64,
}

impl Trace {
    fn of(message: &Message) -> Self {
        let mut hasher = DefaultHasher::new();
        message.payload.hash(&mut hasher);
        Trace { kind: message.kind, time: message.timestamp, hash: hasher.finish() }
    }
}

/// True if a time of 32 bits lies behind another.
fn is_after(time: u32, other: u32) -> bool {
    time.wrapping_sub(other).cast_signed() > 0
}

/// What the old connection has sent last.
#[derive(Default)]
pub(super) struct Memory {
    traces: VecDeque<Trace>,
    /// The latest time of audio and of video.
    last: [Option<u32>; 2],
    heard: Option<Instant>,
}

fn track(kind: u8) -> Option<usize> {
    match kind {
        kind::AUDIO => Some(0),
        kind::VIDEO => Some(1),
        _ => None,
    }
}

impl Memory {
    /// Remembers a message that was passed on.
    pub(super) fn note(&mut self, message: &Message, now: Instant) {
        let Some(last) = track(message.kind).and_then(|track| self.last.get_mut(track)) else { return };
        if last.is_none_or(|last| is_after(message.timestamp, last)) {
            *last = Some(message.timestamp);
        }
        self.heard = Some(now);
        self.traces.push_back(Trace::of(message));
        if self.traces.len() > REMEMBERED {
            self.traces.pop_front();
        }
    }

    /// The latest time of the kind of this message; data goes with the latest of all.
    fn last_of(&self, message: &Message) -> Option<u32> {
        match track(message.kind) {
            Some(track) => self.last.get(track).copied().flatten(),
            None => self.last.iter().flatten().copied().reduce(|one, two| if is_after(one, two) { one } else { two }),
        }
    }

    /// True if this is later than all of its kind that was passed on.
    pub(super) fn is_later(&self, message: &Message) -> bool {
        self.last_of(message).is_none_or(|last| is_after(message.timestamp, last))
    }

    /// True if this was passed on already: it is older than what was last, or among that.
    pub(super) fn has(&self, message: &Message) -> bool {
        let Some(last) = self.last_of(message) else { return false };
        match message.timestamp == last && track(message.kind).is_some() {
            true => self.traces.contains(&Trace::of(message)),
            false => !is_after(message.timestamp, last),
        }
    }

    fn has_video(&self) -> bool {
        self.last.get(1).is_some_and(Option::is_some)
    }

    fn is_quiet(&self, now: Instant) -> bool {
        self.heard.is_none_or(|heard| now.saturating_duration_since(heard) >= QUIET)
    }
}

/// The media of a new connection, from its first key frame on, and the headers before that.
#[derive(Default)]
pub(super) struct Held {
    headers: Vec<Message>,
    messages: Vec<Message>,
    traces: Vec<Trace>,
    bytes: usize,
    /// Where the latest key frame stands, and when it came.
    key: usize,
    key_at: Option<Instant>,
    /// When the first key frame came.
    since: Option<Instant>,
    /// What leads from its time to the old one's, once that is known.
    shift: Option<u32>,
}

/// How the new connection goes on.
pub(super) enum Joint {
    /// The same stream: its times are so much later.
    Same(u32),
    /// Another, or one that can't be told: as a new source, from its latest key frame on.
    Other,
}

impl Held {
    pub(super) fn push(&mut self, message: Message) {
        let sort = match message.kind {
            kind::AUDIO => Kind::Audio,
            kind::VIDEO => Kind::Video,
            _ => Kind::Data,
        };
        let now = Instant::now();
        let flags = classify::packet(sort, 0, message.payload.clone(), now).flags;
        self.bytes += message.payload.len();
        if flags.keyframe && sort == Kind::Video {
            self.key = self.messages.len();
            self.key_at = Some(now);
            self.since.get_or_insert(now);
        }
        if self.since.is_some() {
            self.traces.push(Trace::of(&message));
            self.messages.push(message);
        } else if sort == Kind::Data || flags.header {
            self.headers.push(message);
        } else if sort == Kind::Audio {
            // In a stream without pictures any packet is one to begin with; if there are some, these come before them.
            self.traces.push(Trace::of(&message));
            self.messages.push(message);
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.messages.len() + self.headers.len() > MOST_HELD || self.bytes > MOST_BYTES
    }

    /// Whether it can take over, and how. `gone`: the old connection sends no more.
    pub(super) fn joint(&mut self, old: &Memory, gone: bool, now: Instant) -> Option<Joint> {
        if self.shift.is_none() {
            self.shift = self.align(old);
        }
        if let Some(shift) = self.shift {
            // Not before it has something new, unless the old one can't have that any more.
            let newest = self.messages.iter().rev().find(|message| message.kind == kind::VIDEO);
            let ahead = newest.is_some_and(|message| !old.has(&shifted(message.clone(), shift)));
            return (ahead || gone).then_some(Joint::Same(shift));
        }
        match self.since {
            // It may be ahead: the old one has yet to send this key frame.
            Some(since) => {
                let waited = self.key_at.is_some_and(|at| at.saturating_duration_since(since) >= STRANGE);
                (gone || waited || old.is_quiet(now)).then_some(Joint::Other)
            }
            None => (!self.messages.is_empty() && !old.has_video()).then_some(Joint::Other),
        }
    }

    /// What is to be passed on, in order.
    pub(super) fn release(mut self, joint: &Joint) -> Vec<Message> {
        match joint {
            Joint::Same(shift) => self.messages.into_iter().map(|message| shifted(message, *shift)).collect(),
            Joint::Other => {
                let rest = self.messages.split_off(self.key.min(self.messages.len()));
                let is_header = |message: &Message| {
                    let sort = if message.kind == kind::VIDEO { Kind::Video } else { Kind::Audio };
                    message.kind == kind::DATA
                        || classify::packet(sort, 0, message.payload.clone(), Instant::now()).flags.header
                };
                let begin = rest.first().map_or(0, |message| message.timestamp);
                let headers = self.headers.into_iter().chain(self.messages.into_iter().filter(is_header));
                // They belong to what begins now, whatever time they had.
                headers.map(|header| Message { timestamp: begin, ..header }).chain(rest).collect()
            }
        }
    }

    /// What leads from the new times to the old: the old connection has sent the first key frame here, and all that is here
    /// behind it, as far as it has come.
    fn align(&self, old: &Memory) -> Option<u32> {
        let first = self.traces.iter().find(|trace| trace.kind == kind::VIDEO)?;
        self.since?;
        let same = |trace: &&Trace| trace.kind == first.kind && trace.hash == first.hash;
        old.traces.iter().rev().filter(same).map(|trace| trace.time.wrapping_sub(first.time)).find(|shift| {
            self.traces.iter().all(|trace| {
                let there = Trace { time: trace.time.wrapping_add(*shift), ..*trace };
                let mut at =
                    old.traces.iter().filter(|old| old.kind == there.kind && old.time == there.time).peekable();
                at.peek().is_none() || at.any(|old| old.hash == there.hash)
            })
        })
    }
}

/// A message with so much later a time.
pub(super) fn shifted(message: Message, shift: u32) -> Message {
    Message { timestamp: message.timestamp.wrapping_add(shift), ..message }
}

#[cfg(test)]
#[path = "held_tests.rs"]
mod tests;
