//! The protocol of a connection in the pump: what comes back is read and answered, whatever the peer's role.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use outflow_rtmp::session::{ServerEvent, ServerSession};

use crate::error::{Ended, Origin, Reason, Retry};

/// What the peer said.
#[derive(Debug)]
pub enum Heard {
    /// Stop sending for now, or go on.
    Pause(bool),
    /// It is over.
    Over(Ended),
    /// It has ended what it took, and may have something to read yet.
    Left(Ended),
}

/// The protocol side of a connection that the pump serves.
pub trait Link: Send {
    /// Takes bytes that came in; an error ends the connection.
    fn receive(&mut self, bytes: &[u8]) -> Result<(), Ended>;
    /// What was said, one thing at a time, until `None`.
    fn heard(&mut self) -> Option<Heard>;
    /// Whole messages to send: answers, acknowledgements.
    fn take_output(&mut self) -> Bytes;
    /// True if [`Link::take_output`] would give something.
    fn has_output(&self) -> bool;
    /// Counts media bytes that were sent beside the session's own.
    fn note_sent(&mut self, bytes: u64);
    /// Bytes that were sent and that the peer has not said it received; `None` where it says nothing of that.
    fn unacknowledged(&self) -> Option<u64> {
        None
    }
    /// Puts the good-bye into the output: the stream is over for this peer.
    fn finish(&mut self);
}

fn broken(error: outflow_rtmp::Error) -> Ended {
    Ended::new(Origin::Protocol, Retry::Backoff, Reason::Protocol, format!("the peer broke the protocol: {error}"))
}

/// A player of ours.
pub struct ServerLink {
    /// Its session, with an accepted play.
    pub session: ServerSession,
    /// The message stream that it plays on.
    pub stream_id: u32,
    /// Set when it is the server that ends, and not the stream.
    pub over: Arc<AtomicBool>,
}

impl Link for ServerLink {
    fn receive(&mut self, bytes: &[u8]) -> Result<(), Ended> {
        self.session.receive(bytes).map_err(broken)
    }

    fn heard(&mut self) -> Option<Heard> {
        loop {
            return match self.session.next_event()? {
                ServerEvent::Pause { stream_id, paused } if stream_id == self.stream_id => Some(Heard::Pause(paused)),
                ServerEvent::PlayEnd { stream_id } if stream_id == self.stream_id => {
                    Some(Heard::Left(Ended::new(Origin::Peer, Retry::Never, Reason::Disconnected, "the player left")))
                }
                // A connection that plays has its one job.
                ServerEvent::Publish(request) => {
                    let _ = self.session.refuse_publish(
                        request.stream_id,
                        "NetStream.Publish.Denied",
                        "this connection plays",
                    );
                    continue;
                }
                ServerEvent::Play(request) => {
                    let _ = self.session.refuse_play(
                        request.stream_id,
                        "NetStream.Play.Failed",
                        "one stream per connection",
                    );
                    continue;
                }
                _ => continue,
            };
        }
    }

    fn take_output(&mut self) -> Bytes {
        self.session.take_output()
    }

    fn has_output(&self) -> bool {
        self.session.has_output()
    }

    fn note_sent(&mut self, bytes: u64) {
        self.session.note_sent(bytes);
    }

    fn unacknowledged(&self) -> Option<u64> {
        Some(self.session.sent().saturating_sub(self.session.acknowledged()?))
    }

    fn finish(&mut self) {
        // One that understands a reconnect request comes back by itself, or finds another server: for it the broadcast is
        // not over.
        let asked = self.over.load(Ordering::Relaxed) && self.session.reconnect_request(None, "The server is ending");
        if !asked {
            self.session.unpublish_notify(self.stream_id);
        }
    }
}
