//! Options of words and of the program: values, defaults, globals, warnings.

use std::time::Duration;

use outflow::cli::Command;
use outflow::graph::program::Report;
use outflow::monitor::log::{Level, Tool};
use outflow::options::Value;
use outflow::secret::Secret;

use crate::{graph, mistakes, parse, parse_words};

fn text(value: &str) -> Value {
    Value::Text(value.into())
}

fn secret(value: &str) -> Value {
    Value::Secret(Secret::new(value))
}

#[test]
fn options_reach_their_word_typed() {
    let out = |options: &str| format!("-i in.flv -o rtmp://h/live/k:gpac:{options}");
    let listen = |options: &str| format!("-i in.flv -o rtmp://h:1/live:gpac:listen:{options}");
    let input = |options: &str| format!("-i rtmp://h:1/live:gpac:{options} -o null");
    let millis = |millis| Value::Duration(Duration::from_millis(millis));
    for (line, node, option, value) in [
        ("avgen:sizes=240x160:rates=200k c=avc c=aac -o null".into(), 0, "sizes", Value::Sizes(vec![(240, 160)])),
        ("avgen:sizes=240x160:rates=200k c=avc c=aac -o null".into(), 0, "rates", Value::Rates(vec![200_000])),
        ("avgen:lock c=avc c=aac -o null".into(), 0, "lock", Value::Bool(true)),
        ("avgen:!lock c=avc c=aac -o null".into(), 0, "lock", Value::Bool(false)),
        ("avgen:fps=30000/1001 c=avc c=aac -o null".into(), 0, "fps", Value::Fraction(30000, 1001)),
        ("avgen::banner=a:b::fps=50 c=avc c=aac -o null".into(), 0, "banner", text("a:b")),
        ("avgen::banner=a:b::fps=50 c=avc c=aac -o null".into(), 0, "fps", Value::Fraction(50, 1)),
        ("avgen c=avc:bitrate=2.5m:gop=50 c=aac -o null".into(), 1, "b", Value::Count(2_500_000)),
        ("avgen c=avc:bitrate=2.5m:gop=50 c=aac -o null".into(), 1, "g", Value::Count(50)),
        (out("max_lag=250ms"), 1, "max_lag", millis(250)),
        (out("name=x"), 1, "max_lag", millis(4000)),
        (out("name=x"), 1, "start", text("key")),
        (listen("name=x"), 1, "start", text("gop")),
        (listen("start=key"), 1, "start", text("key")),
        (listen("timeout=5"), 1, "timeout", millis(5000)),
        (listen("play_key=a=b"), 1, "play_key", secret("a=b")),
        (out("timeout=5"), 1, "timeout", millis(5000)),
        (out("timeout=5"), 1, "retry_max", millis(10_000)),
        (out("N=x"), 1, "name", text("x")),
        (out("key=env@STREAM_KEY"), 1, "key", secret("env-k3y")),
        (out("key=file@/run/key"), 1, "key", secret("file-k3y")),
        (out("key=fd@3:retries=2"), 1, "key", secret("fd-k3y")),
        (out("key=fd@3:retries=2"), 1, "retries", Value::Count(2)),
        (out("rtmp_app=other?x=1"), 1, "rtmp_app", text("other?x=1")),
        (out("rtmp_playpath=a?b"), 1, "rtmp_playpath", secret("a?b")),
        (out("rtmp_tcurl=rtmp://other:1936/app:name=x"), 1, "rtmp_tcurl", text("rtmp://other:1936/app")),
        (out("rtmp_pageurl=https://page/x:name=x"), 1, "rtmp_pageurl", text("https://page/x")),
        (out("rtmp_swfurl=https://page:8080/x.swf"), 1, "rtmp_swfurl", text("https://page:8080/x.swf")),
        (out("rtmp_flashver=FMLE/3.0"), 1, "rtmp_flashver", text("FMLE/3.0")),
        (out(":rtmp_conn=B:1::name=x"), 1, "rtmp_conn", secret("B:1")),
        (out(":rtmp_conn=B:1::name=x"), 1, "name", text("x")),
        (out("!tcp_nodelay"), 1, "tcp_nodelay", Value::Bool(false)),
        ("avgen:banner=<live> c=avc c=aac -o null".into(), 0, "banner", text("<live>")),
        (out("bind=[::1]:latency=5ms"), 1, "bind", text("[::1]")),
        (out("tracks=video,audio"), 1, "tracks", Value::List(vec!["video".into(), "audio".into()])),
        (out("chunk_size=4k"), 1, "chunk_size", Value::Count(4000)),
        (out("grace=5min:delay=2s:latency=20ms:ca=/etc/ca.pem"), 1, "ca", text("/etc/ca.pem")),
        (input("rtmp_live=-1"), 0, "rtmp_live", text("live")),
        (input("rtmp_buffer=1000"), 0, "rtmp_buffer", Value::Count(1000)),
        (input("rtmp_subscribe=x"), 0, "rtmp_subscribe", secret("x")),
        (input("rtmp_listen=1:publish_key=none"), 0, "publish_key", secret("none")),
        // Globals: for all that have it, for one kind; the word's own value wins.
        (format!("{} --max_lag=1s", out("name=x")), 1, "max_lag", millis(1000)),
        (format!("{} --max_lag=1s", out("max_lag=2s")), 1, "max_lag", millis(2000)),
        (format!("{} --rtmp_push:max_lag=1s", out("name=x")), 1, "max_lag", millis(1000)),
        (format!("{} --rtmp_push@max_lag=1s", out("name=x")), 1, "max_lag", millis(1000)),
        (format!("{} --x:max_lag=1s", out("name=x")), 1, "max_lag", millis(1000)),
        (format!("{} --loop", out("name=x")), 0, "loop", Value::Bool(true)),
        (format!("{} --!tcp_nodelay", out("name=x")), 1, "tcp_nodelay", Value::Bool(false)),
    ] {
        let graph = graph(&line);
        assert_eq!(graph.nodes[node].node.options.get(option), Some(&value), "{line}");
    }
}

