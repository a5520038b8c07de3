//! Outputs through the API's methods: added, changed, stopped, started, removed, kept over a restart.

use outflow::relay::{Command, Fault};
use outflow_testkit::ingest::{Behaviour, Ingest};
use outflow_testkit::wait::until;
use serde_json::json;

use crate::rig::{Rig, config, output_rule, request, rule};

#[tokio::test]
async fn an_output_may_be_there_before_its_stream() {
    let rig = Rig::start(config());
    let server = Ingest::start(Behaviour::Good).await;
    let made = rig
        .relay
        .add_output(request(
            json!({ "stream": "live/show", "url": server.url("app"), "key": "s3cret-key", "name": "one" }),
        ))
        .unwrap();
    assert_eq!((made.state, made.origin, made.stream.as_str()), ("waiting_input", "api", "live/show"));
    assert!(!format!("{made:?}").contains("s3cret"), "{made:?}");
    let show = rig.publish("live/show").await;
    rig.until_state("one", "live").await;
    server.wait_for_media(0, 100).await;
    assert_eq!(server.session(0).call("publish").unwrap()[3], outflow_testkit::wire::text("s3cret-key"));
    // The encoder ends its broadcast: so does the output, and it waits for the next.
    show.finish().await;
    rig.until_state("one", "waiting_input").await;
    let _again = rig.publish("live/show").await;
    rig.until_state("one", "live").await;
    rig.relay.remove_output("one").unwrap();
    assert_eq!(rig.relay.remove_output("one"), Err(Fault::NotFound));
    assert!(rig.relay.output("one").is_none());
    server.state.wait_for("the push to end", |state| (state.open == 0).then_some(())).await;
    assert!(!rig.said().contains("s3cret"));
}

#[tokio::test]
async fn one_output_is_stopped_and_started_without_the_other_noticing() {
    let server = Ingest::start(Behaviour::Good).await;
    let outputs = vec![
        output_rule("stays", "live/show", &server.url("live/stays")),
        output_rule("changes", "live/show", &server.url("live/changes")),
    ];
    let rig = Rig::start(outflow::config::Config { outputs, ..config() });
    let _show = rig.publish("live/show").await;
    rig.until_state("stays", "live").await;
    rig.until_state("changes", "live").await;
    for _ in 0..3 {
        rig.relay.command("changes", Command::Stop).unwrap();
        rig.until_state("changes", "stopped").await;
        rig.relay.command("changes", Command::Start).unwrap();
        rig.until_state("changes", "live").await;
    }
    assert_eq!(rig.relay.output("stays").unwrap().attempt, 1);
    assert_eq!(server.state.look(|state| state.connections()), 5);
    assert_eq!(rig.relay.remove_output("stays"), Err(Fault::OwnedByFile));
    assert_eq!(rig.relay.command("nobody", Command::Start), Err(Fault::NotFound));
}

#[tokio::test]
async fn a_source_that_is_cut_off_and_returns_goes_on_in_the_same_connection() {
    let server = Ingest::start(Behaviour::Good).await;
    let outputs = vec![output_rule("one", "live/show", &server.url("live/one"))];
    let rig = Rig::start(outflow::config::Config { outputs, ..config() });
    let show = rig.publish("live/show").await;
    rig.until_state("one", "live").await;
    server.wait_for_media(0, 50).await;
    show.cut();
    until("the publisher to be gone", || rig.relay.publishers().is_empty()).await;
    let before = server.session(0).tags().len();
    let _again = rig.publish("live/show").await;
    server.wait_for_media(0, before + 100).await;
    assert_eq!(rig.relay.output("one").unwrap().attempt, 1);
    outflow_testkit::compare::monotonic(&server.session(0).tags()).unwrap();
}

