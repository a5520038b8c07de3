//! FFmpeg's RTMP options and URLs mean here what they mean there: the same words given to both, one server that compares.

use outflow_testkit::ingest::{Behaviour, Ingest, Session};
use outflow_testkit::media::Clip;
use outflow_testkit::peers::{self, Peer};
use outflow_testkit::proc::Command;
use outflow_testkit::wire::Value;

use crate::help::outflow;

/// Path of the URL, and options as FFmpeg names them.
const BOTH: &[(&str, &[(&str, &str)])] = &[
    ("live/name", &[]),
    ("live/name?token=a&b=c", &[]),
    ("app/instance/name", &[]),
    ("live/name", &[("rtmp_app", "other")]),
    ("live", &[("rtmp_app", "other")]),
    ("live/name", &[("rtmp_playpath", "path")]),
    ("live", &[("rtmp_playpath", "path")]),
    ("live/name", &[("rtmp_app", "a/b"), ("rtmp_playpath", "c?d=e")]),
    ("live/name", &[("rtmp_tcurl", "rtmp://else:1/where")]),
    ("live/name", &[("rtmp_flashver", "mine"), ("rtmp_swfurl", "http://swf/x"), ("rtmp_pageurl", "http://page/x")]),
    ("live/name", &[("rtmp_conn", "B:1 S:text N:1.5 Z:")]),
    ("live/name", &[("rtmp_conn", "B:0 O:1 NN:code:1.23 NS:name:x NB:flag:1 O:0")]),
];

/// What only a player says.
const PLAYING: &[(&str, &[(&str, &str)])] = &[
    ("live/name", &[("rtmp_live", "live")]),
    ("live/name", &[("rtmp_live", "recorded")]),
    ("live/name", &[("rtmp_live", "any"), ("rtmp_buffer", "1234")]),
    ("live/name", &[("rtmp_live", "-1"), ("rtmp_subscribe", "other")]),
];

/// What a client said, as far as options make it.
#[derive(Debug, PartialEq)]
struct Said {
    connect: Vec<(&'static str, Option<String>)>,
    arguments: Vec<Value>,
    name: Option<String>,
    start: Option<Value>,
    subscribed: Option<Value>,
    buffer: Vec<Vec<u8>>,
}

impl Said {
    fn of(session: &Session, options: &[(&str, &str)], played: bool) -> Self {
        let given = |name: &str| options.iter().any(|(option, _)| *option == name);
        let mut properties = vec!["app", "tcUrl", "swfUrl"];
        // FFmpeg keeps it from servers that it publishes to; here it is sent wherever it is given.
        properties.extend(played.then_some("pageUrl"));
        // The version of each program is its own.
        properties.extend(given("rtmp_flashver").then_some("flashVer"));
        let play = |n: usize| session.call("play").and_then(|values| values.get(n).cloned());
        Self {
            connect: properties.into_iter().map(|name| (name, session.connect_text(name))).collect(),
            arguments: session.call("connect").unwrap()[3..].to_vec(),
            name: if played { session.played.clone() } else { session.published.clone() },
            start: play(4),
            subscribed: session.call("FCSubscribe").and_then(|values| values.get(3).cloned()),
            buffer: session.user_controls(3),
        }
    }
}

#[tokio::test]
async fn a_publisher_says_what_ffmpeg_says() {
    let Some(ffmpeg) = peers::find(Peer::Ffmpeg) else { return };
    let clip = Clip::small(8).file().await;
    for (path, options) in BOTH {
        let server = Ingest::start(Behaviour::Good).await;
        let mut theirs =
            Command::new(&ffmpeg.path).line("-nostdin -v warning -re -i").arg(&clip).line("-c copy -f flv");
        let mut word = format!("{}:gpac", server.url(path));
        for (name, value) in *options {
            theirs = theirs.arg(format!("-{name}")).arg(value);
            word += &format!("::{name}={value}");
        }
        let mut theirs = theirs.arg(server.url(path)).start();
        server
            .wait_for("FFmpeg's publish", |state| state.sessions.first().is_some_and(|s| s.published.is_some()))
            .await;
        theirs.kill().await;
        let mut ours = outflow("-i").arg(&clip).arg("-o").arg(word).start();
        server.wait_for("our publish", |state| state.sessions.get(1).is_some_and(|s| s.published.is_some())).await;
        ours.kill().await;
        let said = |session| Said::of(&server.session(session), options, false);
        assert_eq!(said(1), said(0), "{path} {options:?}");
    }
    Peer::Ffmpeg.ran();
}

#[tokio::test]
async fn a_player_says_what_ffmpeg_says() {
    let Some(ffmpeg) = peers::find(Peer::Ffmpeg) else { return };
    for (path, options) in BOTH.iter().chain(PLAYING) {
        let server = Ingest::start(Behaviour::Good).await;
        let mut theirs = Command::new(&ffmpeg.path).line("-nostdin -v warning");
        let mut word = format!("{}:gpac", server.url(path));
        for (name, value) in *options {
            theirs = theirs.arg(format!("-{name}")).arg(value);
            word += &format!("::{name}={value}");
        }
        let mut theirs = theirs.arg("-i").arg(server.url(path)).line("-f null -").start();
        let asked = |state: &outflow_testkit::ingest::State, session: usize| {
            state.sessions.get(session).is_some_and(|s| s.played.is_some() && !s.user_controls(3).is_empty())
        };
        server.wait_for("FFmpeg's play", |state| asked(state, 0)).await;
        theirs.kill().await;
        let mut ours = outflow("-i").arg(word).line("-o null").start();
        server.wait_for("our play", |state| asked(state, 1)).await;
        ours.kill().await;
        let said = |session| Said::of(&server.session(session), options, true);
        assert_eq!(said(1), said(0), "{path} {options:?}");
    }
    Peer::Ffmpeg.ran();
}
