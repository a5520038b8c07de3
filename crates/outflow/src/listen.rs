//! Listeners: one port serves any number of outputs and inputs, told apart by path. Everything that listens is bound
//! before anything else starts, and accepts once all that share the port have said what they serve.

mod bitrate;
mod crowd;
mod publish;
mod publishers;
mod serve;
mod told;
pub mod word;

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use outflow_rtmp::url::{Host, RtmpUrl};
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

pub use crowd::{Crowd, Place};

use crate::error::{Ended, Origin, Reason, Retry};
use crate::limits::InForce;
use crate::monitor::{self, Event};
use crate::net::bind::{bind_here, cannot_bind};
use crate::net::dial::Resolver;
use crate::net::pump::Pumps;
use crate::net::tls::Identity;
use crate::registry::{Gate, Path, Registry, Target};
use crate::stop::{Stop, Stopper, stopper};
use publishers::Publishers;
use told::Told;

/// The port where a URL names none.
const PORT: u16 = 1935;
/// The same for `rtmps://`.
const TLS_PORT: u16 = 1936;

/// All listeners of the program.
pub struct Listeners {
    bound: Mutex<HashMap<SocketAddr, Arc<Listener>>>,
    pumps: Arc<Pumps>,
    publishers: Publishers,
    events: monitor::Sink,
    limits: InForce,
}

/// One bound port.
pub struct Listener {
    /// The address as bound.
    pub address: SocketAddr,
    registry: Arc<Registry>,
    /// Says yes or no to every peer: the registry itself, but for `serve`.
    gate: Arc<dyn Gate>,
    /// The certificate, where peers come through TLS.
    tls: Option<Arc<Identity>>,
    crowd: Crowd,
    pumps: Arc<Pumps>,
    publishers: Publishers,
    events: monitor::Sink,
    limits: InForce,
    told: Told,
    /// Words that claimed the port and have not said yet what they serve.
    awaited: AtomicUsize,
    complete: Notify,
    next_id: AtomicU64,
    serves: Mutex<Vec<String>>,
    passes_on: OnceLock<bool>,
}

/// A port that is served by one gate, until dropped: connections that were accepted stay.
pub struct Port {
    /// The address as bound.
    pub address: SocketAddr,
    stopper: Stopper,
}

impl Port {
    /// Accepts nobody any more.
    pub fn close(&self) {
        self.stopper.stop();
    }
}

/// What a port that is served by one gate is told.
pub struct Door {
    /// Says yes or no to every peer.
    pub gate: Arc<dyn Gate>,
    /// The certificate, where peers come through TLS.
    pub tls: Option<Arc<Identity>>,
    /// Connections at once; shared by all ports that have the same.
    pub crowd: Crowd,
    /// What the report calls it.
    pub shown: String,
}

/// A word's claim on a port: to be turned into a [`Route`] by [`Claim::serve`].
pub struct Claim {
    listener: Arc<Listener>,
    pending: bool,
}

/// What a word serves, until dropped.
pub struct Route {
    listener: Arc<Listener>,
    id: u64,
}

impl Listeners {
    /// No port yet. Each connection obeys the limits that are in force when it comes.
    pub fn new(pumps: Arc<Pumps>, events: monitor::Sink, limits: InForce) -> Arc<Self> {
        Arc::new(Self { bound: Mutex::default(), pumps, publishers: Publishers::default(), events, limits })
    }

    /// Waits until all publishers that were told to end have been told so and are through, for a moment: they run on other
    /// threads.
    pub async fn parted(&self) {
        let _ = tokio::time::timeout(serve::LAST_WORDS, self.publishers.gone()).await;
    }

