//! One stream as outputs see it: whether its input delivers, and where its packets are read.

use std::time::Instant;

use tokio::sync::watch;

/// What outputs have to know of their input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InputState {
    /// Media flows, and a key frame has been seen since it began to: an output may start.
    pub ready: bool,
    /// Since when nothing has come, where the source left without a clean end.
    pub gone_since: Option<Instant>,
    /// The broadcast is over: the source said so. Another may begin.
    pub ended: bool,
    /// Nothing will ever come again.
    pub finished: bool,
}

/// A stream.
pub struct Stream {
    state: watch::Receiver<InputState>,
}

impl Stream {
    /// A stream whose input is in this state.
    pub fn new(state: watch::Receiver<InputState>) -> Self {
        Self { state }
    }

    /// What its input does.
    pub fn state(&self) -> watch::Receiver<InputState> {
        self.state.clone()
    }
}
