//! What was found, line by line, with the mend: as a table for people and as JSON for programs.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Value, json};

/// How one line came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Looked at, and right.
    Pass,
    /// Not looked at: nobody knows.
    NotTested,
    /// It may work, but is hardly meant.
    Warn,
    /// It does not work.
    Fail,
}

impl Verdict {
    /// The word in the table.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::NotTested => "not tested",
            Verdict::Warn => "warn",
            Verdict::Fail => "FAIL",
        }
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// Whom it concerns: the name of an output or input, a host, `uplink`.
    pub who: String,
    /// What was looked at: `name`, `tcp`, `tls`, `rtmp` ...
    pub what: &'static str,
    /// How it came out.
    pub verdict: Verdict,
    /// What was found, a sentence without secrets.
    pub found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
    /// Figures of it, for programs.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub details: Value,
}

impl Finding {
    /// A line without a mend.
    pub fn new(who: &str, what: &'static str, verdict: Verdict, found: impl Into<String>) -> Self {
        Self { who: who.to_owned(), what, verdict, found: found.into(), mend: None, details: Value::Null }
    }

    /// The same with what to do about it.
    pub fn mend(mut self, mend: impl Into<String>) -> Self {
        self.mend = Some(mend.into());
        self
    }

    /// The same with figures.
    pub fn details(mut self, details: Value) -> Self {
        self.details = details;
        self
    }
}

/// All lines.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// The lines, in the order in which they are told.
    pub findings: Vec<Finding>,
    /// How long looking took, in seconds.
    pub seconds: f64,
}

impl Report {
    /// 1 if anything fails, else 0.
    pub fn exit_code(&self) -> i32 {
        i32::from(self.count(Verdict::Fail) > 0)
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.findings.iter().filter(|finding| finding.verdict == verdict).count()
    }

    /// As JSON, with a line break at its end.
    pub fn json(&self) -> String {
        let all = json!({
            "pass": self.count(Verdict::Pass),
            "warn": self.count(Verdict::Warn),
            "fail": self.count(Verdict::Fail),
            "not_tested": self.count(Verdict::NotTested),
            "seconds": (self.seconds * 10.0).round() / 10.0,
            "findings": self.findings,
        });
        format!("{all:#}\n")
    }

    /// As a table: who, what, how it came out, what was found; the mend below it. `width` is that of the terminal.
    pub fn table(&self, width: usize, paint: &dyn Fn(Verdict, &str) -> String) -> String {
        let longest = |of: &dyn Fn(&Finding) -> usize| self.findings.iter().map(of).max().unwrap_or(0);
        let who = longest(&|finding| finding.who.chars().count()).clamp(3, 20);
        let what = longest(&|finding| finding.what.chars().count()).clamp(4, 12);
        let verdict = 10;
        let indent = who + what + verdict + 6;
        let room = width.saturating_sub(indent).max(30);
        let mut text = String::new();
        let mut last = "";
        for finding in &self.findings {
            // A name stands on its first line only.
            let shown = if finding.who == last { String::new() } else { cut(&finding.who, who) };
            last = &finding.who;
            let word = format!("{:<verdict$}", finding.verdict.word());
            let _ =
                write!(text, "{shown:<who$}  {:<what$}  {}  ", cut(finding.what, what), paint(finding.verdict, &word));
            text.push_str(&wrapped(&finding.found, room, indent, ""));
            if let Some(mend) = &finding.mend {
                let _ = write!(text, "{:indent$}{}", "", wrapped(mend, room, indent, "-> "));
            }
        }
        let _ = writeln!(
            text,
            "\n{} pass, {} warn, {} fail, {} not tested, in {:.1} s",
            self.count(Verdict::Pass),
            self.count(Verdict::Warn),
            self.count(Verdict::Fail),
            self.count(Verdict::NotTested),
            self.seconds
        );
        text
    }
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most { text.to_owned() } else { text.chars().take(most - 1).chain(['~']).collect() }
}

/// A sentence over as many lines as it needs, those after the first set in.
fn wrapped(text: &str, room: usize, indent: usize, mark: &str) -> String {
    let mut lines = String::from(mark);
    let mut used = mark.chars().count();
    for (number, word) in text.split_whitespace().enumerate() {
        let length = word.chars().count();
        if number > 0 && used + 1 + length > room {
            let _ = write!(lines, "\n{:width$}", "", width = indent + mark.len());
            used = mark.len();
        } else if number > 0 {
            lines.push(' ');
            used += 1;
        }
        lines.push_str(word);
        used += length;
    }
    lines.push('\n');
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let findings = vec![
            Finding::new("twitch", "name", Verdict::Pass, "1 address"),
            Finding::new("twitch", "tls", Verdict::Fail, "the certificate has expired ".repeat(5)).mend("renew it"),
            Finding::new("null", "publish", Verdict::NotTested, "nothing was published"),
        ];
        Report { findings, seconds: 1.25 }
    }

    #[test]
    fn a_table_fits_its_terminal_and_says_each_name_once() {
        let table = report().table(80, &|_, word| word.to_owned());
        assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
        assert_eq!(table.matches("twitch").count(), 1, "{table}");
        assert!(table.contains("-> renew it") && table.contains("not tested  nothing was published"), "{table}");
        assert!(table.ends_with("1 pass, 0 warn, 1 fail, 1 not tested, in 1.2 s\n"), "{table}");
    }

    #[test]
    fn only_what_fails_makes_the_exit_code() {
        let mut report = report();
        assert_eq!(report.exit_code(), 1);
        report.findings.retain(|finding| finding.verdict != Verdict::Fail);
        assert_eq!(report.exit_code(), 0);
        let json: Value = serde_json::from_str(&report.json()).unwrap_or_default();
        assert_eq!(json["not_tested"], 1);
        assert_eq!(json["findings"][1]["verdict"], "not_tested");
    }
}
