//! The bandwidth test: all outputs at once, each over a connection of its own, to a far side that counts what arrives.
//!
//! The near side plays `check/ID/results` of the far side, which makes a test of it, and publishes to `check/ID/0`,
//! `check/ID/1` ... until it has enough: by the client, hubs, pumps and sinks of a real run, so that what lags and skips
//! here would lag and skip there.

mod counted;
pub mod far;
mod judge;
pub(super) mod media;
mod run;
mod tally;

use std::time::Duration;

use super::finding::{Finding, Verdict};
use crate::env::Env;
use crate::options::Options;
use crate::secret::Secret;

/// The port of the far side where none is named.
pub const PORT: u16 = 1938;
/// The longest that a test may take.
pub const MOST_TIME: Duration = Duration::from_secs(300);
/// The shortest that tells something.
pub const LEAST_TIME: Duration = Duration::from_secs(3);
/// How long it takes if nothing is said.
pub const TIME: Duration = Duration::from_secs(30);
/// The most outputs of one test.
const MOST_PATHS: usize = 256;
/// The app of the far side.
const APP: &str = "check";
/// What is played there.
const RESULTS: &str = "results";

/// Where to send, and for how long.
#[derive(Debug, Clone)]
pub struct Bandwidth {
    /// The host of the far side, an IPv6 address in brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What it wants to be shown.
    pub token: Secret,
    /// For how long to send.
    pub lasts: Duration,
}

impl Bandwidth {
    fn shown(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// One output of the test.
pub(super) struct Sending {
    /// Its name.
    pub(super) name: String,
    /// What it sends, in bits per second.
    pub(super) bps: u64,
    /// Frames per second, if that is known.
    pub(super) fps: Option<f64>,
    /// Seconds from key frame to key frame, if that is known.
    pub(super) key_interval: Option<f64>,
    /// The options of its word.
    pub(super) options: Options,
}

/// Sends all of them at once and tells what arrived.
pub(super) async fn measure(bandwidth: &Bandwidth, outputs: &[Sending], env: &Env) -> Vec<Finding> {
    if outputs.len() > MOST_PATHS {
        let text = format!("a test has {MOST_PATHS} outputs at most, and here are {}", outputs.len());
        return vec![Finding::new("uplink", "measured", Verdict::NotTested, text)];
    }
    match run::run(bandwidth, outputs, env).await {
        Ok(sent) => judge::told(&bandwidth.shown(), &sent),
        Err(text) => judge::unreached(&bandwidth.shown(), bandwidth.port, &text, outputs),
    }
}
