//! The outputs of the relay: what each is to be, whether it is wanted, and the one run of it that there may be.

use std::sync::Arc;
use std::time::Instant;

use super::plan::Plan;
use super::rates::Rates;
use crate::error::Ended;
use crate::monitor::{OutputStats, State};
use crate::options::platforms::Platform;
use crate::output::{OutputHandle, Status};

/// One output.
pub(super) struct Output {
    pub(super) plan: Plan,
    /// Somebody wants it to run: its auto start, or a command.
    pub(super) wanted: bool,
    /// It was stopped by a command, and stays so.
    pub(super) stopped: bool,
    /// Its run, until that is over; there is one at most, so that two never publish to the same place.
    pub(super) run: Option<Run>,
    /// How its last run ended.
    pub(super) last: Option<Status>,
    pub(super) stats: Arc<OutputStats>,
    pub(super) rates: Rates,
    /// Since when it has been here.
    pub(super) made: Instant,
    /// The platform that it leads to, if that is known.
    pub(super) platform: Option<&'static Platform>,
}

/// A run of an output.
pub(super) struct Run {
    pub(super) handle: Arc<OutputHandle>,
    /// Tells this run from another of the same output.
    pub(super) number: u64,
    /// It was asked to end: what comes next is decided when it has.
    pub(super) ending: bool,
}

/// What is to be done so that an output is as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Nothing,
    Start,
    End,
}

impl Output {
    pub(super) fn new(plan: Plan, stopped: bool, started: bool) -> Self {
        let wanted = !stopped && (plan.auto_start || started);
        let platform = plan.node().and_then(|(_, node)| node.platform());
        Self {
            plan,
            platform,
            wanted,
            stopped,
            run: None,
            last: None,
            stats: Arc::default(),
            rates: Rates::default(),
            made: Instant::now(),
        }
    }

    /// What is to be done now.
    pub(super) fn step(&self) -> Step {
        match &self.run {
            None if self.wanted && !self.has_failed() => Step::Start,
            Some(run) if !self.wanted && !run.ending => Step::End,
            _ => Step::Nothing,
        }
    }

    /// True once its last run failed for good, and nobody asked for another.
    pub(super) fn has_failed(&self) -> bool {
        self.run.is_none() && self.last.as_ref().is_some_and(|last| last.state == State::Failed)
    }

    /// It could not even be begun.
    pub(super) fn fail(&mut self, reason: Ended) {
        self.last = Some(Status {
            state: State::Failed,
            since: Instant::now(),
            attempt: 0,
            reason: Some(reason),
            next_attempt: None,
            ever_live: false,
        });
    }

    /// True while it has a connection that is worth keeping.
    pub(super) fn is_connected(&self) -> bool {
        OutputStats::get(&self.stats.connections) > 0
    }

    /// What it does, or did last.
    pub(super) fn status(&self) -> Option<Status> {
        match &self.run {
            Some(run) => Some(run.handle.status()),
            None => self.last.clone(),
        }
    }

    /// The state to show.
    pub(super) fn state(&self) -> State {
        match (&self.run, &self.last) {
            // It was told to end, and has not looked up yet.
            (Some(run), _) if run.ending => match run.handle.status().state {
                State::Live | State::Stalled | State::Yielding | State::Draining => State::Draining,
                _ => State::Stopped,
            },
            // Its first look at the stream is still to come.
            (Some(run), _) if run.handle.status().state == State::Idle => State::WaitingInput,
            (Some(run), _) => run.handle.status().state,
            (None, Some(last)) if last.state == State::Failed => State::Failed,
            (None, _) if self.stopped => State::Stopped,
            (None, Some(_)) => State::Stopped,
            (None, None) => State::Idle,
        }
    }
}
