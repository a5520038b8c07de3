//! What a connection in the pump is to be sent, and how.

use std::sync::Arc;
use std::time::Duration;

use crate::hub::Cursor;
use crate::media::{Kind, Packet};
use crate::monitor::{self, OutputStats};
use crate::options::suggest::did_you_mean;
use crate::stream::Stream;
use crate::wire::Form;

/// Which tracks go out. Data always does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Tracks {
    /// All.
    #[default]
    All,
    /// These.
    Only(Vec<(Kind, u8)>),
}

impl Tracks {
    /// Reads `tracks=`: `video`, `audio`, `video:1` ...; a kind without a number is its track 0. The error says what a
    /// track looks like.
    pub fn parse(names: &[String]) -> Result<Self, String> {
        let track = |name: &String| {
            let (kind, number) = name.split_once(':').unwrap_or((name, "0"));
            let kind = match kind {
                "video" => Kind::Video,
                "audio" => Kind::Audio,
                _ => return None,
            };
            number.parse().ok().map(|number| (kind, number))
        };
        let parsed: Option<Vec<_>> = names.iter().map(track).collect();
        match parsed {
            Some(tracks) if tracks.is_empty() => Ok(Tracks::All),
            Some(tracks) => Ok(Tracks::Only(tracks)),
            None => {
                let kinds = names.iter().map(|name| name.split(':').next().unwrap_or(name));
                let near = kinds.filter(|kind| !matches!(*kind, "video" | "audio"));
                let near = near.filter_map(|kind| did_you_mean(kind, ["video", "audio"])).next();
                let near = near.map_or(String::new(), |near| format!("; {near}"));
                Err(format!("a track is `video`, `audio`, `video:1`, `audio:2` ...{near}"))
            }
        }
    }

    /// True if this packet goes out.
    pub fn take(&self, packet: &Packet) -> bool {
        match self {
            Tracks::All => true,
            Tracks::Only(tracks) => packet.kind == Kind::Data || tracks.contains(&(packet.kind, packet.track)),
        }
    }
}

/// What a connection is to be sent, and how.
pub struct Order {
    /// The stream to send.
    pub stream: Arc<Stream>,
    /// Where to begin, how far it may fall behind, and its delay.
    pub cursor: Cursor,
    /// To a player or to a server.
    pub form: Form,
    /// The message stream that media goes out on.
    pub stream_id: u32,
    /// The chunk size that was announced to the peer.
    pub chunk_size: u32,
    /// Which tracks.
    pub tracks: Tracks,
    /// How long bytes may be gathered into one write.
    pub latency: Duration,
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
