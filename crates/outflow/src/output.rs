//! The supervisor of every output: one task that owns the state machine, the sink and its timers.

pub mod backoff;
pub mod policy;
pub mod state;

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep_until};

use crate::error::Ended;
use crate::monitor::{self, OutputStats, State};
use crate::sink::{BoxFuture, Env, Progress, Sink, SinkJob, Switches};
use crate::stop::{Stop, Stopper, stopper};
use crate::stream::{InputState, Stream};
use policy::Policy;
pub use policy::policy;
use state::{Actions, Event, Machine};

/// Everything that makes an output.
pub struct OutputSpec {
    /// Its name in events.
    pub name: String,
    /// What sends.
    pub sink: Box<dyn Sink>,
    /// How it is supervised: see [`policy`].
    pub policy: Policy,
    /// What is sent.
    pub stream: Arc<Stream>,
    /// Its counters.
    pub stats: Arc<OutputStats>,
    /// Where its events go.
    pub events: monitor::Sink,
    /// The shared parts of the program, for the sink.
    pub env: Env,
}

/// What an output is doing, for whoever wants to show it.
#[derive(Debug, Clone)]
pub struct Status {
    /// The state.
    pub state: State,
    /// Since when.
    pub since: Instant,
    /// Attempts so far.
    pub attempt: u32,
    /// Why it is in that state, where something went wrong.
    pub reason: Option<Ended>,
    /// When the next attempt is due, in backoff.
    pub next_attempt: Option<Instant>,
    /// Whether it ever was live.
    pub ever_live: bool,
}

/// How an output ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// `Stopped` or `Failed`.
    pub state: State,
    /// Whether it ever was live.
    pub ever_live: bool,
    /// The last thing that went wrong, if anything did.
    pub last: Option<Ended>,
}

/// A running output. Dropping it asks the output to stop.
pub struct OutputHandle {
    /// What it sends; `None` where that can't be changed.
    source: Option<watch::Sender<Arc<Stream>>>,
    status: Arc<Mutex<Status>>,
    stopper: Stopper,
    retry: Arc<Notify>,
    over: Stop,
    task: JoinHandle<Outcome>,
}

impl OutputHandle {
    /// Asks it to end: it drains, bounded, and stops.
    pub fn stop(&self) {
        self.stopper.stop();
    }

    /// Cuts a backoff short.
    pub fn retry_now(&self) {
        self.retry.notify_one();
    }

    /// Sends another stream from its next key frame on, over the connection that is there: time goes on from where it is,
    /// and the new stream's headers come first. Until that key frame the old stream is sent, if it goes on. An output that
    /// is not connected begins with the new stream. From now on it is the new stream's input that counts: where none is
    /// there the connection is kept for `grace`.
    ///
    /// False if that is not possible: players have chosen the stream of a listening output themselves.
    pub fn switch(&self, stream: Arc<Stream>) -> bool {
        let Some(source) = &self.source else { return false };
        source.send_if_modified(|present| {
            let other = !Arc::ptr_eq(present, &stream);
            *present = stream;
            other
        });
        true
    }

    /// What it is doing.
    pub fn status(&self) -> Status {
        self.status.lock().clone()
    }

    /// Returns when it has ended for good, and leaves the outcome to [`OutputHandle::wait`].
    pub async fn ended(&self) {
        self.over.stopped().await;
    }

    /// Returns when it has ended for good.
    pub async fn wait(self) -> Outcome {
        let Self { status, stopper: _kept, task, .. } = self;
        match task.await {
            Ok(outcome) => outcome,
            Err(_) => Outcome {
                state: State::Failed,
                ever_live: status.lock().ever_live,
                last: Some(Ended::internal("the output's own task came to an end: a fault of this program")),
            },
        }
    }
}

/// Starts an output on the current runtime.
pub fn spawn(spec: OutputSpec) -> OutputHandle {
    let now = Instant::now();
    let (stopper, stop) = stopper();
    let retry = Arc::new(Notify::new());
    let OutputSpec { name, sink, policy, stream, stats, events, env } = spec;
    // Often enough to see a stall in time, seldom enough to cost nothing.
    let look = policy.stall.map_or(LOOK, |stall| (stall / 4).min(LOOK)).max(Duration::from_millis(1));
    let machine = Machine::new(policy, now, seed());
    let status = Arc::new(Mutex::new(status_of(&machine)));
    let (source, switched) = watch::channel(stream.clone());
    let serves = sink.role() == crate::sink::Role::Serve;
    let supervisor = Supervisor {
        switched,
        _source: source.clone(),
        input: stream.state(),
        input_is_gone: false,
        status: status.clone(),
        retry: retry.clone(),
        stopped: false,
        machine,
        look,
        stop,
        job: Job { name, stream, stats, events, env },
    };
    let (ending, over) = crate::stop::stopper();
    let task = tokio::spawn(async move {
        // Dropped with the task, whichever way it ends.
        let _ending = ending;
        supervisor.run(sink).await
    });
    OutputHandle { source: (!serves).then_some(source), status, stopper, retry, over, task }
}

