//! How many connections there are, in all and from one address: what one peer may take away from others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

/// Counts connections. Clones count together.
#[derive(Clone)]
pub struct Crowd(Arc<Mutex<Counts>>);

struct Counts {
    all: usize,
    of: HashMap<IpAddr, usize>,
    most: usize,
    most_of_one: usize,
}

/// The place of one connection, given back when dropped.
pub struct Place {
    crowd: Crowd,
    address: IpAddr,
}

impl Crowd {
    /// So many connections in all, and from one address.
    pub fn of(most: usize, most_of_one: usize) -> Self {
        Self(Arc::new(Mutex::new(Counts { all: 0, of: HashMap::new(), most, most_of_one })))
    }

    /// Other limits from now on; who is in stays.
    pub fn limit(&self, most: usize, most_of_one: usize) {
        let mut counts = self.0.lock();
        (counts.most, counts.most_of_one) = (most, most_of_one);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.lock().all
    }

    /// A place for a connection from this address, if there is one.
    pub fn enter(&self, address: IpAddr) -> Option<Place> {
        let mut counts = self.0.lock();
        let address = address.to_canonical();
        let of_one = counts.of.get(&address).copied().unwrap_or(0);
        if counts.all >= counts.most || of_one >= counts.most_of_one {
            return None;
        }
        counts.all += 1;
        counts.of.insert(address, of_one + 1);
        Some(Place { crowd: self.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.crowd.0.lock();
        counts.all = counts.all.saturating_sub(1);
        if let Some(of_one) = counts.of.get_mut(&self.address) {
            *of_one = of_one.saturating_sub(1);
            if *of_one == 0 {
                counts.of.remove(&self.address);
            }
        }
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
}
