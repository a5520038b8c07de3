//! Adobe's login against the clients that everybody has: they get in with the right password only.

use std::net::SocketAddr;

use outflow_rtmp::auth::adobe::{Gate, Verdict, without_login};
use outflow_rtmp::session::{ServerConfig, ServerEvent, ServerSession};
use outflow_testkit::free_port;
use outflow_testkit::media::Clip;
use outflow_testkit::peers::{self, Found, GstSink, Peer};
use outflow_testkit::player::Player;
use outflow_testkit::proc::{Child, Command};
use outflow_testkit::wait::{DEADLINE, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::help::{folder, listening, outflow};

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

const PASSWORD: &str = "s3cret-w0rd";
/// The same with an escape, as a URL may have it.
const IN_URL: &str = "s3cret%2Dw0rd";

/// `outflow serve` where `me` may publish `live/*` and play `watched/*`.
struct Served {
    program: Child,
    address: String,
    _folder: tempfile::TempDir,
}

impl Served {
    async fn start() -> Self {
        let (port, folder) = (free_port(), folder());
        let file = folder.path().join("c.toml");
        let text = format!(
            "[listen]\nrtmp = \"127.0.0.1:{port}\"\nhttp = \"none\"\n[users]\nme = {{ env = \"PW\" }}\n\
             [[stream]]\nname = \"live/*\"\npublish_user = \"me\"\n\
             [[stream]]\nname = \"watched/*\"\nplay_user = \"me\"\n"
        );
        std::fs::write(&file, text).unwrap();
        let mut program = Command::new(env!("CARGO_BIN_EXE_outflow"))
            .arg("serve")
            .arg("--config")
            .arg(&file)
            .env("PW", PASSWORD)
            .start();
        listening(&[port], &mut program).await;
        Self { program, address: format!("127.0.0.1:{port}"), _folder: folder }
    }

    fn url(&self, login: &str, path: &str) -> String {
        format!("rtmp://{login}{}/{path}", self.address)
    }

    /// Waits until somebody publishes, and plays some of it.
    async fn plays(&self, path: &str) {
        let begin = std::time::Instant::now();
        let player = loop {
            match Player::connect(&self.url("", path)).await {
                Ok(player) => break player,
                Err(_) => assert!(begin.elapsed() < DEADLINE, "nobody publishes: {}", self.program.text()),
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        };
        player.received.wait_for("media", |received| (received.media_messages > 20).then_some(())).await;
    }

    /// Waits until this was said.
    async fn says(&self, what: &str) {
        until(what, || self.program.text().contains(what)).await;
    }

    async fn end(mut self) {
        let text = self.program.text();
        assert!(!text.contains(PASSWORD) && !text.contains("response="), "{text}");
        assert!(self.program.is_running(), "{text}");
        self.program.kill().await;
    }
}

/// A publisher gets in with the password, and with none other.
async fn publisher(peer: Peer, publish: impl Fn(&Found, &str, &str, &std::path::Path) -> Child) {
    let Some(found) = peers::find(peer) else { return };
    let (served, folder) = (Served::start().await, folder());
    let kept = folder.path().join("sent.flv");
    let mut child = publish(&found, &served.address, PASSWORD, &kept);
    served.plays("live/show").await;
    child.kill().await;
    assert!(!served.program.text().contains("is wrong"), "{}", served.program.text());
    let mut child = publish(&found, &served.address, "an0ther", &kept);
    served.says("the password for user me is wrong").await;
    child.kill().await;
    served.end().await;
    peer.ran();
}

fn url(address: &str, password: &str) -> String {
    format!("rtmp://me:{}@{address}/live/show", password.replace('-', "%2D"))
}

#[tokio::test]
async fn ffmpeg_publishes_to_serve() {
    let clip = Clip::small(20).file().await;
    // It sends what stands in the URL as it is, escapes included.
    publisher(Peer::Ffmpeg, |ffmpeg, address, password, _| {
        peers::ffmpeg_copy(ffmpeg, &clip, &format!("rtmp://me:{password}@{address}/live/show"))
    })
    .await;
}

#[tokio::test]
async fn ffmpeg9_publishes_to_serve() {
    let clip = Clip::small(20).file().await;
    publisher(Peer::Ffmpeg9, |ffmpeg, address, password, _| {
        peers::ffmpeg_copy(ffmpeg, &clip, &format!("rtmp://me:{password}@{address}/live/show"))
    })
    .await;
}

#[tokio::test]
async fn gstreamer_publishes_to_serve() {
    publisher(Peer::GstRtmp2Sink, |gst, address, password, kept| {
        peers::gst_publish(gst, GstSink::Rtmp2, 20, &url(address, password), kept)
    })
    .await;
}

/// With the librtmp that it brings along. Debian's own can log in nowhere: with GnuTLS it does not end the texts of its answer,
/// and overruns its memory.
#[tokio::test]
#[ignore = "needs a virtual screen: scripts/test-long"]
async fn obs_publishes_to_serve() {
    publisher(Peer::Obs, |obs, address, password, kept| {
        let (server, home) = (format!("rtmp://{address}/live"), kept.parent().unwrap());
        peers::obs_publish_as(obs, &server, "show", Some(("me", password)), home)
    })
    .await;
}

#[tokio::test]
async fn we_publish_and_play() {
    let served = Served::start().await;
    let to = |password: &str| format!("avgen c=avc c=aac -o {}", url(&served.address, password));
    let mut push = outflow(&to(PASSWORD)).start();
    served.plays("live/show").await;
    push.interrupt().await;
    let mut push = outflow(&to("an0ther")).start();
    served.says("the password for user me is wrong").await;
    until("the push to say so", || push.text().contains("does not take this user and password")).await;
    push.kill().await;
    // Nobody has to log in to publish what only some may watch.
    let mut push = outflow(&format!("avgen c=avc c=aac -o {}", served.url("", "watched/show"))).start();
    let folder = folder();
    let pull = |login: &str, out: &str| {
        outflow(&format!("-i {} -o {}", served.url(login, "watched/show"), folder.path().join(out).display())).start()
    };
    let mut good = pull(&format!("me:{IN_URL}@"), "good.flv");
    peers::wait_for_size(&folder.path().join("good.flv"), 20_000, &mut good).await;
    let mut bad = pull("", "bad.flv");
    until("the other to be refused", || bad.text().contains("user and password")).await;
    for child in [&mut good, &mut bad, &mut push] {
        child.kill().await;
    }
    served.end().await;
}

#[tokio::test]
async fn ffmpeg_plays_with_a_login() {
    let Some(ffmpeg) = peers::find(Peer::Ffmpeg) else { return };
    let (served, folder) = (Served::start().await, folder());
    let mut push = outflow(&format!("avgen c=avc c=aac -o {}", served.url("", "watched/show"))).start();
    served.says("a publisher from").await;
    let out = folder.path().join("out.flv");
    let url = served.url(&format!("me:{PASSWORD}@"), "watched/show");
    let mut child = peers::ffmpeg_play(&ffmpeg, &[&url], 3, &out);
    assert_eq!(child.wait_exit().await, 0, "{}", child.text());
    push.kill().await;
    served.end().await;
    Peer::Ffmpeg.ran();
}
