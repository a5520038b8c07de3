//! A running `outflow serve` for hostile tests: its file, its port, and what it may never say.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use outflow_testkit::free_port;
use outflow_testkit::hostile::Scene;
use outflow_testkit::hostile::seeds::Seeds;
use outflow_testkit::proc::{Child, Command, Output};
use outflow_testkit::random::Random;
use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What no line may say: a fault of ours, contained or not.
const FAULTS: [&str; 4] = ["panicked at", "a fault in this connection", "\"internal\"", "overflow"];

pub(crate) struct Serve {
    pub(crate) program: Child,
    pub(crate) rtmp: u16,
    pub(crate) http: u16,
    file: std::path::PathBuf,
    _folder: tempfile::TempDir,
}

impl Serve {
    /// With this file, and flags behind `serve`.
    pub(crate) async fn start(file: &str, flags: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outflow.toml");
        std::fs::write(&path, file).unwrap();
        let (rtmp, http) = (free_port(), free_port());
        let program = Command::new(env!("CARGO_BIN_EXE_outflow"))
            .arg("serve")
            .arg("--config")
            .arg(&path)
            .line(&format!("--rtmp 127.0.0.1:{rtmp} --http 127.0.0.1:{http} --json {flags}"))
            .secrets(&FAULTS.map(str::to_owned))
            .start();
        program.wait_for_line("\"event\":\"listening\"").await;
        Self { program, rtmp, http, file: path, _folder: folder }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("rtmp://127.0.0.1:{}/{path}", self.rtmp)
    }

    /// Waits until a line says all of this.
    pub(crate) async fn says(&self, words: &[&str]) -> String {
        let found = |said: &Output| {
            let mut lines = said.lines();
            lines.find(|line| words.iter().all(|word| line.contains(word))).map(str::to_owned)
        };
        self.program.output.wait_for(&format!("{words:?} to be said"), found).await
    }

    /// Puts another file in force.
    pub(crate) async fn reload(&self, file: &str) {
        std::fs::write(&self.file, file).unwrap();
        self.program.signal(Signal::HUP);
        self.says(&["reloaded: "]).await;
    }

    /// One figure of `/metrics`, by the beginning of its line.
    pub(crate) async fn figure(&self, name: &str) -> f64 {
        let text = self.get("/metrics").await;
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name} in {text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// What its API answers.
    async fn get(&self, path: &str) -> String {
        let mut tcp = TcpStream::connect(("127.0.0.1", self.http)).await.unwrap();
        let ask = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
        tcp.write_all(ask.as_bytes()).await.unwrap();
        let mut text = String::new();
        tcp.read_to_string(&mut text).await.unwrap();
        text
    }

    /// It lives, and has said nothing of a fault.
    pub(crate) fn is_well(&mut self) {
        let faults = self.program.output.look(|said| said.leaks.clone());
        assert!(faults.is_empty(), "{faults:#?}");
        assert!(self.program.is_running(), "{}", self.program.text());
    }

    /// Stops it, which has to be a success.
    pub(crate) async fn end(mut self) {
        self.is_well();
        self.program.signal(Signal::TERM);
        assert_eq!(self.program.wait_exit().await, 0, "{}", self.program.text());
        let faults = self.program.output.look(|said| said.leaks.clone());
        assert!(faults.is_empty(), "{faults:#?}");
    }
}

/// What attacks aim at.
pub(crate) fn scene() -> Scene {
    let folder = std::env::var_os("OUTFLOW_HOSTILE_RECORDINGS");
    let more: Vec<&Path> = folder.iter().map(Path::new).collect();
    Scene { app: "live", live: "show", seeds: Arc::new(Seeds::read(&more)) }
}

/// The seed of a run, told so that it can be run again.
pub(crate) fn seed() -> u64 {
    let seed = Random::seed_from("OUTFLOW_HOSTILE_SEED");
    println!("OUTFLOW_HOSTILE_SEED={seed}");
    seed
}

/// How long each round of the long form lasts.
pub(crate) fn seconds() -> Duration {
    let seconds = std::env::var("OUTFLOW_HOSTILE_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(60))
}
