//! A connection that leaves the line to a more important one: it sends nothing more behind the message under way, keeps its
//! connection, and goes on at an entry point. What it lacks by then is a skip like any other, with its own reason.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Conn;
use crate::net::pump::uplinks::{Glance, Uplinks};

/// For whom a connection sends nothing, and why it lacks something afterwards.
#[derive(Default)]
pub(super) struct Aside {
    to: Option<Arc<str>>,
    why: Option<String>,
}

impl Aside {
    /// True while it sends nothing.
    pub(super) fn is(&self) -> bool {
        self.to.is_some()
    }

    /// Why something is left out at the entry point that is read now, if it was not slow.
    pub(super) fn excuse(&mut self) -> Option<String> {
        self.why.take()
    }
}

impl Conn {
    /// Takes its place on the line that it leaves by. True if it has to yield there already.
    pub(in crate::net::pump) fn join_line(&mut self, uplinks: &Uplinks, now: Instant) -> bool {
        let to = uplinks.join(self.id, &self.order, &self.connection, now);
        self.step_aside(to, now);
        self.aside.is()
    }

    /// What the others on its line are to know of it.
    pub(in crate::net::pump) fn glance(&self, now: Instant) -> Glance {
        // Who holds itself back is late by that: it is neither held up, nor shown to be well. Who gathers is not late.
        let own = self.pace.holds() && self.blocked_since.is_none() && !self.aside.is();
        let lag = (!own).then(|| Duration::from_millis(self.lag_millis(now)).saturating_sub(self.order.latency));
        Glance { connection: self.id, lag, bytes: self.gauge.arrived() }
    }

    /// Yields to this output, or to nobody any more. True if there may be something to send now.
    pub(in crate::net::pump) fn step_aside(&mut self, to: Option<Arc<str>>, now: Instant) -> bool {
        match to {
            Some(to) if !self.aside.is() => {
                self.aside.why = Some(format!("yielded to {to}: the uplink is too small"));
                self.aside.to = Some(to);
                self.order.cursor.leave(now);
                false
            }
            None if self.aside.to.take().is_some() => {
                self.pace.restart();
                let head = self.order.stream.hub().head();
                self.order.cursor.come_back(head);
                true
            }
            _ => false,
        }
    }

    /// It was sent elsewhere in its stream, or to another one: it still yields, if it did.
    pub(super) fn stay_aside(&mut self, now: Instant) {
        if self.aside.is() {
            self.order.cursor.leave(now);
        }
    }
}
