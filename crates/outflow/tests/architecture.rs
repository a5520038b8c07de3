//! Holds the layers: which module may know which, who may open sockets, who may exit, how large a file may be.
//!
//! When this fails it names file and line. Either the code belongs elsewhere, or the table below is to be changed on
//! purpose, with the reason in the commit.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

/// Plain data that any module may use. They know ids and each other, never the modules below this line of the table.
const LEAVES: &[&str] = &["error", "limits", "media", "monitor", "node", "options", "secret", "stop"];

/// Module, and what it may use besides itself. From the bottom up.
#[rustfmt::skip]
const TABLE: &[(&str, &[&str])] = &[
    // Leaves.
    ("secret",   &[]),
    ("error",    &["secret"]),
    ("stop",     &[]),
    ("options",  &["error", "secret"]),
    ("limits",   &["error", "options"]),
    ("media",    &["error", "stop"]),
    ("node",     &["error", "options", "secret"]),
    ("monitor",  &["error", "media", "options"]),
    // One writer, many cursors: generic over its item, so it knows no media.
    ("hub",      &[]),
    // Packets to bytes, once for all.
    ("wire",     &["hub", "leaves"]),
    ("stream",   &["hub", "wire", "leaves"]),
    // The only opener of sockets.
    ("net",      &["hub", "wire", "stream", "leaves"]),
    // Plain functions and threads of their own.
    ("encode",   &["leaves"]),
    ("filter",   &["leaves"]),
    // Who serves which stream on which port.
    ("registry", &["hub", "wire", "stream", "net", "leaves"]),
    // A publisher's messages to packets, whoever dialled.
    ("ingest",   &["leaves"]),
    ("listen",   &["hub", "wire", "stream", "net", "registry", "ingest", "leaves"]),
    // Dialling a server, to publish or to play.
    ("client",   &["wire", "hub", "net", "leaves"]),
    // What is there once, as sources and sinks are given it.
    ("env",      &["hub", "net", "listen", "leaves"]),
    ("source",   &["hub", "wire", "stream", "net", "registry", "ingest", "listen", "client", "env", "encode", "leaves"]),
    ("sink",     &["hub", "wire", "stream", "net", "registry", "listen", "client", "env", "leaves"]),
    // The supervisor of every output: it knows what a sink is, and no protocol.
    ("output",   &["stream", "sink", "env", "leaves"]),
    // The supervisor of every source.
    ("input",    &["source", "encode", "output", "env", "leaves"]),
    // What `serve` is told, as plain data.
    ("config",   &["leaves"]),
    // The outside asked and told over HTTP.
    ("hooks",    &["config", "net", "leaves"]),
    // The streams, outputs, publishers and players of `serve`.
    ("relay",    &["config", "hooks", "hub", "wire", "stream", "net", "registry", "ingest", "listen", "client", "env", "source", "sink", "output", "input", "leaves"]),
    // The API, the page, players over HTTP: it knows the relay, and nobody knows it.
    ("http",     &["config", "relay", "registry", "stream", "wire", "listen", "net", "leaves"]),
    // The only module that knows every kind.
    ("graph",    &["hub", "wire", "stream", "net", "registry", "ingest", "listen", "client", "env", "source", "sink", "filter", "encode", "output", "input", "leaves"]),
    // Looking before going live: it knows what can be looked at.
    ("preflight", &["graph", "config", "relay", "hub", "wire", "stream", "net", "registry", "ingest", "listen", "client", "env", "source", "sink", "encode", "output", "input", "leaves"]),
    // A relay in the terminal, through its API: it knows no relay.
    ("top",      &["net", "leaves"]),
    ("cli",      &["graph", "preflight", "top", "config", "registry", "listen", "env", "source", "sink", "filter", "encode", "output", "net", "stream", "wire", "hub", "leaves"]),
    // Runs `serve`: everything that it is made of.
    ("serve",    &["config", "hooks", "relay", "http", "registry", "listen", "env", "net", "leaves"]),
    // The crate's root and the program may name everything.
    ("lib",      &["everything"]),
    ("main",     &["everything"]),
];

/// Text that only some places may hold: what, where it is allowed (paths under `crates`), why.
const ONLY: &[(&str, &[&str], &str)] = &[
    ("TcpStream", &["outflow/src/net", "outflow/src/listen", "testkit/"], "only net opens sockets"),
    ("TcpListener", &["outflow/src/net", "outflow/src/listen", "testkit/"], "only net opens sockets"),
    ("UdpSocket", &["outflow/src/net", "outflow/src/listen", "testkit/"], "only net opens sockets"),
    ("process::exit", &["outflow/src/main.rs"], "only main exits"),
    (
        "allow(unsafe_code",
        &["outflow/src/net/pump/uring.rs", "outflow/tests/architecture.rs"],
        "no unsafe but for the ring",
    ),
];

