//! The options of RTMP words, in one table: FFmpeg's own, and ours. Parser, help and documentation read it here.
//!
//! Each kind names the slice that fits it: [`PUSH`], [`PULL`], [`LISTEN_OUTPUT`], [`LISTEN_INPUT`]. What has no
//! meaning in a role stands there as ignored, so that the same word with and without `rtmp_listen` is taken, with a
//! warning instead of an error.

use super::known;
use super::share::{BURST, PRIORITY};
use super::{OptionSpec, Type};

/// FFmpeg's `rtmp_live`: what kind of stream to ask for. `-2`, `-1` and `0` are its numbers for them.
pub const LIVE: Type = Type::Choice(&["any|-2", "live|-1", "recorded|0"]);

/// Where an output or player begins.
const START: Type = Type::Choice(&["gop", "key"]);

const NAME: OptionSpec =
    OptionSpec::new("name", Type::Text, "", "name in logs, metrics and reports; unique").alias(&["N"]);
const LISTEN: OptionSpec =
    OptionSpec::new("rtmp_listen", Type::Bool, "", "wait for peers instead of dialling").alias(&["listen"]);
const APP: OptionSpec = OptionSpec::new("rtmp_app", Type::Text, "", "the app, instead of the one in the URL");
const PLAYPATH: OptionSpec =
    OptionSpec::new("rtmp_playpath", Type::Secret, "", "the stream name, instead of the one in the URL");
const KEY: OptionSpec = OptionSpec::new("key", Type::Secret, "", "the stream key, where it is not in the URL");
const TCP_NODELAY: OptionSpec =
    OptionSpec::new("tcp_nodelay", Type::Bool, "yes", "send small segments at once instead of gathering them");
const BIND: OptionSpec = OptionSpec::new("bind", Type::Text, "", "source address or interface");
const CHUNK_SIZE: OptionSpec =
    OptionSpec::new("chunk_size", Type::Count, "", "the chunk size we announce, in bytes (128 to 65536)");
const CONNECT_TIMEOUT: OptionSpec =
    OptionSpec::new("timeout", Type::Duration, "10s", "how long a connection may take to be made");
const PEER_TIMEOUT: OptionSpec =
    OptionSpec::new("timeout", Type::Duration, "0", "how long to wait for the first peer; 0 = for ever");
const TCURL: OptionSpec = OptionSpec::new("rtmp_tcurl", Type::Text, "", "the tcUrl sent in connect");
const FLASHVER: OptionSpec = OptionSpec::new("rtmp_flashver", Type::Text, "", "the flashVer sent in connect");
const PAGEURL: OptionSpec = OptionSpec::new("rtmp_pageurl", Type::Text, "", "the pageUrl sent in connect");
const SWFURL: OptionSpec = OptionSpec::new("rtmp_swfurl", Type::Text, "", "the swfUrl sent in connect");
const CONN: OptionSpec = OptionSpec::new(
    "rtmp_conn",
    Type::Secret,
    "",
    "more arguments of connect, as in `B:1 S:text O:1 NN:code:1.23 O:0` (write `::rtmp_conn=...::`)",
);
const RTMP_LIVE: OptionSpec =
    OptionSpec::new("rtmp_live", LIVE, "any", "ask for a live stream, a recording, or either");
const BUFFER: OptionSpec =
    OptionSpec::new("rtmp_buffer", Type::Count, "3000", "the buffer length announced, in milliseconds");
const SUBSCRIBE: OptionSpec =
    OptionSpec::new("rtmp_subscribe", Type::Secret, "", "the live stream name to subscribe to (FCSubscribe)");
const TOKEN: OptionSpec = OptionSpec::new(
    "rtmp_token",
    Type::Secret,
    "",
    "the secret for servers that ask for a secure token (librtmp's `token`)",
);
const CA: OptionSpec = OptionSpec::new("ca", Type::Text, "", "PEM file of further certificates to trust");
const CERT: OptionSpec =
    OptionSpec::new("cert", Type::Text, "", "PEM file of the certificate chain that an rtmps:// listener shows")
        .alias(&["cert_file"]);
const CERT_KEY: OptionSpec =
    OptionSpec::new("cert_key", Type::Text, "", "PEM file of the private key of `cert`").alias(&["key_file"]);
const RETRY: OptionSpec =
    OptionSpec::new("retry", Type::Duration, "1s", "wait before the first retry, 100ms at least; it doubles each time");
const RETRY_MAX: OptionSpec = OptionSpec::new("retry_max", Type::Duration, "10s", "longest wait between retries");
const RETRIES: OptionSpec = OptionSpec::new("retries", Type::Count, "0", "attempts before giving up; 0 = no limit");
const MAX_LAG: OptionSpec =
    OptionSpec::new("max_lag", Type::Duration, "4s", "further behind than this: skip to the newest key frame");
const LATENCY: OptionSpec = OptionSpec::new(
    "latency",
    Type::Duration,
    "0",
    "how long bytes may be gathered into one write; at most half of `max_lag`",
);
const DELAY: OptionSpec = OptionSpec::new("delay", Type::Duration, "0", "hold this output back by so much");
const GRACE: OptionSpec =
    OptionSpec::new("grace", Type::Duration, "60s", "how long to stay connected without media before closing");
