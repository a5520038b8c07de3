//! URLs: kept to the byte, printed without their secrets, and divided without losing any of them.
use outflow_rtmp::command::parse_conn;
use outflow_rtmp::url::{RtmpUrl, stream_path};

use crate::meter::within;

pub(super) fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let (second, third) = rest.split_once('\n').unwrap_or((rest, ""));
    within(4096 + 64 * text.len(), "URL", || {
        let _ = RtmpUrl::parse(first).map(|url| url.to_string());
        let joined = stream_path(first, second, third);
        assert!(joined.path.starts_with('/') && !joined.path.contains('?'), "{:?} {}", joined.path, joined.query);
    });
    let _ = parse_conn(first);
    let Ok(url) = RtmpUrl::parse(first) else { return };
    assert_eq!(url.expose(), first);
    let shown = url.to_string();
    // A mask may be longer than what it hides, and the whole then longer than a URL may be.
    if shown.len() <= 4096 {
        assert_eq!(RtmpUrl::parse(&shown).map(|url| url.to_string()).as_deref(), Ok(&*shown), "masked twice");
        secrets(&url, &shown);
    }
    for key in [None, Some(second)] {
        let target = url.target(key, None, None);
        if let Some(key) = key {
            assert_eq!(target.name, key, "a key is kept to the byte");
        }
        // The tcUrl has neither user nor key. With its port it may be longer than what was given.
        if target.tc_url.len() <= 4096 {
            let again = RtmpUrl::parse(&target.tc_url).unwrap();
            assert_eq!((again.expose_user(), again.host(), again.port()), (None, url.host(), url.port()), "{first}");
        }
    }
    if let Ok(resolved) = url.resolve(second) {
        let same = RtmpUrl::parse(resolved.expose()).unwrap();
        assert_eq!(same, resolved);
    }
}

/// Taken apart, what is shown has masks where the secrets were.
fn secrets(url: &RtmpUrl, shown: &str) {
    const MASK: &str = "****";
    let shown = RtmpUrl::parse(shown).unwrap();
    assert_eq!((shown.host(), shown.port()), (url.host(), url.port()));
    assert_eq!((shown.expose_user(), shown.expose_password()), (url.expose_user().map(|_| MASK), None), "{shown:?}");
    for (shown, hidden) in
        [(shown.expose_query(), url.expose_query()), (shown.expose_fragment(), url.expose_fragment())]
    {
        assert!(shown == hidden.map(|_| MASK) || (hidden == Some("") && shown.is_none()), "{shown:?}");
    }
    // The last of two or more parts of a path is the stream's name.
    let parts: Vec<&str> = url.expose_path().trim_start_matches('/').split('/').collect();
    if let [_, .., name] = parts[..]
        && !name.is_empty()
    {
        assert!(shown.expose_path().ends_with(MASK), "{shown:?}");
    }
}
