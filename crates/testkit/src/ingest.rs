//! Servers, good ones and every kind of bad one, that count and record what reaches them, and play what they are told to.

mod serve;
mod state;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;

pub use self::state::{Arrival, Session, State};
use crate::flv::Tag;
use crate::tls::Identity;
use crate::wait::Watched;
use crate::wire::{Message, Reader, Value, Writer, kind, object, text};

/// How far a conversation gets before the server goes quiet or says garbage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// TCP is accepted and nothing more; with TLS, its handshake never starts.
    Accept,
    /// The RTMP handshake is done.
    Handshake,
    /// `connect` is answered.
    Connect,
    /// `createStream` is answered.
    CreateStream,
}

/// What a server does to a connection.
#[derive(Debug, Clone)]
pub enum Behaviour {
    /// Takes the publisher and reads everything.
    Good,
    /// Falls silent after a stage, though it goes on reading, so that it sees the client leave.
    Mute(Stage),
    /// Never answers `publish`, `play` or a ping, but reads what comes.
    SilentPublish,
    /// Answers `connect` with `_error` and this code and description.
    RefuseConnect(&'static str, &'static str),
    /// Answers `publish` with this error code, as `NetStream.Publish.BadName`, and half-closes.
    RefusePublish(&'static str),
    /// Answers `play` with this error code, as `NetStream.Play.StreamNotFound`, and half-closes.
    RefusePlay(&'static str),
    /// Takes `publish`, then closes without a word.
    CloseAfterPublish,
    /// Says yes to `publish`, then closes without a word.
    HangUpAfterYes,
    /// Good until this many bytes were read, then reads nothing until [`Ingest::resume`].
    StopReading(u64),
    /// Good, but reads no faster than this many bytes a second once published.
    DrainSlowly(u64),
    /// Good until this many bytes were read, then resets the connection.
    ResetAt(u64),
    /// Answers what follows the stage with bytes that are no RTMP.
    Garbage(Stage),
}

/// How to start a server.
#[derive(Debug, Clone)]
pub struct Setup {
    behaviours: Vec<Behaviour>,
    tls: Option<Identity>,
    address: SocketAddr,
    receive_buffer: Option<u32>,
    keep_bodies: bool,
}

impl Setup {
    /// A server that treats the first connection by the first behaviour and so on; the last one serves all the rest.
    pub fn new(behaviours: impl Into<Vec<Behaviour>>) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        Self { behaviours: behaviours.into(), tls: None, address, receive_buffer: None, keep_bodies: true }
    }

    /// Speaks TLS with this certificate.
    pub fn tls(mut self, identity: &Identity) -> Self {
        self.tls = Some(identity.clone());
        self
    }

    /// Binds this address, for a server that comes back where another was.
    pub fn at(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// A small kernel buffer, so that a server that stops reading is felt early.
    pub fn receive_buffer(mut self, bytes: u32) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }

    /// Counts media messages but does not keep their bodies.
    pub fn without_bodies(mut self) -> Self {
        self.keep_bodies = false;
        self
    }

    /// Binds and serves.
    pub async fn start(self) -> Ingest {
        let socket = if self.address.is_ipv6() { TcpSocket::new_v6() } else { TcpSocket::new_v4() }.expect("a socket");
        socket.set_reuseaddr(true).expect("SO_REUSEADDR");
        if let Some(bytes) = self.receive_buffer {
            socket.set_recv_buffer_size(bytes).expect("SO_RCVBUF");
        }
        socket.bind(self.address).expect("the address is free");
        let listener = socket.listen(128).expect("listens");
        let address = listener.local_addr().expect("has an address");
        let tls = self.tls.is_some();
        let state = Watched::new(State::default());
        let (control, orders) = watch::channel(Orders::default());
        let behaviours = Arc::new(Mutex::new(self.behaviours.clone()));
        let outgoing = broadcast::Sender::new(4096);
        let server = Server {
            setup: self,
            behaviours: Arc::clone(&behaviours),
            state: state.clone(),
            orders,
            outgoing: outgoing.clone(),
        };
        let accepting = tokio::spawn(server.accept(listener));
        Ingest { address, tls, state, control, behaviours, outgoing, accepting }
    }
}

/// What the test tells all connections of a server.
#[derive(Debug, Clone, Copy, Default)]
struct Orders {
    /// Nobody reads while this is set.
    paused: bool,
    /// Those who stopped reading at a byte go on.
    resumed: bool,
    /// Connections accepted before this count was raised close now.
    closings: u32,
}

/// A running server; it and its connections end when this is dropped.
#[derive(Debug)]
pub struct Ingest {
    address: SocketAddr,
    tls: bool,
    /// What happened so far.
    pub state: Watched<State>,
    control: watch::Sender<Orders>,
    behaviours: Arc<Mutex<Vec<Behaviour>>>,
    outgoing: broadcast::Sender<Message>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Ingest {
    /// A server with one behaviour for all.
    pub async fn start(behaviour: Behaviour) -> Self {
        Setup::new([behaviour]).start().await
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `rtmp://127.0.0.1:PORT/PATH`, or `rtmps://localhost:PORT/PATH` with TLS.
    pub fn url(&self, path: &str) -> String {
        let port = self.address.port();
        if self.tls { format!("rtmps://localhost:{port}/{path}") } else { format!("rtmp://{}/{path}", self.address) }
    }

    /// Sends a message to every client whose `play` was accepted before.
    pub fn send(&self, message: Message) {
        // Nobody plays: nobody misses it.
        let _ = self.outgoing.send(message);
    }

    /// Sends a tag to the players, on the message stream that every client of this server has.
    pub fn send_tag(&self, tag: &Tag) {
        self.send(Message { kind: tag.kind, time: tag.time, stream: 1, body: tag.body.clone() });
    }

    /// Sends an `onStatus` to the players.
    pub fn send_status(&self, level: &str, code: &str) {
        let info = object([("level", text(level)), ("code", text(code)), ("description", text("told by the test"))]);
        self.send(Message::amf(kind::COMMAND, 1, &vec![text("onStatus"), Value::Number(0.0), Value::Null, info]));
    }

    /// Waits until this many clients' `play` was accepted, those that have left included.
    pub async fn wait_for_players(&self, count: usize) {
        let played = |state: &State| state.sessions.iter().filter(|session| session.played.is_some()).count();
        self.wait_for("players", |state| played(state) >= count).await;
    }

    /// Waits until `condition` holds. The test fails with `what` and the state if it does not in time.
    pub async fn wait_for(&self, what: &str, condition: impl Fn(&State) -> bool) {
        self.state.wait_for(what, |state| condition(state).then_some(())).await;
    }

    /// Waits for the next session that was accepted as a publisher and has `messages` audio or video messages.
    pub async fn wait_for_media(&self, session: usize, messages: usize) {
        let what = format!("{messages} media messages in session {session}");
        self.wait_for(&what, |state| state.sessions.get(session).is_some_and(|s| s.media_messages >= messages)).await;
    }

    /// A copy of one session as it is now.
    pub fn session(&self, index: usize) -> Session {
        self.state.look(|state| state.sessions[index].clone())
    }

    /// Treats connections from now on by other behaviours.
    pub fn set_behaviours(&self, behaviours: impl Into<Vec<Behaviour>>) {
        *self.behaviours.lock().unwrap() = behaviours.into();
    }

    /// Stops reading on every connection (`true`), or goes on (`false`).
    pub fn pause(&self, paused: bool) {
        self.control.send_modify(|orders| orders.paused = paused);
    }

    /// Lets connections that stopped reading by [`Behaviour::StopReading`] go on.
    pub fn resume(&self) {
        self.control.send_modify(|orders| orders.resumed = true);
    }

    /// Closes every connection that is open now.
    pub fn close_all(&self) {
        self.control.send_modify(|orders| orders.closings += 1);
    }
}

impl Drop for Ingest {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

struct Server {
    setup: Setup,
    behaviours: Arc<Mutex<Vec<Behaviour>>>,
    state: Watched<State>,
    orders: watch::Receiver<Orders>,
    outgoing: broadcast::Sender<Message>,
}

impl Server {
    async fn accept(self, listener: TcpListener) {
        // Dropped with this task, which ends the connections.
        let mut connections = JoinSet::new();
        loop {
            let Ok((stream, peer)) = listener.accept().await else { continue };
            while connections.try_join_next().is_some() {}
            let behaviour = {
                let mut behaviours = self.behaviours.lock().unwrap();
                if behaviours.len() > 1 { behaviours.remove(0) } else { behaviours[0].clone() }
            };
            let index = self.state.update(|state| {
                state.open += 1;
                state.sessions.push(Session::new(peer, self.setup.keep_bodies));
                state.sessions.len() - 1
            });
            let state = self.state.clone();
            let orders = self.orders.clone();
            let tls = self.setup.tls.clone();
            let outgoing = self.outgoing.subscribe();
            connections.spawn(async move {
                let mut leaving = Leaving { state: state.clone(), index, end: None };
                let end = serve::connection(stream, tls, behaviour, index, &state, orders, outgoing).await;
                leaving.end = Some(end);
            });
        }
    }
}

/// Notes the end of a connection, also where its task panics: `rml_rtmp` does on some bytes that are no RTMP.
struct Leaving {
    state: Watched<State>,
    index: usize,
    end: Option<String>,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        let end = self.end.take().unwrap_or_else(|| "given up".into());
        self.state.update(|state| {
            state.open -= 1;
            state.sessions[self.index].end = Some(end);
        });
    }
}

/// An address where nobody listens and that stays taken, so that connections to it are refused for as long as this lives.
#[derive(Debug)]
pub struct Refusing {
    // Bound, never listening.
    _socket: TcpSocket,
    address: SocketAddr,
}

impl Refusing {
    /// Takes a port.
    pub fn new() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
        let address = socket.local_addr().expect("has an address");
        Self { _socket: socket, address }
    }

    /// The address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `rtmp://127.0.0.1:PORT/PATH`.
    pub fn url(&self, path: &str) -> String {
        format!("rtmp://{}/{path}", self.address)
    }
}

impl Default for Refusing {
    fn default() -> Self {
        Self::new()
    }
}

/// An address where connections get no answer at all, as behind a firewall that drops them: a listener whose queue is full.
#[derive(Debug)]
pub struct Silent {
    _listener: TcpListener,
    _queued: Vec<TcpStream>,
    address: SocketAddr,
}

impl Silent {
    /// Takes a port, and fills its queue until the kernel drops what comes.
    pub async fn new() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
        let listener = socket.listen(1).expect("listens");
        let address = listener.local_addr().expect("has an address");
        let mut queued = Vec::new();
        while let Ok(stream) = tokio::time::timeout(Duration::from_millis(500), TcpStream::connect(address)).await {
            queued.push(stream.expect("it is dropped or taken, not refused"));
        }
        Self { _listener: listener, _queued: queued, address }
    }

    /// `rtmp://127.0.0.1:PORT/PATH`.
    pub fn url(&self, path: &str) -> String {
        format!("rtmp://{}/{path}", self.address)
    }
}

/// A connected stream as both halves, TLS done where there is one.
async fn open(stream: TcpStream, tls: Option<Identity>) -> std::io::Result<(Reader, Writer)> {
    stream.set_nodelay(true)?;
    Ok(match tls {
        None => crate::wire::split(Box::new(stream)),
        Some(identity) => {
            let accepting = identity.acceptor().accept(stream);
            let stream = tokio::time::timeout(Duration::from_secs(20), accepting).await??;
            crate::wire::split(Box::new(stream))
        }
    })
}
