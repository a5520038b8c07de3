//! `outflow probe`, `outflow check` and `outflow top`: their flags, and what the rest of their words means.

mod line;

use std::ffi::OsString;
use std::fmt::Write as _;

use super::environment::Environment;
use super::mistakes::Paint;
use super::serve::{Flag, Outside};
use super::{Command, Doubts, Registries, parse_with, shown, typing};
use crate::config::overlay::Setting;
use crate::config::{self, Overrides};
use crate::error::{SpecError, SpecErrors};
use crate::graph::{Graph, GraphNode, Role};
use crate::limits::Limits;
use crate::net::http_client::HttpUrl;
use crate::options::platforms;
use crate::options::suggest::{did_you_mean, nearest};
use crate::options::value;
use crate::preflight::check::{Check, Cost, What};
use crate::preflight::cost::{self, Part, Words};
use crate::preflight::probe::Probe;
use crate::preflight::{Report, Verdict};
use crate::secret::Secret;
use crate::sink::{null, rtmp_listen as sink_listen, rtmp_push};
use crate::source::{rtmp_listen, rtmp_pull};
use crate::top::Top;

const fn flag(name: &'static str, value: &'static str, help: &'static str) -> Flag {
    Flag { name, value, help }
}

const JSON: Flag = flag("json", "", "print JSON instead of a table");
const HELP: Flag = flag("help", "", "print this help");

/// One of these commands.
pub(super) struct Subcommand {
    /// Its name.
    pub(super) name: &'static str,
    /// One sentence.
    pub(super) summary: &'static str,
    usage: &'static str,
    /// Its flags.
    pub(super) flags: &'static [Flag],
    more: &'static str,
}

const PROBE: Subcommand = Subcommand {
    name: "probe",
    summary: "looks at one RTMP(S) URL, stage by stage; publishes nothing",
    usage: "outflow probe [FLAGS] URL[:gpac:OPTIONS]",
    flags: &[
        flag("play", "", "play what is there for a few seconds, and tell codecs, size, rates and key frames"),
        flag("limits", "NAME=VALUE,...", "what the server may ask of us, as amf_depth=16: `outflow help limits`"),
        JSON,
        HELP,
    ],
    more: "It looks the name up, connects to every address, and goes as far as the answer to `connect`. The stream's \
           name,\nwhich may be a key, is told to the server only with --play.\n\
           Options are those of an input: ca=FILE, bind=ADDRESS ...\n\
           Exit code: 0 nothing fails, 1 something fails, 2 the words are wrong.\n",
};

const CHECK: Subcommand = Subcommand {
    name: "check",
    summary: "looks at every output and input before the show; publishes nothing unasked",
    usage: "outflow check [FLAGS] WORD...\n       outflow check [FLAGS] --config FILE\n       outflow check --serve [ADDRESS]",
    flags: &[
        flag("config", "FILE", "the configuration of `outflow serve`, instead of words"),
        flag("cost", "", "run the graph for some seconds against receivers on this machine, and tell CPU and memory"),
        flag("uplink", "RATE", "what the line carries upwards, as 10M: the outputs' sum is held against it"),
        flag("bandwidth", "HOST", "send what all outputs send, at once, to `outflow check --serve` on HOST[:1938]"),
        flag("for", "DURATION", "how long the bandwidth test takes (default 30s), and each run of --cost (10s)"),
        flag("rate", "RATE", "what each output sends whose stream can't be looked at, as 6M"),
        flag("serve", "[=ADDRESS]", "be the far side of bandwidth tests; prints what to type on the near side"),
        flag(
            "token-file",
            "FILE",
            "the file that holds the token of the bandwidth test; else OUTFLOW_CHECK_TOKEN has it",
        ),
        flag(
            "publish",
            "[=NAME,...]",
            "try the publish itself, which may put a channel on air: on these outputs, or as asked on the terminal",
        ),
        JSON,
        HELP,
    ],
    more: "Every output: name, every address, TCP, TLS, RTMP handshake and connect. Every input is looked at for some \
           seconds\nand held against the rules of the platforms. What was not tested says so.\n\
           Exit code: 0 nothing fails, 1 something fails, 2 the words are wrong.\n\n\
           Before the show:   outflow check --uplink=20M -i show.mp4 -o twitch:key=env@TWITCH_KEY -o youtube:key=env@YT_KEY\n\
           The line itself:   outflow check --serve   on a host outside; it prints what to type here\n",
};

const TOP: Subcommand = Subcommand {
    name: "top",
    summary: "shows a running `outflow serve` in the terminal; it only looks",
    usage: "outflow top [--token-file FILE] [URL]",
    flags: &[flag("token-file", "FILE", "the file that holds the API's token; else OUTFLOW_API_TOKEN has it"), HELP],
    more: "URL is where the API is: http://127.0.0.1:1937 if none is given. A token is never typed: the process list shows it.\n\
           Keys: q quits; n s i b l d x t sort by name, state, since, bitrate, lag, delay, skips, tries; r reverses.\n",
};

