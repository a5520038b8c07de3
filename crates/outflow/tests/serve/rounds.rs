//! Thousands of connects, reloads and changes by the API: memory, descriptors and threads return to what they were.

use std::time::{Duration, Instant};

use outflow_testkit::ingest::{Behaviour, Ingest};
use outflow_testkit::player::Player;
use outflow_testkit::proc::Child;
use outflow_testkit::publisher::Publisher;
use outflow_testkit::wait::DEADLINE;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::rig::{Serve, Setup, Show, output};

/// How much more memory may be resident afterwards: far less than one round's worth of what a connection needs.
const SLACK: u64 = 6 << 20;

/// Threads that read files for a while and then end; a look each second may keep some.
const IDLE: usize = 8;

/// What a process has.
#[derive(Debug, Clone, Copy)]
struct Has {
    resident: u64,
    descriptors: usize,
    threads: usize,
}

fn has(program: &Child) -> Has {
    let count = |what: &str| std::fs::read_dir(format!("/proc/{}/{what}", program.id())).map_or(0, Iterator::count);
    Has { resident: program.resident(), descriptors: count("fd"), threads: count("task") }
}

/// Waits until descriptors, threads and memory are as before.
async fn returns_to(before: Has, serve: &Serve, what: &str) {
    let start = Instant::now();
    loop {
        let now = has(&serve.program);
        let fits = now.descriptors <= before.descriptors && now.threads <= before.threads + IDLE;
        if fits && now.resident <= before.resident + SLACK {
            eprintln!("{what}: {before:?}, then {now:?}");
            return;
        }
        assert!(start.elapsed() < DEADLINE, "{what}: {before:?}, then {now:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

struct Rig {
    setup: Setup,
    serve: Serve,
    server: Ingest,
    show: Show,
}

impl Rig {
    async fn start() -> Self {
        let server = Ingest::start(Behaviour::Good).await;
        let mut setup = Setup::new();
        let key = setup.secret("INGEST_KEY");
        setup.with_token().with_state();
        setup.write(&text(&server, 0));
        let serve = setup.start().await;
        let show = Show::publish(&setup.url(&format!("live/show?key={key}"))).await;
        server.wait_for_media(0, 50).await;
        Self { setup, serve, server, show }
    }

    /// The show went on all the while, in one connection.
    async fn end(self) {
        let before = self.server.session(0).media_messages;
        self.server.wait_for_media(0, before + 25).await;
        outflow_testkit::compare::compare(&self.show.tags, &self.server.session(0).tags()).unwrap();
        assert_eq!(self.serve.attempts("stays"), 1);
        self.serve.end().await;
    }
}

/// The file; with an odd number there is one output more.
fn text(server: &Ingest, change: usize) -> String {
    let head = "[api]\ntoken = { env = \"API_TOKEN\" }\n[[stream]]\nname = \"live/show\"\npublish_key = { env = \"INGEST_KEY\" }\n\
                [[stream]]\nname = \"live/*\"\npublish_key = { env = \"INGEST_KEY\" }\n";
    let more = output("comes", "live/show", &server.url("live/comes"), &format!("max_lag = \"{}s\"", 2 + change % 3));
    let stays = output("stays", "live/show", &server.url("live/stays"), "");
    format!("{head}{stays}{}", if change % 2 == 1 { more } else { String::new() })
}

/// One peer of five kinds.
async fn connect(kind: usize, address: String) {
    let url = |path: &str| format!("rtmp://{address}/{path}");
    match kind % 5 {
        // Comes and goes.
        0 => drop(TcpStream::connect(&address).await.unwrap()),
        // Half a handshake.
        1 => {
            let mut tcp = TcpStream::connect(&address).await.unwrap();
            tcp.write_all(&[3; 800]).await.unwrap();
        }
        2 => assert!(Player::connect(&url("live/missing")).await.is_err()),
        3 => {
            let player = Player::connect(&url("live/show")).await.unwrap();
            player.wait_for_media(1).await;
        }
        // A publisher with a wrong key.
        _ => assert!(Publisher::connect(&url("live/show?key=wrong")).await.is_err()),
    }
}

async fn connects(serve: &Serve, setup: &Setup, count: usize) {
    assert!(serve.program.resident() > 0);
    let mut running = JoinSet::new();
    for number in 0..count {
        if running.len() >= 40 {
            running.join_next().await.unwrap().unwrap();
        }
        running.spawn(connect(number, format!("127.0.0.1:{}", setup.rtmp)));
    }
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
}

async fn changes(serve: &Serve, server: &Ingest, count: usize) {
    for number in 0..count {
        let new = json!({ "stream": "live/show", "url": server.url(&format!("live/api{number}")), "name": "api" });
        let made = serve.ask("POST", "/v1/outputs", Some(&new)).await;
        assert_eq!(made.status, 201, "{}", made.body);
        let id = made.json()["id"].as_str().unwrap().to_owned();
        let gone = serve.ask("DELETE", &format!("/v1/outputs/{id}"), None).await;
        assert_eq!(gone.status, 204, "{}", gone.body);
        assert_eq!(serve.get(&format!("/v1/outputs/{id}")).await.status, 404);
    }
}

async fn reloads(rig: &Rig, count: usize) {
    for change in 0..count {
        let text = text(&rig.server, change + 1);
        match change % 2 {
            // By signal, and by the API.
            0 => rig.serve.rewrite(&rig.setup, &text, "reloaded: ").await,
            _ => {
                rig.setup.write(&text);
                let answer = rig.serve.ask("POST", "/v1/reload", None).await;
                assert_eq!(answer.status, 200, "{}", answer.body);
            }
        }
    }
}

/// A first round, so that whatever is made once is there; then `count` that must leave nothing behind.
async fn connects_leave_nothing(count: usize) {
    let rig = Rig::start().await;
    connects(&rig.serve, &rig.setup, 400).await;
    // The ring of the stream fills for a while, whoever comes and goes.
    rig.server.wait_for_media(0, 400).await;
    let before = has(&rig.serve.program);
    connects(&rig.serve, &rig.setup, count).await;
    returns_to(before, &rig.serve, &format!("{count} connects")).await;
    rig.end().await;
}

async fn reloads_leave_nothing(count: usize) {
    let rig = Rig::start().await;
    reloads(&rig, 40).await;
    rig.server.wait_for_media(0, 400).await;
    let before = has(&rig.serve.program);
    reloads(&rig, count).await;
    returns_to(before, &rig.serve, &format!("{count} reloads")).await;
    rig.end().await;
}

async fn changes_leave_nothing(count: usize) {
    let rig = Rig::start().await;
    changes(&rig.serve, &rig.server, 40).await;
    rig.server.wait_for_media(0, 400).await;
    let before = has(&rig.serve.program);
    changes(&rig.serve, &rig.server, count).await;
    returns_to(before, &rig.serve, &format!("{count} outputs added and deleted")).await;
    rig.end().await;
}

#[tokio::test]
async fn connects_leave_nothing_behind() {
    connects_leave_nothing(1000).await;
}

#[tokio::test]
async fn reloads_leave_nothing_behind() {
    reloads_leave_nothing(100).await;
}

#[tokio::test]
async fn outputs_of_the_api_leave_nothing_behind() {
    changes_leave_nothing(100).await;
}

#[tokio::test]
#[ignore = "minutes: scripts/test-long"]
async fn ten_thousand_connects_leave_nothing_behind() {
    connects_leave_nothing(10_000).await;
}

#[tokio::test]
#[ignore = "minutes: scripts/test-long"]
async fn a_thousand_reloads_leave_nothing_behind() {
    reloads_leave_nothing(1000).await;
}

#[tokio::test]
#[ignore = "minutes: scripts/test-long"]
async fn a_thousand_outputs_of_the_api_leave_nothing_behind() {
    changes_leave_nothing(1000).await;
}
