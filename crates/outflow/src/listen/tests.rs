//! What is said of ports that can't be had, and to peers that speak something else.
#![allow(clippy::unwrap_used, clippy::panic)]

use bytes::{Bytes, BytesMut};
use outflow_rtmp::chunk::encode_full;
use outflow_rtmp::session::{Capabilities, CapsEx, ClientConfig, ClientEvent, ClientSession, Role};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::limits::Limits;
use crate::net::dial::SystemResolver;
use crate::net::pump::Backend;
use crate::net::uplink::Rules;
use crate::registry::PublishSlot;
use crate::stream::{Stream, StreamConfig};

fn listeners() -> Arc<Listeners> {
    listeners_on(0)
}

/// With publishers on the main thread, or on that of a second pump.
fn listeners_on(thread: usize) -> Arc<Listeners> {
    let pumps = Pumps::start_with(2, Backend::Calls, Rules::default());
    pumps.occupy(if thread == 0 { 0 } else { 500 });
    Listeners::new(pumps, Arc::new(|_| {}), InForce::new(Limits::default()))
}

/// A place for a publisher, and what it publishes.
fn place() -> (Arc<PublishSlot>, Arc<Stream>) {
    let (writer, stream) = Stream::new("s", StreamConfig::default(), Arc::default());
    let slot = Arc::new(PublishSlot {
        feed: Arc::new(writer),
        key: None,
        input: "in".into(),
        events: Arc::new(|_| {}),
        current: Mutex::default(),
        joined: Notify::new(),
        stats: Arc::default(),
        nodelay: true,
        takeover: false.into(),
        over: false.into(),
    });
    (slot, stream)
}

async fn claim(listeners: &Listeners, url: &str) -> Result<Claim, Ended> {
    listeners.claim(&RtmpUrl::parse(url).unwrap(), url, None, &SystemResolver).await
}

#[tokio::test]
async fn a_port_of_our_own_is_not_another_programs() {
    for swapped in [false, true] {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (any, one) = (format!("rtmp://:{free}/live/in"), format!("rtmp://127.0.0.1:{free}/watch"));
        let (first, second) = if swapped { (one, any) } else { (any, one) };
        let listeners = listeners();
        let _held = claim(&listeners, &first).await.map_err(|ended| ended.text).unwrap();
        let ended = claim(&listeners, &second).await.err().unwrap();
        assert_eq!((ended.reason, ended.retry), (Reason::Bind, Retry::Never));
        assert!(ended.text.contains("this program listens on") && ended.text.contains(&first), "{}", ended.text);
        assert!(ended.text.contains("the same address in both"), "{}", ended.text);
        // The same address is shared.
        assert!(claim(&listeners, &first).await.is_ok());
    }
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("rtmp://127.0.0.1:{}/live", other.local_addr().unwrap().port());
    let ended = claim(&listeners(), &url).await.err().unwrap();
    assert!(ended.text.contains("another program has this port"), "{}", ended.text);
}

/// A browser, or a player that would tunnel RTMP through HTTP (RTMPT), is told so and let go.
#[tokio::test]
async fn http_is_answered_shortly_and_closed() {
    let listeners = listeners();
    let claim = claim(&listeners, "rtmp://127.0.0.1:0/live").await.map_err(|ended| ended.text).unwrap();
    let address = claim.address();
    // It accepts once no word is waited for.
    drop(claim);
    for request in ["GET / HTTP/1.1\r\nHost: h\r\n\r\n", "POST /open/1 HTTP/1.1\r\nContent-Length: 1\r\n\r\n\0"] {
        let mut peer = tokio::net::TcpStream::connect(address).await.unwrap();
        peer.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        peer.read_to_end(&mut answer).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 400 Bad Request\r\n") && answer.len() < 100, "{answer:?}");
    }
}

