//! Keeps the log readable: the same reason again and again is told once a minute, skips at most once a second.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use crate::monitor::{Event, State};

/// How long a line that says nothing new is held back.
const SAME: Duration = Duration::from_secs(60);
/// How long the skips of an output are gathered.
const SKIPS: Duration = Duration::from_secs(1);

/// What was told, of each input and output.
#[derive(Default)]
pub(super) struct Repeats {
    told: HashMap<(Sort, String), Told>,
    skips: BTreeMap<String, Skips>,
}

/// Which of its lines.
#[derive(PartialEq, Eq, Hash, Clone, Copy)]
enum Sort {
    Started,
    Ended,
    Lost,
    Failed,
}

struct Told {
    text: String,
    at: Instant,
    held: u64,
}

#[derive(Default)]
struct Skips {
    told: Option<Instant>,
    count: u64,
    packets: u64,
    millis: u64,
    /// The player that it was, and whether it was others too.
    peer: Option<std::net::SocketAddr>,
    several: bool,
}

impl Repeats {
    /// `None` where the line of this event is to be left out, else what is to be added to it.
    pub(super) fn admit(&mut self, event: &Event, now: Instant) -> Option<String> {
        match event {
            Event::InputStarted { input, what } => {
                let changed = self.told.get(&(Sort::Started, input.clone())).is_none_or(|told| told.text != *what);
                if changed {
                    // Another publisher: its end is news, though it be like that of the one before.
                    self.told.remove(&(Sort::Ended, input.clone()));
                }
                self.again(Sort::Started, input, what, now)
            }
            Event::InputEnded { input, reason, .. } => self.again(Sort::Ended, input, &reason.text, now),
            Event::Output { output, state: State::Backoff, reason: Some(reason), .. } => {
                self.again(Sort::Lost, output, &reason.text, now)
            }
            Event::Output { output, state: State::Failed, reason: Some(reason), .. } => {
                self.again(Sort::Failed, output, &reason.text, now)
            }
            // The run ends because of what its output's line told already.
            Event::Failure { who, reason }
                if self.told.get(&(Sort::Failed, who.clone())).is_some_and(|told| told.text == reason.text) =>
            {
                None
            }
            Event::Output { output, state: State::Live, .. } => {
                self.told.remove(&(Sort::Lost, output.clone()));
                Some(String::new())
            }
            Event::Skipped { output, peer, packets, millis, .. } => {
                let skips = self.skips.entry(output.clone()).or_default();
                if skips.count == 0 && skips.may_tell(now) {
                    skips.told = Some(now);
                    return Some(String::new());
                }
                skips.several |= skips.count > 0 && skips.peer != *peer;
                skips.peer = *peer;
                skips.count += 1;
                skips.packets = skips.packets.saturating_add(*packets);
                skips.millis = skips.millis.saturating_add(*millis);
                None
            }
            _ => Some(String::new()),
        }
    }

    fn again(&mut self, sort: Sort, who: &str, text: &str, now: Instant) -> Option<String> {
        let key = (sort, who.to_owned());
        let before = self.told.get_mut(&key).filter(|told| told.text == text);
        let mut more = String::new();
        if let Some(told) = before {
            if now.saturating_duration_since(told.at) < SAME {
                told.held += 1;
                return None;
            }
            if told.held > 0 {
                more = format!(" (and {} times since this was last told)", told.held);
            }
        }
        self.told.insert(key, Told { text: text.to_owned(), at: now, held: 0 });
        Some(more)
    }

    /// Lines on the skips that were gathered: those of a second and more ago, or at the `end` all.
    pub(super) fn skips(&mut self, now: Instant, end: bool) -> Vec<String> {
        let due = self.skips.iter_mut().filter(|(_, skips)| skips.count > 0 && (end || skips.may_tell(now)));
        due.map(|(output, skips)| {
            let Skips { count, packets, millis, peer, several, .. } =
                std::mem::replace(skips, Skips { told: Some(now), ..Skips::default() });
            let times = if count == 1 { "once".to_owned() } else { format!("{count} times") };
            let who = match peer {
                _ if several => "players were".to_owned(),
                Some(peer) => format!("{peer} was"),
                None => "was".to_owned(),
            };
            format!("{output}: {who} too slow {times} more: skipped {packets} packets, {millis} ms of media")
        })
        .collect()
    }
}

