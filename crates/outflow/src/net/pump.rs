//! The pump: one loop per core that writes every connection of a stream, one call per connection and frame. A socket
//! that is full is parked, and nobody waits for it.

mod class;
mod conn;
mod gauge;
mod host;
mod link;
mod load;
mod order;
mod pace;
mod ready;
mod riders;
mod uplinks;
#[cfg_attr(
    not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))),
    path = "pump/no_uring.rs"
)]
mod uring;
mod worker;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::SendError;
use std::task::{Context, Poll};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::oneshot;

use crate::error::Ended;
use crate::monitor::PeerStats;
use crate::net::connection::Connection;
use crate::net::uplink::Rules;
use crate::stream::Stream;
pub use host::Hosted;
pub use link::{Heard, Link, ServerLink};
use load::Load;
pub use order::Order;
use ready::Ready;
use uplinks::Uplinks;
use worker::{Command, Worker};

/// Whether connections are measured: see [`set_measuring`].
static MEASURES: AtomicBool = AtomicBool::new(true);

/// Turns the measuring of connections off and on, for tests of what it costs. It is on.
pub fn set_measuring(on: bool) {
    MEASURES.store(on, Ordering::Relaxed);
}

fn measures() -> bool {
    MEASURES.load(Ordering::Relaxed)
}

/// How a pump writes what it has for many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Backend {
    /// A call for each connection.
    #[default]
    Calls,
    /// A call for many connections, through io_uring.
    IoUring,
}

/// Whether pumps that start by themselves use io_uring: see [`Backend::put`].
static RINGS: AtomicBool = AtomicBool::new(false);

impl Backend {
    /// Whether the kernel lets us, for `io_uring`.
    pub fn check(self) -> io::Result<()> {
        match self {
            Self::Calls => Ok(()),
            Self::IoUring => uring::Ring::new().map(drop),
        }
    }

    /// Makes it that of all pumps that [`Pumps::start`] starts from now on.
    pub fn put(self) {
        RINGS.store(self == Self::IoUring, Ordering::Relaxed);
    }

    fn put_before() -> Self {
        if RINGS.load(Ordering::Relaxed) { Self::IoUring } else { Self::Calls }
    }
}

/// All pumps of the program.
pub struct Pumps {
    first: Pump,
    pumps: Mutex<Vec<Pump>>,
    most: usize,
    backend: Backend,
    next_id: AtomicU64,
    uplinks: Arc<Uplinks>,
}

#[derive(Clone)]
struct Pump {
    ready: Arc<Ready>,
    commands: Arc<Mutex<Vec<Command>>>,
    load: Arc<Load>,
    /// That of its thread.
    runtime: Handle,
}

impl Pumps {
    /// Starts the first pump on the current runtime; up to `most` run in all, each further one on a thread of its own.
    /// Must be called within a runtime.
    pub fn start(most: usize) -> Arc<Self> {
        Self::start_with(most, Backend::put_before(), Rules::default())
    }

    /// The same with this way to write, and other times for who yields to whom on a line that is too small. A pump whose ring the
    /// kernel refuses writes by calls.
    pub fn start_with(most: usize, backend: Backend, rules: Rules) -> Arc<Self> {
        let (first, uplinks) = (Pump::new(Handle::current()), Uplinks::new(rules));
        tokio::spawn(first.worker(backend, &uplinks).run());
        let pumps = Mutex::new(vec![first.clone()]);
        Arc::new(Self { first, pumps, most: most.max(1), backend, next_id: AtomicU64::new(0), uplinks })
    }

    /// Hands a connection over that has finished its handshake and its publish or play. From here on the pump reads
    /// and writes it, until the stream or the connection ends or [`Attached`] is dropped.
    pub fn attach(&self, connection: Connection, link: Box<dyn Link>, order: Order) -> Attached {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let pump = self.choose(order.stream.thread());
        let (done, ended) = oneshot::channel();
        pump.load.enter(!order.stream.state().borrow().ready);
        let conn = Box::new(conn::Conn::new(id, connection, link, order, done));
        let figures = conn.gauge.peer().clone();
        // Its socket is known to the thread that it was greeted on.
        let moves = Handle::try_current().map_or(true, |here| here.id() != pump.runtime.id());
        pump.send(Command::Attach { conn, moves });
        Attached { id, pump, ended, over: false, figures }
    }

