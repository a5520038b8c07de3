//! How much a pump has to do, so that another core is used when one is not enough, and not before: bytes that two cores send
//! at once to the receivers of one machine cost a sixth more than those that one core sends.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

/// A pump whose thread has this much to do, in thousandths of its core, gets no more connections while a core is left.
pub(super) const BUSY: u32 = 700;
/// A pump that has no more to do than another and this serves what comes in on its thread: from one core to another every packet
/// costs more.
const NEAR: u32 = 250;
/// What a thread has to do on which nothing runs, at most.
const IDLE: u32 = 5;
/// What a connection counts for that waits for a stream to begin, in thousandths: nobody knows what it will take.
const WAITING: u32 = 2;

/// What one pump has to do.
#[derive(Debug, Default)]
pub(super) struct Load {
    connections: AtomicUsize,
    /// Thousandths of its core that its thread took lately, with whatever else runs there ...
    busy: AtomicU32,
    /// ... and how many connections there were then.
    of: AtomicUsize,
    /// Those of now that had nothing to read yet at the last look, and those that came since to a stream without one.
    waiting: AtomicUsize,
    /// A test says what it has to do.
    #[cfg(test)]
    frozen: std::sync::atomic::AtomicBool,
}

impl Load {
    /// Has this much to do from now on, for each of the connections of now, whatever its thread does.
    #[cfg(test)]
    pub(super) fn freeze(&self, thousandths: u32) {
        self.frozen.store(true, Ordering::Relaxed);
        self.busy.store(thousandths, Ordering::Relaxed);
        self.waiting.store(0, Ordering::Relaxed);
        self.of.store(self.connections.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// One more, which `waits` for its stream to begin.
    pub(super) fn enter(&self, waits: bool) {
        self.connections.fetch_add(1, Ordering::Relaxed);
        self.waiting.fetch_add(usize::from(waits), Ordering::Relaxed);
    }

    pub(super) fn leave(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// What it will take with the connections of now, if each takes as much as those that were looked at; then their number.
    pub(super) fn expected(&self) -> (u32, usize) {
        let (busy, of) = (self.busy.load(Ordering::Relaxed), self.of.load(Ordering::Relaxed));
        let connections = self.connections.load(Ordering::Relaxed);
        let expected = u64::from(busy).saturating_mul(connections as u64) / of.max(1) as u64;
        let waiting = u32::try_from(self.waiting.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
        let expected = u32::try_from(expected).unwrap_or(u32::MAX).max(busy);
        (expected.saturating_add(waiting.saturating_mul(WAITING)), connections)
    }

    /// True if others should serve what comes next, as it has this much to do.
    pub(super) fn is_above(&self, much: u32) -> bool {
        let (expected, connections) = self.expected();
        expected >= much && connections > 0
    }

    /// True if what comes in there is best served there, though this other one has the least to do.
    pub(super) fn is_near(&self, least: &Self) -> bool {
        self.expected().0 <= least.expected().0 + NEAR && !self.is_above(BUSY)
    }

    /// True if nothing runs there, and it is forgotten what ran.
    pub(super) fn is_idle(&self) -> bool {
        self.connections.load(Ordering::Relaxed) == 0 && self.busy.load(Ordering::Relaxed) <= IDLE
    }

    fn note(&self, thousandths: u32, waiting: usize) {
        #[cfg(test)]
        if self.frozen.load(Ordering::Relaxed) {
            return;
        }
        // Half of what it was: one moment is not the rule.
        let busy = u32::midpoint(self.busy.load(Ordering::Relaxed), thousandths);
        self.busy.store(busy, Ordering::Relaxed);
        self.waiting.store(waiting, Ordering::Relaxed);
        self.of.store(self.connections.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

/// Looks at the clock of the thread's runtime.
#[derive(Debug)]
pub(super) struct Watch {
    at: Instant,
    busy: Duration,
}

impl Watch {
    /// From now on.
    pub(super) fn new(now: Instant) -> Self {
        Self { at: now, busy: busy() }
    }

    /// Tells what the thread took since the last look, and how many of its connections wait for a stream to begin.
    pub(super) fn look(&mut self, now: Instant, load: &Load, waiting: usize) {
        let (passed, busy) = (now.saturating_duration_since(self.at), busy());
        let took = busy.saturating_sub(self.busy);
        let thousandths = took.as_micros().saturating_mul(1000) / passed.as_micros().max(1);
        load.note(u32::try_from(thousandths.min(1000)).unwrap_or(1000), waiting);
        (self.at, self.busy) = (now, busy);
    }
}

/// Time that this thread's runtime has worked since it began.
fn busy() -> Duration {
    Handle::try_current().map(|handle| handle.metrics().worker_total_busy_duration(0)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_is_expected_to_take_what_others_take() {
        let load = Load::default();
        assert_eq!((load.expected(), load.is_above(BUSY)), ((0, 0), false));
        (0..100).for_each(|_| load.enter(true));
        assert_eq!(load.expected(), (200, 100), "they wait");
        load.note(800, 0);
        assert_eq!((load.expected(), load.is_above(BUSY)), ((400, 100), false));
        (0..75).for_each(|_| load.enter(false));
        assert_eq!((load.expected(), load.is_above(BUSY)), ((700, 175), true), "each as much as the others");
        load.note(400, 50);
        assert_eq!(load.expected(), (500, 175));
        (0..174).for_each(|_| load.leave());
        load.note(400, 0);
        assert_eq!(load.expected(), (400, 1), "the thread has other things to do too");
        load.leave();
        assert!(!load.is_idle(), "not yet");
        load.note(1000, 0);
        assert!(!load.is_above(BUSY), "nobody would be better off elsewhere");
        (0..10).for_each(|_| load.note(0, 0));
        assert!(load.is_idle());
        load.enter(true);
        assert!(!load.is_idle());
    }

    #[test]
    fn near_is_what_has_hardly_more_to_do() {
        let [home, least] = [800, 300].map(|thousandths| {
            let load = Load::default();
            load.enter(false);
            load.note(2 * thousandths, 0);
            load
        });
        assert!(!home.is_near(&least), "the others would be better off elsewhere");
        home.note(200, 0);
        assert!(home.is_near(&least), "{home:?}");
        home.note(700, 0);
        assert!(!home.is_near(&least), "{home:?}");
        assert!(home.is_near(&home));
    }

    #[tokio::test]
    async fn a_thread_that_works_is_busy() {
        let (load, begun) = (Load::default(), Instant::now());
        let mut watch = Watch::new(begun);
        // A runtime tells of its work when it has nothing to do.
        let until = begun + Duration::from_millis(100);
        while Instant::now() < until {}
        tokio::time::sleep(Duration::from_millis(1)).await;
        watch.look(Instant::now(), &load, 0);
        assert!(load.expected().0 > 100, "{load:?}");
    }
}
