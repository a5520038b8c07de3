//! Secrets: made for each test, and looked for in everything that programs said, answered and were started with.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::path::Path;

use outflow_testkit::ingest::{Behaviour, Ingest};
use outflow_testkit::peers;
use outflow_testkit::proc::{Child, Command};
use outflow_testkit::publisher::Publisher;
use serde_json::json;

use crate::rig::{OUTFLOW, Serve, Setup, Show, output};

/// A secret that nothing else has.
pub(crate) fn fresh(name: &str) -> String {
    format!("{}-{:016x}", name.to_lowercase().replace('_', "-"), RandomState::new().build_hasher().finish())
}

/// Looks in what it said so far, in what the API answers, and in the process list.
pub(crate) async fn none_in(serve: &Serve) {
    none_said(&serve.program);
    none_listed(&serve.secrets);
    if !peers::listens(serve.http) {
        return;
    }
    let paths = ["streams", "outputs", "alerts", "groups", "players", "publishers", "health", "ready", "nothing"];
    for path in paths.iter().map(|path| format!("/v1/{path}")).chain(["/openapi.json".into(), "/metrics".into()]) {
        let answer = serve.get(&path).await;
        none(&path, &answer.body, &serve.secrets);
    }
}

/// Looks in every line that a program has said, also in those that are not kept.
pub(crate) fn none_said(program: &Child) {
    let leaks = program.output.look(|output| output.leaks.clone());
    assert!(leaks.is_empty(), "a secret was said: {leaks:#?}");
}

/// Looks in a text.
pub(crate) fn none(what: &str, text: &str, secrets: &[String]) {
    for secret in secrets {
        assert!(!text.contains(secret.as_str()), "{what} has the secret {secret}: {text}");
    }
}

/// Looks at the arguments of every process, but for the real encoders, into which the tests type URLs as users do.
pub(crate) fn none_listed(secrets: &[String]) {
    const TYPED: &[&str] = &["ffmpeg", "gst-launch", "obs", "xvfb-run", "nsenter"];
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        // It may have ended meanwhile.
        let Ok(words) = std::fs::read(entry.path().join("cmdline")) else { continue };
        let words = String::from_utf8_lossy(&words).replace('\0', " ");
        let program = words.split(' ').next().unwrap_or_default();
        let name = Path::new(program).file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !TYPED.iter().any(|typed| name.starts_with(typed)) {
            none(&format!("the process list ({})", entry.path().display()), &words, secrets);
        }
    }
}

#[tokio::test]
#[should_panic(expected = "a secret was said")]
async fn a_secret_that_is_said_is_found() {
    let secret = fresh("PLANTED");
    let mut program = Command::new("sh")
        .args(["-c", "echo \"it is $PLANTED\"; seq 3000"])
        .env("PLANTED", &secret)
        .secrets(std::slice::from_ref(&secret))
        .start();
    program.wait_exit().await;
    assert!(!program.text().contains(&secret), "the line is not kept any more, and found all the same");
    none_said(&program);
}

#[tokio::test]
#[should_panic(expected = "the process list")]
async fn a_secret_in_the_process_list_is_found() {
    let secret = fresh("TYPED");
    let program = Command::new("sh").args(["-c", "echo up; read x < /dev/zero", &secret]).start();
    program.wait_for_line("up").await;
    none_listed(&[secret]);
}

