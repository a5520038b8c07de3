//! Where a URL ends and its options begin, and where one option ends and the next begins: GPAC's rules, byte for byte.

use crate::node::url::scheme_length;

/// What ends a URL for certain, whatever the URL holds.
const ESCAPES: &[&str] = &[":gpac:", ":gfopt:", ":gfloc:", "::"];

/// A URL or word name, and the options after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut<'a> {
    /// The URL, path or name.
    pub(super) head: &'a str,
    /// What stood between: `:`, one of the escapes, or nothing.
    pub(super) separator: &'a str,
    /// The options; empty if there are none.
    pub(super) rest: &'a str,
}

impl<'a> Cut<'a> {
    fn at(text: &'a str, place: usize, separator: usize) -> Self {
        let (head, tail) = text.split_at(place);
        let (separator, rest) = tail.split_at(separator);
        Self { head, separator, rest }
    }

    fn whole(text: &'a str) -> Self {
        Self { head: text, separator: "", rest: "" }
    }

    /// The options, split. A single colon with nothing after it is an empty option, not none.
    pub(super) fn pieces(&self) -> Vec<Piece<'a>> {
        match (self.separator, self.rest) {
            (":", "") => vec![Piece::new("")],
            _ => pieces(self.rest),
        }
    }

    /// True if the end of the URL was typed (`:gpac:` and its like), not found by a rule.
    pub(super) fn escaped(&self) -> bool {
        self.separator.len() > 1
    }
}

/// The first escape from `start` on, as (place, length). A bracketed host is skipped: `[::1]` holds no `::`.
fn find_escape(text: &str, start: usize) -> Option<(usize, usize)> {
    let mut in_authority = true;
    let mut bracket_until = 0;
    for (place, letter) in text.char_indices().filter(|(place, _)| *place >= start) {
        if place < bracket_until {
            continue;
        }
        match letter {
            '/' | '?' | '#' => in_authority = false,
            '[' if in_authority => {
                bracket_until = text.get(place..).and_then(|tail| tail.find(']')).map_or(0, |end| place + end)
            }
            ':' => {
                let tail = text.get(place..).unwrap_or_default();
                if let Some(escape) = ESCAPES.iter().find(|escape| tail.starts_with(**escape)) {
                    return Some((place, escape.len()));
                }
                // `URL:gpac` with nothing after it.
                if ESCAPES.iter().any(|escape| escape.len() > 2 && escape.strip_suffix(':') == Some(tail)) {
                    return Some((place, tail.len()));
                }
            }
            _ => {}
        }
    }
    None
}

/// The end of a URL with `scheme://` and no escape: the first `:` after the first `/` that follows host and port.
fn unescaped_end(text: &str, scheme: usize) -> Option<usize> {
    let authority = scheme + 3;
    let slash = authority + text.get(authority..)?.find('/')?;
    Some(slash + text.get(slash..)?.find(':')?)
}

/// Cuts a URL or path from its options. `exists` tells whether a local file has this name, for names with a `:`.
pub(super) fn cut_url<'a>(text: &'a str, exists: &dyn Fn(&str) -> bool) -> Cut<'a> {
    if let Some(scheme) = scheme_length(text).filter(|scheme| !text[..*scheme].eq_ignore_ascii_case("file")) {
        if let Some((place, length)) = find_escape(text, scheme + 3) {
            return Cut::at(text, place, length);
        }
        return unescaped_end(text, scheme).map_or(Cut::whole(text), |end| Cut::at(text, end, 1));
    }
    // A graph of ffmpeg's test sources has colons of its own: only an escape ends it.
    if text.starts_with("lavfi:") {
        let escapes = || ESCAPES.iter().filter(|escape| escape.len() > 2);
        let end = escapes().filter_map(|escape| Some((text.find(escape)?, escape.len()))).min();
        let last = || escapes().find_map(|escape| text.strip_suffix(escape.strip_suffix(':')?));
        let end = end.or_else(|| last().map(|head| (head.len(), text.len() - head.len())));
        return end.map_or(Cut::whole(text), |(place, length)| Cut::at(text, place, length));
    }
    cut_path(text, exists)
}

