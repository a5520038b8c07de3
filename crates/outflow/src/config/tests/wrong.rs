//! Files that are wrong: the message, its line and column, the caret, and the mend.

use super::*;

/// Text of a file; line, column, part of the problem and part of the mend of its one mistake.
type Wrong = (&'static str, usize, usize, &'static str, &'static str);

fn check(list: &[Wrong]) {
    for (text, line, column, problem, hint) in list {
        let mistakes = match parse(text, NAME, &world()) {
            Ok(_) => panic!("taken:\n{text}"),
            Err(mistakes) => mistakes,
        };
        let [mistake] = mistakes.as_slice() else { panic!("{text}\n{}", told(&mistakes)) };
        let given = (mistake.line(), mistake.column());
        assert_eq!(given, (*line, *column), "{text}\n{mistake}");
        assert!(mistake.problem.contains(problem), "{text}\n{mistake}");
        assert!(mistake.hint.as_deref().unwrap().contains(hint), "{text}\n{mistake}");
        assert!(!mistake.to_string().contains("s3cret"), "{mistake}");
    }
}

const OUT: &str = "[[output]]\nname = \"a\"\nstream = \"live/a\"\nurl = \"rtmp://h/live/s3cret\"\n";
const IN: &str = "[[stream]]\nname = \"live/a\"\n";

/// The same below an output or stream that is right.
fn check_below(before: &str, list: &[Wrong]) {
    let texts: Vec<String> = list.iter().map(|(text, ..)| format!("{before}{text}")).collect();
    for (text, (_, line, column, problem, hint)) in texts.iter().zip(list) {
        check(&[(text.clone().leak(), line + before.lines().count(), *column, problem, hint)]);
    }
}

#[test]
fn syntax() {
    check(&[
        ("drain = 3s\n", 1, 9, "must be quoted", "in quotes"),
        ("[listen]\nrtmp = 127.0.0.1:1935\n", 2, 13, "invalid float", "in quotes"),
        ("[api]\ntoken = s3cret\n", 2, 9, "", "in quotes"),
        ("[api]\ntoken = \"s3cret\n", 2, 16, "invalid basic string", "close the text"),
        ("[api]\ntoken = \u{201c}s3cret\u{201d}\n", 2, 9, "", "straight quotes"),
        ("[api]\ntoken\n", 2, 6, "key with no value", "name = value"),
        ("[api]\ntoken =\n", 2, 8, "", "write a value"),
        ("[api]\ntoken = \"s3cret\"\ntoken = \"s3cret\"\n", 3, 1, "duplicate key", "keep one"),
        ("[listen\nrtmp = \":1\"\n", 1, 8, "unclosed table", "[listen]"),
    ]);
}

#[test]
fn names() {
    check(&[
        ("drian = \"s3cret\"\n", 1, 1, "no `drian` in the file", "`drain`"),
        ("[listne]\nrtmp = \"x\"\n", 1, 2, "no `listne` in the file", "`listen`"),
        ("[listen]\nport = 1935\n", 2, 1, "no `port` in [listen]", "it has rtmp, rtmps, http"),
        ("[listen]\ndrain = \"5s\"\n", 2, 1, "no `drain` in [listen]", "top of the file"),
        ("[listen]\ntoken = \"s3cret\"\n", 2, 1, "no `token` in [listen]", "[api]"),
        ("[api]\ntoken = { evn = \"s3cret\" }\n", 2, 11, "no `evn` in a secret", "`env`"),
        ("[api]\ntoken = { live-s3cret-9 = \"x\" }\n", 2, 11, "no `****` in a secret", "env, file, secret"),
        ("[policy]\nkey = \"s3cret\"\n", 2, 1, "no `key` in the policy", "[[output]]"),
        ("[stream]\nname = \"live/a\"\n", 1, 2, "several", "[[stream]]"),
        ("output = [1]\n", 1, 11, "a number, where a table", "[[output]]"),
    ]);
    check_below(
        OUT,
        &[
            ("max_lagg = \"2s\"", 1, 1, "no `max_lagg` in an output", "`max_lag`"),
            ("rtmp_listen = true", 1, 1, "no `rtmp_listen` in an output", "[listen]"),
            ("publish_key = \"s3cret\"", 1, 1, "no `publish_key`", "[[stream]]"),
            ("cafile = \"x\"", 1, 1, "no `cafile`", "ca="),
            ("group = \"x\"", 1, 1, "several groups", "groups = ["),
            ("zebra = 1", 1, 1, "no `zebra`", "outflow.reference.toml"),
        ],
    );
}

#[test]
fn values() {
    check(&[
        ("[alerts]\nno_sound = \"5s\"", 2, 1, "no `no_sound` in [alerts]", "it has key_frame_interval"),
        ("[alerts]\nno_audoi = \"5s\"", 2, 1, "no `no_audoi` in [alerts]", "`no_audio`"),
        ("[alerts]\ndelay = \"2 parsecs\"", 2, 9, "unknown unit", "250ms"),
        ("[alerts]\nhold = \"2000h\"", 2, 8, "a day at most", "0 to turn it off"),
        ("[alerts]\nskips = 101", 2, 9, "101 is too much", "100 or less"),
        ("[alerts]\nplatforms = \"yes\"", 2, 13, "a text, where true or false", "without quotes"),
        ("[alerts]\nbitrate_above = \"1m\"\nbitrate_below = \"2m\"", 1, 1, "always be raised", "less than"),
        ("[hooks]\non_alarm = \"http://h/\"", 2, 1, "no `on_alarm` in [hooks]", "`on_alert`"),
        ("drain = \"soon\"", 1, 9, "`soon` is not a duration", "250ms"),
        ("drain = true", 1, 9, "true or false, where a duration", "\"4s\""),
        ("[listen]\nrtmp = 1935", 2, 8, "a number, where a text", "in quotes"),
        ("[listen]\nrtmp = \"1935\"", 2, 8, "`1935` is no address", ":1935"),
        ("[listen]\nrtmp = \"relay.example:1935\"", 2, 8, "no address", "127.0.0.1:1935"),
        ("[listen]\nrtmp = \"rtmp://:1935\"", 2, 8, "a URL can't stand here", ":1935"),
        ("[listen]\nrtmp = \"127.0.0.1:99999\"", 2, 8, "port 99999 is above", "1935"),
        ("[limits]\nconnections = 0", 2, 15, "0 is too little", "1 or more"),
        ("[limits]\nhandshake = 0", 2, 13, "0s is too short", "100ms or more"),
        ("[limits]\nidle = \"2days\"", 2, 8, "unknown unit", "4s"),
        ("[limits]\ningest_bitrat = 1", 2, 1, "no `ingest_bitrat` in [limits]", "`ingest_bitrate`"),
        ("[limits]\namf_depth = 16", 2, 1, "no `amf_depth` in [limits]", "[limits.rtmp]"),
        ("[limits.rtmp]\namf_depth = 100", 2, 13, "100 is too much", "64 or less"),
        ("[limits.rtmp]\namf_deep = 10", 2, 1, "no `amf_deep` in [limits.rtmp]", ""),
        ("[limits.rtmp]\nhandshake = 10", 2, 1, "no `handshake` in [limits.rtmp]", "[limits]"),
        ("[limits]\nrtmp = 10", 2, 8, "", ""),
        ("[limits]\nstreams = \"many\"", 2, 11, "not a number", "k, m or g"),
        ("[api]\ntoken = 12345678", 2, 9, "a secret is a text", "quotes"),
        ("[api]\ntoken = \"\"", 2, 9, "the secret is empty", "leave the line out"),
        ("[api]\ntoken = \" s3cret\"", 2, 9, "begins or ends with a space", "remove"),
        ("[api]\ntoken = \"env@TOKEN\"", 2, 9, "`env@` is of the command line", "{ env ="),
        ("[api]\ntoken = { env = \"NO_SUCH\" }", 2, 17, "variable NO_SUCH is not set", "export"),
        ("[api]\ntoken = { env = \"$s3cretX\" }", 2, 17, "variable **** is not set", "without $"),
        ("[api]\ntoken = { env = \"EMPTY\" }", 2, 17, "variable EMPTY is empty", "put the secret there"),
        ("[api]\ntoken = { env = \"SPACE\" }", 2, 17, "begins or ends with a space", "remove"),
        ("[api]\ntoken = { file = \"keys/none\" }", 2, 18, "keys/none can't be read", "folder"),
        (
            "[api]\ntoken = { secret = \"yotube\" }\n[secrets]\nyoutube = \"s3cret\"",
            2,
            20,
            "no secret `yotube`",
            "`youtube`",
        ),
        ("[api]\ntoken = { secret = \"s3cretword\" }", 2, 20, "no secret `****`", "[secrets]"),
        ("[api]\ntoken = { env = \"TOKEN\", file = \"x\" }", 2, 26, "one place only", "keep one"),
        ("[api]\ntoken = {}", 2, 9, "where a secret is wanted", "{ env ="),
        ("[secrets]\na = { secret = \"b\" }", 2, 5, "can't be that of another", "env"),
        ("[tls]\ncert = \"cert.pem\"", 1, 1, "lacks its `key`", "private key"),
    ]);
    check_below(
        OUT,
        &[
            ("max_lag = \"2x\"", 1, 11, "unknown unit `x`", "250ms"),
            ("tracks = [\"vidoe\"]", 1, 10, "`vidoe` is no track", "\"video\""),
            (
                "tracks = [\"video\", \"audio:300\"]",
                1,
                10,
                "`audio:300` is no track: numbers end at 255",
                "\"audio:2\"",
            ),
            ("tracks = [\"video\", \"audio:1x\"]", 1, 10, "`audio:1x` is no track", "\"audio:2\""),
            ("tracks = [\"video\", \"video:0\"]", 1, 10, "`video:0` is named twice", "once"),
            ("tracks = [\"video\", \"\"]", 1, 10, "an item is empty", "\"audio:2\""),
            ("max_lag = \"rtmp://h/s3cret\"", 1, 11, "a text, where duration", "250ms"),
            ("chunk_size = 5", 1, 14, "5 is no chunk size", "128"),
            ("start = \"now\"", 1, 9, "`now` is none of", "`gop`"),
            ("retries = -1", 1, 11, "not a number", "0 or more"),
            ("auto_start = \"yes\"", 1, 14, "a text, where true or false", "without quotes"),
            ("ca = \"none.pem\"", 1, 6, "can't be read", "PEM"),
            ("key = \"${nmae}\"", 1, 7, "no template `${nmae}`", "${name}"),
            ("key = \"${s3cret}\"", 1, 7, "no template `${****}`", "${app} and ${name}"),
            ("key = \"s3cret${name\"", 1, 7, "not closed", "brace"),
            ("groups = [\"a b\"]", 1, 11, "`a b` can't be a name", "letters"),
        ],
    );
    check_below(
        IN,
        &[
            ("publish_conflict = \"takover\"", 1, 20, "`takover` is none of", "`takeover`"),
            ("publish_from = [\"10.0.0/8\"]", 1, 17, "`10.0.0/8` is no address", "10.0.0.0/8"),
            ("publish_from = [\"10.0.0.0/33\"]", 1, 17, "no network", "10.0.0.0/8"),
            ("publish_key = [\"s3cret\", \"none\"]", 1, 26, "beside keys", "alone"),
            ("publish_key = []", 1, 15, "the list is empty", "env"),
            ("players = { retry = 1 }", 1, 13, "no `retry` in the players", "max_lag"),
            ("hooks = { on_publish = \"rtmp://h/s3cret\" }", 1, 24, "http:// or https://", "http://HOST"),
            ("hooks = { on_publish = { url = \"http://h/s3cret\", timeout = 0 } }", 1, 61, "1ms to 60s", "3s"),
            ("hooks = { on_publish = { form = \"srs\" } }", 1, 24, "lacks its `url`", "called"),
            ("hooks = { on_publihs = \"http://h/s3cret\" }", 1, 11, "no `on_publihs`", "`on_publish`"),
            ("pull = \"rtmp://h:x/live/s3cret\"", 1, 8, "not a number", ""),
            ("pull = { url = \"rtmp://h/live/${name}\" }", 1, 16, "for outputs only", "one stream"),
        ],
    );
}

#[test]
fn streams_and_urls() {
    let out = |stream: &str, url: &str| format!("[[output]]\nname = \"a\"\nstream = \"{stream}\"\nurl = \"{url}\"\n");
    for (stream, url, line, problem, hint) in [
        ("/live/a", "rtmp://h/a", 3, "without slashes at its ends", "\"live/a\""),
        ("live/a?s3cret", "rtmp://h/a", 3, "what follows a ?", "live/*"),
        ("rtmp://h/s3cret", "rtmp://h/a", 3, "a URL can't stand here", "live/*"),
        ("live/../a", "rtmp://h/a", 3, "`..` can't be part", "live/*"),
        ("live/a", "http://h/s3cret", 4, "not rtmp or rtmps", ""),
        ("live/a", "h/live/s3cret", 4, "no scheme", "rtmp://"),
        ("live/a", "", 4, "the URL is empty", ""),
        ("live/a", "rtmp:///live", 4, "names no host", "HOST"),
        ("live/a", "rtmp://h:0/live/s3cret", 4, "port 0", ""),
        ("live/a", "rtmp://h/live/s3 cret", 4, "holds a blank", ""),
        ("live/a", "rtmp://${name}.h/live/s3cret", 4, "can't choose the server", "path and the key"),
        ("live/a", "rtmp://h/${stream}/s3cret", 4, "no template", "${app} and ${name}"),
        ("live/a", "rtmp://h/live/", 4, "no key", "add key"),
        ("live/a", "rtmp://127.0.0.1/live/a", 4, "leads back", "another server"),
        ("live/*", "rtmp://localhost:1935/${app}/${name}", 4, "leads back", "another server"),
        ("live/*", "rtmp://[::ffff:127.0.0.1]/live/x", 4, "leads back", "another server"),
        ("live", "rtmp://h/${app}/${name}", 4, "would be empty", "app/name"),
    ] {
        let text = out(stream, url);
        check(&[(text.leak(), line, if line == 3 { 10 } else { 7 }, problem, hint)]);
    }
    // Another stream of ours is no loop, unless something sends it back.
    good(&out("live/a", "rtmp://127.0.0.1/live/b"));
    good(&out("live/a", "rtmp://127.0.0.1:1936/live/a"));
    let there = format!(
        "{}{}",
        out("live/a", "rtmp://127.0.0.1/live/b"),
        out("live/b", "rtmp://127.0.0.1/live/a").replace("\"a\"", "\"b\"")
    );
    let text = told(&parse(&there, NAME, &world()).unwrap_err());
    assert_eq!(text.matches("leads back").count(), 2, "{text}");
    // By the key in the place of the name.
    let keyed = format!(
        "[[stream]]\nname = \"live/a\"\npublish_key = \"s3cret\"\n{}",
        out("live/a", "rtmp://127.0.0.1/live/s3cret")
    );
    assert!(told(&parse(&keyed, NAME, &world()).unwrap_err()).contains("leads back"));
    check(&[("[[stream]]\nname = \"live/a\"\npull = \"rtmp://127.0.0.1/live/a\"", 2, 8, "from itself", "another")]);
}

#[test]
fn what_no_single_line_shows() {
    let two = |stream: &str, url: &str, more: &str| {
        format!("{OUT}[[output]]\nname = \"b\"\nstream = \"{stream}\"\nurl = \"{url}\"\n{more}")
    };
    for (stream, url, more, problem) in [
        ("live/a", "rtmp://H:1935/live/s3cret", "", Some("`a` in line 4 sends to the same")),
        ("live/*", "rtmp://h/live", "key = \"s3cret\"", Some("`a` in line 4 sends to the same")),
        ("live/b", "rtmp://h/live/s3cret", "", Some("`a` in line 4 sends to the same")),
        ("live/b", "rtmp://h/live/${name}", "", None),
        ("live/a", "rtmp://h/live/other", "", None),
        ("live/a", "rtmp://h/live/s3cret", "rtmp_app = \"x\"", None),
        ("live/a", "rtmp://h:1936/live/s3cret", "", None),
    ] {
        let text = two(stream, url, more);
        match (parse(&text, NAME, &world()), problem) {
            (Ok(_), None) => {}
            (Err(mistakes), Some(problem)) => {
                assert_eq!((mistakes.len(), mistakes[0].line(), mistakes[0].column()), (1, 8, 7));
                assert!(mistakes[0].problem.contains(problem), "{}", mistakes[0]);
            }
            (outcome, _) => panic!("{text}\n{outcome:?}"),
        }
    }
    check(&[
        ("[listen]\nrtmp = \":1935\"", 2, 8, "there is no [[stream]]", "publish_key = { env"),
        (
            "[listen]\nrtmp = \"0.0.0.0:1935\"\n[[stream]]\nname = \"live/*\"",
            4,
            8,
            "anybody could publish `live/*`",
            "on_publish",
        ),
        ("[listen]\nhttp = \":1937\"", 2, 8, "no token", "OUTFLOW_API_TOKEN"),
        ("[listen]\nrtmps = \"127.0.0.1\"", 2, 9, "wants a certificate", "[tls]"),
        ("[listen]\nrtmp = \"none\"", 2, 8, "no port is left", "rtmps"),
        ("[listen]\nhttp = \"127.0.0.1:1935\"", 2, 8, "port 1935 is taken", "of its own"),
        ("[listen]\nrtmps = \"[::1]\"\n[tls]\ncert = \"key.pem\"\nkey = \"key.pem\"", 4, 8, "no CERTIFICATE", "PEM"),
        (
            "[listen]\nrtmps = \"[::1]\"\n[tls]\ncert = \"cert.pem\"\nkey = \"no.pem\"",
            5,
            7,
            "can't be read",
            "permissions",
        ),
        ("[[stream]]\nname = \"live/*\"\npull = \"rtmp://h/live/s3cret\"", 3, 1, "is a pattern", "without *"),
    ]);
    let same = format!("{OUT}{}", OUT.replace("s3cret", "x"));
    assert!(told(&parse(&same, NAME, &world()).unwrap_err()).contains("another output has the name `a`, in line 2"));
    for said in ["publish_key = \"s3cret\"", "publish_key = \"none\"", "hooks = { on_publish = \"http://h/x\" }"] {
        good(&format!("[listen]\nrtmp = \":1935\"\n[[stream]]\nname = \"live/*\"\n{said}\n"));
    }
    good("[listen]\nrtmp = \":1935\"\n[hooks]\non_publish = \"http://h/x\"\n[[stream]]\nname = \"live/*\"\n");
}

#[test]
fn what_is_hardly_meant_is_a_warning() {
    for (text, line, part) in [
        ("[[stream]]\nname = \"live\"\n", 2, "the app alone"),
        ("[[stream]]\nname = \"live/*\"\n[[stream]]\nname = \"live/a\"\n", 4, "`live/*` of line 2 fits first"),
        (
            "[[stream]]\nname = \"live/b\"\n[[output]]\nname = \"a\"\nstream = \"live/a\"\nurl = \"rtmp://h/x/s3cret\"\n",
            5,
            "no [[stream]] fits",
        ),
        ("[[output]]\nname = \"a\"\nstream = \"live/*\"\nurl = \"rtmp://h/x/s3cret\"\n", 4, "one and the same place"),
        ("[tls]\ncert = \"cert.pem\"\nkey = \"key.pem\"\n", 2, "no RTMPS port"),
        ("[policy]\nrtmp_live = \"live\"\n", 2, "has no effect"),
        ("[[stream]]\nname = \"live/a\"\npublish_from = []\n", 3, "keeps nobody out"),
    ] {
        let warnings = good(text).warnings;
        assert_eq!(warnings.len(), 1, "{text}\n{}", told(&warnings));
        assert_eq!(warnings[0].line(), line, "{text}\n{}", warnings[0]);
        assert!(warnings[0].problem.contains(part), "{text}\n{}", warnings[0]);
    }
}

#[test]
fn a_latency_that_max_lag_cuts_down_is_a_warning_where_it_is_said() {
    let stream = "[[stream]]\nname = \"live/a\"\n";
    let policy = "[policy]\nlatency = 3\n";
    for (text, places) in [
        (format!("{OUT}latency = 67\n"), &[(5, 11)][..]),
        (format!("{OUT}latency = \"67ms\"\n"), &[]),
        (format!("{OUT}latency = \"2s\"\n"), &[]),
        (format!("{OUT}latency = \"3s\"\nmax_lag = \"6s\"\n"), &[]),
        (format!("{OUT}latency = \"3s\"\n[policy]\nmax_lag = \"6s\"\n"), &[]),
        (format!("{OUT}max_lag = \"1s\"\n[policy]\nlatency = \"1s\"\n"), &[(5, 11)]),
        // Once in the policy, not at each output that has it from there.
        (format!("{OUT}{policy}"), &[(6, 11)]),
        (format!("{OUT}max_lag = \"6s\"\n{policy}"), &[(7, 11)]),
        (format!("{stream}policy = {{ latency = \"3s\" }}\n{OUT}"), &[(3, 22)]),
        (format!("{stream}policy = {{ latency = \"3s\" }}\n{OUT}[policy]\nmax_lag = \"6s\"\n"), &[]),
        (format!("{stream}players = {{ latency = \"3s\", max_lag = \"5s\" }}\n"), &[(3, 23)]),
        (format!("{stream}players = {{ latency = \"3s\", max_lag = \"6s\" }}\n"), &[]),
        // Players have nothing of the outputs' policy.
        (format!("{stream}players = {{ latency = \"3s\" }}\n[policy]\nmax_lag = \"6s\"\n"), &[(3, 23)]),
    ] {
        let warnings = good(&text).warnings;
        let told_at: Vec<_> = warnings.iter().map(|warning| (warning.line(), warning.column())).collect();
        assert_eq!(told_at, places, "{text}\n{}", told(&warnings));
        assert!(warnings.iter().all(|warning| warning.problem.starts_with("`latency` of ")), "{}", told(&warnings));
    }
    assert_eq!(
        told(&good(&format!("{OUT}latency = 67\n")).warnings),
        format!(
            "{NAME}:5:11: `latency` of 67s is more than half of `max_lag`, which is 4s: bytes are gathered for 2s\n\
             \x20 5 | latency = 67\n\
             \x20   |           ^^\n\
             \x20 let `latency` be 2s or less, or `max_lag` 134s or more; a number alone is seconds: for milliseconds write 67ms\n"
        )
    );
}

#[test]
fn all_mistakes_come_at_once_and_in_order() {
    let text = "drain = \"soon\"\n[listen]\nrtmp = 1\n[[output]]\nname = \"a\"\nstream = \"live/a\"\nurl = \"x\"\nmax_lagg = 1\n";
    let lines: Vec<usize> = parse(text, NAME, &world()).unwrap_err().iter().map(Mistake::line).collect();
    assert_eq!(lines, [1, 3, 7, 8]);
    let broken = "drain = soon\n[listen]\nrtmp = \"x\"\nhttp = 5 6\n";
    let lines: Vec<usize> = parse(broken, NAME, &world()).unwrap_err().iter().map(Mistake::line).collect();
    assert_eq!(lines, [1, 3, 4]);
}

#[test]
fn a_mistake_as_it_is_told() {
    let text = "[[output]]\nname = \"a\"\nstream = \"live/a\"\nurl = \"rtmp://u:s3cret@h/live/s3cret?s3cret\" # s3cret\nmax_lagg = \"2s\" # s3cret\n\
                key = 5 # s3cret\nrtmp_tcurl = \"rtmp://h/x?s3cret\"\npull = 1\n";
    assert_eq!(
        told(&parse(text, "outflow.toml", &world()).unwrap_err()),
        "outflow.toml:5:1: there is no `max_lagg` in an output\n\
         \x20 5 | max_lagg = \"****\"\n\
         \x20   | ^^^^^^^^\n\
         \x20 did you mean `max_lag`?\n\
         outflow.toml:6:7: a secret is a text\n\
         \x20 6 | key = ****\n\
         \x20   |       ^^^^\n\
         \x20 put it in quotes\n\
         outflow.toml:8:1: there is no `pull` in an output\n\
         \x20 8 | pull = ****\n\
         \x20   | ^^^^\n\
         \x20 it is said in [[stream]]\n"
    );
    let text =
        "[[output]]\nname = \"é\"\nstream = \"x/a\"\nurl = \"rtmp://u:s3cret@h:0/live/s3cret?s3cret\" # s3cret\n";
    assert_eq!(
        told(&parse(text, "outflow.toml", &world()).unwrap_err()),
        "outflow.toml:4:7: nobody listens on port 0\n\
         \x20 4 | url = \"rtmp://****@h:0/live/****?****\"\n\
         \x20   |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n\
         \x20 write the server's port, or leave it out\n"
    );
}
