//! How one connection of the pump does: which of its bytes the other host has, since when the rest is on its way, and
//! what the kernel says of it. Looked at by the clock, never for a packet.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::media::Kind;
use crate::monitor::{OutputStats, PeerStats, Teller};
use crate::net::connection::Connection;
use crate::net::tcp_info::{self, TcpInfo};

/// Marks at most; beyond that every second one goes.
const MARKS: usize = 256;
/// A frame, or a packet of sound where there is no video, is marked so often: each mark costs a call, and a wake-up for it.
const EVERY: Duration = Duration::from_millis(100);
/// A window without room counts as closed when nothing was acknowledged for so long.
const CLOSED_AFTER: Duration = Duration::from_millis(500);

/// The end of a frame: when the other host has the bytes up to here, it has the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    /// In bytes of the kernel's count.
    end: u64,
    /// When the frame was to leave: its arrival here, and the output's `delay`.
    begin: Instant,
}

pub(super) struct Gauge {
    stats: Arc<OutputStats>,
    delay: Duration,
    /// What arrived before is not measured: it waited for this connection, or for the peer to go on.
    since: Instant,
    /// Its delay is measured: not every one of a thousand players' is.
    pub(super) probed: bool,
    /// The kernel's count at our first byte.
    base: u64,
    /// Bytes written since.
    written: u64,
    marks: VecDeque<Mark>,
    /// Frames that TLS has taken, of which it is not known yet where they end.
    in_tls: Vec<Instant>,
    newest: Option<Instant>,
    acked: u64,
    /// When more was acknowledged, or the window was open.
    open_at: Instant,
    /// Bytes that had left the kernel at the last look.
    sent: u64,
    /// Since when the kernel has had bytes and let none go.
    held_since: Option<Instant>,
    probed_at: Instant,
    looked_at: Instant,
    shown: Shown,
    teller: Teller,
    peer: Arc<PeerStats>,
}

/// What this connection adds to its output's figures.
#[derive(Debug, Clone, Copy, Default)]
struct Shown {
    unsent: u64,
    unacked: u64,
    retransmits: u64,
    closed: u64,
}

impl Gauge {
    pub(super) fn new(stats: Arc<OutputStats>, delay: Duration, now: Instant) -> Self {
        Self {
            stats,
            delay,
            since: now,
            probed: false,
            base: 0,
            written: 0,
            marks: VecDeque::new(),
            in_tls: Vec::new(),
            newest: None,
            acked: 0,
            open_at: now,
            sent: 0,
            held_since: None,
            probed_at: now,
            looked_at: now,
            shown: Shown::default(),
            teller: Teller::new(),
            peer: Arc::default(),
        }
    }

    /// The figures of this connection alone.
    pub(super) fn peer(&self) -> &Arc<PeerStats> {
        &self.peer
    }

    pub(super) fn skipped(&self) {
        OutputStats::add(&self.peer.skips, 1);
    }

    /// Before the first byte is written.
    pub(super) fn begin(&mut self, now: Instant, connection: &Connection) {
        self.since = now;
        if let Some(info) = tcp_info::of(connection.tcp()) {
            (self.base, self.acked) = (info.written, info.acked);
            self.shown.retransmits = info.retransmits;
        }
    }

    /// The peer had asked for a pause: what arrived until now is not measured.
    pub(super) fn restart(&mut self, now: Instant) {
        self.since = now;
    }

    /// Bytes that the other host has, as of the last look; those written, where the system does not tell. What the kernel
    /// takes comes in lumps of a hundred kilobytes, and says little of a slow line.
    pub(super) fn arrived(&self) -> u64 {
        if self.acked > 0 { self.acked } else { self.written }
    }

    pub(super) fn wrote(&mut self, bytes: usize) {
        self.written += bytes as u64;
    }

    /// The bytes of several packets, where none is measured.
    pub(super) fn rode(&mut self, bytes: u64) {
        self.written += bytes;
    }

    /// All bytes of this packet were written.
    pub(super) fn mark(&mut self, kind: Kind, arrival: Instant, tls: bool) {
        if !self.probed || kind == Kind::Data || !super::measures() {
            return;
        }
        let begin = arrival + self.delay;
        let soon = self.newest.is_some_and(|newest| begin < newest + EVERY);
        if begin < self.since || soon {
            return;
        }
        self.newest = Some(begin);
        if tls {
            if self.in_tls.len() < MARKS {
                self.in_tls.push(begin);
            }
        } else {
            self.push(Mark { end: self.base + self.written, begin });
        }
    }

