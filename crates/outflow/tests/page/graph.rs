//! `-http` of a graph: the same figures, events and page as of `serve`, to look at and not to change.

use std::process::Stdio;

use outflow_testkit::free_port;
use outflow_testkit::ingest::{Behaviour, Setup};
use outflow_testkit::peers::Peer;
use outflow_testkit::player::Player;
use outflow_testkit::proc::{Child, Command};
use outflow_testkit::wait::DEADLINE;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{OUTFLOW, TOKEN, asked, browser};

/// The status and the body of an answer.
async fn ask(port: u16, line: &str, headers: &str) -> (u16, String) {
    let mut tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    tcp.write_all(format!("{line} HTTP/1.0\r\nHost: 127.0.0.1\r\n{headers}\r\n").as_bytes()).await.unwrap();
    let mut text = String::new();
    tokio::time::timeout(DEADLINE, tcp.read_to_string(&mut text)).await.expect("an answer").unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

async fn json(port: u16, path: &str) -> Value {
    let (status, body) = ask(port, &format!("GET {path}"), "").await;
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

/// The port that the program says it has.
async fn port_of(program: &Child) -> u16 {
    let line = program.wait_for_line("\"serves\":\"API\"").await;
    let told: Value = serde_json::from_str(&line).unwrap();
    told["address"].as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap()
}

/// Waits until the outputs are as they should be; gives them.
async fn outputs(port: u16, what: &str, fits: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let begin = std::time::Instant::now();
    loop {
        let found = json(port, "/v1/outputs").await.as_array().unwrap().clone();
        if fits(&found) {
            return found;
        }
        assert!(begin.elapsed() < DEADLINE, "waited until {what}: {found:#?}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_graph_is_looked_at_like_a_relay() {
    let folder = tempfile::tempdir().unwrap();
    let server = Setup::new([Behaviour::Good]).without_bodies().start().await;
    let listens = free_port();
    let program = Command::new(OUTFLOW)
        .line("-json -http=127.0.0.1:0 avgen:sizes=320x180:rates=300k c=avc c=aac -o")
        .arg(format!("{}:gpac:name=pushed", server.url("live/s3cretkey")))
        .arg("-o")
        .arg(format!("rtmp://127.0.0.1:{listens}/live/all:gpac:rtmp_listen=1:name=served"))
        .start();
    let port = port_of(&program).await;
    outputs(port, "its port is open", |all| all.iter().any(|it| it["name"] == "served" && it["state"] == "live")).await;
    let player = Player::connect(&format!("rtmp://127.0.0.1:{listens}/live/all")).await.unwrap();
    let told = outputs(port, "both send", |all| {
        all.len() == 2 && all.iter().all(|it| it["state"] == "live" && it["bitrate_bps"].as_u64() > Some(50_000))
    });
    let told = told.await;
    assert_eq!(
        (&told[0]["name"], &told[0]["stream"], &told[0]["origin"]),
        (&json!("pushed"), &json!("avgen"), &json!("words"))
    );
    assert_eq!((&told[0]["players"], &told[1]["players"]), (&Value::Null, &json!(1)));
    let streams = json(port, "/v1/streams").await;
    let stream = &streams[0];
    assert_eq!((&stream["id"], &stream["live"], &stream["players"]), (&json!("avgen"), &json!(true), &json!(1)));
    assert_eq!(stream["outputs"], json!(["pushed", "served"]));
    assert_eq!(stream["video"]["width"], 320);
    assert_eq!(json(port, "/v1/outputs/pushed").await["protocol"], "rtmp");
    assert_eq!(json(port, "/v1/session").await, json!({ "required": false, "valid": true, "read_only": true }));
    drop(player);

    // Nothing can be changed, and no key is shown anywhere.
    for line in ["POST /v1/outputs/pushed/stop", "DELETE /v1/outputs/pushed", "POST /v1/reload"] {
        let (status, body) = ask(port, line, "").await;
        assert!(status == 409 && body.contains("\"read_only\""), "{line}: {status} {body}");
    }
    assert_eq!(ask(port, "GET /live/avgen.flv", "").await.0, 404);
    assert_eq!(ask(port, "GET /v1/outputs", "Origin: https://evil.example\r\n").await.0, 403);
    let (_, figures) = ask(port, "GET /metrics", "").await;
    assert!(
        figures.contains("outflow_output_bytes_total{stream=\"avgen\",output=\"pushed\",protocol=\"rtmp\"}"),
        "{figures}"
    );
    assert!(!figures.contains("s3cretkey") && !json(port, "/v1/outputs").await.to_string().contains("s3cretkey"));
    promtool(&figures).await;

    // What happened before is told to who comes late.
    let mut events = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    events.write_all(b"GET /v1/events?recent=100 HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n").await.unwrap();
    let mut text = String::new();
    let reading = async {
        while !text.contains("\"output\":\"pushed\"") || !text.contains("\"state\":\"live\"") {
            let mut bytes = [0; 4096];
            let length = events.read(&mut bytes).await.unwrap();
            text.push_str(&String::from_utf8_lossy(&bytes[..length]));
        }
    };
    tokio::time::timeout(DEADLINE, reading).await.expect("the events so far");

    if let Some(mut browser) = browser("graph", port, folder.path(), &[]) {
        asked(&browser, "end").await;
        let mut program = program;
        assert_eq!(program.interrupt().await, 0, "{}", program.text());
        std::fs::write(folder.path().join("end"), "").unwrap();
        assert_eq!(browser.wait_exit().await, 0, "{}", browser.text());
        Peer::Chromium.ran();
    }
}

async fn promtool(figures: &str) {
    let child = tokio::process::Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        eprintln!("skipped: promtool is not installed (Debian: prometheus)");
        return;
    };
    child.stdin.take().unwrap().write_all(figures.as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn beyond_this_machine_it_wants_a_token_and_a_port_in_use_ends_it_early() {
    let port = free_port();
    let words = format!("-json -http=:{port} avgen:sizes=160x90:rates=100k c=avc c=aac -o null");
    let mut open = Command::new(OUTFLOW).line(&words).start();
    assert_eq!(open.wait_exit().await, 2, "{}", open.text());
    assert!(open.text().contains("OUTFLOW_API_TOKEN"), "{}", open.text());

    let program = Command::new(OUTFLOW).line(&words).env("OUTFLOW_API_TOKEN", TOKEN).start();
    assert_eq!(port_of(&program).await, port);
    for path in ["/v1/outputs", "/metrics", "/v1/events"] {
        assert_eq!(ask(port, &format!("GET {path}"), "").await.0, 401, "{path}");
    }
    let (status, body) = ask(port, "GET /v1/outputs", &format!("Authorization: Bearer {TOKEN}\r\n")).await;
    assert!(status == 200 && body.contains("\"protocol\":\"null\""), "{body}");
    assert!(!program.text().contains(TOKEN), "{}", program.text());

    let mut second = Command::new(OUTFLOW).line(&words).env("OUTFLOW_API_TOKEN", TOKEN).start();
    assert_eq!(second.wait_exit().await, 1, "{}", second.text());
    assert!(second.text().contains(&port.to_string()), "{}", second.text());
}
