//! The session of a push once the pump has it: what the server says while media flows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use outflow_rtmp::session::{ClientEvent, ClientSession, Stage};

use crate::client::verdict::{self, Words};
use crate::error::{Ended, Origin, Reason, Retry};
use crate::net::pump::{Heard, Link};

/// The session once the pump has it.
pub(super) struct PushLink {
    pub(super) session: ClientSession,
    pub(super) words: Arc<Words>,
    /// Set when the server says that or why it ends.
    pub(super) spoken: Arc<AtomicBool>,
}

impl Link for PushLink {
    fn receive(&mut self, bytes: &[u8]) -> Result<(), Ended> {
        self.session.receive(bytes).map_err(|error| {
            self.spoken.store(true, Ordering::Relaxed);
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
                ClientEvent::ReconnectRequest { description, .. } => {
                    let said = self.words.clean(&description);
                    let text = format!("the server asked us to connect anew ({said})");
                    Ended::new(Origin::Peer, Retry::Now, Reason::Disconnected, text)
                }
                _ => continue,
            };
            self.spoken.store(true, Ordering::Relaxed);
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
    }

    fn unacknowledged(&self) -> Option<u64> {
        Some(self.session.sent().saturating_sub(self.session.acknowledged()?))
    }

    fn finish(&mut self) {
        self.session.finish();
    }
}