    fn push(&mut self, mark: Mark) {
        if self.marks.len() == MARKS {
            let mut odd = false;
            self.marks.retain(|_| {
                odd = !odd;
                odd
            });
        }
        self.marks.push_back(mark);
    }

    /// The turn of this connection is over: where TLS has nothing left, the ends of its frames are known.
    pub(super) fn settle(&mut self, connection: &Connection) {
        if self.in_tls.is_empty() || connection.holds_back() {
            return;
        }
        if let Some(info) = tcp_info::of(connection.tcp()) {
            for begin in std::mem::take(&mut self.in_tls) {
                self.push(Mark { end: info.written, begin });
            }
        }
    }

    /// True while the acknowledgement of a frame is waited for.
    pub(super) fn is_waiting(&self) -> bool {
        !self.marks.is_empty()
    }

    /// Looks which frames the other host has by now.
    pub(super) fn probe(&mut self, now: Instant, connection: &Connection) {
        if let Some(info) = tcp_info::of(connection.tcp()) {
            self.take(now, &info);
        }
    }

    fn take(&mut self, now: Instant, info: &TcpInfo) {
        // The last acknowledgement tells when, to the kernel's clock tick; it came since the last look.
        let at = now.checked_sub(info.last_ack).map_or(self.probed_at, |at| at.max(self.probed_at));
        self.probed_at = now;
        let mut delays = None;
        while let Some(mark) = self.marks.front().copied().filter(|mark| mark.end <= info.acked) {
            self.marks.pop_front();
            let delays = delays.get_or_insert_with(|| self.stats.delays.lock());
            delays.record(now, at.saturating_duration_since(mark.begin));
        }
    }

    /// Brings the output's figures up to date.
    pub(super) fn look(&mut self, now: Instant, lag_millis: u64, unacknowledged: Option<u64>, connection: &Connection) {
        let unacknowledged = unacknowledged.map_or(0, |bytes| bytes.saturating_add(1));
        self.peer.unacknowledged.store(unacknowledged, Ordering::Relaxed);
        self.stats.unacknowledged.store(unacknowledged, Ordering::Relaxed);
        self.peer.bytes.store(self.written, Ordering::Relaxed);
        self.peer.lag_millis.store(lag_millis, Ordering::Relaxed);
        let Some(info) = tcp_info::of(connection.tcp()) else { return };
        if self.probed {
            self.take(now, &info);
            let waiting = self.marks.front().map_or(Duration::ZERO, |mark| now.saturating_duration_since(mark.begin));
            self.stats.waiting_millis.tell(self.teller, u64::try_from(waiting.as_millis()).unwrap_or(u64::MAX));
        }
        if info.acked > self.acked || !info.closed {
            (self.acked, self.open_at) = (info.acked, now);
        }
        self.follow(now, &info);
        let closed = now.saturating_duration_since(self.open_at) >= CLOSED_AFTER;
        let rtt = u64::try_from(info.rtt.as_micros()).unwrap_or(u64::MAX);
        self.stats.rtt_micros.store(rtt, Ordering::Relaxed);
        self.peer.rtt_micros.store(rtt, Ordering::Relaxed);
        self.peer.unsent.store(info.unsent, Ordering::Relaxed);
        self.peer.unacked.store(info.unacked, Ordering::Relaxed);
        self.peer.window_closed.store(u64::from(closed), Ordering::Relaxed);
        self.show(Shown {
            unsent: info.unsent,
            unacked: info.unacked,
            retransmits: info.retransmits,
            closed: u64::from(closed),
        });
    }

    /// Whether bytes leave this machine. What the kernel takes has not left: with a closed window it takes some more.
    fn follow(&mut self, now: Instant, info: &TcpInfo) {
        let sent = info.written.saturating_sub(info.unsent);
        if sent > self.sent || info.unsent == 0 {
            // Where nothing is written, since the kernel has enough, this is the only sign of life.
            if sent > self.sent && (info.unsent > 0 || self.held_since.is_some()) {
                self.stats.left(now);
            }
            (self.sent, self.held_since) = (sent, None);
        } else {
            self.held_since.get_or_insert(self.looked_at);
        }
        self.looked_at = now;
    }

    /// Since when what is written stays in this machine; `None` while it leaves.
    pub(super) fn held_since(&self) -> Option<Instant> {
        self.held_since.filter(|_| super::measures())
    }

    /// Several connections add to the same figures, on several threads.
    fn show(&mut self, next: Shown) {
        let last = std::mem::replace(&mut self.shown, next);
        let change = |figure: &AtomicU64, last: u64, next: u64| {
            if next != last {
                figure.fetch_add(next.wrapping_sub(last), Ordering::Relaxed);
            }
        };
        change(&self.stats.unsent, last.unsent, next.unsent);
        change(&self.stats.unacked, last.unacked, next.unacked);
        change(&self.stats.retransmits, last.retransmits, next.retransmits);
        change(&self.stats.windows_closed, last.closed, next.closed);
    }
}

