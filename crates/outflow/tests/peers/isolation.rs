//! At a constant 20 Mb/s: a destination that stops reading, one that refuses, one that is mute and one whose name never
//! resolves leave the healthy one alone, cost bounded memory, and come back by themselves.

use std::time::{Duration, Instant};

use outflow_testkit::compare::{compare, holes_end_at_key_frames, monotonic};
use outflow_testkit::ingest::{Behaviour, Ingest, Refusing, Stage};
use outflow_testkit::media::Clip;
use outflow_testkit::peers::{self, Nginx, Peer};
use outflow_testkit::resolver::Hanging;
use outflow_testkit::wait::until;

use crate::help::{decodes, decodes_file, read};

/// How much longer the healthy destination may wait for a packet than it does undisturbed.
const LONGEST_GAP: Duration = Duration::from_millis(500);

async fn isolation(clip: Clip, stopped_for: Duration) {
    let (Some(ffmpeg), Some(nginx)) = (peers::find(Peer::Ffmpeg), peers::find(Peer::NginxRtmp)) else { return };
    let file = clip.file().await;
    let source = clip.tags().await;
    let mut stops = Nginx::start(&nginx).await;
    let healthy = Ingest::start(Behaviour::Good).await;
    let refuses = Refusing::new();
    let mute = Ingest::start(Behaviour::Mute(Stage::Accept)).await;
    let resolver = Hanging::start();

    let mut program = resolver
        .command(env!("CARGO_BIN_EXE_outflow"))
        .arg("-i")
        .arg(&file)
        .line(&format!("-o {}:gpac:name=stops -o {}:gpac:name=refuses", stops.url("k"), refuses.url("live/k")))
        .line(&format!("-o {}:gpac:name=mute -o rtmp://nowhere.example/live/k:gpac:name=nowhere", mute.url("live/k")))
        .line(&format!("-o {}:gpac:name=healthy", healthy.url("live/k")))
        .start();

    // Undisturbed at first: three seconds, and the destination that will stop records already.
    healthy.wait_for_media(0, clip.messages(3)).await;
    let stopped_file = stops.recordings("k").pop().expect("nginx records");
    until("the recording grows", || std::fs::metadata(&stopped_file).is_ok_and(|file| file.len() > 2_000_000)).await;
    let resident = program.resident();
    healthy.state.update(|state| state.sessions[0].restart_gap());

    stops.child.stop();
    let since = Instant::now();
    let mut most = resident;
    while since.elapsed() < stopped_for {
        tokio::time::sleep(Duration::from_millis(200)).await;
        most = most.max(program.resident());
    }
    let gap = healthy.session(0).gap_until_now();
    let recorded = std::fs::metadata(&stopped_file).unwrap().len();
    stops.child.resume();
    assert!(gap <= LONGEST_GAP, "the healthy destination got nothing for {gap:?}");
    // What is kept for the stopped one is bounded by the largest lag, 4 s, and the group of pictures it began in.
    let bound = u64::from(clip.bits) / 8 * u64::from(4 + clip.group) + 8_000_000;
    assert!(most - resident < bound, "memory grew from {resident} to {most} bytes, {bound} are the bound");

    // It comes back by itself, in the same recording or in a new one.
    until("the stopped one comes back", || {
        let files = stops.recordings("k");
        files.len() > 1 && std::fs::metadata(files.last().unwrap()).unwrap().len() > 2_000_000
            || std::fs::metadata(&files[0]).unwrap().len() > recorded + 8_000_000
    })
    .await;
    // The file ends, and with it the healthy destination's publication: every packet of the source arrived.
    let rest = Duration::from_secs(u64::from(clip.seconds)) + outflow_testkit::wait::DEADLINE;
    healthy.state.wait_within(rest, "the end of the push", |state| (state.open == 0).then_some(())).await;
    let session = healthy.session(0);
    assert_eq!(healthy.state.look(|state| state.connections()), 1, "the healthy push was not one connection");
    let found = compare(&source, &session.tags()).unwrap();
    // From its first key frame on: a push begins at the next one once it is accepted.
    let frames = source[found.begins_at..].iter().filter(|tag| tag.is_frame()).count();
    assert!((found.video + found.audio) * 100 >= frames * 99, "{found:?} of {frames} frames");
    assert!(mute.state.look(|state| state.connections()) >= 1, "the mute destination was never tried");
    assert!(!resolver.hangs() || resolver.was_asked(), "the name was never looked up");
    decodes(&session.tags(), "healthy").await;
    let program_said = program.text();
    program.interrupt().await;
    stops.child.interrupt().await;
    for recording in stops.recordings("k") {
        let tags = read(&recording);
        monotonic(&tags).unwrap();
        holes_end_at_key_frames(&source, &tags)
            .unwrap_or_else(|why| panic!("{}: {why}; {program_said}", recording.display()));
        decodes_file(&ffmpeg, &recording).await;
    }
    Peer::NginxRtmp.ran();
}

#[tokio::test]
async fn isolation_at_20_megabits() {
    isolation(Clip::heavy(20, 2), Duration::from_secs(7)).await;
}

#[tokio::test]
#[ignore = "a minute: scripts/test-long"]
async fn isolation_at_20_megabits_for_40_seconds() {
    isolation(Clip::heavy(60, 2), Duration::from_secs(40)).await;
}

#[tokio::test]
#[ignore = "a minute and a half: scripts/test-long"]
async fn isolation_at_20_megabits_in_long_groups() {
    isolation(Clip::heavy(90, 12), Duration::from_secs(40)).await;
}
