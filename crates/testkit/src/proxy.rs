//! A TCP proxy that makes the link bad: delay, rate cap, freeze, wrong bytes, cut, half-close.

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::random::Random;

/// How one direction behaves.
#[derive(Debug, Clone, Copy, Default)]
pub struct Way {
    /// Each byte arrives this much later.
    pub delay: Duration,
    /// At most this many bytes a second, for each connection; `None` for no cap.
    pub bytes_per_second: Option<u64>,
    /// At most this many bytes a second for all connections together, in the order in which they come: a line with a queue.
    pub line: Option<Line>,
    /// Nothing is read or written.
    pub frozen: bool,
    /// One byte in so many is changed, each by chance; `None` for none.
    pub corrupt: Option<u64>,
}

/// A line that several connections share: who has much to send makes the others wait behind it.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    /// What it carries.
    pub bytes_per_second: u64,
    /// How long its queue is: who finds it full waits before it.
    pub queue: Duration,
}

/// Both directions, and what ends the connections.
#[derive(Debug, Clone, Copy, Default)]
pub struct Link {
    /// From who dialled the proxy to the target.
    pub up: Way,
    /// From the target to who dialled.
    pub down: Way,
    /// Raised by [`Proxy::cut`].
    cuts: u32,
    /// Raised by [`Proxy::half_close`] and [`Proxy::half_close_down`].
    half_closes: [u32; 2],
}

/// A running proxy; it and its connections end when this is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    link: watch::Sender<Link>,
    carried: Arc<[AtomicU64; 2]>,
    tapped: Option<Tapped>,
    accepting: tokio::task::JoinHandle<()>,
}

/// When a line has sent all that is in its queue, for both directions.
type Free = Arc<[tokio::sync::Mutex<Instant>; 2]>;

/// What each connection sent up, whole.
type Tapped = Arc<Mutex<Vec<Vec<u8>>>>;

impl Proxy {
    /// Listens on a free port and carries every connection to `target`.
    pub async fn start(target: SocketAddr) -> Self {
        Self::start_seeded(target, 0).await
    }

    /// [`Proxy::start`] with a seed for the places of wrong bytes.
    pub async fn start_seeded(target: SocketAddr, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        Self::start_on(listener, target, seed, None)
    }

    /// [`Proxy::start`] with small kernel buffers where it is dialled: a cap is felt there at once.
    pub async fn start_narrow(target: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        // Connections that are accepted inherit it.
        socket.set_recv_buffer_size(64 << 10).expect("SO_RCVBUF");
        socket.set_send_buffer_size(64 << 10).expect("SO_SNDBUF");
        socket.bind(([127, 0, 0, 1], 0).into()).expect("a port");
        Self::start_on(socket.listen(64).expect("listens"), target, 0, None)
    }

    /// A proxy that keeps what goes up, for [`Proxy::tapped`].
    pub async fn start_tapping(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        Self::start_on(listener, target, 0, Some(Tapped::default()))
    }

    fn start_on(listener: TcpListener, target: SocketAddr, seed: u64, tapped: Option<Tapped>) -> Self {
        let address = listener.local_addr().expect("has an address");
        let (link, orders) = watch::channel(Link::default());
        let carried: Arc<[AtomicU64; 2]> = Arc::default();
        let (counters, taps) = (Arc::clone(&carried), tapped.clone());
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            let mut random = Random::new(seed);
            let free: Free = Arc::new([Instant::now(), Instant::now()].map(tokio::sync::Mutex::new));
            while let Ok((client, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                let random = Random::new(random.number());
                let (orders, counters, free) = (orders.clone(), Arc::clone(&counters), Arc::clone(&free));
                connections.spawn(carry(client, target, orders, counters, free, random, taps.clone()));
            }
        });
        Self { address, link, carried, tapped, accepting }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes how the link behaves, for open connections too.
    pub fn set(&self, change: impl FnOnce(&mut Link)) {
        self.link.send_modify(change);
    }

    /// Resets every connection that is open now.
    pub fn cut(&self) {
        self.set(|link| link.cuts += 1);
    }

    /// Sends FIN to the target and goes on carrying the other direction.
    pub fn half_close(&self) {
        self.set(|link| link.half_closes[0] += 1);
    }

    /// Sends FIN to who dialled and goes on carrying what he says.
    pub fn half_close_down(&self) {
        self.set(|link| link.half_closes[1] += 1);
    }

    /// Lets bytes pass unhurt from now on.
    pub fn heal(&self) {
        self.set(|link| (link.up, link.down) = Default::default());
    }

    /// What was sent up so far by each connection, in the order in which they came, if it was started to keep that.
    pub fn tapped(&self) -> Vec<Vec<u8>> {
        self.tapped.as_ref().map(|tapped| tapped.lock().expect("no panic under it").clone()).unwrap_or_default()
    }

