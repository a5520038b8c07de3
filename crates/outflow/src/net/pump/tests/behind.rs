//! Connections that are behind: how fast they come closer, and those that leave the line to others.

use super::*;
use crate::net::pump::conn::{Conn, Room, Visit};
use crate::net::pump::uplinks::Glance;
use crate::options::share::Priority;

/// How long after the first frame the last one came, of a joiner who is nearly a second behind.
async fn catches_up(burst: Option<u32>, far: bool) -> (Duration, Duration) {
    let mut bench = Bench { far, ..Bench::new() };
    bench.share.burst = burst;
    while bench.frames < GROUP {
        bench.publish();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let begun = Instant::now();
    let (peer, _attached, _) = bench.connect(Mute::default(), None).await;
    let mut peer = Peer::new(peer);
    assert_eq!(peer.frame().await.unwrap().0, 0);
    let first = begun.elapsed();
    while peer.frame().await.unwrap().0 != GROUP - 1 {}
    (first, begun.elapsed() - first)
}

#[tokio::test]
async fn who_is_behind_comes_closer_so_many_times_as_fast_as_the_stream_and_begins_at_once() {
    // A frame of 100 kB and another go at once; eight of 100 ms are left, four times as fast.
    let (paced, unpaced) = (catches_up(Some(4), false), catches_up(Some(0), true));
    let (usual, near) = (catches_up(None, true), catches_up(None, false));
    let (paced, unpaced, usual, near) = tokio::join!(paced, unpaced, usual, near);
    for paced in [paced, usual] {
        assert!(paced.0 < Duration::from_millis(90), "the first picture waited: {paced:?}");
        assert!(paced.1 > Duration::from_millis(150), "{paced:?}");
    }
    // On loopback there is no line that others want too.
    for free in [unpaced, near] {
        assert!(free.1 < Duration::from_millis(150), "{free:?}");
    }
}

#[tokio::test]
async fn who_left_its_place_reads_nothing_goes_on_at_the_next_key_frame_and_hears_the_end() {
    let mut bench = Bench::new();
    bench.publish();
    let hub = bench.stream.hub().clone();
    let mut cursor = Cursor::new(Start::Group, Duration::from_secs(4), Duration::ZERO);
    let read = |cursor: &mut Cursor| {
        let mut out = Vec::new();
        let read = hub.read(cursor, Instant::now(), 100, 64 << 20, &mut out);
        (out.len(), read.skip.map(|skip| skip.frames), read.ended)
    };
    assert_eq!(read(&mut cursor), (1, None, false));
    cursor.leave(Instant::now());
    (1..=GROUP).for_each(|_| bench.publish());
    assert_eq!(read(&mut cursor), (0, None, false));
    assert!(hub.lag(&cursor, Instant::now()).is_zero(), "it waits for nothing");
    cursor.come_back(hub.head());
    assert_eq!(read(&mut cursor), (0, None, false), "the key frame of before is no place to go on at");
    (1..GROUP).for_each(|_| bench.publish());
    bench.publish();
    // All but the first frame up to the third key frame.
    assert_eq!(read(&mut cursor), (1, Some(2 * GROUP as u64 - 1), false));
    cursor.leave(Instant::now());
    bench.writer.end(true);
    assert_eq!(read(&mut cursor), (0, None, true));
}

#[tokio::test]
async fn a_pause_is_not_left_out_though_it_had_left_its_place() {
    let mut bench = Bench::new();
    bench.publish();
    let hub = bench.stream.hub().clone();
    let mut cursor = Cursor::new(Start::Group, Duration::from_secs(4), Duration::ZERO);
    let read = |cursor: &mut Cursor| hub.read(cursor, Instant::now(), 100, 64 << 20, &mut Vec::new());
    assert!(read(&mut cursor).restart.is_some());
    cursor.leave(Instant::now());
    (0..GROUP).for_each(|_| bench.publish());
    // It paused meanwhile, and resumes while it yields still.
    cursor.restart(Start::Group);
    cursor.leave(Instant::now());
    cursor.come_back(hub.head());
    (0..GROUP).for_each(|_| bench.publish());
    let read = read(&mut cursor);
    assert!(read.restart.is_some());
    assert_eq!(read.skip, None);
}

/// A connection outside the pump, of an output on the line of loopback.
async fn alone(bench: &Bench, id: u64, stats: &Arc<OutputStats>, name: &str, is_player: bool) -> (TcpStream, Conn) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (ours, address) = listener.accept().await.unwrap();
    let order = Order {
        stream: bench.stream.clone(),
        cursor: Cursor::new(Start::Group, bench.lag, Duration::ZERO),
        form: Form::Play,
        stream_id: 1,
        chunk_size: CHUNK_SIZE,
        latency: Duration::ZERO,
        share: bench.share,
        patience: None,
        stats: stats.clone(),
        events: Arc::new(|_| {}),
        output: name.into(),
        peer: is_player.then_some(address),
    };
    let done = tokio::sync::oneshot::channel().0;
    (peer, Conn::new(id, Connection::Plain(ours), Box::new(Mute::default()), order, done))
}

