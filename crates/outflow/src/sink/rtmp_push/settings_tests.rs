//! Tests of what a push makes of its word.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::super::tests::node;
use super::*;

#[test]
fn options_say_how_to_send() {
    let url = "rtmp://h/live/key";
    let typed = [("start", "gop"), ("max_lag", "2s"), ("latency", "50ms"), ("delay", "3s"), ("tracks", "video")];
    let all = read(&node(url, &typed)).unwrap();
    assert_eq!(
        (all.start, all.max_lag, all.latency),
        (Start::Group, Duration::from_secs(2), Duration::from_millis(50))
    );
    assert_eq!(all.delay, Duration::from_secs(3));
    assert!(!all.selection.is_all());
    assert_eq!(read(&node(url, &[])).unwrap().start, Start::Next);
    let Err(error) = read(&node(url, &[("tracks", "subtitles")])) else { panic!("taken") };
    assert_eq!(error.field.as_deref(), Some("tracks"));
    let Err(error) = read(&node(url, &[("tracks", "vido")])) else { panic!("taken") };
    assert!(error.problem.ends_with("did you mean `video`?"), "{error}");
}
