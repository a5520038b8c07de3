//! What a graph or a relay costs on this machine: by really running it for some seconds, its outputs led to receivers of our
//! own, and what would come from an encoder replaced by media of the same rate.

mod feed;
mod runs;
mod used;

use std::time::Duration;

use serde_json::json;

use super::bandwidth::media::Shape;
use super::finding::{Finding, Verdict};
use crate::node::Node;
use runs::{Measured, run};
use used::Used;

/// What of a graph's words is replaced when it is run to see what it costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The URL of an output that dials.
    Push,
    /// The URL of an output that waits for players.
    Players,
    /// The URL of an input that waits for a publisher.
    Publisher,
    /// The file of an output that records: it must not be written over.
    Store,
}

/// A graph's words, and which of them are to be replaced.
#[derive(Clone, Default)]
pub struct Words {
    /// As typed.
    pub words: Vec<String>,
    /// Places in it, from 0, in their order.
    pub parts: Vec<(usize, Part)>,
    /// The names of the inputs that wait for a publisher, in their order.
    pub publishers: Vec<String>,
}

impl std::fmt::Debug for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // They may hold keys.
        write!(f, "Words({} words, {} replaced)", self.words.len(), self.parts.len())
    }
}

impl Words {
    /// The words with every such part led elsewhere: to the URL that is given for it by its number among its like, or to
    /// nothing. Whoever runs them has to know that these are all: see where they are made.
    pub fn led(&self, mut whither: impl FnMut(Part, usize) -> Option<String>) -> Vec<String> {
        let led = |(place, word): (usize, &String)| {
            let Some(number) = self.parts.iter().position(|(of, _)| *of == place) else { return word.clone() };
            let Some((_, part)) = self.parts.get(number) else { return word.clone() };
            let like = self.parts.iter().take(number).filter(|(_, other)| other == part).count();
            let url = whither(*part, like).unwrap_or_else(|| "null".to_owned());
            let how = ["dst=", "src="].into_iter().find(|how| word.starts_with(how)).unwrap_or_default();
            format!("{how}{url}")
        };
        self.words.iter().enumerate().map(led).collect()
    }

    /// How many there are of this part.
    pub fn count(&self, part: Part) -> usize {
        self.parts.iter().filter(|(_, other)| *other == part).count()
    }
}

/// One stream of a relay, with its outputs.
pub(super) struct Relayed {
    /// Its name.
    pub(super) name: String,
    /// What it is like, if that is known.
    pub(super) shape: Option<Shape>,
    /// How many outputs it has.
    pub(super) outputs: usize,
}

/// How long each run is measured if nothing is said: processes use more at some seconds than at others.
pub const TIME: Duration = Duration::from_secs(10);
/// More processes than this, one for each output, are not started.
const MOST: usize = 16;
/// Players of each output that waits for them, to see what one costs.
const PLAYERS: usize = 8;
/// A difference of CPU between two runs that is less is chance.
const LEAST_CPU: f64 = 0.002;
const WHO: &str = "cost";
const UNKNOWN: &str = "nothing came from its encoder, and so its rate is not known";
const SAY: &str = "let the encoder send, or say what it sends: --rate=6M";

/// Runs a graph with all outputs, with one, as one process per output, and with players; tells what each costs. `shape` tells
/// what an input that waits for a publisher brings, by its name.
pub(super) async fn of_words(words: &Words, lasts: Duration, shape: impl Fn(&str) -> Option<Shape>) -> Vec<Finding> {
    let not = |text: String| Finding::new(WHO, "machine", Verdict::NotTested, text);
    let mut feeds = Vec::new();
    for name in &words.publishers {
        match shape(name) {
            Some(shape) => feeds.push(shape),
            None => return vec![not(format!("{name}: {UNKNOWN}")).mend(SAY)],
        }
    }
    let (pushes, serving) = (words.count(Part::Push), words.count(Part::Players));
    if pushes + serving == 0 {
        return vec![not("no output of it sends to others".to_owned())];
    }
    told("this graph", pushes, serving, &Measured::Words { words, feeds: &feeds }, lasts).await
}

/// The same of a relay: `outflow serve` with these streams.
pub(super) async fn of_relay(streams: &[Relayed], lasts: Duration) -> Vec<Finding> {
    let mut lines: Vec<Finding> = Vec::new();
    let mut feeds = Vec::new();
    let mut outputs = Vec::new();
    for stream in streams {
        match stream.shape {
            Some(shape) => {
                outputs.extend(std::iter::repeat_n(feeds.len(), stream.outputs));
                feeds.push(shape);
            }
            None => {
                let text = format!("{}: {UNKNOWN}", stream.name);
                lines.push(Finding::new(WHO, "stream", Verdict::NotTested, text).mend(SAY));
            }
        }
    }
    if outputs.is_empty() {
        let text = "no stream of which the name and the rate are known has an output";
        lines.push(Finding::new(WHO, "machine", Verdict::NotTested, text));
        return lines;
    }
    let measured = Measured::Relay { outputs: &outputs, feeds: &feeds };
    lines.extend(told("this relay", outputs.len(), 1, &measured, lasts).await);
    lines
}

/// What is run instead of the outputs is plain RTMP.
pub(super) fn encrypted<'a>(outputs: impl Iterator<Item = &'a Node>) -> Option<Finding> {
    let tls = |node: &&Node| node.url.as_ref().is_some_and(|url| url.scheme.as_deref() == Some("rtmps"));
    let text = match outputs.filter(tls).count() {
        0 => return None,
        1 => "one output goes over TLS: its encryption is not in these figures".to_owned(),
        count => format!("{count} outputs go over TLS: their encryption is not in these figures"),
    };
    Some(Finding::new(WHO, "tls", Verdict::NotTested, text).mend("count about as much again for each of them"))
}

