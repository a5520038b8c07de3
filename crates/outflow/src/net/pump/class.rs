//! Connections of one stream that take its news at the same moment: at once, or gathered for as long as they allow.

use std::time::{Duration, Instant};

use super::order::Order;
use super::riders::Riders;

/// What leaves in one call, at most, unless a single frame is more: beyond it the kernel makes two packets of it, and costs more.
const FULL: u64 = 64 * 1024;

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
}

impl Class {
    /// The class of a connection with this order, which sits there; it begins with item `edge`.
    pub(super) fn new(order: &Order, edge: u64, place: usize) -> Self {
        let (latency, delayed) = (order.latency, !order.cursor.delay().is_zero());
        Self { latency, delayed, edge, due: None, news: 0, members: vec![place], riders: Riders::default() }
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
    fn no_more_is_gathered_than_one_packet_of_the_kernel() {
        let mut class = Class {
            latency: Duration::from_secs(1),
            delayed: false,
            edge: 0,
            due: None,
            news: 0,
            members: Vec::new(),
            riders: Riders::default(),
        };
        let left = (1..).find(|frames| class.is_full(frames * 10_700));
        assert_eq!(left, Some(6), "a seventh would not fit");
        class.news = 0;
        assert!(class.is_full(80_000), "more than fits by itself");
    }
}