/// All of them.
pub(super) const COMMANDS: &[Subcommand] = &[CHECK, PROBE, TOP];

/// What was found, for the terminal on standard output.
pub fn table(report: &Report) -> String {
    let paint = Paint::for_stdout();
    let columns = rustix::termios::tcgetwinsize(std::io::stdout()).ok().map(|size| usize::from(size.ws_col));
    // Into a pipe or file: no narrower than a sentence.
    let width = columns.filter(|columns| *columns > 0).unwrap_or(120);
    report.table(width, &|verdict, word| match verdict {
        Verdict::Pass => paint.good(word),
        Verdict::NotTested => paint.faint(word),
        Verdict::Warn => paint.doubtful(word),
        Verdict::Fail => paint.bad(word),
    })
}

/// The command of this name.
pub(super) fn find(name: &str) -> Option<&'static Subcommand> {
    COMMANDS.iter().find(|command| command.name == name)
}

/// `outflow help probe`
pub(super) fn help(command: &Subcommand) -> String {
    let mut text = format!("outflow {}: {}\n\nUsage: {}\n\n", command.name, command.summary, command.usage);
    for flag in command.flags {
        let space = if flag.value.is_empty() || flag.value.starts_with('[') { "" } else { " " };
        let _ = writeln!(text, "    {:<24} {}", format!("--{}{space}{}", flag.name, flag.value), flag.help);
    }
    let _ = write!(text, "\n{}", command.more);
    text
}

/// Flags that were typed, and the words that are none, each with its place on the command line from 1.
struct Typed {
    flags: Vec<(&'static str, String)>,
    words: Vec<(usize, String)>,
}

impl Typed {
    fn value(&self, name: &str) -> Option<&str> {
        self.flags.iter().rev().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    fn has(&self, name: &str) -> bool {
        self.flags.iter().any(|(known, _)| *known == name)
    }
}

/// Takes the flags of a command from among its words, wherever they stand. Other words with dashes stay.
fn typed(command: &Subcommand, words: &[String]) -> Result<Typed, SpecError> {
    let mut typed = Typed { flags: Vec::new(), words: Vec::new() };
    let mut rest = words.iter().enumerate();
    while let Some((number, word)) = rest.next() {
        let index = number + 2;
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word.as_str(), None),
        };
        let bare = name.strip_prefix("--").or((name == "-h").then_some("help")).or(name.strip_prefix('-'));
        let Some(flag) = bare.and_then(|bare| command.flags.iter().find(|flag| flag.name == bare)) else {
            typed.words.push((index, word.clone()));
            continue;
        };
        let fail = |problem: &str, hint: String| Err(SpecError::new(problem).hint(hint).at(index, shown::dashed(name)));
        let bare = flag.name;
        let value = match (flag.value, value) {
            ("", Some(_)) => return fail("it takes no value", format!("write --{bare}")),
            ("", None) => String::new(),
            (optional, None) if optional.starts_with('[') => String::new(),
            (_, Some(value)) => value,
            (_, None) => match rest.next().filter(|(_, next)| !next.starts_with("--")) {
                Some((_, value)) => value.clone(),
                None => return fail("its value is missing", format!("write --{bare} {}", flag.value)),
            },
        };
        typed.flags.push((bare, value));
    }
    Ok(typed)
}

/// A word with a dash that is no flag of the command.
fn unknown(command: &Subcommand, index: usize, word: &str) -> SpecError {
    let name = word.split('=').next().unwrap_or(word);
    let near = nearest(name.trim_start_matches('-'), command.flags.iter().map(|flag| flag.name));
    let list = format!("`outflow help {}` lists them", command.name);
    let hint = near.map_or(list, |near| format!("did you mean `--{near}`?"));
    SpecError::new(format!("this is no flag of {}", command.name)).hint(hint).at(index, shown::dashed(name))
}

/// `outflow NAME ...`: `words` are those after the name, which is the first of the command line.
pub(super) fn read(
    command: &'static Subcommand,
    words: &[String],
    environment: &dyn Environment,
    registries: &Registries,
) -> Result<Command, SpecErrors> {
    let typed = typed(command, words)?;
    if typed.has("help") {
        return Ok(Command::Help(help(command)));
    }
    match command.name {
        "check" => check(command, &typed, environment, registries),
        "top" => top(command, &typed, environment),
        _ => probe(command, &typed, environment, registries),
    }
}

