//! Who sends nothing for a while where outputs share a line that is too small: a state machine, pure; time and figures are
//! passed in. How much a line carries is never known, so it is tried: while an output stays behind, the lowest of those below
//! it *yields*. If the one behind is no faster for it, it was not the line: who yielded goes on, and is left in peace for a
//! time that grows. If it is, who yielded is let in again one at a time, on trial, with pauses that grow.

mod judge;
mod member;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::options::share::Priority;
use member::Member;

/// For how long things last.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Who is so far behind is behind, or a quarter of its `max_lag` if that is less.
    pub behind: Duration,
    /// And is heard once it has been for so long, without coming closer.
    pub patience: Duration,
    /// After a change, what lay in buffers has left.
    pub settle: Duration,
    /// Then what came of it is measured for so long.
    pub measure: Duration,
    /// All has to be well for so long before somebody is let in again.
    pub calm: Duration,
    /// Who was let in again, and hurts nobody for so long, has come to stay.
    pub trial: Duration,
    /// From yielding to being let in, at first and at most.
    pub pause: [Duration; 2],
    /// For how long one is not heard again for whom nothing was won, at first and at most.
    pub deaf: [Duration; 2],
}

impl Default for Rules {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            behind: seconds(1),
            patience: Duration::from_millis(750),
            settle: Duration::from_millis(750),
            measure: seconds(2),
            calm: seconds(3),
            trial: seconds(10),
            pause: [seconds(10), seconds(300)],
            deaf: [seconds(30), seconds(600)],
        }
    }
}

/// For so long, and so many of them, those are remembered that left while they yielded: a server may have let them go for
/// sending nothing.
const LEFT: Duration = Duration::from_secs(60);
const MOST_LEFT: usize = 64;

/// What is known of a member at a moment.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// How far behind its stream it is, by what its socket does not take; `None` where that cannot be told, as of one that
    /// holds itself back.
    pub lag: Option<Duration>,
    /// Bytes that arrived at its peers since it joined, as far as is known.
    pub bytes: u64,
}

/// Who joins.
#[derive(Debug, Clone)]
pub struct Joins {
    /// Its name, for the others.
    pub name: Arc<str>,
    /// How important it is.
    pub priority: Priority,
    /// How far behind it may be; `None` for one whose lag says nothing of the line, as that of players.
    pub max_lag: Option<Duration>,
}

/// Something that changed for a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The member.
    pub member: u64,
    /// For whom it yields, or yielded.
    pub to: Arc<str>,
    /// What.
    pub what: What,
}

/// What changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// It is to send nothing more.
    Yields,
    /// It may go on: there seems to be room again. It had yielded for so long.
    GoesOn(Duration),
    /// It may go on: the other was no faster for it.
    InVain(Duration),
    /// It may go on: it is no less important than the other any more.
    NoLess(Duration),
}

/// One line and the outputs that leave by it.
pub struct Uplink {
    rules: Rules,
    members: BTreeMap<u64, Member>,
    next_member: u64,
    asked: Option<Asked>,
    trial: Option<Trial>,
    /// Since when nobody is behind who is above somebody that yields.
    calm_since: Option<Instant>,
    pause: Duration,
    /// When somebody may be let in.
    let_in_at: Option<Instant>,
    left: Vec<(Arc<str>, Yield, Instant)>,
}

#[derive(Debug, Clone)]
struct Yield {
    to: Arc<str>,
    /// Its number, while it is there.
    by: u64,
    /// How important that one is, or was when it was there last.
    above: Priority,
    since: Instant,
}

/// Somebody yields, and it is to be seen whether that helps.
struct Asked {
    by: u64,
    whom: Vec<u64>,
    at: Instant,
    /// Bytes a second of the one behind, before.
    before: f64,
    /// Its part of what the others gave up, if it was the line.
    part: f64,
    anchor: Option<(Instant, u64)>,
}

/// Somebody was let in, and it is to be seen whether that hurts.
struct Trial {
    who: u64,
    at: Instant,
    /// Where the one that it had yielded for is behind still, or another above it: that one, its rate before, and where the
    /// measuring began for both.
    doubt: Option<(u64, f64, Option<(Instant, u64, u64)>)>,
    was: Yield,
}

