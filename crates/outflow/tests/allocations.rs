//! A guard on the path of every packet: what it allocates is counted, and does not grow with the number of players.
//!
//! In a process of its own, as it has an allocator that counts. Never on time: a busy machine counts like a quiet one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use outflow::error::Ended;
use outflow::hub::{Cursor, Start};
use outflow::ingest::Ingest;
use outflow::media::Intake;
use outflow::monitor::OutputStats;
use outflow::net::connection::Connection;
use outflow::net::pump::{Attached, Backend, Heard, Link, Order, Pumps};
use outflow::net::uplink::Rules;
use outflow::options::share::Share;
use outflow::stream::{Stream, StreamConfig};
use outflow::wire::{CHUNK_SIZE, Form};
use outflow_rtmp::chunk::{csid, encode_delta, encode_full};
use outflow_rtmp::message;
use outflow_rtmp::session::{ClientConfig, ClientEvent, ClientSession, Role, ServerConfig, ServerEvent, ServerSession};

/// Frames that are counted, after as many that warm everything up.
const FRAMES: u32 = 200;
const BODY: usize = 10_000;
/// Allocations for each of them, and for the sound with it.
const MOST: f64 = 13.0;

/// A peer that says nothing.
struct Mute;

impl Link for Mute {
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

/// A session with a publisher that has begun; its message stream and chunk size.
fn publishing() -> (ServerSession, u32, u32) {
    let mut server = ServerSession::new(ServerConfig { chunk_size: CHUNK_SIZE, ..ServerConfig::new([0; 1528]) });
    let config = ClientConfig::new(Role::Publish, "live", "name", "rtmp://127.0.0.1/live", [1; 1528]);
    let mut client = ClientSession::new(config);
    for _ in 0..20 {
        server.receive(&client.take_output()).unwrap();
        while let Some(event) = server.next_event() {
            match event {
                ServerEvent::Connect(_) => server.accept_connect().unwrap(),
                ServerEvent::Publish(request) => assert!(server.accept_publish(request.stream_id)),
                _ => {}
            }
        }
        client.receive(&server.take_output()).unwrap();
        while let Some(event) = client.next_event() {
            if matches!(event, ClientEvent::Started) {
                // What it has said of its chunks last.
                server.receive(&client.take_output()).unwrap();
                return (server, client.stream_id().unwrap(), client.chunk_size());
            }
        }
    }
    panic!("the publisher did not begin");
}

/// What a publisher sends for one frame: a picture and the sound with it.
fn sent(frame: u32, stream: u32, chunk_size: u32) -> BytesMut {
    let mut out = BytesMut::new();
    let mut picture = vec![0x5A; BODY];
    picture[..5].copy_from_slice(&[if frame == 0 { 0x17 } else { 0x27 }, 1, 0, 0, 0]);
    let sound = [0xAF, 1, 0x21, 0x10, 4, 0x60];
    for (csid, kind, body) in
        [(csid::VIDEO, message::kind::VIDEO, &picture[..]), (csid::AUDIO, message::kind::AUDIO, &sound[..])]
    {
        match frame {
            0 => encode_full(&mut out, csid, kind, stream, 0, body, chunk_size).unwrap(),
            _ => encode_delta(&mut out, csid, kind, 40, body, chunk_size).unwrap(),
        }
    }
    out
}

/// Allocations for each frame, from the bytes of the publisher to those of all players or servers, with so many of them.
fn allocations(peers: usize, form: Form, backend: Backend) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    let config = StreamConfig { keep: Duration::from_millis(200), ..StreamConfig::default() };
    let (writer, stream) = Stream::new("s", config, Arc::default());
    let (feed, pumps, stats): (Arc<dyn Intake>, _, _) =
        (Arc::new(writer), Pumps::start_with(1, backend, Rules::default()), Arc::<OutputStats>::default());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut attached: Vec<Attached> = Vec::new();
    for _ in 0..peers {
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let ours = listener.accept().unwrap().0;
        ours.set_nonblocking(true).unwrap();
        // On a thread of its own, whose allocations do not count.
        std::thread::spawn(move || {
            let mut buffer = [0; 16 << 10];
            while peer.read(&mut buffer).is_ok_and(|read| read > 0) {}
        });
        let order = Order {
            stream: stream.clone(),
            cursor: Cursor::new(Start::Group, Duration::from_secs(60), Duration::ZERO),
            form,
            stream_id: 1,
            chunk_size: CHUNK_SIZE,
            latency: Duration::ZERO,
            share: Share::default(),
            patience: None,
            stats: stats.clone(),
            events: Arc::new(|_| {}),
            output: "o".into(),
            peer: listener.local_addr().ok().filter(|_| form == Form::Play),
        };
        let ours = Connection::Plain(tokio::net::TcpStream::from_std(ours).unwrap());
        attached.push(pumps.attach(ours, Box::new(Mute), order));
    }
    let mut ingest = Ingest::new(feed);
    let (mut session, id, chunk_size) = publishing();
    let frames: Vec<BytesMut> = (0..2 * FRAMES).map(|frame| sent(frame, id, chunk_size)).collect();
    let mut feed = |frames: &[BytesMut], before: u64| {
        for (frame, number) in frames.iter().zip(before..) {
            session.receive(frame).unwrap();
            while let Some(event) = session.next_event() {
                if let ServerEvent::Media(message) = event {
                    ingest.take(message, Instant::now());
                }
            }
            let wanted = (number + 1) * peers as u64;
            let begun = Instant::now();
            runtime.block_on(async {
                while OutputStats::get(&stats.frames) < wanted {
                    assert!(begun.elapsed() < Duration::from_secs(60), "frame {number} has not gone to all after 60 s");
                    tokio::task::yield_now().await;
                }
            });
        }
    };
    let (warm, counted) = frames.split_at(FRAMES as usize);
    feed(warm, 0);
    let info = allocation_counter::measure(|| feed(counted, u64::from(FRAMES)));
    #[allow(clippy::cast_precision_loss)]
    let each = info.count_total as f64 / f64::from(FRAMES);
    drop(attached);
    each
}

#[test]
fn a_frame_costs_no_allocation_for_each_player_or_server() {
    // Where io_uring is refused, the same again.
    for (form, backend) in
        [(Form::Play, Backend::Calls), (Form::Play, Backend::IoUring), (Form::Publish, Backend::Calls)]
    {
        let (few, many) = (allocations(10, form, backend), allocations(200, form, backend));
        println!(
            "{form:?} {backend:?}: {few:.2} allocations for a frame and its sound with 10 peers, {many:.2} with 200"
        );
        // Bodies, packets in the hub, wire bytes; what a ring or a list that grows adds now and then is no whole one.
        assert!(few <= MOST, "{few} allocations for each frame");
        assert!(many <= few + 1.0, "{many} allocations for each frame with 200 peers, {few} with 10");
    }
}
