//! Micro-benchmarks of what every frame passes through: the hub with few and many readers, the wire, a train for many.
//! `cargo bench -p outflow`.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher, black_box};
use outflow::hub::{Cursor, Hub, Keep, Publisher, Start, hub};
use outflow::media::{Flags, Kind, Packet};
use outflow::wire::{CHUNK_SIZE, Form, Message, Shared};

/// Prints what each turn allocates beside what it takes.
#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

const READERS: [usize; 3] = [1, 50, 2_000];
/// Frames between key frames, and milliseconds between frames: 2 s at 30 frames.
const GROUP: u64 = 60;
const STEP: i64 = 33;

fn main() {
    divan::main();
}

fn picture(number: u64, body: &Bytes) -> Shared {
    let dts = i64::try_from(number).unwrap() * STEP;
    let flags = Flags { keyframe: number.is_multiple_of(GROUP), ..Flags::default() };
    let packet =
        Packet { kind: Kind::Video, track: 0, dts, cts: 0, flags, body: body.clone(), arrival: Instant::now() };
    Message::new(packet, number.checked_sub(1).map(|_| dts - STEP))
}

/// A hub that has run for a while, with readers at its live edge.
struct Rig {
    publisher: Publisher<Shared>,
    hub: Arc<Hub<Shared>>,
    readers: Vec<Cursor>,
    body: Bytes,
    number: u64,
    out: Vec<Shared>,
}

impl Rig {
    fn new(readers: usize) -> Self {
        let (publisher, hub) = hub(Keep { age: Duration::from_secs(4), bytes: 16 << 20 }, None);
        let cursor = Cursor::new(Start::Group, Duration::from_secs(600), Duration::ZERO);
        let body = Bytes::from(vec![0x5A; 10_000]);
        let mut rig = Self { publisher, hub, readers: vec![cursor; readers], body, number: 0, out: Vec::new() };
        for _ in 0..2 * GROUP {
            rig.publish();
            rig.read_all();
        }
        rig
    }

    fn publish(&mut self) {
        let entry = self.number.is_multiple_of(GROUP).then(|| Arc::from(Vec::new()));
        self.publisher.publish(picture(self.number, &self.body), Instant::now(), entry);
        self.number += 1;
    }

    fn read_all(&mut self) {
        let now = Instant::now();
        for reader in &mut self.readers {
            self.out.clear();
            black_box(self.hub.read(reader, now, 64, 64 << 10, &mut self.out));
        }
    }
}

/// One frame published, and read by each reader for itself.
#[divan::bench(args = READERS)]
fn publish_and_read(bencher: Bencher, readers: usize) {
    let mut rig = Rig::new(readers);
    bencher.counter(ItemsCount::new(readers)).bench_local(move || {
        rig.publish();
        rig.read_all();
    });
}

/// One frame published, read once as a train, on which each reader rides.
#[divan::bench(args = READERS)]
fn publish_and_ride(bencher: Bencher, readers: usize) {
    let mut rig = Rig::new(readers);
    bencher.counter(ItemsCount::new(readers)).bench_local(move || {
        let from = rig.publisher.head();
        rig.publish();
        rig.out.clear();
        let (now, train) = (Instant::now(), rig.hub.train(from, 64, 64 << 10, &mut rig.out).unwrap());
        for reader in &mut rig.readers {
            assert!(reader.may_ride(&train, now), "a reader at the live edge");
            reader.ride(&train);
        }
    });
}

/// A frame published that nobody reads: what the source waits for.
#[divan::bench]
fn publish_alone(bencher: Bencher) {
    let mut rig = Rig::new(0);
    bencher.bench_local(move || rig.publish());
}

/// A message into the bytes that all share, the first time that somebody asks.
#[divan::bench(args = [400, 10_000, 250_000])]
fn serialise_once(bencher: Bencher, bytes: usize) {
    let body = Bytes::from(vec![0x5A; bytes]);
    bencher.with_inputs(|| picture(1, &body)).bench_values(|message| message.shared(CHUNK_SIZE, Form::Play).unwrap());
}

/// The same bytes for everybody after the first.
#[divan::bench]
fn share_again(bencher: Bencher) {
    let message = picture(1, &Bytes::from(vec![0x5A; 10_000]));
    bencher.bench(|| message.shared(CHUNK_SIZE, Form::Play).unwrap());
}

/// A connection's own copy, for the first message after a join or a skip.
#[divan::bench]
fn serialise_for_one(bencher: Bencher) {
    let message = picture(1, &Bytes::from(vec![0x5A; 10_000]));
    bencher.bench(|| message.full(CHUNK_SIZE, Form::Play, 1, 1234).unwrap());
}
