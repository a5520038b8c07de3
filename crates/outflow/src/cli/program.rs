//! Options of the program itself, and the habits of FFmpeg and GPAC users that are answered instead of refused.

use std::time::Duration;

use super::environment::Environment;
use crate::config;
use crate::config::overlay::Setting;
use crate::error::SpecError;
use crate::graph::program::{Http, ProgramOptions, Report};
use crate::monitor::log::LogFilter;
use crate::net::pump::Backend;
use crate::options::suggest::nearest;
use crate::options::value::{duration, duration_millis, list};
use crate::secret::Secret;

/// Whether an option of the program has a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Never.
    Nothing,
    /// Always, after `=` or as the next word.
    Value(&'static str),
    /// After `=` only.
    Maybe(&'static str),
}

/// One option of the program.
#[derive(Debug, Clone, Copy)]
pub struct ProgramOption {
    /// Its name, typed after one dash or two.
    pub name: &'static str,
    /// Its value.
    pub takes: Takes,
    /// One sentence.
    pub help: &'static str,
}

const fn option(name: &'static str, takes: Takes, help: &'static str) -> ProgramOption {
    ProgramOption { name, takes, help }
}

/// All of them.
pub const OPTIONS: &[ProgramOption] = &[
    option("graph", Takes::Nothing, "print how the words are linked"),
    option("stats", Takes::Nothing, "print figures of every input and output at the end"),
    option(
        "r",
        Takes::Maybe("NAMES"),
        "report while it runs (every 10 s where standard error is no terminal) and at the end; -r=A,B only these inputs and outputs, -r= only at the end",
    ),
    option(
        "logs",
        Takes::Value("TOOL@LEVEL"),
        "what to log: network, rtmp, media, app or all, at quiet, error, warning, info or debug",
    ),
    option("runfor", Takes::Value("MS"), "stop after so many milliseconds (or 10s, 5min ...)"),
    option("json", Takes::Nothing, "events as JSON lines on standard output"),
    option("strict", Takes::Nothing, "take warnings about words as errors"),
    option("drain", Takes::Value("DURATION"), "how long a stop may take to send the rest (default 5s)"),
    option("args", Takes::Value("FILE"), "read further words from a file, one a line, without a shell's quoting"),
    option(
        "http",
        Takes::Value("ADDRESS"),
        "API, /metrics and page to look at it, as 127.0.0.1:1937; on other addresses OUTFLOW_API_TOKEN has to have a token",
    ),
    option(
        "limits",
        Takes::Value("NAME=VALUE,..."),
        "what peers may cost, as handshake=5s,media_message=20m (`outflow help limits` lists them)",
    ),
    option(
        "pump",
        Takes::Value("WAY"),
        "how it writes to many: calls (one for each connection, the default) or io_uring (one for up to 256; Linux 5.17)",
    ),
    option("help", Takes::Nothing, "print this help"),
    option("h", Takes::Nothing, "print this help"),
    option("version", Takes::Nothing, "print the version"),
    option("V", Takes::Nothing, "print the version"),
];

/// Looks an option of the program up.
pub fn find(name: &str) -> Option<&'static ProgramOption> {
    OPTIONS.iter().find(|option| option.name == name)
}

/// "did you mean": options of the program, with their dash, before these other names.
pub(super) fn did_you_mean<'a>(typed: &str, others: impl Iterator<Item = &'a str>) -> Option<String> {
    let own = || OPTIONS.iter().map(|option| option.name).chain(["i", "o"]);
    let near = nearest(typed, own().chain(others))?;
    let dash = if own().any(|name| name == near) { "-" } else { "" };
    Some(format!("did you mean `{dash}{near}`?"))
}

/// Sets one option of the program. Help, version and `-args` are not of these.
pub(super) fn set(
    program: &mut ProgramOptions,
    name: &str,
    value: Option<&str>,
    environment: &dyn Environment,
) -> Result<(), SpecError> {
    let text = value.unwrap_or_default();
    match name {
        "graph" => program.graph = true,
        "stats" => program.stats = true,
        "json" => program.json = true,
        "strict" => program.strict = true,
        "r" => {
            program.report = Some(match value {
                None => Report::All,
                Some("") => Report::Final,
                Some(names) => Report::Words(list(names)),
            });
        }
        "logs" => program.logs = LogFilter::parse(text)?,
        "runfor" => program.run_for = Some(positive(duration_millis(text)?)?),
        "drain" => program.drain = duration(text)?,
        "http" => program.http = http(text, environment)?,
        "limits" => program.limits.set_all(text)?,
        "pump" => program.pump = pump(text)?,
        _ => {}
    }
    Ok(())
}

/// How the pump writes. Asked for and refused, it is an error at once: later it would only show in what it costs.
pub(super) fn pump(text: &str) -> Result<Backend, SpecError> {
    let backend = match text {
        "calls" => Backend::Calls,
        "io_uring" => Backend::IoUring,
        _ => return Err(SpecError::new("there is no such way to write").hint("it is calls or io_uring")),
    };
    backend.check().map(|()| backend).map_err(|error| {
        let hint = "leave it out; containers have to allow io_uring_setup and io_uring_enter, and kernel.io_uring_disabled has to be 0";
        SpecError::new(format!("the system refuses io_uring: {error}")).hint(hint)
    })
}

