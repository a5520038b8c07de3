//! Where URLs and options end.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

#[test]
fn urls_end_where_gpac_ends_them() {
    for (text, head, separator, rest) in [
        (
            "rtmp://127.0.0.1:8889/live:gpac:ffmt=flv:rtmp_listen=1",
            "rtmp://127.0.0.1:8889/live",
            ":gpac:",
            "ffmt=flv:rtmp_listen=1",
        ),
        (
            "rtmp://127.0.0.1:8889/live:ffmt=flv:rtmp_listen=1",
            "rtmp://127.0.0.1:8889/live",
            ":",
            "ffmt=flv:rtmp_listen=1",
        ),
        ("rtmp://127.0.0.1:8889/live:gfopt:rtmp_listen=1", "rtmp://127.0.0.1:8889/live", ":gfopt:", "rtmp_listen=1"),
        ("rtmp://127.0.0.1:8889/live:gfloc:rtmp_listen=1", "rtmp://127.0.0.1:8889/live", ":gfloc:", "rtmp_listen=1"),
        ("rtmp://127.0.0.1:8889/live::rtmp_listen=1", "rtmp://127.0.0.1:8889/live", "::", "rtmp_listen=1"),
        ("rtmp://127.0.0.1:8889/a/b/c:gpac:listen", "rtmp://127.0.0.1:8889/a/b/c", ":gpac:", "listen"),
        (
            "rtmp://127.0.0.1:8889/live?token=a:b:gpac:rtmp_listen=1",
            "rtmp://127.0.0.1:8889/live?token=a:b",
            ":gpac:",
            "rtmp_listen=1",
        ),
        ("rtmp://h/live/key?token=a:b:gpac:name=x", "rtmp://h/live/key?token=a:b", ":gpac:", "name=x"),
        ("rtmp://127.0.0.1:8889:gpac:rtmp_listen=1", "rtmp://127.0.0.1:8889", ":gpac:", "rtmp_listen=1"),
        ("rtmp://host:8889", "rtmp://host:8889", "", ""),
        ("rtmp://[::1]:1935/live", "rtmp://[::1]:1935/live", "", ""),
        ("rtmp://[::1]:1935/live::listen", "rtmp://[::1]:1935/live", "::", "listen"),
        ("rtmp://[::1]:1935/live:listen", "rtmp://[::1]:1935/live", ":", "listen"),
        ("rtmp://u:p@[::1]/live/k", "rtmp://u:p@[::1]/live/k", "", ""),
        ("rtmp://:1935/live", "rtmp://:1935/live", "", ""),
        ("rtmp://:1935/live:listen", "rtmp://:1935/live", ":", "listen"),
        ("rtmp://h/a:gpac", "rtmp://h/a", ":gpac", ""),
        ("rtmp://h/a:gpac:", "rtmp://h/a", ":gpac:", ""),
        ("rtmp://h/a:gpac:x=1:gpac:y=2", "rtmp://h/a", ":gpac:", "x=1:gpac:y=2"),
        ("rtmp://h/a[::b", "rtmp://h/a[", "::", "b"),
        ("udp://127.0.0.1:1981/:ext=ts", "udp://127.0.0.1:1981/", ":", "ext=ts"),
        ("out.flv:name=x", "out.flv", ":", "name=x"),
        ("out.flv", "out.flv", "", ""),
        ("a:b.flv", "a:b.flv", "", ""),
        ("a:b.flv:loop", "a:b.flv", ":", "loop"),
        ("C:\\x.flv:loop", "C:\\x.flv", ":", "loop"),
        ("file:///a/x.flv:loop", "file:///a/x.flv", ":", "loop"),
        ("pipe:3:name=x", "pipe:3", ":", "name=x"),
        ("-", "-", "", ""),
        ("-:name=x", "-", ":", "name=x"),
        ("", "", "", ""),
    ] {
        let cut = cut_url(text, &|path| path == "a:b.flv");
        assert_eq!((cut.head, cut.separator, cut.rest), (head, separator, rest), "{text}");
    }
}

#[test]
fn options_end_where_gpac_ends_them() {
    let split = |text| -> Vec<(String, Option<String>)> {
        let found = pieces(text);
        found.iter().map(|piece| (piece.name.to_owned(), piece.value.map(str::to_owned))).collect()
    };
    let options = |list: &[(&str, &str)]| -> Vec<(String, Option<String>)> {
        list.iter().map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned()))).collect()
    };
    for (text, expected) in [
        ("a=1:b=2", vec![("a", "1"), ("b", "2")]),
        ("a=foo::b=bar:c::d=fun", vec![("a", "foo"), ("b", "bar:c"), ("d", "fun")]),
        ("a=1::b=x:y", vec![("a", "1"), ("b", "x:y")]),
        ("rtmp_tcurl=rtmp://h:1935/app:b=2", vec![("rtmp_tcurl", "rtmp://h:1935/app"), ("b", "2")]),
        ("rtmp_tcurl=rtmp://h:b=2", vec![("rtmp_tcurl", "rtmp://h"), ("b", "2")]),
        ("rtmp_tcurl=rtmp://[::1]:7/x:b=2", vec![("rtmp_tcurl", "rtmp://[::1]:7/x"), ("b", "2")]),
        ("bind=[::1]:b=2", vec![("bind", "[::1]"), ("b", "2")]),
        ("key=a=b=c", vec![("key", "a=b=c")]),
        ("key=:b=2", vec![("key", ""), ("b", "2")]),
        (":a=b:c::d=1", vec![("a", "b:c"), ("d", "1")]),
        (":", vec![("", ""), ("", "")]),
    ] {
        let mut found = split(text);
        found.iter_mut().for_each(|(_, value)| {
            value.get_or_insert_default();
        });
        assert_eq!(found, options(&expected), "{text}");
    }
    assert_eq!(
        pieces("!x:y"),
        [Piece { name: "x", value: None, negated: true }, Piece { name: "y", value: None, negated: false }]
    );
    assert!(pieces("").is_empty());
}

proptest! {
    #[test]
    fn cutting_loses_nothing(text in "(rtmp://|file://|pipe:)?[a-z0-9:/\\[\\]@?#=.é]{0,30}") {
        let cut = cut_url(&text, &|path| path.len() == 3);
        prop_assert_eq!(format!("{}{}{}", cut.head, cut.separator, cut.rest), text.clone());
        let _ = (pieces(&text), cut_name(&text));
    }

    #[test]
    fn escaped_urls_keep_every_byte(url in "rtmp://h(:1)?/[a-zA-Z0-9?&=/+%._~-]{0,20}(:[a-z=]{1,5})?", rest in "[a-z]{1,4}=[a-z]{0,4}") {
        prop_assume!(!url.contains("::"));
        let text = format!("{url}:gpac:{rest}");
        let cut = cut_url(&text, &|_| false);
        prop_assert_eq!((cut.head, cut.rest), (url.as_str(), rest.as_str()));
    }
}
