//! What came to a hub since a number, read once for all readers that stand there.

use std::time::Instant;

use super::cursor::Cursor;
use super::ring::{Counts, Ring};
use super::{Hub, Item};

/// A stretch of a hub: the items from one number up to another, and nothing else was there.
#[derive(Debug, Clone, Copy)]
pub struct Train {
    /// The number of its first item ...
    pub from: u64,
    /// ... and the number behind its last.
    pub to: u64,
    /// When its first item arrived ...
    pub first: Instant,
    /// ... and its last.
    pub last: Instant,
    pub(super) counts: Counts,
}

impl<T: Item> Hub<T> {
    /// Everything from this number on, appended to `out`: `None` where nothing is, where it is more than `max_items` or
    /// `max_bytes`, or where the stream has ended. Then each reader is to read for itself.
    pub fn train(&self, from: u64, max_items: usize, max_bytes: usize, out: &mut Vec<T>) -> Option<Train> {
        self.ring.lock().train(from, max_items, max_bytes, out)
    }
}

impl<T: Item> Ring<T> {
    fn train(&self, from: u64, max_items: usize, max_bytes: usize, out: &mut Vec<T>) -> Option<Train> {
        let (to, last) = (self.head(), self.slot(self.head().checked_sub(1)?)?);
        let first = self.slot(from)?.arrival;
        let many = usize::try_from(to.checked_sub(from)?).is_ok_and(|items| items > max_items);
        if many || self.ended || self.finished {
            return None;
        }
        let begin = out.len();
        let mut bytes = 0;
        for slot in (from..to).filter_map(|seq| self.slot(seq)) {
            bytes += slot.item.size();
            out.push(slot.item.clone());
        }
        if bytes > max_bytes {
            out.truncate(begin);
            return None;
        }
        Some(Train { from, to, first, last: last.arrival, counts: last.counts })
    }
}

impl Cursor {
    /// True if this reader would read just the items of this train, were it to read now.
    pub fn may_ride(&self, train: &Train, now: Instant) -> bool {
        self.position() == Some(train.from) && self.is_in_time(train.first, now)
    }

    /// The items of a train were read, all of them.
    pub fn ride(&mut self, train: &Train) {
        self.arrive(train.to, train.last, train.counts);
    }
}
