//! Tests of what peers may cost; heads that never end are tested with the API.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use http_body_util::Full;
use outflow_testkit::wait::{DEADLINE, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::stop::{Stopper, stopper};

/// One connection, and an answer that no buffer holds.
fn serve(stall: Duration) -> (SocketAddr, Stopper, tokio::task::JoinHandle<io::Result<()>>) {
    let port = HttpPort::bind(&[([127, 0, 0, 1], 0).into()]).unwrap();
    let (address, (stopper, stop)) = (port.address, stopper());
    let second = Duration::from_secs(1);
    let limits = HttpLimits { connections: 1, head: Duration::from_secs(20), stall, last: second };
    let body = Bytes::from(vec![b'x'; 64 << 20]);
    let handler = move |_, _| {
        let body = body.clone();
        async move { Response::new(Full::new(body)) }
    };
    (address, stopper, tokio::spawn(port.serve(limits, |_| Some(()), handler, stop)))
}

async fn ask(address: SocketAddr) -> TcpStream {
    let mut tcp = TcpStream::connect(address).await.unwrap();
    tcp.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    tcp
}

#[tokio::test]
async fn a_peer_that_takes_nothing_makes_room_for_others() {
    let (address, _stopper, _task) = serve(Duration::from_millis(300));
    let stuck = ask(address).await;
    stuck.readable().await.unwrap();
    let mut answered = false;
    let deadline = Instant::now() + DEADLINE;
    while !answered {
        assert!(Instant::now() < deadline, "the stuck one keeps its place");
        let mut tcp = ask(address).await;
        // Closed at once as long as there is no room.
        answered = tcp.read(&mut [0; 16]).await.is_ok_and(|length| length > 0);
    }
}

#[tokio::test]
async fn a_peer_that_takes_slowly_gets_everything() {
    let (address, _stopper, _task) = serve(Duration::from_millis(500));
    let mut tcp = ask(address).await;
    let (mut taken, mut pauses) = (0, tokio::time::interval(Duration::from_millis(20)));
    let mut bytes = vec![0; 1 << 20];
    loop {
        pauses.tick().await;
        match tcp.read(&mut bytes).await.unwrap() {
            0 => break,
            length => taken += length,
        }
    }
    assert!(taken > 64 << 20, "{taken}");
}

#[tokio::test]
async fn the_end_does_not_wait_for_a_peer_that_takes_nothing() {
    let (address, stopper, task) = serve(Duration::from_secs(60));
    let stuck = ask(address).await;
    stuck.readable().await.unwrap();
    stopper.stop();
    tokio::time::timeout(DEADLINE, task).await.expect("it ends").unwrap().unwrap();
    until("the port is free", || std::net::TcpListener::bind(address).is_ok()).await;
}
