//! `outflow serve`: its flags, and the configuration that they, the environment and the file make.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use super::Command;
use super::environment::Environment;
use super::program;
use crate::config::init::{self, Wish};
use crate::config::overlay::{SETTINGS, Setting, config_path};
use crate::config::world::World;
use crate::config::{self, Config, Mistake, Overrides};
use crate::error::SpecError;
use crate::monitor::log::LogFilter;
use crate::net::pump::Backend;
use crate::options::suggest::nearest;

/// The file that `--init` writes where none is named.
const FIRST_FILE: &str = "outflow.toml";

/// What `outflow serve` was told.
#[derive(Debug)]
pub struct Serve {
    /// Everything that file, environment and flags say.
    pub config: Config,
    /// What works but is hardly meant.
    pub warnings: Vec<Mistake>,
    /// The file, if there is one: it is watched.
    pub path: Option<PathBuf>,
    /// The flags: a reload reads `config::read(&overrides, ...)`.
    pub overrides: Overrides,
    /// `--json`
    pub json: bool,
    /// `--logs`
    pub logs: LogFilter,
    /// `--pump`
    pub pump: Backend,
}

/// A flag of `serve`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flag {
    /// Its name, without dashes.
    pub name: &'static str,
    /// Its value, if it has one; in brackets if it may be left out.
    pub value: &'static str,
    /// One sentence.
    pub help: &'static str,
}

const fn flag(name: &'static str, value: &'static str, help: &'static str) -> Flag {
    Flag { name, value, help }
}

/// All of them.
pub const FLAGS: &[Flag] = &[
    flag("config", "FILE", "the configuration; without one any stream is relayed on this machine only"),
    flag("rtmp", "ADDR", "where to listen for RTMP: 127.0.0.1:1935 (the default), :1935 for every address, none"),
    flag("rtmps", "ADDR", "where to listen for RTMPS: usually :1936; wants a certificate"),
    flag("http", "ADDR", "where API and web page are: 127.0.0.1:1937 (the default), none"),
    flag("tls-cert", "FILE", "the certificate of the RTMPS port and its chain, PEM"),
    flag("tls-key", "FILE", "its private key, PEM"),
    flag("state-file", "FILE", "where changes made through the API are kept over a restart"),
    flag("drain", "DURATION", "how long a stop may take to send the rest (default 5s)"),
    flag("check", "", "only say whether the configuration is right"),
    flag("init", "[=FILE]", "write a first file (outflow.toml), with a key, and say what to type into OBS"),
    flag("json", "", "events as JSON lines on standard output"),
    flag(
        "logs",
        "TOOL@LEVEL",
        "what to log: network, rtmp, media, app or all, at quiet, error, warning, info or debug",
    ),
    flag("pump", "WAY", "how it writes to many: calls (the default) or io_uring (Linux 5.17)"),
    flag("help", "", "print this help"),
];

/// `outflow help serve`
pub(super) fn help() -> String {
    let mut text = String::from(
        "outflow serve: one port for any number of publishers, players and outputs, changed while it runs\n\n\
         Usage: outflow serve [--config FILE] [FLAGS]\n\n",
    );
    for flag in FLAGS {
        let space = if flag.value.is_empty() || flag.value.starts_with('[') { "" } else { " " };
        let _ = writeln!(text, "    {:<24} {}", format!("--{}{space}{}", flag.name, flag.value), flag.help);
    }
    let variables: Vec<&str> = SETTINGS.iter().map(|(_, _, variable)| *variable).collect();
    let _ = write!(
        text,
        "\nA flag counts before an environment variable, a variable before the file, the file before the default.\n\
         Variables: {}.\n\n\
         A first file, and what goes into OBS:   outflow serve --init\n\
         Is the file right?                      outflow serve --config outflow.toml --check\n",
        variables.join(", ")
    );
    text
}

/// The world as a configuration sees it.
pub(super) struct Outside<'a>(pub(super) &'a dyn Environment);

impl World for Outside<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        self.0.variable(name)
    }

    fn variables(&self) -> Vec<String> {
        self.0.variables()
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        self.0.read_large(path)
    }

    fn mode(&self, path: &Path) -> Option<u32> {
        self.0.mode(path)
    }
}

/// The flags as typed.
#[derive(Default)]
struct Typed {
    overrides: Overrides,
    check: bool,
    help: bool,
    json: bool,
    init: Option<String>,
    logs: LogFilter,
    pump: Backend,
}