fn check(
    command: &'static Subcommand,
    typed: &Typed,
    environment: &dyn Environment,
    registries: &Registries,
) -> Result<Command, SpecErrors> {
    let fail = |error: SpecError, flag: &str| SpecErrors::from(error.at(1, format!("{} --{flag}", command.name)));
    if typed.has("serve") {
        return line::far_side(typed, environment).map_err(SpecErrors::from);
    }
    let uplink = line::rate(typed, "uplink")?;
    let rate = line::rate(typed, "rate")?;
    let bandwidth = line::bandwidth(typed, environment)?;
    let (limits, doubts);
    let what = match (typed.value("config"), typed.words.as_slice()) {
        (Some(path), []) => {
            let mut overrides = Overrides::default();
            overrides.set(Setting::Config, path);
            match config::read(&overrides, &Outside(environment)) {
                Ok(loaded) => {
                    limits = loaded.config.limits.peers.clone();
                    doubts = Doubts::Config(loaded.warnings);
                    What::Config(Box::new(loaded.config))
                }
                Err(mistakes) => return Ok(Command::Misconfigured(mistakes)),
            }
        }
        (Some(_), [(index, word), ..]) => {
            let error = SpecError::new("with --config there are no words").hint("leave one of them out");
            return Err(error.at(*index, shown::stray(word)).into());
        }
        (None, []) => {
            let hint = "write `outflow check -i URL -o URL`, or `outflow check --config FILE`";
            return Err(SpecError::new("there is nothing to look at").hint(hint).at(1, command.name).into());
        }
        (None, words) => {
            let args: Vec<OsString> = words.iter().map(|(_, word)| OsString::from(word)).collect();
            // Places as they were typed, flags included.
            let replace = |error: &mut SpecError| {
                let place = error.word_index.checked_sub(1).and_then(|place| words.get(place));
                error.word_index = place.map_or(error.word_index, |(index, _)| *index);
            };
            match parse_with(&args, environment, registries) {
                Ok(Command::Graph { graph, program, mut warnings }) => {
                    limits = *program.limits;
                    warnings.iter_mut().for_each(replace);
                    doubts = Doubts::Words(warnings);
                    What::Graph(graph)
                }
                Ok(_) => {
                    let hint = "write the words of a graph: `outflow check -i URL -o URL`";
                    return Err(SpecError::new("this can't be looked at").hint(hint).at(1, command.name).into());
                }
                Err(mut errors) => {
                    errors.list.iter_mut().chain(&mut errors.warnings).for_each(replace);
                    return Err(errors);
                }
            }
        }
    };
    let lasts = line::lasts(typed, cost::TIME)?;
    let cost = match (&what, typed.has("cost")) {
        (_, false) => None,
        (What::Graph(graph), true) => {
            let words = costly(graph, &typed.words);
            if !leads_nowhere(&words, graph, environment, registries) {
                let error =
                    SpecError::new("the cost of these words can't be measured: not every output can be replaced");
                return Err(fail(error.hint("write them out without -args, or leave --cost out"), "cost"));
            }
            Some((Cost::Words(words), lasts))
        }
        (What::Config(_), true) => Some((Cost::Relay, lasts)),
    };
    let (publish, json) = (Vec::new(), typed.has("json"));
    let mut check = Check { what, uplink, rate, bandwidth, publish, cost, limits, json };
    let asks = typed.value("publish") == Some("");
    if let Some(names) = typed.value("publish").filter(|names| !names.is_empty()) {
        let known: Vec<String> = check.pushes().into_iter().map(|(name, _)| name).collect();
        for name in value::list(names) {
            if !known.contains(&name) {
                let hint = did_you_mean(&name, known.iter().map(String::as_str));
                let hint = hint.unwrap_or_else(|| format!("outputs here: {}", known.join(", ")));
                return Err(fail(SpecError::new("no output here has this name").hint(hint), "publish"));
            }
            check.publish.push(name);
        }
    }
    Ok(Command::Check { check: Box::new(check), asks, doubts })
}

/// The words again, with what of them is to be replaced.
fn costly(graph: &Graph, words: &[(usize, String)]) -> Words {
    let places = graph.nodes.iter().filter_map(|entry| Some((entry.node.index.checked_sub(1)?, part(entry)?)));
    let publishers = graph.nodes.iter().filter(|entry| part(entry) == Some(Part::Publisher));
    let mut words = Words {
        words: words.iter().map(|(_, word)| word.clone()).collect(),
        parts: places.collect(),
        publishers: publishers.map(|entry| entry.node.name.clone()).collect(),
    };
    words.parts.sort_by_key(|(place, _)| *place);
    words
}

