//! Who has to be looked at: wakers that remember which connection or stream called, so that a pump with thousands of
//! connections visits only those with something to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

use parking_lot::Mutex;

/// What called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    /// A connection that can be read or written again.
    Connection(usize),
    /// A stream with news.
    Stream(u64),
}

/// The list of callers of one pump.
#[derive(Default)]
pub(super) struct Ready {
    queue: Mutex<Vec<Token>>,
    task: Mutex<Option<Waker>>,
}

impl Ready {
    /// Wakes the pump without naming anybody.
    pub(super) fn wake(&self) {
        if let Some(task) = self.task.lock().as_ref() {
            task.wake_by_ref();
        }
    }

    /// Notes whom to wake.
    pub(super) fn listen(&self, task: &Waker) {
        let mut slot = self.task.lock();
        if !slot.as_ref().is_some_and(|known| known.will_wake(task)) {
            *slot = Some(task.clone());
        }
    }

    /// Everybody who called since the last time.
    pub(super) fn take(&self, into: &mut Vec<Token>) {
        into.append(&mut self.queue.lock());
    }
}

/// One caller's bell.
pub(super) struct Bell {
    token: Token,
    rung: AtomicBool,
    ready: Arc<Ready>,
}

impl Bell {
    pub(super) fn new(token: Token, ready: &Arc<Ready>) -> Arc<Self> {
        Arc::new(Self { token, rung: AtomicBool::new(false), ready: ready.clone() })
    }

    /// To be called before looking at the caller, so that a ring during the look is not lost.
    pub(super) fn answer(&self) {
        self.rung.store(false, Ordering::Release);
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            self.ready.queue.lock().push(self.token);
            self.ready.wake();
        }
    }
}
