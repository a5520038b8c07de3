//! The one way to tell something that runs to stop: asked once, seen by every task and thread that holds it.

use tokio::sync::watch;

/// Asks everything that holds a [`Stop`] of it to end. Dropping it asks too.
#[derive(Debug)]
pub struct Stopper(watch::Sender<bool>);

/// Tells whether an end was asked for.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

/// A stopper and the stop that it controls.
pub fn stopper() -> (Stopper, Stop) {
    let (sender, receiver) = watch::channel(false);
    (Stopper(sender), Stop(receiver))
}

impl Stopper {
    /// Asks for the end; repeated calls do nothing.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }

    /// Another handle that sees this stopper.
    pub fn handle(&self) -> Stop {
        Stop(self.0.subscribe())
    }
}

impl Stop {
    /// True once the end was asked for (or the stopper is gone).
    pub fn is_stopped(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Returns when the end is asked for.
    pub async fn stopped(&self) {
        let mut receiver = self.0.clone();
        let _ = receiver.wait_for(|stopped| *stopped).await;
    }
}
