//! A graph of words as the API shows it: its inputs are the streams, and its outputs are as they were typed. What the board
//! knows, in the same views as those of a relay.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::measure::{OutputFigures, StreamFigures};
use super::rates::Rates;
use super::view::{AlertView, DelayView, OutputView, StreamView};
use super::{alerting, show};
use crate::monitor::alerts::engine::Judged;
use crate::monitor::board::{self, Board, InputView, View};
use crate::monitor::{OutputStats, State};

/// An input that goes on without media for so long is not called live.
const SILENCE: Duration = Duration::from_secs(3);

/// The views of a graph that runs.
#[derive(Debug)]
pub struct Words {
    board: Arc<Board>,
    rates: Mutex<HashMap<String, (Rates, Moved)>>,
}

/// When a counter last was another one.
#[derive(Debug)]
struct Moved {
    bytes: u64,
    at: Instant,
}

impl Words {
    /// Of the graph that keeps this board.
    pub fn new(board: Arc<Board>) -> Self {
        Self { board, rates: Mutex::default() }
    }

    /// Notes how it goes; to be called once a second.
    pub fn look(&self, now: Instant) {
        let (view, mut rates) = (self.board.view(), self.rates.lock());
        let inputs = view.inputs.iter().map(|input| (&input.name, &input.stats.bytes, &input.stats.frames));
        let outputs = view.outputs.iter().map(|output| (&output.name, &output.stats.bytes, &output.stats.frames));
        for (name, bytes, frames) in inputs.chain(outputs) {
            let (bytes, frames) = (OutputStats::get(bytes), OutputStats::get(frames));
            let (rates, moved) =
                rates.entry(name.clone()).or_insert_with(|| (Rates::default(), Moved { bytes: 0, at: now }));
            rates.look(now, bytes, frames);
            if moved.bytes != bytes {
                *moved = Moved { bytes, at: now };
            }
        }
    }

    /// The inputs.
    pub fn streams(&self) -> Vec<StreamView> {
        let view = self.board.view();
        view.inputs.iter().map(|input| self.stream(input, &view)).collect()
    }

    /// The outputs.
    pub fn outputs(&self) -> Vec<OutputView> {
        self.board.view().outputs.iter().map(|output| self.output(output)).collect()
    }

    /// The alerts that are raised.
    pub fn alerts(&self) -> Vec<AlertView> {
        self.board.alerts().lock().active().into_iter().map(alerting::view).collect()
    }

    /// Every rule that can be judged now, and whether its alert is raised.
    pub fn judged(&self) -> Vec<Judged> {
        self.board.alerts().lock().judged()
    }

    /// All figures at one instant.
    pub fn figures(&self) -> (Vec<StreamFigures>, Vec<OutputFigures>) {
        let view = self.board.view();
        let streams = view.inputs.iter().map(|input| {
            let served = || view.outputs.iter().filter(|output| output.input == input.name && serves(output));
            let sum = |of: fn(&OutputStats) -> u64| served().map(|output| of(&output.stats)).sum();
            StreamFigures {
                view: self.stream(input, &view),
                frames: OutputStats::get(&input.stats.frames),
                time_jumps: OutputStats::get(&input.stats.time_jumps),
                kept: OutputStats::get(&input.stats.kept),
                player_bytes: sum(|stats| OutputStats::get(&stats.bytes)),
                player_skips: sum(|stats| OutputStats::get(&stats.skips)),
            }
        });
        let outputs = view.outputs.iter().map(|output| OutputFigures::new(self.output(output), &output.stats));
        (streams.collect(), outputs.collect())
    }

    fn stream(&self, input: &InputView, view: &View) -> StreamView {
        let rates = self.rates.lock();
        let (rates, moved) = rates.get(&input.name).map(|(rates, moved)| (rates, moved)).unzip();
        // A generator has no arrival of its own to tell of.
        let up = input.up_since.is_some() || (input.reason.is_none() && OutputStats::get(&input.stats.starts) > 0);
        let outputs = || view.outputs.iter().filter(|output| output.input == input.name);
        StreamView {
            id: input.name.clone(),
            name: input.name.clone(),
            live: up && moved.is_some_and(|moved: &Moved| moved.bytes > 0 && moved.at.elapsed() < SILENCE),
            bitrate_bps: rates.map_or(0, Rates::bits),
            fps: rates.map_or(0.0, Rates::frames),
            players: outputs().filter_map(players).sum(),
            outputs: outputs().map(|output| output.name.clone()).collect(),
            ..show::media(&input.stats)
        }
    }

    fn output(&self, output: &board::OutputView) -> OutputView {
        let (rates, none) = (self.rates.lock(), Rates::default());
        let rates = rates.get(&output.name).map_or(&none, |(rates, _)| rates);
        let figures = show::figures(&output.stats, output.state, rates);
        let wrong = !matches!(output.state, State::Stopped | State::Idle);
        let scheme = output.url.split_once("://").map_or("", |(scheme, _)| scheme);
        let protocol = if scheme.starts_with("rtmp") { scheme } else { output.kind };
        // One of many players that does not read says nothing of the others.
        let one = !serves(output);
        OutputView {
            id: output.name.clone(),
            name: output.name.clone(),
            stream: output.input.clone(),
            url: output.url.clone(),
            protocol: protocol.to_owned(),
            reason: output.reason.as_ref().filter(|_| wrong).map(show::reason),
            since: show::date(output.since),
            attempt: output.attempt,
            next_retry_at: output.retry_at.filter(|_| output.state == State::Backoff).map(show::date),
            session: show::session(output.platform, &output.stats),
            players: players(output),
            origin: "words",
            delay_ms: figures.delay_ms.map(|delay| DelayView { window_closed: delay.window_closed && one, ..delay }),
            window_closed: figures.window_closed && one,
            rtmp_unacknowledged_bytes: figures.rtmp_unacknowledged_bytes.filter(|_| one),
            ..figures
        }
    }
}

/// Whether it serves whoever comes.
fn serves(output: &board::OutputView) -> bool {
    output.kind.contains("listen")
}

fn players(output: &board::OutputView) -> Option<u64> {
    serves(output).then(|| OutputStats::get(&output.stats.connections))
}
