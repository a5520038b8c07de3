//! Each way to take too long, and the deadline that ends it, by its name in the log.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use outflow_testkit::hostile::bytes::Out;
use outflow_testkit::hostile::live::Show;
use outflow_testkit::tls::Authority;
use outflow_testkit::wait::DEADLINE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

use crate::rig::Serve;

const FILE: &str = r#"
[limits]
handshake = "700ms"
request = "700ms"
idle = "1s"
message = "700ms"
player_stall = "700ms"

[[stream]]
name = "live/*"
publish_key = "none"
"#;

/// What a peer does: these bytes at once, then these one by one for as long as it is borne, and it reads so many at a time.
struct Slow {
    name: &'static str,
    first: Vec<u8>,
    then: Option<u8>,
    reads: usize,
    limit: &'static str,
}

fn all() -> Vec<Slow> {
    let begun = |what, name| Out::begun("live", what, name).bytes;
    let row = |name, first, then, reads, limit| Slow { name, first, then, reads, limit };
    let body = {
        let mut out = Out::begun("live", "publish", "body");
        out.header(0, 6, 0, 100_000, 9, 1);
        out.bytes
    };
    let asking = [Out::open("live").bytes, vec![0x03]].concat();
    vec![
        row("a byte of the handshake now and then", vec![3], Some(0), 4096, "limits.handshake"),
        row("nothing at all", vec![], None, 4096, "limits.handshake"),
        row("half-open after C1", Out::hello().bytes[..1537].to_vec(), None, 4096, "limits.handshake"),
        row("no connect", Out::hello().bytes, None, 4096, "limits.request"),
        row("no publish and no play", Out::open("live").bytes, None, 4096, "limits.request"),
        row("a chunk header before publish, byte by byte", asking, Some(0), 4096, "limits.request"),
        row("connected and idle", begun("publish", "idle"), None, 0, "limits.idle"),
        row("a body byte by byte", body, Some(0x17), 4096, "limits.message"),
        // Type 0, chunk stream 6, a length of 0x060606: none of its bytes is the last.
        row("bytes and never a whole message", begun("publish", "never"), Some(0x06), 4096, "limits.message"),
        row("a player that reads nothing", begun("play", "show"), None, 0, "limits.player_stall"),
        row("a player that reads a byte now and then", begun("play", "show"), None, 1, "limits.player_stall"),
    ]
}

/// Does so until the server has enough of it.
async fn endure(address: SocketAddr, slow: &Slow) -> io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4096)?;
    let mut tcp = socket.connect(address).await?;
    tcp.write_all(&slow.first).await?;
    let mut buffer = vec![0; slow.reads];
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if let Some(byte) = slow.then {
            tcp.write_all(&[byte]).await?;
        }
        if slow.reads > 0 {
            match tokio::time::timeout(Duration::from_millis(1), tcp.read(&mut buffer)).await {
                Ok(Ok(0)) => return Ok(()),
                Ok(Err(error)) => return Err(error),
                _ => {}
            }
        } else if tcp.ready(tokio::io::Interest::ERROR).await.is_ok_and(|ready| ready.is_error()) {
            return Ok(());
        }
    }
}

#[tokio::test]
async fn each_slow_peer_ends_by_a_deadline_that_is_named() {
    for slow in all() {
        let serve = Serve::start(FILE, "").await;
        let show = match slow.limit {
            "limits.player_stall" => Some(Show::publish(&serve.url("live/show"), 20_000_000).await.unwrap()),
            _ => None,
        };
        let peer = endure(SocketAddr::from(([127, 0, 0, 1], serve.rtmp)), &slow);
        let words = [slow.limit];
        tokio::select! {
            line = serve.says(&words) => println!("{}: {line}", slow.name),
            _ = async { drop(peer.await); std::future::pending::<()>().await } => {}
        }
        drop(show);
        serve.end().await;
    }
}

#[tokio::test]
async fn a_stall_within_the_handshake_of_tls_is_one_of_the_handshake() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let (chain, key) = authority.pem(&["localhost"]);
    let files = [("cert.pem", chain), ("key.pem", key)].map(|(name, text)| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    });
    let port = outflow_testkit::free_port();
    let [cert, key] = &files;
    let flags = format!("--rtmps 127.0.0.1:{port} --tls-cert {cert} --tls-key {key}");
    let serve = Serve::start(FILE, &flags).await;
    serve.says(&["RTMPS"]).await;
    let mut tcp = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    tcp.write_all(b"\x16\x03\x01\x02\x00\x01\x00").await.unwrap();
    serve.says(&["limits.handshake", "TLS"]).await;
    let mut rest = Vec::new();
    let end = tokio::time::timeout(DEADLINE, tcp.read_to_end(&mut rest)).await;
    assert!(end.is_ok() && rest.is_empty());
    serve.end().await;
}
