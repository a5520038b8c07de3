//! What came to a stream, made into one write for all connections that stand at its end: each that does is one call away
//! from having it. The others go their own way.

use std::cell::OnceCell;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use socket2::SockRef;
use tokio::io::AsyncWrite;

use super::{Conn, Phase, Piece, SLICES, disconnected};
use crate::hub;
use crate::media::{Kind, Packet};
use crate::monitor::OutputStats;
use crate::net::pump::riders::{FORM, News, Pass};
use crate::stream::Stream;
use crate::wire::{CHUNK_SIZE, Form, Shared};

/// Connections from which on it pays to copy several messages into one piece, once ...
const MANY: usize = 8;
/// ... if there are no more bytes than this for each: a large frame is sooner written in a few pieces by few.
const COPIED: usize = 2048;

/// Messages of a train, at most.
const MOST: usize = 512;

/// A peer that is gone is an error like any other, not a signal.
#[cfg(target_os = "linux")]
const NO_SIGNAL: i32 = libc::MSG_NOSIGNAL;
#[cfg(not(target_os = "linux"))]
const NO_SIGNAL: i32 = 0;

#[cfg(test)]
thread_local! {
    /// Calls that wrote on this thread.
    pub(in crate::net::pump) static CALLS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// A call is made that writes.
pub(super) fn calls() {
    #[cfg(test)]
    CALLS.set(CALLS.get() + 1);
}

/// A stretch of a stream, ready to be written.
pub(in crate::net::pump) struct Train {
    stretch: hub::Train,
    messages: Vec<Shared>,
    /// The earliest time in it.
    floor: i64,
    /// Its bytes for players and for servers, where a connection asked for them.
    loads: [OnceCell<Option<Load>>; 2],
    /// How many may ride.
    seats: usize,
}

struct Load {
    pieces: Vec<Bytes>,
    /// All pieces in one.
    whole: Option<Bytes>,
    bytes: usize,
    /// The chunk streams on which a message of the usual kind has to have gone before.
    opens: u32,
}

/// How a ride ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::net::pump) enum Ride {
    /// It has all, or its socket is full.
    Done,
    /// It stands elsewhere, or has something to do first, or still has a part to write: it is to be visited.
    Visit,
    /// It is gone.
    Gone,
}

impl Train {
    /// What the stream has from this number on, for about so many connections.
    pub(in crate::net::pump) fn new(stream: &Stream, from: u64, seats: usize, most_bytes: usize) -> Option<Self> {
        let mut messages = Vec::new();
        // In one piece there may be any number; the slices of one call are few.
        let most = if seats >= MANY { MOST } else { SLICES };
        let stretch = stream.hub().train(from, most, most_bytes, &mut messages)?;
        let floor = messages.iter().map(|message| message.packet.dts).min()?;
        Some(Self { stretch, messages, floor, loads: Default::default(), seats })
    }

    /// The number behind its last message.
    pub(in crate::net::pump) fn end(&self) -> u64 {
        self.stretch.to
    }

    /// Where it lies in the stream.
    pub(in crate::net::pump) fn stretch(&self) -> &hub::Train {
        &self.stretch
    }

    /// When the first of it came.
    pub(in crate::net::pump) fn first(&self) -> Instant {
        self.stretch.first
    }

    /// The earliest time in it.
    pub(in crate::net::pump) fn floor(&self) -> i64 {
        self.floor
    }

    /// True if all its pictures are of the main track: who has begun can decode them.
    pub(in crate::net::pump) fn is_plain(&self) -> bool {
        self.packets().all(|packet| packet.kind != Kind::Video || packet.track == 0)
    }

    /// What it carries.
    pub(in crate::net::pump) fn packets(&self) -> impl Iterator<Item = &Packet> {
        self.messages.iter().map(|message| &message.packet)
    }

    /// How many packets there are, and how many of them are frames.
    pub(in crate::net::pump) fn counts(&self) -> (u64, u64) {
        let frames = self.packets().filter(|packet| packet.kind == Kind::Video).count();
        (self.messages.len() as u64, frames as u64)
    }

    /// The chunk streams on which a message of the usual kind has to have gone before. `None` if it can't be shared.
    pub(in crate::net::pump) fn opens(&self, form: Form) -> Option<u32> {
        Some(self.load(form)?.opens)
    }

