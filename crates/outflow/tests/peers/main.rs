//! End-to-end tests of the program with real players, publishers and servers, and with the testkit's bad ones.
//!
//! Each peer that really took part is noted for `scripts/test`, which fails when one that the system can have did not.
//! Long forms are `#[ignore]`d and run by `scripts/test-long`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod avgen;
mod clock_rig;
mod clock_skips;
mod clocks;
mod cost;
mod ffmpeg_options;
mod help;
mod isolation;
mod issue3043;
mod log;
mod login;
mod mistakes;
mod pull;
mod relay;
mod source_return;
mod stdin;
mod token;
mod tracks;
