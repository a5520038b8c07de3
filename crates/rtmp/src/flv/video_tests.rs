//! Tests of video headers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use crate::flv::avc::AvcConfig;
use crate::flv::{TagKind, TagReader};
use crate::limits::Limits;
use proptest::prelude::*;

fn parse(body: &[u8]) -> VideoHeader {
    VideoHeader::parse(body).unwrap()
}

fn tracks(body: &[u8]) -> Vec<VideoTrack<'_>> {
    parse(body).tracks(body).map(Result::unwrap).collect()
}

#[test]
fn legacy_avc() {
    let header = parse(&[0x17, 0, 0, 0, 0, 1]);
    assert_eq!(
        (header.codec, header.packet_type, header.payload_offset),
        (VideoCodec::Avc, PacketType::SequenceStart, 5)
    );
    assert!(header.is_sequence_header() && !header.is_keyframe());
    let header = parse(&[0x17, 1, 0xFF, 0xFF, 0xF6, 9]);
    assert!(header.is_keyframe() && !header.is_sequence_header());
    assert_eq!(header.composition_time, -10);
    let header = parse(&[0x27, 1, 0, 1, 0x2C, 9]);
    assert!(!header.is_keyframe() && header.is_coded_frame());
    assert_eq!(header.composition_time, 300);
    assert!(parse(&[0x37, 1, 0, 0, 0]).is_disposable());
    for end in [&[0x17, 2, 0, 0, 0][..], &[0x17, 2]] {
        let header = parse(end);
        assert_eq!(header.packet_type, PacketType::SequenceEnd);
        assert!(!header.is_keyframe() && !header.is_sequence_header());
    }
    let body = [0x17, 1, 0, 0, 40, 7, 8];
    let track = VideoTrack { id: 0, codec: VideoCodec::Avc, composition_time: 40, payload: &[7, 8] };
    assert_eq!(tracks(&body), [track]);
}

#[test]
fn other_legacy_codecs() {
    for (byte, codec) in [
        (0x12, VideoCodec::H263),
        (0x13, VideoCodec::ScreenVideo),
        (0x14, VideoCodec::Vp6),
        (0x15, VideoCodec::Vp6Alpha),
        (0x16, VideoCodec::ScreenVideo2),
        (0x1D, VideoCodec::Unknown(13)),
    ] {
        let header = parse(&[byte]);
        assert_eq!((header.codec, header.payload_offset), (codec, 1));
        assert!(header.is_keyframe() && !header.is_sequence_header());
    }
    assert!(parse(&[0x1C, 0, 0, 0, 0]).is_sequence_header());
    assert!(!parse(&[0x1C, 0, 0, 0, 0]).is_keyframe());
    assert_eq!(parse(&[0x57, 0]).packet_type, PacketType::Command);
    assert!(!parse(&[0x52, 0]).is_keyframe());
}

#[test]
fn enhanced_packet_types() {
    let hevc = VideoCodec::FourCc(FourCc::HVC1);
    let header = parse(b"\x90hvc1\x01");
    assert!(header.is_sequence_header() && !header.is_keyframe());
    assert_eq!((header.codec, header.payload_offset), (hevc, 5));
    let header = parse(b"\x91hvc1\xFF\xFF\xFE\x01");
    assert!(header.is_keyframe());
    assert_eq!((header.composition_time, header.payload_offset), (-2, 8));
    let header = parse(b"\xA3hvc1\x01");
    assert_eq!((header.packet_type, header.composition_time, header.payload_offset), (PacketType::CodedFramesX, 0, 5));
    assert!(parse(b"\x93hvc1\x01").is_keyframe());
    assert!(!parse(b"\x92hvc1").is_keyframe());
    assert_eq!(parse(b"\x92hvc1").packet_type, PacketType::SequenceEnd);
    // AV1 and VP9 have no composition time.
    assert_eq!(parse(b"\x91av01\x01").payload_offset, 5);
    assert_eq!(parse(b"\x91vvc1\0\0\x07").composition_time, 7);
    assert!(parse(b"\x95av01\x01").is_sequence_header());
    // Metadata: OBS sends frame type 0, FFmpeg the command type.
    for body in [b"\x84hvc1\x02", b"\xD4hvc1\x02"] {
        let header = parse(body);
        assert!(header.is_metadata() && !header.is_keyframe());
        assert_eq!((header.codec, header.payload_offset), (hevc, 5));
    }
    assert_eq!(parse(&[0xD0, 1]).packet_type, PacketType::Command);
    // A key frame that a server has made (type 4) is none of the encoder's: nothing begins there.
    for body in [&b"\xC1hvc1\0\0\0\x01"[..], b"\xC3hvc1\x01", b"\x47\x01\0\0\0\x01", b"\x42\x01"] {
        let header = parse(body);
        assert_eq!(header.frame_type, FrameType::GeneratedKey, "{body:?}");
        assert!(!header.is_keyframe() && !header.is_disposable(), "{body:?}");
    }
    assert_eq!(parse(b"\x98abcd").packet_type, PacketType::Other(8));
    assert!(parse(b"\x91zzzz").is_keyframe(), "an unknown codec has key frames too");
}

