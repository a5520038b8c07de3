//! The description of the API for programs (OpenAPI 3.1), made from the tables of endpoints and objects.

use std::sync::OnceLock;

use serde_json::{Map, Value, json};

use super::endpoints::{ENDPOINTS, Endpoint, Shape};
use super::problem::CODES;
use super::schema::{OBJECTS, reference};

/// What every request may be answered.
const ALWAYS: &[u16] = &[400, 401, 403];
/// What a request with a body may be answered besides.
const WITH_BODY: &[u16] = &[408, 413, 415];

/// The description as text.
pub(super) fn text() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| document().to_string())
}

fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for endpoint in ENDPOINTS {
        let path = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        if let Value::Object(methods) = path {
            methods.insert(endpoint.method.to_lowercase(), operation(endpoint));
        }
    }
    let schemas: Map<String, Value> = OBJECTS.iter().map(|object| (object.name.to_owned(), object.schema())).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Outflow",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Streams, outputs, publishers and players of `outflow serve`.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{}, { "token": [] }, { "session": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer" },
                "session": { "type": "apiKey", "in": "cookie", "name": "outflow-PORT",
                             "description": "For browsers: POST /v1/session gives it." },
            },
        },
    })
}

fn operation(endpoint: &Endpoint) -> Value {
    let mut answers: Map<String, Value> = Map::new();
    answers.insert(endpoint.status.to_string(), answer(endpoint));
    let body: &[u16] = if endpoint.method == "GET" { &[] } else { WITH_BODY };
    for status in ALWAYS.iter().chain(body).chain(endpoint.faults) {
        answers.entry(status.to_string()).or_insert_with(|| problem(*status));
    }
    let mut operation = json!({
        "operationId": operation_id(endpoint),
        "summary": endpoint.summary,
        "responses": answers,
    });
    if let Value::Object(map) = &mut operation {
        let parameters = parameters(endpoint.path);
        if !parameters.is_empty() {
            map.insert("parameters".into(), json!(parameters));
        }
        if let Some(schema) = schema(endpoint.takes) {
            let content = json!({ "application/json": { "schema": schema } });
            map.insert("requestBody".into(), json!({ "required": true, "content": content }));
        }
    }
    operation
}

/// `GET /v1/outputs/{id}` as `get_v1_outputs_id`.
fn operation_id(endpoint: &Endpoint) -> String {
    let path: String = endpoint.path.chars().filter(|c| !matches!(c, '{' | '}')).collect();
    format!("{}{}", endpoint.method.to_lowercase(), path.replace(['/', '.'], "_"))
}

fn parameters(path: &str) -> Vec<Value> {
    let names = path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let about = |name| if name == "app" { "May hold slashes." } else { "Percent-encoded where need be." };
    names
        .map(|name| {
            json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" },
                    "description": about(name) })
        })
        .collect()
}

fn schema(shape: Shape) -> Option<Value> {
    match shape {
        Shape::One(name) => Some(reference(name)),
        Shape::List(name) => Some(json!({ "type": "array", "items": reference(name) })),
        Shape::Description => Some(json!({ "type": "object" })),
        Shape::Nothing | Shape::Events | Shape::Media | Shape::Metrics => None,
    }
}

fn answer(endpoint: &Endpoint) -> Value {
    if endpoint.gives == Shape::Events {
        let text = "`id`, `event` and one line of JSON as `data`: the objects of `-json`. `lost` tells how many a slow \
                    reader missed.";
        return json!({ "description": text, "content": { "text/event-stream": { "schema": { "type": "string" } } } });
    }
    if endpoint.gives == Shape::Metrics {
        let text = "Prometheus' text format 0.0.4; the names stand in docs/metrics.md.";
        return json!({ "description": text, "content": { "text/plain": { "schema": { "type": "string" } } } });
    }
    if endpoint.gives == Shape::Media {
        let content = json!({ "video/x-flv": { "schema": { "type": "string", "format": "binary" } } });
        return json!({ "description": "FLV from a key frame on, live.", "content": content });
    }
    let mut answer = json!({ "description": if endpoint.status == 204 { "Done." } else { "Done, as it is now." } });
    if let (Value::Object(map), Some(schema)) = (&mut answer, schema(endpoint.gives)) {
        map.insert("content".into(), json!({ "application/json": { "schema": schema } }));
        if endpoint.status == 201 {
            let place = json!({ "schema": { "type": "string" }, "description": "Its path." });
            map.insert("headers".into(), json!({ "Location": place }));
        }
    }
    answer
}

fn problem(status: u16) -> Value {
    let codes = CODES.iter().filter(|(_, of, _)| *of == status);
    let texts: Vec<String> = codes.map(|(code, _, title)| format!("`{code}`: {title}.")).collect();
    json!({
        "description": texts.join(" "),
        "content": { "application/problem+json": { "schema": reference("Problem") } },
    })
}

#[cfg(test)]
#[path = "openapi_tests.rs"]
mod tests;
