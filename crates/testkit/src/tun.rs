//! A network link in user space, of a TUN device: delay, loss of packets, a rate cap with a queue, each way on its own.
//!
//! A proxy hurts a stream of bytes; this hurts IP packets, so that the kernel's own TCP has to cope. The device has two
//! addresses of this machine, a *client's* and a *server's*, and stands for two more, where each is seen from the other
//! side. What the client's side sends to [`TunLink::far`] comes out at the server's address as if from elsewhere: the
//! addresses are exchanged in such a way that no checksum changes. Servers bind [`TunLink::server`] (port 0 as ever),
//! and whoever dials `far` with that port goes over the link.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tappers::Tun;

use crate::ingest::Ingest;
use crate::random::Random;

/// Last bytes of the four addresses. What the first two sum to is what the last two sum to, so that checksums stay right.
const CLIENT: u8 = 1;
const FAR_SERVER: u8 = 130;
const FAR_CLIENT: u8 = 2;
const SERVER: u8 = 129;

/// Longer packets do not come from a device with an MTU of 1500.
const PACKET: usize = 2048;

/// How one direction behaves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Path {
    /// Each packet arrives so much later, beside what it waits for the cap.
    pub delay: Duration,
    /// This fraction of the packets is lost, each by chance.
    pub loss: f64,
    /// At most so many bytes a second, IP headers included; `None` for no cap.
    pub bytes_per_second: Option<u64>,
    /// How many bytes may wait for the cap; what comes on top is lost.
    pub queue: usize,
    /// Nothing gets through, and nobody is told.
    pub down: bool,
}

impl Default for Path {
    fn default() -> Self {
        Self { delay: Duration::ZERO, loss: 0.0, bytes_per_second: None, queue: 64 << 10, down: false }
    }
}

/// Both directions.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Paths {
    /// From who dials to the server.
    pub up: Path,
    /// From the server to who dialled.
    pub down: Path,
}

/// What one direction has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Carried {
    /// Packets that arrived.
    pub packets: u64,
    /// Bytes that arrived, IP headers included.
    pub bytes: u64,
    /// Packets lost by chance, or because the path was down.
    pub lost: u64,
    /// Packets lost because the queue was full.
    pub overflowed: u64,
}

#[derive(Default)]
struct Counters {
    packets: AtomicU64,
    bytes: AtomicU64,
    lost: AtomicU64,
    overflowed: AtomicU64,
}

impl Counters {
    fn read(&self) -> Carried {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (packets, bytes) = (read(&self.packets), read(&self.bytes));
        Carried { packets, bytes, lost: read(&self.lost), overflowed: read(&self.overflowed) }
    }
}

#[derive(Default)]
struct Shared {
    paths: Mutex<Paths>,
    up: Counters,
    down: Counters,
    over: AtomicBool,
}

/// A running link. The device goes when this is dropped.
pub struct TunLink {
    shared: Arc<Shared>,
    network: [u8; 3],
    thread: Option<std::thread::JoinHandle<()>>,
}

impl TunLink {
    /// Makes the device; packets pass unhurt until [`TunLink::set`]. `None`, and a line on standard error that says why,
    /// where this machine does not allow it: it takes root, `/dev/net/tun` and the program `ip`. Equal seeds lose the same
    /// packets of equal traffic.
    pub fn start(seed: u64) -> Option<Self> {
        match Self::try_start(seed) {
            Ok(link) => Some(link),
            Err(why) => {
                eprintln!("skipped: no TUN link on this machine: {why}");
                None
            }
        }
    }

    fn try_start(seed: u64) -> Result<Self, String> {
        let mut tun = Tun::new().map_err(|error| format!("/dev/net/tun: {error}"))?;
        let name = tun.name().map_err(|error| error.to_string())?;
        let name = name.name().to_string_lossy().into_owned();
        let network = free_network()?;
        let address = |last| Ipv4Addr::new(network[0], network[1], network[2], last);
        ip(&format!("address add {}/24 dev {name}", address(CLIENT)))?;
        ip(&format!("address add {}/32 dev {name}", address(SERVER)))?;
        ip(&format!("link set {name} mtu 1500 up"))?;
        tun.set_nonblocking(true).map_err(|error| error.to_string())?;
        let shared = Arc::new(Shared::default());
        let forwarder = Forwarder {
            tun,
            shared: shared.clone(),
            random: Random::new(seed),
            up: Line::default(),
            down: Line::default(),
        };
        let thread = std::thread::Builder::new().name("tun".into()).spawn(move || forwarder.run());
        Ok(Self { shared, network, thread: Some(thread.map_err(|error| error.to_string())?) })
    }

