//! Runs a graph: binds every port, starts outputs and inputs, waits for the end, and says with which exit code.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::signal::unix::{SignalKind, signal};

use super::plumbing::Plumbing;
use super::{Graph, Pace, ProgramOptions, Role};
use crate::env::Env;
use crate::error::{Ended, Reason};
use crate::input::{self, InputSpec};
use crate::limits::Limits;
use crate::monitor::alerts::look::of_board;
use crate::monitor::board::Board;
use crate::monitor::{self, Event, OutputStats, State};
use crate::net::dial::Resolver;
use crate::output::state::Policy;
use crate::output::{self, Outcome, OutputHandle, OutputSpec};
use crate::stop::{Stopper, stopper};
use crate::stream::Stream;

/// Everything went as it should.
pub const OK: i32 = 0;
/// Something failed for good, or never came to be.
pub const FAILED: i32 = 1;
/// The words are wrong; nothing was started.
pub const WORDS: i32 = 2;

/// A source that has sent nothing for so long counts as gone, though it is connected.
const SILENCE: Duration = Duration::from_secs(3);

/// How often it is noted how outputs do.
const LOOK: Duration = Duration::from_secs(1);

/// How long inputs are given to end.
const INPUTS_STOP: Duration = Duration::from_secs(2);

/// Where a run reports to, and what it may use.
pub struct Surroundings {
    /// Kept up to date with every event.
    pub board: Arc<Board>,
    /// Takes every event.
    pub events: monitor::Sink,
    /// Looks up names.
    pub resolver: Arc<dyn Resolver>,
}

/// Runs a graph to its end on the current runtime, which has to be a current-thread one: the pump shares its thread.
/// The answer is the exit code; every failure was an event.
pub async fn run(graph: Graph, program: &ProgramOptions, around: Surroundings) -> i32 {
    let board = around.board.clone();
    let out = around.events.clone();
    let failures = Arc::<Failures>::default();
    let noted = failures.clone();
    let events: monitor::Sink = Arc::new(move |event| {
        board.on(&event);
        if let Event::InputEnded { input, reason, .. } = &event
            && !reason.is_clean()
            && reason.reason != Reason::Stopped
        {
            noted.lock().insert(input.clone(), reason.text.clone());
        }
        out(event);
    });
    let env = Env::within(Limits::clone(&program.limits), around.resolver.clone(), events.clone());
    match Running::start(&graph, program, &around.board, &events, &env).await {
        Ok(running) => {
            let fed = running.fed();
            let looking = async {
                let mut looks = tokio::time::interval(LOOK);
                loop {
                    looks.tick().await;
                    around.board.look();
                    let now = Instant::now();
                    let judge = of_board(&around.board.view(), &fed, now);
                    let changes = around.board.alerts().lock().look(&judge, now);
                    changes.into_iter().for_each(|change| events(Event::Alert(change)));
                }
            };
            tokio::select! {
                code = running.finish(program, &env, &failures, &events) => code,
                code = looking => code,
            }
        }
        Err(()) => FAILED,
    }
}

/// How inputs failed last, by their names. The board forgets it when one is tried again.
type Failures = Mutex<HashMap<String, String>>;

struct Running {
    /// Their names, and which stream each sends.
    outputs: Vec<(String, usize, OutputHandle)>,
    /// How long each is held back.
    held_back: HashMap<String, Duration>,
    inputs: Vec<(String, tokio::task::JoinHandle<Ended>)>,
    /// Which streams an input feeds.
    feeds: Vec<Vec<usize>>,
    streams: Vec<Arc<Stream>>,
    stop_inputs: Stopper,
    /// The largest `delay` of the outputs: what is held back is still sent at the end.
    delay: Duration,
}

fn failed(events: &monitor::Sink, who: &str, ended: &Ended) {
    events(Event::Failure { who: who.to_owned(), reason: ended.clone() });
}

