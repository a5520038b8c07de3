//! The chunk stream: messages cut into chunks and put together again (Adobe RTMP 1.0 §5.3).
mod reader;
mod writer;

pub use reader::ChunkReader;
pub use writer::{
    DELTA_HEADER, encode_delta, encode_delta_with_prefix, encode_full, encode_full_with_prefix, full_header,
};

/// Chunk size of either direction until a Set Chunk Size says otherwise (§5.4.1).
pub const DEFAULT_CHUNK_SIZE: u32 = 128;

/// Largest chunk size worth announcing: some servers refuse more.
pub const MAX_SENT_CHUNK_SIZE: u32 = 65_536;

/// Largest message and largest chunk size: lengths are 24 bits wide (§5.3.1.2.1).
pub const MAX_MESSAGE_LENGTH: usize = 0xFF_FFFF;

/// In a 24-bit time field: the real value is in the extended timestamp (§5.3.1.3).
pub(crate) const EXTENDED: u32 = 0xFF_FFFF;

/// Chunk stream ids to send on. Anything from 2 to 31 is understood by every peer; higher ids end some sessions.
pub mod csid {
    /// Protocol control and user control messages (§5.4 requires 2).
    pub const CONTROL: u32 = 2;
    /// Commands of the connection (message stream 0).
    pub const COMMAND: u32 = 3;
    /// Audio of the default track.
    pub const AUDIO: u32 = 4;
    /// Data messages such as `onMetaData`.
    pub const DATA: u32 = 5;
    /// Video of the default track.
    pub const VIDEO: u32 = 6;
    /// Commands of a stream. Sessions send nothing of theirs on the media chunk streams.
    pub const STREAM_COMMAND: u32 = 8;
    /// First chunk stream free for further tracks; the last is [`LAST`].
    pub const FIRST_TRACK: u32 = 9;
    /// Highest id to send on.
    pub const LAST: u32 = 31;
}
