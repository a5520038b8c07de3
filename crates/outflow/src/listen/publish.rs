//! A publisher on a listening input: accepted one at a time, read as fast as it sends, and never waited for when
//! written to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use outflow_rtmp::session::{PublishRequest, ServerEvent, ServerSession};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::Listener;
use super::bitrate::Bitrate;
use super::serve::LAST_WORDS;
use crate::error::{Ended, Origin, Reason, Retry};
use crate::hub::Cork;
use crate::ingest::Ingest;
use crate::limits::{Limits, shown};
use crate::media::Intake;
use crate::monitor::Event;
use crate::net::connection::Connection;
use crate::net::dial;
use crate::net::exchange::{Exchange, Turn, Underway};
use crate::net::pump::Pumps;
use crate::registry::{Admitted, Ask, Current, PublishSlot, Refusal, Taken, Ticket, next_id};
use crate::stop::{Stop, stopper};

/// A publisher that has been silent for this long may be replaced: its connection is probably dead.
const HALF_DEAD: Duration = Duration::from_secs(3);
/// The same where a returning encoder is to wait no longer than it must. Not at once: whoever sends is alive, and what comes
/// in its place may be its own stream, brought back by a server that passes no marks on.
const QUIET: Duration = Duration::from_secs(1);
/// How long the program listens once more for one that seems to be silent: in a flood of work it may be us who are late.
const HEARING: Duration = Duration::from_millis(20);
/// How often a publisher is looked at, if not oftener for short limits.
const LOOK: Duration = Duration::from_secs(1);
const DENIED: &str = "NetStream.Publish.Denied";
const READ_BYTES: usize = 128 * 1024;

/// Takes one broadcast after the other from a publisher: each is asked for anew.
pub(super) async fn publish(
    listener: &Listener,
    connection: Connection,
    mut session: ServerSession,
    mut request: PublishRequest,
    mut ask: Ask,
    limits: &Arc<Limits>,
) {
    let mut exchange = Exchange::new(connection);
    loop {
        let leaving = listener.publishers.enter();
        let taken = publish_once(listener, exchange, session, &request, &ask, limits).await;
        // Something of ours broke down: it is closed without a word.
        let Some(Over { after, exchange: left, session: said }) = taken else { return };
        (exchange, session) = (left, said);
        // The end of the program waits for those who have yet to be told of it, and for nobody else.
        let _leaving = matches!(after, After::SayGoodBye).then_some(leaving);
        match after {
            After::SeeOff => match see_off(&mut exchange, &mut session).await {
                Some(another) => (ask.name, request) = (another.name.clone(), another),
                None => return,
            },
            After::SayGoodBye => return say_good_bye(exchange, session).await,
            After::Refuse(text) => {
                session.refuse_all(DENIED, &text);
                return exchange.part_and_drain(&mut session, LAST_WORDS).await;
            }
            After::Part => return exchange.part_and_drain(&mut session, LAST_WORDS).await,
            After::Nothing => return,
        }
    }
}

/// A broadcast that is over.
struct Over {
    after: After,
    exchange: Exchange,
    session: ServerSession,
}

