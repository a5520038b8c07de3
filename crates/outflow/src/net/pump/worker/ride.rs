//! What a stream has leaves for all connections of a class: with a call each for those who ride, and for the others after a look
//! at each. Who has nothing else to do gets on, and off when somebody looks at it.

use std::io;
use std::task::Context;
use std::time::Instant;

use super::{Due, PROBE, Worker, guarded};
use crate::net::pump::class::Class;
use crate::net::pump::conn::ride::{Ride, Tally, Train};
use crate::net::pump::riders::{FORM, Riders};
use crate::net::pump::uring::{BATCH, Ring};

/// What goes out in one call to all who stand at the live edge, at most.
const TRAIN_BYTES: usize = 256 * 1024;

/// A rider for whom a train was more than one call: where it sits, and what the call came to, if it was made.
type Fallen = (usize, Option<io::Result<usize>>);

impl Worker {
    /// What came since the last time leaves for all connections of a class: in one call each for those at the live edge.
    pub(super) fn depart(&mut self, key: u64, class: usize, now: Instant) {
        let Some(group) = self.streams.get_mut(&key) else { return };
        let stream = group.stream.clone();
        let Some(leaving) = group.classes.get_mut(class) else { return };
        (leaving.due, leaving.news) = (None, 0);
        let (gathered, before) = (leaving.gathers(), leaving.edge);
        let train = Train::new(&stream, before, leaving.size(), TRAIN_BYTES);
        let edge = train.as_ref().map_or_else(|| stream.hub().head(), Train::end);
        let mut members = std::mem::take(&mut leaving.members);
        let mut tally = Tally::default();
        // A crowd takes milliseconds: pushes and those whose delay is measured do not wait for it.
        let mut few = 0;
        for at in 0..members.len() {
            if members.get(at).is_some_and(|place| self.goes_first(*place)) {
                members.swap(few, at);
                few += 1;
            }
        }
        let (first, others) = members.split_at(few);
        for place in first {
            let ridden = self.ride(*place, train.as_ref(), &mut tally, now);
            self.arrive(*place, ridden, gathered, now);
        }
        let fallen = match &train {
            Some(train) => self.carry(key, class, train, now),
            None => self.alight_all(key, class),
        };
        let Some(leaving) = self.class(key, class) else { return };
        leaving.edge = edge;
        // Those who fell, behind any that somebody looked at meanwhile.
        let off = std::mem::take(&mut leaving.members);
        let (looked_at, fell) = off.split_at(off.len().saturating_sub(fallen.len()));
        for place in others.iter().chain(looked_at) {
            let ridden = self.ride(*place, train.as_ref(), &mut tally, now);
            self.arrive(*place, ridden, gathered, now);
        }
        for (place, (_, written)) in fell.iter().zip(fallen) {
            let ridden = match (written, &train) {
                (Some(written), Some(train)) => self.rode(*place, train, written, &mut tally, now),
                // A socket that is full has to be asked in the usual way, which also sees to it that it calls.
                (_, train) => self.ride(*place, train.as_ref(), &mut tally, now),
            };
            self.arrive(*place, ridden, gathered, now);
        }
        tally.tell();
        members.extend(off);
        self.board(key, class, members, train.is_some_and(|train| train.is_plain()));
    }

    fn goes_first(&self, place: usize) -> bool {
        self.connections.get(place).is_some_and(|seat| seat.conn.is_push() || seat.conn.gauge.probed)
    }

    pub(super) fn class(&mut self, key: u64, class: usize) -> Option<&mut Class> {
        self.streams.get_mut(&key)?.classes.get_mut(class)
    }

    /// Sends a train to all who ride. Those who did not get it whole have got off: the last of the members, in this order.
    fn carry(&mut self, key: u64, class: usize, train: &Train, now: Instant) -> Vec<Fallen> {
        let riding = self.class(key, class).filter(|class| !class.riders.aboard().is_empty());
        let Some(riding) = riding else { return Vec::new() };
        if !riding.riders.take(train, now) {
            return self.alight_all(key, class);
        }
        let mut riders = std::mem::take(&mut riding.riders);
        let mut fallen = Vec::new();
        let mut ring = self.ring.take();
        match ring.as_mut().filter(|_| train.single(FORM).is_some()) {
            Some(ring) => self.send_together(&mut riders, train, ring, &mut fallen),
            None => self.send_each(&mut riders, train, &mut fallen),
        }
        let lost = ring.as_ref().is_some_and(|ring| !ring.works());
        self.ring = ring.filter(Ring::works);
        if lost && let Some(seat) = riders.aboard().first().and_then(|rider| self.connections.get(rider.place)) {
            seat.conn.warn("io_uring failed: from now on this thread writes with a call for each connection");
        }
        if let Some(class) = self.class(key, class) {
            class.riders = riders;
        }
        // From the last: those behind move up.
        fallen.reverse();
        for (place, _) in &fallen {
            self.alight(*place);
        }
        if let Some(class) = self.class(key, class) {
            class.riders.note(train, now);
        }
        fallen
    }

    fn send_each(&self, riders: &mut Riders, train: &Train, fallen: &mut Vec<Fallen>) {
        for number in 0..riders.aboard().len() {
            let Some(rider) = riders.aboard().get(number) else { break };
            let place = rider.place;
            let seat = self.connections.get(place).filter(|_| rider.takes(train));
            let written = seat.map(|seat| seat.conn.send(train, FORM));
            fallen.extend(told(riders, number, train.bytes(FORM), written).map(|written| (place, written)));
        }
    }