impl Uplink {
    /// A line that nobody uses.
    pub fn new(rules: Rules) -> Self {
        let pause = rules.pause[0];
        Self {
            rules,
            members: BTreeMap::new(),
            next_member: 0,
            asked: None,
            trial: None,
            calm_since: None,
            pause,
            let_in_at: None,
            left: Vec::new(),
        }
    }

    /// An output begins to send on this line. The answer is its number, and a change where it had left while it yielded, if
    /// it still is less important than that one.
    pub fn join(&mut self, now: Instant, who: Joins) -> (u64, Option<Change>) {
        let id = self.next_member;
        self.next_member += 1;
        self.left.retain(|(_, _, at)| now.saturating_duration_since(*at) < LEFT);
        let before = self.left.iter().position(|(name, ..)| *name == who.name).map(|at| self.left.swap_remove(at).1);
        let before = before.filter(|it| who.priority < self.priority_above(it));
        let change = before.as_ref().map(|it| Change { member: id, to: it.to.clone(), what: What::Yields });
        if let Some(it) = &before {
            self.let_in_at.get_or_insert(it.since + self.pause);
        }
        let mut member = Member::new(who, &self.rules, now);
        member.yields = before;
        self.members.insert(id, member);
        (id, change)
    }

    /// How important a member is from now on: those go on that yield to one that is no longer above them.
    pub fn prioritise(&mut self, now: Instant, id: u64, priority: Priority) -> Vec<Change> {
        let Some(member) = self.members.get_mut(&id).filter(|member| member.priority != priority) else {
            return Vec::new();
        };
        member.priority = priority;
        // What is tried with it was found for what it was.
        if self.trial.as_ref().is_some_and(|it| it.who == id || it.doubt.as_ref().is_some_and(|(by, ..)| *by == id)) {
            self.trial = None;
        }
        let mut changes = Vec::new();
        for id in self.members.keys().copied().collect::<Vec<_>>() {
            let Some(member) = self.members.get(&id) else { continue };
            if member.yields.as_ref().is_some_and(|it| member.priority >= self.priority_above(it)) {
                self.release(now, id, What::NoLess, &mut changes);
            }
        }
        changes
    }

    /// How important the one is that is yielded to.
    fn priority_above(&self, yields: &Yield) -> Priority {
        self.members.get(&yields.by).map_or(yields.above, |by| by.priority)
    }

    /// It sends no more.
    pub fn leave(&mut self, now: Instant, id: u64) {
        let Some(member) = self.members.remove(&id) else { return };
        if let Some(yields) = member.yields
            && self.left.len() < MOST_LEFT
        {
            self.left.push((member.name, yields, now));
        }
    }

    /// True if nobody uses it.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// True if anything can come of looking: not all are alike, or somebody yields.
    pub fn is_mixed(&self) -> bool {
        let mut all = self.members.values();
        let first = all.next().map(|member| member.priority);
        all.any(|member| Some(member.priority) != first) || self.members.values().any(|member| member.yields.is_some())
    }

    /// For whom it yields, if it does.
    pub fn yields(&self, id: u64) -> Option<&Arc<str>> {
        self.members.get(&id)?.yields.as_ref().map(|it| &it.to)
    }

    /// What a member does now. To be told of each about four times a second, and followed by [`Uplink::step`].
    pub fn look(&mut self, now: Instant, id: u64, look: Look) {
        if let Some(member) = self.members.get_mut(&id) {
            member.look(now, look);
        }
    }

    /// What follows from what was told.
    pub fn step(&mut self, now: Instant) -> Vec<Change> {
        let mut changes = Vec::new();
        self.judge(now, &mut changes);
        self.judge_trial(now, &mut changes);
        // While somebody is let in to see whether that makes a difference, it is to be seen.
        let doubts = self.trial.as_ref().is_some_and(|trial| trial.doubt.is_some());
        if self.asked.is_none()
            && !doubts
            && let Some(by) = self.complaint(now)
        {
            self.ask(now, by, &mut changes);
        }
        self.let_in(now, &mut changes);
        changes
    }
}

#[cfg(test)]
mod tests;
