//! One connection in the pump: which bytes are next, and writing them without ever waiting.

mod aside;
pub(super) mod ride;
mod take;

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

use super::gauge::Gauge;
use super::link::{Heard, Link};
use super::order::Order;
use super::pace::Pace;
use crate::error::{Ended, Origin, Reason, Retry};
use crate::hub::{Cursor, Read, Start};
use crate::media::Kind;
use crate::media::continuity::Continuity;
use crate::monitor::{Event, OutputStats};
use crate::net::connection::Connection;
use crate::options::latency;
use crate::stream::Stream;
use crate::wire::Shared;
use aside::Aside;

/// A batch is what the cursor already holds, up to this much: fewer calls, and no more stuck in a connection that stops.
const BATCH_BYTES: usize = 64 * 1024;
const BATCH_ITEMS: usize = 48;
/// The list of a connection at the live edge has room for so many; what a joiner's beginning needed is given back.
const FEW_PIECES: usize = 8;
/// Slices per call.
const SLICES: usize = 32;
/// How much one connection may write before the others have their turn.
const TURN_BYTES: usize = 256 * 1024;
/// How often one connection may be read before the others have their turn.
const TURN_READS: usize = 4;
/// How long a closed connection is kept to see the peer close too.
const LINGER: Duration = Duration::from_secs(1);

/// What a visit came to.
pub(super) enum Visit {
    /// Nothing to do until it calls or the stream has news; or at this instant.
    Wait(Option<Instant>),
    /// It has more to do at once.
    Again,
    /// It is gone.
    Gone,
}

pub(super) struct Conn {
    pub(super) id: u64,
    connection: Connection,
    link: Box<dyn Link>,
    pub(super) order: Order,
    done: Option<oneshot::Sender<Ended>>,
    batch: VecDeque<Piece>,
    /// Its own time: zero at its first entry point.
    time: Continuity,
    /// When the last packet that was sent had reached us.
    last_arrival: Option<Instant>,
    /// The stream to go on with as soon as it has an entry point.
    next: Option<(Arc<Stream>, Cursor)>,
    /// Media before this time is not sent: it lies before the entry point.
    floor: i64,
    /// Which chunk streams have had a message with a full header since the last join, skip or pause.
    opened: u32,
    headers: Option<Arc<[Shared]>>,
    paused: bool,
    /// The session has nothing to say until the peer says something.
    quiet: bool,
    /// Bytes of media that the session has not been told of.
    untold: u64,
    /// Since when the socket has taken nothing though data waits.
    pub(super) blocked_since: Option<Instant>,
    phase: Phase,
    /// Why it is closed, if it was the peer's wish.
    left: Option<Ended>,
    pub(super) gauge: Gauge,
    pace: Pace,
    aside: Aside,
}

#[derive(Clone, Copy, PartialEq)]
enum Phase {
    Sending,
    /// The good-bye is under way.
    Closing,
    /// All was sent; the peer has until then to close.
    Lingering(Instant),
}

struct Piece {
    bytes: Bytes,
    /// What it ends, and when that had come.
    ends: Option<(Kind, Instant)>,
}

impl Conn {
    pub(super) fn new(
        id: u64,
        connection: Connection,
        link: Box<dyn Link>,
        mut order: Order,
        done: oneshot::Sender<Ended>,
    ) -> Self {
        // What is gathered for longer is skipped as too old.
        order.latency = order.latency.min(latency::most(order.cursor.max_lag()));
        let pace = Pace::of(&order, &connection);
        let gauge = Gauge::new(order.stats.clone(), order.cursor.delay(), Instant::now());
        Self {
            id,
            connection,
            link,
            order,
            done: Some(done),
            batch: VecDeque::new(),
            time: Continuity::default(),
            last_arrival: None,
            next: None,
            floor: i64::MIN,
            opened: 0,
            headers: None,
            paused: false,
            quiet: false,
            untold: 0,
            blocked_since: None,
            phase: Phase::Sending,
            left: None,
            gauge,
            pace,
            aside: Aside::default(),
        }
    }

    /// Begins, in the runtime of the pump that serves it; moves there first, if it is not there.
    pub(super) fn adopt(self, moves: bool) -> Option<Self> {
        let adopted = if moves { self.connection.adopt() } else { Ok(self.connection) };
        let connection = match adopted {
            Ok(connection) => connection,
            Err(error) => {
                if let Some(done) = self.done {
                    let _ = done.send(Ended::internal(format!("a connection could not be moved: {error}")));
                }
                return None;
            }
        };
        let mut conn = Self { connection, ..self };
        conn.gauge.begin(Instant::now(), &conn.connection);
        Some(conn)
    }