/// What a node is that can't stay as it is where only the cost is looked at.
fn part(entry: &GraphNode) -> Option<Part> {
    match entry.role {
        Role::Sink(kind) if kind.name == rtmp_push::KIND.name => Some(Part::Push),
        Role::Sink(kind) if kind.name == sink_listen::KIND.name => Some(Part::Players),
        Role::Sink(kind) if kind.name != null::KIND.name => Some(Part::Store),
        Role::Source(kind) if kind.name == rtmp_listen::KIND.name => Some(Part::Publisher),
        _ => None,
    }
}

/// Whether these words, led elsewhere, are the same graph and lead nowhere else: only then may they be run.
fn leads_nowhere(words: &Words, graph: &Graph, environment: &dyn Environment, registries: &Registries) -> bool {
    const NOWHERE: &str = "rtmp://127.0.0.1:1/nowhere";
    let elsewhere = |part, number| match part {
        Part::Publisher => Some(format!("{NOWHERE}{number}:gpac:rtmp_listen=1")),
        _ => None,
    };
    let args: Vec<OsString> = words.led(elsewhere).into_iter().map(OsString::from).collect();
    let Ok(Command::Graph { graph: led, .. }) = parse_with(&args, environment, registries) else { return false };
    let stays = |entry: &GraphNode| match part(entry) {
        None => true,
        Some(Part::Publisher) => entry.node.url.as_ref().is_some_and(|url| url.raw.expose().starts_with(NOWHERE)),
        Some(_) => false,
    };
    // Links that are said by names may be lost with the options of a word.
    led.nodes.iter().all(stays) && led.streams == graph.streams
}

fn top(command: &'static Subcommand, typed: &Typed, environment: &dyn Environment) -> Result<Command, SpecErrors> {
    if let Some((index, word)) = typed.words.iter().find(|(_, word)| word.starts_with('-')) {
        return Err(unknown(command, *index, word).into());
    }
    let (index, url) = match typed.words.as_slice() {
        [] => (1, "http://127.0.0.1:1937"),
        [(index, url)] => (*index, url.as_str()),
        [_, (index, word), ..] => {
            let error = SpecError::new("it shows one relay at a time").hint("write `outflow top http://HOST:PORT`");
            return Err(error.at(*index, shown::stray(word)).into());
        }
    };
    let whole = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    let url = HttpUrl::parse(&Secret::new(whole)).map_err(|problem| {
        SpecError::new(problem).hint("write http://127.0.0.1:1937, or 127.0.0.1:1937").at(index, shown::stray(url))
    })?;
    let token = match typed.value("token-file") {
        Some(path) => {
            let read = typing::fetch(environment, &format!("file@{path}"));
            Some(read.map_err(|error| error.at(1, format!("{} --token-file", command.name)))?)
        }
        None => environment.variable("OUTFLOW_API_TOKEN").filter(|token| !token.is_empty()),
    };
    Ok(Command::Top(Box::new(Top { url, token: token.map(Secret::new) })))
}

fn probe(
    command: &'static Subcommand,
    typed: &Typed,
    environment: &dyn Environment,
    registries: &Registries,
) -> Result<Command, SpecErrors> {
    if let Some((index, word)) = typed.words.iter().find(|(_, word)| word.starts_with('-')) {
        return Err(unknown(command, *index, word).into());
    }
    let [(index, url)] = typed.words.as_slice() else {
        let problem = if typed.words.is_empty() { "it wants a URL" } else { "it looks at one URL at a time" };
        let error = SpecError::new(problem).hint("write `outflow probe rtmps://HOST/APP/NAME`");
        return Err(error.at(1, command.name).into());
    };
    let url = platforms::find(url).and_then(|platform| platform.url).map_or(url.as_str(), |url| url.value);
    let args: Vec<OsString> = ["-i", url, "-o", "null"].into_iter().map(OsString::from).collect();
    let graph = match parse_with(&args, environment, registries) {
        Ok(Command::Graph { graph, .. }) => graph,
        Ok(_) => return Err(SpecError::new("this is no URL").at(*index, shown::stray(url)).into()),
        Err(mut errors) => {
            errors.list.iter_mut().chain(&mut errors.warnings).for_each(|error| error.word_index = *index);
            return Err(errors);
        }
    };
    let source = graph
        .nodes
        .into_iter()
        .find(|entry| matches!(entry.role, Role::Source(kind) if kind.name == rtmp_pull::KIND.name));
    let Some(source) = source else {
        let error = SpecError::new("only servers can be looked at").hint("write rtmp://HOST/APP or rtmps://HOST/APP");
        return Err(error.at(*index, shown::stray(url)).into());
    };
    let mut limits = Limits::default();
    if let Some(text) = typed.value("limits") {
        limits.set_all(text).map_err(|error| error.at(1, format!("{} --limits", command.name)))?;
    }
    let (play, json) = (typed.has("play"), typed.has("json"));
    Ok(Command::Probe(Box::new(Probe { node: source.node, play, limits, json })))
}
