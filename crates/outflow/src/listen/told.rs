//! Says which limit ended a connection that nobody else would hear of. A flood of them is a line each ten seconds and limit,
//! with how many there were: a log that grows with every hostile connection would be an attack of its own.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::monitor::{self, Event};

/// How long a limit is not named again.
const QUIET: Duration = Duration::from_secs(10);

/// What was said of which limit.
#[derive(Default)]
pub(super) struct Told(Mutex<HashMap<&'static str, Said>>);

struct Said {
    at: Instant,
    since: u64,
}

impl Told {
    /// A connection from this address ended because of this limit: `what` it did.
    pub(super) fn tell(&self, events: &monitor::Sink, who: &str, limit: &'static str, peer: IpAddr, what: &str) {
        if let Some(more) = self.count(limit, Instant::now()) {
            let more = match more {
                0 => String::new(),
                more => format!("; {more} others before, since this was said last"),
            };
            let text = format!("a connection from {peer} was closed: {what} ({limit}){more}");
            events(Event::Warning { who: who.to_owned(), text });
        }
    }

    /// How many were not told before this one; `None` if this one isn't either.
    fn count(&self, limit: &'static str, now: Instant) -> Option<u64> {
        let mut said = self.0.lock();
        match said.get_mut(limit) {
            Some(before) if now.saturating_duration_since(before.at) < QUIET => {
                before.since += 1;
                None
            }
            before => {
                let since = before.map_or(0, |before| before.since);
                said.insert(limit, Said { at: now, since: 0 });
                Some(since)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_a_line_each_ten_seconds() {
        let (told, begin) = (Told::default(), Instant::now());
        let at = |seconds| begin + Duration::from_secs(seconds);
        assert_eq!(told.count("a", at(0)), Some(0));
        for second in 1..10 {
            assert_eq!(told.count("a", at(second)), None);
        }
        // Another limit is another matter.
        assert_eq!(told.count("b", at(5)), Some(0));
        assert_eq!(told.count("a", at(10)), Some(9));
        assert_eq!(told.count("a", at(11)), None);
        assert_eq!(told.count("a", at(30)), Some(1));
    }
}
