//! Files that are right, and what is made of them; precedence; secrets that stay secret.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod alerts;
mod login;
mod platform;
mod wrong;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::overlay::Setting;
use super::world::World;
use super::*;

/// A world of variables and files.
#[derive(Default)]
pub(super) struct Fake {
    pub(super) variables: BTreeMap<&'static str, &'static str>,
    pub(super) files: BTreeMap<&'static str, &'static str>,
    mode: Option<u32>,
}

impl World for Fake {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).map(|value| (*value).to_owned())
    }

    fn variables(&self) -> Vec<String> {
        self.variables.keys().map(|name| (*name).to_owned()).collect()
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        let text = self.files.get(path.to_str().unwrap()).map(|text| (*text).to_owned());
        text.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such file"))
    }

    fn mode(&self, path: &Path) -> Option<u32> {
        self.files.contains_key(path.to_str().unwrap()).then_some(self.mode).flatten()
    }
}

/// What the tests' files name.
pub(super) fn world() -> Fake {
    Fake {
        variables: [("YT_KEY", "s3cret-yt"), ("TOKEN", "s3cret-token"), ("EMPTY", ""), ("SPACE", " x")].into(),
        files: [
            ("/etc/outflow/keys/ingest", "s3cret-ingest\n"),
            ("/etc/outflow/cert.pem", "-----BEGIN CERTIFICATE-----"),
            ("/etc/outflow/key.pem", "-----BEGIN PRIVATE KEY-----"),
            ("/etc/outflow/ca.pem", "-----BEGIN CERTIFICATE-----"),
        ]
        .into(),
        mode: Some(0o600),
    }
}

pub(super) const NAME: &str = "/etc/outflow/outflow.toml";

fn good(text: &str) -> Loaded {
    parse(text, NAME, &world()).unwrap_or_else(|mistakes| panic!("{}", told(&mistakes)))
}

pub(super) fn told(mistakes: &[Mistake]) -> String {
    mistakes.iter().map(|mistake| format!("{mistake}\n")).collect()
}

const WHOLE: &str = r#"
state_file = "state.json"
drain = "2s"

[listen]
rtmp = ":1935"
rtmps = "[::1]"
http = "127.0.0.1:1937"

[tls]
cert = "cert.pem"
key = "/etc/outflow/key.pem"

[api]
token = { env = "TOKEN" }
hosts = ["relay.example"]

[limits]
connections = 100
stream_bytes = "64m"

[secrets]
youtube = { env = "YT_KEY" }
ingest = { file = "keys/ingest" }

[policy]
max_lag = "2s"
retry_max = "30s"
auto_stop = false

[hooks]
on_publish = { url = "https://u:p@hooks.example/publish", form = "nginx", timeout = "500ms", retries = 0, on_failure = "allow" }
on_done = "http://hooks.example/done"

[[stream]]
name = "live/show"
publish_key = [{ secret = "ingest" }, "s3cret-old"]
play_token = "s3cret-play"
publish_from = ["10.0.0.0/8", "fd00::/8", "192.0.2.1"]
publish_conflict = "refuse"
missing = "wait"
players = { start = "key", max_lag = 1.5, tracks = ["video", "audio:1"] }
policy = { max_lag = "3s", auto_start = false }

[[stream]]
name = "pulled/one"
pull = { url = "rtmp://studio.example/live/s3cret-name", retry = "3s", key = { env = "YT_KEY" } }

[[stream]]
name = "open/*"
publish_key = "none"
hooks = {}

[[output]]
name = "youtube"
stream = "live/show"
url = "rtmps://a.rtmps.youtube.example/live2"
key = { secret = "youtube" }
groups = ["main"]
delay = 30
ca = "ca.pem"
tcp_nodelay = false

[[output]]
name = "each"
stream = "open/*"
url = "rtmp://origin.example/${app}/${name}?s3cret=1"
"#;

#[test]
fn limits_of_every_sort() {
    let text = "[limits]\nhandshake = \"500ms\"\nrequest = 3\nhalf_open = \"2k\"\ningest_bitrate = \"50m\"\n\
                process_bytes = \"1g\"\nstreams = 7\n[limits.rtmp]\nmedia_message = \"2m\"\nstreams = 3\n";
    let Loaded { config, warnings } = good(text);
    assert_eq!(told(&warnings), "");
    let limits = &config.limits.peers;
    assert_eq!((limits.handshake, limits.request), (Duration::from_millis(500), Duration::from_secs(3)));
    assert_eq!((limits.half_open, limits.ingest_bitrate, limits.process_bytes), (2000, 50_000_000, 1_000_000_000));
    // Streams at once are one thing, message streams of a connection another.
    assert_eq!((config.limits.streams, limits.rtmp.streams, limits.rtmp.media_message), (7, 3, 2_000_000));
    assert_eq!((limits.idle, limits.rtmp.amf_depth), (Duration::from_secs(75), 32), "the rest is as usual");
}

