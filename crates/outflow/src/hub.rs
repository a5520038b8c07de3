//! The hub: one writer, many cursors, a ring in between. Publishing never looks at readers, so no reader can hold
//! the writer or another reader back.

mod budget;
mod cork;
mod cursor;
mod ring;
mod train;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use budget::Account;
pub use budget::Budget;
pub use cork::Cork;
pub use cursor::{Cursor, Read, Skip, Start};
use ring::Ring;
pub use train::Train;

/// What a hub carries: cheap to clone, with a size for the byte cap.
pub trait Item: Clone + Send + Sync + 'static {
    /// Bytes of memory that keeping it costs.
    fn size(&self) -> usize;

    /// True for what counts as a frame where it is left out.
    fn is_frame(&self) -> bool {
        false
    }
}

/// How much a hub remembers.
#[derive(Debug, Clone, Copy)]
pub struct Keep {
    /// Items younger than this stay (the largest `max_lag` plus the largest `delay` in use); the current group of
    /// pictures stays however old it is.
    pub age: Duration,
    /// But never more than this many bytes; past it even the current group goes, and joiners wait for the next key frame.
    pub bytes: usize,
}

/// An item that a hub still has.
pub struct Kept<T> {
    /// Its number.
    pub seq: u64,
    /// The item.
    pub item: T,
    /// When it arrived.
    pub arrival: Instant,
    /// When it came to the hub.
    pub at: Instant,
}

/// What a hub still has, for another one that is to have the like.
pub struct Past<T> {
    /// The items, in their order.
    pub items: Vec<Kept<T>>,
    /// The first entry point among them, and what belongs before it.
    pub entry: Option<(u64, Arc<[T]>)>,
    /// When the source of the newest entry point ended, if it has.
    pub closed: Option<Instant>,
    /// The number of the next item.
    pub head: u64,
    /// The stream is over, for now or for good.
    pub ended: bool,
    /// For good.
    pub finished: bool,
}

/// One stream's ring. Readers hold it in an [`Arc`]; the single writer is [`Publisher`].
pub struct Hub<T> {
    ring: Mutex<Ring<T>>,
    watchers: Mutex<Vec<(u64, Waker)>>,
    next_watcher: AtomicU64,
}

/// What became of an item that was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Its number.
    pub seq: u64,
    /// Bytes that the hub holds with it.
    pub held: usize,
}

/// The one writer of a hub: not `Clone`, so the type holds the rule.
pub struct Publisher<T: Item> {
    hub: Arc<Hub<T>>,
}

/// A hub with its one writer. What it holds counts in the budget, if it has one with others.
pub fn hub<T: Item>(keep: Keep, budget: Option<Arc<Budget>>) -> (Publisher<T>, Arc<Hub<T>>) {
    let hub = Arc::new(Hub {
        ring: Mutex::new(Ring::new(keep, Account::new(budget))),
        watchers: Mutex::new(Vec::new()),
        next_watcher: AtomicU64::new(0),
    });
    (Publisher { hub: hub.clone() }, hub)
}

impl<T: Item> Publisher<T> {
    /// Adds an item. `entry` marks it as an entry point and holds what a joiner needs before it (metadata, sequence
    /// headers): pass the same `Arc` as long as they are the same, so that readers can tell.
    pub fn publish(&mut self, item: T, arrival: Instant, entry: Option<Arc<[T]>>) -> Placed {
        self.publish_at(item, arrival, Instant::now(), entry)
    }

    /// The same for an item that came to another hub `at` some time before, and is as fresh as it was there.
    pub fn publish_at(&mut self, item: T, arrival: Instant, at: Instant, entry: Option<Arc<[T]>>) -> Placed {
        let placed = {
            let mut ring = self.hub.ring.lock();
            let seq = ring.head();
            ring.push(item, arrival, at, entry);
            Placed { seq, held: ring.held.bytes() }
        };
        self.hub.wake();
        placed
    }

    /// The number that the next item will have.
    pub fn head(&self) -> u64 {
        self.hub.head()
    }

    /// The stream is over: readers get what is left, then the end.
    pub fn finish(&mut self) {
        self.hub.ring.lock().ended = true;
        self.hub.wake();
    }

    /// The stream goes on after all (a source returned).
    pub fn reopen(&mut self) {
        self.hub.ring.lock().ended = false;
    }

    /// Forgets everything before `seq`: every reader of a stream that runs free has read it.
    pub fn forget_before(&mut self, seq: u64) {
        self.hub.ring.lock().forget_before(seq);
    }

    /// Makes an item that was published before the first entry point, unless one exists: what it is was not clear then.
    pub fn enter_at(&mut self, seq: u64, headers: Arc<[T]>) {
        self.hub.ring.lock().enter_at(seq, headers);
    }

    /// Joiners no longer get those of the headers, at whatever entry point they begin.
    pub fn forget_headers(&mut self, is_gone: impl Fn(&T) -> bool) {
        self.hub.ring.lock().forget_headers(is_gone);
    }

    /// The source has ended: joiners wait for the next entry point. Readers go on, and those with a `delay` for which the
    /// source is still there may begin where they could have begun then.
    pub fn close_entries(&mut self, now: Instant) {
        self.hub.ring.lock().close_entries(now);
    }
}

