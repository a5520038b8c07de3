//! A push that comes back has seconds of a stream to catch up with, over the line that the others are live on: they keep
//! their latency, since it takes so many times its stream's rate and no more.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use outflow_testkit::flv;
use outflow_testkit::ingest::{Behaviour, Ingest, Session};
use outflow_testkit::media::made_up;
use outflow_testkit::proc::Command;
use outflow_testkit::proxy::{Line, Proxy};
use outflow_testkit::wait::until;

/// Groups of eight seconds, at 25 frames of 20 kB.
const GROUP: u32 = 200;
/// The push is cut so many frames into its second group.
const CUT_AT: usize = (GROUP + 150) as usize;
/// 20.8 Mb/s: room for two that are live and one that is twice as fast, and for no more. A queue as modems have.
const LINE: Line = Line { bytes_per_second: 2_600_000, queue: Duration::from_millis(400) };
/// The catching up of six seconds takes 2 s of all that the line has left, or 6 s of twice the stream's rate.
const WINDOW: Duration = Duration::from_millis(1500);

#[tokio::test]
async fn a_push_that_comes_back_leaves_the_others_their_latency() {
    let (paced, unpaced) = tokio::join!(run(2), run(0));
    println!("median latency of a live output while another catches up: {paced:?} paced, {unpaced:?} not");
    // Not paced, it fills the queue of the line, and everybody waits behind that. Paced, what it takes at once (128 KiB, and a
    // batch of 64) is in the line for 75 ms, once.
    assert!(unpaced > LINE.queue / 2, "the line is no bottleneck: {unpaced:?}");
    assert!(paced < LINE.queue / 4, "{paced:?} where {unpaced:?} are what the queue gives");
}

/// How much later than without a line a live output gets its frames, in the middle, while another one catches up.
async fn run(burst: u32) -> Duration {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stream.flv");
    std::fs::write(&path, flv::write(&made_up(3 * GROUP, GROUP, 20_000))).unwrap();
    let (near, far) = (Ingest::start(Behaviour::Good).await, Ingest::start(Behaviour::Good).await);
    let line = Proxy::start_narrow(far.address()).await;
    line.set(|link| link.up.line = Some(LINE));
    let cut = Proxy::start(line.address()).await;
    let mut program = Command::new(env!("CARGO_BIN_EXE_outflow")).line("-json -drain=1 -i").arg(&path);
    for (name, address) in
        [("near", near.address()), ("a", line.address()), ("b", line.address()), ("back", cut.address())]
    {
        let url = format!("rtmp://{address}/live/{name}:gpac:name={name}:start=gop:retry=100ms:burst={burst}");
        program = program.arg("-o").arg(url);
    }
    let _program = program.start();
    near.wait_for("its second group", |state| {
        state.sessions.first().is_some_and(|session| video(session).count() >= CUT_AT)
    })
    .await;
    cut.cut();
    let sessions = |name: &str| -> Vec<Session> {
        let of = |session: &&Session| session.published.as_deref() == Some(name);
        far.state.look(|state| state.sessions.iter().filter(of).cloned().collect())
    };
    until("it is back", || sessions("back").get(1).is_some_and(|session| session.media_messages > 0)).await;
    let begin = sessions("back")[1].arrivals[0].at;
    until("the time is over", || begin.elapsed() > WINDOW + LINE.queue).await;
    let there: HashMap<u64, Instant> = video(&near.session(0)).collect();
    let late = |(digest, at): (u64, Instant)| Some(at.saturating_duration_since(*there.get(&digest)?));
    let during = |(_, at): &(u64, Instant)| *at > begin && *at < begin + WINDOW;
    let mut late: Vec<Duration> = video(&sessions("a")[0]).filter(during).filter_map(late).collect();
    late.sort_unstable();
    assert!(late.len() > 20, "{} frames", late.len());
    late[late.len() / 2]
}

/// Frames of video, and when they came.
fn video(session: &Session) -> impl Iterator<Item = (u64, Instant)> + use<'_> {
    let frames = session.arrivals.iter().filter(|it| it.message.kind == 9 && it.length > 1000);
    frames.map(|arrival| (arrival.digest, arrival.at))
}
