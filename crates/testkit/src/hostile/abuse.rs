//! Attacks with what is legal: floods of requests, names taken and left, headers and tracks without end, the stream of
//! somebody else.

use super::bytes::{Out, noise, null, number, object, one_of, string};
use super::{Make, Scene};
use crate::media::AVC_HEADER;
use crate::random::Random;

/// All of them.
pub const ATTACKS: &[(&str, Make)] = &[
    ("H9 calls", calls),
    ("H9 pings and buffer lengths", pings),
    ("H9 publish and unpublish", churn),
    ("H9 connect twice", twice),
    ("H9 publish and play", both),
    ("H9 large metadata", metadata),
    ("H9 headers", headers),
    ("H9 tracks", tracks),
    ("H9 ModEx chains", mod_ex),
    ("H7 media before everything", early),
    ("H7 tiny and broken media", tiny),
    ("H7 parameter sets of noise", parameter_sets),
    ("a large stream", large),
    ("the stream of another", takeover),
    ("a restless player", restless),
    ("a player that stays and leaves", visitor),
];

fn calls(random: &mut Random, scene: &Scene) -> Vec<u8> {
    let mut out = Out::open(scene.app);
    for transaction in 0..random.below(3000) {
        let name =
            one_of(random, &["createStream", "releaseStream", "FCPublish", "getStreamLength", "_checkbw", "xyz"]);
        out.command(0, name, transaction as f64, &[null(), string(b"foe")].concat());
        if random.below(4) == 0 {
            out.command(0, "deleteStream", 0.0, &[null(), number(random.below(20) as f64)].concat());
        }
    }
    out.bytes
}

fn pings(random: &mut Random, scene: &Scene) -> Vec<u8> {
    let what = one_of(random, &["publish", "play"]);
    let name = if what == "play" { scene.live.to_owned() } else { scene.own_name(random) };
    let mut out = Out::begun(scene.app, what, &name);
    for _ in 0..random.below(5000) {
        let event = one_of(random, &[6, 6, 7, 3, 0, 1, 26, 31, 0xFFFF]);
        out.user(event, &noise(random, 8));
    }
    out.bytes
}

fn churn(random: &mut Random, scene: &Scene) -> Vec<u8> {
    let mut out = Out::open(scene.app);
    for number in 0..random.below(100) {
        let name = scene.own_name(random);
        out.command(1, "publish", 3.0, &[null(), string(name.as_bytes()), string(b"live")].concat());
        out.message(6, 9, 1, number as u32, AVC_HEADER);
        out.message(6, 9, 1, number as u32, &[0x17; 500]);
        match random.below(3) {
            0 => out.command(1, "FCUnpublish", 0.0, &[null(), string(name.as_bytes())].concat()),
            1 => out.command(1, "closeStream", 0.0, &null()),
            _ => out.command(0, "deleteStream", 0.0, &[null(), super::bytes::number(1.0)].concat()),
        };
    }
    out.bytes
}

fn twice(random: &mut Random, scene: &Scene) -> Vec<u8> {
    let mut out = Out::hello();
    for _ in 0..1 + random.below(300) {
        out.connect(scene.app, "rtmp://127.0.0.1/live");
    }
    out.raw(&Out::begun(scene.app, "play", scene.live).bytes[3073..]);
    out.connect("other", "rtmp://127.0.0.1/other");
    out.bytes
}

fn both(random: &mut Random, scene: &Scene) -> Vec<u8> {
    let own = scene.own_name(random);
    let mut out = Out::begun(scene.app, "publish", &own);
    for stream in 1..12 {
        out.command(0, "createStream", 4.0, &null());
        let name = if random.below(2) == 0 { own.as_str() } else { scene.live };
        out.command(stream, one_of(random, &["play", "publish"]), 5.0, &[null(), string(name.as_bytes())].concat());
        out.message(6, 9, stream, 0, &[0x17; 700]);
    }
    out.bytes
}

