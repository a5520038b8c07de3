//! How many publishers there are: the end of the program waits until each has been told of it.

use std::sync::Arc;

use tokio::sync::watch;

/// Counts publishers. Clones count together.
#[derive(Clone)]
pub(super) struct Publishers(Arc<watch::Sender<usize>>);

/// One publisher, until dropped.
pub(super) struct Entered(Publishers);

impl Default for Publishers {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl Publishers {
    /// One more.
    pub(super) fn enter(&self) -> Entered {
        self.0.send_modify(|count| *count += 1);
        Entered(self.clone())
    }

    /// Returns when there is none.
    pub(super) async fn gone(&self) {
        let _ = self.0.subscribe().wait_for(|count| *count == 0).await;
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}
