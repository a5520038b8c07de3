//! The bandwidth test: what `check --bandwidth` finds of a line, and what `check --serve` lets in.
#![allow(clippy::print_stdout)] // what was found of a cap is told

use std::net::SocketAddr;
use std::path::PathBuf;

use outflow_testkit::ingest::{Behaviour, Ingest};
use outflow_testkit::media::made_up;
use outflow_testkit::player::Player;
use outflow_testkit::proc::{Child, Command};
use outflow_testkit::publisher::Publisher;
use outflow_testkit::shaped::ShapedLink;
use outflow_testkit::tun::{Path, TunLink};
use outflow_testkit::{flv, free_port};
use serde_json::Value;

use crate::rig::{Found, run_with};

const TOKEN: &str = "t0kenofthebandwidthtest";
const VARIABLE: &str = "OUTFLOW_CHECK_TOKEN";

/// The far side on this address, listening.
async fn far_side(command: Command, address: &str) -> Child {
    let far = command.arg("check").arg(format!("--serve={address}")).env(VARIABLE, TOKEN).secrets(&[TOKEN.to_owned()]);
    let far = far.start();
    far.wait_for_line("listening on").await;
    far
}

async fn far_here() -> (Child, u16) {
    let far = far_side(Command::new(env!("CARGO_BIN_EXE_outflow")), "127.0.0.1:0").await;
    let line = far.wait_for_line("listening on 127.0.0.1:").await;
    let port = line.split("127.0.0.1:").nth(1).and_then(|rest| rest.split(':').next()?.parse().ok());
    (far, port.unwrap_or_else(|| panic!("no port in {line}")))
}

/// A file of frames of so many bytes, 25 a second, to be sent again and again.
fn file(folder: &tempfile::TempDir, size: usize) -> PathBuf {
    let path = folder.path().join("show.flv");
    std::fs::write(&path, flv::write(&made_up(200, 50, size))).unwrap();
    path
}

/// The check of these outputs against the far side, with this token.
async fn check(far: SocketAddr, token: &str, flags: &[&str], file: &std::path::Path, outputs: &[String]) -> Found {
    let (bandwidth, input) = (format!("--bandwidth={far}"), format!("{}:loop", file.display()));
    let mut words = vec!["check", bandwidth.as_str()];
    words.extend(flags);
    words.extend(["-i", input.as_str()]);
    words.extend(outputs.iter().flat_map(|output| ["-o", output.as_str()]));
    run_with(&words, &[token, "k3y"], &[(VARIABLE, token)]).await
}

fn outputs(servers: &[Ingest]) -> Vec<String> {
    let word = |(number, server): (usize, &Ingest)| {
        format!("{}:gpac:name=o{number}", server.url(&format!("live/k3yofbandwidth{number}")))
    };
    servers.iter().enumerate().map(word).collect()
}

async fn ingests(count: usize) -> Vec<Ingest> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(Ingest::start(Behaviour::Good).await);
    }
    all
}

fn details(found: &Found, who: &str, what: &str) -> Value {
    let all = found.json["findings"].as_array().unwrap();
    let line = all.iter().find(|line| line["who"] == who && line["what"] == what);
    line.unwrap_or_else(|| panic!("no {who} {what}: {}", found.text))["details"].clone()
}