#[tokio::test]
async fn a_broadcast_shorter_than_the_delay_is_sent_whole() {
    let server = Ingest::start(Behaviour::Good).await;
    let mut delayed = output_rule("later", "live/show", &server.url("live/one"));
    let delay = std::time::Duration::from_secs(2);
    delayed.options.push(("delay", outflow::options::Value::Duration(delay)));
    let rig = Rig::start(outflow::config::Config { outputs: vec![delayed], ..config() });
    let tags = outflow_testkit::media::made_up(50, 25, 1000);
    let frames = tags.iter().filter(|tag| tag.is_frame()).count();
    let publisher = outflow_testkit::publisher::Publisher::connect(&rig.url("live/show")).await.unwrap();
    crate::rig::Show::run(publisher, tags).all_sent().await;
    let ended = std::time::Instant::now();
    server.state.wait_for("the whole of it", |state| state.sessions.iter().find(|all| all.unpublished).map(drop)).await;
    assert!(ended.elapsed() > delay / 2, "it was held back");
    let sent = server.session(0).tags().iter().filter(|tag| tag.is_frame()).count();
    assert_eq!(sent, frames);
    rig.until_state("later", "waiting_input").await;
}

#[tokio::test]
async fn an_output_goes_over_to_another_stream_in_its_connection() {
    let server = Ingest::start(Behaviour::Good).await;
    let rig = Rig::start(config());
    let json = json!({ "stream": "live/main", "url": server.url("live/k"), "name": "one" });
    rig.relay.add_output(request(json)).unwrap();
    let (_main, _backup) = (rig.publish("live/main").await, rig.publish("live/backup").await);
    rig.until_state("one", "live").await;
    server.wait_for_media(0, 50).await;
    for to in ["live/backup", "live/main", "live/backup"] {
        let patch = serde_json::from_value(json!({ "stream": to })).unwrap();
        assert_eq!(rig.relay.patch_output("one", patch).unwrap().stream, to);
        let so_far = server.session(0).media_messages;
        server.wait_for_media(0, so_far + 100).await;
    }
    outflow_testkit::compare::monotonic(&server.session(0).tags()).unwrap();
    assert_eq!(server.state.look(|state| state.connections()), 1);
    let headers = server.session(0).tags().iter().filter(|tag| tag.kind == 9 && tag.is_sequence_header()).count();
    assert_eq!(headers, 4, "new headers with each source");
}

#[tokio::test]
async fn wrong_requests_say_what_is_wrong() {
    let server = Ingest::start(Behaviour::Good).await;
    let mut config = config();
    config.streams = vec![rule("live/*")];
    config.outputs = vec![output_rule("taken", "live/show", &server.url("live/k"))];
    let rig = Rig::start(config);
    let own = rig.url("live/x");
    let fault = |json: serde_json::Value| rig.relay.add_output(request(json)).unwrap_err();
    let field = |json: serde_json::Value| match fault(json) {
        Fault::Invalid { field, .. } => field,
        other => panic!("{other:?}"),
    };
    let url = server.url("live/other");
    assert_eq!(field(json!({ "stream": "live/a", "url": "/etc/passwd" })), "url");
    assert_eq!(field(json!({ "stream": "live/a", "url": "file:///etc/passwd" })), "url");
    assert_eq!(field(json!({ "stream": "live/a", "url": "rtmp://" })), "url");
    assert_eq!(field(json!({ "stream": "live/../a", "url": url })), "stream");
    assert_eq!(field(json!({ "stream": "else/a", "url": url })), "stream");
    assert_eq!(field(json!({ "stream": "live/a", "url": url, "key": "file@/etc/passwd" })), "key");
    assert_eq!(field(json!({ "stream": "live/a", "url": url, "key": { "secret": "NONE" } })), "key.secret");
    assert_eq!(field(json!({ "stream": "live/a", "url": url, "name": "a/b" })), "name");
    assert_eq!(field(json!({ "stream": "live/a", "url": url, "options": { "max_lgg": "1s" } })), "options.max_lgg");
    assert_eq!(field(json!({ "stream": "live/a", "url": url, "options": { "max_lag": [] } })), "options.max_lag");
    assert_eq!(field(json!({ "stream": "live/a", "url": url, "options": { "ca": "/etc/passwd" } })), "options.ca");
    for conflict in [
        json!({ "stream": "live/a", "url": url, "name": "taken" }),
        json!({ "stream": "live/a", "url": server.url("live/k"), "name": "twin" }),
        json!({ "stream": "live/x", "url": own, "name": "loop" }),
    ] {
        assert!(matches!(fault(conflict.clone()), Fault::Conflict(_)), "{conflict}");
    }
    assert_eq!(rig.relay.outputs().len(), 1);
}