    /// Reads what came, answers, and writes what the stream has.
    pub(super) fn visit(&mut self, now: Instant, context: &mut Context<'_>, room: &mut Room, read: bool) -> Visit {
        let visited = match read {
            true => self.read(context, room).and_then(|more| Ok((more, self.write(now, context, room)?))),
            false => self.write(now, context, room).map(|wait| (false, wait)),
        };
        self.gauge.settle(&self.connection);
        match visited {
            Ok((true, _)) => Visit::Again,
            Ok((false, visit)) => visit,
            Err(ended) => {
                self.report(ended);
                Visit::Gone
            }
        }
    }

    /// Reads until the socket is empty; true if there may be more.
    fn read(&mut self, context: &mut Context<'_>, room: &mut Room) -> Result<bool, Ended> {
        for _ in 0..TURN_READS {
            let mut buffer = ReadBuf::new(&mut room.bytes);
            match Pin::new(&mut self.connection).poll_read(context, &mut buffer) {
                Poll::Pending => return Ok(false),
                // A peer that heard the good-bye may hang up as rudely as it likes.
                Poll::Ready(Err(_)) if self.phase != Phase::Sending && self.batch.is_empty() => {
                    return Err(Ended::clean());
                }
                Poll::Ready(Err(error)) => return Err(disconnected(&error)),
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => {
                    return Err(match self.phase {
                        // All was sent, and the peer may well be the first to close.
                        Phase::Lingering(_) => Ended::clean(),
                        Phase::Closing if self.batch.is_empty() => Ended::clean(),
                        _ => Ended::network(Reason::Disconnected, "the peer closed the connection"),
                    });
                }
                Poll::Ready(Ok(())) => {}
            }
            // Someone who was told good-bye may say what he likes.
            if self.phase == Phase::Sending {
                self.tell();
                self.quiet = false;
                self.link.receive(buffer.filled())?;
                self.obey()?;
            }
        }
        Ok(true)
    }

    fn obey(&mut self) -> Result<(), Ended> {
        while let Some(heard) = self.link.heard() {
            match heard {
                Heard::Over(ended) => return Err(ended),
                // Closed in good order: it may have asked for something else, and reads the answer to that.
                Heard::Left(ended) => {
                    self.phase = Phase::Closing;
                    self.left.get_or_insert(ended);
                }
                Heard::Pause(paused) => {
                    if self.paused && !paused {
                        self.order.cursor.restart(Start::Group);
                        self.pace.restart();
                        self.stay_aside(Instant::now());
                        self.opened = 0;
                        self.gauge.restart(Instant::now());
                    }
                    self.paused = paused;
                }
            }
        }
        Ok(())
    }

    fn write(&mut self, now: Instant, context: &mut Context<'_>, room: &mut Room) -> Result<Visit, Ended> {
        let mut turn = TURN_BYTES;
        let mut due = None;
        loop {
            if let Phase::Lingering(_) = self.phase {
                return Ok(Visit::Wait(None));
            }
            if self.batch.is_empty() && !self.fill(now, room, &mut due)? {
                if self.phase == Phase::Closing {
                    return self.shut(now, context);
                }
                self.blocked_since = None;
                if self.batch.capacity() > FEW_PIECES {
                    self.batch = VecDeque::new();
                }
                return self.flush(context).map(|()| Visit::Wait(due));
            }
            match self.write_once(context) {
                Poll::Pending => {
                    self.blocked_since.get_or_insert(now);
                    return Ok(Visit::Wait(None));
                }
                Poll::Ready(Err(error)) => return Err(disconnected(&error)),
                Poll::Ready(Ok(written)) => {
                    self.blocked_since = None;
                    OutputStats::add(&self.order.stats.bytes, written as u64);
                    if self.gauge.held_since().is_none() {
                        self.order.stats.left(now);
                    }
                    turn = turn.saturating_sub(written);
                    if turn == 0 {
                        return Ok(Visit::Again);
                    }
                }
            }
        }
    }

    fn write_once(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(&self.batch) {
            *slice = IoSlice::new(&piece.bytes);
            count += 1;
        }
        let connection = Pin::new(&mut self.connection);
        ride::calls();
        let written = match (&slices[..count], self.batch.front()) {
            ([_], Some(only)) => connection.poll_write(context, &only.bytes),
            (many, _) => connection.poll_write_vectored(context, many),
        };
        match written {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            Poll::Ready(Ok(written)) => {
                self.advance(written);
                Poll::Ready(Ok(written))
            }
            other => other,
        }
    }

    /// Takes written bytes off the batch and counts what was sent whole.
    fn advance(&mut self, mut written: usize) {
        while let Some(piece) = self.batch.front_mut() {
            if piece.bytes.len() > written {
                piece.bytes.advance(written);
                self.gauge.wrote(written);
                return;
            }
            written -= piece.bytes.len();
            self.gauge.wrote(piece.bytes.len());
            let stats = &self.order.stats;
            if let Some((kind, arrival)) = piece.ends {
                OutputStats::add(&stats.packets, 1);
                OutputStats::add(&stats.frames, u64::from(kind == Kind::Video));
                self.gauge.mark(kind, arrival, self.connection.is_tls());
            }
            self.batch.pop_front();
        }
    }

