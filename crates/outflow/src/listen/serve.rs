//! One accepted connection, from its first byte to the moment when the pump (a player) or the ingest (a publisher)
//! takes it over.

use std::net::SocketAddr;
use std::time::Duration;

use outflow_rtmp::ErrorKind;
use outflow_rtmp::auth::adobe::without_login;
use outflow_rtmp::session::{ConnectRequest, PlayRequest, PublishRequest, ServerConfig, ServerEvent, ServerSession};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Listener;
use super::publish;
use crate::hub::Cursor;
use crate::monitor::{Event, OutputStats};
use crate::net::connection::Connection;
use crate::net::dial;
use crate::net::pump::{Order, ServerLink};
use crate::net::tls;
use crate::registry::{Admitted, Ask, Gate, Ticket, Turned};
use crate::wire::Form;

/// From the first byte to publish or play.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a refused peer is given to read why.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(2);
/// A player that takes no byte for this long is let go.
const PLAYER_PATIENCE: Duration = Duration::from_secs(60);
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

pub(super) async fn serve(listener: &Listener, tcp: TcpStream, peer: SocketAddr) {
    dial::prepare(&tcp, true);
    let mut connection = match &listener.tls {
        None => Connection::Plain(tcp),
        // Off the pump, and in the same time as everything before publish or play.
        Some(identity) => {
            let accepting = tls::accept(tcp, identity.current(), "the peer");
            let Ok(Ok(connection)) = tokio::time::timeout(PATIENCE, accepting).await else { return };
            connection
        }
    };
    let mut random = [0; 1528];
    if getrandom::fill(&mut random).is_err() {
        return;
    }
    let mut session =
        ServerSession::new(ServerConfig { chunk_size: crate::wire::CHUNK_SIZE, ..ServerConfig::new(random) });
    let asked = tokio::time::timeout(PATIENCE, ask(&mut connection, &mut session, &*listener.gate, peer)).await;
    let (Came { connect, user }, asked) = match asked {
        Ok(Ok(asked)) => asked,
        Ok(Err(Parting::Refused)) => return part(connection, session).await,
        // A peer that breaks the protocol or says nothing is closed without a word: it may be anybody.
        Ok(Err(Parting::Gone)) | Err(_) => return,
    };
    let tls = connection.is_tls();
    match asked {
        Asked::Play(request) => {
            let ask = Ask { peer, tls, connect, name: request.name.clone(), user };
            play(listener, connection, session, &request, &ask).await;
        }
        Asked::Publish(request) => {
            let ask = Ask { peer, tls, connect, name: request.name.clone(), user };
            publish::publish(listener, connection, session, &request, &ask).await;
        }
    }
}

/// Reads until the peer says what it wants.
async fn ask(
    connection: &mut Connection,
    session: &mut ServerSession,
    gate: &dyn Gate,
    peer: SocketAddr,
) -> Result<(Came, Asked), Parting> {
    let mut buffer = vec![0; READ_BYTES];
    let mut came = None;
    loop {
        while let Some(event) = session.next_event() {
            match event {
                ServerEvent::Connect(mut connect) => {
                    let user = match gate.connect(peer, &connect) {
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
                    came = Some(Came { connect, user });
                    session.accept_connect().map_err(|_| Gone)?;
                }
                ServerEvent::Play(request) => return Ok((came.ok_or(Gone)?, Asked::Play(request))),
                ServerEvent::Publish(request) => return Ok((came.ok_or(Gone)?, Asked::Publish(request))),
                _ => {}
            }
        }
        flush(connection, session).await?;
        let read = connection.read(&mut buffer).await.map_err(|_| Gone)?;
        let bytes = buffer.get(..read).filter(|bytes| !bytes.is_empty()).ok_or(Gone)?;
        if let Err(error) = session.receive(bytes) {
            if matches!(error.kind, ErrorKind::Http) {
                let _ = connection.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").await;
                let _ = connection.shutdown().await;
            }
            return Err(Parting::Gone);
        }
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

async fn play(
    listener: &Listener,
    connection: Connection,
    mut session: ServerSession,
    request: &PlayRequest,
    ask: &Ask,
) {
    let (id, peer) = (request.stream_id, ask.peer);
    let (offer, ticket) = match listener.gate.play(ask).await {
        Ok(Admitted { to, ticket }) => (to, ticket),
        Err(refusal) => {
            let _ = session.refuse_play(id, refusal.code, &refusal.text);
            return part(connection, session).await;
        }
    };
    if offer.stream.hops().iter().any(|mark| ask.connect.hops.contains(mark)) {
        (offer.events)(Event::Warning {
            who: offer.output.clone(),
            text: format!("a player from {} was refused: it would bring the stream back into itself", peer.ip()),
        });
        let _ = session.refuse_play(id, "NetStream.Play.Failed", "a loop: it would play what comes from itself");
        return part(connection, session).await;
    }
    dial::prepare(connection.tcp(), offer.nodelay);
    session.set_chunk_size(offer.chunk_size);
    if !session.accept_play(id) {
        return;
    }
    let _stays = ticket.map(Ticket::begun);
    let _way = offer.stream.goes_to(&ask.connect.hops);
    let order = Order {
        stream: offer.stream.clone(),
        cursor: Cursor::new(offer.start, offer.max_lag, offer.delay),
        form: Form::Play,
        stream_id: id,
        chunk_size: session.chunk_size(),
        latency: offer.latency,
        patience: Some(PLAYER_PATIENCE),
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
    let let_go = async {
        tokio::select! {
            () = closing.stopped() => {}
            () = dismissed.stopped() => {}
        }
    };
    let mut attached = listener.pumps.attach(connection, link, order);
    offer.players.served(number, attached.figures());
    let ended = tokio::select! {
        ended = &mut attached => ended,
        () = let_go => {
            attached.finish();
            match tokio::time::timeout(LAST_WORDS, &mut attached).await {
                Ok(ended) => ended,
                Err(_) => crate::error::Ended::stopped(),
            }
        }
    };
    offer.players.leave(number);
    offer.stats.connections.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
    offer.left.notify_one();
    (offer.events)(Event::PlayerLeft { output: offer.output.clone(), peer, reason: ended.text });
}
