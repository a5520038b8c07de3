//! The console: a thread of its own that writes log lines, JSON lines, status lines and reports.
//!
//! A terminal that is paused or a pipe that nobody reads may stop it, and only it: events are handed over without
//! waiting, and lost (and counted) when too many are waiting.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::lines;
use super::mistakes::Paint;
use super::repeats::Repeats;
use super::report::{self, Used};
use super::status::{self, Rates};
use crate::graph::program::{ProgramOptions, Report};
use crate::monitor::board::Board;
use crate::monitor::log::Level;
use crate::monitor::{self, Event, json};

/// Events that may wait to be written.
const WAITING: usize = 4096;
/// How long it rests after lines were written. Who has a line to say meanwhile does not wake it, which costs more than the line
/// where hundreds of players a second come and go.
const REST: Duration = Duration::from_millis(10);
/// Bytes of lines that are written at once.
const PIECE: usize = 64 * 1024;
/// How often status lines and figures are made.
const TICK: Duration = Duration::from_secs(1);
/// How often `-r` reports where no terminal shows it all the time.
const REPORT: Duration = Duration::from_secs(10);
/// How long the end waits for the last lines to be written.
const LAST_LINES: Duration = Duration::from_secs(2);

enum Message {
    /// Boxed: there is room for thousands from the start.
    Event(Box<Event>, Duration),
    Text(String),
    Finish(SyncSender<()>),
}

/// Writes what happens, until [`Console::finish`].
#[derive(Debug, Clone)]
pub struct Console {
    sender: SyncSender<Message>,
    lost: Arc<AtomicU64>,
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

impl Console {
    /// Starts the thread. `board` is what status lines and reports are made from.
    pub fn start(board: Arc<Board>, program: &ProgramOptions) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let stderr = std::io::stderr();
        let writer = Writer {
            board,
            lines: stderr.is_terminal() && !program.json && std::env::var_os("TERM").is_none_or(|term| term != "dumb"),
            program: program.clone(),
            paint: Paint::for_stderr(),
            rates: Rates::default(),
            report_rates: Rates::default(),
            repeats: Repeats::default(),
            drawn: 0,
            reported: Instant::now(),
            lost: lost.clone(),
        };
        std::thread::Builder::new().name("console".into()).spawn(move || writer.run(&receiver))?;
        Ok(Self { sender, lost })
    }

    /// Where events go. Never waits.
    pub fn events(&self) -> monitor::Sink {
        let (sender, lost) = (self.sender.clone(), self.lost.clone());
        Arc::new(move |event| {
            if sender.try_send(Message::Event(Box::new(event), since_epoch())).is_err() {
                lost.fetch_add(1, Ordering::Relaxed);
            }
        })
    }

    /// Writes text to standard error, in order with the events. Never waits.
    pub fn say(&self, text: String) {
        let _ = self.sender.try_send(Message::Text(text));
    }

    /// Writes everything that is waiting and the final reports. Waits a bounded time for it.
    pub fn finish(self) {
        let (done, finished) = sync_channel(1);
        let deadline = Instant::now() + LAST_LINES;
        let mut message = Message::Finish(done);
        while let Err(std::sync::mpsc::TrySendError::Full(back)) = self.sender.try_send(message) {
            if Instant::now() >= deadline {
                return;
            }
            message = back;
            std::thread::park_timeout(Duration::from_millis(10));
        }
        let _ = finished.recv_timeout(LAST_LINES);
    }
}

struct Writer {
    board: Arc<Board>,
    program: ProgramOptions,
    paint: Paint,
    /// Whether status lines are drawn.
    lines: bool,
    rates: Rates,
    report_rates: Rates,
    repeats: Repeats,
    /// Status lines on the terminal right now.
    drawn: usize,
    /// When `-r` last reported to what is no terminal.
    reported: Instant,
    lost: Arc<AtomicU64>,
}

