//! What people get wrong: one clear error that names the word and the mend, the right exit code, nothing half-started.

use std::time::Duration;

use outflow_testkit::free_port;
use outflow_testkit::ingest::{Behaviour, Ingest};
use outflow_testkit::peers::{Peer, find};

use crate::help::{folder, outflow};

/// Runs to the end; gives the exit code and what it said on standard error.
async fn fails(words: &str) -> (i32, String) {
    let mut program = outflow(words).start();
    let code = program.wait_exit_within(Duration::from_secs(20)).await;
    let said = program.output.look(|output| Vec::from(output.stderr.clone()).join("\n"));
    assert!(!said.contains("panicked"), "{said}");
    (code, said)
}

/// It must end with `code` and say every one of `parts`, and what it says must be short.
async fn says(words: &str, code: i32, parts: &[&str]) {
    let (got, said) = fails(words).await;
    assert_eq!(got, code, "{words}: {said}");
    for part in parts {
        assert!(said.to_lowercase().contains(&part.to_lowercase()), "{words}: no {part:?} in: {said}");
    }
    let lines = said.lines().filter(|line| !line.trim().is_empty()).count();
    assert!((1..=6).contains(&lines), "{words}: {lines} lines: {said}");
}

#[tokio::test]
async fn wrong_words_are_named_with_the_mend() {
    says("avgn c=avc -o rtmp://127.0.0.1:1/live/k", 2, &["avgn", "avgen"]).await;
    says("avgen:size=240x160 c=avc -o rtmp://127.0.0.1:1/live/k", 2, &["size", "sizes"]).await;
    says("avgen:sizes=huge c=avc -o rtmp://127.0.0.1:1/live/k", 2, &["sizes", "huge"]).await;
    says("avgen c=avc c=aac -o rtmp://127.0.0.1:1/live:gpac:rtmp_lisen=1", 2, &["rtmp_lisen", "rtmp_listen"]).await;
    says("avgen c=vp8 -o rtmp://127.0.0.1:1/live/k", 2, &["vp8"]).await;
    says("-o rtmp://127.0.0.1:1/live/k", 2, &["source"]).await;
    says("avgen c=avc c=aac", 2, &["avgen", "-o"]).await;
}

#[tokio::test]
async fn wrong_urls_are_named_with_the_mend() {
    says("avgen c=avc -o rtmp://:port/live/k", 2, &["rtmp://"]).await;
    says("avgen c=avc -o rtpm://127.0.0.1/live/k", 2, &["rtpm", "rtmp"]).await;
    says("avgen c=avc -o rtmp://127.0.0.1:99999/live/k", 2, &["99999"]).await;
    // A key with a `:` and no escape: nothing is cut in silence.
    says("avgen c=avc -o rtmp://127.0.0.1:1/live/key:part2", 2, &[":gpac:"]).await;
}

#[tokio::test]
async fn what_this_machine_has_not_is_told_before_anything_starts() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out.flv");
    let to_file = format!("avgen:type=v c=avc inspect:log=/nowhere/at/all/log -o {}", out.display());
    says(&to_file, 2, &["inspect", "/nowhere/at/all", "log=stdout"]).await;
    assert!(!out.exists(), "half-started");
    // Addresses for documentation belong to nobody (RFC 5737).
    for bind in ["nope0", "999.1.1.1", "192.0.2.1"] {
        says(
            &format!("avgen:type=v c=avc -o rtmp://127.0.0.1:1/live/k:gpac:bind={bind}"),
            2,
            &[bind, "leave `bind` out"],
        )
        .await;
    }
    for (bytes, parts) in
        [(&b""[..], &["the file is empty"][..]), (b"[\x9C\x01\xFF\0", &["unknown", "complete", "ffmpeg"])]
    {
        let junk = place.path().join("junk.mp4");
        std::fs::write(&junk, bytes).unwrap();
        says(&format!("-i {} -o null", junk.display()), 2, parts).await;
    }
}

#[tokio::test]
async fn a_secret_is_never_said() {
    let (code, said) = fails("avgen c=avc -o rtmp://127.0.0.1:1/live/sesame-open:part2").await;
    assert_eq!(code, 2);
    assert!(!said.contains("sesame-open"), "{said}");
}

#[tokio::test]
async fn a_port_in_use_stops_the_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let other = Ingest::start(Behaviour::Good).await;
    says(
        &format!("avgen c=avc c=aac -o {} -o rtmp://127.0.0.1:{port}/live:gpac:rtmp_listen=1", other.url("live/k")),
        1,
        &[&port.to_string(), "another program has this port"],
    )
    .await;
    // Nothing was half-started.
    assert_eq!(other.state.look(|state| state.connections()), 0);
}

#[tokio::test]
async fn missing_and_unreadable_media_are_named() {
    let folder = folder();
    let missing = folder.path().join("nothing-here.flv");
    let out = format!("rtmp://127.0.0.1:{}/live/k", free_port());
    says(&format!("-i {} -o {out}", missing.display()), 2, &["nothing-here.flv"]).await;
    let garbage = folder.path().join("garbage.flv");
    std::fs::write(&garbage, vec![0x5a; 100_000]).unwrap();
    says(&format!("-i {} -o {out}", garbage.display()), 2, &["garbage.flv"]).await;
}

#[tokio::test]
async fn a_codec_that_flv_cannot_carry_is_named_with_the_mend_once() {
    let Some(ffmpeg) = find(Peer::Ffmpeg) else { return };
    let folder = folder();
    for (name, codecs, parts) in [
        ("picture.mkv", "-c:v mjpeg -c:a aac", ["mjpeg", "vcodec=libx264"]),
        ("sound.mkv", "-c:v flv1 -c:a flac", ["flac", "acodec=aac"]),
        ("both.webm", "-c:v libvpx -c:a libvorbis", ["vp8", "vcodec=libx264"]),
    ] {
        let media = folder.path().join(name);
        let made = std::process::Command::new(&ffmpeg.path)
            .args("-v error -nostdin -f lavfi -i testsrc2=s=64x64:d=1 -f lavfi -i sine=d=1".split(' '))
            .args(codecs.split(' '))
            .arg(&media)
            .status();
        assert!(made.unwrap().success(), "{name}");
        let (code, said) = fails(&format!("-i {} -o null", media.display())).await;
        assert_eq!(code, 1, "{said}");
        let problems: Vec<_> = said.lines().filter(|line| line.contains("error") || line.contains("warning")).collect();
        let [problem] = problems.as_slice() else { panic!("{said}") };
        assert_eq!(problem.matches(name).count(), 1, "{problem}");
        assert!(parts.iter().all(|part| problem.contains(part)), "{problem}");
    }
    Peer::Ffmpeg.ran();
}

#[tokio::test]
async fn habits_of_ffmpeg_get_a_hint() {
    // What does nothing here is accepted with one warning.
    let mut program = outflow("-re avgen c=avc c=aac -c copy -o null").start();
    program.wait_for_line("`-re`").await;
    program.wait_for_line("`-c`").await;
    program.interrupt().await;
}
