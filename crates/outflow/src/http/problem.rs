//! What went wrong, as `application/problem+json` (RFC 9457).

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use serde::Serialize;

use crate::relay::Fault;

/// One mistake of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mistake {
    /// The field, or `None` where it concerns the whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What is wrong.
    pub problem: String,
    /// The mend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// An answer that tells why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// `urn:outflow:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status.
    pub status: u16,
    /// The same for every problem of this code.
    pub title: &'static str,
    /// This one.
    pub detail: String,
    /// The short, stable name.
    pub code: &'static str,
    /// The mistakes of the request, one by one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Mistake>,
}

/// Every code, its status, and its title.
#[rustfmt::skip]
pub(super) const CODES: &[(&str, u16, &str)] = &[
    ("bad_request",         400, "The request is not well formed"),
    ("unauthorized",        401, "A token is needed"),
    ("forbidden_host",      403, "The Host header names no host of this API"),
    ("forbidden_origin",    403, "Web pages of other origins may not use this API"),
    ("play_refused",        403, "This player may not play it"),
    ("not_found",           404, "There is no such thing"),
    ("method_not_allowed",  405, "The path has other methods"),
    ("timeout",             408, "The body did not come in time"),
    ("read_only",           409, "It can be looked at, and not changed"),
    ("owned_by_file",       409, "It belongs to the configuration file"),
    ("conflict",            409, "It can't be beside something that is there"),
    ("body_too_large",      413, "The body is too large"),
    ("unsupported_media",   415, "The body must be JSON"),
    ("invalid",             422, "A field is wrong"),
    ("limit",               429, "A limit is reached"),
    ("internal",            500, "A fault of ours"),
    ("storage",             500, "The change could not be kept"),
    ("not_ready",           503, "Not ready"),
];

impl Problem {
    pub(super) fn new(code: &'static str, detail: impl Into<String>) -> Self {
        let known = CODES.iter().find(|(name, ..)| *name == code);
        let (status, title) = known.map_or((500, "A fault of ours"), |(_, status, title)| (*status, *title));
        let kind = format!("urn:outflow:problem:{code}");
        Self { kind, status, title, detail: detail.into(), code, errors: Vec::new() }
    }

    pub(super) fn mistake(mut self, field: Option<String>, problem: impl Into<String>, hint: Option<String>) -> Self {
        self.errors.push(Mistake { field, problem: problem.into(), hint });
        self
    }

    /// What is said for a status that the router gave without words.
    pub(super) fn of_status(status: StatusCode) -> Self {
        match status.as_u16() {
            404 => Self::new("not_found", "there is nothing at this path: GET /openapi.json lists all"),
            405 => Self::new("method_not_allowed", "the Allow header lists the methods of this path"),
            400..=499 => Self::new("bad_request", "the path or a header can't be read"),
            _ => Self::new("internal", "see the log"),
        }
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NotFound => Self::new("not_found", "nothing here has this name or number, or not any more"),
            Fault::OwnedByFile => Self::new("owned_by_file", "change it in the file, then POST /v1/reload"),
            Fault::Conflict(text) => Self::new("conflict", text),
            Fault::Invalid { field, problem, hint } => {
                Self::new("invalid", format!("{field}: {problem}")).mistake(Some(field), problem, hint)
            }
            Fault::Limit(text) => Self::new("limit", text),
            Fault::Storage(text) => Self::new("storage", text),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let text = serde_json::to_string(&self).unwrap_or_default();
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == 401 {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"outflow\""));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_fault_has_its_status_and_names_the_field() {
        let text = || "text".to_owned();
        let faults = [
            (Fault::NotFound, 404),
            (Fault::OwnedByFile, 409),
            (Fault::Conflict(text()), 409),
            (Fault::Limit(text()), 429),
            (Fault::Storage(text()), 500),
        ];
        for (fault, status) in faults {
            let problem = Problem::from(fault);
            assert_eq!((problem.status, problem.errors.len()), (status, 0));
            assert_eq!(problem.clone().into_response().status().as_u16(), status);
        }
        let fault = Fault::Invalid { field: "url".into(), problem: "no".into(), hint: Some("yes".into()) };
        let shown = serde_json::to_value(Problem::from(fault)).unwrap();
        assert_eq!(
            shown,
            serde_json::json!({
                "type": "urn:outflow:problem:invalid", "status": 422, "title": "A field is wrong",
                "detail": "url: no", "code": "invalid",
                "errors": [{ "field": "url", "problem": "no", "hint": "yes" }],
            })
        );
    }
}
