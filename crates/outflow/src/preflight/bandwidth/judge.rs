//! What the figures of the bandwidth test mean, and what to do about them.

use std::time::Duration;

use serde_json::json;

use super::super::finding::{Finding, Verdict};
use super::super::media::rate;
use super::Sending;

/// So much of what was published has to arrive: the rest is within the edges of the measurement.
const ENOUGH: f64 = 0.95;
/// A lag from which on a line is just good enough; half of what the output may lag, if that is less.
const LATE: Duration = Duration::from_secs(1);
/// Percent of a line that may be used: one that is full to the brim drops something now and then.
const USABLE: u64 = 75;

/// What came of one output. Rates are in bits per second, over the time that counts.
#[derive(Debug, Clone)]
pub(super) struct Path {
    pub(super) name: String,
    /// What it is to send.
    pub(super) wanted: u64,
    /// What was there to be sent.
    pub(super) published: u64,
    /// What the far side counted.
    pub(super) arrived: u64,
    /// Frames that the far side has missed.
    pub(super) missing: u64,
    /// Skips, and frames left out by them, as they were made here.
    pub(super) skips: u64,
    pub(super) skipped_frames: u64,
    /// Connections that the far side has seen.
    pub(super) connections: u64,
    /// The worst, by either side.
    pub(super) worst_lag: Duration,
    /// What the output may lag.
    pub(super) max_lag: Duration,
    pub(super) rtt: Option<Duration>,
    pub(super) retransmits: u64,
    /// What went wrong with it last.
    pub(super) trouble: Option<String>,
}

/// A test that was made.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) paths: Vec<Path>,
    /// The time that counts.
    pub(super) seconds: f64,
}

impl Path {
    fn verdict(&self) -> Verdict {
        let share = if self.published == 0 { 0.0 } else { self.arrived as f64 / self.published as f64 };
        if self.missing > 0 || self.skips > 0 || share < ENOUGH {
            Verdict::Fail
        } else if self.worst_lag >= LATE.min(self.max_lag / 2) || self.connections > 1 {
            Verdict::Warn
        } else {
            Verdict::Pass
        }
    }

    fn told(&self) -> Finding {
        let verdict = self.verdict();
        let mut text = format!(
            "{} of {} arrived, worst lag {}, {}",
            rate(self.arrived),
            rate(self.wanted),
            seconds(self.worst_lag),
            skips(self.skips, self.skipped_frames.max(self.missing))
        );
        if let Some(rtt) = self.rtt {
            text.push_str(&format!(", round trip {:.1} ms", rtt.as_secs_f64() * 1000.0));
        }
        if self.connections > 1 {
            text.push_str(&format!(", {} connections", self.connections));
        }
        let mend = match (verdict, &self.trouble) {
            (Verdict::Pass | Verdict::NotTested, _) => None,
            (_, Some(trouble)) if self.connections != 1 => Some(format!("its connection broke: {trouble}")),
            (Verdict::Fail, _) if self.arrived == 0 => {
                Some("nothing arrived: is its `bind` an address from which the far side can be reached?".to_owned())
            }
            (Verdict::Fail, _) => Some("the line does not carry it beside the others: see `uplink`".to_owned()),
            (Verdict::Warn, _) => {
                Some("it arrives, but just: leave a quarter of the line free, or send less".to_owned())
            }
        };
        let details = json!({
            "wanted_bps": self.wanted,
            "reached_bps": self.arrived,
            "published_bps": self.published,
            "worst_lag_ms": u64::try_from(self.worst_lag.as_millis()).unwrap_or(u64::MAX),
            "skips": self.skips,
            "skipped_frames": self.skipped_frames,
            "missing_frames": self.missing,
            "connections": self.connections,
            "rtt_ms": self.rtt.map(|rtt| (rtt.as_secs_f64() * 10_000.0).round() / 10.0),
            "retransmits": self.retransmits,
        });
        let mut line = Finding::new(&self.name, "bandwidth", verdict, text).details(details);
        line.mend = mend;
        line
    }
}

