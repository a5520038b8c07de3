//! A server that fails again and again is left alone for a while, then tried with one call. No clock of its own.

use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row until it opens.
pub(super) const OPENS_AFTER: u32 = 5;

/// The state of one server.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// Failures in a row.
    failures: u32,
    /// Open: no call before this.
    until: Option<Instant>,
    /// Half open: one call is on its way.
    probing: bool,
}

impl Breaker {
    /// Whether a call may be made now. After a yes, exactly one of [`Breaker::succeeded`], [`Breaker::failed`] and
    /// [`Breaker::abandoned`] is to follow.
    pub(super) fn enter(&mut self, now: Instant) -> bool {
        match self.until {
            None => true,
            Some(until) if now < until || self.probing => false,
            Some(_) => {
                self.probing = true;
                true
            }
        }
    }

    /// True while a call would be refused.
    pub(super) fn is_open(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until || self.probing)
    }

    /// A call was answered. True if that closes it.
    pub(super) fn succeeded(&mut self) -> bool {
        std::mem::take(self).until.is_some()
    }

    /// A call failed. True if that opens it; it is open until `until` then.
    pub(super) fn failed(&mut self, now: Instant, open_for: Duration) -> bool {
        self.failures = self.failures.saturating_add(1);
        self.probing = false;
        if self.failures < OPENS_AFTER {
            return false;
        }
        self.until.replace(now + open_for).is_none()
    }

    /// A call was given up by who wanted it: that tells nothing of the server.
    pub(super) fn abandoned(&mut self) {
        self.probing = false;
    }

    /// Whether the last call failed.
    pub(super) fn is_failing(&self) -> bool {
        self.failures > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: Duration = Duration::from_secs(10);

    fn opened(now: Instant) -> Breaker {
        let mut breaker = Breaker::default();
        for failure in 1..=OPENS_AFTER {
            assert!(breaker.enter(now));
            assert_eq!(breaker.failed(now, OPEN), failure == OPENS_AFTER);
        }
        breaker
    }

    #[test]
    fn opens_after_failures_in_a_row_only() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..10 {
            for _ in 1..OPENS_AFTER {
                assert!(breaker.enter(now) && !breaker.failed(now, OPEN));
            }
            assert!(breaker.enter(now));
            breaker.succeeded();
        }
        let mut breaker = opened(now);
        assert!(breaker.is_open(now));
        assert!(!breaker.enter(now) && !breaker.enter(now + OPEN - Duration::from_millis(1)));
    }

    #[test]
    fn lets_one_through_when_its_time_is_over() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let later = now + OPEN;
        assert!(!breaker.is_open(later));
        assert!(breaker.enter(later), "one");
        assert!(!breaker.enter(later) && breaker.is_open(later), "not two");
        assert!(!breaker.failed(later, OPEN), "it was open already");
        assert!(!breaker.enter(later + OPEN / 2), "closed again for as long");
        assert!(breaker.enter(later + OPEN));
        assert!(breaker.succeeded());
        assert!(breaker.enter(later + OPEN) && breaker.enter(later + OPEN), "closed: all may pass");
    }

    #[test]
    fn a_call_given_up_leaves_the_place_to_another() {
        let now = Instant::now();
        let mut breaker = opened(now);
        assert!(breaker.enter(now + OPEN));
        breaker.abandoned();
        assert!(breaker.enter(now + OPEN));
    }
}