    /// Brings the session's count of what was sent up to date; it lies in memory that is not needed for each frame.
    fn tell(&mut self) {
        if self.untold > 0 {
            self.link.note_sent(std::mem::take(&mut self.untold));
        }
    }

    /// Puts what the session has to say into the batch.
    fn fetch_words(&mut self) {
        if self.quiet {
            return;
        }
        self.quiet = true;
        if self.link.has_output() {
            let bytes = self.link.take_output();
            if !bytes.is_empty() {
                self.batch.push_back(Piece { bytes, ends: None });
            }
        }
    }

    /// Gathers the next batch: the session's own messages first, then media. False if there is nothing to send.
    fn fill(&mut self, now: Instant, room: &mut Room, due: &mut Option<Instant>) -> Result<bool, Ended> {
        self.fetch_words();
        if self.phase != Phase::Sending || self.paused {
            return Ok(!self.batch.is_empty());
        }
        // When the stream that is waited for may have its entry point, for outputs that are held back.
        let mut entry_due = None;
        if let Some(read) = self.change_over(now, room, &mut entry_due)? {
            *due = read.due;
            return if self.batch.is_empty() && read.more {
                self.fill(now, room, due)
            } else {
                Ok(!self.batch.is_empty())
            };
        }
        if let Some(paced) = self.pace.wait(now) {
            *due = entry_due.into_iter().chain([paced]).min();
            return Ok(!self.batch.is_empty());
        }
        if room.gathers && !self.order.latency.is_zero() {
            let lag = self.order.stream.hub().lag(&self.order.cursor, now);
            // Zero lag is the live edge, where there is nothing to gather yet.
            if lag < self.order.latency && self.order.cursor.has_begun() {
                // Not at a time of its own: it would be apart from the others from then on. And not at all for nothing.
                let has_all = self.order.cursor.position() == Some(self.order.stream.hub().head());
                *due = (!room.leaves && !has_all).then(|| now + (self.order.latency - lag));
                return Ok(!self.batch.is_empty());
            }
        }
        room.messages.clear();
        let cursor = &mut self.order.cursor;
        let read = self.order.stream.hub().read(cursor, now, BATCH_ITEMS, BATCH_BYTES, &mut room.messages);
        self.take(&read, &room.messages)?;
        self.follow(now, &read, &room.messages);
        *due = read.due.into_iter().chain(entry_due).min();
        // Where another stream is to go on the end of this one is not that of the connection.
        if read.ended && self.next.is_none() {
            self.close();
            // The good-bye, which nobody would fetch if no packet came with the end.
            self.fetch_words();
        }
        // Everything that was read may have been left out (from before the entry point): then there may be more.
        if self.batch.is_empty() && read.more { self.fill(now, room, due) } else { Ok(!self.batch.is_empty()) }
    }

    /// Goes on with the stream that was chosen, if it has an entry point; what was read of it then.
    fn change_over(
        &mut self,
        now: Instant,
        room: &mut Room,
        due: &mut Option<Instant>,
    ) -> Result<Option<Read<Shared>>, Ended> {
        let Some((stream, cursor)) = self.next.as_mut().filter(|_| !self.aside.is()) else { return Ok(None) };
        room.messages.clear();
        let read = stream.hub().read(cursor, now, BATCH_ITEMS, BATCH_BYTES, &mut room.messages);
        let (Some(_), Some(first)) = (&read.restart, room.messages.first()) else {
            *due = read.due;
            // It will never have one: then the present stream is the last.
            if read.ended {
                self.next = None;
            }
            return Ok(None);
        };
        self.time.take_over(&first.packet);
        if let Some((stream, cursor)) = self.next.take() {
            (self.order.stream, self.order.cursor) = (stream, cursor);
        }
        self.take(&read, &room.messages)?;
        self.pace.restart();
        self.follow(now, &read, &room.messages);
        Ok(Some(read))
    }

    /// Tells how fast it catches up, if it is behind.
    fn follow(&mut self, now: Instant, read: &Read<Shared>, messages: &[Shared]) {
        if let Some(last) = messages.last() {
            let bytes = messages.iter().map(|message| message.packet.body.len()).sum();
            self.pace.took(now, bytes, last.packet.arrival, read.more.then_some(read.lag));
        }
    }

