//! Help, made from the records of every kind: nothing here repeats what a record says.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Registries;
use super::program::{OPTIONS, Takes};
use crate::error::SpecError;
use crate::limits::{OURS, RTMP, Spec};
use crate::options::platforms::PLATFORMS;
use crate::options::suggest::did_you_mean;
use crate::options::{OptionSpec, Type, known, value};

/// The topics that are no names.
pub(super) const TOPICS: &[&str] =
    &["sources", "filters", "outputs", "options", "limits", "serve", "platforms", "check", "probe", "top"];

/// What `outflow` says without words.
pub(super) const USAGE: &str = "\
outflow: sends one live stream to many RTMP destinations at once

A test picture that players can fetch from this machine:
    outflow avgen c=avc c=aac -o rtmp://:1935/live:gpac:rtmp_listen=1

What an encoder publishes here, sent to two services:
    outflow -i rtmp://127.0.0.1:1935/live:gpac:rtmp_listen=1 -o rtmp://HOST/APP/KEY -o rtmps://HOST/APP/KEY

A file, in real time, again and again:
    outflow -i FILE.mp4:loop -o rtmp://HOST/APP/KEY

The relay, one port for many streams, changed while it runs: `outflow serve --init` writes its first file.

More: outflow help [sources|filters|outputs|options|limits|platforms|serve|check|probe|top] [NAME], outflow completions SHELL, outflow man
";

/// `outflow help [TOPIC] [NAME]`: the last word decides.
pub(super) fn help(registries: &Registries, words: &[String]) -> Result<String, SpecError> {
    let Some(topic) = words.last() else { return Ok(overview(registries)) };
    if words.len() > 2 {
        return Err(
            SpecError::new("there are too many words").hint("write outflow help TOPIC or outflow help TOPIC NAME")
        );
    }
    let sections = sections(registries);
    match topic.as_str() {
        "sources" | "inputs" => return Ok(list_of(&sections, "source")),
        "filters" | "encoders" => return Ok(list_of(&sections, "filter") + &list_of(&sections, "encoder")),
        "outputs" | "sinks" => return Ok(list_of(&sections, "output")),
        "options" => return Ok(program_options() + &every_word()),
        "limits" => return Ok(limits()),
        "serve" => return Ok(super::serve::help()),
        "platforms" => return Ok(platforms()),
        name => {
            if let Some(command) = super::looking::find(name) {
                return Ok(super::looking::help(command));
            }
        }
    }
    let wanted = words.first().filter(|_| words.len() == 2).map(String::as_str);
    let plain = topic.strip_prefix("c=").unwrap_or(topic);
    let sorts = |section: &&Section| match wanted {
        Some("sources") => section.sort == "source",
        Some("filters") => matches!(section.sort, "filter" | "encoder"),
        Some("outputs") => section.sort == "output",
        _ => true,
    };
    let kinds: Vec<&Section> = sections.iter().filter(sorts).filter(|section| section.name == plain).collect();
    // A kind and an option may have one name: both are told.
    let option = describe_option(&sections, topic);
    if !kinds.is_empty() || !option.is_empty() {
        return Ok(kinds.into_iter().map(describe).collect::<String>() + &option);
    }
    let mut names: Vec<&str> = TOPICS.to_vec();
    names.extend(sections.iter().map(|section| section.name));
    names.extend(OPTIONS.iter().map(|option| option.name));
    names.extend(sections.iter().flat_map(|section| section.options.iter().copied().flatten()).map(|spec| spec.name));
    let hint = did_you_mean(topic, names.iter().copied());
    Err(SpecError::new("there is no such topic")
        .hint(hint.unwrap_or_else(|| format!("topics are {}, and every name that they list", TOPICS.join(", ")))))
}

/// Every kind with every option, for the man page.
pub(super) fn every_kind(registries: &Registries) -> String {
    sections(registries).iter().map(describe).collect::<String>() + &every_word()
}

/// One kind of any registry.
struct Section {
    sort: &'static str,
    name: &'static str,
    summary: &'static str,
    options: &'static [&'static [OptionSpec]],
}

fn sections(registries: &Registries) -> Vec<Section> {
    let mut found = vec![];
    let mut add = |sort, name, summary, options| found.push(Section { sort, name, summary, options });
    registries.sources.iter().for_each(|kind| add("source", kind.name, kind.summary, kind.options));
    registries.filters.iter().for_each(|kind| add("filter", kind.name, kind.summary, kind.options));
    registries.encoders.iter().for_each(|kind| add("encoder", kind.name, kind.summary, kind.options));
    registries.sinks.iter().for_each(|kind| add("output", kind.name, kind.summary, kind.options));
    found
}

fn overview(registries: &Registries) -> String {
    let sections = sections(registries);
    let mut text = format!("{USAGE}\n");
    text.push_str("Usage: outflow [OPTIONS] WORD...\n       outflow serve [--config FILE]\n");
    for command in super::looking::COMMANDS {
        let _ = writeln!(text, "       outflow {:<22} {}", format!("{} ...", command.name), command.summary);
    }
    text.push_str(
        "\n\
         Words: a source (-i URL, src=URL, or a name), filters and encoders by name, outputs (-o URL, dst=URL).\n\
         Options follow their word after `:` (put :gpac: between a URL and its options): name=value, name, !name.\n\
         Each track goes to the next word that takes it, else to all outputs of its session; a new source after an\n\
         output opens a new session. FID=, SID= and @ link by hand. Secrets: key=env@VAR, key=file@PATH, key=fd@N.\n\n",
    );
    for sort in ["source", "filter", "encoder", "output"] {
        text.push_str(&list_of(&sections, sort));
    }
    text.push_str(&program_options());
    text
}

