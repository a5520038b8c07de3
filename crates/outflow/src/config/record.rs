//! What a file may hold, as data: every section and field with its type, default and one sentence. The reader knows
//! names from here, and so do the JSON schema and the test of the reference file.

use crate::limits;
use crate::options::{OptionSpec, rtmp};

/// The type of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Any text.
    Text,
    /// A list of texts.
    Texts,
    /// A path; one that is not absolute begins at the file's own folder.
    Path,
    /// True or false.
    Bool,
    /// A whole number, with an optional unit `k m g`.
    Count,
    /// `250ms`, `4s`, `5min`, `2h`; a bare number is seconds.
    Duration,
    /// `127.0.0.1:1935`, `:1935` for every address, `none`.
    Address,
    /// `live/show`, `live/*`.
    Pattern,
    /// A list of addresses and networks.
    Networks,
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// A text that is never shown: literally, or `{ env = "NAME" }`, `{ file = "PATH" }`, `{ secret = "NAME" }`.
    Secret,
    /// One of these or a list of them.
    Secrets,
    /// The same, or `none`.
    PublishKeys,
    /// An `rtmp://` or `rtmps://` URL, literally or as a secret.
    Url,
    /// An `http://` or `https://` URL, literally or as a secret.
    HttpUrl,
    /// A table.
    Table(&'static Section),
    /// A table, or a text that stands for its `url`.
    TableOrUrl(&'static Section),
    /// Any number of tables: `[[stream]]`.
    Tables(&'static Section),
    /// A table of secrets by name.
    NamedSecrets,
}

/// A field of a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub shape: Shape,
    /// The default as it would be written; empty = none.
    pub default: &'static str,
    /// True if the section can't be without it.
    pub required: bool,
    /// One sentence.
    pub help: &'static str,
}

/// Option records that a section takes by their own names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Options {
    /// None.
    Nothing,
    /// Of one output: the push's.
    Output,
    /// Of all outputs: the same without what only one can have.
    Policy,
    /// Of players.
    Players,
    /// Of pulls.
    Pull,
}

/// A section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section {
    /// What it describes, for errors: "an output".
    pub what: &'static str,
    /// Its own fields.
    pub fields: &'static [Field],
    /// The options that it takes beside them.
    pub options: Options,
}

impl Options {
    /// The table of the record, ignored options included.
    pub fn tables(self) -> &'static [&'static [OptionSpec]] {
        match self {
            Options::Nothing => &[],
            Options::Output | Options::Policy => rtmp::PUSH,
            Options::Players => rtmp::LISTEN_OUTPUT,
            Options::Pull => rtmp::PULL,
        }
    }

    /// Why an option of the record is none here, if it is not: the mend.
    pub fn refused(self, name: &str) -> Option<&'static str> {
        match (self, name) {
            (Options::Nothing, _) => Some("leave it out"),
            (_, "rtmp_listen") => Some("players and publishers come to the addresses of [listen]: leave it out"),
            (Options::Output | Options::Policy | Options::Pull, "publish_key") => {
                Some("who may publish is said in [[stream]]")
            }
            (_, "play_key") => Some("who may play is said in [[stream]], as play_token"),
            (Options::Policy | Options::Players, "key" | "rtmp_playpath" | "name" | "platform") => {
                Some("it belongs to one output: write it in [[output]]")
            }
            (Options::Pull, "name") => Some("a pull has the name of its stream: leave it out"),
            (Options::Players, name) if !PLAYERS.contains(&name) => Some(
                "options of players are start, max_lag, latency, delay, burst, priority, tracks, silence and chunk_size",
            ),
            _ => None,
        }
    }

    /// The options that have an effect here, in the order of the record.
    pub fn specs(self) -> Vec<&'static OptionSpec> {
        let all = self.tables().iter().copied().flatten();
        let own = |spec: &&OptionSpec| self != Options::Output || !matches!(spec.name, "name" | "key");
        all.filter(|spec| !spec.ignored && self.refused(spec.name).is_none()).filter(own).collect()
    }
}

/// What players may be told.
const PLAYERS: &[&str] =
    &["start", "max_lag", "latency", "delay", "burst", "priority", "tracks", "silence", "chunk_size"];