    /// Goes on with another stream at its next entry point, or at one that is fresh and came after all that was sent.
    /// False if it is the one that is sent.
    pub(super) fn switch(&mut self, stream: &Arc<Stream>, fresh: Duration, now: Instant) -> bool {
        self.next = None;
        if Arc::ptr_eq(stream, &self.order.stream) {
            return false;
        }
        let mark = stream.hub().entry_after(self.last_arrival, now, fresh);
        let cursor = self.order.cursor.elsewhere(mark);
        if self.time.has_begun() {
            self.next = Some((stream.clone(), cursor));
        } else {
            (self.order.stream, self.order.cursor) = (stream.clone(), cursor);
            self.stay_aside(now);
        }
        true
    }

    /// True while another stream is waited for.
    pub(super) fn is_switching(&self) -> bool {
        self.next.is_some()
    }

    /// Ends gracefully: what lies beyond the message under way is dropped only if it can't be sent in time.
    pub(super) fn close(&mut self) {
        if self.phase == Phase::Sending {
            self.phase = Phase::Closing;
            self.tell();
            self.quiet = false;
            self.link.finish();
        }
    }

    fn flush(&mut self, context: &mut Context<'_>) -> Result<(), Ended> {
        match Pin::new(&mut self.connection).poll_flush(context) {
            Poll::Ready(Err(error)) => Err(disconnected(&error)),
            _ => Ok(()),
        }
    }

    fn shut(&mut self, now: Instant, context: &mut Context<'_>) -> Result<Visit, Ended> {
        match Pin::new(&mut self.connection).poll_shutdown(context) {
            Poll::Pending => Ok(Visit::Wait(None)),
            Poll::Ready(Err(error)) => Err(disconnected(&error)),
            Poll::Ready(Ok(())) => {
                self.report(Ended::clean());
                self.phase = Phase::Lingering(now + LINGER);
                Ok(Visit::Wait(Some(now + LINGER)))
            }
        }
    }

    /// How old the oldest data is that waits to be sent, in the hub, in a socket that takes nothing, or in a kernel that sends
    /// nothing.
    pub(super) fn lag_millis(&self, now: Instant) -> u64 {
        let lag = self.order.stream.hub().lag(&self.order.cursor, now);
        let stuck = self.blocked_since.into_iter().chain(self.gauge.held_since()).min();
        let stuck = stuck.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        u64::try_from(lag.max(stuck).as_millis()).unwrap_or(u64::MAX)
    }

    /// Tells its output's log.
    pub(super) fn warn(&self, text: &str) {
        (self.order.events)(Event::Warning { who: self.order.output.clone(), text: text.to_owned() });
    }

    /// True for a push, false for a player.
    pub(super) fn is_push(&self) -> bool {
        self.order.peer.is_none()
    }

    /// Looks which frames the other host has.
    pub(super) fn probe(&mut self, now: Instant) {
        self.gauge.probe(now, &self.connection);
    }

    /// Brings the figures up to date that the kernel keeps.
    pub(super) fn look(&mut self, now: Instant) {
        self.tell();
        let lag = self.lag_millis(now);
        self.gauge.look(now, lag, self.link.unacknowledged(), &self.connection);
    }

    /// Looks whether a deadline has passed; called a few times a second.
    pub(super) fn tick(&mut self, now: Instant) -> Option<Ended> {
        if let Phase::Lingering(until) = self.phase
            && now >= until
        {
            return Some(Ended::clean());
        }
        let (since, patience) = (self.blocked_since?, self.order.patience?);
        (now.saturating_duration_since(since) >= patience).then(|| {
            let text = format!("it read nothing for {} s (limits.player_stall)", patience.as_secs_f32());
            Ended::new(Origin::Peer, Retry::Never, Reason::Stalled, text)
        })
    }

    /// Tells whoever attached it how it ended; the first ending counts.
    pub(super) fn report(&mut self, ended: Ended) {
        let ended = self.left.take().unwrap_or(ended);
        if let Some(done) = self.done.take() {
            let _ = done.send(ended);
        }
    }

    /// Abandons it with a reset, unless it has been closed in good order.
    pub(super) fn abandon(self) {
        if !matches!(self.phase, Phase::Lingering(_)) {
            self.connection.reset();
        }
    }
}

/// Buffers that all connections of a pump use in turn.
pub(super) struct Room {
    pub(super) bytes: Vec<u8>,
    pub(super) messages: Vec<Shared>,
    /// Whether connections with a `latency=` wait for more.
    pub(super) gathers: bool,
    /// Whether what the visited connection waits for leaves at a time that is set.
    pub(super) leaves: bool,
}

fn disconnected(error: &io::Error) -> Ended {
    let text = match error.kind() {
        io::ErrorKind::ConnectionReset => "the peer reset the connection".to_owned(),
        io::ErrorKind::BrokenPipe => "the peer closed the connection".to_owned(),
        io::ErrorKind::UnexpectedEof => "the peer closed the connection without ending TLS".to_owned(),
        _ => format!("the connection broke: {error}"),
    };
    Ended::network(Reason::Disconnected, text)
}
