//! Inputs to begin with: the recordings of real programs, and what our own encoders write.
use std::fs;
use std::path::PathBuf;

use bytes::BytesMut;
use outflow_rtmp::chunk::{ChunkReader, encode_full};
use outflow_rtmp::flv::compose::{self, Layout, ModEx};
use outflow_rtmp::flv::{FourCc, audio, video};
use outflow_rtmp::message::kind;
use outflow_rtmp::{Limits, Message};

/// Bytes of one direction's handshake.
const HANDSHAKE: usize = 3073;

fn data() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../rtmp/tests/data"))
}

/// The chunks of every recording, from client to server (0) or back (1), the first so many bytes.
fn recorded(direction: u8, most: usize) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(data()).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "rec"));
    paths.sort();
    let chunks = |path: &PathBuf| {
        let file = fs::read(path).unwrap_or_default();
        let (mut bytes, mut rest) = (Vec::new(), &file[..]);
        while let [to, _, _, _, _, a, b, c, d, tail @ ..] = rest {
            let (now, tail) = tail.split_at((u32::from_be_bytes([*a, *b, *c, *d]) as usize).min(tail.len()));
            if *to == direction {
                bytes.extend_from_slice(now);
            }
            rest = tail;
        }
        bytes.get(HANDSHAKE..).map(|chunks| chunks[..chunks.len().min(most)].to_vec())
    };
    paths.iter().filter_map(chunks).collect()
}

/// All messages of these kinds, none longer than `most`, each body once.
fn messages(kinds: &[u8], most: usize) -> Vec<Message> {
    let mut found: Vec<Message> = Vec::new();
    for bytes in recorded(0, 200_000).into_iter().chain(recorded(1, 200_000)) {
        let mut reader = ChunkReader::new(Limits::default());
        let mut input = &bytes[..];
        let mut here = 0;
        while let Ok(Some(message)) = reader.read(&mut input) {
            let known = found.iter().any(|other| other.payload == message.payload);
            if kinds.contains(&message.kind) && message.payload.len() <= most && !known && here < 12 {
                here += 1;
                found.push(message);
            }
        }
    }
    found
}

fn behind(mode: &[u8], bytes: impl AsRef<[u8]>) -> Vec<u8> {
    [mode, bytes.as_ref()].concat()
}

pub(crate) fn chunks() -> Vec<Vec<u8>> {
    let both = recorded(0, 3000).into_iter().chain(recorded(1, 3000));
    let mut seeds: Vec<Vec<u8>> = both.map(|bytes| behind(&[0, 7], bytes)).collect();
    let mut wire = BytesMut::new();
    for (number, time) in [(3, 0), (4, 0xFF_FFFF), (6, u32::MAX)] {
        encode_full(&mut wire, number, kind::VIDEO, 1, time, &[number as u8; 300], 128).unwrap();
    }
    seeds.push(behind(&[1, 3], &wire));
    // Chunk streams of two and three bytes, type 1 first, type 3 at a message's start.
    seeds.push(behind(&[0, 1], [0x40, 9, 0, 0, 1, 0, 0, 1, 8, 5, 0xC0, 9, 6, 0x41, 9, 1, 0, 0, 1, 0, 0, 1, 8, 5]));
    seeds
}

pub(crate) fn amf0() -> Vec<Vec<u8>> {
    let bodies = messages(&[kind::COMMAND, kind::DATA], 2000);
    let mut seeds: Vec<Vec<u8>> = bodies.iter().map(|message| behind(&[0], &message.payload)).collect();
    seeds.push(behind(
        &[0],
        b"\x0A\0\0\0\x02\x05\x06\x0B\0\0\0\0\0\0\0\0\0\0\x0C\0\0\0\x01a\x0D\x0F\0\0\0\x01b\x07\0\0",
    ));
    seeds.push(behind(
        &[0],
        b"\x10\0\x01c\0\x01d\x01\x01\0\0\x09\x08\0\0\0\x14\0\x01e\x05\0\0\x09\x11\x0A\x0B\x01\x03f\x04\x05\x01",
    ));
    seeds
}

pub(crate) fn amf3() -> Vec<Vec<u8>> {
    let values: [&[u8]; 13] = [
        b"\0",
        b"\x04\xFF\xFF\xFF\xFF",
        b"\x05\x40\0\0\0\0\0\0\0",
        b"\x06\x07abc",
        b"\x08\x01\0\0\0\0\0\0\0\0",
        b"\x09\x05\x03a\x04\x01\x01\x02\x03",
        b"\x0A\x23\x03c\x03m\x03n\x04\x01\x06\x02",
        b"\x0A\x0B\x01\x03a\x09\x01\x01\x01",
        b"\x0C\x07abc",
        b"\x0D\x05\0\0\0\0\x01\0\0\0\x02",
        b"\x10\x03\0\x01\x0A\x13\x03c\x03m\x02",
        b"\x11\x03\0\x04\x01\x06\x03v",
        b"\x09\x05\x01\x0A\x01\x0A\x01",
    ];
    values.into_iter().map(|value| behind(&[0], value)).collect()
}

pub(crate) fn tags() -> Vec<Vec<u8>> {
    let file = fs::read(data().join("multitrack.flv")).unwrap_or_default();
    let start = file[..file.len().min(2500)].to_vec();
    let empty = b"FLV\x01\x05\0\0\0\x09\0\0\0\0\x08\0\0\x01\0\0\x07\x01\0\0\0\xAF\0\0\0\x0C".to_vec();
    vec![
        behind(&[0, 1], start),
        behind(&[1, 5], &empty),
        behind(&[1, 9], b"FLV\x01\x05\0\0\0\x0B\0\0\0\0\0\0\x0A\0\0\0\0\0\0\0\0\0\0"),
    ]
}