/// Text that some place may never hold: where, what, why.
const NEVER: &[(&str, &str, &str)] = &[
    ("outflow/src/output", "outflow_rtmp", "output parses no protocol"),
    ("outflow/src/hub", "outflow_rtmp", "the hub is generic"),
    ("rtmp/src", "tokio", "the protocol does no I/O"),
    ("rtmp/src", "ToSocketAddrs", "the protocol does no I/O"),
    ("rtmp/src", "std::io", "the protocol does no I/O"),
    ("rtmp/src", "std::time::Instant", "the protocol has no clock: time is passed in"),
    ("rtmp/src", "Instant::now", "the protocol has no clock: time is passed in"),
    ("rtmp/src", "SystemTime", "the protocol has no clock: time is passed in"),
    ("rtmp/src", "println!", "the protocol does not log"),
];

const MOST_LINES: usize = 600;

/// Violations that are known and to be mended: file under `crates`, and text of the finding. An entry that is no longer
/// needed fails the test too, so this only shrinks.
const DEBTS: &[(&str, &str)] = &[];

#[test]
fn modules_use_only_what_the_table_allows() {
    report(each_file(&["outflow/src"], |path, text| {
        let inside = path.strip_prefix("outflow/src").unwrap();
        // Tests of a module may stand in for its users and peers.
        if is_test(inside) { Vec::new() } else { layering(&module_of(inside), text) }
    }));
}

#[test]
fn sockets_exit_and_the_protocol_stay_where_they_belong() {
    report(each_file(&["outflow/src", "rtmp/src", "testkit/src"], words));
}

#[test]
fn files_are_small_and_say_what_they_are_for() {
    report(each_file(&["outflow", "rtmp", "testkit", "fuzz"], |_, text| shape(text)));
}

#[test]
fn known_debts_are_still_debts() {
    for (file, what) in DEBTS {
        let (mut debts, path) = (Vec::new(), crates().join(file));
        if let Ok(text) = std::fs::read_to_string(&path) {
            debts.extend(shape(&text));
            debts.extend(
                Path::new(file)
                    .strip_prefix("outflow/src")
                    .map_or(Vec::new(), |in_src| layering(&module_of(in_src), &text)),
            );
            debts.extend(words(Path::new(file), &text));
        }
        assert!(debts.iter().any(|(_, found)| found.contains(what)), "{file} is mended: take it off DEBTS");
    }
}

/// A violation: its line and what is wrong.
type Wrong = (usize, String);

fn report(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "the architecture is violated:\n  {}\n", wrong.join("\n  "));
}

fn each_file(folders: &[&str], check: impl Fn(&Path, &str) -> Vec<Wrong>) -> Vec<String> {
    let root = crates();
    let mut files = Vec::new();
    folders.iter().for_each(|folder| rust_files(&root.join(folder), &mut files));
    assert!(!files.is_empty(), "no sources in {folders:?}");
    let mut wrong = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let path = file.strip_prefix(&root).unwrap();
        let known = |what: &str| DEBTS.iter().any(|(file, debt)| path == Path::new(file) && what.contains(debt));
        let found = check(path, &text).into_iter().filter(|(_, what)| !known(what));
        wrong.extend(found.map(|(line, what)| format!("crates/{}:{line}: {what}", path.display())));
    }
    wrong
}

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn rust_files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, into);
        } else if path.extension().is_some_and(|end| end == "rs") {
            into.push(path);
        }
    }
    into.sort();
}

fn is_test(path: &Path) -> bool {
    let path = path.to_string_lossy();
    path.ends_with("tests.rs") || path.contains("tests/")
}

/// The top-level module of a file under `src`.
fn module_of(path: &Path) -> String {
    let first = path.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_string()
}

fn layering(module: &str, text: &str) -> Vec<Wrong> {
    let Some((_, allowed)) = TABLE.iter().find(|(name, _)| *name == module) else {
        return vec![(
            1,
            format!("module `{module}` is not in the table of tests/architecture.rs: say there what it may use"),
        )];
    };
    let fits = |used: &str| {
        used == module
            || allowed.contains(&used)
            || allowed.contains(&"everything")
            || (allowed.contains(&"leaves") && LEAVES.contains(&used))
            // Items of the crate's root that are no modules, as macros.
            || !TABLE.iter().any(|(name, _)| *name == used)
    };
    used_modules(text)
        .into_iter()
        .filter(|(_, used)| !fits(used))
        .map(|(line, used)| (line, format!("`{module}` may not use `{used}`")))
        .collect()
}

