//! Connections of one stream that take its news at the same moment: at once, or gathered for as long as they allow.

use std::time::{Duration, Instant};

use super::order::Order;

pub(super) struct Class {
    /// For how long news may be gathered.
    pub(super) latency: Duration,
    /// Whether each of them has a time of its own, behind the live edge.
    delayed: bool,
    /// The number behind the last item that left.
    pub(super) edge: u64,
    /// When what was gathered leaves.
    pub(super) due: Option<Instant>,
    /// Where its connections sit.
    pub(super) members: Vec<usize>,
}

impl Class {
    /// The class of a connection with this order, which sits there; it begins with item `edge`.
    pub(super) fn new(order: &Order, edge: u64, place: usize) -> Self {
        let (latency, delayed) = (order.latency, !order.cursor.delay().is_zero());
        Self { latency, delayed, edge, due: None, members: vec![place] }
    }

    /// True if a connection with this order belongs here.
    pub(super) fn takes(&self, order: &Order) -> bool {
        self.latency == order.latency && self.delayed != order.cursor.delay().is_zero()
    }

    /// True if its news are gathered for all together.
    pub(super) fn gathers(&self) -> bool {
        !self.latency.is_zero() && !self.delayed
    }
}
