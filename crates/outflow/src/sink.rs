//! Sinks: the record of each kind, and the registry that feeds parser, help and documentation.

// The output that CONTRIBUTING.md shows: built with the tests, so that the page stays true.
#[cfg(test)]
pub mod example;
#[cfg(test)]
mod example_tests;
pub mod file;
pub mod null;
pub mod rtmp_listen;
pub mod rtmp_push;
mod store;

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

pub use crate::env::Env;
use crate::error::{Ended, SpecError};
use crate::monitor::{self, State};
pub use crate::net::BoxFuture;
use crate::node::{MediaUrl, Node};
use crate::options::OptionSpec;
use crate::options::share::Share;
use crate::stop::Stop;
use crate::stream::{Selection, Stream};

/// The description of one kind of sink.
pub struct SinkKind {
    /// Its name, as in `help outputs`.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// Its options.
    pub options: &'static [&'static [OptionSpec]],
    /// Whether `-o URL` means this kind. Asked in the registry's order; the first that accepts wins. The second
    /// argument tells whether the word has `rtmp_listen`.
    pub accepts: fn(&MediaUrl, bool) -> bool,
    /// True for a network sink: its source is paced in real time.
    pub live: bool,
    /// Validates the word; opens nothing.
    pub open: fn(&Node) -> Result<Box<dyn Sink>, SpecError>,
}

/// What a word sends of its stream.
fn selection(node: &Node) -> Result<Selection, SpecError> {
    Selection::of(&node.options).map_err(|problem| node.option_error("tracks", problem))
}

/// How fast it may catch up, and who goes first on its line.
fn share(node: &Node) -> Result<Share, SpecError> {
    Share::of(&node.options).map_err(|problem| node.option_error("burst", problem))
}

/// How the supervisor treats a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Connects to somebody, once the input has a key frame: deadlines at every stage, stalls, `grace`.
    Push,
    /// Waits for others to connect: runs from the start, whether there is an input or not.
    Serve,
    /// Writes to a file or to nowhere: runs from the start, so that it misses nothing of a source that runs free, and
    /// stays open while the input is gone.
    Store,
}

/// What a sink is given for one run.
pub struct SinkJob {
    /// The stream to send.
    pub stream: Arc<Stream>,
    /// Tells when it is to be another. [`Role::Serve`] is never told.
    pub switches: Switches,
    /// Where it tells how far it has come.
    pub progress: Progress,
    /// Its counters. The supervisor counts attempts; the bytes counted here are what it sees of a stall.
    pub stats: Arc<monitor::OutputStats>,
    /// Asks for a graceful end: the run then returns within the drain deadline, or is dropped.
    pub stop: Stop,
    /// Where its events go (players, skips, notes); the supervisor writes the changes of state.
    pub events: monitor::Sink,
    /// Its name in events.
    pub name: String,
    /// The shared parts of the program.
    pub env: Env,
}

/// Tells a run that its output sends another stream from now on: see [`crate::output::OutputHandle::switch`]. A sink that
/// reads with a taker need not look; each clone is told.
#[derive(Clone, Default)]
pub struct Switches(Option<watch::Receiver<Arc<Stream>>>);

impl Switches {
    pub(crate) fn new(stream: watch::Receiver<Arc<Stream>>) -> Self {
        Self(Some(stream))
    }

    /// The stream to go on with, each time that another is chosen; the latest, if several were. May be dropped and called
    /// again without loss. The one made by default never tells.
    pub async fn next(&mut self) -> Arc<Stream> {
        if let Some(stream) = &mut self.0
            && stream.changed().await.is_ok()
        {
            return stream.borrow_and_update().clone();
        }
        std::future::pending().await
    }
}

/// One sink.
pub trait Sink: Send {
    /// How it is to be supervised.
    fn role(&self) -> Role {
        Role::Push
    }

    /// Binds what must be bound before anything of the graph starts: the port of a listening output.
    fn prepare<'a>(&'a mut self, env: &'a Env) -> BoxFuture<'a, Result<(), Ended>> {
        let _ = env;
        Box::pin(async { Ok(()) })
    }

    /// Runs once, from connecting to the end. Never retries: the supervisor decides by [`Ended::retry`]. The supervisor
    /// may drop the future at any time, which must abandon everything that it opened.
    fn run(&mut self, job: SinkJob) -> BoxFuture<'_, Ended>;
}

/// Tells the supervisor how far a run has come. May be cloned and used from any thread.
#[derive(Clone, Default)]
pub struct Progress(Arc<Steps>);

#[derive(Default)]
struct Steps {
    states: Mutex<VecDeque<State>>,
    wake: Notify,
}

impl Progress {
    /// More steps than any run takes before the supervisor looks at them.
    const MOST: usize = 32;

    /// `WaitingInput` says that the peer has accepted and that the next key frame is waited for: the state shown stays
    /// `Publishing`, since nothing is sent yet, but has no deadline any more.
    ///
    /// The run has come to this state: `Resolving`, `Connecting`, `Handshaking`, `Publishing`, then `Live` once the
    /// peer has accepted and media leaves. Each starts its deadline anew. Stalls and all other states are the supervisor's.
    pub fn enter(&self, state: State) {
        let mut states = self.0.states.lock();
        if states.len() >= Self::MOST {
            states.pop_front();
        }
        states.push_back(state);
        drop(states);
        self.0.wake.notify_one();
    }

    /// Takes the oldest step that nobody has taken yet.
    pub fn take(&self) -> Option<State> {
        self.0.states.lock().pop_front()
    }

    /// Returns when there may be a step to take.
    pub async fn changed(&self) {
        self.0.wake.notified().await;
    }
}

/// Every kind of sink.
pub static SINKS: &[&SinkKind] = &[&rtmp_listen::KIND, &rtmp_push::KIND, &null::KIND, &file::KIND];
