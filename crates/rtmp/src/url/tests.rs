//! Tests of URLs: every row of the documented table, the errors, the masks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use proptest::prelude::*;

fn url(text: &str) -> RtmpUrl {
    RtmpUrl::parse(text).unwrap()
}

fn check(text: &str, key: Option<&str>, app: &str, name: &str, tc_url: &str) {
    let target = url(text).target(key, None, None);
    assert_eq!((&*target.app, &*target.name, &*target.tc_url), (app, name, tc_url), "{text} with {key:?}");
}

#[test]
fn the_documented_table() {
    check("rtmp://h/live/k", None, "live", "k", "rtmp://h/live");
    check("rtmp://h:1936/live/k?token=a:b", None, "live", "k?token=a:b", "rtmp://h:1936/live");
    check("rtmp://h/app/inst/k", None, "app/inst", "k", "rtmp://h/app/inst");
    check("rtmp://h/live", None, "live", "", "rtmp://h/live");
    check("rtmp://h/live/", Some("abc"), "live", "abc", "rtmp://h/live");
    check("rtmps://h:443/live2?backup=1", Some("K"), "live2?backup=1", "K", "rtmps://h:443/live2?backup=1");
    check("rtmp://h/app", Some("K?bandwidthtest=true"), "app", "K?bandwidthtest=true", "rtmp://h/app");
    check("rtmp://h/live-bvc", Some("?streamname=x&key=y"), "live-bvc", "?streamname=x&key=y", "rtmp://h/live-bvc");
    check("rtmp://u:p@h/live/k", None, "live", "k", "rtmp://h/live");
    check("rtmp://u:p@h:1936/live/k", None, "live", "k", "rtmp://h:1936/live");
    check("rtmps://u:p@[::1]:443/live/k", None, "live", "k", "rtmps://[::1]:443/live");
    check("rtmp://h/path#K", None, "path", "K", "rtmp://h/path");
    check("rtmp://[::1]:1935/live/k", None, "live", "k", "rtmp://[::1]:1935/live");
}

#[test]
fn more_divisions() {
    check("rtmp://h/a/b/c/d", None, "a/b", "c/d", "rtmp://h/a/b");
    check("rtmp://h/app/mp4:dir/file", None, "app", "mp4:dir/file", "rtmp://h/app");
    check("rtmp://h/ondemand/a/b", None, "ondemand", "a/b", "rtmp://h/ondemand");
    check(
        "rtmp://h/cdn/x?a=b&slist=show&c=d",
        None,
        "cdn/x?a=b&slist=show&c=d",
        "show",
        "rtmp://h/cdn/x?a=b&slist=show&c=d",
    );
    check("rtmp://h/vod/film.flv", None, "vod", "film", "rtmp://h/vod");
    check("rtmp://h/vod/film.mp4", None, "vod", "mp4:film.mp4", "rtmp://h/vod");
    check("rtmp://h/live/k?u=/a/b", None, "live", "k?u=/a/b", "rtmp://h/live");
    check("rtmp://h/live?x=1", None, "live?x=1", "", "rtmp://h/live?x=1");
    check("rtmp://h/live/", None, "live", "", "rtmp://h/live");
    check("rtmp://h/a%2Fb/K%20é", None, "a%2Fb", "K%20é", "rtmp://h/a%2Fb");
    check("rtmp://h", None, "", "", "rtmp://h/");
    check("rtmp://h/a/b/c", Some("k.flv"), "a/b/c", "k.flv", "rtmp://h/a/b/c");
    check("rtmp://h/path#K", Some("L"), "path", "L", "rtmp://h/path");
}