    /// Its bytes in this form, if anybody was sent it.
    pub(in crate::net::pump) fn bytes(&self, form: Form) -> usize {
        let load = self.loads.get(usize::from(form == Form::Publish)).and_then(OnceCell::get);
        load.and_then(Option::as_ref).map_or(0, |load| load.bytes)
    }

    /// All its bytes, where they are in one piece.
    pub(in crate::net::pump) fn single(&self, form: Form) -> Option<&Bytes> {
        self.load(form)?.single()
    }

    fn load(&self, form: Form) -> Option<&Load> {
        let load = self.loads.get(usize::from(form == Form::Publish))?;
        load.get_or_init(|| Load::new(&self.messages, form, self.seats)).as_ref()
    }
}

impl Load {
    fn new(messages: &[Shared], form: Form, seats: usize) -> Option<Self> {
        let pieces: Option<Vec<Bytes>> = messages.iter().map(|message| message.shared(CHUNK_SIZE, form)).collect();
        let pieces = pieces?;
        let bytes = pieces.iter().map(Bytes::len).sum();
        let pays = pieces.len() > SLICES || bytes <= seats * COPIED;
        let whole = (pieces.len() > 1 && seats >= MANY && pays).then(|| {
            let mut whole = BytesMut::with_capacity(bytes);
            pieces.iter().for_each(|piece| whole.extend_from_slice(piece));
            whole.freeze()
        });
        let opens = messages.iter().fold(0, |opens, message| opens | 1 << (message.csid() & 31));
        Some(Self { pieces, whole, bytes, opens })
    }

    /// All of it, where that is in one piece.
    fn single(&self) -> Option<&Bytes> {
        match (&self.whole, &self.pieces[..]) {
            (Some(whole), _) => Some(whole),
            (None, [only]) => Some(only),
            (None, _) => None,
        }
    }

    /// Its pieces for one call, and how many they are.
    fn slices(&self) -> ([IoSlice<'_>; SLICES], usize) {
        let mut slices = [IoSlice::new(&[]); SLICES];
        for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
            *slice = IoSlice::new(piece);
        }
        (slices, self.pieces.len().min(SLICES))
    }
}

/// What rides added to the figures of the output that most of them belong to, told once: a counter that two threads
/// add to for every connection costs both.
#[derive(Default)]
pub(in crate::net::pump) struct Tally {
    stats: Option<Arc<OutputStats>>,
    bytes: u64,
    packets: u64,
    frames: u64,
    left: Option<Instant>,
}

impl Tally {
    fn of(&mut self, stats: &Arc<OutputStats>) -> &mut Self {
        if !self.stats.as_ref().is_some_and(|known| Arc::ptr_eq(known, stats)) {
            self.tell();
            self.stats = Some(stats.clone());
        }
        self
    }

    /// Adds what was gathered.
    pub(in crate::net::pump) fn tell(&mut self) {
        let Self { stats, bytes, packets, frames, left } = std::mem::take(self);
        let Some(stats) = stats else { return };
        for (figure, more) in [(&stats.bytes, bytes), (&stats.packets, packets), (&stats.frames, frames)] {
            OutputStats::add(figure, more);
        }
        if let Some(now) = left {
            stats.left(now);
        }
    }
}

impl Conn {
    /// Writes a train, if this connection stands where it begins and has nothing else to do.
    pub(in crate::net::pump) fn ride(
        &mut self,
        train: &Train,
        now: Instant,
        context: &mut Context<'_>,
        tally: &mut Tally,
    ) -> Ride {
        let Some(load) = self.board(train, now) else { return Ride::Visit };
        let written = Self::write_load(Pin::new(&mut self.connection), load, context);
        self.ridden(train, load, written, now, tally)
    }

