//! The source `pipe`: FLV from standard input, a descriptor, or a named pipe.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use super::file::demux::{Demuxer, ReadError};
use super::file::play::{self, Style};
use super::file::{ENOUGH, FlvDemuxer, Looks, check_readable, identify, path};
use super::{BoxFuture, Produces, Source, SourceJob, SourceKind};
use crate::error::{Ended, SpecError};
use crate::monitor::Event;
use crate::node::{MediaUrl, Node};
use crate::stop::Stop;

/// The record of the kind.
pub const KIND: SourceKind = SourceKind {
    name: "pipe",
    summary: "FLV from standard input (-i -), a descriptor (-i pipe:3) or a named pipe, in real time (up to 2 s ahead of it).",
    options: &[],
    accepts,
    produces: Produces::Encoded,
    may_run_free: true,
    open,
};

/// Bytes handed over at a time, and how many such pieces may wait.
const PIECE: usize = 64 << 10;
const PIECES: usize = 16;
/// How often a wait for bytes looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(100);

/// How a stream is played that has a pace of its own, or may have: a first burst of so much is not held back, and
/// neither is a sender whose clock is faster than ours.
pub(crate) const LIVE: Style = Style { lead: Duration::from_secs(2), drift_ppm: 1000, times: Some(1) };

fn accepts(url: &MediaUrl, _listen: bool) -> bool {
    descriptor(url).is_some() || path(url).is_some_and(is_fifo)
}

fn is_fifo(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|meta| meta.file_type().is_fifo())
}

/// The text of the descriptor that `-` or `pipe:N` names.
fn descriptor(url: &MediaUrl) -> Option<String> {
    match url.raw.expose() {
        "-" | "pipe:" => Some("0".to_owned()),
        raw => raw.strip_prefix("pipe:").map(str::to_owned),
    }
}

/// Validates the word. A descriptor must be open; a named pipe is only looked at, since opening it waits for a writer.
fn open(node: &Node) -> Result<Box<dyn Source>, SpecError> {
    let url = node.url.as_ref().ok_or_else(|| node.error("no pipe is named"))?;
    let (path, shown) = match descriptor(url) {
        Some(text) => {
            let number: u32 = text
                .parse()
                .map_err(|_| node.error(format!("`{text}` is no descriptor: write pipe:3, or - for standard input")))?;
            let path = PathBuf::from(format!("/proc/self/fd/{number}"));
            let path = if path.exists() { path } else { PathBuf::from(format!("/dev/fd/{number}")) };
            if std::fs::metadata(&path).is_err() {
                return Err(
                    node.error(format!("descriptor {number} is not open: start the program with {number}<FILE"))
                );
            }
            (path, if number == 0 { "standard input".to_owned() } else { format!("descriptor {number}") })
        }
        None => {
            let path = self::path(url).ok_or_else(|| node.error("no pipe is named"))?.to_owned();
            check_readable(node, &path)?;
            let shown = format!("pipe {}", path.display());
            (path, shown)
        }
    };
    Ok(Box::new(PipeSource { path, shown }))
}

struct PipeSource {
    path: PathBuf,
    shown: String,
}

impl Source for PipeSource {
    fn run(&mut self, job: SourceJob) -> BoxFuture<'_, Ended> {
        Box::pin(async move {
            (job.events)(Event::InputStarted { input: job.name.clone(), what: self.shown.clone() });
            let (sender, pieces) = sync_channel(PIECES);
            let path = self.path.clone();
            // Opening and reading a pipe can't be interrupted, so that this thread is not waited for: it ends when
            // its next piece finds nobody, or with the program.
            let reader = std::thread::Builder::new().name("pipe".into()).spawn(move || {
                if let Err(error) = copy(&path, &sender) {
                    let _ = sender.send(Err(error));
                }
            });
            if let Err(error) = reader {
                return Ended::internal(format!("no thread could be started: {error}"));
            }
            let mut media = Some(Pieces::new(pieces, job.stop.clone()));
            play::on_thread(job, LIVE, Box::new(move || open_stream(media.take()))).await
        })
    }
}

/// Copies what comes to the player, in pieces.
fn copy(path: &Path, pieces: &SyncSender<io::Result<Vec<u8>>>) -> io::Result<()> {
    // Standard input may be a socket, which can't be opened again by its path.
    let mut reader: Box<dyn Read> = match File::open(path) {
        Ok(file) => Box::new(file),
        Err(_) if path.ends_with("fd/0") => Box::new(io::stdin().lock()),
        Err(error) => return Err(error),
    };
    loop {
        let mut piece = vec![0; PIECE];
        let count = match reader.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        piece.truncate(count);
        if pieces.send(Ok(piece)).is_err() {
            return Ok(());
        }
    }
}

/// Opens the one stream that there is; a second time there is none.
pub(crate) fn open_stream(pieces: Option<Pieces>) -> Result<Box<dyn Demuxer>, ReadError> {
    let Some(mut pieces) = pieces else { return Err(ReadError::media("a pipe can be read only once")) };
    let head = pieces.peek(ENOUGH).map_err(|error| ReadError::io(0, &error))?;
    let what = match identify(head) {
        Looks::FlvOrOther => return Ok(Box::new(FlvDemuxer::new(pieces))),
        Looks::Mp4 => "an MP4 file",
        Looks::MpegTs => "an MPEG transport stream",
    };
    Err(ReadError::media(format!(
        "this is {what}, a pipe is read as FLV: put your own ffmpeg in front, ffmpeg -i - -c copy -f flv - | outflow -i - ..."
    )))
}

/// What comes through a channel, as something to read from. A stop is an error of the kind `ConnectionAborted`.
pub(crate) struct Pieces {
    pieces: Receiver<io::Result<Vec<u8>>>,
    stop: Stop,
    piece: Vec<u8>,
    used: usize,
}

impl Pieces {
    /// Reads what is sent, until the sender is gone or `stop`.
    pub(crate) fn new(pieces: Receiver<io::Result<Vec<u8>>>, stop: Stop) -> Self {
        Self { pieces, stop, piece: Vec::new(), used: 0 }
    }

    /// The first bytes, up to `count` of them, left in place. Waits for as many as decide.
    fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        while self.piece.len() < count && !self.piece.starts_with(b"FLV") {
            match self.receive()? {
                Some(piece) => self.piece.extend(piece),
                None => break,
            }
        }
        Ok(&self.piece)
    }

    fn receive(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if self.stop.is_stopped() {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            match self.pieces.recv_timeout(LOOK) {
                Ok(piece) => return piece.map(Some),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.used >= self.piece.len() {
            match self.receive()? {
                Some(piece) => (self.piece, self.used) = (piece, 0),
                None => return Ok(0),
            }
        }
        let left = self.piece.get(self.used..).unwrap_or_default();
        let count = left.len().min(into.len());
        for (to, from) in into.iter_mut().zip(left) {
            *to = *from;
        }
        self.used += count;
        Ok(count)
    }
}

#[cfg(test)]
#[path = "pipe_tests.rs"]
mod tests;
