//! A key that was typed is never shown again, however wrong the line is; and no line can make the parser panic.

use proptest::prelude::*;

use crate::{parse, parse_words};
use outflow::cli::Command;

/// Everything that could reach a screen or a log from parsing this line.
fn everything_shown(words: &[String]) -> String {
    match parse_words(words) {
        Ok(Command::Graph { graph, program, warnings }) => {
            format!("{graph:?} {} {program:?} {warnings:?} {:?}", graph.describe(), graph.notes)
        }
        Ok(Command::Help(text)) => text,
        Ok(other) => format!("{other:?}"),
        Err(errors) => format!("{errors} {errors:?}"),
    }
}

/// Places where people put a key, right and wrong; `KEY` stands for it.
const PLACES: &[&str] = &[
    "-o rtmp://h/live/KEY",
    "-o rtmp://h/live/KEY:gpac:max_lag=2s",
    "-o rtmp://h/live/KEY:gpac:max_lagg=2s",
    "-o rtmp://h/live/KEY?a=KEY",
    "-o rtmp://h/live?key=KEY",
    "-o rtmp://h/live/x?key=a:KEY",
    "-o rtmp://h/live#KEY",
    "-o rtmp://u:KEY@h/live/x",
    "-o rtmp://KEY:KEY@h:99999/live/x",
    "-o rtmp://h/live/:gpac:key=KEY",
    "-o rtmp://h/live/:gpac:key=KEY:key=KEY",
    "-o rtmp://h/live/:gpac:kye=KEY",
    "-o rtmp://h/live/:gpac:streamkey=KEY",
    "-o rtmp://h/live:gpac:rtmp_playpath=KEY",
    "-o rtmp://h/live:gpac:rtmp_app=live?k=KEY",
    "-o rtmp://h/live:gpac:rtmp_tcurl=rtmp://h/live/KEY",
    "-o rtmp://h/live:gpac:rtmp_conn=KEY",
    "-o rtmp://h:1/live:gpac:listen:play_key=KEY",
    "-o rtmp://h:1/live:gpac:listen:publish_key=KEY",
    "-o rtmp://h/live/x:KEY",
    "-o rtmp://h/live/x:KEY=KEY",
    "-o rtmp://h/live/x::KEY",
    "-o rtmp://h/live/x:gpac:key=env@KEY1",
    "-o rtmp://h/live/x:gpac:key=fd@KEY",
    "-o rtmp://h:1:key=KEY",
    "-o rtmp://h:KEY/live",
    "-o rtmp:/h/live/KEY",
    "-o rtmp//h/live/KEY",
    "-o rtpm://h/live/KEY",
    "-o rtmpt://h/live/KEY",
    "-o live.example.com/app/KEY",
    "-o 'rtmp://h/live/KEY'",
    "-o rtmp://h/live/ KEY",
    "-o rtmp://h/live/ ?k=KEY",
    "-o rtmp://h/live/ &k=KEY",
    "-o rtmp://h/live/ k=KEY",
    "-o rtmp://h/live/x KEY:listen",
    "-o rtmp://h/live/x -KEY1=KEY",
    "-o rtmp://h/live/x --key=KEY",
    "-o rtmp://h/live/x --kye=KEY",
    "-o rtmp://h/live/x --rtmp_push:key=KEY --rtmp_push:key=KEY",
    "-o url=KEY",
    "-o url=env@KEY1",
    "-o srt://h:1?passphrase=KEY",
    "-o http://h/app/KEY",
    "-o https://h/KEY",
    "-o rtsp://h/app/KEY:x",
    "-o rtmp://h/live/x -KEY",
    "-o rtmp://h/live/x --KEY",
    "-o rtmp://h/live/$KEY",
    "-o rtmp://h/live/x:gpac:key=$KEY",
    "https://h/app/KEY",
    "-i rtmp://h/live/KEY -o null",
    "-i rtmp://h/live/KEY:gpac:rtmp_live=x -o null",
    "-i https://h/x.m3u8?token=KEY -o null",
    "rtmp://h/live/KEY",
    "avgen:key=KEY c=avc c=aac -o null",
    "-o null:key=KEY",
    "-o rtmp://h/live/KEY -o rtmp://h/live/KEY",
    "-o rtmp://h/live/a:name=x -o rtmp://h/live/KEY:name=x",
    "-i rtmp://:1935/live/KEY:listen -o rtmp://127.0.0.1/live/KEY",
    "-o rtmp://h/live/KEY:SID=nobody",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_key_is_never_shown(key in "[a-z]{2}[0-9][A-Za-z0-9_-]{6,20}[0-9]", place in proptest::sample::select(PLACES), after in any::<bool>()) {
        let mut line = if place.starts_with("-i ") || place.starts_with("avgen") { vec![] } else { vec!["-i".to_owned(), "in.flv".to_owned()] };
        line.extend(place.split(' ').map(|word| word.replace("KEY1", &key).replace("KEY", &key)));
        if after {
            line.push("-o".into());
        }
        let shown = everything_shown(&line);
        prop_assert!(!shown.contains(&key), "{} shows the key: {}", place, shown);
    }

    #[test]
    fn no_words_can_panic(words in proptest::collection::vec(word(), 0..8)) {
        everything_shown(&words);
    }

    #[test]
    fn no_text_can_panic(words in proptest::collection::vec("\\PC{0,20}", 0..4)) {
        everything_shown(&words);
    }
}

/// Something like a word: pieces of the grammar put together at random.
fn word() -> impl Strategy<Value = String> {
    const PIECES: &[&str] = &[
        "-i",
        "-o",
        "-",
        "--",
        "rtmp://",
        "h",
        "127.0.0.1",
        "[::1]",
        ":",
        "::",
        ":gpac:",
        "/",
        "live",
        "?",
        "#",
        "&",
        "=",
        "@",
        "@1",
        "#video",
        "avgen",
        "c=avc",
        "c=aac",
        "enc",
        "inspect",
        "reframer:rt=off",
        "in.flv",
        "null",
        "key=",
        "env@",
        "file@",
        "fd@",
        "FID=a",
        "SID=a",
        ",",
        "!",
        "max_lag=1s",
        "rtmp_listen=1",
        "-graph",
        "-r=",
        "-args",
        "-runfor=1",
        "--max_lag=1",
        "é",
        "\u{0}",
        " ",
        "%",
        "pipe:",
        "src=",
        "dst=",
        "url=",
        "99999999999",
        "name=x",
        "tracks=a,,b",
    ];
    proptest::collection::vec(proptest::sample::select(PIECES), 1..7).prop_map(|parts| parts.concat())
}

#[test]
fn many_words_take_no_longer_than_their_number() {
    let mut line = String::from("avgen c=avc c=aac");
    for number in 0..500 {
        line.push_str(&format!(" -o rtmp://h{number}/live/k"));
    }
    let (graph, _, _) = parse(&line).unwrap();
    assert_eq!(graph.streams.len(), 1);
    assert_eq!(graph.streams[0].sinks.len(), 500);
}
