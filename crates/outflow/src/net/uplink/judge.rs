//! Who yields, whether it helped, and who is let in again.

use std::time::Instant;

use super::member::{Member, rate};
use super::{Asked, Change, Trial, Uplink, What, Yield};

/// What those gave up who yield goes to all that are behind, in equal parts. So much of its part has the one to gain for whom
/// they did: one that is slow by itself gains nothing, whatever it seems to by chance.
const HELPS: f64 = 0.5;
/// So much of its part of what one takes who was let in has it to lose for that one to be in its way.
const HURTS: f64 = 0.25;
/// One in so many of those that send yields at a time: what is won has to be seen.
const ONE_IN: usize = 8;

impl Uplink {
    /// Whether it helps that somebody yields.
    pub(super) fn judge(&mut self, now: Instant, changes: &mut Vec<Change>) {
        let (rules, Some(asked)) = (self.rules, &mut self.asked) else { return };
        let Some(by) = self.members.get_mut(&asked.by) else {
            self.asked = None;
            return;
        };
        let since = now.saturating_duration_since(asked.at);
        if since < rules.settle {
            return;
        }
        let anchor = *asked.anchor.get_or_insert((now, by.bytes));
        if !by.is_well() && since < rules.settle + rules.measure {
            return;
        }
        let after = by.rate_since(now, anchor);
        let helped = by.is_well() || after > 0.0 && after >= asked.before + HELPS * asked.part;
        let whom = std::mem::take(&mut asked.whom);
        self.asked = None;
        if helped {
            by.helped(&rules);
        } else {
            by.unhelped(now, &rules);
            for id in whom {
                self.release(now, id, What::InVain, changes);
            }
        }
    }

    /// Whether it hurts that somebody was let in.
    pub(super) fn judge_trial(&mut self, now: Instant, changes: &mut Vec<Change>) {
        let (rules, Some(trial)) = (self.rules, &mut self.trial) else { return };
        let since = now.saturating_duration_since(trial.at);
        let among = self.members.values().filter(|it| it.sends(now) && it.is_ill()).count();
        let taken = self.members.get(&trial.who).map_or(0, |who| who.bytes);
        if let Some((doubted, before, anchor)) = &mut trial.doubt
            && let Some(by) = self.members.get_mut(doubted)
            && !by.is_well()
        {
            if since < rules.settle {
                return;
            }
            let (at, bytes, took) = *anchor.get_or_insert((now, by.bytes, taken));
            if since < rules.settle + rules.measure {
                return;
            }
            let part = rate(now, at, taken.saturating_sub(took)) / part_of(among);
            if *before - by.rate_since(now, (at, bytes)) > HURTS * part {
                let (to, since) = (by.name.clone(), trial.was.since);
                let (who, was) = (trial.who, Yield { to, by: *doubted, above: by.priority, since });
                self.tried_in_vain(now);
                self.silence(now, who, was, changes);
            } else {
                // It was not in its way, and the others are not either.
                by.unhelped(now, &rules);
                let to = *doubted;
                trial.doubt = None;
                if trial.was.by == to {
                    self.trial = None;
                }
                let others = self.members.iter().filter(|(_, it)| it.yields.as_ref().is_some_and(|it| it.by == to));
                for id in others.map(|(id, _)| *id).collect::<Vec<_>>() {
                    self.release(now, id, What::InVain, changes);
                }
            }
            return;
        }
        // It is well, or has left: then it goes on like any other trial.
        trial.doubt = None;
        if since >= rules.trial {
            self.trial = None;
            self.pause = rules.pause[0];
        }
    }

    /// Who is to be heard now: the most important one that stays behind and has somebody below it that sends.
    pub(super) fn complaint(&self, now: Instant) -> Option<u64> {
        let complains = |member: &Member| member.complains(now, self.rules.patience);
        let heard = self.members.iter().filter(|(_, member)| complains(member));
        let heard = heard.filter(|(_, member)| self.below(now, member).next().is_some());
        heard.max_by_key(|(_, member)| member.priority).map(|(id, _)| *id)
    }

