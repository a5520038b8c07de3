//! What a joiner needs before its first frame: metadata, and per track the sequence header and its configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::media::{Kind, Packet};
use crate::wire::Shared;

/// The latest header of each sort, and a snapshot of them all that is shared until one changes.
#[derive(Default)]
pub(super) struct Headers {
    latest: BTreeMap<(Order, u8, u8), Shared>,
    snapshot: Option<Arc<[Shared]>>,
}

/// Metadata first, as every peer sends it.
#[derive(PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum Order {
    Data,
    Video,
    Audio,
}

impl Headers {
    pub(super) fn clear(&mut self) {
        self.latest.clear();
        self.snapshot = None;
    }

    pub(super) fn have_video(&self) -> bool {
        self.latest.keys().any(|(order, ..)| *order == Order::Video)
    }

    /// Keeps a header; an identical repeat changes nothing.
    pub(super) fn keep(&mut self, message: &Shared) {
        let packet = &message.packet;
        let order = match packet.kind {
            Kind::Data => Order::Data,
            Kind::Video => Order::Video,
            Kind::Audio => Order::Audio,
        };
        let key = (order, packet.track, sort(packet));
        if self.latest.get(&key).is_some_and(|known| known.packet.body == packet.body) {
            return;
        }
        self.latest.insert(key, message.clone());
        self.snapshot = None;
    }

    /// All of them, in the order to send; the same `Arc` as long as none has changed.
    pub(super) fn snapshot(&mut self) -> Arc<[Shared]> {
        self.snapshot.get_or_insert_with(|| self.latest.values().cloned().collect()).clone()
    }
}

/// Tells the headers of one track apart: sequence start, colour metadata, channel configuration
/// (Enhanced RTMP v2, `VideoPacketType`, `AudioPacketType`; within a multitrack body the inner type counts).
fn sort(packet: &Packet) -> u8 {
    let byte = |n: usize| packet.body.get(n).copied().unwrap_or(0);
    let (enhanced, multitrack) = match packet.kind {
        Kind::Video => (byte(0) & 0x80 != 0, 6),
        Kind::Audio => (byte(0) >> 4 == 9, 5),
        Kind::Data => return 0,
    };
    match byte(0) & 0x0f {
        _ if !enhanced => 0,
        kind if kind == multitrack => byte(1) & 0x0f,
        kind => kind,
    }
}
