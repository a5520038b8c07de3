//! Tests of reading and writing FLV tags.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::super::{write_header, write_tag};
use super::*;
use proptest::prelude::*;

const FILE: &[u8] = include_bytes!("../../tests/data/multitrack.flv");

fn read(pieces: &[&[u8]]) -> Result<Vec<Tag>> {
    let mut reader = TagReader::new(&Limits::default());
    let mut tags = Vec::new();
    for piece in pieces {
        reader.feed(piece);
        while let Some(tag) = reader.next()? {
            tags.push(tag);
        }
    }
    reader.finish()?;
    Ok(tags)
}

fn failure(bytes: &[u8]) -> (String, u64) {
    let error = read(&[bytes]).unwrap_err();
    (error.to_string(), error.at.offset.unwrap())
}

fn header() -> BytesMut {
    let mut out = BytesMut::new();
    write_header(&mut out, true, true);
    out
}

#[test]
fn a_real_file() {
    let tags = read(&[FILE]).unwrap();
    assert_eq!(tags.len(), 12);
    assert_eq!((tags[0].kind, tags[0].timestamp, tags[0].payload.len()), (TagKind::Script, 0, 292));
    assert_eq!((tags[7].kind, tags[7].timestamp, tags[7].payload.len()), (TagKind::Video, 100, 2026));
    assert_eq!(
        (tags[11].kind, tags[11].timestamp, &tags[11].payload[..]),
        (TagKind::Video, 900, &[0x17, 2, 0, 0, 0][..])
    );
}

#[test]
fn writing_what_was_read_gives_the_same_bytes() {
    let mut out = header();
    for tag in read(&[FILE]).unwrap() {
        write_tag(&mut out, tag.kind, tag.timestamp, &tag.payload).unwrap();
    }
    assert_eq!(&out[..], FILE);
}

#[test]
fn the_extended_byte_holds_the_upper_bits() {
    let mut out = header();
    write_tag(&mut out, TagKind::Audio, 0xFEDC_BA98, &[1]).unwrap();
    assert_eq!(out[13..13 + 11], [8, 0, 0, 1, 0xDC, 0xBA, 0x98, 0xFE, 0, 0, 0]);
    assert_eq!(read(&[&out]).unwrap()[0].timestamp, 0xFEDC_BA98);
}

#[test]
fn sloppy_files_are_read() {
    // Version 9, odd flags, an offset of 12, a wrong first back pointer; a stream id; a wrong last back pointer.
    let mut file = b"FLV\x09\xFF\0\0\0\x0C...\xEE\xEE\xEE\xEE".to_vec();
    file.extend([18, 0, 0, 2, 0, 0, 7, 0, 9, 9, 9, b'o', b'k', 1, 2, 3, 4]);
    // No body, no stream end: the last back pointer is missing.
    file.extend([15, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0]);
    let tags = read(&[&file]).unwrap();
    assert_eq!(tags[0], Tag { kind: TagKind::Script, timestamp: 7, payload: Bytes::from_static(b"ok") });
    assert_eq!(tags[1], Tag { kind: TagKind::Other(15), timestamp: 8, payload: Bytes::new() });
    // An offset of 0.
    assert_eq!(read(&[b"FLV\x01\x05\0\0\0\0\0\0\0\0"]).unwrap(), []);
}

#[test]
fn other_files_are_named() {
    assert_eq!(failure(b"\x47\x40\x11\x10\0\x42\xF0\x25\0\x01\xC1\0\0\xFF").0, "this is MPEG-TS, not FLV (at byte 0)");
    assert_eq!(failure(b"\0\0\0\x20ftypisom\0\0\x02\0").0, "this is MP4, not FLV (at byte 0)");
    assert_eq!(failure(b"<html><head><title>").0, "this is HTML, not FLV (at byte 0)");
    assert_eq!(failure(b"").0, "this is nothing, an empty file, not FLV (at byte 0)");
    assert_eq!(failure(b"oops").0, "this is text, not FLV (at byte 0)");
}

