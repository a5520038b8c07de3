//! Messages that were read from a stream, made into the bytes of one connection: shared where it has had what they build on,
//! its own where it has not.

use std::sync::Arc;

use super::{Conn, Piece};
use crate::error::{Ended, Origin, Reason, Retry};
use crate::hub::Read;
use crate::monitor::Event;
use crate::wire::Shared;

impl Conn {
    /// Puts what was read into the batch.
    pub(super) fn take(&mut self, read: &Read<Shared>, messages: &[Shared]) -> Result<(), Ended> {
        let why = read.restart.as_ref().and_then(|_| self.aside.excuse());
        if let Some(skip) = read.skip {
            let millis = u64::try_from(skip.span.as_millis()).unwrap_or(u64::MAX);
            self.order.stats.skipped(skip.items, skip.frames, skip.groups);
            self.gauge.skipped();
            let (output, peer) = (self.order.output.clone(), self.order.peer);
            (self.order.events)(Event::Skipped { output, peer, packets: skip.items, millis, why });
        }
        if let (Some(headers), Some(first)) = (&read.restart, messages.first()) {
            self.floor = first.packet.dts;
            let begin = self.time.enter(self.floor);
            self.time.await_key_frames();
            self.opened = 0;
            if !self.headers.as_ref().is_some_and(|known| Arc::ptr_eq(known, headers)) {
                for header in headers.iter() {
                    self.push_full(header, begin)?;
                }
                self.headers = Some(headers.clone());
            }
        }
        for message in messages {
            let packet = &message.packet;
            let bit = 1u32 << (message.csid() & 31);
            let time = Some(packet).filter(|packet| packet.dts >= self.floor).and_then(|packet| self.time.time(packet));
            let Some(time) = time else {
                // The step of the next message on its chunk stream is one from this, which the peer does not get.
                self.opened &= !bit;
                continue;
            };
            self.last_arrival = Some(packet.arrival);
            let shared = (self.opened & bit != 0).then(|| message.shared(self.order.chunk_size, self.order.form));
            match shared.flatten() {
                Some(bytes) => {
                    self.untold += bytes.len() as u64;
                    self.batch.push_back(Piece { bytes, ends: Some((packet.kind, packet.arrival)) });
                }
                None => {
                    self.push_full(message, time)?;
                    self.opened |= bit;
                }
            }
        }
        self.tell();
        Ok(())
    }

    /// A message of this connection's own, with absolute time.
    fn push_full(&mut self, message: &Shared, time: i64) -> Result<(), Ended> {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // RTMP time is modulo 2^32
        let time = time as u32;
        let order = &self.order;
        let own = message.own(order.chunk_size, order.form, order.stream_id, time);
        let (first, rest) = own.ok_or_else(|| {
            Ended::new(Origin::Protocol, Retry::Backoff, Reason::Media, "a frame is larger than RTMP can carry (16 MB)")
        })?;
        let last = match rest {
            None => first,
            Some(rest) => {
                self.untold += first.len() as u64;
                self.batch.push_back(Piece { bytes: first, ends: None });
                rest
            }
        };
        self.untold += last.len() as u64;
        self.batch.push_back(Piece { bytes: last, ends: Some((message.packet.kind, message.packet.arrival)) });
        Ok(())
    }
}
