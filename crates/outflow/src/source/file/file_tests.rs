//! What words of the file source are accepted, what is said of those that are not, and damaged FLV files.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::media::Kind;
use crate::options::{self, Options, value};

const FLV: &[u8] = include_bytes!("../../../tests/data/tiny.flv");
const MP4: &[u8] = include_bytes!("../../../tests/data/tiny.mp4");

fn node(path: &Path, settings: &[(&'static str, &str)]) -> Node {
    let mut typed = Options::with_defaults(options::defaults(KIND.options));
    for (name, text) in settings {
        let spec = options::find(KIND.options, name).unwrap();
        typed.set(name, value::parse(spec.ty, text).unwrap());
    }
    let url = MediaUrl::new(path.to_str().unwrap());
    Node { index: 1, word: "-i x".into(), kind: "file", name: "in".into(), url: Some(url), options: typed }
}

fn problem(path: &Path, settings: &[(&'static str, &str)]) -> String {
    open(&node(path, settings)).err().map(|error| error.to_string()).unwrap_or_default()
}

/// A file with this name and these bytes, in a folder that lives as long as what is returned.
fn file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

#[test]
fn of_a_file_that_is_none_it_says_what_to_do() {
    let said = |bytes: &[u8]| {
        let (_folder, path) = file("a.mp4", bytes);
        open_media(&path, Pick { video: None, audio: None, named: false }).err().map(|error| error.text).unwrap()
    };
    assert_eq!(said(b""), "the file is empty");
    for junk in [&b"[\x9C\x01\xFF\0\x80\x13 and so on"[..], b"\x01\x02\xF0\xF1\xF2\xF3\xF4\xF5\xF6\xF7\xF8\xF9\xFA\xFB"]
    {
        let said = said(junk);
        assert!(said.starts_with("this is something unknown, not FLV; "), "{said}");
        assert!(said.contains("complete") && said.contains("ffmpeg -i FILE"), "{said}");
    }
}

#[test]
fn the_kind_is_known_by_the_end_of_the_name() {
    for (word, accepted) in [
        ("a.flv", true),
        ("/x/B.MP4", true),
        ("file:///x/c.mov", true),
        ("d.m4v", true),
        ("e.mkv", false),
        ("-", false),
        ("rtmp://h/live/x.flv", false),
        ("http://h/x.mp4", false),
    ] {
        assert_eq!((KIND.accepts)(&MediaUrl::new(word), false), accepted, "{word}");
    }
}

#[test]
fn files_that_cannot_be_played_are_told_before_anything_starts() {
    let (folder, flv) = file("a.flv", FLV);
    assert_eq!(problem(&flv, &[]), "");
    assert!(problem(&folder.path().join("no.flv"), &[]).contains("there is no file"));
    assert!(problem(folder.path(), &[]).contains("is a directory"));
    for (bytes, said) in [
        (&b""[..], "empty"),
        (b"\x1a\x45\xdf\xa3 and so on", "Matroska"),
        (b"<html><body>Not found</body></html>", "HTML"),
        (b"FLV\x01\x05", "ends in its header"),
        (&[0x47; 400], "MPEG transport stream"),
        (&FLV[..13], "without a single video or audio tag"),
        (&MP4[..500], "cut off"),
    ] {
        let (_folder, path) = file("b.flv", bytes);
        let text = problem(&path, &[]);
        assert!(text.contains(said), "{text:?} does not say {said:?}");
    }
}

#[test]
fn a_file_is_read_as_what_it_is_not_as_what_it_is_called() {
    let (_folder, path) = file("really_mp4.flv", MP4);
    assert_eq!(problem(&path, &[("tracks", "audio")]), "");
}

#[test]
fn options_are_checked() {
    let (_folder, flv) = file("a.flv", FLV);
    let (_folder, mp4) = file("a.mp4", MP4);
    assert!(problem(&flv, &[("tracks", "video")]).contains("picks tracks of MP4 files"));
    assert!(problem(&mp4, &[("tracks", "video,video:0")]).contains("two video tracks"));
    assert!(problem(&mp4, &[("tracks", "subtitle")]).contains("`subtitle` is not video"));
    assert!(problem(&mp4, &[("tracks", "audio:7")]).contains("no track audio:7"));
    assert!(problem(&mp4, &[("times", "0")]).contains("0 times"));
    assert!(problem(&mp4, &[("times", "2"), ("loop", "yes")]).contains("write one of them"));
    assert_eq!(times(&node(&mp4, &[("loop", "yes")])).unwrap(), None);
    assert_eq!(times(&node(&mp4, &[("times", "3")])).unwrap(), Some(3));
    assert_eq!(times(&node(&mp4, &[])).unwrap(), Some(1));
}

/// Packets of an FLV until its end or its first error.
fn read(bytes: &[u8]) -> (usize, Option<ReadError>) {
    let mut media = match FlvDemuxer::new(bytes).look_ahead() {
        Ok(media) => media,
        Err(error) => return (0, Some(error)),
    };
    let mut count = 0;
    loop {
        match media.next() {
            Ok(Some(packet)) => {
                assert!(packet.body.len() <= bytes.len());
                count += 1;
            }
            Ok(None) => return (count, None),
            Err(error) => return (count, Some(error)),
        }
    }
}

#[test]
fn an_flv_cut_off_anywhere_plays_up_to_there_and_says_where() {
    let (whole, error) = read(FLV);
    assert_eq!(error, None);
    for length in 0..FLV.len() {
        let (count, error) = read(&FLV[..length]);
        assert!(count <= whole);
        if let Some(error) = error {
            assert!(error.offset.is_some_and(|offset| offset <= length as u64), "{length}: {error}");
        }
    }
    assert!(read(&FLV[..FLV.len() - 30]).1.unwrap().text.contains("ends inside"));
}

#[test]
fn the_first_tags_tell_what_there_is() {
    let media = FlvDemuxer::new(FLV).look_ahead().unwrap();
    assert_eq!(media.tracks(), (Some(true), Some(true)));
    // Only the sound, under a header that promises both.
    let mut sound = FLV[..13].to_vec();
    let mut at = 13;
    while let Some(head) = FLV.get(at..at + 11) {
        let size = 15 + u32::from_be_bytes([0, head[1], head[2], head[3]]) as usize;
        if head[0] == 8 {
            sound.extend_from_slice(&FLV[at..at + size]);
        }
        at += size;
    }
    let mut media = FlvDemuxer::new(&sound[..]).look_ahead().unwrap();
    assert_eq!(media.tracks(), (Some(false), Some(true)));
    assert_eq!(media.next().unwrap().unwrap().kind, Kind::Audio);
}

#[test]
fn times_are_unwrapped() {
    let tag = |time: u32| {
        let [extended, a, b, c] = time.to_be_bytes();
        vec![8, 0, 0, 3, a, b, c, extended, 0, 0, 0, 0xaf, 1, 9, 0, 0, 0, 14]
    };
    let bytes = [b"FLV\x01\x04\0\0\0\x09\0\0\0\0".to_vec(), tag(u32::MAX - 10), tag(13), tag(36), tag(20)].concat();
    let mut media = FlvDemuxer::new(&bytes[..]);
    let mut times = Vec::new();
    while let Some(packet) = media.next().unwrap() {
        times.push(packet.dts);
    }
    assert_eq!(times, [-11, 13, 36, 20]);
}

/// Enhanced RTMP v2 "Enabling AMF3 in FLV": tag type 15, a format byte, then as in AMF0.
#[test]
fn script_data_of_amf3_is_read_as_amf0() {
    // `onMetaData`, then an AMF3 object {a: 1} behind the marker 0x11.
    let body = b"\0\x02\0\x0aonMetaData\x11\x0a\x13\x01\x03a\x04\x01";
    let head = [15, 0, 0, body.len() as u8, 0, 0, 7, 0, 0, 0, 0];
    let bytes = [&b"FLV\x01\x04\0\0\0\x09\0\0\0\0"[..], &head, body, &[0, 0, 0, 11 + body.len() as u8]].concat();
    let packet = FlvDemuxer::new(&bytes[..]).next().unwrap().unwrap();
    assert!(packet.kind == Kind::Data && packet.flags.header && packet.dts == 7);
    assert_eq!(&packet.body[..], b"\x02\0\x0aonMetaData\x03\0\x01a\0\x3f\xf0\0\0\0\0\0\0\0\0\x09");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn noise_in_an_flv_is_survived(noise in prop::collection::vec(any::<u8>(), 1..200), at in any::<prop::sample::Index>()) {
        let _ = read(&noise);
        let mut file = FLV.to_vec();
        let start = at.index(file.len());
        for (byte, noise) in file.iter_mut().skip(start).zip(&noise) {
            *byte = *noise;
        }
        let _ = read(&file);
    }
}
