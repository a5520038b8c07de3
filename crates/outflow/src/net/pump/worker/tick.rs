//! What is done by the clock: deadlines, the figures that the kernel keeps, and who is to leave the line to others.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::{Worker, guarded};
use crate::monitor::{OutputStats, Teller};
use crate::net::pump::load::Watch;
use crate::net::pump::measures;

/// Players are looked at in every so many ticks, pushes in each ...
const SELDOM: usize = 4;
/// ... and about so many players in one tick: a call for each of thousands in every second is work of its own.
const LOOKS: usize = 64;

/// The worst lag of each output's connections here, found first and told once: a look in between must not see none.
#[derive(Default)]
struct Lags(HashMap<*const OutputStats, (Arc<OutputStats>, u64)>);

impl Lags {
    fn note(&mut self, stats: &Arc<OutputStats>, lag: u64) {
        let entry = self.0.entry(Arc::as_ptr(stats)).or_insert_with(|| (stats.clone(), 0));
        entry.1 = entry.1.max(lag);
    }

    /// Tells them, and takes back what was told of outputs that have no connection here any more. Gives those with a lag.
    fn tell(self, teller: Teller, before: &[Arc<OutputStats>]) -> Vec<Arc<OutputStats>> {
        for gone in before.iter().filter(|stats| !self.0.contains_key(&Arc::as_ptr(stats))) {
            gone.lag_millis.tell(teller, 0);
        }
        let told = self.0.into_values().inspect(|(stats, lag)| stats.lag_millis.tell(teller, *lag));
        told.filter(|(_, lag)| *lag > 0).map(|(stats, _)| stats).collect()
    }
}

impl Worker {
    pub(super) fn tick(&mut self, now: Instant) {
        self.ticks += 1;
        let mut worst = Lags::default();
        let mut over = Vec::new();
        let every = SELDOM.max(self.connections.len() / LOOKS);
        let turn = self.ticks;
        let is_due = |place: usize| measures() && (place + turn).is_multiple_of(every);
        self.look_at_riders(now, is_due, &mut worst, &mut over);
        let mut waiting = 0;
        for (key, group) in &self.streams {
            for place in group.classes.iter().flat_map(|class| &class.members) {
                // One that goes over to another stream is a member of both.
                let Some(seat) = self.connections.get_mut(*place).filter(|seat| seat.stream == *key) else { continue };
                // What is wrong with one, or is measured, is not left as it is for longer because there are many.
                let gauge = &seat.conn.gauge;
                let matters = gauge.probed || gauge.held_since().is_some() || seat.conn.blocked_since.is_some();
                let soon = seat.conn.is_push() || (matters && (*place + turn).is_multiple_of(SELDOM));
                let looks = is_due(*place) || (measures() && soon);
                let ended = guarded(&mut seat.conn, |conn| {
                    if looks {
                        conn.look(now);
                    }
                    conn.tick(now)
                });
                waiting += usize::from(!seat.conn.order.cursor.has_begun());
                worst.note(&seat.conn.order.stats, seat.conn.lag_millis(now));
                match ended {
                    Some(None) => {}
                    Some(Some(ended)) => {
                        seat.conn.report(ended);
                        over.push(*place);
                    }
                    None => over.push(*place),
                }
            }
        }
        self.lagging = worst.tell(self.teller, &self.lagging);
        self.watch.get_or_insert_with(|| Watch::new(now)).look(now, &self.load, waiting);
        for place in over {
            self.remove(place);
        }
        self.consult(now);
    }

    /// Of those who ride it is known how they are, but for what the kernel says.
    fn look_at_riders(
        &mut self,
        now: Instant,
        is_due: impl Fn(usize) -> bool,
        worst: &mut Lags,
        over: &mut Vec<usize>,
    ) {
        let mut held = Vec::new();
        for group in self.streams.values_mut() {
            for class in &mut group.classes {
                if class.riders.aboard().is_empty() {
                    continue;
                }
                let lag = group.stream.hub().age(class.edge, now).as_millis();
                let lag = u64::try_from(lag).unwrap_or(u64::MAX);
                class.riders.outputs().for_each(|stats| worst.note(stats, lag));
                for number in 0..class.riders.aboard().len() {
                    let place = class.riders.aboard().get(number).map(|rider| rider.place);
                    let Some(place) = place.filter(|place| is_due(*place)) else { continue };
                    let Some(seat) = self.connections.get_mut(place) else { continue };
                    if let Some(news) = class.riders.hear(number) {
                        seat.conn.hear(&news);
                    }
                    match guarded(&mut seat.conn, |conn| conn.look(now)) {
                        Some(()) if seat.conn.gauge.held_since().is_some() => held.push(place),
                        Some(()) => {}
                        None => over.push(place),
                    }
                }
            }
        }
        for place in held.into_iter().rev() {
            self.alight(place);
        }
    }

    /// Hears who is to leave the line to others, where outputs are not all alike.
    fn consult(&mut self, now: Instant) {
        if !self.yields && !self.uplinks.is_mixed() {
            return;
        }
        let mut glances = Vec::with_capacity(self.connections.len());
        let places: Vec<usize> = self.connections.iter().map(|(place, _)| place).collect();
        for place in &places {
            // They are compared by what they have had.
            self.inform(*place);
            glances.extend(self.connections.get(*place).map(|seat| seat.conn.glance(now)));
        }
        let told = self.uplinks.look(now, &glances);
        self.yields = told.iter().any(Option::is_some);
        for (place, to) in places.into_iter().zip(told) {
            if to.is_some() {
                self.alight(place);
            }
            if self.connections.get_mut(place).is_some_and(|seat| seat.conn.step_aside(to, now)) {
                self.visit(place, now, false);
            }
        }
    }
}
