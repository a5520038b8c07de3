//! Adobe's login of `crates/rtmp` against the clients that everybody has: they get in with the right password only.

use std::net::SocketAddr;

use outflow_rtmp::auth::adobe::{Gate, Verdict, without_login};
use outflow_rtmp::session::{ServerConfig, ServerEvent, ServerSession};
use outflow_testkit::media::Clip;
use outflow_testkit::peers::{self, GstSink, Peer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// What the server has seen: connects that were refused, wrong proofs, and messages of publishers who got in.
#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    refused: u32,
    failed: u32,
    media: u32,
}

/// A server that lets in `user` with `pass`.
async fn guarded() -> (SocketAddr, watch::Receiver<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (see, seen) = watch::channel(Seen::default());
    tokio::spawn(async move {
        let gate = Gate::new([7; 32]);
        for round in 0.. {
            let (mut tcp, _) = listener.accept().await.unwrap();
            let mut session = ServerSession::new(ServerConfig::new([7; 1528]));
            let mut buffer = [0; 8192];
            while let Ok(length @ 1..) = tcp.read(&mut buffer).await {
                session.receive(&buffer[..length]).unwrap();
                while let Some(event) = session.next_event() {
                    match event {
                        ServerEvent::Connect(request) => {
                            assert_eq!(without_login(&request.app), "live");
                            let password = |user: &str| (user == "user").then(|| "pass".into());
                            match gate.judge(&request.app, &request.tc_url, 100 + round, round, password) {
                                Verdict::Accept { .. } => session.accept_connect().unwrap(),
                                Verdict::Refuse { description, wrong } => {
                                    session.reject_connect("NetConnection.Connect.Rejected", &description).unwrap();
                                    see.send_modify(|seen| {
                                        seen.refused += 1;
                                        seen.failed += u32::from(wrong.is_some());
                                    });
                                }
                            }
                        }
                        ServerEvent::Publish(request) => assert!(session.accept_publish(request.stream_id)),
                        ServerEvent::Media(_) => see.send_modify(|seen| seen.media += 1),
                        _ => {}
                    }
                }
                if tcp.write_all(&session.take_output()).await.is_err() {
                    break;
                }
            }
        }
    });
    (address, seen)
}

#[tokio::test]
async fn ffmpeg_logs_in_with_the_right_password_only() {
    let Some(ffmpeg) = peers::find(Peer::Ffmpeg) else { return };
    let clip = Clip::small(8).file().await;
    let (address, mut seen) = guarded().await;
    let mut child = peers::ffmpeg_copy(&ffmpeg, &clip, &format!("rtmp://user:pass@{address}/live/key"));
    let now = *seen.wait_for(|seen| seen.media > 10).await.unwrap();
    assert_eq!((now.refused, now.failed), (2, 0), "asked for the user, then for the proof");
    child.kill().await;
    let (address, mut seen) = guarded().await;
    let mut child = peers::ffmpeg_copy(&ffmpeg, &clip, &format!("rtmp://user:Pass@{address}/live/key"));
    let now = *seen.wait_for(|seen| seen.failed > 0).await.unwrap();
    assert_eq!((now.refused, now.media), (3, 0));
    child.kill().await;
    Peer::Ffmpeg.ran();
}

/// The one client that asks for the brackets in what the server says.
#[tokio::test]
async fn gstreamer_logs_in() {
    let Some(gst) = peers::find(Peer::GstRtmp2Sink) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (address, mut seen) = guarded().await;
    let url = format!("rtmp://user:pass@{address}/live/key");
    let mut child = peers::gst_publish(&gst, GstSink::Rtmp2, 20, &url, &folder.path().join("sent.flv"));
    let now = *seen.wait_for(|seen| seen.media > 10).await.unwrap();
    assert_eq!((now.refused, now.failed), (2, 0));
    child.kill().await;
    Peer::GstRtmp2Sink.ran();
}
