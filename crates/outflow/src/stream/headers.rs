//! What a joiner needs before its first frame: metadata, and per track the sequence header and its configuration.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use outflow_rtmp::flv::FourCc;
use outflow_rtmp::flv::audio::{self, AudioHeader, SoundFormat};
use outflow_rtmp::flv::video::{self, VideoCodec, VideoHeader};

use crate::media::{Kind, Packet};
use crate::wire::Shared;

/// Most bytes kept for joiners of one stream. Real headers have some hundred bytes each; a source that sends huge ones on
/// each of 512 tracks is relayed, and its joiners wait for the next ones.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// The latest header of each sort, and a snapshot of them all that is shared until one changes.
#[derive(Default)]
pub(super) struct Headers {
    latest: BTreeMap<Place, Known>,
    /// For how many places each kept message stands, by its address.
    uses: HashMap<usize, usize>,
    /// Bytes of all kept messages, each counted once. Kept up to date: a source may send another header with every frame.
    bytes: usize,
    snapshot: Option<Arc<[Shared]>>,
}

/// What a header is for. Ordered as they are sent: metadata first, as every peer does; of each track what decodes it first.
#[derive(PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
struct Place {
    order: Order,
    track: u8,
    sort: Sort,
}

#[derive(PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum Order {
    Data,
    Video,
    Audio,
}

/// Tells the headers of one track apart.
#[derive(PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum Sort {
    /// The sequence header, in whatever form: the latest one counts.
    Config,
    /// Enhanced RTMP v2 `VideoPacketType.Metadata` (colours) and `AudioPacketType.MultichannelConfig`.
    Beside,
}

/// A header that is kept, and its codec where it has one.
struct Known {
    message: Shared,
    codec: Option<Codec>,
}

#[derive(PartialEq, Eq, Clone, Copy)]
enum Codec {
    Video(VideoCodec),
    Audio(SoundFormat, Option<FourCc>),
}

impl Headers {
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn have_video(&self) -> bool {
        self.latest.keys().any(|place| place.order == Order::Video)
    }

    /// Keeps a header, for each track that it speaks of; an identical repeat changes nothing.
    pub(super) fn keep(&mut self, message: &Shared) {
        let places = places(&message.packet);
        let is_known = |(place, _): &(Place, Option<Codec>)| {
            self.latest.get(place).is_some_and(|known| known.message.packet.body == message.packet.body)
        };
        if places.iter().all(is_known) {
            return;
        }
        for (place, codec) in places {
            // What was said of the sound or the colours of another codec does not hold for this one.
            let beside = Place { sort: Sort::Beside, ..place };
            if place.sort == Sort::Config && self.latest.get(&beside).is_some_and(|known| known.codec != codec) {
                self.put(beside, None);
            }
            self.put(place, Some(Known { message: message.clone(), codec }));
        }
        self.snapshot = None;
        if self.bytes > MOST_BYTES {
            let own = |(place, known): (&Place, &Known)| Arc::ptr_eq(&known.message, message).then_some(*place);
            for place in self.latest.iter().filter_map(own).collect::<Vec<_>>() {
                self.put(place, None);
            }
        }
    }

    /// Puts a header in its place, or nothing.
    fn put(&mut self, place: Place, known: Option<Known>) {
        if let Some(known) = &known {
            let uses = self.uses.entry(address(&known.message)).or_default();
            *uses += 1;
            if *uses == 1 {
                self.bytes += known.message.packet.body.len();
            }
        }
        let old = match known {
            Some(known) => self.latest.insert(place, known),
            None => self.latest.remove(&place),
        };
        let Some(old) = old else { return };
        if let Some(uses) = self.uses.get_mut(&address(&old.message)) {
            *uses -= 1;
            if *uses == 0 {
                self.uses.remove(&address(&old.message));
                self.bytes -= old.message.packet.body.len();
            }
        }
    }

    /// Forgets those of the sound.
    pub(super) fn forget_sound(&mut self) {
        self.forget(Order::Audio);
    }

    /// Forgets the metadata.
    pub(super) fn forget_metadata(&mut self) {
        self.forget(Order::Data);
    }

    fn forget(&mut self, order: Order) {
        let places: Vec<_> = self.latest.keys().filter(|place| place.order == order).copied().collect();
        for place in places {
            self.put(place, None);
        }
        self.snapshot = None;
    }

    /// All of them, in the order to send; the same `Arc` as long as none has changed.
    pub(super) fn snapshot(&mut self) -> Arc<[Shared]> {
        if let Some(snapshot) = &self.snapshot {
            return snapshot.clone();
        }
        let snapshot: Arc<[Shared]> = self.messages().cloned().collect();
        self.snapshot = Some(snapshot.clone());
        snapshot
    }

    /// Each message once, though it may speak of several tracks.
    fn messages(&self) -> impl Iterator<Item = &Shared> {
        let mut seen = HashSet::new();
        self.latest.values().map(|known| &known.message).filter(move |message| seen.insert(address(message)))
    }
}

/// Tells one kept message from another.
fn address(message: &Shared) -> usize {
    Arc::as_ptr(message) as usize
}

/// The places of a header; within a multitrack body the inner packet type counts, for each of its tracks.
fn places(packet: &Packet) -> Vec<(Place, Option<Codec>)> {
    let place = |order, track, sort| Place { order, track, sort };
    let fallback = |order| vec![(place(order, packet.track, Sort::Config), None)];
    match packet.kind {
        Kind::Data => fallback(Order::Data),
        Kind::Video => match VideoHeader::parse(&packet.body) {
            Ok(header) => {
                let sort = match header.packet_type {
                    video::PacketType::Metadata => Sort::Beside,
                    _ => Sort::Config,
                };
                let tracks = header.tracks(&packet.body).filter_map(Result::ok);
                tracks.map(|track| (place(Order::Video, track.id, sort), Some(Codec::Video(track.codec)))).collect()
            }
            Err(_) => fallback(Order::Video),
        },
        Kind::Audio => match AudioHeader::parse(&packet.body) {
            Ok(header) => {
                let sort = match header.packet_type {
                    audio::PacketType::MultichannelConfig => Sort::Beside,
                    _ => Sort::Config,
                };
                let codec = |four_cc| Some(Codec::Audio(header.format, four_cc));
                let tracks = header.tracks(&packet.body).filter_map(Result::ok);
                tracks.map(|track| (place(Order::Audio, track.id, sort), codec(track.four_cc))).collect()
            }
            Err(_) => fallback(Order::Audio),
        },
    }
}

#[cfg(test)]
#[path = "headers_tests.rs"]
mod tests;
