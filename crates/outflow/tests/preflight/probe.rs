//! `outflow probe URL`, stage by stage.

use outflow_testkit::ingest::{Behaviour, Ingest, Refusing, Setup};
use outflow_testkit::media::made_up;
use outflow_testkit::tls::Authority;

use crate::rig::run;

const KEY: &str = "k3yofprobe";

#[tokio::test]
async fn a_server_that_is_right_passes_and_is_told_no_name() {
    let authority = Authority::new();
    let server = Setup::new([Behaviour::Good]).tls(&authority.identity(&["localhost"])).start().await;
    let url = format!("{}:gpac:ca={}", server.url(&format!("live/{KEY}")), authority.path().display());
    let found = run(&["probe", &url], &[KEY]).await;
    assert_eq!(found.code, 0, "{}", found.text);
    assert_eq!(found.json["fail"], 0);
    found.is("localhost", "name", "pass", "127.0.0.1", "");
    assert!(found.lines("localhost", "tcp").iter().any(|line| line.0 == "pass"), "{}", found.text);
    found.is("localhost", "tls", "pass", "certificate for localhost, expires in", "");
    found.is("localhost", "rtmp", "pass", "handshake in", "");
    found.is("localhost", "media", "not_tested", "nothing was played", "--play");
    server.wait_for("the connections are closed", |state| state.open == 0).await;
    server.state.look(|state| {
        for session in &state.sessions {
            for call in ["releaseStream", "FCPublish", "createStream", "publish", "play"] {
                assert!(session.call(call).is_none(), "{call} was sent");
            }
        }
    });
}

#[tokio::test]
async fn each_failure_has_its_stage_and_its_mend_and_what_follows_is_not_tested() {
    let authority = Authority::new();
    let ca = authority.path().display();
    let expired = Setup::new([Behaviour::Good]).tls(&authority.expired(&["localhost"])).start().await;
    let found = run(&["probe", &format!("{}:gpac:ca={ca}", expired.url("live/k3y0"))], &["k3y0"]).await;
    assert_eq!(found.code, 1);
    found.is("localhost", "tls", "fail", "expired", "has to renew");
    found.is("localhost", "rtmp", "not_tested", "no TLS session", "");

    let other = Setup::new([Behaviour::Good]).tls(&authority.identity(&["other.example"])).start().await;
    let found = run(&["probe", &format!("{}:gpac:ca={ca}", other.url("live"))], &[]).await;
    found.is("localhost", "tls", "fail", "other.example", "names in the URL");
    let found = run(&["probe", &other.url("live")], &[]).await;
    found.is("localhost", "tls", "fail", "not signed by anybody", "ca=FILE");

    let refusing = Refusing::new();
    let found = run(&["probe", &refusing.url("live/k3y0")], &["k3y0"]).await;
    found.is("127.0.0.1", "tcp", "fail", "refused", "is the port right");
    found.is("127.0.0.1", "rtmp", "not_tested", "no address answers", "");

    let found = run(&["probe", "rtmp://nowhere.invalid/live/k3y0"], &["k3y0"]).await;
    found.is("nowhere.invalid", "name", "fail", "nowhere.invalid", "spelt");

    let refuses =
        Ingest::start(Behaviour::RefuseConnect("NetConnection.Connect.InvalidApp", "no such app for k3y0aa")).await;
    let found = run(&["probe", &refuses.url("live/k3y0aa")], &["k3y0aa"]).await;
    assert_eq!(found.code, 1);
    found.is("127.0.0.1", "rtmp", "fail", "InvalidApp", "the app");

    let plain = Ingest::start(Behaviour::Good).await;
    let found = run(&["probe", &plain.url("live").replace("rtmp://", "rtmps://")], &[]).await;
    found.is("127.0.0.1", "tls", "fail", "TLS", "rtmp://");
}

#[tokio::test]
async fn what_plays_is_looked_at_when_asked_for() {
    let server = Ingest::start(Behaviour::Good).await;
    let url = server.url("live/show");
    let sending = async {
        server.wait_for_players(1).await;
        // Faster than real time: it is media time that is measured.
        for tag in made_up(200, 50, 4000) {
            server.send_tag(&tag);
            if tag.time % 400 == 0 {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        }
        std::future::pending::<()>().await;
    };
    let words = ["probe", "--play", url.as_str()];
    let found = tokio::select! {
        found = run(&words, &[]) => found,
        () = sending => unreachable!(),
    };
    assert_eq!(found.code, 0, "{}", found.text);
    found.is(
        "127.0.0.1",
        "video",
        "pass",
        "h264 Constrained Baseline 320x240, 25 fps, 800 kb/s, a key frame every 2.0 s",
        "",
    );
    found.is("127.0.0.1", "audio", "pass", "aac 44100 Hz 2 ch", "");

    let empty = Ingest::start(Behaviour::RefusePlay("NetStream.Play.StreamNotFound")).await;
    let found = run(&["probe", "--play", &empty.url("live/show")], &[]).await;
    assert_eq!(found.code, 1);
    found.is("127.0.0.1", "media", "fail", "no such stream", "is anybody publishing");
}
