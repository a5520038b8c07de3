//! Those of a class who stand at the live edge with nothing else to do. A train costs each of them a call and touches nothing of
//! theirs (twenty misses of the cache a train and connection otherwise); what it changes for them is noted once for all of
//! them, and each hears of it before anybody looks at it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::conn::ride::Train;
use crate::hub;
use crate::media::continuity::Continuity;
use crate::monitor::OutputStats;
use crate::wire::Form;

/// Players ride, of which there may be thousands.
pub(super) const FORM: Form = Form::Play;

/// What a connection that may ride on is like, until it gets off.
pub(super) struct Pass<'a> {
    /// The chunk streams on which it may be sent a message of the usual kind.
    pub(super) opened: u32,
    /// The earliest time that it may be sent.
    pub(super) floor: i64,
    /// How late a train may be for it.
    pub(super) patience: Duration,
    pub(super) stats: &'a Arc<OutputStats>,
}

/// A connection that rides.
pub(super) struct Rider {
    /// Where it sits.
    pub(super) place: usize,
    /// Which of the outputs it belongs to.
    output: usize,
    opened: u32,
    floor: i64,
    /// The trains and the bytes that it has heard of.
    trains: u64,
    bytes: u64,
}

impl Rider {
    /// True if it may be sent this train as it is.
    pub(super) fn takes(&self, train: &Train) -> bool {
        self.floor <= train.floor() && train.opens(FORM).is_some_and(|opens| self.opened & opens == opens)
    }
}

/// What the trains came to since the first of those aboard got on.
#[derive(Default)]
struct Log {
    trains: u64,
    bytes: u64,
    last: Option<hub::Train>,
    time: Continuity,
}

/// What a connection has had that it has not heard of.
pub(super) struct News<'a> {
    pub(super) bytes: u64,
    /// The last train.
    pub(super) last: &'a hub::Train,
    /// The time of all its packets.
    pub(super) time: &'a Continuity,
}

struct Output {
    stats: Arc<OutputStats>,
    /// How many of those aboard belong to it.
    aboard: usize,
    /// Of the train under way.
    bytes: u64,
    riders: u64,
}

/// Newcomers that are put in their places one by one; more of them are sorted.
const FEW: usize = 16;

/// All that ride in a class.
pub(super) struct Riders {
    /// In the order of their places, which is about that of their coming: memory is gone through from its beginning to its end,
    /// and nobody is last for having got off for a moment, as all do that acknowledge what they read.
    aboard: Vec<Rider>,
    /// So many of them are in order; the others have just got on.
    seated: usize,
    log: Log,
    patience: Duration,
    outputs: Vec<Output>,
}

impl Default for Riders {
    fn default() -> Self {
        Self { aboard: Vec::new(), log: Log::default(), seated: 0, patience: Duration::MAX, outputs: Vec::new() }
    }
}

impl Riders {
    pub(super) fn aboard(&self) -> &[Rider] {
        &self.aboard
    }

    /// Who sits at this place stands where the last train ended, and rides on from there. [`Riders::settle`] is to follow.
    pub(super) fn board(&mut self, place: usize, pass: &Pass<'_>) {
        if self.aboard.is_empty() {
            *self = Self { aboard: std::mem::take(&mut self.aboard), ..Self::default() };
        }
        self.patience = self.patience.min(pass.patience);
        let known = self.outputs.iter().position(|output| Arc::ptr_eq(&output.stats, pass.stats));
        let output = known.unwrap_or_else(|| {
            let new = Output { stats: pass.stats.clone(), aboard: 0, bytes: 0, riders: 0 };
            // In the place of one that nobody belongs to any more.
            match self.outputs.iter_mut().position(|output| output.aboard == 0) {
                Some(free) => {
                    self.outputs[free] = new;
                    free
                }
                None => {
                    self.outputs.push(new);
                    self.outputs.len() - 1
                }
            }
        });
        if let Some(output) = self.outputs.get_mut(output) {
            output.aboard += 1;
        }
        let (trains, bytes) = (self.log.trains, self.log.bytes);
        let &Pass { opened, floor, .. } = pass;
        self.aboard.push(Rider { place, output, opened, floor, trains, bytes });
    }

