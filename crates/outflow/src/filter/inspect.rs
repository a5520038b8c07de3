//! `inspect`: prints tracks and packets in GPAC's words and passes everything on untouched. Lines go to a thread of
//! their own through a bounded channel: if nobody reads them, they are dropped and counted, and the media goes on.

mod format;
mod lines;
mod track;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use self::format::Format;
use self::lines::{Lines, Place};
use self::track::Track;
use super::FilterKind;
use crate::error::SpecError;
use crate::media::{Feed, Intake, Kind, Packet, StreamInfo};
use crate::node::Node;
use crate::options::{OptionSpec, Type};

/// The record of `inspect`.
pub const KIND: FilterKind = FilterKind {
    name: "inspect",
    summary: "prints what passes: one line per track and, with deep, per packet",
    options: &[&[
        OptionSpec::new("deep", Type::Bool, "false", "print every packet"),
        OptionSpec::new(
            "fmt",
            Type::Text,
            "",
            "print every packet like this: %pid% %pn% %cts% %dts% %dur% %sap% %size% %lf%",
        ),
        OptionSpec::new("dur", Type::Float, "0", "print only the first so many seconds of media; 0 = all"),
        OptionSpec::new("log", Type::Text, "stdout", "where to: stdout, stderr, or a file"),
        OptionSpec::new(
            "interleave",
            Type::Bool,
            "true",
            "packets in the order in which they come; else track after track, at the end",
        ),
        OptionSpec::new("stats", Type::Bool, "false", "print totals of each track at the end"),
        OptionSpec::new("analyze", Type::Text, "", "no effect: bodies are not taken apart here").ignored(),
        OptionSpec::new("timeout", Type::Text, "", "no effect: tracks are printed as they come").ignored(),
    ]],
    check: |node| read(node).map(drop),
    open,
};

/// Packets whose duration is not known yet, since the next one of their track has not come.
const MAX_UNFINISHED: usize = 256;
/// Tracks that are told apart.
const MAX_TRACKS: usize = 64;
/// Lines kept for the end where they are not interleaved.
const MAX_KEPT: usize = 100_000;

/// Where lines go and what they look like, as the word says.
fn read(node: &Node) -> Result<(Place, Option<Format>), SpecError> {
    let options = &node.options;
    let place = match options.text("log").as_deref() {
        None | Some("" | "stdout") => Place::Stdout,
        Some("stderr") => Place::Stderr,
        Some(path) => Place::File(writable(path).map_err(|problem| {
            node.option_error("log", problem)
                .hint("say `log=stdout`, `log=stderr`, or a file in a folder that is there")
        })?),
    };
    let format = match options.text("fmt").filter(|text| !text.is_empty()) {
        Some(text) => Some(Format::parse(&text).map_err(|problem| node.option_error("fmt", problem))?),
        None => None,
    };
    Ok((place, format))
}

/// The path of a file that can be written, so far as can be seen without making it.
fn writable(path: &str) -> Result<PathBuf, String> {
    let file = Path::new(path);
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent.filter(|parent| !parent.is_dir()) {
        return Err(format!("no file can be made at {path}: there is no folder {}", parent.display()));
    }
    if file.is_dir() {
        return Err(format!("{path} is a folder"));
    }
    // A pipe is not opened here: that would wait for its reader, or end it.
    let exists = file.symlink_metadata().is_ok();
    if file.is_file() {
        let opened = std::fs::OpenOptions::new().append(true).open(file);
        opened.map_err(|error| format!("{path} can't be written: {error}"))?;
    } else if !exists && parent.unwrap_or(Path::new(".")).metadata().is_ok_and(|about| about.permissions().readonly()) {
        return Err(format!("no file can be made at {path}: its folder can't be written"));
    }
    Ok(PathBuf::from(path))
}

fn open(node: &Node, next: Feed) -> Result<Feed, SpecError> {
    let options = &node.options;
    let (place, format) = read(node)?;
    let seconds = options.float("dur").filter(|seconds| *seconds > 0.0 && seconds.is_finite());
    let state = State {
        lines: Lines::new(place),
        deep: options.bool("deep") || format.is_some(),
        format,
        limit: seconds.map(|seconds| (seconds * 1000.0) as i64),
        interleave: !options.is_set("interleave") || options.bool("interleave"),
        stats: options.bool("stats"),
        tracks: Vec::new(),
        unfinished: VecDeque::new(),
        kept: Vec::new(),
        metadata: None,
        first: None,
    };
    Ok(Arc::new(Inspect { next, state: Mutex::new(state) }))
}

