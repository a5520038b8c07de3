//! How much a peer, or a file, may ask of this crate before it is an error.

/// Limits on input. Nothing is allocated because a peer *announces* a size; these bound what arrives.
///
/// The defaults are above everything that real encoders and players were seen to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Longest audio, video or aggregate message, and longest FLV tag, in bytes. A 4K key frame can exceed 1 MiB.
    pub media_message: usize,
    /// Longest data message (AMF0 or AMF3 data, shared objects, unknown types), in bytes.
    pub data_message: usize,
    /// Longest command or protocol control message, in bytes.
    pub command_message: usize,
    /// Messages that may be begun and unfinished at the same time on one connection.
    pub partial_messages: usize,
    /// Bytes that all unfinished messages of one connection may hold together.
    pub partial_bytes: usize,
    /// Chunk streams whose last header is remembered; one more is an error.
    pub chunk_streams: usize,
    /// A larger chunk size announced by a peer is taken as this one: no message is longer (Adobe RTMP 1.0 §5.4.1).
    pub chunk_size: u32,
    /// Chunks in one message: the longest message at the default chunk size of 128. Bounds the work that a peer can
    /// cause with a chunk size of 1.
    pub chunks_per_message: u32,
    /// Levels of AMF containers within each other.
    pub amf_depth: usize,
    /// AMF values in one message, counted with all values inside containers.
    pub amf_nodes: usize,
    /// AMF bytes read in one message, with every use of a referenced string counted.
    pub amf_bytes: usize,
    /// Longest app, stream name, flashVer, command name and the like, in bytes.
    pub name: usize,
    /// Longest tcUrl, swfUrl, pageUrl or URL typed by a user, in bytes.
    pub tc_url: usize,
    /// Message streams (createStream) on one connection.
    pub streams: usize,
    /// Messages taken from one aggregate; real ones hold some tens.
    pub aggregate_parts: u32,
    /// Bytes kept of a client that goes on before its connect is answered.
    pub held: usize,
    /// Bytes of answers kept for a peer that asks and does not read; more is an error.
    pub unsent: usize,
    /// Smallest acknowledgement window obeyed, in bytes; a smaller one is taken as this, so that acknowledgements do
    /// not outweigh the media.
    pub window_ack_min: u32,
}

impl Default for Limits {
    fn default() -> Self {
        const KIB: usize = 1024;
        const MIB: usize = 1024 * KIB;
        Self {
            media_message: 10 * MIB,
            data_message: MIB,
            command_message: 64 * KIB,
            partial_messages: 8,
            partial_bytes: 16 * MIB,
            chunk_streams: 128,
            chunk_size: 0xFF_FFFF,
            chunks_per_message: (10 * MIB / 128) as u32,
            amf_depth: 32,
            amf_nodes: 4096,
            amf_bytes: 256 * KIB,
            name: 1024,
            tc_url: 4096,
            streams: 8,
            aggregate_parts: 10_000,
            held: 256 * KIB,
            unsent: 64 * KIB,
            window_ack_min: 4096,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Those that are above all that was seen of real peers, and below what troubles a server: a change is a decision.
    #[test]
    fn the_defaults_are_those_that_were_decided() {
        let limits = Limits::default();
        let bytes = [limits.media_message, limits.data_message, limits.command_message, limits.partial_bytes];
        assert_eq!(bytes, [10 << 20, 1 << 20, 64 << 10, 16 << 20]);
        assert_eq!((limits.partial_messages, limits.chunk_streams, limits.chunk_size), (8, 128, 0xFF_FFFF));
        assert_eq!((limits.amf_depth, limits.amf_nodes, limits.amf_bytes), (32, 4096, 256 << 10));
        assert_eq!((limits.name, limits.tc_url, limits.streams, limits.window_ack_min), (1024, 4096, 8, 4096));
        assert_eq!((limits.aggregate_parts, limits.held, limits.unsent), (10_000, 256 << 10, 64 << 10));
        // At the smallest chunk size that peers begin with, the longest message is still taken.
        assert!(limits.chunks_per_message as usize * 128 >= limits.media_message);
    }
}
