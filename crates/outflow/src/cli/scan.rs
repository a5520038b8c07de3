//! The first look at the command line: which words are URLs, names and links, and which are options of the program.

use std::ffi::OsString;

use super::environment::Environment;
use super::program::{self, Answer, Takes};
use super::shown;
use crate::error::SpecError;
use crate::graph::program::ProgramOptions;
use crate::media::Kind;
use crate::node::url::MASK;
use crate::options::suggest::did_you_mean;

/// Far more than any command line; keeps a wrong `-args` file from costing minutes.
const MOST_WORDS: usize = 20_000;

/// Which way media goes at a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Source,
    Sink,
}

/// One word that is part of the graph, with its place on the command line, from 1.
#[derive(Debug)]
pub(super) enum Item {
    /// `-i URL`, `-o URL`, `src=URL`, `dst=URL`.
    Url { index: usize, direction: Direction, text: String },
    /// `avgen:...`, `c=avc`, `inspect`; and whether a URL stands right before it.
    Named { index: usize, text: String, after_url: bool },
    /// `@`, `@2#video`.
    Back { index: usize, text: String, back: usize, kind: Option<Kind> },
}

/// `--name=value` or `--WORD:name=value`, for every word that has the option.
#[derive(Debug)]
pub(super) struct Global {
    pub(super) index: usize,
    /// The kind or name it is for; `None` = every word.
    pub(super) target: Option<String>,
    /// What may be shown of the target, with what follows it: `null:`.
    pub(super) prefix: String,
    /// `name=value`, `name` or `!name`.
    pub(super) text: String,
    pub(super) used: bool,
    /// Whether a URL stands before it.
    pub(super) after_url: bool,
}

/// Everything found.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) items: Vec<Item>,
    pub(super) globals: Vec<Global>,
    pub(super) program: ProgramOptions,
    /// Where the last `-r` stands.
    pub(super) report_index: usize,
    pub(super) help: bool,
    pub(super) version: bool,
    pub(super) warnings: Vec<SpecError>,
    pub(super) errors: Vec<SpecError>,
}

struct Words {
    words: std::collections::VecDeque<String>,
    index: usize,
}

impl Words {
    fn next(&mut self) -> Option<String> {
        let word = self.words.pop_front()?;
        self.index += 1;
        Some(word)
    }
}

pub(super) fn scan(args: &[OsString], environment: &dyn Environment) -> Scan {
    let mut scan = Scan::default();
    let mut words = Words { words: std::collections::VecDeque::new(), index: 0 };
    for (place, word) in args.iter().enumerate() {
        match word.to_str() {
            Some(word) => words.words.push_back(word.to_owned()),
            None => {
                let error =
                    SpecError::new("it is not UTF-8 text").hint("type it again, or use file@PATH for the value");
                scan.errors.push(error.at(place + 1, "?"));
            }
        }
    }
    // Without them the rest reads otherwise than it was typed: its mistakes would be none.
    if !scan.errors.is_empty() {
        return scan;
    }
    let mut after_url = false;
    while let Some(word) = words.next() {
        if words.index > MOST_WORDS {
            scan.errors.push(SpecError::new(format!("there are more than {MOST_WORDS} words")));
            break;
        }
        let count = scan.items.len();
        scan_word(&mut scan, &mut words, environment, word, after_url);
        if scan.items.len() > count {
            after_url = match scan.items.last() {
                Some(Item::Url { text, direction, .. }) => !is_whole(text, *direction, environment),
                _ => false,
            };
        }
    }
    scan
}

/// True for a URL that stands there whole: no shell can have cut it, so that what follows is no piece of a key.
fn is_whole(text: &str, direction: Direction, environment: &dyn Environment) -> bool {
    if text.contains("://") || text.contains(['?', '&', ';', '=', '@', '#']) {
        return false;
    }
    let head = text.split(':').next().unwrap_or(text);
    let here = || direction == Direction::Source && [head, text].iter().any(|path| environment.exists(path));
    matches!(head, "null" | "-" | "pipe") || here()
}

