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
use tokio::io::AsyncWrite;

use super::{Conn, Phase, Piece, SLICES, disconnected};
use crate::hub;
use crate::media::Kind;
use crate::monitor::OutputStats;
use crate::stream::Stream;
use crate::wire::{CHUNK_SIZE, Form, Shared};

/// Connections from which on it pays to copy several messages into one piece, once ...
const MANY: usize = 8;
/// ... if there are no more bytes than this for each: a large frame is sooner written in a few pieces by few.
const COPIED: usize = 2048;

/// Messages of a train, at most.
const MOST: usize = 512;

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

    /// The bytes of a train that this connection may be sent, if it may ride and they are in one piece: then whoever asked
    /// writes them, and tells [`Conn::rode`].
    pub(in crate::net::pump) fn boards<'a>(&self, train: &'a Train, now: Instant) -> Option<&'a Bytes> {
        self.board(train, now)?.single()
    }

    /// The socket and the bytes of one who boards.
    pub(in crate::net::pump) fn ticket<'a>(&'a self, train: &'a Train) -> Option<(BorrowedFd<'a>, &'a Bytes)> {
        Some((self.connection.tcp().as_fd(), train.load(self.order.form)?.single()?))
    }

    /// What came of writing the bytes of one who boarded.
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
        let order = &self.order;
        self.phase == Phase::Sending
            && self.batch.is_empty()
            && !self.paused
            && self.next.is_none()
            && self.floor <= train.floor
            && order.chunk_size == CHUNK_SIZE
            && order.cursor.may_ride(&train.stretch, now)
            && train.messages.iter().all(|message| self.time.takes(&message.packet))
            && !self.connection.is_tls()
            && self.quiet
    }

    fn write_load<W: AsyncWrite>(to: Pin<&mut W>, load: &Load, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let written = match load.single() {
            Some(single) => to.poll_write(context, single),
            None => {
                let mut slices = [IoSlice::new(&[]); SLICES];
                let mut count = 0;
                for (slice, piece) in slices.iter_mut().zip(&load.pieces) {
                    *slice = IoSlice::new(piece);
                    count += 1;
                }
                to.poll_write_vectored(context, slices.get(..count).unwrap_or_default())
            }
        };
        match written {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            other => other,
        }
    }
}