/// A line for each path, and one for all.
pub(super) fn told(far: &str, sent: &Sent) -> Vec<Finding> {
    let mut lines: Vec<Finding> = sent.paths.iter().map(Path::told).collect();
    let verdict = lines.iter().map(|line| line.verdict).max().unwrap_or(Verdict::NotTested);
    let sum = |of: fn(&Path) -> u64| sent.paths.iter().map(of).sum::<u64>();
    let (wanted, arrived, skipped) = (sum(|path| path.wanted), sum(|path| path.arrived), sum(|path| path.skips));
    let frames = sum(|path| path.skipped_frames.max(path.missing));
    let worst = sent.paths.iter().map(|path| path.worst_lag).max().unwrap_or_default();
    let outputs = if sent.paths.len() == 1 { "1 output".to_owned() } else { format!("{} outputs", sent.paths.len()) };
    let text = format!(
        "{} of {} arrived at {far} from {outputs} at once, over {:.0} s; worst lag {}, {}",
        rate(arrived),
        rate(wanted),
        sent.seconds,
        seconds(worst),
        skips(skipped, frames)
    );
    let details = json!({
        "wanted_bps": wanted,
        "reached_bps": arrived,
        "worst_lag_ms": u64::try_from(worst.as_millis()).unwrap_or(u64::MAX),
        "skips": skipped,
        "seconds": (sent.seconds * 10.0).round() / 10.0,
    });
    let mut line = Finding::new("uplink", "measured", verdict, text).details(details);
    line.mend = match verdict {
        Verdict::Fail if arrived > 0 => Some(fits(&sent.paths, arrived)),
        Verdict::Fail => Some("is there a firewall that lets the test in but no media?".to_owned()),
        Verdict::Warn => Some("leave a quarter of the line free: lower the encoder, or take an output out".to_owned()),
        _ => None,
    };
    lines.push(line);
    lines
}

/// What fits through a line that carries this.
fn fits(paths: &[Path], line: u64) -> String {
    let usable = line / 100 * USABLE;
    let count = paths.len() as u64;
    let free = format!("this line carries {}; with a quarter left free that is {}", rate(line), rate(usable));
    if count <= 1 {
        return format!("{free}: lower the encoder to {} or less", rate(usable));
    }
    let mut left = usable;
    let mut names = Vec::new();
    for path in paths {
        if let Some(rest) = left.checked_sub(path.wanted) {
            left = rest;
            names.push(path.name.as_str());
        }
    }
    let some = match names.len() {
        0 => "not even one fits as it is".to_owned(),
        fit => format!("or send only {fit} as {} ({})", if fit == 1 { "it is" } else { "they are" }, names.join(", ")),
    };
    format!(
        "{free}: lower the encoder to {} or less for all {count}, {some}; or send one stream to a relay that has the line",
        rate(usable / count.max(1))
    )
}

/// There was no test.
pub(super) fn unreached(far: &str, port: u16, text: &str, outputs: &[Sending]) -> Vec<Finding> {
    let not = |output: &Sending| {
        Finding::new(&output.name, "bandwidth", Verdict::NotTested, "not reached: there was no test with the far side")
    };
    let mut lines: Vec<Finding> = outputs.iter().map(not).collect();
    let (found, mend) = if text.contains("the token is") {
        let mend = "give the token that the far side has printed: OUTFLOW_CHECK_TOKEN, or --token-file";
        ("it refuses the token", mend.to_owned())
    } else if text.contains("another test") {
        ("another test is running there", "try again in a minute".to_owned())
    } else {
        let mend = format!(
            "start `outflow check --serve` there, and let TCP port {port} through the firewall before it; both sides \
             should be of one version"
        );
        (text, mend)
    };
    lines.push(Finding::new("uplink", "measured", Verdict::Fail, format!("the far side {far}: {found}")).mend(mend));
    lines
}

/// `0.04 s`, `5.8 s`
fn seconds(lag: Duration) -> String {
    let seconds = lag.as_secs_f64();
    if seconds < 1.0 { format!("{seconds:.2} s") } else { format!("{seconds:.1} s") }
}

