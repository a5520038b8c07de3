//! The beginning and the end of `serve`: exit codes, ports that are taken, the drain, the second signal, systemd.

use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use outflow_testkit::ingest::{Behaviour, Ingest, Stage};
use outflow_testkit::peers;
use outflow_testkit::player::Player;
use outflow_testkit::proc::Command;
use rustix::process::Signal;

use crate::rig::{OUTFLOW, Setup, Show, output};
use crate::secrets;

const OPEN: &str = "[[stream]]\nname = \"live/*\"\npublish_key = \"none\"\n";

#[tokio::test]
async fn sigterm_says_good_bye_to_everybody_and_ends_in_time() {
    let good = Ingest::start(Behaviour::Good).await;
    // One that never answers, one that takes no more bytes, one that is not there.
    let mute = Ingest::start(Behaviour::Mute(Stage::Connect)).await;
    let full = Ingest::start(Behaviour::StopReading(200_000)).await;
    let mut setup = Setup::new();
    setup.flags("--drain 2s");
    setup.write(
        &(OPEN.to_owned()
            + &output("good", "live/show", &good.url("live/k"), "")
            + &output("mute", "live/show", &mute.url("live/k"), "")
            + &output("full", "live/show", &full.url("live/k"), "")
            + &output("gone", "live/show", "rtmp://127.0.0.1:9/live/k", "")),
    );
    let mut relay = setup.start().await;
    let _show = Show::publish(&setup.url("live/show")).await;
    relay.until_state("good", "live").await;
    relay.until_state("full", "live").await;
    relay.until_state("mute", "handshaking").await;
    let player = Player::connect(&setup.url("live/show")).await.unwrap();
    player.wait_for_media(50).await;
    good.wait_for_media(0, 50).await;

    let start = Instant::now();
    relay.program.signal(Signal::TERM);
    assert_eq!(relay.program.wait_exit().await, 0, "{}", relay.program.text());
    let took = start.elapsed();
    assert!(took < Duration::from_secs(4), "drain is 2 s, and it took {took:?}");
    good.wait_for("the end of the push", |state| state.open == 0).await;
    assert!(good.session(0).commands.iter().any(|name| name == "FCUnpublish"), "{:?}", good.session(0));
    player
        .received
        .wait_for("the end of the stream to be told", |seen| {
            seen.statuses.iter().any(|code| code == "NetStream.Play.UnpublishNotify").then_some(())
        })
        .await;
    secrets::none_said(&relay.program);
}