fn list_of(sections: &[Section], sort: &str) -> String {
    let listed: Vec<&Section> = sections.iter().filter(|section| section.sort == sort).collect();
    let mut text = format!("{}{}s:\n", sort[..1].to_uppercase(), &sort[1..]);
    if listed.is_empty() {
        text.push_str("    (none in this build)\n");
    }
    for section in listed {
        let name = if sort == "encoder" { format!("c={}", section.name) } else { section.name.to_owned() };
        let _ = writeln!(text, "    {name:<14} {}", section.summary);
    }
    text.push('\n');
    text
}

/// What peers may cost.
fn limits() -> String {
    let mut text = String::from("Limits of a graph, as -limits=NAME=VALUE,NAME=VALUE:\n");
    let mut list = |specs: &[Spec]| {
        for spec in specs {
            let _ = writeln!(text, "    {:<22} {} [default {}]", spec.name, spec.help, spec.default);
        }
    };
    list(&OURS);
    list(&RTMP);
    let first = RTMP.first().map_or("", |spec| spec.name);
    let _ = writeln!(
        text,
        "Those of `outflow serve` stand in its file: in [limits], and those from {first} on in [limits.rtmp]."
    );
    text
}

/// Platforms that stand for a URL: `-o twitch:key=env@KEY`.
fn platforms() -> String {
    let mut text = String::from("Platforms, in the place of a URL (-o twitch:key=env@TWITCH_KEY):\n");
    for platform in PLATFORMS {
        let url = platform.url.map_or("url=env@... (each channel has its own)", |url| url.value);
        let _ = writeln!(text, "    {:<14} {:<16} {url}", platform.name, platform.title);
        let _ = writeln!(text, "    {:14} key: {}", "", platform.found);
    }
    text.push_str("`outflow check` holds streams against their rules; docs/words.md lists those with their sources.\n");
    text
}

fn program_options() -> String {
    let mut text = String::from("Options of the program (one dash or two):\n");
    for option in OPTIONS {
        let name = match option.takes {
            Takes::Nothing => format!("-{}", option.name),
            Takes::Value(value) => format!("-{}={value}", option.name),
            Takes::Maybe(value) => format!("-{}[={value}]", option.name),
        };
        let _ = writeln!(text, "    {name:<22} {}", option.help);
    }
    text.push_str("    --NAME=VALUE           an option for every word that has it; --WORD:NAME=VALUE for one\n\n");
    text
}

fn every_word() -> String {
    let mut text = String::from("Options of every word:\n");
    known::EVERY_WORD.iter().filter(|spec| !spec.ignored).for_each(|spec| text.push_str(&line(spec)));
    text
}

fn describe(section: &Section) -> String {
    let (sort, name) = (section.sort, section.name);
    let mut text = format!("{name} ({sort}): {}\n", section.summary);
    let specs = || section.options.iter().copied().flatten();
    specs().filter(|spec| !spec.ignored).for_each(|spec| text.push_str(&line(spec)));
    let ignored: Vec<&str> = specs().filter(|spec| spec.ignored).map(|spec| spec.name).collect();
    if !ignored.is_empty() {
        let _ = writeln!(text, "    taken without effect: {}", ignored.join(", "));
    }
    text.push('\n');
    text
}

fn line(spec: &OptionSpec) -> String {
    let alias = if spec.aliases.is_empty() { String::new() } else { format!(", {}", spec.aliases.join(", ")) };
    let default = match (spec.ty, spec.default) {
        (_, "") => String::new(),
        (_, default) => format!(", default {default}"),
    };
    let ty = match spec.ty {
        Type::Text => String::new(),
        ty => format!(" [{}{default}]", value::describe(ty)),
    };
    let ty = if ty.is_empty() && !default.is_empty() { format!(" [{}]", default.trim_start_matches(", ")) } else { ty };
    format!("    {:<22} {}{ty}\n", format!("{}{alias}", spec.name), spec.help)
}

/// An option by its name, with every kind that takes it.
fn describe_option(sections: &[Section], name: &str) -> String {
    let bare = name.trim_start_matches('-');
    let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for section in sections {
        for spec in section.options.iter().copied().flatten().filter(|spec| spec.is(bare) && !spec.ignored) {
            lines.entry(line(spec)).or_default().push(format!("{} ({})", section.name, section.sort));
        }
    }
    let mut text = String::new();
    for (line, kinds) in lines {
        let _ = writeln!(text, "{}    of {}\n", line.trim_start(), kinds.join(", "));
    }
    for option in OPTIONS.iter().filter(|option| option.name == bare) {
        let _ = writeln!(text, "-{}: {}\n", option.name, option.help);
    }
    if text.is_empty() {
        known::EVERY_WORD
            .iter()
            .filter(|spec| spec.is(bare) && !spec.ignored)
            .for_each(|spec| text.push_str(&line(spec)));
    }
    text
}