fn scan_word(scan: &mut Scan, words: &mut Words, environment: &dyn Environment, word: String, after_url: bool) {
    let index = words.index;
    let direction = |name: &str| match name {
        "i" | "src" => Some(Direction::Source),
        "o" | "dst" => Some(Direction::Sink),
        _ => None,
    };
    if let Some(dashed) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')).filter(|name| !name.is_empty()) {
        let (name, value) = match dashed.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (dashed, None),
        };
        match direction(name) {
            Some(direction) => scan_url(scan, words, direction, name, value),
            None => scan_option(scan, words, environment, &word, name, value, after_url),
        }
    } else if let Some(url) = word.strip_prefix("src=") {
        scan.items.push(Item::Url { index, direction: Direction::Source, text: url.to_owned() });
    } else if let Some(url) = word.strip_prefix("dst=") {
        scan.items.push(Item::Url { index, direction: Direction::Sink, text: url.to_owned() });
    } else if let Some(link) = word.strip_prefix('@') {
        match parse_back(link) {
            Ok((back, kind)) => scan.items.push(Item::Back { index, text: word, back, kind }),
            Err(error) => scan.errors.push(error.at(index, shown::stray(&word))),
        }
    } else if word.starts_with(['\u{2010}', '\u{2011}', '\u{2012}', '\u{2013}', '\u{2014}', '\u{2212}']) {
        let error = SpecError::new("it begins with a typographic dash").hint("type a plain `-`, as in `-i` and `-o`");
        scan.errors.push(error.at(index, shown::stray(&word)));
    } else {
        scan.items.push(Item::Named { index, text: word, after_url });
    }
}

fn scan_url(scan: &mut Scan, words: &mut Words, direction: Direction, name: &str, value: Option<String>) {
    let index = words.index;
    let next_is_option = || {
        words.words.front().is_none_or(|next| next.len() > 1 && next.starts_with('-') && next.parse::<f64>().is_err())
    };
    if value.is_none() && next_is_option() {
        let error = SpecError::new("no URL follows").hint(format!("write `-{name} URL`; is a shell variable empty?"));
        scan.errors.push(error.at(index, format!("-{name}")));
        return;
    }
    let Some(text) = value.or_else(|| words.next()) else { return };
    scan.items.push(Item::Url { index: words.index, direction, text });
}

fn scan_option(
    scan: &mut Scan,
    words: &mut Words,
    environment: &dyn Environment,
    word: &str,
    name: &str,
    value: Option<String>,
    after_url: bool,
) {
    let index = words.index;
    let fail = |scan: &mut Scan, error: SpecError| scan.errors.push(error.at(index, shown::dashed(word)));
    if let Some(option) = program::find(name) {
        let value = match option.takes {
            Takes::Nothing if value.is_some() => {
                return fail(scan, SpecError::new("it takes no value").hint(format!("write -{name}")));
            }
            Takes::Value(what) if value.is_none() => match words.next() {
                Some(value) => Some(value),
                None => {
                    return fail(scan, SpecError::new("its value is missing").hint(format!("write -{name}={what}")));
                }
            },
            _ => value,
        };
        match name {
            "h" | "help" => scan.help = true,
            "V" | "version" => scan.version = true,
            "args" => insert_words(scan, words, environment, index, &value.unwrap_or_default()),
            _ => {
                if name == "r" {
                    scan.report_index = index;
                }
                if let Err(error) = program::set(&mut scan.program, name, value.as_deref(), environment) {
                    fail(scan, error);
                }
            }
        }
        return;
    }
    if let Some(habit) = program::find_habit(name).filter(|_| !word.starts_with("--")) {
        let value = match habit.takes_value && value.is_none() {
            true => words.words.front().filter(|next| !next.starts_with('-') || next.parse::<f64>().is_ok()).cloned(),
            false => value,
        };
        if habit.takes_value && !word.contains('=') && value.is_some() {
            words.next();
        }
        let (hint, refused) = match habit.answer {
            Answer::Hint(hint) => (hint, false),
            Answer::Refuse(hint) => (hint, true),
            Answer::HintIf(right, hint, other) => {
                if value.as_deref() == Some(right) {
                    (hint, false)
                } else {
                    (other, true)
                }
            }
        };
        if refused {
            fail(scan, SpecError::new("it is not an option of this program").hint(hint));
        } else {
            scan.warnings.push(SpecError::new("it has no effect").hint(hint).at(index, shown::dashed(word)));
        }
        return;
    }
    if let Some(global) = word.strip_prefix("--") {
        let (target, prefix, text) = match name.find([':', '@']) {
            Some(place) => {
                let (target, rest) = global.split_at(place);
                let seen = if shown::is_name(target) { target } else { MASK };
                let prefix = format!("{seen}{}", rest.get(..1).unwrap_or_default());
                (Some(target.to_owned()), prefix, rest.get(1..).unwrap_or_default())
            }
            None => (None, String::new(), global),
        };
        scan.globals.push(Global { index, target, prefix, text: text.to_owned(), used: false, after_url });
        return;
    }
    let near = program::did_you_mean(name, std::iter::empty());
    let shown = if after_url { shown::dashed_after_url(word, near.is_some()) } else { shown::dashed(word) };
    let hint = near.unwrap_or_else(|| match after_url {
        true => "if it is the rest of the URL before it, put the whole word in quotes".into(),
        false => {
            "`outflow help options` lists the program's options; those of words follow their word after `:`".into()
        }
    });
    scan.errors.push(SpecError::new("it is not an option of this program").hint(hint).at(index, shown));
}

