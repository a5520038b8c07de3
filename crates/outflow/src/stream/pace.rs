//! The one place where a sink holds its source back: graphs that run free (`rt=off`), with file and null sinks only.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// How many packets the slowest reader may be behind.
const ROOM: u64 = 256;

/// The places of all readers of a stream that runs free.
#[derive(Default)]
pub(super) struct Pace {
    places: Mutex<Vec<Arc<AtomicU64>>>,
    moved: Condvar,
}

impl Pace {
    /// A reader joins, at the beginning.
    pub(super) fn join(&self) -> Arc<AtomicU64> {
        let place = Arc::new(AtomicU64::new(0));
        self.places.lock().push(place.clone());
        place
    }

    /// A reader has read everything before `seq`.
    pub(super) fn moved(&self, place: &AtomicU64, seq: u64) {
        place.store(seq, Ordering::Relaxed);
        self.moved.notify_all();
    }

    /// A reader is gone.
    pub(super) fn leave(&self, place: &Arc<AtomicU64>) {
        self.places.lock().retain(|known| !Arc::ptr_eq(known, place));
        self.moved.notify_all();
    }

    /// Waits until the slowest reader is near the head; how far everybody has read.
    pub(super) fn wait_for_room(&self, head: u64) -> u64 {
        let mut places = self.places.lock();
        loop {
            let slowest = places.iter().map(|place| place.load(Ordering::Relaxed)).min().unwrap_or(head);
            if head.saturating_sub(slowest) < ROOM {
                return slowest;
            }
            // A reader moves without the lock, so its notice can be missed: look again soon.
            self.moved.wait_for(&mut places, Duration::from_millis(20));
        }
    }
}
