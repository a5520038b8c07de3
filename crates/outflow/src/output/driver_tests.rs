//! Tests of the driver with sinks that do as they are told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::atomic::{AtomicBool, AtomicU32};

use tokio::sync::mpsc;

use super::*;
use crate::error::{Origin, Reason, Retry};
use crate::monitor::Teller;
use crate::stream::StreamConfig;

type Run = Box<dyn FnMut(u32, SinkJob) -> BoxFuture<'static, Ended> + Send>;

/// A sink that runs what a test gives it; the first argument counts the runs.
struct Scripted {
    runs: u32,
    run: Run,
    alive: Arc<AtomicU32>,
}

/// Counts the runs that exist at the same time.
struct Alive(Arc<AtomicU32>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Sink for Scripted {
    fn run(&mut self, job: SinkJob) -> BoxFuture<'_, Ended> {
        self.runs += 1;
        assert_eq!(self.alive.fetch_add(1, Ordering::SeqCst), 0, "two attempts at once");
        let alive = Alive(self.alive.clone());
        let run = (self.run)(self.runs, job);
        Box::pin(async move {
            let _alive = alive;
            run.await
        })
    }
}

struct Rig {
    output: OutputHandle,
    stream: Arc<Stream>,
    changes: mpsc::UnboundedReceiver<(State, Option<Reason>)>,
    alive: Arc<AtomicU32>,
}

fn policy() -> Policy {
    let millis = Duration::from_millis;
    Policy { retry: millis(5), retry_max: millis(10), stall: Some(millis(60)), ..Policy::default() }
}

/// For sinks that do not end when they are asked to.
fn impatient() -> Policy {
    Policy { drain: Duration::from_millis(100), ..policy() }
}

const READY: InputState = InputState { ready: true, gone_since: None, ended: false, finished: false };

impl Rig {
    fn new(policy: Policy, run: impl FnMut(u32, SinkJob) -> BoxFuture<'static, Ended> + Send + 'static) -> Self {
        let (_, stream) = Stream::new("test", StreamConfig::default(), Arc::default());
        let (sender, changes) = mpsc::unbounded_channel();
        let alive = Arc::new(AtomicU32::new(0));
        let env = Env::system(Arc::new(|_| {}));
        let output = spawn(OutputSpec {
            name: "out".into(),
            sink: Box::new(Scripted { runs: 0, run: Box::new(run), alive: alive.clone() }),
            policy,
            stream: stream.clone(),
            stats: Arc::default(),
            events: Arc::new(move |event| {
                if let monitor::Event::Output { state, reason, .. } = event {
                    let _ = sender.send((state, reason.map(|ended| ended.reason)));
                }
            }),
            env,
        });
        Self { output, stream, changes, alive }
    }

    /// The next states, as they come.
    async fn expect(&mut self, states: &[State]) {
        for expected in states {
            assert_eq!(self.changes.recv().await.unwrap().0, *expected);
        }
    }

    /// Waits for a state, whatever comes before it; the reason that came with it.
    async fn until(&mut self, wanted: State) -> Option<Reason> {
        loop {
            let (state, reason) = self.changes.recv().await.unwrap();
            if state == wanted {
                return reason;
            }
        }
    }
}

/// Goes live, and ends when asked to.
fn obedient(job: SinkJob) -> BoxFuture<'static, Ended> {
    Box::pin(async move {
        job.progress.enter(State::Connecting);
        job.progress.enter(State::Live);
        job.stop.stopped().await;
        Ended::stopped()
    })
}

/// Goes live, and never ends.
fn stubborn(job: SinkJob) -> BoxFuture<'static, Ended> {
    Box::pin(async move {
        job.progress.enter(State::Live);
        std::future::pending().await
    })
}

