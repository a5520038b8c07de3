//! One accepted connection, from its first byte to the moment when the pump (a player) or the ingest (a publisher)
//! takes it over.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use outflow_rtmp::ErrorKind;
use outflow_rtmp::auth::adobe::without_login;
use outflow_rtmp::session::{ConnectRequest, PlayRequest, PublishRequest, ServerConfig, ServerEvent, ServerSession};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::publish;
use super::{Listener, Place};
use crate::error::Ended;
use crate::hub::Cursor;
use crate::limits::{Limits, shown};
use crate::monitor::{Event, OutputStats};
use crate::net::connection::Connection;
use crate::net::dial;
use crate::net::exchange::Turn;
use crate::net::pump::{Attached, Order, ServerLink};
use crate::net::tls;
use crate::registry::{Admitted, Ask, Gate, PlayOffer, Ticket, Turned};
use crate::stop::Stop;
use crate::stream::GoesTo;
use crate::wire::Form;

/// How long a refused peer is given to read why.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(2);
const READ_BYTES: usize = 16 * 1024;

enum Asked {
    Play(PlayRequest),
    Publish(PublishRequest),
}

/// How a peer came to what it asked for.
struct Came {
    connect: Box<ConnectRequest>,
    /// Who it has logged in as.
    user: Option<String>,
}

/// Why a peer is not listened to any more.
enum Parting {
    Gone,
    /// It was told no: it is to read that.
    Refused,
}

impl From<Gone> for Parting {
    fn from(_: Gone) -> Self {
        Parting::Gone
    }
}

/// An error of a connection that nobody but its peer needs to hear of.
pub(super) struct Gone;

pub(super) async fn serve(listener: &Listener, tcp: TcpStream, peer: SocketAddr, place: &mut Place) {
    // What it takes to greet and to seat a peer, or to read a publisher, is not held for as long as a player stays: there
    // may be thousands of them.
    let reception = Box::pin(receive(listener, tcp, peer, place));
    let received = reception.await;
    if let Some(player) = received {
        player.stay().await;
    }
}

/// Serves a peer until it is gone, but for players: those are given back once the pump has them.
async fn receive(listener: &Listener, tcp: TcpStream, peer: SocketAddr, place: &mut Place) -> Option<Playing> {
    let limits = listener.limits.get();
    let greeting = Box::pin(greet(listener, tcp, peer, place, &limits));
    let (connection, session, Came { connect, user }, asked) = greeting.await?;
    let tls = connection.is_tls();
    match asked {
        Asked::Play(request) => {
            let ask = Ask { peer, tls, connect, name: request.name.clone(), user };
            play(listener, connection, session, &request, &ask, &limits).await
        }
        Asked::Publish(request) => {
            let ask = Ask { peer, tls, connect, name: request.name.clone(), user };
            Box::pin(publish::publish(listener, connection, session, request, ask, &limits)).await;
            None
        }
    }
}

/// Everything up to the wish to publish or to play.
async fn greet(
    listener: &Listener,
    tcp: TcpStream,
    peer: SocketAddr,
    place: &mut Place,
    limits: &Limits,
) -> Option<(Connection, ServerSession, Came, Asked)> {
    if !listener.passes_on(&tcp) {
        dial::prepare(&tcp, true);
    }
    let mut until = Instant::now() + limits.handshake;
    let late = |what: &str| {
        let what = format!("{what} took longer than {}", shown(limits.handshake));
        listener.tell("limits.handshake", peer, &what);
        None
    };
    let mut connection = match &listener.tls {
        None => Connection::Plain(tcp),
        // Off the pump, and in the same time as the handshake after it.
        Some(identity) => match timeout_at(until, tls::accept(tcp, identity.current(), "the peer")).await {
            Ok(connection) => connection.ok()?,
            Err(_) => return late("the handshake of TLS"),
        },
    };
    let mut random = [0; 1528];
    getrandom::fill(&mut random).ok()?;
    let mut session = ServerSession::new(ServerConfig {
        limits: limits.rtmp.clone(),
        chunk_size: crate::wire::CHUNK_SIZE,
        ..ServerConfig::new(random)
    });
    let mut dialogue = Dialogue::new(&*listener.gate, peer);
    let mut said = timeout_at(until, dialogue.go_on(&mut connection, &mut session, Goal::Handshake)).await;
    if said.is_err() {
        return late("the handshake");
    }
    if let Ok(Ok(())) = said {
        until = Instant::now() + limits.request;
        said = timeout_at(until, dialogue.go_on(&mut connection, &mut session, Goal::Request)).await;
    }
    match said {
        Ok(Ok(())) => {}
        // A peer that breaks the protocol or leaves is closed without a word: it may be anybody.
        Ok(Err(Parting::Gone)) => return None,
        Ok(Err(Parting::Refused)) => {
            part(connection, session).await;
            return None;
        }
        Err(_) => {
            let what = match dialogue.came {
                Some(_) => "it asked to publish or play nothing",
                None => "it sent no connect",
            };
            listener.tell("limits.request", peer, &format!("{what} within {}", shown(limits.request)));
            return None;
        }
    }
    place.settle();
    Some((connection, session, dialogue.came?, dialogue.asked?))
}

