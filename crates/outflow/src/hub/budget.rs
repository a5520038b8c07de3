//! How much all rings of the program may hold together. Past that each keeps its share: a ring gives up its own oldest items,
//! never those of another, so that no stream can starve the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What all rings hold, and what they may.
#[derive(Debug)]
pub struct Budget {
    most: AtomicUsize,
    held: AtomicUsize,
    /// Rings that hold anything.
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

    /// True if a ring of so many bytes is to give some up: all together hold too much, and it holds more than its share.
    pub(super) fn is_over(&self, own: usize) -> bool {
        let (most, rings) = (self.most(), self.rings.load(Ordering::Relaxed).max(1));
        self.held() > most && own > most / rings
    }
}

/// What one ring holds of a budget, given back when dropped.
pub(super) struct Account {
    budget: Option<Arc<Budget>>,
    bytes: usize,
}

impl Account {
    /// Of a ring that is on its own where there is no budget.
    pub(super) fn new(budget: Option<Arc<Budget>>) -> Self {
        Self { budget, bytes: 0 }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn add(&mut self, bytes: usize) {
        if let Some(budget) = &self.budget {
            budget.held.fetch_add(bytes, Ordering::Relaxed);
            if self.bytes == 0 && bytes > 0 {
                budget.rings.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.bytes += bytes;
    }

    pub(super) fn give_back(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        if let Some(budget) = self.budget.as_ref().filter(|_| bytes > 0) {
            budget.held.fetch_sub(bytes, Ordering::Relaxed);
            if self.bytes == 0 {
                budget.rings.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.budget.as_ref().is_some_and(|budget| budget.is_over(self.bytes))
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