impl<T: Item> Drop for Publisher<T> {
    fn drop(&mut self) {
        self.finish();
    }
}

impl<T: Item> Hub<T> {
    /// Reads on from a cursor: appends up to `max_items` items of together about `max_bytes` (at least one) to `out`.
    /// Skips first where the cursor is too far behind. Never blocks on the writer for longer than a copy of `Arc`s.
    pub fn read(
        &self,
        cursor: &mut Cursor,
        now: Instant,
        max_items: usize,
        max_bytes: usize,
        out: &mut Vec<T>,
    ) -> Read<T> {
        cursor.read(&self.ring.lock(), now, max_items, max_bytes, out)
    }

    /// How old the oldest item is that this cursor has not read, beyond its `delay`.
    pub fn lag(&self, cursor: &Cursor, now: Instant) -> Duration {
        cursor.lag(&self.ring.lock(), now)
    }

    /// How old the item with this number is; zero where it has yet to come.
    pub fn age(&self, seq: u64, now: Instant) -> Duration {
        let arrival = self.ring.lock().slot(seq).map(|slot| slot.arrival);
        arrival.map_or(Duration::ZERO, |arrival| now.saturating_duration_since(arrival))
    }

    /// Calls this waker after every publish, until the subscription is dropped.
    pub fn subscribe(self: &Arc<Self>, waker: Waker) -> Subscription<T> {
        let id = self.next_watcher.fetch_add(1, Ordering::Relaxed);
        self.watchers.lock().push((id, waker));
        Subscription { hub: self.clone(), id }
    }

    /// Makes the ring keep at least this much (an output with a larger `max_lag` or `delay` joined).
    pub fn keep_at_least(&self, age: Duration) {
        let mut ring = self.ring.lock();
        ring.keep.age = ring.keep.age.max(age);
    }

    /// What it still has of the items from the number `from` on. Takes as long as a reader takes for as many items.
    pub fn past(&self, from: u64) -> Past<T> {
        self.ring.lock().past(from)
    }

    /// What it shares with other hubs, if it does.
    pub fn budget(&self) -> Option<Arc<Budget>> {
        self.ring.lock().held.budget()
    }

    /// How much it remembers at present.
    pub fn keep(&self) -> Keep {
        self.ring.lock().keep
    }

    /// The number of the next item that this cursor reads; the head where it has not begun.
    pub fn position(&self, cursor: &Cursor) -> u64 {
        cursor.position().unwrap_or_else(|| self.ring.lock().base)
    }

    /// Where a reader that is to begin at the next entry point stands: at the newest one if that is younger than `fresh`
    /// (it is what called the reader into being), else at the head. For [`Cursor::since`].
    pub fn next_entry(&self, now: Instant, fresh: Duration) -> u64 {
        self.ring.lock().first_entry(now, fresh)
    }

    /// The same for a reader that comes from another stream, of which it has read what arrived up to `read`: an entry
    /// point from before that would bring back a time that its peer has seen.
    pub fn entry_after(&self, read: Option<Instant>, now: Instant, fresh: Duration) -> u64 {
        let ring = self.ring.lock();
        let entry = ring.next_entry(now, fresh);
        let arrival = ring.slot(entry).map(|slot| slot.arrival);
        match arrival.zip(read) {
            Some((arrival, read)) if arrival <= read => ring.head(),
            _ => entry,
        }
    }

    /// What the items from this number on cost to keep, in bytes, and how many they are.
    pub fn since(&self, from: u64) -> (u64, u64) {
        let ring = self.ring.lock();
        let bytes = |slot: &ring::Slot<T>| slot.counts.bytes;
        let last = ring.head().checked_sub(1).and_then(|last| ring.slot(last)).map_or(0, bytes);
        let before = ring.slot(from).map_or(last, |slot| bytes(slot).saturating_sub(slot.item.size() as u64));
        (last.saturating_sub(before), ring.head().saturating_sub(from.max(ring.base)))
    }

    /// Items published since the start.
    pub fn head(&self) -> u64 {
        self.ring.lock().head()
    }

    /// Bytes held right now.
    pub fn bytes(&self) -> usize {
        self.ring.lock().held.bytes()
    }

    /// Gives up what is over its share of what all rings of the program may hold: publishing does so too, but not every ring is
    /// published into. One whose source has gone for good gives up everything after a while.
    pub fn shed(&self, now: Instant) {
        self.ring.lock().shed(now);
    }

    /// No publisher will publish again: readers get what is left, then the end, whether they have begun or not.
    pub fn finish(&self) {
        self.ring.lock().finished = true;
        self.wake();
    }

    fn wake(&self) {
        for (_, waker) in self.watchers.lock().iter() {
            cork::wake(waker);
        }
    }
}

/// Keeps a waker subscribed to a hub.
pub struct Subscription<T: Item> {
    hub: Arc<Hub<T>>,
    id: u64,
}

impl<T: Item> Drop for Subscription<T> {
    fn drop(&mut self) {
        self.hub.watchers.lock().retain(|(id, _)| *id != self.id);
    }
}

#[cfg(test)]
mod tests;
