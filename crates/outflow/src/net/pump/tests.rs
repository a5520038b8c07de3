//! The pump on real sockets: a peer that stops, a fault in one connection, ends asked for and ends suffered.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::cell::Cell;
use std::time::{Duration, Instant};

use bytes::Bytes;
use outflow_rtmp::chunk::ChunkReader;
use outflow_rtmp::limits::Limits;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::*;
use crate::error::Reason;
use crate::hub::{Cursor, Start};
use crate::media::{Flags, Intake, Kind, Packet, StreamInfo};
use crate::monitor::OutputStats;
use crate::options::share::Share;
use crate::stream::{Stream, StreamConfig, Writer};
use crate::wire::{CHUNK_SIZE, Form};

/// A protocol of nothing: says what it is told to say, and may have a fault.
#[derive(Default)]
struct Mute {
    good_bye: Bytes,
    output: Bytes,
    panics: bool,
    /// What it was told of as sent.
    sent: Arc<AtomicU64>,
}

impl Link for Mute {
    fn receive(&mut self, _: &[u8]) -> Result<(), Ended> {
        assert!(!self.panics, "a fault planted by the test");
        Ok(())
    }
    fn heard(&mut self) -> Option<Heard> {
        None
    }
    fn take_output(&mut self) -> Bytes {
        std::mem::take(&mut self.output)
    }
    fn has_output(&self) -> bool {
        !self.output.is_empty()
    }
    fn note_sent(&mut self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }
    fn finish(&mut self) {
        self.output = self.good_bye.clone();
    }
}

struct Bench {
    pumps: Arc<Pumps>,
    writer: Writer,
    stream: Arc<Stream>,
    frames: i64,
    delay: Duration,
    latency: Duration,
    share: Share,
    lag: Duration,
    /// Players are at the other end of a line, and not on this machine.
    far: bool,
    /// All belong to one output, which has these figures.
    shared: Option<Arc<OutputStats>>,
    /// Those who read all: the first few are measured, beside whom others ride.
    readers: Vec<(Attached, tokio::task::JoinHandle<()>)>,
}

thread_local! {
    static WAY: Cell<Backend> = const { Cell::new(Backend::Calls) };
}

/// Runs a test with each way to write that the system has.
async fn each_way(test: impl AsyncFn()) {
    for backend in backends() {
        WAY.set(backend);
        test().await;
    }
}

/// All ways to write that the system has.
fn backends() -> Vec<Backend> {
    let mut all = vec![Backend::Calls, Backend::IoUring];
    all.retain(|backend| match backend.check() {
        Ok(()) => true,
        Err(error) => {
            println!("{backend:?} is not tested: {error}");
            false
        }
    });
    all
}

const FRAME: usize = 100_000;
const GROUP: i64 = 10;

impl Bench {
    /// It writes in the way that [`each_way`] has come to.
    fn new() -> Self {
        Self::with(WAY.get())
    }

    fn with(backend: Backend) -> Self {
        Self::lagging(backend, Duration::from_millis(300))
    }

    /// Where who reads is not skipped before it is so late.
    fn lagging(backend: Backend, lag: Duration) -> Self {
        let config = StreamConfig { keep: lag, ..StreamConfig::default() };
        let (writer, stream) = Stream::new("s", config, Arc::default());
        writer.start(StreamInfo { video: Some(true), audio: Some(false), realtime: true });
        Self {
            pumps: Pumps::start_with(1, backend, Rules::default()),
            writer,
            stream,
            frames: 0,
            delay: Duration::ZERO,
            latency: Duration::ZERO,
            share: Share::default(),
            lag,
            far: false,
            shared: None,
            readers: Vec::new(),
        }
    }

    /// One where all who come ride: those that are measured, each of whose frames is looked at, are there already.
    async fn riding() -> Self {
        Self::new().ride().await
    }

    async fn ride(mut self) -> Self {
        for _ in 0..4 {
            self.reader().await;
        }
        self
    }

