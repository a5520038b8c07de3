//! Tests of what a client makes of its word.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::net::SocketAddr;

use outflow_rtmp::flv::FourCc;
use outflow_rtmp::session::{Redirect, Takes};

use super::super::destination::allowed;
use super::*;
use crate::node::MediaUrl;
use crate::options::{self, Options, rtmp, value};

/// A word as the command line makes it.
fn node(url: &str, table: &'static [&'static [options::OptionSpec]], typed: &[(&str, &str)]) -> Node {
    let mut set = Options::with_defaults(options::defaults(table));
    for (name, text) in typed {
        let spec = options::find(table, name).unwrap();
        set.set(spec.name, value::parse(spec.ty, text).unwrap());
    }
    Node { index: 1, word: "word".into(), kind: "kind", name: "n".into(), url: Some(MediaUrl::new(url)), options: set }
}

fn settings(url: &str, options: &[(&str, &str)]) -> Settings {
    read(&node(url, rtmp::PUSH, options), Role::Publish).unwrap_or_else(|error| panic!("{url}: {error}"))
}

fn refusal(url: &str, options: &[(&str, &str)]) -> SpecError {
    match read(&node(url, rtmp::PUSH, options), Role::Publish) {
        Ok(_) => panic!("{url} {options:?} was taken"),
        Err(error) => error,
    }
}

#[test]
fn what_can_be_seen_to_be_wrong_is_refused_at_once() {
    let hint = |url: &str| refusal(url, &[]).hint.unwrap();
    assert!(hint("rtmp://:1935/live/key").contains("rtmp_listen=1"));
    assert!(hint("rtmp://h:0/live/key").contains("port"));
    assert!(hint("rtmp://h:port/live/key").contains("host:port"));
    for (option, value) in
        [("chunk_size", "64"), ("chunk_size", "65537"), ("bind", "no such interface"), ("rtmp_conn", "X:1")]
    {
        assert_eq!(refusal("rtmp://h/live/key", &[(option, value)]).field.as_deref(), Some(option), "{value}");
    }
    // Addresses for documentation belong to nobody (RFC 5737).
    for (value, problem) in [
        ("nope0", "no network interface `nope0`"),
        ("999.1.1.1", "neither an IP address nor"),
        ("192.0.2.1", "not an address of this machine"),
    ] {
        let error = refusal("rtmp://h/live/key", &[("bind", value)]);
        assert!(error.problem.contains(problem) && error.hint.is_some(), "{value}: {error:?}");
    }
    let error = refusal("rtmps://h/live/key", &[("ca", "nowhere/none.pem")]);
    assert!(error.to_string().contains("none.pem: no such file"), "{error}");
    // No error quotes the key.
    let error = refusal("rtmp://h:x/live/topsecretkey", &[]);
    assert!(!error.to_string().contains("topsecretkey"), "{error}");
}

#[test]
fn url_and_options_make_the_request() {
    let plain = settings("rtmp://h/live/k?token=a:b", &[]);
    let config = plain.session(&plain.destination, 0, &[]);
    assert!(config.hops.is_empty());
    assert_eq!(plain.session(&plain.destination, 0, &["a:1".into()]).hops, ["a:1"]);
    assert_eq!((config.app.expose(), config.name.expose()), ("live", "k?token=a:b"));
    assert_eq!(config.tc_url.expose(), "rtmp://h/live");
    assert_eq!((plain.destination.port, plain.destination.tls), (1935, false));
    assert_eq!(settings("rtmps://h/live", &[("key", "K")]).destination.port, 443);

    let all = settings(
        "rtmp://[::1]:1936/live",
        &[
            ("key", "K"),
            ("rtmp_tcurl", "rtmp://other/live"),
            ("rtmp_flashver", "FMLE/9"),
            ("rtmp_pageurl", "http://page"),
            ("rtmp_swfurl", "http://swf"),
            ("rtmp_conn", "B:1 S:text"),
            ("chunk_size", "8192"),
            ("tcp_nodelay", "no"),
            ("bind", "127.0.0.1"),
        ],
    );
    let config = all.session(&all.destination, 0, &[]);
    assert_eq!((config.name.expose(), config.tc_url.expose()), ("K", "rtmp://other/live"));
    assert_eq!((config.flash_ver.as_str(), config.page_url.as_str()), ("FMLE/9", "http://page"));
    assert_eq!((config.swf_url.as_str(), config.conn.len(), config.chunk_size), ("http://swf", 2, 8192));
    assert!(!all.dial.nodelay && all.dial.bind.is_some());
    assert_eq!(all.destination.shown(), "[::1]:1936");
    // The server that a redirect names has a tcUrl of its own.
    assert_ne!(all.session(&all.destination, 1, &[]).tc_url.expose(), "rtmp://other/live");

    let overridden = settings("rtmp://h/a/b", &[("rtmp_app", "app"), ("rtmp_playpath", "path")]);
    assert_eq!((&*overridden.destination.target.app, &*overridden.destination.target.name), ("app", "path"));
    let defaults = settings("rtmp://h/a/b", &[]);
    assert!(defaults.dial.nodelay && defaults.chunk_size == crate::wire::CHUNK_SIZE);
}

