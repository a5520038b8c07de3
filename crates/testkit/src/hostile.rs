//! Peers that attack: everything that is known to have brought RTMP servers down, and what nobody has thought of, at full
//! speed over many connections. They want no answer; whether the server lives, and serves others, is for the test to see.
//!
//! Everything they send follows from a seed, but for how it is cut by sockets.

pub mod abuse;
pub mod bytes;
pub mod dial;
pub mod live;
pub mod seeds;
pub mod serve;
pub mod wire;

use std::sync::atomic::{AtomicU64, Ordering};

use crate::random::Random;

/// What was done so far.
#[derive(Debug, Default)]
pub struct Tally {
    /// Connections made.
    pub connections: AtomicU64,
    /// Connections that could not be made, or were closed at once.
    pub refused: AtomicU64,
    /// Bytes sent.
    pub sent: AtomicU64,
    /// Bytes that came back.
    pub received: AtomicU64,
}

impl Tally {
    fn add(counter: &AtomicU64, more: usize) {
        counter.fetch_add(more as u64, Ordering::Relaxed);
    }

    /// Connections, and bytes sent.
    pub fn figures(&self) -> (u64, u64) {
        (self.connections.load(Ordering::Relaxed), self.sent.load(Ordering::Relaxed))
    }
}

/// Makes the bytes of one attack.
pub type Make = fn(&mut Random, &Scene) -> Vec<u8>;

/// What attacks are told of the server.
#[derive(Debug, Clone)]
pub struct Scene {
    /// The app.
    pub app: &'static str,
    /// The stream that others watch.
    pub live: &'static str,
    /// Recorded and fuzzed bytes to mutate.
    pub seeds: std::sync::Arc<seeds::Seeds>,
}

impl Scene {
    /// A name of the attackers' own.
    fn own_name(&self, random: &mut Random) -> String {
        format!("foe{}", random.below(40))
    }
}

/// Every attack by its name: those on the protocol, those on what it is for, and mutated recordings.
pub fn attacks() -> impl Iterator<Item = (&'static str, Make)> {
    wire::ATTACKS.iter().chain(abuse::ATTACKS).chain(seeds::ATTACKS).copied()
}