fn cut_path<'a>(text: &'a str, exists: &dyn Fn(&str) -> bool) -> Cut<'a> {
    let file = text.strip_prefix("file://").map_or(0, |_| "file://".len());
    let first = match text.get(file..).unwrap_or_default() {
        // `pipe:3` and `C:\x` hold a colon of their own.
        rest if rest.starts_with("pipe:") => "pipe:".len(),
        rest if rest.get(1..3).is_some_and(|two| matches!(two, ":\\" | ":/")) => 2,
        _ => 0,
    } + file;
    if let Some((place, length)) = find_escape(text, first) {
        return Cut::at(text, place, length);
    }
    let colons: Vec<usize> =
        text.char_indices().filter(|(place, c)| *c == ':' && *place >= first).map(|(place, _)| place).collect();
    if colons.is_empty() || (colons.len() <= 16 && exists(text.get(file..).unwrap_or_default())) {
        return Cut::whole(text);
    }
    let existing = colons.iter().rev().take(16).find(|place| text.get(file..**place).is_some_and(exists));
    let end = existing.or(colons.first()).copied().unwrap_or(text.len());
    Cut::at(text, end, 1)
}

/// Cuts the name of a word (`avgen`, `c=avc`) from its options.
pub(super) fn cut_name(text: &str) -> Cut<'_> {
    match text.find(':') {
        Some(place) => Cut::at(text, place, 1),
        None => Cut::whole(text),
    }
}

/// One option as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    /// Name, without a leading `!`.
    pub(super) name: &'a str,
    /// What stands after `=`.
    pub(super) value: Option<&'a str>,
    /// `!name`
    pub(super) negated: bool,
}

impl<'a> Piece<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let (negated, text) = match text.strip_prefix('!') {
            Some(text) => (true, text),
            None => (false, text),
        };
        match text.split_once('=') {
            Some((name, value)) => Self { name, value: Some(value), negated },
            None => Self { name: text, value: None, negated },
        }
    }
}

/// Splits options at `:`. `::` opens one that ends at the next `::`; a URL or a bracketed address as a value keeps its own
/// colons.
pub(super) fn pieces(rest: &str) -> Vec<Piece<'_>> {
    let mut found = vec![];
    let mut opaque = rest.len() > 1 && rest.starts_with(':');
    let mut open = if opaque { rest.get(1..) } else { Some(rest).filter(|rest| !rest.is_empty()) };
    while let Some(text) = open {
        let end = if opaque { text.find("::").unwrap_or(text.len()) } else { option_end(text) };
        let (piece, tail) = text.split_at(end);
        found.push(Piece::new(piece));
        if opaque {
            // The closing `::` opens nothing; one more option may follow it.
            opaque = false;
            open = tail.strip_prefix("::").filter(|tail| !tail.is_empty());
        } else {
            opaque = tail.starts_with("::");
            open = tail.strip_prefix(if opaque { "::" } else { ":" });
        }
    }
    found
}

fn option_end(text: &str) -> usize {
    let value = text.find(['=', ':']).filter(|place| text.as_bytes().get(*place) == Some(&b'=')).map(|place| place + 1);
    let Some(start) = value else { return text.find(':').unwrap_or(text.len()) };
    let tail = text.get(start..).unwrap_or_default();
    let skip = if tail.starts_with('[') {
        tail.find(']').unwrap_or(0)
    } else if let Some(scheme) = scheme_length(tail).filter(|scheme| !tail[..*scheme].contains(':')) {
        value_url_end(tail, scheme)
    } else {
        0
    };
    start + skip + tail.get(skip..).and_then(|tail| tail.find(':')).unwrap_or(tail.len() - skip)
}

/// How much of a URL in a value holds colons of its own: up to its first `/`, or host and port where it has no path.
fn value_url_end(text: &str, scheme: usize) -> usize {
    let start = scheme + 3;
    let authority = text.get(start..).unwrap_or_default();
    let host = if authority.starts_with('[') { authority.find(']').map_or(0, |end| end + 1) } else { 0 };
    let stop = authority.get(host..).and_then(|tail| tail.find([':', '/'])).map_or(authority.len(), |end| host + end);
    let tail = authority.get(stop..).unwrap_or_default();
    let digits = tail.strip_prefix(':').map_or(0, |port| port.bytes().take_while(u8::is_ascii_digit).count());
    start + stop + if digits > 0 { digits + 1 } else { 0 }
}

#[cfg(test)]
#[path = "split_tests.rs"]
mod tests;
