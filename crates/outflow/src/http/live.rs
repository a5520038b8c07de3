//! Players by HTTP: `GET /live/{app}/{name}.flv` is a stream as FLV, live, for as long as it lasts (HTTP-FLV). Each reads
//! the stream's hub at its own place: one that takes nothing skips to a later key frame, and holds nobody up.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use http_body_util::channel::{Channel, Sender};
use hyper::body::Frame;
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, REFERER, USER_AGENT};
use outflow_rtmp::session::ConnectRequest;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::AbortHandle;

use super::endpoints::Call;
use super::problem::Problem;
use crate::listen::Place;
use crate::media::Kind;
use crate::monitor::{Event, OutputStats, PeerStats, Teller};
use crate::net::http_server::Ends;
use crate::registry::{Ask, Gate, PlayOffer, Refusal, Ticket};
use crate::relay::RelayGate;
use crate::secret::Secret;
use crate::stop::Stop;
use crate::stream::{Flv, Reader};

/// Players of this port at once: the rest of its connections is for the API.
pub(super) const SEATS: usize = 384;
/// How often the figures of a player that takes nothing are brought up to date.
const LOOK: Duration = Duration::from_secs(1);
/// What the page sends: it previews, by the right to use the API. Pages of other origins can't send it.
const PREVIEW: HeaderName = HeaderName::from_static("outflow-preview");

/// True if the request is that of a preview, which the API's token opens and not the stream's.
pub(super) fn is_preview(headers: &HeaderMap) -> bool {
    headers.contains_key(PREVIEW)
}

/// `GET /live/{app}/{name}.flv`
pub(super) async fn play(call: Call) -> Result<Response, Problem> {
    let not_found = |text: &str| Err(Problem::new("not_found", text));
    let Some(path) = call.id.strip_suffix(".flv") else {
        return not_found("a stream plays under /live/APP/NAME.flv");
    };
    let Some(Ends { peer, .. }) = call.parts.extensions.get().copied() else {
        return Err(Problem::new("internal", "the connection's address is not known"));
    };
    let Some(relay) = call.state.relay.relay() else {
        return not_found("a graph has no streams to play by HTTP: give it an output that listens");
    };
    let full = || Problem::new("limit", "the server is full");
    let seat = call.state.seats.clone().try_acquire_owned().map_err(|_| full())?;
    let mut place = relay.crowd().enter(peer.ip()).ok_or_else(full)?;
    // The request says what it wants.
    place.settle();
    let (offer, ticket) = if is_preview(&call.parts.headers) {
        match relay.preview(path) {
            Some(offer) => (offer, None),
            None => return not_found("nobody publishes this stream now"),
        }
    } else {
        let ask = ask(&call, path, peer);
        let admitted = RelayGate(relay.clone()).play(&ask).await.map_err(refused)?;
        (admitted.to, admitted.ticket)
    };
    let guest = Guest::new(offer, ticket, peer, (seat, place));
    let (sender, body) = Channel::new(1);
    let task = tokio::spawn(send(guest, sender, call.state.stop.clone())).abort_handle();
    let mut response = Response::new(Body::new(Playing { body, task }));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("video/x-flv"));
    // nginx would gather it.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}

/// The player as the gate and its hooks see it: in the words of RTMP.
fn ask(call: &Call, path: &str, peer: SocketAddr) -> Ask {
    let (app, name) = path.rsplit_once('/').unwrap_or(("", path));
    let text = |name: HeaderName| {
        let value = call.parts.headers.get(name).and_then(|value| value.to_str().ok());
        value.map(|value| value.chars().take(512).collect::<String>()).unwrap_or_default()
    };
    let query = call.parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let connect = ConnectRequest {
        app: app.to_owned(),
        tc_url: format!("http://{}/live/{app}", text(HOST)),
        flash_ver: text(USER_AGENT),
        page_url: text(REFERER),
        ..ConnectRequest::default()
    };
    Ask { peer, tls: false, connect: Box::new(connect), name: Secret::new(format!("{name}{query}")), user: None }
}

fn refused(refusal: Refusal) -> Problem {
    let code = if refusal.code == "NetStream.Play.StreamNotFound" { "not_found" } else { "play_refused" };
    Problem::new(code, refusal.text)
}

/// A player that was let in: counted as long as it lives.
struct Guest {
    offer: Arc<PlayOffer>,
    peer: SocketAddr,
    number: u64,
    figures: Arc<PeerStats>,
    dismissed: Stop,
    teller: Teller,
    /// Why it left.
    reason: &'static str,
    _stays: Option<Box<dyn Send>>,
    _places: (OwnedSemaphorePermit, Place),
}