    /// What this connection is like that has just ridden to `edge`, if nothing keeps it from riding on.
    pub(in crate::net::pump) fn pass(&self, edge: u64) -> Option<Pass<'_>> {
        let order = &self.order;
        let rides = self.is_idle()
            && order.form == FORM
            && !self.is_push()
            && self.blocked_since.is_none()
            && !self.aside.is()
            && order.cursor.position() == Some(edge)
            && order.cursor.delay().is_zero()
            && self.time.shows_main()
            // Each of their frames is looked at by itself.
            && !self.gauge.probed
            && self.gauge.held_since().is_none();
        rides.then_some(Pass {
            opened: self.opened,
            floor: self.floor,
            patience: order.cursor.max_lag(),
            stats: &order.stats,
        })
    }

    /// Hears what it has had as a rider.
    pub(in crate::net::pump) fn hear(&mut self, news: &News<'_>) {
        self.order.cursor.ride(news.last);
        self.last_arrival = Some(news.last.last);
        self.time.go_along(news.time);
        self.untold += news.bytes;
        self.gauge.rode(news.bytes);
    }

    /// The socket of one that rides.
    pub(in crate::net::pump) fn socket(&self) -> BorrowedFd<'_> {
        self.connection.tcp().as_fd()
    }

    /// Writes a train to it, past the runtime, which is not to know: where this fails, [`Conn::ride`] tells it.
    pub(in crate::net::pump) fn send(&self, train: &Train, form: Form) -> io::Result<usize> {
        let load = train.load(form).ok_or(io::ErrorKind::WouldBlock)?;
        let socket = SockRef::from(self.connection.tcp());
        calls();
        match load.single() {
            Some(single) => socket.send_with_flags(single, NO_SIGNAL),
            None => {
                let (slices, count) = load.slices();
                socket.send_vectored_with_flags(slices.get(..count).unwrap_or_default(), NO_SIGNAL)
            }
        }
    }

    /// What came of writing the bytes of one that rode until now.
    pub(in crate::net::pump) fn rode(
        &mut self,
        train: &Train,
        written: io::Result<usize>,
        now: Instant,
        tally: &mut Tally,
    ) -> Ride {
        let Some(load) = train.load(self.order.form) else { return Ride::Visit };
        self.ridden(train, load, Poll::Ready(written), now, tally)
    }

    fn board<'a>(&self, train: &'a Train, now: Instant) -> Option<&'a Load> {
        if !self.may_ride(train, now) {
            return None;
        }
        let opened = self.opened;
        train.load(self.order.form).filter(|load| opened & load.opens == load.opens)
    }

    fn ridden(
        &mut self,
        train: &Train,
        load: &Load,
        written: Poll<io::Result<usize>>,
        now: Instant,
        tally: &mut Tally,
    ) -> Ride {
        let written = match written {
            Poll::Pending => {
                self.blocked_since.get_or_insert(now);
                return Ride::Done;
            }
            Poll::Ready(Err(error)) => {
                self.report(disconnected(&error));
                return Ride::Gone;
            }
            Poll::Ready(Ok(written)) => written,
        };
        let whole = written == load.bytes;
        self.untold += load.bytes as u64;
        if !whole {
            self.batch.extend(load.pieces.iter().zip(&train.messages).map(|(bytes, message)| Piece {
                bytes: bytes.clone(),
                ends: Some((message.packet.kind, message.packet.arrival)),
            }));
        }
        self.order.cursor.ride(&train.stretch);
        self.last_arrival = Some(train.stretch.last);
        for message in &train.messages {
            let _ = self.time.time(&message.packet);
        }
        let leaves = self.gauge.held_since().is_none();
        let tally = tally.of(&self.order.stats);
        tally.bytes += written as u64;
        tally.left = tally.left.or(leaves.then_some(now));
        if !whole {
            self.advance(written);
            return Ride::Visit;
        }
        tally.packets += train.messages.len() as u64;
        for (message, piece) in train.messages.iter().zip(&load.pieces) {
            let packet = &message.packet;
            self.gauge.wrote(piece.len());
            self.gauge.mark(packet.kind, packet.arrival, false);
            tally.frames += u64::from(packet.kind == Kind::Video);
        }
        Ride::Done
    }

    fn may_ride(&self, train: &Train, now: Instant) -> bool {
        self.is_idle()
            && self.floor <= train.floor
            && self.order.cursor.may_ride(&train.stretch, now)
            && train.packets().all(|packet| self.time.takes(packet))
    }

    /// True if it has nothing to do but to send what comes, and may send what is shared.
    fn is_idle(&self) -> bool {
        self.phase == Phase::Sending
            && self.batch.is_empty()
            && !self.paused
            && self.next.is_none()
            && self.quiet
            && self.order.chunk_size == CHUNK_SIZE
            && !self.connection.is_tls()
    }

    fn write_load<W: AsyncWrite>(to: Pin<&mut W>, load: &Load, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        calls();
        let written = match load.single() {
            Some(single) => to.poll_write(context, single),
            None => {
                let (slices, count) = load.slices();
                to.poll_write_vectored(context, slices.get(..count).unwrap_or_default())
            }
        };
        match written {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            other => other,
        }
    }
}
