//! The session of a push once the pump has it: what the server says while media flows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use outflow_rtmp::session::{ClientEvent, ClientSession, Stage};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::client::verdict::{self, Words};
use crate::error::Ended;
use crate::net::pump::{Heard, Link};

/// The session once the pump has it.
pub(super) struct PushLink {
    pub(super) session: ClientSession,
    pub(super) words: Arc<Words>,
    pub(super) said: Arc<Said>,
}

/// What a connection has to tell while the pump has it.
#[derive(Default)]
pub(super) struct Said {
    /// Set when the server says that or why it ends.
    pub(super) spoken: AtomicBool,
    /// Where the server wants us to go, once it has asked.
    move_to: Mutex<Option<MoveTo>>,
    asked: Notify,
    /// Media has gone out.
    begun: AtomicBool,
    begins: Notify,
}

/// A reconnect request (Enhanced RTMP v2 "Reconnect Request").
pub(super) struct MoveTo {
    pub(super) tc_url: Option<outflow_rtmp::Secret>,
    /// The server's words, fit to be shown.
    pub(super) why: String,
}

impl Said {
    /// Waits until the server asks us to go elsewhere. May be dropped and called again without loss.
    pub(super) async fn move_asked(&self) -> MoveTo {
        loop {
            if let Some(asked) = self.move_to.lock().take() {
                return asked;
            }
            self.asked.notified().await;
        }
    }

    /// Waits until media goes out. May be dropped and called again without loss.
    pub(super) async fn begun(&self) {
        while !self.begun.load(Ordering::Relaxed) {
            self.begins.notified().await;
        }
    }
}

impl Link for PushLink {
    fn receive(&mut self, bytes: &[u8]) -> Result<(), Ended> {
        self.session.receive(bytes).map_err(|error| {
            self.said.spoken.store(true, Ordering::Relaxed);
            verdict::protocol(&error)
        })
    }

    fn heard(&mut self) -> Option<Heard> {
        loop {
            let ended = match self.session.next_event()? {
                ClientEvent::Refused(refusal) => {
                    verdict::refused(refusal.stage, &refusal.code, &refusal.description, &self.words)
                }
                ClientEvent::Ended { code, description } => {
                    verdict::refused(Stage::Over, &code, &description, &self.words)
                }
                ClientEvent::ReconnectRequest { tc_url, description } => {
                    // It goes on taking media until we are there.
                    *self.said.move_to.lock() = Some(MoveTo { tc_url, why: self.words.clean(&description) });
                    self.said.asked.notify_one();
                    continue;
                }
                _ => continue,
            };
            self.said.spoken.store(true, Ordering::Relaxed);
            return Some(Heard::Over(ended));
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
        if bytes > 0 && !self.said.begun.swap(true, Ordering::Relaxed) {
            self.said.begins.notify_one();
        }
    }

    fn unacknowledged(&self) -> Option<u64> {
        Some(self.session.sent().saturating_sub(self.session.acknowledged()?))
    }

    fn finish(&mut self) {
        self.session.finish();
    }
}
