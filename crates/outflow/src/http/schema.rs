//! What JSON objects of the API hold, field by field. Tests compare it with what the code writes and takes.

use serde_json::{Map, Value, json};

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ty {
    Text,
    /// RFC 3339 in UTC.
    Time,
    Whole,
    Number,
    Bool,
    Texts,
    One(&'static str),
    List(&'static str),
    OneOf(&'static [&'static str]),
    /// Options of an output by name.
    Options,
    /// A key, or the name of a secret.
    Key,
}

/// One field.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) ty: Ty,
    /// It may be `null`, or absent in a request.
    pub(super) optional: bool,
    about: &'static str,
}

/// One object.
pub(super) struct Object {
    pub(super) name: &'static str,
    about: &'static str,
    pub(super) fields: &'static [Field],
    /// It is sent to us: fields that are not named are refused.
    pub(super) taken: bool,
}

const fn field(name: &'static str, ty: Ty, about: &'static str) -> Field {
    Field { name, ty, optional: false, about }
}

const fn maybe(name: &'static str, ty: Ty, about: &'static str) -> Field {
    Field { name, ty, optional: true, about }
}

/// The states of outputs.
#[rustfmt::skip]
pub(super) const STATES: &[&str] = &[
    "idle", "waiting_input", "resolving", "connecting", "handshaking", "publishing", "live", "stalled", "yielding",
    "backoff", "draining", "stopped", "failed",
];

/// The rules of alerts.
#[rustfmt::skip]
pub(super) const RULES: &[&str] = &[
    "key_frame_interval", "bitrate_above", "bitrate_below", "b_frames", "no_audio", "not_sending", "skips", "delay",
    "session",
];

