//! Holds the pages to the code: links, the table of modules, the bytes of the wire, reason codes and states.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::time::Instant;

use outflow::media::{Flags, Kind, Packet};
use outflow::wire::{CHUNK_SIZE, Form, Message};

#[path = "docs/book.rs"]
mod book;
#[path = "docs/references.rs"]
mod references;

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

#[test]
fn the_example_for_contributors_is_the_one_that_is_built() {
    let text = page("CONTRIBUTING.md");
    let (_, section) = text.split_once("## Add an output").unwrap();
    let shown = between(section, "```rust\n", "```\n");
    let built = include_str!("../src/sink/example.rs");
    let differs = shown.lines().zip(built.lines()).find(|(shown, built)| shown != built);
    assert!(shown == built, "CONTRIBUTING.md shows another file than crates/outflow/src/sink/example.rs: {differs:?}");
}

#[test]
fn the_steps_for_contributors_fit_the_files_that_they_change() {
    let text = page("CONTRIBUTING.md");
    let (_, section) = text.split_once("## Add an output").unwrap();
    let files = [include_str!("../src/sink.rs"), include_str!("sinks.rs")];
    let (mut lines, mut added) = (0, Vec::new());
    for block in section.split("```diff\n").skip(1).map(|rest| rest.split("```").next().unwrap()) {
        for line in block.lines() {
            let (sign, line) = line.split_at(1);
            lines += 1;
            match sign {
                "+" => added.push(line),
                _ => assert!(files.iter().any(|file| file.lines().any(|there| there == line)), "no such line: {line}"),
            }
        }
    }
    assert!(lines >= 6, "{lines} lines of steps");
    // What a kind needs to be built, served and held to the contract; a row is right if that of `null` is.
    assert!(
        added.contains(&"pub mod count;") && added.iter().any(|line| line.ends_with("&count::KIND];")),
        "{added:?}"
    );
    let row = added.iter().find(|line| line.contains("Row {")).expect("the contract needs a row");
    let like_null = row.replace("\"count://\"", "\"null\"").replace("\"count\"", "\"null\"");
    assert!(files[1].lines().any(|line| line == like_null), "a row of tests/sinks.rs looks otherwise: {row}");
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
    let rules = outflow::monitor::alerts::Rule::ALL.map(|rule| rule.name().to_owned());
    assert_eq!(first_column(&text, "<!-- table: alerts -->"), rules, "docs/operating.md and Rule::name differ");
}

