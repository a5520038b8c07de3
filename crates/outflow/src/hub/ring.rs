//! The ring behind a hub: items in order, the entry points among them, and what may be forgotten.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::budget::Account;
use super::{Item, Keep, Kept, Past};

pub(super) struct Slot<T> {
    pub(super) item: T,
    pub(super) arrival: Instant,
    /// What had come with it, since the start.
    pub(super) counts: Counts,
}

/// Frames, entry points and bytes, counted since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    pub(super) frames: u64,
    pub(super) entries: u64,
    pub(super) bytes: u64,
}

pub(super) struct Entry<T> {
    pub(super) seq: u64,
    /// When it came to the ring, which may be long after its arrival: a source's first packets are held for a while.
    pub(super) at: Instant,
    /// When its source ended: nobody begins here any more, but for readers with a `delay`, for whom it has not ended yet.
    pub(super) closed: Option<Instant>,
    /// What it costs to keep, without the items that its headers are.
    cost: usize,
    /// It became one after it had come: who waited meanwhile is to begin here.
    pub(super) late: bool,
    pub(super) headers: Arc<[T]>,
}

impl<T> Entry<T> {
    /// True if a reader that is `delay` behind may begin here.
    pub(super) fn is_open(&self, now: Instant, delay: Duration) -> bool {
        self.closed.is_none_or(|closed| now < closed + delay)
    }
}

pub(super) struct Ring<T> {
    slots: VecDeque<Slot<T>>,
    /// The number of the first slot, counted since the start.
    pub(super) base: u64,
    pub(super) entries: VecDeque<Entry<T>>,
    /// Bytes held.
    pub(super) held: Account,
    pub(super) keep: Keep,
    pub(super) ended: bool,
    /// Ended for good: who has not begun will never begin.
    pub(super) finished: bool,
    counts: Counts,
}

impl<T: Item> Ring<T> {
    pub(super) fn new(keep: Keep, held: Account) -> Self {
        Self {
            slots: VecDeque::new(),
            base: 0,
            entries: VecDeque::new(),
            held,
            keep,
            ended: false,
            finished: false,
            counts: Counts::default(),
        }
    }

    pub(super) fn head(&self) -> u64 {
        self.base + self.slots.len() as u64
    }

    pub(super) fn slot(&self, seq: u64) -> Option<&Slot<T>> {
        self.slots.get(usize::try_from(seq.checked_sub(self.base)?).ok()?)
    }

    /// Adds an item that came to the ring `at` this instant.
    pub(super) fn push(&mut self, item: T, arrival: Instant, at: Instant, entry: Option<Arc<[T]>>) {
        self.counts.frames += u64::from(item.is_frame());
        self.counts.entries += u64::from(entry.is_some());
        self.counts.bytes += item.size() as u64;
        if let Some(headers) = entry {
            self.enter(self.head(), at.max(arrival), headers, false);
        }
        self.held.add(item.size());
        self.slots.push_back(Slot { item, arrival, counts: self.counts });
        self.trim(arrival);
    }

    /// What is there of the items from `from` on.
    pub(super) fn past(&self, from: u64) -> Past<T> {
        let (from, head) = (from.max(self.base), self.head());
        let entries: Vec<_> = self.entries.iter().filter(|entry| entry.seq >= from).collect();
        let mut marks = entries.iter().map(|entry| (entry.seq, entry.at)).peekable();
        let items = (from..head).filter_map(|seq| self.slot(seq).map(|slot| (seq, slot)));
        let items = items.map(|(seq, slot)| {
            let at = marks.next_if(|(entry, _)| *entry == seq).map_or(slot.arrival, |(_, at)| at);
            Kept { seq, item: slot.item.clone(), arrival: slot.arrival, at }
        });
        let items = items.collect();
        Past {
            items,
            entry: entries.first().map(|entry| (entry.seq, entry.headers.clone())),
            closed: self.entries.back().and_then(|entry| entry.closed),
            head,
            ended: self.ended,
            finished: self.finished,
        }
    }

    pub(super) fn next_entry(&self, now: Instant, fresh: Duration) -> u64 {
        let newest = self.newest().filter(|entry| now.saturating_duration_since(entry.at) <= fresh);
        newest.map_or_else(|| self.head(), |entry| entry.seq)
    }

