//! Recordings of real sessions and inputs that the fuzzer found, cut and changed.

use std::path::Path;

use super::bytes::{Out, noise, one_of};
use super::{Make, Scene};
use crate::random::Random;

/// All of them.
pub const ATTACKS: &[(&str, Make)] = &[
    ("a recording, changed", recorded),
    ("a recording, cut", cut),
    ("two recordings in one", spliced),
    ("fuzzed sessions", sessions),
    ("fuzzed chunks", chunks),
    ("fuzzed bodies", bodies),
];

/// What there is to change.
#[derive(Debug, Default)]
pub struct Seeds {
    /// What clients said in recorded sessions.
    pub clients: Vec<Vec<u8>>,
    /// What servers said.
    pub servers: Vec<Vec<u8>>,
    /// Inputs of the fuzzer's targets for whole sessions.
    pub sessions: Vec<Vec<u8>>,
    /// For chunks.
    pub chunks: Vec<Vec<u8>>,
    /// For what messages hold.
    pub bodies: Vec<Vec<u8>>,
}

impl Seeds {
    /// The committed recordings and corpora, and the recordings in these folders too, where they are there.
    pub fn read(more: &[&Path]) -> Self {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut seeds = Self::default();
        for folder in more.iter().copied().chain([crates.join("rtmp/tests/data").as_path()]) {
            let Ok(files) = std::fs::read_dir(folder) else { continue };
            let mut files: Vec<_> = files.filter_map(|entry| Some(entry.ok()?.path())).collect();
            files.sort();
            for file in files.iter().filter(|file| file.extension().is_some_and(|end| end == "rec")) {
                let [client, server] = directions(&std::fs::read(file).expect("a recording can be read"));
                seeds.clients.push(client);
                seeds.servers.push(server);
            }
        }
        let corpus =
            |name: &str| inputs(&std::fs::read(crates.join(format!("fuzz/corpus/{name}.corpus"))).unwrap_or_default());
        seeds.sessions = ["server", "client"].into_iter().flat_map(corpus).collect();
        seeds.chunks = corpus("chunks");
        seeds.bodies = ["amf0", "amf3", "bodies", "aggregates", "tags"].into_iter().flat_map(corpus).collect();
        for (what, found) in [("recordings", &seeds.clients), ("corpora", &seeds.sessions), ("corpora", &seeds.bodies)]
        {
            assert!(!found.is_empty(), "the committed {what} are not where they belong");
        }
        seeds
    }
}

/// Records of direction, time, length and bytes; a byte, two numbers of 32 bits.
fn directions(file: &[u8]) -> [Vec<u8>; 2] {
    let mut found = [Vec::new(), Vec::new()];
    let mut rest = file;
    while let [direction, _, _, _, _, a, b, c, d, tail @ ..] = rest {
        let (bytes, tail) = tail.split_at((u32::from_be_bytes([*a, *b, *c, *d]) as usize).min(tail.len()));
        found[usize::from(*direction & 1)].extend_from_slice(bytes);
        rest = tail;
    }
    found
}

/// Inputs, each after its length.
fn inputs(file: &[u8]) -> Vec<Vec<u8>> {
    let (mut found, mut rest) = (Vec::new(), file);
    while let Some((length, tail)) = rest.split_first_chunk() {
        let (input, tail) = tail.split_at((u32::from_be_bytes(*length) as usize).min(tail.len()));
        found.push(input.to_vec());
        rest = tail;
    }
    found
}

/// Changes a few places: bits, bytes, numbers, pieces left out or there twice.
pub fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..one_of(random, &[1, 2, 5, 30]) {
        if bytes.is_empty() {
            return;
        }
        let at = random.below(bytes.len() as u64) as usize;
        let length = (random.below(64) as usize).min(bytes.len() - at);
        match random.below(7) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.number() as u8,
            2 => bytes[at..at + length].fill(one_of(random, &[0, 0xFF, 0x7F])),
            3 => drop(bytes.drain(at..at + length)),
            4 => {
                let again = bytes[at..at + length].to_vec();
                bytes.splice(at..at, again);
            }
            5 => {
                let length = random.below(32) as usize;
                let more = noise(random, length);
                bytes.splice(at..at, more);
            }
            _ => {
                for (to, from) in bytes[at..at + length].iter_mut().zip(u32::MAX.to_be_bytes()) {
                    *to = from;
                }
            }
        }
    }
}

fn pick<'a>(random: &mut Random, list: &'a [Vec<u8>]) -> &'a [u8] {
    &list[random.below(list.len() as u64) as usize]
}

/// A recorded name is this server's to refuse; most name another app.
fn recorded(random: &mut Random, scene: &Scene) -> Vec<u8> {
    let mut bytes = pick(random, &scene.seeds.clients).to_vec();
    // The beginning counts most: with it destroyed nothing else is looked at.
    let from = one_of(random, &[0, 3073, 3073, 4500]).min(bytes.len());
    let mut rest = bytes.split_off(from);
    mutate(random, &mut rest);
    bytes.extend(rest);
    bytes
}

fn cut(random: &mut Random, scene: &Scene) -> Vec<u8> {
    let bytes = pick(random, &scene.seeds.clients);
    bytes[..random.below(1 + bytes.len() as u64) as usize].to_vec()
}

fn spliced(random: &mut Random, scene: &Scene) -> Vec<u8> {
    let (one, other) = (pick(random, &scene.seeds.clients), pick(random, &scene.seeds.clients));
    let (end, begin) = (random.below(1 + one.len() as u64) as usize, random.below(1 + other.len() as u64) as usize);
    [&one[..end], &other[begin..]].concat()
}

fn sessions(random: &mut Random, scene: &Scene) -> Vec<u8> {
    let mut bytes = pick(random, &scene.seeds.sessions).to_vec();
    if random.below(2) == 0 {
        mutate(random, &mut bytes);
    }
    let mut out = if random.below(2) == 0 { Out::open(scene.app) } else { Out::default() };
    out.raw(&bytes);
    out.bytes
}

fn chunks(random: &mut Random, scene: &Scene) -> Vec<u8> {
    let mut out = Out::begun(scene.app, "publish", &scene.own_name(random));
    for _ in 0..random.below(5) {
        out.raw(pick(random, &scene.seeds.chunks));
    }
    out.bytes
}

fn bodies(random: &mut Random, scene: &Scene) -> Vec<u8> {
    let mut out = Out::begun(scene.app, "publish", &scene.own_name(random));
    for step in 0..random.below(200) as u32 {
        let mut body = pick(random, &scene.seeds.bodies).to_vec();
        if random.below(3) == 0 {
            mutate(random, &mut body);
        }
        // The first byte of an input is the fuzzer's own.
        let kind = one_of(random, &[8, 9, 18, 15, 22]);
        out.message(6, kind, 1, step * 10, body.get(1..).unwrap_or_default());
    }
    out.bytes
}