    /// Puts those in order who have just got on.
    pub(super) fn settle(&mut self) {
        let seated = std::mem::replace(&mut self.seated, self.aboard.len());
        if self.aboard.len() - seated > FEW {
            return self.aboard.sort_unstable_by_key(|rider| rider.place);
        }
        for newcomer in seated..self.aboard.len() {
            let (before, rest) = self.aboard.split_at(newcomer);
            let Some(place) = rest.first().map(|rider| rider.place) else { return };
            let number = before.partition_point(|rider| rider.place < place);
            if let Some(moved) = self.aboard.get_mut(number..=newcomer) {
                moved.rotate_right(1);
            }
        }
    }

    /// The number of the rider who sits at this place; it holds until somebody gets on or off.
    pub(super) fn find(&self, place: usize) -> Option<usize> {
        self.aboard.binary_search_by_key(&place, |rider| rider.place).ok()
    }

    /// Takes the rider with this number off, who is to [hear](Riders::hear) its news before. Of several the last gets off first:
    /// those behind move up.
    pub(super) fn leave(&mut self, number: usize) {
        if number >= self.aboard.len() {
            return;
        }
        let rider = self.aboard.remove(number);
        self.seated = self.aboard.len();
        if let Some(output) = self.outputs.get_mut(rider.output) {
            output.aboard -= 1;
        }
    }

    /// What the rider with this number has not heard of, if anything.
    pub(super) fn hear(&mut self, number: usize) -> Option<News<'_>> {
        let rider = self.aboard.get_mut(number)?;
        let trains = std::mem::replace(&mut rider.trains, self.log.trains);
        let bytes = self.log.bytes;
        let before = std::mem::replace(&mut rider.bytes, bytes);
        let last = self.log.last.as_ref().filter(|_| trains != self.log.trains)?;
        Some(News { bytes: bytes - before, last, time: &self.log.time })
    }

    /// True if those aboard may take this train: it is not late, and needs no look at what each of them can decode.
    pub(super) fn take(&self, train: &Train, now: Instant) -> bool {
        train.is_plain() && now.saturating_duration_since(train.first()) <= self.patience
    }

    /// The rider with this number was sent all of the train.
    pub(super) fn count(&mut self, number: usize, bytes: usize) {
        let output = self.aboard.get(number).map(|rider| rider.output);
        if let Some(output) = output.and_then(|output| self.outputs.get_mut(output)) {
            output.bytes += bytes as u64;
            output.riders += 1;
        }
    }

    /// All that are aboard still were sent this train.
    pub(super) fn note(&mut self, train: &Train, now: Instant) {
        self.log.trains += 1;
        self.log.bytes += train.bytes(FORM) as u64;
        self.log.last = Some(*train.stretch());
        let time = &mut self.log.time;
        for packet in train.packets() {
            if !time.has_begun() {
                time.enter(packet.dts);
            }
            let _ = time.time(packet);
        }
        let (packets, frames) = train.counts();
        for output in &mut self.outputs {
            let (bytes, riders) = (std::mem::take(&mut output.bytes), std::mem::take(&mut output.riders));
            if riders > 0 {
                OutputStats::add(&output.stats.bytes, bytes);
                OutputStats::add(&output.stats.packets, riders * packets);
                OutputStats::add(&output.stats.frames, riders * frames);
                output.stats.left(now);
            }
        }
    }

    /// The outputs that riders belong to.
    pub(super) fn outputs(&self) -> impl Iterator<Item = &Arc<OutputStats>> {
        self.outputs.iter().filter(|output| output.aboard > 0).map(|output| &output.stats)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_gets_off_for_a_moment_has_its_place_again() {
        let (mut riders, stats) = (Riders::default(), Arc::default());
        let pass = || Pass { opened: 0, floor: 0, patience: Duration::ZERO, stats: &stats };
        let places = |riders: &Riders| riders.aboard().iter().map(|rider| rider.place).collect::<Vec<_>>();
        // Many at once, then one by one, and a few.
        (0..100).rev().for_each(|place| riders.board(place, &pass()));
        riders.settle();
        assert_eq!(places(&riders), (0..100).collect::<Vec<_>>());
        for some in [&[0][..], &[99], &[50, 7], &[3, 98, 42, 1]] {
            for place in some {
                riders.leave(riders.find(*place).unwrap_or(usize::MAX));
                assert_eq!(riders.find(*place), None);
            }
            assert_eq!(riders.aboard().len(), 100 - some.len());
            some.iter().for_each(|place| riders.board(*place, &pass()));
            riders.settle();
            assert_eq!(places(&riders), (0..100).collect::<Vec<_>>());
        }
        assert_eq!(riders.find(42), Some(42));
        assert_eq!(riders.outputs().count(), 1);
    }
}
