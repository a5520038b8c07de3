//! Players by HTTP-FLV: what they get, who is let in, and that a slow one is nobody's trouble but its own.

use std::time::Duration;

use outflow::config::{Api, Config, Hook, HookForm, Hooks, Network};
use outflow_testkit::flv::{self, Tag};
use outflow_testkit::http::{HttpServer, Reply};
use outflow_testkit::media::made_up;
use outflow_testkit::publisher::Publisher;
use outflow_testkit::wait::{DEADLINE, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::rig::{Rig, config};

/// Publishes made-up media until dropped: 25 frames a second, a key frame each second.
struct Show(tokio::task::JoinHandle<()>, Vec<Tag>);

impl Show {
    async fn on(rig: &Rig, name: &str) -> Self {
        let mut publisher = Publisher::connect(&format!("rtmp://{}/live/{name}", rig.rtmp.address)).await.unwrap();
        let tags = made_up(3_000, 25, 1000);
        let sent = tags.clone();
        let task = tokio::spawn(async move { drop(publisher.play(&sent, 0).await) });
        let id = format!("live/{name}");
        until("the stream is live", || rig.relay.stream(&id).is_some_and(|stream| stream.live)).await;
        Self(task, tags)
    }
}

impl Drop for Show {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A player: the request is sent, nothing is read yet.
async fn player(rig: &Rig, path: &str, headers: &str) -> TcpStream {
    let mut tcp = TcpStream::connect(rig.http.address).await.unwrap();
    // HTTP/1.0: the body comes without chunks.
    let request = format!("GET {path} HTTP/1.0\r\nHost: {}\r\n{headers}\r\n", rig.http.address);
    tcp.write_all(request.as_bytes()).await.unwrap();
    tcp
}

/// Reads until so many bytes of the body are there; gives head and body.
async fn read(tcp: &mut TcpStream, least: usize) -> (String, Vec<u8>) {
    let (mut all, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
    let reading = async {
        loop {
            let length = tcp.read(&mut buffer).await.unwrap();
            all.extend_from_slice(&buffer[..length]);
            if let Some(end) = all.windows(4).position(|four| four == b"\r\n\r\n")
                && (all.len() >= end + 4 + least || length == 0)
            {
                let body = all.split_off(end + 4);
                return (String::from_utf8(std::mem::take(&mut all)).unwrap().to_lowercase(), body);
            }
            assert!(length > 0, "it ended early: {:?}", String::from_utf8_lossy(&all));
        }
    };
    tokio::time::timeout(DEADLINE, reading).await.expect("the player is sent its bytes")
}

#[tokio::test]
async fn a_player_is_sent_the_stream_from_a_key_frame_on_and_is_among_the_players() {
    let rig = Rig::start(config());
    let show = Show::on(&rig, "cam").await;
    let mut tcp = player(&rig, "/live/live/cam.flv", "").await;
    let (head, body) = read(&mut tcp, 60_000).await;
    assert!(head.contains("200 ok") && head.contains("content-type: video/x-flv"), "{head}");
    assert!(!head.contains("access-control"), "{head}");
    let figures = rig.get("/metrics").await.body;
    assert!(figures.contains("\noutflow_connections_half_open 0\n"), "it has said what it wants: {figures}");
    let tags = flv::read(&body).unwrap();
    let frame = |tag: &&Tag| tag.is_frame();
    let first = tags.iter().find(frame).unwrap();
    let sent = show.1.iter().position(|tag| tag.body == first.body).expect("a frame that was sent");
    assert!(first.is_key_frame() && first.time == 0, "{first:?}");
    let came: Vec<&[u8]> = tags.iter().filter(frame).map(|tag| &tag.body[..]).collect();
    let was: Vec<&[u8]> = show.1[sent..].iter().filter(frame).map(|tag| &tag.body[..]).take(came.len()).collect();
    assert_eq!(came, was, "byte for byte");
    let players = rig.relay.players();
    assert_eq!((players.len(), players[0].stream.as_str()), (1, "live/cam"));
    assert_eq!(players[0].peer, tcp.local_addr().unwrap().to_string());
    assert!(players[0].bytes >= 60_000 && players[0].skips == 0, "{players:?}");
    // It is let go as any other.
    assert_eq!(rig.delete(&format!("/v1/players/{}", players[0].id)).await.status, 204);
    let mut rest = Vec::new();
    tokio::time::timeout(DEADLINE, tcp.read_to_end(&mut rest)).await.expect("it is let go").unwrap();
    until("it has left", || rig.relay.players().is_empty()).await;
    // Who goes by itself has left too.
    let mut tcp = player(&rig, "/live/live/cam.flv", "").await;
    read(&mut tcp, 1000).await;
    assert_eq!(rig.relay.players().len(), 1);
    drop(tcp);
    until("it has left", || rig.relay.players().is_empty()).await;
}

#[tokio::test]
async fn who_may_not_play_by_rtmp_may_not_by_http() {
    let mut config = config();
    config.streams[0].play_tokens = vec!["t0ken".into()];
    let rig = Rig::start(Config { api: Api { token: Some("s3cret".into()), hosts: Vec::new() }, ..config.clone() });
    let _show = Show::on(&rig, "cam").await;
    for path in ["/live/live/cam.flv", "/live/live/cam.flv?token=x", "/live/live/cam.flv?token=s3cret"] {
        let answer = rig.get(path).await;
        assert_eq!((answer.status, answer.code().as_str()), (403, "play_refused"), "{path}");
    }
    for path in
        ["/live/live/nothing.flv?token=t0ken", "/live/live/cam", "/live/other/cam.flv?token=t0ken", "/live/.flv"]
    {
        assert_eq!(rig.get(path).await.status, 404, "{path}");
    }
    let mut tcp = player(&rig, "/live/live/cam.flv?token=t0ken", "").await;
    assert!(read(&mut tcp, 1000).await.0.contains("200 ok"));
    // A preview shows the API's token and none of the stream.
    let preview = "Outflow-Preview: 1\r\n";
    assert_eq!(rig.ask("GET /live/live/cam.flv?token=t0ken", preview, "").await.code(), "unauthorized");
    let mut tcp = player(&rig, "/live/live/cam.flv", &format!("{preview}Authorization: Bearer s3cret\r\n")).await;
    assert!(read(&mut tcp, 1000).await.0.contains("200 ok"));
    // Pages of other origins get nothing.
    let evil = "Origin: https://evil.example\r\n";
    assert_eq!(rig.ask("GET /live/live/cam.flv?token=t0ken", evil, "").await.code(), "forbidden_origin");

    config.streams[0].play_tokens.clear();
    config.streams[0].play_from = vec![Network { ip: [192, 0, 2, 0].into(), bits: 24 }];
    let rig = Rig::start(config);
    let _show = Show::on(&rig, "cam").await;
    assert_eq!(rig.get("/live/live/cam.flv").await.code(), "play_refused");
}

/// Reads until so many bytes are there.
async fn take(tcp: &mut TcpStream, all: &mut Vec<u8>, least: usize) {
    let mut buffer = vec![0; 256 << 10];
    while all.len() < least {
        let length = tcp.read(&mut buffer).await.unwrap();
        assert!(length > 0, "it is cut off");
        all.extend_from_slice(&buffer[..length]);
    }
}

/// For each place where frames are missing, whether it goes on with a key frame.
fn gaps(answer: &[u8]) -> Vec<bool> {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return Vec::new() };
    let tags = flv::read(&answer[end + 4..]).unwrap();
    let frames: Vec<&Tag> = tags.iter().filter(|tag| tag.kind == 9 && tag.is_frame()).collect();
    frames.windows(2).filter(|two| two[1].time - two[0].time > 40).map(|two| two[1].is_key_frame()).collect()
}

#[tokio::test]
async fn hooks_are_asked_and_told_and_the_end_of_the_stream_is_the_players_end() {
    let outside = HttpServer::start(Reply::Status(200, "0".into())).await;
    let hook = |path: &str| {
        let (url, timeout) = (outside.url(path).as_str().into(), Duration::from_secs(5));
        Some(Hook { url, form: HookForm::Srs, timeout, retries: 0, allow_on_failure: false })
    };
    let hooks = Hooks { on_play: hook("/play"), on_done: hook("/done"), ..Hooks::default() };
    let rig = Rig::start(Config { hooks, ..config() });
    let mut publisher = Publisher::connect(&format!("rtmp://{}/live/cam", rig.rtmp.address)).await.unwrap();
    publisher.play(&made_up(50, 25, 1000), 0).await.unwrap();
    until("the stream is live", || rig.relay.stream("live/cam").is_some_and(|stream| stream.live)).await;

    outside.reply(Reply::Status(403, String::new()));
    assert_eq!(rig.get("/live/live/cam.flv?token=x").await.code(), "play_refused");
    // Who previews is no viewer: the operator sees what is there, hook or no hook.
    let mut preview = player(&rig, "/live/live/cam.flv", "Outflow-Preview: 1\r\n").await;
    assert!(read(&mut preview, 1000).await.0.contains("200 ok"));
    outside.reply(Reply::Status(200, "0".into()));
    let mut tcp = player(&rig, "/live/live/cam.flv?viewer=7", "User-Agent: tv/1\r\n").await;
    read(&mut tcp, 1000).await;
    let asked = |line: &str| {
        outside.requests.look(|all| all.iter().filter(|it| it.line.contains(line)).map(|it| it.body.clone()).collect())
    };
    let plays: Vec<String> = asked("/play");
    assert_eq!(plays.len(), 2, "{plays:?}");
    assert!(plays[1].contains("viewer=7") && plays[1].contains("\"stream\":\"cam\""), "{plays:?}");
    publisher.finish().await.unwrap();
    for tcp in [&mut tcp, &mut preview] {
        tokio::time::timeout(DEADLINE, tcp.read_to_end(&mut Vec::new())).await.expect("its end").unwrap();
    }
    until("the hook is told", || {
        let done: Vec<String> = asked("/done");
        done.iter().any(|body| body.contains("viewer=7"))
    })
    .await;
    assert!(rig.relay.players().is_empty());
}

#[tokio::test]
async fn a_player_that_takes_nothing_skips_and_the_others_miss_nothing() {
    let mut config = config();
    let second = outflow::options::Value::Duration(Duration::from_secs(1));
    config.streams[0].players.push(("max_lag", second));
    let rig = Rig::start(config);
    // 20 Mb/s, so that no kernel holds what is not read.
    let mut publisher = Publisher::connect(&format!("rtmp://{}/live/cam", rig.rtmp.address)).await.unwrap();
    let tags = made_up(600, 25, 100_000);
    let task = tokio::spawn(async move { drop(publisher.play(&tags, 0).await) });
    until("the stream is live", || rig.relay.stream("live/cam").is_some_and(|stream| stream.live)).await;
    let mut events = player(&rig, "/v1/events", "").await;
    let mut stuck = player(&rig, "/live/live/cam.flv", "").await;
    stuck.readable().await.unwrap();
    let mut good = player(&rig, "/live/live/cam.flv", "").await;
    let mut body = Vec::new();
    // 10 s, of which kernels hold 4 at most.
    tokio::time::timeout(DEADLINE, take(&mut good, &mut body, 25_000_000)).await.expect("the good one is sent all");
    assert!(gaps(&body).is_empty(), "the good one has every frame");
    // Each has figures of its own.
    let (stuck_is, good_is) = (stuck.local_addr().unwrap().to_string(), good.local_addr().unwrap().to_string());
    let player = |peer: &str| rig.relay.players().into_iter().find(|player| player.peer == peer).unwrap();
    until("the stuck one is seen to be behind", || player(&stuck_is).lag_ms > 1000).await;
    assert!(player(&good_is).bytes >= 25_000_000 && player(&good_is).bytes > player(&stuck_is).bytes);
    // Once it reads again, it goes on at a later key frame.
    let mut late = Vec::new();
    let reading = async {
        while gaps(&late).is_empty() {
            let more = late.len() + 2_000_000;
            take(&mut stuck, &mut late, more).await;
        }
    };
    tokio::time::timeout(DEADLINE, reading).await.expect("it goes on");
    let gaps = gaps(&late);
    assert!(player(&stuck_is).skips > 0);
    assert!(!gaps.is_empty() && gaps.iter().all(|key| *key), "a skip ends at a key frame: {gaps:?}");
    // It was told, of whom it concerns and of nobody else.
    let (mut said, mut buffer) = (String::new(), vec![0; 4096]);
    let telling = async {
        while !said.contains("event: skipped") || !said.ends_with("\n\n") {
            let length = events.read(&mut buffer).await.unwrap();
            said.push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
    };
    tokio::time::timeout(DEADLINE, telling).await.expect("the skip is told");
    let whom = format!("\"peer\":\"{}\"", stuck.local_addr().unwrap());
    let lines: Vec<&str> = said.lines().filter(|line| line.contains("\"event\":\"skipped\"")).collect();
    assert!(lines.iter().all(|line| line.contains(&whom)), "only the stuck one skips: {lines:?}");
    task.abort();
}
