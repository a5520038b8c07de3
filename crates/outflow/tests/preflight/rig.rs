//! Runs the program to its end and reads what it found.

use std::time::Duration;

use outflow_testkit::proc::Command;
use serde_json::Value;

/// What a run found.
pub(crate) struct Found {
    pub(crate) code: i32,
    pub(crate) json: Value,
    /// All that was printed.
    pub(crate) text: String,
}

impl Found {
    /// The lines about this, as (verdict, found, mend).
    pub(crate) fn lines(&self, who: &str, what: &str) -> Vec<(String, String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let all = self.json["findings"].as_array().unwrap_or_else(|| panic!("no findings: {}", self.text));
        let of = all.iter().filter(|line| text(&line["who"]).contains(who) && line["what"] == what);
        of.map(|line| (text(&line["verdict"]), text(&line["found"]), text(&line["mend"]))).collect()
    }

    /// The one line about this.
    pub(crate) fn line(&self, who: &str, what: &str) -> (String, String, String) {
        let mut lines = self.lines(who, what);
        assert_eq!(lines.len(), 1, "{who} {what}: {}", self.text);
        lines.remove(0)
    }

    /// Fails unless the one line about this has this verdict, and these words in what was found and in the mend.
    pub(crate) fn is(&self, who: &str, what: &str, verdict: &str, found: &str, mend: &str) {
        let line = self.line(who, what);
        let right = line.0 == verdict && line.1.contains(found) && line.2.contains(mend);
        assert!(right, "{who} {what} should be {verdict}, {found:?}, {mend:?}, and is {line:?}");
    }
}

/// The program with these words and `--json`, to its end. None of the secrets may be printed.
pub(crate) async fn run(words: &[&str], secrets: &[&str]) -> Found {
    run_with(words, secrets, &[]).await
}

/// The same with these variables.
pub(crate) async fn run_with(words: &[&str], secrets: &[&str], variables: &[(&str, &str)]) -> Found {
    let secrets: Vec<String> = secrets.iter().map(|secret| (*secret).to_owned()).collect();
    let command = Command::new(env!("CARGO_BIN_EXE_outflow")).args(words).arg("--json").secrets(&secrets);
    let command = variables.iter().fold(command, |command, (name, value)| command.env(name, value));
    let mut child = command.start();
    // The cost is measured by several runs of some seconds, one after the other.
    let code = child.wait_exit_within(Duration::from_secs(100)).await;
    let text = child.text();
    let stdout = child.output.look(|output| {
        assert!(output.leaks.is_empty(), "secrets in the output: {text}");
        output.stdout.iter().cloned().collect::<Vec<_>>().join("\n")
    });
    let json = serde_json::from_str(&stdout).unwrap_or(Value::Null);
    Found { code, json, text }
}
