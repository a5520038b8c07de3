//! What a connection in the pump is to be sent, and how.

use std::sync::Arc;
use std::time::Duration;

use crate::hub::Cursor;
use crate::monitor::{self, OutputStats};
use crate::options::share::Share;
use crate::stream::Stream;
use crate::wire::Form;

/// What a connection is to be sent, and how.
pub struct Order {
    /// The stream to send, or what is selected of it.
    pub stream: Arc<Stream>,
    /// Where to begin, how far it may fall behind, and its delay.
    pub cursor: Cursor,
    /// To a player or to a server.
    pub form: Form,
    /// The message stream that media goes out on.
    pub stream_id: u32,
    /// The chunk size that was announced to the peer.
    pub chunk_size: u32,
    /// How long bytes may be gathered into one write.
    pub latency: Duration,
    /// How fast it may catch up, and who goes first on its line.
    pub share: Share,
    /// A peer that takes no byte for this long while data waits is let go. Pushes leave it to their supervisor.
    pub patience: Option<Duration>,
    /// The counters of the output it belongs to.
    pub stats: Arc<OutputStats>,
    /// Where skips are told.
    pub events: monitor::Sink,
    /// The output's name in events.
    pub output: String,
    /// The peer, for the connections of a listening output.
    pub peer: Option<std::net::SocketAddr>,
}
