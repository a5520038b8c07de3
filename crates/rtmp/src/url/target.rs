//! From a URL and a key to what a client sends: app, stream name, tcUrl, as FFmpeg and OBS divide them.
use super::{MASK, RtmpUrl};
use std::fmt;

/// What a client sends to reach a stream (Adobe RTMP 1.0 §7.2.1.1, §7.2.2). `Debug` shows the app's path only.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    /// `app` of the connect command, with the query if that belongs to it (Adobe RTMP 1.0 §7.2.1.1).
    pub app: String,
    /// The stream name of publish and play; often the secret stream key.
    pub name: String,
    /// `tcUrl` of the connect command: without userinfo and without the stream name.
    pub tc_url: String,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let app = self.app.split_once('?').map_or(self.app.as_str(), |(app, _)| app);
        f.debug_struct("Target").field("app", &app).field("name", &MASK).finish_non_exhaustive()
    }
}

impl RtmpUrl {
    /// Divides the URL.
    ///
    /// - With a `key`, or a fragment in its place, the whole path with its query is the app and the key is the stream
    ///   name, byte for byte (OBS).
    /// - Without, one path component is the app, with two the second is the stream name, with more the first two are the
    ///   app and the rest is the name; a query belongs to the name if there is one, else to the app (FFmpeg).
    /// - `app` and `playpath` override (FFmpeg's `rtmp_app`, `rtmp_playpath`). With `app` given, a path of one component
    ///   is the stream name.
    ///
    /// The port stands in the tcUrl if it stands in the URL.
    pub fn target(&self, key: Option<&str>, app: Option<&str>, playpath: Option<&str>) -> Target {
        let key = key.or(self.expose_fragment());
        let (url_app, url_name) = match key {
            Some(key) => (self.whole_path_as_app(), key.to_owned()),
            None => self.divide(app.is_some()),
        };
        let app = app.map_or(url_app, str::to_owned);
        let name = playpath.map_or(url_name, str::to_owned);
        let tc_url = format!("{}/{app}", self.origin());
        Target { app, name, tc_url }
    }

    fn whole_path_as_app(&self) -> String {
        let path = self.expose_path();
        let path = path.strip_prefix('/').unwrap_or(path);
        with_query(path.strip_suffix('/').unwrap_or(path), self.expose_query())
    }

    /// FFmpeg's division, but a slash inside the query never divides.
    fn divide(&self, app_is_given: bool) -> (String, String) {
        let query = self.expose_query();
        // A CDN form: the name stands in the query, and the whole path is the app.
        if let Some((_, list)) = query.and_then(|query| query.split_once("slist=")) {
            let name = list.split_once('&').map_or(list, |(name, _)| name);
            return (self.whole_path_as_app(), play_name(name));
        }
        match split_path(self.expose_path()) {
            (app, Some(name)) => (app.to_owned(), play_name(&with_query(name, query))),
            (name, None) if app_is_given => (String::new(), play_name(&with_query(name, query))),
            (app, None) => (with_query(app, query), String::new()),
        }
    }
}

fn with_query(path: &str, query: Option<&str>) -> String {
    query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"))
}

/// The app and the stream name in a path; no name if there is one component only.
pub(super) fn split_path(path: &str) -> (&str, Option<&str>) {
    let path = path.strip_prefix('/').unwrap_or(path);
    if let Some(name) = path.strip_prefix("ondemand/") {
        return ("ondemand", Some(name));
    }
    let Some((app, rest)) = path.split_once('/') else { return (path, None) };
    match rest.find('/') {
        // `app/mp4:dir/file`: a colon before the slash says that the name begins there.
        Some(slash) if rest.find(':').is_none_or(|colon| colon > slash) => {
            let (app, name) = path.split_at(app.len() + 1 + slash);
            (app, name.strip_prefix('/'))
        }
        _ => (app, Some(rest)),
    }
}

/// The name as servers of files want it: `mp4:` before a name that ends in .mp4 or .f4v, and no .flv (FFmpeg).
fn play_name(name: &str) -> String {
    if !name.contains(':') && (name.ends_with(".mp4") || name.ends_with(".f4v")) {
        return format!("mp4:{name}");
    }
    name.strip_suffix(".flv").unwrap_or(name).to_owned()
}