    /// The same for a reader that has had nothing of this stream: at the one that became one late, if that is fresh.
    pub(super) fn first_entry(&self, now: Instant, fresh: Duration) -> u64 {
        let is_fresh = |entry: &&Entry<T>| now.saturating_duration_since(entry.at) <= fresh;
        let late = self.entries.iter().rfind(|entry| entry.late && entry.closed.is_none());
        late.filter(is_fresh).map_or_else(|| self.next_entry(now, fresh), |entry| entry.seq)
    }

    /// The newest entry point whose source has not ended.
    fn newest(&self) -> Option<&Entry<T>> {
        self.entries.back().filter(|entry| entry.closed.is_none())
    }

    pub(super) fn forget_before(&mut self, seq: u64) {
        while self.base < seq
            && let Some(front) = self.slots.pop_front()
        {
            self.held.give_back(front.item.size());
            self.base += 1;
        }
        self.forget_lost_entries();
    }

    /// Makes an item that is already there an entry point, if no other is.
    pub(super) fn enter_at(&mut self, seq: u64, headers: Arc<[T]>) {
        if self.newest().is_none() && self.slot(seq).is_some() {
            self.enter(seq, Instant::now(), headers, true);
        }
    }

    /// Takes headers away from every entry point.
    pub(super) fn forget_headers(&mut self, is_gone: impl Fn(&T) -> bool) {
        let mut last: Option<(Arc<[T]>, Arc<[T]>)> = None;
        for entry in self.entries.iter_mut().filter(|entry| entry.headers.iter().any(&is_gone)) {
            // Those that were the same stay the same: readers tell by it what they have.
            let known = last.as_ref().filter(|(before, _)| Arc::ptr_eq(before, &entry.headers));
            let left = known.map(|(_, left)| left.clone());
            let left =
                left.unwrap_or_else(|| entry.headers.iter().filter(|header| !is_gone(header)).cloned().collect());
            last = Some((std::mem::replace(&mut entry.headers, left.clone()), left));
        }
    }

    /// Its source has ended: who is at the live edge begins at none of them any more.
    pub(super) fn close_entries(&mut self, now: Instant) {
        for entry in &mut self.entries {
            entry.closed.get_or_insert(now);
        }
        self.held.retire();
    }

    /// Forgets what is older than `keep.age` and before the current group of pictures, and whatever is over the
    /// byte cap, or over its share of what all rings may hold.
    fn trim(&mut self, now: Instant) {
        let group = self.newest().map_or(u64::MAX, |entry| entry.seq);
        while let Some(front) = self.slots.front() {
            let old = self.base < group && now.saturating_duration_since(front.arrival) > self.keep.age;
            let last = self.slots.len() == 1;
            if last || !(old || self.held.bytes() > self.keep.bytes || self.held.is_over()) {
                break;
            }
            self.held.give_back(front.item.size());
            self.slots.pop_front();
            self.base += 1;
        }
        self.forget_lost_entries();
    }

    /// Gives up what is over its share of what all rings may hold, and everything once its source has been gone for so long
    /// that whoever is not through with it never will be.
    pub(super) fn shed(&mut self, now: Instant) {
        let span = self.slots.front().zip(self.slots.back()).map(|(first, last)| (first.arrival, last.arrival));
        if let Some((first, last)) = span
            && self.held.is_retired()
            && now.saturating_duration_since(last) > self.keep.age + last.saturating_duration_since(first)
        {
            return self.forget_before(self.head());
        }
        while self.slots.len() > 1 && self.held.is_over() {
            let Some(front) = self.slots.pop_front() else { break };
            self.held.give_back(front.item.size());
            self.base += 1;
        }
        self.forget_lost_entries();
    }

    /// Adds an entry point. A list of headers of its own counts: a source may send others with every key frame.
    fn enter(&mut self, seq: u64, at: Instant, headers: Arc<[T]>, late: bool) {
        let shared = self.entries.back().is_some_and(|last| Arc::ptr_eq(&last.headers, &headers));
        let cost = if shared { 0 } else { size_of_val(&*headers) };
        self.held.add(cost);
        self.entries.push_back(Entry { seq, at, closed: None, cost, late, headers });
    }

    fn forget_lost_entries(&mut self) {
        while self.entries.front().is_some_and(|entry| entry.seq < self.base) {
            let cost = self.entries.pop_front().map_or(0, |entry| entry.cost);
            self.held.give_back(cost);
        }
    }
}
