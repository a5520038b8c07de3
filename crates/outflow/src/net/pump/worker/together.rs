//! A departure with one system call for many connections. What is sent, and what it changes, is that of the usual way.

use std::io;
use std::time::Instant;

use super::{Worker, guarded};
use crate::net::pump::conn::ride::{Ride, Tally, Train};
use crate::net::pump::uring::Ring;

impl Worker {
    /// Sends those of these members on their way who may ride, all at once; the others by themselves.
    pub(super) fn depart_together(
        &mut self,
        members: &[usize],
        train: &Train,
        gathered: bool,
        ring: &mut Ring,
        tally: &mut Tally,
        now: Instant,
    ) {
        let mut riders = std::mem::take(&mut self.riders);
        let mut results = std::mem::take(&mut self.results);
        for place in members {
            let Some(seat) = self.connections.get_mut(*place).filter(|seat| seat.conn.blocked_since.is_none()) else {
                continue;
            };
            let waits = seat.next.is_some();
            match guarded(&mut seat.conn, |conn| !waits && conn.boards(train, now).is_some()) {
                Some(true) => riders.push(*place),
                Some(false) => {
                    let ridden = self.ride(*place, Some(train), tally, now);
                    self.arrive(*place, ridden, gathered, now);
                }
                None => self.remove(*place),
            }
        }
        let seats = riders.iter().map(|place| self.connections.get(*place)?.conn.ticket(train));
        ring.send(seats, &mut results);
        for (place, result) in riders.drain(..).zip(results.iter().copied()) {
            // A socket that is full has to be asked in the usual way, which also sees to it that it calls.
            let ridden = match usize::try_from(result) {
                Err(_) if result == -libc::EAGAIN => self.ride(place, Some(train), tally, now),
                written => {
                    let written = match written {
                        Ok(0) => Err(io::ErrorKind::WriteZero.into()),
                        Ok(written) => Ok(written),
                        Err(_) => Err(io::Error::from_raw_os_error(-result)),
                    };
                    let Some(seat) = self.connections.get_mut(place) else { continue };
                    let ridden = guarded(&mut seat.conn, |conn| conn.rode(train, written, now, tally));
                    self.ridden(place, ridden.unwrap_or(Ride::Gone), now)
                }
            };
            self.arrive(place, ridden, gathered, now);
        }
        self.riders = riders;
        self.results = results;
    }
}