fn here(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

#[tokio::test]
async fn a_line_that_is_wide_enough_passes_and_nothing_reaches_the_destinations() {
    let folder = tempfile::tempdir().unwrap();
    let file = file(&folder, 10_000);
    let servers = ingests(3).await;
    let (mut far, port) = far_here().await;
    let found = check(here(port), TOKEN, &["--for=4s"], &file, &outputs(&servers)).await;
    assert_eq!(found.code, 0, "{}", found.text);
    for name in ["o0", "o1", "o2"] {
        found.is(name, "bandwidth", "pass", "no skips", "");
        let rate = details(&found, name, "bandwidth")["reached_bps"].as_u64().unwrap();
        assert!((1_800_000..2_300_000).contains(&rate), "{rate} of 2 Mb/s");
    }
    found.is("uplink", "measured", "pass", "from 3 outputs at once", "");
    // What was measured needs no sum, unless the line was said too.
    assert!(found.lines("uplink", "bandwidth").is_empty(), "{}", found.text);
    for server in &servers {
        let published = server.state.look(|state| state.sessions.iter().filter(|it| it.published.is_some()).count());
        assert_eq!(published, 0);
    }
    far.wait_for_line("is over after").await;
    assert_eq!(far.interrupt().await, 0);
    assert!(far.output.look(|output| output.leaks.is_empty()), "the far side printed a token it was given");
}

#[tokio::test]
async fn without_a_far_side_or_its_token_there_is_no_pass() {
    let folder = tempfile::tempdir().unwrap();
    let file = file(&folder, 1_500);
    let servers = ingests(1).await;
    let (_far, port) = far_here().await;
    let found = check(here(port), "an0thertokenthatiswrong", &["--for=3s"], &file, &outputs(&servers)).await;
    assert_eq!(found.code, 1, "{}", found.text);
    found.is("uplink", "measured", "fail", "token", "OUTFLOW_CHECK_TOKEN");
    found.is("o0", "bandwidth", "not_tested", "not reached", "");
    let found = check(here(free_port()), TOKEN, &["--for=3s", "--uplink=50M"], &file, &outputs(&servers)).await;
    assert_eq!(found.code, 1, "{}", found.text);
    found.is("uplink", "measured", "fail", "refused", "firewall");
    // The sum is held against the line all the same.
    found.is("uplink", "bandwidth", "pass", "of 50.00 Mb/s", "");
}

#[tokio::test]
async fn the_far_side_takes_one_test_at_a_time_and_nothing_else() {
    let (far, port) = far_here().await;
    let at = |name: &str| format!("rtmp://127.0.0.1:{port}/{name}");
    let asks = format!("token={TOKEN}&paths=1&seconds=20&bps=1000000");
    for wrong in
        [format!("live/show?token={TOKEN}"), format!("check/abcdefgh1/0?token={TOKEN}"), "check/abcdefgh1/0".to_owned()]
    {
        let refused = Publisher::connect(&at(&wrong)).await.err().map(|error| error.to_string());
        assert!(refused.is_some_and(|text| text.contains("Denied")), "{wrong} was let in");
    }
    for wrong in [
        format!("check/abcdefgh1/results?{}", asks.replace(TOKEN, "wrong")),
        format!("check/abcdefgh1/results?{}", asks.replace("seconds=20", "seconds=2000")),
        format!("check/abcdefgh1/results?{}", asks.replace("paths=1", "paths=2000")),
        format!("check/abcdefgh1/results?token={TOKEN}"),
        format!("check/abcdefgh1/other?{asks}"),
        format!("live/results?{asks}"),
    ] {
        assert!(Player::connect(&at(&wrong)).await.is_err(), "{wrong} was let in");
    }
    // A test. It is told what came, at once and again.
    let results = Player::connect(&at(&format!("check/abcdefgh1/results?{asks}"))).await.unwrap();
    results.wait_for_media(2).await;
    assert!(Player::connect(&at(&format!("check/abcdefgh2/results?{asks}"))).await.is_err(), "a second test at once");
    assert!(Publisher::connect(&at(&format!("check/abcdefgh1/1?token={TOKEN}"))).await.is_err(), "there is one path");
    // A film in the place of a test is cut off at its first frame.
    let mut film = Publisher::connect(&at(&format!("check/abcdefgh1/0?token={TOKEN}"))).await.unwrap();
    for tag in made_up(50, 25, 2000) {
        if film.send_tag(&tag, 0).await.is_err() {
            break;
        }
    }
    film.replies.wait_for("the film is cut off", |replies| replies.end.clone()).await;
    let told = results.tags().last().map(|tag| String::from_utf8_lossy(&tag.body).into_owned()).unwrap_or_default();
    assert!(told.contains("\"bytes\":0"), "{told}");
    // It lasts as long as its results are played; then the next may come.
    drop(results);
    far.wait_for_line("is over after").await;
    let next = Player::connect(&at(&format!("check/abcdefgh3/results?{asks}"))).await.unwrap();
    next.wait_for_media(1).await;
}

/// Three outputs of 6 Mb/s over 10 Mb/s: a tenth more or less is what may be found.
fn holds(found: &Found) {
    assert_eq!(found.code, 1, "{}", found.text);
    let total = details(found, "uplink", "measured");
    let rate = total["reached_bps"].as_u64().unwrap();
    println!("10 Mb/s were found as {:.2}: {}", rate as f64 / 1e6, found.line("uplink", "measured").1);
    assert!((9_000_000..=11_000_000).contains(&rate), "{rate}: {}", found.text);
    found.is("uplink", "measured", "fail", "of 18.0", "only 1 as it is (o0)");
    let worst = total["worst_lag_ms"].as_u64().unwrap();
    assert!(worst > 1_000, "{worst} ms: {}", found.text);
    assert!(["o0", "o1", "o2"].iter().any(|name| found.line(name, "bandwidth").0 == "fail"), "{}", found.text);
}

#[tokio::test]
async fn a_cap_of_10_megabits_is_found_by_a_token_bucket() {
    let Some(link) = ShapedLink::start("10mbit") else { return };
    let folder = tempfile::tempdir().unwrap();
    // With its sound a little more than 6 Mb/s.
    let file = file(&folder, 30_000);
    let servers = ingests(3).await;
    let _far = far_side(link.program(env!("CARGO_BIN_EXE_outflow")), ":1938").await;
    holds(&check(link.far(1938), TOKEN, &["--for=12s"], &file, &outputs(&servers)).await);
}

#[tokio::test]
async fn a_cap_of_10_megabits_is_found_over_a_tun_link() {
    let Some(link) = TunLink::start(7) else { return };
    link.set(|paths| paths.up = Path { bytes_per_second: Some(1_250_000), ..Path::default() });
    let folder = tempfile::tempdir().unwrap();
    let file = file(&folder, 30_000);
    let servers = ingests(3).await;
    let port = free_port();
    let address = SocketAddr::new(link.server().ip(), port);
    let _far = far_side(Command::new(env!("CARGO_BIN_EXE_outflow")), &address.to_string()).await;
    holds(&check(link.far(port), TOKEN, &["--for=12s"], &file, &outputs(&servers)).await);
}

#[tokio::test]
async fn words_about_the_line_that_are_wrong_are_told() {
    let short = [(VARIABLE, "tiny")];
    let bad = [(VARIABLE, "a token with spaces in it")];
    let good = [(VARIABLE, TOKEN)];
    for (words, variables, told) in [
        (&["check", "--bandwidth=far.example", "-i", "x.flv"][..], &[][..], "wants a token"),
        (&["check", "--bandwidth=far.example", "-i", "x.flv"], &bad, "letters, digits"),
        (&["check", "--bandwidth=rtmps://far.example", "-i", "x.flv"], &good, "plain RTMP"),
        (&["check", "--bandwidth=rtmp://far.example/live/key", "-i", "x.flv"], &good, "a host and a port"),
        (&["check", "--bandwidth=far.example", "--for=1s", "-i", "x.flv"], &good, "from 3 s to 5 min"),
        (&["check", "--for=10s", "-i", "x.flv"], &good, "there is none"),
        (&["check", "--rate=0", "-i", "x.flv"], &good, "carries nothing"),
        (&["check", "--serve", "--cost"], &good, "the side that sends"),
        (&["check", "--serve", ":1938", ":1939"], &good, "on one address"),
        (&["check", "--serve=:x"], &good, "no address to listen on"),
        (&["check", "--serve"], &short, "could be guessed"),
    ] {
        let found = run_with(words, &["tiny", TOKEN], variables).await;
        assert!(found.code == 2 && found.text.contains(told), "{words:?}: {}", found.text);
    }
}

#[tokio::test]
async fn without_a_token_one_is_made_and_told_to_whoever_started_it() {
    let far = Command::new(env!("CARGO_BIN_EXE_outflow")).line("check --serve 127.0.0.1:0").start();
    let line = far.wait_for_line("OUTFLOW_CHECK_TOKEN=").await;
    let token = line.split("OUTFLOW_CHECK_TOKEN=").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    let at = line.split("--bandwidth=").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    assert_eq!(token.len(), 24, "{line}");
    // What was printed is what works.
    let url = format!("rtmp://{at}/check/abcdefgh1/results?token={token}&paths=1&seconds=3&bps=1000");
    Player::connect(&url).await.unwrap().wait_for_media(1).await;
}