/// From the request to the end of the broadcast. Its place and its ticket are given back by then: the next broadcast of the
/// same connection may need them.
async fn publish_once(
    listener: &Listener,
    exchange: Exchange,
    mut session: ServerSession,
    request: &PublishRequest,
    ask: &Ask,
    limits: &Arc<Limits>,
) -> Option<Over> {
    let id = request.stream_id;
    let seat = match listener.gate.publish(ask).await {
        // Before anybody's place is taken: a loop must not end the publisher that it comes from.
        Ok(Admitted { to: slot, .. }) if slot.feed.marks().iter().any(|mark| ask.connect.hops.contains(mark)) => {
            (slot.events)(Event::Warning {
                who: slot.input.clone(),
                text: format!(
                    "a publisher from {} was refused: it brings back what this input sent out",
                    ask.peer.ip()
                ),
            });
            Err(Refusal::new(DENIED, "a loop: it sends back what it was sent from here"))
        }
        Ok(Admitted { to: slot, ticket }) => take(&slot, ask, &listener.pumps).await.map(|seat| (slot, seat, ticket)),
        Err(refusal) => Err(refusal),
    };
    let (slot, seat, ticket) = match seat {
        Ok(taken) => taken,
        Err(refusal) => {
            let _ = session.refuse_publish(id, refusal.code, &refusal.text);
            return Some(Over { after: After::Part, exchange, session });
        }
    };
    if !session.accept_publish(id) {
        // It has ended it already, or asked for something else.
        return Some(Over { after: After::SeeOff, exchange, session });
    }
    let _stays = ticket.map(Ticket::begun);
    dial::prepare(exchange.connection().tcp(), slot.nodelay);
    slot.joined.notify_waiters();
    let (peer, hops, limits) = (ask.peer, ask.connect.hops.clone(), limits.clone());
    // Where its players will be: a crowd of publishers would be too much for one core.
    let hosted = listener.pumps.host(|thread| async move {
        let exchange = exchange.adopt().ok()?;
        let from = Whence { thread, peer, hops: &hops };
        let over = run(&slot, exchange, session, &seat, &from, &limits).await;
        drop(seat);
        Some(over)
    });
    hosted.await.flatten()
}

/// Where a broadcast comes from.
struct Whence<'a> {
    /// The thread that it is read on.
    thread: usize,
    peer: SocketAddr,
    /// The marks of the streams that it comes from.
    hops: &'a [String],
}

/// The place of the one publisher, given back when dropped.
struct Seat {
    slot: Arc<PublishSlot>,
    id: u64,
    feed: Arc<Taken>,
    stop: Stop,
    heard: Arc<Mutex<Instant>>,
    /// Tells whoever has taken the place that we are gone.
    _leaves: oneshot::Sender<()>,
}

impl Seat {
    /// True if another publisher has the place now.
    fn was_taken(&self) -> bool {
        self.slot.current.lock().as_ref().is_some_and(|current| current.id != self.id)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut current = self.slot.current.lock();
        if current.as_ref().is_some_and(|current| current.id == self.id) {
            *current = None;
        }
    }
}

/// Takes the place, if it is free, or its holder has been silent too long to be alive.
async fn take(slot: &Arc<PublishSlot>, ask: &Ask, pumps: &Pumps) -> Result<Seat, Refusal> {
    let begun = Instant::now();
    if is_silent(slot) {
        // Whether it is silent, or we have been too busy to hear it: what has come meanwhile is heard now.
        pumps.hear(HEARING).await;
    }
    let (seat, other) = sit(slot, ask, begun)?;
    if let Some(Current { feed, stopper, left, .. }) = other {
        // Not within the lock: something of the other may be on its way in, and look who is there.
        feed.close();
        stopper.stop();
        // Its end is told before our beginning.
        let _ = tokio::time::timeout(HALF_DEAD, left).await;
    }
    Ok(seat)
}

/// The place for whoever came at that time, and who had it.
fn sit(slot: &Arc<PublishSlot>, ask: &Ask, begun: Instant) -> Result<(Seat, Option<Current>), Refusal> {
    let mut current = slot.current.lock();
    if let Some(other) = current.as_ref()
        && (*other.heard.lock() >= begun || !has_been_silent(slot, other))
    {
        (slot.events)(Event::Warning {
            who: slot.input.clone(),
            text: format!("a second publisher, from {}, was refused: this input takes one at a time", ask.peer.ip()),
        });
        return Err(Refusal::new("NetStream.Publish.BadName", "somebody publishes under this name already"));
    }
    let (stopper, stop) = stopper();
    let (id, heard) = (next_id(), Arc::new(Mutex::new(Instant::now())));
    let feed = Taken::new(slot.feed.clone());
    let (leaves, left) = oneshot::channel();
    let since = Instant::now();
    let ours = Current { id, peer: ask.peer, since, feed: feed.clone(), stopper, heard: heard.clone(), left };
    let other = current.replace(ours);
    Ok((Seat { slot: slot.clone(), id, feed, stop, heard, _leaves: leaves }, other))
}

/// True if the place is taken by one that has been silent for long.
fn is_silent(slot: &PublishSlot) -> bool {
    slot.current.lock().as_ref().is_some_and(|other| has_been_silent(slot, other))
}

