//! One track of an MP4: its codecs, its time, and the samples that come next.

use std::collections::VecDeque;

use bytes::Bytes;

use super::boxes::{Mp4Box, be32, find};
use super::codec::{self, Codec, NoCodec};
use super::fragment::FragmentSample;
use super::table::{Sample, Table};
use crate::media::Kind;
use crate::source::file::demux::ReadError;
use shiguredo_mp4::boxes::{ElstBox, HdlrBox, MdhdBox, TkhdBox};

/// Sample entries that one track may have.
const MAX_ENTRIES: usize = 64;

/// One video or audio track.
#[derive(Debug)]
pub(super) struct Track {
    /// Its number in the file.
    pub(super) id: u32,
    /// Video or audio.
    pub(super) kind: Kind,
    /// Ticks per second.
    timescale: i64,
    /// What its samples may be.
    entries: Vec<Result<Codec, NoCodec>>,
    /// Ticks to add to a sample's time for its place in the presentation.
    shift: i64,
    /// Ticks by which decoding is moved ahead so that no composition offset is negative.
    dts_shift: i64,
    /// Presentation ticks (before `shift`) at which the edit list begins.
    begin: i64,
    table: Option<Table>,
    queue: VecDeque<Sample>,
    /// Decoding time after the last sample of the last fragment.
    fragment_end: i64,
    began: bool,
    /// Samples and ticks in the tables, for the frame rate.
    pub(super) frames: Option<(u32, f64)>,
    /// The header that was sent last.
    pub(super) sent_entry: u32,
}

impl Track {
    /// Reads a `trak` box; `None` for what is neither video nor audio.
    pub(super) fn read(trak: &Mp4Box, movie_timescale: u32, quicktime: bool) -> Result<Option<Self>, ReadError> {
        let children = trak.children()?;
        let need = |boxes: &[Mp4Box], kind: &[u8; 4]| {
            find(boxes, kind)
                .cloned()
                .ok_or_else(|| ReadError::at(trak.at, format!("the track has no `{}` box", super::boxes::name(*kind))))
        };
        let mdia = need(&children, b"mdia")?.children()?;
        let handler: HdlrBox = need(&mdia, b"hdlr")?.decode()?;
        let kind = match handler.handler_type {
            HdlrBox::HANDLER_TYPE_VIDE => Kind::Video,
            HdlrBox::HANDLER_TYPE_SOUN => Kind::Audio,
            _ => return Ok(None),
        };
        let id = need(&children, b"tkhd")?.decode::<TkhdBox>()?.track_id;
        let mdhd: MdhdBox = need(&mdia, b"mdhd")?.decode()?;
        let timescale = i64::from(mdhd.timescale.get());
        let stbl = need(&need(&mdia, b"minf")?.children()?, b"stbl")?;
        let entries = entries(&need(&stbl.children()?, b"stsd")?, kind, quicktime)?;
        let (begin, delay) = edits(&children, movie_timescale, timescale)?;
        let table = Table::new(&stbl)?;
        let frames = table.as_ref().map(|table| (table.count(), mdhd.duration as f64 / timescale as f64));
        let dts_shift = table.as_ref().map_or(0, Table::lowest_offset).min(0).saturating_neg();
        Ok(Some(Self {
            id,
            kind,
            timescale,
            entries,
            shift: delay.saturating_sub(begin),
            dts_shift,
            begin,
            table,
            queue: VecDeque::new(),
            fragment_end: 0,
            began: false,
            frames,
            sent_entry: 0,
        }))
    }

    /// The codec of the sample entry with this number, from 1.
    pub(super) fn codec(&self, entry: u32) -> Result<&Codec, NoCodec> {
        let index = usize::try_from(entry).ok().and_then(|entry| entry.checked_sub(1));
        match index.and_then(|index| self.entries.get(index)) {
            Some(Ok(codec)) => Ok(codec),
            Some(Err(error)) => Err(error.clone()),
            None => {
                Err(ReadError::media(format!("track {} names sample entry {entry}, which it has not", self.id)).into())
            }
        }
    }

