//! A reader's place in a hub, and the lag rule: beyond `max_lag` it skips, only forward, only to an entry point.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Item;
use super::ring::{Counts, Ring};

/// Where a new reader begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With the cached group of pictures: a picture at once.
    Group,
    /// At the next entry point to come.
    Next,
    /// With the oldest entry point still there: for readers that must not miss anything.
    Oldest,
}

/// A reader's place. Belongs to one connection; moving it touches nobody else.
#[derive(Debug, Clone)]
pub struct Cursor {
    place: Place,
    /// Packets that the reader left behind when it began to wait, to be counted when it goes on.
    left_at: Option<(u64, Instant)>,
    max_lag: Duration,
    delay: Duration,
    /// How much more lag is excused until the live edge was reached once: the age of the entry point it joined at. A
    /// skip excuses nothing, or a slow reader would be twice as late as it may be.
    excused: Duration,
    begun: bool,
    /// The number of the item that was to come next when it first found nothing to begin with.
    waited: Option<u64>,
    /// It has had nothing of another stream: whatever it waited for is news.
    fresh: bool,
    /// Arrival of the last item read: what is left out begins there.
    last_read: Option<Instant>,
    /// What had been read with it.
    counts: Counts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Not begun.
    New(Start),
    /// Waits for an entry point with this number or a later one.
    Waiting(u64),
    /// Reads this item next.
    At(u64),
}

/// What was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skip {
    /// Items left out.
    pub items: u64,
    /// Frames among them.
    pub frames: u64,
    /// Groups of pictures that it lacks, wholly or their rest.
    pub groups: u64,
    /// The time they took to arrive.
    pub span: Duration,
}

/// What a read found, beside the items.
#[derive(Debug)]
pub struct Read<T> {
    /// Set when the items begin at an entry point after a join or a skip: what to send before them.
    pub restart: Option<Arc<[T]>>,
    /// Set when items were left out.
    pub skip: Option<Skip>,
    /// Age of the oldest unread item after this read, beyond `delay`; zero at the live edge.
    pub lag: Duration,
    /// More items could be read at once.
    pub more: bool,
    /// When the next item becomes due, for a reader with a `delay`.
    pub due: Option<Instant>,
    /// The stream is over and everything was read.
    pub ended: bool,
}

impl Cursor {
    /// A reader that begins at `start`, may be `max_lag` behind, and reads `delay` behind the live edge.
    pub fn new(start: Start, max_lag: Duration, delay: Duration) -> Self {
        Self {
            place: Place::New(start),
            left_at: None,
            max_lag,
            delay,
            excused: Duration::ZERO,
            begun: false,
            waited: None,
            fresh: true,
            last_read: None,
            counts: Counts::default(),
        }
    }

    /// A reader that begins at the first entry point to come after `mark` (see [`super::Hub::next_entry`]): at the newest,
    /// if several have come before it reads.
    pub fn since(mark: u64, max_lag: Duration, delay: Duration) -> Self {
        Self { place: Place::Waiting(mark), ..Self::new(Start::Next, max_lag, delay) }
    }

    /// A reader with the limits of this one, of another hub: it begins like one of [`Cursor::since`].
    pub fn elsewhere(&self, mark: u64) -> Self {
        Self { fresh: false, ..Self::since(mark, self.max_lag, self.delay) }
    }

    /// How far behind the live edge it reads on purpose.
    pub fn delay(&self) -> Duration {
        self.delay
    }

    /// True once it has begun to read.
    pub fn has_begun(&self) -> bool {
        matches!(self.place, Place::At(_))
    }

    /// The number of the item it reads next, once it has begun.
    pub(crate) fn position(&self) -> Option<u64> {
        match self.place {
            Place::At(seq) => Some(seq),
            _ => None,
        }
    }

    /// How far behind it may be.
    pub fn max_lag(&self) -> Duration {
        self.max_lag
    }

    /// Leaves its place, and reads nothing until [`Cursor::come_back`]: what it lacks by then is skipped.
    pub fn leave(&mut self, now: Instant) {
        if let Place::At(seq) = self.place {
            self.left_at = Some((seq, self.last_read.unwrap_or(now)));
        }
        (self.place, self.waited) = (Place::Waiting(u64::MAX), None);
    }

    /// Goes on at the next entry point to come: `head` is the number of the item that comes next. One with a `delay` takes
    /// the newest that is due.
    pub fn come_back(&mut self, head: u64) {
        let from = self.left_at.filter(|_| !self.delay.is_zero()).map_or(head, |(seq, _)| seq + 1);
        (self.place, self.waited) = (Place::Waiting(from), None);
    }

    /// Goes on at the next entry point to come: a reader that paused.
    pub fn restart(&mut self, start: Start) {
        // What came while it paused was not wanted: it is not left out.
        (self.place, self.waited, self.left_at) = (Place::New(start), None, None);
    }

    /// True if it need not skip over what arrived then, and has no `delay` to wait for.
    pub(super) fn is_in_time(&self, arrival: Instant, now: Instant) -> bool {
        self.delay.is_zero() && now.saturating_duration_since(arrival) <= self.max_lag + self.excused
    }

    /// All was read up to this number, the last of it with this arrival: the live edge.
    pub(super) fn arrive(&mut self, seq: u64, last: Instant, counts: Counts) {
        self.place = Place::At(seq);
        self.excused = Duration::ZERO;
        (self.last_read, self.counts) = (Some(last), counts);
    }

    pub(super) fn lag<T: Item>(&self, ring: &Ring<T>, now: Instant) -> Duration {
        let Place::At(seq) = self.place else { return Duration::ZERO };
        match ring.slot(seq.max(ring.base)) {
            Some(slot) => now.saturating_duration_since(slot.arrival + self.delay),
            None => Duration::ZERO,
        }
    }