#[test]
fn urls_are_kept_byte_for_byte() {
    for (word, raw) in [
        ("rtmp://h/live/key?token=a:b:gpac:name=x", "rtmp://h/live/key?token=a:b"),
        ("rtmp://h/app?x=%41/%2F&y=~:gpac:name=x", "rtmp://h/app?x=%41/%2F&y=~"),
        ("rtmp://u:p@h/live/k:name=x", "rtmp://u:p@h/live/k"),
        ("RTMP://H/Live/K", "RTMP://H/Live/K"),
        ("rtmp://h/path#K", "rtmp://h/path#K"),
        ("url=env@TARGET", "rtmp://h.example/app/env-k3y:x?t=1"),
        ("url=rtmp://h/live/k:name=x", "rtmp://h/live/k"),
    ] {
        let graph = graph(&format!("-i in.flv -o {word}"));
        let url = graph.nodes[1].node.url.as_ref().unwrap();
        assert_eq!(url.raw.expose(), raw, "{word}");
        assert_eq!(url.scheme.as_deref(), Some("rtmp"));
    }
}

#[test]
fn what_has_no_effect_is_taken_with_one_warning() {
    for (line, word, field) in [
        ("-i in.flv -o rtmp://h/live/k:gpac:keepts", "rtmp://h/live/****:gpac:keepts", "keepts"),
        (
            "-i in.flv -o rtmp://h/live/k:gpac:flvflags=no_metadata",
            "rtmp://h/live/****:gpac:flvflags=no_metadata",
            "flvflags",
        ),
        ("-i in.flv -o rtmp://h:1/live:gpac:listen:retry=2s", "rtmp://h:1/live:gpac:listen:retry=2s", "retry"),
        ("-i in.flv:analyzeduration=10M -o null", "in.flv:analyzeduration=10M", "analyzeduration"),
        ("avgen:ntp c=avc c=aac -o null", "avgen:ntp", "ntp"),
        ("avgen c=avc:preset=fast c=aac -o null", "c=avc:preset=fast", "preset"),
        ("avgen c=avc:crf=23 c=aac -o null", "c=avc:crf=23", "crf"),
        ("avgen c=avc:x264-params=a c=aac -o null", "c=avc:x264-params=a", "x264-params"),
        ("avgen c=avc:keyint=50 c=aac -o null", "c=avc:keyint=50", "keyint"),
        ("avgen c=avc:nal-hrd=cbr c=aac -o null", "c=avc:nal-hrd=cbr", "nal-hrd"),
        ("avgen c=avc c=aac:ar=44100 -o null", "c=aac:ar=44100", "ar"),
        ("avgen c=avc c=aac:profile=baseline -o null", "c=aac:profile=baseline", "profile"),
        ("-i in.flv -o rtmp://h/live/k:gpac:max_delay=1", "rtmp://h/live/****:gpac:max_delay=1", "max_delay"),
        ("-i in.flv -o rtmp://h/live/k:gpac:reconnect=1", "rtmp://h/live/****:gpac:reconnect=1", "reconnect"),
        (
            "-i rtmp://h/live/k:gpac:protocol_whitelist=x -o null",
            "rtmp://h/live/****:gpac:protocol_whitelist=x",
            "protocol_whitelist",
        ),
        ("-i https://h/x.ts:ffmt=ts -o null", "https://h/x.ts:ffmt=ts", "ffmt"),
        ("-i in.flv -o rtmp://h/live/k -o rtmp://g/live/k --flvflags=x", "--flvflags=x", "flvflags"),
    ] {
        let (_, _, warnings) = parse(line).unwrap_or_else(|errors| panic!("{line}\n{errors}"));
        assert_eq!(warnings.len(), 1, "{line}: {warnings:?}");
        assert_eq!((warnings[0].word.as_str(), warnings[0].field.as_deref()), (word, Some(field)), "{line}");
        assert!(warnings[0].problem.contains("no effect"));
        let strict = mistakes(&format!("{line} -strict"));
        assert_eq!(strict[0].field.as_deref(), Some(field));
    }
    for line in [
        "-i in.flv -o rtmp://h/live/k:gpac:ffmt=flv",
        "-i in.flv -o rtmp://h/live/k --ffmt=flv",
        "-i in.flv -o out.flv:ext=flv",
    ] {
        assert_eq!(parse(line).unwrap().2, [], "{line}");
    }
}