    fn address(&self, last: u8) -> IpAddr {
        IpAddr::from([self.network[0], self.network[1], self.network[2], last])
    }

    /// Where servers bind, with port 0.
    pub fn server(&self) -> SocketAddr {
        SocketAddr::new(self.address(SERVER), 0)
    }

    /// Where a server that listens on this port is dialled over the link.
    pub fn far(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.address(FAR_SERVER), port)
    }

    /// The URL of a server bound to [`TunLink::server`], over the link. For plain RTMP.
    pub fn url(&self, server: &Ingest, path: &str) -> String {
        format!("rtmp://{}/{path}", self.far(server.address().port()))
    }

    /// Changes how the link behaves; packets that are under way keep their time.
    pub fn set(&self, change: impl FnOnce(&mut Paths)) {
        change(&mut self.shared.paths.lock().expect("never held over a panic"));
    }

    /// What went up and down so far.
    pub fn carried(&self) -> (Carried, Carried) {
        (self.shared.up.read(), self.shared.down.read())
    }
}

impl Drop for TunLink {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl std::fmt::Debug for TunLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TunLink").field("far", &self.address(FAR_SERVER)).field("carried", &self.carried()).finish()
    }
}

/// A network of 256 private addresses that no device of this machine has, at a place that depends on the process id.
fn free_network() -> Result<[u8; 3], String> {
    let taken = ip("-o address show")?;
    let start = (std::process::id() % 250) as u8;
    let third = (0..250).map(|step| (start + step) % 250).find(|third| !taken.contains(&format!(" 10.199.{third}.")));
    third.map(|third| [10, 199, third]).ok_or_else(|| "all of 10.199.0.0/16 is taken".into())
}