    pub(super) fn read<T: Item>(
        &mut self,
        ring: &Ring<T>,
        now: Instant,
        max_items: usize,
        max_bytes: usize,
        out: &mut Vec<T>,
    ) -> Read<T> {
        let mut read = Read { restart: None, skip: None, lag: Duration::ZERO, more: false, due: None, ended: false };
        if let Place::At(seq) = self.place {
            let fell_off = seq < ring.base;
            if fell_off || self.lag(ring, now) > self.max_lag + self.excused {
                self.left_at = Some((seq, self.last_read.unwrap_or(now)));
                // Strictly ahead: a jump to where it stands, or back, would loop for groups longer than the limit.
                self.place = Place::Waiting(seq + 1);
            }
        }
        if !matches!(self.place, Place::At(_)) {
            match self.entry(ring, now) {
                Some((seq, headers)) => self.begin(ring, now, seq, headers, &mut read),
                None => {
                    self.waited.get_or_insert(ring.head());
                    read.due = self.next_due(ring, now);
                    // A reader that came after the end waits for the stream's next life; one with a `delay` for what is
                    // still to come due.
                    let over = ring.finished || (ring.ended && !matches!(self.place, Place::New(_)) && self.begun);
                    read.ended = over && read.due.is_none();
                    return read;
                }
            }
        }
        let Place::At(mut seq) = self.place else { return read };
        let mut bytes = 0;
        let mut count = 0;
        while let Some(slot) = ring.slot(seq) {
            let due = slot.arrival + self.delay;
            if due > now && !(ring.ended && self.delay.is_zero()) {
                read.due = Some(due);
                break;
            }
            let size = slot.item.size();
            if count == max_items || (count > 0 && bytes + size > max_bytes) {
                read.more = true;
                break;
            }
            out.push(slot.item.clone());
            self.last_read = Some(slot.arrival);
            self.counts = slot.counts;
            bytes += size;
            count += 1;
            seq += 1;
        }
        self.place = Place::At(seq);
        if ring.slot(seq).is_none() {
            self.excused = Duration::ZERO;
            read.ended = ring.ended || ring.finished;
        }
        read.lag = self.lag(ring, now);
        read
    }

    fn begin<T: Item>(&mut self, ring: &Ring<T>, now: Instant, seq: u64, headers: Arc<[T]>, read: &mut Read<T>) {
        let age = ring.slot(seq).map(|slot| now.saturating_duration_since(slot.arrival + self.delay));
        self.excused = age.filter(|_| self.left_at.is_none()).unwrap_or_default();
        self.place = Place::At(seq);
        (self.begun, self.waited) = (true, None);
        read.restart = Some(headers);
        if let Some((left, since)) = self.left_at.take() {
            let (arrival, upto) = ring.slot(seq).map_or((now, self.counts), |slot| (slot.arrival, slot.counts));
            let first = ring.slot(seq).map_or(0, |slot| u64::from(slot.item.is_frame()));
            read.skip = Some(Skip {
                items: seq.saturating_sub(left),
                // Without the entry point itself, which is read.
                frames: upto.frames.saturating_sub(first + self.counts.frames),
                groups: upto.entries.saturating_sub(self.counts.entries),
                span: arrival.saturating_duration_since(since),
            });
        }
    }

    /// The entry point to begin at: the newest that is due (its `delay` has passed). Not one that is older than a reader may
    /// be late who has just left his place for being late: he waits for the next. One that has waited loses nothing of what
    /// he waited for: neither what came before it was clear that it can be joined, nor a source that ended as soon as it was.
    fn entry<T: Item>(&mut self, ring: &Ring<T>, now: Instant) -> Option<(u64, Arc<[T]>)> {
        if self.place == Place::New(Start::Next) {
            self.place = Place::Waiting(ring.head());
        }
        let from = match self.place {
            Place::Waiting(from) => from,
            _ => 0,
        };
        let oldest = self.place == Place::New(Start::Oldest);
        let oldest_arrival = now.checked_sub(self.max_lag + self.delay).filter(|_| self.left_at.is_some());
        let is_due = |seq| {
            let fits =
                |arrival: Instant| arrival + self.delay <= now && oldest_arrival.is_none_or(|oldest| arrival >= oldest);
            seq >= from && ring.slot(seq).is_some_and(|slot| fits(slot.arrival))
        };
        let mut due = ring.entries.iter().filter(|entry| is_due(entry.seq) && entry.is_open(now, self.delay));
        let waits = self.fresh && self.left_at.is_none();
        let late = (waits && (self.waited.is_some() || matches!(self.place, Place::Waiting(_))))
            .then(|| due.clone().rfind(|entry| entry.late));
        let entry = match late.flatten() {
            Some(late) => Some(late),
            None if oldest => due.next(),
            None => due.next_back(),
        };
        let missed = || {
            let mark = self.waited.filter(|_| waits)?;
            ring.entries.iter().find(|entry| entry.seq >= mark && is_due(entry.seq))
        };
        let entry = entry.or_else(missed)?;
        Some((entry.seq, entry.headers.clone()))
    }

    /// When the first entry point that this waiting reader may take becomes due.
    fn next_due<T: Item>(&self, ring: &Ring<T>, now: Instant) -> Option<Instant> {
        let from = match self.place {
            Place::Waiting(from) => from,
            _ => 0,
        };
        let entries = ring.entries.iter().filter(|entry| entry.seq >= from);
        let mut dues = entries.filter_map(|entry| ring.slot(entry.seq)).map(|slot| slot.arrival + self.delay);
        dues.find(|due| *due > now)
    }
}
