//! Tests of written bodies: bytes made by hand, and everything written read back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use crate::flv::audio::AudioHeader;
use crate::flv::video::{FrameType, PacketType, VideoHeader};
use proptest::prelude::*;

const KEY: FrameType = FrameType::Key;

/// By hand from "ExVideoTagHeader" and "ExVideoTagBody".
#[test]
fn video_bodies_by_the_byte() {
    let body = |packet_type, layout| video(KEY, packet_type, &[], layout).unwrap();
    let frame = coded_frame(FourCc::HVC1, -2, b"d");
    assert_eq!(&body(PacketType::CodedFrames, Layout::Plain(FourCc::HVC1, &frame))[..], b"\x91hvc1\xFF\xFF\xFEd");
    assert_eq!(coded_frame(FourCc::AV01, 40, b"d"), "d", "AV1 has no composition time");
    for (packet_type, first) in [
        (PacketType::SequenceStart, 0x90),
        (PacketType::SequenceEnd, 0x92),
        (PacketType::CodedFramesX, 0x93),
        (PacketType::Metadata, 0x94),
        (PacketType::Mpeg2TsSequenceStart, 0x95),
    ] {
        assert_eq!(body(packet_type, Layout::Plain(FourCc::AV01, b""))[..], [&[first][..], b"av01"].concat());
    }
    // 96: key, Multitrack; 00: OneTrack, SequenceStart; FourCC; id.
    let one = body(PacketType::SequenceStart, Layout::OneTrack(FourCc::VP09, 3, b"c"));
    assert_eq!(&one[..], b"\x96\x00vp09\x03c");
    // 13: ManyTracks, CodedFramesX; FourCC; id and UI24 size for each.
    let many = body(PacketType::CodedFramesX, Layout::ManyTracks(FourCc::VP08, &[(0, b"a"), (1, b"bc")]));
    assert_eq!(&many[..], b"\x96\x13vp08\x00\0\0\x01a\x01\0\0\x02bc");
    let codecs = [(FourCc::AV01, 0, &b"a"[..]), (FourCc::VVC1, 1, b"")];
    let codecs = body(PacketType::CodedFramesX, Layout::ManyTracksManyCodecs(&codecs));
    assert_eq!(&codecs[..], b"\x96\x23av01\x00\0\0\x01avvc1\x01\0\0\0");
    assert_eq!(&video_command(1)[..], [0xD0, 1]);
    assert_eq!(VideoHeader::parse(&video_command(0)).unwrap().packet_type, PacketType::Command);
}

/// By hand from "ExAudioTagHeader": 97: ModEx; UI8 size - 1; data; type and next packet type.
#[test]
fn audio_bodies_and_prefixes_by_the_byte() {
    use audio::PacketType;
    let nano = [ModEx::Nanoseconds(999_999)];
    let plain = audio(PacketType::CodedFrames, &nano, Layout::Plain(FourCc::OPUS, b"d")).unwrap();
    assert_eq!(&plain[..], b"\x97\x02\x0F\x42\x3F\x01Opusd");
    let both = [ModEx::Nanoseconds(1), ModEx::Other(3, &[7; 256])];
    let long = audio(PacketType::MultichannelConfig, &both, Layout::OneTrack(FourCc::FLAC, 1, b"")).unwrap();
    // The second prefix has 256 bytes: 255 says that UI16 size - 1 follows.
    let expected = [&b"\x97\x02\0\0\x01\x07\xFF\x00\xFF"[..], &[7; 256], b"\x35\x04fLaC\x01"].concat();
    assert_eq!(long[..], expected);
    assert_eq!(AudioHeader::parse(&long).unwrap().nanoseconds, 1);
}

#[test]
fn what_cannot_be_written() {
    let long = vec![0; MAX_TRACK + 1];
    for layout in [
        Layout::ManyTracks(FourCc::AV01, &[]),
        Layout::ManyTracksManyCodecs(&[]),
        Layout::ManyTracks(FourCc::AV01, &[(0, &long)]),
    ] {
        assert!(video(KEY, PacketType::CodedFrames, &[], layout).is_err());
    }
    let plain = Layout::Plain(FourCc::AV01, b"d");
    for packet_type in [PacketType::Command, PacketType::Other(6), PacketType::Other(7), PacketType::Other(16)] {
        assert!(video(KEY, packet_type, &[], plain).is_err());
    }
    assert!(audio(audio::PacketType::Other(5), &[], plain).is_err());
    let command = |packet_type, layout| video(FrameType::Command, packet_type, &[], layout);
    assert!(command(PacketType::CodedFrames, plain).is_err());
    assert!(command(PacketType::Metadata, Layout::OneTrack(FourCc::AV01, 1, b"d")).is_err());
    assert_eq!(&command(PacketType::Metadata, plain).unwrap()[..], b"\xD4av01d", "as FFmpeg writes it");
    for prefix in [ModEx::Nanoseconds(1_000_000), ModEx::Other(0, b"a"), ModEx::Other(1, b""), ModEx::Other(16, b"a")] {
        assert!(video(KEY, PacketType::CodedFrames, &[prefix], plain).is_err(), "{prefix:?}");
    }
}

