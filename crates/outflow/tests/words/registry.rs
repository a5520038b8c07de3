//! A registry with the shapes of the real one, whose kinds do nothing: words are tested against it alone.

use std::io;

use outflow::cli::Registries;
use outflow::cli::environment::Environment;
use outflow::encode::{Encoder, EncoderKind, RawInput, Takes};
use outflow::error::{Ended, SpecError};
use outflow::filter::{FilterKind, reframer};
use outflow::media::Feed;
use outflow::node::Node;
use outflow::options::{OptionSpec, Type, rtmp};
use outflow::sink::{Sink, SinkJob, SinkKind};
use outflow::source::{BoxFuture, Produces, Source, SourceJob, SourceKind};
use outflow::stop::Stop;

struct Nothing;

impl Source for Nothing {
    fn run(&mut self, _: SourceJob) -> BoxFuture<'_, Ended> {
        Box::pin(async { Ended::clean() })
    }
}

impl Encoder for Nothing {
    fn run(self: Box<Self>, _: RawInput, _: Feed, _: Stop) -> Ended {
        Ended::clean()
    }
}

fn source(_: &Node) -> Result<Box<dyn Source>, SpecError> {
    Ok(Box::new(Nothing))
}

/// Looks whether its file is there, as the parser does: one of the two is told.
fn file(node: &Node) -> Result<Box<dyn Source>, SpecError> {
    match node.url.as_ref().and_then(|url| url.path()) {
        Some("missing.flv") => Err(node.error("there is no file missing.flv")),
        _ => Ok(Box::new(Nothing)),
    }
}

fn encoder(node: &Node, _: Option<u64>) -> Result<Box<dyn Encoder>, SpecError> {
    match node.options.count("b") {
        Some(0) => Err(node.option_error("b", "the bit rate is 0").hint("write b=2m")),
        _ => Ok(Box::new(Nothing)),
    }
}

const AVGEN: SourceKind = SourceKind {
    name: "avgen",
    summary: "a test picture and sound",
    options: &[&[
        OptionSpec::new("type", Type::Choice(&["a", "v", "av"]), "av", "what to make"),
        OptionSpec::new("sizes", Type::Sizes, "1280x720", "picture sizes"),
        OptionSpec::new("rates", Type::Rates, "", "bit rates for encoders"),
        OptionSpec::new("fps", Type::Fraction, "25", "frames per second"),
        OptionSpec::new("sr", Type::Count, "44100", "samples per second"),
        OptionSpec::new("lock", Type::Bool, "no", "clock follows the frame number"),
        OptionSpec::new("dur", Type::Fraction, "0/0", "seconds; 0 = endless"),
        OptionSpec::new("banner", Type::Text, "", "text"),
        OptionSpec::new("ntp", Type::Bool, "yes", "no sender times are sent").ignored(),
    ]],
    accepts: |_, _| false,
    produces: Produces::Raw,
    may_run_free: true,
    open: source,
};

const LISTEN_INPUT: SourceKind = SourceKind {
    name: "rtmp_listen",
    summary: "takes a publisher",
    options: rtmp::LISTEN_INPUT,
    accepts: |url, listening| url.scheme.as_deref() == Some("rtmp") && listening,
    produces: Produces::Encoded,
    may_run_free: false,
    open: source,
};

const PULL: SourceKind = SourceKind {
    name: "rtmp_pull",
    summary: "plays from a server",
    options: rtmp::PULL,
    accepts: |url, listening| url.is_rtmp() && !listening,
    produces: Produces::Encoded,
    may_run_free: false,
    open: source,
};

const FILE: SourceKind = SourceKind {
    name: "file",
    summary: "an FLV or MP4 file",
    options: &[&[OptionSpec::new("loop", Type::Bool, "no", "begin again at the end")]],
    accepts: |url, _| url.path().is_some_and(|path| path.ends_with(".flv") || path.ends_with(".mp4")),
    produces: Produces::Encoded,
    may_run_free: true,
    open: file,
};

const PIPE: SourceKind = SourceKind {
    name: "pipe",
    summary: "FLV from standard input or a descriptor",
    options: &[],
    accepts: |url, _| url.scheme.is_none() && url.path().is_none(),
    produces: Produces::Encoded,
    may_run_free: true,
    open: source,
};

const FFMPEG: SourceKind = SourceKind {
    name: "ffmpeg",
    summary: "whatever ffmpeg opens",
    options: &[],
    accepts: |url, _| !matches!(url.scheme.as_deref(), Some("rtmp" | "rtmps" | "rtpm" | "rtmpt")),
    produces: Produces::Encoded,
    may_run_free: false,
    open: source,
};