#[tokio::test]
async fn from_waiting_to_stopped() {
    let mut rig = Rig::new(policy(), |_, job| obedient(job));
    rig.expect(&[State::WaitingInput]).await;
    rig.stream.set_state(READY);
    rig.expect(&[State::Resolving, State::Connecting, State::Live]).await;
    let status = rig.output.status();
    assert_eq!((status.state, status.attempt, status.ever_live), (State::Live, 1, true));
    rig.output.stop();
    rig.expect(&[State::Draining, State::Stopped]).await;
    let outcome = rig.output.wait().await;
    assert_eq!((outcome.state, outcome.ever_live, outcome.last), (State::Stopped, true, None));
}

#[tokio::test]
async fn a_panic_ends_the_attempt_and_nothing_else() {
    let mut rig = Rig::new(impatient(), |run, job| match run {
        1 => panic!("before anything runs"),
        2 => Box::pin(async { panic!("while it runs") }),
        3 => {
            struct Bomb;
            impl Drop for Bomb {
                fn drop(&mut self) {
                    panic!("while it is cleaned up");
                }
            }
            let bomb = Bomb;
            job.progress.enter(State::Connecting);
            Box::pin(async move {
                let _bomb = bomb;
                std::future::pending::<Ended>().await
            })
        }
        _ => obedient(job),
    });
    rig.stream.set_state(READY);
    for _ in 0..2 {
        assert_eq!(rig.until(State::Backoff).await, Some(Reason::Internal));
    }
    rig.until(State::Connecting).await;
    // The third hangs; told to stop, it does not, and is dropped.
    rig.output.stop();
    rig.until(State::Stopped).await;
    assert_eq!(rig.output.wait().await.state, State::Stopped);
}

#[tokio::test]
async fn an_attempt_that_hangs_is_dropped_before_the_next_begins() {
    let dropped = Arc::new(AtomicBool::new(false));
    let seen = dropped.clone();
    let mut rig = Rig::new(Policy { resolve: Duration::from_millis(30), ..policy() }, move |run, job| {
        if run > 1 {
            assert!(seen.load(Ordering::SeqCst));
            return obedient(job);
        }
        struct Flag(Arc<AtomicBool>);
        impl Drop for Flag {
            fn drop(&mut self) {
                self.0.store(true, Ordering::SeqCst);
            }
        }
        let flag = Flag(seen.clone());
        Box::pin(async move {
            let _flag = flag;
            std::future::pending().await
        })
    });
    rig.stream.set_state(READY);
    assert_eq!(rig.until(State::Backoff).await, Some(Reason::Timeout));
    assert!(dropped.load(Ordering::SeqCst));
    rig.until(State::Live).await;
    assert_eq!(rig.output.status().attempt, 2);
}

#[tokio::test]
async fn bytes_that_do_not_leave_are_a_stall() {
    let mut rig = Rig::new(policy(), |_, job| {
        job.stats.lag_millis.tell(Teller::ONLY, 100);
        stubborn(job)
    });
    rig.stream.set_state(READY);
    rig.until(State::Live).await;
    assert_eq!(rig.until(State::Stalled).await, Some(Reason::Stalled));
    assert_eq!(rig.until(State::Backoff).await, Some(Reason::Stalled));
    assert_eq!(rig.alive.load(Ordering::SeqCst), 0);
    rig.until(State::Live).await;
}

