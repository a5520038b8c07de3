//! One write for all at the live edge: everybody has everything, in order and byte for byte, wherever they stand.

use super::*;
use crate::net::pump::conn::ride::CALLS;

/// Messages as they arrive: type, bytes, time.
async fn messages(peer: &mut Peer<impl AsyncRead + Unpin>, count: usize) -> Vec<(u8, Bytes, u32)> {
    let mut got = Vec::new();
    while got.len() < count {
        got.push(peer.message().await.unwrap());
    }
    got
}

#[tokio::test]
async fn those_at_the_live_edge_and_those_behind_have_the_same() {
    for backend in backends() {
        the_same(Bench::lagging(backend, Duration::from_secs(60))).await;
    }
}

async fn the_same(mut bench: Bench) {
    let mut peers = Vec::new();
    let mut narrow = Vec::new();
    let mut told = Vec::new();
    // Enough to share one piece and to ride, beside the few that are measured; and some that take a train in parts.
    for _ in 0..20 {
        let link = Mute::default();
        told.push(link.sent.clone());
        peers.push(bench.connect(link, None).await);
    }
    for _ in 0..2 {
        narrow.push(bench.connect_narrow().await);
    }
    let rounds = 3 * GROUP;
    let total = usize::try_from(rounds * 3).unwrap();
    let stats: Vec<_> = peers.iter().chain(&narrow).map(|(_, _, stats)| stats.clone()).collect();
    let mut attached = Vec::new();
    let mut reading = Vec::new();
    let mut says = Vec::new();
    for (number, (peer, connection, _)) in peers.into_iter().chain(narrow).enumerate() {
        attached.push(connection);
        let (peer, mut words) = peer.into_split();
        let mut peer = Peer::new(peer);
        reading.push(tokio::spawn(async move { (messages(&mut peer, total).await, peer) }));
        // Some say something now and then, and are looked at for it.
        if number % 3 == 0 {
            says.push(tokio::spawn(async move {
                while words.write_all(b"acknowledged").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(7)).await;
                }
            }));
        } else {
            words.forget();
        }
    }
    for _ in 0..rounds {
        bench.publish();
        let time = (bench.frames - 1) * 40;
        // Two more, which leave in the same call.
        bench.publish_audio(time);
        bench.publish_audio(time + 20);
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    let mut first: Option<Vec<(u8, Bytes, u32)>> = None;
    let mut told = told.into_iter();
    for (number, (reading, stats)) in reading.into_iter().zip(stats).enumerate() {
        let (got, peer) = tokio::time::timeout(Duration::from_secs(20), reading).await.unwrap().unwrap();
        let bytes = peer.bytes;
        // The session hears of every byte, if only later, for the acknowledgements that it asks for.
        if let Some(told) = told.next() {
            let hears = async {
                while told.load(Ordering::Relaxed) < bytes {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            let heard = tokio::time::timeout(Duration::from_secs(20), hears).await;
            assert!(heard.is_ok(), "session {number} heard of {told:?} of {bytes} bytes");
            assert_eq!(told.load(Ordering::Relaxed), bytes);
        }
        let times: Vec<u32> = got.iter().filter(|(kind, ..)| *kind == 9).map(|(_, _, time)| *time).collect();
        assert_eq!(times, (0..u32::try_from(rounds).unwrap()).map(|frame| frame * 40).collect::<Vec<_>>());
        assert_eq!(OutputStats::get(&stats.skips), 0);
        match &first {
            None => first = Some(got),
            Some(first) => assert!(*first == got, "one peer had other bytes than the first"),
        }
        // Figures are told once for all who rode together, and are complete.
        assert_eq!(OutputStats::get(&stats.packets), total as u64);
        assert_eq!(OutputStats::get(&stats.frames), rounds.unsigned_abs());
        assert_eq!(OutputStats::get(&stats.bytes), bytes);
    }
    says.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn what_is_gathered_leaves_for_all_and_not_before_its_time() {
    for backend in backends() {
        gathered(Bench { latency: Duration::from_millis(120), ..Bench::with(backend) }).await;
    }
}

async fn gathered(mut bench: Bench) {
    let mut peers = Vec::new();
    for _ in 0..3 {
        let (peer, attached, _) = bench.connect(Mute::default(), None).await;
        peers.push((Peer::new(peer), attached));
    }
    // The entry point, as soon as it is there, and all that had come.
    bench.publish();
    for (peer, _) in &mut peers {
        assert_eq!(peer.frame().await.unwrap(), (0, 0));
    }
    for _ in 0..5 {
        let begun = Instant::now();
        let from = bench.frames;
        bench.publish_sized(10_000);
        bench.publish_sized(10_000);
        for (peer, _) in &mut peers {
            assert_eq!(peer.frame().await.unwrap().0, from);
            let after = begun.elapsed();
            assert!(after >= Duration::from_millis(120), "frame {from} left after {after:?}");
            assert_eq!(peer.frame().await.unwrap().0, from + 1);
        }
    }
}

#[tokio::test]
async fn no_more_is_gathered_than_one_call_should_hold() {
    // Longer than a test may take.
    let mut bench = Bench { latency: Duration::from_secs(3600), ..Bench::new() };
    let (peer, _attached, _) = bench.connect(Mute::default(), None).await;
    let mut peer = Peer::new(peer);
    bench.publish();
    assert_eq!(peer.frame().await.unwrap().0, 0);
    for frame in 1..=6 {
        bench.publish_sized(10_700);
        tokio::task::yield_now().await;
        assert_eq!(bench.frames, frame + 1);
    }
    // The sixth filled it, or a later one where two had come at once.
    bench.publish();
    for frame in 1..=7 {
        assert_eq!(peer.frame().await.unwrap().0, frame);
    }
}

#[tokio::test]
async fn what_is_left_out_of_a_second_track_moves_no_time() {
    let mut bench = Bench::new();
    let (peer, _attached, _) = bench.connect(Mute::default(), None).await;
    let mut peer = Peer::new(peer);
    bench.publish();
    assert_eq!(peer.frame().await.unwrap(), (0, 0));
    // A header, two pictures that nobody could decode yet, a key frame and one more.
    let second = |dts: i64, header: bool, keyframe: bool| {
        let flags = Flags { header, keyframe, ..Flags::default() };
        let (body, arrival) = (Bytes::from(vec![0x2A; 13]), Instant::now());
        bench.writer.push(Packet { kind: Kind::Video, track: 1, dts, cts: 0, flags, body, arrival });
    };
    second(10, true, false);
    assert_eq!(peer.message().await.map(|(kind, _, time)| (kind, time)), Some((9, 10)));
    for (dts, keyframe) in [(20, false), (60, false), (100, true), (140, false)] {
        second(dts, false, keyframe);
    }
    for time in [100, 140] {
        assert_eq!(peer.message().await.map(|(kind, _, time)| (kind, time)), Some((9, time)));
    }
}

#[tokio::test]
async fn who_leaves_or_stops_reading_takes_nothing_from_hundreds_of_others() {
    for backend in backends() {
        let mut bench = Bench::lagging(backend, Duration::from_secs(60));
        let (mut reading, mut attached, mut figures) = (Vec::new(), Vec::new(), Vec::new());
        let (mut stopped, mut gone) = (Vec::new(), Vec::new());
        for number in 0..300 {
            let (peer, connection, stats) = match number % 100 {
                7 => bench.connect_narrow().await,
                _ => bench.connect(Mute::default(), None).await,
            };
            match number % 100 {
                7 => stopped.push((peer, connection)),
                8 => gone.push((peer, connection)),
                _ => {
                    attached.push(connection);
                    figures.push(stats);
                    let mut peer = Peer::new(peer);
                    reading.push(tokio::spawn(async move { messages(&mut peer, 8).await }));
                }
            }
        }
        for round in 0..5 {
            bench.publish();
            if round == 2 {
                for (peer, connection) in gone.drain(..) {
                    peer.set_zero_linger().unwrap();
                    drop(peer);
                    // Written to before anybody hears of it.
                    bench.publish_audio(round * 40);
                    let ended = tokio::time::timeout(Duration::from_secs(20), connection).await.unwrap();
                    assert_eq!(ended.reason, Reason::Disconnected, "{backend:?}: {ended:?}");
                }
            }
            // The next when all had this.
            let all = async {
                while figures.iter().any(|stats| OutputStats::get(&stats.frames) <= round.unsigned_abs()) {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            };
            let all = tokio::time::timeout(Duration::from_secs(60), all).await;
            assert!(all.is_ok(), "{backend:?}: after a minute not all had frame {round}");
        }
        let mut first = None;
        for reading in reading {
            let got = tokio::time::timeout(Duration::from_secs(60), reading).await.unwrap().unwrap();
            assert!(*first.get_or_insert_with(|| got.clone()) == got, "{backend:?}: one peer had other bytes");
        }
    }
}

#[tokio::test]
async fn a_picture_and_the_sound_behind_it_are_one_call_for_each_player() {
    let mut bench = Bench::riding().await;
    let measured = bench.readers.len();
    let mut stats = Vec::new();
    for _ in 0..12 {
        stats.push(bench.reader().await);
    }
    let players = u64::try_from(measured + stats.len()).unwrap();
    let had = |packets: u64| stats.iter().all(|stats| OutputStats::get(&stats.packets) == packets);
    let mut begun = 0;
    for frame in 0..3 * GROUP {
        // The first goes to joiners, each of whom is looked at.
        if frame == GROUP {
            begun = CALLS.get();
        }
        bench.publish_sized(10_000);
        bench.publish_audio(frame * 40 + 10);
        let all = async {
            while !had(2 * (frame.unsigned_abs() + 1)) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), all)
            .await
            .unwrap_or_else(|_| panic!("frame {frame} has not gone to all"));
    }
    assert_eq!(CALLS.get() - begun, players * 2 * GROUP.unsigned_abs());
}
