//! How much all rings of the program may hold together. Past that each keeps its share: a ring gives up its own oldest items,
//! never those of another, so that no stream can starve the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What all rings hold, and what they may.
#[derive(Debug)]
pub struct Budget {
    most: AtomicUsize,
    held: AtomicUsize,
    /// Rings that hold anything and have a source.
    rings: AtomicUsize,
}

impl Budget {
    /// So many bytes for all.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most: AtomicUsize::new(most), held: AtomicUsize::new(0), rings: AtomicUsize::new(0) })
    }

    /// So many from now on.
    pub fn limit(&self, most: usize) {
        self.most.store(most, Ordering::Relaxed);
    }

    /// Bytes that all may hold together.
    pub fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    /// Bytes that all hold together.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// How much each ring may hold if all want as much.
    fn share(&self) -> usize {
        self.most() / self.rings.load(Ordering::Relaxed).max(1)
    }
}

/// What one ring holds of a budget, given back when dropped.
pub(super) struct Account {
    budget: Option<Arc<Budget>>,
    bytes: usize,
    /// Its source has ended: it is the first to give up what it holds, and takes no share from others.
    retired: bool,
}

impl Account {
    /// Of a ring that is on its own where there is no budget.
    pub(super) fn new(budget: Option<Arc<Budget>>) -> Self {
        Self { budget, bytes: 0, retired: false }
    }

    pub(super) fn budget(&self) -> Option<Arc<Budget>> {
        self.budget.clone()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// True if the ring counts for the shares of all.
    fn counts(&self) -> bool {
        self.bytes > 0 && !self.retired
    }

    fn change(&mut self, change: impl FnOnce(&mut Self)) {
        let (bytes, counted) = (self.bytes, self.counts());
        change(self);
        let Some(budget) = &self.budget else { return };
        match self.bytes.checked_sub(bytes) {
            Some(more) => budget.held.fetch_add(more, Ordering::Relaxed),
            None => budget.held.fetch_sub(bytes - self.bytes, Ordering::Relaxed),
        };
        match (counted, self.counts()) {
            (false, true) => drop(budget.rings.fetch_add(1, Ordering::Relaxed)),
            (true, false) => drop(budget.rings.fetch_sub(1, Ordering::Relaxed)),
            _ => {}
        }
    }

    pub(super) fn add(&mut self, bytes: usize) {
        self.change(|account| {
            account.bytes += bytes;
            account.retired = false;
        });
    }

    pub(super) fn give_back(&mut self, bytes: usize) {
        self.change(|account| account.bytes = account.bytes.saturating_sub(bytes));
    }

    /// Its source has ended. The next item says that there is another.
    pub(super) fn retire(&mut self) {
        self.change(|account| account.retired = true);
    }

    /// True if its source has ended and no other has sent anything yet.
    pub(super) fn is_retired(&self) -> bool {
        self.retired
    }

    /// True if it is to give some up: all together hold too much, and it holds more than its share.
    pub(super) fn is_over(&self) -> bool {
        let Some(budget) = &self.budget else { return false };
        budget.held() > budget.most() && self.bytes > if self.retired { 0 } else { budget.share() }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.give_back(self.bytes);
    }
}

#[cfg(test)]
#[path = "budget_tests.rs"]
mod tests;
