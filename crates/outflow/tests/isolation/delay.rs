//! The delay to each destination: 75 ms more each way on one output's link are 150 ms more for it and nothing for the
//! others; a receiver that stops reading is told as that within seconds.

use std::time::Duration;

use outflow_testkit::ingest::{Behaviour, Ingest, Setup};
use outflow_testkit::media::Clip;
use outflow_testkit::proc::{Child, Command};
use outflow_testkit::tls::Authority;
use outflow_testkit::tun::{Path, TunLink};
use outflow_testkit::wait::{DEADLINE, until};

use crate::said;

const EACH_WAY: Duration = Duration::from_millis(75);
/// How far from twice that the difference may be, and how much the others may differ.
const NEAR: i64 = 15;
const SECONDS: u32 = 14;
/// The peer's window is full within this time of its stop, with what both kernels hold at the stream's rate.
const SEEN: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_longer_way_is_a_longer_delay_of_that_output_alone() {
    let links = (TunLink::start(1), TunLink::start(2), TunLink::start(3), TunLink::start(4));
    let (Some(short), Some(long), Some(other), Some(another)) = links else { return };
    long.set(|paths| {
        let path = Path { delay: EACH_WAY, ..Path::default() };
        (paths.up, paths.down) = (path, path);
    });
    let file = Clip::small(SECONDS).file().await;
    // The same at the same time, over a link that delays and over one that does not.
    let (before, after) = tokio::join!(run(&file, &short, &other), run(&file, &long, &another));
    println!("p50 without and with 75 ms each way: {before:?}, {after:?}");
    let rise = after.far - before.far;
    assert!((rise - 150).abs() <= NEAR, "{before:?} became {after:?}");
    assert!((after.near - before.near).abs() <= NEAR, "{before:?} became {after:?}");
    assert!((after.here - before.here).abs() <= NEAR, "{before:?} became {after:?}");
}

/// Medians in milliseconds.
#[derive(Debug)]
struct Delays {
    far: i64,
    near: i64,
    here: i64,
}

async fn run(file: &std::path::Path, link: &TunLink, undisturbed: &TunLink) -> Delays {
    let far = Setup::new([Behaviour::Good]).at(link.server()).start().await;
    let near = Setup::new([Behaviour::Good]).at(undisturbed.server()).start().await;
    let here = Ingest::start(Behaviour::Good).await;
    let mut program = Command::new(env!("CARGO_BIN_EXE_outflow")).line("-json -drain=1 -i").arg(file);
    for (name, url) in
        [("far", link.url(&far, "live/k")), ("near", undisturbed.url(&near, "live/k")), ("here", here.url("live/k"))]
    {
        program = program.arg("-o").arg(format!("{url}:gpac:name={name}"));
    }
    let mut program = program.start();
    program.wait_exit_within(Duration::from_secs(u64::from(SECONDS)) + DEADLINE).await;
    let median = |output: &str| {
        let told = said::values(&program, output, "delay_ms");
        let last = told.iter().filter_map(|delay| delay["p50"].as_i64()).next_back();
        last.unwrap_or_else(|| panic!("{output}: {told:?}"))
    };
    Delays { far: median("far"), near: median("near"), here: median("here") }
}

#[tokio::test]
async fn a_receiver_that_stops_reading_is_told_as_that() {
    // It takes two seconds of the stream, then nothing; its kernel holds little.
    let clip = Clip { bits: 2_000_000, ..Clip::small(20) };
    let file = clip.file().await;
    let stops = Setup::new([Behaviour::StopReading(500_000)]).receive_buffer(64 << 10).start().await;
    let good = Ingest::start(Behaviour::Good).await;
    let program = Command::new(env!("CARGO_BIN_EXE_outflow")).line("-json -drain=1 -i").arg(&file);
    let program = program.arg("-o").arg(format!("{}:gpac:name=stops", stops.url("live/k")));
    let program = program.arg("-o").arg(format!("{}:gpac:name=good", good.url("live/k"))).start();
    until("bytes stopped leaving", || {
        let ages = said::figures(&program, "stops", "last_byte_age_ms");
        let sent = said::figures(&program, "stops", "unacked_bytes");
        !sent.is_empty() && ages.iter().any(|age| *age >= 1000)
    })
    .await;
    let closed = closed(&program, "stops");
    let age = said::figures(&program, "stops", "last_byte_age_ms").last().copied().unwrap_or_default();
    assert!(closed.contains(&true), "no mark though the last byte is {age} ms old");
    assert!(Duration::from_millis(age) < SEEN + Duration::from_secs(1), "{age} ms");
    assert!(said::figures(&program, "stops", "unsent_bytes").last().is_some_and(|unsent| *unsent > 0));
    assert!(!self::closed(&program, "good").contains(&true));
    until("stalled", || said::now(&program).get("stops").is_some_and(|state| state != "live")).await;
}

#[tokio::test]
async fn through_tls_there_is_a_delay_too() {
    let authority = Authority::new();
    let secure = Setup::new([Behaviour::Good]).tls(&authority.identity(&["localhost"])).start().await;
    let program =
        Command::new(env!("CARGO_BIN_EXE_outflow")).line("-json -drain=1 -i").arg(Clip::small(20).file().await);
    let trust = authority.path().display();
    let program = program.arg("-o").arg(format!("{}:gpac:ca={trust}:name=secure", secure.url("live/k"))).start();
    until("a delay", || said::values(&program, "secure", "delay_ms").iter().any(|delay| delay["p50"].is_u64())).await;
    until("a round-trip time", || said::values(&program, "secure", "rtt_ms").iter().any(|rtt| rtt.is_f64())).await;
    let told = said::values(&program, "secure", "delay_ms");
    let last = told.iter().filter_map(|delay| delay["p50"].as_u64()).next_back();
    assert!(last.is_some_and(|millis| millis < 100), "{told:?}");
}

fn closed(program: &Child, output: &str) -> Vec<bool> {
    said::values(program, output, "delay_ms").iter().filter_map(|delay| delay["window_closed"].as_bool()).collect()
}
