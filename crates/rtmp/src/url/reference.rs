//! Where a server that says "connect anew" wants its client to go.
use super::RtmpUrl;
use crate::error::Result;

impl RtmpUrl {
    /// Resolves the `tcUrl` of a reconnect request against this one, the `tcUrl` of the connection
    /// (Enhanced RTMP v2 "Reconnect Request"; RFC 3986 §5.2): absolute, `//host/app`, `/app` or `app`. An empty one is the
    /// same again. Nothing is decoded, and `..` is a name like any other.
    ///
    /// # Errors
    /// The outcome is no RTMP URL.
    pub fn resolve(&self, reference: &str) -> Result<RtmpUrl> {
        let origin = self.origin();
        if reference.is_empty() {
            return RtmpUrl::parse(&format!("{origin}{}{}", self.path, self.query_text()));
        }
        if reference.starts_with("//") {
            let scheme = origin.split_once(':').map_or("rtmp", |(scheme, _)| scheme);
            return RtmpUrl::parse(&format!("{scheme}:{reference}"));
        }
        // A scheme ends before any slash: `app/a://b` is a path.
        if reference.split_once("://").is_some_and(|(scheme, _)| !scheme.contains('/')) {
            return RtmpUrl::parse(reference);
        }
        let path = match reference.as_bytes().first() {
            Some(b'/') => reference.to_owned(),
            Some(b'?') => format!("{}{reference}", self.path),
            _ => {
                let folder = self.path.rsplit_once('/').map_or("", |(folder, _)| folder);
                format!("{folder}/{reference}")
            }
        };
        RtmpUrl::parse(&format!("{origin}{path}"))
    }

    fn query_text(&self) -> String {
        self.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The four examples of the specification's table, and what RFC 3986 §5.2.2 makes of the rest.
    #[test]
    fn references_of_every_form() {
        let base = RtmpUrl::parse("rtmps://u:p@old.example:8443/live/inst?token=1").unwrap();
        for (reference, expected) in [
            ("rtmp://foo.mydomain.com:1935/realtimeapp", "rtmp://foo.mydomain.com:1935/realtimeapp"),
            ("rtmp://127.0.0.1/realtimeapp", "rtmp://127.0.0.1/realtimeapp"),
            ("//192.0.2.0/realtimeapp", "rtmps://192.0.2.0/realtimeapp"),
            ("/realtimeapp", "rtmps://old.example:8443/realtimeapp"),
            ("other?x=/1", "rtmps://old.example:8443/live/other?x=/1"),
            ("?token=2", "rtmps://old.example:8443/live/inst?token=2"),
            ("", "rtmps://old.example:8443/live/inst?token=1"),
            ("//[::1]:1936/a/b", "rtmps://[::1]:1936/a/b"),
        ] {
            assert_eq!(base.resolve(reference).unwrap().expose(), expected, "{reference}");
        }
        for wrong in ["http://h/x", "//h:x/a", "/a b", "//[::g]/"] {
            assert!(base.resolve(wrong).is_err(), "{wrong}");
        }
        let bare = RtmpUrl::parse("rtmp://h").unwrap();
        assert_eq!(bare.resolve("app").unwrap().expose(), "rtmp://h/app");
    }
}
