//! The sink `file`: records FLV. A thread of its own writes, so that a slow disk holds up nobody: this output skips.

mod writer;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{Access, FlockOperation, access, flock};
use tokio::sync::{mpsc, oneshot};

use self::writer::Writer;
use super::store::{self, Run, Taken, Taker};
use super::{BoxFuture, Env, Role, Sink, SinkJob, SinkKind};
use crate::error::{Ended, Origin, Reason, Retry, SpecError};
use crate::monitor::{Event, Teller};
use crate::node::{MediaUrl, Node};
use crate::options::{Options, rtmp};

/// The record of the kind.
pub const KIND: SinkKind = SinkKind {
    name: "file",
    summary: "Records to an FLV file, from a key frame on; an existing file is overwritten.",
    options: &[store::OPTIONS, rtmp::SELECTION],
    accepts: |url: &MediaUrl, _listen| url.path().is_some(),
    live: false,
    open,
};

/// Pieces of at most 1 MiB that may wait for the disk; what is beyond that waits in the stream, where it can be skipped.
const PIECES: usize = 4;
/// How often a writer that has no room is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// After so long without room it is worth a warning.
const STUCK: Duration = Duration::from_secs(2);

/// Validates the word: the folder must be there and writable. Opens nothing.
fn open(node: &Node) -> Result<Box<dyn Sink>, SpecError> {
    let path = node.url.as_ref().and_then(MediaUrl::path).ok_or_else(|| node.error("no file is named"))?;
    let path = PathBuf::from(path);
    let shown = path.display();
    let special = match std::fs::metadata(&path) {
        Ok(meta) if meta.is_dir() => return Err(node.error(format!("{shown} is a directory, not a file"))),
        Ok(meta) => {
            access(&path, Access::WRITE_OK)
                .map_err(|error| node.error(format!("{shown} can't be written: {}", io::Error::from(error))))?;
            meta.file_type().is_fifo() || meta.file_type().is_char_device()
        }
        Err(_) => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            if !parent.is_dir() {
                return Err(node.error(format!("there is no folder {}", parent.display())));
            }
            access(parent, Access::WRITE_OK).map_err(|error| {
                node.error(format!("no file can be made in {}: {}", parent.display(), io::Error::from(error)))
            })?;
            false
        }
    };
    let end = path.extension().and_then(|end| end.to_str()).unwrap_or_default();
    if !special && !end.eq_ignore_ascii_case("flv") {
        let stem = path.with_extension("flv");
        let (flv, what) =
            (stem.display(), if end.is_empty() { "a file without an end".into() } else { format!(".{end}") });
        let error = node.error(format!("only FLV is written, not {what}"));
        return Err(error.hint(format!("record -o {flv} and convert it afterwards: ffmpeg -i {flv} -c copy {shown}")));
    }
    super::selection(node)?;
    Ok(Box::new(FileSink { path, options: node.options.clone(), file: None }))
}

struct FileSink {
    path: PathBuf,
    options: Options,
    /// Opened and locked, not yet emptied.
    file: Option<File>,
}

impl FileSink {
    /// Opens the file without a change to what is in it, and locks it: an input that reads it, and another output that
    /// writes it, are found by that.
    fn claim(&mut self) -> Result<(), Ended> {
        if self.file.is_some() {
            return Ok(());
        }
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&self.path);
        let file = file.map_err(|error| failed(&self.path, "could not be opened", &error))?;
        let regular = file.metadata().is_ok_and(|meta| meta.is_file());
        // Some file systems have no locks, which is no reason not to record.
        if regular && flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(rustix::io::Errno::WOULDBLOCK) {
            let text = format!(
                "{} is in use: it is read by an input or written by another output; name another file",
                self.path.display()
            );
            return Err(Ended::new(Origin::Config, Retry::Never, Reason::File, text));
        }
        self.file = Some(file);
        Ok(())
    }
}

impl Sink for FileSink {
    fn role(&self) -> Role {
        Role::Store
    }

