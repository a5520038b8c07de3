//! Sources that read from other processes: named pipes, and children in the place of `ffmpeg`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use outflow::error::{Ended, Reason, Retry};
use outflow::media::Kind;
use outflow::source::{ffmpeg, file, pipe};
use outflow_rtmp::flv::{TagKind, write_header, write_tag};
use outflow_testkit::peers::{Peer, find};
use outflow_testkit::proc;
use rustix::process::Signal;
use support::run;

const DEADLINE: Duration = Duration::from_secs(30);

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

#[test]
fn every_recorded_stream_passes_byte_for_byte() {
    for name in ["avc_flac.flv", "h263.flv", "hevc_opus.flv", "mt.flv", "tiny.flv"] {
        let path = data(name);
        let (ended, kept) = run(&file::KIND, path.to_str().unwrap(), &[]);
        assert!(ended.is_clean(), "{name}: {ended:?}");
        assert_eq!(*kept.clean.lock().unwrap(), Some(true));
        let tags = outflow_testkit::flv::read_file(&path).unwrap();
        let packets = kept.packets.lock().unwrap();
        let bodies: Vec<_> = tags.iter().filter(|tag| !tag.body.is_empty()).map(|tag| &tag.body).collect();
        assert!(bodies.len() > 8 && packets.iter().map(|packet| &packet.body).eq(bodies), "{name}: the bodies differ");
        let times = tags.iter().filter(|tag| !tag.body.is_empty()).map(|tag| i64::from(tag.time));
        assert!(packets.iter().map(|packet| packet.dts).eq(times), "{name}: the times differ");
        let keys = packets.iter().filter(|packet| packet.flags.keyframe).count();
        assert!(keys > 0, "{name}: no key frame is seen");
    }
}

#[test]
fn a_named_pipe_is_read_to_the_end_of_its_writer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("live");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let to = path.clone();
    let writer = std::thread::spawn(move || {
        let bytes = std::fs::read(data("tiny.flv")).unwrap();
        let mut pipe = std::fs::OpenOptions::new().write(true).open(to).unwrap();
        bytes.chunks(100).for_each(|piece| pipe.write_all(piece).unwrap());
    });
    let (ended, kept) = run(&pipe::KIND, path.to_str().unwrap(), &[]);
    writer.join().unwrap();
    assert!(ended.is_clean(), "{ended:?}");
    let (_, whole) = run(&file::KIND, data("tiny.flv").to_str().unwrap(), &[]);
    assert_eq!(kept.packets.lock().unwrap().len(), whole.packets.lock().unwrap().len());
}

