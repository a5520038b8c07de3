//! Options of the program itself: what to report, how long to run, how to stop.

use std::time::Duration;

use crate::monitor::log::LogFilter;

/// Which report `-r` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// `-r`: redrawn while it runs, and once more at the end.
    All,
    /// `-r=A,B`: only these words.
    Words(Vec<String>),
    /// `-r=`: only at the end.
    Final,
}

/// Options of the program, as against those of words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramOptions {
    /// `-graph`: print the links.
    pub graph: bool,
    /// `-stats`: print figures at the end.
    pub stats: bool,
    /// `-r`: the session's report.
    pub report: Option<Report>,
    /// `-logs=tool@level`.
    pub logs: LogFilter,
    /// `-runfor=MS`: stop after so long.
    pub run_for: Option<Duration>,
    /// `-json`: events as JSON lines on standard output.
    pub json: bool,
    /// `-strict`: warnings are errors.
    pub strict: bool,
    /// `-drain=DURATION`: how long a stop may take.
    pub drain: Duration,
}

impl Default for ProgramOptions {
    fn default() -> Self {
        Self {
            graph: false,
            stats: false,
            report: None,
            logs: LogFilter::default(),
            run_for: None,
            json: false,
            strict: false,
            drain: Duration::from_secs(5),
        }
    }
}