impl Running {
    /// Opens and binds everything, then starts outputs, then inputs. An error was told; nothing runs then.
    async fn start(
        graph: &Graph,
        program: &ProgramOptions,
        board: &Board,
        events: &monitor::Sink,
        env: &Env,
    ) -> Result<Self, ()> {
        let (stop_inputs, stop) = stopper();
        let mut sinks = HashMap::new();
        let mut sources = Vec::new();
        for id in graph.ids() {
            let entry = graph.get(id);
            let node = &entry.node;
            let internal = |error: crate::error::SpecError| {
                failed(events, &node.name, &Ended::internal(error.to_string()));
            };
            match entry.role {
                Role::Sink(kind) => {
                    let mut sink = (kind.open)(node).map_err(internal)?;
                    if let Err(ended) = sink.prepare(env).await {
                        failed(events, &node.name, &ended);
                        return Err(());
                    }
                    sinks.insert(id, sink);
                }
                Role::Source(kind) => {
                    let mut source = (kind.open)(node).map_err(internal)?;
                    if let Err(ended) = source.prepare(env).await {
                        failed(events, &node.name, &ended);
                        return Err(());
                    }
                    sources.push((id, source));
                }
                _ => {}
            }
        }
        let plumbing = Plumbing::new(graph, env);
        let (mut outputs, mut held_back) = (Vec::new(), HashMap::new());
        for (id, sink) in graph.ids().filter_map(|id| sinks.remove(&id).map(|sink| (id, sink))) {
            let (node, Some(place)) = (&graph.get(id).node, graph.stream_of(id)) else { continue };
            let stats = Arc::new(OutputStats::default());
            let url = node.url.as_ref().map(|url| url.shown.clone()).unwrap_or_default();
            board.add_output(&node.name, node.kind, &url, stats.clone());
            board.leads_to(&node.name, node.platform());
            held_back.insert(node.name.clone(), node.options.duration("delay").unwrap_or_default());
            let policy = output::policy(sink.role(), &node.options).within(&program.limits);
            let policy = Policy { drain: program.drain, ..policy };
            let (name, stream, events, env) =
                (node.name.clone(), plumbing.streams[place].clone(), events.clone(), env.clone());
            let spec = OutputSpec { name: name.clone(), sink, policy, stream, stats, events, env };
            outputs.push((name, place, output::spawn(spec)));
        }
        // Sinks of a stream that runs free must be reading before the first packet comes.
        tokio::task::yield_now().await;
        let mut inputs = Vec::new();
        let mut feeds = Vec::new();
        for (id, source) in sources {
            let node = &graph.get(id).node;
            let stats = plumbing.stats[&id].clone();
            let url = node.url.as_ref().map(|url| url.shown.clone()).unwrap_or_default();
            board.add_input(&node.name, node.kind, &url, stats.clone());
            let fed = plumbing.fed_by(graph, id);
            let (feed, encoders) = plumbing.source_feed(graph, id, &fed).map_err(|error| {
                failed(events, &node.name, &Ended::internal(error.to_string()));
            })?;
            let realtime = graph.sessions[graph.get(id).session].pace == Pace::RealTime;
            let spec = InputSpec {
                node: node.clone(),
                source,
                encoders,
                feed,
                realtime,
                stats,
                events: events.clone(),
                env: env.clone(),
                stop: stop.clone(),
            };
            inputs.push((node.name.clone(), input::spawn(spec)));
            feeds.push(fed);
        }
        for (name, place, _) in &outputs {
            if let Some(((input, _), _)) = inputs.iter().zip(&feeds).find(|(_, fed)| fed.contains(place)) {
                board.feeds(input, name);
            }
        }
        let delays = graph.nodes.iter().filter_map(|entry| entry.node.options.duration("delay"));
        let delay = delays.max().unwrap_or_default();
        Ok(Self { outputs, held_back, inputs, feeds, streams: plumbing.streams, stop_inputs, delay })
    }

    /// For each output the first input that feeds it, and how long it is held back.
    fn fed(&self) -> HashMap<String, (String, Duration)> {
        let feeding = |stream: &usize| {
            let mut inputs = self.inputs.iter().zip(&self.feeds).filter(|(_, fed)| fed.contains(stream));
            inputs.next().map(|((name, _), _)| name.clone())
        };
        let of = |(name, stream, _): &(String, usize, OutputHandle)| {
            let held_back = self.held_back.get(name).copied().unwrap_or_default();
            Some((name.clone(), (feeding(stream)?, held_back)))
        };
        self.outputs.iter().filter_map(of).collect()
    }

    /// Waits for the end: of every input, of the time, or by a signal; drains; and judges.
    async fn finish(mut self, program: &ProgramOptions, env: &Env, failures: &Failures, events: &monitor::Sink) -> i32 {
        let mut code = OK;
        let streams = self.streams.clone();
        let watching = async move {
            let mut look = tokio::time::interval(SILENCE / 4);
            loop {
                look.tick().await;
                streams.iter().for_each(|stream| stream.check_silence(SILENCE));
            }
        };
        let end = tokio::select! {
            () = watching => End::Signal,
            input_code = Self::inputs_end(&mut self.inputs, &self.feeds, &self.streams, events) => End::Inputs(input_code),
            () = Self::outputs_end(&self.outputs) => End::Outputs,
            () = after(program.run_for) => End::Time,
            () = signalled() => End::Signal,
        };
        if let End::Inputs(inputs) = end {
            code = inputs;
        }
        let troubles = self.troubles(failures);
        // From here on nothing new comes: every output sends what it has left, says good-bye, and ends.
        self.stop_inputs.stop();
        let stopped = async {
            for (_, input) in self.inputs.iter_mut().filter(|(_, input)| !input.is_finished()) {
                let _ = input.await;
            }
        };
        let _ = tokio::time::timeout(INPUTS_STOP, stopped).await;
        for stream in &self.streams {
            stream.set_finished();
        }
        let outputs = std::mem::take(&mut self.outputs);
        let drain = async {
            let mut outcomes = Vec::new();
            for (name, stream, output) in outputs {
                outcomes.push((name, stream, output.wait().await));
            }
            outcomes
        };
        let outcomes = tokio::select! {
            outcomes = drain => outcomes,
            // Outputs bound their own draining; this is the bound on all of it.
            () = tokio::time::sleep(program.drain + self.delay + Duration::from_secs(1)) => return FAILED,
            () = signalled() => return code,
        };
        // Publishers run elsewhere: they are told of the end before it comes.
        env.listeners.parted().await;
        for (name, stream, outcome) in outcomes {
            let trouble = troubles.get(stream).and_then(Option::as_deref);
            code = code.max(Self::judge(&name, &outcome, &end, trouble, events));
        }
        code
    }