/// Everything that could make it say a secret: refusals that quote keys, wrong keys, userinfo, queries, all of the log.
#[tokio::test]
async fn no_secret_is_said_however_much_is_logged() {
    for json in [true, false] {
        let refusing = Ingest::start(Behaviour::RefusePublish("NetStream.Publish.BadName")).await;
        let closing = Ingest::start(Behaviour::RefuseConnect("NetConnection.Connect.Rejected", "no: wrong key")).await;
        let mut setup = Setup::new();
        setup.flags("--logs all@debug");
        let names = ["IN", "OLD", "PLAY", "OUT", "USER", "QUERY", "HOOK", "NAMED"];
        let secrets: Vec<String> = names.iter().map(|name| setup.secret(name)).collect();
        let file_key = fresh("FILE");
        std::fs::write(setup.folder.path().join("key"), format!("{file_key}\n")).unwrap();
        setup.secrets.push(file_key.clone());
        let [publish, _, _, _, user, query, hook, _] = secrets.as_slice() else { unreachable!() };
        setup.with_token();
        let mut text = format!(
            "[api]\ntoken = {{ env = \"API_TOKEN\" }}\n[secrets]\nnamed = {{ env = \"NAMED\" }}\n\
             [[stream]]\nname = \"live/show\"\npublish_key = [{{ env = \"IN\" }}, {{ env = \"OLD\" }}]\n\
             play_token = {{ env = \"PLAY\" }}\n\
             hooks = {{ on_done = \"http://user:{hook}@127.0.0.1:9/done?token={hook}\" }}\n"
        );
        let target = |server: &Ingest| server.address().to_string();
        text += &output("one", "live/show", &refusing.url("live"), "key = { env = \"OUT\" }");
        text += &output("two", "live/show", &refusing.url("live2"), "key = { file = \"key\" }");
        text += &output("three", "live/show", &closing.url("live"), "key = { secret = \"named\" }");
        text += &output("four", "live/show", &format!("rtmp://me:{user}@{}/app/k?auth={query}", target(&refusing)), "");
        text +=
            &output("five", "live/show", &format!("rtmp://127.0.0.1:9/app?auth={query}"), "key = { env = \"OUT\" }");
        setup.write(&text);
        if !json {
            // The lines for people are made elsewhere than the JSON lines.
            let words = format!("--config {} --rtmp 127.0.0.1:{} --http none", setup.path().display(), setup.rtmp);
            let command = Command::new(OUTFLOW).arg("serve").line(&words).line("--logs all@debug");
            let command = names.iter().zip(&secrets).fold(command, |command, (name, secret)| command.env(name, secret));
            let token = setup.secrets.last().unwrap().clone();
            let mut program = command.env("API_TOKEN", &token).secrets(&setup.secrets).start();
            program.wait_for_line("listening").await;
            let _show = Show::publish(&setup.url(&format!("live/{publish}"))).await;
            refusing.wait_for("four dials", |state| state.connections() >= 4).await;
            program.signal(rustix::process::Signal::TERM);
            assert_eq!(program.wait_exit().await, 0, "{}", program.text());
            none_said(&program);
            continue;
        }
        let mut serve = setup.start().await;
        let told = serve.events_of_the_api().await;
        for path in [format!("live/{publish}x"), format!("live/show?key={publish}x"), format!("{publish}/{publish}")] {
            let error = Publisher::connect(&setup.url(&path)).await.err().expect("a wrong key is refused");
            // A peer is told no more than it said.
            none("the refusal", &error.to_string(), &secrets);
        }
        let player = outflow_testkit::player::Player::connect(&setup.url("live/show?token=wrong")).await;
        assert!(player.is_err());
        let show = Show::publish(&setup.url(&format!("live/show?key={publish}"))).await;
        for name in ["one", "two", "three", "four", "five"] {
            serve.until_state(name, "backoff").await;
        }
        // Requests that are wrong, and have secrets in them.
        let [_, _, _, out, user, query, ..] = secrets.as_slice() else { unreachable!() };
        for new in [
            json!({ "stream": "live/show", "url": format!("http://me:{user}@127.0.0.1/live?k={query}") }),
            json!({ "stream": format!("{out}/../{out}"), "url": "rtmp://127.0.0.1:9/live" }),
            json!({ "stream": "live/show", "url": "rtmp://127.0.0.1:9/live", "key": { "secret": out } }),
            json!({ "stream": "live/show", "url": "rtmp://127.0.0.1:9/live", "key": format!("env@{out}") }),
            json!({ "stream": "live/show", "url": "rtmp://127.0.0.1:9/live", "options": { "max_lag": out } }),
        ] {
            let answer = serve.ask("POST", "/v1/outputs", Some(&new)).await;
            assert_eq!(answer.status, 422, "{}", answer.body);
            none("the answer", &answer.body, &setup.secrets);
        }
        let token = serve.token.replace(format!("{out}x"));
        let answer = serve.get("/v1/outputs").await;
        assert_eq!(answer.status, 401, "{}", answer.body);
        none("the answer", &answer.body, &setup.secrets);
        serve.token = token;
        // A mistake in a line that has a secret.
        let wrong = text.replace("/done?token=", "/done ?token=") + "[[output]]\nkey = 5\n";
        serve.rewrite(&setup, &wrong, "not in force").await;
        let mut check = setup.words(Command::new(OUTFLOW)).arg("--check").start();
        assert_eq!(check.wait_exit().await, 2, "{}", check.text());
        none_said(&check);
        drop(show);
        serve.end().await;
        let told = told.await.unwrap();
        assert!(told.contains("backoff"), "{told}");
        none("/v1/events", &told, &setup.secrets);
    }
}
