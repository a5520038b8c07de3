//! End-to-end tests of `outflow serve`, as a program, with real publishers and servers: what a show depends on when
//! something is killed, unplugged, restarted, reloaded or renewed.
//!
//! Every program under test is given secrets that are its alone, and at its end nothing that it said has one of them
//! ([`rig::Serve::end`]). GPAC can't be installed where these tests run, so its publisher is not among them: what is known
//! of it (`docs/gpac.md`) is tested with recordings in `crates/rtmp`. Long forms are `#[ignore]`d and run by
//! `scripts/test-long`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod again;
mod alerts;
mod backend;
mod client;
mod encoder;
mod ending;
mod ghost;
mod loops;
mod publishers;
mod recovery;
mod reloads;
mod restart;
mod rig;
mod rounds;
mod secrets;
