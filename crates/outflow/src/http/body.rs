//! Bodies of requests: bounded in size and time, read as JSON, mistakes told with their field. Nothing that was sent is
//! quoted: it may be a key.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::{DeserializeOwned, IgnoredAny};

use super::problem::Problem;

/// The largest body, in bytes.
const MOST: usize = 64 << 10;
/// How long a body may take.
const TIME: Duration = Duration::from_secs(10);

/// The whole body.
async fn whole(body: Body) -> Result<Bytes, Problem> {
    let text = format!("{MOST} bytes are the most");
    let read = tokio::time::timeout(TIME, Limited::new(body, MOST).collect()).await;
    match read {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Problem::new("body_too_large", text)),
        Ok(Err(error)) => {
            // axum wraps the error of the limit where the length was announced.
            let limited = std::error::Error::source(&*error).is_some_and(|source| source.is::<LengthLimitError>());
            Err(if limited { Problem::new("body_too_large", text) } else { incomplete() })
        }
        Err(_) => Err(Problem::new("timeout", format!("a body has {TIME:?}"))),
    }
}

fn incomplete() -> Problem {
    Problem::new("bad_request", "the body ended early")
}

/// Refuses a body where none belongs, so that nobody believes that it counts.
pub(super) async fn none(body: Body) -> Result<(), Problem> {
    match whole(body).await?.trim_ascii() {
        b"" | b"{}" => Ok(()),
        _ => Err(Problem::new("bad_request", "this request takes no body")),
    }
}

/// The body as JSON of this shape.
pub(super) async fn json<T: DeserializeOwned>(body: Body) -> Result<T, Problem> {
    let bytes = whole(body).await?;
    if bytes.trim_ascii().is_empty() {
        return Err(Problem::new("bad_request", "the body is empty: send a JSON object"));
    }
    parse(&bytes)
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // The library would take a list for an object, field by field.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        if let Err(error) = serde_json::from_slice::<IgnoredAny>(bytes) {
            return Err(wrong(".", &error));
        }
        let problem = "the body is JSON, but no object";
        return Err(Problem::new("invalid", problem).mistake(None, problem, Some("send {...}".into())));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value: T = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        wrong(&path, error.inner())
    })?;
    reader.end().map_err(|_| Problem::new("bad_request", "something follows the JSON object"))?;
    Ok(value)
}

fn wrong(path: &str, error: &serde_json::Error) -> Problem {
    let text = error.to_string();
    // `at line 1 column 2` is added by the library.
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    let place = format!("line {}, column {}", error.line(), error.column());
    if !error.is_data() {
        return Problem::new("bad_request", format!("the body is not JSON: {} ({place})", unquoted(text)));
    }
    if let Some(field) = quoted(text, "missing field `") {
        let problem = format!("{field} is missing");
        return Problem::new("invalid", &problem).mistake(Some(field.into()), problem, None);
    }
    if let Some(field) = quoted(text, "unknown field `") {
        let field = short(field);
        let known = text.split_once("expected ").map(|(_, known)| known.replace('`', ""));
        let known = known.map(|known| {
            let fields = known.trim_start_matches("one of ");
            match field.as_str() {
                "tracks" if fields.contains("options") => {
                    "write it below options: {\"options\": {\"tracks\": [\"video\"]}}".into()
                }
                "silence" if fields.contains("options") => {
                    "write it below options: {\"options\": {\"silence\": true}}".into()
                }
                _ => format!("the fields are {fields}"),
            }
        });
        let problem = format!("{field} is not a field of this object");
        return Problem::new("invalid", &problem).mistake(Some(field), problem, known);
    }
    let field = (path != ".").then(|| short(path));
    let at_fault = field.clone().unwrap_or_else(|| "the body".into());
    let (problem, hint) = match text {
        text if text.contains("untagged enum KeyText") => {
            let hint = "write a text, or {\"secret\": \"NAME\"} of the configuration's [secrets]";
            ("it is neither a key nor names a secret".to_owned(), Some(hint.to_owned()))
        }
        text => (unquoted(text), None),
    };
    Problem::new("invalid", format!("{at_fault}: {problem}")).mistake(field, problem, hint)
}

/// What stands between the beginning and the next backtick.
fn quoted<'a>(text: &'a str, begin: &str) -> Option<&'a str> {
    text.strip_prefix(begin)?.split('`').next()
}

