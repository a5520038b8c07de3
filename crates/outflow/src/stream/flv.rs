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

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use bytes::Bytes;

    use super::*;
    use crate::media::classify;
    use crate::wire::Message;

    #[test]
    fn a_second_track_is_written_from_its_own_key_frame_on() {
        let video = |dts: i64, body: &'static [u8]| -> Shared {
            let packet = classify::packet(Kind::Video, dts, Bytes::from_static(body), Instant::now());
            Message::new(packet, None)
        };
        let header = video(0, b"\x17\x00\x00\x00\x00\x01");
        let packets = [
            video(0, b"\x17\x01\x00\x00\x00one"),
            video(0, b"\xa6\x01avc1\x01\0\0\0two"),
            video(40, b"\x96\x01avc1\x01\0\0\0three"),
            video(80, b"\xa6\x01avc1\x01\0\0\0four"),
        ];
        let (mut flv, mut out, mut sent) = (Flv::default(), BytesMut::new(), Vec::new());
        flv.add(&[header], false, &packets[..2], &mut out, |message| sent.push(message.packet.dts));
        flv.add(&[], false, &packets[2..], &mut out, |message| sent.push(message.packet.dts));
        assert_eq!(sent, [0, 40, 80]);
        let has = |what: &[u8]| out.windows(what.len()).any(|part| part == what);
        assert!(has(b"one") && !has(b"two") && has(b"three") && has(b"four"));
    }
}
