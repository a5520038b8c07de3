//! The arguments given to `ffmpeg`, and what is quoted of what it says.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::options::{self, Options, value};

fn node(word: &str, settings: &[(&'static str, &str)]) -> Node {
    let mut typed = Options::with_defaults(options::defaults(KIND.options));
    // Any program that is there: none is run here.
    for (name, text) in [&[("ffmpeg", "/bin/sh")], settings].concat() {
        let spec = options::find(KIND.options, name).unwrap();
        typed.set(name, value::parse(spec.ty, text).unwrap());
    }
    let url = MediaUrl::new(word);
    Node { index: 1, word: url.shown.clone(), kind: "ffmpeg", name: "in".into(), url: Some(url), options: typed }
}

fn arguments(word: &str, settings: &[(&'static str, &str)], realtime: bool) -> String {
    let command = Command::new(&node(word, settings)).unwrap();
    let words = command.arguments(realtime);
    words.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
}

const BEGIN: &str = "/bin/sh -hide_banner -nostdin -loglevel error";
const END: &str = "-sn -dn -flvflags no_duration_filesize -f flv pipe:1";

#[test]
fn live_inputs_keep_their_own_pace_and_files_get_one() {
    assert_eq!(
        arguments("srt://127.0.0.1:9000", &[], true),
        format!("{BEGIN} -i srt://127.0.0.1:9000 -c:v copy -c:a copy {END}")
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("-y a;b $(c) 'd:e.mkv");
    std::fs::write(&path, b"x").unwrap();
    let path = path.to_str().unwrap();
    assert_eq!(arguments(path, &[], true), format!("{BEGIN} -re -i file:{path} -c:v copy -c:a copy {END}"));
    assert_eq!(arguments(path, &[], false), format!("{BEGIN} -i file:{path} -c:v copy -c:a copy {END}"));
    assert_eq!(arguments(path, &[("re", "no")], true), format!("{BEGIN} -i file:{path} -c:v copy -c:a copy {END}"));
}

#[test]
fn a_name_is_one_argument_whatever_is_in_it() {
    let command = Command::new(&node("rtsp://h/a b;$(reboot)|`id`&c'\"", &[])).unwrap();
    let words = command.arguments(true);
    assert!(words.iter().any(|word| word == "rtsp://h/a b;$(reboot)|`id`&c'\""));
}

#[test]
fn codecs_devices_and_test_sources() {
    assert_eq!(
        arguments("lavfi:testsrc2=s=320x240:r=25", &[], true),
        format!("{BEGIN} -re -f lavfi -i testsrc2=s=320x240:r=25 -c:v libx264 -c:a aac -g 50 {END}")
    );
    assert_eq!(
        arguments("lavfi:testsrc2=s=160x120", &[("vcodec", "libx264"), ("acodec", "none")], true),
        format!("{BEGIN} -re -f lavfi -i testsrc2=s=160x120 -c:v libx264 -an -g 50 {END}")
    );
    assert_eq!(
        arguments("/dev/video0", &[("format", "v4l2"), ("vcodec", "libx264")], true),
        format!("{BEGIN} -f v4l2 -i /dev/video0 -c:v libx264 -c:a copy -g 50 {END}")
    );
}

#[test]
fn mistakes_are_told_before_anything_starts() {
    let problem = |word: &str, settings: &[(&'static str, &str)]| {
        open(&node(word, settings)).err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert!(problem("/nowhere/x.mkv", &[]).contains("there is no file /nowhere/x.mkv"));
    let text = problem("udp://127.0.0.1:5000", &[("ffmpeg", "no-such-ffmpeg")]);
    assert!(text.contains("no `no-such-ffmpeg` was found") && text.contains("ffmpeg=PATH"), "{text}");
    assert!(problem("udp://127.0.0.1:5000", &[("vcodec", "copy -y /etc/passwd")]).contains("is no codec name"));
    assert_eq!(problem("udp://127.0.0.1:5000", &[]), "");
}

#[test]
fn rtmp_is_never_taken() {
    assert!(!(KIND.accepts)(&MediaUrl::new("rtmp://h/a/b"), false));
    assert!(!(KIND.accepts)(&MediaUrl::new("rtmps://h/a/b"), true));
    assert!((KIND.accepts)(&MediaUrl::new("x.mkv"), false));
}

#[test]
fn what_ffmpeg_says_is_quoted_without_secrets() {
    let word = "srt://user:pa55@h:9000/live?passphrase=topsecret";
    let command = Command::new(&node(word, &[])).unwrap();
    for said in [
        format!("{word}: Connection refused"),
        "auth with user:pa55 failed: passphrase=topsecret is wrong".to_owned(),
        "password pa55 refused".to_owned(),
    ] {
        let masked = command.mask(&said);
        assert!(!masked.contains("pa55") && !masked.contains("topsecret"), "{masked}");
    }
}
