//! Reloads while a show runs: outputs that did not change keep their connection and an unbroken sequence of packets.

use outflow_testkit::compare::compare;
use outflow_testkit::ingest::{Behaviour, Ingest};

use crate::rig::{Setup, Show, output};

/// Three outputs that stay; `change` makes everything else differ from one reload to the next.
fn text(servers: &[Ingest], change: usize) -> String {
    let mut text =
        "[[stream]]\nname = \"live/show\"\npublish_key = [{ env = \"KEY\" }, { env = \"NEXT_KEY\" }]\n".to_owned();
    if change % 2 == 1 {
        text += "play_token = { env = \"TOKEN\" }\n";
    }
    let stay = servers.iter().enumerate().take(3);
    let mut parts: Vec<String> = stay
        .map(|(number, server)| output(&format!("stays{number}"), "live/show", &server.url("live/k"), ""))
        .collect();
    // One more comes, changes and goes.
    match change % 4 {
        1 | 2 => {
            let url = servers[3].url(&format!("live/{}", change % 4));
            parts.push(output("comes", "live/show", &url, &format!("max_lag = \"{}s\"", 2 + change % 3)));
        }
        _ => {}
    }
    // The order of a file means nothing to outputs.
    let turned = change % parts.len();
    parts.rotate_left(turned);
    text + &parts.concat()
}

async fn reloads(times: usize) {
    let mut setup = Setup::new();
    let key = setup.secret("KEY");
    setup.secret("NEXT_KEY");
    setup.secret("TOKEN");
    let mut servers = Vec::new();
    for _ in 0..4 {
        servers.push(Ingest::start(Behaviour::Good).await);
    }
    setup.write(&text(&servers, 0));
    let relay = setup.start().await;
    let show = Show::publish(&setup.url(&format!("live/show?key={key}"))).await;
    for server in servers.iter().take(3) {
        server.wait_for_media(0, 25).await;
    }
    for change in 1..=times {
        // A bad file changes nothing either.
        let bad = change % 10 == 9;
        let more = if bad { "[[output]]\nnonsense = 1\n" } else { "" };
        let says = if bad { "not in force" } else { "reloaded: " };
        relay.rewrite(&setup, &(text(&servers, change) + more), says).await;
    }
    for (number, server) in servers.iter().take(3).enumerate() {
        // It still flows ...
        let before = server.session(0).media_messages;
        server.wait_for_media(0, before + 25).await;
        // ... in the connection of the beginning, with no packet missing.
        assert_eq!(server.state.look(|state| state.connections()), 1, "stays{number} was dialled again");
        assert_eq!(relay.attempts(&format!("stays{number}")), 1);
        let found = compare(&show.tags, &server.session(0).tags()).unwrap_or_else(|why| panic!("stays{number}: {why}"));
        assert!(found.video > 25, "{found:?}");
    }
    assert!(servers[3].state.look(|state| state.connections()) > 0, "the one that comes and goes was never dialled");
    relay.end().await;
}

#[tokio::test]
async fn outputs_that_did_not_change_do_not_notice_a_thousand_reloads() {
    reloads(1000).await;
}
