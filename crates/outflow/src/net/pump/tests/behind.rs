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
