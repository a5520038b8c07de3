//! A connection that goes on with another stream: at its key frame, in time that never goes back, and only once.

use super::*;

/// How far the second stream's numbers, and with them its times, are off.
const FAR: i64 = 1_000_000_000;

/// Two streams, and a connection that has had the first frames of the first.
async fn two() -> (Bench, Bench, Peer, Attached) {
    let mut one = Bench::riding().await;
    let two = one.beside(FAR);
    let (peer, attached, _) = one.connect(Mute::default(), None).await;
    let mut peer = Peer::new(peer);
    for number in 0..5 {
        one.publish();
        assert_eq!(peer.frame().await.unwrap(), (number, number as u32 * 40));
    }
    (one, two, peer, attached)
}

/// Orders a switch, and lets the pump take the order before anything else happens.
async fn order(attached: &Attached, to: &Bench) {
    attached.switch(to.stream.clone(), Duration::ZERO);
    tokio::task::yield_now().await;
}

#[tokio::test]
async fn the_old_stream_goes_on_until_the_new_one_has_a_key_frame() {
    each_way(async || {
        let (mut one, mut two, mut peer, attached) = two().await;
        attached.switch(two.stream.clone(), Duration::ZERO);
        for number in 5..8 {
            one.publish();
            assert_eq!(peer.frame().await.unwrap().0, number);
        }
        two.publish();
        assert_eq!(peer.frame().await.unwrap(), (FAR, 8 * 40), "one frame after the last");
        one.publish();
        two.publish();
        assert_eq!(peer.frame().await.unwrap(), (FAR + 1, 9 * 40));
        // Back, in the middle of a group: its key frame is waited for.
        attached.switch(one.stream.clone(), Duration::ZERO);
        let mut times = Vec::new();
        while one.frames % GROUP != 0 {
            one.publish();
            two.publish();
            times.push(peer.frame().await.unwrap());
        }
        assert!(times.iter().all(|(number, _)| *number > FAR), "{times:?}");
        let (before, key) = (times.last().unwrap().1, one.frames);
        one.publish();
        assert_eq!(peer.frame().await.unwrap(), (key, before + 40));
        one.publish();
        assert_eq!(peer.frame().await.unwrap(), (key + 1, before + 80));
    })
    .await;
}

