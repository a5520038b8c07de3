//! What measuring costs: `serve` with a thousand players of one stream, its figures turned off and on in turn in one process,
//! and the CPU time per gigabyte of each turn. While they are on, `/metrics` is scraped each second, and the figures that the
//! page asks for and the events are read. `cargo test --release --test measuring -- --ignored --nocapture figures`
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // figures are for whoever reads them

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use outflow::config::{Address, Config, Listen, Missing, Pattern, StreamRule};
use outflow::monitor::Event;
use outflow::monitor::board::Board;
use outflow::net::dial::SystemResolver;
use outflow::net::pump::set_measuring;
use outflow::serve::{Serve, Surroundings};
use outflow_testkit::player::Player;
use outflow_testkit::publisher::Publisher;
use outflow_testkit::wire::kind;

const PLAYERS: usize = 1000;
/// 2.6 Mb/s at 30 frames a second.
const FRAME: usize = 10_800;
const BETWEEN: Duration = Duration::from_millis(33);
/// Whole scrapes fit into a turn.
const TURN: Duration = Duration::from_secs(4);
const TURNS: usize = 20;
/// The limit: what figures may add to the CPU time per gigabyte.
const LIMIT: f64 = 3.0;
/// Tells the other process, which is this program again, where to play.
const WHERE: &str = "OUTFLOW_MEASURED_URL";

#[test]
#[ignore = "three minutes: the cost of measuring, for an idle machine"]
fn figures_cost_next_to_nothing() {
    let (rtmp, http) = serve();
    let mut crowd = Crowd::start(&format!("rtmp://{rtmp}/live/show"));
    crowd.wait_for("all play");
    let on = Arc::new(AtomicBool::new(true));
    let watching = on.clone();
    let watcher = std::thread::Builder::new().name("watcher".into()).spawn(move || watch(http, &watching)).unwrap();
    std::thread::sleep(TURN);
    let (mut costs, mut delivered) = ([Vec::new(), Vec::new()], Vec::new());
    for turn in 0..TURNS {
        for measures in [turn % 2 == 0, turn % 2 != 0] {
            set_measuring(measures);
            on.store(measures, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(300));
            let (before, bytes) = (cpu(), bytes(http));
            std::thread::sleep(TURN);
            let gigabytes = (self::bytes(http) - bytes) / 1e9;
            costs[usize::from(measures)].push((cpu() - before).as_secs_f64() / gigabytes);
            delivered.push(gigabytes);
        }
    }
    let mut rises: Vec<f64> = costs[0].iter().zip(&costs[1]).map(|(off, on)| (on / off - 1.0) * 100.0).collect();
    rises.sort_by(f64::total_cmp);
    let (off, on) = (median(&costs[0]), median(&costs[1]));
    println!("gigabytes a turn: {:.3}", median(&delivered));
    println!(
        "CPU s per GB, medians: {off:.4} without figures, {on:.4} with them: {:.2} % more",
        (on / off - 1.0) * 100.0
    );
    println!("rise from turn to turn in %: median {:.2}, all {rises:.1?}", median(&rises));
    assert!(!watcher.is_finished(), "an answer was wrong");
    let delay = ask(http, "/metrics");
    assert!(delay.contains("outflow_input_players{stream=\"live/show\"} 1000\n"), "players left:\n{delay}");
    assert!(median(&rises) < LIMIT, "{} %", median(&rises));
}

#[test]
#[ignore = "no test: it is the crowd that the measurement starts"]
fn crowd() {
    let Ok(url) = std::env::var(WHERE) else { return };
    let address = url.clone();
    let (begun, begins) = std::sync::mpsc::channel();
    std::thread::spawn(move || publish(&address, &begun));
    begins.recv().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let count = std::rc::Rc::new(std::cell::Cell::new(0));
        let local = tokio::task::LocalSet::new();
        let crowd = async {
            for _ in 0..PLAYERS {
                let (accepted, accepts) = tokio::sync::oneshot::channel();
                let url = url.clone();
                let count = count.clone();
                tokio::task::spawn_local(async move {
                    let ended = Player::drain(&url, || _ = accepted.send(())).await;
                    eprintln!("a player ended: {ended:?}");
                    count.set(count.get() + 1);
                });
                let _ = accepts.await;
            }
            assert_eq!(count.get(), 0, "players that ended");
            println!("all play");
            std::future::pending::<()>().await;
        };
        local.run_until(crowd).await;
    });
}