/// A name of a field, not longer than one may be.
fn short(name: &str) -> String {
    let mut short: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
    if short.len() < name.len() {
        short.push_str("...");
    }
    short
}

/// A message of the library without the value that it quotes: `invalid type: string "key", expected a boolean`.
fn unquoted(text: &str) -> String {
    let expected = text.rsplit_once(", expected ").map(|(_, expected)| expected);
    let Some((kind, rest)) = text.split_once(": ").filter(|(kind, _)| kind.starts_with("invalid ")) else {
        return short(text.split(['`', '"']).next().unwrap_or_default().trim());
    };
    let value = rest.split(['`', '"', ',']).next().unwrap_or_default().trim();
    match expected {
        Some(expected) => format!("{kind} ({value}), expected {expected}"),
        None => format!("{kind} ({value})"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::relay::{NewOutput, OutputPatch};

    fn told<T: DeserializeOwned>(text: &str) -> (u16, String, Option<String>) {
        let problem = parse::<T>(text.as_bytes()).map(|_| ()).unwrap_err();
        let shown = serde_json::to_string(&problem).unwrap();
        assert!(!shown.contains("s3cret") && !shown.contains("4711"), "{shown}");
        let field = problem.errors.first().and_then(|mistake| mistake.field.clone());
        (problem.status, problem.detail, field)
    }

    #[test]
    fn mistakes_name_the_field_and_quote_nothing() {
        let new = |fields: &str| told::<NewOutput>(&format!("{{\"stream\":\"a/b\",\"url\":\"rtmp://h/a\",{fields}}}"));
        let field = |name: &str| Some(name.to_owned());
        assert_eq!(told::<NewOutput>("{}"), (422, "stream is missing".into(), field("stream")));
        assert_eq!(told::<NewOutput>("{\"stream\":\"a/b\"}"), (422, "url is missing".into(), field("url")));
        assert_eq!(
            new("\"auto_start\":\"s3cret\""),
            (422, "auto_start: invalid type (string), expected a boolean".into(), field("auto_start"))
        );
        assert_eq!(
            new("\"name\":4711"),
            (422, "name: invalid type (integer), expected a string".into(), field("name"))
        );
        assert_eq!(
            new("\"groups\":[\"a\",{\"s3cret\":1}]"),
            (422, "groups[1]: invalid type (map), expected a string".into(), field("groups[1]"))
        );
        for key in ["4711", "{\"file\":\"s3cret\"}", "[\"s3cret\"]"] {
            let (status, detail, at) = new(&format!("\"key\":{key}"));
            assert_eq!((status, at), (422, field("key")), "{detail}");
            assert!(detail.contains("neither a key nor"), "{detail}");
        }
        assert_eq!(new("\"flavour\":\"s3cret\"").0, 422);
        assert_eq!(new("\"flavour\":1").1, "flavour is not a field of this object");
        let problem = parse::<NewOutput>(b"{\"tracks\":[\"video\"]}").map(|_| ()).unwrap_err();
        assert!(problem.errors[0].hint.as_ref().unwrap().contains("below options"), "{problem:?}");
        let problem = parse::<OutputPatch>(b"{\"flavour\":1}").map(|_| ()).unwrap_err();
        assert!(problem.errors[0].hint.as_ref().unwrap().contains("auto_start"), "{problem:?}");
    }

    #[test]
    fn what_is_no_object_is_told() {
        for text in ["\"s3cret\"", "4711", "[]", "null"] {
            let (status, ..) = told::<OutputPatch>(text);
            assert_eq!(status, 422, "{text}");
        }
        for text in ["s3cret", "{\"url\"", "{\"url\":\"s3cret", "{} s3cret", "{\"url\":\"\\x\"}", "\u{1}"] {
            let (status, detail, _) = told::<OutputPatch>(text);
            assert_eq!(status, 400, "{text}: {detail}");
        }
        let deep = format!("{{\"options\":{{\"a\":{}", "[".repeat(10_000));
        assert_eq!(told::<OutputPatch>(&deep).0, 400);
        assert_eq!(told::<OutputPatch>("{\"url\":\"a\",\"url\":\"s3cret\"}").0, 422);
    }
}
