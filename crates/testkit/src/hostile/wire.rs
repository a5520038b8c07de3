//! Attacks on the protocol itself: handshakes, chunks, control messages, AMF. The numbers H1 to H13 are those of
//! `docs/spec-coverage.md`.

use super::bytes::{Out, noise, null, number, object, one_of, string, value};
use super::{Make, Scene};
use crate::random::Random;

/// All of them.
pub const ATTACKS: &[(&str, Make)] = &[
    ("handshake of noise", handshake),
    ("another protocol", stranger),
    ("H1 another length within a message", other_length),
    ("H2 AMF3 references", amf3),
    ("H3 chunk sizes", chunk_sizes),
    ("H4 nested and endless AMF", deep),
    ("H5 windows", windows),
    ("H6 names", names),
    ("H7 every AMF type cut", cut),
    ("H8 wrong types", confusion),
    ("H9 chunk streams", chunk_streams),
    ("H9 partial messages", partials),
    ("H11 acknowledgements", acknowledgements),
    ("H12 times", times),
    ("H13 aggregates", aggregates),
    ("noise after the handshake", after),
];

fn handshake(random: &mut Random, _: &Scene) -> Vec<u8> {
    let length = one_of(random, &[0, 1, 2, 1536, 1537, 3072, 3073, 9000]);
    let mut bytes = noise(random, length);
    if let Some(first) = bytes.first_mut() {
        *first = one_of(random, &[3, 3, 3, 6, 0, 8, 255]);
    }
    bytes
}

fn stranger(random: &mut Random, _: &Scene) -> Vec<u8> {
    let line = one_of(
        random,
        &[
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST /open/1 HTTP/1.1\r\n",
            "\x16\x03\x01\x02\x00\x01",
            "SSH-2.0-x\r\n",
        ],
    );
    let length = random.below(5000) as usize;
    [line.as_bytes(), &noise(random, length)].concat()
}

fn other_length(random: &mut Random, scene: &Scene) -> Vec<u8> {
    let mut out = Out::begun(scene.app, "publish", &scene.own_name(random));
    for _ in 0..random.below(20) {
        let kind = one_of(random, &[8, 9, 18, 20, 22]);
        out.header(0, 6, 0, 1000, kind, 1).raw(&[0x17; 128]);
        if random.below(3) == 0 {
            // Legal: the same message once more.
            out.header(random.below(2) as u8, 6, 0, 1000, kind, 1);
        } else {
            let length = one_of(random, &[0, 1, 999, 1001, 0xFF_FFFF]);
            out.header(random.below(2) as u8, 6, 0, length, kind, 1);
        }
        out.raw(&[0; 128]);
    }
    out.bytes
}

fn amf3(random: &mut Random, scene: &Scene) -> Vec<u8> {
    let mut out = Out::begun(scene.app, "publish", &scene.own_name(random));
    for _ in 0..random.below(60) {
        let length = random.below(200) as usize;
        let mut body = match random.below(3) {
            // Strings, traits and objects that were never sent before.
            0 => [&[0, 2, 0, 1, b'a'][..], &number(0.0), &[17, one_of(random, &[0x0A, 0x06, 0x09, 0x11]), 0x7F, 0x02]]
                .concat(),
            1 => [&[0, 17, 0x0A, 0xFF, 0xFF, 0xFF, 0xFF][..], &noise(random, length)].concat(),
            _ => [&[0][..], &string(b"@setDataFrame"), &string(b"onMetaData"), &[17], &noise(random, length)].concat(),
        };
        if random.below(4) == 0 {
            body.truncate(random.below(body.len() as u64) as usize);
        }
        out.message(5, one_of(random, &[15, 17, 16]), 1, 0, &body);
    }
    out.bytes
}

fn chunk_sizes(random: &mut Random, scene: &Scene) -> Vec<u8> {
    let mut out = Out::begun(scene.app, "publish", &scene.own_name(random));
    for _ in 0..1 + random.below(4) {
        out.chunk_size(one_of(random, &[0, 1, 1, 2, 127, 0xFF_FFFF, 0x7FFF_FFFF, 0x8000_0001, 0xFFFF_FFFF]));
        let length = one_of(random, &[0, 1, 5000, 60_000, 200_000]);
        out.message(6, 9, 1, 0, &vec![0x27; length]);
    }
    out.bytes
}

fn deep(random: &mut Random, scene: &Scene) -> Vec<u8> {
    let levels = one_of(random, &[31, 33, 1000, 8000]);
    let nested = match random.below(3) {
        0 => [3, 0, 1, b'a'].repeat(levels),
        1 => [10, 0, 0, 0, 1].repeat(levels),
        _ => [&[17][..], &[0x09, 0x03, 0x01].repeat(levels)].concat(),
    };
    let mut out = Out::hello();
    if random.below(2) == 0 {
        out.command(0, "connect", 1.0, &nested);
    }
    let mut out = Out::begun(scene.app, "publish", &scene.own_name(random));
    out.command(1, "x", 0.0, &nested);
    // Few bytes that stand for much: 4097 values, and announced arrays of 2^32.
    out.message(5, 18, 1, 0, &[&[2, 0, 1, b'a'][..], &[5].repeat(one_of(random, &[4000, 5000, 100_000]))].concat());
    out.message(5, 18, 1, 0, &[&[2, 0, 1, b'a'][..], &[10, 0xFF, 0xFF, 0xFF, 0xFF]].concat());
    out.bytes
}

