//! What each endpoint does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use outflow::config::{Config, OutputRule, Pattern};
use outflow::relay::view::Applied;
use outflow_testkit::media::made_up;
use outflow_testkit::publisher::Publisher;
use outflow_testkit::wait::until;
use serde_json::{Value, json};

use crate::rig::{Rig, config};

fn new(name: &str) -> Value {
    json!({
        "stream": "live/cam", "url": format!("rtmp://127.0.0.1:9/app/{name}s3cret"), "name": name, "groups": ["all"],
        "options": { "retry": "1h" },
    })
}

#[tokio::test]
async fn health_and_readiness() {
    let rig = Rig::start(config());
    let health = rig.get("/v1/health").await;
    assert_eq!(health.status, 200);
    assert_eq!(health.json()["status"], "ok");
    assert_eq!(health.json()["version"], env!("CARGO_PKG_VERSION"));
    assert!(health.json()["uptime"].is_u64());
    assert_eq!(rig.get("/v1/ready").await.json(), json!({ "status": "ready" }));
    rig.relay.drain().await;
    let ready = rig.get("/v1/ready").await;
    assert_eq!((ready.status, ready.code().as_str()), (503, "not_ready"));
    assert_eq!(rig.get("/v1/health").await.status, 200);
}

#[tokio::test]
async fn an_output_from_its_making_to_its_end() {
    let rig = Rig::start(config());
    let made = rig.send("POST /v1/outputs", &new("one")).await;
    assert_eq!(made.status, 201, "{}", made.body);
    assert!(made.head.contains("location: /v1/outputs/one\r\n"), "{}", made.head);
    let output = made.json();
    assert_eq!(
        (&output["id"], &output["origin"], &output["stream"]),
        (&json!("one"), &json!("api"), &json!("live/cam"))
    );
    assert!(!made.body.contains("s3cret"), "{}", made.body);
    assert_eq!(rig.get("/v1/outputs").await.json().as_array().unwrap().len(), 1);
    assert_eq!(rig.get("/v1/outputs/one").await.json()["name"], "one");

    let patched = rig.send("PATCH /v1/outputs/one", &json!({ "groups": ["few"], "auto_stop": false })).await;
    assert_eq!((patched.status, &patched.json()["groups"]), (200, &json!(["few"])));
    assert_eq!(patched.json()["auto_stop"], false);
    assert_eq!(rig.get("/v1/groups").await.json(), json!([{ "name": "few", "outputs": ["one"] }]));

    for (path, state) in [("stop", "stopped"), ("start", "waiting_input"), ("retry", "waiting_input")] {
        let told = rig.post(&format!("/v1/outputs/one/{path}")).await;
        assert_eq!((told.status, &told.json()["id"]), (200, &json!("one")), "{path}: {}", told.body);
        until(state, || rig.relay.output("one").is_some_and(|output| output.state == state)).await;
    }
    for path in ["stop", "start", "retry"] {
        let told = rig.post(&format!("/v1/groups/few/{path}")).await;
        assert_eq!((told.status, told.json().as_array().unwrap().len()), (200, 1), "{path}");
        assert_eq!(rig.post(&format!("/v1/groups/none/{path}")).await.code(), "not_found");
    }

    let gone = rig.delete("/v1/outputs/one").await;
    assert_eq!((gone.status, gone.body.as_str()), (204, ""));
    assert_eq!(rig.delete("/v1/outputs/one").await.status, 404);
    until("the output is gone", || rig.relay.output("one").is_none()).await;
    for answer in [
        rig.get("/v1/outputs/one").await,
        rig.send("PATCH /v1/outputs/one", &json!({})).await,
        rig.post("/v1/outputs/one/start").await,
    ] {
        assert_eq!((answer.status, answer.code().as_str()), (404, "not_found"));
    }
}

