//! Servers that attack whoever dials them: pushes and pulls of ours go on trying, and other outputs miss nothing.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use outflow_testkit::aside::Aside;
use outflow_testkit::hostile::live::{Seen, Show};
use outflow_testkit::hostile::serve::Foe;
use outflow_testkit::ingest::{Behaviour, Ingest};

use crate::rig::{Serve, scene, seconds, seed};

const GOOD: usize = 20;
const BAD: usize = 6;

#[tokio::test]
async fn good_outputs_miss_nothing_beside_servers_that_attack() {
    beside(Duration::from_secs(6)).await;
}

#[tokio::test]
#[ignore = "the long form"]
async fn good_outputs_miss_nothing_in_minutes_of_attacks() {
    beside(seconds() * 3).await;
}

async fn beside(lasts: Duration) {
    let (seed, scene) = (seed(), scene());
    let (stage, seats, foes) = (Aside::start(), Aside::start(), Aside::start());
    let good = seats.run(Ingest::start(Behaviour::Good)).await;
    let foe = foes.run(Foe::start(scene, seed)).await;
    let mut file = String::from(
        "[limits]\nhandshake = \"1s\"\nanswer = \"1s\"\npull_idle = \"1s\"\nmessage = \"1s\"\nprocess_bytes = \"128m\"\n\
         stream_bytes = \"16m\"\n[[stream]]\nname = \"live/show\"\npublish_key = \"none\"\n",
    );
    for number in 0..BAD {
        let pull = format!("pull = {{ url = \"{}\", retry = \"50ms\", retry_max = \"100ms\" }}", foe.url("live/x"));
        file += &format!("[[stream]]\nname = \"live/pulled{number}\"\n{pull}\n");
    }
    let output = |name: &str, url: &str| {
        format!(
            "[[output]]\nname = \"{name}\"\nstream = \"live/show\"\nurl = \"{url}\"\nretry = \"50ms\"\nretry_max = \"100ms\"\n"
        )
    };
    for number in 0..GOOD {
        file += &output(&format!("good{number}"), &good.url(&format!("live/good{number}")));
    }
    for number in 0..BAD {
        file += &output(&format!("bad{number}"), &foe.url(&format!("live/bad{number}")));
    }
    let mut serve = Serve::start(&file, "").await;
    let url = serve.url("live/show");
    let show = stage.run(async move { Show::publish(&url, 1_000_000).await.unwrap() }).await;
    let begin = Instant::now();
    let mut resident = Vec::new();
    for part in 1..=3 {
        while begin.elapsed() < lasts * part / 3 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        serve.is_well();
        resident.push(serve.program.resident());
    }
    let sent = show.sent.load(Ordering::Relaxed);
    let whole = |session: &outflow_testkit::ingest::Session| {
        let mut seen = Seen::default();
        session.arrivals.iter().try_for_each(|arrival| seen.take(&arrival.message)).map(|()| seen)
    };
    good.wait_for("every frame at every good output", |state| {
        state
            .sessions
            .iter()
            .filter(|session| session.published.is_some() && session.media_messages as u32 / 2 + 50 > sent)
            .count()
            >= GOOD
    })
    .await;
    let (mut fewest, mut sessions) = (u64::MAX, 0);
    good.state.look(|state| {
        for session in state.sessions.iter().filter(|session| session.published.is_some()) {
            let seen = whole(session).unwrap_or_else(|wrong| panic!("{:?}: {wrong}", session.published));
            (fewest, sessions) = (fewest.min(seen.frames), sessions + 1);
        }
    });
    assert_eq!(sessions, GOOD, "each has its one connection");
    let (connections, bytes) = foe.tally.figures();
    println!(
        "{connections} connections to a server that attacks, {:.1} MB from it; each of {GOOD} good outputs has {fewest} frames or \
         more of {sent}; resident {:?} MB",
        bytes as f64 / 1e6,
        resident.iter().map(|bytes| bytes / 1_000_000).collect::<Vec<_>>()
    );
    assert!(connections > 50, "this was no attack");
    assert!(resident[2] < resident[1] + resident[1] / 5 + (8 << 20), "memory grows: {resident:?}");
    drop(show);
    serve.end().await;
}