fn has_been_silent(slot: &PublishSlot, other: &Current) -> bool {
    let patience = if slot.takeover.load(Ordering::Relaxed) { QUIET } else { HALF_DEAD };
    other.heard.lock().elapsed() >= patience
}

/// What is left to do for a publisher whose broadcast is over.
enum After {
    /// It said the end: it is to close first, or publishes again.
    SeeOff,
    /// It was refused, and told so.
    Part,
    /// We end: it is told.
    SayGoodBye,
    /// It did what no publisher may: it is told what.
    Refuse(String),
    /// The connection is lost, or was to make way.
    Nothing,
}

/// Takes one broadcast; gives the connection back, and says what is left to do with it.
async fn run(
    slot: &PublishSlot,
    exchange: Exchange,
    session: ServerSession,
    seat: &Seat,
    from: &Whence<'_>,
    limits: &Limits,
) -> Over {
    let is_over = || slot.over.load(Ordering::Relaxed);
    if seat.stop.is_stopped() {
        // While it was on its way here.
        let after = if is_over() { After::SayGoodBye } else { After::Nothing };
        return Over { after, exchange, session };
    }
    slot.stats.starts.fetch_add(1, Ordering::Relaxed);
    (slot.events)(Event::InputStarted { input: slot.input.clone(), what: format!("a publisher from {}", from.peer) });
    let mut publisher = Publisher {
        exchange,
        session,
        ingest: None,
        limits,
        bitrate: Bitrate::new(limits.ingest_bitrate, Instant::now()),
        underway: Underway::default(),
        last_ping: Instant::now(),
        from,
    };
    publisher.begin(seat);
    let reason = tokio::select! {
        reason = publisher.run(seat) => reason,
        () = seat.stop.stopped() => match seat.was_taken() {
            true => {
                let text = "another publisher took its place";
                Ended::new(Origin::Peer, Retry::Now, Reason::Timeout, text)
            }
            false => Ended::stopped(),
        }
    };
    if let Some(mut ingest) = publisher.ingest.take() {
        ingest.end(false);
    }
    let after = match reason.reason {
        Reason::InputEnded => After::SeeOff,
        Reason::Limit => After::Refuse(reason.text.clone()),
        Reason::Stopped if is_over() => After::SayGoodBye,
        _ => After::Nothing,
    };
    (slot.events)(Event::InputEnded { input: slot.input.clone(), reason, retry_in: None });
    Over { after, exchange: publisher.exchange, session: publisher.session }
}

/// One that understands a reconnect request comes back by itself; others are told that this is the end.
async fn say_good_bye(exchange: Exchange, mut session: ServerSession) {
    let why = "The server is ending";
    if !session.reconnect_request(None, why) {
        session.app_shutdown(why);
    }
    exchange.part(&mut session, LAST_WORDS).await;
}

/// After the end that it said, the publisher closes the connection: GStreamer fails if the server is the first to close.
/// Or it publishes again: that request is given back.
async fn see_off(exchange: &mut Exchange, session: &mut ServerSession) -> Option<PublishRequest> {
    let leaving = async {
        let mut buffer = [0; 4096];
        loop {
            while let Some(event) = session.next_event() {
                match event {
                    ServerEvent::Publish(request) => return Some(request),
                    ServerEvent::Play(request) => refuse_play(session, request.stream_id),
                    _ => {}
                }
            }
            let read = exchange.read(session, &mut buffer).await.ok()?;
            let bytes = buffer.get(..read).filter(|bytes| !bytes.is_empty())?;
            session.receive(bytes).ok()?;
        }
    };
    tokio::time::timeout(LAST_WORDS, leaving).await.ok().flatten()
}

fn refuse_play(session: &mut ServerSession, stream_id: u32) {
    let _ = session.refuse_play(stream_id, "NetStream.Play.Failed", "this connection publishes");
}

struct Publisher<'a> {
    exchange: Exchange,
    session: ServerSession,
    ingest: Option<Ingest>,
    limits: &'a Limits,
    bitrate: Bitrate,
    underway: Underway,
    last_ping: Instant,
    from: &'a Whence<'a>,
}

