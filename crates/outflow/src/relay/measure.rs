//! What is measured, for those who keep figures over time: the views, and the counters that they leave out.

use std::time::Duration;

use super::Relay;
use super::show;
use super::view::{OutputView, StreamView};
use crate::monitor::OutputStats;

/// A stream's figures.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamFigures {
    /// As it is shown.
    pub view: StreamView,
    /// Video frames received.
    pub frames: u64,
    /// Times that the source's time was mended.
    pub time_jumps: u64,
    /// Bytes of media that it keeps.
    pub kept: u64,
    /// Bytes sent to players.
    pub player_bytes: u64,
    /// Times that players skipped forward.
    pub player_skips: u64,
}

/// Figures of the program as a whole; `None` where it has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Whole {
    /// Bytes of media that all streams keep.
    pub kept: u64,
    /// How many they may (`limits.process_bytes`).
    pub kept_limit: Option<u64>,
    /// Connections to the RTMP ports.
    pub connections: Option<u64>,
    /// How many of them have not yet asked to publish or to play.
    pub half_open: Option<u64>,
}

/// An output's figures.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputFigures {
    /// As it is shown.
    pub view: OutputView,
    /// Video frames sent.
    pub frames: u64,
    /// Attempts to connect.
    pub attempts: u64,
    /// Frames whose delay was measured.
    pub delays: u64,
    /// What those delays add up to.
    pub delay_sum: Duration,
}

impl OutputFigures {
    pub(super) fn new(view: OutputView, stats: &OutputStats) -> Self {
        let (delays, delay_sum) = stats.delays.lock().total();
        let (frames, attempts) = (OutputStats::get(&stats.frames), OutputStats::get(&stats.attempts));
        Self { view, frames, attempts, delays, delay_sum }
    }
}

impl Relay {
    /// The figures of the whole.
    pub fn whole(&self) -> Whole {
        let budget = &self.around.env.budget;
        Whole {
            kept: budget.held() as u64,
            kept_limit: Some(budget.most() as u64),
            connections: Some(self.crowd.count() as u64),
            half_open: Some(self.crowd.half_open() as u64),
        }
    }

    /// All figures at one instant.
    pub fn figures(&self) -> (Vec<StreamFigures>, Vec<OutputFigures>) {
        let core = self.core.lock();
        let get = OutputStats::get;
        let streams = core.streams.iter().map(|(id, live)| StreamFigures {
            view: show::stream(id, live, &core),
            frames: get(&live.stats.frames),
            time_jumps: get(&live.stats.time_jumps),
            kept: live.stream.hub().bytes() as u64,
            player_bytes: get(&live.offer.stats.bytes),
            player_skips: get(&live.offer.stats.skips),
        });
        let outputs = core.outputs.values().map(|output| OutputFigures::new(show::output(output), &output.stats));
        (streams.collect(), outputs.collect())
    }
}