fn windows(random: &mut Random, scene: &Scene) -> Vec<u8> {
    let mut out = Out::hello();
    for _ in 0..random.below(100) {
        out.control(5, one_of(random, &[0, 1, 2, u32::MAX, 0x8000_0000]));
        out.message(2, 6, 0, 0, &[0, 0, 0, random.below(2) as u8, random.number() as u8]);
    }
    out.raw(&Out::begun(scene.app, "publish", &scene.own_name(random)).bytes[3073..]);
    for number in 0..200u32 {
        out.control(5, one_of(random, &[0, 1, u32::MAX]));
        out.message(6, 9, 1, number, &[0x27; 3000]);
    }
    out.bytes
}

fn names(random: &mut Random, scene: &Scene) -> Vec<u8> {
    let length = one_of(random, &[0, 255, 256, 257, 1024, 1025, 4097, 65_535, 65_536, 200_000]);
    let odd = |random: &mut Random| -> Vec<u8> {
        match random.below(8) {
            0 => vec![b'a'; length],
            1 => noise(random, length.min(5000)),
            2 => b"a\0b".to_vec(),
            3 => b"../../../../etc/passwd".to_vec(),
            4 => b"a\r\nlevel=error panic internal fault\n\x1b[31m".to_vec(),
            5 => b"%00%2e%2e/%0a?key=%".to_vec(),
            6 => vec![0xC0, 0x80, 0xED, 0xA0, 0x80, 0xFF],
            _ => "\u{202e}\u{feff}ꙮ".repeat(20).into_bytes(),
        }
    };
    let mut out = Out::hello();
    let app = if random.below(2) == 0 { odd(random) } else { scene.app.into() };
    let fields = [
        ("app", string(&app)),
        ("tcUrl", string(&odd(random))),
        ("flashVer", string(&odd(random))),
        ("swfUrl", string(&odd(random))),
    ];
    out.command(0, "connect", 1.0, &object(&fields));
    out.command(0, "createStream", 2.0, &null());
    for what in ["releaseStream", "FCPublish", "publish", "play", "FCSubscribe"] {
        let name = odd(random);
        out.command(1, what, 3.0, &[null(), string(&name), string(b"live")].concat());
    }
    let what = odd(random);
    let body = [string(&what), number(4.0), null()].concat();
    out.message(3, 20, 0, 0, &body);
    out.bytes
}

fn cut(random: &mut Random, scene: &Scene) -> Vec<u8> {
    let mut out = Out::begun(scene.app, "publish", &scene.own_name(random));
    let whole = value(random, 3);
    let whole = &whole[..whole.len().min(300)];
    // Data and media may be broken without an end of the connection; a broken command ends it.
    for end in 0..whole.len() {
        let body = [&string(b"@setDataFrame")[..], &string(b"onMetaData"), &whole[..end]].concat();
        out.message(5, 18, 1, end as u32, &body);
    }
    out.command(1, "closeStream", 0.0, &whole[..random.below(1 + whole.len() as u64) as usize]);
    out.bytes
}

fn confusion(random: &mut Random, scene: &Scene) -> Vec<u8> {
    let mut out = Out::hello();
    match random.below(3) {
        0 => out.command(0, "connect", 1.0, &value(random, 2)),
        1 => {
            let fields = [
                ("app", value(random, 1)),
                ("tcUrl", value(random, 1)),
                ("capsEx", value(random, 0)),
                ("fourCcList", value(random, 2)),
                ("videoFourCcInfoMap", value(random, 2)),
                ("objectEncoding", value(random, 0)),
            ];
            out.command(0, "connect", f64::NAN, &object(&fields))
        }
        _ => out.connect(scene.app, "rtmp://127.0.0.1/live"),
    };
    for _ in 0..random.below(60) {
        let name = one_of(
            random,
            &[
                "_result",
                "_error",
                "onStatus",
                "createStream",
                "deleteStream",
                "closeStream",
                "publish",
                "play",
                "pause",
                "seek",
                "receiveAudio",
                "receiveVideo",
                "FCUnpublish",
                "releaseStream",
                "getStreamLength",
                "connect",
                "call",
            ],
        );
        let values: Vec<u8> = (0..random.below(4)).flat_map(|_| value(random, 2)).collect();
        let body = match random.below(3) {
            // The transaction as something else than a number.
            0 => [string(name.as_bytes()), value(random, 0), values].concat(),
            _ => [string(name.as_bytes()), number(random.below(9) as f64), values].concat(),
        };
        out.message(3, 20, random.below(3) as u32, 0, &body);
    }
    out.bytes
}