impl Drop for Gauge {
    fn drop(&mut self) {
        self.show(Shown { retransmits: self.shown.retransmits, ..Shown::default() });
        if self.probed {
            self.stats.waiting_millis.tell(self.teller, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn gauge() -> (Gauge, Arc<OutputStats>, Instant) {
        let (stats, now) = (Arc::<OutputStats>::default(), Instant::now());
        let mut gauge = Gauge::new(stats.clone(), Duration::ZERO, now);
        (gauge.probed, gauge.base) = (true, 1000);
        (gauge, stats, now)
    }

    fn acked(acked: u64, last_ack: u64) -> TcpInfo {
        TcpInfo { acked, last_ack: Duration::from_millis(last_ack), ..TcpInfo::default() }
    }

    #[test]
    fn a_frame_is_there_when_its_last_byte_is_acknowledged() {
        let (mut gauge, stats, now) = gauge();
        let at = |millis: u64| now + Duration::from_millis(millis);
        gauge.wrote(500);
        gauge.mark(Kind::Video, at(0), false);
        gauge.wrote(500);
        gauge.mark(Kind::Video, at(100), false);
        gauge.take(at(110), &acked(1499, 0));
        assert_eq!(stats.delays.lock().quantiles(at(110)), None);
        gauge.take(at(120), &acked(1500, 3));
        assert_eq!(stats.delays.lock().quantiles(at(120)).unwrap().p50, 117);
        assert!(gauge.is_waiting());
        // An acknowledgement from before the last look can't have been of this.
        gauge.take(at(130), &acked(2000, 500));
        assert_eq!(stats.delays.lock().total(), (2, Duration::from_millis(117 + 20)));
        assert!(!gauge.is_waiting());
    }

    #[test]
    fn what_stays_in_the_kernel_has_not_left() {
        let (mut gauge, stats, now) = gauge();
        let at = |millis: u64| now + Duration::from_millis(millis);
        let kernel = |written: u64, unsent: u64| TcpInfo { written, unsent, ..TcpInfo::default() };
        gauge.follow(at(250), &kernel(5000, 0));
        assert_eq!((gauge.held_since, stats.last_byte_age(at(250))), (None, None), "the write itself tells of it");
        // The kernel takes more, and nothing goes.
        gauge.follow(at(500), &kernel(9000, 4000));
        gauge.follow(at(750), &kernel(12_000, 7000));
        assert_eq!(gauge.held_since, Some(at(250)));
        // Nothing is written any more, but it goes again, though slowly.
        gauge.follow(at(1000), &kernel(12_000, 6000));
        assert_eq!(gauge.held_since, None);
        assert_eq!(stats.last_byte_age(at(1010)), Some(Duration::from_millis(10)));
    }

    #[test]
    fn marks_are_bounded_and_what_came_before_is_not_measured() {
        let (mut gauge, stats, now) = gauge();
        gauge.mark(Kind::Video, now - Duration::from_millis(1), false);
        gauge.mark(Kind::Data, now, false);
        assert!(!gauge.is_waiting());
        for number in 0..10_000 {
            gauge.wrote(10);
            gauge.mark(Kind::Video, now + EVERY * number, false);
        }
        assert!(gauge.marks.len() <= MARKS);
        gauge.take(now + EVERY * 10_000, &acked(u64::MAX, 0));
        assert!(!gauge.is_waiting() && stats.delays.lock().total().0 > 100);
    }

    #[test]
    fn not_every_frame_is_marked() {
        for kind in [Kind::Audio, Kind::Video] {
            let (mut gauge, _, now) = gauge();
            for number in 0..100 {
                gauge.mark(kind, now + Duration::from_millis(20 * number), false);
            }
            assert_eq!(gauge.marks.len(), 20);
        }
    }

    #[test]
    fn a_connection_that_goes_takes_its_share_along() {
        let (mut gauge, stats, now) = gauge();
        let mut other = Gauge::new(stats.clone(), Duration::ZERO, now);
        gauge.show(Shown { unsent: 10, unacked: 20, retransmits: 3, closed: 1 });
        other.show(Shown { unsent: 1, unacked: 2, retransmits: 1, closed: 0 });
        drop(gauge);
        let read = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        let left = (read(&stats.unsent), read(&stats.unacked), read(&stats.windows_closed), read(&stats.retransmits));
        assert_eq!(left, (1, 2, 0, 4));
    }
}
