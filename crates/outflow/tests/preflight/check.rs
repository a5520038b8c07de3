//! `outflow check`: the point that it is judged by, and what it says of platforms, ports, files and publishes.

use std::path::PathBuf;

use outflow_testkit::ingest::{Behaviour, Ingest, Setup, Silent};
use outflow_testkit::media::made_up;
use outflow_testkit::tls::Authority;
use outflow_testkit::{flv, free_port};

use crate::rig::{Found, run};

/// Keys that must not be seen.
const KEYS: [&str; 4] = ["k3y1expired", "k3y2unreach", "k3y3refused", "k3y4good"];

/// A file of so many frames, 25 a second, of 300 kb/s for each 1,500 bytes of a frame.
fn file(folder: &tempfile::TempDir, frames: u32, group: u32, size: usize) -> PathBuf {
    let path = folder.path().join("show.flv");
    std::fs::write(&path, flv::write(&made_up(frames, group, size))).unwrap();
    path
}

fn published(servers: &[&Ingest]) -> Vec<String> {
    let calls = ["releaseStream", "FCPublish", "createStream", "publish"];
    let made = servers.iter().flat_map(|server| server.state.look(|state| state.sessions.clone()));
    made.flat_map(|session| calls.into_iter().filter(|call| session.call(call).is_some()).collect::<Vec<_>>())
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn five_faults_are_named_with_their_mends_in_time_and_nothing_is_published() {
    let folder = tempfile::tempdir().unwrap();
    // 12,000 bytes a frame: 2.4 Mb/s; a key frame every 10 s.
    let file = file(&folder, 400, 250, 12_000);
    let authority = Authority::new();
    let ca = authority.path().display();
    let expired = Setup::new([Behaviour::Good]).tls(&authority.expired(&["localhost"])).start().await;
    let refusing =
        Ingest::start(Behaviour::RefuseConnect("NetConnection.Connect.InvalidApp", "no app for k3y3refused")).await;
    let good = Ingest::start(Behaviour::Good).await;
    let silent = Silent::new().await;
    let outputs = [
        format!("{}:gpac:ca={ca}:name=expired", expired.url(&format!("live/{}", KEYS[0]))),
        format!("{}:gpac:name=unreachable", silent.url(&format!("live/{}", KEYS[1]))),
        format!("{}:gpac:name=refused", refusing.url(&format!("live/{}", KEYS[2]))),
        format!("twitch:url={}:key={}", good.url("app"), KEYS[3]),
    ];
    let mut words = vec!["check", "--uplink=5M", "-i", file.to_str().unwrap()];
    words.extend(outputs.iter().flat_map(|output| ["-o", output.as_str()]));
    let begin = std::time::Instant::now();
    let found = run(&words, &KEYS).await;
    let took = begin.elapsed();

    assert_eq!(found.code, 1, "{}", found.text);
    assert!(took.as_secs() < 30, "it took {took:?}");
    found.is("expired", "tls", "fail", "expired", "has to renew");
    found.is("unreachable", "tcp", "fail", "no answer within 5 s", "firewall");
    found.is("refused", "rtmp", "fail", "InvalidApp", "copy the URL from the platform");
    found.is("twitch", "key frames", "fail", "every 10.0 s; Twitch wants 2 s", "key frame interval to 2 s");
    found.is("uplink", "bandwidth", "fail", "of 5.00 Mb/s", "lower the encoder");
    // What is right, and what nobody can know.
    found.is("twitch", "rtmp", "pass", "handshake in", "");
    found.is("twitch", "bitrate", "pass", "2.4", "");
    for name in ["expired", "unreachable", "refused", "twitch"] {
        found.is(name, "publish", "not_tested", "nothing was published", "--publish=");
    }
    found.is("show.flv", "video", "pass", "h264 Constrained Baseline 320x240", "");
    assert_eq!(published(&[&expired, &refusing, &good]), Vec::<String>::new());
}

#[tokio::test]
async fn a_publish_is_tried_where_it_is_asked_for_and_on_twitch_unseen() {
    let folder = tempfile::tempdir().unwrap();
    let file = file(&folder, 200, 50, 1500);
    let twitch = Ingest::start(Behaviour::Good).await;
    let refuses = Ingest::start(Behaviour::RefusePublish("NetStream.Publish.Denied")).await;
    let other = Ingest::start(Behaviour::Good).await;
    let hangs_up = Ingest::start(Behaviour::HangUpAfterYes).await;
    let outputs = [
        format!("twitch:url={}:key=k3yoftwitch", twitch.url("app")),
        format!("{}:gpac:name=no", refuses.url("live/k3yofno")),
        format!("{}:gpac:name=other", other.url("live/k3yofother")),
        format!("{}:gpac:name=hangsup", hangs_up.url("live/k3yofhangsup")),
    ];
    let mut words = vec!["check", "--publish=twitch,no,hangsup", "--uplink", "100M", "-i", file.to_str().unwrap()];
    words.extend(outputs.iter().flat_map(|output| ["-o", output.as_str()]));
    let found = run(&words, &["k3yoftwitch", "k3yofno", "k3yofother", "k3yofhangsup"]).await;
    assert_eq!(found.code, 1, "{}", found.text);
    found.is("twitch", "publish", "pass", "in a way that nobody sees if the platform has it; no media was sent", "");
    found.is("no", "publish", "fail", "Denied", "copy the key");
    found.is("hangsup", "publish", "fail", "said yes, and closed the connection without a word", "copy the key");
    found.is("other", "publish", "not_tested", "nothing was published", "on air");
    found.is("uplink", "bandwidth", "pass", "of 100.00 Mb/s", "");
    let name = twitch.state.look(|state| state.sessions.iter().find_map(|session| session.published.clone()));
    assert_eq!(name.as_deref(), Some("k3yoftwitch?bandwidthtest=true"));
    assert_eq!(published(&[&other]), Vec::<String>::new());
}

#[tokio::test]
async fn what_could_not_be_looked_at_never_passes() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, free) = (taken.local_addr().unwrap().port(), free_port());
    let input = format!("rtmp://127.0.0.1:{}/live/in:gpac:rtmp_listen=1:name=in", free_port());
    let players = format!("rtmp://127.0.0.1:{port}/live:gpac:rtmp_listen=1:name=taken");
    let more = format!("rtmp://127.0.0.1:{free}/live:gpac:rtmp_listen=1:name=free:latency=67");
    let good = Ingest::start(Behaviour::Good).await;
    let output = format!("{}:gpac:name=out", good.url("live/k3y"));
    let found = run(&["check", "-i", &input, "-o", &players, "-o", &more, "-o", &output], &["k3y"]).await;
    assert_eq!(found.code, 1, "{}", found.text);
    // What is hardly meant, with the place of the word as it was typed.
    let doubt = format!("outflow: warning: word 7 `{more}`: ");
    assert!(found.text.contains(&doubt) && found.text.contains("more than half of `max_lag`"), "{}", found.text);
    found.is("in", "input", "not_tested", "no media came", "let the encoder send");
    found.is("taken", "port", "fail", "another program has this port", "choose another");
    found.is("free", "port", "pass", "is free", "");
    found.is("out", "stream", "not_tested", "could not be looked at", "");
    found.is("uplink", "bandwidth", "not_tested", "1 more could not be looked at", "--uplink");
}