/// Where API and page are to be. The token is in a variable: the whole machine may read words.
fn http(text: &str, environment: &dyn Environment) -> Result<Option<Http>, SpecError> {
    let address = config::parse_address(text, Setting::Http);
    let Some(address) = address.map_err(|(problem, hint)| SpecError::new(problem).hint(hint))? else {
        return Ok(None);
    };
    let token = environment.variable("OUTFLOW_API_TOKEN").filter(|token| !token.is_empty()).map(Secret::new);
    if token.is_none() && !address.is_loopback() {
        let error = SpecError::new("everybody who reaches this machine could look at it");
        return Err(error.hint(format!("set OUTFLOW_API_TOKEN, or write 127.0.0.1:{}", address.port)));
    }
    Ok(Some(Http { ip: address.ip, port: address.port, token }))
}

fn positive(value: Duration) -> Result<Duration, SpecError> {
    if value.is_zero() {
        return Err(SpecError::new("the time to run is 0").hint("leave -runfor out to run until the end"));
    }
    Ok(value)
}

/// What to say to a habit from another program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is what happens anyway, or changes nothing: go on, with a hint.
    Hint(&'static str),
    /// It asks for something that words ask for differently.
    Refuse(&'static str),
    /// A hint if the value is this one, else refused.
    HintIf(&'static str, &'static str, &'static str),
}

/// An option of FFmpeg or GPAC.
pub(super) struct Habit {
    pub(super) names: &'static [&'static str],
    pub(super) takes_value: bool,
    pub(super) answer: Answer,
}

const fn habit(names: &'static [&'static str], takes_value: bool, answer: Answer) -> Habit {
    Habit { names, takes_value, answer }
}

const COPY: &str = "encoded media always passes as it is: leave it out";
const ENCODE: &str = "encoders are words: `avgen c=avc c=aac`; media that is encoded already passes as it is";
const NOTHING: &str = "it changes nothing here: leave it out";
const FLV: &str = "RTMP always carries FLV: leave it out";

pub(super) const HABITS: &[Habit] = &[
    habit(
        &["c", "codec", "c:v", "c:a", "vcodec", "acodec", "codec:v", "codec:a"],
        true,
        Answer::HintIf("copy", COPY, ENCODE),
    ),
    habit(
        &["f", "format"],
        true,
        Answer::HintIf("flv", FLV, "outputs are RTMP or FLV files, told by their URL: leave it out"),
    ),
    habit(&["re"], false, Answer::Hint("real time is the default: leave it out (`reframer:rt=off` runs free)")),
    habit(&["readrate"], true, Answer::Hint("real time is the default: leave it out")),
    habit(&["y", "n", "nostdin", "hide_banner", "nostats"], false, Answer::Hint(NOTHING)),
    habit(&["loglevel", "v"], true, Answer::Hint("use -logs=all@LEVEL")),
    habit(
        &["fflags", "flags", "flvflags", "rw_timeout", "analyzeduration", "probesize", "muxdelay", "avioflags"],
        true,
        Answer::Hint(NOTHING),
    ),
    habit(
        &["threads", "no-block", "sched", "max-chain", "max-sleep", "blacklist", "buffer"],
        false,
        Answer::Hint(NOTHING),
    ),
    habit(&["no-reassign", "no-argchk", "no-save", "k", "lu", "lc", "rv", "ltf", "cfg"], false, Answer::Hint(NOTHING)),
    habit(
        &["listen", "rtmp_listen"],
        true,
        Answer::Refuse("options follow their URL: `-o rtmp://HOST:PORT/APP:gpac:rtmp_listen=1`"),
    ),
    habit(
        &["rtmp_live", "rtmp_app", "rtmp_playpath", "rtmp_tcurl", "rtmp_conn", "rtmp_flashver"],
        true,
        Answer::Refuse("options follow their URL: `-o rtmp://HOST/APP:gpac:rtmp_live=live`"),
    ),
    habit(&["stream_loop"], true, Answer::Refuse("options follow their URL: `-i FILE:loop`")),
    habit(
        &["map"],
        true,
        Answer::Refuse("choose tracks with `tracks=video,audio` on an output, or link words with FID= and SID="),
    ),
    habit(
        &["b:v", "b:a", "b", "ab", "maxrate", "g", "r:v", "s", "preset", "tune", "profile:v", "pix_fmt", "crf", "bf"],
        true,
        Answer::Refuse("encoder options follow their word: `c=avc:b=2m:g=50`, `c=aac:b=128k`"),
    ),
    habit(
        &["ss", "t", "to"],
        true,
        Answer::Refuse("use -runfor to stop after a time; files are sent from their beginning"),
    ),
    habit(&["vn", "an"], false, Answer::Refuse("choose tracks with `tracks=video` or `tracks=audio` on an output")),
    habit(
        &["vf", "af", "filter_complex", "lavfi"],
        true,
        Answer::Refuse(
            "pictures and sound are never changed on their way: use ffmpeg before, or `avgen` as a test source",
        ),
    ),
    habit(&["seps"], true, Answer::Refuse("separators can't be changed yet: they are `:=#,!@`")),
    habit(&["cl", "sid"], false, Answer::Refuse("links follow the order of words, FID= and SID=")),
    habit(
        &["alias", "lf", "rmt", "play", "info", "mplay"],
        false,
        Answer::Refuse("this option of GPAC is not offered"),
    ),
];

/// Looks a habit up, by its name without dashes.
pub(super) fn find_habit(name: &str) -> Option<&'static Habit> {
    HABITS.iter().find(|habit| habit.names.contains(&name))
}
