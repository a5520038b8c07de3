//! Tests of multitrack bodies taken apart.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use crate::flv::TagReader;
use crate::flv::compose::{self, Layout, ModEx};
use crate::limits::Limits;
use proptest::prelude::*;

fn bytes(body: &[u8]) -> Bytes {
    Bytes::copy_from_slice(body)
}

fn parts(kind: TagKind, body: &[u8]) -> Vec<(u8, Vec<u8>)> {
    split(kind, &bytes(body)).unwrap().into_iter().map(|part| (part.id, part.body.to_vec())).collect()
}

fn alone(kind: TagKind, body: &[u8], id: u8) -> Option<Vec<u8>> {
    single(kind, &bytes(body), id).unwrap().map(|body| body.to_vec())
}

/// By hand from "ExVideoTagHeader": 96: key, Multitrack; then AvMultitrackType and packet type; FourCC; tracks.
#[test]
fn many_tracks_become_one_message_each() {
    let many = b"\x96\x13av01\x00\0\0\x01a\x02\0\0\x02bc";
    assert_eq!(parts(TagKind::Video, many), [(0, b"\x96\x03av01\x00a".to_vec()), (2, b"\x96\x03av01\x02bc".to_vec())]);
    let codecs = b"\xA6\x21hvc1\x01\0\0\x04\0\0\x28davc1\x03\0\0\x03\xFF\xFF\xFF";
    let expected = [(1, b"\xA6\x01hvc1\x01\0\0\x28d".to_vec()), (3, b"\xA6\x01avc1\x03\xFF\xFF\xFF".to_vec())];
    assert_eq!(parts(TagKind::Video, codecs), expected);
    let sound = b"\x95\x10mp4a\x00\0\0\x02\x12\x10\x01\0\0\x02\x11\x90";
    let expected = [(0, b"\x95\x00mp4a\x00\x12\x10".to_vec()), (1, b"\x95\x00mp4a\x01\x11\x90".to_vec())];
    assert_eq!(parts(TagKind::Audio, sound), expected);
    // A prefix goes with each track.
    let prefixed = b"\x97\x02\0\0\x09\x06\x13av01\x00\0\0\x01a\x01\0\0\x01b";
    let expected =
        [(0, b"\x97\x02\0\0\x09\x06\x03av01\x00a".to_vec()), (1, b"\x97\x02\0\0\x09\x06\x03av01\x01b".to_vec())];
    assert_eq!(parts(TagKind::Video, prefixed), expected);
}

/// Found by fuzzing: such a body came back as track 0, which it does not have.
#[test]
fn a_body_that_ends_before_its_one_track_has_none() {
    for (kind, body) in [(TagKind::Video, b"\x96\x03av01"), (TagKind::Audio, b"\x95\x01Opus")] {
        assert!(parts(kind, body).is_empty());
        assert_eq!(alone(kind, body, 0), None);
    }
}

#[test]
fn what_is_no_collection_of_tracks_stays_as_it_is() {
    for (kind, body) in [
        (TagKind::Video, &b"\x17\x01\0\0\0d"[..]),
        (TagKind::Video, b"\x91hvc1\0\0\0d"),
        (TagKind::Video, b"\xD0\x01"),
        (TagKind::Video, b""),
        (TagKind::Audio, b"\xAF\x01d"),
        (TagKind::Audio, b"\x91Opusd"),
        (TagKind::Audio, b""),
        (TagKind::Script, b"\x02\x00\x0AonMetaData"),
    ] {
        assert_eq!(parts(kind, body), [(0, body.to_vec())]);
        assert_eq!(alone(kind, body, 0), Some(body.to_vec()));
        assert_eq!(alone(kind, body, 1), None);
    }
    let one = b"\x96\x01hvc1\x05\0\0\0d";
    assert_eq!(parts(TagKind::Video, one), [(5, one.to_vec())]);
}