impl Writer {
    fn run(mut self, receiver: &Receiver<Message>) {
        let mut next = Instant::now() + TICK;
        loop {
            let now = Instant::now();
            // Also where there is always something waiting.
            if now >= next {
                next = now + TICK;
                self.tick();
            }
            match receiver.recv_timeout(next.saturating_duration_since(now)) {
                Ok(message) => {
                    let mut text = String::new();
                    let mut finish = self.take(message, &mut text);
                    // Whatever else waits is written in the same piece. What comes meanwhile may never end.
                    let mut through = false;
                    for _ in 0..WAITING {
                        if finish.is_some() || text.len() >= PIECE {
                            break;
                        }
                        let Ok(message) = receiver.try_recv() else {
                            through = true;
                            break;
                        };
                        finish = self.take(message, &mut text);
                    }
                    self.write(&text);
                    if let Some(done) = finish {
                        self.end();
                        let _ = done.send(());
                        return;
                    }
                    if through {
                        std::thread::sleep(REST);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.end(),
            }
        }
    }

    /// Adds a message to the text for standard error; JSON goes out at once.
    fn take(&mut self, message: Message, text: &mut String) -> Option<SyncSender<()>> {
        match message {
            Message::Finish(done) => return Some(done),
            Message::Text(more) => text.push_str(&more),
            Message::Event(event, time) if self.program.json => stdout(&json::event(&event, time)),
            Message::Event(event, time) => {
                let (tool, level, line) = lines::line(&event);
                if self.program.logs.wants(tool, level)
                    && let Some(more) = self.repeats.admit(&event, Instant::now())
                {
                    text.push_str(&self.line(level, time, &format!("{line}{more}")));
                }
                text.push_str(&self.skips(false));
            }
        }
        None
    }

    /// One line of the log.
    fn line(&self, level: Level, time: Duration, line: &str) -> String {
        let sort = match level {
            Level::Error => self.paint.bad("error"),
            Level::Warning => self.paint.doubtful("warning"),
            Level::Debug => self.paint.faint("debug"),
            Level::Info | Level::Quiet => "info".to_owned(),
        };
        format!("{} {sort} {line}\n", self.paint.faint(&lines::clock(time)))
    }

    /// Lines on skips that were gathered.
    fn skips(&mut self, end: bool) -> String {
        let skips = self.repeats.skips(Instant::now(), end);
        skips.iter().map(|line| self.line(Level::Warning, since_epoch(), line)).collect()
    }

    fn tick(&mut self) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        let mut note = self.skips(false);
        if lost > 0 {
            note.push_str(&format!("{lost} lines could not be written in time\n"));
        }
        note.push_str(&self.report_due(Instant::now()));
        if self.program.json {
            stdout(&json::figures(&self.board.view(), self.board.begin.elapsed(), since_epoch()));
            stderr(&note);
        } else {
            self.write(&note);
        }
    }

    /// Log lines above, status lines (or the report of `-r`) below.
    fn write(&mut self, text: &str) {
        if !self.lines {
            return stderr(text);
        }
        let drawing = self.drawing();
        stderr(&status::redraw(self.drawn, text, &drawing));
        self.drawn = drawing.len();
    }

    fn drawing(&mut self) -> Vec<String> {
        let (columns, rows) = terminal_size();
        let mut lines = match &self.program.report {
            None | Some(Report::Final) => {
                status::lines(&self.board.view(), &mut self.rates, Instant::now(), columns, self.paint)
            }
            Some(_) => self.report().lines().map(|line| status::cut(line, columns)).collect(),
        };
        // A drawing taller than the terminal could not be taken back.
        lines.truncate(rows.saturating_sub(1).max(1));
        lines
    }

    /// The report of `-r`, now and then, for a log or a pipe: a terminal has it before its eyes.
    fn report_due(&mut self, now: Instant) -> String {
        let wanted = matches!(self.program.report, Some(Report::All | Report::Words(_))) && !self.lines;
        if !wanted || now.saturating_duration_since(self.reported) < REPORT {
            return String::new();
        }
        self.reported = now;
        self.report()
    }

    fn report(&mut self) -> String {
        let names = match &self.program.report {
            Some(Report::Words(names)) => names.as_slice(),
            _ => &[],
        };
        let uptime = self.board.begin.elapsed();
        report::session(&self.board.view(), names, &mut self.report_rates, uptime, Used::now())
    }

    fn end(&mut self) {
        let mut text = self.skips(true);
        if self.program.report.is_some() {
            text.push_str(&self.report());
        }
        if self.program.stats {
            text.push_str(&report::figures(&self.board.view(), self.board.begin.elapsed(), Used::now()));
        }
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            text.push_str(&format!("{lost} lines could not be written in time\n"));
        }
        if self.program.json {
            stdout(&json::figures(&self.board.view(), self.board.begin.elapsed(), since_epoch()));
        }
        match self.lines {
            // The last status lines stay, unless the report says the same.
            true => {
                let keep = if self.program.report.is_some() { Vec::new() } else { self.drawing() };
                stderr(&format!("{}{text}", status::redraw(self.drawn, "", &keep)));
            }
            false => stderr(&text),
        }
    }
}

