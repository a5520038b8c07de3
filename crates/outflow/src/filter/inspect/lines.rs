//! Lines on their way to standard output, standard error or a file, written by a thread of its own.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::time::Duration;

/// Lines that may wait to be written.
const WAITING: usize = 4096;
/// How long the last lines may take when everything ends.
const LAST_LINES: Duration = Duration::from_millis(500);

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Stdout,
    Stderr,
    File(PathBuf),
}

/// Takes lines and never waits for them to be written.
pub(super) struct Lines {
    sender: Option<SyncSender<String>>,
    done: Receiver<()>,
    left_out: Arc<AtomicU64>,
}

impl Lines {
    /// Starts the writer.
    pub(super) fn new(place: Place) -> Self {
        let (sender, waiting) = sync_channel(WAITING);
        let (tell, done) = sync_channel(1);
        let left_out = Arc::new(AtomicU64::new(0));
        let missing = left_out.clone();
        // Without a thread no line is written, which the count says.
        let _ = std::thread::Builder::new().name("inspect".into()).spawn(move || {
            // An output that is closed ends the printing, not the media.
            let _ = write(place, &waiting, &missing);
            let _ = tell.send(());
        });
        Self { sender: Some(sender), done, left_out }
    }

    /// A line, to which the line feed is added.
    pub(super) fn print(&self, mut line: String) {
        line.push('\n');
        self.print_as_is(line);
    }

    /// Text as it is.
    pub(super) fn print_as_is(&self, text: String) {
        let Some(sender) = &self.sender else { return };
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = sender.try_send(text) {
            self.left_out();
        }
    }

    /// Counts a line that was not printed.
    pub(super) fn left_out(&self) {
        self.left_out.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.sender = None;
        let _ = self.done.recv_timeout(LAST_LINES);
    }
}

fn write(place: Place, waiting: &Receiver<String>, left_out: &AtomicU64) -> io::Result<()> {
    let to: Box<dyn Write> = match place {
        Place::Stdout => Box::new(io::stdout()),
        Place::Stderr => Box::new(io::stderr()),
        Place::File(path) => Box::new(File::create(path)?),
    };
    let mut to = BufWriter::new(to);
    loop {
        let line = match waiting.try_recv() {
            Ok(line) => Some(line),
            Err(TryRecvError::Empty) => {
                to.flush()?;
                waiting.recv().ok()
            }
            Err(TryRecvError::Disconnected) => None,
        };
        let missing = left_out.swap(0, Ordering::Relaxed);
        if missing > 0 {
            writeln!(to, "({missing} lines are missing here: they came faster than they were taken)")?;
        }
        match line {
            Some(line) => to.write_all(line.as_bytes())?,
            None => return to.flush(),
        }
    }
}