#[test]
fn some_tracks_keep_their_form_and_their_numbers() {
    let some = |kind, body: &[u8], ids: &[u8]| {
        reduce(kind, &bytes(body), |id| ids.contains(&id)).unwrap().map(|body| body.to_vec())
    };
    let many = b"\x96\x13av01\x00\0\0\x01a\x01\0\0\x01x\x02\0\0\x02bc";
    let expected = b"\x96\x13av01\x00\0\0\x01a\x02\0\0\x02bc".to_vec();
    assert_eq!(some(TagKind::Video, many, &[0, 2, 9]), Some(expected));
    assert_eq!(some(TagKind::Video, many, &[2]), Some(b"\x96\x03av01\x02bc".to_vec()), "one is OneTrack");
    assert_eq!(some(TagKind::Video, many, &[0, 1, 2]), Some(many.to_vec()));
    assert_eq!(some(TagKind::Video, many, &[7]), None);
    let codecs = b"\x95\x21mp4a\x00\0\0\x01aOpus\x01\0\0\x01bfLaC\x02\0\0\x00";
    let expected = b"\x95\x21Opus\x01\0\0\x01bfLaC\x02\0\0\x00".to_vec();
    assert_eq!(some(TagKind::Audio, codecs, &[1, 2]), Some(expected));
    assert_eq!(some(TagKind::Audio, codecs, &[0]), Some(b"\x95\x01mp4a\x00a".to_vec()));
    // A prefix stays; a single track and an ordinary body come back as they are or not at all.
    let prefixed = b"\x97\x02\0\0\x09\x06\x13av01\x00\0\0\x01a\x01\0\0\x01b";
    assert_eq!(some(TagKind::Video, prefixed, &[1]), Some(b"\x97\x02\0\0\x09\x06\x03av01\x01b".to_vec()));
    let one = b"\x96\x01hvc1\x05\0\0\0d";
    assert_eq!((some(TagKind::Video, one, &[5]), some(TagKind::Video, one, &[0])), (Some(one.to_vec()), None));
    assert_eq!(some(TagKind::Video, b"\x17\x01\0\0\0d", &[0]), Some(b"\x17\x01\0\0\0d".to_vec()));
    assert_eq!(some(TagKind::Video, b"\x17\x01\0\0\0d", &[1]), None);
    assert!(reduce(TagKind::Video, &bytes(b"\x96\x13av01\x00\0\0\x09a"), |_| true).is_err());
    let many = [&b"\x96\x13av01"[..], &[7, 0, 0, 0].repeat(257)].concat();
    assert!(reduce(TagKind::Video, &bytes(&many), |id| id == 7).is_err(), "no room for tracks without end");
    assert_eq!(some(TagKind::Video, &many, &[1]), None);
}

#[test]
fn one_track_alone_is_an_ordinary_body() {
    let many = b"\x96\x11hvc1\x00\0\0\x04\0\0\x28a\x02\0\0\x04\0\0\x50b";
    assert_eq!(alone(TagKind::Video, many, 2), Some(b"\x91hvc1\0\0\x50b".to_vec()));
    assert_eq!(alone(TagKind::Video, many, 0), Some(b"\x91hvc1\0\0\x28a".to_vec()));
    assert_eq!(alone(TagKind::Video, many, 1), None);
    assert_eq!(alone(TagKind::Audio, b"\x95\x01Opus\x01d", 1), Some(b"\x91Opusd".to_vec()));
    // The type behind a prefix stands in the prefix's last byte.
    let prefixed = b"\xA7\x02\0\0\x09\x06\x03av01\x01b";
    assert_eq!(alone(TagKind::Video, prefixed, 1), Some(b"\xA7\x02\0\0\x09\x03av01b".to_vec()));
    for broken in [&b"\x96\x13av01\x00\0\0\x09a"[..], b"\x96\x36av01\x00", b"\x96\x16av01\x00", b"\x96"] {
        assert!(split(TagKind::Video, &bytes(broken)).is_err(), "{broken:?}");
        assert!(single(TagKind::Video, &bytes(broken), 7).is_err(), "{broken:?}");
    }
}

