//! The program as it is, but for two outputs that panic: this test binary runs itself again as the program, and puts
//! faulty sinks into the graph that the words made. So the product needs no seam for faults.

use std::ffi::OsString;
use std::sync::Arc;

use bytes::Bytes;
use outflow::cli::console::Console;
use outflow::cli::environment::System;
use outflow::cli::{self, Command};
use outflow::client::{self, Client, Watcher};
use outflow::error::Ended;
use outflow::graph::run::{Surroundings, run};
use outflow::graph::{Graph, ProgramOptions, Role};
use outflow::hub::{Cursor, Start};
use outflow::monitor::State;
use outflow::monitor::board::Board;
use outflow::net::BoxFuture;
use outflow::net::dial::SystemResolver;
use outflow::net::pump::{Heard, Link, Order};
use outflow::node::Node;
use outflow::sink::{Sink, SinkJob, SinkKind, rtmp_push};
use outflow::wire::Form;
use outflow_rtmp::session::{ClientSession, Role as Purpose};
use outflow_testkit::proc;
use outflow_testkit::resolver::Hanging;

/// The words of the program, one a line.
const WORDS: &str = "OUTFLOW_TEST_WORDS";

/// The name of an output whose sink panics while it runs, where the supervisor has to catch it.
pub(crate) const PANICS_IN_SINK: &str = "panics-in-its-sink";
/// The name of an output whose connection panics in the midst of media, where the pump has to catch it.
pub(crate) const PANICS_IN_PUMP: &str = "panics-in-the-pump";
/// How many bytes it sends before.
const FUSE: u64 = 1_000_000;

/// The command that runs the program with these words.
pub(crate) fn program(resolver: &Hanging, words: &[String]) -> proc::Command {
    let this = std::env::current_exe().unwrap();
    resolver
        .command(this.to_str().unwrap())
        .line("--exact program::the_program --ignored --nocapture --test-threads=1")
        .env(WORDS, words.join("\n"))
        // The planted panics are many.
        .env("RUST_BACKTRACE", "0")
}

#[test]
#[ignore = "no test: it is the program that the others start"]
fn the_program() {
    let Ok(words) = std::env::var(WORDS) else { return };
    let words: Vec<OsString> = words.split('\n').map(OsString::from).collect();
    match cli::parse(&words, &System) {
        Ok(Command::Graph { graph, program, .. }) => start(*graph, &program),
        Ok(_) => panic!("these words are no graph"),
        Err(errors) => panic!("{errors}"),
    }
}

/// As in `main`, with the faults in their places.
fn start(mut graph: Graph, options: &ProgramOptions) {
    for entry in &mut graph.nodes {
        match entry.node.name.as_str() {
            PANICS_IN_SINK => entry.role = Role::Sink(&FAULTY_SINK),
            PANICS_IN_PUMP => entry.role = Role::Sink(&FAULTY_LINK),
            _ => {}
        }
    }
    let board = Arc::new(Board::default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let console = Console::start(board.clone(), options).unwrap();
    let around = Surroundings { board, events: console.events(), resolver: Arc::new(SystemResolver) };
    let code = runtime.block_on(run(graph, options, around));
    console.finish();
    runtime.shutdown_background();
    std::process::exit(code);
}

static FAULTY_SINK: SinkKind = SinkKind {
    name: "faulty_sink",
    open: |node| Ok(Box::new(FaultySink((rtmp_push::KIND.open)(node)?))),
    ..rtmp_push::KIND
};

static FAULTY_LINK: SinkKind = SinkKind {
    name: "faulty_link",
    open: |node: &Node| {
        Ok(Box::new(FaultyLink { client: Client::new(client::settings::read(node, Purpose::Publish)?) }))
    },
    ..rtmp_push::KIND
};

/// A push that panics as soon as bytes have left.
struct FaultySink(Box<dyn Sink>);

impl Sink for FaultySink {
    fn run(&mut self, job: SinkJob) -> BoxFuture<'_, Ended> {
        Box::pin(async move {
            let stats = job.stats.clone();
            let before = outflow::monitor::OutputStats::get(&stats.bytes);
            let mut look = tokio::time::interval(std::time::Duration::from_millis(50));
            let mut running = self.0.run(job);
            loop {
                tokio::select! {
                    ended = &mut running => return ended,
                    _ = look.tick() => {
                        let sent = outflow::monitor::OutputStats::get(&stats.bytes) - before;
                        assert!(sent < FUSE, "planted by the test: a panic in a sink");
                    }
                }
            }
        })
    }
}

/// A push whose protocol panics within the pump.
struct FaultyLink {
    client: Client,
}

struct Untold;

impl Watcher for Untold {
    fn enter(&self, _: State) {}
    fn note(&self, _: String) {}
}

impl Sink for FaultyLink {
    fn run(&mut self, job: SinkJob) -> BoxFuture<'_, Ended> {
        Box::pin(async move {
            let opened = match self.client.open(&*job.env.resolver, &Untold, &[]).await {
                Ok(opened) => opened,
                Err(ended) => return ended,
            };
            job.progress.enter(State::Live);
            let max_lag = std::time::Duration::from_secs(4);
            let order = Order {
                stream: job.stream.clone(),
                cursor: Cursor::new(Start::Group, max_lag, std::time::Duration::ZERO),
                form: Form::Publish,
                stream_id: opened.session.stream_id().unwrap_or(1),
                chunk_size: opened.session.chunk_size(),
                latency: std::time::Duration::ZERO,
                share: outflow::options::share::Share::default(),
                patience: None,
                stats: job.stats.clone(),
                events: job.events.clone(),
                output: job.name.clone(),
                peer: None,
            };
            let link = Fused { session: opened.session, left: FUSE };
            job.env.pumps.attach(opened.connection, Box::new(link), order).await
        })
    }
}

struct Fused {
    session: ClientSession,
    left: u64,
}

impl Link for Fused {
    fn receive(&mut self, bytes: &[u8]) -> Result<(), Ended> {
        let _ = self.session.receive(bytes);
        Ok(())
    }

    fn heard(&mut self) -> Option<Heard> {
        None
    }

    fn take_output(&mut self) -> Bytes {
        self.session.take_output()
    }

    fn has_output(&self) -> bool {
        self.session.has_output()
    }

    fn note_sent(&mut self, bytes: u64) {
        self.session.note_sent(bytes);
        self.left = self.left.checked_sub(bytes).expect("planted by the test: a panic in the pump");
    }

    fn finish(&mut self) {
        self.session.finish();
    }
}
