//! A graph from words, running in this process, and what all tables ask of sessions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use outflow::cli::environment::System;
use outflow::cli::{self, Command};
use outflow::graph::run::{Surroundings, run};
use outflow::monitor::Event;
use outflow::monitor::board::Board;
use outflow::net::dial::SystemResolver;
use outflow_testkit::flv::Tag;
use outflow_testkit::ingest::Session;
use outflow_testkit::publisher::Publisher;
use outflow_testkit::wait::Watched;
use outflow_testkit::wire::Value;

/// A running graph; it ends when this is dropped.
pub(crate) struct Program {
    pub(crate) events: Watched<Vec<Event>>,
    board: Arc<Board>,
    task: tokio::task::JoinHandle<i32>,
}

impl Program {
    /// Starts the graph of these words. A warning would mean that one of them does nothing.
    pub(crate) fn start(words: &[String]) -> Self {
        let args: Vec<_> = words.iter().map(std::ffi::OsString::from).collect();
        let Ok(Command::Graph { graph, program, warnings }) = cli::parse(&args, &System).map_err(|e| panic!("{e}"))
        else {
            panic!("{words:?} is no graph")
        };
        assert!(warnings.is_empty(), "{warnings:?}");
        let events = Watched::new(Vec::new());
        let seen = events.clone();
        let board = Arc::<Board>::default();
        let around = Surroundings {
            board: board.clone(),
            events: Arc::new(move |event| seen.update(|events| events.push(event))),
            resolver: Arc::new(SystemResolver),
        };
        let task = tokio::spawn(async move { run(*graph, &program, around).await });
        Self { events, board, task }
    }

    /// Waits until some event fits.
    pub(crate) async fn event<R>(&self, what: &str, mut pick: impl FnMut(&Event) -> Option<R>) -> R {
        self.events.wait_for(what, |events| events.iter().find_map(&mut pick)).await
    }

    /// The port of the word whose URL ends so.
    pub(crate) async fn port(&self, path: &str) -> u16 {
        self.event(&format!("a listener for {path}"), |event| match event {
            Event::Listening { address, serves } if serves.ends_with(path) => Some(address.port()),
            _ => None,
        })
        .await
    }

    /// Waits until an output is so far behind. Its counters tell nobody when they change.
    pub(crate) async fn lag(&self, output: &str, millis: u64) {
        let deadline = Instant::now() + outflow_testkit::wait::DEADLINE;
        let lag = || {
            let view = self.board.view();
            let stats = view.outputs.into_iter().find(|view| view.name == output).map(|view| view.stats);
            stats.map_or(0, |stats| stats.lag_millis.get())
        };
        while lag() < millis {
            assert!(Instant::now() < deadline, "{output} is only {} ms behind", lag());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The exit code.
    pub(crate) async fn code(mut self) -> i32 {
        tokio::time::timeout(outflow_testkit::wait::DEADLINE, &mut self.task).await.expect("it ends").unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Words, split at blanks; `%20` is a blank within a word, and each port 0 of a listening word becomes a free one.
pub(crate) fn words(text: &str) -> Vec<String> {
    let word = |word: &str| {
        let port = format!("127.0.0.1:{}/", outflow_testkit::free_port());
        word.replace("%20", " ").replacen("127.0.0.1:0/", &port, 1)
    };
    text.split_whitespace().map(word).collect()
}

/// A publisher that notes when it sent each body.
pub(crate) struct Feeder {
    publisher: Publisher,
    tags: std::vec::IntoIter<Tag>,
    pub(crate) sent: Vec<(Tag, Instant)>,
}

impl Feeder {
    pub(crate) async fn start(url: &str, tags: Vec<Tag>) -> Self {
        Self { publisher: Publisher::connect(url).await.unwrap(), tags: tags.into_iter(), sent: Vec::new() }
    }

    /// Sends so many tags as fast as they are taken.
    pub(crate) async fn send(&mut self, count: usize) {
        for _ in 0..count {
            let tag = self.tags.next().expect("enough media");
            self.sent.push((tag.clone(), Instant::now()));
            self.publisher.send_tag(&tag, 0).await.unwrap();
        }
    }

    /// Sends a frame and its sound each 40 ms, until `done`.
    pub(crate) async fn send_until(&mut self, done: impl Future<Output = ()>) {
        let mut done = std::pin::pin!(done);
        let mut frames = tokio::time::interval(Duration::from_millis(40));
        loop {
            tokio::select! {
                () = &mut done => return,
                _ = frames.tick() => self.send(2).await,
            }
        }
    }

    /// When this body was sent.
    pub(crate) fn sent_at(&self, tag: &Tag) -> Option<Instant> {
        self.sent.iter().find(|(sent, _)| sent.body == tag.body).map(|(_, at)| *at)
    }

    /// Leaves without a word.
    pub(crate) fn vanish(self) {
        drop(self.publisher);
    }
}

/// The n-th argument of a command after the command object.
pub(crate) fn argument(session: &Session, command: &str, n: usize) -> Option<Value> {
    session.call(command)?.get(3 + n).cloned()
}

/// The first video frame.
pub(crate) fn first_frame(tags: &[Tag]) -> Option<&Tag> {
    tags.iter().find(|tag| tag.kind == 9 && tag.is_frame())
}

/// A port that takes no further connection: its queue is full, so a connect waits.
pub(crate) struct FullPort {
    pub(crate) address: std::net::SocketAddr,
    _listener: tokio::net::TcpListener,
    _queue: Vec<tokio::net::TcpStream>,
}

impl FullPort {
    pub(crate) async fn new() -> Self {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        let listener = socket.listen(1).unwrap();
        let mut queue = Vec::new();
        while let Ok(stream) =
            tokio::time::timeout(Duration::from_millis(300), tokio::net::TcpStream::connect(address)).await
        {
            queue.push(stream.unwrap());
            assert!(queue.len() < 100, "the queue has no end");
        }
        Self { address, _listener: listener, _queue: queue }
    }
}
