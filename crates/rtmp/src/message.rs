//! Messages: what a chunk stream carries once its chunks are put together (Adobe RTMP 1.0 §6, §7.1).
mod aggregate;
mod control;

pub use aggregate::Aggregate;
pub use control::{Control, UserControl};

use bytes::Bytes;

/// Message type ids (Adobe RTMP 1.0 §5.4, §7.1). Ids that are not listed exist in the wild and are skipped by length.
pub mod kind {
    /// Set Chunk Size (§5.4.1).
    pub const SET_CHUNK_SIZE: u8 = 1;
    /// Abort Message (§5.4.2).
    pub const ABORT: u8 = 2;
    /// Acknowledgement (§5.4.3).
    pub const ACK: u8 = 3;
    /// User Control Message (§6.2).
    pub const USER_CONTROL: u8 = 4;
    /// Window Acknowledgement Size (§5.4.4).
    pub const WINDOW_ACK_SIZE: u8 = 5;
    /// Set Peer Bandwidth (§5.4.5).
    pub const SET_PEER_BANDWIDTH: u8 = 6;
    /// Audio (§7.1.4); the payload is an FLV audio tag body.
    pub const AUDIO: u8 = 8;
    /// Video (§7.1.5); the payload is an FLV video tag body.
    pub const VIDEO: u8 = 9;
    /// Data in AMF3 form (§7.1.2): one format byte, then values.
    pub const DATA_AMF3: u8 = 15;
    /// Shared object in AMF3 form (§7.1.3).
    pub const SHARED_OBJECT_AMF3: u8 = 16;
    /// Command in AMF3 form (§7.1.1): one format byte, then values.
    pub const COMMAND_AMF3: u8 = 17;
    /// Data in AMF0 form (§7.1.2), such as `onMetaData`.
    pub const DATA: u8 = 18;
    /// Shared object in AMF0 form (§7.1.3).
    pub const SHARED_OBJECT: u8 = 19;
    /// Command in AMF0 form (§7.1.1).
    pub const COMMAND: u8 = 20;
    /// Aggregate (§7.1.6): several FLV-like tags in one message.
    pub const AGGREGATE: u8 = 22;
}

/// One complete message (Adobe RTMP 1.0 §6.1).
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Chunk stream it came on, 2 to 65599. Says nothing about what the message is.
    pub csid: u32,
    /// Message type id; see [`kind`].
    pub kind: u8,
    /// Message stream it belongs to; 0 is the connection itself.
    pub stream_id: u32,
    /// Milliseconds modulo 2^32.
    pub timestamp: u32,
    /// The body, without any header.
    pub payload: Bytes,
}

impl Message {
    /// Whether this is audio, video, data or an aggregate of them.
    pub fn is_media(&self) -> bool {
        matches!(self.kind, kind::AUDIO | kind::VIDEO | kind::DATA | kind::DATA_AMF3 | kind::AGGREGATE)
    }
}

/// Shows the length only: a command's payload may hold a stream key.
impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message")
            .field("csid", &self.csid)
            .field("kind", &self.kind)
            .field("stream_id", &self.stream_id)
            .field("timestamp", &self.timestamp)
            .field("length", &self.payload.len())
            .finish()
    }
}