const TRACKS: OptionSpec = OptionSpec::new(
    "tracks",
    Type::List,
    "",
    "which tracks: video, audio, video:1, audio:2 ...; one alone of its kind goes out as an ordinary one; all, as they \
     came, if not given",
);
const SILENCE: OptionSpec = OptionSpec::new("silence", Type::Bool, "no", "send silent AAC until the stream has sound");
const PLATFORM: OptionSpec = OptionSpec::new(
    "platform",
    Type::Choice(super::platforms::NAMES),
    "",
    "the platform behind the URL: `outflow check` holds the stream against its rules; a known host tells it already",
);
const PUBLISH_KEY: OptionSpec =
    OptionSpec::new("publish_key", Type::Secret, "", "the key a publisher must present; `none` lets anybody publish");
const PLAY_KEY: OptionSpec = OptionSpec::new("play_key", Type::Secret, "", "the key a player must present");

/// Of every RTMP word.
const EVERY: &[OptionSpec] = &[NAME, LISTEN, APP, PLAYPATH, KEY, TCP_NODELAY];
/// Of words that dial.
const DIALLING: &[OptionSpec] =
    &[CONNECT_TIMEOUT, TCURL, FLASHVER, PAGEURL, SWFURL, CONN, CA, BIND, RETRY, RETRY_MAX, RETRIES];
/// Of words that play from a server.
const PLAYING: &[OptionSpec] = &[RTMP_LIVE, BUFFER, SUBSCRIBE, TOKEN];
/// Of words that listen.
const LISTENING: &[OptionSpec] = &[PEER_TIMEOUT, CERT, CERT_KEY];
/// Of outputs of either direction.
const OUTPUT: &[OptionSpec] = &[CHUNK_SIZE, MAX_LAG, LATENCY, DELAY, BURST, PRIORITY, GRACE];
/// Of every output, files too: what of a stream is sent.
pub const SELECTION: &[OptionSpec] = &[TRACKS, SILENCE];

/// Taken without effect by a word that listens.
const NOT_LISTENING: &[OptionSpec] = &[
    TCURL.ignored(),
    FLASHVER.ignored(),
    PAGEURL.ignored(),
    SWFURL.ignored(),
    CONN.ignored(),
    CA.ignored(),
    // What it binds is in the URL.
    BIND.ignored(),
    RETRY.ignored(),
    RETRY_MAX.ignored(),
    RETRIES.ignored(),
];
/// Of inputs: they send no media, and so announce no chunk size.
const NOT_SENDING: &[OptionSpec] = &[CHUNK_SIZE.ignored()];
const NOT_PLAYING: &[OptionSpec] = &[RTMP_LIVE.ignored(), BUFFER.ignored(), SUBSCRIBE.ignored(), TOKEN.ignored()];

/// Of an output that dials a server and publishes. FFmpeg sends `rtmp_live`, `rtmp_buffer` and `rtmp_subscribe` only when
/// it plays; `rtmp_live=recorded` and `rtmp_buffer` have their effect on pulls.
pub const PUSH: &[&[OptionSpec]] = &[
    EVERY,
    DIALLING,
    OUTPUT,
    SELECTION,
    &[OptionSpec::new("start", START, "key", "begin at the next key frame, or with the cached group of pictures")],
    &[PLATFORM],
    NOT_PLAYING,
    &[PUBLISH_KEY.ignored(), PLAY_KEY.ignored()],
    known::RTMP,
];

/// Of an output that waits for players.
pub const LISTEN_OUTPUT: &[&[OptionSpec]] = &[
    EVERY,
    LISTENING,
    OUTPUT,
    SELECTION,
    &[OptionSpec::new("start", START, "gop", "begin with the cached group of pictures, or at the next key frame")],
    &[PLAY_KEY, PUBLISH_KEY.ignored()],
    NOT_LISTENING,
    NOT_PLAYING,
    known::RTMP,
];

/// Of an input that waits for a publisher.
pub const LISTEN_INPUT: &[&[OptionSpec]] =
    &[EVERY, LISTENING, &[PUBLISH_KEY, PLAY_KEY.ignored()], NOT_SENDING, NOT_LISTENING, NOT_PLAYING, known::RTMP];

/// Of an input that plays from a server.
pub const PULL: &[&[OptionSpec]] =
    &[EVERY, DIALLING, PLAYING, NOT_SENDING, &[PUBLISH_KEY.ignored(), PLAY_KEY.ignored()], known::RTMP];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{defaults, find, value};
    use super::*;

    #[test]
    fn every_role_has_every_name_once_and_a_default_that_parses() {
        let roles = [PUSH, LISTEN_OUTPUT, LISTEN_INPUT, PULL];
        for role in roles {
            let specs: Vec<_> = role.iter().copied().flatten().collect();
            for spec in &specs {
                assert_eq!(specs.iter().filter(|other| other.is(spec.name)).count(), 1, "{}", spec.name);
                assert!(!spec.help.is_empty());
                assert!(spec.default.is_empty() || value::parse(spec.ty, spec.default).is_ok(), "{}", spec.name);
            }
            for name in ["rtmp_listen", "listen", "rtmp_tcurl", "timeout", "tcp_nodelay", "rtmp_swfverify"] {
                assert!(find(role, name).is_some(), "{name}");
            }
        }
        let start = |role| defaults(role).into_iter().find(|(name, _)| *name == "start").unwrap().1;
        assert_eq!(start(PUSH), super::super::Value::Text("key".into()));
        assert_eq!(start(LISTEN_OUTPUT), super::super::Value::Text("gop".into()));
    }
}
