//! Chaos: twenty pushes through proxies that a seeded adversary delays, throttles, freezes, cuts, half-closes and fills
//! with wrong bytes, while the source comes and goes. Afterwards every output is live again within its retry cap, and
//! memory, descriptors and threads are what they were.
//!
//! `OUTFLOW_CHAOS_SEED=N` repeats a run's harm; each run prints its seed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use outflow_testkit::chaos::{Chaos, Harm};
use outflow_testkit::flv::Tag;
use outflow_testkit::free_port;
use outflow_testkit::ingest::{Behaviour, Ingest, Setup};
use outflow_testkit::media::made_up;
use outflow_testkit::peers;
use outflow_testkit::proc::{Child, Command};
use outflow_testkit::proxy::Proxy;
use outflow_testkit::publisher::Publisher;
use outflow_testkit::random::Random;
use outflow_testkit::wait::until;

use crate::said;

const OUTPUTS: usize = 20;
/// Bytes a second of the stream: 2 Mb/s.
const RATE: u64 = 250_000;
/// The longest wait between two attempts, and what a refusal may make of it.
const RETRY_MAX: Duration = Duration::from_secs(2);
const REFUSED: u32 = 6;
/// What an attempt takes at most that was under way in a wrecked connection: no answer to the handshake, or a stall.
const ATTEMPT: Duration = Duration::from_secs(15);

#[tokio::test]
async fn outputs_live_through_chaos() {
    chaos(Duration::from_secs(20)).await;
}

#[tokio::test]
#[ignore = "twenty minutes: scripts/test-long"]
async fn outputs_live_through_twenty_minutes_of_chaos() {
    chaos(Duration::from_secs(1200)).await;
}

async fn chaos(length: Duration) {
    let seed = Random::seed_from("OUTFLOW_CHAOS_SEED");
    println!("seed {seed}");
    let port = free_port();
    let mut servers = Vec::new();
    let mut proxies = Vec::new();
    let mut program = Command::new(env!("CARGO_BIN_EXE_outflow"))
        .line(&format!("-json -i rtmp://127.0.0.1:{port}/in/key:gpac:rtmp_listen=1:name=in"));
    for number in 0..OUTPUTS {
        let server = Setup::new([Behaviour::Good]).without_bodies().start().await;
        let proxy = Proxy::start_seeded(server.address(), seed + number as u64).await;
        program = program.arg("-o").arg(format!(
            "rtmp://{}/live/k{number}:gpac:name=o{number}:retry_max={}",
            proxy.address(),
            RETRY_MAX.as_secs()
        ));
        servers.push(server);
        proxies.push(proxy);
    }
    let mut program = program.start();
    peers::wait_listening(port, &mut program).await;
    let source = tokio::spawn(source(format!("rtmp://127.0.0.1:{port}/in/key"), seed, length));
    all_receive(&program, &servers, "at the start").await;
    // Buffers have their size, and the ring is full.
    tokio::time::sleep(Duration::from_secs(7)).await;
    let before = Held::of(&program);

    let mut chaos = Chaos::new(seed, RATE);
    let mut harms: BTreeMap<&str, u32> = BTreeMap::new();
    let mut most = before;
    let begun = Instant::now();
    while begun.elapsed() < length {
        let (which, harm) = chaos.next(OUTPUTS);
        *harms.entry(harm.name()).or_default() += 1;
        harm.apply(&proxies[which]);
        tokio::time::sleep(chaos.time(Duration::from_millis(20)..Duration::from_millis(400))).await;
        most = most.max(Held::of(&program));
        assert!(program.is_running(), "the program ended: {}", program.text());
    }
    proxies.iter().for_each(|proxy| Harm::Heal.apply(proxy));
    let gone_and_back = source.await.unwrap();
    let healed = Instant::now();
    all_receive(&program, &servers, "after the chaos").await;
    let took = healed.elapsed();
    let cap = ATTEMPT + RETRY_MAX * REFUSED;
    println!(
        "{:?} of chaos, {harms:?}; the source came {gone_and_back} times; {} connections of {OUTPUTS} outputs; all live \
         again after {took:?} ({cap:?} allowed)",
        begun.elapsed(),
        servers.iter().map(|server| server.state.look(|state| state.connections())).sum::<usize>()
    );
    assert!(took < cap, "it took {took:?} until all were live again");
    let slack = 8_000_000;
    println!("before {before:?}, at most {most:?}");
    let mut after = Held::of(&program);
    until(&format!("what is held is back from {after:?} to {before:?}"), || {
        after = Held::of(&program);
        after.descriptors <= before.descriptors + 2
            && after.threads <= before.threads
            && after.resident <= before.resident + slack
    })
    .await;
    println!("after {after:?}");
    assert_eq!(program.interrupt().await, 0, "{}", program.text());
}