    /// Who is below it, and sends.
    fn below<'a>(&'a self, now: Instant, above: &'a Member) -> impl Iterator<Item = (u64, &'a Member)> {
        let below = self.members.iter().map(|(id, member)| (*id, member));
        below.filter(move |(_, member)| member.priority < above.priority && member.sends(now))
    }

    /// The lowest of those below it yield, the latest to come first.
    pub(super) fn ask(&mut self, now: Instant, by: u64, changes: &mut Vec<Change>) {
        let Some(above) = self.members.get(&by) else { return };
        let (name, priority, before) = (above.name.clone(), above.priority, above.rate(now));
        let behind = self.members.values().filter(|it| it.sends(now) && it.is_ill()).count();
        let mut below: Vec<_> =
            self.below(now, above).map(|(id, member)| (member.priority, u64::MAX - id, id)).collect();
        below.sort_unstable();
        let sends = self.members.values().filter(|member| member.sends(now)).count();
        let whom: Vec<u64> = below.into_iter().take(sends.div_ceil(ONE_IN).max(1)).map(|(.., id)| id).collect();
        if self.trial.as_ref().is_some_and(|trial| whom.contains(&trial.who)) {
            self.tried_in_vain(now);
        }
        let freed: f64 = whom.iter().filter_map(|id| Some(self.members.get(id)?.rate(now))).sum();
        let still = whom.iter().filter(|id| self.members.get(id).is_some_and(Member::is_ill)).count();
        for id in &whom {
            self.silence(now, *id, Yield { to: name.clone(), by, above: priority, since: now }, changes);
        }
        self.asked = Some(Asked {
            by,
            whom,
            at: now,
            before,
            part: freed / part_of(behind.saturating_sub(still)),
            anchor: None,
        });
    }

    /// Who was let in was in the way: the next is let in later.
    fn tried_in_vain(&mut self, now: Instant) {
        self.trial = None;
        self.pause = (self.pause * 2).min(self.rules.pause[1]);
        self.let_in_at = Some(now + self.pause);
    }

    fn silence(&mut self, now: Instant, id: u64, why: Yield, changes: &mut Vec<Change>) {
        self.calm_since = None;
        let next = now + self.pause;
        self.let_in_at = Some(self.let_in_at.map_or(next, |at| at.max(next)));
        if let Some(member) = self.members.get_mut(&id) {
            changes.push(Change { member: id, to: why.to.clone(), what: What::Yields });
            member.yields = Some(why);
        }
    }

    pub(super) fn release(
        &mut self,
        now: Instant,
        id: u64,
        what: fn(std::time::Duration) -> What,
        changes: &mut Vec<Change>,
    ) -> Option<Yield> {
        let yields = self.members.get_mut(&id)?.yields.take()?;
        let lasted = now.saturating_duration_since(yields.since);
        changes.push(Change { member: id, to: yields.to.clone(), what: what(lasted) });
        Some(yields)
    }

    /// Lets in the most important one of those that yield, if it is time to try: all has been well for a while; or somebody
    /// above is not well in spite of their yielding, and it is to be seen whether they are in the way at all.
    pub(super) fn let_in(&mut self, now: Instant, changes: &mut Vec<Change>) {
        let waiting = self.members.iter().filter(|(_, member)| member.yields.is_some());
        let Some((id, next)) = waiting.max_by_key(|(id, member)| (member.priority, u64::MAX - **id)) else {
            (self.calm_since, self.let_in_at) = (None, None);
            return;
        };
        let id = *id;
        if self.asked.is_some() || self.trial.is_some() {
            return;
        }
        let above = || self.members.values().filter(|it| it.priority > next.priority && it.yields.is_none());
        let calm = above().all(Member::is_well);
        if !calm {
            self.calm_since = None;
        }
        let long = now.saturating_duration_since(*self.calm_since.get_or_insert(now)) >= self.rules.calm;
        if self.let_in_at.is_some_and(|at| now < at) || (calm && !long) {
            return;
        }
        // The one that it yields to, or else the most important one that is not well.
        let by = next.yields.as_ref().map(|yields| yields.by);
        let ill = self.members.iter().filter(|(_, it)| it.priority > next.priority && it.yields.is_none());
        let ill = ill.filter(|(_, it)| !it.is_well()).max_by_key(|(id, it)| (Some(**id) == by, it.priority));
        // Who may be well soon is waited for, but only once more as long.
        let late = self.let_in_at.is_none_or(|at| now >= at + self.pause);
        if !late && ill.is_some_and(|(_, it)| !it.is_behind() || it.mends()) {
            return;
        }
        let doubt = ill.map(|(id, it)| (*id, it.rate(now), None));
        if let Some(was) = self.release(now, id, What::GoesOn, changes) {
            self.trial = Some(Trial { who: id, at: now, doubt, was });
        }
    }
}

/// Among how many a part of the line is divided: all that are behind, and one is.
#[allow(clippy::cast_precision_loss)] // outputs: far below 2^52
fn part_of(behind: usize) -> f64 {
    behind.max(1) as f64
}