#[tokio::test]
async fn every_track_goes_on_by_one_offset_and_nothing_from_before_the_key_frame_comes() {
    each_way(async || {
        let (one, mut two, mut peer, attached) = two().await;
        for step in [10, 20, 30] {
            one.publish_audio(160 + step);
            assert_eq!(peer.message().await.unwrap().2, 160 + step as u32);
        }
        order(&attached, &two).await;
        let begin = two.frames * 40;
        two.publish_audio(begin - 15);
        two.publish();
        for dts in [begin - 1, begin + 7, begin + 30] {
            two.publish_audio(dts);
        }
        two.publish();
        two.publish_audio(begin + 53);
        let mut got = Vec::new();
        while got.len() < 5 {
            let (kind, _, time) = peer.message().await.unwrap();
            got.push((kind, time));
        }
        // One frame after the last sound, which was later than the last picture.
        let begin = 190 + 40;
        assert_eq!(got, [(9, begin), (8, begin + 7), (8, begin + 30), (9, begin + 40), (8, begin + 53)]);
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_is_held_back_goes_on_when_the_key_frame_is_due_and_not_before() {
    let mut one = Bench { delay: Duration::from_millis(100), ..Bench::new() };
    let mut two = one.beside(FAR);
    let (peer, attached, _) = one.connect(Mute::default(), None).await;
    let mut peer = Peer::new(peer);
    one.publish();
    assert_eq!(peer.frame().await.unwrap().0, 0);
    order(&attached, &two).await;
    let came = Instant::now();
    // Nothing more comes of either stream: only the clock tells.
    two.publish();
    assert_eq!(peer.frame().await.unwrap(), (FAR, 40));
    assert!(came.elapsed() >= Duration::from_millis(100));
}

#[tokio::test]
async fn the_end_of_the_old_stream_is_not_that_of_a_connection_that_waits_for_the_new_one() {
    each_way(async || {
        let (mut one, mut two, mut peer, attached) = two().await;
        attached.switch(two.stream.clone(), Duration::ZERO);
        one.publish();
        one.writer.end(true);
        assert_eq!(peer.frame().await.unwrap().0, 5, "what was left of it");
        let mut nothing = Box::pin(peer.message());
        assert!(tokio::time::timeout(Duration::from_millis(100), &mut nothing).await.is_err());
        drop(nothing);
        two.publish();
        assert_eq!(peer.frame().await.unwrap(), (FAR, 6 * 40));
        two.writer.end(true);
        assert!(peer.frame().await.is_none());
        assert!(attached.await.is_clean());
    })
    .await;
}

#[tokio::test]
async fn a_stream_that_is_over_for_good_is_not_waited_for() {
    each_way(async || {
        let (mut one, two, mut peer, attached) = two().await;
        attached.switch(two.stream.clone(), Duration::ZERO);
        two.stream.set_finished();
        one.publish();
        assert_eq!(peer.frame().await.unwrap().0, 5);
        one.writer.end(true);
        assert!(peer.frame().await.is_none());
        assert!(attached.await.is_clean());
    })
    .await;
}

#[tokio::test]
async fn the_last_order_counts_and_an_end_may_come_at_any_time() {
    each_way(async || {
        let (mut one, mut two, mut peer, attached) = two().await;
        attached.switch(two.stream.clone(), Duration::ZERO);
        attached.switch(one.stream.clone(), Duration::ZERO);
        two.publish();
        one.publish();
        assert_eq!(peer.frame().await.unwrap(), (5, 5 * 40), "it reads that one already, and misses nothing");
        attached.switch(one.beside(7).stream.clone(), Duration::ZERO);
        attached.finish();
        assert!(peer.frame().await.is_none());
        assert!(attached.await.is_clean());
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_was_sent_nothing_yet_begins_with_the_new_stream() {
    let (one, mut two) = (Bench::new(), Bench::new().beside(FAR));
    let (peer, attached, _) = one.connect(Mute::default(), None).await;
    let mut peer = Peer::new(peer);
    order(&attached, &two).await;
    two.publish();
    assert_eq!(peer.frame().await.unwrap(), (FAR, 0));
}

#[tokio::test]
async fn a_fresh_key_frame_will_do_unless_it_is_older_than_what_was_sent() {
    each_way(async || {
        let (mut one, mut two, mut peer, attached) = two().await;
        two.publish();
        one.publish();
        assert_eq!(peer.frame().await.unwrap().0, 5);
        // The old stream was sent up to a moment after that key frame: to begin there would be to go back.
        attached.switch(two.stream.clone(), Duration::from_secs(3600));
        two.publish();
        one.publish();
        assert_eq!(peer.frame().await.unwrap().0, 6);
        attached.switch(one.stream.clone(), Duration::ZERO);
        // The old stream has stopped, and the other had a key frame since: no need to wait.
        (0..GROUP).for_each(|_| two.publish());
        attached.switch(two.stream.clone(), Duration::from_secs(3600));
        assert_eq!(peer.frame().await.unwrap(), (FAR + GROUP, 7 * 40));
    })
    .await;
}

#[tokio::test]
async fn a_thousand_switches_leave_nothing_behind() {
    each_way(async || {
        let (mut one, mut two, mut peer, attached) = two().await;
        let before = (Arc::strong_count(&one.stream), Arc::strong_count(&two.stream));
        let mut last = 4 * 40;
        for turn in 0..1000 {
            let bench = if turn % 2 == 0 { &mut two } else { &mut one };
            order(&attached, bench).await;
            bench.frames += (GROUP - bench.frames % GROUP) % GROUP;
            let (number, time) = {
                bench.publish();
                peer.frame().await.unwrap()
            };
            assert_eq!((number, time), (bench.frames - 1, last + 40), "turn {turn}");
            last = time;
        }
        let counts = || (Arc::strong_count(&one.stream), Arc::strong_count(&two.stream));
        let deadline = Instant::now() + Duration::from_secs(20);
        while counts() != before {
            assert!(Instant::now() < deadline, "{before:?} became {:?}", counts());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
