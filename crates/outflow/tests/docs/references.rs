//! The pages below docs/reference, made from the records of the code: metrics, API, configuration, commands.

use std::ffi::OsString;
use std::fmt::Write as _;

use outflow::cli::environment::System;
use outflow::cli::{Command, parse};
use outflow::config::overlay::SETTINGS;
use outflow::config::record::{self, Field, Section, Shape};
use outflow::options::value;
use serde_json::{Map, Value};

/// A cell: bars would end it, and angle brackets might be taken for markup.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('\n', " ")
}

/// Writes the page, where that was asked for; else says where it differs from what was made.
fn hold(name: &str, made: &str) {
    let path = super::root().join("docs/reference").join(name);
    let made = made.trim_end().to_owned() + "\n";
    if std::env::var_os("OUTFLOW_WRITE_DOCS").is_some() {
        std::fs::write(&path, made).unwrap();
        return;
    }
    let shown = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = shown.lines().zip(made.lines()).find(|(shown, made)| shown != made);
    assert!(
        shown == made,
        "docs/reference/{name} is not what the code says, first at {differs:?}; write it anew with\n  \
         OUTFLOW_WRITE_DOCS=1 cargo test -p outflow --test docs reference"
    );
}

#[test]
fn the_reference_of_metrics_is_that_of_the_code() {
    let mut text = String::from(
        "# Every figure\n\n\
         What `GET /metrics` gives. How to scrape it, and what the delay is: [metrics.md](../metrics.md).\n\
         This page is made from the table in the code.\n",
    );
    let families = outflow::http::families();
    let groups = [
        ("Outputs", "outflow_output_", "Labels `stream`, `output`, `protocol`, and those that are named."),
        ("Inputs", "outflow_input_", "Label `stream`, and those that are named."),
    ];
    let mut begin = |title: &str, about: &str, of: &dyn Fn(&str) -> bool, common: &[&str]| {
        let _ = write!(text, "\n## {title}\n\n{about}\n\n| name | type | what it is |\n|---|---|---|\n");
        for family in families.iter().filter(|family| of(family.name)) {
            let more: Vec<String> = family
                .labels
                .iter()
                .filter(|label| !common.contains(label))
                .map(|label| format!("`{label}`"))
                .collect();
            let more = if more.is_empty() { String::new() } else { format!(" Labels: {}.", more.join(", ")) };
            let _ = writeln!(text, "| `{}` | {} | {}{more} |", family.name, family.kind, cell(family.help));
        }
    };
    for (title, prefix, about) in groups {
        let common: &[&str] = if title == "Outputs" { &["stream", "output", "protocol"] } else { &["stream"] };
        begin(title, about, &|name| name.starts_with(prefix), common);
    }
    let other = |name: &str| !groups.iter().any(|(_, prefix, _)| name.starts_with(prefix));
    begin("The program", "No label but those that are named.", &other, &[]);
    hold("metrics.md", &text);
}

/// The type of a field of the API, in words.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap_or_default();
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(texts) = schema["enum"].as_array() {
        let texts: Vec<String> = texts.iter().filter_map(Value::as_str).map(|text| format!("`{text}`")).collect();
        return texts.join(", ");
    }
    if let Some(either) = schema["anyOf"].as_array() {
        let kinds: Vec<String> = either.iter().map(kind).filter(|kind| kind != "null").collect();
        return kinds.join(" or ");
    }
    let types = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).find(|name| *name != "null").unwrap_or_default(),
        name => name.as_str().unwrap_or_default(),
    };
    match types {
        "array" => format!("list of {}", kind(&schema["items"])),
        "string" if schema["format"] == "date-time" => "time, RFC 3339 in UTC".into(),
        "string" => "text".into(),
        "integer" => "whole number".into(),
        "boolean" => "yes or no".into(),
        "object" if schema["properties"]["secret"].is_object() => "`{\"secret\": \"NAME\"}`".into(),
        other => other.into(),
    }
}

