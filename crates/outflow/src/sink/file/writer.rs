//! Writes packets as FLV: whole tags at a time, so that the file can be played whenever the program ends.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use outflow_rtmp::flv::{TagKind, write_header, write_tag};
use tokio::sync::mpsc::Receiver;

use super::super::store::{Run, count};
use super::super::{Progress, SinkJob};
use crate::media::continuity::Continuity;
use crate::media::{Kind, Packet};
use crate::monitor::{OutputStats, State};
use crate::wire::Shared;

/// Where the file header tells whether there is audio and video, and its bits (FLV 10.1 §E.2).
const FLAGS_AT: u64 = 4;
const AUDIO: u8 = 4;
const VIDEO: u8 = 1;

/// The writer of one recording.
pub(super) struct Writer {
    stats: Arc<OutputStats>,
    progress: Progress,
    out: BytesMut,
    /// The file's time: 0 at its first packet.
    time: Continuity,
    /// Nothing of the present stream from before this time is written.
    floor: i64,
    /// Flags in the file header.
    flags: u8,
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
            time: Continuity::default(),
            floor: 0,
            flags: 0,
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
            let begins = !self.time.has_begun();
            let flags = self.add(&run);
            if begins && file.metadata()?.is_file() {
                file.set_len(0)?;
            }
            file.write_all(&self.out)?;
            if begins {
                // Not before something is written: until then a disk that hangs is all there is.
                self.progress.enter(State::Live);
            }
            if flags != self.flags && !begins {
                // A kind of media that was not there at first. A pipe can't be corrected, and need not be.
                let _ = file.write_all_at(&[flags], FLAGS_AT);
            }
            self.flags = flags;
            OutputStats::add(&self.stats.bytes, self.out.len() as u64);
            self.stats.left(Instant::now());
            self.out.clear();
            for message in self.waiting.drain(..) {
                count(&self.stats, &message.packet);
            }
        }
        Ok(())
    }

    /// Adds the tags of a run to the buffer; gives the flags that the file header should have.
    fn add(&mut self, run: &Run) -> u8 {
        let headers = run.headers.as_deref().unwrap_or_default();
        let mut flags = self.flags;
        for message in headers.iter().chain(&run.packets) {
            flags |= match message.packet.kind {
                Kind::Audio => AUDIO,
                Kind::Video => VIDEO,
                Kind::Data => 0,
            };
        }
        let first = run.packets.first().map_or(0, |message| message.packet.dts);
        if let (true, Some(entry)) = (run.switched, run.packets.first()) {
            self.time.take_over(&entry.packet);
        }
        if run.switched || !self.time.has_begun() {
            self.floor = first;
        }
        if !self.time.has_begun() {
            write_header(&mut self.out, flags & AUDIO != 0, flags & VIDEO != 0);
        }
        let begin = self.time.enter(first);
        for header in headers {
            self.tag(&header.packet, begin);
        }
        for message in &run.packets {
            let packet = &message.packet;
            // Audio from before the first picture has no place in the file.
            if packet.dts >= self.floor
                && let Some(time) = self.time.time(packet)
            {
                self.tag(packet, time);
                self.waiting.push(message.clone());
            }
        }
        flags
    }

    fn tag(&mut self, packet: &Packet, time: i64) {
        let kind = match packet.kind {
            Kind::Audio => TagKind::Audio,
            Kind::Video => TagKind::Video,
            Kind::Data => TagKind::Script,
        };
        // A body above what a tag can hold is above what RTMP can bring too. The time wraps around as FLV's does.
        let _ = write_tag(&mut self.out, kind, time as u32, &packet.body);
    }
}