#[tokio::test]
async fn a_configuration_is_looked_at_with_its_pulls() {
    let folder = tempfile::tempdir().unwrap();
    let good = Ingest::start(Behaviour::Good).await;
    let source = Ingest::start(Behaviour::Good).await;
    let config = folder.path().join("outflow.toml");
    let text = format!(
        "[[stream]]\nname = \"live/pulled\"\npull = \"{}\"\n\n[[stream]]\nname = \"live/*\"\npublish_key = \"none\"\n\n\
         [[output]]\nname = \"to\"\nstream = \"live/pulled\"\nplatform = \"twitch\"\nurl = \"{}\"\nkey = \"k3yofto\"\n\n\
         [[output]]\nname = \"each\"\nstream = \"live/*\"\nurl = \"{}/${{name}}\"\nlatency = \"1min\"\n",
        source.url("a/b"),
        good.url("app"),
        good.url("live"),
    );
    std::fs::write(&config, text).unwrap();
    let sending = async {
        source.wait_for_players(1).await;
        for tag in made_up(200, 50, 3000) {
            source.send_tag(&tag);
            tokio::time::sleep(std::time::Duration::from_micros(500)).await;
        }
        std::future::pending::<()>().await;
    };
    let words = ["check", "--config", config.to_str().unwrap()];
    let found: Found = tokio::select! {
        found = run(&words, &["k3yofto"]) => found,
        () = sending => unreachable!(),
    };
    assert_eq!(found.code, 0, "{}", found.text);
    assert!(found.text.contains("warning: ") && found.text.contains("more than half of `max_lag`"), "{}", found.text);
    found.is("live/pulled", "video", "pass", "a key frame every 2.0 s", "");
    found.is("live/*", "input", "not_tested", "a publisher brings it", "outflow check -i");
    found.is("to", "key frames", "pass", "Twitch wants 2 s", "");
    found.is("each", "rtmp", "pass", "handshake", "");
    found.is("each", "stream", "not_tested", "could not be looked at", "");
    assert_eq!(published(&[&good, &source]).iter().filter(|call| *call == "publish").count(), 0);
}

#[tokio::test]
async fn many_outputs_are_looked_at_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = file(&folder, 200, 50, 1500);
    // Each is silent after the handshake: one after the other they would take minutes.
    let mute = Ingest::start(Behaviour::Mute(outflow_testkit::ingest::Stage::Handshake)).await;
    let outputs: Vec<String> =
        (0..30).map(|number| format!("{}:gpac:name=o{number}", mute.url(&format!("live/k3yofmany{number}")))).collect();
    let mut words = vec!["check", "-i", file.to_str().unwrap()];
    words.extend(outputs.iter().flat_map(|output| ["-o", output.as_str()]));
    let begin = std::time::Instant::now();
    let found = run(&words, &["k3yofmany"]).await;
    assert!(begin.elapsed().as_secs() < 30, "{:?}", begin.elapsed());
    assert_eq!((found.code, &found.json["fail"]), (1, &30.into()), "{}", found.text);
    found.is("o29", "rtmp", "fail", "has not answered `connect`", "an RTMP port");
}