#[test]
fn what_a_peer_of_before_enhanced_rtmp_gets() {
    let video = |body: &[u8]| legacy(TagKind::Video, &bytes(body)).map(|body| body.to_vec());
    // Adobe FLV 10.1 §E.4.3.1: frame type and codec 7, AVCPacketType, SI24 composition time.
    assert_eq!(video(b"\x90avc1\x01\x64"), Some(b"\x17\x00\0\0\0\x01\x64".to_vec()));
    assert_eq!(video(b"\xA1avc1\0\0\x28d"), Some(b"\x27\x01\0\0\x28d".to_vec()));
    assert_eq!(video(b"\x93avc1d"), Some(b"\x17\x01\0\0\0d".to_vec()));
    assert_eq!(video(b"\x92avc1"), Some(b"\x17\x02\0\0\0".to_vec()));
    assert_eq!(video(b"\x97\x02\0\0\x09\x03avc1d"), Some(b"\x17\x01\0\0\0d".to_vec()));
    assert_eq!(video(b"\xD0\x01"), Some(b"\x57\x01".to_vec()));
    assert_eq!(video(b"\x12d"), Some(b"\x12d".to_vec()), "as it was");
    for none in [&b"\x91hvc1\0\0\0d"[..], b"\x94avc1\x02", b"\x95av01\x01", b"\x96\x03avc1\x00d", b"\x91avc1"] {
        assert_eq!(video(none), None, "{none:?}");
    }
    let audio = |body: &[u8]| legacy(TagKind::Audio, &bytes(body)).map(|body| body.to_vec());
    assert_eq!(audio(b"\x90mp4a\x12\x10"), Some(b"\xAF\x00\x12\x10".to_vec()));
    assert_eq!(audio(b"\x91mp4ad"), Some(b"\xAF\x01d".to_vec()));
    for none in [&b"\x92mp4a"[..], b"\x94mp4a\x00\x02", b"\x90.mp3", b"\x91Opusd", b"\x95\x01mp4a\x00d"] {
        assert_eq!(audio(none), None, "{none:?}");
    }
    assert_eq!(audio(b""), Some(vec![]), "silence");
    assert_eq!(audio(b"\xAF\x01d"), Some(b"\xAF\x01d".to_vec()));
}

/// ISO/IEC 11172-3 §2.4.1.3: version, layer III, rate and channels of a frame, and what Adobe FLV 10.1 §E.4.2.1 makes of them.
#[test]
fn mp3_says_its_rate() {
    for (frame, header) in [
        ([0xFF, 0xFB, 0x90, 0x44], 0x2F),
        ([0xFF, 0xFB, 0x94, 0xC4], 0x2E),
        ([0xFF, 0xF3, 0x90, 0x44], 0x2B),
        ([0xFF, 0xE3, 0x90, 0x44], 0x27),
        ([0xFF, 0xE3, 0x98, 0xC4], 0xE2),
    ] {
        let body = legacy(TagKind::Audio, &bytes(&[b"\x91.mp3", &frame[..]].concat())).unwrap();
        assert_eq!(body[..], [&[header][..], &frame].concat(), "{frame:x?}");
        assert!(AudioHeader::parse(&body).unwrap().is_coded_frame());
    }
    assert_eq!(legacy(TagKind::Audio, &bytes(b"\x91.mp3\xFF")).unwrap()[..], [0x2F, 0xFF]);
}

/// A message must not become a multiple of itself.
#[test]
fn parts_are_bounded() {
    let tracks = |count: usize| [&b"\x96\x13av01"[..], &b"\x00\0\0\0".repeat(count)].concat();
    assert_eq!(parts(TagKind::Video, &tracks(256)).len(), 256);
    assert!(split(TagKind::Video, &bytes(&tracks(257))).is_err());
    let long = [&b"\x97\xFF\x10\x00"[..], &[0; 4097], b"\x16\x13av01\x00\0\0\0"].concat();
    assert!(split(TagKind::Video, &bytes(&long)).is_err());
    assert!(single(TagKind::Video, &bytes(&long), 0).unwrap().is_some(), "one copy is not");
}

