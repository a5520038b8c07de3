//! How many connections there are, in all and from one address, and how many of them have not said yet what they want: what
//! one peer may take away from others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::limits::Limits;

/// Counts connections. Clones count together.
#[derive(Clone)]
pub struct Crowd(Arc<Mutex<Counts>>);

#[derive(Clone, Copy, Default)]
struct Count {
    all: usize,
    half_open: usize,
}

struct Counts {
    whole: Count,
    of: HashMap<IpAddr, Count>,
    most: Count,
    most_of_one: Count,
}

/// The place of one connection, given back when dropped.
pub struct Place {
    crowd: Crowd,
    address: IpAddr,
    half_open: bool,
}

impl Crowd {
    /// So many connections in all, and from one address.
    pub fn of(most: usize, most_of_one: usize) -> Self {
        let most = Count { all: most, half_open: usize::MAX };
        let most_of_one = Count { all: most_of_one, half_open: usize::MAX };
        Self(Arc::new(Mutex::new(Counts { whole: Count::default(), of: HashMap::new(), most, most_of_one })))
    }

    /// As many as these limits say.
    pub fn within(limits: &Limits) -> Self {
        let crowd = Self::of(0, 0);
        crowd.obey(limits, usize::MAX);
        crowd
    }

    /// Other limits from now on; who is in stays.
    pub fn limit(&self, most: usize, most_of_one: usize) {
        let mut counts = self.0.lock();
        (counts.most.all, counts.most_of_one.all) = (most, most_of_one);
    }

    /// These limits from now on, and at most so many in all; who is in stays.
    pub fn obey(&self, limits: &Limits, most: usize) {
        let mut counts = self.0.lock();
        counts.most = Count { all: limits.connections.min(most), half_open: limits.half_open };
        counts.most_of_one = Count { all: limits.connections_per_address, half_open: limits.half_open_per_address };
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.lock().whole.all
    }

    /// How many of them have not said yet what they want.
    pub fn half_open(&self) -> usize {
        self.0.lock().whole.half_open
    }

    /// A place for a connection from this address, if there is one.
    pub fn enter(&self, address: IpAddr) -> Option<Place> {
        self.admit(address).ok()
    }

    /// The same; the error is the limit that stands against it.
    pub fn admit(&self, address: IpAddr) -> Result<Place, &'static str> {
        let mut counts = self.0.lock();
        let address = address.to_canonical();
        let one = counts.of.get(&address).copied().unwrap_or_default();
        if counts.whole.all >= counts.most.all {
            return Err("limits.connections");
        }
        if one.all >= counts.most_of_one.all {
            return Err("limits.connections_per_address");
        }
        if counts.whole.half_open >= counts.most.half_open {
            return Err("limits.half_open");
        }
        if one.half_open >= counts.most_of_one.half_open {
            return Err("limits.half_open_per_address");
        }
        counts.whole.all += 1;
        counts.whole.half_open += 1;
        counts.of.insert(address, Count { all: one.all + 1, half_open: one.half_open + 1 });
        Ok(Place { crowd: self.clone(), address, half_open: true })
    }

    fn leave(&self, address: IpAddr, all: usize, half_open: usize) {
        let mut counts = self.0.lock();
        counts.whole.all = counts.whole.all.saturating_sub(all);
        counts.whole.half_open = counts.whole.half_open.saturating_sub(half_open);
        if let Some(one) = counts.of.get_mut(&address) {
            one.all = one.all.saturating_sub(all);
            one.half_open = one.half_open.saturating_sub(half_open);
            if one.all == 0 {
                counts.of.remove(&address);
            }
        }
    }
}

impl Place {
    /// It has said what it wants.
    pub fn settle(&mut self) {
        if std::mem::take(&mut self.half_open) {
            self.crowd.leave(self.address, 0, 1);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.crowd.leave(self.address, 1, usize::from(self.half_open));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_more_than_its_share_and_places_come_back() {
        let crowd = Crowd::of(3, 2);
        let (one, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let first = crowd.enter(one);
        let _second = crowd.enter(one);
        assert!(first.is_some() && crowd.enter(one).is_none());
        let _third = crowd.enter(other);
        assert!(crowd.enter(other).is_none(), "three in all");
        drop(first);
        assert!(crowd.enter(one).is_some());
        assert_eq!(crowd.count(), 2);
    }

    #[test]
    fn connections_that_want_nothing_yet_are_capped_apart() {
        let limits = Limits { half_open: 3, half_open_per_address: 2, connections: 5, ..Limits::default() };
        let crowd = Crowd::within(&limits);
        let (one, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let mut held = vec![crowd.admit(one), crowd.admit(one)];
        assert_eq!(crowd.admit(one).err(), Some("limits.half_open_per_address"));
        held.push(crowd.admit(other));
        assert_eq!(crowd.admit(other).err(), Some("limits.half_open"));
        // Who has said what it wants makes room, once.
        for place in held.iter_mut().flatten() {
            place.settle();
            place.settle();
        }
        assert_eq!((crowd.count(), crowd.half_open()), (3, 0));
        held.push(crowd.admit(other));
        held.push(crowd.admit(other));
        assert_eq!(crowd.admit(other).err(), Some("limits.connections"));
        drop(held);
        assert_eq!((crowd.count(), crowd.half_open()), (0, 0));
    }
}
