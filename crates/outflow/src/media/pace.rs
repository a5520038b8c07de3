//! Keeps a thread to real time: waits until a media time is due, without drift, and wakes soon when told to stop.

use std::thread;
use std::time::{Duration, Instant};

use crate::stop::Stop;

/// The longest single sleep: so soon is a stop seen.
const LONGEST_NAP: Duration = Duration::from_millis(50);

/// Paces one thread. Every due instant is counted from the one start, so that lateness never adds up: a thread that was
/// held back runs without waiting until it has caught up.
#[derive(Debug, Clone)]
pub struct Pacer {
    start: Instant,
    realtime: bool,
    stop: Stop,
}

impl Pacer {
    /// A pacer whose media time 0 is now. With `realtime` false it never waits.
    pub fn new(realtime: bool, stop: Stop) -> Self {
        Self { start: Instant::now(), realtime, stop }
    }

    /// The instant of media time 0.
    pub fn start(&self) -> Instant {
        self.start
    }

    /// Makes `now` the instant of media time `at`: for a source whose time jumped, or that was held up for so long
    /// that catching up makes no sense.
    pub fn restart(&mut self, at: Duration) {
        let now = Instant::now();
        self.start = now.checked_sub(at).unwrap_or(now);
    }

    /// How late the thread is for media time `at`; zero where it is in time or runs free.
    pub fn late(&self, at: Duration) -> Duration {
        if self.realtime { Instant::now().saturating_duration_since(self.start + at) } else { Duration::ZERO }
    }

    /// Waits until media time `at`. Gives the packet's arrival: the instant at which it was due (free running: now),
    /// or `None` when told to stop, seen within 50 ms.
    pub fn wait(&self, at: Duration) -> Option<Instant> {
        if !self.realtime {
            return (!self.stop.is_stopped()).then(Instant::now);
        }
        let due = self.start + at;
        loop {
            if self.stop.is_stopped() {
                return None;
            }
            match nap(Instant::now(), due) {
                Some(nap) => thread::sleep(nap),
                None => return Some(due),
            }
        }
    }
}

/// How long to sleep next, or `None` where `due` has come.
fn nap(now: Instant, due: Instant) -> Option<Duration> {
    let left = due.saturating_duration_since(now);
    (!left.is_zero()).then(|| left.min(LONGEST_NAP))
}

/// The time of tick `n` of a clock of `num / den` ticks a second, exact to the nanosecond for any `n`.
pub fn tick_time(n: u64, num: u32, den: u32) -> Duration {
    let nanos = u128::from(n) * u128::from(den) * 1_000_000_000 / u128::from(num.max(1));
    Duration::new(
        u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX),
        u32::try_from(nanos % 1_000_000_000).unwrap_or(0),
    )
}

/// The time of tick `n` of a clock of `num / den` ticks a second in milliseconds, rounded from the exact fraction.
pub fn tick_millis(n: u64, num: u32, den: u32) -> i64 {
    let num = u128::from(num.max(1));
    let millis = (u128::from(n) * u128::from(den) * 2000 + num) / (2 * num);
    i64::try_from(millis).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::stop::stopper;

    #[test]
    fn ticks_never_drift() {
        assert_eq!(tick_time(25, 25, 1), Duration::from_secs(1));
        assert_eq!(tick_time(30_000, 30_000, 1001), Duration::from_secs(1001));
        assert_eq!(tick_millis(1, 30_000, 1001), 33);
        assert_eq!(tick_millis(2, 30_000, 1001), 67);
        assert_eq!(tick_millis(30_000 * 1000, 30_000, 1001), 1_001_000_000);
        assert_eq!(tick_millis(1024, 44_100, 1), 23);
        // A year of frames: still the exact fraction.
        assert_eq!(tick_millis(60 * 86_400 * 365, 60, 1), 86_400_000 * 365);
    }

    #[test]
    fn naps_are_short_and_end_when_due() {
        let now = Instant::now();
        assert_eq!(nap(now, now), None);
        assert_eq!(nap(now + Duration::from_millis(1), now), None);
        assert_eq!(nap(now, now + Duration::from_millis(7)), Some(Duration::from_millis(7)));
        assert_eq!(nap(now, now + Duration::from_secs(3600)), Some(LONGEST_NAP));
    }

    #[test]
    fn a_paced_packet_arrives_when_it_was_due() {
        let (_stopper, stop) = stopper();
        let mut pacer = Pacer::new(true, stop);
        let at = Duration::from_millis(3);
        assert_eq!(pacer.wait(at), Some(pacer.start() + at));
        assert!(Instant::now() >= pacer.start() + at);
        // Held back: what is overdue comes at once and keeps its own due instant.
        pacer.restart(Duration::from_secs(10));
        assert_eq!(pacer.wait(Duration::from_secs(9)), Some(pacer.start() + Duration::from_secs(9)));
        assert!(pacer.late(Duration::from_secs(9)) >= Duration::from_secs(1));
    }

    #[test]
    fn stop_ends_a_wait_of_hours() {
        let (stopper, stop) = stopper();
        let pacer = Pacer::new(true, stop);
        let waiter = thread::spawn(move || pacer.wait(Duration::from_secs(7200)));
        stopper.stop();
        assert_eq!(waiter.join().unwrap(), None);
    }

    #[test]
    fn free_running_never_waits() {
        let (stopper, stop) = stopper();
        let pacer = Pacer::new(false, stop);
        assert!(pacer.wait(Duration::from_secs(86_400)).is_some());
        stopper.stop();
        assert!(pacer.wait(Duration::ZERO).is_none());
    }
}
