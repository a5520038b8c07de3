//! Looking up names and connecting: a resolver behind a trait, and the first address that answers.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::{BoxFuture, NetError, Stage};

/// Looks up the addresses of a host. The future may hang for as long as it likes: [`Lookup`] sees to it that an output
/// has one of them at most.
pub trait Resolver: Send + Sync {
    /// All addresses of the host, in the order of preference, with this port.
    fn resolve(&self, host: &str, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;
}

/// The system's resolver (`getaddrinfo`), each look-up on a thread of its own: it may hang for minutes, and nothing can
/// interrupt it, so it must not occupy a thread that anything else waits for.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve(&self, host: &str, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        let (sender, receiver) = oneshot::channel();
        let host = host.to_owned();
        let spawned = std::thread::Builder::new().name("resolver".into()).stack_size(256 << 10).spawn(move || {
            use std::net::ToSocketAddrs;
            // Nobody listens any more if the output was stopped meanwhile.
            let _ = sender.send((host.as_str(), port).to_socket_addrs().map(Iterator::collect));
        });
        Box::pin(async move {
            spawned?;
            receiver.await.unwrap_or_else(|_| Err(io::Error::other("the resolver ended without an answer")))
        })
    }
}

/// The look-ups of one output: one pending at most. One that hangs stays, across attempts, until it answers.
#[derive(Default)]
pub struct Lookup {
    pending: Option<Pending>,
}

struct Pending {
    host: String,
    port: u16,
    answer: BoxFuture<'static, io::Result<Vec<SocketAddr>>>,
}

impl Lookup {
    /// The addresses of a host. May be dropped and called again: the next call goes on waiting for the same look-up.
    /// Addresses in the place of a name are taken as they are.
    pub async fn resolve(
        &mut self,
        resolver: &dyn Resolver,
        host: &str,
        port: u16,
    ) -> Result<Vec<SocketAddr>, NetError> {
        let error = |text: String| NetError::new(Stage::Resolve, host, text);
        if let Ok(address) = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        if let Some(other) = &mut self.pending
            && (other.host != host || other.port != port)
        {
            // A redirect to ever new names must not gather threads that hang.
            match poll_once(&mut other.answer).await {
                Some(_) => self.pending = None,
                None => return Err(error(format!("the look-up of {} has not come back yet", other.host))),
            }
        }
        let pending = self.pending.get_or_insert_with(|| Pending {
            host: host.to_owned(),
            port,
            answer: resolver.resolve(host, port),
        });
        let answer = pending.answer.as_mut().await;
        self.pending = None;
        match answer {
            Ok(addresses) if addresses.is_empty() => Err(error("the name has no address".into())),
            Ok(addresses) => Ok(addresses),
            Err(failure) => Err(error(plain(&failure))),
        }
    }
}

/// The value of a future that is ready now.
async fn poll_once<T>(future: &mut BoxFuture<'static, T>) -> Option<T> {
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// From where to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bind {
    /// From this address; destinations of the other family can't be reached then.
    Address(IpAddr),
    /// Through this network interface.
    Interface(String),
}

impl Bind {
    /// Whether this machine has it now: tries it on a socket that connects to nothing.
    ///
    /// # Errors
    /// What is wrong, as a sentence without a capital.
    pub fn check(&self) -> Result<(), String> {
        let socket = |v6| {
            let domain = if v6 { socket2::Domain::IPV6 } else { socket2::Domain::IPV4 };
            socket2::Socket::new(domain, socket2::Type::STREAM, None)
        };
        match self {
            Bind::Address(address) => {
                let tried = socket(address.is_ipv6()).and_then(|it| it.bind(&SocketAddr::new(*address, 0).into()));
                tried.map_err(|error| match error.kind() {
                    io::ErrorKind::AddrNotAvailable => format!("{address} is not an address of this machine"),
                    _ => format!("nothing can be sent from {address}: {error}"),
                })
            }
            #[cfg(target_os = "linux")]
            Bind::Interface(name) => {
                let tried = socket(false).and_then(|it| it.bind_device(Some(name.as_bytes())));
                tried.map_err(|error| match error.raw_os_error() {
                    // ENODEV
                    Some(19) if name.contains('.') && name.starts_with(|first: char| first.is_ascii_digit()) => {
                        format!("`{name}` is neither an IP address nor the name of a network interface")
                    }
                    Some(19) => format!("this machine has no network interface `{name}`"),
                    _ => format!("nothing can be sent through the interface {name}: {error}"),
                })
            }
            #[cfg(not(target_os = "linux"))]
            Bind::Interface(_) => Err("interfaces can't be chosen on this system".into()),
        }
    }

