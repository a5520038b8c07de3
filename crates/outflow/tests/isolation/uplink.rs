//! One uplink that is too small for all: the lowest priority yields, and the others get every frame. Where all are equal, or
//! it is not the uplink but one destination, nobody yields, or not for long.

use std::time::Duration;

use outflow_testkit::compare::{compare, holes_end_at_key_frames, monotonic};
use outflow_testkit::flv::{self, Tag};
use outflow_testkit::free_port;
use outflow_testkit::ingest::{Behaviour, Ingest, Session};
use outflow_testkit::media::made_up;
use outflow_testkit::peers::{self, Peer};
use outflow_testkit::player::Player;
use outflow_testkit::proc::{Child, Command};
use outflow_testkit::proxy::{Line, Proxy};
use outflow_testkit::shaped::ShapedLink;
use outflow_testkit::wait::{DEADLINE, until};

use crate::said;

/// Frames a second.
const RATE: u32 = 25;
/// 4.1 Mb/s with sound and headers.
const FRAME: usize = 20_000;
/// 9.4 Mb/s carry two of them.
const TWO: Line = Line { bytes_per_second: 1_180_000, queue: Duration::from_millis(200) };

/// A stream of so many seconds.
fn stream(seconds: u32, group: u32) -> Vec<Tag> {
    made_up(RATE * seconds, group, FRAME)
}

/// The stream as a file in a folder of its own, and its words so far.
fn program(tags: &[Tag]) -> (tempfile::TempDir, Command) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stream.flv");
    std::fs::write(&path, flv::write(tags)).unwrap();
    let program = Command::new(env!("CARGO_BIN_EXE_outflow")).line("-json -drain=10s -i").arg(path);
    (folder, program)
}

fn frames(tags: &[Tag]) -> usize {
    tags.iter().filter(|tag| tag.kind == 9 && tag.is_frame()).count()
}

fn session(ingest: &Ingest, name: &str) -> Session {
    let of = |session: &&Session| session.published.as_deref() == Some(name);
    ingest.state.look(|state| state.sessions.iter().find(of).cloned().unwrap_or_else(|| panic!("no {name}")))
}

/// What was said of an output that yielded, in words.
fn said_of(program: &Child, text: &str) -> bool {
    program.output.look(|output| output.stdout.iter().any(|line| line.contains(text)))
}

fn is(program: &Child, output: &str, state: &str) -> bool {
    said::now(program).get(output).is_some_and(|now| now == state)
}

#[tokio::test]
async fn where_the_uplink_carries_two_of_three_the_lowest_yields_and_the_others_get_every_frame() {
    let source = stream(40, RATE);
    let (_folder, mut program) = program(&source);
    let ingest = Ingest::start(Behaviour::Good).await;
    let uplink = Proxy::start_narrow(ingest.address()).await;
    uplink.set(|link| link.up.line = Some(TWO));
    for name in ["low", "normal", "high"] {
        let url = format!("rtmp://{}/live/{name}:gpac:name={name}:priority={name}:max_lag=4s", uplink.address());
        program = program.arg("-o").arg(url);
    }
    let mut program = program.start();
    until("the lowest yields", || is(&program, "low", "yielding")).await;
    let well = |name| said::figures(&program, name, "lag_millis").last().is_some_and(|lag| *lag < 300);
    until("the others are well", || well("high") && well("normal")).await;
    assert!(is(&program, "low", "yielding"), "while the uplink is too small");
    uplink.heal();
    until("it is live again", || is(&program, "low", "live")).await;
    let rest = Duration::from_secs(40) + DEADLINE;
    assert_eq!(program.wait_exit_within(rest).await, 0, "{}", program.text());

    for name in ["high", "normal"] {
        let found = compare(&source, &session(&ingest, name).tags()).unwrap();
        assert_eq!(found.video, frames(&source), "{name}: {found:?}");
        assert_eq!(said::figures(&program, name, "skips").last(), Some(&0), "{name}");
    }
    let low = session(&ingest, "low").tags();
    monotonic(&low).unwrap();
    let holes = holes_end_at_key_frames(&source, &low).unwrap();
    let skips = said::figures(&program, "low", "skips").last().copied().unwrap();
    assert_eq!(skips, holes as u64, "every hole is a skip that was counted");
    assert!(holes > 0);
    assert_eq!(low.last().map(|tag| &tag.body), source.last().map(|tag| &tag.body), "live up to the end");
    let told = &said::states(&program)["low"];
    let why: Vec<_> = told.iter().filter(|it| it.state == "yielding").map(|it| it.reason.as_deref()).collect();
    assert!(!why.is_empty() && why.iter().all(|why| *why == Some("uplink")), "{told:?}");
    let reason = ["high", "normal"].map(|name| format!("yielded to {name}: the uplink is too small"));
    assert!(reason.iter().any(|reason| said_of(&program, reason)), "the skip says why: {}", program.text());
    println!("{} of {} frames came to the lowest, in {} pieces; {told:?}", frames(&low), frames(&source), holes + 1);
}

#[tokio::test]
async fn among_equals_nobody_yields_though_all_stay_behind() {
    let (_folder, mut program) = program(&stream(30, RATE));
    let ingest = Ingest::start(Behaviour::Good).await;
    let uplink = Proxy::start_narrow(ingest.address()).await;
    uplink.set(|link| link.up.line = Some(TWO));
    for name in ["a", "b", "c"] {
        program = program.arg("-o").arg(format!("rtmp://{}/live/{name}:gpac:name={name}:max_lag=2s", uplink.address()));
    }
    let program = program.start();
    until("each has skipped", || {
        ["a", "b", "c"].iter().all(|name| said::figures(&program, name, "skips").last().is_some_and(|skips| *skips > 0))
    })
    .await;
    let told = said::states(&program);
    assert!(told.values().flatten().all(|it| it.state != "yielding"), "{told:?}");
}

