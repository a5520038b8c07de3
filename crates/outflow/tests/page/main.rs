//! The page in a real browser: Chromium, driven by `browser.mjs` and Playwright, against `outflow serve` as a program.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod graph;
mod players;
mod stalled;

use std::path::Path;
use std::time::Duration;

use outflow_testkit::free_port;
use outflow_testkit::peers::{Peer, find, peers_dir};
use outflow_testkit::proc::{Child, Command};

const OUTFLOW: &str = env!("CARGO_BIN_EXE_outflow");
const TOKEN: &str = "t0ken-of-the-page";
const KEY: &str = "k3y-of-the-venue";

/// `outflow serve` with every stream of `live` open, on these ports.
async fn serve(folder: &Path, (rtmp, http): (u16, u16), more: &str) -> Child {
    let file = folder.join(format!("{http}.toml"));
    let text = format!("{more}\n[[stream]]\nname = \"live/*\"\n");
    std::fs::write(&file, text).unwrap();
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let words = format!("serve --rtmp 127.0.0.1:{rtmp} --http 127.0.0.1:{http} --json --config");
    let program = Command::new(OUTFLOW).line(&words).arg(file).start();
    program.wait_for_line("\"serves\":\"API\"").await;
    program
}

/// A picture and a sound that a browser can show.
fn encoder(rtmp: u16) -> Child {
    let words = "avgen:sizes=320x180:rates=300k c=avc c=aac -o";
    Command::new(OUTFLOW).line(words).arg(format!("rtmp://127.0.0.1:{rtmp}/live/show")).start()
}

/// The browser, told what to do; `None` where it is not here.
fn browser(mode: &str, http: u16, folder: &Path, more: &[&str]) -> Option<Child> {
    let found = find(Peer::Chromium)?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/page/browser.mjs");
    let command = Command::new("node").arg(script).arg(mode).arg(format!("http://127.0.0.1:{http}")).arg(folder);
    let command = command.env("PAGE_MODULES", peers_dir().join("page/node_modules"));
    Some(command.env("PAGE_CHROMIUM", found.path).args(more).start())
}

/// Waits until the browser asks for a step.
async fn asked(browser: &Child, step: &str) {
    let line = format!("step {step}");
    let waiting = browser.output.wait_within(Duration::from_secs(60), &line, |said| {
        let failed = said.stderr.iter().any(|text| text.contains("Error"));
        said.stdout.iter().any(|text| *text == line).then_some(true).or(failed.then_some(false))
    });
    assert!(waiting.await, "{}", browser.text());
}

#[tokio::test]
async fn an_output_is_added_killed_read_retried_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, venue) = ((free_port(), free_port()), (free_port(), free_port()));
    let url = format!("rtmp://127.0.0.1:{}/live", venue.0);
    let Some(mut browser) = browser("show", ours.1, folder.path(), &[TOKEN, &url, KEY]) else { return };
    let api = format!(
        "[api]\ntoken = \"{TOKEN}\"\n[policy]\nretry = \"5s\"\n[alerts]\nnot_sending = \"2s\"\nclear = \"1s\"\n"
    );
    let mut server = serve(folder.path(), ours, &api).await;
    let mut destination = serve(folder.path(), venue, "").await;
    let _encoder = encoder(ours.0);
    let done = |step: &str| std::fs::write(folder.path().join(step), "").unwrap();
    asked(&browser, "kill").await;
    destination.kill().await;
    done("kill");
    asked(&browser, "revive").await;
    let _destination = serve(folder.path(), venue, "").await;
    done("revive");
    asked(&browser, "lose").await;
    server.kill().await;
    done("lose");
    asked(&browser, "find").await;
    let _server = serve(folder.path(), ours, &api).await;
    done("find");
    assert_eq!(browser.wait_exit().await, 0, "{}", browser.text());
    Peer::Chromium.ran();
}

/// Outputs of all kinds: most of them send, some can't, some are stopped.
fn outputs(count: usize, venue: u16) -> String {
    let dead = free_port();
    (1..=count)
        .map(|number| {
            let group = ["main", "archive", "partners"][number % 3];
            let (port, stopped) = match number % 20 {
                7 => (dead, ""),
                13 => (venue, "auto_start = false\n"),
                _ => (venue, ""),
            };
            format!(
                "[[output]]\nname = \"venue-{number:03}\"\nstream = \"live/show\"\ngroups = [\"{group}\"]\n\
                 url = \"rtmp://127.0.0.1:{port}/live/copy-{number}\"\n{stopped}"
            )
        })
        .collect()
}

/// Pictures for eyes: `OUTFLOW_SHOTS=FOLDER cargo test -p outflow --test page -- --ignored shots`.
#[tokio::test]
#[ignore = "makes pictures to be looked at"]
async fn shots() {
    let Some(folder) = std::env::var_os("OUTFLOW_SHOTS") else { return };
    let files = tempfile::tempdir().unwrap();
    for count in [1, 100] {
        let (ours, venue) = ((free_port(), free_port()), (free_port(), free_port()));
        let _destination = serve(files.path(), venue, "").await;
        let _server = serve(files.path(), ours, &outputs(count, venue.0)).await;
        let _encoder = encoder(ours.0);
        let name = count.to_string();
        let Some(mut browser) = browser("shots", ours.1, Path::new(&folder), &[&name, "8000"]) else { return };
        assert_eq!(browser.wait_exit_within(Duration::from_secs(120)).await, 0, "{}", browser.text());
    }
}

/// The browser's memory with 100 outputs, for as many minutes as `OUTFLOW_PAGE_MINUTES` says, 30 if not said.
#[tokio::test]
#[ignore = "half an hour: scripts/test-long"]
async fn memory_stays_flat() {
    let minutes = std::env::var("OUTFLOW_PAGE_MINUTES").ok().and_then(|text| text.parse().ok()).unwrap_or(30u64);
    let files = tempfile::tempdir().unwrap();
    let (ours, venue) = ((free_port(), free_port()), (free_port(), free_port()));
    let _destination = serve(files.path(), venue, "").await;
    let _server = serve(files.path(), ours, &outputs(100, venue.0)).await;
    let _encoder = encoder(ours.0);
    let Some(mut browser) = browser("memory", ours.1, files.path(), &[&minutes.to_string()]) else { return };
    let deadline = Duration::from_secs(minutes * 60 + 120);
    assert_eq!(browser.wait_exit_within(deadline).await, 0, "{}", browser.text());
    let told = std::fs::read_to_string(files.path().join("memory.txt")).unwrap();
    println!("{told}");
    let sizes: Vec<u64> = told.lines().map(|line| line.split(' ').nth(1).unwrap().parse().unwrap()).collect();
    // Lines and events are full after two minutes; from then on nothing may grow.
    let (early, late) = (sizes[sizes.len().min(4) - 1], sizes[sizes.len() - 1]);
    assert!(late * 10 <= early * 12, "it grows: {early} KiB, then {late} KiB");
}
