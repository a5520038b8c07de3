//! From what a client sent (tcUrl, app, stream name) to one path: clients divide the same URL in different places.
use std::fmt;

/// Where a stream is, however the client divided its URL. `Debug` masks it: its end or the query can be a key.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct StreamPath {
    /// App and stream name joined: `/app/name`, without a `/` at the end; `/` if there is neither.
    pub path: String,
    /// The queries of app and name, joined by `&`, each once; without `?`, empty if there is none.
    pub query: String,
}

impl fmt::Debug for StreamPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamPath").finish_non_exhaustive()
    }
}

/// Joins what connect and publish or play said. `tc_url` is looked at only where `app` is empty: some clients leave one
/// of the two out, and some put a quote before the tcUrl.
pub fn stream_path(tc_url: &str, app: &str, name: &str) -> StreamPath {
    let app = if app.is_empty() { app_of(tc_url) } else { app };
    let (app_path, app_query) = app.split_once('?').unwrap_or((app, ""));
    let (name_path, name_query) = name.split_once('?').unwrap_or((name, ""));
    let mut path = String::new();
    for part in [app_path, name_path] {
        let part = part.trim_matches('/');
        if !part.is_empty() {
            path.push('/');
            path.push_str(part);
        }
    }
    if path.is_empty() {
        path.push('/');
    }
    let mut query = app_query.to_owned();
    if !name_query.is_empty() && name_query != app_query {
        if !query.is_empty() {
            query.push('&');
        }
        query.push_str(name_query);
    }
    StreamPath { path, query }
}

/// What follows the host in a tcUrl.
fn app_of(tc_url: &str) -> &str {
    let after_scheme = tc_url.split_once("://").map_or("", |(_, rest)| rest);
    after_scheme.find(['/', '?']).and_then(|start| after_scheme.get(start..)).unwrap_or_default()
}
