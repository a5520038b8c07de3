//! The proof: a live stream with twenty players, and three rounds of everything that hostile peers can do, at full speed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use outflow_testkit::aside::Aside;
use outflow_testkit::hostile::Tally;
use outflow_testkit::hostile::dial::assault;
use outflow_testkit::hostile::live::{Show, Viewer};
use outflow_testkit::wait::DEADLINE;

use crate::rig::{Serve, scene, seconds, seed};

const BITS: u32 = 6_000_000;
const PLAYERS: usize = 20;
/// Attackers at once, and as many that only stay.
const LANES: u64 = 48;
/// What the memory of the third round may be above that of the second: what an allocator does with its pages is not flat.
const MORE: f64 = 0.05;
const AT_LEAST: u64 = 2 << 20;

/// Deadlines that attackers run into within a round; shares of memory that hold the live stream's few seconds many times.
const FILE: &str = r#"
[limits]
handshake = "2s"
request = "2s"
idle = "5s"
message = "3s"
player_stall = "3s"
streams = 24
stream_bytes = "16m"
process_bytes = "128m"

[[stream]]
name = "live/*"
publish_key = "none"
"#;

#[tokio::test]
async fn players_miss_nothing_while_the_server_is_attacked() {
    rounds(Duration::from_secs(5)).await;
}

#[tokio::test]
#[ignore = "the long form"]
async fn players_miss_nothing_in_minutes_of_attacks() {
    rounds(seconds()).await;
}

/// Descriptors, without those of pumps that began because there was more to do: a runtime has four.
fn in_use(serve: &Serve) -> usize {
    serve.program.descriptors() - 4 * serve.program.threads_named("pump-")
}

async fn rounds(lasts: Duration) {
    let (seed, scene) = (seed(), scene());
    let mut serve = Serve::start(FILE, "").await;
    let url = serve.url("live/show");
    // On threads of their own: attackers that take all of a processor must not make them late.
    let (stage, seats) = (Aside::start(), Aside::start());
    let to = url.clone();
    let show = stage.run(async move { Show::publish(&to, BITS).await.unwrap() }).await;
    let viewers = seats
        .run(async move {
            let mut viewers = Vec::new();
            for _ in 0..PLAYERS {
                viewers.push(Viewer::connect(&url).await.unwrap());
            }
            viewers
        })
        .await;
    all_have_seen(&serve, &show, &viewers).await;
    let descriptors = in_use(&serve);
    let mut resident = Vec::new();
    // A pump that begins has memory of its own: the two rounds that are compared have the same.
    let mut pumps = Vec::new();
    let (mut settled, mut more) = (false, 0);
    for round in 0..6 {
        let (begin, cpu, tally) = (Instant::now(), serve.program.cpu(), Arc::<Tally>::default());
        let foes = Aside::start();
        let address = SocketAddr::from(([127, 0, 0, 1], serve.rtmp));
        let (scene, counted) = (scene.clone(), tally.clone());
        foes.run(async move { assault(address, scene, LANES, seed.wrapping_add(round), lasts, counted).await }).await;
        drop(foes);
        serve.is_well();
        let attacked = begin.elapsed();
        let frames = all_have_seen(&serve, &show, &viewers).await;
        let most = serve.program.resident();
        // Connections, and what their streams have left behind.
        let gone = Instant::now();
        while in_use(&serve) != descriptors {
            assert!(
                gone.elapsed() < DEADLINE,
                "{} descriptors in the place of {descriptors}; {} connections, {} half-open; {}",
                in_use(&serve),
                serve.figure("outflow_connections ").await,
                serve.figure("outflow_connections_half_open").await,
                story(&serve, &show)
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        while serve.figure("outflow_ring_bytes").await > 8e6 {
            assert!(begin.elapsed() < attacked + Duration::from_secs(60), "rings of streams without anybody stay");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(serve.figure("outflow_connections ").await, PLAYERS as f64 + 1.0);
        assert_eq!(serve.figure("outflow_connections_half_open").await, 0.0);
        resident.push(serve.program.resident());
        pumps.push(serve.program.threads_named("pump-"));
        let (connections, sent) = tally.figures();
        let refused = tally.refused.load(Ordering::Relaxed);
        println!(
            "round {}: {connections} connections ({refused} more could not be made), {:.1} MB sent, {:.1} MB back in {:.1} s; \
             {:.1} s CPU; each of {PLAYERS} players has {frames} frames or more; {:.1} MB resident right after, {:.1} MB once all \
             are gone; {descriptors} descriptors; {} more pumps",
            round + 1,
            sent as f64 / 1e6,
            tally.received.load(Ordering::Relaxed) as f64 / 1e6,
            attacked.as_secs_f64(),
            (serve.program.cpu() - cpu).as_secs_f64(),
            most as f64 / 1e6,
            resident[round as usize] as f64 / 1e6,
            pumps[round as usize],
        );
        assert!(connections > 500, "this was no attack");
        // What a pump that has just begun comes to need takes a round or two; what leaks grows in each.
        if round >= 2 {
            let (before, after) = (resident[round as usize - 1], resident[round as usize]);
            let allowed = ((before as f64 * MORE) as u64).max(AT_LEAST);
            more = after.saturating_sub(before);
            settled = more <= allowed && pumps[round as usize] == pumps[round as usize - 1];
        }
        if settled {
            break;
        }
    }
    assert!(settled, "memory grew by {more} bytes between the last two rounds: {resident:?}, {pumps:?} more pumps");
    assert_eq!(show.end.look(Clone::clone), None, "the publisher was let go");
    drop((show, viewers));
    serve.end().await;
}

/// Waits until every player has every frame that was sent by now; the fewest frames of one.
async fn all_have_seen(serve: &Serve, show: &Show, viewers: &[Viewer]) -> u64 {
    let next = show.sent.load(Ordering::Relaxed).max(1);
    let mut fewest = u64::MAX;
    for (number, viewer) in viewers.iter().enumerate() {
        let seen = viewer
            .has_seen(next)
            .await
            .unwrap_or_else(|wrong| panic!("player {number}: {wrong}; {}", story(serve, show)));
        fewest = fewest.min(seen.frames);
    }
    fewest
}

/// What became of the stream, for a failure.
fn story(serve: &Serve, show: &Show) -> String {
    let about = |line: &&str| line.contains("\"live/show\"") && line.contains("\"event\":\"input_");
    let said = serve.program.output.look(|said| said.lines().filter(about).map(str::to_owned).collect::<Vec<_>>());
    let (gap, end) = (show.gap.load(Ordering::Relaxed), show.end.look(Clone::clone));
    format!("the publisher's longest pause was {gap} ms, it ended by {end:?}, and of its stream was said: {said:#?}")
}
