//! The recipe of `docs/relay.md` that encodes in one process and relays in another: a crash of the encoder is not the end
//! of the show.

use std::path::Path;

use outflow_testkit::compare::monotonic;
use outflow_testkit::ingest::{Behaviour, Ingest};
use outflow_testkit::proc::{Child, Command};
use outflow_testkit::wait::until;
use rustix::process::{Pid, Signal, kill_process};

use crate::rig::{OUTFLOW, Setup, output};
use crate::secrets;

/// The script as the page has it, for this port.
fn recipe(port: u16) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/relay.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, rest) = page.split_once("<!-- recipe: encoder -->").expect("the page marks its recipe");
    let script = rest.split_once("```sh\n").and_then(|(_, rest)| rest.split_once("```")).expect("a script").0;
    assert!(script.contains("127.0.0.1:1935"), "{script}");
    script.replace("127.0.0.1:1935", &format!("127.0.0.1:{port}"))
}

/// The encoder that runs now: a child of the shell.
fn encoder(shell: &Child) -> Option<u32> {
    shell.descendants().into_iter().find(|pid| {
        let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&words).contains("avgen")
    })
}

async fn crashes(times: usize) {
    let mut setup = Setup::new();
    let (key, out) = (setup.secret("INGEST_KEY"), setup.secret("OUT_KEY"));
    let servers = [Ingest::start(Behaviour::Good).await, Ingest::start(Behaviour::Good).await];
    let mut text = "[[stream]]\nname = \"live/show\"\npublish_key = { env = \"INGEST_KEY\" }\n".to_owned();
    for (number, server) in servers.iter().enumerate() {
        text += &output(&format!("out{number}"), "live/show", &server.url("live"), "key = { env = \"OUT_KEY\" }");
    }
    setup.write(&text);
    let relay = setup.start().await;

    // `outflow` is found as anything that is installed.
    let path = format!("{}:{}", Path::new(OUTFLOW).parent().unwrap().display(), std::env::var("PATH").unwrap());
    let shell = Command::new("sh").arg("-c").arg(recipe(setup.rtmp)).env("PATH", path).env("INGEST_KEY", &key);
    let shell = shell.secrets(&setup.secrets).start();
    for server in &servers {
        server.wait_for_media(0, 50).await;
    }
    for crash in 1..=times {
        let pid = encoder(&shell).expect("the encoder runs");
        // Rust's handler of stack overflows takes the first one that no access made, and steps back for the next.
        until("the encoder to be dead of SIGSEGV", || {
            let raw = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
            kill_process(raw, Signal::SEGV).is_err() || encoder(&shell).is_none_or(|now| now != pid)
        })
        .await;
        relay.until_said("input_ended", "live/show", crash).await;
        let before: Vec<usize> = servers.iter().map(|server| server.session(0).media_messages).collect();
        for (server, before) in servers.iter().zip(before) {
            server.wait_for_media(0, before + 50).await;
        }
    }
    for server in &servers {
        let session = server.session(0);
        assert_eq!(server.state.look(|state| state.connections()), 1, "the output was dialled again");
        assert_eq!(session.published.as_deref(), Some(out.as_str()));
        monotonic(&session.tags()).unwrap();
    }
    assert_eq!(relay.about("input_started", "live/show").len(), times + 1);
    secrets::none_said(&shell);
    relay.end().await;
}

#[tokio::test]
async fn a_segfault_of_the_encoder_is_not_the_end_of_the_show() {
    crashes(2).await;
}

#[tokio::test]
#[ignore = "a minute: scripts/test-long"]
async fn twenty_segfaults_of_the_encoder_are_not_the_end_of_the_show() {
    crashes(20).await;
}