/// How often a running attempt's counters are looked at.
const LOOK: Duration = Duration::from_millis(500);

/// A number that differs between outputs and between runs of the program.
fn seed() -> u64 {
    let mut bytes = [0u8; 8];
    // Without random numbers the waits of all outputs are alike, which is no reason to end.
    let _ = getrandom::fill(&mut bytes);
    u64::from_ne_bytes(bytes)
}

fn status_of(machine: &Machine) -> Status {
    Status {
        state: machine.state(),
        since: machine.since(),
        attempt: machine.attempt(),
        reason: machine.reason().cloned(),
        next_attempt: machine.next_attempt(),
        ever_live: machine.ever_live(),
    }
}

/// What every run of the sink is given.
struct Job {
    name: String,
    stream: Arc<Stream>,
    stats: Arc<OutputStats>,
    events: monitor::Sink,
    env: Env,
}

struct Supervisor {
    machine: Machine,
    job: Job,
    /// The stream that is to be sent.
    switched: watch::Receiver<Arc<Stream>>,
    /// Kept, so that the handle may go.
    _source: watch::Sender<Arc<Stream>>,
    input: watch::Receiver<InputState>,
    /// The stream itself is gone: its input can't change any more.
    input_is_gone: bool,
    stop: Stop,
    stopped: bool,
    retry: Arc<Notify>,
    status: Arc<Mutex<Status>>,
    look: Duration,
}

impl Supervisor {
    async fn run(mut self, mut sink: Box<dyn Sink>) -> Outcome {
        let mut actions = self.input_event();
        while !self.machine.is_over() {
            if actions.start {
                actions = self.attempt(sink.as_mut()).await;
            } else {
                actions = self.outside().await;
            }
        }
        let machine = &self.machine;
        Outcome { state: machine.state(), ever_live: machine.ever_live(), last: machine.last().cloned() }
    }

    /// Feeds one event, and tells everybody of what it changed.
    fn on(&mut self, event: Event) -> Actions {
        let now = Instant::now();
        let actions = self.machine.on(now, event);
        if actions.changed {
            *self.status.lock() = status_of(&self.machine);
            (self.job.events)(monitor::Event::Output {
                output: self.job.name.clone(),
                state: self.machine.state(),
                reason: self.machine.reason().cloned(),
                attempt: self.machine.attempt(),
                retry_in: self.machine.next_attempt().map(|next| next.saturating_duration_since(now)),
            });
        }
        actions
    }

    /// Feeds the state of the input as it is now.
    fn input_event(&mut self) -> Actions {
        let state = *self.input.borrow_and_update();
        self.on(match state {
            _ if self.input_is_gone => Event::InputEnded { finished: true },
            InputState { finished: true, .. } => Event::InputEnded { finished: true },
            InputState { ready: true, gone_since: None, .. } => Event::InputReady,
            InputState { ended: true, .. } => Event::InputEnded { finished: false },
            // A source that has come but has had no key frame yet is no news of the broadcast's end.
            InputState { gone_since, .. } => Event::InputGone(gone_since.unwrap_or_else(Instant::now)),
        })
    }

    /// Goes on with the stream that was chosen, and feeds the state of its input.
    fn switch(&mut self) -> Actions {
        self.job.stream = self.switched.borrow_and_update().clone();
        self.input = self.job.stream.state();
        self.input_is_gone = false;
        let text = format!("goes on with {} from its next key frame", self.job.stream.name);
        (self.job.events)(monitor::Event::Note { who: self.job.name.clone(), text });
        let InputState { ended, finished, .. } = *self.input.borrow_and_update();
        if ended && !finished {
            // Its last broadcast is over, not the one that is being sent: the next may come within the grace.
            return self.on(Event::InputGone(Instant::now()));
        }
        self.input_event()
    }

