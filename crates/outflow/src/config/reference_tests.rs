//! The reference file and the JSON schema: every name, every default, and that they fit what is read.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use super::document::{self, Kind, Node};
use super::record::{self, Options, Section, Shape};
use super::tests::{NAME, told, world};
use super::*;
use crate::options::{Type, value};

fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)
}

/// The reference as it is, and with every example switched on.
fn texts() -> [String; 2] {
    let text = std::fs::read_to_string(docs("outflow.reference.toml")).unwrap();
    let on = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => format!("{rest}\n"),
        _ => format!("{line}\n"),
    };
    let whole = text.lines().map(on).collect();
    [text, whole]
}

fn surroundings() -> super::tests::Fake {
    let mut world = world();
    for name in ["YOUTUBE_KEY", "API_TOKEN", "OLD_INGEST_KEY", "PLAY_TOKEN", "ALICE_PASSWORD"] {
        world.variables.insert(name, "s3cret");
    }
    world.files.insert("/etc/outflow/ingest.key", "s3cret");
    world.files.insert("/etc/outflow/bob.password", "s3cret");
    world
}

#[test]
fn the_reference_is_right_with_and_without_its_examples() {
    let [plain, mut whole] = texts();
    let loaded = parse(&plain, NAME, &surroundings()).unwrap_or_else(|mistakes| panic!("{}", told(&mistakes)));
    assert_eq!(told(&loaded.warnings), "");
    // A policy is shown in both of its forms.
    whole = whole.replace("rtmps = \"none\"", "rtmps = \"[::1]\"");
    let loaded = parse(&whole, NAME, &surroundings()).unwrap_or_else(|mistakes| panic!("{}", told(&mistakes)));
    assert_eq!(told(&loaded.warnings), "");
    assert_eq!((loaded.config.streams.len(), loaded.config.outputs.len()), (2, 2));
}

/// Every value of a name within sections of one sort.
fn gather<'n>(node: &'n Node, section: &'static Section, into: &mut Vec<(&'static str, &'n str, &'n Node)>) {
    let Kind::Table(entries) = &node.kind else { return };
    for entry in entries {
        into.push((section.what, &entry.name, &entry.value));
        match section.fields.iter().find(|field| field.name == entry.name).map(|field| field.shape) {
            Some(Shape::Table(inner) | Shape::TableOrUrl(inner)) => gather(&entry.value, inner, into),
            Some(Shape::Tables(inner)) => {
                if let Kind::List(list) = &entry.value.kind {
                    list.iter().for_each(|node| gather(node, inner, into));
                }
            }
            _ => {}
        }
    }
}

#[test]
fn the_reference_names_everything_with_its_default() {
    let [plain, whole] = texts();
    let (whole, plain) = (document::parse(&whole).0, document::parse(&plain).0);
    let (mut named, mut live) = (Vec::new(), Vec::new());
    gather(&whole, &record::FILE, &mut named);
    gather(&plain, &record::FILE, &mut live);
    let names: BTreeSet<&str> = named.iter().map(|(_, name, _)| *name).collect();
    let within =
        |section: &Section, name: &str| named.iter().any(|(what, own, _)| *what == section.what && *own == name);
    let mut sections = vec![&record::FILE];
    let mut at = 0;
    while let Some(section) = sections.get(at).copied() {
        at += 1;
        for field in section.fields {
            let inherited = matches!(field.name, "auto_start" | "auto_stop");
            assert!(within(section, field.name) || inherited, "{} lacks {}", section.what, field.name);
            let inner = match field.shape {
                Shape::Table(inner) | Shape::TableOrUrl(inner) | Shape::Tables(inner) => inner,
                _ => continue,
            };
            if !sections.contains(&inner) {
                sections.push(inner);
            }
        }
        for spec in section.options.specs() {
            // What outputs and pulls share stands in the policy.
            let named = match section.options {
                Options::Policy | Options::Players => within(section, spec.name),
                // Said in a remark, since two of them can't be in one file.
                Options::Pull => names.contains(spec.name) || matches!(spec.name, "rtmp_subscribe" | "rtmp_token"),
                _ => names.contains(spec.name),
            };
            assert!(named, "{} lacks {}", section.what, spec.name);
        }
    }
    let policy = |name: &str| live.iter().find(|(what, own, _)| *what == record::POLICY.what && *own == name);
    for spec in Options::Policy.specs().into_iter().filter(|spec| !spec.default.is_empty()) {
        let (_, _, node) = policy(spec.name).unwrap_or_else(|| panic!("{} is not shown with its default", spec.name));
        let text = match &node.kind {
            Kind::Text(text) | Kind::Number(text) => text.clone(),
            Kind::Bool(value) => value.to_string(),
            _ => panic!("{}", spec.name),
        };
        assert_eq!(
            value::parse(spec.ty, &text).unwrap(),
            value::parse(spec.ty, spec.default).unwrap(),
            "{}",
            spec.name
        );
    }
    for section in
        [record::FILE, record::LISTEN, record::API, record::LIMITS, record::RTMP_LIMITS, record::STREAM, record::ALERTS]
    {
        for field in section.fields.iter().filter(|field| !field.default.is_empty()) {
            let shown = live.iter().find(|(what, own, _)| *what == section.what && *own == field.name);
            let optional = matches!(field.shape, Shape::Networks);
            let Some((_, _, node)) = shown else {
                assert!(optional, "{} is not shown with its default", field.name);
                continue;
            };
            let text = match &node.kind {
                Kind::Text(text) | Kind::Number(text) => text.clone(),
                Kind::Bool(value) => value.to_string(),
                Kind::List(list) if list.is_empty() => "[]".into(),
                _ => panic!("{}", field.name),
            };
            assert_eq!(text, field.default, "{}", field.name);
        }
    }
}

