//! Micro-benchmarks of the protocol: chunks written and read, AMF0 both ways. `cargo bench -p outflow-rtmp`.
#![allow(clippy::unwrap_used)]

use bytes::{Bytes, BytesMut};
use divan::counter::BytesCount;
use divan::{AllocProfiler, Bencher, black_box};
use outflow_rtmp::amf0::{Value, decode_all, encode_all};
use outflow_rtmp::chunk::{ChunkReader, csid, encode_delta, encode_full};
use outflow_rtmp::{Limits, message};

/// Prints what each turn allocates beside what it takes.
#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

/// A sound, a picture of 2.6 Mb/s at 30 frames, a large key frame.
const SIZES: [usize; 3] = [400, 10_000, 250_000];
const CHUNK_SIZES: [u32; 3] = [128, 4096, 65_536];

fn main() {
    divan::main();
}

fn body(bytes: usize) -> Vec<u8> {
    let mut body = vec![0x5A; bytes];
    body[..5].copy_from_slice(&[0x27, 1, 0, 0, 0]);
    body
}

/// One message into a buffer that is used again.
#[divan::bench(args = SIZES)]
fn write_a_message(bencher: Bencher, bytes: usize) {
    let (body, mut out) = (body(bytes), BytesMut::with_capacity(bytes * 2));
    bencher.counter(BytesCount::new(bytes)).bench_local(move || {
        out.clear();
        encode_delta(&mut out, csid::VIDEO, message::kind::VIDEO, 33, black_box(&body), 4096).unwrap();
        black_box(&out);
    });
}

/// What a publisher sends in a second: 30 pictures and 43 sounds, each with its own chunks.
fn second(chunk_size: u32) -> Bytes {
    let (picture, sound, mut out) = (body(10_000), body(400), BytesMut::new());
    for frame in 0..30 {
        let write = if frame == 0 {
            encode_full(&mut out, csid::VIDEO, message::kind::VIDEO, 1, 0, &picture, chunk_size)
        } else {
            encode_delta(&mut out, csid::VIDEO, message::kind::VIDEO, 33, &picture, chunk_size)
        };
        write.unwrap();
        for _ in 0..if frame % 30 < 13 { 2 } else { 1 } {
            if frame == 0 {
                encode_full(&mut out, csid::AUDIO, message::kind::AUDIO, 1, 0, &sound, chunk_size).unwrap();
            } else {
                encode_delta(&mut out, csid::AUDIO, message::kind::AUDIO, 23, &sound, chunk_size).unwrap();
            }
        }
    }
    out.freeze()
}

/// A second of a publisher, in the pieces that a socket gives.
#[divan::bench(args = CHUNK_SIZES)]
fn read_a_second(bencher: Bencher, chunk_size: u32) {
    let sent = second(chunk_size);
    let mut reader = ChunkReader::new(Limits::default());
    let mut announce = vec![2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0];
    announce.extend_from_slice(&chunk_size.to_be_bytes());
    reader.push(&announce);
    bencher.counter(BytesCount::new(sent.len())).bench_local(move || {
        for piece in sent.chunks(16 << 10) {
            reader.push(piece);
            while let Some(message) = reader.next().unwrap() {
                black_box(message);
            }
        }
    });
}

/// What encoders send as `onMetaData`.
fn metadata() -> Vec<Value> {
    let number = |name: &str, value: f64| (name.to_owned(), Value::Number(value));
    let fields = vec![
        number("duration", 0.0),
        number("width", 1920.0),
        number("height", 1080.0),
        number("videocodecid", 7.0),
        number("videodatarate", 6000.0),
        number("framerate", 60.0),
        number("audiocodecid", 10.0),
        number("audiodatarate", 160.0),
        number("audiosamplerate", 48_000.0),
        number("audiochannels", 2.0),
        ("stereo".to_owned(), Value::Boolean(true)),
        ("encoder".to_owned(), Value::String("obs-output module (libobs version 30.2.3)".to_owned())),
    ];
    vec![Value::String("onMetaData".to_owned()), Value::EcmaArray(fields)]
}

#[divan::bench]
fn write_metadata(bencher: Bencher) {
    let (values, mut out) = (metadata(), BytesMut::with_capacity(1024));
    bencher.bench_local(move || {
        out.clear();
        encode_all(black_box(&values), &mut out);
        black_box(&out);
    });
}

#[divan::bench]
fn read_metadata(bencher: Bencher) {
    let (mut out, limits) = (BytesMut::new(), Limits::default());
    encode_all(&metadata(), &mut out);
    bencher.bench_local(move || decode_all(black_box(&out), &limits).unwrap());
}
