//! An output on a line: what was seen of it lately.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Joins, Look, Rules, Yield};
use crate::options::share::Priority;

/// For how long looks are kept: rates are of this time.
const KEPT: Duration = Duration::from_millis(2500);
/// So old is a lag at most that counts: one that holds itself back shows none in between.
const KNOWN: Duration = Duration::from_millis(1250);
/// Looks are kept so far apart: with a quarter of a second from one to the next, a dozen.
const APART: Duration = Duration::from_millis(200);
/// Where a lag leads is told from looks over so long at least ...
const LEAST: Duration = Duration::from_secs(2);
/// ... in which it grew by so much, which is more than what sockets take in one lump ...
const GROWS: Duration = Duration::from_millis(200);
/// ... or fell by so much.
const FALLS: Duration = Duration::from_millis(100);
/// Who sent nothing for longer is not the one that takes the room.
const SENDS: Duration = Duration::from_secs(2);

pub(super) struct Member {
    pub(super) name: Arc<str>,
    pub(super) priority: Priority,
    /// From which lag on it is behind; `None` if nobody yields for it.
    behind: Option<Duration>,
    pub(super) bytes: u64,
    /// The last one that was told, and when, unless that is long ago.
    lag: Option<(Instant, Duration)>,
    behind_since: Option<Instant>,
    sent_at: Option<Instant>,
    looks: VecDeque<(Instant, Look)>,
    pub(super) yields: Option<Yield>,
    deaf_until: Instant,
    deaf: Duration,
}

impl Member {
    pub(super) fn new(who: Joins, rules: &Rules, now: Instant) -> Self {
        Self {
            name: who.name,
            priority: who.priority,
            behind: who.max_lag.map(|most| (most / 4).min(rules.behind)),
            bytes: 0,
            lag: None,
            behind_since: None,
            sent_at: None,
            looks: VecDeque::new(),
            yields: None,
            deaf_until: now,
            deaf: rules.deaf[0],
        }
    }

    pub(super) fn look(&mut self, now: Instant, look: Look) {
        if look.bytes > self.bytes {
            self.sent_at = Some(now);
        }
        self.bytes = look.bytes;
        // Where none is told, neither well nor behind follows from it.
        let told = look.lag.map(|lag| (now, lag));
        self.lag = told.or(self.lag.filter(|(at, _)| now.saturating_duration_since(*at) <= KNOWN));
        match (self.behind, self.lag) {
            (Some(behind), Some((_, lag))) if lag >= behind => {
                self.behind_since.get_or_insert(now);
            }
            _ => self.behind_since = None,
        }
        if self.looks.back().is_none_or(|(last, _)| now.saturating_duration_since(*last) >= APART) {
            self.looks.push_back((now, look));
        }
        while self.looks.front().is_some_and(|(first, _)| now.saturating_duration_since(*first) > KEPT) {
            self.looks.pop_front();
        }
    }

    /// True where it is heard, has been behind for so long, and falls further behind; or is twice as far behind already and does
    /// not come closer. Who stays where it is loses nothing.
    pub(super) fn complains(&self, now: Instant, patience: Duration) -> bool {
        let long = self.behind_since.is_some_and(|since| now.saturating_duration_since(since) >= patience);
        long && self.yields.is_none() && now >= self.deaf_until && self.loses(now)
    }

    fn loses(&self, now: Instant) -> bool {
        let (Some((at, before)), Some((told, lag)), Some(behind)) = (self.first_lag(), self.lag, self.behind) else {
            return false;
        };
        let far = lag >= behind * 2 && lag + FALLS >= before;
        // An old lag says nothing of where it leads.
        let is_news = self.looks.back().is_none_or(|(last, _)| told >= *last);
        is_news && now.saturating_duration_since(at) >= LEAST && (far || lag > before + GROWS)
    }

    /// The first lag of lately.
    fn first_lag(&self) -> Option<(Instant, Duration)> {
        self.looks.iter().find_map(|(at, look)| Some((*at, look.lag?)))
    }

    /// True while it is well: no further behind than half of what counts.
    pub(super) fn is_well(&self) -> bool {
        self.behind.is_none_or(|behind| self.lag.is_some_and(|(_, lag)| lag < behind / 2))
    }

    /// True while it is known not to be well.
    pub(super) fn is_ill(&self) -> bool {
        self.lag.is_some() && !self.is_well()
    }

    /// True where it may soon be well: it comes closer, or holds itself back, which it does for no longer than it is behind.
    pub(super) fn mends(&self) -> bool {
        match (self.first_lag(), self.lag) {
            (Some((_, before)), Some((_, lag))) => lag + FALLS < before,
            _ => true,
        }
    }

    pub(super) fn is_behind(&self) -> bool {
        self.behind_since.is_some()
    }

    pub(super) fn sends(&self, now: Instant) -> bool {
        self.yields.is_none() && self.sent_at.is_some_and(|at| now.saturating_duration_since(at) <= SENDS)
    }

    /// Bytes a second, lately.
    pub(super) fn rate(&self, now: Instant) -> f64 {
        self.looks.front().map_or(0.0, |(at, look)| self.rate_since(now, (*at, look.bytes)))
    }

    /// Bytes a second since then, when it had sent so many.
    pub(super) fn rate_since(&self, now: Instant, (at, bytes): (Instant, u64)) -> f64 {
        rate(now, at, self.bytes.saturating_sub(bytes))
    }

    /// Something was won for it: what is seen from now on counts.
    pub(super) fn helped(&mut self, rules: &Rules) {
        self.deaf = rules.deaf[0];
        self.looks.clear();
    }

    /// Nothing was won for it: it is not heard for a while, and for longer each time.
    pub(super) fn unhelped(&mut self, now: Instant, rules: &Rules) {
        // A trouble long past is another one.
        if now.saturating_duration_since(self.deaf_until) > self.deaf {
            self.deaf = rules.deaf[0];
        }
        self.deaf_until = now + self.deaf;
        self.deaf = (self.deaf * 2).min(rules.deaf[1]);
    }
}

/// Bytes a second, of so many since then.
#[allow(clippy::cast_precision_loss)] // compared with another such rate
pub(super) fn rate(now: Instant, since: Instant, bytes: u64) -> f64 {
    let seconds = now.saturating_duration_since(since).as_secs_f64();
    if seconds > 0.0 { bytes as f64 / seconds } else { 0.0 }
}