type Tracks = Vec<(FourCc, u8, Vec<u8>)>;

fn any_tracks(codecs: &'static [FourCc]) -> impl Strategy<Value = Tracks> {
    let data = prop::collection::vec(any::<u8>(), 3..40);
    prop::collection::vec((prop::sample::select(codecs), any::<u8>(), data), 1..5)
}

fn any_prefixes() -> impl Strategy<Value = Vec<(u32, Vec<u8>)>> {
    prop::collection::vec((0u32..1_000_000, prop::collection::vec(any::<u8>(), 0..400)), 0..4)
}

/// Prefixes of empty data are nanoseconds; the nanoseconds that count are those of the last one.
fn prefixes(from: &[(u32, Vec<u8>)]) -> (Vec<ModEx<'_>>, u32) {
    let last = from.iter().rev().find(|(_, data)| data.is_empty()).map_or(0, |(nanoseconds, _)| *nanoseconds);
    let prefix = |(nanoseconds, data): &'_ (u32, Vec<u8>)| match data.is_empty() {
        true => ModEx::Nanoseconds(*nanoseconds),
        false => ModEx::Other(1 + (*nanoseconds % 15) as u8, &[7; 300][..data.len().min(300)]),
    };
    (from.iter().map(prefix).collect(), last)
}

/// Calls `check` with each layout that these tracks can have, and the tracks that are then to be read.
fn each_layout(tracks: &Tracks, check: impl Fn(Layout<'_>, &[(FourCc, u8, &[u8])])) {
    let all: Vec<(FourCc, u8, &[u8])> = tracks.iter().map(|(codec, id, data)| (*codec, *id, &data[..])).collect();
    let (codec, id, data) = all[0];
    check(Layout::Plain(codec, data), &[(codec, 0, data)]);
    check(Layout::OneTrack(codec, id, data), &[(codec, id, data)]);
    let same: Vec<(FourCc, u8, &[u8])> = all.iter().map(|(_, id, data)| (codec, *id, *data)).collect();
    let of_one: Vec<(u8, &[u8])> = same.iter().map(|(_, id, data)| (*id, *data)).collect();
    check(Layout::ManyTracks(codec, &of_one), &same);
    check(Layout::ManyTracksManyCodecs(&all), &all);
}

proptest! {
    #[test]
    fn video_written_is_video_read(
        tracks in any_tracks(&FourCc::VIDEO), number in prop::sample::select(vec![0u8, 1, 2, 3, 4, 5, 8, 15]), from in any_prefixes(),
    ) {
        let packet_type = VideoHeader::parse(&[&[0x90 | number][..], b"av01"].concat()).unwrap().packet_type;
        let (mod_ex, nanoseconds) = prefixes(&from);
        each_layout(&tracks, |layout, expected| {
            let body = video(FrameType::Inter, packet_type, &mod_ex, layout).unwrap();
            let header = VideoHeader::parse(&body).unwrap();
            assert_eq!((header.frame_type, header.packet_type), (FrameType::Inter, packet_type));
            assert_eq!((header.nanoseconds, header.track()), (nanoseconds, expected[0].1));
            let read: Vec<_> = header.tracks(&body).map(Result::unwrap).collect();
            assert_eq!(read.len(), expected.len());
            for (read, (codec, id, data)) in read.iter().zip(expected) {
                assert_eq!((read.id, read.codec), (*id, crate::flv::video::VideoCodec::FourCc(*codec)));
                assert_eq!(coded(packet_type, *codec, read.composition_time, read.payload), *data);
            }
        });
    }

    #[test]
    fn audio_written_is_audio_read(
        tracks in any_tracks(&FourCc::AUDIO), number in prop::sample::select(vec![0u8, 1, 2, 4, 6, 8, 15]), from in any_prefixes(),
    ) {
        let packet_type = AudioHeader::parse(&[&[0x90 | number][..], b"Opus"].concat()).unwrap().packet_type;
        let (mod_ex, nanoseconds) = prefixes(&from);
        each_layout(&tracks, |layout, expected| {
            let body = audio(packet_type, &mod_ex, layout).unwrap();
            let header = AudioHeader::parse(&body).unwrap();
            assert_eq!((header.packet_type, header.nanoseconds), (packet_type, nanoseconds));
            let read: Vec<_> = header.tracks(&body).map(Result::unwrap).collect();
            let read: Vec<_> = read.iter().map(|track| (track.four_cc.unwrap(), track.id, track.payload)).collect();
            assert_eq!(read, expected);
        });
    }
}

/// The composition time back in front of the data.
fn coded(packet_type: PacketType, codec: FourCc, composition_time: i32, data: &[u8]) -> Vec<u8> {
    match packet_type {
        PacketType::CodedFrames => coded_frame(codec, composition_time, data).to_vec(),
        _ => data.to_vec(),
    }
}