    /// Binds the port of this URL, or joins the words that already share it. `shown` names the word in the report.
    pub async fn claim(
        &self,
        url: &RtmpUrl,
        shown: &str,
        tls: Option<Arc<Identity>>,
        resolver: &dyn Resolver,
    ) -> Result<Claim, Ended> {
        let port = url.port().unwrap_or(if tls.is_some() { TLS_PORT } else { PORT });
        let addresses = match url.host() {
            Host::Any => {
                vec![SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)), SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))]
            }
            _ => {
                let host = url.host_text();
                let found = resolver.resolve(host.trim_start_matches('[').trim_end_matches(']'), port).await;
                found.map_err(|error| cannot_bind(&format!("{host}:{port}"), &error))?
            }
        };
        let mut bound = self.bound.lock();
        let mut failed = None;
        for address in addresses {
            if port != 0
                && let Some(listener) = bound.get(&address)
            {
                return Ok(listener.claim(shown));
            }
            match bind_here(address) {
                Ok(socket) => {
                    let registry = Arc::<Registry>::default();
                    let address_bound = socket.local_addr().unwrap_or(address);
                    let crowd = Crowd::within(&self.limits.get());
                    let listener = self.listener(address_bound, registry.clone(), registry, tls, crowd);
                    let claim = listener.claim(shown);
                    bound.insert(address, listener.clone());
                    // It accepts as long as the program runs.
                    let (stopper, stop) = stopper();
                    tokio::spawn(async move {
                        let _stopper = stopper;
                        accept(listener, socket, stop).await;
                    });
                    return Ok(claim);
                }
                // A word before has the port, at an address that holds this one or is held by it.
                Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                    let own = bound.iter().find(|(own, _)| {
                        own.port() == address.port() && (own.ip().is_unspecified() || address.ip().is_unspecified())
                    });
                    failed = Some(match own {
                        Some((own, listener)) => our_own(address, *own, &listener.serves.lock()),
                        None => cannot_bind(&address.to_string(), &error),
                    });
                }
                // No IPv6 here: the IPv4 address of the list is next.
                Err(error) => failed = Some(cannot_bind(&address.to_string(), &error)),
            }
        }
        Err(failed.unwrap_or_else(|| Ended::internal("a host without an address")))
    }

    /// Binds the first of these addresses that can be had, and serves it by a gate.
    pub fn open(&self, addresses: &[SocketAddr], door: Door) -> Result<Port, Ended> {
        let mut failed = None;
        for address in addresses {
            match bind_here(*address) {
                Ok(socket) => {
                    let (stopper, stop) = stopper();
                    let address = socket.local_addr().unwrap_or(*address);
                    let listener = self.listener(address, Arc::default(), door.gate, door.tls, door.crowd);
                    listener.serves.lock().push(door.shown);
                    tokio::spawn(accept(listener, socket, stop));
                    return Ok(Port { address, stopper });
                }
                Err(error) => failed = Some(cannot_bind(&address.to_string(), &error)),
            }
        }
        Err(failed.unwrap_or_else(|| Ended::internal("a port without an address")))
    }

    fn listener(
        &self,
        address: SocketAddr,
        registry: Arc<Registry>,
        gate: Arc<dyn Gate>,
        tls: Option<Arc<Identity>>,
        crowd: Crowd,
    ) -> Arc<Listener> {
        Arc::new(Listener {
            address,
            registry,
            gate,
            tls,
            crowd,
            pumps: self.pumps.clone(),
            publishers: self.publishers.clone(),
            events: self.events.clone(),
            limits: self.limits.clone(),
            told: Told::default(),
            awaited: AtomicUsize::new(0),
            complete: Notify::new(),
            next_id: AtomicU64::new(0),
            serves: Mutex::default(),
            passes_on: OnceLock::new(),
        })
    }
}

impl Listener {
    fn claim(self: &Arc<Self>, shown: &str) -> Claim {
        self.awaited.fetch_add(1, Ordering::Relaxed);
        self.serves.lock().push(shown.to_owned());
        Claim { listener: self.clone(), pending: true }
    }

    /// True where accepted connections have what was set for the port, which saves each of them the calls. Asked of the first.
    fn passes_on(&self, accepted: &TcpStream) -> bool {
        *self.passes_on.get_or_init(|| accepted.nodelay().unwrap_or(false))
    }

    /// Says that a connection from there ended because of this limit.
    fn tell(&self, limit: &'static str, peer: SocketAddr, what: &str) {
        let who = self.serves.lock().join(", ");
        self.told.tell(&self.events, &who, limit, peer.ip(), what);
    }

    fn arrived(&self) {
        if self.awaited.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.complete.notify_one();
        }
    }
}

impl Claim {
    /// The address that the port is bound to.
    pub fn address(&self) -> SocketAddr {
        self.listener.address
    }

    /// Serves `target` under `path` from now on.
    pub fn serve(&mut self, path: Path, target: Target) -> Route {
        let id = self.listener.next_id.fetch_add(1, Ordering::Relaxed);
        self.listener.registry.add(id, path, target);
        if std::mem::take(&mut self.pending) {
            self.listener.arrived();
        }
        Route { listener: self.listener.clone(), id }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.pending {
            self.listener.arrived();
        }
    }
}

impl Drop for Route {
    fn drop(&mut self) {
        self.listener.registry.remove(self.id);
    }
}

/// The port is one of ours, bound at another address. Shared it is not: who named one address did not mean all of them.
fn our_own(address: SocketAddr, own: SocketAddr, serves: &[String]) -> Ended {
    let serves = serves.join(", ");
    let text = format!(
        "can't listen on {address}: this program listens on {own} itself, for {serves}; write the same address in both \
         words, or another port"
    );
    Ended::new(Origin::Config, Retry::Never, Reason::Bind, text)
}

async fn accept(listener: Arc<Listener>, socket: TcpListener, stop: Stop) {
    while listener.awaited.load(Ordering::Acquire) > 0 {
        listener.complete.notified().await;
    }
    let serves = listener.serves.lock().join(", ");
    (listener.events)(Event::Listening { address: listener.address, serves });
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = stop.stopped() => return,
        };
        match accepted {
            Ok((tcp, peer)) => {
                // One that finds no place is closed at once: there is nothing to say to it yet.
                let mut place = match listener.crowd.admit(peer.ip()) {
                    Ok(place) => place,
                    Err(limit) => {
                        listener.tell(limit, peer, "there are too many");
                        continue;
                    }
                };
                let listener = listener.clone();
                tokio::spawn(async move { serve::serve(&listener, tcp, peer, &mut place).await });
            }
            // Out of descriptors or a connection that is gone already: never a reason to stop listening.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
        }
    }
}

#[cfg(test)]
mod tests;