fn metadata(random: &mut Random, scene: &Scene) -> Vec<u8> {
    let mut out = Out::begun(scene.app, "publish", &scene.own_name(random));
    out.chunk_size(65_536);
    for size in 0..1 + random.below(4) {
        let length = one_of(random, &[1000, 60_000, 1_000_000, (1 << 20) - 60]);
        let fields = object(&[("width", number(size as f64)), ("x", string(&vec![b'x'; length]))]);
        out.message(5, 18, 1, 0, &[&string(b"@setDataFrame")[..], &string(b"onMetaData"), &fields].concat());
        // Another cause for new headers: a key frame after each.
        out.message(6, 9, 1, 0, &[0x17; 50]);
    }
    out.bytes
}

fn headers(random: &mut Random, scene: &Scene) -> Vec<u8> {
    let mut out = Out::begun(scene.app, "publish", &scene.own_name(random));
    out.chunk_size(65_536);
    for step in 0..random.below(1500) {
        // Each is another one: a cache that keeps them all would never end.
        let length = one_of(random, &[10, 300, 3000]);
        let body = [AVC_HEADER, &step.to_be_bytes(), &noise(random, length)].concat();
        out.message(6, 9, 1, step as u32, &body);
        out.message(4, 8, 1, step as u32, &[&[0xAF, 0][..], &step.to_be_bytes()].concat());
        out.message(6, 9, 1, step as u32, &[if step % 3 == 0 { 0x17 } else { 0x27 }, 1, 0, 0, 0, 9]);
    }
    out.bytes
}

fn tracks(random: &mut Random, scene: &Scene) -> Vec<u8> {
    let mut out = Out::begun(scene.app, "publish", &scene.own_name(random));
    for round in 0..4u32 {
        for track in 0..=255u8 {
            // Enhanced RTMP v2: multitrack, one track, with header or frame; video and audio.
            let packet = one_of(random, &[0u8, 1, 3]);
            let video = [&[0x96 | 0x80, packet][..], b"avc1", &[track], &noise(random, 40)].concat();
            out.message(6, 9, 1, round * 40, &video);
            out.message(4, 8, 1, round * 40, &[&[0x95, packet][..], b"Opus", &[track], &noise(random, 20)].concat());
        }
        // Many tracks, with a size beyond the message.
        let many = [&[0x96, 0x11][..], b"hvc1", &[1, 0xFF, 0xFF, 0xFF], &noise(random, 30)].concat();
        out.message(6, 9, 1, 0, &many);
        out.message(6, 9, 1, 0, &[&[0x96, 0x21][..], b"av01", &[0, 0, 0, 2, 1, 2], b"vp09", &[1, 0, 0]].concat());
    }
    out.bytes
}

fn mod_ex(random: &mut Random, scene: &Scene) -> Vec<u8> {
    let mut out = Out::begun(scene.app, "publish", &scene.own_name(random));
    for _ in 0..random.below(40) {
        let mut body = vec![0x97];
        for _ in 0..one_of(random, &[1, 31, 33, 2000]) {
            body.extend([one_of(random, &[0, 2, 254]), 0, 0, 0, 0x07]);
        }
        body.extend(one_of(random, &[&[0xFF, 0xFF, 0xFF, 0x01][..], b"\x01avc1\x00\x00\x00xx"]));
        let media = random.below(2);
        out.message(6, if media == 0 { 9 } else { 8 }, 1, 0, &body);
    }
    out.bytes
}

fn early(random: &mut Random, scene: &Scene) -> Vec<u8> {
    let mut out = Out::hello();
    for _ in 0..random.below(30) {
        out.message(6, one_of(random, &[8, 9, 18, 22]), random.below(3) as u32, 0, &[0x17; 900]);
    }
    out.raw(&Out::open(scene.app).bytes[3073..]);
    for _ in 0..random.below(30) {
        out.message(6, one_of(random, &[8, 9, 18, 22]), 1, 0, &[0x17; 900]);
    }
    out.bytes
}

