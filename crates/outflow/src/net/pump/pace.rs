//! How fast a connection may catch up with what it has not sent yet. One that is behind goes through the stream so many
//! times as fast as it came and no faster: on the line it looks like so many outputs that are live, and not like all that it
//! lacks in one piece. One that is live is never asked.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::order::Order;
use crate::net::connection::Connection;

/// So much goes at once: a key frame with what belongs before it is never waited for (it is one message, however large), nor
/// is a group of pictures that is no burden to any line.
const AT_ONCE: usize = 128 * 1024;
/// Who is no further behind is at the live edge but for a moment of this machine's.
const BEHIND: Duration = Duration::from_millis(250);
/// Time that was not used is lost but for so much: it would be a burst when the socket takes bytes again.
const SPARE: Duration = Duration::from_millis(20);
/// The longest wait: a stall is shown after 1.5 s without a byte, and this is none.
const LONGEST: Duration = Duration::from_millis(500);
/// What a push takes where nobody said: a server shows its viewers nothing earlier for having had it earlier.
const PUSH: u32 = 2;
/// And players, which have the first picture at once and want some seconds of stock behind it.
const PLAYER: u32 = 4;

pub(super) struct Pace {
    /// Times as fast as the stream; 0 = as fast as it goes.
    times: u32,
    /// How far behind it may be without being behind: it gathers for so long.
    slack: Duration,
    catching: Option<Catching>,
}

/// A way to the live edge.
struct Catching {
    /// What may still go without a wait.
    at_once: usize,
    /// When the last packet that was read had come to us.
    last: Instant,
    /// When more may be read.
    due: Instant,
}

impl Pace {
    pub(super) fn new(times: u32, slack: Duration) -> Self {
        Self { times, slack: slack + BEHIND, catching: None }
    }

    /// What the output says, else what suits its kind of peer. What stays within this machine goes over no line.
    pub(super) fn of(order: &Order, connection: &Connection) -> Self {
        let host = || order.peer.or_else(|| connection.peer_addr().ok()).map(|peer| peer.ip());
        let times = order.share.burst.unwrap_or_else(|| usual(host(), order.peer.is_some()));
        Self::new(times, order.latency)
    }

    /// True while it is on its way to the live edge, slower than it could.
    pub(super) fn holds(&self) -> bool {
        self.catching.is_some()
    }

    /// Until when nothing more is to be read; `None` if it may be.
    pub(super) fn wait(&self, now: Instant) -> Option<Instant> {
        self.catching.as_ref().map(|catching| catching.due).filter(|due| *due > now)
    }

    /// It begins anew, at another place.
    pub(super) fn restart(&mut self) {
        self.catching = None;
    }

    /// So many bytes were read, the last of which had come to us then; `lag` is how far behind it is still, if more could be
    /// read at once.
    pub(super) fn took(&mut self, now: Instant, bytes: usize, last: Instant, lag: Option<Duration>) {
        if self.times == 0 {
            return;
        }
        let Some(lag) = lag else {
            self.catching = None;
            return;
        };
        match &mut self.catching {
            None if lag > self.slack => {
                self.catching = Some(Catching { at_once: AT_ONCE.saturating_sub(bytes), last, due: now });
            }
            None => {}
            Some(catching) => {
                let step = last.saturating_duration_since(catching.last) / self.times;
                catching.last = last;
                if catching.at_once > 0 {
                    catching.at_once = catching.at_once.saturating_sub(bytes);
                    catching.due = now;
                } else {
                    let from = now.checked_sub(SPARE).map_or(now, |least| catching.due.max(least));
                    catching.due = from + step.min(LONGEST);
                }
            }
        }
    }
}

fn usual(host: Option<IpAddr>, plays: bool) -> u32 {
    match host {
        Some(host) if host.to_canonical().is_loopback() => 0,
        _ if plays => PLAYER,
        _ => PUSH,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const FRAME: Duration = Duration::from_millis(33);

    /// How long a connection takes that is `behind`, of frames of so many bytes, and what went at once.
    fn run(times: u32, behind: Duration, bytes: usize) -> (Duration, usize) {
        let begin = Instant::now();
        let (mut now, mut pace) = (begin + behind, Pace::new(times, Duration::ZERO));
        let (mut arrival, mut at_once) = (begin, 0);
        loop {
            if let Some(due) = pace.wait(now) {
                assert!(due - now <= LONGEST);
                now = due;
            }
            if now == begin + behind {
                at_once += bytes;
            }
            let next = arrival + FRAME;
            pace.took(now, bytes, arrival, (next <= now).then(|| now - next));
            if next > now {
                return (now - begin - behind, at_once);
            }
            arrival = next;
        }
    }

    #[test]
    fn who_is_behind_comes_closer_by_the_rest_of_its_rate_and_arrives() {
        for (times, behind, least, most) in [(4, 3000, 700, 1000), (2, 3000, 2300, 3000), (2, 10_000, 9_000, 10_000)] {
            let (taken, at_once) = run(times, Duration::from_millis(behind), 20_000);
            let wanted = Duration::from_millis(least)..=Duration::from_millis(most);
            assert!(wanted.contains(&taken), "{times} times, {behind} ms: {taken:?}");
            assert!((AT_ONCE..AT_ONCE + 3 * 20_000).contains(&at_once), "{at_once}");
        }
    }

    #[test]
    fn what_is_little_or_nearly_live_or_not_to_be_paced_goes_at_once() {
        assert_eq!(run(4, Duration::from_secs(3), 1000).0, Duration::ZERO);
        assert_eq!(run(4, Duration::from_millis(240), 200_000).0, Duration::ZERO);
        assert_eq!(run(0, Duration::from_secs(10), 200_000).0, Duration::ZERO);
    }

    #[test]
    fn time_that_a_full_socket_took_is_not_made_up_for() {
        let begin = Instant::now();
        let at = |millis: u64| begin + Duration::from_millis(millis);
        let mut pace = Pace::new(2, Duration::ZERO);
        pace.took(at(5000), AT_ONCE, at(0), Some(Duration::from_secs(5)));
        pace.took(at(5000), 60_000, at(200), Some(Duration::from_secs(5)));
        assert_eq!(pace.wait(at(5000)), Some(at(5100)), "200 ms of media, twice as fast");
        assert_eq!(pace.wait(at(5100)), None);
        // It was blocked for two seconds.
        pace.took(at(7100), 60_000, at(400), Some(Duration::from_secs(6)));
        assert_eq!(pace.wait(at(7100)), Some(at(7180)));
        // A frame larger than any: it waits no longer than a stall takes to show.
        pace.took(at(7180), 60_000, at(9000), Some(Duration::from_secs(6)));
        assert_eq!(pace.wait(at(7180)), Some(at(7680)));
        pace.took(at(7680), 60_000, at(7600), None);
        assert!(!pace.holds(), "live");
    }

    #[test]
    fn pushes_come_closer_slower_than_players_and_nobody_on_this_machine_is_paced() {
        for (host, push, player) in
            [("192.0.2.1", 2, 4), ("2001:db8::1", 2, 4), ("127.0.0.9", 0, 0), ("::1", 0, 0), ("::ffff:127.0.0.1", 0, 0)]
        {
            let host = host.parse().ok();
            assert_eq!((usual(host, false), usual(host, true)), (push, player), "{host:?}");
        }
        assert_eq!(usual(None, false), 2);
    }
}