    /// Reads the value of `bind=`: an address, else the name of an interface.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.trim_start_matches('[').trim_end_matches(']').parse() {
            return Ok(Bind::Address(address));
        }
        // The kernel's limit for names of interfaces, with its closing zero.
        let fits = !text.is_empty() && text.len() < 16 && !text.contains(['/', ' ', ':']);
        match (fits, cfg!(target_os = "linux")) {
            (false, _) => Err(format!("`{text}` is neither an IP address nor the name of a network interface")),
            (true, false) => Err("only an IP address works on this system, not the name of an interface".into()),
            (true, true) => Ok(Bind::Interface(text.to_owned())),
        }
    }
}

/// How to connect.
#[derive(Debug, Clone)]
pub struct DialOptions {
    /// From where.
    pub bind: Option<Bind>,
    /// Whether small writes leave at once (`TCP_NODELAY`).
    pub nodelay: bool,
    /// How long one address is given before the next is tried beside it.
    pub stagger: Duration,
}

impl Default for DialOptions {
    fn default() -> Self {
        Self { bind: None, nodelay: true, stagger: Duration::from_millis(200) }
    }
}

/// What the kernel may hold that was not yet sent: more would age there, where it can't be skipped any more.
const NOT_SENT: u32 = 128 << 10;

/// Addresses tried at most in one attempt.
const MOST_ADDRESSES: usize = 12;

/// Connects to the first of the addresses that answers (RFC 8305): IPv6 and IPv4 in turns, the next one tried beside the
/// others after [`DialOptions::stagger`], or at once when one fails. `peer` is the host as people know it.
pub async fn connect(addresses: &[SocketAddr], options: &DialOptions, peer: &str) -> Result<TcpStream, NetError> {
    let mut waiting = interleave(addresses).into_iter().take(MOST_ADDRESSES).peekable();
    if waiting.peek().is_none() {
        return Err(NetError::new(Stage::Connect, peer, "there is no address to connect to"));
    }
    let mut racing: Vec<Attempt<'_>> = Vec::new();
    let mut failures: Vec<(SocketAddr, io::Error)> = Vec::new();
    loop {
        if let Some(address) = waiting.next() {
            racing.push(Box::pin(async move { (address, connect_one(address, options).await) }));
        }
        let next = Instant::now() + options.stagger;
        loop {
            let more = waiting.peek().is_some();
            let ended = tokio::select! {
                ended = first_of(&mut racing) => ended,
                () = sleep_until(next), if more => break,
            };
            match ended {
                (_, Ok(tcp)) => return Ok(tcp),
                (address, Err(error)) => failures.push((address, error)),
            }
            if more {
                break;
            }
            if racing.is_empty() {
                return Err(summary(peer, options, &failures));
            }
        }
    }
}

type Attempt<'a> = Pin<Box<dyn Future<Output = (SocketAddr, io::Result<TcpStream>)> + Send + 'a>>;

/// The first attempt that ends, taken out of the list.
async fn first_of(racing: &mut Vec<Attempt<'_>>) -> (SocketAddr, io::Result<TcpStream>) {
    std::future::poll_fn(|cx| {
        for index in 0..racing.len() {
            if let Some(attempt) = racing.get_mut(index)
                && let Poll::Ready(ended) = attempt.as_mut().poll(cx)
            {
                drop(racing.swap_remove(index));
                return Poll::Ready(ended);
            }
        }
        Poll::Pending
    })
    .await
}

