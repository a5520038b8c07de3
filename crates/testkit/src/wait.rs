//! Shared state that tests wait on: every change wakes the waiters, and a deadline says what was awaited.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// How long a wait may last before the test fails. Generous: it only ends tests that have failed already.
pub const DEADLINE: Duration = Duration::from_secs(40);

/// Waits until `condition` holds, for what only the file system or the kernel knows. Looks 20 times a second.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !condition() {
        assert!(start.elapsed() < DEADLINE, "waited {DEADLINE:?} until {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A value with waiters.
#[derive(Debug)]
pub struct Watched<T> {
    inner: Arc<Inner<T>>,
}

#[derive(Debug)]
struct Inner<T> {
    value: Mutex<T>,
    changed: Notify,
}

impl<T> Clone for Watched<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<T> Watched<T> {
    /// Starts with `value`.
    pub fn new(value: T) -> Self {
        Self { inner: Arc::new(Inner { value: Mutex::new(value), changed: Notify::new() }) }
    }

    /// Changes the value and wakes the waiters.
    pub fn update<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        // Also after a panic that happened under the lock: this is called while such a panic unwinds.
        let result = change(&mut self.inner.value.lock().unwrap_or_else(PoisonError::into_inner));
        self.inner.changed.notify_waiters();
        result
    }

    /// Looks at the value.
    pub fn look<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.inner.value.lock().expect("a test panicked while it held the state"))
    }

    /// Waits until `pick` gives something. Panics after [`DEADLINE`] with `what` and the value as it is then.
    pub async fn wait_for<R>(&self, what: &str, pick: impl FnMut(&T) -> Option<R>) -> R
    where
        T: std::fmt::Debug,
    {
        self.wait_within(DEADLINE, what, pick).await
    }

    /// [`Watched::wait_for`] with a deadline of its own.
    pub async fn wait_within<R>(&self, deadline: Duration, what: &str, mut pick: impl FnMut(&T) -> Option<R>) -> R
    where
        T: std::fmt::Debug,
    {
        let waiting = async {
            loop {
                let changed = self.inner.changed.notified();
                tokio::pin!(changed);
                // Registered before the look, so that a change in between is not missed.
                changed.as_mut().enable();
                if let Some(found) = self.look(&mut pick) {
                    return found;
                }
                changed.await;
            }
        };
        match tokio::time::timeout(deadline, waiting).await {
            Ok(found) => found,
            Err(_) => panic!("waited {deadline:?} for {what}; the state is {:#?}", self.inner.value.lock().unwrap()),
        }
    }
}
