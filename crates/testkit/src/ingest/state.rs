//! What an ingest server saw, for tests to look at and to wait on.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::flv::{self, Tag};
use crate::wire::{Message, Value, kind};

/// Everything that happened to a server.
#[derive(Debug, Default)]
pub struct State {
    /// Connections that are open now.
    pub open: usize,
    /// All connections, in the order in which they were accepted.
    pub sessions: Vec<Session>,
}

impl State {
    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.sessions.len()
    }

    /// Bytes read on all connections, as of their last whole message.
    pub fn bytes(&self) -> u64 {
        self.sessions.iter().map(|session| session.bytes).sum()
    }

    /// The last session whose `publish` was accepted.
    pub fn published(&self) -> Option<&Session> {
        self.sessions.iter().rev().find(|session| session.published.is_some())
    }
}

/// A message and when it came.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// When its last byte was read.
    pub at: Instant,
    /// The message; without a body if the server does not keep bodies.
    pub message: Message,
    /// The body's length.
    pub length: usize,
    /// [`flv::digest`] of the body, also where it is not kept.
    pub digest: u64,
}

/// One connection.
#[derive(Clone)]
pub struct Session {
    /// The client's address.
    pub peer: SocketAddr,
    /// When it was accepted.
    pub accepted: Instant,
    /// The values of `connect`'s object.
    pub connect: Option<Value>,
    /// The names of all commands, in order.
    pub commands: Vec<String>,
    /// All values of each command, its name and transaction id first.
    pub calls: Vec<Vec<Value>>,
    /// Protocol and user control messages, acknowledgements not kept.
    pub controls: Vec<Message>,
    /// The stream name of `publish`, once accepted.
    pub published: Option<String>,
    /// The stream name of `play`, once accepted.
    pub played: Option<String>,
    /// Whether the client said `FCUnpublish`, `closeStream` or `deleteStream`.
    pub unpublished: bool,
    /// Audio, video and data messages.
    pub arrivals: Vec<Arrival>,
    /// Audio and video messages.
    pub media_messages: usize,
    /// Video key frames, sequence headers not counted.
    pub key_frames: usize,
    /// The longest time between two media messages.
    pub longest_gap: Duration,
    /// Bytes read, as of the last whole message.
    pub bytes: u64,
    /// Reads that gave bytes, as of the last whole message.
    pub reads: usize,
    /// How the connection ended.
    pub end: Option<String>,
    keep_bodies: bool,
    last_media: Option<Instant>,
}

impl Session {
    pub(super) fn new(peer: SocketAddr, keep_bodies: bool) -> Self {
        Self {
            peer,
            accepted: Instant::now(),
            connect: None,
            commands: Vec::new(),
            calls: Vec::new(),
            controls: Vec::new(),
            published: None,
            played: None,
            unpublished: false,
            arrivals: Vec::new(),
            media_messages: 0,
            key_frames: 0,
            longest_gap: Duration::ZERO,
            bytes: 0,
            reads: 0,
            end: None,
            keep_bodies,
            last_media: None,
        }
    }

    pub(super) fn media(&mut self, mut message: Message) {
        let at = Instant::now();
        let (length, digest) = (message.body.len(), flv::digest(&message.body));
        if matches!(message.kind, kind::AUDIO | kind::VIDEO) {
            self.media_messages += 1;
            self.key_frames += usize::from(flv::is_key_frame(message.kind, &message.body));
            if let Some(last) = self.last_media.replace(at) {
                self.longest_gap = self.longest_gap.max(at - last);
            }
        }
        if !self.keep_bodies {
            message.body.clear();
        }
        self.arrivals.push(Arrival { at, message, length, digest });
    }

    /// Starts the measure of [`Session::longest_gap`] again, from now.
    pub fn restart_gap(&mut self) {
        self.longest_gap = Duration::ZERO;
        self.last_media = Some(Instant::now());
    }

    /// The longest gap including the silence until now.
    pub fn gap_until_now(&self) -> Duration {
        self.longest_gap.max(self.last_media.map_or(Duration::ZERO, |last| last.elapsed()))
    }

    /// One property of `connect`'s object as a string.
    pub fn connect_text(&self, name: &str) -> Option<String> {
        self.connect.clone()?.get_object_properties()?.remove(name)?.get_string()
    }

    /// All values of the first command of this name.
    pub fn call(&self, name: &str) -> Option<&[Value]> {
        self.calls.iter().map(Vec::as_slice).find(|values| values.first() == Some(&crate::wire::text(name)))
    }

    /// The chunk sizes that the client announced (Adobe RTMP 1.0 §5.4.1).
    pub fn chunk_sizes(&self) -> Vec<u32> {
        let of = self.controls.iter().filter(|message| message.kind == kind::SET_CHUNK_SIZE);
        of.filter_map(|message| Some(u32::from_be_bytes(message.body.first_chunk::<4>().copied()?))).collect()
    }

    /// The user control messages of one event type, without it (Adobe RTMP 1.0 §6.2).
    pub fn user_controls(&self, event: u16) -> Vec<Vec<u8>> {
        let of = self.controls.iter().filter(|message| message.kind == kind::USER_CONTROL);
        of.filter_map(|message| message.body.strip_prefix(&event.to_be_bytes()).map(<[u8]>::to_vec)).collect()
    }

    /// The messages as FLV tags; `@setDataFrame` is taken off metadata as FLV files do not have it.
    pub fn tags(&self) -> Vec<Tag> {
        self.arrivals.iter().map(|arrival| Tag::from_message(&arrival.message)).collect()
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The messages themselves would bury what a failed wait has to say.
        f.debug_struct("Session")
            .field("commands", &self.commands)
            .field("published", &self.published)
            .field("played", &self.played)
            .field("media_messages", &self.media_messages)
            .field("key_frames", &self.key_frames)
            .field("bytes", &self.bytes)
            .field("longest_gap", &self.longest_gap)
            .field("unpublished", &self.unpublished)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}
