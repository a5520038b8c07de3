//! The grammar of the command line: links, options, sessions, and every mistake with its mend.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "words/errors.rs"]
mod errors;
#[path = "words/help.rs"]
mod help;
#[path = "words/links.rs"]
mod links;
#[path = "words/options.rs"]
mod options;
#[path = "words/registry.rs"]
mod registry;
#[path = "words/secrets.rs"]
mod secrets;
#[path = "words/serve.rs"]
mod serve;

use std::ffi::OsString;

use outflow::cli::{Command, parse_with};
use outflow::error::{SpecError, SpecErrors};
use outflow::graph::{Graph, ProgramOptions};

/// Parses words given one by one.
fn parse_words<S: AsRef<str>>(words: &[S]) -> Result<Command, SpecErrors> {
    let args: Vec<OsString> = words.iter().map(|word| OsString::from(word.as_ref())).collect();
    parse_with(&args, &registry::World, &registry::registries())
}

/// Parses a line as a shell would split it, without quotes.
fn parse(line: &str) -> Result<(Graph, ProgramOptions, Vec<SpecError>), SpecErrors> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match parse_words(&words)? {
        Command::Graph { graph, program, warnings } => Ok((*graph, program, warnings)),
        other => panic!("{line}: not a graph: {other:?}"),
    }
}

/// The graph of a line that must be right.
fn graph(line: &str) -> Graph {
    parse(line).unwrap_or_else(|errors| panic!("{line}\n{errors}")).0
}

/// The mistakes of a line that must be wrong.
fn mistakes(line: &str) -> Vec<SpecError> {
    match parse(line) {
        Ok(_) => panic!("{line}: taken"),
        Err(errors) => errors.list,
    }
}