/// How far a peer has come.
struct Dialogue<'a> {
    gate: &'a dyn Gate,
    peer: SocketAddr,
    buffer: Vec<u8>,
    greeted: bool,
    came: Option<Came>,
    asked: Option<Asked>,
    turn: Turn,
}

/// How far it is to come.
#[derive(Clone, Copy, PartialEq)]
enum Goal {
    Handshake,
    Request,
}

impl<'a> Dialogue<'a> {
    fn new(gate: &'a dyn Gate, peer: SocketAddr) -> Self {
        let (buffer, turn) = (vec![0; READ_BYTES], Turn::default());
        Self { gate, peer, buffer, greeted: false, came: None, asked: None, turn }
    }

    fn is_at(&self, goal: Goal) -> bool {
        self.asked.is_some() || (goal == Goal::Handshake && self.greeted)
    }

    /// Reads until the peer has come so far.
    async fn go_on(
        &mut self,
        connection: &mut Connection,
        session: &mut ServerSession,
        goal: Goal,
    ) -> Result<(), Parting> {
        loop {
            while !self.is_at(goal)
                && let Some(event) = session.next_event()
            {
                self.hear(session, event).await?;
            }
            if self.is_at(goal) {
                return Ok(());
            }
            flush(connection, session).await?;
            let read = connection.read(&mut self.buffer).await.map_err(|_| Gone)?;
            let bytes = self.buffer.get(..read).filter(|bytes| !bytes.is_empty()).ok_or(Gone)?;
            let begun = Instant::now().into_std();
            if let Err(error) = session.receive(bytes) {
                if matches!(error.kind, ErrorKind::Http) {
                    let _ = connection.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").await;
                    let _ = connection.shutdown().await;
                }
                return Err(Parting::Gone);
            }
            self.turn.over(begun).await;
        }
    }

    async fn hear(&mut self, session: &mut ServerSession, event: ServerEvent) -> Result<(), Parting> {
        match event {
            ServerEvent::HandshakeDone => self.greeted = true,
            ServerEvent::Connect(mut connect) => {
                let user = match self.gate.connect(self.peer, &connect) {
                    Ok(user) => user,
                    Err(Turned { description, pause }) => {
                        tokio::time::sleep(pause).await;
                        let code = "NetConnection.Connect.Rejected";
                        session.reject_connect(code, &description).map_err(|_| Gone)?;
                        return Err(Parting::Refused);
                    }
                };
                // The proof is for us alone: hooks, too, see the URL as it was typed.
                connect.app = without_login(&connect.app).to_owned();
                connect.tc_url = without_login(&connect.tc_url).to_owned();
                connect.swf_url = without_login(&connect.swf_url).to_owned();
                self.came = Some(Came { connect, user });
                session.accept_connect().map_err(|_| Gone)?;
            }
            ServerEvent::Play(request) if self.came.is_some() => self.asked = Some(Asked::Play(request)),
            ServerEvent::Publish(request) if self.came.is_some() => self.asked = Some(Asked::Publish(request)),
            ServerEvent::Play(_) | ServerEvent::Publish(_) => return Err(Parting::Gone),
            _ => {}
        }
        Ok(())
    }
}

