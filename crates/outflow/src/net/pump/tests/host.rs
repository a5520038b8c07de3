//! Sources on the threads of the pumps, and connections beside them.

use super::*;

/// What a thread is called.
fn thread() -> String {
    std::thread::current().name().unwrap_or_default().to_owned()
}

/// Sets what a pump has to do.
fn put(pumps: &Pumps, number: usize, thousandths: u32) {
    pumps.pumps.lock()[number].load.freeze(thousandths);
}

/// Two pumps, of which the first has a connection and this much to do.
fn busy(thousandths: u32) -> Arc<Pumps> {
    let pumps = Pumps::start_with(2, Backend::Calls, Rules::default());
    pumps.occupy(thousandths);
    pumps
}

fn of_each(pumps: &Pumps) -> Vec<usize> {
    pumps.pumps.lock().iter().map(|pump| pump.load.expected().1).collect()
}

#[tokio::test]
async fn a_source_runs_on_the_first_thread_until_that_has_enough_to_do() {
    let pumps = busy(300);
    let first = pumps.host(|number| async move { (number, thread()) }).await.unwrap();
    assert_eq!(first, (0, thread()));
    let pumps = busy(400);
    let second = pumps.host(|number| async move { (number, thread()) }).await.unwrap();
    assert_eq!(second, (1, "pump-1".to_owned()));
}

