//! Holds the description to what the code writes and takes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::*;
use crate::http::problem::Problem;
use crate::http::schema::{RULES, STATES};
use crate::http::session::{Login, SessionView};
use crate::monitor::alerts::Rule;
use crate::relay::view::{
    AlertView, Applied, AudioView, DelayView, GroupView, OutputView, PlatformSessionView, PlayerView, PublisherView,
    ReasonView, StabilityView, StreamView, VideoView,
};
use crate::relay::{NewOutput, OutputPatch};

fn fields(name: &str) -> Vec<&'static str> {
    let object = OBJECTS.iter().find(|object| object.name == name).unwrap();
    sorted(object.fields.iter().map(|field| field.name))
}

fn sorted<T: Ord>(names: impl Iterator<Item = T>) -> Vec<T> {
    let mut names: Vec<T> = names.collect();
    names.sort();
    names
}

/// The fields of the description are those that are written, and their types fit.
fn is_written(name: &str, value: &impl Serialize) {
    let written = serde_json::to_value(value).unwrap();
    let written = written.as_object().unwrap();
    assert_eq!(fields(name), sorted(written.keys().map(String::as_str)), "{name}");
    let document = document();
    for (field, value) in written {
        let schema = &document["components"]["schemas"][name]["properties"][field];
        let kind = match value {
            Value::Null => panic!("{name}.{field}: give the test a value"),
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => {
                assert!(schema.to_string().contains("$ref"), "{name}.{field}: {schema}");
                continue;
            }
        };
        let kinds = &schema["type"];
        assert!(
            kinds == kind || kinds.as_array().is_some_and(|kinds| kinds.contains(&json!(kind))),
            "{name}.{field}: {schema}"
        );
    }
}

/// The fields of the description are those that are taken: the code lists them where it refuses another.
fn is_taken<T: DeserializeOwned>(name: &str) {
    let error = serde_json::from_str::<T>("{\"no_such_field\":1}").map(|_| ()).unwrap_err().to_string();
    let taken = error.split('`').skip(3).step_by(2);
    assert_eq!(fields(name), sorted(taken), "{name}: {error}");
}

#[test]
fn every_field_of_every_view_is_described() {
    let text = String::new;
    let publisher = PublisherView { id: 1, stream: text(), peer: text(), since: text() };
    is_written("Publisher", &publisher);
    is_written(
        "Player",
        &PlayerView {
            id: 1,
            stream: text(),
            peer: text(),
            since: text(),
            bytes: 1,
            lag_ms: 1,
            skips: 1,
            rtt_ms: Some(1.5),
            unsent_bytes: 1,
            unacked_bytes: 1,
            rtmp_unacknowledged_bytes: Some(1),
            window_closed: true,
        },
    );
    is_written("Group", &GroupView { name: text(), outputs: vec![] });
    is_written("Applied", &Applied::default());
    let reason = ReasonView { code: "connect", text: text(), origin: "network" };
    is_written("Reason", &reason);
    let video = VideoView { codec: text(), width: Some(1), height: Some(1), keyframe_interval_ms: Some(1) };
    is_written("Video", &video);
    let audio = AudioView { codec: text(), sample_rate: Some(1), channels: Some(1) };
    is_written("Audio", &audio);
    let delay = DelayView { p50: 1, p95: 1, p99: 1, window_closed: true };
    is_written("Delay", &delay);
    let stability = StabilityView { minute: Some(0.5), hour: Some(0.5), watched_s: 1 };
    is_written("Stability", &stability);
    let session = PlatformSessionView { platform: "twitch", since: text(), lasted_s: 1, limit_s: Some(1) };
    is_written("PlatformSession", &session);
    is_written(
        "Alert",
        &AlertView {
            rule: "skips",
            severity: "warning",
            stream: text(),
            output: Some(text()),
            since: text(),
            figure: 1.5,
            limit: 1.0,
            unit: "%",
            text: text(),
            mend: text(),
        },
    );
    is_written(
        "Stream",
        &StreamView {
            id: text(),
            app: text(),
            name: text(),
            live: true,
            publisher: Some(publisher),
            bytes: 1,
            bitrate_bps: 1,
            fps: 1.5,
            keyframes: 1,
            players: 1,
            outputs: vec![],
            video: Some(video),
            audio: Some(audio),
            jitter_ms: Some(1.5),
            av_offset_ms: Some(-1.5),
            gaps: 1,
        },
    );
    is_written(
        "Output",
        &OutputView {
            id: text(),
            name: text(),
            stream: text(),
            url: text(),
            protocol: text(),
            state: "live",
            reason: Some(reason),
            since: text(),
            attempt: 1,
            next_retry_at: Some(text()),
            bytes: 1,
            bitrate_bps: 1,
            fps: 1.5,
            lag_ms: 1,
            skips: 1,
            skipped_frames: 1,
            skipped_groups: 1,
            yields: 1,
            reconnects: 1,
            last_byte_age_ms: Some(1),
            delay_ms: Some(delay),
            rtt_ms: Some(1.5),
            unsent_bytes: 1,
            unacked_bytes: 1,
            players: Some(1),
            rtmp_unacknowledged_bytes: Some(1),
            window_closed: true,
            retransmits: 1,
            stability,
            session: Some(session),
            origin: "file",
            groups: vec![],
            auto_start: true,
            auto_stop: true,
        },
    );
    let problem = Problem::new("invalid", "x").mistake(Some(text()), "x", Some(text()));
    is_written("Mistake", &problem.errors[0]);
    is_written("Problem", &problem);
    is_written("Session", &SessionView { required: true, valid: true, read_only: true });
    is_taken::<Login>("Login");
    is_taken::<NewOutput>("NewOutput");
    is_taken::<OutputPatch>("OutputPatch");
}