/// Columns and rows of the terminal.
fn terminal_size() -> (usize, usize) {
    let size = rustix::termios::tcgetwinsize(std::io::stderr()).ok();
    let positive = |count: u16, other: usize| if count > 0 { usize::from(count) } else { other };
    size.map_or((80, 24), |size| (positive(size.ws_col, 80), positive(size.ws_row, 24)))
}

// Whoever reads may be gone: there is nobody to tell.
fn stderr(text: &str) {
    if !text.is_empty() {
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }
}

fn stdout(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn writer(report: Option<Report>, lines: bool, begin: Instant) -> Writer {
        Writer {
            board: Arc::default(),
            program: ProgramOptions { report, ..ProgramOptions::default() },
            paint: Paint::default(),
            lines,
            rates: Rates::default(),
            report_rates: Rates::default(),
            repeats: Repeats::default(),
            drawn: 0,
            reported: begin,
            lost: Arc::default(),
        }
    }

    #[test]
    fn the_second_is_told_also_while_lines_never_end() {
        let (sender, receiver) = sync_channel(WAITING);
        let writer = writer(None, false, Instant::now());
        let lost = writer.lost.clone();
        lost.store(1, Ordering::Relaxed);
        let thread = std::thread::spawn(move || writer.run(&receiver));
        // Each look at what was lost takes it; there is a line waiting whenever the writer looks.
        let deadline = Instant::now() + 10 * TICK;
        while lost.load(Ordering::Relaxed) > 0 && Instant::now() < deadline {
            let _ = sender.try_send(Message::Text(String::new()));
            std::thread::yield_now();
        }
        let told = lost.load(Ordering::Relaxed) == 0;
        drop(sender);
        thread.join().unwrap();
        assert!(told, "waited {:?} for the writer to tell what was lost", 10 * TICK);
    }

    #[test]
    fn what_is_no_terminal_gets_a_report_now_and_then() {
        let begin = Instant::now();
        let writer = |report, lines| writer(report, lines, begin);
        let mut log = writer(Some(Report::All), false);
        assert_eq!(log.report_due(begin + REPORT / 2), "");
        assert!(log.report_due(begin + REPORT).starts_with("Outflow Session Status"));
        assert_eq!(log.report_due(begin + REPORT + TICK), "", "once each time");
        assert_ne!(log.report_due(begin + REPORT * 2), "");
        for (report, lines) in [(Some(Report::All), true), (Some(Report::Final), false), (None, false)] {
            assert_eq!(writer(report, lines).report_due(begin + REPORT), "");
        }
    }
}
