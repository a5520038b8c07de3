//! `[alerts]`, alone and for a stream, and the hook that is told.

use super::*;

#[test]
fn a_stream_says_what_is_otherwise_for_it() {
    let text = "[[stream]]\nname = \"live/a\"\npublish_key = \"none\"\nalerts = { no_audio = 0, bitrate_above = \"8m\" }\n\
                [[stream]]\nname = \"live/b\"\npublish_key = \"none\"\n\
                [alerts]\nno_audio = \"20s\"\ndelay = \"500ms\"\nskips = 0\nplatforms = false\nhold = 3\n\
                [hooks]\non_alert = \"https://u:s3cret@h.example/alert\"\n";
    let config = good(text).config;
    let all = Thresholds {
        no_audio: Duration::from_secs(20),
        delay: Duration::from_millis(500),
        skips: 0,
        platforms: false,
        hold: Duration::from_secs(3),
        ..Thresholds::default()
    };
    assert_eq!(config.alerts, all, "it stands behind the streams");
    let own = Thresholds { no_audio: Duration::ZERO, bitrate_above: 8_000_000, ..all };
    assert_eq!(config.streams.iter().map(|rule| rule.alerts).collect::<Vec<_>>(), [Some(own), None]);
    let hook = config.hooks.on_alert.unwrap();
    assert_eq!((hook.url.expose(), hook.retries), ("https://u:s3cret@h.example/alert", 1));
    assert_eq!(good("").config.alerts, Thresholds::default());
}
