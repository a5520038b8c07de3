//! File sources against FFmpeg: what comes out of an MP4 is what `ffmpeg -c copy -f flv` makes of it, packet by packet.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use outflow::media::{Kind, Packet};
use outflow::source::file;
use outflow_testkit::flv::{Tag, read_file};
use outflow_testkit::peers::{Found, Peer, find};
use support::run;

/// FFmpeg; a machine without it fails these tests, unless it says that it has no peers.
fn ffmpeg(peer: Peer) -> Option<Found> {
    let found = find(peer);
    if found.is_none() && std::env::var_os("OUTFLOW_SKIP_PEERS").is_none() && peer == Peer::Ffmpeg {
        panic!("FFmpeg is needed by this test: install it, or set OUTFLOW_SKIP_PEERS=1");
    }
    found
}

fn make(ffmpeg: &Found, arguments: &str, out: &Path) -> PathBuf {
    let words = format!("-hide_banner -loglevel error -nostdin -y {arguments}");
    let output = Command::new(&ffmpeg.path).args(words.split_whitespace()).arg(out).output().unwrap();
    assert!(output.status.success(), "ffmpeg {arguments} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    out.to_owned()
}

/// One media packet: time from the first one of the file, body.
fn frames(tags: &[Tag], kind: u8) -> Vec<(i64, Vec<u8>)> {
    tags.iter()
        .filter(|tag| tag.kind == kind && is_media(tag))
        .map(|tag| (i64::from(tag.time), tag.body.to_vec()))
        .collect()
}

/// Leaves out headers, ends of sequence, and the messages on colour and channels, which only FFmpeg's muxer writes.
fn is_media(tag: &Tag) -> bool {
    tag.is_frame()
        && !matches!((tag.kind, tag.body[0] & 0x8f), (9, 0x82 | 0x84))
        && !matches!((tag.kind, tag.body[0]), (8, 0x94))
}

fn as_tags(packets: &[Packet]) -> Vec<Tag> {
    let kind = |packet: &Packet| match packet.kind {
        Kind::Audio => 8,
        Kind::Video => 9,
        Kind::Data => 18,
    };
    packets
        .iter()
        .map(|packet| Tag { kind: kind(packet), time: packet.dts as u32, body: packet.body.clone() })
        .collect()
}

/// Compares our packets of `media` with what `ffmpeg -c copy -f flv` writes: the same bodies (which hold the CTS) at the
/// same times, up to one shift for all and `tolerance` milliseconds.
fn same_as_ffmpeg(ffmpeg: &Found, media: &Path, tolerance: i64, folder: &Path) {
    let flv = make(ffmpeg, &format!("-i {} -c copy -f flv", media.display()), &folder.join("reference.flv"));
    let theirs = read_file(&flv).unwrap();
    let (ended, kept) = run(&file::KIND, media.to_str().unwrap(), &[]);
    assert!(ended.is_clean(), "{ended:?}");
    let packets = kept.packets.lock().unwrap();
    let ours = as_tags(&packets);
    let mut shift = None;
    for kind in [9, 8] {
        let (theirs, ours) = (frames(&theirs, kind), frames(&ours, kind));
        let bodies = |frames: &[(i64, Vec<u8>)]| frames.iter().map(|(_, body)| body.clone()).collect::<Vec<_>>();
        let name = media.file_name().unwrap().to_string_lossy();
        assert_eq!(ours.len(), theirs.len(), "{name}: number of packets of kind {kind}");
        assert!(
            bodies(&ours) == bodies(&theirs),
            "{name}: the bodies of kind {kind} differ: {:?}",
            first_difference(&ours, &theirs)
        );
        for (index, ((our, _), (their, _))) in ours.iter().zip(&theirs).enumerate() {
            let shift = *shift.get_or_insert(their - our);
            assert!(
                (their - our - shift).abs() <= tolerance,
                "{name}: packet {index} of kind {kind} is at {our} ms, FFmpeg has it at {their} ms, the shift is {shift} ms"
            );
        }
        let header = |tags: &[Tag]| {
            tags.iter().find(|tag| tag.kind == kind && tag.is_sequence_header()).map(|tag| tag.body.clone())
        };
        let (our_header, their_header) = (header(&as_tags(&packets)), header(&read_file(&flv).unwrap()));
        if their_header.as_ref().is_some_and(|body| body.starts_with(b"\x90fLaC")) {
            // FFmpeg leaves out the marker and block header that Enhanced RTMP asks for, and reads both.
            assert_eq!(our_header.unwrap()[13..], their_header.unwrap()[5..], "{name}: FLAC header");
        } else if let (Some(our), Some(their)) = (&our_header, &their_header)
            && our.starts_with(b"\x90hvc1")
        {
            // FFmpeg clears the "complete" bit of each array of parameter sets; ours is the file's own record.
            let complete = |(our, their): (&u8, &u8)| our == their || *our == their | 0x80;
            assert!(our.len() == their.len() && our.iter().zip(their).all(complete), "{name}: HEVC header");
        } else {
            assert_eq!(our_header, their_header, "{name}: sequence header of kind {kind}");
        }
    }
}

fn first_difference(ours: &[(i64, Vec<u8>)], theirs: &[(i64, Vec<u8>)]) -> Option<(usize, String, String)> {
    let index = ours.iter().zip(theirs).position(|(our, their)| our.1 != their.1)?;
    let begin = |frame: &(i64, Vec<u8>)| format!("{} ms {:02x?}", frame.0, &frame.1[..frame.1.len().min(16)]);
    Some((index, begin(&ours[index]), begin(&theirs[index])))
}

const PICTURE: &str = "-f lavfi -i testsrc2=s=160x120:r=25:d=3";
const SOUND: &str = "-f lavfi -i sine=d=3:r=44100";

#[test]
fn h264_and_aac_in_every_kind_of_mp4_are_what_ffmpeg_makes_of_them() {
    let Some(ffmpeg) = ffmpeg(Peer::Ffmpeg) else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let encode = format!("{PICTURE} {SOUND} -c:v libx264 -bf 2 -g 25 -c:a aac");
    let plain = make(&ffmpeg, &encode, &path("plain.mp4"));
    same_as_ffmpeg(&ffmpeg, &plain, 0, folder.path());
    let copy =
        |options: &str, name: &str| make(&ffmpeg, &format!("-i {} -c copy {options}", plain.display()), &path(name));
    for (options, name) in [
        ("-movflags faststart", "front.mp4"),
        ("", "quicktime.mov"),
        ("-movflags frag_keyframe+empty_moov", "fragments.mp4"),
        ("-movflags frag_keyframe+empty_moov+default_base_moof", "moof_base.mp4"),
        ("-movflags frag_every_frame+empty_moov+separate_moof", "separate.mp4"),
        ("-movflags dash+frag_keyframe", "dash.mp4"),
        ("-movflags negative_cts_offsets", "negative.mp4"),
        ("-use_editlist 0", "no_edits.mp4"),
        ("-an", "video_only.mp4"),
        ("-vn", "audio_only.m4a"),
        ("-video_track_timescale 30000", "timescale.mp4"),
    ] {
        let media = copy(options, name);
        same_as_ffmpeg(&ffmpeg, &media, 0, folder.path());
    }
    // Cut within a group of pictures: the edit list hides what is before the cut. Where it begins within a picture,
    // FFmpeg moves the video to the picture's edge; we keep to the list, and to the sound.
    for (from, name) in [("1.3", "cut.mp4"), ("0.5", "cut_early.mp4")] {
        let cut = make(&ffmpeg, &format!("-ss {from} -i {} -c copy", plain.display()), &path(name));
        same_as_ffmpeg(&ffmpeg, &cut, 40, folder.path());
    }
    Peer::Ffmpeg.ran();
}

#[test]
fn every_codec_that_enhanced_rtmp_has_is_what_ffmpeg_makes_of_it() {
    let Some(ffmpeg) = ffmpeg(Peer::Ffmpeg9) else { return };
    let folder = tempfile::tempdir().unwrap();
    for (name, options) in [
        ("hevc_opus.mp4", "-c:v libx265 -x265-params log-level=none:bframes=3 -tag:v hvc1 -c:a libopus"),
        ("hev1_eac3.mp4", "-c:v libx265 -x265-params log-level=none:bframes=0 -tag:v hev1 -c:a eac3"),
        ("av1_flac.mp4", "-c:v libsvtav1 -c:a flac -strict -2"),
        ("vp9_ac3.mp4", "-c:v libvpx-vp9 -c:a ac3"),
        ("avc_mp3.mp4", "-c:v libx264 -c:a libmp3lame"),
        ("avc_mp3_mono_22k.mp4", "-c:v libx264 -c:a libmp3lame -ar 22050 -ac 1"),
        ("avc_heaac.mp4", "-c:v libx264 -c:a aac -ar 48000 -ac 6"),
    ] {
        let media = make(&ffmpeg, &format!("{PICTURE} {SOUND} {options}"), &folder.path().join(name));
        same_as_ffmpeg(&ffmpeg, &media, 0, folder.path());
    }
    Peer::Ffmpeg9.ran();
}
