//! `-pump=io_uring` among words, and `serve --pump=io_uring`: it is used, and players get what they get without it.

use std::time::Duration;

use outflow::net::pump::Backend;
use outflow_testkit::flv::Tag;
use outflow_testkit::free_port;
use outflow_testkit::media::made_up;
use outflow_testkit::player::Player;
use outflow_testkit::proc::{Child, Command};
use outflow_testkit::publisher::{Publisher, published};
use outflow_testkit::wait::DEADLINE;

use crate::rig::{OUTFLOW, Setup};

/// More than the few that are measured, and so do not ride.
const PLAYERS: usize = 12;
const MESSAGES: usize = 60;

/// Rings that a program has.
fn rings(program: &Child) -> usize {
    let entries = std::fs::read_dir(format!("/proc/{}/fd", program.id())).unwrap();
    let links = entries.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    links.filter(|link| link.to_string_lossy().contains("io_uring")).count()
}

/// All who play `url` while it is published get a stretch of it, every message in its order.
async fn everybody_has_it(publish: &str, play: &str) {
    let sent = made_up(2000, 10, 3000);
    let mut publisher = Publisher::connect(publish).await.unwrap();
    let (began, begun) = tokio::sync::oneshot::channel();
    let media = sent.clone();
    let sending = tokio::spawn(async move {
        let mut began = Some(began);
        for (number, tag) in media.iter().enumerate() {
            if publisher.send_tag(tag, 0).await.is_err() {
                return;
            }
            if number == 20 {
                let _ = began.take().map(|began| began.send(()));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    begun.await.unwrap();
    let bodies = |tags: &[Tag], of: fn(&Tag) -> bytes::Bytes| -> Vec<_> {
        tags.iter().filter(|tag| matches!(tag.kind, 8 | 9)).map(of).collect()
    };
    let sent = bodies(&sent, published);
    let mut players = Vec::new();
    for _ in 0..PLAYERS {
        players.push(Player::connect(play).await.unwrap());
    }
    for player in &players {
        let got = bodies(&player.wait_for_media(MESSAGES).await, |tag| tag.body.clone());
        // The headers of both come first, whatever comes next.
        let got = &got[2..];
        let begin = sent.iter().position(|body| *body == got[0]).expect("it was sent");
        assert_eq!(got, &sent[begin..begin + got.len()]);
    }
    sending.abort();
}

/// Where the system refuses it the program says so, and ends.
async fn refused(command: Command) -> bool {
    let Err(error) = Backend::IoUring.check() else { return false };
    let mut program = command.start();
    assert_eq!(program.wait_exit_within(DEADLINE).await, 2);
    assert!(program.text().contains("the system refuses io_uring"), "{error}: {}", program.text());
    true
}

#[tokio::test]
async fn words_ask_for_io_uring_and_players_see_no_difference() {
    for (way, count) in [("calls", 0), ("io_uring", 1)] {
        let (input, output) = (free_port(), free_port());
        let command = || {
            Command::new(OUTFLOW).line(&format!(
                "-pump={way} -i rtmp://127.0.0.1:{input}/live:gpac:rtmp_listen=1 \
                 -o rtmp://127.0.0.1:{output}/live:gpac:rtmp_listen=1"
            ))
        };
        if count > 0 && refused(command()).await {
            return;
        }
        let program = command().start();
        for port in [input, output] {
            program.wait_for_line(&format!("listening on 127.0.0.1:{port}")).await;
        }
        assert_eq!(rings(&program), count, "{way}");
        everybody_has_it(&format!("rtmp://127.0.0.1:{input}/live/x"), &format!("rtmp://127.0.0.1:{output}/live/x"))
            .await;
    }
}

#[tokio::test]
async fn a_relay_is_told_to_use_io_uring() {
    let mut setup = Setup::new();
    setup.flags("--pump io_uring");
    setup.write("[[stream]]\nname = \"live/*\"\npublish_key = \"none\"\n");
    if refused(setup.words(Command::new(OUTFLOW))).await {
        return;
    }
    let serve = setup.start().await;
    assert_eq!(rings(&serve.program), 1);
    everybody_has_it(&setup.url("live/x"), &setup.url("live/x")).await;
}
