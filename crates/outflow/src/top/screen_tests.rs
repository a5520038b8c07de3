//! The screen as cells: what stands on it at 80 columns, sorted, and while the relay can't be reached.
#![allow(clippy::unwrap_used)]

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use serde_json::json;

use super::super::model::Sort;
use super::*;

fn model() -> Model {
    let since = humantime::format_rfc3339_millis(std::time::SystemTime::now() - Duration::from_secs(75)).to_string();
    let outputs = json!([
        {"id": "youtube", "stream": "live/show", "state": "live", "since": since, "attempt": 1, "bitrate_bps": 6_012_345,
         "fps": 29.97, "lag_ms": 12, "skips": 0, "reason": null, "delay_ms": {"p50": 40.0, "p95": 61.4, "p99": 80.0, "window_closed": false}},
        {"id": "twitch-with-a-very-long-name", "stream": "live/show", "state": "backoff", "since": since, "attempt": 4,
         "reason": {"code": "refused", "text": "the server refused the publish: key, app or name", "origin": "peer"}},
        {"id": "box", "stream": "live/show", "state": "stalled", "since": since, "attempt": 2, "bitrate_bps": 0,
         "lag_ms": 14_000, "skips": 12_345, "delay_ms": {"p95": null, "window_closed": true}, "of_a_later_version": 1},
    ]);
    let streams = json!([{"id": "live/show", "live": true, "bitrate_bps": 6_000_000, "fps": 30.0, "players": 2}]);
    let mut model = Model::new("http://127.0.0.1:1937/".into());
    let alerts = json!([
        {"rule": "not_sending", "severity": "critical", "stream": "live/show", "output": "box", "text": "not sending for 15 s"},
        {"rule": "no_audio", "severity": "warning", "stream": "live/show", "output": null, "text": "no sound for 10 s"},
    ]);
    let answer = (
        serde_json::from_value(outputs).unwrap(),
        serde_json::from_value(streams).unwrap(),
        serde_json::from_value(alerts).unwrap(),
    );
    model.take(Ok(answer), Instant::now());
    model
}

fn drawn(model: &mut Model, now: Instant, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, model, now)).unwrap();
    let buffer = terminal.backend().buffer().clone();
    let line = |y| (0..width).map(|x| buffer[(x, y)].symbol().to_owned()).collect::<String>();
    (0..height).map(|y| line(y).trim_end().to_owned()).collect()
}

#[test]
fn every_figure_stands_whole_at_80_columns() {
    let screen = drawn(&mut model(), Instant::now(), 80, 24);
    let text = screen.join("\n");
    for part in [
        "3 outputs, 1 sending  2 ALERTS",
        "▲ box: not_sending: not sending for 15 s",
        "△ live/show: no_audio: no sound for 10 s",
        "<- live/show  6.00Mb/s 30 fps, 2 players",
        "OUTPUTv",
        "youtube         ● sending",
        "75s  6.01Mb/s   30    12ms     61ms     0    1",
        "↻ retrying",
        "the server refused the publish: key, app or name (live/show)",
        "▲ STALLED",
        "14.0s   closed   12k    2",
        "its host has the media, its program does not read",
        "r reverse",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn a_closed_window_needs_no_delay_and_who_listens_sends_to_somebody() {
    let mut model = Model::new("http://127.0.0.1:1937/".into());
    let outputs = json!([
        {"id": "unmeasured", "stream": "live/show", "state": "live", "window_closed": true, "delay_ms": null},
        {"id": "served", "stream": "live/show", "state": "live", "players": 12},
        {"id": "alone", "stream": "live/show", "state": "live", "players": 0},
    ]);
    model.take(Ok((serde_json::from_value(outputs).unwrap(), Vec::new(), Vec::new())), Instant::now());
    let text = drawn(&mut model, Instant::now(), 80, 24).join("\n");
    for part in ["3 outputs, 2 sending", "closed", "its program does not read", "● serves 12", "● serves 0"] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn outputs_are_sorted_by_what_is_chosen_and_back() {
    let mut model = model();
    let order =
        |model: &Model| model.outputs.iter().map(|output| output.id.chars().next().unwrap()).collect::<String>();
    assert_eq!(order(&model), "bty");
    for (sort, wanted) in [(Sort::State, "bty"), (Sort::Bitrate, "ybt"), (Sort::Attempts, "tby"), (Sort::Delay, "ybt")]
    {
        model.sort(sort);
        assert_eq!(order(&model), wanted, "{sort:?}");
    }
    model.sort(Sort::Skips);
    model.reverse();
    assert_eq!(order(&model), "ytb");
}

#[test]
fn a_lost_relay_is_said_and_its_last_figures_stay() {
    let mut model = model();
    let start = Instant::now();
    model.take(Err("can't connect to 127.0.0.1:1937: connection refused".into()), start);
    model.take(Err("can't connect to 127.0.0.1:1937: connection refused".into()), start + Duration::from_secs(1));
    let text = drawn(&mut model, start + Duration::from_secs(7), 80, 24).join("\n");
    assert!(text.contains("NO CONNECTION for 7 s; the figures below are old"), "{text}");
    assert!(text.contains("youtube"), "{text}");
    let (outputs, streams) = (model.outputs.clone(), model.streams.clone());
    model.take(Ok((outputs, streams, Vec::new())), start + Duration::from_secs(8));
    assert!(!drawn(&mut model, start, 80, 24).join("\n").contains("NO CONNECTION"));
}

#[test]
fn any_size_and_any_number_of_outputs_can_be_drawn() {
    let mut model = model();
    let one = model.outputs.clone();
    model.outputs = one.iter().cycle().take(500).cloned().collect();
    model.streams = model.streams.iter().cycle().take(40).cloned().collect();
    for (width, height) in [(1, 1), (10, 3), (40, 8), (80, 24), (250, 80)] {
        drawn(&mut model, Instant::now(), width, height);
    }
    model.scroll(i32::MAX);
    assert!(drawn(&mut model, Instant::now(), 80, 24).iter().any(|line| line.starts_with("   and 36 more streams")));
    assert_eq!(model.top, 499);
    model.scroll(i32::MIN);
    assert_eq!(model.top, 0);
}