impl Guest {
    fn new(
        offer: Arc<PlayOffer>,
        ticket: Option<Box<dyn Ticket>>,
        peer: SocketAddr,
        places: (OwnedSemaphorePermit, Place),
    ) -> Self {
        let (number, dismissed) = offer.players.join(peer);
        let figures = Arc::<PeerStats>::default();
        offer.players.served(number, &figures);
        OutputStats::add(&offer.stats.connections, 1);
        offer.joined.notify_waiters();
        (offer.events)(Event::PlayerJoined { output: offer.output.clone(), peer });
        let stays = ticket.map(Ticket::begun);
        let (teller, reason) = (Teller::new(), "closed by the player");
        Self { offer, peer, number, figures, dismissed, teller, reason, _stays: stays, _places: places }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let offer = &self.offer;
        offer.players.leave(self.number);
        offer.stats.connections.fetch_sub(1, Ordering::Relaxed);
        offer.stats.lag_millis.tell(self.teller, 0);
        offer.left.notify_one();
        let reason = self.reason.to_owned();
        (offer.events)(Event::PlayerLeft { output: offer.output.clone(), peer: self.peer, reason });
    }
}

/// The body of an answer; the player has left as soon as its connection is gone.
struct Playing {
    body: Channel<Bytes>,
    task: AbortHandle,
}

impl Drop for Playing {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl hyper::body::Body for Playing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }
}

/// Sends to one player until the stream ends, it is let go, or its connection is gone. What the connection has not taken is
/// waited for here; meanwhile the place in the stream stays, and skips when it is too far behind.
async fn send(mut guest: Guest, mut sender: Sender<Bytes>, stop: Stop) {
    let (closing, dismissed) = (guest.offer.closing.lock().clone(), guest.dismissed.clone());
    guest.reason = tokio::select! {
        reason = stream(&guest.offer, &guest.figures, guest.peer, guest.teller, &mut sender) => reason,
        () = dismissed.stopped() => "let go",
        () = closing.stopped() => "the server is ending",
        () = stop.stopped() => "the server is ending",
    };
}

async fn stream(
    offer: &PlayOffer,
    figures: &PeerStats,
    peer: SocketAddr,
    teller: Teller,
    sender: &mut Sender<Bytes>,
) -> &'static str {
    let (stats, mut flv) = (&offer.stats, Flv::default());
    let mut reader = Reader::new(&offer.stream, offer.start, offer.max_lag, offer.delay);
    loop {
        let mut packets = Vec::new();
        let read = reader.read(&mut packets).await;
        let behind = |lag: Duration| {
            stats.lag_millis.tell(teller, millis(lag));
            figures.lag_millis.store(millis(lag), Ordering::Relaxed);
        };
        behind(read.lag);
        if let Some(skip) = read.skip {
            stats.skipped(skip.items, skip.frames, skip.groups);
            OutputStats::add(&figures.skips, 1);
            let (output, millis) = (offer.output.clone(), millis(skip.span));
            (offer.events)(Event::Skipped { output, peer: Some(peer), packets: skip.items, millis, why: None });
        }
        if !packets.is_empty() {
            let headers = read.restart.unwrap_or_default();
            let mut out = BytesMut::new();
            let (mut count, mut frames) = (0, 0);
            flv.add(&headers, false, &packets, &mut out, |message| {
                count += 1;
                frames += u64::from(message.packet.kind == Kind::Video && !message.packet.flags.header);
            });
            let bytes = out.len() as u64;
            let begin = Instant::now();
            let mut sending = std::pin::pin!(sender.send_data(out.freeze()));
            let sent = loop {
                match tokio::time::timeout(LOOK, &mut sending).await {
                    Ok(sent) => break sent,
                    Err(_) => behind(read.lag + begin.elapsed()),
                }
            };
            if begin.elapsed() >= LOOK {
                // What comes next says how late that is; it may not come.
                behind(Duration::ZERO);
            }
            if sent.is_err() {
                return "closed by the player";
            }
            OutputStats::add(&figures.bytes, bytes);
            OutputStats::add(&stats.bytes, bytes);
            OutputStats::add(&stats.packets, count);
            OutputStats::add(&stats.frames, frames);
        }
        if read.ended {
            return "the stream ended";
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
