//! The JSON schema of the file, made from its records.
use serde_json::{Value, json};

/// The schema (draft 2020-12).
pub fn schema() -> Value {
    json!({})
}
