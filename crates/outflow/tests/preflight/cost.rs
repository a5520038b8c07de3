//! `check --cost`: what a graph and a relay cost is measured without their destinations, their encoders and their players.

use std::path::PathBuf;

use outflow_testkit::ingest::{Behaviour, Ingest};
use outflow_testkit::media::made_up;
use outflow_testkit::{flv, free_port};

use crate::rig::{Found, run};

fn file(folder: &tempfile::TempDir, frames: u32, size: usize) -> PathBuf {
    let path = folder.path().join("show.flv");
    std::fs::write(&path, flv::write(&made_up(frames, 50, size))).unwrap();
    path
}

fn published(servers: &[Ingest]) -> usize {
    let any = |server: &Ingest| server.state.look(|state| state.sessions.iter().any(|it| it.published.is_some()));
    servers.iter().filter(|server| any(server)).count()
}

/// What was measured: parts of a core, and bytes.
fn figures(found: &Found, what: &str) -> (f64, u64) {
    let all = found.json["findings"].as_array().unwrap();
    let line = all.iter().find(|line| line["who"] == "cost" && line["what"] == what);
    let details = line.unwrap_or_else(|| panic!("no cost {what}: {}", found.text))["details"].clone();
    (details["cpu_cores"].as_f64().unwrap(), details["memory_bytes"].as_u64().unwrap())
}

/// What one more costs; at such rates that may be less than two runs differ by of themselves, and then is said to be.
fn more(found: &Found, what: &str, begins: &str) {
    let (verdict, more, _) = found.line("cost", what);
    let said = match more.contains("less CPU") {
        true => "not_tested",
        false => "pass",
    };
    assert!(more.starts_with(begins) && verdict == said, "{verdict}: {more}");
}

#[tokio::test]
async fn the_cost_is_measured_without_the_destinations() {
    let folder = tempfile::tempdir().unwrap();
    let file = file(&folder, 400, 12_000);
    let input = format!("{}:loop", file.display());
    let servers = [Ingest::start(Behaviour::Good).await, Ingest::start(Behaviour::Good).await];
    let outputs = [servers[0].url("live/k3y0ofcost"), format!("dst={}", servers[1].url("live/k3y1ofcost"))];
    let recording = folder.path().join("recorded.flv");
    let words = [
        "check",
        "--cost",
        "--for=3s",
        "-i",
        &input,
        "-o",
        &outputs[0],
        &outputs[1],
        "-o",
        recording.to_str().unwrap(),
    ];
    let found = run(&words, &["k3y0ofcost", "k3y1ofcost"]).await;
    assert_eq!(found.code, 0, "{}", found.text);
    found.is("cost", "machine", "pass", "this graph with 2 outputs", "");
    more(&found, "per output", "each output more: ");
    found.is("cost", "apart", "pass", "one process for each of the 2 outputs", "");
    // Two processes have more memory than one.
    let ((cpu, memory), (_, apart)) = (figures(&found, "machine"), figures(&found, "apart"));
    assert!(cpu > 0.0 && memory > 1 << 20 && apart > memory * 3 / 2, "{}", found.text);
    assert_eq!(published(&servers), 0);
    assert!(!recording.exists(), "a recording was begun");
}

#[tokio::test]
async fn what_an_encoder_would_send_is_replaced_and_a_player_is_measured() {
    let server = [Ingest::start(Behaviour::Good).await];
    let input = format!("rtmp://127.0.0.1:{}/live:gpac:rtmp_listen=1:name=obs", free_port());
    let players = format!("rtmp://127.0.0.1:{}/watch:gpac:rtmp_listen=1:name=watch", free_port());
    let output = server[0].url("live/k3yofcost");
    let words = |rate: &'static str| ["check", "--cost", "--for=3s", rate, "-i", &input, "-o", &output, "-o", &players];
    let found = run(&words("--rate=3M"), &["k3yofcost"]).await;
    assert_eq!(found.code, 0, "{}", found.text);
    found.is("cost", "machine", "pass", "this graph with 1 output and no player", "");
    more(&found, "per player", "each player: ");
    assert!(figures(&found, "machine").0 > 0.0, "{}", found.text);
    // What the encoder would send is what the sum is made of, too.
    found.is("uplink", "bandwidth", "not_tested", "3.15 Mb/s", "--uplink");
    assert_eq!(published(&server), 0);
    let unknown = run(&words("--uplink=9M"), &["k3yofcost"]).await;
    unknown.is("cost", "machine", "not_tested", "obs: nothing came", "--rate");
}

#[tokio::test]
async fn the_cost_of_a_relay_is_that_of_serve_with_its_streams() {
    let folder = tempfile::tempdir().unwrap();
    let servers = [Ingest::start(Behaviour::Good).await, Ingest::start(Behaviour::Good).await];
    let config = folder.path().join("outflow.toml");
    let text = format!(
        "[[stream]]\nname = \"live/show\"\npublish_key = \"k3ypublish\"\n\n[[stream]]\nname = \"live/*\"\npublish_key = \"none\"\n\n\
         [[output]]\nname = \"a\"\nstream = \"live/show\"\nurl = \"{}\"\nkey = \"k3yofa\"\n\n\
         [[output]]\nname = \"b\"\nstream = \"live/show\"\nurl = \"{}\"\nkey = \"k3yofb\"\n\n\
         [[output]]\nname = \"each\"\nstream = \"live/*\"\nurl = \"{}/${{name}}\"\n",
        servers[0].url("app"),
        servers[1].url("app"),
        servers[1].url("live"),
    );
    std::fs::write(&config, text).unwrap();
    let config = config.to_str().unwrap();
    let found =
        run(&["check", "--cost", "--for=3s", "--rate=3M", "--config", config], &["k3ypublish", "k3yofa", "k3yofb"])
            .await;
    assert_eq!(found.code, 0, "{}", found.text);
    found.is("cost", "machine", "pass", "this relay with 2 outputs and no player", "");
    found.is("cost", "apart", "pass", "one process for each of the 2 outputs", "");
    more(&found, "per player", "each player: ");
    let ((cpu, memory), (_, apart)) = (figures(&found, "machine"), figures(&found, "apart"));
    // Media flows: a relay that waits for its publisher takes next to nothing.
    assert!(cpu > 0.001 && apart > memory * 3 / 2, "{}", found.text);
    assert_eq!(published(&servers), 0);
}

#[tokio::test]
async fn words_whose_outputs_can_not_be_replaced_are_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let file = file(&folder, 100, 1500);
    let server = [Ingest::start(Behaviour::Good).await];
    let more = folder.path().join("more");
    std::fs::write(&more, format!("-o\n{}\n", server[0].url("live/k3yofargs"))).unwrap();
    let args = format!("-args={}", more.display());
    let found = run(&["check", "--cost", "-i", file.to_str().unwrap(), &args, "-o", "null"], &["k3yofargs"]).await;
    assert_eq!(found.code, 2, "{}", found.text);
    assert!(found.text.contains("can't be measured"), "{}", found.text);
    assert_eq!(published(&server), 0);
}
