//! What a server session is told beforehand, and what it tells.
#[cfg(doc)]
use super::ServerSession;
use super::{ConnectRequest, PlayRequest, PublishRequest};
use crate::amf0::Value;
use crate::limits::Limits;
use crate::message::Message;
use crate::session::Capabilities;

/// How a server session behaves (Adobe RTMP 1.0 §5.4, §7.2.1).
#[derive(Clone)]
pub struct ServerConfig {
    /// Limits on what the client may send.
    pub limits: Limits,
    /// Random bytes for the handshake.
    pub random: [u8; 1528],
    /// Chunk size to send with, 128 to 65536; announced with the answer to connect.
    pub chunk_size: u32,
    /// How often the client is asked to acknowledge, in bytes.
    pub window_ack_size: u32,
    /// Value of Set Peer Bandwidth, in bytes.
    pub peer_bandwidth: u32,
    /// Enhanced RTMP: what is told to clients that announce anything themselves.
    pub capabilities: Capabilities,
    /// Further properties of the answer to connect.
    pub properties: Vec<(String, Value)>,
}

impl ServerConfig {
    /// The usual values with these random bytes.
    pub fn new(random: [u8; 1528]) -> Self {
        ServerConfig {
            limits: Limits::default(),
            random,
            chunk_size: 4096,
            window_ack_size: 5_000_000,
            peer_bandwidth: 5_000_000,
            capabilities: Capabilities::relay(),
            properties: Vec::new(),
        }
    }
}

/// What a client did (Adobe RTMP 1.0 §7.1, §7.2). Requests wait for an answer; the rest is for information.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ServerEvent {
    /// The handshake is done.
    HandshakeDone,
    /// Answer with [`ServerSession::accept_connect`] or a reject method. Until then nothing else is read.
    Connect(Box<ConnectRequest>),
    /// Answer with [`ServerSession::accept_publish`] or [`ServerSession::refuse_publish`].
    Publish(PublishRequest),
    /// Answer with [`ServerSession::accept_play`] or [`ServerSession::refuse_play`].
    Play(PlayRequest),
    /// Audio, video or data (types 8, 9, 18) of a publisher. Aggregates are split, AMF3 data is in AMF0 form, video and
    /// data without content is left out. `stream_id` is that of the publish request, which may still be unanswered.
    Media(Message),
    /// A publisher has ended, or went away before it was answered.
    PublishEnd {
        /// Message stream.
        stream_id: u32,
        /// Whether it said so; false if the connection just ended.
        clean: bool,
    },
    /// A player has ended.
    PlayEnd {
        /// Message stream.
        stream_id: u32,
    },
    /// A player has paused or goes on; it has been answered.
    Pause {
        /// Message stream.
        stream_id: u32,
        /// Whether to hold media back.
        paused: bool,
    },
    /// A player wants audio or does not.
    ReceiveAudio {
        /// Message stream.
        stream_id: u32,
        /// Whether it does.
        receive: bool,
    },
    /// A player wants video or does not.
    ReceiveVideo {
        /// Message stream.
        stream_id: u32,
        /// Whether it does.
        receive: bool,
    },
    /// A player's buffer.
    BufferLength {
        /// Message stream.
        stream_id: u32,
        /// Milliseconds.
        milliseconds: u32,
    },
    /// The client has received so many bytes, modulo 2^32; compare with [`ServerSession::sent`].
    Acknowledged(u32),
    /// The answer to [`ServerSession::ping`].
    Pong(u32),
}