#[test]
fn the_states_are_those_of_the_code() {
    let code = include_str!("../monitor.rs");
    let body = code.split_once("pub fn name(self) -> &'static str {").unwrap().1.split_once("\n    }\n").unwrap().0;
    let names: Vec<&str> = body.lines().filter_map(|line| line.split_once("=> \"")?.1.split('"').next()).collect();
    assert_eq!(names, STATES);
}

#[test]
fn the_rules_are_those_of_the_code() {
    assert_eq!(Rule::ALL.map(Rule::name), RULES);
    let severities = Rule::ALL.map(|rule| rule.severity().name());
    assert!(severities.iter().all(|name| ["critical", "warning"].contains(name)));
    assert!(Rule::ALL.iter().all(|rule| ["s", "bit/s", "%", ""].contains(&rule.unit())));
}

#[test]
fn every_reference_leads_somewhere_and_every_fault_has_words() {
    let document = document();
    let text = document.to_string();
    for (_, rest) in text.match_indices("#/components/schemas/").map(|(at, begin)| (at, &text[at + begin.len()..])) {
        let name = rest.split('"').next().unwrap();
        assert!(document["components"]["schemas"].get(name).is_some(), "{name}");
    }
    assert!(!text.contains("\"description\":\"\""), "a status without a code");
    let ids = sorted(ENDPOINTS.iter().map(operation_id));
    assert!(ids.windows(2).all(|two| two[0] != two[1]), "{ids:?}");
    for object in OBJECTS {
        assert!(text.contains(&format!("schemas/{}\"", object.name)), "{} is used nowhere", object.name);
    }
}

#[test]
fn the_page_lists_every_code_of_a_problem() {
    let page = include_str!("../../../../docs/api.md");
    let table = page.split_once("<!-- table: problems -->").unwrap().1.split_once("<!-- end of table -->").unwrap().0;
    let rows: Vec<(&str, u16)> = table
        .lines()
        .filter(|row| row.starts_with("| `"))
        .map(|row| row.split('|').map(str::trim).collect::<Vec<_>>())
        .map(|cells| (cells[1].trim_matches('`'), cells[2].parse().unwrap()))
        .collect();
    let codes: Vec<(&str, u16)> = CODES.iter().map(|(code, status, _)| (*code, *status)).collect();
    assert_eq!(rows, codes);
}