    /// True where a further fragment is needed to know its next sample.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.table.is_none()
    }

    /// Samples that wait.
    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Takes a sample of a fragment.
    pub(super) fn add(&mut self, found: FragmentSample) {
        let mut sample = found.sample;
        if found.continues {
            sample.dts = self.fragment_end;
        }
        if !self.began {
            self.dts_shift = self.dts_shift.max(sample.cts.saturating_neg());
        }
        self.fragment_end = sample.dts.saturating_add(i64::from(sample.duration));
        self.queue.push_back(sample);
    }

    /// The next sample, left in place.
    pub(super) fn peek(&mut self) -> Result<Option<Sample>, ReadError> {
        if !self.began {
            self.began = true;
            self.go_to_beginning()?;
        }
        self.fill()?;
        Ok(self.queue.front().copied())
    }

    /// Takes the sample that `peek` showed.
    pub(super) fn take(&mut self) {
        self.queue.pop_front();
    }

    /// Decoding and presentation time of a sample in milliseconds, on the presentation's time line.
    pub(super) fn millis(&self, sample: &Sample) -> (i64, i64) {
        let to_ms = |ticks: i64| {
            let scaled = i128::from(ticks) * 1000;
            let half = i128::from(self.timescale) / 2;
            // Rounded to the nearest, halves away from zero.
            let rounded = if scaled >= 0 { scaled + half } else { scaled - half } / i128::from(self.timescale);
            i64::try_from(rounded).unwrap_or(i64::MAX / 4)
        };
        let dts = sample.dts.saturating_add(self.shift);
        let pts = dts.saturating_add(sample.cts);
        (to_ms(dts.saturating_sub(self.dts_shift)), to_ms(pts))
    }

    fn fill(&mut self) -> Result<(), ReadError> {
        if self.queue.is_empty()
            && let Some(table) = &mut self.table
        {
            match table.next()? {
                Some(sample) => self.queue.push_back(sample),
                None => self.table = None,
            }
        }
        Ok(())
    }

    /// Leaves out the video that the edit list cuts from the beginning, up to the last key frame that can show its first
    /// picture. What is hidden after that key frame is needed to decode, and the sound that goes with it stays.
    fn go_to_beginning(&mut self) -> Result<(), ReadError> {
        if self.begin <= 0 || self.kind != Kind::Video {
            return Ok(());
        }
        let begin = self.begin;
        let Some(table) = &mut self.table else { return Ok(()) };
        let (mut from, mut index, mut scan) = (0u32, 0u32, table.clone());
        while let Some(sample) = scan.next()? {
            let shown_late = sample.dts.saturating_add(sample.cts) > begin;
            if shown_late && sample.dts > begin {
                break;
            }
            if sample.sync && !shown_late {
                from = index;
            }
            index += 1;
        }
        for _ in 0..from {
            table.next()?;
        }
        Ok(())
    }
}

/// The sample entries of an `stsd` box.
fn entries(stsd: &Mp4Box, kind: Kind, quicktime: bool) -> Result<Vec<Result<Codec, NoCodec>>, ReadError> {
    let found: Vec<_> =
        stsd.children_after(8)?.iter().take(MAX_ENTRIES).map(|entry| codec::read(entry, kind, quicktime)).collect();
    if found.is_empty() {
        return Err(ReadError::at(stsd.at, "the track does not say what its samples are"));
    }
    Ok(found)
}

/// Where the edit list begins within the media, and by how much it delays the track, both in the track's ticks.
/// Only the beginning of the first edit is followed: later ones would need frames that FLV can't mark as hidden.
fn edits(trak: &[Mp4Box], movie_timescale: u32, timescale: i64) -> Result<(i64, i64), ReadError> {
    let Some(edts) = find(trak, b"edts") else { return Ok((0, 0)) };
    let children = edts.children()?;
    let Some(elst) = find(&children, b"elst") else { return Ok((0, 0)) };
    // Checked here: an entry is at least 12 bytes, so that a count can't ask for more than there is.
    if be32(&elst.body, 4).is_none_or(|count| u64::from(count) * 12 > elst.body.len() as u64) {
        return Err(elst.short());
    }
    let mut empty = 0i128;
    for entry in elst.decode::<ElstBox>()?.entries {
        if entry.media_time >= 0 {
            let delay = empty * i128::from(timescale) / i128::from(movie_timescale.max(1));
            return Ok((entry.media_time, i64::try_from(delay).unwrap_or(i64::MAX / 4)));
        }
        empty += i128::from(entry.edit_duration);
    }
    Ok((0, 0))
}

/// Reads an `mvhd` box for its ticks per second.
pub(super) fn movie_timescale(mvhd: &Mp4Box) -> Option<u32> {
    let body: &Bytes = &mvhd.body;
    let at = if body.first() == Some(&1) { 20 } else { 12 };
    be32(body, at).filter(|ticks| *ticks != 0)
}