fn skips(skips: u64, frames: u64) -> String {
    match (skips, frames) {
        (0, 0) => "no skips".to_owned(),
        (skips, frames) => {
            let noun = if skips == 1 { "skip" } else { "skips" };
            format!("{skips} {noun} ({frames} frames left out)")
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn path(name: &str, arrived: u64) -> Path {
        Path {
            name: name.into(),
            wanted: 6_000_000,
            published: 6_000_000,
            arrived,
            missing: 0,
            skips: 0,
            skipped_frames: 0,
            connections: 1,
            worst_lag: Duration::from_millis(40),
            max_lag: Duration::from_secs(4),
            rtt: Some(Duration::from_millis(20)),
            retransmits: 0,
            trouble: None,
        }
    }

    fn all(paths: Vec<Path>) -> Vec<Finding> {
        told("far:1938", &Sent { paths, seconds: 28.0 })
    }

    #[test]
    fn each_figure_has_its_verdict() {
        let good = path("a", 5_980_000);
        for (path, verdict) in [
            (good.clone(), Verdict::Pass),
            (path("a", 5_600_000), Verdict::Fail),
            (path("a", 0), Verdict::Fail),
            (Path { published: 0, arrived: 0, ..good.clone() }, Verdict::Fail),
            (Path { missing: 1, ..good.clone() }, Verdict::Fail),
            (Path { skips: 1, ..good.clone() }, Verdict::Fail),
            (Path { worst_lag: Duration::from_millis(1500), ..good.clone() }, Verdict::Warn),
            (
                Path { worst_lag: Duration::from_millis(300), max_lag: Duration::from_millis(500), ..good.clone() },
                Verdict::Warn,
            ),
            (Path { connections: 2, trouble: Some("reset".into()), ..good.clone() }, Verdict::Warn),
        ] {
            let lines = all(vec![path.clone()]);
            assert_eq!(lines.iter().map(|line| line.verdict).collect::<Vec<_>>(), [verdict, verdict], "{path:?}");
            let mended = lines.iter().all(|line| line.mend.is_some());
            assert_eq!(mended, verdict != Verdict::Pass, "{lines:#?}");
        }
    }

    #[test]
    fn what_fits_is_told_with_a_quarter_free() {
        let lines = all(["a", "b", "c"].map(|name| path(name, 3_200_000)).into());
        let line = lines.last().unwrap();
        assert!(line.found.starts_with("9.60 Mb/s of 18.00 Mb/s arrived at far:1938 from 3 outputs"), "{line:?}");
        let mend = line.mend.as_deref().unwrap();
        assert!(mend.contains("carries 9.60 Mb/s; with a quarter left free that is 7.20 Mb/s"), "{mend}");
        assert!(mend.contains("2.40 Mb/s or less for all 3") && mend.contains("only 1 as it is (a)"), "{mend}");
        assert_eq!(line.details["reached_bps"], 9_600_000);

        let mend = fits(&["a", "b"].map(|name| path(name, 2_000_000)), 4_000_000);
        assert!(mend.contains("1.50 Mb/s or less for all 2, not even one fits as it is"), "{mend}");
        let mend = fits(&[path("a", 4_000_000)], 4_000_000);
        assert!(mend.ends_with("lower the encoder to 3.00 Mb/s or less"), "{mend}");
        let small = Path { wanted: 1_000_000, ..path("small", 1) };
        let mend = fits(&[path("a", 1), path("b", 1), small], 10_000_000);
        assert!(mend.contains("only 2 as they are (a, small)"), "{mend}");
    }

    #[test]
    fn without_a_far_side_nothing_passes() {
        let output = Sending { name: "a".into(), bps: 1, fps: None, key_interval: None, options: Default::default() };
        for (text, mend) in [
            ("connection refused", "outflow check --serve"),
            ("the token is missing or wrong", "OUTFLOW_CHECK_TOKEN"),
            ("another test is running", "in a minute"),
        ] {
            let lines = unreached("far:1938", 1938, text, std::slice::from_ref(&output));
            assert_eq!(lines[0].verdict, Verdict::NotTested);
            assert_eq!(lines[1].verdict, Verdict::Fail);
            assert!(lines[1].mend.as_deref().unwrap().contains(mend), "{lines:?}");
        }
    }
}