#[test]
fn a_whole_file() {
    let Loaded { config, warnings } = good(WHOLE);
    assert_eq!(told(&warnings), "");
    assert_eq!(config.listen.rtmp.unwrap().to_string(), ":1935");
    assert_eq!(config.listen.rtmps.unwrap().to_string(), "[::1]:1936");
    assert_eq!(config.listen.http.unwrap().to_string(), "127.0.0.1:1937");
    assert_eq!(config.tls.as_ref().unwrap().cert, Path::new("/etc/outflow/cert.pem"));
    assert_eq!(config.api.token.as_ref().unwrap().expose(), "s3cret-token");
    assert_eq!((config.limits.peers.connections, config.limits.peers.stream_bytes), (100, 64_000_000));
    assert_eq!(config.limits.outputs, 1000);
    assert_eq!(config.secrets["ingest"].expose(), "s3cret-ingest");
    assert_eq!(config.state_file.as_deref(), Some(Path::new("/etc/outflow/state.json")));
    assert_eq!(config.drain, Duration::from_secs(2));

    let hook = config.hooks.on_publish.as_ref().unwrap();
    assert_eq!((hook.form, hook.timeout, hook.retries), (HookForm::Nginx, Duration::from_millis(500), 0));
    assert!(hook.allow_on_failure && hook.url.expose().ends_with("/publish"));
    let done = config.hooks.on_done.as_ref().unwrap();
    assert_eq!((done.form, done.timeout, done.retries), (HookForm::Srs, Duration::from_secs(3), 1));

    let show = &config.streams[0];
    let keys: Vec<&str> = show.publish_keys.iter().map(Secret::expose).collect();
    assert_eq!(keys, ["s3cret-ingest", "s3cret-old"]);
    assert_eq!((show.conflict, show.missing), (Conflict::Refuse, Missing::Wait));
    assert_eq!(show.publish_from.iter().map(|network| network.bits).collect::<Vec<_>>(), [8, 8, 128 - 96]);
    assert!(show.players.contains(&("max_lag", Value::Duration(Duration::from_millis(1500)))));
    assert!(show.players.contains(&("tracks", Value::List(vec!["video".into(), "audio:1".into()]))));
    let pull = config.streams[1].pull.as_ref().unwrap();
    assert_eq!(pull.options.len(), 2);
    assert!(config.streams[2].publish_open && config.streams[2].hooks == Some(Hooks::default()));

    let youtube = &config.outputs[0];
    let option = |rule: &OutputRule, name: &str| {
        rule.options.iter().find(|(own, _)| *own == name).map(|(_, value)| value.clone())
    };
    assert_eq!(youtube.key.as_ref().unwrap().expose(), "s3cret-yt");
    assert_eq!(option(youtube, "max_lag"), Some(Value::Duration(Duration::from_secs(3))), "of the stream's policy");
    assert_eq!(option(youtube, "retry_max"), Some(Value::Duration(Duration::from_secs(30))), "of [policy]");
    assert_eq!(option(youtube, "delay"), Some(Value::Duration(Duration::from_secs(30))));
    assert_eq!(option(youtube, "ca"), Some(Value::Text("/etc/outflow/ca.pem".into())));
    assert_eq!(option(youtube, "tcp_nodelay"), Some(Value::Bool(false)));
    assert_eq!((youtube.auto_start, youtube.auto_stop), (false, false));
    assert_eq!(youtube.groups, ["main"]);
    let each = &config.outputs[1];
    assert_eq!(option(each, "max_lag"), Some(Value::Duration(Duration::from_secs(2))));
    assert_eq!((each.auto_start, each.auto_stop), (true, false));
    let id = StreamId::parse("open/x").unwrap();
    assert_eq!(each.url_for(&id).expose(), "rtmp://origin.example/open/x?s3cret=1");
    let shown = format!("{config:?}");
    assert!(!shown.contains("s3cret") && !shown.contains("u:p"), "{shown}");
}