/// Sends what the session has to say. Only for peers that wait for just that: bounded by the caller.
pub(super) async fn flush(connection: &mut Connection, session: &mut ServerSession) -> Result<(), Gone> {
    while session.has_output() {
        let bytes = session.take_output();
        connection.write_all(&bytes).await.map_err(|_| Gone)?;
    }
    connection.flush().await.map_err(|_| Gone)
}

/// Sends the last words of a refusal, and waits a little for the peer to have read them.
pub(super) async fn part(mut connection: Connection, mut session: ServerSession) {
    let words = async {
        flush(&mut connection, &mut session).await?;
        connection.shutdown().await.map_err(|_| Gone)?;
        let mut buffer = [0; 1024];
        while connection.read(&mut buffer).await.map_err(|_| Gone)? > 0 {}
        Ok::<_, Gone>(())
    };
    let _ = tokio::time::timeout(LAST_WORDS, words).await;
}

/// Seats a player: from here on the pump serves it.
async fn play(
    listener: &Listener,
    connection: Connection,
    mut session: ServerSession,
    request: &PlayRequest,
    ask: &Ask,
    limits: &Limits,
) -> Option<Playing> {
    let (id, peer) = (request.stream_id, ask.peer);
    let (offer, ticket) = match listener.gate.play(ask).await {
        Ok(Admitted { to, ticket }) => (to, ticket),
        Err(refusal) => {
            let _ = session.refuse_play(id, refusal.code, &refusal.text);
            part(connection, session).await;
            return None;
        }
    };
    if offer.stream.hops().iter().any(|mark| ask.connect.hops.contains(mark)) {
        (offer.events)(Event::Warning {
            who: offer.output.clone(),
            text: format!("a player from {} was refused: it would bring the stream back into itself", peer.ip()),
        });
        let _ = session.refuse_play(id, "NetStream.Play.Failed", "a loop: it would play what comes from itself");
        part(connection, session).await;
        return None;
    }
    if !offer.nodelay {
        dial::prepare(connection.tcp(), false);
    }
    session.set_chunk_size(offer.chunk_size);
    if !session.accept_play(id) {
        return None;
    }
    let stays = ticket.map(Ticket::begun);
    let way = offer.stream.goes_to(&ask.connect.hops);
    let order = Order {
        stream: offer.stream.clone(),
        cursor: Cursor::new(offer.start, offer.max_lag, offer.delay),
        form: Form::Play,
        stream_id: id,
        chunk_size: session.chunk_size(),
        latency: offer.latency,
        share: offer.share,
        patience: Some(limits.player_stall),
        stats: offer.stats.clone(),
        events: offer.events.clone(),
        output: offer.output.clone(),
        peer: Some(peer),
    };
    OutputStats::add(&offer.stats.connections, 1);
    let (number, dismissed) = offer.players.join(peer);
    offer.joined.notify_waiters();
    (offer.events)(Event::PlayerJoined { output: offer.output.clone(), peer });
    let link = Box::new(ServerLink { session, stream_id: id, over: offer.over.clone() });
    let closing = offer.closing.lock().clone();
    let attached = listener.pumps.attach(connection, link, order);
    offer.players.served(number, attached.figures());
    Some(Playing { attached, offer, peer, number, closing, dismissed, _stays: stays, _way: way })
}

/// A player that the pump serves.
struct Playing {
    attached: Attached,
    offer: Arc<PlayOffer>,
    peer: SocketAddr,
    number: u64,
    /// The offer ends, or this player is let go.
    closing: Stop,
    dismissed: Stop,
    _stays: Option<Box<dyn Send>>,
    _way: Option<GoesTo>,
}

impl Playing {
    async fn stay(mut self) {
        let Self { attached, offer, peer, number, closing, dismissed, .. } = &mut self;
        let let_go = async {
            tokio::select! {
                () = closing.stopped() => {}
                () = dismissed.stopped() => {}
            }
        };
        let ended = tokio::select! {
            ended = &mut *attached => ended,
            () = let_go => {
                attached.finish();
                match Box::pin(tokio::time::timeout(LAST_WORDS, attached)).await {
                    Ok(ended) => ended,
                    Err(_) => Ended::stopped(),
                }
            }
        };
        offer.players.leave(*number);
        offer.stats.connections.fetch_sub(1, Ordering::Relaxed);
        offer.left.notify_one();
        (offer.events)(Event::PlayerLeft { output: offer.output.clone(), peer: *peer, reason: ended.text });
    }
}