#[test]
fn a_latency_that_max_lag_cuts_down_is_told() {
    let push = "rtmp://h/live/k:gpac";
    let listen = "rtmp://h:1/live:gpac:listen";
    for (options, problem, hint) in [
        ("latency=67", "67s is more than half of `max_lag`, which is 4s", "for milliseconds write 67ms"),
        ("latency=3s", "bytes are gathered for 2s", "`latency` be 2s or less, or `max_lag` 6s or more"),
        ("latency=600ms:max_lag=1s", "which is 1s: bytes are gathered for 500ms", "`max_lag` 1.2s or more"),
    ] {
        for word in [push, listen] {
            let line = format!("-i in.flv -o {word}:{options}");
            let (_, _, warnings) = parse(&line).unwrap_or_else(|errors| panic!("{line}\n{errors}"));
            assert_eq!(warnings.len(), 1, "{line}: {warnings:?}");
            assert_eq!(warnings[0].field.as_deref(), Some("latency"), "{line}");
            assert!(warnings[0].word.ends_with(options), "{line}: {warnings:?}");
            assert!(warnings[0].problem.contains(problem), "{line}: {warnings:?}");
            assert!(warnings[0].hint.as_deref().unwrap().contains(hint), "{line}: {warnings:?}");
            assert_eq!(mistakes(&format!("{line} -strict"))[0].field.as_deref(), Some("latency"));
        }
    }
    for line in [
        format!("-i in.flv -o {push}:latency=67ms -o {listen}:latency=2s"),
        format!("-i in.flv -o {push}:latency=3s:max_lag=6s"),
        format!("-i in.flv -o {push} --latency=2s"),
    ] {
        assert_eq!(parse(&line).unwrap().2, [], "{line}");
    }
    assert_eq!(parse(&format!("-i in.flv -o {push} -o {listen} --max_lag=1s --latency=1s")).unwrap().2.len(), 2);
}

#[test]
fn globals_for_encoders_reach_those_that_know_them() {
    let graph = graph("avgen c=avc c=aac -o null --enc:b=300k --profile=baseline");
    let (avc, aac) = (&graph.nodes[1].node.options, &graph.nodes[2].node.options);
    assert_eq!((avc.count("b"), aac.count("b")), (Some(300_000), Some(300_000)));
    assert_eq!(avc.text("profile").as_deref(), Some("baseline"));
    assert_eq!(aac.text("profile").as_deref(), Some("aac_low"));
}

#[test]
fn the_graph_of_a_test_source_goes_up_to_gpac() {
    for (word, raw, codec) in [
        ("lavfi:testsrc2=s=320x240", "lavfi:testsrc2=s=320x240", None),
        ("lavfi:testsrc2=s=320x240:r=25", "lavfi:testsrc2=s=320x240:r=25", None),
        ("lavfi:testsrc2=s=320x240:r=25:gpac:name=x", "lavfi:testsrc2=s=320x240:r=25", Some("x")),
    ] {
        let graph = graph(&format!("-i {word} -o null"));
        let node = &graph.nodes[0].node;
        assert_eq!(node.url.as_ref().unwrap().raw.expose(), raw);
        assert_eq!(node.name, codec.unwrap_or("lavfi"));
    }
}