async fn told(shown: &str, pushes: usize, serving: usize, plan: &Measured<'_>, lasts: Duration) -> Vec<Finding> {
    let all: Vec<Vec<usize>> = vec![(0..pushes).collect()];
    let runs = async {
        let whole = run(plan, &all, 0, lasts).await?;
        let mut lines = vec![machine(shown, pushes, serving, whole)];
        if pushes > 1 {
            let single = run(plan, &[vec![0]], 0, lasts).await?;
            lines.push(more("per output", "each output more", whole, single, pushes - 1));
            if pushes <= MOST {
                let each: Vec<_> = (0..pushes).map(|place| vec![place]).collect();
                let apart = run(plan, &each, 0, lasts).await?;
                let text = format!("one process for each of the {pushes} outputs would take {}", text_of(apart));
                lines.push(Finding::new(WHO, "apart", Verdict::Pass, text).details(details(apart)));
            }
        }
        if serving > 0 {
            let played = run(plan, &all, PLAYERS, lasts).await?;
            lines.push(more("per player", "each player", played, whole, PLAYERS * serving));
        }
        Ok::<_, String>(lines)
    };
    match runs.await {
        Ok(lines) => lines,
        Err(text) => vec![Finding::new(WHO, "machine", Verdict::NotTested, text)],
    }
}

fn text_of(used: Used) -> String {
    format!("{:.1} % of a core, {} MB", used.cpu * 100.0, used.memory >> 20)
}

fn details(used: Used) -> serde_json::Value {
    json!({ "cpu_cores": used.cpu, "memory_bytes": used.memory })
}

/// What all of it takes, against what there is.
fn machine(shown: &str, pushes: usize, serving: usize, whole: Used) -> Finding {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let share = whole.cpu / cores as f64;
    let verdict = match share {
        share if share > 0.8 => Verdict::Fail,
        share if share > 0.5 => Verdict::Warn,
        _ => Verdict::Pass,
    };
    let outputs = match pushes {
        1 => "1 output".to_owned(),
        count => format!("{count} outputs"),
    };
    let players = if serving > 0 { " and no player" } else { "" };
    let text = format!("{shown} with {outputs}{players}: {} (of {cores} cores)", text_of(whole));
    let line = Finding::new(WHO, "machine", verdict, text).details(details(whole));
    match verdict {
        Verdict::Pass => line,
        _ => line.mend("encode less (smaller size, lower rate), or run it on a machine with more cores"),
    }
}

/// What each of `count` more takes.
fn more(what: &'static str, shown: &str, with: Used, without: Used, count: usize) -> Finding {
    let count = count.max(1);
    let cpu = ((with.cpu - without.cpu) / count as f64).max(0.0);
    let each = Used { cpu, memory: with.memory.saturating_sub(without.memory) / count as u64 };
    let memory = format!("{:.1} MB", each.memory as f64 / 1_048_576.0);
    // Two runs differ by so much of themselves.
    if with.cpu - without.cpu < LEAST_CPU {
        let text = format!("{shown}: less CPU than runs so short can tell apart, {memory}");
        return Finding::new(WHO, what, Verdict::NotTested, text)
            .mend("longer runs tell more: --for=60s")
            .details(details(each));
    }
    let text = format!("{shown}: {:.2} % of a core, {memory}", each.cpu * 100.0);
    Finding::new(WHO, what, Verdict::Pass, text).details(details(each))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> Words {
        let words = [
            "-i",
            "rtmp://:1935/live:gpac:rtmp_listen=1",
            "-o",
            "rtmp://a/live/k",
            "dst=rtmp://b/live/k",
            "-o",
            "rtmp://:1936/live",
        ];
        Words {
            words: words.map(str::to_owned).into(),
            parts: vec![(1, Part::Publisher), (3, Part::Push), (4, Part::Push), (6, Part::Players)],
            publishers: vec!["in".into()],
        }
    }

    #[test]
    fn every_part_is_led_elsewhere_by_its_number_among_its_like() {
        let led = words().led(|part, number| Some(format!("{part:?}{number}")));
        assert_eq!(led, ["-i", "Publisher0", "-o", "Push0", "dst=Push1", "-o", "Players0"]);
        assert_eq!(words().led(|_, _| None)[3..5], ["null", "dst=null"]);
        assert_eq!((words().count(Part::Push), words().count(Part::Players)), (2, 1));
        assert!(!format!("{:?}", words()).contains("live"));
    }

    #[test]
    fn what_one_more_takes_is_the_difference_and_never_less_than_nothing() {
        let with = Used { cpu: 0.12, memory: 30 << 20 };
        let without = Used { cpu: 0.02, memory: 20 << 20 };
        let line = more("per output", "each output more", with, without, 5);
        assert_eq!(line.found, "each output more: 2.00 % of a core, 2.0 MB");
        let line = more("per output", "each", without, with, 5);
        assert_eq!((line.verdict, line.found.contains("less CPU")), (Verdict::NotTested, true));
    }

    #[test]
    fn a_machine_that_is_too_small_is_told() {
        let of = |share: f64| {
            let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
            machine("this graph", 2, 1, Used { cpu: share * cores as f64, memory: 1 << 20 })
        };
        assert_eq!(of(0.1).verdict, Verdict::Pass);
        assert_eq!(of(0.6).verdict, Verdict::Warn);
        assert!(of(0.9).verdict == Verdict::Fail && of(0.9).mend.is_some());
        assert!(of(0.1).found.starts_with("this graph with 2 outputs and no player: "), "{:?}", of(0.1));
    }
}