#[tokio::test]
async fn groups_start_and_stop_together() {
    let server = Ingest::start(Behaviour::Good).await;
    let mut outputs = Vec::new();
    for name in ["a", "b", "c"] {
        let mut rule = output_rule(name, "live/show", &server.url(&format!("live/{name}")));
        rule.auto_start = name == "c";
        rule.groups = if name == "c" { vec![] } else { vec!["social".into()] };
        outputs.push(rule);
    }
    let rig = Rig::start(outflow::config::Config { outputs, ..config() });
    let show = rig.publish("live/show").await;
    rig.until_state("c", "live").await;
    assert_eq!((rig.relay.output("a").unwrap().state, rig.relay.output("b").unwrap().state), ("idle", "idle"));
    assert_eq!(rig.relay.groups()[0].outputs, ["a", "b"]);
    rig.relay.group_command("social", Command::Start).unwrap();
    rig.until_state("a", "live").await;
    rig.until_state("b", "live").await;
    // Started by hand, and with auto stop: the end of the broadcast is theirs.
    show.finish().await;
    rig.until_state("a", "stopped").await;
    rig.until_state("c", "waiting_input").await;
    let _show = rig.publish("live/show").await;
    rig.until_state("c", "live").await;
    assert_eq!(rig.relay.output("a").unwrap().state, "stopped");
    assert_eq!(rig.relay.group_command("none", Command::Stop), Err(Fault::NotFound));
}

#[tokio::test]
async fn a_failure_for_good_waits_for_a_command() {
    let server = Ingest::start(Behaviour::RefusePublish("NetStream.Publish.Denied")).await;
    let rig = Rig::start(config());
    let json = json!({ "stream": "live/show", "url": server.url("live/k"), "name": "x",
        "options": { "retries": 1, "retry": "100ms", "retry_max": "100ms" } });
    rig.relay.add_output(request(json)).unwrap();
    let _show = rig.publish("live/show").await;
    let failed = rig.until_state("x", "failed").await;
    assert_eq!(failed.reason.unwrap().code, "refused");
    server.set_behaviours([Behaviour::Good]);
    rig.relay.command("x", Command::Retry).unwrap();
    rig.until_state("x", "live").await;
}

#[tokio::test]
async fn what_the_api_made_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let server = Ingest::start(Behaviour::Good).await;
    let mut config = config();
    config.state_file = Some(folder.path().join("state.json"));
    config.outputs = vec![output_rule("filed", "live/show", &server.url("live/filed"))];
    config.secrets.insert("K".into(), outflow::secret::Secret::new("named-k3y"));
    {
        let rig = Rig::start(config.clone());
        let json = json!({ "stream": "live/show", "url": server.url("live"), "key": { "secret": "K" }, "name": "made",
            "groups": ["g"] });
        rig.relay.add_output(request(json)).unwrap();
        rig.relay.command("filed", Command::Stop).unwrap();
        rig.until_state("filed", "stopped").await;
        // As after kill -9: nothing is tidied up.
        std::mem::forget(rig);
    }
    let kept = std::fs::read_to_string(folder.path().join("state.json")).unwrap();
    assert!(!kept.contains("named-k3y"), "{kept}");
    let mut taken = config.clone();
    taken.outputs.push(output_rule("made", "live/other", &server.url("live/other")));
    {
        // The file has the name now: its output counts, and the other is told of.
        let rig = Rig::start(taken);
        let made = rig.relay.output("made").unwrap();
        assert_eq!((made.origin, made.stream.as_str()), ("file", "live/other"));
        assert!(rig.said().contains("which counts"), "{}", rig.said());
    }
    let rig = Rig::start(config);
    let made = rig.relay.output("made").unwrap();
    assert_eq!((made.origin, made.groups.as_slice()), ("api", &["g".to_owned()][..]));
    assert_eq!(rig.relay.output("filed").unwrap().state, "stopped");
    let _show = rig.publish("live/show").await;
    rig.until_state("made", "live").await;
    until("the key", || server.state.look(|state| state.connections()) == 1).await;
    assert_eq!(server.session(0).call("publish").unwrap()[3], outflow_testkit::wire::text("named-k3y"));
    assert_eq!(rig.relay.output("filed").unwrap().state, "stopped");
}