const fn field(name: &'static str, shape: Shape, default: &'static str, help: &'static str) -> Field {
    Field { name, shape, default, required: false, help }
}

const fn required(name: &'static str, shape: Shape, help: &'static str) -> Field {
    Field { name, shape, default: "", required: true, help }
}

const fn section(what: &'static str, fields: &'static [Field]) -> Section {
    Section { what, fields, options: Options::Nothing }
}

const fn with(what: &'static str, options: Options, fields: &'static [Field]) -> Section {
    Section { what, fields, options }
}

/// The file as a whole.
pub const FILE: Section = section(
    "the file",
    &[
        field("state_file", Shape::Path, "", "where changes made through the API are kept over a restart"),
        field("drain", Shape::Duration, "5s", "how long a stop may take to send the rest"),
        field("listen", Shape::Table(&LISTEN), "", "where it listens"),
        field("tls", Shape::Table(&TLS), "", "the certificate of the RTMPS port, read again at each reload"),
        field("api", Shape::Table(&API), "", "the HTTP API"),
        field("limits", Shape::Table(&LIMITS), "", "what peers may cost"),
        field("policy", Shape::Table(&POLICY), "", "defaults of all outputs, those of the API included"),
        field("secrets", Shape::NamedSecrets, "", "secrets by name, for this file and for the API"),
        field("users", Shape::NamedSecrets, "", "users by name with their passwords, for publish_user and play_user"),
        field("hooks", Shape::Table(&HOOKS), "", "the outside asked and told over HTTP"),
        field("alerts", Shape::Table(&ALERTS), "", "when alerts are raised"),
        field("stream", Shape::Tables(&STREAM), "", "rules for streams; the first whose name fits counts"),
        field("output", Shape::Tables(&OUTPUT), "", "outputs"),
    ],
);

/// `[listen]`
pub const LISTEN: Section = section(
    "[listen]",
    &[
        field("rtmp", Shape::Address, "127.0.0.1:1935", "the RTMP port; `:1935` is every address, `none` is no port"),
        field("rtmps", Shape::Address, "none", "the RTMPS port, usually 1936; wants [tls]"),
        field("http", Shape::Address, "127.0.0.1:1937", "the port of API and web page; `none` is no port"),
    ],
);

/// `[tls]`
pub const TLS: Section = section(
    "[tls]",
    &[
        required("cert", Shape::Path, "the certificate and its chain, PEM"),
        required("key", Shape::Path, "its private key, PEM"),
    ],
);

/// `[api]`
pub const API: Section = section(
    "[api]",
    &[
        field("token", Shape::Secret, "", "the bearer token; without one the API is on loopback only"),
        field("hosts", Shape::Texts, "[]", "host names, beside the loopback ones, that requests may name"),
    ],
);

/// A limit as a field.
const fn of_limit(spec: &limits::Spec) -> Field {
    let shape = match spec.unit {
        limits::Unit::Count => Shape::Count,
        limits::Unit::Duration => Shape::Duration,
    };
    field(spec.name, shape, spec.default, spec.help)
}

/// All limits of a table, as many as asked for, and after them these fields.
const fn of_limits<const ALL: usize>(table: &[limits::Spec], more: &[Field]) -> [Field; ALL] {
    let mut fields = [field("", Shape::Text, "", ""); ALL];
    let mut at = 0;
    while at < ALL {
        fields[at] = if at < table.len() { of_limit(&table[at]) } else { more[at - table.len()] };
        at += 1;
    }
    fields
}

/// What only `serve` limits.
const OF_SERVE: [Field; 5] = [
    field(
        "http_connections_per_address",
        Shape::Count,
        "256",
        "connections to the HTTP port from one address, of 512 in all; a proxy is one address",
    ),
    field("streams", Shape::Count, "1000", "streams at once"),
    field("outputs", Shape::Count, "1000", "outputs in all"),
    field("players_per_stream", Shape::Count, "8192", "players of one stream"),
    field("rtmp", Shape::Table(&RTMP_LIMITS), "", "what a peer may ask of the protocol, on every connection"),
];

/// `[limits]`
pub const LIMITS: Section = section("[limits]", {
    const FIELDS: [Field; limits::OURS.len() + OF_SERVE.len()] = of_limits(&limits::OURS, &OF_SERVE);
    &FIELDS
});