#[rustfmt::skip]
pub(super) const OBJECTS: &[Object] = &[
    Object { name: "Health", about: "That the program runs.", taken: false, fields: &[
        field("status", Ty::Text, "`ok`."),
        field("version", Ty::Text, "The program's version."),
        field("uptime", Ty::Whole, "Seconds since the API started."),
    ] },
    Object { name: "Ready", about: "That peers are let in.", taken: false, fields: &[
        field("status", Ty::Text, "`ready`."),
    ] },
    Object { name: "Session", about: "Whether a browser may use the API.", taken: false, fields: &[
        field("required", Ty::Bool, "The API asks for a token, so a browser has to log in."),
        field("valid", Ty::Bool, "This one is logged in, or need not be."),
        field("read_only", Ty::Bool, "Nothing can be changed: it is a graph of words."),
    ] },
    Object { name: "Login", about: "What a browser logs in with.", taken: true, fields: &[
        field("token", Ty::Text, "The API's token."),
    ] },
    Object { name: "Stream", about: "A stream.", taken: false, fields: &[
        field("id", Ty::Text, "App and name, joined by a slash."),
        field("app", Ty::Text, "The app."),
        field("name", Ty::Text, "The name within it."),
        field("live", Ty::Bool, "True while media comes."),
        maybe("publisher", Ty::One("Publisher"), "Who publishes it now, or where it is pulled from."),
        field("bytes", Ty::Whole, "Bytes of media received, all publishers together."),
        field("bitrate_bps", Ty::Whole, "Bits per second, over the last seconds."),
        field("fps", Ty::Number, "Video frames per second, over the last seconds."),
        field("keyframes", Ty::Whole, "Key frames received."),
        field("players", Ty::Whole, "Players right now."),
        field("outputs", Ty::Texts, "Its outputs."),
        maybe("video", Ty::One("Video"), "The picture, once there was one."),
        maybe("audio", Ty::One("Audio"), "The sound, once there was any."),
        maybe("jitter_ms", Ty::Number, "How irregularly the picture comes (the sound, where there is none), in milliseconds: the smoothed difference between the clock and the stream's own time."),
        maybe("av_offset_ms", Ty::Number, "How far sound is ahead of the picture that comes with it, in milliseconds; negative where it is behind."),
        field("gaps", Ty::Whole, "Times that nothing came, or that the stream's time left something out, for a second or more."),
    ] },
    Object { name: "Video", about: "A stream's picture.", taken: false, fields: &[
        field("codec", Ty::Text, "The codec, as `H.264`."),
        maybe("width", Ty::Whole, "Its width in pixels, where known."),
        maybe("height", Ty::Whole, "Its height in pixels, where known."),
        maybe("keyframe_interval_ms", Ty::Whole, "The time between its last two key frames."),
    ] },
    Object { name: "Audio", about: "A stream's sound.", taken: false, fields: &[
        field("codec", Ty::Text, "The codec, as `AAC`."),
        maybe("sample_rate", Ty::Whole, "Samples a second, where known."),
        maybe("channels", Ty::Whole, "Channels, where known."),
    ] },
    Object { name: "Publisher", about: "Who publishes a stream, or where it is pulled from.", taken: false, fields: &[
        field("id", Ty::Whole, "Its number, for DELETE /v1/publishers/{id}."),
        field("stream", Ty::Text, "The stream."),
        field("peer", Ty::Text, "Its address and port."),
        field("since", Ty::Time, "Since when."),
    ] },
    Object { name: "Player", about: "A player.", taken: false, fields: &[
        field("id", Ty::Whole, "Its number, for DELETE /v1/players/{id}."),
        field("stream", Ty::Text, "The stream that it plays."),
        field("peer", Ty::Text, "Its address and port."),
        field("since", Ty::Time, "Since when."),
        field("bytes", Ty::Whole, "Bytes sent to it, as of the last look at it: each second, less often where there are more than 256 players."),
        field("lag_ms", Ty::Whole, "Age of the oldest media not yet sent to it, in milliseconds."),
        field("skips", Ty::Whole, "Times that it skipped forward to a key frame."),
        maybe("rtt_ms", Ty::Number, "The round-trip time, in milliseconds, where the system tells it."),
        field("unsent_bytes", Ty::Whole, "Bytes for it that wait in this machine's kernel."),
        field("unacked_bytes", Ty::Whole, "Bytes that were sent and are not acknowledged."),
        maybe("rtmp_unacknowledged_bytes", Ty::Whole, "Bytes that it has not said it received, by RTMP's own acknowledgements; null where it sends none."),
        field("window_closed", Ty::Bool, "Its host takes nothing more, since its program does not read."),
    ] },
    Object { name: "Reason", about: "Why something is as it is.", taken: false, fields: &[
        field("code", Ty::Text, "The stable code: see the list of reasons in docs/operating.md."),
        field("text", Ty::Text, "One sentence for a person."),
        field("origin", Ty::OneOf(&["config", "network", "peer", "protocol", "internal"]), "Whose fault."),
    ] },
    Object { name: "Output", about: "An output.", taken: false, fields: &[
        field("id", Ty::Text, "Its id: the name; for an instance of a pattern `name@app/stream`."),
        field("name", Ty::Text, "Its name."),
        field("stream", Ty::Text, "The stream that it sends."),
        field("url", Ty::Text, "Where to, masked."),
        field("protocol", Ty::Text, "`rtmp`, or `rtmps` through TLS; of a graph also another kind of output, as `file`."),
        field("state", Ty::OneOf(STATES), "Its state."),
        maybe("reason", Ty::One("Reason"), "Why, where something went wrong."),
        field("since", Ty::Time, "Since when it has been in its state."),
        field("attempt", Ty::Whole, "Attempts so far."),
        maybe("next_retry_at", Ty::Time, "When the next attempt is due, in backoff."),
        field("bytes", Ty::Whole, "Bytes sent."),
        field("bitrate_bps", Ty::Whole, "Bits per second, over the last seconds."),
        field("fps", Ty::Number, "Video frames per second, over the last seconds."),
        field("lag_ms", Ty::Whole, "Age of the oldest media not yet sent, in milliseconds, without `delay`."),
        field("skips", Ty::Whole, "Times it skipped forward to a key frame."),
        field("skipped_frames", Ty::Whole, "Video frames left out by skips."),
        field("skipped_groups", Ty::Whole, "Groups of pictures that lack something because of skips."),
        field("yields", Ty::Whole, "Times it left the uplink to an output of higher priority."),
        field("reconnects", Ty::Whole, "Times it was connected again, after the first."),
        maybe("last_byte_age_ms", Ty::Whole, "How long ago the last byte left, in milliseconds."),
        maybe("delay_ms", Ty::One("Delay"), "From a frame's arrival here to its acknowledgement by the destination's host, over the last minute, without `delay`."),
        maybe("rtt_ms", Ty::Number, "The round-trip time to the destination, in milliseconds, where the system tells it."),
        field("unsent_bytes", Ty::Whole, "Bytes that wait in this machine's kernel."),
        field("unacked_bytes", Ty::Whole, "Bytes that were sent and are not acknowledged."),
        maybe("rtmp_unacknowledged_bytes", Ty::Whole, "Bytes that the destination's program has not said it received, by RTMP's own acknowledgements, which come once for each window; null where it sends none."),
        field("window_closed", Ty::Bool, "The destination's host takes nothing more, since its program does not read."),
        field("retransmits", Ty::Whole, "Segments that TCP sent again."),
        field("stability", Ty::One("Stability"), "How much of the time it was sending."),
        maybe("session", Ty::One("PlatformSession"), "For how long it has been sending without a break, where it leads to a known platform."),
        maybe("players", Ty::Whole, "Players, for an output that serves whoever comes; null for one that sends to a destination."),
        field("origin", Ty::OneOf(&["file", "api", "hook", "words"]), "Whose it is."),
        field("groups", Ty::Texts, "Groups that it belongs to."),
        field("auto_start", Ty::Bool, "It starts by itself with its stream."),
        field("auto_stop", Ty::Bool, "It stops for good with the broadcast."),
    ] },
    Object { name: "Delay", about: "Delay to the destination over the last minute, in milliseconds.", taken: false, fields: &[
        field("p50", Ty::Whole, "Half of the frames had a shorter one."),
        field("p95", Ty::Whole, "95 of 100 had."),
        field("p99", Ty::Whole, "99 of 100 had; what is still on its way counts."),
        field("window_closed", Ty::Bool, "The destination's host takes nothing more, since its program does not read."),
    ] },
    Object { name: "Stability", about: "The share of the time that an output was wanted on, and media was there, in which it was sending without a skip.", taken: false, fields: &[
        maybe("minute", Ty::Number, "Over the last minute, from 0 to 1; null if it was not wanted on."),
        maybe("hour", Ty::Number, "Over the last hour."),
        field("watched_s", Ty::Whole, "Seconds of the last hour in which it was wanted on."),
    ] },
    Object { name: "PlatformSession", about: "The session of an output at its platform. A break of less than a minute is none.", taken: false, fields: &[
        field("platform", Ty::Text, "The platform's word, as `twitch`."),
        field("since", Ty::Time, "Since when."),
        field("lasted_s", Ty::Whole, "How many seconds it has lasted."),
        maybe("limit_s", Ty::Whole, "How many seconds a session may last there, where that is known."),
    ] },
    Object { name: "Alert", about: "An alert that is raised.", taken: false, fields: &[
        field("rule", Ty::OneOf(RULES), "What it is about: see the list of alerts in docs/operating.md."),
        field("severity", Ty::OneOf(&["critical", "warning"]), "How much it matters."),
        field("stream", Ty::Text, "The stream."),
        maybe("output", Ty::Text, "The output, where it is one output's."),
        field("since", Ty::Time, "Since when it has been so."),
        field("figure", Ty::Number, "The figure as it was last."),
        field("limit", Ty::Number, "What it should not go beyond."),
        field("unit", Ty::OneOf(&["s", "bit/s", "%", ""]), "The unit of both."),
        field("text", Ty::Text, "What is wrong, in one sentence."),
        field("mend", Ty::Text, "What to do about it."),
    ] },
    Object { name: "NewOutput", about: "An output to be.", taken: true, fields: &[
        field("stream", Ty::Text, "The stream, as `app/name`. It need not exist yet."),
        field("url", Ty::Text, "Where to: `rtmp://` or `rtmps://`."),
        maybe("key", Ty::Key, "The stream key, where it is not in the URL."),
        maybe("name", Ty::Text, "Its name, which becomes its id; made from the host if not given."),
        maybe("groups", Ty::Texts, "Groups."),
        maybe("auto_start", Ty::Bool, "Whether it starts by itself with its stream; true if not given."),
        maybe("auto_stop", Ty::Bool, "Whether it stops for good with the broadcast; true if not given."),
        maybe("options", Ty::Options, "Options of the output, as `max_lag` and `delay`."),
    ] },
    Object { name: "OutputPatch", about: "What is to be changed of an output; what is absent stays.", taken: true, fields: &[
        maybe("stream", Ty::Text, "Another stream: the output stays connected."),
        maybe("url", Ty::Text, "Another destination."),
        maybe("key", Ty::Key, "Another key."),
        maybe("groups", Ty::Texts, "Other groups."),
        maybe("auto_start", Ty::Bool, "Whether it starts by itself."),
        maybe("auto_stop", Ty::Bool, "Whether it stops with the broadcast."),
        maybe("options", Ty::Options, "Options to set; `null` brings a default back."),
    ] },
    Object { name: "Group", about: "A group of outputs.", taken: false, fields: &[
        field("name", Ty::Text, "Its name."),
        field("outputs", Ty::Texts, "Ids of its outputs."),
    ] },
    Object { name: "Applied", about: "What a reload changed.", taken: false, fields: &[
        field("added", Ty::Texts, "Outputs that are new."),
        field("removed", Ty::Texts, "Outputs that are gone."),
        field("changed", Ty::Texts, "Outputs that were started anew with other settings."),
        field("unchanged", Ty::Whole, "Outputs that were not touched."),
        field("needs_restart", Ty::Texts, "What takes effect only after a restart."),
    ] },
    Object { name: "Problem", about: "Why a request was not carried out (RFC 9457).", taken: false, fields: &[
        field("type", Ty::Text, "`urn:outflow:problem:` and the code."),
        field("status", Ty::Whole, "The status."),
        field("title", Ty::Text, "The same for every problem of this code."),
        field("detail", Ty::Text, "This one."),
        field("code", Ty::Text, "The short, stable name."),
        maybe("errors", Ty::List("Mistake"), "The mistakes of the request, one by one."),
    ] },
    Object { name: "Mistake", about: "One mistake of a request.", taken: false, fields: &[
        maybe("field", Ty::Text, "The field."),
        field("problem", Ty::Text, "What is wrong."),
        maybe("hint", Ty::Text, "The mend."),
    ] },
];

