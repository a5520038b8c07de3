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
    for (tracks, problem) in [
        ("video,audio:1x", "`audio:1x` is no track: behind the colon stands its number; a track is `video`"),
        ("video,audio:300", "`audio:300` is no track: numbers end at 255; "),
        ("audio:-1,video", "`audio:-1` is no track: "),
        ("", "an item is empty; a track is `video`"),
        ("video,,audio", "`video,audio` is no track; "),
        ("video,video", "`video` is named twice: name each track once"),
        ("video,audio,video:0", "`video:0` is named twice: "),
    ] {
        let Err(error) = read(&node(url, &[("tracks", tracks)])) else { panic!("taken: {tracks}") };
        assert!(error.problem.starts_with(problem), "{tracks}: {error}");
    }
}