fn ip(words: &str) -> Result<String, String> {
    let output = Command::new("ip").args(words.split(' ')).output().map_err(|error| format!("ip: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(format!("ip {words}: {}", text(&output.stderr).trim())),
    }
}

/// Packets on their way in one direction.
#[derive(Default)]
struct Line {
    packets: VecDeque<(Instant, Vec<u8>)>,
    /// When the last of them will have passed the cap.
    free_at: Option<Instant>,
}

impl Line {
    /// Takes a packet, or loses it.
    fn take(&mut self, now: Instant, packet: &[u8], path: &Path, counters: &Counters, random: &mut Random) {
        // Asked for each packet, so that the same ones are lost whatever else happens.
        if random.chance(path.loss) || path.down {
            counters.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let mut passed = now;
        if let Some(rate) = path.bytes_per_second {
            let begins = self.free_at.map_or(now, |free| free.max(now));
            if (begins - now).as_secs_f64() * rate as f64 > path.queue as f64 {
                counters.overflowed.fetch_add(1, Ordering::Relaxed);
                return;
            }
            passed = begins + Duration::from_secs_f64(packet.len() as f64 / rate as f64);
            self.free_at = Some(passed);
        }
        // Never past one another, also where the delay has just become shorter.
        let due = (passed + path.delay).max(self.packets.back().map_or(now, |(due, _)| *due));
        self.packets.push_back((due, packet.to_vec()));
    }

    fn deliver(&mut self, now: Instant, tun: &Tun, counters: &Counters) {
        while let Some((_, packet)) = self.packets.pop_front_if(|(due, _)| *due <= now) {
            // The kernel refuses one only while the device goes away.
            if tun.send(&packet).is_ok() {
                counters.packets.fetch_add(1, Ordering::Relaxed);
                counters.bytes.fetch_add(packet.len() as u64, Ordering::Relaxed);
            }
        }
    }
}

struct Forwarder {
    tun: Tun,
    shared: Arc<Shared>,
    random: Random,
    up: Line,
    down: Line,
}

impl Forwarder {
    fn run(mut self) {
        let mut packet = [0; PACKET];
        while !self.shared.over.load(Ordering::Relaxed) {
            let due = [&self.up, &self.down].into_iter().filter_map(|line| Some(line.packets.front()?.0)).min();
            let wait = due.map_or(LOOK, |due| due.saturating_duration_since(Instant::now()).min(LOOK));
            let wait = Timespec { tv_sec: 0, tv_nsec: i64::from(wait.subsec_nanos()) };
            let _ = poll(&mut [PollFd::new(&self.tun, PollFlags::IN)], Some(&wait));
            let paths = *self.shared.paths.lock().expect("never held over a panic");
            loop {
                match self.tun.recv(&mut packet) {
                    Ok(length) => self.take(&mut packet[..length], &paths),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(_) => break,
                }
            }
            let now = Instant::now();
            self.up.deliver(now, &self.tun, &self.shared.up);
            self.down.deliver(now, &self.tun, &self.shared.down);
        }
    }

    /// Turns a packet of the near side into one from afar. Whatever is not of the four addresses is nobody's.
    fn take(&mut self, packet: &mut [u8], paths: &Paths) {
        // IPv4: version in the top four bits of byte 0, source at 12, destination at 16 (RFC 791 §3.1).
        if packet.len() < 20 || packet[0] >> 4 != 4 {
            return;
        }
        let now = Instant::now();
        match (packet[15], packet[19]) {
            (CLIENT, FAR_SERVER) => {
                (packet[15], packet[19]) = (FAR_CLIENT, SERVER);
                self.up.take(now, packet, &paths.up, &self.shared.up, &mut self.random);
            }
            (SERVER, FAR_CLIENT) => {
                (packet[15], packet[19]) = (FAR_SERVER, CLIENT);
                self.down.take(now, packet, &paths.down, &self.shared.down, &mut self.random);
            }
            _ => {}
        }
    }
}

/// How long the forwarder sleeps at most: it ends that much after the link was dropped.
const LOOK: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    async fn pair(link: &TunLink) -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind(link.server()).await.unwrap();
        let far = link.far(listener.local_addr().unwrap().port());
        let (client, server) = tokio::join!(TcpStream::connect(far), listener.accept());
        let (server, peer) = server.unwrap();
        assert_ne!(peer.ip(), client.as_ref().unwrap().local_addr().unwrap().ip());
        (client.unwrap(), server)
    }

    #[tokio::test]
    async fn delay_is_added_each_way() {
        let Some(link) = TunLink::start(1) else { return };
        let (mut client, mut server) = pair(&link).await;
        link.set(|paths| {
            paths.up.delay = Duration::from_millis(75);
            paths.down.delay = Duration::from_millis(40);
        });
        let mut byte = [0];
        let sent = Instant::now();
        client.write_all(b"x").await.unwrap();
        server.read_exact(&mut byte).await.unwrap();
        let there = sent.elapsed();
        server.write_all(b"y").await.unwrap();
        client.read_exact(&mut byte).await.unwrap();
        let back = sent.elapsed() - there;
        assert!(
            there >= Duration::from_millis(75) && back >= Duration::from_millis(40),
            "{there:?} there, {back:?} back"
        );
        assert!(there + back < Duration::from_millis(400), "{there:?} there, {back:?} back");
    }

    #[tokio::test]
    async fn a_cap_and_loss_are_kept() {
        let Some(link) = TunLink::start(2) else { return };
        let (mut client, mut server) = pair(&link).await;
        link.set(|paths| {
            paths.up = Path { loss: 0.02, bytes_per_second: Some(400_000), ..Path::default() };
        });
        let sent = Instant::now();
        let writing = tokio::spawn(async move { client.write_all(&vec![7; 400_000]).await });
        let mut all = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        while all.len() < 400_000 {
            let n = server.read(&mut buffer).await.unwrap();
            assert!(n > 0);
            all.extend_from_slice(&buffer[..n]);
        }
        writing.await.unwrap().unwrap();
        assert!(all.iter().all(|byte| *byte == 7));
        let (up, _) = link.carried();
        assert!(sent.elapsed() > Duration::from_millis(800), "{:?} for {up:?}", sent.elapsed());
        assert!(up.lost > 0 && up.bytes > 400_000, "{up:?}");
    }

    #[tokio::test]
    async fn a_path_that_is_down_tells_nobody() {
        let Some(link) = TunLink::start(3) else { return };
        let (mut client, mut server) = pair(&link).await;
        link.set(|paths| paths.up.down = true);
        client.write_all(b"x").await.unwrap();
        let mut byte = [0];
        assert!(tokio::time::timeout(Duration::from_millis(300), server.read_exact(&mut byte)).await.is_err());
        link.set(|paths| paths.up.down = false);
        server.read_exact(&mut byte).await.unwrap();
    }
}