impl Publisher<'_> {
    fn begin(&mut self, seat: &Seat) {
        self.ingest = Some(Ingest::new(seat.feed.clone()));
        seat.feed.runs_on(self.from.thread);
        seat.feed.came_by(self.from.hops);
    }

    async fn run(&mut self, seat: &Seat) -> Ended {
        // What came together with the request.
        if let Some(ended) = self.obey(Instant::now()) {
            return ended;
        }
        let mut buffer = vec![0; READ_BYTES];
        let mut turn = Turn::default();
        let shortest = self.limits.idle.min(self.limits.message);
        let mut ticks = tokio::time::interval((shortest / 10).min(LOOK));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let read = tokio::select! {
                biased;
                read = self.exchange.read(&mut self.session, &mut buffer) => read,
                _ = ticks.tick() => {
                    match self.look(seat.heard.lock().elapsed()) {
                        Some(ended) => return ended,
                        None => continue,
                    }
                }
            };
            let bytes = match read {
                Ok(0) => return Ended::network(Reason::Disconnected, "it closed the connection"),
                Ok(read) => buffer.get(..read).unwrap_or_default(),
                Err(error) => return Ended::network(Reason::Disconnected, format!("the connection broke: {error}")),
            };
            let arrival = Instant::now();
            *seat.heard.lock() = arrival;
            let received = self.session.receive(bytes);
            if let Some(ended) = self.obey(arrival) {
                return ended;
            }
            if let Err(error) = received {
                let text = format!("it broke the protocol: {error}");
                return Ended::new(Origin::Protocol, Retry::Now, Reason::Protocol, text);
            }
            if self.bitrate.is_over(bytes.len(), arrival) {
                let limit = self.limits.ingest_bitrate;
                let text = format!("it sent more than {limit} bits per second for too long (limits.ingest_bitrate)");
                return Ended::new(Origin::Peer, Retry::Now, Reason::Limit, text);
            }
            self.underway.note(self.session.under_way(), arrival);
            if self.underway.has_lasted(self.limits.message, arrival) {
                return self.late();
            }
            turn.over(arrival).await;
        }
    }

    /// Looks whether one that has been silent for so long is still there, and asks it. Encoders pause; connections that
    /// answer pings are not silent.
    fn look(&mut self, silent: Duration) -> Option<Ended> {
        let idle = self.limits.idle;
        if silent >= idle {
            return Some(Ended::network(Reason::Timeout, format!("it sent nothing for {} (limits.idle)", shown(idle))));
        }
        if self.underway.has_lasted(self.limits.message, Instant::now()) {
            return Some(self.late());
        }
        let ping_after = idle * 2 / 5;
        if silent >= ping_after && self.last_ping.elapsed() >= ping_after {
            self.last_ping = Instant::now();
            self.session.ping(0);
        }
        None
    }

    fn late(&self) -> Ended {
        let text = format!("a message took longer than {} (limits.message)", shown(self.limits.message));
        Ended::network(Reason::Timeout, text)
    }

    /// Takes the media that came; `Some` when the broadcast is over.
    fn obey(&mut self, arrival: Instant) -> Option<Ended> {
        // All of it before any of it is sent on: a frame and its sound leave in one call.
        let _cork = Cork::hold();
        while let Some(event) = self.session.next_event() {
            match event {
                ServerEvent::Media(message) => {
                    if let Some(ingest) = &mut self.ingest {
                        ingest.take(message, arrival);
                    }
                }
                ServerEvent::PublishEnd { clean, .. } => {
                    if let Some(mut ingest) = self.ingest.take() {
                        ingest.end(clean);
                    }
                    if clean {
                        return Some(Ended::new(
                            Origin::Peer,
                            Retry::Now,
                            Reason::InputEnded,
                            "it ended the broadcast",
                        ));
                    }
                }
                // A second one at a time; after the end that it said it may ask again.
                ServerEvent::Publish(request) => {
                    let why = "this connection publishes already";
                    let _ = self.session.refuse_publish(request.stream_id, "NetStream.Publish.BadName", why);
                }
                ServerEvent::Play(request) => refuse_play(&mut self.session, request.stream_id),
                _ => {}
            }
        }
        None
    }
}