const INSPECT: FilterKind = FilterKind {
    name: "inspect",
    summary: "prints what passes",
    options: &[&[OptionSpec::new("deep", Type::Bool, "no", "every packet")]],
    check: |_| Ok(()),
    open: |_, next| Ok(next),
};

const AVC: EncoderKind = EncoderKind {
    name: "avc",
    summary: "H.264",
    takes: Takes::Video,
    options: &[&[
        OptionSpec::new("b", Type::Rate, "", "bit rate").alias(&["rate", "bitrate"]),
        OptionSpec::new("g", Type::Count, "", "frames between key frames").alias(&["gop"]),
        OptionSpec::new("profile", Type::Choice(&["baseline", "main", "high"]), "high", "profile"),
    ]],
    open: encoder,
};

const AAC: EncoderKind = EncoderKind {
    name: "aac",
    summary: "AAC-LC",
    takes: Takes::Audio,
    options: &[&[
        OptionSpec::new("b", Type::Rate, "128k", "bit rate").alias(&["rate", "bitrate"]),
        OptionSpec::new("profile", Type::Choice(&["aac_low"]), "aac_low", "profile"),
    ]],
    open: encoder,
};

impl Sink for Nothing {
    fn run(&mut self, _: SinkJob) -> BoxFuture<'_, Ended> {
        Box::pin(async { Ended::clean() })
    }
}

fn sink(_: &Node) -> Result<Box<dyn Sink>, SpecError> {
    Ok(Box::new(Nothing))
}

const LISTEN_OUTPUT: SinkKind = SinkKind {
    name: "rtmp_listen",
    summary: "players pull",
    options: rtmp::LISTEN_OUTPUT,
    accepts: |url, listening| url.scheme.as_deref() == Some("rtmp") && listening,
    live: true,
    open: sink,
};

const PUSH: SinkKind = SinkKind {
    name: "rtmp_push",
    summary: "publishes to a server",
    options: rtmp::PUSH,
    accepts: |url, listening| url.is_rtmp() && !listening,
    live: true,
    open: sink,
};

const FILE_OUTPUT: SinkKind = SinkKind {
    name: "file",
    summary: "an FLV file",
    options: &[],
    accepts: |url, _| url.path().is_some_and(|path| path.ends_with(".flv")),
    live: false,
    open: sink,
};

const NULL: SinkKind = SinkKind {
    name: "null",
    summary: "nothing",
    options: &[],
    accepts: |url, _| url.path() == Some("null"),
    live: false,
    open: sink,
};

/// The kinds of the product, without their insides.
pub(crate) fn registries() -> Registries {
    Registries {
        sources: &[&AVGEN, &LISTEN_INPUT, &PULL, &FILE, &PIPE, &FFMPEG],
        filters: &[&reframer::KIND, &INSPECT],
        encoders: &[&AVC, &AAC],
        sinks: &[&LISTEN_OUTPUT, &PUSH, &FILE_OUTPUT, &NULL],
    }
}

/// Surroundings with a few variables and files.
pub(crate) struct World;

impl Environment for World {
    fn variable(&self, name: &str) -> Option<String> {
        match name {
            "TARGET" => Some("rtmp://h.example/app/env-k3y:x?t=1".into()),
            "STREAM_KEY" => Some("env-k3y".into()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    fn read(&self, path: &str) -> io::Result<String> {
        match path {
            "/run/empty" => Ok(String::new()),
            "/run/key" => Ok("file-k3y\n".into()),
            "/dev/fd/3" => Ok("fd-k3y\r\n".into()),
            "/run/two-lines" => Ok("one-k3y\ntwo-k3y\n".into()),
            "/run/words" => Ok("# a comment\navgen\nc=avc\nc=aac\n\n-o rtmp://h.example/live/a b\n".into()),
            "/run/marked-words" => Ok("\u{feff}avgen\r\nc=avc\r\nc=aac\r\n-o null\r\n".into()),
            "/run/right-words" => Ok("avgen\nc=avc\nc=aac\n-o rtmp://h.example/live/k?a=1&b=2\n".into()),
            _ => Err(io::Error::from(io::ErrorKind::NotFound)),
        }
    }

    fn exists(&self, path: &str) -> bool {
        matches!(path, "in.flv" | "b.flv" | "in.mp4" | "in.mkv" | "odd:name.flv" | "dir" | "./in.flv")
    }

    fn is_directory(&self, path: &str) -> bool {
        matches!(path, "dir" | ".")
    }
}
