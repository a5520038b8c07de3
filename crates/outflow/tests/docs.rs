//! Holds the pages to the code: links, the table of modules, the bytes of the wire, reason codes and states.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::time::Instant;

use outflow::media::{Flags, Kind, Packet};
use outflow::wire::{CHUNK_SIZE, Form, Message};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn page(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every page that people read: at the root, and below `docs`.
fn pages() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.extend(std::fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path()));
    found.retain(|path| path.extension().is_some_and(|end| end == "md"));
    found.sort();
    assert!(found.len() > 10, "{found:?}");
    found
}

/// What stands between `begin` and the next `end`.
fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(begin).unwrap_or_else(|| panic!("`{begin}` is not on the page"));
    rest.split_once(end).unwrap_or_else(|| panic!("no `{end}` after `{begin}`")).0
}

/// The texts in backticks.
fn ticked(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The anchor that a heading gets: lower case, spaces to dashes, punctuation dropped.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn anchors(text: &str) -> Vec<String> {
    let mut fenced = false;
    let mut found = Vec::new();
    for line in text.lines() {
        fenced ^= line.starts_with("```");
        if !fenced && line.starts_with('#') {
            found.push(anchor(line.trim_start_matches('#')));
        }
    }
    found
}

#[test]
fn every_relative_link_leads_somewhere() {
    let mut wrong = Vec::new();
    for path in pages() {
        let text = std::fs::read_to_string(&path).unwrap();
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split(')').next().unwrap();
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            let found = file.exists()
                && (heading.is_empty() || anchors(&std::fs::read_to_string(&file).unwrap()).contains(&heading.into()));
            if !found {
                wrong.push(format!("{}: {target}", path.strip_prefix(root()).unwrap().display()));
            }
        }
    }
    assert!(wrong.is_empty(), "links to nowhere:\n  {}", wrong.join("\n  "));
}

#[test]
fn the_table_of_modules_is_that_of_the_architecture_test() {
    let text = page("ARCHITECTURE.md");
    let table = between(&text, "<!-- table: modules -->", "<!-- end of table -->");
    let mut shown: Vec<(String, Vec<String>)> = Vec::new();
    for row in table.lines().filter(|row| row.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
        let allowed = ticked(cells[2]).iter().map(ToString::to_string).collect();
        shown.push((ticked(cells[0])[0].to_string(), allowed));
    }
    let code = include_str!("architecture.rs");
    let table = between(code, "const TABLE: &[(&str, &[&str])] = &[", "\n];");
    let mut held: Vec<(String, Vec<String>)> = Vec::new();
    for row in table.lines().map(str::trim).filter(|row| row.starts_with("(\"")) {
        let mut words = row.split('"').skip(1).step_by(2).map(str::to_owned);
        held.push((words.next().unwrap(), words.collect()));
    }
    held.retain(|(_, allowed)| !allowed.contains(&"everything".to_owned()));
    assert_eq!(shown, held, "ARCHITECTURE.md and tests/architecture.rs differ");
    let source = std::fs::read_to_string(root().join("crates/outflow/src/lib.rs")).unwrap();
    for line in source.lines().filter_map(|line| line.strip_prefix("pub mod ")) {
        let module = line.trim_end_matches(';');
        assert!(shown.iter().any(|(name, _)| name == module), "{module} is not in the table");
    }
}

/// Reads a block of hexadecimal bytes; `[N]` stands for N bytes that are not shown. Two spaces begin a remark.
fn same_bytes(block: &str, made: &[u8]) {
    let mut at = 0;
    for token in block.lines().flat_map(|line| line.split("  ").next().unwrap().split_whitespace()) {
        if let Some(count) = token.strip_prefix('[').and_then(|token| token.strip_suffix(']')) {
            at += count.parse::<usize>().unwrap();
        } else {
            assert_eq!(u8::from_str_radix(token, 16).unwrap(), made[at], "byte {at}, shown as {token}");
            at += 1;
        }
    }
    assert_eq!(at, made.len(), "the page shows {at} bytes");
}

#[test]
fn the_bytes_of_the_architecture_page_are_those_of_the_code() {
    let packet = |dts, cts, body: Vec<u8>| {
        let flags = Flags { keyframe: body[0] == 0x17, ..Flags::default() };
        Packet { kind: Kind::Video, track: 0, dts, cts, flags, body: body.into(), arrival: Instant::now() }
    };
    let mut body = vec![0x17, 1, 0, 0, 80];
    body.resize(4100, 0xaa);
    let key = Message::new(packet(1000, 80, body), None);
    let next = Message::new(packet(1040, 0, vec![0x27, 1, 0, 0, 0, 0xbb, 0xbb, 0xbb]), Some(1000));

    let text = page("ARCHITECTURE.md");
    let block = |name: &str| {
        let rest = text.split_once(name).unwrap_or_else(|| panic!("{name}")).1;
        between(rest, "```text\n", "```").to_owned()
    };
    same_bytes(&block("<!-- bytes: full -->"), &key.full(CHUNK_SIZE, Form::Publish, 1, 0).unwrap());
    same_bytes(&block("<!-- bytes: shared -->"), &next.shared(CHUNK_SIZE, Form::Publish).unwrap());
    assert_eq!(CHUNK_SIZE, 4096, "the page says so");
}

/// The stable texts of an enum: what stands at the right of `=>` in the function that names them.
fn names(code: &str, function: &str) -> Vec<String> {
    let body = between(code, function, "\n    }\n");
    let found: Vec<String> =
        body.lines().filter_map(|line| line.split_once("=> \"")?.1.split('"').next()).map(str::to_owned).collect();
    assert!(found.len() > 5, "{function}: {found:?}");
    found
}

/// The first column of the table between two marks.
fn first_column(text: &str, begin: &str) -> Vec<String> {
    let table = between(text, begin, "<!-- end of table -->");
    table
        .lines()
        .filter(|row| row.starts_with("| `"))
        .flat_map(|row| ticked(row.split('|').nth(1).unwrap()))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_state_and_reason_is_on_the_page_for_operators() {
    let text = page("docs/operating.md");
    let states = names(include_str!("../src/monitor.rs"), "pub fn name(self) -> &'static str {");
    assert_eq!(first_column(&text, "<!-- table: states -->"), states, "docs/operating.md and State::name differ");
    let reasons = names(include_str!("../src/error.rs"), "pub fn code(self) -> &'static str {");
    assert_eq!(first_column(&text, "<!-- table: reasons -->"), reasons, "docs/operating.md and Reason::code differ");
}
