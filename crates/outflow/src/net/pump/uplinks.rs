//! The lines that connections leave by, and what each of them is told there: whose turn it is to yield. Asked by the clock
//! and not for a packet; where all outputs are of one priority, nothing is asked.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::order::Order;
use crate::monitor::{self, Event, OutputStats};
use crate::net::connection::Connection;
use crate::net::uplink::{Change, Joins, Look, Rules, Uplink, What};

/// What a connection tells of itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Glance {
    pub(super) connection: u64,
    /// `None` where it cannot be told.
    pub(super) lag: Option<Duration>,
    /// Bytes that its peer has of it.
    pub(super) bytes: u64,
}

/// All lines of the program.
pub(super) struct Uplinks {
    /// Something can come of looking.
    mixed: AtomicBool,
    inner: Mutex<Inner>,
}

struct Inner {
    rules: Rules,
    /// By the name of their interface.
    lines: HashMap<Arc<str>, Line>,
    interfaces: HashMap<IpAddr, Arc<str>>,
    seats: HashMap<u64, Seat>,
}

/// A connection.
struct Seat {
    line: Arc<str>,
    member: u64,
    bytes: u64,
}

struct Line {
    uplink: Uplink,
    /// Their numbers, by the address of their counters, which each has for itself.
    outputs: HashMap<usize, u64>,
    members: HashMap<u64, Output>,
}

/// An output on a line, with all its connections.
struct Output {
    stats: Arc<OutputStats>,
    events: monitor::Sink,
    name: String,
    connections: usize,
    bytes: u64,
    lag: Option<Duration>,
}

impl Uplinks {
    pub(super) fn new(rules: Rules) -> Arc<Self> {
        let inner = Inner { rules, lines: HashMap::new(), interfaces: HashMap::new(), seats: HashMap::new() };
        Arc::new(Self { mixed: AtomicBool::new(false), inner: Mutex::new(inner) })
    }

    /// True if anything can come of [`Uplinks::look`].
    pub(super) fn is_mixed(&self) -> bool {
        self.mixed.load(Ordering::Relaxed)
    }

    /// A connection begins to send. The answer is whom it is to yield to from the beginning.
    pub(super) fn join(&self, id: u64, order: &Order, connection: &Connection, now: Instant) -> Option<Arc<str>> {
        let local = connection.tcp().local_addr().ok()?;
        let mut inner = self.inner.lock();
        let line = inner.interface(local.ip().to_canonical());
        let to = inner.join(line, id, order, now);
        self.mixed.store(inner.is_mixed(), Ordering::Relaxed);
        to
    }

    /// It sends no more.
    pub(super) fn leave(&self, id: u64, now: Instant) {
        let mut inner = self.inner.lock();
        inner.leave(id, now);
        self.mixed.store(inner.is_mixed(), Ordering::Relaxed);
    }

    /// What these connections do now. The answer is, for each, whom it is to yield to.
    pub(super) fn look(&self, now: Instant, glances: &[Glance]) -> Vec<Option<Arc<str>>> {
        let mut inner = self.inner.lock();
        let told = inner.look(now, glances);
        self.mixed.store(inner.is_mixed(), Ordering::Relaxed);
        told
    }
}

impl Inner {
    fn is_mixed(&self) -> bool {
        self.lines.values().any(|line| line.uplink.is_mixed())
    }

    /// The interface that has this address: those of both families that it has are one line.
    fn interface(&mut self, address: IpAddr) -> Arc<str> {
        /// More addresses than a machine has at a time, even one whose addresses change every day.
        const MOST: usize = 256;
        if let Some(known) = self.interfaces.get(&address) {
            return known.clone();
        }
        if self.interfaces.len() >= MOST {
            self.interfaces.clear();
        }
        let name: Arc<str> = system::interface(address).unwrap_or_else(|| address.to_string()).into();
        self.interfaces.insert(address, name.clone());
        name
    }

