//! What is kept for joiners: for every codec, every track and every form of a header.
#![allow(clippy::unwrap_used)]
use std::time::Instant;

use bytes::Bytes;
use outflow_rtmp::flv::compose::{self, Layout, ModEx};
use outflow_rtmp::flv::video::FrameType;

use super::*;
use crate::media::classify;
use crate::wire::Message;

#[derive(Default)]
struct Bench {
    headers: Headers,
}

impl Bench {
    /// A body as it comes in, kept if it is a header; tells whether it is.
    fn push(&mut self, kind: Kind, body: impl Into<Bytes>) -> bool {
        let packet = classify::packet(kind, 0, body.into(), Instant::now());
        let is_header = packet.flags.header;
        if is_header {
            self.headers.keep(&Message::new(packet, None));
        }
        is_header
    }

    fn bodies(&mut self) -> Vec<Bytes> {
        self.headers.snapshot().iter().map(|message| message.packet.body.clone()).collect()
    }
}

fn video(packet_type: video::PacketType, mod_ex: &[ModEx<'_>], layout: Layout<'_>) -> Bytes {
    compose::video(FrameType::Key, packet_type, mod_ex, layout).unwrap()
}

fn audio(packet_type: audio::PacketType, layout: Layout<'_>) -> Bytes {
    compose::audio(packet_type, &[], layout).unwrap()
}

/// A late joiner of any codec, alone or as the second track, has what its decoder asks for first.
#[test]
fn every_codec_has_its_headers_for_joiners() {
    use video::PacketType::{CodedFrames, Metadata, SequenceStart};
    for codec in FourCc::VIDEO {
        for layout in [Layout::Plain(codec, b"conf"), Layout::OneTrack(codec, 1, b"conf")] {
            let mut bench = Bench::default();
            let config = video(SequenceStart, &[], layout);
            assert!(bench.push(Kind::Video, config.clone()), "{codec}");
            let colors = video(Metadata, &[], layout);
            assert!(bench.push(Kind::Video, colors.clone()), "{codec}");
            assert!(!bench.push(Kind::Video, video(CodedFrames, &[], layout)));
            assert_eq!(bench.bodies(), [config, colors], "{codec}");
        }
    }
    for codec in FourCc::AUDIO {
        for layout in [Layout::Plain(codec, b"\0\x02"), Layout::OneTrack(codec, 1, b"\0\x02")] {
            let mut bench = Bench::default();
            let config = audio(audio::PacketType::SequenceStart, layout);
            let channels = audio(audio::PacketType::MultichannelConfig, layout);
            assert!(bench.push(Kind::Audio, channels.clone()) && bench.push(Kind::Audio, config.clone()), "{codec}");
            assert!(!bench.push(Kind::Audio, audio(audio::PacketType::CodedFrames, layout)));
            assert_eq!(bench.bodies(), [config, channels], "{codec}: in the order that decoders want");
        }
    }
    let mut legacy = Bench::default();
    for (kind, body) in [(Kind::Video, &b"\x1c\0\0\0\0hevc"[..]), (Kind::Audio, b"\xaf\0\x12\x10")] {
        assert!(legacy.push(kind, body));
    }
    assert_eq!(legacy.bodies().len(), 2, "HEVC as codec 12, and AAC");
}

#[test]
fn tracks_of_one_message_are_kept_together_until_each_has_a_newer_one() {
    use video::PacketType::SequenceStart;
    let mut bench = Bench::default();
    let both = video(SequenceStart, &[], Layout::ManyTracks(FourCc::HVC1, &[(0, b"a"), (1, b"b")]));
    bench.push(Kind::Video, both.clone());
    assert_eq!(bench.bodies(), std::slice::from_ref(&both), "once");
    let second = video(SequenceStart, &[], Layout::OneTrack(FourCc::AV01, 1, b"c"));
    bench.push(Kind::Video, second.clone());
    assert_eq!(bench.bodies(), [both, second.clone()]);
    let first = video(SequenceStart, &[], Layout::Plain(FourCc::AVC1, b"d"));
    bench.push(Kind::Video, first.clone());
    assert_eq!(bench.bodies(), [first, second]);
}

/// A prefix does not hide what kind of header it is, and the two forms of AV1's configuration are one.
#[test]
fn prefixes_and_forms_of_the_same_header() {
    use video::PacketType::{Metadata, Mpeg2TsSequenceStart, SequenceStart};
    let nano = [ModEx::Nanoseconds(5)];
    let mut bench = Bench::default();
    let config = video(SequenceStart, &nano, Layout::Plain(FourCc::AV01, b"conf"));
    let colors = video(Metadata, &nano, Layout::Plain(FourCc::AV01, b"info"));
    bench.push(Kind::Video, config.clone());
    bench.push(Kind::Video, colors.clone());
    assert_eq!(bench.bodies(), [config, colors.clone()]);
    let other = video(Mpeg2TsSequenceStart, &[], Layout::Plain(FourCc::AV01, b"desc"));
    bench.push(Kind::Video, other.clone());
    assert_eq!(bench.bodies(), [other, colors]);
}

#[test]
fn another_codec_takes_the_colours_and_channels_of_the_last_one_along() {
    let mut bench = Bench::default();
    let old = Layout::Plain(FourCc::OPUS, b"\0\x02");
    bench.push(Kind::Audio, audio(audio::PacketType::SequenceStart, old));
    bench.push(Kind::Audio, audio(audio::PacketType::MultichannelConfig, old));
    let new = audio(audio::PacketType::SequenceStart, Layout::Plain(FourCc::FLAC, b"fLaC"));
    bench.push(Kind::Audio, new.clone());
    assert_eq!(bench.bodies(), [new]);
}

/// A snapshot is made anew only when a header has changed, and headers without end take no memory without end.
#[test]
fn repeats_cost_nothing_and_bytes_are_bounded() {
    let mut bench = Bench::default();
    bench.push(Kind::Audio, &b"\xaf\0\x12\x10"[..]);
    let first = bench.headers.snapshot();
    bench.push(Kind::Audio, &b"\xaf\0\x12\x10"[..]);
    assert!(Arc::ptr_eq(&first, &bench.headers.snapshot()));
    let huge = vec![0; 100 * 1024];
    for track in 0..=255 {
        let layout = Layout::OneTrack(FourCc::AVC1, track, &huge);
        bench.push(Kind::Video, video(video::PacketType::SequenceStart, &[], layout));
    }
    let kept: usize = bench.bodies().iter().map(Bytes::len).sum();
    assert!((MOST_BYTES / 2..=MOST_BYTES).contains(&kept), "{kept}");
}

/// Found by hostile peers: with headers for all of 512 tracks each further one was held against every other, a second for
/// what came in one read. The limit is far above what it takes, and far below what it took.
#[test]
fn a_header_for_each_frame_of_512_tracks_is_no_quadratic_work() {
    let mut bench = Bench::default();
    let begin = std::time::Instant::now();
    for round in 0..60u8 {
        for track in 0..=255 {
            let body = [round, track];
            let layout = Layout::OneTrack(FourCc::AVC1, track, &body);
            bench.push(Kind::Video, video(video::PacketType::SequenceStart, &[], layout));
            let layout = Layout::OneTrack(FourCc::OPUS, track, &body);
            bench.push(Kind::Audio, audio(audio::PacketType::SequenceStart, layout));
        }
    }
    assert_eq!(bench.bodies().len(), 512);
    let kept: usize = bench.bodies().iter().map(Bytes::len).sum();
    assert_eq!(bench.headers.bytes, kept);
    assert!(begin.elapsed() < std::time::Duration::from_secs(8), "{:?}", begin.elapsed());
}
