//! Options of the program itself: what to report, how long to run, how to stop.

use std::net::IpAddr;
use std::time::Duration;

use crate::limits::Limits;
use crate::monitor::log::LogFilter;
use crate::net::pump::Backend;
use crate::secret::Secret;

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

/// Where `-http` has API and page, and who may look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// The address; `None` is every address of both families.
    pub ip: Option<IpAddr>,
    /// The port; 0 lets the system choose.
    pub port: u16,
    /// The token; without one it has to be a loopback address.
    pub token: Option<Secret>,
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
    /// `-http=ADDRESS`: API and page, to look at it.
    pub http: Option<Http>,
    /// `-limits=NAME=VALUE,...`: what peers may cost.
    pub limits: Box<Limits>,
    /// `-pump=io_uring`: how it is written to many.
    pub pump: Backend,
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
            http: None,
            limits: Box::default(),
            pump: Backend::default(),
        }
    }
}
