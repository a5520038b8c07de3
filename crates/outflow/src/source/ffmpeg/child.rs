//! A running child: its output copied to the player, its last words kept, its silence noticed.

use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process;
use tokio::time::{sleep, timeout};

use super::command::Command;
use super::guard::GUARD_WORD;
use crate::stop::Stop;

/// How much of what the child says is kept: the end of it.
const SAID: usize = 4096;
/// How often a full channel is tried again.
const RETRY: Duration = Duration::from_millis(5);
/// How long a child that closed its output has to end by itself.
const GRACE: Duration = Duration::from_secs(1);

/// How long its last words may take.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// How a child ended.
#[derive(Debug)]
pub(super) enum Fate {
    /// With success, everything written.
    Done,
    /// With another exit code, or by a signal.
    Exited(ExitStatus),
    /// We ended it, since nothing came.
    Hung,
    /// We ended it, since nobody reads it any more.
    Unread,
    /// Its pipe could not be read.
    Lost(io::Error),
}

/// What a child has left when it is gone.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// The end of what it said.
    pub(super) said: String,
    /// Whether it ever wrote a byte of media.
    pub(super) gave: bool,
}

/// A child process that is killed when this is dropped.
pub(super) struct Child {
    process: process::Child,
}

impl Child {
    /// Starts the command behind the guard `own`. Must be called on the main thread: the kernel ends the child when the
    /// thread that started it ends.
    pub(super) fn start(own: &Path, command: &Command, realtime: bool) -> io::Result<Self> {
        let process = process::Command::new(own)
            .arg(GUARD_WORD)
            .arg(std::process::id().to_string())
            .args(command.arguments(realtime))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        Ok(Self { process })
    }

    /// Copies the output until it ends, nothing comes for `silence`, or `stop`; and until nobody wants it any more, which
    /// `unread` tells where the child writes nothing that would show it. Leaves the child's fate in `fate` before the
    /// player can see the end of the output.
    pub(super) async fn copy(
        mut self,
        pieces: SyncSender<io::Result<Vec<u8>>>,
        silence: Duration,
        piece: usize,
        stop: Stop,
        unread: Stop,
        fate: Arc<Mutex<Option<Fate>>>,
    ) -> Left {
        let (Some(mut output), Some(errors)) = (self.process.stdout.take(), self.process.stderr.take()) else {
            return Left::default();
        };
        let said = Arc::new(Mutex::new(Vec::new()));
        let listen = listen(errors, said.clone());
        let mut gave = false;
        let copy = async {
            let ended = tokio::select! {
                ended = copy(&mut output, &pieces, silence, piece, &mut gave) => ended,
                () = stop.stopped() => Fate::Unread,
                // How it ends by itself tells more.
                () = async { unread.stopped().await; sleep(GRACE).await } => Fate::Unread,
            };
            let ended = match ended {
                Fate::Done => match timeout(GRACE, self.process.wait()).await {
                    Ok(Ok(status)) if status.success() => Fate::Done,
                    Ok(Ok(status)) => Fate::Exited(status),
                    Ok(Err(error)) => Fate::Lost(error),
                    Err(_) => Fate::Hung,
                },
                other => other,
            };
            // Already gone, or about to be: nothing to report.
            let _ = self.process.kill().await;
            let bad = !matches!(ended, Fate::Done | Fate::Unread);
            *fate.lock() = Some(ended);
            if bad {
                // Else its end would look like the clean end of the broadcast.
                send(&pieces, Err(io::Error::other("its sender ended badly"))).await;
            }
            drop(pieces);
        };
        tokio::pin!(listen);
        let mut silent = false;
        {
            tokio::pin!(copy);
            loop {
                tokio::select! {
                    () = &mut copy => break,
                    () = &mut listen, if !silent => silent = true,
                }
            }
        }
        if !silent {
            // A process of its own may hold the pipe open: what it says is waited for only shortly.
            let _ = timeout(LAST_WORDS, &mut listen).await;
        }
        let said = String::from_utf8_lossy(&said.lock()).into_owned();
        Left { said, gave }
    }
}

async fn copy(
    output: &mut (impl AsyncRead + Unpin),
    pieces: &SyncSender<io::Result<Vec<u8>>>,
    silence: Duration,
    size: usize,
    gave: &mut bool,
) -> Fate {
    loop {
        let mut piece = Vec::with_capacity(size);
        let read = timeout(silence, output.read_buf(&mut piece)).await;
        match read {
            Err(_) => return Fate::Hung,
            Ok(Err(error)) => return Fate::Lost(error),
            Ok(Ok(0)) => return Fate::Done,
            Ok(Ok(_)) => *gave = true,
        }
        if !send(pieces, Ok(piece)).await {
            return Fate::Unread;
        }
    }
}

/// Hands a piece to the player; false where it is gone. A full channel means that the player keeps to its pace: the
/// child waits, which is no silence of its own.
async fn send(pieces: &SyncSender<io::Result<Vec<u8>>>, piece: io::Result<Vec<u8>>) -> bool {
    let mut waiting = piece;
    loop {
        match pieces.try_send(waiting) {
            Ok(()) => return true,
            Err(TrySendError::Disconnected(_)) => return false,
            Err(TrySendError::Full(back)) => waiting = back,
        }
        sleep(RETRY).await;
    }
}

/// Keeps the end of what the child says.
async fn listen(mut errors: impl AsyncRead + Unpin, said: Arc<Mutex<Vec<u8>>>) {
    let mut piece = [0u8; 1024];
    while let Ok(count @ 1..) = errors.read(&mut piece).await {
        let mut said = said.lock();
        said.extend_from_slice(piece.get(..count).unwrap_or_default());
        let surplus = said.len().saturating_sub(SAID);
        said.drain(..surplus);
    }
}