#[tokio::test]
async fn a_destination_that_is_slow_by_itself_does_not_silence_the_others() {
    let source = stream(20, RATE);
    let (_folder, mut program) = program(&source);
    let ingest = Ingest::start(Behaviour::Good).await;
    let slow = Proxy::start_narrow(ingest.address()).await;
    slow.set(|link| link.up.bytes_per_second = Some(150_000));
    for (name, address) in [("high", slow.address()), ("normal", ingest.address()), ("low", ingest.address())] {
        program =
            program.arg("-o").arg(format!("rtmp://{address}/live/{name}:gpac:name={name}:priority={name}:max_lag=4s"));
    }
    let mut program = program.start();
    until("it was found out", || said_of(&program, "high was no faster for it")).await;
    until("it goes on", || is(&program, "low", "live")).await;
    let rest = Duration::from_secs(20) + DEADLINE;
    program.wait_exit_within(rest).await;
    let found = compare(&source, &session(&ingest, "normal").tags()).unwrap();
    assert_eq!(found.video, frames(&source), "{found:?}");
    let low = session(&ingest, "low");
    let told = &said::states(&program)["low"];
    assert_eq!(told.iter().filter(|it| it.state == "yielding").count(), 1, "{told:?}");
    // What is measured takes under 3 s, then the next key frame is waited for.
    assert!(low.longest_gap < Duration::from_secs(6), "silent for {:?}", low.longest_gap);
    println!("the lowest was silent for {:?}; {told:?}", low.longest_gap);
}

#[tokio::test]
async fn players_yield_together_keep_their_connections_and_go_on_at_key_frames() {
    let source = stream(14, RATE);
    let (_folder, mut program) = program(&source);
    let ingest = Ingest::start(Behaviour::Good).await;
    let slow = Proxy::start_narrow(ingest.address()).await;
    slow.set(|link| link.up.bytes_per_second = Some(150_000));
    program = program.arg("-o").arg(format!("rtmp://{}/live/high:gpac:name=high:priority=high", slow.address()));
    let url = format!("rtmp://127.0.0.1:{}/live", free_port());
    let mut program = program.arg("-o").arg(format!("{url}:gpac:rtmp_listen=1:name=viewers:priority=lowest")).start();
    program.wait_for_line("\"event\":\"listening\"").await;
    let url = format!("{url}/x");
    let players = [Player::connect(&url).await.unwrap(), Player::connect(&url).await.unwrap()];
    until("they yield", || is(&program, "viewers", "yielding")).await;
    until("they go on", || is(&program, "viewers", "live")).await;
    program.wait_exit_within(Duration::from_secs(14) + DEADLINE).await;
    for player in &players {
        let tags = player.tags();
        monotonic(&tags).unwrap();
        assert_eq!(holes_end_at_key_frames(&source, &tags).unwrap(), 1);
        assert_eq!(tags.last().map(|tag| &tag.body), source.last().map(|tag| &tag.body), "live up to the end");
    }
    assert!(said_of(&program, "yielded to high: the uplink is too small"), "the skips say why");
}

#[tokio::test]
#[ignore = "two minutes: scripts/test-long"]
async fn a_shaped_link_carries_two_of_three_to_ffmpeg_for_two_minutes() {
    for priorities in [true, false] {
        let (Some(ffmpeg), Some(link)) = (peers::find(Peer::Ffmpeg), ShapedLink::start("9500kbit")) else { return };
        let source = stream(60, RATE);
        let (folder, mut program) = program(&source);
        let mut receivers = Vec::new();
        for (port, name) in [(1941, "low"), (1942, "normal"), (1943, "high")] {
            let url = format!("rtmp://{}/live/{name}", link.far(port));
            let out = folder.path().join(format!("{name}.flv"));
            let receiver = link.program(&ffmpeg.path).line("-nostdin -y -v fatal -listen 1 -i").arg(&url);
            receivers.push((receiver.line("-map 0:v -map 0:a -c copy -f flv").arg(&out).start(), name, out));
            let priority = if priorities { format!(":priority={name}") } else { String::new() };
            program = program.arg("-o").arg(format!("{url}:gpac:name={name}{priority}:max_lag=4s:retry=200ms"));
        }
        let mut program = program.start();
        program.wait_exit_within(Duration::from_secs(60) + DEADLINE).await;
        println!("9.5 Mb/s for three of 4.1 Mb/s, priorities {priorities}:");
        for (receiver, name, out) in &mut receivers {
            receiver.wait_exit_within(DEADLINE).await;
            let tags = flv::read_file(out).unwrap();
            let skips = said::figures(&program, name, "skips").last().copied();
            let lag = said::figures(&program, name, "lag_millis").into_iter().max();
            let told = said::states(&program).remove(*name).unwrap_or_default();
            let told: Vec<String> = told.into_iter().map(|it| it.state).collect();
            let times: Vec<u32> =
                tags.iter().filter(|tag| tag.kind == 9 && tag.is_frame()).map(|tag| tag.time).collect();
            let there = times.last().unwrap().abs_diff(times[0]) as usize * RATE as usize / 1000 + 1;
            println!(
                "  {name}: {} of {there} frames from its first on, {skips:?} skips, lag at most {lag:?} ms; {}",
                times.len(),
                told.join(" ")
            );
            if priorities && *name != "low" {
                assert_eq!((times.len(), skips), (there, Some(0)), "{name}");
            }
        }
        let yields = said::states(&program)["low"].iter().filter(|it| it.state == "yielding").count();
        assert_eq!(yields > 0, priorities);
    }
    Peer::Ffmpeg.ran();
}