#[test]
fn redirects_keep_the_name_and_stay_outside() {
    let redirect = |url: &str| Redirect { tc_url: url.into(), url: None };
    let here = settings("rtmps://h/live/key", &[]).destination;
    let there = here.redirected(&redirect("rtmps://edge:8443/live?vhost=x")).unwrap();
    assert_eq!((there.shown().as_str(), there.target.app.as_str()), ("edge:8443", "live?vhost=x"));
    assert_eq!(there.target.name, "key");
    assert!(here.redirected(&redirect("rtmp://edge/live")).is_err(), "the key would travel in the clear");
    assert!(here.redirected(&redirect("http://edge/live")).is_err());
    assert!(here.redirected(&redirect("rtmps://:1/live")).is_err());

    let at = |texts: &[&str]| -> Vec<SocketAddr> {
        texts.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 1935)).collect()
    };
    let local = [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.1.1",
        "172.16.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "::1",
        "fe80::1",
        "fd00::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::c0a8:1",
        "2002:a00:1::1",
        "::10.0.0.1",
        "fec0::1",
        "ff02::1",
        "0.1.2.3",
        "224.0.0.1",
        "255.255.255.255",
    ];
    let public = at(&["203.0.113.1"]);
    assert!(allowed(&public, at(&local)).is_empty());
    let mixed = at(&["10.0.0.1", "198.51.100.7", "2001:db8::1"]);
    assert_eq!(allowed(&public, mixed.clone()), at(&["198.51.100.7", "2001:db8::1"]));
    assert_eq!(allowed(&at(&["192.168.1.1"]), mixed.clone()), mixed, "the destination is in such a network itself");
    for home in ["127.0.0.1", "::1"] {
        let here = at(&["127.0.0.1", "::1", "10.0.0.1"]);
        assert_eq!(allowed(&at(&[home]), here), at(&["127.0.0.1", "::1"]), "it may be a tunnel to one far away");
    }
    assert!(allowed(&at(&["10.0.0.1"]), at(&["127.0.0.1", "169.254.169.254", "fe80::1"])).is_empty());
    assert_eq!(allowed(&public, at(&["64:ff9b::cb00:7101"])).len(), 1, "a public address behind a translator");
}

#[test]
fn what_a_player_asks_for_is_what_ffmpeg_asks_for() {
    let config = |typed: &[(&str, &str)]| {
        let settings = read(&node("rtmp://h/live/name", rtmp::PULL, typed), Role::Play).unwrap();
        let config = settings.session(&settings.destination, 0, &[]);
        let subscribe = config.subscribe.as_ref().map(|name| name.expose().to_owned());
        (config.start, config.buffer_ms, subscribe)
    };
    assert_eq!(config(&[]), (-2000.0, 3000, None));
    assert_eq!(config(&[("rtmp_live", "live")]), (-1000.0, 3000, Some("name".into())));
    assert_eq!(config(&[("rtmp_live", "0"), ("rtmp_buffer", "500")]), (0.0, 500, None));
    assert_eq!(config(&[("rtmp_live", "-1"), ("rtmp_subscribe", "x")]), (-1000.0, 3000, Some("x".into())));
    let wide = [("rtmp_buffer", "4294967296")];
    assert!(read(&node("rtmp://h/live/name", rtmp::PULL, &wide), Role::Play).is_err());
}

#[test]
fn players_announce_every_codec_and_publishers_none() {
    let push = settings("rtmp://h/live/k", &[]);
    let capabilities = push.session(&push.destination, 0, &[]).capabilities;
    assert_eq!(capabilities, Capabilities { caps_ex: CapsEx::RECONNECT, ..Capabilities::default() });
    let pull = read(&node("rtmp://h/live/k", rtmp::PULL, &[]), Role::Play).unwrap();
    let capabilities = pull.session(&pull.destination, 0, &[]).capabilities;
    for codec in FourCc::VIDEO.into_iter().chain(FourCc::AUDIO).chain([FourCc(*b"neww")]) {
        assert_eq!(capabilities.takes(codec), Takes::Yes, "{codec}");
    }
}

/// Enhanced RTMP v2 "Reconnect Request", and the bounds of redirects.
#[test]
fn a_reconnect_request_leads_elsewhere_with_the_same_name() {
    let push = settings("rtmps://h:8443/live/key", &[]);
    let here = &push.destination;
    let moved = |tc_url| here.moved(tc_url).map(|there| (there.shown(), there.target.app, there.target.name));
    let at = |peer: &str, app: &str| Ok((peer.to_owned(), app.to_owned(), "key".to_owned()));
    assert_eq!(moved(None), at("h:8443", "live"));
    assert_eq!(moved(Some("/other")), at("h:8443", "other"));
    assert_eq!(moved(Some("//b/live")), at("b:443", "live"));
    assert_eq!(moved(Some("rtmps://c:1/x?y=z")), at("c:1", "x?y=z"));
    assert!(moved(Some("rtmp://c/x")).is_err(), "the key would travel in the clear");
    assert!(moved(Some("//")).is_err() && moved(Some("http://h/x")).is_err());
}
