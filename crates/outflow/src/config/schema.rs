//! The JSON schema of the file, made from its records: for editors that complete and check as one types.

use serde_json::{Map, Value, json};

use super::record::{self, Field, Section, Shape};
use crate::options::{OptionSpec, Type, value};

/// The schema, JSON Schema draft 2020-12.
pub fn schema() -> Value {
    let mut defs = Map::new();
    let root = section(&record::FILE, &mut defs);
    defs.insert(
        "secret".into(),
        json!({
            "description": "A text, or where it stands: it is never shown.",
            "anyOf": [{ "type": "string", "minLength": 1 }, { "$ref": "#/$defs/elsewhere" }],
        }),
    );
    let mut elsewhere = section(&record::SECRET, &mut defs);
    elsewhere["minProperties"] = json!(1);
    elsewhere["maxProperties"] = json!(1);
    elsewhere["description"] = json!("Where a secret stands, if not in the file itself.");
    defs.insert("elsewhere".into(), elsewhere);
    let mut whole = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "outflow serve",
        "$defs": defs,
    });
    if let (Some(whole), Value::Object(root)) = (whole.as_object_mut(), root) {
        whole.extend(root);
    }
    whole
}

fn section(section: &Section, defs: &mut Map<String, Value>) -> Value {
    let mut properties = Map::new();
    for field in section.fields {
        properties.insert(field.name.into(), of_field(field, defs));
    }
    for spec in section.options.specs() {
        for name in std::iter::once(&spec.name).chain(spec.aliases) {
            properties.insert((*name).into(), of_option(spec));
        }
    }
    let required: Vec<&str> = section.fields.iter().filter(|field| field.required).map(|field| field.name).collect();
    let mut object = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    object
}

/// The section as a definition, made once.
fn reference(inner: &Section, defs: &mut Map<String, Value>) -> Value {
    let name: String = inner.what.chars().map(|c| if c.is_ascii_lowercase() { c } else { '_' }).collect();
    let name = name.trim_matches('_').to_owned();
    if !defs.contains_key(&name) {
        let made = section(inner, defs);
        defs.insert(name.clone(), made);
    }
    json!({ "$ref": format!("#/$defs/{name}") })
}

fn of_field(field: &Field, defs: &mut Map<String, Value>) -> Value {
    let secret = || json!({ "$ref": "#/$defs/secret" });
    let mut made = match field.shape {
        Shape::Text | Shape::Path | Shape::Address | Shape::Pattern => json!({ "type": "string" }),
        Shape::Texts | Shape::Networks => texts(),
        Shape::Bool => json!({ "type": "boolean" }),
        Shape::Count => json!({ "type": ["integer", "string"] }),
        Shape::Duration => json!({ "type": ["number", "string"] }),
        Shape::Choice(choices) => json!({ "enum": choices }),
        Shape::Secret | Shape::Url | Shape::HttpUrl => secret(),
        Shape::Secrets | Shape::PublishKeys => {
            json!({ "anyOf": [secret(), { "type": "array", "items": secret(), "minItems": 1 }] })
        }
        Shape::Table(inner) => reference(inner, defs),
        Shape::TableOrUrl(inner) => json!({ "anyOf": [{ "type": "string" }, reference(inner, defs)] }),
        Shape::Tables(inner) => json!({ "type": "array", "items": reference(inner, defs) }),
        Shape::NamedSecrets => json!({ "type": "object", "additionalProperties": secret() }),
    };
    made["description"] = json!(field.help);
    if !field.default.is_empty() {
        made["default"] =
            default(field.default, matches!(field.shape, Shape::Count | Shape::Bool | Shape::Texts | Shape::Networks));
    }
    made
}

fn texts() -> Value {
    json!({ "type": ["array", "string"], "items": { "type": "string" } })
}

fn of_option(spec: &OptionSpec) -> Value {
    let mut made = match spec.ty {
        Type::Bool => json!({ "type": ["boolean", "string"] }),
        Type::Count | Type::Rate => json!({ "type": ["integer", "string"] }),
        Type::Float | Type::Duration => json!({ "type": ["number", "string"] }),
        Type::List | Type::Sizes | Type::Rates => texts(),
        Type::Text | Type::Size | Type::Fraction => json!({ "type": "string" }),
        Type::Secret => json!({ "$ref": "#/$defs/secret" }),
        Type::Choice(choices) => {
            let names: Vec<&str> = choices.iter().filter_map(|choice| choice.split('|').next()).collect();
            json!({ "enum": names })
        }
    };
    made["description"] = json!(format!("{} [{}]", spec.help, value::describe(spec.ty)));
    if !spec.default.is_empty() {
        made["default"] = match spec.ty {
            Type::Bool => json!(spec.default == "yes"),
            ty => default(spec.default, ty == Type::Count),
        };
    }
    made
}

/// A default as JSON: texts stay texts.
fn default(text: &str, plain: bool) -> Value {
    match serde_json::from_str(text) {
        Ok(value) if plain => value,
        _ => json!(text),
    }
}