#[test]
fn overrides() {
    let target = url("rtmp://h/live/k").target(None, Some("x/y"), None);
    assert_eq!((&*target.app, &*target.name, &*target.tc_url), ("x/y", "k", "rtmp://h/x/y"));
    let target = url("rtmp://h/k?t=1").target(None, Some("x"), None);
    assert_eq!((&*target.app, &*target.name, &*target.tc_url), ("x", "k?t=1", "rtmp://h/x"));
    let target = url("rtmp://h/live/k").target(None, None, Some("p"));
    assert_eq!((&*target.app, &*target.name, &*target.tc_url), ("live", "p", "rtmp://h/live"));
    let target = url("rtmp://h/live").target(Some("k"), Some("x"), Some("p"));
    assert_eq!((&*target.app, &*target.name, &*target.tc_url), ("x", "p", "rtmp://h/x"));
}

#[test]
fn parts() {
    let all = url("RTMPS://us%40er:p@ss:w@Host.example:8443/live/k?t=1?2#frag#ment");
    assert_eq!(all.scheme(), Scheme::Rtmps);
    assert_eq!(all.host(), Host::Name("Host.example"));
    assert_eq!((all.port(), all.port_or_default()), (Some(8443), 8443));
    assert_eq!((all.expose_user(), all.expose_password()), (Some("us%40er"), Some("p@ss:w")));
    assert_eq!(
        (all.expose_path(), all.expose_query(), all.expose_fragment()),
        ("/live/k", Some("t=1?2"), Some("frag#ment"))
    );
    assert_eq!(all.expose(), "RTMPS://us%40er:p@ss:w@Host.example:8443/live/k?t=1?2#frag#ment");
    assert_eq!(url("rtmp://:1935/live").host(), Host::Any);
    assert_eq!(url("rtmp://127.0.0.1").host(), Host::V4(Ipv4Addr::LOCALHOST));
    assert_eq!(url("rtmp://[::1]").host(), Host::V6(Ipv6Addr::LOCALHOST));
    assert_eq!((url("rtmp://h").port(), url("rtmp://h").port_or_default()), (None, 1935));
    assert_eq!((url("rtmps://h").port(), url("rtmps://h").port_or_default()), (None, 443));
    assert_eq!(url("rtmp://h:0").port(), Some(0));
    assert_eq!(url("rtmp://host:8889").expose_path(), "");
}