/// `[limits.rtmp]`
pub const RTMP_LIMITS: Section = section("[limits.rtmp]", {
    const FIELDS: [Field; limits::RTMP.len()] = of_limits(&limits::RTMP, &[]);
    &FIELDS
});

const AUTO_START: Field =
    field("auto_start", Shape::Bool, "true", "it starts by itself with its stream; else somebody starts it");
const AUTO_STOP: Field = field("auto_stop", Shape::Bool, "true", "it stops with the broadcast");

/// `[policy]`, also of a stream
pub const POLICY: Section = with("the policy of outputs", Options::Policy, &[AUTO_START, AUTO_STOP]);

/// `[[output]]`
pub const OUTPUT: Section = with(
    "an output",
    Options::Output,
    &[
        required("name", Shape::Text, "its name in logs, API and metrics; unique"),
        required("stream", Shape::Pattern, "which stream, or with * which streams"),
        field(
            "url",
            Shape::Url,
            "",
            "where to; ${app} and ${name} stand for those of the stream; a platform that has one URL for all needs none",
        ),
        field("key", Shape::Secret, "", "the stream key, where it is not in the URL; ${app} and ${name} as in the URL"),
        field("groups", Shape::Texts, "[]", "groups, to be started and stopped together"),
        AUTO_START,
        AUTO_STOP,
    ],
);

/// `[[stream]]`
pub const STREAM: Section = section(
    "a stream",
    &[
        required("name", Shape::Pattern, "app/name; a * fits any one part"),
        field(
            "publish_key",
            Shape::PublishKeys,
            "",
            "the key a publisher must give, or a list of keys; \"none\" lets anybody publish",
        ),
        field(
            "publish_user",
            Shape::Texts,
            "",
            "the user of [users] that a publisher must log in as (authmod=adobe), or a list; beside a key both are needed",
        ),
        field("play_token", Shape::Secrets, "", "the token a player must give, or a list of tokens"),
        field("play_user", Shape::Texts, "", "the same for players"),
        field("publish_from", Shape::Networks, "[]", "where publishers may come from; nothing is from everywhere"),
        field("play_from", Shape::Networks, "[]", "where players may come from; nothing is from everywhere"),
        field(
            "publish_conflict",
            Shape::Choice(&["takeover", "refuse"]),
            "takeover",
            "what a second publisher meets: the name of one that has been silent for 1 s (refuse: 3 s), else it is refused",
        ),
        field(
            "missing",
            Shape::Choice(&["refuse", "wait"]),
            "refuse",
            "what a player meets while nobody publishes: it is refused, or waits",
        ),
        field("pull", Shape::TableOrUrl(&PULL), "", "where the stream is pulled from, if it is; for one stream only"),
        field("players", Shape::Table(&PLAYERS_OF), "", "how its players are served"),
        field("policy", Shape::Table(&POLICY), "", "defaults of its outputs, before those of [policy]"),
        field("hooks", Shape::Table(&HOOKS), "", "hooks of its own, instead of those of [hooks]"),
        field(
            "alerts",
            Shape::Table(&ALERTS),
            "",
            "when alerts of it and its outputs are raised; the rest as in [alerts]",
        ),
    ],
);

/// `pull` of a stream
pub const PULL: Section =
    with("a pull", Options::Pull, &[required("url", Shape::Url, "the server and the stream on it")]);

/// `players` of a stream
pub const PLAYERS_OF: Section = with("the players of a stream", Options::Players, &[]);

/// `[hooks]`, also of a stream
pub const HOOKS: Section = section(
    "[hooks]",
    &[
        field("on_publish", Shape::TableOrUrl(&HOOK), "", "asked before a publisher is told yes"),
        field("on_play", Shape::TableOrUrl(&HOOK), "", "asked before a player is told yes"),
        field("on_done", Shape::TableOrUrl(&HOOK), "", "told when a publisher or player has left"),
        field("on_forward", Shape::TableOrUrl(&HOOK), "", "asked for outputs when a publisher comes"),
        field("on_alert", Shape::TableOrUrl(&HOOK), "", "told when an alert is raised or cleared"),
    ],
);

