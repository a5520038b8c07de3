//! A stream as FLV, for one reader: file header, tags, and a time of its own that begins at zero (FLV 10.1, Annex E).

use bytes::BytesMut;
use outflow_rtmp::flv::{TagKind, write_header, write_tag};

use crate::media::continuity::Continuity;
use crate::media::{Kind, Packet};
use crate::wire::Shared;

/// Bits of the file header that tell whether there is audio and video (§E.2).
const AUDIO: u8 = 4;
const VIDEO: u8 = 1;

/// Makes FLV of what a [`Reader`](super::Reader) gives.
#[derive(Debug, Default)]
pub struct Flv {
    time: Continuity,
    /// Nothing of the present stream from before this time is written.
    floor: i64,
    flags: u8,
}

impl Flv {
    /// True once the file header was written.
    pub fn has_begun(&self) -> bool {
        self.time.has_begun()
    }

    /// The flags that the file header should have, by all that was written so far.
    pub fn flags(&self) -> u8 {
        self.flags
    }

    /// Adds the tags of one reading: `headers` where it begins at an entry point, `switched` where that is the first of
    /// another stream. `sent` is told each packet that went into `out`.
    pub fn add(
        &mut self,
        headers: &[Shared],
        switched: bool,
        packets: &[Shared],
        out: &mut BytesMut,
        mut sent: impl FnMut(&Shared),
    ) {
        for message in headers.iter().chain(packets) {
            self.flags |= match message.packet.kind {
                Kind::Audio => AUDIO,
                Kind::Video => VIDEO,
                Kind::Data => 0,
            };
        }
        let first = packets.first().map_or(0, |message| message.packet.dts);
        if let (true, Some(entry)) = (switched, packets.first()) {
            self.time.take_over(&entry.packet);
        }
        if switched || !self.has_begun() {
            self.floor = first;
        }
        if !self.has_begun() {
            write_header(out, self.flags & AUDIO != 0, self.flags & VIDEO != 0);
        }
        let begin = self.time.enter(first);
        if !headers.is_empty() {
            self.time.await_key_frames();
        }
        for header in headers {
            tag(out, &header.packet, begin);
        }
        for message in packets {
            let packet = &message.packet;
            // Audio from before the first picture has no place in it.
            if packet.dts >= self.floor
                && let Some(time) = self.time.time(packet)
            {
                tag(out, packet, time);
                sent(message);
            }
        }
    }
}

fn tag(out: &mut BytesMut, packet: &Packet, time: i64) {
    let kind = match packet.kind {
        Kind::Audio => TagKind::Audio,
        Kind::Video => TagKind::Video,
        Kind::Data => TagKind::Script,
    };
    // A body above what a tag can hold is above what RTMP can bring too. The time wraps around as FLV's does.
    let _ = write_tag(out, kind, time as u32, &packet.body);
}
