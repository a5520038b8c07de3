//! `kill -9` of `serve`: with its state file everything is as it was, and a stopped output stays stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use outflow_testkit::ingest::{Behaviour, Ingest};
use outflow_testkit::wire::text;
use serde_json::json;

use crate::rig::{Setup, Show, output};
use crate::secrets;

#[tokio::test]
async fn outputs_of_the_api_are_there_after_kill_9_and_stopped_ones_stay_stopped() {
    let server = Ingest::start(Behaviour::Good).await;
    let mut setup = Setup::new();
    let (key, named) = (setup.secret("INGEST_KEY"), setup.secret("NAMED"));
    // Known to the API alone.
    let literal = secrets::fresh("LITERAL");
    setup.secrets.push(literal.clone());
    setup.with_token().with_state();
    setup.write(
        &("[api]\ntoken = { env = \"API_TOKEN\" }\n[secrets]\nnamed = { env = \"NAMED\" }\n\
           [[stream]]\nname = \"live/show\"\npublish_key = { env = \"INGEST_KEY\" }\n"
            .to_owned()
            + &output("filed", "live/show", &server.url("live/filed"), "")
            + &output("filed-stopped", "live/show", &server.url("live/no"), "")
            + &output("by-hand", "live/show", &server.url("live/by-hand"), "auto_start = false")),
    );
    let url = setup.url(&format!("live/{key}"));
    let mut relay = setup.start().await;
    let made = [
        json!({ "stream": "live/show", "url": server.url("live"), "key": literal, "name": "literal" }),
        json!({ "stream": "live/show", "url": server.url("live"), "key": { "secret": "named" }, "name": "named" }),
        json!({ "stream": "live/show", "url": server.url("live/no2"), "name": "made-stopped" }),
    ];
    for new in &made {
        let answer = relay.ask("POST", "/v1/outputs", Some(new)).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        secrets::none("the answer", &answer.body, &setup.secrets);
    }
    for path in ["filed-stopped/stop", "made-stopped/stop", "by-hand/start"] {
        let answer = relay.ask("POST", &format!("/v1/outputs/{path}"), None).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    for round in 0..3 {
        let show = Show::publish(&url).await;
        for name in ["filed", "literal", "named", "by-hand"] {
            relay.until_state(name, "live").await;
        }
        server
            .wait_for("media on every output", |state| {
                let flowing = state.sessions.iter().skip(round * 4).filter(|session| session.media_messages > 10);
                flowing.count() == 4
            })
            .await;
        let all = relay.get("/v1/outputs").await.json();
        let state = |name: &str| {
            let output = all.as_array().unwrap().iter().find(|output| output["name"] == name).unwrap();
            output["state"].as_str().unwrap().to_owned()
        };
        assert_eq!((state("filed-stopped"), state("made-stopped")), ("stopped".into(), "stopped".into()));
        let mut names: Vec<_> = server.state.look(|state| {
            let calls = state.sessions.iter().skip(round * 4).filter_map(|session| session.call("publish"));
            calls.map(|call| call[3].clone()).collect()
        });
        for name in [&literal, &named, "filed", "by-hand"] {
            let at = names.iter().position(|sent| *sent == text(name)).unwrap_or_else(|| panic!("{names:?}"));
            names.remove(at);
        }
        relay.kill().await;
        drop(show);
        relay = setup.start().await;
        server.wait_for("the old connections to be gone", |state| state.open == 0).await;
    }
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(setup.state()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "it holds a key");
    relay.end().await;
}

/// Killed in the middle of changes: what was answered is kept, and the file is always whole.
async fn killed_while_it_changes(times: usize) {
    let mut setup = Setup::new();
    setup.with_token().with_state();
    setup.write("[api]\ntoken = { env = \"API_TOKEN\" }\n[limits]\noutputs = \"100k\"\n[[stream]]\nname = \"live/*\"\npublish_key = \"none\"\n");
    let mut kept = std::collections::BTreeSet::new();
    let mut relay = setup.start().await;
    for round in 0..times {
        let there: std::collections::BTreeSet<String> = relay
            .get("/v1/outputs")
            .await
            .json()
            .as_array()
            .unwrap()
            .iter()
            .map(|output| output["name"].as_str().unwrap().to_owned())
            .collect();
        assert!(kept.is_subset(&there), "lost in round {round}: {:?}", kept.difference(&there));
        assert!(there.len() <= kept.len() + 1, "more than was asked for: {:?}", there.difference(&kept));
        kept = there;
        let pid = rustix::process::Pid::from_raw(i32::try_from(relay.program.id()).unwrap()).unwrap();
        // At a moment that nobody chose: while requests are under way.
        let answered = Arc::new(AtomicUsize::new(0));
        let seen = answered.clone();
        let killer = std::thread::spawn(move || {
            while seen.load(Ordering::Relaxed) <= round % 7 {
                std::thread::yield_now();
            }
            std::thread::sleep(Duration::from_micros(230 * u64::try_from(round % 40).unwrap()));
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        });
        for number in 0.. {
            let name = format!("o{round}-{number}");
            let new = json!({ "stream": "live/show", "url": format!("rtmp://127.0.0.1:9/live/{name}"), "name": name });
            match relay.try_ask("POST", "/v1/outputs", Some(&new)).await {
                Ok(answer) => {
                    assert_eq!(answer.status, 201, "{}", answer.body);
                    kept.insert(name);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                Err(_) => break,
            }
        }
        killer.join().unwrap();
        relay.program.wait_exit().await;
        relay = setup.start().await;
    }
    assert!(kept.len() >= times);
    relay.end().await;
}

#[tokio::test]
async fn what_the_api_answered_survives_kill_9() {
    killed_while_it_changes(6).await;
}

#[tokio::test]
#[ignore = "a minute: scripts/test-long"]
async fn what_the_api_answered_survives_kill_9_a_hundred_times() {
    killed_while_it_changes(100).await;
}
