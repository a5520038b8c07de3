//! The command line: any words are a graph or a mistake that is explained, and a key is shown in neither.
use std::ffi::OsString;
use std::io;

use outflow::cli::environment::Environment;
use outflow::cli::{Command, parse};

use crate::meter::within;

/// A value that must not be seen again.
const KEY: &str = "S3CRET-of-tonight";

/// Variables and files that hold the key; no file system.
struct Surroundings;

impl Environment for Surroundings {
    fn variable(&self, name: &str) -> Option<String> {
        (name == "KEY").then(|| KEY.to_owned())
    }

    fn read(&self, path: &str) -> io::Result<String> {
        if path.ends_with("words") { Ok("-o rtmp://h/live/k".to_owned()) } else { Ok(format!("{KEY}\n")) }
    }

    fn exists(&self, path: &str) -> bool {
        path.ends_with(".flv")
    }

    fn is_directory(&self, path: &str) -> bool {
        path.ends_with('/')
    }
}

pub(super) fn run(data: &[u8]) {
    // Blanks stand within words, line ends between them.
    let text = String::from_utf8_lossy(data);
    let words: Vec<OsString> = text.split('\n').map(OsString::from).collect();
    // A configuration is read from files, and `top` and the like have no words of a graph.
    let elsewhere = ["serve", "probe", "check", "top", "man", "completions"];
    if words.first().is_some_and(|word| elsewhere.iter().any(|name| word == name)) {
        return;
    }
    // Help is tens of kilobytes; a word is a node with its options, and nodes are linked with each other.
    let allowed = (1 << 20) + 512 * text.len() + 4096 * words.len() * words.len();
    let shown = within(allowed, "words", || match parse(&words, &Surroundings) {
        Ok(Command::Graph { graph, program, warnings }) => {
            format!("{} {program:?} {warnings:?} {:?}", graph.describe(), graph.notes)
        }
        Ok(other) => format!("{other:?}"),
        Err(errors) => {
            assert!(!errors.list.is_empty(), "a mistake without words");
            errors.to_string()
        }
    });
    assert!(!shown.contains(KEY) || text.contains(KEY), "the key is shown: {shown}");
}