struct Inspect {
    next: Feed,
    state: Mutex<State>,
}

impl Intake for Inspect {
    fn start(&self, info: StreamInfo) {
        self.state.lock().first = None;
        self.next.start(info);
    }

    fn push(&self, packet: Packet) {
        self.state.lock().look(&packet);
        self.next.push(packet);
    }

    fn end(&self, clean: bool) {
        self.state.lock().finish();
        self.next.end(clean);
    }

    fn marks(&self) -> Vec<String> {
        self.next.marks()
    }

    fn came_by(&self, hops: &[String]) {
        self.next.came_by(hops);
    }

    fn runs_on(&self, thread: usize) {
        self.next.runs_on(thread);
    }
}

impl Drop for Inspect {
    fn drop(&mut self) {
        self.state.lock().finish();
    }
}

/// What is printed of a packet.
#[derive(Debug, Clone, Copy)]
struct Entry {
    track: usize,
    number: u64,
    dts: i64,
    cts: i64,
    duration: Option<i64>,
    sap: u8,
    size: usize,
}

struct State {
    lines: Lines,
    deep: bool,
    format: Option<Format>,
    /// Milliseconds of media to print.
    limit: Option<i64>,
    interleave: bool,
    stats: bool,
    tracks: Vec<Track>,
    unfinished: VecDeque<Entry>,
    kept: Vec<(usize, String)>,
    metadata: Option<track::Metadata>,
    first: Option<i64>,
}

impl State {
    fn look(&mut self, packet: &Packet) {
        if packet.kind == Kind::Data && packet.flags.header {
            self.metadata = track::Metadata::read(&packet.body);
            return;
        }
        let Some(index) = self.track(packet) else { return };
        let Some(track) = self.tracks.get_mut(index) else { return };
        if packet.flags.header {
            track.header(packet);
            return;
        }
        let first = *self.first.get_or_insert(packet.dts);
        if self.limit.is_some_and(|limit| packet.dts - first >= limit) {
            return;
        }
        if let Some(line) = track.announce(packet, self.metadata.as_ref())
            && self.format.is_none()
        {
            self.lines.print(format!("PID {} ID {} {line}", index + 1, index + 1));
        }
        track.count(packet);
        if !self.deep {
            return;
        }
        // The time of this packet is the end of the one before it on the same track.
        if let Some(before) = self.unfinished.iter_mut().rev().find(|entry| entry.track == index) {
            before.duration = Some(packet.dts - before.dts);
        }
        let sap = u8::from(packet.kind != Kind::Video || packet.flags.keyframe);
        let cts = packet.dts + i64::from(packet.cts);
        let (number, size) = (track.packets, packet.body.len());
        self.unfinished.push_back(Entry { track: index, number, dts: packet.dts, cts, duration: None, sap, size });
        while let Some(entry) = self.unfinished.front().copied()
            && (entry.duration.is_some() || self.unfinished.len() > MAX_UNFINISHED)
        {
            self.unfinished.pop_front();
            self.packet(entry);
        }
    }

    fn track(&mut self, packet: &Packet) -> Option<usize> {
        let known = self.tracks.iter().position(|track| track.is(packet));
        if known.is_none() && self.tracks.len() < MAX_TRACKS {
            self.tracks.push(Track::new(packet));
            return Some(self.tracks.len() - 1);
        }
        known
    }

    fn packet(&mut self, entry: Entry) {
        let line = match &self.format {
            Some(format) => format.line(&entry),
            None => {
                let Entry { track, number, dts, cts, sap, size, .. } = entry;
                let duration = entry.duration.unwrap_or(0);
                format!("PID {} PCK {number} cts {cts} dts {dts} dur {duration} sap {sap} size {size}\n", track + 1)
            }
        };
        if self.interleave {
            self.lines.print_as_is(line);
        } else if self.kept.len() < MAX_KEPT {
            self.kept.push((entry.track, line));
        } else {
            self.lines.left_out();
        }
    }

    fn finish(&mut self) {
        while let Some(entry) = self.unfinished.pop_front() {
            self.packet(entry);
        }
        let mut kept = std::mem::take(&mut self.kept);
        kept.sort_by_key(|(track, _)| *track);
        for (_, line) in kept {
            self.lines.print_as_is(line);
        }
        for (index, track) in self.tracks.iter_mut().enumerate() {
            if let Some(totals) = track.totals().filter(|_| self.stats) {
                self.lines.print(format!("PID {} {totals}", index + 1));
            }
        }
    }
}

#[cfg(test)]
#[path = "inspect/tests.rs"]
mod tests;
