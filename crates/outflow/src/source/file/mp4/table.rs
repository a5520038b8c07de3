//! The sample tables of a regular MP4 track (ISO/IEC 14496-12 §8.6, §8.7), read where they lie: a step through them
//! needs no memory of its own.

use bytes::Bytes;

use super::boxes::{Mp4Box, be32, be64, find};
use crate::source::file::demux::ReadError;

/// One sample: where its bytes are and when they are due, in units of the track's timescale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    /// Byte of the file.
    pub(super) offset: u64,
    /// Bytes.
    pub(super) size: u32,
    /// Decoding time.
    pub(super) dts: i64,
    /// Composition offset.
    pub(super) cts: i64,
    /// How long it lasts.
    pub(super) duration: u32,
    /// Decoding can begin here.
    pub(super) sync: bool,
    /// The sample entry, from 1.
    pub(super) entry: u32,
}

/// A table of fixed-size entries after a 32-bit count.
#[derive(Debug, Clone, Default)]
struct Entries {
    bytes: Bytes,
    width: usize,
    count: u32,
}

impl Entries {
    fn new(found: &Mp4Box, width: usize) -> Result<Self, ReadError> {
        let count = be32(&found.body, 4).ok_or_else(|| found.short())?;
        Self::counted(found, 8, width, count)
    }

    fn counted(found: &Mp4Box, skip: usize, width: usize, count: u32) -> Result<Self, ReadError> {
        let bytes = found.body.get(skip..).map(|_| found.body.slice(skip..)).ok_or_else(|| found.short())?;
        if u64::from(count) * width as u64 > bytes.len() as u64 {
            return Err(found.short());
        }
        Ok(Self { bytes, width, count })
    }

    /// The 32-bit field `field` of entry `index`, from 0.
    fn get(&self, index: u32, field: usize) -> Option<u32> {
        if index >= self.count {
            return None;
        }
        be32(&self.bytes, index as usize * self.width + field * 4)
    }
}

/// Sample sizes: one for all, or a table of 32, 16, 8 or 4 bits each.
#[derive(Debug, Clone)]
enum Sizes {
    Fixed { size: u32, count: u32 },
    Each(Entries),
    Compact { bytes: Bytes, bits: u8, count: u32 },
}

impl Sizes {
    fn count(&self) -> u32 {
        match self {
            Sizes::Fixed { count, .. } | Sizes::Compact { count, .. } => *count,
            Sizes::Each(entries) => entries.count,
        }
    }

    fn get(&self, index: u32) -> Option<u32> {
        match self {
            Sizes::Fixed { size, count } => (index < *count).then_some(*size),
            Sizes::Each(entries) => entries.get(index, 0),
            Sizes::Compact { bytes, bits, count } => {
                let at = index as usize;
                if index >= *count {
                    return None;
                }
                match bits {
                    4 => bytes
                        .get(at / 2)
                        .map(|byte| u32::from(if at.is_multiple_of(2) { byte >> 4 } else { byte & 15 })),
                    8 => bytes.get(at).map(|byte| u32::from(*byte)),
                    _ => super::boxes::be16(bytes, at * 2).map(u32::from),
                }
            }
        }
    }
}

/// A run-length table (stts, ctts) and how far it was used.
#[derive(Debug, Clone, Default)]
struct Runs {
    entries: Entries,
    index: u32,
    used: u32,
}

impl Runs {
    /// The value of the next sample; the last one once the table is used up.
    fn next(&mut self) -> Option<u32> {
        while self.used >= self.entries.get(self.index, 0)? {
            self.index += 1;
            self.used = 0;
        }
        self.used += 1;
        self.entries.get(self.index, 1)
    }
}

/// A place in the sample tables of a track.
#[derive(Debug, Clone)]
pub(super) struct Table {
    sizes: Sizes,
    durations: Runs,
    offsets: Runs,
    sync: Option<Entries>,
    sync_index: u32,
    chunks: Entries,
    runs: Entries,
    run: u32,
    chunk: u32,
    left_in_chunk: u32,
    entry: u32,
    position: u64,
    sample: u32,
    dts: i64,
    last_duration: u32,
    at: u64,
}