/// FFmpeg writes the second track of each kind as `OneTrack`; alone it reads as an ordinary stream.
#[test]
fn the_second_tracks_of_a_real_file() {
    let mut reader = TagReader::new(&Limits::default());
    reader.feed(include_bytes!("../../tests/data/multitrack.flv"));
    let (mut video, mut audio) = (Vec::new(), Vec::new());
    while let Some(tag) = reader.next().unwrap() {
        let Some(body) = single(tag.kind, &tag.payload, 1).unwrap() else { continue };
        match tag.kind {
            TagKind::Video => video.push(VideoHeader::parse(&body).unwrap()),
            TagKind::Audio => audio.push(AudioHeader::parse(&body).unwrap()),
            _ => {}
        }
    }
    let types: Vec<_> = video.iter().map(|header| (header.packet_type, header.multitrack, header.track())).collect();
    assert_eq!(types, [(PacketType::SequenceStart, None, 0), (PacketType::CodedFrames, None, 0)]);
    assert!(video.iter().all(|header| header.codec == VideoCodec::FourCc(FourCc::HVC1)));
    assert!(audio.len() >= 2 && audio.iter().all(|header| header.four_cc == Some(FourCc::OPUS)));
    assert!(audio.iter().all(|header| header.multitrack.is_none()));
}

proptest! {
    /// What is taken apart has the same tracks as before, and joins to the same body.
    #[test]
    fn parts_join_to_the_whole(
        tracks in prop::collection::vec((prop::sample::select(&FourCc::VIDEO[..]), prop::collection::vec(any::<u8>(), 0..20)), 1..6),
        number in prop::sample::select(vec![0u8, 2, 3, 4, 5, 9]),
        nanoseconds in prop::option::of(0u32..1_000_000),
    ) {
        let packet_type = VideoHeader::parse(&[&[0x90 | number][..], b"av01"].concat()).unwrap().packet_type;
        let mod_ex: Vec<ModEx<'_>> = nanoseconds.into_iter().map(ModEx::Nanoseconds).collect();
        let tracks: Vec<_> = tracks.iter().zip(3..).map(|((codec, data), id)| (*codec, id, &data[..])).collect();
        let body = compose::video(FrameType::Key, packet_type, &mod_ex, Layout::ManyTracksManyCodecs(&tracks)).unwrap();
        let parts = split(TagKind::Video, &body).unwrap();
        prop_assert_eq!(parts.len(), tracks.len());
        for (part, (codec, id, data)) in parts.iter().zip(&tracks) {
            let one = compose::video(FrameType::Key, packet_type, &mod_ex, Layout::OneTrack(*codec, *id, data)).unwrap();
            prop_assert_eq!((part.id, &part.body), (*id, &one));
            let plain = compose::video(FrameType::Key, packet_type, &mod_ex, Layout::Plain(*codec, data)).unwrap();
            prop_assert_eq!(single(TagKind::Video, &body, *id).unwrap(), Some(plain.clone()));
            prop_assert_eq!(single(TagKind::Video, &part.body, *id).unwrap(), Some(plain));
        }
        prop_assert_eq!(single(TagKind::Video, &body, 2).unwrap(), None);
    }

    #[test]
    fn any_bytes_are_no_panic(first in 0x80u8..=0xFF, rest in prop::collection::vec(prop_oneof![0u8..8, any::<u8>()], 0..60)) {
        let body = Bytes::from([&[first][..], &rest].concat());
        for kind in [TagKind::Video, TagKind::Audio] {
            let parts = split(kind, &body).map_or(0, |parts| parts.iter().map(|part| part.body.len()).sum());
            prop_assert!(parts <= body.len() * (body.len() + 1));
            let _ = (single(kind, &body, 0), single(kind, &body, 1), legacy(kind, &body));
        }
    }
}