impl Skips {
    fn may_tell(&self, now: Instant) -> bool {
        self.told.is_none_or(|told| now.saturating_duration_since(told) >= SKIPS)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::error::{Ended, Reason};

    fn ended(text: &str) -> Event {
        let reason = Ended::network(Reason::NotFound, text);
        Event::InputEnded { input: "in".into(), reason, retry_in: Some(Duration::from_secs(1)) }
    }

    fn output(state: State) -> Event {
        let reason = (state == State::Backoff).then(|| Ended::network(Reason::Connect, "refused"));
        Event::Output { output: "out".into(), state, reason, attempt: 2, retry_in: None }
    }

    fn started(what: &str) -> Event {
        Event::InputStarted { input: "in".into(), what: what.into() }
    }

    #[test]
    fn the_same_reason_is_told_when_it_changes_and_once_a_minute() {
        let (mut repeats, begin) = (Repeats::default(), Instant::now());
        let mut told = |event: &Event, second: u64| repeats.admit(event, begin + Duration::from_secs(second));
        assert_eq!(told(&ended("not there"), 0), Some(String::new()));
        for second in 1..60 {
            assert_eq!(told(&ended("not there"), second), None);
        }
        assert_eq!(told(&ended("not there"), 60).unwrap(), " (and 59 times since this was last told)");
        assert_eq!(told(&ended("not there"), 61), None);
        assert_eq!(told(&ended("refused"), 62), Some(String::new()));
        assert_eq!(told(&ended("not there"), 63), Some(String::new()));
        // Of others nothing is left out.
        assert_eq!(told(&output(State::Backoff), 64), Some(String::new()));
        assert_eq!(told(&output(State::Backoff), 65), None);
        assert_eq!(told(&output(State::Live), 66), Some(String::new()));
        assert_eq!(told(&output(State::Backoff), 67), Some(String::new()), "it was live in between");
    }

    #[test]
    fn an_end_belongs_to_its_start() {
        let (mut repeats, now) = (Repeats::default(), Instant::now());
        let mut told = |event: Event| repeats.admit(&event, now).is_some();
        assert!(told(started("a child")) && told(ended("it failed")));
        assert!(!told(started("a child")) && !told(ended("it failed")));
        assert!(told(started("another")) && told(ended("it failed")));
    }

    #[test]
    fn the_failure_of_an_output_is_told_once() {
        let (mut repeats, now) = (Repeats::default(), Instant::now());
        let reason = |text: &str| Ended::network(Reason::Connect, text);
        let failure = |text: &str| Event::Failure { who: "out".into(), reason: reason(text) };
        let failed = Event::Output {
            output: "out".into(),
            state: State::Failed,
            reason: Some(reason("refused")),
            attempt: 1,
            retry_in: None,
        };
        assert!(repeats.admit(&failure("refused"), now).is_some(), "its output's line was never told");
        assert!(repeats.admit(&failed, now).is_some());
        assert!(repeats.admit(&failure("refused"), now).is_none());
        assert!(repeats.admit(&failure("another"), now).is_some());
    }

    #[test]
    fn skips_are_summed() {
        let (mut repeats, begin) = (Repeats::default(), Instant::now());
        let skip =
            |output: &str| Event::Skipped { output: output.into(), peer: None, packets: 10, millis: 500, why: None };
        let at = |millis| begin + Duration::from_millis(millis);
        assert!(repeats.admit(&skip("a"), at(0)).is_some());
        assert!(repeats.admit(&skip("b"), at(1)).is_some());
        assert!(repeats.skips(at(900), false).is_empty() && repeats.skips(at(5000), true).is_empty());
        for millis in [100, 200, 1500] {
            assert_eq!(repeats.admit(&skip("a"), at(millis)), None);
        }
        let line = "a: was too slow 3 times more: skipped 30 packets, 1500 ms of media";
        assert_eq!(repeats.skips(at(1600), false), [line]);
        assert!(repeats.skips(at(2700), false).is_empty());
        assert!(repeats.admit(&skip("a"), at(2700)).is_some(), "after a quiet second it is told at once");
        assert_eq!(repeats.admit(&skip("a"), at(2710)), None);
        assert!(repeats.skips(at(2720), false).is_empty());
        let line = "a: was too slow once more: skipped 10 packets, 500 ms of media";
        assert_eq!(repeats.skips(at(2720), true), [line]);
        // Of players it is said which one, if it was one.
        let of = |peer: &str| Event::Skipped {
            output: "a".into(),
            peer: Some(peer.parse().unwrap()),
            packets: 10,
            millis: 500,
            why: None,
        };
        for (peers, line) in [
            (["[::1]:7", "[::1]:7"], "a: [::1]:7 was too slow 2 times more: skipped 20 packets, 1000 ms of media"),
            (["[::1]:7", "[::1]:8"], "a: players were too slow 2 times more: skipped 20 packets, 1000 ms of media"),
        ] {
            for peer in peers {
                assert_eq!(repeats.admit(&of(peer), at(2730)), None);
            }
            assert_eq!(repeats.skips(at(2740), true), [line]);
        }
    }
}