/// Every `crate::NAME`, also within `crate::{A, B::C}`, with its line.
fn used_modules(text: &str) -> Vec<(usize, String)> {
    // Comments blanked, so that positions and lines stay.
    let text: String = text.lines().map(|line| line.split("//").next().unwrap_or("").to_string() + "\n").collect();
    let mut used = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let line_of = |at: usize| text[..at].matches('\n').count() + 1;
        if text[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_') {
            continue;
        }
        let rest = at + "crate::".len();
        if !text[rest..].starts_with('{') {
            used.push((line_of(at), identifier(&text[rest..])));
            continue;
        }
        let mut depth = 0;
        let mut expecting = true;
        for (i, letter) in text[rest..].char_indices() {
            match letter {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => expecting = true,
                _ if depth == 1 && expecting && !letter.is_whitespace() => {
                    used.push((line_of(rest + i), identifier(&text[rest + i..])));
                    expecting = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    used
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
}

fn words(path: &Path, text: &str) -> Vec<Wrong> {
    let path = path.to_string_lossy().replace('\\', "/");
    let is_test = is_test(Path::new(&path));
    let lines = || text.lines().enumerate().map(|(i, line)| (i + 1, line.split("//").next().unwrap_or("")));
    let mut wrong = Vec::new();
    for (word, places, why) in ONLY {
        if !is_test && !places.iter().any(|place| path.starts_with(place)) {
            wrong.extend(
                lines().filter(|(_, line)| line.contains(word)).map(|(n, _)| (n, format!("`{word}` here: {why}"))),
            );
        }
    }
    for (place, word, why) in NEVER {
        if path.starts_with(place) {
            wrong.extend(
                lines().filter(|(_, line)| line.contains(word)).map(|(n, _)| (n, format!("`{word}` here: {why}"))),
            );
        }
    }
    wrong
}

fn shape(text: &str) -> Vec<Wrong> {
    let lines = text.lines().count();
    let mut wrong = Vec::new();
    if lines > MOST_LINES {
        wrong.push((lines, format!("{lines} lines, {MOST_LINES} are the most: split it")));
    }
    // One line says what it is by itself.
    if lines > 1 && !text.starts_with("//") {
        wrong.push((1, "the first line must be a comment that says what the file is for".into()));
    }
    wrong
}

/// The checks themselves, against planted violations.
mod checks {
    use super::*;

    #[test]
    fn a_forbidden_import_is_found_on_its_line() {
        let text = "//! x\nuse crate::error::Ended;\nuse crate::output::state;\n";
        assert_eq!(layering("sink", text), [(3, "`sink` may not use `output`".to_string())]);
        assert_eq!(layering("output", text), []);
        assert_eq!(layering("hub", "fn f(x: crate::media::Packet) {}"), [(1, "`hub` may not use `media`".to_string())]);
    }

    #[test]
    fn names_within_braces_are_found() {
        let text = "use crate::{\n    error::{Ended, Origin},\n    cli::words, // crate::graph\n};\n";
        assert_eq!(used_modules(text), [(2, "error".to_string()), (3, "cli".to_string())]);
        assert_eq!(layering("graph", text), [(3, "`graph` may not use `cli`".to_string())]);
    }

    #[test]
    fn an_unknown_module_must_be_entered_in_the_table() {
        assert_eq!(layering("novelty", "").len(), 1);
        assert_eq!(module_of(Path::new("net/pump.rs")), "net");
        assert_eq!(module_of(Path::new("stop.rs")), "stop");
    }

    #[test]
    fn words_out_of_place_are_found() {
        let text = "//! TcpStream in prose is fine\nuse tokio::net::TcpStream;\nstd::process::exit(1);\n";
        let found = |path: &str| words(Path::new(path), text).iter().map(|(line, _)| *line).collect::<Vec<_>>();
        assert_eq!(found("outflow/src/sink/rtmp_push.rs"), [2, 3]);
        assert_eq!(found("outflow/src/net/dial.rs"), [3]);
        assert_eq!(found("outflow/src/main.rs"), [2]);
        assert_eq!(words(Path::new("rtmp/src/session.rs"), "let now = std::time::Instant::now();").len(), 2);
        assert_eq!(words(Path::new("outflow/src/output/state.rs"), "use outflow_rtmp::Error;").len(), 1);
    }

    #[test]
    fn a_long_or_silent_file_is_found() {
        assert_eq!(shape(&"// x\n".repeat(600)), []);
        assert_eq!(shape(&"// x\n".repeat(601)).len(), 1);
        assert_eq!(shape("use x;\nfn main() {}\n").len(), 1);
    }

    #[test]
    fn the_table_has_no_upward_or_circular_entry() {
        for (i, (module, allowed)) in TABLE.iter().enumerate() {
            for used in allowed.iter().filter(|used| !["leaves", "everything"].contains(used)) {
                let at = TABLE.iter().position(|(name, _)| name == used).unwrap_or_else(|| panic!("no module {used}"));
                assert!(at < i, "`{module}` may use `{used}`, which stands above it");
            }
        }
        assert!(LEAVES.iter().all(|leaf| TABLE.iter().any(|(name, _)| name == leaf)));
    }
}
