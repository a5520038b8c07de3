//! What goes out of each form of a body, by what is selected.
#![allow(clippy::unwrap_used)]
use std::time::Instant;

use super::*;

fn picker(names: &[&str]) -> Picker {
    Picker::new(&Tracks::parse(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap())
}

fn packet(kind: Kind, body: &[u8]) -> Packet {
    classify::packet(kind, 7, Bytes::copy_from_slice(body), Instant::now())
}

fn pick(picker: &mut Picker, kind: Kind, body: &[u8]) -> Option<Vec<u8>> {
    picker.pick(&packet(kind, body)).map(|packet| packet.body.to_vec())
}

/// AAC and H.264 of a further track in each of the three layouts, alone: as a server of 2012 knows them.
#[test]
fn the_only_track_of_its_kind_is_an_ordinary_one_in_the_oldest_form() {
    let mut second = picker(&["video:1", "audio:1"]);
    for (body, wanted) in [
        (&b"\x95\x00mp4a\x01\x12\x10"[..], &b"\xaf\x00\x12\x10"[..]),
        (b"\x95\x10mp4a\x00\0\0\x02\x11\x90\x01\0\0\x02\x12\x10", b"\xaf\x00\x12\x10"),
        (b"\x95\x20Opus\x00\0\0\x01hmp4a\x01\0\0\x02\x12\x10", b"\xaf\x00\x12\x10"),
        (b"\x95\x01mp4a\x01d", b"\xaf\x01d"),
        (b"\x95\x11mp4a\x00\0\0\x01d\x01\0\0\x02ef", b"\xaf\x01ef"),
        (b"\x95\x21Opus\x00\0\0\x01dmp4a\x01\0\0\x02ef", b"\xaf\x01ef"),
        // Another codec has no older form.
        (b"\x95\x01Opus\x01d", b"\x91Opusd"),
    ] {
        assert_eq!(pick(&mut second, Kind::Audio, body).as_deref(), Some(wanted), "{body:?}");
    }
    for (body, wanted) in [
        (&b"\x96\x10avc1\x00\0\0\x01c\x01\0\0\x02de"[..], &b"\x17\x00\0\0\0de"[..]),
        (b"\xa6\x21hvc1\x00\0\0\x04\0\0\0davc1\x01\0\0\x04\0\0\x28e", b"\x27\x01\0\0\x28e"),
        (b"\x96\x03avc1\x01e", b"\x17\x01\0\0\0e"),
        (b"\x96\x13av01\x00\0\0\x01a\x01\0\0\x01b", b"\x93av01b"),
    ] {
        assert_eq!(pick(&mut second, Kind::Video, body).as_deref(), Some(wanted), "{body:?}");
    }
    let key = second.pick(&packet(Kind::Video, b"\x96\x03avc1\x01e")).unwrap();
    assert!(key.flags.keyframe && key.track == 0 && key.dts == 7);
    let header = second.pick(&packet(Kind::Audio, b"\x95\x00mp4a\x01\x12\x10")).unwrap();
    assert!(header.flags.header && header.track == 0);
    // The first tracks, whatever their form.
    for body in [&b"\xaf\x01d"[..], b"\x95\x01mp4a\x00d", b"\x95\x11mp4a\x00\0\0\x01d\x02\0\0\x01e"] {
        assert_eq!(pick(&mut second, Kind::Audio, body), None);
    }
    assert_eq!(pick(&mut second, Kind::Video, b"\x17\x01\0\0\0d"), None);
}

#[test]
fn what_is_ordinary_already_is_not_copied() {
    let mut first = picker(&["video", "audio"]);
    for (kind, body) in [
        (Kind::Video, &b"\x17\x01\0\0\0d"[..]),
        (Kind::Video, b"\x91hvc1\0\0\0d"),
        (Kind::Video, b"\x1c\x01\0\0\0d"),
        (Kind::Audio, b"\xaf\x01d"),
        (Kind::Audio, b"\x91Opusd"),
        (Kind::Audio, b"\x2fmp3"),
        (Kind::Data, b"\x02\x00\x0aonMetaData\x08"),
        (Kind::Video, b"\xd0\x01"),
    ] {
        let given = packet(kind, body);
        let picked = first.pick(&given).unwrap();
        assert!(is_same(&picked.body, &given.body), "{body:?}");
    }
    // H.264 in its new form has an older one, and what tells of it is left out then: it has none.
    assert_eq!(pick(&mut first, Kind::Video, b"\x90avc1conf").as_deref(), Some(&b"\x17\x00\0\0\0conf"[..]));
    assert_eq!(pick(&mut first, Kind::Audio, b"\x90mp4a\x12\x10").as_deref(), Some(&b"\xaf\x00\x12\x10"[..]));
    assert_eq!(pick(&mut first, Kind::Video, b"\x94avc1\x02\0\x09colorInfo"), None);
    assert_eq!(pick(&mut first, Kind::Audio, b"\x94mp4a\x01\x02\0\0\0\x03"), None);
    assert_eq!(
        pick(&mut first, Kind::Video, b"\xd0\x01").as_deref(),
        Some(&b"\x57\x01"[..]),
        "a command, as its frames"
    );
    assert_eq!(pick(&mut first, Kind::Video, b"\x92avc1").as_deref(), Some(&b"\x17\x02\0\0\0"[..]));
    // Those of a further track that FFmpeg sends as if they were of the first.
    assert_eq!(pick(&mut first, Kind::Video, b"\xd4hvc1\x02\0\x09colorInfo"), None);
    // Of codecs that have no older form they go out.
    assert!(
        pick(&mut first, Kind::Video, b"\x90hvc1conf").is_some()
            && pick(&mut first, Kind::Audio, b"\x90Opusconf").is_some()
    );
    assert!(pick(&mut first, Kind::Video, b"\x94hvc1\x02\0\x09colorInfo").is_some());
    assert!(pick(&mut first, Kind::Audio, b"\x94Opus\x01\x02\0\0\0\x03").is_some());
    assert_eq!(pick(&mut picker(&["audio"]), Kind::Video, b"\x17\x01\0\0\0d"), None);
}

/// As FFmpeg 9 sends MP3 as a second track: a header that says nothing, the channels, frames. The old form has frames alone.
#[test]
fn mp3_as_the_only_sound_is_frames_in_the_old_form_and_nothing_else() {
    let header = &b"\x95\x00.mp3\x01"[..];
    let channels = &b"\x95\x04.mp3\x01\x01\x02\0\0\0\x03"[..];
    let frame = &b"\x95\x01.mp3\x01\xff\xfb\x90\x00d"[..];
    for order in [&[header, channels][..], &[channels, header], &[channels], &[header], &[]] {
        let mut second = picker(&["video", "audio:1"]);
        for body in order {
            assert_eq!(pick(&mut second, Kind::Audio, body), None, "{body:?}");
        }
        for _ in 0..2 {
            assert_eq!(pick(&mut second, Kind::Audio, frame).as_deref(), Some(&b"\x2f\xff\xfb\x90\x00d"[..]));
            for body in [header, channels, b"\x95\x02.mp3\x01"] {
                assert_eq!(pick(&mut second, Kind::Audio, body), None, "{body:?}");
            }
        }
    }
    // Some put something into its header; an AAC header with nothing in it says nothing either, nor do its channels alone.
    let mut second = picker(&["video", "audio:1"]);
    for body in [&b"\x95\x00.mp3\x01x"[..], b"\x95\x00mp4a\x01", b"\x95\x04mp4a\x01\x01\x02\0\0\0\x03"] {
        assert_eq!(pick(&mut second, Kind::Audio, body), None, "{body:?}");
    }
    assert_eq!(pick(&mut second, Kind::Audio, b"\x95\x00Opus\x01").as_deref(), Some(&b"\x90Opus"[..]));
}

#[test]
fn several_of_a_kind_keep_their_numbers() {
    let mut some = picker(&["video", "audio:0", "audio:2"]);
    let body = b"\x95\x11mp4a\x00\0\0\x01a\x01\0\0\x01b\x02\0\0\x01c";
    let wanted = &b"\x95\x11mp4a\x00\0\0\x01a\x02\0\0\x01c"[..];
    assert_eq!(pick(&mut some, Kind::Audio, body).as_deref(), Some(wanted));
    assert_eq!(pick(&mut some, Kind::Audio, b"\x95\x01mp4a\x01d"), None);
    for whole in [&b"\x95\x01mp4a\x02d"[..], b"\xaf\x01d"] {
        assert_eq!(pick(&mut some, Kind::Audio, whole).as_deref(), Some(whole));
    }
    let last = some.pick(&packet(Kind::Audio, b"\x95\x11mp4a\x01\0\0\x01b\x02\0\0\x01c")).unwrap();
    assert_eq!((&last.body[..], last.track), (&b"\x95\x01mp4a\x02c"[..], 2));
}

/// What nobody can read goes where it went before.
#[test]
fn broken_bodies_count_as_the_track_that_they_seem_to_be() {
    let mut first = picker(&["video", "audio"]);
    for (kind, body) in [
        (Kind::Video, &b""[..]),
        (Kind::Video, b"\x96"),
        (Kind::Video, b"\x96\x13av01\x00\0\0\x09a"),
        (Kind::Audio, b"\x95\x36"),
    ] {
        assert_eq!(pick(&mut first, kind, body).as_deref(), Some(body), "{body:?}");
        assert_eq!(pick(&mut picker(&["video:1", "audio:1"]), kind, body), None, "{body:?}");
    }
}
