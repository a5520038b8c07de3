//! How long each stage of dialling may take, with an ending that names the stage.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::client::Watcher;
use crate::error::{Ended, Reason};
use crate::monitor::{Event, State};
use crate::source::SourceJob;

/// The deadlines of one attempt.
pub(super) struct Deadlines<'a> {
    job: &'a SourceJob,
    connect: Duration,
    others: Duration,
    stage: watch::Sender<(State, Instant)>,
}

impl<'a> Deadlines<'a> {
    pub(super) fn new(job: &'a SourceJob, connect: Duration, others: Duration) -> Self {
        Self { job, connect, others, stage: watch::Sender::new((State::Resolving, Instant::now())) }
    }

    fn limit(&self, state: State) -> Duration {
        if state == State::Connecting { self.connect } else { self.others }
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
                        State::Handshaking => "the handshake, TLS included, and connect",
                        _ => "the answer to play",
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