#[test]
fn a_file_of_words_may_begin_with_a_byte_order_mark() {
    assert_eq!(graph("-args=/run/marked-words").nodes.len(), 4);
}

#[test]
fn options_of_the_program_are_taken_in_every_form() {
    let with =
        |options: &str| parse(&format!("{options} -i in.flv -o null")).unwrap_or_else(|errors| panic!("{errors}")).1;
    for options in ["-runfor=5000", "--runfor=5000", "-runfor 5000", "--runfor 5000", "-runfor 5s"] {
        assert_eq!(with(options).run_for, Some(Duration::from_secs(5)), "{options}");
    }
    let all = with("-graph -stats --json -strict -drain=2 -logs=all@error:rtmp@debug");
    assert!(all.graph && all.stats && all.json && all.strict);
    assert_eq!(all.drain, Duration::from_secs(2));
    assert!(all.logs.wants(Tool::Rtmp, Level::Debug) && !all.logs.wants(Tool::App, Level::Info));
    assert_eq!(with("-r").report, Some(Report::All));
    assert_eq!(with("-r=").report, Some(Report::Final));
    assert_eq!(with("-r=in.flv,null").report, Some(Report::Words(vec!["in.flv".into(), "null".into()])));
    assert_eq!(with("").drain, Duration::from_secs(5));
}

#[test]
fn help_and_version_always_work() {
    for line in ["-h", "--help", "-i in.flv -o null -h", "help", "help outputs", "help rtmp_push", "help max_lag", ""] {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert!(matches!(parse_words(&words), Ok(Command::Help(text)) if !text.is_empty()), "{line}");
    }
    for line in ["-V", "--version"] {
        assert!(matches!(parse_words(&[line]), Ok(Command::Version)), "{line}");
    }
}

#[test]
fn habits_of_ffmpeg_get_a_hint() {
    for (habit, hint) in [
        ("-c copy", "passes as it is"),
        ("-c:v copy", "passes as it is"),
        ("-vcodec copy", "passes as it is"),
        ("-f flv", "carries FLV"),
        ("-re", "real time is the default"),
        ("-hide_banner", "leave it out"),
        ("-loglevel error", "-logs=all@LEVEL"),
        ("-threads=2", "leave it out"),
        ("-no-block=all", "leave it out"),
    ] {
        let (graph, _, warnings) =
            parse(&format!("-i in.flv {habit} -o rtmp://h/live/k")).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(graph.nodes.len(), 2, "{habit}");
        assert!(warnings[0].hint.as_ref().unwrap().contains(hint), "{habit}: {warnings:?}");
    }
    for (habit, hint) in [
        ("-c libx264", "c=avc c=aac"),
        ("-vcodec libx264", "c=avc c=aac"),
        ("-f mpegts", "told by their URL"),
        ("-listen 1", ":gpac:rtmp_listen=1"),
        ("-map 0:v", "tracks="),
        ("-stream_loop -1", ":loop"),
        ("-b:v 2M", "c=avc:b=2m"),
        ("-seps=,=", "separators"),
    ] {
        let errors = mistakes(&format!("-i in.flv {habit} -o rtmp://h/live/k"));
        assert_eq!(errors.len(), 1, "{habit}: {errors:?}");
        assert!(errors[0].hint.as_ref().unwrap().contains(hint), "{habit}: {errors:?}");
    }
}

#[test]
fn a_platforms_name_stands_for_its_url() {
    let line = "-i in.flv -o twitch:key=k3y -o kick:url=rtmps://a.global-contribute.live-video.net/app:key=k3y:name=mine \
                -o rtmp://live-fra.twitch.tv/app/k3y";
    let words: Vec<&str> = line.split_whitespace().collect();
    let Ok(outflow::cli::Command::Graph { graph, .. }) = crate::parse_words(&words) else { panic!("{line}") };
    let sinks: Vec<_> = graph.nodes.iter().filter(|entry| entry.role.is_sink()).map(|entry| &entry.node).collect();
    let said = |node: &outflow::node::Node| node.options.text("platform");
    assert_eq!((sinks[0].name.as_str(), said(sinks[0]).as_deref()), ("twitch", Some("twitch")));
    assert_eq!(sinks[0].url.as_ref().unwrap().scheme.as_deref(), Some("rtmps"));
    assert_eq!((sinks[1].name.as_str(), said(sinks[1]).as_deref()), ("mine", Some("kick")));
    assert_eq!(sinks[1].url.as_ref().unwrap().host(), Some("a.global-contribute.live-video.net"));
    assert_eq!(said(sinks[2]), None, "the host tells it");
    assert!(!format!("{graph:?}").contains("k3y"));
}