#[test]
fn damage_is_an_error_with_its_offset_and_final() {
    let after = |tag: &[u8]| failure(&[&header(), tag].concat());
    let (text, at) = after(&[0x28, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]);
    assert!(text.contains("encrypted") && at == 13, "{text}");
    let (text, at) = after(&[0xC8, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]);
    assert!(text.contains("damaged") && at == 13, "{text}");
    let (text, at) = after(&[9, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0]);
    assert!(text.contains("16777215 bytes, more than the limit of 10485760") && at == 13, "{text}");
    let (text, at) = after(&[9, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1, 2]);
    assert!(text.contains("ends inside") && at == 13, "{text}");
    let (text, _) = failure(&[FILE, FILE].concat());
    assert!(text.contains("another FLV file"), "{text}");
    let (text, _) = failure(b"FLV\x01\x05\xFF\0\0\x09\0\0\0\0");
    assert!(text.contains("far away"), "{text}");
    let (text, _) = failure(b"FLV\x01");
    assert!(text.contains("ends in its header"), "{text}");

    let mut reader = TagReader::new(&Limits::default());
    reader.feed(&[b'x'; 20]);
    let first = reader.next().unwrap_err();
    reader.feed(FILE);
    assert_eq!(reader.next().unwrap_err(), first);
    assert_eq!(reader.finish().unwrap_err(), first);
}

#[test]
fn zeros_without_end_are_no_tags() {
    for good in [&header()[..], FILE] {
        let mut reader = TagReader::new(&Limits::default());
        reader.feed(good);
        while reader.next().unwrap().is_some() {}
        let (mut fed, mut error) = (0, None);
        while error.is_none() && fed < 1000 {
            reader.feed(&[0; 10]);
            fed += 10;
            while let Some(tag) = reader.next().unwrap_or_else(|found| {
                error = Some(found);
                None
            }) {
                assert_eq!(tag.kind, TagKind::Other(0));
            }
        }
        let error = error.expect("zeros are taken for tags");
        assert_eq!(error.at.offset, Some(good.len() as u64), "{error}");
        assert!(error.to_string().contains("no type that FLV has"), "{error}");
    }
}

#[test]
fn single_tags_of_unknown_type_pass() {
    let mut out = header();
    for round in 0..100 {
        // A few in a row, as some recorders write them; one of them with a wrong back pointer.
        for kind in [1, 31, 10] {
            write_tag(&mut out, TagKind::Other(kind), round, b"x").unwrap();
        }
        let end = out.len() - 1;
        out[end] ^= 1;
        write_tag(&mut out, TagKind::Audio, round, b"\xaf\x01").unwrap();
    }
    assert_eq!(read(&[&out]).unwrap().len(), 400);
    let mut out = header();
    for _ in 0..20 {
        write_tag(&mut out, TagKind::Other(1), 0, b"x").unwrap();
    }
    assert_eq!(failure(&out).1, 13);
}

#[test]
fn a_payload_that_does_not_fit_is_not_written() {
    let mut out = BytesMut::new();
    assert!(write_tag(&mut out, TagKind::Video, 0, &vec![0; 1 << 24]).is_err());
    assert!(out.is_empty());
}

#[test]
fn byte_by_byte() {
    let pieces: Vec<&[u8]> = FILE.chunks(1).collect();
    assert_eq!(read(&pieces).unwrap(), read(&[FILE]).unwrap());
}

proptest! {
    #[test]
    fn any_split_gives_the_same_tags(cuts in prop::collection::vec(0..FILE.len(), 0..20)) {
        let mut cuts = cuts;
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut start = 0;
        for cut in cuts {
            pieces.push(&FILE[start..cut]);
            start = cut;
        }
        pieces.push(&FILE[start..]);
        prop_assert_eq!(read(&pieces).unwrap(), read(&[FILE]).unwrap());
    }

    #[test]
    fn write_then_read_is_the_identity(tags in prop::collection::vec((0u8..32, any::<u32>(), prop::collection::vec(any::<u8>(), 0..50)), 0..10)) {
        let mut out = header();
        for (kind, timestamp, payload) in &tags {
            write_tag(&mut out, TagKind::from_number(*kind), *timestamp, payload).unwrap();
        }
        let back: Vec<_> = read(&[&out]).unwrap().iter().map(|t| (t.kind.number(), t.timestamp, t.payload.to_vec())).collect();
        prop_assert_eq!(back, tags);
    }

    #[test]
    fn damage_is_no_panic(index in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut file = FILE.to_vec();
        file[index.index(FILE.len())] = byte;
        let _ = read(&[&file]);
    }
}