    fn prepare<'a>(&'a mut self, _env: &'a Env) -> BoxFuture<'a, Result<(), Ended>> {
        Box::pin(async move {
            // Opening a named pipe waits for its reader: left to the writer.
            let fifo = std::fs::metadata(&self.path).is_ok_and(|meta| meta.file_type().is_fifo());
            if fifo { Ok(()) } else { self.claim() }
        })
    }

    fn run(&mut self, job: SinkJob) -> BoxFuture<'_, Ended> {
        Box::pin(async move {
            let fifo = std::fs::metadata(&self.path).is_ok_and(|meta| meta.file_type().is_fifo());
            if !fifo && let Err(ended) = self.claim() {
                return ended;
            }
            let (pieces, waiting) = mpsc::channel(PIECES);
            let (done, result) = oneshot::channel();
            let (path, file, writer) = (self.path.clone(), self.file.take(), Writer::new(&job));
            let thread = std::thread::Builder::new().name(format!("out {}", job.name)).spawn(move || {
                let _ = done.send(writer.write_all(file, &path, waiting));
            });
            if let Err(error) = thread {
                return Ended::internal(format!("no thread could be started: {error}"));
            }
            let taker = Taker::for_a_writer(&job, &self.options);
            feed(taker, &job, pieces, result, &self.path).await
        })
    }
}

/// Hands packets to the writer until the stream ends, the writer fails, or the run is stopped; returns when everything
/// that was handed over is in the file.
async fn feed(
    mut taker: Taker,
    job: &SinkJob,
    pieces: mpsc::Sender<Run>,
    mut result: oneshot::Receiver<io::Result<()>>,
    path: &Path,
) -> Ended {
    let verdict = |result: Result<io::Result<()>, oneshot::error::RecvError>, ended: Ended| match result {
        Ok(Ok(())) => ended,
        Ok(Err(error)) => failed(path, "could not be written", &error),
        Err(_) => Ended::internal("the writer of the file failed by a fault of ours"),
    };
    let ended = loop {
        let taken = tokio::select! {
            taken = taker.next(job) => taken,
            result = &mut result => return verdict(result, Ended::internal("the writer of the file ended early")),
        };
        match taken {
            Taken::Packets(run) => {
                if hand_over(&pieces, run, job, path).await.is_err() {
                    break Ended::internal("the writer of the file ended early");
                }
            }
            Taken::Pause => {}
            Taken::End(ended) => break ended,
        }
    };
    drop(pieces);
    verdict(result.await, ended)
}

/// Waits until the writer has room. Meanwhile the lag that is shown grows, and a disk that takes nothing is told.
async fn hand_over(pieces: &mpsc::Sender<Run>, run: Run, job: &SinkJob, path: &Path) -> Result<(), ()> {
    let oldest = run.packets.first().map_or_else(Instant::now, |message| message.packet.arrival);
    let room = pieces.reserve();
    tokio::pin!(room);
    let (begin, mut told) = (Instant::now(), false);
    loop {
        match tokio::time::timeout(LOOK, &mut room).await {
            Ok(Ok(room)) => {
                room.send(run);
                if begin.elapsed() >= LOOK {
                    // What comes next says how late that is; it may not come.
                    job.stats.lag_millis.tell(Teller::ONLY, 0);
                }
                return Ok(());
            }
            Ok(Err(_)) => return Err(()),
            Err(_) => {
                let lag = u64::try_from(oldest.elapsed().as_millis()).unwrap_or(u64::MAX);
                job.stats.lag_millis.tell(Teller::ONLY, lag);
                if !told && begin.elapsed() >= STUCK {
                    told = true;
                    let text = format!(
                        "{} takes nothing: a disk that hangs, or a pipe that nobody reads? What does not fit is skipped",
                        path.display()
                    );
                    (job.events)(Event::Warning { who: job.name.clone(), text });
                }
            }
        }
    }
}

/// Never again: another attempt would overwrite what was recorded.
fn failed(path: &Path, what: &str, error: &io::Error) -> Ended {
    Ended::new(Origin::Config, Retry::Never, Reason::File, format!("{} {what}: {error}", path.display()))
}

#[cfg(test)]
#[path = "file/tests.rs"]
mod tests;
