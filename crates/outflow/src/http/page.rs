//! The page: its files, which are part of the program. They hold nothing that is not in the source, so anybody may have
//! them; what they show they ask of the API.

use axum::body::Body;
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, on};
use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};

use super::State;

/// One file.
pub(super) struct File {
    pub(super) path: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
    /// It never changes under this path.
    kept: bool,
}

macro_rules! file {
    ($path:literal, $name:literal, $kind:expr) => {
        File { path: $path, kind: $kind, bytes: include_bytes!(concat!("../../web/", $name)), kept: false }
    };
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

/// Every file.
pub(super) const FILES: &[File] = &[
    file!("/", "index.html", HTML),
    file!("/page.css", "page.css", CSS),
    file!("/icon.svg", "icon.svg", "image/svg+xml"),
    file!("/js/main.js", "js/main.js", JS),
    file!("/js/alerts.js", "js/alerts.js", JS),
    file!("/js/api.js", "js/api.js", JS),
    file!("/js/dialogs.js", "js/dialogs.js", JS),
    file!("/js/dom.js", "js/dom.js", JS),
    file!("/js/events.js", "js/events.js", JS),
    file!("/js/outputs.js", "js/outputs.js", JS),
    file!("/js/people.js", "js/people.js", JS),
    file!("/js/preview.js", "js/preview.js", JS),
    file!("/js/spark.js", "js/spark.js", JS),
    file!("/js/states.js", "js/states.js", JS),
    file!("/js/streams.js", "js/streams.js", JS),
    File { kept: true, ..file!("/vendor/mpegts-1.8.2.js", "vendor/mpegts-1.8.2.js", JS) },
];

/// The page asks nobody but us, and runs nothing but its own files. `blob:` is how a browser is given media by a script.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      media-src 'self' blob:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// True if this is a path of a file.
pub(super) fn holds(path: &str) -> bool {
    FILES.iter().any(|file| file.path == path)
}

/// Answers with the file.
pub(super) fn route(file: &'static File) -> MethodRouter<State> {
    on(MethodFilter::GET, move || async move { answer(file) })
}

fn answer(file: &File) -> Response {
    let mut response = Response::new(Body::from(Bytes::from_static(file.bytes)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(file.kind));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    if file.kept {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    }
    response
}
