//! `platform = "twitch"` of an output: its URL, and what is wrong without one.

use super::*;

fn output(rest: &str) -> Result<OutputRule, Vec<Mistake>> {
    let text = format!(
        "[[stream]]\nname = \"live/a\"\npublish_key = \"none\"\n[[output]]\nname = \"o\"\nstream = \"live/a\"\n{rest}"
    );
    parse(&text, "outflow.toml", &Fake::default()).map(|loaded| loaded.config.outputs.into_iter().next().unwrap())
}

#[test]
fn a_platform_stands_for_its_url() {
    let twitch = output("platform = \"twitch\"\nkey = \"abcdefgh\"").unwrap();
    assert!(twitch.url.expose().starts_with("rtmps://") && twitch.url.expose().ends_with("/app"));
    let own = output("platform = \"twitch\"\nurl = \"rtmp://live-fra.twitch.tv/app\"\nkey = \"abcdefgh\"").unwrap();
    assert_eq!(own.url.expose(), "rtmp://live-fra.twitch.tv/app");
    for (rest, problem, hint) in [
        ("platform = \"kick\"\nkey = \"abcdefgh\"", "URL of its own", "add url"),
        ("key = \"abcdefgh\"", "lacks its `url`", "platform = "),
    ] {
        let mistakes = output(rest).unwrap_err();
        assert_eq!(mistakes.len(), 1, "{mistakes:?}");
        let told = mistakes[0].to_string();
        assert!(told.contains(problem) && told.contains(hint), "{told}");
    }
    assert!(output("platform = \"twich\"\nkey = \"abcdefgh\"").is_err());
}