pub(crate) fn bodies() -> Vec<Vec<u8>> {
    let recorded = messages(&[kind::VIDEO, kind::AUDIO], 600);
    let mut seeds: Vec<Vec<u8>> =
        recorded.iter().map(|message| behind(&[u8::from(message.kind == kind::AUDIO)], &message.payload)).collect();
    let many: &[(FourCc, u8, &[u8])] =
        &[(FourCc::HVC1, 0, b"\0\0\x28a"), (FourCc::AV01, 1, b"bc"), (FourCc::AVC1, 2, b"\0\0\0d")];
    let mod_ex = [ModEx::Nanoseconds(7), ModEx::Other(2, b"xyz")];
    for layout in [
        Layout::Plain(FourCc::AVC1, b"\0\0\0ab"),
        Layout::OneTrack(FourCc::VVC1, 3, b"\0\0\0ab"),
        Layout::ManyTracks(FourCc::VP09, &[(0, b"a"), (7, b""), (255, b"bc")]),
        Layout::ManyTracksManyCodecs(many),
    ] {
        let sound = compose::audio(audio::PacketType::CodedFrames, &mod_ex, layout).unwrap();
        let picture = compose::video(video::FrameType::Key, video::PacketType::CodedFrames, &mod_ex, layout).unwrap();
        seeds.extend([behind(&[0], picture), behind(&[1], sound)]);
    }
    seeds.extend((0..24u8).map(|number| behind(&[2], [number; 30].map(|byte| byte.wrapping_mul(number)))));
    seeds.push(behind(&[3], b"\x12\x10"));
    seeds.push(behind(&[3], b"\x01\x02\0\x01"));
    seeds.push(behind(&[3], b"\x01\x64\0\x1F\xFF\xE1\0\x08\x67\x64\0\x1F\xAC\xD9\x40\x50\x01\0\x01\x68"));
    seeds
}

pub(crate) fn aggregates() -> Vec<Vec<u8>> {
    let part = b"\x08\0\0\x02\0\0\x07\0\0\0\0ab\0\0\0\x0D";
    let (odd, nested) = (b"\x01\0\0\x01\0\0\x08\0\0\0\0x\0\0\0\x0C", b"\x16\0\0\0\0\0\x08\0\0\0\0\0\0\0\x0B");
    let seed = |parts: &[&[u8]]| [&[0, 0, 0, 1, 0], &parts.concat()[..], &[0, 0]].concat();
    vec![seed(&[part]), seed(&[part, odd, part]), seed(&[odd, part]), seed(&[part, nested])]
}

pub(crate) fn urls() -> Vec<Vec<u8>> {
    let urls = [
        "rtmp://h/live/k",
        "rtmps://u:p@host.example:8443/app/inst/key?token=a:b#frag",
        "rtmp://[::1]:1935/live\nk?x\n",
        "rtmp://h/ondemand/a/b\n//h2/app\nname",
        "rtmp://h/app/mp4:dir/file\n/app2?q=1",
        "rtmp://h/cdn/x?a=b&slist=show&c=d",
        "rtmp://:0#K\nrtmps://h3/x\n?y=z",
        "B:1 S:a O:1 NN:n:4 Z:\napp?x=1\nkey?k=v",
        "'rtmp://h/stream\n\n",
    ];
    urls.map(|url| url.as_bytes().to_vec()).to_vec()
}

/// Plans: sequences of bytes that happen to mean a dialogue, and recordings.
fn plans(direction: u8) -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = recorded(direction, 2500).into_iter().map(|bytes| behind(&[4, 9], bytes)).collect();
    seeds.extend(recorded(direction, 2500).into_iter().map(|bytes| behind(&[12, 9], bytes)));
    for number in 0..40u64 {
        let mut state = number * 2 + 1;
        let plan: Vec<u8> = (0..200).map(|_| crate::dice::next(&mut state) as u8).collect();
        seeds.push(behind(&[(number as u8) & 0xFB, number as u8], plan));
    }
    seeds.push(behind(&[0, 1], [0; 300]));
    seeds.push(behind(&[8, 1], [0; 300]));
    seeds
}

pub(crate) fn server() -> Vec<Vec<u8>> {
    plans(0)
}

pub(crate) fn client() -> Vec<Vec<u8>> {
    plans(1)
}

#[cfg(feature = "words")]
pub(crate) fn words() -> Vec<Vec<u8>> {
    let lines = [
        "-i\nrtmp://127.0.0.1:1935/live:gpac:rtmp_listen=1\n-o\nrtmps://live.example/app:gpac:key=env@KEY",
        "-i\nfilm.flv\nreframer:rt=on\n-o\nrtmp://h/live/k?x=y:max_lag=2s:name=a\n-o\nout.flv",
        "-i\nrtmp://h/a:#N=in\ninspect\n-o\nnull@in\n-r=in",
        "testcard:size=320x180:fps=30\n-o\nrtmp://0.0.0.0:1935/live/x:gpac:listen:play_key=file@k",
        "-graph\n-i\nx.flv\n-o\nrtmp://h/live/",
        "help\nrtmp",
        "-o\nrtmp://h:1:key=fd@3",
        "-h",
        "@words\n-i\nx.flv",
        "-logs=all@debug\n-json",
    ];
    lines.map(|line| line.as_bytes().to_vec()).to_vec()
}