#[test]
fn mod_ex_chains_are_passed() {
    // Two prefixes: three bytes of nanoseconds, then 256 bytes of something unknown, then coded frames of AV1.
    let long = [&[0xFF, 0, 255][..], &[7; 256], &[0x11]].concat();
    let body = [&[0x97, 2, 0x0B, 0x71, 0xB0, 0x07][..], &long, b"av01\x09"].concat();
    let header = parse(&body);
    assert_eq!((header.packet_type, header.nanoseconds), (PacketType::CodedFrames, 750_000));
    assert!(header.is_keyframe());
    assert_eq!(&body[header.payload_offset..], [9]);
    // A chain without an end.
    let endless = [&[0x97][..], &[0, 0, 0x07].repeat(1000)].concat();
    assert!(VideoHeader::parse(&endless).unwrap_err().to_string().contains("too many ModEx"));
}

#[test]
fn multitrack_layouts() {
    let one = b"\x96\x01hvc1\x05\0\0\x0A\xAA\xBB";
    let header = parse(one);
    assert_eq!((header.multitrack, header.track()), (Some(MultitrackType::OneTrack), 5));
    assert!(header.is_keyframe());
    assert_eq!(header.composition_time, 10);
    let hevc = VideoCodec::FourCc(FourCc::HVC1);
    assert_eq!(tracks(one), [VideoTrack { id: 5, codec: hevc, composition_time: 10, payload: &[0xAA, 0xBB] }]);

    let many = b"\xA6\x13av01\x01\0\0\x01\xAA\x02\0\0\x02\xBB\xCC";
    let av1 = VideoCodec::FourCc(FourCc::AV01);
    assert_eq!(
        tracks(many),
        [
            VideoTrack { id: 1, codec: av1, composition_time: 0, payload: &[0xAA] },
            VideoTrack { id: 2, codec: av1, composition_time: 0, payload: &[0xBB, 0xCC] },
        ]
    );
    assert!(!parse(many).is_keyframe());

    let codecs = b"\x96\x21av01\x00\0\0\x01\xAAhvc1\x01\0\0\x04\0\0\x03\xBB";
    assert_eq!(
        tracks(codecs),
        [
            VideoTrack { id: 0, codec: av1, composition_time: 0, payload: &[0xAA] },
            VideoTrack { id: 1, codec: hevc, composition_time: 3, payload: &[0xBB] },
        ]
    );

    // A second track that is longer than the message: an error once, then the end.
    let short = b"\xA6\x13av01\x01\0\0\x01\xAA\x02\0\0\x09\xBB";
    let results: Vec<bool> = parse(short).tracks(short).map(|track| track.is_ok()).collect();
    assert_eq!(results, [true, false]);
}

#[test]
fn broken_headers_are_errors() {
    for body in [
        &b""[..],
        b"\x17",
        b"\x17\x01\0\0",
        b"\x90hvc",
        b"\x91hvc1\0\0",
        b"\x97",
        b"\x97\xFF\xFF\xFF\0",
        b"\x96",
        b"\x96\x31hvc1\0",
        b"\x96\x06hvc1\0",
        b"\x96\x07hvc1\0",
        b"\x96\x01hvc1",
        b"\x96\x11hvc1\0\0\0\x09",
    ] {
        assert!(VideoHeader::parse(body).is_err(), "{body:?}");
    }
}

#[test]
fn a_real_file() {
    let mut reader = TagReader::new(&Limits::default());
    reader.feed(include_bytes!("../../tests/data/multitrack.flv"));
    let mut seen = Vec::new();
    while let Some(tag) = reader.next().unwrap() {
        if tag.kind == TagKind::Video {
            let header = parse(&tag.payload);
            if header.codec == VideoCodec::Avc && header.is_sequence_header() {
                let config = AvcConfig::parse(&tag.payload[header.payload_offset..]).unwrap();
                assert_eq!(config.size, Some((160, 120)));
            }
            seen.push((header.codec.to_string(), header.track(), header.packet_type, header.composition_time));
        }
    }
    let row = |codec: &str, track, kind, time| (codec.to_string(), track, kind, time);
    assert_eq!(
        seen,
        [
            row("H.264", 0, PacketType::SequenceStart, 0),
            row("H.265", 1, PacketType::SequenceStart, 0),
            row("H.265", 0, PacketType::Metadata, 0),
            row("H.265", 1, PacketType::CodedFrames, 600),
            row("H.264", 0, PacketType::CodedFrames, 100),
            row("H.264", 0, PacketType::SequenceEnd, 0),
        ]
    );
}

proptest! {
    #[test]
    fn any_bytes_are_no_panic(first in prop_oneof![0x80u8..=0xFF, any::<u8>()], rest in prop::collection::vec(prop_oneof![0u8..8, any::<u8>()], 0..60)) {
        let body = [&[first][..], &rest].concat();
        if let Ok(header) = VideoHeader::parse(&body) {
            prop_assert!(header.payload_offset <= body.len());
            prop_assert!(header.tracks(&body).count() <= body.len() + 1);
        }
    }
}