    fn join(&mut self, line: Arc<str>, id: u64, order: &Order, now: Instant) -> Option<Arc<str>> {
        let rules = self.rules;
        let place = self.lines.entry(line.clone()).or_insert_with(|| Line {
            uplink: Uplink::new(rules),
            outputs: HashMap::new(),
            members: HashMap::new(),
        });
        // Only compared: the counters are held by the output itself.
        let key = Arc::as_ptr(&order.stats) as usize;
        let member = match place.outputs.get(&key) {
            Some(member) => {
                let member = *member;
                // The latest to come knows what is in the file now.
                for change in place.uplink.prioritise(now, member, order.share.priority) {
                    place.tell(&change);
                }
                member
            }
            None => {
                let is_push = order.peer.is_none();
                let who = Joins {
                    name: order.output.as_str().into(),
                    priority: order.share.priority,
                    // The worst of many players has a bad line of its own nearly always.
                    max_lag: is_push.then(|| order.cursor.max_lag()),
                };
                let (member, change) = place.uplink.join(now, who);
                place.outputs.insert(key, member);
                let output = Output {
                    stats: order.stats.clone(),
                    events: order.events.clone(),
                    name: order.output.clone(),
                    connections: 0,
                    bytes: 0,
                    lag: None,
                };
                place.members.insert(member, output);
                change.into_iter().for_each(|change| place.tell(&change));
                member
            }
        };
        if let Some(output) = place.members.get_mut(&member) {
            output.connections += 1;
            self.seats.insert(id, Seat { line, member, bytes: 0 });
        }
        place.uplink.yields(member).cloned()
    }

    fn leave(&mut self, id: u64, now: Instant) {
        let Some(seat) = self.seats.remove(&id) else { return };
        let Some(line) = self.lines.get_mut(&seat.line) else { return };
        let Some(output) = line.members.get_mut(&seat.member) else { return };
        output.connections = output.connections.saturating_sub(1);
        if output.connections > 0 {
            return;
        }
        line.uplink.leave(now, seat.member);
        line.outputs.retain(|_, member| *member != seat.member);
        if let Some(output) = line.members.remove(&seat.member) {
            output.stats.yields_to.lock().take();
        }
    }

    fn look(&mut self, now: Instant, glances: &[Glance]) -> Vec<Option<Arc<str>>> {
        let mut seen: Vec<(&Arc<str>, u64)> = Vec::new();
        for glance in glances {
            let Some(seat) = self.seats.get_mut(&glance.connection) else { continue };
            let Some(line) = self.lines.get_mut(&seat.line) else { continue };
            let Some(output) = line.members.get_mut(&seat.member) else { continue };
            output.bytes += glance.bytes.saturating_sub(seat.bytes);
            seat.bytes = glance.bytes;
            output.lag = output.lag.max(glance.lag);
        }
        for glance in glances {
            let Some(seat) = self.seats.get(&glance.connection) else { continue };
            if !seen.contains(&(&seat.line, seat.member)) {
                seen.push((&seat.line, seat.member));
            }
        }
        for (line, member) in seen {
            let Some(line) = self.lines.get_mut(line) else { continue };
            let Some(output) = line.members.get_mut(&member) else { continue };
            let lag = std::mem::take(&mut output.lag);
            line.uplink.look(now, member, Look { lag, bytes: output.bytes });
        }
        for line in self.lines.values_mut() {
            for change in line.uplink.step(now) {
                line.tell(&change);
            }
        }
        let told = |glance: &Glance| {
            let seat = self.seats.get(&glance.connection)?;
            self.lines.get(&seat.line)?.uplink.yields(seat.member).cloned()
        };
        glances.iter().map(told).collect()
    }
}

impl Line {
    /// Tells everybody.
    fn tell(&self, change: &Change) {
        let Some(output) = self.members.get(&change.member) else { return };
        let to = &change.to;
        *output.stats.yields_to.lock() = (change.what == What::Yields).then(|| to.clone());
        let text = match change.what {
            What::Yields => {
                OutputStats::add(&output.stats.yields, 1);
                format!("yields to {to}: the uplink is too small")
            }
            What::GoesOn(after) => format!(
                "had yielded to {to} for {:.0} s, and goes on at its next key frame: the uplink may have room again",
                after.as_secs_f32()
            ),
            What::InVain(after) => format!(
                "had yielded to {to} for {:.0} s, and goes on at its next key frame: {to} was no faster for it, so it is not \
                 the uplink",
                after.as_secs_f32()
            ),
            What::NoLess(after) => format!(
                "had yielded to {to} for {:.0} s, and goes on at its next key frame: its priority is no longer below",
                after.as_secs_f32()
            ),
        };
        (output.events)(Event::Note { who: output.name.clone(), text });
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::net::IpAddr;

    /// The name of the interface that has this address.
    pub(super) fn interface(address: IpAddr) -> Option<String> {
        let all = nix::ifaddrs::getifaddrs().ok()?;
        let is = |found: &nix::sys::socket::SockaddrStorage| {
            let v4 = found.as_sockaddr_in().map(|it| IpAddr::from(it.ip()));
            v4.or_else(|| found.as_sockaddr_in6().map(|it| IpAddr::from(it.ip()))) == Some(address)
        };
        all.into_iter().find(|one| one.address.as_ref().is_some_and(is)).map(|one| one.interface_name)
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    pub(super) fn interface(_: std::net::IpAddr) -> Option<String> {
        None
    }
}
