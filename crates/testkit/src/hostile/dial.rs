//! Attackers that dial: as many at once as they are told, one connection after another, each from another loopback address.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::bytes::{Out, one_of};
use super::{Scene, Tally, attacks};
use crate::random::Random;

/// Nothing that a server owes such a peer takes longer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Attacks for so long over so many connections at once, and as many again that only stay. All are gone when this returns.
pub async fn assault(address: SocketAddr, scene: Scene, lanes: u64, seed: u64, lasts: Duration, tally: Arc<Tally>) {
    let until = Instant::now() + lasts;
    let mut tasks = tokio::task::JoinSet::new();
    for lane in 0..lanes {
        let (scene, tally) = (scene.clone(), tally.clone());
        tasks.spawn(async move {
            let mut random = Random::new(seed.wrapping_mul(1000).wrapping_add(lane));
            // In turn, so that a short run makes all of them; each lane begins elsewhere.
            let all: Vec<_> = attacks().collect();
            for turn in lane as usize.. {
                if Instant::now() >= until {
                    return;
                }
                let (_, make) = all[turn % all.len()];
                let bytes = make(&mut random, &scene);
                // Whatever comes of it is what it was to come to.
                let _ = strike(address, &bytes, &mut random, until, &tally).await;
            }
        });
    }
    for number in 0..lanes {
        let (scene, tally) = (scene.clone(), tally.clone());
        tasks.spawn(async move {
            let mut random = Random::new(seed.wrapping_add(number));
            while Instant::now() < until {
                let _ = timeout_at(until, stay(address, &scene, number, &mut random, &tally)).await;
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.expect("an attacker has no fault of its own");
    }
}

/// A connection from a loopback address that is hardly in use.
async fn connect(address: SocketAddr, random: &mut Random, tally: &Tally) -> io::Result<TcpStream> {
    let made = async {
        let socket = TcpSocket::new_v4()?;
        let from = Ipv4Addr::new(127, 0, random.below(100) as u8, 2 + random.below(200) as u8);
        socket.bind((from, 0).into())?;
        timeout(PATIENCE, socket.connect(address)).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    };
    let made = made.await;
    Tally::add(if made.is_ok() { &tally.connections } else { &tally.refused }, 1);
    made
}

/// Sends everything as fast as the server takes it, reads what comes, and leaves in one way or another.
async fn strike(
    address: SocketAddr,
    bytes: &[u8],
    random: &mut Random,
    until: Instant,
    tally: &Tally,
) -> io::Result<()> {
    let tcp = connect(address, random, tally).await?;
    tcp.set_nodelay(true)?;
    let until = until.min(Instant::now() + PATIENCE);
    let deaf = random.below(8) == 0;
    let interest = if deaf { Interest::WRITABLE } else { Interest::WRITABLE | Interest::READABLE };
    let slice = one_of(random, &[usize::MAX, usize::MAX, 65_536, 4096, 1000, 7]);
    let mut rest = bytes;
    for turn in 0u32.. {
        if rest.is_empty() {
            break;
        }
        let Ok(ready) = timeout_at(until, tcp.ready(interest)).await else { break };
        let ready = ready?;
        if ready.is_readable() && !hear(&tcp, tally)? {
            return Ok(());
        }
        if ready.is_writable() {
            // Thousands of bytes one by one would be no full speed.
            let length = if turn < 500 { slice.min(rest.len()) } else { rest.len() };
            match tcp.try_write(&rest[..length]) {
                Ok(written) => {
                    Tally::add(&tally.sent, written);
                    rest = &rest[written..];
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        if turn % 8 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let stays = Duration::from_millis(one_of(random, &[0, 0, 20, 300]));
    let leaves = until.min(Instant::now() + stays);
    while let Ok(ready) = timeout_at(leaves, tcp.ready(Interest::READABLE)).await {
        ready?;
        if !hear(&tcp, tally)? {
            return Ok(());
        }
    }
    if random.below(2) == 0 {
        // A reset in the place of an end.
        tcp.set_zero_linger()?;
    }
    Ok(())
}

/// Reads what is there; false at the end.
fn hear(tcp: &TcpStream, tally: &Tally) -> io::Result<bool> {
    let mut buffer = [0; 16 * 1024];
    match tcp.try_read(&mut buffer) {
        Ok(0) => Ok(false),
        Ok(read) => {
            tally.received.fetch_add(read as u64, Ordering::Relaxed);
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
        Err(error) => Err(error),
    }
}

/// Sends little, reads little or nothing, and stays until the server has enough of it.
async fn stay(address: SocketAddr, scene: &Scene, number: u64, random: &mut Random, tally: &Tally) -> io::Result<()> {
    let tcp = connect(address, random, tally).await?;
    let (bytes, reads) = match number % 8 {
        0 => (Vec::new(), 0),
        1 => (Out::hello().bytes[..1537].to_vec(), 0),
        2 => (Out::hello().bytes, 0),
        3 => (Out::open(scene.app).bytes, 65_536),
        4 => (Out::begun(scene.app, "play", scene.live).bytes, 0),
        5 => (Out::begun(scene.app, "play", scene.live).bytes, 1),
        6 => (Out::begun(scene.app, "publish", &scene.own_name(random)).bytes, 65_536),
        _ => {
            let mut out = Out::begun(scene.app, "publish", &scene.own_name(random));
            out.header(0, 6, 0, 100_000, 9, 1);
            (out.bytes, 65_536)
        }
    };
    // All but its last bytes come at once: those come one by one.
    let dribbled = bytes.len().min(3);
    let mut rest = &bytes[..];
    let mut buffer = vec![0; reads];
    loop {
        let length = if rest.len() > dribbled { rest.len() - dribbled } else { rest.len().min(1) };
        match tcp.try_write(if rest.is_empty() && number % 8 == 7 { b"\x17" } else { &rest[..length] }) {
            Ok(written) => {
                Tally::add(&tally.sent, written);
                rest = rest.get(written..).unwrap_or_default();
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        sleep(Duration::from_millis(200)).await;
        if reads > 0 && matches!(tcp.try_read(&mut buffer), Ok(0)) {
            return Ok(());
        }
    }
}