/// `[alerts]`, also of a stream
pub const ALERTS: Section = section(
    "[alerts]",
    &[
        field("key_frame_interval", Shape::Duration, "4s", "the longest time between two key frames; 0 is off"),
        field("bitrate_above", Shape::Count, "0", "bits per second of a stream at most; 0 is off"),
        field("bitrate_below", Shape::Count, "0", "bits per second of a stream at least; 0 is off"),
        field("no_audio", Shape::Duration, "10s", "how long a stream may be without sound; 0 is off"),
        field(
            "not_sending",
            Shape::Duration,
            "15s",
            "how long an output that is wanted on may be without sending; 0 is off",
        ),
        field("skips", Shape::Count, "5", "percent of the frames of a minute that an output may leave out; 0 is off"),
        field("delay", Shape::Duration, "2s", "within which 95 of 100 frames have to be at the destination; 0 is off"),
        field(
            "session",
            Shape::Duration,
            "30min",
            "so long before the longest session that a platform allows; 0 is off",
        ),
        field("platforms", Shape::Bool, "true", "what platforms say of key frames, bitrate and B-frames counts too"),
        field("hold", Shape::Duration, "10s", "how long it has to be so before an alert is raised"),
        field("clear", Shape::Duration, "10s", "how long it has to be right before an alert is cleared"),
    ],
);

/// One hook
pub const HOOK: Section = section(
    "a hook",
    &[
        required("url", Shape::HttpUrl, "what is called"),
        field("form", Shape::Choice(&["srs", "nginx"]), "srs", "a JSON body as SRS sends, or a form as nginx-rtmp"),
        field("timeout", Shape::Duration, "3s", "how long one call may take"),
        field("retries", Shape::Count, "1", "further calls when one fails"),
        field(
            "on_failure",
            Shape::Choice(&["refuse", "allow"]),
            "refuse",
            "what is done when no call is answered: the peer is refused, or let in",
        ),
    ],
);

/// Where a secret stands, if not in the file itself.
pub const SECRET: Section = section(
    "a secret",
    &[
        field("env", Shape::Text, "", "the environment variable that holds it"),
        field("file", Shape::Path, "", "the file that holds it"),
        field("secret", Shape::Text, "", "its name in [secrets]"),
    ],
);

/// Where a name belongs that stands in the wrong section: `[listen]` for `rtmp`.
pub(super) fn home_of(name: &str) -> Option<&'static str> {
    let sections = [&LISTEN, &TLS, &API, &LIMITS, &STREAM, &OUTPUT, &HOOKS, &HOOK, &ALERTS, &RTMP_LIMITS];
    let home = sections.into_iter().find(|section| section.fields.iter().any(|field| field.name == name))?;
    Some(match home.what {
        "a stream" => "[[stream]]",
        "an output" => "[[output]]",
        what => what,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(section: &Section) -> Vec<&'static str> {
        let own = section.fields.iter().map(|field| field.name);
        own.chain(section.options.specs().into_iter().map(|spec| spec.name)).collect()
    }

    #[test]
    fn every_section_has_every_name_once() {
        for section in [
            FILE,
            LISTEN,
            TLS,
            API,
            LIMITS,
            RTMP_LIMITS,
            POLICY,
            OUTPUT,
            STREAM,
            PULL,
            PLAYERS_OF,
            HOOKS,
            HOOK,
            ALERTS,
            SECRET,
        ] {
            let names = names(&section);
            for name in &names {
                assert_eq!(names.iter().filter(|other| *other == name).count(), 1, "{}: {name}", section.what);
            }
        }
    }

    #[test]
    fn records_are_taken_whole() {
        let output = names(&OUTPUT);
        for name in ["max_lag", "delay", "tracks", "bind", "ca", "rtmp_app", "rtmp_tcurl", "retry", "chunk_size"] {
            assert!(output.contains(&name), "{name}");
        }
        assert!(!output.contains(&"rtmp_listen") && !output.contains(&"publish_key"));
        assert_eq!(names(&PLAYERS_OF).len(), PLAYERS.len());
        assert!(names(&PULL).contains(&"rtmp_live") && !names(&POLICY).contains(&"key"));
    }
}
