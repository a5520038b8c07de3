//! What is said of ports that can't be had, and to peers that speak something else.
#![allow(clippy::unwrap_used)]

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::net::dial::SystemResolver;

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
