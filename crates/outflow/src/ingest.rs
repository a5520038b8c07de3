//! RTMP media messages to packets, for publishers that come to us and for streams that we pull.

use std::time::Instant;

use outflow_rtmp::message::{Message, kind};

use crate::media::timeline::Unwrapper;
use crate::media::{Feed, Kind, StreamInfo, classify};

/// One source's messages on their way into a feed. Ends the feed when dropped without a clean end.
pub struct Ingest {
    feed: Feed,
    unwrapper: Unwrapper,
    open: bool,
}

impl Ingest {
    /// A source begins: what it will send can't be known.
    pub fn new(feed: Feed) -> Self {
        feed.start(StreamInfo { realtime: true, ..StreamInfo::default() });
        Self { feed, unwrapper: Unwrapper::default(), open: true }
    }

    /// Takes an audio, video or data message; others are nothing to us.
    pub fn take(&mut self, message: Message, arrival: Instant) {
        let kind = match message.kind {
            kind::AUDIO => Kind::Audio,
            kind::VIDEO => Kind::Video,
            kind::DATA => Kind::Data,
            _ => return,
        };
        let mut packet = classify::packet(kind, 0, message.payload, arrival);
        self.unwrapper.unwrap(&mut packet, message.timestamp);
        self.feed.push(packet);
    }

    /// The source ended: `clean` = it said that the broadcast is over.
    pub fn end(&mut self, clean: bool) {
        if std::mem::take(&mut self.open) {
            self.feed.end(clean);
        }
    }
}

impl Drop for Ingest {
    fn drop(&mut self) {
        self.end(false);
    }
}
