//! Secure tokens: rtmpdump and we give the same answer to the same server.

use bytes::BytesMut;
use outflow_rtmp::chunk::encode_full;
use outflow_rtmp::message::kind;
use outflow_rtmp::session::{ServerConfig, ServerEvent, ServerSession};
use outflow_testkit::media::made_up;
use outflow_testkit::peers::{self, Peer};
use outflow_testkit::proc::Command;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::help::{folder, outflow, read};

const SECRET: &str = "#ed%0#w@1";
/// What [`PLAIN`] is, encrypted with the secret.
const CHALLENGE: &str = "f47e44c05b3241038bd334d1";
const PLAIN: &[u8] = b"1487352642\0\0";

/// Asks for a secure token, and plays to whoever gives it; the URL.
async fn asking() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let properties = vec![("secureToken".to_owned(), CHALLENGE.into())];
            let mut session = ServerSession::new(ServerConfig { properties, ..ServerConfig::new([7; 1528]) });
            let (mut heard, mut buffer) = (Vec::new(), [0; 8192]);
            while let Ok(length @ 1..) = tcp.read(&mut buffer).await {
                heard.extend_from_slice(&buffer[..length]);
                session.receive(&buffer[..length]).unwrap();
                let mut media = BytesMut::new();
                while let Some(event) = session.next_event() {
                    match event {
                        ServerEvent::Connect(_) => session.accept_connect().unwrap(),
                        ServerEvent::Play(request) => {
                            let said = |words: &[u8]| heard.windows(words.len()).any(|part| part == words);
                            if said(b"secureTokenResponse") && said(PLAIN) {
                                assert!(session.accept_play(request.stream_id));
                                for tag in made_up(50, 10, 200) {
                                    let csid = if tag.kind == kind::VIDEO { 6 } else { 4 };
                                    let time = tag.time;
                                    encode_full(&mut media, csid, tag.kind, 1, time, &tag.body, 4096).unwrap();
                                }
                            } else {
                                let code = "NetStream.Play.Failed";
                                assert!(session.refuse_play(request.stream_id, code, "the token is wrong"));
                            }
                        }
                        _ => {}
                    }
                }
                let said = session.take_output();
                if tcp.write_all(&said).await.is_err() || tcp.write_all(&media).await.is_err() {
                    break;
                }
            }
        }
    });
    format!("rtmp://{address}/live/name")
}

#[tokio::test]
async fn rtmpdump_gives_the_answer_that_we_expect() {
    let Some(rtmpdump) = peers::find(Peer::Rtmpdump) else { return };
    let (url, folder) = (asking().await, folder());
    let out = folder.path().join("out.flv");
    let play = |secret: &str| {
        let command = Command::new(&rtmpdump.path).line("--live --quiet -r").arg(&url).arg("--token").arg(secret);
        command.arg("-o").arg(&out).start()
    };
    let mut child = play(SECRET);
    peers::wait_for_size(&out, 5000, &mut child).await;
    child.kill().await;
    std::fs::remove_file(&out).unwrap();
    let mut child = play("another");
    child.wait_exit().await;
    assert!(std::fs::metadata(&out).map_or(0, |file| file.len()) < 1000, "the server knows its token");
    Peer::Rtmpdump.ran();
}

#[tokio::test]
async fn a_pull_gives_it_too() {
    let (url, folder) = (asking().await, folder());
    let out = folder.path().join("out.flv");
    let words = |more: &str| format!("-i {url}:gpac:retries=1{more} -o {}", out.display());
    // A `#` may stand in an option, and a secret is best not typed.
    let mut program = outflow(&words(":rtmp_token=env@TOKEN")).env("TOKEN", SECRET).start();
    peers::wait_for_size(&out, 5000, &mut program).await;
    program.interrupt().await;
    assert!(!read(&out).is_empty());
    assert!(!program.text().contains(SECRET) && !program.text().contains("asks for a secure token"));
    std::fs::remove_file(&out).unwrap();
    for (more, env) in [("", ""), (":rtmp_token=env@TOKEN", "another")] {
        let mut program = outflow(&words(more)).env("TOKEN", env).start();
        assert_ne!(program.wait_exit().await, 0, "{}", program.text());
        let asked = program.text().contains("give it as rtmp_token=SECRET");
        assert_eq!(asked, more.is_empty(), "{}", program.text());
        assert!(program.text().contains("the token is wrong"), "{}", program.text());
    }
}