#[tokio::test]
async fn the_second_signal_ends_at_once() {
    let full = Ingest::start(Behaviour::Mute(Stage::Connect)).await;
    let stuck = Ingest::start(Behaviour::StopReading(100_000)).await;
    let mut setup = Setup::new();
    setup.flags("--drain 30s");
    setup.write(
        &(OPEN.to_owned()
            + &output("stuck", "live/show", &stuck.url("live/k"), "max_lag = \"60s\"")
            + &output("mute", "live/show", &full.url("live/k"), "")),
    );
    let mut relay = setup.start().await;
    let _show = Show::publish(&setup.url("live/show")).await;
    relay.until_state("stuck", "live").await;
    stuck.wait_for_media(0, 50).await;
    relay.program.signal(Signal::TERM);
    relay.until_said("output", "stuck", 6).await;
    let start = Instant::now();
    relay.program.signal(Signal::TERM);
    assert_eq!(relay.program.wait_exit().await, 0, "{}", relay.program.text());
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_and_nothing_is_started() {
    let server = Ingest::start(Behaviour::Good).await;
    let (mut taken, second) = (Setup::new(), Setup::new());
    let key = taken.secret("KEY");
    let running = second.start().await;
    taken.write(
        &("[[stream]]\nname = \"live/show\"\npublish_key = { env = \"KEY\" }\n".to_owned()
            + &output("out", "live/show", &server.url("live"), "key = { env = \"KEY\" }")),
    );
    // The first port is free, the second is not.
    for (rtmp, http) in [(second.rtmp, taken.http), (taken.rtmp, second.rtmp)] {
        let state = taken.folder.path().join("state.json");
        let words = format!("--rtmp 127.0.0.1:{rtmp} --http 127.0.0.1:{http} --state-file {}", state.display());
        let mut program = taken.words(Command::new(OUTFLOW)).line(&words).start();
        assert_eq!(program.wait_exit().await, 1, "{}", program.text());
        let said = program.text();
        assert!(said.contains("another program has this port; choose another, or end that program"), "{said}");
        assert!(!said.contains("waiting_input") && !said.contains("\"listening\""), "{said}");
        secrets::none_said(&program);
    }
    assert_eq!(key, taken.secrets[0]);
    assert_eq!(server.state.look(|state| state.connections()), 0);
    running.end().await;
}

#[tokio::test]
async fn a_wrong_file_is_told_and_nothing_is_started() {
    let mut setup = Setup::new();
    let key = setup.secret("LITERAL");
    for (text, place) in [
        (format!("[[stream]]\nname = \"live/show\"\npublish_key = \"{key}\"\nplay_tokn = \"{key}\"\n"), ":4:1"),
        (
            format!("[[output]]\nname = \"x\"\nstream = \"live/show\"\nurl = \"http://u:{key}@h/live?k={key}\"\n"),
            ":4:7",
        ),
        (format!("[[output]]\nname = \"x\"\nstream = \"live/show\"\nurl = \"rtmp://h/live\"\nkey = \"{key}\n"), ":5:"),
        (format!("[secrets]\na = [\"{key}\"]\n[listen]\nrtmp = \"here\"\n"), ":2:5"),
    ] {
        setup.write(&text);
        let mut program = setup.words(Command::new(OUTFLOW)).start();
        assert_eq!(program.wait_exit().await, 2, "{}", program.text());
        assert!(program.text().contains(&format!("outflow.toml{place}")), "{}", program.text());
        assert!(!peers::listens(setup.rtmp), "it listens all the same");
        secrets::none_said(&program);
    }
    // Not without a word on who may publish, where others than this machine can.
    setup.write("[[stream]]\nname = \"live/show\"\n");
    let mut program = setup.flags("--rtmp 0.0.0.0:0").words(Command::new(OUTFLOW)).start();
    assert_eq!(program.wait_exit().await, 2, "{}", program.text());
    assert!(program.text().contains("publish_key"), "{}", program.text());
}

#[tokio::test]
async fn systemd_is_told_of_beginning_life_and_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let hear = move || {
        let mut buffer = [0; 256];
        let length = socket.recv(&mut buffer).expect("systemd is told in time");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let mut setup = Setup::new();
    setup.environment("NOTIFY_SOCKET", &path.to_string_lossy()).environment("WATCHDOG_USEC", "200000");
    setup.write(OPEN);
    let relay = setup.start().await;
    let heard = tokio::task::spawn_blocking(move || {
        let first: Vec<String> = (0..5).map(|_| hear()).collect();
        (first, hear)
    });
    let (first, hear) = heard.await.unwrap();
    assert!(first[0].contains("READY=1"), "{first:?}");
    assert!(first[1..].iter().all(|text| text.contains("WATCHDOG=1")), "{first:?}");
    relay.end().await;
    let last = tokio::task::spawn_blocking(move || {
        loop {
            let text = hear();
            if !text.contains("WATCHDOG") {
                return text;
            }
        }
    });
    assert!(last.await.unwrap().contains("STOPPING=1"));
}

#[tokio::test]
async fn a_watchdog_hears_nothing_of_one_that_hangs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut setup = Setup::new();
    setup.environment("NOTIFY_SOCKET", &path.to_string_lossy()).environment("WATCHDOG_USEC", "200000");
    let relay = setup.start().await;
    relay.program.stop();
    let mut buffer = [0; 256];
    while socket.recv(&mut buffer).is_ok() {}
    // Twice the deadline: systemd would have killed it.
    let wait = Instant::now();
    while wait.elapsed() < Duration::from_millis(400) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(socket.recv(&mut buffer).is_err(), "a stopped program is alive");
    }
    relay.program.resume();
    relay.end().await;
}

/// The unit that the pages offer: its words are taken, and it waits long enough for the end.
#[tokio::test]
async fn the_unit_for_systemd_starts_it() {
    let unit = include_str!("../../../../docs/outflow.service");
    let value = |name: &str| unit.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).expect("a line");
    let setup = Setup::new();
    setup.write(OPEN);
    let words = value("ExecStart")
        .replace("/etc/outflow/outflow.toml", &setup.path().display().to_string())
        .replace("/var/lib/outflow/state.json", &setup.state().display().to_string());
    let (program, words) = words.split_once(' ').unwrap();
    assert!(program.ends_with("/outflow"), "{program}");
    let mut check = Command::new(OUTFLOW).line(words).arg("--check").start();
    assert_eq!(check.wait_exit().await, 0, "{}", check.text());
    assert_eq!((value("Type"), value("RestartPreventExitStatus")), ("notify", "2"));
    let seconds = |name: &str| value(name).parse::<u64>().unwrap();
    assert!(seconds("TimeoutStopSec") >= 7 && seconds("WatchdogSec") >= 2, "{unit}");
}