    /// One more, which reads all that it is sent; its figures.
    async fn reader(&mut self) -> Arc<OutputStats> {
        let (mut peer, attached, stats) = self.connect(Mute::default(), None).await;
        let reading = async move { while peer.read(&mut [0; 1 << 16]).await.is_ok_and(|read| read > 0) {} };
        self.readers.push((attached, tokio::spawn(reading)));
        stats
    }

    /// Another stream on the same pumps, whose frames have other numbers and a time far off.
    fn beside(&self, frames: i64) -> Self {
        Self { pumps: self.pumps.clone(), frames, ..Self::new() }
    }

    fn publish(&mut self) {
        self.publish_sized(FRAME);
    }

    fn publish_sized(&mut self, bytes: usize) {
        let flags = Flags { keyframe: self.frames % GROUP == 0, ..Flags::default() };
        let mut body = vec![if flags.keyframe { 0x17 } else { 0x27 }, 1, 0, 0, 0];
        body.extend_from_slice(&self.frames.to_be_bytes());
        body.resize(bytes, 0);
        let arrival = Instant::now();
        self.writer.push(Packet {
            kind: Kind::Video,
            track: 0,
            dts: self.frames * 40,
            cts: 0,
            flags,
            body: body.into(),
            arrival,
        });
        self.frames += 1;
    }

    /// Audio with this time.
    fn publish_audio(&self, dts: i64) {
        let body = Bytes::from_static(&[0xAF, 1, 0x21, 0x10]);
        let (flags, arrival) = (Flags::default(), Instant::now());
        self.writer.push(Packet { kind: Kind::Audio, track: 0, dts, cts: 0, flags, body, arrival });
    }

    async fn connect(&self, link: Mute, patience: Option<Duration>) -> (TcpStream, Attached, Arc<OutputStats>) {
        let (peer, ours) = sockets().await;
        self.attach(peer, ours, link, patience)
    }

    /// A connection whose buffers hold less than a frame, so that it is full nearly always.
    async fn connect_narrow(&self) -> (TcpStream, Attached, Arc<OutputStats>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(8 << 10).unwrap();
        let peer = socket.connect(listener.local_addr().unwrap()).await.unwrap();
        let ours = listener.accept().await.unwrap().0;
        socket2::SockRef::from(&ours).set_send_buffer_size(8 << 10).unwrap();
        self.attach(peer, ours, Mute::default(), None)
    }

    fn attach(
        &self,
        peer: TcpStream,
        ours: TcpStream,
        link: Mute,
        patience: Option<Duration>,
    ) -> (TcpStream, Attached, Arc<OutputStats>) {
        crate::net::dial::prepare(&ours, true);
        let stats = self.shared.clone().unwrap_or_default();
        let order = Order {
            stream: self.stream.clone(),
            cursor: Cursor::new(Start::Group, self.lag, self.delay),
            form: Form::Play,
            stream_id: 1,
            chunk_size: CHUNK_SIZE,
            latency: self.latency,
            share: self.share,
            patience,
            stats: stats.clone(),
            events: Arc::new(|_| {}),
            output: "o".into(),
            peer: if self.far { Some(([192, 0, 2, 1], 50_000).into()) } else { peer.local_addr().ok() },
        };
        (peer, self.pumps.attach(Connection::Plain(ours), Box::new(link), order), stats)
    }
}

/// Both ends of a connection: the peer's, and ours.
async fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (peer, listener.accept().await.unwrap().0)
}

/// Reads what a peer is sent, as frame numbers and times.
struct Peer<R = TcpStream> {
    tcp: R,
    reader: ChunkReader,
    /// How many bytes came.
    bytes: u64,
}

impl<R: AsyncRead + Unpin> Peer<R> {
    fn new(tcp: R) -> Self {
        let mut reader = ChunkReader::new(Limits::default());
        reader.push(&[2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0]);
        reader.push(&CHUNK_SIZE.to_be_bytes());
        Self { tcp, reader, bytes: 0 }
    }