/// The heading of an endpoint in docs/api.md, as an anchor.
fn anchor(method: &str, path: &str) -> String {
    super::anchor(&format!("{method} {path}"))
}

fn endpoints(paths: &Map<String, Value>, text: &mut String) {
    text.push_str("\n## Endpoints\n\n| | what it does | takes | gives | faults |\n|---|---|---|---|---|\n");
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            let method = method.to_uppercase();
            let body = |content: &Value| {
                content.as_object().and_then(|kinds| kinds.iter().next()).map_or(String::new(), |(media, what)| {
                    if media == "application/json" && what["schema"]["type"] == "object" {
                        "JSON".into()
                    } else if media == "application/json" {
                        kind(&what["schema"])
                    } else {
                        format!("`{media}`")
                    }
                })
            };
            let takes = body(&operation["requestBody"]["content"]);
            let (mut gives, mut faults) = (String::new(), Vec::new());
            for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
                if status.starts_with('2') {
                    gives = format!("{status} {}", body(&answer["content"]));
                } else {
                    faults.push(status.as_str());
                }
            }
            let summary = cell(operation["summary"].as_str().unwrap_or_default());
            let link = format!("[`{method} {path}`](../api.md#{})", anchor(&method, path));
            let _ = writeln!(text, "| {link} | {summary} | {takes} | {} | {} |", gives.trim(), faults.join(", "));
        }
    }
}

#[test]
fn the_reference_of_the_api_is_its_description() {
    let description: Value = serde_json::from_str(outflow::http::description()).unwrap();
    let mut text = String::from(
        "# Every endpoint and field\n\n\
         The same as `/openapi.json`, for people. Who may ask, and an example of each: [api.md](../api.md); what the statuses mean: \
         [errors](../api.md#errors).\nThis page is made from the description.\n",
    );
    endpoints(description["paths"].as_object().unwrap(), &mut text);
    text.push_str("\n## Objects\n\nA field that is marked with ? may be null, or absent in a request.\n");
    for (name, object) in description["components"]["schemas"].as_object().unwrap() {
        let about = cell(object["description"].as_str().unwrap_or_default());
        let _ = write!(text, "\n### {name}\n\n{about}\n\n| field | | what it is |\n|---|---|---|\n");
        for (field, schema) in object["properties"].as_object().unwrap() {
            let null = schema["type"].as_array().is_some_and(|types| types.contains(&"null".into()))
                || schema["anyOf"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind["type"] == "null"));
            let mark = if null { " ?" } else { "" };
            let about = cell(schema["description"].as_str().unwrap_or_default());
            let _ = writeln!(text, "| `{field}`{mark} | {} | {about} |", kind(schema));
        }
    }
    hold("api.md", &text);
}

/// The type of a field of the file, in words, and the section that it opens.
fn shape(shape: Shape) -> (String, Option<&'static Section>) {
    let link = |section: &Section| format!("[{}](#{})", title(section), super::anchor(&title(section)));
    let text = match shape {
        Shape::Text => "text",
        Shape::Texts => "list of texts",
        Shape::Path => "path; begins at the file's folder",
        Shape::Bool => "true or false",
        Shape::Count => "whole number (k, m, g)",
        Shape::Duration => "duration (250ms, 4s, 5min, 2h)",
        Shape::Address => "address and port, or `none`",
        Shape::Pattern => "app/name",
        Shape::Networks => "list of addresses and networks",
        Shape::Choice(choices) => return (choices.map_ticked().join(", "), None),
        Shape::Secret => "secret",
        Shape::Secrets => "secret, or a list of them",
        Shape::PublishKeys => "secret, a list of them, or `none`",
        Shape::Url => "rtmp:// or rtmps:// URL, or where it stands, as a secret",
        Shape::HttpUrl => "http:// or https:// URL, or where it stands, as a secret",
        Shape::Table(inner) => return (link(inner), Some(inner)),
        Shape::TableOrUrl(inner) => return (format!("URL, or {}", link(inner)), Some(inner)),
        Shape::Tables(inner) => return (format!("any number of {}", link(inner)), Some(inner)),
        Shape::NamedSecrets => "NAME = secret",
    };
    (text.into(), None)
}