#[test]
fn an_empty_file_is_the_default() {
    let config = good("").config;
    assert_eq!(config, Config::initial());
    assert_eq!(config.listen.rtmp.unwrap().to_string(), "127.0.0.1:1935");
    assert_eq!(config.listen.rtmps, None);
    assert_eq!(config.listen.http.unwrap().to_string(), "127.0.0.1:1937");
    assert_eq!(config.drain, Duration::from_secs(5));
}

fn overrides(list: &[(Setting, &str)]) -> Overrides {
    let mut overrides = Overrides::default();
    list.iter().for_each(|(setting, text)| overrides.set(*setting, *text));
    overrides
}

#[test]
fn a_flag_beats_a_variable_beats_the_file_beats_the_default() {
    let mut world = world();
    world.files.insert("/c.toml", "drain = \"1s\"\n[listen]\nrtmp = \"127.0.0.1:1\"\nhttp = \"127.0.0.1:4\"\n");
    world.variables.insert("OUTFLOW_CONFIG", "/c.toml");
    world.variables.insert("OUTFLOW_RTMP", "127.0.0.1:2");
    world.variables.insert("OUTFLOW_DRAIN", "");
    world.variables.insert("OUTFLOW_API_TOKEN", "s3cret");
    world.variables.insert("OUTFLOW_STATE_FILE", "state.json");
    let config = read(&overrides(&[(Setting::Rtmp, "127.0.0.1:3")]), &world).unwrap().config;
    assert_eq!(config.listen.rtmp.unwrap().port, 3);
    assert_eq!(config.listen.http.unwrap().port, 4, "of the file");
    assert_eq!(config.drain, Duration::from_secs(1), "an empty variable says nothing");
    assert_eq!(config.api.token.as_ref().unwrap().expose(), "s3cret");
    assert_eq!(config.state_file.as_deref(), Some(Path::new("state.json")));
    let config = read(&Overrides::default(), &world).unwrap().config;
    assert_eq!(config.listen.rtmp.unwrap().port, 2, "of the variable");
    world.variables.remove("OUTFLOW_CONFIG");
    world.variables.remove("OUTFLOW_RTMP");
    let config = read(
        &overrides(&[
            (Setting::Drain, "9s"),
            (Setting::Rtmp, "none"),
            (Setting::Rtmps, "localhost"),
            (Setting::TlsCert, "/etc/outflow/cert.pem"),
            (Setting::TlsKey, "/etc/outflow/key.pem"),
        ]),
        &world,
    )
    .unwrap()
    .config;
    assert_eq!((config.listen.rtmp, config.drain), (None, Duration::from_secs(9)));
    assert_eq!(config.listen.rtmps.unwrap().to_string(), "127.0.0.1:1936");
    assert_eq!(config.tls.unwrap().cert, Path::new("/etc/outflow/cert.pem"));
}

