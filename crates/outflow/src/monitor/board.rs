//! The board: every input and output with its state and counters, kept by the events, read by whoever shows them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use super::{Event, InputStats, OutputStats, State};
use crate::error::Ended;
use crate::monitor::alerts::engine::Engine;
use crate::options::platforms::Platform;

/// One output as it is now.
#[derive(Debug, Clone)]
pub struct OutputView {
    /// Its name.
    pub name: String,
    /// The kind of its sink.
    pub kind: &'static str,
    /// Its URL, masked.
    pub url: String,
    /// The platform that it leads to, if that is known.
    pub platform: Option<&'static Platform>,
    /// Its state.
    pub state: State,
    /// Since when.
    pub since: Instant,
    /// Attempts so far.
    pub attempt: u32,
    /// Why it is in that state, where something went wrong.
    pub reason: Option<Ended>,
    /// When the next attempt is due, in backoff.
    pub retry_at: Option<Instant>,
    /// Whether it ever was live.
    pub ever_live: bool,
    /// The input that it sends, once that is known.
    pub input: String,
    /// Its counters.
    pub stats: Arc<OutputStats>,
}

impl OutputView {
    /// While it waits for its input, or was told to end, there is nothing that it should send.
    pub fn is_wanted(&self) -> bool {
        !matches!(self.state, State::Idle | State::WaitingInput | State::Draining | State::Stopped)
    }
}

/// One input as it is now.
#[derive(Debug, Clone)]
pub struct InputView {
    /// Its name.
    pub name: String,
    /// The kind of its source.
    pub kind: &'static str,
    /// Its URL, masked; empty where it has none.
    pub url: String,
    /// Since when it has had a source; `None` while it waits for one.
    pub up_since: Option<Instant>,
    /// Why its last source ended.
    pub reason: Option<Ended>,
    /// Its counters.
    pub stats: Arc<InputStats>,
}

/// Everything as it is at one instant.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// The inputs, in the order of the words.
    pub inputs: Vec<InputView>,
    /// The outputs, in the order of the words.
    pub outputs: Vec<OutputView>,
    /// The ports that are listened on.
    pub listening: Vec<SocketAddr>,
}

/// Keeps the view.
#[derive(Debug)]
pub struct Board {
    /// When the program began.
    pub begin: Instant,
    view: Mutex<View>,
    /// Of its own: judging takes longer than looking.
    alerts: Mutex<Engine>,
}

impl Default for Board {
    fn default() -> Self {
        Self { begin: Instant::now(), view: Mutex::default(), alerts: Mutex::default() }
    }
}

impl Board {
    /// Everything as it is now.
    pub fn view(&self) -> View {
        self.view.lock().clone()
    }

    /// The alerts of a graph that runs; a relay has its own.
    pub fn alerts(&self) -> &Mutex<Engine> {
        &self.alerts
    }

    /// Adds an output.
    pub fn add_output(&self, name: &str, kind: &'static str, url: &str, stats: Arc<OutputStats>) {
        self.view.lock().outputs.push(OutputView {
            name: name.to_owned(),
            kind,
            url: url.to_owned(),
            platform: None,
            state: State::Idle,
            since: Instant::now(),
            attempt: 0,
            reason: None,
            retry_at: None,
            ever_live: false,
            input: String::new(),
            stats,
        });
    }

    /// Tells which platform an output leads to.
    pub fn leads_to(&self, name: &str, platform: Option<&'static Platform>) {
        if let Some(known) = self.view.lock().outputs.iter_mut().find(|known| known.name == name) {
            known.platform = platform;
        }
    }

    /// Adds an input.
    pub fn add_input(&self, name: &str, kind: &'static str, url: &str, stats: Arc<InputStats>) {
        let (name, url) = (name.to_owned(), url.to_owned());
        self.view.lock().inputs.push(InputView { name, kind, url, up_since: None, reason: None, stats });
    }

    /// Says which input an output sends.
    pub fn feeds(&self, input: &str, output: &str) {
        if let Some(known) = self.view.lock().outputs.iter_mut().find(|known| known.name == output) {
            input.clone_into(&mut known.input);
        }
    }

    /// Removes an output: it is gone for good.
    pub fn remove_output(&self, name: &str) {
        self.view.lock().outputs.retain(|known| known.name != name);
    }

    /// Removes an input.
    pub fn remove_input(&self, name: &str) {
        self.view.lock().inputs.retain(|known| known.name != name);
    }

    /// Notes how every output does; to be called each second by whoever runs them.
    pub fn look(&self) {
        let now = Instant::now();
        for output in &self.view.lock().outputs {
            let skips = OutputStats::get(&output.stats.skips);
            output.stats.stability.lock().look(output.is_wanted(), output.state == State::Live, skips);
            let connected = OutputStats::get(&output.stats.connections) > 0;
            output.stats.session.lock().look(now, 0, output.state, connected);
        }
    }

    /// Takes an event over.
    pub fn on(&self, event: &Event) {
        let now = Instant::now();
        let mut view = self.view.lock();
        match event {
            Event::Listening { address, .. } => view.listening.push(*address),
            Event::Output { output, state, reason, attempt, retry_in } => {
                if let Some(known) = view.outputs.iter_mut().find(|known| known.name == *output) {
                    if known.state != *state {
                        known.since = now;
                    }
                    known.state = *state;
                    known.attempt = *attempt;
                    known.reason.clone_from(reason);
                    known.retry_at = retry_in.map(|wait| now + wait);
                    known.ever_live |= *state == State::Live;
                }
            }
            Event::InputStarted { input, .. } => {
                if let Some(known) = view.inputs.iter_mut().find(|known| known.name == *input) {
                    known.up_since = Some(now);
                    known.reason = None;
                }
            }
            Event::InputEnded { input, reason, .. } => {
                if let Some(known) = view.inputs.iter_mut().find(|known| known.name == *input) {
                    known.up_since = None;
                    known.reason = Some(reason.clone());
                }
            }
            _ => {}
        }
    }
}