fn chunk_streams(random: &mut Random, scene: &Scene) -> Vec<u8> {
    let mut out = Out::begun(scene.app, "publish", &scene.own_name(random));
    let whole = random.below(2) == 0;
    for csid in (3..65_600u32).step_by(one_of(random, &[1, 7, 400])).take(3000) {
        match whole {
            true => out.message(csid, 8, 1, csid, &[0xAF, 1, 2]),
            false => out.header(0, csid, 0, 0xFF_FFFF, 9, 1).raw(&[0x17; 128]),
        };
    }
    out.bytes
}

fn partials(random: &mut Random, scene: &Scene) -> Vec<u8> {
    let mut out = Out::begun(scene.app, "publish", &scene.own_name(random));
    out.chunk_size(one_of(random, &[128, 65_536, 0xFF_FFFF]));
    let (chunk, streams) = (out.chunk.min(400_000), 1 + random.below(9) as u32);
    for csid in 0..streams {
        out.header(0, 10 + csid, 0, 10 << 20, 9, 1).raw(&vec![0x17; chunk]);
    }
    for round in 0..random.below(30) as u32 {
        out.header(3, 10 + round % streams, 0, 0, 0, 0).raw(&vec![0x11; chunk.min(100_000)]);
        if random.below(10) == 0 {
            // Abort, of one that is under way or not.
            out.control(2, 10 + random.below(20) as u32);
        }
    }
    out.bytes
}

fn acknowledgements(random: &mut Random, scene: &Scene) -> Vec<u8> {
    let what = one_of(random, &["publish", "play"]);
    let name = if what == "play" { scene.live.to_owned() } else { scene.own_name(random) };
    let mut out = Out::begun(scene.app, what, &name);
    for _ in 0..500 {
        out.control(3, one_of(random, &[0, 1, u32::MAX, 0x8000_0000, 5_000_000]));
    }
    out.bytes
}

fn times(random: &mut Random, scene: &Scene) -> Vec<u8> {
    let mut out = Out::begun(scene.app, "publish", &scene.own_name(random));
    out.message(
        6,
        9,
        1,
        0,
        b"\x17\x00\x00\x00\x00\x01\x42\xc0\x1e\xff\xe1\x00\x04\x67\x42\xc0\x1e\x01\x00\x02\x68\xce",
    );
    for step in 0..300u32 {
        let first = if step % 10 == 0 { 0x17 } else { 0x27 };
        let time =
            one_of(random, &[0, 1, 0xFF_FFFE, 0xFF_FFFF, 0x100_0000, 0x7FFF_FFFF, 0x8000_0000, u32::MAX, step * 40]);
        out.message(6, 9, 1, time, &[&[first, 1, 0xFF, 0xFF, 0xFF][..], &[step as u8; 300]].concat());
        // A delta of almost everything, and an extended time of 0.
        out.header(1, 4, one_of(random, &[0, 0xFF_FFFE, u32::MAX]), 3, 8, 1).raw(&[0xAF, 1, 1]);
        out.header(0, 4, 0xFF_FFFF, 3, 8, 1).raw(&[0xAF, 1, 1]);
        out.header(2, 4, random.number() as u32, 0, 0, 0).raw(&[0xAF, 1, 1]);
    }
    out.bytes
}

fn aggregates(random: &mut Random, scene: &Scene) -> Vec<u8> {
    let mut out = Out::begun(scene.app, "publish", &scene.own_name(random));
    for _ in 0..random.below(20) {
        let mut body = Vec::new();
        for _ in 0..one_of(random, &[0, 1, 5, 3000]) {
            let kind = one_of(random, &[8, 9, 18, 22, 1, 20, 255]);
            let data = noise(random, 5);
            let length = one_of(random, &[5, 5, 5, 4, 0xFF_FFFF]);
            body.push(kind);
            body.extend(&u32::to_be_bytes(length)[1..]);
            body.extend((random.number() as u32).to_be_bytes());
            body.extend([0; 3]);
            body.extend(data);
            body.extend(one_of(random, &[16u32, 0, 0x100_0000, u32::MAX]).to_be_bytes());
        }
        if random.below(3) == 0 {
            body.truncate(random.below(1 + body.len() as u64) as usize);
        }
        out.message(6, 22, 1, 0, &body);
    }
    out.bytes
}

fn after(random: &mut Random, scene: &Scene) -> Vec<u8> {
    let mut out = match random.below(3) {
        0 => Out::hello(),
        1 => Out::open(scene.app),
        _ => Out::begun(scene.app, "publish", &scene.own_name(random)),
    };
    let length = random.below(20_000) as usize;
    out.raw(&noise(random, length));
    out.bytes
}
