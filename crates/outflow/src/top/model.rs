//! What `top` shows: the last answer of the relay, in the order that was chosen.

use std::cmp::Ordering;
use std::time::{Duration, Instant, SystemTime};

use serde::Deserialize;

/// An output, as the API shows it. What an older relay does not say is left out.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Output {
    pub(super) id: String,
    pub(super) stream: String,
    pub(super) state: String,
    pub(super) reason: Option<Reason>,
    pub(super) since: String,
    pub(super) attempt: u32,
    pub(super) next_retry_at: Option<String>,
    pub(super) bitrate_bps: u64,
    pub(super) fps: f64,
    pub(super) lag_ms: u64,
    pub(super) skips: u64,
    pub(super) window_closed: bool,
    /// Of an output that serves whoever comes.
    pub(super) players: Option<u64>,
    pub(super) delay_ms: Option<Delay>,
}

/// Why an output is as it is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Reason {
    pub(super) text: String,
}

/// The delay to the destination.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Delay {
    pub(super) p95: Option<f64>,
    pub(super) window_closed: bool,
}

/// An alert that is raised.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Alert {
    pub(super) rule: String,
    pub(super) severity: String,
    pub(super) stream: String,
    pub(super) output: Option<String>,
    pub(super) text: String,
}

/// A stream.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Stream {
    pub(super) id: String,
    pub(super) live: bool,
    pub(super) bitrate_bps: u64,
    pub(super) fps: f64,
    pub(super) players: u64,
}

/// By what outputs are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Name,
    State,
    Since,
    Bitrate,
    Lag,
    Delay,
    Skips,
    Attempts,
}

impl Output {
    /// Its host takes nothing more. An older relay says so with the delay alone.
    pub(super) fn is_closed(&self) -> bool {
        self.window_closed || self.delay_ms.as_ref().is_some_and(|delay| delay.window_closed)
    }
}

impl Sort {
    /// Each with its key and its name.
    pub(super) const ALL: [(Sort, char, &'static str); 8] = [
        (Sort::Name, 'n', "name"),
        (Sort::State, 's', "state"),
        (Sort::Since, 'i', "since"),
        (Sort::Bitrate, 'b', "bitrate"),
        (Sort::Lag, 'l', "lag"),
        (Sort::Delay, 'd', "delay"),
        (Sort::Skips, 'x', "skips"),
        (Sort::Attempts, 't', "tries"),
    ];

    pub(super) fn of_key(key: char) -> Option<Self> {
        Self::ALL.iter().find(|(_, own, _)| *own == key).map(|(sort, ..)| *sort)
    }

    /// Names begin with A, figures with the largest, states with what is worst.
    fn order(self, one: &Output, other: &Output) -> Ordering {
        let p95 = |output: &Output| output.delay_ms.as_ref().and_then(|delay| delay.p95).unwrap_or(-1.0);
        let by = match self {
            Sort::Name => Ordering::Equal,
            Sort::State => badness(&other.state).cmp(&badness(&one.state)),
            Sort::Since => other.since.cmp(&one.since),
            Sort::Bitrate => other.bitrate_bps.cmp(&one.bitrate_bps),
            Sort::Lag => other.lag_ms.cmp(&one.lag_ms),
            Sort::Delay => p95(other).total_cmp(&p95(one)),
            Sort::Skips => other.skips.cmp(&one.skips),
            Sort::Attempts => other.attempt.cmp(&one.attempt),
        };
        by.then_with(|| one.id.cmp(&other.id))
    }
}

fn badness(state: &str) -> u8 {
    match state {
        "failed" => 6,
        "stalled" => 5,
        "backoff" | "yielding" => 4,
        "resolving" | "connecting" | "handshaking" | "publishing" => 3,
        "waiting_input" | "draining" => 2,
        "live" => 1,
        _ => 0,
    }
}

/// All that is shown.
pub(super) struct Model {
    /// Where the relay is.
    pub(super) url: String,
    pub(super) outputs: Vec<Output>,
    pub(super) streams: Vec<Stream>,
    pub(super) alerts: Vec<Alert>,
    /// When the last answer came.
    pub(super) heard: Option<Instant>,
    /// Why there is none since then, and since when.
    pub(super) lost: Option<(Instant, String)>,
    pub(super) sort: Sort,
    pub(super) reversed: bool,
    /// The first output that is shown.
    pub(super) top: usize,
}

impl Model {
    pub(super) fn new(url: String) -> Self {
        Self {
            url,
            outputs: Vec::new(),
            streams: Vec::new(),
            alerts: Vec::new(),
            heard: None,
            lost: None,
            sort: Sort::Name,
            reversed: false,
            top: 0,
        }
    }

    /// Takes an answer, or that there was none: then the last one stays.
    pub(super) fn take(&mut self, answer: super::Answer, now: Instant) {
        match answer {
            Ok((outputs, streams, alerts)) => {
                (self.outputs, self.streams, self.alerts) = (outputs, streams, alerts);
                (self.heard, self.lost) = (Some(now), None);
                self.arrange();
            }
            Err(why) => {
                let since = self.lost.as_ref().map_or(now, |(since, _)| *since);
                self.lost = Some((since, why));
            }
        }
    }

    fn arrange(&mut self) {
        let (sort, reversed) = (self.sort, self.reversed);
        self.outputs.sort_by(|one, other| {
            let order = sort.order(one, other);
            if reversed { order.reverse() } else { order }
        });
    }

    pub(super) fn sort(&mut self, sort: Sort) {
        self.sort = sort;
        self.arrange();
    }

    pub(super) fn reverse(&mut self) {
        self.reversed = !self.reversed;
        self.arrange();
    }

    pub(super) fn scroll(&mut self, lines: i32) {
        let most = self.outputs.len().saturating_sub(1);
        let step = usize::try_from(lines.unsigned_abs()).unwrap_or(usize::MAX);
        self.top = match lines < 0 {
            true => self.top.saturating_sub(step),
            false => self.top.saturating_add(step).min(most),
        };
    }
}

/// How long ago a moment is that the API tells, by this machine's clock; `None` if it can't be read.
pub(super) fn ago(moment: &str) -> Option<Duration> {
    let then = humantime::parse_rfc3339_weak(moment).ok()?;
    Some(SystemTime::now().duration_since(then).unwrap_or_default())
}

/// How long until a moment.
pub(super) fn until(moment: &str) -> Option<Duration> {
    let then = humantime::parse_rfc3339_weak(moment).ok()?;
    Some(then.duration_since(SystemTime::now()).unwrap_or_default())
}
