//! Tests of audio headers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use crate::flv::aac::AacConfig;
use crate::flv::{TagKind, TagReader};
use crate::limits::Limits;
use proptest::prelude::*;

fn parse(body: &[u8]) -> AudioHeader {
    AudioHeader::parse(body).unwrap()
}

#[test]
fn legacy_formats() {
    let aac = parse(&[0xAF, 0, 0x12, 0x10]);
    assert_eq!((aac.format, aac.sample_rate, aac.sample_bits, aac.channels), (SoundFormat::Aac, 44_100, 16, 2));
    assert!(aac.is_sequence_header() && !aac.is_coded_frame() && aac.is_aac());
    assert_eq!(aac.payload_offset, 2);
    assert!(parse(&[0xAF, 1, 1]).is_coded_frame());
    assert_eq!(parse(&[0xAF, 2]).packet_type, PacketType::Other(2));
    let mp3 = parse(&[0x2A]);
    assert_eq!((mp3.format, mp3.sample_rate, mp3.channels, mp3.payload_offset), (SoundFormat::Mp3, 22_050, 1, 1));
    for (byte, format, name) in [
        (0x00, SoundFormat::Pcm, "PCM"),
        (0x10, SoundFormat::Adpcm, "ADPCM"),
        (0x30, SoundFormat::PcmLe, "PCM"),
        (0x40, SoundFormat::Nellymoser16k, "Nellymoser"),
        (0x50, SoundFormat::Nellymoser8k, "Nellymoser"),
        (0x60, SoundFormat::Nellymoser, "Nellymoser"),
        (0x70, SoundFormat::G711A, "G.711 A-law"),
        (0x80, SoundFormat::G711Mu, "G.711 mu-law"),
        (0xB0, SoundFormat::Speex, "Speex"),
        (0xC0, SoundFormat::Unknown(12), "sound format 12"),
        (0xE0, SoundFormat::Mp3At8k, "MP3"),
        (0xF0, SoundFormat::Device, "device specific sound"),
    ] {
        let header = parse(&[byte]);
        assert_eq!((header.format, header.codec().to_string().as_str()), (format, name));
        assert!(header.is_coded_frame() && !header.is_sequence_header());
    }
}

#[test]
fn enhanced_packet_types() {
    let opus = parse(b"\x90OpusOpusHead");
    assert!(opus.is_sequence_header());
    assert_eq!((opus.format, opus.four_cc, opus.payload_offset), (SoundFormat::ExHeader, Some(FourCc::OPUS), 5));
    assert!(parse(b"\x91fLaC\xFF").is_coded_frame());
    assert!(parse(b"\x91fLaC").is_coded_frame(), "an empty frame ends a stream of FFmpeg");
    assert_eq!(parse(b"\x92mp4a").packet_type, PacketType::SequenceEnd);
    assert!(parse(b"\x94Opus\x01\x01").is_multichannel_config());
    assert!(parse(b"\x91mp4a").is_aac());
    assert_eq!(parse(b"\x96Opus").packet_type, PacketType::Other(6));
    let mod_ex = parse(b"\x97\x02\x00\x00\x09\x01ac-3\x0B");
    assert_eq!((mod_ex.packet_type, mod_ex.nanoseconds, mod_ex.payload_offset), (PacketType::CodedFrames, 9, 10));
    assert_eq!(mod_ex.codec().to_string(), "AC-3");
}

#[test]
fn multitrack_layouts() {
    let one = b"\x95\x01Opus\x03\xAA";
    assert_eq!((parse(one).track(), parse(one).multitrack), (3, Some(MultitrackType::OneTrack)));
    let track = |id, four_cc, payload| AudioTrack { id, four_cc: Some(four_cc), payload };
    let tracks: Vec<_> = parse(one).tracks(one).map(Result::unwrap).collect();
    assert_eq!(tracks, [track(3, FourCc::OPUS, &[0xAA][..])]);
    let many = b"\x95\x21Opus\x00\0\0\x01\xAAmp4a\x01\0\0\x00";
    let tracks: Vec<_> = parse(many).tracks(many).map(Result::unwrap).collect();
    assert_eq!(tracks, [track(0, FourCc::OPUS, &[0xAA][..]), track(1, FourCc::MP4A, &[])]);
    let plain = [0xAF, 1, 7];
    let tracks: Vec<_> = parse(&plain).tracks(&plain).map(Result::unwrap).collect();
    assert_eq!(tracks, [AudioTrack { id: 0, four_cc: None, payload: &[7] }]);
}

#[test]
fn broken_headers_are_errors() {
    for body in [
        &b""[..],
        b"\xAF",
        b"\x90Opu",
        b"\x95",
        b"\x95\x05Opus\0",
        b"\x95\x07Opus\0",
        b"\x95\x41Opus\0",
        b"\x95\x01Opus",
    ] {
        assert!(AudioHeader::parse(body).is_err(), "{body:?}");
    }
}

#[test]
fn a_real_file() {
    let mut reader = TagReader::new(&Limits::default());
    reader.feed(include_bytes!("../../tests/data/multitrack.flv"));
    let mut seen = Vec::new();
    while let Some(tag) = reader.next().unwrap() {
        if tag.kind == TagKind::Audio {
            let header = parse(&tag.payload);
            if header.is_aac() && header.is_sequence_header() {
                let config = AacConfig::parse(&tag.payload[header.payload_offset..]).unwrap();
                assert_eq!((config.object_type, config.sample_rate, config.channels), (2, 44_100, 1));
            }
            seen.push((header.codec().to_string(), header.track(), header.packet_type));
        }
    }
    let row = |codec: &str, track, kind| (codec.to_string(), track, kind);
    assert_eq!(
        seen,
        [
            row("AAC", 0, PacketType::SequenceStart),
            row("Opus", 1, PacketType::SequenceStart),
            row("Opus", 1, PacketType::MultichannelConfig),
            row("AAC", 0, PacketType::CodedFrames),
            row("Opus", 1, PacketType::CodedFrames),
        ]
    );
}

proptest! {
    #[test]
    fn any_bytes_are_no_panic(first in prop_oneof![0x90u8..=0x9F, any::<u8>()], rest in prop::collection::vec(prop_oneof![0u8..8, any::<u8>()], 0..60)) {
        let body = [&[first][..], &rest].concat();
        if let Ok(header) = AudioHeader::parse(&body) {
            prop_assert!(header.payload_offset <= body.len());
            prop_assert!(header.tracks(&body).count() <= body.len() + 1);
        }
    }
}
