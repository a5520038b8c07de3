//! `outflow top` in a real terminal, that of tmux, against a real relay.

use std::time::Duration;

use outflow_testkit::free_port;
use outflow_testkit::ingest::{Behaviour, Ingest};
use outflow_testkit::media::made_up;
use outflow_testkit::proc::{Child, Command};
use outflow_testkit::publisher::Publisher;
use outflow_testkit::terminal::Terminal;

const OUTFLOW: &str = env!("CARGO_BIN_EXE_outflow");
const TOKEN: &str = "t0kenoftop";

fn serve(config: &std::path::Path) -> Child {
    Command::new(OUTFLOW).args(["serve", "--config"]).arg(config).env("API_TOKEN", TOKEN).start()
}

#[tokio::test]
async fn a_relay_is_shown_lost_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let (rtmp, http) = (free_port(), free_port());
    let server = Ingest::start(Behaviour::Good).await;
    let refuses = Ingest::start(Behaviour::RefusePublish("NetStream.Publish.Denied")).await;
    let config = folder.path().join("outflow.toml");
    let text = format!(
        "[listen]\nrtmp = \"127.0.0.1:{rtmp}\"\nhttp = \"127.0.0.1:{http}\"\n[api]\ntoken = {{ env = \"API_TOKEN\" }}\n\
         [[stream]]\nname = \"live/show\"\npublish_key = \"none\"\n\
         [[output]]\nname = \"good\"\nstream = \"live/show\"\nurl = \"{}\"\n\
         [[output]]\nname = \"bad\"\nstream = \"live/show\"\nurl = \"{}\"\n",
        server.url("live/k3yoftop"),
        refuses.url("live/k3yoftop"),
    );
    std::fs::write(&config, text).unwrap();
    let mut relay = serve(&config);
    let command = format!("{OUTFLOW} top 127.0.0.1:{http}; echo ended $?; sleep 600");
    let Some(terminal) = Terminal::start(&command, &[("OUTFLOW_API_TOKEN", TOKEN)]) else { return };
    terminal.shows("waits input").await;
    let publishing = async {
        let mut publisher = loop {
            match Publisher::connect(&format!("rtmp://127.0.0.1:{rtmp}/live/show")).await {
                Ok(publisher) => break publisher,
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        };
        publisher.play(&made_up(10_000, 25, 4000), 0).await.unwrap();
    };
    let looking = async {
        let text = terminal.shows("● sending").await;
        assert!(text.contains("live/show") && text.contains("2 outputs, 1 sending"), "{text}");
        let text = terminal.shows("refused the publish").await;
        assert!(!text.contains("k3yoftop") && !text.contains(TOKEN), "{text}");
        terminal.press("t");
        terminal.shows("TRYv").await;
    };
    tokio::select! {
        () = looking => {}
        () = publishing => panic!("the publisher ended first"),
    }
    relay.kill().await;
    let text = terminal.shows("NO CONNECTION").await;
    assert!(text.contains("good"), "the last figures stay: {text}");
    let _again = serve(&config);
    let text = terminal.shows("waits input").await;
    assert!(!text.contains("NO CONNECTION"), "{text}");
    terminal.press("q");
    terminal.shows("ended 0").await;
}

#[tokio::test]
async fn without_a_terminal_it_says_where_programs_look() {
    let mut child = Command::new(OUTFLOW).arg("top").start();
    assert_eq!(child.wait_exit().await, 1);
    assert!(child.text().contains("http://127.0.0.1:1937/v1/outputs"), "{}", child.text());
}