#[tokio::test]
async fn a_sink_that_ignores_its_stop_is_dropped() {
    let mut rig = Rig::new(impatient(), |_, job| stubborn(job));
    rig.stream.set_state(READY);
    rig.until(State::Live).await;
    rig.output.stop();
    let outcome = rig.output.wait().await;
    assert_eq!(outcome.state, State::Stopped);
    assert_eq!(outcome.last.unwrap().reason, Reason::Timeout);
    assert_eq!(rig.alive.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn it_ends_with_its_input() {
    let mut rig = Rig::new(policy(), |_, job| {
        Box::pin(async move {
            job.progress.enter(State::Live);
            // As a reader of the stream would see its end.
            let mut input = job.stream.state();
            input.wait_for(|state| state.ended).await.unwrap();
            Ended::clean()
        })
    });
    rig.stream.set_state(READY);
    rig.until(State::Live).await;
    rig.stream.set_state(InputState { ended: true, ..InputState::default() });
    rig.until(State::WaitingInput).await;
    rig.stream.set_state(READY);
    rig.until(State::Live).await;
    rig.stream.set_finished();
    rig.until(State::Stopped).await;
    let outcome = rig.output.wait().await;
    assert!(outcome.ever_live && outcome.last.is_none());
}

#[tokio::test]
async fn a_returning_source_without_a_key_frame_is_no_end() {
    let mut rig = Rig::new(policy(), |_, job| obedient(job));
    rig.stream.set_state(READY);
    rig.until(State::Live).await;
    rig.stream.set_state(InputState::default());
    rig.stream.set_state(READY);
    rig.output.stop();
    rig.expect(&[State::Draining, State::Stopped]).await;
}

#[tokio::test]
async fn a_backoff_can_be_cut_short_and_failing_for_good_is_told() {
    let long = Duration::from_secs(3600);
    let mut rig = Rig::new(Policy { retry: long, retry_max: long, ..policy() }, |run, _| {
        let retry = if run == 1 { Retry::Backoff } else { Retry::Never };
        Box::pin(async move { Ended::new(Origin::Peer, retry, Reason::Refused, "no") })
    });
    rig.stream.set_state(READY);
    rig.until(State::Backoff).await;
    assert!(rig.output.status().next_attempt.unwrap() > Instant::now() + Duration::from_secs(60));
    rig.output.retry_now();
    rig.until(State::Failed).await;
    let outcome = rig.output.wait().await;
    assert_eq!((outcome.state, outcome.ever_live), (State::Failed, false));
    assert_eq!(outcome.last.unwrap().text, "no");
}

fn other() -> Arc<Stream> {
    Stream::new("other", StreamConfig::default(), Arc::default()).1
}

#[tokio::test]
async fn a_switch_is_told_to_the_run_and_the_next_attempt_begins_with_the_new_stream() {
    let (told, mut heard) = mpsc::unbounded_channel();
    let mut rig = Rig::new(policy(), move |run, job| {
        let told = told.clone();
        Box::pin(async move {
            job.progress.enter(State::Live);
            told.send((run, job.stream.name.clone())).unwrap();
            let stream = job.switches.clone().next().await;
            told.send((run, stream.name.clone())).unwrap();
            // Each clone is told; and this one of nothing new.
            assert!(Arc::ptr_eq(&job.switches.clone().next().await, &stream));
            Ended::network(Reason::Disconnected, "lost")
        })
    });
    rig.stream.set_state(READY);
    rig.until(State::Live).await;
    assert_eq!(heard.recv().await, Some((1, "test".into())));
    let other = other();
    other.set_state(READY);
    // The same again is no switch.
    assert!(rig.output.switch(rig.stream.clone()));
    assert!(rig.output.switch(other.clone()) && rig.output.switch(other.clone()));
    assert_eq!(heard.recv().await, Some((1, "other".into())));
    assert_eq!(rig.until(State::Backoff).await, Some(Reason::Disconnected));
    assert_eq!(heard.recv().await, Some((2, "other".into())));
    assert!(rig.output.switch(rig.stream.clone()));
    assert_eq!(heard.recv().await, Some((2, "test".into())));
}

#[tokio::test]
async fn after_a_switch_the_new_streams_input_counts_and_no_other() {
    let grace = Some(Duration::from_millis(50));
    let mut rig = Rig::new(Policy { grace, ..policy() }, |_, job| obedient(job));
    rig.stream.set_state(READY);
    rig.until(State::Live).await;
    // Its last broadcast is over, which is not the end of the one that we send.
    let other = other();
    other.set_state(InputState { ended: true, ..InputState::default() });
    rig.output.switch(other.clone());
    assert_eq!(rig.until(State::Draining).await, Some(Reason::InputGone));
    rig.until(State::WaitingInput).await;
    rig.stream.set_state(InputState { gone_since: Some(Instant::now()), ..InputState::default() });
    rig.stream.set_state(READY);
    other.set_state(READY);
    rig.until(State::Live).await;
    rig.stream.set_finished();
    rig.output.switch(other.clone());
    other.set_finished();
    rig.until(State::Draining).await;
}
