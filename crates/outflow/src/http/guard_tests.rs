//! Tests of who may ask.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use hyper::Request;

use super::*;

fn reached(bound: &str) -> Reached {
    Reached { local: "192.0.2.5".parse().unwrap(), bound: bound.parse().unwrap() }
}

/// The code of the refusal, empty for a yes.
fn checked_at(bound: &str, headers: &[(&str, &str)], api: &Api) -> &'static str {
    let mut request = Request::post("/v1/outputs");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let parts = request.body(()).unwrap().into_parts().0;
    check(&parts, reached(bound), api, &Sessions::of_port(80)).map_or_else(|problem| problem.code, |()| "")
}

fn checked(headers: &[(&str, &str)]) -> &'static str {
    checked_at("127.0.0.1", headers, &Api { token: None, hosts: vec!["relay.example".into()] })
}

#[test]
fn only_our_own_names_and_addresses() {
    for host in [
        "127.0.0.1",
        "127.0.0.1:9",
        "127.9.9.9",
        "[::1]:80",
        "localhost:80",
        "LOCALHOST.",
        "a.localhost",
        "relay.example",
        "Relay.Example.:8080",
        "192.0.2.5:80",
        "[::ffff:127.0.0.1]",
    ] {
        assert_eq!(checked(&[("host", host)]), "", "{host}");
    }
    for host in [
        "evil.example",
        "relay.example.evil.example",
        "xrelay.example",
        "localhost.evil.example",
        "192.0.2.6",
        "0.0.0.0",
        "[::]",
        "",
        ":80",
        "notlocalhost",
        "127.0.0.1.evil.example",
        "2130706433",
        "user@127.0.0.1",
    ] {
        assert_eq!(checked(&[("host", host)]), "forbidden_host", "{host}");
    }
    assert_eq!(checked(&[]), "bad_request");
    assert_eq!(checked(&[("host", "localhost"), ("host", "evil.example")]), "bad_request");
    let request = Request::get("http://evil.example/v1/outputs").header("host", "localhost").body(()).unwrap();
    let problem =
        check(&request.into_parts().0, reached("127.0.0.1"), &Api::default(), &Sessions::of_port(80)).unwrap_err();
    assert_eq!(problem.code, "bad_request");
}

#[test]
fn only_our_own_pages() {
    let from = |origin: &str| checked(&[("host", "localhost:80"), ("origin", origin)]);
    assert_eq!(from("http://localhost:80"), "");
    assert_eq!(from("https://LOCALHOST:80"), "", "a proxy may add TLS");
    for origin in [
        "null",
        "",
        "http://evil.example",
        "http://localhost",
        "http://localhost:81",
        "http://127.0.0.1:80",
        "file://localhost:80",
        "http://localhost:80.evil.example",
        "http://localhost:80/",
    ] {
        assert_eq!(from(origin), "forbidden_origin", "{origin}");
    }
    for (site, code) in
        [("same-origin", ""), ("none", ""), ("cross-site", "forbidden_origin"), ("same-site", "forbidden_origin")]
    {
        assert_eq!(checked(&[("host", "localhost"), ("sec-fetch-site", site)]), code);
    }
}

#[test]
fn only_json() {
    let sent = |headers: &[(&str, &str)]| checked(&[&[("host", "localhost")], headers].concat());
    for kind in ["application/json", "Application/JSON; charset=utf-8"] {
        assert_eq!(sent(&[("content-type", kind), ("content-length", "2")]), "");
    }
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/jsonp",
        "",
        "text/plain;application/json",
    ] {
        assert_eq!(sent(&[("content-type", kind)]), "unsupported_media", "{kind}");
    }
    assert_eq!(sent(&[("content-length", "2")]), "unsupported_media");
    assert_eq!(sent(&[("content-length", "0")]), "");
    assert_eq!(sent(&[("transfer-encoding", "chunked")]), "unsupported_media");
    let json = ("content-type", "application/json");
    assert_eq!(sent(&[json, ("content-encoding", "gzip")]), "unsupported_media");
    assert_eq!(sent(&[json, json]), "bad_request");
}

#[test]
fn only_with_the_token() {
    let api = Api { token: Some("s3cret".into()), hosts: Vec::new() };
    let host = ("host", "192.0.2.5");
    let with = |given: &str| checked_at("0.0.0.0", &[host, ("authorization", given)], &api);
    assert_eq!(with("Bearer s3cret"), "");
    assert_eq!(with("bearer  s3cret "), "");
    for given in ["", "s3cret", "Bearer", "Bearer ", "Bearer s3cre", "Bearer s3crets", "Basic s3cret", "Bearer S3cret"]
    {
        assert_eq!(with(given), "unauthorized", "{given}");
    }
    assert_eq!(checked_at("0.0.0.0", &[host], &api), "unauthorized");
    assert_eq!(checked_at("127.0.0.1", &[host], &api), "unauthorized", "a token counts on loopback too");
    let twice = [host, ("authorization", "Bearer s3cret"), ("authorization", "Bearer x")];
    assert_eq!(checked_at("0.0.0.0", &twice, &api), "bad_request");
    for bound in ["0.0.0.0", "::", "192.0.2.5"] {
        assert_eq!(checked_at(bound, &[host], &Api::default()), "unauthorized", "no token, and not on loopback");
    }
    for path in OPEN {
        let request = Request::get(*path).header("host", "192.0.2.5").body(()).unwrap().into_parts().0;
        assert!(check(&request, reached("0.0.0.0"), &api, &Sessions::of_port(80)).is_ok(), "{path}");
    }
}
