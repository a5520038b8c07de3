//! From the body of an FLV tag or RTMP message to a packet: what the program has to know of it, and nothing more.

use std::time::Instant;

use bytes::Bytes;
use outflow_rtmp::flv::audio::AudioHeader;
use outflow_rtmp::flv::video::{PacketType, VideoHeader};

use super::{Flags, Kind, Packet};

/// The AMF0 string `@setDataFrame`, with which publishers wrap metadata (Adobe RTMP 1.0 §7.1.2 data messages).
const SET_DATA_FRAME: &[u8] = b"\x02\x00\x0d@setDataFrame";
/// The AMF0 string `@clearDataFrame`, with which they take it back.
const CLEAR_DATA_FRAME: &[u8] = b"\x02\x00\x0f@clearDataFrame";
/// The AMF0 string `onMetaData`.
const ON_METADATA: &[u8] = b"\x02\x00\x0aonMetaData";

/// Makes the packet of a body, `dts` in milliseconds. Video and audio bodies stay as they are whatever they hold: one
/// that can't be understood is a packet without flags. Of data only an `@setDataFrame` wrapper is taken off.
pub fn packet(kind: Kind, dts: i64, body: Bytes, arrival: Instant) -> Packet {
    match kind {
        Kind::Video => video(dts, body, arrival),
        Kind::Audio => audio(dts, body, arrival),
        Kind::Data => data(dts, body, arrival),
    }
}

/// True for the body that ends a sequence (FLV 10.1 AVCPacketType 2, Enhanced RTMP `SequenceEnd`): it has no place in
/// front of more media.
pub fn ends_sequence(packet: &Packet) -> bool {
    match packet.kind {
        Kind::Video => {
            VideoHeader::parse(&packet.body).is_ok_and(|header| header.packet_type == PacketType::SequenceEnd)
        }
        Kind::Audio => AudioHeader::parse(&packet.body)
            .is_ok_and(|header| header.packet_type == outflow_rtmp::flv::audio::PacketType::SequenceEnd),
        Kind::Data => false,
    }
}

/// True for `@clearDataFrame`, where it is about `onMetaData`: it takes back the metadata that was kept for joiners.
pub fn clears_metadata(packet: &Packet) -> bool {
    let name = (packet.kind == Kind::Data).then(|| packet.body.strip_prefix(CLEAR_DATA_FRAME)).flatten();
    name.is_some_and(|name| name.starts_with(ON_METADATA))
}

fn video(dts: i64, body: Bytes, arrival: Instant) -> Packet {
    let (track, cts, flags) = match VideoHeader::parse(&body) {
        Ok(header) => {
            let flags = Flags {
                keyframe: header.is_keyframe(),
                header: header.is_sequence_header() || header.is_metadata(),
                disposable: header.is_disposable(),
            };
            (header.track(), header.composition_time, flags)
        }
        Err(_) => (0, 0, Flags::default()),
    };
    Packet { kind: Kind::Video, track, dts, cts, flags, body, arrival }
}

fn audio(dts: i64, body: Bytes, arrival: Instant) -> Packet {
    let (track, header) = match AudioHeader::parse(&body) {
        Ok(header) => (header.track(), header.is_sequence_header() || header.is_multichannel_config()),
        Err(_) => (0, false),
    };
    let flags = Flags { header, ..Flags::default() };
    Packet { kind: Kind::Audio, track, dts, cts: 0, flags, body, arrival }
}

fn data(dts: i64, mut body: Bytes, arrival: Instant) -> Packet {
    if body.starts_with(SET_DATA_FRAME) {
        body = body.slice(SET_DATA_FRAME.len()..);
    }
    let flags = Flags { header: body.starts_with(ON_METADATA), ..Flags::default() };
    Packet { kind: Kind::Data, track: 0, dts, cts: 0, flags, body, arrival }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(kind: Kind, body: &[u8]) -> Packet {
        packet(kind, 7, Bytes::copy_from_slice(body), Instant::now())
    }

    #[test]
    fn h264_headers_frames_and_ends_are_told_apart() {
        let header = of(Kind::Video, b"\x17\x00\x00\x00\x00\x01\x64\x00\x0c");
        assert!(header.flags.header && !header.flags.keyframe);
        let key = of(Kind::Video, b"\x17\x01\x00\x00\x50data");
        assert!(key.flags.keyframe && !key.flags.header);
        assert_eq!((key.cts, key.dts), (80, 7));
        let inter = of(Kind::Video, b"\x27\x01\xff\xff\xfedata");
        assert_eq!((inter.flags, inter.cts), (Flags::default(), -2));
        assert!(of(Kind::Video, b"\x37\x01\0\0\0d").flags.disposable);
        let end = of(Kind::Video, b"\x17\x02\0\0\0");
        assert_eq!(end.flags, Flags::default());
        assert!(ends_sequence(&end) && !ends_sequence(&key));
    }

    #[test]
    fn enhanced_bodies_with_tracks_and_metadata() {
        assert!(of(Kind::Video, b"\x90hvc1\x01").flags.header);
        let key = of(Kind::Video, b"\x91hvc1\x00\x00\x28d");
        assert!(key.flags.keyframe);
        assert_eq!(key.cts, 40);
        assert!(of(Kind::Video, b"\x93hvc1d").flags.keyframe);
        assert!(of(Kind::Video, b"\x84hvc1\x02\0\x09colorInfo").flags.header);
        let second = of(Kind::Video, b"\x96\x01avc1\x02\x00\x00\x00d");
        assert_eq!(second.track, 2);
        assert!(second.flags.keyframe);
        assert!(of(Kind::Audio, b"\x90OpusOpusHead").flags.header);
        assert!(of(Kind::Audio, b"\x94Opus\x01\x02\0\0\0\x03").flags.header);
        assert!(!of(Kind::Audio, b"\x91Opusd").flags.header);
        assert_eq!(of(Kind::Audio, b"\x95\x01mp4a\x03d").track, 3);
    }

    #[test]
    fn aac_and_data() {
        assert!(of(Kind::Audio, b"\xaf\x00\x12\x10").flags.header);
        assert!(!of(Kind::Audio, b"\xaf\x01d").flags.header);
        let wrapped = of(Kind::Data, b"\x02\x00\x0d@setDataFrame\x02\x00\x0aonMetaData\x08");
        assert!(wrapped.flags.header);
        assert_eq!(&wrapped.body[..], b"\x02\x00\x0aonMetaData\x08");
        assert!(!of(Kind::Data, b"\x02\x00\x0aonTextData\x08").flags.header);
        let clear = b"\x02\x00\x0f@clearDataFrame\x02\x00\x0aonMetaData";
        assert!(clears_metadata(&of(Kind::Data, clear)) && !clears_metadata(&of(Kind::Video, clear)));
        assert!(!clears_metadata(&of(Kind::Data, &clear[..18])) && !clears_metadata(&wrapped));
    }

    #[test]
    fn what_is_not_understood_passes() {
        for body in [&b""[..], b"\x17", b"\x90", b"\xf7abcd"] {
            for kind in [Kind::Video, Kind::Audio, Kind::Data] {
                let packet = of(kind, body);
                assert_eq!((packet.flags, &packet.body[..]), (Flags::default(), body));
            }
        }
    }
}