#[test]
fn errors_say_what_where_and_how_to_mend() {
    for (text, words, offset) in [
        ("", "no scheme", 0),
        ("h/live/k", "begin with rtmp://", 0),
        ("http://h/x", "not rtmp or rtmps", 0),
        ("rtmpt://h/x", "RTMP over HTTP", 0),
        ("rtmpts://h/x", "use rtmps://", 0),
        ("rtmpe://h/x", "no security", 0),
        ("rtmpte://h/x", "use rtmps://", 0),
        ("rtmfp://h/x", "another protocol", 0),
        ("rtmp://h/li ve", "in quotes", 11),
        ("rtmp://h/live\n", "line end", 13),
        ("rtmp://h\0/", "control", 8),
        ("rtmp://::1/live", "in brackets", 8),
        ("rtmp://h:1:2/live", "more than one :", 10),
        ("rtmp://[::1/live", "not closed", 7),
        ("rtmp://[::g]/live", "no IPv6 address", 8),
        ("rtmp://[fe80::1%eth0]/live", "zone", 7),
        ("rtmp://[::1]x/live", "closing bracket", 12),
        ("rtmp://h:/live", "no port", 9),
        ("rtmp://h:x/live", "not a number", 9),
        ("rtmp://h:-1/live", "not a number", 9),
        ("rtmp://h:65536/live", "above 65535", 9),
        ("rtmp://hö/live", "xn--", 8),
        ("rtmp://u:secret/x@h/live", "%2F", 9),
    ] {
        let error = RtmpUrl::parse(text).unwrap_err();
        assert!(error.to_string().contains(words), "{text}: {error}");
        assert_eq!(error.at.offset, Some(offset), "{text}: {error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    assert!(RtmpUrl::parse(&format!("rtmp://h/{}", "x".repeat(4096))).is_err());
    assert!(RtmpUrl::parse(&format!("rtmp://{}/x", "h".repeat(254))).is_err());
}

/// Found by a fuzzer: masked, a URL of nearly the greatest length was taken for one that is too long.
#[test]
fn a_mask_longer_than_the_secret_may_make_it_longer_than_a_url_may_be() {
    let begin = format!("rtmp://h/{}/", "a".repeat(4096 - 11));
    let url = RtmpUrl::parse(&format!("{begin}S")).unwrap();
    assert_eq!((url.expose().len(), url.to_string()), (4096, format!("{begin}****")));
}

/// Found by a fuzzer: what is added to the longest URL makes a tcUrl that is longer, and still is what it is.
#[test]
fn the_tc_url_of_the_longest_url_is_not_cut() {
    let begin = "rtmp://h?";
    let query = "a".repeat(4096 - begin.len());
    let target = RtmpUrl::parse(&format!("{begin}{query}")).unwrap().target(None, None, None);
    assert!(target.tc_url.len() > 4096 && target.tc_url.ends_with(&query), "{} bytes", target.tc_url.len());
}

#[test]
fn printing_masks_every_secret() {
    for (text, shown) in [
        ("rtmp://h/live", "rtmp://h/live"),
        ("rtmp://h/live/", "rtmp://h/live/"),
        ("rtmp://h/live/S", "rtmp://h/live/****"),
        ("rtmp://h:1/app/inst/S?S=S", "rtmp://h:1/app/inst/****?****"),
        ("rtmp://h/app?S=S#S", "rtmp://h/app?****#****"),
        ("rtmps://S:S@[::1]:1/a/b/S/S", "rtmps://****@[::1]:1/a/b/****"),
        ("rtmp://h/app/mp4:S/S", "rtmp://h/app/****"),
        ("rtmp://h/app?S", "rtmp://h/app?****"),
        ("rtmp://h#S", "rtmp://h#****"),
    ] {
        assert_eq!(url(text).to_string(), shown);
        assert_eq!(format!("{:?}", url(text)), format!("RtmpUrl({shown})"));
        let target = url(text).target(None, None, None);
        assert!(!format!("{target:?}").contains('S'), "{target:?}");
    }
}

#[test]
fn clients_divide_one_path_in_many_ways() {
    for (tc_url, app, name, path, query) in [
        ("rtmp://h/a", "a", "", "/a", ""),
        ("rtmp://h/a?k=v", "a?k=v", "", "/a", "k=v"),
        ("rtmp://h/a", "a", "b", "/a/b", ""),
        ("rtmp://h/a", "a", "b?k=v", "/a/b", "k=v"),
        ("rtmp://h/a/b", "a/b", "", "/a/b", ""),
        ("rtmp://h/a/b?k=v", "a/b?k=v", "", "/a/b", "k=v"),
        ("rtmp://h/a/b?k=v", "a/b?k=v", "?k=v", "/a/b", "k=v"),
        ("rtmp://h/a?x=1", "a?x=1", "b?k=v", "/a/b", "x=1&k=v"),
        ("'rtmp://h/stream", "", "", "/stream", ""),
        ("rtmp://h/a/", "a/", "b", "/a/b", ""),
        ("", "", "b", "/b", ""),
        ("rtmp://h", "", "", "/", ""),
        ("nonsense", "", "", "/", ""),
    ] {
        let expected = StreamPath { path: path.into(), query: query.into() };
        assert!(stream_path(tc_url, app, name) == expected, "{tc_url} {app} {name}");
    }
}

proptest! {
    #[test]
    fn any_text_is_no_panic_and_a_good_one_is_kept(text in "(rtmps?://)?[a-z\\[\\]:@/?#.%0-9é]{0,40}") {
        if let Ok(parsed) = RtmpUrl::parse(&text) {
            prop_assert_eq!(parsed.expose(), &text);
            let _ = (parsed.to_string(), parsed.target(None, None, None), parsed.target(Some("k"), None, None));
        }
    }

    #[test]
    fn a_key_is_kept_to_the_byte(key in "\\PC{1,60}") {
        prop_assert_eq!(url("rtmp://h/live").target(Some(&key), None, None).name, key);
    }
}