#[test]
fn a_pipe_that_breaks_off_or_babbles_is_an_error_with_its_place() {
    for (bytes, said) in [
        (std::fs::read(data("tiny.flv")).unwrap()[..1500].to_vec(), "ends inside"),
        (vec![0x47; 1000], "MPEG transport stream"),
        (b"Usage: encoder [options]\n".to_vec(), "text"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("live");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let to = path.clone();
        let writer = std::thread::spawn(move || std::fs::write(to, bytes));
        let (ended, _) = run(&pipe::KIND, path.to_str().unwrap(), &[]);
        let _ = writer.join().unwrap();
        assert_eq!((ended.reason, ended.retry), (Reason::Media, Retry::Never), "{ended:?}");
        assert!(ended.text.contains(said), "{} does not say {said}", ended.text);
    }
}

/// Runs a shell script in the place of `ffmpeg`.
fn with_script(script: &str, word: &str, timeout: &str) -> (Ended, usize, Duration) {
    ffmpeg::guard_with(env!("CARGO_BIN_EXE_outflow").into());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ffmpeg");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let begin = Instant::now();
    let (ended, kept) = run(&ffmpeg::KIND, word, &[("ffmpeg", path.to_str().unwrap()), ("timeout", timeout)]);
    let count = kept.packets.lock().unwrap().len();
    // What the outputs are told: only a clean end closes them.
    assert_eq!(*kept.clean.lock().unwrap(), (count > 0).then_some(ended.is_clean()));
    (ended, count, begin.elapsed())
}

const WORD: &str = "srt://127.0.0.1:9/x?passphrase=topsecret";

#[test]
fn a_child_that_ends_well_is_a_clean_end() {
    let flv = data("tiny.flv");
    let (ended, count, _) = with_script(&format!("cat {}", flv.display()), WORD, "15s");
    assert!(ended.is_clean(), "{ended:?}");
    assert!(count > 8);
}

#[test]
fn a_child_that_fails_is_retried_and_quoted_without_secrets() {
    let flv = data("tiny.flv");
    // Its arguments hold the whole URL: it says them, as ffmpeg does.
    let script = format!("cat {}; echo \"first line\" >&2; echo \"$*: Input/output error\" >&2; exit 1", flv.display());
    let (ended, count, _) = with_script(&script, WORD, "15s");
    assert_eq!((ended.reason, ended.retry), (Reason::Child, Retry::Backoff), "{ended:?}");
    assert!(ended.text.contains("exit status: 1") && ended.text.contains("Input/output error"), "{}", ended.text);
    assert!(!ended.text.contains("topsecret"), "{}", ended.text);
    assert!(count > 8, "what came before is not lost");
    let (ended, ..) = with_script("kill -9 $$", WORD, "15s");
    assert_eq!(ended.reason, Reason::Child);
    assert!(ended.text.contains("signal: 9"), "{}", ended.text);
}

#[test]
fn only_faults_that_stay_are_not_retried() {
    let media = (Reason::Media, Retry::Never);
    let child = (Reason::Child, Retry::Backoff);
    let flv = data("tiny.flv");
    let codec = "echo '[flv @ 0x55d0] Video codec vp8 not compatible with flv' >&2; exit 1";
    let here = flv.to_str().unwrap();
    for (script, word, fate, said) in [
        (codec.to_owned(), WORD, media, "video codec vp8"),
        // What is said once media flows tells nothing of another attempt.
        (format!("cat {here}; {codec}"), WORD, child, "vp8"),
        ("echo \"$*: Protocol not found\" >&2; exit 8".to_owned(), WORD, media, "ffmpeg -protocols"),
        ("echo \"Unknown encoder 'x'\" >&2; exit 1".to_owned(), WORD, media, "ffmpeg -encoders"),
        ("echo 'Invalid data found' >&2; exit 183".to_owned(), WORD, child, "Invalid data"),
        ("echo 'Invalid data found' >&2; exit 183".to_owned(), here, media, "Invalid data"),
        ("echo 'Permission denied' >&2; exit 1".to_owned(), here, media, "Permission denied"),
        ("echo 'Connection refused' >&2; exit 145".to_owned(), WORD, child, "Connection refused"),
        ("kill -9 $$".to_owned(), here, child, "signal: 9"),
        ("exec /nowhere/ffmpeg".to_owned(), WORD, media, "/nowhere/ffmpeg"),
    ] {
        let (ended, ..) = with_script(&script, word, "15s");
        assert_eq!((ended.reason, ended.retry), fate, "{script}: {ended:?}");
        assert!(ended.text.contains(said) && !ended.text.contains("topsecret"), "{script}: {}", ended.text);
    }
}

#[test]
fn a_child_that_babbles_is_ended() {
    let (ended, count, _) = with_script("while :; do echo this is no media; done", WORD, "15s");
    assert_eq!((ended.reason, ended.retry, count), (Reason::Child, Retry::Backoff, 0), "{ended:?}");
    assert!(ended.text.contains("is no media") && ended.text.contains("text"), "{}", ended.text);
}

#[test]
fn a_child_that_writes_zeros_or_empty_tags_is_ended() {
    let flv = data("tiny.flv").display().to_string();
    let begin = format!("head -c 13 {flv}");
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty");
    // Audio tags without a body, each well formed.
    std::fs::write(&empty, b"\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\x0b".repeat(100_001)).unwrap();
    let empty = format!("{begin}; cat {}; exec sleep 600", empty.display());
    for (script, media, said) in [
        (format!("{begin}; exec cat /dev/zero"), false, "no type that FLV has"),
        (format!("cat {flv}; exec cat /dev/zero"), true, "no type that FLV has"),
        (empty, false, "have nothing in them"),
    ] {
        let (ended, count, _) = with_script(&script, WORD, "60s");
        assert_eq!((ended.reason, ended.retry), (Reason::Child, Retry::Backoff), "{script}: {ended:?}");
        assert!(ended.text.contains(said) && ended.text.contains("byte "), "{script}: {}", ended.text);
        assert_eq!(count > 0, media, "{script}");
    }
}

#[test]
fn a_child_that_hangs_is_ended() {
    // The exec makes the sleeper the child itself, which holds the pipe.
    let (ended, _, took) = with_script("echo what it said >&2; exec sleep 600", WORD, "300ms");
    assert_eq!((ended.reason, ended.retry), (Reason::Child, Retry::Backoff), "{ended:?}");
    assert!(ended.text.contains("gave nothing for") && ended.text.contains("what it said"), "{}", ended.text);
    assert!(took < DEADLINE, "it took {took:?}");
}

#[test]
fn the_real_ffmpeg_opens_what_we_do_not() {
    ffmpeg::guard_with(env!("CARGO_BIN_EXE_outflow").into());
    let Some(found) = find(Peer::Ffmpeg) else {
        assert!(std::env::var_os("OUTFLOW_SKIP_PEERS").is_some(), "install FFmpeg, or set OUTFLOW_SKIP_PEERS=1");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mkv = folder.path().join("x: 'y.mkv");
    let made = Command::new(&found.path)
        .args(["-loglevel", "error", "-nostdin", "-i"])
        .arg(data("tiny.mp4"))
        .args(["-c", "copy"])
        .arg(&mkv)
        .status();
    assert!(made.unwrap().success());
    let (ended, kept) = run(&ffmpeg::KIND, mkv.to_str().unwrap(), &[]);
    assert!(ended.is_clean(), "{ended:?}");
    let frames = |kept: &support::Kept| {
        let packets = kept.packets.lock().unwrap();
        packets.iter().filter(|packet| packet.kind == Kind::Video && !packet.flags.header).count()
    };
    let (_, direct) = run(&file::KIND, data("tiny.mp4").to_str().unwrap(), &[]);
    // One more: FFmpeg ends the sequence of H.264 with a tag of its own.
    assert_eq!(frames(&kept), frames(&direct) + 1);
    let (ended, _) = run(&ffmpeg::KIND, data("sources.none").with_file_name("h263.flv").to_str().unwrap(), &[]);
    assert!(ended.is_clean(), "{ended:?}");
    std::fs::write(&mkv, b"this is no Matroska").unwrap();
    let (ended, _) = run(&ffmpeg::KIND, mkv.to_str().unwrap(), &[]);
    assert_eq!((ended.reason, ended.retry), (Reason::Media, Retry::Never));
    assert!(ended.text.contains("Invalid data found"), "{}", ended.text);
    Peer::Ffmpeg.ran();
}

#[test]
fn a_failure_that_ffmpeg_hides_is_told() {
    let flv = data("tiny.flv").display().to_string();
    let words = "echo 'srt://127.0.0.1:9/x?passphrase=topsecret: partial file' >&2";
    // Metadata and sequence headers, as a muxer writes them before its first frame, and its end of a sequence without one.
    let folder = tempfile::tempdir().unwrap();
    let metadata = folder.path().join("metadata.flv");
    let mut bytes = bytes::BytesMut::new();
    write_header(&mut bytes, true, true);
    let tags = outflow_testkit::flv::read_file(&data("tiny.flv")).unwrap();
    let headers: Vec<_> = tags.iter().filter(|tag| !tag.is_frame()).collect();
    assert!(headers.len() >= 3, "{headers:?}");
    for tag in headers {
        write_tag(&mut bytes, TagKind::from_number(tag.kind), tag.time, &tag.body).unwrap();
    }
    write_tag(&mut bytes, TagKind::Video, 0, &[0x17, 2, 0, 0, 0]).unwrap();
    std::fs::write(&metadata, &bytes).unwrap();
    let metadata = metadata.display();

    for written in [String::new(), format!("cat {metadata}; "), format!("head -c 13 {flv}; ")] {
        let (ended, ..) = with_script(&format!("{written}{words}; exit 0"), WORD, "15s");
        assert_eq!((ended.reason, ended.retry), (Reason::Child, Retry::Backoff), "{written}: {ended:?}");
        assert!(ended.text.contains("without any media") && ended.text.contains("partial file"), "{}", ended.text);
        assert!(!ended.text.contains("topsecret"), "{}", ended.text);
        // A file of this machine will be no better at the next attempt.
        let (ended, ..) = with_script(&format!("{written}{words}; exit 0"), &flv, "15s");
        assert_eq!((ended.reason, ended.retry), (Reason::Media, Retry::Never), "{written}: {ended:?}");
        assert!(ended.text.contains("partial file"), "{}", ended.text);
    }
    let (ended, ..) = with_script(&format!("cat {metadata}"), WORD, "15s");
    assert_eq!(ended.reason, Reason::Child, "nothing was said, and nothing played: {ended:?}");
}

/// The program with these words, until it ends; what it wrote to standard error.
fn program(words: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_outflow")).args(words).stdin(Stdio::null()).output().unwrap();
    format!("{}{:?}", String::from_utf8_lossy(&output.stderr), output.status.code())
}

#[test]
fn errors_that_ffmpeg_ended_well_with_are_warnings() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ffmpeg");
    let script = format!("#!/bin/sh\ncat {}\necho 'File ended prematurely' >&2\n", data("tiny.flv").display());
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let word = format!("udp://127.0.0.1:9:gpac:ffmpeg={}", path.display());
    let said = program(&["-i", &word, "reframer:rt=off", "-o", "null"]);
    assert!(said.contains("warning") && said.contains("had said: File ended prematurely"), "{said}");
    assert!(said.ends_with("Some(0)"), "{said}");
}

#[test]
fn an_output_that_never_was_live_names_what_its_input_met() {
    // A port that nobody listens on: it is bound, and given back.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let said = program(&["-runfor=700", "-i", &format!("rtmp://127.0.0.1:{port}/live/x"), "-o", "null"]);
    let line = said.lines().find(|line| line.contains("never was live")).unwrap_or_else(|| panic!("{said}"));
    assert!(line.contains("its input 127.0.0.1 failed: ") && line.contains("refused"), "{said}");
    assert!(said.ends_with("Some(1)"), "{said}");
}

/// True once a process is gone (a zombie is gone too).
fn is_gone(pid: u32) -> bool {
    !matches!(std::fs::read_to_string(format!("/proc/{pid}/stat")), Ok(stat) if !stat.contains(") Z "))
}

#[test]
fn a_guarded_child_dies_with_its_parent_however_that_dies() {
    // The shell stands for the program: it starts the guard, says who it is, and is killed where it stands.
    let script = format!("{} __exec-guard $$ sleep 600 & echo $!; wait", env!("CARGO_BIN_EXE_outflow"));
    let mut parent = Command::new("sh").args(["-c", &script]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(parent.stdout.take().unwrap()), &mut line).unwrap();
    let child: u32 = line.trim().parse().unwrap();
    let begin = Instant::now();
    // The guard has become the sleeper: before that there is nothing to be bound.
    while !std::fs::read_to_string(format!("/proc/{child}/comm")).is_ok_and(|name| name.trim() == "sleep") {
        assert!(begin.elapsed() < DEADLINE, "the guard never became the child");
        std::thread::yield_now();
    }
    parent.kill().unwrap();
    parent.wait().unwrap();
    while !is_gone(child) {
        assert!(begin.elapsed() < DEADLINE, "the child is still there after its parent was killed");
        std::thread::yield_now();
    }
}

#[test]
fn a_guard_whose_parent_is_gone_starts_nothing() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_outflow")).args(["__exec-guard", "1999999999", "echo", "started"]).output();
    let output = output.unwrap();
    assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
}

#[tokio::test]
async fn no_child_is_left_when_the_program_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ffmpeg");
    std::fs::write(&path, "#!/bin/sh\nexec sleep 600\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let word = format!("udp://127.0.0.1:9:gpac:ffmpeg={}", path.display());
    let mut program = proc::Command::new(env!("CARGO_BIN_EXE_outflow")).args(["-i", &word, "-o", "null"]).start();
    let begin = Instant::now();
    let child = loop {
        assert!(begin.elapsed() < DEADLINE && program.is_running(), "no child is started: {}", program.text());
        let comm =
            |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "sleep");
        match program.descendants().into_iter().find(comm) {
            Some(child) => break child,
            None => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    };
    // The program alone, not its process group: nobody but the kernel ends the child.
    program.signal(Signal::KILL);
    while !is_gone(child) {
        assert!(begin.elapsed() < DEADLINE, "the child is still there after the program was killed");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