    /// Bytes carried up and down.
    pub fn carried(&self) -> (u64, u64) {
        (self.carried[0].load(Ordering::Relaxed), self.carried[1].load(Ordering::Relaxed))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn carry(
    client: TcpStream,
    target: SocketAddr,
    mut link: watch::Receiver<Link>,
    carried: Arc<[AtomicU64; 2]>,
    free: Free,
    mut random: Random,
    tapped: Option<Tapped>,
) {
    let tap = tapped.map(|tapped| {
        let mut all = tapped.lock().expect("no panic under it");
        all.push(Vec::new());
        (Arc::clone(&tapped), all.len() - 1)
    });
    let Ok(server) = TcpStream::connect(target).await else { return };
    if [&client, &server].iter().any(|stream| stream.set_nodelay(true).is_err()) {
        return;
    }
    let cuts = link.borrow().cuts;
    // Kept aside, so that a cut can turn the closing of both sockets into resets.
    let Ok(sockets) =
        [client.as_fd(), server.as_fd()].iter().map(|fd| fd.try_clone_to_owned()).collect::<Result<Vec<_>, _>>()
    else {
        return;
    };
    // Not `into_split`, whose halves send FIN when dropped.
    let (client_read, client_write) = tokio::io::split(client);
    let (server_read, server_write) = tokio::io::split(server);
    let other = Random::new(random.number());
    let up =
        one_way(client_read, server_write, link.clone(), true, Arc::clone(&carried), Arc::clone(&free), random, tap);
    let down = one_way(server_read, client_write, link.clone(), false, carried, free, other, None);
    tokio::select! {
        _ = async { tokio::join!(up, down) } => {}
        _ = link.wait_for(|link| link.cuts > cuts) => {
            for socket in &sockets {
                let _ = rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO));
            }
        }
    }
}

/// When what was just read has gone through the line. While the queue of that is full they wait in the order in which they
/// came.
async fn queue(free: &tokio::sync::Mutex<Instant>, line: Line, bytes: usize) -> Instant {
    let took = Duration::from_secs_f64(bytes as f64 / line.bytes_per_second.max(1) as f64);
    let mut free = free.lock().await;
    let next = (*free).max(Instant::now()) + took;
    tokio::time::sleep_until(next - line.queue.max(took)).await;
    *free = next;
    next
}

#[allow(clippy::too_many_arguments)] // the two ends of a direction, and what it shares with others
async fn one_way(
    mut from: ReadHalf<TcpStream>,
    mut to: WriteHalf<TcpStream>,
    link: watch::Receiver<Link>,
    up: bool,
    carried: Arc<[AtomicU64; 2]>,
    free: Free,
    mut random: Random,
    tap: Option<(Tapped, usize)>,
) {
    let pick = move |link: &Link| if up { link.up } else { link.down };
    let half_closes = move |link: &Link| link.half_closes[usize::from(!up)];
    let half_closed = half_closes(&link.borrow());
    // The delay line holds what is on its way; it is bounded, so a slow link pushes back like a real one.
    let (sender, mut line) = mpsc::channel::<(Instant, Vec<u8>)>(64);
    let mut link_in = link.clone();
    let mut half_close = link.clone();
    let reading = async move {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            if link_in.wait_for(|link| !pick(link).frozen).await.is_err() {
                return;
            }
            let way = pick(&link_in.borrow());
            let cap = way.bytes_per_second.or(way.line.map(|line| line.bytes_per_second));
            let most = cap.map_or(buffer.len(), |rate| ((rate / 20).max(1) as usize).min(buffer.len()));
            let n = tokio::select! {
                n = from.read(&mut buffer[..most]) => n.unwrap_or(0),
                _ = half_close.wait_for(|link| half_closes(link) > half_closed) => 0,
            };
            if let Some((all, connection)) = &tap {
                all.lock().expect("no panic under it")[*connection].extend_from_slice(&buffer[..n]);
            }
            if let Some(one_in) = way.corrupt {
                for byte in &mut buffer[..n] {
                    if random.below(one_in.max(1)) == 0 {
                        *byte ^= 1 << random.below(8);
                    }
                }
            }
            let through = match way.line {
                Some(line) if n > 0 => queue(&free[usize::from(!up)], line, n).await,
                _ => Instant::now(),
            };
            if n == 0 || sender.send((through + way.delay, buffer[..n].to_vec())).await.is_err() {
                return;
            }
            if let Some(rate) = way.bytes_per_second {
                tokio::time::sleep(Duration::from_secs_f64(n as f64 / rate as f64)).await;
            }
        }
    };
    let mut link_out = link;
    let writing = async move {
        while let Some((due, bytes)) = line.recv().await {
            tokio::time::sleep_until(due).await;
            if link_out.wait_for(|link| !pick(link).frozen).await.is_err() || to.write_all(&bytes).await.is_err() {
                return;
            }
            carried[usize::from(!up)].fetch_add(bytes.len() as u64, Ordering::Relaxed);
        }
        let _ = to.shutdown().await;
    };
    tokio::join!(reading, writing);
}
