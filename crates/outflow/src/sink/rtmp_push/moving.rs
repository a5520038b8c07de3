//! From one server to another without a gap: the new connection is made while the old one is in use, and takes its place at
//! a key frame (Enhanced RTMP v2 "Reconnect Request").

use std::sync::Arc;
use std::time::Duration;

use outflow_rtmp::session::Capabilities;

use super::link::Said;
use crate::client::settings::Destination;
use crate::client::{Opened, Watcher};
use crate::error::Ended;
use crate::monitor::{self, Event, State};
use crate::net::BoxFuture;
use crate::net::pump::Attached;

/// How long the old server is given to see the end.
const LEAVING: Duration = Duration::from_secs(5);
/// From one move to the next: a server that asks at each connection must not send us round and round.
pub(super) const APART: Duration = Duration::from_secs(10);

/// A connection in the pump, and what it has to tell.
pub(super) struct Line {
    pub(super) attached: Attached,
    pub(super) said: Arc<Said>,
    /// What the server has announced.
    pub(super) peer: Box<Capabilities>,
    /// What it was told not to fit.
    pub(super) doubts: Vec<String>,
}

/// A connection being made.
pub(super) type Opening = BoxFuture<'static, Result<Opened, Ended>>;

/// How far a move has come.
#[derive(Default)]
pub(super) struct Moving {
    pub(super) opening: Option<Opening>,
    /// Connected, and waiting for its key frame.
    pub(super) next: Option<(Line, Destination)>,
    leaving: Option<BoxFuture<'static, ()>>,
}

/// What happened.
pub(super) enum Step {
    /// The new server has accepted.
    Opened(Box<Opened>),
    /// The new connection has begun to send: the old one can go.
    Begun(Line, Destination),
    /// The new connection came to nothing; the old one is still there.
    Failed(Ended),
    /// The old server has been told good-bye, and another move may begin.
    Left,
}

impl Moving {
    /// True if nothing is under way: one move at a time.
    pub(super) fn is_over(&self) -> bool {
        self.opening.is_none() && self.next.is_none() && self.leaving.is_none()
    }

    /// The old connection, which has been told to finish. No other move begins before `apart` is over.
    pub(super) fn leave<T: Send>(&mut self, old: impl Future<Output = T> + Send + 'static, apart: Duration) {
        self.leaving = Some(Box::pin(async move {
            let _ = tokio::join!(tokio::time::timeout(LEAVING, old), tokio::time::sleep(apart));
        }));
    }

    /// The next thing to happen; never, if nothing is under way. May be dropped and called again without loss.
    pub(super) async fn step(&mut self) -> Step {
        if let Some(opening) = &mut self.opening {
            let opened = opening.await;
            self.opening = None;
            return match opened {
                Ok(opened) => Step::Opened(Box::new(opened)),
                Err(ended) => Step::Failed(ended),
            };
        }
        if let Some((line, _)) = &mut self.next {
            let failed = tokio::select! {
                ended = &mut line.attached => Some(ended),
                () = line.said.begun() => None,
            };
            return match (failed, self.next.take()) {
                (None, Some((line, destination))) => Step::Begun(line, destination),
                (Some(ended), _) => Step::Failed(ended),
                (None, None) => Step::Left,
            };
        }
        if let Some(leaving) = &mut self.leaving {
            leaving.await;
            self.leaving = None;
            return Step::Left;
        }
        std::future::pending().await
    }
}

/// Passes on what there is to know of the new connection; the output's state is that of the one in use.
pub(super) struct Quiet {
    pub(super) events: monitor::Sink,
    pub(super) name: String,
}

impl Watcher for Quiet {
    fn enter(&self, _state: State) {}

    fn note(&self, text: String) {
        (self.events)(Event::Note { who: self.name.clone(), text });
    }
}
