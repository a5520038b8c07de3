//! What measuring costs: a thousand players of one stream, the figures turned off and on in turn in one process, and the
//! CPU time per gigabyte of each turn. `cargo test --release --test measuring -- --ignored --nocapture`
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // figures are for whoever reads them

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use outflow::error::Ended;
use outflow::hub::{Cursor, Start};
use outflow::media::{Flags, Intake, Kind, Packet, StreamInfo};
use outflow::monitor::OutputStats;
use outflow::net::connection::Connection;
use outflow::net::pump::{Heard, Link, Order, Pumps, Tracks, set_measuring};
use outflow::stream::{Stream, StreamConfig, Writer};
use outflow::wire::{CHUNK_SIZE, Form};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

const PLAYERS: usize = 1000;
/// Pushes beside them: each is asked 100 times a second.
const PUSHES: usize = 10;
const FRAME: usize = 4000;
const BETWEEN: Duration = Duration::from_millis(33);
const TURN: Duration = Duration::from_secs(2);
const TURNS: usize = 20;
/// The judged limit: what figures add to the CPU time per gigabyte.
const LIMIT: f64 = 3.0;

struct Quiet;

impl Link for Quiet {
    fn receive(&mut self, _: &[u8]) -> Result<(), Ended> {
        Ok(())
    }
    fn heard(&mut self) -> Option<Heard> {
        None
    }
    fn take_output(&mut self) -> Bytes {
        Bytes::new()
    }
    fn has_output(&self) -> bool {
        false
    }
    fn note_sent(&mut self, _: u64) {}
    fn finish(&mut self) {}
}

#[test]
#[ignore = "two minutes: the cost of measuring, for an idle machine"]
fn figures_cost_next_to_nothing() {
    let (address_out, address_in) = std::sync::mpsc::channel();
    std::thread::Builder::new().name("readers".into()).spawn(move || readers(&address_out)).unwrap();
    let address = address_in.recv().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (writer, stream) = Stream::new("s", StreamConfig::default(), Arc::default());
        let writer = Arc::new(writer);
        writer.start(StreamInfo { video: Some(true), audio: Some(false), realtime: true });
        let asked = TcpStream::connect(address).await.unwrap();
        let cpu_before = cpu();
        (0..100_000).for_each(|_| assert!(outflow::net::tcp_info::of(&asked).is_some()));
        println!("one question to the kernel: {:?}", (cpu() - cpu_before) / 100_000);
        let pumps = Pumps::start(2);
        let stats = Arc::<OutputStats>::default();
        let mut attached = Vec::new();
        for number in 0..PLAYERS + PUSHES {
            let tcp = TcpStream::connect(address).await.unwrap();
            outflow::net::dial::prepare(&tcp, true);
            let player = number < PLAYERS;
            let order = Order {
                stream: stream.clone(),
                cursor: Cursor::new(Start::Next, Duration::from_secs(4), Duration::ZERO),
                form: if player { Form::Play } else { Form::Publish },
                stream_id: 1,
                chunk_size: CHUNK_SIZE,
                tracks: Tracks::All,
                latency: Duration::ZERO,
                patience: None,
                stats: if player { stats.clone() } else { Arc::default() },
                events: Arc::new(|_| {}),
                output: "o".into(),
                peer: player.then_some(address),
            };
            attached.push(pumps.attach(Connection::Plain(tcp), Box::new(Quiet), order));
        }
        let over = Arc::new(AtomicBool::new(false));
        let encoder = encoder(writer, over.clone());
        tokio::time::sleep(TURN).await;
        let mut costs = [Vec::new(), Vec::new()];
        for turn in 0..TURNS {
            for measures in [turn % 2 == 0, turn % 2 != 0] {
                set_measuring(measures);
                tokio::time::sleep(Duration::from_millis(300)).await;
                let (cpu, bytes) = (cpu(), OutputStats::get(&stats.bytes));
                tokio::time::sleep(TURN).await;
                #[allow(clippy::cast_precision_loss)]
                let gigabytes = (OutputStats::get(&stats.bytes) - bytes) as f64 / 1e9;
                costs[usize::from(measures)].push((self::cpu() - cpu).as_secs_f64() / gigabytes);
            }
        }
        over.store(true, Ordering::Relaxed);
        encoder.join().unwrap();
        let mut rises: Vec<f64> = costs[0].iter().zip(&costs[1]).map(|(off, on)| (on / off - 1.0) * 100.0).collect();
        rises.sort_by(f64::total_cmp);
        let median = f64::midpoint(rises[TURNS / 2 - 1], rises[TURNS / 2]);
        let (off, on) = (mean(&costs[0]), mean(&costs[1]));
        println!(
            "CPU s per GB: {off:.3} without figures, {on:.3} with them; rise in %: median {median:.2}, all {rises:.1?}"
        );
        let delay = stats.delay(Instant::now());
        println!("delay of the players that were measured: {delay:?}");
        assert!(delay.is_some(), "nothing was measured");
        assert!(median < LIMIT, "{median} %");
    });
}

#[allow(clippy::cast_precision_loss)]
fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Publishes frames at their pace, from a thread that does nothing else.
fn encoder(writer: Arc<Writer>, over: Arc<AtomicBool>) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let begin = Instant::now();
        for frame in 0u32.. {
            if over.load(Ordering::Relaxed) {
                return;
            }
            let due = begin + BETWEEN * frame;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let flags = Flags { keyframe: frame % 30 == 0, ..Flags::default() };
            let mut body = vec![if flags.keyframe { 0x17 } else { 0x27 }, 1, 0, 0, 0];
            body.resize(FRAME, 0);
            let (kind, dts, arrival) = (Kind::Video, i64::from(frame) * 33, Instant::now());
            writer.push(Packet { kind, track: 0, dts, cts: 0, flags, body: body.into(), arrival });
        }
    })
}

/// Takes whatever comes on any number of connections.
fn readers(address: &std::sync::mpsc::Sender<std::net::SocketAddr>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        address.send(listener.local_addr().unwrap()).unwrap();
        while let Ok((mut tcp, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut room = vec![0; 16 << 10];
                while tcp.read(&mut room).await.is_ok_and(|read| read > 0) {}
            });
        }
    });
}

/// CPU time of every thread but the readers'.
fn cpu() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let time = |task: std::fs::DirEntry| {
        let read = |name: &str| std::fs::read_to_string(task.path().join(name)).unwrap_or_default();
        let ours = read("comm").trim() != "readers";
        ours.then(|| read("schedstat").split(' ').next().and_then(|nanos| nanos.parse::<u64>().ok())).flatten()
    };
    Duration::from_nanos(tasks.filter_map(time).sum())
}