/// Families in turns, beginning with the family of the first address, without repetitions.
fn interleave(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let mut families = [Vec::new(), Vec::new()].map(Vec::into_iter);
    for (family, wanted) in families.iter_mut().zip([first_is_v6, !first_is_v6]) {
        *family = addresses.iter().filter(|a| a.is_ipv6() == wanted).copied().collect::<Vec<_>>().into_iter();
    }
    let [mut one, mut other] = families;
    let mut order: Vec<SocketAddr> = Vec::with_capacity(addresses.len());
    loop {
        let turn = [one.next(), other.next()];
        if turn == [None, None] {
            return order;
        }
        for address in turn.into_iter().flatten() {
            if !order.contains(&address) {
                order.push(address);
            }
        }
    }
}

/// Connects to one address.
pub(super) async fn connect_one(address: SocketAddr, options: &DialOptions) -> io::Result<TcpStream> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
    match &options.bind {
        None => {}
        Some(Bind::Address(source)) if source.is_ipv6() == address.is_ipv6() => {
            socket.bind(SocketAddr::new(*source, 0)).map_err(|error| OurSide::wrap("the source address", &error))?;
        }
        Some(Bind::Address(_)) => {
            return Err(OurSide::wrap("bind=", "the source address is not of this address's family"));
        }
        #[cfg(target_os = "linux")]
        Some(Bind::Interface(name)) => {
            socket
                .bind_device(Some(name.as_bytes()))
                .map_err(|error| OurSide::wrap(&format!("the interface {name}"), &error))?;
        }
        #[cfg(not(target_os = "linux"))]
        Some(Bind::Interface(_)) => return Err(OurSide::wrap("bind=", "interfaces can't be chosen on this system")),
    }
    let tcp = socket.connect(address).await?;
    prepare(&tcp, options.nodelay);
    Ok(tcp)
}

/// Sets what every connection that carries media needs, accepted ones too. Never a fixed send buffer: it would cap the
/// rate of long paths.
pub fn prepare<'a>(socket: impl Into<SockRef<'a>>, nodelay: bool) {
    let socket = socket.into();
    // None of these is worth a connection: without them it is slower, not wrong.
    let _ = socket.set_tcp_nodelay(nodelay);
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = socket.set_tcp_notsent_lowat(NOT_SENT);
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = NOT_SENT;
}

/// An error of our own words rather than of the network.
#[derive(Debug)]
struct OurSide(String);

impl OurSide {
    fn wrap(what: &str, error: impl std::fmt::Display) -> io::Error {
        io::Error::other(OurSide(format!("{what}: {error}")))
    }
}

impl std::fmt::Display for OurSide {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OurSide {}

/// All failures in one sentence: one cause said once, different causes with their addresses.
fn summary(peer: &str, options: &DialOptions, failures: &[(SocketAddr, io::Error)]) -> NetError {
    let mut causes: Vec<(String, Vec<String>)> = Vec::new();
    for (address, error) in failures {
        let cause = plain(error);
        match causes.iter_mut().find(|(known, _)| *known == cause) {
            Some((_, addresses)) => addresses.push(address.ip().to_string()),
            None => causes.push((cause, vec![address.ip().to_string()])),
        }
    }
    let text = match causes.as_slice() {
        [(cause, _)] => cause.clone(),
        several => several
            .iter()
            .map(|(cause, addresses)| format!("{cause} ({})", addresses.join(", ")))
            .collect::<Vec<_>>()
            .join("; "),
    };
    let ours = options.bind.is_some()
        && failures.iter().all(|(_, error)| error.get_ref().is_some_and(|inner| inner.is::<OurSide>()));
    NetError { ours, ..NetError::new(Stage::Connect, peer, text) }
}

/// What the system said, without the number that it adds, in lower case as the end of a sentence.
pub fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let text = text.strip_prefix("failed to lookup address information: ").unwrap_or(text);
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
#[path = "dial_tests.rs"]
mod tests;
