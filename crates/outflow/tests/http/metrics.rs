//! `/metrics`: names, labels, no key, series that go with their output, and what Prometheus' own tool says.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use outflow_testkit::ingest::{Behaviour, Ingest};
use outflow_testkit::media::made_up;
use outflow_testkit::player::Player;
use outflow_testkit::publisher::Publisher;
use outflow_testkit::wait::until;
use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::rig::{Rig, config};

const KEY: &str = "s3cret";

/// Runs `promtool` with this on its standard input; `None` where it is not installed.
async fn promtool(arguments: &[&str], input: &str) -> Option<(bool, String)> {
    let child = tokio::process::Command::new("promtool")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    let Ok(mut child) = child else {
        eprintln!("skipped: promtool is not installed (Debian: prometheus)");
        return None;
    };
    child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

/// The names of the families, as the text declares them.
fn families(text: &str) -> BTreeSet<&str> {
    text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect()
}

fn value(text: &str, begin: &str) -> f64 {
    let line = text.lines().find(|line| line.starts_with(begin)).unwrap_or_else(|| panic!("no {begin} in {text}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn every_figure_is_there_and_goes_with_its_output() {
    let rig = Rig::start(config());
    let good = Ingest::start(Behaviour::Good).await;
    let url = good.url("app/x");
    let url = url.strip_suffix("/x").unwrap();
    let new = |name: &str, url: &str| {
        let options = json!({ "platform": "twitch" });
        json!({ "stream": "live/cam", "url": url, "key": KEY, "name": name, "options": options })
    };
    assert_eq!(rig.send("POST /v1/outputs", &new("good", url)).await.status, 201);
    assert_eq!(rig.send("POST /v1/outputs", &new("nobody", "rtmp://127.0.0.1:9/app")).await.status, 201);
    let mut publisher = Publisher::connect(&format!("rtmp://{}/live/cam", rig.rtmp.address)).await.unwrap();
    let tags = made_up(150, 25, 1000);
    let sending = tokio::spawn(async move {
        // At its own pace, so that there is a delay to measure.
        for tag in &tags {
            publisher.send_tag(tag, 0).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        publisher
    });
    until("an output is live", || rig.relay.output("good").is_some_and(|output| output.delay_ms.is_some())).await;
    until("stability was looked at", || {
        rig.relay.output("good").is_some_and(|output| output.stability.minute.is_some_and(|share| share > 0.0))
    })
    .await;
    until("its session began", || rig.relay.output("good").is_some_and(|output| output.session.is_some())).await;
    until("rules were judged", || rig.relay.judged().iter().any(|judged| judged.output.as_deref() == Some("good")))
        .await;
    until("a second key frame", || {
        let video = rig.relay.stream("live/cam").and_then(|stream| stream.video);
        video.is_some_and(|video| video.keyframe_interval_ms.is_some())
    })
    .await;
    let answer = rig.get("/metrics").await;
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("content-type: text/plain; version=0.0.4"), "{}", answer.head);
    let text = answer.body;
    let labels = "stream=\"live/cam\",output=\"good\",protocol=\"rtmp\"";
    assert!((value(&text, &format!("outflow_output_state{{{labels},state=\"live\"}}")) - 1.0).abs() < 0.1);
    assert!(value(&text, &format!("outflow_output_bytes_total{{{labels}}}")) > 1000.0);
    assert!(value(&text, &format!("outflow_output_delay_seconds_count{{{labels}}}")) > 0.0);
    assert!(value(&text, &format!("outflow_output_delay_seconds{{{labels},quantile=\"0.5\"}}")) < 5.0);
    assert!(value(&text, &format!("outflow_output_rtt_seconds{{{labels}}}")) > 0.0);
    assert!(value(&text, "outflow_alert_active{rule=\"not_sending\",stream=\"live/cam\",output=\"good\"}") < 0.5);
    assert!(value(&text, &format!("outflow_output_session_limit_seconds{{{labels}}}")) > 3600.0);
    assert!(!text.contains(KEY) && !text.contains("127.0.0.1"), "{text}");
    if let Some((well, said)) = promtool(&["check", "metrics"], &text).await {
        assert!(well && said.trim().is_empty(), "{said}");
    }

    assert_eq!(rig.delete("/v1/outputs/nobody").await.status, 204);
    let after = rig.get("/metrics").await.body;
    assert!(!after.contains("nobody") && after.contains(labels), "{after}");
    drop(sending.await.unwrap());

    // The list, and the page of reference that is made from it, have them all, and only those.
    let told: BTreeSet<&str> = outflow::http::families().iter().map(|family| family.name).collect();
    let given = families(&text);
    let missing: Vec<_> = given.difference(&told).collect();
    assert!(missing.is_empty(), "http::families lacks {missing:?}");
    // This server sends no acknowledgements of RTMP's; that figure has real servers in `isolation/acks.rs`.
    let seldom = BTreeSet::from(["outflow_output_rtmp_unacknowledged_bytes"]);
    let unknown: Vec<_> = told.difference(&given).filter(|name| !seldom.contains(*name)).collect();
    assert!(unknown.is_empty(), "http::families has {unknown:?}, which nobody gives");
    for family in outflow::http::families() {
        let begin = format!("{}{{", family.name);
        let Some(line) = text.lines().find(|line| line.starts_with(&begin)) else {
            assert!(family.labels.is_empty() || seldom.contains(family.name), "{} has no labels", family.name);
            continue;
        };
        let labels: Vec<&str> = line.split("=\"").filter_map(|part| part.rsplit(['{', ',', ' ']).next()).collect();
        assert_eq!(labels[..family.labels.len()], *family.labels, "{line}");
    }
}

#[tokio::test]
async fn a_player_has_figures_of_its_own() {
    let rig = Rig::start(config());
    let url = format!("rtmp://{}/live/cam", rig.rtmp.address);
    let mut publisher = Publisher::connect(&url).await.unwrap();
    publisher.play(&made_up(50, 25, 1000), 0).await.unwrap();
    until("media came", || rig.relay.stream("live/cam").is_some_and(|stream| stream.live)).await;
    let _player = Player::connect(&url).await.unwrap();
    until("the player's figures", || {
        let players = rig.relay.players();
        players.first().is_some_and(|player| player.bytes > 1000 && player.rtt_ms.is_some())
    })
    .await;
    let shown = rig.get("/v1/players").await.json();
    assert_eq!((&shown[0]["window_closed"], &shown[0]["skips"]), (&json!(false), &json!(0)), "{shown}");
}

#[tokio::test]
async fn figures_need_the_token() {
    let rig = Rig::with_token(KEY);
    assert_eq!(rig.get("/metrics").await.status, 401);
    assert_eq!(rig.ask("GET /metrics", &format!("Authorization: Bearer {KEY}\r\n"), "").await.status, 200);
}

#[tokio::test]
async fn the_rules_and_the_dashboard_use_names_that_exist() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/");
    let read = |path: &str| std::fs::read_to_string(format!("{folder}{path}")).unwrap();
    let known: BTreeSet<&str> = outflow::http::families().iter().map(|family| family.name).collect();
    let dashboard = read("prometheus/grafana.json");
    serde_json::from_str::<serde_json::Value>(&dashboard).unwrap();
    let rules = read("prometheus/rules.yml");
    for text in [&dashboard, &rules] {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let used: BTreeSet<&str> = words.filter(|word| word.starts_with("outflow_")).collect();
        let unknown: Vec<_> = used.difference(&known).collect();
        assert!(used.len() > 5 && unknown.is_empty(), "{unknown:?}");
    }
    if let Some((well, said)) = promtool(&["check", "rules", &format!("{folder}prometheus/rules.yml")], "").await {
        assert!(well, "{said}");
    }
}

/// Grafana's own variables, as Prometheus would be asked.
fn filled(query: &str) -> String {
    query.replace("$__rate_interval", "1m").replace("$stream", ".*").replace("$output", ".*")
}

#[tokio::test]
async fn the_dashboard_is_whole_and_its_queries_are_right() {
    let text = include_str!("../../../../docs/prometheus/grafana.json");
    let dashboard: serde_json::Value = serde_json::from_str(text).unwrap();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let variables: BTreeSet<&str> = variables.iter().map(|variable| variable["name"].as_str().unwrap()).collect();
    let (mut ids, mut places, mut queries) = (BTreeSet::new(), Vec::new(), Vec::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: its id is there twice");
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|name| panel["gridPos"][name].as_u64().unwrap());
        assert!(w > 0 && h > 0 && x + w <= 24, "{title} is wider than the page");
        let apart = |&(a, b, c, d): &(u64, u64, u64, u64)| x >= a + c || a >= x + w || y >= b + d || b >= y + h;
        assert!(places.iter().all(apart), "{title} lies on another one");
        places.push((x, y, w, h));
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        let mut letters = BTreeSet::new();
        for target in panel["targets"].as_array().unwrap() {
            assert!(letters.insert(target["refId"].as_str().unwrap()), "{title}");
            queries.push(target["expr"].as_str().unwrap());
        }
        assert!(!letters.is_empty(), "{title} asks nothing");
    }
    for query in &queries {
        for name in
            query.split('$').skip(1).filter_map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next())
        {
            assert!(name == "__rate_interval" || variables.contains(name), "${name} in {query}");
        }
    }
    // As rules, so that promtool reads them.
    let rules: Vec<_> = queries
        .iter()
        .enumerate()
        .map(|(at, query)| json!({ "record": format!("panel:{at}"), "expr": filled(query) }))
        .collect();
    let file = tempfile::NamedTempFile::with_suffix(".yml").unwrap();
    std::fs::write(file.path(), json!({ "groups": [{ "name": "dashboard", "rules": rules }] }).to_string()).unwrap();
    if let Some((well, said)) = promtool(&["check", "rules", file.path().to_str().unwrap()], "").await {
        assert!(well && said.contains(&format!("{} rules found", queries.len())), "{said}");
    }
}
