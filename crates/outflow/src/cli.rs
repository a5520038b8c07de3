//! The command line: words to a typed graph, program options, help, completions, and what a person sees while it runs.

mod check;
pub mod console;
pub mod environment;
mod help;
mod lines;
mod looking;
pub mod mistakes;
mod preset;
pub mod program;
mod repeats;
mod report;
mod scan;
pub mod serve;
mod shell;
mod shown;
mod split;
mod status;
mod typing;
mod unfilled;
mod words;

use std::ffi::OsString;
use std::path::PathBuf;

use crate::config::Mistake;
use crate::config::init::Starter;
use crate::encode::EncoderKind;
use crate::error::{SpecError, SpecErrors};
use crate::filter::FilterKind;
use crate::graph::program::Report;
use crate::graph::{Graph, ProgramOptions, link};
use crate::options::suggest::did_you_mean;
use crate::options::{OptionSpec, known};
use crate::preflight::bandwidth::far::FarSide;
use crate::preflight::check::Check;
use crate::preflight::probe::Probe;
use crate::sink::SinkKind;
use crate::source::SourceKind;
use crate::top::Top;
use environment::Environment;
pub use looking::table;

/// Every kind that words can mean.
#[derive(Clone, Copy)]
pub struct Registries {
    /// Sources, asked in this order for a URL.
    pub sources: &'static [&'static SourceKind],
    /// Filters.
    pub filters: &'static [&'static FilterKind],
    /// Encoders.
    pub encoders: &'static [&'static EncoderKind],
    /// Sinks, asked in this order for a URL.
    pub sinks: &'static [&'static SinkKind],
}

impl Default for Registries {
    fn default() -> Self {
        Self {
            sources: crate::source::SOURCES,
            filters: crate::filter::FILTERS,
            encoders: crate::encode::ENCODERS,
            sinks: crate::sink::SINKS,
        }
    }
}

impl Registries {
    /// The tables of options of every kind.
    fn tables(&self) -> Vec<&'static [OptionSpec]> {
        let sources = self.sources.iter().flat_map(|kind| kind.options);
        let filters = self.filters.iter().flat_map(|kind| kind.options);
        let encoders = self.encoders.iter().flat_map(|kind| kind.options);
        let sinks = self.sinks.iter().flat_map(|kind| kind.options);
        let mut tables: Vec<_> = sources.chain(filters).chain(encoders).chain(sinks).copied().collect();
        tables.extend([known::EVERY_WORD, known::SOURCE, known::SINK, known::ENCODER]);
        tables
    }
}

/// What works but is hardly meant.
#[derive(Debug)]
pub enum Doubts {
    /// In words.
    Words(Vec<SpecError>),
    /// In a configuration.
    Config(Vec<Mistake>),
}

/// What a command line asks for.
#[derive(Debug)]
pub enum Command {
    /// Run a graph.
    Graph {
        /// The graph, checked.
        graph: Box<Graph>,
        /// How to run it and what to report.
        program: ProgramOptions,
        /// What works but is hardly meant; print them first.
        warnings: Vec<SpecError>,
    },
    /// Run the relay.
    Serve(Box<serve::Serve>),
    /// `serve --check`: the configuration is right. Print it, after the warnings.
    Checked {
        /// What to print.
        text: String,
        /// What works but is hardly meant.
        warnings: Vec<Mistake>,
    },
    /// The configuration of `serve` is wrong: exit code 2.
    Misconfigured(Vec<Mistake>),
    /// `serve --init`: write a first file, which must not be there yet, and say what to do with it.
    Init {
        /// The file.
        path: PathBuf,
        /// What to write and to say.
        starter: Starter,
    },
    /// Look at one URL.
    Probe(Box<Probe>),
    /// Look at everything before the show.
    Check {
        /// What, and how.
        check: Box<Check>,
        /// Ask on the terminal where to publish.
        asks: bool,
        /// Print them first.
        doubts: Doubts,
    },
    /// Be the far side of a bandwidth test.
    FarSide(Box<FarSide>),
    /// Show a running relay.
    Top(Box<Top>),
    /// Print this text: help, completions or the man page.
    Help(String),
    /// Print the version.
    Version,
}

/// Reads a command line, without the program's own name, against every kind there is.
pub fn parse(args: &[OsString], environment: &dyn Environment) -> Result<Command, SpecErrors> {
    parse_with(args, environment, &Registries::default())
}