/// A reference to an object.
pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

impl Field {
    fn schema(&self) -> Value {
        let null = self.optional;
        let typed = |name: &str| if null { json!({ "type": [name, "null"] }) } else { json!({ "type": name }) };
        let either = |schema: Value| if null { json!({ "anyOf": [schema, { "type": "null" }] }) } else { schema };
        let mut schema = match self.ty {
            Ty::Text => typed("string"),
            Ty::Time => with(typed("string"), "format", json!("date-time")),
            Ty::Whole => with(typed("integer"), "minimum", json!(0)),
            Ty::Number => typed("number"),
            Ty::Bool => typed("boolean"),
            Ty::Texts => with(typed("array"), "items", json!({ "type": "string" })),
            Ty::One(name) => either(reference(name)),
            Ty::List(name) => with(typed("array"), "items", reference(name)),
            Ty::OneOf(texts) => with(typed("string"), "enum", json!(texts)),
            Ty::Options => with(typed("object"), "additionalProperties", json!({})),
            Ty::Key => json!({ "anyOf": [
                { "type": "string", "description": "The key itself." },
                { "type": "object", "required": ["secret"], "additionalProperties": false,
                  "properties": { "secret": { "type": "string", "description": "The name of a configured secret." } } },
                { "type": "null" },
            ] }),
        };
        // The order of fields is that of a reader: what it is comes first.
        if let Value::Object(map) = &mut schema {
            map.insert("description".into(), json!(self.about));
        }
        schema
    }
}

fn with(mut schema: Value, name: &str, value: Value) -> Value {
    if let Value::Object(map) = &mut schema {
        map.insert(name.into(), value);
    }
    schema
}

impl Object {
    pub(super) fn schema(&self) -> Value {
        let fields: Map<String, Value> =
            self.fields.iter().map(|field| (field.name.to_owned(), field.schema())).collect();
        // What we write is always there, as null if need be; but a problem leaves out what it has not.
        let always = |field: &&Field| !field.optional || !(self.taken || matches!(self.name, "Problem" | "Mistake"));
        let required: Vec<&str> = self.fields.iter().filter(always).map(|field| field.name).collect();
        let mut schema = json!({ "type": "object", "description": self.about, "properties": fields });
        if !required.is_empty() {
            schema = with(schema, "required", json!(required));
        }
        if self.taken { with(schema, "additionalProperties", json!(false)) } else { schema }
    }
}
