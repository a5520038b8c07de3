//! What is said of ports that can't be had, and to peers that speak something else.
#![allow(clippy::unwrap_used, clippy::panic)]

use outflow_rtmp::session::{Capabilities, CapsEx, ClientConfig, ClientEvent, ClientSession, Role};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::net::dial::SystemResolver;
use crate::registry::PublishSlot;
use crate::stream::{Stream, StreamConfig};

fn listeners() -> Arc<Listeners> {
    let events: monitor::Sink = Arc::new(|_| {});
    crate::env::Env::new(Arc::new(SystemResolver), events).listeners.clone()
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

/// A publisher, driven to its end; what it heard after it had begun.
async fn publisher(address: SocketAddr, capabilities: Capabilities, begun: impl FnOnce()) -> Vec<ClientEvent> {
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
                ClientEvent::Started => begun.take().into_iter().for_each(|begun| begun()),
                event if begun.is_none() => heard.push(event),
                _ => {}
            }
        }
    }
}

/// Enhanced RTMP v2 "Reconnect Request" to who understands it, AppShutdown to others, nothing to one that an operator ends.
#[tokio::test]
async fn a_publisher_is_told_when_we_end() {
    let reconnects = Capabilities { caps_ex: CapsEx::RECONNECT, ..Capabilities::default() };
    for (capabilities, over) in [(reconnects, true), (Capabilities::default(), true), (Capabilities::default(), false)]
    {
        let (writer, _stream) = Stream::new("s", StreamConfig::default(), Arc::default());
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
        let listeners = listeners();
        let mut claim = claim(&listeners, "rtmp://127.0.0.1:0/live").await.map_err(|ended| ended.text).unwrap();
        let _route = claim.serve(Path::new("live", "name"), Target::Publish(slot.clone()));
        let end = || {
            slot.over.store(over, Ordering::Relaxed);
            slot.current.lock().as_ref().unwrap().stopper.stop();
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
    }
}
