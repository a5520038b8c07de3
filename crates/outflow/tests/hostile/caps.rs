//! Caps: half-open connections, the bitrate of a publisher, what all streams keep, and the limits of the protocol, in the file
//! and as words, with a reload.

use outflow_testkit::media::AVC_HEADER;
use outflow_testkit::proc::Command;
use outflow_testkit::publisher::Publisher;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::rig::Serve;

const OPEN: &str = "[[stream]]\nname = \"live/*\"\npublish_key = \"none\"\n";

#[tokio::test]
async fn half_open_connections_are_capped_and_others_are_not() {
    let serve = Serve::start(&format!("[limits]\nhalf_open_per_address = 3\n{OPEN}"), "").await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(TcpStream::connect(("127.0.0.1", serve.rtmp)).await.unwrap());
    }
    let mut fourth = TcpStream::connect(("127.0.0.1", serve.rtmp)).await.unwrap();
    assert_eq!(fourth.read(&mut [0; 16]).await.unwrap_or(0), 0, "closed at once");
    serve.says(&["limits.half_open_per_address", "127.0.0.1"]).await;
    assert_eq!(serve.figure("outflow_connections_half_open").await, 3.0);
    // One leaves; who has said what it wants counts no more.
    held.pop();
    while serve.figure("outflow_connections_half_open").await > 2.0 {}
    let _one = Publisher::connect(&serve.url("live/a")).await.unwrap();
    let _other = Publisher::connect(&serve.url("live/b")).await.unwrap();
    assert_eq!(serve.figure("outflow_connections ").await, 4.0);
    serve.end().await;
}

#[tokio::test]
async fn a_publisher_over_its_bitrate_is_told_and_let_go() {
    let serve = Serve::start(&format!("[limits]\ningest_bitrate = \"1m\"\n{OPEN}"), "").await;
    // Ten seconds' worth at once is no offence.
    let mut modest = Publisher::connect(&serve.url("live/modest")).await.unwrap();
    modest.send(9, 0, vec![0x17; 1_000_000]).await.unwrap();
    let mut greedy = Publisher::connect(&serve.url("live/greedy")).await.unwrap();
    for step in 0..40 {
        if greedy.send(9, step * 40, vec![0x17; 100_000]).await.is_err() {
            break;
        }
    }
    let end =
        greedy.replies.wait_for("the end", |replies| replies.end.as_ref().map(|_| replies.commands.clone())).await;
    assert_eq!(end.last().map(String::as_str), Some("onStatus"), "it is told before the end: {end:?}");
    serve.says(&["input_ended", "live/greedy", "limits.ingest_bitrate", "\"limit\""]).await;
    assert!(modest.replies.look(|replies| replies.end.is_none()));
    serve.end().await;
}

#[tokio::test]
async fn what_all_streams_keep_is_capped_whatever_they_send() {
    let serve = Serve::start(&format!("[limits]\nprocess_bytes = \"8m\"\n{OPEN}"), "").await;
    let mut publishers = Vec::new();
    for name in ["a", "b", "c", "d"] {
        publishers.push(Publisher::connect(&serve.url(&format!("live/{name}"))).await.unwrap());
    }
    for step in 0..50 {
        for publisher in &mut publishers {
            // One endless group of pictures, which a ring keeps whole unless it may not.
            let body = [&[if step == 0 { 0x17 } else { 0x27 }, 1, 0, 0, 0][..], &vec![step as u8; 200_000]].concat();
            publisher.send(9, step * 40, body).await.unwrap();
            publisher.send(8, step * 40, &b"\xaf\x01\x07"[..]).await.unwrap();
        }
    }
    let read = async { while serve.figure("outflow_input_bytes_total{stream=\"live/d\"}").await < 10e6 {} };
    tokio::time::timeout(outflow_testkit::wait::DEADLINE, read).await.unwrap();
    assert_eq!(serve.figure("outflow_ring_limit_bytes").await, 8e6);
    let held = serve.figure("outflow_ring_bytes").await;
    assert!((4e6..=9e6).contains(&held), "{held}");
    let one = serve.figure("outflow_input_ring_bytes{stream=\"live/a\"}").await;
    assert!((1e6..=3e6).contains(&one), "a quarter or so: {one}");
    serve.end().await;
}

/// A message of so many bytes; whether the publisher is still there after it.
async fn takes(publisher: &mut Publisher, bytes: usize) -> bool {
    let _ = publisher.send(9, 0, AVC_HEADER).await;
    let _ = publisher.send(9, 0, vec![0x17; bytes]).await;
    // What comes after it is read after it.
    for _ in 0..20 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        if publisher.replies.look(|replies| replies.end.is_some()) {
            return false;
        }
    }
    true
}

#[tokio::test]
async fn a_reload_puts_limits_of_the_protocol_in_force_for_connections_to_come() {
    let serve = Serve::start(OPEN, "").await;
    let mut old = Publisher::connect(&serve.url("live/old")).await.unwrap();
    assert!(takes(&mut old, 200_000).await);
    serve.reload(&format!("[limits.rtmp]\nmedia_message = \"100k\"\n{OPEN}")).await;
    let mut new = Publisher::connect(&serve.url("live/new")).await.unwrap();
    assert!(takes(&mut new, 90_000).await && !takes(&mut new, 200_000).await);
    serve.says(&["live/new", "more than the limit of 100000"]).await;
    assert!(takes(&mut old, 200_000).await, "it came before");
    serve.end().await;
}

#[tokio::test]
async fn words_set_limits_for_a_graph() {
    let outflow = || Command::new(env!("CARGO_BIN_EXE_outflow"));
    let port = outflow_testkit::free_port();
    let input = format!("rtmp://127.0.0.1:{port}/live/in:gpac:rtmp_listen=1");
    let graph = outflow().args(["-limits=media_message=100k,handshake=300ms", "-i", &input, "-o", "null"]).start();
    graph.wait_for_line("listening").await;
    let mut publisher = Publisher::connect(&format!("rtmp://127.0.0.1:{port}/live/in")).await.unwrap();
    assert!(takes(&mut publisher, 90_000).await && !takes(&mut publisher, 200_000).await);
    graph.wait_for_line("more than the limit of 100000").await;
    let _mute = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    graph.wait_for_line("limits.handshake").await;
    drop(graph);

    let mut wrong = outflow().args(["-limits=amf_dept=3", "-i", &input, "-o", "null"]).start();
    assert_eq!(wrong.wait_exit().await, 2);
    assert!(wrong.text().contains("did you mean `amf_depth`?"), "{}", wrong.text());
}