fn to_json(node: &Node) -> Json {
    match &node.kind {
        Kind::Text(text) => json!(text),
        Kind::Number(text) => serde_json::from_str(text).unwrap(),
        Kind::Bool(value) => json!(value),
        Kind::Date => Json::Null,
        Kind::List(list) => list.iter().map(to_json).collect(),
        Kind::Table(entries) => entries.iter().map(|entry| (entry.name.clone(), to_json(&entry.value))).collect(),
    }
}

/// As much of JSON Schema as the schema uses.
fn fits(schema: &Json, value: &Json, root: &Json) -> Result<(), String> {
    if let Some(target) = schema["$ref"].as_str() {
        fits(root.pointer(target.trim_start_matches('#')).expect(target), value, root)?;
    }
    if let Some(ways) = schema["anyOf"].as_array() {
        let outcomes: Vec<_> = ways.iter().map(|way| fits(way, value, root)).collect();
        if outcomes.iter().all(Result::is_err) {
            return Err(format!("{outcomes:?}"));
        }
    }
    if let Some(choices) = schema["enum"].as_array().filter(|choices| !choices.contains(value)) {
        return Err(format!("{value} is none of {choices:?}"));
    }
    let sort = match value {
        Json::String(_) => "string",
        Json::Number(number) if number.is_u64() => "integer",
        Json::Number(_) => "number",
        Json::Bool(_) => "boolean",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
        Json::Null => "null",
    };
    let types: Vec<&str> = match &schema["type"] {
        Json::String(one) => vec![one],
        Json::Array(several) => several.iter().filter_map(Json::as_str).collect(),
        _ => vec![],
    };
    let fine = types.is_empty() || types.contains(&sort) || (sort == "integer" && types.contains(&"number"));
    if !fine {
        return Err(format!("{value} is not of {types:?}"));
    }
    for (item, number) in value.as_array().into_iter().flatten().zip(0..) {
        fits(&schema["items"], item, root).map_err(|error| format!("{number}: {error}"))?;
    }
    for (name, inner) in value.as_object().into_iter().flatten() {
        let own = match (&schema["properties"][name], &schema["additionalProperties"]) {
            (Json::Null, Json::Bool(false)) => return Err(format!("{name} is unknown")),
            (Json::Null, other) => other,
            (own, _) => own,
        };
        fits(own, inner, root).map_err(|error| format!("{name}: {error}"))?;
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        if value.as_object().is_some_and(|object| !object.contains_key(name.as_str().unwrap())) {
            return Err(format!("{name} is missing"));
        }
    }
    Ok(())
}

#[test]
fn the_reference_fits_the_schema_and_nonsense_does_not() {
    let schema = schema();
    for text in texts() {
        fits(&schema, &to_json(&document::parse(&text).0), &schema).unwrap();
    }
    for text in [
        "zebra = 1",
        "[listen]\nrtmp = 1935",
        "[[output]]\nname = \"a\"\nurl = \"rtmp://h/a\"",
        "[[output]]\nname = \"a\"\nstream = \"a/b\"\nurl = \"x\"\nmax_lagg = 1",
        "[[stream]]\nname = \"a/b\"\nmissing = \"maybe\"",
        "[api]\ntoken = { evn = \"x\" }",
        "[hooks]\non_play = { form = \"srs\" }",
    ] {
        assert!(fits(&schema, &to_json(&document::parse(text).0), &schema).is_err(), "{text}");
    }
    // Whatever an option's type is, its default fits its schema.
    for spec in Options::Output.specs().into_iter().filter(|spec| spec.ty != Type::Secret) {
        let own = &schema["$defs"]["an_output"]["properties"][spec.name];
        assert!(own["description"].as_str().unwrap().starts_with(spec.help), "{}", spec.name);
        if !spec.default.is_empty() {
            fits(own, &own["default"], &schema).unwrap();
        }
    }
}

#[test]
fn the_schema_on_the_page_is_that_of_the_records() {
    let path = docs("outflow.schema.json");
    let made = format!("{}\n", serde_json::to_string_pretty(&schema()).unwrap());
    if std::env::var_os("OUTFLOW_WRITE_DOCS").is_some() {
        std::fs::write(&path, &made).unwrap();
        return;
    }
    let shown = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        shown == made,
        "docs/outflow.schema.json is not what the records say; write it anew with\n  \
         OUTFLOW_WRITE_DOCS=1 cargo test -p outflow --lib the_schema"
    );
}