#[test]
fn every_name_in_json_is_on_the_page_for_operators() {
    let text = page("docs/operating.md");
    let section = between(&text, "### JSON events", "\n## ");
    let shown = ticked(section);
    let code = include_str!("../src/monitor/json.rs").split("#[cfg(test)]").next().unwrap();
    let names: Vec<&str> = code.split('"').skip(1).step_by(2).filter(|name| is_name(name)).collect();
    assert!(names.len() > 50, "{names:?}");
    let missing: Vec<&str> = names.into_iter().filter(|name| !shown.contains(name)).collect();
    assert!(missing.is_empty(), "docs/operating.md lacks {missing:?}");
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

mod reference {
    //! The part of docs/words.md that is made from the records of every kind.

    use std::fmt::Write as _;

    use outflow::cli::program::{OPTIONS, Takes};
    use outflow::options::platforms::{BFrames, Fact, Interval, PLATFORMS};
    use outflow::options::{OptionSpec, known, value};

    const BEGIN: &str = "<!-- made by tests/docs.rs: begin -->\n";
    const END: &str = "<!-- made by tests/docs.rs: end -->";

    /// A cell: bars would end it, and angle brackets might be taken for markup.
    fn cell(text: &str) -> String {
        text.replace('|', "\\|").replace('<', "&lt;")
    }

    fn rows(tables: &[&[OptionSpec]], text: &mut String) {
        let specs = || tables.iter().copied().flatten();
        if specs().any(|spec| !spec.ignored) {
            text.push_str("\n| option | value | default | |\n|---|---|---|---|\n");
        }
        for spec in specs().filter(|spec| !spec.ignored) {
            let names = std::iter::once(&spec.name).chain(spec.aliases).map(|name| format!("`{name}`"));
            let default = if spec.default.is_empty() { String::new() } else { format!("`{}`", cell(spec.default)) };
            let (names, ty) = (names.collect::<Vec<_>>().join(", "), cell(&value::describe(spec.ty)));
            let _ = writeln!(text, "| {names} | {ty} | {default} | {} |", cell(spec.help));
        }
        let ignored: Vec<String> = specs().filter(|spec| spec.ignored).map(|spec| format!("`{}`", spec.name)).collect();
        if !ignored.is_empty() {
            let _ = write!(text, "\nTaken without effect: {}.\n", ignored.join(", "));
        }
    }

    fn kind(name: &str, summary: &str, tables: &[&[OptionSpec]], text: &mut String) {
        let _ = write!(text, "\n#### {name}\n\n{}\n", cell(summary));
        rows(tables, text);
    }

    fn made() -> String {
        let mut text = String::from("\n### Program\n\nOne dash or two.\n\n| option | |\n|---|---|\n");
        for option in OPTIONS {
            let name = match option.takes {
                Takes::Nothing => format!("-{}", option.name),
                Takes::Value(value) => format!("-{}={value}", option.name),
                Takes::Maybe(value) => format!("-{}[={value}]", option.name),
            };
            let _ = writeln!(text, "| `{name}` | {} |", cell(option.help));
        }
        text.push_str(
            "\n`--NAME=VALUE` offers an option to every word that has it, `--WORD:NAME=VALUE` to one.\n\n\
             ### Every word\n",
        );
        rows(&[known::EVERY_WORD], &mut text);
        text.push_str("\n### Sources\n");
        outflow::source::SOURCES.iter().for_each(|record| kind(record.name, record.summary, record.options, &mut text));
        text.push_str("\n### Filters\n");
        outflow::filter::FILTERS.iter().for_each(|record| kind(record.name, record.summary, record.options, &mut text));
        text.push_str("\n### Encoders\n");
        for record in outflow::encode::ENCODERS {
            kind(&format!("c={}", record.name), record.summary, record.options, &mut text);
        }
        text.push_str("\n### Outputs\n");
        outflow::sink::SINKS.iter().for_each(|record| kind(record.name, record.summary, record.options, &mut text));
        platforms(&mut text);
        text.push('\n');
        text
    }

    /// What is known of each platform, with where and when it was read.
    fn platforms(text: &mut String) {
        fn fact<T>(what: &str, fact: Option<Fact<T>>, show: impl Fn(T) -> String, text: &mut String) {
            if let Some(fact) = fact {
                let _ = writeln!(text, "| {what} | {} | {} | {} |", show(fact.value), cell(fact.source), fact.read);
            }
        }
        text.push_str("\n### Platforms\n\nIn the place of a URL: `-o twitch:key=env@TWITCH_KEY`, `-o kick:url=env@KICK_URL:key=env@KICK_KEY`.\n");
        for platform in PLATFORMS {
            let _ = write!(
                text,
                "\n#### {}\n\n{}. Key: {}.\n\n| | | source | read |\n|---|---|---|---|\n",
                platform.name, platform.title, platform.found
            );
            fact("URL", platform.url, |url| format!("`{url}`"), text);
            let interval = |interval: Interval| match interval.most {
                Some(most) => format!("{} s, {most} s at most", interval.wanted),
                None => format!("{} s", interval.wanted),
            };
            fact("key frame interval", platform.key_interval, interval, text);
            fact("video", platform.video_kbps, |kbps| format!("{kbps} kb/s at most"), text);
            fact("audio", platform.audio_kbps, |kbps| format!("{kbps} kb/s at most"), text);
            fact("video codecs", platform.video_codecs, |codecs| codecs.join(", "), text);
            fact("audio codecs", platform.audio_codecs, |codecs| codecs.join(", "), text);
            let b_frames = |rule| match rule {
                BFrames::Refused => "refused".to_owned(),
                BFrames::SometimesRefused => "refused by its real-time services".to_owned(),
            };
            fact("B-frames", platform.b_frames, b_frames, text);
            fact("session", platform.session_hours, |hours| format!("{hours} h at most"), text);
            fact("publish that nobody sees", platform.unseen, |suffix| format!("`{suffix}` after the key"), text);
        }
    }

    #[test]
    fn the_reference_of_words_is_that_of_the_records() {
        // A build without encoders has not all of the records.
        if outflow::encode::ENCODERS.is_empty() {
            return;
        }
        let path = super::root().join("docs/words.md");
        let text = std::fs::read_to_string(&path).unwrap();
        let (head, rest) = text.split_once(BEGIN).unwrap();
        let (shown, tail) = rest.split_once(END).unwrap();
        let made = made();
        if std::env::var_os("OUTFLOW_WRITE_DOCS").is_some() {
            std::fs::write(&path, format!("{head}{BEGIN}{made}{END}{tail}")).unwrap();
            return;
        }
        let differs = shown.lines().zip(made.lines()).find(|(shown, made)| shown != made);
        assert!(
            shown == made,
            "docs/words.md is not what the records say, first at {differs:?}; write it anew with\n  \
             OUTFLOW_WRITE_DOCS=1 cargo test -p outflow --test docs reference"
        );
    }
}

mod commands {
    //! Every command that the pages print is one that the program takes.

    use std::ffi::OsString;
    use std::io;
    use std::path::{Path, PathBuf};

    use bytes::BytesMut;
    use outflow::cli::environment::Environment;
    use outflow::cli::{Command, parse};
    use outflow_rtmp::flv::{TagKind, write_header, write_tag};

    /// Every variable and every file of keys is there.
    struct Pretended;

    impl Environment for Pretended {
        fn variable(&self, name: &str) -> Option<String> {
            // Those of `serve` say where to listen and the like.
            let value = if name.ends_with("_URL") { "rtmps://live.example/app" } else { "s3cret" };
            (!name.starts_with("OUTFLOW_")).then(|| value.into())
        }

        fn read(&self, path: &str) -> io::Result<String> {
            Ok(if path.ends_with(".toml") { String::new() } else { "s3cret".into() })
        }

        fn exists(&self, path: &str) -> bool {
            Path::new(path).exists()
        }

        fn is_directory(&self, path: &str) -> bool {
            Path::new(path).is_dir()
        }
    }

    /// Words as a shell makes them, for the little of a shell that the pages use: quotes, and spaces.
    fn split(line: &str) -> Vec<String> {
        let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
        for letter in line.chars() {
            match (letter, quote) {
                ('\'' | '"', None) => {
                    quote = Some(letter);
                    word.get_or_insert_default();
                }
                (_, Some(open)) if letter == open => quote = None,
                (' ', None) => words.extend(word.take()),
                _ => word.get_or_insert_default().push(letter),
            }
        }
        words.extend(word);
        words
    }

    /// The commands in blocks marked `sh`: what follows `outflow` or `cargo run --`, up to the end of the command.
    fn commands(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        for block in text.split("```sh\n").skip(1) {
            let block = block.split("```").next().unwrap().replace("\\\n", " ");
            for command in block.lines().flat_map(|line| line.split(['|', ';'])).flat_map(|part| part.split("&&")) {
                let command = command.split(" #").next().unwrap().trim();
                let command = command.split_once("> ").map_or(command, |(command, _)| command.trim_end_matches('2'));
                let arguments = command.strip_prefix("outflow ").or_else(|| command.strip_prefix("cargo run -- "));
                found.extend(arguments.map(str::to_owned));
            }
        }
        found
    }

    /// The whole commands within the lines of the page for GPAC users, theirs and ours.
    fn side_by_side(text: &str) -> Vec<String> {
        let whole = super::ticked(text).into_iter().filter(|command| !command.contains("..."));
        let found: Vec<String> = whole
            .filter_map(|command| command.strip_prefix("gpac ").or_else(|| command.strip_prefix("outflow ")))
            .map(str::to_owned)
            .collect();
        assert!(found.len() >= 5, "{found:?}");
        found
    }

    fn a_file(folder: &Path, name: &str) -> PathBuf {
        let mut bytes = BytesMut::new();
        write_header(&mut bytes, true, true);
        for tag in outflow_testkit::media::made_up(50, 25, 100) {
            let kind = match tag.kind {
                8 => TagKind::Audio,
                9 => TagKind::Video,
                _ => TagKind::Script,
            };
            write_tag(&mut bytes, kind, tag.time, &tag.body).unwrap();
        }
        let path = folder.join(name);
        std::fs::write(&path, &bytes).unwrap();
        path
    }

    #[test]
    fn every_configuration_on_the_pages_is_taken() {
        use outflow::config;

        struct World;

        impl config::world::World for World {
            fn variable(&self, _name: &str) -> Option<String> {
                Some("s3cret".into())
            }

            fn variables(&self) -> Vec<String> {
                Vec::new()
            }

            fn read(&self, _path: &Path) -> io::Result<String> {
                Ok("CERTIFICATE PRIVATE KEY".into())
            }

            fn mode(&self, _path: &Path) -> Option<u32> {
                None
            }
        }

        let mut count = 0;
        for path in super::pages() {
            let text = std::fs::read_to_string(&path).unwrap();
            for block in text.split("```toml\n").skip(1) {
                let block = block.split("```").next().unwrap();
                // What shows the manifest of a crate is no configuration.
                if block.contains("[dependencies") || block.contains("[package") {
                    continue;
                }
                count += 1;
                let name = path.display().to_string();
                let told = match config::parse(block, &name, &World) {
                    Ok(loaded) => loaded.warnings,
                    Err(mistakes) => mistakes,
                };
                let told: String = told.iter().map(|mistake| format!("{mistake}\n")).collect();
                assert_eq!(told, "", "{block}");
            }
        }
        assert!(count >= 5, "{count} configurations found");
    }

    #[test]
    fn every_command_on_the_pages_is_taken() {
        // The pages are of a whole build.
        if outflow::encode::ENCODERS.is_empty() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        // What the pages call `show.mp4` and the like; only their names matter to the words.
        let media: Vec<(String, String)> = ["show.mp4", "show.webm", "in.mp4"]
            .map(|name| (format!("-i {name}"), format!("-i {}", a_file(folder.path(), name).display())))
            .into();
        let have_ffmpeg = outflow_testkit::peers::find(outflow_testkit::peers::Peer::Ffmpeg).is_some();
        let (mut wrong, mut count) = (Vec::new(), 0);
        for path in super::pages() {
            let text = std::fs::read_to_string(&path).unwrap();
            let mut printed = commands(&text);
            if path.ends_with("docs/gpac.md") {
                printed.extend(side_by_side(&text));
            }
            for command in printed {
                count += 1;
                let mut words = command.clone();
                media.iter().for_each(|(name, file)| words = words.replace(name, file));
                let words: Vec<OsString> = split(&words).into_iter().map(OsString::from).collect();
                let told = match parse(&words, &Pretended) {
                    Ok(Command::Graph { warnings, .. }) => {
                        warnings.iter().map(|error| format!("\n  {error}")).collect()
                    }
                    Ok(Command::Misconfigured(list)) => list.iter().map(|mistake| format!("\n  {mistake}")).collect(),
                    Ok(_) => String::new(),
                    Err(errors) if !have_ffmpeg && errors.to_string().contains("your own ffmpeg") => String::new(),
                    Err(errors) => format!("\n  {errors}"),
                };
                if !told.is_empty() {
                    wrong.push(format!("{}: outflow {command}{told}", path.file_name().unwrap().display()));
                }
            }
        }
        assert!(wrong.is_empty(), "{} of {count} commands are not taken:\n{}", wrong.len(), wrong.join("\n"));
        assert!(count >= 12, "{count} commands found");
    }
}