    /// The pump on the thread where the stream comes in, unless another has much less to do; a new one where all are busy and a
    /// core is left.
    fn choose(&self, near: usize) -> Pump {
        let (_, least) = self.least(load::BUSY);
        let home = self.pumps.lock().get(near).cloned();
        home.filter(|home| home.load.is_near(&least.load)).unwrap_or(least)
    }

    /// The least busy pump, with its number; a new one where all have so much to do, in thousandths of a core, and a core is left.
    fn least(&self, much: u32) -> (usize, Pump) {
        let mut pumps = self.pumps.lock();
        let least = pumps.iter().enumerate().min_by_key(|(_, pump)| pump.load.expected());
        let least = least.map(|(number, pump)| (number, pump.clone()));
        if least.as_ref().is_none_or(|(_, pump)| pump.load.is_above(much))
            && pumps.len() < self.most
            && let Some(pump) = self.begin(pumps.len())
        {
            pumps.push(pump.clone());
            return (pumps.len() - 1, pump);
        }
        // There is always the first.
        least.unwrap_or_else(|| (0, self.first.clone()))
    }

    /// A further pump, on a thread of its own, if the system has one.
    fn begin(&self, number: usize) -> Option<Pump> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
        let pump = Pump::new(runtime.handle().clone());
        let worker = pump.worker(self.backend, &self.uplinks);
        // Handed over once the thread is there: a runtime may not be dropped where another one runs.
        let (give, take) = std::sync::mpsc::channel::<(Runtime, Worker)>();
        let work = move || {
            if let Ok((runtime, worker)) = take.recv() {
                runtime.block_on(worker.run());
            }
        };
        let thread = std::thread::Builder::new().name(format!("pump-{number}")).spawn(work);
        if thread.is_err() {
            runtime.shutdown_background();
            return None;
        }
        match give.send((runtime, worker)) {
            Ok(()) => Some(pump),
            Err(SendError((runtime, _))) => {
                runtime.shutdown_background();
                None
            }
        }
    }
}

impl Pump {
    fn new(runtime: Handle) -> Self {
        Self { ready: Arc::default(), commands: Arc::default(), load: Arc::default(), runtime }
    }

    fn worker(&self, backend: Backend, uplinks: &Arc<Uplinks>) -> Worker {
        Worker::new(self.ready.clone(), self.commands.clone(), self.load.clone(), backend, uplinks.clone())
    }

    fn send(&self, command: Command) {
        self.commands.lock().push(command);
        self.ready.wake();
    }
}

/// A connection in the pump: a future of how it ended. Dropping it abandons the connection with a reset.
pub struct Attached {
    id: u64,
    pump: Pump,
    ended: oneshot::Receiver<Ended>,
    over: bool,
    figures: Arc<PeerStats>,
}

impl Attached {
    /// The figures of this connection alone, as of the last look at it: each second, less often where there are more than 256 players.
    pub fn figures(&self) -> &Arc<PeerStats> {
        &self.figures
    }

    /// Asks for a graceful end: the message under way is finished, the peer is told, and the connection closed.
    /// Bounded by whoever awaits it.
    pub fn finish(&self) {
        self.pump.send(Command::Finish(self.id));
    }

    /// Goes on with another stream on the same connection, from its next entry point on, or from its newest if that is
    /// younger than `fresh`. Until then the present stream is sent; if that ends, nothing. The last order counts.
    pub fn switch(&self, stream: Arc<Stream>, fresh: Duration) {
        self.pump.send(Command::Switch(self.id, stream, fresh));
    }
}

impl Future for Attached {
    type Output = Ended;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Ended> {
        let ended = Pin::new(&mut self.ended).poll(context);
        ended.map(|ended| {
            self.over = true;
            ended.unwrap_or_else(|_| Ended::internal("the pump dropped the connection"))
        })
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        if !self.over {
            self.pump.send(Command::Abort(self.id));
        }
    }
}

#[cfg(test)]
mod tests;
