//! Damaged MP4 files: an error that says where, never a panic, a hang or a large allocation.
#![allow(clippy::unwrap_used)]

use std::io::Cursor;

use proptest::prelude::*;

use super::*;

const PLAIN: &[u8] = include_bytes!("../../../../tests/data/tiny.mp4");
const FRAGMENTS: &[u8] = include_bytes!("../../../../tests/data/tiny_fragments.mp4");
const QUICKTIME: &[u8] = include_bytes!("../../../../tests/data/tiny.mov");
const FILES: [&[u8]; 3] = [PLAIN, FRAGMENTS, QUICKTIME];

/// Packets of a file until its end or its first error; more than a small file can hold is a failure.
fn read(file: &[u8], pick: Pick) -> (Vec<Packet>, Option<ReadError>) {
    let mut media = match Mp4Demuxer::open(Cursor::new(file), file.len() as u64, pick) {
        Ok(media) => media,
        Err(error) => return (Vec::new(), Some(error)),
    };
    let mut packets = Vec::new();
    loop {
        assert!(packets.len() < 100_000, "more packets than the file can hold");
        match media.next() {
            Ok(Some(packet)) => packets.push(packet),
            Ok(None) => return (packets, None),
            Err(error) => return (packets, Some(error)),
        }
    }
}

fn summary(packets: &[Packet]) -> Vec<(Kind, i64, i32, Bytes)> {
    packets.iter().map(|packet| (packet.kind, packet.dts, packet.cts, packet.body.clone())).collect()
}

#[test]
fn the_three_kinds_of_file_give_the_same_media() {
    let (plain, error) = read(PLAIN, Pick::default());
    assert_eq!(error, None);
    let frames = plain.iter().filter(|packet| packet.kind == Kind::Video && !packet.flags.header).count();
    assert_eq!(frames, 8);
    assert!(plain[0].kind == Kind::Data && plain[0].flags.header, "onMetaData is first");
    assert!(plain[1].flags.header && plain[2].flags.header, "then both sequence headers");
    assert!(plain.iter().find(|packet| packet.kind == Kind::Video && !packet.flags.header).unwrap().flags.keyframe);
    assert_eq!(plain.iter().map(|packet| packet.dts).min(), Some(0));
    let of = |packets: &[Packet], kind: Kind| {
        let mut all = summary(packets);
        all.retain(|packet| packet.0 == kind);
        all
    };
    let (quicktime, error) = read(QUICKTIME, Pick::default());
    assert_eq!(error, None);
    let (fragments, error) = read(FRAGMENTS, Pick::default());
    assert_eq!(error, None);
    for kind in [Kind::Video, Kind::Audio] {
        assert_eq!(of(&plain, kind), of(&quicktime, kind));
        // FFmpeg gave the fragments other times, as they have no edit list.
        let bodies = |packets| of(packets, kind).into_iter().map(|packet| packet.3).collect::<Vec<_>>();
        assert_eq!(bodies(&plain), bodies(&fragments));
    }
}

#[test]
fn tracks_can_be_picked() {
    let pick = Pick { video: None, audio: Some(0), named: true };
    let (packets, error) = read(PLAIN, pick);
    assert_eq!(error, None);
    assert!(packets.len() > 2 && packets.iter().all(|packet| packet.kind != Kind::Video));
    let (_, error) = read(PLAIN, Pick { video: Some(1), audio: None, named: true });
    assert!(error.unwrap().text.contains("no track video:1; the file has 1 video"));
}

#[test]
fn a_codec_that_flv_cannot_carry_is_named_with_the_mend() {
    let mut file = PLAIN.to_vec();
    let at = file.windows(4).rposition(|four| four == b"avc1").unwrap();
    file[at..at + 4].copy_from_slice(b"jpeg");
    let (_, error) = read(&file, Pick::default());
    let text = error.unwrap().to_string();
    assert!(text.contains("track 1 (video, `jpeg`)") && text.contains("ffmpeg -i FILE -c:v libx264"), "{text}");
    let (packets, error) = read(&file, Pick { video: None, audio: Some(0), named: true });
    assert!(error.is_none() && !packets.is_empty(), "its sound can be sent all the same");
}

#[test]
fn a_file_cut_off_anywhere_says_where() {
    for file in FILES {
        let whole = summary(&read(file, Pick::default()).0);
        for length in 0..file.len() {
            let (packets, error) = read(&file[..length], Pick::default());
            if let Some(error) = error {
                assert!(error.offset.is_none_or(|offset| offset <= file.len() as u64), "{length}: {error}");
                assert!(!error.text.is_empty());
            }
            assert!(packets.len() <= whole.len());
            assert_eq!(summary(&packets), whole[..packets.len()], "cut at {length}: what is there is the same");
        }
    }
}

#[test]
fn a_recording_without_its_index_is_told() {
    let moov = PLAIN.windows(4).position(|four| four == b"moov").unwrap() - 4;
    let (_, error) = read(&PLAIN[..moov], Pick::default());
    assert!(error.unwrap().text.contains("no index (`moov`): its recording was probably cut off"));
}

#[test]
fn any_single_damaged_byte_is_survived() {
    for file in FILES {
        for index in 0..file.len() {
            for value in [0x00, 0x7f, 0xff, file[index] ^ 0x01] {
                let mut damaged = file.to_vec();
                damaged[index] = value;
                let (packets, _) = read(&damaged, Pick::default());
                let bytes: usize = packets.iter().map(|packet| packet.body.len()).sum();
                assert!(bytes < 40 * file.len(), "byte {index} = {value}: {bytes} bytes came out");
            }
        }
    }
}

#[test]
fn a_fragment_that_counts_more_than_it_holds_is_an_error() {
    let mut file = FRAGMENTS.to_vec();
    let trun = file.windows(4).position(|four| four == b"trun").unwrap();
    // No field per sample, and four thousand million samples.
    file[trun + 4..trun + 12].copy_from_slice(&[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    let (packets, error) = read(&file, Pick::default());
    assert!(error.unwrap().text.contains("a fragment of 4294967295 samples"), "{}", packets.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn noise_is_survived(noise in prop::collection::vec(any::<u8>(), 0..600), at in any::<prop::sample::Index>(), which in 0usize..3) {
        let _ = read(&noise, Pick::default());
        let mut file = FILES[which].to_vec();
        let start = at.index(file.len());
        for (byte, noise) in file.iter_mut().skip(start).zip(&noise).take(24) {
            *byte = *noise;
        }
        let _ = read(&file, Pick::default());
    }
}
