//! What `inspect` prints, and that it stands in nobody's way.
#![allow(clippy::unwrap_used)]

use std::time::Instant;

use bytes::Bytes;

use super::*;
use crate::media::classify;
use crate::options::{self, Options, value};

/// Takes packets and keeps them.
#[derive(Default)]
struct Kept(Mutex<Vec<Packet>>);

impl Intake for Kept {
    fn start(&self, _info: StreamInfo) {}
    fn push(&self, packet: Packet) {
        self.0.lock().push(packet);
    }
    fn end(&self, _clean: bool) {}
}

fn node(settings: &[(&'static str, &str)]) -> Node {
    let mut typed = Options::with_defaults(options::defaults(KIND.options));
    for (name, text) in settings {
        let spec = options::find(KIND.options, name).unwrap();
        typed.set(name, value::parse(spec.ty, text).unwrap());
    }
    Node { index: 1, word: "inspect".into(), kind: "inspect", name: "inspect".into(), url: None, options: typed }
}

const HIGH: &[u8] = &[
    0x17, 0, 0, 0, 0, 0x01, 0x64, 0x00, 0x0A, 0xFF, 0xE1, 0x00, 0x19, 0x67, 0x64, 0x00, 0x0A, 0xAC, 0xD9, 0x42, 0x84,
    0x7E, 0x5C, 0x04, 0x40, 0x00, 0x00, 0x03, 0x00, 0x40, 0x00, 0x00, 0x05, 0x03, 0xC4, 0x89, 0x65, 0x80, 0x01, 0x00,
    0x06, 0x68, 0xEB, 0xE3, 0xCB, 0x22, 0xC0, 0xFD, 0xF8, 0xF8, 0x00,
];

fn media() -> Vec<Packet> {
    let of = |kind, dts, body: &'static [u8]| classify::packet(kind, dts, Bytes::from_static(body), Instant::now());
    vec![
        of(Kind::Data, 0, b"\x02\0\x0aonMetaData\x08\0\0\0\x01\0\x09framerate\0\x40\x39\0\0\0\0\0\0\0\0\x09"),
        of(Kind::Video, 0, HIGH),
        of(Kind::Audio, 0, b"\xaf\0\x12\x08"),
        of(Kind::Video, 0, b"\x17\x01\0\0\x50key"),
        of(Kind::Audio, 0, b"\xaf\x01a"),
        of(Kind::Audio, 23, b"\xaf\x01bb"),
        of(Kind::Video, 40, b"\x27\x01\0\0\0next"),
        of(Kind::Audio, 46, b"\xaf\x01c"),
    ]
}

/// What is printed for the media, and what passed.
fn printed(settings: &[(&'static str, &str)]) -> (String, Vec<Packet>) {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut settings = settings.to_vec();
    let text = log.to_str().unwrap().to_owned();
    settings.push(("log", &text));
    let kept = Arc::new(Kept::default());
    let filter = open(&node(&settings), kept.clone()).unwrap();
    filter.start(StreamInfo::default());
    media().into_iter().for_each(|packet| filter.push(packet));
    filter.end(true);
    // Dropping it waits for the last lines.
    drop(filter);
    let packets = std::mem::take(&mut *kept.0.lock());
    (std::fs::read_to_string(log).unwrap(), packets)
}

#[test]
fn tracks_have_one_line_each_and_everything_passes() {
    let (text, passed) = printed(&[]);
    assert_eq!(
        text,
        "PID 1 ID 1 video timescale 1000 160x120 fps 25 codec avc1.64000A AVC|H264 PL High@1\n\
         PID 2 ID 2 audio timescale 1000 44100 Hz 1 ch codec mp4a.40.2 AAC\n"
    );
    let bodies = |packets: &[Packet]| packets.iter().map(|packet| packet.body.clone()).collect::<Vec<_>>();
    assert_eq!(bodies(&passed), bodies(&media()));
}

#[test]
fn deep_prints_every_packet_with_its_duration() {
    let (text, _) = printed(&[("deep", "true"), ("stats", "true")]);
    let packets: Vec<_> = text.lines().filter(|line| line.contains("PCK") || line.contains("STATS")).collect();
    assert_eq!(
        packets,
        [
            "PID 1 PCK 1 cts 80 dts 0 dur 40 sap 1 size 8",
            "PID 2 PCK 1 cts 0 dts 0 dur 23 sap 1 size 3",
            "PID 2 PCK 2 cts 23 dts 23 dur 23 sap 1 size 4",
            "PID 1 PCK 2 cts 40 dts 40 dur 0 sap 0 size 9",
            "PID 2 PCK 3 cts 46 dts 46 dur 0 sap 1 size 3",
            "PID 1 STATS 2 packets 17 bytes 1 saps first dts 0 last dts 40 3 kbps",
            "PID 2 STATS 3 packets 10 bytes 3 saps first dts 0 last dts 46 1 kbps",
        ]
    );
}

#[test]
fn a_format_a_limit_and_tracks_apart() {
    let (text, _) = printed(&[("fmt", "%pn%,%dts%,%sap%,%size%%lf%")]);
    assert_eq!(text, "1,0,1,8\n1,0,1,3\n2,23,1,4\n2,40,0,9\n3,46,1,3\n");
    let (text, _) = printed(&[("fmt", "%pid%:%cts% "), ("dur", "0.03")]);
    assert_eq!(text, "1:80 2:0 2:23 ");
    let (text, _) = printed(&[("fmt", "%pid%"), ("interleave", "false")]);
    assert_eq!(text, "11222");
}

#[test]
fn wrong_settings_are_errors_that_name_them() {
    for (name, text, said) in [
        ("fmt", "%nothing%", "`%nothing%` is not known"),
        ("fmt", "50%", "stands alone"),
        ("log", "/nowhere/at/all/log", "no file can be made"),
    ] {
        let error = open(&node(&[(name, text)]), Arc::new(Kept::default())).err().unwrap();
        assert!(error.to_string().contains(said), "{error}");
        assert_eq!(error.field.as_deref(), Some(name));
    }
}

#[test]
fn a_log_that_can_not_be_written_is_known_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path().join("there");
    std::fs::write(&there, b"kept").unwrap();
    let new = folder.path().join("new");
    let check = |path: &Path| (KIND.check)(&node(&[("log", path.to_str().unwrap())]));
    for wrong in [folder.path(), &folder.path().join("no/such/log"), &there.join("log")] {
        let error = check(wrong).unwrap_err();
        assert!(error.field.as_deref() == Some("log") && error.hint.is_some(), "{error:?}");
    }
    assert!(check(&there).is_ok() && check(&new).is_ok());
    assert!(!new.exists() && std::fs::read(&there).unwrap() == b"kept", "a check makes and changes nothing");
}

#[test]
fn a_reader_that_stalls_costs_lines_and_never_time() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
    let kept = Arc::new(Kept::default());
    // Opening a pipe that nobody reads stops the writer at once.
    let filter = open(&node(&[("deep", "true"), ("log", fifo.to_str().unwrap())]), kept.clone()).unwrap();
    filter.start(StreamInfo::default());
    for index in 0..20_000 {
        let packet = classify::packet(Kind::Audio, index * 23, Bytes::from_static(b"\xaf\x01a"), Instant::now());
        filter.push(packet);
    }
    filter.end(true);
    assert_eq!(kept.0.lock().len(), 20_000);
    drop(filter);
}
