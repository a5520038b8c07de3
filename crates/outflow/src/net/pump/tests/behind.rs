//! Connections that are behind: how fast they come closer, and those that leave the line to others.

use super::*;

/// How long after the first frame the last one came, of a joiner who is nearly a second behind.
async fn catches_up(burst: Option<u32>) -> (Duration, Duration) {
    let mut bench = Bench::new();
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
    let (paced, unpaced, near) = tokio::join!(catches_up(Some(4)), catches_up(Some(0)), catches_up(None));
    assert!(paced.0 < Duration::from_millis(90), "the first picture waited: {paced:?}");
    assert!(paced.1 > Duration::from_millis(150), "{paced:?}");
    // On loopback there is no line that others want too.
    for free in [unpaced, near] {
        assert!(free.1 < Duration::from_millis(150), "{free:?}");
    }
}

#[tokio::test]
async fn who_is_to_yield_does_so_at_the_end_of_a_message_and_its_stream_may_end_meanwhile() {
    let mut bench = Bench::new();
    // A tenth of what is asked: two outputs of a bench have one name and one line, loopback.
    let (peer, attached, stats) = bench.connect(Mute::default(), None).await;
    let mut peer = Peer::new(peer);
    bench.publish();
    assert_eq!(peer.frame().await.unwrap().0, 0);
    let mut cursor = Cursor::new(Start::Group, Duration::from_secs(4), Duration::ZERO);
    let now = Instant::now();
    let mut out = Vec::new();
    assert!(bench.stream.hub().read(&mut cursor, now, 10, 1 << 20, &mut out).restart.is_some());
    cursor.leave(now);
    (1..=GROUP).for_each(|_| bench.publish());
    out.clear();
    let read = bench.stream.hub().read(&mut cursor, Instant::now(), 100, 1 << 20, &mut out);
    assert!(out.is_empty() && !read.ended && read.lag.is_zero(), "{read:?}");
    cursor.come_back(bench.stream.hub().head());
    let read = bench.stream.hub().read(&mut cursor, Instant::now(), 100, 1 << 20, &mut out);
    assert!(out.is_empty() && read.skip.is_none(), "the key frame of before is no place to go on at: {read:?}");
    (0..GROUP).for_each(|_| bench.publish());
    let read = bench.stream.hub().read(&mut cursor, Instant::now(), 1, 1 << 20, &mut out);
    assert_eq!(read.skip.unwrap().frames, 2 * GROUP as u64 - 1, "{read:?}");
    cursor.leave(Instant::now());
    bench.writer.end(true);
    assert!(bench.stream.hub().read(&mut cursor, Instant::now(), 100, 1 << 20, &mut out).ended);
    while peer.frame().await.is_some() {}
    assert!(attached.await.is_clean() && OutputStats::get(&stats.yields) == 0);
}