fn visit(conn: &mut Conn) {
    let mut room = Room { bytes: vec![0; 1 << 16], messages: Vec::new(), gathers: true, leaves: false };
    let mut context = Context::from_waker(std::task::Waker::noop());
    while matches!(conn.visit(Instant::now(), &mut context, &mut room, false), Visit::Again) {}
}

#[tokio::test]
async fn who_holds_itself_back_tells_no_lag() {
    let mut bench = Bench::lagging(Backend::Calls, Duration::from_secs(4));
    bench.share.burst = Some(2);
    bench.publish_sized(50_000);
    let published = Instant::now();
    let (_peer, mut conn) = alone(&bench, 0, &Arc::default(), "o", false).await;
    visit(&mut conn);
    assert_eq!(conn.glance(Instant::now()).lag, Some(Duration::ZERO), "live");
    let (_peer, mut conn) = alone(&bench, 0, &Arc::default(), "o", false).await;
    (1..5).for_each(|_| bench.publish_sized(50_000));
    tokio::time::sleep_until((published + Duration::from_millis(500)).into()).await;
    (5..GROUP).for_each(|_| bench.publish_sized(1000));
    visit(&mut conn);
    assert_eq!(conn.glance(Instant::now()).lag, None);
}

/// A line on which `low`, a listener with a player, yields to `high`; what belongs to `low`, and until when it was looked at.
async fn yielding(bench: &mut Bench, uplinks: &Uplinks) -> (Arc<OutputStats>, Instant, Vec<(TcpStream, Conn)>) {
    let low = Arc::<OutputStats>::default();
    let mut now = Instant::now();
    let mut both = Vec::new();
    for (id, stats, name, priority) in [(0, &Arc::default(), "high", Priority::High), (1, &low, "low", Priority::Low)] {
        bench.share.priority = priority;
        let (peer, mut conn) = alone(bench, id, stats, name, id == 1).await;
        assert!(!conn.join_line(uplinks, now));
        both.push((peer, conn));
    }
    for tick in 1..=20_u64 {
        now += Duration::from_millis(250);
        let high = Glance { connection: 0, lag: Some(Duration::from_millis(tick * 200)), bytes: tick * 50_000 };
        let player = Glance { connection: 1, lag: Some(Duration::ZERO), bytes: tick * 50_000 };
        let told = uplinks.look(now, &[high, player]);
        if told[1].is_some() {
            assert!(told[0].is_none() && low.yields_to.lock().as_deref() == Some("high"));
            return (low, now, both);
        }
    }
    panic!("nobody yields");
}

#[tokio::test]
async fn who_joins_an_output_that_yields_sends_nothing_from_the_beginning() {
    let mut bench = Bench::new();
    bench.publish();
    let uplinks = Uplinks::new(Rules::default());
    let (low, now, _both) = yielding(&mut bench, &uplinks).await;
    let (_peer, mut joiner) = alone(&bench, 2, &low, "low", true).await;
    assert!(joiner.join_line(&uplinks, now));
    visit(&mut joiner);
    assert_eq!(low.bytes.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn the_latest_to_come_knows_the_priority() {
    let mut bench = Bench::new();
    let uplinks = Uplinks::new(Rules::default());
    let (low, now, _both) = yielding(&mut bench, &uplinks).await;
    bench.share.priority = Priority::High;
    let (_peer, mut joiner) = alone(&bench, 2, &low, "low", true).await;
    assert!(!joiner.join_line(&uplinks, now));
    assert_eq!(*low.yields_to.lock(), None);
    assert!(!uplinks.is_mixed(), "all are alike now");
}