/// A publisher that keeps the pace.
fn publish(url: &str, begun: &std::sync::mpsc::Sender<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut publisher = Publisher::connect(url).await.unwrap();
        let header = [0x17, 0, 0, 0, 0, 1, 0x42, 0xc0, 0x1e, 0xff, 0xe1, 0, 0, 1, 0, 0];
        publisher.send(kind::VIDEO, 0, header.to_vec()).await.unwrap();
        let begin = tokio::time::Instant::now();
        for frame in 0u32.. {
            tokio::time::sleep_until(begin + BETWEEN * frame).await;
            let mut body = vec![if frame % 60 == 0 { 0x17 } else { 0x27 }, 1, 0, 0, 0];
            body.resize(FRAME, 0);
            publisher.send(kind::VIDEO, frame * 33, body).await.unwrap();
            if frame == 0 {
                begun.send(()).unwrap();
            }
        }
    });
}

/// The other process; it ends with this.
struct Crowd(Child, BufReader<std::process::ChildStdout>);

impl Crowd {
    fn start(url: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "crowd", "--ignored", "--nocapture", "--test-threads=1"]);
        let mut child = command.env(WHERE, url).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self(child, lines)
    }

    fn wait_for(&mut self, what: &str) {
        let mut line = String::new();
        while !line.contains(what) {
            line.clear();
            assert!(self.1.read_line(&mut line).unwrap() > 0, "the crowd ended before: {what}");
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs `serve` in a thread, as `main` does; gives its RTMP and HTTP addresses.
fn serve() -> (SocketAddr, SocketAddr) {
    let here = || Some(Address { ip: Some([127, 0, 0, 1].into()), port: 0 });
    let rule = StreamRule {
        name: Pattern::parse("live/*").unwrap(),
        publish_open: true,
        missing: Missing::Wait,
        ..StreamRule::default()
    };
    let listen = Listen { rtmp: here(), rtmps: None, http: here() };
    let config = Config { streams: vec![rule], listen, ..Config::default() };
    let (told, tells) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let events: outflow::monitor::Sink = Arc::new(move |event| {
            if let Event::Listening { address, serves } = event {
                let _ = told.send((address, serves));
            }
        });
        let around = Surroundings { board: Arc::new(Board::default()), events, resolver: Arc::new(SystemResolver) };
        let load: outflow::serve::Load = Arc::new(|| Err(vec!["no file".into()]));
        runtime.block_on(outflow::serve::run(Serve { config, load, look: None }, around));
    });
    let (mut rtmp, mut http) = (None, None);
    loop {
        let (address, serves) = tells.recv().unwrap();
        *(if serves == "API" { &mut http } else { &mut rtmp }) = Some(address);
        if let (Some(rtmp), Some(http)) = (rtmp, http) {
            return (rtmp, http);
        }
    }
}

/// What a Prometheus and an open page ask for, each second, as long as it is on; events all the time.
fn watch(http: SocketAddr, on: &AtomicBool) {
    let mut events = TcpStream::connect(http).unwrap();
    events.write_all(format!("GET /v1/events HTTP/1.1\r\nHost: {http}\r\n\r\n").as_bytes()).unwrap();
    std::thread::Builder::new()
        .name("watcher".into())
        .spawn(move || std::io::copy(&mut events, &mut std::io::sink()))
        .unwrap();
    let mut next = Instant::now();
    loop {
        next += Duration::from_secs(1);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        if on.load(Ordering::Relaxed) {
            for path in ["/metrics", "/v1/streams", "/v1/outputs"] {
                assert!(ask(http, path).starts_with("HTTP/1.1 200"), "{path}");
            }
        }
    }
}

fn ask(http: SocketAddr, path: &str) -> String {
    let mut tcp = TcpStream::connect(http).unwrap();
    tcp.write_all(format!("GET {path} HTTP/1.1\r\nHost: {http}\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).unwrap();
    answer
}

/// Bytes that went to players.
fn bytes(http: SocketAddr) -> f64 {
    let text = ask(http, "/metrics");
    let line = text.lines().find(|line| line.starts_with("outflow_input_player_bytes_total")).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// CPU time of every thread but those that ask.
fn cpu() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let time = |task: std::fs::DirEntry| {
        let read = |name: &str| std::fs::read_to_string(task.path().join(name)).unwrap_or_default();
        let ours = read("comm").trim() != "watcher";
        ours.then(|| read("schedstat").split(' ').next().and_then(|nanos| nanos.parse::<u64>().ok())).flatten()
    };
    Duration::from_nanos(tasks.filter_map(time).sum())
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2])
}