/// The same against these kinds.
pub fn parse_with(
    args: &[OsString],
    environment: &dyn Environment,
    registries: &Registries,
) -> Result<Command, SpecErrors> {
    if args.first().is_some_and(|word| word == "serve") {
        let words = args.iter().skip(1).map(|word| word.to_str().map(str::to_owned)).collect::<Option<Vec<_>>>();
        let words = words.ok_or_else(|| SpecError::new("a word is no UTF-8 text").hint("rename the file"))?;
        return serve::serve(&words, environment).map_err(SpecErrors::from);
    }
    if let Some(command) = args.first().and_then(|word| looking::find(word.to_str()?)) {
        let words = args.iter().skip(1).map(|word| word.to_str().map(str::to_owned)).collect::<Option<Vec<_>>>();
        let words = words.ok_or_else(|| SpecError::new("a word is no UTF-8 text").hint("type it again"))?;
        return looking::read(command, &words, environment, registries);
    }
    if let Some(command) = subcommand(args, registries) {
        return command.map_err(SpecErrors::from);
    }
    let mut scan = scan::scan(args, environment);
    if scan.help {
        return Ok(Command::Help(help::help(registries, &[])?));
    }
    if scan.version {
        return Ok(Command::Version);
    }
    let mut reader = words::Reader {
        environment,
        registries,
        globals: std::mem::take(&mut scan.globals),
        warnings: std::mem::take(&mut scan.warnings),
        errors: std::mem::take(&mut scan.errors),
        missing: Vec::new(),
    };
    let declared = reader.read(&scan.items);
    // Only an empty command line asks for help; options of the program alone are a graph that was forgotten.
    if scan.items.is_empty() && reader.globals.is_empty() && reader.errors.is_empty() {
        let error = SpecError::new("no word says where media comes from and where it goes, so nothing would run");
        reader.errors.push(error.hint("write `outflow -i URL -o URL`; `outflow help` lists everything"));
    }
    let all_read = reader.errors.is_empty();
    if all_read {
        reader.unused_globals(&registries.tables());
    }
    let words::Reader { mut warnings, mut errors, mut missing, .. } = reader;
    let mut graph = Graph::default();
    // Links between half of the words would only give errors that mending the first ones removes.
    if all_read {
        match link::link(declared) {
            Ok((linked, more)) => {
                let told = |error: &SpecError| missing.iter().any(|other| other.word_index == error.word_index);
                errors.extend(linked.validate().into_iter().filter(|error| !told(error)));
                warnings.extend(more);
                graph = linked;
            }
            Err(found) => errors.extend(found),
        }
    }
    if let (Some(Report::Words(names)), true) = (&scan.program.report, errors.is_empty() && missing.is_empty()) {
        errors.extend(unknown_reports(&graph, names).map(|error| error.at(scan.report_index, "-r")));
    }
    if scan.program.strict {
        errors.append(&mut warnings);
    }
    errors.append(&mut missing);
    errors.sort_by_key(|error| error.word_index);
    if errors.is_empty() {
        Ok(Command::Graph { graph: Box::new(graph), program: scan.program, warnings })
    } else {
        Err(SpecErrors { list: errors, warnings })
    }
}

/// The names of `-r=` that no input and no output has.
fn unknown_reports(graph: &Graph, names: &[String]) -> Option<SpecError> {
    let reported: Vec<_> = graph.nodes.iter().filter(|entry| entry.role.is_source() || entry.role.is_sink()).collect();
    let known: Vec<&str> = reported.iter().flat_map(|entry| [entry.node.name.as_str(), entry.node.kind]).collect();
    let stranger = names.iter().find(|name| !known.contains(&name.as_str()))?;
    let all = reported.iter().map(|entry| entry.node.name.as_str()).collect::<Vec<_>>().join(", ");
    let hint = did_you_mean(stranger, known.iter().copied()).unwrap_or_else(|| format!("names here: {all}"));
    Some(SpecError::new("no input and no output here has this name").hint(hint))
}

/// A first word that is a command of its own, and no word at all.
fn subcommand(args: &[OsString], registries: &Registries) -> Option<Result<Command, SpecError>> {
    let words: Vec<String> = args.iter().map_while(|word| word.to_str().map(str::to_owned)).collect();
    let Some((first, rest)) = words.split_first() else {
        return args.is_empty().then(|| Ok(Command::Help(help::USAGE.to_owned())));
    };
    let text = match first.as_str() {
        "help" => help::help(registries, rest),
        "completions" => shell::completions(registries, rest),
        "man" if !rest.is_empty() => {
            Err(SpecError::new("it takes no further words").hint("write outflow man, or outflow help NAME"))
        }
        "man" => shell::man(registries),
        _ => return None,
    };
    let shown = words.iter().take(3).map(|word| shown::stray(word)).collect::<Vec<_>>().join(" ");
    let shown = if matches!(first.as_str(), "help" | "completions" | "man") { shown } else { first.clone() };
    Some(text.map(Command::Help).map_err(|error| error.at(1, shown)))
}