fn tiny(random: &mut Random, scene: &Scene) -> Vec<u8> {
    let mut out = Out::begun(scene.app, "publish", &scene.own_name(random));
    for step in 0..random.below(3000) {
        let length = random.below(6) as usize;
        let body = match random.below(2) {
            0 => noise(random, length),
            _ => [0x17, 0, 0, 0, 0, 1][..length].to_vec(),
        };
        out.message(6, one_of(random, &[8, 9, 18, 15, 22, 0, 255]), 1, step as u32, &body);
    }
    out.bytes
}

fn parameter_sets(random: &mut Random, scene: &Scene) -> Vec<u8> {
    let mut out = Out::begun(scene.app, "publish", &scene.own_name(random));
    for step in 0..300 {
        let length = random.below(120) as usize;
        let start = one_of(
            random,
            &[
                &b"\x17\x00\x00\x00\x00\x01\x64\x00\x1f\xff\xe1\x00\x40\x67\x64\x00\x1f"[..],
                b"\x1c\x00\x00\x00\x00\x01",
                b"\x90hvc1\x01",
                b"\x90av01\x81",
                b"\x90vp09\x01",
                b"\x93vvc1",
                b"\x94avc1",
            ],
        );
        out.message(6, 9, 1, step, &[start, &noise(random, length)].concat());
        let audio = one_of(random, &[&b"\xaf\x00"[..], b"\x90Opus", b"\x90fLaC", b"\x90ac-3", b"\x2f", b"\x94.mp3"]);
        out.message(4, 8, 1, step, &[audio, &noise(random, length)].concat());
    }
    out.bytes
}

fn large(random: &mut Random, scene: &Scene) -> Vec<u8> {
    let mut out = Out::begun(scene.app, "publish", &scene.own_name(random));
    out.chunk_size(65_536);
    out.message(6, 9, 1, 0, AVC_HEADER);
    for step in 0..2 + random.below(3) as u32 {
        let size = one_of(random, &[100_000, 1_000_000, 3_000_000]);
        out.message(
            6,
            9,
            1,
            step * 40,
            &[&[if step == 0 { 0x17 } else { 0x27 }, 1, 0, 0, 0][..], &vec![9; size]].concat(),
        );
    }
    out.bytes
}

/// Whoever publishes and lives keeps the name: none of this may reach those who watch it.
fn takeover(random: &mut Random, scene: &Scene) -> Vec<u8> {
    let query = one_of(random, &["", "?key=x", "?token=", "/", "//"]);
    let mut out = Out::begun(scene.app, "publish", &format!("{}{query}", scene.live));
    out.message(6, 9, 1, 0, AVC_HEADER);
    for step in 0..random.below(50) as u32 {
        out.message(6, 9, 1, step * 40, &[&[0x17, 1, 0, 0, 0][..], &[0xEE; 2000]].concat());
        out.message(4, 8, 1, step * 40, &[0xAF, 1, 0xEE, 0xEE]);
    }
    out.command(0, "FCUnpublish", 0.0, &[null(), string(scene.live.as_bytes())].concat());
    out.command(0, "deleteStream", 0.0, &[null(), number(1.0)].concat());
    out.bytes
}

fn restless(random: &mut Random, scene: &Scene) -> Vec<u8> {
    let mut out = Out::begun(scene.app, "play", scene.live);
    for step in 0..random.below(400) {
        let name = one_of(
            random,
            &["pause", "pauseRaw", "seek", "receiveAudio", "receiveVideo", "play", "play2", "closeStream", "publish"],
        );
        let flag = [1, (step % 2) as u8];
        let values = match name {
            "play" | "publish" | "play2" => [null(), string(scene.live.as_bytes())].concat(),
            _ => [null(), flag.to_vec(), number(random.below(100_000) as f64)].concat(),
        };
        out.command(one_of(random, &[1, 1, 1, 0, 7]), name, step as f64, &values);
        if random.below(20) == 0 {
            out.user(3, &[0, 0, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF]);
            out.message(6, 9, 1, 0, &[0x17; 300]);
        }
    }
    out.bytes
}

fn visitor(random: &mut Random, scene: &Scene) -> Vec<u8> {
    let name = if random.below(4) == 0 { scene.own_name(random) } else { scene.live.to_owned() };
    Out::begun(scene.app, "play", &name).bytes
}