    /// The next frame: its number and time.
    async fn frame(&mut self) -> Option<(i64, u32)> {
        loop {
            let (kind, payload, time) = self.message().await?;
            if kind == 9 {
                return Some((i64::from_be_bytes(payload[5..13].try_into().unwrap()), time));
            }
        }
    }

    /// The next message: its type, payload and time.
    async fn message(&mut self) -> Option<(u8, Bytes, u32)> {
        let mut buffer = vec![0; 1 << 16];
        loop {
            if let Some(message) = self.reader.next().unwrap() {
                return Some((message.kind, message.payload, message.timestamp));
            }
            match self.tcp.read(&mut buffer).await {
                Ok(0) | Err(_) => return None,
                Ok(read) => {
                    self.bytes += read as u64;
                    self.reader.push(&buffer[..read]);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_peer_that_stops_holds_nobody_up_and_goes_on_at_a_key_frame() {
    each_way(async || {
        let mut bench = Bench::riding().await;
        let (stopped, _one, stats) = bench.connect(Mute::default(), None).await;
        let (healthy, _two, _) = bench.connect(Mute::default(), None).await;
        let mut healthy = Peer::new(healthy);
        // Far more than every buffer between us and a peer that does not read, and longer than its lag allows.
        while bench.frames < 400 {
            bench.publish();
            let (number, time) = healthy.frame().await.unwrap();
            assert_eq!((number, i64::from(time)), (bench.frames - 1, (bench.frames - 1) * 40));
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        assert!(bench.stream.hub().bytes() < 40 << 20, "what is kept is bounded: {}", bench.stream.hub().bytes());
        let mut stopped = Peer::new(stopped);
        let mut last = -1;
        let mut jumps = Vec::new();
        while last < 399 {
            let (number, time) = tokio::time::timeout(Duration::from_secs(20), stopped.frame()).await.unwrap().unwrap();
            assert_eq!(i64::from(time), number * 40, "time goes on by the same base");
            if number != last + 1 {
                jumps.push((last, number));
            }
            last = number;
            if last < 399 && bench.frames < 500 {
                bench.publish();
            }
        }
        assert!(!jumps.is_empty(), "40 MB don't fit into any buffer");
        assert!(
            jumps.iter().all(|(from, to)| to > from && to % GROUP == 0),
            "only forward, only to key frames: {jumps:?}"
        );
        assert_eq!(OutputStats::get(&stats.skips), jumps.len() as u64);
    })
    .await;
}

#[tokio::test]
async fn full_sockets_cost_the_others_no_time() {
    each_way(async || {
        let mut bench = Bench::new();
        // One that takes nothing at all, and three that take a little now and then and so fill up again at each frame.
        let (_stopped, _one, _) = bench.connect(Mute::default(), None).await;
        let mut narrow = Vec::new();
        for _ in 0..3 {
            narrow.push(bench.connect_narrow().await);
        }
        let (healthy, _two, _) = bench.connect(Mute::default(), None).await;
        let mut healthy = Peer::new(healthy);
        let mut buffer = vec![0; 64 << 10];
        let begun = Instant::now();
        for frame in 0..200 {
            for (peer, ..) in &narrow {
                while peer.try_read(&mut buffer).is_ok_and(|read| read == buffer.len()) {}
            }
            bench.publish();
            assert_eq!(healthy.frame().await.unwrap().0, bench.frames - 1);
            // It takes a second or two. A pump that waits 200 ms at each full socket, as this one shares its thread with the
            // test, takes more than a minute.
            let taken = begun.elapsed();
            assert!(taken < Duration::from_secs(20), "{frame} frames took {taken:?} beside peers that are full");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for (_, _, stats) in &narrow {
            assert!(OutputStats::get(&stats.skips) > 0, "a peer that was meant to be full was not");
        }
    })
    .await;
}

#[tokio::test]
async fn nothing_before_the_time_of_the_entry_point_is_sent() {
    each_way(async || {
        let mut bench = Bench::riding().await;
        // The entry point itself, after it in the hub audio that lies before it in time, and audio of its own time.
        (0..GROUP).for_each(|_| bench.publish());
        let entry = bench.frames * 40;
        bench.publish();
        for dts in [entry - 40, entry - 20, entry, entry + 20] {
            bench.publish_audio(dts);
        }
        let (peer, _attached, _) = bench.connect(Mute::default(), None).await;
        bench.publish();
        let mut peer = Peer::new(peer);
        let mut got = Vec::new();
        while got.last().is_none_or(|last| *last != (9, 40)) {
            let (kind, _, time) = peer.message().await.unwrap();
            if matches!(kind, 8 | 9) {
                got.push((kind, time));
            }
        }
        assert_eq!(got, [(9, 0), (8, 0), (8, 20), (9, 40)]);
    })
    .await;
}

#[tokio::test]
async fn a_fault_in_one_connection_ends_that_one_only() {
    each_way(async || {
        let mut bench = Bench::riding().await;
        let (mut faulty, attached, _) = bench.connect(Mute { panics: true, ..Mute::default() }, None).await;
        let (healthy, _two, _) = bench.connect(Mute::default(), None).await;
        let mut healthy = Peer::new(healthy);
        bench.publish();
        assert_eq!(healthy.frame().await.unwrap().0, 0);
        faulty.write_all(b"x").await.unwrap();
        assert_eq!(attached.await.reason, Reason::Internal);
        bench.publish();
        assert_eq!(healthy.frame().await.unwrap().0, 1);
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_takes_nothing_is_let_go_after_its_patience() {
    each_way(async || {
        let mut bench = Bench::riding().await;
        let (_peer, mut attached, _) = bench.connect(Mute::default(), Some(Duration::from_millis(600))).await;
        let ended = loop {
            bench.publish();
            tokio::select! {
                ended = &mut attached => break ended,
                () = tokio::time::sleep(Duration::from_millis(10)) => {}
            }
            assert!(bench.frames < 6_000, "still attached after a minute");
        };
        assert_eq!(ended.reason, Reason::Stalled);
    })
    .await;
}

#[tokio::test]
async fn an_end_that_is_asked_for_says_good_bye_and_closes() {
    each_way(async || {
        let mut bench = Bench::riding().await;
        let link = Mute { good_bye: Bytes::from_static(b"bye"), ..Mute::default() };
        let (mut peer, attached, _) = bench.connect(link, None).await;
        bench.publish();
        attached.finish();
        let mut received = Vec::new();
        peer.read_to_end(&mut received).await.unwrap();
        assert!(received.ends_with(b"bye"));
        assert!(attached.await.is_clean());
    })
    .await;
}

#[tokio::test]
async fn the_end_of_the_stream_is_the_end_of_the_connection_after_all_was_sent() {
    each_way(async || {
        let mut bench = Bench::lagging(WAY.get(), Duration::from_secs(60)).ride().await;
        let (peer, attached, _) = bench.connect(Mute::default(), None).await;
        let mut peer = Peer::new(peer);
        bench.publish();
        let mut last = peer.frame().await.unwrap().0;
        (1..50).for_each(|_| bench.publish());
        bench.writer.end(true);
        while let Some((number, _)) = peer.frame().await {
            last = number;
        }
        assert_eq!(last, 49);
        assert!(attached.await.is_clean());
    })
    .await;
}

#[tokio::test]
async fn a_dropped_attachment_is_a_reset() {
    each_way(async || {
        let bench = Bench::riding().await;
        let (mut peer, attached, _) = bench.connect(Mute::default(), None).await;
        drop(attached);
        let error = peer.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    })
    .await;
}

mod behind;
mod host;
mod ride;
mod switch;