/// Puts the words of a file in front of the rest: one a line, `#` begins a comment, `-o URL` may share a line.
fn insert_words(scan: &mut Scan, words: &mut Words, environment: &dyn Environment, index: usize, path: &str) {
    let text = match environment.read(path) {
        Ok(text) => text,
        Err(error) => {
            let error = SpecError::new(format!("`{path}` can't be read: {error}")).hint("write -args=FILE");
            scan.errors.push(error.at(index, "-args"));
            return;
        }
    };
    let mut lines = vec![];
    // Editors of Windows begin a file with a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if line.trim_start_matches('-').starts_with("args") && line.starts_with('-') {
            scan.errors.push(
                SpecError::new("-args stands in a file of words")
                    .hint("name each file on the command line")
                    .at(index, "-args"),
            );
            continue;
        }
        match line.split_once(char::is_whitespace) {
            Some((option, rest)) if option.starts_with('-') => {
                lines.extend([option.to_owned(), rest.trim().to_owned()])
            }
            _ => lines.push(line.to_owned()),
        }
    }
    lines.into_iter().rev().for_each(|line| words.words.push_front(line));
}

/// What follows the `@` of a link: nothing, a number, and perhaps a fragment.
fn parse_back(link: &str) -> Result<(usize, Option<Kind>), SpecError> {
    if link.starts_with('@') {
        return Err(SpecError::new("links counted from the first word (`@@N`) are not offered yet")
            .hint("use `@N`, counted back from here, or FID= and SID="));
    }
    let (back, fragment) = match link.split_once('#') {
        Some((back, fragment)) => (back, Some(fragment)),
        None => (link, None),
    };
    let kind = fragment.map(parse_fragment).transpose()?;
    if back.is_empty() {
        return Ok((0, kind));
    }
    match back.parse::<usize>() {
        Ok(back) if back <= MOST_WORDS => Ok((back, kind)),
        _ => Err(SpecError::new("what follows `@` is not a number")
            .hint("`@` is the previous word, `@1` the one before it, `@#audio` only its sound")),
    }
}

/// `video` or `audio`, after `#`.
pub(super) fn parse_fragment(fragment: &str) -> Result<Kind, SpecError> {
    match fragment {
        "video" => Ok(Kind::Video),
        "audio" => Ok(Kind::Audio),
        _ => Err(SpecError::new("only #video and #audio choose tracks")
            .hint(did_you_mean(fragment, ["video", "audio"]).unwrap_or_else(|| "write #video or #audio".into()))),
    }
}
