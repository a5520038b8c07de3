//! Connections of one stream that take its news at the same moment: at once, or gathered for as long as they allow.

use std::time::{Duration, Instant};

use super::order::Order;
use super::riders::Riders;

/// What leaves in one call, at most, unless a single frame is more: beyond it the kernel makes two packets of it, and costs more.
const FULL: u64 = 64 * 1024;

/// A crowd is so many connections, of whom a departure takes so long ...
const CROWD: usize = 250;
const LONG: Duration = Duration::from_millis(5);
/// ... that the next one waits for this long after its end: sound that comes between two pictures is a call for each of them.
const REST: Duration = Duration::from_millis(12);

pub(super) struct Class {
    /// For how long news may be gathered.
    pub(super) latency: Duration,
    /// Whether each of them has a time of its own, behind the live edge.
    delayed: bool,
    /// The number behind the last item that left.
    pub(super) edge: u64,
    /// When what was gathered leaves.
    pub(super) due: Option<Instant>,
    /// How often something came since.
    pub(super) news: u64,
    /// Where its connections sit that are looked at for each train.
    pub(super) members: Vec<usize>,
    /// The others.
    pub(super) riders: Riders,
    /// How long departures took lately, and when the last one was over.
    took: Duration,
    left: Option<Instant>,
}

impl Class {
    /// The class of a connection with this order, which sits there; it begins with item `edge`.
    pub(super) fn new(order: &Order, edge: u64, place: usize) -> Self {
        let (latency, delayed) = (order.latency, !order.cursor.delay().is_zero());
        Self {
            latency,
            delayed,
            edge,
            due: None,
            news: 0,
            members: vec![place],
            riders: Riders::default(),
            took: Duration::ZERO,
            left: None,
        }
    }

    /// True if a connection with this order belongs here.
    pub(super) fn takes(&self, order: &Order) -> bool {
        self.latency == order.latency && self.delayed != order.cursor.delay().is_zero()
    }

    /// True if no more is to be gathered than these bytes: with the next frame it would be too much.
    pub(super) fn is_full(&mut self, bytes: u64) -> bool {
        self.news += 1;
        bytes + bytes / self.news > FULL
    }

    /// How many connections it has.
    pub(super) fn size(&self) -> usize {
        self.members.len() + self.riders.aboard().len()
    }

    /// A departure is over.
    pub(super) fn departed(&mut self, begun: Instant, over: Instant) {
        self.took = (self.took + over.saturating_duration_since(begun)) / 2;
        self.left = Some(over);
    }

    /// Until when a crowd has its rest from the last departure, if it has.
    pub(super) fn rests(&self, now: Instant) -> Option<Instant> {
        let is_crowd = self.size() >= CROWD && self.took >= LONG && !self.delayed;
        self.left.filter(|_| is_crowd).map(|left| left + REST).filter(|until| *until > now)
    }

    /// True if its news are gathered for all together.
    pub(super) fn gathers(&self) -> bool {
        !self.latency.is_zero() && !self.delayed
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_a_crowd_rests_and_only_if_it_takes_long() {
        let now = Instant::now();
        let mut class = Class {
            latency: Duration::ZERO,
            delayed: false,
            edge: 0,
            due: None,
            news: 0,
            members: (0..CROWD).collect(),
            riders: Riders::default(),
            took: Duration::ZERO,
            left: None,
        };
        assert_eq!(class.rests(now), None);
        for _ in 0..10 {
            class.departed(now, now + LONG * 2);
        }
        let over = now + LONG * 2;
        assert_eq!(class.rests(over), Some(over + REST));
        assert_eq!(class.rests(over + REST), None, "what comes later leaves at once");
        class.members.pop();
        assert_eq!(class.rests(over), None, "few");
        class.members.push(0);
        for _ in 0..10 {
            class.departed(now, now + LONG / 2);
        }
        assert_eq!(class.rests(now), None, "soon done");
    }

    #[test]
    fn no_more_is_gathered_than_one_packet_of_the_kernel() {
        let mut class = Class {
            latency: Duration::from_secs(1),
            delayed: false,
            edge: 0,
            due: None,
            news: 0,
            members: Vec::new(),
            riders: Riders::default(),
            took: Duration::ZERO,
            left: None,
        };
        let left = (1..).find(|frames| class.is_full(frames * 10_700));
        assert_eq!(left, Some(6), "a seventh would not fit");
        class.news = 0;
        assert!(class.is_full(80_000), "more than fits by itself");
    }
}