/// A publisher, driven to its end; what it heard after it had begun. Says what `begun` gives it then.
async fn publisher(
    address: SocketAddr,
    capabilities: Capabilities,
    begun: impl FnOnce(&mut ClientSession) -> Bytes,
) -> Vec<ClientEvent> {
    let config = ClientConfig::new(Role::Publish, "live", "name", "rtmp://127.0.0.1/live", [1; 1528]);
    let mut session = ClientSession::new(ClientConfig { capabilities, ..config });
    let mut peer = tokio::net::TcpStream::connect(address).await.unwrap();
    let (mut begun, mut heard, mut buffer) = (Some(begun), Vec::new(), [0; 4096]);
    loop {
        let output = session.take_output();
        peer.write_all(&output).await.unwrap();
        let read = peer.read(&mut buffer).await.unwrap();
        if read == 0 {
            return heard;
        }
        session.receive(&buffer[..read]).unwrap();
        while let Some(event) = session.next_event() {
            match event {
                ClientEvent::Started => {
                    if let Some(begun) = begun.take() {
                        peer.write_all(&begun(&mut session)).await.unwrap();
                    }
                }
                event if begun.is_none() => heard.push(event),
                _ => {}
            }
        }
    }
}

/// Enhanced RTMP v2 "Reconnect Request" to who understands it, AppShutdown to others, nothing to one that an operator ends.
/// Whichever thread it runs on, it was told once the listeners have parted from everybody.
#[tokio::test]
async fn a_publisher_is_told_when_we_end() {
    let reconnects = Capabilities { caps_ex: CapsEx::RECONNECT, ..Capabilities::default() };
    for (thread, capabilities, over) in [
        (0, reconnects.clone(), true),
        (1, reconnects, true),
        (1, Capabilities::default(), true),
        (0, Capabilities::default(), false),
        (1, Capabilities::default(), false),
    ] {
        let (slot, stream) = place();
        let listeners = listeners_on(thread);
        let mut claim = claim(&listeners, "rtmp://127.0.0.1:0/live").await.map_err(|ended| ended.text).unwrap();
        let _route = claim.serve(Path::new("live", "name"), Target::Publish(slot.clone()));
        let parted = Arc::new(Notify::new());
        let end = |_: &mut ClientSession| {
            slot.over.store(over, Ordering::Relaxed);
            slot.current.lock().as_ref().unwrap().stopper.stop();
            let (listeners, parted) = (listeners.clone(), parted.clone());
            tokio::spawn(async move {
                listeners.publishers.gone().await;
                parted.notify_one();
            });
            Bytes::new()
        };
        let heard = publisher(claim.address(), capabilities.clone(), end).await;
        match (&heard[..], over, capabilities.is_empty()) {
            ([ClientEvent::ReconnectRequest { tc_url: None, .. }], true, false) => {}
            ([ClientEvent::Ended { code, .. }], true, true) => {
                assert_eq!(code, "NetConnection.Connect.AppShutdown");
            }
            ([], false, true) => {}
            other => panic!("{other:?}"),
        }
        parted.notified().await;
        assert!(slot.current.lock().is_none());
        assert_eq!(stream.thread(), thread);
    }
}

/// Counts.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl std::task::Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// What it sends reaches the stream, and its end is the stream's, on either thread.
#[tokio::test]
async fn a_publisher_is_read_on_the_thread_that_has_the_least_to_do() {
    for thread in [0, 1] {
        let (slot, stream) = place();
        let listeners = listeners_on(thread);
        let mut claim = claim(&listeners, "rtmp://127.0.0.1:0/live").await.map_err(|ended| ended.text).unwrap();
        let _route = claim.serve(Path::new("live", "name"), Target::Publish(slot.clone()));
        let media = |session: &mut ClientSession| {
            let mut out = BytesMut::new();
            for number in 0..100 {
                let head = [if number == 0 { 0x17 } else { 0x27 }, 1, 0, 0, 0];
                let body = [&head[..], &[number as u8; 3000]].concat();
                let stream = session.stream_id().unwrap();
                encode_full(&mut out, 6, 9, stream, 40 * number, &body, session.chunk_size()).unwrap();
            }
            session.finish();
            out.unsplit(session.take_output().into());
            out.freeze()
        };
        let wakes = Arc::<Wakes>::default();
        let _subscription = stream.hub().subscribe(wakes.clone().into());
        publisher(claim.address(), Capabilities::default(), media).await;
        let mut state = stream.state();
        state.wait_for(|state| state.ended).await.unwrap();
        assert_eq!((stream.hub().head(), stream.thread()), (100, thread));
        // What one read brings wakes the readers once: 100 messages in 300 kB are a few reads.
        let wakes = wakes.0.load(Ordering::Relaxed);
        assert!(wakes < 50, "{wakes} wakes");
        listeners.publishers.gone().await;
        assert!(slot.current.lock().is_none());
    }
}