    /// Waits for the next thing that may happen whether there is an attempt or not, and feeds it.
    async fn outside(&mut self) -> Actions {
        enum Happened {
            Input(bool),
            Switch,
            Stop,
            Retry,
            Due,
        }
        let due = self.machine.due();
        let happened = tokio::select! {
            () = self.stop.stopped(), if !self.stopped => Happened::Stop,
            changed = self.input.changed(), if !self.input_is_gone => Happened::Input(changed.is_ok()),
            Ok(()) = self.switched.changed() => Happened::Switch,
            () = self.retry.notified() => Happened::Retry,
            () = at(due) => Happened::Due,
        };
        match happened {
            Happened::Stop => {
                self.stopped = true;
                self.on(Event::Stop)
            }
            Happened::Input(there) => {
                self.input_is_gone = !there;
                self.input_event()
            }
            Happened::Switch => self.switch(),
            Happened::Retry => self.on(Event::RetryNow),
            Happened::Due => self.on(Event::Due),
        }
    }

    /// Runs the sink until it ends or is to be abandoned. The answer is what to do then.
    async fn attempt(&mut self, sink: &mut dyn Sink) -> Actions {
        self.job.stats.attempts.fetch_add(1, Ordering::Relaxed);
        let (closer, stop) = stopper();
        let progress = Progress::default();
        let job = SinkJob {
            stream: self.job.stream.clone(),
            // A clone of what we have seen ourselves: a switch of this instant is told to both.
            switches: Switches::new(self.switched.clone()),
            progress: progress.clone(),
            stats: self.job.stats.clone(),
            stop,
            events: self.job.events.clone(),
            name: self.job.name.clone(),
            env: self.job.env.clone(),
        };
        let mut running = Guarded::new(|| sink.run(job));
        let mut connected = false;
        let mut look = interval(self.look);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let ended = tokio::select! {
                biased;
                ended = &mut running => Some(ended),
                () = progress.changed() => None,
                actions = self.outside() => {
                    if actions.close {
                        closer.stop();
                    }
                    if actions.abort {
                        return actions;
                    }
                    continue;
                }
                _ = look.tick() => {
                    let yields_to = self.job.stats.yields_to.lock().as_deref().map(str::to_owned);
                    if yields_to.is_some() != (self.machine.state() == State::Yielding) {
                        let _ = self.on(Event::Yields(yields_to));
                    }
                    let bytes = self.job.stats.moved();
                    let waiting = self.job.stats.lag_millis.get() > 0;
                    // Only shows or ends a stall; what follows from it comes with the deadline.
                    let _ = self.on(Event::MediaProgress { bytes, waiting });
                    continue;
                }
            };
            while let Some(state) = progress.take() {
                if state == State::Live && !std::mem::replace(&mut connected, true) {
                    OutputStats::add(&self.job.stats.connects, 1);
                }
                let _ = self.on(Event::Progress(state));
            }
            if let Some(ended) = ended {
                // Dropped before anything else begins: two attempts never overlap.
                drop(running);
                // Where the end of the input made it end, the input is heard first: it may not come again.
                if !self.input_is_gone && self.input.has_changed().unwrap_or(false) {
                    let _ = self.input_event();
                }
                return self.after(ended);
            }
        }
    }

    /// Feeds the end of an attempt. The input may have changed in the same instant, in either order.
    fn after(&mut self, ended: Ended) -> Actions {
        let actions = self.on(Event::Ended(ended));
        if actions.start || self.machine.is_over() {
            return actions;
        }
        self.input_event()
    }
}

/// Returns at the instant; never, where there is none.
async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant.into()).await,
        None => std::future::pending().await,
    }
}

/// A run whose panic is its end, and nobody else's.
struct Guarded<'a> {
    run: Option<BoxFuture<'a, Ended>>,
}

impl<'a> Guarded<'a> {
    fn new(start: impl FnOnce() -> BoxFuture<'a, Ended>) -> Self {
        Self { run: catch_unwind(AssertUnwindSafe(start)).ok() }
    }

    /// Drops the run; a panic in that is as good as any other.
    fn discard(&mut self) {
        let run = self.run.take();
        let _ = catch_unwind(AssertUnwindSafe(move || drop(run)));
    }
}

impl Future for Guarded<'_> {
    type Output = Ended;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        let polled = self.run.as_mut().map(|run| catch_unwind(AssertUnwindSafe(|| run.as_mut().poll(cx))));
        match polled {
            Some(Ok(Poll::Pending)) => Poll::Pending,
            Some(Ok(Poll::Ready(ended))) => {
                self.discard();
                Poll::Ready(ended)
            }
            Some(Err(_)) | None => {
                self.discard();
                Poll::Ready(Ended::internal("a fault of this program ended the attempt; please report it"))
            }
        }
    }
}

impl Drop for Guarded<'_> {
    fn drop(&mut self) {
        self.discard();
    }
}

#[cfg(test)]
#[path = "output/driver_tests.rs"]
mod tests;
