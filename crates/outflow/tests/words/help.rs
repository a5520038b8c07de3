//! Help, completions and man page of the real registries, and what every record must have.

use std::ffi::OsString;

use outflow::cli::environment::System;
use outflow::cli::{Command, Registries, parse};
use outflow::options::{OptionSpec, value};

fn text(line: &str) -> Result<String, String> {
    let args: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
    match parse(&args, &System) {
        Ok(Command::Help(text)) => Ok(text),
        Ok(other) => panic!("{line}: {other:?}"),
        Err(errors) => Err(errors.to_string()),
    }
}

/// Every kind of the product: what help calls it, its name, and its tables.
fn kinds() -> Vec<(&'static str, &'static str, &'static [&'static [OptionSpec]])> {
    let all = Registries::default();
    let sources = all.sources.iter().map(|kind| ("sources", kind.name, kind.options));
    let filters = all.filters.iter().map(|kind| ("filters", kind.name, kind.options));
    let encoders = all.encoders.iter().map(|kind| ("filters", kind.name, kind.options));
    let sinks = all.sinks.iter().map(|kind| ("outputs", kind.name, kind.options));
    sources.chain(filters).chain(encoders).chain(sinks).collect()
}

#[test]
fn every_kind_and_every_option_has_its_help() {
    let overview = text("help").unwrap();
    for (topic, name, tables) in kinds() {
        assert!(overview.contains(name), "{name}");
        assert!(text(&format!("help {topic}")).unwrap().contains(name), "{topic} {name}");
        let help = text(&format!("help {topic} {name}")).unwrap();
        for spec in tables.iter().copied().flatten() {
            assert!(!spec.help.is_empty(), "{name}: {}", spec.name);
            assert!(help.contains(spec.name), "{name}: {}", spec.name);
            if !spec.ignored {
                assert!(text(&format!("help {}", spec.name)).unwrap().contains(name), "{name}: {}", spec.name);
            }
        }
    }
}

#[test]
fn every_default_is_a_value_of_its_type() {
    for (_, name, tables) in kinds() {
        for spec in tables.iter().copied().flatten().filter(|spec| !spec.default.is_empty()) {
            value::parse(spec.ty, spec.default).unwrap_or_else(|error| panic!("{name}: {}: {error}", spec.name));
        }
    }
}

#[test]
fn without_words_the_three_commonest_commands_are_shown() {
    let usage = text("").unwrap();
    assert_eq!(usage.lines().filter(|line| line.trim().starts_with("outflow ")).count(), 3, "{usage}");
    for line in usage.lines().filter(|line| line.trim().starts_with("outflow ")) {
        let words = line
            .trim()
            .trim_start_matches("outflow ")
            .replace("FILE.mp4", "in.mp4")
            .replace("HOST/APP/KEY -o", "a/APP/KEY -o");
        let words: Vec<&str> = words.split_whitespace().collect();
        if let Err(errors) = crate::parse_words(&words) {
            panic!("{line}: {errors}");
        }
    }
}

#[test]
fn completions_and_man_page_are_made() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = text(&format!("completions {shell}")).unwrap();
        assert!(script.contains("outflow") && script.contains("runfor"), "{shell}");
    }
    assert!(text("completions zhs").unwrap_err().contains("`zsh`"));
    assert!(text("completions").unwrap_err().contains("bash, elvish"));
    let man = text("man").unwrap();
    for part in [".TH outflow", "runfor", "max_lag", "rtmp_listen", "avgen"] {
        assert!(man.contains(&part.replace('-', "\\-")), "{part}");
    }
    // A line of text that begins with a dot would be taken for a macro.
    assert!(
        man.split(".SH WORDS AND OPTIONS")
            .nth(1)
            .unwrap()
            .lines()
            .skip(2)
            .all(|line| !line.starts_with('.') || line == ".fi")
    );
}
