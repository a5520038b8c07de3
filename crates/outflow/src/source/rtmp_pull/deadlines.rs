//! How long each stage of dialling may take, with an ending that names the stage.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::STAGE;
use crate::client::Watcher;
use crate::error::{Ended, Reason};
use crate::limits::Limits;
use crate::monitor::{Event, State};
use crate::source::SourceJob;

/// The deadlines of one attempt.
pub(super) struct Deadlines<'a> {
    job: &'a SourceJob,
    connect: Duration,
    limits: Arc<Limits>,
    stage: watch::Sender<(State, Instant)>,
}

impl<'a> Deadlines<'a> {
    pub(super) fn new(job: &'a SourceJob, connect: Duration, limits: Arc<Limits>) -> Self {
        Self { job, connect, limits, stage: watch::Sender::new((State::Resolving, Instant::now())) }
    }

    fn limit(&self, state: State) -> Duration {
        match state {
            State::Resolving => STAGE,
            State::Connecting => self.connect,
            State::Handshaking => self.limits.handshake,
            _ => self.limits.answer,
        }
    }

    /// Returns when a stage has taken too long.
    pub(super) async fn passed(&self) -> Ended {
        let mut stages = self.stage.subscribe();
        loop {
            let (state, since) = *stages.borrow_and_update();
            let limit = self.limit(state);
            tokio::select! {
                _ = stages.changed() => {}
                () = tokio::time::sleep_until(since + limit) => {
                    let what = match state {
                        State::Resolving => "looking up the name",
                        State::Connecting => "connecting",
                        State::Handshaking => "the handshake, TLS included, and connect (limits.handshake)",
                        _ => "the answer to play (limits.answer)",
                    };
                    let text = format!("{what} took longer than {} s", limit.as_secs_f32());
                    return Ended::network(Reason::Timeout, text);
                }
            }
        }
    }
}

impl Watcher for Deadlines<'_> {
    fn enter(&self, state: State) {
        self.stage.send_replace((state, Instant::now()));
    }

    fn note(&self, text: String) {
        (self.job.events)(Event::Note { who: self.job.name.clone(), text });
    }
}
