//! What comes over one path of a test: counted by the far side, and dropped.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::media;
use super::tally::Path;
use crate::media::{Intake, Kind, Packet, StreamInfo};
use crate::registry::PublishSlot;

/// The end of one path.
pub(super) struct Counted {
    begin: Instant,
    count: Mutex<Count>,
    /// Whose publisher is let go if it sends anything else.
    slot: OnceLock<Weak<PublishSlot>>,
}

#[derive(Default)]
struct Count {
    path: Path,
    /// The number of the next frame, if none is missing.
    next: Option<u64>,
    /// The least time from when a frame was due to when it came, by two clocks.
    fastest: Option<i64>,
}

impl Counted {
    /// A path, and the place of its publisher.
    pub(super) fn slot(begin: Instant) -> (Arc<PublishSlot>, Arc<Counted>) {
        let counted = Arc::new(Counted { begin, count: Mutex::default(), slot: OnceLock::new() });
        let slot = Arc::new(PublishSlot {
            feed: counted.clone(),
            key: None,
            input: "path".into(),
            events: Arc::new(|_| {}),
            current: Mutex::default(),
            joined: Notify::new(),
            stats: Arc::default(),
            nodelay: true,
            takeover: true.into(),
            over: false.into(),
        });
        let _ = counted.slot.set(Arc::downgrade(&slot));
        (slot, counted)
    }

    /// What has come.
    pub(super) fn path(&self) -> Path {
        self.count.lock().path
    }

    /// Closes the connection of its publisher, if it has one.
    pub(super) fn let_go(slot: &PublishSlot) {
        let feed = slot.current.lock().as_ref().map(|current| {
            current.stopper.stop();
            current.feed.clone()
        });
        // Not within: something may be on its way in, and look who is there.
        feed.into_iter().for_each(|feed| feed.close());
    }
}

impl Intake for Counted {
    fn start(&self, _info: StreamInfo) {
        self.count.lock().path.connections += 1;
    }

    fn push(&self, packet: Packet) {
        let frame = (packet.kind == Kind::Video).then(|| media::read(&packet.body)).flatten();
        let Some(frame) = frame else {
            // No test: a camera, a film, anything. It is not for us.
            if let Some(slot) = self.slot.get().and_then(Weak::upgrade)
                && let Some(current) = slot.current.lock().as_ref()
            {
                current.stopper.stop();
            }
            return;
        };
        let mut count = self.count.lock();
        let missing = count.next.map_or(0, |next| frame.number.saturating_sub(next));
        count.next = Some(frame.number.saturating_add(1));
        count.path.missing = count.path.missing.saturating_add(missing);
        count.path.frames += 1;
        count.path.bytes += packet.body.len() as u64;
        let came = packet.arrival.saturating_duration_since(self.begin).as_millis();
        let due = i64::try_from(frame.due).unwrap_or(i64::MAX);
        let late = i64::try_from(came).unwrap_or(i64::MAX).saturating_sub(due);
        let fastest = count.fastest.map_or(late, |fastest| fastest.min(late));
        count.fastest = Some(fastest);
        let behind = u64::try_from(late.saturating_sub(fastest)).unwrap_or(0);
        count.path.worst_ms = count.path.worst_ms.max(behind);
    }

    fn end(&self, _clean: bool) {}
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::super::media::{Maker, Shape};
    use super::*;
    use crate::media::classify;

    fn packet(number: u64, arrival: Instant) -> Packet {
        let maker = Maker::new(Shape::new(1_000_000, Some(25.0), Some(2.0)));
        classify::packet(Kind::Video, 0, maker.frame(number), arrival)
    }

    #[test]
    fn what_is_missing_and_late_is_counted() {
        let begin = Instant::now();
        let (_slot, counted) = Counted::slot(begin);
        let at = |millis| begin + Duration::from_millis(millis);
        counted.start(StreamInfo::default());
        // Joined at frame 50, due at 2 s: what came before is not missing.
        for (number, came) in [(50, 2100), (51, 2140), (52, 3180)] {
            counted.push(packet(number, at(came)));
        }
        assert_eq!(counted.path().missing, 0);
        assert_eq!((counted.path().frames, counted.path().worst_ms), (3, 1000));
        // A skip; then a new connection which goes on.
        counted.push(packet(100, at(4100)));
        assert_eq!(counted.path().missing, 47);
        counted.start(StreamInfo::default());
        counted.push(packet(150, at(6100)));
        assert_eq!((counted.path().missing, counted.path().connections), (96, 2));
        // Faster than any before: the slowest was even later.
        counted.push(packet(151, at(6090)));
        counted.push(packet(152, at(7200)));
        assert_eq!(counted.path().worst_ms, 1070);
    }

    #[test]
    fn what_is_no_test_is_not_counted() {
        let (_slot, counted) = Counted::slot(Instant::now());
        for (kind, body) in [
            (Kind::Video, &b"\x17\x00\x00\x00\x00\x01\x42\xc0\x1e"[..]),
            (Kind::Video, b"\x17\x01\x00\x00\x00\x00\x00\x00\x01\x65"),
            (Kind::Audio, b"\xaf\x01aaaa"),
            (Kind::Data, b"\x02\x00\x0aonMetaData"),
        ] {
            counted.push(classify::packet(kind, 0, Bytes::from_static(body), Instant::now()));
        }
        assert_eq!(counted.path(), Path::default());
    }
}
