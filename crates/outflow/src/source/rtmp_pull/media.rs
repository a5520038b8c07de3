//! The media of a pull on its way into the feed: the source begins with its first picture or sound, not before.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use outflow_rtmp::message::{Message, kind};

use super::held::{Held, Joint, Memory, shifted};
use crate::ingest::Ingest;
use crate::monitor::Event;
use crate::source::SourceJob;

/// Data messages kept that come before the first picture or sound; the oldest go first.
const MOST_EARLY: usize = 16;

pub(super) struct Media<'a> {
    job: &'a SourceJob,
    peer: String,
    /// A source that has begun.
    begun: Option<Begun>,
    /// Metadata of a source that has not: a server may send some long before a publisher comes.
    early: Vec<Message>,
    /// What was passed on last, should another connection have to go on from there.
    memory: Memory,
    /// What leads from the times of this connection to those of the first.
    shift: u32,
    /// Another connection has taken over, and may bring again what was there: of audio, video and data.
    again: [bool; 3],
}

struct Begun {
    ingest: Ingest,
    first: Instant,
    last: Instant,
}

impl<'a> Media<'a> {
    pub(super) fn new(job: &'a SourceJob, peer: String, early: Vec<Message>) -> Self {
        Self { job, peer, begun: None, early, memory: Memory::default(), shift: 0, again: [false; 3] }
    }

    /// What was passed on last.
    pub(super) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Another connection takes over, with what it has sent so far.
    pub(super) fn go_on(&mut self, peer: &str, held: Held, joint: &Joint, arrival: Instant) {
        peer.clone_into(&mut self.peer);
        if let Joint::Other = joint {
            self.memory = Memory::default();
            self.early.clear();
            if let Some(mut begun) = self.begun.take() {
                begun.ingest.end(false);
            }
        }
        (self.shift, self.again) = (0, [matches!(joint, Joint::Same(_)); 3]);
        held.release(joint).into_iter().for_each(|message| self.take(message, arrival));
        if let Joint::Same(shift) = joint {
            self.shift = *shift;
        }
    }

    /// Takes a message that the server sent.
    pub(super) fn take(&mut self, message: Message, arrival: Instant) {
        // What Adobe's servers tell players about access to pixels is between them and the player.
        if message.kind == kind::DATA && message.payload.starts_with(b"\x02\x00\x11|RtmpSampleAccess") {
            return;
        }
        let message = shifted(message, self.shift);
        let sort = usize::from(message.kind == kind::VIDEO) + 2 * usize::from(message.kind == kind::DATA);
        if let Some(again) = self.again.get_mut(sort).filter(|again| **again) {
            if self.memory.has(&message) {
                return;
            }
            // From here on a time that goes back is the stream's own.
            *again = !self.memory.is_later(&message);
        }
        self.memory.note(&message, arrival);
        if let Some(begun) = &mut self.begun {
            begun.last = arrival;
            return begun.ingest.take(message, arrival);
        }
        if message.kind == kind::DATA {
            if self.early.len() >= MOST_EARLY {
                self.early.remove(0);
            }
            return self.early.push(message);
        }
        let job = self.job;
        job.stats.starts.fetch_add(1, Ordering::Relaxed);
        (job.events)(Event::InputStarted { input: job.name.clone(), what: format!("the stream of {}", self.peer) });
        let mut ingest = Ingest::new(job.feed.clone());
        for mut early in self.early.drain(..) {
            // It belongs to what begins now, whatever time it was given.
            early.timestamp = message.timestamp;
            ingest.take(early, arrival);
        }
        ingest.take(message, arrival);
        self.begun = Some(Begun { ingest, first: arrival, last: arrival });
    }

    /// How long the server has sent no media; `None` before the first.
    pub(super) fn silent(&self) -> Option<Duration> {
        self.begun.as_ref().map(|begun| begun.last.elapsed())
    }

    /// How long media came.
    pub(super) fn lasted(&self) -> Duration {
        self.begun.as_ref().map_or(Duration::ZERO, |begun| begun.last.duration_since(begun.first))
    }

    /// No more comes; `clean` = the broadcast is over.
    pub(super) fn end(self, clean: bool) {
        if let Some(mut begun) = self.begun {
            begun.ingest.end(clean);
        }
    }
}
