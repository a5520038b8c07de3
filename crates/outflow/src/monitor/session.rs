//! The clock of an output's session: for how long it has been sending without a break, for platforms that end a session
//! after some hours.

use std::time::{Duration, Instant};

use super::State;

/// A break of so long is none: platforms let a broadcast go on over a short one, and their clock does too.
pub const BREAK: Duration = Duration::from_secs(60);

/// The session of one output.
#[derive(Debug, Default)]
pub struct Session {
    /// Since when, and when it was last seen to last.
    lasts: Option<(Instant, Instant)>,
    run: u64,
}

impl Session {
    /// A look, about once a second. `run` tells one run of the output from the next: who stops an output and starts it
    /// again begins another session. `connected`: there is a connection, whatever is sent over it.
    pub fn look(&mut self, now: Instant, run: u64, state: State, connected: bool) {
        if std::mem::replace(&mut self.run, run) != run {
            self.lasts = None;
        }
        self.lasts = match (state, self.lasts) {
            (State::Live | State::Stalled | State::Yielding, lasts) => {
                Some((lasts.map_or(now, |(since, _)| since), now))
            }
            // The connection is kept for a source that is away, or is sent what is left.
            (State::WaitingInput | State::Draining, Some((since, _))) if connected => Some((since, now)),
            (
                State::Resolving | State::Connecting | State::Handshaking | State::Publishing | State::Backoff,
                Some((since, seen)),
            ) if now.saturating_duration_since(seen) < BREAK => Some((since, seen)),
            // It ended, or was ended.
            _ => None,
        };
    }

    /// Since when it has been sending; `None` while it is not.
    pub fn since(&self) -> Option<Instant> {
        self.lasts.map(|(since, _)| since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Since which second a session lasts, after a look at each of these.
    fn since(looks: &[(u64, u64, State, bool)]) -> Option<u64> {
        let begin = Instant::now();
        let mut session = Session::default();
        for (second, run, state, connected) in looks {
            session.look(begin + Duration::from_secs(*second), *run, *state, *connected);
        }
        session.since().map(|since| since.saturating_duration_since(begin).as_secs())
    }

    #[test]
    fn a_session_begins_with_the_first_byte_and_survives_what_a_platform_does_not_notice() {
        assert_eq!(since(&[(0, 1, State::Connecting, false), (1, 1, State::Publishing, true)]), None);
        let begun = [(0, 1, State::Publishing, true), (2, 1, State::Live, true)];
        assert_eq!(since(&begun), Some(2));
        let after = |more: &[(u64, u64, State, bool)]| since(&[&begun[..], more].concat());
        assert_eq!(after(&[(9, 1, State::Stalled, true), (90, 1, State::Live, true)]), Some(2));
        // Its source is away, and its connection is kept.
        assert_eq!(after(&[(9, 1, State::WaitingInput, true), (99, 1, State::Live, true)]), Some(2));
        // A short break, and a long one.
        assert_eq!(after(&[(9, 1, State::Backoff, false), (40, 1, State::Live, true)]), Some(2));
        assert_eq!(after(&[(9, 1, State::Backoff, false), (70, 1, State::Connecting, false)]), None);
        assert_eq!(
            after(&[(9, 1, State::Backoff, false), (70, 1, State::Backoff, false), (71, 1, State::Live, true)]),
            Some(71)
        );
    }

    #[test]
    fn who_ends_it_begins_another() {
        let begun = [(2, 1, State::Live, true)];
        let after = |more: &[(u64, u64, State, bool)]| since(&[&begun[..], more].concat());
        assert_eq!(after(&[(3, 1, State::Stopped, false)]), None);
        assert_eq!(after(&[(3, 1, State::Failed, false)]), None);
        assert_eq!(after(&[(3, 1, State::WaitingInput, false), (4, 1, State::Live, true)]), Some(4));
        // Stopped and started between two looks.
        assert_eq!(after(&[(3, 2, State::Live, true)]), Some(3));
    }
}