#[tokio::test]
async fn a_source_counts_while_it_runs_and_ends_with_who_waits_for_it() {
    let pumps = busy(400);
    let (left, ended) = oneshot::channel::<()>();
    let hosted = pumps.host(|_| async move {
        let _left = left;
        std::future::pending::<()>().await;
    });
    assert_eq!(of_each(&pumps), [1, 1]);
    drop(hosted);
    ended.await.unwrap_err();
    let gone = async {
        while of_each(&pumps) != [1, 0] {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.unwrap();
}

#[tokio::test]
async fn where_nothing_runs_nobody_wakes() {
    let pumps = Pumps::start_with(1, Backend::Calls, Rules::default());
    let idle = async {
        while !pumps.pumps.lock()[0].load.is_idle() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), idle).await.expect("rest");
    let metrics = tokio::runtime::Handle::current().metrics();
    let before = metrics.worker_park_count(0);
    // Four ticks, but for those; and the end of the test's own wait.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let wakes = metrics.worker_park_count(0) - before;
    assert!(wakes <= 3, "{wakes} wakes");
    // Once something runs it is looked at again, without a connection: nobody knew what it would take, a tick tells.
    let expected = || pumps.pumps.lock()[0].load.expected();
    let (before, _) = expected();
    let hosted = pumps.host(|_| std::future::pending::<()>());
    let unknown = (before + 2, 1);
    assert_eq!(expected(), unknown);
    let looked_at = async {
        while expected() == unknown {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), looked_at).await.expect("a tick");
    drop(hosted);
}

#[tokio::test]
async fn one_that_breaks_down_says_so_and_takes_nobody_along() {
    let pumps = busy(400);
    assert_eq!(pumps.host(|_| async { panic!("a fault planted by the test") }).await, None::<()>);
    assert_eq!(pumps.host(|number| async move { number }).await, Some(1));
}

#[tokio::test]
async fn sources_that_come_at_once_are_not_all_given_to_the_first() {
    let pumps = busy(0);
    // Each counts as a little, before anybody has seen what it takes.
    let sources: Vec<_> = (0..400).map(|_| pumps.host(|_| std::future::pending::<()>())).collect();
    let [first, second] = of_each(&pumps)[..] else { panic!("one pump") };
    assert!((100..300).contains(&first) && first + second == 401, "{first} and {second}");
    drop(sources);
}

#[tokio::test]
async fn every_thread_has_a_turn() {
    let pumps = busy(400);
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let hosted = pumps.host(|_| async move {
        for number in 0.. {
            let _ = tell.send(number);
            tokio::task::yield_now().await;
        }
    });
    told.recv().await.unwrap();
    let before = told.len();
    pumps.hear(Duration::from_millis(1)).await;
    assert!(told.len() > before);
    drop(hosted);
}

#[tokio::test]
async fn a_connection_goes_to_the_thread_and_comes_back() {
    use crate::net::exchange::{Exchange, Speaker};

    struct Nothing;
    impl Speaker for Nothing {
        fn has_output(&self) -> bool {
            false
        }
        fn take_output(&mut self) -> Bytes {
            Bytes::new()
        }
    }
    async fn read(exchange: &mut Exchange) -> u8 {
        let mut buffer = [0; 1];
        assert_eq!(exchange.read(&mut Nothing, &mut buffer).await.unwrap(), 1);
        buffer[0]
    }
    let pumps = busy(400);
    let (mut peer, ours) = sockets().await;
    let mut exchange = Exchange::new(Connection::Plain(ours));
    // Twice: a publisher may publish again.
    for round in [0, 10] {
        // What is there already, what is still to come, and what comes when it is back.
        peer.write_all(&[round]).await.unwrap();
        let hosted = pumps.host(|number| async move {
            let mut exchange = exchange.adopt().unwrap();
            let first = read(&mut exchange).await;
            (number, first, read(&mut exchange).await, exchange)
        });
        peer.write_all(&[round + 1]).await.unwrap();
        let (number, first, second, back) = hosted.await.unwrap();
        assert_eq!((number, first, second), (1, round, round + 1));
        exchange = back;
        let last = [round + 2];
        let (third, written) = tokio::join!(read(&mut exchange), peer.write_all(&last));
        written.unwrap();
        assert_eq!(third, round + 2);
    }
}

#[tokio::test]
async fn connections_are_served_where_their_stream_comes_in() {
    let mut bench = Bench::new();
    bench.pumps = busy(400);
    let mut peers = Vec::new();
    // Where the stream comes in, what the two pumps have to do, and how many connections each has then.
    let cases: [(usize, &[u32], &[usize]); 5] = [
        (0, &[400], &[2]),
        // Too much.
        (0, &[800], &[2, 1]),
        // Not much more than the other.
        (0, &[300, 100], &[3, 1]),
        (1, &[100, 300], &[3, 2]),
        // Much more.
        (1, &[100, 500], &[4, 2]),
    ];
    for (number, (comes_in, loads, expected)) in cases.into_iter().enumerate() {
        let (peer, ours) = sockets().await;
        bench.writer.runs_on(comes_in);
        (0..loads.len()).for_each(|pump| put(&bench.pumps, pump, loads[pump]));
        peers.push(bench.attach(peer, ours, Mute::default(), None));
        assert_eq!(of_each(&bench.pumps), expected, "{number}");
    }
    // Wherever they are, they get it.
    bench.publish();
    for (peer, ..) in &mut peers {
        peer.read_exact(&mut vec![0; FRAME]).await.unwrap();
    }
}

#[tokio::test]
async fn an_output_is_as_late_as_the_latest_of_its_players_on_whatever_thread() {
    let shared = Arc::<OutputStats>::default();
    let bench = Bench::lagging(Backend::Calls, Duration::from_secs(60));
    let mut bench = Bench { pumps: busy(800), shared: Some(shared.clone()), ..bench };
    let (stuck, late, _) = bench.connect_narrow().await;
    put(&bench.pumps, 0, 0);
    bench.reader().await;
    assert_eq!(of_each(&bench.pumps), [2, 1], "each on a thread of its own");
    let begun = Instant::now();
    while shared.lag_millis.get() <= 1000 {
        assert!(begun.elapsed() < Duration::from_secs(20), "a peer that reads nothing is not late");
        bench.publish();
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    // Some ticks of both threads, of which each has something to say.
    for _ in 0..30 {
        bench.publish();
        tokio::time::sleep(Duration::from_millis(40)).await;
        let lag = shared.lag_millis.get();
        assert!(lag > 1000, "{lag} ms");
    }
    drop((late, stuck));
    let gone = async {
        while shared.lag_millis.get() >= 1000 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.expect("the lag of one that has left");
}