impl Table {
    /// Reads the tables of a sample table box; `None` where it has no samples (as in a fragmented file).
    pub(super) fn new(stbl: &Mp4Box) -> Result<Option<Self>, ReadError> {
        let children = stbl.children()?;
        let Some(sizes) = sizes(&children)? else { return Ok(None) };
        if sizes.count() == 0 {
            return Ok(None);
        }
        let need = |kind: &[u8; 4]| {
            find(&children, kind).ok_or_else(|| {
                ReadError::at(stbl.at, format!("the track has samples but no `{}` box", super::boxes::name(*kind)))
            })
        };
        let runs = |entries| Runs { entries, index: 0, used: 0 };
        let chunks = match find(&children, b"co64") {
            Some(found) => Entries::new(found, 8)?,
            None => Entries::new(need(b"stco")?, 4)?,
        };
        Ok(Some(Self {
            sizes,
            durations: runs(Entries::new(need(b"stts")?, 8)?),
            offsets: runs(
                find(&children, b"ctts").map(|found| Entries::new(found, 8)).transpose()?.unwrap_or_default(),
            ),
            sync: find(&children, b"stss").map(|found| Entries::new(found, 4)).transpose()?,
            sync_index: 0,
            chunks,
            runs: Entries::new(need(b"stsc")?, 12)?,
            run: 0,
            chunk: 0,
            left_in_chunk: 0,
            entry: 1,
            position: 0,
            sample: 0,
            dts: 0,
            last_duration: 0,
            at: stbl.at,
        }))
    }

    /// How many samples there are in all.
    pub(super) fn count(&self) -> u32 {
        self.sizes.count()
    }

    /// The lowest composition offset; absurd ones are left out.
    pub(super) fn lowest_offset(&self) -> i64 {
        let entries = &self.offsets.entries;
        let offsets =
            (0..entries.count).filter_map(|index| entries.get(index, 1)).map(|offset| i64::from(offset as i32));
        offsets.filter(|offset| *offset > -(1 << 28)).min().unwrap_or(0)
    }

    /// The next sample, or `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Sample>, ReadError> {
        let Some(size) = self.sizes.get(self.sample) else { return Ok(None) };
        while self.left_in_chunk == 0 {
            self.enter_chunk()?;
        }
        // A table that ends early repeats its last value, as other readers do.
        let duration = self.durations.next().unwrap_or(self.last_duration);
        // Signed in every file seen, whatever the version says (§8.6.1.3).
        let cts = i64::from(self.offsets.next().unwrap_or(0) as i32);
        let sync = self.is_sync();
        let sample = Sample { offset: self.position, size, dts: self.dts, cts, duration, sync, entry: self.entry };
        self.position = self.position.saturating_add(u64::from(size));
        self.dts = self.dts.saturating_add(i64::from(duration));
        self.last_duration = duration;
        self.left_in_chunk -= 1;
        self.sample += 1;
        Ok(Some(sample))
    }

    fn enter_chunk(&mut self) -> Result<(), ReadError> {
        let offset = match self.chunks.width {
            8 => (self.chunk < self.chunks.count).then(|| be64(&self.chunks.bytes, self.chunk as usize * 8)).flatten(),
            _ => self.chunks.get(self.chunk, 0).map(u64::from),
        };
        let Some(offset) = offset else {
            return Err(ReadError::at(
                self.at,
                format!("the sample tables disagree: sample {} has no chunk to lie in", self.sample + 1),
            ));
        };
        self.chunk += 1;
        while self.runs.get(self.run + 1, 0).is_some_and(|first| first <= self.chunk) {
            self.run += 1;
        }
        let (Some(count), Some(entry)) = (self.runs.get(self.run, 1), self.runs.get(self.run, 2)) else {
            return Err(ReadError::at(self.at, "the sample tables disagree: chunks without samples"));
        };
        (self.position, self.left_in_chunk, self.entry) = (offset, count, entry);
        Ok(())
    }

    fn is_sync(&mut self) -> bool {
        let Some(sync) = &self.sync else { return true };
        while sync.get(self.sync_index, 0).is_some_and(|number| number <= self.sample) {
            self.sync_index += 1;
        }
        sync.get(self.sync_index, 0) == Some(self.sample + 1)
    }
}

fn sizes(children: &[Mp4Box]) -> Result<Option<Sizes>, ReadError> {
    if let Some(found) = find(children, b"stsz") {
        let (Some(size), Some(count)) = (be32(&found.body, 4), be32(&found.body, 8)) else {
            return Err(found.short());
        };
        return Ok(Some(match size {
            0 => Sizes::Each(Entries::counted(found, 12, 4, count)?),
            size => Sizes::Fixed { size, count },
        }));
    }
    let Some(found) = find(children, b"stz2") else { return Ok(None) };
    let (Some(bits), Some(count)) = (found.body.get(7).copied(), be32(&found.body, 8)) else {
        return Err(found.short());
    };
    if !matches!(bits, 4 | 8 | 16) {
        return Err(ReadError::at(found.at, format!("sample sizes of {bits} bits are not defined")));
    }
    let bytes = found.body.slice(12.min(found.body.len())..);
    if u64::from(count) * u64::from(bits) > bytes.len() as u64 * 8 {
        return Err(found.short());
    }
    Ok(Some(Sizes::Compact { bytes, bits, count }))
}