#[tokio::test]
async fn outputs_of_the_file_belong_to_the_file() {
    let rule = OutputRule {
        name: "file".into(),
        stream: Pattern::parse("live/*").unwrap(),
        url: "rtmp://127.0.0.1:9/app/${name}s3cret".into(),
        key: None,
        options: Vec::new(),
        groups: Vec::new(),
        auto_start: true,
        auto_stop: true,
    };
    let rig = Rig::start(Config { outputs: vec![rule], ..config() });
    let mut publisher = Publisher::connect(&format!("rtmp://{}/live/cam", rig.rtmp.address)).await.unwrap();
    until("the instance of the pattern", || rig.relay.output("file@live/cam").is_some()).await;
    // The id holds a slash, which stands in the path as %2F.
    let path = "/v1/outputs/file%40live%2Fcam";
    assert_eq!(rig.get(path).await.json()["id"], "file@live/cam");
    assert_eq!(rig.get("/v1/outputs/file@live%2fcam").await.status, 200);
    for answer in [rig.delete(path).await, rig.send(&format!("PATCH {path}"), &json!({})).await] {
        assert_eq!((answer.status, answer.code().as_str()), (409, "owned_by_file"));
    }
    assert_eq!(rig.post(&format!("{path}/stop")).await.status, 200, "but it may be stopped");
    until("it is stopped", || rig.relay.output("file@live/cam").is_some_and(|it| it.state == "stopped")).await;

    // The same stream, its publisher and nobody who plays.
    for tag in made_up(5, 25, 100) {
        publisher.send_tag(&tag, 0).await.unwrap();
    }
    until("media came", || rig.relay.stream("live/cam").is_some_and(|stream| stream.live)).await;
    let stream = rig.get("/v1/streams/live/cam").await.json();
    assert_eq!((&stream["id"], &stream["live"]), (&json!("live/cam"), &json!(true)));
    assert_eq!(rig.get("/v1/streams").await.json()[0]["id"], "live/cam");
    for path in ["/v1/streams/live/other", "/v1/streams/live", "/v1/streams/", "/v1/streams/a/b/c"] {
        assert_eq!(rig.get(path).await.status, 404, "{path}");
    }
    assert_eq!(rig.get("/v1/players").await.json(), json!([]));
    let publishers = rig.get("/v1/publishers").await.json();
    assert_eq!(publishers[0]["stream"], "live/cam");
    let kick = format!("/v1/publishers/{}", publishers[0]["id"]);
    assert_eq!(rig.delete(&kick).await.status, 204);
    until("the publisher is gone", || rig.relay.publishers().is_empty()).await;
    assert_eq!(rig.delete(&kick).await.code(), "not_found");
    for path in ["/v1/players/1", "/v1/players/x", "/v1/players/-1", "/v1/publishers/99999999999999999999"] {
        assert_eq!(rig.delete(path).await.code(), "not_found", "{path}");
    }
}

#[tokio::test]
async fn mistakes_are_told_with_field_and_mend_and_without_the_key() {
    let rig = Rig::start(config());
    assert_eq!(rig.send("POST /v1/outputs", &new("one")).await.status, 201);
    let with = |field: &str, value: Value| {
        let mut body = new("two");
        body[field] = value;
        body
    };
    let mut twin = new("one");
    twin["name"] = json!("other");
    for (body, status, field) in [
        (json!({}), 422, "stream"),
        (with("stream", json!("nosuch/cam")), 422, "stream"),
        (with("url", json!("http://h/s3cret")), 422, "url"),
        (with("url", json!("file:///s3cret")), 422, "url"),
        (with("key", json!("file@/etc/s3cret")), 422, "key"),
        (with("key", json!({ "secret": "nosuch" })), 422, "key.secret"),
        (with("key", json!({ "path": "s3cret" })), 422, "key"),
        (with("auto_start", json!("s3cret")), 422, "auto_start"),
        (with("options", json!({ "max_lagg": "s3cret" })), 422, ""),
        (with("flavour", json!("s3cret")), 422, "flavour"),
        (with("name", json!("one")), 409, ""),
        (twin, 409, ""),
    ] {
        let answer = rig.send("POST /v1/outputs", &body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
        assert!(!answer.code().is_empty() && !answer.body.contains("s3cret"), "{}", answer.body);
        assert!(field.is_empty() || answer.json()["errors"][0]["field"] == field, "{body}: {}", answer.body);
    }
    assert_eq!(rig.relay.outputs().len(), 1);
}

#[tokio::test]
async fn a_reload_tells_what_it_did_or_every_mistake() {
    let good = Arc::new(AtomicBool::new(true));
    let says = good.clone();
    let reload = Arc::new(move || match says.load(Ordering::Relaxed) {
        true => Ok(Applied { unchanged: 3, ..Applied::default() }),
        false => Err(vec!["outflow.toml:3:1: one".into(), "outflow.toml:4:1: two".into()]),
    });
    let rig = Rig::start_with(config(), reload, Duration::from_secs(10));
    let done = rig.post("/v1/reload").await;
    assert_eq!((done.status, &done.json()["unchanged"]), (200, &json!(3)));
    good.store(false, Ordering::Relaxed);
    let failed = rig.post("/v1/reload").await;
    assert_eq!((failed.status, failed.code().as_str()), (422, "invalid"));
    assert_eq!(
        failed.json()["errors"],
        json!([{ "problem": "outflow.toml:3:1: one" }, { "problem": "outflow.toml:4:1: two" }])
    );
}

#[tokio::test]
async fn a_reload_that_hangs_holds_nothing_up() {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let reload = Arc::new(move || {
        let _ = held.lock().unwrap().recv();
        Ok(Applied::default())
    });
    let rig = Rig::start_with(config(), reload, Duration::from_secs(10));
    let reloading = rig.post("/v1/reload");
    let asking = async {
        assert_eq!(rig.get("/v1/outputs").await.status, 200);
        drop(release);
    };
    assert_eq!(tokio::join!(reloading, asking).0.status, 200);
}