/// What a process holds.
#[derive(Debug, Clone, Copy)]
struct Held {
    resident: u64,
    descriptors: usize,
    threads: u64,
}

impl Held {
    fn of(program: &Child) -> Self {
        Self { resident: program.resident(), descriptors: program.descriptors(), threads: program.threads() }
    }

    fn max(self, other: Self) -> Self {
        Self {
            resident: self.resident.max(other.resident),
            descriptors: self.descriptors.max(other.descriptors),
            threads: self.threads.max(other.threads),
        }
    }
}

/// Waits until every output is live by what the program says and by what its server gets.
async fn all_receive(program: &Child, servers: &[Ingest], when: &str) {
    let before: Vec<usize> = servers.iter().map(media).collect();
    let since = Instant::now();
    until(&format!("every output is live {when}"), || {
        let told = said::now(program);
        let missing: Vec<usize> = (0..servers.len())
            .filter(|number| {
                let live = told.get(&format!("o{number}")).is_some_and(|state| state == "live");
                !live || media(&servers[*number]) < before[*number] + 25
            })
            .collect();
        if since.elapsed() > Duration::from_secs(35) {
            println!("{missing:?} are not live {when}");
        }
        missing.is_empty()
    })
    .await;
}

fn media(server: &Ingest) -> usize {
    server.state.look(|state| state.sessions.iter().map(|session| session.media_messages).sum())
}

/// Publishes for a while, breaks off or says good-bye, and comes again, until the time is over; then stays. How often it
/// came.
async fn source(url: String, seed: u64, length: Duration) -> u32 {
    let mut random = Random::new(!seed);
    let tags = made_up(25 * 60, 50, (RATE / 25) as usize);
    let over = Instant::now() + length;
    let mut times = 0;
    // At first for long enough to be measured.
    let mut stays = Duration::from_secs(12);
    loop {
        let Some(mut publisher) = come(&url).await else { continue };
        times += 1;
        if Instant::now() >= over {
            tokio::spawn(async move {
                let mut offset = 0;
                while play(&mut publisher, &tags, offset).await {
                    offset += 60_000;
                }
            });
            return times;
        }
        let _ = tokio::time::timeout(stays, play(&mut publisher, &tags, 0)).await;
        // A clean end closes the outputs; a broken one keeps them.
        if random.chance(0.3) {
            let _ = publisher.finish().await;
        } else {
            drop(publisher);
        }
        tokio::time::sleep(random.time(Duration::from_millis(10)..Duration::from_secs(3))).await;
        stays = random.time(Duration::from_secs(2)..Duration::from_secs(15));
    }
}

async fn play(publisher: &mut Publisher, tags: &[Tag], offset: u32) -> bool {
    publisher.play(tags, offset).await.is_ok()
}

/// The name may still be busy with the connection that broke off.
async fn come(url: &str) -> Option<Publisher> {
    match Publisher::connect(url).await {
        Ok(publisher) => Some(publisher),
        Err(_) => {
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}