    /// For each stream what may have kept media from it: how an input of its failed last.
    fn troubles(&self, failures: &Failures) -> Vec<Option<String>> {
        let failures = failures.lock();
        let trouble = |stream: usize| {
            let mut feeding = self.inputs.iter().zip(&self.feeds).filter(|(_, fed)| fed.contains(&stream));
            feeding.find_map(|((name, _), _)| {
                let failure = failures.get(name)?;
                Some(format!("its input {name} failed: {failure}"))
            })
        };
        (0..self.streams.len()).map(trouble).collect()
    }

    fn judge(name: &str, outcome: &Outcome, end: &End, trouble: Option<&str>, events: &monitor::Sink) -> i32 {
        // Where the input failed, that was told, and is why an output without a trouble of its own had nothing to send.
        let expected = match end {
            End::Time | End::Inputs(OK) => true,
            End::Inputs(_) => outcome.last.is_some(),
            End::Outputs | End::Signal => false,
        };
        let never_live = expected && !outcome.ever_live;
        let ended = match (&outcome.last, outcome.state) {
            (Some(last), State::Failed) => last.clone(),
            (None, State::Failed) => Ended::internal("it failed without saying why"),
            // All that came in should have gone out.
            (Some(last), _) if matches!(end, End::Inputs(_)) && outcome.ever_live && !last.is_clean() => {
                let text = format!("it was not sending when the input ended: {}", last.text);
                Ended { text, ..last.clone() }
            }
            (last, _) if never_live => {
                let own = last.as_ref().map(|last| last.text.as_str());
                let why = own.or(trouble).unwrap_or("nothing went wrong, but no media left either");
                let text = format!("it never was live: {why}");
                match last {
                    Some(last) => Ended { text, ..last.clone() },
                    None => Ended::network(Reason::Timeout, text),
                }
            }
            _ => return OK,
        };
        failed(events, name, &ended);
        FAILED
    }

    /// Waits until every input has ended for good; a stream none of whose inputs goes on is told so at once.
    async fn inputs_end(
        inputs: &mut [(String, tokio::task::JoinHandle<Ended>)],
        feeds: &[Vec<usize>],
        streams: &[Arc<Stream>],
        events: &monitor::Sink,
    ) -> i32 {
        let mut code = OK;
        let mut left: Vec<usize> = feeds.iter().flatten().copied().collect();
        let mut running: Vec<_> = inputs.iter_mut().zip(feeds).collect();
        while !running.is_empty() {
            let next = std::future::poll_fn(|context| {
                for (place, (input, _)) in running.iter_mut().enumerate() {
                    let (_, task) = &mut **input;
                    if let std::task::Poll::Ready(done) = std::pin::Pin::new(task).poll(context) {
                        return std::task::Poll::Ready((place, done));
                    }
                }
                std::task::Poll::Pending
            });
            let (place, done) = next.await;
            let (input, fed) = running.swap_remove(place);
            let name = &input.0;
            let ended = done.unwrap_or_else(|_| Ended::internal("the input's own task ended in a fault"));
            if !ended.is_clean() {
                failed(events, name, &ended);
                code = FAILED;
            }
            for stream in fed {
                if let Some(place) = left.iter().position(|open| open == stream) {
                    left.swap_remove(place);
                }
                if !left.contains(stream) {
                    streams[*stream].set_finished();
                }
            }
        }
        code
    }

    /// Waits until no output runs any more: there is nobody left to send to.
    async fn outputs_end(outputs: &[(String, usize, OutputHandle)]) {
        if outputs.is_empty() {
            return std::future::pending().await;
        }
        for (_, _, output) in outputs {
            output.ended().await;
        }
    }
}

enum End {
    /// All inputs ended; with this code.
    Inputs(i32),
    Outputs,
    Time,
    Signal,
}

async fn after(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

/// Returns at the next SIGINT or SIGTERM. SIGHUP is taken and ignored: a graph has nothing to reload.
async fn signalled() {
    let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()), signal(SignalKind::hangup()))
    else {
        return std::future::pending().await;
    };
    loop {
        tokio::select! {
            _ = interrupt.recv() => return,
            _ = terminate.recv() => return,
            _ = hangup.recv() => {}
        }
    }
}
