//! Writes packets as FLV: whole tags at a time, so that the file can be played whenever the program ends.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use tokio::sync::mpsc::Receiver;

use super::super::store::{Run, count};
use super::super::{Progress, SinkJob};
use crate::monitor::{OutputStats, State};
use crate::stream::Flv;
use crate::wire::Shared;

/// Where the file header tells whether there is audio and video (FLV 10.1 §E.2).
const FLAGS_AT: u64 = 4;

/// The writer of one recording.
pub(super) struct Writer {
    stats: Arc<OutputStats>,
    progress: Progress,
    out: BytesMut,
    flv: Flv,
    /// Packets within `out`, counted once they are written.
    waiting: Vec<Shared>,
}

impl Writer {
    /// A writer that has begun nothing.
    pub(super) fn new(job: &SinkJob) -> Self {
        Self {
            stats: job.stats.clone(),
            progress: job.progress.clone(),
            out: BytesMut::new(),
            flv: Flv::default(),
            waiting: Vec::new(),
        }
    }

    /// Writes what comes, until nobody is left who sends. `file` is open already but for named pipes.
    pub(super) fn write_all(mut self, file: Option<File>, path: &Path, mut runs: Receiver<Run>) -> io::Result<()> {
        let mut file = match file {
            Some(file) => file,
            None => OpenOptions::new().write(true).open(path)?,
        };
        while let Some(run) = runs.blocking_recv() {
            let (begins, before) = (!self.flv.has_begun(), self.flv.flags());
            let headers = run.headers.as_deref().unwrap_or_default();
            let waiting = &mut self.waiting;
            self.flv.add(headers, run.switched, &run.packets, &mut self.out, |message| waiting.push(message.clone()));
            if begins && file.metadata()?.is_file() {
                file.set_len(0)?;
            }
            file.write_all(&self.out)?;
            if begins {
                // Not before something is written: until then a disk that hangs is all there is.
                self.progress.enter(State::Live);
            }
            let flags = self.flv.flags();
            if flags != before && !begins {
                // A kind of media that was not there at first. A pipe can't be corrected, and need not be.
                let _ = file.write_all_at(&[flags], FLAGS_AT);
            }
            OutputStats::add(&self.stats.bytes, self.out.len() as u64);
            self.stats.left(Instant::now());
            self.out.clear();
            for message in self.waiting.drain(..) {
                count(&self.stats, &message.packet);
            }
        }
        Ok(())
    }
}
