//! A server that attacks whoever dials it: pushes and pulls.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::bytes::{Out, noise, null, number, object, one_of, string};
use super::seeds::mutate;
use super::{Scene, Tally, attacks};
use crate::random::Random;

/// How long it bothers with one connection.
const PATIENCE: Duration = Duration::from_secs(2);

/// A running server, until it is dropped.
#[derive(Debug)]
pub struct Foe {
    address: SocketAddr,
    /// What it did.
    pub tally: Arc<Tally>,
    task: JoinHandle<()>,
}

impl Foe {
    /// Binds and serves, as badly as it can.
    pub async fn start(scene: Scene, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let tally = Arc::<Tally>::default();
        let counted = tally.clone();
        let task = tokio::spawn(async move {
            let mut tasks = tokio::task::JoinSet::new();
            for turn in 0u64.. {
                let Ok((tcp, _)) = listener.accept().await else { return };
                Tally::add(&counted.connections, 1);
                let (scene, tally) = (scene.clone(), counted.clone());
                tasks.spawn(async move {
                    let mut random = Random::new(seed.wrapping_mul(1000).wrapping_add(turn));
                    let _ = serve(tcp, turn, &mut random, &scene, &tally, address).await;
                });
                while tasks.try_join_next().is_some() {}
            }
        });
        Self { address, tally, task }
    }

    /// `rtmp://127.0.0.1:PORT/PATH`
    pub fn url(&self, path: &str) -> String {
        format!("rtmp://{}/{path}", self.address)
    }
}

impl Drop for Foe {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut tcp: TcpStream,
    turn: u64,
    random: &mut Random,
    scene: &Scene,
    tally: &Tally,
    own: SocketAddr,
) -> io::Result<()> {
    let bytes = answer(turn, random, scene, own);
    let (mut reading, mut writing) = tcp.split();
    let hears = async {
        let mut buffer = [0; 16 * 1024];
        while reading.read(&mut buffer).await? > 0 {}
        io::Result::Ok(())
    };
    let slice = one_of(random, &[usize::MAX, 65_536, 1000, 1]);
    let (mute, dribbles) = (random.below(10) == 0, random.below(10) == 0);
    let speaks = async {
        if mute {
            sleep(PATIENCE).await;
        }
        let mut rest = &bytes[..];
        for turn in 0.. {
            let length = if turn < 300 { slice.min(rest.len()) } else { rest.len() };
            writing.write_all(&rest[..length]).await?;
            Tally::add(&tally.sent, length);
            rest = &rest[length..];
            if rest.is_empty() {
                break;
            }
        }
        if dribbles {
            loop {
                writing.write_all(&[0x06]).await?;
                sleep(Duration::from_millis(50)).await;
            }
        }
        sleep(Duration::from_millis(one_of(random, &[0, 10, 300, 1500]))).await;
        io::Result::Ok(())
    };
    let _ = timeout(PATIENCE, async {
        tokio::select! {
            ended = speaks => ended,
            ended = hears => ended,
        }
    })
    .await;
    if turn.is_multiple_of(2) {
        tcp.set_zero_linger()?;
    }
    Ok(())
}

/// What it says, without listening: most clients ask for the same things in the same order.
fn answer(turn: u64, random: &mut Random, scene: &Scene, own: SocketAddr) -> Vec<u8> {
    let attack = |random: &mut Random| {
        let all: Vec<_> = attacks().collect();
        let bytes = all[(turn as usize / 4) % all.len()].1(random, scene);
        // Without the handshake, which the server's own stands for.
        bytes.get(3073..).unwrap_or_default().to_vec()
    };
    match turn % 4 {
        0 => {
            let mut bytes = scene.seeds.servers[random.below(scene.seeds.servers.len() as u64) as usize].clone();
            let mut rest = bytes.split_off(one_of(random, &[0, 3073]).min(bytes.len()));
            mutate(random, &mut rest);
            bytes.extend(rest);
            bytes
        }
        1 => {
            let mut out = Out::hello();
            out.raw(&attack(random));
            out.bytes
        }
        2 => {
            let mut out = accepted();
            out.raw(&attack(random));
            out.bytes
        }
        _ => odd(random, own),
    }
}

/// A yes to everything.
fn accepted() -> Out {
    let mut out = Out::hello();
    out.control(5, 5_000_000);
    let info =
        |level: &str, code: &str| object(&[("level", string(level.as_bytes())), ("code", string(code.as_bytes()))]);
    out.command(0, "_result", 1.0, &[object(&[]), info("status", "NetConnection.Connect.Success")].concat());
    // The number of the transaction is for each client to choose.
    for transaction in 2..7 {
        out.command(0, "_result", f64::from(transaction), &[null(), number(1.0)].concat());
    }
    for code in ["NetStream.Publish.Start", "NetStream.Play.Start"] {
        out.command(1, "onStatus", 0.0, &[null(), info("status", code)].concat());
    }
    out
}

/// What only servers can do: send elsewhere, call away, refuse in strange words, end what has not begun.
fn odd(random: &mut Random, own: SocketAddr) -> Vec<u8> {
    let mut out = if random.below(2) == 0 { accepted() } else { Out::hello() };
    for _ in 0..random.below(300) {
        let length = one_of(random, &[0, 10, 3000]);
        let words = noise(random, length);
        let url = match random.below(4) {
            0 => format!("rtmp://{own}/live"),
            1 => "rtmp://127.0.0.1:22/live".to_owned(),
            2 => "rtmp://169.254.169.254/latest".to_owned(),
            _ => "x".repeat(5000),
        };
        let code = one_of(
            random,
            &[
                "NetConnection.Connect.Rejected",
                "NetConnection.Connect.ReconnectRequest",
                "NetStream.Publish.BadName",
                "NetStream.Play.UnpublishNotify",
                "NetStream.Play.Reset",
                "",
                "NetConnection.Call.Failed",
            ],
        );
        let ex = object(&[("code", number(302.0)), ("redirect", string(url.as_bytes()))]);
        let info = object(&[
            ("level", string(one_of(random, &[&b"error"[..], b"status", b""]))),
            ("code", string(code.as_bytes())),
            ("description", string(&words)),
            ("tcUrl", string(url.as_bytes())),
            ("ex", ex),
        ]);
        let name = one_of(random, &["_error", "_result", "onStatus", "onBWDone", "close", "onFCPublish"]);
        out.command(random.below(2) as u32, name, random.below(6) as f64, &[null(), info].concat());
        out.user(one_of(random, &[0, 1, 3, 4, 6, 26, 32]), &[0, 0, 0, random.below(3) as u8]);
    }
    out.bytes
}
