//! Peers for tests: ingest servers that misbehave, independent publishers and players, stream checkers, child processes.
//!
//! RTMP is spoken here with `rml_rtmp`, another implementation than ours, so that ours is never its own judge. Everything
//! binds port 0 of the loopback address. Waiting is always for a condition, with a deadline that only a failure reaches
//! and a message that says what was awaited.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // test code: a failed expectation ends the test

pub mod aside;
pub mod chaos;
pub mod chunks;
pub mod clock;
pub mod compare;
pub mod flv;
pub mod hostile;
pub mod http;
pub mod ingest;
pub mod media;
pub mod peers;
pub mod player;
pub mod proc;
pub mod proxy;
pub mod publisher;
pub mod random;
pub mod resolver;
pub mod samples;
pub mod shaped;
pub mod starved;
pub mod tap;
pub mod terminal;
pub mod tls;
pub mod tun;
pub mod wait;
pub mod wire;

/// A loopback port that was free a moment ago, for a program that cannot be told to bind port 0 and say which it got.
///
/// Ports come from below the kernel's ephemeral range and each is handed out once per process, at a place that depends
/// on the process id, so that neither outgoing connections nor tests in other processes take it in between.
pub fn free_port() -> u16 {
    use std::sync::atomic::{AtomicU16, Ordering};
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const FIRST: u16 = 10_000;
    const COUNT: u16 = 20_000;
    let start = u16::try_from(std::process::id().wrapping_mul(97) % u32::from(COUNT)).expect("below COUNT");
    for _ in 0..COUNT {
        let port = FIRST + (start + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT) % COUNT;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port on the loopback address");
}