    fn send_together(&mut self, riders: &mut Riders, train: &Train, ring: &mut Ring, fallen: &mut Vec<Fallen>) {
        let mut results = std::mem::take(&mut self.results);
        for from in (0..riders.aboard().len()).step_by(BATCH) {
            let connections = &self.connections;
            ring.send(
                riders.aboard().iter().skip(from).take(BATCH).map(|rider| {
                    let bytes = train.single(FORM).filter(|_| rider.takes(train))?;
                    Some((connections.get(rider.place)?.conn.socket(), bytes))
                }),
                &mut results,
            );
            for (number, result) in (from..).zip(results.iter().copied()) {
                let Some(rider) = riders.aboard().get(number) else { break };
                let (place, bytes) = (rider.place, train.bytes(FORM));
                let written = usize::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result));
                fallen.extend(told(riders, number, bytes, Some(written)).map(|written| (place, written)));
            }
        }
        self.results = results;
    }

    /// Who sits there is to be looked at: it gets off, if it rides, and hears what it has had.
    pub(super) fn alight(&mut self, place: usize) {
        let Some(seat) = self.connections.get_mut(place) else { return };
        let Some(class) = seat.aboard.take() else { return };
        let group = self.streams.get_mut(&seat.stream);
        let Some(left) = group.and_then(|group| group.classes.get_mut(class)) else { return };
        if let Some(number) = left.riders.find(place) {
            if let Some(news) = left.riders.hear(number) {
                seat.conn.hear(&news);
            }
            left.riders.leave(number);
        }
        left.members.push(place);
    }

    /// Who sits there hears what it has had, if it rides, and rides on.
    pub(super) fn inform(&mut self, place: usize) {
        let Some(seat) = self.connections.get_mut(place) else { return };
        let Some(class) = seat.aboard else { return };
        let group = self.streams.get_mut(&seat.stream);
        let Some(class) = group.and_then(|group| group.classes.get_mut(class)) else { return };
        if let Some(news) = class.riders.find(place).and_then(|number| class.riders.hear(number)) {
            seat.conn.hear(&news);
        }
    }

    fn alight_all(&mut self, key: u64, class: usize) -> Vec<Fallen> {
        let Some(left) = self.class(key, class) else { return Vec::new() };
        let all: Vec<Fallen> = left.riders.aboard().iter().rev().map(|rider| (rider.place, None)).collect();
        all.iter().for_each(|(place, _)| self.alight(*place));
        all
    }

    /// Those of a class who sit there and have nothing else to do ride from here on.
    fn board(&mut self, key: u64, class: usize, mut members: Vec<usize>, boards: bool) {
        let connections = &mut self.connections;
        let group = self.streams.get_mut(&key);
        let Some(boarded) = group.and_then(|group| group.classes.get_mut(class)) else { return };
        // Some may have got off meanwhile.
        members.append(&mut boarded.members);
        members.retain(|place| {
            let Some(seat) = connections.get_mut(*place).filter(|seat| seat.is_in(key)) else { return false };
            let rides = boards && seat.stream == key && seat.next.is_none() && seat.aboard.is_none();
            let Some(pass) = seat.conn.pass(boarded.edge).filter(|_| rides) else { return true };
            boarded.riders.board(*place, &pass);
            seat.aboard = Some(class);
            false
        });
        boarded.riders.settle();
        boarded.members = members;
    }

    fn ride(&mut self, place: usize, train: Option<&Train>, tally: &mut Tally, now: Instant) -> Ride {
        // Who is stuck calls when its socket takes bytes again.
        let Some(seat) = self.connections.get_mut(place).filter(|seat| seat.conn.blocked_since.is_none()) else {
            return Ride::Done;
        };
        let Some(train) = train.filter(|_| seat.next.is_none()) else { return Ride::Visit };
        let mut context = Context::from_waker(&seat.waker);
        let ridden = guarded(&mut seat.conn, |conn| conn.ride(train, now, &mut context, tally));
        self.ridden(place, ridden.unwrap_or(Ride::Gone), now)
    }

    /// What came of a rider's call that did not write all.
    fn rode(
        &mut self,
        place: usize,
        train: &Train,
        written: io::Result<usize>,
        tally: &mut Tally,
        now: Instant,
    ) -> Ride {
        let Some(seat) = self.connections.get_mut(place) else { return Ride::Done };
        let ridden = guarded(&mut seat.conn, |conn| conn.rode(train, written, now, tally));
        self.ridden(place, ridden.unwrap_or(Ride::Gone), now)
    }

    /// Notes what is to be done for a connection that rode.
    fn ridden(&mut self, place: usize, ridden: Ride, now: Instant) -> Ride {
        if ridden == Ride::Done
            && let Some(seat) = self.connections.get_mut(place)
        {
            if seat.conn.gauge.is_waiting() {
                self.probe_at.get_or_insert(now + PROBE);
            }
            if let Some(due) = seat.due.take() {
                self.dues.remove(&(due, Due::Seat(place)));
            }
        }
        ridden
    }
}

/// Counts a train that a rider got whole; what the call came to otherwise, if it wrote anything or never will.
fn told(
    riders: &mut Riders,
    number: usize,
    bytes: usize,
    written: Option<io::Result<usize>>,
) -> Option<Option<io::Result<usize>>> {
    match written {
        Some(Ok(written)) if written == bytes => {
            riders.count(number, bytes);
            None
        }
        Some(Ok(0)) => Some(Some(Err(io::ErrorKind::WriteZero.into()))),
        Some(Err(error)) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
            Some(None)
        }
        written => Some(written),
    }
}