trait Ticked {
    fn map_ticked(&self) -> Vec<String>;
}

impl Ticked for [&str] {
    fn map_ticked(&self) -> Vec<String> {
        self.iter().map(|text| format!("`{text}`")).collect()
    }
}

/// How a section is written in the file.
fn title(section: &Section) -> String {
    match section.what {
        "a stream" => "[[stream]]".into(),
        "an output" => "[[output]]".into(),
        "the policy of outputs" => "[policy]".into(),
        "the players of a stream" => "players of a stream".into(),
        what => what.trim_start_matches("a ").into(),
    }
}

fn row(field: &Field, text: &mut String) {
    let default = match (field.required, field.default) {
        (true, _) => "needed".into(),
        (_, "") => String::new(),
        (_, default) => format!("`{}`", cell(default)),
    };
    let _ = writeln!(text, "| `{}` | {} | {default} | {} |", field.name, shape(field.shape).0, cell(field.help));
}

#[test]
fn the_reference_of_the_configuration_is_that_of_the_records() {
    let mut text = String::from(
        "# Every name of the configuration\n\n\
         What may stand in the file of `outflow serve`. What it is for, with examples: [config.md](../config.md). As one file to copy \
         from: [outflow.reference.toml](../outflow.reference.toml); for editors: [outflow.schema.json](../outflow.schema.json).\n\
         This page is made from the records of the code.\n",
    );
    let mut sections: Vec<&Section> = vec![&record::FILE];
    let mut at = 0;
    while let Some(section) = sections.get(at).copied() {
        at += 1;
        let _ = write!(text, "\n## {}\n\n| name | value | default | |\n|---|---|---|---|\n", title(section));
        for field in section.fields {
            row(field, &mut text);
            if let Some(inner) = shape(field.shape).1.filter(|inner| !sections.contains(inner)) {
                sections.push(inner);
            }
        }
        for spec in section.options.specs() {
            let names: Vec<String> =
                std::iter::once(&spec.name).chain(spec.aliases).map(|name| format!("`{name}`")).collect();
            let default = if spec.default.is_empty() { String::new() } else { format!("`{}`", cell(spec.default)) };
            let (names, value) = (names.join(", "), cell(&value::describe(spec.ty)));
            let _ = writeln!(text, "| {names} | {value} | {default} | {} |", cell(spec.help));
        }
    }
    text.push_str(
        "\n## secret\n\nA text, or a table with one of these:\n\n| name | value | default | |\n|---|---|---|---|\n",
    );
    record::SECRET.fields.iter().for_each(|field| row(field, &mut text));
    let _ = write!(
        text,
        "\n## Variables and flags\n\nThey count before the file, and a flag before a variable.\n\n| variable | flag |\n|---|---|\n"
    );
    for (_, flag, variable) in SETTINGS {
        let flag = if flag.is_empty() { String::new() } else { format!("`{flag}`") };
        let _ = writeln!(text, "| `{variable}` | {flag} |");
    }
    hold("config.md", &text);
}

#[test]
fn the_reference_of_commands_is_their_help() {
    // The pages are of a whole build.
    if outflow::encode::ENCODERS.is_empty() {
        return;
    }
    let mut text = String::from(
        "# Every command\n\n\
         What `outflow help` prints, page by page. How words are written, and every word with its options: \
         [words.md](../words.md#all-words-and-options). This page is made by the program.\n",
    );
    for topic in ["", "serve", "check", "probe", "top", "options", "platforms"] {
        let words: Vec<OsString> = ["help", topic].iter().filter(|word| !word.is_empty()).map(OsString::from).collect();
        let Ok(Command::Help(help)) = parse(&words, &System) else { panic!("help {topic}") };
        let _ =
            write!(text, "\n## outflow {}\n\n```text\n{}\n```\n", ["help", topic].join(" ").trim(), help.trim_end());
    }
    hold("cli.md", &text);
}