#[test]
fn wrong_flags_and_variables_are_named() {
    let mut world = world();
    world.variables.insert("OUTFLOW_RTPM", "x");
    world.variables.insert("OUTFLOW_NO_INSTALL", "1");
    let warnings = read(&Overrides::default(), &world).unwrap().warnings;
    assert_eq!(
        told(&warnings),
        "OUTFLOW_RTPM: no variable of this name is known here\n  did you mean `OUTFLOW_RTMP`?\n"
    );
    world.variables.insert("OUTFLOW_HTTP", "nonsense");
    world.variables.insert("OUTFLOW_TLS_CERT", "/etc/outflow/cert.pem");
    let text = told(&read(&overrides(&[(Setting::Drain, "soon"), (Setting::Rtmp, ":1935")]), &world).unwrap_err());
    for part in [
        "OUTFLOW_HTTP: `nonsense` is no address",
        "--drain: `soon` is not a duration",
        "OUTFLOW_TLS_CERT: a certificate and its key come together",
        "--rtmp: other machines can reach this port, and there is no [[stream]]",
        "publish_key = { env",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let text = told(&read(&overrides(&[(Setting::Config, "/no.toml")]), &world).unwrap_err());
    assert!(text.starts_with("/no.toml: the file can't be read"), "{text}");
}

#[test]
fn a_secret_in_a_file_that_others_may_read() {
    let mut world = world();
    world.files.insert("/c.toml", "[[stream]]\nname = \"live/a\"\npublish_key = \"s3cret\" # s3cret\n");
    assert!(load(Path::new("/c.toml"), &world).unwrap().warnings.is_empty());
    world.mode = Some(0o644);
    let text = told(&load(Path::new("/c.toml"), &world).unwrap().warnings);
    assert_eq!(
        text,
        "/c.toml:3:15: there is a secret in this file, and others on this machine may read it (mode 0644)\n\
         \x20 3 | publish_key = \"****\"\n\
         \x20   |               ^^^^^^\n\
         \x20 chmod 600 /c.toml, or keep the secret in { env = \"NAME\" } or { file = \"PATH\" }\n"
    );
}

#[test]
fn addresses() {
    use super::values::{DefaultPort, address};
    for (text, shown) in [
        ("127.0.0.1:1", "127.0.0.1:1"),
        ("127.0.0.1", "127.0.0.1:1935"),
        ("localhost:0", "127.0.0.1:0"),
        (":7", ":7"),
        ("*:7", ":7"),
        ("*", ":1935"),
        ("[::1]:7", "[::1]:7"),
        ("::1", "[::1]:1935"),
        ("[::]", "[::]:1935"),
        ("0.0.0.0:7", "0.0.0.0:7"),
    ] {
        assert_eq!(address(text, DefaultPort::Rtmp).unwrap().unwrap().to_string(), shown, "{text}");
    }
    assert_eq!(address("none", DefaultPort::Rtmp), Ok(None));
    for text in
        ["", "1935", "host:1935", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "[127.0.0.1]:1", "rtmp://:1935", ":"]
    {
        assert!(address(text, DefaultPort::Rtmp).is_err(), "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "(\\[\\[?(stream|output|listen|secrets|policy)\\]\\]?\n)?((name|url|key|pull|rtmp|publish_key|x) ?= ?(\"[^\"]{0,12}\"|[0-9.]{1,4}|\\{[^}]{0,12}\\}|\\[.{0,6}\\]|\\PC{0,6})\n?){0,6}\\PC{0,20}") {
        match parse(&text, NAME, &world()) {
            Ok(loaded) => { let _ = told(&loaded.warnings); }
            Err(mistakes) => proptest::prop_assert!(!told(&mistakes).is_empty()),
        }
    }

    #[test]
    fn a_broken_whole_file_does_not_panic_and_shows_no_secret(at in 0..WHOLE.len(), length in 0usize..40, put in "[\"'=\\[\\]{}#\n a$]{0,3}") {
        let end = (at + length).min(WHOLE.len());
        let text = format!("{}{put}{}", &WHOLE[..at], &WHOLE[end..]);
        let outcome = parse(&text, NAME, &world());
        // A cut may make a secret the name of a stream or a host, and those are shown.
        let told_as_secret = |line: &str| {
            WHOLE.lines().any(|whole| whole == line)
                || ["token", "publish_key", "play_token", "key"].iter().any(|name| line.starts_with(&format!("{name} = ")))
        };
        if !text.lines().filter(|line| line.contains("s3cret")).all(told_as_secret) {
            return Ok(());
        }
        if let Err(mistakes) = outcome {
            proptest::prop_assert!(!told(&mistakes).contains("s3cret"), "{}\n{text}", told(&mistakes));
        }
    }
}

#[test]
fn the_first_file_is_right_and_its_key_is_its_own() {
    use super::init::{Wish, starter};
    let first = starter(&Wish::default(), "outflow.toml").unwrap();
    let second = starter(&Wish::default(), "outflow.toml").unwrap();
    assert!(first.text != second.text);
    let Loaded { config, warnings } = good(first.text.expose());
    assert_eq!(told(&warnings), "");
    let key = config.streams[0].publish_keys[0].expose();
    assert_eq!(key.len(), 24);
    let say = first.say.expose();
    assert!(say.contains("rtmp://127.0.0.1:1935/live\n") && say.contains(key), "{say}");
    let with_outputs = first.text.expose().lines().map(|line| match line.strip_prefix('#') {
        Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
        _ => format!("{line}\n"),
    });
    assert_eq!(good(&with_outputs.collect::<String>()).config.outputs.len(), 2);

    let address = |text| super::values::address(text, super::values::DefaultPort::Http).unwrap();
    let wish = Wish { rtmp: address("192.0.2.1:19"), http: address(":80") };
    let open = starter(&wish, "x.toml").unwrap();
    let config = good(open.text.expose()).config;
    assert!(config.api.token.is_some_and(|token| open.say.expose().contains(token.expose())));
    assert!(open.say.expose().contains("rtmp://192.0.2.1:19/live\n"));
}
