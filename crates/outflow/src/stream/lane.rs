//! One way of a stream into a hub: what is kept for joiners, which packets are entry points, and the step of each chunk
//! stream. The stream as it is goes on one, each selection of it on another.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::headers::Headers;
use crate::hub::{Placed, Publisher};
use crate::media::{Few, Kind, Packet, StreamInfo};
use crate::wire::{Message, Shared};

/// How long audio alone must have come, from a source that can't say whether there will be video, before it counts
/// as a stream without video.
const AUDIO_ONLY_AFTER: i64 = 1_000;
/// ... or by the clock, as the source's own time may stand still.
const AUDIO_ONLY_CLOCK: Duration = Duration::from_secs(3);

/// The headers in force now, for whoever wants to see them without reading the stream.
pub(super) type Latest = Arc<Mutex<Arc<[Shared]>>>;

/// What a lane made of a packet.
pub(super) struct Published {
    /// As it is in the hub.
    pub message: Shared,
    /// Its number there.
    pub seq: u64,
    /// Bytes that the hub holds with it.
    pub held: usize,
    /// Readers can begin with it.
    pub is_entry: bool,
}

pub(super) struct Lane {
    pub(super) publisher: Publisher<Shared>,
    headers: Headers,
    latest: Latest,
    /// Time of the last message of each chunk stream.
    last: Few<u32, i64>,
    /// The lowest video track seen: its key frames are the entry points.
    main_video: Option<u8>,
    /// Video of a source that has just come is dropped up to its first key frame.
    wants_key: bool,
    info: StreamInfo,
    /// Time, arrival and number of the source's first packet of sound.
    first_audio: Option<(i64, Instant, u64)>,
}

impl Lane {
    pub(super) fn new(publisher: Publisher<Shared>, latest: Latest) -> Self {
        Self {
            publisher,
            headers: Headers::default(),
            latest,
            last: Few::default(),
            main_video: None,
            wants_key: true,
            info: StreamInfo::default(),
            first_audio: None,
        }
    }

    /// A source begins.
    pub(super) fn start(&mut self, info: StreamInfo) {
        self.info = info;
        self.wants_key = info.video != Some(false);
        self.main_video = None;
        self.first_audio = None;
        self.headers.clear();
        self.show_headers();
        self.publisher.reopen();
        self.publisher.close_entries(Instant::now());
    }

    /// A source ends.
    pub(super) fn end(&mut self, clean: bool) {
        // Sound alone to its end: now it is clear that there is no video.
        if let Some((_, _, seq)) = self.first_audio
            && self.info.video.is_none()
            && self.main_video.is_none()
            && !self.headers.have_video()
        {
            self.publisher.enter_at(seq, self.headers.snapshot());
        }
        self.publisher.close_entries(Instant::now());
        if clean {
            self.publisher.finish();
        }
    }

    /// Keeps a header that is known already, without sending it.
    pub(super) fn seed(&mut self, header: Packet) {
        self.headers.keep(&Message::new(header, None));
        self.show_headers();
    }

    /// Forgets what was kept for the sound: it is another one now.
    pub(super) fn forget_sound(&mut self) {
        self.headers.forget_sound();
        self.show_headers();
    }

    /// Forgets the metadata, for those too who join where it was still in force.
    pub(super) fn forget_metadata(&mut self) {
        self.headers.forget_metadata();
        self.show_headers();
        self.publisher.forget_headers(|header| header.packet.kind == Kind::Data);
    }

    fn show_headers(&mut self) {
        *self.latest.lock() = self.headers.snapshot();
    }

    /// Puts a packet into the hub, where it came `at` this instant. `None` for what nobody can use.
    pub(super) fn publish(&mut self, packet: Packet, at: Instant) -> Option<Published> {
        self.publish_of(packet, at, None)
    }

    /// The same for a packet that was taken out of this message.
    pub(super) fn publish_of(&mut self, packet: Packet, at: Instant, of: Option<&Message>) -> Option<Published> {
        if packet.kind == Kind::Video && packet.body.is_empty() {
            return None;
        }
        if packet.kind == Kind::Video && !packet.flags.header {
            self.main_video = Some(self.main_video.map_or(packet.track, |track| track.min(packet.track)));
            if self.wants_key && !packet.flags.keyframe {
                return None;
            }
            self.wants_key = false;
        }
        let (dts, arrival) = (packet.dts, packet.arrival);
        let is_entry = self.is_entry(&packet);
        let is_header = packet.flags.header;
        let previous = self.last.insert(crate::wire::chunk_stream(&packet), dts);
        let message = match of {
            Some(of) => Message::again(packet, previous, of),
            None => Message::new(packet, previous),
        };
        if is_header {
            self.headers.keep(&message);
            // Before it is in the hub: who finds one there finds it here.
            self.show_headers();
        }
        let entry = is_entry.then(|| self.headers.snapshot());
        let Placed { seq, held } = self.publisher.publish_at(message.clone(), arrival, at, entry);
        Some(Published { message, seq, held, is_entry })
    }

    /// A key frame of the main video track; in a stream without video every packet of audio.
    fn is_entry(&mut self, packet: &Packet) -> bool {
        match packet.kind {
            Kind::Video => packet.flags.keyframe && self.main_video == Some(packet.track),
            Kind::Audio if packet.flags.header || self.main_video.is_some() => false,
            Kind::Audio => {
                let (first, since, seq) =
                    *self.first_audio.get_or_insert_with(|| (packet.dts, packet.arrival, self.publisher.head()));
                let passed = packet.arrival.saturating_duration_since(since);
                let is_early = packet.dts - first < AUDIO_ONLY_AFTER && passed < AUDIO_ONLY_CLOCK;
                match self.info.video {
                    Some(video) => !video,
                    None if self.headers.have_video() || is_early => false,
                    None => {
                        // What came while this was not clear can be joined too.
                        self.publisher.enter_at(seq, self.headers.snapshot());
                        true
                    }
                }
            }
            Kind::Data => false,
        }
    }
}