/// `outflow serve ...`: `words` are those after `serve`, the first of them the second of the command line.
pub(super) fn serve(words: &[String], environment: &dyn Environment) -> Result<Command, SpecError> {
    let typed = flags(words)?;
    if typed.help {
        return Ok(Command::Help(help()));
    }
    let world = Outside(environment);
    if let Some(path) = typed.init {
        return first_file(&path, &typed.overrides);
    }
    match config::read(&typed.overrides, &world).and_then(fitting) {
        Err(mistakes) => Ok(Command::Misconfigured(mistakes)),
        Ok(loaded) if typed.check => {
            let count = |number: usize, one: &str| format!("{number} {one}{}", if number == 1 { "" } else { "s" });
            let config = &loaded.config;
            let text =
                format!("OK: {}, {}\n", count(config.streams.len(), "stream"), count(config.outputs.len(), "output"));
            Ok(Command::Checked { text, warnings: loaded.warnings })
        }
        Ok(loaded) => Ok(Command::Serve(Box::new(Serve {
            config: loaded.config,
            warnings: loaded.warnings,
            path: config_path(&typed.overrides, &world),
            overrides: typed.overrides,
            json: typed.json,
            logs: typed.logs,
            pump: typed.pump,
        }))),
    }
}

/// Whether certificate and key belong together, which takes more than to read them.
fn fitting(loaded: config::Loaded) -> Result<config::Loaded, Vec<Mistake>> {
    let Some(tls) = &loaded.config.tls else { return Ok(loaded) };
    match crate::net::tls::Identity::load(&tls.cert, &tls.key) {
        Ok(_) => Ok(loaded),
        Err(problem) => {
            Err(vec![Mistake::named("tls", problem, "give the certificate and the key that belongs to it")])
        }
    }
}

fn first_file(path: &str, overrides: &Overrides) -> Result<Command, SpecError> {
    // What the flags say is read as a configuration would be, without asking anybody for a key.
    let address = |setting, name: &str| match overrides.get(setting).map(|text| config::parse_address(text, setting)) {
        None => Ok(None),
        Some(Ok(address)) => Ok(address),
        Some(Err((problem, hint))) => Err(SpecError::new(problem).field(name).hint(hint)),
    };
    let wish = Wish { rtmp: address(Setting::Rtmp, "--rtmp")?, http: address(Setting::Http, "--http")? };
    let starter = init::starter(&wish, path).map_err(SpecError::new)?;
    Ok(Command::Init { path: PathBuf::from(path), starter })
}

fn flags(words: &[String]) -> Result<Typed, SpecError> {
    let mut typed = Typed::default();
    let mut rest = words.iter().enumerate();
    while let Some((number, word)) = rest.next() {
        let fail = |error: SpecError| error.at(number + 2, super::shown::dashed(word));
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word.as_str(), None),
        };
        let bare = name.strip_prefix("--").unwrap_or(if name == "-h" { "help" } else { "" });
        let Some(flag) = FLAGS.iter().find(|flag| flag.name == bare) else { return Err(fail(unknown(word, name))) };
        let value = match (flag.value, value) {
            ("", Some(_)) => {
                let problem = format!("--{bare} takes no value");
                return Err(fail(SpecError::new(problem).hint(format!("write --{bare}"))));
            }
            ("" | "[=FILE]", None) => "",
            (_, Some(value)) => value,
            // A flag in the place of a value is a value that was forgotten.
            (_, None) => match rest.next().filter(|(_, next)| !next.starts_with("--")) {
                Some((_, value)) => value,
                None => {
                    let hint = format!("write --{bare} {}", flag.value);
                    return Err(fail(SpecError::new("its value is missing").hint(hint)));
                }
            },
        };
        match bare {
            "check" => typed.check = true,
            "help" => typed.help = true,
            "json" => typed.json = true,
            "init" => typed.init = Some(if value.is_empty() { FIRST_FILE } else { value }.to_owned()),
            "logs" => typed.logs = LogFilter::parse(value).map_err(fail)?,
            "pump" => typed.pump = program::pump(value).map_err(fail)?,
            _ => {
                let setting = SETTINGS.iter().find(|(_, flag, _)| *flag == format!("--{bare}"));
                if let Some((setting, ..)) = setting {
                    typed.overrides.set(*setting, value);
                }
            }
        }
    }
    Ok(typed)
}

fn unknown(word: &str, name: &str) -> SpecError {
    let near = nearest(name.trim_start_matches('-'), FLAGS.iter().map(|flag| flag.name));
    if !name.starts_with('-') {
        let toml = Path::new(word).extension().is_some_and(|end| end == "toml");
        return SpecError::new("serve takes flags only").hint(match near {
            _ if toml => "write --config before the file".to_owned(),
            Some(near) => format!("did you mean --{near}?"),
            None => "`outflow serve --help` lists them; words of a graph go without `serve`".to_owned(),
        });
    }
    let hint = near.map_or("`outflow serve --help` lists them".to_owned(), |near| format!("did you mean `--{near}`?"));
    SpecError::new("this is no flag of serve").hint(hint)
}
